//! A strict JSON reader that keeps the place of every value and notices what parsers hide.

mod reader;

#[cfg(test)]
mod tests;

use serde_json::Value;
use std::ops::Range;

/// Deeper nesting is refused whatever [`Limits::depth`] says, because dropping a value recurses.
pub const MAX_DEPTH: usize = 2048;

/// More lints than this are counted ([`Document::lints_omitted`]), not kept.
pub const MAX_LINTS: usize = 1024;

/// Nesting beyond this is a [`LintKind::DeepNesting`].
pub const DEEP: usize = 127;

/// Bounds on what is read.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How deep arrays and objects may nest; deeper input is an error. At most [`MAX_DEPTH`].
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { depth: 256 }
    }
}

/// What a lenient parser would have hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LintKind {
    /// A name occurs twice in one object (compared after unescaping); the last one is kept.
    DuplicateKey,
    /// `\ud800` without its other half; kept as U+FFFD.
    LoneSurrogate,
    /// An integer beyond 2^53, which some peers round.
    IntegerBeyond53Bits,
    /// An integer that fits neither i64 nor u64.
    IntegerBeyond64Bits,
    /// A number too large for a double; kept as the largest double.
    FloatOverflow,
    /// A number that a double turns into zero.
    FloatUnderflow,
    /// `1.0` or `1e2`: an integer written as a fraction or with an exponent.
    IntegerWrittenAsFloat,
    /// `-0`.
    NegativeZero,
    /// Nesting deeper than 127, which some parsers refuse. Noted once, where it first happens.
    DeepNesting,
    /// The text starts with a byte order mark.
    ByteOrderMark,
    /// A line feed or carriage return between tokens; one lint for each run of white space. White space before the first
    /// and after the last token is not between tokens.
    RawNewline,
    /// `\u0000` in a string.
    NulEscape,
}

impl LintKind {
    /// What was seen, in words that fit after "the message has ".
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            LintKind::DuplicateKey => "a name that occurs twice in one object",
            LintKind::LoneSurrogate => "half of a surrogate pair",
            LintKind::IntegerBeyond53Bits => "an integer beyond 2^53, which some peers round",
            LintKind::IntegerBeyond64Bits => "an integer that does not fit 64 bits",
            LintKind::FloatOverflow => "a number too large for a double",
            LintKind::FloatUnderflow => "a number that a double turns into zero",
            LintKind::IntegerWrittenAsFloat => "an integer written with a fraction or an exponent",
            LintKind::NegativeZero => "a negative zero",
            LintKind::DeepNesting => "nesting deeper than 127, which some parsers refuse",
            LintKind::ByteOrderMark => "a byte order mark in front",
            LintKind::RawNewline => "a line break between tokens",
            LintKind::NulEscape => "a NUL character in a string",
        }
    }
}

/// One lint and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lint {
    /// What was seen.
    pub kind: LintKind,
    /// Byte range in the text.
    pub span: Range<usize>,
}

/// The text is not JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {offset}")]
pub struct SyntaxError {
    /// Where reading stopped, in bytes from the start.
    pub offset: usize,
    /// What was expected or found, in words.
    pub reason: String,
}

impl SyntaxError {
    /// Was it only nested deeper than the reader goes? Another reader may go further, and may stop earlier.
    #[must_use]
    pub fn is_depth(&self) -> bool {
        self.reason.starts_with(reader::TOO_DEEP)
    }
}

/// The place of one value. Nodes stand in the order of the text; the children of a node follow it.
#[derive(Debug, Clone, Copy)]
struct Node {
    start: u32,
    end: u32,
    /// The node after this one's last descendant.
    next: u32,
    /// Where the member's name starts, with its quotes; equal to `key_end` when the value is no member.
    key_start: u32,
    key_end: u32,
    /// The name occurred before in the same object.
    repeated: bool,
}

/// A text that was read: the value, the places, the lints.
#[derive(Debug, Clone)]
pub struct Document {
    value: Value,
    lints: Vec<Lint>,
    lints_omitted: usize,
    nodes: Vec<Node>,
    /// The names of the nodes that are `repeated`, in the order of the nodes.
    repeated: Vec<(u32, String)>,
}

impl Document {
    /// The value. Numbers beyond 64 bits are doubles here; [`Document::raw`] has their text.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// What a lenient parser would have hidden, in the order of the text. At most [`MAX_LINTS`].
    #[must_use]
    pub fn lints(&self) -> &[Lint] {
        &self.lints
    }

    /// How many lints there were beyond [`MAX_LINTS`].
    #[must_use]
    pub fn lints_omitted(&self) -> usize {
        self.lints_omitted
    }

    /// The byte range of the value at a JSON pointer, in the text that was read. Of a name that occurs twice, the last
    /// one, which is also the one in [`Document::value`].
    #[must_use]
    pub fn span(&self, pointer: &str) -> Option<Range<usize>> {
        let node = self.find(pointer)?;
        Some(node.start as usize..node.end as usize)
    }

    /// The byte range of the name, with its quotes, of the member at a JSON pointer.
    #[must_use]
    pub fn key_span(&self, pointer: &str) -> Option<Range<usize>> {
        let node = self.find(pointer)?;
        (node.key_start < node.key_end).then_some(node.key_start as usize..node.key_end as usize)
    }

