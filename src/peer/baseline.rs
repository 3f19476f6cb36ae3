//! What is known of a peer: its *baseline* (findings that are expected until somebody mends them) and its *adjudications*
//! (what a person said of each distinct finding). Both are TOML files beside the peer.
//!
//! ```toml
//! # baseline.toml
//! [[known]]
//! finding = "tasks.create.initial-status-working@server"
//! scenario = "tasks/question-in-a-task"    # optional, as are `transport`, `revision` and `pointer`
//! reason = "the store begins with another status"
//! link = "https://example.org/issues/1"    # optional
//!
//! # adjudications.toml
//! [[adjudicated]]
//! finding = "exchange:tasks/question-in-a-task/4.1@server"
//! transports = ["stdio", "http"]
//! message = '{"jsonrpc":"2.0", ..}'
//! sentence = "The receiver moves the task to input_required"
//! verdict = true                           # or false, or "ambiguous"
//! note = "reported"                        # optional
//! ```

use super::config::revision;
use super::fields::{self, Fields, FileError};
use crate::judge::finding::{Blame, Finding};
use crate::scenario::diagnostic::{Diagnostics, closest};
use crate::scenario::source::{Source, Span};
use crate::spec::Revision;
use crate::spec::catalogue::Catalogue;
use crate::trace::Transport;
use std::path::Path;
use std::sync::Arc;
use toml::de::DeValue;

/// What makes findings of different runs and transports the same one. As text: `REQUIREMENT@BLAME`, or
/// `exchange:SCENARIO/STEP@BLAME` where no requirement but the exchange itself failed (`-` for no step).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FindingKey {
    /// What was broken.
    pub what: Broken,
    /// Who is at fault.
    pub blame: Blame,
}

/// What can be broken.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Broken {
    /// A requirement.
    Requirement(String),
    /// The exchange of a scenario.
    Exchange {
        /// The scenario's id.
        scenario: String,
        /// The step.
        step: Option<String>,
    },
}

impl FindingKey {
    /// The key of a finding in a play of that scenario.
    #[must_use]
    pub fn of(scenario: &str, finding: &Finding) -> FindingKey {
        let what = match &finding.requirement {
            Some(id) => Broken::Requirement(id.clone()),
            None => Broken::Exchange { scenario: scenario.to_owned(), step: finding.step.clone() },
        };
        FindingKey { what, blame: finding.blame }
    }

    /// Reads what [`std::fmt::Display`] writes.
    ///
    /// # Errors
    /// What is wrong, in one sentence without a full stop.
    pub fn parse(text: &str) -> Result<FindingKey, String> {
        let form = "write `REQUIREMENT@server` or `exchange:SCENARIO/STEP@server`";
        let (what, blame) = text.rsplit_once('@').ok_or_else(|| format!("it does not say who is at fault; {form}"))?;
        let all = [Blame::Client, Blame::Server, Blame::Harness, Blame::Scenario, Blame::Environment];
        let blame = all.into_iter().find(|b| b.as_str() == blame).ok_or_else(|| {
            let names = all.map(Blame::as_str);
            format!("nobody called `{blame}` can be at fault; there are: {}", names.join(", "))
        })?;
        let what = match what.strip_prefix("exchange:") {
            None => Broken::Requirement(what.to_owned()),
            Some(place) => {
                let (scenario, step) = place.rsplit_once('/').ok_or_else(|| format!("it names no step; {form}"))?;
                Broken::Exchange { scenario: scenario.to_owned(), step: (step != "-").then(|| step.to_owned()) }
            }
        };
        Ok(FindingKey { what, blame })
    }
}

impl std::fmt::Display for FindingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.what {
            Broken::Requirement(id) => write!(f, "{id}@{}", self.blame),
            Broken::Exchange { scenario, step } => {
                write!(f, "exchange:{scenario}/{}@{}", step.as_deref().unwrap_or("-"), self.blame)
            }
        }
    }
}

/// Which findings an entry speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The finding.
    pub key: FindingKey,
    /// Only in this scenario; without `#` in all of its cases.
    pub scenario: Option<String>,
    /// Only on these transports; all if it is empty.
    pub transports: Vec<Transport>,
    /// Only in this revision.
    pub revision: Option<Revision>,
    /// Only at this place of a message, a JSON pointer.
    pub pointer: Option<String>,
    /// Only where two programs are put together, neither of them ours.
    pub pair: bool,
    /// It does not show in every run (a race), so it is never stale.
    pub sometimes: bool,
    /// `file:line:column` of the entry.
    pub place: String,
}

