//! What a draft needs of the parties, and what it claims to show.

use super::course::Course;
use super::part::Part;
use super::value::literal;
use crate::conversation::{Conversation, Said};
use crate::judge::{Judgement, monitors};
use crate::scenario::pattern::Shape;
use crate::scenario::spelling;
use crate::spec::catalogue::Transport;
use crate::spec::methods::{self, Need};
use crate::spec::{Bound, Catalogue, Requirement, Revision, Seen};
use crate::trace::Trace;
use crate::wire::Party;
use std::collections::{BTreeMap, BTreeSet};

/// What every message shows is claimed only where nothing else is.
const EVERYWHERE: [&str; 3] = ["base", "transport", "lifecycle"];

/// The capabilities of a client that the harness declares unless it must not, and since when there are.
const OF_CLIENTS: [(&str, Revision); 4] = [
    ("roots", Revision::V2024_11_05),
    ("sampling", Revision::V2024_11_05),
    ("elicitation", Revision::V2025_06_18),
    ("tasks", Revision::V2025_11_25),
];
/// Likewise of a server.
const OF_SERVERS: [(&str, Revision); 6] = [
    ("tools", Revision::V2024_11_05),
    ("resources", Revision::V2024_11_05),
    ("prompts", Revision::V2024_11_05),
    ("logging", Revision::V2024_11_05),
    ("completions", Revision::V2025_03_26),
    ("tasks", Revision::V2025_11_25),
];

/// What the parties must offer, as it stands in the file.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// Of each party: `capability`, `tool`, `prompt`, `resource`, and what.
    pub(super) of: BTreeMap<Party, Vec<(&'static str, Vec<String>)>>,
}

/// What was used of the parties in a session.
pub(super) fn needs(conversation: &Conversation, session: usize, revision: Revision) -> Needs {
    let mut lacks: BTreeMap<Party, BTreeSet<String>> = BTreeMap::new();
    let mut capabilities: BTreeMap<Party, BTreeSet<String>> = BTreeMap::new();
    let mut things: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
    for said in conversation.said.iter().filter(|s| s.session == session && s.is_request()) {
        let served = said.answered_by.iter().filter_map(|i| conversation.get(*i)).any(|answer| answer.is_result());
        let method = said.method.as_deref().and_then(|m| methods::find(revision, m));
        let method = method.filter(|m| m.is_request() && m.from.has(said.from));
        if let Some(method) = method {
            // what was asked for though it was not declared must be lacking the next time too
            let mut lack = |party: Party, path: &str| {
                if conversation.declares(said, party, path) == Some(false) {
                    lacks.entry(party).or_default().insert(path.to_owned());
                }
            };
            if let Need::Receiver(path) = method.needs {
                lack(said.to(), path);
            }
            if let (true, Some(leaf)) = (methods::asks_for_task(said.message.params()), method.augmentable) {
                lack(said.to(), leaf);
            }
        }
        let Some(method) = method.filter(|_| served) else { continue };
        let mut need = |party: Party, path: &str| {
            // what was not declared was not needed either
            if conversation.declares(said, party, path) != Some(false) {
                capabilities.entry(party).or_default().insert(path.to_owned());
            }
        };
        match method.needs {
            Need::Nothing => {}
            Need::Receiver(path) => need(said.to(), path),
            Need::Sender(path) => need(said.from, path),
        }
        if let (true, Some(leaf)) = (said.augmented, method.augmentable) {
            need(said.to(), leaf);
        }
        // what is asked for in a way that has a capability of its own
        let params = said.message.params();
        match method.name {
            "elicitation/create" if params.get("mode").is_some_and(|mode| mode == "url") => {
                need(said.to(), "elicitation.url");
            }
            "sampling/createMessage" if params.get("tools").is_some() => need(said.to(), "sampling.tools"),
            _ => {}
        }
        let (thing, member) = match method.name {
            "tools/call" => ("tool", "name"),
            "prompts/get" => ("prompt", "name"),
            "resources/read" | "resources/subscribe" => ("resource", "uri"),
            _ => continue,
        };
        let name = said.message.params().get(member).and_then(|name| name.as_str());
        things.entry(thing).or_default().extend(name.filter(|name| !name.is_empty()).map(str::to_owned));
    }
    let changes =
        |s: &&Said| s.session == session && s.from == Party::Client && s.notifies("notifications/roots/list_changed");
    if conversation.said.iter().any(|s| changes(&s)) {
        capabilities.entry(Party::Client).or_default().insert("roots.listChanged".into());
    }
    // what the harness did not declare by itself it must not declare the next time either
    if let (Some(party), Some(session)) = (conversation.seat.ours(), conversation.sessions.get(session)) {
        let known: &[(&str, Revision)] = match party {
            Party::Client => &OF_CLIENTS,
            Party::Server => &OF_SERVERS,
        };
        let undeclared = |path: &&str| session.declares(party, path) == Some(false);
        let paths = known.iter().filter(|(_, since)| *since <= revision).map(|(path, _)| *path).filter(undeclared);
        lacks.entry(party).or_default().extend(paths.map(str::to_owned));
    }
    let mut needs = Needs::default();
    for (party, paths) in lacks.into_iter().filter(|(_, paths)| !paths.is_empty()) {
        needs.of.entry(party).or_default().push(("lacks", paths.into_iter().collect()));
    }
    for (party, paths) in capabilities {
        // a capability comes with those it is a part of, and a tool with the capability to have some
        let said_by_more = |path: &String| {
            let below = format!("{path}.");
            let thing = match path.as_str() {
                "tools" => "tool",
                "prompts" => "prompt",
                "resources" => "resource",
                _ => "",
            };
            paths.iter().any(|other| other.starts_with(&below))
                || (party == Party::Server && things.get(thing).is_some_and(|all| !all.is_empty()))
        };
        let paths: Vec<String> = paths.iter().filter(|path| !said_by_more(path)).cloned().collect();
        if !paths.is_empty() {
            needs.of.entry(party).or_default().push(("capability", paths));
        }
    }
    for (thing, names) in things.into_iter().filter(|(_, names)| !names.is_empty()) {
        needs.of.entry(Party::Server).or_default().push((thing, names.into_iter().collect()));
    }
    needs
}

