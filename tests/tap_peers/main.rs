//! A tap between the real SDKs changes nothing: each SDK's client, moved by its driver, talks with each SDK's server, once
//! without a tap and once through one, while recorders that know nothing of the protocol keep what passes on both sides of it.
//!
//! A pair whose programs are missing is passed over, with the reason in brackets before its name; with `CI` set in the
//! environment that is a failure.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod masked;
mod recorder;
mod session;

use libtest_mimic::{Arguments, Failed, Trial};
use mcp_interop::peer::install::{self, Status};
use mcp_interop::peer::{Config, Peer};
use mcp_interop::trace::Transport;
use mcp_interop::wire::Party;
use session::{Seen, Tapped};
use std::path::Path;
use std::sync::LazyLock;

/// The peers between which it stands.
const PEERS: [&str; 3] = ["typescript-v1", "python-v1", "rust-v2"];

fn main() {
    let arguments = Arguments::from_args();
    let ci = std::env::var_os("CI").is_some_and(|v| !v.is_empty());
    let mut trials = Vec::new();
    for client in PEERS {
        for server in PEERS {
            for transport in Transport::ALL {
                let name = format!("{client} client, {server} server, {transport}");
                let missing = [client, server].into_iter().find_map(|name| match install::status(peer(name)) {
                    Status::Needs(program) => Some(format!("not run: needs {program}")),
                    _ => None,
                });
                let test = move || changes_nothing(peer(client), peer(server), transport);
                trials.push(match missing {
                    Some(why) if ci => {
                        let why = format!("{why}, and CI is set: every pair must be run");
                        Trial::test(name, move || Err(Failed::from(why)))
                    }
                    Some(why) => Trial::test(name, test).with_kind(why).with_ignored_flag(true),
                    None => Trial::test(name, test),
                });
            }
        }
    }
    trials.push(Trial::test("a byte that is changed is noticed", a_changed_byte_is_noticed));
    libtest_mimic::run(&arguments, trials).exit();
}

fn peer(name: &str) -> &'static Peer {
    static CONFIG: LazyLock<Config> = LazyLock::new(|| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("harness.toml");
        Config::load(&path).unwrap_or_else(|e| panic!("{e}"))
    });
    CONFIG.peers.iter().find(|peer| peer.name == name).unwrap_or_else(|| panic!("harness.toml has no peer {name}"))
}

/// Sets the peer up, one test at a time, also when several test programs run.
fn set_up(peer: &Peer) -> Result<(), Failed> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.lock", peer.name));
    let file = std::fs::File::create(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    file.lock().map_err(|e| format!("{}: {e}", path.display()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut say = |command: &mcp_interop::peer::Command| eprintln!("{}: {}", peer.name, command.line());
    runtime
        .block_on(install::install(peer, false, install::PATIENCE, &mut say))
        .map(drop)
        .map_err(|e| e.to_string())?;
    Ok(())
}

fn changes_nothing(client: &'static Peer, server: &'static Peer, transport: Transport) -> Result<(), Failed> {
    set_up(client)?;
    set_up(server)?;
    // both at once: each has processes of its own
    let (without, with) = std::thread::scope(|scope| {
        let without = scope.spawn(|| session::without(client, server, transport));
        let with = session::with(client, server, transport);
        (without.join().unwrap(), with)
    });
    compare(&without?, &with?)
}

/// Is everything as it is without the tap, and the same on both sides of it?
fn compare(without: &Seen, with: &Tapped) -> Result<(), Failed> {
    let enough = without.results().count();
    same("the driver's output", &without.output_masked(), &with.seen.output_masked())?;
    if enough < session::SCRIPT.len() / 2 {
        return Err(format!("only {enough} actions came to a result:\n{}", without.output_masked().join("\n")).into());
    }
    same("what passed before the tap and behind it", &with.seen.streams_exact(), &with.behind.streams_exact())?;
    same("what passed without the tap and with it", &without.streams_masked(), &with.seen.streams_masked())?;
    for party in [Party::Client, Party::Server] {
        same(&format!("the {party}'s messages and the record"), &with.behind.messages(party), &with.recorded(party))?;
    }
    if with.messages_recorded() < 2 * enough {
        return Err(format!("only {} messages are in the record", with.messages_recorded()).into());
    }
    Ok(())
}

fn same(what: &str, one: &[String], other: &[String]) -> Result<(), Failed> {
    if one == other {
        return Ok(());
    }
    let only = |these: &[String], those: &[String]| {
        let mut rest = those.to_vec();
        let mut only = Vec::new();
        for line in these {
            match rest.iter().position(|other| other == line) {
                Some(at) => drop(rest.remove(at)),
                None => only.push(line.clone()),
            }
        }
        only
    };
    let (left, right) = (only(one, other), only(other, one));
    let order = if left.is_empty() && right.is_empty() { " (only their order)" } else { "" };
    Err(format!(
        "{what} differ{order}\n--- only in the first:\n{}\n--- only in the second:\n{}",
        left.join("\n"),
        right.join("\n")
    )
    .into())
}

/// The comparison itself: it fails as soon as one byte is another one.
fn a_changed_byte_is_noticed() -> Result<(), Failed> {
    let (up, down) =
        (b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:1\r\nContent-Length: 2\r\n\r\n{}", b"HTTP/1.1 200 OK\r\n\r\n");
    let seen = |host: &str, up: &[u8], down: &[u8]| {
        Seen::of(
            Transport::Http,
            Some(host),
            Vec::new(),
            vec![recorder::Stream { up: up.to_vec(), down: down.to_vec() }],
        )
    };
    let first = seen("127.0.0.1:1", up, down);
    for at in 0..up.len() + down.len() {
        let (mut up, mut down) = (up.to_vec(), down.to_vec());
        let byte = if at < up.len() { &mut up[at] } else { &mut down[at - up.len()] };
        *byte = byte.wrapping_add(1);
        let other = seen("127.0.0.1:1", &up, &down);
        if same("", &first.streams_exact(), &other.streams_exact()).is_ok() {
            return Err(format!("the byte at {at} is not looked at").into());
        }
    }
    // but for the host
    let other = String::from_utf8(up.to_vec()).unwrap().replace("127.0.0.1:1", "127.0.0.1:2");
    same("", &first.streams_exact(), &seen("127.0.0.1:2", other.as_bytes(), down).streams_exact())
}
