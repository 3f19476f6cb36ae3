#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use super::order::{Clock, Fact, Mark};
use super::sample::Sample;
use super::*;
use crate::trace::Trace;
use proptest::prelude::*;
use serde_json::json;

fn conversation(trace: &Trace) -> Conversation {
    Conversation::of(&trace.header, &trace.events)
}

fn at(c: &Conversation, event: u32) -> (usize, &Said) {
    c.iter().find(|(_, s)| s.event == event).unwrap()
}

#[test]
fn answers_find_their_request_by_direction_id_and_type() {
    let mut t = Sample::stdio();
    t.handshake(json!({}), json!({}));
    let ask = t.client(json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}));
    let back = t.server(json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}));
    let from_client = t.client(json!({"jsonrpc": "2.0", "id": 1, "result": {}}));
    let other_type = t.server(json!({"jsonrpc": "2.0", "id": "1", "result": {}}));
    let c = conversation(&t.done());
    let (ask, _) = at(&c, ask);
    let (back, _) = at(&c, back);
    assert_eq!(at(&c, from_client).1.answers, Some(back));
    let (index, odd) = at(&c, other_type);
    assert_eq!((odd.answers, odd.meant_for), (None, Some(ask)));
    assert_eq!(c.said[ask].missed_by, vec![index]);
    assert_eq!(odd.method.as_deref(), Some("ping"));
}

#[test]
fn http_sessions_come_from_headers_and_the_response_to_initialize() {
    let mut t = Sample::new(Seat::Observer, Transport::Http);
    t.handshake(json!({}), json!({"tools": {}}));
    let ask = t.client(json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}));
    t.server(json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": []}}));
    let c = conversation(&t.done());
    assert_eq!(c.sessions.len(), 1);
    let session = &c.sessions[0];
    assert_eq!(session.id.as_deref(), Some("a-session-1-nobody-guesses"));
    assert_eq!((session.initialize, session.initialize_answer, session.initialized), (Some(0), Some(1), Some(2)));
    assert_eq!(session.declares(Party::Server, "tools"), Some(true));
    assert_eq!(session.declares(Party::Server, "tools.listChanged"), Some(false));
    // the client could not know the session id before the answer came
    assert!(c.known_when(1, at(&c, ask).0));
}

#[test]
fn every_initialize_without_a_session_id_begins_a_session() {
    let mut t = Sample::new(Seat::Observer, Transport::Http);
    for _ in 0..2 {
        t.client(json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"capabilities": {}}}));
        t.server(json!({"jsonrpc": "2.0", "id": 0, "result": {"protocolVersion": "2025-06-18"}}));
    }
    let c = conversation(&t.done());
    assert_eq!(c.sessions.len(), 2);
    assert_eq!(c.said[3].answers, Some(2));
    assert_eq!(c.said[3].revision, Revision::V2025_06_18);
}

#[test]
fn tasks_are_known_by_their_creation_sightings_and_related_messages() {
    let mut t = Sample::stdio();
    t.handshake(json!({"elicitation": {}}), json!({"tasks": {"requests": {"tools": {"call": {}}}}}));
    let task = |status: &str| json!({"taskId": "t", "status": status});
    t.client(json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "x", "task": {}}}));
    t.server(json!({"jsonrpc": "2.0", "id": 1, "result": {"task": task("working")}}));
    t.client(json!({"jsonrpc": "2.0", "id": 2, "method": "tasks/get", "params": {"taskId": "t"}}));
    t.server(json!({"jsonrpc": "2.0", "id": 2, "result": task("input_required")}));
    t.client(json!({"jsonrpc": "2.0", "id": 3, "method": "tasks/result", "params": {"taskId": "t"}}));
    t.server(json!({"jsonrpc": "2.0", "id": 1, "method": "elicitation/create",
        "params": {"_meta": {RELATED_TASK: {"taskId": "t"}}}}));
    t.client(json!({"jsonrpc": "2.0", "id": 1, "result": {"action": "accept"}}));
    t.server(json!({"jsonrpc": "2.0", "method": "notifications/tasks/status", "params": task("completed")}));
    let c = conversation(&t.done());
    let [task] = c.tasks.as_slice() else { panic!("{:?}", c.tasks) };
    assert_eq!(task.creations, vec![Creation { request: 3, answer: 4 }]);
    let places: Vec<Place> = task.sightings.iter().map(|s| s.place).collect();
    assert_eq!(places, [Place::Created, Place::Got, Place::Notified]);
    assert_eq!((task.nested.clone(), task.gets.clone(), task.retrievals.clone()), (vec![8], vec![5], vec![7]));
    assert_eq!(c.said[9].task, Some(0));
    assert!(c.said[4].augmented);
}

