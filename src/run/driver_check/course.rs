//! What a driver is told in a check, one thing after the other.

use super::desk::{Desk, FORM, Heard, NOBODY, ROOTS, SAMPLING};
use super::probe::{Came, Expected, Shown, judge, refusal, said};
use crate::peer::driver::protocol::{Answers, Listed};
use crate::peer::driver::{Action, Answer};
use crate::reference::client;
use crate::spec::{Revision, methods};
use crate::trace::Transport;
use crate::trace::event::{Body, Event};
use crate::wire::Party;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The client that does most of it.
const FIRST: &str = "first";
/// How long what follows from an action by itself may take.
const SOON: Duration = Duration::from_secs(2);
/// How long an application thinks that is told to.
const THOUGHT: u64 = 300;

/// Tells the driver all there is, over one transport.
pub(super) async fn course(desk: &mut Desk<'_>, transport: Transport) {
    let mut all = client::capabilities(Revision::DEFAULT);
    methods::declare(&mut all, "roots.listChanged");
    let from = desk.events.len();
    let heard = desk.connect(FIRST, None, all.clone(), None).await;
    let came = desk.judged(from, NOBODY, heard, &Expected::method("initialize")).await;
    let connected = matches!(came, Came::Supported(_));
    desk.row("connect", came);
    if connected {
        lists(desk).await;
        calls(desk).await;
        tasks(desk).await;
        features(desk).await;
        requests(desk).await;
        cancelling(desk).await;
        given_up(desk).await;
        moved(desk).await;
        replaced(desk).await;
    }
    strange(desk).await;
    if connected {
        leaving(desk, transport).await;
        declaring(desk).await;
        asked(desk).await;
        lost(desk).await;
        // somebody is connected when the end of input comes
        desk.connect("last", None, all, None).await;
    }
}

async fn lists(desk: &mut Desk<'_>) {
    for (what, method) in Listed::ALL {
        let expected = Expected::method(method).giving(member(what));
        desk.probe(&format!("list {}", name(what)), FIRST, Action::List { what, cursor: None }, &expected).await;
    }
    // the first page of tools has told where the next begins
    let cursor = said(desk.since(0)).filter(|(_, from, _)| *from == Party::Server).find_map(|(_, _, message)| {
        let result = message.result();
        result.get("tools").and(result.get("nextCursor")).and_then(Value::as_str).map(str::to_owned)
    });
    let what = Listed::Tools;
    match cursor {
        Some(cursor) => {
            let expected = Expected::method("tools/list").with("/params/cursor", cursor.clone()).giving("tools");
            desk.probe("list: cursor", FIRST, Action::List { what, cursor: Some(cursor) }, &expected).await;
        }
        None => desk.row("list: cursor", Came::NotReached("no first page was seen".to_owned())),
    }
    for (what, method) in Listed::ALL {
        let from = desk.events.len();
        let heard = desk.ask(Some(FIRST), Action::ListEverything { what }).await;
        let result = match &heard {
            Heard::Answer(Answer::Result(result)) => Some(result.clone()),
            _ => None,
        };
        let came = desk.judged(from, FIRST, heard, &Expected::method(method)).await;
        let came = match (came, result) {
            (Came::Supported(shown), Some(result)) => whole(shown, &result, member(what), desk.since(from)),
            (came, _) => came,
        };
        desk.row(&format!("list everything: {}", name(what)), came);
    }
}

/// Has the application all that the pages had together?
fn whole(shown: Shown, result: &Value, member: &str, events: &[Event]) -> Came {
    let pages = said(events).filter(|(_, from, _)| *from == Party::Server);
    let length = |value: &Value| value.get(member).and_then(Value::as_array).map(Vec::len);
    let pages: Vec<(usize, bool)> = pages
        .filter_map(|(_, _, message)| Some((length(message.result())?, message.result().get("nextCursor").is_some())))
        .collect();
    let given: usize = pages.iter().map(|(members, _)| members).sum();
    let got = length(result).unwrap_or_default();
    match pages.last() {
        Some((_, true)) => Came::Wrong("it did not go on to the last page".to_owned()),
        _ if got != given => Came::Wrong(format!("its result has {got} members, and the pages had {given}")),
        _ => Came::Supported(shown),
    }
}

fn member(what: Listed) -> &'static str {
    match what {
        Listed::Tools => "tools",
        Listed::Resources => "resources",
        Listed::ResourceTemplates => "resourceTemplates",
        Listed::Prompts => "prompts",
        Listed::Tasks => "tasks",
    }
}

