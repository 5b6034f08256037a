//! The cluster autoscaler, and the cloud that it asks for machines.
//!
//! Every ten seconds it looks at the pods that fit nowhere. With copies of each group's machine it works out how many
//! machines would take them, by the scheduler's own rules, and raises the group that would leave the least idle
//! (`least-waste`); the cloud boots those machines after a while, and the scheduler does the rest. Machines that are
//! little used and whose pods fit elsewhere go after they have been unneeded for long enough ([`down`]).
//!
//! Follows the documentation of `cluster-autoscaler`. It sees the cluster without delay. Machines that are not there
//! yet are reckoned with the pods that DaemonSets will have there; those that have not registered for long are given
//! back ([`unregistered`]) and their group is left alone for a while ([`backoff`]); nodes whose machine is gone are
//! deleted ([`cloud`]). What it sees and does it tells in a ConfigMap ([`status`]) and in events about that. The cores
//! and the memory of the whole cluster can have limits ([`quota`]).

mod backoff;
mod cloud;
mod down;
mod drain;
mod quota;
mod status;
mod unregistered;

use super::Cluster;
use crate::api::{
    ApiObject, CPU, ConditionStatus, EventType, MEMORY, Metadata, NODE_READY, Name, Node, Object, POD_SCHEDULED, Pod,
    Request, Response, Text, Timestamp, requests,
};
use crate::components::controllers::foreseen_daemon_pod;
use crate::components::events::{EventRecorder, Told};
use crate::components::message::{Client, Message, NodeIndex};
use crate::components::scheduler::schedule_one::{Outcome, Search};
use crate::components::scheduler::{ClusterSnapshot, explain};
use crate::engine::{Outbox, Purpose, SimDuration, SimTime, StreamKey};
use crate::scenario::plan::NodeGroup;
use backoff::Backoffs;
use drain::Drains;
use quota::Quota;
use status::StatusMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const PROVISION: Purpose = Purpose::new("machine from the cloud");
/// How often the cluster is looked at (`--scan-interval`).
const SCAN: SimDuration = SimDuration::from_secs(10);
/// A node that was ready so long after it came, or later, and is not, is no longer starting
/// (`MaxStatusSettingDelayAfterCreation`), …
const SETTLES: SimDuration = SimDuration::from_mins(2);
/// … nor is one that needs longer than this (`MaxNodeStartupTime`).
const STARTS: SimDuration = SimDuration::from_mins(15);
/// So many nodes that are not ready, and so many in a hundred, are still no reason to stand back
/// (`--ok-total-unready-count`, `--max-total-unready-percentage`).
const UNREADY: (usize, usize) = (3, 45);
/// Pods of less priority make nobody add a machine, and keep none (`--expendable-pods-priority-cutoff`).
const EXPENDABLE: i32 = -10;

/// The places in the store from which on pods are only foreseen, and how many DaemonSets a machine is reckoned with.
const FORESEEN: u32 = 1 << 31;
const MOST_DAEMONS: u32 = 1 << 12;

/// Something for the autoscaler, or its cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
pub enum AutoscalerMessage {
    /// The cluster is looked at.
    Scan,
    /// The machine of an order boots.
    Boot(NodeIndex, u32),
    /// The cloud's controller looks whether nodes still have their machines.
    Monitor,
}

/// What the autoscaler remembers.
#[derive(Debug, Clone)]
pub(super) struct Autoscaler {
    /// The machines that were asked for or are there.
    wanted: BTreeSet<Name>,
    /// Since when machines were not needed.
    unneeded: BTreeMap<Name, SimTime>,
    draining: Drains,
    backoffs: Backoffs,
    /// Since when machines that are wanted have no node.
    unregistered: BTreeMap<Name, SimTime>,
    /// What was written of all this for people.
    status: StatusMap,
    /// When machines were last added.
    added: Option<SimTime>,
    /// Whether the next scan would find nothing to do.
    rest: Option<Rest>,
    /// The orders that the cloud has still to fulfil, by machine.
    orders: BTreeMap<Name, u32>,
    ordered: u32,
    calls: u32,
    recorder: EventRecorder,
    /// The cloud's own controller tells of what it does.
    cloud: EventRecorder,
}

