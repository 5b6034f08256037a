//! What strikes pods: their programs, sandboxes, images and volumes, and people who delete them.

use super::{Cluster, Memory, Strike, Target};
use crate::api::{self, DeleteOptions, Kind, Name, Part, PatchKind, Request, Uid};
use crate::components::message::Message;
use crate::components::runtime::{Disturbance, Exit};
use crate::engine::{Outbox, SimTime};
use crate::faults::{FaultKind, FaultPlan, LabelChange, PodKill, ProcessExit};
use serde_json::{Value, json};

impl Cluster {
    pub(super) fn strike_pods(
        &mut self,
        now: SimTime,
        id: u32,
        strike: &Strike,
        fault: &FaultPlan,
        out: &mut Outbox<Message>,
    ) {
        let only = match &strike.target {
            Target::Pod(uid) => Some(vec![*uid]),
            Target::Pods(pods) => pods.clone(),
            Target::Everything(_) | Target::Node(_) => None,
        };
        let mut disturbance = Disturbance {
            id,
            kind: fault.kind.clone(),
            scope: fault.scope.clone(),
            only,
            stream: fault.stream,
            occasion: strike.occasion,
            instances: Vec::new(),
            since: now,
        };
        if matches!(strike.target, Target::Pod(_)) {
            // The share of pods was taken when they were chosen.
            disturbance.scope.share = None;
        }
        match &fault.kind {
            FaultKind::ProcessExit(ProcessExit { code, reason, message }) => {
                let exit = Exit { code: *code, reason: *reason, message: message.clone() };
                for instance in self.runtimes.instances_of(&disturbance) {
                    self.runtimes.end_process(now, instance, &exit, out);
                }
            }
            FaultKind::LabelChange(LabelChange { label, value }) => {
                let pods = self.server.store().pods.iter();
                let pod = pods.into_iter().find(|pod| matches!(strike.target, Target::Pod(uid) if uid == pod.meta.uid));
                if let Some(before) = pod.and_then(|pod| pod.meta.labels.get(Name::new(label))) {
                    self.remember(id, Memory::Label(before));
                }
                let patch = |target| relabel(target, label, json!(value));
                self.call_about(disturbance.only, patch, out);
            }
            FaultKind::ProcessHang | FaultKind::ChildDeath => {
                let instances = self.runtimes.instances_of(&disturbance);
                disturbance.instances = instances.into_iter().map(|(_, _, instance)| instance).collect();
                if !disturbance.instances.is_empty() {
                    self.runtimes.disturb(now, disturbance, out);
                }
            }
            FaultKind::PodKill(PodKill { grace, force }) => {
                let seconds = grace.map(|grace| i64::try_from(grace.as_secs()).unwrap_or(i64::MAX));
                let grace_period = if *force { Some(0) } else { seconds.map(|seconds| seconds.max(1)) };
                let options = DeleteOptions { grace_period, ..DeleteOptions::default() };
                self.call_about(disturbance.only, |target| Request::Delete { target, options }, out);
            }
            FaultKind::PodEviction => {
                let options = DeleteOptions::default();
                let evict =
                    |target: api::Target| Request::Evict { namespace: target.namespace, name: target.name, options };
                self.call_about(disturbance.only, evict, out);
            }
            // Whoever admits pods looks at what lasts.
            FaultKind::MutatedResources(_) => {}
            FaultKind::MountFailure(_) | FaultKind::MountDelay(_) => {
                for kubelet in &mut self.kubelets {
                    kubelet.disturb_mounts(disturbance.clone());
                }
            }
            _ => {
                self.runtimes.disturb(now, disturbance, out);
                self.usage_may_change(now, out);
            }
        }
    }

    pub(super) fn heal_pods(
        &mut self,
        now: SimTime,
        id: u32,
        strike: &Strike,
        kind: &FaultKind,
        out: &mut Outbox<Message>,
    ) {
        match kind {
            FaultKind::LabelChange(LabelChange { label, .. }) => {
                let before = match &strike.memory {
                    Memory::Label(before) => json!(before.as_str()),
                    _ => Value::Null,
                };
                if let Target::Pod(uid) = strike.target {
                    self.call_about(Some(vec![uid]), |target| relabel(target, label, before.clone()), out);
                }
            }
            FaultKind::MutatedResources(_) => {}
            FaultKind::MountFailure(_) | FaultKind::MountDelay(_) => {
                for kubelet in &mut self.kubelets {
                    kubelet.relieve_mounts(id);
                }
            }
            _ => {
                self.runtimes.relieve(now, id, out);
                self.usage_may_change(now, out);
            }
        }
    }

    fn usage_may_change(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        for node in self.every_node() {
            self.watch_usage(now, node, out);
        }
    }

    /// Somebody calls the server about pods.
    fn call_about(
        &mut self,
        pods: Option<Vec<Uid>>,
        request: impl Fn(api::Target) -> Request,
        out: &mut Outbox<Message>,
    ) {
        let pods = pods.unwrap_or_default();
        let found = self.server.store().pods.iter().filter(|pod| pods.contains(&pod.meta.uid));
        let target = |namespace, name| api::Target { kind: Kind::Pod, namespace, name };
        let requests: Vec<Request> = found.map(|pod| request(target(pod.meta.namespace, pod.meta.name))).collect();
        self.user_calls(requests, out);
    }
}

/// The call that gives a pod a label, or takes it away.
fn relabel(target: api::Target, label: &str, value: Value) -> Request {
    let patch = json!({"metadata": {"labels": {label: value}}});
    Request::Patch { target, part: Part::Main, kind: PatchKind::Merge, patch }
}
