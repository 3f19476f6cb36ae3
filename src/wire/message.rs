//! JSON-RPC messages: classified by their members first, with the bytes kept.

use super::json::{self, Document, Limits, SyntaxError};
use bytes::Bytes;
use serde_json::Value;

/// A request id, by text and type: `1`, `1.0` and `"1"` are three different ids.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Id {
    /// A string.
    Text(String),
    /// An integer written as one.
    Integer(i64),
    /// Anything else a peer put there (`null`, `1.5`, `true`, an object), as its raw text.
    Odd(String),
}

impl Id {
    /// The id as a JSON value, for putting it into an answer.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Id::Text(s) => Value::String(s.clone()),
            Id::Integer(n) => Value::from(*n),
            Id::Odd(raw) => serde_json::from_str(raw).unwrap_or(Value::Null),
        }
    }

    /// The id that a value is. Numbers that are no integers become [`Id::Odd`].
    #[must_use]
    pub fn of(value: &Value) -> Id {
        match value {
            Value::String(s) => Id::Text(s.clone()),
            Value::Number(n) => n.as_i64().map_or_else(|| Id::Odd(n.to_string()), Id::Integer),
            other => Id::Odd(other.to_string()),
        }
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Id::Text(s) => write!(f, "{}", Value::String(s.clone())),
            Id::Integer(n) => write!(f, "{n}"),
            Id::Odd(raw) => f.write_str(raw),
        }
    }
}

/// What a message is, by the members it has.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// `method` and `id`.
    Request {
        /// Its id.
        id: Id,
        /// Its method.
        method: String,
    },
    /// `method` without `id`.
    Notification {
        /// Its method.
        method: String,
    },
    /// `result` (without `error`) and no `method`.
    Result {
        /// The id of the request it answers, if it has one.
        id: Option<Id>,
    },
    /// `error` and no `method`; also when `result` is there too.
    Error {
        /// The id of the request it answers; absent and `null` are both `None` (see [`Message::value`] for which).
        id: Option<Id>,
    },
    /// A top-level array.
    Batch,
    /// JSON, but none of the above (no object, `method` no string, none of the members).
    Malformed(String),
    /// No JSON at all.
    Unreadable(SyntaxError),
}

/// One message with its bytes.
#[derive(Debug, Clone)]
pub struct Message {
    raw: Bytes,
    document: Option<Document>,
    kind: Kind,
}

static NULL: Value = Value::Null;

impl Message {
    /// Reads a message from the bytes of one frame (one line, one SSE data field, one HTTP body). Never fails: what cannot
    /// be read is [`Kind::Unreadable`].
    #[must_use]
    pub fn read(raw: Bytes, limits: &Limits) -> Message {
        match json::read(&raw, limits) {
            Ok(document) => {
                let kind = classify(&document);
                Message { raw, document: Some(document), kind }
            }
            Err(e) => Message { raw, document: None, kind: Kind::Unreadable(e) },
        }
    }

    /// A message of ours, from its value; written compactly.
    #[must_use]
    pub fn of(value: &Value) -> Message {
        Message::read(Bytes::from(value.to_string()), &Limits::default())
    }

    /// The bytes as they came.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The value; `null` if it could not be read.
    #[must_use]
    pub fn value(&self) -> &Value {
        self.document.as_ref().map_or(&NULL, Document::value)
    }

    /// The document with places and lints, if it could be read.
    #[must_use]
    pub fn document(&self) -> Option<&Document> {
        self.document.as_ref()
    }

    /// The method of a request or notification.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        match &self.kind {
            Kind::Request { method, .. } | Kind::Notification { method } => Some(method),
            _ => None,
        }
    }

    /// The id of a request, result or error.
    #[must_use]
    pub fn id(&self) -> Option<&Id> {
        match &self.kind {
            Kind::Request { id, .. } => Some(id),
            Kind::Result { id } | Kind::Error { id } => id.as_ref(),
            _ => None,
        }
    }

    /// The `params` member, or `null`.
    #[must_use]
    pub fn params(&self) -> &Value {
        self.value().get("params").unwrap_or(&NULL)
    }

    /// The `result` member, or `null`.
    #[must_use]
    pub fn result(&self) -> &Value {
        self.value().get("result").unwrap_or(&NULL)
    }

    /// The `error` member, or `null`.
    #[must_use]
    pub fn error(&self) -> &Value {
        self.value().get("error").unwrap_or(&NULL)
    }

    /// Is it a result or an error?
    #[must_use]
    pub fn is_answer(&self) -> bool {
        matches!(self.kind, Kind::Result { .. } | Kind::Error { .. })
    }
}

fn classify(document: &Document) -> Kind {
    let value = document.value();
    let object = match value {
        Value::Object(object) => object,
        Value::Array(_) => return Kind::Batch,
        _ => return Kind::Malformed("the message is no object".into()),
    };
    let id = || object.get("id").map(Id::of);
    if let Some(method) = object.get("method") {
        let Value::String(method) = method else {
            return Kind::Malformed("`method` is no string".into());
        };
        return match id() {
            Some(id) => Kind::Request { id, method: method.clone() },
            None => Kind::Notification { method: method.clone() },
        };
    }
    let answered = || id().filter(|id| *id != Id::Odd("null".into()));
    if object.contains_key("error") {
        Kind::Error { id: answered() }
    } else if object.contains_key("result") {
        Kind::Result { id: answered() }
    } else {
        Kind::Malformed("there is neither `method` nor `result` nor `error`".into())
    }
}
