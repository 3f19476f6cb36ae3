//! Patterns: from what stands in the file to [`Pattern`].

use super::fields::wrong_type;
use super::tree::{Node, What};
use crate::scenario::diagnostic::{Diagnostics, closest};
use crate::scenario::pattern::{Fresh, Member, Path, Pattern, Piece, Shape, Type};
use crate::scenario::source::Span;
use serde_json::{Number, Value};

/// The most bytes that `{ text: .., times: .. }` may make.
const MAX_MADE: usize = 4 * 1024 * 1024;

/// A pattern where any value may stand. `literal` gives the value of a `$name` that is the name of a member, where a case
/// decides it.
pub(super) fn value(node: &Node, literal: &dyn Fn(&str) -> Option<String>, found: &mut Diagnostics) -> Pattern {
    let shape = match &node.what {
        What::Scalar { text, plain } => return scalar(text, *plain, node.span, found),
        What::List(items) => Shape::Array(items.iter().map(|n| value(n, literal, found)).collect()),
        What::Map(entries) => {
            if let Some((key, inner)) = entries.iter().find(|(k, _)| k.text == "<contains>" || k.text == "<each>") {
                if entries.len() > 1 {
                    found.error("bad-pattern", key.span, format!("`{}` must be the only member of its map", key.text));
                }
                if key.text == "<each>" {
                    Shape::Each(Box::new(value(inner, literal, found)))
                } else {
                    match &inner.what {
                        What::List(items) => Shape::Contains(items.iter().map(|n| value(n, literal, found)).collect()),
                        _ => {
                            wrong_type(found, "`<contains>`", "a list", inner);
                            Shape::Any
                        }
                    }
                }
            } else {
                let mut members: Vec<Member> = Vec::with_capacity(entries.len());
                for (key, inner) in entries {
                    let mut name = scalar(&key.text, false, key.span, found);
                    if let Shape::Name(path) = &name.shape
                        && path.members.is_empty()
                        && let Some(text) = literal(&path.name)
                    {
                        name.shape = Shape::Literal(Value::String(text));
                    }
                    if !matches!(name.shape, Shape::Literal(_) | Shape::Name(_)) {
                        found.error_help(
                            "bad-pattern",
                            key.span,
                            format!("the name of a member cannot be `{}`", key.text),
                            "it is a text or a `$name`; a doubled first character stands for itself",
                        );
                    } else if members.iter().any(|m| m.name.shape == name.shape) {
                        found.error("duplicate-key", key.span, format!("`{}` is written twice in one map", key.text));
                    }
                    members.push(Member { name, value: value(inner, literal, found) });
                }
                Shape::Object(members)
            }
        }
    };
    Pattern { shape, span: node.span }
}

/// A pattern where an object is expected: a list lays each of its patterns over the one before.
pub(super) fn object(
    what: &str,
    node: &Node,
    literal: &dyn Fn(&str) -> Option<String>,
    found: &mut Diagnostics,
) -> Pattern {
    if let What::List(items) = &node.what {
        if items.is_empty() {
            found.error("empty-block", node.span, format!("{what} is empty"));
        }
        let layers = items.iter().map(|n| object(what, n, literal, found)).collect();
        return Pattern { shape: Shape::Overlay(layers), span: node.span };
    }
    let pattern = value(node, literal, found);
    match &pattern.shape {
        Shape::Object(_)
        | Shape::Name(_)
        | Shape::Any
        | Shape::Absent
        | Shape::Empty
        | Shape::OneOf(_)
        | Shape::Type(Type::Object) => {}
        _ => found.error("wrong-type", node.span, format!("{what} must be a map, a list of maps or a `$name`")),
    }
    pattern
}

