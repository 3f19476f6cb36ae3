//! The application above the client, as data: what it does, and how it answers when it is asked.

use super::super::rpc::{self, Outcome};
use crate::spec::methods::declared;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// What an application does, one thing after the other, and how it answers meanwhile.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Application {
    /// What it does. When all is done the client disconnects; without any action it stays.
    pub actions: Vec<AppAction>,
    /// How it answers.
    pub answers: Answers,
    /// It is told what to do as it goes along (see [`Told`]): it stays until it is told to leave, and tells what happens.
    pub driven: bool,
}

/// The label under which an application that is driven sees what came of the handshake.
pub const CONNECTED: &str = "";

/// What an application that is driven can be told.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// Do this next.
    Act(AppAction),
    /// Answer so from now on.
    Answer(Answers),
    /// Cancel what was to be seen under that label.
    Cancel(String),
    /// Disconnect.
    Leave,
}

/// One thing that an application does.
#[derive(Debug, Clone, PartialEq)]
pub struct AppAction {
    /// What.
    pub what: What,
    /// The label under which the application sees what came of it.
    pub sees: Option<String>,
    /// Only once the step with this label has happened (see [`super::super::Engine::happened`]).
    pub once: Option<String>,
    /// The kind of notification it collects meanwhile, such as `progress` (`notifications/progress`); with what it sees.
    pub collects: Option<String>,
    /// After so long it is given up, progress or not.
    pub gives_up: Option<Duration>,
}

impl AppAction {
    /// Does this, and sees what came of it under that label.
    #[must_use]
    pub fn seen(what: What, label: &str) -> AppAction {
        AppAction { what, sees: Some(label.into()), once: None, collects: None, gives_up: None }
    }
}

/// What an application can do.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// Calls a tool, and waits for its answer.
    CallTool {
        /// The label of the call.
        label: String,
        /// The tool.
        name: String,
        /// Its arguments; without them the member is left out.
        arguments: Option<Value>,
        /// A token for progress: a string or an integer.
        progress_token: Option<Value>,
    },
    /// Calls a tool as a task, and sees it through to its result.
    CallToolAsTask {
        /// The label of the call.
        label: String,
        /// The tool.
        name: String,
        /// Its arguments; without them the member is left out.
        arguments: Option<Value>,
        /// The wish for a ttl, in milliseconds.
        ttl: Option<u64>,
        /// A token for progress: a string or an integer.
        progress_token: Option<Value>,
    },
    /// Gets one page of a list.
    List {
        /// The label of the request.
        label: String,
        /// `tools/list`, `resources/list`, `resources/templates/list`, `prompts/list` or `tasks/list`.
        method: String,
    },
    /// Walks a list to its end; sees all members together.
    ListEverything {
        /// As above.
        method: String,
    },
    /// Sends any request, and sees its answer.
    Request {
        /// Its method.
        method: String,
        /// Its parameters.
        params: Option<Value>,
    },
    /// Has other roots from now on, and lets the server know if the client declared that it does.
    ChangeRoots {
        /// The roots.
        roots: Value,
    },
}

impl What {
    /// The label of the step it stands for, if it has one.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        match self {
            What::CallTool { label, .. } | What::CallToolAsTask { label, .. } | What::List { label, .. } => Some(label),
            What::ListEverything { .. } | What::Request { .. } | What::ChangeRoots { .. } => None,
        }
    }

    /// The token for progress that it gives.
    pub(super) fn token(&self) -> Option<&Value> {
        match self {
            What::CallTool { progress_token, .. } | What::CallToolAsTask { progress_token, .. } => {
                progress_token.as_ref()
            }
            What::Request { params, .. } => params.as_ref()?.pointer("/_meta/progressToken"),
            What::List { .. } | What::ListEverything { .. } | What::ChangeRoots { .. } => None,
        }
    }

    /// Its first request.
    pub(super) fn request(&self) -> (&str, Option<Value>) {
        match self {
            What::CallTool { name, arguments, progress_token, .. } => {
                ("tools/call", Some(call(name, arguments, progress_token)))
            }
            What::CallToolAsTask { name, arguments, ttl, progress_token, .. } => {
                let mut params = call(name, arguments, progress_token);
                params["task"] = match ttl {
                    Some(ttl) => json!({ "ttl": ttl }),
                    None => json!({}),
                };
                ("tools/call", Some(params))
            }
            What::List { method, .. } | What::ListEverything { method } => (method, None),
            What::Request { method, params } => (method, params.clone()),
            What::ChangeRoots { .. } => ("roots/list", None),
        }
    }
}

