//! The formats of names, keys and values (`apimachinery/pkg/api/validate/content`, `pkg/util/validation`).

/// How the objects of a kind may be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum NameRule {
    /// Several labels with dots between them.
    Subdomain,
    /// One label without dots.
    Label,
    /// One label that begins with a letter.
    Label1035,
    /// Anything that can be a part of a URL's path.
    PathSegment,
    /// Made from others; not looked at.
    Any,
}

impl NameRule {
    /// What is wrong with a name.
    pub(super) fn check(self, name: &str) -> Vec<String> {
        match self {
            Self::Subdomain => subdomain(name),
            Self::Label => label(name),
            Self::Label1035 => label_1035(name),
            Self::PathSegment => path_segment(name),
            Self::Any => Vec::new(),
        }
    }
}

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const KEY: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

fn characters(most: usize) -> String {
    format!("must be no more than {most} bytes")
}

fn expected(what: &str, pattern: &str, examples: &[&str]) -> String {
    let examples: Vec<String> = examples.iter().map(|example| format!("'{example}', ")).collect();
    format!("{what} (e.g. {}regex used for validation is '{pattern}')", examples.join(" or "))
}

fn is_label(text: &str) -> bool {
    let is_inside = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    !text.is_empty() && text.bytes().all(is_inside) && !text.starts_with('-') && !text.ends_with('-')
}

/// RFC 1123 label.
pub(super) fn label(text: &str) -> Vec<String> {
    if is_label(text) && text.len() <= 63 {
        return Vec::new();
    }
    let mut wrong = Vec::new();
    if text.len() > 63 {
        wrong.push(characters(63));
    }
    if !is_label(text) {
        let is_subdomain = text.split('.').all(is_label);
        wrong.push(if is_subdomain {
            "must not contain dots".to_owned()
        } else {
            let what = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
                        and end with an alphanumeric character";
            expected(what, LABEL, &["my-name", "123-abc"])
        });
    }
    wrong
}

/// RFC 1123 subdomain.
pub(super) fn subdomain(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 253 {
        wrong.push(characters(253));
    }
    if !text.split('.').all(is_label) {
        let what = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
                    start and end with an alphanumeric character";
        wrong.push(expected(what, SUBDOMAIN, &["example.com"]));
    }
    wrong
}

/// The same, where a name may have underscores, as those of services do (`IsDNS1123SubdomainWithUnderscore`).
pub(super) fn subdomain_with_underscores(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 253 {
        wrong.push(characters(253));
    }
    let is_part = |part: &str| {
        let is_edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let part = part.strip_prefix('_').unwrap_or(part);
        part.starts_with(is_edge) && part.ends_with(is_edge) && part.chars().all(|c| is_edge(c) || c == '-' || c == '_')
    };
    if !text.split('.').all(is_part) {
        let what = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', \
                    and must start and end with an alphanumeric character";
        let part = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
        wrong.push(expected(what, &format!(r"{part}(\.{part})*"), &["example.com"]));
    }
    wrong
}

/// An address.
pub(super) fn address(text: &str) -> Vec<String> {
    match text.parse::<std::net::IpAddr>() {
        Ok(_) => Vec::new(),
        Err(_) => vec!["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)".to_owned()],
    }
}

/// RFC 1035 label.
pub(super) fn label_1035(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 63 {
        wrong.push(characters(63));
    }
    if !is_label(text) || !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        let what = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
                    character, and end with an alphanumeric character";
        wrong.push(expected(what, "[a-z]([-a-z0-9]*[a-z0-9])?", &["my-name", "abc-123"]));
    }
    wrong
}

fn path_segment(text: &str) -> Vec<String> {
    if text == "." || text == ".." {
        return vec![format!("may not be '{text}'")];
    }
    let inside = ["/", "%"].iter().filter(|part| text.contains(**part));
    inside.map(|part| format!("may not contain '{part}'")).collect()
}

fn is_key_name(text: &str) -> bool {
    let is_edge = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    is_edge(text.bytes().next())
        && is_edge(text.bytes().next_back())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c))
}

