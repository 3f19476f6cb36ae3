//! Properties of the exchange automaton over scenarios made at random: legal courses are accepted whatever their
//! interleaving, every seat reads an exchange the same way, two seats played against each other give the exchange back, and
//! what is missing or wrong is found once and laid to the right party.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use mcp_interop::scenario::exchange::{Exchange, Patience};
use mcp_interop::scenario::model::{Scenario, StepBody, Verb, each_step};
use mcp_interop::scenario::parse;
use mcp_interop::scenario::plan::Plan;
use mcp_interop::scenario::play::{Due, Parcel};
use mcp_interop::scenario::source::Source;
use mcp_interop::scenario::walk::{Ending, Walk};
use mcp_interop::spec::Revision;
use mcp_interop::trace::Transport;
use mcp_interop::trace::event::{Body, Closing, EndReason, Event, StreamId, StreamKind, Text};
use mcp_interop::wire::Party;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The shape of a part of an exchange.
#[derive(Debug, Clone)]
enum Shape {
    /// A request and its answer.
    Pair(Party),
    /// A notification.
    Note(Party),
    May(Party, bool, Vec<Shape>),
    Choose(Party, Vec<(bool, Vec<Shape>)>),
    /// Its last pair says whether it goes on.
    Loop(Vec<Shape>, Party),
    Par(Vec<Vec<Shape>>),
}

/// A part of an exchange: a shape whose messages can be told apart by their numbers.
#[derive(Debug, Clone)]
enum Part {
    Pair(u32, Party),
    Note(u32, Party),
    /// What follows shows that it is over.
    May {
        decider: Party,
        steps: Vec<Part>,
        choice: usize,
    },
    Choose {
        decider: Party,
        branches: Vec<Vec<Part>>,
        choice: usize,
    },
    Loop {
        steps: Vec<Part>,
        last: u32,
        party: Party,
    },
    Par(Vec<Vec<Part>>),
}

fn party() -> impl Strategy<Value = Party> {
    prop_oneof![Just(Party::Client), Just(Party::Server)]
}

fn shapes(loops: bool) -> impl Strategy<Value = Vec<Shape>> {
    let leaf = prop_oneof![3 => party().prop_map(Shape::Pair), 1 => party().prop_map(Shape::Note)];
    let tree = leaf.prop_recursive(3, 16, 3, move |inner| {
        let some = || prop::collection::vec(inner.clone(), 0..3);
        let many = || prop::collection::vec(inner.clone(), 1..3);
        prop_oneof![
            2 => (party(), any::<bool>(), some()).prop_map(|(p, pair, steps)| Shape::May(p, pair, steps)),
            2 => (party(), prop::collection::vec((any::<bool>(), some()), 2..4))
                .prop_map(|(p, branches)| Shape::Choose(p, branches)),
            if loops { 2 } else { 0 } => (some(), party()).prop_map(|(steps, p)| Shape::Loop(steps, p)),
            2 => prop::collection::vec(many(), 2..4).prop_map(Shape::Par),
        ]
    });
    prop::collection::vec(tree, 1..5)
}

/// Numbers messages and choices.
#[derive(Default)]
struct Numbers {
    message: u32,
    choices: Vec<(Party, u8)>,
}

impl Numbers {
    fn next(&mut self) -> u32 {
        self.message += 1;
        self.message
    }

    fn choice(&mut self, decider: Party, branches: usize) -> usize {
        self.choices.push((decider, u8::try_from(branches).unwrap()));
        self.choices.len() - 1
    }

    fn all(&mut self, shapes: &[Shape]) -> Vec<Part> {
        shapes.iter().flat_map(|shape| self.part(shape)).collect()
    }

    /// The branch begins with a message of the one who decides: the other could not tell it apart otherwise.
    fn led(&mut self, decider: Party, pair: bool, rest: &[Shape]) -> Vec<Part> {
        let n = self.next();
        let lead = if pair { Part::Pair(n, decider) } else { Part::Note(n, decider) };
        std::iter::once(lead).chain(self.all(rest)).collect()
    }

