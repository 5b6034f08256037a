//! Watching a run with expectations in mind: a fact is looked at only when an object that it reads has changed.

use super::formula::{Atom, Clause, Expectation, Formula, Predicate, Quantifier, Question, Window};
use crate::api::{ApiError, Change, ChangeKind, FastMap, Kind, Name, Object};
use crate::components::cri::RuntimePod;
use crate::components::message::{Client, Message};
use crate::engine::SimTime;
use crate::scenario::error::Place;
use crate::simulation::{Cluster, Trace};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many objects an explanation shows.
const SHOWN: usize = 3;

/// What became of an expectation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The expectation as it was written.
    pub text: String,
    /// Where.
    pub place: Place,
    /// Whether it was met.
    pub met: bool,
    /// When that was decided.
    pub decided_at: SimTime,
    /// What was seen instead; empty if it was met.
    pub seen: String,
}

/// Watches a run and decides each expectation as soon as it can be decided.
#[derive(Debug, Clone)]
pub struct Judge {
    expectations: Arc<[Expectation]>,
    states: Vec<State>,
    /// By kind of object: the facts that read it, as places of expectation and fact.
    readers: FastMap<Kind, Vec<(usize, usize)>>,
    /// When expectations want to be looked at although nothing changes.
    wakes: BTreeSet<(SimTime, usize)>,
    next_wake: SimTime,
    /// Calls of users that are not answered.
    calls: FastMap<u32, (Kind, Name, Name)>,
    /// Whether any expectation is about where requests go.
    minds_traffic: bool,
}

/// Whether more may happen at the instant that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// It may.
    Passing,
    /// It is known how things were at its end.
    Over,
}

/// What is known of an expectation.
#[derive(Debug, Clone)]
struct State {
    facts: Vec<Fact>,
    /// When its window begins, once that is known.
    begins: Option<SimTime>,
    /// When its window ends, once that is known.
    ends: SimTime,
    /// When the first formula of a pair first held.
    first: Option<SimTime>,
    verdict: Option<Verdict>,
}

/// What is known of a fact.
#[derive(Debug, Clone, Default)]
pub(super) struct Fact {
    /// Which objects are meant, and whether each meets the predicate.
    objects: FastMap<u32, bool>,
    meeting: usize,
    /// Of events, how often each was said.
    counts: FastMap<u32, u32>,
    total: i64,
    holds: bool,
    /// Where a misrouted request went.
    how: String,
}

impl Judge {
    /// Begins to watch a run that has not taken a step.
    pub fn new(expectations: &[Expectation], cluster: &Cluster) -> Self {
        let end = SimTime::ZERO + cluster.plan().duration;
        let mut judge = Self {
            expectations: expectations.into(),
            states: expectations.iter().map(|expectation| State::new(expectation, end)).collect(),
            readers: FastMap::default(),
            wakes: BTreeSet::new(),
            next_wake: SimTime::MAX,
            calls: FastMap::default(),
            minds_traffic: expectations
                .iter()
                .flat_map(|expectation| &expectation.atoms)
                .any(|atom| matches!(atom.question, Question::Misrouted { .. })),
        };
        for (place, expectation) in expectations.iter().enumerate() {
            for (fact, atom) in expectation.atoms.iter().enumerate() {
                if let Some(kind) = atom.kind() {
                    judge.readers.entry(kind).or_default().push((place, fact));
                }
            }
        }
        for kind in Kind::ALL {
            if judge.readers.contains_key(kind) {
                for object in cluster.objects(*kind) {
                    let change = Change { kind: ChangeKind::Added, object };
                    judge.note(&change);
                }
            }
        }
        for place in 0..judge.states.len() {
            judge.look(place, SimTime::ZERO, Moment::Passing, cluster);
            if judge.states[place].ends < SimTime::ZERO + cluster.plan().duration {
                judge.wake(judge.states[place].ends, place);
            }
        }
        judge
    }

    /// The verdicts at the end of a run, in the order of the expectations.
    pub fn finish(mut self, cluster: &Cluster) -> Vec<Verdict> {
        let end = SimTime::ZERO + cluster.plan().duration;
        self.wake_up(end, cluster);
        let verdict = |(place, state): (usize, State)| match state.verdict.clone() {
            Some(verdict) => verdict,
            None => state.last_word(&self.expectations[place], end, cluster),
        };
        std::mem::take(&mut self.states).into_iter().enumerate().map(verdict).collect()
    }

