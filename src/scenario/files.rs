//! Scenario folders: from names and bytes to scenarios. Who reads the disk is not the business of this module.

use super::diagnostic::{Diagnostic, Level};
use super::model::Scenario;
use super::source::{Source, Span};
use super::{lint, parse};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a folder gave.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The scenarios of all files without an error, in the order of the files' names and of the rows in each.
    pub scenarios: Vec<Scenario>,
    /// What is wrong, errors and warnings, file by file.
    pub diagnostics: Vec<Diagnostic>,
    /// The files that were read, by name.
    pub files: usize,
}

impl Loaded {
    /// Is there an error?
    #[must_use]
    pub fn broken(&self) -> bool {
        self.diagnostics.iter().any(|d| d.level == Level::Error)
    }
}

/// Reads and lints files; a name is relative to the scenario folder, with `/`: `tasks/unknown-ids.yaml`. Files that do not
/// end in `.yaml` or `.yml` are left alone.
#[must_use]
pub fn load<N: Into<String>>(files: impl IntoIterator<Item = (N, Vec<u8>)>) -> Loaded {
    let mut sorted: Vec<(String, Vec<u8>)> = files.into_iter().map(|(n, b)| (n.into().replace('\\', "/"), b)).collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    let mut loaded = Loaded::default();
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    for (name, bytes) in sorted {
        if !(name.ends_with(".yaml") || name.ends_with(".yml")) {
            continue;
        }
        loaded.files += 1;
        let source = match decode(&name, &bytes) {
            Ok(source) => source,
            Err(diagnostic) => {
                loaded.diagnostics.push(diagnostic);
                continue;
            }
        };
        let (scenarios, mut found) = parse::read(&source);
        found.extend(lint::check(&scenarios));
        if let Some(scenario) = scenarios.first() {
            let stem = scenario.id.split('#').next().unwrap_or_default().to_owned();
            if let Some(other) = ids.insert(stem.clone(), name.clone()) {
                found.push(Diagnostic {
                    level: Level::Error,
                    code: "file-name",
                    message: format!("`{other}` has the id `{stem}` too"),
                    span: Span::default(),
                    help: Some("rename one of the two".into()),
                    source: Arc::clone(&source),
                });
            }
        }
        let good = !found.iter().any(|d| d.level == Level::Error);
        loaded.diagnostics.extend(found);
        if good {
            loaded.scenarios.extend(scenarios);
        }
    }
    loaded
}

/// The text of a file: UTF-8, without a byte order mark, and called `<area>/<name>.yaml`.
fn decode(name: &str, bytes: &[u8]) -> Result<Arc<Source>, Diagnostic> {
    let broken = |code, message: String, help: &str, source: Arc<Source>, at: usize| Diagnostic {
        level: Level::Error,
        code,
        message,
        span: Span { start: at, end: at },
        help: Some(help.to_owned()),
        source,
    };
    if bytes.len() > parse::MAX_BYTES {
        let message = format!("the file has {} bytes; at most {} are read", bytes.len(), parse::MAX_BYTES);
        return Err(broken("too-large", message, "make two files of it", Source::new(name, ""), 0));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) => {
            let good = bytes.get(..e.valid_up_to()).unwrap_or_default();
            let shown = String::from_utf8_lossy(bytes).into_owned();
            let message = format!("byte {} is not UTF-8", good.len());
            return Err(broken("not-utf-8", message, "save the file as UTF-8", Source::new(name, shown), good.len()));
        }
    };
    let source = Source::new(name, text);
    let stem = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml")).unwrap_or(name);
    let word = |w: &str| {
        w.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && w.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    if !stem.split('/').all(word) || stem.matches('/').count() > 1 {
        let message = format!("`{name}` cannot be the name of a scenario file");
        return Err(broken("file-name", message, "use `<area>/<name>.yaml` in lower case, digits and `-`", source, 0));
    }
    Ok(source)
}

/// The repository's scenario files, by name and text, in the order of their names.
const EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/scenarios.rs"));

/// The scenarios that the program brings with it.
#[must_use]
pub fn embedded() -> Loaded {
    load(EMBEDDED.iter().map(|(n, t)| (*n, t.as_bytes().to_vec())))
}

/// The names and texts of the files that the program brings with it.
#[must_use]
pub fn embedded_files() -> &'static [(&'static str, &'static str)] {
    EMBEDDED
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;
    use std::path::Path;

    fn folder(dir: &Path, prefix: &str, into: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                folder(&entry.path(), &format!("{name}/"), into);
            } else {
                into.push(name);
            }
        }
    }

    #[test]
    fn the_table_is_the_folder() {
        let mut names = Vec::new();
        folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios"), "", &mut names);
        names.sort();
        let table: Vec<&str> = EMBEDDED.iter().map(|(n, _)| *n).collect();
        assert_eq!(names, table);
    }

    #[test]
    fn every_embedded_file_is_clean() {
        let loaded = embedded();
        let all: String = loaded.diagnostics.iter().map(|d| d.render(false)).collect();
        assert!(all.is_empty(), "{all}");
        assert_eq!(loaded.files, EMBEDDED.len());
        let ids: std::collections::BTreeSet<&str> = loaded.scenarios.iter().map(|s| s.id.as_str()).collect();
        assert_eq!(ids.len(), loaded.scenarios.len(), "ids are unique");
        assert!(ids.contains("http/refusals#a-strangers-id"), "{ids:?}");
        assert!(ids.contains("pagination/every-page#tools-list"), "{ids:?}");
    }

    #[test]
    fn what_cannot_be_a_file_is_said() {
        let cases: [(&str, &[u8], &str); 4] = [
            ("a/b.yaml", b"title: \xff", "not-utf-8"),
            ("A b.yaml", b"title: x", "file-name"),
            ("a/b/c.yaml", b"title: x", "file-name"),
            ("../a.yaml", b"title: x", "file-name"),
        ];
        for (name, bytes, code) in cases {
            let loaded = load([(name, bytes.to_vec())]);
            assert_eq!(loaded.diagnostics.first().map(|d| d.code), Some(code), "{name}");
        }
        assert_eq!(load([("a.yaml", vec![b' '; parse::MAX_BYTES + 1])]).diagnostics[0].code, "too-large");
        assert_eq!(load([("README.md", vec![])]).files, 0);
    }

    #[test]
    fn two_files_cannot_have_one_id() {
        let text = EMBEDDED[0].1.as_bytes().to_vec();
        let loaded = load([("a/b.yaml", text.clone()), ("a/b.yml", text)]);
        assert_eq!(loaded.diagnostics.iter().filter(|d| d.code == "file-name").count(), 1);
    }

    #[test]
    fn a_byte_order_mark_and_carriage_returns_change_nothing() {
        let text = EMBEDDED[0].1;
        let marked = format!("\u{feff}{}", text.replace('\n', "\r\n"));
        let (a, b) = (load([("a/b.yaml", text.as_bytes().to_vec())]), load([("a/b.yaml", marked.into_bytes())]));
        assert!(!a.broken() && !b.broken());
        let strip = |l: &Loaded| {
            let spans = regex::Regex::new(r"Span \{ start: \d+, end: \d+ \}").unwrap();
            let all: Vec<_> =
                l.scenarios.iter().map(|s| Scenario { source: Source::new("", ""), ..s.clone() }).collect();
            spans.replace_all(&format!("{all:?}"), "").into_owned()
        };
        assert_eq!(strip(&a), strip(&b));
    }
}
