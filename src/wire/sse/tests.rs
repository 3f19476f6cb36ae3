#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use super::*;
use proptest::prelude::*;

fn read_chunks(limit: usize, chunks: &[&[u8]]) -> (Vec<Item>, Option<Unfinished>) {
    let mut reader = Reader::new(limit);
    let items = chunks.iter().flat_map(|c| reader.push(c)).collect();
    let unfinished = reader.finish();
    assert_eq!(reader.finish(), None);
    (items, unfinished)
}

fn read(text: &str) -> Vec<Item> {
    read_chunks(1 << 20, &[text.as_bytes()]).0
}

/// One line of words for each item.
fn told(items: &[Item]) -> Vec<String> {
    let s = |b: &Bytes| String::from_utf8_lossy(b).into_owned();
    items
        .iter()
        .map(|item| match item {
            Item::Event(e) => {
                let mut words = format!("{}@{}", e.event_type(), e.offset);
                if e.has_data {
                    words += &format!(" data={:?}", s(&e.data));
                }
                if let Some(id) = &e.id {
                    words += &format!(" id={id:?}");
                }
                if let Some(retry) = e.retry {
                    words += &format!(" retry={retry}");
                }
                words + &format!(" last={:?}", e.last_event_id)
            }
            Item::Comment { text, offset } => format!("comment@{offset} {:?}", s(text)),
            Item::BadRetry { value, offset } => format!("bad retry@{offset} {:?}", s(value)),
            Item::BadId { value, offset } => format!("bad id@{offset} {:?}", s(value)),
            Item::UnknownField { name, value, offset } => format!("unknown@{offset} {:?}={:?}", s(name), s(value)),
            Item::NotUtf8 { offset } => format!("not UTF-8@{offset}"),
            Item::ByteOrderMark => "BOM".into(),
        })
        .collect()
}

