//! What is remembered for too long: where connections led, and what DNS answered.
//!
//! A connection that is open keeps its entry in the node's connection tracking: packets go on to the endpoint that was
//! chosen first, whatever kube-proxy has written since. A resolver that keeps answers tells them again until they are
//! as old as it lets them become, that a name does not exist included. Neither is so unless a fault says so.

use super::Runtimes;
use super::program::Place;
use super::services::{Lookup, Route};
use crate::components::cri::PodKey;
use crate::components::message::NodeIndex;
use crate::components::net::NetClient;
use crate::components::pod_names::Resolver;
use crate::engine::{SimDuration, SimTime};
use crate::faults::{FaultKind, StaleNames};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// An address and a port.
type Socket = (Ipv4Addr, u16);

/// What is remembered.
#[derive(Debug, Clone, Default)]
pub(super) struct Remembered {
    /// The machines that keep where connections led, each with the endpoints of addresses of Services.
    routes: BTreeMap<NodeIndex, BTreeMap<Socket, Socket>>,
    /// Answers, none for names that there were not, by the fault that keeps them and who asked; and until when.
    names: BTreeMap<(u32, NodeIndex, PodKey, String), (SimTime, Lookup)>,
}

impl Remembered {
    /// A fault is healed: its answers are asked for anew.
    pub(super) fn forget(&mut self, fault: u32) {
        self.names.retain(|(of, ..), _| *of != fault);
    }
}

impl Runtimes {
    /// Connections from a machine to Services go on leading where they led, or no longer.
    pub fn keep_connections(&mut self, node: NodeIndex, keep: bool) {
        if keep {
            self.remembered.routes.entry(node).or_default();
        } else {
            self.remembered.routes.remove(&node);
        }
    }

    /// Where a connection leads that would lead there now.
    pub(super) fn kept_route(&mut self, client: NetClient, to: Socket, now: Route) -> Route {
        let NetClient::Containers(node) = client else { return now };
        let Some(routes) = self.remembered.routes.get_mut(&node) else { return now };
        if let Some((address, port)) = routes.get(&to) {
            return Route::To(*address, *port);
        }
        if let Route::To(address, port) = now
            && (address, port) != to
        {
            routes.insert(to, (address, port));
        }
        now
    }

    /// What DNS answers to a program, or whoever keeps its answers.
    pub(super) fn resolve_for(&mut self, now: SimTime, place: Place, host: &str, resolver: &Resolver) -> Lookup {
        let keeps = self.striking(place.node, place.key).find_map(|(found, _)| match &found.kind {
            FaultKind::StaleNames(StaleNames { ttl }) => Some((found.id, *ttl)),
            _ => None,
        });
        let Some((fault, ttl)) = keeps else { return self.services.resolve(host, resolver) };
        let key = (fault, place.node, place.key, host.to_owned());
        if let Some((until, answer)) = self.remembered.names.get(&key)
            && now < *until
        {
            return Lookup { waited: SimDuration::ZERO, ..answer.clone() };
        }
        let answer = self.services.resolve(host, resolver);
        self.remembered.names.insert(key, (now + ttl, answer.clone()));
        answer
    }
}
