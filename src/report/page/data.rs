//! The story as the page's script reads it: short arrays, times in milliseconds, texts by number.

use crate::api::{FastMap, Name};
use crate::engine::SimTime;
use crate::report::palette::Tone;
use crate::report::story::{ContainerLife, FaultLife, MarkKind, PodLife, Span, Story};
use crate::report::timeline::{split, words};
use crate::report::why::Why;
use crate::trace::{FactId, TraceRecord};
use serde_json::{Value, json};

/// So many causes are on the page; a larger run explains its first pods here and all of them by `podsim trace why`.
const CAUSES: usize = 150_000;
/// What stands in a text for the name of what it is about.
const NAME: &str = "\u{1}";

/// The story, compact.
pub fn json(record: &TraceRecord, story: &Story) -> String {
    let mut writer = Writer { texts: Texts::default(), causes: Causes::new(record) };
    let pods: Vec<Value> = story.pods.iter().map(|pod| writer.pod(pod, story)).collect();
    let actions: Vec<Value> =
        story.actions.iter().map(|(fact, at, what)| json!([ms(*at), what, writer.why(*fact)])).collect();
    let nodes: Vec<Value> = story
        .nodes
        .iter()
        .map(|node| {
            let down = node.ready.iter().filter(|span| !span.what).map(|span| json!([ms(span.from), ms(span.to)]));
            let cordoned = node.cordoned.iter().map(|span| json!([ms(span.from), ms(span.to)]));
            let (down, cordoned) = (down.collect::<Vec<_>>(), cordoned.collect::<Vec<_>>());
            json!({"name": node.name.as_str(), "down": down, "cordoned": cordoned})
        })
        .collect();
    let faults: Vec<Value> = story.faults.iter().map(|fault| writer.fault(fault)).collect();
    let Writer { texts, causes } = writer;
    json!({"end": ms(story.end), "nodes": nodes, "faults": faults, "pods": pods, "actions": actions, "texts": texts.list,
        "why": causes.rows})
    .to_string()
}

struct Writer<'a> {
    texts: Texts,
    causes: Causes<'a>,
}

impl Writer<'_> {
    /// A fault, its strikes as spans of no tone.
    fn fault(&mut self, fault: &FaultLife) -> Value {
        let strike = |strike: &Span<Option<Name>>| {
            let on = strike.what.map_or_else(|| "strikes".to_owned(), |node| format!("strikes {node}"));
            let (text, why) = (self.texts.put(&on), self.why(strike.fact));
            json!([ms(strike.from), ms(strike.to), Value::Null, text, why])
        };
        json!({"name": fault.name.as_str(), "s": fault.strikes.iter().map(strike).collect::<Vec<_>>()})
    }

    fn pod(&mut self, pod: &PodLife, story: &Story) -> Value {
        let node = story.nodes.iter().position(|node| node.name == pod.node);
        let mut phases = Vec::new();
        for (span, ready) in split(&pod.phases, &pod.ready) {
            let text = if ready { "Running and ready" } else { span.what.as_str() };
            phases.push(self.span(&span, Tone::of_phase(span.what.as_str(), ready), text));
        }
        let containers: Vec<Value> = pod.containers.iter().map(|container| self.container(container)).collect();
        let mut events = Vec::new();
        for said in &pod.events {
            let (reason, message) = (self.texts.put(said.reason.as_str()), self.texts.about(&said.message, &pod.name));
            let why = self.why(said.fact);
            events.push(json!([ms(said.at), u8::from(said.warning), reason, message, why, said.count]));
        }
        let stages: Vec<Value> =
            pod.milestones.all().iter().map(|(_, at)| at.map_or(Value::Null, |at| ms(at).into())).collect();
        let terminating: Vec<Value> = pod.terminating.iter().map(|span| json!([ms(span.from), ms(span.to)])).collect();
        json!({"k": pod.key(), "n": node, "s": pod.status(), "r": pod.restarts, "p": phases, "c": containers,
            "e": events, "m": stages, "t": terminating})
    }

    fn container(&mut self, container: &ContainerLife) -> Value {
        let mut spans = Vec::new();
        for (span, ready) in split(&container.spans, &container.ready) {
            let text = words(span.what, ready);
            spans.push(self.span(&span, Tone::of_look(span.what, ready), &text));
        }
        let marks: Vec<Value> = container
            .marks
            .iter()
            .map(|mark| {
                let shape = match mark.kind {
                    MarkKind::ReadinessFailed => 0,
                    MarkKind::LivenessFailed | MarkKind::StartupFailed => 1,
                    MarkKind::OomKilled => 2,
                    MarkKind::Failed => 3,
                };
                json!([ms(mark.at), shape, self.texts.put(&mark.text)])
            })
            .collect();
        json!({"n": container.name.as_str(), "o": format!("{:?}", container.role), "s": spans, "m": marks})
    }

    fn span<T: Copy>(&mut self, span: &Span<T>, tone: Tone, text: &str) -> Value {
        json!([ms(span.from), ms(span.to), tone as u8, self.texts.put(text), self.why(span.fact)])
    }

    /// The row of the causes of a fact; −1 if the page has no room for more.
    fn why(&mut self, fact: FactId) -> i64 {
        self.causes.row(fact, &mut self.texts)
    }
}

/// Texts, each once.
#[derive(Default)]
struct Texts {
    list: Vec<String>,
    places: FastMap<String, usize>,
}

impl Texts {
    /// A text about something, with a place for its name: what is said of thousands of pods is kept once.
    fn about(&mut self, text: &str, name: &str) -> usize {
        if name.is_empty() { self.put(text) } else { self.put(&text.replace(name, NAME)) }
    }

    fn put(&mut self, text: &str) -> usize {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        self.list.push(text.to_owned());
        self.places.insert(text.to_owned(), self.list.len() - 1);
        self.list.len() - 1
    }
}

/// Causes as rows: when, who, what, the row of the cause, and the name of what it is about; chains share what they have
/// in common.
struct Causes<'a> {
    record: &'a TraceRecord,
    why: Why<'a>,
    rows: Vec<Value>,
    known: FastMap<FactId, i64>,
}

impl<'a> Causes<'a> {
    fn new(record: &'a TraceRecord) -> Self {
        Self { record, why: Why::of(record), rows: Vec::new(), known: FastMap::default() }
    }

    fn row(&mut self, fact: FactId, texts: &mut Texts) -> i64 {
        let mut waiting = Vec::new();
        let mut at = Some(fact);
        let mut parent = -1;
        while let Some(id) = at {
            if let Some(row) = self.known.get(&id) {
                parent = *row;
                break;
            }
            waiting.push(id);
            at = self.why.nearest(id);
        }
        if self.rows.len() + waiting.len() > CAUSES {
            return -1;
        }
        for id in waiting.into_iter().rev() {
            let told = self.record.fact(id);
            let who = texts.put(&self.record.actor(told.actor));
            let told_of = told.subject().map(|subject| self.record.subject(subject).name);
            let row = match told_of.filter(|name| !name.is_empty()) {
                Some(name) => {
                    let what = texts.about(&self.why.told(id), &name);
                    json!([ms(told.time), who, what, parent, texts.put(&name)])
                }
                None => json!([ms(told.time), who, texts.put(&self.why.told(id)), parent]),
            };
            self.rows.push(row);
            parent = i64::try_from(self.rows.len()).expect("a small number") - 1;
            self.known.insert(id, parent);
        }
        parent
    }
}

/// Milliseconds with microseconds behind the point.
fn ms(at: SimTime) -> f64 {
    (at.as_nanos() / 1_000) as f64 / 1e3
}
