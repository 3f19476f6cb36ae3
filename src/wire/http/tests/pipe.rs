//! Both sides through an in-memory pipe that cuts, delays and breaks.

use super::*;
use crate::wire::Message;
use crate::wire::sse::{Encoder, LineEnding};
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// What the server sent in one round trip and the client did not read yet.
#[derive(Default)]
struct Pipe {
    head: Option<ResponseHead>,
    bytes: VecDeque<u8>,
    ended: bool,
    /// The client holds an event id of this stream.
    resumable: bool,
}

struct World {
    server: ServerLogic,
    client: ClientLogic,
    pipes: BTreeMap<RoundTrip, Pipe>,
    next: u32,
    /// What each side handed to the engine above it.
    at_server: Vec<Bytes>,
    at_client: Vec<Message>,
    refused: Vec<u16>,
}

impl World {
    fn open(policy: ServerPolicy) -> World {
        let mut world = World {
            server: ServerLogic::new(policy, counter()),
            client: ClientLogic::new("localhost", "/mcp"),
            pipes: BTreeMap::new(),
            next: 0,
            at_server: Vec::new(),
            at_client: Vec::new(),
            refused: Vec::new(),
        };
        world.post(&initialize("2025-11-25"));
        world.reply(&Route::Answer(Id::from(0)), &initialized("2025-11-25"));
        world.drain(1 << 20);
        world.client.set_version(Some("2025-11-25".into()));
        assert!(world.client.session().is_some());
        world.at_server.clear();
        world.at_client.clear();
        world
    }

    fn request(&mut self, compose: impl FnOnce(&mut ClientLogic, RoundTrip) -> Request) {
        let rt = RoundTrip(self.next);
        self.next += 1;
        let request = compose(&mut self.client, rt);
        self.pipes.insert(rt, Pipe::default());
        let actions = self.server.request(Duration::ZERO, rt, &request);
        self.perform(actions);
    }

    fn post(&mut self, message: &Value) {
        let text = message.to_string();
        self.request(|client, rt| client.post(rt, text));
    }

    fn reply(&mut self, route: &Route, message: &Value) {
        let actions = self.server.send(SessionKey(0), route, message.to_string());
        self.perform(actions);
    }

    fn perform(&mut self, actions: Vec<ServerAction>) {
        for action in actions {
            match action {
                ServerAction::Respond { rt, head, body } => {
                    let pipe = self.pipes.get_mut(&rt).unwrap();
                    assert!(pipe.head.replace(head).is_none() && !pipe.ended);
                    pipe.bytes.extend(body);
                    pipe.ended = true;
                }
                ServerAction::StartStream { rt, head } => {
                    let pipe = self.pipes.get_mut(&rt).unwrap();
                    assert!(pipe.head.replace(head).is_none() && !pipe.ended);
                }
                ServerAction::Write { rt, bytes } => {
                    let pipe = self.pipes.get_mut(&rt).unwrap();
                    assert!(pipe.head.is_some() && !pipe.ended);
                    pipe.bytes.extend(bytes);
                }
                ServerAction::End { rt } => {
                    if let Some(pipe) = self.pipes.get_mut(&rt) {
                        assert!(!std::mem::replace(&mut pipe.ended, true));
                    }
                }
                ServerAction::Deliver { message, .. } => self.at_server.push(message.raw().clone()),
                ServerAction::SessionOpened { .. } | ServerAction::SessionEnded { .. } => {}
                ServerAction::Undeliverable { why, .. } => panic!("{why}"),
            }
        }
    }

