//! Pod workers: one thing at a time, strictly forward.

use super::facts::Moved;
use super::{Invariant, Law, Seen};
use crate::components::kubelet::{Doing, WorkerInsight};
use crate::engine::SimDuration;

/// Work queues are looked at so often.
const TICK: SimDuration = SimDuration::from_secs(1);

pub(super) const LAWS: &[Invariant] = &[
    Invariant {
        number: 6,
        name: "workers-move-forward",
        sentence: "A worker only moves forward: syncing, terminating, terminated, finished.",
        source: "TestUpdatePod, TestTerminalPhaseTransition",
        law: Law::Moved(forward),
    },
    Invariant {
        number: 7,
        name: "stopping-was-asked-for",
        sentence: "Stopping implies that it was asked for; stopped implies stopping; finished implies stopped.",
        source: "pod_workers.go, TestSyncKnownPods",
        law: Law::Moved(nested),
    },
    Invariant {
        number: 8,
        name: "no-sync-after-termination",
        sentence: "No worker takes a sync once termination was asked for; one taken before still begins.",
        source: "startPodSync, TestUpdatePod",
        law: Law::Moved(no_sync_after_the_end),
    },
    Invariant {
        number: 9,
        name: "one-thing-at-a-time",
        sentence: "At most one thing is done for a pod at a time.",
        source: "TestUpdatePodParallel",
        law: Law::Moved(one_at_a_time),
    },
    Invariant {
        number: 10,
        name: "granted-grace-never-grows",
        sentence: "The grace that a worker grants is at least a second, and never grows.",
        source: "Test_calculateEffectiveGracePeriod",
        law: Law::Moved(grace_shrinks),
    },
    Invariant {
        number: 66,
        name: "looked-at-in-time",
        sentence: "A pod is looked at again within one and a half times the sync frequency, and a tick.",
        source: "TestCompleteWork_Enqueue",
        law: Law::Moved(requeued_in_time),
    },
    Invariant {
        number: 67,
        name: "looked-at-runtime-first",
        sentence: "A worker begins only after the runtime was looked at since it last ended.",
        source: "TestGetNewerThan",
        law: Law::Moved(sees_something_newer),
    },
];

/// How far a worker has come.
fn stage(worker: &WorkerInsight) -> u8 {
    match worker {
        WorkerInsight { finished: true, .. } => 3,
        WorkerInsight { terminated_at: Some(_), .. } => 2,
        WorkerInsight { terminating_at: Some(_), .. } => 1,
        _ => 0,
    }
}

/// The worker as it was and as it is, if it is the same.
fn same(fact: &Moved<'_>) -> Option<(WorkerInsight, WorkerInsight)> {
    fact.workers().filter(|(before, after)| after.turn >= before.turn && !(before.finished && !after.finished))
}

fn forward(fact: &Moved<'_>) -> Seen {
    let (before, after) = same(fact)?;
    (stage(&after) < stage(&before)).then(|| format!("{before:?} became {after:?}"))
}

fn nested(fact: &Moved<'_>) -> Seen {
    let worker = fact.after.worker?;
    let stopping = worker.doing == Doing::Terminating;
    let wrong = stopping && worker.terminating_at.is_none()
        || worker.terminated_at.is_some() && worker.terminating_at.is_none()
        || worker.finished && worker.terminated_at.is_none() && !fact.insight.key().is_static();
    wrong.then(|| format!("{worker:?}"))
}

fn no_sync_after_the_end(fact: &Moved<'_>) -> Seen {
    let (before, after) = same(fact)?;
    let takes = |doing: Doing| matches!(doing, Doing::AwaitingSync | Doing::Syncing);
    let taken = takes(after.doing) && (!takes(before.doing) || before.turn != after.turn);
    let asked = before.terminating_at?;
    taken.then(|| format!("a sync was taken although the end was asked for at {asked:?}"))
}

fn one_at_a_time(fact: &Moved<'_>) -> Seen {
    let (before, after) = same(fact)?;
    let busy = |doing: Doing| matches!(doing, Doing::Syncing | Doing::Terminating | Doing::CleaningUp);
    let both = busy(before.doing) && busy(after.doing) && before.doing != after.doing && before.turn == after.turn;
    both.then(|| format!("{:?} was not over when {:?} began", before.doing, after.doing))
}

fn grace_shrinks(fact: &Moved<'_>) -> Seen {
    let after = fact.after.worker?;
    let before = same(fact).map_or(0, |(before, _)| before.grace);
    let wrong = after.grace < 0 || before > 0 && (after.grace == 0 || after.grace > before);
    wrong.then(|| format!("{before} s became {} s", after.grace))
}

fn requeued_in_time(fact: &Moved<'_>) -> Seen {
    let (before, after) = same(fact)?;
    let due = after.requeued_for.filter(|_| before.requeued_for != after.requeued_for)?;
    let longest = fact.kubelet.config().sync_frequency.mul_ratio(3, 2) + TICK;
    let wait = due.since(fact.now);
    (wait > longest).then(|| format!("again after {wait}, at most {longest} was due"))
}

fn sees_something_newer(fact: &Moved<'_>) -> Seen {
    let (before, after) = same(fact)?;
    let busy = |doing: Doing| matches!(doing, Doing::Syncing | Doing::Terminating | Doing::CleaningUp);
    let ended = before.last_ended.filter(|_| busy(after.doing) && !busy(before.doing))?;
    let seen = fact.insight.observed_at(fact.now);
    seen.is_none_or(|seen| seen <= ended).then(|| format!("it ended at {ended:?}, the runtime was seen at {seen:?}"))
}
