//! The wires to the API server while something is wrong with them, or with the server behind them.
//!
//! A call that does not get through is held: it arrives when the way is free again, unless its caller has waited long
//! enough, which sees an error then. The same goes for answers, whose calls have been served. A watch that breaks is
//! not resumed: what was missed is seen, as it is by then, when the watcher lists again (client-go's reflector, after
//! `410 Gone`).

use super::{Cluster, FaultMessage, Strike, Target};
use crate::api::{
    Amendment, ApiError, Change, ChangeKind, ErrorReason, Eviction, FastMap, Kind, Name, Part, Request, Response,
};
use crate::components::controllers::ControllerMessage;
use crate::components::message::{Client, Message};
use crate::components::scheduler::SchedulerMessage;
use crate::engine::{Outbox, Purpose, SimDuration, SimTime, StreamKey};
use crate::faults::{
    ApiErrors, ApiFailure, ApiLatency, Calls, Component, Direction, DuplicateCalls, EventLoss, FailurePolicy,
    FaultKind, Leader, PacketLoss, Partition, WatchLag, WatchLoss, WebhookDown,
};
use crate::simulation::network::{client_bits, stream_of, stream_of_reply};

const LATENCY: Purpose = Purpose::new("fault api latency");
const LOSS: Purpose = Purpose::new("fault packet loss");
const TWICE: Purpose = Purpose::new("fault duplicate call");
const REFUSAL: Purpose = Purpose::new("fault api error");
const RELIST: Purpose = Purpose::new("relist after a broken watch");

/// How long a client waits for a connection (`net.Dialer` of client-go).
const PATIENCE: SimDuration = SimDuration::from_secs(30);
/// A recorder of events tries twelve times, ten seconds apart (`maxTriesPerEvent` of client-go).
const EVENT_PATIENCE: SimDuration = SimDuration::from_secs(120);
/// How long etcd waits for a leader.
const ETCD_PATIENCE: SimDuration = SimDuration::from_secs(7);
/// The longest that a call may take (`--request-timeout` less what it needs itself; 34 seconds for writes).
const CALL_DEADLINE: SimDuration = SimDuration::from_secs(30);
/// What a client is told to wait that asks too much, and how often it then asks again by itself.
const RETRY_AFTER: SimDuration = SimDuration::from_secs(1);
const RETRIES: u32 = 10;
/// What TCP waits for an acknowledgement at first, and how often it sends again in all.
const RETRANSMISSION: SimDuration = SimDuration::from_millis(200);
const RETRANSMISSIONS: u32 = 8;
/// From a broken watch to the next list: the first try, and the longest wait between tries.
const FIRST_RELIST: SimDuration = SimDuration::from_millis(800);
const LAST_RELIST: SimDuration = SimDuration::from_secs(30);

/// A call or an answer that does not get through.
#[derive(Debug, Clone)]
pub(super) struct Held {
    client: Client,
    id: u32,
    since: SimTime,
    message: Message,
    gives_up: GivesUp,
}

/// What a caller makes of it in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GivesUp {
    /// There was no connection.
    Unreachable,
    /// The store had no leader.
    NoLeader,
}

/// What a watcher has missed: the newest version of each object, and whether it knew the object before.
#[derive(Debug, Clone, Default)]
pub(super) struct Missed {
    since: Option<SimTime>,
    changes: Vec<(bool, Change)>,
    places: FastMap<(Kind, u32), usize>,
}

impl Missed {
    fn note(&mut self, change: Change) {
        let key = (change.object.kind(), change.object.meta().index);
        match self.places.get(&key) {
            Some(place) => self.changes[*place].1 = change,
            None => {
                self.places.insert(key, self.changes.len());
                self.changes.push((change.kind != ChangeKind::Added, change));
            }
        }
    }

    /// What a list shows to whoever knew how things were: in order of the newest versions.
    fn listed(self) -> Vec<Change> {
        let seen = |(known, change): (bool, Change)| {
            let kind = match (known, change.kind) {
                (false, ChangeKind::Deleted) => return None,
                (true, ChangeKind::Deleted) => ChangeKind::Deleted,
                (true, ChangeKind::Added | ChangeKind::Modified) => ChangeKind::Modified,
                (false, ChangeKind::Added | ChangeKind::Modified) => ChangeKind::Added,
            };
            Some(Change { kind, ..change })
        };
        let mut changes: Vec<Change> = self.changes.into_iter().filter_map(seen).collect();
        changes.sort_by_key(|change| change.object.meta().resource_version);
        changes
    }
}

