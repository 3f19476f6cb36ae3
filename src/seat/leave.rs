//! How the parties leave when the course is over: the client ends its sessions and its output, and what the other party does
//! then is recorded behind the end, with the ids that events had on the streams until then. What it still says is not.

use super::Recorder;
use crate::reference::SessionKey;
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
pub struct Ended {
    pub(super) recorder: Recorder,
    pub(super) link: Link,
    /// The sessions that are not over, each with the client it is of (`None`: the first).
    pub(super) sessions: Vec<(SessionKey, Option<String>)>,
    /// Somebody moves the client, and it has left as it was told.
    pub(super) client_left: bool,
}

impl Ended {
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

    /// Has a client that somebody moves left as it was told?
    #[must_use]
    pub fn client_left(&self) -> bool {
        self.client_left
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
        if matches!(self.link, Link::Stdio(_)) {
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
