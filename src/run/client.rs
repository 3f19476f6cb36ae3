//! The server's seat against one client: every scenario that a client can be moved through, on every transport.

use super::agenda::{Agenda, Closed, skipped};
use super::crew::crew;
use super::habits::Habit;
use super::pace::Pace;
use super::pair::{capabilities, header, server_of};
use super::traces::Keeper;
use super::{Played, Results, Skipped, Trouble};
use crate::judge;
use crate::judge::finding::Blame;
use crate::peer::driver::{Mover, Target};
use crate::reference::Surroundings;
use crate::scenario::Scenario;
use crate::scenario::exchange::Patience;
use crate::seat::alone::Moved;
use crate::seat::{Play, director, own};
use crate::spec::Revision;
use crate::trace::event::EndReason;
use crate::trace::{Seat, Trace, Transport};
use crate::transport::Link;
use crate::wire::Party;
use crate::wire::http::ServerPolicy;
use serde_json::Map;
use std::cell::RefCell;
use std::future::Future;
use tokio::sync::watch;

/// After so many plays in which the client did not come, or its driver was at fault, it is given up.
const MOST_SILENT: usize = 3;

/// Our end for one play, and the client that is to come to it.
pub struct Opened<H> {
    /// Our end.
    pub link: Link,
    /// Where the client is to connect to.
    pub to: Target,
    /// The client.
    pub held: H,
}

/// A client under test, which can be moved again and again.
pub trait Clients {
    /// One that is ready to be moved.
    type Held;
    /// Gets one ready. `policy` is how our end behaves over HTTP.
    ///
    /// # Errors
    /// When it cannot be started.
    fn open(&self, play: &Play, policy: ServerPolicy) -> impl Future<Output = Result<Opened<Self::Held>, Unready>>;
    /// The way to it; `None`: it moves by itself.
    fn mover<'h>(&self, held: &'h mut Self::Held) -> Option<&'h mut Mover>;
    /// Has one that is opened still to come up?
    fn starts(&self) -> bool {
        false
    }
    /// Why it cannot play a scenario, if it cannot.
    fn barred(&self, _: &Scenario) -> Option<&'static str> {
        None
    }
    /// The play is over. `well`: the client has left as it was told. Gives what it wrote on its standard error.
    fn close(&self, held: Self::Held, well: bool) -> impl Future<Output = Option<String>>;
}

/// Why there is no client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unready {
    /// It never came, for that reason: nothing can be said of it.
    NeverCame(String),
    /// It could not be tested.
    Closed(Closed),
}

/// What is played, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The name of the client in reports.
    pub name: String,
    /// The words that choose this client on the command line: `--peer x`; empty for the embedded one.
    pub words: String,
    /// The revision.
    pub revision: Revision,
    /// The transports.
    pub transports: Vec<Transport>,
    /// How long things may take.
    pub patience: Patience,
    /// How many plays may be under way at once, each with a client of its own; at least one is.
    pub jobs: usize,
    /// The odd but legal habit of our server, if it has one; what cannot be played with it is left out.
    pub habit: Option<Habit>,
}