    /// The text of the value at a JSON pointer; `bytes` is what was given to [`read`].
    #[must_use]
    pub fn raw<'a>(&self, pointer: &str, bytes: &'a [u8]) -> Option<&'a [u8]> {
        bytes.get(self.span(pointer)?)
    }

    /// The byte ranges of the items of a top-level array; of anything else nothing.
    #[must_use]
    pub fn item_spans(&self) -> Vec<Range<usize>> {
        if !self.value.is_array() {
            return Vec::new();
        }
        self.children(0).map(|(_, node)| node.start as usize..node.end as usize).collect()
    }

    /// The JSON pointer of the innermost value (or of the member whose name) covers that byte.
    #[must_use]
    pub fn pointer_at(&self, offset: usize) -> Option<String> {
        let mut index = 0usize;
        let mut value = &self.value;
        let mut pointer = String::new();
        let root = self.nodes.first()?;
        if !(root.start as usize..root.end as usize).contains(&offset) {
            return None;
        }
        'down: loop {
            let mut place = 0usize;
            for (child, node) in self.children(index) {
                let covers = |start: u32| (start as usize..node.end as usize).contains(&offset);
                let begins = if node.key_start < node.key_end { node.key_start } else { node.start };
                if covers(begins) {
                    let next = match value {
                        Value::Array(items) => {
                            pointer.push_str(&format!("/{place}"));
                            items.get(place)
                        }
                        Value::Object(members) => {
                            let key = match self.repeated_name(child) {
                                Some(key) => Some(key),
                                None => members.keys().nth(place).map(String::as_str),
                            }?;
                            pointer.push('/');
                            pointer.push_str(&escape(key));
                            members.get(key)
                        }
                        _ => None,
                    };
                    // Below a repeated name the kept value may have another shape.
                    let Some(next) = next else { return Some(pointer) };
                    if self.span(&pointer) != Some(node.start as usize..node.end as usize) {
                        return Some(pointer);
                    }
                    (index, value) = (child, next);
                    continue 'down;
                }
                if !node.repeated {
                    place += 1;
                }
            }
            return Some(pointer);
        }
    }

    fn repeated_name(&self, node: usize) -> Option<&str> {
        let at = self.repeated.binary_search_by_key(&node, |(n, _)| *n as usize).ok()?;
        self.repeated.get(at).map(|(_, name)| name.as_str())
    }

    fn children(&self, parent: usize) -> impl Iterator<Item = (usize, &Node)> {
        let end = self.nodes.get(parent).map_or(0, |n| n.next as usize);
        let mut at = parent + 1;
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let node = self.nodes.get(at)?;
            let index = at;
            at = node.next as usize;
            Some((index, node))
        })
    }

    fn find(&self, pointer: &str) -> Option<&Node> {
        let mut index = 0usize;
        let mut value = &self.value;
        if !pointer.is_empty() {
            for token in pointer.strip_prefix('/')?.split('/') {
                let token = unescape(token);
                (index, value) = match value {
                    Value::Array(items) => {
                        let place = array_index(&token)?;
                        (self.children(index).nth(place)?.0, items.get(place)?)
                    }
                    Value::Object(members) => {
                        let child = members.get(&token)?;
                        (self.member(index, members.keys().position(|k| *k == token)?, &token)?, child)
                    }
                    _ => return None,
                };
            }
        }
        self.nodes.get(index)
    }

    /// The node of the member with that name, the `place`-th distinct one of the object.
    fn member(&self, object: usize, place: usize, name: &str) -> Option<usize> {
        let mut seen = 0usize;
        let mut found = None;
        for (index, node) in self.children(object) {
            if node.repeated {
                if self.repeated_name(index) == Some(name) {
                    found = Some(index);
                }
            } else {
                if seen == place {
                    found = Some(index);
                }
                seen += 1;
            }
        }
        found
    }
}

fn array_index(token: &str) -> Option<usize> {
    if token.starts_with('+') || (token.len() > 1 && token.starts_with('0')) {
        return None;
    }
    token.parse().ok()
}

/// One name or index as it stands in a JSON pointer: `~` becomes `~0`, `/` becomes `~1`.
#[must_use]
pub fn escape(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

/// Line and column of a byte, both from 1; the column counts characters. An offset beyond the end is the end.
#[must_use]
pub fn line_column(bytes: &[u8], offset: usize) -> (usize, usize) {
    let before = bytes.get(..offset.min(bytes.len())).unwrap_or_default();
    let line = 1 + before.iter().filter(|b| **b == b'\n').count();
    let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let is_first_byte = |b: &&u8| **b & 0xC0 != 0x80;
    let column = 1 + before.iter().skip(start).filter(is_first_byte).count();
    (line, column)
}

/// Reads one JSON text.
///
/// # Errors
/// When the bytes are not UTF-8, not JSON, nested deeper than `limits`, 4 GiB or longer, or followed by anything but white
/// space.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Document, SyntaxError> {
    reader::Reader::read(bytes, limits)
}
