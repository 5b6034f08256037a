//! The cluster: every component and the API server between them, advanced by one message at a time.

use super::autoscaler::Autoscaler;
use super::faults::Faults;
use super::network::Network;
use super::user::User;
use crate::api::{
    ApiObject, Change, ChangeKind, ErrorReason, Event, Eviction, FastMap, Id, Kind, Name, Object,
    PersistentVolumeClaim, Pod, Request, Response, Server, VolumeSource,
};
use crate::components::controllers::{ControllerManager, ControllerSetup, Informers};
use crate::components::extension::{CallId, Extension, Extensions};
use crate::components::kube_proxy::Proxies;
use crate::components::kubelet::Kubelet;
use crate::components::kubelet::service_links::ServiceLinks;
use crate::components::latency::LoadGauge;
use crate::components::message::{Client, Message, NodeIndex};
use crate::components::net::NetClient;
use crate::components::runtime::{ProcessModel, Runtimes};
use crate::components::scheduler::{Scheduler, SchedulerParts};
use crate::engine::{Draws, Outbox, SimDuration, SimTime, StreamKey};
use crate::faults::Leader;
use crate::scenario::plan::Plan;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Everything that a run is about, at one instant. A clone is a fork.
#[derive(Debug, Clone)]
pub struct Cluster {
    pub(super) plan: Arc<Plan>,
    pub(super) draws: Draws,
    pub(super) server: Server,
    pub(super) scheduler: Scheduler,
    pub(super) controllers: ControllerManager,
    pub(super) kubelets: Vec<Kubelet>,
    pub(super) runtimes: Runtimes,
    pub(super) nodes: FastMap<Name, NodeIndex>,
    pub(super) network: Network,
    /// The load of the machine that all nodes are, if they are one.
    pub(super) load: Option<LoadGauge>,
    /// Which kubelets read, and now watch, a ConfigMap or Secret.
    readers: FastMap<(Kind, Name, Name), Vec<NodeIndex>>,
    /// What kubelets know of Services.
    pub(super) links: ServiceLinks,
    pub(super) user: User,
    extensions: Extensions,
    pub(super) autoscaler: Autoscaler,
    pub(super) faults: Faults,
    /// Writes since the trace last looked.
    changes: Vec<Change>,
}

impl Cluster {
    /// The cluster of a plan, before anything has happened.
    pub fn new(plan: Arc<Plan>, seed: u64, out: &mut Outbox<Message>) -> Self {
        let draws = Draws::new(seed);
        let clock = crate::api::WallClock::starting_at(plan.start);
        let load = plan.profile.load;
        let mut cluster = Self {
            draws,
            server: Server::new(clock, draws),
            scheduler: Scheduler::new(SchedulerParts {
                setup: plan.scheduler.clone(),
                clock,
                draws,
                latencies: plan.profile.clone(),
            }),
            controllers: ControllerManager::new(ControllerSetup { clock, draws, profile: plan.profile.clone() })
                .provisioning(plan.profile.provision.clone(), plan.node_expansion.clone())
                .attaching(plan.profile.attach.clone(), plan.profile.detach.clone()),
            kubelets: Vec::new(),
            runtimes: Runtimes::new(plan.world.clone(), plan.profile.clone(), clock, draws),
            nodes: FastMap::default(),
            network: Network::new(plan.profile.clone(), draws),
            load: load.one_machine.then(|| LoadGauge::new(load, draws, StreamKey::new("machine"))),
            readers: FastMap::default(),
            links: ServiceLinks::default(),
            user: User::default(),
            extensions: Extensions::default(),
            autoscaler: Autoscaler::default(),
            faults: Faults::default(),
            changes: Vec::new(),
            plan,
        };
        cluster.runtimes.expect_faults(&cluster.plan.faults);
        cluster.boot(out);
        cluster
    }

    /// The API server and everything that it stores.
    pub const fn server(&self) -> &Server {
        &self.server
    }

    /// The objects of a kind: what is stored and, of other kinds, what load shows.
    pub fn objects(&self, kind: Kind) -> Vec<Object> {
        let mut objects = self.server.store().list(kind);
        if kind == Kind::Other {
            objects.extend_from_slice(self.runtimes.traffic());
        }
        objects
    }

    /// The scheduler.
    pub const fn scheduler(&self) -> &Scheduler {
        &self.scheduler
    }

