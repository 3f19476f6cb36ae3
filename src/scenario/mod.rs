//! The scenario language: reading, checking and explaining files, and the automaton that plays and watches them.

pub mod diagnostic;
pub mod files;
pub mod lint;
pub mod model;
pub mod parse;
pub mod pattern;
pub mod source;

pub use diagnostic::{Diagnostic, Diagnostics};
pub use model::Scenario;
pub use pattern::Pattern;
pub use source::{Source, Span};
