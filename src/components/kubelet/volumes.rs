//! Volumes on the node: mounted a moment after the pod arrives, waited for by its first sync, unmounted after its end.
//!
//! Follows `pkg/kubelet/volumemanager` of Kubernetes 1.36: a populator and a reconciler look every 100 ms, a sync that
//! waits looks every 300 ms, and an operation that failed is tried again after 500 ms, doubling.

use super::attach::Device;
use super::config::{VOLUME_BACK_OFF, VOLUME_BACK_OFF_CAP, VOLUME_LOOP, VOLUME_LOOP_DRIFT, VOLUME_POLL, VOLUME_TURN};
use super::environment::{environment_objects, expanded_sub_path};
use super::expansion::Expansion;
use super::pod_worker::{Activity, TurnEnd, Worker};
use super::sync_pod::Stage;
use super::{Kubelet, KubeletMessage, PendingCall, PodState};
use crate::api::{
    Container, EventType, FieldFile, Kind, List, Name, Object, ObjectFiles, Pod, PodSpec, ProjectedSource, Request,
    Response, Target, Text, VolumeSource, names, requests,
};
use crate::components::cri::{ContainerMount, Environment, PodKey, TOKEN, TOKEN_VOLUME, VolumeFile, VolumeKey};
use crate::components::message::Message;
use crate::engine::{Outbox, Purpose, SimDuration, SimTime};
use serde_json::Value;

/// What the kubelet lets the group of `fsGroup` do with files that only it writes (`roMask` of `pkg/volume`).
const GROUP_READS: i32 = 0o440;
/// Whoever a container runs as may read its token (`collectData` of `pkg/volume/projected`).
const TOKEN_MODE: i32 = 0o644;
/// Where containers find the token of their service account.
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

names! {
    /// What the volume with the token of a service account shows besides.
    ROOT_CERTIFICATES = "kube-root-ca.crt";
}

const LOOPS: Purpose = Purpose::new("volume loops");

/// The volumes of a pod that its containers use.
#[derive(Debug, Clone, Default)]
pub(super) struct PodVolumes {
    known: bool,
    /// Whether an earlier process of the kubelet has mounted them.
    pub(super) found: bool,
    /// Whether the pod was ending already when the kubelet's process met it: the ConfigMaps and Secrets of its volumes
    /// are not asked for.
    unregistered: bool,
    pub(super) volumes: Vec<VolumeState>,
    /// When everything is unmounted, once that began.
    gone_at: Option<SimTime>,
}

/// A part of the machine that a volume shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostPart {
    /// Where it is.
    pub path: Name,
    /// What must be there, such as `Directory`; empty for no check.
    pub kind: Name,
    /// What messages call the volume: as the pod does, or by the name of the PersistentVolume.
    pub volume: Name,
}

#[derive(Debug, Clone)]
pub(super) struct VolumeState {
    pub(super) name: Name,
    /// What it shows of the machine, if it shows that.
    pub(super) host: Option<HostPart>,
    /// Whether its device, if it has one, is formatted.
    pub(super) formatted: bool,
    /// What is attached for it.
    pub(super) device: Device,
    /// Whether its file system is to grow.
    pub(super) expansion: Expansion,
    /// The ConfigMaps and Secrets that it shows.
    needs: Vec<(Kind, Name)>,
    mounted: bool,
    /// Whether something that it shows has changed since it was written: the next sync writes it again.
    stale: bool,
    /// Whether it is mounted once more, because what it shows has changed.
    remounts: bool,
    /// Whether only the growth of its file system is waited for.
    grows: bool,
    /// Whether only its device is waited for.
    overdue: bool,
    /// When the next try to mount it begins …
    tried: SimTime,
    /// … and is over.
    due: SimTime,
    back_off: SimDuration,
    /// What was written into it last, if it is the kubelet that writes it.
    content: List<VolumeFile>,
}

impl VolumeState {
    /// Whether containers may use it.
    pub(super) const fn is_mounted(&self) -> bool {
        self.mounted
    }

    /// Whether only the growth of its file system is waited for.
    pub(super) const fn is_waiting_to_grow(&self) -> bool {
        self.grows && !self.mounted
    }

    /// Whether only its device is waited for.
    pub(super) const fn is_overdue(&self) -> bool {
        self.overdue
    }
}

impl PodVolumes {
    /// Whether containers may start, as far as volumes are concerned.
    fn are_mounted(&self) -> bool {
        self.volumes.iter().all(|volume| volume.mounted)
    }