#[test]
fn the_examples_of_the_standard() {
    let text = "data: YHOO\ndata: +2\ndata: 10\n\n";
    assert_eq!(told(&read(text)), [r#"message@0 data="YHOO\n+2\n10" last="""#]);
    let text = ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n";
    let expected = [
        r#"comment@0 " test stream""#,
        r#"message@15 data="first event" id="1" last="1""#,
        r#"message@40 data="second event" id="" last="""#,
    ];
    assert_eq!(told(&read(text)), expected);
    assert_eq!(
        told(&read("data\n\ndata\ndata\n\ndata:")),
        [r#"message@0 data="" last="""#, r#"message@6 data="\n" last="""#]
    );
    assert_eq!(
        told(&read("data:test\n\ndata: test\n\n")),
        [r#"message@0 data="test" last="""#, r#"message@11 data="test" last="""#]
    );
}

#[test]
fn odd_fields_are_told() {
    let cases: &[(&str, &[&str])] = &[
        ("id: 1\nretry: 500\ndata:\n\n", &[r#"message@0 data="" id="1" retry=500 last="1""#]),
        ("id: 1\nretry: 500\ndata\n\n", &[r#"message@0 data="" id="1" retry=500 last="1""#]),
        ("id: 7\n\ndata: x\n\n", &[r#"message@0 id="7" last="7""#, r#"message@7 data="x" last="7""#]),
        ("id: 1\nid: 2\nid: a\0b\ndata:\n\n", &[r#"bad id@12 "a\0b""#, r#"message@0 data="" id="2" last="2""#]),
        ("retry: 5x\nretry:\nretry: -1\n\n", &[r#"bad retry@0 "5x""#, r#"bad retry@10 """#, r#"bad retry@17 "-1""#]),
        ("retry: 99999999999999999999999\n\n", &[&format!(r#"message@0 retry={} last="""#, u64::MAX)]),
        ("retry: ５\n\n", &["bad retry@0 \"５\""]),
        ("event: a\nevent: b\ndata: x\n\n", &[r#"b@0 data="x" last="""#]),
        ("event:\ndata: x\n\n", &[r#"message@0 data="x" last="""#]),
        ("event: x\n\n", &[r#"x@0 last="""#]),
        (
            "Data: x\n data: y\ndata : z\nfoo\n\n",
            &[
                r#"unknown@0 "Data"="x""#,
                r#"unknown@8 " data"="y""#,
                r#"unknown@17 "data "="z""#,
                r#"unknown@26 "foo"="""#,
            ],
        ),
        (":\n::a\n", &[r#"comment@0 """#, r#"comment@2 ":a""#]),
        (
            "\u{feff}data: x\n\n\u{feff}data: y\n\n",
            &["BOM", r#"message@0 data="x" last="""#, r#"unknown@12 "\u{feff}data"="y""#],
        ),
        ("\n\n\n", &[]),
        (
            "data: a\r\rdata: b\r\n\r\ndata: c\n\r",
            &[r#"message@0 data="a" last="""#, r#"message@9 data="b" last="""#, r#"message@20 data="c" last="""#],
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(&told(&read(text)), expected, "{text:?}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_kept_and_told() {
    let (items, _) = read_chunks(100, &[b"data: a\xff\nid: \xc3(\n\n"]);
    let Item::Event(event) = &items[2] else { panic!("{items:?}") };
    assert_eq!((&event.data[..], event.id.as_deref()), (&b"a\xff"[..], Some("\u{fffd}(")));
    assert_eq!(items[..2], [Item::NotUtf8 { offset: 0 }, Item::NotUtf8 { offset: 9 }]);
}

#[test]
fn an_unfinished_tail_is_told_and_does_not_move_the_last_id() {
    let mut reader = Reader::default();
    assert_eq!(reader.push(b"id: 1\ndata:\n\nid: 2\ndata: x\ndata: y").len(), 1);
    let tail = reader.finish().unwrap();
    let event = tail.event.unwrap();
    assert_eq!((&event.data[..], event.id.as_deref(), &tail.line[..]), (&b"x"[..], Some("2"), &b"data: y"[..]));
    assert_eq!(reader.last_event_id(), "1");
    assert_eq!(read_chunks(9, &[b"data: x\n\n"]).1, None);
    assert_eq!(read_chunks(9, &[b": x\n"]).1, None);
    assert!(read_chunks(9, &[b"data: x\n"]).1.unwrap().line.is_empty());
}

#[test]
fn what_is_too_long_is_cut_and_counted() {
    let text = format!("data: {}\ndata: x\n\ndata: ok\n\n", "a".repeat(200));
    let (items, _) = read_chunks(4, &[text.as_bytes()]);
    let Item::Event(event) = &items[0] else { panic!("{items:?}") };
    assert_eq!((&event.data[..], event.data_length, event.cut()), (&b"aaaa"[..], 202, true));
    let Item::Event(event) = &items[1] else { panic!("{items:?}") };
    assert_eq!((&event.data[..], event.cut(), event.offset), (&b"ok"[..], false, 216));
    let (items, _) = read_chunks(4, &[b"data: ab\ndata: cdef\n\n"]);
    let Item::Event(event) = &items[0] else { panic!("{items:?}") };
    assert_eq!((&event.data[..], event.data_length), (&b"ab\nc"[..], 7));
    // A cut through a character is not the peer's fault.
    let text = format!("data: {}\n\n", "é".repeat(100));
    assert!(read_chunks(5, &[text.as_bytes()]).0.iter().all(|i| matches!(i, Item::Event(_))));
    let comment = format!(":{}\n", "c".repeat(1000));
    assert_eq!(told(&read_chunks(3, &[comment.as_bytes()]).0), [r#"comment@0 "ccc""#]);
}

#[test]
fn time_and_memory_grow_with_the_input_only() {
    let mut reader = Reader::new(1000);
    for _ in 0..2000 {
        assert!(reader.push(&[b'a'; 1000]).is_empty());
    }
    assert!(reader.line.capacity() < 4000);
    // One byte at a time, a large event: would take minutes if anything were scanned again.
    let mut reader = Reader::default();
    let mut events = 0;
    for byte in format!("data: {}\n\n", "b".repeat(1 << 20)).bytes() {
        events += reader.push(&[byte]).len();
    }
    assert_eq!(events, 1);
}

const ENDINGS: [LineEnding; 3] = [LineEnding::Lf, LineEnding::CrLf, LineEnding::Cr];

#[test]
fn what_is_written() {
    let e = Encoder::default();
    assert_eq!(e.prime("s-0", Some(500)), b"id: s-0\nretry: 500\ndata:\n\n");
    assert_eq!(e.comment("keep\nalive"), b": keep\n: alive\n\n");
    assert_eq!(e.event(b"{}", Some("message"), None, None), b"event: message\ndata: {}\n\n");
    assert_eq!(e.event(b"a\r\nb\rc\n", None, Some("x\ny\0"), None), b"id: xy\ndata: a\ndata: b\ndata: c\ndata:\n\n");
    let cr = Encoder { ending: LineEnding::Cr };
    assert_eq!(cr.prime("1", None), b"id: 1\rdata:\r\r");
}

fn chunks<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|c| c.index(bytes.len() + 1)).chain([0, bytes.len()]).collect();
    at.sort_unstable();
    at.windows(2).map(|w| &bytes[w[0]..w[1]]).collect()
}

proptest! {
    #[test]
    fn chunks_make_no_difference(
        lines in prop::collection::vec(r"(data|id|event|retry|x|)(:| |: )?[a-c:\u{0}é1]{0,6}(\n|\r|\r\n|\n\n|\r\r|\r\n\r\n)", 0..12),
        bom: bool,
        cuts: Vec<prop::sample::Index>,
        limit in 0usize..12,
    ) {
        let text = format!("{}{}", if bom { "\u{feff}" } else { "" }, lines.concat());
        prop_assert_eq!(read_chunks(limit, &chunks(text.as_bytes(), &cuts)), read_chunks(limit, &[text.as_bytes()]));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>, cuts: Vec<prop::sample::Index>, limit in 0usize..100) {
        prop_assert_eq!(read_chunks(limit, &chunks(&bytes, &cuts)), read_chunks(limit, &[&bytes]));
    }

    #[test]
    fn what_is_written_is_read(
        events in prop::collection::vec(
            ("[^\r]*", prop::option::of("[^\r\n\0]*"), prop::option::of("[^\r\n\0]*"), prop::option::of(any::<u64>())),
            0..6,
        ),
        comment in "[^\r\n]*",
        ending in prop::sample::select(&ENDINGS[..]),
        cuts: Vec<prop::sample::Index>,
    ) {
        let encoder = Encoder { ending };
        let mut bytes = encoder.comment(&comment);
        for (data, event, id, retry) in &events {
            bytes.extend(encoder.event(data.as_bytes(), event.as_deref(), id.as_deref(), *retry));
        }
        let (items, tail) = read_chunks(1 << 20, &chunks(&bytes, &cuts));
        prop_assert_eq!(tail, None);
        let Item::Comment { text, .. } = &items[0] else { panic!("{items:?}") };
        let text = std::str::from_utf8(text).unwrap();
        prop_assert_eq!(text.strip_prefix(' ').unwrap_or(text), &comment);
        prop_assert_eq!(items.len() - 1, events.len());
        for (item, (data, event, id, retry)) in items[1..].iter().zip(events) {
            let Item::Event(read) = item else { panic!("{items:?}") };
            prop_assert_eq!(std::str::from_utf8(&read.data).unwrap(), data);
            prop_assert_eq!((&read.event, &read.id, read.retry, read.has_data), (&event, &id, retry, true));
        }
    }
}
