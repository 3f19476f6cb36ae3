//! The command line: one file per subcommand. Parses, calls, prints; decides nothing.

mod attach;
mod client;
mod draft;
mod draw;
mod drive;
mod driver;
mod explain;
mod interrupt;
mod judge;
mod lint;
mod list;
mod matrix;
mod output;
mod pair;
mod parties;
mod peers;
mod screen;
mod selection;
mod serve;
mod server;
mod stage;
mod tap;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Wrong usage or files.
const USAGE: u8 = 2;

/// A peer could not be started.
const UNREACHED: u8 = 4;

/// Do two programs that speak the Model Context Protocol understand each other?
#[derive(Debug, Parser)]
#[command(version, about, long_about = None, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play the client against a server, and judge the server; without a server, against the embedded one
    Server(Box<server::Arguments>),
    /// Play the server against a client, and judge the client; without a client, against the embedded one
    Client(Box<client::Arguments>),
    /// Stand between a client and a server, and say which of them is wrong; what is not named is the embedded one
    Pair(Box<pair::Arguments>),
    /// Judge captures without the peers: stored records, or what others recorded
    Judge(judge::Arguments),
    /// Put every client together with every server, and show which of them understand each other
    Matrix(Box<matrix::Arguments>),
    /// List the scenarios, with the seats and revisions they hold for
    List(list::Arguments),
    /// Check scenario files
    Lint(lint::Arguments),
    /// Print what a scenario sends, expects and proves from a seat
    Explain(explain::Arguments),
    /// Stand between two programs of yours, record what they say, and tell which of them is wrong
    Tap(Box<tap::Arguments>),
    /// Draw the sequence diagram of a capture
    Draw(draw::Arguments),
    /// Write a scenario file of what was recorded
    Draft(draft::Arguments),
    /// Offer the embedded server over stdio or HTTP; or put a fault before a server of your own
    Serve(Box<serve::Arguments>),
    /// Be a driver: move the embedded client as standard input says
    Drive(Box<drive::Arguments>),
    /// Test a driver itself
    Driver(driver::Arguments),
    /// Carry standard input and output to a harness that waits for them; started by a client under test
    #[command(hide = true)]
    Attach(attach::Arguments),
    /// List the peers of harness.toml, or install them
    Peers(peers::Arguments),
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    crate::peer::guard::main();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            // help and version come this way too, with exit code 0
            let code = u8::try_from(e.exit_code()).unwrap_or(USAGE);
            // a closed terminal cannot be told anything
            let _ = e.print();
            return ExitCode::from(code);
        }
    };
    let done = match cli.command {
        Command::Server(arguments) => server::run(*arguments),
        Command::Client(arguments) => client::run(*arguments),
        Command::Drive(arguments) => drive::run(&arguments),
        Command::Driver(arguments) => driver::run(&arguments),
        Command::Attach(arguments) => attach::run(&arguments),
        Command::Pair(arguments) => pair::run(*arguments),
        Command::Matrix(arguments) => matrix::run(*arguments),
        Command::Judge(arguments) => judge::run(arguments),
        Command::List(arguments) => list::run(&arguments),
        Command::Lint(arguments) => lint::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Tap(arguments) => tap::run(*arguments),
        Command::Draw(arguments) => draw::run(&arguments),
        Command::Draft(arguments) => draft::run(&arguments),
        Command::Serve(arguments) => serve::run(*arguments),
        Command::Peers(arguments) => peers::run(arguments),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(why) => {
            screen::note(&format!("error: {why}"));
            ExitCode::from(USAGE)
        }
    }
}
