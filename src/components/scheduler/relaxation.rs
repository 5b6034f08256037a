//! What would make a pod fit: the smallest changes, each of which is enough by itself.
//!
//! Kubernetes has no such thing. Every change is tried on the filters of the profile, so that plugins of one's own
//! count too: parts of the pod's spec that keep it off nodes are left out one at a time, room is made up to what is
//! missing, another node of each kind that there is joins empty, and the pod becomes more important than others.

use super::explain::{Explanation, explain};
use super::profile::Profile;
use super::snapshot::ClusterSnapshot;
use crate::api::{
    CPU, EPHEMERAL_STORAGE, Labels, MEMORY, Name, Node, PODS, Pod, PodSpec, ResourceList, Resources, Taint,
    TaintEffect, Toleration, TolerationOperator, Volume, VolumeSource, format_amount,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The most nodes that room is asked for on.
const MOST_NODES: usize = 3;

/// A change that is enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relaxation {
    /// What changes, such as `tolerate the taint dedicated=gpu:NoSchedule`.
    pub change: String,
    /// Where the pod fits then; empty for a node that is not there yet.
    pub nodes: Vec<Name>,
}

/// The changes that would make a pod fit which fits nowhere.
pub fn relaxations(
    snapshot: &ClusterSnapshot,
    profile: &Profile,
    pod: &Pod,
    told: &Explanation,
    now: i64,
) -> Vec<Relaxation> {
    let mut search = Search { snapshot: snapshot.clone(), profile, now, found: Vec::new() };
    for (change, spec) in without_one_wish(&search.snapshot, pod) {
        search.try_spec(change, pod, spec);
    }
    search.more_room(pod, told);
    search.another_node(pod);
    search.more_important(pod, told);
    search.found
}

/// How much of a node is missing in all, in millionths; the node; what is missing.
type Missing = (u128, Name, Vec<(Name, i64)>);

struct Search<'p> {
    snapshot: ClusterSnapshot,
    profile: &'p Profile,
    now: i64,
    found: Vec<Relaxation>,
}

impl Search<'_> {
    fn explained(&mut self, pod: &Pod) -> Explanation {
        explain(&mut self.snapshot, self.profile, pod, self.now)
    }

    fn try_spec(&mut self, change: String, pod: &Pod, spec: PodSpec) {
        let changed = Pod { spec: Arc::new(spec), ..pod.clone() };
        let nodes = fitting(&self.explained(&changed));
        if !nodes.is_empty() {
            self.found.push(Relaxation { change, nodes });
        }
    }

    /// Where nothing but room is missing: how much, on the nodes where that is least.
    fn more_room(&mut self, pod: &Pod, told: &Explanation) {
        let fit = Name::new("NodeResourcesFit");
        let lacks_room = told.nodes.iter().filter(|node| {
            node.rejection
                .as_ref()
                .is_some_and(|one| one.all_failing.iter().all(|plugin| *plugin == fit) && !one.excluded)
        });
        let mut missing: Vec<Missing> =
            lacks_room.filter_map(|node| self.missing_on(node.name, &pod.spec.requests)).collect();
        missing.sort();
        for (_, node, amounts) in missing.into_iter().take(MOST_NODES) {
            let texts: Vec<String> = amounts.iter().map(|(name, amount)| amount_of(*name, *amount)).collect();
            let (all, wanted) = (self.allocatable(node), &pod.spec.requests);
            let change = if amounts.iter().any(|(name, _)| wanted.get(*name) > all.get(*name).unwrap_or(0)) {
                format!("lower the requests, by {} for {node}", texts.join(", "))
            } else {
                format!("free {} on {node}", texts.join(", "))
            };
            self.found.push(Relaxation { change, nodes: vec![node] });
        }
    }

    fn allocatable(&self, name: Name) -> ResourceList {
        let cache = &self.snapshot.cache;
        let node = cache.find_node(name).and_then(|slot| cache.node(slot).node());
        node.map(|node| node.status.allocatable.clone()).unwrap_or_default()
    }

    /// What a node lacks, and how much of the node that is in all, in millionths.
    fn missing_on(&self, name: Name, wanted: &Resources) -> Option<Missing> {
        let cache = &self.snapshot.cache;
        let info = cache.node(cache.find_node(name)?);
        let all = self.allocatable(name);
        let mut used = Resources::default();
        info.pods().iter().for_each(|on| used.add(on.resources()));
        let pods = info.pods().len() as i64 + 1 - all.get(*PODS).unwrap_or(0);
        let scalars = wanted.scalars.iter().map(|(name, _)| *name);
        let mut amounts: Vec<(Name, i64)> = [*CPU, *MEMORY, *EPHEMERAL_STORAGE]
            .into_iter()
            .chain(scalars)
            .filter(|name| wanted.get(*name) > 0)
            .map(|name| (name, wanted.get(name) + used.get(name) - all.get(name).unwrap_or(0)))
            .collect();
        amounts.push((*PODS, pods));
        amounts.retain(|(_, missing)| *missing > 0);
        let share = |(name, missing): &(Name, i64)| {
            u128::from(missing.unsigned_abs()) * 1_000_000
                / u128::from(all.get(*name).unwrap_or(0).unsigned_abs().max(1))
        };
        (!amounts.is_empty()).then(|| (amounts.iter().map(share).sum(), name, amounts))
    }

    /// A node like one that is there, but empty.
    fn another_node(&mut self, pod: &Pod) {
        let mut kinds: BTreeMap<String, Arc<Node>> = BTreeMap::new();
        for &slot in self.snapshot.cache.order() {
            if let Some(node) = self.snapshot.cache.node(slot).node() {
                kinds.entry(kind_of(node)).or_insert_with(|| node.clone());
            }
        }
        let before = self.snapshot.clone();
        for node in kinds.into_values() {
            let name = Name::new("another-node");
            let mut other = Node::clone(&node);
            other.meta.name = name;
            other.meta.labels = other.meta.labels.with(*crate::api::HOSTNAME_LABEL, name);
            self.snapshot.cache.set_node(&Arc::new(other));
            if fitting(&self.explained(pod)).contains(&name) {
                let change = format!("add an empty node like {}", node.meta.name);
                self.found.push(Relaxation { change, nodes: Vec::new() });
            }
            self.snapshot = before.clone();
        }
    }

    /// The least priority with which others make room.
    fn more_important(&mut self, pod: &Pod, told: &Explanation) {
        let makes_room = |told: &Explanation| {
            let post = told.post_filter.as_ref()?;
            Some((post.nominated_node?, post.victims.clone()))
        };
        if makes_room(told).is_some() {
            return;
        }
        let mut priorities: BTreeSet<i32> = BTreeSet::from([pod.spec.priority]);
        priorities.extend(self.snapshot.cache.pods().map(|(_, other)| other.spec.priority));
        for above in priorities.range(pod.spec.priority..).copied().collect::<Vec<_>>() {
            let mut spec = PodSpec::clone(&pod.spec);
            (spec.priority, spec.never_preempts) = (above.saturating_add(1), false);
            let changed = Pod { spec: Arc::new(spec), ..pod.clone() };
            if let Some((node, victims)) = makes_room(&self.explained(&changed)) {
                let victims: Vec<&str> = victims.iter().map(|name| name.as_str()).collect();
                let change = format!("a priority above {above}: it would push out {}", victims.join(", "));
                return self.found.push(Relaxation { change, nodes: vec![node] });
            }
        }
    }
}

