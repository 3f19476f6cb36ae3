//! Every fault of a party, in a party that is alive: the embedded server or the embedded client deviates as `serve --fault` or
//! `drive --fault` makes it, all scenarios that give it occasion are played, and exactly the requirement that it breaks is found
//! broken, by that party, at the message that was changed.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "faults/excuses.rs"]
mod excuses;
#[path = "faults/watched.rs"]
mod watched;

use excuses::{ELSEWHERE, NO_OCCASION};
use libtest_mimic::{Arguments, Failed, Trial};
use mcp_interop::conversation::Conversation;
use mcp_interop::fault::replay::carrier;
use mcp_interop::fault::{Fault, Part, Request, Trigger, library};
use mcp_interop::judge::finding::Blame;
use mcp_interop::judge::{self, Finding};
use mcp_interop::reference::Surroundings;
use mcp_interop::run::embedded::Embedded;
use mcp_interop::run::embedded_client::EmbeddedClient;
use mcp_interop::run::pair::{self, Deviations};
use mcp_interop::run::traces::Keeper;
use mcp_interop::run::{Played, Results};
use mcp_interop::run::{client, server};
use mcp_interop::scenario::exchange::Patience;
use mcp_interop::scenario::plan::Plan;
use mcp_interop::scenario::{Scenario, files, seats};
use mcp_interop::spec::{Catalogue, Revision};
use mcp_interop::trace::event::{Body, Event};
use mcp_interop::trace::{Seat, Transport, record};
use mcp_interop::wire::Party;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::sync::{Arc, LazyLock};
use watched::{NOT_WATCHED, WATCHED_ELSEWHERE, Why};

const REVISION: Revision = Revision::V2025_11_25;

/// In the scenarios of so many files a fault is played, and in more until it is found.
const ENOUGH: usize = 4;

/// Faults that are seen in a server that is a program of its own too, each with a scenario that shows it.
const SERVERS: [(&str, &str); 3] = [
    ("a-question-without-its-task", "tasks/question-in-a-task"),
    ("a-result-that-is-a-text", "tools/list-and-call"),
    ("a-server-without-a-name", "tools/list-and-call"),
];

/// Likewise for clients, and over which transports.
const CLIENTS: &[(&str, &str, &[Transport])] = &[
    ("a-client-without-a-name", "tools/list-and-call", &Transport::ALL),
    ("is-never-initialized", "tasks/question-in-a-task", &Transport::ALL),
    ("an-answer-without-its-task", "tasks/question-in-a-task", &Transport::ALL),
    ("never-calls-tasks-result", "tasks/question-in-a-task", &Transport::ALL),
    ("an-echo-on-stdin", "tools/list-and-call", &[Transport::Stdio]),
    ("leaves-the-session-out", "tools/list-and-call", &[Transport::Http]),
    ("leaves-the-version-out", "tools/list-and-call", &[Transport::Http]),
];

fn main() {
    let arguments = Arguments::from_args();
    let of = |fault: &'static Fault| {
        Trial::test(fault.name.clone(), move || check(fault).map_err(Failed::from)).with_kind(fault.by.to_string())
    };
    let watched = |fault: &'static Fault| {
        let name = format!("{} watched", fault.name);
        Trial::test(name, move || check_watched(fault).map_err(Failed::from)).with_kind(fault.by.to_string())
    };
    let mut trials: Vec<Trial> = library::all().iter().map(of).collect();
    trials.extend(library::all().iter().map(watched));
    for (name, scenario) in SERVERS {
        let over = |transport: Transport| format!("{name} in a process over {transport}");
        trials.push(Trial::test(over(Transport::Stdio), move || over_stdio(name, scenario).map_err(Failed::from)));
        trials.push(Trial::test(over(Transport::Http), move || over_http(name, scenario).map_err(Failed::from)));
    }
    for (name, scenario, transports) in CLIENTS {
        for transport in *transports {
            let over = format!("{name} in a process over {transport}");
            trials.push(Trial::test(over, move || driven(name, scenario, *transport).map_err(Failed::from)));
        }
    }
    trials.push(Trial::test("what is excused is a fault", || excused().map_err(Failed::from)));
    libtest_mimic::run(&arguments, trials).exit();
}