#[test]
fn a_question_that_comes_again_after_its_stream_was_lost_is_a_redelivery() {
    let mut t = Sample::new(Seat::Server, Transport::Http);
    t.handshake(json!({"elicitation": {}}), json!({"tools": {}}));
    let question = json!({"jsonrpc": "2.0", "id": 7, "method": "elicitation/create", "params": {}});
    t.client(json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "x"}}));
    let stream = t.respond(200, "text/event-stream", None);
    let first = t.on(stream, question.clone());
    t.push(crate::trace::Body::StreamClosed { stream, by: None, how: crate::trace::Closing::Cut("reset".into()) });
    let other = t.open(Party::Server, crate::trace::StreamKind::Get, 99);
    let again = t.on(other, question);
    let answer = t.client(json!({"jsonrpc": "2.0", "id": 7, "result": {"action": "decline"}}));
    let mut events = t.done();
    // the listening stream belongs to the same session
    for e in &mut events.events {
        if let crate::trace::Body::HttpRequest { headers, .. } = &mut e.body {
            headers.retain(|(n, _)| n != "Mcp-Session-Id");
        }
        if let crate::trace::Body::HttpResponse { headers, .. } = &mut e.body {
            headers.retain(|(n, _)| n != "mcp-session-id");
        }
    }
    let c = conversation(&events);
    let (first, _) = at(&c, first);
    let (_, again) = at(&c, again);
    let (answer, _) = at(&c, answer);
    assert_eq!(again.redelivers, Some(first));
    assert_eq!(again.answered_by, vec![answer]);
    assert_eq!(c.said[first].answered_by, vec![answer]);
}

#[test]
fn a_reply_and_an_unrelated_message_of_another_stream_have_no_known_order() {
    let mut t = Sample::new(Seat::Observer, Transport::Http);
    t.handshake(json!({}), json!({"tools": {}}));
    let a = t.client(json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}));
    let b = t.client(json!({"jsonrpc": "2.0", "id": 2, "method": "ping"}));
    let answer = t.server(json!({"jsonrpc": "2.0", "id": 2, "result": {}}));
    let c = conversation(&t.done());
    let (a, b, answer) = (at(&c, a).0, at(&c, b).0, at(&c, answer).0);
    assert_eq!(c.before(Point::sent(a), Point::sent(b)), Order::Unknown);
    assert_eq!(c.before(Point::received(a), Point::sent(answer)), Order::Unknown);
    assert_eq!(c.before(Point::received(b), Point::sent(answer)), Order::Yes);
    assert_eq!(c.before(Point::sent(answer), Point::received(b)), Order::No);
    assert_eq!(c.before(Point::sent(a), Point::received(answer)), Order::Yes);
}

