//! The choice of the definition, and the traps named in the decisions.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use super::*;
use crate::spec::methods::Senders;
use crate::wire::Message;
use Party::{Client, Server};
use Revision::{V2024_11_05 as V24, V2025_03_26 as V03, V2025_06_18 as V06, V2025_11_25 as V25, V2026_07_28 as V26};
use serde_json::json;

fn names(revision: Revision, sender: Party, message: &Value, asked: Option<&Asked<'_>>) -> Vec<String> {
    let message = Message::of(message);
    let parts = choose(revision, sender, message.kind(), message.value(), asked);
    parts
        .iter()
        .map(|p| format!("{}{}{}", p.definition, if p.pointer.is_empty() { "" } else { " at " }, p.pointer))
        .collect()
}

fn violations(revision: Revision, sender: Party, message: &Value, asked: Option<&Asked<'_>>) -> Vec<Violation> {
    let message = Message::of(message);
    check(revision, sender, message.kind(), message.value(), asked)
}

fn task() -> Value {
    let time = "2025-11-25T10:30:00Z";
    json!({ "taskId": "t", "status": "working", "createdAt": time, "lastUpdatedAt": time, "ttl": null })
}

fn answer(result: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "result": result })
}

fn asked(method: &str) -> Asked<'_> {
    Asked { method, ..Asked::default() }
}

#[test]
fn a_request_is_judged_by_its_method_and_with_its_envelope() {
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "x" } });
    for revision in [V24, V03, V06] {
        assert_eq!(names(revision, Client, &call, None), ["JSONRPCRequest", "CallToolRequest"]);
        assert_eq!(violations(revision, Client, &call, None), []);
    }
    assert_eq!(names(V25, Client, &call, None), ["CallToolRequest"]);
    assert_eq!(violations(V25, Client, &call, None), []);
    // in the modern era the same message lacks its `_meta`
    assert_eq!(names(V26, Client, &call, None), ["CallToolRequest"]);
    let found = violations(V26, Client, &call, None);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].text(), "/params: expected the member `_meta`, found an object with `name`");
}

#[test]
fn what_is_not_in_the_table_is_judged_by_its_envelope_only() {
    let unknown = json!({ "jsonrpc": "2.0", "id": 1, "method": "x/y", "params": { "any": 1 } });
    let note = json!({ "jsonrpc": "2.0", "method": "x/y" });
    for revision in Revision::ALL {
        assert_eq!(names(revision, Client, &unknown, None), ["JSONRPCRequest"]);
        assert_eq!(violations(revision, Client, &unknown, None), []);
        assert_eq!(names(revision, Server, &note, None), ["JSONRPCNotification"]);
        let stranger = names(revision, Server, &answer(json!({ "resultType": "complete" })), None);
        assert_eq!(stranger.len(), 1, "an answer to nothing we saw");
    }
    let sampling = json!({ "jsonrpc": "2.0", "id": 1, "method": "sampling/createMessage" });
    assert_eq!(names(V25, Client, &sampling, None), ["JSONRPCRequest"], "a client does not send it");
    assert_eq!(names(V25, Server, &sampling, None), ["CreateMessageRequest"]);
    assert_eq!(names(V26, Server, &sampling, None), ["JSONRPCRequest"], "nobody sends it as a message any more");
}

#[test]
fn a_bad_envelope_is_found_in_every_revision() {
    for revision in Revision::ALL {
        for (message, place) in [
            (json!({ "jsonrpc": "2.0", "id": null, "method": "tools/list", "params": {} }), "/id"),
            (json!({ "jsonrpc": "2.0", "id": 1.5, "method": "tools/list", "params": {} }), "/id"),
            (json!({ "jsonrpc": "1.0", "id": 1, "method": "tools/list", "params": {} }), "/jsonrpc"),
            (json!({ "id": 1, "method": "tools/list", "params": {} }), ""),
            (json!({ "jsonrpc": "2.0", "method": "tools/list", "params": {} }), ""),
        ] {
            let found = violations(revision, Client, &message, None);
            assert!(found.iter().any(|v| v.instance_pointer == place), "{revision}: {message}: {found:?}");
        }
    }
}

