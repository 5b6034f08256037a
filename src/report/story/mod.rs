//! The record read as a story: what became of each pod, each container and each node, as spans of time.
//!
//! Everything that is drawn or counted is made from this. A container runs and ends when its runtime says so; why it
//! waits is what the API says, because nobody else knows; whether it is ready is what the API says, because that is
//! what others act on.

mod container;
mod faults;
mod milestones;
mod pod;
mod traffic;

pub use container::{ContainerLife, Look, Mark, MarkKind};
pub use faults::FaultLife;
pub use milestones::Milestones;
pub use pod::{PodLife, Said};
pub use traffic::{PodTraffic, Requests, TrafficLife};

use crate::api::Name;
use crate::engine::{SimDuration, SimTime};
use crate::trace::{FactId, FactKind, TraceRecord};
use std::collections::BTreeMap;

/// Something that was so for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span<T> {
    /// From when on.
    pub from: SimTime,
    /// Until when; the end of the record if it lasts.
    pub to: SimTime,
    /// What was so.
    pub what: T,
    /// What made it so.
    pub fact: FactId,
}

impl<T> Span<T> {
    /// How long it was so.
    pub const fn lasts(&self) -> SimDuration {
        self.to.since(self.from)
    }
}

/// Spans that follow each other without overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Track<T> {
    spans: Vec<Span<T>>,
    open: Option<(SimTime, T, FactId)>,
}

impl<T> Default for Track<T> {
    fn default() -> Self {
        Self { spans: Vec::new(), open: None }
    }
}

impl<T: Copy + PartialEq> Track<T> {
    /// From now on this is so, or nothing is.
    fn set(&mut self, now: SimTime, what: Option<T>, fact: FactId) {
        if self.open.map(|(_, what, _)| what) == what {
            return;
        }
        if let Some((from, what, fact)) = self.open.take()
            && from < now
        {
            self.spans.push(Span { from, to: now, what, fact });
        }
        self.open = what.map(|what| (now, what, fact));
    }

    fn finish(mut self, end: SimTime) -> Vec<Span<T>> {
        if let Some((from, what, fact)) = self.open.take() {
            self.spans.push(Span { from, to: end, what, fact });
        }
        self.spans
    }
}

/// What became of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeLife {
    /// Its name.
    pub name: Name,
    /// When it was ready, and when it was there without being so.
    pub ready: Vec<Span<bool>>,
    /// When it took no new pods.
    pub cordoned: Vec<Span<()>>,
}

/// Everything that became of a run's pods and nodes.
#[derive(Debug, Clone)]
pub struct Story {
    /// The nodes, in the order in which they joined.
    pub nodes: Vec<NodeLife>,
    /// The pods, in the order in which they were created; each incarnation of a name by itself.
    pub pods: Vec<PodLife>,
    /// What users and fate did: the fact, when, and in words.
    pub actions: Vec<(FactId, SimTime, String)>,
    /// What was broken, in the order in which it first was.
    pub faults: Vec<FaultLife>,
    /// Whoever sent requests, and what became of them.
    pub traffic: Vec<TrafficLife>,
    /// When the record ends.
    pub end: SimTime,
}

impl Story {
    /// Reads a record.
    pub fn of(record: &TraceRecord) -> Self {
        let mut reader = Reader::default();
        for (id, fact) in record.iter() {
            match fact.kind {
                FactKind::Action if fact.cause().is_none() => reader.actions.push((id, fact.time, action(record, id))),
                FactKind::Action => reader.faults.saw(record, id, fact),
                FactKind::Change => reader.changed(record, id),
                _ => {
                    if let Some(pod) = fact.subject().and_then(|subject| reader.places.get(&subject.index())) {
                        reader.pods[*pod].saw(id, fact);
                    }
                }
            }
        }
        reader.finish(record)
    }

    /// The pods of a node in order of their creation; those that were never bound have the empty name.
    pub fn pods_on(&self, node: Name) -> impl Iterator<Item = &PodLife> {
        self.pods.iter().filter(move |pod| pod.node == node)
    }
}

/// What somebody did, in words.
fn action(record: &TraceRecord, id: FactId) -> String {
    let fact = record.fact(id);
    let verb = super::why::words(fact.what);
    fact.subject().map_or_else(|| verb.clone(), |subject| format!("{verb} {}", record.subject(subject)))
}

