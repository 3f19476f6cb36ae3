//! Writing events.

/// What ends the lines that are written. A reader must understand all three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LineEnding {
    /// A line feed.
    #[default]
    Lf,
    /// Carriage return and line feed.
    CrLf,
    /// A carriage return.
    Cr,
}

/// Writes events with one kind of line ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Encoder {
    /// What ends a line.
    pub ending: LineEnding,
}

impl Encoder {
    /// An event. Line breaks in `data` make several `data` fields, which a reader joins by line feeds: a carriage return
    /// does not survive, but JSON needs none. What cannot stand in an id or a type (line breaks, NUL) is left out.
    #[must_use]
    pub fn event(self, data: &[u8], event: Option<&str>, id: Option<&str>, retry: Option<u64>) -> Vec<u8> {
        let mut out = Vec::with_capacity(data.len() + 64);
        if let Some(event) = event {
            self.field(&mut out, "event", clean(event).as_bytes());
        }
        if let Some(id) = id {
            self.field(&mut out, "id", clean(id).as_bytes());
        }
        if let Some(retry) = retry {
            self.field(&mut out, "retry", retry.to_string().as_bytes());
        }
        for line in lines(data) {
            self.field(&mut out, "data", line);
        }
        self.end(&mut out);
        out
    }

    /// The event that lets a client reconnect before anything was said: an id, perhaps a `retry` in milliseconds, and empty
    /// data.
    #[must_use]
    pub fn prime(self, id: &str, retry: Option<u64>) -> Vec<u8> {
        self.event(b"", None, Some(id), retry)
    }

    /// A comment, ended by a blank line.
    #[must_use]
    pub fn comment(self, text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        for line in lines(text.as_bytes()) {
            self.field(&mut out, "", line);
        }
        self.end(&mut out);
        out
    }

    fn field(self, out: &mut Vec<u8>, name: &str, value: &[u8]) {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        // A reader takes one space away; `data:` with nothing behind it needs none.
        if !value.is_empty() {
            out.push(b' ');
            out.extend_from_slice(value);
        }
        self.end(out);
    }

    fn end(self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self.ending {
            LineEnding::Lf => b"\n",
            LineEnding::CrLf => b"\r\n",
            LineEnding::Cr => b"\r",
        });
    }
}

fn clean(value: &str) -> String {
    value.chars().filter(|c| !matches!(c, '\n' | '\r' | '\0')).collect()
}

/// The lines of a text as an event stream sees them: ended by CR, LF or CRLF. At least one.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.iter().position(|b| matches!(b, b'\n' | b'\r')) {
        let (line, ending) = rest.split_at(at);
        lines.push(line);
        let length = if ending.starts_with(b"\r\n") { 2 } else { 1 };
        rest = ending.get(length..).unwrap_or_default();
    }
    lines.push(rest);
    lines
}
