//! What the documentation shows is what the program does.
//!
//! A block that begins with ```` ```console ```` holds one command after `$ ` and what it prints. A line `...` there stands for
//! any lines. Of times, ids and ports it only counts that they are there, and so it is with counts and the numbers of events: a
//! new check is no reason to write the pages anew.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use assert_cmd::Command;
use regex::Regex;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-interop");

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(page: &str) -> String {
    std::fs::read_to_string(repository().join(page)).unwrap()
}

/// The fenced blocks of a page in that language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<Vec<&str>> = None;
    let text = read(page);
    for line in text.lines() {
        match (&mut block, line.strip_prefix("```")) {
            (None, Some(info)) if info == language => block = Some(Vec::new()),
            (Some(_), Some("")) => blocks.push(block.take().unwrap().join("\n")),
            (Some(lines), _) => lines.push(line),
            (None, _) => {}
        }
    }
    assert!(block.is_none(), "{page}: a block is not closed");
    blocks
}

/// A command that is shown with its output.
#[derive(Debug)]
struct Shown {
    page: &'static str,
    arguments: Vec<String>,
    /// Standard error is shown too (`2>&1`), behind standard output.
    both: bool,
    output: Vec<String>,
}

impl Shown {
    fn of(page: &'static str, block: &str) -> Shown {
        let mut lines = block.lines();
        let command = lines.next().and_then(|l| l.strip_prefix("$ ")).expect("a console block begins with a command");
        let (command, both) = command.strip_suffix(" 2>&1").map_or((command, false), |command| (command, true));
        let words = mcp_interop::peer::words::split(command).unwrap();
        let arguments = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["mcp-interop", ..] => words[1..].to_vec(),
            ["cargo", "run", "--quiet", "--", ..] => words[4..].to_vec(),
            _ => panic!("{page}: nobody can say what `{command}` runs"),
        };
        Shown { page, arguments, both, output: lines.map(str::to_owned).collect() }
    }

    /// The peer of harness.toml that it needs.
    fn peer(&self) -> Option<&str> {
        let at = self.arguments.iter().position(|a| a == "--peer")?;
        self.arguments.get(at + 1).map(String::as_str)
    }

    fn holds(&self) {
        let mut command = Command::new(PROGRAM);
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS"] {
            command.env_remove(name);
        }
        // what a page starts by its name is this program
        let own = Path::new(PROGRAM).parent().unwrap().to_path_buf();
        let others = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&others))).unwrap();
        command
            .env("PATH", path)
            .args(&self.arguments)
            .current_dir(repository())
            .write_stdin("")
            .timeout(Duration::from_secs(300));
        let output = command.output().unwrap();
        let err = if self.both { output.stderr } else { Vec::new() };
        let out = String::from_utf8([output.stdout, err].concat()).unwrap();
        let came: Vec<&str> = out.lines().collect();
        let shown: Vec<&str> = self.output.iter().map(String::as_str).collect();
        if let Err(line) = matches(&shown, &came) {
            let Shown { page, arguments, .. } = self;
            let words = arguments.join(" ");
            panic!("{page} shows of `{words}`:\n    {line}\nwhich does not come (there). It prints:\n\n{out}");
        }
    }
}

/// Ids, times and ports, of which no two runs have the same, and counts.
fn masked(line: &str) -> String {
    static VARIABLE: LazyLock<Regex> = LazyLock::new(|| {
        let id = r"\b[0-9a-f]{32}\b|\b[0-9a-f]{8}…";
        let time = r"\d{4}-\d{2}-\d{2}T[0-9:.]+Z";
        let count = r"\b\d+ (?:proven|requirements proven|of them|others)|\bevent \d+|^ +[!✗]? *\d+ +[├│◆]";
        Regex::new(&format!(r"{id}|{time}|127\.0\.0\.1:\d+|{count}")).unwrap()
    });
    VARIABLE.replace_all(line.trim_end(), "~").into_owned()
}

/// Does the output come, where `...` is any lines? If not: the first line of a stretch that does not.
fn matches<'a>(shown: &[&'a str], came: &[&str]) -> Result<(), &'a str> {
    let came: Vec<String> = came.iter().map(|l| masked(l)).collect();
    let mut at = 0;
    let stretches: Vec<&[&str]> = shown.split(|line| *line == "...").collect();
    for (i, stretch) in stretches.iter().enumerate() {
        let Some(first) = stretch.first() else { continue };
        let wanted: Vec<String> = stretch.iter().map(|l| masked(l)).collect();
        let fits = |from: &usize| came.get(*from..*from + wanted.len()).is_some_and(|there| there == wanted);
        let last = i + 1 == stretches.len();
        let from = match (i, last) {
            // without `...` before it, it is where the output begins; without one behind it, where it ends
            (0, false) => Some(0).filter(fits),
            (0, true) => Some(0).filter(|_| came == wanted),
            (_, false) => (at..came.len()).find(fits),
            (_, true) => came.len().checked_sub(wanted.len()).filter(|from| *from >= at).filter(fits),
        };
        at = from.ok_or(*first)? + wanted.len();
    }
    Ok(())
}

