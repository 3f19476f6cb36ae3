//! HTTP/1.1 as it passes: reads one direction of a connection that belongs to others, piece by piece, without being in the
//! way of a byte.
//!
//! A [`Reader`] never refuses anything. What it cannot read it calls [`Piece::Broken`], and from there on everything passes
//! unread. The only bytes it may change are those of an address in the headers that [`Address`] names.

mod address;
mod body;

#[cfg(test)]
mod tests;

pub use address::Address;

use super::http::{Headers, ResponseHead};
use body::{Body, Step};
use bytes::Bytes;
use std::collections::VecDeque;

/// So many headers are read of one head.
const HEADERS: usize = 256;

/// A piece of what passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// The head of a request; names and values as they were sent.
    Request(RequestHead),
    /// The head of a final response.
    Response(ResponseHead),
    /// The head of a response that announces another one (100, 103).
    Interim(ResponseHead),
    /// Bytes of the body, without the framing of chunks.
    Data(Bytes),
    /// The message is whole.
    End,
    /// From here on the bytes are no HTTP, as was agreed (101, CONNECT).
    Tunnel,
    /// From here on they cannot be read, for that reason.
    Broken(String),
}

/// The head of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHead {
    /// `POST`, `GET`, or whatever was sent.
    pub method: String,
    /// What stands behind it: mostly path and query.
    pub target: String,
    /// The headers in their order.
    pub headers: Headers,
}

/// How a stream of bytes broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// It ended between two messages.
    Nothing,
    /// It ended where only its end could end the body.
    Ended,
    /// It ended in the middle of a head.
    Head,
    /// It ended in the middle of a body.
    Body,
}

/// Reads one direction of a connection.
#[derive(Debug)]
pub struct Reader {
    direction: Direction,
    state: State,
    /// How long a head may be, in bytes.
    limit: usize,
    address: Option<Address>,
}

#[derive(Debug)]
enum Direction {
    Requests,
    /// With the methods of the requests that have no answer yet.
    Responses(VecDeque<String>),
}

#[derive(Debug)]
enum State {
    Head(Head),
    Body(Body),
    /// Nothing is read any more.
    Unread,
}

/// A head of which a part has come.
#[derive(Debug, Default)]
struct Head {
    bytes: Vec<u8>,
    /// Where its last line begins.
    line: usize,
    /// How much of it has been let through.
    passed: usize,
}

impl Reader {
    /// Reads what a client sends. Of a head at most `limit` bytes are kept.
    #[must_use]
    pub fn requests(limit: usize, address: Option<Address>) -> Reader {
        Reader { direction: Direction::Requests, state: State::Head(Head::default()), limit, address }
    }

    /// Reads what a server sends.
    #[must_use]
    pub fn responses(limit: usize) -> Reader {
        let direction = Direction::Responses(VecDeque::new());
        Reader { direction, state: State::Head(Head::default()), limit, address: None }
    }

    /// From the next head on, another address is exchanged.
    pub fn exchange(&mut self, address: Address) {
        self.address = Some(address);
    }

    /// What is to be exchanged in the responses to what was read; `None` as long as no request held an address.
    #[must_use]
    pub fn way_back(&self) -> Option<Address> {
        self.address.as_ref()?.way_back()
    }

    /// A request with that method was sent: what comes answers it, after all others that were sent before it.
    pub fn expect(&mut self, method: &str) {
        if let Direction::Responses(methods) = &mut self.direction {
            methods.push_back(method.to_owned());
        }
    }

    /// From here on nothing is read.
    pub fn unread(&mut self) {
        self.state = State::Unread;
    }

