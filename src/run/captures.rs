//! Captures: stored records and recordings of others, judged without the peers.
//!
//! A file is read line by line and never held whole.

use super::{Played, Results};
use crate::judge::{self, Judging};
use crate::peer::words;
use crate::scenario::{Source, parse};
use crate::spec::{Era, Revision};
use crate::trace::capture::{self, Form};
use crate::trace::record::{self, RecordError};
use crate::trace::redact::Redactor;
use crate::trace::{Body, Event, Header, Seat, Trace};
use crate::wire::{Message, Party, json};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;
use tokio::sync::watch;

/// The name of standard input.
pub const STDIN: &str = "-";
/// Bytes of a line at most. A record of ours stays far below.
pub const LONGEST: u64 = 32 << 20;
/// Bytes of the messages of a record with a scenario at most. A play stays far below.
const WHOLE: usize = 256 << 20;
/// So many sessions one capture may tell apart.
const SESSIONS: usize = 1000;
/// A handshake is looked for in so many lines before anything is judged.
const AHEAD: usize = 64;
/// And in so many bytes.
const AHEAD_BYTES: usize = 4 << 20;
/// So often it is seen whether the user wants no more, while nothing comes.
const LISTEN: Duration = Duration::from_millis(50);
/// The endings of the files in a folder that are captures.
const ENDINGS: [&str; 2] = ["ndjson", "jsonl"];
/// Folders in folders are looked into so deep.
const DEEPEST: usize = 16;

/// What was judged, and what could not be.
#[derive(Debug)]
pub struct Judged {
    /// What is said of the captures that could be read.
    pub results: Results,
    /// What could not be read, each with its file and line, and what to do.
    pub unread: Vec<String>,
}

/// Judges captures: files, folders of them, and `-` for standard input. `revision` is in force where a capture does not tell
/// its own; `note` is told what does not keep a capture from being judged. When `interrupted` is raised, what was read by then is judged.
pub fn judge(
    paths: &[PathBuf],
    revision: Option<Revision>,
    note: &mut dyn FnMut(String),
    interrupted: &watch::Receiver<bool>,
) -> Judged {
    let (files, mut unread) = files(paths);
    let mut played = Vec::new();
    for file in files {
        if *interrupted.borrow() {
            break;
        }
        let name = file.display().to_string();
        let mut judges = Judges::default();
        match read_until(&file, revision, &mut judges, note, interrupted) {
            Ok(()) if judges.too_long => unread.push(format!(
                "{name}: the record of a play has {} MiB at most: it has to be judged as a whole",
                WHOLE >> 20
            )),
            Ok(()) => played.extend(judges.finish(&name)),
            // what was to come may have made sense of it
            Err(_) if *interrupted.borrow() => {}
            Err(e) => unread.push(e),
        }
    }
    Judged { results: results(played, *interrupted.borrow()), unread }
}

/// Who is told what a capture has in it. Several sessions are told apart by a number, in the order in which they begin.
pub(crate) trait Listener {
    /// Another session begins. It has the name that the capture gives it; an empty one where it gives none.
    fn session(&mut self, name: &str, header: Header);
    /// The next event of a session, without its secrets. `false` if this one and all that follow need not be read.
    fn event(&mut self, session: usize, event: Event) -> bool;
}

/// Reads a capture: a file, or `-` for standard input. `revision` is in force where it does not tell its own; `note` is told
/// what does not keep it from being read.
///
/// # Errors
/// What cannot be read, with the file and the line, and what to do.
pub(crate) fn read(
    file: &Path,
    revision: Option<Revision>,
    listener: &mut dyn Listener,
    note: &mut dyn FnMut(String),
) -> Result<(), String> {
    read_until(file, revision, listener, note, &watch::channel(false).1)
}

/// As [`read`], until `interrupted` is raised.
fn read_until(
    file: &Path,
    revision: Option<Revision>,
    listener: &mut dyn Listener,
    note: &mut dyn FnMut(String),
    interrupted: &watch::Receiver<bool>,
) -> Result<(), String> {
    let name = file.display().to_string();
    let mut told = |what: String| note(format!("{name}: {what}"));
    let bytes: Box<dyn Read> = match name.as_str() {
        STDIN => Box::new(Piped::new(io::stdin(), interrupted.clone())),
        _ => Box::new(File::open(file).map_err(|e| format!("cannot read {name}: {e}"))?),
    };
    let lines = Lines::new(BufReader::new(bytes), interrupted.clone());
    one(lines, revision, listener, &mut told).map_err(|e| format!("{name}: {e}"))
}

