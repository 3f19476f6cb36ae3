//! `lint`: checks scenario files.

use super::screen;
use super::selection::Selection;
use crate::report::text::count;
use crate::run::folder;
use crate::scenario::diagnostic::Level;
use crate::scenario::files::{self, Loaded};
use clap::Args;
use std::path::PathBuf;

/// `mcp-interop lint`
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folders or files; without any, the scenarios that are built in
    paths: Vec<PathBuf>,
    /// Warnings are errors
    #[arg(long)]
    strict: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<u8, String> {
    let mut all: Vec<Loaded> = Vec::new();
    for path in &arguments.paths {
        all.push(folder::load(path).map_err(|e| e.to_string())?);
    }
    if arguments.paths.is_empty() {
        all.push(Selection { scenarios: Vec::new(), folder: None }.files().unwrap_or_else(|_| files::embedded()));
    }
    let colour = screen::colour();
    let (mut errors, mut warnings, mut read, mut scenarios) = (0, 0, 0, 0);
    for loaded in &all {
        read += loaded.files;
        scenarios += loaded.scenarios.len();
        for diagnostic in &loaded.diagnostics {
            match diagnostic.level {
                Level::Error => errors += 1,
                Level::Warning => warnings += 1,
            }
            screen::line(&diagnostic.render(colour))?;
        }
    }
    let counts = [(read, "file"), (scenarios, "scenario"), (errors, "error"), (warnings, "warning")];
    screen::line(&counts.map(|(n, noun)| count(n, noun)).join(", "))?;
    Ok(if errors > 0 || (arguments.strict && warnings > 0) { super::USAGE } else { 0 })
}
