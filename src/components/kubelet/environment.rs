//! What the environment of a container says: its own variables, those of ConfigMaps and Secrets, and the Services.
//!
//! Follows `pkg/kubelet/kubelet_pods.go` (`makeEnvironmentVariables`) of Kubernetes 1.36.

use super::env_files::file_value;
use super::volumes::not_found;
use super::{Kubelet, PendingCall};
use crate::api::{Container, EnvValue, KeyReference, Kind, Name, Pod, Request, Target, Text};
use crate::components::cri::{Environment, PodKey};
use crate::components::message::Message;
use crate::engine::{Outbox, SimTime};
use std::collections::BTreeSet;

impl Kubelet {
    /// Reads, and from then on watches, the objects that the containers' environments need.
    pub(super) fn watch_environment(&mut self, now: SimTime, key: PodKey, pod: &Pod, out: &mut Outbox<Message>) {
        let namespace = pod.meta.namespace;
        let mut targets: Vec<Target> = Vec::new();
        for container in pod.spec.created_containers() {
            for (kind, name) in environment_objects(container) {
                targets.push(Target { kind, namespace, name });
            }
        }
        let pull_secrets = pod.spec.image_pull_secrets.iter().filter(|name| !name.is_empty());
        targets.extend(pull_secrets.map(|name| Target { kind: Kind::Secret, namespace, name: *name }));
        let mut asked: Vec<Target> = Vec::new();
        for target in targets {
            if asked.contains(&target) || self.objects.contains_key(&(target.kind, namespace, target.name)) {
                continue;
            }
            asked.push(target);
            let pending = PendingCall::Volume { key, volume: usize::MAX, target };
            self.call_api(now, Request::Get(target), pending, out);
        }
    }

    /// The environment of a container, resolved (`makeEnvironmentVariables`).
    /// Files say this that variables come from, in their order.
    pub(super) fn environment(
        &self,
        key: PodKey,
        pod: &Pod,
        container: &Container,
        files: &[Option<Text>],
    ) -> Result<Environment, Text> {
        let mut files = files.iter();
        let namespace = pod.meta.namespace;
        let services = self.services.variables(namespace, !pod.spec.no_service_links);
        let mut env: Vec<(Name, Text)> = Vec::new();
        for from in &container.env_from {
            let kind = if from.secret { Kind::Secret } else { Kind::ConfigMap };
            let data = self.object_data(kind, namespace, from.name);
            let Some(data) = data else {
                if from.optional {
                    continue;
                }
                return Err(not_found(kind, from.name));
            };
            for (name, value) in data {
                set(&mut env, Name::new(&format!("{}{name}", from.prefix)), value.clone());
            }
        }
        for variable in &container.env {
            let value = match &variable.value {
                EnvValue::Literal(text) => {
                    Some(expand_by(text, |name| Environment::value(&env, &services, name).cloned()))
                }
                EnvValue::Field(path) => Some(self.field(key, pod, path)),
                EnvValue::Resource(field) => Some(self.resource(pod, container.name, *field)),
                EnvValue::ConfigMapKey(reference) => self.key_value(Kind::ConfigMap, namespace, reference)?,
                EnvValue::SecretKey(reference) => self.key_value(Kind::Secret, namespace, reference)?,
                EnvValue::FileKey(reference) => file_value(pod, reference, files.next().and_then(Option::as_ref))?,
            };
            if let Some(value) = value {
                set(&mut env, variable.name, value);
            }
        }
        Ok(Environment { services, own: env.into() })
    }

    fn key_value(&self, kind: Kind, namespace: Name, reference: &KeyReference) -> Result<Option<Text>, Text> {
        let Some(data) = self.object_data(kind, namespace, reference.name) else {
            return if reference.optional { Ok(None) } else { Err(not_found(kind, reference.name)) };
        };
        match data.iter().find(|(key, _)| *key == reference.key) {
            Some((_, value)) => Ok(Some(value.clone())),
            None if reference.optional => Ok(None),
            None => {
                Err(format!("couldn't find key {} in {} {namespace}/{}", reference.key, kind.as_str(), reference.name)
                    .into())
            }
        }
    }
}

