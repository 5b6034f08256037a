//! What strikes machines, their kubelets and their runtimes, and what operators and clouds do to nodes.

use super::{Cluster, FaultMessage, Memory};
use crate::api::{Amount, DeleteOptions, Kind, Name, Part, PatchKind, Request, Target};
use crate::components::cri::{CriCall, CriError};
use crate::components::kubelet::KubeletMessage;
use crate::components::message::{Client, Message, NodeIndex};
use crate::components::net::NetClient;
use crate::components::runtime::RuntimeMessage;
use crate::engine::{Outbox, Purpose, SimDuration, SimTime};
use crate::faults::{
    ClockSkew, CpuSteal, Disk, EvictionDelay, FaultKind, HardwareFailure, ImageLoss, KubeletConfigChange, NodeDrain,
    NodeLabelLoss, NodeOutOfMemory, NodeTaint, Reboot, SlowNode, SpotReclaim, WrongAllocatable,
};
use crate::scenario::plan::{Action, ActionTarget, Drain, Pick};
use crate::scenario::taint_of;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const AGE: Purpose = Purpose::new("age of hardware");
const REPAIR: Purpose = Purpose::new("repair of hardware");
/// A kubelet waits so long for its runtime (`--runtime-request-timeout`).
const RUNTIME_PATIENCE: SimDuration = SimDuration::from_mins(2);
/// From the announcement of a shutdown to its end, where pods are given no time.
const SHUTDOWN: SimDuration = SimDuration::from_secs(5);

impl Cluster {
    pub(super) fn strike_node(
        &mut self,
        now: SimTime,
        id: u32,
        node: NodeIndex,
        kind: &FaultKind,
        out: &mut Outbox<Message>,
    ) {
        let name = self.node_name(node);
        match kind {
            FaultKind::PowerLoss => self.goes_dark(now, id, node, out),
            FaultKind::Reboot(Reboot { disk }) => {
                self.goes_dark(now, id, node, out);
                if *disk == Disk::Lost {
                    self.faults.emptied.insert(node);
                }
            }
            FaultKind::KubeletCrash => {
                self.faults.killed.entry(node).or_default().insert(id);
                self.kill_kubelet(now, name, out);
            }
            FaultKind::KubeletHang if self.kubelets[node.index()].is_up() => {
                self.faults.hung.entry(node).or_default();
                self.lease_lapses(now, node, out);
            }
            FaultKind::RuntimeCrash | FaultKind::RuntimeHang => self.runtime_falls_silent(now, node, kind, out),
            FaultKind::NetworkNotReady => {
                self.runtimes.without_network(node, true);
                self.kubelets[node.index()].network_ready(now, false, out);
            }
            FaultKind::SlowNode(_) => self.set_pace(node, out),
            FaultKind::LeaseLoss | FaultKind::CertificateExpired => self.lease_lapses(now, node, out),
            FaultKind::HardwareFailure(_) => self.breaks_some_day(now, id, node, out),
            FaultKind::NodeOutOfMemory(NodeOutOfMemory { victims }) => {
                let mut left = 0..*victims;
                while left.next().is_some() && self.runtimes.kill_worst(now, node, out) {}
            }
            FaultKind::WrongAllocatable(_) => self.set_allocatable(now, node, out),
            FaultKind::StaleConnections => self.runtimes.keep_connections(node, true),
            FaultKind::ClockSkew(_) => self.set_clock(now, node, out),
            FaultKind::CpuSteal(_) => self.set_stolen(node, out),
            FaultKind::EvictionDelay(_) => self.set_eviction_delay(now, node, out),
            FaultKind::KubeletConfigChange(_) => self.reconfigure(now, node, out),
            FaultKind::NodeTaint(NodeTaint { taint }) => {
                if let Ok(taint) = taint_of(taint) {
                    self.do_action(now, &Action::Taint { node: name, add: vec![taint], remove: Vec::new() }, out);
                }
            }
            FaultKind::Cordon => self.do_action(now, &cordon(name, json!(true)), out),
            FaultKind::Drain(NodeDrain { force, disable_eviction }) => {
                self.do_action(now, &drain(name, *force, *disable_eviction), out);
            }
            FaultKind::GracefulShutdown => {
                self.kubelets[node.index()].shutdown_announced(now, out);
                let wait = self.kubelets[node.index()].shutdown_takes().max(SHUTDOWN);
                out.after(wait, Message::Fault(FaultMessage::PowerFails { strike: id }));
            }
            FaultKind::SpotReclaim(SpotReclaim { notice }) => {
                self.do_action(now, &drain(name, true, false), out);
                out.after(*notice, Message::Fault(FaultMessage::PowerFails { strike: id }));
            }
            FaultKind::NodeLabelLoss(NodeLabelLoss { label }) => {
                let key = Name::new(label);
                let node = self.server.store().nodes.find(Name::default(), name);
                if let Some(value) = node.and_then(|node| node.meta.labels.get(key)) {
                    self.remember(id, Memory::Label(value));
                    self.do_action(now, &label_node(name, label, Value::Null), out);
                }
            }
            FaultKind::NodePressure(pressure) => {
                self.runtimes.press(node, id, pressure);
                self.watch_usage(now, node, out);
            }
            FaultKind::ImageLoss(ImageLoss { images }) => {
                self.runtimes.lose_images(node, images);
                let images = self.runtimes.images(node);
                self.kubelets[node.index()].images_changed(now, images, out);
            }
            FaultKind::PodNetworkPartition => self.runtimes.cut_off(node, true, out),
            _ => {}
        }
    }

