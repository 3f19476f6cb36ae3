//! Derives `schemas/` from the published schemas and from the requirement material.
//!
//! `derive-schemas SPEC_DIR REQUIREMENTS_DIR OUT_DIR` reads `SPEC_DIR/<revision>/schema.json` and
//! `SPEC_DIR/extension-tasks/schema.json`, keeps their structure, corrects what the generator of the published files got
//! wrong, and writes the result with the list of corrections. From `REQUIREMENTS_DIR/*.yaml` it writes the requirement
//! catalogues with their effective levels, and from
//! `REQUIREMENTS_DIR/decisions.md` the decisions on ambiguity that they rest on. It runs when a revision is published, not when the harness is built.

mod ambiguities;
mod corrections;
mod decisions;
mod requirements;
mod structure;

use serde_json::Value;
use std::path::Path;
use std::process::ExitCode;

/// The published revisions, oldest first.
const REVISIONS: [&str; 5] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"];
/// The extension that has a schema and requirements of its own.
const TASKS: &str = "extension-tasks";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [spec, requirements, out] = arguments.as_slice() else {
        eprintln!("usage: derive-schemas SPEC_DIR REQUIREMENTS_DIR OUT_DIR");
        return ExitCode::from(2);
    };
    match derive(Path::new(spec), Path::new(requirements), Path::new(out)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("derive-schemas: {e}");
            ExitCode::FAILURE
        }
    }
}

fn derive(spec: &Path, material: &Path, out: &Path) -> Result<(), String> {
    for name in REVISIONS.into_iter().chain([TASKS]) {
        let path = spec.join(name).join("schema.json");
        let published: Value = serde_json::from_str(&read(&path)?).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut schema = structure::keep(&published).map_err(|e| format!("{}: {e}", path.display()))?;
        corrections::apply(name, &mut schema)?;
        write(&out.join(name).join("schema.json"), &structure::print(&schema)?)?;
    }
    write(&out.join("CORRECTIONS.md"), &corrections::page())?;
    let catalogues = requirements::derive(|name| read(&material.join(name)))?;
    let decisions = ambiguities::read(&read(&material.join("decisions.md"))?)?;
    requirements::name_known_decisions(&decisions)?;
    write(&out.join("decisions.yaml"), &ambiguities::print(&decisions)?)?;
    for (name, text) in catalogues {
        write(&out.join(name).join("requirements.yaml"), &text)?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}
