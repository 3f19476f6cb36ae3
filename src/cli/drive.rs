//! `drive`: the embedded client as a driver, moved by lines of JSON on standard input; or, with a URL, moved by what the
//! scenario that its environment names has an application do.

use super::{interrupt, screen, selection};
use crate::fault::{Fault, library};
use crate::peer::driver::{Answer, Moved, Mover, Order, Report, Target};
use crate::run::driven::{Driven, Real, Reference};
use crate::run::{environment, pair, surroundings};
use crate::scenario::files;
use crate::scenario::plan::Plan;
use crate::seat::deviation::Teller;
use crate::seat::{Play, acting, drive};
use crate::spec::Revision;
use crate::trace::{Seat, Transport};
use crate::wire::Party;
use clap::Args;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::sync::mpsc;

/// All was done.
const WELL: u8 = 0;

/// Something that was to be done did not come to its end.
const FAILED: u8 = 1;

/// `mcp-interop drive`
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Deviate in this way, to see a check fail; `mcp-interop list --faults` shows them all
    #[arg(long, value_name = "ID", value_parser = deviation)]
    fault: Option<Fault>,
    /// A server to connect to at once. The environment says what to do there: MCP_CONFORMANCE_SCENARIO is a name that
    /// scenarios have in `known as`, MCP_CONFORMANCE_PROTOCOL_VERSION the revision
    url: Option<String>,
}

/// Reads the name of a fault that a client can live with.
fn deviation(name: &str) -> Result<Fault, String> {
    let fault = library::named(name)?;
    if fault.by != Party::Client {
        return Err(format!("it is one of the {}", fault.by));
    }
    fault.alive().map_err(|why| format!("it can only be put into a stored trace: {why}"))
}

pub(super) fn run(arguments: &Arguments) -> Result<u8, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| format!("no runtime: {e}"))?;
    let code = match &arguments.url {
        Some(url) => {
            let play = named()?;
            runtime.block_on(acting(&play, url, arguments.fault.clone()))
        }
        None => {
            runtime.block_on(driven(arguments.fault.clone()));
            WELL
        }
    };
    // a read of standard input that nobody answers must not keep the program alive
    runtime.shutdown_timeout(Duration::from_millis(100));
    Ok(code)
}

/// What the environment says is to be done, as a play in which no part is ours.
fn named() -> Result<Play, String> {
    let said = |variable: &str| std::env::var(variable).ok().filter(|value| !value.is_empty());
    let revision = match said(environment::REVISION) {
        Some(date) => selection::revision(&date).map_err(|why| format!("{}: {why}", environment::REVISION))?,
        None => Revision::DEFAULT,
    };
    let scenarios = files::embedded().scenarios;
    let known = || {
        let all = scenarios.iter().filter(|s| s.revisions.contains(&revision)).filter_map(|s| s.known_as.as_deref());
        all.collect::<Vec<_>>().join(", ")
    };
    let Some(name) = said(environment::SCENARIO) else {
        let variable = environment::SCENARIO;
        return Err(format!("with a URL, {variable} must name what is to be done; for {revision}: {}", known()));
    };
    let Some(scenario) = environment::known_as(&scenarios, &name, revision) else {
        return Err(format!("no scenario for {revision} is known as `{name}`; there are: {}", known()));
    };
    let plan = Arc::new(Plan::new(Arc::new(scenario.clone()), Transport::Http));
    Ok(pair::prepare(plan, Seat::Observer, revision, Vec::new(), &mut surroundings::random()))
}

async fn acting(play: &Play, url: &str, fault: Option<Fault>) -> u8 {
    let teller = Some(Teller::Line(screen::note));
    let clients = Reference { surroundings: surroundings::real, connect: Real, change: None, fault, teller };
    let Driven { mut mover, task } = Driven::start(clients, interrupt::flag());
    let acted = acting::act(play, &mut mover, Target::Url(url.to_owned()), pair::capabilities(play));
    let came = tokio::time::timeout(play.cap, acted).await;
    let why = match came {
        Ok(Ok(())) => None,
        Ok(Err(why)) => Some(why),
        Err(_) => Some(format!("not all was done within {} s", play.cap.as_secs())),
    };
    drop(mover);
    // it leaves in good order
    let _ = tokio::time::timeout(Duration::from_secs(5), task).await;
    match why {
        None => WELL,
        Some(why) => {
            screen::note(&format!("error: {why}"));
            FAILED
        }
    }
}

async fn driven(fault: Option<Fault>) {
    let stopped = interrupt::flag();
    let (Mover { orders, reports, .. }, Moved { orders: ordered, reports: told }) = Mover::new();
    let refusals = told.clone();
    let teller = Some(Teller::Line(screen::note));
    let clients = Reference { surroundings: surroundings::real, connect: Real, change: None, fault, teller };
    let reading = tokio::spawn(read(orders, refusals));
    let writing = tokio::spawn(write(reports));
    drive::drive(clients, Moved { orders: ordered, reports: told }, stopped).await;
    reading.abort();
    // what was said last goes out before the program ends; a pipe that is broken takes nothing
    let _ = tokio::time::timeout(Duration::from_secs(2), writing).await;
}

/// Reads orders until standard input ends.
async fn read(orders: mpsc::UnboundedSender<Order>, refusals: mpsc::Sender<Report>) {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if line.trim().is_empty() {
            continue;
        }
        match Order::read(&line) {
            Ok(order) => {
                if orders.send(order).is_err() {
                    return;
                }
            }
            Err((Some(id), why)) => {
                let answer = Answer::Unsupported(format!("the order cannot be read: {why}"));
                if refusals.send(Report::Answer { id, answer }).await.is_err() {
                    return;
                }
            }
            Err((None, why)) => screen::note(&format!("error: a line of standard input is no order: {why}")),
        }
    }
}

/// Writes reports, a line each.
async fn write(mut reports: mpsc::Receiver<Report>) {
    let mut stdout = tokio::io::stdout();
    while let Some(report) = reports.recv().await {
        let Some(line) = report.line() else { continue };
        if stdout.write_all((line + "\n").as_bytes()).await.is_err() || stdout.flush().await.is_err() {
            return;
        }
    }
}
