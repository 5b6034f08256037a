//! Looks on while a run goes, and holds every law against every step.

use super::facts::{Asked, Called, Moved, NodeVersion, Question, Version};
use super::past::{ApiPast, KubeletView, NodePast, PodPast};
use super::{Breach, Invariant, Law, Seen, all};
use crate::api::{ApiObject, Change, ChangeKind, ConditionStatus, Name, Node, Object, Part, Pod, Request, Uid};
use crate::components::cri::{CriCall, PodKey};
use crate::components::kubelet::{Kubelet, KubeletMessage};
use crate::components::message::{Client, Message, NodeIndex};
use crate::engine::SimTime;
use crate::simulation::{Cluster, FaultMessage, Trace};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Holds every law against every step of a run.
///
/// ```
/// use podsim::scenario::Scenario;
/// use podsim::simulation::Run;
/// use podsim::testing::invariants::Checker;
/// use std::collections::BTreeMap;
///
/// let pod = "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: a, image: nginx}]}}";
/// let files = BTreeMap::from([("web.ron", r#"(manifests: [File("pod.yaml")], duration: "1m")"#), ("pod.yaml", pod)]);
/// let scenario = Scenario::load("web.ron", &files)?;
/// let mut checker = Checker::default();
/// Run::new(scenario.plan(1).into(), 1).run(&mut checker);
/// assert_eq!(checker.breaches(), []);
/// # Ok::<(), podsim::scenario::Problems>(())
/// ```
#[derive(Debug, Clone)]
pub struct Checker {
    laws: Vec<Invariant>,
    breaches: Vec<Breach>,
    /// What is told once: the law and the object.
    told: BTreeSet<(u8, String)>,
    pods: BTreeMap<Uid, ApiPast>,
    nodes: BTreeMap<NodeIndex, NodePast>,
    on_nodes: BTreeMap<(NodeIndex, PodKey), PodPast>,
    /// Whose call the present step serves.
    writer: Option<Client>,
    /// The kubelet that the present step may have moved, and the pod if it is about one.
    touched: Option<(NodeIndex, Option<PodKey>)>,
}

impl Default for Checker {
    fn default() -> Self {
        Self {
            laws: all(),
            breaches: Vec::new(),
            told: BTreeSet::new(),
            pods: BTreeMap::new(),
            nodes: BTreeMap::new(),
            on_nodes: BTreeMap::new(),
            writer: None,
            touched: None,
        }
    }
}

impl Checker {
    /// The laws that were broken, in order of time; of each law and object the first time.
    pub fn breaches(&self) -> &[Breach] {
        &self.breaches
    }

    fn hold(&mut self, now: SimTime, object: impl Fn() -> String, check: impl Fn(&Law) -> Seen) {
        for law in &self.laws {
            let Some(seen) = check(&law.law) else { continue };
            let object = object();
            if self.told.insert((law.number, object.clone())) {
                let Invariant { number, name, sentence, .. } = *law;
                self.breaches.push(Breach { number, name, sentence, at: now, object, seen });
            }
        }
    }

    fn called(&mut self, now: SimTime, node: NodeIndex, id: u32, call: &CriCall, cluster: &Cluster) {
        let kubelet = &cluster.kubelets()[node.index()];
        let Some(key) = call.pod().filter(|_| kubelet.is_up()) else { return };
        let mut past = self.on_nodes.remove(&(node, key)).unwrap_or_default();
        let mut around = self.nodes.remove(&node).unwrap_or_default();
        around.process(now, kubelet);
        if around.calls.contains_key(&id) {
            // It was held back on its way.
            self.on_nodes.insert((node, key), past);
            self.nodes.insert(node, around);
            return;
        }
        // A pod that comes from a backup may be bound anew: what another node did of it is not known there.
        let uid = kubelet.pod(key).map(|insight| insight.pod().meta.uid);
        let restored = uid.and_then(|uid| self.pods.get(&uid)).is_some_and(|past| past.restored);
        if !restored {
            let fact = Called { now, call, key, kubelet, past: &past, node: &around };
            let object = || name_on_node(kubelet, key);
            self.hold(now, object, |law| if let Law::Called(check) = law { check(&fact) } else { None });
        }
        past.called(call);
        around.calls.insert(id, (key, call.clone()));
        self.on_nodes.insert((node, key), past);
        self.nodes.insert(node, around);
    }

