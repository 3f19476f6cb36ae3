//! A client that knows nothing but the ecosystem's contract: its environment names the scenario, its last argument is the
//! server's URL. It speaks Streamable HTTP by hand, and has nothing of this project in it.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// What it does wrong, if anything.
pub(crate) const HABITS: [&str; 5] = ["ends-badly", "is-hasty", "leaves-forms-empty", "never-connects", "stops-early"];

/// One response, whose body is still to be read.
struct Response {
    status: u16,
    session: Option<String>,
    stream: bool,
    body: Box<dyn BufRead>,
}

struct Client {
    host: String,
    path: String,
    session: Option<String>,
    version: Option<String>,
    habit: Option<String>,
    id: u64,
}

/// Does what the environment says; gives the exit code.
pub(crate) fn run(arguments: &[String]) -> u8 {
    let habit = arguments.iter().find(|a| HABITS.contains(&a.as_str())).cloned();
    let url = arguments.last().and_then(|url| url.strip_prefix("http://")).expect("the last argument is a URL");
    let (host, path) = url.split_once('/').unwrap_or((url, ""));
    let (host, path) = (host.to_owned(), format!("/{path}"));
    let mut client = Client { host, path, session: None, version: None, habit, id: 0 };
    if client.has("never-connects") {
        return 0;
    }
    let scenario = std::env::var("MCP_CONFORMANCE_SCENARIO").unwrap();
    let context: Value = serde_json::from_str(&std::env::var("MCP_CONFORMANCE_CONTEXT").unwrap()).unwrap();
    assert_eq!(context, json!({ "name": scenario }));
    client.connect();
    if client.has("stops-early") {
        return 0;
    }
    match scenario.as_str() {
        "initialize" => {}
        "tools_call" => {
            client.request("tools/list", json!({}));
            client.request("tools/call", json!({ "name": "add_numbers", "arguments": { "a": 2, "b": 40.5 } }));
        }
        "elicitation-sep1034-client-defaults" => {
            client.request("tools/call", json!({ "name": "test_client_elicitation_defaults", "arguments": {} }));
        }
        "sse-retry" => {
            client.request("tools/call", json!({ "name": "test_reconnection", "arguments": {} }));
        }
        other => {
            eprintln!("I do not know {other}");
            return 7;
        }
    }
    client.send("DELETE", None, None);
    if client.has("ends-badly") {
        eprintln!("all went well, and yet");
        return 3;
    }
    0
}

impl Client {
    fn has(&self, habit: &str) -> bool {
        self.habit.as_deref() == Some(habit)
    }

    fn connect(&mut self) {
        let version = std::env::var("MCP_CONFORMANCE_PROTOCOL_VERSION").unwrap();
        let about = json!({ "name": "by-hand", "version": "1" });
        let params = json!({ "protocolVersion": version, "capabilities": { "elicitation": {} }, "clientInfo": about });
        let result = self.request("initialize", params);
        self.version = Some(result["result"]["protocolVersion"].as_str().unwrap().to_owned());
        self.post(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    }

    /// Sends a request, and gives its answer.
    fn request(&mut self, method: &str, params: Value) -> Value {
        self.id += 1;
        let id = json!(self.id);
        let mut response = self.post(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        if response.session.is_some() {
            self.session = response.session.take();
        }
        if !response.stream {
            return serde_json::from_reader(response.body).unwrap();
        }
        let (mut last, mut retry) = (None, Duration::from_millis(1000));
        loop {
            let mut data = String::new();
            for line in response.body.lines() {
                // a connection that breaks ends a stream too
                let Ok(line) = line else { break };
                if let Some(text) = line.strip_prefix("data:") {
                    data.push_str(text.trim());
                } else if let Some(text) = line.strip_prefix("id:") {
                    last = Some(text.trim().to_owned());
                } else if let Some(text) = line.strip_prefix("retry:") {
                    retry = Duration::from_millis(text.trim().parse().unwrap());
                } else if line.is_empty() && !data.is_empty() {
                    let message: Value = serde_json::from_str(&std::mem::take(&mut data)).unwrap();
                    if message["id"] == id && message.get("method").is_none() {
                        return message;
                    }
                    self.asked(&message);
                }
            }
            let last = last.clone().expect("a stream that ends without the answer has an id to come back for");
            if !self.has("is-hasty") {
                std::thread::sleep(retry);
            }
            response = self.send("GET", None, Some(&last));
            assert_eq!(response.status, 200);
        }
    }

    /// Answers a form with its defaults.
    fn asked(&self, message: &Value) {
        if message["method"] != "elicitation/create" {
            return;
        }
        let properties = message["params"]["requestedSchema"]["properties"].as_object().unwrap();
        let filled: serde_json::Map<String, Value> = match self.has("leaves-forms-empty") {
            true => serde_json::Map::new(),
            false => properties.iter().map(|(name, property)| (name.clone(), property["default"].clone())).collect(),
        };
        let result = json!({ "action": "accept", "content": filled });
        self.post(&json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }));
    }

    fn post(&self, message: &Value) -> Response {
        let response = self.send("POST", Some(&message.to_string()), None);
        assert!((200..300).contains(&response.status), "{message}: {}", response.status);
        response
    }

    fn send(&self, method: &str, body: Option<&str>, last: Option<&str>) -> Response {
        let mut connection = TcpStream::connect(&self.host).unwrap();
        let Client { host, path, .. } = self;
        let accept = if method == "GET" { "text/event-stream" } else { "application/json, text/event-stream" };
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nAccept: {accept}\r\nConnection: close\r\n");
        let body = body.unwrap_or_default();
        let length = body.len().to_string();
        let headers = [
            ("Content-Type", (!body.is_empty()).then_some("application/json")),
            ("Content-Length", (!body.is_empty()).then_some(length.as_str())),
            ("Mcp-Session-Id", self.session.as_deref()),
            ("MCP-Protocol-Version", self.version.as_deref()),
            ("Last-Event-ID", last),
        ];
        for (name, value) in headers {
            head.extend(value.map(|value| format!("{name}: {value}\r\n")));
        }
        connection.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
        Response::read(BufReader::new(connection))
    }
}

impl Response {
    fn read(mut from: BufReader<TcpStream>) -> Response {
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        let (mut session, mut stream, mut chunked, mut length) = (None, false, false, 0);
        loop {
            line.clear();
            from.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "mcp-session-id" => session = Some(value.to_owned()),
                "content-type" => stream = value.starts_with("text/event-stream"),
                "content-length" => length = value.parse().unwrap(),
                "transfer-encoding" => chunked = value == "chunked",
                _ => {}
            }
        }
        let body: Box<dyn BufRead> = match chunked {
            true => Box::new(BufReader::new(Chunked { from, left: 0 })),
            false => Box::new(from.take(length)),
        };
        Response { status, session, stream, body }
    }
}

/// A body in chunks.
struct Chunked {
    from: BufReader<TcpStream>,
    left: usize,
}

impl Read for Chunked {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 {
            let mut line = String::new();
            // the end of the chunk before
            while line.trim().is_empty() {
                line.clear();
                if self.from.read_line(&mut line)? == 0 {
                    return Ok(0);
                }
            }
            self.left = usize::from_str_radix(line.trim(), 16).map_err(std::io::Error::other)?;
            if self.left == 0 {
                return Ok(0);
            }
        }
        let most = self.left.min(into.len());
        let read = self.from.read(into.get_mut(..most).unwrap_or_default())?;
        self.left -= read;
        Ok(read)
    }
}
