//! What came of the check of a driver: for people, for programs, and as a table for a page.

use super::exit;
use super::text::{cut, escape, pad, width};
use crate::run::driver_check::{Came, Checked, Part, Shown};
use crate::trace::event::{Body, Event};
use crate::wire::Message;
use crate::wire::json::Limits;
use serde_json::{Map, Value, json};

/// The version of the form of the report.
const FORMAT: u32 = 1;

/// How long a message may be in a table, in characters.
const CELL: usize = 200;

/// The exit code of a check: 1 for a driver that is wrong, 4 for one that could not be checked, 3 when it supports nothing.
#[must_use]
pub fn exit_code(checked: &Checked) -> u8 {
    let is = |came: fn(&Came) -> bool| checked.count(came) > 0;
    if is(|came| matches!(came, Came::Wrong(_))) {
        exit::PEER
    } else if checked.interrupted || checked.parts.iter().any(|part| part.trouble.is_some()) {
        exit::ENVIRONMENT
    } else if !is(|came| matches!(came, Came::Supported(Shown::Wire(_)))) {
        exit::NOTHING
    } else {
        exit::WELL
    }
}

/// For people: a line for each action, and what is to be said of those that are not supported.
#[must_use]
pub fn terminal(checked: &Checked) -> String {
    let mut out = format!("driver check: {}\n", escape(&checked.name));
    for part in &checked.parts {
        if let Some(hello) = &part.hello {
            out += &format!("{}: version {} of the protocol, {}\n", part.transport, version(hello), sdk(hello));
        }
        if let Some((what, stderr)) = &part.trouble {
            out += &format!("{}: it could not be checked: {}\n", part.transport, escape(what));
            for line in stderr.iter().flat_map(|text| text.lines().rev().take(10).collect::<Vec<_>>().into_iter().rev())
            {
                out += &format!("  {}\n", escape(line));
            }
        }
    }
    let rows = checked.rows();
    let first = rows.iter().map(|row| width(row)).max().unwrap_or_default() + 2;
    let column = |part: &Part| {
        let cells = rows.iter().map(|row| width(&mark(part.came(row)))).max();
        cells.unwrap_or_default() + 2
    };
    if !rows.is_empty() {
        let heads = checked.parts.iter().map(|part| pad(part.transport.as_str(), column(part)));
        out += &format!("\n{}{}\n", pad("", first), heads.collect::<String>().trim_end());
    }
    for row in &rows {
        let cells = checked.parts.iter().map(|part| pad(&mark(part.came(row)), column(part)));
        out += &format!("{}{}\n", pad(row, first), cells.collect::<String>().trim_end());
    }
    type Kind = (&'static str, fn(&Came) -> Option<&String>);
    let kinds: [Kind; 4] = [
        ("wrong", |came| if let Came::Wrong(what) = came { Some(what) } else { None }),
        ("sent, and then the SDK fails", |came| if let Came::Failed(why) = came { Some(why) } else { None }),
        ("unsupported", |came| if let Came::Unsupported(why) = came { Some(why) } else { None }),
        ("not reached", |came| if let Came::NotReached(why) = came { Some(why) } else { None }),
    ];
    for (title, of) in kinds {
        let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
        for part in &checked.parts {
            for (row, came) in &part.rows {
                let Some(why) = of(came) else { continue };
                let line = format!("  {row}: {}", escape(why));
                match lines.iter_mut().find(|(said, _)| *said == line) {
                    Some((_, on)) => on.push(part.transport.as_str()),
                    None => lines.push((line, vec![part.transport.as_str()])),
                }
            }
        }
        if !lines.is_empty() {
            out += &format!("\n{title}\n");
        }
        for (line, on) in lines {
            out += &if on.len() == checked.parts.len() {
                format!("{line}\n")
            } else {
                format!("{line} ({})\n", on.join(", "))
            };
        }
    }
    let count = |is: fn(&Came) -> bool| checked.count(is);
    out += &format!(
        "\n{} supported, {} unsupported, {} failing, {} wrong, {} not reached; exit {}\n",
        count(|came| matches!(came, Came::Supported(_))),
        count(|came| matches!(came, Came::Unsupported(_))),
        count(|came| matches!(came, Came::Failed(_))),
        count(|came| matches!(came, Came::Wrong(_))),
        count(|came| matches!(came, Came::NotReached(_))),
        exit_code(checked),
    );
    out
}

fn version(hello: &Value) -> String {
    hello.get("version").map_or("?".to_owned(), Value::to_string)
}

fn sdk(hello: &Value) -> String {
    let text = |name: &str| hello.get("sdk").and_then(|sdk| sdk.get(name)?.as_str()).map(escape);
    match (text("name"), text("version")) {
        (Some(name), Some(version)) => format!("{name} {version}"),
        _ => "an SDK that it does not name".to_owned(),
    }
}

/// A cell for people.
fn mark(came: Option<&Came>) -> String {
    match came {
        Some(Came::Supported(Shown::Wire(event))) => format!("yes  #{} {}", event.seq, what(event)),
        Some(Came::Supported(Shown::Driver(_))) => "yes".to_owned(),
        Some(Came::Unsupported(_)) => "no".to_owned(),
        Some(Came::Failed(_)) => "FAILS".to_owned(),
        Some(Came::Wrong(_)) => "WRONG".to_owned(),
        Some(Came::NotReached(_)) | None => "-".to_owned(),
    }
}

/// An event in a word or two.
fn what(event: &Event) -> String {
    match &event.body {
        Body::Message { text, .. } => {
            let message = Message::read(text.bytes().into(), &Limits::default());
            message.method().map_or_else(|| "an answer".to_owned(), |method| cut(&escape(method), 40))
        }
        Body::HttpRequest { method, .. } => escape(method),
        Body::StreamClosed { .. } => "the end of its input".to_owned(),
        _ => String::new(),
    }
}

/// For programs.
#[must_use]
pub fn json(checked: &Checked) -> Value {
    let row = |(action, came): &(String, Came)| {
        let mut row = Map::new();
        row.insert("action".into(), action.clone().into());
        let (word, more) = match came {
            Came::Supported(Shown::Wire(event)) => {
                ("supported", ("event", serde_json::to_value(event).unwrap_or_default()))
            }
            Came::Supported(Shown::Driver(said)) => ("supported", ("said", said.clone().into())),
            Came::Unsupported(why) => ("unsupported", ("why", why.clone().into())),
            Came::Failed(why) => ("failing", ("why", why.clone().into())),
            Came::Wrong(what) => ("wrong", ("why", what.clone().into())),
            Came::NotReached(why) => ("not reached", ("why", why.clone().into())),
        };
        row.insert("came".into(), word.into());
        row.insert(more.0.into(), more.1);
        Value::Object(row)
    };
    let part = |part: &Part| {
        let mut value = json!({ "transport": part.transport.as_str(), "hello": part.hello });
        value["rows"] = part.rows.iter().map(row).collect();
        if let Some((what, stderr)) = &part.trouble {
            value["trouble"] = json!({ "what": what, "stderr": stderr });
        }
        value
    };
    json!({
        "format": FORMAT,
        "driver": checked.name,
        "transports": checked.parts.iter().map(part).collect::<Vec<_>>(),
        "interrupted": checked.interrupted,
        "exit": exit_code(checked),
    })
}

/// As a table for a page: the same from run to run, as long as the driver is.
#[must_use]
pub fn markdown(checked: &Checked) -> String {
    let hello = checked.parts.iter().find_map(|part| part.hello.as_ref());
    let mut out = hello.map_or(String::new(), |hello| format!("{}:\n\n", sdk(hello)));
    let heads: Vec<&str> = checked.parts.iter().map(|part| part.transport.as_str()).collect();
    out += &format!("| Action | {} |\n|---|{}\n", heads.join(" | "), "---|".repeat(heads.len()));
    for row in checked.rows() {
        let mut before: Option<String> = None;
        out += &format!("| {row} |");
        for part in &checked.parts {
            let cell = cell(part.came(row));
            let shown = if before.as_ref() == Some(&cell) { "the same" } else { &cell };
            out += &format!(" {shown} |");
            before = Some(cell);
        }
        out.push('\n');
    }
    out
}

fn cell(came: Option<&Came>) -> String {
    let quoted = |text: &str| format!("`{}`", cut(&escape(text), CELL).replace('`', "'").replace('|', "\\|"));
    let plain = |text: &str| {
        let text = cut(&escape(text), CELL).replace('|', "\\|").replace('<', "&lt;");
        text
    };
    match came {
        Some(Came::Supported(Shown::Wire(event))) => match &event.body {
            Body::Message { text, .. } => {
                let message = Message::read(text.bytes().into(), &Limits::default());
                format!("yes: {}", quoted(&masked(message.value()).to_string()))
            }
            _ => format!("yes: {}", what(event)),
        },
        Some(Came::Supported(Shown::Driver(said))) => format!("yes: {}", quoted(said)),
        Some(Came::Unsupported(why)) => format!("**no**: {}", plain(why)),
        Some(Came::Failed(why)) => format!("**fails**: {}", plain(why)),
        Some(Came::Wrong(why)) => format!("**wrong**: {}", plain(why)),
        Some(Came::NotReached(why)) => format!("not tried: {}", plain(why)),
        None => "not tried".to_owned(),
    }
}

/// A message without what is new in every run.
fn masked(value: &Value) -> Value {
    const NEW: [&str; 6] = ["taskId", "cursor", "progressToken", "requestId", "createdAt", "lastUpdatedAt"];
    match value {
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| match name.as_str() {
                "jsonrpc" | "id" => None,
                name if NEW.contains(&name) => Some((name.to_owned(), json!(".."))),
                name => Some((name.to_owned(), masked(value))),
            };
            Value::Object(members.iter().filter_map(member).collect())
        }
        Value::Array(entries) => entries.iter().map(masked).collect(),
        other => other.clone(),
    }
}

