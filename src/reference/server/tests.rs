//! The server by hand: one message in, what comes out.

use super::*;
use crate::reference::rpc::RELATED_TASK;
use crate::reference::{Engine, Proposal};

const A: SessionKey = SessionKey(1);
const B: SessionKey = SessionKey(2);

/// A server with a clock, and all that it sent.
struct Bench {
    server: Server,
    now: Duration,
    ids: i64,
}

impl Bench {
    fn new(change: impl FnOnce(&mut Setup)) -> Bench {
        let mut setup = Setup::new(Surroundings::fixed(1));
        change(&mut setup);
        Bench { server: Server::new(setup), now: Duration::ZERO, ids: 0 }
    }

    /// With a session that has been initialized by a client that can do everything.
    fn ready() -> Bench {
        Bench::ready_with(|_| {}, "2025-11-25")
    }

    fn ready_with(change: impl FnOnce(&mut Setup), revision: &str) -> Bench {
        let mut bench = Bench::new(change);
        bench.open(A, revision);
        bench
    }

    fn open(&mut self, session: SessionKey, revision: &str) -> Value {
        self.server.opened(self.now, session);
        let capabilities = json!({ "elicitation": {}, "sampling": {}, "roots": {} });
        let info = json!({ "name": "t", "version": "0" });
        let params = json!({ "protocolVersion": revision, "capabilities": capabilities, "clientInfo": info });
        let answer = self.ask(session, "initialize", params);
        assert!(self.give(session, &json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).is_empty());
        answer
    }

    fn give(&mut self, session: SessionKey, message: &Value) -> Vec<Effect> {
        self.bytes(session, message.to_string().as_bytes())
    }

    fn bytes(&mut self, session: SessionKey, bytes: &[u8]) -> Vec<Effect> {
        let message = Message::read(bytes::Bytes::copy_from_slice(bytes), &crate::wire::json::Limits::default());
        self.server.receive(self.now, session, &message);
        self.take()
    }

    fn take(&mut self) -> Vec<Effect> {
        let effects = self.server.take();
        for effect in &effects {
            if let Effect::Send(proposal) = effect {
                self.server.sent(self.now, proposal.session, &Message::of(&proposal.message));
            }
        }
        effects
    }

    /// Sends a request, without waiting.
    fn request(&mut self, session: SessionKey, method: &str, params: Value) -> (Id, Vec<Effect>) {
        self.ids += 1;
        let id = Id::Integer(self.ids);
        (id.clone(), self.give(session, &rpc::request(&id, method, Some(params))))
    }

    /// Sends a request that is answered at once and alone.
    fn ask(&mut self, session: SessionKey, method: &str, params: Value) -> Value {
        let (id, effects) = self.request(session, method, params);
        let [Effect::Send(Proposal { route, message, .. })] = &effects[..] else { panic!("{method}: {effects:?}") };
        assert_eq!(*route, Route::Answer(id.clone()));
        assert_eq!(message["id"], id.to_value());
        message.clone()
    }

    fn code(&mut self, method: &str, params: Value) -> i64 {
        let answer = self.ask(A, method, params);
        answer["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error: {answer}"))
    }

    /// Lets time pass.
    fn pass(&mut self, ms: u64) -> Vec<Effect> {
        let until = self.now + Duration::from_millis(ms);
        let mut effects = Vec::new();
        while let Some(at) = self.server.wake_at().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.server.wake(self.now);
            effects.extend(self.take());
        }
        self.now = until;
        effects
    }

    fn task(&mut self, session: SessionKey, name: &str, arguments: Value) -> String {
        let params = json!({ "name": name, "arguments": arguments, "task": { "ttl": 60_000 } });
        let answer = self.ask(session, "tools/call", params);
        assert_eq!(answer["result"]["task"]["status"], "working", "{answer}");
        answer["result"]["task"]["taskId"].as_str().unwrap().to_owned()
    }

    fn status(&mut self, session: SessionKey, task: &str) -> Value {
        self.ask(session, "tasks/get", json!({ "taskId": task }))["result"]["status"].clone()
    }
}

fn messages(effects: &[Effect]) -> Vec<&Value> {
    let send = |effect| match effect {
        &Effect::Send(ref proposal) => Some(&proposal.message),
        _ => None,
    };
    effects.iter().filter_map(send).collect()
}

#[test]
fn the_founding_exchange() {
    let mut bench = Bench::ready();
    let task = bench.task(A, "test_task_elicitation", json!({ "files": 7 }));
    assert_eq!(bench.status(A, &task), "working");
    assert!(bench.pass(20).is_empty(), "a question waits for tasks/result");
    assert_eq!(bench.status(A, &task), "input_required");
    let (outcome, effects) = bench.request(A, "tasks/result", json!({ "taskId": task }));
    let [Effect::Send(question)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(question.route, Route::Related(outcome.clone()));
    assert_eq!(question.message["method"], "elicitation/create");
    assert_eq!(question.message["params"]["message"], "Delete 7 files?");
    assert_eq!(question.message["params"]["_meta"][RELATED_TASK]["taskId"], task.as_str());
    let answer = json!({ "action": "accept", "content": { "confirm": true } });
    let answer = json!({ "jsonrpc": "2.0", "id": question.message["id"], "result": answer });
    let effects = bench.give(A, &answer);
    let [Effect::Send(end)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(end.route, Route::Answer(outcome));
    let text = json!([{ "type": "text", "text": "Deleted 7 files" }]);
    assert_eq!(end.message["result"]["content"], text);
    assert_eq!(end.message["result"]["_meta"][RELATED_TASK]["taskId"], task.as_str());
    assert_eq!(bench.status(A, &task), "completed");
    let again = bench.ask(A, "tasks/result", json!({ "taskId": task }));
    assert_eq!(again["result"], end.message["result"], "the result can be had again");
    assert!(bench.give(A, &answer).is_empty(), "a second answer to one question is ignored");
}
