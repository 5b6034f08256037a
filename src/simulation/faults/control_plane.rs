//! Processes of the control plane that die and start again, and what mending a wire sets going.

use super::{Cluster, FaultMessage, Memory, Strike};
use crate::api::{ApiError, Change, ChangeKind, Kind, Name, Object, Response, Store, Target, WallTime};
use crate::components::controllers::{ControllerManager, ControllerSetup, DriverFailures, Heartbeat};
use crate::components::kubelet::Kubelet;
use crate::components::message::{Client, Message, NodeIndex};
use crate::engine::{Outbox, Purpose, SimDuration, SimTime, StreamKey};
use crate::faults::{DriverDelay, DriverFailure, FaultKind, Leader, LeaderChange, LoadSurge, MetricsSpike, SlowLeader};
use crate::simulation::cluster::scheduler_watches;
use std::collections::{BTreeMap, BTreeSet};

const CLOCK: Purpose = Purpose::new("clock of a second controller manager");
/// How long the lease of a leader lasts (`--leader-elect-lease-duration`).
const LEASE: SimDuration = SimDuration::from_secs(15);
/// What NTP leaves of the difference between two machines' clocks.
const CLOCKS_APART: SimDuration = SimDuration::from_millis(5);
/// Whoever cannot list the cluster tries again after so long.
const LIST_RETRY: SimDuration = SimDuration::from_secs(2);

/// A second controller manager.
#[derive(Debug, Clone)]
pub(super) struct Rival {
    controllers: ControllerManager,
    /// The version of the store that it listed.
    listed: u64,
}

impl Leader {
    const fn client(self) -> Client {
        match self {
            Self::Scheduler => Client::Scheduler,
            Self::ControllerManager => Client::ControllerManager,
        }
    }
}

impl Cluster {
    pub(super) fn strike_control_plane(&mut self, now: SimTime, id: u32, kind: &FaultKind, out: &mut Outbox<Message>) {
        match kind {
            FaultKind::ControllerManagerCrash => self.leader_dies(Leader::ControllerManager, id),
            FaultKind::SchedulerCrash => self.leader_dies(Leader::Scheduler, id),
            FaultKind::LeaderChange(LeaderChange { of, gap }) => {
                self.leader_dies(*of, id);
                let elected = FaultMessage::Elected { leader: *of, strike: id };
                out.after(gap.unwrap_or(LEASE), Message::Fault(elected));
            }
            FaultKind::EtcdRestore => {
                let backup = Box::new(self.server.store().clone());
                self.remember(id, Memory::Backup(now, backup));
            }
            FaultKind::StaleReads => {
                let then = Box::new(self.server.store().clone());
                self.remember(id, Memory::Backup(now, then));
            }
            FaultKind::LoadSurge(_) => self.load_surges(out),
            FaultKind::MetricsStale => self.remember(id, Memory::Since(now)),
            FaultKind::TwoLeaders => self.rival_starts(now, out),
            FaultKind::ProvisionFailure(_)
            | FaultKind::AttachFailure(_)
            | FaultKind::DetachFailure(_)
            | FaultKind::ProvisionDelay(_)
            | FaultKind::AttachDelay(_) => self.drivers_fail(),
            FaultKind::Partition(_) | FaultKind::ApiUnavailable | FaultKind::EtcdLeaderLoss => {
                for node in self.every_node() {
                    if !self.writes_get_through(Client::Kubelet(node)) {
                        self.lease_lapses(now, node, out);
                    }
                }
            }
            _ => {}
        }
    }

