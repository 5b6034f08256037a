//! `kubectl logs`: which containers are meant, what a kubelet answers, and how kubectl prints it.
//!
//! Follows kubectl 1.36 `pkg/cmd/logs/logs.go`, `pkg/polymorphichelpers/logsforobject.go` and, for the answers,
//! `pkg/kubelet/kubelet_pods.go` (`validateContainerLogStatus`) and `pkg/kubelet/kuberuntime/logs`. Left out: following
//! (what there is is printed, and that is all), and waiting for pods that do not run yet.

use super::error::Error;
use super::fields::{Fields, name, namespace};
use super::flags::{Arguments, Flag};
use super::go::quoted;
use super::go_sort;
use super::live::{Live, LogLine, Unreachable};
use super::selection::select;
use super::selector::LabelSelector;
use super::{Objects, Printed};
use crate::engine::SimDuration;
use jiff::Timestamp;
use serde_json::Value;
use std::cmp::Reverse;

const FLAGS: &[Flag] = &[
    Flag::value("container", Some('c')),
    Flag::switch("all-containers", None),
    Flag::switch("all-pods", None),
    Flag::switch("previous", Some('p')),
    Flag::switch("follow", Some('f')),
    Flag::switch("timestamps", None),
    Flag::switch("prefix", None),
    Flag::switch("ignore-errors", None),
    Flag::value("selector", Some('l')),
    Flag::value("tail", None),
    Flag::value("since", None),
    Flag::value("since-time", None),
    Flag::value("limit-bytes", None),
    Flag::value("max-log-requests", None),
    Flag::value("pod-running-timeout", None),
];
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";
/// So many lines are printed of each container if pods are selected by label and nothing is said.
const SELECTED_TAIL: i64 = 10;
const USAGE: &str = "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\nPOD or TYPE/NAME is a required \
                     argument for the logs command\nSee 'kubectl logs -h' for help and examples";

/// What is wanted of each log.
#[derive(Debug, Clone, Default)]
struct Options {
    /// The last lines only.
    tail: Option<usize>,
    since: Option<Timestamp>,
    limit: Option<usize>,
    timestamps: bool,
    previous: bool,
    prefix: bool,
}

/// Runs `kubectl logs` with the arguments behind the verb.
pub fn run(args: &[String], objects: &Objects, now: Timestamp, live: &dyn Live) -> Printed {
    let parsed = Arguments::parse(args, FLAGS, "logs");
    parsed.and_then(|arguments| print(&arguments, objects, now, live)).unwrap_or_else(Printed::error)
}

fn print(arguments: &Arguments, objects: &Objects, now: Timestamp, live: &dyn Live) -> Result<Printed, Error> {
    let mut container = arguments.value("container").unwrap_or_default().to_owned();
    let selected = arguments.value("selector").filter(|selector| !selector.is_empty());
    let resource = match (&arguments.positional[..], selected) {
        ([], None) => return Err(Error::client(USAGE)),
        ([], Some(_)) => None,
        ([resource], None) => Some(resource.as_str()),
        ([resource, positional], None) if container.is_empty() => {
            container.clone_from(positional);
            Some(resource.as_str())
        }
        (_, Some(_)) => return Err(Error::client("only a selector (-l) or a POD name is allowed")),
        ([_, _], None) => return Err(Error::client("only one of -c or an inline [CONTAINER] arg is allowed")),
        (_, None) => return Err(Error::client(USAGE)),
    };
    let all_containers = arguments.is_on("all-containers");
    if all_containers && !container.is_empty() {
        return Err(Error::client("--all-containers=true should not be specified with container name"));
    }
    let mut options = options(arguments, selected.is_some(), now)?;
    options.prefix |= arguments.is_on("all-pods");
    let mut printed = Printed::default();
    let pods = match resource {
        None => by_label(arguments, objects)?,
        Some(resource) => named(resource, arguments, objects, &mut printed)?,
    };
    if pods.is_empty() {
        printed.stderr += &format!("No resources found in {} namespace.\n", arguments.namespace());
        return Ok(printed);
    }
    for pod in pods {
        for container in containers(pod, &container, all_containers, &mut printed.stderr)? {
            match answer(pod, &container, &options, live) {
                Ok(lines) => printed.stdout += &shown(&lines, pod, &container, &options),
                Err(error) if arguments.is_on("ignore-errors") => printed.stdout += &error.report(),
                Err(error) => {
                    printed.fail(&error);
                    return Ok(printed);
                }
            }
        }
    }
    Ok(printed)
}