/// Bytes for `sends`: a text, a name, `{ hex: ".." }` or `{ text: "..", times: n }`.
pub(super) fn bytes(pattern: Pattern, found: &mut Diagnostics) -> Pattern {
    let span = pattern.span;
    let Shape::Object(members) = &pattern.shape else {
        if !matches!(
            pattern.shape,
            Shape::Literal(Value::String(_)) | Shape::Text(_) | Shape::Name(_) | Shape::Bytes(_)
        ) {
            found.error_help("bad-bytes", span, "these are no bytes", BYTES_HELP);
        }
        return pattern;
    };
    let member = |name: &str| {
        members.iter().find(|m| m.name.shape == Shape::Literal(Value::String(name.into()))).map(|m| &m.value.shape)
    };
    let made = match (member("hex"), member("text"), member("times"), members.len()) {
        (Some(Shape::Literal(Value::String(hex))), None, None, 1) => from_hex(hex),
        (Some(Shape::Literal(Value::Number(digits))), None, None, 1) => from_hex(&digits.to_string()),
        (None, Some(Shape::Literal(Value::String(text))), Some(Shape::Literal(Value::Number(times))), 2) => {
            match times.as_u64().and_then(|t| usize::try_from(t).ok()).and_then(|t| t.checked_mul(text.len())) {
                Some(n) if (1..=MAX_MADE).contains(&n) => Some(text.as_bytes().repeat(n / text.len())),
                _ => {
                    found.error("bad-bytes", span, format!("between 1 and {MAX_MADE} bytes can be made"));
                    return pattern;
                }
            }
        }
        _ => None,
    };
    match made {
        Some(bytes) => Pattern { shape: Shape::Bytes(bytes), span },
        None => {
            found.error_help("bad-bytes", span, "these are no bytes", BYTES_HELP);
            pattern
        }
    }
}

const BYTES_HELP: &str = "write a text, { hex: \"7b7d\" } or { text: \"[\", times: 1000 }";

fn from_hex(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = hex.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let digits = digits?;
    (digits.len() % 2 == 0 && !digits.is_empty())
        .then(|| digits.chunks(2).map(|c| c.iter().fold(0u8, |sum, d| sum << 4 | d)).collect())
}

/// A plain scalar by the core schema of YAML 1.2; anything that is not null, a boolean or a number is a text.
pub(super) fn resolve(text: &str) -> Result<Value, &'static str> {
    match text {
        "null" | "~" | "" => return Ok(Value::Null),
        "true" => return Ok(Value::Bool(true)),
        "false" => return Ok(Value::Bool(false)),
        ".inf" | "-.inf" | "+.inf" | ".nan" | ".Inf" | "-.Inf" | ".INF" | "-.INF" | ".NaN" | ".NAN" => {
            return Err("JSON knows no infinity and no not-a-number");
        }
        _ => {}
    }
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        let signed = if negative { text } else { digits };
        return match (signed.parse::<i64>(), signed.parse::<u64>()) {
            (Ok(n), _) => Ok(Value::from(n)),
            (_, Ok(n)) => Ok(Value::from(n)),
            _ => Err("the number does not fit 64 bits"),
        };
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(rest) = text.strip_prefix(prefix)
            && !rest.is_empty()
            && rest.chars().all(|c| c.is_digit(radix))
        {
            return u64::from_str_radix(rest, radix).map(Value::from).map_err(|_| "the number does not fit 64 bits");
        }
    }
    let numeric = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.contains(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    if numeric && let Ok(n) = text.parse::<f64>() {
        return Number::from_f64(n).map(Value::Number).ok_or("the number is too large");
    }
    Ok(Value::String(text.to_owned()))
}

