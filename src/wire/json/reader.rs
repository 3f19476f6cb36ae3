//! The reading itself: one pass over the text with a stack of its own.

use super::{DEEP, Document, Limits, Lint, LintKind, MAX_DEPTH, MAX_LINTS, Node, SyntaxError};
use serde_json::{Map, Number, Value};
use std::ops::Range;

/// The largest integer up to which every integer is a double.
const EXACT: u64 = 1 << 53;

/// How the reason begins where the limit of depth was met.
pub(super) const TOO_DEEP: &str = "nested deeper than";

/// An array or object that is not closed yet.
struct Open {
    node: usize,
    holds: Holds,
}

enum Holds {
    Items(Vec<Value>),
    /// The members so far, and the name of the one being read.
    Members(Map<String, Value>, String),
}

pub(super) struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    lints: Vec<Lint>,
    lints_omitted: usize,
    deep_noted: bool,
    nodes: Vec<Node>,
    repeated: Vec<(u32, String)>,
}

type Step<T> = Result<T, SyntaxError>;

impl<'a> Reader<'a> {
    pub(super) fn read(bytes: &'a [u8], limits: &Limits) -> Step<Document> {
        if u32::try_from(bytes.len()).is_err() {
            return Err(SyntaxError { offset: 0, reason: "the text is longer than 4 GiB".into() });
        }
        let text = std::str::from_utf8(bytes).map_err(|e| SyntaxError {
            offset: e.valid_up_to(),
            reason: format!("the byte {} is not UTF-8", bytes.get(e.valid_up_to()).map_or_else(String::new, hex)),
        })?;
        let mut reader = Reader {
            text,
            bytes,
            at: 0,
            lints: Vec::new(),
            lints_omitted: 0,
            deep_noted: false,
            nodes: Vec::new(),
            repeated: Vec::new(),
        };
        if text.starts_with('\u{feff}') {
            reader.at = 3;
            reader.lint(LintKind::ByteOrderMark, 0..3);
        }
        let value = reader.document(limits.depth.min(MAX_DEPTH))?;
        let Reader { lints, lints_omitted, nodes, repeated, .. } = reader;
        Ok(Document { value, lints, lints_omitted, nodes, repeated })
    }

    fn document(&mut self, depth: usize) -> Step<Value> {
        self.skip_outer_space();
        let mut open: Vec<Open> = Vec::new();
        let mut key = 0..0;
        // Each turn reads one value; when a container closes, the value is the container.
        loop {
            let node = self.nodes.len();
            let start = self.at;
            let mut value = match self.peek() {
                Some(b @ (b'[' | b'{')) => {
                    self.at += 1;
                    self.enter(start, &key, open.len() + 1, depth)?;
                    self.skip_space();
                    let holds = if b == b'[' {
                        if !self.eat(b']') {
                            open.push(Open { node, holds: Holds::Items(Vec::new()) });
                            key = 0..0;
                            continue;
                        }
                        Value::Array(Vec::new())
                    } else {
                        if !self.eat(b'}') {
                            let name;
                            (name, key) = self.key()?;
                            open.push(Open { node, holds: Holds::Members(Map::new(), name) });
                            continue;
                        }
                        Value::Object(Map::new())
                    };
                    self.leave(node);
                    holds
                }
                _ => {
                    self.push_node(start, &key);
                    let scalar = self.scalar()?;
                    self.leave(node);
                    scalar
                }
            };
            // Hand the value to what holds it, and close as many containers as end here.
            loop {
                let Some(Open { node, holds }) = open.pop() else {
                    self.skip_outer_space();
                    return match self.peek() {
                        None => Ok(value),
                        Some(_) => Err(self.unexpected("the end of the text")),
                    };
                };
                self.skip_space();
                let next = self.peek();
                match holds {
                    Holds::Items(mut items) => {
                        items.push(value);
                        match next {
                            Some(b',') => {
                                self.at += 1;
                                self.skip_space();
                                open.push(Open { node, holds: Holds::Items(items) });
                                key = 0..0;
                                break;
                            }
                            Some(b']') => value = Value::Array(items),
                            _ => return Err(self.unexpected("`,` or `]`")),
                        }
                    }
                    Holds::Members(mut members, name) => {
                        members.insert(name, value);
                        match next {
                            Some(b',') => {
                                self.at += 1;
                                self.skip_space();
                                let name;
                                (name, key) = self.key()?;
                                if members.contains_key(&name) {
                                    self.lint(LintKind::DuplicateKey, key.clone());
                                    self.repeated.push((narrow(self.nodes.len()), name.clone()));
                                }
                                open.push(Open { node, holds: Holds::Members(members, name) });
                                break;
                            }
                            Some(b'}') => value = Value::Object(members),
                            _ => return Err(self.unexpected("`,` or `}`")),
                        }
                    }
                }
                self.at += 1;
                self.leave(node);
            }
        }
    }

