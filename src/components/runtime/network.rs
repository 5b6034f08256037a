//! The pod network: who listens where, and what a request over it comes to.
//!
//! A pod's containers share one network, and the pods on a node's own network share that. Of the entries for a port the
//! first decides whether anybody listens; the first that fits the request answers. When the process ends, whoever waits
//! for its answer sees the connection closed.

use super::filesystem::Kind;
use super::machine::{Instance, Machine};
use super::program::{Place, Program};
use super::services::Route;
use super::shell::World as _;
use super::{Exit, ListenAnswer, ListenBehavior, ListenKind, NOTICEABLE, RuntimeMessage, Runtimes};
use crate::api::{ContainerId, Text};
use crate::components::cri::PodKey;
use crate::components::message::{Message, NodeIndex};
use crate::components::net::{Ask, NetAnswer, NetClient, NetReply, NetRequest};
use crate::engine::{Distribution, Outbox, Purpose, SimDuration, SimTime, StreamKey};
use std::net::Ipv4Addr;

pub(super) const WIRE: Purpose = Purpose::new("pod network");
const ENDPOINT: Purpose = Purpose::new("endpoint of a Service");
const ANSWER: Purpose = Purpose::new("answer of a listener");
/// Without an answer, Linux gives up a connection after so long (`net.ipv4.tcp_syn_retries` of 6).
const SYN_RETRIES: SimDuration = SimDuration::from_secs(127);
/// What serves one connection ends so long after it.
const CLOSES: SimDuration = SimDuration::from_millis(1);
const CLIENT_PORT: Purpose = Purpose::new("port of a client");
/// From which ports Linux takes those of clients (`net.ipv4.ip_local_port_range`).
const CLIENT_PORTS: (u64, u64) = (32_768, 60_999);

/// A network that processes share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Namespace {
    /// A pod's own.
    Pod(NodeIndex, PodKey),
    /// A machine's.
    Host(NodeIndex),
}

/// Who waits for an answer, by its own number, and what the luck of the request is drawn from.
type Asker = (NetClient, u32, StreamKey);

/// A request that somebody waits for.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    asker: Asker,
    /// The process that serves it.
    server: (PodKey, ContainerId),
    /// What it comes to, unless the process ends before.
    reply: NetReply,
}

/// A process that listens at a port.
struct Listener<'a> {
    node: NodeIndex,
    key: PodKey,
    instance: &'a Instance,
    program: &'a Program,
    port: u16,
}

/// What a listener does with a request, and for how long it would do the same.
struct Reaction {
    answer: Option<NetAnswer>,
    after: Option<Distribution>,
    stands_for: SimDuration,
    /// The directory whose files are the pages, and the status of one without an index.
    files: Option<(Text, u16)>,
    /// The Services that it needs.
    needs: Vec<Text>,
}

