//! Volumes grow when their claims ask for more: the part of `external-resizer` beside each CSI driver.
//!
//! Follows `pkg/controller/controller.go` and `pkg/controller/expand_and_recover.go` of
//! `kubernetes-csi/external-resizer` 2, with `RecoverVolumeExpansionFailure`. One resizer stands for all of them; its
//! drivers fail only if a fault says so, with the code of gRPC that is in its words (`Unknown` if none is). Whether
//! nodes have to make file systems larger afterwards is said by the scenario; of raw block devices they never have to
//! (`NodeExpansionRequired`). Left out: volumes that cannot grow while a node has them.

use super::{BOUND, VolumeKey, write};
use crate::api::{
    ApiError, CONTROLLER_RESIZE_IN_PROGRESS, CONTROLLER_RESIZE_INFEASIBLE, ErrorReason, EventType, Kind, Name, Object,
    Part, PersistentVolume, PersistentVolumeClaim, STORAGE, Text, format_amount, names,
};
use crate::components::controllers::flow::{Desk, Flow, Step};
use crate::components::controllers::host::{Controller, Seen, Settings};
use crate::components::controllers::informers::Informers;
use crate::components::controllers::interest::Interest;
use crate::components::controllers::work_queue::{QueueKey, Retry};
use crate::components::runtime::Glob;
use crate::engine::{Distribution, Purpose, SimDuration, SimTime};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

names! {
    PRE_RESIZE_CAPACITY = "volume.alpha.kubernetes.io/pre-resize-capacity";
    NODE_EXPANSION_NOT_REQUIRED = "volume.kubernetes.io/node-expansion-not-required";
}

const RESIZE: Purpose = Purpose::new("resize volume");
/// The longest wait between two tries, and the one after what can never succeed (`--retry-interval-max`).
const LONGEST_RETRY: SimDuration = SimDuration::from_mins(5);
/// Codes of gRPC after which the driver may still be at work, so that nothing is known (`IsFinalError`), …
const UNCERTAIN: [&str; 5] = ["Canceled", "DeadlineExceeded", "Unavailable", "ResourceExhausted", "Aborted"];
/// … and those after which it will fail again (`IsInfeasibleError`).
const INFEASIBLE: [&str; 3] = ["InvalidArgument", "OutOfRange", "NotFound"];

/// The drivers whose volumes have grown once they themselves say so, by patterns of their names; the first that matches
/// counts. Other drivers need the nodes for file systems.
pub type NodeExpansion = Arc<[(Glob, bool)]>;

/// The controller that makes volumes larger.
#[derive(Debug, Clone, Default)]
pub struct ResizerController {
    /// How long it takes to make one larger.
    takes: Distribution,
    /// When the volume of a claim is larger.
    due: BTreeMap<VolumeKey, SimTime>,
    /// What the driver says instead.
    failure: Option<Text>,
    /// Which drivers need the nodes.
    node_expansion: NodeExpansion,
    /// Claims whose volume surely did not grow when that was last tried.
    failed: BTreeSet<VolumeKey>,
    /// Claims whose volume can never grow as asked, and when that is tried again.
    slow: BTreeMap<VolumeKey, SimTime>,
}

impl ResizerController {
    /// A resizer that needs so long for each volume.
    pub fn new(takes: Distribution, node_expansion: NodeExpansion) -> Self {
        Self { takes, node_expansion, ..Self::default() }
    }

    /// The driver fails from now on, or works.
    pub fn fail(&mut self, failure: Option<Text>) {
        self.failure = failure;
    }

    /// Whether a node has to make the file system of a volume larger.
    fn needs_node(&self, volume: &PersistentVolume) -> bool {
        let mut rules = self.node_expansion.iter();
        let says = rules.find(|(drivers, _)| drivers.matches(&volume.csi_driver)).map(|(_, needed)| *needed);
        !volume.block && says.unwrap_or(true)
    }
}

/// A claim and its volume, and what is next.
#[derive(Debug, Clone)]
pub struct View {
    claim: Arc<PersistentVolumeClaim>,
    volume: Arc<PersistentVolume>,
    next: Next,
}

/// What is to be done about a claim.
#[derive(Debug, Clone)]
enum Next {
    /// Nothing but to take back a note of how large the volume was.
    Tidy,
    /// To try it again after a while.
    Wait(SimDuration),
    /// To begin to make the volume as large as this.
    Begin(i64),
    /// To wait for the driver.
    Grows,
    /// To note that it has become that large, or why it has not.
    End(i64, Option<Text>),
}

impl Controller for ResizerController {
    type Key = VolumeKey;
    type View = View;
    const INTEREST: Interest = Interest::in_kinds(&[Kind::PersistentVolume, Kind::PersistentVolumeClaim]);

