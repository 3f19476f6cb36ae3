//! The hostile drivers and clients: the honest driver of this program, with somebody in between who alters what it is told
//! and what it says.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What was ordered, by its number: what to do.
type Orders = Arc<Mutex<BTreeMap<u64, String>>>;

/// Drives with that habit until the input ends.
pub(crate) fn drive(habit: &str) -> io::Result<()> {
    match habit {
        "a banner" => println!("Welcome to the driver, version 1.0"),
        "exits at once" => {
            eprintln!("I have no configuration");
            std::process::exit(3);
        }
        "leaves a grandchild" => drop(Command::new("sleep").arg("600").spawn()?),
        "leaves a grandchild in a session of its own" => drop(Command::new("setsid").args(["sleep", "600"]).spawn()?),
        #[cfg(unix)]
        "stubborn" | "stubborn and hung" => super::pipes::ignore_terminate()?,
        _ => {}
    }
    let mut honest = Command::new(env!("CARGO_BIN_EXE_mcp-interop"))
        .arg("drive")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let (stdin, stdout) = (honest.stdin.take().unwrap(), honest.stdout.take().unwrap());
    let orders = Orders::default();
    let reports = {
        let (habit, orders) = (habit.to_owned(), Arc::clone(&orders));
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let report: Value = serde_json::from_str(&line).unwrap_or_default();
                let did = report["id"].as_u64().and_then(|id| orders.lock().unwrap().get(&id).cloned());
                for said in reported(&habit, did.as_deref().unwrap_or_default(), report) {
                    say(&said);
                }
            }
        })
    };
    ordered(habit, stdin, &orders)?;
    // a stubborn one does not mind that its input ended
    if habit.starts_with("stubborn") {
        std::thread::sleep(Duration::from_secs(600));
    }
    honest.wait()?;
    drop(reports.join());
    Ok(())
}

fn say(value: &Value) {
    let mut out = io::stdout().lock();
    // a pipe that the harness has closed is how most of them end
    if writeln!(out, "{value}").and_then(|()| out.flush()).is_err() {
        std::process::exit(1);
    }
}

/// Passes orders on, or does something else.
fn ordered(habit: &str, mut honest: ChildStdin, orders: &Orders) -> io::Result<()> {
    let mut url = String::new();
    for line in io::stdin().lock().lines() {
        let mut order: Value = serde_json::from_str(&line?).unwrap_or_default();
        let (id, todo) = (order["id"].clone(), order["do"].as_str().unwrap_or_default().to_owned());
        orders.lock().unwrap().insert(id.as_u64().unwrap_or_default(), todo.clone());
        let (hello, connect, close) = (todo == "hello", todo == "connect", todo == "close");
        let call = todo == "call tool";
        if let Some(to) = order["to"]["url"].as_str() {
            url = to.to_owned();
        }
        match habit {
            "never says hello" => continue,
            "hangs after hello" | "stubborn and hung" if !hello => {
                // it answers no second hello either
                std::thread::sleep(Duration::from_secs(600));
            }
            "hangs in connect" if connect => continue,
            "hangs in an action" if call => continue,
            "hangs in close" if close => continue,
            "cannot connect" if connect => {
                say(&json!({ "id": id, "failure": "no luck today" }));
                continue;
            }
            "only says that it is connected" if connect => {
                say(&json!({ "id": id, "result": {} }));
                continue;
            }
            "supports no call" if call => {
                say(&json!({ "id": id, "unsupported": "there is no such call" }));
                continue;
            }
            "only says that it closed" if close => {
                say(&json!({ "id": id, "result": {} }));
                continue;
            }
            "only says that it pinged" if todo == "ping" => {
                say(&json!({ "id": id, "result": {} }));
                continue;
            }
            "knows everything" if todo == "read minds" => {
                say(&json!({ "id": id, "result": {} }));
                continue;
            }
            "exits at connect" if connect => std::process::exit(7),
            "exits in the middle" if call => std::process::exit(7),
            "no JSON in the middle" if call => println!("Traceback (most recent call last):"),
            "answers what nobody asked" if connect => say(&json!({ "id": 999, "result": {} })),
            "an endless line" if call => {
                let mut out = io::stdout().lock();
                out.write_all(b"{\"id\":3,\"result\":{\"text\":\"")?;
                io::copy(&mut io::repeat(b'x'), &mut out)?;
            }
            "events for ever" if call => loop {
                say(&json!({ "event": "told", "client": order["client"], "method": "notifications/message" }));
            },
            "floods stderr" if call => {
                io::copy(&mut io::repeat(b'x').take(16 << 20), &mut io::stderr().lock())?;
            }
            "another path" if connect => order["to"]["url"] = json!(url.replace("/mcp", "/elsewhere")),
            "connects twice" if connect => {
                let mut second = order.clone();
                (second["id"], second["client"]) = (json!(1_000_000), json!("second"));
                writeln!(honest, "{second}")?;
            }
            "a call of 8 MB" if call => order["arguments"] = json!({ "text": "x".repeat(8 << 20) }),
            "a body of 100 MB beside it" if call => huge(&url)?,
            _ => {}
        }
        writeln!(honest, "{order}")?;
        honest.flush()?;
    }
    Ok(())
}

/// What is said in place of a report of the honest driver.
fn reported(habit: &str, did: &str, mut report: Value) -> Vec<Value> {
    let answer = report.get("id").is_some();
    match habit {
        "connects twice" if report["id"] == 1_000_000 => return Vec::new(),
        "answers twice" if answer => return vec![report.clone(), report],
        "another version" if did == "hello" => report["result"]["version"] = json!(2),
        "cannot take the answer" if did == "call tool" && answer => {
            return vec![json!({ "id": report["id"], "failure": "the content is of no kind that I know" })];
        }
        "says that it cannot, and does" if did == "call tool" && answer => {
            return vec![json!({ "id": report["id"], "unsupported": "there is no such call" })];
        }
        "makes up a result" if did == "call tool" && answer => {
            return vec![json!({ "id": report["id"], "result": { "content": [] } })];
        }
        _ => {}
    }
    vec![report]
}

/// Sends a request of 100 MB beside the client.
fn huge(url: &str) -> io::Result<()> {
    let address = url.trim_start_matches("http://").trim_end_matches("/mcp");
    let mut stream = TcpStream::connect(address)?;
    let length: u64 = 100 << 20;
    let head = "accept: application/json, text/event-stream\r\ncontent-type: application/json";
    write!(stream, "POST /mcp HTTP/1.1\r\nhost: {address}\r\n{head}\r\ncontent-length: {length}\r\n\r\n{{\"a\":\"")?;
    // whoever is at the other end may have enough before
    let _ = io::copy(&mut io::repeat(b'x').take(length - 8), &mut stream);
    let mut answer = Vec::new();
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let _ = stream.take(4096).read_to_end(&mut answer);
    Ok(())
}
