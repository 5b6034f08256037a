//! One decision: which nodes are looked at, which of them fit, and which is taken.
//!
//! Follows `pkg/scheduler/schedule_one.go` of Kubernetes 1.36 with one worker: nodes are filtered in order, so that the
//! feasible list, and with it the choice among equals, is a function of the cluster.

use super::batch::{Batch, Batched, ScoredNodes};
use super::cache::{Cache, NodeSlot};
use super::diagnosis::Diagnosis;
use super::framework::{Code, Context, CycleState, Status, Verdict};
use super::nominator::Nominator;
use super::profile::Profile;
use crate::api::Pod;
use crate::engine::SimTime;

/// In clusters with fewer nodes all are looked at, in others at least so many.
pub(super) const LEAST_NODES: usize = 100;
/// The least share of nodes that is looked at, in hundredths.
const LEAST_PERCENTAGE: usize = 5;
/// Nodes are filtered in blocks of at most so many.
const BLOCK: usize = 1024;

/// How many feasible nodes are enough: `percentage` of all, or for zero a share that falls with their number.
pub fn nodes_to_find(percentage: i64, nodes: usize) -> usize {
    if nodes < LEAST_NODES {
        return nodes;
    }
    let percentage = match percentage {
        0 => 50usize.saturating_sub(nodes / 125).max(LEAST_PERCENTAGE),
        set => set as usize,
    };
    (nodes * percentage / 100).max(LEAST_NODES)
}

/// Which of several scores is taken: the root of a binary heap made of them in order.
///
/// The heap is that of Go's `container/heap`, in which a child rises only if it is strictly greater, and the left one
/// if both are. Only the root matters here, so no element is moved.
pub fn choose(scores: &[i64], winners: &mut Vec<u32>) -> usize {
    let count = scores.len();
    winners.clear();
    winners.resize(count, 0);
    for place in (0..count).rev() {
        let (left, right) = (2 * place + 1, 2 * place + 2);
        let mut winner = place as u32;
        if left < count {
            let mut child = winners[left];
            if right < count && scores[winners[right] as usize] > scores[child as usize] {
                child = winners[right];
            }
            if scores[child as usize] > scores[place] {
                winner = child;
            }
        }
        winners[place] = winner;
    }
    winners.first().map_or(0, |winner| *winner as usize)
}

/// What a decision came to.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The pod goes to a node.
    Chosen(NodeSlot),
    /// No node fits.
    Unfit(Diagnosis),
    /// There are no nodes at all.
    NoNodes,
    /// Something went wrong.
    Error(String),
}

/// One decision and what it looked at.
#[derive(Debug, Clone)]
pub struct Decision {
    /// What it came to.
    pub outcome: Outcome,
    /// How many nodes were looked at.
    pub evaluated: usize,
    /// How many of them fit.
    pub feasible: usize,
    /// Among how many nodes it searched, and at which place it began; none if it knew where to look, or need not look.
    pub searched: Option<(usize, usize)>,
    /// Whether the choice was left over from an identical pod just before.
    pub from_batch: bool,
    /// What plugins kept, for the steps that follow.
    pub state: CycleState,
}

/// Where searches begin, and memory that one decision leaves to the next.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// The place in the list of nodes at which the next search begins.
    pub next_start: usize,
    /// How many cycles there were.
    pub cycle: u64,
    /// Among how many nodes the last search went on, and where it began.
    searched: Option<(usize, usize)>,
    batch: Batch,
    block: Vec<NodeSlot>,
    verdicts: Vec<Verdict>,
    scratch: Vec<i64>,
    totals: Vec<i64>,
    winners: Vec<u32>,
    feasible: Vec<NodeSlot>,
}

impl Search {
    /// The nodes that fit in the last decision.
    pub fn feasible(&self) -> &[NodeSlot] {
        &self.feasible
    }

