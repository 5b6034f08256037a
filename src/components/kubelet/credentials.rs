//! Who may use an image that this kubelet pulled: everybody, or the pods with a secret that it was pulled with.
//!
//! Follows `pkg/kubelet/images/pullmanager/image_pull_manager.go` (`MustAttemptImagePull`, `RecordImagePulled`) with
//! the policy `NeverVerifyPreloadedImages`, and `pkg/credentialprovider/keyring.go` of Kubernetes 1.36. An image is
//! known by its name here. Left out: credentials of nodes and of service accounts.

use super::Kubelet;
use super::images::split_domain;
use crate::api::{FastMap, Kind, Name, Object, Secret, Uid};
use crate::components::cri::PodKey;
use glob::Pattern;
use serde_json::Value;

/// Where the credentials of Docker Hub may be found, too.
const DEFAULT_REGISTRY: &str = "index.docker.io";

/// What an image is pulled with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Credential {
    secret: Uid,
    login: String,
}

impl Credential {
    /// Either the same secret, or the same content of another.
    fn opens_what(&self, other: &Self) -> bool {
        self.secret == other.secret || self.login == other.login
    }
}

/// Who may use an image.
#[derive(Debug, Clone)]
enum Access {
    Everybody,
    Holders(Vec<Credential>),
}

/// The images that this kubelet pulled, as its disk keeps them.
#[derive(Debug, Clone, Default)]
pub(super) struct PulledImages(FastMap<Name, Access>);

impl PulledImages {
    /// An image was pulled, with a credential or without any.
    pub(super) fn record(&mut self, image: Name, credential: Option<Credential>) {
        let Some(credential) = credential else {
            self.0.insert(image, Access::Everybody);
            return;
        };
        match self.0.entry(image).or_insert_with(|| Access::Holders(Vec::new())) {
            Access::Everybody => {}
            Access::Holders(known) if known.contains(&credential) => {}
            Access::Holders(known) => known.push(credential),
        }
    }
}

impl Kubelet {
    /// Whether a pod may use an image that is there.
    pub(super) fn may_use(&mut self, key: PodKey, image: Name) -> bool {
        let holders = match self.images.pulled.0.get(&image) {
            // What was there before is everybody's, unless it is just being pulled.
            None => return !self.images.is_pulling(image),
            Some(Access::Everybody) => return true,
            Some(Access::Holders(holders)) => holders,
        };
        let mut mine = self.credentials(key, image).into_iter();
        let found = mine.find(|credential| holders.iter().any(|holder| holder.opens_what(credential)));
        let may = found.is_some();
        if may {
            self.images.pulled.record(image, found);
        }
        may
    }

    /// The credentials that a pod's secrets have for an image, in the order in which they are tried.
    pub(super) fn credentials(&self, key: PodKey, image: Name) -> Vec<Credential> {
        let Some(pod) = self.pods.get(&key).map(|state| &state.pod) else { return Vec::new() };
        let secrets = pod.spec.image_pull_secrets.iter().filter_map(|name| {
            match self.objects.get(&(Kind::Secret, pod.meta.namespace, *name)) {
                Some(Some(Object::Secret(secret))) => Some(&**secret),
                _ => None,
            }
        });
        let all: Vec<(String, Credential)> = secrets.flat_map(logins).collect();
        if all.is_empty() {
            return Vec::new();
        }
        let (domain, path) = split_domain(&image);
        let path = path.split(['@', ':']).next().unwrap_or_default();
        let repository = format!("{domain}/{path}");
        let mut mine: Vec<_> = all.iter().filter(|(registry, _)| covers(registry, &repository)).collect();
        if mine.is_empty() && domain == super::images::HUB {
            mine.extend(all.iter().filter(|(registry, _)| registry == DEFAULT_REGISTRY));
        }
        mine.sort_by(|(one, _), (other, _)| other.cmp(one));
        mine.into_iter().map(|(_, credential)| credential.clone()).collect()
    }
}

/// The registries of a secret of either type, and what it has for them.
fn logins(secret: &Secret) -> Vec<(String, Credential)> {
    let of_key = |key: &str| {
        let (_, text) = secret.data.iter().find(|(have, _)| *have == key)?;
        serde_json::from_str::<Value>(text).ok()
    };
    let config = of_key(".dockerconfigjson").map(|mut config| config["auths"].take()).or_else(|| of_key(".dockercfg"));
    let Some(Value::Object(registries)) = config else { return Vec::new() };
    let login = |entry: &Value| {
        let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
        if text("auth").is_empty() { format!("{}:{}", text("username"), text("password")) } else { text("auth") }
    };
    let uid = secret.meta.uid;
    registries.iter().map(|(name, entry)| (registry(name), Credential { secret: uid, login: login(entry) })).collect()
}

/// A registry without scheme, and without a path that only names a version of its API.
fn registry(name: &str) -> String {
    let name = name.strip_prefix("https://").or_else(|| name.strip_prefix("http://")).unwrap_or(name);
    let (host, path) = name.split_once('/').unwrap_or((name, ""));
    let path = path.strip_prefix("v1/").or_else(|| path.strip_prefix("v2/")).unwrap_or(path);
    if path.is_empty() { host.to_owned() } else { format!("{host}/{path}") }
}

/// Whether a registry, perhaps with patterns in its host, is that of a repository (`URLsMatch`).
fn covers(registry: &str, repository: &str) -> bool {
    let split = |text: &str| {
        let (host, path) = text.split_once('/').unwrap_or((text, ""));
        let (name, port) = host.split_once(':').unwrap_or((host, ""));
        let parts: Vec<String> = name.split('.').map(str::to_owned).collect();
        (parts, port.to_owned(), path.to_owned())
    };
    let ((pattern, port, path), (name, wanted_port, wanted)) = (split(registry), split(repository));
    port == wanted_port
        && pattern.len() == name.len()
        && wanted.starts_with(&path)
        && pattern.iter().zip(&name).all(|(part, name)| Pattern::new(part).is_ok_and(|part| part.matches(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_cover_repositories() {
        // `TestURLsMatch` and `TestDockerKeyringForGlob`.
        for (name, repository, covered) in [
            ("https://r.example/v2/", "r.example/x", true),
            ("r.example", "r.example:5000/x", false),
            ("*.example", "r.example/team/x", true),
            ("*.example", "a.r.example/x", false),
            ("http://r.example/team", "r.example/team/x", true),
            ("r.example/team", "r.example/other", false),
            ("https://index.docker.io/v1/", "docker.io/library/nginx", false),
        ] {
            assert_eq!(covers(&registry(name), repository), covered, "{name} {repository}");
        }
    }
}
