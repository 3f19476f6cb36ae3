//! Building JSON-RPC messages, and the `_meta` that ties a message to a task.

use crate::wire::{Id, Message};
use serde_json::{Map, Value, json};

pub use crate::spec::RELATED_TASK;

/// The text is not JSON.
pub const PARSE_ERROR: i64 = -32700;
/// It is JSON, but no request that can be served now.
pub const INVALID_REQUEST: i64 = -32600;
/// The method is unknown or not offered.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// The parameters do not fit the method.
pub const INVALID_PARAMS: i64 = -32602;
/// The work broke.
pub const INTERNAL_ERROR: i64 = -32603;
/// The resource does not exist (server/resources#error-handling, until 2025-11-25).
pub const RESOURCE_NOT_FOUND: i64 = -32002;

/// How a request ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// With this `result`.
    Result(Value),
    /// With this `error` object.
    Error(Value),
}

impl Outcome {
    /// An error from code and message.
    #[must_use]
    pub fn error(code: i64, message: &str) -> Outcome {
        Outcome::Error(error_object(code, message))
    }

    /// As `{"result": ..}` or `{"error": ..}`.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Outcome::Result(result) => json!({ "result": result }),
            Outcome::Error(error) => json!({ "error": error }),
        }
    }

    /// The result, if it is one.
    #[must_use]
    pub fn result(&self) -> Option<&Value> {
        match self {
            Outcome::Result(result) => Some(result),
            Outcome::Error(_) => None,
        }
    }
}

/// An `error` object.
#[must_use]
pub fn error_object(code: i64, message: &str) -> Value {
    json!({ "code": code, "message": message })
}

/// A request. Without `params`, the member is left out.
#[must_use]
pub fn request(id: &Id, method: &str, params: Option<Value>) -> Value {
    let mut message = json!({ "jsonrpc": "2.0", "id": id.to_value(), "method": method });
    if let Some(params) = params {
        message["params"] = params;
    }
    message
}

/// A notification. Without `params`, the member is left out.
#[must_use]
pub fn notification(method: &str, params: Option<Value>) -> Value {
    let mut message = json!({ "jsonrpc": "2.0", "method": method });
    if let Some(params) = params {
        message["params"] = params;
    }
    message
}

/// The answer to the request with that id.
#[must_use]
pub fn answer(id: &Id, outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Result(result) => json!({ "jsonrpc": "2.0", "id": id.to_value(), "result": result }),
        Outcome::Error(error) => json!({ "jsonrpc": "2.0", "id": id.to_value(), "error": error }),
    }
}

/// An error that answers bytes in which no id could be read (decision `error-id-null`: the member is left out).
#[must_use]
pub fn error_without_id(code: i64, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "error": error_object(code, message) })
}

/// Is it a message of JSON-RPC 2.0, by its own word?
#[must_use]
pub fn is_version_2(message: &Message) -> bool {
    message.value().get("jsonrpc").is_some_and(|version| version == "2.0")
}

/// Ties `params` or `result` to a task. What is no object is left as it is.
pub fn relate(object: &mut Value, task: &str) {
    let Value::Object(members) = object else { return };
    let meta = members.entry("_meta").or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(meta) = meta {
        meta.insert(RELATED_TASK.into(), json!({ "taskId": task }));
    }
}

/// The task that `params` or `result` is tied to.
#[must_use]
pub fn related(object: &Value) -> Option<&str> {
    object.get("_meta")?.get(RELATED_TASK)?.get("taskId")?.as_str()
}
