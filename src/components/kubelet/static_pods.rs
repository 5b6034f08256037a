//! Static pods: manifests in a directory of the node, and the mirror pods that show them to the server.
//!
//! Follows `pkg/kubelet/config/common.go` and `file_linux.go`, `pkg/kubelet/pod/mirror_client.go` and
//! `pkg/kubelet/kubelet.go` (`tryReconcileMirrorPods`) of Kubernetes 1.36. The directory is watched, so that its
//! regular listing every `fileCheckFrequency` never finds anything new.

use super::pod_worker::{UpdateKind, Worker};
use super::{Kubelet, KubeletMessage, PendingCall};
use crate::api::names;
use crate::api::requests::qos_class;
use crate::api::{
    ChangeKind, DeleteOptions, EnvValue, Kind, Name, Object, OwnerReference, Pod, PodSpec, PodStatus, ProjectedSource,
    Request, Response, TaintEffect, Target, Toleration, TolerationOperator, Uid, VolumeSource,
};
use crate::components::cri::PodKey;
use crate::components::message::Message;
use crate::engine::{Outbox, SimTime, StreamKey};
use std::collections::BTreeMap;
use std::sync::Arc;

names! {
    CONFIG_HASH = "kubernetes.io/config.hash";
    CONFIG_MIRROR = "kubernetes.io/config.mirror";
    CONFIG_SOURCE = "kubernetes.io/config.source";
    FILE = "file";
}

/// The namespace and name of a pod: what a static pod and its mirror have in common.
type FullName = (Name, Name);

/// The directory of manifests, which outlives the process, and what the process knows of mirrors.
#[derive(Debug, Clone, Default)]
pub(super) struct StaticPods {
    /// Manifests by file.
    files: BTreeMap<Name, Arc<Pod>>,
    /// The identities that pods of this directory ever had: a place in it is a pod's key.
    identities: Vec<Uid>,
    /// Mirror pods, as the kubelet's watch has them.
    mirrors: BTreeMap<FullName, Arc<Pod>>,
    /// The mirror that the last status of a static pod was written to.
    reported: BTreeMap<PodKey, Uid>,
    /// Static pods that were started and are not finished, by the name that only one at a time may have.
    started: BTreeMap<FullName, PodKey>,
    /// What pods begin anew with once what they were before has ended.
    next: BTreeMap<PodKey, Arc<Pod>>,
}

impl StaticPods {
    /// What is left of it when the process dies.
    pub(super) fn on_disk(&self) -> Self {
        Self { files: self.files.clone(), identities: self.identities.clone(), ..Self::default() }
    }

    fn key(&mut self, uid: Uid) -> PodKey {
        let place = self.identities.iter().position(|have| *have == uid).unwrap_or_else(|| {
            self.identities.push(uid);
            self.identities.len() - 1
        });
        PodKey::of_static(u32::try_from(place).expect("fewer than 2^31 static pods"))
    }
}

/// Whether a pod of the server is the mirror of a static one.
pub(super) fn is_mirror(pod: &Pod) -> bool {
    pod.meta.annotations.get(*CONFIG_MIRROR).is_some()
}

fn full_name(pod: &Pod) -> FullName {
    (pod.meta.namespace, pod.meta.name)
}

/// The pod that a manifest in a node's directory describes (`applyDefaults`); none if it refers to objects of the
/// server, which static pods may not.
fn from_manifest(manifest: &Pod, node: Name) -> Option<Pod> {
    if refers_to_objects(&manifest.spec) {
        return None;
    }
    let mut pod = manifest.clone();
    let text = format!("{:?} {:?} {:?} {node}", pod.meta, pod.spec, pod.node_name);
    let hash = StreamKey::new(&text);
    let mut digest = pod.meta.uid.to_string();
    if pod.meta.uid.is_empty() {
        pod.meta.uid = Uid::from_random(hash.bits(), hash.part("low").bits());
        digest = pod.meta.uid.to_string().replace('-', "");
    }
    pod.meta.name = Name::new(&format!("{}-{}", pod.meta.name, node.to_lowercase()));
    if pod.meta.namespace.is_empty() {
        pod.meta.namespace = Name::new("default");
    }
    pod.meta.annotations = pod.meta.annotations.with(*CONFIG_HASH, Name::new(&digest)).with(*CONFIG_SOURCE, *FILE);
    pod.node_name = node;
    let mut spec = PodSpec::clone(&pod.spec);
    spec.tolerations.push(Toleration {
        key: Name::default(),
        operator: TolerationOperator::Exists,
        value: Name::default(),
        effect: Some(TaintEffect::NoExecute),
        seconds: None,
    });
    spec.compute_requests();
    pod.status = Arc::new(PodStatus { qos_class: qos_class(&spec), ..PodStatus::default() });
    pod.spec = Arc::new(spec);
    Some(pod)
}

