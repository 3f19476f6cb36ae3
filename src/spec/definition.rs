//! Which definitions a message must be as, by what it is; and the check of a message against them.
//!
//! The unions of the published schemas (`ServerResult`, `JSONRPCMessage` and the like) accept nearly everything and are
//! never used.

use super::catalogue::Level;
use super::methods::{self, Method, Shape};
use super::schema::{MOST, Schemas};
use super::violation::Violation;
use super::{Era, Revision};
use crate::wire::{Kind, Party};
use serde_json::Value;

/// What is known of the request that an answer answers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a str,
    /// Did it ask to be run as a task (2025-11-25; see [`methods::asks_for_task`])?
    pub augmented: bool,
    /// Did the party that answers declare the capability for that (`Method.augmentable`)?
    pub declared: bool,
    /// For `tasks/result`: the method of the request that created the task, if that was seen.
    pub created_by: Option<&'a str>,
    /// For `tasks/result`: was the task seen to be cancelled? Then there is no result that the answer could be.
    pub cancelled: bool,
}

/// One definition that one part of a message must be as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The name of the definition (see [`Schemas`]).
    pub definition: &'static str,
    /// JSON pointer to the part; empty for the whole message.
    pub pointer: &'static str,
}

const fn whole(definition: &'static str) -> Part {
    Part { definition, pointer: "" }
}

const fn result(definition: &'static str) -> Part {
    Part { definition, pointer: "/result" }
}

/// The definitions that a message sent by `sender` must be as; the envelope alone where nothing more is known of it: an
/// unknown method, a method that this party does not send, an answer to an unknown request. Nothing for what is no message
/// (a batch, malformed, unreadable). `asked` is the request that an answer answers.
#[must_use]
pub fn choose(revision: Revision, sender: Party, kind: &Kind, message: &Value, asked: Option<&Asked<'_>>) -> Vec<Part> {
    match kind {
        Kind::Request { method, .. } => {
            let known = known(revision, sender, method).filter(|m| m.is_request());
            known.map_or_else(|| vec![whole("JSONRPCRequest")], |m| of_request(revision, m))
        }
        Kind::Notification { method } => match known(revision, sender, method) {
            // a request that lacks its id: the envelope says so
            Some(m) if m.is_request() => vec![whole("JSONRPCRequest")],
            Some(m) => of_notification(revision, m, message),
            None => vec![whole("JSONRPCNotification")],
        },
        Kind::Result { .. } => {
            let mut parts = vec![whole(if flat(revision) { "JSONRPCResultResponse" } else { "JSONRPCResponse" })];
            if let Some(asked) = asked {
                parts.extend(of_result(revision, sender, asked, message.get("result").unwrap_or(&Value::Null)));
            }
            parts
        }
        Kind::Error { .. } => {
            let mut parts = vec![whole(if flat(revision) { "JSONRPCErrorResponse" } else { "JSONRPCError" })];
            parts.extend(of_error(revision, message.pointer("/error/code").and_then(Value::as_i64)).map(whole));
            parts
        }
        Kind::Batch | Kind::Malformed(_) | Kind::Unreadable(_) => Vec::new(),
    }
}

/// Do the definitions of requests and notifications include the envelope?
fn flat(revision: Revision) -> bool {
    revision >= Revision::V2025_11_25
}

fn known(revision: Revision, sender: Party, method: &str) -> Option<&'static Method> {
    methods::find(revision, method).filter(|m| m.from.has(sender))
}

fn is_extension(definition: &str) -> bool {
    definition.starts_with(super::schema::TASKS_PREFIX)
}

fn of_request(revision: Revision, method: &Method) -> Vec<Part> {
    let mut parts = Vec::new();
    if !flat(revision) {
        parts.push(whole("JSONRPCRequest"));
    }
    parts.push(whole(method.definition));
    if is_extension(method.definition) {
        // the extension's schema leaves out the `_meta` that the core demands of every request
        parts.push(Part { definition: "RequestParams", pointer: "/params" });
    }
    parts
}

