//! An interval of load: who sends how much to whom, what the servers make of it, and whether the next is the same.

use super::client::{Flow, Outcome, Sender, Source};
use super::rate::WHOLE;
use super::report::Destination;
use super::work::{Bounds, Line, fair_shares};
use super::{Goal, INTERVAL, Roads, Serving, Shares, TrafficMessage, Work, report};
use crate::api::{CPU, Change, ChangeKind, Name};
use crate::components::cri::InstanceState;
use crate::components::message::{Message, NodeIndex};
use crate::components::runtime::machine::{Instance, PodRecord};
use crate::components::runtime::program::Place;
use crate::components::runtime::{Exit, OOM_KILLED, Runtimes};
use crate::engine::{Outbox, SimDuration, SimTime};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Whoever asks a Service before it says that it is ready waits so long for it.
const PATIENCE: SimDuration = SimDuration::from_secs(1);
/// CPU time that an answer takes which is none of the work.
const ANSWERING: SimDuration = SimDuration::from_millis(1);
/// CPU that a container may use if it has no limit and its machine's CPUs are not known.
const BOUNDLESS: i64 = 1_000_000;

/// Who answers requests at an endpoint.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Answerer {
    /// A program that says what requests cost it.
    Server(Backend),
    /// A program of a machine to which they cost nothing.
    Anybody(NodeIndex),
    /// Nobody: the connection is refused.
    Nobody,
}

impl Answerer {
    const fn node(self) -> Option<NodeIndex> {
        match self {
            Self::Server(backend) => Some(backend.node),
            Self::Anybody(node) => Some(node),
            Self::Nobody => None,
        }
    }
}

/// The way of a sender's requests to an endpoint.
#[derive(Clone, Copy)]
struct Way {
    to: Answerer,
    /// How many of a million requests get there.
    open: i64,
}

/// A container whose program serves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Backend {
    node: NodeIndex,
    pod: crate::components::cri::PodKey,
    container: crate::api::ContainerId,
    port: u16,
}

impl Backend {
    const fn place(self) -> Place {
        Place { node: self.node, key: self.pod, container: self.container }
    }
}

/// What comes to a server in an interval.
#[derive(Default)]
struct Coming {
    work: Option<Arc<Work>>,
    requests: i64,
    patience: SimDuration,
    goals: Vec<Goal>,
}

impl Runtimes {
    /// Load begins, if there is any.
    pub fn begin_traffic(&mut self, out: &mut Outbox<Message>) {
        if !self.roads.is_empty() {
            self.roads.plan(SimDuration::ZERO, out);
        }
    }

    /// What outside senders show.
    pub fn traffic(&self) -> &[crate::api::Object] {
        &self.roads.shown
    }

    /// Something has changed that servers or Services are about: the next interval is not like the last.
    pub(in crate::components::runtime) fn traffic_changes(&mut self, out: &mut Outbox<Message>) {
        if !self.roads.is_empty() && !self.roads.flows {
            self.roads.flows = true;
            self.roads.plan(SimDuration::ZERO, out);
        }
    }

    /// The same once the proxies have heard of it.
    pub(in crate::components::runtime) fn traffic_changes_later(&self, after: SimDuration, out: &mut Outbox<Message>) {
        if !self.roads.is_empty() {
            out.after(after, Message::Traffic(TrafficMessage::Changed));
        }
    }

    /// Whoever sends from outside sends so many per cent of what it would.
    pub fn surge(&mut self, percent: i64, out: &mut Outbox<Message>) {
        self.roads.surge(percent);
        self.traffic_changes(out);
    }

    /// Something about load. Returns what is to be seen of it.
    pub fn traffic_handles(&mut self, now: SimTime, message: TrafficMessage, out: &mut Outbox<Message>) -> Vec<Change> {
        match message {
            TrafficMessage::Changed => {
                self.traffic_changes(out);
                Vec::new()
            }
            TrafficMessage::Interval { turn } if turn == self.roads.turn => self.interval(now, out),
            TrafficMessage::Interval { .. } => Vec::new(),
            TrafficMessage::Poison { fault, request, sent } => {
                self.poison_is_sent(now, (fault, request, sent), out);
                Vec::new()
            }
        }
    }

