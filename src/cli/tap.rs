//! `tap`: stands between two programs, passes on what they say as it is, and tells what is wrong with it.

use super::selection::revision;
use super::{interrupt, screen};
use crate::peer::{Command, words};
use crate::report::{self, Style};
use crate::run::Summary;
use crate::run::tap::{self, Passed, Setup, Told};
use crate::spec::Revision;
use crate::transport::{Acceptor, Endpoint, standard};
use clap::Args;
use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// `mcp-interop tap`
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Stand in front of the server at this URL; the client is given the tap's in its place
    #[arg(long, value_name = "URL", conflicts_with = "command", required_unless_present = "command")]
    to: Option<String>,
    /// Where clients reach the tap, on the loopback interface only (port 0: any that is free)
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0", value_parser = loopback, conflicts_with = "command")]
    listen: SocketAddr,
    /// Write the record into this file, or into a new file in this folder
    #[arg(long, value_name = "FILE|DIR")]
    trace: Option<PathBuf>,
    /// Write what is found into this file, in place of standard error
    #[arg(long, value_name = "FILE")]
    findings: Option<PathBuf>,
    /// Write the report as JSON at the end
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// The revision by which it is judged; without this, the one that the two negotiate
    #[arg(long, value_parser = revision)]
    revision: Option<Revision>,
    /// Start this command as the server, over standard input and output
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Reads where to listen.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let text = text.strip_prefix("localhost").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1{port}"));
    let address: SocketAddr = text.parse().map_err(|_| "write it as 127.0.0.1:PORT or [::1]:PORT".to_owned())?;
    if !address.ip().is_loopback() {
        return Err(format!(
            "{} can be reached by other machines, and what passes a tap is for nobody else; choose 127.0.0.1 or [::1]",
            address.ip()
        ));
    }
    Ok(address)
}

pub(super) fn run(arguments: Arguments) -> Result<u8, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| format!("no runtime: {e}"))?;
    let done = runtime.block_on(between(arguments));
    // a read of standard input that nobody answers must not keep the program alive
    runtime.shutdown_timeout(Duration::from_millis(100));
    done
}

async fn between(arguments: Arguments) -> Result<u8, String> {
    // before anything is started: whoever started us may already want us gone
    let stopped = interrupt::ended();
    let record = arguments.trace.as_deref().map(record_path);
    let style = Style { colour: screen::colour_beside(), width: screen::width_beside(), verbose: false };
    let plain = Style { colour: false, ..style };
    let mut findings = arguments.findings.as_deref().map(findings_file).transpose()?;
    let tell = move |told: &Told| match (&mut findings, told) {
        (Some((file, path)), Told::Finding { .. }) => {
            if let Err(e) = file.write_all(format!("{}\n", report::tap::told(told, &plain)).as_bytes()) {
                screen::note(&format!("tap: cannot write to {}: {e}", path.display()));
            }
        }
        _ => screen::beside(&report::tap::told(told, &style)),
    };
    let setup = Setup { revision: arguments.revision, record: record.clone(), tell: Box::new(tell) };
    let (passed, peer) = match &arguments.to {
        Some(url) => (over_http(url, arguments.listen, setup, stopped).await?, url.clone()),
        None => over_stdio(arguments.command, setup, stopped).await?,
    };
    let exit = passed.exit;
    let code = conclude(passed, peer, record.as_deref(), arguments.report.as_deref(), &style);
    Ok(match exit {
        // in place of the command we end as it did
        Some(exit) => exit.code.map_or_else(|| exit.signal.map_or(code, signalled), |code| code as u8),
        None => code,
    })
}

/// How a shell tells that a signal ended a program.
fn signalled(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}

async fn over_http(
    url: &str,
    listen: SocketAddr,
    setup: Setup,
    stopped: watch::Receiver<bool>,
) -> Result<Passed, String> {
    let upstream = Endpoint::parse(url).map_err(|e| e.to_string())?;
    let listener = TcpListener::bind(listen).await.map_err(|e| format!("cannot listen on {listen}: {e}"))?;
    let address = listener.local_addr().map_err(|e| format!("cannot listen on {listen}: {e}"))?;
    let said = format!("tap: use http://{address}{} in place of {url}; Ctrl-C ends the tap", upstream.path);
    tap::http(Acceptor::Tcp(listener), upstream, setup, || screen::note(&said), stopped).await
}

async fn over_stdio(
    command: Vec<String>,
    setup: Setup,
    stopped: watch::Receiver<bool>,
) -> Result<(Passed, String), String> {
    let dir = std::env::current_dir().map_err(|e| format!("there is no current folder: {e}"))?;
    let command = Command { words: command, dir, env: Vec::new() };
    let client = standard::take().map_err(|e| format!("cannot read standard input and output: {e}"))?;
    let peer = words::join(&command.words);
    Ok((tap::stdio(client, &command, setup, stopped).await?, peer))
}

/// Says how it was; gives the exit code by what was found.
fn conclude(passed: Passed, peer: String, record: Option<&Path>, report: Option<&Path>, style: &Style) -> u8 {
    let again = record.map_or_else(String::new, |path| format!("judge {}", path.display()));
    let (seen, exit) = (passed.seen.clone(), passed.exit);
    let results = passed.results(peer, again);
    let summary = Summary::of(&results);
    let code = report::exit_code(&results, &summary, false);
    screen::beside(&report::tap::summary(&results, &summary, (&seen, exit), record, style));
    if let Some(path) = report {
        let text = format!("{:#}\n", report::json(&results, &summary, false, code));
        if let Err(e) = std::fs::write(path, text) {
            screen::note(&format!("error: cannot write the report {}: {e}", path.display()));
        }
    }
    code
}

/// The file for the record: in a folder a new one.
fn record_path(path: &Path) -> PathBuf {
    let folder = path.is_dir() || path.as_os_str().to_string_lossy().ends_with(std::path::MAIN_SEPARATOR);
    if !folder {
        return path.to_owned();
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    path.join(format!("tap-{}-{}.ndjson", since.as_secs(), std::process::id()))
}

fn findings_file(path: &Path) -> Result<(File, PathBuf), String> {
    let file = File::create(path).map_err(|e| format!("cannot write the findings to {}: {e}", path.display()))?;
    Ok((file, path.to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_tap_listens_to_this_machine_alone() {
        for (text, address) in [
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("127.9.9.9:80", "127.9.9.9:80"),
            ("[::1]:3000", "[::1]:3000"),
            ("localhost:3000", "127.0.0.1:3000"),
        ] {
            assert_eq!(loopback(text).unwrap().to_string(), address);
        }
        for text in ["0.0.0.0:80", "[::]:80", "192.168.1.2:80"] {
            assert!(loopback(text).unwrap_err().contains("can be reached by other machines"), "{text}");
        }
        for text in ["", "3000", "example.com:80", "127.0.0.1", "localhost", "127.0.0.1:99999"] {
            assert!(loopback(text).unwrap_err().contains("127.0.0.1:PORT"), "{text}");
        }
    }

    #[test]
    fn a_folder_gets_a_file_of_its_own() {
        let folder = std::env::temp_dir();
        let path = record_path(&folder);
        assert_eq!(path.parent(), Some(folder.as_path()));
        assert_eq!(path.extension().unwrap(), "ndjson");
        assert_eq!(record_path(Path::new("x/y")), Path::new("x/y"));
        assert_eq!(record_path(Path::new("not-there/")).parent(), Some(Path::new("not-there")));
    }
}
