//! `draft`: a scenario file from a capture.

use super::draw::no_session;
use super::screen;
use super::selection::revision;
use crate::draft::{self, Wish};
use crate::judge;
use crate::run::recorded;
use crate::spec::Revision;
use clap::Args;
use std::cmp::Reverse;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// `mcp-interop draft`
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A run record (as --trace writes them), a capture of others (docs/captures.md), or - for standard input
    #[arg(long, value_name = "CAPTURE")]
    from: PathBuf,
    /// Write the scenario into this file, in place of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the file if there is one already
    #[arg(long, requires = "out")]
    force: bool,
    /// What the scenario shows, in one sentence
    #[arg(long)]
    title: Option<String>,
    /// Which session of the capture, from 1; without it, the one in which most was said
    #[arg(long, value_name = "N")]
    session: Option<usize>,
    /// The revision that is in force in a capture without a handshake
    #[arg(long, value_parser = revision)]
    revision: Option<Revision>,
}

pub(super) fn run(arguments: &Arguments) -> Result<u8, String> {
    let file = &arguments.from;
    let all = recorded::read(file, arguments.revision, &mut |what| screen::note(&format!("note: {what}")))?;
    let sessions = all.iter().map(|recorded| recorded.sessions).sum();
    let (at, session) = match arguments.session {
        Some(wanted) => {
            let (at, session) = recorded::find(&all, wanted).ok_or_else(|| no_session(file, sessions, wanted))?;
            (at, Some(session))
        }
        // the first of the longest
        None => {
            let most = all.iter().enumerate().max_by_key(|(i, one)| (one.trace.events.len(), Reverse(*i)));
            (most.map_or(0, |(at, _)| at), None)
        }
    };
    let Some(recorded) = all.get(at) else { return Err(no_session(file, sessions, 1)) };
    let before = all.iter().take(at).map(|recorded| recorded.sessions).sum();
    let judgement = judge::judge(&recorded.trace);
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let wish = Wish { title: arguments.title.clone(), session, before, sessions, from: name };
    let draft = draft::draft(&recorded.trace, &judgement, &wish).map_err(|why| format!("{}: {why}", file.display()))?;
    for words in &draft.notes {
        screen::note(&format!("note: {words}"));
    }
    for diagnostic in draft::check(&draft.text).1 {
        screen::note(&diagnostic.render(false));
    }
    match &arguments.out {
        None => screen::show(&draft.text)?,
        Some(path) => write(path, &draft.text, arguments.force)?,
    }
    Ok(0)
}

/// Writes the file; what somebody has worked on is not replaced unasked.
fn write(path: &Path, text: &str, replace: bool) -> Result<(), String> {
    let mut options = OpenOptions::new();
    options.write(true).truncate(true);
    let file = if replace { options.create(true).open(path) } else { options.create_new(true).open(path) };
    let mut file = file.map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => {
            format!("{} is there already; --force replaces it", path.display())
        }
        _ => format!("cannot write {}: {e}", path.display()),
    })?;
    file.write_all(text.as_bytes()).map_err(|e| format!("cannot write {}: {e}", path.display()))
}
