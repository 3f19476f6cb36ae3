//! `harness.toml`: which peers there are, how they are set up and started, and what they claim.

use super::fields::{self, Fields, FileError, Node};
use super::process::Command;
use super::words;
use crate::scenario::bind::Bind;
use crate::scenario::diagnostic::{Diagnostics, closest};
use crate::scenario::source::{Source, Span};
use crate::spec::Revision;
use crate::trace::Transport;
use serde_json::{Map, Value};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// The name of the file.
pub const FILE: &str = "harness.toml";

/// The name of the server that the program brings with it; no peer may have it.
pub const EMBEDDED: &str = "embedded";

/// What stands for the port in the command of an HTTP server.
pub const PORT: &str = "{port}";

/// What the file says.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The file.
    pub path: PathBuf,
    /// The peers, in the order of the file.
    pub peers: Vec<Peer>,
}

/// One peer.
#[derive(Debug, Clone, PartialEq)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// What it is, in one sentence.
    pub about: Option<String>,
    /// The folder in which its commands run; absolute.
    pub dir: PathBuf,
    /// The commands that install it.
    pub setup: Vec<Command>,
    /// Files and folders in its folder that are compiled by them: what changes there is installed again.
    pub sources: Vec<String>,
    /// The programs that must be on the PATH for that, and to start it.
    pub needs: Vec<String>,
    /// How its server is reached.
    pub server: ServerSpec,
    /// Its client, if it has one.
    pub client: Option<ClientSpec>,
    /// The revisions it speaks; empty if it is not said.
    pub revisions: Vec<Revision>,
    /// What it claims to offer.
    pub claims: Claims,
    /// What is known to be wrong with it; see [`super::baseline`].
    pub baseline: Option<PathBuf>,
    /// What was said of each finding; see [`super::baseline`].
    pub adjudications: Option<PathBuf>,
    /// What is bound in place of the fixture's tools: by tool, a table for [`Bind::from_json`].
    pub bound: Map<String, Value>,
}

/// What a peer claims to offer; what it claims and does not offer is a failure.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claims {
    /// Capabilities by their dotted path.
    pub capabilities: Vec<String>,
    /// Tools by their name.
    pub tools: Vec<String>,
}

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerSpec {
    /// The command that speaks over standard input and output.
    pub stdio: Option<Command>,
    /// The command that listens on a port; [`PORT`] stands in one of its words or in its environment.
    pub http: Option<Command>,
    /// The path at which it is found then.
    pub path: String,
    /// The URL of a server that runs already.
    pub url: Option<String>,
}

/// A client, and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSpec {
    /// The command that starts its driver. It has this or the next, or both.
    pub driver: Option<Command>,
    /// The command that starts it for a scenario that its environment names, with the server's URL as its last argument.
    pub environment: Option<Command>,
    /// What is known to be wrong with it; see [`super::baseline`].
    pub baseline: Option<PathBuf>,
    /// What was said of each finding; see [`super::baseline`].
    pub adjudications: Option<PathBuf>,
}

impl ServerSpec {
    /// The transports on which it can be reached.
    #[must_use]
    pub fn transports(&self) -> Vec<Transport> {
        let http = self.http.is_some() || self.url.is_some();
        let has = [(self.stdio.is_some(), Transport::Stdio), (http, Transport::Http)];
        has.into_iter().filter_map(|(has, transport)| has.then_some(transport)).collect()
    }
}

/// There is no such peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no peer `{name}` in {}; {}", path.display(), choice(name, known))]
pub struct UnknownPeer {
    /// The name that was asked for.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// The names that there are.
    pub known: Vec<String>,
}

fn choice(name: &str, known: &[String]) -> String {
    let all = known.iter().map(String::as_str).chain([EMBEDDED]);
    let list = all.clone().collect::<Vec<_>>().join(", ");
    match closest(name, all) {
        Some(meant) => format!("did you mean `{meant}`? (there are: {list})"),
        None => format!("there are: {list}"),
    }
}

impl Peer {
    /// Does it claim that revision? A peer that says nothing of revisions is asked.
    #[must_use]
    pub fn speaks(&self, revision: Revision) -> bool {
        self.revisions.is_empty() || self.revisions.contains(&revision)
    }
}

impl Config {
    /// The peer of that name.
    ///
    /// # Errors
    /// When there is none; says which there are.
    pub fn peer(&self, name: &str) -> Result<&Peer, UnknownPeer> {
        self.peers.iter().find(|p| p.name == name).ok_or_else(|| UnknownPeer {
            name: name.to_owned(),
            path: self.path.clone(),
            known: self.peers.iter().map(|p| p.name.clone()).collect(),
        })
    }

