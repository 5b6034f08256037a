//! What crosses a wire takes time: calls to the API server, its answers, and watch notifications, which keep their
//! order for each watcher.

use crate::api::{Change, FastMap, Kind, Object, Request, Response};
use crate::components::latency::{LatencyProfile, LoadGauge};
use crate::components::message::{Client, Message};
use crate::engine::{Draws, Purpose, SimDuration, SimTime, StreamKey};
use std::sync::Arc;

const CALL: Purpose = Purpose::new("api call");
const COMMIT: Purpose = Purpose::new("commit");
const REPLY: Purpose = Purpose::new("api reply");
const WATCH: Purpose = Purpose::new("watch");

/// The wires of the control plane.
#[derive(Debug, Clone)]
pub(super) struct Network {
    profile: Arc<LatencyProfile>,
    draws: Draws,
    /// When the last notification to each watcher arrives.
    last_notified: FastMap<Client, SimTime>,
    /// When the last event of each recorder arrives.
    last_told: FastMap<Client, SimTime>,
    /// How many objects whose name the server makes up were asked for at this moment, by what their names begin with.
    nameless: (SimTime, FastMap<StreamKey, u64>),
    load: LoadGauge,
    /// Until when the store is busy with the writes that have arrived.
    storing_until: SimTime,
}

impl Network {
    pub(super) fn new(profile: Arc<LatencyProfile>, draws: Draws) -> Self {
        Self {
            load: LoadGauge::new(profile.load, draws, StreamKey::new("control plane")),
            profile,
            draws,
            last_notified: FastMap::default(),
            last_told: FastMap::default(),
            nameless: (SimTime::ZERO, FastMap::default()),
            storing_until: SimTime::ZERO,
        }
    }

    /// How long a message is under way that leaves now. A recorder of events waits for the answer to one before it
    /// sends the next: none overtakes an earlier one.
    pub(super) fn transit(&mut self, now: SimTime, message: &Message) -> SimDuration {
        let usual = self.usual_transit(now, message);
        match message {
            Message::Call { client, request, .. } if request.about().0 == Kind::Event => {
                let last = self.last_told.entry(*client).or_insert(SimTime::ZERO);
                *last = (now + usual).max(*last);
                last.since(now)
            }
            _ => usual,
        }
    }

    /// How long a call that has arrived waits for the writes before it: etcd stores one after another.
    pub(super) fn turn(&mut self, now: SimTime, request: &Request) -> SimDuration {
        if is_read(request) {
            return SimDuration::ZERO;
        }
        let usual = self.draws.sample(&self.profile.commit, COMMIT, stream_of(request), now.as_nanos());
        let begins = self.storing_until.max(now);
        self.storing_until = begins + self.load.stretched(now, usual);
        begins.since(now)
    }

    fn usual_transit(&mut self, now: SimTime, message: &Message) -> SimDuration {
        let (what, purpose, stream) = match message {
            Message::Call { request, .. } => {
                let stream = self.stream_of(now, request);
                (if is_read(request) { &self.profile.api_read } else { &self.profile.api_write }, CALL, stream)
            }
            Message::Reply { client, response, .. } => {
                (&self.profile.api_reply, REPLY, stream_of_reply(*client, response))
            }
            Message::Evicting { eviction, .. } => {
                let (namespace, name) = eviction.pod();
                (&self.profile.api_write, CALL, StreamKey::new(&namespace).part(&name).part("evicting"))
            }
            _ => return SimDuration::ZERO,
        };
        self.load.stretched(now, self.draws.sample(what, purpose, stream, now.as_nanos()))
    }

    /// What the luck of a request is drawn from, with the moment: those for objects without a name, of which a
    /// controller makes many at once, each have their own.
    fn stream_of(&mut self, now: SimTime, request: &Request) -> StreamKey {
        let stream = stream_of(request);
        let Request::Create(object) = request else { return stream };
        if !object.meta().name.is_empty() {
            return stream;
        }
        if self.nameless.0 != now {
            self.nameless.0 = now;
            self.nameless.1.clear();
        }
        let place = self.nameless.1.entry(stream).or_default();
        *place += 1;
        StreamKey::from_bits(stream.bits().wrapping_add(*place - 1))
    }

