//! Which nodes should have a pod of a DaemonSet, and what each has too few or too many (`daemon_controller.go`).

use crate::api::{
    Affinity, ConditionStatus, DaemonSet, DaemonSetUpdateStrategy, EventType, FastMap, List, Name, Node,
    NodeSelectorTerm, Operator, Pod, PodPhase, PodSpec, PodTemplate, Requirement, TAINT_DISK_PRESSURE,
    TAINT_MEMORY_PRESSURE, TAINT_NETWORK_UNAVAILABLE, TAINT_NOT_READY, TAINT_PID_PRESSURE, TAINT_UNREACHABLE,
    TAINT_UNSCHEDULABLE, TaintEffect, Toleration, TolerationOperator, WallTime, names,
};
use crate::components::controllers::flow::Desk;
use crate::components::controllers::history::REVISION_HASH;
use crate::components::controllers::informers::Informers;
use crate::components::controllers::pod_control::{Owner, is_available};
use crate::components::controllers::work_queue::Key;
use crate::engine::{SimDuration, SimTime, StreamKey};
use indexmap::IndexMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

names! {
    NODE_NAME_FIELD = "metadata.name";
    /// On pods: which of their set's templates they were made from, by its number.
    POD_TEMPLATE_GENERATION = "pod-template-generation";
}

/// The first wait after a failed pod on a node; doubled with each further one.
const FIRST_BACK_OFF: SimDuration = SimDuration::from_secs(1);
/// The longest; twice that without a failure and it starts over.
const LONGEST_BACK_OFF: SimDuration = SimDuration::from_secs(900);

/// Whether a node should get a pod, and whether one there may stay (`NodeShouldRunDaemonPod`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fit {
    pub(super) run: bool,
    pub(super) stay: bool,
}

/// How a node fits. Resources, readiness and cordons are not asked for: every pod bears those.
pub(super) fn fit(set: &DaemonSet, node: &Node) -> Fit {
    let spec = &set.spec.template.spec;
    let never = Fit { run: false, stay: false };
    let selected = spec.node_selector.all_in(&node.meta.labels);
    let required = spec.affinity.as_ref().and_then(|affinity| affinity.required_node_terms.as_ref());
    let matches = |term: &NodeSelectorTerm| term.matches(node.meta.name, &node.meta.labels);
    let named = set.spec.template.node_name;
    let elsewhere = !named.is_empty() && named != node.meta.name;
    if elsewhere || !selected || required.is_some_and(|terms| !terms.iter().any(matches)) {
        return never;
    }
    let own = tolerations(spec);
    let borne = |effect: TaintEffect| {
        node.taints
            .iter()
            .filter(|taint| taint.effect == effect)
            .all(|taint| own.iter().any(|toleration| toleration.tolerates(taint, false)))
    };
    let stay = borne(TaintEffect::NoExecute);
    Fit { run: stay && borne(TaintEffect::NoSchedule), stay }
}

/// What the template's pods bear, and every daemon pod besides (`AddOrUpdateDaemonPodTolerations`).
fn tolerations(spec: &PodSpec) -> Vec<Toleration> {
    let bears = |key: Name, effect: TaintEffect| Toleration {
        key,
        operator: TolerationOperator::Exists,
        effect: Some(effect),
        ..Toleration::default()
    };
    let mut all = spec.tolerations.clone();
    let mut add = |toleration: Toleration| {
        let same = |have: &Toleration| {
            have.key == toleration.key
                && have.effect == toleration.effect
                && have.operator == toleration.operator
                && have.value == toleration.value
        };
        match all.iter_mut().find(|have| same(have)) {
            Some(have) => *have = toleration,
            None => all.push(toleration),
        }
    };
    add(bears(*TAINT_NOT_READY, TaintEffect::NoExecute));
    add(bears(*TAINT_UNREACHABLE, TaintEffect::NoExecute));
    for key in [*TAINT_DISK_PRESSURE, *TAINT_MEMORY_PRESSURE, *TAINT_PID_PRESSURE, *TAINT_UNSCHEDULABLE] {
        add(bears(key, TaintEffect::NoSchedule));
    }
    if spec.host_network {
        add(bears(*TAINT_NETWORK_UNAVAILABLE, TaintEffect::NoSchedule));
    }
    all
}