/// Whether a fault of wires is about a client: about everybody, or those it names; about kubelets of its nodes where
/// it names nodes.
fn concerns(of: &[Component], strike: &Strike, client: Client) -> bool {
    let nodes = match &strike.target {
        Target::Everything(nodes) => nodes.as_deref(),
        Target::Node(_) | Target::Pod(_) | Target::Pods(_) => None,
    };
    let on_nodes = |client| match (client, nodes) {
        (Client::Kubelet(node), Some(nodes)) => nodes.contains(&node),
        (_, Some(_)) => !of.is_empty(),
        (_, None) => true,
    };
    (of.is_empty() || of.iter().any(|component| component.is(client))) && on_nodes(client)
}

impl Calls {
    fn has(self, request: &Request) -> bool {
        match self {
            Self::All => true,
            Self::Reads => matches!(request, Request::Get(_)),
            Self::Writes => !matches!(request, Request::Get(_)),
        }
    }
}

impl Cluster {
    /// Whether messages of a client go nowhere, in a direction.
    fn is_blocked(&self, client: Client, way: Direction) -> bool {
        self.blows().any(|(kind, strike)| match kind {
            FaultKind::Partition(Partition { of, direction }) => {
                (*direction == Direction::Both || *direction == way) && concerns(of, strike, client)
            }
            _ => false,
        })
    }

    fn api_is_down(&self) -> bool {
        self.blows().any(|(kind, _)| matches!(kind, FaultKind::ApiUnavailable))
    }

    fn is_leaderless(&self) -> bool {
        self.blows().any(|(kind, _)| matches!(kind, FaultKind::EtcdLeaderLoss))
    }

    /// Whether a client can talk to the API server and be heard.
    pub(in crate::simulation) fn reaches_server(&self, client: Client) -> bool {
        !self.api_is_down()
            && !self.is_blocked(client, Direction::ToServer)
            && !self.is_blocked(client, Direction::FromServer)
            && !self.is_locked_out(client)
    }

    /// Whether the server does not know who calls: a kubelet without a valid certificate, or without any yet.
    fn is_locked_out(&self, client: Client) -> bool {
        let Client::Kubelet(node) = client else { return false };
        self.blows_on(node).any(|kind| match kind {
            FaultKind::CertificateExpired => true,
            FaultKind::NeverJoins => self.server.store().nodes.find(Name::default(), self.node_name(node)).is_none(),
            _ => false,
        })
    }

    /// Whether a client's writes are done and answered.
    pub(super) fn writes_get_through(&self, client: Client) -> bool {
        self.reaches_server(client) && !self.is_leaderless()
    }

    /// Whether a client's watch tells it nothing.
    fn watch_is_broken(&self, client: Client) -> bool {
        !self.reaches_server(client)
            || self.blows().any(|(kind, strike)| match kind {
                FaultKind::WatchLoss(WatchLoss { of }) => concerns(of, strike, client),
                _ => false,
            })
    }