fn options(arguments: &Arguments, selected: bool, now: Timestamp) -> Result<Options, Error> {
    let number = |flag: &str| match arguments.value(flag) {
        None => Ok(None),
        Some(text) => match text.parse::<i64>() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(Error::client(format!(
                "invalid argument {} for {} flag: strconv.ParseInt: parsing {}: invalid syntax\nSee 'kubectl logs \
                 --help' for usage.",
                quoted(text),
                quoted(&format!("--{flag}")),
                quoted(text)
            ))),
        },
    };
    let tail = number("tail")?.or(selected.then_some(SELECTED_TAIL)).unwrap_or(-1);
    if tail < -1 {
        return Err(Error::client("--tail must be greater than or equal to -1"));
    }
    let limit = number("limit-bytes")?;
    if limit.is_some_and(|limit| limit < 0) {
        return Err(Error::client("--limit-bytes must be greater than 0"));
    }
    let since = match (arguments.value("since"), arguments.value("since-time")) {
        (Some(_), Some(_)) => {
            return Err(Error::client("at most one of `sinceTime` or `sinceSeconds` may be specified"));
        }
        (Some(text), None) => {
            let span: SimDuration = text.parse().map_err(|_| {
                let (text, flag) = (quoted(text), quoted("--since"));
                Error::client(format!("invalid argument {text} for {flag} flag: time: invalid duration {text}"))
            })?;
            // Whole seconds, rounded.
            let seconds = (span.as_nanos() + 500_000_000) / 1_000_000_000;
            let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
            Some(now.checked_sub(jiff::SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MIN))
        }
        (None, Some(text)) => {
            let wrong = |_| Error::client(format!("parsing time {} as \"2006-01-02T15:04:05Z07:00\"", quoted(text)));
            Some(text.parse().map_err(wrong)?)
        }
        (None, None) => None,
    };
    Ok(Options {
        tail: usize::try_from(tail).ok(),
        since,
        limit: limit.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0),
        timestamps: arguments.is_on("timestamps"),
        previous: arguments.is_on("previous"),
        prefix: arguments.is_on("prefix"),
    })
}

fn by_label<'a>(arguments: &Arguments, objects: &'a Objects) -> Result<Vec<&'a Value>, Error> {
    let selection = select(objects, &arguments.with_positional("pods"))?;
    Ok(selection.objects().map(|(_, pod)| pod).collect())
}

/// The pod that is named, or pods of the workload that is named.
fn named<'a>(
    resource: &str,
    arguments: &Arguments,
    objects: &'a Objects,
    printed: &mut Printed,
) -> Result<Vec<&'a Value>, Error> {
    let resource = if resource.contains('/') { resource.to_owned() } else { format!("pods/{resource}") };
    let mut selection = select(objects, &arguments.with_positional(&resource))?;
    if let Some(error) = Error::all(std::mem::take(&mut selection.errors)) {
        return Err(error);
    }
    let Some((kind, object)) = selection.objects().next() else { return Ok(Vec::new()) };
    let selector = match kind.kind {
        "Pod" => return Ok(vec![object]),
        "ReplicationController" | "Service" => {
            let labels = object.entries("spec.selector");
            let text: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            LabelSelector::parse(&text.join(","))?
        }
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" => {
            LabelSelector::from_object(object.at("spec.selector"))
        }
        _ => {
            let what = format!("cannot get the logs from {}: {}", kind.api_version(), kind.kind);
            return Err(Error::client(what));
        }
    };
    let all = objects.of_kind("v1", "Pod", None).filter(|pod| namespace(pod) == namespace(object));
    let mut pods: Vec<&Value> = all.filter(|pod| selector.matches(pod)).collect();
    if arguments.is_on("all-pods") {
        return Ok(pods);
    }
    go_sort::sort_by_key(&mut pods, |pod| by_logging(pod));
    match pods[..] {
        [] => Err(Error::client("timed out waiting for the condition")),
        [only] => Ok(vec![only]),
        [first, ..] => {
            printed.stderr += &format!("Found {} pods, using pod/{}\n", pods.len(), name(first));
            Ok(vec![first])
        }
    }
}

/// The pod whose log says most comes first (`podutils.ByLogging`).
fn by_logging(pod: &Value) -> impl Ord + use<> {
    let phase = match pod.text("status.phase") {
        "Running" => 0,
        "Unknown" => 1,
        _ => 2,
    };
    let ready = super::fields::condition(pod, "Ready").filter(|ready| ready.text("status") == "True");
    let restarts = pod.list("status.containerStatuses").iter().map(|status| status.int("restartCount")).max();
    (
        pod.text("spec.nodeName").is_empty(),
        phase,
        ready.is_none(),
        ready.and_then(|ready| ready.time("lastTransitionTime")),
        Reverse(restarts),
        pod.time("metadata.creationTimestamp"),
    )
}