fn name(what: Listed) -> &'static str {
    match what {
        Listed::ResourceTemplates => "resource templates",
        other => member(other),
    }
}

fn call(name: &str) -> Action {
    Action::CallTool { name: name.to_owned(), arguments: None, progress: false, timeout: None }
}

async fn calls(desk: &mut Desk<'_>) {
    let called = |tool: &str| Expected::method("tools/call").with("/params/name", tool);
    let simple = "test_simple_text";
    desk.probe("call tool", FIRST, call(simple), &called(simple).giving("content")).await;
    let slow = "test_task_slow";
    let given = json!({ "ms": 10 });
    let action =
        Action::CallTool { name: slow.to_owned(), arguments: Some(given.clone()), progress: false, timeout: None };
    let expected = called(slow).with("/params/arguments", given).giving("content");
    desk.probe("call tool: arguments", FIRST, action, &expected).await;
    let progress = "test_tool_with_progress";
    let action = Action::CallTool { name: progress.to_owned(), arguments: None, progress: true, timeout: None };
    let expected = called(progress).having("/params/_meta/progressToken").giving("content");
    let before = desk.heard.len();
    let came = desk.probe("call tool: progress", FIRST, action, &expected).await;
    let came = match came {
        Came::Supported(_) => told(desk, before, "told", "notifications/progress").await,
        _ => Came::NotReached("no progress was asked for".to_owned()),
    };
    desk.row("event told: progress", came);
    let before = desk.heard.len();
    let logging = desk.ask(Some(FIRST), call("test_tool_with_logging")).await;
    let came = match logging {
        Heard::Answer(Answer::Result(_)) => told(desk, before, "told", "notifications/message").await,
        _ => Came::NotReached("the tool that logs was not called".to_owned()),
    };
    desk.row("event told: log messages", came);
}

/// Did the driver tell of something that the server sent?
async fn told(desk: &mut Desk<'_>, before: usize, event: &'static str, method: &'static str) -> Came {
    let is = move |desk: &Desk<'_>| {
        desk.heard
            .iter()
            .skip(before)
            .any(|(name, _, members)| name == event && members.get("method").and_then(Value::as_str) == Some(method))
    };
    let was = desk.until(SOON / 4, is).await;
    let sent = said(desk.since(0))
        .find(|(_, from, message)| *from == Party::Server && message.method() == Some(method))
        .map(|(event, _, _)| event.clone());
    match (was, sent) {
        (_, None) => Came::NotReached(format!("the server sent no {method}")),
        (true, Some(sent)) => Came::Supported(Shown::Wire(Box::new(sent))),
        (false, Some(_)) => Came::Unsupported(format!("no event came when the server sent {method}")),
    }
}

async fn tasks(desk: &mut Desk<'_>) {
    let from = desk.events.len();
    let tool = "test_task_optional";
    let before = desk.heard.len();
    let action = Action::CallToolAsTask { name: tool.to_owned(), arguments: None, ttl: Some(60_000), progress: false };
    let heard = desk.ask(Some(FIRST), action).await;
    let called = Expected::method("tools/call").with("/params/name", tool).having("/params/task");
    let wish = called.clone().with("/params/task/ttl", 60_000);
    let done = matches!(heard, Heard::Answer(Answer::Result(_)));
    let came = desk.judged(from, FIRST, heard.clone(), &called).await;
    desk.row("call tool as task", came);
    let came = match (&heard, done) {
        (Heard::Answer(answer), true) => judge(answer, &wish, desk.since(from)),
        _ => Came::NotReached("no task came to its end".to_owned()),
    };
    let came = match came {
        Came::Wrong(_) => Came::Unsupported("the wish for a ttl was not sent".to_owned()),
        came => came,
    };
    desk.row("call tool as task: ttl", came);
    let created = created(desk, from);
    let came = match &created {
        _ if desk.heard.iter().skip(before).any(|(name, _, _)| name == "task") => {
            let shown = desk.heard.iter().skip(before).find(|(name, _, _)| name == "task");
            let status = shown.and_then(|(_, _, members)| members.get("task")?.get("status")?.as_str());
            Came::Supported(Shown::Driver(format!("status {}", status.unwrap_or("unknown"))))
        }
        Some(_) => Came::Unsupported("no event came when a task was created".to_owned()),
        None => Came::NotReached("no task was created".to_owned()),
    };
    desk.row("event task", came);
    // where there is none, the server answers with an error, and the request is seen all the same
    let task = created.unwrap_or_else(|| "no-such-task".to_owned());
    let about = |method: &'static str, task: &str| Expected::method(method).with("/params/taskId", task);
    desk.probe("get task", FIRST, Action::GetTask { task: task.clone() }, &about("tasks/get", &task)).await;
    let expected = about("tasks/result", &task);
    desk.probe("fetch result", FIRST, Action::FetchResult { task: task.clone() }, &expected).await;
    // one that still works
    let from = desk.events.len();
    let slow = Action::CallToolAsTask {
        name: "test_task_slow".to_owned(),
        arguments: Some(json!({ "ms": 1500 })),
        ttl: Some(60_000),
        progress: false,
    };
    let working = desk.order(Some(FIRST), slow);
    let _ = desk.until(SOON, |desk| self::created(desk, from).is_some()).await;
    let task = self::created(desk, from).unwrap_or(task);
    let from = desk.events.len();
    let heard = desk.ask(Some(FIRST), Action::CancelTask { task: task.clone() }).await;
    let came = match heard {
        // the task under way is still followed, which is no sign of this action
        Heard::Answer(Answer::Unsupported(why)) => {
            desk.answer(working).await;
            let sent = about("tasks/cancel", &task).find(desk.since(from)).cloned();
            refusal(&why, sent.as_slice())
        }
        heard => {
            let came = desk.judged(from, FIRST, heard, &about("tasks/cancel", &task)).await;
            desk.answer(working).await;
            came
        }
    };
    desk.row("cancel task", came);
}