/// The digest of a static pod's manifest, or the identity that it names.
fn config_hash(pod: &Pod) -> Name {
    pod.meta.annotations.get(*CONFIG_HASH).unwrap_or_default()
}

/// Whether a pod needs anything of the server's (`HasAPIObjectReference`).
fn refers_to_objects(spec: &PodSpec) -> bool {
    let volume = |source: &VolumeSource| match source {
        VolumeSource::ConfigMap(_)
        | VolumeSource::Secret(_)
        | VolumeSource::Claim { .. }
        | VolumeSource::Ephemeral { .. }
        | VolumeSource::Csi { .. } => true,
        VolumeSource::Projected(sources) => {
            sources.iter().any(|source| !matches!(source, ProjectedSource::DownwardApi(_)))
        }
        VolumeSource::Other { kind } => matches!(kind.as_str(), "glusterfs" | "azureFile"),
        VolumeSource::EmptyDir { .. }
        | VolumeSource::HostPath { .. }
        | VolumeSource::DownwardApi(_)
        | VolumeSource::Image { .. }
        | VolumeSource::Disk { .. } => false,
    };
    let environment = spec.created_containers().any(|container| {
        let object = |value: &EnvValue| matches!(value, EnvValue::ConfigMapKey(_) | EnvValue::SecretKey(_));
        !container.env_from.is_empty() || container.env.iter().any(|variable| object(&variable.value))
    });
    let secrets = !spec.image_pull_secrets.is_empty();
    !spec.service_account.is_empty() || secrets || environment || spec.volumes.iter().any(|one| volume(&one.source))
}

impl Kubelet {
    /// A manifest is put into the node's directory, or replaces the one of the same name.
    pub fn manifest_written(&mut self, now: SimTime, manifest: Arc<Pod>, out: &mut Outbox<Message>) {
        self.static_pods.files.insert(manifest.meta.name, manifest);
        self.directory_changed(now, out);
    }

    /// A manifest is removed from the node's directory.
    pub fn manifest_removed(&mut self, now: SimTime, name: Name, out: &mut Outbox<Message>) {
        self.static_pods.files.remove(&name);
        self.directory_changed(now, out);
    }

    fn directory_changed(&self, now: SimTime, out: &mut Outbox<Message>) {
        if self.up {
            let delay = self.latency(|profile| &profile.main_loop_step, now, self.stream.part("files"));
            out.after(delay, self.message(KubeletMessage::ReadFiles));
        }
    }

    /// The directory is read: pods that are gone are removed, new ones added.
    pub(super) fn read_files(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        let manifests: Vec<Arc<Pod>> = self.static_pods.files.values().cloned().collect();
        let mut wanted: BTreeMap<PodKey, Arc<Pod>> = BTreeMap::new();
        for pod in manifests.iter().filter_map(|manifest| from_manifest(manifest, self.name)) {
            let key = self.static_pods.key(pod.meta.uid);
            wanted.insert(key, Arc::new(pod));
        }
        let gone: Vec<PodKey> = self
            .pods
            .iter()
            .filter(|(key, state)| key.is_static() && state.configured && !wanted.contains_key(key))
            .map(|(key, _)| *key)
            .collect();
        for key in gone {
            self.static_pods.next.remove(&key);
            self.pod_removed(now, key, out);
        }
        for (key, pod) in wanted {
            match self.pods.get_mut(&key) {
                None => self.pod_added(now, key, pod, out),
                // What is ending ends as what it was.
                Some(state) if state.worker.as_ref().is_some_and(Worker::is_terminating) => {
                    self.static_pods.next.insert(key, pod);
                    if !std::mem::replace(&mut state.configured, true) {
                        self.update_pod(now, key, UpdateKind::Create, out);
                        self.want_housekeeping(now, out);
                    }
                }
                Some(state) if !state.configured => {
                    state.configured = true;
                    self.update_pod(now, key, UpdateKind::Create, out);
                    self.want_housekeeping(now, out);
                }
                // The same identity, which the manifest names: an update (`checkAndUpdatePod`).
                Some(state) if super::semantically_different(&state.pod, &pod) => {
                    state.pod = pod;
                    self.update_pod(now, key, UpdateKind::Update, out);
                }
                Some(_) => {}
            }
        }
    }

    /// What a pod begins anew with, if that is not what it was.
    pub(super) fn next_of(&mut self, key: PodKey) -> Option<Arc<Pod>> {
        self.static_pods.next.remove(&key)
    }

    /// The static pod of a name that is configured.
    fn static_pod(&self, name: FullName) -> Option<PodKey> {
        let statics = self.pods.range(PodKey::of_static(0)..);
        let mut found = statics.filter(|(_, state)| state.configured && full_name(&state.pod) == name);
        found.next().map(|(key, _)| *key)
    }