#[test]
fn dots_stand_for_any_lines_and_nothing_else_does() {
    let came = ["a", "b 127.0.0.1:99", "c", "d"];
    for good in [&["a", "b 127.0.0.1:3", "c", "d"] as &[&str], &["a", "...", "d"], &["...", "c", "..."], &["a", "..."]]
    {
        assert_eq!(matches(good, &came), Ok(()), "{good:?}");
    }
    let bad: [(&[&str], &str); 6] = [
        (&["a"], "a"),
        (&["a", "...", "c"], "c"),
        (&["...", "c", "...", "b 127.0.0.1:99", "..."], "b 127.0.0.1:99"),
        (&["b 127.0.0.1:99", "..."], "b 127.0.0.1:99"),
        (&["...", "d", "...", "d"], "d"),
        (&["...", "e", "..."], "e"),
    ];
    for (bad, line) in bad {
        assert_eq!(matches(bad, &came), Err(line), "{bad:?}");
    }
}

fn shown() -> Vec<Shown> {
    let pages = ["README.md", "docs/peers.md"];
    let all: Vec<Shown> =
        pages.iter().flat_map(|page| blocks(page, "console").into_iter().map(|b| Shown::of(page, &b))).collect();
    assert!(all.len() > 2);
    all
}

#[test]
fn commands_print_what_is_shown() {
    for shown in shown().iter().filter(|shown| shown.peer().is_none()) {
        shown.holds();
    }
}

/// On a machine without the peer this shows nothing, and says so; where `CI` is set, a peer that is not there is a failure.
#[test]
fn commands_that_need_a_peer_print_what_is_shown() {
    use mcp_interop::peer::{config::Config, install};
    let config = Config::load(&repository().join("harness.toml")).unwrap();
    let all = shown();
    let needy: Vec<&Shown> = all.iter().filter(|shown| shown.peer().is_some()).collect();
    assert!(!needy.is_empty());
    for shown in needy {
        let peer = config.peer(shown.peer().unwrap()).unwrap();
        let status = install::status(peer);
        if status.ready() {
            shown.holds();
        } else {
            assert!(std::env::var_os("CI").is_none_or(|ci| ci.is_empty()), "{} is {status}", peer.name);
            eprintln!("not compared: {} is {status}", peer.name);
        }
    }
}

/// A block's first line names the file that it is.
#[test]
fn files_that_are_shown_can_be_read() {
    use mcp_interop::peer::baseline::{read_adjudications, read_baseline};
    use mcp_interop::peer::config::Config;
    use mcp_interop::scenario::source::Source;
    let ids: Vec<String> = mcp_interop::scenario::files::embedded().scenarios.into_iter().map(|s| s.id).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut kinds = BTreeSet::new();
    for block in blocks("docs/peers.md", "toml") {
        let name = block.lines().next().and_then(|l| l.strip_prefix("# ")).expect(&block).to_owned();
        let source = Source::new(name.as_str(), block.as_str());
        match name.as_str() {
            "harness.toml" => {
                let config = Config::read(&source, Path::new(&name), repository()).unwrap_or_else(|e| panic!("{e}"));
                assert!(!config.peers.is_empty());
            }
            "baseline.toml" => {
                assert!(!read_baseline(&source, &ids).unwrap_or_else(|e| panic!("{e}")).is_empty());
            }
            "adjudications.toml" => {
                assert!(!read_adjudications(&source, &ids).unwrap_or_else(|e| panic!("{e}")).is_empty());
            }
            other => panic!("nobody reads {other}"),
        }
        kinds.insert(name);
    }
    assert_eq!(kinds.len(), 3);
}

