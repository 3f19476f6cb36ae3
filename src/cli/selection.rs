//! Which scenarios: the options that several subcommands share.

use super::screen;
use crate::run::{agenda, folder};
use crate::scenario::Scenario;
use crate::scenario::diagnostic::closest;
use crate::scenario::files::{self, Loaded};
use crate::spec::{Era, Revision};
use crate::trace::{Seat, Transport};
use clap::Args;
use std::path::{Path, PathBuf};

/// The options that choose scenarios.
#[derive(Debug, Args)]
pub(super) struct Selection {
    /// Only scenarios with this id, of this file, or in this area: `tasks/unknown-ids#get`, `tasks/unknown-ids`, `tasks`
    #[arg(long = "scenario", value_name = "ID")]
    pub(super) scenarios: Vec<String>,
    /// A folder (or file) of scenarios of your own, in place of those that are built in
    #[arg(long = "scenarios", value_name = "PATH")]
    pub(super) folder: Option<PathBuf>,
}

/// Reads a revision.
pub(super) fn revision(text: &str) -> Result<Revision, String> {
    Revision::parse(text).ok_or_else(|| {
        let known: Vec<&str> = Revision::ALL.iter().map(|r| r.as_str()).collect();
        match closest(text, known.iter().copied()) {
            Some(near) => format!("there is no such revision; did you mean {near}?"),
            None => format!("there is no such revision; there are {}", known.join(", ")),
        }
    })
}

/// Refuses a revision that is not played yet.
///
/// # Errors
/// Says which are.
pub(super) fn playable(revision: Revision) -> Result<(), String> {
    if revision.era() == Era::Legacy {
        return Ok(());
    }
    let played: Vec<&str> = Revision::ALL.iter().filter(|r| r.era() == Era::Legacy).map(|r| r.as_str()).collect();
    Err(format!("{revision} cannot be played yet; choose one of {}", played.join(", ")))
}

impl Selection {
    /// The words that choose what else was chosen, to play a scenario again.
    pub(super) fn words(&self, revision: Revision, config: Option<&Path>) -> Vec<String> {
        let mut words = Vec::new();
        if revision != Revision::DEFAULT {
            words.extend(["--revision".to_owned(), revision.to_string()]);
        }
        for (option, path) in [("--config", config), ("--scenarios", self.folder.as_deref())] {
            if let Some(path) = path {
                words.extend([option.to_owned(), path.display().to_string()]);
            }
        }
        words
    }

    /// The scenarios that are chosen. Warnings go to standard error.
    ///
    /// # Errors
    /// When a file is wrong (the diagnostics are in the text), or nothing fits.
    pub(super) fn load(&self) -> Result<Vec<Scenario>, String> {
        let loaded = self.files()?;
        if loaded.broken() {
            let all: Vec<String> = loaded.diagnostics.iter().map(|d| d.render(false)).collect();
            return Err(format!("the scenarios cannot be read\n\n{}", all.join("\n")));
        }
        for warning in &loaded.diagnostics {
            screen::note(warning.render(false).trim_end());
        }
        self.pick(loaded.scenarios)
    }

    /// Says which of several that were asked for are not played at all, and why. One that was asked for alone stands in the report.
    pub(super) fn note_ruled_out(&self, all: &[Scenario], seat: Seat, revision: Revision, transports: &[Transport]) {
        for wanted in self.scenarios.iter().filter(|_| self.scenarios.len() > 1) {
            let meant = all.iter().filter(|s| fits(wanted, &s.id));
            let why: Option<Vec<String>> = meant.map(|s| agenda::ruled_out(s, seat, revision, transports)).collect();
            if let Some(why) = why.as_deref().and_then(<[String]>::first) {
                screen::note(&format!("note: nothing of `{wanted}` is played: {why}"));
            }
        }
    }

    /// Is it less (or something else) than all that is built in?
    pub(super) fn part(&self) -> bool {
        !self.scenarios.is_empty() || self.folder.is_some()
    }

    /// All files, with whatever is wrong in them.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(super) fn files(&self) -> Result<Loaded, String> {
        match &self.folder {
            Some(path) => folder::load(path).map_err(|e| e.to_string()),
            None => Ok(files::embedded()),
        }
    }

    fn pick(&self, all: Vec<Scenario>) -> Result<Vec<Scenario>, String> {
        for wanted in &self.scenarios {
            if !all.iter().any(|s| fits(wanted, &s.id)) {
                let ids = all.iter().flat_map(|s| names(&s.id));
                let near = closest(wanted, ids).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                return Err(format!("there is no scenario `{wanted}`{near} (`mcp-interop list` shows them all)"));
            }
        }
        let chosen =
            all.into_iter().filter(|s| self.scenarios.is_empty() || self.scenarios.iter().any(|w| fits(w, &s.id)));
        Ok(chosen.collect())
    }
}

/// What chooses a scenario: its id, its file, its area.
fn names(id: &str) -> [&str; 3] {
    let file = id.split('#').next().unwrap_or_default();
    [id, file, file.split('/').next().unwrap_or_default()]
}

/// Does an id, a file or an area name a scenario?
fn fits(wanted: &str, id: &str) -> bool {
    let rest = id.strip_prefix(wanted.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('#') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_a_file_or_an_id_names_a_scenario() {
        for wanted in ["tasks", "tasks/", "tasks/unknown-ids", "tasks/unknown-ids#get"] {
            assert!(fits(wanted, "tasks/unknown-ids#get"), "{wanted}");
        }
        for wanted in ["task", "tasks/unknown", "tasks/unknown-ids#g", "unknown-ids", ""] {
            assert!(!fits(wanted, "tasks/unknown-ids#get"), "{wanted}");
        }
    }
}
