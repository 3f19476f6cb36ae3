//! What stands where a message should, and is none: bytes that are no UTF-8, pieces of a message that was broken over several
//! lines, several messages in one frame, and output that has nothing to do with messages.

use crate::conversation::{Conversation, Said};
use crate::trace::{Closing, StreamId, Transport};
use crate::wire::json::Limits;
use crate::wire::{Kind, Message, Party};
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};

/// A message over more lines than these is not put together again.
const LINES: usize = 2000;
/// Nor is one of more bytes.
const BYTES: usize = 1 << 20;
/// So many beginnings of such messages are tried in one trace.
const TRIALS: usize = 50;

/// What a frame is that is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Odd {
    /// It is not UTF-8.
    NotUtf8,
    /// It is a line of a message that was broken over several; the first of them has this index.
    Piece(usize),
    /// It holds several messages.
    Several,
    /// It is something else.
    Stray,
}

/// What the frames are that are no messages, by index. What is not named here is a message, or is for the schema check.
#[must_use]
pub fn survey(c: &Conversation) -> HashMap<usize, Odd> {
    let mut odd = HashMap::new();
    let mut lines: BTreeMap<StreamId, Vec<usize>> = BTreeMap::new();
    for (index, said) in c.iter().filter(|(_, s)| s.part.is_none() && !s.cut) {
        let raw = said.message.raw();
        let stdio = c.transport == Transport::Stdio;
        if stdio {
            lines.entry(said.stream).or_default().push(index);
        }
        let Kind::Unreadable(why) = said.message.kind() else { continue };
        if std::str::from_utf8(raw).is_err() {
            odd.insert(index, Odd::NotUtf8);
        } else if several(raw) && (stdio || said.from == Party::Client) {
            odd.insert(index, Odd::Several);
        } else if stdio && !why.is_depth() && !broke_off(c, index, said) {
            odd.insert(index, Odd::Stray);
        }
    }
    let mut trials = 0;
    for lines in lines.values() {
        let mut from = 0;
        while let Some(first) = lines.get(from).copied() {
            from += 1;
            if odd.get(&first) != Some(&Odd::Stray) || !opens(c, first) || trials >= TRIALS {
                continue;
            }
            trials += 1;
            if let Some(count) = pieces(c, lines.get(from - 1..).unwrap_or_default()) {
                for piece in lines.iter().skip(from - 1).take(count) {
                    odd.insert(*piece, Odd::Piece(first));
                }
                from += count - 1;
            }
        }
    }
    odd
}

/// Did the stream break off in the middle of that line?
fn broke_off(c: &Conversation, index: usize, said: &Said) -> bool {
    c.streams.get(&said.stream).is_some_and(|s| {
        let last = s.items.last().is_some_and(|i| i.said == Some(index));
        last && matches!(s.closed, Some((_, Closing::Cut(_))))
    })
}

fn several(raw: &[u8]) -> bool {
    let values: Result<Vec<serde_json::Value>, _> = serde_json::Deserializer::from_slice(raw).into_iter().collect();
    values.is_ok_and(|all| all.len() > 1 && all.iter().all(|v| v.get("jsonrpc").is_some()))
}

fn opens(c: &Conversation, index: usize) -> bool {
    c.get(index).is_some_and(|s| s.message.raw().trim_ascii_start().first().is_some_and(|b| matches!(b, b'{' | b'[')))
}

/// How many of these lines, from the first, make one message together.
fn pieces(c: &Conversation, lines: &[usize]) -> Option<usize> {
    // a line feed between members, or inside a text, where it should have been written as an escape
    let (mut between, mut inside) = (Vec::new(), Vec::new());
    for (count, index) in lines.iter().take(LINES).enumerate() {
        let said = c.get(*index)?;
        let whole = matches!(said.message.kind(), Kind::Request { .. } | Kind::Notification { .. });
        if whole || said.message.is_answer() {
            return None;
        }
        let line = said.message.raw().strip_suffix(b"\r").unwrap_or(said.message.raw());
        if count > 0 {
            between.push(b'\n');
            inside.extend_from_slice(b"\\n");
        }
        between.extend_from_slice(line);
        inside.extend_from_slice(line);
        if inside.len() > BYTES {
            return None;
        }
        let ends = line.trim_ascii_end().last().is_some_and(|b| matches!(b, b'}' | b']'));
        if count > 0 && ends && (is_message(&between) || is_message(&inside)) {
            return Some(count + 1);
        }
    }
    None
}

fn is_message(bytes: &[u8]) -> bool {
    let message = Message::read(Bytes::copy_from_slice(bytes), &Limits::default());
    !matches!(message.kind(), Kind::Unreadable(_) | Kind::Malformed(_))
}
