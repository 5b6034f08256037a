//! PodDisruptionBudgets: how many pods may be evicted now; and the marks of evictions that never came.
//!
//! Follows `pkg/controller/disruption/disruption.go` of Kubernetes 1.36. The eviction itself is the server's.

use super::flow::{Desk, Flow, Step};
use super::host::{Controller, Seen, Settings};
use super::informers::Informers;
use super::interest::Interest;
use super::pod_control;
use super::work_queue::Key;
use crate::api::{
    Amendment, Condition, ConditionStatus, DISRUPTION_TARGET, EventType, Id, IntOrPercent, Kind, List, Name, Object,
    ObjectReference, OwnerReference, Part, Pod, PodDisruptionBudget, PodDisruptionBudgetStatus, Request, Requirement,
    Selector, Timestamp, WallTime, names, set_condition,
};
use crate::engine::SimDuration;
use std::sync::Arc;

names! {
    DISRUPTION_ALLOWED = "DisruptionAllowed";
    BY_KUBELET = "TerminationByKubelet";
}

/// An evicted pod that has not begun to go after so long counts as healthy again, and loses its mark.
const PATIENCE: SimDuration = SimDuration::from_secs(120);

/// The controller of PodDisruptionBudgets.
#[derive(Debug, Clone)]
pub struct DisruptionController;

/// What one sync sees.
#[derive(Debug, Clone)]
pub struct View {
    budget: Arc<PodDisruptionBudget>,
    pods: i32,
    healthy: i32,
    /// How many pods there should be, or why that is not known.
    expected: Result<i32, String>,
    unmanaged: bool,
    disrupted: List<(Name, Timestamp)>,
    /// When the first of these is no longer waited for.
    recheck: Option<SimDuration>,
    /// Pods that should have gone.
    stayed: Vec<ObjectReference>,
}

impl Controller for DisruptionController {
    type Key = Key;
    type View = View;
    const INTEREST: Interest =
        Interest::in_kinds(&[Kind::PodDisruptionBudget, Kind::Pod]).once_there_was(&[Kind::PodDisruptionBudget]);

    fn settings(&self) -> Settings {
        Settings { workers: 1, ..Settings::new("controllermanager") }
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<Key>) {
        match seen.new {
            Object::PodDisruptionBudget(budget) if !seen.is_deletion() => desk.queue.add(Key::of(&budget.meta)),
            Object::Pod(pod) => {
                let old = seen.of::<Pod>().and_then(|(old, _)| old);
                let mut guards: Vec<Name> = Vec::new();
                for place in seen.informers.budgets_in(pod.meta.namespace) {
                    let budgets = &seen.informers.store().pod_disruption_budgets;
                    let Some(budget) = budgets.get(Id::new(*place)) else { continue };
                    let selects = |pod: &Pod| budget.selector.as_ref().is_some_and(|s| s.matches(&pod.meta.labels));
                    let now = selects(pod);
                    guards.extend(now.then_some(budget.meta.name));
                    if now || old.is_some_and(|old| selects(old)) {
                        desk.queue.add(Key::of(&budget.meta));
                    }
                }
                if let [first, _, ..] = guards[..] {
                    // `getPdbForPod`, which then looks at one of them only; here all are kept up to date.
                    let (namespace, name) = (pod.meta.namespace, pod.meta.name);
                    let message = format!(
                        "Pod {:?}/{:?} matches multiple PodDisruptionBudgets.  Chose {:?} arbitrarily.",
                        &*namespace, &*name, &*first
                    );
                    let about = Object::Pod(pod.clone()).reference();
                    desk.tell(about, EventType::Warning, "MultiplePodDisruptionBudgets", message);
                }
            }
            _ => {}
        }
    }