    pub(super) fn heal_control_plane(
        &mut self,
        now: SimTime,
        id: u32,
        strike: &Strike,
        kind: &FaultKind,
        out: &mut Outbox<Message>,
    ) {
        match kind {
            FaultKind::ControllerManagerCrash => self.leads_again(now, Leader::ControllerManager, id, out),
            FaultKind::SchedulerCrash => self.leads_again(now, Leader::Scheduler, id, out),
            FaultKind::TwoLeaders => self.rival_ends(),
            FaultKind::EtcdRestore => {
                if let Memory::Backup(since, backup) = &strike.memory {
                    self.restore(now, id, backup, out);
                    self.mend_again(now, id, *since, out);
                }
            }
            FaultKind::ProvisionFailure(_)
            | FaultKind::AttachFailure(_)
            | FaultKind::DetachFailure(_)
            | FaultKind::ProvisionDelay(_)
            | FaultKind::AttachDelay(_) => self.drivers_fail(),
            FaultKind::LoadSurge(_) => self.load_surges(out),
            FaultKind::StaleReads => self.readers_catch_up(now, out),
            FaultKind::Partition(_)
            | FaultKind::ApiUnavailable
            | FaultKind::EtcdLeaderLoss
            | FaultKind::WatchLoss(_) => {
                self.wires_mended(now, out);
                for node in self.every_node() {
                    self.renew_soon(now, node, out);
                }
            }
            _ => {}
        }
    }

    /// The store becomes what it was in a backup. Versions go on (`etcdutl snapshot restore --bump-revision
    /// --mark-compacted`), so whoever watches lists everything again; scheduler, controllers and kubelets, which acted
    /// on what never was, start anew, as the guide to operating etcd advises.
    fn restore(&mut self, now: SimTime, id: u32, backup: &Store, out: &mut Outbox<Message>) {
        self.faults.restored = Some(now);
        self.faults.rival = None;
        self.server.restore(backup);
        self.publish_restored(now, out);
        for leader in [Leader::Scheduler, Leader::ControllerManager] {
            self.leader_dies(leader, id);
            out.after(LEASE, Message::Fault(FaultMessage::Elected { leader, strike: id }));
        }
        for node in self.every_node() {
            if self.kubelets[node.index()].is_up() {
                let name = self.node_name(node);
                self.kill_kubelet(now, name, out);
                self.start_kubelet(name, SimDuration::ZERO, out);
            }
        }
    }

    /// What a read is answered with while reads are answered with what was.
    pub(in crate::simulation) fn stale_answer(&self, target: Target) -> Option<Response> {
        if target.kind == Kind::Node {
            return None; // A kubelet's first read of its node stands for a create, which finds what there is.
        }
        let then = self.blows().find_map(|(kind, strike)| match (kind, &strike.memory) {
            (FaultKind::StaleReads, Memory::Backup(_, then)) => Some(then),
            _ => None,
        })?;
        let found = then.find(target.kind, target.namespace, target.name);
        Some(found.ok_or_else(|| ApiError::not_found(target.kind, &target.name)))
    }

    /// Whether a fault answers reads with what was.
    pub(in crate::simulation) fn reads_may_be_stale(&self) -> bool {
        self.plan.faults.iter().any(|fault| matches!(fault.kind, FaultKind::StaleReads))
    }

    /// Whether a cluster autoscaler does nothing.
    pub(in crate::simulation) fn autoscaler_hangs(&self) -> bool {
        self.blows().any(|(kind, _)| matches!(kind, FaultKind::AutoscalerHang))
    }

    /// How much longer a component of the control plane takes for each thing that it does.
    pub(super) fn leader_lags(&self, leader: Leader) -> SimDuration {
        let lag = |(kind, _): (&FaultKind, &Strike)| match kind {
            FaultKind::SlowLeader(SlowLeader { of, by }) if *of == leader => *by,
            _ => SimDuration::ZERO,
        };
        self.blows().map(lag).sum()
    }

    fn load_surges(&mut self, out: &mut Outbox<Message>) {
        let factors = self.blows().filter_map(|(kind, _)| match kind {
            FaultKind::LoadSurge(LoadSurge { percent }) => Some(i64::from(*percent)),
            _ => None,
        });
        let percent = factors.fold(100_i64, |product, percent| product.saturating_mul(percent) / 100);
        self.runtimes.surge(percent, out);
    }

    /// Whether what is written now comes from a backup: what was there before it has no bearing on it.
    pub(crate) fn is_being_restored(&self, now: SimTime) -> bool {
        self.faults.restored == Some(now)
    }

    pub(super) fn every_node(&self) -> Vec<NodeIndex> {
        let count = u16::try_from(self.kubelets.len()).expect("machines are counted in 16 bits");
        (0..count).map(NodeIndex).collect()
    }