/// The containers that are meant, by name.
fn containers(pod: &Value, wanted: &str, all: bool, stderr: &mut String) -> Result<Vec<String>, Error> {
    let names = |list: &str| pod.list(list).iter().map(|one| one.text("name").to_owned()).collect::<Vec<_>>();
    let (init, regular, ephemeral) =
        (names("spec.initContainers"), names("spec.containers"), names("spec.ephemeralContainers"));
    if all {
        return Ok([init, regular, ephemeral].concat());
    }
    let has = |name: &str| [&init, &regular, &ephemeral].into_iter().flatten().any(|have| have == name);
    let mut chosen = wanted.to_owned();
    if chosen.is_empty()
        && let Some(default) = pod.entry("metadata.annotations", DEFAULT_CONTAINER).filter(|name| !name.is_empty())
    {
        if has(default) {
            chosen = default.to_owned();
        } else {
            *stderr += &format!("Default container name {} not found in pod {}\n", quoted(default), name(pod));
        }
    }
    if chosen.is_empty() {
        chosen = regular.first().cloned().unwrap_or_default();
        if regular.len() > 1 || !init.is_empty() || !ephemeral.is_empty() {
            let marked = |names: &[String], mark: &str| names.iter().map(|name| format!("{name}{mark}")).collect();
            let every: [Vec<String>; 3] = [regular.clone(), marked(&ephemeral, " (ephem)"), marked(&init, " (init)")];
            *stderr += &format!("Defaulted container {} out of: {}\n", quoted(&chosen), every.concat().join(", "));
        }
    }
    if !has(&chosen) {
        return Err(Error::client(format!("container {chosen} is not valid for pod {}", name(pod))));
    }
    Ok(vec![chosen])
}

/// What the kubelet of the pod's node answers.
fn answer(pod: &Value, container: &str, options: &Options, live: &dyn Live) -> Result<Vec<LogLine>, Error> {
    let node = pod.text("spec.nodeName");
    if node.is_empty() {
        return Ok(Vec::new()); // The server has nobody to ask, and says nothing.
    }
    let bad = |message: String| Error::Server { reason: "BadRequest", message };
    let instance = instance(pod, container, options.previous).map_err(bad)?;
    live.log(node, namespace(pod), name(pod), &instance).map_err(|why| match why {
        Unreachable::NotSimulated => {
            Error::client(format!("objects alone have no logs: nobody runs the node {node}; name a scenario"))
        }
        Unreachable::Down { address, why } => {
            let url = format!("https://{address}:10250/containerLogs/{}/{}/{container}", namespace(pod), name(pod));
            let message = format!("Get {}: dial tcp {address}:10250: connect: {why}", quoted(&url));
            Error::Server { reason: "", message }
        }
    })
}

/// The identity of the instance whose log is meant (`validateContainerLogStatus`).
fn instance(pod: &Value, container: &str, previous: bool) -> Result<String, String> {
    let lists = ["status.containerStatuses", "status.initContainerStatuses", "status.ephemeralContainerStatuses"];
    let mut statuses = lists.iter().flat_map(|list| pod.list(list));
    let what = format!("container {} in pod {}", quoted(container), quoted(name(pod)));
    let Some(status) = statuses.find(|status| status.text("name") == container) else {
        return Err(format!("{what} is not available"));
    };
    let last = status.text("lastState.terminated.containerID");
    let terminated = status.at("state.terminated");
    if previous {
        return if last.is_empty() {
            Err(format!("previous terminated {what} not found"))
        } else {
            Ok(last.to_owned())
        };
    }
    if status.has("state.running") {
        return Ok(status.text("containerID").to_owned());
    }
    let own = terminated.text("containerID");
    if !own.is_empty() {
        return Ok(own.to_owned());
    }
    if !last.is_empty() {
        return Ok(last.to_owned());
    }
    if !terminated.is_null() || status.has("lastState.terminated") {
        return Err(format!("{what} is terminated"));
    }
    Err(match status.text("state.waiting.reason") {
        "" => format!("{what} is waiting to start - no logs yet"),
        "ErrImagePull" => format!("{what} is waiting to start: image can't be pulled"),
        "ImagePullBackOff" => format!("{what} is waiting to start: trying and failing to pull image"),
        reason => format!("{what} is waiting to start: {reason}"),
    })
}

