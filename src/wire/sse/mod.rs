//! Server-Sent Events by the WHATWG standard, at any chunk boundary, with everything a browser would silently drop.

mod encode;

#[cfg(test)]
mod tests;

pub use encode::{Encoder, LineEnding};

use bytes::Bytes;
use std::sync::Arc;

/// How much data of one event is kept unless told otherwise, in bytes.
pub const EVENT_LIMIT: usize = 64 << 20;

/// One block of fields, ended by a blank line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The `event` field; the last one if there were several. A reader takes an absent or empty one for `message`.
    pub event: Option<String>,
    /// The `data` fields, joined by line feeds; if cut, the first bytes.
    pub data: Bytes,
    /// The `id` field of this block; the last valid one if there were several.
    pub id: Option<String>,
    /// The `retry` field of this block, in milliseconds.
    pub retry: Option<u64>,
    /// The last event id after this block, whichever block set it; empty if none did.
    pub last_event_id: Arc<str>,
    /// Was there a `data` field? Without one the standard dispatches no event, but id and retry count all the same.
    /// `data:` alone is an event with empty data.
    pub has_data: bool,
    /// How much data there was, in bytes; more than `data` holds if it was cut.
    pub data_length: u64,
    /// Where in the stream the block's first field began, in bytes.
    pub offset: u64,
}

impl Event {
    /// Was there more data than the limit?
    #[must_use]
    pub fn cut(&self) -> bool {
        self.data_length > self.data.len() as u64
    }

    /// The type of the event as a reader sees it: `message` unless the block says otherwise.
    #[must_use]
    pub fn event_type(&self) -> &str {
        self.event.as_deref().filter(|e| !e.is_empty()).unwrap_or("message")
    }
}

/// What a stream holds, in its order. Offsets are those of the line, in bytes from the start of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A block of fields, also one that is not dispatched because it has no data ([`Event::has_data`]).
    Event(Event),
    /// A line that begins with a colon: what stands after it.
    Comment {
        /// The text as it came, usually with a space in front.
        text: Bytes,
        /// Where the line began.
        offset: u64,
    },
    /// A `retry` field that is not made of digits; it is ignored.
    BadRetry {
        /// Its value.
        value: Bytes,
        /// Where the line began.
        offset: u64,
    },
    /// An `id` field with a NUL in it; it is ignored.
    BadId {
        /// Its value.
        value: Bytes,
        /// Where the line began.
        offset: u64,
    },
    /// A field the standard does not know; it is ignored.
    UnknownField {
        /// Its name.
        name: Bytes,
        /// Its value.
        value: Bytes,
        /// Where the line began.
        offset: u64,
    },
    /// A line that is not UTF-8. The line is read all the same: data keep their bytes, other fields get U+FFFD.
    NotUtf8 {
        /// Where the line began.
        offset: u64,
    },
    /// The stream begins with a byte order mark, which is skipped.
    ByteOrderMark,
}

/// What stood at the end of a stream without the blank line that would have made it an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// The fields of whole lines, if there were any.
    pub event: Option<Event>,
    /// The last line, if it was not ended; if cut, its first bytes.
    pub line: Bytes,
}

/// Reads a stream of events. Memory is bounded by the limit: about one event's data and one line.
#[derive(Debug)]
pub struct Reader {
    limit: usize,
    line: Vec<u8>,
    line_length: u64,
    line_offset: u64,
    first_line: bool,
    /// The last line was ended by a carriage return, so a line feed now belongs to it.
    skip_line_feed: bool,
    last_event_id: Arc<str>,
    block: Option<Block>,
}

/// The fields of the block being read.
#[derive(Debug, Default)]
struct Block {
    event: Option<String>,
    data: Vec<u8>,
    data_length: u64,
    has_data: bool,
    id: Option<String>,
    retry: Option<u64>,
    offset: u64,
}

impl Default for Reader {
    fn default() -> Self {
        Reader::new(EVENT_LIMIT)
    }
}

impl Reader {
    /// A reader that keeps at most `limit` bytes of an event's data and of any other line's value.
    #[must_use]
    pub fn new(limit: usize) -> Reader {
        Reader {
            limit,
            line: Vec::new(),
            line_length: 0,
            line_offset: 0,
            first_line: true,
            skip_line_feed: false,
            last_event_id: "".into(),
            block: None,
        }
    }

    /// The id to resume from: the last one that a finished block set. Empty if none did.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// Takes the next bytes of the stream and gives what they complete.
    pub fn push(&mut self, chunk: &[u8]) -> Vec<Item> {
        let mut items = Vec::new();
        let mut rest = chunk;
        if self.skip_line_feed && !rest.is_empty() {
            self.skip_line_feed = false;
            if rest.first() == Some(&b'\n') {
                self.line_offset += 1;
                rest = rest.get(1..).unwrap_or_default();
            }
        }
        while let Some(at) = rest.iter().position(|b| matches!(b, b'\n' | b'\r')) {
            let (piece, ending) = rest.split_at(at);
            self.keep(piece);
            self.end_line(&mut items);
            let ended = match ending {
                [b'\r', b'\n', ..] => 2,
                [b'\r'] => {
                    self.skip_line_feed = true;
                    1
                }
                _ => 1,
            };
            self.line_offset += ended;
            rest = ending.get(if ended == 2 { 2 } else { 1 }..).unwrap_or_default();
        }
        self.keep(rest);
        items
    }

