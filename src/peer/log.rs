//! What a program writes for people to read: kept within bounds, and told as it comes while it is little.

use std::collections::VecDeque;

/// How many bytes are kept, and how many are told as they come.
pub const KEPT: usize = 64 << 10;

/// The end of what a program wrote. What is shown of it is text; control characters stay as they are.
#[derive(Debug, Default)]
pub struct Log {
    tail: VecDeque<u8>,
    /// How many bytes came in all.
    total: u64,
    /// How many of them were told, or belong to another listener.
    told: u64,
    /// How many may still be told as they come.
    budget: usize,
}

impl Log {
    /// Takes what was written.
    pub fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let bytes = bytes.get(bytes.len().saturating_sub(KEPT)..).unwrap_or_default();
        let spare = (self.tail.len() + bytes.len()).saturating_sub(KEPT);
        self.tail.drain(..spare);
        self.tail.extend(bytes);
    }

    /// Somebody listens from now on.
    pub fn listen(&mut self) {
        self.told = self.total;
        self.budget = KEPT;
    }

    /// The whole lines that were not told yet, while the listener has not been told too much.
    pub fn lines(&mut self) -> Option<String> {
        let untold = self.untold();
        if untold > self.budget {
            // too much: what is still to come is told at the end
            self.budget = 0;
        }
        if untold == 0 || self.budget == 0 {
            return None;
        }
        let fresh = self.tail.range(self.tail.len() - untold..);
        let end = fresh.clone().rposition(|b| *b == b'\n')? + 1;
        let bytes: Vec<u8> = fresh.copied().take(end).collect();
        self.budget -= bytes.len();
        self.told += bytes.len() as u64;
        Some(text(&bytes))
    }

    /// What was not told yet, its beginning left out if it is too much.
    pub fn rest(&mut self) -> Option<String> {
        let untold = self.untold();
        if untold == 0 {
            return None;
        }
        let bytes: Vec<u8> = self.tail.iter().copied().skip(self.tail.len() - untold).collect();
        let lost = self.total - self.told - untold as u64;
        self.told = self.total;
        Some(if lost > 0 { format!("[{lost} bytes left out]\n{}", text(&bytes)) } else { text(&bytes) })
    }

    /// All that is kept.
    #[must_use]
    pub fn tail(&self) -> String {
        text(&self.tail.iter().copied().collect::<Vec<_>>())
    }

    /// How many bytes of what is kept were not told.
    fn untold(&self) -> usize {
        usize::try_from(self.total - self.told).unwrap_or(usize::MAX).min(self.tail.len())
    }
}

fn text(bytes: &[u8]) -> String {
    // a character that was cut in two at the front is no character
    let cut = bytes.iter().take(3).take_while(|b| (0x80..0xc0).contains(*b)).count();
    String::from_utf8_lossy(bytes.get(cut..).unwrap_or_default()).into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_as_they_come() {
        let mut log = Log::default();
        log.push(b"before\n");
        log.listen();
        assert_eq!(log.lines(), None);
        log.push("one\ntw\u{1b}[31".as_bytes());
        assert_eq!(log.lines().as_deref(), Some("one\n"));
        log.push(b"m o\n\xff");
        assert_eq!(log.lines().as_deref(), Some("tw\u{1b}[31m o\n"));
        assert_eq!(log.lines(), None);
        assert_eq!(log.rest().as_deref(), Some("\u{fffd}"));
        assert_eq!(log.rest(), None);
        assert_eq!(log.tail(), "before\none\ntw\u{1b}[31m o\n\u{fffd}");
    }

    #[test]
    fn of_a_flood_the_beginning_and_the_end_are_told() {
        let mut log = Log::default();
        log.listen();
        let mut told = String::new();
        for i in 0..100_000 {
            log.push(format!("line {i}\n").as_bytes());
            told.extend(log.lines());
        }
        let rest = log.rest().unwrap();
        assert!(told.starts_with("line 0\nline 1\n") && told.len() <= KEPT, "{}", told.len());
        assert!(rest.starts_with('[') && rest.ends_with("line 99999\n") && rest.len() < KEPT + 100);
        assert_eq!(log.tail().len(), KEPT);
        log.push(&vec![b'x'; 3 * KEPT]);
        assert_eq!(log.tail(), "x".repeat(KEPT));
    }
}
