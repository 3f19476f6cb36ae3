//! The observer's seat: a link between two parties that are not ours, recorded and followed.

use super::director::{Client, Director};
use super::own::raised;
use super::{Play, Recorder};
use crate::trace::Transport;
use crate::trace::event::{Body, Closing, EndReason, Event};
use crate::transport::{Link, LinkWhat};
use crate::wire::Party;
use std::time::Duration;
use tokio::sync::watch;

/// Follows a play between two parties until its course is complete and the client has left, or nothing comes of it any
/// more.
pub async fn watch(
    play: &Play,
    mut link: Link,
    client: Client<'_>,
    mut interrupted: watch::Receiver<bool>,
) -> Vec<Event> {
    let mut recorder = Recorder::new(play.exchange());
    let http = link.transport() == Transport::Http;
    let mut gone: Option<(Party, String)> = None;
    let mut finished_at = None;
    let mut director = Director::new(play, client, &mut recorder);
    let mut ended = None;
    let reason = loop {
        recorder.tick();
        director.go_on(play, &mut recorder);
        if let Some(reason) = ended.take() {
            break reason;
        }
        let now = recorder.now();
        let finished = recorder.exchange().finished();
        if finished && finished_at.is_none() {
            finished_at = Some(now);
        }
        // a complete course lingers until the client leaves: its application may still be busy with what it got
        let lingers = finished_at.is_some_and(|at| now < at + play.patience.step);
        let due = recorder.exchange().due_at();
        if finished && (gone.is_some() || !lingers) {
            break EndReason::Finished;
        }
        if let (Some((party, how)), false) = (&gone, finished) {
            break EndReason::Gone { party: *party, how: how.clone() };
        }
        if !finished && due.is_some_and(|due| now >= due) || now >= play.cap || recorder.len() >= play.most_events {
            break EndReason::Deadline;
        }
        let mut wake: Vec<Duration> = vec![play.cap];
        wake.extend(due.filter(|_| !finished));
        wake.extend(finished_at.map(|at| at + play.patience.step));
        wake.extend(recorder.exchange().settles_at());
        let until = recorder.instant(wake.into_iter().min().unwrap_or(play.cap));
        tokio::select! {
            biased;
            () = raised(&mut interrupted) => break EndReason::Interrupted,
            event = link.next() => match event {
                None => {
                    gone.get_or_insert((Party::Client, "it closed the connection".to_owned()));
                }
                Some(event) => match event.what {
                    LinkWhat::Record(body) => {
                        gone = gone.or_else(|| leaves(&body, http));
                        recorder.record(body);
                    }
                    LinkWhat::SessionClosed => {
                        gone.get_or_insert((Party::Client, "it ended the session".to_owned()));
                    }
                    LinkWhat::SessionOpened => {}
                },
            },
            report = director.next() => ended = director.came(report, &mut recorder),
            () = tokio::time::sleep_until(until) => {}
        }
    };
    let events = recorder.end(reason);
    link.finish(Duration::from_secs(2)).await;
    events
}

/// Who has left with this event, and how.
fn leaves(body: &Body, http: bool) -> Option<(Party, String)> {
    match body {
        // over HTTP streams come and go
        Body::StreamClosed { by: Some(party), how: Closing::Cut(why) | Closing::Bound(why), .. } if !http => {
            Some((*party, why.clone()))
        }
        Body::ProcessExited { party, ours: false, .. } => Some((*party, "it exited".to_owned())),
        _ => None,
    }
}
