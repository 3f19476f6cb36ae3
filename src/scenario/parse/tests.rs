//! What files mean once they are read, and what no text may do to the reader.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::*;
use crate::scenario::files::{self, embedded};
use crate::scenario::model::*;
use crate::scenario::pattern::{Fresh, Shape, Type};
use crate::scenario::spelling;
use crate::wire::Party;
use proptest::prelude::*;
use serde_json::{Value, json};

fn find(id: &str) -> Scenario {
    embedded().scenarios.into_iter().find(|s| s.id == id).unwrap_or_else(|| panic!("no {id}"))
}

fn act(step: &Step) -> &Act {
    match &step.body {
        StepBody::Act(act) => act,
        other => panic!("{other:?}"),
    }
}

/// A pattern where any value may stand.
fn value(spelled: &str) -> Result<Shape, String> {
    let text = format!(
        "title: t\nrevisions: \"2025-11-25\"\ngiven: {{ v: {spelled} }}\nexchange:\n  - client requests: ping\n    params: {{ v: $v }}\n"
    );
    let scenarios = file(Source::new("a/b.yaml", text)).map_err(|all| all[0].to_string())?;
    Ok(scenarios[0].given[0].1.shape.clone())
}

#[test]
fn rows_become_scenarios_with_the_values_of_the_row() {
    let row = find("tasks/unknown-ids#cancel");
    assert_eq!(row.title, "An unknown task is refused, whatever is asked of it: cancel");
    assert!(matches!(&act(&row.exchange[0]).verb, Verb::Requests { method } if method == "tasks/cancel"));
    assert_eq!(row.exchange[1].proves[0].id, "tasks.error.unknown-id-cancel");
    // what it does not give is not said: over which stream
    assert_eq!(act(&row.exchange[0]).over, None);
    assert_eq!(act(&find("tasks/unknown-ids#cancel-of-the-client").exchange[1]).over.as_deref(), Some("reason"));
    // the needs of the file first, then those of the row
    let stdio = find("lifecycle/server-asks-undeclared#roots");
    let needs: Vec<String> = stdio.needs.iter().map(|n| format!("{:?}", n.what)).collect();
    assert!(needs.len() == 2 && needs[0].starts_with("Tool") && needs[1].starts_with("Lack"), "{needs:?}");
}

#[test]
fn what_a_row_does_not_name_is_absent() {
    let origin = find("http/refusals#a-foreign-origin");
    assert!(act(&origin.exchange[0]).breaks.is_empty());
    let session = find("http/refusals#no-session-id");
    assert_eq!(act(&session.exchange[0]).breaks[0].id, "transport.session.client-sends-id");
}

#[test]
fn an_unnamed_row_is_called_by_a_value_and_decides_the_names_of_members() {
    let walk = find("pagination/every-page#resources-list");
    let StepBody::Loop(l) = &walk.exchange[0].body else { panic!() };
    assert_eq!(spelling::payload(&act(&l.steps[1]).payload), ["result: { resources: <any>, nextCursor: $next }"]);
    assert!(matches!(&act(&l.steps[1]).verb, Verb::Answers { request } if request == "resources/list"));
    assert_eq!(l.at_most, Some(100));
}

#[test]
fn the_cast_says_who_acts() {
    let asks = find("tasks/receiver-works-as-a-task#the-client-asks-its-user-for-the-server");
    assert_eq!(asks.requestor, Some(Party::Server));
    let acts: Vec<(String, Party)> = asks
        .exchange
        .iter()
        .filter_map(|s| match &s.body {
            StepBody::Act(a) => Some((s.name.clone(), a.party)),
            _ => None,
        })
        .collect();
    use Party::{Client, Server};
    let expected = [("1", Client), ("2", Server), ("3", Client), ("5", Server), ("6", Client), ("7", Server)];
    assert_eq!(acts, expected.map(|(n, p)| (n.to_owned(), p)));
}

