//! The eviction sub-resource: a delete that asks the disruption budget first.
//!
//! Follows `pkg/registry/core/pod/storage/eviction.go`.

use super::Server;
use crate::api::{
    ApiError, Condition, ConditionStatus, DISRUPTION_TARGET, DeleteOptions, ErrorReason, Kind, Name, Object, Pod,
    PodDisruptionBudget, PodPhase, Response, set_condition,
};
use crate::engine::SimTime;
use crate::planted::{self, Bug};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Entries in `status.disruptedPods` above which no eviction is accepted.
const MOST_DISRUPTED_PODS: usize = 2_000;

/// An eviction that the server is at: it writes three objects, one after the other, and whoever watches may see each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Eviction {
    namespace: Name,
    name: Name,
    options: DeleteOptions,
    next: Write,
}

/// What an eviction writes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Write {
    /// The budget, which is charged.
    Budget,
    /// The pod's condition `DisruptionTarget`.
    Condition,
    /// The pod, which is deleted.
    Deletion,
}

impl Eviction {
    /// An eviction that was asked for.
    pub const fn new(namespace: Name, name: Name, options: DeleteOptions) -> Self {
        Self { namespace, name, options, next: Write::Budget }
    }

    const fn then(self, next: Write) -> Self {
        Self { next, ..self }
    }

    /// Namespace and name of the pod.
    pub const fn pod(&self) -> (Name, Name) {
        (self.namespace, self.name)
    }
}

impl Server {
    /// Evicts a pod as if the writes took no time.
    pub(super) fn evict(&mut self, now: SimTime, namespace: Name, name: Name, options: DeleteOptions) -> Response {
        let mut eviction = Eviction::new(namespace, name, options);
        loop {
            match self.go_on_evicting(now, eviction) {
                ControlFlow::Continue(more) => eviction = more,
                ControlFlow::Break(response) => return response,
            }
        }
    }

    /// Writes what an eviction writes next, if it writes anything; then there is the next write, or the answer.
    pub fn go_on_evicting(&mut self, now: SimTime, eviction: Eviction) -> ControlFlow<Response, Eviction> {
        let Eviction { namespace, name, options, next } = eviction;
        let Some(pod) = self.store.pods.find(namespace, name).cloned() else {
            return ControlFlow::Break(Err(ApiError::not_found(Kind::Pod, &name)));
        };
        match next {
            Write::Budget => match self.ask_budget(now, &pod) {
                Ok(true) => ControlFlow::Continue(eviction.then(Write::Condition)),
                Ok(false) => self.go_on_evicting(now, eviction.then(Write::Condition)),
                Err(refused) => ControlFlow::Break(Err(refused)),
            },
            Write::Condition if self.mark_disrupted(now, &pod) => ControlFlow::Continue(eviction.then(Write::Deletion)),
            Write::Condition | Write::Deletion => ControlFlow::Break(self.delete::<Pod>(now, namespace, name, options)),
        }
    }

    /// Charges the pod's budget, or refuses; whether there was one to charge.
    fn ask_budget(&mut self, now: SimTime, pod: &Pod) -> Result<bool, Box<ApiError>> {
        if ignores_budgets(pod) {
            return Ok(false);
        }
        let budgets: Vec<_> = self.budgets_of(pod).cloned().collect();
        match budgets.as_slice() {
            [] => Ok(false),
            [budget] => self.ask(now, pod, budget),
            _ => {
                let message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does \
                               not support.";
                Err(ApiError::new(ErrorReason::InternalError, message))
            }
        }
    }

    fn budgets_of<'a>(&'a self, pod: &'a Pod) -> impl Iterator<Item = &'a Arc<PodDisruptionBudget>> {
        self.store.pod_disruption_budgets.iter().filter(|budget| {
            budget.meta.namespace == pod.meta.namespace
                && budget.selector.as_ref().is_some_and(|selector| selector.matches(&pod.meta.labels))
        })
    }

    /// Charges a budget, or refuses; whether it had to be charged.
    fn ask(&mut self, now: SimTime, pod: &Pod, budget: &PodDisruptionBudget) -> Result<bool, Box<ApiError>> {
        let status = &budget.status;
        if !pod.status.is_ready() {
            let enough = status.current_healthy >= status.desired_healthy && status.desired_healthy > 0;
            if budget.always_evict_unhealthy || enough {
                return Ok(false);
            }
        }
        if status.observed_generation < budget.meta.generation {
            let message = "Cannot evict pod as it would violate the pod's disruption budget.";
            let mut error = ApiError::new(ErrorReason::TooManyRequests, message);
            error.retry_after = Some(10);
            return Err(error);
        }
        if status.disrupted_pods.len() > MOST_DISRUPTED_PODS {
            let why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller";
            return Err(ApiError::forbidden(Kind::PodDisruptionBudget, &budget.meta.name, why));
        }
        if status.disruptions_allowed <= 0 {
            let message = "Cannot evict pod as it would violate the pod's disruption budget.";
            return Err(ApiError::new(ErrorReason::DisruptionBudget, message));
        }
        if planted::is(Bug::BudgetNotCharged) {
            return Ok(false);
        }
        let mut charged = budget.clone();
        charged.status.disruptions_allowed -= 1;
        charged.status.disrupted_pods =
            charged.status.disrupted_pods.with((pod.meta.name, self.clock.at(now).truncated()));
        if charged.status.disruptions_allowed == 0 {
            let stamp = self.stamp(now);
            let generation = budget.meta.generation;
            let mut condition = Condition::new(Name::new("DisruptionAllowed"), ConditionStatus::False, stamp)
                .because("InsufficientPods", "");
            condition.observed_generation = generation;
            set_condition(&mut charged.status.conditions, condition);
        }
        self.store.replace(charged);
        Ok(true)
    }

    /// Says in the pod's conditions that it is evicted; whether that was not there yet.
    fn mark_disrupted(&mut self, now: SimTime, pod: &Pod) -> bool {
        let mut marked = pod.clone();
        let mut condition = Condition::new(*DISRUPTION_TARGET, ConditionStatus::True, self.stamp(now))
            .because("EvictionByEvictionAPI", "Eviction API: evicting");
        condition.observed_generation = pod.meta.generation;
        Arc::make_mut(&mut marked.status).set_condition(condition);
        let new = marked != *pod;
        if new {
            self.store.replace(marked);
        }
        new
    }
}

/// Pods that no budget protects: finished, not yet running, or on their way out.
fn ignores_budgets(pod: &Pod) -> bool {
    pod.is_terminal() || pod.status.phase == PodPhase::Pending || pod.meta.is_terminating()
}

impl Object {
    /// The pod behind an object, if it is one.
    pub fn pod(&self) -> Option<&Arc<Pod>> {
        match self {
            Self::Pod(pod) => Some(pod),
            _ => None,
        }
    }
}
