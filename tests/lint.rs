//! One folder for each lint rule: a file that breaks it, and what is said of it. `INSTA_UPDATE=always` writes what is said.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use libtest_mimic::{Arguments, Failed, Trial};
use mcp_interop::scenario::diagnostic::Level;
use mcp_interop::scenario::{files, lint};
use std::path::{Path, PathBuf};

/// The name under which a broken file is read, unless the rule is about the name.
const NAME: &str = "area/broken.yaml";

fn main() {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lint");
    let mut trials = Vec::new();
    for rule in lint::RULES {
        let folder = root.join(rule.name);
        trials.push(Trial::test(rule.name, move || breaks(rule.name, &folder)));
    }
    trials.push(Trial::test("every folder is a rule", move || no_other_folders(&root)));
    trials.push(Trial::test("every rule is documented", documented));
    trials.push(Trial::test("the example of the page is clean", example));
    trials.push(Trial::test("every code in the source is a rule", codes_are_rules));
    libtest_mimic::run(&arguments, trials).exit();
}

fn breaks(rule: &'static str, folder: &Path) -> Result<(), Failed> {
    let path = folder.join("broken.yaml");
    let bytes =
        std::fs::read(&path).map_err(|e| format!("{}: {e}: every rule needs a file that breaks it", path.display()))?;
    // what cannot be kept in a file is made here
    let bytes = match rule {
        "too-large" => [bytes, vec![b' '; mcp_interop::scenario::parse::MAX_BYTES]].concat(),
        _ => bytes,
    };
    let name = if rule == "file-name" { "Area/Broken file.yaml" } else { NAME };
    let loaded = files::load([(name, bytes)]);
    let said: String = loaded.diagnostics.iter().map(|d| d.render(false)).collect();
    let codes: Vec<&str> = loaded.diagnostics.iter().map(|d| d.code).collect();
    if !codes.contains(&rule) {
        return Err(format!("the file does not break `{rule}`, but {codes:?}:\n{said}").into());
    }
    // one cause, one diagnostic: nothing else is said of the file
    if let Some(other) = codes.iter().find(|c| **c != rule) {
        return Err(format!("the file breaks `{other}` too:\n{said}").into());
    }
    let warning = lint::RULES.iter().any(|r| r.name == rule && r.refuses.ends_with("(a warning)"));
    let level = if warning { Level::Warning } else { Level::Error };
    if loaded.diagnostics.iter().any(|d| d.level != level) {
        return Err(format!("`{rule}` is {level:?} by its description, and not here:\n{said}").into());
    }
    let expected = folder.join("expected.txt");
    if std::env::var("INSTA_UPDATE").is_ok_and(|v| v == "always") {
        std::fs::write(&expected, &said).map_err(|e| e.to_string())?;
    }
    let wanted =
        std::fs::read_to_string(&expected).map_err(|e| format!("{}: {e}; it was said:\n{said}", expected.display()))?;
    if wanted != said {
        return Err(format!("expected:\n{wanted}\nsaid:\n{said}").into());
    }
    Ok(())
}

fn no_other_folders(root: &PathBuf) -> Result<(), Failed> {
    for entry in std::fs::read_dir(root).map_err(|e| e.to_string())? {
        let name = entry.map_err(|e| e.to_string())?.file_name().into_string().unwrap_or_default();
        if !lint::RULES.iter().any(|r| r.name == name) {
            return Err(format!("tests/lint/{name} is no rule").into());
        }
    }
    Ok(())
}

fn documented() -> Result<(), Failed> {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/scenarios.md"))
        .map_err(|e| e.to_string())?;
    for rule in lint::RULES {
        let row = format!("| `{}` | {} |", rule.name, rule.refuses.replace('|', "\\|"));
        if !page.contains(&row) {
            return Err(format!("docs/scenarios.md lacks the row\n{row}").into());
        }
    }
    Ok(())
}

/// The worked example is a scenario without a fault, and `explain` says of it what the page says it says.
fn example() -> Result<(), Failed> {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/scenarios.md"))
        .map_err(|e| e.to_string())?;
    let block = |language: &str, begins: &str| {
        page.split("```")
            .find_map(|b| {
                b.strip_prefix(language).map(|b| b.trim_start_matches('\n')).filter(|b| b.starts_with(begins))
            })
            .ok_or(format!("no {language} that begins with {begins}"))
    };
    let loaded = files::load([("area/example.yaml", block("yaml", "title:")?.as_bytes().to_vec())]);
    if let Some(d) = loaded.diagnostics.first() {
        return Err(d.render(false).into());
    }
    use mcp_interop::{scenario::explain::table, spec::Revision, trace};
    let table = table(&loaded.scenarios[0], trace::Seat::Client, Revision::V2025_11_25, trace::Transport::Stdio);
    let shown = block("text", "4      loop")?;
    if !table.contains(shown) {
        return Err(format!("the page says\n{shown}\nand explain says\n{table}").into());
    }
    Ok(())
}

fn codes_are_rules() -> Result<(), Failed> {
    let mut files = Vec::new();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/scenario");
    for folder in [src.join("lint"), src.join("parse"), src] {
        for entry in std::fs::read_dir(folder).map_err(|e| e.to_string())? {
            files.push(entry.map_err(|e| e.to_string())?.path());
        }
    }
    let call =
        regex::Regex::new(r#"(?:\.error|\.error_help|\.warn|broken)\(\s*"([a-z0-9-]+)""#).map_err(|e| e.to_string())?;
    let mut used = std::collections::BTreeSet::new();
    for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "rs")) {
        let text = std::fs::read_to_string(file).map_err(|e| e.to_string())?;
        for found in call.captures_iter(&text) {
            used.insert(found[1].to_owned());
        }
    }
    for code in &used {
        if !lint::RULES.iter().any(|r| r.name == code) {
            return Err(format!("`{code}` is used and is no rule").into());
        }
    }
    for rule in lint::RULES {
        if !used.contains(rule.name) && rule.name != "file-name" {
            return Err(format!("`{}` is a rule that nothing reports", rule.name).into());
        }
    }
    Ok(())
}
