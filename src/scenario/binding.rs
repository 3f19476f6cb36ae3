//! Names and what they are bound to; patterns matched against what came, and filled in for what is sent.

use super::model::{Scenario, Wait};
use super::pattern::{Path, Pattern, Piece, Shape, Type};
use super::source::Span;
use super::visit::walk;
use super::wording::{brief, describe, plain, shown};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Where a value differs from a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// JSON pointer, from the value that was matched.
    pub pointer: String,
    /// What the pattern asks for, in words.
    pub expected: String,
    /// What is there, in words.
    pub found: String,
    /// Where the pattern stands.
    pub span: Span,
}

/// A pattern could not be turned into a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Unfillable {
    /// Where the pattern stands.
    pub span: Span,
    /// What is missing.
    pub why: String,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq)]
enum Bound {
    /// Something that came, or was sent.
    Value(Value),
    /// A fact of the fixture or of the case.
    Given(Pattern),
    /// Carried through a loop and absent now.
    Absent,
}

/// The names of one play.
#[derive(Debug, Clone)]
pub struct Bindings {
    names: BTreeMap<String, Bound>,
    fresh: BTreeMap<usize, Value>,
}

/// The name that stands for the server's host and port over HTTP, as the client's requests name them.
pub const HOST: &str = "host";

impl Bindings {
    /// The names at the beginning of a play: what is given, with the fresh values of this run.
    #[must_use]
    pub fn new(scenario: &Scenario, fresh: &Map<String, Value>) -> Bindings {
        let names = scenario.given.iter().map(|(n, p)| (n.clone(), Bound::Given(p.clone()))).collect();
        let fresh = fresh.iter().filter_map(|(k, v)| Some((k.parse().ok()?, v.clone()))).collect();
        Bindings { names, fresh }
    }

    /// Is the name bound to something that came, was sent, or is given?
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// Binds a name to a value, whatever it was.
    pub fn bind(&mut self, name: &str, value: Value) {
        self.names.insert(name.to_owned(), Bound::Value(value));
    }

    /// Binds a name to a pattern's value, or to its absence (the first value of a carried name).
    pub fn carry(&mut self, name: &str, first: &Pattern) {
        let bound = match self.fill(first, None) {
            Ok(Some(value)) => Bound::Value(value),
            Ok(None) => Bound::Absent,
            // a name that is carried on under itself is bound by the message that comes first
            Err(_) if self.leads_to(first, name, &mut BTreeSet::new()) => return,
            Err(_) => Bound::Given(first.clone()),
        };
        self.names.insert(name.to_owned(), bound);
    }

    /// Does a pattern stand for that name, be it through other names?
    fn leads_to(&self, pattern: &Pattern, name: &str, seen: &mut BTreeSet<String>) -> bool {
        let mut named = Vec::new();
        walk(pattern, &mut |p| match &p.shape {
            Shape::Name(path) => named.push(path.name.clone()),
            Shape::Text(pieces) => named.extend(pieces.iter().filter_map(|piece| match piece {
                Piece::Name(path) => Some(path.name.clone()),
                Piece::Plain(_) => None,
            })),
            _ => {}
        });
        named.into_iter().any(|n| {
            n == name
                || seen.insert(n.clone())
                    && matches!(self.names.get(&n), Some(Bound::Given(given)) if self.leads_to(given, name, seen))
        })
    }

    /// Binds a carried name to what is at its place now, or to its absence.
    fn recarry(&mut self, name: &str, value: Option<&Value>) {
        self.names.insert(name.to_owned(), value.map_or(Bound::Absent, |v| Bound::Value(v.clone())));
    }

    /// The value a path stands for; `None` if it is not bound to one value.
    #[must_use]
    pub fn value(&self, path: &Path) -> Option<Value> {
        let mut value = match self.names.get(&path.name)? {
            Bound::Value(value) => value.clone(),
            Bound::Given(pattern) => self.clone().fill(pattern, None).ok()??,
            Bound::Absent => return None,
        };
        for member in &path.members {
            value = value.get_mut(member)?.take();
        }
        Some(value)
    }

    /// The pattern that a path stands for, if it was given as one.
    #[must_use]
    pub fn given(&self, path: &Path) -> Option<Pattern> {
        match self.names.get(&path.name)? {
            Bound::Given(given) => descend(given, &path.members).cloned(),
            Bound::Value(_) | Bound::Absent => None,
        }
    }

