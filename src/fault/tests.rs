#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn fault(text: &str) -> Fault {
    Fault::read(text).unwrap().remove(0)
}

fn sent(fault: &mut Fault, message: &Value, context: Context<'_>) -> Vec<Value> {
    fault
        .apply(message, context)
        .into_iter()
        .map(|o| match o.what {
            What::Message(value) => value,
            other => panic!("{other:?} is no message"),
        })
        .collect()
}

fn request(id: i64, method: &str) -> Request {
    let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": {"name": "this"}});
    Request { id: Id::Integer(id), method: method.to_owned(), message }
}

#[test]
fn an_answer_is_meant_by_what_was_asked() {
    let asked = request(1, "tools/call");
    let message = Message::of(&json!({"jsonrpc": "2.0", "id": 1, "result": {}}));
    for (name, meant) in [("this", true), ("that", false)] {
        let trigger =
            fault(&format!("- {{ name: x, by: server, do: [drop], on: {{ asked: {{ /params/name: {name} }} }} }}")).on;
        assert_eq!(trigger.matches(&message, Some(&asked), &Carrier::default()), meant, "{name}");
        assert!(!trigger.matches(&message, None, &Carrier::default()));
    }
}

#[test]
fn a_party_that_is_alive_can_have_a_fault_in_another_way_or_not_at_all() {
    let alive = |live: &str| {
        fault(&format!(
            "- {{ name: x, by: server, on: {{ method: a }}, do: [drop], at: {{ method: b }}, live: {{ {live} }} }}"
        ))
        .alive()
    };
    let same = alive("").unwrap();
    assert_eq!((same.on.method.as_deref(), same.at.is_some()), (Some("a"), true));
    let other = alive("on: { method: c }, do: [duplicate]").unwrap();
    assert_eq!((other.on.method.as_deref(), other.at, other.deeds), (Some("c"), None, vec![Deed::Duplicate]));
    assert_eq!(alive("not: its ids are those of the trace").unwrap_err(), "its ids are those of the trace");
}

#[test]
fn only_the_messages_that_are_meant_are_changed() {
    let mut f = fault(
        "- { name: x, breaks: tasks.status.enum, by: server, on: { kind: result, method: tasks/get, nth: 2, \
         where: { /result/status: working } }, do: [{ set: { at: /result/status, to: running } }] }",
    );
    let get = |status: &str| json!({"jsonrpc": "2.0", "id": 1, "result": {"status": status}});
    let asked = request(1, "tasks/get");
    let of_get = Context { answers: Some(&asked), ..Context::default() };
    assert_eq!(sent(&mut f, &get("working"), Context::default()), [get("working")], "another method");
    assert_eq!(sent(&mut f, &get("completed"), of_get), [get("completed")], "another status");
    assert_eq!(sent(&mut f, &get("working"), of_get), [get("working")], "the first");
    assert_eq!(sent(&mut f, &get("working"), of_get), [get("running")], "the second");
    assert_eq!(sent(&mut f, &get("working"), of_get), [get("working")], "the third");
}

#[test]
fn an_answer_can_come_early_and_the_real_one_never() {
    let mut f = fault(
        "- name: early\n  breaks: tasks.result.blocks-until-terminal\n  by: server\n  on: { kind: request, method: elicitation/create }\n  \
         do:\n  - after: { jsonrpc: '2.0', id: $open tasks/result, result: { m: $/params/m } }\n  - swallow: tasks/result\n",
    );
    let open = [request(4, "tasks/get"), request(5, "tasks/result")];
    let question = json!({"jsonrpc": "2.0", "id": 1, "method": "elicitation/create", "params": {"m": "q"}});
    let context = Context { open: &open, ..Context::default() };
    let early = json!({"jsonrpc": "2.0", "id": 5, "result": {"m": "q"}});
    assert_eq!(sent(&mut f, &question, context), [question, early.clone()]);
    let real = |id: u8| json!({"jsonrpc": "2.0", "id": id, "result": {}});
    assert_eq!(sent(&mut f, &real(4), Context { answers: open.first(), open: &open, ..Context::default() }), [real(4)]);
    assert!(sent(&mut f, &real(5), Context { answers: open.last(), open: &open, ..Context::default() }).is_empty());
}

#[test]
fn what_is_no_fault_is_refused_with_its_place() {
    for text in ["- { name: x }", "- { name: x, by: client, on: {}, do: [explode] }", "{", "- { nme: x }"] {
        let error = Fault::read(text).unwrap_err().to_string();
        assert!(error.starts_with("these are no faults: ") && error.len() > 30, "{error}");
    }
}

#[test]
fn values_are_set_removed_and_added_at_pointers() {
    let mut v = json!({"a": [1, {"b/c": 2}]});
    edit::set(&mut v, "/a/1/b~1c", json!(3));
    edit::set(&mut v, "/x/y", json!(true));
    edit::set(&mut v, "/a/-", json!("end"));
    edit::set(&mut v, "/a/9/z", json!("nowhere"));
    edit::add(&mut v, "/a/0", 41);
    assert_eq!(v, json!({"a": [42, {"b/c": 3}, "end"], "x": {"y": true}}));
    edit::remove(&mut v, "/a/1/b~1c");
    edit::remove(&mut v, "/a/2");
    edit::remove(&mut v, "/q/r");
    assert_eq!(v, json!({"a": [42, {}], "x": {"y": true}}));
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(Value::Null), any::<i32>().prop_map(Value::from), "[a-c$/]{0,3}".prop_map(Value::from)];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c/~]{0,2}", inner, 0..4)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn reordering_changes_nothing_but_the_order(v in values()) {
        prop_assert_eq!(&edit::reversed(&v), &v);
        prop_assert_eq!(edit::reversed(&edit::reversed(&v)).to_string(), v.to_string());
    }

    #[test]
    fn edits_never_fail(mut v in values(), pointer in "(/[a-c0-9~-]{0,2}){0,3}", to in values()) {
        edit::add(&mut v, &pointer, 1);
        edit::set(&mut v, &pointer, to);
        edit::remove(&mut v, &pointer);
    }
}
