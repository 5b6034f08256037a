//! Volumes that are attached before they are mounted: what stands behind a claim is read, the node's status says that
//! the volume is in use, the controller attaches it, and the node's status says so.
//!
//! Follows `pkg/kubelet/volumemanager` of Kubernetes 1.36: `populator/desired_state_of_world_populator.go` for what is
//! read, `reconciler/reconciler_common.go` (`waitForVolumeAttach`) for what is waited for. Left out: the limit that a
//! driver finds exceeded only when it attaches.

use super::expansion::Expansion;
use super::volumes::HostPart;
use super::{Kubelet, KubeletMessage, PendingCall};
use crate::api::{
    ErrorReason, EventType, Kind, List, Name, Object, PersistentVolume, PersistentVolumeClaim, Pod, Request, Response,
    Target, Text, VolumeSource,
};
use crate::components::attachment::Attachable;
use crate::components::cri::PodKey;
use crate::components::message::Message;
use crate::engine::{Outbox, SimTime};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What stands behind a volume of a pod.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Device {
    /// Nothing that is attached.
    #[default]
    Nothing,
    /// A claim; it, or what it is bound to, is being read.
    Unread(Option<Arc<PersistentVolume>>),
    /// A claim that cannot be used.
    Unusable(Text),
    /// A volume, by its unique name, that is to be attached first.
    Awaited(Name),
    /// A volume that is attached.
    Attached(Name),
}

impl Device {
    /// The unique name of what is, or is to be, attached.
    const fn name(&self) -> Option<Name> {
        match self {
            Self::Awaited(name) | Self::Attached(name) => Some(*name),
            Self::Nothing | Self::Unread(_) | Self::Unusable(_) => None,
        }
    }

    /// Whether something is attached.
    pub(super) const fn is_attached(&self) -> bool {
        matches!(self, Self::Attached(_))
    }

    /// Whether the volume may be mounted, as far as attaching goes.
    pub(super) const fn is_there(&self) -> bool {
        matches!(self, Self::Nothing | Self::Attached(_))
    }
}

/// The claim that a volume of a pod names, or that was made for it.
pub(super) fn claim_of(pod: &Pod, volume: Name) -> Option<Target> {
    let found = pod.spec.volumes.iter().find(|found| found.name == volume)?;
    let name = match &found.source {
        VolumeSource::Claim { name, .. } => *name,
        VolumeSource::Ephemeral { .. } => Name::new(&format!("{}-{volume}", pod.meta.name)),
        _ => return None,
    };
    Some(Target { kind: Kind::PersistentVolumeClaim, namespace: pod.meta.namespace, name })
}

impl Kubelet {
    /// Reads the claim of a volume, if it has one.
    pub(super) fn read_claim(&mut self, now: SimTime, key: PodKey, volume: usize, out: &mut Outbox<Message>) {
        let Some(state) = self.pods.get_mut(&key) else { return };
        let pod = state.pod.clone();
        let found = &mut state.volumes.volumes[volume];
        let Some(claim) = claim_of(&pod, found.name) else { return };
        found.device = Device::Unread(None);
        self.call_api(now, Request::Get(claim), PendingCall::Claim { key, volume }, out);
    }

    /// Reads the claims again that could not be used when they were last looked at.
    pub(super) fn reread_claims(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(state) = self.pods.get(&key) else { return };
        let volumes = state.volumes.volumes.iter().enumerate();
        let unusable = volumes.filter(|(_, volume)| matches!(volume.device, Device::Unusable(_)));
        let places: Vec<usize> = unusable.map(|(place, _)| place).collect();
        places.into_iter().for_each(|volume| self.read_claim(now, key, volume, out));
    }