    /// The kubelets, in order of the machines.
    pub fn kubelets(&self) -> &[Kubelet] {
        &self.kubelets
    }

    /// The name of a machine.
    pub fn node_name(&self, node: NodeIndex) -> Name {
        self.kubelets[node.index()].name()
    }

    /// The container runtimes.
    pub const fn runtimes(&self) -> &Runtimes {
        &self.runtimes
    }

    /// Where requests to Services go, node by node.
    pub const fn proxies(&self) -> &Proxies {
        self.runtimes.proxies()
    }

    /// The controllers.
    pub(super) const fn controllers(&self) -> &ControllerManager {
        &self.controllers
    }

    /// What the controllers know of the cluster.
    pub(super) const fn informers(&self) -> &Informers {
        self.controllers.informers()
    }

    /// What is to be run.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Whether anything was written since the trace last looked.
    pub(super) const fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Takes the writes since the last call, oldest first.
    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Gives back what the writes were in.
    pub(super) fn reuse(&mut self, changes: Vec<Change>) {
        if self.changes.capacity() == 0 {
            self.changes = changes;
        }
    }

    /// How long a message is under way.
    pub(super) fn transit(&mut self, now: SimTime, message: &Message) -> SimDuration {
        let usual = self.network.transit(now, message);
        if self.faults.is_quiet() { usual } else { usual + self.slower_by(now, message) }
    }

    /// Advances the component that a message is for.
    pub fn handle(&mut self, now: SimTime, message: Message, out: &mut Outbox<Message>) {
        if self.faults.is_quiet() {
            return self.deliver(now, message, out);
        }
        let Some(message) = self.waits_on_node(message, out) else { return };
        match message {
            Message::Call { client, id, request } => {
                if let Some(request) = self.in_turn(now, (client, id), request, out) {
                    self.call_arrives(now, (client, id), request, out);
                }
            }
            Message::Turn { client, id, request } => self.call_arrives(now, (client, id), request, out),
            Message::Reply { client, id, response } => self.reply_arrives(now, (client, id), response, out),
            Message::Watch { client, change } if self.misses(now, client, &change) => {
                // What proxies miss, kubelets need not: they have watches of their own.
                if client == Client::Workload {
                    self.services_heard(now, &change);
                }
            }
            Message::Evicting { client, id, eviction } => self.evicting_arrives(now, (client, id), eviction, out),
            message => self.deliver(now, message, out),
        }
    }

    /// Hands a message to whom it is for.
    fn deliver(&mut self, now: SimTime, message: Message, out: &mut Outbox<Message>) {
        match message {
            Message::Call { client, id, request } => {
                if let Some(request) = self.in_turn(now, (client, id), request, out) {
                    self.serve(now, client, id, *request, out);
                }
            }
            Message::Turn { client, id, request } => self.serve(now, client, id, *request, out),
            Message::Reply { client, id, response } => self.answered(now, client, id, response, out),
            Message::Evicting { client, id, eviction } => self.go_on_evicting(now, client, id, *eviction, out),
            Message::LeaseEnds(lease) => {
                self.server.end_lease(lease);
                self.publish(now, out);
            }
            Message::Watch { client, change } => self.tell_watcher(now, client, change, out),
            Message::Kubelet(node, message) => self.kubelet(now, node, message, out),
            Message::Cri { node, id, call } => {
                if self.is_asked(node, id) {
                    self.runtimes.call(now, node, id, *call, out);
                }
            }
            Message::CriDone { node, id, result } => self.cri_done(now, node, id, result, out),
            Message::RuntimeChanged { node, pod } => self.runtime_changed(now, node, pod, out),
            Message::RuntimeForgot { node, key } => self.kubelets[node.index()].runtime_forgot(key),
            Message::Net { client, id, request } => self.runtimes.net_request(now, client, id, &request, out),
            Message::NetDone { client, id, reply } => match client {
                NetClient::Kubelet(node) => self.on_machine(node, |kubelet| kubelet.net_done(now, id, *reply, out)),
                NetClient::Containers(node) => self.runtimes.net_done(node, id, *reply, out),
            },
            Message::VolumeWritten { node, volume, files } => self.runtimes.volume_written(now, node, volume, &files),
            Message::VolumesRemoved { node, pod } => self.runtimes.volumes_removed(node, pod),
            Message::UsageChanged(node) => self.watch_usage(now, node, out),
            Message::Runtime(node, message) => self.runtimes.handle(now, node, message, out),
            Message::Scheduler(term, message) => {
                if term == self.scheduler.term() && !self.is_down(Leader::Scheduler) {
                    self.scheduler.handle(now, message, out);
                }
            }
            Message::Controller(term, message) => {
                if let Some(controllers) = self.controllers_of(term) {
                    controllers.handle(now, message, out);
                }
            }
            Message::Fault(message) => self.fault_handles(now, message, out),
            Message::Autoscaler(message) => self.autoscale(now, message, out),
            Message::Extension(place, timer) => {
                let around = (now, self.server.clock(), self.draws);
                self.extensions.act(place, around, out, |one, api| one.woken(timer, api));
            }
            Message::Traffic(message) => {
                for change in self.runtimes.traffic_handles(now, message, out) {
                    self.conditions_note(&change, out);
                    self.changes.push(change);
                }
            }
            Message::User(message) => self.user_waited(message, out),
            Message::Act(action) => self.act(now, action as usize, out),
        }
    }

