//! `kubectl get pods`: the one line that says how a pod is.
//!
//! Follows Kubernetes 1.36 `pkg/printers/internalversion/printers.go` (`printPod`).

use super::{Columns, age, or_none, since};
use crate::report::kubectl::fields::{Fields, condition};
use crate::report::kubectl::table::{NAME, column, wide};
use jiff::Timestamp;
use serde_json::Value;

/// READY, STATUS, RESTARTS and where it runs.
pub const COLUMNS: Columns = &[
    NAME,
    column("Ready"),
    column("Status"),
    column("Restarts"),
    column("Age"),
    wide("IP"),
    wide("Node"),
    wide("Nominated Node"),
    wide("Readiness Gates"),
];

/// The line of one pod.
pub fn cells(pod: &Value, now: Timestamp) -> Vec<String> {
    let summary = PodSummary::of(pod);
    vec![
        pod.text("metadata.name").to_owned(),
        format!("{}/{}", summary.ready, summary.total),
        summary.status,
        summary.restarts.text(now),
        age(pod, now),
        or_none(first_ip(pod)),
        or_none(pod.text("spec.nodeName")),
        or_none(pod.text("status.nominatedNodeName")),
        readiness_gates(pod),
    ]
}

/// What READY, STATUS and RESTARTS say of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodSummary {
    /// Containers and sidecars that are ready.
    pub ready: usize,
    /// Containers and sidecars.
    pub total: usize,
    /// The STATUS column.
    pub status: String,
    /// The RESTARTS column.
    pub restarts: Restarts,
}

/// Restarts and the end of the last run before one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restarts {
    count: i64,
    last: Option<Timestamp>,
}

impl Restarts {
    fn add(&mut self, container: &Value) {
        self.count += container.int("restartCount");
        self.last = self.last.max(container.time("lastState.terminated.finishedAt"));
    }

    /// How many.
    pub const fn count(self) -> i64 {
        self.count
    }

    /// `5 (75s ago)`.
    pub fn text(self, now: Timestamp) -> String {
        match self.last {
            Some(_) if self.count != 0 => format!("{} ({} ago)", self.count, since(self.last, now)),
            _ => self.count.to_string(),
        }
    }
}

impl PodSummary {
    /// Sums up one pod.
    pub fn of(pod: &Value) -> Self {
        let sidecars = pod.list("spec.initContainers").iter().filter(|c| is_sidecar(c)).count();
        let mut summary = Self {
            ready: 0,
            total: pod.list("spec.containers").len() + sidecars,
            status: pod_reason(pod),
            restarts: Restarts::default(),
        };
        let sidecar_restarts = match summary.add_init_containers(pod) {
            Initialization::Done { sidecar_restarts } => Some(sidecar_restarts),
            Initialization::Pending { sidecar_restarts } => {
                let initialized = condition(pod, "Initialized").is_some_and(|c| c.text("status") == "True");
                initialized.then_some(sidecar_restarts)
            }
        };
        if let Some(restarts) = sidecar_restarts {
            summary.restarts = restarts;
            summary.add_containers(pod);
        }
        if pod.has("metadata.deletionTimestamp") {
            if pod.text("status.reason") == "NodeLost" {
                summary.status = "Unknown".to_owned();
            } else if !matches!(pod.text("status.phase"), "Succeeded" | "Failed") {
                summary.status = "Terminating".to_owned();
            }
        }
        summary
    }

    /// Looks at init containers up to the first that is not done.
    fn add_init_containers(&mut self, pod: &Value) -> Initialization {
        let specs = pod.list("spec.initContainers");
        let mut sidecar_restarts = Restarts::default();
        for (i, container) in pod.list("status.initContainerStatuses").iter().enumerate() {
            let sidecar = specs.iter().any(|spec| spec["name"] == container["name"] && is_sidecar(spec));
            self.restarts.add(container);
            if sidecar {
                sidecar_restarts.add(container);
            }
            let terminated = container.at("state.terminated");
            if !terminated.is_null() && terminated.int("exitCode") == 0 {
                continue;
            }
            if sidecar && container.flag("started") {
                self.ready += usize::from(container.flag("ready"));
                continue;
            }
            self.status = match (terminated, container.text("state.waiting.reason")) {
                (Value::Null, "" | "PodInitializing") => format!("Init:{i}/{}", specs.len()),
                (Value::Null, waiting) => format!("Init:{waiting}"),
                (terminated, _) => format!("Init:{}", termination(terminated)),
            };
            return Initialization::Pending { sidecar_restarts };
        }
        Initialization::Done { sidecar_restarts }
    }