    /// Whether a sync has files to write anew.
    pub(super) fn has_changed(&self) -> bool {
        self.volumes.iter().any(|volume| volume.stale)
    }

    /// Whether unmounting has not come to its end.
    pub(super) fn may_be_mounted(&self, now: SimTime) -> bool {
        self.gone_at.is_none_or(|gone_at| now < gone_at)
    }
}

impl PodState {
    /// Whether its volumes may still be mounted.
    pub(super) fn wants_volumes(&self) -> bool {
        self.volumes.gone_at.is_none() && !self.worker.as_ref().is_some_and(Worker::is_terminated)
    }
}

impl Kubelet {
    /// The volume manager hears of a pod: its volumes are mounted at the next turns of its loops. At the first turn the
    /// reconciler only finds that a volume counts as attached (`waitForVolumeAttach`), unless the pod was here before
    /// the kubelet's process, which has found what it mounted (`reconstructVolumes`).
    pub(super) fn add_volumes(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(state) = self.pods.get_mut(&key) else { return };
        if std::mem::replace(&mut state.volumes.known, true) {
            return;
        }
        let pod = state.pod.clone();
        let found = state.volumes.found;
        state.volumes.volumes = volumes_in_use(&pod);
        let verified = if found { SimDuration::ZERO } else { VOLUME_TURN };
        self.mount_all(now, key, verified, out);
        self.watch_environment(now, key, &pod, out);
    }

    /// The first pods are known: volumes of those that are ending may still be in use, and are mounted anew although
    /// nobody waits for them (`findAndAddNewPods` before `hasAddedPods`, in
    /// `volumemanager/populator/desired_state_of_world_populator.go`).
    pub(super) fn add_volumes_of_ending_pods(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        let ends = |state: &PodState| {
            state.worker.as_ref().is_some_and(|worker| worker.is_terminating() && !worker.is_terminated())
        };
        let ending = self.pods.iter().filter(|(_, state)| !state.volumes.known && ends(state)).map(|(key, _)| *key);
        for key in ending.collect::<Vec<_>>() {
            let Some(state) = self.pods.get_mut(&key) else { continue };
            let volumes = volumes_in_use(&state.pod);
            state.volumes = PodVolumes { known: true, unregistered: true, volumes, ..state.volumes.clone() };
            self.mount_all(now, key, SimDuration::ZERO, out);
        }
    }

    /// Mounts the volumes of a pod at the next turns of the loops, and so much later.
    fn mount_all(&mut self, now: SimTime, key: PodKey, later: SimDuration, out: &mut Outbox<Message>) {
        let turns = self.volume_loops(now) + later;
        for volume in 0..self.pods[&key].volumes.volumes.len() {
            self.read_claim(now, key, volume, out);
            self.mount_after(now, key, volume, turns, out);
        }
    }

    /// What a volume shows and nobody has asked for, because the pod was ending when the kubelet began
    /// (`GetObject` of `pkg/kubelet/util/manager/watch_based_manager.go`).
    fn unregistered(pod: &Pod, volume: Name) -> Option<String> {
        let objects: Vec<Name> = match pod.spec.volumes.iter().find(|found| found.name == volume) {
            Some(found) => objects_of(&found.source).map(|(_, files)| files.name).collect(),
            None => vec![*ROOT_CERTIFICATES],
        };
        let namespace = pod.meta.namespace;
        let error = |name: &Name| format!("object {:?}/{:?} not registered", namespace.as_str(), name.as_str());
        aggregate(objects.iter().map(error))
    }

    /// How long a change waits for the populator's turn and then for the reconciler's. Their tickers are the kubelet's,
    /// so pods that come together wait together; against each other they drift.
    pub(super) fn volume_loops(&self, now: SimTime) -> SimDuration {
        let mut phases = self.draws.draw(LOOPS, self.stream, now.as_nanos() / VOLUME_LOOP_DRIFT.as_nanos());
        let mut phase = || SimTime::from_nanos(phases.below(VOLUME_LOOP.as_nanos()));
        let populated = now.next_tick(phase(), VOLUME_LOOP);
        populated.next_tick(phase(), VOLUME_LOOP).since(now)
    }