    /// The mirror of a static pod, as the kubelet's watch has it.
    pub(super) fn mirror(&self, key: PodKey) -> Option<&Arc<Pod>> {
        let state = self.pods.get(&key).filter(|state| key.is_static() && state.configured)?;
        self.static_pods.mirrors.get(&full_name(&state.pod))
    }

    /// A mirror pod comes, changes or goes: its static pod is synced, which puts it right.
    pub(super) fn mirror_changed(&mut self, now: SimTime, kind: ChangeKind, pod: Arc<Pod>, out: &mut Outbox<Message>) {
        let name = full_name(&pod);
        let before = self.static_pods.mirrors.get(&name).cloned();
        if kind == ChangeKind::Deleted {
            if before.is_some_and(|before| before.meta.uid == pod.meta.uid) {
                self.static_pods.mirrors.remove(&name);
            }
        } else {
            self.static_pods.mirrors.insert(name, pod.clone());
            let same =
                |before: Arc<Pod>| before.meta.uid == pod.meta.uid && !super::semantically_different(&before, &pod);
            if before.is_some_and(same) {
                return;
            }
        }
        match self.static_pod(name) {
            Some(key) => {
                self.update_pod(now, key, UpdateKind::Sync, out);
                self.want_reconcile(now, out);
            }
            None => self.want_housekeeping(now, out),
        }
    }

    /// Within a sync: the mirror is created, or deleted and created anew. Returns whether the sync must wait for that.
    pub(super) fn reconcile_mirror(&mut self, key: PodKey, out: &mut Outbox<Message>) -> bool {
        let Some(state) = self.pods.get(&key) else { return false };
        let pod = state.pod.clone();
        let Some(mirror) = self.mirror(key).cloned() else { return self.create_mirror(key, &pod, out) };
        let hash = config_hash(&pod);
        if !mirror.meta.is_terminating() && mirror.meta.annotations.get(*CONFIG_MIRROR) == Some(hash) {
            return false;
        }
        let turn = self.turn(key);
        self.delete_mirror(&mirror, PendingCall::MirrorDeleted { key, turn }, out);
        true
    }

    fn delete_mirror(&mut self, mirror: &Pod, pending: PendingCall, out: &mut Outbox<Message>) {
        let target = Target { kind: Kind::Pod, namespace: mirror.meta.namespace, name: mirror.meta.name };
        let options = DeleteOptions { grace_period: Some(0), uid: Some(mirror.meta.uid), ..DeleteOptions::default() };
        self.call_unlimited(Request::Delete { target, options }, pending, out);
    }

    fn create_mirror(&mut self, key: PodKey, pod: &Pod, out: &mut Outbox<Message>) -> bool {
        let Some(node) = self.node_object.clone().filter(|node| !node.meta.is_terminating()) else { return false };
        let mut mirror = pod.clone();
        let owner = OwnerReference {
            api_version: Name::new("v1"),
            kind: Kind::Node.name(),
            name: node.meta.name,
            uid: node.meta.uid,
            controller: true,
            block_owner_deletion: false,
        };
        let hash = config_hash(pod);
        mirror.meta.annotations = mirror.meta.annotations.with(*CONFIG_MIRROR, hash);
        mirror.meta.owner_references = [owner].into_iter().collect();
        mirror.meta.uid = Uid::default();
        let turn = self.turn(key);
        let request = Request::Create(Object::Pod(Arc::new(mirror)));
        self.call_unlimited(request, PendingCall::MirrorCreated { key, turn }, out);
        true
    }

    /// An outdated mirror has been deleted, or was gone already.
    pub(super) fn mirror_deleted(
        &mut self,
        now: SimTime,
        key: PodKey,
        turn: u32,
        response: &Response,
        out: &mut Outbox<Message>,
    ) {
        if self.turn(key) != turn {
            return;
        }
        let Some(state) = self.pods.get(&key) else { return };
        let pod = state.pod.clone();
        if response.is_err() || !self.create_mirror(key, &pod, out) {
            self.wait_for_volumes(now, key, out);
        }
    }

    /// The mirror has been created, or not: the sync goes on.
    pub(super) fn mirror_created(&mut self, now: SimTime, key: PodKey, turn: u32, out: &mut Outbox<Message>) {
        if self.turn(key) == turn {
            self.wait_for_volumes(now, key, out);
        }
    }

