//! Elicitation: who may ask how, what the form says, what is answered.

use super::content::short;
use crate::conversation::{Said, Sort};
use crate::judge::evidence::Shown;
use crate::judge::monitor::{Monitor, Notes, Scene};
use crate::spec::peer_schema::PeerSchema;
use crate::wire::{Id, Party};
use serde_json::Value;
use std::collections::HashSet;

/// The rules of elicitation.
#[derive(Debug, Default)]
pub struct Elicitation {
    /// The ids that were given, by session; a notification may name only those.
    given: HashSet<(usize, String)>,
    /// Those of requests; a server uses each once.
    used: HashSet<String>,
}

impl Monitor for Elicitation {
    fn requirements(&self) -> &'static [&'static str] {
        &[
            "elicitation.capability.server-needs-capability",
            "elicitation.capability.server-respects-modes",
            "elicitation.complete.known-id",
            "elicitation.form.default-valid",
            "elicitation.required-error.needs-url-capability",
            "elicitation.required-error.only-when-needed",
            "elicitation.result.accept-has-content",
            "elicitation.result.no-content-otherwise",
            "elicitation.url.consent-before-open",
            "elicitation.url.https",
            "elicitation.url.id-unique",
            "elicitation.url.no-prefetch",
        ]
    }

    fn said(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        if said.redelivers.is_some() {
            return;
        }
        if said.requests("elicitation/create") && said.from == Party::Server {
            allowed(scene, index, said, notes);
            match mode(said) {
                "form" => defaults(index, said, notes),
                "url" => self.url(scene, index, said, notes),
                _ => {}
            }
        }
        if said.result_of("elicitation/create") && said.from == Party::Client {
            answered(scene, index, said, notes);
            opened(scene, index, said, notes);
        }
        if said.is_error() && said.error_code() == Some(-32042) && said.from == Party::Server {
            self.required(scene, index, said, notes);
        }
        if said.notifies("notifications/elicitation/complete") && said.from == Party::Server {
            self.complete(scene, index, said, notes);
        }
    }
}

/// Without a mode it is a form.
fn mode(said: &Said) -> &str {
    said.message.params().get("mode").map_or("form", |m| m.as_str().unwrap_or_default())
}

/// Did the client declare that mode? An `elicitation` that names none means forms.
fn declares(scene: &Scene<'_>, said: &Said, mode: &str) -> Option<bool> {
    let capabilities = scene.c.session_of(said)?.capabilities(Party::Client)?;
    let Some(elicitation) = capabilities.get("elicitation").filter(|e| e.is_object()) else { return Some(false) };
    let named = elicitation.get("form").is_some() || elicitation.get("url").is_some();
    Some(elicitation.get(mode).is_some() || !named && mode == "form")
}

fn allowed(scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
    let Some(declared) = scene.c.declares(said, Party::Client, "elicitation") else { return };
    let expected = "no `elicitation/create`, because the client did not declare `elicitation`";
    let id = "elicitation.capability.server-needs-capability";
    notes.either(declared, id, index, "/method", expected, "`elicitation/create`");
    let mode = mode(said);
    if let (true, "form" | "url", Some(well)) = (declared, mode, declares(scene, said, mode)) {
        let id = "elicitation.capability.server-respects-modes";
        let expected = "a mode that the client declared";
        notes.either(well, id, index, "/params/mode", expected, format!("`{mode}`"));
    }
}

/// Each default is valid by the schema of its own property.
fn defaults(index: usize, said: &Said, notes: &mut Notes<'_>) {
    let properties = said.message.params().pointer("/requestedSchema/properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        let Some(default) = property.get("default") else { continue };
        let Some(violations) = PeerSchema::compile(property).ok().and_then(|s| s.validate(default).ok()) else {
            continue;
        };
        let name = name.replace('~', "~0").replace('/', "~1");
        let pointer = format!("/params/requestedSchema/properties/{name}/default");
        let found = violations.first().map(|v| v.found.clone()).unwrap_or_default();
        let expected =
            violations.first().map_or_else(String::new, |v| format!("{}, as the property demands", v.expected));
        notes.either(violations.is_empty(), "elicitation.form.default-valid", index, &pointer, expected, found);
    }
}

fn answered(scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
    let Some(request) = scene.c.request_of(said) else { return };
    if said.message.result().get("task").is_some() {
        return;
    }
    let content = said.message.result().get("content");
    match (said.message.result().get("action").and_then(Value::as_str), mode(request)) {
        (Some("accept"), "form") => filled(index, said, request, notes),
        (Some("accept"), "url") | (Some("decline" | "cancel"), _) => {
            let id = "elicitation.result.no-content-otherwise";
            notes.either(content.is_none(), id, index, "/result/content", "no `content`", "some");
        }
        _ => {}
    }
}