impl Runtimes {
    /// A request arrives where it was sent to.
    pub fn net_request(
        &mut self,
        now: SimTime,
        client: NetClient,
        id: u32,
        request: &NetRequest,
        out: &mut Outbox<Message>,
    ) {
        let asker = (client, id, request.stream);
        let pick = |n| self.draws.draw(ENDPOINT, request.stream, now.as_nanos()).below(n);
        let to = (request.address, request.port);
        let who = (client.node(), self.pod_that_asked(client, id));
        let affinities = &mut self.affinities;
        let route = self.services.route(&self.proxies, (now, client.node()), to, |service, endpoints| {
            affinities.choose(now, who, (service, to.1), endpoints, pick)
        });
        let (address, port) = match self.kept_route(client, to, route) {
            Route::To(address, port) => (address, port),
            Route::Server => {
                let answer = ListenKind::Https.answer(&request.ask, &ListenAnswer::default());
                let reply = NetReply { answer: answer.unwrap_or(NetAnswer::Connected), stands_until: SimTime::ZERO };
                return self.send_reply(now, asker, reply, out);
            }
            Route::Nobody => {
                let reply = NetReply { answer: NetAnswer::Refused, stands_until: SimTime::ZERO };
                return self.send_reply(now, asker, reply, out);
            }
            Route::Dropped => return Self::nobody_answers(now, client, id, request, out),
            Route::Internet => {
                let reply = NetReply { answer: internet(&request.ask), stands_until: SimTime::ZERO };
                return self.send_reply(now, asker, reply, out);
            }
        };
        let place = self.namespace_of(client.node(), address);
        if let Some(Namespace::Pod(there, _) | Namespace::Host(there)) = place
            && self.is_cut_off(client.node(), there)
        {
            return Self::nobody_answers(now, client, id, request, out);
        }
        if let Some(Namespace::Pod(there, key)) = place
            && self.is_denied(client, id, (there, key))
        {
            return Self::nobody_answers(now, client, id, request, out);
        }
        let listener = place.and_then(|place| self.listener(now, place, port));
        let Some(listener) = listener else {
            let answer = if place.is_some() { NetAnswer::Refused } else { NetAnswer::Unreachable };
            let reply = NetReply { answer, stands_until: SimTime::ZERO };
            return self.send_reply(now, asker, reply, out);
        };
        let (node, server) = (listener.node, (listener.key, listener.instance.status.id));
        let mut reaction = listener.react(now, &request.ask);
        let listening_kind = listener.kind();
        let last = listener.serves_once().then_some(listener.program.pid);
        if last.is_some() {
            reaction.stands_for = SimDuration::ZERO;
        }
        let after = match (&reaction.answer, &reaction.after) {
            (None, _) => SimDuration::MAX,
            (Some(_), Some(duration)) => self.draws.sample(duration, ANSWER, request.stream, now.as_nanos()),
            (Some(_), None) => SimDuration::ZERO,
        };
        if let (Some((directory, without_index)), Ask::Http(http)) = (&reaction.files, &request.ask)
            && matches!(reaction.answer, Some(NetAnswer::Http { status: 200, .. }))
        {
            let place = Place { node, key: server.0, container: server.1 };
            let page = self.page(now, place, (directory, *without_index), &http.path);
            // In a volume a page may come and go.
            let may_change = self.instance_mut(place).is_some_and(|instance| instance.files.is_mounted(directory));
            if may_change {
                reaction.stands_for = SimDuration::ZERO;
            }
            reaction.answer = Some(page);
        }
        let at = Place { node, key: server.0, container: server.1 };
        let path = if let Ask::Http(http) = &request.ask { Some(http.path.as_str()) } else { None };
        let mut after = after;
        if let Some(later) = self.busy_listener(at, port) {
            reaction.stands_for = SimDuration::ZERO;
            after += later;
        }
        if !reaction.needs.is_empty() {
            reaction.stands_for = SimDuration::ZERO;
            let namespace = self.machines[node.index()].pods[&server.0].pod.meta.namespace;
            if !reaction.needs.iter().all(|service| self.service_answers((now, node), namespace, service)) {
                let unavailable = ListenAnswer::Status { code: 503, body: Text::default(), location: Text::default() };
                reaction.answer = listening_kind.answer(&request.ask, &unavailable);
            }
        }
        if let Some((answer, later)) = self.listener_disturbed(at, port, path, (request.stream, now)) {
            reaction.stands_for = SimDuration::ZERO;
            after += later;
            if let Some(answer) = answer {
                reaction.answer = if answer == ListenAnswer::Refused {
                    Some(NetAnswer::Refused)
                } else {
                    listening_kind.answer(&request.ask, &answer)
                };
                after = if reaction.answer.is_some() { later } else { SimDuration::MAX };
            }
        }
        if self.counts || after > NOTICEABLE {
            reaction.stands_for = SimDuration::ZERO;
        }
        let patience = request.deadline.since(now);
        let answer = match reaction.answer {
            Some(NetAnswer::Reset { .. }) => {
                let (low, high) = CLIENT_PORTS;
                let draw = self.draws.draw(CLIENT_PORT, request.stream, now.as_nanos()).below(high - low + 1);
                NetAnswer::Reset { from_port: (low + draw) as u16 }
            }
            Some(answer) if after < patience => answer,
            Some(_) | None => NetAnswer::TimedOut,
        };
        if let Some(instance) = self.machines[node.index()].instance_mut(server.0, server.1) {
            instance.requests += 1;
        }
        let stands_until = if place == Some(Namespace::Pod(node, server.0)) && client.node() == node {
            now + reaction.stands_for
        } else {
            SimTime::ZERO // A change elsewhere would not be heard of.
        };
        let reply = NetReply { answer, stands_until };
        let wait = after.min(patience);
        if let Some(pid) = last {
            self.end_later(at, pid, wait + CLOSES, Exit::default(), out);
        }
        if wait.is_zero() {
            return self.send_reply(now, asker, reply, out);
        }
        let connection = Connection { asker, server, reply };
        let machine = &mut self.machines[node.index()];
        machine.connections_made += 1;
        machine.connections.insert(machine.connections_made, connection);
        if wait < SimDuration::MAX {
            let message = RuntimeMessage::NetAnswer { connection: machine.connections_made };
            out.after(wait, Message::Runtime(node, message));
        }
    }

