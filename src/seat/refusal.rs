//! An HTTP answer that is no MCP, in words.

use crate::trace::Text;

/// Of a body so much is quoted, in characters.
const QUOTED: usize = 200;

/// Can an answer with that status and these headers carry the answer to a request?
pub(crate) fn is_mcp(status: u16, headers: &[(String, String)]) -> bool {
    let content = header(headers, "content-type").unwrap_or_default();
    (200..300).contains(&status) && (content.contains("json") || content.contains("event-stream"))
}

/// Does it say that it is JSON?
pub(crate) fn is_json(headers: &[(String, String)]) -> bool {
    header(headers, "content-type").is_some_and(|content| content.contains("json"))
}

/// What it is, and what to do where that is known: `HTTP 404, text/html: Not Found`.
pub(crate) fn words(status: u16, headers: &[(String, String)], body: Option<&Text>) -> String {
    let content = header(headers, "content-type").unwrap_or("no content type");
    let text = body.map(|b| String::from_utf8_lossy(&b.bytes()).into_owned()).unwrap_or_default();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut words = format!("HTTP {status}, {content}");
    if !text.is_empty() {
        words.push_str(": ");
        words.extend(text.chars().take(QUOTED));
    }
    let advice = match status {
        300..=399 => {
            let to = header(headers, "location").map_or("nowhere".to_owned(), |to| to.chars().take(QUOTED).collect());
            Some(format!("it redirects to {to}, which is not followed; give the URL at which it answers"))
        }
        401 => {
            let wants = header(headers, "www-authenticate").unwrap_or("no WWW-Authenticate");
            let wants: String = wants.chars().take(QUOTED).collect();
            Some(format!("it wants a token ({wants}), and none is sent; test it without authorization"))
        }
        404 | 405 => Some("is that the URL of its MCP endpoint?".to_owned()),
        _ => None,
    };
    if let Some(advice) = advice {
        words.push_str("; ");
        words.push_str(&advice);
    }
    words
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_mcp_is_said_with_what_to_do() {
        let headers = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
        };
        let body = Text::of(b"<h1>Not\n Found</h1>");
        let html = headers(&[("Content-Type", "text/html")]);
        assert!(!is_mcp(200, &html));
        assert!(is_mcp(200, &headers(&[("content-type", "application/json")])));
        assert_eq!(
            words(404, &html, Some(&body)),
            "HTTP 404, text/html: <h1>Not Found</h1>; is that the URL of its MCP endpoint?"
        );
        let moved = words(301, &headers(&[("location", "/mcp/")]), None);
        assert!(moved.contains("redirects to /mcp/, which is not followed"), "{moved}");
        let token = words(401, &headers(&[("www-authenticate", "Bearer")]), None);
        assert!(token.contains("wants a token (Bearer)"), "{token}");
    }
}
