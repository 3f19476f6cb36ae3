//! Decoding of TOML with places: what is asked for is known, what nobody asked for is an error.

use crate::scenario::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use crate::scenario::source::{Source, Span};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A larger file is none of ours, in bytes.
const LARGEST: u64 = 1 << 20;

/// A file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {}: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// It says something that cannot be.
    #[error("{}", shown(.0))]
    Wrong(Vec<Diagnostic>),
}

fn shown(all: &[Diagnostic]) -> String {
    let all: Vec<String> = all.iter().map(|d| d.render(false)).collect();
    format!("the file cannot be used\n{}", all.join("\n").trim_end())
}

impl FileError {
    /// What is wrong, each with its place; empty when the file cannot be read at all.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        match self {
            FileError::Unreadable { .. } => &[],
            FileError::Wrong(all) => all,
        }
    }
}

/// A value with its place.
pub(super) type Node<'i> = Spanned<DeValue<'i>>;

/// Reads a file.
pub(super) fn read(path: &Path) -> Result<Arc<Source>, FileError> {
    use std::io::Read as _;
    let unreadable = |why: String| FileError::Unreadable { path: path.to_owned(), why };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|e| unreadable(e.to_string()))?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|e| unreadable(e.to_string()))?;
    if bytes.len() as u64 > LARGEST {
        return Err(unreadable(format!("it has more than {LARGEST} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|e| unreadable(format!("it is not UTF-8: {e}")))?;
    Ok(Source::new(path.display().to_string(), text))
}

/// Reads a text with `decode`, which puts what is wrong among the diagnostics.
pub(super) fn decode<T>(
    source: &Arc<Source>,
    decode: impl FnOnce(&mut Fields<'_, '_>, &mut Diagnostics) -> T,
) -> Result<T, FileError> {
    let mut found = Diagnostics::new(source);
    let read = match DeTable::parse(&source.text) {
        Ok(table) => {
            let mut fields = Fields::new("the file", Span::default(), table.get_ref());
            let read = decode(&mut fields, &mut found);
            fields.finish(&mut found);
            Some(read)
        }
        Err(e) => {
            let span = e.span().unwrap_or_default();
            let message = e.message().lines().collect::<Vec<_>>().join("; ");
            found.error("bad-toml", Span { start: span.start, end: span.end }, message);
            None
        }
    };
    match read {
        Some(read) if !found.broken() => Ok(read),
        _ => Err(FileError::Wrong(found.into_sorted())),
    }
}

/// A table being decoded.
pub(super) struct Fields<'a, 'i> {
    what: String,
    span: Span,
    table: &'a DeTable<'i>,
    known: Vec<&'static str>,
}

impl<'a, 'i> Fields<'a, 'i> {
    fn new(what: impl Into<String>, span: Span, table: &'a DeTable<'i>) -> Fields<'a, 'i> {
        Fields { what: what.into(), span, table, known: Vec::new() }
    }

    /// `what` names the table in messages. Anything but a table is an error.
    pub(super) fn of(what: impl Into<String>, node: &'a Node<'i>, found: &mut Diagnostics) -> Option<Fields<'a, 'i>> {
        let what = what.into();
        match node.get_ref() {
            DeValue::Table(table) => Some(Fields::new(what, span(node), table)),
            _ => {
                wrong_type(&what, "a table", node, found);
                None
            }
        }
    }

    /// Where the table stands.
    pub(super) fn span(&self) -> Span {
        self.span
    }

    /// The value of that name; it becomes known.
    pub(super) fn take(&mut self, name: &'static str) -> Option<&'a Node<'i>> {
        self.known.push(name);
        self.table.get(name)
    }

    /// As [`Fields::take`], but it must be there.
    pub(super) fn need(&mut self, name: &'static str, found: &mut Diagnostics) -> Option<&'a Node<'i>> {
        let node = self.take(name);
        if node.is_none() {
            found.error("missing-key", self.span, format!("{} has no `{name}`", self.what));
        }
        node
    }

    /// A text of that name.
    pub(super) fn text(&mut self, name: &'static str, found: &mut Diagnostics) -> Option<String> {
        self.take(name).and_then(|node| text(&format!("`{name}`"), node, found))
    }

    /// A text of that name, which must be there and not be empty.
    pub(super) fn need_text(&mut self, name: &'static str, found: &mut Diagnostics) -> Option<String> {
        let node = self.need(name, found)?;
        let text = text(&format!("`{name}`"), node, found)?;
        if text.trim().is_empty() {
            found.error("empty", span(node), format!("`{name}` is empty"));
            return None;
        }
        Some(text)
    }

    /// A list of texts of that name; none if it is not there.
    pub(super) fn texts(&mut self, name: &'static str, found: &mut Diagnostics) -> Vec<(String, Span)> {
        self.take(name).map(|node| texts(&format!("`{name}`"), node, found)).unwrap_or_default()
    }

    /// `true` or `false`; `false` if it is not there.
    pub(super) fn flag(&mut self, name: &'static str, found: &mut Diagnostics) -> bool {
        match self.take(name) {
            None => false,
            Some(node) => node.get_ref().as_bool().unwrap_or_else(|| {
                wrong_type(&format!("`{name}`"), "true or false", node, found);
                false
            }),
        }
    }

    /// What is not known is an error.
    pub(super) fn finish(self, found: &mut Diagnostics) {
        for (key, _) in self.table {
            let name: &str = key.get_ref();
            if self.known.contains(&name) {
                continue;
            }
            let span = Span { start: key.span().start, end: key.span().end };
            let message = format!("{} has no key `{name}`", self.what);
            match did_you_mean(name, &self.known) {
                Some(help) => found.error_help("unknown-key", span, message, help),
                None => found.error("unknown-key", span, message),
            }
        }
    }
}

/// The entries of a table with their names, in the order of the file.
pub(super) fn entries<'a, 'i>(
    what: &str,
    node: &'a Node<'i>,
    found: &mut Diagnostics,
) -> Vec<(&'a str, Span, &'a Node<'i>)> {
    let DeValue::Table(table) = node.get_ref() else {
        wrong_type(what, "a table", node, found);
        return Vec::new();
    };
    let mut all: Vec<_> = table
        .iter()
        .map(|(key, node)| (&**key.get_ref(), Span { start: key.span().start, end: key.span().end }, node))
        .collect();
    all.sort_by_key(|(_, span, _)| *span);
    all
}

/// The items of a list.
pub(super) fn items<'a, 'i>(what: &str, node: &'a Node<'i>, found: &mut Diagnostics) -> Vec<&'a Node<'i>> {
    match node.get_ref() {
        DeValue::Array(items) => items.iter().collect(),
        _ => {
            wrong_type(what, "a list", node, found);
            Vec::new()
        }
    }
}

/// A text.
pub(super) fn text(what: &str, node: &Node<'_>, found: &mut Diagnostics) -> Option<String> {
    if let DeValue::String(text) = node.get_ref() {
        return Some(text.to_string());
    }
    wrong_type(what, "a text", node, found);
    None
}

/// A list of texts.
pub(super) fn texts(what: &str, node: &Node<'_>, found: &mut Diagnostics) -> Vec<(String, Span)> {
    let items = items(what, node, found);
    items.into_iter().filter_map(|item| Some((text(&format!("what {what} lists"), item, found)?, span(item)))).collect()
}

/// Where a value stands.
pub(super) fn span(node: &Node<'_>) -> Span {
    Span { start: node.span().start, end: node.span().end }
}

fn wrong_type(what: &str, expected: &str, node: &Node<'_>, found: &mut Diagnostics) {
    let is = match node.get_ref() {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    found.error("wrong-type", span(node), format!("{what} must be {expected}, and is {is}"));
}

/// A value as JSON has it.
pub(super) fn json(node: &Node<'_>, found: &mut Diagnostics) -> Value {
    let number = match node.get_ref() {
        DeValue::String(text) => return Value::String(text.to_string()),
        DeValue::Boolean(value) => return Value::Bool(*value),
        DeValue::Array(items) => return items.iter().map(|item| json(item, found)).collect(),
        DeValue::Table(table) => {
            let members = table.iter().map(|(key, node)| (key.get_ref().to_string(), json(node, found)));
            return Value::Object(members.collect::<Map<_, _>>());
        }
        DeValue::Datetime(_) => {
            found.error_help("no-json", span(node), "JSON has no dates", "write it in quotes");
            return Value::Null;
        }
        DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix()).ok().map(Value::from),
        DeValue::Float(digits) => {
            digits.as_str().parse().ok().and_then(serde_json::Number::from_f64).map(Value::Number)
        }
    };
    number.unwrap_or_else(|| {
        found.error("no-json", span(node), "JSON has no such number");
        Value::Null
    })
}