    /// How long a notification is under way to a watcher; never shorter than an earlier one still needs.
    pub(super) fn notify(&mut self, now: SimTime, client: Client, change: &Change, later: SimDuration) -> SimDuration {
        let stream = change.object.meta().uid.stream().part(client_name(client));
        let usual = self.draws.sample(&self.profile.watch, WATCH, stream, now.as_nanos());
        let latency = later + self.load.stretched(now, usual);
        let last = self.last_notified.entry(client).or_insert(SimTime::ZERO);
        *last = (now + latency).max(*last);
        last.since(now)
    }
}

const fn is_read(request: &Request) -> bool {
    matches!(request, Request::Get(_) | Request::PodMetrics { .. } | Request::Metric { .. })
}

fn client_name(client: Client) -> &'static str {
    match client {
        Client::Scheduler => "scheduler",
        Client::ControllerManager => "controller-manager",
        Client::Kubelet(_) => "kubelet",
        Client::Workload => "workload",
        Client::User => "user",
        Client::Autoscaler => "cluster-autoscaler",
        Client::ApiServer => "apiserver",
        Client::Extension(_) => "extension",
    }
}

/// What the luck of an answer is drawn from, with the moment.
pub(super) fn stream_of_reply(client: Client, response: &Response) -> StreamKey {
    let about = match response {
        Ok(object) => object.meta().uid.stream(),
        Err(error) => StreamKey::new(&error.message),
    };
    StreamKey::from_bits(about.bits() ^ client_bits(client))
}

/// A client as part of a stream's key.
pub(super) fn client_bits(client: Client) -> u64 {
    match client {
        Client::Scheduler => 1 << 40,
        Client::ControllerManager => 2 << 40,
        Client::Workload => 3 << 40,
        Client::User => 4 << 40,
        Client::Kubelet(node) => (5 << 40) + u64::from(node.0),
        Client::Autoscaler => 6 << 40,
        Client::ApiServer => 8 << 40,
        Client::Extension(place) => (7 << 40) + u64::from(place),
    }
}

/// What the luck of a request is drawn from, with the moment.
pub(super) fn stream_of(request: &Request) -> StreamKey {
    let key = |namespace: &str, name: &str| StreamKey::new(namespace).part(name);
    match request {
        // The name of an event tells its time: the date must not matter.
        Request::Create(Object::Event(event)) | Request::Update { object: Object::Event(event), .. } => {
            key(&event.meta.namespace, &event.involved.name).part(&event.reason)
        }
        Request::Get(target) | Request::Patch { target, .. } | Request::Delete { target, .. } => {
            key(&target.namespace, &target.name)
        }
        Request::Amend { target, .. } => key(&target.namespace, &target.name),
        Request::Create(object) => {
            let meta = object.meta();
            key(&meta.namespace, &meta.name).part(&meta.generate_name)
        }
        Request::Update { object, .. } => key(&object.meta().namespace, &object.meta().name),
        Request::PodMetrics { namespace, .. } => key(namespace, "metrics"),
        Request::Metric { namespace, metric, .. } => key(namespace, &metric.name),
        Request::Bind { namespace, name, .. } | Request::Evict { namespace, name, .. } => key(namespace, name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Name, Target};
    use crate::engine::Distribution;

    fn network(commit: SimDuration) -> Network {
        let profile = LatencyProfile { commit: Distribution::Constant(commit), ..LatencyProfile::ideal() };
        Network::new(Arc::new(profile), Draws::new(1))
    }

    /// The resource versions of writes that reach a server together are 2 to 3 ms apart in the recordings.
    #[test]
    fn writes_are_stored_one_after_another_and_reads_do_not_wait() {
        let target = Target { kind: Kind::Pod, namespace: Name::new("default"), name: Name::new("web") };
        let read = Request::Get(target);
        let write = Request::Delete { target, options: Default::default() };
        let (at, span) = (SimTime::from_millis, SimDuration::from_millis);
        let cases: [(&Request, u64, u64); 6] =
            [(&write, 10, 0), (&write, 10, 2), (&read, 10, 0), (&write, 11, 3), (&write, 16, 0), (&write, 17, 1)];
        let mut network = network(span(2));
        for (request, now, waits) in cases {
            assert_eq!(network.turn(at(now), request), span(waits), "{request:?} at {now} ms");
        }
    }
}
