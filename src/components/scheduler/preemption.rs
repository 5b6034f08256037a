//! Making room: which pods of lower priority would have to go so that a pod fits, and where that is cheapest.
//!
//! Follows `pkg/scheduler/framework/preemption/preemption.go` and `plugins/defaultpreemption` of Kubernetes 1.36. The
//! real dry run tries 16 nodes at once and breaks ties by the order of a map; here nodes are tried in order, and among
//! equals the first candidate wins.

use super::cache::{NodeInfo, NodeSlot, PodOnNode};
use super::framework::{Code, Context, CycleState, PostFilterContext, Verdict};
use super::profile::Profile;
use crate::api::{ConditionStatus, DISRUPTION_TARGET, Name, Pod, PodDisruptionBudget, Text};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The reason of the condition of a pod that was preempted.
pub const PREEMPTION_BY_SCHEDULER: &str = "PreemptionByScheduler";

/// A node with the pods that would have to go.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The node.
    pub node: Name,
    /// The pods, most important first.
    pub victims: Vec<Arc<Pod>>,
    /// How many of them a disruption budget protects.
    pub violations: usize,
}

/// What a search for candidates came to.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// Why the pod may not preempt, if it may not.
    pub not_eligible: Option<&'static str>,
    /// Nodes on which evicting pods might help, in order of the snapshot.
    pub potential: Vec<NodeSlot>,
    /// Nodes on which it does: those without violated budgets first.
    pub candidates: Vec<Candidate>,
    /// Nodes on which it does not, and what stands in the way.
    pub hopeless: Vec<(NodeSlot, Obstacle)>,
    /// The candidates among which only chance decides, by place.
    pub best: Vec<usize>,
}

/// Why evicting pods of a node does not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// There is none of lower priority.
    NoVictims,
    /// A filter rejects the pod even without them.
    Rejected(Verdict),
}

impl Obstacle {
    /// Whether the node is rejected for good, as a status says it.
    pub const fn code(self) -> Code {
        match self {
            Self::NoVictims => Code::UnschedulableAndUnresolvable,
            Self::Rejected(verdict) => verdict.code,
        }
    }

    /// The reasons.
    pub fn reasons(
        self,
        profile: &Profile,
        cx: &Context<'_>,
        state: &CycleState,
        pod: &Pod,
        slot: NodeSlot,
    ) -> Vec<Text> {
        match self {
            Self::NoVictims => vec!["No preemption victims found for incoming pod".into()],
            Self::Rejected(verdict) => profile.reasons(cx, state, pod, slot, verdict),
        }
    }
}

/// How many candidates are enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enough {
    /// This share of the potential nodes …
    pub percentage: i64,
    /// … but at least so many.
    pub absolute: i64,
}

impl Enough {
    /// How many of so many nodes.
    pub fn of(self, nodes: usize) -> usize {
        let nodes = nodes as i64;
        (nodes * self.percentage / 100).max(self.absolute).min(nodes) as usize
    }
}

