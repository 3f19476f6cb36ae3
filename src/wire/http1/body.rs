//! The body of an HTTP/1.1 message: of a length that was said, in chunks, or up to the end of the connection.

use crate::wire::http::Headers;
use bytes::Bytes;

/// The longest line between chunks that is read, and the most of trailers, in bytes.
const LINE: usize = 16 << 10;

/// What is still to come of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes.
    Sized(u64),
    /// All up to the end of the connection.
    ToTheEnd,
    /// The line with the size of the next chunk, of which that has come.
    Size(Vec<u8>),
    /// So many bytes of a chunk.
    Chunk(u64),
    /// The line end behind a chunk, of which so many bytes have come.
    Behind(Vec<u8>),
    /// Trailers: the line that has begun, and how long they are together.
    Trailers(Vec<u8>, usize),
}

/// What bytes were in a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Data(Bytes),
    /// Sizes, line ends, trailers.
    Framing,
    Over,
    Broken(String),
}

impl Body {
    /// The body that the headers announce; `None` if they announce none.
    pub(super) fn of(headers: &Headers) -> Result<Option<Body>, String> {
        let codings = headers.all("transfer-encoding").flat_map(|v| v.split(',')).last();
        if let Some(last) = codings {
            let chunked = last.trim().eq_ignore_ascii_case("chunked");
            return if chunked { Ok(Some(Body::Size(Vec::new()))) } else { Ok(Some(Body::ToTheEnd)) };
        }
        let mut length: Option<u64> = None;
        for value in headers.all("content-length").flat_map(|v| v.split(',')) {
            let value = value.trim();
            let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
            let number = value.parse().ok().filter(|_| digits);
            match (number, length) {
                (Some(n), None) => length = Some(n),
                (Some(n), Some(known)) if n == known => {}
                _ => return Err(format!("a Content-Length that cannot be read: {value}")),
            }
        }
        Ok(length.map(Body::Sized))
    }

    /// Is nothing more to come?
    pub(super) fn is_over(&self) -> bool {
        *self == Body::Sized(0)
    }

    /// Takes some of the bytes; gives how many, and what they were.
    pub(super) fn step(&mut self, bytes: &[u8]) -> (usize, Step) {
        match self {
            Body::Sized(0) => (0, Step::Over),
            Body::ToTheEnd => (bytes.len(), Step::Data(Bytes::copy_from_slice(bytes))),
            Body::Sized(left) | Body::Chunk(left) => {
                let most = usize::try_from(*left).unwrap_or(usize::MAX);
                let data = bytes.get(..most).unwrap_or(bytes);
                *left -= data.len() as u64;
                let step = (data.len(), Step::Data(Bytes::copy_from_slice(data)));
                if *self == Body::Chunk(0) {
                    *self = Body::Behind(Vec::new());
                }
                step
            }
            Body::Size(line) => {
                let (used, whole) = up_to_line_feed(line, bytes);
                if line.len() > LINE {
                    return (used, Step::Broken(format!("a chunk size of more than {LINE} bytes")));
                }
                if !whole {
                    return (used, Step::Framing);
                }
                let size = size(line);
                match size {
                    Some(0) => *self = Body::Trailers(Vec::new(), 0),
                    Some(size) => *self = Body::Chunk(size),
                    None => {
                        let line = String::from_utf8_lossy(line).trim_end().chars().take(100).collect::<String>();
                        return (used, Step::Broken(format!("a chunk size that cannot be read: {line:?}")));
                    }
                }
                (used, Step::Framing)
            }
            Body::Behind(line) => {
                let (used, whole) = up_to_line_feed(line, bytes);
                if whole && matches!(line.as_slice(), b"\r\n" | b"\n") {
                    *self = Body::Size(Vec::new());
                } else if whole || line.len() > 1 {
                    return (used, Step::Broken("a chunk that is longer than was said".into()));
                }
                (used, Step::Framing)
            }
            Body::Trailers(line, length) => {
                let (used, whole) = up_to_line_feed(line, bytes);
                *length += used;
                if *length > LINE {
                    return (used, Step::Broken(format!("trailers of more than {LINE} bytes")));
                }
                if whole && matches!(line.as_slice(), b"\r\n" | b"\n") {
                    *self = Body::Sized(0);
                } else if whole {
                    line.clear();
                }
                (used, Step::Framing)
            }
        }
    }
}

/// Adds bytes to a line, its line feed included; gives how many, and whether it is whole.
fn up_to_line_feed(line: &mut Vec<u8>, bytes: &[u8]) -> (usize, bool) {
    let room = LINE + 1;
    let end = bytes.iter().position(|b| *b == b'\n').map(|at| at + 1);
    let used = end.unwrap_or(bytes.len()).min(room);
    line.extend_from_slice(bytes.get(..used).unwrap_or_default());
    (used, end == Some(used))
}

/// The size that a line says, before its extensions.
fn size(line: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(line).ok()?;
    let digits = text.split(';').next()?.trim();
    let hexadecimal = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    u64::from_str_radix(digits, 16).ok().filter(|_| hexadecimal)
}
