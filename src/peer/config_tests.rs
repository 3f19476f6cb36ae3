//! What can be wrong with a `harness.toml`, and what is said then.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::*;

fn read(text: &str) -> Result<Config, FileError> {
    Config::read(&Source::new(FILE, text), Path::new(FILE), Path::new("/home/me/project"))
}

fn wrong(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn the_repositorys_own_file_is_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let config = Config::load(&path).unwrap();
    assert_eq!(Config::find(&path.parent().unwrap().join("src/peer")), Some(path.clone()));
    let names: Vec<&str> = config.peers.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["typescript-v1", "python-v1", "rust-v2"]);
    for peer in &config.peers {
        assert_eq!(peer.server.transports(), Transport::ALL, "{}", peer.name);
        assert!(peer.dir.join("README.md").is_file());
        assert!(peer.speaks(Revision::V2025_11_25) && !peer.speaks(Revision::V2026_07_28));
        assert!(peer.claims.tools.iter().any(|t| t == "test_task_elicitation"));
    }
}

#[test]
fn a_peer_of_ones_own_is_read() {
    let config = read(
        r#"
        [peers.mine]
        server = { url = "http://127.0.0.1:3000/mcp" }
        [peers.mine.bind.test_task_elicitation]
        tool      = "simulate-research-query"
        arguments = { topic = "python", ambiguous = true, depth = 0x10, share = 0.5 }
        answer    = { interpretation = "snake" }
        text      = "<string>"
        [peers.other]
        dir = "servers/other"
        server = { stdio = "./run 'two words'", http = "./run", env = { PORT = "{port}", MODE = "test" } }
        "#,
    )
    .unwrap();
    let mine = config.peer("mine").unwrap();
    assert_eq!(mine.server.transports(), [Transport::Http]);
    assert_eq!(
        Value::Object(mine.bound.clone()),
        serde_json::json!({ "test_task_elicitation": {
            "tool": "simulate-research-query",
            "arguments": { "topic": "python", "ambiguous": true, "depth": 16, "share": 0.5 },
            "answer": { "interpretation": "snake" },
            "text": "<string>",
        }})
    );
    let other = config.peer("other").unwrap();
    let (stdio, http) = (other.server.stdio.as_ref().unwrap(), other.server.http.as_ref().unwrap());
    assert_eq!(stdio.words, ["./run", "two words"]);
    assert_eq!(stdio.dir, Path::new("/home/me/project/servers/other"));
    assert_eq!(stdio.env, [("MODE".to_owned(), "test".to_owned())]);
    assert_eq!(http.env.len(), 2);
    assert_eq!(other.server.path, "/mcp");
}

#[test]
fn an_unknown_peer_is_said_with_those_there_are() {
    let config = read("[peers.typescript-v1]\nserver.stdio = 'x'\n[peers.python-v1]\nserver.stdio = 'x'").unwrap();
    let said = ["typescript_v1", "embeded", "go"].map(|name| config.peer(name).unwrap_err().to_string());
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn keys_that_do_not_exist_are_shown_where_they_stand() {
    insta::assert_snapshot!(wrong(
        r#"
[peer.x]
server.stdio = "x"
[peers.a]
abuot = "slip"
server = { stido = "x", stdio = "y" }
claims = { capabilites = [] }
"#
    ));
}

#[test]
fn wrong_types_are_shown_where_they_stand() {
    insta::assert_snapshot!(wrong(
        r#"
peers.z = 3
[peers.a]
setup = "npm ci"
needs = ["node", 18]
server = { stdio = ["node", "x"], env = { PORT = 3000 } }
revisions = [2025-11-25]
claims = true
"#
    ));
}

#[test]
fn what_cannot_be_is_shown_where_it_stands() {
    insta::assert_snapshot!(wrong(
        r#"
[peers.embedded]
server = { stdio = "a | b" }
[peers."a b"]
server = { http = "node 'server.js", path = "mcp" }
[peers.c]
server = { http = "node server.js", url = "https://example.org/mcp" }
revisions = ["2025-11-52"]
[peers.d]
setup = ["x && y"]
sources = ["../elsewhere"]
[peers.e]
server = {}
[peers.e.bind.test_x]
arguments = { when = 2025-01-01, much = nan }
[peers.e.bind.test_y]
tool = "y"
text = "<strnig>"
"#
    ));
}

#[test]
fn what_is_no_toml_is_shown_where_it_breaks() {
    insta::assert_snapshot!(wrong("[peers.a]\nserver = { stdio = \"x }\n"));
    insta::assert_snapshot!(wrong("[peers.a]\nabout = 1\nabout = 2\n"));
    assert!(
        Config::load(Path::new("/no/such/harness.toml")).unwrap_err().to_string().contains("/no/such/harness.toml")
    );
}
