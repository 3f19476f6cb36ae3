//! The server's tasks, message by message.

use super::*;
use crate::reference::rpc::RELATED_TASK;

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

#[test]
fn tasks_result_waits_and_answers_everybody() {
    let mut bench = Bench::ready();
    let task = bench.task(A, "test_task_slow", json!({ "ms": 100 }));
    let waiting: Vec<Id> = (0..3)
        .map(|_| {
            let (id, effects) = bench.request(A, "tasks/result", json!({ "taskId": task }));
            assert!(effects.is_empty());
            id
        })
        .collect();
    assert!(bench.pass(119).is_empty());
    let effects = bench.pass(1);
    let answered: Vec<Value> = messages(&effects).into_iter().map(|message| message["id"].clone()).collect();
    assert_eq!(answered, waiting.iter().map(Id::to_value).collect::<Vec<_>>());
    for message in messages(&effects) {
        assert_eq!(message["result"]["content"][0]["text"], "Waited 100 ms");
        assert_eq!(message["result"]["_meta"][RELATED_TASK]["taskId"], task.as_str());
    }
}

#[test]
fn a_question_lost_with_its_stream_comes_again_and_only_then() {
    let mut bench = Bench::ready();
    let task = bench.task(A, "test_task_elicitation", json!({ "files": 2 }));
    bench.pass(20);
    let (first, effects) = bench.request(A, "tasks/result", json!({ "taskId": task }));
    let question = messages(&effects)[0].clone();
    bench.server.lost(bench.now, A, &first);
    assert!(bench.take().is_empty(), "there is no other way to its requestor");
    let (second, effects) = bench.request(A, "tasks/result", json!({ "taskId": task }));
    let again = Proposal { session: A, route: Route::Related(second.clone()), message: question.clone() };
    assert_eq!(effects, [Effect::Send(again)]);
    let (third, effects) = bench.request(A, "tasks/result", json!({ "taskId": task }));
    assert!(effects.is_empty(), "it is on its way already");
    let reason = json!({ "requestId": second.to_value() });
    let effects = bench.give(A, &rpc::notification("notifications/cancelled", Some(reason)));
    let again = Proposal { session: A, route: Route::Related(third.clone()), message: question.clone() };
    assert_eq!(effects, [Effect::Send(again)], "tasks/result was cancelled, not the task");
    assert_eq!(bench.status(A, &task), "input_required");
    let answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "action": "decline" } });
    let effects = bench.give(A, &answer);
    let ids: Vec<Value> = messages(&effects).into_iter().map(|message| message["id"].clone()).collect();
    assert_eq!(ids, [first.to_value(), third.to_value()], "the lost one may be resumed");
}

#[test]
fn one_answer_of_two_leaves_the_task_waiting() {
    let mut bench = Bench::ready();
    let task = bench.task(A, "test_task_two_questions", json!({}));
    bench.pass(20);
    let (_, effects) = bench.request(A, "tasks/result", json!({ "taskId": task }));
    let ids: Vec<Value> = messages(&effects).into_iter().map(|message| message["id"].clone()).collect();
    assert_eq!(ids.len(), 2);
    let yes = json!({ "action": "accept", "content": { "confirm": true } });
    assert!(bench.give(A, &json!({ "jsonrpc": "2.0", "id": ids[1], "result": yes })).is_empty());
    assert_eq!(bench.status(A, &task), "input_required");
    let end = bench.give(A, &json!({ "jsonrpc": "2.0", "id": ids[0], "error": { "code": -1, "message": "no" } }));
    assert_eq!(messages(&end)[0]["result"]["content"][0]["text"], "1 of 2 confirmed");
}

