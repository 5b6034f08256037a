//! `kubectl top`: what pods and nodes use, as the metrics server has measured it.
//!
//! Follows kubectl 1.36 `pkg/cmd/top` and `pkg/metricsutil/metrics_printer.go`.

use super::error::Error;
use super::fields::{Fields, name, namespace};
use super::flags::{Arguments, Flag};
use super::go::quoted;
use super::live::{Live, Usage};
use super::selection::select;
use super::tabwriter::TabWriter;
use super::{Objects, Printed};
use crate::engine::SimDuration;
use jiff::Timestamp;
use serde_json::Value;
use std::cmp::Reverse;

const FLAGS: &[Flag] = &[
    Flag::switch("all-namespaces", Some('A')),
    Flag::switch("containers", None),
    Flag::switch("no-headers", None),
    Flag::switch("sum", None),
    Flag::switch("show-capacity", None),
    Flag::switch("use-protocol-buffers", None),
    Flag::value("selector", Some('l')),
    Flag::value("field-selector", None),
    Flag::value("sort-by", None),
];
/// A pod that is younger need not be measured yet.
const CREATION_DELAY: i64 = 120;

/// Runs `kubectl top` with the arguments behind the verb.
pub fn run(args: &[String], objects: &Objects, now: Timestamp, live: &dyn Live) -> Printed {
    let Some((verb, args)) = args.split_first() else {
        return Printed::error(Error::client("must specify one of: node, pod"));
    };
    let parse = |what: &str| Arguments::parse(args, FLAGS, &format!("top {what}"));
    let printed = match verb.as_str() {
        "pod" | "pods" | "po" => parse("pod").and_then(|arguments| pods(&arguments, objects, now, live)),
        "node" | "nodes" | "no" => parse("node").and_then(|arguments| nodes(&arguments, objects, live)),
        other => Err(Error::client(format!("unknown command {} for \"kubectl top\"", quoted(other)))),
    };
    printed.unwrap_or_else(Printed::error)
}

/// The key by which rows are sorted.
fn order(arguments: &Arguments) -> Result<impl Fn(&Usage) -> i64, Error> {
    let by: fn(&Usage) -> i64 = match arguments.value("sort-by").unwrap_or_default() {
        "" => |_| 0,
        "cpu" => |usage| usage.milli_cpu,
        "memory" => |usage| usage.memory,
        _ => return Err(Error::client("--sort-by accepts only cpu or memory")),
    };
    Ok(by)
}

fn total(usages: impl IntoIterator<Item = Usage>) -> Usage {
    usages.into_iter().fold(Usage::default(), |sum, one| Usage {
        milli_cpu: sum.milli_cpu + one.milli_cpu,
        memory: sum.memory + one.memory,
    })
}

fn amounts(usage: Usage) -> String {
    format!("{}m\t{}Mi\t", usage.milli_cpu, usage.memory >> 20)
}

fn pods(arguments: &Arguments, objects: &Objects, now: Timestamp, live: &dyn Live) -> Result<Printed, Error> {
    let by = order(arguments)?;
    let everywhere = arguments.is_on("all-namespaces");
    let by_container = arguments.is_on("containers");
    let wanted = match &arguments.positional[..] {
        [] => "pods".to_owned(),
        [one] => format!("pods/{one}"),
        _ => return Err(Error::client("only one POD name is allowed\nSee 'kubectl top pod -h' for help and examples")),
    };
    let selection = select(objects, &arguments.with_positional(&wanted))?;
    let found: Vec<&Value> = selection.objects().map(|(_, pod)| pod).collect();
    let mut measured: Vec<(&Value, Vec<(String, Usage)>)> =
        found.iter().filter_map(|pod| Some((*pod, live.pod_usage(namespace(pod), name(pod))?))).collect();
    if measured.is_empty() {
        return unmeasured(arguments, &found, now);
    }
    measured.sort_by_key(|(pod, usage)| {
        let place = if everywhere { namespace(pod) } else { "" };
        (Reverse(by(&total(usage.iter().map(|(_, usage)| *usage)))), place, name(pod))
    });
    let mut text = String::new();
    if !arguments.is_on("no-headers") {
        let place = if everywhere { "NAMESPACE\t" } else { "" };
        let names = if by_container { "POD\tNAME\t" } else { "NAME\t" };
        text += &format!("{place}{names}CPU(cores)\tMEMORY(bytes)\t\n");
    }
    for (pod, usages) in &measured {
        let place = if everywhere { format!("{}\t", namespace(pod)) } else { String::new() };
        if by_container {
            let mut usages = usages.clone();
            usages.sort_by_key(|(container, usage)| (Reverse(by(usage)), container.clone()));
            for (container, usage) in usages {
                text += &format!("{place}{}\t{container}\t{}\n", name(pod), amounts(usage));
            }
        } else {
            text += &format!("{place}{}\t{}\n", name(pod), amounts(total(usages.iter().map(|(_, usage)| *usage))));
        }
    }
    if arguments.is_on("sum") {
        let blanks = "\t".repeat(usize::from(everywhere) + usize::from(by_container) + 1);
        let all = total(measured.iter().flat_map(|(_, usages)| usages.iter().map(|(_, usage)| *usage)));
        text += &format!("{blanks}________\t________\t\n{blanks}{}\n", amounts(all));
    }
    Ok(Printed { stdout: TabWriter::TABLE.align(&text), ..Printed::default() })
}

