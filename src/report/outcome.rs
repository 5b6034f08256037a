//! What a run came to, as one JSON object: pods as kubectl shows them, the status of everything else, and the events.

use super::kubectl::PodSummary;
use crate::api::{Kind, Object, render};
use crate::engine::SimTime;
use crate::scenario::expect::Verdict;
use crate::trace::{Refused, ToldEvent};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What `podsim run --json` prints.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Outcome {
    /// The digest of the trace, unless nothing was traced.
    pub digest: Option<String>,
    /// The version of podsim.
    pub version: &'static str,
    /// The seed.
    pub seed: u64,
    /// The instant that is shown.
    pub now_ms: u64,
    /// Pods by namespace and name.
    pub pods: Vec<PodLine>,
    /// Everything else that has a name, by resource: `deployments.apps`.
    pub objects: BTreeMap<String, Vec<ObjectLine>>,
    /// Events in order of their first telling.
    pub events: Vec<EventLine>,
    /// Containers whose behaviour nobody described.
    pub assumed: Vec<Assumed>,
    /// Fields and kinds that change nothing.
    pub no_effect: Vec<String>,
    /// Namespaces that were made because objects name them.
    pub namespaces: Vec<String>,
    /// What the server refused.
    pub refused: Vec<RefusedLine>,
    /// What became of the expectations.
    pub expectations: Vec<ExpectationLine>,
}

/// A pod.
#[derive(Debug, Clone, Serialize)]
pub struct PodLine {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The READY column.
    pub ready: String,
    /// The STATUS column.
    pub status: String,
    /// How often its containers were restarted.
    pub restarts: i64,
    /// Its node, or nothing.
    pub node: String,
    /// `status.phase`.
    pub phase: String,
    /// `status.reason`.
    pub reason: String,
    /// `status.qosClass`.
    pub qos_class: String,
}

/// An object that is no pod.
#[derive(Debug, Clone, Serialize)]
pub struct ObjectLine {
    /// Its namespace, or nothing.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its status, as `kubectl get -o json` prints it.
    pub status: Value,
}

/// An event.
#[derive(Debug, Clone, Serialize)]
pub struct EventLine {
    /// When it was first told.
    pub t_ms: u64,
    /// `Normal` or `Warning`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Why, in one word.
    pub reason: String,
    /// What it is about: `Pod/default/web`.
    pub object: String,
    /// Why, for people.
    pub message: String,
    /// How often it was told.
    pub count: u32,
}

/// A container whose behaviour nobody described.
#[derive(Debug, Clone, Serialize)]
pub struct Assumed {
    /// Which: `namespace/pod/container`, `*` where a name is generated.
    pub container: String,
    /// What it does.
    pub model: String,
}

/// Something that was refused.
#[derive(Debug, Clone, Serialize)]
pub struct RefusedLine {
    /// What it was about.
    pub object: String,
    /// The server's words.
    pub message: String,
}

/// An expectation and its verdict.
#[derive(Debug, Clone, Serialize)]
pub struct ExpectationLine {
    /// As it was written.
    pub text: String,
    /// Where: `file:line:column`.
    pub place: String,
    /// Whether it was met.
    pub met: bool,
    /// When that was decided.
    pub decided_at_ms: u64,
    /// What was seen instead.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub seen: String,
}

impl Outcome {
    /// The part that the objects of an instant tell.
    pub fn of(now: SimTime, objects: impl IntoIterator<Item = Object>) -> Self {
        let mut outcome = Self { now_ms: now.as_millis(), version: env!("CARGO_PKG_VERSION"), ..Self::default() };
        for object in objects {
            match object.kind() {
                Kind::Pod => outcome.pods.push(PodLine::of(&render(&object))),
                Kind::Event => {}
                _ => outcome.objects.entry(resource(&object)).or_default().push(ObjectLine::of(&object)),
            }
        }
        outcome
    }

    /// With events.
    #[must_use]
    pub fn with_events(mut self, events: &[ToldEvent]) -> Self {
        self.events = events.iter().map(EventLine::of).collect();
        self
    }

    /// With what was refused during the run.
    #[must_use]
    pub fn with_refused(mut self, refused: &[Refused]) -> Self {
        let line = |refused: &Refused| RefusedLine { object: refused.object.clone(), message: refused.message.clone() };
        self.refused.extend(refused.iter().map(line));
        self
    }

    /// With the verdicts on expectations.
    #[must_use]
    pub fn with_verdicts(mut self, verdicts: &[Verdict]) -> Self {
        let line = |verdict: &Verdict| ExpectationLine {
            text: verdict.text.clone(),
            place: verdict.place.to_string(),
            met: verdict.met,
            decided_at_ms: verdict.decided_at.as_millis(),
            seen: verdict.seen.clone(),
        };
        self.expectations = verdicts.iter().map(line).collect();
        self
    }
}

impl PodLine {
    fn of(pod: &Value) -> Self {
        let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let summary = PodSummary::of(pod);
        Self {
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
            ready: format!("{}/{}", summary.ready, summary.total),
            restarts: summary.restarts.count(),
            status: summary.status,
            node: text("/spec/nodeName"),
            phase: text("/status/phase"),
            reason: text("/status/reason"),
            qos_class: text("/status/qosClass"),
        }
    }
}

impl ObjectLine {
    fn of(object: &Object) -> Self {
        let meta = object.meta();
        let status =
            render(object).get_mut("status").map(Value::take).unwrap_or_else(|| Value::Object(Default::default()));
        Self { namespace: meta.namespace.to_string(), name: meta.name.to_string(), status }
    }
}

impl EventLine {
    fn of(told: &ToldEvent) -> Self {
        let event = &told.event;
        let about = &event.involved;
        let namespace = if about.namespace.is_empty() { String::new() } else { format!("{}/", about.namespace) };
        Self {
            t_ms: told.at.as_millis(),
            kind: event.kind.to_string(),
            reason: event.reason.to_string(),
            object: format!("{}/{namespace}{}", about.kind, about.name),
            message: event.message.to_string(),
            count: event.times(),
        }
    }
}

/// The resource of an object, as the server names it in errors: `pods`, `deployments.apps`.
fn resource(object: &Object) -> String {
    let (api_version, kind) = (object.api_version(), object.kind_name());
    super::kubectl::qualified_resource(&api_version, &kind).unwrap_or_else(|| {
        let group = api_version.split_once('/').map(|(group, _)| format!(".{group}")).unwrap_or_default();
        format!("{}s{group}", kind.to_lowercase())
    })
}
