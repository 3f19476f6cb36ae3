//! How a report is shown: colours, width, and how much of it.

use crate::judge::Verdict;
use anstyle::{AnsiColor, Style as Ansi};

/// How a report is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// With ANSI colours?
    pub colour: bool,
    /// Columns, at least [`Style::NARROWEST`]. Only lines that are there to be copied are longer.
    pub width: usize,
    /// Everything in full: warnings, and what was seen before.
    pub verbose: bool,
}

impl Default for Style {
    fn default() -> Style {
        Style { colour: false, width: 100, verbose: false }
    }
}

impl Style {
    /// Narrower than this nothing can be read.
    pub const NARROWEST: usize = 40;
    /// Wider than this nobody can follow a line.
    pub const WIDEST: usize = 200;

    /// The width within its bounds.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.width.clamp(Style::NARROWEST, Style::WIDEST)
    }

    /// The text in a tone; as it is without colours. The text must not contain line feeds.
    #[must_use]
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        let ansi = tone.ansi();
        if !self.colour || text.is_empty() || ansi.is_plain() {
            return text.to_owned();
        }
        format!("{}{text}{}", ansi.render(), ansi.render_reset())
    }
}

/// What a piece of text is, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tone {
    /// Nothing special.
    Plain,
    /// A heading.
    Strong,
    /// Of less weight.
    Faint,
    /// A verdict.
    Verdict(Verdict),
    /// A place, an id, an address.
    Place,
}

impl Tone {
    fn ansi(self) -> Ansi {
        match self {
            Tone::Plain => Ansi::new(),
            Tone::Strong => Ansi::new().bold(),
            Tone::Faint => Ansi::new().dimmed(),
            Tone::Place => AnsiColor::Cyan.on_default(),
            Tone::Verdict(Verdict::Pass) => AnsiColor::Green.on_default().bold(),
            Tone::Verdict(Verdict::NotExercised) => Ansi::new().dimmed(),
            Tone::Verdict(Verdict::Warn) => AnsiColor::Yellow.on_default().bold(),
            Tone::Verdict(Verdict::Inconclusive) => AnsiColor::Magenta.on_default().bold(),
            Tone::Verdict(Verdict::Fail | Verdict::Error) => AnsiColor::Red.on_default().bold(),
        }
    }
}

/// One line of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it is.
    pub tone: Tone,
    /// Its text, safe to show, without a line feed.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_there_only_when_asked_for() {
        let plain = Style::default();
        assert_eq!(plain.paint(Tone::Verdict(Verdict::Fail), "fail"), "fail");
        let coloured = Style { colour: true, ..plain };
        assert_eq!(coloured.paint(Tone::Verdict(Verdict::Fail), "fail"), "\u{1b}[1m\u{1b}[31mfail\u{1b}[0m");
        assert_eq!(coloured.paint(Tone::Plain, "fail"), "fail");
    }
}