#[test]
fn steps_are_counted_before_any_is_left_out() {
    let calls = find("tasks/receiver-works-as-a-task#the-server-calls-a-tool-for-the-client");
    let names: Vec<&str> = calls.exchange.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["2", "3", "4", "5", "6"]);
    let StepBody::Loop(l) = &calls.exchange[2].body else { panic!() };
    assert_eq!(l.steps.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["4.1", "4.2"]);
    let ends = find("http/session-ends");
    let StepBody::Choose { branches, .. } = &ends.exchange[3].body else { panic!() };
    assert_eq!(branches[1].iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["4.b1", "4.b2", "4.b3"]);
    let never = find("base/malformed-messages#a-batch");
    let StepBody::During { never, .. } = &never.exchange[0].body else { panic!() };
    assert_eq!(never[0].name, "1.n1");
}

#[test]
fn further_clients_an_opening_and_readiness_for_any_question() {
    let text = r#"
title: Two clients see their own tasks only
revisions: "2025-11-25"
transports: http
parties: [second client]
opening: { initialize: { params: { capabilities: { roots: {} } }, result: { capabilities: <object> } } }
drive:
  - when asked:
    after: 20ms
exchange:
  - second client requests: ping
    as: theirs
  - server answers: theirs
    proves: [base.request.answered]
  - client requests: ping
    as: ours
  - server answers: ours
"#;
    let loaded = files::load([("a/b.yaml", text.as_bytes().to_vec())]);
    assert!(loaded.diagnostics.is_empty(), "{}", loaded.diagnostics[0]);
    let scenario = &loaded.scenarios[0];
    assert_eq!(scenario.parties, ["second client"]);
    assert_eq!(act(&scenario.exchange[0]).named.as_deref(), Some("second client"));
    assert_eq!((act(&scenario.exchange[2]).named.clone(), act(&scenario.exchange[0]).party), (None, Party::Client));
    let opening = scenario.opening.clone().unwrap();
    assert_eq!(spelling::pattern(&opening.params.unwrap()), "{ capabilities: { roots: {} } }");
    assert!(opening.result.is_some());
    assert!(matches!(&scenario.drive[0].what, Doing::WhenAsked { step } if step.is_empty()));
    let said = |from: &str, to: &str| {
        let loaded = files::load([("a/b.yaml", text.replacen(from, to, 1).into_bytes())]);
        loaded.diagnostics.iter().map(|d| (d.code, d.message.clone())).collect::<Vec<_>>()
    };
    let on_pipes = "a server on pipes has one client, and the file is played over stdio too".to_owned();
    assert_eq!(said("transports: http\n", ""), [("needs-http", on_pipes)]);
    let idle = "`third client` does nothing".to_owned();
    assert_eq!(said("[second client]", "[second client, third client]"), [("unused-value", idle)]);
    let strange = "`theirs` is an affair of `second client`, and not of `client`".to_owned();
    assert_eq!(said("  - server answers: ours", "  - client drops: theirs"), [("wrong-label", strange)]);
    assert_eq!(scenario.drive[0].after, Some(std::time::Duration::from_millis(20)));
}

#[test]
fn bytes_are_made() {
    let given = |id: &str| find(id).given.into_iter().find(|(n, _)| n == "bytes").unwrap().1.shape;
    assert!(matches!(given("base/unreadable-bytes#nested-too-deep"), Shape::Bytes(b) if b == vec![b'['; 100_000]));
    assert!(matches!(given("base/unreadable-bytes#no-utf-8"), Shape::Bytes(b) if b.ends_with(b"\xff}")));
    assert!(matches!(given("base/unreadable-bytes#half-a-message"), Shape::Literal(Value::String(_))));
}

#[test]
fn conditions_on_the_transport_are_kept() {
    let listens = find("modern/client-listens");
    assert_eq!(listens.exchange.last().unwrap().when, [Condition::Transport(crate::trace::Transport::Stdio)]);
}