    /// An interval: what is sent now is worked on until the next.
    fn interval(&mut self, now: SimTime, out: &mut Outbox<Message>) -> Vec<Change> {
        let mut roads = std::mem::take(&mut self.roads);
        roads.senders.iter_mut().for_each(|(_, sender)| sender.send(now));
        let ways: Vec<Vec<Way>> = roads.senders.iter().map(|(goal, sender)| self.ways(now, *goal, sender)).collect();
        let mut coming: BTreeMap<Backend, Coming> = self.servers();
        for ((goal, sender), ways) in roads.senders.iter().zip(&ways) {
            let each = sender.flow.offered().share(1, ways.len() as i64);
            for way in ways {
                let Answerer::Server(backend) = &way.to else { continue };
                let Some(one) = coming.get_mut(backend) else { continue };
                one.requests += each.share(way.open, WHOLE);
                one.patience = one.patience.max(sender.timeout);
                one.goals.push(*goal);
            }
        }
        let bounds = self.bounds(now, &coming, &roads);
        let lines: BTreeMap<Backend, (Line, Bounds)> = coming
            .iter()
            .zip(bounds)
            .filter_map(|((backend, one), bounds)| {
                let before = self.serving(backend.place()).map(|serving| serving.line).unwrap_or_default();
                let work = one.work.as_ref()?;
                Some((*backend, (work.serve(&before, one.requests, &bounds, one.patience), bounds)))
            })
            .collect();
        for ((_, sender), ways) in roads.senders.iter_mut().zip(&ways) {
            let outcome = outcome(sender, ways, &lines, &coming);
            sender.hears(outcome);
        }
        for (backend, (line, bounds)) in &lines {
            let Some(work) = coming[backend].work.clone() else { continue };
            roads.servers_call((backend.node, &coming[backend].goals), &work, line);
            self.settle(now, *backend, &work, *line, bounds.milli_cpu, out);
        }
        let seen: Vec<Destination> =
            (0..roads.shown.len()).map(|place| self.destination(now, roads.senders[place].0, &ways[place])).collect();
        let changes = roads.shows(&seen);
        roads.goes_on(now, &lines, self.backgrounds_change_after(now, &lines), out);
        self.roads = roads;
        changes
    }

    /// Everything that serves, with nothing to do yet.
    fn servers(&self) -> BTreeMap<Backend, Coming> {
        let mut servers = BTreeMap::new();
        for machine in &self.machines {
            for (key, record) in &machine.pods {
                for instance in record.instances().filter(|one| one.status.state == InstanceState::Running) {
                    let Some(work) = instance.work() else { continue };
                    let (pod, container) = (*key, instance.status.id);
                    let backend = Backend { node: machine.index, pod, container, port: instance.work_port() };
                    servers.insert(backend, Coming { work: Some(work), ..Coming::default() });
                }
            }
        }
        servers
    }

    /// Who answers at the endpoints of a Service, each as often as it is one.
    fn answerers(&self, now: SimTime, goal: Goal) -> Vec<Answerer> {
        let backends = self.services.backends((&self.proxies, now), (goal.namespace, goal.service), goal.port);
        let answerer = |(address, port): &(std::net::Ipv4Addr, u16)| {
            let Some((node, key)) = self.addresses.get(address) else { return Answerer::Nobody };
            let Some(record) = self.machines[node.index()].pods.get(key) else { return Answerer::Nobody };
            if self.without_traffic(*node, *key) {
                return Answerer::Nobody;
            }
            record.answerer(now, *node, *port)
        };
        backends.iter().map(answerer).collect()
    }

    /// The ways of a sender's requests to the endpoints of a Service.
    fn ways(&self, now: SimTime, goal: Goal, sender: &Sender) -> Vec<Way> {
        let way = |to: Answerer| {
            let is_blocked = |from: NodeIndex| to.node().is_some_and(|node| self.is_cut_off(from, node));
            Way { to, open: sender.not_from(is_blocked) }
        };
        self.answerers(now, goal).into_iter().map(way).collect()
    }

    /// Where requests to a Service go, for people.
    fn destination(&self, now: SimTime, goal: Goal, ways: &[Way]) -> Destination {
        let backends = self.services.backends((&self.proxies, now), (goal.namespace, goal.service), goal.port);
        let pod = |(address, _): &(std::net::Ipv4Addr, u16)| {
            let (node, key) = self.addresses.get(address)?;
            Some(self.machines[node.index()].pods.get(key)?.pod.meta.name)
        };
        let answering = ways.iter().filter(|way| way.to != Answerer::Nobody).count();
        Destination { service: goal.service, answering, pods: backends.iter().filter_map(pod).collect() }
    }

