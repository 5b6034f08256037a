//! Nodes that fall silent: when that may be said, how fast they are emptied, and when none is.

use super::{Broken, HistoryLaw};
use crate::api::{
    Change, ChangeKind, ConditionStatus, NODE_READY, Name, Node, Object, Part, Request, TAINT_NOT_READY,
    TAINT_UNREACHABLE, TaintEffect, WallTime,
};
use crate::components::controllers::ControllerName;
use crate::components::message::{Client, Message, NodeIndex};
use crate::engine::{SimDuration, SimTime};
use crate::faults::Leader;
use crate::simulation::Cluster;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) const LAWS: &[HistoryLaw] = &[
    HistoryLaw {
        name: "silence-takes-its-time",
        says: "a node is Unknown when nothing was heard of it for 50 s, or 60 s at first",
    },
    HistoryLaw {
        name: "zones-empty-slowly",
        says: "in a zone in order, one node more than each ten seconds gets a taint",
    },
    HistoryLaw {
        name: "total-loss-evicts-nobody",
        says: "when controllers hear that all zones are lost, they find it, and nodes lose the evicting taints they know of",
    },
];

/// `nodeMonitorGracePeriod` and `nodeStartupGracePeriod`.
const GRACE: SimDuration = SimDuration::from_secs(50);
const STARTUP_GRACE: SimDuration = SimDuration::from_secs(60);
/// One node each so long, in a zone in order (`nodeEvictionRate`).
const PACE: SimDuration = SimDuration::from_secs(10);
/// Rounds are so much early at most.
const EARLY: SimDuration = SimDuration::from_millis(100);
/// After so long the monitor has looked, and has written what it found.
const SETTLED: SimDuration = SimDuration::from_secs(30);

/// How a zone stands (`ComputeZoneState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Normal,
    Partial,
    Full,
}

/// A zone while it is in one state.
#[derive(Debug, Clone)]
struct Stretch {
    state: State,
    /// When its nodes got taints, as the controller decided it.
    tainted: Vec<SimTime>,
}

/// What the laws of nodes remember.
#[derive(Debug, Clone, Default)]
pub(super) struct Nodes {
    /// Nodes with a taint that evicts.
    tainted: BTreeMap<Name, bool>,
    zones: BTreeMap<(Name, Name), Stretch>,
    /// When the sync began whose call is served, if it is one of the controller of nodes.
    serving: Option<SimTime>,
    /// Since when all zones are lost.
    lost_since: Option<SimTime>,
    /// Whether the controllers were away at the last look.
    away: bool,
    /// When the controller last found that they are.
    found: Option<SimTime>,
    /// The nodes of whose taints it knew then, and that have them still.
    owed: BTreeSet<Name>,
    /// The nodes whose leases are not renewed, and when others began to renew theirs again.
    silent: BTreeSet<NodeIndex>,
    heard: BTreeMap<NodeIndex, SimTime>,
}

impl Nodes {
    pub(super) fn delivered(&mut self, now: SimTime, message: &Message, cluster: &Cluster) -> Option<Broken> {
        self.serving = None;
        if let Message::Reply { client: Client::ControllerManager, id, response: Err(_) } = message
            && cluster.controllers().caller(*id).is_some_and(|at| at.sync.controller == ControllerName::NodeLifecycle)
        {
            // What fails is not tried again before all zones are lost once more (`handleDisruption`).
            self.owed.clear();
        }
        let Message::Call { client: Client::ControllerManager, id, request } = message else { return None };
        let sync = cluster.controllers().caller(*id)?.sync;
        if sync.controller != ControllerName::NodeLifecycle {
            return None;
        }
        self.serving = Some(sync.began);
        let Request::Update { object: Object::Node(node), part: Part::Status } = &**request else { return None };
        let ready = node.status.condition(*NODE_READY).filter(|ready| ready.status == ConditionStatus::Unknown)?;
        let clock = cluster.server().clock();
        let began = clock.at(sync.began);
        let seen = if ready.reason == "NodeStatusNeverUpdated" {
            rash(began, node.meta.creation_timestamp.wall(), STARTUP_GRACE)
        } else {
            let place = cluster.kubelets().iter().position(|kubelet| kubelet.name() == node.meta.name)?;
            let index = NodeIndex(u16::try_from(place).expect("machines are counted in 16 bits"));
            let again = self.heard.get(&index).map(|heard| clock.at(*heard));
            let renewed = cluster.lease_renewed(now, index)?;
            let since = again.is_some_and(|again| again > began);
            rash(began, renewed, GRACE).filter(|_| !since)
        };
        seen.map(|seen| (LAWS[0].name, format!("Node/{}", node.meta.name), seen))
    }