fn fitting(told: &Explanation) -> Vec<Name> {
    told.nodes.iter().filter(|node| node.rejection.is_none()).map(|node| node.name).collect()
}

fn amount_of(resource: Name, amount: i64) -> String {
    match resource.as_str() {
        "pods" if amount == 1 => "a place for a pod".to_owned(),
        "pods" => format!("{amount} places for pods"),
        _ => format!("{} of {resource}", format_amount(resource, amount)),
    }
}

/// Nodes of one kind differ in their names alone.
fn kind_of(node: &Node) -> String {
    let own = |value: Name| value == node.meta.name;
    let labels: Labels = node.meta.labels.iter().filter(|(_, value)| !own(*value)).collect();
    let allocatable: Vec<String> =
        node.status.allocatable.iter().map(|(name, amount)| format!("{name}={amount}")).collect();
    format!("{labels} {:?} {} {allocatable:?}", node.taints, node.unschedulable)
}

/// The pod's spec without one of the wishes that keep it off nodes, and what that means.
fn without_one_wish(snapshot: &ClusterSnapshot, pod: &Pod) -> Vec<(String, PodSpec)> {
    let spec = &*pod.spec;
    let mut all: Vec<(String, PodSpec)> = Vec::new();
    let mut without = |change: String, edit: &dyn Fn(&mut PodSpec)| {
        let mut changed = spec.clone();
        edit(&mut changed);
        all.push((change, changed));
    };
    for taint in taints_in_the_way(snapshot, spec) {
        let value = if taint.value.is_empty() { String::new() } else { format!("={}", taint.value) };
        without(format!("tolerate the taint {}{value}:{}", taint.key, taint.effect), &|spec| {
            let (key, value, effect) = (taint.key, taint.value, Some(taint.effect));
            spec.tolerations.push(Toleration {
                key,
                value,
                effect,
                operator: TolerationOperator::Equal,
                seconds: None,
            });
        });
    }
    for (key, value) in spec.node_selector.iter() {
        without(format!("drop the node selector {key}={value}"), &|spec| {
            spec.node_selector = spec.node_selector.iter().filter(|(other, _)| *other != key).collect();
        });
    }
    if spec.node_selector.iter().count() > 1 {
        without("drop the whole node selector".to_owned(), &|spec| spec.node_selector = Labels::default());
    }
    if let Some(affinity) = &spec.affinity {
        if affinity.required_node_terms.is_some() {
            without("drop the required node affinity".to_owned(), &|spec| {
                spec.affinity.as_mut().expect("it has one").required_node_terms = None;
            });
        }
        for (n, term) in affinity.required_pods.iter().enumerate() {
            without(format!("drop the required pod affinity by {}", term.topology_key), &|spec| {
                spec.affinity.as_mut().expect("it has one").required_pods.remove(n);
            });
        }
        for (n, term) in affinity.required_anti_pods.iter().enumerate() {
            without(format!("drop the required pod anti-affinity by {}", term.topology_key), &|spec| {
                spec.affinity.as_mut().expect("it has one").required_anti_pods.remove(n);
            });
        }
    }
    for (n, constraint) in spec.topology_spread.iter().enumerate().filter(|(_, one)| one.required) {
        without(format!("let the spread by {} be violated (ScheduleAnyway)", constraint.topology_key), &|spec| {
            spec.topology_spread[n].required = false;
        });
    }
    let has_host_ports =
        spec.containers.iter().chain(&spec.init_containers).flat_map(|c| &c.ports).any(|p| p.host_port > 0);
    if has_host_ports {
        without("do without host ports".to_owned(), &|spec| {
            for container in spec.containers.iter_mut().chain(&mut spec.init_containers) {
                container.ports.iter_mut().for_each(|port| port.host_port = 0);
            }
        });
    }
    let is_claim =
        |volume: &Volume| matches!(volume.source, VolumeSource::Claim { .. } | VolumeSource::Ephemeral { .. });
    if spec.volumes.iter().any(is_claim) {
        without("do without its PersistentVolumeClaims".to_owned(), &|spec| {
            spec.volumes.retain(|volume| !is_claim(volume));
        });
    }
    all
}

