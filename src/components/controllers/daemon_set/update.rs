//! From one template to the next, node by node (`pkg/controller/daemon/update.go`).

use super::placement::{Placement, Plan};
use crate::api::{DaemonSetUpdateStrategy, Name, Pod};
use indexmap::IndexSet;
use std::sync::Arc;

/// The pods of a node: the one of the newest template and the one of an older; `None` if there are several of one sort.
type Pair = Option<(Option<Arc<Pod>>, Option<Arc<Pod>>)>;

fn pair(placement: &Placement<'_>, node: Name) -> Pair {
    let (mut new, mut old) = (None, None);
    for pod in placement.on(node).iter().filter(|pod| !pod.meta.is_terminating()) {
        let place = if placement.is_new(pod) { &mut new } else { &mut old };
        if place.replace(pod.clone()).is_some() {
            return None;
        }
    }
    Some((new, old))
}

/// How many nodes should have a pod.
fn desired(placement: &Placement<'_>) -> usize {
    placement.nodes.values().filter(|fit| fit.run).count()
}

/// How many nodes may have two pods, and how many none (`updatedDesiredNodeCounts`). Both are rounded up.
fn limits(placement: &Placement<'_>) -> (usize, usize) {
    let DaemonSetUpdateStrategy::RollingUpdate { max_surge, max_unavailable } = placement.set.spec.update_strategy
    else {
        return (0, 0);
    };
    let desired = desired(placement) as i32;
    let (surge, unavailable) = (max_surge.of_rounding_up(desired), max_unavailable.of_rounding_up(desired));
    let unavailable = if desired > 0 && unavailable == 0 && surge == 0 { 1 } else { unavailable };
    (surge.max(0) as usize, unavailable.max(0) as usize)
}

/// What the update does now (`rollingUpdate`).
pub(super) fn plan(placement: &Placement<'_>) -> Plan {
    let wanted = placement.nodes.iter().filter(|(_, fit)| fit.run).map(|(node, _)| *node);
    let nodes: IndexSet<Name> = wanted.chain(placement.pods.keys().copied()).collect();
    let (surge, unavailable) = limits(placement);
    if surge == 0 { replace(placement, &nodes, unavailable) } else { surge_plan(placement, &nodes, surge) }
}

/// Old pods go, as many as may be away at once; those that are not available go in any case.
fn replace(placement: &Placement<'_>, nodes: &IndexSet<Name>, most: usize) -> Plan {
    let mut away = 0;
    let (mut delete, mut candidates) = (Vec::new(), Vec::new());
    for node in nodes {
        match pair(placement, *node) {
            None | Some((None, None) | (Some(_), Some(_))) => away += 1,
            Some((Some(new), None)) => away += usize::from(!placement.is_available(&new)),
            Some((None, Some(old))) if !placement.is_available(&old) => {
                away += 1;
                delete.push(old);
            }
            Some((None, Some(old))) if away < most => candidates.push(old),
            Some((None, Some(_))) => {}
        }
    }
    delete.extend(candidates.into_iter().take(most.saturating_sub(away)));
    Plan { delete, ..Plan::default() }
}

/// New pods come beside the old ones, which go once the new ones are available. Where the set should not run any more,
/// available ones go only as far as there are more than enough of them elsewhere.
fn surge_plan(placement: &Placement<'_>, nodes: &IndexSet<Name>, most: usize) -> Plan {
    let (mut surging, mut available) = (0, 0);
    let (mut delete, mut create, mut candidates, mut unwanted) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for node in nodes {
        let Some((new, old)) = pair(placement, *node) else {
            surging += 1;
            continue;
        };
        let counted = old.as_ref().or(new.as_ref()).is_some_and(|pod| placement.is_available(pod));
        available += usize::from(counted);
        match (new, old) {
            (_, None) => {}
            (None, Some(old)) => match placement.nodes.get(node) {
                Some(fit) if !fit.run && counted => unwanted.push(old),
                Some(fit) if !fit.run => delete.push(old),
                Some(_) if !counted => create.push(*node),
                Some(_) if surging < most => candidates.push(*node),
                Some(_) | None => {}
            },
            (Some(new), Some(_)) if !placement.is_available(&new) => surging += 1,
            (Some(_), Some(old)) => delete.push(old),
        }
    }
    delete.extend(unwanted.into_iter().take(available.saturating_sub(desired(placement))));
    create.extend(candidates.into_iter().take(most.saturating_sub(surging)));
    Plan { delete, create, ..Plan::default() }
}
