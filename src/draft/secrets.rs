//! Which values of a session may be secrets, by their names and by what they look like. What HTTP headers hold is in no draft, and
//! URLs have no secrets in them any more when a record is read.

use crate::conversation::Conversation;
use crate::wire::Party;
use serde_json::Value;
use std::collections::BTreeSet;

/// The ends of the names of members that hold a secret, in lower case and without anything between words.
const NAMES: [&str; 12] = [
    "accesskey",
    "apikey",
    "authorization",
    "clientsecret",
    "cookie",
    "credential",
    "credentials",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "secret",
];
/// Members whose values tell things apart, so that they are no secrets between these two.
const IDS: [&str; 5] = ["taskId", "name", "uri", "cursor", "nextCursor"];
/// Schemes before a secret.
const SCHEMES: [&str; 2] = ["Bearer ", "Basic "];
/// Deeper than this nothing is looked at.
const DEEPEST: usize = 64;

/// The secrets of a session, each once, with who said them first.
pub(super) fn of(conversation: &Conversation, session: usize) -> Vec<(String, Party)> {
    let mut all: Vec<(String, Party)> = Vec::new();
    let (mut known, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for said in conversation.said.iter().filter(|said| said.session == session) {
        let mut found = BTreeSet::new();
        look(said.message.value(), 0, &mut |name, text| {
            if IDS.contains(&name) {
                ids.insert(text.to_owned());
            } else if (holds_a_secret(name) && !text.is_empty()) || looks_like_one(text) {
                found.insert(text.to_owned());
            }
        });
        all.extend(found.into_iter().filter(|secret| known.insert(secret.clone())).map(|secret| (secret, said.from)));
    }
    all.retain(|(secret, _)| !ids.contains(secret));
    all
}

/// Visits every text with the name of its member; those of an array have none.
fn look<'a>(value: &'a Value, depth: usize, visit: &mut dyn FnMut(&'a str, &'a str)) {
    let mut each = |name: &'a str, value: &'a Value| match value {
        Value::String(text) => visit(name, text),
        value if depth < DEEPEST => look(value, depth + 1, visit),
        _ => {}
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| each(name, value)),
        Value::Array(all) => all.iter().for_each(|value| each("", value)),
        _ => {}
    }
}

/// Does the name of a member say that it holds a secret?
fn holds_a_secret(name: &str) -> bool {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    // the token of progress is no secret
    NAMES.iter().any(|end| name.ends_with(end)) || (name.ends_with("token") && name != "progresstoken")
}

/// Is it a JSON Web Token, a key in PEM, or a secret after its scheme?
fn looks_like_one(text: &str) -> bool {
    let after = SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme));
    let word = after.is_some_and(|word| word.len() >= 8 && !word.contains(char::is_whitespace));
    let parts: Vec<&str> = text.split('.').collect();
    let base64 = |part: &&str| part.len() >= 8 && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_=".contains(c));
    let web_token = text.starts_with("eyJ") && parts.len() == 3 && parts.iter().all(base64);
    word || web_token || (text.contains("-----BEGIN ") && text.contains("PRIVATE KEY-----"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_looks_tell() {
        for name in ["token", "access_token", "X-API-Key", "clientSecret", "db_password", "Authorization"] {
            assert!(holds_a_secret(name), "{name}");
        }
        for name in ["progressToken", "maxTokens", "key", "taskId", "tokenizer", "nextCursor", ""] {
            assert!(!holds_a_secret(name), "{name}");
        }
        let key = "-----BEGIN RSA PRIVATE KEY-----\nabc";
        for text in ["Bearer abcdefgh", "eyJhbGciOiJ.eyJzdWIiOiIx.SflKxwRJSMeKKF2QT4", key] {
            assert!(looks_like_one(text), "{text}");
        }
        for text in ["Bearer of good news", "Basic", "eyJust.a.text", "Basic training is over", ""] {
            assert!(!looks_like_one(text), "{text}");
        }
    }
}
