//! Any interleaving of task operations, by requestors who do as they like: the server keeps its promises.

use super::*;
use proptest::prelude::*;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// What a requestor, or the world, can do. Indices choose among what there is.
#[derive(Debug, Clone)]
enum Deed {
    Create { tool: usize, ttl: Option<u64> },
    CallPlainly { tool: usize },
    Get { task: usize },
    Result { task: usize },
    Cancel { task: usize },
    List,
    Answer { question: usize, how: usize },
    CancelRequest { request: usize },
    LoseStream { request: usize },
    Pass { ms: u64 },
    Close,
}

const TOOLS: [(&str, bool); 9] = [
    ("test_task_elicitation", true),
    ("test_task_two_questions", true),
    ("test_task_slow", true),
    ("test_task_stubborn", true),
    ("test_task_error", true),
    ("test_task_protocol_error", true),
    ("test_task_progress", true),
    ("test_elicit_as_task", false),
    ("test_reconnection", false),
];

fn deed() -> impl Strategy<Value = Deed> {
    let ttl = prop_oneof![Just(None), Just(Some(100)), Just(Some(5_000)), Just(Some(100_000_000))];
    prop_oneof![
        4 => (0..TOOLS.len(), ttl).prop_map(|(tool, ttl)| Deed::Create { tool, ttl }),
        2 => (0..TOOLS.len()).prop_map(|tool| Deed::CallPlainly { tool }),
        3 => any::<usize>().prop_map(|task| Deed::Get { task }),
        5 => any::<usize>().prop_map(|task| Deed::Result { task }),
        2 => any::<usize>().prop_map(|task| Deed::Cancel { task }),
        1 => Just(Deed::List),
        5 => (any::<usize>(), 0..4usize).prop_map(|(question, how)| Deed::Answer { question, how }),
        1 => any::<usize>().prop_map(|request| Deed::CancelRequest { request }),
        1 => any::<usize>().prop_map(|request| Deed::LoseStream { request }),
        5 => prop_oneof![Just(1u64), Just(20), Just(60), 0..10_000u64].prop_map(|ms| Deed::Pass { ms }),
        1 => Just(Deed::Close),
    ]
}

/// A world with some requestors, who remember everything.
struct World {
    server: Server,
    now: Duration,
    next_id: i64,
    inspector: Inspector,
    open: BTreeSet<SessionKey>,
    /// Every task that anybody created, and its owner.
    tasks: Vec<(SessionKey, String)>,
    /// Requests of a session that may still be answered, with their methods.
    waiting: BTreeMap<(SessionKey, Id), String>,
    /// Requests that were cancelled by notification: need not be answered, must not be twice.
    excused: BTreeSet<(SessionKey, Id)>,
    questions: Vec<(SessionKey, Value)>,
    /// The status last seen of each task.
    seen: BTreeMap<String, String>,
    final_results: BTreeMap<String, Value>,
    asked_for: BTreeMap<(SessionKey, Id), String>,
}

