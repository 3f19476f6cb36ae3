//! What a server offers, asked before anything is played against it: capabilities, tools, prompts, resources, session.

use crate::judge::finding::Blame;
use crate::reference::{Route, SessionKey, client};
use crate::scenario::Scenario;
use crate::scenario::model::{Needed, StepBody, Verb, each_step};
use crate::seat::refusal;
use crate::spec::methods::Need;
use crate::spec::{Revision, methods};
use crate::trace::event::{Body, StreamId};
use crate::trace::{Closing, Transport};
use crate::transport::{Link, LinkWhat, Order, SendOrder};
use crate::wire::json::Limits;
use crate::wire::message::{self, Kind};
use crate::wire::{Id, Message, Party};
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long one answer may take of a server of which nothing is known.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long the first answer may take of a program that was just started.
const START: Duration = Duration::from_secs(15);
/// How long the acceptance of `notifications/initialized` is waited for.
const ACCEPTANCE: Duration = Duration::from_secs(3);
/// How long the end of a program is waited for when one of its pipes has broken: it says more than the pipe does.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// At most so many pages of a list are read.
const MOST_PAGES: usize = 100;

/// What a server offers.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// The revision it agreed to.
    pub version: String,
    /// Its capabilities.
    pub capabilities: Value,
    /// Its name and version, as it says.
    pub server: String,
    /// The names of its tools.
    pub tools: Vec<String>,
    /// The names of its prompts.
    pub prompts: Vec<String>,
    /// The URIs of its resources.
    pub resources: Vec<String>,
    /// Does it assign a session id (over HTTP)?
    pub session: bool,
}

impl Offer {
    /// The same without these capabilities.
    #[must_use]
    pub fn without(&self, capabilities: &[String]) -> Offer {
        let mut offer = self.clone();
        for path in capabilities {
            methods::undeclare(&mut offer.capabilities, path);
        }
        offer
    }

    /// What a scenario needs and this server has not, in one sentence; `None` if nothing is missing.
    #[must_use]
    pub fn lacks(&self, scenario: &Scenario, revision: Revision, transport: Transport) -> Option<String> {
        let ours = client::capabilities(revision);
        let names = crate::scenario::binding::Bindings::new(scenario, &serde_json::Map::new());
        scenario
            .needs
            .iter()
            .find_map(|need| match (&need.what, need.party) {
                (Needed::Capability(path), Party::Server) => (!methods::declared(&self.capabilities, path))
                    .then(|| format!("the server does not declare the capability {path}")),
                (Needed::Lack(path), Party::Server) => methods::declared(&self.capabilities, path).then(|| {
                    format!("the server declares the capability {path}, and this is about servers that do not")
                }),
                (Needed::Capability(path), Party::Client) => (!methods::declared(&ours, path))
                    .then(|| format!("the client has no capability {path} in {revision}")),
                (Needed::Tool(name), _) => {
                    let name = names.text(name);
                    (!self.tools.contains(&name)).then(|| format!("the server has no tool {name}, and none is bound"))
                }
                (Needed::Prompt(name), _) => {
                    let name = names.text(name);
                    (!self.prompts.contains(&name)).then(|| format!("the server has no prompt {name}"))
                }
                (Needed::Resource(uri), _) => {
                    let uri = names.text(uri);
                    (!self.resources.contains(&uri)).then(|| format!("the server has no resource {uri}"))
                }
                // such a file has no seat in which the server is not ours
                (Needed::Moved, _) => Some("nobody moves a server that is not ours".to_owned()),
                // our own does as it is told
                (Needed::Lack(_), Party::Client) => None,
                (Needed::Session, _) => (transport == Transport::Http && !self.session)
                    .then(|| "the server assigns no session id".to_owned()),
            })
            .or_else(|| self.undeclared(scenario, revision))
    }

    /// A method that the file has our client request, and whose capability the server does not declare: requesting it all
    /// the same would be our fault.
    fn undeclared(&self, scenario: &Scenario, revision: Revision) -> Option<String> {
        let mut missing = None;
        each_step(&scenario.exchange, &mut |step| {
            let StepBody::Act(act) = &step.body else { return };
            let (Party::Client, Verb::Requests { method }, true) = (act.party, &act.verb, act.breaks.is_empty()) else {
                return;
            };
            if let Some(Need::Receiver(path)) = methods::find(revision, method).map(|m| m.needs)
                && !methods::declared(&self.capabilities, path)
            {
                missing
                    .get_or_insert(format!("the server does not declare the capability {path}, which {method} needs"));
            }
        });
        missing
    }
}

/// Why it is not known what a server offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// What went wrong, in one sentence.
    pub what: String,
    /// The server, once it has answered `initialize` well; the environment before that.
    pub blame: Blame,
    /// The revision that it named in place of the one it was asked for.
    pub speaks: Option<String>,
}

