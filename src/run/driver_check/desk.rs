//! The driver under check and the servers that its clients connect to: orders go out, and what comes of them is kept.

use super::super::drivers::{self, Meeting, NoDriver};
use super::super::surroundings;
use super::probe::{Came, Expected, Shown, judge, refusal, said};
use crate::peer::driver::protocol::Answers;
use crate::peer::driver::{Action, Answer, DriverProcess, Report};
use crate::peer::process::{Command, Exit, Ladder};
use crate::reference::server::{ScriptedAsk, Server, Setup, TaskSupport, ToolScript};
use crate::seat::host::Host;
use crate::seat::own::raised;
use crate::trace::Transport;
use crate::trace::event::{Body, Event};
use crate::trace::redact::Redactor;
use crate::transport::attach::Kept;
use crate::wire::Party;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How long an action may take.
const STEP: Duration = Duration::from_secs(5);
/// How long the next one may take once a driver was waited for in vain.
const SHORT: Duration = Duration::from_secs(1);
/// After so many actions without an answer a driver is given up.
const MOST_SILENT: usize = 3;
/// How long something that nothing must follow is waited for.
const SETTLE: Duration = Duration::from_millis(300);
/// How long a driver may take to end when its input has ended.
const END: Duration = Duration::from_secs(5);
/// More events than this are not kept, of the wire and of the driver.
const MOST_EVENTS: usize = 10_000;
/// Nor more bytes of messages.
const MOST_BYTES: usize = 32 << 20;

/// The members of a list on one page.
const PAGE: usize = 8;

/// What came of an order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Heard {
    /// Its answer.
    Answer(Answer),
    /// It was not answered as it should have been.
    Wrong(String),
    /// It was not given.
    Over(String),
}

/// A server that a client of the driver may connect to.
struct Served {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    _place: Option<Kept>,
}

/// One driver on one transport.
pub(super) struct Desk<'a> {
    driver: DriverProcess,
    transport: Transport,
    program: &'a Path,
    /// All that crossed the wire.
    pub(super) events: Vec<Event>,
    bytes: usize,
    redactor: Redactor,
    tell: mpsc::UnboundedSender<Body>,
    told: mpsc::UnboundedReceiver<Body>,
    served: Vec<Served>,
    /// What the driver told of itself: event, client, members.
    pub(super) heard: Vec<(String, String, Map<String, Value>)>,
    /// What was ordered, in words.
    ordered: BTreeMap<u64, String>,
    open: BTreeSet<u64>,
    answers: BTreeMap<u64, Answer>,
    /// What it did that no action asked for.
    wrongs: Vec<String>,
    silent: usize,
    /// Why no more is tried.
    over: Option<String>,
    interrupted: watch::Receiver<bool>,
    start: Instant,
    /// What came of the rows so far.
    pub(super) rows: Vec<(String, Came)>,
}

impl<'a> Desk<'a> {
    /// Starts a driver and has it say hello; gives what it says of itself.
    ///
    /// # Errors
    /// What is wrong with it, with what it wrote on standard error.
    pub(super) async fn open(
        command: &Command,
        transport: Transport,
        program: &'a Path,
        interrupted: watch::Receiver<bool>,
    ) -> Result<(Desk<'a>, Value), (String, Option<String>)> {
        let mut driver = DriverProcess::start(command).map_err(|e| (e.to_string(), e.stderr().map(str::to_owned)))?;
        let hello = match drivers::greet(&mut driver).await {
            Ok(hello) => hello,
            Err(NoDriver::Gone(why) | NoDriver::Wrong(why)) => {
                let stderr = driver.stop(&Ladder::default()).await;
                let stderr = Some(stderr).filter(|text| !text.trim().is_empty());
                return Err((format!("`{}`: {why}", command.line()), stderr));
            }
        };
        let (tell, told) = mpsc::unbounded_channel();
        let desk = Desk {
            driver,
            transport,
            program,
            events: Vec::new(),
            bytes: 0,
            redactor: Redactor::new(),
            tell,
            told,
            served: Vec::new(),
            heard: Vec::new(),
            ordered: BTreeMap::new(),
            open: BTreeSet::new(),
            answers: BTreeMap::new(),
            wrongs: Vec::new(),
            silent: 0,
            over: None,
            interrupted,
            start: Instant::now(),
            rows: vec![("hello".to_owned(), Came::Supported(Shown::Driver(hello.to_string())))],
        };
        Ok((desk, hello))
    }

    /// Has it connect a new client to a new server of ours.
    pub(super) async fn connect(
        &mut self,
        name: &str,
        revision: Option<&str>,
        capabilities: Value,
        answers: Option<Answers>,
    ) -> Heard {
        if let Some(why) = &self.over {
            return Heard::Over(why.clone());
        }
        let Meeting { link, to, place } = match drivers::meeting(self.transport, self.program).await {
            Ok(meeting) => meeting,
            Err(e) => {
                let why = format!("the harness cannot listen on the loopback interface: {e}");
                self.over = Some(why.clone());
                return Heard::Over(why);
            }
        };
        let mut host = Host::honest(Box::new(server()));
        host.record = Some(self.tell.clone());
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(host.run(link, stopped));
        self.served.push(Served { stop, task, _place: place });
        let revision = revision.map(str::to_owned);
        self.ask(Some(name), Action::Connect { to, revision, capabilities, answers }).await
    }

