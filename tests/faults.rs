//! Every fault of a server, in a server that is alive: the embedded server deviates as `serve --fault` makes it, all
//! scenarios that give it occasion are played, and exactly the requirement that it breaks is found broken, by the server, at the
//! message that was changed.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use libtest_mimic::{Arguments, Failed, Trial};
use mcp_interop::conversation::Conversation;
use mcp_interop::fault::replay::carrier;
use mcp_interop::fault::{Fault, Part, Request, Trigger, library};
use mcp_interop::judge::finding::Blame;
use mcp_interop::judge::{self, Finding};
use mcp_interop::reference::Surroundings;
use mcp_interop::run::embedded::Embedded;
use mcp_interop::run::server::{self, Options};
use mcp_interop::run::{Played, Results};
use mcp_interop::scenario::{Scenario, files, seats};
use mcp_interop::spec::{Catalogue, Revision};
use mcp_interop::trace::event::{Body, Event};
use mcp_interop::trace::{Seat, Transport, record};
use mcp_interop::wire::Party;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::sync::LazyLock;

const REVISION: Revision = Revision::V2025_11_25;

/// In the scenarios of so many files a fault is played, and in more until it is found.
const ENOUGH: usize = 4;

/// Faults for which no scenario gives the occasion, and why. One that is caught after all must go from here.
const NO_OCCASION: &[(&str, &str)] = &[
    ("a-task-without-the-capability", "the embedded server declares tasks"),
    ("a-task-for-a-method-that-is-not-listed", "the embedded server declares tasks for the only method that there is"),
    ("sampling-as-a-task-that-is-not-listed", "the embedded client takes sampling as a task"),
    ("sampling-as-a-task-without-tasks", "the embedded client declares tasks"),
    ("asks-for-what-the-client-did-not-declare", "the embedded client declares all that it can be asked"),
    ("lists-the-tasks-of-strangers", "the embedded server knows its callers by their sessions"),
    ("no-status-notification", "the embedded server announces no status"),
    ("a-notified-status-that-is-none", "the embedded server announces no status"),
    ("notifies-half-a-task", "the embedded server announces no status"),
    ("notifies-with-meta", "the embedded server announces no status"),
    ("notifies-of-nobodys-task", "the embedded server announces no status"),
    ("progress-after-the-end", "the embedded server announces no status"),
    ("an-announcement-more", "the embedded server announces no change of its tools"),
    ("leaves-a-task-out", "no scenario lists tasks"),
    ("cancels-what-has-ended", "no scenario cancels what has ended"),
    ("an-expired-task-with-another-error", "no scenario asks twice for what is not there"),
    ("invalid-parameters-with-another-code", "no scenario calls a tool with parameters that are none"),
    ("a-task-that-never-shows-work", "no scenario polls a task twice that still works"),
    ("stays-in-input-required", "no tool of the embedded server still works after its answer"),
];

/// Scenarios in which a fault breaks something else too, and why that is right. One in which it does not must go from here.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    (
        "a-completed-task-with-an-error",
        "tasks/result-fetched-by-two-at-once",
        "there nobody saw that the task was completed",
    ),
    (
        "forgets-a-task-early",
        "tasks/neighbour-is-unhurt",
        "there the task is seen to live on, so that it was not forgotten",
    ),
    ("more-members-in-results", "ping/during-the-handshake", "the answer to a ping is empty"),
    (
        "a-completed-task-without-its-result",
        "tasks/result-fetched-by-two-at-once",
        "there nobody saw that the task was completed",
    ),
    ("an-id-that-is-a-number", "tasks/cancel-and-the-work", "there the task is asked for by its id"),
    ("an-id-that-is-a-number", "tasks/create-is-prompt", "there the task is asked for by its id"),
    ("one-thing-at-a-time", "cancellation/in-time", "there the request that is refused is the fence"),
    ("asks-over-every-stream", "tasks/question-is-lost", "there the question is lost on purpose, and its copy is not"),
    ("an-event-id-twice", "http/drop-is-no-cancel", "there the client comes back with an id that nobody knows"),
    (
        "every-stream-counts-from-one",
        "http/stream-is-resumed",
        "there the client comes back with an id that nobody knows",
    ),
    ("is-not-primed", "http/stream-is-resumed", "there the client needs the event id to come back"),
    ("primes-without-an-id", "http/stream-is-resumed", "there the client needs the event id to come back"),
    ("knows-nothing-of-its-event-ids", "tasks/question-is-lost", "there the question cannot be fetched"),
    ("knows-nothing-of-its-event-ids", "http/stream-is-resumed", "there the answer cannot be fetched"),
    ("knows-nothing-of-its-event-ids", "http/two-streams-resumed", "there the answer cannot be fetched"),
];

