//! Session affinity: a client stays with the endpoint of a Service that it had last.
//!
//! Follows `pkg/proxy/iptables/proxier.go` of Kubernetes 1.36: the node of the client remembers, for each port of the
//! Service, who had which endpoint, for so long after the last connection (`-m recent --rcheck --seconds`). An endpoint
//! that is no longer in the rules is forgotten.

use crate::api::{FastMap, Name, Service};
use crate::components::cri::PodKey;
use crate::components::message::NodeIndex;
use crate::engine::SimTime;
use std::net::Ipv4Addr;

/// A client, as its node sees it: a pod, or none for whoever has the node's own address.
pub(super) type Client = (NodeIndex, Option<PodKey>);

/// A port of a Service: its namespace, its name, the number.
type ServicePort = (Name, Name, u16);

/// Which endpoint each client had last, and when.
#[derive(Debug, Clone, Default)]
pub(super) struct Affinities(FastMap<(Client, ServicePort), ((Ipv4Addr, u16), SimTime)>);

impl Affinities {
    /// Chooses the endpoint of a new connection to a port of a Service.
    pub(super) fn choose(
        &mut self,
        now: SimTime,
        client: Client,
        (service, port): (&Service, u16),
        endpoints: &[(Ipv4Addr, u16)],
        pick: impl FnOnce(u64) -> u64,
    ) -> usize {
        let pick = || pick(endpoints.len() as u64) as usize;
        let Some(timeout) = service.affinity else { return pick() };
        let key = (client, (service.meta.namespace, service.meta.name, port));
        let had = self.0.get(&key).filter(|(_, last)| now.since(*last) < timeout);
        let place = had.and_then(|(had, _)| endpoints.iter().position(|endpoint| endpoint == had));
        let place = place.unwrap_or_else(pick);
        self.0.insert(key, (endpoints[place], now));
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Object, lower};
    use serde_json::json;

    #[test]
    fn a_client_stays_with_its_endpoint_until_it_was_silent_for_long() {
        let manifest = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec":
            {"ports": [{"port": 80}], "sessionAffinity": "ClientIP",
             "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}}}});
        let Object::Service(service) = lower(&manifest).expect("a Service").object else { panic!("a Service") };
        let endpoint = |last| (Ipv4Addr::new(10, 244, 0, last), 80);
        let all = [endpoint(1), endpoint(2), endpoint(3)];
        let mut affinities = Affinities::default();
        // (when, from which node, among whom, whom chance would take, who is taken)
        for (at, node, among, chance, taken) in [
            (0, 0, &all[..], 1, endpoint(2)),
            (50, 0, &all[..], 2, endpoint(2)),
            (50, 1, &all[..], 2, endpoint(3)),
            (105, 0, &all[..], 0, endpoint(2)),
            (165, 0, &all[..], 0, endpoint(1)),
            (170, 0, &all[1..], 1, endpoint(3)),
            (171, 0, &all[..], 0, endpoint(3)),
        ] {
            let client = (NodeIndex(node), None);
            let place = affinities.choose(SimTime::from_secs(at), client, (&service, 80), among, |_| chance);
            assert_eq!(among[place], taken, "at {at} s");
        }
    }
}
