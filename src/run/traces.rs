//! The records of a run on disk: one file a play.

use super::Played;
use crate::trace::record;
use std::collections::BTreeSet;
use std::path::Path;

/// Writes the record of every one of these plays into a folder, which is made if it is not there.
///
/// # Errors
/// What could not be written, in one sentence.
pub fn write<'a>(folder: &Path, plays: impl IntoIterator<Item = &'a Played>) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|e| format!("cannot make the folder {}: {e}", folder.display()))?;
    let plays: Vec<&Played> = plays.into_iter().collect();
    for (played, name) in plays.iter().zip(names(plays.iter().copied())) {
        let path = folder.join(name);
        std::fs::write(&path, record::write(&played.trace))
            .map_err(|e| format!("cannot write the record {}: {e}", path.display()))?;
    }
    Ok(())
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
