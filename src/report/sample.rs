//! Sample results for the tests of reports: the founding exchange, well and in the ways in which it goes wrong.

use crate::judge::finding::{Blame, Check};
use crate::judge::{Finding, Judgement, Outcome, Verdict};
use crate::run::{Played, Results, Skipped, Summary, Trouble};
use crate::spec::Revision;
use crate::trace::event::{Body, Closing, EndReason, Event, StreamId, StreamKind, Text};
use crate::trace::record::{FORMAT, Header, Script};
use crate::trace::{Seat, Trace, Transport};
use crate::wire::Party;
use serde_json::{Map, Value, json};

pub(crate) const TASK: &str = "1f3a5c7e-2b4d-4e6f-8a9b-0c1d2e3f4a5b";
const FILE: &str = include_str!("../../scenarios/tasks/question-in-a-task.yaml");

/// A trace as it grows.
pub(crate) struct Tape {
    events: Vec<Event>,
    transport: Transport,
    seat: Seat,
    round_trips: u32,
    streams: u32,
    get: Option<StreamId>,
}

impl Tape {
    pub(crate) fn new(transport: Transport, seat: Seat) -> Tape {
        let mut tape = Tape { events: Vec::new(), transport, seat, round_trips: 0, streams: 0, get: None };
        if transport == Transport::Stdio {
            tape.open(Party::Client, StreamKind::Stdin, None);
            tape.open(Party::Server, StreamKind::Stdout, None);
        }
        tape
    }

    pub(crate) fn push(&mut self, body: Body) -> u32 {
        let seq = u32::try_from(self.events.len()).unwrap_or(u32::MAX);
        self.events.push(Event { seq, at: u64::from(seq) * 1000, body });
        seq
    }

    fn open(&mut self, writer: Party, kind: StreamKind, round_trip: Option<u32>) -> StreamId {
        let stream = StreamId(self.streams);
        self.streams += 1;
        self.push(Body::StreamOpened { stream, writer, kind, round_trip });
        stream
    }

    pub(crate) fn raw(&mut self, stream: StreamId, from: Party, bytes: &[u8]) -> u32 {
        let (event_id, step, breaks, cut_from) = (None, None, Vec::new(), None);
        self.push(Body::Message { stream, from, text: Text::of(bytes), event_id, step, breaks, cut_from })
    }

    /// The client sends a message; over HTTP as a POST that is answered with `status`.
    pub(crate) fn client(&mut self, message: &Value, status: u16) -> u32 {
        if self.transport == Transport::Stdio {
            return self.raw(StreamId(0), Party::Client, message.to_string().as_bytes());
        }
        self.round_trips += 1;
        let round_trip = self.round_trips;
        self.http(round_trip, "POST");
        let stream = self.open(Party::Client, StreamKind::Post, Some(round_trip));
        let seq = self.raw(stream, Party::Client, message.to_string().as_bytes());
        self.push(Body::StreamClosed { stream, by: Some(Party::Client), how: Closing::Clean });
        self.answered(round_trip, status, if status == 200 { "application/json" } else { "text/plain" });
        seq
    }

    fn http(&mut self, round_trip: u32, method: &str) {
        let headers = vec![("MCP-Protocol-Version".into(), "2025-11-25".into())];
        self.push(Body::HttpRequest {
            round_trip,
            method: method.into(),
            target: "/mcp".into(),
            headers,
            step: None,
            client: None,
        });
    }

    pub(crate) fn answered(&mut self, round_trip: u32, status: u16, kind: &str) -> u32 {
        let headers = vec![("Content-Type".into(), kind.into())];
        let body = (status >= 400).then(|| Text::of(b"Bad Request: no valid session ID provided"));
        self.push(Body::HttpResponse { round_trip, status, headers, body })
    }