    /// Whether somebody makes a call to a runtime: what a kubelet was about to ask for when it died it does not.
    pub(crate) fn is_asked(&self, node: NodeIndex, id: u32) -> bool {
        Self::is_users(id) || self.kubelets[node.index()].waits_for(id)
    }

    /// Hands an answer to whoever called.
    pub(super) fn answered(
        &mut self,
        now: SimTime,
        client: Client,
        id: u32,
        response: Response,
        out: &mut Outbox<Message>,
    ) {
        match client {
            Client::Kubelet(node) => self.on_machine(node, |kubelet| kubelet.replied(now, id, response, out)),
            Client::User => self.user_replied(now, id, response, out),
            Client::ControllerManager => {
                if let Some(controllers) = self.controllers_that_called(id) {
                    controllers.replied(now, id, response, out);
                }
            }
            Client::Scheduler if !self.is_down(Leader::Scheduler) => self.scheduler.replied(now, id, response, out),
            Client::Autoscaler => self.autoscaler.replied(id, &response),
            Client::ApiServer => self.own_service_replied(now, id, &response, out),
            Client::Scheduler | Client::Workload => {}
            Client::Extension(place) => {
                let around = (now, self.server.clock(), self.draws);
                self.extensions.act(place, around, out, |one, api| one.replied(CallId(id), &response, api));
            }
        }
    }

    /// A call whose turn it is; one that writes waits while the store is busy with those before it.
    fn in_turn(
        &mut self,
        now: SimTime,
        (client, id): (Client, u32),
        request: Box<Request>,
        out: &mut Outbox<Message>,
    ) -> Option<Box<Request>> {
        let wait = self.network.turn(now, &request);
        if wait.is_zero() {
            return Some(request);
        }
        out.after(wait, Message::Turn { client, id, request });
        None
    }

    pub(super) fn serve(&mut self, now: SimTime, client: Client, id: u32, request: Request, out: &mut Outbox<Message>) {
        if let Request::Evict { namespace, name, options } = request {
            let eviction = Eviction::new(namespace, name, options);
            self.call_served(client, &request, out);
            return self.go_on_evicting(now, client, id, eviction, out);
        }
        let event = match &request {
            Request::Update { object: event @ Object::Event(_), .. } => Some(event.clone()),
            _ => None,
        };
        let response = self.response_to(now, client, request, out);
        if let (Some(event), Err(error)) = (event, &response)
            && error.reason == ErrorReason::NotFound
        {
            // The recorder counts on an event that is gone: it makes it anew (`recordEvent`).
            let request = Box::new(Request::Create(event));
            out.now(Message::Call { client, id, request });
            return;
        }
        out.now(Message::Reply { client, id, response });
        self.publish(now, out);
    }

    /// An eviction is written object by object.
    pub(super) fn go_on_evicting(
        &mut self,
        now: SimTime,
        client: Client,
        id: u32,
        eviction: Eviction,
        out: &mut Outbox<Message>,
    ) {
        match self.server.go_on_evicting(now, eviction) {
            ControlFlow::Continue(eviction) => {
                out.now(Message::Evicting { client, id, eviction: Box::new(eviction) });
            }
            ControlFlow::Break(response) => out.now(Message::Reply { client, id, response }),
        }
        self.publish(now, out);
    }

