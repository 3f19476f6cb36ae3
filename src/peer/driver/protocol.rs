//! What goes over between the harness and a driver: orders to it, reports from it. See `docs/peers.md` and
//! `schemas/driver.schema.json`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The version of the protocol.
pub const VERSION: u64 = 1;

/// One thing for a driver to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Under which its answer comes; new for each.
    pub id: u64,
    /// The client that does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// What.
    #[serde(flatten)]
    pub action: Action,
}

/// Where a client is to connect to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// Streamable HTTP.
    Url(String),
    /// A program to start and speak to over stdio: its name and arguments.
    Command(Vec<String>),
}

/// What can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Listed {
    /// `tools/list`
    Tools,
    /// `resources/list`
    Resources,
    /// `resources/templates/list`
    #[serde(rename = "resource templates")]
    ResourceTemplates,
    /// `prompts/list`
    Prompts,
    /// `tasks/list`
    Tasks,
}

impl Listed {
    /// All of them, with the method that asks for each.
    pub const ALL: [(Listed, &'static str); 5] = [
        (Listed::Tools, "tools/list"),
        (Listed::Resources, "resources/list"),
        (Listed::ResourceTemplates, "resources/templates/list"),
        (Listed::Prompts, "prompts/list"),
        (Listed::Tasks, "tasks/list"),
    ];

    /// The method that asks for it.
    #[must_use]
    pub fn method(self) -> &'static str {
        Self::ALL.iter().find(|(listed, _)| *listed == self).map_or("", |(_, method)| method)
    }

    /// What that method asks for.
    #[must_use]
    pub fn by(method: &str) -> Option<Listed> {
        Self::ALL.iter().find(|(_, asks)| *asks == method).map(|(listed, _)| *listed)
    }
}

/// How an application answers what the server asks.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Answers {
    /// To `elicitation/create`: the first answers the first question, and so on; the last all further ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elicitation: Vec<Value>,
    /// To `sampling/createMessage`: a result, or `{"error": ..}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Value>,
    /// To `roots/list`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roots: Option<Value>,
    /// How long it thinks, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
}

/// What a driver can be told to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub enum Action {
    /// Say which version of the protocol it speaks, and for which SDK.
    Hello {
        /// The versions that the harness speaks.
        versions: Vec<u64>,
    },
    /// Make a new client and connect.
    Connect {
        /// Where to.
        to: Target,
        /// The revision to offer, if it can be chosen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revision: Option<String>,
        /// What to declare.
        capabilities: Value,
        /// How its application answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answers: Option<Answers>,
    },
    /// Leave.
    Close,
    /// Answer otherwise from now on.
    Answers {
        /// How.
        answers: Answers,
    },
    /// Ask for one page of a list.
    List {
        /// Which.
        what: Listed,
        /// The page.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Option<String>,
    },
    /// Ask for a whole list.
    #[serde(rename = "list everything")]
    ListEverything {
        /// Which.
        what: Listed,
    },
    /// Call a tool.
    #[serde(rename = "call tool")]
    CallTool {
        /// Which.
        name: String,
        /// Its arguments.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        arguments: Option<Value>,
        /// Ask for progress.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        progress: bool,
        /// Give it up after so many milliseconds, progress or not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout: Option<u64>,
    },
    /// Call a tool as a task and see it through.
    #[serde(rename = "call tool as task")]
    CallToolAsTask {
        /// Which.
        name: String,
        /// Its arguments.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        arguments: Option<Value>,
        /// The wish for a ttl, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ttl: Option<u64>,
        /// Ask for progress.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        progress: bool,
    },
    /// Ask how a task stands.
    #[serde(rename = "get task")]
    GetTask {
        /// Its id.
        task: String,
    },
    /// Cancel a task.
    #[serde(rename = "cancel task")]
    CancelTask {
        /// Its id.
        task: String,
    },
    /// Fetch the result of a task.
    #[serde(rename = "fetch result")]
    FetchResult {
        /// Its id.
        task: String,
    },
    /// Read a resource.
    Read {
        /// Which.
        uri: String,
    },
    /// Subscribe to a resource.
    Subscribe {
        /// Which.
        uri: String,
    },
    /// No longer.
    Unsubscribe {
        /// Which.
        uri: String,
    },
    /// Get a prompt.
    #[serde(rename = "get prompt")]
    GetPrompt {
        /// Which.
        name: String,
        /// Its arguments.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        arguments: Option<Value>,
    },
    /// Have an argument completed.
    Complete {
        /// Of what.
        #[serde(rename = "ref")]
        reference: Value,
        /// Its name and value so far.
        argument: Value,
        /// What was chosen before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        context: Option<Value>,
    },
    /// Set the level of logging.
    #[serde(rename = "set level")]
    SetLevel {
        /// Which.
        level: String,
    },
    /// Ping.
    Ping,
    /// Send any request.
    Request {
        /// Its method.
        method: String,
        /// Its parameters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        params: Option<Value>,
    },
    /// Have other roots from now on, and let the server know.
    #[serde(rename = "change roots")]
    ChangeRoots {
        /// All of them.
        roots: Value,
    },
    /// Cancel an open action.
    Cancel {
        /// Its id.
        action: u64,
    },
    /// What this version of the protocol does not have, by its name. A driver that is asked for it has to say so.
    #[serde(skip)]
    Other(String),
}

