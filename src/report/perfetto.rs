//! `trace.perfetto.json`: the run in the Trace Event Format, for ui.perfetto.dev.
//!
//! A process is a node, a thread is a pod or one of its containers, slices are phases and states, instants are
//! Kubernetes Events, and arrows lead from causes to effects: from what somebody did to the pod, and from one state of
//! a container to the next through whatever led there.

use super::story::{ContainerLife, Look, PodLife, Span, Story};
use super::timeline::{split, words};
use super::why::Why;
use crate::api::Name;
use crate::engine::SimTime;
use crate::trace::{FactId, TraceRecord};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What users and fate do, and the control plane.
const CONTROL_PLANE: usize = 1;
/// The thread of actions.
const ACTIONS: usize = 1;

/// The run in the Trace Event Format.
pub fn json(record: &TraceRecord, story: &Story) -> Vec<u8> {
    let why = Why::of(record);
    let mut writer = Writer::new();
    writer.name("process_name", CONTROL_PLANE, 0, "cluster");
    writer.name("thread_name", CONTROL_PLANE, ACTIONS, "actions");
    for (id, at, what) in &story.actions {
        let slice = Slice { process: CONTROL_PLANE, thread: ACTIONS, from: *at, to: *at };
        writer.slice(slice, what, *id, json!({}));
    }
    let mut threads = Threads::default();
    for pod in &story.pods {
        writer.pod(pod, story, &mut threads);
    }
    for process in threads.used.keys() {
        let name = if process.is_empty() { "not bound to a node" } else { process.as_str() };
        let number = threads.process(story, *process);
        writer.name("process_name", number, 0, name);
        writer.put(&json!({"ph": "M", "name": "process_sort_index", "pid": number, "args": {"sort_index": number}}));
    }
    writer.arrows(&why);
    writer.bytes.extend_from_slice(b"]}\n");
    writer.bytes
}

/// Which threads each node's process has used.
#[derive(Default)]
struct Threads {
    used: BTreeMap<Name, usize>,
}

impl Threads {
    /// The number of a node's process; pods that were never bound share the one behind the last.
    fn process(&self, story: &Story, node: Name) -> usize {
        let place = story.nodes.iter().position(|known| known.name == node).unwrap_or(story.nodes.len());
        CONTROL_PLANE + 1 + place
    }

    fn next(&mut self, node: Name) -> usize {
        let used = self.used.entry(node).or_insert(0);
        *used += 1;
        *used
    }
}

/// Where a slice is.
#[derive(Clone, Copy)]
struct Slice {
    process: usize,
    thread: usize,
    from: SimTime,
    to: SimTime,
}

struct Writer {
    /// The file as far as it is written.
    bytes: Vec<u8>,
    /// The slice that each fact opened.
    slices: BTreeMap<FactId, Slice>,
}

impl Writer {
    fn new() -> Self {
        let head = json!({
            "displayTimeUnit": "ms",
            "otherData": {"kubernetes": "v1.36", "podsim": env!("CARGO_PKG_VERSION")},
            "traceEvents": [],
        });
        let mut bytes = head.to_string().into_bytes();
        bytes.truncate(bytes.len() - "]}".len());
        Self { bytes, slices: BTreeMap::new() }
    }

    fn put(&mut self, event: &Value) {
        if self.bytes.last() != Some(&b'[') {
            self.bytes.push(b',');
        }
        serde_json::to_writer(&mut self.bytes, event).expect("plain data");
    }

    fn name(&mut self, what: &str, process: usize, thread: usize, name: &str) {
        self.put(&json!({"ph": "M", "name": what, "pid": process, "tid": thread, "args": {"name": name}}));
    }

    fn slice(&mut self, slice: Slice, name: &str, fact: FactId, mut about: Value) {
        about["seq"] = fact.index().into();
        self.put(&json!({"ph": "X", "name": name, "cat": "state", "pid": slice.process, "tid": slice.thread,
            "ts": micros(slice.from), "dur": slice.to.since(slice.from).as_nanos() as f64 / 1e3, "args": about}));
        self.slices.entry(fact).or_insert(slice);
    }

