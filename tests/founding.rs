//! The case this project was born from, before any SDK: four clients and three servers, each alone against the honest other
//! side, and watched. Every report is a snapshot.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use mcp_interop::fault::Fault;
use mcp_interop::judge::finding::Blame;
use mcp_interop::judge::{Outcome, Verdict, judge};
use mcp_interop::reference::{client, server};
use mcp_interop::report::{self, Style};
use mcp_interop::run::pair::{self, Deviations};
use mcp_interop::run::{Played, Results, Summary};
use mcp_interop::scenario::files;
use mcp_interop::scenario::plan::Plan;
use mcp_interop::spec::Revision;
use mcp_interop::trace::{Seat, Transport};
use std::sync::Arc;

const SEED: &str = "tasks/question-in-a-task";

/// Plays the founding exchange in memory, and gives the results as a run would.
fn play(seat: Seat, transport: Transport, deviations: Deviations) -> Results {
    let scenario = files::embedded().scenarios.into_iter().find(|s| s.id == SEED).expect("it is built in");
    let title = scenario.title.clone();
    let plan = Arc::new(Plan::new(Arc::new(scenario), transport));
    let mut n = 40;
    let mut random = || {
        n += 1;
        n
    };
    let play = pair::prepare(plan, seat, Revision::DEFAULT, Vec::new(), &mut random);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let trace = runtime.block_on(pair::play(&play, deviations, 1));
    let judgement = judge(&trace);
    let again = format!("({seat}'s seat, in memory)");
    Results {
        seat,
        peer: "embedded".into(),
        revision: Revision::DEFAULT,
        played: vec![Played { scenario: SEED.into(), title, trace, judgement, again }],
        skipped: Vec::new(),
        troubles: Vec::new(),
        unkept: Vec::new(),
        interrupted: false,
    }
}

/// The report, and the exit code that goes with it.
fn report(results: &Results) -> (String, u8) {
    let summary = Summary::of(results);
    let style = Style { colour: false, width: 110, verbose: true };
    (report::terminal(results, &summary, false, &style), report::exit_code(results, &summary, false))
}

struct Expected {
    verdict: Verdict,
    /// The party and the requirement of the finding that decides.
    finding: Option<(Blame, Option<&'static str>)>,
    reached: bool,
    exit: u8,
}

fn check(name: &str, seat: Seat, transport: Transport, deviations: Deviations, expected: &Expected) {
    let results = play(seat, transport, deviations);
    let (text, exit) = report(&results);
    insta::with_settings!({ snapshot_suffix => format!("{name}-{seat}-{transport}"), omit_expression => true }, {
        insta::assert_snapshot!("report", text);
    });
    let judgement = &results.played[0].judgement;
    assert_eq!(judgement.verdict, expected.verdict, "{text}");
    assert_eq!(matches!(judgement.outcome, Outcome::Reached { .. }), expected.reached, "{text}");
    assert_eq!(exit, expected.exit, "{text}");
    match expected.finding {
        None => assert!(judgement.findings.is_empty(), "{text}"),
        Some((blame, requirement)) => {
            let worst = judgement.findings.iter().max_by_key(|f| f.verdict).expect("there is a finding");
            assert_eq!((worst.blame, worst.requirement.as_deref()), (blame, requirement), "{text}");
            assert!(judgement.findings.iter().all(|f| f.blame == blame), "nobody else is accused\n{text}");
        }
    }
}

fn fault(text: &str) -> Option<Fault> {
    Some(Fault::read(text).expect("it is a fault").remove(0))
}

const WELL: Expected = Expected { verdict: Verdict::Pass, finding: None, reached: true, exit: 0 };

#[test]
fn the_honest_pair_from_all_three_seats() {
    for transport in Transport::ALL {
        for seat in Seat::ALL {
            check("honest", seat, transport, Deviations::default(), &WELL);
        }
    }
}

#[test]
fn a_client_that_calls_tasks_result_at_once() {
    let at_once: fn(&mut client::Setup) = |setup| setup.following.result_at_once = true;
    for transport in Transport::ALL {
        for seat in [Seat::Server, Seat::Observer] {
            let deviations = Deviations { client_setup: Some(at_once), ..Deviations::default() };
            check("client-at-once", seat, transport, deviations, &WELL);
        }
    }
}

#[test]
fn a_client_that_never_calls_tasks_result() {
    let never = "[{ name: never, breaks: tasks.input.requestor-calls-result, by: client,
        on: { kind: request, method: tasks/result }, do: [drop] }]";
    let expected = Expected {
        verdict: Verdict::Fail,
        finding: Some((Blame::Client, Some("tasks.input.requestor-calls-result"))),
        reached: false,
        exit: 1,
    };
    for transport in Transport::ALL {
        for seat in [Seat::Server, Seat::Observer] {
            let deviations = Deviations { client: fault(never), ..Deviations::default() };
            check("client-never", seat, transport, deviations, &expected);
        }
    }
}

