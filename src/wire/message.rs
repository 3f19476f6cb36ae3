//! JSON-RPC messages: classified by their members first, with the bytes kept.

use super::json::{self, Document, Limits, SyntaxError};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::sync::Arc;

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
    /// The id as a JSON value, for putting it into an answer. An odd number beyond 64 bits is rounded to a double.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Id::Text(s) => Value::String(s.clone()),
            Id::Integer(n) => Value::from(*n),
            Id::Odd(raw) => {
                json::read(raw.as_bytes(), &Limits::default()).map_or(Value::Null, |document| document.value().clone())
            }
        }
    }

    /// The id that a value is. Numbers that are no integers become [`Id::Odd`]. The text that was on the wire may say more:
    /// see [`Id::of_raw`].
    #[must_use]
    pub fn of(value: &Value) -> Id {
        match value {
            Value::String(s) => Id::Text(s.clone()),
            Value::Number(n) => n.as_i64().map_or_else(|| Id::Odd(n.to_string()), Id::Integer),
            other => Id::Odd(other.to_string()),
        }
    }

    /// The id that a value is, judged by its text on the wire: `1.0`, `1e0`, `-0` and integers beyond i64 are odd.
    #[must_use]
    pub fn of_raw(value: &Value, raw: &[u8]) -> Id {
        if let Value::String(s) = value {
            return Id::Text(s.clone());
        }
        let text = String::from_utf8_lossy(raw);
        match text.parse::<i64>() {
            Ok(n) if n.to_string() == text => Id::Integer(n),
            _ => Id::Odd(text.into_owned()),
        }
    }
}

impl From<i64> for Id {
    fn from(n: i64) -> Id {
        Id::Integer(n)
    }
}

impl From<&str> for Id {
    fn from(s: &str) -> Id {
        Id::Text(s.into())
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
    /// Shared, so that a message is cheap to clone.
    document: Option<Arc<Document>>,
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
                let kind = classify(&document, &raw);
                Message { raw, document: Some(Arc::new(document)), kind }
            }
            Err(e) => Message { raw, document: None, kind: Kind::Unreadable(e) },
        }
    }

    /// A message of ours, from its value; written compactly. As deep as [`json::MAX_DEPTH`].
    #[must_use]
    pub fn of(value: &Value) -> Message {
        Message::read(Bytes::from(value.to_string()), &Limits { depth: json::MAX_DEPTH })
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
        self.document.as_ref().map_or(&NULL, |d| d.value())
    }

    /// The document with places and lints, if it could be read.
    #[must_use]
    pub fn document(&self) -> Option<&Document> {
        self.document.as_deref()
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

    /// The messages of a batch, each with its own bytes; of anything else nothing.
    #[must_use]
    pub fn batch(&self, limits: &Limits) -> Vec<Message> {
        let (Kind::Batch, Some(document)) = (&self.kind, &self.document) else { return Vec::new() };
        document.item_spans().into_iter().map(|span| Message::read(self.raw.slice(span), limits)).collect()
    }

    /// What a lenient parser would have hidden.
    #[must_use]
    pub fn lints(&self) -> &[json::Lint] {
        self.document.as_ref().map_or(&[], |d| d.lints())
    }

    /// The bytes of the value at a JSON pointer.
    #[must_use]
    pub fn raw_at(&self, pointer: &str) -> Option<&[u8]> {
        self.document.as_ref()?.raw(pointer, &self.raw)
    }

    /// Is it a request?
    #[must_use]
    pub fn is_request(&self) -> bool {
        matches!(self.kind, Kind::Request { .. })
    }

    /// Is it a notification?
    #[must_use]
    pub fn is_notification(&self) -> bool {
        matches!(self.kind, Kind::Notification { .. })
    }

    /// Is it a result or an error?
    #[must_use]
    pub fn is_answer(&self) -> bool {
        matches!(self.kind, Kind::Result { .. } | Kind::Error { .. })
    }
}

/// A request of ours. Without `params` the member is left out.
#[must_use]
pub fn request(id: &Id, method: &str, params: Option<Value>) -> Value {
    call(Some(id), method, params)
}

/// A notification of ours. Without `params` the member is left out.
#[must_use]
pub fn notification(method: &str, params: Option<Value>) -> Value {
    call(None, method, params)
}

fn call(id: Option<&Id>, method: &str, params: Option<Value>) -> Value {
    let mut message = envelope(id);
    message.insert("method".into(), method.into());
    if let Some(params) = params {
        message.insert("params".into(), params);
    }
    Value::Object(message)
}

/// A result of ours.
#[must_use]
pub fn result(id: &Id, result: Value) -> Value {
    let mut message = envelope(Some(id));
    message.insert("result".into(), result);
    Value::Object(message)
}

/// An error of ours. Without an id (what it answers could not be read) the member is left out, as MCP wants it, not `null`.
#[must_use]
pub fn error(id: Option<&Id>, code: i64, text: &str, data: Option<Value>) -> Value {
    let mut error = json!({ "code": code, "message": text });
    if let (Some(data), Value::Object(error)) = (data, &mut error) {
        error.insert("data".into(), data);
    }
    let mut message = envelope(id);
    message.insert("error".into(), error);
    Value::Object(message)
}

