//! The program as its user meets it: exit codes, messages, files, signals.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use assert_cmd::Command;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// A run that hangs is a failure.
const PATIENCE: Duration = Duration::from_secs(120);

const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-interop");

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The program in the repository's folder, without a terminal, and without what a user's environment says of one.
fn program<S: AsRef<str>>(arguments: &[S]) -> Command {
    let mut command = Command::new(PROGRAM);
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS"] {
        command.env_remove(name);
    }
    command.args(arguments.iter().map(AsRef::as_ref)).current_dir(repository()).write_stdin("").timeout(PATIENCE);
    command
}

/// What came of a command: exit code, standard output, standard error.
#[derive(Debug)]
struct Came {
    code: i32,
    out: String,
    err: String,
}

fn came(command: &mut Command) -> Came {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Came { code: output.status.code().expect("no signal ended it"), out: text(output.stdout), err: text(output.stderr) }
}

fn run(arguments: &[&str]) -> Came {
    came(&mut program(arguments))
}

/// A folder with one file in it.
fn folder(name: &str, text: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    folder
}

fn path(of: &TempDir) -> String {
    of.path().display().to_string()
}

/// The built-in scenarios, as files.
fn scenario(id: &str) -> String {
    std::fs::read_to_string(repository().join(format!("scenarios/{id}.yaml"))).unwrap()
}

/// A server of a few lines for `sh`: it says this to whatever `initialize` is (the first id is 1), and then does that.
fn server(then: &str) -> (TempDir, String) {
    let result = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "serverInfo": { "name": "few-lines", "version": "1" },
    });
    let answer = json!({ "jsonrpc": "2.0", "id": 1, "result": result });
    let dir = folder("server.sh", &format!("read -r line\nprintf '%s\\n' '{answer}'\n{then}\n"));
    let command = format!("sh '{}/server.sh'", path(&dir));
    (dir, command)
}

// exit codes

#[test]
fn the_embedded_server_is_well() {
    let came = run(&["server"]);
    assert_eq!(came.code, 0, "{}{}", came.out, came.err);
    assert!(came.out.ends_with("pass, exit 0: all that was exercised is well\n"), "{}", came.out);
    assert!(came.out.contains("tasks/question-in-a-task (stdio)"), "{}", came.out);
    assert!(came.out.contains("tasks/question-in-a-task (http)"), "{}", came.out);
    assert_eq!(came.err, "");
}

#[cfg(unix)]
#[test]
fn a_server_at_fault_is_exit_1() {
    // it goes away where it owes the answer to a ping
    let (_dir, command) = server("read -r line; read -r line; exit 0");
    let came = run(&["server", "--stdio", &command, "--scenario", "base/malformed-messages#a-batch"]);
    assert_eq!(came.code, 1, "{}{}", came.out, came.err);
    assert!(came.out.contains("the server is at fault"), "{}", came.out);
    assert!(came.out.ends_with("fail, exit 1: a peer is at fault\n"), "{}", came.out);
}