/// The task that the server has created since then.
fn created(desk: &Desk<'_>, from: usize) -> Option<String> {
    said(desk.since(from))
        .filter(|(_, from, _)| *from == Party::Server)
        .find_map(|(_, _, message)| message.result().get("task")?.get("taskId")?.as_str().map(str::to_owned))
}

async fn features(desk: &mut Desk<'_>) {
    let (text, watched) = ("test://static-text", "test://watched-resource");
    let of = |method: &'static str, uri: &str| Expected::method(method).with("/params/uri", uri);
    let read = of("resources/read", text).giving("contents");
    desk.probe("read", FIRST, Action::Read { uri: text.to_owned() }, &read).await;
    let uri = watched.to_owned();
    desk.probe("subscribe", FIRST, Action::Subscribe { uri }, &of("resources/subscribe", watched)).await;
    let uri = watched.to_owned();
    desk.probe("unsubscribe", FIRST, Action::Unsubscribe { uri }, &of("resources/unsubscribe", watched)).await;
    let prompt = "test_prompt_with_arguments";
    let arguments = json!({ "arg1": "one", "arg2": "two" });
    let expected =
        Expected::method("prompts/get").with("/params/name", prompt).with("/params/arguments", arguments.clone());
    let action = Action::GetPrompt { name: prompt.to_owned(), arguments: Some(arguments) };
    desk.probe("get prompt", FIRST, action, &expected.giving("messages")).await;
    let reference = json!({ "type": "ref/prompt", "name": prompt });
    let (argument, context) = (json!({ "name": "arg2", "value": "" }), json!({ "arguments": { "arg1": "one" } }));
    let completes = Expected::method("completion/complete").with("/params/argument", argument.clone());
    let with = |context| Action::Complete { reference: reference.clone(), argument: argument.clone(), context };
    desk.probe("complete", FIRST, with(None), &completes.clone().giving("completion")).await;
    let knowing = completes.with("/params/context", context.clone());
    desk.probe("complete: context", FIRST, with(Some(context)), &knowing).await;
    let expected = Expected::method("logging/setLevel").with("/params/level", "debug");
    desk.probe("set level", FIRST, Action::SetLevel { level: "debug".to_owned() }, &expected).await;
    desk.probe("ping", FIRST, Action::Ping, &Expected::method("ping")).await;
}

async fn requests(desk: &mut Desk<'_>) {
    let method = "resources/read";
    let params = json!({ "uri": "test://static-binary" });
    let expected = Expected::method(method).with("/params/uri", "test://static-binary").giving("contents");
    let action = Action::Request { method: method.to_owned(), params: Some(params) };
    desk.probe("request: a method of the protocol", FIRST, action, &expected).await;
    let method = "mcp-interop/echo";
    let params = json!({ "deep": { "er": [1, "two", null] } });
    let expected = Expected::method(method).with("/params/deep", json!({ "er": [1, "two", null] }));
    let action = Action::Request { method: method.to_owned(), params: Some(params) };
    desk.probe("request: any other method", FIRST, action, &expected).await;
}