    fn view(&mut self, key: Key, informers: &Informers, desk: &mut Desk<Key>) -> Option<View> {
        let budget = informers.store().pod_disruption_budgets.find(key.namespace, key.name)?;
        let none = super::SelectedPods::default();
        let selected = informers.budget_pods(budget.meta.index).unwrap_or(&none);
        let now = desk.wall();
        let (mut disrupted, mut stayed, mut unhealthy, mut recheck) = (Vec::new(), Vec::new(), 0, None);
        for &(name, since) in budget.status.disrupted_pods.iter() {
            let Some(pod) = informers.store().pods.find(key.namespace, name) else { continue };
            if pod.meta.is_terminating() || !selected.pods.contains(&pod.meta.index) {
                continue;
            }
            let left = PATIENCE.saturating_sub(now.since(since.wall()));
            if left.is_zero() {
                stayed.push(Object::Pod(pod.clone()).reference());
                continue;
            }
            disrupted.push((name, since));
            recheck = Some(recheck.map_or(left, |first: SimDuration| first.min(left)));
            unhealthy += i32::from(pod.status.is_ready());
        }
        let (expected, unmanaged) = expected(budget, selected, informers);
        Some(View {
            budget: budget.clone(),
            pods: selected.pods.len() as i32,
            healthy: selected.healthy - unhealthy,
            expected,
            unmanaged,
            disrupted: disrupted.into(),
            recheck,
            stayed,
        })
    }

    fn sync(&mut self, view: &View, flow: &mut Flow<'_, Key>) -> Step {
        let budget = &view.budget;
        let about = Object::PodDisruptionBudget(budget.clone()).reference();
        if view.pods == 0 {
            flow.tell(about, EventType::Normal, "NoPods", "No matching pods found");
        }
        if view.unmanaged {
            let selector = budget.selector.as_ref().map(written).unwrap_or_default();
            let message = format!(
                "Pods selected by this PodDisruptionBudget (selector: {selector}) were found to be unmanaged. As a \
                 result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. \
                 To account for these pods please set \".spec.minAvailable\" field of the PDB to an integer value."
            );
            flow.tell(about, EventType::Warning, "UnmanagedPods", message);
        }
        for pod in &view.stayed {
            let message =
                format!("Pod was expected by PDB {}/{} to be deleted but it wasn't", about.namespace, about.name);
            flow.tell(*pod, EventType::Warning, "NotDeleted", message);
        }
        let status = match &view.expected {
            Ok(expected) => status(view, *expected, flow.stamp()),
            Err(why) => {
                let message = format!("Failed to calculate the number of expected pods: {why}");
                flow.tell(about, EventType::Warning, "CalculateExpectedPodCountFailed", message.clone());
                let mut status = PodDisruptionBudgetStatus { disruptions_allowed: 0, ..budget.status.clone() };
                allow(&mut status, "SyncFailed", why, budget.meta.generation, flow.stamp());
                status
            }
        };
        if status != budget.status {
            let changed = PodDisruptionBudget { status, ..PodDisruptionBudget::clone(budget) };
            let object = Object::PodDisruptionBudget(Arc::new(changed));
            flow.call(|| Request::Update { object, part: Part::Status })??;
        }
        if let Some(recheck) = view.recheck {
            flow.again_after(recheck);
        }
        Ok(())
    }
}

/// A selector by labels as Go prints it.
fn written(selector: &Selector) -> String {
    let label =
        |wanted: &Requirement| format!("{}: {},", wanted.key, wanted.values.first().copied().unwrap_or_default());
    let labels: String = selector.0.iter().map(label).collect();
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{}},}}"
    )
}

/// What the budget comes to (`updatePdbStatus`).
fn status(view: &View, expected: i32, now: Timestamp) -> PodDisruptionBudgetStatus {
    let desired = desired_healthy(&view.budget, expected);
    let allowed = if expected <= 0 { 0 } else { (view.healthy - desired).max(0) };
    let generation = view.budget.meta.generation;
    let mut status = PodDisruptionBudgetStatus {
        observed_generation: generation,
        disrupted_pods: view.disrupted.clone(),
        disruptions_allowed: allowed,
        current_healthy: view.healthy,
        desired_healthy: desired,
        expected_pods: expected,
        conditions: view.budget.status.conditions.clone(),
    };
    let reason = if allowed > 0 { "SufficientPods" } else { "InsufficientPods" };
    allow(&mut status, reason, "", generation, now);
    status
}