    /// Whether a component of the control plane does not run.
    pub(in crate::simulation) fn is_down(&self, leader: Leader) -> bool {
        self.faults.down.contains_key(&leader)
    }

    /// Whether nobody tells what pods use.
    pub(in crate::simulation) fn metrics_server_is_down(&self) -> bool {
        self.blows().any(|(kind, _)| matches!(kind, FaultKind::MetricsDown))
    }

    /// The time that the metrics server believes it to be.
    pub(in crate::simulation) fn metrics_known_since(&self, now: SimTime) -> SimTime {
        let since = self.blows().filter_map(|(kind, strike)| match (kind, &strike.memory) {
            (FaultKind::MetricsStale, Memory::Since(since)) => Some(*since),
            _ => None,
        });
        since.min().unwrap_or(now)
    }

    /// Per cent of the use of CPU that the metrics server tells.
    pub(in crate::simulation) fn metrics_factor(&self) -> i64 {
        let factors = self.blows().filter_map(|(kind, _)| match kind {
            FaultKind::MetricsSpike(MetricsSpike { percent }) => Some(i64::from(*percent)),
            _ => None,
        });
        factors.fold(100, |product, percent| product.saturating_mul(percent) / 100)
    }

    /// Whether the cloud has no machine to give.
    pub(in crate::simulation) fn cloud_is_empty(&self) -> bool {
        self.blows().any(|(kind, _)| matches!(kind, FaultKind::NoCapacity))
    }

    /// Whether a process listed what a notification tells when it started.
    pub(in crate::simulation) fn is_known_to(&self, client: Client, change: &Change) -> bool {
        let listed = self.faults.listed.get(&client);
        listed.is_some_and(|listed| change.object.meta().resource_version <= *listed)
    }

    fn leader_dies(&mut self, leader: Leader, id: u32) {
        self.faults.down.entry(leader).or_default().insert(id);
        self.forget_missed(leader.client());
    }

    /// What kept a component from running is over: it starts, or another instance does, if nothing else keeps it.
    pub(super) fn leads_again(&mut self, now: SimTime, leader: Leader, id: u32, out: &mut Outbox<Message>) {
        let Some(strikes) = self.faults.down.get_mut(&leader) else { return };
        strikes.remove(&id);
        if !strikes.is_empty() {
            return;
        }
        if !self.reaches_server(leader.client()) {
            // Still nobody: the list that everything begins with comes to nothing.
            strikes_again(&mut self.faults.down, leader, id);
            let elected = FaultMessage::Elected { leader, strike: id };
            return out.after(LIST_RETRY, Message::Fault(elected));
        }
        self.faults.down.remove(&leader);
        let objects: Vec<Object> = Kind::ALL.iter().flat_map(|kind| self.server.store().list(*kind)).collect();
        self.forget_missed(leader.client());
        self.faults.listed.insert(leader.client(), self.server.store().version());
        match leader {
            Leader::Scheduler => {
                self.scheduler = self.scheduler.successor();
                let watched = objects.into_iter().filter(scheduler_watches);
                let changes = watched.map(|object| Change { kind: ChangeKind::Added, object });
                self.scheduler.listed(now, changes, out);
            }
            Leader::ControllerManager => {
                self.controllers_start(now, objects, out);
                if self.has_rivals() {
                    // One that was stopped with the first, for a backup.
                    self.rival_starts(now, out);
                }
            }
        }
    }

    fn controllers_start(&mut self, now: SimTime, mut objects: Vec<Object>, out: &mut Outbox<Message>) {
        objects.retain(|object| object.kind() != Kind::Event);
        let profile = self.plan.profile.clone();
        let setup = ControllerSetup { clock: self.server.clock(), draws: self.draws, profile: profile.clone() };
        let fresh = ControllerManager::new(setup)
            .provisioning(profile.provision.clone(), self.plan.node_expansion.clone())
            .attaching(profile.attach.clone(), profile.detach.clone());
        self.controllers = fresh.succeeding(&self.controllers);
        self.drivers_fail();
        self.controllers.listed(now, objects, out);
        for (node, heartbeat) in self.heartbeats(now) {
            self.controllers.heartbeat(now, node, heartbeat, out);
        }
    }

