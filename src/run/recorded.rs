//! Records that are read back from a file, as far as they may be looked at as a whole.

use crate::trace::{Trace, record};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

/// What is read of one record at most: bytes, and events. What is drawn or drafted has to be held as a whole.
const MOST_BYTES: u64 = 64 << 20;
const MOST_EVENTS: usize = 100_000;

/// Reads a run record. What there is to say of it (that it breaks off, or that it is longer than is read) comes with it, each
/// in one sentence without a full stop.
///
/// # Errors
/// When it cannot be read or is no record, in one sentence.
pub fn read(path: &Path) -> Result<(Trace, Vec<String>), String> {
    let shown = path.display();
    let file = File::open(path).map_err(|e| format!("cannot read the capture {shown}: {e}"))?;
    let mut lines = Vec::new();
    let mut notes = Vec::new();
    let mut reader = BufReader::new(file.take(MOST_BYTES));
    let mut line = Vec::new();
    let mut read = 0;
    loop {
        line.clear();
        let n = reader.read_until(b'\n', &mut line).map_err(|e| format!("cannot read the capture {shown}: {e}"))?;
        if n == 0 {
            break;
        }
        read += u64::try_from(n).unwrap_or(u64::MAX);
        // a line that was cut by the bound is not judged as one that was damaged
        if lines.len() > MOST_EVENTS || (read >= MOST_BYTES && line.last() != Some(&b'\n')) {
            notes.push(format!(
                "{shown} is longer than is read: the first {} events count",
                lines.len().saturating_sub(1)
            ));
            break;
        }
        let text = std::str::from_utf8(&line).map_err(|_| {
            format!("{shown}: line {}: this is not UTF-8, so it is no event of a run record", lines.len() + 1)
        })?;
        lines.push(text.trim_end_matches(['\n', '\r']).to_owned());
    }
    let reading = record::read_lines(&lines).map_err(|e| format!("{shown}: {e}"))?;
    if let (Some(cut), true) = (&reading.cut, notes.is_empty()) {
        notes.push(format!("{shown} breaks off at line {}: {}", cut.line, cut.reason));
    }
    Ok((reading.trace, notes))
}