    /// Takes a change to the facts that read it, and returns the expectations that may be affected.
    fn note(&mut self, change: &Change) -> Vec<usize> {
        let mut affected = Vec::new();
        let Some(readers) = self.readers.get(&change.object.kind()) else { return affected };
        for &(place, fact) in readers {
            let atom = &self.expectations[place].atoms[fact];
            let state = &mut self.states[place];
            if state.verdict.is_none() && state.facts[fact].note(atom, change) && affected.last() != Some(&place) {
                affected.push(place);
            }
        }
        affected
    }

    /// Notes a refused call.
    fn refused(&mut self, now: SimTime, id: u32, error: &ApiError, cluster: &Cluster) {
        let Some((kind, namespace, name)) = self.calls.remove(&id) else { return };
        for place in 0..self.states.len() {
            let mut changed = false;
            for (fact, atom) in self.expectations[place].atoms.iter().enumerate() {
                let Question::Refused { selection, message } = &atom.question else { continue };
                let about = selection.as_ref().is_none_or(|s| s.kind == kind && s.names(&namespace, &name));
                if about && message.accepts(&error.message) {
                    self.states[place].facts[fact].holds = true;
                    changed = true;
                }
            }
            if changed {
                self.look(place, now, Moment::Passing, cluster);
            }
        }
    }

    /// A pod's last container has ended: nodes whose rules still name the pod send requests to nobody.
    fn pod_died(&mut self, now: SimTime, pod: &RuntimePod, cluster: &Cluster) {
        let Some(address) = pod.sandboxes.iter().find_map(|sandbox| sandbox.ip) else { return };
        for place in 0..self.states.len() {
            let mut changed = false;
            for (fact, atom) in self.expectations[place].atoms.iter().enumerate() {
                let Question::Misrouted { selection } = &atom.question else { continue };
                let meant = |namespace: &str, name: &str| selection.names(namespace, name);
                let Some((service, node, dead)) = cluster.proxies().sender(now, address, meant) else { continue };
                let how = format!("{} sends requests for {service} to {dead}, which has died", cluster.node_name(node));
                let fact = &mut self.states[place].facts[fact];
                (fact.holds, fact.how) = (true, how);
                changed = true;
            }
            if changed {
                self.look(place, now, Moment::Passing, cluster);
            }
        }
    }

    fn wake(&mut self, at: SimTime, place: usize) {
        self.wakes.insert((at, place));
        self.next_wake = self.next_wake.min(at);
    }

    /// Looks at the expectations whose time has come: all that is known is how things were at that time.
    fn wake_up(&mut self, until: SimTime, cluster: &Cluster) {
        while let Some(&(at, place)) = self.wakes.first()
            && at <= until
        {
            self.wakes.pop_first();
            self.look(place, at, Moment::Over, cluster);
        }
        self.next_wake = self.wakes.first().map_or(SimTime::MAX, |(at, _)| *at);
    }

    /// Decides an expectation if it can be decided now.
    fn look(&mut self, place: usize, now: SimTime, moment: Moment, cluster: &Cluster) {
        let expectation = &self.expectations[place];
        let state = &mut self.states[place];
        if state.verdict.is_some() {
            return;
        }
        let (begins, ends) = (state.begins, state.ends);
        state.verdict = state.decide(expectation, now, moment, cluster);
        if state.verdict.is_none() && (state.begins, state.ends) != (begins, ends) {
            let (begins, ends) = (state.begins, state.ends);
            if let Some(begins) = begins.filter(|begins| *begins > now) {
                self.wake(begins, place);
            }
            if ends > now {
                self.wake(ends, place);
            }
        }
    }
}

impl Trace for Judge {
    fn delivered(&mut self, now: SimTime, _seq: u64, message: &Message, cluster: &Cluster) {
        // What is delivered now may change what is known of now, but of nothing before.
        if now > self.next_wake {
            self.wake_up(SimTime::from_nanos(now.as_nanos() - 1), cluster);
        }
        match message {
            Message::Call { client: Client::User, id, request } => {
                self.calls.insert(*id, request.about());
            }
            Message::Reply { client: Client::User, id, response: Err(error) } => self.refused(now, *id, error, cluster),
            Message::RuntimeChanged { pod, .. } if self.minds_traffic && !pod.anything_runs() => {
                self.pod_died(now, pod, cluster);
            }
            _ => {}
        }
    }

    fn changed(&mut self, now: SimTime, _cause: u64, change: &Change, cluster: &Cluster) {
        for place in self.note(change) {
            self.look(place, now, Moment::Passing, cluster);
        }
    }
}

impl Atom {
    /// The kind of the objects that it reads.
    pub(super) fn kind(&self) -> Option<Kind> {
        match &self.question {
            Question::Objects { selection, .. } => Some(selection.kind),
            Question::Events { .. } => Some(Kind::Event),
            Question::Refused { .. } | Question::Misrouted { .. } => None,
        }
    }
}