    /// Opens the GET stream.
    pub(crate) fn listen(&mut self) {
        self.round_trips += 1;
        let round_trip = self.round_trips;
        self.http(round_trip, "GET");
        self.answered(round_trip, 200, "text/event-stream");
        self.get = Some(self.open(Party::Server, StreamKind::Get, Some(round_trip)));
    }

    /// The server sends a message; over HTTP on the last POST's answer, or on the GET stream.
    pub(crate) fn server(&mut self, message: &Value) -> u32 {
        let stream = match (self.transport, self.get) {
            (Transport::Stdio, _) => StreamId(1),
            (Transport::Http, Some(get)) if message.get("method").is_some() => get,
            (Transport::Http, _) => self.open(Party::Server, StreamKind::PostAnswer, Some(self.round_trips)),
        };
        self.raw(stream, Party::Server, message.to_string().as_bytes())
    }

    pub(crate) fn handshake(&mut self) {
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}},
            "clientInfo": {"name": "honest-client", "version": "1.0"}});
        self.client(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}), 200);
        let result = json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
            "serverInfo": {"name": "task-server", "version": "0.3.1"}});
        self.server(&json!({"jsonrpc": "2.0", "id": 0, "result": result}));
        self.client(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}), 202);
    }

    /// The call as a task, and the polls until the server waits for the answer.
    pub(crate) fn call_and_poll(&mut self, working: u32, waiting: u32) -> u32 {
        self.push(Body::Action {
            label: "call".into(),
            what: "call tool test_task_elicitation as task".into(),
            gives_up: None,
        });
        let params = json!({"name": "test_task_elicitation", "arguments": {"files": 7}, "task": {"ttl": 60000}});
        self.client(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}), 200);
        let task = |status: &str| {
            json!({"taskId": TASK, "status": status, "createdAt": "2025-11-25T10:30:00Z",
            "lastUpdatedAt": "2025-11-25T10:30:00Z", "ttl": 60000, "pollInterval": 100})
        };
        self.server(&json!({"jsonrpc": "2.0", "id": 1, "result": {"task": task("working")}}));
        let mut last = 0;
        for i in 0..working + waiting {
            let id = 2 + i;
            let params = json!({"taskId": TASK});
            self.client(&json!({"jsonrpc": "2.0", "id": id, "method": "tasks/get", "params": params}), 200);
            let status = if i < working { "working" } else { "input_required" };
            last = self.server(&json!({"jsonrpc": "2.0", "id": id, "result": task(status)}));
        }
        last
    }

    /// From `tasks/result` to the end; the answer with the related task in its metadata or without.
    pub(crate) fn ask_and_finish(&mut self, with_metadata: bool) -> (u32, u32) {
        let meta = json!({"io.modelcontextprotocol/related-task": {"taskId": TASK}});
        let params = json!({"taskId": TASK});
        self.client(&json!({"jsonrpc": "2.0", "id": 90, "method": "tasks/result", "params": params}), 200);
        let params = json!({"mode": "form", "message": "Delete 7 files?", "requestedSchema": {"type": "object",
            "properties": {"confirm": {"type": "boolean"}}}, "_meta": meta});
        self.server(&json!({"jsonrpc": "2.0", "id": "q-1", "method": "elicitation/create", "params": params}));
        let mut result = json!({"action": "accept", "content": {"confirm": true}});
        if with_metadata {
            result["_meta"] = meta.clone();
        }
        let answer = self.client(&json!({"jsonrpc": "2.0", "id": "q-1", "result": result}), 202);
        let content = json!([{"type": "text", "text": "Deleted 7 files"}]);
        let result = json!({"content": content, "isError": false, "_meta": meta});
        let last = self.server(&json!({"jsonrpc": "2.0", "id": 90, "result": result}));
        self.push(Body::Saw { label: "outcome".into(), value: json!({"result": {"content": content}}) });
        (answer, last)
    }

    pub(crate) fn end(mut self, reason: EndReason) -> Trace {
        self.push(Body::End { reason });
        let script = Script {
            id: "tasks/question-in-a-task".into(),
            file: "tasks/question-in-a-task.yaml".into(),
            text: FILE.into(),
        };
        Trace {
            header: Header {
                format: FORMAT,
                harness: "0.1.0".into(),
                digests: Map::new(),
                scenario: Some(script),
                seat: self.seat,
                revision: Revision::V2025_11_25,
                transport: self.transport,
                client: "honest-client".into(),
                server: "task-server".into(),
                choices: Vec::new(),
                fresh: Map::new(),
                bound: Map::new(),
                limits: Map::new(),
                captured: Vec::new(),
            },
            events: self.events,
        }
    }
}

