//! Moves the client of a play that is not ours: tells its application one thing after the other, and hears what it got.

use super::{Play, Recorder, cast};
use crate::peer::driver::protocol::{Answers, Listed, VERSION};
use crate::peer::driver::{Action, Answer, Mover, Report, Target};
use crate::reference::client::{self, AppAction, ToElicitation, What};
use crate::scenario::model::{self, Doing};
use crate::trace::event::{Body, EndReason};
use crate::wire::Party;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long a driver may take to say hello once more.
const ALIVE: Duration = Duration::from_secs(2);

/// More than this a driver has nothing to tell in one play.
const MOST_TOLD: usize = 20_000;

/// The client of a play, and the way to it.
#[derive(Debug)]
pub struct Client<'m> {
    /// The way to its driver.
    pub mover: &'m mut Mover,
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
    /// What was ordered, in words.
    words: String,
    /// The label of the request that it makes.
    step: Option<String>,
    /// Under which label its answer is seen.
    sees: Option<String>,
}

/// The director of one play.
#[derive(Debug)]
pub(super) struct Director<'m> {
    mover: &'m mut Mover,
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
    /// Its client was seen to go.
    went: bool,
    /// How many events it has told.
    told: usize,
    /// It answers nothing any more.
    hung: bool,
}

impl<'m> Director<'m> {
    /// Has the client connect.
    pub(super) fn new(play: &Play, client: Client<'m>, recorder: &mut Recorder) -> Director<'m> {
        let Client { mover, to, capabilities } = client;
        let todo: VecDeque<model::Action> = cast::actions(play).cloned().collect();
        let connect = Action::Connect {
            to,
            revision: Some(play.revision.to_string()),
            capabilities,
            answers: Some(said(&cast::answers(play))),
        };
        let name = mover.name();
        recorder.record(Body::Action { label: String::new(), what: connect.words(), gives_up: None });
        let words = connect.words();
        let open = vec![Open { id: mover.order(Some(&name), connect), words, step: None, sees: None }];
        let acts = !todo.is_empty();
        let stage = Stage::Connecting;
        Director { mover, name, todo, acts, stage, open, left: None, gone: false, went: false, told: 0, hung: false }
    }

    /// Waits for the next report; for ever when there can be none. Cancel safe.
    pub(super) async fn next(&mut self) -> Report {
        if !self.gone {
            if let Some(report) = self.mover.reports.recv().await {
                return report;
            }
            self.gone = true;
            return Report::Gone("it is gone".to_owned());
        }
        std::future::pending().await
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
        while self.stage == Stage::Acting {
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
            let step = next.what.step().map(str::to_owned);
            let gives_up = next.gives_up.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
            // what is given up has no end that it must see, and the record tells that it was given up
            let sees = next.sees.clone().or_else(|| step.clone().filter(|_| gives_up.is_some()));
            self.todo.pop_front();
            // what has its end already cannot be cancelled
            let Some(doing) = doing else { continue };
            let label = sees.as_deref().or(step.as_deref()).unwrap_or_default().to_owned();
            let words = doing.words();
            recorder.record(Body::Action { label, what: words.clone(), gives_up });
            self.open.push(Open { id: self.mover.order(Some(&self.name), doing), words, step, sees });
        }
    }

    /// Has the client leave, whatever it is about.
    fn leave(&mut self, recorder: &mut Recorder) {
        let words = Action::Close.words();
        recorder.record(Body::Action { label: String::new(), what: words.clone(), gives_up: None });
        self.stage = Stage::Leaving;
        self.open.push(Open { id: self.mover.order(Some(&self.name), Action::Close), words, step: None, sees: None });
    }

    /// Why the play ends, when it ends for that reason as far as the wire shows. What a driver owes an answer to may hang in
    /// its client, or the driver hangs itself: then it says hello no more either.
    pub(super) async fn conclude(&mut self, reason: EndReason) -> EndReason {
        let Some(owed) = self.open.first().map(|open| open.words.clone()) else { return reason };
        if self.stage == Stage::Leaving && !self.went && reason == EndReason::Finished {
            return defect("it did not answer `close` in time, and its client is still connected".to_owned());
        }
        if !matches!(reason, EndReason::Finished | EndReason::Deadline) || self.gone || self.stage == Stage::Leaving {
            return reason;
        }
        let hello = self.mover.order(None, Action::Hello { versions: vec![VERSION] });
        let until = Instant::now() + ALIVE;
        loop {
            match timeout_at(until, self.mover.reports.recv()).await {
                Ok(Some(Report::Answer { id, .. })) if id == hello => return reason,
                Ok(Some(Report::Answer { .. } | Report::Event { .. })) => {}
                // it is not silent
                Ok(Some(Report::Garbled(_) | Report::Gone(_)) | None) => return reason,
                Err(_) => {
                    self.hung = true;
                    let waited = ALIVE.as_secs();
                    return defect(format!("it does not answer `{owed}`, nor `hello` within {waited} s"));
                }
            }
        }
    }

    /// Its client has ended its session, or its connection.
    pub(super) fn went(&mut self) {
        self.went = true;
    }

    /// See [`Director::went`].
    pub(super) fn has_gone(&self) -> bool {
        self.went
    }

    /// Does it answer nothing any more?
    pub(super) fn hangs(&self) -> bool {
        self.hung
    }

    /// Takes what was reported; says why the play ends if it ends with that.
    pub(super) fn came(&mut self, report: Report, recorder: &mut Recorder) -> Option<EndReason> {
        let defect = |how: String| Some(defect(how));
        match report {
            Report::Answer { id, answer } => {
                let Some(at) = self.open.iter().position(|open| open.id == id) else {
                    return defect(format!("it answered action {id}, which is not open"));
                };
                let sees = self.open.remove(at).sees;
                self.answered(answer, sees, recorder)
            }
            Report::Event { .. } => {
                self.told += 1;
                if self.told > MOST_TOLD {
                    return defect(format!("it told more than {MOST_TOLD} events, and no more was read"));
                }
                None
            }
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
                    Answer::Result(_) if !recorder.exchange().heard(Party::Client) => {
                        return Some(defect("it says that its client is connected, and nothing came of it".to_owned()));
                    }
                    Answer::Result(_) => return None,
                    Answer::Failure(why) => why.clone(),
                    other => other.seen().to_string(),
                };
                self.stage = Stage::Left;
                if !recorder.exchange().heard(Party::Client) {
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

/// A driver that does not keep to its protocol: nothing can be said of its client.
fn defect(how: String) -> EndReason {
    EndReason::NotStarted { how: format!("the driver is at fault: {how}") }
}

/// An application's answers in the words of the protocol; all of them, for a driver refuses what it is told nothing of.
pub(super) fn said(answers: &client::Answers) -> Answers {
    let form = |answer: &ToElicitation| match answer {
        ToElicitation::Accept(content) => json!({ "action": "accept", "content": content }),
        ToElicitation::AcceptFilled => json!({ "action": "accept" }),
        ToElicitation::Decline => json!({ "action": "decline" }),
        ToElicitation::Cancel => json!({ "action": "cancel" }),
    };
    let after = u64::try_from(answers.after.as_millis()).unwrap_or(u64::MAX);
    let mut elicitation: Vec<Value> = answers.elicitation.iter().map(form).collect();
    if elicitation.is_empty() {
        elicitation.push(form(&ToElicitation::AcceptFilled));
    }
    Answers {
        elicitation,
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
            let timeout = doing.gives_up.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
            Action::CallTool { name, arguments, progress: progress_token.is_some(), timeout }
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
        What::ChangeRoots { roots } => Action::ChangeRoots { roots },
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
                Action::CallTool { name: text("name")?, arguments: value("arguments"), progress: false, timeout: None }
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