impl Default for Autoscaler {
    fn default() -> Self {
        Self {
            wanted: BTreeSet::new(),
            unneeded: BTreeMap::new(),
            draining: Drains::default(),
            backoffs: Backoffs::default(),
            unregistered: BTreeMap::new(),
            status: StatusMap::default(),
            added: None,
            rest: None,
            orders: BTreeMap::new(),
            ordered: 0,
            calls: 0,
            recorder: EventRecorder::new(Name::new("cluster-autoscaler"), Name::default()),
            cloud: EventRecorder::new(Name::new("cloud-node-lifecycle-controller"), Name::default()),
        }
    }
}

impl Autoscaler {
    /// An answer to one of its calls.
    pub(super) fn replied(&mut self, id: u32, response: &Response) {
        self.draining.replied(id, response);
    }

    /// How many machines of a group were asked for or are there.
    fn size(&self, group: &NodeGroup) -> usize {
        group.machines.iter().filter(|name| self.wanted.contains(*name)).count()
    }
}

/// Scans find nothing to do as long as nothing is written, but machines that are not needed go after a while.
#[derive(Debug, Clone, Copy)]
struct Rest {
    /// The version of the store that was looked at.
    version: u64,
    until: Option<SimTime>,
}

impl Rest {
    fn is_over(self, now: SimTime, version: u64) -> bool {
        self.version != version || self.until.is_some_and(|until| now >= until)
    }
}

/// Machines that one group could add.
struct Choice<'g> {
    group: &'g NodeGroup,
    machines: Vec<Name>,
    pods: Vec<Arc<Pod>>,
    /// Thousandths of CPU and memory that would stay idle.
    waste: i64,
}

impl Cluster {
    pub(super) fn begin_autoscaling(&mut self, out: &mut Outbox<Message>) {
        let groups = self.plan.groups.clone();
        if groups.is_empty() {
            return;
        }
        self.autoscaler.wanted =
            groups.iter().flat_map(|group| group.machines.iter().take(group.first)).copied().collect();
        self.announce_autoscaler(out);
        out.after(SCAN, Message::Autoscaler(AutoscalerMessage::Scan));
        out.after(cloud::MONITOR, Message::Autoscaler(AutoscalerMessage::Monitor));
    }

    /// Whether the cloud has a machine of an autoscaled group, or is asked for it.
    fn is_taken(&self, machine: Name) -> bool {
        self.autoscaler.wanted.contains(&machine) || self.autoscaler.draining.contains(machine)
    }

    /// Whether a machine is one of an autoscaled group that was never asked for, or given back.
    pub(super) fn is_given_back(&self, machine: Name) -> bool {
        !self.is_taken(machine) && self.plan.groups.iter().any(|group| group.machines.contains(&machine))
    }

    pub(super) fn autoscale(&mut self, now: SimTime, message: AutoscalerMessage, out: &mut Outbox<Message>) {
        match message {
            AutoscalerMessage::Boot(node, order) => {
                let name = self.node_name(node);
                if self.autoscaler.orders.get(&name) != Some(&order) {
                    return;
                }
                if self.cloud_is_empty() {
                    return out.after(SCAN, Message::Autoscaler(message));
                }
                self.autoscaler.orders.remove(&name);
                if self.runtimes.machine(node).is_powered() {
                    self.start_kubelet(name, SimDuration::ZERO, out);
                } else {
                    // One of the same name as one that was given back.
                    self.replace_machine(node, out);
                    self.power_on(name, out);
                }
            }
            AutoscalerMessage::Monitor => {
                self.delete_nodes_without_machines(now, out);
                out.after(cloud::MONITOR, Message::Autoscaler(message));
            }
            AutoscalerMessage::Scan if self.autoscaler_hangs() => {
                out.after(SCAN, Message::Autoscaler(AutoscalerMessage::Scan));
            }
            AutoscalerMessage::Scan => {
                let version = self.server.store().version();
                if self.autoscaler.rest.is_none_or(|rest| rest.is_over(now, version)) {
                    self.scan(now, out);
                }
                out.after(SCAN, Message::Autoscaler(AutoscalerMessage::Scan));
            }
        }
    }