impl Scope {
    /// Is a play of this scenario what the entry is about?
    #[must_use]
    pub fn covers_scenario(&self, scenario: &str) -> bool {
        let covers = |own: &str| {
            scenario
                .strip_prefix(own)
                .is_some_and(|rest| rest.is_empty() || (rest.starts_with('#') && !own.contains('#')))
        };
        let named = match &self.key.what {
            Broken::Exchange { scenario: own, .. } => own == scenario,
            Broken::Requirement(_) => true,
        };
        named && self.scenario.as_deref().is_none_or(covers)
    }

    /// Does the entry speak of that transport?
    #[must_use]
    pub fn covers_transport(&self, transport: Transport) -> bool {
        self.transports.is_empty() || self.transports.contains(&transport)
    }

    /// Does the entry speak of that finding?
    #[must_use]
    pub fn covers(&self, scenario: &str, transport: Transport, revision: Revision, finding: &Finding) -> bool {
        self.covers_scenario(scenario)
            && self.covers_transport(transport)
            && self.revision.is_none_or(|own| own == revision)
            && self.pointer.as_deref().is_none_or(|own| own == finding.pointer.as_deref().unwrap_or_default())
            && self.key == FindingKey::of(scenario, finding)
    }
}

/// A finding that is expected until somebody mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Which.
    pub scope: Scope,
    /// Why it is left as it is.
    pub reason: String,
    /// Where more is said.
    pub link: Option<String>,
}

/// What a person said of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adjudication {
    /// The peer does what the finding says, and the specification forbids it.
    True,
    /// The harness is wrong.
    False,
    /// The specification can be read either way.
    Ambiguous,
}

impl Adjudication {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Adjudication::True => "true",
            Adjudication::False => "false",
            Adjudication::Ambiguous => "ambiguous",
        }
    }
}

/// A finding that a person has looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjudicated {
    /// Which, and on which transports it shows.
    pub scope: Scope,
    /// The message that shows it, as it was on the wire, shortened.
    pub message: String,
    /// What the specification asks.
    pub sentence: String,
    /// What was said of it.
    pub verdict: Adjudication,
    /// What else there is to say.
    pub note: Option<String>,
}

/// All that is known of a peer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Knowledge {
    /// Its baseline.
    pub known: Vec<Known>,
    /// Its adjudications.
    pub adjudicated: Vec<Adjudicated>,
}

impl Knowledge {
    /// Reads the files that there are; `None` where there is none. `scenarios` as in [`load_baseline`].
    ///
    /// # Errors
    /// As [`load_baseline`].
    pub fn load(
        baseline: Option<&Path>,
        adjudications: Option<&Path>,
        scenarios: &[&str],
    ) -> Result<Option<Knowledge>, FileError> {
        if baseline.is_none() && adjudications.is_none() {
            return Ok(None);
        }
        let known = baseline.map(|path| load_baseline(path, scenarios)).transpose()?.unwrap_or_default();
        let adjudicated =
            adjudications.map(|path| load_adjudications(path, scenarios)).transpose()?.unwrap_or_default();
        Ok(Some(Knowledge { known, adjudicated }))
    }
}

/// Reads a baseline. `scenarios` are the ids that there are, to tell slips from names; none: not checked.
///
/// # Errors
/// When it cannot be read, or something in it is wrong: keys, types, ids that do not exist.
pub fn load_baseline(path: &Path, scenarios: &[&str]) -> Result<Vec<Known>, FileError> {
    read_baseline(&fields::read(path)?, scenarios)
}

/// As [`load_baseline`], from a text.
///
/// # Errors
/// As [`load_baseline`].
pub fn read_baseline(source: &Arc<Source>, scenarios: &[&str]) -> Result<Vec<Known>, FileError> {
    fields::decode(source, |file, found| {
        entries("known", file, found, |f, found| {
            let scope = scope(f, source, scenarios, found)?;
            if !matches!(scope.key.blame, Blame::Client | Blame::Server) {
                let help = "only what a peer does can be in its baseline";
                found.error_help("bad-finding", f.span(), "this is no fault of a peer", help);
            }
            let (reason, link) = (f.need_text("reason", found), f.text("link", found));
            Some(Known { scope, reason: reason?, link })
        })
    })
}

/// Reads adjudications; see [`load_baseline`].
///
/// # Errors
/// As [`load_baseline`].
pub fn load_adjudications(path: &Path, scenarios: &[&str]) -> Result<Vec<Adjudicated>, FileError> {
    read_adjudications(&fields::read(path)?, scenarios)
}