    /// The server has answered about a claim, its volume, or the volume's driver.
    pub(super) fn claim_read(
        &mut self,
        now: SimTime,
        key: PodKey,
        volume: usize,
        response: Response,
        out: &mut Outbox<Message>,
    ) {
        let Some(state) = self.pods.get(&key) else { return };
        let pod = state.pod.clone();
        let Some(found) = state.volumes.volumes.get(volume) else { return };
        let Device::Unread(known) = found.device.clone() else { return };
        let cluster_wide = |kind, name| Target { kind, namespace: Name::default(), name };
        let next = match (response, known) {
            (Ok(Object::PersistentVolumeClaim(claim)), _) => match why_unusable(&claim) {
                None => {
                    if claim.awaits_node() {
                        self.set_expansion(key, volume, Expansion::Heard);
                    }
                    Err(cluster_wide(Kind::PersistentVolume, claim.volume_name))
                }
                Some(why) => Ok(self.unusable(key, volume, why)),
            },
            (Ok(Object::PersistentVolume(found)), _) => {
                let name = self.pods[&key].volumes.volumes[volume].name;
                let host = found.host_path().map(|(path, kind)| HostPart { path, kind, volume: found.meta.name });
                if let Some(state) = self.pods.get_mut(&key) {
                    let shown = &mut state.volumes.volumes[volume];
                    (shown.host, shown.formatted) = (host, found.is_formatted_as_ext());
                }
                if let Some(why) = wrong_mode(&pod, name, &found) {
                    Ok(Device::Unusable(why.into()))
                } else if found.csi_driver.is_empty() {
                    Ok(device(&found, None))
                } else {
                    let driver = cluster_wide(Kind::CsiDriver, found.csi_driver);
                    self.set_device(key, volume, Device::Unread(Some(found)));
                    Err(driver)
                }
            }
            (Ok(Object::CsiDriver(driver)), Some(found)) => Ok(device(&found, Some(&driver))),
            (Err(error), Some(_)) if error.reason == ErrorReason::NotFound => Ok(Device::Nothing),
            (Err(error), None) => {
                Ok(self.unusable(key, volume, &format!("failed to fetch PVC from API server: {error}")))
            }
            (Ok(_), _) | (Err(_), Some(_)) => Ok(Device::Nothing),
        };
        let device = match next {
            Err(target) => return self.call_api(now, Request::Get(target), PendingCall::Claim { key, volume }, out),
            Ok(device) => device,
        };
        let awaited = matches!(device, Device::Awaited(_));
        let usable = device.is_there();
        self.set_device(key, volume, device);
        if awaited {
            self.want_node_report(now, out);
            self.see_attached(now, out);
        } else if usable && self.pods[&key].volumes.volumes[volume].is_overdue() {
            self.mounted(now, key, volume, out);
        }
    }

    /// A claim that cannot be used.
    fn unusable(&self, key: PodKey, volume: usize, why: &str) -> Device {
        let state = &self.pods[&key];
        let claim = claim_of(&state.pod, state.volumes.volumes[volume].name)
            .unwrap_or_else(|| Target::of(&Object::Pod(state.pod.clone())));
        Device::Unusable(format!("error processing PVC {}/{}: {why}", claim.namespace, claim.name).into())
    }

    fn set_device(&mut self, key: PodKey, volume: usize, device: Device) {
        if let Some(found) = self.pods.get_mut(&key).and_then(|state| state.volumes.volumes.get_mut(volume)) {
            found.device = device;
        }
    }

    /// Volumes that the node's status says are in use and attached are mounted at the next turn.
    pub(super) fn see_attached(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        let Some(node) = self.node_object.clone() else { return };
        let status = &node.status;
        if status.volumes_attached.is_empty() {
            return;
        }
        let is_here = |device: &Device| match device {
            Device::Awaited(name) => status.volumes_in_use.contains(name) && status.volumes_attached.contains(name),
            _ => false,
        };
        let arrived: Vec<(PodKey, usize)> = self
            .pods
            .iter()
            .flat_map(|(key, state)| {
                state.volumes.volumes.iter().enumerate().map(|(place, found)| (*key, place, found))
            })
            .filter(|(_, _, found)| is_here(&found.device))
            .map(|(key, place, _)| (key, place))
            .collect();
        for (key, volume) in arrived {
            let name = self.pods[&key].volumes.volumes[volume].device.name().unwrap_or_default();
            self.set_device(key, volume, Device::Attached(name));
            let turns = self.volume_loops(now);
            self.mount_after(now, key, volume, turns, out);
        }
    }