async fn cancelling(desk: &mut Desk<'_>) {
    let row = "cancel";
    let from = desk.events.len();
    let slow = "test_task_slow";
    let action = Action::CallTool {
        name: slow.to_owned(),
        arguments: Some(json!({ "ms": 2000 })),
        progress: false,
        timeout: None,
    };
    let called = Expected::method("tools/call").with("/params/name", slow);
    let id = desk.order(Some(FIRST), action);
    if !desk.until(SOON, |desk| called.find(desk.since(from)).is_some()).await {
        desk.answer(id).await;
        return desk.row(row, Came::NotReached("there was nothing to cancel".to_owned()));
    }
    let from = desk.events.len();
    let heard = desk.ask(Some(FIRST), Action::Cancel { action: id }).await;
    let cancels = Expected::method("notifications/cancelled").having("/params/requestId");
    let came = desk.judged(from, FIRST, heard, &cancels).await;
    let ended = desk.answer(id).await;
    let came = match (came, ended) {
        (Came::Supported(_), Heard::Answer(Answer::Result(_))) => {
            Came::Wrong("the action that was cancelled was answered with a result".to_owned())
        }
        (Came::Supported(_), Heard::Wrong(why)) => Came::Wrong(format!("of the action that was cancelled: {why}")),
        (came, _) => came,
    };
    desk.row(row, came);
}

/// A call that takes longer than its application waits.
async fn given_up(desk: &mut Desk<'_>) {
    let (row, slow) = ("call tool: timeout", "test_task_slow");
    let (from, given) = (desk.events.len(), Some(json!({ "ms": 2000 })));
    let action = Action::CallTool { name: slow.to_owned(), arguments: given, progress: false, timeout: Some(300) };
    let called = Expected::method("tools/call").with("/params/name", slow);
    let came = match desk.ask(Some(FIRST), action).await {
        Heard::Answer(Answer::Unsupported(why)) => refusal(&why, desk.since(from)),
        Heard::Answer(Answer::Failure(_)) => match called.find(desk.since(from)) {
            Some(event) => Came::Supported(Shown::Wire(Box::new(event.clone()))),
            None => Came::Wrong("it gave up what it had not asked for".to_owned()),
        },
        Heard::Answer(other) => Came::Wrong(format!("it did not give up: it answered with {}", other.seen())),
        Heard::Wrong(why) => Came::Wrong(why),
        Heard::Over(why) => Came::NotReached(why),
    };
    desk.row(row, came);
}

/// Other roots.
async fn moved(desk: &mut Desk<'_>) {
    let roots = json!([{ "uri": "file:///elsewhere", "name": "elsewhere" }]);
    let expected = Expected::method("notifications/roots/list_changed");
    desk.probe("change roots", FIRST, Action::ChangeRoots { roots }, &expected).await;
}

/// The answers of a client that is connected are replaced.
async fn replaced(desk: &mut Desk<'_>) {
    let row = "answers";
    let content = json!({ "confirm": true });
    let answers = Answers { elicitation: vec![accept(content.clone())], ..Answers::default() };
    let from = desk.events.len();
    match desk.ask(Some(FIRST), Action::Answers { answers }).await {
        Heard::Answer(Answer::Unsupported(why)) => {
            let came = refusal(&why, desk.since(from));
            desk.row(row, came);
        }
        Heard::Answer(Answer::Result(_)) => {
            let expected = Expected::answer_to("elicitation/create").with("/result/content", content);
            let before = desk.heard.len();
            desk.probe(row, FIRST, call(FORM), &expected).await;
            let came = told(desk, before, "asked", "elicitation/create").await;
            desk.row("event asked", came);
        }
        Heard::Answer(other) => {
            desk.row(row, Came::Wrong(format!("it answered with {}", other.seen())));
        }
        Heard::Wrong(why) => desk.row(row, Came::Wrong(why)),
        Heard::Over(why) => desk.row(row, Came::NotReached(why)),
    }
}

fn accept(content: Value) -> Value {
    json!({ "action": "accept", "content": content })
}

