//! The client and the server of a pair, as they are named on the command line.

use super::output;
use crate::peer::config::{Config, EMBEDDED, ServerSpec};
use crate::peer::process::Command;
use crate::run::matrix::{ClientPeer, ServerPeer};
use crate::scenario::Scenario;
use crate::spec::{Era, Revision};
use crate::transport::http_client::Endpoint;
use clap::Args;
use serde_json::Map;
use std::path::Path;

/// The options that name a client.
#[derive(Debug, Args)]
pub(super) struct ClientChoice {
    /// The client of a peer of harness.toml, or `embedded` (the default)
    #[arg(long, value_name = "NAME", conflicts_with = "driver")]
    client: Option<String>,
    /// A command that starts the driver of a client of your own (see docs/peers.md)
    #[arg(long, value_name = "COMMAND")]
    driver: Option<String>,
}

/// The options that name a server.
#[derive(Debug, Args)]
pub(super) struct ServerChoice {
    /// The server of a peer of harness.toml, or `embedded` (the default)
    #[arg(long, value_name = "NAME", conflicts_with_all = ["stdio", "http", "url"])]
    server: Option<String>,
    /// A command that starts a server of your own on stdio
    #[arg(long, value_name = "COMMAND")]
    stdio: Option<String>,
    /// A command that starts one that listens: `{port}` in it stands for the port
    #[arg(long, value_name = "COMMAND", conflicts_with = "url")]
    http: Option<String>,
    /// The path at which that is found
    #[arg(long, value_name = "PATH", default_value = "/mcp", requires = "http")]
    path: String,
    /// The URL of one that runs already: http://127.0.0.1:3000/mcp
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

impl ClientChoice {
    pub(super) fn peer(&self, config: Option<&Path>, all: Option<&Vec<Scenario>>) -> Result<ClientPeer, String> {
        if let Some(line) = &self.driver {
            let driver = Command::parse(line, ".").map_err(|e| format!("--driver: {e}"))?;
            let words = vec!["--driver".to_owned(), line.clone()];
            return Ok(ClientPeer {
                name: line.clone(),
                words,
                driver,
                revisions: Vec::new(),
                knowledge: None,
                unready: None,
            });
        }
        match self.client.as_deref().unwrap_or(EMBEDDED) {
            EMBEDDED => embedded_client(),
            name => client(&super::peers::config(config)?, name, all),
        }
    }
}

impl ServerChoice {
    pub(super) fn peer(&self, config: Option<&Path>, all: Option<&Vec<Scenario>>) -> Result<ServerPeer, String> {
        let own = [("--stdio", &self.stdio), ("--http", &self.http), ("--url", &self.url)];
        let words: Vec<String> = own
            .iter()
            .filter_map(|(option, value)| Some([(*option).to_owned(), (*value).clone()?]))
            .flatten()
            .chain((self.path != "/mcp").then(|| ["--path".to_owned(), self.path.clone()]).into_iter().flatten())
            .collect();
        if words.is_empty() {
            return match self.server.as_deref().unwrap_or(EMBEDDED) {
                EMBEDDED => embedded_server(),
                name => server(&super::peers::config(config)?, name, all),
            };
        }
        let command = |option: &str, line: &Option<String>| {
            let line = line.as_ref().map(|line| Command::parse(line, ".").map_err(|e| format!("{option}: {e}")));
            line.transpose()
        };
        if let Some(url) = &self.url {
            Endpoint::parse(url).map_err(|e| e.to_string())?;
        }
        if self.http.as_ref().is_some_and(|line| !line.contains(crate::peer::config::PORT)) {
            return Err("--http: the server is not told on which port to listen; write {port} in the command".into());
        }
        let spec = ServerSpec {
            stdio: command("--stdio", &self.stdio)?,
            http: command("--http", &self.http)?,
            path: self.path.clone(),
            url: self.url.clone(),
        };
        let name = [&self.stdio, &self.http, &self.url].into_iter().flatten().next().cloned().unwrap_or_default();
        Ok(ServerPeer { name, words, spec, revisions: Vec::new(), bound: Map::new(), knowledge: None, unready: None })
    }
}

/// This program, started with these words.
fn own(words: &[&str]) -> Result<Command, String> {
    let program = std::env::current_exe().map_err(|e| format!("the file of this program: {e}"))?;
    let program = program.to_string_lossy().into_owned();
    let words = std::iter::once(program).chain(words.iter().map(|word| (*word).to_owned())).collect();
    let dir = std::env::current_dir().map_err(|e| format!("no folder to start it in: {e}"))?;
    Ok(Command { words, dir, env: Vec::new() })
}

/// The reference client, as a program of its own.
pub(super) fn embedded_client() -> Result<ClientPeer, String> {
    let words = vec!["--client".to_owned(), EMBEDDED.to_owned()];
    Ok(ClientPeer {
        name: EMBEDDED.into(),
        words,
        driver: own(&["drive"])?,
        revisions: played(),
        knowledge: None,
        unready: None,
    })
}

/// The reference server, as a program of its own.
pub(super) fn embedded_server() -> Result<ServerPeer, String> {
    let words = vec!["--server".to_owned(), EMBEDDED.to_owned()];
    let (stdio, http) = (Some(own(&["serve"])?), Some(own(&["serve", "--http", crate::peer::config::PORT])?));
    let spec = ServerSpec { stdio, http, path: "/mcp".into(), url: None };
    Ok(ServerPeer {
        name: EMBEDDED.into(),
        words,
        spec,
        revisions: played(),
        bound: Map::new(),
        knowledge: None,
        unready: None,
    })
}

/// The client of a peer. `all`: the scenarios there are, unless some were selected.
pub(super) fn client(config: &Config, name: &str, all: Option<&Vec<Scenario>>) -> Result<ClientPeer, String> {
    let peer = config.peer(name).map_err(|e| e.to_string())?;
    let Some((spec, driver)) = peer.client.as_ref().and_then(|spec| Some((spec, spec.driver.clone()?))) else {
        return Err(format!(
            "harness.toml names no driver of a client of {name}; add `client = {{ driver = \"..\" }}`"
        ));
    };
    let words = vec!["--client".to_owned(), name.to_owned()];
    let knowledge = output::expectations(spec.baseline.as_deref(), spec.adjudications.as_deref(), all)?;
    Ok(ClientPeer { name: name.to_owned(), words, driver, revisions: peer.revisions.clone(), knowledge, unready: None })
}

/// The server of a peer. `all` as in [`client`].
pub(super) fn server(config: &Config, name: &str, all: Option<&Vec<Scenario>>) -> Result<ServerPeer, String> {
    let peer = config.peer(name).map_err(|e| e.to_string())?;
    let knowledge = output::expectations(peer.baseline.as_deref(), peer.adjudications.as_deref(), all)?;
    Ok(ServerPeer {
        name: name.to_owned(),
        words: vec!["--server".to_owned(), name.to_owned()],
        spec: peer.server.clone(),
        revisions: peer.revisions.clone(),
        bound: peer.bound.clone(),
        knowledge,
        unready: None,
    })
}

/// Why one of these cannot be started, and what to do. What is not in harness.toml is started to see.
pub(super) fn unready(config: Option<&Path>, names: &[&str]) -> Result<Option<String>, String> {
    let Some(file) = (match config {
        Some(_) => Some(super::peers::config(config)?),
        None => super::peers::config(None).ok(),
    }) else {
        return Ok(None);
    };
    for name in names {
        if file.peers.iter().any(|peer| peer.name == *name)
            && let Some(why) = super::peers::unready(config, name)?
        {
            return Ok(Some(format!("{name} was not run: {why}")));
        }
    }
    Ok(None)
}

/// The number of cores.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The revisions that the embedded peers speak.
fn played() -> Vec<Revision> {
    Revision::ALL.into_iter().filter(|r| r.era() == Era::Legacy).collect()
}