    /// How much longer a call or an answer is under way.
    pub(in crate::simulation) fn slower_by(&self, now: SimTime, message: &Message) -> SimDuration {
        let (client, way, stream, request) = match message {
            Message::Call { client, request, .. } => {
                (*client, Direction::ToServer, stream_of(request).bits() ^ client_bits(*client), Some(request))
            }
            Message::Reply { client, response, .. } => {
                (*client, Direction::FromServer, stream_of_reply(*client, response).bits(), None)
            }
            // What they do takes longer; timers are not late.
            Message::Scheduler(_, SchedulerMessage::CycleDone | SchedulerMessage::Bind { .. }) => {
                return self.leader_lags(Leader::Scheduler);
            }
            Message::Controller(_, ControllerMessage::Work(_) | ControllerMessage::Look(..)) => {
                return self.leader_lags(Leader::ControllerManager);
            }
            _ => return SimDuration::ZERO,
        };
        let mut sum = SimDuration::ZERO;
        if request.is_some_and(|request| is_event(request)) {
            // A recorder sends one event after another: none overtakes an earlier one.
            return sum;
        }
        for (kind, strike) in self.blows() {
            let fault = &self.plan.faults[strike.fault as usize];
            let stream = StreamKey::from_bits(fault.stream.bits() ^ stream);
            match kind {
                FaultKind::ApiLatency(ApiLatency { of, direction, calls, by })
                    if (*direction == Direction::Both || *direction == way)
                        && concerns(of, strike, client)
                        && request.is_none_or(|request| calls.has(request)) =>
                {
                    sum += self.draws.sample(by, LATENCY, stream, now.as_nanos());
                }
                FaultKind::PacketLoss(PacketLoss { of, percent }) if concerns(of, strike, client) => {
                    let mut draw = self.draws.draw(LOSS, stream, now.as_nanos());
                    let lost = (0..RETRANSMISSIONS).take_while(|_| draw.below(100) < u64::from(*percent)).count();
                    sum += RETRANSMISSION * ((1 << lost) - 1);
                }
                _ => {}
            }
        }
        sum
    }

    /// How much later a watch tells.
    pub(in crate::simulation) fn watch_lags(&self, now: SimTime, client: Client) -> SimDuration {
        let lag = |(kind, strike): (&FaultKind, &Strike)| match kind {
            FaultKind::WatchLag(WatchLag { of, by }) if concerns(of, strike, client) => {
                let stream = StreamKey::from_bits(self.fault(strike.fault).stream.bits() ^ client_bits(client));
                self.draws.sample(by, LATENCY, stream, now.as_nanos())
            }
            _ => SimDuration::ZERO,
        };
        self.blows().map(lag).sum()
    }

    /// A call arrives at a server, or on wires, with which something is wrong.
    pub(in crate::simulation) fn call_arrives(
        &mut self,
        now: SimTime,
        (client, id): (Client, u32),
        request: Box<Request>,
        out: &mut Outbox<Message>,
    ) {
        if self.is_blocked(client, Direction::ToServer) {
            let patience = if is_event(&request) { EVENT_PATIENCE } else { PATIENCE };
            return self.hold(now, Message::Call { client, id, request }, patience, GivesUp::Unreachable, out);
        }
        if self.api_is_down() {
            if is_event(&request) {
                let message = Message::Call { client, id, request };
                return self.hold(now, message, EVENT_PATIENCE, GivesUp::Unreachable, out);
            }
            return self.answer_at_home(client, id, refused_connection(), out);
        }
        if self.is_locked_out(client) {
            let error = ApiError::new(ErrorReason::Forbidden, "Unauthorized");
            return self.answer_at_home(client, id, error, out);
        }
        if Calls::Writes.has(&request) && self.is_leaderless() {
            return self.hold(now, Message::Call { client, id, request }, ETCD_PATIENCE, GivesUp::NoLeader, out);
        }
        match self.refusal(now, client, &request) {
            None => {}
            Some(ApiFailure::TooManyRequests) if !is_event(&request) => {
                let tries = self.faults.tries.entry((client, id)).or_insert(0);
                *tries += 1;
                if *tries <= RETRIES {
                    return out.after(RETRY_AFTER, Message::Call { client, id, request });
                }
                return self.refuse((client, id), &request, ApiFailure::TooManyRequests, out);
            }
            Some(ApiFailure::Timeout) => {
                let _ = self.server.serve(now, *request);
                self.publish(now, out);
                let error = ApiError::new(
                    ErrorReason::Timeout,
                    "Timeout: request did not complete within the allotted timeout",
                );
                return out.now(Message::Reply { client, id, response: Err(error) });
            }
            Some(failure) => return self.refuse((client, id), &request, failure, out),
        }
        self.faults.tries.remove(&(client, id));
        match self.webhooks(&request) {
            Asked::Nobody => self.call_admitted(now, (client, id), request, out),
            Asked::InVain(wait) => {
                out.after(wait, Message::Fault(FaultMessage::Admitted { client, id, request }));
            }
            Asked::Refused(wait, error) => out.after(wait, Message::Reply { client, id, response: Err(error) }),
        }
    }