/// The plain meaning: a graph of points and records, closed under transitivity.
fn naive(ours: Option<Party>, marks: &[Mark], facts: &[Fact]) -> impl Fn(Point, Point) -> Order + use<> {
    let n = marks.len();
    let marks = marks.to_vec();
    let node = {
        let marks = marks.clone();
        move |p: Point| {
            let is_ours = ours.is_some_and(|o| (p.end == End::Sent) == (marks[p.message].from == o));
            match (is_ours, p.end) {
                (true, _) => n + p.message,
                (false, End::Sent) => p.message,
                (false, End::Received) => 2 * n + p.message,
            }
        }
    };
    let mut reach = vec![vec![false; 3 * n]; 3 * n];
    let mut edge = |a: usize, b: usize| {
        if a != b {
            reach[a][b] = true;
        }
    };
    for i in 0..n {
        edge(node(Point::sent(i)), n + i);
        edge(n + i, node(Point::received(i)));
        for j in i + 1..n {
            edge(n + i, n + j);
            if marks[i].stream == marks[j].stream {
                edge(node(Point::sent(i)), node(Point::sent(j)));
                edge(node(Point::received(i)), node(Point::received(j)));
            }
        }
    }
    for fact in facts {
        match *fact {
            Fact::Knew(a, b) => edge(node(Point::received(a)), node(Point::sent(b))),
            Fact::After(a, b) => edge(n + a, node(Point::sent(b))),
        }
    }
    for k in 0..3 * n {
        for i in 0..3 * n {
            if reach[i][k] {
                let row = reach[k].clone();
                for (to, from) in reach[i].iter_mut().zip(row) {
                    *to |= from;
                }
            }
        }
    }
    move |a, b| {
        if a == b {
            Order::No
        } else if reach[node(a)][node(b)] {
            Order::Yes
        } else if reach[node(b)][node(a)] {
            Order::No
        } else {
            Order::Unknown
        }
    }
}

prop_compose! {
    fn plot()(
        streams in prop::collection::vec(0u32..4, 1..12),
        facts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<bool>()), 0..10),
        ours in prop_oneof![Just(None), Just(Some(Party::Client)), Just(Some(Party::Server))],
    ) -> (Option<Party>, Vec<Mark>, Vec<Fact>) {
        let marks: Vec<Mark> = streams.iter().enumerate().map(|(i, s)| Mark {
            event: u32::try_from(i).unwrap() * 2 + 1,
            stream: StreamId(*s),
            from: if s % 2 == 0 { Party::Client } else { Party::Server },
        }).collect();
        let facts = facts.iter().filter_map(|(a, b, knew)| {
            let (a, b) = (a.index(marks.len()), b.index(marks.len()));
            (a < b && marks[a].from != marks[b].from).then_some(if *knew { Fact::Knew(a, b) } else { Fact::After(a, b) })
        }).collect();
        (ours, marks, facts)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn the_clock_agrees_with_the_closure((ours, marks, facts) in plot()) {
        let clock = Clock::new(ours, marks.clone(), &facts, &super::order::Carry::default());
        let plain = naive(ours, &marks, &facts);
        let points: Vec<Point> = (0..marks.len()).flat_map(|i| [Point::sent(i), Point::received(i)]).collect();
        for a in &points {
            for b in &points {
                prop_assert_eq!(clock.before(*a, *b), plain(*a, *b), "{:?} {:?}", a, b);
            }
        }
    }

    #[test]
    fn any_messages_make_a_conversation(lines in prop::collection::vec((any::<bool>(), prop_oneof![
        Just(json!({"id": 1, "method": "tools/call", "params": {"task": {}, "_meta": {"progressToken": 1}}})),
        Just(json!({"id": 1, "result": {"task": {"taskId": "t"}}})),
        Just(json!({"id": "1", "result": 3})),
        Just(json!({"id": null, "error": 3})),
        Just(json!([{"id": 1, "result": {"tasks": [{"taskId": "t"}, 1]}}, 3])),
        Just(json!({"id": 1, "method": "tasks/list", "params": {"cursor": "c"}})),
        Just(json!({"method": "notifications/progress", "params": {"progressToken": 1}})),
        Just(json!({"id": 1, "method": "initialize", "params": []})),
        Just(json!({"id": 2, "method": "tasks/get", "params": {"taskId": "t"}})),
        Just(json!(7)),
    ]), 0..40)) {
        let mut t = Sample::stdio();
        for (client, line) in lines {
            if client { t.client(line) } else { t.server(line) };
        }
        let c = conversation(&t.done());
        for (i, said) in c.iter() {
            if let Some(request) = said.answers {
                prop_assert!(request < i && c.said[request].from != said.from);
                prop_assert!(c.said[request].answered_by.contains(&i));
            }
        }
    }
}