#[test]
fn a_list_where_an_object_is_expected_lays_one_over_the_other() {
    let work = find("tasks/receiver-works-as-a-task#the-client-samples-for-the-server");
    let params = act(&work.exchange[1]).payload.params.clone().unwrap();
    assert!(matches!(&params.shape, Shape::Overlay(all) if all.len() == 2 && matches!(all[0].shape, Shape::Name(_))));
    let result = act(&find("tools/list-and-call").exchange[2]).payload.result.clone().unwrap();
    assert!(
        matches!(&result.shape, Shape::Object(m) if matches!(m[0].value.shape, Shape::Array(_))),
        "deeper it is a list"
    );
}

#[test]
fn values_resolve_by_the_core_schema() {
    let literal = |v: Value| Ok(Shape::Literal(v));
    for (spelled, wanted) in [
        ("12", json!(12)),
        ("-3", json!(-3)),
        ("\"12\"", json!("12")),
        ("1.5", json!(1.5)),
        ("1e3", json!(1000.0)),
        ("18446744073709551615", json!(u64::MAX)),
        ("0x1f", json!(31)),
        ("null", json!(null)),
        ("~", json!(null)),
        ("true", json!(true)),
        ("'true'", json!("true")),
        ("1_000", json!("1_000")),
        ("1.2.3", json!("1.2.3")),
        ("<<any>", json!("<any>")),
        ("$$name", json!("$name")),
        ("costs 5$", json!("costs 5$")),
        ("\"$${x}\"", json!("${x}")),
    ] {
        assert_eq!(value(spelled), literal(wanted), "{spelled}");
    }
    for bad in [
        "18446744073709551616",
        ".nan",
        "-.inf",
        "012",
        "yes",
        "$",
        "$a-b",
        "\"$a b\"",
        "\"${a\"",
        "<any",
        "<fresh 1..>",
        "<1..x>",
    ] {
        assert!(value(bad).is_err(), "{bad}");
    }
}

#[test]
fn patterns_have_one_visible_form() {
    assert_eq!(value("<string>"), Ok(Shape::Type(Type::String)));
    assert_eq!(value("\"<string>\""), Ok(Shape::Type(Type::String)), "quoted or plain is the same");
    assert_eq!(value("<integer 1..5>"), Ok(Shape::Integer { min: Some(1), max: Some(5) }));
    assert_eq!(value("<400..>"), Ok(Shape::Integer { min: Some(400), max: None }));
    assert_eq!(value("<fresh 2..99>"), Ok(Shape::Fresh(Fresh::Integer { min: 2, max: 99 })));
    assert_eq!(value("\"</^[a-z]+|x$/>\""), Ok(Shape::Matches("^[a-z]+|x$".into())));
    let Ok(Shape::OneOf(all)) = value("<400 | null | other | <>") else { panic!() };
    let shapes: Vec<Shape> = all.into_iter().map(|p| p.shape).collect();
    assert_eq!(
        shapes,
        [
            Shape::Literal(json!(400)),
            Shape::Type(Type::Null),
            Shape::Literal(json!("other")),
            Shape::Literal(json!("<"))
        ]
    );
    assert!(matches!(value("{ <contains>: [1, 2] }"), Ok(Shape::Contains(all)) if all.len() == 2));
    assert!(matches!(value("{ <each>: <string> }"), Ok(Shape::Each(_))));
    assert!(value("{ <each>: <string>, other: 1 }").is_err());
    assert!(value("{ <any>: 1 }").is_err());
}

#[test]
fn several_mistakes_are_all_said() {
    let text =
        "titel: x\nrevisions: 2025-11-26\nexchange:\n  - client request: ping\n  - server answers: x\n    reslut: {}\n";
    let found = file(Source::new("a/b.yaml", text)).unwrap_err();
    let codes: Vec<&str> = found.iter().map(|d| d.code).collect();
    assert_eq!(codes, ["missing-key", "unknown-key", "unknown-word", "unknown-word", "unknown-key"]);
}