/// Plays all scenarios against a client, in the order of selection. `random` gives 64 random bits a call; `surroundings` is
/// asked for once a play.
pub async fn client<C: Clients>(
    clients: &C,
    scenarios: &[Scenario],
    options: &Options,
    surroundings: &mut dyn FnMut() -> Surroundings,
    random: &mut dyn FnMut() -> u64,
    interrupted: watch::Receiver<bool>,
    keeper: &mut Keeper,
) -> Results {
    let mut results = Results {
        seat: Seat::Server,
        peer: options.name.clone(),
        revision: options.revision,
        played: Vec::new(),
        skipped: Vec::new(),
        troubles: Vec::new(),
        unkept: Vec::new(),
        interrupted: false,
    };
    let agenda = Agenda { seat: Seat::Server, revision: options.revision, patience: options.patience };
    let (chosen, barred): (Vec<&Scenario>, Vec<&Scenario>) =
        agenda.chosen(scenarios).into_iter().partition(|scenario| clients.barred(scenario).is_none());
    let surroundings = RefCell::new(surroundings);
    let keeper = RefCell::new(keeper);
    for transport in options.transports.iter().copied() {
        if *interrupted.borrow() {
            break;
        }
        let Some(held) = agenda.over(&chosen, transport, &mut results.skipped) else { continue };
        let plays = held.into_iter().filter(|s| options.habit.is_none_or(|habit| habit.applies(s, transport)));
        let plays = plays.flat_map(|s| agenda.plays(s.clone(), transport, random)).collect::<Vec<Play>>();
        let state = RefCell::new(State { pace: Pace::of(Party::Client, options.patience), silent: 0, given_up: None });
        let run = Run { clients, options, transport, interrupted: interrupted.clone(), state };
        for came in crew(options.jobs, plays, |play| run.kept(play, &surroundings, &keeper)).await {
            match came {
                Came::Played(played) => results.played.push(*played),
                Came::Skipped(skipped) => results.skipped.push(skipped),
                Came::Interrupted => {}
            }
        }
        results.troubles.extend(run.state.into_inner().given_up.and_then(|(_, trouble)| trouble));
    }
    results.interrupted = *interrupted.borrow();
    if results.played.is_empty() && results.skipped.is_empty() && !results.interrupted {
        let why = |s: &&Scenario| Some(skipped(s, *options.transports.first()?, clients.barred(s)?));
        results.skipped = match barred.is_empty() {
            true => agenda.ruled_out(scenarios, &options.transports),
            false => barred.iter().filter_map(why).collect(),
        };
    }
    results
}

/// What came of a play.
enum Came {
    Played(Box<Played>),
    Skipped(Skipped),
    /// The user wanted no more.
    Interrupted,
}

/// The plays over one transport, several of which may be under way.
struct Run<'a, C> {
    clients: &'a C,
    options: &'a Options,
    transport: Transport,
    interrupted: watch::Receiver<bool>,
    state: RefCell<State>,
}

/// What the plays tell each other.
struct State {
    pace: Pace,
    /// In how many plays one after the other the client did not come, or its driver was at fault.
    silent: usize,
    /// Why no more is played: for those that are left, and as it is told.
    given_up: Option<(String, Option<Trouble>)>,
}

