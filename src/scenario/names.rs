//! Names in a scenario: objects as kubectl takes them, and the pods and objects that its manifests can make.

use super::error::suggestion;
use crate::api::{Kind, Name, Object, PodSpec};
use serde_json::Value;
use std::collections::BTreeSet;

/// Kinds by their short names.
const SHORT: [(&str, Kind); 18] = [
    ("cj", Kind::CronJob),
    ("cm", Kind::ConfigMap),
    ("deploy", Kind::Deployment),
    ("ds", Kind::DaemonSet),
    ("ev", Kind::Event),
    ("hpa", Kind::HorizontalPodAutoscaler),
    ("limits", Kind::LimitRange),
    ("no", Kind::Node),
    ("ns", Kind::Namespace),
    ("pc", Kind::PriorityClass),
    ("pdb", Kind::PodDisruptionBudget),
    ("po", Kind::Pod),
    ("pv", Kind::PersistentVolume),
    ("pvc", Kind::PersistentVolumeClaim),
    ("quota", Kind::ResourceQuota),
    ("rc", Kind::ReplicationController),
    ("rs", Kind::ReplicaSet),
    ("sts", Kind::StatefulSet),
];

/// A kind by any name that kubectl takes: `pod`, `pods`, `po`, `Pod`, `deployments.apps`.
///
/// # Errors
/// What was found and what would do.
pub(super) fn kind(text: &str) -> Result<Kind, (String, String)> {
    let word = text.to_lowercase();
    let word = word.split('.').next().unwrap_or_default();
    let typed = || Kind::ALL.iter().copied().filter(|kind| *kind != Kind::Other);
    let full = typed().find(|kind| kind.as_str().to_lowercase() == word || kind.plural() == word);
    let short = || SHORT.iter().find(|(short, _)| *short == word).map(|(_, kind)| *kind);
    let service = || (word == "svc").then_some(Kind::Service).or((word == "sa").then_some(Kind::ServiceAccount));
    full.or_else(short).or_else(service).ok_or_else(|| {
        let known: Vec<String> = typed().map(|kind| kind.as_str().to_lowercase()).collect();
        (format!("the kind {text:?}"), suggestion(word, known.iter().map(String::as_str)))
    })
}

/// An object as kubectl takes it: `pod/web`.
///
/// # Errors
/// What was found and what would do.
pub(crate) fn object(text: &str) -> Result<(Kind, &str), (String, String)> {
    let named = |(kind, name): &(&str, &str)| !kind.is_empty() && !name.is_empty() && !name.contains('/');
    let Some((kind_text, name)) = text.split_once('/').filter(named) else {
        return Err((format!("the object {text:?}"), "write kind/name, such as deployment/web".to_owned()));
    };
    Ok((kind(kind_text)?, name))
}

/// What the manifests and actions of a scenario can make.
#[derive(Debug, Clone, Default)]
pub(super) struct Makeable {
    /// Namespace and name of pods, `*` where something is generated; and their containers.
    pods: BTreeSet<(Name, String, Vec<Name>)>,
    /// Kind, namespace and name of the objects written in manifests.
    objects: BTreeSet<(Kind, Name, Name)>,
    nodes: BTreeSet<Name>,
    /// Namespace and name of whoever sends requests.
    traffic: BTreeSet<(Name, Name)>,
    /// What patches name: containers may be among it.
    patched: BTreeSet<String>,
}

impl Makeable {
    /// Somebody who sends requests.
    pub(super) fn add_traffic(&mut self, namespace: Name, name: Name) {
        self.traffic.insert((namespace, name));
    }

    /// Checks that somebody of a name, perhaps a pattern, sends requests.
    pub(super) fn check_traffic(&self, name: &str) -> Result<(), (String, String)> {
        if self.traffic.iter().any(|(_, have)| may_match(name, have)) {
            return Ok(());
        }
        let known = self.traffic.iter().map(|(_, have)| have.as_str());
        Err((format!("the traffic {name:?}, which nobody sends"), suggestion(name, known)))
    }

    /// A patch, which may bring containers.
    pub(super) fn add_patch(&mut self, patch: &Value) {
        match patch {
            Value::Object(fields) => {
                self.patched.extend(fields.get("name").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| self.add_patch(value));
            }
            Value::Array(elements) => elements.iter().for_each(|value| self.add_patch(value)),
            _ => {}
        }
    }

    pub(super) fn add_node(&mut self, name: Name) {
        self.nodes.insert(name);
    }

    /// An object that is created or applied.
    pub(super) fn add(&mut self, object: &Object) {
        let meta = object.meta();
        self.objects.insert((object.kind(), meta.namespace, meta.name));
        if object.kind() == Kind::Node {
            self.nodes.insert(meta.name);
        }
        if let Some((pattern, spec)) = pods_of(object) {
            self.add_pods(meta.namespace, pattern, spec);
        }
    }

