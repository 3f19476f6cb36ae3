//! Patterns, times and payloads as an author would write them, on one line.

use super::model::{Http, Payload, Wait};
use super::parse;
use super::pattern::{Fresh, Pattern, Piece, Shape, Type};
use serde_json::Value;
use std::time::Duration;

/// A pattern as it would stand in a file.
#[must_use]
pub fn pattern(pattern: &Pattern) -> String {
    match &pattern.shape {
        Shape::Literal(value) => literal(value),
        Shape::Text(pieces) => quoted(&text(pieces)),
        Shape::Name(path) => format!("${path}"),
        Shape::Object(members) => {
            let all: Vec<String> =
                members.iter().map(|m| format!("{}: {}", self::pattern(&m.name), self::pattern(&m.value))).collect();
            braces(&all)
        }
        Shape::Array(all) | Shape::Overlay(all) => list(all),
        Shape::Contains(all) => format!("{{ <contains>: {} }}", list(all)),
        Shape::Each(inner) => format!("{{ <each>: {} }}", self::pattern(inner)),
        Shape::Bytes(bytes) => spell_bytes(bytes),
        _ => {
            let inner = form(pattern);
            // a comma, a colon or a bracket would end it inside a map
            if inner.contains(['{', '}', '[', ']', ',', '"', '#', ':', '\\']) {
                quoted(&format!("<{inner}>"))
            } else {
                format!("<{inner}>")
            }
        }
    }
}

/// What stands between `<` and `>`.
fn form(pattern: &Pattern) -> String {
    match &pattern.shape {
        Shape::Any => "any".into(),
        Shape::Type(t) => match t {
            Type::String => "string",
            Type::Number => "number",
            Type::Boolean => "boolean",
            Type::Object => "object",
            Type::Array => "array",
            Type::Null => "null",
        }
        .into(),
        Shape::Integer { min: None, max: None } => "integer".into(),
        Shape::Integer { min, max } => {
            let end = |n: &Option<i64>| n.map_or(String::new(), |n| n.to_string());
            format!("integer {}..{}", end(min), end(max))
        }
        Shape::Timestamp => "timestamp".into(),
        Shape::Empty => "empty".into(),
        Shape::Absent => "absent".into(),
        Shape::OneOf(all) => all.iter().map(form).collect::<Vec<_>>().join(" | "),
        Shape::Matches(re) => format!("/{re}/"),
        Shape::Fresh(Fresh::Integer { min, max }) => format!("fresh {min}..{max}"),
        Shape::Fresh(Fresh::Uuid) => "fresh uuid".into(),
        Shape::Fresh(Fresh::Text) => "fresh string".into(),
        Shape::Literal(Value::String(s))
            if !s.contains(['|', '"', '<', '>', '$']) && !s.is_empty() && s.trim() == s && parse::is_text(s) =>
        {
            s.clone()
        }
        Shape::Literal(Value::String(s)) => format!("\"{s}\""),
        Shape::Literal(value) => value.to_string(),
        _ => self::pattern(pattern),
    }
}

fn list(all: &[Pattern]) -> String {
    format!("[{}]", all.iter().map(pattern).collect::<Vec<_>>().join(", "))
}

fn braces(all: &[String]) -> String {
    if all.is_empty() { "{}".into() } else { format!("{{ {} }}", all.join(", ")) }
}

fn literal(value: &Value) -> String {
    match value {
        Value::String(s) => {
            let escaped = escape(s);
            let plain = parse::is_text(s)
                && escaped == *s
                && s.trim() == s
                && s.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '/')
                && !s.contains([
                    '{', '}', '[', ']', ',', '"', '\'', '#', ':', '\\', '\n', '\r', '\t', '&', '*', '!', '%', '@', '`',
                    '|',
                ])
                && !s.chars().any(char::is_control);
            if plain { s.clone() } else { quoted(&escaped) }
        }
        Value::Array(all) => format!("[{}]", all.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Object(all) => {
            let all: Vec<String> =
                all.iter().map(|(k, v)| format!("{}: {}", literal(&Value::String(k.clone())), literal(v))).collect();
            braces(&all)
        }
        other => other.to_string(),
    }
}

/// Doubles what would be read as a pattern or a name.
fn escape(s: &str) -> String {
    at_start(s, &doubled(s, false))
}

/// The first character, where it would begin a pattern or a name.
fn at_start(s: &str, inner: &str) -> String {
    match s.chars().next() {
        Some('<') => format!("<{inner}"),
        // a run of `$` that stands before `{` is doubled already
        Some('$') if !inner.starts_with(&format!("{}$", s.chars().take_while(|c| *c == '$').collect::<String>())) => {
            format!("${inner}")
        }
        _ => inner.to_owned(),
    }
}