    pub(super) fn mount_after(
        &mut self,
        now: SimTime,
        key: PodKey,
        volume: usize,
        wait: SimDuration,
        out: &mut Outbox<Message>,
    ) {
        let stream = self.pods[&key].stream.part("mount");
        let at = now + wait;
        let took = self.latency(|profile| &profile.mount, at, stream.part(&volume.to_string()));
        let took = self.load.stretched(at, took);
        let found = self.pods[&key].volumes.volumes.get(volume).map(|found| found.name);
        // A token is asked for by the client that writes statuses, and waits for its turn as they do.
        let turn = if found == Some(*TOKEN_VOLUME) { self.api_limit.take(now) } else { SimDuration::ZERO };
        let hindered = found.map_or(SimDuration::ZERO, |name| self.mount_hindered(now, &self.pods[&key].pod, name).1);
        let took = turn + took + hindered;
        let due = now + wait + took;
        if let Some(found) = self.pods.get_mut(&key).and_then(|state| state.volumes.volumes.get_mut(volume)) {
            (found.tried, found.due) = (at, due);
        }
        out.after(wait + took, self.message(KubeletMessage::Mounted { key, volume, due }));
    }

    /// The time of a volume operation is over.
    pub(super) fn mount_due(
        &mut self,
        now: SimTime,
        key: PodKey,
        volume: usize,
        due: SimTime,
        out: &mut Outbox<Message>,
    ) {
        let found = self.pods.get(&key).and_then(|state| state.volumes.volumes.get(volume));
        if found.is_some_and(|found| found.due == due) {
            self.mounted(now, key, volume, out);
        }
    }

    /// The part of its machine that a volume shows, if that must be of some type.
    pub fn typed_host_path(&self, key: PodKey, volume: usize, due: SimTime) -> Option<HostPart> {
        let volumes = &self.pods.get(&key)?.volumes.volumes;
        let found = volumes.get(volume).filter(|found| found.due == due && !found.mounted)?;
        found.host.filter(|host| !host.kind.is_empty())
    }

    /// That part is not what it must be: the volume cannot be mounted.
    pub fn host_path_refused(
        &mut self,
        now: SimTime,
        (key, volume): (PodKey, usize),
        error: &str,
        out: &mut Outbox<Message>,
    ) {
        let Some(state) = self.pods.get(&key).filter(|state| state.wants_volumes()) else { return };
        let tried = state.volumes.volumes[volume].tried;
        self.mount_failed(now, tried, (key, volume), error, out);
    }

    /// A volume operation is over: everything that it needs is there, or it is tried again.
    pub(super) fn mounted(&mut self, now: SimTime, key: PodKey, volume: usize, out: &mut Outbox<Message>) {
        let Some(state) = self.pods.get(&key).filter(|state| state.wants_volumes()) else { return };
        let Some(found) = state.volumes.volumes.get(volume) else { return };
        if found.mounted && !found.remounts {
            return;
        }
        if !found.device.is_there() {
            if let Some(state) = self.pods.get_mut(&key) {
                state.volumes.volumes[volume].overdue = true;
            }
            return;
        }
        let namespace = state.pod.meta.namespace;
        let (name, needs, tried, first) = (found.name, found.needs.clone(), found.tried, found.back_off.is_zero());
        let unregistered = state.volumes.unregistered;
        let unknown =
            needs.iter().copied().find(|(kind, object)| !self.objects.contains_key(&(*kind, namespace, *object)));
        if let Some((kind, object)) = unknown.filter(|_| !unregistered) {
            let target = Target { kind, namespace, name: object };
            let pending = PendingCall::Volume { key, volume, target };
            return self.call_api(now, Request::Get(target), pending, out);
        }
        let pod = state.pod.clone();
        if let (Some(error), _) = self.mount_hindered(now, &pod, name) {
            return self.mount_failed(now, now, (key, volume), &error, out);
        }
        let error = if unregistered { Self::unregistered(&pod, name) } else { self.lacking(&pod, name) };
        if let Some(error) = error {
            // What the kubelet knows it looks up in no time; a token it asks for first.
            let since = if unregistered && first && name == *TOKEN_VOLUME { now } else { tried };
            return self.mount_failed(now, since, (key, volume), &error, out);
        }
        let grows = self.grows_first(now, key, volume, out);
        if let Some(state) = self.pods.get_mut(&key) {
            let found = &mut state.volumes.volumes[volume];
            (found.mounted, found.grows) = (!grows, grows);
            (found.remounts, found.back_off) = (false, SimDuration::ZERO);
        }
        if !grows {
            self.write_volume(key, volume, out);
        }
    }

