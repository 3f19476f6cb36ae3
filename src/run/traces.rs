//! The records of a run on disk: one file a play.

use super::Played;
use crate::judge::Verdict;
use crate::trace::{Body, record};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What becomes of the record of a play when it was judged: it is written, and what no report shows is let go, so that a run of
/// many plays needs no more memory than one of few.
#[derive(Debug, Default)]
pub struct Keeper {
    folder: Option<PathBuf>,
    taken: BTreeSet<String>,
    whole: bool,
    wrong: Option<String>,
}

impl Keeper {
    /// Writes every record into the folder, if there is one, and keeps what a report shows.
    #[must_use]
    pub fn for_report(folder: Option<PathBuf>) -> Keeper {
        Keeper { folder, ..Keeper::default() }
    }

    /// Keeps all, and writes nothing.
    #[must_use]
    pub fn of_all() -> Keeper {
        Keeper { whole: true, ..Keeper::default() }
    }

    /// A play that was judged.
    pub fn judged(&mut self, played: &mut Played) {
        if let (Some(folder), None) = (&self.folder, &self.wrong) {
            self.wrong = write_one(folder, played, &mut self.taken).err();
        }
        if self.whole {
            return;
        }
        let judgement = &mut played.judgement;
        // which messages showed it is for tests
        judgement.cleared = Vec::new();
        if matches!(judgement.verdict, Verdict::Pass | Verdict::NotExercised) && judgement.findings.is_empty() {
            let last = played.trace.events.last().map(|e| e.seq);
            played.trace.events.retain(|e| matches!(e.body, Body::End { .. }) || Some(e.seq) == last);
            played.trace.events.shrink_to_fit();
            if let Some(script) = &mut played.trace.header.scenario {
                script.text = String::new();
            }
        }
    }

    /// What could not be written, in one sentence.
    #[must_use]
    pub fn unwritten(self) -> Option<String> {
        self.wrong
    }
}

/// Writes the record of every one of these plays into a folder, which is made if it is not there.
///
/// # Errors
/// What could not be written, in one sentence.
pub fn write<'a>(folder: &Path, plays: impl IntoIterator<Item = &'a Played>) -> Result<(), String> {
    let mut taken = BTreeSet::new();
    plays.into_iter().try_for_each(|played| write_one(folder, played, &mut taken))
}

fn write_one(folder: &Path, played: &Played, taken: &mut BTreeSet<String>) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|e| format!("cannot make the folder {}: {e}", folder.display()))?;
    let path = folder.join(format!("{}.ndjson", free(&slug(&played.name()), taken)));
    std::fs::write(&path, record::write(&played.trace))
        .map_err(|e| format!("cannot write the record {}: {e}", path.display()))
}

/// The names of the files of these plays.
pub fn names<'a>(plays: impl IntoIterator<Item = &'a Played>) -> Vec<String> {
    let mut taken = BTreeSet::new();
    plays.into_iter().map(|played| format!("{}.ndjson", free(&slug(&played.name()), &mut taken))).collect()
}

/// The name, with a number where it is taken already. Some file systems do not tell capitals from small letters.
fn free(name: &str, taken: &mut BTreeSet<String>) -> String {
    let numbered = (2_u32..).map(|n| format!("{name}_{n}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    names.find(|name| taken.insert(name.to_lowercase())).unwrap_or_else(|| name.to_owned())
}

/// A name that every file system takes.
#[must_use]
pub fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.' => slug.push(c),
            _ if slug.ends_with('_') => {}
            _ => slug.push('_'),
        }
    }
    slug.trim_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_record_takes_the_place_of_another() {
        let mut taken = BTreeSet::new();
        let names = ["a_b", "A_b", "a_b", "a_b_2", "c"].map(|name| free(name, &mut taken));
        assert_eq!(names, ["a_b", "A_b_2", "a_b_3", "a_b_2_2", "c"]);
    }

    #[test]
    fn a_name_becomes_a_file_name() {
        assert_eq!(slug("tasks/unknown-ids#get (stdio) [0,1]"), "tasks_unknown-ids_get_stdio_0_1");
    }
}