/// As [`load_adjudications`], from a text.
///
/// # Errors
/// As [`load_baseline`].
pub fn read_adjudications(source: &Arc<Source>, scenarios: &[&str]) -> Result<Vec<Adjudicated>, FileError> {
    fields::decode(source, |file, found| {
        entries("adjudicated", file, found, |f, found| {
            let scope = scope(f, source, scenarios, found);
            let (message, sentence) = (f.need_text("message", found), f.need_text("sentence", found));
            let (verdict, note) = (verdict(f, found), f.text("note", found));
            Some(Adjudicated { scope: scope?, message: message?, sentence: sentence?, verdict: verdict?, note })
        })
    })
}

fn entries<T>(
    name: &'static str,
    file: &mut Fields<'_, '_>,
    found: &mut Diagnostics,
    mut read: impl FnMut(&mut Fields<'_, '_>, &mut Diagnostics) -> Option<T>,
) -> Vec<T> {
    // a file without entries says that nothing is known
    let Some(list) = file.take(name) else { return Vec::new() };
    let mut all = Vec::new();
    for node in fields::items(&format!("`{name}`"), list, found) {
        let Some(mut f) = Fields::of(format!("an entry of `{name}`"), node, found) else { continue };
        all.extend(read(&mut f, found));
        f.finish(found);
    }
    all
}

fn scope(f: &mut Fields<'_, '_>, source: &Arc<Source>, scenarios: &[&str], found: &mut Diagnostics) -> Option<Scope> {
    let revision = f.take("revision").and_then(|node| {
        let date = fields::text("`revision`", node, found)?;
        revision(&date, fields::span(node), found)
    });
    let finding = f.need("finding", found);
    let key = finding.and_then(|node| {
        let (text, at) = (fields::text("`finding`", node, found)?, fields::span(node));
        match FindingKey::parse(&text) {
            Ok(key) => {
                check(&key, revision, scenarios, at, found);
                Some(key)
            }
            Err(why) => {
                found.error("bad-finding", at, format!("`{text}` names no finding: {why}"));
                None
            }
        }
    });
    let scenario = f.take("scenario").and_then(|node| {
        let id = fields::text("`scenario`", node, found)?;
        known_scenario(&id, scenarios, fields::span(node), found);
        Some(id)
    });
    let mut transports = Vec::new();
    for (name, at) in f.texts("transports", found) {
        transports.extend(transport(&name, at, found));
    }
    if let Some(node) = f.take("transport")
        && let Some(name) = fields::text("`transport`", node, found)
    {
        transports.extend(transport(&name, fields::span(node), found));
    }
    let (pointer, sometimes) = (f.text("pointer", found), f.flag("sometimes", found));
    let pair = f.flag("pair", found);
    let (line, column) = source.line_column(f.span().start);
    let place = format!("{}:{line}:{column}", source.name);
    Some(Scope { key: key?, scenario, transports, revision, pointer, pair, sometimes, place })
}

fn transport(name: &str, at: Span, found: &mut Diagnostics) -> Option<Transport> {
    let transport = Transport::ALL.into_iter().find(|t| t.as_str() == name);
    if transport.is_none() {
        found.error_help("unknown-transport", at, format!("there is no transport `{name}`"), "there are: stdio, http");
    }
    transport
}

fn verdict(f: &mut Fields<'_, '_>, found: &mut Diagnostics) -> Option<Adjudication> {
    let node = f.need("verdict", found)?;
    let word = match node.get_ref() {
        DeValue::Boolean(true) => "true",
        DeValue::Boolean(false) => "false",
        DeValue::String(word) => word,
        _ => "",
    };
    let all = [Adjudication::True, Adjudication::False, Adjudication::Ambiguous];
    let verdict = all.into_iter().find(|a| a.as_str() == word);
    if verdict.is_none() {
        let message = "`verdict` must be true, false or \"ambiguous\"";
        found.error("wrong-type", fields::span(node), message);
    }
    verdict
}