    /// The client reads up to `size` bytes; the head and the end come with the first and last of them.
    fn read(&mut self, rt: RoundTrip, size: usize) {
        let Some(pipe) = self.pipes.get_mut(&rt) else { return };
        let mut events = Vec::new();
        if let Some(head) = pipe.head.as_mut().filter(|h| h.status != 0) {
            events.extend(self.client.response_head(rt, head));
            // Read.
            head.status = 0;
        }
        let chunk: Vec<u8> = pipe.bytes.drain(..size.min(pipe.bytes.len())).collect();
        events.extend(self.client.body(rt, &chunk));
        if pipe.ended && pipe.bytes.is_empty() {
            self.pipes.remove(&rt);
            events.extend(self.client.finished(rt, true));
        }
        for event in events {
            match event {
                ClientEvent::Message { message, event_id, .. } => {
                    if let Some(pipe) = self.pipes.get_mut(&rt) {
                        pipe.resumable |= event_id.is_some();
                    }
                    self.at_client.push(message);
                }
                ClientEvent::Primed { id, .. } => {
                    if let Some(pipe) = self.pipes.get_mut(&rt) {
                        pipe.resumable |= id.is_some();
                    }
                }
                ClientEvent::Refused { status, .. } => self.refused.push(status),
                ClientEvent::Ended { resume: Some(resume), clean, .. } => {
                    assert!(clean);
                    self.request(|client, rt| client.resume(rt, &resume));
                }
                ClientEvent::Ended { answered, .. } => assert!(answered),
                ClientEvent::NotMcp { why, .. } => panic!("{why}"),
                ClientEvent::OtherEvent { .. } | ClientEvent::Oddity { .. } => panic!("{event:?}"),
                ClientEvent::Accepted { status, .. } => assert_eq!(status, 202),
                ClientEvent::SessionId { visible, .. } => assert!(visible),
                ClientEvent::Comment { .. } => {}
            }
        }
    }

    /// The connection breaks; what was not read is lost, and the client resumes.
    fn break_off(&mut self, rt: RoundTrip) {
        if !self.pipes.get(&rt).is_some_and(|p| p.resumable) {
            return;
        }
        self.pipes.remove(&rt);
        self.server.dropped(rt);
        if let Some(resume) = self.client.drop_round_trip(rt) {
            self.request(|client, rt| client.resume(rt, &resume));
        }
    }

    fn drain(&mut self, size: usize) {
        for _ in 0..100_000 {
            let readable = |p: &Pipe| p.ended || !p.bytes.is_empty();
            let Some(rt) = self.pipes.iter().find(|(_, p)| readable(p)).map(|(rt, _)| *rt) else { return };
            self.read(rt, size);
        }
        panic!("the pipes never ran dry");
    }
}

/// What happens next.
#[derive(Debug, Clone)]
enum Turn {
    Post,
    Notify,
    Related(prop::sample::Index),
    Answer(prop::sample::Index),
    Unrelated,
    Read(prop::sample::Index, usize),
    Break(prop::sample::Index),
    Close(prop::sample::Index),
}

fn turn() -> impl Strategy<Value = Turn> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        2 => Just(Turn::Post),
        1 => Just(Turn::Notify),
        4 => index().prop_map(Turn::Related),
        2 => index().prop_map(Turn::Answer),
        3 => Just(Turn::Unrelated),
        8 => (index(), 1usize..60).prop_map(|(i, size)| Turn::Read(i, size)),
        2 => index().prop_map(Turn::Break),
        1 => index().prop_map(Turn::Close),
    ]
}

