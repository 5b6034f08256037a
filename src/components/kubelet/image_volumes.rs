//! Volumes that show the content of an image: their images are had before any container of the pod is started.
//!
//! Follows `pkg/kubelet/kuberuntime/kuberuntime_manager.go` (`getImageVolumes`, `toKubeContainerImageVolumes`) of
//! Kubernetes 1.36: the same puller, policies and back-off as for containers, told of the pod; what cannot be had fails
//! the containers that mount it. Left out: the files of the image.

use super::Kubelet;
use super::images::ImageOutcome;
use super::sync_pod::Stage;
use crate::api::{Container, ImagePullPolicy, Name, Pod, Text, VolumeSource};
use crate::components::cri::PodKey;
use crate::components::message::Message;
use crate::engine::{Outbox, SimTime};
use std::collections::VecDeque;

/// A volume whose image is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ImageVolume {
    pub(super) name: Name,
    pub(super) image: Name,
    pub(super) policy: ImagePullPolicy,
}

/// The volumes of a pod that show images, in order.
pub(super) fn image_volumes(pod: &Pod) -> VecDeque<ImageVolume> {
    let shown = pod.spec.volumes.iter().filter_map(|volume| match volume.source {
        VolumeSource::Image { reference, pull_policy } => {
            Some(ImageVolume { name: volume.name, image: reference, policy: pull_policy })
        }
        _ => None,
    });
    shown.collect()
}

/// Whether a pod has any.
pub(super) fn has_image_volumes(pod: &Pod) -> bool {
    pod.spec.volumes.iter().any(|volume| matches!(volume.source, VolumeSource::Image { .. }))
}

impl Kubelet {
    /// The volume whose image is looked for now.
    pub(super) fn image_volume(&mut self, key: PodKey) -> Option<ImageVolume> {
        match &self.sync(key)?.stage {
            Stage::ImageVolumes { left } => left.front().copied(),
            _ => None,
        }
    }

    /// Looks for the next image, or starts containers.
    pub(super) fn ensure_image_volume(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        match self.image_volume(key) {
            Some(volume) => self.ensure_image(now, key, Name::default(), volume.image, volume.policy, out),
            None => self.begin_first_starts(now, key, out),
        }
    }

    /// The image of a volume is there, or cannot be had.
    pub(super) fn image_volume_ensured(
        &mut self,
        now: SimTime,
        key: PodKey,
        outcome: ImageOutcome,
        out: &mut Outbox<Message>,
    ) {
        let Some(sync) = self.sync(key) else { return };
        let Stage::ImageVolumes { left } = &mut sync.stage else { return };
        let Some(volume) = left.pop_front() else { return };
        if matches!(outcome, ImageOutcome::Failed { .. }) {
            sync.image_volume_errors.push((volume.name, outcome));
        }
        self.ensure_image_volume(now, key, out);
    }

    /// Why a volume that a container mounts has no image.
    pub(super) fn missing_image_volume(&mut self, key: PodKey, container: &Container) -> Option<(Name, Text)> {
        let errors = &self.sync(key)?.image_volume_errors;
        let of_mount = |mount: &crate::api::VolumeMount| errors.iter().find(|(name, _)| *name == mount.name);
        match container.volume_mounts.iter().find_map(of_mount)? {
            (_, ImageOutcome::Failed { reason, message }) => Some((*reason, message.clone())),
            (_, ImageOutcome::There) => None,
        }
    }
}