impl Fact {
    /// Whether it holds.
    pub(super) const fn holds(&self) -> bool {
        self.holds
    }

    pub(super) fn new(atom: &Atom) -> Self {
        let mut fact = Self::default();
        fact.settle(atom);
        fact
    }

    /// Takes a change; whether the fact holds may be another matter then.
    pub(super) fn note(&mut self, atom: &Atom, change: &Change) -> bool {
        let object = &change.object;
        let index = object.meta().index;
        match &atom.question {
            Question::Objects { selection, predicate, .. } => {
                let meets =
                    (change.kind != ChangeKind::Deleted && selection.holds(object)).then(|| predicate.accepts(object));
                let had = match meets {
                    Some(meets) => self.objects.insert(index, meets),
                    None => self.objects.remove(&index),
                };
                self.meeting -= usize::from(had == Some(true));
                self.meeting += usize::from(meets == Some(true));
            }
            Question::Events { pattern, .. } => {
                let Object::Event(event) = object else { return false };
                if change.kind == ChangeKind::Deleted || !pattern.accepts(event) {
                    return false;
                }
                let count = event.times();
                let had = self.counts.insert(index, count).unwrap_or(0);
                self.total += i64::from(count) - i64::from(had);
            }
            Question::Refused { .. } | Question::Misrouted { .. } => {}
        }
        let held = self.holds;
        self.settle(atom);
        held != self.holds
    }

    fn settle(&mut self, atom: &Atom) {
        match &atom.question {
            Question::Objects { quantifier, .. } => self.holds = quantifier.accepts(self.meeting, self.objects.len()),
            Question::Events { count, .. } => self.holds = count.accepts(&super::value::Value::Int(self.total)),
            Question::Refused { .. } | Question::Misrouted { .. } => {}
        }
    }

    /// What is the case now, for people.
    fn seen(&self, atom: &Atom, cluster: &Cluster) -> String {
        match &atom.question {
            Question::Objects { selection, predicate, quantifier } => {
                let objects = cluster.objects(selection.kind);
                let objects: Vec<&Object> = objects.iter().filter(|object| selection.holds(object)).collect();
                match (quantifier, objects.as_slice()) {
                    (Quantifier::One, []) => format!("{}: there is no such {}", atom.text, selection.kind),
                    (Quantifier::One, [object, ..]) => {
                        format!("{}: it is {}", atom.text, described(predicate, object))
                    }
                    (_, all) => {
                        let mut all = all.to_vec();
                        let meeting = all.iter().filter(|object| predicate.accepts(object)).count();
                        // Those first that are otherwise than wanted.
                        let odd = matches!(quantifier, Quantifier::None);
                        all.sort_by_key(|object| predicate.accepts(object) != odd);
                        let shown = all
                            .iter()
                            .take(SHOWN)
                            .map(|object| format!("{} {}", object.meta().name, described(predicate, object)));
                        let shown: Vec<String> = shown.collect();
                        let more = if all.len() > SHOWN { ", …" } else { "" };
                        let list =
                            if shown.is_empty() { String::new() } else { format!(" ({}{more})", shown.join(", ")) };
                        format!("{}: {meeting} of {}{list}", atom.text, all.len())
                    }
                }
            }
            Question::Events { .. } => format!("{}: seen {} times", atom.text, self.total),
            Question::Misrouted { .. } if self.holds => format!("{}: {}", atom.text, self.how),
            Question::Misrouted { .. } => format!("{}: no request was", atom.text),
            Question::Refused { .. } if self.holds => format!("{}: it was", atom.text),
            Question::Refused { .. } => format!("{}: it was not", atom.text),
        }
    }
}

/// The values of an object that a predicate looks at.
fn described(predicate: &Predicate, object: &Object) -> String {
    match predicate {
        Predicate::Compare(super::value::Field::Existence, _) => "there".to_owned(),
        Predicate::Compare(field, _) => field.of(object).to_string(),
        Predicate::Not(inner) => described(inner, object),
        Predicate::And(parts) | Predicate::Or(parts) => {
            parts.iter().map(|part| described(part, object)).collect::<Vec<_>>().join("/")
        }
    }
}

impl State {
    fn new(expectation: &Expectation, end: SimTime) -> Self {
        let mut state = Self {
            facts: expectation.atoms.iter().map(Fact::new).collect(),
            begins: None,
            ends: end,
            first: None,
            verdict: None,
        };
        match &expectation.clause {
            Clause::At(_, at) => state.ends = SimTime::ZERO + *at,
            Clause::First(_, _, to) => state.ends = SimTime::ZERO + *to,
            _ => {}
        }
        state
    }

    fn holds(&self, formula: &Formula) -> bool {
        formula.holds(&|atom| self.facts[atom].holds)
    }

