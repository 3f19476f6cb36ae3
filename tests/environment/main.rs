//! Clients that are told by their environment what to do, as the ecosystem's conformance clients are. This program is one
//! itself: started with the name of a scenario in its environment, it plays the client of it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod client;

use assert_cmd::Command;
use libtest_mimic::{Arguments, Failed, Trial};
use mcp_interop::scenario::{files, seats};
use mcp_interop::spec::{Catalogue, Revision};
use mcp_interop::trace::{Seat, Transport};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-interop");

/// What the client of ours can do.
const CONTRACT: [&str; 4] = [
    "lifecycle/client-connects",
    "tools/numbers-are-added",
    "elicitation/defaults-are-filled-in",
    "http/stream-is-resumed",
];

fn main() -> ExitCode {
    if std::env::var_os("MCP_CONFORMANCE_SCENARIO").is_some() {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        return client::run(&arguments).into();
    }
    let arguments = Arguments::from_args();
    type Test = fn() -> Result<(), String>;
    let tests: [(&str, Test); 14] = [
        ("a client by hand passes what it is asked for", by_hand_passes),
        ("the client that is built in passes all that has a name", embedded_passes),
        ("a client that ends badly is at fault", ends_badly),
        ("a client that stops early is at fault", stops_early),
        ("a client that never connects has passed nothing", never_connects),
        ("a client that does not wait is caught", is_hasty),
        ("a client that leaves forms empty is warned", leaves_forms_empty),
        ("a client that does not know a scenario is at fault, and its words are shown", does_not_know),
        ("a program that is not there is the environment's affair", is_not_there),
        ("a peer can have such a client, with a driver or without", of_a_peer),
        ("what cannot be asked for is said", wrong_usage),
        ("what a client is to do it is told by name", drive_is_told),
        ("a client that cannot reach its server fails", drive_fails),
        ("every name leads to one scenario of a client over HTTP", names_lead_to_scenarios),
    ];
    let trial = |(name, test): (&str, Test)| Trial::test(name, move || test().map_err(Failed::from));
    libtest_mimic::run(&arguments, tests.map(trial).into()).exit_code()
}

struct Came {
    code: i32,
    out: String,
    err: String,
    /// The plays of the report by the id of their scenario.
    plays: BTreeMap<String, Value>,
}

fn program(words: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    for name in ["MCP_CONFORMANCE_SCENARIO", "MCP_CONFORMANCE_PROTOCOL_VERSION", "MCP_CONFORMANCE_CONTEXT"] {
        command.env_remove(name);
    }
    command.args(words).timeout(Duration::from_secs(120));
    command
}

fn came(mut command: Command) -> Came {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    Came { code: output.status.code().expect("no signal ended it"), out, err, plays: BTreeMap::new() }
}

/// The harness against a client that its environment tells what to do.
fn harness(options: &[&str], client: &[&str]) -> Came {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let mut command = program(&["client", "--environment", "--report"]);
    command.arg(&report).args(options).arg("--").args(client);
    let mut came = came(command);
    if let Ok(report) = std::fs::read(&report) {
        let report: Value = serde_json::from_slice(&report).unwrap();
        let plays = report["plays"].as_array().unwrap().iter();
        came.plays = plays.map(|play| (play["scenario"].as_str().unwrap().to_owned(), play.clone())).collect();
    }
    came
}

/// The same against this program, with a habit.
fn by_hand(scenarios: &[&str], habit: &str) -> Came {
    let own = std::env::current_exe().unwrap();
    let options: Vec<&str> = scenarios.iter().flat_map(|scenario| ["--scenario", scenario]).collect();
    let mut words = vec![own.to_str().unwrap()];
    words.extend((!habit.is_empty()).then_some(habit));
    harness(&options, &words)
}

/// Holds, or else shows all that was said.
fn holds(came: &Came, what: bool) -> Result<(), String> {
    if what { Ok(()) } else { Err(format!("exit {}\n{}{}", came.code, came.out, came.err)) }
}