/// The number of the present template, as pods bear it.
fn generation(set: &DaemonSet) -> Option<Name> {
    set.template_generation().map(|generation| Name::new(&generation.to_string()))
}

/// The template as the set's pods get it (`CreatePodTemplate`).
pub(super) fn template(set: &DaemonSet, hash: Name) -> PodTemplate {
    let mut template = PodTemplate::clone(&set.spec.template);
    template.labels = template.labels.with(*REVISION_HASH, hash);
    if let Some(generation) = generation(set) {
        template.labels = template.labels.with(*POD_TEMPLATE_GENERATION, generation);
    }
    let mut spec = PodSpec::clone(&template.spec);
    spec.tolerations = tolerations(&spec);
    template.spec = Arc::new(spec);
    template
}

/// The pod for a node: its affinity names the node, whatever else it said about nodes.
pub(super) fn pod(owner: &Owner, template: &PodTemplate, node: Name) -> Pod {
    let mut pod = owner.pod(template);
    let spec = Arc::make_mut(&mut pod.spec);
    let affinity: &mut Affinity = spec.affinity.get_or_insert_default();
    let name = Requirement::equals(*NODE_NAME_FIELD, node);
    affinity.required_node_terms = Some(vec![NodeSelectorTerm { expressions: List::EMPTY, fields: vec![name].into() }]);
    pod
}

/// The pod that a node will have as soon as it is there, if it is to have one.
pub(crate) fn foreseen(set: &Arc<DaemonSet>, node: &Node) -> Option<Pod> {
    let (owner, name) = (Owner::of(set), node.meta.name);
    let made = || Pod { node_name: name, ..pod(&owner, &template(set, Name::default()), name) };
    fit(set, node).run.then(made)
}

/// The node that a pod is on, or is meant for.
fn node_of(pod: &Pod) -> Name {
    if !pod.node_name.is_empty() {
        return pod.node_name;
    }
    let terms = pod.spec.affinity.as_ref().and_then(|affinity| affinity.required_node_terms.as_ref());
    let named = |requirement: &&Requirement| {
        requirement.key == *NODE_NAME_FIELD && requirement.operator == Operator::In && requirement.values.len() == 1
    };
    terms
        .into_iter()
        .flatten()
        .find_map(|term| term.fields.iter().find(named))
        .map_or_else(Name::default, |requirement| requirement.values[0])
}

/// What is to be done.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    /// Nodes that get a pod.
    pub(super) create: Vec<Name>,
    pub(super) delete: Vec<Arc<Pod>>,
    pub(super) events: Vec<(EventType, &'static str, String)>,
    /// The hashes that pods have.
    pub(super) live: BTreeSet<Name>,
}

/// The nodes of the cluster and the pods of a set on them.
pub(super) struct Placement<'a> {
    pub(super) set: &'a DaemonSet,
    pub(super) hash: Name,
    /// The number of the present template.
    generation: Option<Name>,
    pub(super) now: WallTime,
    /// Every node with how it fits, in the order in which the controller comes to them: that of a map, any.
    pub(super) nodes: IndexMap<Name, Fit>,
    /// The pods on, or meant for, each node; best first.
    pub(super) pods: BTreeMap<Name, Vec<Arc<Pod>>>,
}

impl<'a> Placement<'a> {
    pub(super) fn new(set: &'a DaemonSet, hash: Name, informers: &Informers, desk: &Desk<Key>) -> Self {
        let mut nodes: IndexMap<Name, Fit> =
            informers.store().nodes.iter().map(|node| (node.meta.name, fit(set, node))).collect();
        let place = desk.map_order(StreamKey::new(set.meta.name.as_str()));
        nodes.sort_by_cached_key(|node, _| place(*node));
        let mut pods: BTreeMap<Name, Vec<Arc<Pod>>> = BTreeMap::new();
        for pod in informers.list_pods_of(set.meta.uid) {
            // A pod that has ended and is on its way out is as good as gone.
            if !(pod.is_terminal() && pod.meta.is_terminating()) {
                pods.entry(node_of(&pod)).or_default().push(pod);
            }
        }
        for on_node in pods.values_mut() {
            on_node.sort_by_key(|pod| (pod.node_name.is_empty(), pod.meta.creation_timestamp, pod.meta.name));
        }
        Self { set, hash, generation: generation(set), now: desk.wall(), nodes, pods }
    }

