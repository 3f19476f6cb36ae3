//! What a hostile server says, whatever carries it: the honest answers, and for each habit what it does instead.

use serde_json::{Value, json};

/// What a server does with a message.
pub(crate) enum Reply {
    /// What an honest server says: an answer, or nothing to a notification.
    Honest,
    /// Nothing.
    Silence,
    /// These messages, in this order.
    Says(Vec<Vec<u8>>),
    /// One message of this length, in valid JSON.
    Large(u64),
    /// A message that never ends.
    Endless,
    /// So many notifications, and no answer.
    Flood(u32),
    /// The end of the program, at once.
    Dies,
}

/// The methods on which habits strike that need a place. Everything before is honest.
const CALL: &str = "tools/call";

/// What a server of that habit does with its `nth` message (from 1).
pub(crate) fn reply(habit: &str, message: &Value, nth: u32) -> Reply {
    let method = message["method"].as_str().unwrap_or_default();
    let (called, opened) = (method == CALL, method == "initialize");
    let says = |values: &[Value]| Reply::Says(values.iter().map(|v| v.to_string().into_bytes()).collect());
    match habit {
        "never answers" => Reply::Silence,
        "hangs after initialize" if !opened => Reply::Silence,
        "hangs from the fourth message" if nth >= 4 => Reply::Silence,
        "hangs on a call" | "stubborn and hung" if called => Reply::Silence,
        "another revision" if opened => {
            let mut answer = honest(message).unwrap_or_default();
            answer["result"]["protocolVersion"] = json!("1999-01-01");
            says(&[answer])
        }
        "an older revision" if opened => {
            let mut answer = honest(message).unwrap_or_default();
            answer["result"]["protocolVersion"] = json!("2025-06-18");
            says(&[answer])
        }
        "an error to initialize" if opened => {
            says(&[json!({ "jsonrpc": "2.0", "id": message["id"], "error": { "code": -32603, "message": "no luck" } })])
        }
        "a wrong id" if called => {
            let mut answer = honest(message).unwrap_or_default();
            answer["id"] = json!("somebody-else");
            says(&[answer])
        }
        "answers twice" if method == "tools/list" || called => {
            let answer = honest(message).unwrap_or_default();
            says(&[answer.clone(), answer])
        }
        "invalid JSON" if called => Reply::Says(vec![br#"{"jsonrpc":"2.0","id":3,"result":{"content":[}}"#.to_vec()]),
        "invalid JSON at once" => Reply::Says(vec![b"{\"jsonrpc\"".to_vec()]),
        "100 MB" if called => Reply::Large(100 << 20),
        "100 MB at once" if opened => Reply::Large(100 << 20),
        "an endless line" if called => Reply::Endless,
        "an endless line at once" if opened => Reply::Endless,
        "10,000 notifications" if called => Reply::Flood(10_000),
        "notifications for ever" if called => Reply::Flood(u32::MAX),
        "notifications for ever at once" => Reply::Flood(u32::MAX),
        "nesting" if called => {
            let depth = 1000;
            let id = &message["id"];
            let (open, close) = ("[".repeat(depth), "]".repeat(depth));
            let content = r#"[{"type":"text","text":"This is a simple text response for testing."}]"#;
            let text = format!(
                r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":{content},"structuredContent":{{"deep":{open}{close}}}}}}}"#
            );
            Reply::Says(vec![text.into_bytes()])
        }
        "dies at a call" if called => Reply::Dies,
        "dies when all is done" if method == "ping" => Reply::Dies,
        "falls silent when all is done" if method == "ping" => Reply::Silence,
        "dies at the fourth message" if nth >= 4 => Reply::Dies,
        _ => Reply::Honest,
    }
}

/// What an honest server with one tool says to a message.
pub(crate) fn honest(message: &Value) -> Option<Value> {
    let id = message.get("id")?;
    let result = match message["method"].as_str()? {
        "initialize" => json!({
            "protocolVersion": message["params"]["protocolVersion"],
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "hostile", "version": "1" },
        }),
        "ping" => json!({}),
        "tools/list" => json!({ "tools": [{ "name": "test_simple_text", "inputSchema": { "type": "object" } }] }),
        "tools/call" => {
            json!({ "content": [{ "type": "text", "text": "This is a simple text response for testing." }] })
        }
        _ => {
            let error = json!({ "code": -32601, "message": "there is no such method" });
            return Some(json!({ "jsonrpc": "2.0", "id": id, "error": error }));
        }
    };
    Some(json!({ "jsonrpc": "2.0", "id": id, "result": result }))
}

/// A notification that is in order, but asked for by nobody.
pub(crate) fn notification(n: u32) -> Vec<u8> {
    let params = json!({ "level": "info", "data": format!("line {n}") });
    json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": params }).to_string().into_bytes()
}

/// The beginning and the end of an answer to this message whose text is of any length between them.
pub(crate) fn around(message: &Value) -> (String, &'static str) {
    let id = &message["id"];
    (format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":""#), r#""}]}}"#)
}
