//! The cluster at the start: namespaces, nodes that are ready, kubelets that have run for a while.

use super::Cluster;
use super::own_service::own_service;
use crate::api::{
    Change, ChangeKind, Condition, ConditionStatus, HOSTNAME_LABEL, Kind, Labels, Metadata, Name, Node, NodeStatus,
    OS_LABEL, Object, Part, Request, TAINT_NOT_READY, Timestamp, ZONE_LABEL,
};
use crate::components::kubelet::{Kubelet, KubeletSetup};
use crate::components::message::{Message, NodeIndex};
use crate::engine::{Outbox, SimTime};
use crate::scenario::plan::NodePlan;
use std::sync::Arc;

/// The namespaces of every cluster.
const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// What a kubelet of 1.36 declares with its default gates (`component-helpers/nodedeclaredfeatures/features`).
const DECLARED_FEATURES: [&str; 1] = ["RestartAllContainersOnContainerExits"];

impl Cluster {
    pub(super) fn boot(&mut self, out: &mut Outbox<Message>) {
        let plan = self.plan.clone();
        let (namespaces, others): (Vec<&Object>, Vec<&Object>) =
            plan.stored.iter().partition(|object| object.kind() == Kind::Namespace);
        for object in namespaces.into_iter().chain(others) {
            self.server.adopt(SimTime::ZERO, object.clone());
        }
        for name in NAMESPACES {
            self.server.ensure_namespace(SimTime::ZERO, Name::new(name));
        }
        for mut object in own_service() {
            object.meta_mut().creation_timestamp = self.server.clock().at(SimTime::ZERO).truncated();
            self.server.adopt(SimTime::ZERO, object);
        }
        for node in &plan.nodes {
            let zone = node_labels(node).get(*ZONE_LABEL).unwrap_or_default();
            let index = self.runtimes.add_machine((node.name, zone), node.capacity.clone(), node.load.clone());
            self.nodes.insert(node.name, index);
            let template = Arc::new(self.node_template(node, index));
            self.kubelets.push(Kubelet::new(KubeletSetup {
                node: index,
                name: node.name,
                address: self.runtimes.machine(index).address(),
                config: node.kubelet.clone(),
                profile: plan.profile.clone(),
                clock: self.server.clock(),
                draws: self.draws,
                every_probe: plan.every_probe,
                template: template.clone(),
            }));
            if node.present {
                let images = self.runtimes.images(index);
                let kubelet = &mut self.kubelets[index.index()];
                kubelet.start(SimTime::ZERO, node.uptime);
                kubelet.set_images(images);
                let mut present = Node::clone(&template);
                Arc::make_mut(&mut present.status).images = kubelet.images().clone();
                self.register(SimTime::ZERO, &present);
                // A kubelet registers its node once it has started.
                let start = plan.profile.kubelet_start.median().unwrap_or_default();
                self.controllers.was_up(node.name, node.uptime.saturating_sub(start));
                self.watch_usage(SimTime::ZERO, index, out);
            } else {
                self.not_yet_there(index);
            }
        }
        self.server.take_changes();
        for kind in Kind::ALL {
            for object in self.server.store().list(*kind) {
                self.introduce(object, out);
            }
        }
        for object in self.server.store().list(Kind::Service) {
            self.links.changed(&Change { kind: ChangeKind::Added, object });
        }
        self.kubelets.iter_mut().for_each(|kubelet| kubelet.know_services(&self.links));
        self.controllers.start(SimTime::ZERO, out);
        self.begin_autoscaling(out);
        self.plan_faults(out);
        self.runtimes.begin_traffic(out);
        for stored in &plan.stored {
            self.list(stored, out);
        }
        for (place, action) in plan.actions.iter().enumerate() {
            out.after(action.at, Message::Act(u32::try_from(place).expect("fewer than 2^32 actions")));
        }
    }

    /// What was stored from the start has never been looked at by these controllers, nor by DNS.
    fn list(&mut self, stored: &Object, out: &mut Outbox<Message>) {
        let meta = stored.meta();
        let Some(object) = self.server.store().find(stored.kind(), meta.namespace, meta.name) else { return };
        self.controllers.found(SimTime::ZERO, &object, out);
        if object.kind() == Kind::Service {
            self.runtimes.services_changed(SimTime::ZERO, &Change { kind: ChangeKind::Added, object }, out);
        }
    }

    /// The node as a machine's kubelet registers it.
    pub(super) fn node_template(&self, plan: &NodePlan, index: NodeIndex) -> Node {
        Node {
            meta: Metadata { name: plan.name, labels: node_labels(plan), ..Metadata::default() },
            taints: plan.taints.clone().into(),
            status: Arc::new(NodeStatus {
                capacity: plan.capacity.clone(),
                allocatable: plan.allocatable.clone(),
                address: Some(self.runtimes.machine(index).address()),
                declared_features: DECLARED_FEATURES.map(Name::new).into_iter().collect(),
                ..NodeStatus::default()
            }),
            ..Node::default()
        }
    }

    /// A machine becomes a node that is ready.
    fn register(&mut self, now: SimTime, template: &Node) {
        let stamp = self.server.clock().at(now).truncated();
        let mut node = template.clone();
        Arc::make_mut(&mut node.status).conditions = ready_conditions(stamp);
        let created = self.server.serve(now, Request::Create(Object::Node(Arc::new(node))));
        let Ok(Object::Node(created)) = created else { return };
        let mut ready = Node::clone(&created);
        ready.taints = ready.taints.retain(|taint| taint.key != *TAINT_NOT_READY);
        let request = Request::Update { object: Object::Node(Arc::new(ready)), part: Part::Main };
        self.server.serve(now, request).expect("the node was just created");
    }
}

fn node_labels(plan: &NodePlan) -> Labels {
    let arch = (*crate::api::ARCH_LABEL, Name::new("amd64"));
    let linux = Name::new("linux");
    let own = [
        (*HOSTNAME_LABEL, plan.name),
        (*OS_LABEL, linux),
        arch,
        (Name::new("beta.kubernetes.io/os"), linux),
        (Name::new("beta.kubernetes.io/arch"), arch.1),
    ];
    plan.labels.iter().fold(own.into_iter().collect(), |labels: Labels, (key, value)| labels.with(key, value))
}

/// The conditions of a node that is well.
fn ready_conditions(now: Timestamp) -> Vec<Condition> {
    let healthy = [
        ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ];
    let mut conditions: Vec<Condition> = healthy
        .into_iter()
        .map(|(kind, reason, message)| {
            Condition::new(Name::new(kind), ConditionStatus::False, now).because(reason, message)
        })
        .collect();
    let ready = Condition::new(*crate::api::NODE_READY, ConditionStatus::True, now);
    conditions.push(ready.because("KubeletReady", "kubelet is posting ready status"));
    conditions
}