#[derive(Default)]
struct Reader {
    nodes: Vec<NodeTracks>,
    pods: Vec<pod::Builder>,
    /// The place of each pod, by its subject.
    places: BTreeMap<usize, usize>,
    /// The newest pod of each name, for events.
    newest: BTreeMap<(Name, Name), usize>,
    actions: Vec<(FactId, SimTime, String)>,
    faults: faults::Reader,
    traffic: traffic::Reader,
}

struct NodeTracks {
    name: Name,
    ready: Track<bool>,
    cordoned: Track<()>,
}

impl Reader {
    fn changed(&mut self, record: &TraceRecord, id: FactId) {
        let fact = record.fact(id);
        let Some(subject) = fact.subject() else { return };
        if let Some(view) = fact.pod() {
            let place = *self.places.entry(subject.index()).or_insert_with(|| {
                self.pods.push(pod::Builder::new(subject, record.subject(subject), fact.time));
                self.pods.len() - 1
            });
            let subject = record.subject(subject);
            self.newest.insert((subject.namespace, subject.name), place);
            self.pods[place].changed(id, fact, &view);
        } else if let Some(view) = fact.event() {
            let about = (view.about_namespace, view.about_name);
            if view.about_kind == "Pod"
                && !fact.is_deleted()
                && let Some(place) = self.newest.get(&about)
            {
                self.pods[*place].said(id, fact.time, view);
            }
        } else if let Some(view) = fact.node() {
            let name = record.subject(subject).name;
            let place = self.nodes.iter().position(|node| node.name == name).unwrap_or_else(|| {
                self.nodes.push(NodeTracks { name, ready: Track::default(), cordoned: Track::default() });
                self.nodes.len() - 1
            });
            let node = &mut self.nodes[place];
            let there = !fact.is_deleted();
            node.ready.set(fact.time, there.then(|| view.is_ready()), id);
            node.cordoned.set(fact.time, (there && view.unschedulable).then_some(()), id);
        } else if record.subject(subject).kind == "Traffic" {
            self.traffic.changed(record.subject(subject), fact);
        }
    }

    fn finish(self, record: &TraceRecord) -> Story {
        let end = record.end();
        let nodes = self.nodes.into_iter().map(|node| NodeLife {
            name: node.name,
            ready: node.ready.finish(end),
            cordoned: node.cordoned.finish(end),
        });
        let pods: Vec<PodLife> = self.pods.into_iter().map(|pod| pod.finish(end)).collect();
        let (traffic, faults) = (self.traffic.finish(&pods, end), self.faults.finish(end));
        Story { nodes: nodes.collect(), traffic, pods, faults, actions: self.actions, end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::test_run::crash_loop;

    #[test]
    fn spans_of_a_track_meet_and_do_not_repeat() {
        let at = SimTime::from_secs;
        let mut track = Track::default();
        for (second, what) in
            [(1, Some('a')), (2, Some('a')), (3, Some('b')), (3, Some('c')), (5, None), (6, Some('a'))]
        {
            track.set(at(second), what, FactId::BOOT);
        }
        let spans: Vec<(u64, u64, char)> = track
            .finish(at(9))
            .iter()
            .map(|span| (span.from.as_millis() / 1000, span.to.as_millis() / 1000, span.what))
            .collect();
        assert_eq!(spans, [(1, 3, 'a'), (3, 5, 'c'), (6, 9, 'a')]);
    }

    #[test]
    fn a_crash_loop_is_a_staircase_of_back_offs() {
        let story = Story::of(&crash_loop());
        let pod = story.pods.iter().find(|pod| pod.name == "crash").expect("the pod is there");
        let container = &pod.containers[0];
        let runs = container.spans.iter().filter(|span| matches!(span.what, Look::Running { .. }));
        assert!(runs.clone().all(|run| run.lasts() == SimDuration::from_secs(3)), "{runs:?}");
        let waits: Vec<u64> = container
            .spans
            .iter()
            .filter(|span| span.what == Look::Waiting(Name::new("CrashLoopBackOff")))
            .map(|span| span.lasts().as_secs())
            .collect();
        assert!(waits.windows(2).all(|pair| pair[0] < pair[1]), "{waits:?}");
        assert_eq!(pod.restarts as usize, runs.count() - 1);
    }

    #[test]
    fn milestones_come_in_order() {
        let story = Story::of(&crash_loop());
        for pod in &story.pods {
            let stones: Vec<SimTime> = pod.milestones.in_order().into_iter().filter_map(|(_, at)| at).collect();
            assert!(stones.is_sorted(), "{} {stones:?}", pod.name);
            assert!(stones.len() >= 5, "{} {stones:?}", pod.name);
        }
    }
}