/// What no driver has, and what nobody can do.
async fn strange(desk: &mut Desk<'_>) {
    let from = desk.events.len();
    let heard = desk.ask(Some(FIRST), Action::Other("read minds".to_owned())).await;
    let came = match desk.judged(from, FIRST, heard, &Expected::method("")).await {
        Came::Unsupported(why) => Came::Supported(Shown::Driver(format!("unsupported: {why}"))),
        Came::Wrong(why) => Came::Wrong(format!("an action that there is not has to be `unsupported`: {why}")),
        came => came,
    };
    desk.row("an action that there is not", came);
    let came = match desk.ask(Some(NOBODY), Action::Ping).await {
        Heard::Answer(Answer::Failure(why)) => Came::Supported(Shown::Driver(format!("failure: {why}"))),
        Heard::Answer(other) => Came::Wrong(format!("it answered with {} in place of a failure", other.seen())),
        Heard::Wrong(why) => Came::Wrong(why),
        Heard::Over(why) => Came::NotReached(why),
    };
    desk.row("a client that there is not", came);
}

async fn leaving(desk: &mut Desk<'_>, transport: Transport) {
    let from = desk.events.len();
    let heard = desk.ask(Some(FIRST), Action::Close).await;
    let left = |event: &Event| match (&event.body, transport) {
        (Body::HttpRequest { method, .. }, Transport::Http) => method == "DELETE",
        (Body::StreamClosed { by, .. }, Transport::Stdio) => *by == Some(Party::Client),
        _ => false,
    };
    let came = match heard {
        Heard::Answer(Answer::Result(_)) => {
            desk.until(SOON, |desk| desk.since(from).iter().any(left)).await;
            match desk.since(from).iter().find(|event| left(event)) {
                Some(event) => Came::Supported(Shown::Wire(Box::new(event.clone()))),
                // that a session is ended is left to a client
                None if transport == Transport::Http => {
                    Came::Supported(Shown::Driver("left without a word".to_owned()))
                }
                None => Came::Wrong("its client is still connected".to_owned()),
            }
        }
        Heard::Answer(Answer::Unsupported(why)) => Came::Unsupported(why),
        Heard::Answer(other) => Came::Wrong(format!("it answered with {}", other.seen())),
        Heard::Wrong(why) => Came::Wrong(why),
        Heard::Over(why) => Came::NotReached(why),
    };
    desk.row("close", came);
}

/// Clients that are told what to declare and to offer.
async fn declaring(desk: &mut Desk<'_>) {
    let from = desk.events.len();
    let older = Revision::V2025_06_18.to_string();
    let heard = desk.connect("modest", Some(&older), json!({}), None).await;
    let opened = Expected::method("initialize");
    let came = desk.judged(from, NOBODY, heard.clone(), &opened).await;
    desk.row("connect: another client in the same process", came.clone());
    let Came::Supported(_) = came else { return };
    let declared = opened.find(desk.since(from)).cloned();
    let declares = declared.as_ref().and_then(|event| {
        let (_, _, message) = said(std::slice::from_ref(event)).next()?;
        let declared = message.params().get("capabilities").and_then(Value::as_object)?;
        let known = ["roots", "sampling", "elicitation", "tasks"];
        Some(known.into_iter().filter(|name| declared.contains_key(*name)).collect::<Vec<_>>())
    });
    let came = match (declares, declared) {
        (Some(more), _) if !more.is_empty() => {
            Came::Wrong(format!("it was told to declare nothing, and declares {}", more.join(", ")))
        }
        (_, Some(event)) => Came::Supported(Shown::Wire(Box::new(event))),
        (_, None) => Came::NotReached("no `initialize` was seen".to_owned()),
    };
    desk.row("connect: capabilities", came);
    let offers = opened.with("/params/protocolVersion", older);
    let came = match offers.find(desk.since(from)) {
        Some(event) => Came::Supported(Shown::Wire(Box::new(event.clone()))),
        None => Came::Unsupported("it offers the revision that it likes".to_owned()),
    };
    desk.row("connect: revision", came);
    desk.ask(Some("modest"), Action::Close).await;
}

