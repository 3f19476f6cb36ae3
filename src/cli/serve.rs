//! `serve`: offers the embedded server to anybody, over stdio or HTTP; or a server of somebody else's over stdio, with a fault
//! put in front of it.

use super::{interrupt, screen};
use crate::fault::{Fault, library};
use crate::peer::process::{Command, Ladder, Process};
use crate::reference::SessionKey;
use crate::reference::server::{Server, Setup};
use crate::run::surroundings;
use crate::seat::deviation::{Deviation, Teller};
use crate::seat::front::front;
use crate::seat::host::Host;
use crate::transport::http_server::{HttpServer, ServerHabits};
use crate::transport::memory::Acceptor;
use crate::transport::{Bounds, Link, Numbers, StdioLink};
use crate::wire::Party;
use crate::wire::http::ServerPolicy;
use clap::Args;
use std::time::Duration;

/// `mcp-interop serve`
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Serve Streamable HTTP on this port of the loopback interface (0: any that is free), in place of stdio
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "0")]
    http: Option<u16>,
    /// Deviate in this way, to see a check fail; `mcp-interop list --faults` shows them all
    #[arg(long, value_name = "ID", value_parser = deviation)]
    fault: Option<Fault>,
    /// Start this server in place of the embedded one, and put the fault into what it says over stdio
    #[arg(last = true, value_name = "COMMAND", requires = "fault", conflicts_with = "http")]
    command: Vec<String>,
}

/// Reads the name of a fault that a server can live with.
fn deviation(name: &str) -> Result<Fault, String> {
    let fault = library::named(name)?;
    if fault.by != Party::Server {
        return Err(format!("it is one of the {}", fault.by));
    }
    fault.alive().map_err(|why| format!("it can only be put into a stored trace: {why}"))
}

pub(super) fn run(arguments: Arguments) -> Result<u8, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| format!("no runtime: {e}"))?;
    let done = match &arguments.fault {
        Some(fault) if !arguments.command.is_empty() => runtime.block_on(behind(fault, &arguments.command)),
        _ => runtime.block_on(serve(&arguments)),
    };
    // a read of standard input that nobody answers must not keep the program alive
    runtime.shutdown_timeout(Duration::from_millis(100));
    done.map(|()| 0)
}

async fn serve(arguments: &Arguments) -> Result<(), String> {
    let stopped = interrupt::flag();
    let link = match arguments.http {
        None => {
            let pipes = (tokio::io::stdin(), tokio::io::stdout());
            Link::Stdio(StdioLink::new(Party::Server, SessionKey(0), pipes, &Numbers::default(), Bounds::default()))
        }
        Some(port) => {
            let acceptor = Acceptor::loopback(port).await.map_err(|e| format!("cannot listen on port {port}: {e}"))?;
            let mut entropy = surroundings::real();
            let server = HttpServer::new(
                acceptor,
                ServerPolicy::reference(),
                move || entropy.bits().to_be_bytes(),
                SessionKey(0),
                ServerHabits::default(),
                &Numbers::default(),
                Bounds::default(),
            );
            if let Some(address) = server.address() {
                screen::note(&format!("listening on http://{address}/mcp"));
            }
            Link::HttpServer(Box::new(server))
        }
    };
    let server = Server::new(Setup::new(surroundings::real()));
    let mut host = Host::honest(Box::new(server));
    if let Some(fault) = &arguments.fault {
        if let Some(broken) = &fault.breaks {
            screen::note(&format!("fault {}: breaks {broken}", fault.name));
        }
        host.deviation = Some(Deviation::new(fault.clone(), Some(Teller::Line(screen::note))));
    }
    host.run(link, stopped).await;
    Ok(())
}

/// Serves a program over stdio, with a fault in what it says.
async fn behind(fault: &Fault, words: &[String]) -> Result<(), String> {
    let stopped = interrupt::flag();
    let dir = std::env::current_dir().map_err(|e| format!("the current folder cannot be found: {e}"))?;
    let command = Command { words: words.to_vec(), dir, env: Vec::new() };
    let (process, pipes) = Process::start(&command, Party::Server).map_err(|e| e.to_string())?;
    let client = (tokio::io::stdin(), tokio::io::stdout());
    let done = front(fault.clone(), client, pipes, screen::note, stopped).await;
    process.stop(&Ladder::default()).await;
    // whoever started this looks for the reasons of a server's end there
    let said = process.stderr();
    if !said.is_empty() {
        screen::note(said.trim_end());
    }
    done.map_err(|e| e.to_string())
}
