//! What is another one in every run: ids, times, and where a server listens.

use regex::{Captures, Regex};
use std::sync::LazyLock;

/// With a name in place of each.
pub(super) fn masked(text: &str) -> String {
    static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        let rules = [
            (r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}", "ID"),
            (r"\b[0-9a-f]{32}\b", "ID"),
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?", "TIME"),
            (r"\b[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", "DATE"),
            (r"\b127\.0\.0\.1:\d+", "HOST"),
        ];
        rules.map(|(rule, name)| (Regex::new(rule).unwrap(), name)).into()
    });
    let mut text = text.to_owned();
    for (rule, name) in RULES.iter() {
        text = rule.replace_all(&text, *name).into_owned();
    }
    // how long something is depends on the times in it, whose fractions have as many digits as they need
    static LENGTH: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?i)(content-length): *\d+").unwrap());
    LENGTH.replace_all(&text, |found: &Captures<'_>| format!("{}: LENGTH", &found[1])).into_owned()
}
