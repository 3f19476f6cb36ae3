//! `draw`: the sequence diagram of a capture.

use super::screen;
use super::selection::revision;
use crate::judge;
use crate::report::text::{count, short};
use crate::report::{Drawing, Extent, Style};
use crate::run::recorded::{self, Recorded};
use crate::spec::Revision;
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};

/// Rows of messages, where nothing else is asked for.
const ROWS: u32 = 400;
/// Nobody looks at more.
const MOST_ROWS: i64 = 10_000;

/// `mcp-interop draw`
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A run record (as --trace writes them), a capture of others (docs/captures.md), or - for standard input
    capture: PathBuf,
    /// How it is drawn
    #[arg(long = "as", value_name = "FORM", default_value = "text")]
    form: Form,
    /// Write it into this file, in place of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Draw this session of the capture alone, from 1
    #[arg(long, value_name = "N")]
    session: Option<usize>,
    /// Draw so many rows at most; of more, the first ones and those around the divergence
    #[arg(long, value_name = "N", default_value_t = ROWS, value_parser = clap::value_parser!(u32).range(4..=MOST_ROWS))]
    rows: u32,
    /// The revision that is in force in a capture without a handshake
    #[arg(long, value_parser = revision)]
    revision: Option<Revision>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Lines for a terminal
    Text,
    /// For Markdown pages and issues
    Mermaid,
    /// An image
    Svg,
}

pub(super) fn run(arguments: &Arguments) -> Result<u8, String> {
    let file = &arguments.capture;
    let all = recorded::read(file, arguments.revision, &mut |what| note(&what))?;
    let sessions: usize = all.iter().map(|recorded| recorded.sessions).sum();
    let extent = Extent::whole(usize::try_from(arguments.rows).unwrap_or(usize::MAX));
    let drawn = match (arguments.session, all.as_slice()) {
        (Some(wanted), _) => {
            let (at, session) = recorded::find(&all, wanted).ok_or_else(|| no_session(file, sessions, wanted))?;
            let only = all.get(at).filter(|recorded| recorded.sessions > 1).map(|_| session);
            all.get(at)
                .map_or_else(String::new, |recorded| drawn(recorded, Extent { session: only, ..extent }, arguments))
        }
        (None, [recorded]) => {
            if sessions > 1 {
                let each = if sessions == 2 { "(1) and (2)".to_owned() } else { format!("(1) to ({sessions})") };
                let how = format!("marked {each}; --session N draws one of them alone");
                note(&format!("{sessions} sessions are drawn together, {how}"));
            }
            drawn(recorded, extent, arguments)
        }
        (None, several) if arguments.form == Form::Text => {
            let heading = |(i, recorded): (usize, &Recorded)| {
                format!("session {} of {}: {}\n", i + 1, several.len(), short(&recorded.name, 60))
            };
            let each = several.iter().enumerate();
            each.map(|(i, one)| heading((i, one)) + &drawn(one, extent, arguments)).collect::<Vec<_>>().join("\n")
        }
        (None, several) => {
            let of = count(several.len(), "session");
            return Err(format!("{} has {of}, each of its own; --session N draws one of them", file.display()));
        }
    };
    match &arguments.out {
        None => screen::show(&drawn)?,
        Some(path) => std::fs::write(path, drawn).map_err(|e| format!("cannot write {}: {e}", path.display()))?,
    }
    Ok(0)
}

fn note(what: &str) {
    screen::note(&format!("note: {what}"));
}

/// Why there is nothing of a session that was asked for.
pub(super) fn no_session(file: &Path, sessions: usize, wanted: usize) -> String {
    format!("{} has {}, and session {wanted} is none of them", file.display(), count(sessions, "session"))
}

fn drawn(recorded: &Recorded, extent: Extent, arguments: &Arguments) -> String {
    let judgement = judge::judge(&recorded.trace);
    let drawing = Drawing::of(&recorded.trace, &judgement, &extent);
    match (drawing.drawn(), drawing.hidden()) {
        (0, 0) => note("no message was recorded"),
        (_, 0) => {}
        (drawn, hidden) => note(&format!("{drawn} of {} messages are drawn; --rows N draws more", drawn + hidden)),
    }
    let style = match &arguments.out {
        Some(_) => Style::default(),
        None => Style { colour: screen::colour(), width: screen::width(), verbose: false },
    };
    match arguments.form {
        Form::Mermaid => drawing.mermaid(),
        Form::Svg => drawing.svg(),
        Form::Text => {
            let lines = drawing.lines(style.columns());
            lines.iter().map(|line| style.paint(line.tone, &line.text) + "\n").collect()
        }
    }
}
