//! Moves the client of a play that is not ours: tells its application one thing after the other, and hears what it got. One
//! that moves by itself is only waited for.

use super::{Play, Recorder, cast};
use crate::peer::driver::protocol::{Answers, Listed};
use crate::peer::driver::{Action, Answer, Mover, Report, Target};
use crate::reference::client::{self, AppAction, ToElicitation, What};
use crate::scenario::model::{self, Doing};
use crate::trace::event::{Body, EndReason};
use crate::wire::Party;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;

/// The client of a play, and the way to it.
#[derive(Debug)]
pub struct Client<'m> {
    /// The way to its driver; `None`: a program that moves by itself, and ends when it has done what it wanted.
    pub mover: Option<&'m mut Mover>,
    /// Where it is to connect to.
    pub to: Target,
    /// What it is to declare.
    pub capabilities: Value,
}

/// How far the client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    Acting,
    Leaving,
    Left,
}

/// An order that is not answered.
#[derive(Debug)]
struct Open {
    id: u64,
    /// The label of the request that it makes.
    step: Option<String>,
    /// Under which label its answer is seen.
    sees: Option<String>,
}

/// The director of one play.
#[derive(Debug)]
pub(super) struct Director<'m> {
    mover: Option<&'m mut Mover>,
    name: String,
    todo: VecDeque<model::Action>,
    /// Has it anything to do, but answer?
    acts: bool,
    stage: Stage,
    /// The orders that are not answered.
    open: Vec<Open>,
    /// Since when it has left.
    left: Option<Duration>,
    gone: bool,
    /// How it ended, where it moves by itself.
    exit: Option<Exit>,
}

/// How a program that moves by itself ended.
#[derive(Debug)]
struct Exit {
    code: Option<i32>,
    how: String,
}

