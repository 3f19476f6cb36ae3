//! A scenario file's text, and places in it.

use std::sync::Arc;

/// A range of bytes in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// A file's name and text.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// The name that is shown, relative to the scenario folder, with `/`.
    pub name: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// Keeps a text.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Source> {
        Arc::new(Source { name: name.into(), text: text.into() })
    }

    /// Line and column of a byte, both from 1; columns count characters. Lines end at LF, CR LF or CR.
    #[must_use]
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        let mut line = 1;
        let mut start = 0;
        let mut i = 0;
        while i < before.len() {
            match before[i] {
                b'\n' => {
                    line += 1;
                    start = i + 1;
                }
                b'\r' if self.text.as_bytes().get(i + 1) != Some(&b'\n') => {
                    line += 1;
                    start = i + 1;
                }
                _ => {}
            }
            i += 1;
        }
        let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
        (line, column)
    }
}
