//! The names of a draft: labels of steps, values that one message brings and another uses, and facts said once.

use super::course::Course;
use super::part::Part;
use super::value::{at, literal};
use crate::scenario::pattern::{Path, Pattern, Piece, Shape, Type};
use crate::scenario::visit::walk;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Shorter texts and numbers are not looked for in other texts: they are there by chance.
const SHORTEST: usize = 2;

/// All names of one draft.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: BTreeSet<String>,
    /// Whole texts that have a name.
    known: Vec<(String, Path)>,
    /// What may stand inside of a text, and its name.
    inside: Vec<(String, Path)>,
    /// The facts: name, value, and how it is written.
    given: Vec<(String, Value, Pattern)>,
}

impl Names {
    /// A name that nothing has: that one, or with a number.
    pub(super) fn new_name(&mut self, base: &str) -> String {
        let mut name = base.to_owned();
        let mut n = 1;
        while !self.taken.insert(name.clone()) {
            n += 1;
            name = format!("{base}{n}");
        }
        name
    }

    /// From now on that text has a name.
    pub(super) fn bind(&mut self, text: &str, base: &str) -> String {
        let name = self.new_name(base);
        self.known.push((text.to_owned(), path(&name)));
        name
    }

    /// The name of a text, if it has one.
    pub(super) fn of(&self, text: &str) -> Option<Path> {
        self.known.iter().find(|(known, _)| known == text).map(|(_, path)| path.clone())
    }

    /// A fact: what is used in a step by its name and said at the head of the file.
    pub(super) fn give(&mut self, base: &str, value: &Value, written: Pattern) -> Pattern {
        if let Some((name, ..)) = self.given.iter().find(|(_, given, _)| given == value) {
            return at(Shape::Name(path(name)));
        }
        let name = self.new_name(base);
        self.given.push((name.clone(), value.clone(), written));
        self.look_for(&path(&name), value);
        at(Shape::Name(path(&name)))
    }

    /// The facts in the order in which they were given.
    pub(super) fn given(&self) -> impl Iterator<Item = (&str, &Pattern)> {
        self.given.iter().map(|(name, _, written)| (name.as_str(), written))
    }

    /// What of a value a server may repeat inside of a text.
    fn look_for(&mut self, path: &Path, value: &Value) {
        match value {
            Value::Object(all) => {
                for (name, value) in all.iter().filter(|(name, _)| is_name(name)) {
                    let mut inner = path.clone();
                    inner.members.push(name.clone());
                    self.look_for(&inner, value);
                }
            }
            Value::String(text) if text.len() > SHORTEST => self.inside.push((text.clone(), path.clone())),
            Value::Number(number) if number.to_string().len() >= SHORTEST => {
                self.inside.push((number.to_string(), path.clone()));
            }
            _ => {}
        }
    }

    /// A text with names for what a client said before.
    pub(super) fn in_text(&self, text: &str) -> Pattern {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        let mut before = None;
        while let Some(c) = rest.chars().next() {
            let apart = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
            let found = self.inside.iter().filter(|(inner, _)| {
                rest.strip_prefix(inner.as_str()).is_some_and(|after| apart(before) && apart(after.chars().next()))
            });
            let Some((inner, path)) = found.max_by_key(|(inner, _)| inner.len()) else {
                plain.push(c);
                before = Some(c);
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
                continue;
            };
            if !plain.is_empty() {
                pieces.push(Piece::Plain(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Name(path.clone()));
            before = inner.chars().last();
            rest = rest.get(inner.len()..).unwrap_or_default();
        }
        if pieces.is_empty() {
            return literal(plain);
        }
        if !plain.is_empty() {
            pieces.push(Piece::Plain(plain));
        }
        at(Shape::Text(pieces))
    }
}

/// A name that only one message has says nothing of another: there any text will do.
pub(super) fn forget_what_is_used_once(course: &mut Course) {
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    each_pattern(course, &mut |pattern| count(pattern, &mut uses));
    let given: BTreeSet<String> = course.names.given().map(|(name, _)| name.to_owned()).collect();
    let once = |name: &String| uses.get(name) == Some(&1) && !given.contains(name);
    each_pattern(course, &mut |pattern| forget(pattern, &once));
}

fn each_pattern(course: &mut Course, f: &mut dyn FnMut(&mut Pattern)) {
    for part in &mut course.parts {
        match part {
            Part::Act(act) => act.payload.iter_mut().for_each(|(_, pattern)| f(pattern)),
            Part::May(acts) => acts.iter_mut().filter_map(|a| a.payload.as_mut()).for_each(|(_, pattern)| f(pattern)),
            Part::Poll(poll) => f(&mut poll.task),
            Part::Walk(_) | Part::Note(_) => {}
        }
    }
    course.drive.iter_mut().filter_map(|action| action.with.as_mut()).for_each(f);
}

fn count(pattern: &Pattern, uses: &mut BTreeMap<String, usize>) {
    walk(pattern, &mut |p| match &p.shape {
        Shape::Name(path) => *uses.entry(path.name.clone()).or_default() += 1,
        Shape::Text(pieces) => {
            for piece in pieces {
                if let Piece::Name(path) = piece {
                    *uses.entry(path.name.clone()).or_default() += 1;
                }
            }
        }
        _ => {}
    });
}

fn forget(pattern: &mut Pattern, once: &dyn Fn(&String) -> bool) {
    match &mut pattern.shape {
        Shape::Name(path) if path.members.is_empty() && once(&path.name) => pattern.shape = Shape::Type(Type::String),
        Shape::Object(members) => members.iter_mut().for_each(|m| forget(&mut m.value, once)),
        Shape::Array(all) | Shape::Contains(all) => all.iter_mut().for_each(|p| forget(p, once)),
        _ => {}
    }
}

/// A name alone.
pub(super) fn path(name: &str) -> Path {
    Path { name: name.to_owned(), members: Vec::new() }
}

/// Can it be a part of a name in a file?
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::spelling;
    use serde_json::json;

    #[test]
    fn what_a_client_said_is_found_in_what_is_said_to_it() {
        let mut names = Names::default();
        let arguments = json!({ "files": 42, "who": "Ada", "x-y": "odd", "n": 7 });
        let first = names.give("arguments", &arguments, literal("-"));
        assert_eq!(spelling::pattern(&first), "$arguments");
        assert_eq!(spelling::pattern(&names.give("arguments", &arguments, literal("-"))), "$arguments");
        let of = |text: &str| spelling::pattern(&names.in_text(text));
        assert_eq!(of("Deleted 42 files"), "\"Deleted ${arguments.files} files\"");
        assert_eq!(of("Ada deleted 42."), "\"${arguments.who} deleted ${arguments.files}.\"");
        assert_eq!(of("142 files, 7 odd, Adam"), "\"142 files, 7 odd, Adam\"");
        assert_eq!(of(""), "\"\"");
    }
}
