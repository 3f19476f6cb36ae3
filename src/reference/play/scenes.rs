//! Scenes with a fixed course.

use super::super::client::{Answers, AppAction, Application, ToElicitation, What};
use super::super::requestor::Following;
use super::super::rpc::RELATED_TASK;
use super::super::server::{ScriptedAsk, TaskSupport, ToolScript};
use super::*;
use serde_json::json;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const HANDSHAKE: [&str; 3] = [">initialize", "<result", ">notifications/initialized"];

fn call(label: &str, name: &str, arguments: Value) -> AppAction {
    let what =
        What::CallTool { label: label.into(), name: name.into(), arguments: Some(arguments), progress_token: None };
    AppAction::seen(what, label)
}

fn call_as_task(label: &str, name: &str, arguments: Value) -> AppAction {
    let what = What::CallToolAsTask {
        label: label.into(),
        name: name.into(),
        arguments: Some(arguments),
        ttl: Some(60_000),
        progress_token: None,
    };
    AppAction::seen(what, label)
}

fn doing(actions: Vec<AppAction>) -> Application {
    Application { actions, ..Application::default() }
}

fn play(application: Application) -> Play {
    let mut play = Play::new(server(|_| {}), [client(2, application, |_| {})]);
    play.run(ms(20_000));
    play
}

fn text(value: &Value) -> &str {
    value.pointer("/result/content/0/text").and_then(Value::as_str).unwrap_or_else(|| panic!("no text: {value}"))
}

fn with_handshake(course: &[&str]) -> Vec<String> {
    HANDSHAKE.iter().chain(course).map(|word| (*word).to_owned()).collect()
}

#[test]
fn the_founding_exchange() {
    let play = play(doing(vec![call_as_task("outcome", "test_task_elicitation", json!({ "files": 42 }))]));
    let course = [
        ">tools/call",
        "<task",
        ">tasks/get",
        "<input_required",
        ">tasks/result",
        "<elicitation/create",
        ">result",
        "<result",
    ];
    assert_eq!(play.course(), with_handshake(&course));
    assert_eq!(text(play.outcome("outcome")), "Deleted 42 files");
    let answer = &play.lines[play.lines.len() - 2].message["result"];
    let question = &play.lines[play.lines.len() - 3].message["params"];
    assert_eq!(answer["_meta"], question["_meta"], "the answer belongs to the task its question belongs to");
    assert_eq!(answer["content"], json!({ "confirm": true }));
}

#[test]
fn a_refused_question_deletes_nothing() {
    for answer in [ToElicitation::Decline, ToElicitation::Cancel, ToElicitation::Accept(json!({ "confirm": false }))] {
        let answers = Answers { elicitation: vec![answer], ..Answers::default() };
        let actions = vec![call_as_task("outcome", "test_task_elicitation", json!({ "files": 3 }))];
        assert_eq!(text(play(Application { actions, answers, driven: false }).outcome("outcome")), "Nothing deleted");
    }
}

#[test]
fn a_plain_call_asks_over_its_own_request() {
    let play = play(doing(vec![call("outcome", "test_task_elicitation", json!({ "files": 5 }))]));
    assert_eq!(play.course(), with_handshake(&[">tools/call", "<elicitation/create", ">result", "<result"]));
    assert_eq!(text(play.outcome("outcome")), "Deleted 5 files");
    let question = &play.lines[4];
    assert_eq!(question.route, Route::Related(Id::of(&play.lines[3].message["id"])));
    assert!(question.message["params"].get("_meta").is_none());
}

#[test]
fn polls_keep_the_interval() {
    let play = play(doing(vec![call_as_task("outcome", "test_task_slow", json!({ "ms": 400 }))]));
    assert_eq!(text(play.outcome("outcome")), "Waited 400 ms");
    let polls: Vec<Duration> =
        play.lines.iter().filter(|line| line.message["method"] == "tasks/get").map(|line| line.at).collect();
    assert!(polls.len() > 5, "{polls:?}");
    for pair in polls.windows(2) {
        assert!(pair[1] - pair[0] >= ms(50), "{polls:?}");
    }
    assert!(play.course().contains(&"<working".to_owned()));
    assert!(play.course().contains(&"<completed".to_owned()));
}

#[test]
fn a_client_may_wait_at_tasks_result_from_the_start() {
    let application = doing(vec![call_as_task("outcome", "test_task_elicitation", json!({ "files": 9 }))]);
    let hasty = client(2, application, |setup| setup.following = Following { result_at_once: true, ..setup.following });
    let mut play = Play::new(server(|_| {}), [hasty]);
    play.run(ms(5_000));
    let course = [">tools/call", "<task", ">tasks/result", "<elicitation/create", ">result", "<result"];
    assert_eq!(play.course(), with_handshake(&course));
    assert_eq!(text(play.outcome("outcome")), "Deleted 9 files");
}

