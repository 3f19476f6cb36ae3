//! The reference client as a driver: carries out what a [`crate::peer::driver::Mover`] orders.

use super::host::Host;
use super::own::raised;
use crate::peer::driver::protocol::{Answers, VERSION};
use crate::peer::driver::{Action, Answer, Moved, Order, Report, Target};
use crate::peer::process::{Ladder, Process};
use crate::reference::Effect;
use crate::reference::client::{self, AppAction, Application, CONNECTED, ToElicitation, Told, What};
use crate::spec::Revision;
use crate::transport::Link;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// More clients at once than this are refused.
const MOST_CLIENTS: usize = 64;

/// Where clients come from, and what connects them.
pub trait Clients {
    /// Connects; over stdio to a program that it starts.
    fn link(&mut self, to: &Target) -> impl Future<Output = Result<(Link, Option<Process>), String>> + Send;
    /// A client for that application, which offers that revision and declares those capabilities.
    fn host(&mut self, application: Application, revision: Revision, capabilities: Value) -> Host;
}

/// A client that is connected, or has been.
struct Running {
    told: mpsc::UnboundedSender<Told>,
    /// The order to connect, until it is answered.
    connecting: Option<u64>,
    closing: Option<u64>,
    /// The orders that are open.
    open: Vec<u64>,
}

/// What becomes of a client.
enum News {
    Effect(Effect),
    Over,
}

/// Carries out orders until there can be none any more, or `stop` turns true; then all clients leave.
pub async fn drive<C: Clients + Send>(mut clients: C, moved: Moved, stop: watch::Receiver<bool>) {
    let Moved { mut orders, reports } = moved;
    let (tell, mut news) = mpsc::unbounded_channel::<(String, News)>();
    let mut running: BTreeMap<String, Running> = BTreeMap::new();
    let mut stopped = stop.clone();
    let mut over = false;
    loop {
        if over && running.is_empty() {
            return;
        }
        let mut out = Vec::new();
        tokio::select! {
            biased;
            () = raised(&mut stopped), if !over => {
                over = true;
                leave_all(&running);
            }
            Some((name, what)) = news.recv() => out.extend(heard(&mut running, &name, what)),
            order = orders.recv(), if !over => match order {
                Some(order) => {
                    let answer = ordered(&mut clients, &mut running, order, &tell, &stop).await;
                    out.extend(answer);
                }
                None => {
                    over = true;
                    leave_all(&running);
                }
            },
        }
        for report in out {
            if reports.send(report).await.is_err() {
                over = true;
                leave_all(&running);
            }
        }
    }
}

fn leave_all(running: &BTreeMap<String, Running>) {
    for client in running.values() {
        // one whose host has ended needs no telling
        let _ = client.told.send(Told::Leave);
    }
}