/// A URL is opened by nobody before the user has agreed. Only a URL that leads to this very server shows whether it is.
fn opened(scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
    let Some(request) = scene.c.request_of(said).filter(|request| mode(request) == "url") else { return };
    let url = request.message.params().get("url").and_then(Value::as_str).unwrap_or_default();
    let Some((host, path)) = url.split_once("://").and_then(|(_, rest)| rest.split_once('/')) else { return };
    let trips = || scene.c.round_trips.values();
    if !trips().any(|trip| trip.header("host").is_some_and(|own| own.eq_ignore_ascii_case(host))) {
        return;
    }
    let path = format!("/{path}");
    let fetched = trips().filter(|trip| trip.target == path).filter_map(|trip| trip.request);
    let (before, after): (Vec<u32>, Vec<u32>) = fetched.partition(|event| *event < said.event);
    let mut show = |id: &'static str, event: Option<u32>, expected: &str| match event {
        Some(event) => {
            let verdict = Shown::Broken {
                expected: expected.to_owned(),
                found: format!("a request for {}", short(url)),
                pointer: String::new(),
            };
            notes.at(id, event, Party::Client, said.revision, verdict);
        }
        None => {
            notes.held(id, index);
        }
    };
    let expected = "that nobody fetches the URL before the user has agreed";
    show("elicitation.url.no-prefetch", before.first().copied(), expected);
    if matches!(said.message.result().get("action").and_then(Value::as_str), Some("decline" | "cancel")) {
        let expected = "that nobody opens the URL, as the user did not agree";
        show("elicitation.url.consent-before-open", after.first().copied(), expected);
    }
}

/// A form that is accepted comes back filled in as it demands.
fn filled(index: usize, said: &Said, request: &Said, notes: &mut Notes<'_>) {
    let id = "elicitation.result.accept-has-content";
    let Some(schema) = request.message.params().get("requestedSchema") else { return };
    let Some(content) = said.message.result().get("content") else {
        // a form without fields has nothing to bring
        if schema.get("properties").and_then(Value::as_object).is_some_and(|p| !p.is_empty()) {
            notes.broken(id, index, "/result", "the member `content`, as the form was accepted", "none");
        }
        return;
    };
    if !content.is_object() {
        return;
    }
    let Some(violations) = PeerSchema::compile(schema).ok().and_then(|s| s.validate(content).ok()) else { return };
    match violations.first() {
        None => {
            notes.held(id, index);
        }
        Some(v) => {
            let expected = format!("{}, as the form demands", v.expected);
            notes.broken(id, index, &format!("/result/content{}", v.instance_pointer), expected, v.found.clone());
        }
    }
}

impl Elicitation {
    fn url(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        if let Some(url) = said.message.params().get("url").and_then(Value::as_str)
            && let Some((scheme, rest)) = url.split_once("://")
        {
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let own = ["localhost", "127.0.0.1", "[::1]"]
                .iter()
                .any(|name| host.strip_prefix(name).is_some_and(|port| port.is_empty() || port.starts_with(':')));
            let well = scheme.eq_ignore_ascii_case("https") || own;
            notes.either(well, "elicitation.url.https", index, "/params/url", "an https URL", short(url));
        }
        if let Some(id) = said.message.params().get("elicitationId").and_then(Value::as_str) {
            let (own, gone) = (scene.c.scope(said.session, said.from), Id::Text(id.to_owned()));
            let fresh = self.used.insert(id.to_owned()) && !scene.c.past.has(Sort::Elicitation, own, &gone);
            let rule = "elicitation.url.id-unique";
            notes.either(
                fresh,
                rule,
                index,
                "/params/elicitationId",
                "an id of its own",
                format!("{} again", short(id)),
            );
            self.given.insert((said.session, id.to_owned()));
        }
    }

    fn required(&mut self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        let list = said.message.error().pointer("/data/elicitations").and_then(Value::as_array);
        if let Some(list) = list {
            let id = "elicitation.required-error.only-when-needed";
            let expected = "this error only where an elicitation is needed";
            notes.either(!list.is_empty(), id, index, "/error/data/elicitations", expected, "none in the list");
            let ids = list.iter().filter_map(|e| e.get("elicitationId")).filter_map(Value::as_str);
            self.given.extend(ids.map(|id| (said.session, id.to_owned())));
        }
        if let Some(declared) = declares(scene, said, "url") {
            let id = "elicitation.required-error.needs-url-capability";
            let expected = "another error, because the client did not declare `elicitation.url`";
            notes.either(declared, id, index, "/error/code", expected, "the error -32042");
        }
    }

    fn complete(&self, scene: &Scene<'_>, index: usize, said: &Said, notes: &mut Notes<'_>) {
        let begun = scene.c.session_of(said).is_some_and(|s| s.initialize.is_some());
        let Some(id) = said.message.params().get("elicitationId").and_then(Value::as_str).filter(|_| begun) else {
            return;
        };
        let known = self.given.contains(&(said.session, id.to_owned()))
            || scene.c.may_have(Sort::Elicitation, said.session, said.from, id);
        let rule = "elicitation.complete.known-id";
        let expected = "the id of an elicitation of this session";
        notes.either(known, rule, index, "/params/elicitationId", expected, short(id));
    }
}