/// Whether a pod may push out others (`PodEligibleToPreemptOthers`).
fn not_eligible(post: &PostFilterContext<'_>, pod: &Pod) -> Option<&'static str> {
    if pod.spec.never_preempts {
        return Some("not eligible due to preemptionPolicy=Never.");
    }
    let nominated = pod.status.nominated_node_name;
    let slot = post.cx.cache.find_node(nominated).filter(|_| !nominated.is_empty())?;
    if post.diagnosis.code(slot) == Code::UnschedulableAndUnresolvable {
        return None;
    }
    let goes_for_us =
        |other: &PodOnNode| other.pod.spec.priority < pod.spec.priority && is_terminating_by_preemption(&other.pod);
    let waits = post.cx.cache.node(slot).pods().iter().any(goes_for_us);
    waits.then_some("not eligible due to a terminating pod on the nominated node.")
}

fn is_terminating_by_preemption(pod: &Pod) -> bool {
    let target = pod.status.condition(*DISRUPTION_TARGET);
    pod.meta.is_terminating()
        && target.is_some_and(|one| one.status == ConditionStatus::True && one.reason == PREEMPTION_BY_SCHEDULER)
}

/// Looks for nodes on which evicting pods helps.
pub fn search(post: &PostFilterContext<'_>, state: &CycleState, pod: &Pod, enough: Enough) -> Search {
    let PostFilterContext { cx, profile, diagnosis, offset } = post;
    let mut found = Search { not_eligible: not_eligible(post, pod), ..Search::default() };
    found.potential = potential_nodes(cx, diagnosis);
    if found.not_eligible.is_some() || found.potential.is_empty() {
        return found;
    }
    let budgets: Vec<_> = cx.cache.objects.pod_disruption_budgets.values().cloned().collect();
    let wanted = enough.of(found.potential.len());
    let (mut peaceful, mut violating) = (Vec::new(), Vec::new());
    let count = found.potential.len();
    for n in 0..count {
        let slot = found.potential[((offset % count as u64) as usize + n) % count];
        match victims_on_node(cx, profile, state, pod, slot, &budgets) {
            Ok(candidate) if candidate.violations == 0 => peaceful.push(candidate),
            Ok(candidate) => violating.push(candidate),
            Err(obstacle) => found.hopeless.push((slot, obstacle)),
        }
        if !peaceful.is_empty() && peaceful.len() + violating.len() >= wanted {
            break;
        }
    }
    peaceful.append(&mut violating);
    found.candidates = peaceful;
    found.best = best(&found.candidates, cx.now);
    found
}

/// Nodes whose status is Unschedulable, not more.
fn potential_nodes(cx: &Context<'_>, diagnosis: &super::diagnosis::Diagnosis) -> Vec<NodeSlot> {
    let others = diagnosis.absent.code == Code::Unschedulable;
    if !others {
        // Those that were looked at, in order of the snapshot.
        let mut potential: Vec<NodeSlot> = Vec::new();
        potential.extend(
            diagnosis.verdicts.iter().filter(|(_, verdict)| verdict.code == Code::Unschedulable).map(|(slot, _)| *slot),
        );
        return potential;
    }
    let all = cx.cache.order().iter().copied();
    all.filter(|slot| diagnosis.code(*slot) == Code::Unschedulable).collect()
}

/// The fewest and least important pods of a node that must go (`SelectVictimsOnNode`).
fn victims_on_node(
    cx: &Context<'_>,
    profile: &Profile,
    state: &CycleState,
    pod: &Pod,
    slot: NodeSlot,
    budgets: &[Arc<PodDisruptionBudget>],
) -> Result<Candidate, Obstacle> {
    let info = cx.cache.node(slot);
    if !info.has_pod_below(pod.spec.priority) {
        return Err(Obstacle::NoVictims);
    }
    let mut node = info.clone();
    let mut state = state.clone();
    let lower = |on: &&PodOnNode| on.pod.spec.priority < pod.spec.priority;
    let mut potential: Vec<PodOnNode> = node.pods().iter().filter(lower).cloned().collect();
    let without = |node: &mut NodeInfo, state: &mut CycleState, gone: &Pod| {
        take_off(cx, profile, (node, state), pod, gone);
    };
    for victim in &potential {
        without(&mut node, &mut state, &victim.pod);
    }
    let verdict = profile.run_filters_with_nominated(cx, &state, pod, &node);
    if !verdict.fits() {
        return Err(Obstacle::Rejected(verdict));
    }
    potential.sort_by_key(|on| importance(&on.pod, cx.now));
    let (protected, free) = by_budget(potential, budgets);
    let both = !protected.is_empty() && !free.is_empty();
    let mut victims: Vec<Arc<Pod>> = Vec::new();
    let mut reprieve = |on: &PodOnNode| {
        node.add_pod(on.clone());
        profile.add_pod(cx, &mut state, pod, &on.pod, &node);
        let fits = profile.run_filters_with_nominated(cx, &state, pod, &node).fits();
        if !fits {
            without(&mut node, &mut state, &on.pod);
            victims.push(on.pod.clone());
        }
        fits
    };
    let violations = protected.iter().map(|on| usize::from(!reprieve(on))).sum();
    for on in &free {
        reprieve(on);
    }
    if both {
        victims.sort_by_key(|victim| importance(victim, cx.now));
    }
    if victims.is_empty() {
        // The pod fits as it is: something changed between the filters and here.
        return Err(Obstacle::NoVictims);
    }
    Ok(Candidate { node: info.name(), victims, violations })
}

/// A victim is taken off a node, as a pod sees it that would come.
fn take_off(
    cx: &Context<'_>,
    profile: &Profile,
    (node, state): (&mut NodeInfo, &mut CycleState),
    pod: &Pod,
    gone: &Pod,
) {
    let place = node.pods().iter().position(|on| on.pod.meta.uid == gone.meta.uid);
    node.remove_pod(place.expect("a victim is on the node"));
    profile.remove_pod(cx, state, pod, gone, node);
}

/// A victim that need not go: with it back on the node, the pod fits as well. Of pods that look at other pods, by
/// affinity or spreading, nothing is said: to them one more pod may be a help.
pub fn superfluous(
    cx: &Context<'_>,
    profile: &Profile,
    state: &CycleState,
    pod: &Pod,
    node: Name,
    victims: &[Arc<Pod>],
) -> Option<Name> {
    if pod.spec.affinity.is_some() || !pod.spec.topology_spread.is_empty() {
        return None;
    }
    let info = cx.cache.node(cx.cache.find_node(node)?);
    let fits_with = |back: &Pod| {
        let (mut node, mut state) = (info.clone(), state.clone());
        for gone in victims.iter().filter(|gone| gone.meta.uid != back.meta.uid) {
            take_off(cx, profile, (&mut node, &mut state), pod, gone);
        }
        profile.run_filters_with_nominated(cx, &state, pod, &node).fits()
    };
    victims.iter().find(|victim| fits_with(victim)).map(|victim| victim.meta.name)
}

/// More important pods come first: by priority, then by how long they run (`MoreImportantPod`).
fn importance(pod: &Pod, now: i64) -> (Reverse<i32>, i64) {
    (Reverse(pod.spec.priority), started(pod, now))
}

fn started(pod: &Pod, now: i64) -> i64 {
    pod.status.start_time.map_or(now, |start| start.unix_secs())
}

/// Splits pods into those whose going would break a budget and the others (`filterPodsWithPDBViolation`).
fn by_budget(pods: Vec<PodOnNode>, budgets: &[Arc<PodDisruptionBudget>]) -> (Vec<PodOnNode>, Vec<PodOnNode>) {
    let mut allowed: Vec<i32> = budgets.iter().map(|budget| budget.status.disruptions_allowed).collect();
    pods.into_iter().partition(|on| {
        let mut violated = false;
        let meta = &on.pod.meta;
        for (budget, allowed) in budgets.iter().zip(&mut allowed) {
            let selects = budget.selector.as_ref().is_some_and(|s| !s.is_empty() && s.matches(&meta.labels));
            let is_under_way = budget.status.disrupted_pods.iter().any(|(name, _)| *name == meta.name);
            if meta.labels.is_empty() || budget.meta.namespace != meta.namespace || !selects || is_under_way {
                continue;
            }
            *allowed -= 1;
            violated |= *allowed < 0;
        }
        violated
    })
}

/// The candidates that are best by all criteria (`pickOneNodeForPreemption`), by place.
fn best(candidates: &[Candidate], now: i64) -> Vec<usize> {
    let keys = |candidate: &Candidate| {
        let first = candidate.victims.first();
        let highest = first.map_or(i32::MIN, |victim| victim.spec.priority);
        let sum: i64 = candidate.victims.iter().map(|v| i64::from(v.spec.priority) + (1i64 << 31)).sum();
        (candidate.violations, highest, sum, candidate.victims.len(), Reverse(earliest_start(&candidate.victims, now)))
    };
    let Some(least) = candidates.iter().map(keys).min() else { return Vec::new() };
    candidates.iter().enumerate().filter(|(_, candidate)| keys(candidate) == least).map(|(place, _)| place).collect()
}

/// When the first of the victims with the highest priority started (`GetEarliestPodStartTime`).
pub fn earliest_start(victims: &[Arc<Pod>], now: i64) -> i64 {
    let highest = victims.iter().map(|victim| victim.spec.priority).max();
    let of_highest = victims.iter().filter(|victim| Some(victim.spec.priority) == highest);
    of_highest.map(|victim| started(victim, now)).min().unwrap_or(i64::MIN)
}

/// The text of a search that found nothing.
pub fn message(post: &PostFilterContext<'_>, state: &CycleState, pod: &Pod, search: &Search) -> String {
    if let Some(why) = search.not_eligible {
        return why.to_owned();
    }
    let all = post.cx.cache.order().len();
    let mut reasons: BTreeMap<Text, usize> = BTreeMap::new();
    let mut last: Option<(Obstacle, Vec<Text>)> = None;
    for &(slot, obstacle) in &search.hopeless {
        if last.as_ref().is_none_or(|(have, _)| *have != obstacle) {
            last = Some((obstacle, obstacle.reasons(post.profile, &post.cx, state, pod, slot)));
        }
        for reason in last.iter().flat_map(|(_, reasons)| reasons) {
            *reasons.entry(reason.clone()).or_default() += 1;
        }
    }
    let others = all - search.hopeless.len();
    if others > 0 {
        *reasons.entry("Preemption is not helpful for scheduling".into()).or_default() += others;
    }
    let mut lines: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    lines.sort();
    format!("0/{all} nodes are available: {}.", lines.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::scheduler::testing;

    #[test]
    fn a_tenth_of_the_nodes_but_a_hundred_is_enough() {
        // control-plane.md 2.13.
        let enough = Enough { percentage: 10, absolute: 100 };
        for (nodes, expected) in [(5, 5), (100, 100), (500, 100), (2000, 200)] {
            assert_eq!(enough.of(nodes), expected);
        }
    }

    #[test]
    fn the_cheapest_candidate_is_picked() {
        // `TestSelectBestCandidate`: each criterion decides where those before it tie.
        let victim = |priority: i32, start: i64| {
            let mut pod = testing::pod("default", "v");
            let spec = Arc::make_mut(&mut pod.spec);
            spec.priority = priority;
            Arc::make_mut(&mut pod.status).start_time = Some(crate::api::Timestamp::from_unix_secs(start));
            Arc::new(pod)
        };
        let candidate = |violations, victims: &[(i32, i64)]| Candidate {
            node: Name::new("n"),
            victims: victims.iter().map(|&(priority, start)| victim(priority, start)).collect(),
            violations,
        };
        let check = |candidates: &[Candidate], expected: &[usize]| assert_eq!(best(candidates, 0), expected);
        check(&[candidate(1, &[(0, 0)]), candidate(0, &[(5, 0)])], &[1]);
        check(&[candidate(0, &[(7, 0)]), candidate(0, &[(5, 0), (5, 0)])], &[1]);
        check(&[candidate(0, &[(5, 0), (4, 0)]), candidate(0, &[(5, 0), (3, 0)])], &[1]);
        check(&[candidate(0, &[(5, 9)]), candidate(0, &[(5, 10)])], &[1]);
        check(&[candidate(0, &[(5, 9)]), candidate(0, &[(5, 9)])], &[0, 1]);
    }
}