    fn part(&mut self, shape: &Shape) -> Vec<Part> {
        vec![match shape {
            Shape::Pair(party) => Part::Pair(self.next(), *party),
            Shape::Note(party) => Part::Note(self.next(), *party),
            Shape::May(decider, pair, rest) => {
                let choice = self.choice(*decider, 2);
                let steps = self.led(*decider, *pair, rest);
                let fence = Part::Note(self.next(), *decider);
                return vec![Part::May { decider: *decider, steps, choice }, fence];
            }
            Shape::Choose(decider, branches) => {
                let choice = self.choice(*decider, branches.len());
                let branches = branches.iter().map(|(pair, rest)| self.led(*decider, *pair, rest)).collect();
                Part::Choose { decider: *decider, branches, choice }
            }
            Shape::Loop(steps, party) => {
                let steps = self.all(steps);
                Part::Loop { steps, last: self.next(), party: *party }
            }
            Shape::Par(branches) => Part::Par(branches.iter().map(|b| self.all(b)).collect()),
        }]
    }
}

/// The steps as they stand in a file.
fn steps(parts: &[Part]) -> Value {
    parts.iter().flat_map(step).collect()
}

fn pair(n: u32, party: Party) -> [Value; 2] {
    let (label, other) = (format!("r{n}"), party.other());
    [
        json!({ format!("{party} requests"): "tasks/get", "as": label, "params": { "taskId": format!("t{n}"), "value": n } }),
        json!({ format!("{other} answers"): label, "result": { "value": n } }),
    ]
}

fn step(part: &Part) -> Vec<Value> {
    vec![match part {
        Part::Pair(n, party) => return pair(*n, *party).to_vec(),
        Part::Note(n, party) => {
            let method = format!("notifications/n{n}");
            json!({ format!("{party} notifies"): method, "params": { "value": n } })
        }
        Part::May { decider, steps: inner, .. } => json!({ format!("{decider} may"): steps(inner) }),
        Part::Choose { decider, branches, .. } => {
            json!({ format!("{decider} chooses"): branches.iter().map(|b| steps(b)).collect::<Value>() })
        }
        Part::Loop { steps: inner, last, party } => {
            let body: Value = inner.iter().flat_map(step).chain(pair(*last, *party)).collect();
            let (more, end) = (json!({ "result": { "more": true } }), json!({ "result": { "more": false } }));
            json!({ "loop": body, "while": more, "ends with": end, "at most": 9 })
        }
        Part::Par(branches) => json!({ "par": branches.iter().map(|b| steps(b)).collect::<Value>() }),
    }]
}

/// A message of a course.
#[derive(Debug, Clone, PartialEq)]
struct Said {
    from: Party,
    message: Value,
    /// `r7` for the request with the number 7, `a7` for its answer, `n7` for a notification.
    mark: String,
}

/// Decisions, read again from the start when they are used up.
#[derive(Debug, Clone)]
struct Tape(Vec<u8>, usize);

impl Tape {
    fn below(&mut self, bound: usize) -> usize {
        self.1 += 1;
        usize::from(self.0[self.1 % self.0.len()]) % bound.max(1)
    }
}

/// A legal course, as the tape decides.
struct Walker {
    tape: Tape,
    taken: Vec<usize>,
    least_turns: usize,
    id: u32,
}

impl Walker {
    fn all(&mut self, parts: &[Part]) -> Vec<Said> {
        parts.iter().flat_map(|part| self.part(part)).collect()
    }