/// Asks a server what it offers, in a session of its own. Each answer may take so long, and the first of a program longer.
///
/// # Errors
/// What went wrong, and whose fault that is.
pub async fn survey(mut link: Link, revision: Revision, patience: Duration) -> Result<Offer, Failed> {
    let start = if link.transport() == Transport::Stdio { START } else { patience };
    let mut asker = Asker {
        link: &mut link,
        patience: patience.max(start),
        next: 0,
        trips: BTreeMap::new(),
        session: false,
        opened: false,
        how_gone: None,
        said: None,
        speaks: None,
    };
    let offer = asker.survey(revision, patience).await;
    let blame = if asker.opened { Blame::Server } else { Blame::Environment };
    let speaks = asker.speaks.take();
    let offer = offer.map_err(|what| Failed { what, blame, speaks });
    if link.transport() == Transport::Http {
        link.order(Order::Delete { session: SessionKey(0), headers: Vec::new(), step: None });
    }
    link.order(Order::EndInput);
    link.finish(Duration::from_secs(2)).await;
    offer
}

struct Asker<'a> {
    link: &'a mut Link,
    patience: Duration,
    next: i64,
    trips: BTreeMap<StreamId, u32>,
    session: bool,
    opened: bool,
    how_gone: Option<String>,
    /// What it said last that was no answer to what was asked, and how often it said such a thing.
    said: Option<(String, usize)>,
    /// The revision that it named in place of the one it was asked for.
    speaks: Option<String>,
}

