//! The client by hand: one message in, what comes out.

use super::*;
use crate::reference::Proposal;
use crate::reference::rpc::RELATED_TASK;

const A: SessionKey = SessionKey(1);

fn ready(application: Application, change: impl FnOnce(&mut Setup)) -> Client {
    let mut setup = Setup::new(Surroundings::fixed(1), application);
    change(&mut setup);
    let mut client = Client::new(setup);
    client.opened(Duration::ZERO, A);
    let hello = sent(&mut client);
    assert_eq!(hello[0]["method"], "initialize");
    let capabilities = json!({ "tools": {}, "tasks": { "requests": { "tools": { "call": {} } } } });
    let info = json!({ "name": "t", "version": "0" });
    let result = json!({ "protocolVersion": "2025-11-25", "capabilities": capabilities, "serverInfo": info });
    give(&mut client, &json!({ "jsonrpc": "2.0", "id": hello[0]["id"], "result": result }));
    client
}

fn give(client: &mut Client, message: &Value) {
    client.receive(Duration::ZERO, A, &Message::of(message));
}

fn sent(client: &mut Client) -> Vec<Value> {
    let messages = client.take().into_iter().filter_map(|effect| match effect {
        Effect::Send(Proposal { message, .. }) => Some(message),
        _ => None,
    });
    let messages: Vec<Value> = messages.collect();
    for message in &messages {
        client.sent(Duration::ZERO, A, &Message::of(message));
    }
    messages
}

fn ask(client: &mut Client, method: &str, params: Value) -> Value {
    client.take();
    give(client, &json!({ "jsonrpc": "2.0", "id": "s", "method": method, "params": params }));
    let answers = sent(client);
    let [answer] = &answers[..] else { panic!("{method}: {answers:?}") };
    assert_eq!(answer["id"], "s");
    answer.clone()
}

fn question() -> Value {
    let schema = json!({ "type": "object", "properties": { "confirm": { "type": "boolean" } } });
    json!({ "message": "?", "requestedSchema": schema })
}

#[test]
fn what_was_declared_is_served_and_the_rest_refused() {
    let mut client = ready(Application::default(), |_| {});
    assert_eq!(ask(&mut client, "ping", json!({}))["result"], json!({}));
    assert_eq!(ask(&mut client, "roots/list", json!({}))["result"]["roots"][0]["uri"], "file:///workspace");
    assert_eq!(ask(&mut client, "elicitation/create", question())["result"]["content"]["confirm"], true);
    let messages = json!([{ "role": "user", "content": { "type": "text", "text": "hi" } }]);
    let sampling = json!({ "messages": messages, "maxTokens": 10 });
    assert_eq!(ask(&mut client, "sampling/createMessage", sampling.clone())["result"]["role"], "assistant");
    let url = json!({ "mode": "url", "message": "?", "url": "https://example.com", "elicitationId": "e" });
    let mut with_tools = sampling.clone();
    with_tools["tools"] = json!([]);
    for (method, params, code) in [
        ("no/such/method", json!({}), -32601),
        ("tools/list", json!({}), -32601),
        ("elicitation/create", url, -32602),
        ("elicitation/create", json!({ "message": "?" }), -32602),
        ("sampling/createMessage", with_tools, -32602),
        ("sampling/createMessage", json!({}), -32602),
        ("tasks/get", json!({ "taskId": "t" }), -32602),
        ("tasks/get", json!({}), -32602),
    ] {
        assert_eq!(ask(&mut client, method, params)["error"]["code"], code, "{method}");
    }
    let mut bare = ready(Application::default(), |setup| setup.capabilities = json!({}));
    for (method, params) in [
        ("roots/list", json!({})),
        ("elicitation/create", question()),
        ("sampling/createMessage", sampling),
        ("tasks/list", json!({})),
    ] {
        assert_eq!(ask(&mut bare, method, params)["error"]["code"], -32601, "{method}");
    }
}

#[test]
fn a_nested_answer_belongs_to_the_task_of_its_question() {
    let mut client = ready(Application::default(), |_| {});
    let mut params = question();
    params["_meta"] = json!({ RELATED_TASK: { "taskId": "of the server" } });
    let answer = ask(&mut client, "elicitation/create", params.clone());
    assert_eq!(answer["result"]["_meta"], params["_meta"]);
}

