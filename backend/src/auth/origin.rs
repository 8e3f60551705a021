//! A page's origin: scheme, host and port (RFC 6454), in the one spelling that browsers send.

use std::fmt;

use url::Url;

/// For instance `https://blog.example` or `http://127.0.0.1:8080`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin(String);

impl Origin {
    /// Reads an origin: `http` or `https`, a host, a port unless it is the scheme's own, nothing else (a final slash is
    /// let pass). `null`, which sandboxed pages send, is no origin.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > 255 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let url = Url::parse(text).ok()?;
        let bare = url.username().is_empty()
            && url.password().is_none()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            // `%2a` would be a `*` in the end; no browser spells a host so.
            && !text.contains(['@', '?', '#', '*', '%', '\\']);
        let web = matches!(url.scheme(), "http" | "https") && url.has_host();
        (bare && web).then(|| Self(url.origin().ascii_serialization()))
    }

    /// The origin's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The origin's text, owned.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_origin_has_one_spelling() {
        for (text, expect) in [
            ("https://blog.example", "https://blog.example"),
            ("https://blog.example/", "https://blog.example"),
            ("HTTPS://Blog.Example:443", "https://blog.example"),
            ("http://blog.example:80", "http://blog.example"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(
                Origin::parse(text).as_ref().map(Origin::as_str),
                Some(expect),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "",
            "null",
            "*",
            "https://*.example",
            "https://%2a.example",
            "https://xn--bch%2ak.example",
            "blog.example",
            "https://",
            "https://a.example/path",
            "https://a.example?x",
            "https://user@a.example",
            "https://a.example#x",
            "file:///x",
            "data:text/html,x",
            "javascript:x",
            "https://a.example, https://b.example",
            "https://a.example https://b.example",
            "https://ä.example",
            "https://a.example\\@b.example",
            "https://a.example:99999",
            "ftp://a.example",
        ] {
            assert_eq!(Origin::parse(text), None, "{text}");
        }
    }
}