/// Who the other party of one that deviates is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    /// It is ours, and plays the scenario's part.
    Seat,
    /// It is as little ours as the one that deviates: both are watched.
    Watched,
}

/// One scenario played against the embedded party over these transports, the same way every time.
fn play(stand: Stand, party: Party, scenario: &Scenario, transports: &[Transport], fault: Option<&Fault>) -> Results {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state ^ (state >> 29)
    };
    let mut ours = || Surroundings::fixed(3);
    let (_raise, interrupted) = tokio::sync::watch::channel(false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let one = std::slice::from_ref(scenario);
    if stand == Stand::Watched {
        let mut results = Results::new(Seat::Observer, "embedded with embedded", REVISION);
        for transport in transports.iter().filter(|transport| scenario.transports.contains(transport)) {
            let plan = Arc::new(Plan::new(Arc::new(scenario.clone()), *transport));
            let play = pair::prepare(plan, Seat::Observer, REVISION, Vec::new(), &mut random);
            let of = |by: Party| fault.filter(|fault| fault.by == by).cloned();
            let (client, server) = (of(Party::Client), of(Party::Server));
            let deviations = Deviations { client, server, ..Deviations::default() };
            let trace = runtime.block_on(pair::play(&play, deviations, 5));
            let judgement = judge::judge(&trace);
            let (scenario, title, again) = (scenario.id.clone(), String::new(), String::new());
            results.played.push(Played { scenario, title, trace, judgement, again });
        }
        return results;
    }
    let transports = transports.to_vec();
    runtime.block_on(async {
        match party {
            Party::Server => {
                let options = server::Options { transports, ..server::Options::new("embedded", REVISION) };
                let mut servers = Embedded::new(|| Surroundings::fixed(5), Vec::new());
                servers.fault = fault.cloned();
                server::server(&servers, one, &options, &mut ours, &mut random, interrupted, &mut Keeper::of_all())
                    .await
            }
            Party::Client => {
                let (name, words, patience) = ("embedded".to_owned(), String::new(), Patience::default());
                let options =
                    client::Options { name, words, revision: REVISION, transports, patience, jobs: 1, habit: None };
                let clients = EmbeddedClient { surroundings: || Surroundings::fixed(5), fault: fault.cloned() };
                client::client(&clients, one, &options, &mut ours, &mut random, interrupted, &mut Keeper::of_all())
                    .await
            }
        }
    })
}

/// A scenario, with its plays in which nobody deviates.
type Honest = (Scenario, Vec<(Played, Conversation)>);

/// Every scenario that a party can be tested with, with what was said in it where nobody deviates.
fn honest(stand: Stand, party: Party) -> &'static [Honest] {
    static SERVER: LazyLock<Vec<Honest>> = LazyLock::new(|| honestly(Stand::Seat, Party::Server));
    static CLIENT: LazyLock<Vec<Honest>> = LazyLock::new(|| honestly(Stand::Seat, Party::Client));
    static BOTH: LazyLock<Vec<Honest>> = LazyLock::new(|| honestly(Stand::Watched, Party::Client));
    match (stand, party) {
        (Stand::Seat, Party::Server) => &SERVER,
        (Stand::Seat, Party::Client) => &CLIENT,
        (Stand::Watched, _) => &BOTH,
    }
}

fn honestly(stand: Stand, party: Party) -> Vec<Honest> {
    let catalogue = Catalogue::of(REVISION);
    let seat = match (stand, party) {
        (Stand::Seat, Party::Server) => Seat::Client,
        (Stand::Seat, Party::Client) => Seat::Server,
        (Stand::Watched, _) => Seat::Observer,
    };
    let all = files::embedded().scenarios.into_iter();
    all.filter(|s| s.revisions.contains(&REVISION) && seats::seats(s, catalogue).contains(&seat))
        .map(|scenario| {
            let played = play(stand, party, &scenario, &Transport::ALL, None).played.into_iter();
            let read = |played: Played| {
                let c = Conversation::of(&played.trace.header, &played.trace.events);
                (played, c)
            };
            let played = played.map(read).collect();
            (scenario, played)
        })
        .collect()
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
    match (caught(Stand::Seat, &whole.alive()?), excuse) {
        (Ok(_), None) | (Err(_), Some(_)) => Ok(()),
        (Ok(()), Some(why)) => Err(format!("it is as it should be, and yet is excused: {why}")),
        (Err(wrong), None) => Err(wrong),
    }
}