#[test]
fn bombs_and_abysses_are_refused_quickly() {
    let began = std::time::Instant::now();
    let laughs = "a: &a [x, x, x, x]\nb: &b [*a, *a, *a, *a]\nc: &c [*b, *b, *b, *b]\nd: [*c, *c, *c, *c]\n";
    let wide = format!("title: [{}]", "1,".repeat(200_000));
    let many = format!("title: x\ncases:\n{}exchange: []\n", "  - { name: a }\n".repeat(5000));
    let steps =
        format!("title: x\nrevisions: \"2025-11-25\"\nexchange:\n{}", "  - client requests: ping\n".repeat(20_000));
    for text in [
        laughs.to_owned(),
        "[".repeat(200_000),
        "{a: ".repeat(100_000),
        "- ".repeat(100_000),
        "? ".repeat(100_000),
        (0..2000).map(|i| format!("{}a:\n", " ".repeat(i))).collect(),
        "&a ".repeat(1000),
        "!!str ".repeat(1000),
        format!("title: {}", "x".repeat(MAX_BYTES)),
        format!("{}: x", "k".repeat(100_000)),
        "'".repeat(10_000),
        wide,
        many,
        steps,
        "%YAML 1.1\n---\ntitle: x\n".to_owned(),
        "\u{0}title: x".to_owned(),
    ] {
        let shown: String = text.chars().take(30).collect();
        let (scenarios, found) = read(&Source::new("a/b.yaml", text));
        assert!(scenarios.is_empty() && !found.is_empty(), "{shown}");
        for d in found {
            assert!(d.render(false).len() < 4_000_000, "{shown}");
        }
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(30), "{:?}", began.elapsed());
}

/// A file with something cut out, put in or said twice.
fn damaged() -> impl Strategy<Value = String> {
    let files: Vec<String> = files::embedded_files().iter().map(|(_, text)| (*text).to_owned()).collect();
    let scraps = vec![
        "",
        " ",
        "\n",
        "\t",
        ":",
        "- ",
        "[",
        "]",
        "{",
        "}",
        "\"",
        "'",
        "#",
        "&a ",
        "*a",
        "!!x ",
        "|\n",
        ">\n",
        "<",
        ">",
        "$",
        "${",
        "<<: ",
        "\u{0}",
        "\u{feff}",
        "é",
        "😀",
        "\r",
        "? ",
        ", ",
        "yes",
        "012",
        "99999999999999999999",
        "<fresh 9..1>",
        "</(/>",
        "loop:",
        "when: ",
        "proves: []",
        "not exercised,",
        "---\n",
        "...\n",
    ];
    (prop::sample::select(files), any::<prop::sample::Index>(), 0usize..40, prop::sample::select(scraps), any::<bool>())
        .prop_map(|(mut text, at, length, scrap, twice)| {
            let mut places: Vec<usize> = text.char_indices().map(|(i, _)| i).collect();
            places.push(text.len());
            let start = at.index(places.len());
            let end = (start + length).min(places.len() - 1);
            let cut = text[places[start]..places[end]].to_owned();
            let put = if twice { format!("{cut}{scrap}{cut}") } else { scrap.to_owned() };
            text.replace_range(places[start]..places[end], &put);
            text
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_reader_fall(text in "\\PC{0,200}") {
        check(text);
    }

    #[test]
    fn no_damage_makes_the_reader_fall(text in damaged()) {
        check(text);
    }
}

/// Whatever is read, places lie in the file, and every scenario can be explained.
fn check(text: String) {
    let loaded = files::load([("a/b.yaml", text.into_bytes())]);
    for d in &loaded.diagnostics {
        assert!(d.span.start <= d.source.text.len(), "{d}");
        assert!(!d.render(false).is_empty());
    }
    for scenario in &loaded.scenarios {
        for seat in crate::trace::Seat::ALL {
            let table = crate::scenario::explain::table(scenario, seat, scenario.revisions[0], scenario.transports[0]);
            assert!(table.contains(&scenario.id));
        }
    }
}