    /// A look at the cluster, and whether the next ones would see and do the same.
    fn scan(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        let calls = self.autoscaler.calls;
        self.update_raised(now, out);
        self.give_back_unregistered(now, out);
        if !self.is_healthy(now) {
            self.autoscaler.unneeded.clear();
            self.autoscaler.rest = None;
            self.update_status_map(now, out);
            return;
        }
        let mut snapshot = self.foreseen(now);
        let left = self.pods_that_fit_nowhere(now, &mut snapshot);
        let all_fit = left.is_empty();
        if !all_fit {
            self.scale_up(now, &snapshot, left, out);
        }
        self.scale_down(now, &mut snapshot, out);
        self.autoscaler.status.looked_down = Some(now);
        // A look that adds machines ends with that.
        if self.autoscaler.added != Some(now) {
            self.update_soft_taints(now, out);
        }
        let told = self.update_status_map(now, out);
        let stamp = self.server.clock().at(now).truncated();
        let autoscaler = &self.autoscaler;
        let waits = !(autoscaler.draining.is_empty() && autoscaler.unregistered.is_empty())
            || self.server.store().nodes.iter().any(|node| is_starting(node, stamp));
        let rests = all_fit && !waits && told && autoscaler.calls == calls;
        let rest = Rest { version: self.server.store().version(), until: self.next_scale_down() };
        self.autoscaler.rest = rests.then_some(rest);
    }

    /// Whether the autoscaler may trust what it sees: not too many nodes are down (`IsClusterHealthy`).
    fn is_healthy(&self, now: SimTime) -> bool {
        let stamp = self.server.clock().at(now).truncated();
        let nodes = &self.server.store().nodes;
        let unready = nodes.iter().filter(|node| !node.is_ready() && !is_starting(node, stamp)).count();
        unready <= UNREADY.0 || unready * 100 <= UNREADY.1 * nodes.len()
    }

    /// The nodes that are reckoned with: those that are ready and not being emptied, …
    fn nodes_that_stay(&self) -> impl Iterator<Item = &Arc<Node>> {
        let stays = |node: &&Arc<Node>| node.is_ready() && !self.autoscaler.draining.contains(node.meta.name);
        self.server.store().nodes.iter().filter(stays)
    }

    /// … and those that are about to join, as they would register.
    fn nodes_to_come(&self, now: SimTime) -> impl Iterator<Item = Arc<Node>> {
        let stamp = self.server.clock().at(now).truncated();
        let comes = move |name: &&Name| match self.server.store().nodes.find(Name::default(), **name) {
            Some(node) => is_starting(node, stamp),
            None => !self.is_long_unregistered(now, **name),
        };
        self.autoscaler.wanted.iter().filter(comes).filter_map(|name| self.template(*name))
    }

    /// The cluster with the machines that are about to join; those that are being emptied are left out.
    fn foreseen(&self, now: SimTime) -> ClusterSnapshot {
        let store = self.server.store();
        let mut snapshot = self.without_nodes();
        self.nodes_that_stay().for_each(|node| snapshot.cache.set_node(node));
        for node in self.nodes_to_come(now) {
            self.add_template(&mut snapshot, &node);
        }
        let counts = |pod: &&Arc<Pod>| !pod.node_name.is_empty() && !pod.is_terminal() && !is_expendable(pod);
        for pod in store.pods.iter().filter(counts) {
            snapshot.cache.set_pod(pod);
        }
        snapshot.cache.refresh();
        snapshot
    }

    /// What pods are placed by besides nodes.
    fn without_nodes(&self) -> ClusterSnapshot {
        let store = self.server.store();
        let mut snapshot = ClusterSnapshot::default();
        for namespace in store.namespaces.iter() {
            snapshot.cache.set_namespace(namespace.meta.name, Some(namespace.meta.labels.clone()));
        }
        let kinds = [
            crate::api::Kind::PersistentVolumeClaim,
            crate::api::Kind::PersistentVolume,
            crate::api::Kind::StorageClass,
        ];
        for object in kinds.into_iter().flat_map(|kind| store.list(kind)) {
            snapshot.cache.objects.set(&object, false);
        }
        snapshot
    }

    /// A machine as it would register.
    fn template(&self, name: Name) -> Option<Arc<Node>> {
        let plan = self.plan.nodes.iter().find(|plan| plan.name == name)?;
        Some(Arc::new(self.node_template(plan, self.machine_named(name)?)))
    }