    /// A span of time with its names put in; `None` while a name is not bound to a number.
    #[must_use]
    pub fn wait(&self, wait: &Wait) -> Option<std::time::Duration> {
        let Some(path) = &wait.plus else { return Some(wait.fixed) };
        let ms = self.value(path)?.as_f64()?;
        if !(0.0..=86_400_000.0).contains(&ms) {
            return None;
        }
        Some(wait.fixed + std::time::Duration::from_micros((ms * 1000.0) as u64))
    }

    /// A text with its names put in; names that are not bound stay as they are written.
    #[must_use]
    pub fn text(&self, pattern: &Pattern) -> String {
        match &pattern.shape {
            Shape::Literal(Value::String(s)) => s.clone(),
            Shape::Text(pieces) => pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Plain(s) => s.clone(),
                    Piece::Name(path) => self.value(path).map_or_else(|| format!("${{{path}}}"), |v| plain(&v)),
                })
                .collect(),
            Shape::Name(path) => self.value(path).map_or_else(|| format!("${path}"), |v| plain(&v)),
            _ => describe(pattern),
        }
    }

    /// Matches a value (or its absence) against a pattern. Unbound names are bound to what is there; every mismatch is
    /// reported, not only the first. Names in `rebind` are bound anew instead of compared.
    pub fn check(&mut self, pattern: &Pattern, value: Option<&Value>, rebind: &[String]) -> Vec<Mismatch> {
        let mut out = Vec::new();
        self.check_at(pattern, value, rebind, &mut String::new(), &mut out);
        out
    }

    /// Would [`Bindings::check`] find no mismatch? Binds nothing.
    #[must_use]
    pub fn fits(&self, pattern: &Pattern, value: Option<&Value>) -> bool {
        self.clone().check(pattern, value, &[]).is_empty()
    }

    fn check_at(
        &mut self,
        pattern: &Pattern,
        value: Option<&Value>,
        rebind: &[String],
        at: &mut String,
        out: &mut Vec<Mismatch>,
    ) {
        let miss = |out: &mut Vec<Mismatch>, at: &str, expected: String| {
            out.push(Mismatch { pointer: at.to_owned(), expected, found: shown(value), span: pattern.span });
        };
        // what a missing value can be
        match &pattern.shape {
            Shape::Absent => {
                if value.is_some() {
                    miss(out, at, "nothing there".into());
                }
                return;
            }
            Shape::Name(path) => return self.check_name(path, pattern, value, rebind, at, out),
            Shape::OneOf(all) => {
                for one in all {
                    let mut trial = self.clone();
                    let mut mismatches = Vec::new();
                    trial.check_at(one, value, rebind, at, &mut mismatches);
                    if mismatches.is_empty() {
                        *self = trial;
                        return;
                    }
                }
                return miss(out, at, self.describe(pattern));
            }
            Shape::Overlay(all) => {
                for one in all {
                    self.check_at(one, value, rebind, at, out);
                }
                return;
            }
            Shape::Empty if value.is_none() => return,
            _ => {}
        }
        let Some(value) = value else {
            return miss(out, at, self.describe(pattern));
        };
        let good = match &pattern.shape {
            Shape::Literal(literal) => same(literal, value),
            Shape::Text(_) => self.fill(pattern, None).ok().flatten().is_some_and(|text| same(&text, value)),
            Shape::Any => true,
            Shape::Type(t) => match t {
                Type::String => value.is_string(),
                Type::Number => value.is_number(),
                Type::Boolean => value.is_boolean(),
                Type::Object => value.is_object(),
                Type::Array => value.is_array(),
                Type::Null => value.is_null(),
            },
            Shape::Integer { min, max } => {
                value.as_i64().is_some_and(|n| min.is_none_or(|m| n >= m) && max.is_none_or(|m| n <= m))
                    || (min.is_none() && max.is_none() && value.is_u64())
            }
            Shape::Timestamp => value.as_str().is_some_and(is_timestamp),
            Shape::Empty => match value {
                Value::Null => true,
                Value::String(s) => s.is_empty(),
                Value::Array(a) => a.is_empty(),
                Value::Object(o) => o.is_empty(),
                _ => false,
            },
            Shape::Matches(re) => value.as_str().is_some_and(|s| regex::Regex::new(re).is_ok_and(|re| re.is_match(s))),
            Shape::Fresh(_) => self.fresh.get(&pattern.span.start).is_some_and(|made| same(made, value)),
            Shape::Bytes(_) => false,
            Shape::Object(members) => {
                let Value::Object(object) = value else {
                    return out.push(Mismatch {
                        pointer: at.clone(),
                        expected: "an object".into(),
                        found: shown(Some(value)),
                        span: pattern.span,
                    });
                };
                for member in members {
                    let Some(name) = self.member_name(&member.name, &member.value, object) else {
                        miss_at(out, at, self.describe(&member.name), Some(value), member.name.span);
                        continue;
                    };
                    let length = at.len();
                    push_pointer(at, &name);
                    self.check_at(&member.value, object.get(&name), rebind, at, out);
                    at.truncate(length);
                }
                return;
            }
            Shape::Array(patterns) => {
                let Value::Array(items) = value else {
                    return miss_at(out, at, "an array".into(), Some(value), pattern.span);
                };
                if items.len() != patterns.len() {
                    let expected = format!("an array of {}", patterns.len());
                    miss_at(out, at, expected, Some(value), pattern.span);
                }
                for (i, (pattern, item)) in patterns.iter().zip(items).enumerate() {
                    let length = at.len();
                    push_pointer(at, &i.to_string());
                    self.check_at(pattern, Some(item), rebind, at, out);
                    at.truncate(length);
                }
                return;
            }
            Shape::Contains(patterns) => {
                let Value::Array(items) = value else {
                    return miss_at(out, at, "an array".into(), Some(value), pattern.span);
                };
                for wanted in patterns {
                    let found = items.iter().find_map(|item| {
                        let mut trial = self.clone();
                        trial.check(wanted, Some(item), rebind).is_empty().then_some(trial)
                    });
                    match found {
                        Some(bound) => *self = bound,
                        None => {
                            let expected = format!("an array that contains {}", self.describe(wanted));
                            miss_at(out, at, expected, Some(value), wanted.span);
                        }
                    }
                }
                return;
            }
            Shape::Each(inner) => {
                let Value::Array(items) = value else {
                    return miss_at(out, at, "an array".into(), Some(value), pattern.span);
                };
                for (i, item) in items.iter().enumerate() {
                    let length = at.len();
                    push_pointer(at, &i.to_string());
                    self.check_at(inner, Some(item), rebind, at, out);
                    at.truncate(length);
                }
                return;
            }
            Shape::Absent | Shape::Name(_) | Shape::OneOf(_) | Shape::Overlay(_) => true,
        };
        if !good {
            miss_at(out, at, self.describe(pattern), Some(value), pattern.span);
        }
    }

    fn check_name(
        &mut self,
        path: &Path,
        pattern: &Pattern,
        value: Option<&Value>,
        rebind: &[String],
        at: &mut String,
        out: &mut Vec<Mismatch>,
    ) {
        if path.members.is_empty() && rebind.contains(&path.name) {
            return self.recarry(&path.name, value);
        }
        let given = match self.names.get(&path.name) {
            Some(Bound::Given(given)) => descend(given, &path.members).cloned(),
            Some(Bound::Absent) => {
                if value.is_some() {
                    miss_at(out, at, "nothing there".into(), value, pattern.span);
                }
                return;
            }
            _ => None,
        };
        if let Some(given) = given {
            return self.check_at(&given, value, rebind, at, out);
        }
        match (self.value(path), value) {
            (Some(bound), Some(value)) if same(&bound, value) => {}
            (Some(bound), _) => miss_at(out, at, format!("{} (${path})", brief(&bound)), value, pattern.span),
            (None, Some(value)) if path.members.is_empty() => self.bind(&path.name, value.clone()),
            (None, _) => miss_at(out, at, format!("a value for ${path}"), value, pattern.span),
        }
    }

    /// The name of a member: literal, bound, or (unbound) the first member of the object whose value fits.
    fn member_name(&mut self, name: &Pattern, value: &Pattern, object: &Map<String, Value>) -> Option<String> {
        match &name.shape {
            Shape::Literal(Value::String(s)) => Some(s.clone()),
            Shape::Name(path) if path.members.is_empty() && !self.knows(&path.name) => {
                let (key, _) = object.iter().find(|(_, v)| self.fits(value, Some(v)))?;
                self.bind(&path.name, Value::String(key.clone()));
                Some(key.clone())
            }
            _ => match self.fill(name, None) {
                Ok(Some(Value::String(s))) => Some(s),
                _ => None,
            },
        }
    }

    /// Makes a value of a pattern, laid over what is there already. `Ok(None)` means: nothing there.
    ///
    /// # Errors
    /// When the pattern says only what kind of value it wants, a name in it is not bound, and nothing (fitting) is there.
    pub fn fill(&mut self, pattern: &Pattern, base: Option<&Value>) -> Result<Option<Value>, Unfillable> {
        let lacking = |why: String| Err(Unfillable { span: pattern.span, why });
        match &pattern.shape {
            Shape::Literal(value) => Ok(Some(value.clone())),
            Shape::Absent => Ok(None),
            Shape::Text(pieces) => {
                let mut text = String::new();
                for piece in pieces {
                    match piece {
                        Piece::Plain(s) => text.push_str(s),
                        Piece::Name(path) => match self.value(path) {
                            Some(value) => text.push_str(&plain(&value)),
                            None => return lacking(format!("${path} is not bound yet")),
                        },
                    }
                }
                Ok(Some(Value::String(text)))
            }
            Shape::Fresh(_) => match self.fresh.get(&pattern.span.start) {
                Some(value) => Ok(Some(value.clone())),
                None => lacking("this fresh value was not made".into()),
            },
            Shape::Name(path) => {
                let given = match self.names.get(&path.name) {
                    Some(Bound::Absent) => return Ok(None),
                    Some(Bound::Given(given)) => descend(given, &path.members).cloned(),
                    _ => None,
                };
                if let Some(given) = given {
                    return self.fill(&given, base);
                }
                match (self.value(path), base) {
                    (Some(value), _) => Ok(Some(value)),
                    (None, Some(base)) if path.members.is_empty() => {
                        self.bind(&path.name, base.clone());
                        Ok(Some(base.clone()))
                    }
                    (None, _) => lacking(format!("${path} is not bound yet")),
                }
            }
            Shape::Object(members) => {
                let mut object = base.and_then(Value::as_object).cloned().unwrap_or_default();
                for member in members {
                    let Some(Value::String(name)) = self.fill(&member.name, None)? else {
                        return lacking("the name of a member is no text".into());
                    };
                    match self.fill(&member.value, object.get(&name).cloned().as_ref())? {
                        Some(value) => object.insert(name, value),
                        None => object.shift_remove(&name),
                    };
                }
                Ok(Some(Value::Object(object)))
            }
            Shape::Array(patterns) => {
                let items = base.and_then(Value::as_array);
                let mut array = Vec::with_capacity(patterns.len());
                for (i, pattern) in patterns.iter().enumerate() {
                    array.extend(self.fill(pattern, items.and_then(|items| items.get(i)))?);
                }
                Ok(Some(Value::Array(array)))
            }
            Shape::Overlay(all) => {
                let mut value = base.cloned();
                for one in all {
                    value = self.fill(one, value.as_ref())?;
                }
                Ok(value)
            }
            Shape::OneOf(all) => {
                if base.is_some() && self.fits(pattern, base) {
                    return Ok(base.cloned());
                }
                for one in all {
                    if let Ok(value) = self.fill(one, None) {
                        return Ok(value);
                    }
                }
                lacking(format!("nothing is there for {}", describe(pattern)))
            }
            Shape::Empty => match base {
                Some(base) if self.fits(pattern, Some(base)) => Ok(Some(base.clone())),
                _ => Ok(None),
            },
            Shape::Bytes(_) => lacking("bytes stand only after `sends`".into()),
            Shape::Any
            | Shape::Type(_)
            | Shape::Integer { .. }
            | Shape::Timestamp
            | Shape::Matches(_)
            | Shape::Contains(_)
            | Shape::Each(_) => match base {
                Some(base) if self.fits(pattern, Some(base)) => Ok(Some(base.clone())),
                Some(base) => lacking(format!("{} is there, but {} is asked for", brief(base), self.describe(pattern))),
                None => lacking(format!("nothing is there for {}", self.describe(pattern))),
            },
        }
    }

    /// The bytes of a `sends`.
    ///
    /// # Errors
    /// When a name in it is not bound.
    pub fn bytes(&mut self, pattern: &Pattern) -> Result<Vec<u8>, Unfillable> {
        match &pattern.shape {
            Shape::Bytes(bytes) => Ok(bytes.clone()),
            Shape::Name(path) => {
                if let Some(Bound::Given(given)) = self.names.get(&path.name) {
                    let given = given.clone();
                    return self.bytes(&given);
                }
                Err(Unfillable { span: pattern.span, why: format!("${path} is not bound to bytes") })
            }
            _ => match self.fill(pattern, None)? {
                Some(Value::String(text)) => Ok(text.into_bytes()),
                _ => Err(Unfillable { span: pattern.span, why: "bytes are written as a text".into() }),
            },
        }
    }

    /// A pattern in words, with what its names are bound to.
    #[must_use]
    pub fn describe(&self, pattern: &Pattern) -> String {
        match &pattern.shape {
            Shape::Text(_) | Shape::Fresh(_) => match self.clone().fill(pattern, None) {
                Ok(Some(value)) => brief(&value),
                _ => describe(pattern),
            },
            _ => describe(pattern),
        }
    }
}

