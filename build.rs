//! Writes the tables of the files that the program brings with it: the scenarios and the faults, by name and text.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for (folder, table) in [("scenarios", "scenarios.rs"), ("fixtures/faults", "faults.rs")] {
        println!("cargo::rerun-if-changed={folder}");
        let mut names = Vec::new();
        walk(&root.join(folder), "", &mut names)?;
        names.sort();
        let mut text = String::from("&[\n");
        for name in names {
            let path = root.join(folder).join(&name);
            writeln!(text, "    ({name:?}, include_str!({path:?})),")?;
        }
        text.push_str("]\n");
        fs::write(out.join(table), text)?;
    }
    Ok(())
}

/// The YAML files below a folder, by their names with `/`.
fn walk(folder: &Path, prefix: &str, names: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), &format!("{name}/"), names)?;
        } else if name.ends_with(".yaml") {
            names.push(name);
        }
    }
    Ok(())
}
