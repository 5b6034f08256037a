//! Decisions recorded from the real kube-scheduler, decided again.
//!
//! A corpus is a folder of JSON files, each with an input and what the real scheduler made of it (`expect`). The
//! functions here read the input alone and write `expect` anew; [`super::score`] compares the two field by field, as
//! the public script beside the corpus does.

use crate::api::{Lowering, Name, Object, Pod};
use crate::components::scheduler::cache::Cache;
use crate::components::scheduler::explain::{NodeExplanation, NodeScore, PostFilterExplanation};
use crate::components::scheduler::framework::{Code, Context, Status};
use crate::components::scheduler::preemption::{Candidate, earliest_start};
use crate::components::scheduler::schedule_one::{Outcome, Search};
use crate::components::scheduler::{ClusterSnapshot, Explanation, Profile, Registry, SchedulerConfiguration, explain};
use crate::engine::SimTime;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The families of cases, as the first folder below the corpus names them.
pub const FAMILIES: [&str; 4] = ["filter-score", "preemption", "requests", "sequence"];

/// Decides the cases of one file again: a single case, or a list of them under `cases`.
///
/// # Errors
/// What makes the file no case.
pub fn decide(family: &str, document: &Value) -> Result<Value, String> {
    if let Some(cases) = document["cases"].as_array() {
        let cases: Result<Vec<Value>, String> = cases
            .iter()
            .map(|case| Ok(json!({"id": case["id"], "expect": super::requests::decide(&case["podAsWritten"])?})))
            .collect();
        return Ok(json!({"cases": cases?}));
    }
    let case = Case::read(document)?;
    let expect = match family {
        "filter-score" => case.filter_score()?,
        "preemption" => case.preemption()?,
        "sequence" => case.sequence(),
        _ => return Err(format!("no family {family:?} of cases; use one of {}", FAMILIES.join(", "))),
    };
    Ok(json!({"id": document["id"], "expect": expect}))
}

/// The input of a case.
struct Case {
    objects: Vec<Object>,
    profile: Arc<Profile>,
    pod: Option<(Name, Name)>,
}

impl Case {
    fn read(document: &Value) -> Result<Self, String> {
        let items = document["input"]["items"].as_array().ok_or("no input.items")?;
        let reading = Lowering::of_stored();
        let objects: Result<Vec<Object>, String> =
            items.iter().map(|item| Ok(reading.lower(item).map_err(|error| error.to_string())?.object)).collect();
        let configuration = SchedulerConfiguration::from_value(&document["schedulerConfiguration"]);
        let mut configuration = configuration.map_err(|errors| first(&errors))?;
        configuration.gates.taint_comparison =
            document["featureGates"]["TaintTolerationComparisonOperators"].as_bool() == Some(true);
        let profiles = configuration.profiles(&Registry::default()).map_err(|errors| first(&errors))?;
        let pod = document["pod"].as_str().and_then(|pod| pod.split_once('/'));
        Ok(Self {
            objects: objects?,
            profile: profiles.first().ok_or("no profile")?.clone(),
            pod: pod.map(|(namespace, name)| (namespace.into(), name.into())),
        })
    }

    fn explained(self) -> Result<(ClusterSnapshot, Explanation), String> {
        let (namespace, name) = self.pod.ok_or("no pod")?;
        let mut snapshot = ClusterSnapshot::new(self.objects, self.pod);
        let pod = snapshot.find_pending(namespace, name).ok_or("the pod is not among the items")?.clone();
        let told = explain(&mut snapshot, &self.profile, &pod, 0);
        Ok((snapshot, told))
    }

    fn filter_score(self) -> Result<Value, String> {
        let (_, told) = self.explained()?;
        let mut expect = Map::new();
        let mut put = |field: &str, value: Value| drop(expect.insert(field.to_owned(), value));
        put("nodeOrder", json!(told.order));
        if let Some(gated) = &told.gated {
            put("gated", status(gated));
        }
        put("preFilter", pre_filter(&told));
        put("skippedFilterPlugins", sorted(&told.skipped_filters));
        let fits = told.nodes.iter().any(|node| node.rejection.is_none());
        if fits && told.error.is_none() {
            put("skippedScorePlugins", sorted(&told.skipped_scorers));
        }
        put("nodes", told.nodes.iter().map(node).collect());
        if let Some(error) = &told.error {
            put("schedulerError", json!(error));
            return Ok(Value::Object(expect));
        }
        if let Some((score, nodes)) = told.best() {
            put("topScore", json!(score));
            put("topNodes", json!(nodes));
            if told.pre_filter_nodes.is_none() || nodes.len() == 1 {
                put("selectedSerial", json!(told.chosen));
            }
        }
        if let Some(error) = &told.fit_error {
            put("fitError", json!(error));
            put("unschedulablePlugins", json!(told.unschedulable_plugins));
        }
        if told.gated.is_none() || told.post_filter.is_some() {
            if let Some(post) = &told.post_filter {
                put("postFilter", post_filter(post));
            }
            if let Some(message) = &told.message {
                put("failedSchedulingMessage", json!(message));
            }
        }
        Ok(Value::Object(expect))
    }