    /// The next write of an eviction, at a server with which something may be wrong by now.
    pub(in crate::simulation) fn evicting_arrives(
        &mut self,
        now: SimTime,
        (client, id): (Client, u32),
        eviction: Box<Eviction>,
        out: &mut Outbox<Message>,
    ) {
        if self.api_is_down() {
            return self.answer_at_home(client, id, refused_connection(), out);
        }
        if self.is_leaderless() {
            return out.after(RETRY_AFTER, Message::Evicting { client, id, eviction });
        }
        self.go_on_evicting(now, client, id, *eviction, out);
    }

    /// A call that nothing speaks against.
    pub(super) fn call_admitted(
        &mut self,
        now: SimTime,
        (client, id): (Client, u32),
        mut request: Box<Request>,
        out: &mut Outbox<Message>,
    ) {
        self.mutated(&mut request);
        if self.comes_twice(now, client, &request) {
            // Whoever calls hears nothing before both are done: it does not send what would come between them.
            let response = Box::new(self.response_to(now, client, (*request).clone(), out));
            self.publish(now, out);
            let again = FaultMessage::Duplicate { client, id, request, response };
            return out.after(RETRANSMISSION, Message::Fault(again));
        }
        self.serve(now, client, id, *request, out);
    }

    fn comes_twice(&self, now: SimTime, client: Client, request: &Request) -> bool {
        // Of events, whoever sends them waits for both before the next.
        !is_event(request)
            && self.blows().any(|(kind, strike)| match kind {
                FaultKind::DuplicateCalls(DuplicateCalls { of, percent }) if concerns(of, strike, client) => {
                    let bits = self.fault(strike.fault).stream.bits() ^ stream_of(request).bits() ^ client_bits(client);
                    self.draws.draw(TWICE, StreamKey::from_bits(bits), now.as_nanos()).below(100) < u64::from(*percent)
                }
                _ => false,
            })
    }

    /// Whether the server refuses a call, and how.
    fn refusal(&self, now: SimTime, client: Client, request: &Request) -> Option<ApiFailure> {
        self.blows().find_map(|(kind, strike)| {
            let fault = self.fault(strike.fault);
            let stream = StreamKey::from_bits(fault.stream.bits() ^ stream_of(request).bits() ^ client_bits(client));
            let mut draw = self.draws.draw(REFUSAL, stream, now.as_nanos());
            let mut happens = |percent: Option<u8>| percent.is_none_or(|percent| draw.below(100) < u64::from(percent));
            match kind {
                FaultKind::ApiErrors(ApiErrors { of, calls, percent, error, .. })
                    if concerns(of, strike, client)
                        && calls.has(request)
                        && (fault.kinds.is_empty() || fault.kinds.contains(&request.about().0))
                        && (*error != ApiFailure::Conflict || matches!(request, Request::Update { .. }))
                        && (*error != ApiFailure::TooLarge || Calls::Writes.has(request))
                        && happens(*percent) =>
                {
                    Some(*error)
                }
                FaultKind::EventLoss(EventLoss { percent }) if is_event(request) && happens(*percent) => {
                    Some(ApiFailure::TooManyRequests)
                }
                _ => None,
            }
        })
    }

    fn refuse(
        &mut self,
        (client, id): (Client, u32),
        request: &Request,
        failure: ApiFailure,
        out: &mut Outbox<Message>,
    ) {
        self.faults.tries.remove(&(client, id));
        let (kind, _, name) = request.about();
        let error = match failure {
            ApiFailure::TooManyRequests => {
                let text = "the server has received too many requests and has asked us to try again later";
                ApiError::new(ErrorReason::TooManyRequests, text)
            }
            ApiFailure::InternalError => ApiError::new(ErrorReason::InternalError, "Internal error occurred"),
            ApiFailure::Conflict => {
                let why = "the object has been modified; please apply your changes to the latest version and try again";
                ApiError::conflict(kind, &name, why)
            }
            ApiFailure::Forbidden => {
                ApiError::forbidden(kind, &name, rbac_words(&user_name(client, self), kind, request))
            }
            ApiFailure::Timeout => ApiError::new(ErrorReason::Timeout, "Timeout"),
            ApiFailure::TooLarge => {
                let text = "Request entity too large: limit is 3145728";
                ApiError::new(ErrorReason::RequestEntityTooLarge, text)
            }
        };
        out.now(Message::Reply { client, id, response: Err(error) });
    }