/// A judge for each session.
#[derive(Default)]
struct Judges {
    all: Vec<(String, Judging)>,
    bytes: usize,
    too_long: bool,
}

impl Listener for Judges {
    fn session(&mut self, name: &str, header: Header) {
        self.all.push((name.to_owned(), Judging::new(header).silent()));
    }

    fn event(&mut self, session: usize, event: Event) -> bool {
        if let Some((_, judging)) = self.all.get_mut(session) {
            if let (Body::Message { text, .. }, true) = (&event.body, judging.holds_all()) {
                self.bytes += text.bytes().len();
                self.too_long |= self.bytes > WHOLE;
            }
            drop(judging.event(event));
        }
        !self.too_long
    }
}

impl Judges {
    fn finish(self, file: &str) -> impl Iterator<Item = Played> {
        self.all.into_iter().map(move |(session, judging)| played(file, &session, judging.finish()))
    }
}

/// The files that are meant, each once, in the order in which they were named; those of a folder by name.
fn files(paths: &[PathBuf]) -> (Vec<PathBuf>, Vec<String>) {
    let (mut files, mut unread): (Vec<PathBuf>, Vec<String>) = (Vec::new(), Vec::new());
    for path in paths {
        let found = if path.is_dir() { inside(path) } else { Ok(vec![path.clone()]) };
        for file in found.unwrap_or_else(|e| {
            unread.push(e);
            Vec::new()
        }) {
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    (files, unread)
}

/// All captures in the folder and in those inside it, so many levels deep; links to folders are not followed.
fn inside(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut open = vec![(folder.to_path_buf(), 0)];
    while let Some((within, depth)) = open.pop() {
        let cannot = |e: io::Error| format!("cannot read the folder {}: {e}", within.display());
        for entry in std::fs::read_dir(&within).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            let path = entry.path();
            if entry.file_type().map_err(cannot)?.is_dir() {
                if depth < DEEPEST {
                    open.push((path, depth + 1));
                }
            } else if path.is_file() && path.extension().is_some_and(|e| ENDINGS.iter().any(|ending| e == *ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    if found.is_empty() {
        let endings = ENDINGS.map(|e| format!("*.{e}")).join(" or ");
        return Err(format!(
            "there is no capture in the folder {}: files are looked for that are named {endings}",
            folder.display()
        ));
    }
    Ok(found)
}

/// All that was found in one run of the judge.
fn results(played: Vec<Played>, interrupted: bool) -> Results {
    let mut seats = played.iter().map(|p| p.trace.header.seat);
    let first = seats.next().unwrap_or(Seat::Observer);
    let seat = if seats.all(|s| s == first) { first } else { Seat::Observer };
    let of = |seat: Seat, header: &Header| match seat {
        Seat::Client => header.server.clone(),
        Seat::Server => header.client.clone(),
        Seat::Observer => format!("{} and {}", header.client, header.server),
    };
    let mut peers: Vec<String> = Vec::new();
    for name in played.iter().map(|p| of(seat, &p.trace.header)) {
        if !peers.contains(&name) {
            peers.push(name);
        }
    }
    let peer = match peers.as_slice() {
        [one] => one.clone(),
        several => format!("{} peers", several.len()),
    };
    let revision = played.iter().map(|p| p.trace.header.revision).max().unwrap_or(Revision::DEFAULT);
    let (skipped, troubles, unkept) = (Vec::new(), Vec::new(), Vec::new());
    Results { seat, peer, revision, played, skipped, troubles, unkept, interrupted }
}

/// Reads one file; several sessions in it are told apart.
fn one(
    mut lines: Lines<impl BufRead>,
    revision: Option<Revision>,
    listener: &mut dyn Listener,
    note: &mut dyn FnMut(String),
) -> Result<(), String> {
    let Some((number, first)) = lines.next_line()? else {
        return Err("there is nothing in it; a capture has one message or event a line (docs/captures.md)".into());
    };
    match Form::of(&first) {
        Some(Form::Record) => record_of(number, &first, lines, listener, note),
        Some(Form::Minimal) => minimal(number, first, lines, revision, listener, note),
        None => Err(format!(
            "line {number}: this begins neither a run record ({{\"format\": 1, ..}}) nor a capture ({{\"from\": \"client\", \
             \"message\": {{..}}}}); docs/captures.md describes both"
        )),
    }
}

/// A record of ours.
fn record_of(
    number: usize,
    first: &str,
    mut lines: Lines<impl BufRead>,
    listener: &mut dyn Listener,
    note: &mut dyn FnMut(String),
) -> Result<(), String> {
    listener.session("", record::header(first).map_err(|e| at_line(&e, number))?);
    let mut redactor = Redactor::new();
    let mut reader = record::Reader::default();
    let mut last = number;
    while let Some((number, text)) = lines.next_line()? {
        last = number;
        match reader.event(number, &text) {
            Ok(event) => {
                if !listener.event(0, redactor.event(event)) {
                    return Ok(());
                }
            }
            Err(RecordError::BrokeOff { .. }) if lines.is_over()? => {
                note(format!("line {number}: the last line is only the beginning of an event; read without it"));
                return Ok(());
            }
            Err(e) => return Err(e.to_string()),
        }
    }
    if !reader.ended() {
        note(format!("line {}: the event that says how it ended is missing; read as far as it goes", last + 1));
    }
    Ok(())
}

/// The header's errors name line 1, and there may be empty lines before it.
fn at_line(error: &RecordError, number: usize) -> String {
    let text = error.to_string();
    match text.strip_prefix("line 1: ") {
        Some(rest) => format!("line {number}: {rest}"),
        None => text,
    }
}

/// A recording of others.
fn minimal(
    number: usize,
    first: String,
    mut lines: Lines<impl BufRead>,
    revision: Option<Revision>,
    listener: &mut dyn Listener,
    note: &mut dyn FnMut(String),
) -> Result<(), String> {
    let mut reader = capture::Reader::default();
    let mut redactor = Redactor::new();
    // what was read while the handshake was looked for
    let mut ahead: VecDeque<capture::Said> = VecDeque::new();
    let mut sessions: BTreeMap<String, usize> = BTreeMap::new();
    let mut in_force: Option<Revision> = None;
    let (mut bytes, mut next, mut over) = (0, Some((number, first)), false);
    while !over {
        match next.take().map_or_else(|| lines.next_line(), |line| Ok(Some(line)))? {
            Some((number, text)) => match reader.line(number, &text) {
                Ok(said) => {
                    bytes += text.len();
                    ahead.extend(said);
                }
                Err(e) if e.broke_off && lines.is_over()? => {
                    note(format!("line {number}: the last line is only the beginning of a message; read without it"));
                    over = true;
                }
                Err(e) => return Err(e.to_string()),
            },
            None => over = true,
        }
        if in_force.is_none() {
            in_force = revision.or_else(|| ahead.back().and_then(|said| negotiated(&said.event)));
            if in_force.is_none() && !over && ahead.len() < AHEAD && bytes < AHEAD_BYTES {
                continue;
            }
        }
        let in_force = *in_force.get_or_insert_with(|| reader.revision().unwrap_or(Revision::DEFAULT));
        for said in ahead.drain(..) {
            let next = sessions.len();
            let session = match sessions.get(&said.session) {
                Some(session) => *session,
                None if next >= SESSIONS => {
                    return Err(format!(
                        "line {}: more than {SESSIONS} sessions in one capture; split it",
                        said.event.seq
                    ));
                }
                None => {
                    listener.session(&said.session, reader.header(in_force));
                    sessions.insert(said.session, next);
                    next
                }
            };
            if !listener.event(session, redactor.event(said.event)) {
                return Ok(());
            }
        }
    }
    if sessions.is_empty() {
        return Err("there is no message in it; a capture has one message a line (docs/captures.md)".into());
    }
    if in_force.is_some_and(|r| r.era() == Era::Modern) {
        note("revision 2026-07-28 is not judged by rules yet: nothing will be proven".into());
    }
    Ok(())
}

/// The revision that a handshake agreed on, if that is its answer.
fn negotiated(event: &Event) -> Option<Revision> {
    let Body::Message { from: Party::Server, text, .. } = &event.body else { return None };
    let message = Message::read(text.bytes().into(), &json::Limits::default());
    let version = message.result().get("protocolVersion").and_then(Value::as_str)?;
    Revision::parse(version)
}

/// One capture as it stands in a report.
fn played(name: &str, session: &str, judged: judge::Judged) -> Played {
    let judge::Judged { judgement, trace } = judged;
    let which = if session.is_empty() { name.to_owned() } else { format!("{name}#{session}") };
    let (scenario, title) = match &trace.header.scenario {
        Some(script) => (script.id.clone(), title(&trace).unwrap_or_default()),
        None => (which, format!("{} and {}", trace.header.client, trace.header.server)),
    };
    Played { scenario, title, judgement, again: format!("judge {}", words::join(&[name])), trace }
}

/// The title of the scenario that was played.
fn title(trace: &Trace) -> Option<String> {
    let script = trace.header.scenario.as_ref()?;
    let all = parse::file(Source::new(script.file.clone(), script.text.clone())).ok()?;
    all.into_iter().find(|s| s.id == script.id).map(|s| s.title)
}

/// Standard input, until nobody wants any more of it: a read of ours could not be woken.
struct Piped {
    chunks: Receiver<io::Result<Vec<u8>>>,
    rest: Vec<u8>,
    interrupted: watch::Receiver<bool>,
}

impl Piped {
    fn new(mut input: impl Read + Send + 'static, interrupted: watch::Receiver<bool>) -> Piped {
        let (send, chunks) = mpsc::sync_channel(4);
        std::thread::spawn(move || {
            loop {
                let mut chunk = vec![0; 64 << 10];
                let read = input.read(&mut chunk);
                let last = !matches!(read, Ok(n) if n > 0);
                let chunk = read.map(|n| {
                    chunk.truncate(n);
                    chunk
                });
                if send.send(chunk).is_err() || last {
                    break;
                }
            }
        });
        Piped { chunks, rest: Vec::new(), interrupted }
    }
}

impl Read for Piped {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            if *self.interrupted.borrow() {
                return Ok(0);
            }
            match self.chunks.recv_timeout(LISTEN) {
                Ok(chunk) => {
                    self.rest = chunk?;
                    if self.rest.is_empty() {
                        return Ok(0);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            }
        }
        let read = self.rest.as_slice().read(into)?;
        self.rest.drain(..read);
        Ok(read)
    }
}

/// The lines of a file that are not empty, without their ends and without a byte order mark before the first.
struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    number: usize,
    interrupted: watch::Receiver<bool>,
}

impl<R: BufRead> Lines<R> {
    fn new(reader: R, interrupted: watch::Receiver<bool>) -> Lines<R> {
        Lines { reader, buffer: Vec::new(), number: 0, interrupted }
    }

    /// The next line with its number, from 1; none when the user wants no more.
    fn next_line(&mut self) -> Result<Option<(usize, String)>, String> {
        loop {
            self.buffer.clear();
            let read = self.reader.by_ref().take(LONGEST + 1).read_until(b'\n', &mut self.buffer);
            let read = read.map_err(|e| format!("line {}: cannot read on: {e}", self.number + 1))?;
            if read == 0 || *self.interrupted.borrow() {
                return Ok(None);
            }
            self.number += 1;
            if self.buffer.len() as u64 > LONGEST {
                return Err(format!(
                    "line {}: longer than {} MiB; leave the message out, or write its beginning alone as `text`",
                    self.number,
                    LONGEST >> 20
                ));
            }
            let mut line = self.buffer.as_slice();
            if self.number == 1 {
                line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
            }
            let Ok(text) = std::str::from_utf8(line.trim_ascii()) else {
                return Err(format!(
                    "line {}: this is no text in UTF-8; a capture has JSON on every line (docs/captures.md)",
                    self.number
                ));
            };
            if !text.is_empty() {
                return Ok(Some((self.number, text.to_owned())));
            }
        }
    }

    /// Is there nothing more?
    fn is_over(&mut self) -> Result<bool, String> {
        self.reader
            .fill_buf()
            .map(<[u8]>::is_empty)
            .map_err(|e| format!("line {}: cannot read on: {e}", self.number + 1))
    }
}
