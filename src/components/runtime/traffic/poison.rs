//! Requests of which whoever gets one dies (`PoisonRequest`).
//!
//! Each is sent to a Service, on the way that every request takes: to one of the endpoints that the proxies know.
//! Whoever sends it hears nothing, and sends it again, so that one request may end several processes, one after
//! another.

use super::TrafficMessage;
use crate::api::Name;
use crate::components::cri::InstanceState;
use crate::components::message::Message;
use crate::components::runtime::disturbance::Disturbance;
use crate::components::runtime::machine::Machine;
use crate::components::runtime::program::Place;
use crate::components::runtime::{Exit, Runtimes};
use crate::engine::{Outbox, Purpose, SimDuration, SimTime};
use crate::faults::{FaultKind, PoisonRequest};

const NEXT: Purpose = Purpose::new("poison request");
const WAY: Purpose = Purpose::new("way of a poison request");
/// Whoever was not answered tries again after so long.
const AGAIN: SimDuration = SimDuration::from_secs(1);

impl Runtimes {
    /// Poison begins to come, if that is what a fault is.
    pub(in crate::components::runtime) fn poison_begins(&self, found: &Disturbance, out: &mut Outbox<Message>) {
        if let FaultKind::PoisonRequest(poison) = &found.kind {
            self.poison_comes(found, poison, 0, out);
        }
    }

    /// The n-th request will come.
    fn poison_comes(&self, found: &Disturbance, poison: &PoisonRequest, request: u32, out: &mut Outbox<Message>) {
        let ordinal = found.occasion << 32 | u64::from(request);
        let wait = self.draws.sample(&poison.every, NEXT, found.stream, ordinal);
        out.after(wait, Message::Traffic(TrafficMessage::Poison { fault: found.id, request, sent: 0 }));
    }

    /// A request is sent, for the first time or again: whoever gets it dies.
    pub(super) fn poison_is_sent(
        &mut self,
        now: SimTime,
        (fault, request, sent): (u32, u32, u32),
        out: &mut Outbox<Message>,
    ) {
        let Some(found) = self.disturbances.iter().find(|found| found.id == fault).cloned() else { return };
        let FaultKind::PoisonRequest(poison) = &found.kind else { return };
        if sent < poison.retries {
            let again = TrafficMessage::Poison { fault, request, sent: sent + 1 };
            out.after(AGAIN, Message::Traffic(again));
        }
        if sent == 0 {
            self.poison_comes(&found, poison, request + 1, out);
        }
        if let Some(place) = self.poisoned(now, &found, poison, (request, sent)) {
            let exit = Exit { code: poison.code, ..Exit::default() };
            self.machines[place.node.index()].process_ends(now, place.key, place.container, &exit, out);
        }
    }

    /// Who gets a request, if somebody does who dies of it.
    fn poisoned(
        &self,
        now: SimTime,
        found: &Disturbance,
        poison: &PoisonRequest,
        (request, sent): (u32, u32),
    ) -> Option<Place> {
        let namespace = Name::new(poison.namespace.as_deref().unwrap_or("default"));
        let service = (namespace, Name::new(&poison.service));
        let backends = self.services.backends((&self.proxies, now), service, poison.port);
        let ordinal = found.occasion << 40 | u64::from(request) << 8 | u64::from(sent.min(255));
        let mut draw = self.draws.draw(WAY, found.stream, ordinal);
        let (address, port) = *backends.get(draw.below(backends.len().max(1) as u64) as usize)?;
        let (node, key) = *self.addresses.get(&address)?;
        let place = self.machines[node.index()].listening(now, key, port)?;
        let struck = self.striking_in(place).any(|(striking, _)| striking.id == found.id);
        (struck && !self.without_traffic(node, key)).then_some(place)
    }
}

impl Machine {
    /// The container of a pod that listens at a port.
    fn listening(&self, now: SimTime, key: crate::components::cri::PodKey, port: u16) -> Option<Place> {
        let running = |state| state == InstanceState::Running;
        let mut instances = self.pods.get(&key)?.instances().filter(|instance| running(instance.status.state));
        let instance = instances.find(|instance| instance.listens(now, port))?;
        Some(Place { node: self.index, key, container: instance.status.id })
    }
}
