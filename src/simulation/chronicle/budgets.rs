//! Disruption budgets: evictions ask them, and nobody else does.

use super::{Broken, HistoryLaw};
use crate::api::{Change, ErrorReason, FastMap, Name, Object, Request, Uid};
use crate::components::message::{Client, Message};

pub(super) const LAWS: &[HistoryLaw] = &[HistoryLaw {
    name: "only-evictions-ask-budgets",
    says: "neither preemption nor taints, scaling down or deleting asks a disruption budget, or is charged to one",
}];

/// What the laws of budgets remember.
#[derive(Debug, Clone, Default)]
pub(super) struct Budgets {
    /// The evictions of pods that budgets list, by budget.
    disrupted: FastMap<Uid, Vec<Name>>,
    /// Calls that are not answered, and what is asked.
    asked: FastMap<(Client, u32), &'static str>,
    /// What the call that is being served asks.
    serving: Option<&'static str>,
}

impl Budgets {
    pub(super) fn delivered(&mut self, message: &Message) -> Option<Broken> {
        self.serving = None;
        match message {
            Message::Call { client, id, request } => {
                let asks: &'static str = request.as_ref().into();
                self.serving = Some(asks);
                if matches!(**request, Request::Delete { .. } | Request::Evict { .. }) {
                    self.asked.insert((*client, *id), asks);
                }
                None
            }
            Message::Reply { client, id, response } => {
                let asked = self.asked.remove(&(*client, *id))?;
                let refused = response.as_ref().is_err_and(|error| error.reason == ErrorReason::DisruptionBudget);
                refused_by_budget(asked, refused).map(|seen| (LAWS[0].name, format!("{client:?}"), seen))
            }
            _ => None,
        }
    }

    pub(super) fn changed(&mut self, change: &Change) -> Option<Broken> {
        let Object::PodDisruptionBudget(budget) = &change.object else { return None };
        let now: Vec<Name> = budget.status.disrupted_pods.iter().map(|(pod, _)| *pod).collect();
        let before = self.disrupted.insert(budget.meta.uid, now.clone()).unwrap_or_default();
        let pod = now.iter().find(|pod| !before.contains(pod))?;
        charged(self.serving?, *pod).map(|seen| (LAWS[0].name, change.object.path(), seen))
    }
}

/// A budget refuses evictions, and nothing else (`TestEvictionDryRun`, `EvictionREST.Create`).
fn refused_by_budget(asked: &'static str, refused: bool) -> Option<String> {
    (refused && asked != "evict").then(|| format!("a call to {asked} is refused by a budget"))
}

/// A budget is charged for evictions, and for nothing else (`checkAndDecrement`).
fn charged(serving: &'static str, pod: Name) -> Option<String> {
    (serving != "evict").then(|| format!("a call to {serving} is charged for {pod}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_for_evictions() {
        assert_eq!(refused_by_budget("evict", true), None);
        assert_eq!(refused_by_budget("delete", false), None);
        assert!(refused_by_budget("delete", true).is_some());
        assert_eq!(charged("evict", Name::new("web")), None);
        assert!(charged("delete", Name::new("web")).is_some());
        assert!(charged("amend", Name::new("web")).is_some());
    }
}
