//! What senders show: an object of a kind of our own, which is in no store, for expectations and the trace.

use super::client::Flow;
use super::rate::WHOLE;
use crate::api::{Metadata, Name, Object, Other, Text, names};
use serde_json::json;
use std::sync::Arc;

names! {
    TRAFFIC = "Traffic";
}

const API_VERSION: &str = "podsim.dev/v1";

/// Where a sender's requests go: the Service, how many of its endpoints answer, and the pods that all are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Destination {
    pub(super) service: Name,
    pub(super) answering: usize,
    pub(super) pods: Vec<Name>,
}

/// What a sender shows: whole requests a second, how long answers took, and whom they are dealt out to, in equal parts.
pub(super) fn object(name: Name, namespace: Name, place: usize, flow: &Flow, to: &Destination) -> Object {
    let whole = |requests: i64| (requests + WHOLE / 2) / WHOLE;
    let outcome = &flow.outcome;
    let source = json!({"status": {
        "requests": whole(flow.fresh),
        "retries": whole(flow.again),
        "goodput": whole(outcome.good),
        "late": whole(outcome.late),
        "refused": whole(outcome.refused),
        "latencyMilliseconds": outcome.latency.as_millis(),
        "endpoints": to.answering,
        "service": to.service,
        "pods": to.pods,
    }});
    // Its number is that of no object in the store.
    let index = u32::MAX - u32::try_from(place).expect("fewer than 2^32 senders");
    let meta = Metadata { name, namespace, index, ..Metadata::default() };
    let source = Text::from(source.to_string());
    Object::Other(Arc::new(Other { meta, api_version: Name::new(API_VERSION), kind: *TRAFFIC, source }))
}

/// The object with newer numbers, if they are others.
pub(super) fn newer(shown: &Object, place: usize, flow: &Flow, to: &Destination) -> Option<Object> {
    let meta = shown.meta();
    let new = object(meta.name, meta.namespace, place, flow, to);
    (new != *shown).then_some(new)
}