    /// What the objects of a volume lack of what it shows (`SetUpAt`, `collectData` and `MakePayload` of the plugins).
    fn lacking(&self, pod: &Pod, volume: Name) -> Option<String> {
        let source = &pod.spec.volumes.iter().find(|found| found.name == volume)?.source;
        let lacks = objects_of(source).filter(|(_, files)| !files.optional).filter_map(|(kind, files)| {
            let Some(data) = self.object_data(kind, pod.meta.namespace, files.name) else {
                return Some(not_found(kind, files.name).to_string());
            };
            let key = files.items.iter().map(|file| file.key).find(|key| data.iter().all(|(have, _)| have != key))?;
            let words = match kind {
                Kind::ConfigMap => "configmap references non-existent config key",
                _ => "references non-existent secret key",
            };
            Some(format!("{words}: {key}"))
        });
        aggregate(lacks)
    }

    /// A volume cannot be mounted since some moment: it is told, and tried again later and later, at the reconciler's
    /// turns.
    fn mount_failed(
        &mut self,
        now: SimTime,
        since: SimTime,
        (key, volume): (PodKey, usize),
        error: &str,
        out: &mut Outbox<Message>,
    ) {
        let Some(found) = self.pods.get(&key).and_then(|state| state.volumes.volumes.get(volume)) else { return };
        let name = match found.host {
            Some(host) => host.volume.to_string(),
            None if found.name == *TOKEN_VOLUME => self.pods[&key].pod.token_volume_name(),
            None => found.name.to_string(),
        };
        let text = format!("MountVolume.SetUp failed for volume {name:?} : {error}");
        self.tell_pod(now, key, EventType::Warning, "FailedMount", text, out);
        let Some(state) = self.pods.get_mut(&key) else { return };
        let found = &mut state.volumes.volumes[volume];
        found.back_off =
            if found.back_off.is_zero() { VOLUME_BACK_OFF } else { (found.back_off * 2).min(VOLUME_BACK_OFF_CAP) };
        let again = (since + found.back_off).next_tick(found.tried, VOLUME_TURN);
        self.mount_after(now, key, volume, again.max(now).since(now), out);
    }

    /// Writes the files of a volume, if they are not what was written last; what was written stays while objects lack
    /// something.
    fn write_volume(&mut self, key: PodKey, place: usize, out: &mut Outbox<Message>) {
        let Some(state) = self.pods.get(&key) else { return };
        let pod = state.pod.clone();
        let found = &state.volumes.volumes[place];
        let name = found.name;
        let Some(volume) = pod.spec.volumes.iter().find(|volume| volume.name == name) else { return };
        let Some(content) = self.volume_content(key, &pod, &volume.source) else { return };
        if self.lacking(&pod, name).is_some() {
            return;
        }
        if content == found.content {
            return;
        }
        if let Some(state) = self.pods.get_mut(&key) {
            state.volumes.volumes[place].content = content.clone();
        }
        let volume = VolumeKey::Pod { pod: key, name };
        out.now(Message::VolumeWritten { node: self.node, volume, files: content });
    }

    /// The files that the kubelet itself puts into a volume; none for other volumes.
    fn volume_content(&self, key: PodKey, pod: &Pod, source: &VolumeSource) -> Option<List<VolumeFile>> {
        let namespace = pod.meta.namespace;
        let for_group = if has_group(&pod.spec) { GROUP_READS } else { 0 };
        let file =
            |path: Name, content, mode| VolumeFile { path: path.as_str().into(), content, mode: mode | for_group };
        let keys = |kind, files: &ObjectFiles| -> Vec<VolumeFile> {
            let data = self.object_data(kind, namespace, files.name).unwrap_or_default();
            if files.items.is_empty() {
                return data.iter().map(|(name, content)| file(*name, content.clone(), files.mode)).collect();
            }
            let chosen = files.items.iter().filter_map(|item| {
                let (_, content) = data.iter().find(|(have, _)| *have == item.key)?;
                Some(file(item.path, content.clone(), item.mode.unwrap_or(files.mode)))
            });
            chosen.collect()
        };
        let shown = |fields: &List<FieldFile>| -> Vec<VolumeFile> {
            fields.iter().map(|one| file(one.path, self.file_field(key, pod, one.field), one.mode)).collect()
        };
        let files = match source {
            VolumeSource::ConfigMap(files) => keys(Kind::ConfigMap, files),
            VolumeSource::Secret(files) => keys(Kind::Secret, files),
            VolumeSource::Projected(sources) => {
                // Of files of one path the last source's is shown.
                let mut files: Vec<VolumeFile> = Vec::new();
                for file in sources.iter().flat_map(|source| match source {
                    ProjectedSource::ConfigMap(files) => keys(Kind::ConfigMap, files),
                    ProjectedSource::Secret(files) => keys(Kind::Secret, files),
                    ProjectedSource::DownwardApi(fields) => shown(fields),
                    ProjectedSource::Token { path } => vec![file(*path, TOKEN.clone(), TOKEN_MODE)],
                }) {
                    files.retain(|have| have.path != file.path);
                    files.push(file);
                }
                files
            }
            VolumeSource::DownwardApi(fields) => shown(fields),
            VolumeSource::EmptyDir { .. }
            | VolumeSource::HostPath { .. }
            | VolumeSource::Claim { .. }
            | VolumeSource::Ephemeral { .. }
            | VolumeSource::Image { .. }
            | VolumeSource::Disk { .. }
            | VolumeSource::Csi { .. }
            | VolumeSource::Other { .. } => return None,
        };
        Some(files.into_iter().collect())
    }