    pub(super) fn heal_node(
        &mut self,
        now: SimTime,
        id: u32,
        node: NodeIndex,
        (memory, kind): (&Memory, &FaultKind),
        out: &mut Outbox<Message>,
    ) {
        let name = self.node_name(node);
        let others = |cluster: &Self, same: fn(&FaultKind) -> bool| cluster.blows_on(node).any(same);
        match kind {
            FaultKind::PowerLoss | FaultKind::Reboot(_) | FaultKind::HardwareFailure(_) => {
                self.sees_light(id, node, out);
            }
            FaultKind::CertificateExpired | FaultKind::NeverJoins => {
                self.wires_mended(now, out);
                self.renew_soon(now, node, out);
            }
            FaultKind::GracefulShutdown => {
                self.kubelets[node.index()].shutdown_cancelled(now, out);
                self.sees_light(id, node, out);
            }
            FaultKind::SpotReclaim(_) => {
                self.sees_light(id, node, out);
                self.do_action(now, &cordon(name, Value::Null), out);
            }
            FaultKind::KubeletCrash => {
                if let Some(strikes) = self.faults.killed.get_mut(&node) {
                    strikes.remove(&id);
                }
                self.faults.killed.retain(|_, strikes| !strikes.is_empty());
                self.kubelet_may_start(node, out);
            }
            FaultKind::KubeletHang if !others(self, |kind| matches!(kind, FaultKind::KubeletHang)) => {
                for message in self.faults.hung.remove(&node).unwrap_or_default() {
                    out.now(message);
                }
                self.renew_soon(now, node, out);
            }
            FaultKind::RuntimeCrash | FaultKind::RuntimeHang => self.runtime_may_answer(now, node, out),
            FaultKind::NetworkNotReady if !others(self, |kind| matches!(kind, FaultKind::NetworkNotReady)) => {
                self.runtimes.without_network(node, false);
                self.kubelets[node.index()].network_ready(now, true, out);
            }
            FaultKind::SlowNode(_) => self.set_pace(node, out),
            FaultKind::LeaseLoss => self.renew_soon(now, node, out),
            FaultKind::WrongAllocatable(_) => self.set_allocatable(now, node, out),
            FaultKind::StaleConnections if !others(self, |kind| matches!(kind, FaultKind::StaleConnections)) => {
                self.runtimes.keep_connections(node, false);
            }
            FaultKind::ClockSkew(_) => self.set_clock(now, node, out),
            FaultKind::CpuSteal(_) => self.set_stolen(node, out),
            FaultKind::EvictionDelay(_) => self.set_eviction_delay(now, node, out),
            FaultKind::KubeletConfigChange(_) => self.reconfigure(now, node, out),
            FaultKind::NodeTaint(NodeTaint { taint }) => {
                if let Ok(taint) = taint_of(taint) {
                    let remove = vec![(taint.key, Some(taint.effect))];
                    self.do_action(now, &Action::Taint { node: name, add: Vec::new(), remove }, out);
                }
            }
            FaultKind::Cordon | FaultKind::Drain(_)
                if !others(self, |kind| matches!(kind, FaultKind::Cordon | FaultKind::Drain(_))) =>
            {
                self.do_action(now, &cordon(name, Value::Null), out);
            }
            FaultKind::NodeLabelLoss(NodeLabelLoss { label }) => {
                if let Memory::Label(value) = memory {
                    self.do_action(now, &label_node(name, label, json!(value.as_str())), out);
                }
            }
            FaultKind::NodePressure(_) => {
                self.runtimes.unpress(node, id);
                self.watch_usage(now, node, out);
            }
            FaultKind::PodNetworkPartition if !others(self, |kind| matches!(kind, FaultKind::PodNetworkPartition)) => {
                self.runtimes.cut_off(node, false, out);
            }
            _ => {}
        }
    }

