//! Headers as they came: ordered, with their case, found without regard to it.

/// The headers of a request or response.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// No headers.
    #[must_use]
    pub fn new() -> Headers {
        Headers::default()
    }

    /// Adds a header behind the others, also when the name is there already.
    pub fn append(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }

    /// Sets a header: the first of that name gets the value, others of that name go.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        let first = self.0.iter().position(|(n, _)| n.eq_ignore_ascii_case(name));
        self.remove(name);
        let at = first.unwrap_or(self.0.len());
        self.0.insert(at, (name.into(), value.into()));
    }

    /// Removes all headers of that name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
    }

    /// The value of the first header of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The values of all headers of that name, in their order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// All headers: name as it came, and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Headers {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(headers: T) -> Headers {
        Headers(headers.into_iter().map(|(n, v)| (n.into(), v.into())).collect())
    }
}

/// The media type of a body in lower case, without parameters.
#[must_use]
pub fn media_type(headers: &Headers) -> Option<String> {
    let value = headers.get("content-type")?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// Do the `Accept` headers allow that media type? Without any, everything is allowed. A range with `q=0` forbids, and the
/// most specific range decides.
#[must_use]
pub fn accepts(headers: &Headers, media: &str) -> bool {
    let (kind, _) = media.split_once('/').unwrap_or((media, ""));
    let mut best: Option<(u8, bool)> = None;
    let mut any = false;
    for range in headers.all("accept").flat_map(|v| v.split(',')) {
        any = true;
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let specific = match name.as_str() {
            n if n == media => 2,
            n if n.strip_suffix("/*") == Some(kind) => 1,
            "*/*" => 0,
            _ => continue,
        };
        let refused = parts
            .filter_map(|p| p.split_once('='))
            .any(|(k, v)| k.trim().eq_ignore_ascii_case("q") && v.trim().parse::<f32>() == Ok(0.0));
        if best.is_none_or(|(b, _)| specific > b) {
            best = Some((specific, !refused));
        }
    }
    best.map_or(!any, |(_, allowed)| allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &str) -> (bool, bool) {
        let headers = Headers::from_iter([("ACCEPT", value)]);
        (accepts(&headers, "application/json"), accepts(&headers, "text/event-stream"))
    }

    #[test]
    fn accept_ranges() {
        assert_eq!(accept("application/json, text/event-stream"), (true, true));
        assert_eq!(accept("application/json"), (true, false));
        assert_eq!(accept("Text/Event-Stream;q=0.5"), (false, true));
        assert_eq!(accept("*/*"), (true, true));
        assert_eq!(accept("text/*"), (false, true));
        assert_eq!(accept("*/*, text/event-stream; q=0"), (true, false));
        assert_eq!(accept("text/html"), (false, false));
        assert_eq!(accept(""), (false, false));
        assert!(accepts(&Headers::new(), "application/json"));
        let two = Headers::from_iter([("accept", "application/json"), ("Accept", "text/event-stream")]);
        assert!(accepts(&two, "text/event-stream"));
    }

    #[test]
    fn headers_keep_order_and_case_and_ignore_case() {
        let mut headers = Headers::from_iter([("X-A", "1"), ("x-b", "2"), ("x-a", "3")]);
        assert_eq!(headers.get("x-A"), Some("1"));
        assert_eq!(headers.all("X-a").collect::<Vec<_>>(), ["1", "3"]);
        headers.set("X-a", "4");
        headers.append("X-C", "5");
        assert_eq!(headers.iter().collect::<Vec<_>>(), [("X-a", "4"), ("x-b", "2"), ("X-C", "5")]);
        headers.remove("X-B");
        assert_eq!(headers.get("x-b"), None);
        headers.set("Content-Type", "Application/JSON; charset=utf-8");
        assert_eq!(media_type(&headers).as_deref(), Some("application/json"));
    }
}