fn envelope(id: Option<&Id>) -> Map<String, Value> {
    let mut message = Map::new();
    message.insert("jsonrpc".into(), "2.0".into());
    if let Some(id) = id {
        message.insert("id".into(), id.to_value());
    }
    message
}

fn classify(document: &Document, raw: &[u8]) -> Kind {
    let value = document.value();
    let object = match value {
        Value::Object(object) => object,
        Value::Array(_) => return Kind::Batch,
        _ => return Kind::Malformed("the message is no object".into()),
    };
    let id = || Some(Id::of_raw(object.get("id")?, document.raw("/id", raw)?));
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn kind(text: &str) -> Kind {
        Message::read(Bytes::copy_from_slice(text.as_bytes()), &Limits::default()).kind().clone()
    }

    fn odd(text: &str) -> Option<Id> {
        Some(Id::Odd(text.into()))
    }

    #[test]
    fn a_message_is_what_its_members_say() {
        let request = |id: Id| Kind::Request { id, method: "ping".into() };
        let cases = [
            (r#"{"id":1,"method":"ping"}"#, request(Id::Integer(1))),
            (r#"{"id":"1","method":"ping"}"#, request(Id::Text("1".into()))),
            (r#"{"id":-1,"method":"ping","result":{}}"#, request(Id::Integer(-1))),
            (r#"{"id":null,"method":"ping"}"#, request(Id::Odd("null".into()))),
            (r#"{"method":"ping"}"#, Kind::Notification { method: "ping".into() }),
            (r#"{"method":"ping","error":{}}"#, Kind::Notification { method: "ping".into() }),
            (r#"{"id":1,"result":null}"#, Kind::Result { id: Some(Id::Integer(1)) }),
            (r#"{"result":{}}"#, Kind::Result { id: None }),
            (r#"{"id":1,"result":{},"error":{}}"#, Kind::Error { id: Some(Id::Integer(1)) }),
            (r#"{"id":null,"error":{}}"#, Kind::Error { id: None }),
            (r#"{"error":{}}"#, Kind::Error { id: None }),
            ("[]", Kind::Batch),
            ("1", Kind::Malformed("the message is no object".into())),
            (r#"{"method":1}"#, Kind::Malformed("`method` is no string".into())),
            (r#"{"id":1}"#, Kind::Malformed("there is neither `method` nor `result` nor `error`".into())),
        ];
        for (text, expected) in cases {
            assert_eq!(kind(text), expected, "{text}");
        }
        assert!(matches!(kind("{"), Kind::Unreadable(e) if e.offset == 1));
    }

    #[test]
    fn ids_are_judged_by_their_text() {
        let texts = ["1.0", "1e0", "-0", "9223372036854775808", "123456789012345678901234567890", "true", "[1, 2]"];
        for text in texts {
            let message = Message::read(format!("{{\"id\": {text} ,\"result\":1}}").into(), &Limits::default());
            assert_eq!(message.id().cloned(), odd(text));
        }
        let message = Message::read(Bytes::from_static(br#"{"id":1,"id":"\u0031","result":1}"#), &Limits::default());
        assert_eq!(message.id(), Some(&Id::Text("1".into())));
        assert_eq!(message.lints().len(), 1);
    }

    #[test]
    fn an_id_goes_back_as_it_came() {
        for text in ["1", "-7", "\"x\"", "1.0", "null", "[1,2]", "18446744073709551615", "\"\""] {
            let message = Message::read(format!("{{\"id\":{text},\"method\":\"m\"}}").into(), &Limits::default());
            let answer = result(message.id().unwrap(), json!({}));
            assert_eq!(answer.to_string(), format!("{{\"jsonrpc\":\"2.0\",\"id\":{text},\"result\":{{}}}}"));
        }
    }

    #[test]
    fn builders_write_what_is_read_back() {
        let id = Id::from("a");
        let message = Message::of(&request(&id, "ping", None));
        assert_eq!(&message.raw()[..], br#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#);
        assert!(message.is_request());
        let message = Message::of(&notification("n", Some(json!({"a": 1}))));
        assert_eq!((message.is_notification(), message.params()), (true, &json!({"a": 1})));
        let message = Message::of(&error(Some(&Id::from(3)), -32601, "no such method", Some(json!(1))));
        assert_eq!(message.kind(), &Kind::Error { id: Some(Id::Integer(3)) });
        assert_eq!(message.error(), &json!({"code": -32601, "message": "no such method", "data": 1}));
        assert_eq!(message.raw_at("/error/code"), Some(&b"-32601"[..]));
        assert_eq!(
            error(None, -32700, "x", None).to_string(),
            r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"x"}}"#
        );
    }

    #[test]
    fn a_batch_gives_its_messages_with_their_bytes() {
        let text = br#"[ {"id":1,"method":"a"} ,{"method":"b"},3]"#;
        let items = Message::read(Bytes::from_static(text), &Limits::default()).batch(&Limits::default());
        let raws: Vec<_> = items.iter().map(|m| std::str::from_utf8(m.raw()).unwrap()).collect();
        assert_eq!(raws, [r#"{"id":1,"method":"a"}"#, r#"{"method":"b"}"#, "3"]);
        assert!(items[0].is_request() && items[1].is_notification());
        assert!(Message::of(&json!({})).batch(&Limits::default()).is_empty());
    }
}