#[test]
fn a_server_may_send_questions_at_once_and_tell_its_status() {
    let application = doing(vec![call_as_task("outcome", "test_task_elicitation", json!({ "files": 8 }))]);
    let odd = server(|setup| {
        setup.dialect.questions_on_get = true;
        setup.dialect.status_notifications = true;
        setup.dialect.string_ids = true;
        setup.dialect.poll_interval = None;
    });
    let mut play = Play::new(odd, [client(2, application, |_| {})]);
    play.run(ms(5_000));
    assert_eq!(text(play.outcome("outcome")), "Deleted 8 files");
    let question = play.lines.iter().find(|line| line.message["method"] == "elicitation/create").unwrap();
    assert_eq!(question.route, Route::Unrelated);
    assert!(question.message["id"].is_string());
    let told: Vec<&Value> = play
        .lines
        .iter()
        .filter(|line| line.message["method"] == "notifications/tasks/status")
        .map(|line| {
            assert!(line.message["params"].get("_meta").is_none());
            &line.message["params"]["status"]
        })
        .collect();
    assert_eq!(told, ["input_required", "working", "completed"]);
}

#[test]
fn the_client_asks_its_user_as_a_task_of_the_server() {
    for (tool, method, said) in [
        ("test_elicit_as_task", "elicitation/create", "User response: action=accept, content={\"confirm\":true}"),
        ("test_sample_as_task", "sampling/createMessage", "LLM response: A model that is none says hello."),
    ] {
        let answers = Answers { after: ms(50), ..Answers::default() };
        let application = Application { actions: vec![call("reason", tool, json!({}))], answers, driven: false };
        let play = play(application);
        assert_eq!(text(play.outcome("reason")), said);
        let course = play.course();
        let from = |n: usize| course[n..].iter().map(String::as_str).collect::<Vec<_>>();
        let head = [">tools/call", &format!("<{method}"), ">task", "<tasks/get", ">working"];
        assert_eq!(from(3)[..5], head, "{course:?}");
        let tail = ["<tasks/get", ">completed", "<tasks/result", ">result", "<result"];
        assert_eq!(from(course.len() - 5), tail);
        let fetched = &play.lines[play.lines.len() - 2].message["result"];
        let created = &play.lines[5].message["result"]["task"]["taskId"];
        assert_eq!(fetched["_meta"][RELATED_TASK]["taskId"], *created);
        let reason = Id::of(&play.lines[3].message["id"]);
        for line in
            play.lines.iter().skip(4).filter(|line| line.from == Party::Server && line.message.get("method").is_some())
        {
            assert_eq!(line.route, Route::Related(reason.clone()));
        }
    }
}

#[test]
fn a_client_without_tasks_is_asked_plainly_and_one_without_anything_not_at_all() {
    let application = || doing(vec![call("outcome", "test_elicit_as_task", json!({}))]);
    let plain = client(2, application(), |setup| setup.capabilities = json!({ "elicitation": {} }));
    let mut one = Play::new(server(|_| {}), [plain]);
    one.run(ms(1_000));
    assert_eq!(one.course(), with_handshake(&[">tools/call", "<elicitation/create", ">result", "<result"]));
    let mute = client(2, application(), |setup| setup.capabilities = json!({}));
    let mut other = Play::new(server(|_| {}), [mute]);
    other.run(ms(1_000));
    assert_eq!(other.course(), with_handshake(&[">tools/call", "<result"]));
    assert_eq!(other.outcome("outcome")["result"]["isError"], true);
}

#[test]
fn two_questions_at_once_and_one_sampling() {
    let two = play(doing(vec![
        call_as_task("two", "test_task_two_questions", json!({})),
        call_as_task("one", "test_task_sampling", json!({ "prompt": "Hello?" })),
    ]));
    assert_eq!(text(two.outcome("two")), "2 of 2 confirmed");
    assert_eq!(text(two.outcome("one")), "LLM response: A model that is none says hello.");
}

#[test]
fn failures_reach_the_application_as_they_are() {
    let play = play(doing(vec![
        call_as_task("tool", "test_task_error", json!({ "text": "Out of paper" })),
        call_as_task("protocol", "test_task_protocol_error", json!({ "marker": "m" })),
        call("plain", "test_task_protocol_error", json!({ "marker": "m" })),
        call("required", "test_task_required", json!({})),
        call_as_task("forbidden", "test_simple_text", json!({})),
        call("unknown", "no_such_tool", json!({})),
        call("invalid", "test_task_slow", json!({ "ms": "soon" })),
    ]));
    assert_eq!(play.outcome("tool")["result"]["isError"], true);
    assert_eq!(text(play.outcome("tool")), "Out of paper");
    assert_eq!(play.outcome("protocol"), play.outcome("plain"));
    assert_eq!(play.outcome("plain")["error"]["code"], -32050);
    assert_eq!(play.outcome("plain")["error"]["data"], json!({ "marker": "m" }));
    assert_eq!(play.outcome("required")["error"]["code"], -32601);
    assert_eq!(play.outcome("forbidden")["error"]["code"], -32601);
    assert_eq!(play.outcome("unknown")["error"]["code"], -32602);
    assert_eq!(play.outcome("invalid")["result"]["isError"], true);
}

