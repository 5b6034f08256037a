//! Who may do what: service accounts, roles and their bindings.
//!
//! Follows kubectl 1.36 `pkg/describe/describe.go` and `pkg/util/rbac/rbac.go`.

use super::Context;
use super::parts::{events_of, head, labels_and_annotations};
use super::writer::{Writer, put};
use crate::report::kubectl::fields::{Fields, name};
use crate::report::kubectl::go::list;
use serde_json::Value;

/// A service account.
pub fn service_account(w: &mut Writer, account: &Value, context: &Context<'_>) {
    head(w, account);
    let secrets: Vec<&str> = account.list("imagePullSecrets").iter().map(|secret| secret.text("name")).collect();
    let title = "Image pull secrets:";
    if secrets.is_empty() {
        put!(w, 0, "{title}\t<none>\n");
    }
    for (i, secret) in secrets.iter().enumerate() {
        put!(w, 0, "{}\t{secret}\n", if i == 0 { title.to_owned() } else { " ".repeat(title.len()) });
    }
    events_of(w, context, account);
}

/// A binding of a role.
pub fn role_binding(w: &mut Writer, binding: &Value, _: &Context<'_>) {
    put!(w, 0, "Name:\t{}\n", name(binding));
    labels_and_annotations(w, binding);
    put!(w, 0, "Role:\n");
    put!(w, 1, "Kind:\t{}\n", binding.text("roleRef.kind"));
    put!(w, 1, "Name:\t{}\n", binding.text("roleRef.name"));
    put!(w, 0, "Subjects:\n");
    put!(w, 1, "Kind\tName\tNamespace\n");
    put!(w, 1, "----\t----\t---------\n");
    for s in binding.list("subjects") {
        put!(w, 1, "{}\t{}\t{}\n", s.text("kind"), s.text("name"), s.text("namespace"));
    }
}

/// A role, each resource on a line.
pub fn role(w: &mut Writer, role: &Value, _: &Context<'_>) {
    put!(w, 0, "Name:\t{}\n", name(role));
    labels_and_annotations(w, role);
    put!(w, 0, "PolicyRule:\n");
    put!(w, 1, "Resources\tNon-Resource URLs\tResource Names\tVerbs\n");
    put!(w, 1, "---------\t-----------------\t--------------\t-----\n");
    for rule in compact(role.list("rules")) {
        let (urls, names, verbs) = (list(&rule.urls), list(&rule.names), list(&rule.verbs));
        put!(w, 1, "{}\t{urls}\t{names}\t{verbs}\n", rule.resource_and_group());
    }
}

/// A rule on at most one resource, resource name and URL.
#[derive(Debug, PartialEq, Eq)]
struct Rule<'a> {
    verbs: Vec<&'a str>,
    group: Option<&'a str>,
    resource: Option<&'a str>,
    names: Vec<&'a str>,
    urls: Vec<&'a str>,
}

impl Rule<'_> {
    fn resource_and_group(&self) -> String {
        let Some(resource) = self.resource else {
            return String::new();
        };
        let (head, sub) = resource.split_once('/').map_or((resource, None), |(head, sub)| (head, Some(sub)));
        let group = self.group.filter(|group| !group.is_empty()).map_or(String::new(), |group| format!(".{group}"));
        let sub = sub.map_or(String::new(), |sub| format!("/{sub}"));
        format!("{head}{group}{sub}")
    }

    /// The text by which rules are sorted.
    fn sort_key(&self) -> String {
        let one = |item: Option<&str>| item.map_or("[]".to_owned(), |item| format!("[{item}]"));
        let (verbs, names, urls) = (list(&self.verbs), list(&self.names), list(&self.urls));
        let (groups, resources) = (one(self.group), one(self.resource));
        format!("Verbs:{verbs},APIGroups:{groups},Resources:{resources},ResourceNames:{names},NonResourceURLs:{urls},")
    }
}

/// Breaks rules down and joins those that differ only in their verbs.
fn compact(rules: &[Value]) -> Vec<Rule<'_>> {
    let mut compacted: Vec<Rule<'_>> = Vec::new();
    for rule in rules.iter().flat_map(broken_down) {
        let same = compacted.iter_mut().find(|known| {
            rule.urls.is_empty()
                && (known.group, known.resource, &known.names, &known.urls)
                    == (rule.group, rule.resource, &rule.names, &rule.urls)
        });
        match same {
            Some(known) => rule.verbs.into_iter().for_each(|verb| {
                if !known.verbs.contains(&verb) {
                    known.verbs.push(verb);
                }
            }),
            None => compacted.push(rule),
        }
    }
    compacted.sort_by_cached_key(Rule::sort_key);
    compacted
}

fn broken_down(rule: &Value) -> Vec<Rule<'_>> {
    let mut rules = Vec::new();
    let names = rule.texts("resourceNames");
    let names: Vec<Vec<&str>> =
        if names.is_empty() { vec![vec![]] } else { names.into_iter().map(|name| vec![name]).collect() };
    for group in rule.texts("apiGroups") {
        for resource in rule.texts("resources") {
            for verb in rule.texts("verbs") {
                rules.extend(names.iter().map(|names| Rule {
                    verbs: vec![verb],
                    group: Some(group),
                    resource: Some(resource),
                    names: names.clone(),
                    urls: vec![],
                }));
            }
        }
    }
    for url in rule.texts("nonResourceURLs") {
        let verbs = rule.texts("verbs").into_iter();
        rules.extend(verbs.map(|verb| Rule {
            verbs: vec![verb],
            group: None,
            resource: None,
            names: vec![],
            urls: vec![url],
        }));
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rules_are_joined_by_resource() {
        let rules = json!([
            {"apiGroups": ["", "apps"], "resources": ["pods/log"], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["list", "get"]},
            {"nonResourceURLs": ["/healthz"], "verbs": ["get"]},
        ]);
        let lines: Vec<String> = compact(rules.as_array().expect("a list"))
            .iter()
            .map(|rule| format!("{} {} {}", rule.resource_and_group(), list(&rule.urls), list(&rule.verbs)))
            .collect();
        assert_eq!(lines, ["pods/log [] [get list]", " [/healthz] [get]", "pods.apps/log [] [get]"]);
    }
}