    /// Adds a machine that is not there yet, with the pods that DaemonSets will have on it; returns what those request
    /// of CPU and memory.
    fn add_template(&self, snapshot: &mut ClusterSnapshot, node: &Arc<Node>) -> [i64; 2] {
        snapshot.cache.set_node(node);
        let place = self.plan.nodes.iter().position(|plan| plan.name == node.meta.name).unwrap_or_default() as u32;
        let mut taken = [0i64; 2];
        let sets = self.server.store().daemon_sets.sorted();
        for (n, pod) in sets.iter().filter_map(|set| foreseen_daemon_pod(set, node)).enumerate() {
            let wanted = requests::requests(&pod.spec);
            taken = [taken[0] + wanted.milli_cpu(), taken[1] + wanted.memory()];
            // No pod of the store has such a place.
            let index = FORESEEN + place * MOST_DAEMONS + (n as u32).min(MOST_DAEMONS - 1);
            let meta = Metadata { index, ..pod.meta.clone() };
            snapshot.cache.set_pod(&Arc::new(Pod { meta, ..pod }));
        }
        taken
    }

    /// Where the scheduler would place a pod, and places it there.
    fn place(&self, now: SimTime, snapshot: &mut ClusterSnapshot, pod: &Arc<Pod>) -> Option<Name> {
        let profiles = &self.plan.scheduler.profiles;
        let profile = profiles.iter().find(|profile| profile.scheduler_name == pod.spec.scheduler_name)?;
        let stamp = self.server.clock().at(now).truncated().unix_secs();
        let ClusterSnapshot { cache, nominator, .. } = snapshot;
        let decision = Search::default().schedule(cache, nominator, profile, pod, SimTime::ZERO, stamp);
        let Outcome::Chosen(slot) = decision.outcome else { return None };
        let node = cache.node(slot).name();
        cache.set_pod(&Arc::new(Pod { node_name: node, ..Pod::clone(pod) }));
        Some(node)
    }

    /// The pods that the scheduler gave up on and that would not fit even on what is about to join.
    fn pods_that_fit_nowhere(&self, now: SimTime, snapshot: &mut ClusterSnapshot) -> Vec<Arc<Pod>> {
        let stuck = |pod: &&Arc<Pod>| {
            pod.node_name.is_empty()
                && !pod.meta.is_terminating()
                && !is_expendable(pod)
                && !is_of_daemon_set(pod)
                && pod.status.condition(*POD_SCHEDULED).is_some_and(|condition| {
                    condition.status == ConditionStatus::False && condition.reason == "Unschedulable"
                })
        };
        let mut pods: Vec<Arc<Pod>> = self.server.store().pods.iter().filter(stuck).cloned().collect();
        pods.sort_by_key(|pod| (std::cmp::Reverse(pod.spec.priority), pod.meta.index));
        // For some room is being made already (`core/podlistprocessor/filter_out_expendable.go`).
        pods.retain(|pod| {
            let node_name = pod.status.nominated_node_name;
            let waits = snapshot.cache.find_node(node_name).is_some();
            if waits {
                snapshot.cache.set_pod(&Arc::new(Pod { node_name, ..Pod::clone(pod) }));
            }
            !waits
        });
        pods.retain(|pod| self.place(now, snapshot, pod).is_none());
        pods
    }