    /// Takes the next bytes; gives what they are, and appends to `pass` what is to be passed on in their place: the same,
    /// but for an address. The beginning of a line that may hold one is kept back until it is whole.
    pub fn push(&mut self, chunk: &[u8], pass: &mut Vec<u8>) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut rest = chunk;
        loop {
            match &mut self.state {
                State::Unread => {
                    pass.extend_from_slice(rest);
                    return pieces;
                }
                State::Head(head) => {
                    let room = (self.limit + 1).saturating_sub(head.bytes.len());
                    let (used, whole) = head.push(rest.get(..room).unwrap_or(rest), self.address.as_mut(), pass);
                    rest = rest.get(used..).unwrap_or_default();
                    if whole {
                        let head = std::mem::take(&mut head.bytes);
                        self.begin(&head, &mut pieces);
                    } else if head.bytes.len() > self.limit {
                        head.flush(pass);
                        self.state = State::Unread;
                        pieces.push(Piece::Broken(format!("a head of more than {} bytes", self.limit)));
                    } else if rest.is_empty() {
                        return pieces;
                    }
                }
                State::Body(body) => {
                    if rest.is_empty() && !body.is_over() {
                        return pieces;
                    }
                    let (used, step) = body.step(rest);
                    let (used, after) = rest.split_at_checked(used).unwrap_or((rest, &[]));
                    pass.extend_from_slice(used);
                    rest = after;
                    match step {
                        Step::Data(data) => pieces.push(Piece::Data(data)),
                        Step::Framing => {}
                        Step::Over => {
                            self.state = State::Head(Head::default());
                            pieces.push(Piece::End);
                        }
                        Step::Broken(why) => {
                            self.state = State::Unread;
                            pieces.push(Piece::Broken(why));
                        }
                    }
                }
            }
        }
    }

    /// Nothing more comes: gives where it ended, and what was kept back.
    pub fn finish(&mut self, pass: &mut Vec<u8>) -> Rest {
        match std::mem::replace(&mut self.state, State::Unread) {
            State::Unread => Rest::Nothing,
            State::Head(mut head) => {
                head.flush(pass);
                if head.bytes.is_empty() { Rest::Nothing } else { Rest::Head }
            }
            State::Body(Body::ToTheEnd) => Rest::Ended,
            State::Body(_) => Rest::Body,
        }
    }

    /// Understands a whole head.
    fn begin(&mut self, head: &[u8], pieces: &mut Vec<Piece>) {
        let read = match &mut self.direction {
            Direction::Requests => request(head),
            Direction::Responses(methods) => response(head, methods),
        };
        match read {
            Ok((piece, Framing::Interim)) => {
                self.state = State::Head(Head::default());
                pieces.push(piece);
            }
            Ok((piece, Framing::Tunnel)) => {
                self.state = State::Unread;
                pieces.extend([piece, Piece::Tunnel]);
            }
            Ok((piece, Framing::Body(body))) => {
                self.state = State::Body(body);
                pieces.push(piece);
            }
            Err(why) => {
                self.state = State::Unread;
                pieces.push(Piece::Broken(why));
            }
        }
    }
}

impl Head {
    /// Takes bytes up to the end of the head; gives how many, and whether it is whole.
    fn push(&mut self, chunk: &[u8], mut address: Option<&mut Address>, pass: &mut Vec<u8>) -> (usize, bool) {
        for (i, byte) in chunk.iter().enumerate() {
            self.bytes.push(*byte);
            if *byte != b'\n' {
                continue;
            }
            let line = self.bytes.get(self.line..).unwrap_or_default();
            let blank = matches!(line, b"\r\n" | b"\n");
            let first = self.line == 0;
            match address.as_mut().filter(|_| !first).and_then(|address| address.exchanged(line)) {
                Some(other) => pass.extend_from_slice(&other),
                None => pass.extend_from_slice(self.bytes.get(self.passed..).unwrap_or_default()),
            }
            (self.line, self.passed) = (self.bytes.len(), self.bytes.len());
            if blank && first {
                // empty lines before a head mean nothing
                *self = Head::default();
            } else if blank {
                return (i + 1, true);
            }
        }
        let begun = self.bytes.get(self.line..).unwrap_or_default();
        let holds = self.line > 0 && address.is_some_and(|address| address.may_be_in(begun));
        if !holds {
            self.flush(pass);
        }
        (chunk.len(), false)
    }

    /// Lets through what was kept back.
    fn flush(&mut self, pass: &mut Vec<u8>) {
        pass.extend_from_slice(self.bytes.get(self.passed..).unwrap_or_default());
        self.passed = self.bytes.len();
    }
}

/// What follows a head.
enum Framing {
    Body(Body),
    Interim,
    Tunnel,
}

fn headers_of(headers: &[httparse::Header<'_>]) -> Headers {
    headers.iter().map(|h| (h.name, String::from_utf8_lossy(h.value))).collect()
}

fn request(head: &[u8]) -> Result<(Piece, Framing), String> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut read = httparse::Request::new(&mut headers);
    match read.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err("a request that cannot be read".into()),
        Err(e) => return Err(format!("a request that cannot be read: {e}")),
    }
    let head = RequestHead {
        method: read.method.unwrap_or_default().to_owned(),
        target: read.path.unwrap_or_default().to_owned(),
        headers: headers_of(read.headers),
    };
    let body = Body::of(&head.headers)?.unwrap_or(Body::Sized(0));
    let framing = if head.method == "CONNECT" { Framing::Tunnel } else { Framing::Body(body) };
    Ok((Piece::Request(head), framing))
}

fn response(head: &[u8], methods: &mut VecDeque<String>) -> Result<(Piece, Framing), String> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut read = httparse::Response::new(&mut headers);
    let parsed = httparse::ParserConfig::default()
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .parse_response(&mut read, head);
    match parsed {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err("a response that cannot be read".into()),
        Err(e) => return Err(format!("a response that cannot be read: {e}")),
    }
    let status = read.code.unwrap_or_default();
    let head = ResponseHead { status, headers: headers_of(read.headers) };
    if (100..200).contains(&status) && status != 101 {
        return Ok((Piece::Interim(head), Framing::Interim));
    }
    let method = methods.pop_front().unwrap_or_default();
    let framing = match (method.as_str(), status) {
        (_, 101) | ("CONNECT", 200..300) => Framing::Tunnel,
        ("HEAD", _) | (_, 204 | 304) => Framing::Body(Body::Sized(0)),
        _ => Framing::Body(Body::of(&head.headers)?.unwrap_or(Body::ToTheEnd)),
    };
    Ok((Piece::Response(head), framing))
}
