//! What scripts ask the network: names of DNS, connections, pages.

use super::Runtimes;
use super::identity::{host_aliases, machine_name};
use super::network::WIRE;
use super::program::Place;
use super::script::Session;
use super::shell::{Answer, CallId, NetworkError, Query, Reply};
use crate::components::cri::PodKey;
use crate::components::message::{Message, NodeIndex};
use crate::components::net::{Ask, HttpRequest, NetAnswer, NetClient, NetReply, NetRequest};
use crate::components::pod_names::Resolver;
use crate::engine::{Outbox, SimDuration, SimTime, StreamKey};
use std::net::Ipv4Addr;

/// A request of a script.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    place: Place,
    session: Session,
    call: CallId,
    /// What is known of the address.
    reply: Reply,
    /// What the program answers that asks, which is no utility of the shell: if somebody listens, and if nobody does.
    client: Option<[Answer; 2]>,
}

impl Asked {
    /// The pod that asked.
    pub(super) const fn pod(&self) -> PodKey {
        self.place.key
    }

    /// Whether a container of a pod asked.
    pub(super) fn is_of(&self, node: NodeIndex, key: PodKey) -> bool {
        self.place.node == node && self.place.key == key
    }
}

impl Runtimes {
    /// A script asks the network.
    pub(super) fn ask_network(
        &mut self,
        now: SimTime,
        place: Place,
        session: Session,
        call: CallId,
        (query, client): (&Query, Option<[Answer; 2]>),
        out: &mut Outbox<Message>,
    ) {
        let stream = StreamKey::from_bits(place.container.bits());
        let wire = self.draws.sample(&self.profile.pod_network, WIRE, stream, now.as_nanos());
        let mut waited = SimDuration::ZERO;
        let (reply, port) = match self.look_up(now, place, query, &mut waited) {
            Ok((reply, Some(port))) => (reply, port),
            Ok((reply, None)) => {
                return self.answer_script(place, session, call, Answer::Network(Ok(reply)), wire * 2 + waited, out);
            }
            Err(error) => {
                let answer = client.map_or(Answer::Network(Err(error)), |[_, bad]| bad);
                return self.answer_script(place, session, call, answer, wire * 2 + waited, out);
            }
        };
        let address: Ipv4Addr = reply.addresses[0].parse().expect("an address that was just printed");
        let own = self.machines[place.node.index()].pods.get(&place.key).and_then(|record| record.address());
        let address = if address.is_loopback() { own.unwrap_or(address) } else { address };
        let ask = match query {
            Query::Http { host, path, secure, .. } => Ask::Http(HttpRequest {
                path: path.clone(),
                host: if port == 80 { host.clone() } else { format!("{host}:{port}") },
                tls: *secure,
                headers: Vec::new(),
            }),
            Query::Connect { .. } | Query::Resolve { .. } | Query::Ping { .. } => Ask::Connect,
        };
        self.asked_count += 1;
        let id = self.asked_count;
        self.asked.insert(id, Asked { place, session, call, reply, client });
        let client = NetClient::Containers(place.node);
        let request = Box::new(NetRequest { address, port, ask, deadline: SimTime::MAX, stream });
        out.after(wire + waited, Message::Net { client, id, request });
    }

    /// The address behind a question, and the port if it is to be connected to. Time may go by until name servers
    /// answer.
    fn look_up(
        &mut self,
        now: SimTime,
        place: Place,
        query: &Query,
        waited: &mut SimDuration,
    ) -> Result<(Reply, Option<u16>), NetworkError> {
        let (host, port) = match query {
            Query::Resolve { host, .. } | Query::Ping { host } => (host, None),
            Query::Connect { host, port } | Query::Http { host, port, .. } => (host, Some(*port)),
        };
        let record = self.machines[place.node.index()].pods.get(&place.key).ok_or(NetworkError::Unreachable)?;
        let (resolver, _) = Resolver::of(&record.pod);
        let server = resolver.servers.first().map(ToString::to_string).unwrap_or_default();
        let plain = |address: Ipv4Addr| Reply {
            name: host.clone(),
            addresses: vec![address.to_string()],
            server: server.clone(),
            ..Reply::default()
        };
        if let Ok(address) = host.parse() {
            return Ok((plain(address), port));
        }
        if *host == "localhost" {
            return Ok((plain(Ipv4Addr::LOCALHOST), port));
        }
        // What asks DNS itself does not look into `/etc/hosts`.
        if !matches!(query, Query::Resolve { files: false, .. }) {
            let aliases = host_aliases(&record.pod.spec);
            if let Some((address, _)) = aliases.iter().find(|(_, names)| names.contains(host))
                && let Ok(address) = address.parse()
            {
                return Ok((plain(address), port));
            }
            let own = machine_name(&record.pod, self.machines[place.node.index()].name);
            if *host == *own.short || *host == own.full() {
                return Ok((plain(record.address().unwrap_or(Ipv4Addr::LOCALHOST)), port));
            }
        }
        if self.without_names(place.node, place.key) {
            return Err(NetworkError::NameNotFound);
        }
        if let Some(address) = self.wrong_names(place.node, place.key) {
            return Ok((plain(address), port));
        }
        let lookup = self.resolve_for(now, place, host, &resolver);
        *waited = lookup.waited;
        let server = lookup.server.ok_or(NetworkError::NoNameServer)?.to_string();
        let found = lookup.found.ok_or(NetworkError::NameNotFound)?;
        let addresses = found.addresses.iter().map(ToString::to_string).collect();
        Ok((Reply { name: found.name, addresses, server, ..Reply::default() }, port))
    }

    /// What a request of a script came to.
    pub fn net_done(&mut self, _node: NodeIndex, id: u32, reply: NetReply, out: &mut Outbox<Message>) {
        let Some(Asked { place, session, call, reply: known, client }) = self.asked.remove(&id) else { return };
        let answer = match reply.answer {
            NetAnswer::Http { status, body, .. } => {
                let unknown = status == 200 && body.is_empty() && session != Session::Main;
                Ok(Reply { status, body: body.as_bytes().to_vec(), unknown, ..known })
            }
            NetAnswer::Connected | NetAnswer::Health(_) | NetAnswer::GrpcError { .. } => {
                Ok(Reply { unknown: session != Session::Main, ..known })
            }
            NetAnswer::Unreachable => Err(NetworkError::Unreachable),
            NetAnswer::TimedOut => Err(NetworkError::TimedOut),
            NetAnswer::Refused
            | NetAnswer::Closed
            | NetAnswer::Reset { .. }
            | NetAnswer::Malformed(_)
            | NetAnswer::NoTls => Err(NetworkError::Refused),
        };
        let answer = match client {
            Some([good, bad]) => {
                if answer.is_ok() {
                    good
                } else {
                    bad
                }
            }
            None => Answer::Network(answer),
        };
        self.answer_script(place, session, call, answer, SimDuration::ZERO, out);
    }
}