    /// The server of the client that came last goes.
    pub(super) async fn server_goes(&mut self) {
        if let Some(Served { stop, task, .. }) = self.served.pop() {
            // one that is gone already needs no telling
            let _ = stop.send(true);
            let _ = task.await;
        }
    }

    /// Orders something.
    pub(super) fn order(&mut self, client: Option<&str>, action: Action) -> u64 {
        let words = action.words();
        let id = self.driver.mover.order(client, action);
        self.ordered.insert(id, words);
        self.open.insert(id);
        id
    }

    /// Orders something, and waits for its answer.
    pub(super) async fn ask(&mut self, client: Option<&str>, action: Action) -> Heard {
        if let Some(why) = &self.over {
            return Heard::Over(why.clone());
        }
        let id = self.order(client, action);
        self.answer(id).await
    }

    /// Waits for the answer to an order.
    pub(super) async fn answer(&mut self, id: u64) -> Heard {
        let patience = if self.silent == 0 { STEP } else { SHORT };
        let until = Instant::now() + patience;
        loop {
            if let Some(answer) = self.answers.remove(&id) {
                self.drain();
                return Heard::Answer(answer);
            }
            if let Some(why) = &self.over {
                return Heard::Wrong(why.clone());
            }
            if !self.next(until).await {
                self.silent += 1;
                if self.silent >= MOST_SILENT {
                    self.over = Some(format!("it did not answer {MOST_SILENT} actions, and was given up"));
                }
                return Heard::Wrong(format!("it did not answer within {} s", patience.as_secs()));
            }
        }
    }

    /// Takes in the next thing that happens; says whether anything did until then.
    async fn next(&mut self, until: Instant) -> bool {
        let mut interrupted = self.interrupted.clone();
        let gone = self.over.is_some();
        tokio::select! {
            biased;
            () = raised(&mut interrupted), if !gone => {
                self.over = Some("the run was interrupted".to_owned());
            }
            Some(body) = self.told.recv() => self.record(body),
            report = self.driver.mover.reports.recv(), if !gone => match report {
                Some(report) => self.reported(report),
                None => self.over = Some("the driver is gone".to_owned()),
            },
            () = tokio::time::sleep_until(until) => return false,
        }
        true
    }

    /// Takes in what has happened already.
    fn drain(&mut self) {
        while let Ok(body) = self.told.try_recv() {
            self.record(body);
        }
    }

    /// Lets that much time pass.
    pub(super) async fn pass(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while self.next(until).await {}
    }