    fn pair(&mut self, n: u32, party: Party, more: Option<bool>) -> Vec<Said> {
        self.id += 1;
        let id = format!("{party}-{}", self.id);
        let params = json!({ "taskId": format!("t{n}"), "value": n });
        let mut result = json!({ "value": n });
        if let Some(more) = more {
            result["more"] = more.into();
        }
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": "tasks/get", "params": params });
        let answer = json!({ "jsonrpc": "2.0", "id": id, "result": result });
        vec![
            Said { from: party, message: request, mark: format!("r{n}") },
            Said { from: party.other(), message: answer, mark: format!("a{n}") },
        ]
    }

    fn part(&mut self, part: &Part) -> Vec<Said> {
        match part {
            Part::Pair(n, party) => self.pair(*n, *party, None),
            Part::Note(n, party) => {
                let method = format!("notifications/n{n}");
                let message = json!({ "jsonrpc": "2.0", "method": method, "params": { "value": n } });
                vec![Said { from: *party, message, mark: format!("n{n}") }]
            }
            Part::May { steps, choice, .. } => {
                if self.taken[*choice] == 0 {
                    Vec::new()
                } else {
                    self.all(steps)
                }
            }
            Part::Choose { branches, choice, .. } => self.all(&branches[self.taken[*choice]]),
            Part::Loop { steps, last, party } => {
                let turns = self.least_turns + self.tape.below(3);
                let mut said = Vec::new();
                for turn in 1..=turns {
                    said.extend(self.all(steps));
                    said.extend(self.pair(*last, *party, Some(turn < turns)));
                }
                said
            }
            Part::Par(branches) => {
                let mut rest: Vec<_> = branches.iter().map(|b| self.all(b).into_iter().peekable()).collect();
                let mut said = Vec::new();
                loop {
                    rest.retain_mut(|branch| branch.peek().is_some());
                    if rest.is_empty() {
                        return said;
                    }
                    let next = self.tape.below(rest.len());
                    said.extend(rest[next].next());
                }
            }
        }
    }
}

/// A scenario made at random, and a legal course of it.
#[derive(Debug, Clone)]
struct Sample {
    plan: Arc<Plan>,
    text: String,
    course: Vec<Said>,
    /// What each choice takes, with the party that decides.
    taken: Vec<(Party, u8)>,
    tape: Tape,
}

/// `least_turns`: a loop has that many turns or more.
fn sample(loops: bool, least_turns: usize) -> impl Strategy<Value = Sample> {
    (shapes(loops), prop::collection::vec(any::<u8>(), 48))
        .prop_map(move |(shapes, tape)| make(&shapes, Tape(tape, 0), least_turns))
}

fn make(shapes: &[Shape], mut tape: Tape, least_turns: usize) -> Sample {
    let mut numbers = Numbers::default();
    let parts = numbers.all(shapes);
    let text = json!({ "title": "made at random", "revisions": "2025-11-25", "exchange": steps(&parts) }).to_string();
    let scenario = read(&text);
    let taken: Vec<usize> = numbers.choices.iter().map(|(_, count)| tape.below(usize::from(*count))).collect();
    let deciders = numbers.choices.iter().map(|(decider, _)| *decider);
    let all = deciders.zip(taken.iter().map(|t| u8::try_from(*t).unwrap())).collect();
    let mut walker = Walker { tape: tape.clone(), taken, least_turns, id: 0 };
    let course = walker.all(&parts);
    Sample { plan: Arc::new(Plan::new(Arc::new(scenario), Transport::Stdio)), text, course, taken: all, tape }
}

fn read(text: &str) -> Scenario {
    match parse::file(Source::new("made/at-random.yaml", text)) {
        Ok(all) => all.into_iter().next().unwrap(),
        Err(wrong) => panic!("{text}\n{}", wrong.iter().map(|d| d.render(false)).collect::<String>()),
    }
}

impl Sample {
    fn choices(&self, ours: Option<Party>) -> Vec<u8> {
        self.taken.iter().filter(|(decider, _)| Some(*decider) == ours).map(|(_, taken)| *taken).collect()
    }