    /// A static pod: its name is that of its manifest and of its node.
    pub(super) fn add_static(&mut self, pod: &Object, node: &str) {
        if let Object::Pod(pod) = pod {
            self.add_pods(pod.meta.namespace, format!("{}-{node}", pod.meta.name), &pod.spec);
        }
    }

    fn add_pods(&mut self, namespace: Name, pattern: String, spec: &PodSpec) {
        let containers = spec.created_containers().map(|container| container.name).collect();
        self.pods.insert((namespace, pattern, containers));
    }

    /// Checks that a node of a name, perhaps a pattern, can be there.
    pub(super) fn check_node(&self, name: &str) -> Result<(), (String, String)> {
        if self.nodes.iter().any(|node| may_match(name, node)) {
            return Ok(());
        }
        let known = self.nodes.iter().map(|node| node.as_str());
        Err((format!("the node {name:?}, which is in no pool"), suggestion(name, known)))
    }

    /// Checks that a pod of a name, perhaps a pattern, can be made.
    pub(super) fn check_pod(&self, namespace: Option<&str>, name: &str) -> Result<(), (String, String)> {
        let within = |have: &Name| namespace.is_none_or(|wanted| may_match(wanted, have));
        if self.pods.iter().any(|(have, pattern, _)| within(have) && may_match(name, pattern)) {
            return Ok(());
        }
        let known: BTreeSet<&str> = self.pods.iter().map(|(_, pattern, _)| pattern.as_str()).collect();
        Err((format!("the pod {name:?}, which no manifest makes"), suggestion(name, known)))
    }

    /// Checks that pods of a name have a container.
    pub(super) fn check_container(
        &self,
        namespace: Option<&str>,
        pod: &str,
        name: &str,
    ) -> Result<(), (String, String)> {
        self.check_pod(namespace, pod)?;
        let pods = self.pods.iter().filter(|(_, pattern, _)| may_match(pod, pattern));
        let known: BTreeSet<&str> = pods.flat_map(|(_, _, containers)| containers).map(|name| name.as_str()).collect();
        let patched = self.patched.iter().map(String::as_str);
        if known.iter().copied().chain(patched).any(|container| may_match(name, container)) {
            return Ok(());
        }
        Err((format!("the container {name:?}, which the pod does not have"), suggestion(name, known)))
    }

    /// Checks that the pods of an object have a container, if it is known what they have.
    pub(super) fn check_container_of(
        &self,
        kind: Kind,
        namespace: Option<&str>,
        object: &str,
        container: &str,
    ) -> Result<(), (String, String)> {
        let pattern = pod_pattern(kind, object);
        if container == "*" || self.check_pod(namespace, &pattern).is_err() {
            return Ok(());
        }
        self.check_container(namespace, &pattern, container)
    }

    /// Checks that an object is written somewhere, if it is of a kind that nobody else makes.
    pub(super) fn check_object(&self, kind: Kind, namespace: Option<&str>, name: &str) -> Result<(), (String, String)> {
        match kind {
            Kind::Pod => return self.check_pod(namespace, name),
            Kind::Node => return self.check_node(name),
            Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet | Kind::CronJob => {}
            _ => return Ok(()),
        }
        if self.objects.iter().any(|(have, _, named)| *have == kind && may_match(name, named)) {
            return Ok(());
        }
        let known: BTreeSet<&str> =
            self.objects.iter().filter(|(have, _, _)| *have == kind).map(|(_, _, name)| name.as_str()).collect();
        Err((format!("the {kind} {name:?}, which no manifest makes"), suggestion(name, known)))
    }
}

/// The pods that an object makes: their names, `*` where something is generated.
fn pods_of(object: &Object) -> Option<(String, &PodSpec)> {
    let meta = object.meta();
    let named = || pod_pattern(object.kind(), &meta.name);
    let (pattern, spec) = match object {
        Object::Pod(pod) if meta.name.is_empty() => (format!("{}*", meta.generate_name), &pod.spec),
        Object::Pod(pod) => return Some((meta.name.to_string(), &pod.spec)),
        Object::ReplicaSet(set) => (named(), &set.spec.template.spec),
        Object::ReplicationController(set) => (named(), &set.spec.template.spec),
        Object::Deployment(deployment) => (named(), &deployment.spec.template.spec),
        Object::StatefulSet(set) => (named(), &set.spec.template.spec),
        Object::DaemonSet(set) => (named(), &set.spec.template.spec),
        Object::Job(job) => {
            let name = format!("{}{}", meta.name, generated(meta.generate_name));
            (pod_pattern(Kind::Job, &name), &job.spec.template.spec)
        }
        Object::CronJob(job) => (named(), &job.spec.job.template.spec),
        _ => return None,
    };
    Some((pattern, spec))
}

