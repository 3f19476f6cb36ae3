//! The table.

use std::time::Duration;

/// Where the server comes from.
#[derive(Clone, Copy)]
pub(crate) enum Peer {
    /// A command line of its own.
    Command(&'static str),
    /// This program, with that habit, on its pipes.
    Pipes(&'static str),
    /// A listener of this test with that habit.
    Web(&'static str),
    /// A driver with a command line of its own.
    DriverCommand(&'static [&'static str]),
    /// This program, with that habit, as a driver.
    Driver(&'static str),
    /// The same, under `driver check`.
    Check(&'static str),
}

/// One hostile server, and what comes of it.
pub(crate) struct Row {
    pub(crate) peer: Peer,
    pub(crate) arguments: &'static [&'static str],
    pub(crate) code: i32,
    pub(crate) says: &'static [&'static str],
    pub(crate) within: Duration,
    /// The scenario reaches its outcome: what is wrong with the server does not keep the two from understanding each other.
    pub(crate) understood: bool,
    /// The most memory that the harness may need, in MiB.
    pub(crate) memory: Option<u64>,
}

impl Row {
    pub(crate) fn name(&self) -> String {
        match self.peer {
            Peer::Command(line) => format!("stdio: the command {line}"),
            Peer::Pipes(habit) => format!("stdio: {habit}"),
            Peer::Web(habit) => format!("http: {habit}"),
            Peer::DriverCommand(words) => format!("driver: the command {}", words.join(" ")),
            Peer::Driver(habit) if self.arguments.contains(&"http") => format!("driver: {habit} (http)"),
            Peer::Driver(habit) => format!("driver: {habit}"),
            Peer::Check(habit) => format!("driver check: {habit}"),
        }
    }

    /// The whole set of scenarios in place of one.
    fn whole(mut self) -> Row {
        self.arguments = &[];
        self
    }

    fn understood(mut self) -> Row {
        self.understood = true;
        self
    }

    /// Only over HTTP.
    fn http(mut self) -> Row {
        self.arguments = &["--scenario", "tools/list-and-call", "--transport", "http"];
        self
    }

    fn within(mut self, seconds: u64) -> Row {
        self.within = Duration::from_secs(seconds);
        self
    }

    fn memory(mut self, most: u64) -> Row {
        self.memory = Some(most);
        self
    }
}

fn row(peer: Peer, code: i32, says: &'static [&'static str]) -> Row {
    let arguments = &["--scenario", "tools/list-and-call"];
    Row { peer, arguments, code, says, within: Duration::from_secs(20), understood: false, memory: None }
}

/// The whole table.
pub(crate) fn rows() -> Vec<Row> {
    use Peer::{Command, Pipes, Web};
    vec![
        // what is no MCP server
        row(Web("refuses"), 4, &["cannot connect"]),
        row(Web("closes every connection"), 4, &["before it answered `initialize`"]),
        row(Web("no HTTP"), 4, &["before it answered `initialize`"]),
        row(Web("HTML"), 4, &["text/html"]),
        row(Web("404"), 4, &["it answered `initialize` with HTTP 404"]),
        row(Web("500"), 4, &["it answered `initialize` with HTTP 500"]),
        row(Web("redirects"), 4, &["HTTP 301", "redirects to http://127.0.0.1:9/elsewhere", "not followed"]),
        row(Web("wants a token"), 4, &["HTTP 401", "it wants a token (Bearer realm="]),
        row(Web("another revision"), 4, &["1999-01-01"]),
        row(Pipes("another revision"), 4, &["1999-01-01"]),
        row(Pipes("an older revision"), 4, &["--revision 2025-06-18"]),
        row(Pipes("an error to initialize"), 4, &["no luck"]),
        row(Web("an error to initialize"), 4, &["no luck"]),
        // what does not begin
        row(Command("no-such-program --at-all"), 4, &["there is no program `no-such-program`"]),
        row(Command("./no-such-file"), 4, &["there is no program ./no-such-file"]),
        row(Pipes("exits at once"), 4, &["it exited with code 3", "I have no configuration"]),
        row(Pipes("a banner"), 4, &["Welcome to the server"]),
        row(Pipes("a banner with a brace"), 4, &["{starting}"]),
        row(Pipes("invalid JSON at once"), 4, &["which is no JSON"]),
        // what hangs: one deadline for the whole set
        row(Pipes("never answers"), 4, &["it did not answer `initialize` within"]).whole(),
        row(Web("never answers"), 4, &["it did not answer `initialize` within"]).whole(),
        row(Pipes("hangs after initialize"), 1, &["it did not answer `tools/list` within"]).whole(),
        row(Web("hangs after initialize"), 1, &["it did not answer `tools/list` within"]).whole(),
        // what needs only three messages is well before it hangs
        row(Pipes("hangs from the fourth message"), 1, &["it was given up"]).whole().understood(),
        row(Web("hangs from the fourth message"), 1, &["it was given up"]).whole(),
        row(Pipes("hangs on a call"), 1, &["the server is at fault"]),
        row(Web("hangs on a call"), 1, &["the server is at fault"]),
        row(Pipes("stubborn and hung"), 1, &["the server is at fault"]).within(25),
        // what is in order on the wire
        row(Pipes("answers late"), 0, &[]).understood(),
        row(Web("answers late"), 0, &[]).understood(),
        row(Pipes("stubborn"), 0, &["lifecycle.shutdown.server-exits-on-eof"]).understood(),
        row(Pipes("leaves a grandchild"), 0, &[]).understood(),
        row(Pipes("leaves a grandchild in a session of its own"), 0, &[]).understood(),
        // what dies
        row(Pipes("closes stdout"), 1, &["the server is at fault"]),
        row(Pipes("dies at a call"), 1, &["it exited with code 7"]),
        // the way through the scenario that does not list has only three messages, and is well
        row(Pipes("dies at the fourth message"), 1, &["it exited with code 7"]).understood(),
        row(Web("dies at the fourth message"), 1, &["it was given up"]).whole(),
        row(Pipes("dies when all is done"), 1, &["it exited with code 7", "stays until the client leaves"])
            .understood(),
        row(Pipes("falls silent when all is done"), 1, &["an answer to `ping`"]).understood().within(30),
        row(Web("half an event"), 1, &["the server is at fault"]),
        row(Web("a cut answer"), 1, &["the server is at fault"]),
        row(Web("a stream without the answer"), 1, &["the server is at fault"]),
        row(Web("500 to calls"), 1, &["the server is at fault"]),
        // what lies
        row(Pipes("a wrong id"), 1, &["somebody-else", "the server is at fault"]),
        row(Web("a wrong id"), 1, &["somebody-else", "the server is at fault"]),
        row(Pipes("answers twice"), 1, &["a second one"]).understood(),
        row(Web("answers twice"), 1, &["a second one"]).understood(),
        row(Pipes("invalid JSON"), 1, &["the server is at fault"]),
        row(Web("invalid JSON"), 1, &["the server is at fault"]),
        // what floods
        row(Web("comments for ever"), 1, &["the server is at fault"]),
        row(Web("a flood of comments"), 1, &["the server is at fault", "no more was read"]).memory(50),
        row(Web("headers for ever"), 1, &["the server is at fault"]).memory(50),
        row(Pipes("100 MB"), 1, &["the server is at fault", "the bound is"]).memory(50),
        row(Web("100 MB"), 1, &["the server is at fault", "the bound is"]).memory(50),
        row(Pipes("100 MB at once"), 4, &["bound"]).memory(50),
        row(Web("100 MB at once"), 4, &["bound"]).memory(50),
        row(Pipes("an endless line"), 1, &["the server is at fault", "the bound is"]).memory(50),
        row(Web("an endless line"), 1, &["the server is at fault", "the bound is"]).memory(50),
        row(Pipes("an endless line at once"), 4, &["bound"]).memory(50),
        row(Web("an endless line at once"), 4, &["bound"]).memory(50),
        // three thousand notifications of each play are kept
        row(Pipes("10,000 notifications"), 1, &["the server is at fault", "no more was read"]).memory(50).within(60),
        row(Web("10,000 notifications"), 1, &["the server is at fault", "no more was read"]).memory(50).within(60),
        row(Pipes("notifications for ever"), 1, &["the server is at fault", "no more was read"]).memory(50).within(60),
        row(Web("notifications for ever"), 1, &["the server is at fault", "no more was read"]).memory(50).within(60),
        row(
            Pipes("notifications for ever at once"),
            4,
            &["it did not answer `initialize` within", "other things, the last was", "notifications/message"],
        )
        .memory(50),
        row(Pipes("nesting"), 1, &["the server is at fault"]),
        row(Web("nesting"), 1, &["the server is at fault"]),
    ]
    .into_iter()
    .chain(clients())
    .chain(checks())
    .collect()
}

/// The client under test.
fn clients() -> Vec<Row> {
    use Peer::{Driver, DriverCommand};
    let twice = &["the driver is at fault: it answered action 0, which is not open"];
    vec![
        // what is no driver
        row(DriverCommand(&["no-such-driver"]), 4, &["there is no program `no-such-driver`"]),
        row(DriverCommand(&["true"]), 3, &["NOTHING WAS PROVEN", "the client never connected"]),
        row(Driver("exits at once"), 3, &["the client never connected", "I have no configuration"]),
        row(Driver("a banner"), 4, &["it is no driver: it wrote", "Welcome to the driver"]),
        row(Driver("another version"), 4, &["it does not speak version 1 of the protocol"]),
        row(Driver("never says hello"), 4, &["it did not answer hello within 15 s"]).whole(),
        // what hangs: one deadline for the whole set
        row(Driver("hangs after hello"), 4, &["it does not answer `connect`, nor `hello` within 2 s", "given up"])
            .whole()
            .within(30),
        row(Driver("stubborn and hung"), 4, &["nor `hello` within 2 s"]).whole().within(40),
        row(Driver("hangs in connect"), 3, &["the client never connected: nothing came of it"]).whole().within(40),
        row(Driver("hangs in an action"), 1, &["the client is at fault"]),
        row(Driver("hangs in close"), 4, &["the driver is at fault: it did not answer `close` in time"]).within(30),
        // what never connects
        row(Driver("cannot connect"), 3, &["the client never connected: no luck today"]).whole(),
        row(Driver("exits at connect"), 3, &["the client never connected: it exited with code 7"]),
        row(
            Driver("only says that it is connected"),
            4,
            &["the driver is at fault: it says that its client is connected"],
        ),
        row(Driver("another path"), 1, &["the client is at fault"]).http(),
        // what does not keep to the protocol of drivers
        row(Driver("answers twice"), 4, twice),
        row(Driver("answers what nobody asked"), 4, &["the driver is at fault: it answered action 999"]),
        row(
            Driver("no JSON in the middle"),
            4,
            &["the driver is at fault: it wrote a line that is no JSON", "Traceback"],
        ),
        row(Driver("supports no call"), 0, &["the client does not support", "there is no such call"]),
        // what dies
        row(Driver("exits in the middle"), 1, &["the client is at fault", "then the client was gone"]),
        // what floods
        row(Driver("an endless line"), 4, &["the driver is at fault", "bytes"]).memory(60),
        row(Driver("events for ever"), 4, &["the driver is at fault: it told more than"]).memory(50).within(40),
        row(Driver("floods stderr"), 0, &[]).understood().memory(50).within(40),
        row(Driver("a call of 8 MB"), 1, &["the client is at fault", "the bound is"]).memory(50).within(40),
        row(Driver("a body of 100 MB beside it"), 0, &[]).http().understood().memory(50),
        // what is odd on the wire, or leaves something behind
        row(Driver("connects twice"), 0, &[]).http().understood(),
        row(Driver("only says that it closed"), 0, &[]).understood(),
        row(Driver("stubborn"), 0, &[]).understood(),
        row(Driver("leaves a grandchild"), 0, &[]).understood(),
        row(Driver("leaves a grandchild in a session of its own"), 0, &[]).understood(),
        // what the application gets
        row(Driver("cannot take the answer"), 1, &["the client is at fault", "the content is of no kind that I know"]),
        row(Driver("makes up a result"), 1, &["the client is at fault"]),
    ]
}

/// The driver itself under test.
fn checks() -> Vec<Row> {
    let check = |habit: &'static str, code, says: &'static [&'static str]| {
        let arguments: &[&str] = &[];
        Row { arguments, ..row(Peer::Check(habit), code, says) }
    };
    vec![
        check("is honest", 0, &["0 wrong, 0 not reached"]),
        check("exits at once", 4, &["it ended with code 3", "I have no configuration"]),
        check("a banner", 4, &["it is no driver: it wrote"]),
        check("never says hello", 4, &["it did not answer hello within 15 s"]),
        check("another version", 4, &["it does not speak version 1"]),
        check("answers twice", 1, &["(connect) twice", "(ping) twice"]),
        check("answers what nobody asked", 1, &["it answered action 999, which nobody ordered"]),
        check("hangs after hello", 1, &["connect: it did not answer within 5 s"]).within(30),
        check("hangs in an action", 1, &["call tool: it did not answer within 5 s", "was given up"]).within(30),
        check("cannot connect", 1, &["a failure (no luck today;"]),
        check("only says that it is connected", 1, &["no `initialize` was seen"]),
        check("only says that it pinged", 1, &["it answered with a result, and no `ping` was seen"]),
        check(
            "says that it cannot, and does",
            1,
            &["it says that it cannot (there is no such call), and sent `tools/call`"],
        ),
        check("supports no call", 0, &["call tool: there is no such call"]),
        check("knows everything", 1, &["an action that there is not has to be `unsupported`"]),
        check("makes up a result", 1, &["its result has [] as `content`"]),
        check("no JSON in the middle", 1, &["it wrote a line that is no JSON"]),
        check("exits in the middle", 1, &["call tool: the driver is gone: it ended with code 7"]),
        check("an endless line", 1, &["bytes"]).memory(60),
        check("events for ever", 1, &["it told more than"]).memory(50).within(40),
        check("stubborn", 1, &["it did not end within 5 s when its input ended"]).within(40),
        check("leaves a grandchild", 0, &["0 wrong"]),
    ]
}