pub(crate) fn check(requirement: &str, verdict: Verdict) -> Check {
    let not_exercised = verdict == Verdict::NotExercised;
    Check {
        requirement: requirement.into(),
        verdict,
        exercised: u32::from(!not_exercised),
        reason: not_exercised.then(|| "the client never called tasks/result".into()),
        presumed: false,
    }
}

pub(crate) fn finding(verdict: Verdict, blame: Blame, expected: &str, found: &str) -> Finding {
    let (expected, found) = (expected.into(), found.into());
    let (requirement, event, pointer, step, span, decision) = (None, None, None, None, None, None);
    Finding { verdict, requirement, blame, event, pointer, step, span, expected, found, decision, presumed: false }
}

/// The place of a text in the scenario file.
fn span(text: &str) -> Option<std::ops::Range<usize>> {
    FILE.find(text).map(|at| at..at + text.len())
}

pub(crate) fn played(trace: Trace, outcome: Outcome, findings: Vec<Finding>, checks: Vec<Check>) -> Played {
    let proven = checks.iter().any(|c| c.verdict == Verdict::Pass);
    let worst = findings.iter().map(|f| f.verdict).max();
    let verdict = worst.unwrap_or(if proven { Verdict::Pass } else { Verdict::NotExercised });
    let (under_test, flag) = match trace.header.seat {
        Seat::Server => ("client", "honest-client"),
        _ => ("server", "task-server"),
    };
    Played {
        scenario: "tasks/question-in-a-task".into(),
        title: "A tool that runs as a task asks its caller a question, and finishes with the answer".into(),
        again: format!(
            "{under_test} --peer {flag} --scenario tasks/question-in-a-task --transport {}",
            trace.header.transport
        ),
        trace,
        judgement: Judgement {
            verdict,
            outcome,
            findings,
            checks,
            cleared: Vec::new(),
            matched: vec![("1".into(), 6)],
        },
    }
}

pub(crate) fn results(seat: Seat, played: Vec<Played>) -> Results {
    let peer = if seat == Seat::Server { "honest-client" } else { "task-server" };
    Results {
        seat,
        peer: peer.into(),
        revision: Revision::V2025_11_25,
        played,
        skipped: Vec::new(),
        troubles: Vec::new(),
        unkept: Vec::new(),
        interrupted: false,
    }
}

const SERVER_PROVES: [&str; 3] = [
    "tasks.create.returns-create-task-result",
    "tasks.input.moves-to-input-required",
    "tasks.result.related-task-meta",
];

/// All well.
pub(crate) fn well(transport: Transport) -> Played {
    let mut tape = Tape::new(transport, Seat::Client);
    tape.handshake();
    if transport == Transport::Http {
        tape.listen();
    }
    tape.call_and_poll(14, 1);
    tape.ask_and_finish(true);
    let trace = tape.end(EndReason::Finished);
    let mut checks: Vec<Check> = SERVER_PROVES.iter().map(|id| check(id, Verdict::Pass)).collect();
    checks.push(Check { presumed: true, ..check("tasks.result.blocks-until-terminal", Verdict::Pass) });
    played(trace, Outcome::Reached { other_way: None }, Vec::new(), checks)
}

