#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use super::*;
use proptest::prelude::*;

/// What a reader makes of chunks: a line for each piece, data joined; what passes; how it ends.
fn read(mut reader: Reader, chunks: &[&[u8]]) -> (Vec<String>, Vec<u8>, Rest) {
    let mut pass = Vec::new();
    let mut lines: Vec<String> = Vec::new();
    for chunk in chunks {
        for piece in reader.push(chunk, &mut pass) {
            match piece {
                Piece::Data(data) => {
                    let text = data.escape_ascii().to_string();
                    match lines.last_mut().filter(|l| l.starts_with("data ")) {
                        Some(last) => last.push_str(&text),
                        None => lines.push(format!("data {text}")),
                    }
                }
                Piece::Request(head) => {
                    let headers: Vec<_> = head.headers.iter().map(|(n, v)| format!("{n}={v}")).collect();
                    lines.push(format!("{} {} {}", head.method, head.target, headers.join(" ")));
                }
                Piece::Response(head) => lines.push(format!("{}", head.status)),
                Piece::Interim(head) => lines.push(format!("interim {}", head.status)),
                Piece::End => lines.push("end".into()),
                Piece::Tunnel => lines.push("tunnel".into()),
                Piece::Broken(why) => lines.push(format!("broken: {why}")),
            }
        }
    }
    let rest = reader.finish(&mut pass);
    (lines, pass, rest)
}

fn requests(text: &str) -> (Vec<String>, Rest) {
    let (lines, pass, rest) = read(Reader::requests(200, None), &[text.as_bytes()]);
    assert_eq!(String::from_utf8(pass).unwrap(), text, "everything passes");
    (lines, rest)
}

fn responses(methods: &[&str], text: &str) -> (Vec<String>, Rest) {
    let mut reader = Reader::responses(200);
    methods.iter().for_each(|m| reader.expect(m));
    let (lines, pass, rest) = read(reader, &[text.as_bytes()]);
    assert_eq!(String::from_utf8(pass).unwrap(), text, "everything passes");
    (lines, rest)
}

#[test]
fn requests_are_read() {
    let (lines, rest) = requests(
        "\r\nPOST /mcp HTTP/1.1\r\nHost: a\r\nX-Twice: 1\r\nx-twice: 2\r\nContent-Length: 3\r\n\r\nabc\
         GET /mcp?x HTTP/1.1\r\n\r\n\
         POST / HTTP/1.1\nTransfer-Encoding: gzip, Chunked\n\n5;ext=1\r\nhello\r\n01\r\n!\r\n0\r\nTrailer: x\r\n\r\n",
    );
    let wanted = [
        "POST /mcp Host=a X-Twice=1 x-twice=2 Content-Length=3",
        "data abc",
        "end",
        "GET /mcp?x ",
        "end",
        "POST / Transfer-Encoding=gzip, Chunked",
        "data hello!",
        "end",
    ];
    assert_eq!((lines.iter().map(String::as_str).collect::<Vec<_>>(), rest), (wanted.to_vec(), Rest::Nothing));
}

#[test]
fn the_method_and_the_status_decide_whether_there_is_a_body() {
    let length = "Content-Length: 2\r\n\r\n";
    let text = format!(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n{length}HTTP/1.1 204 No\r\n{length}HTTP/1.1 304 x\r\n{length}\
         HTTP/1.1 200\r\n{length}abHTTP/1.0 200 OK\r\n\r\nto the end"
    );
    let (lines, rest) = responses(&["HEAD", "POST", "GET", "GET", "GET"], &text);
    let wanted = ["interim 100", "200", "end", "204", "end", "304", "end", "200", "data ab", "end", "200"];
    assert_eq!(lines[..11], wanted);
    assert_eq!((lines[11].as_str(), rest), ("data to the end", Rest::Ended));
}