    /// What bounds each server: the CPU of its machine is shared by requests, in proportion and up to limits.
    fn bounds(&self, now: SimTime, coming: &BTreeMap<Backend, Coming>, roads: &Roads) -> Vec<Bounds> {
        let mut by_node: BTreeMap<NodeIndex, Vec<(Backend, i64, i64, i64, i64)>> = BTreeMap::new();
        for (backend, one) in coming {
            let Some((record, instance)) = self.record_and_instance(backend.place()) else { continue };
            let (request, limit) = record.cpu_of(instance.status.name);
            let limit = limit.unwrap_or(BOUNDLESS);
            let background = instance.background_cpu(now).min(limit);
            let waits = instance.serving.as_ref().map_or(0, |serving| serving.line.waiting);
            let wants = one.work.as_ref().map_or(0, |work| work.wants(waits + one.requests));
            by_node.entry(backend.node).or_default().push((*backend, request, limit, background, wants));
        }
        let mut bounds: BTreeMap<Backend, Bounds> = BTreeMap::new();
        for (node, servers) in by_node {
            let machine = &self.machines[node.index()];
            let all = machine.cpu_left(machine.capacity.get(*CPU).unwrap_or(BOUNDLESS));
            let wants: Vec<(i64, i64)> = servers
                .iter()
                .map(|(_, request, limit, background, wants)| (*request, (background + wants).min(*limit)))
                .collect();
            let got = fair_shares(all, &wants);
            let free = (all - got.iter().sum::<i64>()).max(0);
            for ((backend, _, limit, background, _), got) in servers.iter().zip(got) {
                let milli_cpu = ((got + free).min(*limit) - background).max(1);
                let place = backend.place();
                let (later, good, hangs) = self.work_disturbed(place, backend.port, now);
                let (called, well) = coming[backend].work.as_ref().map_or((SimDuration::ZERO, WHOLE), |work| {
                    coming[backend].goals.first().map_or((SimDuration::ZERO, WHOLE), |goal| roads.asked(*goal, work))
                });
                let bound = Bounds { milli_cpu, later: later + called, good: good.share(well, WHOLE), hangs };
                bounds.insert(*backend, bound);
            }
        }
        coming.keys().map(|backend| bounds.get(backend).copied().unwrap_or_default()).collect()
    }

    fn record_and_instance(&self, place: Place) -> Option<(&PodRecord, &Instance)> {
        let record = self.machines[place.node.index()].pods.get(&place.key)?;
        Some((record, record.instance(place.container)?))
    }

    fn serving(&self, place: Place) -> Option<&Serving> {
        self.record_and_instance(place)?.1.serving.as_deref()
    }

    /// A server's interval leaves its traces: CPU, memory, perhaps too much of it.
    fn settle(
        &mut self,
        now: SimTime,
        backend: Backend,
        work: &Work,
        line: Line,
        milli_cpu: i64,
        out: &mut Outbox<Message>,
    ) {
        let Some(instance) = self.instance_mut(backend.place()) else { return };
        let serving = instance.serving.get_or_insert_default();
        serving.line = line;
        serving.milli_cpu = milli_cpu;
        serving.note(now, line.milli_cpu);
        serving.served = serving.served.saturating_add(line.served);
        if let Some(each) = &work.memory {
            let in_flight = line.waiting + line.in_hand();
            serving.memory = each.value().share(in_flight, WHOLE);
            let limit = instance.status.resources.1.memory();
            if limit > 0 && instance.memory(now) > limit {
                let exit = Exit { code: 137, reason: *OOM_KILLED, ..Exit::default() };
                let machine = &mut self.machines[backend.node.index()];
                machine.process_ends(now, backend.pod, backend.container, &exit, out);
            }
        }
    }

    /// When what servers use beside requests changes next.
    fn backgrounds_change_after(&self, now: SimTime, lines: &BTreeMap<Backend, (Line, Bounds)>) -> Option<SimTime> {
        let instances = lines.keys().filter_map(|backend| self.record_and_instance(backend.place()));
        instances
            .flat_map(|(_, instance)| instance.cpu_steps().flatten())
            .map(|(at, _)| at)
            .filter(|at| *at > now)
            .min()
    }

    /// What a container has on its hands for requests; `None` if it can never have any.
    fn burden(&self, place: Place) -> Option<(&Instance, Option<&Serving>)> {
        let (_, instance) = self.record_and_instance(place)?;
        let may_come = !self.roads.is_empty() && instance.work().is_some();
        may_come.then_some((instance, instance.serving.as_deref()))
    }

