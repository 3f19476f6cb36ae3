//! Writes down what passes a tap, on disk and for the judge, before it passes.

use super::opening::Opening;
use crate::trace::record::{event_line, header_line};
use crate::trace::redact::Redactor;
use crate::trace::{Body, EndReason, Event, Header, Text};
use crate::transport::relay::Witness;
use crate::transport::{LinkEvent, LinkWhat};
use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many bytes may wait for the judge; beyond that nothing more passes until it has caught up.
const WAITING: usize = 32 << 20;

/// What an event weighs beside its text, in bytes.
const EVENT: usize = 512;

/// What the judge is given.
#[derive(Debug)]
pub(super) enum Entry {
    /// The first: under which header the record stands.
    Header(Box<Header>),
    /// What happened, without secrets, and its share of what may wait.
    Event(Event, OwnedSemaphorePermit),
    /// Something that the user should know.
    Trouble(String),
}

/// Writes down; all copies write the same record.
#[derive(Debug, Clone)]
pub(super) struct Scribe {
    pen: Arc<Mutex<Pen>>,
    room: Arc<Semaphore>,
}

#[derive(Debug)]
struct Pen {
    began: Instant,
    next: u32,
    redactor: Redactor,
    header: Header,
    /// Until it is known what the two speak.
    opening: Option<Opening>,
    record: Option<Record>,
    /// `None` when the record is closed.
    desk: Option<UnboundedSender<Entry>>,
}

/// A record on disk.
#[derive(Debug)]
struct Record {
    path: PathBuf,
    file: File,
    /// Up to where it is whole.
    length: u64,
}

impl Scribe {
    /// One that writes to a file (if a path is given) and to the judge. `settled`: the header is right as it is; otherwise
    /// it gets the revision and the names that the two tell each other.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub(super) fn new(
        header: Header,
        settled: bool,
        path: Option<&Path>,
    ) -> Result<(Scribe, UnboundedReceiver<Entry>), String> {
        let (desk, entries) = unbounded_channel();
        let record = path.map(Record::create).transpose()?;
        let opening = (!settled).then(Opening::default);
        let (redactor, began) = (Redactor::new(), Instant::now());
        let mut pen = Pen { began, next: 0, redactor, header, opening, record, desk: Some(desk) };
        pen.put_down(&header_line(&pen.header.clone()));
        if settled {
            pen.give(Entry::Header(Box::new(pen.header.clone())));
        }
        Ok((Scribe { pen: Arc::new(Mutex::new(pen)), room: Arc::new(Semaphore::new(WAITING)) }, entries))
    }

    fn pen(&self) -> MutexGuard<'_, Pen> {
        self.pen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes one thing down.
    pub(super) async fn write(&self, body: Body) {
        let weight = u32::try_from(weight(&body).min(WAITING)).unwrap_or(u32::MAX);
        // it is never closed
        if let Ok(share) = Arc::clone(&self.room).acquire_many_owned(weight).await {
            self.pen().write(body, share);
        }
    }

    /// Waits until the judge has read all that was written.
    pub(super) async fn caught_up(&self) {
        self.pen().open();
        let all = u32::try_from(WAITING).unwrap_or(u32::MAX);
        // it is never closed
        let _ = self.room.acquire_many(all).await;
    }

    /// Closes the record.
    pub(super) async fn end(&self, reason: EndReason) {
        self.write(Body::End { reason }).await;
        let mut pen = self.pen();
        pen.open();
        pen.desk = None;
    }
}

impl Witness for Scribe {
    async fn put(&self, event: LinkEvent) {
        if let LinkWhat::Record(body) = event.what {
            self.write(body).await;
        }
    }
}

impl Pen {
    fn give(&mut self, entry: Entry) {
        // a judge that is gone has said why
        if let Some(desk) = &self.desk {
            let _ = desk.send(entry);
        }
    }

    fn write(&mut self, body: Body, share: OwnedSemaphorePermit) {
        if self.desk.is_none() {
            return;
        }
        let at = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let event = self.redactor.event(Event { seq: self.next, at, body });
        self.next = self.next.saturating_add(1);
        let line = event_line(&event);
        self.put_down(&line);
        match &mut self.opening {
            None => self.give(Entry::Event(event, share)),
            Some(opening) => {
                if opening.take(event, line, share, &mut self.header) {
                    self.open();
                }
            }
        }
    }

    fn put_down(&mut self, text: &str) {
        let Some(record) = &mut self.record else { return };
        if let Err(e) = record.write(text) {
            let path = record.path.display();
            let why = format!(
                "the record {path} cannot be written any more: {e}; what passes from now on is judged, but not recorded"
            );
            self.record = None;
            self.give(Entry::Trouble(why));
        }
    }

    /// What the two speak is known, or will not be: the header is settled.
    fn open(&mut self) {
        let Some(opening) = self.opening.take() else { return };
        if opening.has_changed()
            && let Some(record) = &mut self.record
        {
            let mut text = header_line(&self.header);
            opening.lines().for_each(|line| text.push_str(line));
            if let Err(why) = record.replace(&text) {
                self.record = None;
                self.give(Entry::Trouble(why));
            }
        }
        self.give(Entry::Header(Box::new(self.header.clone())));
        for (event, share) in opening.events() {
            self.give(Entry::Event(event, share));
        }
    }
}

impl Record {
    fn create(path: &Path) -> Result<Record, String> {
        let cannot = |e: std::io::Error| format!("cannot write the record {}: {e}", path.display());
        let file = File::create(path).map_err(cannot)?;
        Ok(Record { path: path.to_owned(), file, length: 0 })
    }

    /// Adds whole lines, or nothing.
    fn write(&mut self, lines: &str) -> std::io::Result<()> {
        if let Err(e) = self.file.write_all(lines.as_bytes()) {
            // what is cut in the middle of a line can be read, but not gone on with
            let _ = self.file.set_len(self.length);
            return Err(e);
        }
        self.length += lines.len() as u64;
        Ok(())
    }

    /// Puts another text in the place of the whole record. Somebody who is killed meanwhile leaves the one or the other.
    fn replace(&mut self, text: &str) -> Result<(), String> {
        let cannot = |e: std::io::Error| format!("cannot write the record {} anew: {e}", self.path.display());
        // what is no file (a pipe, a device) stays as it is
        if !self.file.metadata().is_ok_and(|m| m.is_file()) {
            return Ok(());
        }
        let beside = self.path.with_extension(format!("part-{}", std::process::id()));
        let written = (|| {
            let mut file = File::create(&beside)?;
            file.write_all(text.as_bytes())?;
            std::fs::rename(&beside, &self.path)?;
            file.seek(SeekFrom::End(0))?;
            Ok(file)
        })();
        match written {
            Ok(file) => {
                (self.file, self.length) = (file, text.len() as u64);
                Ok(())
            }
            Err(e) => {
                let _ = std::fs::remove_file(&beside);
                Err(cannot(e))
            }
        }
    }
}

/// About how many bytes an event holds.
fn weight(body: &Body) -> usize {
    let text = match body {
        Body::Message { text: Text::Plain(text), .. } => text.len(),
        Body::Message { text: Text::Bytes { base64 }, .. } => base64.len(),
        Body::HttpRequest { headers, .. } | Body::HttpResponse { headers, .. } => {
            headers.iter().map(|(name, value)| name.len() + value.len()).sum()
        }
        _ => 0,
    };
    EVENT + text
}