    /// What the server, or whoever stands behind it, answers to a call.
    pub(super) fn response_to(
        &mut self,
        now: SimTime,
        client: Client,
        request: Request,
        out: &mut Outbox<Message>,
    ) -> Response {
        if let (Client::Kubelet(node), Request::Get(target)) = (client, &request)
            && matches!(target.kind, Kind::ConfigMap | Kind::Secret)
        {
            let readers = self.readers.entry((target.kind, target.namespace, target.name)).or_default();
            if !readers.contains(&node) {
                readers.push(node);
            }
        }
        self.call_served(client, &request, out);
        let stale = if let Request::Get(target) = &request { self.stale_answer(*target) } else { None };
        match (stale, request) {
            (Some(stale), _) => stale,
            (None, Request::PodMetrics { namespace, selector }) => self.pod_metrics(now, namespace, &selector),
            (None, Request::Metric { namespace, metric, of }) => self.told_metric(now, namespace, &metric, &of),
            (None, request) => self.server.serve(now, request),
        }
    }

    /// Tells the watchers of what a backup has brought back. To whoever keeps the books it is new: what was said of it
    /// after the backup was taken was never said.
    pub(super) fn publish_restored(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        let before = self.changes.len();
        self.publish(now, out);
        for change in self.changes[before..].iter_mut().filter(|change| change.kind == ChangeKind::Modified) {
            change.kind = ChangeKind::Added;
        }
    }

    /// Tells the watchers of what was just written.
    pub(super) fn publish(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        let mut written = self.server.take_changes();
        for change in written.drain(..) {
            if let (Object::Event(event), false) = (&change.object, change.kind == ChangeKind::Deleted) {
                self.keep_event(now, event.id(), out);
            }
            let others: Vec<Client> = self.extensions.watchers(change.object.kind()).collect();
            for client in self.watchers(&change).into_iter().flatten().chain(others) {
                self.notify(now, client, &change, out);
            }
            self.publish_to_readers(now, &change, out);
            self.publish_to_network(now, &change, out);
            self.own_service_changes(now, &change, out);
            self.conditions_note(&change, out);
            self.changes.push(change);
        }
        self.server.reuse(written);
    }

    /// An event goes when its lease ends.
    fn keep_event(&mut self, now: SimTime, event: Id<Event>, out: &mut Outbox<Message>) {
        if let Some((lease, end)) = self.server.keep_event(now, event) {
            out.after(end.since(now), Message::LeaseEnds(lease));
        }
    }

    /// Sends a watcher word of a change.
    fn notify(&mut self, now: SimTime, client: Client, change: &Change, out: &mut Outbox<Message>) {
        let later = if self.faults.is_quiet() { SimDuration::ZERO } else { self.watch_lags(now, client) };
        let latency = self.network.notify(now, client, change, later);
        out.after(latency, Message::Watch { client, change: change.clone() });
    }

    /// The components that watch an object: kubelets see the pods bound to them and their own node, the controllers
    /// everything but Events.
    fn watchers(&self, change: &Change) -> [Option<Client>; 3] {
        let kubelet = match &change.object {
            Object::Pod(pod) if !pod.node_name.is_empty() => self.nodes.get(&pod.node_name).copied(),
            Object::Node(node) => self.nodes.get(&node.meta.name).copied(),
            _ => None,
        };
        let scheduler = scheduler_watches(&change.object).then_some(Client::Scheduler);
        let controllers = (change.object.kind() != Kind::Event).then_some(Client::ControllerManager);
        [scheduler, controllers, kubelet.map(Client::Kubelet)]
    }

    fn publish_to_readers(&mut self, now: SimTime, change: &Change, out: &mut Outbox<Message>) {
        if let Object::PersistentVolumeClaim(claim) = &change.object
            && claim.awaits_node()
        {
            for node in self.users_of(claim) {
                self.notify(now, Client::Kubelet(node), change, out);
            }
        }
        if !matches!(change.object.kind(), Kind::ConfigMap | Kind::Secret) {
            return;
        }
        let meta = change.object.meta();
        let key = (change.object.kind(), meta.namespace, meta.name);
        for node in self.readers.get(&key).cloned().unwrap_or_default() {
            self.notify(now, Client::Kubelet(node), change, out);
        }
    }

