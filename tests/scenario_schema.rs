//! The JSON Schema that editors use: every scenario file is valid by it, and what breaks the form of a file is not.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use mcp_interop::scenario::{files, lint};
use serde_json::Value;
use std::path::Path;

fn schema() -> jsonschema::Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/scenario.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::meta::validate(&schema).expect("a schema of draft 2020-12");
    jsonschema::validator_for(&schema).unwrap()
}

/// As an editor reads it: by the core schema of YAML 1.2.
fn read(text: &str) -> Result<Value, String> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|e| e.to_string())
}

#[test]
fn every_file_is_valid() {
    let schema = schema();
    for (name, text) in files::embedded_files() {
        let value = read(text).unwrap();
        let wrong: Vec<String> = schema.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
    }
}

#[test]
fn what_breaks_the_form_is_invalid() {
    /// Rules on the form of a file; the others are about what it means.
    const OF_FORM: [&str; 13] = [
        "bad-bytes",
        "bad-wait",
        "empty-block",
        "missing-key",
        "one-branch",
        "result-and-error",
        "two-verbs",
        "unknown-key",
        "unknown-word",
        "written-twice",
        "wrong-type",
        "zero-wait",
        "empty-file",
    ];
    let schema = schema();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lint");
    for rule in lint::RULES {
        let Ok(text) = std::fs::read_to_string(root.join(rule.name).join("broken.yaml")) else { continue };
        // what is not YAML at all needs no schema
        let Ok(value) = read(&text) else { continue };
        let valid = schema.is_valid(&value);
        assert_eq!(!valid, OF_FORM.contains(&rule.name), "{}: valid is {valid}", rule.name);
    }
}