fn allow(status: &mut PodDisruptionBudgetStatus, reason: &str, message: &str, generation: i64, now: Timestamp) {
    let allowed = ConditionStatus::from(status.disruptions_allowed > 0);
    let mut condition = Condition::new(*DISRUPTION_ALLOWED, allowed, now).because(reason, message);
    condition.observed_generation = generation;
    set_condition(&mut status.conditions, condition);
}

/// How many pods must stay healthy. Percentages are rounded up (`getExpectedPodCount`).
fn desired_healthy(budget: &PodDisruptionBudget, expected: i32) -> i32 {
    match (budget.max_unavailable, budget.min_available) {
        (Some(most), _) => (expected - most.of_rounding_up(expected)).max(0),
        (None, Some(least)) => least.of_rounding_up(expected),
        (None, None) => 0,
    }
}

/// How many pods there should be; and whether some have no controller that says so.
fn expected(
    budget: &PodDisruptionBudget,
    selected: &super::SelectedPods,
    informers: &Informers,
) -> (Result<i32, String>, bool) {
    match (budget.max_unavailable, budget.min_available) {
        // Who says nothing expects nothing, and so allows no disruption.
        (None, None) => return (Ok(0), false),
        (None, Some(IntOrPercent::Int(_))) => return (Ok(selected.pods.len() as i32), false),
        _ => {}
    }
    let mut owners: Vec<&OwnerReference> = Vec::new();
    let mut unmanaged = false;
    for place in &selected.pods {
        if owners.len() + usize::from(unmanaged) == selected.controllers.len() {
            break;
        }
        let Some(pod) = informers.store().pods.get(Id::new(*place)) else { continue };
        match pod.meta.controller() {
            Some(owner) if owners.iter().any(|have| have.uid == owner.uid) => {}
            Some(owner) => owners.push(owner),
            None => unmanaged = true,
        }
    }
    let mut scales: Vec<(crate::api::Uid, i32)> = Vec::new();
    for owner in owners {
        match scale(owner, budget.meta.namespace, informers) {
            Ok(found) if scales.iter().any(|(uid, _)| *uid == found.0) => {}
            Ok(found) => scales.push(found),
            Err(why) => return (Err(why), unmanaged),
        }
    }
    (Ok(scales.iter().map(|(_, replicas)| replicas).sum()), unmanaged)
}

/// The size of what controls a pod, in the end: of the Deployment of a ReplicaSet.
fn scale(owner: &OwnerReference, namespace: Name, informers: &Informers) -> Result<(crate::api::Uid, i32), String> {
    let store = informers.store();
    let found = match owner.kind.as_str() {
        "ReplicaSet" => store.replica_sets.find(namespace, owner.name).map(|set| {
            let deployment = set.meta.controller().filter(|by| by.kind == Kind::Deployment.as_str());
            let deployment = deployment.and_then(|by| store.deployments.find(namespace, by.name));
            deployment.map_or((set.meta.uid, set.spec.replicas), |by| (by.meta.uid, by.spec.replicas))
        }),
        "StatefulSet" => store.stateful_sets.find(namespace, owner.name).map(|set| (set.meta.uid, set.spec.replicas)),
        "ReplicationController" => {
            store.replication_controllers.find(namespace, owner.name).map(|set| (set.meta.uid, set.spec.replicas))
        }
        _ => {
            let resource = Kind::from_manifest(&owner.api_version, &owner.kind).map(Kind::resource);
            let resource = resource.unwrap_or_else(|| owner.kind.to_lowercase());
            return Err(format!("{resource} does not implement the scale subresource"));
        }
    };
    found.ok_or_else(|| format!("found no controllers for pod of {} {}", owner.kind, owner.name))
}

