//! `podsim kubectl`: objects and an instant become what kubectl prints, from a file or from a scenario as it runs.

use super::disk::Disk;
use super::{run, tell};
use clap::Args;
use jiff::Timestamp;
use podsim::api::{Change, ContainerMetrics, Kind, Object, Pod, PodMetrics, Quantity, render};
use podsim::engine::{SimDuration, SimTime};
use podsim::report::kubectl::{self, Live, LogLine, Objects, Printed, Unreachable, Usage};
use podsim::scenario::{ManifestOptions, Problems, Scenario};
use podsim::simulation::{Cluster, Silent, Simulation, Trace};
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Prints objects exactly as kubectl 1.36 does.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  kubectl get all -A -o json > objects.json\n  \
                        podsim kubectl --from-objects objects.json --now 2026-01-01T12:00:00Z get pods -o wide\n  \
                        podsim kubectl --scenario scenarios/quickstart.ron --at 90s describe pod web\n  \
                        podsim kubectl --scenario scenarios/sidecar-logs.ron logs -l app=web --all-containers")]
#[command(group = clap::ArgGroup::new("source").required(true).args(["scenario", "from_objects"]))]
pub struct Kubectl {
    /// The objects: a JSON List, as `kubectl get … -A -o json` writes it
    #[arg(long, value_name = "FILE", requires = "now")]
    from_objects: Option<PathBuf>,
    /// The instant from which ages are counted (RFC 3339)
    #[arg(long, value_name = "TIME", requires = "from_objects")]
    now: Option<Timestamp>,
    /// A scenario (.ron) or a manifest, which is run
    #[arg(long, value_name = "FILE")]
    scenario: Option<String>,
    /// When to look, such as 2m30s; at the end if nothing is said. A wait begins then, and a --watch ends
    #[arg(long, value_name = "DURATION", requires = "scenario")]
    at: Option<SimDuration>,
    /// The seed of all chance
    #[arg(long, value_name = "N", requires = "scenario")]
    seed: Option<u64>,
    /// get, describe, events, logs, rollout, top or wait, with arguments and flags as kubectl takes them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_name = "ARGS")]
    args: Vec<String>,
}

impl Kubectl {
    /// Finds the objects and prints.
    pub fn run(self) -> ExitCode {
        let printed = match (&self.scenario, &self.from_objects, self.now) {
            (Some(scenario), _, _) => match self.simulate(scenario) {
                Ok(simulation) if kubectl::waits(&self.args).is_some() => self.wait(simulation),
                Ok(_) if kubectl::watches(&self.args) => self.watch(scenario),
                Ok(simulation) => {
                    let stored = simulation.objects().map(|object| simulation.shown(&object));
                    let objects = Objects::new(stored.chain(simulation.leases()));
                    kubectl::run_live(
                        &self.args,
                        &objects,
                        run::wall_clock(&simulation),
                        &Nodes { simulation: &simulation, measured: OnceCell::new() },
                    )
                }
                Err(problems) => {
                    tell::problems(&problems);
                    return ExitCode::from(super::WRONG_REQUEST);
                }
            },
            (None, Some(path), Some(now)) => match read_objects(path) {
                Ok(objects) => kubectl::run(&self.args, &objects, now),
                Err(problem) => {
                    eprintln!("{problem}");
                    return ExitCode::from(super::WRONG_REQUEST);
                }
            },
            (None, _, _) => {
                eprintln!("name a scenario, or a file of objects and an instant");
                return ExitCode::from(super::WRONG_REQUEST);
            }
        };
        print(&printed)
    }

    /// Prints every version of what is asked for, from the start on.
    fn watch(&self, path: &str) -> Printed {
        let Ok(scenario) = self.load(path) else { return Printed::default() };
        let mut simulation = self.begin(&scenario);
        let mut seen = Versions::default();
        let end = SimTime::ZERO + self.at.unwrap_or(simulation.duration());
        simulation.run_until_watched(end, &mut seen);
        let clock = simulation.cluster().server().clock();
        let date = |at: SimTime| Timestamp::from_nanosecond(i128::from(clock.at(at).unix_nanos())).unwrap_or_default();
        let changes: Vec<_> = seen.0.iter().map(|(at, object)| (date(*at), render(object))).collect();
        kubectl::watch(&self.args, &changes)
    }

    /// Goes on until what is waited for has come, or the time is over.
    fn wait(&self, mut simulation: Simulation) -> Printed {
        let args = kubectl::waits(&self.args).unwrap_or_default();
        let began = simulation.now();
        let mut seen = Versions::default();
        loop {
            let objects = Objects::new(simulation.objects().map(|object| render(&object)));
            let waiting = match kubectl::look(&args, &objects) {
                Ok(waiting) => waiting,
                Err(printed) => return printed,
            };
            if let Some(met) = waiting.met {
                return met;
            }
            seen.0.clear();
            while seen.0.is_empty() {
                let over = simulation.step_watched(&mut seen).is_none_or(|now| now > began + waiting.timeout);
                if over {
                    return waiting.over;
                }
            }
        }
    }

