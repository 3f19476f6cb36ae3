//! The place in a text that a finding is about: a message laid out with the place marked, a line of a scenario with a caret.

use super::style::{Line, Tone};
use super::text::{cut, escape_bytes, push_escaped, width};
use crate::judge::Verdict;
use crate::scenario::source::{Source, Span};
use crate::wire::json::{self, Limits, MAX_DEPTH, SyntaxError};
use std::collections::HashMap;
use std::ops::Range;

/// Lines from the beginning of a long message that are always shown.
const FIRST: usize = 4;
/// A container that fits into so many columns stays on one line.
const INLINE: usize = 60;
/// Bytes shown before and after the place where reading stopped.
const AROUND: usize = 30;

fn mark_tone() -> Tone {
    Tone::Verdict(Verdict::Fail)
}

/// A message laid out in at most `columns` columns and `most` lines, with a line of carets under the value at the pointer; if
/// there is no such value, under the innermost value that should hold it. Bytes that are no JSON are shown around the place
/// where reading stopped.
#[must_use]
pub fn message(raw: &[u8], pointer: Option<&str>, columns: usize, most: usize) -> Vec<Line> {
    let document = match json::read(raw, &Limits { depth: MAX_DEPTH }) {
        Ok(document) => document,
        // how deep one reads is told once, as the bound by which messages are judged
        Err(error) if error.is_depth() => {
            let judged = json::read(raw, &Limits::default()).err().unwrap_or(error);
            return unreadable(raw, &judged, columns);
        }
        Err(error) => return unreadable(raw, &error, columns),
    };
    let Ok(text) = std::str::from_utf8(raw) else { return Vec::new() };
    let wanted = pointer.filter(|p| !p.is_empty());
    let mut found = wanted;
    let span = loop {
        match found {
            None => break None,
            Some(p) => match document.span(p) {
                Some(span) => break Some(span),
                None => found = p.rfind('/').and_then(|at| p.get(..at)),
            },
        }
    };
    let laid = Layout::of(text, span, columns);
    let note = match (wanted, found) {
        (Some(wanted), Some(found)) if wanted == found => wanted.to_owned(),
        (Some(wanted), _) => format!("there is no {wanted}"),
        _ => String::new(),
    };
    laid.lines(&note, columns, most)
}

fn unreadable(raw: &[u8], error: &SyntaxError, columns: usize) -> Vec<Line> {
    let at = error.offset.min(raw.len());
    let start = at.saturating_sub(AROUND);
    let before = raw.get(start..at).unwrap_or_default();
    let after = raw.get(at..(at + AROUND).min(raw.len())).unwrap_or_default();
    let lead = if start > 0 { "…" } else { "" };
    let trail = if at + AROUND < raw.len() { "…" } else { "" };
    let before = format!("{lead}{}", escape_bytes(before));
    let caret = format!("{}^ {error}", " ".repeat(width(&before)));
    vec![
        Line { tone: Tone::Plain, text: cut(&format!("{before}{}{trail}", escape_bytes(after)), columns) },
        Line { tone: mark_tone(), text: cut(&caret, columns) },
    ]
}

/// A JSON text laid out, and where the marked value came to stand.
#[derive(Default)]
struct Layout {
    lines: Vec<String>,
    line: String,
    taken: usize,
    indent: usize,
    /// Brackets of containers that stay on one line, open now.
    inline: usize,
    start: Option<(usize, usize)>,
    end: Option<(usize, usize)>,
    most: usize,
}

impl Layout {
    fn of(text: &str, span: Option<Range<usize>>, columns: usize) -> Layout {
        let lengths = lengths(text);
        let mut layout = Layout { most: columns.saturating_add(1), ..Layout::default() };
        let mut quoted = false;
        let mut escaped = false;
        // was the bracket before this character an opening one of a container that is broken into lines?
        let mut fresh = false;
        for (at, c) in text.char_indices() {
            if !quoted && matches!(c, ' ' | '\t' | '\r' | '\n' | '\u{feff}') {
                continue;
            }
            let closing = !quoted && matches!(c, '}' | ']');
            if fresh && !closing {
                layout.break_line();
            }
            if closing && layout.inline == 0 {
                layout.indent = layout.indent.saturating_sub(1);
                if !fresh {
                    layout.break_line();
                }
            }
            fresh = false;
            if span.as_ref().is_some_and(|s| s.start == at) {
                layout.start = Some((layout.lines.len(), layout.taken));
            }
            layout.push(c);
            if span.as_ref().is_some_and(|s| s.end == at + c.len_utf8()) {
                layout.end = Some((layout.lines.len(), layout.taken));
            }
            if quoted {
                (quoted, escaped) = (escaped || c != '"', !escaped && c == '\\');
                continue;
            }
            match c {
                '"' => quoted = true,
                '{' | '[' => {
                    let fits = lengths.get(&at).is_some_and(|n| *n <= INLINE.min(columns / 2));
                    if layout.inline > 0 || fits {
                        layout.inline += 1;
                    } else {
                        layout.indent += 1;
                        fresh = true;
                    }
                }
                '}' | ']' => layout.inline = layout.inline.saturating_sub(1),
                ':' => layout.push(' '),
                ',' if layout.inline > 0 => layout.push(' '),
                ',' => layout.break_line(),
                _ => {}
            }
        }
        let last = std::mem::take(&mut layout.line);
        layout.lines.push(last);
        layout
    }