    /// Opens the window of an expectation once that is possible; whether it is open now.
    fn opens(&mut self, window: &Window, now: SimTime) -> bool {
        if self.begins.is_none() {
            let anchor = match &window.after {
                None => Some(SimTime::ZERO),
                Some(after) => self.holds(after).then_some(now),
            };
            if let Some(anchor) = anchor {
                let begins = anchor + window.from;
                self.begins = Some(begins);
                let spans = window.within.map(|within| begins + within).into_iter();
                let until = window.until.map(|until| SimTime::ZERO + until);
                self.ends = spans.chain(until).fold(self.ends, SimTime::min);
            }
        }
        self.begins.is_some_and(|begins| begins <= now)
    }

    /// The verdict, if what is known decides.
    fn decide(
        &mut self,
        expectation: &Expectation,
        now: SimTime,
        moment: Moment,
        cluster: &Cluster,
    ) -> Option<Verdict> {
        let end = SimTime::ZERO + cluster.plan().duration;
        let seen = |state: &Self, formula: &Formula| state.explained(expectation, formula, cluster);
        let over = |state: &Self| moment == Moment::Over && now >= state.ends && state.ends < end;
        let verdict = |met: bool, seen: String| {
            let (text, place) = (expectation.text.clone(), expectation.place);
            Some(Verdict { text, place, met, decided_at: now, seen })
        };
        match &expectation.clause {
            Clause::Eventually(formula, window) => {
                let open = self.opens(window, now);
                if open && self.holds(formula) && now <= self.ends {
                    return verdict(true, String::new());
                }
                if open && over(self) { verdict(false, seen(self, formula)) } else { None }
            }
            Clause::Always(formula, window) => {
                let open = self.opens(window, now);
                if open && !self.holds(formula) && now <= self.ends {
                    return verdict(false, seen(self, formula));
                }
                if open && over(self) { verdict(true, String::new()) } else { None }
            }
            Clause::Never(formula, window) => {
                let open = self.opens(window, now);
                if open && self.holds(formula) && now <= self.ends {
                    return verdict(false, seen(self, formula));
                }
                if open && over(self) { verdict(true, String::new()) } else { None }
            }
            Clause::At(formula, _) if over(self) => {
                let met = self.holds(formula);
                verdict(met, if met { String::new() } else { seen(self, formula) })
            }
            Clause::First(formula, from, _) => {
                if self.holds(formula) && now <= self.ends {
                    let met = now >= SimTime::ZERO + *from;
                    let early = format!("it held already at {now}");
                    return verdict(met, if met { String::new() } else { early });
                }
                if over(self) { verdict(false, seen(self, formula)) } else { None }
            }
            Clause::Before(first, second) => {
                if self.first.is_none() && self.holds(first) {
                    self.first = Some(now);
                }
                if !self.holds(second) {
                    return None;
                }
                let met = self.first.is_some();
                verdict(met, if met { String::new() } else { format!("the second came first; {}", seen(self, first)) })
            }
            Clause::At(..) | Clause::End(_) => None,
        }
    }

    /// The verdict at the end of the run.
    fn last_word(&self, expectation: &Expectation, end: SimTime, cluster: &Cluster) -> Verdict {
        let explained = |formula: &Formula| self.explained(expectation, formula, cluster);
        let (met, seen) = match &expectation.clause {
            Clause::Eventually(formula, window) | Clause::Always(formula, window) | Clause::Never(formula, window)
                if self.begins.is_none() =>
            {
                let after = window.after.as_ref().unwrap_or(formula);
                (false, format!("its window never began: {}", explained(after)))
            }
            Clause::Always(..) | Clause::Never(..) => (true, String::new()),
            Clause::Eventually(formula, _) | Clause::First(formula, ..) => (false, explained(formula)),
            Clause::Before(first, second) => match self.first {
                None => (false, format!("neither came; {}", explained(first))),
                Some(_) => (false, format!("the second never came; {}", explained(second))),
            },
            Clause::At(formula, _) | Clause::End(formula) => {
                let met = self.holds(formula);
                (met, if met { String::new() } else { explained(formula) })
            }
        };
        Verdict { text: expectation.text.clone(), place: expectation.place, met, decided_at: end, seen }
    }

    /// What is the case instead of a formula.
    fn explained(&self, expectation: &Expectation, formula: &Formula, cluster: &Cluster) -> String {
        let mut atoms = Vec::new();
        formula.atoms(&mut atoms);
        let texts = atoms.into_iter().map(|atom| self.facts[atom].seen(&expectation.atoms[atom], cluster));
        texts.collect::<Vec<_>>().join("; ")
    }
}
