//! What belongs to an ordinal: its name, labels, host name and revision (`stateful_set_utils.go`).

use crate::api::{ControllerRevision, Labels, Name, Pod, PodPhase, PodSpec, StatefulSet, Volume, VolumeSource, names};
use crate::components::controllers::history::REVISION_HASH;
use crate::components::controllers::pod_control::Owner;
use std::sync::Arc;

names! {
    POD_NAME = "statefulset.kubernetes.io/pod-name";
    POD_INDEX = "apps.kubernetes.io/pod-index";
}

/// The ordinals that the set wants.
pub(super) fn ordinals(set: &StatefulSet) -> std::ops::Range<i32> {
    set.spec.first_ordinal..set.spec.first_ordinal + set.spec.replicas
}

/// The ordinal in a pod's name, if the pod is named after the set.
pub(crate) fn ordinal(set: &StatefulSet, pod: Name) -> Option<i32> {
    let number = pod.strip_prefix(set.meta.name.as_str())?.strip_prefix('-')?;
    let decimal = !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
    if decimal { number.parse().ok() } else { None }
}

/// The name of an ordinal.
pub(super) fn name(set: &StatefulSet, ordinal: i32) -> Name {
    Name::new(&format!("{}-{ordinal}", set.meta.name))
}

/// The revision that a pod is of.
pub(crate) fn revision(pod: &Pod) -> Option<Name> {
    pod.meta.labels.get(*REVISION_HASH)
}

/// The labels that tell who a pod is.
fn labels(set: &StatefulSet, ordinal: i32, labels: &Labels) -> Labels {
    labels.with(*POD_NAME, name(set, ordinal)).with(*POD_INDEX, Name::new(&ordinal.to_string()))
}

/// The pod of an ordinal, from a revision (`newVersionedStatefulSetPod`).
pub(super) fn pod(set: &StatefulSet, owner: &Owner, revision: &ControllerRevision, ordinal: i32) -> Pod {
    let mut pod = owner.pod(&revision.template);
    let name = name(set, ordinal);
    pod.meta.generate_name = Name::new(&format!("{}-", set.meta.name));
    pod.meta.name = name;
    pod.meta.labels = labels(set, ordinal, &pod.meta.labels).with(*REVISION_HASH, revision.meta.name);
    let spec = Arc::make_mut(&mut pod.spec);
    spec.hostname = name;
    spec.subdomain = set.spec.service_name;
    mount_claims(set, spec, ordinal);
    pod
}

/// The volumes of the claim templates, in place of any of the same name.
fn mount_claims(set: &StatefulSet, spec: &mut PodSpec, ordinal: i32) {
    let templates = &set.spec.volume_claim_templates;
    let mut volumes: Vec<Volume> = templates
        .iter()
        .map(|template| {
            let claim = super::claims::claim_name(set, template.name, ordinal);
            Volume { name: template.name, source: VolumeSource::Claim { name: claim, read_only: false } }
        })
        .collect();
    volumes.extend(spec.volumes.iter().filter(|have| templates.iter().all(|made| made.name != have.name)).cloned());
    spec.volumes = volumes;
}

/// The pod with the labels of its identity, if it lacks any (`identityMatches`).
pub(super) fn repaired(set: &StatefulSet, ordinal: i32, pod: &Pod) -> Option<Pod> {
    let suffix = pod.meta.name.rsplit_once('-').map(|(_, suffix)| suffix);
    let index = pod.meta.labels.get(*POD_INDEX);
    if pod.meta.labels.get(*POD_NAME) == Some(pod.meta.name) && index.as_deref() == suffix {
        return None;
    }
    let wanted = labels(set, ordinal, &pod.meta.labels);
    (wanted != pod.meta.labels).then(|| {
        let mut pod = pod.clone();
        pod.meta.labels = wanted;
        pod
    })
}

/// Whether a pod runs and is ready.
pub(super) fn is_running_and_ready(pod: &Pod) -> bool {
    pod.status.phase == PodPhase::Running && pod.status.is_ready()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Object, lower};

    #[test]
    fn names_carry_ordinals() {
        let manifest = serde_json::json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": "default"},
            "spec": {"replicas": 2, "ordinals": {"start": 3}, "serviceName": "db",
                "selector": {"matchLabels": {"app": "db"}}, "template": {
                "metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "app", "image": "app"}]}}},
        });
        let Ok(Object::StatefulSet(set)) = lower(&manifest).map(|lowered| lowered.object) else { panic!() };
        assert_eq!(ordinals(&set).map(|ordinal| name(&set, ordinal)).collect::<Vec<_>>(), ["db-3", "db-4"]);
        for (name, expected) in [("db-0", Some(0)), ("db-12", Some(12)), ("db", None), ("db-x", None), ("a-db-1", None)]
        {
            assert_eq!(ordinal(&set, Name::new(name)), expected, "{name}");
        }
    }
}