    pub(super) fn remember(&mut self, id: u32, memory: Memory) {
        if let Some(strike) = self.faults.strikes.get_mut(&id) {
            strike.memory = memory;
        }
    }

    /// A notice is over: the machine has no power.
    pub(super) fn notice_is_over(&mut self, now: SimTime, id: u32, out: &mut Outbox<Message>) {
        let Some(strike) = self.faults.strikes.get(&id) else { return };
        let strike = strike.clone();
        let super::Target::Node(node) = strike.target else { return };
        let spot = matches!(self.fault(strike.fault).kind, FaultKind::SpotReclaim(_));
        self.goes_dark(now, id, node, out);
        if let FaultKind::HardwareFailure(HardwareFailure { repair, .. }) = &self.fault(strike.fault).kind {
            let stream = self.fault(strike.fault).stream.part(&self.node_name(node));
            let wait = self.draws.sample(repair, REPAIR, stream, now.as_nanos());
            out.after(wait, Message::Fault(FaultMessage::Repaired { strike: id }));
        }
        if spot {
            // The cloud's controller finds no such machine any more.
            self.faults.emptied.insert(node);
            let target = Target { kind: Kind::Node, namespace: Name::default(), name: self.node_name(node) };
            self.user_calls([Request::Delete { target, options: DeleteOptions::default() }], out);
        }
    }

    /// A machine that is as new breaks when it has its age.
    fn breaks_some_day(&self, now: SimTime, id: u32, node: NodeIndex, out: &mut Outbox<Message>) {
        let Some(strike) = self.faults.strikes.get(&id) else { return };
        let fault = self.fault(strike.fault);
        if let FaultKind::HardwareFailure(HardwareFailure { age, .. }) = &fault.kind {
            let stream = fault.stream.part(&self.node_name(node));
            let wait = self.draws.sample(age, AGE, stream, now.as_nanos());
            out.after(wait, Message::Fault(FaultMessage::PowerFails { strike: id }));
        }
    }

    /// A machine that broke runs again, and ages anew.
    pub(super) fn repaired(&mut self, now: SimTime, id: u32, out: &mut Outbox<Message>) {
        let Some(strike) = self.faults.strikes.get(&id) else { return };
        let super::Target::Node(node) = strike.target else { return };
        self.sees_light(id, node, out);
        self.breaks_some_day(now, id, node, out);
    }

