//! Image garbage collection: the least recently used of the unused images go when the disk is full.
//!
//! Follows `pkg/kubelet/images/image_gc_manager.go` of Kubernetes 1.36.

use super::{Kubelet, KubeletMessage, PendingCri};
use crate::api::{EventType, Name};
use crate::components::cri::{CriCall, RuntimePod};
use crate::components::message::Message;
use crate::components::stats::{ImageStats, NodeStats};
use crate::engine::{Outbox, Purpose, SimDuration, SimTime};
use std::collections::BTreeMap;

const ORDER: Purpose = Purpose::new("image removal order");

/// Images are looked at so often (`ImageGCPeriod`).
pub(super) const IMAGE_GC_PERIOD: SimDuration = SimDuration::from_mins(5);

/// What is remembered of images.
#[derive(Debug, Clone, Default)]
pub(super) struct ImageUse {
    /// When images that no container uses any more were last used.
    last_used: BTreeMap<Name, SimTime>,
    planned: Option<SimTime>,
    failed: bool,
}

impl Kubelet {
    /// Containers of a pod were removed: their images may be unused from now on.
    pub(super) fn note_image_use(&mut self, now: SimTime, before: &RuntimePod, after: &RuntimePod) {
        for instance in &before.containers {
            if !after.containers.iter().any(|have| have.id == instance.id) {
                self.image_use.last_used.insert(instance.image, now);
            }
        }
    }

    /// Plans the next look at the images.
    pub fn want_image_gc(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        if !self.up || self.image_use.planned.is_some() {
            return;
        }
        let age = self.started_at.uptime(now).as_nanos() % IMAGE_GC_PERIOD.as_nanos();
        let wait = IMAGE_GC_PERIOD.saturating_sub(SimDuration::from_nanos(age));
        self.image_use.planned = Some(now + wait);
        out.after(wait, self.message(KubeletMessage::ImageGc { due: now + wait }));
    }

    /// Removes images if the disk is fuller than it should be (`GarbageCollect`).
    pub fn image_gc(&mut self, now: SimTime, due: SimTime, stats: &NodeStats, out: &mut Outbox<Message>) {
        if !self.up || self.image_use.planned != Some(due) {
            return;
        }
        self.image_use.planned = None;
        self.want_image_gc(now, out);
        self.remove_old_images(now, &stats.images, out);
        let disk = stats.imagefs.as_ref().unwrap_or(&stats.nodefs).bytes;
        let (high, low) = (self.config.image_gc_high_threshold_percent, self.config.image_gc_low_threshold_percent);
        let used = 100 - disk.available * 100 / disk.capacity.max(1);
        if used < i64::from(high) {
            self.image_use.failed = false;
            return;
        }
        let wanted = disk.capacity * (100 - i64::from(low)) / 100 - disk.available;
        let freed = self.remove_unused_images(now, &stats.images, wanted, out);
        if freed >= wanted {
            self.image_use.failed = false;
            return;
        }
        let text = format!(
            "Failed to garbage collect required amount of images. Attempted to free {wanted} bytes, but only found \
             {freed} bytes eligible to free."
        );
        self.tell_node(now, EventType::Warning, "FreeDiskSpaceFailed", &text, out);
        if std::mem::replace(&mut self.image_use.failed, true) {
            self.tell_node(now, EventType::Warning, "ImageGCFailed", &text, out);
        }
    }

    /// Removes unused images, least recently used first, until so many bytes are free; returns how many were freed.
    pub(super) fn remove_unused_images(
        &mut self,
        now: SimTime,
        images: &[ImageStats],
        wanted: i64,
        out: &mut Outbox<Message>,
    ) -> i64 {
        let old_enough = |image: &&ImageStats| {
            let known = match image.pulled_at {
                None => self.started_at.uptime(now),
                // An image is first seen at the look after its pull.
                Some(pulled) => {
                    let age = self.started_at.uptime(pulled).as_nanos() % IMAGE_GC_PERIOD.as_nanos();
                    let seen = pulled + IMAGE_GC_PERIOD.saturating_sub(SimDuration::from_nanos(age));
                    now.since(seen)
                }
            };
            known >= self.config.image_minimum_gc_age
        };
        let mut unused: Vec<&ImageStats> =
            images.iter().filter(|image| !self.uses_image(image.name)).filter(old_enough).collect();
        // Images that nobody ever used are in no particular order.
        let luck = |image: &ImageStats| self.draws.draw(ORDER, self.stream.part(&image.name), now.as_nanos()).bits();
        unused.sort_by_key(|image| (self.image_use.last_used.get(&image.name).copied(), luck(image)));
        let mut freed = 0;
        let mut doomed = Vec::new();
        for image in unused {
            if freed >= wanted {
                break;
            }
            freed += image.size;
            doomed.push(image.name);
        }
        self.remove_images(now, images, doomed, out);
        freed
    }

    fn uses_image(&self, name: Name) -> bool {
        let found = self.pods.values().map(|state| &state.runtime);
        // What is left of pods that are gone goes before images do.
        let unclaimed = self.unclaimed.values().filter(|found| !found.is_left_over()).map(|found| &found.runtime);
        found.chain(unclaimed).any(|pod| pod.containers.iter().any(|instance| instance.image == name))
    }

    /// Removes the images that were not used for too long (`freeOldImages`); a process that is younger than that
    /// cannot tell.
    fn remove_old_images(&mut self, now: SimTime, images: &[ImageStats], out: &mut Outbox<Message>) {
        let most = self.config.image_maximum_gc_age;
        if most.is_zero() || self.started_at.uptime(now) <= most {
            return;
        }
        let unused_for = |name: Name| {
            let last = self.image_use.last_used.get(&name);
            last.map_or_else(|| self.started_at.uptime(now), |last| now.since(*last))
        };
        let old = |image: &&ImageStats| !self.uses_image(image.name) && unused_for(image.name) > most;
        let doomed: Vec<Name> = images.iter().filter(old).map(|image| image.name).collect();
        self.remove_images(now, images, doomed, out);
    }

    fn remove_images(&mut self, now: SimTime, images: &[ImageStats], doomed: Vec<Name>, out: &mut Outbox<Message>) {
        if doomed.is_empty() {
            return;
        }
        let left = images.iter().filter(|image| !doomed.contains(&image.name)).copied();
        self.set_images(left.collect::<Vec<_>>());
        self.want_node_report(now, out);
        let step = self.latency(|profile| &profile.runtime_call, now, self.stream.part("images"));
        for (place, image) in doomed.into_iter().enumerate() {
            self.call_runtime(step * (place as u64 + 1), CriCall::RemoveImage { image }, PendingCri::Nobody, out);
        }
    }
}