    /// The nodes whose kubelets would find something when they next read a claim, as they do with each sync of a pod
    /// that has it.
    fn users_of(&self, claim: &PersistentVolumeClaim) -> BTreeSet<NodeIndex> {
        let has = |pod: &Pod| {
            pod.spec.volumes.iter().any(|volume| match &volume.source {
                VolumeSource::Claim { name, .. } => *name == claim.meta.name,
                VolumeSource::Ephemeral { .. } => *claim.meta.name == format!("{}-{}", pod.meta.name, volume.name),
                _ => false,
            })
        };
        let pods = self.server.store().pods.iter();
        let users = pods.filter(|pod| pod.meta.namespace == claim.meta.namespace && !pod.is_terminal() && has(pod));
        users.filter_map(|pod| self.nodes.get(&pod.node_name).copied()).collect()
    }

    /// Kubelets that began to watch a ConfigMap or Secret from what was are told of it as it is.
    pub(super) fn readers_catch_up(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        let mut read: Vec<(Kind, Name, Name)> = self.readers.keys().copied().collect();
        read.sort_unstable();
        for (kind, namespace, name) in read {
            if let Some(object) = self.server.store().find(kind, namespace, name) {
                self.publish_to_readers(now, &Change { kind: ChangeKind::Modified, object }, out);
            }
        }
    }

    /// DNS and kube-proxy watch Services and what is behind them.
    fn publish_to_network(&mut self, now: SimTime, change: &Change, out: &mut Outbox<Message>) {
        if matches!(change.object.kind(), Kind::Service | Kind::EndpointSlice) {
            self.notify(now, Client::Workload, change, out);
        }
    }

    /// Tells a watcher of a change.
    pub(super) fn tell_watcher(&mut self, now: SimTime, client: Client, change: Change, out: &mut Outbox<Message>) {
        if client == Client::ControllerManager {
            self.rival_watches(now, &change, out);
        }
        if self.is_known_to(client, &change) {
            return;
        }
        match client {
            Client::Scheduler if !self.is_down(Leader::Scheduler) => self.scheduler.watched(now, change, out),
            Client::Kubelet(node) if change.object.kind() == Kind::Service => {
                self.kubelets[node.index()].know_services(&self.links);
            }
            Client::Kubelet(node) => self.on_machine(node, |kubelet| kubelet.watched(now, change, out)),
            Client::ControllerManager if !self.is_down(Leader::ControllerManager) => {
                self.controllers.watched(now, &change, out);
            }
            Client::Workload => {
                self.services_heard(now, &change);
                self.runtimes.services_changed(now, &change, out);
            }
            Client::Scheduler | Client::ControllerManager | Client::User | Client::Autoscaler | Client::ApiServer => {}
            Client::Extension(place) => {
                let around = (now, self.server.clock(), self.draws);
                self.extensions.act(place, around, out, |one, api| one.watched(&change, api));
            }
        }
    }

    /// Adds a component of a user of the library, which is told of all that there is.
    pub(super) fn extend(&mut self, now: SimTime, extension: Box<dyn Extension>, out: &mut Outbox<Message>) {
        let kinds = Kind::ALL.iter().filter(|kind| extension.watches(**kind));
        let there: Vec<Object> = kinds.flat_map(|kind| self.server.store().list(*kind)).collect();
        let client = self.extensions.add(extension);
        for object in there {
            let change = Change { kind: ChangeKind::Added, object };
            self.notify(now, client, &change, out);
        }
    }

    /// The informers of controllers tell of everything that they know once more.
    pub(super) fn resync(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        self.controllers.resync(now, out);
    }

    /// Has a process model asked what containers do.
    pub(super) fn play(&mut self, model: Arc<dyn ProcessModel>) {
        self.runtimes.add_model(model);
    }

    /// Hands an object that is there from the start to those who watch.
    pub(super) fn introduce(&mut self, object: Object, out: &mut Outbox<Message>) {
        let change = Change { kind: ChangeKind::Added, object };
        for client in self.watchers(&change).into_iter().flatten() {
            match client {
                Client::ControllerManager => self.controllers.introduce(change.object.clone()),
                _ => self.tell_watcher(SimTime::ZERO, client, change.clone(), out),
            }
        }
    }
}

/// Whether the scheduler watches objects of the kind.
pub(super) fn scheduler_watches(object: &Object) -> bool {
    !matches!(object.kind(), Kind::Event | Kind::ConfigMap | Kind::Secret | Kind::ServiceAccount | Kind::Other)
}
