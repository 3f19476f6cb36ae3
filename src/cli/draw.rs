//! `draw`: the sequence diagram of a capture.

use super::screen;
use crate::conversation::Conversation;
use crate::judge;
use crate::report::text::count;
use crate::report::{Drawing, Extent, Style};
use crate::run::recorded;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Rows of messages, where nothing else is asked for.
const ROWS: u32 = 400;
/// Nobody looks at more.
const MOST_ROWS: i64 = 10_000;

/// `mcp-interop draw`
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A run record, as `--trace DIR` writes them
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
    let (trace, notes) = recorded::read(&arguments.capture)?;
    let note = |words: &str| screen::note(&format!("note: {words}"));
    notes.iter().for_each(|words| note(words));
    let sessions = Conversation::of(&trace.header, &trace.events).sessions.len();
    let session = match arguments.session {
        None => None,
        Some(wanted) => Some(wanted.checked_sub(1).filter(|i| *i < sessions).ok_or_else(|| {
            let of = count(sessions, "session");
            format!("{} has {of}, and session {wanted} is none of them", arguments.capture.display())
        })?),
    };
    if session.is_none() && sessions > 1 {
        let each = if sessions == 2 { "(1) and (2)".to_owned() } else { format!("(1) to ({sessions})") };
        note(&format!("{sessions} sessions are drawn together, marked {each}; --session N draws one of them alone"));
    }
    let judgement = judge::judge(&trace);
    let rows = usize::try_from(arguments.rows).unwrap_or(usize::MAX);
    let drawing = Drawing::of(&trace, &judgement, &Extent { session, ..Extent::whole(rows) });
    match (drawing.drawn(), drawing.hidden()) {
        (0, 0) => note("no message was recorded"),
        (_, 0) => {}
        (drawn, hidden) => note(&format!("{drawn} of {} messages are drawn; --rows N draws more", drawn + hidden)),
    }
    let style = match &arguments.out {
        Some(_) => Style::default(),
        None => Style { colour: screen::colour(), width: screen::width(), verbose: false },
    };
    let drawn = match arguments.form {
        Form::Mermaid => drawing.mermaid(),
        Form::Svg => drawing.svg(),
        Form::Text => {
            let lines = drawing.lines(style.columns());
            lines.iter().map(|line| style.paint(line.tone, &line.text) + "\n").collect()
        }
    };
    match &arguments.out {
        None => screen::show(&drawn)?,
        Some(path) => std::fs::write(path, drawn).map_err(|e| format!("cannot write {}: {e}", path.display()))?,
    }
    Ok(0)
}