    /// Raises the group that would leave the least idle.
    fn scale_up(&mut self, now: SimTime, snapshot: &ClusterSnapshot, left: Vec<Arc<Pod>>, out: &mut Outbox<Message>) {
        let plan = self.plan.clone();
        let quota = self.room_to_grow(now);
        let fits = |group: &NodeGroup| self.next_of(group).is_none_or(|node| quota.exceeded_by(&node).is_empty());
        let groups = plan.groups.iter().filter(|group| !self.autoscaler.backoffs.holds(now, group.name) && fits(group));
        let choices = groups.filter_map(|group| self.choice(now, snapshot, group, &left));
        let best = choices.min_by_key(|choice| (choice.waste, std::cmp::Reverse(choice.pods.len()), choice.group.name));
        if let Some(mut best) = best {
            let group = best.group;
            if let Some(node) = self.next_of(group) {
                best.machines.truncate(quota.allows(&node));
            }
            let size = self.autoscaler.size(group);
            let (grown, most) = (size + best.machines.len(), group.machines.len());
            for (verb, set) in [("setting group", ""), ("group", " set")] {
                let name = group.name;
                let message = format!("Scale-up: {verb} {name} size{set} to {grown} instead of {size} (max: {most})");
                self.tell_status(now, EventType::Normal, "ScaledUpGroup", &message, out);
            }
            let message = format!("pod triggered scale-up: [{{{} {size}->{grown} (max: {most})}}]", group.name);
            for pod in &best.pods {
                self.tell(now, &Object::Pod(pod.clone()), EventType::Normal, "TriggeredScaleUp", &message, out);
            }
            for name in best.machines {
                self.order(now, group, name, out);
            }
            self.autoscaler.added = Some(now);
            self.autoscaler.backoffs.raised(now, group.name);
            return;
        }
        let mut templates: Vec<Result<ClusterSnapshot, String>> =
            plan.groups.iter().map(|group| self.alone(now, group, quota)).collect();
        for pod in &left {
            let message = format!("pod didn't trigger scale-up: {}", self.why_not(now, &mut templates, pod));
            self.tell(now, &Object::Pod(pod.clone()), EventType::Normal, "NotTriggerScaleUp", &message, out);
        }
    }

    /// The next machine of a group by itself, or why there is none (`cluster-autoscaler/core/scaleup/orchestrator/
    /// skippedreasons.go`).
    fn alone(&self, now: SimTime, group: &NodeGroup, quota: Quota) -> Result<ClusterSnapshot, String> {
        if self.autoscaler.backoffs.holds(now, group.name) {
            return Err("in backoff after failed scale-up".to_owned());
        }
        let node = self.next_of(group).ok_or("max node group size reached")?;
        let exceeded = quota.exceeded_by(&node);
        if !exceeded.is_empty() {
            return Err(format!("exceeded quota: \"cluster-wide\", resources: {}", exceeded.join(", ")));
        }
        let mut snapshot = self.without_nodes();
        self.add_template(&mut snapshot, &node);
        Ok(snapshot)
    }

    /// Why no group grows for a pod: so many groups for each reason (`ReasonsMessage` of
    /// `cluster-autoscaler/processors/status/eventing_scale_up_processor.go`).
    fn why_not(&self, now: SimTime, templates: &mut [Result<ClusterSnapshot, String>], pod: &Pod) -> String {
        let profiles = &self.plan.scheduler.profiles;
        let profile = profiles.iter().find(|profile| profile.scheduler_name == pod.spec.scheduler_name);
        let stamp = self.server.clock().at(now).truncated().unix_secs();
        let mut reasons: BTreeMap<Text, usize> = BTreeMap::new();
        for template in templates {
            let told = match (template, profile) {
                (Err(reason), _) => vec![Text::from(reason.as_str())],
                (Ok(snapshot), Some(profile)) => {
                    let told = explain(snapshot, profile, pod, stamp).nodes.into_iter();
                    told.filter_map(|node| node.rejection).flat_map(|rejection| rejection.reasons).collect()
                }
                (Ok(_), None) => Vec::new(),
            };
            told.into_iter().for_each(|reason| *reasons.entry(reason).or_default() += 1);
        }
        let reasons: Vec<String> = reasons.into_iter().map(|(reason, groups)| format!("{groups} {reason}")).collect();
        reasons.join(", ")
    }

    /// The next machine that a group could ask for, as it would register.
    fn next_of(&self, group: &NodeGroup) -> Option<Arc<Node>> {
        let next = group.machines.iter().find(|name| self.is_free(**name));
        next.and_then(|name| self.template(*name))
    }

    /// Whether a machine of an autoscaled group could be asked for.
    fn is_free(&self, machine: Name) -> bool {
        !self.is_taken(machine) && self.server.store().nodes.find(Name::default(), machine).is_none()
    }

