//! What crosses the wire: bytes to messages and back, without I/O.

pub mod http;
pub mod http1;
pub mod json;
pub mod message;
pub mod sse;
pub mod stdio;

pub use message::{Id, Kind, Message};

use serde::{Deserialize, Serialize};

/// One of the two sides of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Party {
    /// The side that connects and sends `initialize`.
    Client,
    /// The side that is connected to.
    Server,
}

impl Party {
    /// The other side.
    #[must_use]
    pub fn other(self) -> Party {
        match self {
            Party::Client => Party::Server,
            Party::Server => Party::Client,
        }
    }

    /// The word for it in files and messages: `client` or `server`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Party::Client => "client",
            Party::Server => "server",
        }
    }
}

impl std::fmt::Display for Party {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