    /// Where the volumes of a pod appear in a container.
    ///
    /// # Errors
    /// The variables that a path names and that have no value.
    pub(super) fn mounts(
        &self,
        key: PodKey,
        pod: &Pod,
        container: &Container,
        env: &Environment,
    ) -> Result<Vec<ContainerMount>, Text> {
        let mut mounts: Vec<ContainerMount> = Vec::new();
        for mount in &container.volume_mounts {
            let Some(volume) = self.volume_key(key, pod, mount.name) else { continue };
            let known = self.pods.get(&key).into_iter().flat_map(|state| &state.volumes.volumes);
            let known = known.into_iter().find(|known| known.name == mount.name);
            let formatted = known.is_some_and(|known| known.formatted && known.device.is_attached());
            let expanded = (!mount.sub_path_expr.is_empty()).then(|| expanded_sub_path(&mount.sub_path_expr, env));
            let sub_path = expanded.transpose()?.unwrap_or(mount.sub_path);
            let room = self.room_in_memory(pod, mount.name);
            let shows = pod.spec.volumes.iter().find(|volume| volume.name == mount.name);
            let read_only = mount.read_only || shows.is_some_and(|volume| volume.source.is_read_only());
            let path = mount.mount_path;
            mounts.push(ContainerMount { path, sub_path, read_only, volume, formatted, room });
        }
        if pod.spec.token_volume && mounts.iter().all(|mount| mount.path != TOKEN_PATH) {
            let volume = VolumeKey::Pod { pod: key, name: *TOKEN_VOLUME };
            let path = Name::new(TOKEN_PATH);
            let sub_path = Name::default();
            mounts.push(ContainerMount { path, sub_path, read_only: true, volume, formatted: false, room: None });
        }
        Ok(mounts)
    }

    /// How much a volume takes that is in memory: what all pods may use, or the pod, or it itself
    /// (`calculateEmptyDirMemorySize` in `pkg/volume/emptydir/empty_dir.go`).
    fn room_in_memory(&self, pod: &Pod, name: Name) -> Option<u64> {
        let volume = pod.spec.volumes.iter().find(|volume| volume.name == name)?;
        let VolumeSource::EmptyDir { in_memory: true, size_limit } = volume.source else { return None };
        let node = self.node_object.as_ref().map(|node| node.status.allocatable.memory());
        let limits = [memory_limit(&pod.spec), size_limit].into_iter().flatten().filter(|limit| *limit > 0);
        node.into_iter().chain(limits).min().and_then(|bytes| u64::try_from(bytes).ok())
    }

    /// The volume of a name in a pod, as the machine tells it apart.
    pub(super) fn volume_key(&self, key: PodKey, pod: &Pod, name: Name) -> Option<VolumeKey> {
        let namespace = pod.meta.namespace;
        let volume = pod.spec.volumes.iter().find(|volume| volume.name == name)?;
        let known = self.pods.get(&key).into_iter().flat_map(|state| &state.volumes.volumes);
        if let Some(host) = known.into_iter().find(|known| known.name == name).and_then(|known| known.host) {
            return Some(VolumeKey::Host(host.path));
        }
        Some(match &volume.source {
            VolumeSource::HostPath { path, .. } => VolumeKey::Host(*path),
            VolumeSource::Claim { name, .. } => VolumeKey::Claim { namespace, name: *name },
            VolumeSource::Ephemeral { .. } => {
                VolumeKey::Claim { namespace, name: Name::new(&format!("{}-{name}", pod.meta.name)) }
            }
            _ => VolumeKey::Pod { pod: key, name },
        })
    }

