//! What the monitors of Streamable HTTP look things up in: round trips with what was posted, streams, event ids, and where they
//! note what they saw.

use crate::conversation::{Conversation, RoundTrip, Said, Session, Stream};
use crate::judge::evidence::Shown;
use crate::judge::monitor::Scene;
use crate::spec::Revision;
use crate::trace::{Closing, StreamId, StreamKind};
use crate::wire::{Kind, Party};
use std::collections::{BTreeMap, HashMap};

/// The media type of event streams.
pub(super) const EVENT_STREAM: &str = "text/event-stream";
/// The media type of single messages.
pub(super) const JSON: &str = "application/json";

/// One thing that was seen.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) requirement: &'static str,
    pub(super) event: u32,
    pub(super) party: Party,
    pub(super) revision: Revision,
    pub(super) verdict: Shown,
    pub(super) presumed: bool,
    pub(super) trip: Option<u32>,
}

/// The whole of a trace over HTTP.
pub(super) struct Web<'a> {
    pub(super) scene: &'a Scene<'a>,
    pub(super) c: &'a Conversation,
    /// By round trip: the messages that were posted in it.
    posted: BTreeMap<u32, Vec<usize>>,
    /// By round trip: the streams on which the server answers.
    answers: BTreeMap<u32, Vec<StreamId>>,
    /// By session and event id: the stream on which it came first, and when.
    ids: HashMap<(usize, String), (StreamId, u32)>,
    /// Session ids that were given: by which event, to which session.
    given: HashMap<&'a str, u32>,
    /// Session ids that were ended by the client: by which event.
    ended: HashMap<&'a str, u32>,
    pub(super) entries: Vec<Entry>,
}