#[test]
fn lists_are_walked_to_their_end() {
    let everything = |method: &str| AppAction::seen(What::ListEverything { method: method.into() }, method);
    let methods = [
        ("tools/list", "tools", 27),
        ("resources/list", "resources", 3),
        ("prompts/list", "prompts", 4),
        ("resources/templates/list", "resourceTemplates", 1),
    ];
    let application = doing(methods.iter().map(|(method, ..)| everything(method)).collect());
    let paged = server(|setup| setup.dialect.page_size = Some(2));
    let mut play = Play::new(paged, [client(2, application.clone(), |_| {})]);
    play.run(ms(1_000));
    let mut whole = Play::new(server(|_| {}), [client(2, application, |_| {})]);
    whole.run(ms(1_000));
    for (method, member, count) in methods {
        let seen = play.outcome(method)["result"][member].as_array().unwrap();
        assert_eq!(seen.len(), count, "{method}");
        assert_eq!(whole.outcome(method), play.outcome(method));
        let pages = play.lines.iter().filter(|line| line.message["method"] == method).count();
        assert_eq!(pages, seen.len().div_ceil(2), "{method}");
    }
}

#[test]
fn progress_is_collected_and_belongs_to_its_call() {
    for task in [false, true] {
        let token = Some(json!("token"));
        let (label, name) = (String::from("call"), String::from("test_task_progress"));
        let what = if task {
            What::CallToolAsTask { label, name, arguments: None, ttl: None, progress_token: token }
        } else {
            What::CallTool { label, name, arguments: None, progress_token: token }
        };
        let action = AppAction { collects: Some("progress".into()), ..AppAction::seen(what, "call") };
        let play = play(doing(vec![action]));
        let collected = play.outcome("call")["collected"].as_array().unwrap();
        let progress: Vec<u64> = collected.iter().map(|one| one["progress"].as_u64().unwrap()).collect();
        assert_eq!(progress, [0, 50, 100]);
        assert!(collected.iter().all(|one| one["progressToken"] == "token"));
        assert!(collected.iter().all(|one| one.pointer("/_meta").is_some() == task));
    }
}

#[test]
fn two_requestors_do_not_meet() {
    let application =
        |files: u64| doing(vec![call_as_task("outcome", "test_task_elicitation", json!({ "files": files }))]);
    let clients = [client(2, application(11), |_| {}), client(3, application(22), |_| {})];
    let mut play = Play::new(server(|_| {}), clients);
    play.run(ms(5_000));
    let said: Vec<&str> = play.saw.iter().map(|(_, _, value)| text(value)).collect();
    assert_eq!(said, ["Deleted 11 files", "Deleted 22 files"]);
}

#[test]
fn a_tool_from_data_asks_and_answers() {
    let script = |task_support| ToolScript {
        task_support,
        input_schema: json!({ "type": "object" }),
        asks: vec![
            ScriptedAsk {
                method: "elicitation/create".into(),
                params: json!({ "message": "Which?", "requestedSchema": { "type": "object", "properties": { "a": { "type": "string" } } } }),
            },
            ScriptedAsk { method: "roots/list".into(), params: json!({}) },
        ],
        answer: json!({ "content": [{ "type": "text", "text": "so be it" }] }),
    };
    let mut scripted = server(|_| {});
    scripted.scripted("foreign", script(TaskSupport::Optional));
    let fails = ToolScript {
        asks: vec![],
        answer: json!({ "error": { "code": -32000, "message": "no" } }),
        ..script(TaskSupport::Forbidden)
    };
    scripted.scripted("fails", fails);
    let actions = vec![
        call("plain", "foreign", json!({})),
        call_as_task("task", "foreign", json!({ "topic": "python" })),
        call("fails", "fails", json!({})),
    ];
    let mut play = Play::new(scripted, [client(2, doing(actions), |_| {})]);
    play.run(ms(5_000));
    assert_eq!(text(play.outcome("plain")), "so be it");
    assert_eq!(text(play.outcome("task")), "so be it");
    assert_eq!(*play.outcome("fails"), json!({ "error": { "code": -32000, "message": "no" } }));
    assert_eq!(play.course().iter().filter(|word| *word == "<roots/list").count(), 2);
}

