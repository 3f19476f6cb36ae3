//! The contract of the ecosystem's conformance clients: a program that is told by its environment which scenario to play, gets
//! the server's URL as its last argument, and ends when it has done that.

use super::agenda::Closed;
use super::client::{Clients, Opened, Unready};
use super::drivers::{listening, refused};
use crate::judge::finding::Blame;
use crate::peer::driver::{Mover, Target};
use crate::peer::process::{Command, Ladder, Process};
use crate::scenario::Scenario;
use crate::seat::Play;
use crate::spec::Revision;
use crate::wire::Party;
use serde_json::json;

/// Names the scenario.
pub const SCENARIO: &str = "MCP_CONFORMANCE_SCENARIO";
/// Names the revision.
pub const REVISION: &str = "MCP_CONFORMANCE_PROTOCOL_VERSION";
/// What else a client must know: a JSON object with the `name` of the scenario.
pub const CONTEXT: &str = "MCP_CONFORMANCE_CONTEXT";

/// What the environment says to a client.
#[must_use]
pub fn variables(scenario: &str, revision: Revision) -> Vec<(String, String)> {
    let context = json!({ "name": scenario }).to_string();
    let all = [(SCENARIO, scenario.to_owned()), (REVISION, revision.to_string()), (CONTEXT, context)];
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The scenario that clients know under that name in a revision.
#[must_use]
pub fn known_as<'s>(scenarios: &'s [Scenario], name: &str, revision: Revision) -> Option<&'s Scenario> {
    scenarios.iter().find(|s| s.known_as.as_deref() == Some(name) && s.revisions.contains(&revision))
}

/// Starts such a client for every play.
#[derive(Debug, Clone)]
pub struct Environment {
    /// What starts it; the URL is added.
    pub command: Command,
}

impl Clients for Environment {
    type Held = Process;

    async fn open(&self, play: &Play) -> Result<Opened<Process>, Unready> {
        let name = play.plan.scenario().known_as.as_deref().unwrap_or_default();
        let (link, url) = listening().await.map_err(|e| refused(&e))?;
        let mut command = self.command.clone();
        command.words.push(url.clone());
        command.env.extend(variables(name, play.revision));
        // nothing is said to it on its standard input, which ends at once
        let (process, _) = Process::start_aside(&command, Party::Client).map_err(|e| {
            let stderr = e.stderr().map(str::to_owned);
            Unready::Closed(Closed { what: e.to_string(), stderr, blame: Blame::Environment })
        })?;
        if let Some(feed) = link.feed() {
            process.tell_meanwhile(&feed);
        }
        Ok(Opened { link, to: Target::Url(url), held: process })
    }

    fn mover<'h>(&self, _: &'h mut Process) -> Option<&'h mut Mover> {
        None
    }

    fn starts(&self) -> bool {
        true
    }

    fn barred(&self, scenario: &Scenario) -> Option<&'static str> {
        let unknown = "it has no name by which such a client could be asked for it (`known as`)";
        scenario.known_as.is_none().then_some(unknown)
    }

    async fn close(&self, process: Process, _: bool) -> Option<String> {
        process.stop(&Ladder::default()).await;
        Some(process.stderr()).filter(|text| !text.trim().is_empty())
    }
}
