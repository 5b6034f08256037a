//! `kubectl get pods`: the one line that says how a pod is.
//!
//! Follows Kubernetes 1.36 `pkg/printers/internalversion/printers.go` (`printPod`).

use super::pod_facts::{ContainerFacts, PodFacts, StateFacts, stamp};
use super::{Columns, age, or_none, since};
use crate::api::Pod;
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
    let ip = pod.list("status.podIPs").first().map_or(pod.text("status.podIP"), |first| first.text("ip"));
    let mut cells = PodSummary::of(pod).cells(pod.text("metadata.name"), age(pod, now), now);
    cells.extend([
        or_none(ip),
        or_none(pod.text("spec.nodeName")),
        or_none(pod.text("status.nominatedNodeName")),
        readiness_gates(pod),
    ]);
    cells
}

/// The columns of one pod of a running cluster that are always shown.
pub fn cells_of(pod: &Pod, now: Timestamp) -> Vec<String> {
    let age = since(stamp(pod.meta.creation_timestamp), now);
    PodSummary::from(&PodFacts::of_pod(pod)).cells(&pod.meta.name, age, now)
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
    fn add(&mut self, container: &ContainerFacts<'_>) {
        self.count += container.restarts;
        self.last = self.last.max(container.last_finished);
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
        Self::from(&PodFacts::of(pod))
    }

    /// The columns that are always shown.
    pub(super) fn cells(self, name: &str, age: String, now: Timestamp) -> Vec<String> {
        let ready = format!("{}/{}", self.ready, self.total);
        vec![name.to_owned(), ready, self.status, self.restarts.text(now), age]
    }

    fn from(pod: &PodFacts<'_>) -> Self {
        let mut summary = Self {
            ready: 0,
            total: pod.containers + pod.sidecars,
            status: pod.status().to_owned(),
            restarts: Restarts::default(),
        };
        let sidecar_restarts = match summary.add_init_containers(pod) {
            Initialization::Done { sidecar_restarts } => Some(sidecar_restarts),
            Initialization::Pending { sidecar_restarts } => pod.initialized.then_some(sidecar_restarts),
        };
        if let Some(restarts) = sidecar_restarts {
            summary.restarts = restarts;
            summary.add_containers(pod);
        }
        if pod.terminating {
            if pod.reason == "NodeLost" {
                summary.status = "Unknown".to_owned();
            } else if !matches!(pod.phase, "Succeeded" | "Failed") {
                summary.status = "Terminating".to_owned();
            }
        }
        summary
    }

    /// Looks at init containers up to the first that is not done.
    fn add_init_containers(&mut self, pod: &PodFacts<'_>) -> Initialization {
        let mut sidecar_restarts = Restarts::default();
        for (i, container) in pod.init_statuses.iter().enumerate() {
            self.restarts.add(container);
            if container.sidecar {
                sidecar_restarts.add(container);
            }
            if matches!(container.state, StateFacts::Terminated { exit_code: 0, .. }) {
                continue;
            }
            if container.sidecar && container.started {
                self.ready += usize::from(container.ready);
                continue;
            }
            self.status = match &container.state {
                StateFacts::Waiting("" | "PodInitializing") | StateFacts::Running => {
                    format!("Init:{i}/{}", pod.init_containers)
                }
                StateFacts::Waiting(reason) => format!("Init:{reason}"),
                state => format!("Init:{}", state.termination()),
            };
            return Initialization::Pending { sidecar_restarts };
        }
        Initialization::Done { sidecar_restarts }
    }

    /// Looks at the containers, of which the first has the last word on the status.
    fn add_containers(&mut self, pod: &PodFacts<'_>) {
        let (mut has_running, mut error) = (false, None);
        for container in pod.statuses.iter().rev() {
            self.restarts.add(container);
            match &container.state {
                StateFacts::Waiting("") => {}
                StateFacts::Waiting(reason) => (*reason).clone_into(&mut self.status),
                state @ StateFacts::Terminated { exit_code, .. } => {
                    self.status = state.termination();
                    if *exit_code != 0 {
                        error = Some(self.status.clone());
                    }
                }
                StateFacts::Running => {
                    if container.ready {
                        has_running = true;
                        self.ready += 1;
                    }
                }
            }
        }
        if self.status == "Completed" {
            if has_running && pod.ready {
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
