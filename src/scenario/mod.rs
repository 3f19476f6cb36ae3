//! The scenario language: reading, checking and explaining files, and the automaton that plays and watches them.

pub mod model;
pub mod pattern;
pub mod source;

pub use model::Scenario;
pub use pattern::Pattern;
pub use source::{Source, Span};