fn of_notification(revision: Revision, method: &Method, message: &Value) -> Vec<Part> {
    let mut parts = Vec::new();
    if !flat(revision) {
        parts.push(whole("JSONRPCNotification"));
    }
    parts.push(whole(method.definition));
    if is_extension(method.definition) && message.pointer("/params/status").and_then(Value::as_str) == Some("completed")
    {
        parts.push(Part { definition: CREATES_TASKS, pointer: "/params/result" });
    }
    parts
}

/// The result of the only method that can create a task of the extension.
const CREATES_TASKS: &str = "CallToolResult";

/// The definitions of a result. `sender` sent it, so the other party sent the request.
fn of_result(revision: Revision, sender: Party, asked: &Asked<'_>, value: &Value) -> Vec<Part> {
    let Some(method) = known(revision, sender.other(), asked.method) else { return Vec::new() };
    let Shape::Request { result: definition } = method.shape else { return Vec::new() };
    if revision.era() == Era::Modern {
        return of_modern_result(method, definition, value);
    }
    let became_task = asked.declared || value.get("task").is_some_and(Value::is_object);
    if asked.augmented && method.augmentable.is_some() && became_task {
        return vec![result("CreateTaskResult")];
    }
    let mut parts = vec![result(definition)];
    if definition == "GetTaskPayloadResult" {
        // open: any object is one; what it must be is the result of the request that created the task, and that request
        // went the same way as this one
        let created = asked.created_by.and_then(|method| known(revision, sender.other(), method));
        parts.extend(created.and_then(Method::result).map(result));
    }
    parts
}

/// In the modern era a result says itself what it is.
fn of_modern_result(method: &Method, definition: &'static str, value: &Value) -> Vec<Part> {
    match value.get("resultType").and_then(Value::as_str) {
        Some("input_required") => vec![result("InputRequiredResult")],
        Some("task") if method.name == "tools/call" => vec![result("extension-tasks/CreateTaskResult")],
        // absent means complete, to a client; that it is absent is said by the definition
        Some("complete") | None => {
            let mut parts = vec![result(definition)];
            let completed = value.get("status").and_then(Value::as_str) == Some("completed");
            if method.name == "tasks/get" && completed {
                parts.push(Part { definition: CREATES_TASKS, pointer: "/result/result" });
            }
            parts
        }
        // of an extension unknown to us, or invalid: no definition says what it should be
        Some(_) => Vec::new(),
    }
}

/// The definition of an error whose code has one.
fn of_error(revision: Revision, code: Option<i64>) -> Option<&'static str> {
    match (revision, code?) {
        (Revision::V2025_11_25, -32042) => Some("URLElicitationRequiredError"),
        (Revision::V2026_07_28, -32020) => Some("HeaderMismatchError"),
        (Revision::V2026_07_28, -32021) => Some("MissingRequiredClientCapabilityError"),
        (Revision::V2026_07_28, -32022) => Some("UnsupportedProtocolVersionError"),
        _ => None,
    }
}

/// What in a message is not as it should be: the definitions of [`choose`], what the schemas cannot say, and the decisions
/// on ambiguity applied. At most [`MOST`] violations, each place and sentence once.
#[must_use]
pub fn check(
    revision: Revision,
    sender: Party,
    kind: &Kind,
    message: &Value,
    asked: Option<&Asked<'_>>,
) -> Vec<Violation> {
    if let Some(violation) = no_message(revision, kind) {
        return vec![violation];
    }
    let schemas = Schemas::of(revision);
    let parts = choose(revision, sender, kind, message, asked);
    let mut found: Vec<Violation> = Vec::new();
    for part in &parts {
        let Some(value) = message.pointer(part.pointer) else { continue };
        for mut violation in schemas.validate(part.definition, value) {
            violation.instance_pointer.insert_str(0, part.pointer);
            let again = |v: &Violation| {
                (&v.instance_pointer, &v.keyword, &v.expected)
                    == (&violation.instance_pointer, &violation.keyword, &violation.expected)
            };
            if !found.iter().any(again) {
                found.push(violation);
            }
        }
    }
    found.extend(beyond_the_schema(revision, kind, message, &parts));
    found.retain(|violation| !is_excused(violation));
    for violation in &mut found {
        decide(revision, kind, message, asked, violation);
    }
    found.truncate(MOST);
    found
}

