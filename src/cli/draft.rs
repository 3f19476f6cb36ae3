//! `draft`: a scenario file from a capture.

use super::screen;
use crate::draft::{self, Wish};
use crate::judge;
use crate::run::recorded;
use clap::Args;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// `mcp-interop draft`
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A run record, as `--trace DIR` writes them
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
}

pub(super) fn run(arguments: &Arguments) -> Result<u8, String> {
    let (trace, notes) = recorded::read(&arguments.from)?;
    for words in notes {
        screen::note(&format!("note: {words}"));
    }
    let judgement = judge::judge(&trace);
    let name = arguments.from.file_name().map(|name| name.to_string_lossy().into_owned());
    let wish = Wish { title: arguments.title.clone(), session: arguments.session, from: name.unwrap_or_default() };
    let draft =
        draft::draft(&trace, &judgement, &wish).map_err(|why| format!("{}: {why}", arguments.from.display()))?;
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
