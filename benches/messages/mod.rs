//! Messages of several sizes: answers to `tools/list`, with as many tools as fit.

use serde_json::{Value, json};

/// The sizes by name: some tens of bytes, 2 kB, 100 kB.
pub(crate) fn sizes() -> [(&'static str, String); 3] {
    [("small", tools(0)), ("2 kB", tools(2_000)), ("100 kB", tools(100_000))]
}

/// At least so many bytes, if there are any tools at all.
fn tools(bytes: usize) -> String {
    let mut tools: Vec<Value> = Vec::new();
    let mut length = 0;
    while length < bytes {
        let n = tools.len();
        let schema = json!({
            "type": "object",
            "properties": {
                "path": { "type": "string", "description": "Where it is, from the root of the project" },
                "limit": { "type": "integer", "minimum": 1, "maximum": n + 100 },
                "labels": { "type": "array", "items": { "type": "string" } },
            },
            "required": ["path"],
        });
        let description = format!("Does the {n}th of many things \u{2014} and says \"done\" when it is");
        let tool = json!({ "name": format!("tool_{n}"), "description": description, "inputSchema": schema });
        length += tool.to_string().len() + 1;
        tools.push(tool);
    }
    json!({ "jsonrpc": "2.0", "id": 1, "result": { "tools": tools } }).to_string()
}