impl<'m> Director<'m> {
    /// Has the client connect.
    pub(super) fn new(play: &Play, client: Client<'m>, recorder: &mut Recorder) -> Director<'m> {
        let Client { mover, to, capabilities } = client;
        let Some(mover) = mover else {
            return Director {
                mover: None,
                name: String::new(),
                todo: VecDeque::new(),
                acts: false,
                stage: Stage::Acting,
                open: Vec::new(),
                left: None,
                gone: false,
                exit: None,
            };
        };
        let todo: VecDeque<model::Action> = cast::actions(play).cloned().collect();
        let connect = Action::Connect {
            to,
            revision: Some(play.revision.to_string()),
            capabilities,
            answers: Some(said(&cast::answers(play))),
        };
        let name = mover.name();
        recorder.record(Body::Action { label: String::new(), what: connect.words() });
        let open = vec![Open { id: mover.order(Some(&name), connect), step: None, sees: None }];
        let acts = !todo.is_empty();
        let mover = Some(mover);
        Director { mover, name, todo, acts, stage: Stage::Connecting, open, left: None, gone: false, exit: None }
    }

    /// Waits for the next report; for ever when there can be none. Cancel safe.
    pub(super) async fn next(&mut self) -> Report {
        if let (false, Some(mover)) = (self.gone, &mut self.mover) {
            if let Some(report) = mover.reports.recv().await {
                return report;
            }
            self.gone = true;
            return Report::Gone("it is gone".to_owned());
        }
        std::future::pending().await
    }

    /// Does the client move by itself?
    pub(super) fn alone(&self) -> bool {
        self.mover.is_none()
    }

    /// A client that moves by itself has ended.
    pub(super) fn exited(&mut self, now: Duration, code: Option<i32>, how: String) {
        self.left.get_or_insert(now);
        self.exit.get_or_insert(Exit { code, how });
    }

    /// Did it end in another way than well?
    pub(super) fn ended_badly(&self) -> bool {
        self.exit.as_ref().is_some_and(|exit| exit.code != Some(0))
    }

    /// Since when a client that moves by itself has ended, and how.
    pub(super) fn ended(&self) -> Option<(Duration, EndReason)> {
        let how = self.exit.as_ref()?.how.clone();
        Some((self.left?, EndReason::Gone { party: Party::Client, how }))
    }

    /// Since when the client has left.
    pub(super) fn left(&self) -> Option<Duration> {
        self.left
    }

    /// Was it told to leave, and has not said that it has?
    pub(super) fn is_leaving(&self) -> bool {
        self.stage == Stage::Leaving
    }

    /// Takes what is reported when the play is over: only that the client has left is of interest.
    pub(super) fn heard(&mut self, report: Report, now: Duration) {
        match report {
            Report::Answer { id, .. } => {
                self.open.retain(|open| open.id != id);
                if self.open.is_empty() {
                    self.stage = Stage::Left;
                    self.left = Some(now);
                }
            }
            // nobody is left to leave
            Report::Gone(_) | Report::Garbled(_) => self.stage = Stage::Left,
            Report::Event { .. } => {}
        }
    }

    /// Orders the next action, if there is one whose time has come.
    pub(super) fn go_on(&mut self, play: &Play, recorder: &mut Recorder) {
        while self.stage == Stage::Acting && !self.alone() {
            let Some(next) = self.todo.front() else {
                if self.open.is_empty() && (self.acts || recorder.exchange().finished()) {
                    self.leave(recorder);
                }
                return;
            };
            match &next.once {
                Some(label) if !recorder.exchange().has_happened(label) => return,
                None if !self.open.is_empty() => return,
                _ => {}
            }
            let mut env = recorder.exchange().bindings().clone();
            let doing = match &next.what {
                Doing::Cancel { step } => {
                    let open = self.open.iter().find(|open| open.step.as_ref() == Some(step));
                    open.map(|open| Action::Cancel { action: open.id })
                }
                _ => cast::doing(&play.plan, next, &mut env).map(action),
            };
            let (step, sees) = (next.what.step().map(str::to_owned), next.sees.clone());
            self.todo.pop_front();
            // what has its end already cannot be cancelled
            let Some(doing) = doing else { continue };
            let label = sees.as_deref().or(step.as_deref()).unwrap_or_default().to_owned();
            recorder.record(Body::Action { label, what: doing.words() });
            self.order(doing, step, sees);
        }
    }

    /// Has the client leave, whatever it is about.
    fn leave(&mut self, recorder: &mut Recorder) {
        recorder.record(Body::Action { label: String::new(), what: Action::Close.words() });
        self.stage = Stage::Leaving;
        self.order(Action::Close, None, None);
    }

    fn order(&mut self, action: Action, step: Option<String>, sees: Option<String>) {
        let Some(mover) = &mut self.mover else { return };
        self.open.push(Open { id: mover.order(Some(&self.name), action), step, sees });
    }

    /// Takes what was reported; says why the play ends if it ends with that.
    pub(super) fn came(&mut self, report: Report, recorder: &mut Recorder) -> Option<EndReason> {
        let defect = |how: String| Some(EndReason::NotStarted { how: format!("the driver is at fault: {how}") });
        match report {
            Report::Answer { id, answer } => {
                let Some(at) = self.open.iter().position(|open| open.id == id) else {
                    return defect(format!("it answered action {id}, which is not open"));
                };
                let sees = self.open.remove(at).sees;
                self.answered(answer, sees, recorder)
            }
            Report::Event { client, event, .. } if client == self.name && event == "closed" => None,
            Report::Event { .. } => None,
            Report::Garbled(what) => defect(format!("it wrote {what}")),
            Report::Gone(_) if self.stage == Stage::Left => None,
            Report::Gone(how) => {
                Some(EndReason::Gone { party: Party::Client, how: format!("its driver is gone: {how}") })
            }
        }
    }

    fn answered(&mut self, answer: Answer, sees: Option<String>, recorder: &mut Recorder) -> Option<EndReason> {
        if let Answer::Unsupported(why) = answer {
            let doing = match self.stage {
                Stage::Connecting => "connecting",
                _ => "what the file has its application do",
            };
            return Some(EndReason::NotApplicable { reason: format!("the client does not support {doing}: {why}") });
        }
        match self.stage {
            Stage::Connecting => {
                self.stage = Stage::Acting;
                let why = match &answer {
                    Answer::Result(_) => return None,
                    Answer::Failure(why) => why.clone(),
                    other => other.seen().to_string(),
                };
                self.stage = Stage::Left;
                if !recorder.exchange().heard() {
                    return Some(EndReason::NotApplicable { reason: format!("the client never connected: {why}") });
                }
                let how = format!("its application could not connect: {why}");
                Some(EndReason::Gone { party: Party::Client, how })
            }
            Stage::Acting => {
                if let Some(label) = sees {
                    recorder.record(Body::Saw { label, value: answer.seen() });
                }
                None
            }
            Stage::Leaving | Stage::Left => {
                self.stage = Stage::Left;
                self.left = Some(recorder.now());
                None
            }
        }
    }
}

/// An application's answers in the words of the protocol.
pub(super) fn said(answers: &client::Answers) -> Answers {
    let form = |answer: &ToElicitation| match answer {
        ToElicitation::Accept(content) => json!({ "action": "accept", "content": content }),
        ToElicitation::AcceptFilled => json!({ "action": "accept" }),
        ToElicitation::Decline => json!({ "action": "decline" }),
        ToElicitation::Cancel => json!({ "action": "cancel" }),
    };
    let after = u64::try_from(answers.after.as_millis()).unwrap_or(u64::MAX);
    Answers {
        elicitation: answers.elicitation.iter().map(form).collect(),
        sampling: Some(answers.sampling.clone()),
        roots: Some(answers.roots.clone()),
        after: (after > 0).then_some(after),
    }
}

/// What an application does, in the words of the protocol.
pub(super) fn action(doing: AppAction) -> Action {
    let list = |method: &str| Listed::by(method);
    match doing.what {
        What::CallTool { name, arguments, progress_token, .. } => {
            Action::CallTool { name, arguments, progress: progress_token.is_some() }
        }
        What::CallToolAsTask { name, arguments, ttl, progress_token, .. } => {
            Action::CallToolAsTask { name, arguments, ttl, progress: progress_token.is_some() }
        }
        What::List { method, .. } => match list(&method) {
            Some(what) => Action::List { what, cursor: None },
            None => Action::Request { method, params: None },
        },
        What::ListEverything { method } => match list(&method) {
            Some(what) => Action::ListEverything { what },
            None => Action::Request { method, params: None },
        },
        What::Request { method, params } => request(method, params),
    }
}

/// A request, by the action that is made for its method if there is one that can say all of it.
fn request(method: String, params: Option<Value>) -> Action {
    let members = params.as_ref().and_then(Value::as_object);
    let only = |known: &[&str]| members.is_none_or(|members| members.keys().all(|name| known.contains(&name.as_str())));
    let text = |name: &str| members?.get(name)?.as_str().map(str::to_owned);
    let value = |name: &str| members?.get(name).cloned();
    let own = || {
        Some(match method.as_str() {
            "ping" if only(&[]) => Action::Ping,
            "tools/call" if only(&["name", "arguments"]) => {
                Action::CallTool { name: text("name")?, arguments: value("arguments"), progress: false }
            }
            "tasks/get" if only(&["taskId"]) => Action::GetTask { task: text("taskId")? },
            "tasks/cancel" if only(&["taskId"]) => Action::CancelTask { task: text("taskId")? },
            "tasks/result" if only(&["taskId"]) => Action::FetchResult { task: text("taskId")? },
            "resources/read" if only(&["uri"]) => Action::Read { uri: text("uri")? },
            "resources/subscribe" if only(&["uri"]) => Action::Subscribe { uri: text("uri")? },
            "resources/unsubscribe" if only(&["uri"]) => Action::Unsubscribe { uri: text("uri")? },
            "prompts/get" if only(&["name", "arguments"]) => {
                Action::GetPrompt { name: text("name")?, arguments: value("arguments") }
            }
            "completion/complete" if only(&["ref", "argument", "context"]) => {
                Action::Complete { reference: value("ref")?, argument: value("argument")?, context: value("context") }
            }
            "logging/setLevel" if only(&["level"]) => Action::SetLevel { level: text("level")? },
            _ => {
                let what = Listed::by(&method).filter(|_| only(&["cursor"]))?;
                Action::List { what, cursor: text("cursor") }
            }
        })
    };
    own().unwrap_or(Action::Request { method, params })
}