    /// Decides where a pod goes (`schedulePod`).
    pub fn schedule(
        &mut self,
        cache: &mut Cache,
        nominator: &Nominator,
        profile: &Profile,
        pod: &Pod,
        now: SimTime,
        stamp: i64,
    ) -> Decision {
        self.cycle += 1;
        self.searched = None;
        cache.refresh();
        let mut state = CycleState::default();
        let nodes = cache.order().len();
        if nodes == 0 {
            let outcome = Outcome::NoNodes;
            return Decision { outcome, evaluated: 0, feasible: 0, searched: None, from_batch: false, state };
        }
        profile.prepare(cache, &mut state, pod);
        let cx = Context { cache, nominator, now: stamp };
        let mut feasible = std::mem::take(&mut self.feasible);
        feasible.clear();
        let mut diagnosis = Diagnosis::new(nodes);
        let mut batched = Batched::default();
        let found = self.find(&cx, &mut state, profile, pod, now, &mut diagnosis, &mut feasible, &mut batched);
        let (evaluated, count) = (feasible.len() + diagnosis.verdicts.len(), feasible.len());
        let outcome = match found {
            Err(error) => Outcome::Error(error),
            Ok(()) if feasible.is_empty() => {
                diagnosis.note_plugins(profile);
                Outcome::Unfit(diagnosis)
            }
            Ok(()) if count == 1 => {
                self.batch.store(self.cycle, &mut batched, feasible[0], None, now);
                Outcome::Chosen(feasible[0])
            }
            Ok(()) => match self.pick(&cx, &mut state, profile, pod, &feasible, &mut batched, now) {
                Ok(node) => Outcome::Chosen(node),
                Err(error) => Outcome::Error(error),
            },
        };
        let from_batch = match &outcome {
            Outcome::Chosen(node) => batched.hint == Some(*node),
            Outcome::Unfit(_) | Outcome::NoNodes | Outcome::Error(_) => false,
        };
        self.feasible = feasible;
        Decision { outcome, evaluated, feasible: count, searched: self.searched, from_batch, state }
    }

    /// Finds nodes that fit (`findNodesThatFitPod`).
    #[allow(clippy::too_many_arguments, reason = "what one search works on")]
    fn find(
        &mut self,
        cx: &Context<'_>,
        state: &mut CycleState,
        profile: &Profile,
        pod: &Pod,
        now: SimTime,
        diagnosis: &mut Diagnosis,
        feasible: &mut Vec<NodeSlot>,
        batched: &mut Batched,
    ) -> Result<(), String> {
        let pre = profile.run_pre_filter(cx, state, pod);
        diagnosis.unschedulable_plugins = pre.narrowed_by;
        if !pre.status.is_success() {
            if !pre.status.code.is_rejected() {
                return Err(pre.status.message());
            }
            if !pre.status.plugin.is_empty() {
                diagnosis.unschedulable_plugins.insert(pre.status.plugin);
            }
            diagnosis.pre_filter_message = pre.status.message();
            diagnosis.absent = pre.status;
            return Ok(());
        }
        let nominated = pod.status.nominated_node_name;
        if !nominated.is_empty()
            && let Some(slot) = cx.cache.find_node(nominated)
            && evaluate_one(cx, state, profile, pod, slot, diagnosis)?
        {
            feasible.push(slot);
            return Ok(());
        }
        if profile.signs() {
            batched.signature = profile.sign(cx, pod);
            batched.hint = self.batch.hint(cx, state, profile, pod, self.cycle, batched, now);
            if let Some(slot) = batched.hint
                && evaluate_one(cx, state, profile, pod, slot, diagnosis)?
            {
                feasible.push(slot);
                return Ok(());
            }
        }
        let narrowed: Option<Vec<NodeSlot>> = pre.node_names.map(|names| {
            let plugins: Vec<&str> = diagnosis.unschedulable_plugins.iter().map(|name| name.as_str()).collect();
            let text = format!("node(s) didn't satisfy plugin(s) [{}]", plugins.join(" "));
            diagnosis.absent = Status::new(Code::UnschedulableAndUnresolvable, text);
            names.into_iter().filter_map(|name| cx.cache.find_node(name)).collect()
        });
        let nodes = narrowed.as_deref().unwrap_or(cx.cache.order());
        self.searched = Some((nodes.len(), self.next_start));
        let result = self.filter(cx, state, profile, pod, nodes, diagnosis, feasible);
        let all = cx.cache.order().len();
        self.next_start = (self.next_start + feasible.len() + diagnosis.verdicts.len()) % all;
        result
    }