    /// Waits until something is so, or a deadline has passed.
    pub(super) async fn until(&mut self, within: Duration, is: impl Fn(&Desk<'_>) -> bool) -> bool {
        let until = Instant::now() + within;
        loop {
            self.drain();
            if is(self) {
                return true;
            }
            if !self.next(until).await {
                return false;
            }
        }
    }

    fn record(&mut self, body: Body) {
        if let Body::Message { text, .. } = &body {
            self.bytes += text.bytes().len();
        }
        if self.events.len() >= MOST_EVENTS || self.bytes > MOST_BYTES {
            let bytes = self.bytes;
            let why = format!("its clients sent more than {} events or {bytes} bytes", self.events.len());
            self.over.get_or_insert(why);
            return;
        }
        let seq = u32::try_from(self.events.len()).unwrap_or(u32::MAX);
        let at = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.events.push(self.redactor.event(Event { seq, at, body }));
    }

    fn reported(&mut self, report: Report) {
        match report {
            Report::Answer { id, answer } => {
                if self.open.remove(&id) {
                    self.answers.insert(id, answer);
                    return;
                }
                self.wrongs.push(match self.ordered.get(&id) {
                    Some(words) => format!("it answered action {id} ({words}) twice"),
                    None => format!("it answered action {id}, which nobody ordered"),
                });
            }
            Report::Event { event, client, members } => {
                if self.heard.len() >= MOST_EVENTS {
                    self.over.get_or_insert(format!("it told more than {MOST_EVENTS} events"));
                    return;
                }
                self.heard.push((event, client, members));
            }
            Report::Garbled(what) => {
                if self.wrongs.len() < MOST_SILENT {
                    self.wrongs.push(format!("it wrote {what}"));
                }
            }
            Report::Gone(how) => {
                self.over.get_or_insert(format!("the driver is gone: {how}"));
            }
        }
    }

    /// Notes what came of a row, unless the driver did something else that is wrong meanwhile.
    pub(super) fn row(&mut self, what: &str, came: Came) {
        let wrongs = std::mem::take(&mut self.wrongs);
        let came = if wrongs.is_empty() { came } else { Came::Wrong(wrongs.join("; ")) };
        self.rows.push((what.to_owned(), came));
    }

    /// A row about an action that makes its client send something.
    pub(super) async fn probe(&mut self, what: &str, client: &str, action: Action, expected: &Expected) -> Came {
        let from = self.events.len();
        let heard = self.ask(Some(client), action).await;
        let came = self.judged(from, client, heard, expected).await;
        self.row(what, came.clone());
        came
    }

    /// What follows from what was heard of an action, and seen since `from`.
    pub(super) async fn judged(&mut self, from: usize, client: &str, heard: Heard, expected: &Expected) -> Came {
        match heard {
            Heard::Over(why) => Came::NotReached(why),
            Heard::Wrong(why) => Came::Wrong(why),
            Heard::Answer(Answer::Unsupported(why)) => {
                let seen = self.fenced(from, client, expected).await;
                refusal(&why, &seen)
            }
            Heard::Answer(answer) => {
                // what is no request need not have come yet
                self.until(SETTLE, |desk| expected.find(desk.since(from)).is_some()).await;
                judge(&answer, expected, self.since(from))
            }
        }
    }

    /// What came since then.
    pub(super) fn since(&self, from: usize) -> &[Event] {
        self.events.get(from..).unwrap_or_default()
    }

    /// What came since then when nothing more can come of it: behind a ping, where the driver has one.
    async fn fenced(&mut self, from: usize, client: &str, expected: &Expected) -> Vec<Event> {
        self.drain();
        let fence = self.events.len();
        if expected.what != super::probe::Sought::Method("ping") && client != NOBODY {
            self.ask(Some(client), Action::Ping).await;
        }
        self.pass(SETTLE / 3).await;
        let seen = self.since(from).to_vec();
        let before = fence.saturating_sub(from);
        let pings = said(seen.get(before..).unwrap_or_default())
            .filter(|(_, from, message)| *from == Party::Client && message.method() == Some("ping"))
            .map(|(event, _, _)| event.seq);
        let pings: Vec<u32> = pings.take(1).collect();
        seen.into_iter().filter(|event| !pings.contains(&event.seq)).collect()
    }

    /// Ends its input while a client may be connected, and waits for its end. Gives the rows.
    pub(super) async fn end(mut self) -> Vec<(String, Came)> {
        let over = self.over.clone();
        if over.is_none() {
            self.pass(SETTLE / 3).await;
        }
        let Desk { driver, served, mut rows, mut wrongs, .. } = self;
        let begin = Instant::now();
        let exit = driver.process().ending();
        let ladder = Ladder { input: if over.is_some() { SETTLE } else { END }, ..Ladder::default() };
        driver.stop(&ladder).await;
        let took = begin.elapsed();
        let exit = exit.await;
        let came = match (over, exit) {
            (Some(why), _) => Came::NotReached(why),
            (None, Exit { code: Some(0), .. }) if took < END => {
                Came::Supported(Shown::Driver("exit code 0".to_owned()))
            }
            (None, exit) if took < END => Came::Wrong(format!("when its input ended, {exit} in place of 0")),
            (None, _) => Came::Wrong(format!("it did not end within {} s when its input ended", END.as_secs())),
        };
        wrongs.truncate(MOST_SILENT);
        rows.push(("end of input".to_owned(), if wrongs.is_empty() { came } else { Came::Wrong(wrongs.join("; ")) }));
        for Served { stop, task, .. } in served {
            // one that is gone already needs no telling
            let _ = stop.send(true);
            let _ = task.await;
        }
        rows
    }
}

/// The name of a client that there never is.
pub(super) const NOBODY: &str = "nobody";

/// The tools by which the server asks, one for each method.
pub(super) const FORM: &str = "check_elicitation";
pub(super) const SAMPLING: &str = "check_sampling";
pub(super) const ROOTS: &str = "check_roots";

/// The reference server, with tools that ask.
fn server() -> Server {
    let mut setup = Setup::new(surroundings::real());
    setup.dialect.page_size = Some(PAGE);
    let mut server = Server::new(setup);
    let form = json!({
        "message": "Go on?",
        "requestedSchema": {
            "type": "object",
            "properties": { "confirm": { "type": "boolean" } },
            "required": ["confirm"],
        },
    });
    let prompt = json!({
        "messages": [{ "role": "user", "content": { "type": "text", "text": "Hello" } }],
        "maxTokens": 100,
    });
    for (name, method, params) in [
        (FORM, "elicitation/create", form),
        (SAMPLING, "sampling/createMessage", prompt),
        (ROOTS, "roots/list", json!({})),
    ] {
        let asks = vec![ScriptedAsk { method: method.to_owned(), params }];
        let answer = json!({ "content": [{ "type": "text", "text": "done" }] });
        let input_schema = json!({ "type": "object" });
        server.scripted(name, ToolScript { task_support: TaskSupport::Forbidden, input_schema, asks, answer });
    }
    server
}