fn verdict<'c>(came: &'c Came, scenario: &str) -> &'c str {
    came.plays.get(scenario).and_then(|play| play["verdict"].as_str()).unwrap_or("not played")
}

/// Does a finding on the client say this requirement broken?
fn broken(came: &Came, scenario: &str, requirement: &str) -> bool {
    let findings = came.plays.get(scenario).and_then(|play| play["findings"].as_array());
    findings.into_iter().flatten().any(|f| f["requirement"] == requirement && f["blame"] == "client")
}

fn by_hand_passes() -> Result<(), String> {
    let came = by_hand(&CONTRACT, "");
    holds(&came, came.code == 0 && came.plays.len() == CONTRACT.len())?;
    for scenario in CONTRACT {
        holds(&came, verdict(&came, scenario) == "pass")?;
        let captured = &came.plays[scenario]["transport"];
        holds(&came, captured == "http")?;
    }
    Ok(())
}

fn embedded_passes() -> Result<(), String> {
    let came = harness(&[], &[PROGRAM, "drive"]);
    holds(&came, came.code == 0 && came.plays.values().all(|play| play["verdict"] == "pass"))?;
    let named = files::embedded().scenarios.iter().filter(|s| s.known_as.is_some()).count();
    holds(&came, came.plays.len() == named && named > CONTRACT.len())
}

fn ends_badly() -> Result<(), String> {
    let came = by_hand(&[CONTRACT[1]], "ends-badly");
    holds(&came, came.code == 1 && verdict(&came, CONTRACT[1]) == "fail")?;
    holds(&came, came.out.contains("the client is at fault") && came.out.contains("it exited with code 3"))?;
    holds(&came, came.out.contains("all went well, and yet"))
}

fn stops_early() -> Result<(), String> {
    let came = by_hand(&[CONTRACT[1]], "stops-early");
    holds(&came, came.code == 1 && came.out.contains("that the client requests tools/call"))?;
    holds(&came, came.out.contains("it exited with code 0"))
}

fn never_connects() -> Result<(), String> {
    let came = by_hand(&[], "never-connects");
    holds(&came, came.code == 3 && came.out.contains("NOTHING WAS PROVEN"))?;
    holds(&came, came.out.contains("the client never connected: it exited with code 0"))?;
    holds(&came, came.plays.values().all(|play| play["verdict"] == "not-exercised"))
}

fn is_hasty() -> Result<(), String> {
    let came = by_hand(&[CONTRACT[3]], "is-hasty");
    holds(&came, came.code == 1 && broken(&came, CONTRACT[3], "transport.sse.client-respects-retry"))
}

fn leaves_forms_empty() -> Result<(), String> {
    let came = by_hand(&[CONTRACT[2]], "leaves-forms-empty");
    holds(&came, came.code == 0 && broken(&came, CONTRACT[2], "elicitation.form.client-applies-defaults"))
}

fn does_not_know() -> Result<(), String> {
    let came = by_hand(&["tools/schema-comes-through"], "");
    holds(&came, came.code == 1 && came.out.contains("it exited with code 7"))?;
    holds(&came, came.out.contains("I do not know json-schema-2020-12-preservation"))
}

fn is_not_there() -> Result<(), String> {
    let came = harness(&[], &["no-such-program"]);
    holds(&came, came.code == 4 && came.out.contains("there is no program `no-such-program`"))
}

