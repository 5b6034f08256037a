//! One recording, as it is compared: what a watcher saw of each pod, what the runtime was asked, what was told.

use super::names::{Names, Words, text};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Kinds whose status is compared.
const WORKLOADS: [&str; 10] = [
    "deployment",
    "replicaset",
    "job",
    "statefulset",
    "daemonset",
    "cronjob",
    "poddisruptionbudget",
    "endpointslice",
    "persistentvolumeclaim",
    "resourcequota",
];
/// Fields of a status that differ from run to run.
const NOISY: [&str; 9] = [
    "startTime",
    "completionTime",
    "lastScheduleTime",
    "lastSuccessfulTime",
    "currentRevision",
    "updateRevision",
    "uncountedTerminatedPods",
    "collisionCount",
    "conditions",
];

/// Something that was seen, and when, in milliseconds.
pub(super) type Seen = (f64, String);
/// Calls by container, in order of time.
pub(super) type Calls = BTreeMap<String, Vec<Seen>>;

/// One recording.
#[derive(Debug, Clone, Default)]
pub struct Story {
    /// Pods in the order in which they were first seen.
    pods: Vec<Pod>,
    calls: BTreeMap<String, Calls>,
    /// When commands were run: by pod, container, run and command.
    pub(super) execs: BTreeMap<[String; 4], Vec<f64>>,
    events: BTreeMap<[String; 6], BTreeMap<String, u64>>,
    pub(super) workloads: BTreeMap<(String, String), Vec<Seen>>,
}

#[derive(Debug, Clone)]
struct Pod {
    key: String,
    name: String,
    views: Vec<Seen>,
}

/// What is known of one pod.
#[derive(Debug, Clone, Copy)]
pub(super) struct PodStory<'a> {
    pub(super) views: &'a [Seen],
    pub(super) calls: Option<&'a Calls>,
}

impl Story {
    /// Reads the lines of a recording.
    ///
    /// # Errors
    /// The line that is not JSON, and why.
    pub fn read<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let mut values = Vec::new();
        for (number, line) in lines.enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let value: Value = serde_json::from_str(line).map_err(|error| format!("{}: {error}", number + 1))?;
            values.push(value);
        }
        let (names, words) = (Names::of(&values), Words::default());
        let mut story = Self::default();
        let mut places = BTreeMap::new();
        for line in &values {
            match text(&line["kind"]).to_lowercase().as_str() {
                "meta" | "action" => {}
                "pod" => story.pod(line, &names, &mut places),
                "cri" => story.call(line, &names),
                "event" => story.event(line, &names, &words),
                kind => story.workload(kind, line, &names),
            }
        }
        Ok(story)
    }

    fn pod(&mut self, line: &Value, names: &Names, places: &mut BTreeMap<String, usize>) {
        let key = line["uid"].as_str().filter(|uid| !uid.is_empty()).unwrap_or(text(&line["name"])).to_owned();
        let place = *places.entry(key.clone()).or_insert_with(|| {
            let name = names.canonical("pod", text(&line["name"])).to_owned();
            self.pods.push(Pod { key, name, views: Vec::new() });
            self.pods.len() - 1
        });
        let view = if line["type"] == "DELETED" { "DELETED".to_owned() } else { pod_view(line) };
        push_news(&mut self.pods[place].views, time(line), view);
    }

    fn call(&mut self, line: &Value, names: &Names) {
        let call = text(&line["call"]);
        if call == "ExecSync" {
            let pod = names.canonical("pod", text(&line["pod"])).to_owned();
            let key = [pod, shown(&line["container"]), shown(&line["attempt"]), shown(&line["command"])];
            self.execs.entry(key).or_default().push(time(line));
            return;
        }
        if call == "RemovePodSandbox" || call == "RemoveContainer" {
            return; // Garbage collection: when, not whether, matters.
        }
        let mut item = call.to_owned();
        let told = ["image", "attempt", "sandbox_attempt", "exit_code", "signal", "reason", "code"];
        for field in told.into_iter().chain((call == "StopContainer").then_some("timeout_s")) {
            if !line[field].is_null() {
                item += &format!(" {field}={}", shown(&line[field]));
            }
        }
        let pod = line["uid"].as_str().filter(|uid| !uid.is_empty()).unwrap_or(text(&line["pod"]));
        let container = text(&line["container"]).to_owned();
        let calls = self.calls.entry(pod.to_owned()).or_default().entry(container).or_default();
        push_news(calls, time(line), item); // Cleaning up repeats some calls an arbitrary number of times.
    }

    fn event(&mut self, line: &Value, names: &Names, words: &Words) {
        let about = &line["involvedObject"];
        let name = names.canonical(text(&about["kind"]), text(&about["name"]));
        let key = [
            shown(&about["kind"]),
            name.to_owned(),
            text(&about["fieldPath"]).to_owned(),
            shown(&line["eventType"]),
            shown(&line["reason"]),
            words.normal(text(&line["message"]), names),
        ];
        let count = [&line["count"], &line["series"]["count"]].into_iter().find_map(|n| n.as_u64().filter(|n| *n > 0));
        self.events.entry(key).or_default().insert(text(&line["name"]).to_owned(), count.unwrap_or(1));
    }

    fn workload(&mut self, kind: &str, line: &Value, names: &Names) {
        let deleted = line["type"] == "DELETED";
        let view = match kind {
            "node" if line["type"] == "SNAPSHOT" => return,
            "node" => node_view(line),
            _ if !WORKLOADS.contains(&kind) => return,
            _ if deleted => "DELETED".to_owned(),
            _ => workload_view(kind, line),
        };
        let name = names.canonical(kind, text(&line["name"])).to_owned();
        push_news(self.workloads.entry((kind.to_owned(), name)).or_default(), time(line), view);
    }

    /// What is known of each pod, by canonical name; equal siblings under one.
    pub(super) fn pod_stories(&self) -> BTreeMap<&str, Vec<PodStory<'_>>> {
        let mut stories: BTreeMap<&str, Vec<PodStory<'_>>> = BTreeMap::new();
        for pod in &self.pods {
            let calls = self.calls.get(&pod.key).or_else(|| self.calls.get(&pod.name));
            stories.entry(&pod.name).or_default().push(PodStory { views: &pod.views, calls });
        }
        stories
    }

    /// How often each event was told in all.
    pub(super) fn event_counts(&self) -> BTreeMap<&[String; 6], u64> {
        self.events.iter().map(|(key, counts)| (key, counts.values().sum())).collect()
    }

    /// How many moments there are.
    pub(super) fn moments(&self) -> usize {
        let views: usize = self.pods.iter().map(|pod| pod.views.len()).sum();
        views + self.calls.values().flat_map(BTreeMap::values).map(Vec::len).sum::<usize>()
    }
}

