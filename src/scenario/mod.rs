//! The scenario language: reading, checking and explaining files, and the automaton that plays and watches them.

mod assertion;
pub mod bind;
pub mod binding;
pub mod diagnostic;
mod ending;
pub mod exchange;
#[cfg(test)]
mod exchange_tests;
pub mod explain;
pub mod files;
pub mod fresh;
pub mod lint;
mod matching;
pub mod model;
pub mod parse;
pub mod pattern;
pub mod plan;
pub mod play;
mod progress;
pub mod seats;
pub mod source;
pub mod spelling;
pub mod visit;
pub mod walk;
mod window;
pub mod wording;

pub use diagnostic::{Diagnostic, Diagnostics};
pub use model::Scenario;
pub use pattern::Pattern;
pub use source::{Source, Span};
