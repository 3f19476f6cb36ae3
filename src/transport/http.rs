//! What the HTTP links have in common: hyper over any connection, heads as the wire module has them, and the recording of
//! answers.

use super::{Acceptor, Bounds, Io, Numbers};
use crate::trace::{Body, Closing, StreamId, StreamKind, Text};
use crate::wire::http::{EVENT_STREAM, Headers, JSON, ResponseHead, media_type};
use crate::wire::json::Limits;
use crate::wire::sse::{Item, Reader};
use crate::wire::{Kind, Message, Party};
use bytes::Bytes;
use hyper::http::{HeaderMap, HeaderName, HeaderValue};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead as _, AsyncWrite as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

/// A connection as hyper wants it.
pub(crate) struct HyperIo(pub(crate) Io);

impl hyper::rt::Read for HyperIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut out: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        // by way of an array, because hyper's buffer is not initialised
        let mut array = [0; 8 << 10];
        let room = out.remaining().min(array.len());
        let mut buffer = tokio::io::ReadBuf::new(array.get_mut(..room).unwrap_or_default());
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut buffer))?;
        out.put_slice(buffer.filled());
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for HyperIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// How connections are served.
pub(crate) fn connection_builder(bounds: &Bounds, half_close: bool) -> hyper::server::conn::http1::Builder {
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.half_close(half_close).max_buf_size(bounds.head.max(8 << 10));
    builder
}

/// Takes connections in until it is told to stop; those that are open then go on to the end of their round trips.
pub(crate) async fn listen<F: Future<Output = ()> + Send + 'static>(
    mut acceptor: Acceptor,
    most: usize,
    mut stopped: watch::Receiver<bool>,
    serve: impl Fn(Io) -> F + Send,
) {
    let room = Arc::new(Semaphore::new(most.max(1)));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = told(&mut stopped) => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&mut acceptor, &room) => accepted,
        };
        match accepted {
            Ok(Some((io, permit))) => {
                let serving = serve(io);
                connections.spawn(async move {
                    serving.await;
                    drop(permit);
                });
            }
            // nobody can connect any more; those who did may still ask
            Ok(None) => break,
            // too many open files, or a connection that was reset at once
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    drop(acceptor);
    // it keeps the link open, and from here on only the connections shall
    drop(serve);
    while connections.join_next().await.is_some() {}
}

/// Waits until it is told to stop.
pub(crate) async fn told(stopped: &mut watch::Receiver<bool>) {
    // an error means that the link is gone, which is the same
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// The next connection, when there is room for one.
async fn accept(acceptor: &mut Acceptor, room: &Arc<Semaphore>) -> std::io::Result<Option<(Io, OwnedSemaphorePermit)>> {
    let permit = Arc::clone(room).acquire_owned().await.map_err(std::io::Error::other)?;
    Ok(acceptor.accept().await?.map(|io| (io, permit)))
}

/// An error with all that caused it: a reset and an end differ only in the last link of the chain.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let cause = error.to_string();
        // hyper repeats causes in its own text
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        next = error.source();
    }
    text
}

/// Headers that came. Names are in lower case, values as text; bytes that are no UTF-8 are replaced.
pub(crate) fn headers_of(map: &HeaderMap) -> Headers {
    map.iter().map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes()))).collect()
}

/// Headers to be sent.
pub(crate) fn header_map(headers: &Headers) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::new();
    for (name, value) in headers.iter() {
        let cannot = |e: &dyn std::fmt::Display| format!("the header `{name}: {value}` cannot be sent: {e}");
        let name = HeaderName::try_from(name).map_err(|e| cannot(&e))?;
        map.append(name, HeaderValue::from_bytes(value.as_bytes()).map_err(|e| cannot(&e))?);
    }
    Ok(map)
}

