//! Many clients and many servers: what a matrix says, writes and leaves behind, and what goes wrong with its parties.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use mcp_interop::judge;
use mcp_interop::trace::record;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-interop");

/// A folder with a `harness.toml`.
struct Place {
    folder: tempfile::TempDir,
    config: String,
}

/// What a run came to.
struct Ran {
    code: Option<i32>,
    /// Both outputs.
    said: String,
    took: Duration,
}

impl Place {
    fn new() -> Place {
        Place { folder: tempfile::tempdir().unwrap(), config: String::new() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A peer of which this is said.
    fn peer(mut self, name: &str, said: &str) -> Place {
        let _ = write!(self.config, "[peers.{name}]\ndir = \".\"\n{said}\n");
        std::fs::write(self.path().join("harness.toml"), &self.config).unwrap();
        self
    }

    /// A file that peers can use.
    fn file(self, name: &str, text: &str) -> Place {
        std::fs::write(self.path().join(name), text).unwrap();
        self
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.current_dir(self.path()).arg("matrix").args(words).env("NO_COLOR", "1");
        command
    }

    fn run(&self, words: &[&str]) -> Ran {
        let from = Instant::now();
        let output = self.command(words).output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        // lines end where they must
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        Ran { code: output.status.code(), said, took: from.elapsed() }
    }

    /// The JSON report in that folder, which is as its schema says.
    fn report(&self, folder: &str) -> Value {
        let text = std::fs::read_to_string(self.path().join(folder).join("matrix.json")).unwrap();
        let report = serde_json::from_str(&text).unwrap();
        let schema: Value = serde_json::from_str(include_str!("../schemas/matrix.schema.json")).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&report).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert_eq!(errors, Vec::<String>::new());
        report
    }
}

/// How the embedded peers are started, as peers of a file.
fn honest() -> String {
    peer("serve", "drive")
}

fn peer(serve: &str, drive: &str) -> String {
    format!(
        "server = {{ stdio = \"'{PROGRAM}' {serve}\" }}\nclient = {{ driver = \"'{PROGRAM}' {drive}\" }}\n\
         revisions = [\"2025-11-25\"]"
    )
}

/// A cell of a report.
fn cell<'r>(report: &'r Value, client: &str, server: &str, transport: &str) -> &'r Value {
    let is = |cell: &&Value| cell["client"] == client && cell["server"] == server && cell["transport"] == transport;
    report["cells"].as_array().unwrap().iter().find(is).unwrap()
}

const SCENARIO: &str = "tasks/question-in-a-task";