/// The client polls for ever and never calls `tasks/result`; ours is the server.
pub(crate) fn never_asks(transport: Transport) -> Played {
    let mut tape = Tape::new(transport, Seat::Server);
    tape.handshake();
    let last = tape.call_and_poll(3, 40);
    tape.push(Body::Stderr {
        party: Party::Client,
        text: "polling...\nstatus: \x1b[33minput_required\x1b[0m\n\nstill waiting\n".into(),
    });
    let trace = tape.end(EndReason::Deadline);
    let findings = vec![Finding {
        requirement: Some("tasks.input.requestor-calls-result".into()),
        event: Some(last),
        step: Some("4".into()),
        span: span("client requests: tasks/result"),
        presumed: true,
        ..finding(
            Verdict::Fail,
            Blame::Client,
            "the client requests `tasks/result` for the task that waits for input",
            "40 times `tasks/get`, and nothing else until the deadline of 10s",
        )
    }];
    let checks = vec![
        check("tasks.poll.respects-interval", Verdict::Pass),
        check("tasks.input.requestor-calls-result", Verdict::Warn),
        check("tasks.input.response-related-meta", Verdict::NotExercised),
    ];
    played(trace, Outcome::Missed { finding: 0 }, findings, checks)
}

/// The client leaves the metadata out of its answer.
pub(crate) fn without_metadata(transport: Transport, verdict: Verdict) -> Played {
    let mut tape = Tape::new(transport, Seat::Server);
    tape.handshake();
    tape.call_and_poll(2, 1);
    let (answer, _) = tape.ask_and_finish(false);
    let trace = tape.end(EndReason::Finished);
    let findings = vec![Finding {
        requirement: Some("tasks.input.response-related-meta".into()),
        event: Some(answer),
        pointer: Some("/result/_meta/io.modelcontextprotocol~1related-task/taskId".into()),
        step: Some("6".into()),
        span: span("client answers: question"),
        decision: Some("tasks-related-meta-scope".into()),
        ..finding(
            verdict,
            Blame::Client,
            &format!("`{TASK}`"),
            "the answer to a question of a task does not name the task",
        )
    }];
    let checks = vec![
        check("tasks.input.requestor-calls-result", Verdict::Pass),
        check("tasks.input.response-related-meta", verdict),
    ];
    played(trace, Outcome::Reached { other_way: None }, findings, checks)
}

/// The server dies in the middle of the polls.
pub(crate) fn dies() -> Played {
    let mut tape = Tape::new(Transport::Stdio, Seat::Client);
    tape.push(Body::ProcessStarted { party: Party::Server, command: "node dist/server.js --stdio".into() });
    tape.handshake();
    tape.call_and_poll(3, 0);
    tape.push(Body::Stderr {
        party: Party::Server,
        text: (1..=40).map(|i| format!("    at step{i} (server.js:{i}:1)\n")).collect::<String>()
            + "TypeError: x is undefined\n",
    });
    let exited = tape.push(Body::ProcessExited { party: Party::Server, code: Some(1), signal: None, ours: false });
    let trace = tape.end(EndReason::Gone { party: Party::Server, how: "its process exited with code 1".into() });
    let findings = vec![Finding {
        event: Some(exited),
        step: Some("3.1".into()),
        span: span("server answers: tasks/get"),
        ..finding(
            Verdict::Fail,
            Blame::Server,
            "the server goes on until the task has ended",
            "its process exited with code 1, after it had answered `tasks/get`",
        )
    }];
    let checks = vec![
        check("tasks.create.returns-create-task-result", Verdict::Pass),
        Check {
            reason: Some("the server was gone".into()),
            ..check("tasks.result.related-task-meta", Verdict::NotExercised)
        },
    ];
    played(trace, Outcome::Missed { finding: 0 }, findings, checks)
}