    /// The server has answered about an object that a volume or a container needs.
    pub(super) fn object_read(
        &mut self,
        now: SimTime,
        key: PodKey,
        volume: usize,
        target: Target,
        response: Response,
        out: &mut Outbox<Message>,
    ) {
        if response.as_ref().is_err_and(|error| error.code != 404) {
            // The cache that is kept of objects has not heard whether there is such a one
            // (`pkg/kubelet/util/manager/watch_based_manager.go`).
            let kind = target.kind.as_str().to_lowercase();
            let error = format!("failed to sync {kind} cache: timed out waiting for the condition");
            return self.mount_failed(now, now, (key, volume), &error, out);
        }
        self.objects.insert((target.kind, target.namespace, target.name), response.ok());
        self.mounted(now, key, volume, out);
    }

    /// An object that this kubelet has read changed.
    pub(super) fn object_changed(&mut self, now: SimTime, deleted: bool, object: &Object, out: &mut Outbox<Message>) {
        let meta = object.meta();
        let entry = (object.kind(), meta.namespace, meta.name);
        if let Some(have) = self.objects.get_mut(&entry) {
            // Nobody watches an immutable object any more once it was read: while pods name it, they see it as it was
            // (`Get` and `DeleteReference` in `pkg/kubelet/util/manager/watch_based_manager.go`).
            if let Some(was) = have.as_ref().filter(|was| was.meta().uid != meta.uid || deleted)
                && is_immutable(was)
                && self.pods.values().any(|state| state.configured && names_object(&state.pod, entry))
            {
                self.kept_objects.entry(entry).or_insert_with(|| was.clone());
            }
            *have = (!deleted).then(|| object.clone());
            if deleted && entry.0 == Kind::Secret {
                let lacks = |pod: &Pod| pod.meta.namespace == entry.1 && pod.spec.image_pull_secrets.contains(&entry.2);
                self.sync_all_in_time(now, lacks, out);
            }
            self.shown_object_changed(now, entry, out);
        }
    }

    /// A pod is gone: what was only kept for it is forgotten.
    pub(super) fn release_objects(&mut self) {
        let pods = &self.pods;
        let named = |entry| pods.values().any(|state| state.configured && names_object(&state.pod, entry));
        self.kept_objects.retain(|entry, _| named(*entry));
    }

    /// A sync begins to wait for volumes.
    pub(super) fn wait_for_volumes(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        self.add_volumes(now, key, out);
        self.reread_claims(now, key, out);
        self.look_for_growth(now, key, out);
        // A sync also brings what changed in the objects that volumes show.
        let shows = |volume: &VolumeState| !volume.needs.is_empty() || !volume.content.is_empty();
        let mounted = |volume: &VolumeState| volume.mounted && shows(volume);
        let shown: Vec<usize> = self.pods.get(&key).map_or_else(Vec::new, |state| {
            let volumes = state.volumes.volumes.iter().enumerate();
            volumes.filter(|(_, volume)| mounted(volume)).map(|(place, _)| place).collect()
        });
        for volume in shown {
            self.remount(now, key, volume, out);
        }
        let turn = self.turn(key);
        let Some(state) = self.pods.get(&key) else { return };
        if state.volumes.are_mounted() {
            return self.volume_poll(now, key, turn, out);
        }
        // The pod's directories are made before the wait begins (`makePodDataDirs`).
        let takes = self.on_disk(|profile| &profile.directories, now, key, "directories");
        out.after(takes, self.message(KubeletMessage::VolumePoll { key, turn }));
    }

    /// A mounted volume that shows objects is mounted once more (`MarkRemountRequired`): that writes what has changed.
    /// If something is gone it fails, again and again, while the containers keep what they have.
    fn remount(&mut self, now: SimTime, key: PodKey, volume: usize, out: &mut Outbox<Message>) {
        let Some(state) = self.pods.get_mut(&key) else { return };
        let (pod, found) = (state.pod.clone(), &mut state.volumes.volumes[volume]);
        let (name, has_begun) = (found.name, found.remounts);
        found.stale = false;
        if self.lacking(&pod, name).is_none() {
            return self.write_volume(key, volume, out);
        }
        if !has_begun {
            if let Some(state) = self.pods.get_mut(&key) {
                state.volumes.volumes[volume].remounts = true;
            }
            let turns = self.volume_loops(now);
            self.mount_after(now, key, volume, turns, out);
        }
    }

    /// What volumes show has changed: the next periodic sync of their pods writes it.
    fn shown_object_changed(&mut self, now: SimTime, entry: (Kind, Name, Name), out: &mut Outbox<Message>) {
        let (kind, namespace, name) = entry;
        let mut showing = Vec::new();
        for (key, state) in self.pods.iter_mut().filter(|(_, state)| state.pod.meta.namespace == namespace) {
            let shows = |volume: &&mut VolumeState| volume.mounted && volume.needs.contains(&(kind, name));
            for volume in state.volumes.volumes.iter_mut().filter(shows) {
                volume.stale = true;
                showing.push(*key);
            }
        }
        showing.dedup();
        showing.into_iter().for_each(|key| self.sync_in_time(now, key, out));
    }