/// The lines that are wanted, as they are printed.
fn shown(lines: &[LogLine], pod: &Value, container: &str, options: &Options) -> String {
    let skipped = options.tail.map_or(0, |tail| lines.len().saturating_sub(tail));
    let recent = lines[skipped..].iter().filter(|line| options.since.is_none_or(|since| line.at >= since));
    let mut text = String::new();
    for line in recent {
        if options.prefix {
            text += &format!("[pod/{}/{container}] ", name(pod));
        }
        if options.timestamps {
            text += &format!("{:.9} ", line.at);
        }
        text += &line.text;
        if line.complete {
            text.push('\n');
        }
    }
    if let Some(limit) = options.limit.filter(|limit| *limit < text.len()) {
        let end = (0..=limit).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Two lines, a second apart, of every container that is asked for.
    struct Two;

    impl Live for Two {
        fn log(&self, _node: &str, _namespace: &str, _pod: &str, instance: &str) -> Result<Vec<LogLine>, Unreachable> {
            let line = |second: i64, text: &str, complete| LogLine {
                at: Timestamp::from_second(1_767_225_600 + second).expect("a time"),
                text: format!("{instance} {text}"),
                complete,
            };
            Ok(vec![line(1, "one", true), line(2, "two", false)])
        }

        fn pod_usage(&self, _namespace: &str, _pod: &str) -> Option<Vec<(String, super::super::Usage)>> {
            None
        }

        fn node_usage(&self, _node: &str) -> Option<super::super::Usage> {
            None
        }
    }

    fn pod(name: &str, statuses: Value) -> Value {
        let init = json!([{"name": "setup"}]);
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"namespace": "default", "name": name, "labels": {"app": "web"}},
            "spec": {"nodeName": "n", "containers": [{"name": "a"}, {"name": "b"}], "initContainers": init},
            "status": {"phase": "Running", "containerStatuses": statuses},
        })
    }

    fn logs(line: &str) -> (String, String) {
        let running = json!([
            {"name": "a", "containerID": "A2", "state": {"running": {}},
             "lastState": {"terminated": {"containerID": "A1"}}},
            {"name": "b", "state": {"waiting": {"reason": "ImagePullBackOff"}}},
        ]);
        let waiting = json!([{"name": "a", "state": {"waiting": {"reason": "ContainerCreating"}}}]);
        let objects = Objects::new([pod("web", running), pod("new", waiting)]);
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let now = Timestamp::from_second(1_767_225_603).expect("a time");
        let printed = run(&args, &objects, now, &Two);
        (printed.stdout, printed.stderr)
    }

    #[test]
    fn kubelets_answer_as_they_can() {
        // kubelet_pods_test.go, TestValidateContainerLogStatus.
        let refused = |what: &str| format!("Error from server (BadRequest): {what}\n");
        for (line, stdout, stderr) in [
            ("web -c a", "A2 one\nA2 two", String::new()),
            ("web a", "A2 one\nA2 two", String::new()),
            ("pod/web -c a -p", "A1 one\nA1 two", String::new()),
            ("web", "A2 one\nA2 two", "Defaulted container \"a\" out of: a, b, setup (init)\n".to_owned()),
            ("web -c b -p", "", refused("previous terminated container \"b\" in pod \"web\" not found")),
            (
                "web -c b",
                "",
                refused("container \"b\" in pod \"web\" is waiting to start: trying and failing to pull image"),
            ),
            ("new -c a", "", refused("container \"a\" in pod \"new\" is waiting to start: ContainerCreating")),
            ("web -c setup", "", refused("container \"setup\" in pod \"web\" is not available")),
            ("web -c x", "", "error: container x is not valid for pod web\n".to_owned()),
            ("nope", "", "Error from server (NotFound): pods \"nope\" not found\n".to_owned()),
            ("-l app=none", "", "No resources found in default namespace.\n".to_owned()),
        ] {
            assert_eq!(logs(line), (stdout.to_owned(), stderr), "{line}");
        }
    }

    #[test]
    fn lines_are_cut_and_marked() {
        for (line, stdout) in [
            ("web a --tail=1", "A2 two"),
            ("web a --tail 0", ""),
            ("web a --since=1s", "A2 two"),
            ("web a --since-time 2026-01-01T00:00:01Z", "A2 one\nA2 two"),
            ("web a --limit-bytes=3", "A2 "),
            ("web a --prefix --tail=-1", "[pod/web/a] A2 one\n[pod/web/a] A2 two"),
            ("web a --timestamps --tail=1", "2026-01-01T00:00:02.000000000Z A2 two"),
        ] {
            assert_eq!(logs(line).0, stdout, "{line}");
        }
        for line in ["", "web a b", "web -c a --all-containers", "web -l x=y", "web --tail=-2", "web --since=x"] {
            assert!(logs(line).1.starts_with("error: "), "{line}");
        }
    }
}
