//! The tools of the fixture contract, and tools from data.

use super::super::receiver::{Peer, Receiver};
use super::super::rpc::Outcome;
use super::super::work::{Ask, Plan, Step, error_result, text_result};
use super::{content, task_tools};
use crate::spec::Revision;
use crate::spec::methods::declared;
use serde_json::{Map, Value, json};

/// Can a tool be called as a task? (`execution.taskSupport`)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TaskSupport {
    /// It cannot.
    #[default]
    Forbidden,
    /// Either way.
    Optional,
    /// Only so.
    Required,
}

impl TaskSupport {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            TaskSupport::Forbidden => "forbidden",
            TaskSupport::Optional => "optional",
            TaskSupport::Required => "required",
        }
    }
}

/// A tool from data: it asks, in this order, and then answers; the answer does not depend on what it was told.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ToolScript {
    /// Can it be called as a task?
    pub task_support: TaskSupport,
    /// The schema of its arguments.
    pub input_schema: Value,
    /// What it asks of its caller, one after the other.
    pub asks: Vec<ScriptedAsk>,
    /// A `CallToolResult`, or `{"error": {"code": .., "message": ..}}` for a JSON-RPC error.
    pub answer: Value,
}

/// One request of a [`ToolScript`].
#[derive(Debug, Clone, PartialEq)]
pub struct ScriptedAsk {
    /// Its method.
    pub method: String,
    /// Its params.
    pub params: Value,
}

/// What a tool knows of the call.
pub(super) struct Call<'a> {
    pub(super) arguments: &'a Value,
    pub(super) peer: &'a Peer,
    pub(super) receiver: &'a Receiver,
}

impl Call<'_> {
    pub(super) fn text(&self, name: &str) -> Result<String, Plan> {
        match self.arguments.get(name).and_then(Value::as_str) {
            Some(text) => Ok(text.to_owned()),
            None => Err(Plan::unable(&format!("the argument `{name}` is missing or no string"))),
        }
    }

    pub(super) fn count(&self, name: &str, most: u64) -> Result<u64, Plan> {
        match self.arguments.get(name).and_then(Value::as_u64).filter(|count| *count <= most) {
            Some(count) => Ok(count),
            None => Err(Plan::unable(&format!("the argument `{name}` is missing or no integer from 0 to {most}"))),
        }
    }

    /// Can the other party carry this method out as a task?
    pub(super) fn takes_tasks(&self, leaf: &str) -> bool {
        declared(&self.peer.capabilities, leaf)
    }
}

type Begin = Box<dyn Fn(&Call<'_>) -> Result<Plan, Plan> + Send>;

/// One tool.
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) task_support: TaskSupport,
    pub(super) since: Revision,
    /// Its results hold resources: a server without these does not have it.
    pub(super) gives_resources: bool,
    description: String,
    input_schema: Value,
    begin: Begin,
}

