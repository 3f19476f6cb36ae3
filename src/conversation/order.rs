//! What came before what.
//!
//! Events are recorded at one point between the parties. So a message was sent no later than it was recorded, and received no
//! earlier; for a party of ours, sending or receiving and recording are one. Beyond that only these facts are used: one stream
//! keeps its order; a request was received before its answer was sent; a value that one party made was received before the
//! other used it.
//!
//! Every point lies between two records, `lo` and `hi`. What the intervals cannot say (that the answer to a request was sent
//! after that very request came) is kept as links between streams. A query costs a comparison and a binary search.

use crate::trace::StreamId;
use crate::wire::Party;
use std::collections::{HashMap, HashSet};

/// One end of the way of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// It left its sender.
    Sent,
    /// It reached its receiver.
    Received,
}

/// A point in the life of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Point {
    /// Index of the message.
    pub message: usize,
    /// Which end.
    pub end: End,
}

impl Point {
    /// When it was sent.
    #[must_use]
    pub fn sent(message: usize) -> Point {
        Point { message, end: End::Sent }
    }

    /// When it was received.
    #[must_use]
    pub fn received(message: usize) -> Point {
        Point { message, end: End::Received }
    }
}

/// What is known about two points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// The first came first.
    Yes,
    /// It did not: the second came first, or they are one.
    No,
    /// They are concurrent, as far as can be known.
    Unknown,
}

/// What must be known of a message to order it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) event: u32,
    pub(super) stream: StreamId,
    pub(super) from: Party,
}

/// That something was received before something was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fact {
    /// The first message was received before the second was sent.
    Knew(usize, usize),
    /// The second was sent after the first was recorded (one of several messages brought the value; this is the earliest).
    After(usize, usize),
}

/// Answers questions about order.
#[derive(Debug, Clone, Default)]
pub(super) struct Clock {
    marks: Vec<Mark>,
    /// The last record before each was sent.
    sent_lo: Vec<Option<u32>>,
    /// The first record after each was received.
    received_hi: Vec<Option<u32>>,
    /// By stream of the received and stream of the sent message: for each sent one, the last of the other stream that had been
    /// received by then, both by their events. Ascending in both.
    links: Links,
}

type Links = HashMap<(StreamId, StreamId), Vec<(u32, u32)>>;

/// What is known of order from messages that are held no more.
#[derive(Debug, Clone, Default)]
pub(super) struct Carry {
    /// By event, for each of its messages: the bounds that are known of it.
    bounds: HashMap<u32, Vec<Bounds>>,
    /// By stream: what its last message was surely sent after.
    latest: HashMap<StreamId, u32>,
    links: Links,
}

/// The last record before it was sent, and the first after it was received.
type Bounds = (Option<u32>, Option<u32>);

impl Clock {
    /// `marks` by message index, in the order of recording.
    pub(super) fn new(ours: Option<Party>, marks: Vec<Mark>, facts: &[Fact], past: &Carry) -> Clock {
        let count = marks.len();
        let mut sent_lo: Vec<Option<u32>> = vec![None; count];
        let mut received_hi: Vec<Option<u32>> = vec![None; count];
        let mut links: Links = past.links.clone();
        let mut of_event = (None, 0);
        for (i, mark) in marks.iter().enumerate() {
            of_event =
                if of_event.0 == Some(mark.event) { (of_event.0, of_event.1 + 1) } else { (Some(mark.event), 0) };
            if let Some((lo, hi)) = past.bounds.get(&mark.event).and_then(|all| all.get(of_event.1)) {
                if let Some(slot) = sent_lo.get_mut(i) {
                    *slot = *lo;
                }
                if let Some(slot) = received_hi.get_mut(i) {
                    *slot = *hi;
                }
            }
        }
        for fact in facts {
            let (&Fact::Knew(a, b) | &Fact::After(a, b)) = fact;
            let (Some(first), Some(second)) = (marks.get(a), marks.get(b)) else { continue };
            // a record that contradicts itself proves nothing
            if first.event >= second.event {
                continue;
            }
            raise(&mut sent_lo, b, first.event);
            if matches!(fact, Fact::Knew(..)) {
                lower(&mut received_hi, a, second.event);
                links.entry((first.stream, second.stream)).or_default().push((second.event, first.event));
            }
        }
        for (i, mark) in marks.iter().enumerate() {
            if ours == Some(mark.from) {
                raise(&mut sent_lo, i, mark.event);
            } else if ours.is_some() {
                lower(&mut received_hi, i, mark.event);
            }
        }
        // along a stream: what was sent later was sent after all that the earlier ones were sent after
        let mut latest: HashMap<StreamId, u32> = HashMap::new();
        for (i, mark) in marks.iter().enumerate() {
            if let Some(&lo) = latest.get(&mark.stream) {
                raise(&mut sent_lo, i, lo);
            }
            // what is gone may have come after what is still held, but not after what is new
            if let Some(&lo) = past.latest.get(&mark.stream).filter(|_| !past.bounds.contains_key(&mark.event)) {
                raise(&mut sent_lo, i, lo);
            }
            if let Some(lo) = sent_lo.get(i).copied().flatten() {
                latest.insert(mark.stream, lo);
            }
        }
        let mut earliest: HashMap<StreamId, u32> = HashMap::new();
        for (i, mark) in marks.iter().enumerate().rev() {
            if let Some(&hi) = earliest.get(&mark.stream) {
                lower(&mut received_hi, i, hi);
            }
            if let Some(hi) = received_hi.get(i).copied().flatten() {
                earliest.insert(mark.stream, hi);
            }
        }
        for list in links.values_mut() {
            list.sort_unstable();
            let mut most = 0;
            for (_, known) in list.iter_mut() {
                most = most.max(*known);
                *known = most;
            }
        }
        Clock { marks, sent_lo, received_hi, links }
    }