/// Each standing answer, with a client of its own.
async fn asked(desk: &mut Desk<'_>) {
    let form = || Expected::answer_to("elicitation/create");
    let sampling = || Expected::answer_to("sampling/createMessage");
    let roots = || Expected::answer_to("roots/list");
    let content = json!({ "confirm": true });
    let said = json!({
        "role": "assistant",
        "content": { "type": "text", "text": "Good day" },
        "model": "none",
        "stopReason": "endTurn",
    });
    let refused = json!({ "error": { "code": -1, "message": "not today" } });
    let places = json!([{ "uri": "file:///somewhere", "name": "somewhere" }]);
    let elicitation = |answer: Value| Answers { elicitation: vec![answer], ..Answers::default() };
    let accepted = form().with("/result/action", "accept").with("/result/content", content.clone());
    let rows = [
        ("elicitation accepted", FORM, elicitation(accept(content.clone())), accepted.clone()),
        (
            "elicitation declined",
            FORM,
            elicitation(json!({ "action": "decline" })),
            form().with("/result/action", "decline"),
        ),
        (
            "elicitation cancelled",
            FORM,
            elicitation(json!({ "action": "cancel" })),
            form().with("/result/action", "cancel"),
        ),
        ("elicitation, nothing said", FORM, Answers::default(), form().with("/result/action", "decline")),
        (
            "elicitation, after a while",
            FORM,
            Answers { after: Some(THOUGHT), ..elicitation(accept(content)) },
            accepted,
        ),
        (
            "sampling",
            SAMPLING,
            Answers { sampling: Some(said), ..Answers::default() },
            sampling().with("/result/content/text", "Good day"),
        ),
        (
            "sampling refused",
            SAMPLING,
            Answers { sampling: Some(refused), ..Answers::default() },
            sampling().with("/error/code", -1),
        ),
        ("sampling, nothing said", SAMPLING, Answers::default(), sampling().having("/error/code")),
        (
            "roots",
            ROOTS,
            Answers { roots: Some(places), ..Answers::default() },
            roots().with("/result/roots/0/uri", "file:///somewhere"),
        ),
        ("roots, nothing said", ROOTS, Answers::default(), roots().with("/result/roots", json!([]))),
    ];
    for (row, tool, answers, expected) in rows {
        let row = format!("answers: {row}");
        let slow = answers.after.is_some();
        let from = desk.events.len();
        let heard = desk.connect(&row, None, client::capabilities(Revision::DEFAULT), Some(answers)).await;
        let connected = match &heard {
            Heard::Answer(Answer::Result(_)) => true,
            Heard::Answer(Answer::Unsupported(why)) => {
                let came = refusal(why, desk.since(from));
                desk.row(&row, came);
                continue;
            }
            _ => false,
        };
        if !connected {
            let came = desk.judged(from, NOBODY, heard, &expected).await;
            desk.row(&row, came);
            continue;
        }
        let from = desk.events.len();
        let heard = desk.ask(Some(&row), call(tool)).await;
        let came = desk.judged(from, &row, heard, &expected).await;
        let came = if slow { thought(came, &expected, desk.since(from)) } else { came };
        desk.row(&row, came);
        desk.ask(Some(&row), Action::Close).await;
    }
}

/// A server that goes.
async fn lost(desk: &mut Desk<'_>) {
    let (row, name) = ("event closed", "lost");
    let heard = desk.connect(name, None, json!({}), None).await;
    let Heard::Answer(Answer::Result(_)) = heard else {
        return desk.row(row, Came::NotReached("no client was connected".to_owned()));
    };
    let before = desk.heard.len();
    desk.server_goes().await;
    let closed = |(event, client, _): &&(String, String, Map<String, Value>)| event == "closed" && client == name;
    desk.until(SOON, |desk| desk.heard.iter().skip(before).any(|told| closed(&told))).await;
    let why = desk.heard.iter().skip(before).find(closed).map(|(_, _, members)| members.get("why").cloned());
    let came = match why {
        Some(why) => {
            let why = why.as_ref().and_then(Value::as_str).map_or("no reason".to_owned(), str::to_owned);
            Came::Supported(Shown::Driver(why))
        }
        None => Came::Unsupported("no event came when the server had gone".to_owned()),
    };
    desk.row(row, came);
    desk.ask(Some(name), Action::Close).await;
}

/// Did the application take its time?
fn thought(came: Came, expected: &Expected, events: &[Event]) -> Came {
    let Came::Supported(_) = &came else { return came };
    let question = said(events)
        .find(|(_, from, message)| *from == Party::Server && message.method() == Some("elicitation/create"))
        .map(|(event, _, _)| event.at);
    let answer = expected.find(events).map(|event| event.at);
    match (question, answer) {
        (Some(question), Some(answer)) if answer.saturating_sub(question) < THOUGHT * 1000 => {
            let ms = answer.saturating_sub(question) / 1000;
            Came::Wrong(format!("it answered after {ms} ms in place of {THOUGHT} ms"))
        }
        _ => came,
    }
}
