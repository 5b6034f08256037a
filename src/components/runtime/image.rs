//! Images on the nodes, and pulling them.

use super::{PullResult, Runtimes, Unruled, image_table, nth};
use crate::api::{FastMap, Name};
use crate::components::cri::{ContainerConfig, CriError, CriReply, CriResult, PodKey};
use crate::components::message::NodeIndex;
use crate::engine::{Purpose, SimDuration, SimTime};
use std::sync::Arc;

const PULL: Purpose = Purpose::new("image pull");

/// The images of one node that differ from what the world's rules say.
#[derive(Debug, Clone, Default)]
pub(super) struct ImageStore {
    /// Whether an image was pulled or removed, and when it was pulled.
    changed: FastMap<Name, Option<SimTime>>,
    /// How often each image was pulled.
    pulls: FastMap<Name, u32>,
    /// Pulls under way: the call, and how often its image was pulled before.
    under_way: Vec<(u32, u32)>,
    /// Tags that meant another image when they were pulled.
    tags: FastMap<Name, Name>,
}

impl ImageStore {
    pub(super) fn remove(&mut self, image: Name) {
        self.changed.insert(image, None);
    }

    /// Images that were pulled, or removed, by name.
    pub(super) fn pulled(&self) -> Vec<Name> {
        let mut names: Vec<Name> = self.changed.keys().copied().collect();
        names.sort_unstable();
        names
    }

    /// When an image was pulled; none if it was there from the start.
    pub(super) fn pulled_at(&self, image: Name) -> Option<SimTime> {
        self.changed.get(&image).copied().flatten()
    }

    fn add(&mut self, image: Name, now: SimTime, meant: Option<Name>) {
        self.changed.insert(image, Some(now));
        match meant {
            Some(meant) => drop(self.tags.insert(image, meant)),
            None => drop(self.tags.remove(&image)),
        }
    }

    /// The configuration of a container with the image that its tag meant when it was pulled.
    pub(super) fn untagged(&self, config: Arc<ContainerConfig>) -> Arc<ContainerConfig> {
        match self.tags.get(&config.image) {
            Some(meant) => Arc::new(ContainerConfig { image: *meant, ..ContainerConfig::clone(&config) }),
            None => config,
        }
    }

    /// The pulls under way will never be over.
    pub(super) fn cancel_pulls(&mut self) {
        self.under_way.clear();
    }

    /// Nothing is known of any pull any more.
    pub(super) fn forget(&mut self) {
        self.tags.clear();
        self.changed.values_mut().for_each(|pulled| *pulled = None);
    }
}

impl Runtimes {
    pub(super) fn image_present(&self, node: NodeIndex, image: Name) -> bool {
        let machine = &self.machines[node.index()];
        if let Some(changed) = machine.images.changed.get(&image) {
            return changed.is_some();
        }
        let rule = self.world.image(&image);
        rule.is_none_or(|rule| rule.present_on.as_ref().is_none_or(|nodes| nodes.contains(&machine.name)))
    }

    /// Bytes of an image.
    pub fn image_size(&self, image: &str) -> i64 {
        self.world.image(image).map_or(50 << 20, |rule| rule.size)
    }

    /// What the runtime tells of an image that is there.
    pub(super) fn image_info(&self, image: Name) -> CriReply {
        let user = match self.world.unruled {
            Unruled::Idle => 0,
            Unruled::Played => image_table::find(&self.world.models, &image).0.user,
        };
        CriReply::Image { size: self.image_size(&image), user: i64::from(user) }
    }

    pub(super) fn begin_pull(&mut self, node: NodeIndex, id: u32, key: PodKey, image: Name) -> SimDuration {
        let machine = &mut self.machines[node.index()];
        let count = machine.images.pulls.entry(image).or_insert(0);
        let n = *count;
        *count += 1;
        machine.images.under_way.push((id, n));
        let stream = machine.stream.part(&image);
        let scripted = self.world.image(&image).and_then(|rule| nth(&rule.pulls, n as usize));
        let duration = scripted.and_then(|pull| pull.duration.as_ref()).unwrap_or(&self.profile.pull);
        let later = self.pull_delay(node, key, image, u64::from(n));
        later + self.draws.sample(duration, PULL, stream, u64::from(n))
    }

    pub(super) fn finish_pull(
        &mut self,
        now: SimTime,
        node: NodeIndex,
        id: u32,
        key: PodKey,
        image: Name,
    ) -> CriResult {
        let under_way = &mut self.machines[node.index()].images.under_way;
        let place = under_way.iter().position(|(call, _)| *call == id);
        let (_, n) = under_way.swap_remove(place.expect("a pull ends that has begun"));
        let scripted = self.world.image(&image).and_then(|rule| nth(&rule.pulls, n as usize));
        let result = scripted.map_or(PullResult::Ok, |pull| pull.result);
        let result = self.pull_result(node, key, image, u64::from(n)).unwrap_or(result);
        let resolve = format!("failed to pull and unpack image {image:?}: failed to resolve reference {image:?}");
        match result {
            PullResult::Ok => {
                let meant = self.moved_tag(node, key, image);
                self.machines[node.index()].images.add(image, now, meant);
                Ok(self.image_info(image))
            }
            PullResult::NotFound => Err(CriError::not_found(format!("{resolve}: {image}: not found"))),
            PullResult::Unauthorized => Err(CriError::unknown(format!(
                "{resolve}: pull access denied, repository does not exist or may require authorization: server \
                 message: insufficient_scope: authorization failed"
            ))),
            PullResult::Timeout => {
                let registry = image.split('/').next().unwrap_or(&image);
                Err(CriError::unknown(format!(
                    "{resolve}: failed to do request: Head \"https://{registry}/v2/\": dial tcp 203.0.113.10:443: i/o \
                     timeout"
                )))
            }
            PullResult::RegistryUnavailable => {
                Err(CriError::unknown("RegistryUnavailable: the registry is not available"))
            }
            PullResult::TooManyRequests => Err(CriError::unknown(format!(
                "{resolve}: unexpected status from HEAD request to {image}: 429 Too Many Requests"
            ))),
            PullResult::Corrupt => Err(CriError::unknown(format!(
                "failed to pull and unpack image {image:?}: failed to copy: failed commit on ref: unexpected commit \
                 digest: failed precondition"
            ))),
        }
    }
}
