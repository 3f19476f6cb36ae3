//! Patterns: what a file writes where a value stands. One form serves to match what comes and to write what is sent.

use super::source::Span;
use serde_json::Value;

/// A pattern with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    /// What it is.
    pub shape: Shape,
    /// Where it stands.
    pub span: Span,
}

/// What a pattern can be.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A value as it is: `null`, `true`, a number, a text without `$`.
    Literal(Value),
    /// A text with names in it: `"Deleted ${arguments.files} files"`.
    Text(Vec<Piece>),
    /// `$name` or `$call.id`: what it is bound to must come, or it is bound to what comes.
    Name(Path),
    /// `<any>`: any value, but there must be one.
    Any,
    /// `<string>`, `<number>`, `<boolean>`, `<object>`, `<array>`, `<null>`.
    Type(Type),
    /// `<integer>`, `<integer 1..5>`, `<200..299>`; both ends included.
    Integer {
        /// The least, if bounded.
        min: Option<i64>,
        /// The greatest, if bounded.
        max: Option<i64>,
    },
    /// `<timestamp>`: RFC 3339.
    Timestamp,
    /// `<empty>`: nothing at all: an empty body, text, array or object.
    Empty,
    /// `<absent>`: the member must not be there; when sending, it is left out (or taken out).
    Absent,
    /// `<a | b>`: one of these.
    OneOf(Vec<Pattern>),
    /// `</re/>`: a text that this matches somewhere.
    Matches(String),
    /// `<fresh ..>`: made new in every run; within a run always the same for the same place.
    Fresh(Fresh),
    /// An object with at least these members. Names are patterns too: `{ $members: <any> }`.
    Object(Vec<Member>),
    /// An array of exactly these.
    Array(Vec<Pattern>),
    /// `{ <contains>: [..] }`: an array in which each of these occurs.
    Contains(Vec<Pattern>),
    /// `{ <each>: .. }`: an array in which every element is so.
    Each(Box<Pattern>),
    /// `[$asks, { task: .. }]` where an object is expected: each laid over the one before.
    Overlay(Vec<Pattern>),
    /// `{ hex: ".." }` or `{ text: "..", times: n }`: bytes, only for `sends`.
    Bytes(Vec<u8>),
}

/// One member of an object pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Its name: a literal text or a `$name`.
    pub name: Pattern,
    /// Its value.
    pub value: Pattern,
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// As it is.
    Plain(String),
    /// `${name}`.
    Name(Path),
}

/// A name and what is looked up in it: `arguments.files`, `listen.id`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Path {
    /// The name.
    pub name: String,
    /// Members to follow.
    pub members: Vec<String>,
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        for member in &self.members {
            write!(f, ".{member}")?;
        }
        Ok(())
    }
}

/// The types a value can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// A text.
    String,
    /// A number of any kind.
    Number,
    /// `true` or `false`.
    Boolean,
    /// An object.
    Object,
    /// An array.
    Array,
    /// `null`.
    Null,
}

/// What is made new in every run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fresh {
    /// `<fresh 2..99>`.
    Integer {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// `<fresh uuid>`.
    Uuid,
    /// `<fresh string>`.
    Text,
}