    fn goes_dark(&mut self, now: SimTime, id: u32, node: NodeIndex, out: &mut Outbox<Message>) {
        let strikes = self.faults.dark.entry(node).or_default();
        if !strikes.insert(id) || strikes.len() > 1 {
            return;
        }
        let name = self.node_name(node);
        self.power_off(now, name, out);
    }

    fn sees_light(&mut self, id: u32, node: NodeIndex, out: &mut Outbox<Message>) {
        let Some(strikes) = self.faults.dark.get_mut(&node) else { return };
        strikes.remove(&id);
        if !strikes.is_empty() {
            return;
        }
        self.faults.dark.remove(&node);
        if self.is_given_back(self.node_name(node)) {
            return;
        }
        if self.faults.emptied.remove(&node) {
            self.runtimes.wipe(node, out);
            self.kubelets[node.index()].disk_emptied();
        }
        self.runtimes.power_on(node);
        self.kubelets[node.index()].machine_booted();
        self.kubelet_may_start(node, out);
    }

    /// A machine that an autoscaler orders has an empty disk, and nothing that befell one of its name befell it.
    pub(in crate::simulation) fn replace_machine(&mut self, node: NodeIndex, out: &mut Outbox<Message>) {
        self.faults.dark.remove(&node);
        self.faults.killed.remove(&node);
        self.faults.emptied.remove(&node);
        self.runtimes.wipe(node, out);
        self.kubelets[node.index()].disk_emptied();
    }

    fn kubelet_may_start(&self, node: NodeIndex, out: &mut Outbox<Message>) {
        if !self.faults.dark.contains_key(&node) && !self.faults.killed.contains_key(&node) {
            self.start_kubelet(self.node_name(node), SimDuration::ZERO, out);
        }
    }

    /// A kubelet's process is gone: what waited for it goes nowhere.
    pub(in crate::simulation) fn kubelet_is_gone(&mut self, node: NodeIndex) {
        self.faults.hung.remove(&node);
        self.forget_missed(Client::Kubelet(node));
        if let Some(silent) = self.faults.runtimes.get_mut(&node) {
            silent.held.retain(|message| !matches!(message, Message::Cri { .. }));
        }
    }

    fn set_pace(&mut self, node: NodeIndex, out: &mut Outbox<Message>) {
        let factors = self.blows_on(node).filter_map(|kind| match kind {
            FaultKind::SlowNode(SlowNode { factor }) => Some(factor.value),
            _ => None,
        });
        let factor = factors.max().unwrap_or(1);
        self.kubelets[node.index()].slow_down(factor);
        self.runtimes.slow_down(node, factor, out);
    }

    /// Whether a fault makes kubelets tell other resources than there are.
    pub(in crate::simulation) fn allocatable_is_told_wrong(&self) -> bool {
        self.plan.faults.iter().any(|fault| matches!(fault.kind, FaultKind::WrongAllocatable(_)))
    }

    fn set_allocatable(&mut self, now: SimTime, node: NodeIndex, out: &mut Outbox<Message>) {
        let mut told = BTreeMap::new();
        for kind in self.blows_on(node) {
            if let FaultKind::WrongAllocatable(WrongAllocatable { resources }) = kind {
                let amount = |(name, amount): (&String, &Amount)| (Name::new(name), amount.of(name));
                told.extend(resources.iter().map(amount));
            }
        }
        self.kubelets[node.index()].tell_allocatable(now, told.into_iter().collect(), out);
    }

    fn set_stolen(&mut self, node: NodeIndex, out: &mut Outbox<Message>) {
        let left = |left: u32, kind: &FaultKind| match kind {
            FaultKind::CpuSteal(CpuSteal { percent }) => left * u32::from(100 - percent.value.min(99)) / 100,
            _ => left,
        };
        let left = self.blows_on(node).fold(100, left).max(1);
        self.runtimes.steal(node, 100 - u8::try_from(left).unwrap_or(100), out);
    }

