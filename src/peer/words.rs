//! Command lines: split into words as a shell does, without a shell.

/// A command line that has no words or an open quote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the command `{command}` {why}")]
pub struct WordsError {
    /// The command line.
    pub command: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Splits a command line at white space. `'..'` keeps everything, `".."` everything but `\"` and `\\`, and outside of quotes
/// a backslash keeps the next character. Nothing is expanded.
///
/// # Errors
/// When there is no word, or a quote or a backslash is left open.
pub fn words(command: &str) -> Result<Vec<String>, WordsError> {
    let error = |why| Err(WordsError { command: command.to_owned(), why });
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = command.chars();
    while let Some(c) = rest.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return error("has a ' that is not closed"),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next() {
                        Some('"') => break,
                        Some('\\') => match rest.next() {
                            Some(c @ ('"' | '\\')) => word.push(c),
                            Some(c) => word.extend(['\\', c]),
                            None => return error("has a \" that is not closed"),
                        },
                        Some(c) => word.push(c),
                        None => return error("has a \" that is not closed"),
                    }
                }
            }
            '\\' => match rest.next() {
                Some(c) => word.get_or_insert_default().push(c),
                None => return error("ends with a backslash"),
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if words.is_empty() { error("is empty; write a program and its arguments") } else { Ok(words) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_split_as_a_shell_does() {
        let cases: [(&str, &[&str]); 6] = [
            ("node server.js", &["node", "server.js"]),
            ("  a\t'b c'd \"e \\\" \\n f\" ", &["a", "b cd", "e \" \\n f"]),
            (r"a\ b \\ ''", &["a b", "\\", ""]),
            ("$HOME *.js a;b", &["$HOME", "*.js", "a;b"]),
            ("'it'\\''s'", &["it's"]),
            ("x{port}", &["x{port}"]),
        ];
        for (command, expected) in cases {
            assert_eq!(words(command).unwrap(), expected, "{command}");
        }
        for command in ["", "  ", "'a", "\"a", "a\\", "\"\\"] {
            assert!(words(command).is_err(), "{command}");
        }
    }

    proptest! {
        #[test]
        fn quoted_words_come_back(expected in prop::collection::vec("[ -~\u{e4}\n]{0,8}", 1..5)) {
            let quoted: Vec<String> = expected.iter().map(|w| format!("'{}'", w.replace('\'', "'\\''"))).collect();
            prop_assert_eq!(words(&quoted.join(" ")).unwrap(), expected);
        }
    }
}
