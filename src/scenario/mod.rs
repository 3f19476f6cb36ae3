//! The scenario language: reading, checking and explaining files, and the automaton that plays and watches them.

pub mod binding;
pub mod exchange;
pub mod model;
pub mod pattern;
pub mod plan;
pub mod play;
pub mod source;
pub mod walk;

pub use model::Scenario;
pub use pattern::Pattern;
pub use source::{Source, Span};
