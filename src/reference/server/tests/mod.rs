//! The server by hand: one message in, what comes out.

mod tasks;

use super::*;
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

    fn witness(&mut self, session: SessionKey, token: &str) -> Value {
        let params = json!({ "name": "test_witness", "arguments": { "token": token } });
        let told = self.ask(session, "tools/call", params)["result"]["content"][0]["text"].clone();
        serde_json::from_str(told.as_str().unwrap()).unwrap()
    }

    fn status(&mut self, session: SessionKey, task: &str) -> Value {
        self.ask(session, "tasks/get", json!({ "taskId": task }))["result"]["status"].clone()
    }
}

fn messages(effects: &[Effect]) -> Vec<&Value> {
    fn send(effect: &Effect) -> Option<&Value> {
        match effect {
            Effect::Send(proposal) => Some(&proposal.message),
            _ => None,
        }
    }
    effects.iter().filter_map(send).collect()
}

#[test]
fn an_answer_cannot_be_canned() {
    let mut bench = Bench::ready();
    let (_, effects) =
        bench.request(A, "tools/call", json!({ "name": "test_task_elicitation", "arguments": { "files": 3 } }));
    let id = messages(&effects)[0]["id"].clone();
    let declined =
        json!({ "jsonrpc": "2.0", "id": id, "result": { "action": "accept", "content": { "confirm": "true" } } });
    let effects = bench.give(A, &declined);
    assert_eq!(messages(&effects)[0]["result"]["content"][0]["text"], "Nothing deleted", "a string is no consent");
}

#[test]
fn the_version_is_negotiated() {
    for (asked, agreed) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("1.0", "2025-11-25"),
    ] {
        assert_eq!(Bench::new(|_| {}).open(A, asked)["result"]["protocolVersion"], agreed, "{asked}");
    }
}

#[test]
fn initialize_comes_first_and_once() {
    let mut bench = Bench::new(|_| {});
    bench.server.opened(bench.now, A);
    assert_eq!(bench.ask(A, "ping", json!({}))["result"], json!({}));
    assert_eq!(bench.code("tools/list", json!({})), -32600);
    for params in [json!({}), json!({ "protocolVersion": 1 }), json!({ "protocolVersion": "2025-11-25" })] {
        assert_eq!(bench.code("initialize", params), -32602);
    }
    bench.open(A, "2025-11-25");
    let info = json!({ "name": "t", "version": "0" });
    let again = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info });
    assert_eq!(bench.code("initialize", again), -32600);
    assert!(bench.ask(A, "tools/list", json!({}))["result"]["tools"].is_array());
}