/// Puts a table into a page, between the two lines that name the driver.
///
/// # Errors
/// When the lines are not there.
pub fn splice(page: &str, name: &str, table: &str) -> Result<String, String> {
    let (begin, end) = (format!("<!-- driver check: {name} -->\n"), format!("<!-- end of driver check: {name} -->\n"));
    let wanted = || format!("it has no place for the table; add the two lines\n{begin}{end}");
    let (before, rest) = page.split_once(&begin).ok_or_else(wanted)?;
    let (_, after) = rest.split_once(&end).ok_or_else(wanted)?;
    Ok(format!("{before}{begin}{}\n\n{end}{after}", format_args!("\n{}", table.trim_end())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::trace::Transport;
    use crate::trace::event::{StreamId, Text};
    use crate::wire::Party;

    fn checked(rows: Vec<(&str, Came)>) -> Checked {
        let rows = rows.into_iter().map(|(row, came)| (row.to_owned(), came)).collect();
        let hello = Some(json!({ "version": 1, "sdk": { "name": "sdk", "version": "2" } }));
        let part = Part { transport: Transport::Stdio, hello, rows, trouble: None };
        Checked { name: "mine".into(), parts: vec![part], interrupted: false }
    }

    fn shown() -> Came {
        let text =
            json!({ "jsonrpc": "2.0", "id": 3, "method": "tasks/get", "params": { "taskId": "7f" } }).to_string();
        let body = Body::Message {
            stream: StreamId(0),
            from: Party::Client,
            text: Text::Plain(text),
            event_id: None,
            step: None,
            breaks: Vec::new(),
            cut_from: None,
        };
        Came::Supported(Shown::Wire(Box::new(Event { seq: 5, at: 9, body })))
    }

    #[test]
    fn a_driver_is_well_only_when_nothing_is_wrong_and_something_is_shown() {
        let hello = Came::Supported(Shown::Driver("{}".into()));
        assert_eq!(exit_code(&checked(vec![("hello", hello.clone())])), 3);
        assert_eq!(exit_code(&checked(vec![("a", shown()), ("b", Came::Unsupported("no".into()))])), 0);
        assert_eq!(exit_code(&checked(vec![("a", shown()), ("b", Came::Wrong("no".into()))])), 1);
        let cut = Checked { interrupted: true, ..checked(vec![("a", shown())]) };
        assert_eq!(exit_code(&cut), 4);
        let mut none = checked(Vec::new());
        none.parts[0].trouble = Some(("there is no program".into(), None));
        assert_eq!(exit_code(&none), 4);
        assert!(terminal(&none).contains("there is no program"));
    }

    #[test]
    fn every_supported_cell_shows_its_event() {
        let all = checked(vec![("get task", shown()), ("cancel", Came::Unsupported("no | call".into()))]);
        let text = terminal(&all);
        assert!(text.contains("get task  yes  #5 tasks/get"), "{text}");
        assert!(text.contains("unsupported\n  cancel: no | call"), "{text}");
        let table = markdown(&all);
        assert!(table.contains(r#"| get task | yes: `{"method":"tasks/get","params":{"taskId":".."}}` |"#), "{table}");
        assert!(table.contains(r"| cancel | **no**: no \| call |"), "{table}");
        assert_eq!(json(&all)["transports"][0]["rows"][0]["event"]["seq"], 5);
    }

    #[test]
    fn a_table_takes_the_place_of_the_one_before() {
        let page = "a\n<!-- driver check: mine -->\nold\n<!-- end of driver check: mine -->\nb\n";
        let once = splice(page, "mine", "| new |\n").unwrap();
        assert_eq!(once, "a\n<!-- driver check: mine -->\n\n| new |\n\n<!-- end of driver check: mine -->\nb\n");
        assert_eq!(splice(&once, "mine", "| new |\n").unwrap(), once);
        assert!(splice(page, "yours", "x").unwrap_err().contains("driver check: yours"));
    }
}
