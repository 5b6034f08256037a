//! The API server's own Service: there from the start, and made anew when it is gone.
//!
//! Follows `pkg/controlplane/controller/kubernetesservice/controller.go` (`Run`) and
//! `pkg/controlplane/reconcilers/lease.go` (`doReconcile`) of Kubernetes 1.36: every ten seconds the server looks at
//! the Service, its Endpoints and their slice. A look that finds all three is not played.

use super::Cluster;
use crate::api::{Change, ChangeKind, ErrorReason, Object, Request, Response, lower};
use crate::components::message::{Client, Message};
use crate::engine::{Outbox, Purpose, SimDuration, SimTime, StreamKey};
use serde_json::json;

/// How often the server looks (`EndpointReconcilerInterval`).
const PERIOD: SimDuration = SimDuration::from_secs(10);
const PHASE: Purpose = Purpose::new("the server's look at its own Service");

/// The Service by which pods find the API server, and who is behind it: a host of its own, beyond the nodes' addresses
/// (`pkg/controlplane/controller/kubernetesservice` and `pkg/controlplane/reconcilers`).
pub(super) fn own_service() -> [Object; 3] {
    let (name, namespace, host) = ("kubernetes", "default", "192.168.0.2");
    let port = json!([{"name": "https", "port": 6443, "protocol": "TCP"}]);
    [
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": {"component": "apiserver", "provider": "kubernetes"},
            },
            "spec": {
                "type": "ClusterIP",
                "clusterIP": "10.96.0.1",
                "clusterIPs": ["10.96.0.1"],
                "ipFamilies": ["IPv4"],
                "ipFamilyPolicy": "SingleStack",
                "internalTrafficPolicy": "Cluster",
                "sessionAffinity": "None",
                "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}],
            },
        }),
        json!({
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
            },
            "subsets": [{"addresses": [{"ip": host}], "ports": port}],
        }),
        json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": name, "namespace": namespace, "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [host], "conditions": {"ready": true}}],
            "ports": port,
        }),
    ]
    .map(|object| lower(&object).expect("an object of every cluster is in order").object)
}

impl Cluster {
    /// Something was written: what is gone of the server's own Service is made anew at its next look.
    pub(super) fn own_service_changes(&self, now: SimTime, change: &Change, out: &mut Outbox<Message>) {
        if change.kind != ChangeKind::Deleted || !change.object.meta().is_of_api_server() {
            return;
        }
        if let Some(place) = own_service().iter().position(|own| own.kind() == change.object.kind()) {
            self.make_anew(now, place as u32, out);
        }
    }

    /// The server has answered itself.
    pub(super) fn own_service_replied(&self, now: SimTime, id: u32, response: &Response, out: &mut Outbox<Message>) {
        if response.as_ref().is_err_and(|error| error.reason != ErrorReason::AlreadyExists) {
            self.make_anew(now, id, out);
        }
    }

    fn make_anew(&self, now: SimTime, id: u32, out: &mut Outbox<Message>) {
        let phase = self.draws.draw(PHASE, StreamKey::new("kube-apiserver"), 0).below(PERIOD.as_nanos());
        let mut look = now.next_tick(SimTime::from_nanos(phase), PERIOD);
        if look == now {
            look = now + PERIOD;
        }
        let request = Box::new(Request::Create(own_service()[id as usize].clone()));
        out.after(look.since(now), Message::Call { client: Client::ApiServer, id, request });
    }
}