    /// The volumes that the node's status says are in use: those that are, or are to be, attached and mounted. While a
    /// claim is unread, nothing is taken away.
    pub(super) fn volumes_in_use(&self, now: SimTime) -> List<Name> {
        let mut names = BTreeSet::new();
        let mut unread = false;
        for state in self.pods.values().filter(|state| state.volumes.may_be_mounted(now)) {
            for found in &state.volumes.volumes {
                unread |= matches!(found.device, Device::Unread(_));
                names.extend(found.device.name());
            }
        }
        if (unread || !self.sources_ready)
            && let Some(node) = &self.node_object
        {
            names.extend(node.status.volumes_in_use.iter().copied());
        }
        names.into_iter().collect()
    }

    /// Devices of a pod are free at some time: the node's status says so at the beat after.
    pub(super) fn free_devices(&self, now: SimTime, key: PodKey, gone_at: SimTime, out: &mut Outbox<Message>) {
        let Some(state) = self.pods.get(&key) else { return };
        if state.volumes.volumes.iter().any(|found| found.device.name().is_some()) {
            out.after(gone_at.since(now), self.message(KubeletMessage::DevicesFree));
        }
    }

    /// A sync need not wait for volumes whose claim cannot be used: people are told.
    pub(super) fn tell_unusable_claims(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) -> bool {
        let Some(state) = self.pods.get(&key) else { return false };
        let volumes = &state.volumes.volumes;
        let unusable = || {
            volumes.iter().filter_map(|found| match &found.device {
                Device::Unusable(why) => Some((found.name.as_str(), why)),
                _ => None,
            })
        };
        let Some((_, why)) = unusable().next() else { return false };
        let mut unmounted: Vec<&str> =
            volumes.iter().filter(|found| !found.is_mounted()).map(|found| found.name.as_str()).collect();
        unmounted.sort_unstable();
        let failed: Vec<&str> = unusable().map(|(name, _)| name).collect();
        let text = format!(
            "Unable to attach or mount volumes: unmounted volumes=[{}], unattached volumes=[], failed to process \
             volumes=[{}]: {why}",
            unmounted.join(" "),
            failed.join(" ")
        );
        self.tell_pod(now, key, EventType::Warning, "FailedMount", text, out);
        true
    }
}

/// Why a claim is of no use to a pod, if it is not (`getPVCExtractPV`).
fn why_unusable(claim: &PersistentVolumeClaim) -> Option<&'static str> {
    if claim.meta.is_terminating() {
        Some("PVC is being deleted")
    } else if claim.phase != "Bound" || claim.volume_name.is_empty() {
        Some("PVC is not bound")
    } else {
        None
    }
}

/// What is wrong with how containers use a volume: as files what is a device, or the other way round
/// (`createVolumeSpec`).
fn wrong_mode(pod: &Pod, name: Name, volume: &PersistentVolume) -> Option<String> {
    let mut containers = pod.spec.all_containers();
    if volume.block {
        let mounted = containers.any(|container| container.volume_mounts.iter().any(|mount| mount.name == name));
        mounted.then(|| format!("volume {name} has volumeMode Block, but is specified in volumeMounts"))
    } else {
        let mapped = containers.any(|container| container.volume_devices.contains(&name));
        mapped.then(|| format!("volume {name} has volumeMode Filesystem, but is specified in volumeDevices"))
    }
}

fn device(volume: &PersistentVolume, driver: Option<&crate::api::CsiDriver>) -> Device {
    Attachable::of(volume, driver).map_or(Device::Nothing, |found| Device::Awaited(found.unique_name()))
}