    pub(super) fn changed(&mut self, now: SimTime, change: &Change, cluster: &Cluster) -> Option<Broken> {
        let Object::Node(node) = &change.object else { return None };
        let name = node.meta.name;
        let is = change.kind != ChangeKind::Deleted && evicts(node);
        let was = self.tainted.insert(name, is).unwrap_or(false);
        if !is {
            self.owed.remove(&name);
        }
        let states = states(cluster.server().store().nodes.iter());
        for (zone, state) in &states {
            let stretch = self.zones.entry(*zone).or_insert(Stretch { state: *state, tainted: Vec::new() });
            if stretch.state != *state {
                *stretch = Stretch { state: *state, tainted: Vec::new() };
            }
        }
        let lost = !states.is_empty() && states.values().all(|state| *state == State::Full);
        self.lost_since = lost.then(|| self.lost_since.unwrap_or(now));
        let decided = self.serving.filter(|_| is && !was)?;
        let stretch = self.zones.get_mut(&node.zone_key()).filter(|stretch| stretch.state == State::Normal)?;
        stretch.tainted.push(decided);
        too_fast(&stretch.tainted).map(|seen| (LAWS[1].name, change.object.path(), seen))
    }

    pub(super) fn stepped(&mut self, now: SimTime, cluster: &Cluster) -> Option<Broken> {
        let silent = cluster.silent_nodes();
        if *silent != self.silent {
            self.heard.extend(self.silent.difference(silent).map(|node| (*node, now)));
            self.silent.clone_from(silent);
        }
        let found = cluster.controllers().all_zones_are_lost();
        if found && self.found.is_none() {
            let known = cluster.controllers().informers().store().nodes.iter();
            self.owed = known.filter(|node| evicts(node)).map(|node| node.meta.name).collect();
        }
        self.found = found.then(|| self.found.unwrap_or(now));
        let manager = Client::ControllerManager;
        let away = cluster.is_down(Leader::ControllerManager) || !cluster.reaches_server(manager);
        if !found || away {
            self.owed.clear();
        }
        let was_away = std::mem::replace(&mut self.away, away);
        let since = self.lost_since?;
        // Where nothing happens nobody looks: who was away at the last look comes back now.
        if away || was_away || !cluster.watch_lags(now, manager).is_zero() {
            self.lost_since = Some(now);
            return None;
        }
        let broken = |node: Name, seen: String| Some((LAWS[2].name, format!("Node/{node}"), seen));
        if let Some(found) = self.found {
            let left = kept(now, found, &self.owed)?;
            return broken(left, format!("all zones were found lost at {found}, and it is tainted"));
        }
        let known = cluster.controllers().informers().store().nodes.iter();
        if !states(known).values().all(|state| *state == State::Full) {
            // It is from the moment at which they hear of it that they have to find it.
            self.lost_since = Some(now);
            return None;
        }
        let first = self.tainted.keys().next().filter(|_| now.since(since) > SETTLED)?;
        broken(*first, format!("all zones are lost since {since}, and the controller does not find it"))
    }
}