#[test]
fn every_legacy_revision_is_spoken() {
    for revision in Revision::ALL.into_iter().filter(|revision| *revision < Revision::V2026_07_28) {
        let actions = vec![
            AppAction::seen(What::ListEverything { method: "tools/list".into() }, "list"),
            call("call", "test_simple_text", json!({})),
            call_as_task("task", "test_task_optional", json!({})),
        ];
        let setup = client::Setup::new(Surroundings::fixed(2), doing(actions)).offering(revision);
        let mut play = Play::new(server(|_| {}), [Client::new(setup)]);
        play.run(ms(5_000));
        assert_eq!(play.lines[1].message["result"]["protocolVersion"], revision.as_str());
        assert_eq!(text(play.outcome("call")), "This is a simple text response for testing.");
        let tasks = revision == Revision::V2025_11_25;
        assert_eq!(play.lines[1].message["result"]["capabilities"].get("tasks").is_some(), tasks);
        assert_eq!(play.outcome("task").get("failure").is_none(), tasks);
        let listed = play.outcome("list")["result"]["tools"].to_string();
        assert_eq!(listed.contains("taskSupport"), tasks);
        assert_eq!(listed.contains("test_elicitation"), revision >= Revision::V2025_06_18);
    }
}

#[test]
fn a_client_leaves_a_server_whose_revision_it_does_not_speak() {
    let old = server(|setup| setup.revisions = vec![Revision::V2024_11_05]);
    let application = doing(vec![call("call", "test_simple_text", json!({}))]);
    let new = client(2, application, |setup| setup.revisions = vec![Revision::V2025_11_25]);
    let mut play = Play::new(old, [new]);
    play.run(ms(1_000));
    assert_eq!(play.course(), [">initialize", "<result"]);
    assert!(play.outcome("call")["failure"].as_str().unwrap().contains("2024-11-05"));
    assert_eq!(play.closed, [SessionKey(1)]);
}

#[test]
fn a_session_that_ends_leaves_the_application_with_a_failure() {
    let application = doing(vec![call_as_task("outcome", "test_task_slow", json!({ "ms": 10_000 }))]);
    let mut play = Play::new(server(|_| {}), [client(2, application, |_| {})]);
    play.run(ms(300));
    play.close(SessionKey(1));
    play.run(ms(60_000));
    assert_eq!(*play.outcome("outcome"), json!({ "failure": "the session ended before the answer" }));
}

#[test]
fn an_action_waits_for_what_it_is_told_to_wait_for() {
    let mut second = call("second", "test_simple_text", json!({}));
    second.once = Some("elsewhere".into());
    let application = doing(vec![call("first", "test_simple_text", json!({})), second]);
    let mut play = Play::new(server(|_| {}), [client(2, application, |_| {})]);
    play.run(ms(1_000));
    assert_eq!(play.saw.len(), 1);
    assert!(play.closed.is_empty());
    let now = play.now;
    play.clients.get_mut(&SessionKey(1)).unwrap().happened(now, "elsewhere");
    play.run(ms(2_000));
    assert_eq!(text(play.outcome("second")), "This is a simple text response for testing.");
    assert_eq!(play.closed, [SessionKey(1)]);
}

#[test]
fn nothing_is_left_open_by_any_scene() {
    let names = ["test_task_elicitation", "test_task_two_questions", "test_elicit_as_task", "test_sampling"];
    let arguments = json!({ "files": 1, "prompt": "Hello?" });
    let mut play = Play::new(
        server(|_| {}),
        [client(2, doing(names.iter().map(|name| call(name, name, arguments.clone())).collect()), |_| {})],
    );
    play.run(ms(20_000));
    for party in [Party::Client, Party::Server] {
        assert_eq!(play.inspector.unanswered(SessionKey(1), party), Vec::<&str>::new());
    }
    assert!(play.server.idle());
}

#[test]
fn a_task_that_is_cancelled_or_expires_is_seen_to_its_end() {
    for cancel in [true, false] {
        let mut action = call_as_task("outcome", "test_task_slow", json!({ "ms": 5_000 }));
        if let What::CallToolAsTask { ttl, .. } = &mut action.what {
            *ttl = Some(500);
        }
        let mut play = Play::new(server(|_| {}), [client(2, doing(vec![action]), |_| {})]);
        play.run(ms(200));
        if cancel {
            let task = play.lines[4].message["result"]["task"]["taskId"].clone();
            play.inject(SessionKey(1), "tasks/cancel", json!({ "taskId": task }));
        }
        play.run(ms(10_000));
        let code = if cancel { -32603 } else { -32602 };
        assert_eq!(play.outcome("outcome")["error"]["code"], code);
        assert_eq!(play.course().iter().filter(|word| *word == "<cancelled").count(), if cancel { 2 } else { 0 });
    }
}