/// What an entry names must exist.
fn check(key: &FindingKey, revision: Option<Revision>, scenarios: &[&str], at: Span, found: &mut Diagnostics) {
    match &key.what {
        Broken::Requirement(id) => {
            let there = |r: Revision| Catalogue::of(r).get(id).is_some();
            if revision.map_or_else(|| Revision::ALL.into_iter().any(there), there) {
                return;
            }
            let (message, help) = match revision {
                Some(revision) if Revision::ALL.into_iter().any(there) => {
                    let elsewhere: Vec<&str> =
                        Revision::ALL.into_iter().filter(|r| there(*r)).map(Revision::as_str).collect();
                    let message = format!("there is no requirement `{id}` in {revision}");
                    (message, Some(format!("there is one in {}", elsewhere.join(", "))))
                }
                _ => {
                    let ids = Revision::ALL.into_iter().flat_map(|r| Catalogue::of(r).iter());
                    let meant = closest(id, ids.map(|r| r.id.as_str()));
                    (format!("there is no requirement `{id}`"), meant.map(|meant| format!("did you mean `{meant}`?")))
                }
            };
            match help {
                Some(help) => found.error_help("unknown-requirement", at, message, help),
                None => found.error("unknown-requirement", at, message),
            }
        }
        Broken::Exchange { scenario, .. } => known_scenario(scenario, scenarios, at, found),
    }
}

fn known_scenario(id: &str, scenarios: &[&str], at: Span, found: &mut Diagnostics) {
    let stem = |id: &str| id.split('#').next().unwrap_or_default().to_owned();
    if scenarios.is_empty() || scenarios.iter().any(|s| *s == id || stem(s) == id) {
        return;
    }
    let message = format!("there is no scenario `{id}`");
    match closest(id, scenarios.iter().copied()) {
        Some(meant) => found.error_help("unknown-scenario", at, message, format!("did you mean `{meant}`?")),
        None => found.error("unknown-scenario", at, message),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    const SCENARIOS: [&str; 3] = ["tasks/question-in-a-task", "tasks/unknown-ids#get", "tasks/unknown-ids#result"];

    #[test]
    fn a_key_is_read_as_it_is_written() {
        for text in [
            "base.request.answered@server",
            "exchange:tasks/question-in-a-task/4.1@client",
            "exchange:tasks/unknown-ids#get/-@harness",
        ] {
            assert_eq!(FindingKey::parse(text).unwrap().to_string(), text);
        }
        let said =
            ["base.request.answered", "a.b@nobody", "exchange:x@server"].map(|t| FindingKey::parse(t).unwrap_err());
        insta::assert_snapshot!(said.join("\n"));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_shown_where_it_stands() {
        let text = r#"
[[known]]
finding = "base.request.answred@server"
reason = "x"
[[known]]
finding = "tasks.create.returns-create-task-result@server"
revision = "2024-11-05"
scenario = "tasks/question-in-task"
transport = "htp"
reason = " "
[[known]]
finding = "base.request.answered@harness"
reason = "x"
because = "y"
[[known]]
finding = "base.request.answered"
"#;
        let error = read_baseline(&Source::new("baseline.toml", text), &SCENARIOS).unwrap_err();
        insta::assert_snapshot!(error.to_string());
        let text = "[[adjudicated]]\nfinding = 'exchange:tasks/unknown-idz#get/3@server'\nverdict = 'perhaps'\n";
        let error = read_adjudications(&Source::new("adjudications.toml", text), &SCENARIOS).unwrap_err();
        insta::assert_snapshot!(error.to_string());
    }

    #[test]
    fn both_kinds_of_file_are_read() {
        let known = read_baseline(
            &Source::new(
                "b.toml",
                "[[known]]\nfinding='base.request.answered@server'\nscenario='tasks/unknown-ids'\ntransport='http'\n\
                 pointer='/result'\nreason='slow'\nlink='https://example.org'\nsometimes=true",
            ),
            &SCENARIOS,
        )
        .unwrap();
        let scope = &known[0].scope;
        assert_eq!(
            (scope.place.as_str(), scope.sometimes, &scope.transports[..]),
            ("b.toml:1:1", true, &[Transport::Http][..])
        );
        assert!(scope.covers_scenario("tasks/unknown-ids#get") && !scope.covers_scenario("tasks/unknown-idsx"));
        let said = read_adjudications(
            &Source::new(
                "a.toml",
                "[[adjudicated]]\nfinding='exchange:tasks/question-in-a-task/4.1@server'\ntransports=['stdio','http']\n\
                 message='''{\"id\":1}'''\nsentence='it asks'\nverdict=true",
            ),
            &SCENARIOS,
        )
        .unwrap();
        assert_eq!((said[0].verdict, said[0].scope.transports.len()), (Adjudication::True, 2));
        assert!(read_baseline(&Source::new("b.toml", ""), &[]).unwrap().is_empty());
    }
}