#[test]
fn a_call_that_became_a_task_is_judged_as_one() {
    let created = answer(json!({ "task": task() }));
    let plain = answer(json!({ "content": [] }));
    let call = asked("tools/call");
    let augmented = Asked { augmented: true, declared: true, ..call };
    assert_eq!(
        names(V25, Server, &created, Some(&augmented)),
        ["JSONRPCResultResponse", "CreateTaskResult at /result"]
    );
    assert_eq!(violations(V25, Server, &created, Some(&augmented)), []);
    assert_eq!(violations(V25, Server, &plain, Some(&call)), []);
    // a plain result where a task was asked for and promised, and a task that nobody asked for
    assert_eq!(violations(V25, Server, &plain, Some(&augmented)).len(), 1);
    assert_eq!(violations(V25, Server, &created, Some(&call)).len(), 1);
    // not declared: ignoring the wish is right, and whoever creates a task all the same is judged by what was sent
    let ignored = Asked { augmented: true, ..call };
    assert_eq!(violations(V25, Server, &plain, Some(&ignored)), []);
    assert_eq!(violations(V25, Server, &created, Some(&ignored)), []);
    // a `task` member on a method that cannot be augmented changes nothing
    let list = Asked { augmented: true, declared: true, ..asked("tools/list") };
    assert_eq!(names(V25, Server, &answer(json!({ "tools": [] })), Some(&list))[1], "ListToolsResult at /result");
    assert_eq!(names(V06, Server, &plain, Some(&augmented))[1], "CallToolResult at /result");
}

#[test]
fn the_result_of_a_task_is_judged_by_what_created_it() {
    let empty = answer(json!({ "_meta": {} }));
    let unknown = asked("tasks/result");
    assert_eq!(violations(V25, Server, &empty, Some(&unknown)), [], "the published definition accepts any object");
    let call = Asked { created_by: Some("tools/call"), ..unknown };
    let found = violations(V25, Server, &empty, Some(&call));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].level, found[0].requirement), (Level::Must, Some("tasks.result.shape-matches-request")));
    let cancelled = Asked { cancelled: true, ..call };
    let found = violations(V25, Server, &empty, Some(&cancelled));
    assert_eq!((found[0].level, found[0].decision), (Level::Should, Some("tasks-result-of-cancelled")));
    // the client is the receiver of a sampling task
    let sampled = answer(json!({ "role": "assistant", "model": "m", "content": { "type": "text", "text": "x" } }));
    let sampling = Asked { created_by: Some("sampling/createMessage"), ..unknown };
    assert_eq!(names(V25, Client, &sampled, Some(&sampling))[2], "CreateMessageResult at /result");
    assert_eq!(violations(V25, Client, &sampled, Some(&sampling)), []);
}

#[test]
fn a_modern_result_says_itself_what_it_is() {
    let call = asked("tools/call");
    let of = |result: Value| names(V26, Server, &answer(result), Some(&call));
    assert_eq!(of(json!({ "resultType": "complete" }))[1], "CallToolResult at /result");
    assert_eq!(of(json!({ "content": [] }))[1], "CallToolResult at /result");
    assert_eq!(of(json!({ "resultType": "input_required" }))[1], "InputRequiredResult at /result");
    assert_eq!(of(json!({ "resultType": "task" }))[1], "extension-tasks/CreateTaskResult at /result");
    assert_eq!(of(json!({ "resultType": "nonsense" })), ["JSONRPCResultResponse"]);
    let listed = names(V26, Server, &answer(json!({ "resultType": "task" })), Some(&asked("tools/list")));
    assert_eq!(listed, ["JSONRPCResultResponse"], "only tools/call creates tasks");

    // what the published response definition accepts
    let found = violations(V26, Server, &answer(json!({ "resultType": "complete", "content": "x" })), Some(&call));
    assert_eq!(found[0].text(), "/result/content: expected an array, found \"x\"");
    let found = violations(V26, Server, &answer(json!({ "content": [] })), Some(&call));
    assert_eq!(found.len(), 1, "said once: {found:?}");
    let found = violations(V26, Server, &answer(json!({ "resultType": "input_required" })), Some(&call));
    assert_eq!((found.len(), found[0].requirement), (1, Some("mrtr.result.non-empty")));
    let state = answer(json!({ "resultType": "input_required", "requestState": "s" }));
    assert_eq!(violations(V26, Server, &state, Some(&call)), []);
}

#[test]
fn the_tasks_extension_follows_the_core_where_its_schema_is_silent() {
    let time = "2026-07-28T10:30:00Z";
    let done = |status: &str, result: Value| {
        let task = json!({ "taskId": "t", "status": status, "createdAt": time, "lastUpdatedAt": time, "ttlMs": null });
        let mut task = task.as_object().unwrap().clone();
        task.insert("resultType".into(), json!("complete"));
        task.insert("result".into(), result);
        answer(Value::Object(task))
    };
    let get = asked("tasks/get");
    let good = done("completed", json!({ "content": [], "isError": false }));
    assert_eq!(violations(V26, Server, &good, Some(&get)), [], "the inlined result needs no resultType");
    let found = violations(V26, Server, &done("completed", json!({ "contents": [] })), Some(&get));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].instance_pointer, "/result/result");
    assert_eq!(violations(V26, Server, &done("working", json!({})), Some(&get)), []);

    let bare = json!({ "jsonrpc": "2.0", "id": 1, "method": "tasks/get", "params": { "taskId": "t" } });
    let found = violations(V26, Client, &bare, None);
    assert_eq!(found.len(), 1, "A-15: {found:?}");
    assert_eq!(found[0].expected, "the member `_meta`");
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/tasks", "params": {
        "taskId": "t", "status": "completed", "createdAt": time, "lastUpdatedAt": time, "ttlMs": 1, "result": { "content": 1 } } });
    let found = violations(V26, Server, &note, None);
    assert_eq!(found.iter().map(|v| v.instance_pointer.as_str()).collect::<Vec<_>>(), ["/params/result/content"]);
}