/// What is no message at all. A batch of 2025-03-26 is none either, but its elements are.
fn no_message(revision: Revision, kind: &Kind) -> Option<Violation> {
    let (keyword, expected, found) = match kind {
        Kind::Batch if revision == Revision::V2025_03_26 => return None,
        Kind::Batch => ("batch", "one message", "a batch".to_owned()),
        Kind::Malformed(reason) => ("message", "a JSON-RPC message", reason.clone()),
        Kind::Unreadable(error) => ("json", "JSON", error.to_string()),
        _ => return None,
    };
    let mut violation = Violation::new("", keyword, expected, found);
    if keyword == "batch" && (Revision::V2025_06_18..=Revision::V2025_11_25).contains(&revision) {
        violation.requirement = Some("base.batch.none");
    }
    Some(violation)
}

/// Rules that the specification states and its schemas leave out.
fn beyond_the_schema(revision: Revision, kind: &Kind, message: &Value, parts: &[Part]) -> Vec<Violation> {
    let mut found = Vec::new();
    if matches!(kind, Kind::Error { .. }) && message.get("result").is_some() {
        let mut both = Violation::new("/result", "notBoth", "either `result` or `error`", "both");
        both.requirement = (revision <= Revision::V2025_11_25).then_some("base.response.not-both");
        found.push(both);
    }
    let needs_id = revision == Revision::V2025_11_25 && parts.contains(&whole("CancelledNotification"));
    if needs_id && message.get("params").is_some_and(|p| p.is_object() && p.get("requestId").is_none()) {
        let mut missing = Violation::new("/params", "required", "the member `requestId`", "an object without it");
        missing.decision = Some("cancelled-request-id-optional");
        missing.requirement = Some("cancellation.request-id-required");
        found.push(missing);
    }
    let asks = parts.contains(&result("InputRequiredResult"));
    let none = |member: &str| message.pointer("/result").is_some_and(|r| r.get(member).is_none());
    if asks && none("inputRequests") && none("requestState") {
        let expected = "at least one of `inputRequests` and `requestState`";
        let mut empty = Violation::new("/result", "atLeastOne", expected, "neither");
        empty.decision = Some("A-08");
        empty.requirement = Some("mrtr.result.non-empty");
        found.push(empty);
    }
    found
}

/// The result inlined in a finished task of the extension need not repeat `resultType`: the specification's own examples
/// leave it out, and the outer result has it (decision `tasks-inlined-result-type`).
fn is_excused(violation: &Violation) -> bool {
    let inlined = ["/result/result", "/params/result"].contains(&violation.instance_pointer.as_str());
    inlined && violation.keyword == "required" && violation.expected == "the member `resultType`"
}

/// Applies the decisions on ambiguity to one violation.
fn decide(revision: Revision, kind: &Kind, message: &Value, asked: Option<&Asked<'_>>, violation: &mut Violation) {
    let place = violation.instance_pointer.as_str();
    let modern = revision.era() == Era::Modern;
    if place == "/id" && matches!(kind, Kind::Error { .. }) && message.get("id").is_some_and(Value::is_null) {
        violation.level = Level::Should;
        violation.expected = "the id of the request, or no id if it could not be read".into();
        violation.decision = Some(if modern { "A-06" } else { "error-id-null" });
        violation.requirement = Some(if modern { "base.error.id-echo" } else { "base.error.same-id" });
        return;
    }
    if revision != Revision::V2025_11_25 || !place.starts_with("/result") && !place.starts_with("/params") {
        return;
    }
    let duration = place.ends_with("/ttl") || place.ends_with("/pollInterval");
    if duration && violation.keyword == "type" && message.pointer(place).is_some_and(Value::is_number) {
        violation.level = Level::Should;
        violation.decision = Some("tasks-ttl-number");
        return;
    }
    let Some(asked) = asked.filter(|asked| asked.method == "tasks/result") else { return };
    if place.starts_with("/result") {
        violation.requirement = Some("tasks.result.shape-matches-request");
        violation.decision = Some("tasks-get-payload-open");
        if asked.cancelled {
            violation.level = Level::Should;
            violation.decision = Some("tasks-result-of-cancelled");
        }
    }
}

#[cfg(test)]
#[path = "definition_tests.rs"]
mod tests;