/// Every `$` in a run before `{` is doubled; `name_follows`: a name comes after the text.
fn doubled(s: &str, name_follows: bool) -> String {
    let mut all = String::new();
    let mut rest = s;
    while let Some(i) = rest.find('$') {
        let (before, run) = rest.split_at(i);
        let after = run.trim_start_matches('$');
        let dollars = run.len() - after.len();
        let twice = after.starts_with('{') || (after.is_empty() && name_follows);
        all.push_str(before);
        all.push_str(&"$".repeat(if twice { 2 * dollars } else { dollars }));
        rest = after;
    }
    all.push_str(rest);
    all
}

fn quoted(s: &str) -> String {
    // a JSON text is a double-quoted scalar of YAML, but for characters that YAML does not let stand
    let mut all = String::new();
    for c in Value::String(s.to_owned()).to_string().chars() {
        match u32::from(c) {
            code @ (0x7f..=0x9f | 0x2028 | 0x2029 | 0xfeff | 0xfffe | 0xffff) => {
                all.push_str(&format!("\\u{code:04x}"))
            }
            _ => all.push(c),
        }
    }
    all
}

fn text(pieces: &[Piece]) -> String {
    let mut all = String::new();
    for (i, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Plain(s) => {
                let inner = doubled(s, i + 1 < pieces.len());
                all.push_str(&if i == 0 { at_start(s, &inner) } else { inner });
            }
            Piece::Name(path) => all.push_str(&format!("${{{path}}}")),
        }
    }
    all
}

fn spell_bytes(bytes: &[u8]) -> String {
    if bytes.len() > 64 {
        return match bytes.iter().all(|b| Some(b) == bytes.first()) {
            true => format!(
                "{{ text: {}, times: {} }}",
                quoted(&String::from_utf8_lossy(bytes.get(..1).unwrap_or_default())),
                bytes.len()
            ),
            false => format!("<{} bytes>", bytes.len()),
        };
    }
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    format!("{{ hex: \"{hex}\" }}")
}

/// `10s`, `$ttl + 3s`.
#[must_use]
pub fn wait(wait: &Wait) -> String {
    match &wait.plus {
        Some(path) if wait.fixed.is_zero() => format!("${path}"),
        Some(path) => format!("${path} + {}", duration(wait.fixed)),
        None => duration(wait.fixed),
    }
}

/// `10s`, `50ms`.
#[must_use]
pub fn duration(d: Duration) -> String {
    if d.subsec_millis() == 0 { format!("{}s", d.as_secs()) } else { format!("{}ms", d.as_millis()) }
}

/// `result { .. }`, member by member.
#[must_use]
pub fn payload(payload: &Payload) -> Vec<String> {
    let part = |name: &str, p: &Option<Pattern>| p.as_ref().map(|p| format!("{name}: {}", pattern(p)));
    [part("params", &payload.params), part("result", &payload.result), part("error", &payload.error)]
        .into_iter()
        .flatten()
        .collect()
}

