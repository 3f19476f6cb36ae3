//! The hostile servers that speak on their pipes: this test's own program, started by the harness with the habit's name.

use crate::habit::{self, Reply};
use serde_json::Value;
use std::io::{self, BufRead as _, Write};
use std::process::Command;
use std::time::Duration;

/// Serves with that habit until the input ends.
pub(crate) fn serve(habit: &str) -> io::Result<()> {
    match habit {
        "exits at once" => {
            eprintln!("I have no configuration");
            std::process::exit(3);
        }
        "a banner" => println!("Welcome to the server, version 1.0"),
        "a banner with a brace" => println!("{{starting}}"),
        "leaves a grandchild" => drop(Command::new("sleep").arg("600").spawn()?),
        "leaves a grandchild in a session of its own" => drop(Command::new("setsid").args(["sleep", "600"]).spawn()?),
        "stubborn" | "stubborn and hung" => {
            #[cfg(unix)]
            ignore_terminate()?;
        }
        _ => {}
    }
    let mut out = io::stdout().lock();
    let mut nth = 0;
    for line in io::stdin().lock().lines() {
        let message: Value = serde_json::from_str(&line?).unwrap_or_default();
        nth += 1;
        let method = message["method"].as_str().unwrap_or_default();
        if habit == "answers late" && message.get("id").is_some() {
            std::thread::sleep(Duration::from_millis(1500));
        }
        if habit == "closes stdout" && method == "tools/call" {
            out.write_all(b"{\"jsonrpc\":\"2.0\",")?;
            out.flush()?;
            #[cfg(unix)]
            close_output()?;
            std::thread::sleep(Duration::from_secs(600));
        }
        match habit::reply(habit, &message, nth) {
            Reply::Honest => {
                if let Some(answer) = habit::honest(&message) {
                    writeln!(out, "{answer}")?;
                }
            }
            Reply::Silence => {}
            Reply::Says(messages) => {
                for message in messages {
                    out.write_all(&message)?;
                    out.write_all(b"\n")?;
                }
            }
            Reply::Large(length) => {
                let (begin, end) = habit::around(&message);
                out.write_all(begin.as_bytes())?;
                io::copy(&mut io::Read::take(io::repeat(b'x'), length), &mut out)?;
                writeln!(out, "{end}")?;
            }
            Reply::Endless => {
                out.write_all(habit::around(&message).0.as_bytes())?;
                io::copy(&mut io::repeat(b'x'), &mut out)?;
            }
            Reply::Flood(times) => {
                for n in 0..times {
                    out.write_all(&habit::notification(n))?;
                    out.write_all(b"\n")?;
                }
            }
            Reply::Dies => std::process::exit(7),
        }
        out.flush()?;
    }
    // a stubborn one does not mind that its input ended
    if habit.starts_with("stubborn") {
        std::thread::sleep(Duration::from_secs(600));
    }
    Ok(())
}

#[cfg(unix)]
pub(crate) fn ignore_terminate() -> io::Result<()> {
    use nix::sys::signal::{SigSet, Signal};
    // blocked is as good as ignored
    let mut set = SigSet::empty();
    set.add(Signal::SIGTERM);
    set.thread_block().map_err(io::Error::from)
}

#[cfg(unix)]
fn close_output() -> io::Result<()> {
    nix::unistd::close(1).map_err(io::Error::from)
}
