//! What became of requests: how many were sent, answered and not, and which pods got them while they were on their way
//! out.
//!
//! Senders show whole requests a second, and whom they deal them out to; between two showings nothing changes.

use super::PodLife;
use crate::api::Name;
use crate::engine::{SimDuration, SimTime};
use crate::trace::{Fact, Subject};
use serde_json::Value;
use std::collections::BTreeMap;

/// Requests: in a second, or in all.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Requests {
    /// Sent, those included that were sent again.
    pub sent: f64,
    /// Sent again.
    pub again: f64,
    /// Answered in time.
    pub served: f64,
    /// Answered too late for whoever asked.
    pub late: f64,
    /// Refused, or left without an answer.
    pub refused: f64,
}

impl Requests {
    /// Those that did not get what they asked for in time.
    pub fn failed(&self) -> f64 {
        self.late + self.refused
    }

    fn add(&mut self, rate: &Self, seconds: f64) {
        self.sent += rate.sent * seconds;
        self.again += rate.again * seconds;
        self.served += rate.served * seconds;
        self.late += rate.late * seconds;
        self.refused += rate.refused * seconds;
    }
}

/// The part of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PodTraffic {
    /// Requests that were sent to it.
    pub requests: f64,
    /// Those of them that were sent while it was being deleted.
    pub while_terminating: f64,
}

/// What became of a sender's requests.
#[derive(Debug, Clone, PartialEq)]
pub struct TrafficLife {
    /// The sender's namespace.
    pub namespace: Name,
    /// What the sender is called.
    pub name: Name,
    /// The Service that is asked.
    pub service: Name,
    /// How many in a second, from each moment on.
    pub rates: Vec<(SimTime, Requests)>,
    /// How many in all.
    pub total: Requests,
    /// By pod.
    pub pods: BTreeMap<Name, PodTraffic>,
}

/// What a sender showed, from a moment on.
#[derive(Debug, Clone)]
struct Shown {
    at: SimTime,
    rate: Requests,
    pods: Vec<Name>,
}

/// What all senders showed.
#[derive(Debug, Clone, Default)]
pub(super) struct Reader {
    senders: BTreeMap<(Name, Name), (Name, Vec<Shown>)>,
}

impl Reader {
    pub(super) fn changed(&mut self, subject: &Subject, fact: &Fact) {
        let Some(object) = fact.object() else { return };
        let status = &object["status"];
        let number = |field: &str| status[field].as_f64().unwrap_or(0.0);
        let again = number("retries");
        let rate = Requests {
            sent: number("requests") + again,
            again,
            served: number("goodput"),
            late: number("late"),
            refused: number("refused"),
        };
        let pods = status["pods"].as_array().into_iter().flatten().filter_map(Value::as_str).map(Name::new).collect();
        let sender = self.senders.entry((subject.namespace, subject.name)).or_default();
        sender.0 = Name::new(status["service"].as_str().unwrap_or_default());
        sender.1.push(Shown { at: fact.time, rate, pods });
    }

    pub(super) fn finish(self, pods: &[PodLife], end: SimTime) -> Vec<TrafficLife> {
        let life = |((namespace, name), (service, shown)): ((Name, Name), (Name, Vec<Shown>))| {
            let (mut total, mut by_pod) = (Requests::default(), BTreeMap::<Name, PodTraffic>::new());
            for (place, now) in shown.iter().enumerate() {
                let until = shown.get(place + 1).map_or(end, |next| next.at).max(now.at);
                total.add(&now.rate, until.since(now.at).as_secs_f64());
                let each = now.rate.sent / now.pods.len().max(1) as f64;
                for pod in &now.pods {
                    let part = by_pod.entry(*pod).or_default();
                    part.requests += each * until.since(now.at).as_secs_f64();
                    part.while_terminating += each * terminating(pods, namespace, *pod, now.at, until).as_secs_f64();
                }
            }
            let rates = shown.iter().map(|shown| (shown.at, shown.rate)).collect();
            TrafficLife { namespace, name, service, rates, total, pods: by_pod }
        };
        self.senders.into_iter().map(life).collect()
    }
}

/// For how long of a span a pod was being deleted.
fn terminating(pods: &[PodLife], namespace: Name, name: Name, from: SimTime, until: SimTime) -> SimDuration {
    let of_it = pods.iter().filter(|pod| pod.name == name && pod.namespace == namespace);
    let spans = of_it.flat_map(|pod| &pod.terminating);
    let parts = spans.map(|span| until.min(span.to).since(from.max(span.from).min(until.min(span.to))));
    parts.fold(SimDuration::ZERO, |sum, part| sum + part)
}