    /// Looks at the containers, of which the first has the last word on the status.
    fn add_containers(&mut self, pod: &Value) {
        let (mut has_running, mut error) = (false, None);
        for container in pod.list("status.containerStatuses").iter().rev() {
            self.restarts.add(container);
            let terminated = container.at("state.terminated");
            let waiting = container.text("state.waiting.reason");
            if !waiting.is_empty() {
                self.status = waiting.to_owned();
            } else if !terminated.is_null() {
                self.status = termination(terminated);
                if terminated.int("exitCode") != 0 {
                    error = Some(self.status.clone());
                }
            } else if container.flag("ready") && container.has("state.running") {
                has_running = true;
                self.ready += 1;
            }
        }
        if self.status == "Completed" {
            let is_ready = |c: &Value| c.text("type") == "Ready" && c.text("status") == "True";
            if has_running && pod.list("status.conditions").iter().any(is_ready) {
                self.status = "Running".to_owned();
            } else if let Some(error) = error {
                self.status = error;
            } else if has_running {
                self.status = "NotReady".to_owned();
            }
        }
    }
}

/// How far the init containers are, and how often the sidecars looked at were restarted.
enum Initialization {
    Pending { sidecar_restarts: Restarts },
    Done { sidecar_restarts: Restarts },
}

/// What is said of the pod itself, before any container has a say.
fn pod_reason(pod: &Value) -> String {
    let gated = |c: &Value| c.text("type") == "PodScheduled" && c.text("reason") == "SchedulingGated";
    if pod.list("status.conditions").iter().any(gated) {
        return "SchedulingGated".to_owned();
    }
    pod.text_or("status.reason", pod.text("status.phase")).to_owned()
}

/// An init container that is restarted for as long as the pod lives.
pub fn is_sidecar(container: &Value) -> bool {
    container.text("restartPolicy") == "Always"
}

fn termination(terminated: &Value) -> String {
    match (terminated.text("reason"), terminated.int("signal")) {
        ("", 0) => format!("ExitCode:{}", terminated.int("exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn first_ip(pod: &Value) -> &str {
    pod.list("status.podIPs").first().map_or(pod.text("status.podIP"), |first| first.text("ip"))
}

fn readiness_gates(pod: &Value) -> String {
    let gates = pod.list("spec.readinessGates");
    if gates.is_empty() {
        return "<none>".to_owned();
    }
    let is_true =
        |gate: &&Value| condition(pod, gate.text("conditionType")).is_some_and(|c| c.text("status") == "True");
    format!("{}/{}", gates.iter().filter(is_true).count(), gates.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(spec: Value, status: Value, expected: (&str, &str, &str)) {
        let pod = json!({"metadata": {}, "spec": spec, "status": status});
        let now = "2026-01-01T00:10:00Z".parse().expect("a time");
        let cells = cells(&pod, now);
        assert_eq!((cells[1].as_str(), cells[2].as_str(), cells[3].as_str()), expected, "{pod}");
    }

    fn container(state: Value, restarts: i64) -> Value {
        let last = json!({"terminated": {"finishedAt": "2026-01-01T00:08:00Z"}});
        let last = if restarts > 0 { last } else { json!({}) };
        json!({"name": "c", "state": state, "restartCount": restarts, "lastState": last})
    }

    #[test]
    fn containers_decide_the_status() {
        let spec = json!({"containers": [{"name": "c"}]});
        let running = json!({"name": "c", "ready": true, "state": {"running": {}}, "restartCount": 0});
        for (statuses, phase, expected) in [
            (json!([]), "Pending", ("0/1", "Pending", "0")),
            (json!([running]), "Running", ("1/1", "Running", "0")),
            (
                json!([container(json!({"waiting": {"reason": "CrashLoopBackOff"}}), 3)]),
                "Running",
                ("0/1", "CrashLoopBackOff", "3 (2m ago)"),
            ),
            (
                json!([container(json!({"terminated": {"exitCode": 137, "signal": 9}}), 0)]),
                "Failed",
                ("0/1", "Signal:9", "0"),
            ),
            (
                json!([container(json!({"terminated": {"exitCode": 0, "reason": "Completed"}}), 0), running]),
                "Running",
                ("1/1", "NotReady", "0"),
            ),
        ] {
            check(spec.clone(), json!({"phase": phase, "containerStatuses": statuses}), expected);
        }
    }

    #[test]
    fn init_containers_come_first() {
        let spec = json!({
            "containers": [{"name": "a"}],
            "initContainers": [{"name": "c"}, {"name": "s", "restartPolicy": "Always"}],
        });
        for (init, expected) in [
            (container(json!({"waiting": {"reason": "PodInitializing"}}), 0), ("0/2", "Init:0/2", "0")),
            (container(json!({"waiting": {"reason": "ErrImagePull"}}), 0), ("0/2", "Init:ErrImagePull", "0")),
            (container(json!({"terminated": {"exitCode": 2}}), 1), ("0/2", "Init:ExitCode:2", "1 (2m ago)")),
        ] {
            check(spec.clone(), json!({"phase": "Pending", "initContainerStatuses": [init]}), expected);
        }
    }
}
