//! `harness.toml`: the peers, how they are set up and started, and what they claim.

use super::words::words;
use crate::spec::Revision;
use crate::trace::Transport;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The name of the reference peer, which needs no file.
pub const EMBEDDED: &str = "embedded";

/// Something in the file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct ConfigError {
    /// The file.
    pub file: String,
    /// The line, from 1; 0 when the file could not be read at all.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong and what to write.
    pub message: String,
}

/// The whole file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Config {
    /// The folder of the file; what the file names is relative to it.
    pub folder: PathBuf,
    /// The peers by name.
    pub peers: BTreeMap<String, Peer>,
}

/// One peer.
#[derive(Debug, Clone, PartialEq)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// What it is, in a sentence.
    pub about: String,
    /// Commands that make it ready, in order.
    pub setup: Vec<Vec<String>>,
    /// Where its commands run.
    pub dir: PathBuf,
    /// How it serves.
    pub server: Option<Server>,
    /// The revisions it speaks; empty: not said.
    pub revisions: Vec<Revision>,
    /// What it claims to offer.
    pub claims: Claims,
    /// Its file of known failures.
    pub baseline: Option<PathBuf>,
    /// Its file of findings that were looked at.
    pub adjudications: Option<PathBuf>,
    /// The tools that stand in for those of the fixture contract, by the contract's name.
    pub bind: BTreeMap<String, Bind>,
}

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Server {
    /// The command that serves over stdio.
    pub stdio: Option<Vec<String>>,
    /// The command that serves over HTTP; `{port}` in its words is replaced.
    pub http: Option<Vec<String>>,
    /// The path of its endpoint; `/mcp` unless said otherwise.
    pub path: String,
    /// The endpoint of a server that runs already.
    pub url: Option<String>,
}

impl Server {
    /// Can it be reached in that way?
    #[must_use]
    pub fn offers(&self, transport: Transport) -> bool {
        match transport {
            Transport::Stdio => self.stdio.is_some(),
            Transport::Http => self.http.is_some() || self.url.is_some(),
        }
    }
}

/// What a peer claims: what it then does not offer is a failure.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claims {
    /// Capabilities, such as `tasks.requests.tools.call`.
    pub capabilities: Vec<String>,
    /// Tools.
    pub tools: Vec<String>,
}

/// A tool of a server that is no fixture, in place of one of the contract.
#[derive(Debug, Clone, PartialEq)]
pub struct Bind {
    /// Its name on that server.
    pub tool: String,
    /// In place of `given.arguments`.
    pub arguments: Option<Value>,
    /// In place of `given.answer`.
    pub answer: Option<Value>,
    /// In place of `given.text`: the text of a pattern.
    pub text: Option<String>,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// When there is none, or something in it cannot be used.
    pub fn read(file: &Path) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(file).map_err(|e| ConfigError {
            file: file.display().to_string(),
            line: 0,
            column: 0,
            message: format!("cannot be read: {e}"),
        })?;
        Config::parse(file, &text)
    }

    /// Reads the text of a file; `file` is its name.
    ///
    /// # Errors
    /// When something in it cannot be used.
    pub fn parse(file: &Path, text: &str) -> Result<Config, ConfigError> {
        let reader = Reader { file: file.display().to_string(), text };
        let table = match DeTable::parse(text) {
            Ok(table) => table,
            Err(e) => return Err(reader.error(e.span().unwrap_or(0..0), e.message().to_owned())),
        };
        let folder = match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let mut config = Config { folder, peers: BTreeMap::new() };
        for (key, value) in table.get_ref() {
            match key.get_ref().as_ref() {
                "peers" => {
                    for (name, peer) in reader.table(value)? {
                        let peer = reader.peer(&config.folder, name, peer)?;
                        config.peers.insert(peer.name.clone(), peer);
                    }
                }
                _ => return Err(reader.unknown(key, &["peers"])),
            }
        }
        Ok(config)
    }

    /// The peer of that name.
    ///
    /// # Errors
    /// When there is none; the text names those there are.
    pub fn peer(&self, name: &str) -> Result<&Peer, String> {
        self.peers.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.peers.keys().map(String::as_str).chain([EMBEDDED]).collect();
            let hint = nearest(name, &names).map_or(String::new(), |n| format!("; did you mean `{n}`?"));
            format!("there is no peer `{name}`{hint} (there is {})", names.join(", "))
        })
    }
}

struct Reader<'t> {
    file: String,
    text: &'t str,
}

