//! `summary.json`: what was run, from what, and what it came to.

use super::artifacts::RunFacts;
use super::story::{PodTraffic, Story, TrafficLife};
use crate::trace::{FactKind, TraceRecord};
use serde::Serialize;
use std::collections::BTreeMap;

/// Changes when a field changes its meaning or goes.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Summary<'a> {
    schema: u32,
    version: &'static str,
    kubernetes: &'static str,
    title: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    command: &'a str,
    seed: u64,
    digest: String,
    inputs: Vec<InputLine<'a>>,
    virtual_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    wall_ms: Option<f64>,
    counts: Counts,
    outcomes: BTreeMap<&'static str, usize>,
    events: BTreeMap<&'static str, u32>,
    checks: Vec<CheckLine<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    traffic: Vec<TrafficLine>,
    notes: &'a [String],
}

#[derive(Serialize)]
struct InputLine<'a> {
    path: &'a str,
    blake3: &'a str,
}

#[derive(Serialize)]
struct CheckLine<'a> {
    what: &'a str,
    held: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    note: &'a str,
}

/// What became of a sender's requests; numbers are whole requests.
#[derive(Serialize)]
struct TrafficLine {
    namespace: &'static str,
    name: &'static str,
    service: &'static str,
    requests: u64,
    retries: u64,
    served: u64,
    failed: u64,
    late: u64,
    refused: u64,
    pods: BTreeMap<&'static str, PodLine>,
}

#[derive(Serialize)]
struct PodLine {
    requests: u64,
    while_terminating: u64,
}

impl TrafficLine {
    fn of(life: &TrafficLife) -> Self {
        let whole = |requests: f64| requests.round() as u64;
        let (total, pod) = (&life.total, |part: &PodTraffic| PodLine {
            requests: whole(part.requests),
            while_terminating: whole(part.while_terminating),
        });
        Self {
            namespace: life.namespace.as_str(),
            name: life.name.as_str(),
            service: life.service.as_str(),
            requests: whole(total.sent),
            retries: whole(total.again),
            served: whole(total.served),
            failed: whole(total.failed()),
            late: whole(total.late),
            refused: whole(total.refused),
            pods: life.pods.iter().map(|(name, part)| (name.as_str(), pod(part))).collect(),
        }
    }
}

#[derive(Serialize, Default)]
struct Counts {
    facts: usize,
    messages: usize,
    changes: usize,
    nodes: usize,
    pods: usize,
    containers: usize,
    restarts: u32,
    warnings: u32,
}

/// The summary as JSON; its fields are always in the same order.
pub fn json(record: &TraceRecord, story: &Story, facts: &RunFacts) -> Vec<u8> {
    let mut outcomes = BTreeMap::new();
    let mut events = BTreeMap::new();
    let changes = record.changes().count();
    let mut counts = Counts {
        facts: record.facts().len(),
        messages: record.facts().iter().filter(|fact| is_message(fact.kind)).count(),
        changes,
        nodes: story.nodes.len(),
        pods: story.pods.len(),
        ..Counts::default()
    };
    for pod in &story.pods {
        counts.containers += pod.containers.len();
        counts.restarts += pod.restarts;
        *outcomes.entry(pod.outcome()).or_default() += 1;
        for said in &pod.events {
            counts.warnings += u32::from(said.warning);
            *events.entry(said.reason.as_str()).or_default() += 1;
        }
    }
    let summary = Summary {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        kubernetes: "v1.36",
        title: &facts.title,
        description: &facts.description,
        command: &facts.command,
        seed: facts.seed,
        digest: facts.digest.to_string(),
        inputs: facts.inputs.iter().map(|input| InputLine { path: &input.path, blake3: &input.hash }).collect(),
        virtual_ms: record.end().as_millis(),
        wall_ms: facts.wall.map(|wall| (wall.as_secs_f64() * 1e6).round() / 1e3),
        counts,
        outcomes,
        events,
        checks: facts
            .checks
            .iter()
            .map(|check| CheckLine { what: &check.what, held: check.held, note: &check.note })
            .collect(),
        traffic: story.traffic.iter().map(TrafficLine::of).collect(),
        notes: &facts.notes,
    };
    let mut bytes = serde_json::to_vec_pretty(&summary).expect("plain data");
    bytes.push(b'\n');
    bytes
}

const fn is_message(kind: FactKind) -> bool {
    !matches!(kind, FactKind::Boot | FactKind::End | FactKind::Change)
}
