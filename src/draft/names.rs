//! The names of a draft: labels of steps, values that one message brings and another uses, and facts said once.

use super::course::Course;
use super::part::Part;
use super::value::{at, literal};
use crate::scenario::pattern::{Fresh, Path, Pattern, Piece, Shape, Type};
use crate::scenario::visit::walk;
use crate::wire::Party;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Shorter texts and numbers are not looked for in other texts: they are there by chance.
const SHORTEST: usize = 2;
/// Shorter secrets likewise.
const TELLING: usize = 8;

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
    /// Secrets with their names, and who said them first. Those of a client are facts that are made anew in every run.
    secrets: Vec<(String, Path, Party)>,
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

    /// A fact: what is used in a step by its name and said at the head of the file, if it can be.
    pub(super) fn give(&mut self, base: &str, value: &Value, written: Pattern) -> Pattern {
        // what a message brings is not known at the head of the file
        let mut brought = false;
        walk(&written, &mut |p| {
            let given = |path: &Path| self.given.iter().any(|(name, ..)| *name == path.name);
            brought |= named(p).iter().any(|(path, _)| !given(path));
        });
        if brought {
            return written;
        }
        if let Some((name, ..)) = self.given.iter().find(|(_, given, _)| given == value) {
            return at(Shape::Name(path(name)));
        }
        let name = self.new_name(base);
        self.given.push((name.clone(), value.clone(), written));
        self.look_for(&path(&name), value);
        at(Shape::Name(path(&name)))
    }

    /// A secret, by who said it first: a name stands in its place. What a client said is another in every run, until somebody
    /// writes their own there; what a server said is what it says.
    pub(super) fn hide(&mut self, secret: &str, from: Party) {
        let name = self.bind(secret, "secret");
        self.secrets.push((secret.to_owned(), path(&name), from));
        if from == Party::Client {
            self.make_anew(&name);
            if secret.len() >= TELLING {
                self.inside.push((secret.to_owned(), path(&name)));
            }
        }
    }

    fn make_anew(&mut self, name: &str) {
        self.given.push((name.to_owned(), Value::Null, at(Shape::Fresh(Fresh::Text))));
    }

    /// The names of the secrets that are made anew.
    pub(super) fn anew(&self) -> impl Iterator<Item = &str> {
        self.given
            .iter()
            .filter(|(.., written)| matches!(written.shape, Shape::Fresh(_)))
            .map(|(name, ..)| name.as_str())
    }

    /// The secrets that are looked for inside of texts.
    fn telling(&self) -> impl Iterator<Item = &(String, Path, Party)> {
        self.secrets.iter().filter(|(secret, ..)| secret.len() >= TELLING)
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

    /// A text of a client as it is, but for secrets in it.
    pub(super) fn as_it_is(&self, text: &str) -> Pattern {
        pieces(text, |_, rest| {
            self.telling()
                .find(|(secret, ..)| rest.starts_with(secret.as_str()))
                .map(|(secret, path, _)| (secret.len(), path))
        })
    }

    /// A text with names for what a client said before.
    pub(super) fn in_text(&self, text: &str) -> Pattern {
        if self.telling().any(|(secret, _, from)| *from == Party::Server && text.contains(secret.as_str())) {
            return at(Shape::Type(Type::String));
        }
        let apart = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        let secret = |path: &Path| self.secrets.iter().any(|(_, secret, _)| secret == path);
        pieces(text, |before, rest| {
            let found = self.inside.iter().filter(|(inner, path)| {
                rest.strip_prefix(inner.as_str())
                    .is_some_and(|after| secret(path) || (apart(before) && apart(after.chars().next())))
            });
            found.max_by_key(|(inner, _)| inner.len()).map(|(inner, path)| (inner.len(), path))
        })
    }
}