    /// The leases of nodes, as a process that starts finds them: to it, every node was heard of a moment ago. Of some a
    /// lease is renewed before they are there.
    fn heartbeats(&self, now: SimTime) -> Vec<(Name, Heartbeat)> {
        let heartbeat = |kubelet: &Kubelet, node: NodeIndex| match self.faults.silent.contains(&node) {
            true => Some(Heartbeat::Stopped(now)),
            false => kubelet.is_up().then_some(Heartbeat::Beats),
        };
        let nodes = (0..).map(NodeIndex).zip(&self.kubelets);
        nodes.filter_map(|(node, kubelet)| Some((kubelet.name(), heartbeat(kubelet, node)?))).collect()
    }

    /// A second controller manager believes that it leads: it lists the cluster, and acts beside the first.
    fn rival_starts(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        if self.faults.rival.is_some() {
            return;
        }
        self.faults.rivals += 1;
        let profile = self.plan.profile.clone();
        // The clocks of two machines are never quite the same: what they call by the time differs.
        let mut draw = self.draws.draw(CLOCK, StreamKey::new("controller manager"), u64::from(self.faults.rivals));
        let offset = draw.between(SimDuration::from_micros(1), CLOCKS_APART);
        let clock = self.server.clock().skewed(i64::try_from(offset.as_nanos()).unwrap_or(i64::MAX));
        let setup = ControllerSetup { clock, draws: self.draws, profile: profile.clone() };
        let fresh = ControllerManager::new(setup)
            .provisioning(profile.provision.clone(), self.plan.node_expansion.clone())
            .attaching(profile.attach.clone(), profile.detach.clone());
        let mut objects: Vec<Object> = Kind::ALL.iter().flat_map(|kind| self.server.store().list(*kind)).collect();
        objects.retain(|object| object.kind() != Kind::Event);
        let mut controllers = fresh.rivalling(&self.controllers, self.faults.rivals);
        controllers.listed(now, objects, out);
        for (node, heartbeat) in self.heartbeats(now) {
            controllers.heartbeat(now, node, heartbeat, out);
        }
        self.faults.rival = Some(Box::new(Rival { controllers, listed: self.server.store().version() }));
    }

    /// The last of those who held up a second controller manager is gone, and so is that.
    fn rival_ends(&mut self) {
        if !self.has_rivals() {
            self.faults.rival = None;
        }
    }

    pub(in crate::simulation) fn has_rivals(&self) -> bool {
        self.blows().any(|(kind, _)| matches!(kind, FaultKind::TwoLeaders))
    }

    /// The controllers of a process, by the term that their messages carry.
    pub(in crate::simulation) fn controllers_of(&mut self, term: u32) -> Option<&mut ControllerManager> {
        if self.controllers.term() == term {
            let runs = !self.is_down(Leader::ControllerManager);
            return runs.then_some(&mut self.controllers);
        }
        let rival = self.faults.rival.as_mut().filter(|rival| rival.controllers.term() == term);
        rival.map(|rival| &mut rival.controllers)
    }

    /// The controllers that made a call, by its number.
    pub(in crate::simulation) fn controllers_that_called(&mut self, id: u32) -> Option<&mut ControllerManager> {
        if ControllerManager::is_rivals(id) {
            return self.faults.rival.as_mut().map(|rival| &mut rival.controllers);
        }
        (!self.is_down(Leader::ControllerManager)).then_some(&mut self.controllers)
    }

    /// A change is told to a second controller manager, too, unless it has listed it.
    pub(in crate::simulation) fn rival_watches(&mut self, now: SimTime, change: &Change, out: &mut Outbox<Message>) {
        if let Some(rival) = &mut self.faults.rival
            && change.object.meta().resource_version > rival.listed
        {
            rival.controllers.watched(now, change, out);
        }
    }

    /// Controller managers hear of a node's lease.
    fn heard_of(&mut self, now: SimTime, node: NodeIndex, heartbeat: Heartbeat, out: &mut Outbox<Message>) {
        let name = self.node_name(node);
        if !self.is_down(Leader::ControllerManager) {
            self.controllers.heartbeat(now, name, heartbeat, out);
        }
        if let Some(rival) = &mut self.faults.rival {
            rival.controllers.heartbeat(now, name, heartbeat, out);
        }
    }