#[test]
fn no_question_before_the_handshake_is_over() {
    let mut bench = Bench::new(|_| {});
    bench.server.opened(bench.now, A);
    let info = json!({ "name": "t", "version": "0" });
    let capabilities = json!({ "elicitation": {} });
    bench.ask(
        A,
        "initialize",
        json!({ "protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": info }),
    );
    let (_, effects) =
        bench.request(A, "tools/call", json!({ "name": "test_task_elicitation", "arguments": { "files": 1 } }));
    assert!(effects.is_empty());
    let effects = bench.give(A, &json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    assert_eq!(messages(&effects)[0]["method"], "elicitation/create");
}

#[test]
fn what_cannot_be_served_is_refused_with_its_code() {
    let mut bench = Bench::ready();
    for (method, params, code) in [
        ("no/such/method", json!({}), -32601),
        ("tools/call", json!({}), -32602),
        ("tools/call", json!({ "name": 1 }), -32602),
        ("tools/call", json!({ "name": "no_such_tool" }), -32602),
        ("tools/call", json!({ "name": "TEST_SIMPLE_TEXT" }), -32602),
        ("tools/call", json!({ "name": "test_simple_text", "arguments": [] }), -32602),
        ("tools/call", json!({ "name": "test_simple_text", "task": {} }), -32601),
        ("tools/call", json!({ "name": "test_task_required" }), -32601),
        ("tools/call", json!({ "name": "test_task_optional", "task": true }), -32602),
        ("tools/call", json!({ "name": "test_task_optional", "task": { "ttl": "long" } }), -32602),
        ("tools/call", json!({ "name": "test_simple_text", "_meta": { "progressToken": null } }), -32602),
        ("tools/call", json!([1, 2]), -32602),
        ("tools/list", json!({ "cursor": "abc" }), -32602),
        ("tools/list", json!({ "cursor": 1 }), -32602),
        ("resources/read", json!({}), -32602),
        ("resources/read", json!({ "uri": "test://no-such-resource" }), -32002),
        ("resources/subscribe", json!({}), -32602),
        ("prompts/get", json!({ "name": "no_such_prompt" }), -32602),
        ("prompts/get", json!({ "name": "test_prompt_with_arguments", "arguments": { "arg1": "x" } }), -32602),
        (
            "completion/complete",
            json!({ "ref": { "type": "ref/prompt", "name": "no_such_prompt" }, "argument": { "name": "a", "value": "" } }),
            -32602,
        ),
        ("completion/complete", json!({}), -32602),
        ("logging/setLevel", json!({ "level": "loud" }), -32602),
        ("tasks/get", json!({}), -32602),
        ("tasks/get", json!({ "taskId": "no-such-task" }), -32602),
        ("tasks/result", json!({ "taskId": "no-such-task" }), -32602),
        ("tasks/cancel", json!({ "taskId": "no-such-task" }), -32602),
        ("tasks/list", json!({ "cursor": "no such cursor" }), -32602),
        ("tasks/other", json!({}), -32601),
    ] {
        assert_eq!(bench.code(method, params.clone()), code, "{method} {params}");
    }
}

#[test]
fn what_is_no_message_is_refused_without_an_id_and_harms_nobody() {
    let mut bench = Bench::ready();
    for (bytes, code) in [
        (&br#"{"jsonrpc":"2.0","id":"#[..], -32700),
        (b"{\"jsonrpc\xff\"}", -32700),
        (&b"[".repeat(100_000), -32700),
        (br#"[{"jsonrpc":"2.0","id":"b1","method":"ping"}]"#, -32600),
        (br#"{"jsonrpc":"2.0","id":"d1","id":"d2","method":"ping"}"#, -32600),
        (br#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
        (br#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, -32600),
        (br#"{"jsonrpc":"2.0","id":5}"#, -32600),
        (b"5", -32600),
    ] {
        let effects = bench.bytes(A, bytes);
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        let [Effect::Send(refusal)] = &effects[..] else { panic!("{shown}: {effects:?}") };
        assert_eq!(refusal.message["error"]["code"], code, "{shown}");
        assert!(refusal.message.get("id").is_none(), "{shown}");
        assert_eq!(bench.ask(A, "ping", json!({}))["result"], json!({}));
    }
    assert!(bench.bytes(A, br#"{"jsonrpc":"2.0","id":"r1","result":{},"error":{"code":1,"message":"x"}}"#).is_empty());
    assert!(bench.bytes(A, br#"{"jsonrpc":"2.0","id":99,"result":{}}"#).is_empty());
    assert!(bench.bytes(A, br#"{"jsonrpc":"2.0","method":"notifications/whatever"}"#).is_empty());
    let refusal = bench.bytes(A, br#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#);
    assert_eq!(messages(&refusal)[0]["error"]["code"], -32600);
}

#[test]
fn a_batch_is_served_where_the_revision_has_them() {
    let mut bench = Bench::ready_with(|_| {}, "2025-03-26");
    let batch = json!([
        { "jsonrpc": "2.0", "id": "a", "method": "ping" },
        { "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": "x" } },
        { "jsonrpc": "2.0", "id": "b", "method": "ping" },
    ]);
    let effects = bench.give(A, &batch);
    let ids: Vec<&Value> = messages(&effects).into_iter().map(|message| &message["id"]).collect();
    assert_eq!(ids, ["a", "b"]);
    let empty = bench.bytes(A, b"[]");
    assert_eq!(messages(&empty)[0]["error"]["code"], -32600);
}

#[test]
fn the_plain_tools_answer_as_the_contract_says() {
    let mut bench = Bench::ready();
    for (name, types) in [
        ("test_simple_text", &["text"][..]),
        ("test_image_content", &["image"]),
        ("test_audio_content", &["audio"]),
        ("test_embedded_resource", &["resource"]),
        ("test_multiple_content_types", &["text", "image", "resource"]),
        ("test_error_handling", &["text"]),
        ("json_schema_2020_12_tool", &["text"]),
    ] {
        let answer = bench.ask(A, "tools/call", json!({ "name": name }));
        let got: Vec<&str> = answer["result"]["content"]
            .as_array()
            .unwrap()
            .iter()
            .map(|block| block["type"].as_str().unwrap())
            .collect();
        assert_eq!(got, types, "{name}");
        let failed = answer["result"].get("isError").is_some();
        assert_eq!(failed, name == "test_error_handling");
    }
}

#[test]
fn a_log_level_keeps_what_is_below_it_away() {
    let mut bench = Bench::ready();
    for (level, count) in [("debug", 3), ("info", 3), ("notice", 0), ("emergency", 0)] {
        assert_eq!(bench.ask(A, "logging/setLevel", json!({ "level": level }))["result"], json!({}));
        let (_, mut effects) = bench.request(A, "tools/call", json!({ "name": "test_tool_with_logging" }));
        effects.extend(bench.pass(100));
        let logged = messages(&effects).into_iter().filter(|message| message["method"] == "notifications/message");
        assert_eq!(logged.count(), count, "{level}");
        assert!(messages(&effects).last().unwrap()["result"].is_object());
    }
}

#[test]
fn progress_comes_to_who_gave_a_token() {
    let mut bench = Bench::ready();
    for token in [None, Some(json!("t")), Some(json!(7))] {
        let meta = token.as_ref().map(|token| json!({ "progressToken": token })).unwrap_or(json!({}));
        let (id, mut effects) =
            bench.request(A, "tools/call", json!({ "name": "test_tool_with_progress", "_meta": meta }));
        effects.extend(bench.pass(100));
        let progress: Vec<&Value> =
            messages(&effects).into_iter().filter(|message| message["method"] == "notifications/progress").collect();
        assert_eq!(progress.len(), if token.is_some() { 3 } else { 0 });
        for (one, much) in progress.iter().zip([0, 50, 100]) {
            let message = format!("{much} of 100");
            let params = json!({ "progressToken": token, "progress": much, "total": 100, "message": message });
            assert_eq!(one["params"], params);
        }
        assert_eq!(messages(&effects).last().unwrap()["id"], id.to_value());
    }
}

#[test]
fn a_cancelled_call_stops_and_is_not_answered() {
    let mut bench = Bench::ready();
    let (id, effects) =
        bench.request(A, "tools/call", json!({ "name": "test_elicitation", "arguments": { "message": "?" } }));
    let question = messages(&effects)[0]["id"].clone();
    let cancelled =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id.to_value() } });
    let effects = bench.give(A, &cancelled);
    assert_eq!(messages(&effects)[0]["method"], "notifications/cancelled");
    assert_eq!(messages(&effects)[0]["params"]["requestId"], question, "nobody needs the answer any more");
    let late = json!({ "jsonrpc": "2.0", "id": question, "result": { "action": "cancel" } });
    assert!(bench.give(A, &late).is_empty());
    let (slow, _) = bench.request(A, "tools/call", json!({ "name": "test_task_slow", "arguments": { "ms": 50 } }));
    bench.give(
        A,
        &json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": slow.to_value() } }),
    );
    bench.give(
        A,
        &json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": "unknown" } }),
    );
    bench.give(A, &json!({ "jsonrpc": "2.0", "method": "notifications/cancelled" }));
    assert!(bench.pass(1_000).is_empty());
}

#[test]
fn a_stream_is_closed_before_the_answer() {
    let mut bench = Bench::ready();
    let (id, effects) = bench.request(A, "tools/call", json!({ "name": "test_reconnection" }));
    assert_eq!(effects, [Effect::CloseStream { session: A, request: id.clone() }]);
    assert!(bench.pass(99).is_empty());
    assert_eq!(messages(&bench.pass(1))[0]["id"], id.to_value());
}

#[test]
fn what_is_not_declared_is_not_served() {
    let without = |setup: &mut Setup| {
        setup.without =
            ["tasks.list", "tasks.cancel", "resources.subscribe", "logging", "prompts"].map(String::from).to_vec();
    };
    let mut bench = Bench::ready_with(without, "2025-11-25");
    let task = bench.task(A, "test_task_optional", json!({}));
    assert_eq!(bench.status(A, &task), "working");
    for (method, params) in [
        ("tasks/list", json!({})),
        ("tasks/cancel", json!({ "taskId": task })),
        ("resources/subscribe", json!({ "uri": "test://watched-resource" })),
        ("logging/setLevel", json!({ "level": "info" })),
        ("prompts/list", json!({})),
    ] {
        assert_eq!(bench.code(method, params), -32601, "{method}");
    }
    let mut old = Bench::ready_with(|_| {}, "2025-06-18");
    let call = json!({ "name": "test_simple_text", "task": { "ttl": 1 } });
    assert!(old.ask(A, "tools/call", call)["result"]["content"].is_array(), "an undeclared augmentation is ignored");
    assert_eq!(old.code("tasks/get", json!({ "taskId": "t" })), -32601);
    let mut none = Bench::ready_with(|setup| setup.without = vec!["tasks".into()], "2025-11-25");
    let call = json!({ "name": "test_simple_text", "task": 5 });
    assert!(none.ask(A, "tools/call", call)["result"]["content"].is_array());
}

#[test]
fn the_server_goes_by_what_was_sent() {
    let mut bench = Bench::new(|_| {});
    bench.server.opened(bench.now, A);
    let info = json!({ "name": "t", "version": "0" });
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info });
    bench.server.receive(bench.now, A, &Message::of(&rpc::request(&Id::Integer(1), "initialize", Some(params))));
    let mut effects = bench.server.take();
    let Some(Effect::Send(proposal)) = effects.first_mut() else { panic!() };
    proposal.message["result"]["capabilities"] = json!({ "tools": {} });
    bench.server.sent(bench.now, A, &Message::of(&proposal.message));
    assert_eq!(bench.code("tasks/get", json!({ "taskId": "t" })), -32601);
    bench.open(B, "2025-11-25");
    let call = json!({ "name": "test_task_optional", "task": { "ttl": 60_000 } });
    let message = rpc::request(&Id::Integer(900), "tools/call", Some(call));
    bench.server.receive(bench.now, B, &Message::of(&message));
    let mut effects = bench.server.take();
    let Some(Effect::Send(proposal)) = effects.first_mut() else { panic!() };
    let task = proposal.message["result"]["task"]["taskId"].clone();
    proposal.message["result"]["task"]["ttl"] = json!(300);
    bench.server.sent(bench.now, B, &Message::of(&proposal.message));
    bench.pass(299);
    assert_eq!(bench.ask(B, "tasks/get", json!({ "taskId": task }))["result"]["ttl"], 300);
    bench.pass(2);
    assert_eq!(bench.ask(B, "tasks/get", json!({ "taskId": task }))["error"]["code"], -32602);
}

#[test]
fn an_id_in_use_is_refused() {
    let mut bench = Bench::ready();
    let (id, _) = bench.request(A, "tools/call", json!({ "name": "test_task_slow", "arguments": { "ms": 50 } }));
    let effects = bench.give(A, &rpc::request(&id, "ping", None));
    assert_eq!(messages(&effects)[0]["error"]["code"], -32600);
    assert_eq!(messages(&bench.pass(50))[0]["id"], id.to_value());
}

#[test]
fn a_closed_session_takes_everything_with_it() {
    let mut bench = Bench::ready();
    bench.open(B, "2025-11-25");
    let task = bench.task(A, "test_task_elicitation", json!({ "files": 2 }));
    bench.request(A, "tasks/result", json!({ "taskId": task }));
    bench.request(A, "tools/call", json!({ "name": "test_task_slow", "arguments": { "ms": 50 } }));
    bench.server.closed(bench.now, A);
    assert!(bench.pass(100_000).is_empty());
    assert_eq!(bench.server.wake_at(), None);
    bench.server.receive(bench.now, A, &Message::of(&rpc::request(&Id::Integer(1_000), "ping", None)));
    assert!(bench.take().is_empty());
    assert_eq!(bench.ask(B, "ping", json!({}))["result"], json!({}));
}

#[test]
fn resources_prompts_and_completion_give_what_the_contract_says() {
    let mut bench = Bench::ready();
    let read = |bench: &mut Bench, uri: &str| {
        bench.ask(A, "resources/read", json!({ "uri": uri }))["result"]["contents"][0].clone()
    };
    assert_eq!(read(&mut bench, "test://static-text")["text"], "This is the content of the static text resource.");
    assert_eq!(read(&mut bench, "test://static-binary")["mimeType"], "image/png");
    let data: Value =
        serde_json::from_str(read(&mut bench, "test://template/123/data")["text"].as_str().unwrap()).unwrap();
    assert_eq!(data, json!({ "id": "123", "templateTest": true, "data": "Data for ID: 123" }));
    for uri in ["test://template//data", "test://template/a/b/data"] {
        assert_eq!(bench.code("resources/read", json!({ "uri": uri })), -32002);
    }
    for method in ["resources/subscribe", "resources/unsubscribe"] {
        assert_eq!(bench.ask(A, method, json!({ "uri": "test://watched-resource" }))["result"], json!({}));
    }
    let arguments = json!({ "arg1": "hello", "arg2": "world" });
    let prompt = bench.ask(A, "prompts/get", json!({ "name": "test_prompt_with_arguments", "arguments": arguments }));
    let said = &prompt["result"]["messages"][0]["content"]["text"];
    assert_eq!(said, "Prompt with arguments: arg1='hello', arg2='world'");
    let reference = json!({ "type": "ref/prompt", "name": "test_prompt_with_arguments" });
    let argument = json!({ "name": "arg1", "value": "par" });
    let completion = bench.ask(A, "completion/complete", json!({ "ref": reference, "argument": argument }));
    assert_eq!(completion["result"]["completion"]["values"], json!(["paris", "park", "party"]));
}