/// Carries out an order; gives its answer if that is known at once.
async fn ordered<C: Clients + Send>(
    clients: &mut C,
    running: &mut BTreeMap<String, Running>,
    order: Order,
    tell: &mpsc::UnboundedSender<(String, News)>,
    stop: &watch::Receiver<bool>,
) -> Option<Report> {
    let Order { id, client, action } = order;
    let answer = |answer| Some(Report::Answer { id, answer });
    let name = client.unwrap_or_default();
    if let Action::Hello { versions } = &action {
        if !versions.contains(&VERSION) {
            return answer(Answer::Unsupported(format!("it speaks version {VERSION} only")));
        }
        let sdk = json!({ "name": "mcp-interop", "version": env!("CARGO_PKG_VERSION") });
        return answer(Answer::Result(json!({ "version": VERSION, "sdk": sdk })));
    }
    if let Action::Connect { to, revision, capabilities, answers } = action {
        if running.contains_key(&name) || running.len() >= MOST_CLIENTS {
            return answer(Answer::Failure(format!("there is a client `{name}` already, or there are too many")));
        }
        let offered = revision.as_deref().map_or(Some(Revision::DEFAULT), Revision::parse);
        let Some(revision) = offered else {
            return answer(Answer::Unsupported(format!("the revision {revision:?} is not known")));
        };
        let (link, process) = match clients.link(&to).await {
            Ok(linked) => linked,
            Err(why) => return answer(Answer::Failure(why)),
        };
        let answers = understood(&answers.unwrap_or_default());
        let mut host = clients.host(Application { actions: Vec::new(), answers, driven: true }, revision, capabilities);
        let (told, orders) = mpsc::unbounded_channel();
        let (heard, mut effects) = mpsc::unbounded_channel();
        host.told = Some(orders);
        host.heard = Some(heard);
        let (tell, stop, of) = (tell.clone(), stop.clone(), name.clone());
        tokio::spawn(async move {
            let hosting = host.run(link, stop);
            let hearing = async {
                while let Some(effect) = effects.recv().await {
                    // nobody may want to know any more
                    let _ = tell.send((of.clone(), News::Effect(effect)));
                }
            };
            tokio::join!(hosting, hearing);
            if let Some(process) = process {
                process.stop(&Ladder { input: Duration::from_secs(2), ..Ladder::default() }).await;
            }
            let _ = tell.send((of, News::Over));
        });
        running.insert(name, Running { told, connecting: Some(id), closing: None, open: Vec::new() });
        return None;
    }
    let Some(client) = running.get_mut(&name) else {
        return answer(Answer::Failure(format!("there is no client `{name}`")));
    };
    let told = match action {
        Action::Close => {
            client.closing = Some(id);
            Told::Leave
        }
        Action::Answers { answers } => {
            // one whose host has ended says so by itself
            let _ = client.told.send(Told::Answer(understood(&answers)));
            return answer(Answer::Result(json!({})));
        }
        Action::Cancel { action } => {
            if !client.open.contains(&action) {
                return answer(Answer::Failure(format!("action {action} is not open")));
            }
            let _ = client.told.send(Told::Cancel(action.to_string()));
            return answer(Answer::Result(json!({})));
        }
        action => {
            let gives_up = match &action {
                Action::CallTool { timeout, .. } => timeout.map(Duration::from_millis),
                _ => None,
            };
            let Some(what) = what(id, action) else {
                return answer(Answer::Unsupported("no client does this".to_owned()));
            };
            client.open.push(id);
            Told::Act(AppAction { gives_up, ..AppAction::seen(what, &id.to_string()) })
        }
    };
    let _ = client.told.send(told);
    None
}

/// What is to be reported of something that happened to a client.
fn heard(running: &mut BTreeMap<String, Running>, name: &str, news: News) -> Vec<Report> {
    let Some(client) = running.get_mut(name) else { return Vec::new() };
    match news {
        News::Effect(Effect::Saw { label, value }) => {
            let id = if label == CONNECTED {
                client.connecting.take()
            } else {
                let id = label.parse().ok();
                client.open.retain(|open| Some(*open) != id);
                id
            };
            id.map(|id| Report::Answer { id, answer: seen(value) }).into_iter().collect()
        }
        News::Effect(Effect::Heard { asked, method, params }) => {
            let mut members = Map::new();
            members.insert("method".into(), method.into());
            if params.is_object() {
                members.insert("params".into(), params);
            }
            let event = if asked { "asked" } else { "told" };
            vec![Report::Event { event: event.into(), client: name.to_owned(), members }]
        }
        News::Effect(_) => Vec::new(),
        News::Over => {
            let Some(client) = running.remove(name) else { return Vec::new() };
            let failure = |id| Report::Answer { id, answer: Answer::Failure("the connection was closed".into()) };
            let mut out: Vec<Report> = client.connecting.into_iter().chain(client.open).map(failure).collect();
            match client.closing {
                Some(id) => out.push(Report::Answer { id, answer: Answer::Result(json!({})) }),
                None => {
                    let members = Map::from_iter([("why".to_owned(), json!("the connection was closed"))]);
                    out.push(Report::Event { event: "closed".into(), client: name.to_owned(), members });
                }
            }
            out
        }
    }
}

