//! A run with everyone who usually looks on: what people and tests hold in their hands.

use super::{Cluster, Complaint, Run, Trace, Violation, Watchdog};
use crate::api::{Change, Event, Name, Node, Object, Pod};
use crate::components::extension::Extension;
use crate::components::message::Message;
use crate::components::runtime::ProcessModel;
use crate::engine::{SimDuration, SimTime};
use crate::scenario::expect::{Expectation, Judge, Verdict};
use crate::scenario::plan::{Action, Plan};
use crate::testing::invariants::{Breach, Checker};
use crate::trace::{Digest, Refused, TraceHash, TraceRecord, Witness};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A run that is watched: it can be stepped, looked at between steps and, by cloning, forked.
///
/// ```
/// use podsim::scenario::Scenario;
/// use std::collections::BTreeMap;
///
/// let pod = "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: a, image: nginx}]}}";
/// let files = BTreeMap::from([("web.ron", r#"(manifests: [File("pod.yaml")], duration: "1m")"#), ("pod.yaml", pod)]);
/// let scenario = Scenario::load("web.ron", &files)?;
/// let mut simulation = scenario.simulate(1);
/// while simulation.pod("default", "web").is_none_or(|pod| pod.node_name.is_empty()) {
///     simulation.step().expect("the pod is placed before nothing is left to do");
/// }
/// let mut fork = simulation.clone();
/// simulation.run();
/// fork.run();
/// assert_eq!(simulation.digest(), fork.digest());
/// # Ok::<(), podsim::scenario::Problems>(())
/// ```
#[derive(Debug, Clone)]
pub struct Simulation {
    run: Run,
    onlookers: Onlookers,
}

#[derive(Debug, Clone)]
struct Onlookers {
    witness: Witness,
    judge: Judge,
    digest: Option<Digest>,
    record: Option<TraceRecord>,
    checker: Option<Checker>,
    watchdog: Option<Watchdog>,
}

impl Simulation {
    /// A simulation of a plan with a seed, before its first message.
    pub fn new(plan: Arc<Plan>, seed: u64, expectations: &[Expectation]) -> Self {
        let run = Run::new(plan, seed);
        let onlookers = Onlookers {
            witness: Witness::default(),
            judge: Judge::new(expectations, run.cluster()),
            digest: Some(Digest::of(run.cluster())),
            record: None,
            checker: None,
            watchdog: None,
        };
        Self { run, onlookers }
    }

    /// The same, with every message and change kept: see [`record`](Self::record).
    ///
    /// # Panics
    /// After the first step: a record begins at the start.
    #[must_use]
    pub fn recorded(mut self) -> Self {
        assert_eq!(self.onlookers.witness.messages, 0, "a record begins at the start");
        self.onlookers.record = Some(TraceRecord::of(self.run.cluster()));
        self
    }

    /// The same, with all laws checked after every step: see [`breaches`](Self::breaches) for those of kubelets, and
    /// [`violation`](Self::violation) for those of the cluster.
    ///
    /// # Panics
    /// After the first step: what the laws remember begins at the start.
    #[must_use]
    pub fn checked(mut self) -> Self {
        assert_eq!(self.onlookers.witness.messages, 0, "a check begins at the start");
        self.onlookers.checker = Some(Checker::default());
        self.onlookers.watchdog = Some(Watchdog::default());
        self
    }

    /// The same with a component of your own, which hears of the cluster through a watch and acts by calls.
    ///
    /// # Panics
    /// After the first step: a component is there from the start.
    #[must_use]
    pub fn with(mut self, extension: impl Extension + 'static) -> Self {
        assert_eq!(self.onlookers.witness.messages, 0, "a component is there from the start");
        self.run.extend(Box::new(extension));
        self
    }

    /// The same with a process model of your own, asked before the rules of the scenario what containers do.
    #[must_use]
    pub fn with_processes(mut self, model: impl ProcessModel + 'static) -> Self {
        self.run.play(Arc::new(model));
        self
    }

    /// The first law of the cluster that was broken, if they are checked.
    pub fn violation(&self) -> Option<&Violation> {
        self.onlookers.watchdog.as_ref().and_then(Watchdog::violation)
    }

    /// The laws of kubelets that were broken so far, if they are checked.
    pub fn breaches(&self) -> &[Breach] {
        self.onlookers.checker.as_ref().map_or(&[], Checker::breaches)
    }

    /// The same without a digest: as fast as it can be.
    #[must_use]
    pub fn untraced(mut self) -> Self {
        self.onlookers.digest = None;
        self.onlookers.record = None;
        self
    }

    /// Delivers the next message and returns its time; `None` when nothing is to come.
    pub fn step(&mut self) -> Option<SimTime> {
        self.run.step(&mut self.onlookers)
    }

    /// Delivers everything that is due up to an instant, which then is the present one.
    pub fn run_until(&mut self, end: SimTime) {
        self.run.run_until(end, &mut self.onlookers);
    }

