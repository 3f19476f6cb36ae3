//! stdio framing: one message a line.

use bytes::Bytes;
use serde_json::Value;

/// The longest line that is kept whole unless told otherwise, in bytes.
pub const LINE_LIMIT: usize = 64 << 20;

/// What ended a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndedBy {
    /// A line feed, as it should be.
    Lf,
    /// Carriage return and line feed.
    CrLf,
    /// The end of the stream: the last line was not finished.
    End,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its bytes without the ending; if it was cut, the first ones.
    pub bytes: Bytes,
    /// What ended it.
    pub ended_by: EndedBy,
    /// How long the line was, without the ending, in bytes.
    pub length: u64,
    /// Where in the stream it began, in bytes.
    pub offset: u64,
}

impl Frame {
    /// Was the line longer than the limit?
    #[must_use]
    pub fn cut(&self) -> bool {
        self.length > self.bytes.len() as u64
    }

    /// Is there nothing in it but white space?
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.bytes.iter().all(u8::is_ascii_whitespace)
    }
}

/// Cuts a stream of bytes into lines; memory is bounded by the limit.
#[derive(Debug)]
pub struct Framer {
    limit: usize,
    line: Vec<u8>,
    length: u64,
    offset: u64,
    /// The last byte of the line so far was a carriage return.
    carriage_return: bool,
}

impl Default for Framer {
    fn default() -> Self {
        Framer::new(LINE_LIMIT)
    }
}

impl Framer {
    /// A framer that keeps at most the first `limit` bytes of a line.
    #[must_use]
    pub fn new(limit: usize) -> Framer {
        Framer { limit, line: Vec::new(), length: 0, offset: 0, carriage_return: false }
    }

    /// Takes the next bytes of the stream and gives the lines that they end, blank ones too.
    pub fn push(&mut self, chunk: &[u8]) -> Vec<Frame> {
        let mut frames = Vec::new();
        let mut rest = chunk;
        while let Some(at) = rest.iter().position(|b| *b == b'\n') {
            let (line, after) = rest.split_at(at);
            self.keep(line);
            frames.push(self.take(true));
            rest = after.get(1..).unwrap_or_default();
        }
        self.keep(rest);
        frames
    }

    /// The stream has ended: what stands after the last line feed, if anything does.
    pub fn finish(&mut self) -> Option<Frame> {
        (self.length > 0).then(|| self.take(false))
    }

    fn keep(&mut self, piece: &[u8]) {
        let Some(last) = piece.last() else { return };
        let room = self.limit.saturating_sub(self.line.len());
        self.line.extend_from_slice(piece.get(..room).unwrap_or(piece));
        self.length += piece.len() as u64;
        self.carriage_return = *last == b'\r';
    }

    fn take(&mut self, line_feed: bool) -> Frame {
        let crlf = line_feed && self.carriage_return;
        let on_the_wire = self.length + u64::from(line_feed);
        let length = self.length - u64::from(crlf);
        let mut bytes = std::mem::take(&mut self.line);
        bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        let ended_by = match (line_feed, crlf) {
            (false, _) => EndedBy::End,
            (true, false) => EndedBy::Lf,
            (true, true) => EndedBy::CrLf,
        };
        let frame = Frame { bytes: bytes.into(), ended_by, length, offset: self.offset };
        self.offset += on_the_wire;
        self.length = 0;
        self.carriage_return = false;
        frame
    }
}

/// A message of ours as one line with its line feed. Line breaks inside strings are escaped.
#[must_use]
pub fn encode(message: &Value) -> Vec<u8> {
    let mut line = message.to_string().into_bytes();
    line.push(b'\n');
    line
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn frames(limit: usize, chunks: &[&[u8]]) -> Vec<Frame> {
        let mut framer = Framer::new(limit);
        let mut frames: Vec<Frame> = chunks.iter().flat_map(|c| framer.push(c)).collect();
        frames.extend(framer.finish());
        assert_eq!(framer.finish(), None);
        frames
    }

    fn short(frames: &[Frame]) -> Vec<(&str, EndedBy, u64, u64)> {
        frames.iter().map(|f| (std::str::from_utf8(&f.bytes).unwrap(), f.ended_by, f.length, f.offset)).collect()
    }

    #[test]
    fn lines_end_with_lf_crlf_or_the_end() {
        let frames = frames(100, &[b"a\nbc\r\n\n \r\nr\rs\nx\r", b"\nlast"]);
        let expected = [
            ("a", EndedBy::Lf, 1, 0),
            ("bc", EndedBy::CrLf, 2, 2),
            ("", EndedBy::Lf, 0, 6),
            (" ", EndedBy::CrLf, 1, 7),
            ("r\rs", EndedBy::Lf, 3, 10),
            ("x", EndedBy::CrLf, 1, 14),
            ("last", EndedBy::End, 4, 17),
        ];
        assert_eq!(short(&frames), expected);
        let blank: Vec<bool> = frames.iter().map(Frame::is_blank).collect();
        assert_eq!(blank, [false, false, true, true, false, false, false]);
        assert!(frames.iter().all(|f| !f.cut()));
    }

    #[test]
    fn what_is_too_long_is_counted_not_kept() {
        let frames = frames(3, &[b"abc\r\nabcd\nab", b"cdef\r\n\r\n", b"ab\r"]);
        let expected = [
            ("abc", EndedBy::CrLf, 3, 0),
            ("abc", EndedBy::Lf, 4, 5),
            ("abc", EndedBy::CrLf, 6, 10),
            ("", EndedBy::CrLf, 0, 18),
            ("ab\r", EndedBy::End, 3, 20),
        ];
        assert_eq!(short(&frames), expected);
        assert_eq!(frames.iter().map(Frame::cut).collect::<Vec<_>>(), [false, true, true, false, false]);
    }

    #[test]
    fn memory_stays_within_the_limit() {
        let mut framer = Framer::new(10);
        for _ in 0..1000 {
            assert!(framer.push(&[b'x'; 1000]).is_empty());
        }
        assert!(framer.line.capacity() < 64);
        assert_eq!(framer.finish().unwrap().length, 1_000_000);
    }

    #[test]
    fn a_message_is_one_line() {
        assert_eq!(encode(&json!({"a": "x\r\ny"})), b"{\"a\":\"x\\r\\ny\"}\n");
    }

    proptest! {
        #[test]
        fn chunks_make_no_difference(text in "[a\r\n]{0,40}", cuts: Vec<prop::sample::Index>, limit in 0usize..6) {
            let mut at: Vec<usize> = cuts.iter().map(|c| c.index(text.len() + 1)).chain([0, text.len()]).collect();
            at.sort_unstable();
            let chunks: Vec<&[u8]> = at.windows(2).map(|w| &text.as_bytes()[w[0]..w[1]]).collect();
            prop_assert_eq!(frames(limit, &chunks), frames(limit, &[text.as_bytes()]));
        }

        #[test]
        fn nothing_is_lost(bytes: Vec<u8>) {
            let mut again = Vec::new();
            for frame in frames(usize::MAX, &[&bytes]) {
                prop_assert_eq!(frame.offset, again.len() as u64);
                again.extend_from_slice(&frame.bytes);
                again.extend_from_slice(match frame.ended_by {
                    EndedBy::Lf => b"\n",
                    EndedBy::CrLf => b"\r\n",
                    EndedBy::End => b"",
                });
            }
            prop_assert_eq!(again, bytes);
        }
    }
}
