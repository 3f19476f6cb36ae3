//! Reports: pure functions of what a run gave. The terminal, JSON, and sequence diagrams (as text, Mermaid and SVG).

mod detail;
pub mod diagram;
mod drawing;
pub mod driver;
pub mod excerpt;
pub mod exit;
mod facts;
pub mod json;
pub mod known;
pub mod matrix;
pub mod mermaid;
mod page;
mod reading;
pub mod repeat;
pub mod style;
pub mod svg;
pub mod tap;
pub mod terminal;
pub mod text;

pub use detail::address;
pub use diagram::diagram;
pub use drawing::{Drawing, Extent};
pub use exit::exit_code;
pub use json::json;
pub use known::known;
pub use mermaid::mermaid;
pub use repeat::{news, repeated};
pub use style::{Line, Style, Tone};
pub use svg::svg;
pub use terminal::terminal;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
mod drawing_tests;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
mod sample;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
mod tests;