    /// A sync, or a clean-up, looks at the pod's volumes.
    pub(super) fn volume_poll(&mut self, now: SimTime, key: PodKey, turn: u32, out: &mut Outbox<Message>) {
        if self.turn(key) != turn {
            return;
        }
        let Some(state) = self.pods.get(&key) else { return };
        let ready = state.volumes.are_mounted();
        let deadline = match state.worker.as_ref().map(|worker| &worker.activity) {
            Some(Activity::Syncing(sync)) => match sync.stage {
                Stage::Volumes { deadline } => deadline,
                _ => return,
            },
            Some(Activity::CleaningUp { .. }) => return self.cleanup_step(now, key, turn, out),
            _ => return,
        };
        if ready {
            self.volumes_ready(now, key, out);
        } else if self.tell_unusable_claims(now, key, out) || now >= deadline {
            self.turn_ended(now, key, TurnEnd::Failed, out);
        } else {
            out.after(VOLUME_POLL, self.message(KubeletMessage::VolumePoll { key, turn }));
        }
    }

    /// Every container has stopped: the volumes are unmounted at the next turns of the loops.
    pub(super) fn unmount_volumes(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(state) = self.pods.get(&key) else { return };
        let took = self.latency(|profile| &profile.unmount, now, state.stream.part("unmount"));
        let turns = self.volume_loops(now);
        let nothing = state.volumes.volumes.is_empty();
        let gone_at = if nothing { now } else { now + turns + took };
        if let Some(state) = self.pods.get_mut(&key) {
            state.volumes.gone_at = Some(gone_at);
        }
        self.free_devices(now, key, gone_at, out);
        let has_own = |state: &PodState| -> bool {
            state.pod.spec.volumes.iter().any(|volume| matches!(volume.source, VolumeSource::EmptyDir { .. }))
        };
        if self.pods.get(&key).is_some_and(|state| has_own(state)) {
            out.after(gone_at.since(now), Message::VolumesRemoved { node: self.node, pod: key });
        }
    }

    /// Whether nothing of the pod is mounted any more.
    pub(super) fn volumes_gone(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) -> bool {
        if self.pods.get(&key).is_some_and(|state| state.volumes.gone_at.is_none()) {
            self.unmount_volumes(now, key, out);
        }
        self.pods.get(&key).is_none_or(|state| state.volumes.gone_at.is_some_and(|gone_at| now >= gone_at))
    }

    /// Whether a pod names Secrets for pulling images that are not there: each of its syncs tells so.
    pub(super) fn lacks_pull_secrets(&self, pod: &Pod) -> bool {
        let missing = |name: &Name| matches!(self.objects.get(&(Kind::Secret, pod.meta.namespace, *name)), Some(None));
        pod.spec.image_pull_secrets.iter().any(missing)
    }

    /// Tells of the Secrets for pulling images that are not there (`getPullSecretsForPod`).
    pub(super) fn tell_missing_pull_secrets(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(pod) = self.pods.get(&key).map(|state| state.pod.clone()) else { return };
        let missing =
            |name: &&Name| matches!(self.objects.get(&(Kind::Secret, pod.meta.namespace, **name)), Some(None));
        let missing: Vec<&str> = pod.spec.image_pull_secrets.iter().filter(missing).map(|name| name.as_str()).collect();
        if !missing.is_empty() {
            let text = format!(
                "Unable to retrieve some image pull secrets ({}); attempting to pull the image may not succeed.",
                missing.join(", ")
            );
            self.tell_pod(now, key, EventType::Warning, "FailedToRetrieveImagePullSecret", text, out);
        }
    }

    pub(super) fn object_data(&self, kind: Kind, namespace: Name, name: Name) -> Option<&[(Name, Text)]> {
        let entry = (kind, namespace, name);
        match self.kept_objects.get(&entry).or_else(|| self.objects.get(&entry)?.as_ref())? {
            Object::ConfigMap(map) => Some(&map.data),
            Object::Secret(secret) => Some(&secret.data),
            _ => None,
        }
    }
}

/// What several errors say together, each of them once (`NewAggregate`).
fn aggregate(errors: impl Iterator<Item = String>) -> Option<String> {
    let mut told: Vec<String> = Vec::new();
    for error in errors {
        if !told.contains(&error) {
            told.push(error);
        }
    }
    if told.len() > 1 { Some(format!("[{}]", told.join(", "))) } else { told.pop() }
}

