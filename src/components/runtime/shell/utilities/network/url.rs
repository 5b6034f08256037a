//! Addresses of HTTP servers.

use super::super::super::request::Query;

#[derive(Debug, Clone)]
pub(super) struct Url {
    pub secure: bool,
    pub host: String,
    pub port: u16,
    pub path: String,
}

impl Url {
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
        let port = port.map_or(Some(default), |port| port.parse().ok())?;
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        (!host.is_empty()).then(|| Self { secure, host: host.to_owned(), port, path })
    }

    pub fn query(&self, method: &str) -> Query {
        Query::Http {
            method: method.to_owned(),
            secure: self.secure,
            host: self.host.clone(),
            port: self.port,
            path: self.path.clone(),
        }
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
}