/// Lays headers over others: `None` takes one out.
pub(crate) fn overlay(headers: &mut Headers, over: &[(String, Option<String>)]) {
    for (name, value) in over {
        match value {
            Some(value) => headers.set(name, value),
            None => headers.remove(name),
        }
    }
}

/// Headers as they are recorded: as hyper writes them, names in lower case.
pub(crate) fn recorded(headers: &Headers) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect()
}

/// A message on a stream, with nothing of ours about it.
pub(crate) fn message(stream: StreamId, from: Party, bytes: &[u8], event_id: Option<String>) -> Body {
    let text = Text::of(bytes);
    Body::Message { stream, from, text, event_id, step: None, breaks: Vec::new(), cut_from: None }
}

/// What an item of an event stream is in the record, and whether a bound was exceeded. A reconnection time that comes with a
/// message is an event of its own, before it.
pub(crate) fn item(stream: StreamId, item: Item) -> (Vec<Body>, Option<String>) {
    let note = |note: String| Body::Signal { stream, event_id: None, retry: None, note: Some(note) };
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().take(500).collect::<String>();
    let body = match item {
        Item::Event(event) if event.data.is_empty() => {
            let note = (!event.has_data).then(|| "no `data` field".to_owned());
            Body::Signal { stream, event_id: event.id, retry: event.retry, note }
        }
        Item::Event(event) if event.event_type() != "message" => {
            let note = Some(format!("an event of type `{}`: {}", event.event_type(), lossy(&event.data)));
            Body::Signal { stream, event_id: event.id, retry: event.retry, note }
        }
        Item::Event(event) => {
            let cut_from = event.cut().then_some(event.data_length);
            let exceeded = cut_from.map(|length| format!("an event with {length} bytes of data"));
            let text = Text::of(if event.cut() { super::beginning(&event.data) } else { &event.data });
            let (from, event_id) = (Party::Server, event.id);
            let message = Body::Message { stream, from, text, event_id, step: None, breaks: Vec::new(), cut_from };
            let time = event.retry.map(|retry| Body::Signal { stream, event_id: None, retry: Some(retry), note: None });
            return (time.into_iter().chain([message]).collect(), exceeded);
        }
        Item::Comment { text, .. } => note(format!("a comment:{}", lossy(&text))),
        Item::BadRetry { value, .. } => note(format!("a `retry` that is no number: {}", lossy(&value))),
        Item::BadId { value, .. } => note(format!("an `id` with a NUL in it: {}", lossy(&value))),
        Item::UnknownField { name, value, .. } => note(format!("a field `{}`: {}", lossy(&name), lossy(&value))),
        Item::NotUtf8 { .. } => note("a line that is not UTF-8".into()),
        Item::ByteOrderMark => note("a byte order mark".into()),
    };
    (vec![body], None)
}

/// The recording of one answer: its head, its messages, its end.
#[derive(Debug)]
pub(crate) struct Answer {
    round_trip: u32,
    kind: StreamKind,
    /// Can there be messages in it? Not in the answer to a DELETE or an OPTIONS, whatever its body is.
    speaks: bool,
    ours: Option<Party>,
    numbers: Numbers,
    bounds: Bounds,
    state: State,
}

#[derive(Debug)]
enum State {
    /// There is no head yet.
    Waiting,
    /// A single message.
    Json {
        stream: StreamId,
        kept: Vec<u8>,
        length: u64,
    },
    Events {
        stream: StreamId,
        reader: Box<Reader>,
        length: u64,
    },
    /// Neither, or a refusal: the head is recorded with the body.
    Other {
        head: ResponseHead,
        kept: Vec<u8>,
    },
    Done,
}

impl Answer {
    /// An answer to a request with that method. `ours` reads it, and closes it when a bound is exceeded; where nobody of ours
    /// does, it goes on, and only its beginning is kept.
    pub(crate) fn new(round_trip: u32, method: &str, ours: Option<Party>, numbers: &Numbers, bounds: Bounds) -> Answer {
        let kind = if method == "GET" { StreamKind::Get } else { StreamKind::PostAnswer };
        let speaks = matches!(method, "GET" | "POST");
        Answer { round_trip, kind, speaks, ours, numbers: numbers.clone(), bounds, state: State::Waiting }
    }