    /// Deletes mirrors of static pods that are gone, once they have stopped (`HandlePodCleanups`).
    pub(super) fn delete_orphaned_mirrors(&mut self, out: &mut Outbox<Message>) {
        let stopping: Vec<FullName> = self
            .pods
            .iter()
            .filter(|(key, state)| key.is_static() && state.worker.as_ref().is_some_and(|worker| !worker.finished))
            .map(|(_, state)| full_name(&state.pod))
            .collect();
        let orphans: Vec<Arc<Pod>> = self
            .static_pods
            .mirrors
            .iter()
            .filter(|(name, _)| self.static_pod(**name).is_none() && !stopping.contains(name))
            .map(|(_, mirror)| mirror.clone())
            .collect();
        for mirror in orphans {
            self.delete_mirror(&mirror, PendingCall::Nobody, out);
        }
    }

    /// Whether a static pod may start: only one of a name at a time (`allowStaticPodStart`).
    pub(super) fn may_start(&mut self, key: PodKey) -> bool {
        let Some(state) = self.pods.get(&key).filter(|_| key.is_static()) else { return true };
        *self.static_pods.started.entry(full_name(&state.pod)).or_insert(key) == key
    }

    /// A static pod is finished: another of its name may start.
    pub(super) fn release_name(&mut self, key: PodKey) {
        self.static_pods.started.retain(|_, holder| *holder != key);
    }

    /// The identity that a status is written to: the pod's own, or its mirror's. None if there is no mirror to write
    /// to.
    pub(super) fn status_home(&self, key: PodKey) -> Option<Uid> {
        let state = self.pods.get(&key)?;
        if !key.is_static() {
            return Some(state.pod.meta.uid);
        }
        self.mirror(key).map(|mirror| mirror.meta.uid)
    }

    /// Whether what was written of a static pod was written to the mirror that it has now.
    pub(super) fn reported_to_mirror(&self, key: PodKey) -> bool {
        !key.is_static() || self.static_pods.reported.get(&key).copied() == self.status_home(key)
    }

    /// The status of a static pod has been written to a mirror.
    pub(super) fn note_reported(&mut self, key: PodKey, uid: Uid) {
        if key.is_static() {
            self.static_pods.reported.insert(key, uid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::lower;
    use serde_json::json;

    fn manifest(extra: serde_json::Value) -> Pod {
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
            "spec": {"containers": [{"name": "app", "image": "app:1"}]}});
        for (key, value) in extra.as_object().expect("fields of the spec") {
            pod["spec"][key] = value.clone();
        }
        Pod::clone(lower(&pod).expect("a pod").object.pod().expect("a pod"))
    }

    #[test]
    fn a_manifest_becomes_a_pod_of_the_node() {
        // `TestReadPodsFromFileExistAlready` and `TestStaticPodNameGenerate`.
        let pod = from_manifest(&manifest(json!({})), Name::new("Node-A")).unwrap();
        assert_eq!((&*pod.meta.name, &*pod.meta.namespace, &*pod.node_name), ("web-node-a", "default", "Node-A"));
        assert_eq!(pod.meta.annotations.get(*CONFIG_SOURCE), Some(*FILE));
        assert_eq!(pod.meta.annotations.get(*CONFIG_HASH).unwrap().len(), 32, "as in static-pod-mirror");
        assert!(pod.spec.tolerations.iter().any(|t| t.key.is_empty() && t.effect == Some(TaintEffect::NoExecute)));
        assert!(!pod.spec.token_volume);
    }

    #[test]
    fn another_content_or_node_is_another_pod() {
        let uid = |spec, node| from_manifest(&manifest(spec), Name::new(node)).unwrap().meta.uid;
        let first = uid(json!({}), "a");
        assert_eq!(first, uid(json!({}), "a"));
        assert_ne!(first, uid(json!({}), "b"));
        assert_ne!(first, uid(json!({"terminationGracePeriodSeconds": 5}), "a"));
    }

    #[test]
    fn manifests_that_need_the_server_are_ignored() {
        // `TestDecodeSinglePod…` with PreventStaticPodAPIReferences.
        let container = |env| json!({"containers": [{"name": "app", "image": "app:1", "envFrom": env}]});
        let projected = |source| json!({"volumes": [{"name": "v", "projected": {"sources": [source]}}]});
        for (spec, accepted) in [
            (json!({"volumes": [{"name": "v", "emptyDir": {}}]}), true),
            (json!({"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]}), true),
            (json!({"volumes": [{"name": "v", "configMap": {"name": "c"}}]}), false),
            (json!({"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}), false),
            (json!({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "p"}}]}), false),
            (json!({"serviceAccountName": "s"}), false),
            (json!({"imagePullSecrets": [{"name": "s"}]}), false),
            (
                projected(
                    json!({"downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}}),
                ),
                true,
            ),
            (projected(json!({"configMap": {"name": "c"}})), false),
            (projected(json!({"serviceAccountToken": {"path": "t"}})), false),
            (container(json!([{"configMapRef": {"name": "c"}}])), false),
        ] {
            let got = from_manifest(&manifest(spec.clone()), Name::new("a")).is_some();
            assert_eq!(got, accepted, "{spec}");
        }
    }
}