#[test]
fn wrong_usage_is_exit_2_and_says_what_to_do() {
    let empty = tempfile::tempdir().unwrap();
    let broken = folder("area/broken.yaml", "title: A\nrevision: \"2025-11-25\"\nexchange: []\n");
    let toml = folder("harness.toml", "[peers.mine]\nserver = { stdoi = \"x\" }\n");
    let config = format!("{}/harness.toml", path(&toml));
    let cases: Vec<Vec<String>> = [
        vec!["server", "--bogus"],
        vec!["server", "--scenario", "tasks/unknown-id"],
        vec!["server", "--scenario", "taks"],
        vec!["server", "--revision", "2025-11-26"],
        vec!["server", "--revision", "2026-07-28"],
        vec!["server", "--peer", "typescriptv1"],
        vec!["server", "--peer", "mine", "--config", &config],
        vec!["server", "--config", "missing.toml", "--peer", "x"],
        vec!["server", "--scenarios", &path(&broken)],
        vec!["server", "--scenarios", &path(&empty)],
        vec!["server", "--scenarios", "missing"],
        vec!["server", "https://127.0.0.1/mcp"],
        vec!["server", "127.0.0.1:3000"],
        vec!["server", "http://127.0.0.1/mcp", "--stdio", "x"],
        vec!["server", "http://127.0.0.1/mcp", "--transport", "stdio"],
        vec!["server", "--stdio", "a | b"],
        vec!["server", "--stdio", ""],
        vec!["explain", "tasks/two-clients", "--seat", "server"],
        vec!["explain", "tasks/ttl-expires", "--revision", "2024-11-05"],
        vec!["explain", "http/refusals", "--transport", "stdio"],
        vec!["explain", "missing"],
        vec!["list", "--scenario", "missing"],
        vec!["lint", "missing"],
        vec!["serve", "--http", "70000"],
        vec!["serve", "--fault", "answers-twize"],
        vec!["serve", "--fault", "never-calls-tasks-result"],
        vec!["serve", "--fault", "polls-in-haste"],
        vec!["server", "-j", "0"],
        vec!["nothing"],
        vec![],
    ]
    .map(|words: Vec<&str>| words.into_iter().map(str::to_owned).collect())
    .into();
    let mut said = String::new();
    for arguments in &cases {
        let came = came(&mut program(arguments));
        assert_eq!(came.code, 2, "{arguments:?}: {}{}", came.out, came.err);
        // nothing that a pipe would take for a result
        assert_eq!(came.out, "", "{arguments:?}");
        assert!(!came.err.is_empty(), "{arguments:?}");
        writeln!(said, "$ mcp-interop {}\n{}", arguments.join(" "), came.err.trim_end()).unwrap();
    }
    for (dir, name) in [(&empty, "EMPTY"), (&broken, "BROKEN"), (&toml, "TOML")] {
        said = said.replace(&path(dir), name);
    }
    said = said.replace(&repository().display().to_string(), "REPOSITORY");
    insta::assert_snapshot!(said);
}

#[test]
fn without_harness_toml_a_peer_cannot_be_named() {
    let empty = tempfile::tempdir().unwrap();
    for arguments in [&["peers"] as &[&str], &["peers", "install"], &["server", "--peer", "typescript-v1"]] {
        let came = came(program(arguments).current_dir(empty.path()));
        assert_eq!(came.code, 2, "{arguments:?}");
        let expected = "error: there is no harness.toml here or above; write one, or name it with --config\n";
        assert_eq!(came.err, expected, "{arguments:?}");
    }
    // what needs none is as it is anywhere
    assert_eq!(came(program(&["server", "--scenario", "tools"]).current_dir(empty.path())).code, 0);
    assert_eq!(
        came(program(&["server", "--peer", "embedded", "--scenario", "tools"]).current_dir(empty.path())).code,
        0
    );
}

#[cfg(unix)]
#[test]
fn nothing_proven_is_exit_3() {
    // no capability, no tool: this scenario cannot be asked of it
    let (_dir, command) = server("cat > /dev/null");
    let came = run(&["server", "--stdio", &command, "--scenario", "tasks/ttl-expires"]);
    assert_eq!(came.code, 3, "{}{}", came.out, came.err);
    assert!(came.out.contains("NOTHING WAS PROVEN"), "{}", came.out);
    assert!(came.out.contains("the server does not declare the capability tasks.requests.tools.call"), "{}", came.out);
}

#[test]
fn scenarios_of_another_revision_prove_nothing_and_that_is_said() {
    let came = run(&["server", "--scenario", "modern"]);
    assert_eq!(came.code, 3, "{}", came.out);
    assert_eq!(came.err, "none of the chosen scenarios holds for revision 2025-11-25; see --revision\n");
}

#[test]
fn a_selection_that_is_ruled_out_says_by_what() {
    for (arguments, why) in [
        (["server", "--scenario", "http/refusals", "--transport", "stdio"], "it is not played over stdio"),
        (
            ["server", "--scenario", "tasks/no-ttl", "--revision", "2025-06-18"],
            "it does not hold for revision 2025-06-18",
        ),
    ] {
        let came = run(&arguments);
        assert_eq!(came.code, 3, "{}", came.out);
        assert!(came.out.contains(why), "{}", came.out);
    }
}