    /// The stream of its messages, if it has begun.
    pub(crate) fn stream(&self) -> Option<StreamId> {
        match &self.state {
            State::Json { stream, .. } | State::Events { stream, .. } => Some(*stream),
            _ => None,
        }
    }

    /// Is it a stream of events?
    pub(crate) fn is_events(&self) -> bool {
        matches!(self.state, State::Events { .. })
    }

    fn response(&self, head: &ResponseHead, body: Option<Text>) -> Body {
        let headers = recorded(&head.headers);
        Body::HttpResponse { round_trip: self.round_trip, status: head.status, headers, body }
    }

    fn open(&self, stream: StreamId) -> Body {
        let round_trip = Some(self.round_trip);
        Body::StreamOpened { stream, writer: Party::Server, kind: self.kind, round_trip }
    }

    /// Status and headers came.
    pub(crate) fn head(&mut self, head: &ResponseHead) -> Vec<Body> {
        let media = media_type(&head.headers);
        let success = self.speaks && (200..300).contains(&head.status) && !matches!(head.status, 202 | 204 | 205);
        let stream = match media.as_deref() {
            Some(JSON | EVENT_STREAM) if success => self.numbers.stream(),
            _ => {
                self.state = State::Other { head: head.clone(), kept: Vec::new() };
                return Vec::new();
            }
        };
        self.state = if media.as_deref() == Some(JSON) {
            State::Json { stream, kept: Vec::new(), length: 0 }
        } else {
            State::Events { stream, reader: Box::new(Reader::new(self.bounds.message)), length: 0 }
        };
        vec![self.response(head, None), self.open(stream)]
    }

    /// A piece of the body came. With the second value the answer is over: a bound was exceeded, and the connection is to
    /// be closed.
    pub(crate) fn chunk(&mut self, chunk: &[u8]) -> (Vec<Body>, bool) {
        let mut bodies = Vec::new();
        let mut exceeded = None;
        let bound = self.bounds.message;
        match &mut self.state {
            State::Waiting | State::Done => {}
            State::Json { stream, kept, length } => {
                let room = bound.saturating_sub(kept.len());
                kept.extend_from_slice(chunk.get(..room).unwrap_or(chunk));
                *length += chunk.len() as u64;
                if chunk.len() > room && self.ours.is_some() {
                    bodies.push(beginning_of(*stream, kept, *length));
                    exceeded = Some((*stream, format!("a body of {length} bytes or more")));
                }
            }
            State::Events { stream, reader, length } => {
                *length += chunk.len() as u64;
                for piece in reader.push(chunk) {
                    if matches!(&piece, Item::Event(_)) {
                        *length = 0;
                    }
                    let (items, too_much) = item(*stream, piece);
                    bodies.extend(items);
                    exceeded = exceeded.or(too_much.map(|what| (*stream, what)));
                }
                if self.ours.is_none() {
                    exceeded = None;
                } else if exceeded.is_none() && *length > (bound as u64).saturating_mul(8) {
                    exceeded = Some((*stream, format!("{length} bytes without the end of an event")));
                }
            }
            State::Other { kept, head } => {
                let json = media_type(&head.headers).as_deref() == Some(JSON);
                let bound = if json { bound } else { self.bounds.refusal };
                let room = bound.saturating_sub(kept.len());
                kept.extend_from_slice(chunk.get(..room).unwrap_or(chunk));
                if chunk.len() > room && self.ours.is_some() {
                    return (self.end(None, &Ok(())), true);
                }
            }
        }
        if let Some((stream, what)) = exceeded {
            self.state = State::Done;
            let how = Closing::Bound(format!("{what}; the bound is {bound}"));
            bodies.push(Body::StreamClosed { stream, by: self.ours, how });
            return (bodies, true);
        }
        (bodies, false)
    }