impl Tool {
    pub(super) fn new(
        name: &str,
        description: &str,
        input_schema: Value,
        begin: impl Fn(&Call<'_>) -> Result<Plan, Plan> + Send + 'static,
    ) -> Tool {
        Tool {
            name: name.into(),
            task_support: TaskSupport::Forbidden,
            since: Revision::V2024_11_05,
            gives_resources: false,
            description: description.into(),
            input_schema,
            begin: Box::new(begin),
        }
    }

    fn giving_resources(self) -> Tool {
        Tool { gives_resources: true, ..self }
    }

    pub(super) fn since(self, since: Revision) -> Tool {
        Tool { since, ..self }
    }

    pub(super) fn task(self, task_support: TaskSupport) -> Tool {
        Tool { task_support, since: Revision::V2025_11_25, ..self }
    }

    /// A tool from data.
    pub(super) fn scripted(name: &str, script: ToolScript) -> Tool {
        let task_support = script.task_support;
        let schema = script.input_schema.clone();
        let tool = Tool::new(name, "Asks what it was told to ask, and answers what it was told.", schema, move |_| {
            let answer = match script.answer.get("error") {
                Some(error) if script.answer.get("content").is_none() => Outcome::Error(error.clone()),
                _ => Outcome::Result(script.answer.clone()),
            };
            let ask = |ask: &ScriptedAsk| Step::Ask(vec![Ask::new(&ask.method, ask.params.clone())]);
            Ok(script.asks.iter().fold(Plan::end(answer), |plan, asked| plan.after(ask(asked))))
        });
        Tool { task_support, ..tool }
    }

    /// As `tools/list` shows it in that revision.
    pub(super) fn listing(&self, revision: Revision) -> Value {
        let mut shown = json!({
            "name": self.name,
            "description": self.description,
            "inputSchema": self.input_schema,
        });
        if revision >= Revision::V2025_11_25 && self.task_support != TaskSupport::Forbidden {
            shown["execution"] = json!({ "taskSupport": self.task_support.as_str() });
        }
        shown
    }

    /// What it does for this call.
    pub(super) fn plan(&self, call: &Call<'_>) -> Plan {
        (self.begin)(call).unwrap_or_else(|unable| unable)
    }
}

pub(super) fn no_arguments() -> Value {
    json!({ "type": "object", "properties": {} })
}

pub(super) fn arguments(properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().map(|all| all.keys().collect()).unwrap_or_default();
    json!({ "type": "object", "properties": properties, "required": required })
}

fn content_result(content: Value) -> Outcome {
    Outcome::Result(json!({ "content": content }))
}

/// A form with these properties.
fn form(message: &str, properties: Value, required: &[&str]) -> Ask {
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    Ask::new("elicitation/create", json!({ "message": message, "requestedSchema": schema }))
}

pub(super) fn confirmation(message: &str) -> Ask {
    form(message, json!({ "confirm": { "type": "boolean" } }), &["confirm"])
}

pub(super) fn sampling(prompt: &str) -> Ask {
    let messages = json!([{ "role": "user", "content": { "type": "text", "text": prompt } }]);
    Ask::new("sampling/createMessage", json!({ "messages": messages, "maxTokens": 100 }))
}

/// Passes the result of the one question on, or says as a tool error why there is none.
pub(super) fn by_result(answers: &[Outcome], then: impl FnOnce(&Value) -> Outcome) -> Outcome {
    match answers.first() {
        Some(Outcome::Result(result)) => then(result),
        Some(Outcome::Error(error)) => {
            let reason = error.get("message").and_then(Value::as_str).unwrap_or("for no reason it gave");
            error_result(&format!("the client did not answer: {reason}"))
        }
        None => error_result("nothing was asked"),
    }
}

pub(super) fn is_confirmed(result: &Value) -> bool {
    result.get("action").is_some_and(|action| action == "accept")
        && result.pointer("/content/confirm") == Some(&Value::Bool(true))
}

pub(super) fn sampled(result: &Value) -> Outcome {
    let text = match result.get("content") {
        Some(Value::Array(blocks)) => blocks.iter().find_map(|block| block.get("text")).and_then(Value::as_str),
        Some(block) => block.get("text").and_then(Value::as_str),
        None => None,
    };
    text_result(&format!("LLM response: {}", text.unwrap_or("(no text)")))
}

pub(super) fn told(result: &Value) -> Outcome {
    let action = result.get("action").and_then(Value::as_str).unwrap_or("nothing");
    let content = result.get("content").cloned().unwrap_or_else(|| Value::Object(Map::new()));
    text_result(&format!("User response: action={action}, content={content}"))
}

/// All tools of the contract, in the order in which they are listed.
pub(super) fn contract() -> Vec<Tool> {
    let mut tools = plain();
    tools.extend(asking());
    tools.extend(task_tools::contract());
    tools
}

fn plain() -> Vec<Tool> {
    vec![
        Tool::new("test_simple_text", "Returns one text.", no_arguments(), |_| {
            Ok(Plan::text("This is a simple text response for testing."))
        }),
        Tool::new("test_image_content", "Returns a PNG image.", no_arguments(), |_| {
            Ok(Plan::end(content_result(json!([content::image()]))))
        }),
        Tool::new("test_audio_content", "Returns a WAV sound.", no_arguments(), |_| {
            Ok(Plan::end(content_result(json!([content::audio()]))))
        })
        .since(Revision::V2025_03_26),
        Tool::new("test_embedded_resource", "Returns an embedded resource.", no_arguments(), |_| {
            let text = "This is an embedded resource content.";
            let resource = content::embedded("test://embedded-resource", "text/plain", text);
            Ok(Plan::end(content_result(json!([resource]))))
        })
        .giving_resources(),
        Tool::new("test_multiple_content_types", "Returns a text, an image and a resource.", no_arguments(), |_| {
            let text = json!({ "type": "text", "text": "Multiple content types test:" });
            let data = json!({ "test": "data", "value": 123 }).to_string();
            let resource = content::embedded("test://mixed-content-resource", "application/json", &data);
            Ok(Plan::end(content_result(json!([text, content::image(), resource]))))
        })
        .giving_resources(),
        Tool::new("test_tool_with_logging", "Logs three messages while it works.", no_arguments(), |_| {
            let log = |text: &str| Step::Log { level: "info", data: json!(text) };
            Ok(Plan::text("Tool with logging executed successfully")
                .after(log("Tool execution started"))
                .after_ms(50)
                .after(log("Tool processing data"))
                .after_ms(50)
                .after(log("Tool execution completed")))
        }),
        Tool::new(
            "test_tool_with_progress",
            "Reports progress to who wants it.",
            no_arguments(),
            |_| Ok(progressing()),
        ),
        Tool::new("test_error_handling", "Always reports an error.", no_arguments(), |_| {
            Ok(Plan::unable("This tool intentionally returns an error for testing"))
        }),
        Tool::new(
            "json_schema_2020_12_tool",
            "Has an input schema that uses much of JSON Schema 2020-12.",
            content::schema_2020_12(),
            |call| Ok(Plan::text(&format!("JSON Schema 2020-12 tool called with: {}", call.arguments))),
        ),
        Tool::new(
            "test_reconnection",
            "Closes its connection before it answers (Streamable HTTP).",
            no_arguments(),
            |_| Ok(Plan::text("Reconnection test completed successfully").after(Step::CloseStream).after_ms(100)),
        ),
    ]
}

fn progressing() -> Plan {
    let progress = |progress| Step::Progress { progress, total: 100 };
    Plan::text("Tool with progress executed successfully")
        .after(progress(0))
        .after_ms(50)
        .after(progress(50))
        .after_ms(50)
        .after(progress(100))
}

fn asking() -> Vec<Tool> {
    vec![
        Tool::new(
            "test_sampling",
            "Has the client's model answer a prompt.",
            arguments(json!({ "prompt": { "type": "string" } })),
            |call| Ok(Plan::ask(vec![sampling(&call.text("prompt")?)], |answers| by_result(answers, sampled))),
        ),
        Tool::new(
            "test_elicitation",
            "Asks the user for a name and an address.",
            arguments(json!({ "message": { "type": "string" } })),
            |call| {
                let properties = json!({
                    "username": { "type": "string", "description": "User's response" },
                    "email": { "type": "string", "format": "email", "description": "User's email address" },
                });
                let ask = form(&call.text("message")?, properties, &["username", "email"]);
                Ok(Plan::ask(vec![ask], |answers| by_result(answers, told)))
            },
        )
        .since(Revision::V2025_06_18),
        Tool::new("test_elicitation_sep1034_defaults", "Asks with a default for every type.", no_arguments(), |_| {
            let ask = form("Please review and update the form fields with defaults", content::defaults_form(), &[]);
            Ok(Plan::ask(vec![ask], |answers| by_result(answers, told)))
        })
        .since(Revision::V2025_11_25),
        Tool::new("test_elicitation_sep1330_enums", "Asks with every form of choice.", no_arguments(), |_| {
            let ask = form("Please select options from the enum fields", content::enums_form(), &[]);
            Ok(Plan::ask(vec![ask], |answers| by_result(answers, told)))
        })
        .since(Revision::V2025_11_25),
    ]
}