#[test]
fn of_several_that_are_asked_for_those_that_are_ruled_out_are_named() {
    let chosen = ["--scenario", "tools/list-and-call", "--scenario", "http/refusals", "--transport", "stdio"];
    let came = run(&[&["server"], &chosen[..]].concat());
    assert_eq!(came.code, 0, "{}", came.out);
    assert_eq!(came.err, "note: nothing of `http/refusals` is played: it is not played over stdio\n");
    let came = run(&["client", "--scenario", "tools/list-and-call", "--scenario", "http/refusals"]);
    assert_eq!(came.code, 0, "{}", came.out);
    assert!(
        came.err.starts_with("note: nothing of `http/refusals` is played: it shows nothing of a client"),
        "{}",
        came.err
    );
}

#[test]
fn the_faults_are_listed() {
    let came = run(&["list", "--faults"]);
    assert_eq!(came.code, 0, "{}", came.err);
    let place = |line: &str| came.out.lines().position(|l| l.starts_with(line)).expect(&came.out);
    let breaks = |name: &str| came.out.lines().nth(place(&format!("    {name} "))).unwrap_or_default();
    assert!(breaks("answers-twice").ends_with(" base.request.answered"), "{}", came.out);
    assert!(breaks("never-calls-tasks-result").ends_with(" tasks.input.requestor-calls-result"), "{}", came.out);
    let clients = place("of a client: mcp-interop drive --fault NAME");
    assert!(place("of a server: mcp-interop serve --fault NAME") < place("    answers-twice "));
    assert!(place("    answers-twice ") < clients && clients < place("    never-calls-tasks-result "));
    // one that no living party can have
    assert!(!came.out.contains("leaves-without-a-word"), "{}", came.out);
}

#[cfg(unix)]
#[test]
fn several_at_once_say_the_same_in_the_same_order() {
    let said = |jobs: &str| {
        let command = format!("'{PROGRAM}' serve");
        let came = run(&["server", "--stdio", &command, "--scenario", "tools", "--scenario", "pagination", "-j", jobs]);
        assert_eq!(came.code, 0, "{}{}", came.out, came.err);
        came.out
    };
    assert_eq!(said("1"), said("4"));
}

#[test]
fn a_server_that_cannot_be_reached_is_exit_4() {
    // bound and closed again: nobody listens there
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let came = run(&["server", &format!("http://127.0.0.1:{port}/mcp")]);
    assert_eq!(came.code, 4, "{}", came.out);
    assert!(came.out.contains("Connection refused"), "{}", came.out);

    let came = run(&["server", "--stdio", "no-such-program --here"]);
    assert_eq!(came.code, 4, "{}", came.out);
    assert!(came.out.contains("there is no program `no-such-program`"), "{}", came.out);
}

#[cfg(unix)]
#[test]
fn a_command_that_ends_at_once_is_exit_4_and_its_last_words_are_shown() {
    let came = run(&["server", "--stdio", "sh -c 'echo no licence found >&2; exit 3'"]);
    assert_eq!(came.code, 4, "{}", came.out);
    assert!(came.out.contains("it exited with code 3 before it answered `initialize`"), "{}", came.out);
    assert!(came.out.contains("no licence found"), "{}", came.out);

    let came = run(&["server", "--stdio", "echo hello"]);
    assert_eq!(came.code, 4, "{}", came.out);
    assert!(came.out.contains("in place of an answer to `initialize` it wrote \"hello\""), "{}", came.out);
}

#[test]
fn a_peer_that_is_not_installed_is_exit_4_and_the_command_that_installs_it_is_shown() {
    let toml = folder("harness.toml", "[peers.mine]\nsetup = [\"true\"]\nserver = { stdio = \"cat\" }\n");
    let came = came(program(&["server", "--peer", "mine"]).current_dir(toml.path()));
    assert_eq!(came.code, 4, "{}{}", came.out, came.err);
    assert!(came.err.contains("run `mcp-interop peers install mine`"), "{}", came.err);
    assert_eq!(came.out, "");
}

// what is printed