    fn enter(&mut self, start: usize, key: &Range<usize>, depth: usize, limit: usize) -> Step<()> {
        if depth > limit {
            return Err(SyntaxError { offset: start, reason: format!("{TOO_DEEP} {limit}") });
        }
        if depth > DEEP && !self.deep_noted {
            self.deep_noted = true;
            self.lint(LintKind::DeepNesting, start..start + 1);
        }
        self.push_node(start, key);
        Ok(())
    }

    fn push_node(&mut self, start: usize, key: &Range<usize>) {
        let index = narrow(self.nodes.len());
        self.nodes.push(Node {
            start: narrow(start),
            end: narrow(start),
            next: index,
            key_start: narrow(key.start),
            key_end: narrow(key.end),
            repeated: self.repeated.last().is_some_and(|(node, _)| *node == index),
        });
    }

    fn leave(&mut self, node: usize) {
        let next = narrow(self.nodes.len());
        let end = narrow(self.at);
        if let Some(node) = self.nodes.get_mut(node) {
            node.end = end;
            node.next = next;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        if there {
            self.at += 1;
        }
        there
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn lint(&mut self, kind: LintKind, span: Range<usize>) {
        if self.lints.len() < MAX_LINTS {
            self.lints.push(Lint { kind, span });
        } else {
            self.lints_omitted += 1;
        }
    }

    /// White space before the first or after the last token.
    fn skip_outer_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn skip_space(&mut self) {
        let mut newline: Option<Range<usize>> = None;
        loop {
            match self.peek() {
                Some(b' ' | b'\t') => {}
                Some(b'\n' | b'\r') => {
                    let start = newline.as_ref().map_or(self.at, |seen| seen.start);
                    newline = Some(start..self.at + 1);
                }
                _ => break,
            }
            self.at += 1;
        }
        if let Some(span) = newline {
            self.lint(LintKind::RawNewline, span);
        }
    }

    fn unexpected(&self, wanted: &str) -> SyntaxError {
        let found = match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            None => "the text ends".into(),
            Some(c) if c.is_control() => format!("found U+{:04X}", u32::from(c)),
            Some(c) => format!("found `{c}`"),
        };
        SyntaxError { offset: self.at, reason: format!("expected {wanted}, {found}") }
    }

    fn key(&mut self) -> Step<(String, Range<usize>)> {
        let start = self.at;
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a name in quotes"));
        }
        let name = self.string()?;
        let span = start..self.at;
        self.skip_space();
        if !self.eat(b':') {
            return Err(self.unexpected("`:`"));
        }
        self.skip_space();
        Ok((name, span))
    }