proptest! {
    #[test]
    fn the_same_messages_arrive_in_order(
        turns in prop::collection::vec(turn(), 0..80),
        json_answers: bool,
        breaks: bool,
        ending in prop::sample::select(vec![LineEnding::Lf, LineEnding::CrLf, LineEnding::Cr]),
        size in 1usize..50,
    ) {
        let policy = ServerPolicy { json_answers, encoder: Encoder { ending }, ..ServerPolicy::default() };
        let mut world = World::open(policy);
        world.request(|client, rt| client.get(rt, None));
        let (mut posted, mut next_id) = (Vec::new(), 1);
        let mut open: Vec<(i64, u64)> = Vec::new();
        let mut finished: Vec<(i64, u64)> = Vec::new();
        let mut unrelated = 0;
        let related = |id: i64, n: u64| message::notification("r", Some(json!({ "of": id, "n": n, "text": "é\n\r" })));
        for turn in turns {
            match turn {
                Turn::Post | Turn::Notify => {
                    let message = if matches!(turn, Turn::Post) {
                        open.push((next_id, 0));
                        message::request(&Id::from(next_id), "call", None)
                    } else {
                        message::notification("note", Some(json!({ "n": next_id })))
                    };
                    next_id += 1;
                    posted.push(message.to_string());
                    world.post(&message);
                }
                Turn::Related(at) if !open.is_empty() => {
                    let (id, n) = at.get_mut(&mut open);
                    world.reply(&Route::Related(Id::from(*id)), &related(*id, *n));
                    *n += 1;
                }
                Turn::Answer(at) if !open.is_empty() => {
                    let (id, n) = open.remove(at.index(open.len()));
                    finished.push((id, n));
                    world.reply(&Route::Answer(Id::from(id)), &message::result(&Id::from(id), json!({ "n": n })));
                }
                Turn::Unrelated => {
                    world.reply(&Route::Unrelated, &message::notification("u", Some(json!({ "n": unrelated }))));
                    unrelated += 1;
                }
                Turn::Read(at, size) if !world.pipes.is_empty() => {
                    let rts: Vec<RoundTrip> = world.pipes.keys().copied().collect();
                    world.read(*at.get(&rts), size);
                }
                Turn::Break(at) if breaks && !world.pipes.is_empty() => {
                    let rts: Vec<RoundTrip> = world.pipes.keys().copied().collect();
                    world.break_off(*at.get(&rts));
                }
                Turn::Close(at) if !open.is_empty() => {
                    let actions = world.server.close_stream(SessionKey(0), &Id::from(at.get(&open).0));
                    world.perform(actions);
                }
                _ => {}
            }
        }
        for (id, n) in std::mem::take(&mut open) {
            world.reply(&Route::Answer(Id::from(id)), &message::result(&Id::from(id), json!({ "n": n })));
            finished.push((id, n));
        }
        world.drain(size);
        prop_assert_eq!(&world.refused, &[] as &[u16]);
        let at_server: Vec<String> = world.at_server.iter().map(|b| String::from_utf8(b.to_vec()).unwrap()).collect();
        prop_assert_eq!(at_server, posted);
        let got = |method: &str| world.at_client.iter().filter(move |m| m.method() == Some(method)).collect::<Vec<_>>();
        let numbers: Vec<u64> = got("u").iter().map(|m| m.params()["n"].as_u64().unwrap()).collect();
        prop_assert_eq!(numbers, (0..unrelated).collect::<Vec<u64>>());
        for (id, n) in &finished {
            let of_this = |m: &&Message| m.params()["of"] == *id || (m.is_answer() && m.id() == Some(&Id::from(*id)));
            let got: Vec<Value> = world.at_client.iter().filter(of_this).map(|m| m.value().clone()).collect();
            let mut sent: Vec<Value> = (0..*n).map(|n| related(*id, n)).collect();
            sent.push(message::result(&Id::from(*id), json!({ "n": n })));
            prop_assert_eq!(got, sent);
        }
        // Only the GET stream is still open.
        prop_assert_eq!(world.pipes.len(), 1);
        prop_assert_eq!(world.server.round_trips_open(), 1);
    }

    #[test]
    fn no_request_makes_the_server_panic_or_stay_silent(
        method in prop::sample::select(vec!["GET", "POST", "DELETE", "PUT"]),
        headers in prop::collection::vec((prop::sample::select(vec![
            "Host", "Origin", "Accept", "Content-Type", "MCP-Session-Id", "MCP-Protocol-Version", "Last-Event-ID",
        ]), prop_oneof![
            "\\PC{0,20}",
            Just("text/event-stream".to_owned()),
            Just("application/json".to_owned()),
            Just("01010101010101010101010101010101".to_owned()),
            Just("0-0".to_owned()),
            Just("localhost".to_owned()),
        ]), 0..8),
        body in prop_oneof![
            any::<Vec<u8>>(),
            Just(br#"{"id":1,"method":"x"}"#.to_vec()),
            Just(br#"[{"id":1,"method":"x"}]"#.to_vec()),
            Just(br#"{"id":1,"method":"initialize"}"#.to_vec()),
        ],
        sessions: bool,
    ) {
        let mut server = ServerLogic::new(ServerPolicy { sessions, ..ServerPolicy::default() }, counter());
        server.request(Duration::ZERO, RoundTrip(0), &super::post(&initialize("2025-11-25").to_string()));
        server.send(SessionKey(0), &Route::Answer(Id::from(0)), initialized("2025-03-26").to_string());
        let headers: Headers = headers.into_iter().collect();
        let request = Request { method: method.into(), path: "/mcp".into(), headers, body: body.into() };
        let actions = server.request(Duration::ZERO, RoundTrip(1), &request);
        let answered = actions.iter().any(|a| !matches!(a, ServerAction::SessionOpened { .. }));
        prop_assert!(answered, "{:?}", actions);
    }
}
