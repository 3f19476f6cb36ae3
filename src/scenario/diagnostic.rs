//! What is wrong with a file: the rule, the place, and what to do about it.

use super::source::{Source, Span};
use annotate_snippets::{AnnotationKind, Group, Level as Shown, Renderer, Snippet};
use std::sync::Arc;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// The file cannot be used.
    Error,
    /// The file can be used; it says something other than its author may think.
    Warning,
}

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub level: Level,
    /// The name of the rule, such as `unknown-key`; one of [`super::lint::RULES`].
    pub code: &'static str,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// Where.
    pub span: Span,
    /// What to do, in one sentence without a full stop.
    pub help: Option<String>,
    /// The file.
    pub source: Arc<Source>,
}

impl Diagnostic {
    /// File, line, column, the line itself, a caret and the help, ending in a line feed; `colour` adds ANSI escapes.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let level = match self.level {
            Level::Error => Shown::ERROR,
            Level::Warning => Shown::WARNING,
        };
        let mut group: Group<'_> = level.primary_title(self.message.as_str()).id(self.code).element(
            Snippet::source(self.source.text.as_str())
                .path(self.source.name.as_str())
                .annotation(AnnotationKind::Primary.span(self.shown_span())),
        );
        if let Some(help) = &self.help {
            group = group.element(Shown::HELP.message(help.as_str()));
        }
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut text = renderer.term_width(200).render(&[group]);
        text.push('\n');
        text
    }

    /// The first line of the span only, at least one character where there is one: a caret under a page says nothing.
    fn shown_span(&self) -> std::ops::Range<usize> {
        let text = self.source.text.as_str();
        let mut start = self.span.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let mut end = self.span.end.clamp(start, text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let shown = text.get(start..end).unwrap_or_default();
        let shown = shown.split(['\n', '\r']).next().unwrap_or_default().trim_end();
        start..start + shown.len()
    }

    /// `file:line:column`.
    #[must_use]
    pub fn place(&self) -> String {
        let (line, column) = self.source.line_column(self.span.start);
        format!("{}:{line}:{column}", self.source.name)
    }
}

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let level = match self.level {
            Level::Error => "error",
            Level::Warning => "warning",
        };
        write!(f, "{}: {level}[{}]: {}", self.place(), self.code, self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

/// Collects what is wrong with one file.
#[derive(Debug)]
pub struct Diagnostics {
    source: Arc<Source>,
    found: Vec<Diagnostic>,
}

/// More than this helps nobody.
const MOST: usize = 100;

impl Diagnostics {
    /// Nothing yet.
    #[must_use]
    pub fn new(source: &Arc<Source>) -> Diagnostics {
        Diagnostics { source: Arc::clone(source), found: Vec::new() }
    }

    fn add(&mut self, level: Level, code: &'static str, span: Span, message: String, help: Option<String>) {
        let found = Diagnostic { level, code, message, span, help, source: Arc::clone(&self.source) };
        // the rows of a table read the same lines again
        if self.found.len() < MOST && !self.found.contains(&found) {
            self.found.push(found);
        }
    }

    /// An error.
    pub fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        self.add(Level::Error, code, span, message.into(), None);
    }

    /// An error, and what to do.
    pub fn error_help(&mut self, code: &'static str, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.add(Level::Error, code, span, message.into(), Some(help.into()));
    }

    /// A warning, and what to do.
    pub fn warn(&mut self, code: &'static str, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.add(Level::Warning, code, span, message.into(), Some(help.into()));
    }

    /// Is there an error among them?
    #[must_use]
    pub fn broken(&self) -> bool {
        self.found.iter().any(|d| d.level == Level::Error)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// None at all?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All of them, in the order of the file.
    #[must_use]
    pub fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.found.sort_by(|a, b| (a.span, a.level, a.code).cmp(&(b.span, b.level, b.code)));
        self.found
    }
}

/// The word among `known` that `word` was probably meant to be.
#[must_use]
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = match word.chars().count() {
        0..=2 => 1,
        3..=5 => 2,
        n => (n / 3).min(6),
    };
    known
        .into_iter()
        .map(|k| (distance(word, k), k))
        .filter(|(d, _)| *d <= most)
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| k)
}

/// Help that names the closest known word, or all of them where they are few.
#[must_use]
pub fn did_you_mean(word: &str, known: &[&str]) -> Option<String> {
    if let Some(k) = closest(word, known.iter().copied()) {
        return Some(format!("did you mean `{k}`?"));
    }
    (!known.is_empty() && known.len() <= 16).then(|| format!("known here: {}", known.join(", ")))
}

/// Edits (insert, remove, replace, swap neighbours) from one text to the other.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(64).flat_map(char::to_lowercase).collect();
    let b: Vec<char> = b.chars().take(64).flat_map(char::to_lowercase).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        assert_eq!(distance("parms", "params"), 1);
        assert_eq!(distance("reslut", "result"), 1, "neighbours swapped");
        assert_eq!(closest("titel", ["title", "given"]), Some("title"));
        assert_eq!(closest("colour", ["title", "given"]), None);
    }

    #[test]
    fn the_place_is_shown_even_at_the_end_of_the_file() {
        let source = Source::new("a/b.yaml", "title: x");
        let mut all = Diagnostics::new(&source);
        all.error("missing-key", Span { start: 8, end: 900 }, "`revisions` is missing");
        let all = all.into_sorted();
        assert!(all[0].render(false).contains("a/b.yaml:1:9"), "{}", all[0].render(false));
    }
}