/// What an application saw, in the words of the protocol.
fn seen(value: Value) -> Answer {
    let Value::Object(mut members) = value else { return Answer::Failure("nothing".into()) };
    if let Some(result) = members.shift_remove("result") {
        return Answer::Result(result);
    }
    if let Some(error) = members.shift_remove("error") {
        return Answer::Error(error);
    }
    let why = members.get("failure").and_then(Value::as_str).unwrap_or_default();
    Answer::Failure(why.to_owned())
}

/// The protocol's answers as an application's. What it says nothing of is refused: nobody agrees to what was not said.
fn understood(answers: &Answers) -> client::Answers {
    let form = |answer: &Value| match (answer.get("action").and_then(Value::as_str), answer.get("content")) {
        (Some("decline"), _) => ToElicitation::Decline,
        (Some("cancel"), _) => ToElicitation::Cancel,
        (_, Some(content)) => ToElicitation::Accept(content.clone()),
        (_, None) => ToElicitation::AcceptFilled,
    };
    let mut elicitation: Vec<ToElicitation> = answers.elicitation.iter().map(form).collect();
    if elicitation.is_empty() {
        elicitation.push(ToElicitation::Decline);
    }
    let refusal = || json!({ "error": { "code": -1, "message": "the user does not want this" } });
    client::Answers {
        elicitation,
        sampling: answers.sampling.clone().unwrap_or_else(refusal),
        roots: answers.roots.clone().unwrap_or_else(|| json!([])),
        after: Duration::from_millis(answers.after.unwrap_or_default()),
    }
}

/// An action as the reference client's application does it. `id` is the token of its progress.
fn what(id: u64, action: Action) -> Option<What> {
    let label = String::new();
    let request = |method: &str, params: Value| What::Request { method: method.to_owned(), params: Some(params) };
    let token = |progress: bool| progress.then(|| json!(format!("progress-{id}")));
    let without_null = |mut params: Value| {
        if let Value::Object(members) = &mut params {
            members.retain(|_, value| !value.is_null());
        }
        params
    };
    Some(match action {
        Action::CallTool { name, arguments, progress, .. } => {
            What::CallTool { label, name, arguments, progress_token: token(progress) }
        }
        Action::CallToolAsTask { name, arguments, ttl, progress } => {
            What::CallToolAsTask { label, name, arguments, ttl, progress_token: token(progress) }
        }
        Action::List { what, cursor: None } => What::List { label, method: what.method().to_owned() },
        Action::List { what, cursor: Some(cursor) } => request(what.method(), json!({ "cursor": cursor })),
        Action::ListEverything { what } => What::ListEverything { method: what.method().to_owned() },
        Action::GetTask { task } => request("tasks/get", json!({ "taskId": task })),
        Action::CancelTask { task } => request("tasks/cancel", json!({ "taskId": task })),
        Action::FetchResult { task } => request("tasks/result", json!({ "taskId": task })),
        Action::Read { uri } => request("resources/read", json!({ "uri": uri })),
        Action::Subscribe { uri } => request("resources/subscribe", json!({ "uri": uri })),
        Action::Unsubscribe { uri } => request("resources/unsubscribe", json!({ "uri": uri })),
        Action::GetPrompt { name, arguments } => {
            request("prompts/get", without_null(json!({ "name": name, "arguments": arguments })))
        }
        Action::Complete { reference, argument, context } => {
            let params = json!({ "ref": reference, "argument": argument, "context": context });
            request("completion/complete", without_null(params))
        }
        Action::SetLevel { level } => request("logging/setLevel", json!({ "level": level })),
        Action::Request { method, params } => What::Request { method, params },
        Action::ChangeRoots { roots } => What::ChangeRoots { roots },
        Action::Ping => What::Request { method: "ping".to_owned(), params: None },
        Action::Hello { .. }
        | Action::Connect { .. }
        | Action::Close
        | Action::Answers { .. }
        | Action::Cancel { .. }
        | Action::Other(_) => return None,
    })
}