    /// What becomes of a call about which webhooks are asked that nobody answers for.
    fn webhooks(&self, request: &Request) -> Asked {
        let admitted = match request {
            Request::Create(_) | Request::Update { part: Part::Main, .. } | Request::Patch { part: Part::Main, .. } => {
                true
            }
            Request::Get(_)
            | Request::Update { .. }
            | Request::Patch { .. }
            | Request::Amend { .. }
            | Request::Bind { .. }
            | Request::Evict { .. }
            | Request::PodMetrics { .. }
            | Request::Metric { .. }
            | Request::Delete { .. } => false,
        };
        if !admitted || is_event(request) {
            return Asked::Nobody;
        }
        let mut waited = SimDuration::ZERO;
        for (kind, strike) in self.blows() {
            let FaultKind::WebhookDown(WebhookDown { webhook, policy, timeout, .. }) = kind else { continue };
            let kinds = &self.fault(strike.fault).kinds;
            if !kinds.is_empty() && !kinds.contains(&request.about().0) {
                continue;
            }
            waited += *timeout;
            let url = format!("https://{webhook}.svc:443/validate?timeout={timeout}");
            if waited > CALL_DEADLINE {
                // The call's own time is over before the webhooks' policies are asked (kubernetes#128162).
                let text = format!(
                    "Internal error occurred: failed calling webhook {webhook:?}: Post {url:?}: context deadline exceeded"
                );
                return Asked::Refused(CALL_DEADLINE, ApiError::new(ErrorReason::InternalError, text));
            }
            if *policy == FailurePolicy::Fail {
                let text = format!(
                    "Internal error occurred: failed calling webhook {webhook:?}: failed to call webhook: Post {url:?}: context deadline exceeded"
                );
                return Asked::Refused(waited, ApiError::new(ErrorReason::InternalError, text));
            }
        }
        if waited.is_zero() { Asked::Nobody } else { Asked::InVain(waited) }
    }

    /// An answer reaches its caller, or wires with which something is wrong.
    pub(in crate::simulation) fn reply_arrives(
        &mut self,
        now: SimTime,
        (client, id): (Client, u32),
        response: Response,
        out: &mut Outbox<Message>,
    ) {
        let at_home = self.faults.at_home.remove(&(client, id));
        if !at_home && (self.is_blocked(client, Direction::FromServer) || self.api_is_down()) {
            let message = Message::Reply { client, id, response };
            return self.hold(now, message, PATIENCE, GivesUp::Unreachable, out);
        }
        self.answered(now, client, id, response, out);
    }

    fn hold(
        &mut self,
        now: SimTime,
        message: Message,
        patience: SimDuration,
        gives_up: GivesUp,
        out: &mut Outbox<Message>,
    ) {
        let (Message::Call { client, id, .. } | Message::Reply { client, id, .. }) = &message else { return };
        let (client, id) = (*client, *id);
        out.after(patience, Message::Fault(FaultMessage::Patience { client, id, since: now }));
        self.faults.held.push(Held { client, id, since: now, message, gives_up });
    }

    /// Whoever called has waited long enough.
    pub(super) fn patience_ends(&mut self, (client, id): (Client, u32), since: SimTime, out: &mut Outbox<Message>) {
        let held = &mut self.faults.held;
        let mine = |held: &Held| held.client == client && held.id == id && held.since == since;
        let Some(place) = held.iter().position(mine) else { return };
        let held = held.remove(place);
        let error = match held.gives_up {
            GivesUp::Unreachable => ApiError::new(ErrorReason::Timeout, "dial tcp 10.96.0.1:443: i/o timeout"),
            GivesUp::NoLeader => ApiError::new(ErrorReason::InternalError, "etcdserver: request timed out"),
        };
        self.answer_at_home(client, id, error, out);
    }

