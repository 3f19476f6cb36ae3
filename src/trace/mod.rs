//! The run record: everything that can be known about one play, in the order in which it was recorded.

pub mod capture;
pub mod event;
pub mod record;
pub mod redact;

pub use event::{Body, Closing, EndReason, Event, Seat, StreamId, StreamKind, Text, Transport};
pub use record::{Header, Trace};