/// Faults that are seen in a program of its own too, each with a scenario that shows it.
const PROCESSES: [(&str, &str); 3] = [
    ("a-question-without-its-task", "tasks/question-in-a-task"),
    ("a-result-that-is-a-text", "tools/list-and-call"),
    ("a-server-without-a-name", "tools/list-and-call"),
];

fn main() {
    let arguments = Arguments::from_args();
    let of_server = library::all().iter().filter(|f| f.by == Party::Server);
    let trials = of_server.map(|fault| Trial::test(fault.name.clone(), move || check(fault).map_err(Failed::from)));
    let mut trials: Vec<Trial> = trials.collect();
    for (name, scenario) in PROCESSES {
        let over = |transport: Transport| format!("{name} in a process over {transport}");
        trials.push(Trial::test(over(Transport::Stdio), move || over_stdio(name, scenario).map_err(Failed::from)));
        trials.push(Trial::test(over(Transport::Http), move || over_http(name, scenario).map_err(Failed::from)));
    }
    trials.push(Trial::test("what is excused is a fault", || excused().map_err(Failed::from)));
    libtest_mimic::run(&arguments, trials).exit();
}

/// One scenario played against the embedded server over these transports, the same way every time.
fn play(scenario: &Scenario, transports: &[Transport], fault: Option<&Fault>) -> Results {
    let options = Options { transports: transports.to_vec(), ..Options::new("embedded", REVISION) };
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state ^ (state >> 29)
    };
    let mut client = || Surroundings::fixed(3);
    let mut servers = Embedded::new(|| Surroundings::fixed(5), Vec::new());
    servers.fault = fault.cloned();
    let (_raise, interrupted) = tokio::sync::watch::channel(false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let one = std::slice::from_ref(scenario);
    runtime.block_on(server::server(&servers, one, &options, &mut client, &mut random, interrupted))
}

/// A scenario, with its plays in which nobody deviates.
type Honest = (Scenario, Vec<(Played, Conversation)>);

/// Every scenario that a server can be asked, with what was said in it where nobody deviates.
fn honest() -> &'static [Honest] {
    static HONEST: LazyLock<Vec<Honest>> = LazyLock::new(|| {
        let catalogue = Catalogue::of(REVISION);
        let all = files::embedded().scenarios.into_iter();
        all.filter(|s| s.revisions.contains(&REVISION) && seats::seats(s, catalogue).contains(&Seat::Client))
            .map(|scenario| {
                let played = play(&scenario, &Transport::ALL, None).played.into_iter();
                let read = |played: Played| {
                    let c = Conversation::of(&played.trace.header, &played.trace.events);
                    (played, c)
                };
                let played = played.map(read).collect();
                (scenario, played)
            })
            .collect()
    });
    &HONEST
}

/// Over which transports does the fault find something to change in what an honest server says? Up to there both play the same.
fn occasions(fault: &Fault, honest: &[(Played, Conversation)]) -> Vec<Transport> {
    let meant = |transport: &Transport| {
        honest.iter().any(|(played, c)| {
            let of = played.trace.header.transport == *transport;
            of && played.trace.events.iter().any(|e| means(&fault.on, fault.by, c, e))
        })
    };
    Transport::ALL.into_iter().filter(meant).collect()
}

/// Does a trigger mean that event of that party, however many it means before?
fn means(trigger: &Trigger, by: Party, c: &Conversation, event: &Event) -> bool {
    let trip = |stream| c.streams.get(stream).and_then(|s| s.round_trip);
    let (part, round_trip, stream) = match &event.body {
        Body::Message { from, .. } => {
            return c.said.iter().filter(|s| s.event == event.seq && *from == by).any(|s| {
                let answers = c.request_of(s).and_then(|s| Request::of(&s.message));
                trigger.matches(&s.message, answers.as_ref(), &carrier(c, s.round_trip, Some(s.stream)))
            });
        }
        // of a client what it sends, of a server what it takes that for
        Body::HttpRequest { round_trip, .. } => (Part::RequestHead, Some(*round_trip), None),
        Body::HttpResponse { round_trip, .. } if by == Party::Server => (Part::ResponseHead, Some(*round_trip), None),
        Body::Signal { stream, .. } if by == Party::Server => (Part::Signal, trip(stream), Some(*stream)),
        Body::StreamClosed { stream, by: closed, .. } if *closed == Some(by) => {
            (Part::End, trip(stream), Some(*stream))
        }
        _ => return false,
    };
    trigger.matches_part(part, &carrier(c, round_trip, stream))
}