    /// A scenario at an instant.
    fn simulate(&self, path: &str) -> Result<Simulation, Problems> {
        let scenario = self.load(path)?;
        let mut simulation = self.begin(&scenario);
        simulation.run_until(SimTime::ZERO + self.at.unwrap_or(simulation.duration()));
        tell::not_accepted(&scenario.notes);
        tell::refused(&scenario, &simulation.refused(), "");
        Ok(simulation)
    }

    fn load(&self, path: &str) -> Result<Scenario, Problems> {
        if run::is_scenario(path) {
            return Scenario::load(path, &Disk);
        }
        Scenario::from_manifests(&[path.to_owned()], &ManifestOptions::default(), &Disk)
    }

    /// A scenario before it begins.
    fn begin(&self, scenario: &Scenario) -> Simulation {
        let seed = self.seed.or(scenario.seed).unwrap_or(run::DEFAULT_SEED);
        scenario.simulate(seed).untraced()
    }
}

/// The versions of objects that were written, but for Events, of which there are many.
#[derive(Default)]
struct Versions(Vec<(SimTime, Object)>);

impl Trace for Versions {
    fn changed(&mut self, now: SimTime, _: u64, change: &Change, _: &Cluster) {
        if change.object.kind() != Kind::Event {
            self.0.push((now, change.object.clone()));
        }
    }
}

/// The nodes of a simulation, as the server and the metrics server ask them.
struct Nodes<'a> {
    simulation: &'a Simulation,
    measured: OnceCell<Measured>,
}

/// What containers use, by namespace and pod.
type Measured = BTreeMap<(String, String), Vec<(String, Usage)>>;

impl Nodes<'_> {
    /// What the metrics server knows.
    fn measured(&self) -> &Measured {
        let amount = |written: &str| written.parse::<Quantity>().unwrap_or_default();
        let container = |container: &ContainerMetrics| {
            let used = &container.usage;
            let usage = Usage { milli_cpu: amount(&used.cpu).milli_value(), memory: amount(&used.memory).value() };
            (container.name.to_string(), usage)
        };
        self.measured.get_or_init(|| {
            let pod = |pod: PodMetrics| {
                let key = (pod.metadata.namespace.to_string(), pod.metadata.name.to_string());
                (key, pod.containers.iter().map(container).collect())
            };
            self.simulation.pod_metrics().into_iter().map(pod).collect()
        })
    }

    /// An instant on the control plane's clock.
    fn date(&self, at: SimTime) -> Timestamp {
        let nanos = self.simulation.cluster().server().clock().at(at).unix_nanos();
        Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or_default()
    }
}

impl Live for Nodes<'_> {
    fn log(&self, node: &str, namespace: &str, pod: &str, instance: &str) -> Result<Vec<LogLine>, Unreachable> {
        let lines = self.simulation.container_log(node, namespace, pod, instance).map_err(|silent| {
            let (address, why) = match silent {
                Silent::NoPower(address) => (address, "no route to host"),
                Silent::NoKubelet(address) => (address, "connection refused"),
            };
            Unreachable::Down { address: address.to_string(), why }
        })?;
        let Some(lines) = lines else {
            let text = format!("unable to retrieve container logs for {instance}");
            return Ok(vec![LogLine { at: Timestamp::MIN, text, complete: false }]);
        };
        Ok(lines
            .into_iter()
            .map(|line| LogLine { at: self.date(line.at), text: line.text, complete: line.complete })
            .collect())
    }

    fn pod_usage(&self, namespace: &str, pod: &str) -> Option<Vec<(String, Usage)>> {
        self.measured().get(&(namespace.to_owned(), pod.to_owned())).cloned()
    }

    fn node_usage(&self, node: &str) -> Option<Usage> {
        let memory = self.simulation.node_memory(node)?;
        let here = |pod: &&Arc<Pod>| pod.node_name == node;
        let pods =
            self.simulation.pods().filter(here).map(|pod| (pod.meta.namespace.to_string(), pod.meta.name.to_string()));
        let containers = pods.filter_map(|pod| self.measured().get(&pod)).flatten();
        Some(Usage { milli_cpu: containers.map(|(_, usage)| usage.milli_cpu).sum(), memory })
    }
}

/// Prints what kubectl would, and ends as it does.
fn print(printed: &Printed) -> ExitCode {
    let Printed { stdout, stderr, exit_code } = printed;
    // A reader that has seen enough closes the pipe; that is no failure of ours.
    let written = io::stdout().lock().write_all(stdout.as_bytes());
    let reported = io::stderr().lock().write_all(stderr.as_bytes());
    match written.and(reported) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ => ExitCode::from(*exit_code),
    }
}

fn read_objects(path: &Path) -> Result<Objects, String> {
    let place = path.display();
    let text = fs::read(path).map_err(|error| format!("{place}:1:1: {error}; name a file of objects as JSON"))?;
    let objects = serde_json::from_slice(&text).map_err(|error| {
        format!("{place}:{}:{}: {error}; write objects as kubectl -o json does", error.line(), error.column())
    })?;
    Ok(Objects::new([objects]))
}