/// A scalar.
pub(super) fn scalar(text: &str, plain: bool, span: Span, found: &mut Diagnostics) -> Pattern {
    let make = |shape| Pattern { shape, span };
    if plain {
        if text.is_empty() {
            found.error_help("empty-value", span, "nothing stands here", "write `null`, `\"\"`, `{}` or what is meant");
            return make(Shape::Literal(Value::Null));
        }
        match resolve(text) {
            Ok(Value::String(_)) => {}
            Ok(value) => return make(Shape::Literal(value)),
            Err(why) => {
                found.error_help("bad-pattern", span, format!("`{text}`: {why}"), "quote it if a text is meant");
                return make(Shape::Any);
            }
        }
    }
    if let Some(rest) = text.strip_prefix('<') {
        if rest.starts_with('<') {
            return make(pieces(rest, Some('<'), span, found));
        }
        return match text.strip_suffix('>').and_then(|t| t.strip_prefix('<')) {
            Some(inner) => make(angle(inner, span, found)),
            None => {
                found.error_help(
                    "bad-pattern",
                    span,
                    "a text that begins with `<` is a pattern, and this one does not end with `>`",
                    "write `<<` for a text that begins with `<`",
                );
                make(Shape::Any)
            }
        };
    }
    if let Some(rest) = text.strip_prefix('$') {
        if rest.starts_with('$') {
            return make(pieces(rest, Some('$'), span, found));
        }
        if !rest.starts_with('{') {
            return match path(rest) {
                Some(path) => make(Shape::Name(path)),
                None => {
                    found.error_help(
                        "bad-name",
                        span,
                        format!("`{text}` is no name"),
                        "a name is `$letters.letters`; inside a text it is `${name}`; a text that begins with `$` begins with `$$`",
                    );
                    make(Shape::Any)
                }
            };
        }
    }
    make(pieces(text, None, span, found))
}