    fn asked(&mut self, now: SimTime, node: NodeIndex, request: &Request, cluster: &Cluster) {
        let store = cluster.server().store();
        let (question, namespace, name) = match request {
            Request::Delete { target, options } if target.kind == crate::api::Kind::Pod => {
                (Question::Delete(options), target.namespace, target.name)
            }
            Request::Update { object: Object::Pod(pod), part: Part::Status } => {
                (Question::Status(pod), pod.meta.namespace, pod.meta.name)
            }
            _ => return,
        };
        let Some(stored) = store.pods.find(namespace, name) else { return };
        if self.pods.get(&stored.meta.uid).is_some_and(|past| past.restored) {
            return;
        }
        let fact = Asked { now, cluster, node, what: question, stored };
        let object = || name_of(stored);
        self.hold(now, object, |law| if let Law::Asked(check) = law { check(&fact) } else { None });
    }

    fn pod_changed(&mut self, now: SimTime, kind: ChangeKind, pod: &Arc<Pod>, cluster: &Cluster) {
        if kind == ChangeKind::Deleted {
            self.pods.remove(&pod.meta.uid);
            return;
        }
        let known = self.pods.remove(&pod.meta.uid);
        let before = known.as_ref().map(|past| past.pod.clone());
        let mut past = known.unwrap_or_else(|| ApiPast::new(pod.clone()));
        // What comes from a backup does not follow from what was there before it, nor from what nodes did since.
        past.restored |= cluster.is_being_restored(now);
        if !past.restored {
            let fact = Version { cluster, writer: self.writer, before: before.as_deref(), pod, past: &past };
            self.hold(now, || name_of(pod), |law| if let Law::Version(check) = law { check(&fact) } else { None });
        }
        let incarnation = match self.writer {
            Some(Client::Kubelet(node)) => Some(cluster.kubelets()[node.index()].incarnation()),
            _ => None,
        };
        past.note(pod.clone(), incarnation);
        self.pods.insert(past.uid(), past);
    }

    fn node_changed(&mut self, now: SimTime, node: &Arc<Node>, cluster: &Cluster) {
        let Some(place) = cluster.kubelets().iter().position(|kubelet| kubelet.name() == node.meta.name) else {
            return;
        };
        let index = NodeIndex(u16::try_from(place).expect("a node has a number"));
        let mut past = self.nodes.remove(&index).unwrap_or_default();
        past.process(now, &cluster.kubelets()[place]);
        if let Some(before) = past.node.clone().filter(|_| !cluster.is_being_restored(now)) {
            let config = cluster.kubelets()[place].config();
            // It is told of when the node's status is next written, so much later at most.
            let late = config.node_status_update_frequency + config.node_status_update_frequency / 10;
            let hold = config.eviction.pressure_transition_period.saturating_sub(late);
            let fact = NodeVersion { now, before: &before, node, past: &past, hold };
            let object = || format!("Node/{}", node.meta.name);
            self.hold(now, object, |law| if let Law::Node(check) = law { check(&fact) } else { None });
            for condition in &node.status.conditions {
                let same =
                    before.status.conditions.iter().any(|c| c.kind == condition.kind && c.status == condition.status);
                if !same {
                    let known = past.pressures.get(&condition.kind).map(|(since, _)| *since);
                    let known = known.filter(|_| condition.status == ConditionStatus::True);
                    past.conditions.insert(condition.kind, known.unwrap_or(now));
                }
            }
        }
        past.node = Some(node.clone());
        self.nodes.insert(index, past);
    }

    fn moved(&mut self, now: SimTime, node: NodeIndex, key: PodKey, kubelet: &Kubelet) {
        let Some(insight) = kubelet.pod(key) else {
            if let Some(past) = self.on_nodes.get_mut(&(node, key)) {
                past.view = KubeletView::default();
                past.status = None;
            }
            return;
        };
        let after = KubeletView::of(now, kubelet, &insight);
        if self.on_nodes.get(&(node, key)).is_some_and(|past| past.view == after) {
            return;
        }
        let mut past = self.on_nodes.remove(&(node, key)).unwrap_or_default();
        let mut around = self.nodes.remove(&node).unwrap_or_default();
        around.process(now, kubelet);
        let nothing = KubeletView { incarnation: after.incarnation, ..KubeletView::default() };
        let before = if past.view.incarnation == after.incarnation { past.view.clone() } else { nothing };
        let fact = Moved { now, kubelet, before: &before, after: &after, insight, past: &past, node: &around };
        let object = || name_on_node(kubelet, key);
        self.hold(now, object, |law| if let Law::Moved(check) = law { check(&fact) } else { None });
        if fact.evicted_for_pressure() {
            around.evicted = Some((now, key));
        }
        past.moved(now, after, &insight);
        self.on_nodes.insert((node, key), past);
        self.nodes.insert(node, around);
    }
}