#[test]
fn an_error_without_a_readable_id_may_have_none_and_null_is_a_warning() {
    for revision in Revision::ALL {
        let null = json!({ "jsonrpc": "2.0", "id": null, "error": { "code": -32700, "message": "x" } });
        let found = violations(revision, Server, &null, None);
        assert_eq!(found.len(), 1, "{revision}: {found:?}");
        assert_eq!(found[0].level, Level::Should);
        assert!(found[0].decision.is_some() && found[0].requirement.is_some());
        let absent = json!({ "jsonrpc": "2.0", "error": { "code": -32700, "message": "x" } });
        let found = violations(revision, Server, &absent, None);
        // before 2025-11-25 the schema demanded an id
        assert_eq!(found.len(), usize::from(revision < V25), "{revision}: {found:?}");
    }
}

#[test]
fn errors_with_a_definition_of_their_own_are_judged_by_it() {
    let error = |code: i64, data: Value| json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": code, "message": "x", "data": data } });
    let found = violations(V25, Server, &error(-32042, json!({})), None);
    assert_eq!(found[0].text(), "/error/data: expected the member `elicitations`, found an empty object");
    assert_eq!(violations(V06, Server, &error(-32042, json!({})), None), []);
    assert_eq!(violations(V26, Server, &error(-32021, json!({})), None).len(), 1);
    assert_eq!(violations(V26, Server, &error(-32022, json!({ "requested": "x" })), None).len(), 1);
    assert_eq!(violations(V26, Server, &error(-32020, json!(null)), None), []);
    let both = json!({ "jsonrpc": "2.0", "id": 1, "result": {}, "error": { "code": 1, "message": "x" } });
    let found = violations(V25, Server, &both, None);
    assert_eq!((found.len(), found[0].requirement), (1, Some("base.response.not-both")));
}

#[test]
fn a_fraction_of_a_millisecond_is_a_warning_and_a_word_is_none() {
    let with = |ttl: Value| {
        let mut task = task();
        task["ttl"] = ttl;
        violations(V25, Server, &answer(task), Some(&asked("tasks/get")))
    };
    assert_eq!(with(json!(60_000)), []);
    let found = with(json!(1.5));
    assert_eq!((found.len(), found[0].level, found[0].decision), (1, Level::Should, Some("tasks-ttl-number")));
    let found = with(json!("long"));
    assert_eq!((found.len(), found[0].level, found[0].decision), (1, Level::Must, None));
    let call =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "x", "task": { "ttl": 0.5 } } });
    assert_eq!(violations(V25, Client, &call, None)[0].level, Level::Should);
}

#[test]
fn a_cancellation_names_its_request() {
    let bare = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": {} });
    for revision in Revision::ALL {
        let found = violations(revision, Client, &bare, None);
        assert_eq!(found.len(), 1, "{revision}: {found:?}");
        assert_eq!(found[0].expected, "the member `requestId`");
    }
    assert_eq!(violations(V25, Client, &bare, None)[0].decision, Some("cancelled-request-id-optional"));
}

#[test]
fn what_is_no_message_is_one_violation() {
    let batch = json!([{ "jsonrpc": "2.0", "id": 1, "method": "ping" }]);
    assert_eq!(violations(V03, Client, &batch, None), [], "its elements are messages of their own");
    assert_eq!(violations(V25, Client, &batch, None)[0].requirement, Some("base.batch.none"));
    assert_eq!(violations(V26, Client, &batch, None)[0].keyword, "batch");
    assert_eq!(violations(V25, Client, &json!({ "jsonrpc": "2.0" }), None)[0].keyword, "message");
    let unreadable = Message::read("{".into(), &crate::wire::json::Limits::default());
    assert_eq!(check(V25, Client, unreadable.kind(), unreadable.value(), None)[0].keyword, "json");
}