    fn pod(&mut self, pod: &PodLife, story: &Story, threads: &mut Threads) {
        let process = threads.process(story, pod.node);
        let thread = threads.next(pod.node);
        self.thread(process, thread, &pod.key());
        for span in &pod.phases {
            self.span(process, thread, span, span.what.as_str(), json!({"uid": pod.uid.to_string()}));
        }
        for (span, _) in split(&pod.phases, &pod.ready).into_iter().filter(|(_, ready)| *ready) {
            self.span(process, thread, &span, "Ready", json!({}));
        }
        for said in &pod.events {
            self.put(&json!({"ph": "i", "s": "t", "name": said.reason.as_str(), "cat": "event", "pid": process,
                "tid": thread, "ts": micros(said.at),
                "args": {"message": &*said.message, "count": said.count, "warning": said.warning,
                    "container": said.container.as_str(), "seq": said.fact.index()}}));
        }
        for container in &pod.containers {
            let thread = threads.next(pod.node);
            self.thread(process, thread, &format!("{} · {}", pod.name, container.name));
            self.container(process, thread, container);
        }
    }

    fn thread(&mut self, process: usize, thread: usize, name: &str) {
        self.name("thread_name", process, thread, name);
        self.put(&json!({"ph": "M", "name": "thread_sort_index", "pid": process, "tid": thread,
            "args": {"sort_index": thread}}));
    }

    fn container(&mut self, process: usize, thread: usize, container: &ContainerLife) {
        for span in &container.spans {
            let about = match span.what {
                Look::Ended(end) => json!({"exitCode": end.exit_code, "reason": end.reason.as_str()}),
                Look::Running { attempt } | Look::Stopping { attempt } => json!({"restart": attempt}),
                Look::Waiting(_) | Look::Pulling => json!({}),
            };
            self.span(process, thread, span, &words(span.what, false), about);
        }
        for mark in &container.marks {
            self.put(&json!({"ph": "i", "s": "t", "name": &mark.text, "cat": "mark", "pid": process,
                "tid": thread, "ts": micros(mark.at)}));
        }
    }

    fn span<T: Copy>(&mut self, process: usize, thread: usize, span: &Span<T>, name: &str, about: Value) {
        self.slice(Slice { process, thread, from: span.from, to: span.to }, name, span.fact, about);
    }

    /// An arrow to every slice from the nearest slice among its causes.
    fn arrows(&mut self, why: &Why<'_>) {
        let slices = std::mem::take(&mut self.slices);
        for (fact, to) in &slices {
            let back = |id: &FactId| why.causes().behind(*id).because.map(|(cause, _)| cause);
            let cause = std::iter::successors(back(fact), back).find_map(|cause| slices.get(&cause));
            let Some(from) = cause else { continue };
            let id = fact.index();
            // An arrow leaves a slice while it lasts.
            let leaves = micros(to.from).min(micros(from.to)).max(micros(from.from));
            self.put(&json!({"ph": "s", "name": "cause", "cat": "cause", "id": id, "pid": from.process,
                "tid": from.thread, "ts": leaves}));
            self.put(&json!({"ph": "f", "bp": "e", "name": "cause", "cat": "cause", "id": id, "pid": to.process,
                "tid": to.thread, "ts": micros(to.from)}));
        }
    }
}

/// Microseconds, the format's unit of time.
fn micros(at: SimTime) -> f64 {
    at.as_nanos() as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::test_run::crash_loop;

    #[test]
    fn slices_of_a_thread_nest_and_arrows_have_two_ends() {
        let record = crash_loop();
        let trace: Value = serde_json::from_slice(&json(&record, &Story::of(&record))).expect("JSON");
        let events = trace["traceEvents"].as_array().expect("a list");
        let mut threads: BTreeMap<(u64, u64), Vec<(u64, u64)>> = BTreeMap::new();
        for event in events.iter().filter(|event| event["ph"] == "X") {
            let number = |field: &str| event[field].as_f64().expect("a number");
            let thread = (number("pid") as u64, number("tid") as u64);
            let nanos = |micros: f64| (micros * 1e3).round() as u64;
            let slice = (nanos(number("ts")), nanos(number("ts")) + nanos(number("dur")));
            threads.entry(thread).or_default().push(slice);
        }
        for ((process, thread), slices) in threads {
            for (a, b) in slices.iter().flat_map(|a| slices.iter().map(move |b| (a, b))) {
                let apart = a.1 <= b.0 || b.1 <= a.0;
                let nested = (a.0 <= b.0 && b.1 <= a.1) || (b.0 <= a.0 && a.1 <= b.1);
                assert!(apart || nested, "{process}/{thread}: {a:?} {b:?}");
            }
        }
        let ends = |phase: &str| {
            events.iter().filter(|event| event["ph"] == phase).map(|e| e["id"].clone()).collect::<Vec<_>>()
        };
        assert!(!ends("s").is_empty());
        assert_eq!(ends("s"), ends("f"));
    }
}