/// The same client as a program of its own, over real sockets and pipes.
#[test]
fn a_client_that_never_calls_tasks_result_is_at_fault_from_the_command_line() {
    const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-interop");
    for transport in Transport::ALL {
        let mut command = std::process::Command::new(PROGRAM);
        command.args(["client", "--scenario", SEED, "--transport", transport.as_str()]);
        command.args(["--", PROGRAM, "drive", "--fault", "never-calls-tasks-result"]);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let said = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(output.status.code(), Some(1), "{text}");
        for part in [
            "The two did not understand each other; the client is at fault",
            "fail: the client is at fault",
            "requirement tasks.input.requestor-calls-result (SHOULD) On seeing `input_required` the requestor calls \
             tasks/result without waiting for completion.",
            "1 outcome missed",
        ] {
            assert!(said.contains(part), "{part}\n{text}");
        }
    }
}

#[test]
fn a_client_that_leaves_the_metadata_out_of_its_answer() {
    let bare = "[{ name: bare, breaks: tasks.input.response-related-meta, by: client,
        on: { kind: result, method: elicitation/create }, do: [{ remove: /result/_meta }] }]";
    let expected = Expected {
        verdict: Verdict::Fail,
        finding: Some((Blame::Client, Some("tasks.input.response-related-meta"))),
        reached: true,
        exit: 1,
    };
    for transport in Transport::ALL {
        for seat in [Seat::Server, Seat::Observer] {
            let deviations = Deviations { client: fault(bare), ..Deviations::default() };
            check("client-bare", seat, transport, deviations, &expected);
        }
    }
}

#[test]
fn a_server_that_asks_on_the_get_stream() {
    let aside: fn(&mut server::Setup) = |setup| setup.dialect.questions_on_get = true;
    for seat in [Seat::Client, Seat::Observer] {
        let deviations = Deviations { server_setup: Some(aside), ..Deviations::default() };
        check("server-aside", seat, Transport::Http, deviations, &WELL);
    }
}

#[test]
fn a_server_that_never_says_input_required() {
    let never = "[{ name: never, breaks: tasks.input.moves-to-input-required, by: server,
        on: { kind: result, method: tasks/get, where: { /result/status: input_required } },
        do: [{ set: { at: /result/status, to: working } }] }]";
    let expected = Expected {
        verdict: Verdict::Fail,
        finding: Some((Blame::Server, Some("tasks.input.moves-to-input-required"))),
        reached: false,
        exit: 1,
    };
    for transport in Transport::ALL {
        for seat in [Seat::Client, Seat::Observer] {
            let deviations = Deviations { server: fault(never), ..Deviations::default() };
            check("server-never", seat, transport, deviations, &expected);
        }
    }
}

/// The text that it gives away is the right one: nothing but the order tells.
#[test]
fn a_server_that_answers_before_it_was_answered() {
    let early = r#"[{ name: early, breaks: tasks.result.blocks-until-terminal, by: server,
        on: { kind: request, method: elicitation/create },
        do: [{ after: { jsonrpc: "2.0", id: $open tasks/result, result: {
            content: [{ type: text, text: Deleted 43 files }],
            _meta: { io.modelcontextprotocol/related-task: $/params/_meta/io.modelcontextprotocol~1related-task } } } },
            { swallow: tasks/result }] }]"#;
    for transport in Transport::ALL {
        for seat in [Seat::Client, Seat::Observer] {
            let expected = Expected {
                verdict: Verdict::Fail,
                finding: Some((Blame::Server, Some("tasks.result.blocks-until-terminal"))),
                // a client that is not ours leaves with what it got, and its question is never answered
                reached: seat == Seat::Client,
                exit: 1,
            };
            let deviations = Deviations { server: fault(early), ..Deviations::default() };
            check("server-early", seat, transport, deviations, &expected);
        }
    }
}

/// What is written is what the schema for other programs says.
#[test]
fn a_record_is_as_its_schema_says() {
    let schema: serde_json::Value = serde_json::from_str(include_str!("../schemas/trace.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for transport in Transport::ALL {
        for seat in Seat::ALL {
            let results = play(seat, transport, Deviations::default());
            let text = mcp_interop::trace::record::write(&results.played[0].trace);
            assert!(text.lines().count() > 10);
            for line in text.lines() {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                let errors: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
                assert_eq!(errors, Vec::<String>::new(), "{line}");
            }
        }
    }
}

/// An answer that comes twice comes after the course is complete: the record goes on until nothing can.
#[test]
fn a_server_that_gives_its_last_answer_twice() {
    let twice = "[{ name: twice, breaks: base.request.answered, by: server,
        on: { kind: result, method: tasks/result }, do: [duplicate] }]";
    let expected = Expected {
        verdict: Verdict::Fail,
        finding: Some((Blame::Server, Some("base.request.answered"))),
        reached: true,
        exit: 1,
    };
    for seat in [Seat::Client, Seat::Observer] {
        let deviations = Deviations { server: fault(twice), ..Deviations::default() };
        check("server-twice", seat, Transport::Stdio, deviations, &expected);
    }
}