    /// The pod whose address a request comes from, unless it is a machine's.
    fn pod_that_asked(&self, client: NetClient, id: u32) -> Option<PodKey> {
        let NetClient::Containers(node) = client else { return None };
        let key = self.asked.get(&id)?.pod();
        let pod = &self.machines[node.index()].pods.get(&key)?.pod;
        (!pod.spec.host_network).then_some(key)
    }

    /// Packets get lost: whoever asks waits until it gives up.
    fn nobody_answers(now: SimTime, client: NetClient, id: u32, request: &NetRequest, out: &mut Outbox<Message>) {
        let reply = NetReply { answer: NetAnswer::TimedOut, stands_until: SimTime::ZERO };
        let wait = if request.deadline < SimTime::MAX { request.deadline.since(now) } else { SYN_RETRIES };
        out.after(wait, Message::NetDone { client, id, reply: Box::new(reply) });
    }

    /// Whether what a program sends does not get to a pod, which is not its own.
    fn is_denied(&self, client: NetClient, id: u32, (node, key): (NodeIndex, PodKey)) -> bool {
        let own = || self.asked.get(&id).is_some_and(|asked| asked.is_of(node, key));
        matches!(client, NetClient::Containers(_)) && self.without_traffic(node, key) && !own()
    }

    /// What a web server answers that serves the files of a directory.
    fn page(&mut self, now: SimTime, place: Place, (directory, without_index): (&str, u16), path: &str) -> NetAnswer {
        let path = path.split('?').next().unwrap_or_default();
        let found = self.with_world(now, place, None, |world| {
            let files = world.files();
            let mut path = format!("{directory}{path}");
            let listed = files.metadata(&path).is_some_and(|found| found.kind == Kind::Directory);
            if listed {
                path.push_str("/index.html");
            }
            let read = files.read(&path).map(|content| String::from_utf8_lossy(content.bytes).into_owned());
            read.map_err(|_| if listed { without_index } else { 404 })
        });
        let (status, body) = match found.unwrap_or(Err(404)) {
            Ok(body) => (200, body),
            Err(status) => (status, String::new()),
        };
        NetAnswer::Http { status, location: Text::default(), body: body.into() }
    }

    /// A listener answers, or whoever asked stops waiting.
    pub(super) fn net_answer(&mut self, now: SimTime, node: NodeIndex, connection: u64, out: &mut Outbox<Message>) {
        let Some(connection) = self.machines[node.index()].connections.remove(&connection) else { return };
        self.send_reply(now, connection.asker, connection.reply, out);
    }

    /// Sends an answer on its way; that nobody answered is noticed where it was asked.
    fn send_reply(&self, now: SimTime, (client, id, stream): Asker, reply: NetReply, out: &mut Outbox<Message>) {
        let wire = match reply.answer {
            NetAnswer::TimedOut => SimDuration::ZERO,
            _ => self.draws.sample(&self.profile.pod_network, WIRE, stream, now.as_nanos()),
        };
        out.after(wire, Message::NetDone { client, id, reply: Box::new(reply) });
    }

    /// The network that a container is in.
    fn namespace_in(&self, place: Place) -> Option<Namespace> {
        let record = self.machines[place.node.index()].pods.get(&place.key)?;
        let host = record.pod.spec.host_network;
        Some(if host { Namespace::Host(place.node) } else { Namespace::Pod(place.node, place.key) })
    }

    /// Whether a program in a container's network listens at a port.
    pub(super) fn something_listens(&self, now: SimTime, place: Place, port: u16) -> bool {
        self.namespace_in(place).is_some_and(|network| self.listener(now, network, port).is_some())
    }

    /// The port that a program is about to listen at and another program in its network has. Guesses do not count.
    pub(super) fn port_taken(&self, place: Place, model: &super::Process) -> Option<u16> {
        if model.listen.iter().all(|own| own.assumed) {
            return None;
        }
        let machine = &self.machines[place.node.index()];
        let shares = |key: PodKey| match self.namespace_in(place) {
            Some(Namespace::Pod(_, own)) => key == own,
            Some(Namespace::Host(_)) => machine.pods[&key].pod.spec.host_network,
            None => false,
        };
        let others = machine.pods.iter().filter(|(key, _)| shares(**key)).flat_map(|(_, record)| record.instances());
        let taken = others.flat_map(|instance| &instance.programs).flat_map(|program| &program.model.listen);
        let mut taken = taken.filter(|entry| !entry.assumed).map(|entry| entry.port);
        taken.find(|port| model.listen.iter().any(|own| own.port == *port && !own.assumed))
    }