    fn set_eviction_delay(&mut self, now: SimTime, node: NodeIndex, out: &mut Outbox<Message>) {
        let delays = self.blows_on(node).map(|kind| match kind {
            FaultKind::EvictionDelay(EvictionDelay { by }) => *by,
            _ => SimDuration::ZERO,
        });
        let late = delays.sum();
        self.kubelets[node.index()].delay_evictions(now, late, out);
    }

    /// A kubelet is started anew, with the settings that it was given last.
    fn reconfigure(&mut self, now: SimTime, node: NodeIndex, out: &mut Outbox<Message>) {
        let changed = self.blows_on(node).filter_map(|kind| match kind {
            FaultKind::KubeletConfigChange(KubeletConfigChange { kubelet }) => Some(Arc::new((**kubelet).clone())),
            _ => None,
        });
        let config = changed.last().unwrap_or_else(|| self.plan.nodes[node.index()].kubelet.clone());
        self.kubelets[node.index()].configure(config);
        self.runtimes.look_closely(node);
        if self.kubelets[node.index()].is_up() {
            self.kill_kubelet(now, self.node_name(node), out);
            self.kubelet_may_start(node, out);
        }
    }

    fn set_clock(&mut self, now: SimTime, node: NodeIndex, out: &mut Outbox<Message>) {
        let nanos = |span: SimDuration| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX / 4);
        let skews = self.blows_on(node).filter_map(|kind| match kind {
            FaultKind::ClockSkew(ClockSkew { ahead, behind }) => Some(nanos(*ahead) - nanos(*behind)),
            _ => None,
        });
        let skew: i64 = skews.sum();
        let clock = self.server.clock().skewed(skew);
        self.kubelets[node.index()].set_clock(clock);
        self.runtimes.set_clock(now, node, skew, out);
    }

    fn runtime_falls_silent(&mut self, now: SimTime, node: NodeIndex, kind: &FaultKind, out: &mut Outbox<Message>) {
        let hangs = matches!(kind, FaultKind::RuntimeHang);
        if !hangs {
            self.runtimes.cancel_calls(node, out);
        }
        if !self.faults.runtimes.contains_key(&node) {
            self.kubelets[node.index()].runtime_silent(now, true, out);
        }
        self.faults.runtimes.entry(node).or_default().hangs |= hangs;
    }

    fn runtime_may_answer(&mut self, now: SimTime, node: NodeIndex, out: &mut Outbox<Message>) {
        let silent = |kind: &FaultKind| matches!(kind, FaultKind::RuntimeCrash | FaultKind::RuntimeHang);
        if self.blows_on(node).any(silent) {
            return;
        }
        if let Some(silent) = self.faults.runtimes.remove(&node) {
            self.kubelets[node.index()].runtime_silent(now, false, out);
            for message in silent.held {
                out.now(message);
            }
        }
    }

    /// Whether a message has to wait, because whom it is for, or the runtime behind it, does not answer.
    pub(in crate::simulation) fn waits_on_node(
        &mut self,
        message: Message,
        out: &mut Outbox<Message>,
    ) -> Option<Message> {
        let message = self.waits_for_kubelet(message)?;
        if self.faults.runtimes.is_empty() {
            return Some(message);
        }
        self.waits_for_runtime(message, out)
    }

    fn waits_for_kubelet(&mut self, message: Message) -> Option<Message> {
        if self.faults.hung.is_empty() {
            return Some(message);
        }
        let node = match &message {
            Message::Kubelet(_, KubeletMessage::Start | KubeletMessage::Booted { .. }) => None,
            Message::Kubelet(node, _)
            | Message::Cri { node, .. }
            | Message::CriDone { node, .. }
            | Message::RuntimeChanged { node, .. }
            | Message::RuntimeForgot { node, .. }
            | Message::NetDone { client: NetClient::Kubelet(node), .. }
            | Message::Reply { client: Client::Kubelet(node), .. }
            | Message::Watch { client: Client::Kubelet(node), .. } => Some(*node),
            _ => None,
        };
        match node.and_then(|node| self.faults.hung.get_mut(&node)) {
            Some(held) => {
                held.push(message);
                None
            }
            None => Some(message),
        }
    }

    fn waits_for_runtime(&mut self, message: Message, out: &mut Outbox<Message>) -> Option<Message> {
        let node = match &message {
            // A kubelet that starts without a runtime ends at once, and is started again until there is one.
            Message::Kubelet(node, KubeletMessage::Booted { .. })
            | Message::Cri { node, .. }
            | Message::RuntimeChanged { node, .. }
            | Message::RuntimeForgot { node, .. }
            | Message::Runtime(node, RuntimeMessage::StepDone { .. } | RuntimeMessage::ExecDone { .. }) => *node,
            _ => return Some(message),
        };
        let Some(silent) = self.faults.runtimes.get_mut(&node) else { return Some(message) };
        match &message {
            Message::Cri { id, .. } if !silent.hangs => {
                let text = "connection error: desc = \"transport: Error while dialing: dial unix \
                            /run/containerd/containerd.sock: connect: connection refused\"";
                let error = CriError { code: Name::new("Unavailable"), message: text.into() };
                out.after(RETRY, Message::CriDone { node, id: *id, result: Err(Box::new(error)) });
                return None;
            }
            Message::Cri { id, call, .. } if !matches!(**call, CriCall::PullImage { .. }) => {
                let id = *id;
                // A stop may take its time (`remote_runtime.go`, `StopContainer`).
                let grace =
                    if let CriCall::StopContainer { timeout, .. } = **call { timeout } else { SimDuration::ZERO };
                out.after(RUNTIME_PATIENCE + grace, Message::Fault(FaultMessage::RuntimePatience { node, id }));
            }
            _ => {}
        }
        silent.held.push(message);
        None
    }

    /// A kubelet has waited long enough for its runtime.
    pub(super) fn runtime_patience_ends(&mut self, node: NodeIndex, id: u32, out: &mut Outbox<Message>) {
        let Some(silent) = self.faults.runtimes.get_mut(&node) else { return };
        let mine = |message: &Message| matches!(message, Message::Cri { id: held, .. } if *held == id);
        let Some(place) = silent.held.iter().position(mine) else { return };
        silent.held.remove(place);
        let error = CriError { code: Name::new("DeadlineExceeded"), message: "context deadline exceeded".into() };
        out.now(Message::CriDone { node, id, result: Err(Box::new(error)) });
    }
}

/// How long it takes to find that nobody listens at a socket.
const RETRY: SimDuration = SimDuration::from_millis(1);

fn node_target(name: Name) -> ActionTarget {
    let glob = name.parse().unwrap_or_default();
    ActionTarget { kind: Kind::Node, namespace: Name::default(), name: glob, pick: Pick::All, node: Name::default() }
}

fn patch_node(name: Name, patch: Value) -> Action {
    Action::Patch { target: node_target(name), part: Part::Main, kind: PatchKind::Merge, patch }
}

fn cordon(name: Name, unschedulable: Value) -> Action {
    patch_node(name, json!({"spec": {"unschedulable": unschedulable}}))
}

fn label_node(name: Name, label: &str, value: Value) -> Action {
    patch_node(name, json!({"metadata": {"labels": {label: value}}}))
}

fn drain(node: Name, force: bool, disable_eviction: bool) -> Action {
    Action::Drain(Drain {
        node,
        grace_period: None,
        timeout: None,
        force,
        ignore_daemon_sets: true,
        delete_empty_dir_data: true,
        disable_eviction,
    })
}