    fn push(&mut self, c: char) {
        if self.taken > self.most {
            // the rest of the line is not shown
            self.taken += 1;
            return;
        }
        self.taken += push_escaped(&mut self.line, c);
    }

    fn break_line(&mut self) {
        self.lines.push(std::mem::take(&mut self.line));
        let blanks = self.indent.min(20) * 2;
        self.line = " ".repeat(blanks);
        self.taken = blanks;
    }

    fn lines(&self, note: &str, columns: usize, most: usize) -> Vec<Line> {
        let marked = self.start.map_or(0, |(line, _)| line);
        let most = most.max(FIRST + 3);
        let count = self.lines.len();
        let (from, to) = if count <= most {
            (FIRST, count)
        } else {
            let from = marked.saturating_sub(most / 2).clamp(FIRST, count - (most - FIRST));
            (from, from + most - FIRST)
        };
        let gap = |hidden: usize| {
            let lines = if hidden == 1 { "line" } else { "lines" };
            Line { tone: Tone::Faint, text: cut(&format!("... {hidden} more {lines}"), columns) }
        };
        let mut out = Vec::new();
        for (i, line) in self.lines.iter().enumerate() {
            if (FIRST..from).contains(&i) || i >= to {
                continue;
            }
            if i == from && from > FIRST {
                out.push(gap(from - FIRST));
            }
            out.push(Line { tone: Tone::Plain, text: cut(line, columns) });
            if let (Some((at, column)), true) = (self.start, self.start.is_some_and(|(at, _)| at == i)) {
                let end = match self.end {
                    Some((line, end)) if line == at => end,
                    _ => width(line),
                };
                out.push(carets(column, end, note, columns));
            }
        }
        if to < count {
            out.push(gap(count - to));
        }
        out
    }
}

fn carets(start: usize, end: usize, note: &str, columns: usize) -> Line {
    let start = start.min(columns.saturating_sub(1));
    let long = end.min(columns).saturating_sub(start).max(1);
    let text = format!("{}{} {}", " ".repeat(start), "^".repeat(long), super::text::escape(note));
    Line { tone: mark_tone(), text: cut(text.trim_end(), columns) }
}

/// The length of each container, on one line, by the byte of its opening bracket.
fn lengths(text: &str) -> HashMap<usize, usize> {
    let mut open = Vec::new();
    let mut lengths = HashMap::new();
    let (mut quoted, mut escaped, mut length) = (false, false, 0);
    for (at, c) in text.bytes().enumerate() {
        if quoted {
            length += 1;
            (quoted, escaped) = (escaped || c != b'"', !escaped && c == b'\\');
            continue;
        }
        match c {
            b' ' | b'\t' | b'\r' | b'\n' => continue,
            b'{' | b'[' => open.push((at, length)),
            b'"' => quoted = true,
            b'}' | b']' => {
                if let Some((at, before)) = open.pop() {
                    lengths.insert(at, length + 1 - before);
                }
            }
            b':' | b',' => length += 1,
            _ => {}
        }
        length += 1;
    }
    lengths
}