    /// The file in that folder or in the nearest one above.
    #[must_use]
    pub fn find(from: &Path) -> Option<PathBuf> {
        from.ancestors().map(|folder| folder.join(FILE)).find(|file| file.is_file())
    }

    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, or something in it is wrong.
    pub fn load(path: &Path) -> Result<Config, FileError> {
        let source = fields::read(path)?;
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Config::read(&source, path, absolute.parent().unwrap_or(Path::new("/")))
    }

    /// Reads its text; paths in it are relative to `folder`.
    ///
    /// # Errors
    /// When something in it is wrong.
    pub fn read(source: &Arc<Source>, path: &Path, folder: &Path) -> Result<Config, FileError> {
        fields::decode(source, |file, found| {
            let peers = file.need("peers", found);
            let peers = peers.map(|node| fields::entries("`peers`", node, found)).unwrap_or_default();
            let peers = peers.into_iter().filter_map(|(name, at, node)| peer(name, at, node, folder, found)).collect();
            Config { path: path.to_owned(), peers }
        })
    }
}

fn peer(name: &str, at: Span, node: &Node<'_>, folder: &Path, found: &mut Diagnostics) -> Option<Peer> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name == EMBEDDED {
        let help = "choose another name";
        found.error_help("bad-name", at, "`embedded` is the server that the program brings with it", help);
    } else if !name.chars().all(fits) || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        let help = "use letters, digits, `-`, `_` and `.`";
        found.error_help("bad-name", at, format!("`{name}` cannot be the name of a peer"), help);
    }
    let mut f = Fields::of(format!("peer `{name}`"), node, found)?;
    let about = f.text("about", found);
    let dir = match f.take("dir").map(|node| (node, fields::text("`dir`", node, found))) {
        Some((_, Some(dir))) => folder.join(dir),
        _ => folder.to_owned(),
    };
    let setup = f.texts("setup", found);
    let setup = setup.into_iter().filter_map(|(line, at)| command(&line, at, &dir, found)).collect();
    let sources = f.texts("sources", found).into_iter().filter_map(|(name, at)| source(name, at, found)).collect();
    let needs = f.texts("needs", found).into_iter().filter_map(|(need, at)| program(need, at, found)).collect();
    let server = match f.need("server", found) {
        Some(node) => server(node, &dir, found).unwrap_or_default(),
        None => ServerSpec::default(),
    };
    let client = f.take("client").and_then(|node| client(node, &dir, folder, found));
    let revisions =
        f.texts("revisions", found).into_iter().filter_map(|(date, at)| revision(&date, at, found)).collect();
    let claims = f.take("claims").and_then(|node| claims(node, found)).unwrap_or_default();
    let baseline = f.text("baseline", found).map(|file| folder.join(file));
    let adjudications = f.text("adjudications", found).map(|file| folder.join(file));
    let bound = f.take("bind").map(|node| bound(node, found)).unwrap_or_default();
    f.finish(found);
    Some(Peer {
        name: name.to_owned(),
        about,
        dir,
        setup,
        sources,
        needs,
        server,
        client,
        revisions,
        claims,
        baseline,
        adjudications,
        bound,
    })
}

fn command(line: &str, at: Span, dir: &Path, found: &mut Diagnostics) -> Option<Command> {
    match Command::parse(line, dir) {
        Ok(command) => Some(command),
        Err(words::SplitError::Shell { word }) => {
            let message = format!("`{word}` is something for a shell, and commands are started without one");
            found.error_help("bad-command", at, message, "write sh -c '..' around it, or quote it");
            None
        }
        Err(e) => {
            found.error("bad-command", at, e.to_string());
            None
        }
    }
}

/// What is compiled lies in the peer's folder.
fn source(name: String, at: Span, found: &mut Diagnostics) -> Option<String> {
    let inside = |part| matches!(part, Component::Normal(_));
    if name.is_empty() || !Path::new(&name).components().all(inside) {
        let message = format!("`{name}` is no file or folder inside the peer's own");
        found.error_help("bad-path", at, message, "write it relative to `dir`, like `src`");
        return None;
    }
    Some(name)
}

/// A program is named; what its version must be is for readers.
fn program(need: String, at: Span, found: &mut Diagnostics) -> Option<String> {
    let name = need.split_whitespace().next().unwrap_or_default();
    if name.is_empty() {
        found.error("empty", at, "the name of a program is empty");
        return None;
    }
    Some(need)
}

pub(super) fn revision(date: &str, at: Span, found: &mut Diagnostics) -> Option<Revision> {
    let revision = Revision::parse(date);
    if revision.is_none() {
        let all: Vec<&str> = Revision::ALL.iter().map(|r| r.as_str()).collect();
        let help = format!("there are: {}", all.join(", "));
        found.error_help("unknown-revision", at, format!("there is no revision `{date}`"), help);
    }
    revision
}