/// The key of a label, and what else is a qualified name.
pub(super) fn label_key(text: &str) -> Vec<String> {
    let name_expected = || {
        let what = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric \
                    character";
        expected(what, KEY, &["MyName", "my.name", "123-abc"])
    };
    let (prefix, name) = match text.split_once('/') {
        None => (None, text),
        Some((prefix, name)) if !name.contains('/') => (Some(prefix), name),
        Some(_) => {
            let optional = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
            return vec![format!("a valid label key {} {optional}", name_expected())];
        }
    };
    let mut wrong = Vec::new();
    match prefix {
        Some("") => wrong.push("prefix part must be non-empty".to_owned()),
        Some(prefix) => wrong.extend(subdomain(prefix).into_iter().map(|message| format!("prefix part {message}"))),
        None => {}
    }
    if name.is_empty() {
        wrong.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        wrong.push(format!("name part {}", characters(63)));
    }
    if !is_key_name(name) {
        wrong.push(format!("name part {}", name_expected()));
    }
    wrong
}

/// The value of a label.
pub(super) fn label_value(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 63 {
        wrong.push(characters(63));
    }
    if !text.is_empty() && !is_key_name(text) {
        let what = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
                    start and end with an alphanumeric character";
        wrong.push(expected(what, &format!("({KEY})?"), &["MyValue", "my_value", "12345"]));
    }
    wrong
}

/// The name of a port (IANA service name).
pub(super) fn port_name(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 15 {
        wrong.push("must be no more than 15 characters".to_owned());
    }
    let is_inside = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    if text.is_empty() || !text.bytes().all(is_inside) {
        wrong.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned());
    }
    if !text.bytes().any(|c| c.is_ascii_lowercase()) {
        wrong.push("must contain at least one letter (a-z)".to_owned());
    }
    if text.contains("--") {
        wrong.push("must not contain consecutive hyphens".to_owned());
    }
    if text.starts_with('-') || text.ends_with('-') {
        wrong.push("must not begin or end with a hyphen".to_owned());
    }
    wrong
}

/// The number of a port.
pub(super) fn port_number(port: i32) -> Vec<String> {
    if (1..=65535).contains(&port) { Vec::new() } else { vec![in_range(1, 65535)] }
}

/// `must be between …, inclusive`.
pub(super) fn in_range(low: i64, high: i64) -> String {
    format!("must be between {low} and {high}, inclusive")
}

/// The name of an environment variable; any printable text since 1.34.
pub(super) fn env_name(text: &str) -> Vec<String> {
    if text.bytes().all(|c| (b' '..=b'~').contains(&c) && c != b'=') {
        return Vec::new();
    }
    vec!["a valid environment variable name must consist only of printable ASCII characters other than '='".to_owned()]
}

/// What is said of a text that is no percentage (`IsValidPercent`).
pub(super) fn percent() -> String {
    let what = "a valid percent string must be a numeric string followed by an ending '%'";
    expected(what, "[0-9]+%", &["1%", "93%"])
}

/// The key of a ConfigMap or Secret.
pub(super) fn config_key(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 253 {
        wrong.push("must be no more than 253 characters".to_owned());
    }
    if text.is_empty() || !text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-._".contains(&c)) {
        let what = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
        wrong.push(expected(what, "[-._a-zA-Z0-9]+", &["key.name", "KEY_NAME", "key-name"]));
    }
    match text {
        "." | ".." => wrong.push(format!("must not be '{text}'")),
        _ if text.starts_with("..") => wrong.push("must not start with '..'".to_owned()),
        _ => {}
    }
    wrong
}

/// The name of a header.
pub(super) fn header_name(text: &str) -> Vec<String> {
    if !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-') {
        return Vec::new();
    }
    let what = "a valid HTTP header must consist of alphanumeric characters or '-'";
    vec![expected(what, "[-A-Za-z0-9]+", &["X-Header-Name"])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_those_of_the_server() {
        let long = "a".repeat(64);
        for (check, text, wrong) in [
            (label as fn(&str) -> Vec<String>, "web-1", ""),
            (label, "a.b", "must not contain dots"),
            (
                label,
                "Web",
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and \
                 end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
                 '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
            ),
            (label, &long, "must be no more than 63 bytes"),
            (subdomain, "a.b-c.d", ""),
            (
                subdomain,
                "a..b",
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
                 start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
                 '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
            ),
            (label_key, "example.com/My_Name", ""),
            (label_key, "/x", "prefix part must be non-empty"),
            (label_value, "", ""),
            (label_value, "x.y_z", ""),
            (port_name, "http", ""),
            (port_name, "80", "must contain at least one letter (a-z)"),
            (port_name, "a--b", "must not contain consecutive hyphens"),
            (env_name, "any thing!", ""),
            (config_key, "ok.conf", ""),
        ] {
            assert_eq!(check(text).join("; "), wrong, "{text}");
        }
    }
}