/// The names the choice uses exist: every method, each way it can be answered.
#[test]
fn every_choice_names_definitions_that_exist() {
    let results = [
        json!({}),
        json!({ "task": {} }),
        json!({ "resultType": "complete", "status": "completed", "result": {} }),
        json!({ "resultType": "input_required" }),
        json!({ "resultType": "task" }),
    ];
    let mut chosen = 0;
    for revision in Revision::ALL {
        let schemas = Schemas::of(revision);
        let mut exists = |parts: Vec<Part>| {
            assert!(!parts.is_empty());
            for part in parts {
                assert!(schemas.has(part.definition), "{revision}: {}", part.definition);
                chosen += 1;
            }
        };
        for method in methods::of(revision) {
            let from = if method.from == Senders::Server { Server } else { Client };
            let mut message = json!({ "jsonrpc": "2.0", "method": method.name, "params": { "status": "completed" } });
            if method.is_request() {
                message["id"] = json!(1);
            }
            let message = Message::of(&message);
            exists(choose(revision, from, message.kind(), message.value(), None));
            for value in results.iter().filter(|_| method.is_request()) {
                let answer = Message::of(&answer(value.clone()));
                let asked =
                    Asked { augmented: true, declared: true, created_by: Some("tools/call"), ..asked(method.name) };
                exists(choose(revision, from.other(), answer.kind(), answer.value(), Some(&asked)));
            }
        }
        for code in [-32042, -32020, -32021, -32022, 1] {
            let error = Message::of(&json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": code, "message": "x" } }));
            exists(choose(revision, Server, error.kind(), error.value(), None));
        }
    }
    assert!(chosen > 1000, "{chosen}");
}

/// The requirement ids and decisions that violations carry exist in the catalogue of their revision.
#[test]
fn violations_name_requirements_that_exist() {
    let null = json!({ "jsonrpc": "2.0", "id": null, "error": { "code": 1, "message": "x" } });
    let both = json!({ "jsonrpc": "2.0", "id": 1, "result": {}, "error": { "code": 1, "message": "x" } });
    let cancelled = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": {} });
    let input = answer(json!({ "resultType": "input_required" }));
    let call = Asked { created_by: Some("tools/call"), ..asked("tasks/result") };
    let mut seen = Vec::new();
    for revision in Revision::ALL {
        for message in [&null, &both, &cancelled, &json!([]), &input, &answer(json!({}))] {
            for asked in [None, Some(&call), Some(&asked("tools/call"))] {
                for id in violations(revision, Server, message, asked).iter().filter_map(|v| v.requirement) {
                    assert!(crate::spec::catalogue::Catalogue::of(revision).get(id).is_some(), "{revision}: {id}");
                    seen.push(id);
                }
            }
        }
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 7, "{seen:?}");
}

/// Any JSON, with names that steer into the interesting places.
fn anything() -> impl proptest::strategy::Strategy<Value = Value> {
    use proptest::prelude::*;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z]{0,4}".prop_map(Value::from),
        proptest::sample::select(vec!["2.0", "tools/call", "text", "complete", "input_required", "task", "working"])
            .prop_map(Value::from),
    ];
    let key = proptest::sample::select(vec![
        "jsonrpc",
        "id",
        "method",
        "params",
        "result",
        "error",
        "code",
        "message",
        "content",
        "type",
        "task",
        "taskId",
        "status",
        "resultType",
        "inputRequests",
        "_meta",
        "name",
        "x",
    ]);
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(key.clone(), inner, 0..7)
                .prop_map(|map| Value::Object(map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    /// Whatever a peer sends: no panic, bounded, every place exists, and nothing found means every definition fits.
    #[test]
    fn whatever_comes_is_judged_within_bounds(value in anything(), method in "(tools|tasks|prompts)/(call|get|result)") {
        let message = Message::of(&value);
        let asked = Asked { method: &method, augmented: true, created_by: Some("tools/call"), ..Asked::default() };
        for revision in Revision::ALL {
            for sender in [Client, Server] {
                let (kind, value) = (message.kind(), message.value());
                let found = check(revision, sender, kind, value, Some(&asked));
                proptest::prop_assert!(found.len() <= MOST);
                for violation in &found {
                    proptest::prop_assert!(value.pointer(&violation.instance_pointer).is_some(), "{:?}", violation);
                    proptest::prop_assert!(violation.text().len() < 1000);
                }
                let fits = |part: &Part| {
                    value.pointer(part.pointer).is_none_or(|v| Schemas::of(revision).is_valid(part.definition, v))
                };
                let parts = choose(revision, sender, kind, value, Some(&asked));
                proptest::prop_assert!(!found.is_empty() || parts.iter().all(fits) || parts.iter().any(|p| p.pointer == "/result/result"));
            }
        }
    }
}