/// The contract, the peers that are written to it, and the embedded server name the same tools; what a peer has not, its page
/// names.
#[test]
fn the_contract_is_what_the_peers_offer() {
    use mcp_interop::peer::config::Config;
    let page = read("docs/peers.md");
    let named = |from: &str, to: &str| -> BTreeSet<String> {
        let (_, part) = page.split_once(from).unwrap();
        let (part, _) = part.split_once(to).unwrap();
        let name = Regex::new(r"(?m)^\| `([^`]+)` \|").unwrap();
        name.captures_iter(part).map(|c| c[1].to_owned()).collect()
    };
    let tools = named("### Tools\n", "### Resources");
    assert!(tools.len() > 15);
    let config = Config::load(&repository().join("harness.toml")).unwrap();
    for peer in &config.peers {
        let claimed: BTreeSet<String> = peer.claims.tools.iter().cloned().collect();
        let beyond: Vec<&String> = claimed.difference(&tools).collect();
        assert!(beyond.is_empty(), "{} claims what is not in the contract: {beyond:?}", peer.name);
        let its_page = read(&format!("fixtures/{}/README.md", peer.name));
        let untold: Vec<&String> =
            tools.difference(&claimed).filter(|tool| !its_page.contains(&format!("`{tool}`"))).collect();
        assert!(untold.is_empty(), "{} lacks without a word: {untold:?}", peer.name);
    }
    let ask =
        |id: u8, method: &str, params: Value| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
    let client = json!({ "name": "test", "version": "1" });
    let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
    let messages = [
        ask(1, "initialize", hello),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        ask(2, "tools/list", json!({})),
        ask(3, "resources/list", json!({})),
        ask(4, "resources/templates/list", json!({})),
        ask(5, "prompts/list", json!({})),
    ];
    let input: String = messages.iter().map(|m| format!("{m}\n")).collect();
    let output =
        Command::new(PROGRAM).arg("serve").write_stdin(input).timeout(Duration::from_secs(60)).output().unwrap();
    let mut offered = BTreeSet::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let answer: Value = serde_json::from_str(line).unwrap();
        for (list, member) in
            [("tools", "name"), ("resources", "uri"), ("resourceTemplates", "uriTemplate"), ("prompts", "name")]
        {
            let items = answer["result"][list].as_array().cloned().unwrap_or_default();
            offered.extend(items.iter().map(|item| item[member].as_str().unwrap().to_owned()));
        }
    }
    let all: BTreeSet<String> = &tools | &named("### Resources", "## A server that");
    let missing: Vec<&String> = all.difference(&offered).collect();
    assert!(missing.is_empty(), "the embedded server has not: {missing:?}");
}

/// Every tool that a scenario for these revisions calls is said to be called.
#[test]
fn the_tools_that_are_called_are_named() {
    use mcp_interop::scenario::seats;
    use mcp_interop::spec::{Catalogue, Revision};
    use mcp_interop::trace::Seat;
    let page = read("docs/peers.md");
    let (_, part) = page.split_once("The tools that the scenarios of this version call are").unwrap();
    let (part, _) = part.split_once('.').unwrap();
    let name = Regex::new("`([^`]+)`").unwrap();
    let named: BTreeSet<String> = name.captures_iter(part).map(|c| c[1].to_owned()).collect();
    let revision = Revision::V2025_11_25;
    let catalogue = Catalogue::of(revision);
    let all = mcp_interop::scenario::files::embedded().scenarios;
    let played = all.iter().filter(|s| s.revisions.contains(&revision));
    let played = played.filter(|s| seats::seats(s, catalogue).contains(&Seat::Client));
    let called: BTreeSet<String> = played.flat_map(|s| s.tools()).collect();
    assert_eq!(named, called);
}

#[test]
fn files_that_are_named_are_there() {
    let link = Regex::new(r"\]\(([^)#]+)\)").unwrap();
    for page in ["README.md", "CHANGELOG.md", "docs/captures.md", "docs/peers.md", "docs/scenarios.md", "docs/tap.md"] {
        let folder = Path::new(page).parent().unwrap();
        for found in link.captures_iter(&read(page)) {
            let target = &found[1];
            if !target.contains("://") {
                assert!(repository().join(folder).join(target).exists(), "{page} links to {target}");
            }
        }
    }
    let source = Regex::new(r"`(src/\w+)`").unwrap();
    let readme = read("README.md");
    let named: Vec<&str> = source.captures_iter(&readme).map(|c| c.get(1).unwrap().as_str()).collect();
    for entry in std::fs::read_dir(repository().join("src")).unwrap() {
        let entry = entry.unwrap();
        let name = format!("src/{}", entry.file_name().display());
        assert!(!entry.path().is_dir() || named.contains(&name.as_str()), "README.md does not say what {name} is for");
    }
    for name in named {
        assert!(repository().join(name).is_dir(), "README.md names {name}");
    }
}

#[test]
fn ci_runs_the_test_command_of_the_readme() {
    let readme = read("README.md");
    let (_, behind) = readme.split_once("This passes the tests:").unwrap();
    let command = behind.lines().skip_while(|l| !l.starts_with("```")).nth(1).unwrap();
    let ci = read(".ci/run");
    assert!(ci.lines().any(|line| line == format!("run {command}")), "{command}");
}
