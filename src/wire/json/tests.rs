#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn doc(text: &str) -> Document {
    read(text.as_bytes(), &Limits::default()).unwrap()
}

fn lints(text: &str) -> Vec<(LintKind, &str)> {
    doc(text).lints().iter().map(|l| (l.kind, &text[l.span.clone()])).collect()
}

fn error(bytes: &[u8]) -> String {
    read(bytes, &Limits::default()).unwrap_err().to_string()
}

#[test]
fn every_lint_says_where() {
    use LintKind::*;
    let cases: &[(&str, &[(LintKind, &str)])] = &[
        (r#"{"a":1,"b":2}"#, &[]),
        (r#"{"a":1,"a":2}"#, &[(DuplicateKey, "\"a\"")]),
        (r#"{"a":1,"\u0061":2,"a":3}"#, &[(DuplicateKey, r#""\u0061""#), (DuplicateKey, "\"a\"")]),
        (r#"{"a":{"a":1},"b":[{"a":1}]}"#, &[]),
        (r#"["\ud800"]"#, &[(LoneSurrogate, r"\ud800")]),
        (r#"["\udc00x"]"#, &[(LoneSurrogate, r"\udc00")]),
        (r#"["\ud800\ud83d\ude00"]"#, &[(LoneSurrogate, r"\ud800")]),
        (r#"["\ud800\n"]"#, &[(LoneSurrogate, r"\ud800")]),
        (r#"["\ud83d\ude00"]"#, &[]),
        (r#"["\u0000"]"#, &[(NulEscape, r"\u0000")]),
        ("[9007199254740992,-9007199254740992]", &[]),
        ("[9007199254740993]", &[(IntegerBeyond53Bits, "9007199254740993")]),
        ("[-9223372036854775808]", &[(IntegerBeyond53Bits, "-9223372036854775808")]),
        ("[18446744073709551615]", &[(IntegerBeyond53Bits, "18446744073709551615")]),
        ("[18446744073709551616]", &[(IntegerBeyond64Bits, "18446744073709551616")]),
        ("[-9223372036854775809]", &[(IntegerBeyond64Bits, "-9223372036854775809")]),
        ("[1e400]", &[(IntegerWrittenAsFloat, "1e400"), (FloatOverflow, "1e400")]),
        ("[1.5e-400]", &[(FloatUnderflow, "1.5e-400")]),
        ("[1e-99999999999999999999]", &[(FloatUnderflow, "1e-99999999999999999999")]),
        ("[0e99999999999999999999]", &[(IntegerWrittenAsFloat, "0e99999999999999999999")]),
        ("[1.0]", &[(IntegerWrittenAsFloat, "1.0")]),
        ("[1E+2]", &[(IntegerWrittenAsFloat, "1E+2")]),
        ("[12.50e1]", &[(IntegerWrittenAsFloat, "12.50e1")]),
        ("[100e-2]", &[(IntegerWrittenAsFloat, "100e-2")]),
        ("[12.5,100e-3,1.25e1,0.1]", &[]),
        ("[-0]", &[(NegativeZero, "-0")]),
        ("[-0.0]", &[(NegativeZero, "-0.0"), (IntegerWrittenAsFloat, "-0.0")]),
        ("\u{feff}[1]", &[(ByteOrderMark, "\u{feff}")]),
        ("\n[1]\r\n", &[]),
        ("[1, \n \r\n 2]", &[(RawNewline, "\n \r\n")]),
        ("{\"a\"\r:\n1}", &[(RawNewline, "\r"), (RawNewline, "\n")]),
    ];
    for (text, expected) in cases {
        assert_eq!(&lints(text), expected, "{text}");
    }
    let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
    assert_eq!(lints(&deep(127)), []);
    assert_eq!(doc(&deep(200)).lints(), [Lint { kind: DeepNesting, span: 127..128 }]);
    assert_eq!(doc(&deep(256)).value().pointer(&"/0".repeat(255)), Some(&json!([])));
    assert_eq!(error(deep(257).as_bytes()), "nested deeper than 256 at byte 256");
}

#[test]
fn what_is_no_json_is_refused_with_its_place() {
    let cases: &[(&[u8], &str)] = &[
        (b"", "expected a value, the text ends at byte 0"),
        (b" ", "expected a value, the text ends at byte 1"),
        (b"[1] x", "expected the end of the text, found `x` at byte 4"),
        (b"{}{}", "expected the end of the text, found `{` at byte 2"),
        (b"[1]\0", "expected the end of the text, found U+0000 at byte 3"),
        (b"NaN", "expected a value, found `N` at byte 0"),
        (b"[Infinity]", "expected a value, found `I` at byte 1"),
        (b"[-Infinity]", "expected a digit, found `I` at byte 2"),
        (b"[1,]", "expected a value, found `]` at byte 3"),
        (b"[1 2]", "expected `,` or `]`, found `2` at byte 3"),
        (b"[", "expected a value, the text ends at byte 1"),
        (b"{", "expected a name in quotes, the text ends at byte 1"),
        (b"{\"a\":1,}", "expected a name in quotes, found `}` at byte 7"),
        (b"{\"a\" 1}", "expected `:`, found `1` at byte 5"),
        (b"{\"a\":1 \"b\"", "expected `,` or `}`, found `\"` at byte 7"),
        (b"{a:1}", "expected a name in quotes, found `a` at byte 1"),
        (b"01", "expected no digit after a leading zero, found `1` at byte 1"),
        (b"1.", "expected a digit, the text ends at byte 2"),
        (b".5", "expected a value, found `.` at byte 0"),
        (b"1e", "expected a digit, the text ends at byte 2"),
        (b"+1", "expected a value, found `+` at byte 0"),
        (b"tru", "expected a value, found `t` at byte 0"),
        (b"truex", "expected the end of the text, found `x` at byte 4"),
        (b"\"a", "expected the closing quote, the text ends at byte 2"),
        (b"\"\n\"", "expected an escaped control character (`\\n`, `\\u0001`), found U+000A at byte 1"),
        (b"\"\\x\"", "expected one of `\" \\ / b f n r t u` after `\\`, found `x` at byte 2"),
        (b"\"\\u12g4\"", "expected four hexadecimal digits after `\\u`, found `g` at byte 5"),
        (b"\"\\ud800\\u12\"", "expected four hexadecimal digits after `\\u`, found `\"` at byte 11"),
        (b"\"\xff\"", "the byte 0xFF is not UTF-8 at byte 1"),
        (b"\"\xc0\xaf\"", "the byte 0xC0 is not UTF-8 at byte 1"),
        (b"\"\xed\xa0\x80\"", "the byte 0xED is not UTF-8 at byte 1"),
        (b"\"\xf5\x80\x80\x80\"", "the byte 0xF5 is not UTF-8 at byte 1"),
        (b"\"\xe2\x82\"", "the byte 0xE2 is not UTF-8 at byte 1"),
        (b"[\xc2\xa01]", "expected a value, found `\u{a0}` at byte 1"),
        (b"// c\n1", "expected a value, found `/` at byte 0"),
        (b"'a'", "expected a value, found `'` at byte 0"),
    ];
    for (bytes, expected) in cases {
        assert_eq!(&error(bytes), expected, "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn values_that_do_not_fit_are_kept_as_near_as_can_be() {
    assert_eq!(doc("[1e400,-1e400]").value(), &json!([f64::MAX, f64::MIN]));
    assert_eq!(doc("18446744073709551616").value(), &json!(18_446_744_073_709_551_616.0));
    assert_eq!(doc(r#"{"a":1,"b":2,"a":3}"#).value().to_string(), r#"{"a":3,"b":2}"#);
    assert_eq!(doc(r#""\ud800x""#).value(), &json!("\u{fffd}x"));
    let text = "9".repeat(400);
    let kinds: Vec<_> = doc(&text).lints().iter().map(|l| l.kind).collect();
    assert_eq!(kinds, [LintKind::IntegerBeyond64Bits, LintKind::FloatOverflow]);
}

#[test]
fn a_pointer_finds_the_text() {
    let text = r#" {"a/b":[1.0, {"~":"\u0061"},[]], "":null, "z":{ "k" : 1e0 },"":7} "#;
    let doc = doc(text);
    let raw = |pointer: &str| doc.raw(pointer, text.as_bytes()).map(|b| std::str::from_utf8(b).unwrap());
    assert_eq!(raw(""), Some(text.trim()));
    assert_eq!(raw("/a~1b"), Some(r#"[1.0, {"~":"\u0061"},[]]"#));
    assert_eq!(raw("/a~1b/0"), Some("1.0"));
    assert_eq!(raw("/a~1b/1/~0"), Some(r#""\u0061""#));
    assert_eq!(raw("/a~1b/2"), Some("[]"));
    assert_eq!(raw("/"), Some("7"), "the last of two");
    assert_eq!(raw("/z/k"), Some("1e0"));
    for nothing in ["a", "/b", "/a~1b/3", "/a~1b/00", "/a~1b/+0", "/a~1b/-", "/z/k/0", "/z/"] {
        assert_eq!(raw(nothing), None, "{nothing}");
    }
    assert_eq!(&text[doc.key_span("/z/k").unwrap()], "\"k\"");
    assert_eq!(doc.key_span("/a~1b/0"), None);
    assert_eq!(doc.key_span(""), None);
    let at = |needle: &str| doc.pointer_at(text.find(needle).unwrap());
    assert_eq!(at("1.0").as_deref(), Some("/a~1b/0"));
    assert_eq!(at("\"~\"").as_deref(), Some("/a~1b/1/~0"));
    assert_eq!(at("1e0").as_deref(), Some("/z/k"));
    assert_eq!(at("7").as_deref(), Some("/"));
    assert_eq!(at("null").as_deref(), Some("/"), "the value that was replaced has its name's pointer");
    assert_eq!(doc.pointer_at(0), None);
    assert_eq!(doc.pointer_at(1).as_deref(), Some(""));
}

#[test]
fn of_members_with_one_name_the_last_is_found_even_nested() {
    let text = r#"{"a":{"x":1},"b":{"x":1,"x":[2],"y":0,"x":{"q":3}},"a":{"x":4,"y":5}}"#;
    let doc = doc(text);
    for pointer in ["/a", "/a/x", "/a/y", "/b", "/b/x/q", "/b/y"] {
        let raw = doc.raw(pointer, text.as_bytes()).unwrap();
        let value: Value = serde_json::from_slice(raw).unwrap();
        assert_eq!(Some(&value), doc.value().pointer(pointer), "{pointer}");
    }
}

#[test]
fn many_lints_are_counted_not_kept() {
    let text = format!("[{}0]", "1.0,".repeat(MAX_LINTS + 5));
    let doc = doc(&text);
    assert_eq!((doc.lints().len(), doc.lints_omitted()), (MAX_LINTS, 5));
}

#[test]
fn lines_and_columns_count_from_one_in_characters() {
    let text = "{\n  \"ä\": €x\n}".as_bytes();
    let at = |needle: &str| line_column(text, "{\n  \"ä\": €x\n}".find(needle).unwrap());
    assert_eq!(at("{"), (1, 1));
    assert_eq!(at("\"ä"), (2, 3));
    assert_eq!(at("x"), (2, 9));
    assert_eq!(line_column(text, 9999), (3, 2));
    assert_eq!(line_column(b"", 0), (1, 1));
}

#[test]
fn a_depth_beyond_the_maximum_is_the_maximum() {
    let limits = Limits { depth: usize::MAX };
    assert!(read("[".repeat(1_000_000).as_bytes(), &limits).is_err());
    let full = "[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH);
    assert!(read(full.as_bytes(), &limits).is_ok());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-1000i32..1000).prop_map(|n| Value::from(f64::from(n) / 8.0)),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec(("[a-c/~\\\\\"é]{0,2}", inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Every pointer of a value.
fn pointers(value: &Value, here: String, out: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                pointers(item, format!("{here}/{i}"), out);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                pointers(member, format!("{here}/{}", escape(key)), out);
            }
        }
        _ => {}
    }
    out.push(here);
}

proptest! {
    #[test]
    fn reads_what_serde_json_reads(value in any_json(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let doc = read(text.as_bytes(), &Limits::default()).unwrap();
        let theirs: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(doc.value(), &theirs);
        prop_assert_eq!(doc.value().to_string(), theirs.to_string());
        let mut all = Vec::new();
        pointers(&theirs, String::new(), &mut all);
        for pointer in all {
            let span = doc.span(&pointer).unwrap();
            let again: Value = serde_json::from_slice(&text.as_bytes()[span.clone()]).unwrap();
            prop_assert_eq!(Some(&again), theirs.pointer(&pointer));
            prop_assert_eq!(doc.pointer_at(span.start), Some(pointer));
        }
    }

    /// Near-JSON: the two readers agree on what is JSON, except where we are more lenient and say so.
    #[test]
    fn agrees_with_serde_json_on_what_is_json(text in r#"([\[\]{}:,\-+.0-9eE "\n]|"a"|\\u00e9|\\ud800|\\|true|null|1){0,12}"#) {
        let ours = read(text.as_bytes(), &Limits::default());
        match (ours, serde_json::from_str::<Value>(&text)) {
            (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours.value(), &theirs),
            (Err(_), Err(_)) => {}
            (Ok(ours), Err(e)) => prop_assert!(
                ours.lints().iter().any(|l| matches!(l.kind, LintKind::LoneSurrogate | LintKind::FloatOverflow)),
                "{:?} but {}", text, e
            ),
            (Err(ours), Ok(_)) => prop_assert!(false, "{:?} refused: {}", text, ours),
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>, pointer: String, offset: usize) {
        if let Ok(doc) = read(&bytes, &Limits::default()) {
            let _ = (doc.raw(&pointer, &bytes), doc.pointer_at(offset % (bytes.len() + 1)));
        }
        let _ = line_column(&bytes, offset);
    }

    #[test]
    fn mutilated_json_never_panics_and_errors_are_inside(value in any_json(), at: usize, byte: u8, cut: bool) {
        let mut bytes = value.to_string().into_bytes();
        let at = at % bytes.len();
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        match read(&bytes, &Limits::default()) {
            Ok(doc) => prop_assert!(doc.lints().iter().all(|l| l.span.end <= bytes.len() && !l.span.is_empty())),
            Err(e) => prop_assert!(e.offset <= bytes.len()),
        }
    }
}
