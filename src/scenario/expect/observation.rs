//! What is measured of a run in the words of expectations: for how long a formula holds, and what becomes of a number.

use super::condition::Condition;
use super::formula::{Atom, Clause, Expectation, Predicate, Quantifier, Question};
use super::value::{Comparison, Field, Value};
use crate::api::{Change, ChangeKind, FastMap, Object};
use crate::engine::{SimDuration, SimTime};
use crate::scenario::error::Place;
use crate::simulation::{Cluster, Trace};
use std::sync::Arc;

/// What is made of what was seen over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Summary {
    /// For how many seconds a formula held.
    Time,
    /// After how many seconds it first did.
    First,
    /// The mean over time; of a formula, the share of the time.
    Mean,
    /// The least.
    Min,
    /// The most.
    Max,
    /// What it was at the end.
    Last,
}

impl Summary {
    /// All of them, with the words for them.
    pub(super) const ALL: [(&'static str, Self); 6] = [
        ("time", Self::Time),
        ("first", Self::First),
        ("mean", Self::Mean),
        ("min", Self::Min),
        ("max", Self::Max),
        ("last", Self::Last),
    ];

    /// Whether a formula is asked for, not a number.
    pub(super) const fn wants_formula(self) -> bool {
        matches!(self, Self::Time | Self::First)
    }
}

/// What is measured of a run: `mean(deployment(web).readyReplicas from 2m)`.
#[derive(Debug, Clone)]
pub struct Observation {
    /// As it was written.
    pub text: String,
    /// What is made of it.
    pub summary: Summary,
    pub(super) subject: Subject,
    /// From when on, since the start of the run …
    pub(super) from: SimDuration,
    /// … until when; until its end if nothing is said.
    pub(super) until: Option<SimDuration>,
}

/// What is looked at.
#[derive(Debug, Clone)]
pub(super) enum Subject {
    /// Whether a formula holds.
    Formula(Expectation),
    /// A number.
    Number(Atom),
}

impl Subject {
    /// A formula of these facts, or the only one of them if it is a number.
    pub(super) fn new(text: &str, place: Place, clause: Clause, mut atoms: Vec<Atom>, wants_formula: bool) -> Self {
        match atoms.pop() {
            Some(only) if atoms.is_empty() && is_number(&only) && !wants_formula => Self::Number(only),
            last => {
                atoms.extend(last);
                Self::Formula(Expectation { text: text.to_owned(), place, clause, atoms })
            }
        }
    }
}

/// Whether a fact is compared with nothing and has a number.
fn is_number(atom: &Atom) -> bool {
    match &atom.question {
        Question::Objects { predicate, quantifier, .. } => {
            let value = |predicate: &Predicate| match predicate {
                Predicate::Compare(field, Comparison::Holds) => *field != Field::Existence,
                _ => false,
            };
            is_uncompared_count(atom) || matches!(quantifier, Quantifier::One) && value(predicate)
        }
        Question::Events { count, .. } => matches!(count, Comparison::Holds),
        Question::Refused { .. } | Question::Misrouted { .. } => false,
    }
}

/// Whether it is a count that is compared with nothing.
pub(super) fn is_uncompared_count(atom: &Atom) -> bool {
    matches!(&atom.question, Question::Objects { quantifier: Quantifier::Count(Comparison::Holds), .. })
}

impl Observation {
    /// Whether a text is meant as one.
    pub fn is_meant(text: &str) -> bool {
        let text = text.trim_start();
        Summary::ALL.iter().any(|(word, _)| text.strip_prefix(word).is_some_and(|rest| rest.starts_with('(')))
    }

    /// Whether it is 0 or 1 for each run.
    pub const fn is_share(&self) -> bool {
        matches!((self.summary, &self.subject), (Summary::Min | Summary::Max | Summary::Last, Subject::Formula(_)))
    }