impl World {
    fn new(odd: bool) -> World {
        let server = server(|setup| {
            setup.dialect.questions_on_get = odd;
            setup.dialect.status_notifications = odd;
            setup.dialect.task_page_size = 3;
        });
        let mut world = World {
            server,
            now: Duration::ZERO,
            next_id: 0,
            inspector: Inspector::default(),
            open: BTreeSet::new(),
            tasks: Vec::new(),
            waiting: BTreeMap::new(),
            excused: BTreeSet::new(),
            questions: Vec::new(),
            seen: BTreeMap::new(),
            final_results: BTreeMap::new(),
            asked_for: BTreeMap::new(),
        };
        for session in [SessionKey(1), SessionKey(2)] {
            world.server.opened(world.now, session);
            world.open.insert(session);
            let info = json!({ "name": "t", "version": "0" });
            let capabilities = json!({ "elicitation": {}, "sampling": {} });
            let params = json!({ "protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": info });
            world.request(session, "initialize", params);
            world.give(session, &json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        }
        world
    }

    fn request(&mut self, session: SessionKey, method: &str, params: Value) {
        if !self.open.contains(&session) {
            return;
        }
        self.next_id += 1;
        let id = Id::Integer(self.next_id);
        let task = params.get("taskId").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.asked_for.insert((session, id.clone()), task);
        let message = super::super::rpc::request(&id, method, Some(params));
        self.waiting.insert((session, id), method.to_owned());
        self.give(session, &message);
    }

    fn give(&mut self, session: SessionKey, message: &Value) {
        if !self.open.contains(&session) {
            return;
        }
        self.inspector.inspect(session, Party::Client, message);
        self.server.receive(self.now, session, &Message::of(message));
        self.take();
    }

    fn take(&mut self) {
        for effect in self.server.take() {
            match effect {
                Effect::Send(Proposal { session, route, message }) => self.came(session, &route, &message),
                Effect::CloseStream { session, .. } => assert!(self.open.contains(&session)),
                other => panic!("a server wants {other:?}"),
            }
        }
    }

    fn came(&mut self, session: SessionKey, route: &Route, message: &Value) {
        assert!(self.open.contains(&session), "a message to a closed session: {message}");
        let read = Message::of(message);
        // a question that comes again is the same one
        let again = self.questions.iter().any(|(of, question)| *of == session && question == message);
        if !again {
            self.inspector.inspect(session, Party::Server, message);
        }
        self.server.sent(self.now, session, &read);
        match route {
            Route::Answer(id) => {
                let key = (session, id.clone());
                let method = self.waiting.remove(&key);
                let method = method.unwrap_or_else(|| panic!("{id} is answered and was not open: {message}"));
                assert!(!self.excused.contains(&key), "a cancelled request is answered: {message}");
                self.answered(session, &key, &method, message);
            }
            Route::Related(id) => {
                let key = (session, id.clone());
                assert!(self.waiting.contains_key(&key), "{message} goes over a request that is not open");
            }
            Route::Unrelated => {}
        }
        match read.kind() {
            Kind::Request { .. } if !again => self.questions.push((session, message.clone())),
            Kind::Notification { method } if method == "notifications/tasks/status" => self.status(read.params()),
            Kind::Notification { method } if method == "notifications/cancelled" => {
                let id = &message["params"]["requestId"];
                self.questions.retain(|(of, question)| *of != session || question["id"] != *id);
            }
            Kind::Notification { method } if method == "notifications/progress" => {
                if let Some(task) = super::super::rpc::related(read.params()) {
                    let seen = self.seen.get(task).map(String::as_str);
                    assert!(!matches!(seen, Some("completed" | "failed" | "cancelled")), "progress after the end");
                }
            }
            _ => {}
        }
    }

    fn answered(&mut self, session: SessionKey, key: &(SessionKey, Id), method: &str, message: &Value) {
        let result = &message["result"];
        match method {
            "tools/call" => {
                if let Some(task) = result["task"]["taskId"].as_str() {
                    self.tasks.push((session, task.to_owned()));
                    self.status(&result["task"].clone());
                }
            }
            "tasks/get" | "tasks/cancel" if result.is_object() => self.status(&result.clone()),
            "tasks/list" => {
                for task in result["tasks"].as_array().unwrap() {
                    let id = task["taskId"].as_str().unwrap();
                    assert!(self.tasks.contains(&(session, id.to_owned())), "another's task is listed");
                    self.status(&task.clone());
                }
            }
            "tasks/result" => {
                let mut outcome = message.clone();
                outcome.as_object_mut().unwrap().remove("id");
                if outcome["error"]["code"] != -32602 {
                    let task = self.asked_for[key].clone();
                    let before = self.final_results.entry(task).or_insert_with(|| outcome.clone());
                    assert_eq!(*before, outcome, "tasks/result changes its mind");
                }
            }
            _ => {}
        }
    }

    /// A status was seen: terminal ones are final.
    fn status(&mut self, task: &Value) {
        let (id, status) = (task["taskId"].as_str().unwrap(), task["status"].as_str().unwrap());
        if let Some(before) = self.seen.insert(id.to_owned(), status.to_owned())
            && matches!(&before[..], "completed" | "failed" | "cancelled")
        {
            assert_eq!(before, status, "a terminal state is final");
        }
    }

    fn pass(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        while let Some(at) = self.server.wake_at().filter(|at| *at <= until) {
            let late = self.now > at;
            self.now = self.now.max(at);
            self.server.wake(self.now);
            self.take();
            let next = self.server.wake_at();
            assert!(!late || next.is_none_or(|next| next > self.now), "the server does not come to rest");
        }
        self.now = until;
    }

    fn do_it(&mut self, session: SessionKey, deed: &Deed) {
        let arguments = json!({ "files": 3, "ms": 500, "token": "w", "text": "no", "marker": "m" });
        let pick = |n: usize, of: usize| if of == 0 { None } else { Some(n % of) };
        match *deed {
            Deed::Create { tool, ttl } => {
                let task = ttl.map_or(json!({}), |ttl| json!({ "ttl": ttl }));
                let meta = json!({ "progressToken": format!("p{}", self.next_id) });
                let (name, _) = TOOLS[tool];
                let params = json!({ "name": name, "arguments": arguments, "task": task, "_meta": meta });
                self.request(session, "tools/call", params);
            }
            Deed::CallPlainly { tool } => {
                self.request(session, "tools/call", json!({ "name": TOOLS[tool].0, "arguments": arguments }));
            }
            Deed::Get { task } | Deed::Result { task } | Deed::Cancel { task } => {
                let Some(index) = pick(task, self.tasks.len()) else { return };
                let method = match deed {
                    Deed::Get { .. } => "tasks/get",
                    Deed::Result { .. } => "tasks/result",
                    _ => "tasks/cancel",
                };
                let (owner, task) = self.tasks[index].clone();
                let answers = self.waiting.len();
                self.request(session, method, json!({ "taskId": task }));
                if owner != session {
                    assert_eq!(self.waiting.len(), answers, "another's task is refused at once");
                }
            }
            Deed::List => self.request(session, "tasks/list", json!({})),
            Deed::Answer { question, how } => {
                let Some(index) = pick(question, self.questions.len()) else { return };
                let (of, asked) = self.questions.remove(index);
                let mut answer = match how {
                    0 => json!({ "result": { "action": "accept", "content": { "confirm": true } } }),
                    1 => json!({ "result": { "action": "decline" } }),
                    2 => json!({ "error": { "code": -1, "message": "the user said no" } }),
                    _ => json!({ "result": { "action": "cancel" } }),
                };
                answer["jsonrpc"] = json!("2.0");
                answer["id"] = asked["id"].clone();
                self.give(of, &answer);
            }
            Deed::CancelRequest { request } => {
                let mine: Vec<Id> =
                    self.waiting.keys().filter(|(of, _)| *of == session).map(|(_, id)| id.clone()).collect();
                let Some(index) = pick(request, mine.len()) else { return };
                self.excused.insert((session, mine[index].clone()));
                let params = json!({ "requestId": mine[index].to_value() });
                self.give(session, &super::super::rpc::notification("notifications/cancelled", Some(params)));
                self.waiting.remove(&(session, mine[index].clone()));
            }
            Deed::LoseStream { request } => {
                let mine: Vec<Id> =
                    self.waiting.keys().filter(|(of, _)| *of == session).map(|(_, id)| id.clone()).collect();
                let Some(index) = pick(request, mine.len()) else { return };
                self.server.lost(self.now, session, &mine[index]);
                self.take();
            }
            Deed::Pass { ms } => self.pass(ms),
            Deed::Close => {
                self.open.remove(&session);
                self.server.closed(self.now, session);
                self.waiting.retain(|(of, _), _| *of != session);
                self.questions.retain(|(of, _)| *of != session);
                self.take();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn promises_hold_in_any_order(odd: bool, deeds in proptest::collection::vec((1..=2u32, deed()), 1..60)) {
        let mut world = World::new(odd);
        for (session, deed) in &deeds {
            world.do_it(SessionKey(*session), deed);
        }
        // after the longest ttl every tasks/result is answered, whatever was left undone
        world.pass(3_600_002);
        let left: Vec<_> = world.waiting.iter().filter(|(_, method)| *method != "tools/call").collect();
        prop_assert!(left.is_empty(), "without an answer: {left:?}");
        // and a plain call waits only for an answer that its caller owes
        let calls = world.waiting.len();
        prop_assert!(calls <= world.questions.len(), "{calls} calls wait for {} questions", world.questions.len());
        prop_assert!(world.server.idle());
        for session in world.open.clone() {
            world.request(session, "tasks/list", json!({}));
            prop_assert!(world.waiting.values().all(|method| method == "tools/call"));
        }
    }
}