fn server(node: &Node<'_>, dir: &Path, found: &mut Diagnostics) -> Option<ServerSpec> {
    let mut f = Fields::of("`server`", node, found)?;
    let before = found.len();
    let mut spec = ServerSpec::default();
    let mut env = Vec::new();
    if let Some(node) = f.take("env") {
        for (name, at, node) in fields::entries("`env`", node, found) {
            if name.is_empty() || name.contains(['=', '\0']) {
                found.error("bad-name", at, format!("`{name}` cannot be the name of an environment variable"));
            } else if let Some(value) = fields::text(&format!("`{name}`"), node, found) {
                if value.contains('\0') {
                    found.error("bad-value", fields::span(node), "an environment variable cannot hold a NUL");
                }
                env.push((name.to_owned(), value));
            }
        }
    }
    for (name, into) in [("stdio", &mut spec.stdio), ("http", &mut spec.http)] {
        let Some(node) = f.take(name) else { continue };
        let Some(line) = fields::text(&format!("`{name}`"), node, found) else { continue };
        // there is no port to tell a server that speaks over its standard input
        let fits = |value: &str| name == "http" || !value.contains(PORT);
        let env: Vec<_> = env.iter().filter(|(_, value): &&(String, String)| fits(value)).cloned().collect();
        *into = command(&line, fields::span(node), dir, found).map(|c| Command { env, ..c });
        let told = |c: &Command| c.words.iter().chain(c.env.iter().map(|(_, value)| value)).any(|t| t.contains(PORT));
        if name == "http" && into.as_ref().is_some_and(|c| !told(c)) {
            let help = "write `{port}` where the port belongs, in the command or in `env`";
            found.error_help("no-port", fields::span(node), "the server is not told on which port to listen", help);
        }
    }
    let path = f.take("path");
    spec.path = path.and_then(|node| fields::text("`path`", node, found)).unwrap_or_else(|| "/mcp".to_owned());
    if let Some(node) = path
        && (!spec.path.starts_with('/') || spec.path.contains(|c: char| c.is_whitespace() || c == '#'))
    {
        found.error_help("bad-path", fields::span(node), "this is no path of a URL", "write it like `/mcp`");
    }
    if let Some(node) = f.take("url") {
        spec.url = fields::text("`url`", node, found);
        if let Some(Err(e)) = spec.url.as_deref().map(crate::transport::Endpoint::parse) {
            found.error("bad-url", fields::span(node), e.to_string());
        }
        if spec.http.is_some() || path.is_some() {
            let help = "keep `url` for a server that runs already, or `http` and `path` for one to start";
            found.error_help("contradiction", fields::span(node), "`url` stands beside `http` or `path`", help);
        }
    }
    if spec.transports().is_empty() && found.len() == before {
        let help = "add `stdio`, `http` or `url`";
        found.error_help("missing-key", f.span(), "`server` does not say how the server is reached", help);
    }
    f.finish(found);
    Some(spec)
}

fn client(node: &Node<'_>, dir: &Path, folder: &Path, found: &mut Diagnostics) -> Option<ClientSpec> {
    let mut f = Fields::of("`client`", node, found)?;
    let before = found.len();
    let mut started = |name: &'static str| {
        let node = f.take(name)?;
        let line = fields::text(&format!("`{name}`"), node, found)?;
        command(&line, fields::span(node), dir, found)
    };
    let (driver, environment) = (started("driver"), started("environment"));
    if driver.is_none() && environment.is_none() && found.len() == before {
        let help = "add `driver` or `environment`";
        found.error_help("missing-key", f.span(), "`client` does not say how the client is started", help);
    }
    let baseline = f.text("baseline", found).map(|file| folder.join(file));
    let adjudications = f.text("adjudications", found).map(|file| folder.join(file));
    f.finish(found);
    Some(ClientSpec { driver, environment, baseline, adjudications })
}

fn claims(node: &Node<'_>, found: &mut Diagnostics) -> Option<Claims> {
    let mut f = Fields::of("`claims`", node, found)?;
    let capabilities = f.texts("capabilities", found).into_iter().map(|(name, _)| name).collect();
    let tools = f.texts("tools", found).into_iter().map(|(name, _)| name).collect();
    f.finish(found);
    Some(Claims { capabilities, tools })
}

fn bound(node: &Node<'_>, found: &mut Diagnostics) -> Map<String, Value> {
    let mut bound = Map::new();
    for (tool, _, node) in fields::entries("`bind`", node, found) {
        let Value::Object(table) = fields::json(node, found) else {
            found.error("wrong-type", fields::span(node), format!("what is bound to {tool} must be a table"));
            continue;
        };
        if let Err(e) = Bind::from_json(&table) {
            found.error("bad-bind", fields::span(node), format!("what is bound to {tool}: {e}"));
        }
        bound.insert(tool.to_owned(), Value::Object(table));
    }
    bound
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