impl<'a> Web<'a> {
    pub(super) fn new(scene: &'a Scene<'a>) -> Web<'a> {
        let c = scene.c;
        let mut posted: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (i, said) in c.iter().filter(|(_, s)| s.from == Party::Client && s.part.is_none()) {
            if let Some(trip) = said.round_trip {
                posted.entry(trip).or_default().push(i);
            }
        }
        let mut answers: BTreeMap<u32, Vec<StreamId>> = BTreeMap::new();
        for (id, stream) in c.streams.iter().filter(|(_, s)| s.writer == Party::Server) {
            if let Some(trip) = stream.round_trip {
                answers.entry(trip).or_default().push(*id);
            }
        }
        let (mut given, mut ended) = (HashMap::new(), HashMap::new());
        for trip in c.round_trips.values() {
            if let (Some(id), Some(event)) = (trip.session_given.as_deref(), trip.response) {
                given.entry(id).or_insert(event);
            }
            if let (Some(id), Some(event), "DELETE", true) =
                (trip.session_sent.as_deref(), trip.response, trip.method.as_str(), trip.succeeded())
            {
                ended.entry(id).or_insert(event);
            }
        }
        let mut web = Web { scene, c, posted, answers, ids: HashMap::new(), given, ended, entries: Vec::new() };
        let mut marked: Vec<(u32, usize, String, StreamId)> = Vec::new();
        for (id, stream, trip) in web.event_streams() {
            let Some(session) = trip.session else { continue };
            let items = stream.items.iter();
            marked.extend(items.filter_map(|i| Some((i.event, session, i.event_id.clone()?, id))));
        }
        marked.sort_unstable_by_key(|(event, ..)| *event);
        for (event, session, id, stream) in marked {
            web.ids.entry((session, id)).or_insert((stream, event));
        }
        web
    }

    /// The round trips whose request was seen.
    pub(super) fn trips(&self) -> impl Iterator<Item = (u32, &'a RoundTrip)> + use<'a> {
        self.c.round_trips.iter().filter(|(_, t)| t.request.is_some()).map(|(n, t)| (*n, t))
    }

    /// The event streams of the server, with their round trips.
    pub(super) fn event_streams(&self) -> impl Iterator<Item = (StreamId, &'a Stream, &'a RoundTrip)> + use<'a> {
        let c = self.c;
        c.streams.iter().filter(|(_, s)| s.writer == Party::Server).filter_map(move |(id, stream)| {
            let trip = c.round_trips.get(&stream.round_trip?)?;
            (trip.content_type.as_deref() == Some(EVENT_STREAM)).then_some((*id, stream, trip))
        })
    }

    /// The message that was posted in a round trip, if it is one alone.
    pub(super) fn posted(&self, trip: u32) -> Option<(usize, &'a Said)> {
        match self.posted.get(&trip).map(Vec::as_slice) {
            Some([one]) => self.c.get(*one).map(|s| (*one, s)),
            _ => None,
        }
    }

    /// The requests that were posted in a round trip.
    pub(super) fn requests(&self, trip: u32) -> Vec<(usize, &'a Said)> {
        self.c.iter().filter(|(_, s)| s.round_trip == Some(trip) && s.from == Party::Client && s.is_request()).collect()
    }

    /// Was an `initialize` posted in it?
    pub(super) fn initializes(&self, trip: u32) -> bool {
        self.posted(trip).is_some_and(|(_, s)| s.requests("initialize"))
    }

    /// Did the server say something in its answer?
    pub(super) fn spoke(&self, trip: u32) -> impl Iterator<Item = &'a Said> {
        let c = self.c;
        let streams = self.answers.get(&trip).cloned().unwrap_or_default();
        c.said.iter().filter(move |s| streams.contains(&s.stream))
    }

    /// Is the request of a round trip odd on purpose: by what is in it, or as a step of ours that is a head alone?
    pub(super) fn deliberate(&self, number: u32, trip: &RoundTrip) -> bool {
        let posted = self.posted.get(&number).map_or(&[][..], Vec::as_slice);
        let ours = self.scene.header.seat.ours() == Some(Party::Client);
        let act = ours && trip.step.is_some() && posted.is_empty();
        act || posted.iter().filter_map(|i| self.c.get(*i)).any(|s| self.scene.deliberate(s) || s.cut)
    }

    /// The session of a round trip.
    pub(super) fn session(&self, trip: &RoundTrip) -> Option<&'a Session> {
        trip.session.and_then(|s| self.c.sessions.get(s))
    }

    /// The revision in force in a round trip.
    pub(super) fn revision(&self, trip: &RoundTrip) -> Revision {
        self.session(trip).and_then(|s| s.revision).unwrap_or(self.c.played)
    }

    /// The event at which that session id was given.
    pub(super) fn given(&self, id: &str) -> Option<u32> {
        self.given.get(id).copied()
    }

    /// Was any session id given at all?
    pub(super) fn assigns(&self) -> bool {
        !self.given.is_empty()
    }

    /// Had the client ended the session of that id before that event?
    pub(super) fn ended(&self, id: &str, event: u32) -> bool {
        self.ended.get(id).is_some_and(|e| *e < event)
    }

    /// The event id from which a round trip resumes.
    pub(super) fn resumes<'t>(&self, trip: &'t RoundTrip) -> Option<&'t str> {
        trip.header("last-event-id").filter(|id| !id.is_empty() && trip.method == "GET")
    }

    /// The stream on which that event id came first in the session, and with which event.
    pub(super) fn first_with(&self, session: Option<usize>, id: &str) -> Option<(StreamId, u32)> {
        self.ids.get(&(session?, id.to_owned())).copied()
    }

    /// The stream on which that event id came first in the session, before that event.
    pub(super) fn origin(&self, session: Option<usize>, id: &str, before: u32) -> Option<StreamId> {
        self.first_with(session, id).filter(|(_, event)| *event < before).map(|(stream, _)| stream)
    }

    /// The stream with which that one began: itself, or the one that it resumes. `None` if that is not known.
    pub(super) fn root(&self, id: StreamId) -> Option<StreamId> {
        let mut id = id;
        // each is older than the one before
        for _ in 0..=self.c.streams.len() {
            let stream = self.c.streams.get(&id)?;
            let trip = self.c.round_trips.get(&stream.round_trip?)?;
            let Some(last) = self.resumes(trip) else { return Some(id) };
            id = self.origin(trip.session, last, trip.request?)?;
        }
        None
    }

    /// The round trip of the POST whose answer that stream carries: its own, or that of the stream that it resumes.
    pub(super) fn post_of(&self, id: StreamId) -> Option<u32> {
        let root = self.c.streams.get(&self.root(id)?)?;
        root.round_trip.filter(|_| root.kind == StreamKind::PostAnswer)
    }

    /// Are there requests in that POST that were not answered by that event, and not cancelled?
    pub(super) fn owes(&self, post: u32, event: u32) -> bool {
        self.requests(post).iter().any(|(_, r)| {
            let answered = r.answered_by.iter().chain(&r.missed_by);
            let mut answered = answered.filter_map(|a| self.c.get(*a)).map(|a| a.event);
            let cancelled = self.c.said.iter().any(|s| {
                s.notifies("notifications/cancelled")
                    && s.from == Party::Client
                    && s.session == r.session
                    && r.message.id().is_some_and(|id| s.message.params().get("requestId") == Some(&id.to_value()))
            });
            !cancelled && !answered.any(|a| a < event)
        })
    }

    pub(super) fn held(&mut self, requirement: &'static str, party: Party, event: u32, trip: u32) -> &mut Entry {
        self.note(requirement, party, event, trip, Shown::Held)
    }

    pub(super) fn broken(
        &mut self,
        requirement: &'static str,
        party: Party,
        event: u32,
        trip: u32,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> &mut Entry {
        let verdict = Shown::Broken { expected: expected.into(), found: found.into(), pointer: String::new() };
        self.note(requirement, party, event, trip, verdict)
    }

    #[allow(clippy::too_many_arguments, reason = "the same as `broken`, and whether it is")]
    pub(super) fn either(
        &mut self,
        well: bool,
        requirement: &'static str,
        party: Party,
        event: u32,
        trip: u32,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> &mut Entry {
        if well {
            self.held(requirement, party, event, trip)
        } else {
            self.broken(requirement, party, event, trip, expected, found)
        }
    }

    fn note(&mut self, requirement: &'static str, party: Party, event: u32, trip: u32, verdict: Shown) -> &mut Entry {
        let revision = self.c.round_trips.get(&trip).map_or(self.c.played, |t| self.revision(t));
        let entry = Entry { requirement, event, party, revision, verdict, presumed: false, trip: Some(trip) };
        let at = self.entries.len();
        self.entries.push(entry);
        // it was pushed just now
        #[allow(clippy::indexing_slicing, reason = "the place was made in the line above")]
        &mut self.entries[at]
    }
}

impl Entry {
    /// It rests on time.
    pub(super) fn presumed(&mut self) -> &mut Entry {
        self.presumed = true;
        self
    }
}

/// Did the server end that stream, as HTTP wants it?
pub(super) fn ended_by_server(stream: &Stream) -> Option<u32> {
    match &stream.closed {
        Some((event, Closing::Clean)) if stream.closed_by != Some(Party::Client) => Some(*event),
        _ => None,
    }
}

/// Statuses that say nothing about what was asked: who asks, or how much is going on.
pub(super) fn is_guarded(status: u16) -> bool {
    matches!(status, 401 | 403 | 429 | 502 | 503 | 504)
}

/// Does a list of media ranges name that type itself?
pub(super) fn lists(accept: Option<&str>, media: &str) -> bool {
    accept.unwrap_or_default().split(',').any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let named = parts.next().is_some_and(|t| t.eq_ignore_ascii_case(media));
        // a weight of nothing takes it out
        let refused = parts.any(|p| {
            p.split_once('=').is_some_and(|(name, value)| {
                name.trim().eq_ignore_ascii_case("q") && value.trim().parse::<f32>().is_ok_and(|q| q == 0.0)
            })
        });
        named && !refused
    })
}

/// What a message is called in a report.
pub(super) fn name(said: &Said) -> String {
    match said.message.kind() {
        Kind::Request { method, .. } | Kind::Notification { method } => format!("`{method}`"),
        _ => match &said.method {
            Some(method) => format!("the answer to `{method}`"),
            None => "an answer".to_owned(),
        },
    }
}
