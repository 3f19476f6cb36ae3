//! A driver as a program of its own: orders go to its standard input, reports come from its standard output.

use super::protocol::Report;
use super::{Moved, Mover};
use crate::peer::process::{Command, Exit, Ladder, Process};
use crate::peer::start::StartError;
use crate::wire::Party;
use crate::wire::stdio::Framer;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::mpsc;

/// How long one line of a driver may be, in bytes.
const LINE: usize = 4 << 20;

/// How long the end of a driver is waited for when its standard output has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The variable that tells a program that it is to be a driver.
const VARIABLE: &str = "MCP_INTEROP_DRIVER";

/// A driver that runs, or has run. Dropping it ends it at once, with all that it started.
#[derive(Debug)]
pub struct DriverProcess {
    process: Process,
    /// The way to it.
    pub mover: Mover,
}

impl DriverProcess {
    /// Starts it. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// When there is no such program or folder, or the system refuses.
    pub fn start(command: &Command) -> Result<DriverProcess, StartError> {
        let mut command = command.clone();
        command.env.push((VARIABLE.to_owned(), "1".to_owned()));
        let (process, (stdout, stdin)) = Process::start(&command, Party::Client)?;
        let (mover, Moved { orders, reports }) = Mover::new();
        tokio::spawn(tell(stdin, orders));
        tokio::spawn(hear(stdout, reports, process.ending()));
        Ok(DriverProcess { process, mover })
    }

    /// What runs.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Ends it: closes its standard input, then as [`Process::stop`]. Gives the end of what it wrote on standard error.
    pub async fn stop(self, ladder: &Ladder) -> String {
        drop(self.mover);
        self.process.stop(ladder).await;
        self.process.stderr()
    }
}

/// Writes orders until nobody gives any, and then closes its standard input.
async fn tell(mut stdin: ChildStdin, mut orders: mpsc::UnboundedReceiver<super::Order>) {
    while let Some(order) = orders.recv().await {
        let line = order.line() + "\n";
        // one that does not read is gone, or will be found silent
        if stdin.write_all(line.as_bytes()).await.is_err() || stdin.flush().await.is_err() {
            return;
        }
    }
}

/// Reads reports until its standard output ends; what is not fetched in time is waited for.
async fn hear(mut stdout: ChildStdout, reports: mpsc::Sender<Report>, ending: impl Future<Output = Exit>) {
    let mut framer = Framer::new(LINE);
    let mut chunk = vec![0; 64 << 10];
    let mut length = 0_usize;
    while let Ok(n @ 1..) = stdout.read(&mut chunk).await {
        let read = chunk.get(..n).unwrap_or_default();
        for frame in framer.push(read) {
            let report = match frame.cut() {
                true => Report::Garbled(format!("a line of {} bytes; the bound is {LINE}", frame.length)),
                false if frame.is_blank() => continue,
                false => Report::read(&frame.bytes),
            };
            if reports.send(report).await.is_err() {
                return;
            }
        }
        // a line without an end is not read for ever
        length = match read.iter().rposition(|b| *b == b'\n') {
            Some(at) => read.len() - at - 1,
            None => length + read.len(),
        };
        if length > LINE * 4 {
            let _ = reports.send(Report::Garbled(format!("a line of more than {length} bytes"))).await;
            return;
        }
    }
    let how = match tokio::time::timeout(LAST_WORDS, ending).await {
        Ok(exit) => exit.to_string(),
        Err(_) => "it closed its standard output".to_owned(),
    };
    // nobody may want to know
    let _ = reports.send(Report::Gone(how)).await;
}