    /// A caller learns what it could have learned without any server.
    fn answer_at_home(&mut self, client: Client, id: u32, error: Box<ApiError>, out: &mut Outbox<Message>) {
        self.faults.at_home.insert((client, id));
        out.now(Message::Reply { client, id, response: Err(error) });
    }

    /// The way may be free again: what was held goes on, and watchers whose watches broke list again.
    pub(super) fn wires_mended(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        for held in std::mem::take(&mut self.faults.held) {
            let stuck = match &held.message {
                Message::Call { client, request, .. } => {
                    self.is_blocked(*client, Direction::ToServer)
                        || self.api_is_down()
                        || Calls::Writes.has(request) && self.is_leaderless()
                }
                Message::Reply { client, .. } => self.is_blocked(*client, Direction::FromServer) || self.api_is_down(),
                _ => false,
            };
            match held.message {
                _ if stuck => self.faults.held.push(held),
                // Its recorder sends no other before it: it is there before those that are under way.
                Message::Call { client, id, request } if is_event(&request) => {
                    self.call_arrives(now, (client, id), request, out);
                }
                message => out.now(message),
            }
        }
        let waiting: Vec<(Client, SimTime)> =
            self.faults.missed.iter().map(|(client, missed)| (*client, missed.since.unwrap_or(now))).collect();
        for (client, since) in waiting {
            if !self.watch_is_broken(client) {
                let step = (now.since(since) / 2).max(FIRST_RELIST).min(LAST_RELIST);
                let mut draw = self.draws.draw(RELIST, StreamKey::from_bits(client_bits(client)), now.as_nanos());
                let wait = draw.between(SimDuration::ZERO, step);
                out.after(wait, Message::Fault(FaultMessage::Relist { client }));
            }
        }
    }

    /// A notification arrives where a watch is, or is not any more; what is told then is not lost.
    pub(in crate::simulation) fn misses(&mut self, now: SimTime, client: Client, change: &Change) -> bool {
        if !self.faults.missed.contains_key(&client) && !self.watch_is_broken(client) {
            return false;
        }
        let missed = self.faults.missed.entry(client).or_default();
        missed.since.get_or_insert(now);
        missed.note(change.clone());
        true
    }

    /// A watcher lists everything again, and sees what it has missed as it is now.
    pub(super) fn relist(&mut self, now: SimTime, client: Client, out: &mut Outbox<Message>) {
        if self.watch_is_broken(client) {
            return;
        }
        let Some(missed) = self.faults.missed.remove(&client) else { return };
        let mut changes = missed.listed();
        if client == Client::Scheduler && !self.is_down(Leader::Scheduler) {
            changes.retain(|change| !self.is_known_to(client, change));
            return self.scheduler.listed(now, changes, out);
        }
        for change in changes {
            self.tell_watcher(now, client, change, out);
        }
    }

    /// A process has died, or has just listed everything: it has missed nothing.
    pub(in crate::simulation) fn forget_missed(&mut self, client: Client) {
        self.faults.missed.remove(&client);
    }
}

/// What becomes of a call about which webhooks are asked.
enum Asked {
    Nobody,
    InVain(SimDuration),
    Refused(SimDuration, Box<ApiError>),
}

fn is_event(request: &Request) -> bool {
    request.about().0 == Kind::Event
}

fn refused_connection() -> Box<ApiError> {
    ApiError::new(ErrorReason::ServiceUnavailable, "dial tcp 10.96.0.1:443: connect: connection refused")
}