#[test]
fn a_fault_is_found_in_every_cell_of_the_party_that_has_it_and_in_no_other() {
    let place = Place::new().peer("well", &honest()).peer(
        "forgetful",
        &peer("serve --fault a-question-without-its-task", "drive --fault an-answer-without-its-task"),
    );
    let Ran { code, said, .. } = place.run(&["--scenario", SCENARIO, "--transport", "stdio", "--out", "out"]);
    assert_eq!(code, Some(1), "{said}");
    let report = place.report("out");
    assert_eq!(report["cells"].as_array().unwrap().len(), 9);
    for (client, server, blamed, key) in [
        ("embedded", "embedded", json!([]), None),
        ("embedded", "well", json!([]), None),
        ("well", "embedded", json!([]), None),
        ("well", "forgetful", json!(["server"]), Some("tasks.input.request-related-meta@server")),
        ("embedded", "forgetful", json!(["server"]), Some("tasks.input.request-related-meta@server")),
        ("forgetful", "well", json!(["client"]), Some("tasks.input.response-related-meta@client")),
    ] {
        let cell = cell(&report, client, server, "stdio");
        assert_eq!((&cell["blamed"], &cell["state"]), (&blamed, &json!("played")), "{client} with {server}: {cell:#}");
        let play = &cell["plays"][0];
        let findings = play["findings"].as_array().unwrap();
        assert_eq!(
            findings.iter().map(|f| f["key"].as_str().unwrap()).collect::<Vec<_>>(),
            Vec::from_iter(key),
            "{cell:#}"
        );
        // its record alone tells the same
        let path = place.path().join("out").join(play["record"].as_str().unwrap());
        let trace = record::read(&std::fs::read_to_string(&path).unwrap()).unwrap().trace;
        let judgement = judge::judge(&trace);
        assert_eq!(judgement.verdict.as_str(), play["verdict"]);
        let told: Vec<(Option<u32>, &str)> = judgement.findings.iter().map(|f| (f.event, f.found.as_str())).collect();
        let shown: Vec<(Option<u32>, &str)> = findings
            .iter()
            .map(|f| (f["event"].as_u64().map(|e| u32::try_from(e).unwrap()), f["found"].as_str().unwrap()))
            .collect();
        assert_eq!(told, shown);
    }
    // the terminal names the fault, the sentence and the events
    for shown in [
        "fail server",
        "fail client",
        "the server of forgetful: tasks.input.request-related-meta (MUST)",
        "A request the receiver sends as part of a task carries the related-task `_meta` with that task id.",
        "embedded with forgetful over stdio: event ",
        "nobody has looked at it",
        "again mcp-interop pair --client embedded --server forgetful ",
    ] {
        assert!(said.contains(shown), "{shown:?} is missing in\n{said}");
    }
    // and so do the pages beside it, whose links lead somewhere
    let html = std::fs::read_to_string(place.path().join("out/index.html")).unwrap();
    assert!(
        html.contains("<svg ") && html.contains("id=\"finding-1\"") && html.contains("never") || html.contains("<svg ")
    );
    assert!(
        !html.contains("<script") && !html.contains("http-equiv") && !html.contains("src="),
        "it needs nothing else"
    );
    let markdown = std::fs::read_to_string(place.path().join("out/matrix.md")).unwrap();
    assert!(markdown.contains("❌ fail server") && markdown.contains("```mermaid\n"), "{markdown}");
    let mut links = 0;
    for (page, before, after) in [(&html, "href=\"", '"'), (&markdown, "](", ')')] {
        for link in page.split(before).skip(1).map(|rest| rest.split(after).next().unwrap()) {
            match link.strip_prefix('#') {
                Some(anchor) => assert!(page.contains(&format!("id=\"{anchor}\"")), "nothing is called {anchor}"),
                None if link.starts_with("https://") => continue,
                None => assert!(place.path().join("out").join(link).is_file(), "{link}"),
            }
            links += 1;
        }
    }
    assert!(links > 30, "{links}");
}

#[test]
fn what_a_baseline_knows_is_shown_and_fails_nothing() {
    let known = "[[known]]\nfinding = \"tasks.input.response-related-meta@client\"\nreason = \"it forgets\"\n";
    let told = format!(
        "client = {{ driver = \"'{PROGRAM}' drive --fault an-answer-without-its-task\", baseline = \"known.toml\" }}\n\
         server = {{ stdio = \"'{PROGRAM}' serve\" }}"
    );
    let place = Place::new().file("known.toml", known).peer("forgetful", &told);
    let words = ["--client", "forgetful", "--server", "embedded", "--scenario", SCENARIO, "--out", "out"];
    let Ran { code, said, .. } = place.run(&words);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("fail client") && said.contains("known: it forgets") && said.contains("(1)"), "{said}");
    let report = place.report("out");
    let cell = cell(&report, "forgetful", "embedded", "http");
    assert_eq!((&cell["verdict"], &cell["known"]), (&json!("fail"), &json!(true)));
    assert_eq!(cell["plays"][0]["findings"][0]["known"], "it forgets");
}

#[test]
fn a_change_is_told_and_fails_only_if_something_is_worse() {
    let words = ["--client", "x", "--server", "embedded", "--scenario", SCENARIO, "--transport", "stdio"];
    let client = |drive: &str| Place::new().peer("x", &peer("serve", drive));
    let (well, ill) = (client("drive"), client("drive --fault an-answer-without-its-task"));
    assert_eq!(well.run(&[&words[..], &["--out", "out"]].concat()).code, Some(0));
    assert_eq!(ill.run(&[&words[..], &["--out", "out"]].concat()).code, Some(1));
    let older = |place: &Place| place.path().join("out/matrix.json").display().to_string();
    let since = |now: &Place, then: &Place| now.run(&[&words[..], &["--since", &older(then)]].concat());
    let worse = since(&ill, &well);
    assert_eq!(worse.code, Some(1), "{}", worse.said);
    assert!(worse.said.contains("worse x with embedded over stdio, 2025-11-25"), "{}", worse.said);
    assert!(worse.said.contains("- tasks/question-in-a-task (stdio): pass → fail"), "{}", worse.said);
    assert!(worse.said.contains("tasks.input.response-related-meta@client is found"), "{}", worse.said);
    let better = since(&well, &ill);
    assert_eq!(better.code, Some(0), "{}", better.said);
    assert!(better.said.contains("better x with embedded"), "{}", better.said);
    let same = since(&ill, &ill);
    assert_eq!(same.code, Some(0), "{}", same.said);
    assert!(same.said.contains("nothing has changed"), "{}", same.said);
    let other = ["--client", "embedded", "--server", "embedded", "--scenario", SCENARIO, "--transport", "stdio"];
    let new = well.run(&[&other[..], &["--since", &older(&well)]].concat());
    assert!(new.code == Some(0) && new.said.contains("new embedded with embedded"), "{}", new.said);
    // what is no such report is said before anything is played
    let place = well.file("no.json", "{\"report\": \"matrix\", \"format\": 9}").file("text", "x");
    for (file, why) in
        [("no.json", "its format is 9, and 1 can be read"), ("text", "it is no JSON"), ("gone", "No such file")]
    {
        let Ran { code, said, .. } = place.run(&["--since", file]);
        assert!(code == Some(2) && said.contains(why), "{file}: {said}");
    }
}

