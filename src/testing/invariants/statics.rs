//! Static pods.

use super::facts::Moved;
use super::{Invariant, Law, Seen};
use crate::components::kubelet::Doing;

pub(super) const LAWS: &[Invariant] = &[
    Invariant {
        number: 56,
        name: "static-pods-take-turns",
        sentence: "Of static pods of one name, one is started at a time.",
        source: "TestStaticPodExclusion, Test_allowPodStart",
        law: Law::Moved(one_of_a_name),
    },
    Invariant {
        number: 57,
        name: "static-pods-end-with-their-containers",
        sentence: "The end of a static pod does not make its phase terminal: only the ends of its containers do.",
        source: "TestTerminatePod_EnsurePodPhaseIsTerminal",
        law: Law::Moved(not_forced_to_an_end),
    },
];

fn one_of_a_name(fact: &Moved<'_>) -> Seen {
    let began = fact.after.worker.is_some_and(|worker| worker.doing == Doing::Syncing)
        && fact.before.worker.is_some_and(|worker| worker.doing != Doing::Syncing);
    if !began || !fact.insight.key().is_static() {
        return None;
    }
    let meta = &fact.insight.pod().meta;
    let other = fact.kubelet.pods().find(|other| {
        let same = (other.pod().meta.namespace, other.pod().meta.name) == (meta.namespace, meta.name);
        let runs = other.worker().is_some_and(|worker| !worker.finished) && !other.cached().containers.is_empty();
        same && runs && other.key() != fact.insight.key()
    })?;
    Some(format!("{} is not over", other.pod().meta.uid))
}

fn not_forced_to_an_end(fact: &Moved<'_>) -> Seen {
    let (_, status) = fact.new_status()?;
    let ended = fact.insight.key().is_static() && status.phase.is_terminal() && fact.after.worker.is_some();
    let left = status.containers.iter().find(|container| container.state.terminated().is_none())?;
    ended.then(|| format!("{} while {} is {:?}", status.phase, left.name, left.state))
}