    fn scalar(&mut self) -> Step<Value> {
        match self.peek() {
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                for (word, value) in [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)]
                {
                    if self.rest().starts_with(word.as_bytes()) {
                        self.at += word.len();
                        return Ok(value);
                    }
                }
                Err(self.unexpected("a value"))
            }
        }
    }

    /// A string; `at` stands on its first quote.
    fn string(&mut self) -> Step<String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = self.rest();
            let plain = rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f)).unwrap_or(rest.len());
            let piece = self.text.get(self.at..self.at + plain).unwrap_or_default();
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    if out.is_empty() {
                        return Ok(piece.to_owned());
                    }
                    out.push_str(piece);
                    return Ok(out);
                }
                Some(b'\\') => {
                    out.push_str(piece);
                    out.push(self.escape()?);
                }
                Some(_) => return Err(self.unexpected("an escaped control character (`\\n`, `\\u0001`)")),
                None => return Err(self.unexpected("the closing quote")),
            }
        }
    }

    /// One escape; `at` stands on its backslash.
    fn escape(&mut self) -> Step<char> {
        let start = self.at;
        self.at += 1;
        let c = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode_escape(start);
            }
            _ => return Err(self.unexpected("one of `\" \\ / b f n r t u` after `\\`")),
        };
        self.at += 1;
        Ok(c)
    }

    fn unicode_escape(&mut self, start: usize) -> Step<char> {
        let unit = self.hex4()?;
        if (0xD800..0xDC00).contains(&unit) && self.rest().starts_with(b"\\u") {
            let after_first = self.at;
            self.at += 2;
            let low = self.hex4()?;
            if (0xDC00..0xE000).contains(&low) {
                let code = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            // Not its other half: an escape of its own, read again.
            self.at = after_first;
        }
        if unit == 0 {
            self.lint(LintKind::NulEscape, start..self.at);
        }
        Ok(char::from_u32(unit).unwrap_or_else(|| {
            self.lint(LintKind::LoneSurrogate, start..self.at);
            char::REPLACEMENT_CHARACTER
        }))
    }

    fn hex4(&mut self) -> Step<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|b| char::from(b).to_digit(16));
            let Some(digit) = digit else { return Err(self.unexpected("four hexadecimal digits after `\\u`")) };
            unit = unit * 16 + digit;
            self.at += 1;
        }
        Ok(unit)
    }

    fn digits(&mut self) -> Step<Range<usize>> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if start == self.at { Err(self.unexpected("a digit")) } else { Ok(start..self.at) }
    }

    fn number(&mut self) -> Step<Value> {
        let start = self.at;
        let negative = self.eat(b'-');
        let whole = if self.peek() == Some(b'0') {
            self.at += 1;
            if matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(self.unexpected("no digit after a leading zero"));
            }
            self.at - 1..self.at
        } else {
            self.digits()?
        };
        let mut fraction = self.at..self.at;
        let mut exponent = None;
        if self.eat(b'.') {
            fraction = self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            let minus = self.eat(b'-');
            if !minus {
                self.eat(b'+');
            }
            let digits = self.digits()?;
            // Only digits: what does not fit is simply very large.
            let size = self.text.get(digits).and_then(|d| d.parse::<i64>().ok()).unwrap_or(i64::MAX / 2);
            exponent = Some(if minus { -size } else { size });
        }
        let span = start..self.at;
        let text = self.text.get(span.clone()).unwrap_or_default();
        let whole = self.bytes.get(whole).unwrap_or_default();
        let fraction = self.bytes.get(fraction).unwrap_or_default();
        let zero = whole.iter().chain(fraction).all(|b| *b == b'0');
        if negative && zero {
            self.lint(LintKind::NegativeZero, span.clone());
        }
        let written_as_integer = fraction.is_empty() && exponent.is_none();
        if written_as_integer && !(negative && zero) {
            let exact = |size: u64| size <= EXACT;
            let integer = match text.parse::<i64>() {
                Ok(n) => Some((Number::from(n), exact(n.unsigned_abs()))),
                Err(_) => text.parse::<u64>().ok().map(|n| (Number::from(n), exact(n))),
            };
            if let Some((number, exact)) = integer {
                if !exact {
                    self.lint(LintKind::IntegerBeyond53Bits, span);
                }
                return Ok(Value::Number(number));
            }
            self.lint(LintKind::IntegerBeyond64Bits, span.clone());
        }
        if !written_as_integer && (zero || is_integer(whole, fraction, exponent.unwrap_or(0))) {
            self.lint(LintKind::IntegerWrittenAsFloat, span.clone());
        }
        let double = text.parse::<f64>().unwrap_or(f64::NAN);
        if double == 0.0 && !zero {
            self.lint(LintKind::FloatUnderflow, span.clone());
        }
        let number = Number::from_f64(double).or_else(|| {
            self.lint(LintKind::FloatOverflow, span);
            Number::from_f64(if negative { f64::MIN } else { f64::MAX })
        });
        Ok(number.map_or(Value::Null, Value::Number))
    }
}

/// Is `whole.fraction * 10^exponent`, which is not zero, an integer?
fn is_integer(whole: &[u8], fraction: &[u8], exponent: i64) -> bool {
    let length = |n: usize| i64::try_from(n).unwrap_or(i64::MAX / 2);
    let trailing = whole.iter().chain(fraction).rev().take_while(|b| **b == b'0').count();
    exponent.saturating_sub(length(fraction.len())).saturating_add(length(trailing)) >= 0
}

fn hex(byte: &u8) -> String {
    format!("0x{byte:02X}")
}

/// `read` refuses texts whose offsets would not fit.
fn narrow(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