    fn exchange(&self, ours: Option<Party>) -> Exchange {
        let (choices, patience) = (self.choices(ours), Patience::default());
        Exchange::new(Arc::clone(&self.plan), &Map::new(), ours, &choices, Revision::V2025_11_25, patience)
    }

    /// The name of the step that each message is, by its mark.
    fn steps(&self) -> BTreeMap<String, String> {
        let mut steps = BTreeMap::new();
        each_step(&self.plan.scenario().exchange, &mut |step| {
            let StepBody::Act(act) = &step.body else { return };
            let mark = match &act.verb {
                Verb::Requests { .. } => act.label.clone().unwrap(),
                Verb::Answers { request } => request.replacen('r', "a", 1),
                Verb::Notifies { method } => method.rsplit('/').next().unwrap().to_owned(),
                other => unreachable!("{other:?}"),
            };
            steps.insert(mark, step.name.clone());
        });
        steps
    }

    /// The steps that a course is, with their events.
    fn expected(&self, course: &[Said]) -> BTreeSet<(String, u32)> {
        let steps = self.steps();
        course.iter().zip(FIRST..).map(|(said, event)| (steps[&said.mark].clone(), event)).collect()
    }
}

/// The event of the first message after the opening.
const FIRST: u32 = 5;

/// Gives events to automata, numbered and ten milliseconds apart.
struct Line<'a> {
    told: Vec<&'a mut Exchange>,
    seq: u32,
}

impl<'a> Line<'a> {
    /// After the opening.
    fn open(told: Vec<&'a mut Exchange>) -> Line<'a> {
        let mut line = Line { told, seq: 0 };
        for (stream, writer, kind) in [(0, Party::Client, StreamKind::Stdin), (1, Party::Server, StreamKind::Stdout)] {
            line.tell(Body::StreamOpened { stream: StreamId(stream), writer, kind, round_trip: None });
        }
        line.say(Party::Client, &json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {} }));
        line.say(Party::Server, &json!({ "jsonrpc": "2.0", "id": 0, "result": {} }));
        line.say(Party::Client, &json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        assert_eq!(line.seq, FIRST);
        line
    }

    fn tell(&mut self, body: Body) {
        let event = Event { seq: self.seq, at: u64::from(self.seq) * 10_000, body };
        for exchange in &mut self.told {
            exchange.observe(&event);
        }
        self.seq += 1;
    }

    fn say(&mut self, from: Party, message: &Value) {
        self.tell(spoken(from, message.to_string()));
    }
}

fn spoken(from: Party, text: String) -> Body {
    let stream = StreamId(u32::from(from == Party::Server));
    let text = Text::Plain(text);
    Body::Message { stream, from, text, event_id: None, step: None, breaks: Vec::new(), cut_from: None }
}

/// The walk of a course in a seat.
fn walk(sample: &Sample, ours: Option<Party>, course: &[Said], end: EndReason) -> Walk {
    let mut exchange = sample.exchange(ours);
    let mut line = Line::open(vec![&mut exchange]);
    for said in course {
        line.say(said.from, &said.message);
    }
    line.tell(Body::End { reason: end });
    exchange.walk().clone()
}

fn matched(walk: &Walk) -> BTreeSet<(String, u32)> {
    walk.matched.iter().cloned().collect()
}

