//! Where a record is judged while it is written: on a thread of its own, so that nobody who speaks waits for it.

use super::scribe::Entry;
use crate::judge::Finding;
use crate::judge::live::{Judged, Judging};
use crate::trace::{Body, Closing, Event, Header};
use crate::wire::json::Limits;
use crate::wire::{Kind, Message, Party};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use tokio::sync::mpsc::UnboundedReceiver;

/// So many events are kept to be shown with what is found about them.
const RECENT: usize = 256;

/// Longer texts are not kept for that, in bytes.
const SHOWN: usize = 4 << 10;

/// So many different troubles are told.
const TROUBLES: usize = 64;

/// So many requests without an answer are named in the end.
const NAMED: usize = 10;

/// Something to be said at once.
#[derive(Debug)]
pub enum Told {
    /// Something is wrong.
    Finding {
        /// What.
        finding: Box<Finding>,
        /// The header of the record.
        header: Arc<Header>,
        /// The event that shows it, if it is among the last ones.
        event: Option<Event>,
    },
    /// Something else that the user should know, in one sentence.
    Trouble(String),
}

/// What was seen in all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The messages of clients.
    pub from_client: u64,
    /// The messages of the server.
    pub from_server: u64,
    /// HTTP requests.
    pub requests: u64,
    /// Requests that had no answer in the end, and were not cancelled.
    pub unanswered: u64,
    /// The first of them.
    pub owed: Vec<Owing>,
}

/// An answer that did not come.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owing {
    /// Who has asked.
    pub asked: Party,
    /// The id of the request, as JSON.
    pub id: String,
    /// Its method.
    pub method: String,
}

/// The thread.
pub(super) struct Desk {
    thread: JoinHandle<(Judged, Seen)>,
    closed: tokio::sync::oneshot::Receiver<()>,
    open: Arc<AtomicBool>,
}

impl Desk {
    /// Opens it.
    ///
    /// # Errors
    /// When there can be no thread.
    pub(super) fn open(
        header: Header,
        entries: UnboundedReceiver<Entry>,
        tell: Box<dyn FnMut(&Told) + Send>,
    ) -> Result<Desk, String> {
        let (close, closed) = tokio::sync::oneshot::channel();
        let open = Arc::new(AtomicBool::new(false));
        let mut sitting =
            Sitting { header: Arc::new(header), entries, tell, open: Arc::clone(&open), owed: Owed::default() };
        let work = move || {
            let done = sitting.judge();
            // whoever waited may have given up
            let _ = close.send(());
            done
        };
        let thread = std::thread::Builder::new().name("judge".into()).spawn(work);
        thread.map(|thread| Desk { thread, closed, open }).map_err(|e| format!("no thread for the judge: {e}"))
    }

    /// Is an answer owed, as far as the judge has read?
    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// Waits for what it says.
    ///
    /// # Errors
    /// When it failed.
    pub(super) async fn close(self) -> Result<(Judged, Seen), String> {
        // an error means that it is over all the same
        let _ = self.closed.await;
        self.thread.join().map_err(|_| "the judge has failed; this is a defect of mcp-interop".to_owned())
    }
}

struct Sitting {
    header: Arc<Header>,
    entries: UnboundedReceiver<Entry>,
    tell: Box<dyn FnMut(&Told) + Send>,
    open: Arc<AtomicBool>,
    owed: Owed,
}

impl Sitting {
    fn judge(&mut self) -> (Judged, Seen) {
        let mut seen = Seen::default();
        let mut recent: VecDeque<Event> = VecDeque::new();
        let mut troubles: BTreeSet<String> = BTreeSet::new();
        let mut judging = None;
        while let Some(entry) = self.entries.blocking_recv() {
            match entry {
                Entry::Trouble(why) => (self.tell)(&Told::Trouble(why)),
                Entry::Header(header) => self.header = Arc::new(*header),
                Entry::Event(event, share) => {
                    let judging = judging.get_or_insert_with(|| Judging::new((*self.header).clone()));
                    self.count(&event, &mut seen);
                    if let Some(trouble) = trouble(&event.body)
                        && troubles.len() < TROUBLES
                        && troubles.insert(trouble.clone())
                    {
                        (self.tell)(&Told::Trouble(trouble));
                    }
                    if recent.len() >= RECENT {
                        recent.pop_front();
                    }
                    recent.push_back(shown(&event));
                    let mut findings = judging.event(event);
                    // nobody is kept waiting when there is nothing else to do
                    if self.entries.is_empty() {
                        findings.extend(judging.look());
                    }
                    for finding in findings {
                        let event = recent.iter().find(|e| Some(e.seq) == finding.event).cloned();
                        let finding = Box::new(finding);
                        (self.tell)(&Told::Finding { finding, header: Arc::clone(&self.header), event });
                    }
                    drop(share);
                }
            }
        }
        self.owed.tell(&mut seen);
        (judging.unwrap_or_else(|| Judging::new((*self.header).clone())).finish(), seen)
    }