    /// Whether it is a time, in seconds.
    pub const fn is_time(&self) -> bool {
        matches!(self.summary, Summary::Time | Summary::First)
    }
}

/// Whoever watches a run and measures.
#[derive(Debug, Clone)]
pub struct Observer {
    watched: Vec<Watched>,
}

impl Observer {
    /// Begins to watch a run that has not taken a step.
    pub fn new<'o>(observations: impl Iterator<Item = &'o Observation>, cluster: &Cluster) -> Self {
        let end = SimTime::ZERO + cluster.plan().duration;
        Self { watched: observations.map(|observation| Watched::new(observation, end, cluster)).collect() }
    }

    /// What was measured at the end of the run, in the order of the observations; nothing where nothing is to say.
    pub fn finish(self) -> Vec<Option<f64>> {
        self.watched.into_iter().map(Watched::finish).collect()
    }
}

impl Trace for Observer {
    fn changed(&mut self, now: SimTime, _cause: u64, change: &Change, _cluster: &Cluster) {
        for watched in &mut self.watched {
            watched.changed(now, change);
        }
    }
}

/// What is known of an observation.
#[derive(Debug, Clone)]
struct Watched {
    summary: Summary,
    reading: Reading,
    from: SimTime,
    until: SimTime,
    /// The value now, and since when.
    value: f64,
    since: SimTime,
    /// The value times the nanoseconds that it lasted, so far.
    area: f64,
    least: f64,
    most: f64,
    first: Option<SimTime>,
}

/// Where a value comes from.
#[derive(Debug, Clone)]
enum Reading {
    Formula(Condition),
    Number {
        atom: Arc<Atom>,
        /// What each object adds.
        parts: FastMap<u32, f64>,
    },
}

impl Watched {
    fn new(observation: &Observation, end: SimTime, cluster: &Cluster) -> Self {
        let reading = match &observation.subject {
            Subject::Formula(formula) => Reading::Formula(Condition::new(formula, cluster)),
            Subject::Number(atom) => Reading::Number { atom: Arc::new(atom.clone()), parts: FastMap::default() },
        };
        let mut watched = Self {
            summary: observation.summary,
            reading,
            from: (SimTime::ZERO + observation.from).min(end),
            until: observation.until.map_or(end, |until| (SimTime::ZERO + until).min(end)),
            value: 0.0,
            since: SimTime::ZERO,
            area: 0.0,
            least: f64::INFINITY,
            most: f64::NEG_INFINITY,
            first: None,
        };
        match &watched.reading {
            Reading::Formula(condition) => watched.value = f64::from(u8::from(condition.holds())),
            Reading::Number { atom, .. } => {
                for object in atom.kind().map(|kind| cluster.objects(kind)).unwrap_or_default() {
                    watched.changed(SimTime::ZERO, &Change { kind: ChangeKind::Added, object });
                }
            }
        }
        watched
    }

    fn changed(&mut self, now: SimTime, change: &Change) {
        let value = match &mut self.reading {
            Reading::Formula(condition) => {
                condition.begins(change);
                f64::from(u8::from(condition.holds()))
            }
            Reading::Number { atom, parts } => {
                let Some(part) = part(atom, change) else { return };
                let index = change.object.meta().index;
                let had = match part {
                    Some(part) => parts.insert(index, part),
                    None => parts.remove(&index),
                };
                self.value + part.unwrap_or(0.0) - had.unwrap_or(0.0)
            }
        };
        if value != self.value {
            self.account(now);
            self.value = value;
        }
    }

    /// The value has been what it is up to an instant. What did not last for any time does not count.
    fn account(&mut self, now: SimTime) {
        let (from, until) = (self.since.max(self.from), now.min(self.until));
        self.since = now;
        if until <= from {
            return;
        }
        self.area += self.value * until.since(from).as_nanos() as f64;
        self.least = self.least.min(self.value);
        self.most = self.most.max(self.value);
        if self.value != 0.0 {
            self.first = self.first.or(Some(from));
        }
    }

    fn finish(mut self) -> Option<f64> {
        self.account(self.until);
        let span = (self.until > self.from).then(|| self.until.since(self.from).as_nanos() as f64)?;
        match self.summary {
            Summary::Time => Some(self.area / 1e9),
            Summary::First => self.first.map(|first| first.as_nanos() as f64 / 1e9),
            Summary::Mean => Some(self.area / span),
            Summary::Min => Some(self.least),
            Summary::Max => Some(self.most),
            Summary::Last => Some(self.value),
        }
    }
}