/// Taints of nodes that the pod does not bear, each once; cordoned nodes have one that is not written.
fn taints_in_the_way(snapshot: &ClusterSnapshot, spec: &PodSpec) -> Vec<Taint> {
    let mut taints: Vec<Taint> = Vec::new();
    let cordoned = Taint {
        key: Name::new("node.kubernetes.io/unschedulable"),
        value: Name::default(),
        effect: TaintEffect::NoSchedule,
        time_added: None,
    };
    for &slot in snapshot.cache.order() {
        let Some(node) = snapshot.cache.node(slot).node() else { continue };
        for taint in node.taints.iter().chain(node.unschedulable.then_some(&cordoned)) {
            let known =
                taints.iter().any(|have| (have.key, have.value, have.effect) == (taint.key, taint.value, taint.effect));
            let borne = spec.tolerations.iter().any(|toleration| toleration.tolerates(taint, false));
            if taint.effect != TaintEffect::PreferNoSchedule && !known && !borne {
                taints.push(taint.clone());
            }
        }
    }
    taints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::scheduler::testing;
    use serde_json::{Value, json};

    fn check(nodes: &[Value], others: &[Value], spec: Value, expected: &[(&str, &[&str])]) {
        let pod = testing::pod_manifest("default", "p", json!({}), spec);
        let objects: Vec<_> = nodes.iter().chain(others).chain([&pod]).map(testing::object).collect();
        let mut snapshot = ClusterSnapshot::new(objects, Some(("default".into(), "p".into())));
        let pod = snapshot.pending[0].clone();
        let profile = testing::profile(json!({}));
        let told = explain(&mut snapshot, &profile, &pod, 0);
        let found = relaxations(&snapshot, &profile, &pod, &told, 0);
        let found: Vec<(&str, Vec<&str>)> = found
            .iter()
            .map(|one| (one.change.as_str(), one.nodes.iter().map(|name| name.as_str()).collect()))
            .collect();
        let expected: Vec<(&str, Vec<&str>)> =
            expected.iter().map(|(change, nodes)| (*change, nodes.to_vec())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn single_changes_that_are_enough_are_found() {
        let plain = testing::node_manifest("a", json!({}), json!({}));
        let taint = json!({"taints": [{"key": "dedicated", "value": "x", "effect": "NoSchedule"}]});
        let tainted = testing::node_manifest("b", json!({"disk": "ssd"}), taint);
        let running = |name: &str, cpu: &str, priority: i32| {
            let spec = json!({"nodeName": "a", "priority": priority, "containers": [
                {"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}},
            ]});
            testing::pod_manifest("default", name, json!({}), spec)
        };
        check(
            &[plain.clone(), tainted],
            &[],
            json!({"nodeSelector": {"disk": "ssd"}}),
            &[("tolerate the taint dedicated=x:NoSchedule", &["b"]), ("drop the node selector disk=ssd", &["a"])],
        );
        check(
            &[plain],
            &[running("q", "3", 5)],
            json!({"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "1500m"}}}]}),
            &[
                ("free 500m of cpu on a", &["a"]),
                ("add an empty node like a", &[]),
                ("a priority above 5: it would push out q", &["a"]),
            ],
        );
    }
}
