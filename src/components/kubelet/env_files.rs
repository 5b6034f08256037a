//! Variables whose values stand in files of volumes (`fileKeyRef`): read when a container is created.
//!
//! Follows `pkg/kubelet/kubelet_pods.go` (`makeEnvironmentVariables`) and `pkg/kubelet/util/env/env_util.go`
//! (`ParseEnv`) of Kubernetes 1.36, where the gate EnvFiles is on by default. What a file says the kubelet asks the
//! cluster, which has the volumes.

use super::{Kubelet, KubeletMessage};
use crate::api::{Container, EnvValue, FileKeyReference, Name, Pod, Text, VolumeSource};
use crate::components::cri::{PodKey, VolumeKey};
use crate::components::message::Message;
use crate::engine::{Outbox, SimTime};

/// The variables of a container that come from files.
pub(super) fn file_keys(container: &Container) -> impl Iterator<Item = &FileKeyReference> {
    container.env.iter().filter_map(|variable| match &variable.value {
        EnvValue::FileKey(reference) => Some(reference),
        _ => None,
    })
}

impl Kubelet {
    /// The files that the container needs that a pod's worker is about to create: the cluster tells what they say.
    pub fn env_files(&mut self, key: PodKey, turn: u32) -> Vec<Option<(VolumeKey, Name)>> {
        let Some((pod, item)) = self.creating(key, turn) else { return Vec::new() };
        let container = item.container(&pod);
        let file = |reference: &FileKeyReference| Some((self.volume_key(key, &pod, reference.volume)?, reference.path));
        file_keys(container).map(file).collect()
    }

    /// The cluster has told: the container is created.
    pub fn env_files_read(
        &mut self,
        now: SimTime,
        (key, turn): (PodKey, u32),
        files: &[Option<Text>],
        out: &mut Outbox<Message>,
    ) {
        if self.creating(key, turn).is_some() {
            self.create_with(now, key, files, out);
        }
    }

    /// Asks what the files say.
    pub(super) fn ask_for_env_files(&self, key: PodKey, out: &mut Outbox<Message>) {
        out.now(self.message(KubeletMessage::ReadEnvFiles { key, turn: self.turn(key) }));
    }
}

/// The value of a variable; none if it may be missing, and is.
pub(super) fn file_value(
    pod: &Pod,
    reference: &FileKeyReference,
    content: Option<&Text>,
) -> Result<Option<Text>, Text> {
    let FileKeyReference { volume, path, key, optional } = reference;
    let mounts = pod.spec.created_containers().flat_map(|container| &container.volume_mounts);
    if !mounts.into_iter().any(|mount| mount.name == *volume) {
        return Err(format!("cannot find the volume {:?} referenced by FileKeyRef", volume.as_str()).into());
    }
    let value = content.and_then(|text| value_in(text, key).ok()).ok_or("couldn't parse env file")?;
    match value {
        Some(value) if !value.is_empty() => Ok(Some(value.into())),
        _ if *optional => Ok(None),
        _ => {
            let place = format!("{}/{path}", directory(pod, *volume));
            Err(format!("environment variable key {:?} not found in file {place:?}", key.as_str()).into())
        }
    }
}

/// Where the kubelet has a volume.
fn directory(pod: &Pod, volume: Name) -> String {
    let source = pod.spec.volumes.iter().find(|one| one.name == volume).map(|one| &one.source);
    let plugin = match source {
        Some(VolumeSource::HostPath { path, .. }) => return path.to_string(),
        Some(VolumeSource::ConfigMap(_)) => "configmap",
        Some(VolumeSource::Secret(_)) => "secret",
        Some(VolumeSource::Projected(_)) => "projected",
        Some(VolumeSource::DownwardApi(_)) => "downward-api",
        Some(VolumeSource::EmptyDir { .. }) | None => "empty-dir",
        Some(_) => "csi",
    };
    format!("/var/lib/kubelet/pods/{}/volumes/kubernetes.io~{plugin}/{volume}", pod.meta.uid)
}

/// What a file says of a key: lines `KEY='value'`, whose values may go over several lines, and comments.
fn value_in(text: &str, key: &str) -> Result<Option<String>, String> {
    let wrong = |line: usize, what: &str| format!("invalid environment variable format at line {line}: {what}");
    let mut lines = text.lines().enumerate().map(|(place, line)| (place + 1, line));
    while let Some((number, line)) = lines.next() {
        let line = line.trim_start_matches([' ', '\t']);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once('=').ok_or_else(|| wrong(number, "missing '='"))?;
        if name.trim_end_matches([' ', '\t']).is_empty() {
            return Err(wrong(number, "empty variable name"));
        }
        if name.ends_with([' ', '\t']) {
            return Err(wrong(number, "whitespace before '=' is not allowed"));
        }
        // As in a shell, a blank after the sign leaves the variable empty.
        if value.starts_with([' ', '\t']) {
            if name == key {
                return Ok(None);
            }
            continue;
        }
        let quoted = value.strip_prefix('\'');
        let mut rest = quoted.ok_or_else(|| wrong(number, "value must be enclosed in single quotes"))?;
        let mut found = String::new();
        let (end, after) = loop {
            if let Some((last, after)) = rest.split_once('\'') {
                found.push_str(last);
                break (number, after);
            }
            found.push_str(rest);
            found.push('\n');
            rest = lines.next().ok_or_else(|| wrong(number, "unclosed single quote"))?.1;
        };
        let after = after.trim_start_matches([' ', '\t']);
        if !after.is_empty() && !after.starts_with('#') {
            return Err(wrong(end, "unexpected content after closing quote"));
        }
        if name == key {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_strictly_as_the_kubelet_does() {
        // `TestParseEnv`, in short: a file, and what it says of the key A.
        for (text, expected) in [
            ("A='x'", Ok(Some("x"))),
            ("# A='y'\n\n  B='z'\n  A='x' # so\n", Ok(Some("x"))),
            ("A='x # no comment'", Ok(Some("x # no comment"))),
            ("A='one\ntwo'\nB='3'", Ok(Some("one\ntwo"))),
            ("A='x'\nA='y'", Ok(Some("x"))),
            ("A= 'x'", Ok(None)),
            ("B='x'", Ok(None)),
            ("A=''", Ok(Some(""))),
            ("A=x", Err("line 1: value must be enclosed in single quotes")),
            ("A=\"x\"", Err("line 1: value must be enclosed in single quotes")),
            ("\nA ='x'", Err("line 2: whitespace before '=' is not allowed")),
            ("='x'", Err("line 1: empty variable name")),
            ("A", Err("line 1: missing '='")),
            ("A='x''y'", Err("line 1: unexpected content after closing quote")),
            ("A='x", Err("line 1: unclosed single quote")),
        ] {
            let found = value_in(text, "A");
            let expected = expected
                .map(|value: Option<&str>| value.map(str::to_owned))
                .map_err(|what| format!("invalid environment variable format at {what}"));
            assert_eq!(found, expected, "{text:?}");
        }
    }
}
