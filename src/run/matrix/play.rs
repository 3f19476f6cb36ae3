//! The plays of one pair: what they tell each other, and when enough is enough.

use super::between::{self, Between};
use super::{Cell, ClientPeer, Fleeting, Options, ServerPeer};
use crate::conversation::Conversation;
use crate::judge::finding::Blame;
use crate::judge::versions::{Offers, offers};
use crate::judge::{self, Outcome};
use crate::peer::baseline::FindingKey;
use crate::peer::words;
use crate::run::agenda::{Closed, skipped};
use crate::run::client::Unready;
use crate::run::pace::Pace;
use crate::run::pair::header;
use crate::run::{Played, Skipped, Trouble};
use crate::seat::Play;
use crate::seat::own::raised;
use crate::spec::Revision;
use crate::trace::event::EndReason;
use crate::trace::{Trace, Transport};
use crate::wire::Party;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::watch::{self, Receiver};
use tokio::time::Instant;

/// After so many plays, one after the other, in which a party could not be started or its driver was at fault, the pair is
/// given up.
const MOST_SILENT: usize = 3;

/// What came of a play.
pub(super) enum Came {
    Played(Box<Played>),
    Skipped(Skipped),
    /// The user wanted no more.
    Interrupted,
}

/// One client and one server.
pub(super) struct Pair<'a> {
    client: &'a ClientPeer,
    server: &'a ServerPeer,
    between: Between<'a>,
    options: &'a Options,
    interrupted: Receiver<bool>,
    state: RefCell<State>,
}

/// What the plays tell each other.
struct State {
    paces: [Pace; 2],
    took: Duration,
    silent: usize,
    /// Why no more is played.
    given_up: Option<(String, Option<Trouble>)>,
    /// The findings that were seen on a fresh process.
    confirmed: BTreeSet<FindingKey>,
    fleeting: Vec<Fleeting>,
    offers: Option<Offers>,
}