fn of_a_peer() -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let own = std::env::current_exe().unwrap();
    let toml = format!(
        "[peers.one]\nserver = {{ stdio = \"cat\" }}\nclient = {{ environment = \"'{}'\" }}\n
        [peers.both]\nserver = {{ stdio = \"cat\" }}\nclient = {{ driver = \"'{PROGRAM}' drive\", environment = \"true\" }}\n
        [peers.driver]\nserver = {{ stdio = \"cat\" }}\nclient = {{ driver = \"'{PROGRAM}' drive\" }}\n
        [peers.none]\nserver = {{ stdio = \"cat\" }}\nclient = {{ baseline = \"b.toml\" }}\n",
        own.display()
    );
    let play = |toml: &str, words: &[&str]| {
        std::fs::write(folder.path().join("harness.toml"), toml).unwrap();
        let mut command = program(&["client", "--scenario", CONTRACT[1]]);
        command.args(words).current_dir(folder.path());
        came(command)
    };
    // what says nothing of how a client is started is an error of the file
    let wrong = play(&toml, &["--peer", "one"]);
    holds(&wrong, wrong.code == 2 && wrong.err.contains("add `driver` or `environment`"))?;
    let toml = toml.split("[peers.none]").next().unwrap();
    let one = play(toml, &["--peer", "one"]);
    holds(&one, one.code == 0 && one.out.contains("(http)") && !one.out.contains("(stdio)"))?;
    let both = play(toml, &["--peer", "both"]);
    holds(&both, both.code == 0 && both.out.contains("(stdio)"))?;
    let both = play(toml, &["--peer", "both", "--environment"]);
    holds(&both, both.code == 3)?;
    let driver = play(toml, &["--peer", "driver", "--environment"]);
    holds(&driver, driver.code == 2 && driver.err.contains("add `environment`"))
}

fn wrong_usage() -> Result<(), String> {
    let stdio = harness(&["--transport", "stdio"], &["true"]);
    holds(&stdio, stdio.code == 2 && stdio.err.contains("is not played over stdio"))?;
    let nobody = came(program(&["client", "--environment"]));
    holds(&nobody, nobody.code == 2 && nobody.err.contains("name a peer, or its command"))?;
    let nameless = harness(&["--scenario", "tools/list-and-call"], &["true"]);
    holds(&nameless, nameless.code == 3 && nameless.out.contains("no name by which such a client could be asked"))
}

/// The built-in client at a URL where nobody listens, told to do this.
fn drive(scenario: Option<&str>, revision: Option<&str>) -> Came {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = program(&["drive", &format!("http://127.0.0.1:{port}/mcp")]);
    for (name, value) in [("MCP_CONFORMANCE_SCENARIO", scenario), ("MCP_CONFORMANCE_PROTOCOL_VERSION", revision)] {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    came(command)
}

fn drive_is_told() -> Result<(), String> {
    for (scenario, revision, said) in [
        (None, None, "MCP_CONFORMANCE_SCENARIO must name what is to be done; for 2025-11-25: "),
        (Some("tool_call"), None, "no scenario for 2025-11-25 is known as `tool_call`; there are: "),
        (Some("tools_call"), Some("2024-11-05"), "no scenario for 2024-11-05 is known as `tools_call`"),
        (Some("tools_call"), Some("2025"), "MCP_CONFORMANCE_PROTOCOL_VERSION: "),
    ] {
        let came = drive(scenario, revision);
        holds(&came, came.code == 2 && came.err.contains(said))?;
    }
    Ok(())
}

fn drive_fails() -> Result<(), String> {
    let came = drive(Some("tools_call"), None);
    holds(&came, came.code == 1 && came.err.starts_with("error: connect: "))
}

fn names_lead_to_scenarios() -> Result<(), String> {
    let mut seen: BTreeMap<(String, Revision), String> = BTreeMap::new();
    for scenario in files::embedded().scenarios {
        let Some(name) = &scenario.known_as else { continue };
        for revision in scenario.revisions.iter().copied() {
            let seats = seats::seats(&scenario, Catalogue::of(revision));
            if !seats.contains(&Seat::Server) || !scenario.transports.contains(&Transport::Http) {
                return Err(format!("{} shows nothing of a client over HTTP in {revision}", scenario.id));
            }
            if let Some(other) = seen.insert((name.clone(), revision), scenario.id.clone()) {
                return Err(format!("both {other} and {} are known as {name} in {revision}", scenario.id));
            }
        }
    }
    Ok(())
}
