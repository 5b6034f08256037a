//! What users do inside containers: `kubectl exec` and `kubectl cp`, through the kubelet of the pod's node.
//!
//! Follows `staging/src/k8s.io/kubectl/pkg/cmd/{exec,cp}` and `pkg/kubelet/server` of Kubernetes 1.36. What a command
//! prints is not kept; a command that fails is told of as kubectl does. Left out: copying
//! needs `tar` in the image.

use super::Cluster;
use crate::api::{ApiObject, ContainerId, List, Name, Pod, PodPhase, Target, Text};
use crate::components::cri::{CriCall, CriReply, CriResult, PodKey};
use crate::components::message::{Message, NodeIndex};
use crate::engine::{Outbox, SimDuration, SimTime, StreamKey};
use std::sync::Arc;

/// The annotation that names the container that is meant when none is named.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";
/// Users' calls have numbers of their own, far from those of a kubelet.
const FIRST_CALL: u32 = 1 << 31;

/// Where something is to be done.
struct Inside {
    node: NodeIndex,
    key: PodKey,
    container: ContainerId,
}

impl Cluster {
    /// Has a command run in a container.
    pub(super) fn exec(
        &mut self,
        now: SimTime,
        target: Target,
        container: Name,
        command: List<Text>,
        out: &mut Outbox<Message>,
    ) {
        match self.inside(target, container) {
            Ok(Inside { node, key, container }) => {
                let id = FIRST_CALL + self.user.execs.len() as u32;
                self.user.execs.push(target);
                let (timeout, probe) = (SimDuration::ZERO, false);
                let stream = StreamKey::from_bits(container.bits());
                let call = CriCall::ExecSync { key, container, command, timeout, probe, stream };
                out.now(Message::Cri { node, id, call: Box::new(call) });
            }
            Err(why) => self.user.complain(now, target, why),
        }
    }

    /// Whether a call of this number to a runtime is a user's.
    pub(super) const fn is_users(id: u32) -> bool {
        id >= FIRST_CALL
    }

    /// A command in a container has come to something; whether it was a user's.
    pub(super) fn exec_done(&mut self, now: SimTime, id: u32, result: &CriResult) -> bool {
        let place = id.checked_sub(FIRST_CALL).map(|place| place as usize);
        let Some(target) = place.and_then(|place| self.user.execs.get(place)).copied() else { return false };
        match result {
            Ok(CriReply::Exec { exit_code: 0, .. }) => {}
            Ok(CriReply::Exec { exit_code, .. }) => {
                self.user.complain(now, target, format!("command terminated with exit code {exit_code}"));
            }
            Ok(_) => {}
            Err(error) => self.user.complain(now, target, format!("Internal error occurred: {}", error.message)),
        }
        true
    }

    /// Puts a file into a container.
    pub(super) fn copy_into(&mut self, now: SimTime, target: Target, container: Name, path: &str, content: &Text) {
        let done = self.inside(target, container).and_then(|Inside { node, key, container }| {
            self.runtimes.put_file(now, node, key, container, path, content.as_bytes())
        });
        if let Err(why) = done {
            self.user.complain(now, target, why);
        }
    }

    /// The container that is meant, if its node answers and it runs.
    fn inside(&self, target: Target, container: Name) -> Result<Inside, String> {
        let found = self.server.store().pods.find(target.namespace, target.name).cloned();
        let pod = found.ok_or_else(|| format!("pods {:?} not found", target.name.as_str()))?;
        if matches!(pod.status.phase, PodPhase::Succeeded | PodPhase::Failed) {
            let phase = pod.status.phase;
            return Err(format!("cannot exec into a container in a completed pod; current phase is {phase}"));
        }
        let container = named_or_default(&pod, container)?;
        let node = self.machine_named(pod.node_name);
        let node = node.ok_or_else(|| format!("pod {} does not have a host assigned", pod.meta.name))?;
        let machine = self.runtimes.machine(node);
        if !machine.is_powered() || !self.kubelets[node.index()].is_up() {
            let why = if machine.is_powered() { "connection refused" } else { "no route to host" };
            return Err(format!("error dialing backend: dial tcp {}:10250: connect: {why}", machine.address()));
        }
        let mut statuses = pod.status.containers.iter().chain(&pod.status.init_containers);
        let running = statuses.find(|status| status.name == container && status.state.is_running());
        let running = running
            .ok_or_else(|| format!("unable to upgrade connection: container not found ({:?})", container.as_str()))?;
        Ok(Inside { node, key: PodKey::of(ApiObject::id(&*pod)), container: running.container_id })
    }
}

/// The container of a name, or the one that is meant if none is named.
fn named_or_default(pod: &Arc<Pod>, name: Name) -> Result<Name, String> {
    let wanted =
        if name.is_empty() { pod.meta.annotations.get(Name::new(DEFAULT_CONTAINER)).unwrap_or_default() } else { name };
    if wanted.is_empty() {
        return Ok(pod.spec.containers.first().map(|first| first.name).unwrap_or_default());
    }
    let found = pod.spec.container(wanted).map(|container| container.name);
    found.ok_or_else(|| format!("container {wanted} is not valid for pod {}", pod.meta.name))
}