fn set(env: &mut Vec<(Name, Text)>, name: Name, value: Text) {
    match env.iter_mut().find(|(have, _)| *have == name) {
        Some((_, have)) => *have = value,
        None => env.push((name, value)),
    }
}

/// Replaces `$(VAR)` by variables.
pub(super) fn expand(text: &str, env: &[(Name, Text)]) -> Text {
    expand_by(text, |name| env.iter().find(|(have, _)| *have == name).map(|(_, value)| value.clone()))
}

/// A sub-path with its variables replaced; every one of them must have a value (`ExpandContainerVolumeMounts`).
pub(super) fn expanded_sub_path(text: &str, env: &Environment) -> Result<Name, Text> {
    let mut missing = BTreeSet::new();
    let expanded = expand_by(text, |name| {
        let value = env.get(name).cloned().unwrap_or_default();
        if value.is_empty() {
            missing.insert(name.to_owned());
        }
        Some(value)
    });
    if missing.is_empty() {
        return Ok(Name::new(&expanded));
    }
    let missing: Vec<String> = missing.into_iter().collect();
    Err(format!("missing value for {}", missing.join(", ")).into())
}

/// Replaces `$(VAR)` by what it stands for; `$$` stands for `$`, and what is not known stays
/// (`third_party/forked/golang/expansion`).
pub(super) fn expand_by(text: &str, mut value: impl FnMut(&str) -> Option<Text>) -> Text {
    if !text.contains('$') {
        return text.into();
    }
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        expanded.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            match value(name) {
                Some(value) => expanded.push_str(&value),
                None => {
                    expanded.push_str("$(");
                    expanded.push_str(name);
                    expanded.push(')');
                }
            }
            rest = after;
        } else {
            expanded.push('$');
        }
    }
    expanded.push_str(rest);
    expanded.into()
}

/// The ConfigMaps and Secrets that a container's variables come from.
pub(super) fn environment_objects(container: &Container) -> Vec<(Kind, Name)> {
    let kind = |secret| if secret { Kind::Secret } else { Kind::ConfigMap };
    let mut objects: Vec<(Kind, Name)> = container.env_from.iter().map(|from| (kind(from.secret), from.name)).collect();
    for variable in &container.env {
        match &variable.value {
            EnvValue::ConfigMapKey(reference) => objects.push((Kind::ConfigMap, reference.name)),
            EnvValue::SecretKey(reference) => objects.push((Kind::Secret, reference.name)),
            EnvValue::Literal(_) | EnvValue::Field(_) | EnvValue::Resource(_) | EnvValue::FileKey(_) => {}
        }
    }
    objects
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_expand_as_kubernetes_does() {
        let env = [(Name::new("A"), Text::from("1")), (Name::new("B"), Text::from("two"))];
        for (text, expanded) in [
            ("plain", "plain"),
            ("$(A)-$(B)", "1-two"),
            ("$(MISSING)", "$(MISSING)"),
            ("$$(A)", "$(A)"),
            ("$A $(A", "$A $(A"),
            ("x$", "x$"),
        ] {
            assert_eq!(&*expand(text, &env), expanded, "{text}");
        }
    }

    #[test]
    fn every_variable_of_a_sub_path_has_a_value() {
        // `TestExpandVolumeMountsWithSubpath`, in short.
        let own = [(Name::new("A"), Text::from("x")), (Name::new("E"), Text::default())];
        let env = Environment { own: own.into_iter().collect(), ..Environment::default() };
        for (text, expected) in
            [("logs/$(A)", Ok("logs/x")), ("$$(A)", Ok("$(A)")), ("$(B)/$(A)/$(E)", Err("missing value for B, E"))]
        {
            let expected = expected.map(Name::new).map_err(Text::from);
            assert_eq!(expanded_sub_path(text, &env), expected, "{text}");
        }
    }
}