fn miss_at(out: &mut Vec<Mismatch>, at: &str, expected: String, value: Option<&Value>, span: Span) {
    out.push(Mismatch { pointer: at.to_owned(), expected, found: shown(value), span });
}

/// Follows member names into an object pattern.
fn descend<'a>(pattern: &'a Pattern, members: &[String]) -> Option<&'a Pattern> {
    let Some((first, rest)) = members.split_first() else { return Some(pattern) };
    match &pattern.shape {
        Shape::Object(all) => {
            let member = all.iter().find(|m| m.name.shape == Shape::Literal(Value::String(first.clone())))?;
            descend(&member.value, rest)
        }
        _ => None,
    }
}

/// Equality of values: numbers by value however they are written, since JSON has one kind of them, everything else exactly.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || (a.as_f64() == b.as_f64() && (a.is_f64() || b.is_f64())),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|w| same(v, w)))
        }
        _ => a == b,
    }
}

fn push_pointer(at: &mut String, name: &str) {
    at.push('/');
    at.push_str(&name.replace('~', "~0").replace('/', "~1"));
}

/// Is it an RFC 3339 date-time with an offset?
#[must_use]
pub fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = |range: std::ops::Range<usize>| -> Option<u32> {
        let part = bytes.get(range)?;
        part.iter().all(u8::is_ascii_digit).then_some(())?;
        std::str::from_utf8(part).ok()?.parse().ok()
    };
    let at = |i: usize, c: &[u8]| bytes.get(i).is_some_and(|b| c.contains(b));
    let (Some(_), Some(month), Some(day)) = (digits(0..4), digits(5..7), digits(8..10)) else { return false };
    let (Some(hour), Some(minute), Some(second)) = (digits(11..13), digits(14..16), digits(17..19)) else {
        return false;
    };
    if !(at(4, b"-") && at(7, b"-") && at(10, b"Tt") && at(13, b":") && at(16, b":")) {
        return false;
    }
    if !((1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60) {
        return false;
    }
    let mut i = 19;
    if at(i, b".") {
        let fraction = bytes[i + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
        if fraction == 0 {
            return false;
        }
        i += 1 + fraction;
    }
    match &bytes[i..] {
        b"Z" | b"z" => true,
        [b'+' | b'-', _, _, b':', _, _] => {
            digits(i + 1..i + 3).is_some_and(|h| h < 24) && digits(i + 4..i + 6).is_some_and(|m| m < 60)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::same;
    use serde_json::json;

    #[test]
    fn a_number_is_what_it_is_worth() {
        assert!(same(&json!({"progress": [100]}), &json!({"progress": [100.0]})));
        assert!(
            !same(&json!(100), &json!(100.5))
                && !same(&json!(9_007_199_254_740_993_u64), &json!(9_007_199_254_740_992_u64))
        );
        assert!(!same(&json!(100), &json!("100")));
    }
}
