//! mcp-interop: do two programs that speak the Model Context Protocol understand each other, and if not, which one is
//! wrong, where, and by which sentence of the specification?
//!
//! The modules in the order of the flow; each imports only those above it.
//!
//! The core, which does no I/O and knows no clock but the one handed to it:
//!
//! - [`wire`]: strict JSON reading with the raw bytes kept, JSON-RPC messages, Server-Sent Events, stdio framing, and the
//!   session logic of Streamable HTTP.
//! - [`spec`]: revisions and eras, compiled schemas, the tables of methods and correlations, the requirement catalogue.
//! - [`trace`]: events and the run record, redaction.
//! - [`conversation`]: the one correlation engine: open requests, capabilities, sessions, tasks, `before()`.
//! - [`scenario`]: the scenario language, its lint, patterns and bindings, and the exchange automaton.
//! - [`mod@reference`]: the reference client and the reference server.
//! - [`fault`]: declared deviations and harmless variations.
//! - [`judge`]: the schema check, the monitors, verdicts and blame.
//!
//! The rim, which does the I/O:
//!
//! - [`transport`]: memory, stdio and Streamable HTTP.
//! - [`peer`]: `harness.toml`, and the starting and stopping of foreign programs.
//! - [`seat`]: one automaton, three thin adapters.
//! - [`run`]: selection and scheduling.
//! - [`report`]: pure functions of what was found.
//! - [`draft`]: a scenario from a capture.
//! - [`cli`]: one file per subcommand.

pub mod wire;

pub mod spec;

pub mod trace;

pub mod conversation;

pub mod scenario;

pub mod reference;

pub mod fault;

pub mod judge;

pub mod transport;

pub mod peer;

pub mod seat;

pub mod run;

pub mod report;

pub mod draft;

pub mod cli;