/// What RBAC says of a request that a user may not make (`forbiddenMessage` of
/// `staging/src/k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/errors.go`).
fn rbac_words(user: &str, kind: Kind, request: &Request) -> String {
    let (verb, part) = match request {
        Request::Get(_) | Request::PodMetrics { .. } | Request::Metric { .. } => ("get", ""),
        Request::Create(_) => ("create", ""),
        Request::Update { part, .. } => ("update", subresource(*part)),
        Request::Patch { part, .. } => ("patch", subresource(*part)),
        Request::Amend { amendment: Amendment::PodStatus { .. } | Amendment::VolumeAttached { .. }, .. } => {
            ("patch", "/status")
        }
        Request::Amend { amendment: Amendment::Scale(_), .. } => ("update", "/scale"),
        Request::Amend { .. } => ("patch", ""),
        Request::Delete { .. } => ("delete", ""),
        Request::Bind { .. } => ("create", "/binding"),
        Request::Evict { .. } => ("create", "/eviction"),
    };
    let (resource, group) = (kind.resource(), kind.group());
    let what = format!("User {user:?} cannot {verb} resource \"{resource}{part}\" in API group {group:?}");
    match request.about().1 {
        namespace if namespace.is_empty() => format!("{what} at the cluster scope"),
        namespace => format!("{what} in the namespace \"{namespace}\""),
    }
}

const fn subresource(part: Part) -> &'static str {
    match part {
        Part::Main => "",
        Part::Status => "/status",
        Part::Resize => "/resize",
        Part::EphemeralContainers => "/ephemeralcontainers",
        Part::Scale => "/scale",
    }
}

fn user_name(client: Client, cluster: &Cluster) -> String {
    match client {
        Client::Scheduler => "system:kube-scheduler".to_owned(),
        Client::ControllerManager => "system:kube-controller-manager".to_owned(),
        Client::Workload => "system:serviceaccount:default:default".to_owned(),
        Client::User => "kubernetes-admin".to_owned(),
        Client::ApiServer => "system:apiserver".to_owned(),
        Client::Autoscaler => "system:serviceaccount:kube-system:cluster-autoscaler".to_owned(),
        Client::Extension(place) => format!("system:serviceaccount:default:extension-{place}"),
        Client::Kubelet(node) => format!("system:node:{}", cluster.node_name(node)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Metadata, Namespace, Object, Target, Uid};
    use std::sync::Arc;

    fn change(kind: ChangeKind, index: u32, version: u64) -> Change {
        let meta = Metadata { index, resource_version: version, ..Metadata::default() };
        let namespace =
            Namespace { meta, terminating: false, conditions: Vec::new(), finalizers: crate::api::List::EMPTY };
        Change { kind, object: Object::Namespace(Arc::new(namespace)) }
    }

    #[test]
    fn who_may_not_is_told_what_and_where() {
        let (namespace, name) = (Name::new("default"), Name::new("p"));
        let bind = Request::Bind { namespace, name, uid: Uid::default(), node: Name::new("n") };
        let get = Request::Get(Target { kind: Kind::Node, namespace: Name::default(), name });
        for (kind, request, said) in [
            (Kind::Pod, &bind, r#"create resource "pods/binding" in API group "" in the namespace "default""#),
            (Kind::Node, &get, r#"get resource "nodes" in API group "" at the cluster scope"#),
        ] {
            assert_eq!(rbac_words("someone", kind, request), format!("User \"someone\" cannot {said}"));
        }
    }

    #[test]
    fn a_list_shows_what_is_there_now_and_what_is_gone() {
        use ChangeKind::{Added, Deleted, Modified};
        // (what happened to one object while the watch was broken, what the list shows).
        let cases: [(&[ChangeKind], Option<ChangeKind>); 6] = [
            (&[Added], Some(Added)),
            (&[Added, Modified], Some(Added)),
            (&[Added, Modified, Deleted], None),
            (&[Modified, Modified], Some(Modified)),
            (&[Modified, Deleted], Some(Deleted)),
            (&[Deleted], Some(Deleted)),
        ];
        for (happened, shown) in cases {
            let mut missed = Missed::default();
            for (version, kind) in happened.iter().enumerate() {
                missed.note(change(*kind, 7, version as u64 + 1));
            }
            let listed: Vec<ChangeKind> = missed.listed().into_iter().map(|change| change.kind).collect();
            assert_eq!(listed, shown.into_iter().collect::<Vec<_>>(), "{happened:?}");
        }
        let mut missed = Missed::default();
        for (index, version) in [(1, 5), (2, 3), (3, 4)] {
            missed.note(change(Modified, index, version));
        }
        let versions: Vec<u64> = missed.listed().iter().map(|change| change.object.meta().resource_version).collect();
        assert_eq!(versions, [3, 4, 5], "oldest first");
    }
}