    pub(super) fn on(&self, node: Name) -> &[Arc<Pod>] {
        self.pods.get(&node).map_or(&[], Vec::as_slice)
    }

    pub(super) fn is_new(&self, pod: &Pod) -> bool {
        // Either label will do (`IsPodUpdated`).
        let labels = &pod.meta.labels;
        labels.get(*REVISION_HASH) == Some(self.hash)
            || self.generation.is_some() && labels.get(*POD_TEMPLATE_GENERATION) == self.generation
    }

    pub(super) fn is_available(&self, pod: &Pod) -> bool {
        is_available(pod, self.set.spec.min_ready_seconds, self.now)
    }

    pub(super) fn surges(&self) -> bool {
        match self.set.spec.update_strategy {
            DaemonSetUpdateStrategy::OnDelete => false,
            DaemonSetUpdateStrategy::RollingUpdate { max_surge, .. } => max_surge.of_rounding_up(100) > 0,
        }
    }

    /// What nodes have too few or too many (`manage`).
    pub(super) fn plan(&self, key: Key, failures: &mut Failures, desk: &mut Desk<Key>) -> Plan {
        let mut plan = Plan::default();
        plan.live.extend(self.pods.values().flatten().filter_map(|pod| pod.meta.labels.get(*REVISION_HASH)));
        for (node, fit) in &self.nodes {
            let pods = self.on(*node);
            if fit.run && pods.is_empty() {
                plan.create.push(*node);
            } else if fit.stay {
                let running = self.prune(*node, pods, (key, failures), desk, &mut plan);
                // Where pods may come beside others, one is wanted that stays, whatever goes.
                if running == 0 && fit.run && self.surges() {
                    plan.create.push(*node);
                }
            } else {
                plan.delete.extend(pods.iter().filter(|pod| !pod.meta.is_terminating()).cloned());
            }
        }
        let lost = |pod: &&Arc<Pod>| pod.node_name.is_empty() && !self.nodes.contains_key(&node_of(pod));
        plan.delete.extend(self.pods.values().flatten().filter(lost).cloned());
        plan
    }

    /// Finished pods of a node go, and those beyond one. Returns how many neither have finished nor were leaving.
    fn prune(
        &self,
        node: Name,
        pods: &[Arc<Pod>],
        (key, failures): (Key, &mut Failures),
        desk: &mut Desk<Key>,
        plan: &mut Plan,
    ) -> usize {
        let mut running = Vec::new();
        for pod in pods.iter().filter(|pod| !pod.meta.is_terminating()) {
            let path = format!("{}/{} on node {node}", pod.meta.namespace, pod.meta.name);
            match pod.status.phase {
                PodPhase::Failed => {
                    if let Some(wait) = failures.wait(desk.now, key, self.set.meta.generation, node) {
                        desk.queue.add_after(desk.now, wait, key);
                        continue;
                    }
                    let message = format!("Found failed daemon pod {path}, will try to kill it");
                    plan.events.push((EventType::Warning, "FailedDaemonPod", message));
                    plan.delete.push(pod.clone());
                }
                PodPhase::Succeeded => {
                    let message = format!("Found succeeded daemon pod {path}, will try to delete it");
                    plan.events.push((EventType::Normal, "SucceededDaemonPod", message));
                    plan.delete.push(pod.clone());
                }
                PodPhase::Pending | PodPhase::Running | PodPhase::Unknown => running.push(pod.clone()),
            }
        }
        let count = running.len();
        if count <= 1 {
            return count;
        }
        if !self.surges() {
            plan.delete.extend(running.drain(1..));
            return count;
        }
        let new = running.iter().position(|pod| self.is_new(pod)).map(|place| running.remove(place));
        let old = running.iter().position(|pod| !self.is_new(pod)).map(|place| running.remove(place));
        plan.delete.extend(running);
        if let (Some(new), Some(old)) = (new, old)
            && (!is_ready(&old) || self.is_available(&new))
        {
            plan.delete.push(old);
        }
        count
    }
}

fn is_ready(pod: &Pod) -> bool {
    pod.status.condition(*crate::api::READY).is_some_and(|ready| ready.status == ConditionStatus::True)
}

