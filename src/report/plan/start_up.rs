//! From a pod's creation to its readiness, stage by stage, over many seeds.

use crate::engine::SimTime;
use crate::report::statistics::{Estimate, mean, quantile, share};
use crate::report::story::{PodLife, Story};
use serde::{Serialize, Serializer};

/// How long starts take, in seconds. Each number is the mean over the runs of a quantile over the pods of a run, with
/// the interval that holds it 95 times in 100.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StartUp {
    /// How many runs, each with a seed of its own.
    pub runs: usize,
    /// How many pods started in all of them.
    pub pods: usize,
    /// How many never became ready.
    pub never_ready: usize,
    /// The stages, and `create to ready` last.
    pub stages: Vec<Stage>,
    /// The 99th percentile of what the start-up objective counts: creation to the start of all containers, without
    /// pulls and init containers.
    #[serde(serialize_with = "estimate")]
    pub objective_p99: Estimate,
    /// The share of pods within the objective.
    #[serde(serialize_with = "estimate")]
    pub within: Estimate,
    /// The objective, in seconds.
    pub objective: f64,
    /// From creation to readiness, of every pod in seconds, sorted: for a curve.
    #[serde(skip)]
    pub ready: Vec<f64>,
    /// The same of what the objective counts.
    #[serde(skip)]
    pub counted: Vec<f64>,
}

/// A stage on the way.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stage {
    /// What happens in it.
    pub name: &'static str,
    /// Half of the pods are faster.
    #[serde(serialize_with = "estimate")]
    pub p50: Estimate,
    /// 95 in 100 are.
    #[serde(serialize_with = "estimate")]
    pub p95: Estimate,
    /// 99 in 100 are.
    #[serde(serialize_with = "estimate")]
    pub p99: Estimate,
}

fn estimate<S: Serializer>(estimate: &Estimate, serializer: S) -> Result<S::Ok, S::Error> {
    let (low, high) = estimate.interval.unzip();
    serde_json::json!({"value": estimate.value, "low": low, "high": high, "n": estimate.count}).serialize(serializer)
}

/// What each stage ends with, and what it is called.
const STAGES: [(&str, usize, usize); 6] = [
    ("scheduled", 0, 1),
    ("sandbox made", 1, 2),
    ("init containers and images", 2, 3),
    ("containers started", 3, 4),
    ("ready", 4, 5),
    ("create to ready", 0, 5),
];

impl StartUp {
    /// Of the pods that some runs created after an instant and that `counts` lets through; nothing if there were none.
    pub fn of(stories: &[Story], after: SimTime, objective: f64, counts: impl Fn(&PodLife) -> bool) -> Option<Self> {
        let fresh = |pod: &&PodLife| pod.milestones.created.is_some_and(|at| at >= after) && counts(pod);
        let runs: Vec<Vec<&PodLife>> = stories.iter().map(|story| story.pods.iter().filter(fresh).collect()).collect();
        let stages: Option<Vec<Stage>> = STAGES
            .iter()
            .map(|&(name, from, to)| {
                let seconds = |pod: &&PodLife| between(pod, from, to);
                let of_runs = |share| over_runs(&runs, share, &seconds);
                Some(Stage { name, p50: of_runs(0.5)?, p95: of_runs(0.95)?, p99: of_runs(0.99)? })
            })
            .collect();
        let all = |what: &dyn Fn(&&PodLife) -> Option<f64>| {
            let mut all: Vec<f64> = runs.iter().flatten().filter_map(what).collect();
            all.sort_by(f64::total_cmp);
            all
        };
        let counted = all(&|pod| counted(pod));
        let pods = runs.iter().map(Vec::len).sum();
        let is_ready = |pod: &&&PodLife| pod.milestones.ready.is_some();
        Some(Self {
            runs: stories.len(),
            pods,
            never_ready: pods - runs.iter().flatten().filter(is_ready).count(),
            stages: stages?,
            objective_p99: over_runs(&runs, 0.99, &|pod| self::counted(pod))?,
            within: share(counted.iter().filter(|seconds| **seconds <= objective).count(), counted.len())?,
            objective,
            ready: all(&|pod| between(pod, 0, 5)),
            counted,
        })
    }

    /// Whether the 99th percentile meets the objective; nothing if that is not certain.
    pub fn meets(&self) -> Option<bool> {
        let (low, high) = self.objective_p99.interval.unwrap_or((self.objective_p99.value, self.objective_p99.value));
        match (high <= self.objective, low > self.objective) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            (false, false) => None,
        }
    }
}

fn between(pod: &PodLife, from: usize, to: usize) -> Option<f64> {
    let stones = pod.milestones.in_order();
    Some(stones[to].1?.since(stones[from].1?).as_secs_f64())
}

/// What the objective counts: everything up to the start of the last container, but for pulls and init containers.
fn counted(pod: &PodLife) -> Option<f64> {
    Some(between(pod, 0, 4)? - between(pod, 2, 3)?)
}

/// A quantile of each run, and the mean of these.
fn over_runs(runs: &[Vec<&PodLife>], share: f64, seconds: &dyn Fn(&&PodLife) -> Option<f64>) -> Option<Estimate> {
    let of_run = |pods: &Vec<&PodLife>| {
        let mut all: Vec<f64> = pods.iter().filter_map(seconds).collect();
        all.sort_by(f64::total_cmp);
        quantile(&all, share)
    };
    let quantiles: Vec<f64> = runs.iter().filter_map(of_run).collect();
    mean(&quantiles)
}
