//! Odd but legal habits that the server of a run can be given, by name: each is the whole run once more.

use crate::reference::server::Setup;
use crate::scenario::Scenario;
use crate::scenario::diagnostic::closest;
use crate::scenario::model::Needed;
use crate::trace::Transport;
use crate::wire::http::ServerPolicy;
use crate::wire::sse::{Encoder, LineEnding};
use std::time::Duration;

/// A habit.
#[derive(Debug, Clone, Copy)]
pub struct Habit {
    /// Its name on the command line.
    pub name: &'static str,
    /// What a server with it does.
    pub about: &'static str,
    /// What it changes in the server.
    pub server: fn(&mut Setup),
    /// What it changes over HTTP.
    pub http: fn(&mut ServerPolicy),
    /// Does it show over HTTP alone?
    pub http_only: bool,
    /// Can the scenario be played with it?
    pub fits: fn(&Scenario) -> bool,
}

const PLAIN: Habit = Habit { name: "", about: "", server: |_| {}, http: |_| {}, http_only: false, fits: |_| true };

const OVER_HTTP: Habit = Habit { http_only: true, ..PLAIN };

/// All of them.
pub const ALL: [Habit; 13] = [
    Habit { name: "text-ids", about: "its ids are texts", server: |s| s.dialect.string_ids = true, ..PLAIN },
    Habit { name: "ids-from-nought", about: "its first id is 0", server: |s| s.dialect.first_id = 0, ..PLAIN },
    Habit { name: "ids-below-nought", about: "its ids are negative", server: |s| s.dialect.first_id = -40, ..PLAIN },
    Habit {
        name: "large-ids",
        about: "its ids have 16 digits",
        server: |s| s.dialect.first_id = (1 << 53) - 1_000,
        ..PLAIN
    },
    Habit {
        name: "errors-with-data",
        about: "its errors have `data`",
        server: |s| s.dialect.error_data = true,
        ..PLAIN
    },
    Habit {
        name: "unknown-members",
        about: "its results have a member that no schema knows",
        server: |s| s.dialect.unknown_members = true,
        ..PLAIN
    },
    Habit {
        name: "streams-alone",
        about: "it answers every request with an event stream",
        http: |p| p.json_answers = false,
        fits: |scenario| !polls(scenario),
        ..OVER_HTTP
    },
    Habit {
        name: "named-events",
        about: "it names its events, and ends their lines with CRLF",
        http: |p| (p.name_events, p.json_answers, p.encoder) = (true, false, Encoder { ending: LineEnding::CrLf }),
        fits: |scenario| !polls(scenario),
        ..OVER_HTTP
    },
    Habit {
        name: "bare-events",
        about: "its events have no ids, and its streams cannot be resumed",
        http: |p| (p.prime, p.store_events, p.json_answers) = (false, 0, false),
        fits: |scenario| !resumes(scenario) && !polls(scenario),
        ..OVER_HTTP
    },
    Habit {
        name: "comments",
        about: "it writes a comment on a stream that is silent for 10 ms",
        http: |p| (p.keep_alive, p.json_answers) = (Some(Duration::from_millis(10)), false),
        fits: |scenario| !polls(scenario),
        ..OVER_HTTP
    },
    Habit {
        name: "no-sessions",
        about: "it assigns no session id",
        server: |s| s.without.push("tasks.list".to_owned()),
        http: |p| p.sessions = false,
        fits: |scenario| {
            let lists = scenario.source.text.contains("tasks.list");
            !lists && !resumes(scenario) && !scenario.needs.iter().any(|need| matches!(need.what, Needed::Session))
        },
        ..OVER_HTTP
    },
    Habit {
        name: "no-stream",
        about: "it answers GET with 405",
        http: |p| p.listen = false,
        fits: |scenario| !resumes(scenario) && !listens(scenario),
        ..OVER_HTTP
    },
    Habit { name: "no-delete", about: "it answers DELETE with 405", http: |p| p.delete = false, ..OVER_HTTP },
];

/// Does it ask how a task stands? That should not be answered with a stream.
fn polls(scenario: &Scenario) -> bool {
    scenario.source.text.contains("tasks/get") || scenario.source.text.contains("as task")
}

/// Does it need a stream that the client opened?
fn listens(scenario: &Scenario) -> bool {
    ["notifications/tasks/status", "opens: stream"].iter().any(|part| scenario.source.text.contains(part))
}

/// Does it need streams that can be resumed?
fn resumes(scenario: &Scenario) -> bool {
    scenario.source.text.contains("test_reconnection") || scenario.source.text.contains("resumes:")
}

impl Habit {
    /// The one with that name.
    ///
    /// # Errors
    /// When there is none; says which there are.
    pub fn named(name: &str) -> Result<Habit, String> {
        ALL.into_iter().find(|habit| habit.name == name).ok_or_else(|| {
            let names = || ALL.iter().map(|habit| habit.name);
            match closest(name, names()) {
                Some(near) => format!("there is no such dialect; did you mean {near}?"),
                None => format!("there is no such dialect; there are {}", names().collect::<Vec<_>>().join(", ")),
            }
        })
    }

    /// Does it show in that scenario over that transport, and can that be played?
    #[must_use]
    pub fn applies(&self, scenario: &Scenario, transport: Transport) -> bool {
        (transport == Transport::Http || !self.http_only) && (self.fits)(scenario)
    }
}