    fn preemption(self) -> Result<Value, String> {
        let (_, told) = self.explained()?;
        let post = told.post_filter.as_ref().ok_or("the pod fits")?;
        let found = post.preemption.as_ref().ok_or("no search for victims")?;
        let mut potential = found.potential.clone();
        potential.sort();
        let mut candidates = found.candidates.clone();
        candidates.sort_by_key(|candidate| candidate.node);
        let nodes = told.nodes.iter().map(|one| {
            let mut told = node(one);
            if let Some(fields) = told.as_object_mut() {
                fields.remove("allFailingPlugins");
            }
            told
        });
        Ok(json!({
            "fitError": told.fit_error,
            "nodes": nodes.collect::<Vec<_>>(),
            "eligible": found.not_eligible.is_none(),
            "notEligibleReason": found.not_eligible.unwrap_or_default(),
            "potentialNodes": potential,
            "candidates": candidates.iter().map(candidate).collect::<Vec<_>>(),
            "winners": found.best,
            "postFilter": post_filter(post),
            "failedSchedulingMessage": told.message,
        }))
    }

    /// Schedules the pending pods one after another; each is placed before the next.
    fn sequence(self) -> Value {
        let profile = self.profile;
        let mut snapshot = ClusterSnapshot::new(self.objects, None);
        let pending = std::mem::take(&mut snapshot.pending);
        let mut search = Search::default();
        let mut steps = Vec::new();
        let order: Vec<Name> = names(&snapshot.cache);
        for pod in pending {
            let start = search.next_start;
            let ClusterSnapshot { cache, nominator, .. } = &mut snapshot;
            let decision = search.schedule(cache, nominator, &profile, &pod, SimTime::ZERO, 0);
            let mut step = json!({
                "pod": pod.meta.key(), "startIndex": start, "nextStartIndex": search.next_start,
                "hintUsed": decision.from_batch,
            });
            match decision.outcome {
                Outcome::Chosen(slot) => {
                    let node = cache.node(slot).name();
                    step["evaluatedNodes"] = json!(decision.evaluated);
                    step["feasibleNodes"] = json!(decision.feasible);
                    step["selected"] = json!(node);
                    nominator.remove(&pod);
                    let assumed = Pod { node_name: node, ..Pod::clone(&pod) };
                    cache.assume_pod(&Arc::new(assumed));
                }
                Outcome::Unfit(diagnosis) => {
                    let cx = Context { cache, nominator, now: 0 };
                    step["fitError"] = json!(diagnosis.message(&profile, &cx, &decision.state, &pod));
                }
                Outcome::NoNodes => step["error"] = json!("no nodes available to schedule pods"),
                Outcome::Error(error) => step["error"] = json!(error),
            }
            steps.push(step);
        }
        json!({"nodeOrder": order, "steps": steps})
    }
}

fn names(cache: &Cache) -> Vec<Name> {
    cache.order().iter().map(|slot| cache.node(*slot).name()).collect()
}

fn first<E: ToString>(errors: &[E]) -> String {
    errors.first().map_or_else(String::new, ToString::to_string)
}

fn sorted(names: &[Name]) -> Value {
    let mut names = names.to_vec();
    names.sort();
    json!(names)
}

fn status(status: &Status) -> Value {
    json!({"plugin": status.plugin, "code": status.code.as_str(), "reasons": status.reasons})
}

fn pre_filter(told: &Explanation) -> Value {
    let mut value = json!({"code": told.pre_filter.code.as_str(), "allNodes": told.pre_filter_nodes.is_none()});
    if !told.pre_filter.plugin.is_empty() {
        value["plugin"] = json!(told.pre_filter.plugin);
    }
    if !told.pre_filter.reasons.is_empty() {
        value["reasons"] = json!(told.pre_filter.reasons);
    }
    if let Some(names) = &told.pre_filter_nodes {
        value["nodeNames"] = json!(names);
    }
    value
}

fn node(told: &NodeExplanation) -> Value {
    let mut value = json!({"name": told.name, "feasible": told.rejection.is_none()});
    match &told.rejection {
        None if told.scores.is_empty() => {}
        None => {
            let score = |score: &NodeScore| {
                let parts = json!({"raw": score.raw, "normalized": score.normalized, "weighted": score.weighted});
                (score.plugin.to_string(), parts)
            };
            value["scores"] = Value::Object(told.scores.iter().map(score).collect());
            value["total"] = json!(told.total);
        }
        Some(rejection) => {
            if !rejection.plugin.is_empty() {
                value["plugin"] = json!(rejection.plugin);
            }
            value["code"] = json!(rejection.code.as_str());
            value["reasons"] = json!(rejection.reasons);
            if rejection.excluded {
                value["excludedByPreFilter"] = json!(true);
            } else {
                value["allFailingPlugins"] = sorted(&rejection.all_failing);
            }
        }
    }
    value
}

fn post_filter(post: &PostFilterExplanation) -> Value {
    let mut value = json!({"code": post.status.code.as_str()});
    if post.status.code == Code::Success {
        let several = post.preemption.as_ref().is_some_and(|found| found.best.len() > 1);
        if let Some(node) = post.nominated_node.filter(|_| !several) {
            value["nominatedNode"] = json!(node);
        }
    } else {
        value["message"] = json!(post.status.message());
    }
    value
}

fn candidate(candidate: &Candidate) -> Value {
    let victims = &candidate.victims;
    let priorities = || victims.iter().map(|victim| i64::from(victim.spec.priority));
    let start = crate::api::Timestamp::from_unix_secs(earliest_start(victims, 0));
    json!({
        "node": candidate.node,
        "victims": victims.iter().map(|victim| victim.meta.key()).collect::<Vec<_>>(),
        "numPDBViolations": candidate.violations,
        "highestVictimPriority": priorities().max(),
        "sumPrioritiesShifted": priorities().map(|priority| priority + (1i64 << 31)).sum::<i64>(),
        "numVictims": victims.len(),
        "earliestStartOfHighestPriorityVictims": start.to_string(),
    })
}
