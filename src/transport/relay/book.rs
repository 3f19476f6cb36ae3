//! What the bytes on one connection say, as it is recorded.

use super::record;
use crate::trace::{Body, Closing, StreamId, StreamKind};
use crate::transport::http::{Answer, message, recorded};
use crate::transport::{Bounds, LinkEvent, LinkWhat, Numbers, beginning};
use crate::wire::Party;
use crate::wire::http::{ResponseHead, SESSION_ID};
use crate::wire::http1::{Address, Piece, Reader, RequestHead, Rest};
use std::collections::VecDeque;

/// So many requests may wait for their answers on one connection; beyond that nothing is read any more.
const PIPELINED: usize = 1024;

/// The record of one connection.
#[derive(Debug)]
pub(super) struct Book {
    /// The path of the endpoint; what goes elsewhere is no business of ours.
    path: String,
    numbers: Numbers,
    bounds: Bounds,
    requests: Reader,
    responses: Reader,
    /// The request whose body is being sent.
    asking: Option<Asking>,
    /// The requests without the end of an answer, in the order in which they are answered.
    open: VecDeque<Trip>,
    /// How many requests have come whole.
    whole: u64,
    client_ended: bool,
}

/// A message that is being sent.
#[derive(Debug)]
struct Asking {
    stream: StreamId,
    kept: Vec<u8>,
    length: u64,
}

/// A request and its answer.
#[derive(Debug)]
struct Trip {
    /// `None` where it goes elsewhere.
    answer: Option<Answer>,
    deletes: bool,
    status: Option<u16>,
}

impl Book {
    pub(super) fn new(path: &str, exchanged: Option<Address>, numbers: &Numbers, bounds: Bounds) -> Book {
        Book {
            path: bare(path).to_owned(),
            numbers: numbers.clone(),
            bounds,
            requests: Reader::requests(bounds.head, exchanged),
            responses: Reader::responses(bounds.head),
            asking: None,
            open: VecDeque::new(),
            whole: 0,
            client_ended: false,
        }
    }

    /// Has a request come whole?
    pub(super) fn asked(&self) -> bool {
        self.whole > 0
    }

    /// Is something under way that ends by itself? A stream of events does not.
    pub(super) fn is_busy(&self) -> bool {
        self.open.iter().any(|trip| !trip.answer.as_ref().is_some_and(Answer::is_events)) || self.asking.is_some()
    }

    /// A party sent bytes; `pass` gets what is passed on of them.
    pub(super) fn said(&mut self, by: Party, chunk: &[u8], pass: &mut Vec<u8>) -> Vec<LinkEvent> {
        let mut events = Vec::new();
        match by {
            Party::Client => {
                for piece in self.requests.push(chunk, pass) {
                    self.asks(piece, &mut events);
                }
            }
            Party::Server => {
                for piece in self.responses.push(chunk, pass) {
                    self.answers(piece, &mut events);
                }
            }
        }
        events
    }

    /// A party sends nothing more.
    pub(super) fn ended(&mut self, by: Party, pass: &mut Vec<u8>) -> Vec<LinkEvent> {
        match by {
            Party::Client => {
                self.client_ended = true;
                self.requests.finish(pass);
                self.unasked("the client closed the connection in the middle of a request").into_iter().collect()
            }
            Party::Server => {
                let rest = self.responses.finish(pass);
                if rest == Rest::Ended {
                    let mut events = Vec::new();
                    self.answers(Piece::End, &mut events);
                    return events;
                }
                match rest {
                    _ if self.client_ended => self.cut(Party::Client, "the client closed the connection"),
                    Rest::Body => self.cut(Party::Server, "the server closed the connection in the middle of a body"),
                    Rest::Head => self.cut(Party::Server, "the server closed the connection in the middle of a head"),
                    _ => self.cut(Party::Server, "the server closed the connection without an answer"),
                }
            }
        }
    }

    /// The connection was lost by that party.
    pub(super) fn cut(&mut self, by: Party, why: &str) -> Vec<LinkEvent> {
        let mut events: Vec<LinkEvent> = self.unasked(why).into_iter().collect();
        for mut trip in self.open.drain(..) {
            let Some(answer) = &mut trip.answer else { continue };
            let begun = trip.status.is_some() && by == Party::Server;
            let bodies = if begun { answer.end(Some(by), &Err(why.to_owned())) } else { answer.given_up(by, why) };
            events.extend(bodies.into_iter().map(record));
        }
        events
    }

    /// We pass nothing more on.
    pub(super) fn stop(&mut self) -> Vec<LinkEvent> {
        let answers = self.open.drain(..).filter_map(|trip| trip.answer);
        answers.flat_map(|mut answer| answer.end(None, &Ok(()))).map(record).collect()
    }

    /// A request that did not come whole.
    fn unasked(&mut self, why: &str) -> Option<LinkEvent> {
        let Asking { stream, .. } = self.asking.take()?;
        let how = Closing::Cut(why.to_owned());
        Some(record(Body::StreamClosed { stream, by: Some(Party::Client), how }))
    }