impl PodStory<'_> {
    /// The calls of all containers, one container after another.
    pub(super) fn all_calls(&self) -> Vec<(&str, &str)> {
        let containers = self.calls.into_iter().flatten();
        containers.flat_map(|(name, calls)| calls.iter().map(move |(_, call)| (name.as_str(), call.as_str()))).collect()
    }
}

fn time(line: &Value) -> f64 {
    line["t_ms"].as_f64().unwrap_or_default()
}

fn push_news(list: &mut Vec<Seen>, at: f64, what: String) {
    if list.last().is_none_or(|(_, last)| *last != what) {
        list.push((at, what));
    }
}

/// A value as text, without quotes.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn sorted(items: impl Iterator<Item = String>) -> String {
    let mut all: Vec<String> = items.collect();
    all.sort();
    all.join(";")
}

fn conditions(value: &Value) -> String {
    sorted(list(value).iter().map(|c| format!("{}={} {}", shown(&c["type"]), shown(&c["status"]), text(&c["reason"]))))
}

fn state(value: &Value) -> String {
    let Some((kind, body)) = value.as_object().and_then(|state| state.iter().next()) else { return String::new() };
    format!("{kind} {} {} {}", text(&body["reason"]), body["exitCode"], body["signal"])
}

fn container_view(c: &Value) -> String {
    let (ready, started) = (c["ready"] == true, c["started"] == true);
    let restarts = c["restartCount"].as_u64().unwrap_or_default();
    format!("{} [{}] [{}] {ready} {started} {restarts}", shown(&c["name"]), state(&c["state"]), state(&c["lastState"]))
}

fn pod_view(line: &Value) -> String {
    let lists = ["initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"];
    let containers: Vec<String> = lists.iter().flat_map(|field| list(&line[*field])).map(container_view).collect();
    format!(
        "{} {:?} {} {} {} | {} | {}",
        line["phase"],
        text(&line["reason"]),
        !line["deletionTimestamp"].is_null(),
        line["deletionGracePeriodSeconds"],
        !text(&line["nodeName"]).is_empty(),
        conditions(&line["conditions"]),
        containers.join(", ")
    )
}

fn node_view(line: &Value) -> String {
    let taints =
        list(&line["taints"]).iter().map(|taint| format!("{}:{}", shown(&taint["key"]), shown(&taint["effect"])));
    format!("{} | {} | {}", conditions(&line["conditions"]), sorted(taints), line["type"])
}

fn workload_view(kind: &str, line: &Value) -> String {
    if kind == "endpointslice" {
        let condition = |end: &Value| match &end["conditions"] {
            Value::Null => "{}".to_owned(),
            conditions => conditions.to_string(),
        };
        return sorted(list(&line["endpoints"]).iter().map(condition));
    }
    let nothing = Map::new();
    let status = line["status"].as_object().unwrap_or(&nothing);
    let noisy = |field: &str, value: &Value| {
        NOISY.contains(&field) || value.is_string() || field == "active" && value.is_array()
    };
    let told = status.iter().filter(|(field, value)| !noisy(field, value));
    let told = sorted(told.map(|(field, value)| format!("{field}={value}")));
    format!("{} | {told} | {}", !line["deletionTimestamp"].is_null(), conditions(&line["status"]["conditions"]))
}