    /// The stream has ended: what was not finished. By the standard it is dropped.
    pub fn finish(&mut self) -> Option<Unfinished> {
        let line: Bytes = std::mem::take(&mut self.line).into();
        self.line_offset += std::mem::take(&mut self.line_length);
        let event = self.block.take().map(|block| {
            let last: Arc<str> = block.id.as_deref().map_or_else(|| self.last_event_id.clone(), Arc::from);
            block.finish(last)
        });
        (event.is_some() || !line.is_empty()).then_some(Unfinished { event, line })
    }

    fn keep(&mut self, piece: &[u8]) {
        // Beyond the limit there is room for a field's name.
        let room = self.limit.saturating_add(64).saturating_sub(self.line.len());
        self.line.extend_from_slice(piece.get(..room).unwrap_or(piece));
        self.line_length += piece.len() as u64;
    }

    fn end_line(&mut self, items: &mut Vec<Item>) {
        let mut line = std::mem::take(&mut self.line);
        let length = std::mem::take(&mut self.line_length);
        let offset = self.line_offset;
        self.line_offset += length;
        let mut text = line.as_slice();
        let mut cut_off = length - text.len() as u64;
        if std::mem::take(&mut self.first_line)
            && let Some(rest) = text.strip_prefix("\u{feff}".as_bytes())
        {
            items.push(Item::ByteOrderMark);
            text = rest;
        }
        // The cut may have gone through a character.
        if std::str::from_utf8(text).is_err_and(|e| e.error_len().is_some() || cut_off == 0) {
            items.push(Item::NotUtf8 { offset });
        }
        if text.is_empty() {
            self.end_block(items);
        } else {
            let colon = text.iter().position(|b| *b == b':').unwrap_or(text.len());
            let (name, value) = text.split_at(colon);
            let value = value.get(1..).unwrap_or_default();
            if name.is_empty() {
                items.push(Item::Comment { text: self.bounded(value), offset });
            } else {
                let value = value.strip_prefix(b" ").unwrap_or(value);
                let kept = value.get(..self.limit).unwrap_or(value);
                cut_off += (value.len() - kept.len()) as u64;
                self.field(name, kept, cut_off, offset, items);
            }
        }
        line.clear();
        // The next line can use the room; a very long one gives it back.
        if line.capacity() <= 1 << 16 {
            self.line = line;
        }
    }

    fn bounded(&self, value: &[u8]) -> Bytes {
        Bytes::copy_from_slice(value.get(..self.limit).unwrap_or(value))
    }

    fn field(&mut self, name: &[u8], value: &[u8], cut_off: u64, offset: u64, items: &mut Vec<Item>) {
        let limit = self.limit;
        let text = || String::from_utf8_lossy(value).into_owned();
        match name {
            b"event" => self.block_at(offset).event = Some(text()),
            b"data" => {
                let block = self.block_at(offset);
                if block.has_data {
                    block.add(b"\n", limit);
                }
                block.add(value, limit);
                block.data_length += cut_off;
                block.has_data = true;
            }
            b"id" if value.contains(&0) => items.push(Item::BadId { value: self.bounded(value), offset }),
            b"id" => self.block_at(offset).id = Some(text()),
            b"retry" => match text() {
                digits if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                    self.block_at(offset).retry = Some(digits.parse().unwrap_or(u64::MAX));
                }
                _ => items.push(Item::BadRetry { value: self.bounded(value), offset }),
            },
            _ => items.push(Item::UnknownField { name: self.bounded(name), value: self.bounded(value), offset }),
        }
    }

    fn block_at(&mut self, offset: u64) -> &mut Block {
        self.block.get_or_insert_with(|| Block { offset, ..Block::default() })
    }

    fn end_block(&mut self, items: &mut Vec<Item>) {
        let Some(block) = self.block.take() else { return };
        if let Some(id) = &block.id {
            self.last_event_id = id.as_str().into();
        }
        items.push(Item::Event(block.finish(self.last_event_id.clone())));
    }
}

impl Block {
    fn add(&mut self, bytes: &[u8], limit: usize) {
        // Once something was cut nothing may follow it, or the data would have a hole.
        let whole = self.data.len() as u64 == self.data_length;
        let room = if whole { limit.saturating_sub(self.data.len()) } else { 0 };
        self.data.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.data_length += bytes.len() as u64;
    }

    fn finish(self, last_event_id: Arc<str>) -> Event {
        Event {
            event: self.event,
            data: self.data.into(),
            id: self.id,
            retry: self.retry,
            last_event_id,
            has_data: self.has_data,
            data_length: self.data_length,
            offset: self.offset,
        }
    }
}