#[test]
fn questions_are_carried_out_as_tasks_where_that_was_declared() {
    let answers = Answers { after: Duration::from_millis(50), ..Answers::default() };
    let mut client = ready(Application { answers, ..Application::default() }, |_| {});
    let mut params = question();
    params["task"] = json!({ "ttl": 10_000 });
    let task = ask(&mut client, "elicitation/create", params.clone())["result"]["task"].clone();
    assert_eq!((&task["status"], &task["ttl"]), (&json!("working"), &json!(10_000)));
    let id = json!({ "taskId": task["taskId"] });
    assert_eq!(ask(&mut client, "tasks/list", json!({}))["result"]["tasks"][0], task);
    client.wake(Duration::from_millis(20));
    client.wake(Duration::from_millis(70));
    assert_eq!(ask(&mut client, "tasks/get", id.clone())["result"]["status"], "completed");
    let result = ask(&mut client, "tasks/result", id.clone())["result"].clone();
    assert_eq!((&result["action"], &result["_meta"][RELATED_TASK]), (&json!("accept"), &id));
    assert_eq!(ask(&mut client, "tasks/cancel", id)["error"]["code"], -32602);
    let mut bare = ready(Application::default(), |setup| setup.capabilities = json!({ "elicitation": {} }));
    assert_eq!(ask(&mut bare, "elicitation/create", params)["result"]["action"], "accept");
}

#[test]
fn the_client_goes_by_what_was_sent() {
    let what = What::CallTool { label: "c".into(), name: "t".into(), arguments: None, progress_token: None };
    let application = Application { actions: vec![AppAction::seen(what, "c")], ..Application::default() };
    let mut client = ready(application, |_| {});
    let mut call = client
        .take()
        .into_iter()
        .find_map(|effect| match effect {
            Effect::Send(proposal) if proposal.message["method"] == "tools/call" => Some(proposal.message),
            _ => None,
        })
        .unwrap();
    call["params"]["task"] = json!({ "ttl": 5 });
    client.sent(Duration::ZERO, A, &Message::of(&call));
    let task = json!({ "taskId": "x", "status": "completed", "createdAt": "", "lastUpdatedAt": "", "ttl": null });
    give(&mut client, &json!({ "jsonrpc": "2.0", "id": call["id"], "result": { "task": task } }));
    let next = sent(&mut client);
    assert_eq!(next[0]["method"], "tasks/result", "the task that the script made of the call is seen through");
    assert_eq!(next[0]["params"], json!({ "taskId": "x" }));
    let end = json!({ "content": [] });
    give(&mut client, &json!({ "jsonrpc": "2.0", "id": next[0]["id"], "result": end }));
    let effects = client.take();
    assert_eq!(effects[0], Effect::Saw { label: "c".into(), value: json!({ "result": end }) });
    assert_eq!(effects[1], Effect::Close { session: A });
}

#[test]
fn answers_to_unknown_requests_and_a_question_that_comes_twice_change_nothing() {
    let answers = Answers { after: Duration::from_millis(50), ..Answers::default() };
    let mut client = ready(Application { answers, ..Application::default() }, |_| {});
    client.take();
    give(&mut client, &json!({ "jsonrpc": "2.0", "id": "s-1", "result": {} }));
    give(&mut client, &json!({ "jsonrpc": "2.0", "id": 77, "error": { "code": 1, "message": "x" } }));
    give(&mut client, &json!({ "jsonrpc": "2.0", "method": "notifications/unheard-of" }));
    let question = json!({ "jsonrpc": "2.0", "id": 5, "method": "elicitation/create", "params": question() });
    give(&mut client, &question);
    give(&mut client, &question);
    assert!(client.take().is_empty());
    client.wake(Duration::from_millis(50));
    assert_eq!(sent(&mut client).len(), 1, "one answer for both");
}

#[test]
fn without_actions_the_client_stays_and_is_idle() {
    let mut client = ready(Application::default(), |_| {});
    assert_eq!(sent(&mut client), [json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })]);
    assert!(client.idle());
    assert_eq!(client.wake_at(), None);
}