    /// How much later a listener answers, whoever asks, because of the requests that it works on; `None` if it never
    /// works on any.
    pub(in crate::components::runtime) fn busy_listener(&self, place: Place, port: u16) -> Option<SimDuration> {
        let (instance, serving) = self.burden(place)?;
        Some(match serving {
            None => SimDuration::ZERO,
            Some(serving) if instance.work_port() == port => serving.line.delay(),
            Some(serving) => ANSWERING.mul_ratio(serving.line.stretch(serving.milli_cpu), 1_000),
        })
    }

    /// How many times as long a command in a container takes because of the requests beside it, in thousandths; `None`
    /// if there are never any.
    pub(in crate::components::runtime) fn busy_container(&self, place: Place) -> Option<u64> {
        let (_, serving) = self.burden(place)?;
        Some(serving.map_or(1_000, |serving| serving.line.stretch(serving.milli_cpu)))
    }

    /// Whether somebody behind a Service answers, soon enough for whoever on a machine depends on it.
    pub(in crate::components::runtime) fn service_answers(
        &self,
        (now, from): (SimTime, NodeIndex),
        namespace: Name,
        service: &str,
    ) -> bool {
        let answers = |answerer: Answerer| match answerer {
            Answerer::Nobody => false,
            _ if answerer.node().is_some_and(|to| self.is_cut_off(from, to)) => false,
            Answerer::Anybody(_) => true,
            Answerer::Server(backend) => {
                self.busy_listener(backend.place(), backend.port).is_none_or(|later| later < PATIENCE)
            }
        };
        self.answerers(now, goal_of(namespace, service, None)).into_iter().any(answers)
    }
}

/// The Service that a program means: `db`, or `db.prod`.
fn goal_of(namespace: Name, service: &str, port: Option<u16>) -> Goal {
    let mut parts = service.split('.');
    let name = Name::new(parts.next().unwrap_or_default());
    Goal { namespace: parts.next().map_or(namespace, Name::new), service: name, port }
}

/// What became of what a sender sent.
fn outcome(
    sender: &Sender,
    ways: &[Way],
    lines: &BTreeMap<Backend, (Line, Bounds)>,
    coming: &BTreeMap<Backend, Coming>,
) -> Outcome {
    let offered = sender.flow.offered();
    if ways.is_empty() {
        return Outcome { refused: offered, ..Outcome::default() };
    }
    let sent = offered.share(1, ways.len() as i64);
    let (mut good, mut late, mut latency) = (0, 0, SimDuration::ZERO);
    for way in ways {
        // What does not get through is waited for in vain.
        let each = sent.share(way.open, WHOLE);
        late += sent - each;
        latency += sender.timeout.mul_ratio((WHOLE - way.open).unsigned_abs(), WHOLE.unsigned_abs());
        match &way.to {
            Answerer::Nobody => {}
            Answerer::Anybody(_) => good += each,
            Answerer::Server(backend) => {
                let Some((line, bounds)) = lines.get(backend) else { continue };
                let all = coming[backend].requests;
                let accepted = each - each.share(line.refused, all);
                let done = accepted - accepted.share(line.abandoned.min(all), all);
                let (part, mean) = line.in_time(sender.timeout);
                let answered = done.share(part, WHOLE);
                good += answered.share(bounds.good, WHOLE);
                late += accepted - answered;
                latency += mean.mul_ratio(way.open.unsigned_abs(), WHOLE.unsigned_abs());
            }
        }
    }
    let latency = latency / ways.len() as u64;
    Outcome { good, late, refused: (offered - good - late).max(0), latency }
}

impl Roads {
    /// What servers of a Service asked of others: how much longer each request took for it, and how many of a million
    /// were well answered.
    fn asked(&self, from: Goal, work: &Work) -> (SimDuration, i64) {
        let (mut later, mut well) = (SimDuration::ZERO, WHOLE);
        for call in &work.calls {
            let to = goal_of(from.namespace, &call.service, call.port);
            let Some(place) = self.calling.get(&(from, to, call.timeout)) else { continue };
            let (_, sender) = &self.senders[*place];
            later += sender.flow.outcome.latency * u64::from(call.times);
            if !call.optional {
                well = well.share(sender.success(), WHOLE);
            }
        }
        (later, well)
    }