#[test]
fn cancelling_sticks() {
    let mut bench = Bench::ready();
    for (name, stubborn) in [("test_task_slow", false), ("test_task_stubborn", true)] {
        let task = bench.task(A, name, json!({ "ms": 200, "token": name }));
        bench.pass(50);
        let (waiting, _) = bench.request(A, "tasks/result", json!({ "taskId": task }));
        let (cancel, effects) = bench.request(A, "tasks/cancel", json!({ "taskId": task }));
        let [answer, outcome] = messages(&effects)[..] else { panic!("{effects:?}") };
        assert_eq!((&answer["id"], &answer["result"]["status"]), (&cancel.to_value(), &json!("cancelled")));
        assert!(answer["result"].get("_meta").is_none());
        assert_eq!((&outcome["id"], &outcome["error"]["code"]), (&waiting.to_value(), &json!(-32603)));
        assert!(bench.pass(1_000).is_empty());
        assert_eq!(bench.status(A, &task), "cancelled");
        assert_eq!(bench.code("tasks/cancel", json!({ "taskId": task })), -32602);
        assert_eq!(bench.code("tasks/result", json!({ "taskId": task })), -32603);
        let told = bench.witness(A, name);
        assert_eq!(told["started"], true);
        assert_eq!(told["finished"], stubborn);
        assert_eq!(told["steps"], if stubborn { 10 } else { 1 });
    }
}

#[test]
fn the_witness_knows_the_work_of_every_session() {
    let mut bench = Bench::ready();
    bench.open(B, "2025-11-25");
    let never = json!({ "started": false, "steps": 0, "finished": false });
    assert_eq!(bench.witness(B, "x"), never);
    let (call, effects) =
        bench.request(A, "tools/call", json!({ "name": "test_task_slow", "arguments": { "ms": 100, "token": "x" } }));
    assert!(effects.is_empty(), "{call} takes its time");
    assert_eq!(bench.witness(B, "x"), json!({ "started": true, "steps": 0, "finished": false }));
    bench.pass(35);
    assert_eq!(bench.witness(B, "x"), json!({ "started": true, "steps": 3, "finished": false }));
    assert_eq!(messages(&bench.pass(65))[0]["result"]["content"][0]["text"], "Waited 100 ms");
    assert_eq!(bench.witness(B, "x"), json!({ "started": true, "steps": 10, "finished": true }));
    assert_eq!(bench.witness(A, "y"), never);
    let long = json!({ "name": "test_task_slow", "arguments": { "ms": 1, "token": "x".repeat(201) } });
    assert_eq!(bench.ask(A, "tools/call", long)["result"]["isError"], true);
}

