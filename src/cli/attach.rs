//! `attach`: what a client under test starts as its server over stdio; carries the bytes to the harness that waits for them.

use crate::transport::attach;
use clap::Args;
use std::net::SocketAddr;
use std::time::Duration;

/// `mcp-interop attach`
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Where the harness waits
    address: SocketAddr,
    /// What it is told
    secret: String,
}

pub(super) fn run(arguments: &Arguments) -> Result<u8, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| format!("no runtime: {e}"))?;
    let done = runtime.block_on(attach::attach(arguments.address, &arguments.secret));
    // a read of standard input that nobody answers must not keep the program alive
    runtime.shutdown_timeout(Duration::from_millis(100));
    done.map(|()| 0)
}