#[test]
fn a_table_is_put_into_a_page() {
    let page = "# Mine\n\n<!-- mcp-interop matrix: begin -->\nold\n<!-- mcp-interop matrix: end -->\n\nMore.\n";
    let place = Place::new().file("page.md", page).file("none.md", "# Mine\n");
    let words = ["--client", "embedded", "--server", "embedded", "--scenario", SCENARIO];
    let Ran { code, said, .. } = place.run(&[&words[..], &["--update", "page.md"]].concat());
    assert_eq!(code, Some(0), "{said}");
    let text = std::fs::read_to_string(place.path().join("page.md")).unwrap();
    assert!(text.starts_with("# Mine\n\n<!-- mcp-interop matrix: begin -->\n1 client with 1 server, "), "{text}");
    assert!(text.ends_with("<!-- mcp-interop matrix: end -->\n\nMore.\n") && !text.contains("old"), "{text}");
    assert!(text.contains("| **embedded** | ✅ pass 1 |"), "{text}");
    let Ran { code, said, .. } = place.run(&[&words[..], &["--update", "none.md"]].concat());
    assert!(code == Some(2) && said.contains("there is no line `<!-- mcp-interop matrix: begin -->`"), "{said}");
}

/// Answers `initialize` with that, and nothing else; `initialize` is always asked for with the id 0 or 1.
fn answers(result: &str) -> String {
    format!(
        "while read -r line; do case \"$line\" in *'\"initialize\"'*)\n\
         id=$(printf '%s' \"$line\" | sed -n 's/.*\"id\": *\\([0-9]*\\).*/\\1/p')\n\
         printf '{{\"jsonrpc\":\"2.0\",\"id\":%s,{result}}}\\n' \"$id\";; esac; done"
    )
}

