//! Container garbage collection: once a minute, what is left of pods that are gone.
//!
//! Follows `pkg/kubelet/kuberuntime/kuberuntime_gc.go` of Kubernetes 1.36 with its usual policy: no age, one dead
//! instance for each container of a pod that is there (what `kubectl logs --previous` finds; older ones go right after
//! a death), none of one that is not, and then the sandbox. A look that would find nothing is skipped.

use super::boot::Unclaimed;
use super::{Kubelet, KubeletMessage, PendingCri, PodState};
use crate::components::cri::{CriCall, InstanceState, PodKey};
use crate::components::message::Message;
use crate::engine::{Outbox, SimDuration, SimTime};

/// Containers are looked at so often (`ContainerGCPeriod`).
const CONTAINER_GC_PERIOD: SimDuration = SimDuration::from_mins(1);

impl Kubelet {
    /// A pod is forgotten; what the runtime still has of it waits for the next look.
    pub(super) fn leave_to_gc(&mut self, now: SimTime, key: PodKey, state: PodState, out: &mut Outbox<Message>) {
        let left = &state.runtime;
        if left.containers.is_empty() && left.sandboxes.is_empty() {
            return;
        }
        if left.anything_runs() {
            self.want_housekeeping(now, out);
        }
        self.unclaimed.insert(key, Unclaimed::forgotten(state.runtime));
        self.want_container_gc(now, out);
    }

    fn want_container_gc(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        if self.container_gc_due.is_some() {
            return;
        }
        let age = self.started_at.uptime(now).as_nanos() % CONTAINER_GC_PERIOD.as_nanos();
        let wait = CONTAINER_GC_PERIOD.saturating_sub(SimDuration::from_nanos(age));
        self.container_gc_due = Some(now + wait);
        out.after(wait, self.message(KubeletMessage::ContainerGc { due: now + wait }));
    }

    /// Removes what is left of pods that are gone, containers before sandboxes (`GarbageCollect`).
    pub(super) fn container_gc(&mut self, now: SimTime, due: SimTime, out: &mut Outbox<Message>) {
        if self.container_gc_due != Some(due) {
            return;
        }
        self.container_gc_due = None;
        self.remove_left_overs(now, out);
    }

    /// Removes what is left of pods that are gone.
    pub(super) fn remove_left_overs(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        let step = self.latency(|profile| &profile.runtime_call, now, self.stream.part("garbage"));
        let mut calls = Vec::new();
        for (key, found) in self.unclaimed.iter().filter(|(_, found)| found.is_left_over()) {
            let key = *key;
            let dead = found.runtime.containers.iter().filter(|instance| instance.state != InstanceState::Running);
            calls.extend(dead.map(|instance| CriCall::RemoveContainer { key, container: instance.id }));
            if !found.runtime.anything_runs() {
                let sandboxes = found.runtime.sandboxes.iter();
                calls.extend(sandboxes.map(|sandbox| CriCall::RemovePodSandbox { key, sandbox: sandbox.id }));
            }
        }
        for (place, call) in calls.into_iter().enumerate() {
            self.call_runtime(step * (place as u64 + 1), call, PendingCri::Nobody, out);
        }
    }
}
