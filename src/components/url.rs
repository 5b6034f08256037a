//! Addresses of pages.

use std::fmt;

/// An address of HTTP: `http://db:8080/health?deep=1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Whether it is `https`.
    pub secure: bool,
    /// Name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether the port is written out.
    pub shows_port: bool,
    /// Path and query.
    pub path: String,
}

impl Url {
    /// Reads an address; one without a scheme is `http`.
    pub fn parse(text: &str) -> Option<Self> {
        let (secure, rest) = match text.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            Some(_) => return None,
            None => (false, text),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let authority = authority.rsplit('@').next().unwrap_or(authority);
        let default = if secure { 443 } else { 80 };
        let (host, port) = match authority.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            Some((address, port)) => (address, port.strip_prefix(':')),
            None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
        };
        let shows_port = port.is_some();
        let port = port.map_or(Some(default), |port| port.parse().ok())?;
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        (!host.is_empty()).then(|| Self { secure, host: host.to_owned(), port, shows_port, path })
    }

    /// Where a redirect from here leads (RFC 3986, 5.2).
    pub fn join(&self, location: &str) -> Option<Self> {
        if location.contains("://") {
            return Self::parse(location);
        }
        if let Some(rest) = location.strip_prefix("//") {
            let scheme = if self.secure { "https" } else { "http" };
            return Self::parse(&format!("{scheme}://{rest}"));
        }
        let path = if location.starts_with('/') {
            location.to_owned()
        } else {
            let page = self.path.split('?').next().unwrap_or_default();
            let directory = page.rfind('/').map_or("/", |end| &page[..=end]);
            format!("{directory}{location}")
        };
        Some(Self { path, ..self.clone() })
    }

    /// Host and port as the Host header has them.
    pub fn authority(&self) -> String {
        if self.shows_port { format!("{}:{}", self.host, self.port) } else { self.host.clone() }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_come_apart() {
        for (text, expect) in [
            ("http://db", Some((false, "db", 80, "/"))),
            ("https://db/x?y=1", Some((true, "db", 443, "/x?y=1"))),
            ("db:8080/health", Some((false, "db", 8080, "/health"))),
            ("http://user:secret@db:81?q", Some((false, "db", 81, "/?q"))),
            ("http://[::1]:80/", Some((false, "::1", 80, "/"))),
            ("ftp://db", None),
            ("http://", None),
            ("http://db:x", None),
        ] {
            let url = Url::parse(text);
            let found = url.as_ref().map(|url| (url.secure, url.host.as_str(), url.port, url.path.as_str()));
            assert_eq!(found, expect, "{text}");
        }
    }

    #[test]
    fn redirects_are_relative_to_the_page() {
        for (from, location, to) in [
            ("http://10.0.0.1:80/a/b?c", "/x", "http://10.0.0.1:80/x"),
            ("http://10.0.0.1:80/a/b?c", "x?y", "http://10.0.0.1:80/a/x?y"),
            ("http://10.0.0.1:80/a", "http://10.0.0.1:81/z", "http://10.0.0.1:81/z"),
            ("https://db/", "//web/z", "https://web/z"),
        ] {
            assert_eq!(Url::parse(from).unwrap().join(location).unwrap().to_string(), to, "{from} and {location}");
        }
    }
}