impl Action {
    /// In a few words, for the record.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Action::Hello { .. } => "say hello".to_owned(),
            Action::Connect { .. } => "connect".to_owned(),
            Action::Close => "close".to_owned(),
            Action::Answers { .. } => "answer otherwise".to_owned(),
            Action::List { what, .. } => format!("ask for {} once", what.method()),
            Action::ListEverything { what } => format!("walk {} to its end", what.method()),
            Action::CallTool { name, .. } => format!("call tool {name}"),
            Action::CallToolAsTask { name, .. } => format!("call tool {name} as a task"),
            Action::GetTask { task } => format!("ask how task {task} stands"),
            Action::CancelTask { task } => format!("cancel task {task}"),
            Action::FetchResult { task } => format!("fetch the result of task {task}"),
            Action::Read { uri } => format!("read {uri}"),
            Action::Subscribe { uri } => format!("subscribe to {uri}"),
            Action::Unsubscribe { uri } => format!("unsubscribe from {uri}"),
            Action::GetPrompt { name, .. } => format!("get prompt {name}"),
            Action::Complete { .. } => "complete an argument".to_owned(),
            Action::SetLevel { level } => format!("set the level to {level}"),
            Action::Ping => "ping".to_owned(),
            Action::Request { method, .. } => format!("request {method}"),
            Action::ChangeRoots { .. } => "change the roots".to_owned(),
            Action::Cancel { action } => format!("cancel action {action}"),
            Action::Other(todo) => todo.clone(),
        }
    }
}

impl Order {
    /// As a line, without its end.
    #[must_use]
    pub fn line(&self) -> String {
        match &self.action {
            Action::Other(todo) => json!({ "id": self.id, "client": self.client, "do": todo }).to_string(),
            _ => serde_json::to_string(self).unwrap_or_default(),
        }
    }

    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it, with the number under which to answer if it has one.
    pub fn read(line: &str) -> Result<Order, (Option<u64>, String)> {
        let value: Value = serde_json::from_str(line).map_err(|e| (None, format!("no JSON: {e}")))?;
        let id = value.get("id").and_then(Value::as_u64);
        serde_json::from_value(value).map_err(|e| (id, e.to_string()))
    }
}

/// What came of an action.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// What the API gave.
    Result(Value),
    /// An error that the server sent: code, message, data.
    Error(Value),
    /// Anything else that went wrong, in words.
    Failure(String),
    /// The SDK's public API cannot express it, and why.
    Unsupported(String),
}

impl Answer {
    /// As the application saw it (see [`crate::trace::Body::Saw`]).
    #[must_use]
    pub fn seen(&self) -> Value {
        match self {
            Answer::Result(result) => json!({ "result": result }),
            Answer::Error(error) => json!({ "error": error }),
            Answer::Failure(why) => json!({ "failure": why }),
            Answer::Unsupported(why) => json!({ "unsupported": why }),
        }
    }
}