/// A text with `${name}` in it; `$${` stands for `${`. `keep` is a first character that stands for itself.
fn pieces(text: &str, keep: Option<char>, span: Span, found: &mut Diagnostics) -> Shape {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    if let Some(c) = keep {
        plain.push(c);
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    while let Some(i) = rest.find("${") {
        let (before, after) = rest.split_at(i);
        let after = after.get(2..).unwrap_or_default();
        // doubled, a `$` before `{` stands for itself; what is left over begins a name
        let text_before = before.trim_end_matches('$');
        let dollars = before.len() - text_before.len() + 1;
        plain.push_str(text_before);
        plain.push_str(&"$".repeat(dollars / 2));
        if dollars.is_multiple_of(2) {
            plain.push('{');
            rest = after;
            continue;
        }
        let Some((name, behind)) = after.split_once('}') else {
            found.error("bad-name", span, "`${` without `}`");
            return Shape::Any;
        };
        let Some(path) = path(name) else {
            found.error("bad-name", span, format!("`${{{name}}}` is no name"));
            return Shape::Any;
        };
        if !plain.is_empty() {
            pieces.push(Piece::Plain(std::mem::take(&mut plain)));
        }
        pieces.push(Piece::Name(path));
        rest = behind;
    }
    plain.push_str(rest);
    if pieces.is_empty() {
        return Shape::Literal(Value::String(plain));
    }
    if !plain.is_empty() {
        pieces.push(Piece::Plain(plain));
    }
    Shape::Text(pieces)
}

/// `arguments.files`
pub(super) fn path(text: &str) -> Option<Path> {
    let mut parts = text.split('.').map(str::to_owned);
    let name = parts.next().filter(|n| is_name(n))?;
    let members: Vec<String> = parts.collect();
    members
        .iter()
        .all(|m| !m.is_empty() && m.chars().all(|c| c.is_alphanumeric() || c == '_'))
        .then_some(Path { name, members })
}

/// Can this be the name of a value?
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_') && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

const FORMS: [&str; 14] = [
    "any",
    "string",
    "number",
    "boolean",
    "object",
    "array",
    "null",
    "integer",
    "timestamp",
    "empty",
    "absent",
    "fresh uuid",
    "fresh string",
    "fresh",
];

/// What stands between `<` and `>`.
fn angle(inner: &str, span: Span, found: &mut Diagnostics) -> Shape {
    let inner = inner.trim();
    if let Some(re) = inner.strip_prefix('/').and_then(|r| r.strip_suffix('/')).filter(|_| inner.len() >= 2) {
        return match regex::RegexBuilder::new(re).size_limit(1 << 20).build() {
            Ok(_) => Shape::Matches(re.to_owned()),
            Err(e) => {
                let reason = e.to_string();
                let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                found.error("bad-regex", span, format!("this regular expression is not understood: {reason}"));
                Shape::Any
            }
        };
    }
    if inner.contains('|') {
        let parts = inner
            .split('|')
            .map(str::trim)
            .map(|part| Pattern { shape: alternative(part, span, found), span })
            .collect();
        return Shape::OneOf(parts);
    }
    match form(inner, span, found) {
        Some(shape) => shape,
        None => {
            let message = format!("there is no pattern `<{inner}>`");
            match closest(inner, FORMS) {
                Some(form) => found.error_help("bad-pattern", span, message, format!("did you mean `<{form}>`?")),
                None => found.error_help(
                    "bad-pattern",
                    span,
                    message,
                    "a text that begins with `<` is written with `<<`; the patterns are in docs/scenarios.md",
                ),
            }
            Shape::Any
        }
    }
}

/// One of `<a | b>`: the name of a pattern, a number, or a text as it is.
fn alternative(part: &str, span: Span, found: &mut Diagnostics) -> Shape {
    if part.is_empty() {
        found.error("bad-pattern", span, "an alternative of `<a | b>` is empty");
        return Shape::Any;
    }
    if let Some(name) = part.strip_prefix('$').and_then(path) {
        return Shape::Name(name);
    }
    if let Some(shape) = form(part, span, found) {
        if matches!(shape, Shape::Fresh(_)) {
            found.error("bad-pattern", span, "`fresh` cannot be an alternative");
        }
        return shape;
    }
    let quoted = part.len() >= 2 && part.starts_with('"') && part.ends_with('"');
    if quoted {
        return Shape::Literal(Value::String(part.trim_matches('"').to_owned()));
    }
    Shape::Literal(resolve(part).unwrap_or_else(|_| Value::String(part.to_owned())))
}

/// A pattern by its name, without the angle brackets.
fn form(inner: &str, span: Span, found: &mut Diagnostics) -> Option<Shape> {
    Some(match inner {
        "any" => Shape::Any,
        "string" => Shape::Type(Type::String),
        "number" => Shape::Type(Type::Number),
        "boolean" => Shape::Type(Type::Boolean),
        "object" => Shape::Type(Type::Object),
        "array" => Shape::Type(Type::Array),
        "null" => Shape::Type(Type::Null),
        "integer" => Shape::Integer { min: None, max: None },
        "timestamp" => Shape::Timestamp,
        "empty" => Shape::Empty,
        "absent" => Shape::Absent,
        "fresh uuid" => Shape::Fresh(Fresh::Uuid),
        "fresh string" => Shape::Fresh(Fresh::Text),
        _ => {
            if let Some(range) = inner.strip_prefix("fresh ") {
                let (min, max) = range_of(range, span, found)?;
                match (min, max) {
                    (Some(min), Some(max)) => Shape::Fresh(Fresh::Integer { min, max }),
                    _ => {
                        found.error("bad-pattern", span, "a fresh number needs both ends: `<fresh 2..99>`");
                        Shape::Any
                    }
                }
            } else {
                let range = inner.strip_prefix("integer ").unwrap_or(inner);
                let (min, max) = range_of(range, span, found)?;
                Shape::Integer { min, max }
            }
        }
    })
}

/// `1..5`, `1..`, `..5`
fn range_of(text: &str, span: Span, found: &mut Diagnostics) -> Option<(Option<i64>, Option<i64>)> {
    let (low, high) = text.trim().split_once("..")?;
    let end = |t: &str| if t.trim().is_empty() { Some(None) } else { t.trim().parse::<i64>().ok().map(Some) };
    let (low, high) = (end(low)?, end(high)?);
    if low.is_none() && high.is_none() {
        return None;
    }
    if let (Some(a), Some(b)) = (low, high)
        && a > b
    {
        found.error_help(
            "reversed-range",
            span,
            format!("the range {a}..{b} is empty"),
            format!("did you mean {b}..{a}?"),
        );
    }
    Some((low, high))
}