    /// Filters nodes in turn until one more than enough fit (`findNodesThatPassFilters`).
    #[allow(clippy::too_many_arguments, reason = "what one search works on")]
    fn filter(
        &mut self,
        cx: &Context<'_>,
        state: &CycleState,
        profile: &Profile,
        pod: &Pod,
        nodes: &[NodeSlot],
        diagnosis: &mut Diagnosis,
        feasible: &mut Vec<NodeSlot>,
    ) -> Result<(), String> {
        let count = nodes.len();
        // Where nobody scores, the first is as good as any.
        let scored = profile.scorers().next().is_some();
        let wanted = if scored { nodes_to_find(profile.percentage_of_nodes_to_score, count) } else { 1 };
        let already = diagnosis.verdicts.len();
        let mut done = 0;
        while done < count {
            let size = (wanted - feasible.len() + 1).clamp(64, BLOCK).min(count - done);
            self.block.clear();
            let start = (self.next_start + done) % count;
            let first = size.min(count - start);
            self.block.extend_from_slice(&nodes[start..start + first]);
            self.block.extend_from_slice(&nodes[..size - first]);
            profile.run_filters_many(cx, state, pod, &self.block, &mut self.verdicts);
            for (&slot, &verdict) in self.block.iter().zip(&self.verdicts) {
                if verdict.fits() {
                    if feasible.len() == wanted {
                        return Ok(());
                    }
                    feasible.push(slot);
                } else if verdict.code == Code::Error {
                    return Err(filter_error(cx, state, profile, pod, slot, verdict));
                } else if already == 0 || diagnosis.verdicts[..already].iter().all(|(have, _)| *have != slot) {
                    diagnosis.verdicts.push((slot, verdict));
                }
            }
            done += size;
        }
        Ok(())
    }

    /// Scores the nodes that fit and takes one (`prioritizeNodes`, `selectHost`).
    #[allow(clippy::too_many_arguments, reason = "what one choice works on")]
    fn pick(
        &mut self,
        cx: &Context<'_>,
        state: &mut CycleState,
        profile: &Profile,
        pod: &Pod,
        feasible: &[NodeSlot],
        batched: &mut Batched,
        now: SimTime,
    ) -> Result<NodeSlot, String> {
        profile.run_pre_score(cx, state, pod, feasible)?;
        profile.run_scores(cx, state, pod, feasible, &mut self.scratch, &mut self.totals)?;
        let node = feasible[choose(&self.totals, &mut self.winners)];
        let others = batched.signature.is_some().then(|| ScoredNodes::without_best(&self.totals, feasible));
        self.batch.store(self.cycle, batched, node, others, now);
        Ok(node)
    }
}

/// Filters one node that is likely to fit.
fn evaluate_one(
    cx: &Context<'_>,
    state: &CycleState,
    profile: &Profile,
    pod: &Pod,
    slot: NodeSlot,
    diagnosis: &mut Diagnosis,
) -> Result<bool, String> {
    let verdict = profile.run_filters_with_nominated(cx, state, pod, cx.cache.node(slot));
    if verdict.code == Code::Error {
        return Err(filter_error(cx, state, profile, pod, slot, verdict));
    }
    if !verdict.fits() {
        diagnosis.verdicts.push((slot, verdict));
    }
    Ok(verdict.fits())
}

/// What a Filter says is wrong.
pub fn filter_error(
    cx: &Context<'_>,
    state: &CycleState,
    profile: &Profile,
    pod: &Pod,
    slot: NodeSlot,
    verdict: Verdict,
) -> String {
    let reasons = profile.reasons(cx, state, pod, slot, verdict);
    let text = reasons.iter().map(|reason| &**reason).collect::<Vec<_>>().join(", ");
    format!("running {:?} filter plugin: {text}", &*profile.plugin_name(verdict.plugin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_are_broken_by_the_heap() {
        // control-plane.md A.1.
        for (scores, expected) in [
            (&[5, 5, 5, 5][..], 0),
            (&[1, 5, 5, 5], 1),
            (&[1, 2, 5, 5, 5], 3),
            (&[1, 5, 2, 2, 5, 5], 1),
            (&[3, 1, 7, 7, 2, 7, 7], 3),
            (&[1, 2, 3, 4, 9, 9, 9], 4),
            (&[1, 1, 1, 9, 2, 9], 3),
            (&[1, 2, 5, 5], 3),
        ] {
            assert_eq!(choose(scores, &mut Vec::new()), expected, "{scores:?}");
        }
    }

    #[test]
    fn the_winner_is_the_root_of_the_real_heap() {
        use proptest::prelude::*;
        proptest!(|(scores in proptest::collection::vec(0i64..6, 1..60))| {
            let nodes: Vec<NodeSlot> = (0..scores.len() as u32).map(NodeSlot).collect();
            let mut heap = ScoredNodes::heap(&scores, &nodes);
            let root = heap.pop().expect("not empty");
            prop_assert_eq!(choose(&scores, &mut Vec::new()), root.index());
        });
    }

    #[test]
    fn large_clusters_are_sampled() {
        // control-plane.md A.2.
        for (nodes, expected) in
            [(50, 50), (100, 100), (250, 120), (500, 230), (1000, 420), (2000, 680), (5000, 500), (10_000, 500)]
        {
            assert_eq!(nodes_to_find(0, nodes), expected);
        }
        assert_eq!(nodes_to_find(100, 300), 300);
        assert_eq!(nodes_to_find(1, 300), 100);
    }
}
