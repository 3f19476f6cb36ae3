//! The queue of what came from outside: bounded in events and bytes, so that whoever sends too fast has to wait.

use super::{Bounds, LinkEvent, LinkWhat};
use crate::reference::SessionKey;
use crate::trace::{Body, Text};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// An event and its share of the bytes that may wait.
struct Parcel {
    event: LinkEvent,
    _share: Option<OwnedSemaphorePermit>,
}

/// The end that is read.
#[derive(Debug)]
pub(crate) struct Inbox {
    ready: VecDeque<LinkEvent>,
    queue: mpsc::Receiver<Parcel>,
}

/// The end that is written: by the tasks of a link, and by whatever else happens beside it.
#[derive(Debug, Clone)]
pub struct Feed {
    queue: mpsc::Sender<Parcel>,
    bytes: Arc<Semaphore>,
    most: usize,
}

/// A feed that does not keep the link open.
#[derive(Debug, Clone)]
pub(crate) struct WeakFeed {
    queue: mpsc::WeakSender<Parcel>,
    bytes: Arc<Semaphore>,
    most: usize,
}

impl Inbox {
    /// An empty queue.
    pub(crate) fn new(bounds: &Bounds) -> (Inbox, Feed) {
        let (sender, queue) = mpsc::channel(bounds.events.max(1));
        let most = bounds.waiting.clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        (Inbox { ready: VecDeque::new(), queue }, Feed { queue: sender, bytes: Arc::new(Semaphore::new(most)), most })
    }

    /// Puts an event before all that has not come yet.
    pub(crate) fn ready(&mut self, event: LinkEvent) {
        self.ready.push_back(event);
    }

    /// What must be recorded before anything is ordered.
    pub(crate) fn take_ready(&mut self) -> Vec<LinkEvent> {
        self.ready.drain(..).collect()
    }

    /// The next event; `None` when no feed is left. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<LinkEvent> {
        if let Some(event) = self.ready.pop_front() {
            return Some(event);
        }
        self.queue.recv().await.map(|parcel| parcel.event)
    }

    /// The next event if one is there.
    pub(crate) fn try_next(&mut self) -> Option<LinkEvent> {
        self.ready.pop_front().or_else(|| self.queue.try_recv().ok().map(|parcel| parcel.event))
    }
}

impl Feed {
    /// Waits for room and puts an event into the queue. `false` when nobody reads it any more.
    pub async fn put(&self, event: LinkEvent) -> bool {
        let weight = u32::try_from(weight(&event).min(self.most)).unwrap_or(u32::MAX);
        let Ok(share) = Arc::clone(&self.bytes).acquire_many_owned(weight).await else { return false };
        self.queue.send(Parcel { event, _share: Some(share) }).await.is_ok()
    }

    /// [`Feed::put`] of something to be recorded.
    pub async fn record(&self, session: Option<SessionKey>, body: Body) -> bool {
        self.put(LinkEvent { session, what: LinkWhat::Record(body) }).await
    }

    pub(crate) fn weak(&self) -> WeakFeed {
        WeakFeed { queue: self.queue.downgrade(), bytes: Arc::clone(&self.bytes), most: self.most }
    }
}

impl WeakFeed {
    /// The feed, while some other feed keeps the link open.
    pub(crate) fn feed(&self) -> Option<Feed> {
        Some(Feed { queue: self.queue.upgrade()?, bytes: Arc::clone(&self.bytes), most: self.most })
    }
}

/// About how many bytes of somebody else an event holds.
fn weight(event: &LinkEvent) -> usize {
    let text = |text: &Text| match text {
        Text::Plain(s) => s.len(),
        Text::Bytes { base64 } => base64.len(),
    };
    let headers =
        |headers: &[(String, String)]| headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    match &event.what {
        LinkWhat::Record(Body::Message { text: t, .. }) => text(t),
        LinkWhat::Record(Body::HttpRequest { headers: h, target, .. }) => headers(h) + target.len(),
        LinkWhat::Record(Body::HttpResponse { headers: h, body, .. }) => headers(h) + body.as_ref().map_or(0, text),
        LinkWhat::Record(Body::Signal { note, .. }) => note.as_ref().map_or(0, String::len),
        LinkWhat::Record(Body::Stderr { text, .. }) => text.len(),
        _ => 0,
    }
}

/// Ends its task when dropped.
#[derive(Debug)]
pub(crate) struct Task(pub(crate) tokio::task::JoinHandle<()>);

impl Task {
    pub(crate) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Task {
        Task(tokio::spawn(work))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