fn call(name: &str, arguments: &Option<Value>, progress_token: &Option<Value>) -> Value {
    let mut params = json!({ "name": name });
    if let Some(arguments) = arguments {
        params["arguments"] = arguments.clone();
    }
    if let Some(token) = progress_token {
        params["_meta"] = json!({ "progressToken": token });
    }
    params
}

/// How an application answers what the server asks.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    /// To `elicitation/create`. The first answers the first question, and so on; the last answers all further ones. Without
    /// any, every form is accepted as it comes filled.
    pub elicitation: Vec<ToElicitation>,
    /// To `sampling/createMessage`: a `CreateMessageResult`, or `{"error": ..}`.
    pub sampling: Value,
    /// To `roots/list`: the roots.
    pub roots: Value,
    /// How long it takes to answer.
    pub after: Duration,
}

impl Default for Answers {
    fn default() -> Self {
        Answers {
            elicitation: Vec::new(),
            sampling: json!({
                "role": "assistant",
                "content": { "type": "text", "text": "A model that is none says hello." },
                "model": "mcp-interop-reference-model",
                "stopReason": "endTurn",
            }),
            roots: json!([{ "uri": "file:///workspace", "name": "workspace" }]),
            after: Duration::ZERO,
        }
    }
}

/// An answer to a form.
#[derive(Debug, Clone, PartialEq)]
pub enum ToElicitation {
    /// Accepted with this content; what the content lacks of the form is filled in, if it has a default.
    Accept(Value),
    /// Accepted as it is filled by its defaults, and by the first value that fits where it has none.
    AcceptFilled,
    /// Refused.
    Decline,
    /// Dismissed.
    Cancel,
}

impl Answers {
    /// How the how-manieth question is answered.
    pub(super) fn to_elicitation(&self, index: usize, params: &Value) -> Outcome {
        let answer = self.elicitation.get(index).or(self.elicitation.last()).unwrap_or(&ToElicitation::AcceptFilled);
        let schema = params.get("requestedSchema").unwrap_or(&Value::Null);
        Outcome::Result(match answer {
            ToElicitation::Accept(content) => {
                let mut content = content.clone();
                if let Value::Object(members) = &mut content {
                    for (name, property) in properties(schema) {
                        if let Some(default) = property.get("default") {
                            members.entry(name.clone()).or_insert_with(|| default.clone());
                        }
                    }
                }
                json!({ "action": "accept", "content": content })
            }
            ToElicitation::AcceptFilled => {
                let filled = properties(schema).map(|(name, property)| (name.clone(), fill(property)));
                json!({ "action": "accept", "content": filled.collect::<Map<String, Value>>() })
            }
            ToElicitation::Decline => json!({ "action": "decline" }),
            ToElicitation::Cancel => json!({ "action": "cancel" }),
        })
    }

