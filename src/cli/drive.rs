//! `drive`: the embedded client as a driver, moved by lines of JSON on standard input.

use super::{interrupt, screen};
use crate::fault::{Fault, library};
use crate::peer::driver::{Answer, Moved, Mover, Order, Report};
use crate::run::driven::{Real, Reference};
use crate::run::surroundings;
use crate::seat::deviation::Teller;
use crate::seat::drive;
use crate::wire::Party;
use clap::Args;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::sync::mpsc;

/// `mcp-interop drive`
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Deviate in this way, to see a check fail; `mcp-interop list --faults` shows them all
    #[arg(long, value_name = "ID", value_parser = deviation)]
    fault: Option<Fault>,
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
    runtime.block_on(driven(arguments.fault.clone()));
    // a read of standard input that nobody answers must not keep the program alive
    runtime.shutdown_timeout(Duration::from_millis(100));
    Ok(0)
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
