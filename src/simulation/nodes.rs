//! Machines and their kubelets as users and fate treat them: processes die and start, power goes and comes.

use super::Cluster;
use crate::api::{ApiObject, Change, Name, Pod, Text};
use crate::components::cri::{CriReply, CriResult, RuntimePod, VolumeKey};
use crate::components::kubelet::{Kubelet, KubeletMessage};
use crate::components::message::{Client, Message, NodeIndex};
use crate::engine::{Outbox, SimDuration, SimTime};
use std::sync::Arc;

/// A kubelet that cannot list its pods tries again after so long.
const LIST_RETRY: SimDuration = SimDuration::from_secs(1);

impl Cluster {
    /// Hands a kubelet its message; where it asks for what only the cluster knows, with the answer.
    pub(super) fn kubelet(
        &mut self,
        now: SimTime,
        node: NodeIndex,
        message: KubeletMessage,
        out: &mut Outbox<Message>,
    ) {
        match message {
            // No process starts on a machine without power; it does when the power is back.
            KubeletMessage::Start if !self.runtimes.machine(node).is_powered() => {}
            KubeletMessage::ListRuntime => {
                let pods = self.runtimes.machine(node).snapshots();
                let images = self.runtimes.images(node);
                self.kubelets[node.index()].runtime_listed(now, pods, images);
                self.watch_usage(now, node, out);
            }
            KubeletMessage::Mounted { key, volume, due } => {
                let kubelet = &self.kubelets[node.index()];
                let refused = kubelet
                    .typed_host_path(key, volume, due)
                    .and_then(|host| self.runtimes.check_host_path(node, &host.path, &host.kind).err());
                self.on_machine(node, |kubelet| match refused {
                    None => kubelet.handle(now, message, out),
                    Some(error) => kubelet.host_path_refused(now, (key, volume), &error, out),
                });
            }
            KubeletMessage::ReadEnvFiles { key, turn } => {
                let wanted = self.kubelets[node.index()].env_files(key, turn);
                let read = |file: Option<(VolumeKey, Name)>| {
                    file.and_then(|(volume, path)| self.runtimes.read_in_volume(node, volume, &path))
                };
                let files: Vec<Option<Text>> = wanted.into_iter().map(read).collect();
                self.on_machine(node, |kubelet| kubelet.env_files_read(now, (key, turn), &files, out));
            }
            KubeletMessage::ListPods if !self.reaches_server(Client::Kubelet(node)) => {
                out.after(LIST_RETRY, Message::Kubelet(node, message));
            }
            KubeletMessage::ListPods => {
                let name = self.node_name(node);
                let store = self.server.store();
                let mut pods: Vec<Arc<Pod>> = store.pods.iter().filter(|pod| pod.node_name == name).cloned().collect();
                pods.sort_by_key(|pod| (pod.meta.creation_timestamp, pod.id()));
                let object = store.nodes.find(Name::default(), name).cloned();
                self.kubelets[node.index()].know_services(&self.links);
                self.on_machine(node, |kubelet| kubelet.pods_listed(now, pods, object, out));
            }
            KubeletMessage::Eviction { due } => {
                let stats = self.runtimes.stats(now, node);
                self.kubelets[node.index()].eviction_turn(now, due, stats, out);
            }
            KubeletMessage::ImageGc { due } => {
                let stats = self.runtimes.stats(now, node);
                self.kubelets[node.index()].image_gc(now, due, &stats, out);
            }
            message => {
                if matches!(message, KubeletMessage::Booted { .. }) {
                    self.lease_begins(now, node, out);
                }
                self.on_machine(node, |kubelet| kubelet.handle(now, message, out));
            }
        }
    }

    /// A kubelet acts on its machine, which may be that of all nodes.
    pub(super) fn on_machine(&mut self, node: NodeIndex, act: impl FnOnce(&mut Kubelet)) {
        let kubelet = &mut self.kubelets[node.index()];
        let Some(load) = &mut self.load else { return act(kubelet) };
        kubelet.swap_load(load);
        act(kubelet);
        kubelet.swap_load(load);
    }

    /// The kubelets hear of Services when the proxies beside them do, unless their watch is broken.
    pub(super) fn services_heard(&mut self, now: SimTime, change: &Change) {
        if !self.links.changed(change) {
            return;
        }
        for place in 0..self.kubelets.len() {
            let client = Client::Kubelet(NodeIndex(place as u16));
            if self.faults.is_quiet() || !self.misses(now, client, change) {
                self.kubelets[place].know_services(&self.links);
            }
        }
    }

    /// A runtime answers its kubelet; what it did to images shows in the node's status.
    pub(super) fn cri_done(
        &mut self,
        now: SimTime,
        node: NodeIndex,
        id: u32,
        result: CriResult,
        out: &mut Outbox<Message>,
    ) {
        if self.exec_done(now, id, &result) {
            return;
        }
        if matches!(result, Ok(CriReply::Image { .. })) {
            let images = self.runtimes.images(node);
            self.kubelets[node.index()].images_changed(now, images, out);
        }
        self.on_machine(node, |kubelet| kubelet.cri_done(now, id, result, out));
    }

    /// What runs on a node changed: its kubelet sees it when it next looks, and may soon have too little of something.
    pub(super) fn runtime_changed(
        &mut self,
        now: SimTime,
        node: NodeIndex,
        pod: Arc<RuntimePod>,
        out: &mut Outbox<Message>,
    ) {
        self.on_machine(node, |kubelet| kubelet.runtime_changed(now, pod, out));
        self.watch_usage(now, node, out);
    }

    /// A node that may run short of anything is watched by its kubelet.
    pub(super) fn watch_usage(&mut self, now: SimTime, node: NodeIndex, out: &mut Outbox<Message>) {
        if self.runtimes.may_run_short(node) {
            self.kubelets[node.index()].want_eviction(now, out);
            self.kubelets[node.index()].want_image_gc(now, out);
            self.runtimes.watch_memory(now, node, out);
        }
    }

    /// The machine of a node, if the plan has one of that name.
    pub(super) fn machine_named(&self, node: Name) -> Option<NodeIndex> {
        self.nodes.get(&node).copied()
    }

    pub(super) fn kill_kubelet(&mut self, now: SimTime, node: Name, out: &mut Outbox<Message>) {
        let Some(index) = self.machine_named(node) else { return };
        self.lease_lapses(now, index, out);
        self.kubelets[index.index()].stop();
        self.kubelet_is_gone(index);
        self.runtimes.cancel_calls(index, out);
    }

    pub(super) fn start_kubelet(&self, node: Name, after: SimDuration, out: &mut Outbox<Message>) {
        let Some(index) = self.machine_named(node) else { return };
        out.after(after, Message::Kubelet(index, KubeletMessage::Start));
    }

    pub(super) fn power_off(&mut self, now: SimTime, node: Name, out: &mut Outbox<Message>) {
        let Some(index) = self.machine_named(node) else { return };
        self.lease_lapses(now, index, out);
        self.kubelets[index.index()].stop();
        self.kubelet_is_gone(index);
        self.runtimes.power_off(now, index, out);
    }

    pub(super) fn power_on(&mut self, node: Name, out: &mut Outbox<Message>) {
        let Some(index) = self.machine_named(node) else { return };
        self.runtimes.power_on(index);
        self.kubelets[index.index()].machine_booted();
        self.start_kubelet(node, SimDuration::ZERO, out);
    }
}