#[test]
fn cancelling_a_task_takes_its_question_back() {
    let mut bench = Bench::ready();
    let task = bench.task(A, "test_task_elicitation", json!({ "files": 2 }));
    bench.pass(20);
    let (waiting, effects) = bench.request(A, "tasks/result", json!({ "taskId": task }));
    let question = messages(&effects)[0]["id"].clone();
    let (_, effects) = bench.request(A, "tasks/cancel", json!({ "taskId": task }));
    let [Effect::Send(back), Effect::Send(answer), Effect::Send(outcome)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(back.route, Route::Related(waiting.clone()));
    assert_eq!(back.message["params"]["requestId"], question);
    assert_eq!(back.message["params"]["_meta"][RELATED_TASK]["taskId"], task.as_str());
    assert_eq!(answer.message["result"]["status"], "cancelled");
    assert_eq!(outcome.route, Route::Answer(waiting));
    let quiet = bench.task(A, "test_task_elicitation", json!({ "files": 2 }));
    bench.pass(20);
    let (_, effects) = bench.request(A, "tasks/cancel", json!({ "taskId": quiet }));
    assert_eq!(effects.len(), 1, "a question that was never asked is not taken back");
}

#[test]
fn a_creating_request_cannot_be_cancelled_by_notification() {
    let mut bench = Bench::ready();
    let task = bench.task(A, "test_task_slow", json!({ "ms": 50 }));
    let creating = bench.ids;
    bench.give(
        A,
        &json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": creating } }),
    );
    bench.pass(100);
    assert_eq!(bench.status(A, &task), "completed");
}

#[test]
fn a_task_expires_with_its_ttl() {
    let mut bench = Bench::ready();
    let call =
        json!({ "name": "test_task_slow", "arguments": { "ms": 600_000, "token": "long" }, "task": { "ttl": 500 } });
    let task = bench.ask(A, "tools/call", call)["result"]["task"].clone();
    assert_eq!(task["ttl"], 500);
    let id = task["taskId"].clone();
    bench.pass(500);
    assert_eq!(bench.ask(A, "tasks/get", json!({ "taskId": id }))["result"]["ttl"], 500);
    let (waiting, _) = bench.request(A, "tasks/result", json!({ "taskId": id }));
    let effects = bench.pass(2);
    assert_eq!(messages(&effects)[0]["id"], waiting.to_value());
    assert_eq!(messages(&effects)[0]["error"]["code"], -32602);
    for method in ["tasks/get", "tasks/result", "tasks/cancel"] {
        assert_eq!(bench.code(method, json!({ "taskId": id })), -32602);
    }
    assert_eq!(bench.witness(A, "long")["finished"], false);
    assert!(bench.server.idle());
}

#[test]
fn tasks_are_listed_page_by_page_and_only_to_their_owner() {
    let mut bench = Bench::ready_with(|setup| setup.dialect.task_page_size = 2, "2025-11-25");
    bench.open(B, "2025-11-25");
    let tasks: Vec<String> = (0..5).map(|_| bench.task(A, "test_task_optional", json!({}))).collect();
    let foreign = bench.task(B, "test_task_optional", json!({}));
    let mut seen = Vec::new();
    let mut params = json!({});
    loop {
        let page = bench.ask(A, "tasks/list", params.clone())["result"].clone();
        let shown = page["tasks"].as_array().unwrap();
        assert!((1..=2).contains(&shown.len()));
        seen.extend(shown.iter().map(|task| task["taskId"].as_str().unwrap().to_owned()));
        let Some(next) = page.get("nextCursor") else { break };
        params = json!({ "cursor": next });
    }
    assert_eq!(seen, tasks);
    let listed = bench.ask(B, "tasks/list", json!({}))["result"]["tasks"].clone();
    assert_eq!(listed[0]["taskId"], foreign.as_str());
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let first = bench.ask(A, "tasks/list", json!({}))["result"]["nextCursor"].clone();
    assert_eq!(bench.ask(B, "tasks/list", json!({ "cursor": first }))["error"]["code"], -32602, "another's cursor");
    assert_eq!(bench.code("tools/list", json!({ "cursor": first })), -32602, "another list's cursor");
    for method in ["tasks/get", "tasks/result", "tasks/cancel"] {
        assert_eq!(bench.code(method, json!({ "taskId": foreign })), -32602);
    }
    assert_ne!(bench.status(B, &foreign), "cancelled");
}

#[test]
fn the_task_in_the_params_counts_and_not_the_one_in_the_meta() {
    let mut bench = Bench::ready();
    let (one, other) = (bench.task(A, "test_task_optional", json!({})), bench.task(A, "test_task_optional", json!({})));
    let params = json!({ "taskId": one, "_meta": { RELATED_TASK: { "taskId": other } } });
    assert_eq!(bench.ask(A, "tasks/get", params)["result"]["taskId"], one.as_str());
}

#[test]
fn limits_are_kept() {
    let limits = Limits { tasks_per_requestor: 2, result_bytes: 60, ..Limits::default() };
    let mut bench = Bench::ready_with(|setup| setup.store = Box::new(InMemoryTaskStore::new(limits)), "2025-11-25");
    let task = bench.task(A, "test_task_elicitation", json!({ "files": 2 }));
    let large = bench.task(A, "test_task_error", json!({ "text": "no".repeat(40) }));
    let call = json!({ "name": "test_task_optional", "task": {} });
    assert_eq!(bench.code("tools/call", call), -32603);
    bench.pass(20);
    assert_eq!(bench.status(A, &large), "failed");
    assert_eq!(bench.status(A, &task), "input_required");
    let error = bench.ask(A, "tasks/result", json!({ "taskId": large }))["error"].clone();
    assert_eq!(error["code"], -32603);
    assert!(error["message"].as_str().unwrap().contains("at most 60"), "{error}");
}
