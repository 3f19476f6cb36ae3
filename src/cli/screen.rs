//! What people see: text on standard output, in the colours and the width of their terminal.

use std::io::{self, Write as _};

/// Columns where there is no terminal.
const COLUMNS: usize = 100;

/// Shows text as it is. A reader that has gone (`| head`) has seen enough, which is no error.
///
/// # Errors
/// When it cannot be written for any other reason (a full disk).
pub(super) fn show(text: &str) -> Result<(), String> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(format!("cannot write to standard output: {e}")),
        _ => Ok(()),
    }
}

/// Shows a line; see [`show`].
///
/// # Errors
/// As for [`show`].
pub(super) fn line(text: &str) -> Result<(), String> {
    show(&format!("{text}\n"))
}

/// Says something beside the output. Where it cannot be said, there is nobody left to be told.
pub(super) fn note(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Shows text as it is, beside the output.
pub(super) fn beside(text: &str) {
    let mut out = anstream::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Is standard error shown in colours?
pub(super) fn colour_beside() -> bool {
    anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

/// The columns of the terminal of standard error.
pub(super) fn width_beside() -> usize {
    terminal_size::terminal_size_of(io::stderr()).map_or(COLUMNS, |(width, _)| usize::from(width.0))
}

/// Is standard output shown in colours? Not without a terminal, nor with `NO_COLOR`.
pub(super) fn colour() -> bool {
    anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
}

/// The columns of the terminal.
pub(super) fn width() -> usize {
    terminal_size::terminal_size_of(io::stdout()).map_or(COLUMNS, |(width, _)| usize::from(width.0))
}