/// A text with names in it. `find` is told the character before a place and the rest from there, and gives how many bytes of it
/// have which name.
fn pieces<'a>(text: &str, find: impl Fn(Option<char>, &str) -> Option<(usize, &'a Path)>) -> Pattern {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    let mut before = None;
    while let Some(c) = rest.chars().next() {
        let found = find(before, rest).and_then(|(length, path)| Some((rest.split_at_checked(length)?, path)));
        let Some(((inner, after), path)) = found else {
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
        rest = after;
    }
    if pieces.is_empty() {
        return literal(plain);
    }
    if !plain.is_empty() {
        pieces.push(Piece::Plain(plain));
    }
    at(Shape::Text(pieces))
}

/// Sees to it that every name has a value: secrets of a server that it never says by themselves are made anew, and those of a
/// client of which nothing was written are left out.
pub(super) fn settle(course: &mut Course) {
    let mut first: BTreeMap<String, (Party, bool)> = BTreeMap::new();
    each_pattern(course, &mut |party, pattern| {
        walk(pattern, &mut |p| {
            for (path, whole) in named(p) {
                first.entry(path.name.clone()).or_insert((party, whole));
            }
        });
    });
    for (_, _, written) in &course.names.given {
        walk(written, &mut |p| {
            for (path, _) in named(p) {
                first.insert(path.name.clone(), (Party::Client, true));
            }
        });
    }
    let secrets = course.names.secrets.clone();
    for (_, path, from) in &secrets {
        match (from, first.get(&path.name)) {
            (Party::Client, None) => course.names.given.retain(|(name, ..)| *name != path.name),
            (Party::Server, Some(use_)) if *use_ != (Party::Server, true) => {
                course.names.make_anew(&path.name);
                let is = |name: &String| *name == path.name;
                each_pattern(course, &mut |party, pattern| {
                    if party == Party::Server {
                        forget(pattern, &is);
                    }
                });
            }
            _ => {}
        }
    }
}

/// A name that only one message has says nothing of another: there any text will do.
pub(super) fn forget_what_is_used_once(course: &mut Course) {
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    each_pattern(course, &mut |_, pattern| count(pattern, &mut uses));
    for (_, _, written) in &course.names.given {
        count(written, &mut uses);
    }
    let given: BTreeSet<String> = course.names.given().map(|(name, _)| name.to_owned()).collect();
    let once = |name: &String| uses.get(name) == Some(&1) && !given.contains(name);
    each_pattern(course, &mut |_, pattern| forget(pattern, &once));
}

/// Visits the patterns in the order of the file, with who says them.
fn each_pattern(course: &mut Course, f: &mut dyn FnMut(Party, &mut Pattern)) {
    for part in &mut course.parts {
        let acts = match part {
            Part::Act(act) => std::slice::from_mut(act),
            Part::May(acts) => acts,
            Part::Poll(poll) => {
                f(poll.requestor, &mut poll.task);
                poll.says.iter_mut().for_each(|says| f(poll.requestor.other(), says));
                continue;
            }
            Part::Walk(_) | Part::Note(_) => continue,
        };
        for act in acts {
            act.payload.iter_mut().for_each(|(_, pattern)| f(act.party, pattern));
        }
    }
    course.drive.iter_mut().filter_map(|action| action.with.as_mut()).for_each(|with| f(Party::Client, with));
}

/// The names in a pattern itself, and whether they are all of it.
fn named(pattern: &Pattern) -> Vec<(&Path, bool)> {
    match &pattern.shape {
        Shape::Name(path) => vec![(path, path.members.is_empty())],
        Shape::Text(pieces) => pieces
            .iter()
            .filter_map(|piece| if let Piece::Name(path) = piece { Some((path, false)) } else { None })
            .collect(),
        _ => Vec::new(),
    }
}

fn count(pattern: &Pattern, uses: &mut BTreeMap<String, usize>) {
    walk(pattern, &mut |p| {
        for (path, _) in named(p) {
            *uses.entry(path.name.clone()).or_default() += 1;
        }
    });
}

fn forget(pattern: &mut Pattern, once: &dyn Fn(&String) -> bool) {
    match &mut pattern.shape {
        Shape::Name(path) if path.members.is_empty() && once(&path.name) => pattern.shape = Shape::Type(Type::String),
        Shape::Text(pieces) if pieces.iter().any(|p| matches!(p, Piece::Name(path) if once(&path.name))) => {
            pattern.shape = Shape::Type(Type::String);
        }
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