    fn asks(&mut self, piece: Piece, events: &mut Vec<LinkEvent>) {
        match piece {
            Piece::Request(head) => self.begins(head, events),
            Piece::Data(data) => {
                if let Some(asking) = &mut self.asking {
                    asking.length += data.len() as u64;
                    let room = self.bounds.message.saturating_sub(asking.kept.len());
                    asking.kept.extend_from_slice(data.get(..room).unwrap_or(&data));
                }
            }
            Piece::End => {
                self.whole += 1;
                let Some(Asking { stream, kept, length }) = self.asking.take() else { return };
                let from = Party::Client;
                let cut = length > kept.len() as u64;
                let mut said = message(stream, from, if cut { beginning(&kept) } else { &kept }, None);
                if let Body::Message { cut_from, .. } = &mut said {
                    *cut_from = cut.then_some(length);
                }
                let closed = Body::StreamClosed { stream, by: Some(from), how: Closing::Clean };
                events.extend([record(said), record(closed)]);
            }
            Piece::Tunnel => self.whole += 1,
            Piece::Broken(why) => {
                self.whole += 1;
                match self.unasked(&why) {
                    Some(closed) => events.push(closed),
                    None => {
                        // something must be there to be seen as broken
                        let (round_trip, stream) = (self.numbers.round_trip(), self.numbers.stream());
                        let (writer, kind) = (Party::Client, StreamKind::Post);
                        let opened = Body::StreamOpened { stream, writer, kind, round_trip: Some(round_trip) };
                        let closed = Body::StreamClosed { stream, by: Some(writer), how: Closing::Cut(why) };
                        events.extend([record(opened), record(closed)]);
                        self.expect(round_trip, "POST", true, false);
                    }
                }
            }
            Piece::Response(_) | Piece::Interim(_) => {}
        }
    }

    fn begins(&mut self, head: RequestHead, events: &mut Vec<LinkEvent>) {
        // a client may know us by several names, and gets back that which it used
        if let Some(address) = self.requests.way_back() {
            self.responses.exchange(address);
        }
        let round_trip = self.numbers.round_trip();
        let RequestHead { method, target, headers } = head;
        let ours = self.path == bare(path_of(&target));
        let deletes = method == "DELETE" && headers.get(SESSION_ID).is_some();
        self.expect(round_trip, &method, ours, deletes);
        if !ours {
            return;
        }
        let has_body = headers.get("transfer-encoding").is_some()
            || headers.get("content-length").is_some_and(|length| length.trim() != "0");
        let posts = method == "POST" || has_body;
        let (headers, step, client) = (recorded(&headers), None, None);
        events.push(record(Body::HttpRequest { round_trip, method, target, headers, step, client }));
        if posts {
            let (stream, writer, kind) = (self.numbers.stream(), Party::Client, StreamKind::Post);
            events.push(record(Body::StreamOpened { stream, writer, kind, round_trip: Some(round_trip) }));
            self.asking = Some(Asking { stream, kept: Vec::new(), length: 0 });
        }
    }

    fn expect(&mut self, round_trip: u32, method: &str, ours: bool, deletes: bool) {
        if self.open.len() >= PIPELINED {
            self.requests.unread();
            self.responses.unread();
        }
        let answer = ours.then(|| Answer::new(round_trip, method, None, &self.numbers, self.bounds));
        self.open.push_back(Trip { answer, deletes, status: None });
        self.responses.expect(method);
    }

    fn answers(&mut self, piece: Piece, events: &mut Vec<LinkEvent>) {
        let Some(trip) = self.open.front_mut() else { return self.unasked_for(piece, events) };
        let mut put = |bodies: Vec<Body>| events.extend(bodies.into_iter().map(record));
        match piece {
            Piece::Response(head) => {
                trip.status = Some(head.status);
                put(trip.answer.as_mut().map_or_else(Vec::new, |answer| answer.head(&head)));
            }
            Piece::Data(data) => put(trip.answer.as_mut().map_or_else(Vec::new, |answer| answer.chunk(&data).0)),
            Piece::End | Piece::Tunnel => {
                let tunnel = piece == Piece::Tunnel;
                put(trip.answer.as_mut().map_or_else(Vec::new, |answer| answer.end(Some(Party::Server), &Ok(()))));
                if trip.deletes && trip.status.is_some_and(|status| (200..300).contains(&status)) {
                    events.push(LinkEvent { session: None, what: LinkWhat::SessionClosed });
                }
                self.open.pop_front();
                if tunnel {
                    self.requests.unread();
                }
            }
            Piece::Broken(why) => events.extend(self.cut(Party::Server, &why)),
            Piece::Request(_) | Piece::Interim(_) => {}
        }
    }

    /// A response to nothing: a server that has waited long enough says so.
    fn unasked_for(&mut self, piece: Piece, events: &mut Vec<LinkEvent>) {
        if let Piece::Response(ResponseHead { status, headers }) = piece {
            let round_trip = self.numbers.round_trip();
            let headers = recorded(&headers);
            events.push(record(Body::HttpResponse { round_trip, status, headers, body: None }));
        }
    }
}

/// The path of a request's target, which may be a whole URL.
fn path_of(target: &str) -> &str {
    match target.strip_prefix("http://") {
        Some(rest) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => target,
    }
}

/// A path without its query and the slash at its end: some servers send their clients from one to the other.
fn bare(path: &str) -> &str {
    path.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/')
}