    /// What is to be known of order when the events in `gone` are held no more, and the streams in `ended` are over.
    pub(super) fn carry(&self, past: &Carry, gone: &HashSet<u32>, ended: &HashSet<StreamId>) -> Carry {
        let mut carry = Carry { latest: past.latest.clone(), ..Carry::default() };
        let mut held: HashMap<StreamId, Vec<u32>> = HashMap::new();
        for (i, mark) in self.marks.iter().enumerate() {
            if let Some(lo) = self.lo(i) {
                let latest = carry.latest.entry(mark.stream).or_insert(lo);
                *latest = lo.max(*latest);
            }
            if !gone.contains(&mark.event) {
                carry.bounds.entry(mark.event).or_default().push((self.lo(i), self.hi(i)));
                held.entry(mark.stream).or_default().push(mark.event);
            }
        }
        carry.latest.retain(|stream, _| !ended.contains(stream));
        for ((from, to), list) in &self.links {
            // of what was received nothing is held, so nothing will be asked of it
            if !held.contains_key(from) {
                continue;
            }
            let sent = held.get(to).map_or(&[][..], Vec::as_slice);
            let last = list.len().checked_sub(1).filter(|_| !ended.contains(to));
            let upto = sent.iter().filter_map(|event| list.partition_point(|(b, _)| b <= event).checked_sub(1));
            let mut kept: Vec<usize> = upto.chain(last).collect();
            kept.sort_unstable();
            kept.dedup();
            let kept: Vec<(u32, u32)> = kept.into_iter().filter_map(|i| list.get(i).copied()).collect();
            if !kept.is_empty() {
                carry.links.insert((*from, *to), kept);
            }
        }
        carry
    }

    pub(super) fn before(&self, a: Point, b: Point) -> Order {
        if a == b {
            Order::No
        } else if self.surely(a, b) {
            Order::Yes
        } else if self.surely(b, a) {
            Order::No
        } else {
            Order::Unknown
        }
    }

    fn surely(&self, a: Point, b: Point) -> bool {
        let (Some(x), Some(y)) = (self.marks.get(a.message), self.marks.get(b.message)) else { return false };
        // the parts of a batch have no order among them
        let one = x.event == y.event;
        match (a.end, b.end) {
            (End::Sent, End::Received) => x.event <= y.event,
            _ if one => false,
            (End::Sent, End::Sent) => {
                (x.stream == y.stream && x.event < y.event) || self.lo(b.message).is_some_and(|lo| x.event <= lo)
            }
            (End::Received, End::Received) => {
                (x.stream == y.stream && x.event < y.event) || self.hi(a.message).is_some_and(|hi| hi <= y.event)
            }
            (End::Received, End::Sent) => {
                let apart = match (self.hi(a.message), self.lo(b.message)) {
                    (Some(hi), Some(lo)) => hi <= lo,
                    _ => false,
                };
                apart || self.linked(x.event, x.stream, y.event, y.stream)
            }
        }
    }

    fn lo(&self, message: usize) -> Option<u32> {
        self.sent_lo.get(message).copied().flatten()
    }

    fn hi(&self, message: usize) -> Option<u32> {
        self.received_hi.get(message).copied().flatten()
    }

    /// Had something of `from`, at or after `received`, been received when something of `to`, at or before `sent`, was sent?
    fn linked(&self, received: u32, from: StreamId, sent: u32, to: StreamId) -> bool {
        let Some(list) = self.links.get(&(from, to)) else { return false };
        let upto = list.partition_point(|(b, _)| *b <= sent);
        upto.checked_sub(1).and_then(|i| list.get(i)).is_some_and(|(_, known)| *known >= received)
    }
}

fn raise(bounds: &mut [Option<u32>], index: usize, to: u32) {
    if let Some(bound) = bounds.get_mut(index) {
        *bound = Some(bound.map_or(to, |b| b.max(to)));
    }
}

fn lower(bounds: &mut [Option<u32>], index: usize, to: u32) {
    if let Some(bound) = bounds.get_mut(index) {
        *bound = Some(bound.map_or(to, |b| b.min(to)));
    }
}