impl<C: Clients> Run<'_, C> {
    /// Plays, and keeps of the record what is to be kept.
    async fn kept(
        &self,
        play: Play,
        surroundings: &RefCell<&mut dyn FnMut() -> Surroundings>,
        keeper: &RefCell<&mut Keeper>,
    ) -> Came {
        let mut came = self.play(play, surroundings).await;
        if let Came::Played(played) = &mut came {
            keeper.borrow_mut().judged(played);
        }
        came
    }

    /// Plays, unless the client was given up.
    async fn play(&self, play: Play, surroundings: &RefCell<&mut dyn FnMut() -> Surroundings>) -> Came {
        if *self.interrupted.borrow() {
            return Came::Interrupted;
        }
        let scenario = play.plan.scenario();
        let given_up = self.state.borrow().given_up.as_ref().map(|(reason, _)| reason.clone());
        if let Some(reason) = given_up {
            return Came::Skipped(skipped(scenario, self.transport, &reason));
        }
        let mut patience = self.state.borrow().pace.patience();
        if !self.clients.starts() {
            // its driver has come up already, and said hello
            patience.start = patience.step;
        }
        // an application that the file has think is not slow
        patience.step += play.plan.actions().filter_map(|action| action.after).max().unwrap_or_default();
        let play = Play { patience, ..play.clone() };
        match self.one(&play, surroundings).await {
            Ok((played, hangs)) => {
                let mut state = self.state.borrow_mut();
                state.pace.note(&played.trace);
                match played.trace.end() {
                    Some(EndReason::NotApplicable { reason }) if !has_spoken(&played.trace) => {
                        state.silent += 1;
                        if state.silent >= MOST_SILENT {
                            state.given_up.get_or_insert((reason.clone(), None));
                        }
                    }
                    // only a driver that is at fault ends a play like this
                    Some(EndReason::NotStarted { how }) => {
                        state.silent += 1;
                        if state.silent >= MOST_SILENT || hangs {
                            let what = format!("it was given up: {how}");
                            let reason = format!("the client could not be tested over {}: {how}", self.transport);
                            let closed = Closed { what, stderr: None, blame: Blame::Environment };
                            state.given_up.get_or_insert((reason, Some(closed.trouble(self.transport))));
                        }
                    }
                    _ => state.silent = 0,
                }
                if state.pace.spent() && state.given_up.is_none() {
                    let what = "it was waited for in vain too long".to_owned();
                    let reason = format!("the client was given up over {}: {what}", self.transport);
                    let closed = Closed { what, stderr: None, blame: Blame::Client };
                    state.given_up = Some((reason, Some(closed.trouble(self.transport))));
                }
                Came::Played(Box::new(played))
            }
            Err(Unready::NeverCame(how)) => {
                let reason = format!("the client never connected: {how}");
                self.state.borrow_mut().given_up.get_or_insert((reason.clone(), None));
                Came::Skipped(skipped(play.plan.scenario(), self.transport, &reason))
            }
            Err(Unready::Closed(closed)) => {
                let reason = format!("the client could not be tested over {}: {}", self.transport, closed.what);
                let trouble = closed.trouble(self.transport);
                self.state.borrow_mut().given_up.get_or_insert((reason.clone(), Some(trouble)));
                Came::Skipped(skipped(play.plan.scenario(), self.transport, &reason))
            }
        }
    }

    /// Plays; says too whether the driver answers nothing any more.
    async fn one(
        &self,
        play: &Play,
        surroundings: &RefCell<&mut dyn FnMut() -> Surroundings>,
    ) -> Result<(Played, bool), Unready> {
        let mut server = {
            let surroundings = &mut *surroundings.borrow_mut();
            server_of(play, surroundings(), self.options.habit.map(|habit| habit.server))
        };
        let mut policy = ServerPolicy::reference();
        if let Some(habit) = self.options.habit {
            (habit.http)(&mut policy);
        }
        let Opened { link, to, mut held } = self.clients.open(play, policy).await?;
        let client = match self.clients.mover(&mut held) {
            Some(mover) => Moved::Driven(director::Client { mover, to, capabilities: capabilities(play) }),
            None => Moved::Alone,
        };
        let alone = matches!(client, Moved::Alone);
        let ended = own::play(play, &mut server, &mut [], link, Some(client), self.interrupted.clone()).await;
        let hangs = ended.driver_hangs();
        let (ended, well) = ended.client_left().await;
        let events = ended.leave(async { drop(self.clients.close(held, well).await) }).await;
        let mut header = header(play, &self.options.name, "mcp-interop", Map::new());
        // what the application of one that moves by itself gets, nobody tells
        header.captured.retain(|kind| !alone || kind != "saw");
        let trace = Trace { header, events };
        let judgement = judge::judge(&trace);
        let scenario = play.plan.scenario();
        let words = &self.options.words;
        let gap = if words.is_empty() { "" } else { " " };
        // what follows `--` comes last
        let which = format!("--scenario '{}' --transport {}", scenario.id, play.plan.transport());
        let again = match words.split_once("-- ") {
            Some((options, command)) if options.is_empty() || options.ends_with(' ') => {
                format!("client {options}{which} -- {command}")
            }
            _ => format!("client{gap}{words} {which}"),
        };
        let (scenario, title) = (scenario.id.clone(), scenario.title.clone());
        Ok((Played { scenario, title, trace, judgement, again }, hangs))
    }
}

/// Did anything at all come of the client?
fn has_spoken(trace: &Trace) -> bool {
    use crate::trace::Body;
    let said = |body: &Body| matches!(body, Body::Message { from: Party::Client, .. } | Body::HttpRequest { .. });
    trace.events.iter().any(|event| said(&event.body))
}