#[test]
fn help_of_every_subcommand() {
    for name in [
        "",
        "server",
        "pair",
        "matrix",
        "tap",
        "judge",
        "draw",
        "draft",
        "list",
        "lint",
        "explain",
        "serve",
        "peers",
        "peers install",
    ] {
        let mut arguments: Vec<&str> = name.split_whitespace().collect();
        arguments.push("--help");
        let came = run(&arguments);
        assert_eq!((came.code, came.err.as_str()), (0, ""), "{name}");
        let file = if name.is_empty() { "all".to_owned() } else { name.replace(' ', "-") };
        insta::with_settings!({ snapshot_suffix => file }, { insta::assert_snapshot!("help", came.out) });
    }
    let version = run(&["--version"]);
    assert_eq!((version.code, version.out), (0, format!("mcp-interop {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn list_shows_what_is_chosen() {
    let came = run(&["list", "--scenario", "tasks/unknown-ids"]);
    assert_eq!((came.code, came.err.as_str()), (0, ""));
    insta::assert_snapshot!("list", came.out);
    let all = run(&["list"]);
    let older = run(&["list", "--revision", "2024-11-05"]);
    let count = |came: &Came| came.out.lines().last().unwrap().split(' ').next().unwrap().parse::<usize>().unwrap();
    assert!(count(&came) < count(&all) && 0 < count(&older) && count(&older) < count(&all));
    assert!(older.out.lines().filter(|l| l.contains("seats: ")).all(|l| l.contains("2024-11-05")), "{}", older.out);
}

#[test]
fn lint_counts_and_its_exit_code_is_that_of_the_worst() {
    let came = run(&["lint"]);
    assert_eq!(came.code, 0, "{}", came.out);
    assert!(came.out.contains(" 0 errors, 0 warnings"), "{}", came.out);

    let came = run(&["lint", "tests/lint/unknown-key"]);
    assert_eq!(came.code, 2);
    assert!(came.out.contains("error[unknown-key]"), "{}", came.out);

    let dates = ["lint", "tests/lint/bare-date"];
    assert_eq!(run(&dates).code, 0);
    let came = run(&[&dates[..], &["--strict"]].concat());
    assert_eq!(came.code, 2);
    assert!(came.out.contains("warning[bare-date]"), "{}", came.out);
    assert!(came.out.ends_with("1 file, 1 scenario, 0 errors, 1 warning\n"), "{}", came.out);
}

#[test]
fn warnings_on_scenarios_stand_beside_the_run() {
    let came = run(&["server", "--scenarios", "tests/lint/bare-date"]);
    assert_eq!(came.code, 0, "{}", came.out);
    assert!(came.err.contains("warning[bare-date]"), "{}", came.err);
    assert!(!came.out.contains("bare-date]"), "{}", came.out);
}

#[test]
fn explain_takes_an_id_a_file_or_an_area() {
    let id = run(&["explain", "tools/list-and-call", "--seat", "client"]);
    assert_eq!(id.code, 0, "{}", id.err);
    let file = run(&["explain", "scenarios/tools/list-and-call.yaml", "--seat", "client"]);
    assert_eq!(id.out, file.out);
    // of an area, what has no such seat is left out
    let area = run(&["explain", "tasks", "--seat", "client"]);
    assert_eq!(area.code, 0, "{}", area.err);
    let seats: Vec<&str> = area.out.lines().filter(|l| l.starts_with("seat ")).collect();
    assert!(seats.len() > 3 && seats.iter().all(|l| l.contains("client (we play the client")), "{seats:?}");
    // over HTTP it reads differently
    let http = run(&["explain", "base/unreadable-bytes#no-utf-8", "--transport", "http"]);
    let stdio = run(&["explain", "base/unreadable-bytes#no-utf-8", "--transport", "stdio"]);
    assert!(http.out.contains(" over http\n") && stdio.out.contains(" over stdio\n"), "{}{}", http.out, stdio.out);
}

#[test]
fn without_a_terminal_nothing_is_coloured() {
    let broken = "tests/lint/unknown-key";
    let plain = [run(&["server", "--scenario", "tools"]), run(&["lint", broken]), run(&["list"]), run(&["--help"])];
    for came in &plain {
        assert!(!came.out.contains('\x1b') && !came.err.contains('\x1b'), "{came:?}");
    }
    // the same, where colours are asked for, and where they are asked for and forbidden
    for arguments in [&["server", "--scenario", "tools"] as &[&str], &["lint", broken]] {
        let forced = came(program(arguments).env("CLICOLOR_FORCE", "1"));
        assert!(forced.out.contains('\x1b'), "{forced:?}");
        let forbidden = came(program(arguments).env("NO_COLOR", "1"));
        assert!(!forbidden.out.contains('\x1b'), "{forbidden:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_reader_that_has_gone_is_no_error() {
    for arguments in [&["list"] as &[&str], &["server"], &["explain", "tasks"], &["lint"], &["peers"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = std::process::Command::new(PROGRAM);
        let output = command.args(arguments).current_dir(repository()).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_full_is_an_error_and_no_panic() {
    for arguments in [&["list"] as &[&str], &["server", "--scenario", "tools"], &["explain", "tools"], &["lint"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = std::process::Command::new(PROGRAM).args(arguments).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.starts_with("error: cannot write to standard output: "), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    }
}

// scenarios of the user's own

#[test]
fn a_file_with_carriage_returns_is_the_same_scenario() {
    let text = scenario("tools/list-and-call");
    let lf = folder("tools/list-and-call.yaml", &text);
    let crlf = folder("tools/list-and-call.yaml", &text.replace('\n', "\r\n"));
    let of = |dir: &TempDir, first: &[&str]| {
        let came = run(&[first, &["--scenarios", &path(dir)]].concat());
        assert_eq!(came.code, 0, "{}{}", came.out, came.err);
        came.out
    };
    assert_eq!(of(&lf, &["server"]), of(&crlf, &["server"]));
    assert_eq!(of(&lf, &["list"]), of(&crlf, &["list"]));
    assert_eq!(of(&lf, &["explain", "tools/list-and-call"]), of(&crlf, &["explain", "tools/list-and-call"]));
}

#[test]
fn a_finding_says_how_to_play_it_again_with_the_same_files() {
    let text = "title: A tool says what it never says
revisions: \"2025-11-25\"
needs:
  server: { tool: test_simple_text }
exchange:
  - client requests: tools/call
    as: call
    params: { name: test_simple_text }
  - server answers: call
    result: { content: [{ type: text, text: \"something else\" }] }
    proves: [tools.call.result-shape]
";
    let dir = folder("own/never.yaml", text);
    let came = run(&["server", "--scenarios", &path(&dir), "--transport", "stdio"]);
    let again = format!("mcp-interop server --scenarios {} --scenario 'own/never' --transport stdio\n", path(&dir));
    assert!(came.out.contains(&again), "{}{}", came.out, came.err);
}

// what is written

/// A schema of this repository.
fn schema(name: &str) -> jsonschema::Validator {
    let text = std::fs::read_to_string(repository().join("schemas").join(name)).unwrap();
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
}

fn fits(schema: &jsonschema::Validator, value: &Value, what: &str) {
    let wrong: Vec<String> = schema.iter_errors(value).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(wrong.is_empty(), "{what}: {wrong:#?}");
}

#[test]
fn the_report_is_json_of_its_schema() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("report.json");
    let came = run(&["server", "--report", &file.display().to_string()]);
    assert_eq!(came.code, 0, "{}", came.err);
    let report: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let schema = schema("report.schema.json");
    fits(&schema, &report, "report");
    // a schema that accepts anything would show nothing
    assert!(!schema.is_valid(&json!({})));
    // what is not proven has a report too
    let came = run(&["server", "--stdio", "no-such-program", "--report", &file.display().to_string()]);
    assert_eq!(came.code, 4);
    fits(&schema, &serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap(), "report of nothing");
}

#[test]
fn a_report_that_cannot_be_written_takes_no_verdict_away() {
    let dir = tempfile::tempdir().unwrap();
    let file: PathBuf = dir.path().join("missing/report.json");
    let came = run(&["server", "--scenario", "tools", "--report", &file.display().to_string()]);
    assert_eq!(came.code, 2);
    assert!(came.out.contains("pass          tools/list-and-call (stdio) [0]"), "{}", came.out);
    assert!(came.err.starts_with(&format!("error: cannot write the report {}: ", file.display())), "{}", came.err);
}

#[test]
fn the_record_of_every_play_is_ndjson_of_its_schema() {
    let dir = tempfile::tempdir().unwrap();
    let traces = dir.path().join("new/traces");
    let came = run(&["server", "--scenario", "tasks", "--trace", &traces.display().to_string()]);
    assert_eq!(came.code, 0, "{}", came.err);
    let plays = came.out.lines().filter(|l| l.starts_with("pass  ")).count();
    let schema = schema("trace.schema.json");
    let mut files = 0;
    for entry in std::fs::read_dir(&traces).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.ends_with('\n') && text.lines().count() > 5, "{}", path.display());
        for line in text.lines() {
            fits(&schema, &serde_json::from_str(line).unwrap(), &format!("{}: {line}", path.display()));
        }
        files += 1;
    }
    assert_eq!(files, plays, "{}", came.out);
    assert!(plays > 5);
    assert!(traces.join("tasks_question-in-a-task_stdio.ndjson").is_file());
}

#[test]
fn peers_are_listed_with_what_can_be_done() {
    let text = "[peers.mine]
about = \"A server of mine\"
server = { stdio = \"cat\" }

[peers.far]
server = { url = \"http://127.0.0.1:1/mcp\" }

[peers.set-up]
setup = [\"true\"]
server = { http = \"serve --port {port}\", stdio = \"serve\" }

[peers.needy]
needs = [\"no-such-program >= 3\"]
setup = [\"true\"]
server = { stdio = \"cat\" }
";
    let dir = folder("harness.toml", text);
    let listed = came(program(&["peers"]).current_dir(dir.path()));
    assert_eq!(listed.code, 0, "{}", listed.err);
    insta::assert_snapshot!("peers", listed.out);
    // set up once, and then again only when it is asked for
    let said = |words: &[&str]| {
        let came = came(program(words).current_dir(dir.path()));
        (came.code, came.out, came.err)
    };
    let own = |code, out: &str, err: &str| (code, out.to_owned(), err.to_owned());
    assert_eq!(
        said(&["peers", "install", "set-up"]),
        own(0, "set-up: installed\n1 of 1 peer set up\n", "set-up: true\n")
    );
    assert_eq!(said(&["peers", "install", "set-up"]), own(0, "set-up: installed\n1 of 1 peer set up\n", ""));
    let again = own(0, "set-up: installed\n1 of 1 peer set up\n", "set-up: true\n");
    assert_eq!(said(&["peers", "install", "set-up", "--again"]), again);
    let needs = "error: needy needs no-such-program >= 3, which is not on the PATH\n";
    assert_eq!(said(&["peers", "install", "needy"]), own(4, "0 of 1 peer set up\n", needs));
}

// a peer's entry

/// The embedded server, as a peer that is started, and what else its entry says.
fn entry(rest: &str) -> TempDir {
    folder("harness.toml", &format!("[peers.mine]\nserver = {{ stdio = \"'{PROGRAM}' serve\" }}\n{rest}"))
}

fn against(dir: &TempDir, options: &[&str]) -> Came {
    came(program(&[&["server", "--peer", "mine"], options].concat()).current_dir(dir.path()))
}

#[test]
fn a_tool_of_the_users_own_takes_the_place_of_one_of_the_contract() {
    let bound =
        |text: &str| entry(&format!("[peers.mine.bind.test_simple_text]\ntool = \"test_task_optional\"\n{text}"));
    let only = ["--scenario", "tools/list-and-call"];
    // its answer is another one, which has to be said
    let came = against(&bound("text = \"Done\""), &only);
    assert_eq!(came.code, 0, "{}{}", came.out, came.err);
    let came = against(&bound("text = \"<string>\""), &only);
    assert_eq!(came.code, 0, "{}{}", came.out, came.err);
    let came = against(&bound(""), &only);
    assert_eq!(came.code, 1, "{}{}", came.out, came.err);
    assert!(came.out.contains("Done"), "{}", came.out);
}

#[test]
fn a_claim_that_is_not_kept_fails_the_run() {
    let claims =
        "[peers.mine.claims]\ncapabilities = [\"tools\", \"tasks.requests.prompts.get\"]\ntools = [\"no_such_tool\"]\n";
    let came = against(&entry(claims), &["--scenario", "tools"]);
    assert_eq!(came.code, 1, "{}{}", came.out, came.err);
    assert!(came.out.contains("the tool no_such_tool is claimed, and not listed over stdio"), "{}", came.out);
    assert!(came.out.contains("the capability tasks.requests.prompts.get is claimed"), "{}", came.out);
    assert!(!came.out.contains("the capability tools is claimed"), "{}", came.out);
}

#[test]
fn an_entry_of_the_baseline_that_does_not_show_fails_the_run_and_an_empty_one_does_not() {
    let dir = entry("baseline = \"baseline.toml\"\n");
    let baseline = dir.path().join("baseline.toml");
    let only = ["--scenario", "tasks/unknown-ids#get"];
    assert_eq!(against(&dir, &only).code, 2, "the file is not there");
    std::fs::write(&baseline, "").unwrap();
    let came = against(&dir, &only);
    assert_eq!(came.code, 0, "{}{}", came.out, came.err);
    let known = "[[known]]\nfinding = \"tasks.error.unknown-id-get@server\"\nreason = \"as yet\"\n";
    std::fs::write(&baseline, known).unwrap();
    assert_eq!(against(&dir, &only).code, 0, "it may show in what was not played");
    std::fs::write(&baseline, format!("{known}scenario = \"tasks/unknown-ids#get\"\n")).unwrap();
    let came = against(&dir, &only);
    assert_eq!(came.code, 1, "{}{}", came.out, came.err);
    assert!(came.out.contains("stale: tasks.error.unknown-id-get@server"), "{}", came.out);
    assert!(came.out.ends_with("with the baseline: exit 1: the baseline does not hold\n"), "{}", came.out);
    // a run that does not look there says nothing of it
    assert_eq!(against(&dir, &["--scenario", "tools"]).code, 0);
}

#[test]
fn a_revision_that_a_peer_does_not_claim_is_refused() {
    let dir = entry("revisions = [\"2025-11-25\"]\n");
    let came = against(&dir, &["--revision", "2025-06-18"]);
    assert_eq!(came.code, 2);
    assert_eq!(came.err, "error: harness.toml does not say that mine speaks 2025-06-18\n");
}

#[cfg(unix)]
#[test]
fn what_is_in_the_baseline_fails_no_run() {
    // it goes away where it owes the answer to a ping
    let (dir, command) = server("read -r line; read -r line; exit 0");
    let entry = format!("[peers.mine]\nbaseline = \"baseline.toml\"\nserver = {{ stdio = \"{command}\" }}\n");
    std::fs::write(dir.path().join("harness.toml"), entry).unwrap();
    let baseline = dir.path().join("baseline.toml");
    std::fs::write(&baseline, "").unwrap();
    let only = ["--scenario", "base/malformed-messages#a-batch"];
    let came = against(&dir, &only);
    assert_eq!(came.code, 1, "{}{}", came.out, came.err);
    // what it prints of each finding is what belongs into the file
    let mut known = String::new();
    for line in came.out.lines().filter_map(|l| l.strip_prefix("  nobody has looked at ")) {
        let (key, _) = line.split_once(", in ").unwrap();
        writeln!(known, "[[known]]\nfinding = \"{key}\"\nreason = \"as yet\"").unwrap();
    }
    assert!(!known.is_empty(), "{}", came.out);
    std::fs::write(&baseline, known).unwrap();
    let came = against(&dir, &only);
    assert_eq!(came.code, 0, "{}{}", came.out, came.err);
    assert!(came.out.ends_with("with the baseline: exit 0: what is wrong is known\n"), "{}", came.out);
}