/// `status: 400`, member by member.
#[must_use]
pub fn http(http: &Http) -> Vec<String> {
    let part = |name: &str, p: &Option<Pattern>| p.as_ref().map(|p| format!("{name}: {}", pattern(p)));
    [
        part("status", &http.status),
        part("headers", &http.headers),
        part("body", &http.body),
        part("last event id", &http.last_id),
        part("retry", &http.retry),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use crate::scenario::parse::file;
    use crate::scenario::pattern::{Fresh, Member, Path, Pattern, Piece, Shape, Type};
    use crate::scenario::source::{Source, Span};
    use proptest::prelude::*;
    use serde_json::Value;

    fn at(shape: Shape) -> Pattern {
        Pattern { shape, span: Span::default() }
    }

    fn path() -> impl Strategy<Value = Path> {
        ("[a-z][a-zA-Z0-9_]{0,5}", prop::collection::vec("[a-z0-9_]{1,4}", 0..2))
            .prop_map(|(name, members)| Path { name, members })
    }

    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof![
            "[ -~]{0,12}",
            "\\PC{0,8}",
            prop::sample::select(vec![
                "yes",
                "on",
                "null",
                "true",
                "~",
                "12",
                "1e3",
                "012",
                "2025-11-25",
                "<any>",
                "<<x",
                "$a",
                "$$a",
                "${a}",
                "$${a}",
                "\u{7f}",
                "a\u{85}\u{9f}b",
                "\u{2028}\u{2029}",
                "\u{feff}",
                "\u{fffe}\u{ffff}",
                "a $${b}",
                "$",
                "<",
                "",
                " x",
                "x ",
                "- a",
                "a: b",
                "a #b",
                "\u{feff}x",
                "\n",
                "a\tb",
                "$$$",
                "$ {a}",
                "a$",
                "*a",
                "&a",
                "!a",
                "'",
                "\"",
            ])
            .prop_map(str::to_owned),
        ]
    }

    fn leaf() -> impl Strategy<Value = Shape> {
        prop_oneof![
            any_text().prop_map(|s| Shape::Literal(Value::String(s))),
            any::<i64>().prop_map(|n| Shape::Literal(n.into())),
            any::<bool>().prop_map(|b| Shape::Literal(b.into())),
            (-1e9f64..1e9)
                .prop_filter("a whole number is an integer", |f| f.fract() != 0.0)
                .prop_map(|f| Shape::Literal(f.into())),
            Just(Shape::Literal(Value::Null)),
            path().prop_map(Shape::Name),
            Just(Shape::Any),
            prop::sample::select(vec![
                Type::String,
                Type::Number,
                Type::Boolean,
                Type::Object,
                Type::Array,
                Type::Null
            ])
            .prop_map(Shape::Type),
            Just(Shape::Integer { min: None, max: None }),
            (any::<i32>(), 0..1000i64)
                .prop_map(|(a, d)| Shape::Integer { min: Some(i64::from(a)), max: Some(i64::from(a) + d) }),
            any::<i32>().prop_map(|a| Shape::Integer { min: Some(a.into()), max: None }),
            Just(Shape::Timestamp),
            Just(Shape::Empty),
            Just(Shape::Absent),
            Just(Shape::Fresh(Fresh::Uuid)),
            Just(Shape::Fresh(Fresh::Text)),
            (0..50i64, 0..50i64).prop_map(|(a, d)| Shape::Fresh(Fresh::Integer { min: a, max: a + d })),
            prop::sample::select(vec!["^a+$", "a|b", "[0-9]{2}", "x,y", "\\d"])
                .prop_map(|re| Shape::Matches(re.into())),
            (path(), "[a-z ${<]{0,6}", "[a-z ]{1,4}").prop_map(|(p, before, after)| {
                let mut pieces = vec![Piece::Name(p), Piece::Plain(after)];
                if !before.is_empty() {
                    pieces.insert(0, Piece::Plain(before));
                }
                Shape::Text(pieces)
            }),
            prop::collection::vec(
                prop_oneof![
                    (0..600i64).prop_map(|n| Shape::Literal(n.into())),
                    "[a-z][a-z0-9_]{3,6}x".prop_map(|s| Shape::Literal(Value::String(s))),
                    Just(Shape::Integer { min: None, max: None }),
                    Just(Shape::Type(Type::Null)),
                ],
                2..4
            )
            .prop_map(|all| Shape::OneOf(all.into_iter().map(at).collect())),
        ]
    }

    fn any_pattern() -> impl Strategy<Value = Pattern> {
        leaf().prop_map(at).prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|all| at(Shape::Array(all))),
                prop::collection::vec(inner.clone(), 1..3).prop_map(|all| at(Shape::Contains(all))),
                inner.clone().prop_map(|p| at(Shape::Each(Box::new(p)))),
                prop::collection::btree_map(any_text(), inner, 0..4).prop_map(|all| {
                    let name = |n: String| at(Shape::Literal(Value::String(n)));
                    at(Shape::Object(all.into_iter().map(|(n, value)| Member { name: name(n), value }).collect()))
                }),
            ]
        })
    }

    /// A pattern read back, without places.
    fn read(spelled: &str) -> Result<String, String> {
        let text = format!(
            "title: t\nrevisions: \"2025-11-25\"\ngiven: {{ v: {spelled} }}\nexchange:\n  - client requests: ping\n    params: {{ v: $v }}\n"
        );
        let scenarios = file(Source::new("a/b.yaml", text.clone())).map_err(|all| format!("{text}\n{}", all[0]))?;
        Ok(bare(&scenarios[0].given[0].1))
    }

    fn bare(pattern: &Pattern) -> String {
        regex::Regex::new(r"Span \{ start: \d+, end: \d+ \}")
            .unwrap()
            .replace_all(&format!("{pattern:?}"), "")
            .into_owned()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
        #[test]
        fn what_is_spelled_is_read_back(pattern in any_pattern()) {
            let spelled = super::pattern(&pattern);
            prop_assert_eq!(read(&spelled), Ok(bare(&pattern)), "{}", spelled);
        }
    }
}