/// One line of a driver.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// What came of an order.
    Answer {
        /// Of which.
        id: u64,
        /// What.
        answer: Answer,
    },
    /// Something happened by itself.
    Event {
        /// `asked`, `told`, `task` or `closed`.
        event: String,
        /// To which client.
        client: String,
        /// The other members.
        members: Map<String, Value>,
    },
    /// It is no line of the protocol: what is wrong with it.
    Garbled(String),
    /// The driver is gone, and how. Nothing comes after this.
    Gone(String),
}

impl Report {
    /// As a line, without its end; nothing for what is no line of the protocol.
    #[must_use]
    pub fn line(&self) -> Option<String> {
        let value = match self {
            Report::Answer { id, answer } => {
                let mut line = json!({ "id": id });
                if let (Value::Object(line), Value::Object(seen)) = (&mut line, answer.seen()) {
                    line.extend(seen);
                }
                line
            }
            Report::Event { event, client, members } => {
                let mut line = Map::new();
                line.insert("event".into(), event.clone().into());
                line.insert("client".into(), client.clone().into());
                line.extend(members.clone());
                Value::Object(line)
            }
            Report::Garbled(_) | Report::Gone(_) => return None,
        };
        Some(value.to_string())
    }

    /// Reads a line.
    #[must_use]
    pub fn read(line: &[u8]) -> Report {
        let shown = || String::from_utf8_lossy(line.get(..200).unwrap_or(line)).into_owned();
        let garbled = |why: &str| Report::Garbled(format!("{why}: {}", shown()));
        let Ok(value) = serde_json::from_slice(line) else { return garbled("a line that is no JSON") };
        let Value::Object(mut line) = value else { return garbled("a line that is no object") };
        if let Some(event) = line.shift_remove("event") {
            let (Some(event), Some(Value::String(client))) = (event.as_str(), line.shift_remove("client")) else {
                return garbled("an event without its name or its client");
            };
            if !["asked", "told", "task", "closed"].contains(&event) {
                return garbled("an event that the protocol does not have");
            }
            return Report::Event { event: event.to_owned(), client, members: line };
        }
        let Some(id) = line.shift_remove("id").as_ref().and_then(Value::as_u64) else {
            return garbled("a line with neither `id` nor `event`");
        };
        let mut members = line.into_iter();
        let answer = match (members.next(), members.next()) {
            (Some((name, value)), None) => match (name.as_str(), value) {
                ("result", value @ Value::Object(_)) => Answer::Result(value),
                ("error", value @ Value::Object(_)) => Answer::Error(value),
                ("failure", Value::String(why)) => Answer::Failure(why),
                ("unsupported", Value::String(why)) => Answer::Unsupported(why),
                _ => return garbled("an answer of none of the four kinds"),
            },
            _ => return garbled("an answer that does not have exactly one of result, error, failure, unsupported"),
        };
        Report::Answer { id, answer }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn schema() -> jsonschema::Validator {
        let schema: Value = serde_json::from_str(include_str!("../../../schemas/driver.schema.json")).unwrap();
        jsonschema::validator_for(&schema).unwrap()
    }

    fn orders() -> Vec<Order> {
        let to = Target::Url("http://127.0.0.1:1/mcp".into());
        let answers = Answers {
            elicitation: vec![json!({ "action": "accept", "content": { "a": 1 } }), json!({ "action": "decline" })],
            sampling: Some(json!({ "role": "assistant" })),
            roots: Some(json!([{ "uri": "file:///a" }])),
            after: Some(5),
        };
        let text = || "x".to_owned();
        let call = |progress| Action::CallTool { name: text(), arguments: Some(json!({})), progress, timeout: Some(5) };
        let actions = vec![
            Action::Connect { to, revision: None, capabilities: json!({}), answers: Some(answers.clone()) },
            Action::Connect {
                to: Target::Command(vec![text(), text()]),
                revision: Some("2025-11-25".into()),
                capabilities: json!({ "roots": {} }),
                answers: None,
            },
            Action::Close,
            Action::ChangeRoots { roots: json!([{ "uri": "file:///b" }]) },
            Action::Answers { answers },
            Action::List { what: Listed::ResourceTemplates, cursor: Some(text()) },
            Action::ListEverything { what: Listed::Tasks },
            call(true),
            call(false),
            Action::CallToolAsTask { name: text(), arguments: None, ttl: Some(60_000), progress: false },
            Action::GetTask { task: text() },
            Action::CancelTask { task: text() },
            Action::FetchResult { task: text() },
            Action::Read { uri: text() },
            Action::Subscribe { uri: text() },
            Action::Unsubscribe { uri: text() },
            Action::GetPrompt { name: text(), arguments: None },
            Action::Complete { reference: json!({}), argument: json!({}), context: None },
            Action::SetLevel { level: text() },
            Action::Ping,
            Action::Request { method: text(), params: Some(json!({})) },
            Action::Cancel { action: 3 },
        ];
        let hello = Order { id: 0, client: None, action: Action::Hello { versions: vec![VERSION] } };
        let order = |(id, action)| Order { id, client: Some("c".into()), action };
        std::iter::once(hello).chain((1..).zip(actions).map(order)).collect()
    }

    #[test]
    fn every_order_is_as_the_schema_says_and_is_read_as_it_was() {
        let schema = schema();
        for order in orders() {
            let line = order.line();
            let value: Value = serde_json::from_str(&line).unwrap();
            assert!(schema.is_valid(&value), "{line}");
            assert_eq!(Order::read(&line), Ok(order), "{line}");
        }
    }

    #[test]
    fn every_report_is_as_the_schema_says_and_is_read_as_it_was() {
        let schema = schema();
        let members = |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap();
        let event =
            |event: &str, more: &str| Report::Event { event: event.into(), client: "c".into(), members: members(more) };
        let answer = |answer| Report::Answer { id: 7, answer };
        for report in [
            answer(Answer::Result(json!({ "a": 1 }))),
            answer(Answer::Error(json!({ "code": -1, "message": "no", "data": null }))),
            answer(Answer::Failure("it broke".into())),
            answer(Answer::Unsupported("there is no such call".into())),
            event("asked", r#"{"method":"elicitation/create","params":{}}"#),
            event("told", r#"{"method":"notifications/progress"}"#),
            event("task", r#"{"task":{"taskId":"t"}}"#),
            event("closed", r#"{"why":"it ended"}"#),
        ] {
            let line = report.line().unwrap();
            assert!(schema.is_valid(&serde_json::from_str(&line).unwrap()), "{line}");
            assert_eq!(Report::read(line.as_bytes()), report, "{line}");
        }
    }

    #[test]
    fn what_is_no_line_of_the_protocol_is_said_to_be_none() {
        for line in [
            "",
            "hello",
            "[]",
            "{}",
            r#"{"id":"1","result":{}}"#,
            r#"{"id":1}"#,
            r#"{"id":1,"result":3}"#,
            r#"{"id":1,"result":{},"error":{}}"#,
            r#"{"event":"asked"}"#,
            r#"{"event":"made up","client":"c"}"#,
        ] {
            assert!(matches!(Report::read(line.as_bytes()), Report::Garbled(_)), "{line}");
        }
    }

    #[test]
    fn an_order_that_nobody_knows_is_refused_under_its_number() {
        let order = Order { id: 4, client: Some("c".into()), action: Action::Other("fly".into()) };
        assert_eq!(order.line(), r#"{"id":4,"client":"c","do":"fly"}"#);
        assert_eq!(Order::read(&order.line()).unwrap_err().0, Some(4));
        let (id, why) = Order::read(r#"{"id":4,"do":"fly","client":"c"}"#).unwrap_err();
        assert_eq!(id, Some(4));
        assert!(why.contains("fly"), "{why}");
        assert_eq!(Order::read("x").unwrap_err().0, None);
    }

    proptest! {
        #[test]
        fn no_line_does_any_harm(line in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Report::read(&line);
            let _ = Order::read(&String::from_utf8_lossy(&line));
        }
    }
}