const SEATS: [Option<Party>; 3] = [None, Some(Party::Client), Some(Party::Server)];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_legal_course_is_accepted_whatever_its_interleaving(sample in sample(true, 0)) {
        let walk = walk(&sample, None, &sample.course, EndReason::Finished);
        prop_assert_eq!(&walk.ending, &Ending::Complete, "{}\n{:#?}", sample.text, sample.course);
        prop_assert_eq!(&walk.deviations, &Vec::new());
        prop_assert_eq!(&walk.early, &Vec::new());
        prop_assert_eq!(&walk.other_way, &None);
        prop_assert_eq!(walk.matched.len(), sample.course.len());
        prop_assert_eq!(matched(&walk), sample.expected(&sample.course));
    }

    // a party that is ours plays the loops that it begins, so each has a turn
    #[test]
    fn every_seat_reads_a_course_the_same_way(sample in sample(true, 1)) {
        let observed = walk(&sample, None, &sample.course, EndReason::Finished);
        for party in [Party::Client, Party::Server] {
            prop_assert_eq!(sample.choices(Some(party)).len(), sample.plan.choices_of(party).len());
            let seated = walk(&sample, Some(party), &sample.course, EndReason::Finished);
            prop_assert_eq!(&seated.ending, &Ending::Complete, "{} {}", party, sample.text);
            prop_assert_eq!(&seated.matched, &observed.matched);
            prop_assert_eq!(&seated.deviations, &Vec::new());
            prop_assert_eq!(&seated.early, &Vec::new());
        }
    }

    #[test]
    fn two_seats_played_against_each_other_give_the_exchange_back(sample in sample(false, 1)) {
        let mut tape = sample.tape.clone();
        let (mut client, mut server) = (sample.exchange(Some(Party::Client)), sample.exchange(Some(Party::Server)));
        let mut observer = sample.exchange(None);
        let mut line = Line::open(vec![&mut client, &mut server, &mut observer]);
        let mut intents = BTreeSet::new();
        loop {
            let first = tape.below(2);
            let due = [first, 1 - first].into_iter().find_map(|who| match line.told[who].due() {
                Due::Send(sending) => Some(Ok((who, *sending))),
                Due::Fault { step, missing } => Some(Err(format!("step {step}: {}", missing.why))),
                Due::Wait(_) | Due::Nothing => None,
            });
            let Some(due) = due else { break };
            let (who, sending) = due.map_err(TestCaseError::fail)?;
            let from = if who == 0 { Party::Client } else { Party::Server };
            let Parcel::Message { message, .. } = sending.what else {
                return Err(TestCaseError::fail("something else than a message"));
            };
            intents.insert((sending.step.unwrap(), line.seq));
            line.say(from, &message);
            prop_assert!(line.seq < 500, "it does not come to an end: {}", sample.text);
        }
        line.tell(Body::End { reason: EndReason::Finished });
        // the course of the tape takes the same choices, so that it is the same exchange
        prop_assert_eq!(intents.len(), sample.course.len(), "{}", sample.text);
        for exchange in [&client, &server, &observer] {
            prop_assert_eq!(&exchange.walk().ending, &Ending::Complete, "{}", sample.text);
            prop_assert_eq!(matched(exchange.walk()), intents.clone());
            prop_assert_eq!(&exchange.walk().deviations, &Vec::new());
            prop_assert_eq!(&exchange.walk().early, &Vec::new());
        }
        let steps: BTreeSet<String> = intents.into_iter().map(|(step, _)| step).collect();
        let expected: BTreeSet<String> = sample.expected(&sample.course).into_iter().map(|(step, _)| step).collect();
        prop_assert_eq!(steps, expected);
    }

    #[test]
    fn the_last_message_is_owed_by_its_sender(sample in sample(true, 1)) {
        let (last, course) = sample.course.split_last().unwrap();
        for ours in SEATS {
            let walk = walk(&sample, ours, course, EndReason::Deadline);
            let Ending::Owed { party, step, .. } = &walk.ending else {
                return Err(TestCaseError::fail(format!("{ours:?} {:?}\n{}", walk.ending, sample.text)));
            };
            prop_assert_eq!(*party, last.from, "{:?} step {}\n{}", ours, step, sample.text);
            prop_assert_eq!(&walk.deviations, &Vec::new());
            prop_assert_eq!(matched(&walk), sample.expected(course));
        }
    }

    #[test]
    fn a_wrong_message_deviates_once_and_the_course_goes_on(sample in sample(true, 1), which in any::<prop::sample::Index>()) {
        let wrong = which.index(sample.course.len());
        let mut course = sample.course.clone();
        let said = &mut course[wrong];
        let place = said.message.pointer_mut("/params/value").is_some();
        let pointer = if place { "/params/value" } else { "/result/value" };
        *said.message.pointer_mut(pointer).unwrap() = json!("something else");
        let event = FIRST + u32::try_from(wrong).unwrap();
        for ours in SEATS {
            let walk = walk(&sample, ours, &course, EndReason::Finished);
            prop_assert_eq!(&walk.ending, &Ending::Complete, "{:?} {}", ours, sample.text);
            prop_assert_eq!(matched(&walk), sample.expected(&course));
            let found: Vec<_> = walk.deviations.iter().map(|d| (d.event, d.party, d.pointer.as_str())).collect();
            // what is ours is not under test
            let expected = if ours == Some(course[wrong].from) { vec![] } else { vec![(event, course[wrong].from, pointer)] };
            prop_assert_eq!(found, expected, "{:?} {}", ours, sample.text);
        }
    }

    #[test]
    fn no_events_make_it_panic_or_read_a_message_twice(
        sample in sample(true, 0),
        events in prop::collection::vec((any::<u8>(), any::<prop::sample::Index>(), any::<u8>()), 0..40),
        http in any::<bool>(),
        opened in any::<bool>(),
    ) {
        let transport = if http { Transport::Http } else { Transport::Stdio };
        let plan = Arc::new(Plan::new(Arc::clone(sample.plan.scenario()), transport));
        let sample = Sample { plan, ..sample };
        for ours in SEATS {
            let mut exchange = sample.exchange(ours);
            let mut line = if opened { Line::open(vec![&mut exchange]) } else { Line { told: vec![&mut exchange], seq: 0 } };
            for (kind, index, n) in &events {
                line.tell(odd(&sample, *kind, *index, *n));
                let _ = line.told[0].due();
                let _ = (line.told[0].due_at(), line.told[0].settles_at(), line.told[0].finished());
            }
            line.tell(Body::End { reason: EndReason::Deadline });
            let walk = exchange.walk();
            let events: BTreeSet<u32> = walk.matched.iter().map(|(_, event)| *event).collect();
            prop_assert_eq!(events.len(), walk.matched.len(), "an event was two steps: {:?}", walk.matched);
            prop_assert!(!matches!(walk.ending, Ending::Open));
        }
    }
}