    /// Whose network an address leads to, seen from a machine; none if it leads nowhere.
    fn namespace_of(&self, from: NodeIndex, address: Ipv4Addr) -> Option<Namespace> {
        if address.is_loopback() || address.is_unspecified() {
            return Some(Namespace::Host(from));
        }
        if let Some((node, key)) = self.addresses.get(&address) {
            return Some(Namespace::Pod(*node, *key));
        }
        let machine = self.machines.iter().position(|machine| machine.address() == address)?;
        Some(Namespace::Host(NodeIndex(u16::try_from(machine).expect("machines are counted in 16 bits"))))
    }

    /// Who listens at a port of a network.
    fn listener(&self, now: SimTime, place: Namespace, port: u16) -> Option<Listener<'_>> {
        match place {
            Namespace::Pod(node, key) => self.machines[node.index()].listener(now, key, port),
            Namespace::Host(node) => {
                let machine = &self.machines[node.index()];
                let on_host = machine.pods.iter().filter(|(_, record)| record.pod.spec.host_network);
                on_host.into_iter().find_map(|(key, _)| machine.listener(now, *key, port))
            }
        }
    }
}

impl Machine {
    /// A process has ended: its connections are closed.
    pub(super) fn close_connections(&mut self, server: (PodKey, ContainerId), out: &mut Outbox<Message>) {
        for (_, Connection { asker: (client, id, _), .. }) in
            self.connections.extract_if(.., |_, open| open.server == server)
        {
            let reply = NetReply { answer: NetAnswer::Closed, stands_until: SimTime::ZERO };
            out.now(Message::NetDone { client, id, reply: Box::new(reply) });
        }
    }

    fn listener(&self, now: SimTime, key: PodKey, port: u16) -> Option<Listener<'_>> {
        let record = self.pods.get(&key)?;
        let (instance, program) =
            record.instances().find_map(|instance| Some((instance, instance.listener(now, port)?)))?;
        Some(Listener { node: self.index, key, instance, program, port })
    }
}

impl Instance {
    /// Whether a program of it listens at a port.
    pub(super) fn listens(&self, now: SimTime, port: u16) -> bool {
        self.listener(now, port).is_some()
    }

    /// The program of it that listens at a port.
    fn listener(&self, now: SimTime, port: u16) -> Option<&Program> {
        self.programs.iter().find(|program| {
            let age = now.since(program.since);
            program.entries(port).next().is_some_and(|first| {
                let closed = first.close_on_sigterm && (self.signalled || program.signalled);
                !closed && first.at(age).answer != ListenAnswer::Refused
            })
        })
    }
}

impl Program {
    /// Its entries for a port.
    fn entries(&self, port: u16) -> impl Iterator<Item = &ListenBehavior> {
        self.model.listen.iter().filter(move |entry| entry.port == port)
    }
}

impl Listener<'_> {
    /// What it speaks.
    fn kind(&self) -> ListenKind {
        self.program.entries(self.port).next().map_or(ListenKind::Tcp, |first| first.kind)
    }

    /// Whether its program ends after a connection.
    fn serves_once(&self) -> bool {
        self.program.entries(self.port).any(|entry| entry.once)
    }

    fn react(&self, now: SimTime, ask: &Ask) -> Reaction {
        let age = now.since(self.program.since);
        let stands_for = self.program.entries(self.port).map(|entry| entry.stands_for(age)).min();
        let stands_for = stands_for.unwrap_or(SimDuration::MAX);
        let reaction = |answer, after| Reaction { answer, after, stands_for, files: None, needs: Vec::new() };
        if *ask == Ask::Connect {
            return reaction(Some(NetAnswer::Connected), None);
        }
        let entries = || self.program.entries(self.port).filter(|entry| entry.serves(ask));
        // A port may speak two protocols, as that of etcd does.
        let entry = entries().find(|entry| entry.kind.speaks(ask)).or_else(|| entries().next());
        let kind = entry.map_or_else(|| self.kind(), |entry| entry.kind);
        match entry {
            None => reaction(kind.mismatch(ask), None),
            Some(entry) => {
                let step = entry.at(age);
                let files = entry.files.clone().map(|files| (files, entry.without_index.unwrap_or(403)));
                let needs = entry.needs.clone();
                Reaction { files, needs, ..reaction(kind.answer(ask, &step.answer), step.duration) }
            }
        }
    }
}

/// What a server on the Internet answers.
fn internet(ask: &Ask) -> NetAnswer {
    match ask {
        Ask::Connect | Ask::Health { .. } => NetAnswer::Connected,
        Ask::Http(_) => NetAnswer::Http { status: 200, location: Text::default(), body: "<html></html>\n".into() },
    }
}
