//! Scenario folders on disk.

use crate::scenario::files::{self, Loaded};
use std::path::{Path, PathBuf};

/// A folder, or a file in it, that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the scenarios in {}: {why}", path.display())]
pub struct Unreadable {
    /// The path.
    pub path: PathBuf,
    /// Why.
    pub why: String,
}

/// How deep folders may lie in each other.
const DEEPEST: usize = 8;
/// A larger file is no scenario.
const LARGEST: u64 = 1 << 20;

/// Reads a folder of scenarios (or one file), subfolders included.
///
/// # Errors
/// When it is not there, cannot be read, or holds no scenario file.
pub fn load(path: &Path) -> Result<Loaded, Unreadable> {
    let unreadable = |path: &Path, why: String| Unreadable { path: path.to_owned(), why };
    let mut found = Vec::new();
    if path.is_file() {
        let name = path.file_name().map_or_else(|| "scenario.yaml".into(), |n| n.to_string_lossy().into_owned());
        let area = path.parent().and_then(Path::file_name).map(|n| n.to_string_lossy().into_owned());
        let name = area.map_or_else(|| name.clone(), |area| format!("{area}/{name}"));
        found.push((name, read(path).map_err(|e| unreadable(path, e))?));
    } else {
        walk(path, "", 0, &mut found).map_err(|(at, why)| unreadable(&at, why))?;
    }
    if found.is_empty() {
        return Err(unreadable(path, "there is no .yaml file in it".into()));
    }
    Ok(files::load(found))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let size = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
    if size > LARGEST {
        return Err(format!("the file has {size} bytes; a scenario has at most {LARGEST}"));
    }
    std::fs::read(path).map_err(|e| e.to_string())
}

fn walk(
    folder: &Path,
    prefix: &str,
    depth: usize,
    found: &mut Vec<(String, Vec<u8>)>,
) -> Result<(), (PathBuf, String)> {
    let wrong = |e: std::io::Error| (folder.to_owned(), e.to_string());
    if depth > DEEPEST {
        return Err((folder.to_owned(), format!("folders lie more than {DEEPEST} deep in each other")));
    }
    let mut entries = std::fs::read_dir(folder).map_err(wrong)?.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            walk(&path, &format!("{prefix}{name}/"), depth + 1, found)?;
        } else if name.ends_with(".yaml") || name.ends_with(".yml") {
            let bytes = read(&path).map_err(|why| (path.clone(), why))?;
            found.push((format!("{prefix}{name}"), bytes));
        }
    }
    Ok(())
}