    fn settings(&self) -> Settings {
        Settings {
            workers: 10,
            retry: Retry { base: SimDuration::from_secs(1), cap: LONGEST_RETRY, most: None },
            // What it writes is in its caches at once.
            guarded: &[Kind::PersistentVolume, Kind::PersistentVolumeClaim],
            ..Settings::new("external-resizer")
        }
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<VolumeKey>) {
        let Object::PersistentVolumeClaim(claim) = seen.new else { return };
        let key = VolumeKey::of(claim);
        if seen.is_deletion() {
            self.forget(key);
            return;
        }
        let news = match seen.old {
            Some(Object::PersistentVolumeClaim(old)) => {
                claim.requests.storage() != old.requests.storage()
                    || claim.capacity.storage() > old.capacity.storage()
                    || claim.growth != old.growth
            }
            _ => true,
        };
        if news && (asks_for_more(claim) || !claim.allocated.is_empty()) {
            desk.queue.add(key);
        }
    }

    fn view(&mut self, key: VolumeKey, informers: &Informers, desk: &mut Desk<VolumeKey>) -> Option<View> {
        let VolumeKey::Claim(namespace, name) = key else { return None };
        let store = informers.store();
        let claim = store.persistent_volume_claims.find(namespace, name)?.clone();
        let volume = store.persistent_volumes.find(Name::default(), claim.volume_name)?.clone();
        if volume.csi_driver.is_empty() {
            return None;
        }
        let size = asks_for_more(&claim).then(|| next_size(&claim, &volume, self.failed.contains(&key))).flatten();
        let Some(size) = size else {
            self.forget(key);
            return is_untidy(&claim, &volume).then_some(View { claim, volume, next: Next::Tidy });
        };
        self.slow.retain(|_, until| *until > desk.now);
        let slow = self.slow.get(&key).copied();
        if claim.growth == *CONTROLLER_RESIZE_INFEASIBLE {
            self.slow.entry(key).or_insert(desk.now + LONGEST_RETRY);
        }
        let next = match (self.due.get(&key), slow) {
            (Some(due), _) if *due <= desk.now => Next::End(size, self.failure.clone()),
            (Some(_), _) => Next::Grows,
            (None, Some(until)) if claim.allocated.storage() == size => Next::Wait(until.since(desk.now)),
            (None, _) => {
                let takes = desk.draws.sample(&self.takes, RESIZE, key.stream(), desk.now.as_nanos());
                self.due.insert(key, desk.now + takes);
                desk.queue.add_at(desk.now + takes, key);
                Next::Begin(size)
            }
        };
        Some(View { claim, volume, next })
    }

    fn sync(&mut self, view: &View, flow: &mut Flow<'_, VolumeKey>) -> Step {
        let View { claim, volume, next } = view;
        let about = || Object::PersistentVolumeClaim(claim.clone()).reference();
        match next {
            Next::Grows => Ok(()),
            Next::Wait(longer) => {
                flow.again_after(*longer);
                Ok(())
            }
            Next::Tidy => tidy(volume, flow),
            Next::Begin(size) => {
                if is_untidy(claim, volume) {
                    tidy(volume, flow)?;
                }
                let annotations = claim.meta.annotations.without(*NODE_EXPANSION_NOT_REQUIRED);
                let anew = claim.allocated.get(*STORAGE) != Some(*size);
                let mut marked = claim.resizing(*size, anew, flow.stamp());
                marked.meta.annotations = annotations;
                write(Arc::new(marked), Part::Status, flow)?;
                let message = format!("External resizer is resizing volume {}", volume.meta.name);
                flow.tell(about(), EventType::Normal, "Resizing", message);
                Ok(())
            }
            Next::End(_, Some(why)) => self.driver_failed(claim, volume, why, flow),
            Next::End(size, None) => self.driver_succeeded(claim, volume, *size, flow),
        }
    }
}

impl ResizerController {
    fn forget(&mut self, key: VolumeKey) {
        self.due.remove(&key);
        self.failed.remove(&key);
        self.slow.remove(&key);
    }

