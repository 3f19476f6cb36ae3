//! Secrets out of the run record: pseudonyms that keep equality, length and character class.
//!
//! A pseudonym is made from nothing but the place of the secret among those seen so far and from its shape, so it says nothing
//! about the secret; and a record that was redacted already stays as it is. Names of parameters, schemes and attributes are
//! kept: they say what the secret was for.

use super::event::{Body, Event, Text};
use std::collections::{HashMap, HashSet};

/// Headers whose whole value is secret.
const WHOLE: [&str; 3] = ["mcp-session-id", "x-api-key", "x-auth-token"];
/// Headers with a scheme before the secret.
const SCHEMED: [&str; 2] = ["authorization", "proxy-authorization"];
/// Headers that hold URLs.
const URLS: [&str; 4] = ["location", "referer", "origin", "www-authenticate"];
/// Parameters of a URL's query (or fragment) whose value is secret.
const PARAMETERS: [&str; 16] = [
    "access_token",
    "api_key",
    "apikey",
    "assertion",
    "auth",
    "client_secret",
    "code",
    "code_verifier",
    "id_token",
    "key",
    "password",
    "refresh_token",
    "secret",
    "sig",
    "signature",
    "token",
];
/// A shorter secret is not looked for in free text: it would be found everywhere.
const TELLING: usize = 8;
/// At most so many secrets are remembered for free text.
const REMEMBERED: usize = 1000;

/// Replaces secrets. One for a trace: it remembers.
#[derive(Debug, Default)]
pub struct Redactor {
    pseudonyms: HashMap<String, String>,
    taken: HashSet<String>,
    /// Those to be looked for in free text, in the order in which they came.
    telling: Vec<String>,
}

impl Redactor {
    /// One that has seen nothing yet.
    #[must_use]
    pub fn new() -> Redactor {
        Redactor::default()
    }

    /// The event without its secrets. Events must come in the order of the trace.
    #[must_use]
    pub fn event(&mut self, mut event: Event) -> Event {
        match &mut event.body {
            Body::HttpRequest { target, headers, .. } => {
                self.headers(headers);
                *target = self.url(target);
            }
            Body::HttpResponse { headers, body, .. } => {
                self.headers(headers);
                if let Some(Text::Plain(text)) = body {
                    *text = self.free(text);
                }
            }
            Body::Message { text: Text::Plain(text), .. } => *text = self.url(text),
            Body::Stderr { text, .. } => *text = self.free(text),
            Body::ProcessStarted { command, .. } => *command = self.free(command),
            Body::Signal { note: Some(note), .. } => *note = self.free(note),
            _ => {}
        }
        event
    }

    fn headers(&mut self, headers: &mut [(String, String)]) {
        for (name, value) in headers {
            let name = name.to_ascii_lowercase();
            if WHOLE.contains(&name.as_str()) {
                *value = self.pseudonym(value);
            } else if SCHEMED.contains(&name.as_str()) {
                *value = match value.split_once(' ') {
                    Some((scheme, secret)) => format!("{scheme} {}", self.pseudonym(secret)),
                    None => self.pseudonym(value),
                };
            } else if name == "cookie" {
                *value = self.cookies(value, usize::MAX);
            } else if name == "set-cookie" {
                *value = self.cookies(value, 1);
            } else if URLS.contains(&name.as_str()) {
                *value = self.url(value);
            }
        }
    }

    /// The values of the first so many pairs; what follows are attributes.
    fn cookies(&mut self, value: &str, count: usize) -> String {
        let mut out = Vec::new();
        for (i, pair) in value.split(';').enumerate() {
            out.push(match pair.split_once('=') {
                Some((name, secret)) if i < count => format!("{name}={}", self.pseudonym(secret)),
                _ => pair.to_owned(),
            });
        }
        out.join(";")
    }

    /// A text with URLs in it: the values of secret parameters after `?`, `&` or `#`.
    fn url(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(found) = rest.find(['?', '&', '#']) {
            let (before, after) = rest.split_at(found + 1);
            out.push_str(before);
            rest = after;
            let name_end =
                rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).unwrap_or(rest.len());
            let (name, after) = rest.split_at(name_end);
            let Some(value) = after.strip_prefix('=') else { continue };
            if !PARAMETERS.contains(&name.to_ascii_lowercase().as_str()) {
                continue;
            }
            let end = value
                .find(|c: char| "&#\"'\\<>{}[]".contains(c) || c.is_whitespace() || c.is_control())
                .unwrap_or(value.len());
            let (secret, after) = value.split_at(end);
            out.push_str(name);
            out.push('=');
            out.push_str(&self.pseudonym(secret));
            rest = after;
        }
        out.push_str(rest);
        out
    }

    /// A text in which secrets that were seen elsewhere may stand.
    fn free(&mut self, text: &str) -> String {
        let mut out = self.url(text);
        for secret in &self.telling {
            if let Some(pseudonym) = self.pseudonyms.get(secret).filter(|_| out.contains(secret.as_str())) {
                out = out.replace(secret.as_str(), pseudonym);
            }
        }
        out
    }

    /// The pseudonym of a secret: as long, with digits for digits, letters for letters of the same case, and all else as it is.
    fn pseudonym(&mut self, secret: &str) -> String {
        if let Some(known) = self.pseudonyms.get(secret) {
            return known.clone();
        }
        let number = self.pseudonyms.len() as u64;
        let mut dice = Dice(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x6d63_7069_6e74_6572);
        let mut candidate: Vec<char> = secret.chars().map(|c| dice.like(c)).collect();
        // two secrets never share a pseudonym: there are as many of a shape as there are secrets of it
        while self.taken.contains(&candidate.iter().collect::<String>()) {
            if !next(&mut candidate) {
                break;
            }
        }
        let pseudonym: String = candidate.into_iter().collect();
        self.taken.insert(pseudonym.clone());
        self.pseudonyms.insert(secret.to_owned(), pseudonym.clone());
        if secret.len() >= TELLING && self.telling.len() < REMEMBERED {
            self.telling.push(secret.to_owned());
        }
        pseudonym
    }
}

/// A small generator; nothing rests on its quality.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u8) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u8::try_from((self.0 >> 33) % u64::from(sides.max(1))).unwrap_or_default()
    }

    fn like(&mut self, c: char) -> char {
        match c {
            '0'..='9' => char::from(b'0' + self.roll(10)),
            'a'..='z' => char::from(b'a' + self.roll(26)),
            'A'..='Z' => char::from(b'A' + self.roll(26)),
            other => other,
        }
    }
}

/// The next text of the same shape, from the last back to the first; `false` if there is nothing to count with.
fn next(text: &mut [char]) -> bool {
    let mut counted = false;
    for c in text.iter_mut().rev() {
        let (first, last) = match *c {
            '0'..='9' => ('0', '9'),
            'a'..='z' => ('a', 'z'),
            'A'..='Z' => ('A', 'Z'),
            _ => continue,
        };
        counted = true;
        if *c == last {
            *c = first;
        } else {
            *c = char::from_u32(u32::from(*c) + 1).unwrap_or(first);
            return true;
        }
    }
    counted
}

#[cfg(test)]
#[path = "redact_tests.rs"]
mod tests;