impl Asker<'_> {
    async fn survey(&mut self, revision: Revision, patience: Duration) -> Result<Offer, String> {
        let params = json!({
            "protocolVersion": revision.as_str(),
            "capabilities": client::capabilities(revision),
            "clientInfo": { "name": "mcp-interop", "version": env!("CARGO_PKG_VERSION") },
        });
        let result = self.ask("initialize", params).await?;
        self.patience = patience;
        let version = result.get("protocolVersion").and_then(Value::as_str);
        let version = version.ok_or("its answer to `initialize` has no protocolVersion")?.to_owned();
        if version != revision.as_str() {
            // data of a peer: of a revision that is none, not everything need be shown
            let shown: String = version.chars().take(40).collect();
            let advice = match Revision::ALL.into_iter().find(|known| known.as_str() == version) {
                Some(known) => format!("; to test it with that one, add --revision {known}"),
                None => ", which is not known here".to_owned(),
            };
            let what = format!("it was asked for revision {revision} and speaks {shown}{advice}");
            self.speaks = Some(shown);
            return Err(what);
        }
        self.opened = true;
        self.link.order(Order::Version { session: SessionKey(0), version: version.clone() });
        self.say(&message::notification("notifications/initialized", None));
        if self.link.transport() == Transport::Http {
            self.accepted().await;
        }
        let capabilities = result.get("capabilities").cloned().unwrap_or_else(|| json!({}));
        let info = |member: &str| result.pointer(member).and_then(Value::as_str).unwrap_or("?").to_owned();
        let server = format!("{} {}", info("/serverInfo/name"), info("/serverInfo/version"));
        let mut lists: Vec<Vec<String>> = Vec::new();
        for (capability, method, page, member) in [
            ("tools", "tools/list", "tools", "name"),
            ("prompts", "prompts/list", "prompts", "name"),
            ("resources", "resources/list", "resources", "uri"),
        ] {
            let names = match methods::declared(&capabilities, capability) {
                true => self.list(method, page, member).await?,
                false => Vec::new(),
            };
            lists.push(names);
        }
        let mut lists = lists.into_iter();
        let mut next = || lists.next().unwrap_or_default();
        let (tools, prompts, resources) = (next(), next(), next());
        Ok(Offer { version, capabilities, server, tools, prompts, resources, session: self.session })
    }

    async fn list(&mut self, method: &str, page: &str, member: &str) -> Result<Vec<String>, String> {
        let mut names = Vec::new();
        let mut cursor: Option<Value> = None;
        for _ in 0..MOST_PAGES {
            let params = cursor.take().map_or_else(|| json!({}), |cursor| json!({ "cursor": cursor }));
            let result = self.ask(method, params).await?;
            let items = result.get(page).and_then(Value::as_array).cloned().unwrap_or_default();
            names.extend(items.iter().filter_map(|item| item.get(member)?.as_str().map(str::to_owned)));
            match result.get("nextCursor") {
                Some(next) if next.is_string() => cursor = Some(next.clone()),
                _ => return Ok(names),
            }
        }
        Err(format!("its {method} has more than {MOST_PAGES} pages"))
    }

    fn say(&mut self, message: &Value) {
        let bytes = Bytes::from(message.to_string());
        let events = self.link.order(Order::Send(SendOrder::new(SessionKey(0), Route::Unrelated, bytes)));
        for event in events {
            if let LinkWhat::Record(Body::StreamOpened { stream, round_trip: Some(trip), .. }) = event.what {
                self.trips.insert(stream, trip);
            }
        }
    }

    /// Waits until the last notification is accepted, or for a while.
    async fn accepted(&mut self) {
        let Some(trip) = self.trips.values().max().copied() else { return };
        let waited = async {
            while let Some(event) = self.link.next().await {
                if matches!(event.what, LinkWhat::Record(Body::HttpResponse { round_trip, .. }) if round_trip == trip) {
                    return;
                }
            }
        };
        // a server that never accepts it shows that in the plays
        let _ = tokio::time::timeout(ACCEPTANCE, waited).await;
    }

    async fn ask(&mut self, method: &str, params: Value) -> Result<Value, String> {
        self.next += 1;
        let id = Id::Integer(self.next);
        self.say(&message::request(&id, method, Some(params)));
        // over HTTP only what happens to its own round trip says something about the request
        let own = self.trips.values().max().copied();
        let mut deadline = tokio::time::Instant::now() + self.patience;
        self.said = None;
        loop {
            let Ok(event) = tokio::time::timeout_at(deadline, self.link.next()).await else {
                return Err(match self.how_gone.take() {
                    Some(how) => format!("{how} before it answered `{method}`"),
                    None => {
                        let heard = match self.said.take() {
                            Some((last, 1)) => format!("; what it said was {last}"),
                            Some((last, times)) => format!("; it said {times} other things, the last was {last}"),
                            None => String::new(),
                        };
                        format!("it did not answer `{method}` within {} s{heard}", self.patience.as_secs())
                    }
                });
            };
            let Some(event) = event else {
                let how = self.how_gone.take().unwrap_or_else(|| "it closed the connection".to_owned());
                return Err(format!("{how} before it answered `{method}`"));
            };
            let LinkWhat::Record(body) = event.what else { continue };
            match body {
                Body::StreamOpened { stream, round_trip: Some(trip), .. } => drop(self.trips.insert(stream, trip)),
                Body::HttpResponse { round_trip, status, headers, body } if own == Some(round_trip) => {
                    self.session |= headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("mcp-session-id"));
                    // the head of a refusal may be followed by a message that says more
                    if !refusal::is_mcp(status, &headers) && (body.is_some() || !refusal::is_json(&headers)) {
                        let words = refusal::words(status, &headers, body.as_ref());
                        return Err(format!("it answered `{method}` with {words}"));
                    }
                }
                Body::ProcessExited { code, signal, .. } => {
                    self.how_gone = Some(match (code, signal) {
                        (Some(code), _) => format!("it exited with code {code}"),
                        (None, Some(signal)) => format!("it was ended by signal {signal}"),
                        (None, None) => "it exited".to_owned(),
                    });
                }
                Body::StreamClosed { stream, how, .. } => {
                    let trip = self.trips.get(&stream).copied();
                    let how = match how {
                        Closing::Cut(why) => format!("the connection broke ({why})"),
                        Closing::Bound(what) => return Err(format!("in place of an answer to `{method}` came {what}")),
                        // on stdio the program's end follows, and the end of the link
                        Closing::Clean => continue,
                    };
                    match (self.link.transport(), trip == own) {
                        (Transport::Http, true) => return Err(format!("{how} before it answered `{method}`")),
                        (Transport::Http, false) => {}
                        (Transport::Stdio, _) => {
                            deadline = deadline.min(tokio::time::Instant::now() + LAST_WORDS);
                            self.how_gone.get_or_insert(how);
                        }
                    }
                }
                // what was too long is told with the end of its stream
                Body::Message { cut_from: Some(_), .. } => {}
                Body::Message { from: Party::Server, text, .. } => {
                    let message = Message::read(Bytes::from(text.bytes()), &Limits::default());
                    let times = self.said.take().map_or(1, |(_, times)| times + 1);
                    // data of a peer: the beginning is enough
                    let shown: String = String::from_utf8_lossy(message.raw()).chars().take(120).collect();
                    self.said = Some((format!("{shown:?}"), times));
                    match message.kind() {
                        Kind::Result { id: Some(came) } if *came == id => return Ok(message.result().clone()),
                        Kind::Error { id: Some(came) } if *came == id => {
                            return Err(format!("it answered `{method}` with the error {}", message.error()));
                        }
                        Kind::Request { id, method } if method == "ping" => {
                            let answer = message::result(id, json!({}));
                            self.say(&answer);
                        }
                        Kind::Unreadable(why) => {
                            return Err(format!(
                                "in place of an answer to `{method}` it wrote {shown:?}, which is no JSON ({why})"
                            ));
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
    }
}