    /// How sampling is answered.
    pub(super) fn to_sampling(&self) -> Outcome {
        match self.sampling.get("error") {
            Some(error) => Outcome::Error(error.clone()),
            None => Outcome::Result(self.sampling.clone()),
        }
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

/// A value that fits a property of a form: its default, or the first that fits.
fn fill(property: &Value) -> Value {
    if let Some(default) = property.get("default") {
        return default.clone();
    }
    let first = |choices: Option<&Value>| {
        let choice = choices?.as_array()?.first()?;
        Some(choice.get("const").unwrap_or(choice).clone())
    };
    let choice = first(property.get("enum")).or_else(|| first(property.get("oneOf")));
    match property.get("type").and_then(Value::as_str) {
        _ if choice.is_some() => choice.unwrap_or(Value::Null),
        Some("boolean") => json!(true),
        Some("integer" | "number") => {
            let bound = |name| property.get(name).filter(|bound| bound.is_number());
            let whole =
                bound("minimum").or(bound("maximum").filter(|most| most.as_f64().is_some_and(|most| most < 1.0)));
            whole.cloned().unwrap_or(json!(1))
        }
        Some("array") => {
            let items = property.get("items").unwrap_or(&Value::Null);
            let choices = items.get("enum").or(items.get("anyOf"));
            let wanted = property.get("minItems").and_then(Value::as_u64).unwrap_or(1).max(1);
            let choices = choices.and_then(Value::as_array).into_iter().flatten();
            let chosen = choices.take(usize::try_from(wanted).unwrap_or(usize::MAX));
            chosen.map(|choice| choice.get("const").unwrap_or(choice).clone()).collect()
        }
        _ => json!(text(property)),
    }
}

/// A text of the format and length that a property asks for (at most 4096 characters).
fn text(property: &Value) -> String {
    let bound = |name| property.get(name).and_then(Value::as_u64).map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    let mut text = match property.get("format").and_then(Value::as_str) {
        Some("email") => return "test@example.com".into(),
        Some("uri") => return "https://example.com/".into(),
        Some("date") => return "2025-11-25".into(),
        Some("date-time") => return "2025-11-25T10:30:00Z".into(),
        _ => String::from("testuser"),
    };
    let least = bound("minLength").unwrap_or(0).min(4_096);
    while text.len() < least {
        text.push('x');
    }
    text.truncate(bound("maxLength").unwrap_or(usize::MAX));
    text
}

/// Refuses what an `elicitation/create` or `sampling/createMessage` must not ask of a client with these capabilities.
///
/// # Errors
/// How to answer.
pub(super) fn check(method: &str, params: &Value, capabilities: &Value) -> Result<(), Outcome> {
    let invalid = |what: &str| Err(Outcome::error(rpc::INVALID_PARAMS, what));
    if method == "elicitation/create" {
        if !params.get("message").is_some_and(Value::is_string) {
            return invalid("`message` is missing or no string");
        }
        let declared = capabilities.get("elicitation").unwrap_or(&Value::Null);
        return match params.get("mode").map_or(Some("form"), Value::as_str) {
            // an empty object means forms only
            Some("form") if declared.get("url").is_some() && declared.get("form").is_none() => {
                invalid("this client shows no forms")
            }
            Some("form") if !params.get("requestedSchema").is_some_and(Value::is_object) => {
                invalid("`requestedSchema` is missing or no object")
            }
            Some("form") => Ok(()),
            Some("url") if declared.get("url").is_some() => Ok(()),
            Some("url") => invalid("this client opens no URLs"),
            _ => invalid("`mode` is neither `form` nor `url`"),
        };
    }
    if !params.get("messages").is_some_and(Value::is_array) || !params.get("maxTokens").is_some_and(Value::is_number) {
        return invalid("`messages` or `maxTokens` is missing");
    }
    let messages = params.get("messages").and_then(Value::as_array).into_iter().flatten();
    if !messages.filter_map(|message| message.get("content")).all(is_content) {
        return invalid("a message has content that lacks what its type needs");
    }
    if let Some(why) = results_amiss(params) {
        return invalid(why);
    }
    let tools = params.get("tools").is_some() || params.get("toolChoice").is_some();
    if tools && !declared(capabilities, "sampling.tools") {
        return invalid("this client did not declare `sampling.tools`");
    }
    Ok(())
}

/// What is wrong with the results of tools among the messages: each use of a tool has its result in the message of the user
/// that follows, and that message holds nothing else.
fn results_amiss(params: &Value) -> Option<&'static str> {
    let messages = params.get("messages").and_then(Value::as_array)?;
    let blocks = |message: &Value| match message.get("content") {
        Some(Value::Array(blocks)) => blocks.clone(),
        Some(block) => vec![block.clone()],
        None => Vec::new(),
    };
    let of = |blocks: &[Value], kind: &str, id: &str| -> BTreeSet<String> {
        let found = blocks.iter().filter(|block| block.get("type").is_some_and(|t| t == kind));
        found.filter_map(|block| block.get(id)?.as_str().map(str::to_owned)).collect()
    };
    let mut open: BTreeSet<String> = BTreeSet::new();
    for message in messages {
        let blocks = blocks(message);
        let results = of(&blocks, "tool_result", "toolUseId");
        if !results.is_empty() && blocks.len() != results.len() {
            return Some("a message with the results of tools holds something else too");
        }
        if results != open {
            return Some("the results of tools are not those of the uses before them");
        }
        open = of(&blocks, "tool_use", "id");
    }
    (!open.is_empty()).then_some("a use of a tool has no result")
}

/// Has each block what its type needs?
fn is_content(content: &Value) -> bool {
    let blocks = match content {
        Value::Array(blocks) => blocks.as_slice(),
        block => std::slice::from_ref(block),
    };
    blocks.iter().all(|block| {
        let text = |name: &str| block.get(name).is_some_and(Value::is_string);
        match block.get("type").and_then(Value::as_str) {
            Some("text") => text("text"),
            Some("image" | "audio") => text("data") && text("mimeType"),
            kind => kind.is_some(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_filled_with_what_fits() {
        let schema = json!({ "type": "object", "properties": {
            "a": { "type": "string", "default": "John Doe" },
            "b": { "type": "number", "default": 95.5 },
            "c": { "type": "boolean" },
            "d": { "type": "integer", "minimum": 3, "maximum": 5 },
            "e": { "type": "integer", "maximum": -2 },
            "f": { "type": "string", "enum": ["x", "y"] },
            "g": { "type": "string", "oneOf": [{ "const": "v", "title": "V" }] },
            "h": { "type": "array", "minItems": 2, "items": { "type": "string", "enum": ["1", "2", "3"] } },
            "i": { "type": "array", "items": { "anyOf": [{ "const": "w", "title": "W" }] } },
            "j": { "type": "string", "format": "email" },
            "k": { "type": "string", "minLength": 10 },
            "l": { "type": "string", "maxLength": 4 },
        } });
        let filled = Answers::default().to_elicitation(0, &json!({ "requestedSchema": schema }));
        let content = json!({
            "a": "John Doe", "b": 95.5, "c": true, "d": 3, "e": -2, "f": "x", "g": "v", "h": ["1", "2"], "i": ["w"],
            "j": "test@example.com", "k": "testuserxx", "l": "test",
        });
        assert_eq!(filled, Outcome::Result(json!({ "action": "accept", "content": content })));
    }

    #[test]
    fn given_content_is_completed_by_defaults_and_the_last_answer_stays() {
        let answers = Answers {
            elicitation: vec![ToElicitation::Decline, ToElicitation::Accept(json!({ "confirm": false }))],
            ..Answers::default()
        };
        let properties = json!({ "confirm": { "type": "boolean" }, "age": { "type": "integer", "default": 30 } });
        let params = json!({ "requestedSchema": { "type": "object", "properties": properties } });
        assert_eq!(answers.to_elicitation(0, &params), Outcome::Result(json!({ "action": "decline" })));
        for index in [1, 2, 9] {
            let accepted = json!({ "action": "accept", "content": { "confirm": false, "age": 30 } });
            assert_eq!(answers.to_elicitation(index, &params), Outcome::Result(accepted));
        }
    }
}