/// Takes back marks of disruptions that did not happen (`syncStalePodDisruption`).
#[derive(Debug, Clone)]
pub struct StaleDisruptionController;

impl Controller for StaleDisruptionController {
    type Key = Key;
    type View = Arc<Pod>;
    const INTEREST: Interest = Interest::in_kinds(&[Kind::Pod]);

    fn settings(&self) -> Settings {
        Settings { workers: 1, ..Settings::new("controllermanager") }
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<Key>) {
        let Object::Pod(pod) = seen.new else { return };
        if !seen.is_deletion()
            && let Some(left) = stale_in(pod, desk.wall())
        {
            desk.queue.add_after(desk.now, left, Key::of(&pod.meta));
        }
    }

    fn view(&mut self, key: Key, informers: &Informers, desk: &mut Desk<Key>) -> Option<Arc<Pod>> {
        let pod = informers.store().pods.find(key.namespace, key.name)?;
        stale_in(pod, desk.wall()).filter(|left| left.is_zero()).map(|_| pod.clone())
    }

    fn sync(&mut self, pod: &Arc<Pod>, flow: &mut Flow<'_, Key>) -> Step {
        let mut condition = Condition::new(*DISRUPTION_TARGET, ConditionStatus::False, flow.stamp());
        condition.observed_generation = pod.meta.generation;
        let amendment = Amendment::PodStatus { condition: Some(condition), phase: None };
        let request = || Request::Amend { target: pod_control::target(pod), uid: Some(pod.meta.uid), amendment };
        match flow.call(request)? {
            Err(error) if !matches!(error.code, 404 | 409) => Err(error.into()),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// How long until a pod's mark is stale, if it bears one and nothing has come of it.
fn stale_in(pod: &Pod, now: WallTime) -> Option<SimDuration> {
    if pod.meta.is_terminating() || pod.is_terminal() {
        return None;
    }
    let mark = pod.status.condition(*DISRUPTION_TARGET)?;
    let stands = mark.status == ConditionStatus::True && mark.reason != *BY_KUBELET;
    stands.then(|| PATIENCE.saturating_sub(now.since(mark.last_transition_time.wall())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Metadata, Text};

    #[test]
    fn percentages_round_up() {
        // control-plane.md A.12; `TestIntegerMaxUnavailable`, `TestPercentageMaxUnavailableWithScaling`.
        let percent = |percent| Some(IntOrPercent::Percent(percent));
        let int = |number| Some(IntOrPercent::Int(number));
        // (min available, max unavailable, expected, healthy) to (desired, allowed).
        let cases = [
            (None, percent(30), 5, 5, 3, 2),
            (percent(50), None, 5, 5, 3, 2),
            (percent(100), None, 5, 5, 5, 0),
            (None, int(1), 1, 1, 0, 1),
            (None, int(7), 3, 3, 0, 3),
            (int(3), None, 5, 2, 3, 0),
            (int(0), None, 0, 0, 0, 0),
        ];
        for (min_available, max_unavailable, expected, healthy, desired, allowed) in cases {
            let budget = PodDisruptionBudget {
                meta: Metadata::default(),
                selector: None,
                min_available,
                max_unavailable,
                always_evict_unhealthy: false,
                status: PodDisruptionBudgetStatus::default(),
                source: Text::default(),
            };
            let view = View {
                budget: Arc::new(budget),
                pods: expected,
                healthy,
                expected: Ok(expected),
                unmanaged: false,
                disrupted: List::EMPTY,
                recheck: None,
                stayed: Vec::new(),
            };
            let status = status(&view, expected, Timestamp::default());
            let got = (status.desired_healthy, status.disruptions_allowed);
            assert_eq!(got, (desired, allowed), "{min_available:?} {max_unavailable:?} of {expected}");
        }
    }
}