    /// The machines by which a group would have to grow for the pods that it can help.
    fn choice<'g>(
        &self,
        now: SimTime,
        snapshot: &ClusterSnapshot,
        group: &'g NodeGroup,
        left: &[Arc<Pod>],
    ) -> Option<Choice<'g>> {
        let free = group.machines.iter().filter(|name| self.is_free(**name));
        let mut snapshot = snapshot.clone();
        let (mut left, mut pods, mut machines): (Vec<Arc<Pod>>, Vec<_>, Vec<_>) =
            (left.to_vec(), Vec::new(), Vec::new());
        let (mut idle, mut most) = ([0i64; 2], [0i64; 2]);
        for name in free {
            let Some(node) = self.template(*name).filter(|_| !left.is_empty()) else { break };
            let mut here = self.add_template(&mut snapshot, &node);
            let before = left.len();
            left.retain(|pod| {
                let fits = self.place(now, &mut snapshot, pod).is_some();
                if fits {
                    let wanted = requests::requests(&pod.spec);
                    here = [here[0] + wanted.milli_cpu(), here[1] + wanted.memory()];
                    pods.push(pod.clone());
                }
                !fits
            });
            if left.len() == before {
                break;
            }
            machines.push(*name);
            let has = [node.status.allocatable.get(*CPU), node.status.allocatable.get(*MEMORY)].map(|a| a.unwrap_or(0));
            for (place, has) in has.into_iter().enumerate() {
                idle[place] += (has - here[place]).max(0);
                most[place] += has;
            }
        }
        let waste = (0..2).map(|place| idle[place] * 1_000 / most[place].max(1)).sum();
        (!machines.is_empty()).then_some(Choice { group, machines, pods, waste })
    }

    /// Asks the cloud for a machine.
    fn order(&mut self, now: SimTime, group: &NodeGroup, name: Name, out: &mut Outbox<Message>) {
        let Some(node) = self.machine_named(name) else { return };
        self.autoscaler.wanted.insert(name);
        self.autoscaler.ordered += 1;
        let order = self.autoscaler.ordered;
        self.autoscaler.orders.insert(name, order);
        let stream = StreamKey::new(&name);
        let delay = self.draws.sample(&group.provision, PROVISION, stream, now.as_nanos());
        out.after(delay, Message::Autoscaler(AutoscalerMessage::Boot(node, order)));
    }

    fn autoscaler_calls(&mut self, request: Request, out: &mut Outbox<Message>) {
        self.autoscaler.calls += 1;
        let (client, id) = (Client::Autoscaler, self.autoscaler.calls);
        out.now(Message::Call { client, id, request: Box::new(request) });
    }

    fn tell(
        &mut self,
        now: SimTime,
        about: &Object,
        kind: EventType,
        reason: &str,
        message: &str,
        out: &mut Outbox<Message>,
    ) {
        let told = Told { about: about.reference(), kind, reason: Name::new(reason), message: message.into() };
        self.tells(now, told, out);
    }

    /// Tells of the cluster as a whole: the ConfigMap of the autoscaler's status stands for it (`LogEventRecorder`).
    fn tell_status(&mut self, now: SimTime, kind: EventType, reason: &str, message: &str, out: &mut Outbox<Message>) {
        let about = self.status_map();
        let told = Told { about, kind, reason: Name::new(reason), message: message.into() };
        self.tells(now, told, out);
    }

    fn tells(&mut self, now: SimTime, told: Told, out: &mut Outbox<Message>) {
        let wall = self.server.clock().at(now);
        if let Some(request) = self.autoscaler.recorder.tell(now, wall, told) {
            self.autoscaler_calls(request, out);
        }
    }
}

/// Whether a pod stays on its machine until the end: of a DaemonSet, or the machine's own.
fn is_local(pod: &Pod) -> bool {
    is_of_daemon_set(pod) || is_mirror(pod)
}

/// Whether nobody adds or keeps a machine for a pod.
fn is_expendable(pod: &Pod) -> bool {
    pod.spec.priority < EXPENDABLE
}

fn is_of_daemon_set(pod: &Pod) -> bool {
    pod.meta().controller().is_some_and(|owner| owner.kind == "DaemonSet")
}

fn is_mirror(pod: &Pod) -> bool {
    pod.meta.annotations.get(Name::new("kubernetes.io/config.mirror")).is_some()
}

/// Whether a node that is not ready is still on its way up: young, and not ready ever since it came
/// (`isNodeStillStarting`).
fn is_starting(node: &Node, now: Timestamp) -> bool {
    let created = node.meta.creation_timestamp.unix_secs();
    let turned = node.status.condition(*NODE_READY).map_or(created, |ready| ready.last_transition_time.unix_secs());
    !node.is_ready()
        && turned - created < SETTLES.as_secs() as i64
        && now.unix_secs() - created < STARTS.as_secs() as i64
}