/// The kubelet that a message may move, and the pod that it is about, if it is one.
fn touches(message: &Message, nodes: &BTreeMap<NodeIndex, NodePast>) -> Option<(NodeIndex, Option<PodKey>)> {
    Some(match message {
        Message::Kubelet(node, KubeletMessage::NodeBeat { .. }) => return Some((*node, None)).filter(|_| false),
        Message::Kubelet(node, message) => (*node, message.pod()),
        Message::Watch { client: Client::Kubelet(node), change } => {
            let pod = change.object.pod().map(|pod| PodKey::of(pod.id()));
            (*node, pod)
        }
        Message::CriDone { node, id, .. } => {
            let call = nodes.get(node).and_then(|past| past.calls.get(id));
            // A pull may be over for several pods.
            (*node, call.filter(|(_, call)| !matches!(call, CriCall::PullImage { .. })).map(|(key, _)| *key))
        }
        Message::RuntimeChanged { node, pod } => (*node, Some(pod.key)),
        Message::Fault(FaultMessage::Relist { client: Client::Kubelet(node) }) => (*node, None),
        Message::NetDone { client: crate::components::net::NetClient::Kubelet(node), .. }
        | Message::Reply { client: Client::Kubelet(node), .. } => (*node, None),
        _ => return None,
    })
}

fn name_of(pod: &Pod) -> String {
    format!("Pod/{}/{}", pod.meta.namespace, pod.meta.name)
}

fn name_on_node(kubelet: &Kubelet, key: PodKey) -> String {
    let name: Name = kubelet.name();
    kubelet.pod(key).map_or_else(|| format!("Node/{name}"), |insight| name_of(insight.pod()))
}

impl Trace for Checker {
    fn delivered(&mut self, now: SimTime, _seq: u64, message: &Message, cluster: &Cluster) {
        self.writer = None;
        self.touched = touches(message, &self.nodes);
        match message {
            Message::Call { client, request, .. } => {
                self.writer = Some(*client);
                if let Client::Kubelet(node) = client {
                    self.asked(now, *node, request, cluster);
                }
            }
            Message::Cri { node, id, call } if cluster.is_asked(*node, *id) => {
                self.called(now, *node, *id, call, cluster);
            }
            Message::CriDone { node, id, result } => {
                let call = self.nodes.get_mut(node).and_then(|past| past.calls.remove(id));
                if let Some((key, call)) = call {
                    self.on_nodes.entry((*node, key)).or_default().answered(&call, result);
                }
            }
            Message::RuntimeChanged { node, pod } => {
                self.on_nodes.entry((*node, pod.key)).or_default().runtime_changed(pod);
            }
            Message::RuntimeForgot { node, key } => {
                self.on_nodes.entry((*node, *key)).or_default().runtime_forgot();
            }
            _ => {}
        }
    }

    fn changed(&mut self, now: SimTime, _cause: u64, change: &Change, cluster: &Cluster) {
        match &change.object {
            Object::Pod(pod) => self.pod_changed(now, change.kind, pod, cluster),
            Object::Node(node) => self.node_changed(now, node, cluster),
            _ => {}
        }
    }

    fn stepped(&mut self, now: SimTime, cluster: &Cluster) {
        let Some((node, pod)) = self.touched.take() else { return };
        let kubelet = &cluster.kubelets()[node.index()];
        let around = self.nodes.entry(node).or_default();
        around.process(now, kubelet);
        around.pressed(now, kubelet);
        match pod {
            Some(key) => self.moved(now, node, key, kubelet),
            None => {
                let keys: Vec<PodKey> = kubelet.pods().map(|insight| insight.key()).collect();
                keys.into_iter().for_each(|key| self.moved(now, node, key, kubelet));
            }
        }
        self.nodes.entry(node).or_default().known = kubelet.node().cloned();
    }
}