/// The line of a file where a span begins, with its number and carets under the span.
#[must_use]
pub fn source_line(source: &Source, span: Span, columns: usize) -> Vec<Line> {
    let (number, _) = source.line_column(span.start);
    let text = source.text.as_str();
    let start = floor(text, span.start);
    let from = text.get(..start).and_then(|t| t.rfind(['\n', '\r'])).map_or(0, |at| at + 1);
    let line = text.get(from..).unwrap_or_default().split(['\n', '\r']).next().unwrap_or_default();
    let end = floor(text, span.end).clamp(start, from + line.len());
    let shown = |range: Range<usize>| {
        let mut out = String::new();
        for c in text.get(range).unwrap_or_default().chars() {
            push_escaped(&mut out, c);
        }
        out
    };
    let before = shown(from..start.min(from + line.len()));
    let marked = shown(start.min(end)..end);
    let all = shown(from..from + line.len());
    let gutter = number.to_string();
    let blank = " ".repeat(gutter.len());
    let column = width(&before);
    let carets = "^".repeat(width(marked.trim_end()).max(1));
    vec![
        Line { tone: Tone::Plain, text: cut(&format!("{gutter} │ {all}"), columns) },
        Line { tone: mark_tone(), text: cut(&format!("{blank} │ {}{carets}", " ".repeat(column)), columns) },
    ]
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(raw: &[u8], pointer: Option<&str>, columns: usize, most: usize) -> String {
        message(raw, pointer, columns, most).into_iter().map(|l| l.text + "\n").collect()
    }

    #[test]
    fn the_depth_that_is_told_is_the_one_that_messages_are_judged_by() {
        for depth in [1000, 5000] {
            let raw = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            let text: String = message(raw.as_bytes(), None, 80, 20).into_iter().map(|l| l.text).collect();
            assert!(!text.contains("2048"), "{depth}: {text}");
            assert_eq!(text.contains(&format!("deeper than {}", Limits::default().depth)), depth > MAX_DEPTH, "{text}");
        }
    }

    const RESULT: &str = r#"{"jsonrpc":"2.0","id":2,"result":{"task":{"taskId":"1f3a5c7e-0000-4000-8000-000000000000","status":"wroking","ttl":1.0,"createdAt":"2025-11-25T10:30:00Z"},"_meta":{}}}"#;

    #[test]
    fn the_value_is_underlined() {
        insta::assert_snapshot!(shown(RESULT.as_bytes(), Some("/result/task/status"), 80, 20));
    }

    #[test]
    fn a_missing_value_is_shown_where_it_should_be() {
        insta::assert_snapshot!(shown(
            RESULT.as_bytes(),
            Some("/result/_meta/io.modelcontextprotocol~1related-task/taskId"),
            80,
            20
        ));
    }

    #[test]
    fn a_long_message_is_cut_around_the_mark() {
        let items: Vec<String> = (0..400).map(|i| format!("\"item number {i}\"")).collect();
        let raw = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{\"items\":[{}]}}}}", items.join(","));
        insta::assert_snapshot!(shown(raw.as_bytes(), Some("/result/items/200"), 60, 12));
        insta::assert_snapshot!(shown(raw.as_bytes(), None, 60, 12));
        let last = shown(raw.as_bytes(), Some("/result/items/399"), 60, 12);
        assert!(last.contains("^^^") && last.contains("item number 399"), "{last}");
    }

    #[test]
    fn bytes_that_are_no_json_are_shown_where_reading_stopped() {
        insta::assert_snapshot!(shown(
            b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"text\":\"caf\xe9 and more\x1b[2J\"}}",
            None,
            80,
            20
        ));
        insta::assert_snapshot!(shown(b"Server listening on port 3000", None, 80, 20));
    }

    #[test]
    fn a_step_is_shown_with_its_line() {
        let source = Source::new("a.yaml", "title: x\nexchange:\n  - client requests: tasks/result\n    as: x\n");
        let at = source.text.find("client").unwrap_or(0);
        let lines = source_line(&source, Span { start: at, end: at + 80 }, 60);
        let text: Vec<&str> = lines.iter().map(|l| l.text.as_str()).collect();
        assert_eq!(text, ["3 │   - client requests: tasks/result", "  │     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"]);
    }

    proptest! {
        #[test]
        fn whatever_came_is_shown_within_bounds(
            raw in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..200),
                any::<String>().prop_map(|s| serde_json::json!({"a": [s, {"b": 1.5}], "中文": {"x": []}}).to_string().into_bytes()),
            ],
            pointer in proptest::option::of("(/(a|0|1|b|中文|x)){0,3}"),
            columns in 20usize..100,
            most in 0usize..30,
        ) {
            let lines = message(&raw, pointer.as_deref(), columns, most);
            prop_assert!(lines.len() <= most.max(FIRST + 3) + 4);
            for line in lines {
                prop_assert!(width(&line.text) <= columns, "{:?}", line.text);
                prop_assert!(!line.text.chars().any(char::is_control));
            }
        }

        #[test]
        fn any_span_of_any_text_has_a_line(text in any::<String>(), start in 0usize..40, long in 0usize..40) {
            let source = Source::new("x", text);
            for line in source_line(&source, Span { start, end: start + long }, 50) {
                prop_assert!(width(&line.text) <= 50);
            }
        }
    }
}
