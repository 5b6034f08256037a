//! What kubectl 1.36 prints about a set of objects at an instant, byte for byte.
//!
//! [`run`] takes the arguments that kubectl takes. It plays both parts: the API server's, which finds objects and
//! makes tables of them, and kubectl's, which lays tables out, describes objects and words errors.
//!
//! Left out on purpose: everything that changes objects or needs a file. What waits for changes ([`look`], [`watch`])
//! is told of them.

mod describe;
mod error;
mod events;
mod fields;
mod flags;
mod get;
mod go;
mod go_sort;
mod jsonpath;
mod live;
mod logs;
mod objects;
mod pod_resources;
mod resources;
mod revisions;
mod rollout;
mod selection;
mod selector;
mod table;
pub(super) mod tabwriter;
mod template;
mod top;
mod wait;
mod yaml;

pub use get::pod::PodSummary;
pub use get::pods_of;
pub use live::{Live, LogLine, Nobody, Unreachable, Usage};
pub use objects::Objects;
pub use wait::{Waiting, look};

use error::Error;
use jiff::Timestamp;

/// What a command leaves behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Printed {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// 0, or 1 if anything went wrong.
    pub exit_code: u8,
}

impl Printed {
    fn error(error: Error) -> Self {
        let mut printed = Self::default();
        printed.fail(&error);
        printed
    }

    fn fail(&mut self, error: &Error) {
        self.stderr += &error.report();
        self.exit_code = 1;
    }
}

/// Commands of kubectl that are none here.
const UNSUPPORTED: [&str; 37] = [
    "alpha",
    "annotate",
    "api-resources",
    "api-versions",
    "apply",
    "attach",
    "auth",
    "autoscale",
    "certificate",
    "cluster-info",
    "completion",
    "config",
    "cordon",
    "cp",
    "create",
    "debug",
    "delete",
    "diff",
    "drain",
    "edit",
    "exec",
    "explain",
    "expose",
    "kustomize",
    "label",
    "options",
    "patch",
    "plugin",
    "port-forward",
    "proxy",
    "replace",
    "run",
    "scale",
    "set",
    "taint",
    "uncordon",
    "version",
];

/// Whether arguments ask to see changes as they come (`get --watch`).
pub fn watches(args: &[String]) -> bool {
    let is_get = verb_position(args).is_some_and(|at| args[at] == "get");
    is_get && args.iter().any(|arg| matches!(arg.as_str(), "-w" | "--watch" | "--watch=true" | "--watch-only"))
}

/// The arguments behind the verb `wait`, if that is the command.
pub fn waits(args: &[String]) -> Option<Vec<String>> {
    let at = verb_position(args).filter(|at| args[*at] == "wait")?;
    Some(args[at + 1..].iter().chain(&args[..at]).cloned().collect())
}

/// Runs `kubectl get --watch`: a line for each version of an object, in order, each at its instant.
pub fn watch(args: &[String], changes: &[(Timestamp, serde_json::Value)]) -> Printed {
    let Some(at) = verb_position(args) else { return Printed::default() };
    let rest: Vec<String> = args[at + 1..].iter().chain(&args[..at]).cloned().collect();
    get::watch(&rest, changes)
}

/// Runs `kubectl` with these arguments on these objects.
///
/// ```
/// use podsim::report::kubectl::{Objects, run};
/// let pod = serde_json::json!({
///     "apiVersion": "v1", "kind": "Pod",
///     "metadata": {"namespace": "default", "name": "web", "creationTimestamp": "2026-01-01T00:00:00Z"},
///     "spec": {"containers": [{"name": "web"}]}, "status": {"phase": "Pending"},
/// });
/// let printed = run(&["get".into(), "pods".into()], &Objects::new([pod]), "2026-01-01T00:00:05Z".parse()?);
/// assert_eq!(printed.stdout, "NAME   READY   STATUS    RESTARTS   AGE\nweb    0/1     Pending   0          5s\n");
/// # Ok::<(), jiff::Error>(())
/// ```
pub fn run(args: &[String], objects: &Objects, now: Timestamp) -> Printed {
    run_live(args, objects, now, &Nobody)
}

/// The same on a cluster whose nodes answer: `kubectl logs` and `kubectl top` ask them.
pub fn run_live(args: &[String], objects: &Objects, now: Timestamp, live: &dyn Live) -> Printed {
    // Global flags may stand before the verb.
    let Some(at) = verb_position(args) else {
        return Printed::error(Error::client("a command is needed: get, describe, events, logs, rollout, top or wait"));
    };
    let rest: Vec<String> = args[at + 1..].iter().chain(&args[..at]).cloned().collect();
    match args[at].as_str() {
        "get" => get::run(&rest, objects, now),
        "describe" => describe::run(&rest, objects, now),
        "events" => events::run(&rest, objects, now),
        "logs" | "log" => logs::run(&rest, objects, now, live),
        "rollout" => rollout::run(&rest, objects),
        "top" => top::run(&rest, objects, now, live),
        "wait" => look(&rest, objects).map_or_else(|error| error, |waiting| waiting.met.unwrap_or(waiting.over)),
        verb if UNSUPPORTED.contains(&verb) => Printed::error(Error::client(format!(
            "podsim does not do \"kubectl {verb}\": it does get, describe, events, logs, rollout, top and wait; what \
             changes the cluster is an action of the scenario"
        ))),
        verb => Printed::error(Error::client(format!("unknown command {} for \"kubectl\"", go::quoted(verb)))),
    }
}

/// The resource of a kind as errors of the server name it, such as `deployments.apps`; none for kinds of others.
pub fn qualified_resource(api_version: &str, kind: &str) -> Option<String> {
    resources::of_kind(api_version, kind).map(resources::Resource::qualified)
}

fn verb_position(args: &[String]) -> Option<usize> {
    let mut at = 0;
    while let Some(arg) = args.get(at) {
        if !arg.starts_with('-') {
            return Some(at);
        }
        let has_separate_value = matches!(arg.as_str(), "-n" | "--namespace" | "--context" | "--kubeconfig");
        at += 1 + usize::from(has_separate_value);
    }
    None
}