#[test]
fn two_that_have_no_revision_in_common_are_both_right() {
    let old = answers(
        r#"\"result\":{\"protocolVersion\":\"2023-01-01\",\"capabilities\":{},\"serverInfo\":{\"name\":\"s\",\"version\":\"1\"}}"#,
    );
    let old = old.replace("\\\"", "\"");
    let place = Place::new().file("old.sh", &old).peer("old", "server = { stdio = \"sh old.sh\" }").peer(
        "older",
        "server = { stdio = \"sh old.sh\" }\nclient = { driver = \"none\" }\nrevisions = [\"2024-11-05\"]",
    );
    let Ran { code, said, .. } =
        place.run(&["--client", "embedded", "--server", "old", "--transport", "stdio", "-j", "1", "--out", "out"]);
    assert_eq!(code, Some(1), "{said}");
    let report = place.report("out");
    let cell = cell(&report, "embedded", "old", "stdio");
    assert_eq!(cell["state"], "no-common-revision", "{cell:#}");
    assert_eq!(cell["offers"], json!({ "client": "2025-11-25", "server": "2023-01-01", "agreed": false }));
    assert_eq!(cell["blamed"], json!([]));
    assert_eq!(cell["plays"].as_array().unwrap().len(), 1, "one is enough");
    assert_eq!(cell["plays"][0]["outcome"]["is"], "apart");
    assert!(said.contains("no common revision: the client offers 2025-11-25, the server 2023-01-01"), "{said}");
    // one that does not even claim to speak it is not started
    let Ran { code, said, .. } = place.run(&["--client", "older", "--server", "embedded", "--transport", "stdio"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("unsupported: harness.toml does not say that"), "{said}");
}

#[test]
fn a_party_that_hangs_dies_or_does_not_start_costs_its_bound_and_spoils_no_other_cell() {
    let place = Place::new()
        .peer("silent", "server = { stdio = \"sleep 600\" }\nclient = { driver = \"sleep 600\" }")
        .peer("dead", "server = { stdio = \"sh -c 'exit 3'\" }\nclient = { driver = \"sh -c 'exit 3'\" }")
        .peer("missing", "server = { stdio = \"no-such-program\" }\nclient = { driver = \"no-such-program\" }")
        .peer("uninstalled", "setup = [\"true\"]\nserver = { stdio = \"x\" }\nclient = { driver = \"x\" }");
    let Ran { code, said, took } = place.run(&["--scenario", SCENARIO, "--transport", "stdio", "--out", "out"]);
    assert_eq!(code, Some(4), "{said}");
    assert!(took < Duration::from_secs(120), "{took:?}");
    let report = place.report("out");
    assert_eq!(cell(&report, "embedded", "embedded", "stdio")["verdict"], "pass");
    for peer in ["silent", "missing", "uninstalled"] {
        for (client, server) in [(peer, "embedded"), ("embedded", peer)] {
            let cell = cell(&report, client, server, "stdio");
            assert_eq!((&cell["state"], &cell["verdict"]), (&json!("trouble"), &json!("error")), "{cell:#}");
        }
    }
    assert!(said.contains("run `mcp-interop peers install uninstalled`"), "{said}");
    assert!(said.contains("there is no program `no-such-program`"), "{said}");
    assert!(
        said.contains("did not answer hello within") && said.contains("did not answer `initialize` within"),
        "{said}"
    );
}

#[test]
fn a_cell_takes_no_longer_than_it_may() {
    let place = Place::new().peer("hangs", &peer("serve", "drive --fault never-calls-tasks-result"));
    let words =
        ["--client", "hangs", "--server", "embedded", "--transport", "stdio", "--cell-time", "3", "--out", "out"];
    let Ran { code, said, took } = place.run(&words);
    assert!(took < Duration::from_secs(40), "{took:?}");
    assert!(said.contains("the time of the cell, 3 s, was over"), "{said}");
    assert_eq!(code, Some(4), "{said}");
    assert!(!cell(&place.report("out"), "hangs", "embedded", "stdio")["skipped"].as_array().unwrap().is_empty());
}

/// The processes that wrote their number into that file, and are alive.
fn alive(file: &Path) -> usize {
    let pids = std::fs::read_to_string(file).unwrap_or_default();
    pids.lines().filter(|pid| kill(Pid::from_raw(pid.parse().unwrap()), None).is_ok()).count()
}

#[test]
fn what_was_found_before_it_was_interrupted_is_told_and_nothing_is_left_running() {
    let place = Place::new();
    let pids = place.path().join("pids");
    let lines = format!("echo $$ >> '{}'\nexec '{PROGRAM}' serve", pids.display());
    let hangs = format!("echo $$ >> '{}'\nexec '{PROGRAM}' serve --fault never-says-input-required", pids.display());
    let place = place
        .file("well.sh", &lines)
        .file("hangs.sh", &hangs)
        .peer("well", "server = { stdio = \"sh well.sh\" }")
        .peer("hangs", "server = { stdio = \"sh hangs.sh\" }");
    let mut command = place.command(&[
        "--client",
        "embedded",
        "--transport",
        "stdio",
        "--scenario",
        SCENARIO,
        "--server",
        "embedded",
        "--server",
        "hangs",
        "--out",
        "out",
    ]);
    let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    // it was asked what it offers, and is played with
    while std::fs::read_to_string(&pids).unwrap_or_default().lines().count() < 2 {
        assert!(Instant::now() < deadline, "it was never played with");
        std::thread::sleep(Duration::from_millis(10));
    }
    let from = Instant::now();
    kill(Pid::from_raw(i32::try_from(run.id()).unwrap()), Signal::SIGINT).unwrap();
    let output = run.wait_with_output().unwrap();
    assert!(from.elapsed() < Duration::from_secs(20), "{:?}", from.elapsed());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(4), "{said}");
    let report = place.report("out");
    assert_eq!(report["summary"]["interrupted"], true);
    assert_eq!(cell(&report, "embedded", "embedded", "stdio")["verdict"], "pass", "{said}");
    assert_eq!(alive(&pids), 0, "nothing is left");
}