    fn count(&mut self, event: &Event, seen: &mut Seen) {
        match &event.body {
            Body::Message { from, text, .. } => {
                let counted = if *from == Party::Client { &mut seen.from_client } else { &mut seen.from_server };
                *counted += 1;
                self.owed.take(*from, &Message::read(text.bytes().into(), &Limits::default()));
                self.open.store(self.owed.any(), Ordering::Relaxed);
            }
            Body::HttpRequest { .. } => seen.requests += 1,
            _ => {}
        }
    }
}

/// What is no message, and yet a user should know of: without it the tap seems to be to blame. A client may leave.
fn trouble(body: &Body) -> Option<String> {
    let Body::StreamClosed { by: Some(Party::Server), how: Closing::Cut(why), .. } = body else { return None };
    Some(if why.starts_with("the server") { why.clone() } else { format!("the server: {why}") })
}

/// An event as it is kept to be shown.
fn shown(event: &Event) -> Event {
    let mut event = event.clone();
    if let Body::Message { text, cut_from, .. } = &mut event.body {
        let bytes = text.bytes();
        if let Some(beginning) = bytes.get(..SHOWN) {
            *cut_from = Some(cut_from.unwrap_or(bytes.len() as u64));
            *text = crate::trace::Text::Plain(String::from_utf8_lossy(beginning).into_owned());
        }
    }
    event
}

/// Which requests have no answer yet: who has asked, with which id; how many they are, and the method of the last one.
#[derive(Debug, Default)]
struct Owed(BTreeMap<(Party, String), (u32, String)>);

/// So many are counted at most.
const OWED: usize = 10_000;

impl Owed {
    fn take(&mut self, from: Party, message: &Message) {
        let (by, id) = match message.kind() {
            Kind::Request { id, method } if self.0.len() < OWED => {
                let asked = self.0.entry((from, id.to_string())).or_default();
                *asked = (asked.0 + 1, method.chars().take(SHOWN).collect());
                return;
            }
            Kind::Result { id: Some(id) } | Kind::Error { id: Some(id) } => (from.other(), id.to_string()),
            // what was cancelled need not be answered
            Kind::Notification { method } if method == "notifications/cancelled" => {
                let id = message.params().get("requestId").map(serde_json::Value::to_string);
                (from, id.unwrap_or_default())
            }
            _ => return,
        };
        if let Some((count, _)) = self.0.get_mut(&(by, id.clone())) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&(by, id));
            }
        }
    }

    fn any(&self) -> bool {
        !self.0.is_empty()
    }

    fn tell(&self, seen: &mut Seen) {
        seen.unanswered = self.0.values().map(|(count, _)| u64::from(*count)).sum();
        let first = self.0.iter().take(NAMED);
        seen.owed = first
            .map(|((asked, id), (_, method))| Owing { asked: *asked, id: id.clone(), method: method.clone() })
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_answered_or_cancelled_is_not_owed() {
        let mut owed = Owed::default();
        let mut any = |from: Party, text: &'static str| {
            owed.take(from, &Message::read(text.as_bytes().into(), &Limits::default()));
            owed.any()
        };
        let (client, server) = (Party::Client, Party::Server);
        assert!(any(client, r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#));
        assert!(any(server, r#"{"jsonrpc":"2.0","id":"1","result":{}}"#), "another id");
        assert!(any(client, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#), "its own");
        assert!(!any(server, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#));
        assert!(any(server, r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#));
        assert!(!any(server, r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"a"}}"#));
        assert!(!any(server, "nonsense"));
    }
}