/// The same with both parties watched: whoever deviates is blamed, and nobody else.
fn check_watched(fault: &Fault) -> Result<(), String> {
    let excuse = NOT_WATCHED.iter().find(|(name, _)| *name == fault.name).map(|(_, why)| *why);
    let mut whole = fault.clone();
    let excuse = excuse.or(whole.live.not.take().map(|_| Why::NotAlive));
    let alive = whole.alive()?;
    let said = honest(Stand::Watched, alive.by).iter().flat_map(|(_, played)| played).any(|(played, c)| {
        let meant = played.trace.events.iter().filter(|e| means(&alive.on, alive.by, c, e)).count();
        meant >= alive.on.nth.map_or(1, |nth| usize::try_from(nth).unwrap_or(usize::MAX))
    });
    match (said, excuse) {
        (false, Some(Why::NeverSaid)) | (_, Some(Why::NotAlive)) => return Ok(()),
        (true, Some(Why::NeverSaid)) => return Err("what it changes is said, and yet it is excused".into()),
        (false, _) => return Err("what it changes is said in no scenario that two programs play".into()),
        (true, _) => {}
    }
    match (caught(Stand::Watched, &alive), excuse) {
        (Ok(()), None) | (Err(_), Some(_)) => Ok(()),
        (Ok(()), Some(why)) => Err(format!("it is as it should be, and yet is excused: {why:?}")),
        (Err(wrong), None) => Err(wrong),
    }
}