pub(super) fn not_found(kind: Kind, name: Name) -> Text {
    format!("{} {:?} not found", kind.as_str().to_lowercase(), name.as_str()).into()
}

/// Whether nobody may change an object.
fn is_immutable(object: &Object) -> bool {
    match object {
        Object::ConfigMap(map) => map.is_immutable(),
        Object::Secret(secret) => secret.is_immutable(),
        _ => false,
    }
}

/// Whether a pod names an object: in a volume, for a variable, to pull images with.
fn names_object(pod: &Pod, (kind, namespace, name): (Kind, Name, Name)) -> bool {
    let spec = &pod.spec;
    let mut containers = spec.all_containers();
    pod.meta.namespace == namespace
        && (spec
            .volumes
            .iter()
            .flat_map(|volume| objects_of(&volume.source))
            .any(|(of, files)| (of, files.name) == (kind, name))
            || containers.any(|container| environment_objects(container).contains(&(kind, name)))
            || kind == Kind::Secret && spec.image_pull_secrets.contains(&name))
}

/// The volumes that some container uses, and what each of them needs; the token volume among them.
fn volumes_in_use(pod: &Pod) -> Vec<VolumeState> {
    let spec = &pod.spec;
    let used = |name: Name| {
        spec.all_containers()
            .any(|c| c.volume_mounts.iter().any(|m| m.name == name) || c.volume_devices.contains(&name))
    };
    let state = |name, host, needs| VolumeState {
        name,
        host,
        formatted: false,
        device: Device::Nothing,
        expansion: Expansion::Nothing,
        needs,
        mounted: false,
        stale: false,
        remounts: false,
        grows: false,
        overdue: false,
        tried: SimTime::ZERO,
        due: SimTime::ZERO,
        back_off: SimDuration::ZERO,
        content: List::EMPTY,
    };
    let mut volumes = Vec::with_capacity(spec.volumes.len() + usize::from(spec.token_volume));
    let needed = spec.volumes.iter().filter(|volume| used(volume.name));
    let needs = |source| objects_of(source).map(|(kind, files)| (kind, files.name)).collect();
    let host = |volume: &crate::api::Volume| match &volume.source {
        VolumeSource::HostPath { path, kind } => Some(HostPart { path: *path, kind: *kind, volume: volume.name }),
        _ => None,
    };
    volumes.extend(needed.map(|volume| state(volume.name, host(volume), needs(&volume.source))));
    if spec.token_volume {
        volumes.push(state(*TOKEN_VOLUME, None, Vec::new()));
    }
    volumes
}

/// Whether the files of a pod's volumes belong to a group that all its processes are in: `fsGroup`.
fn has_group(spec: &PodSpec) -> bool {
    let is_there = |spec: &str| {
        let spec: Value = serde_json::from_str(spec).unwrap_or_default();
        spec["securityContext"]["fsGroup"].is_number()
    };
    spec.source.contains("\"fsGroup\"") && is_there(&spec.source)
}

/// The objects that a volume shows, in the order in which they are read.
fn objects_of(source: &VolumeSource) -> impl Iterator<Item = (Kind, &ObjectFiles)> {
    let (one, several): (Option<(Kind, &ObjectFiles)>, &[ProjectedSource]) = match source {
        VolumeSource::ConfigMap(map) => (Some((Kind::ConfigMap, map)), &[]),
        VolumeSource::Secret(secret) => (Some((Kind::Secret, secret)), &[]),
        VolumeSource::Projected(sources) => (None, sources),
        VolumeSource::EmptyDir { .. }
        | VolumeSource::HostPath { .. }
        | VolumeSource::DownwardApi(_)
        | VolumeSource::Claim { .. }
        | VolumeSource::Ephemeral { .. }
        | VolumeSource::Image { .. }
        | VolumeSource::Disk { .. }
        | VolumeSource::Csi { .. }
        | VolumeSource::Other { .. } => (None, &[]),
    };
    one.into_iter().chain(several.iter().filter_map(ProjectedSource::object))
}
/// The limit of a pod's memory, if each of its containers has one or the pod itself (`ResourceConfigForPod` in
/// `pkg/kubelet/cm/helpers_linux.go`).
fn memory_limit(spec: &PodSpec) -> Option<i64> {
    let of_pod = spec.resources.as_ref().is_some_and(|(_, limits)| limits.memory() > 0);
    let of_all = || spec.created_containers().all(|container| container.limits.memory() > 0);
    (of_pod || of_all()).then(|| requests::limits(spec).memory())
}