/// What is said if nothing was measured (`verifyEmptyMetrics`).
fn unmeasured(arguments: &Arguments, found: &[&Value], now: Timestamp) -> Result<Printed, Error> {
    if let [one] = &arguments.positional[..] {
        return Err(Error::not_found("podmetrics.metrics.k8s.io", &format!("{}/{one}", arguments.namespace())));
    }
    let age = |pod: &Value| now.duration_since(pod.time("metadata.creationTimestamp").unwrap_or(now));
    if let Some(old) = found.iter().find(|pod| age(pod).as_secs() > CREATION_DELAY) {
        let age = SimDuration::from_nanos(u64::try_from(age(old).as_nanos()).unwrap_or(0));
        let what = format!("Metrics not available for pod {}/{}, age: {age}", namespace(old), name(old));
        return Err(Error::client(what));
    }
    if !found.is_empty() {
        return Err(Error::client("metrics not available yet"));
    }
    let stderr = if arguments.is_on("all-namespaces") {
        "No resources found\n".to_owned()
    } else {
        format!("No resources found in {} namespace.\n", arguments.namespace())
    };
    Ok(Printed { stderr, ..Printed::default() })
}

fn nodes(arguments: &Arguments, objects: &Objects, live: &dyn Live) -> Result<Printed, Error> {
    let by = order(arguments)?;
    let wanted = match &arguments.positional[..] {
        [] => "nodes".to_owned(),
        [one] => format!("nodes/{one}"),
        _ => {
            return Err(Error::client(
                "only one NODE name is allowed\nSee 'kubectl top node -h' for help and examples",
            ));
        }
    };
    let mut selection = select(objects, &arguments.with_positional(&wanted))?;
    if let Some(error) = Error::all(std::mem::take(&mut selection.errors)) {
        return Err(error);
    }
    let found: Vec<&Value> = selection.objects().map(|(_, node)| node).collect();
    let (mut measured, mut unknown): (Vec<(&Value, Usage)>, Vec<&Value>) = (Vec::new(), Vec::new());
    for node in found {
        match live.node_usage(name(node)) {
            Some(usage) => measured.push((node, usage)),
            None => unknown.push(node),
        }
    }
    if measured.is_empty() {
        return Err(Error::client("metrics not available yet"));
    }
    measured.sort_by_key(|(node, usage)| (Reverse(by(usage)), name(node)));
    let mut text = String::new();
    if !arguments.is_on("no-headers") {
        text += "NAME\tCPU(cores)\tCPU(%)\tMEMORY(bytes)\tMEMORY(%)\t\n";
    }
    let amounts = if arguments.is_on("show-capacity") { "status.capacity" } else { "status.allocatable" };
    for (node, usage) in &measured {
        let share = |used: i64, of: i64| if of == 0 { 0 } else { used.saturating_mul(100) / of };
        let (cpu, memory) = (node.quantity(amounts, "cpu").milli_value(), node.quantity(amounts, "memory").value());
        text += &format!(
            "{}\t{}m\t{}%\t{}Mi\t{}%\t\n",
            name(node),
            usage.milli_cpu,
            share(usage.milli_cpu, cpu),
            usage.memory >> 20,
            share(usage.memory, memory)
        );
    }
    for node in unknown {
        text += &format!("{}\t{}\n", name(node), "<unknown>\t".repeat(4));
    }
    Ok(Printed { stdout: TabWriter::TABLE.align(&text), ..Printed::default() })
}

#[cfg(test)]
mod tests {
    use super::super::live::{LogLine, Unreachable};
    use super::*;
    use serde_json::json;

    /// Pods use more the longer their names are.
    struct Measured;

    impl Live for Measured {
        fn log(&self, _node: &str, _namespace: &str, _pod: &str, _instance: &str) -> Result<Vec<LogLine>, Unreachable> {
            Ok(Vec::new())
        }

        fn pod_usage(&self, _namespace: &str, pod: &str) -> Option<Vec<(String, Usage)>> {
            let size = pod.len() as i64;
            let usage = |times: i64| Usage { milli_cpu: size * times, memory: (size * times) << 20 };
            (pod != "young").then(|| vec![("app".to_owned(), usage(1)), ("log".to_owned(), usage(10))])
        }

        fn node_usage(&self, _node: &str) -> Option<Usage> {
            Some(Usage { milli_cpu: 500, memory: 1 << 30 })
        }
    }

    fn top(line: &str) -> String {
        let pod = |name: &str| {
            let meta = json!({"namespace": "default", "name": name, "creationTimestamp": "2026-01-01T00:00:00Z"});
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta})
        };
        let has = json!({"cpu": "4", "memory": "16Gi"});
        let node =
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "status": {"allocatable": has}});
        let objects = Objects::new([pod("b"), pod("aaa"), pod("young"), node]);
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let printed = run(&args, &objects, "2026-01-01T00:02:30Z".parse().expect("a time"), &Measured);
        printed.stdout + &printed.stderr
    }

    #[test]
    fn rows_end_with_a_tab_stop() {
        for (line, expected) in [
            (
                "pods",
                "NAME   CPU(cores)   MEMORY(bytes)   \naaa    33m          33Mi            \nb      11m          11Mi            \n",
            ),
            ("pod b --containers --no-headers", "b     app   1m    1Mi    \nb     log   10m   10Mi   \n"),
            ("po -A --sort-by=cpu --no-headers", "default   aaa   33m   33Mi   \ndefault   b     11m   11Mi   \n"),
            (
                "node",
                "NAME   CPU(cores)   CPU(%)   MEMORY(bytes)   MEMORY(%)   \nn      500m         12%      1024Mi          6%          \n",
            ),
            ("pod young", "Error from server (NotFound): podmetrics.metrics.k8s.io \"default/young\" not found\n"),
            ("pod --sort-by=age", "error: --sort-by accepts only cpu or memory\n"),
        ] {
            assert_eq!(top(line), expected, "{line}");
        }
    }
}