/// Some event, mostly a message of the course.
fn odd(sample: &Sample, kind: u8, index: prop::sample::Index, n: u8) -> Body {
    let from = if n.is_multiple_of(2) { Party::Client } else { Party::Server };
    let trip = u32::from(n % 4);
    match kind % 16 {
        0..=8 if !sample.course.is_empty() => {
            let said = index.get(&sample.course);
            spoken(if kind % 16 == 8 { from } else { said.from }, said.message.to_string())
        }
        9 => spoken(from, json!({ "jsonrpc": "2.0", "id": n, "result": { "more": true } }).to_string()),
        10 => spoken(from, "{\"jsonrpc\":".to_owned()),
        11 => Body::StreamOpened {
            stream: StreamId(trip),
            writer: from,
            kind: StreamKind::PostAnswer,
            round_trip: Some(trip),
        },
        12 => Body::StreamClosed { stream: StreamId(trip), by: Some(from), how: Closing::Cut("gone".into()) },
        13 => {
            let method = if from == Party::Client { "GET" } else { "DELETE" }.to_owned();
            Body::HttpRequest {
                round_trip: trip,
                method,
                target: "/mcp".into(),
                headers: Vec::new(),
                step: None,
                client: None,
            }
        }
        14 => {
            let status = 199 + u16::from(n);
            Body::HttpResponse { round_trip: trip, status, headers: Vec::new(), body: None }
        }
        _ => Body::End { reason: EndReason::Gone { party: from, how: "it exited".into() } },
    }
}