/// The names of the pods of an object of a kind: `*` where something is generated.
fn pod_pattern(kind: Kind, name: &str) -> String {
    match kind {
        Kind::Pod => name.to_owned(),
        Kind::Deployment | Kind::CronJob => format!("{name}-*-*"),
        _ => format!("{name}-*"),
    }
}

/// A generated part of a name.
fn generated(base: Name) -> String {
    if base.is_empty() { String::new() } else { format!("{base}*") }
}

/// Whether some text matches both of two patterns of `*`, `?` and `[…]`.
pub(super) fn may_match(a: &str, b: &str) -> bool {
    let (a, b) = (tokens(a), tokens(b));
    // Row by row: which beginnings of `b` have a text in common with a beginning of `a`.
    let mut row: Vec<bool> = (0..=b.len()).map(|n| b[..n].iter().all(|token| *token == Token::Many)).collect();
    for token in &a {
        let mut next = vec![*token == Token::Many && row[0]];
        for (place, other) in b.iter().enumerate() {
            // A star takes nothing of the other side, or one more token of it.
            let meets = match (token, other) {
                (Token::Many, _) | (_, Token::Many) => row[place + 1] || next[place],
                (Token::Char(a), Token::Char(b)) => a == b && row[place],
                (Token::One, _) | (_, Token::One) => row[place],
            };
            next.push(meets);
        }
        row = next;
    }
    row[b.len()]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Char(char),
    One,
    Many,
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        tokens.push(match c {
            '*' => Token::Many,
            '?' => Token::One,
            '[' => {
                let mut inside = rest.clone();
                if inside.any(|c| c == ']') {
                    rest = inside;
                }
                Token::One
            }
            c => Token::Char(c),
        });
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::lower;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn objects_are_named_as_kubectl_takes_them() {
        for (text, expected) in [
            ("pod/web", Ok((Kind::Pod, "web"))),
            ("deploy/web", Ok((Kind::Deployment, "web"))),
            ("deployments.apps/web", Ok((Kind::Deployment, "web"))),
            ("Service/a", Ok((Kind::Service, "a"))),
            ("svc/a", Ok((Kind::Service, "a"))),
            ("deploiment/web", Err("did you mean deployment?")),
            ("web", Err("write kind/name")),
            ("pod/", Err("write kind/name")),
        ] {
            match (object(text), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err((_, remedy)), Err(words)) => assert!(remedy.contains(words), "{remedy}"),
                (found, expected) => panic!("{text}: {found:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn patterns_meet_where_a_text_matches_both() {
        for (a, b, expected) in [
            ("web", "web", true),
            ("web", "wed", false),
            ("web-*", "web-*-*", true),
            ("web-abc-de", "web-*-*", true),
            ("web", "web-*-*", false),
            ("*", "", true),
            ("?", "", false),
            ("a*c", "*b*", true),
            ("a[xy]c", "abc", true),
            ("db-0", "web-*", false),
            ("*-0", "web-*", true),
        ] {
            assert_eq!((may_match(a, b), may_match(b, a)), (expected, expected), "{a} {b}");
        }
    }

    #[test]
    fn names_that_nothing_makes_are_told_apart() {
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "app", "image": "i"}]}}}});
        let mut makeable = Makeable::default();
        makeable.add(&lower(&deployment).expect("a Deployment").object);
        makeable.add_node("node-1".into());
        assert!(makeable.check_pod(None, "web-5d-x").is_ok());
        assert!(makeable.check_container(None, "web-*", "app").is_ok());
        assert!(makeable.check_container_of(Kind::Deployment, None, "web", "app").is_ok());
        assert!(makeable.check_container_of(Kind::Deployment, None, "web", "*").is_ok());
        assert!(makeable.check_object(Kind::ConfigMap, None, "any").is_ok());
        for (checked, words) in [
            (makeable.check_pod(None, "wbe-*"), "write web-*-*"),
            (makeable.check_pod(Some("other"), "web-*"), "no manifest makes"),
            (makeable.check_container(None, "web-*", "ap"), "did you mean app?"),
            (makeable.check_container_of(Kind::Deployment, None, "web", "ap"), "did you mean app?"),
            (makeable.check_node("node-2"), "did you mean node-1?"),
            (makeable.check_object(Kind::Deployment, None, "wep"), "did you mean web?"),
        ] {
            let (found, remedy) = checked.expect_err("nothing makes it");
            assert!(format!("{found}; {remedy}").contains(words), "{found}; {remedy}");
        }
    }

    proptest! {
        #[test]
        fn a_text_that_a_pattern_matches_may_match_it(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            let pattern_matches = glob::Pattern::new(&pattern).is_ok_and(|glob| glob.matches(&text));
            if !pattern.contains("**") {
                prop_assert_eq!(may_match(&pattern, &text), pattern_matches);
            }
        }
    }
}
