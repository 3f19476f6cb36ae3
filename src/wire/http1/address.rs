//! The one thing that a program between two others cannot leave as it is: the address by which it is reached.

/// The address that one party knows, to be exchanged for the one that the other knows, where a header holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The headers, in lower case.
    names: &'static [&'static str],
    /// What is exchanged: authorities such as `127.0.0.1:3000`.
    known: Vec<String>,
    /// For what.
    other: String,
    /// What was exchanged last.
    last: Option<String>,
}

impl Address {
    /// In requests: the authorities by which clients reach us for that of the server.
    #[must_use]
    pub fn in_requests(ours: Vec<String>, server: impl Into<String>) -> Address {
        Address { names: &["host", "origin"], known: ours, other: server.into(), last: None }
    }

    /// In the responses: the server's for that by which the client has reached us.
    pub(super) fn way_back(&self) -> Option<Address> {
        let names = &["location", "access-control-allow-origin"];
        Some(Address { names, known: vec![self.other.clone()], other: self.last.clone()?, last: None })
    }

    /// May a line that has begun so turn out to hold an address?
    pub(super) fn may_be_in(&self, begun: &[u8]) -> bool {
        self.names.iter().any(|name| {
            let both = begun.len().min(name.len());
            let same =
                begun.get(..both).zip(name.as_bytes().get(..both)).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b));
            same && begun.get(name.len()).is_none_or(|b| *b == b':')
        })
    }

    /// The header line with the other address in place of the one it holds; `None` where it holds none.
    pub(super) fn exchanged(&mut self, line: &[u8]) -> Option<Vec<u8>> {
        let colon = line.iter().position(|b| *b == b':')?;
        let (name, value) = line.split_at_checked(colon + 1)?;
        let name_only = name.get(..colon)?;
        if !self.names.iter().any(|n| name_only.eq_ignore_ascii_case(n.as_bytes())) {
            return None;
        }
        let text = std::str::from_utf8(value).ok()?;
        let begin = text.len() - text.trim_start().len();
        let rest = text.get(begin..)?;
        // a bare authority is the whole value; in a URL it stands behind its scheme, up to the path
        let scheme = if rest.get(..7).is_some_and(|s| s.eq_ignore_ascii_case("http://")) { 7 } else { 0 };
        let authority = rest.get(scheme..)?;
        let end = authority.find(|c: char| "/?#".contains(c) || c.is_whitespace()).unwrap_or(authority.len());
        let (authority, behind) = authority.split_at_checked(end)?;
        if !self.known.iter().any(|known| known.eq_ignore_ascii_case(authority)) {
            return None;
        }
        self.last = Some(authority.to_owned());
        let before = text.get(..begin + scheme)?;
        Some([name, before.as_bytes(), self.other.as_bytes(), behind.as_bytes()].concat())
    }
}