    /// Its reader does not wait for the rest. An answer that has not begun gets a stream all the same, so that it can be
    /// seen that it was given up.
    pub(crate) fn given_up(&mut self, by: Party, why: &str) -> Vec<Body> {
        let closed = |stream| Body::StreamClosed { stream, by: Some(by), how: Closing::Cut(why.to_owned()) };
        match self.state {
            State::Done => Vec::new(),
            State::Other { .. } => self.end(Some(by), &Err(why.to_owned())),
            State::Waiting => {
                self.state = State::Done;
                let stream = self.numbers.stream();
                vec![self.open(stream), closed(stream)]
            }
            State::Json { stream, .. } | State::Events { stream, .. } => {
                // what had come of an unfinished event is nobody's fault
                self.state = State::Done;
                vec![closed(stream)]
            }
        }
    }

    /// The answer is over: as HTTP wants it, or with the reason why it broke off.
    pub(crate) fn end(&mut self, by: Option<Party>, how: &Result<(), String>) -> Vec<Body> {
        let mut bodies = Vec::new();
        let closing = match how {
            Ok(()) => Closing::Clean,
            Err(why) => Closing::Cut(why.clone()),
        };
        let unfinished = |stream: StreamId, bytes: &[u8]| {
            let begin: String = String::from_utf8_lossy(bytes).chars().take(500).collect();
            let note = Some(match bytes {
                [] => "an event that was not finished".to_owned(),
                _ => format!("{} bytes that did not become a message: {begin}", bytes.len()),
            });
            Body::Signal { stream, event_id: None, retry: None, note }
        };
        match std::mem::replace(&mut self.state, State::Done) {
            State::Waiting | State::Done => {}
            State::Json { stream, kept, length } => {
                // nothing is no message, not even a broken one
                if how.is_ok() && length > kept.len() as u64 {
                    bodies.push(beginning_of(stream, &kept, length));
                } else if how.is_ok() && !kept.is_empty() {
                    bodies.push(message(stream, Party::Server, &kept, None));
                } else if !kept.is_empty() {
                    bodies.push(unfinished(stream, &kept));
                }
                bodies.push(Body::StreamClosed { stream, by, how: closing });
            }
            State::Events { stream, mut reader, .. } => {
                if let Some(rest) = reader.finish() {
                    let data = rest.event.map(|event| event.data).unwrap_or_default();
                    let bytes = [&data[..], &rest.line[..]].concat();
                    bodies.push(unfinished(stream, &bytes));
                }
                bodies.push(Body::StreamClosed { stream, by, how: closing });
            }
            State::Other { head, mut kept } => {
                let json = media_type(&head.headers).as_deref() == Some(JSON);
                if self.speaks && json && how.is_ok() && is_message(&kept) {
                    let stream = self.numbers.stream();
                    bodies.push(self.response(&head, None));
                    bodies.push(self.open(stream));
                    bodies.push(message(stream, Party::Server, &kept, None));
                    bodies.push(Body::StreamClosed { stream, by, how: closing });
                } else {
                    kept.truncate(self.bounds.refusal);
                    bodies.push(self.response(&head, (!kept.is_empty()).then(|| Text::of(&kept))));
                }
            }
        }
        bodies
    }
}

/// A message of a server that is too long to be kept whole.
fn beginning_of(stream: StreamId, kept: &[u8], length: u64) -> Body {
    let mut body = message(stream, Party::Server, super::beginning(kept), None);
    if let Body::Message { cut_from, .. } = &mut body {
        *cut_from = Some(length);
    }
    body
}

fn is_message(bytes: &[u8]) -> bool {
    let message = Message::read(Bytes::copy_from_slice(bytes), &Limits::default());
    !matches!(message.kind(), Kind::Malformed(_) | Kind::Unreadable(_) | Kind::Batch)
}
