//! How the parties leave when the course is over: the client ends its sessions and its output, and what the other party does
//! then is recorded behind the end, with the ids that events had on the streams until then. What it still says is not.

use super::Recorder;
use super::director::Director;
use crate::reference::SessionKey;
use crate::trace::Transport;
use crate::trace::event::{Body, EndReason, Event};
use crate::transport::{Link, LinkEvent, LinkWhat, Order};
use crate::wire::Party;
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;

/// How long the end of the sessions and of what is on its way may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a link whose other end is gone may take to hand over the last of it.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A play whose course is over.
#[derive(Debug)]
pub struct Ended<'m> {
    pub(super) recorder: Recorder,
    pub(super) link: Link,
    /// The sessions that are not over, each with the client it is of (`None`: the first).
    pub(super) sessions: Vec<(SessionKey, Option<String>)>,
    /// Who moves the client.
    pub(super) director: Option<Director<'m>>,
}

impl Ended<'_> {
    /// Did the course come to its end?
    #[must_use]
    pub fn finished(&self) -> bool {
        self.recorder.ended_with() == Some(&EndReason::Finished)
    }

    /// When the first message of the other party came; the whole time if none did.
    #[must_use]
    pub fn first_heard(&self) -> Duration {
        self.recorder.first_of(self.link.party().other()).unwrap_or(self.recorder.now())
    }

    /// Does whoever moves the client answer nothing any more?
    #[must_use]
    pub fn driver_hangs(&self) -> bool {
        self.director.as_ref().is_some_and(Director::hangs)
    }

    /// Waits until a client that was told to leave says that it has; says whether it did.
    pub async fn client_left(mut self) -> (Ended<'static>, bool) {
        let left = self.waits().await;
        let Ended { recorder, link, sessions, .. } = self;
        (Ended { recorder, link, sessions, director: None }, left)
    }

    async fn waits(&mut self) -> bool {
        let Some(director) = &mut self.director else { return false };
        if matches!(self.link, Link::Stdio(_)) && director.has_gone() {
            // a client waits for the program that it started to end, when it has closed its input
            for event in self.link.order(Order::EndInput) {
                keep(&mut self.recorder, &self.sessions, event);
            }
        }
        let deadline = Instant::now() + PATIENCE;
        while director.is_leaving() {
            tokio::select! {
                // what it still wants of us must be answered, or it cannot leave
                Some(event) = self.link.next() => keep(&mut self.recorder, &self.sessions, event),
                report = director.next() => director.heard(report, self.recorder.now()),
                () = tokio::time::sleep_until(deadline) => return false,
            }
        }
        director.left().is_some()
    }

    /// Leaves, and gives the events. `stop` ends the other party's program where there is one; it begins when the sessions and
    /// our output have ended, and what it brings about is recorded.
    pub async fn leave(mut self, stop: impl Future<Output = ()>) -> Vec<Event> {
        if self.link.party() == Party::Client {
            for (session, _) in self.sessions.clone() {
                if self.link.has_session(session) {
                    let events = self.link.order(Order::Delete { session, headers: Vec::new(), step: None });
                    self.record(events);
                }
            }
        }
        let events = self.link.order(Order::EndInput);
        self.record(events);
        if self.link.transport() == Transport::Stdio {
            tokio::pin!(stop);
            // what it still says must be read, or it cannot end
            loop {
                tokio::select! {
                    Some(event) = self.link.next() => self.record(vec![event]),
                    () = &mut stop => break,
                }
            }
            // that it has ended may still be on its way to us
            let deadline = Instant::now() + LAST_WORDS;
            while let Ok(Some(event)) = tokio::time::timeout_at(deadline, self.link.next()).await {
                self.record(vec![event]);
            }
            return self.recorder.events();
        }
        let Ended { mut recorder, link, sessions, .. } = self;
        for event in link.finish(PATIENCE).await {
            keep(&mut recorder, &sessions, event);
        }
        stop.await;
        recorder.events()
    }

    fn record(&mut self, events: Vec<LinkEvent>) {
        for event in events {
            keep(&mut self.recorder, &self.sessions, event);
        }
    }
}

/// Records how somebody leaves, and nothing else.
fn keep(recorder: &mut Recorder, sessions: &[(SessionKey, Option<String>)], event: LinkEvent) {
    let LinkWhat::Record(mut body) = event.what else { return };
    match &mut body {
        Body::HttpRequest { client, .. } => {
            *client = sessions.iter().find(|(s, _)| Some(*s) == event.session).and_then(|(_, name)| name.clone());
        }
        Body::HttpResponse { .. } | Body::StreamClosed { .. } => {}
        // a stream that was opened by itself may have had its first event just now
        Body::Signal { event_id: Some(_), .. } => {}
        Body::ProcessSignalled { .. } | Body::ProcessExited { .. } => {}
        _ => return,
    }
    recorder.record(body);
}
