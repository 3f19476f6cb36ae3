//! The records of a run on disk: one file a play.

use super::Results;
use crate::trace::record;
use std::path::Path;

/// Writes the record of every play into a folder, which is made if it is not there.
///
/// # Errors
/// What could not be written, in one sentence.
pub fn write(folder: &Path, results: &Results) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|e| format!("cannot make the folder {}: {e}", folder.display()))?;
    for played in &results.played {
        let path = folder.join(format!("{}.ndjson", slug(&played.name())));
        std::fs::write(&path, record::write(&played.trace))
            .map_err(|e| format!("cannot write the record {}: {e}", path.display()))?;
    }
    Ok(())
}

/// A name that every file system takes.
fn slug(name: &str) -> String {
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
    fn a_name_becomes_a_file_name() {
        assert_eq!(slug("tasks/unknown-ids#get (stdio) [0,1]"), "tasks_unknown-ids_get_stdio_0_1");
    }
}