impl Needs {
    /// As a line of the file for a party, such as `{ capability: tools, tool: echo }`.
    pub(super) fn line(&self, party: Party) -> Option<String> {
        let needed = self.of.get(&party)?;
        let spelled = |names: &[String]| {
            let all: Vec<String> = names.iter().map(|n| spelling::pattern(&literal(n.as_str()))).collect();
            match all.as_slice() {
                [one] => one.clone(),
                _ => format!("[{}]", all.join(", ")),
            }
        };
        let members: Vec<String> = needed.iter().map(|(what, names)| format!("{what}: {}", spelled(names))).collect();
        Some(format!("{{ {} }}", members.join(", ")))
    }
}

/// Puts to each part what the judge found proven by its messages, each requirement once.
pub(super) fn claim(course: &mut Course, trace: &Trace, judgement: &Judgement, revision: Revision) {
    let catalogue = Catalogue::of(revision);
    let requestor = requestor(course);
    // first what is particular, then what every message shows, and last what shows on one transport alone
    for way in [Claim::Particular, Claim::Everywhere, Claim::Carried] {
        let mut claimed: BTreeSet<(&str, Party)> = BTreeSet::new();
        for part in &mut course.parts {
            each(part, &mut |events, acting, proves| {
                for cleared in judgement.cleared.iter().filter(|c| events.contains(&c.event) && !c.presumed) {
                    let Some(requirement) = catalogue.get(&cleared.requirement) else { continue };
                    let bound = match requirement.party {
                        Bound::Party(party) => party == cleared.party,
                        Bound::Both => true,
                        // a reader of the file has to be able to tell who they are
                        Bound::Requestor => requestor == Some(cleared.party),
                        Bound::Receiver => requestor == Some(cleared.party.other()),
                        Bound::Outsider => false,
                    };
                    if bound
                        && Claim::of(requirement) == way
                        && acting.contains(&cleared.party)
                        && requirement.seen != Seen::No
                        && trace.header.seat.tests(cleared.party)
                        && monitors::covers(&cleared.requirement)
                        && claimed.insert((&cleared.requirement, cleared.party))
                        && !proves.contains(&cleared.requirement)
                    {
                        proves.push(cleared.requirement.clone());
                    }
                }
            });
        }
        if !claimed.is_empty() {
            course.transport = (way == Claim::Carried).then_some(trace.header.transport);
            return;
        }
    }
}

/// What a claim says of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// Something of what the session was about.
    Particular,
    /// What nearly every message shows.
    Everywhere,
    /// What shows on one transport alone.
    Carried,
}

impl Claim {
    fn of(requirement: &Requirement) -> Claim {
        match requirement.transport {
            Transport::Any if EVERYWHERE.contains(&requirement.area()) => Claim::Everywhere,
            Transport::Any => Claim::Particular,
            Transport::Http | Transport::Stdio => Claim::Carried,
        }
    }
}

/// What a part claims: its events, the parties that act in it, and what it proves.
type Visit<'v> = dyn FnMut(&[u32], &[Party], &mut Vec<String>) + 'v;

/// Visits what a part claims.
fn each(part: &mut Part, f: &mut Visit<'_>) {
    match part {
        Part::Act(act) => f(&[act.event], &[act.party], &mut act.proves),
        Part::May(acts) => acts.iter_mut().for_each(|act| f(&[act.event], &[act.party], &mut act.proves)),
        Part::Poll(poll) => f(&poll.events, &[Party::Client, Party::Server], &mut poll.proves),
        Part::Walk(walk) => f(&walk.events, &[Party::Client, Party::Server], &mut walk.proves),
        Part::Note(_) => {}
    }
}

/// Who is the requestor of tasks in the whole file, as its reader will take it; `None` if nobody asks for any.
fn requestor(course: &Course) -> Option<Party> {
    let (mut augments, mut asks) = (None, None);
    for part in &course.parts {
        match part {
            Part::Act(act) if act.verb == "requests" => {
                let augmented = act.payload.as_ref().is_some_and(|(_, params)| match &params.shape {
                    Shape::Object(members) => members.iter().any(|m| m.name.shape == Shape::Literal("task".into())),
                    _ => false,
                });
                if augmented {
                    augments.get_or_insert(act.party);
                }
                if act.target.starts_with("tasks/") {
                    asks.get_or_insert(act.party);
                }
            }
            Part::Poll(poll) => {
                asks.get_or_insert(poll.requestor);
            }
            Part::Walk(walk) if walk.method.starts_with("tasks/") => {
                asks.get_or_insert(Party::Client);
            }
            _ => {}
        }
    }
    augments.or(asks)
}