/// Whether a node has a taint of the controller of nodes that evicts.
fn evicts(node: &Node) -> bool {
    node.taints.iter().any(|taint| {
        taint.effect == TaintEffect::NoExecute && (taint.key == *TAINT_NOT_READY || taint.key == *TAINT_UNREACHABLE)
    })
}

/// How the zones stand, by the nodes that count for them.
fn states<'a>(nodes: impl Iterator<Item = &'a Arc<Node>>) -> BTreeMap<(Name, Name), State> {
    let mut counts: BTreeMap<(Name, Name), (usize, usize)> = BTreeMap::new();
    for node in nodes {
        let count = counts.entry(node.zone_key()).or_default();
        let ready = node.status.condition(*NODE_READY).is_some_and(|ready| ready.status == ConditionStatus::True);
        if node.meta.labels.get(Name::new("node.kubernetes.io/exclude-disruption")).is_none() {
            *(if ready { &mut count.0 } else { &mut count.1 }) += 1;
        }
    }
    let state = |(ready, away): (usize, usize)| match (ready, away) {
        (0, 1..) => State::Full,
        _ if away > 2 && away * 100 >= (ready + away) * 55 => State::Partial,
        _ => State::Normal,
    };
    counts.into_iter().map(|(zone, count)| (zone, state(count))).collect()
}

/// A node was heard of less than a grace period before the monitor began its round; what was heard since does not count
/// (`TestMonitorNodeHealthUpdateStatus`).
fn rash(began: WallTime, heard: WallTime, grace: SimDuration) -> Option<String> {
    let early = heard <= began && began.since(heard) < grace;
    early.then(|| format!("it was heard of {} before", began.since(heard)))
}

/// More than one, and one each ten seconds (`TestApplyNoExecuteTaints`).
fn too_fast(tainted: &[SimTime]) -> Option<String> {
    let last = *tainted.last()?;
    tainted.iter().enumerate().find_map(|(place, first)| {
        let span = last.since(*first);
        let count = (tainted.len() - place) as u64;
        let needed = PACE * (count - 1);
        (span + EARLY * count < needed).then(|| format!("{count} nodes in {span}"))
    })
}

/// A node that keeps its taint although all zones were found lost long ago (`handleDisruption`).
fn kept(now: SimTime, found: SimTime, owed: &BTreeSet<Name>) -> Option<Name> {
    owed.first().copied().filter(|_| now.since(found) > SETTLED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Timestamp;

    #[test]
    fn a_silence_that_is_called_too_early_is_caught() {
        let at = |secs| Timestamp::from_unix_secs(secs).wall();
        // (the round began, it was heard of, whether that is too early)
        for (began, heard, early) in [(100, 50, false), (100, 51, true), (100, 40, false), (100, 101, false)] {
            assert_eq!(rash(at(began), at(heard), GRACE).is_some(), early, "{began} {heard}");
        }
        assert!(rash(at(100), at(45), STARTUP_GRACE).is_some());
    }

    #[test]
    fn nodes_that_are_tainted_too_fast_are_caught() {
        let at = |secs: &[u64]| secs.iter().map(|secs| SimTime::from_secs(*secs)).collect::<Vec<_>>();
        // control-plane.md 8.2, 60: at most 1 + 0.1·t nodes in t seconds.
        for (secs, fast) in
            [(&[7][..], false), (&[7, 17, 27], false), (&[7, 16], true), (&[7, 40, 45], true), (&[7, 40, 50], false)]
        {
            assert_eq!(too_fast(&at(secs)).is_some(), fast, "{secs:?}");
        }
    }

    #[test]
    fn a_taint_that_stays_when_all_is_lost_is_caught() {
        let owed = BTreeSet::from([Name::new("b")]);
        let at = SimTime::from_secs;
        assert_eq!(kept(at(60), at(40), &owed), None, "the controller is about to call");
        assert_eq!(kept(at(80), at(40), &owed), Some(Name::new("b")));
        assert_eq!(kept(at(80), at(40), &BTreeSet::new()), None, "it knew of none, or its call failed");
    }
}