    /// What a server of a machine worked on asks others in the next interval.
    fn servers_call(&mut self, (node, goals): (NodeIndex, &[Goal]), work: &Work, line: &Line) {
        let Some(from) = goals.first() else { return };
        for call in &work.calls {
            let to = goal_of(from.namespace, &call.service, call.port);
            let senders = &mut self.senders;
            let place = *self.calling.entry((*from, to, call.timeout)).or_insert_with(|| {
                senders.push((to, Sender::new(Source::Servers(BTreeMap::new()), call.timeout, call.retries.clone())));
                senders.len() - 1
            });
            if let Source::Servers(due) = &mut senders[place].1.source {
                *due.entry(node).or_default() += line.served * i64::from(call.times);
            }
        }
    }

    /// What is to be seen now that was not before.
    fn shows(&mut self, seen: &[Destination]) -> Vec<Change> {
        let mut changes = Vec::new();
        for (place, shown) in self.shown.iter_mut().enumerate() {
            if let Some(new) = report::newer(shown, place, &self.senders[place].1.flow, &seen[place]) {
                *shown = new.clone();
                changes.push(Change { kind: ChangeKind::Modified, object: new });
            }
        }
        if !std::mem::replace(&mut self.told, true) {
            changes =
                self.shown.iter().map(|shown| Change { kind: ChangeKind::Added, object: shown.clone() }).collect();
        }
        changes
    }

    /// Plans the next interval: at once, or when something changes if all is as it was for as long as retries wait.
    fn goes_on(
        &mut self,
        now: SimTime,
        lines: &BTreeMap<Backend, (Line, Bounds)>,
        background: Option<SimTime>,
        out: &mut Outbox<Message>,
    ) {
        let flows = self.senders.iter().map(|(_, sender)| sender.flow);
        let lines = lines.values().map(|(line, _)| Flow { fresh: line.waiting, again: line.served, ..Flow::default() });
        let state: Vec<Flow> = flows.chain(lines).collect();
        let same = state == self.last;
        self.last = state;
        self.alike = if same { self.alike + 1 } else { 0 };
        let horizon = self.senders.iter().map(|(_, sender)| sender.horizon()).max().unwrap_or(0);
        self.flows = self.alike <= horizon + 1;
        if self.flows {
            return self.plan(INTERVAL, out);
        }
        let changes = self.senders.iter().filter_map(|(_, sender)| sender.changes_after(now));
        if let Some(next) = changes.chain(background).min() {
            self.plan(next.since(now), out);
        }
    }
}

impl PodRecord {
    /// Who answers at a port of the pod.
    fn answerer(&self, now: SimTime, node: NodeIndex, port: u16) -> Answerer {
        let running = || self.instances().filter(|instance| instance.status.state == InstanceState::Running);
        let listener = running().find(|instance| instance.listens(now, port));
        let Some(instance) = listener else { return Answerer::Nobody };
        if instance.work().is_some() {
            let (pod, container) = (self.key(), instance.status.id);
            return Answerer::Server(Backend { node, pod, container, port: instance.work_port() });
        }
        Answerer::Anybody(node)
    }

    /// What CPU a container requests, and its limit, in thousandths.
    fn cpu_of(&self, name: Name) -> (i64, Option<i64>) {
        let resources = self.instances().find(|instance| instance.status.name == name);
        let resources = resources.map(|instance| &instance.status.resources);
        let of = |list: &crate::api::ResourceList| list.get(*CPU);
        let (requests, limits) = resources.map_or((None, None), |(requests, limits)| (of(requests), of(limits)));
        (requests.unwrap_or(2), limits.filter(|limit| *limit > 0))
    }
}

impl Instance {
    /// What requests cost its main program.
    pub(in crate::components::runtime) fn work(&self) -> Option<Arc<Work>> {
        self.main_model().and_then(|program| program.model.work.clone())
    }

    /// How many requests it has served.
    pub(in crate::components::runtime) fn served(&self) -> u64 {
        u64::from(self.requests) + self.serving.as_deref().map_or(0, Serving::served)
    }

    /// The port at which requests come.
    fn work_port(&self) -> u16 {
        self.main_model().and_then(|program| program.model.listen.first()).map_or(0, |listen| listen.port)
    }

    /// Thousandths of a CPU that it uses by itself.
    fn background_cpu(&self, now: SimTime) -> i64 {
        let last = |steps: &mut dyn Iterator<Item = (SimTime, i64)>| {
            steps.filter(|(at, _)| *at <= now).last().map_or(0, |(_, milli)| milli)
        };
        self.cpu_steps().map(|mut steps| last(&mut steps)).sum::<i64>()
            + self.excess.iter().map(|excess| last(&mut excess.cpu_steps())).sum::<i64>()
    }
}
