//! The queue of what came from outside: bounded in events and bytes, so that whoever sends too fast has to wait.

use super::{Bounds, LinkEvent, LinkWhat};
use crate::reference::SessionKey;
use crate::trace::{Body, Text};
use crate::wire::http::ResponseHead;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// What the tasks of a link hand over. What HTTP brings is understood when it is fetched, so that the order of recording is
/// the order in which it was acted upon.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// It is understood already.
    Event(LinkEvent),
    /// A piece of the answer to a round trip of ours.
    Answer(u32, Piece),
    /// A request to our server.
    Request(Box<super::http_server::Incoming>),
}

/// A piece of an HTTP answer.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Status and headers.
    Head(ResponseHead),
    /// Bytes of the body.
    Chunk(Bytes),
    /// The body ended as HTTP wants it.
    End,
    /// It broke off, or never began.
    Broken {
        /// Was there a connection at all?
        connected: bool,
        /// The whole chain of reasons.
        why: String,
    },
}

/// What arrived and its share of the bytes that may wait.
#[derive(Debug)]
struct Parcel {
    what: Arrival,
    _share: OwnedSemaphorePermit,
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

    /// The first event that was put before all others.
    pub(crate) fn pop_ready(&mut self) -> Option<LinkEvent> {
        self.ready.pop_front()
    }

    /// What arrives next; `None` when no feed is left. Cancel safe.
    pub(crate) async fn arrival(&mut self) -> Option<Arrival> {
        self.queue.recv().await.map(|parcel| parcel.what)
    }

    /// What has arrived already.
    pub(crate) fn arrived(&mut self) -> Option<Arrival> {
        self.queue.try_recv().ok().map(|parcel| parcel.what)
    }
}

impl Feed {
    /// Waits for room and puts an event into the queue. `false` when nobody reads it any more.
    pub async fn put(&self, event: LinkEvent) -> bool {
        self.hand(Arrival::Event(event)).await
    }

    pub(crate) async fn hand(&self, what: Arrival) -> bool {
        let weight = u32::try_from(what.weight().min(self.most)).unwrap_or(u32::MAX);
        let Ok(share) = Arc::clone(&self.bytes).acquire_many_owned(weight).await else { return false };
        self.queue.send(Parcel { what, _share: share }).await.is_ok()
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

impl Arrival {
    fn weight(&self) -> usize {
        match self {
            Arrival::Event(event) => weight(event),
            Arrival::Answer(_, Piece::Chunk(bytes)) => bytes.len(),
            Arrival::Answer(..) => 0,
            Arrival::Request(request) => request.weight(),
        }
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