/// Is it found, and nothing else? Of a harmless variation: is nothing found?
///
/// What a fault changed may break a second rule too where a scenario asserts more of that message than the rule that is meant;
/// but somewhere the rule that is meant must be broken alone.
fn caught(stand: Stand, fault: &Fault) -> Result<(), String> {
    let (mut acted, mut alone, mut wrong, mut beside) = (false, false, Vec::new(), Vec::new());
    let mut played_in: BTreeMap<&str, usize> = BTreeMap::new();
    for (scenario, honest) in honest(stand, fault.by) {
        let transports = occasions(fault, honest);
        let times = played_in.get(file(&scenario.id)).copied().unwrap_or_default();
        if transports.is_empty() || (alone || fault.is_control()) && acted && (times > 0 || played_in.len() >= ENOUGH) {
            continue;
        }
        *played_in.entry(file(&scenario.id)).or_default() += 1;
        let results = play(stand, fault.by, scenario, &transports, Some(fault));
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
                    Some(_) if !fault.is_control() && of_the_same(fault, &acts, played, &c, finding) => {
                        others += 1;
                        beside.push(line(played, "beside it", finding));
                    }
                    Some(why) => wrong.push(line(played, why, finding)),
                }
            }
            acted |= meant > 0;
            alone |= meant > 0 && others == 0;
        }
        let here = |(name, id, _): &&(&str, &str, &str)| {
            *name == fault.name && [file(&scenario.id), &scenario.id].contains(id)
        };
        let elsewhere = match stand {
            Stand::Seat => ELSEWHERE.iter().find(here),
            Stand::Watched => WATCHED_ELSEWHERE.iter().find(here),
        };
        if let Some((_, _, why)) = elsewhere {
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
    // that a finding may stand alone is shown from a seat
    if !alone && !fault.is_control() && stand == Stand::Seat {
        wrong.push(format!("it is not found by itself, in {played_in:?}\n{}", beside.join("\n")));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// A finding, and what is the matter with it.
fn line(played: &Played, why: &str, finding: &Finding) -> String {
    format!(
        "{}: {why}: {} {} ({}) at event {:?}{}: expected {}, found {}",
        played.name(),
        finding.verdict,
        finding.requirement.as_deref().unwrap_or("the exchange"),
        finding.blame,
        finding.event,
        finding.pointer.as_deref().unwrap_or_default(),
        finding.expected,
        finding.found,
    )
}

/// What a fault did in one play, by its own word.
struct Acts {
    /// Messages, and what stood in the place of one.
    sent: Vec<String>,
    /// Heads of answers: the status, and the headers that were not meant so.
    answered: Vec<Value>,
    /// Heads of requests: method, target, and the headers that were not meant so.
    asked: Vec<Value>,
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
        !self.sent.is_empty()
            || !self.answered.is_empty()
            || !self.asked.is_empty()
            || !self.wrote.is_empty()
            || self.kept_back
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
        let (answered, asked, wrote) = (values("answered"), values("asked"), values("wrote"));
        Acts { sent: of("sent"), answered, asked, wrote, kept_back: !of("kept back").is_empty() }
    }

    /// Is that event what the fault made of it?
    fn made(&self, by: Party, event: &Event) -> bool {
        match &event.body {
            Body::Message { from, text, .. } => {
                *from == by && self.sent.iter().any(|sent| *sent == String::from_utf8_lossy(&text.bytes()))
            }
            Body::HttpResponse { status, headers, .. } => {
                self.answered.iter().any(|head| head["status"] == *status && has_all(headers, &head["headers"]))
            }
            Body::HttpRequest { method, target, headers, .. } => self
                .asked
                .iter()
                .any(|head| head["verb"] == *method && head["target"] == *target && has_all(headers, &head["headers"])),
            Body::Signal { event_id, retry, .. } => self
                .wrote
                .iter()
                .any(|event| event["id"].as_str() == event_id.as_deref() && event["retry"].as_u64() == *retry),
            _ => false,
        }
    }
}

/// Has a head those headers, and not those that are `null`?
fn has_all(headers: &[(String, String)], said: &Value) -> bool {
    said.as_object().unwrap().iter().all(|(name, value)| {
        // the values of secrets are redacted
        let same = |v: &str| name == "mcp-session-id" || Some(v) == value.as_str();
        let mut of_name = headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v);
        if value.is_null() { of_name.next().is_none() } else { of_name.any(|v| same(v)) }
    })
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

/// One scenario played by the program against another program. Gives what was played, and what the report says.
fn run(seat: &str, scenario: &str, target: &[&str]) -> (Vec<Played>, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(PROGRAM);
    command.args([seat, "--scenario", scenario, "--trace"]).arg(folder.path()).args(target);
    let output = command.output().unwrap();
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{report}");
    let mut played = Vec::new();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let trace = record::read(&std::fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap().trace;
        let judgement = judge::judge(&trace);
        let (scenario, title, again) = (scenario.to_owned(), String::new(), String::new());
        played.push(Played { scenario, title, trace, judgement, again });
    }
    assert!(!played.is_empty());
    (played, report)
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
    let (played, _) = run("server", scenario, &["--stdio", &format!("'{PROGRAM}' serve --fault {name}")]);
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
    let (played, _) = run("server", scenario, &[&url]);
    server.kill().unwrap();
    server.wait().unwrap();
    let lines: Vec<String> = lines.map(Result::unwrap).collect();
    let fault = library::named(name)?;
    shown(name, &played, |_| Acts::said(fault, lines.iter().map(String::as_str)))
}

/// A client that deviates, as a driver of its own.
fn driven(name: &str, scenario: &str, transport: Transport) -> Result<(), String> {
    let target = ["--transport", transport.as_str(), "--", PROGRAM, "drive", "--fault", name];
    let (played, report) = run("client", scenario, &target);
    let fault = library::named(name)?;
    shown(name, &played, |played| Acts::of(fault, played))?;
    let breaks = fault.clone().alive()?.breaks.unwrap_or_default();
    let at = played.iter().flat_map(|p| &p.judgement.findings).filter_map(|f| f.event).map(|event| event.to_string());
    let places: Vec<String> = at.collect();
    let shows = |line: &str| line.trim_start().starts_with("message ") || line.trim_start().starts_with("event ");
    let placed = report.lines().filter(|l| shows(l)).any(|l| places.iter().any(|at| l.contains(at.as_str())));
    if !placed || !report.contains(&breaks) || !report.contains("the client is at fault") {
        return Err(format!("the report does not name {breaks}, the client and the event {places:?}:\n{report}"));
    }
    Ok(())
}

fn excused() -> Result<(), String> {
    let unknown = NO_OCCASION.iter().filter(|(name, _)| library::named(name).is_err());
    let unknown: Vec<&str> = unknown.map(|(name, _)| *name).collect();
    if unknown.is_empty() { Ok(()) } else { Err(format!("no such faults: {unknown:?}")) }
}
