#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use crate::trace::event::StreamId;
use crate::wire::Party;
use proptest::prelude::*;

fn request(target: &str, headers: &[(&str, &str)]) -> Event {
    let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let body = Body::HttpRequest {
        round_trip: 0,
        method: "POST".into(),
        target: target.into(),
        headers,
        step: None,
        client: None,
    };
    Event { seq: 0, at: 0, body }
}

fn message(text: &str) -> Event {
    let body = Body::Message {
        stream: StreamId(0),
        from: Party::Server,
        text: Text::Plain(text.into()),
        event_id: None,
        step: None,
        breaks: Vec::new(),
        cut_from: None,
    };
    Event { seq: 0, at: 0, body }
}

fn stderr(text: &str) -> Event {
    Event { seq: 0, at: 0, body: Body::Stderr { party: Party::Server, text: text.into() } }
}

fn shape(text: &str) -> String {
    let class = |c: char| match c {
        '0'..='9' => '0',
        'a'..='z' => 'a',
        'A'..='Z' => 'A',
        other => other,
    };
    text.chars().map(class).collect()
}

fn header(event: &Event, n: usize) -> String {
    match &event.body {
        Body::HttpRequest { headers, .. } => headers[n].1.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn secrets_go_and_what_they_are_for_stays() {
    let mut r = Redactor::new();
    let event = r.event(request(
        "/mcp?page=2&access_token=s3cr3t-Value#token=abcd",
        &[
            ("Authorization", "Bearer eyJhbGciOi.x_y-z"),
            ("cookie", "sid=Abc123; theme=dark"),
            ("Mcp-Session-Id", "1f0c-22"),
            ("Accept", "text/event-stream"),
        ],
    ));
    let Body::HttpRequest { target, headers, .. } = &event.body else { panic!("a request") };
    assert_eq!(shape(target), shape("/mcp?page=2&access_token=s3cr3t-Value#token=abcd"));
    assert!(target.starts_with("/mcp?page=2&access_token=") && !target.contains("s3cr3t") && !target.contains("abcd"));
    assert!(headers[0].1.starts_with("Bearer ") && !headers[0].1.contains("eyJhbGciOi"));
    assert!(headers[1].1.starts_with("sid=") && headers[1].1.contains("; theme="), "{}", headers[1].1);
    assert_ne!(headers[2].1, "1f0c-22");
    assert_eq!(headers[3].1, "text/event-stream");
}

#[test]
fn a_cookie_that_was_set_is_the_cookie_that_comes_back() {
    let mut r = Redactor::new();
    let set = r.event(request("/", &[("Set-Cookie", "sid=Abc123; Path=/; HttpOnly")]));
    let back = r.event(request("/", &[("Cookie", "sid=Abc123")]));
    assert!(header(&set, 0).ends_with("; Path=/; HttpOnly"));
    assert!(header(&set, 0).starts_with(&header(&back, 0)));
}

#[test]
fn a_secret_that_was_seen_is_found_in_free_text() {
    let mut r = Redactor::new();
    let _ = r.event(request("/", &[("Authorization", "Bearer 0123456789abcdef")]));
    let Body::Stderr { text, .. } = r.event(stderr("token is 0123456789abcdef, see http://x/?code=zzzz&a=b")).body
    else {
        panic!("stderr")
    };
    assert!(!text.contains("0123456789abcdef") && !text.contains("zzzz") && text.ends_with("&a=b"), "{text}");
}

#[test]
fn a_message_stays_json() {
    let text = r#"{"url": "https://example.com/?token=ab\u00e9c\"&x=1", "token": "stays"}"#;
    let mut r = Redactor::new();
    let Body::Message { text: Text::Plain(after), .. } = r.event(message(text)).body else { panic!("a message") };
    assert!(serde_json::from_str::<serde_json::Value>(&after).is_ok(), "{after}");
    assert!(!after.contains("token=ab") && after.contains("stays"), "{after}");
}

#[test]
fn secrets_of_one_letter_keep_apart_as_well() {
    let mut r = Redactor::new();
    let all: HashSet<String> = ('a'..='z').map(|c| r.pseudonym(&c.to_string())).collect();
    assert_eq!(all.len(), 26);
}

proptest! {
    #[test]
    fn equality_and_shape_are_kept(secrets in prop::collection::vec("[a-cA-B0-1._é-]{0,4}", 1..40)) {
        let mut r = Redactor::new();
        let after: Vec<String> =
            secrets.iter().map(|s| header(&r.event(request("/", &[("Mcp-Session-Id", s)])), 0)).collect();
        for (i, a) in secrets.iter().enumerate() {
            prop_assert_eq!(shape(a), shape(&after[i]));
            for (j, b) in secrets.iter().enumerate() {
                prop_assert_eq!(a == b, after[i] == after[j], "{} {}", a, b);
            }
        }
    }

    #[test]
    fn what_was_redacted_stays_as_it_is(
        lines in prop::collection::vec(
            prop_oneof![
                "[a-bA0-1]{0,3}".prop_map(|s| request("/", &[("Mcp-Session-Id", &s)])),
                "[ -~]{0,12}".prop_map(|s| request("/", &[("Authorization", &format!("Bearer {s}")), ("Cookie", &s)])),
                "[a-b=&?;#]{0,9}".prop_map(|s| request(&format!("/?token={s}"), &[("Set-Cookie", &s)])),
                "[ -~]{0,20}".prop_map(|s| message(&s)),
            ],
            0..20,
        )
    ) {
        let mut first = Redactor::new();
        let once: Vec<Event> = lines.into_iter().map(|e| first.event(e)).collect();
        let mut second = Redactor::new();
        let twice: Vec<Event> = once.iter().cloned().map(|e| second.event(e)).collect();
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn any_text_can_be_redacted(text in "\\PC{0,60}", target in "\\PC{0,60}") {
        let mut r = Redactor::new();
        let _ = r.event(request(&target, &[("Cookie", &text), ("Authorization", &text), ("Location", &text)]));
        let _ = r.event(stderr(&text));
        let _ = r.event(message(&text));
    }
}