type Key<'t> = Spanned<std::borrow::Cow<'t, str>>;

impl Reader<'_> {
    fn error(&self, span: Range<usize>, message: impl Into<String>) -> ConfigError {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        ConfigError { file: self.file.clone(), line, column, message: message.into() }
    }

    fn unknown(&self, key: &Key<'_>, known: &[&str]) -> ConfigError {
        let name = key.get_ref();
        let hint = nearest(name, known).map_or(String::new(), |n| format!("; did you mean `{n}`?"));
        self.error(key.span(), format!("there is no key `{name}` here{hint} (there is {})", known.join(", ")))
    }

    fn expected(&self, value: &Spanned<DeValue<'_>>, what: &str) -> ConfigError {
        let found = value.get_ref().type_str();
        self.error(value.span(), format!("expected {what}, found {} {found}", article(found)))
    }

    fn table<'v, 't>(&self, value: &'v Spanned<DeValue<'t>>) -> Result<&'v DeTable<'t>, ConfigError> {
        value.get_ref().as_table().ok_or_else(|| self.expected(value, "a table"))
    }

    fn string(&self, value: &Spanned<DeValue<'_>>) -> Result<String, ConfigError> {
        value.get_ref().as_str().map(str::to_owned).ok_or_else(|| self.expected(value, "a string"))
    }

    fn strings<T>(
        &self,
        value: &Spanned<DeValue<'_>>,
        read: impl Fn(&Spanned<DeValue<'_>>) -> Result<T, ConfigError>,
    ) -> Result<Vec<T>, ConfigError> {
        let array = value.get_ref().as_array().ok_or_else(|| self.expected(value, "a list of strings"))?;
        array.iter().map(read).collect()
    }

    fn command(&self, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, ConfigError> {
        words(&self.string(value)?).map_err(|e| self.error(value.span(), e.to_string()))
    }

    fn peer(&self, folder: &Path, name: &Key<'_>, value: &Spanned<DeValue<'_>>) -> Result<Peer, ConfigError> {
        const KEYS: [&str; 9] =
            ["about", "setup", "dir", "server", "revisions", "claims", "baseline", "adjudications", "bind"];
        if name.get_ref() == EMBEDDED {
            let message = format!("`{EMBEDDED}` is the built-in reference peer; give this one another name");
            return Err(self.error(name.span(), message));
        }
        let odd = |c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.');
        if name.get_ref().is_empty() || name.get_ref().starts_with('.') || name.get_ref().contains(odd) {
            let message =
                "a peer's name is made of letters, digits, `-`, `_` and `.`, because files are named after it";
            return Err(self.error(name.span(), message));
        }
        let mut peer = Peer {
            name: name.get_ref().to_string(),
            about: String::new(),
            setup: Vec::new(),
            dir: folder.to_owned(),
            server: None,
            revisions: Vec::new(),
            claims: Claims::default(),
            baseline: None,
            adjudications: None,
            bind: BTreeMap::new(),
        };
        for (key, value) in self.table(value)? {
            match key.get_ref().as_ref() {
                "about" => peer.about = self.string(value)?,
                "setup" => peer.setup = self.strings(value, |value| self.command(value))?,
                "dir" => peer.dir = folder.join(self.string(value)?),
                "server" => peer.server = Some(self.server(value)?),
                "revisions" => peer.revisions = self.strings(value, |value| self.revision(value))?,
                "claims" => peer.claims = self.claims(value)?,
                "baseline" => peer.baseline = Some(folder.join(self.string(value)?)),
                "adjudications" => peer.adjudications = Some(folder.join(self.string(value)?)),
                "bind" => {
                    for (tool, value) in self.table(value)? {
                        peer.bind.insert(tool.get_ref().to_string(), self.bind(value)?);
                    }
                }
                _ => return Err(self.unknown(key, &KEYS)),
            }
        }
        if peer.server.is_none() {
            let message = format!("the peer `{}` says not how it is reached; add `server`", peer.name);
            return Err(self.error(name.span(), message));
        }
        Ok(peer)
    }

    fn revision(&self, value: &Spanned<DeValue<'_>>) -> Result<Revision, ConfigError> {
        let known = || Revision::ALL.map(Revision::as_str).join(", ");
        let text = match value.get_ref() {
            DeValue::Datetime(_) => return Err(self.expected(value, "a revision as a string, in quotes")),
            _ => self.string(value)?,
        };
        Revision::parse(&text)
            .ok_or_else(|| self.error(value.span(), format!("there is no revision `{text}` (there is {})", known())))
    }

    fn server(&self, value: &Spanned<DeValue<'_>>) -> Result<Server, ConfigError> {
        let mut server = Server { path: "/mcp".into(), ..Server::default() };
        for (key, value) in self.table(value)? {
            match key.get_ref().as_ref() {
                "stdio" => server.stdio = Some(self.command(value)?),
                "http" => {
                    let command = self.command(value)?;
                    if !command.iter().any(|word| word.contains("{port}")) {
                        let message = "the command does not say {port}, so the server would not know where to listen; \
                                       a server that is told by its environment gets PORT: write `env PORT={port} ..`";
                        return Err(self.error(value.span(), message));
                    }
                    server.http = Some(command);
                }
                "path" => {
                    server.path = self.string(value)?;
                    if !server.path.starts_with('/') {
                        return Err(self.error(value.span(), "a path begins with `/`"));
                    }
                }
                "url" => {
                    let url = self.string(value)?;
                    crate::transport::Endpoint::parse(&url).map_err(|e| self.error(value.span(), e.to_string()))?;
                    server.url = Some(url);
                }
                _ => return Err(self.unknown(key, &["stdio", "http", "path", "url"])),
            }
        }
        if !server.offers(Transport::Stdio) && !server.offers(Transport::Http) {
            let message = "nothing says how the server is reached; give `stdio`, `http` or `url`";
            return Err(self.error(value.span(), message));
        }
        if server.http.is_some() && server.url.is_some() {
            return Err(self.error(value.span(), "give either `http`, a command, or `url`, a server that runs already"));
        }
        Ok(server)
    }

    fn claims(&self, value: &Spanned<DeValue<'_>>) -> Result<Claims, ConfigError> {
        let mut claims = Claims::default();
        for (key, value) in self.table(value)? {
            let list = match key.get_ref().as_ref() {
                "capabilities" => &mut claims.capabilities,
                "tools" => &mut claims.tools,
                _ => return Err(self.unknown(key, &["capabilities", "tools"])),
            };
            *list = self.strings(value, |value| self.string(value))?;
        }
        Ok(claims)
    }

    fn bind(&self, value: &Spanned<DeValue<'_>>) -> Result<Bind, ConfigError> {
        let mut tool = None;
        let (mut arguments, mut answer, mut text) = (None, None, None);
        for (key, value) in self.table(value)? {
            match key.get_ref().as_ref() {
                "tool" => tool = Some(self.string(value)?),
                "arguments" => arguments = Some(self.object(value)?),
                "answer" => answer = Some(self.object(value)?),
                "text" => text = Some(self.string(value)?),
                _ => return Err(self.unknown(key, &["tool", "arguments", "answer", "text"])),
            }
        }
        let tool = tool.ok_or_else(|| self.error(value.span(), "the binding names no `tool`"))?;
        Ok(Bind { tool, arguments, answer, text })
    }

    fn object(&self, value: &Spanned<DeValue<'_>>) -> Result<Value, ConfigError> {
        self.table(value)?;
        self.json(value)
    }

    fn json(&self, value: &Spanned<DeValue<'_>>) -> Result<Value, ConfigError> {
        Ok(match value.get_ref() {
            DeValue::String(s) => Value::String(s.to_string()),
            DeValue::Boolean(b) => Value::Bool(*b),
            DeValue::Integer(n) => match i64::from_str_radix(n.as_str(), n.radix()) {
                Ok(n) => n.into(),
                Err(_) => return Err(self.error(value.span(), "the number does not fit into 64 bits")),
            },
            DeValue::Float(f) => match f.as_str().parse::<f64>().ok().and_then(serde_json::Number::from_f64) {
                Some(n) => Value::Number(n),
                None => return Err(self.error(value.span(), "JSON has no such number")),
            },
            DeValue::Datetime(_) => return Err(self.error(value.span(), "JSON has no dates; write it in quotes")),
            DeValue::Array(array) => array.iter().map(|v| self.json(v)).collect::<Result<Vec<_>, _>>()?.into(),
            DeValue::Table(table) => {
                let member = |(k, v): (&Key<'_>, &Spanned<DeValue<'_>>)| Ok((k.get_ref().to_string(), self.json(v)?));
                Value::Object(table.iter().map(member).collect::<Result<_, ConfigError>>()?)
            }
        })
    }
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

/// The known name that was probably meant: at most half of its letters differ.
fn nearest<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    let best = known.iter().map(|k| (distance(name, k), *k)).min()?;
    (best.0 * 2 <= name.chars().count()).then_some(best.1)
}

/// How many letters must be changed, added or left out (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(&b) {
            let next = (diagonal + usize::from(x != *y)).min(*cell + 1).min(left + 1);
            diagonal = std::mem::replace(cell, next);
            left = next;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(Path::new("some/harness.toml"), text)
    }

    #[test]
    fn a_whole_peer() {
        let text = r#"
            [peers.mine]
            about = "A server"
            dir = "server"
            setup = ["npm ci", "make 'all of it'"]
            server = { stdio = "node server.js", http = "node server.js --http {port}", path = "/x" }
            revisions = ["2025-06-18", "2025-11-25"]
            claims = { capabilities = ["tasks.list"], tools = ["t"] }
            baseline = "known.yaml"
            [peers.mine.bind.test_task_elicitation]
            tool = "ask"
            arguments = { topic = "python", n = [1, 0x10, 1.5, true] }
            answer = { interpretation = "snake" }
            text = "<string>"
            [peers.other]
            server.url = "http://127.0.0.1:3000/mcp"
        "#;
        let config = parse(text).unwrap();
        let mine = config.peer("mine").unwrap();
        assert_eq!(mine.dir, Path::new("some/server"));
        assert_eq!(mine.setup, [vec!["npm", "ci"], vec!["make", "all of it"]]);
        let server = mine.server.as_ref().unwrap();
        assert_eq!(server.http.as_ref().unwrap(), &["node", "server.js", "--http", "{port}"]);
        assert!(server.offers(Transport::Stdio) && server.offers(Transport::Http));
        assert_eq!(mine.revisions, [Revision::V2025_06_18, Revision::V2025_11_25]);
        assert_eq!(mine.claims.capabilities, ["tasks.list"]);
        assert_eq!(mine.baseline.as_deref(), Some(Path::new("some/known.yaml")));
        let bind = &mine.bind["test_task_elicitation"];
        assert_eq!(bind.arguments, Some(json!({"topic": "python", "n": [1, 16, 1.5, true]})));
        assert_eq!(bind.text.as_deref(), Some("<string>"));
        let other = config.peer("other").unwrap().server.as_ref().unwrap();
        assert!(!other.offers(Transport::Stdio) && other.offers(Transport::Http));
        let missing = config.peer("othr").unwrap_err();
        assert_eq!(missing, "there is no peer `othr`; did you mean `other`? (there is mine, other, embedded)");
    }

    #[test]
    fn what_is_wrong_is_shown_with_its_place() {
        let cases = [
            "[peer.x]\n",
            "[peers.x]\nabuot = 'x'\nserver.stdio = 'x'\n",
            "[peers.x]\nserver = { stdoi = 'x' }\n",
            "[peers.x]\nabout = 'x'\n",
            "[peers.x.server]\n",
            "[peers.x]\nserver.stdio = \"node 'x\"\n",
            "[peers.x]\nserver.http = 'node x'\n",
            "[peers.x]\nserver.url = 'https://example.com/mcp'\n",
            "[peers.x]\nserver.stdio = 'x'\nrevisions = [2025-11-25]\n",
            "[peers.x]\nserver.stdio = 'x'\nrevisions = ['2025-11-26']\n",
            "[peers.embedded]\nserver.stdio = 'x'\n",
            "[peers.'a/b']\nserver.stdio = 'x'\n",
            "[peers.x]\nserver.stdio = 'x'\nbind.t = { arguments = {} }\n",
            "[peers.x]\nserver.stdio = 'x'\nbind.t = { tool = 't', arguments = { a = nan } }\n",
            "[peers.x]\nserver.stdio = 7\n",
            "[peers.x\n",
            "[peers.x]\nserver.stdio = 'x'\nserver.stdio = 'y'\n",
        ];
        let shown: Vec<String> =
            cases.iter().map(|text| format!("{}\n=> {}\n", text.trim_end(), parse(text).unwrap_err())).collect();
        insta::assert_snapshot!(shown.join("\n"));
    }

    #[test]
    fn our_own_file_is_in_order() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("harness.toml");
        let config = Config::read(&file).unwrap();
        assert_eq!(config.peers.keys().collect::<Vec<_>>(), ["python-v1", "typescript-v1"]);
    }
}
