//! Writes the lines of a terminal report: wrapped, indented, painted, never wider than asked for.

use super::style::{Line, Style, Tone};
use super::text::{cut, escape, pad, width, wrap};

/// Lines as they grow.
pub(crate) struct Page {
    style: Style,
    out: String,
}

/// Columns for the name of a field.
const FIELD: usize = 13;

impl Page {
    pub(crate) fn new(style: &Style) -> Page {
        Page { style: *style, out: String::new() }
    }

    pub(crate) fn finish(self) -> String {
        self.out
    }

    /// The columns that are left beside an indent.
    pub(crate) fn room(&self, indent: usize) -> usize {
        self.style.columns().saturating_sub(indent).max(10)
    }

    pub(crate) fn blank(&mut self) {
        self.out.push('\n');
    }

    /// One line of pieces that are safe to show already; cut where the width ends.
    pub(crate) fn pieces(&mut self, indent: usize, pieces: &[(Tone, &str)]) {
        let mut room = self.room(indent);
        let mut line = " ".repeat(indent);
        let last = pieces.iter().rposition(|(_, t)| !t.trim_end().is_empty()).map_or(0, |i| i + 1);
        for (i, (tone, text)) in pieces.iter().take(last).enumerate() {
            let text = if i + 1 == last { text.trim_end() } else { text };
            let text = cut(text, room);
            room = room.saturating_sub(width(&text));
            line.push_str(&self.style.paint(*tone, &text));
        }
        self.out.push_str(&line);
        self.out.push('\n');
    }

    /// Text of any origin, wrapped.
    pub(crate) fn prose(&mut self, indent: usize, tone: Tone, text: &str) {
        for line in wrap(&escape(text), self.room(indent)) {
            self.pieces(indent, &[(tone, &line)]);
        }
    }

    /// A named text of any origin, wrapped with its lines below each other.
    pub(crate) fn field(&mut self, indent: usize, name: &str, tone: Tone, text: &str) {
        let lines = wrap(&escape(text), self.room(indent + FIELD));
        for (i, line) in lines.iter().enumerate() {
            let name = if i == 0 { pad(name, FIELD) } else { " ".repeat(FIELD) };
            self.pieces(indent, &[(Tone::Faint, &name), (tone, line)]);
        }
    }

    /// A text that is there to be copied: escaped, never cut.
    pub(crate) fn copied(&mut self, indent: usize, name: &str, text: &str) {
        let name = self.style.paint(Tone::Faint, &pad(name, FIELD));
        self.out.push_str(&format!("{}{name}{}\n", " ".repeat(indent), self.style.paint(Tone::Place, &escape(text))));
    }

    /// Lines that were made elsewhere.
    pub(crate) fn lines(&mut self, indent: usize, lines: &[Line]) {
        for line in lines {
            self.pieces(indent, &[(line.tone, &line.text)]);
        }
    }
}
