//! Command lines: split into words as a shell splits them, but by no shell.

/// Why a command line cannot be split.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// There is no word in it.
    #[error("the command is empty")]
    Empty,
    /// A quote is opened and never closed.
    #[error("the quote {quote} is opened and not closed")]
    Open {
        /// The quote.
        quote: char,
    },
    /// It ends in a backslash.
    #[error("a backslash at the end stands before nothing")]
    Backslash,
    /// It needs a shell.
    #[error("`{word}` is something for a shell, and commands are started without one; write sh -c '..' around it")]
    Shell {
        /// The word that only a shell understands.
        word: String,
    },
    /// It holds a NUL.
    #[error("a command cannot hold a NUL")]
    Nul,
}

/// Words that mean nothing but an operator of a shell.
const OPERATORS: [&str; 12] = ["|", "||", "&", "&&", ";", ">", ">>", "<", "<<", "2>", "2>&1", "|&"];

/// Splits at blanks. `'..'` keeps all as it is; `".."` keeps all but a backslash before `"` and `\`; elsewhere a backslash keeps
/// the next character. Nothing else is special: no variables, no globs, no `~`.
///
/// # Errors
/// When a quote or a backslash is open, when there is no word, and at a bare operator such as `|`.
pub fn split(line: &str) -> Result<Vec<String>, SplitError> {
    if line.contains('\0') {
        return Err(SplitError::Nul);
    }
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut bare = true;
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match c {
            c if c.is_whitespace() => {
                end(&mut words, word.take(), bare)?;
                bare = true;
            }
            '\'' => {
                bare = false;
                let word = word.get_or_insert_default();
                loop {
                    match rest.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err(SplitError::Open { quote: '\'' }),
                    }
                }
            }
            '"' => {
                bare = false;
                let word = word.get_or_insert_default();
                loop {
                    match rest.next() {
                        Some('"') => break,
                        Some('\\') => match rest.next() {
                            Some(c @ ('"' | '\\')) => word.push(c),
                            Some(c) => word.extend(['\\', c]),
                            None => return Err(SplitError::Open { quote: '"' }),
                        },
                        Some(c) => word.push(c),
                        None => return Err(SplitError::Open { quote: '"' }),
                    }
                }
            }
            '\\' => {
                bare = false;
                word.get_or_insert_default().push(rest.next().ok_or(SplitError::Backslash)?);
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    end(&mut words, word, bare)?;
    if words.is_empty() { Err(SplitError::Empty) } else { Ok(words) }
}

fn end(words: &mut Vec<String>, word: Option<String>, bare: bool) -> Result<(), SplitError> {
    let Some(word) = word else { return Ok(()) };
    if bare && OPERATORS.contains(&word.as_str()) {
        return Err(SplitError::Shell { word });
    }
    words.push(word);
    Ok(())
}

/// Words as one line that [`split`] splits into the same words, and a shell too.
#[must_use]
pub fn join<S: AsRef<str>>(words: &[S]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,{}".contains(c);
    let quoted = words.iter().map(AsRef::as_ref).map(|word| {
        if !word.is_empty() && word.chars().all(plain) {
            word.to_owned()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        let cases: [(&str, &[&str]); 8] = [
            ("node server.js", &["node", "server.js"]),
            ("  a \t b\n", &["a", "b"]),
            (r#"sh -c 'echo "$HOME" | cat'"#, &["sh", "-c", r#"echo "$HOME" | cat"#]),
            (r#""/My Tools/x" --name="a \"b\" \n c""#, &["/My Tools/x", r#"--name=a "b" \n c"#]),
            (r"a\ b \| \\", &["a b", "|", r"\"]),
            ("a '' \"\"", &["a", "", ""]),
            ("'it'\\''s'", &["it's"]),
            ("x ';' a|b", &["x", ";", "a|b"]),
        ];
        for (line, words) in cases {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
    }

    #[test]
    fn what_cannot_be_split_is_said() {
        let said: Vec<String> = ["", "  ", "a 'b", "a \"b\\", "a \\", "a | b", "a && b", "a\0"]
            .map(|l| split(l).unwrap_err().to_string())
            .into();
        insta::assert_snapshot!(said.join("\n"), @r#"
        the command is empty
        the command is empty
        the quote ' is opened and not closed
        the quote " is opened and not closed
        a backslash at the end stands before nothing
        `|` is something for a shell, and commands are started without one; write sh -c '..' around it
        `&&` is something for a shell, and commands are started without one; write sh -c '..' around it
        a command cannot hold a NUL
        "#);
    }

    proptest! {
        #[test]
        fn what_is_joined_is_split_again(words in prop::collection::vec("[^\0]{0,8}", 1..5)) {
            prop_assert_eq!(split(&join(&words)).unwrap(), words);
        }
    }
}