    /// The driver has refused to make a volume larger (`callResizeOnPlugin`).
    fn driver_failed(
        &mut self,
        claim: &Arc<PersistentVolumeClaim>,
        volume: &PersistentVolume,
        why: &str,
        flow: &mut Flow<'_, VolumeKey>,
    ) -> Step {
        let key = VolumeKey::of(claim);
        let code = grpc_code(why);
        let (is_final, infeasible) = (!UNCERTAIN.contains(&code), INFEASIBLE.contains(&code));
        self.due.remove(&key);
        if is_final {
            self.failed.insert(key);
            write(Arc::new(claim.resize_failed(infeasible, why, flow.stamp())), Part::Status, flow)?;
        } else {
            self.failed.remove(&key);
        }
        if !infeasible {
            self.slow.remove(&key);
        }
        let (name, driver) = (volume.meta.name.as_str(), volume.csi_driver.as_str());
        let message = format!("resize volume {name:?} by resizer {driver:?} failed: {why}");
        let about = Object::PersistentVolumeClaim(claim.clone()).reference();
        flow.tell(about, EventType::Warning, "VolumeResizeFailed", message.clone());
        Err(ApiError::new(ErrorReason::InternalError, message).into())
    }

    /// The driver has made a volume larger: it and its claim say so, or the claim that a node has to go on.
    fn driver_succeeded(
        &mut self,
        claim: &Arc<PersistentVolumeClaim>,
        volume: &PersistentVolume,
        size: i64,
        flow: &mut Flow<'_, VolumeKey>,
    ) -> Step {
        let about = Object::PersistentVolumeClaim(claim.clone()).reference();
        let needs_node = self.needs_node(volume);
        let mut larger = volume.clone();
        larger.capacity = larger.capacity.with(*STORAGE, size);
        if needs_node && larger.meta.annotations.get(*PRE_RESIZE_CAPACITY).is_none() {
            let before = Name::new(&format_amount(*STORAGE, claim.capacity.storage()));
            larger.meta.annotations = larger.meta.annotations.with(*PRE_RESIZE_CAPACITY, before);
        }
        write(Arc::new(larger), Part::Main, flow)?;
        let annotations = &claim.meta.annotations;
        let (mut told, annotations, reason, message) = if needs_node {
            let annotations = annotations.without(*NODE_EXPANSION_NOT_REQUIRED);
            let (reason, message) = ("FileSystemResizeRequired", "Require file system resize of volume on node");
            (claim.awaiting_its_node(flow.stamp()), annotations, reason, message)
        } else {
            let annotations = annotations.with(*NODE_EXPANSION_NOT_REQUIRED, Name::new("true"));
            (claim.grown(size), annotations, "VolumeResizeSuccessful", "Resize volume succeeded")
        };
        told.meta.annotations = annotations;
        write(Arc::new(told), Part::Status, flow)?;
        flow.tell(about, EventType::Normal, reason, message);
        self.forget(VolumeKey::of(claim));
        Ok(())
    }
}

/// The size that a volume is to have next, if anything is to be done for that by its driver. What was begun comes to
/// its end first, unless it surely failed (`expandAndRecover`).
fn next_size(claim: &PersistentVolumeClaim, volume: &PersistentVolume, failed: bool) -> Option<i64> {
    let wanted = claim.requests.storage();
    let begun = claim.allocated.get(*STORAGE).unwrap_or(wanted);
    if volume.capacity.storage() >= wanted {
        return (!claim.awaits_node()).then_some(begun);
    }
    if claim.awaits_node() {
        return (volume.capacity.storage() < begun).then_some(begun);
    }
    let goes_on = claim.growth == *CONTROLLER_RESIZE_IN_PROGRESS && !failed;
    Some(if goes_on { begun } else { wanted })
}

fn asks_for_more(claim: &PersistentVolumeClaim) -> bool {
    claim.phase == *BOUND && claim.requests.storage() > claim.capacity.storage()
}

/// Whether a volume still says how large it was although its claim has grown (`isNodeExpandComplete`).
fn is_untidy(claim: &PersistentVolumeClaim, volume: &PersistentVolume) -> bool {
    volume.meta.annotations.get(*PRE_RESIZE_CAPACITY).is_some() && claim.capacity.storage() >= volume.capacity.storage()
}

fn tidy(volume: &PersistentVolume, flow: &mut Flow<'_, VolumeKey>) -> Step {
    let mut tidied = volume.clone();
    tidied.meta.annotations = tidied.meta.annotations.without(*PRE_RESIZE_CAPACITY);
    write(Arc::new(tidied), Part::Main, flow).map(drop)
}

/// The code of gRPC in the words of a driver.
fn grpc_code(error: &str) -> &str {
    let code = error.split_once("code = ").map_or("Unknown", |(_, rest)| rest);
    code.split_whitespace().next().unwrap_or("Unknown")
}

#[cfg(test)]
mod tests {
    use super::grpc_code;

    #[test]
    fn codes_are_read_from_the_words_of_drivers() {
        for (words, code) in [("rpc error: code = OutOfRange desc = no", "OutOfRange"), ("no room", "Unknown")] {
            assert_eq!(grpc_code(words), code);
        }
    }
}
