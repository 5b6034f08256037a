//! Names that a cluster makes up, replaced by the place of their owner, and the words of events without what differs
//! from run to run.

use regex_lite::Regex;
use serde_json::Value;
use std::collections::BTreeMap;

/// The canonical name of every object of a recording.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    known: BTreeMap<(String, String), String>,
    /// Names that differ from their canonical form, the longest first.
    made_up: Vec<(String, String)>,
}

/// What is written of an object in every line.
const OTHER: [&str; 4] = ["event", "meta", "action", "cri"];

impl Names {
    /// The names of a recording's lines.
    pub(super) fn of(lines: &[Value]) -> Self {
        let kind = |line: &Value| text(&line["kind"]).to_owned();
        let mut added: Vec<&Value> =
            lines.iter().filter(|line| line["type"] == "ADDED" && !OTHER.contains(&text(&line["kind"]))).collect();
        // Owners first.
        added.sort_by_key(|line| (line["kind"] == "pod", line["kind"] != "cronjob"));
        let mut names = Self::default();
        let mut order: Vec<(String, String)> = Vec::new();
        let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
        for line in added {
            let (kind, name) = (kind(line), text(&line["name"]).to_owned());
            if names.known.contains_key(&(kind.clone(), name.clone())) {
                continue;
            }
            let owner = text(&line["owners"][0]);
            let canonical = match owner.split_once('/') {
                None => name.clone(),
                Some(("StatefulSet" | "Node", _)) => name.clone(),
                Some((owner_kind, owner)) => {
                    let owner = names.canonical(owner_kind, owner).to_owned();
                    if kind == "pod" {
                        format!("{owner}/*")
                    } else {
                        let count = seen.entry((owner.clone(), kind.clone())).or_default();
                        *count += 1;
                        format!("{owner}/{kind}{}", *count - 1)
                    }
                }
            };
            if canonical != name {
                order.push((name.clone(), canonical.clone()));
            }
            names.known.insert((kind, name), canonical);
        }
        order.sort_by_key(|(name, _)| std::cmp::Reverse(name.chars().count()));
        names.made_up = order;
        names
    }

    /// The canonical name of an object.
    pub(super) fn canonical<'a>(&'a self, kind: &str, name: &'a str) -> &'a str {
        self.known.get(&(kind.to_lowercase(), name.to_owned())).map_or(name, String::as_str)
    }
}

/// The patterns of what differs from run to run, and what stands for them.
#[derive(Debug)]
pub(super) struct Words {
    patterns: Vec<(Regex, &'static str)>,
}

impl Default for Words {
    fn default() -> Self {
        let patterns = [
            (r"^(Successfully assigned \S+ to) .*", "$1 <node>"),
            (r"[0-9]+(\.[0-9]+)?(ms|µs|us|s)\b(\s*\([^)]*including waiting\))?", "<dur>"),
            (r"\b(10|127|172|192)\.[0-9]+\.[0-9]+\.[0-9]+\b", "<ip>"),
            (r"<ip>:[0-9]+->", "<ip>:<port>->"),
            (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<uid>"),
            (r"Image size: [0-9]+ bytes", "Image size: <n> bytes"),
            (r"\(([0-9a-f]{8})\)", "(<uid>)"),
        ];
        let compile = |(pattern, to)| (Regex::new(pattern).expect("the pattern is well-formed"), to);
        Self { patterns: patterns.map(compile).into() }
    }
}

impl Words {
    /// A message without what differs from run to run.
    pub(super) fn normal(&self, message: &str, names: &Names) -> String {
        let mut message = message.to_owned();
        for (real, canonical) in &names.made_up {
            message = message.replace(real.as_str(), canonical);
            message = pods_never_admitted(&message, canonical);
        }
        for (pattern, to) in &self.patterns {
            if pattern.is_match(&message) {
                message = pattern.replace_all(&message, *to).into_owned();
            }
        }
        message
    }
}

/// An owner's name with a random suffix is one of its pods, also if it was never admitted.
fn pods_never_admitted(message: &str, owner: &str) -> String {
    let mut out = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(at) = rest.find(owner) {
        let (before, after) = rest.split_at(at + owner.len());
        out.push_str(before);
        let suffix = after.strip_prefix('-').map_or(&[][..], str::as_bytes);
        let random = suffix.len() >= 5 && suffix[..5].iter().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let ends = suffix.get(5).is_none_or(|c| !c.is_ascii_alphanumeric() && *c != b'_' && c.is_ascii());
        rest = if random && ends {
            out.push_str("/*");
            &after[6..]
        } else {
            after
        };
    }
    out + rest
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_lose_what_chance_put_there() {
        let lines = [
            json!({"kind": "pod", "type": "ADDED", "name": "web-5d4f8-abcde", "owners": ["ReplicaSet/web-5d4f8"]}),
            json!({"kind": "replicaset", "type": "ADDED", "name": "web-5d4f8", "owners": ["Deployment/web"]}),
            json!({"kind": "deployment", "type": "ADDED", "name": "web"}),
        ];
        let (names, words) = (Names::of(&lines), Words::default());
        assert_eq!(names.canonical("Pod", "web-5d4f8-abcde"), "web/replicaset0/*");
        let cases = [
            ("Created pod: web-5d4f8-zzzzz", "Created pod: web/replicaset0/*"),
            ("Successfully assigned default/a to node-7", "Successfully assigned default/a to <node>"),
            (
                "pulled in 1.204s (3.5s including waiting). Image size: 12 bytes.",
                "pulled in <dur>. Image size: <n> bytes.",
            ),
            ("dial tcp 10.1.2.3:80: 10.1.2.3:4242->10.0.0.1:80", "dial tcp <ip>:80: <ip>:<port>-><ip>:80"),
            ("a_default(0b5e2cbd-8c0e-4b50-a1d2-0c8fdcf8a9a1)", "a_default(<uid>)"),
        ];
        for (message, expected) in cases {
            assert_eq!(words.normal(message, &names), expected);
        }
    }
}