impl<'a> Pair<'a> {
    pub(super) fn new(
        client: &'a ClientPeer,
        server: &'a ServerPeer,
        between: Between<'a>,
        options: &'a Options,
        interrupted: Receiver<bool>,
    ) -> Pair<'a> {
        let state = State {
            paces: [Party::Client, Party::Server].map(|party| Pace::of(party, options.patience)),
            took: Duration::ZERO,
            silent: 0,
            given_up: None,
            confirmed: BTreeSet::new(),
            fleeting: Vec::new(),
            offers: None,
        };
        Pair { client, server, between, options, interrupted, state: RefCell::new(state) }
    }

    /// Puts what is known of the pair beside its plays.
    pub(super) fn conclude(self, cell: &mut Cell, transport: Transport) {
        let State { given_up, fleeting, offers, took, .. } = self.state.into_inner();
        debug_assert_eq!(cell.transport, transport);
        cell.results.troubles.extend(given_up.and_then(|(_, trouble)| trouble));
        cell.fleeting = fleeting;
        cell.offers = offers;
        cell.took = took;
    }

    /// Plays, unless the pair was given up.
    pub(super) async fn play(&self, play: Play) -> Came {
        if *self.interrupted.borrow() {
            return Came::Interrupted;
        }
        let transport = play.plan.transport();
        let skip = |reason: &str| Came::Skipped(skipped(play.plan.scenario(), transport, reason));
        let given_up = self.state.borrow().given_up.as_ref().map(|(reason, _)| reason.clone());
        if let Some(reason) = given_up {
            return skip(&reason);
        }
        let left = self.options.cell_time.saturating_sub(self.state.borrow().took);
        if left.is_zero() {
            return skip(&self.over(transport));
        }
        let paced = self.paced(play.clone());
        let began = Instant::now();
        let came = self.confirmed(&paced, began + left).await;
        self.state.borrow_mut().took += began.elapsed();
        match came {
            Ok(Some(played)) => {
                self.note(&played, transport);
                match self.other_revision(&played, play.revision) {
                    // what it shows is of that one
                    Some(reason) => skip(&reason),
                    None => Came::Played(Box::new(played)),
                }
            }
            Ok(None) if *self.interrupted.borrow() => Came::Interrupted,
            Ok(None) => skip(&self.over(transport)),
            Err(Unready::NeverCame(how)) => {
                let reason = format!("the client never connected: {how}");
                self.state.borrow_mut().given_up.get_or_insert((reason.clone(), None));
                skip(&reason)
            }
            Err(Unready::Closed(closed)) => {
                let reason = format!("the pair could not be tested over {transport}: {}", closed.what);
                let trouble = closed.trouble(transport);
                self.state.borrow_mut().given_up.get_or_insert((reason.clone(), Some(trouble)));
                skip(&reason)
            }
        }
    }

    /// The time of the cell is over.
    fn over(&self, transport: Transport) -> String {
        let what = format!("the time of the cell, {} s, was over", self.options.cell_time.as_secs());
        let closed = Closed { what: what.clone(), stderr: None, blame: Blame::Environment };
        self.state.borrow_mut().given_up.get_or_insert((what.clone(), Some(closed.trouble(transport))));
        what
    }

    /// With the patience that the two have earned.
    fn paced(&self, play: Play) -> Play {
        let mut patience = self.options.patience;
        patience.step =
            self.state.borrow().paces.iter().map(|pace| pace.patience().step).max().unwrap_or(patience.step);
        if play.plan.transport() == Transport::Http {
            // what listens is up already
            patience.start = patience.step;
        }
        // an application that the file has think is not slow
        patience.step += play.plan.actions().filter_map(|action| action.after).max().unwrap_or_default();
        Play { patience, ..play }
    }

    /// Plays; what shows for the first time on a process that was played with is played again on a fresh one.
    async fn confirmed(&self, play: &Play, until: Instant) -> Result<Option<Played>, Unready> {
        let Some((mut played, used)) = self.once(play, false, until).await? else { return Ok(None) };
        let mut keys = keys(&played);
        let not_started = matches!(played.trace.end(), Some(EndReason::NotStarted { .. }));
        let new = used && keys.iter().any(|key| !self.state.borrow().confirmed.contains(key));
        if (new || not_started) && Instant::now() < until && !*self.interrupted.borrow() {
            let again = Play { again: not_started, ..play.clone() };
            if let Some((second, _)) = self.once(&again, true, until).await? {
                // one that was cut short says nothing against the first
                if second.trace.end() != Some(&EndReason::Interrupted) {
                    let came = self::keys(&second);
                    if !not_started {
                        let lost = played
                            .judgement
                            .findings
                            .iter()
                            .filter(|f| !came.contains(&FindingKey::of(&played.scenario, f)));
                        let fleeting = lost.map(|f| Fleeting {
                            scenario: played.scenario.clone(),
                            key: FindingKey::of(&played.scenario, f),
                            found: f.found.clone(),
                        });
                        self.state.borrow_mut().fleeting.extend(fleeting);
                    }
                    (played, keys) = (second, came);
                }
            }
        } else if used {
            keys.clear();
        }
        self.state.borrow_mut().confirmed.extend(keys);
        Ok(Some(played))
    }

    /// Plays once; says too whether the server's process had been played with.
    async fn once(&self, play: &Play, fresh: bool, until: Instant) -> Result<Option<(Played, bool)>, Unready> {
        let (cut, is_cut) = watch::channel(false);
        let came = {
            let playing = self.between.play(play, fresh, is_cut);
            tokio::pin!(playing);
            let mut interrupted = self.interrupted.clone();
            tokio::select! {
                came = &mut playing => came?,
                () = enough(&mut interrupted, until) => {
                    cut.send_replace(true);
                    playing.await?
                }
            }
        };
        let Some(between::Came { events, used }) = came else { return Ok(None) };
        let header = header(play, &self.client.name, &self.server.name, self.server.bound.clone());
        let trace = Trace { header, events };
        let judgement = judge::judge(&trace);
        let scenario = play.plan.scenario();
        let (id, transport) = (scenario.id.clone(), play.plan.transport());
        let chosen = [&self.client.words, &self.server.words, &self.options.words].into_iter().flatten();
        let again = format!(
            "pair {} --scenario '{id}' --transport {transport}",
            words::join(&chosen.cloned().collect::<Vec<String>>())
        );
        Ok(Some((Played { scenario: id, title: scenario.title.clone(), trace, judgement, again }, used)))
    }

    /// Why a play says nothing of that revision: the two agreed on another one.
    fn other_revision(&self, played: &Played, revision: Revision) -> Option<String> {
        let offers = offers(&Conversation::of(&played.trace.header, &played.trace.events))?;
        if !offers.agreed || offers.server == revision.as_str() {
            return None;
        }
        let reason = format!("the two agreed on {}, not on {revision}", offers.server);
        let mut state = self.state.borrow_mut();
        state.given_up.get_or_insert((reason.clone(), None));
        state.offers.get_or_insert(offers);
        Some(reason)
    }

    /// Learns from a play.
    fn note(&self, played: &Played, transport: Transport) {
        let mut state = self.state.borrow_mut();
        for pace in &mut state.paces {
            pace.note(&played.trace);
        }
        if let Outcome::Apart { client, server } = &played.judgement.outcome {
            let offers = Offers { client: client.clone(), server: server.clone(), agreed: false };
            state.given_up.get_or_insert(("the two have no revision in common".to_owned(), None));
            state.offers.get_or_insert(offers);
        }
        match played.trace.end() {
            // only a driver that is at fault, or a program that does not start, ends a play like this
            Some(EndReason::NotStarted { how }) => {
                state.silent += 1;
                if state.silent >= MOST_SILENT {
                    let what = format!("the pair was given up: {how}");
                    let closed = Closed { what: what.clone(), stderr: None, blame: Blame::Environment };
                    state.given_up.get_or_insert((what, Some(closed.trouble(transport))));
                }
            }
            Some(EndReason::NotApplicable { reason }) if reason.starts_with("the client never connected") => {
                state.silent += 1;
                if state.silent >= MOST_SILENT {
                    state.given_up.get_or_insert((reason.clone(), None));
                }
            }
            _ => state.silent = 0,
        }
        if state.paces.iter().any(Pace::spent) {
            let reason = "the pair was given up: it was waited for in vain too long".to_owned();
            state.given_up.get_or_insert((reason, None));
        }
    }
}

/// Until the user wants no more, or the time is over.
async fn enough(interrupted: &mut Receiver<bool>, until: Instant) {
    tokio::select! {
        () = raised(interrupted) => {}
        () = tokio::time::sleep_until(until) => {}
    }
}

/// What was found in a play.
fn keys(played: &Played) -> BTreeSet<FindingKey> {
    played.judgement.findings.iter().map(|f| FindingKey::of(&played.scenario, f)).collect()
}