fn check(fault: &Fault) -> Result<(), String> {
    let excuse = NO_OCCASION.iter().find(|(name, _)| *name == fault.name).map(|(_, why)| *why);
    let excuse = excuse.or(fault.live.not.as_deref());
    let mut whole = fault.clone();
    whole.live.not = None;
    match (caught(&whole.alive()?), excuse) {
        (Ok(_), None) | (Err(_), Some(_)) => Ok(()),
        (Ok(()), Some(why)) => Err(format!("it is as it should be, and yet is excused: {why}")),
        (Err(wrong), None) => Err(wrong),
    }
}

/// Is it found, and nothing else? Of a harmless variation: is nothing found?
///
/// What a fault changed may break a second rule too where a scenario asserts more of that message than the rule that is meant;
/// but somewhere the rule that is meant must be broken alone.
fn caught(fault: &Fault) -> Result<(), String> {
    let (mut acted, mut alone, mut wrong) = (false, false, Vec::new());
    let mut played_in: BTreeMap<&str, usize> = BTreeMap::new();
    for (scenario, honest) in honest() {
        let transports = occasions(fault, honest);
        let times = played_in.get(file(&scenario.id)).copied().unwrap_or_default();
        if transports.is_empty() || (alone || fault.is_control()) && acted && (times > 0 || played_in.len() >= ENOUGH) {
            continue;
        }
        *played_in.entry(file(&scenario.id)).or_default() += 1;
        let results = play(scenario, &transports, Some(fault));
        let before = wrong.len();
        wrong.extend(results.troubles.iter().map(|t| format!("{} over {}: {}", scenario.id, t.transport, t.what)));
        for played in &results.played {
            let acts = Acts::of(fault, played);
            acted |= acts.any();
            let c = Conversation::of(&played.trace.header, &played.trace.events);
            let (mut meant, mut others) = (0, 0);
            for finding in &played.judgement.findings {
                match not_meant(fault, &acts, played, &c, finding) {
                    None => meant += 1,
                    Some(_) if !fault.is_control() && of_the_same(fault, &acts, played, &c, finding) => others += 1,
                    Some(why) => wrong.push(format!(
                        "{}: {why}: {} {} ({}) at event {:?}{}: expected {}, found {}",
                        played.name(),
                        finding.verdict,
                        finding.requirement.as_deref().unwrap_or("the exchange"),
                        finding.blame,
                        finding.event,
                        finding.pointer.as_deref().unwrap_or_default(),
                        finding.expected,
                        finding.found,
                    )),
                }
            }
            acted |= meant > 0;
            alone |= meant > 0 && others == 0;
        }
        if let Some((_, _, why)) =
            ELSEWHERE.iter().find(|(name, id, _)| *name == fault.name && *id == file(&scenario.id))
        {
            let whole = results.played.iter().any(|played| Acts::of(fault, played).any());
            match wrong.len() > before {
                true => wrong.truncate(before),
                false if !whole => {}
                false => wrong.push(format!("{} breaks nothing else, and yet is excused: {why}", scenario.id)),
            }
        }
    }
    if !acted {
        return Err("no scenario gives it occasion".into());
    }
    if !alone && !fault.is_control() {
        wrong.push(format!("it is not found by itself, in {played_in:?}"));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// What a fault did in one play, by its own word.
struct Acts {
    /// Messages, and what stood in the place of one.
    sent: Vec<String>,
    /// Heads of answers: the status, and the headers that were not meant so.
    answered: Vec<Value>,
    /// Events without a message.
    wrote: Vec<Value>,
    kept_back: bool,
}

/// The file of a scenario.
fn file(id: &str) -> &str {
    id.split('#').next().unwrap_or_default()
}

impl Acts {
    fn any(&self) -> bool {
        !self.sent.is_empty() || !self.answered.is_empty() || !self.wrote.is_empty() || self.kept_back
    }

    fn of(fault: &Fault, played: &Played) -> Acts {
        let said = played.trace.events.iter().filter_map(|e| match &e.body {
            Body::Stderr { text, .. } => Some(text.as_str()),
            _ => None,
        });
        Acts::said(fault, said.flat_map(str::lines))
    }

    fn said<'a>(fault: &Fault, lines: impl Iterator<Item = &'a str>) -> Acts {
        let lines: Vec<&str> = lines.collect();
        let of = |what: &str| {
            let begin = format!("fault {}: {what} ", fault.name);
            lines.iter().filter_map(|l| l.strip_prefix(begin.as_str())).map(str::to_owned).collect::<Vec<String>>()
        };
        let values = |what: &str| of(what).iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        let (answered, wrote) = (values("answered"), values("wrote"));
        Acts { sent: of("sent"), answered, wrote, kept_back: !of("kept back").is_empty() }
    }

    /// Is that event what the fault made of it?
    fn made(&self, by: Party, event: &Event) -> bool {
        match &event.body {
            Body::Message { from, text, .. } => {
                *from == by && self.sent.iter().any(|sent| *sent == String::from_utf8_lossy(&text.bytes()))
            }
            Body::HttpResponse { status, headers, .. } => self.answered.iter().any(|head| {
                // the values of secrets are redacted
                let has = |(name, value): (&String, &Value)| {
                    let same = |v: &str| name == "mcp-session-id" || Some(v) == value.as_str();
                    headers.iter().any(|(n, v)| n.eq_ignore_ascii_case(name) && same(v))
                };
                head["status"] == *status && head["headers"].as_object().unwrap().iter().all(has)
            }),
            Body::Signal { event_id, retry, .. } => self
                .wrote
                .iter()
                .any(|event| event["id"].as_str() == event_id.as_deref() && event["retry"].as_u64() == *retry),
            _ => false,
        }
    }
}

/// Does a finding speak of what the fault changed, and is the same party blamed?
fn of_the_same(fault: &Fault, acts: &Acts, played: &Played, c: &Conversation, finding: &Finding) -> bool {
    finding.blame == Blame::from(fault.blamed()) && points(fault, acts, played, c, finding)
}

/// Does a finding point where it must?
fn points(fault: &Fault, acts: &Acts, played: &Played, c: &Conversation, finding: &Finding) -> bool {
    let event = played.trace.events.iter().find(|e| Some(e.seq) == finding.event);
    event.is_some_and(|event| match &fault.at {
        Some(at) => [Party::Client, Party::Server]
            .into_iter()
            .any(|by| at.from.is_none_or(|p| p == by) && means(at, by, c, event)),
        None => acts.made(fault.by, event),
    })
}

/// Why a finding is not the one that is meant.
fn not_meant(fault: &Fault, acts: &Acts, played: &Played, c: &Conversation, finding: &Finding) -> Option<&'static str> {
    if finding.requirement != fault.breaks || fault.is_control() {
        return Some("another finding");
    }
    if finding.blame != Blame::from(fault.blamed()) {
        return Some("another party is blamed");
    }
    if finding.event.is_none() {
        return Some("it points nowhere");
    }
    (!points(fault, acts, played, c, finding)).then_some("it points at another message")
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-interop");

/// `server` against a server that `serve --fault` runs. Gives what was played.
fn run(target: &[&str], scenario: &str) -> Vec<Played> {
    let folder = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(PROGRAM);
    command.args(["server", "--scenario", scenario, "--trace"]).arg(folder.path()).args(target);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    let mut played = Vec::new();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let trace = record::read(&std::fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap().trace;
        let judgement = judge::judge(&trace);
        let (scenario, title, again) = (scenario.to_owned(), String::new(), String::new());
        played.push(Played { scenario, title, trace, judgement, again });
    }
    assert!(!played.is_empty());
    played
}

/// Every play shows the fault, and nothing else.
fn shown(name: &str, played: &[Played], acts: impl Fn(&Played) -> Acts) -> Result<(), String> {
    let fault = library::named(name)?.alive()?;
    for played in played {
        let findings = &played.judgement.findings;
        let conversation = Conversation::of(&played.trace.header, &played.trace.events);
        let [finding] = findings.as_slice() else { return Err(format!("{} findings: {findings:?}", findings.len())) };
        if let Some(why) = not_meant(&fault, &acts(played), played, &conversation, finding) {
            return Err(format!("{why}: {finding:?}"));
        }
    }
    Ok(())
}

fn over_stdio(name: &str, scenario: &str) -> Result<(), String> {
    let played = run(&["--stdio", &format!("'{PROGRAM}' serve --fault {name}")], scenario);
    let fault = library::named(name)?;
    shown(name, &played, |played| Acts::of(fault, played))
}

fn over_http(name: &str, scenario: &str) -> Result<(), String> {
    let mut server = std::process::Command::new(PROGRAM);
    server.args(["serve", "--http", "0", "--fault", name]).stderr(std::process::Stdio::piped());
    let mut server = server.spawn().unwrap();
    let mut lines = std::io::BufReader::new(server.stderr.take().unwrap()).lines();
    let url = lines.next().unwrap().unwrap();
    let url = url.strip_prefix("listening on ").unwrap().to_owned();
    let played = run(&[&url], scenario);
    server.kill().unwrap();
    server.wait().unwrap();
    let lines: Vec<String> = lines.map(Result::unwrap).collect();
    let fault = library::named(name)?;
    shown(name, &played, |_| Acts::said(fault, lines.iter().map(String::as_str)))
}

fn excused() -> Result<(), String> {
    let unknown = NO_OCCASION.iter().filter(|(name, _)| library::named(name).is_err());
    let unknown: Vec<&str> = unknown.map(|(name, _)| *name).collect();
    if unknown.is_empty() { Ok(()) } else { Err(format!("no such faults: {unknown:?}")) }
}