/// What an object adds to a number after a change: `None` if it is another object, `Some(None)` if it adds nothing.
fn part(atom: &Atom, change: &Change) -> Option<Option<f64>> {
    let object = &change.object;
    let gone = change.kind == ChangeKind::Deleted;
    match &atom.question {
        Question::Objects { selection, predicate, .. } => {
            if selection.kind != object.kind() {
                return None;
            }
            if gone || !selection.holds(object) {
                return Some(None);
            }
            let counted = is_uncompared_count(atom).then(|| f64::from(u8::from(predicate.accepts(object))));
            Some(counted.or_else(|| number(&predicate.value(object))))
        }
        // What was said stays said.
        Question::Events { pattern, .. } => match object {
            Object::Event(event) if !gone && pattern.accepts(event) => Some(Some(f64::from(event.times()))),
            _ => None,
        },
        Question::Refused { .. } | Question::Misrouted { .. } => None,
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Absent => None,
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        Value::Int(value) => Some(*value as f64),
        Value::Text(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Scenario, Study};
    use std::collections::BTreeMap;

    /// A pod that works for 20 seconds and rests for as long as its back-off says, and one that is deleted at a minute.
    const SCENARIO: &str = r#"(
        duration: "2m",
        nodes: [Pool()],
        manifests: [File("pods.yaml")],
        behaviors: [(pods: "worker", containers: [(name: "a", process: (duration: "20s", exit: (code: 1)))])],
        actions: [(at: "1m", do: Delete(object: "pod/short", force: true))],
    )"#;
    const PODS: &str = "\
        {apiVersion: v1, kind: Pod, metadata: {name: worker, labels: {k: v}}, spec: {containers: [{name: a, image: i}]}}\n\
        ---\n\
        {apiVersion: v1, kind: Pod, metadata: {name: short, labels: {k: v}}, spec: {containers: [{name: a, image: i}]}}\n";

    fn observe(measures: &[&str]) -> Vec<Option<f64>> {
        let study = format!("Study(scenario: \"base.ron\", measure: {measures:?})");
        let files = BTreeMap::from([("study.ron", study.as_str()), ("base.ron", SCENARIO), ("pods.yaml", PODS)]);
        let study = Study::load("study.ron", &files).unwrap_or_else(|problems| panic!("{problems}"));
        let scenario: &Scenario = &study.variants[0].scenario;
        let mut simulation = scenario.simulate(1);
        let mut observer = Observer::new(study.observations.iter(), simulation.cluster());
        simulation.run_until_watched(SimTime::ZERO + simulation.duration(), &mut observer);
        observer.finish()
    }

    #[test]
    fn formulas_and_numbers_are_measured_over_time() {
        // The worker runs for 20 s at a time, and waits for 0, 10 and 20 s in between.
        for (measure, low, high) in [
            ("time(pod(worker).ready)", 75.0, 85.0),
            ("mean(pod(worker).ready)", 0.62, 0.71),
            ("time(pod(worker).ready from 46s until 50s)", 0.0, 0.0),
            ("first(pod(worker).ready)", 0.5, 4.0),
            ("first(pod(worker).restarts >= 1)", 20.5, 30.0),
            ("last(pod(worker).restarts)", 3.0, 3.0),
            ("max(pod(worker).restarts until 1m)", 2.0, 2.0),
            ("min(count(pods(k=v)) from 5s)", 1.0, 1.0),
            ("max(count(pods(k=v) where ready))", 2.0, 2.0),
            ("mean(count(pods(k=v)) from 30s until 90s)", 1.49, 1.51),
            ("last(pod(short))", 0.0, 0.0),
            ("max(pod(short).ready == true)", 1.0, 1.0),
            ("last(event(pod(worker), Started).count)", 4.0, 4.0),
            ("last(node(node-1).ready)", 1.0, 1.0),
        ] {
            let value = observe(&[measure])[0].expect(measure);
            assert!((low..=high).contains(&value), "{measure}: {value}");
        }
        assert_eq!(observe(&["first(pod(short).phase == Failed)", "max(pod(short))"]), [None, Some(1.0)]);
    }
}