/// How long nodes wait for another pod after failures, by set, generation and node.
#[derive(Debug, Clone, Default)]
pub(super) struct Failures(FastMap<(Key, i64, Name), (SimDuration, SimTime)>);

impl Failures {
    /// How long a failed pod on a node must wait until it is deleted; if it need not, its failure is counted.
    fn wait(&mut self, now: SimTime, key: Key, generation: i64, node: Name) -> Option<SimDuration> {
        let entry = self.0.entry((key, generation, node));
        let known = match &entry {
            std::collections::hash_map::Entry::Occupied(known) => Some(*known.get()),
            std::collections::hash_map::Entry::Vacant(_) => None,
        };
        let fresh = |since: SimTime| now.since(since) > LONGEST_BACK_OFF * 2;
        let delay = match known {
            Some((delay, since)) if now.since(since) < delay => return Some(delay),
            Some((delay, since)) if !fresh(since) => (delay * 2).min(LONGEST_BACK_OFF),
            Some(_) | None => FIRST_BACK_OFF,
        };
        entry.insert_entry((delay, now));
        None
    }

    /// Forgets a set that is gone.
    pub(super) fn forget(&mut self, key: Key) {
        self.0.retain(|(have, _, _), _| *have != key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Metadata, Object, Taint, lower};

    pub(in super::super) fn set(spec: serde_json::Value) -> Arc<DaemonSet> {
        let manifest = serde_json::json!({
            "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent", "namespace": "default"},
            "spec": {"selector": {"matchLabels": {"app": "agent"}}, "template": {
                "metadata": {"labels": {"app": "agent"}}, "spec": spec}},
        });
        let Ok(Object::DaemonSet(set)) = lower(&manifest).map(|lowered| lowered.object) else { panic!() };
        set
    }

    #[test]
    fn nodes_fit_by_labels_and_taints_alone() {
        // `TestNodeShouldRunDaemonPod`: (taint, runs, stays).
        let node = |key: &str, effect: TaintEffect| Node {
            meta: Metadata {
                name: Name::new("n"),
                labels: [(Name::new("disk"), Name::new("ssd"))].into_iter().collect(),
                ..Metadata::default()
            },
            unschedulable: true,
            taints: vec![Taint { key: Name::new(key), value: Name::default(), effect, time_added: None }].into(),
            ..Node::default()
        };
        let containers = serde_json::json!([{"name": "app", "image": "app"}]);
        let plain = set(serde_json::json!({"containers": containers}));
        let cases = [
            ("node.kubernetes.io/unschedulable", TaintEffect::NoSchedule, true, true),
            ("node.kubernetes.io/not-ready", TaintEffect::NoExecute, true, true),
            ("node.kubernetes.io/not-ready", TaintEffect::NoSchedule, false, true),
            ("own", TaintEffect::NoSchedule, false, true),
            ("own", TaintEffect::NoExecute, false, false),
            ("own", TaintEffect::PreferNoSchedule, true, true),
        ];
        for (key, effect, run, stay) in cases {
            assert_eq!(fit(&plain, &node(key, effect)), Fit { run, stay }, "{key}:{effect}");
        }
        for (value, fits) in [("ssd", true), ("hdd", false)] {
            let picky = set(serde_json::json!({"containers": containers, "nodeSelector": {"disk": value}}));
            let found = fit(&picky, &node("own", TaintEffect::PreferNoSchedule));
            assert_eq!(found, Fit { run: fits, stay: fits });
        }
    }

    #[test]
    fn failed_pods_wait_twice_as_long_each_time() {
        // `TestDaemonKillFailedPodsBackoff`: (at, waits), in seconds.
        let mut failures = Failures::default();
        let key = Key { namespace: Name::new("default"), name: Name::new("agent") };
        let story =
            [(0, None), (0, Some(1)), (1, None), (2, Some(2)), (3, None), (6, Some(4)), (7, None), (3_000, None)];
        for (at, waits) in story {
            let got = failures.wait(SimTime::from_secs(at), key, 1, Name::new("n"));
            assert_eq!(got, waits.map(SimDuration::from_secs), "at {at} s");
        }
        assert_eq!(failures.wait(SimTime::from_secs(3_000), key, 1, Name::new("n")), Some(FIRST_BACK_OFF));
    }
}