#[test]
fn a_tunnel_is_not_read() {
    let (lines, rest) = responses(&["GET"], "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
    assert_eq!((lines, rest), (vec!["101".to_owned(), "tunnel".to_owned()], Rest::Nothing));
    assert_eq!(requests("CONNECT a:1 HTTP/1.1\r\n\r\n\0\0").0, ["CONNECT a:1 ", "tunnel"]);
}

#[test]
fn what_is_no_http_passes_and_is_told() {
    let why = |text: &str| requests(text).0.pop().unwrap_or_default();
    assert_eq!(why("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "broken: a request that cannot be read: invalid HTTP version");
    assert!(why("\u{16}\u{3}\u{1}\n\n").starts_with("broken: a request that cannot be read"));
    let long = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(300));
    assert_eq!(why(&long), "broken: a head of more than 200 bytes");
    let post = |header: &str, body: &str| why(&format!("POST / HTTP/1.1\r\n{header}\r\n\r\n{body}"));
    for length in ["-1", "+1", "1x", "", "1, 2", "99999999999999999999999"] {
        assert!(post(&format!("Content-Length: {length}"), "").contains("Content-Length"), "{length}");
    }
    assert_eq!(post("Content-Length: 1\r\nContent-Length: 1", "x"), "end");
    let chunked = "Transfer-Encoding: chunked";
    for size in ["x\r\n", "\r\n", "-1\r\n", "+1\r\n", "11111111111111111\r\n"] {
        assert!(post(chunked, size).contains("a chunk size that cannot be read"), "{size:?}");
    }
    assert_eq!(post(chunked, "1\r\nab\r\n"), "broken: a chunk that is longer than was said");
    assert!(post(chunked, &"1".repeat(LONG)).contains("a chunk size of more than"));
    assert!(post(chunked, &format!("0\r\n{}", "a: b\r\n".repeat(LONG))).contains("trailers of more than"));
}

/// Longer than any line between chunks.
const LONG: usize = 40_000;

#[test]
fn it_is_known_where_it_breaks_off() {
    assert_eq!(requests("").1, Rest::Nothing);
    assert_eq!(requests("GET / HT").1, Rest::Head);
    assert_eq!(requests("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab").1, Rest::Body);
    assert_eq!(requests("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n").1, Rest::Body);
}

#[test]
fn an_address_is_exchanged_and_nothing_else() {
    let pass = |text: &str| {
        let address = Address::in_requests(vec!["127.0.0.1:9".into(), "localhost:9".into()], "far:80");
        let (_, pass, _) = read(Reader::requests(2000, Some(address)), &[text.as_bytes()]);
        String::from_utf8(pass).unwrap()
    };
    let request = |lines: &str| format!("GET http://127.0.0.1:9/ HTTP/1.1\r\n{lines}\r\n\r\nHost: 127.0.0.1:9\r\n");
    for (ours, theirs) in [
        ("Host: 127.0.0.1:9", "Host: far:80"),
        ("hOsT:LOCALHOST:9 ", "hOsT:far:80 "),
        ("Host: 127.0.0.1:99", "Host: 127.0.0.1:99"),
        ("Host: evil.example", "Host: evil.example"),
        ("Host : 127.0.0.1:9", "Host : 127.0.0.1:9"),
        ("Hosts: 127.0.0.1:9", "Hosts: 127.0.0.1:9"),
        ("Origin: http://localhost:9", "Origin: http://far:80"),
        ("Origin: http://localhost:9.evil", "Origin: http://localhost:9.evil"),
        ("Origin: https://localhost:9", "Origin: https://localhost:9"),
        ("X: 127.0.0.1:9", "X: 127.0.0.1:9"),
        ("Host: \u{e4}", "Host: \u{e4}"),
    ] {
        // what stands behind the head is never touched, nor is the first line
        let both = |lines: &str| request(&format!("A: b\r\n{lines}\r\nOrig: x"));
        assert_eq!(pass(&both(ours)), both(theirs));
    }
}

#[test]
fn on_the_way_back_the_client_gets_the_address_that_it_knows() {
    let known = ["127.0.0.1:9", "localhost:9"].map(str::to_owned).to_vec();
    let mut requests = Reader::requests(2000, Some(Address::in_requests(known, "far:80")));
    assert_eq!(requests.way_back(), None);
    requests.push(b"GET / HTTP/1.1\r\nHost: localhost:9\r\n\r\n", &mut Vec::new());
    let mut responses = Reader::responses(2000);
    responses.exchange(requests.way_back().unwrap());
    let text = "HTTP/1.1 307 x\r\nLocation: http://far:80/mcp/\r\nlocation: /mcp/\r\nX: far:80\r\n\r\nfar:80";
    let (_, pass, _) = read(responses, &[text.as_bytes()]);
    assert_eq!(String::from_utf8(pass).unwrap(), text.replacen("far:80", "localhost:9", 1));
}

#[test]
fn only_the_line_of_an_address_is_kept_back() {
    let address = Address::in_requests(vec!["a:1".into()], "far");
    let mut reader = Reader::requests(2000, Some(address));
    let mut passed = |chunk: &str| {
        let mut pass = Vec::new();
        reader.push(chunk.as_bytes(), &mut pass);
        String::from_utf8(pass).unwrap()
    };
    assert_eq!(passed("HOST"), "HOST", "the first line holds none");
    assert_eq!(passed(" / HTTP/1.1\r\nAcc"), " / HTTP/1.1\r\nAcc");
    assert_eq!(passed("ept: x\r\nh"), "ept: x\r\n");
    assert_eq!(passed("o"), "");
    assert_eq!(passed("p: y"), "hop: y");
    assert_eq!(passed("\r\nhost: a:1"), "\r\n");
    assert_eq!(passed("\r\n\r\n"), "host: far\r\n\r\n");
}

fn chunks<'a>(text: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|c| c.index(text.len() + 1)).collect();
    at.extend([0, text.len()]);
    at.sort_unstable();
    at.windows(2).map(|w| &text[w[0]..w[1]]).collect()
}

/// Requests and responses with something wrong here and there.
fn traffic() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        "POST /mcp HTTP/1.1\r\n",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "Host: a:1\r\n",
        "Location: http://a:1/x\r\n",
        "Content-Length: 4\r\n",
        "Transfer-Encoding: chunked\r\n",
        "\r\n",
        "\n",
        "4\r\nabcd\r\n",
        "0\r\n\r\n",
        "abcd",
        "ho",
        "\0\u{fe}",
    ]);
    prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn cuts_change_nothing(text in traffic(), cuts: Vec<prop::sample::Index>, client: bool, exchanges: bool) {
        let reader = || {
            let request = exchanges.then(|| Address::in_requests(vec!["a:1".into()], "b:2"));
            if client { Reader::requests(64, request) } else { Reader::responses(64) }
        };
        let cut = chunks(&text, &cuts);
        let bytewise: Vec<&[u8]> = text.chunks(1).collect();
        let (whole, parts, bytes) = (read(reader(), &[&text]), read(reader(), &cut), read(reader(), &bytewise));
        if !exchanges {
            prop_assert_eq!(&whole.1, &text);
        }
        prop_assert_eq!(&parts, &bytes);
        prop_assert_eq!(&whole, &bytes);
    }

    #[test]
    fn arbitrary_bytes_pass(text: Vec<u8>, cuts: Vec<prop::sample::Index>, client: bool) {
        let reader = if client { Reader::requests(64, None) } else { Reader::responses(64) };
        prop_assert_eq!(read(reader, &chunks(&text, &cuts)).1, text);
    }
}