    /// What drivers of volumes say instead of doing what they are asked, and how late they do it.
    fn drivers_fail(&mut self) {
        let mut failures = DriverFailures::default();
        for (kind, _) in self.blows() {
            match kind {
                FaultKind::ProvisionFailure(DriverFailure { error }) => failures.provision = Some(error.clone()),
                FaultKind::AttachFailure(DriverFailure { error }) => failures.attach = Some(error.clone()),
                FaultKind::DetachFailure(DriverFailure { error }) => failures.detach = Some(error.clone()),
                FaultKind::ProvisionDelay(DriverDelay { by }) => failures.provision_later += *by,
                FaultKind::AttachDelay(DriverDelay { by }) => failures.attach_later += *by,
                _ => {}
            }
        }
        if let Some(rival) = &mut self.faults.rival {
            rival.controllers.drivers_fail(failures.clone());
        }
        self.controllers.drivers_fail(failures);
    }

    /// Whether a kubelet that runs renews its node's lease.
    fn renews(&self, node: NodeIndex) -> bool {
        !self.faults.hung.contains_key(&node)
            && self.writes_get_through(Client::Kubelet(node))
            && !self.blows_on(node).any(|kind| matches!(kind, FaultKind::LeaseLoss))
    }

    /// A kubelet renews its node's lease no longer.
    pub(in crate::simulation) fn lease_lapses(&mut self, now: SimTime, node: NodeIndex, out: &mut Outbox<Message>) {
        let renewed = self.lease_renewed(now, node);
        if !self.faults.silent.insert(node) {
            return;
        }
        let last = self.kubelets[node.index()].lease_renewed_at(now).unwrap_or(SimTime::ZERO);
        if let Some(renewed) = renewed {
            self.faults.lapsed.insert(node, renewed);
        }
        self.heard_of(now, node, Heartbeat::Stopped(last), out);
    }

    /// When the lease of a node was last renewed, if it ever was.
    pub(in crate::simulation) fn lease_renewed(&self, now: SimTime, node: NodeIndex) -> Option<WallTime> {
        if self.faults.silent.contains(&node) {
            return self.faults.lapsed.get(&node).copied();
        }
        Some(self.server.clock().at(now).earlier_by(self.kubelets[node.index()].lease_age(now)?))
    }

    /// The nodes whose leases are not renewed, though their kubelets may run.
    pub(in crate::simulation) const fn silent_nodes(&self) -> &BTreeSet<NodeIndex> {
        &self.faults.silent
    }

    /// A kubelet whose lease lapsed tries again before long.
    pub(super) fn renew_soon(&self, now: SimTime, node: NodeIndex, out: &mut Outbox<Message>) {
        if self.faults.silent.contains(&node) && self.kubelets[node.index()].is_up() {
            let stream = StreamKey::new(&self.node_name(node));
            let wait =
                self.draws.draw(super::RENEWAL, stream, now.as_nanos()).between(SimDuration::ZERO, super::LEASE_RETRY);
            out.after(wait, Message::Fault(FaultMessage::Renew { node }));
        }
    }

    /// A kubelet renews its node's lease again, if it can.
    pub(super) fn renew_lease(&mut self, now: SimTime, node: NodeIndex, out: &mut Outbox<Message>) {
        if self.kubelets[node.index()].is_up() {
            self.lease_begins(now, node, out);
        }
    }

    /// A kubelet that runs, or is about to, renews its node's lease, if it can.
    pub(in crate::simulation) fn lease_begins(&mut self, now: SimTime, node: NodeIndex, out: &mut Outbox<Message>) {
        if !self.renews(node) {
            self.faults.silent.insert(node);
            return;
        }
        self.faults.silent.remove(&node);
        self.faults.lapsed.remove(&node);
        self.heard_of(now, node, Heartbeat::Beats, out);
    }
}

fn strikes_again(down: &mut BTreeMap<Leader, BTreeSet<u32>>, leader: Leader, id: u32) {
    down.entry(leader).or_default().insert(id);
}
