//! Claims on devices: what a pod may use is looked up before it gets a sandbox.
//!
//! Follows `pkg/kubelet/cm/dra/manager.go` (`prepareResources`) of Kubernetes 1.36. Every driver whose devices are
//! known is on the node and prepares what it is asked for at once.

use super::sync_pod::Stage;
use super::{Kubelet, PendingCall};
use crate::api::{EventType, Kind, Object, Pod, Request, ResourceClaim, Response, Target};
use crate::components::cri::PodKey;
use crate::components::message::Message;
use crate::engine::{Outbox, SimTime};
use std::sync::Arc;

impl Kubelet {
    /// Reads the claims of a pod from one of them on; with none left the sandbox is made.
    pub(super) fn prepare_claims(&mut self, now: SimTime, key: PodKey, from: usize, out: &mut Outbox<Message>) {
        let turn = self.turn(key);
        let Some(sync) = self.sync(key) else { return };
        sync.stage = Stage::Claims { at: from };
        let pod = sync.pod.clone();
        let Some(claim) = pod.spec.resource_claims.get(from) else { return self.run_sandbox(now, key, out) };
        let Some((name, _)) = pod.resource_claim(claim) else {
            let text = format!("pod {:?}: ResourceClaim not created yet", pod.meta.key().to_string());
            return self.claims_failed(now, key, &text, out);
        };
        let target = Target { kind: Kind::ResourceClaim, namespace: pod.meta.namespace, name };
        self.call_api(now, Request::Get(target), PendingCall::Devices { key, turn }, out);
    }

    /// The server has answered about a claim.
    pub(super) fn devices_read(
        &mut self,
        now: SimTime,
        key: PodKey,
        turn: u32,
        response: Response,
        out: &mut Outbox<Message>,
    ) {
        if self.turn(key) != turn {
            return;
        }
        let Some(sync) = self.sync(key) else { return };
        let Stage::Claims { at } = sync.stage else { return };
        match may_use(&sync.pod, at, response) {
            Ok(()) => self.prepare_claims(now, key, at + 1, out),
            Err(text) => self.claims_failed(now, key, &text, out),
        }
    }

    /// A pod cannot have its devices: people are told, and the sync is over, without an error to come back for.
    fn claims_failed(&mut self, now: SimTime, key: PodKey, why: &str, out: &mut Outbox<Message>) {
        let text = format!("Failed to prepare dynamic resources: prepare dynamic resources: {why}");
        self.tell_pod(now, key, EventType::Warning, "FailedPrepareDynamicResources", text, out);
        self.finish_sync(now, key, out);
    }
}

/// Whether a pod may use one of its claims, as the server knows it.
fn may_use(pod: &Pod, place: usize, response: Response) -> Result<(), String> {
    let Some((name, is_made)) = pod.resource_claim(&pod.spec.resource_claims[place]) else { return Ok(()) };
    let claim: Arc<ResourceClaim> = match response {
        Ok(Object::ResourceClaim(claim)) => claim,
        Ok(_) => unreachable!("a claim was asked for"),
        Err(error) => return Err(format!("fetch ResourceClaim {name}: {error}")),
    };
    if is_made && claim.meta.controller().is_none_or(|owner| owner.uid != pod.meta.uid) {
        let whose = format!("was not created for pod {} (pod is not owner)", pod.meta.key());
        return Err(format!("ResourceClaim {} {whose}", claim.meta.key()));
    }
    if !claim.is_reserved_for(pod.meta.uid) {
        let (pod, own, of) = (pod.meta.name, pod.meta.uid, claim.meta.uid);
        return Err(format!("pod {pod} ({own}) is not allowed to use ResourceClaim {name} ({of})"));
    }
    Ok(())
}