    /// The same while somebody else looks on, too.
    pub fn run_until_watched(&mut self, end: SimTime, onlooker: &mut impl Trace) {
        self.run.run_until(end, &mut (&mut self.onlookers, onlooker));
    }

    /// One step while somebody else looks on, too.
    pub fn step_watched(&mut self, onlooker: &mut impl Trace) -> Option<SimTime> {
        self.run.step(&mut (&mut self.onlookers, onlooker))
    }

    /// Has somebody do something now that no scenario foresees: what a fork is made for.
    pub fn act(&mut self, action: Action) {
        self.run.act(action);
    }

    /// Runs for as long as the plan says.
    pub fn run(&mut self) {
        self.run_until(SimTime::ZERO + self.duration());
    }

    /// The present instant.
    pub const fn now(&self) -> SimTime {
        self.run.now()
    }

    /// How long the plan says that it runs.
    pub fn duration(&self) -> SimDuration {
        self.run.cluster().plan().duration
    }

    /// The cluster at this instant.
    pub const fn cluster(&self) -> &Cluster {
        self.run.cluster()
    }

    /// All pods, oldest first.
    pub fn pods(&self) -> impl Iterator<Item = &Arc<Pod>> {
        self.cluster().server().store().pods.iter()
    }

    /// A pod.
    pub fn pod(&self, namespace: &str, name: &str) -> Option<&Arc<Pod>> {
        self.cluster().server().store().pods.find(Name::new(namespace), Name::new(name))
    }

    /// A node.
    pub fn node(&self, name: &str) -> Option<&Arc<Node>> {
        self.cluster().server().store().nodes.find(Name::default(), Name::new(name))
    }

    /// Every object, kind by kind, by namespace and name.
    pub fn objects(&self) -> impl Iterator<Item = Object> {
        crate::api::Kind::ALL.iter().flat_map(|kind| self.cluster().server().store().list(*kind))
    }

    /// What was assumed of containers that the scenario says nothing about: container and model.
    pub fn assumed(&self) -> &BTreeMap<String, String> {
        self.cluster().runtimes().assumed()
    }

    /// Every event told so far, in order of the first telling.
    pub fn events(&self) -> impl Iterator<Item = &Arc<Event>> {
        self.onlookers.witness.events().iter().map(|told| &told.event)
    }

    /// Events, refusals and how much happened.
    pub const fn witness(&self) -> &Witness {
        &self.onlookers.witness
    }

    /// What was refused so far, by the server or by kubectl.
    pub fn refused(&self) -> Vec<Refused> {
        let complaint = |complaint: &Complaint| Refused {
            at: complaint.at,
            object: complaint.object.clone(),
            message: complaint.message.to_string(),
        };
        let mut all: Vec<Refused> = self.witness().refused().to_vec();
        all.extend(self.cluster().complaints().iter().map(complaint));
        all.sort_by_key(|refused| refused.at);
        all
    }

    /// The digest of everything so far, unless the simulation is untraced.
    pub fn digest(&self) -> Option<TraceHash> {
        self.onlookers.digest.as_ref().map(|digest| digest.at(self.now()))
    }

    /// Every message and change so far, if they are kept.
    pub const fn record(&self) -> Option<&TraceRecord> {
        self.onlookers.record.as_ref()
    }

    /// Takes the record, which then ends at this instant.
    pub fn into_record(mut self) -> Option<TraceRecord> {
        self.take_record()
    }

    /// The same, and leaves the simulation, which records no more.
    pub fn take_record(&mut self) -> Option<TraceRecord> {
        let now = self.now();
        let mut record = self.onlookers.record.take()?;
        record.finish(now);
        Some(record)
    }

    /// What became of the expectations, as if the run ended as it does now.
    pub fn verdicts(&self) -> Vec<Verdict> {
        self.onlookers.judge.clone().finish(self.cluster())
    }
}

impl Trace for Onlookers {
    fn delivered(&mut self, now: SimTime, seq: u64, message: &Message, cluster: &Cluster) {
        self.witness.delivered(now, seq, message, cluster);
        self.judge.delivered(now, seq, message, cluster);
        self.record.delivered(now, seq, message, cluster);
        self.checker.delivered(now, seq, message, cluster);
        self.watchdog.delivered(now, seq, message, cluster);
    }

    fn stepped(&mut self, now: SimTime, cluster: &Cluster) {
        self.checker.stepped(now, cluster);
        self.watchdog.stepped(now, cluster);
    }

    fn sent(&mut self, seq: u64, cause: u64) {
        self.record.sent(seq, cause);
    }

    fn changed(&mut self, now: SimTime, cause: u64, change: &Change, cluster: &Cluster) {
        self.witness.changed(now, cause, change, cluster);
        self.judge.changed(now, cause, change, cluster);
        self.digest.changed(now, cause, change, cluster);
        self.record.changed(now, cause, change, cluster);
        self.checker.changed(now, cause, change, cluster);
        self.watchdog.changed(now, cause, change, cluster);
    }
}