/// The server writes something that is no message, and misspells a status.
pub(crate) fn garbage() -> Played {
    let mut tape = Tape::new(Transport::Stdio, Seat::Client);
    let banner = tape.raw(StreamId(1), Party::Server, b"\x1b[32mtask-server listening\x1b[0m caf\xe9");
    tape.handshake();
    tape.call_and_poll(1, 0);
    tape.client(&json!({"jsonrpc": "2.0", "id": 50, "method": "tasks/get", "params": {"taskId": TASK}}), 200);
    let wrong = tape.server(
        &json!({"jsonrpc": "2.0", "id": 50, "result": {"taskId": TASK, "status": "waiting for \u{202e}中文 input",
        "createdAt": "2025-11-25T10:30:00Z", "lastUpdatedAt": "2025-11-25T10:30:00Z", "ttl": 60000}}),
    );
    tape.client(&json!({"jsonrpc": "2.0", "id": 51, "method": "tasks/result", "params": {"taskId": TASK}}), 200);
    tape.server(&json!({"jsonrpc": "2.0", "id": 51, "error": {"code": -32603, "message": "no result stored"}}));
    tape.push(Body::Saw {
        label: "outcome".into(),
        value: json!({"error": {"code": -32603, "message": "no result stored"}}),
    });
    let trace = tape.end(EndReason::Finished);
    let findings = vec![
        Finding {
            requirement: Some("transport.stdio.server-stdout-clean".into()),
            event: Some(banner),
            pointer: Some(String::new()),
            ..finding(
                Verdict::Fail,
                Blame::Server,
                "a JSON-RPC message in each line of standard output",
                "a line that is no JSON",
            )
        },
        Finding {
            event: Some(wrong),
            pointer: Some("/result/status".into()),
            step: Some("3.1".into()),
            span: span("ends with: { result: { status: input_required } }"),
            ..finding(
                Verdict::Fail,
                Blame::Server,
                "one of `working`, `input_required`, `completed`, `failed`, `cancelled`",
                "`waiting for \u{202e}中文 input`",
            )
        },
    ];
    played(
        trace,
        Outcome::Missed { finding: 1 },
        findings,
        vec![check("tasks.create.returns-create-task-result", Verdict::Pass)],
    )
}

/// Nothing was proven: one peer that does not start, one scenario that does not apply, some that could not be played.
pub(crate) fn nothing() -> Results {
    let mut tape = Tape::new(Transport::Stdio, Seat::Client);
    tape.handshake();
    let reason = "the server does not declare `tasks.requests.tools.call`";
    let trace = tape.end(EndReason::NotApplicable { reason: reason.into() });
    let unreached =
        Check { reason: Some(reason.into()), ..check("tasks.result.related-task-meta", Verdict::NotExercised) };
    let outcome = Outcome::NotExercised { reason: reason.into() };
    let mut results = results(Seat::Client, vec![played(trace, outcome, Vec::new(), vec![unreached])]);
    results.skipped = (0..9)
        .map(|i| Skipped {
            scenario: format!("http/case-{i}"),
            transport: if i < 7 { Transport::Http } else { Transport::Stdio },
            reason: if i < 7 { "the server assigns no session" } else { "it has no tool named `slow`" }.into(),
            claims: vec![format!("transport.session.case-{i}")],
        })
        .collect();
    results
}

/// The peer could not be started on one of its transports, and does not offer what it claims.
pub(crate) fn troubled() -> Results {
    let mut results = results(Seat::Client, vec![well(Transport::Stdio)]);
    results.troubles.push(Trouble {
        transport: Transport::Http,
        what: "`node dist/server.js --port 41233` did not listen within 20s; start it by hand and see what it says"
            .into(),
        stderr: Some("Error: Cannot find module 'express'\n    at Module._resolveFilename\n".into()),
        blame: Blame::Environment,
    });
    results.unkept.push("tasks.cancel: claimed for task-server, not declared by the server".into());
    results
}

pub(crate) fn summary(results: &Results) -> Summary {
    Summary::of(results)
}
