//! The observer's seat: a link between two parties that are not ours, recorded and followed.

use super::director::{Client, Director};
use super::leave::Ended;
use super::own::raised;
use super::{Play, Recorder, needs};
use crate::trace::Transport;
use crate::trace::event::{Body, Closing, EndReason};
use crate::transport::{Link, LinkWhat};
use crate::wire::json::Limits;
use crate::wire::{Message, Party};
use bytes::Bytes;
use std::time::Duration;
use tokio::sync::watch;

/// Follows a play between two parties until its course is complete and the client has left, or nothing comes of it any
/// more.
pub async fn watch<'m>(
    play: &Play,
    mut link: Link,
    client: Client<'m>,
    mut interrupted: watch::Receiver<bool>,
) -> Ended<'m> {
    let mut recorder = Recorder::new(play.exchange());
    let transport = link.transport();
    let mut gone = Gone::default();
    let mut finished_at = None;
    let mut director = Director::new(play, client, &mut recorder);
    let mut ended = None;
    let reason = loop {
        recorder.tick();
        director.go_on(play, &mut recorder);
        let now = recorder.now();
        let finished = recorder.exchange().finished();
        if finished {
            finished_at.get_or_insert(now);
        }
        if let Some(reason) = ended.take() {
            // a client leaves when it has got what it wanted
            let left = finished && matches!(reason, EndReason::Gone { party: Party::Client, .. });
            break if left { EndReason::Finished } else { reason };
        }
        // a complete course lingers until the client leaves: its application may still be busy with what it got
        let over = [
            finished_at.map(|at| at + play.patience.step),
            director.left().map(|at| at + play.patience.settle),
            gone.party().map(|_| now),
        ];
        let lingers = over.into_iter().flatten().min().filter(|until| now < *until);
        let due = recorder.exchange().due_at();
        if finished && lingers.is_none() {
            break EndReason::Finished;
        }
        if let (Some((party, how)), false) = (gone.told(now, play.patience.settle), finished) {
            break EndReason::Gone { party, how };
        }
        if !finished && due.is_some_and(|due| now >= due) || now >= play.cap || recorder.len() >= play.most_events {
            break EndReason::Deadline;
        }
        let mut wake: Vec<Duration> = vec![play.cap];
        wake.extend(due.filter(|_| !finished));
        wake.extend(lingers.filter(|_| finished));
        wake.extend(gone.closed.as_ref().map(|(at, _)| *at + play.patience.settle));
        wake.extend(recorder.exchange().settles_at());
        let until = recorder.instant(wake.into_iter().min().unwrap_or(play.cap));
        tokio::select! {
            biased;
            () = raised(&mut interrupted) => break EndReason::Interrupted,
            event = link.next() => match event {
                None => gone.is(Party::Client, "it closed the connection"),
                Some(event) => match event.what {
                    LinkWhat::Record(body) => {
                        gone.sees(&body, transport, now);
                        if let Body::Message { from: Party::Client, text, .. } = &body {
                            let message = Message::read(Bytes::from(text.bytes()), &Limits::default());
                            // one that does not declare what the file needs of it will not be asked for it
                            let lacking = needs::lacking(play, &message);
                            ended = ended.or(lacking.map(|reason| EndReason::NotApplicable { reason }));
                        }
                        recorder.record(body);
                    }
                    LinkWhat::SessionClosed => gone.is(Party::Client, "it ended the session"),
                    LinkWhat::SessionOpened => {}
                },
            },
            report = director.next() => ended = director.came(report, &mut recorder),
            () = tokio::time::sleep_until(until) => {}
        }
    };
    if gone.party() == Some(Party::Client) {
        director.went();
    }
    let reason = director.conclude(reason).await;
    let reason = or_not_started(play, &mut recorder, reason);
    recorder.record(Body::End { reason });
    Ended { recorder, link, sessions: Vec::new(), director: Some(director) }
}

/// A party that left or was waited for in vain before it said anything may not have been able to start.
fn or_not_started(play: &Play, recorder: &mut Recorder, reason: EndReason) -> EndReason {
    let how = match &reason {
        EndReason::Deadline => format!("nothing came of it within {} s", recorder.now().as_secs()),
        EndReason::Gone { how, .. } => how.clone(),
        _ => return reason,
    };
    let heard = |party| recorder.exchange_ref().heard(party);
    let of_server = matches!(reason, EndReason::Gone { party: Party::Server, .. });
    if !of_server && !heard(Party::Client) {
        // of a client that does not come nothing can be said
        return EndReason::NotApplicable { reason: format!("the client never connected: {how}") };
    }
    let of_client = matches!(reason, EndReason::Gone { party: Party::Client, .. });
    if !of_client && !heard(Party::Server) && !play.again {
        return EndReason::NotStarted { how: format!("the server said nothing at all: {how}") };
    }
    reason
}

/// Who has gone, and how.
#[derive(Debug, Default)]
struct Gone {
    gone: Option<(Party, String)>,
    /// The server has closed its output, and how its program ended says more.
    closed: Option<(Duration, String)>,
}

impl Gone {
    /// The first that goes is the one that counts: what the other does then follows from it.
    fn is(&mut self, party: Party, how: &str) {
        if self.closed.is_none() || party == Party::Server {
            self.gone.get_or_insert_with(|| (party, how.to_owned()));
        }
    }

    fn party(&self) -> Option<Party> {
        self.gone.as_ref().map(|(party, _)| *party).or(self.closed.as_ref().map(|_| Party::Server))
    }

    /// Who has gone, once it is known how; that is waited for so long.
    fn told(&self, now: Duration, settle: Duration) -> Option<(Party, String)> {
        let closed = self.closed.as_ref().filter(|(at, _)| now >= *at + settle);
        self.gone.clone().or(closed.map(|(_, how)| (Party::Server, how.clone())))
    }

    fn sees(&mut self, body: &Body, transport: Transport, now: Duration) {
        match body {
            // over HTTP streams come and go
            Body::StreamClosed { by: Some(party), how, .. } if transport == Transport::Stdio => match (party, how) {
                (_, Closing::Cut(why) | Closing::Bound(why)) => self.is(*party, why),
                (Party::Client, Closing::Clean) => self.is(Party::Client, "it closed its output"),
                (Party::Server, Closing::Clean) if self.gone.is_none() => {
                    self.closed.get_or_insert_with(|| (now, "it closed its output".to_owned()));
                }
                (Party::Server, Closing::Clean) => {}
            },
            Body::ProcessExited { party, ours: false, code, signal } => {
                let how = match (code, signal) {
                    (Some(code), _) => format!("it exited with code {code}"),
                    (None, Some(signal)) => format!("it was ended by signal {signal}"),
                    (None, None) => "it exited".to_owned(),
                };
                self.is(*party, &how);
            }
            _ => {}
        }
    }
}
