//! Opportunistic batching: of identical pods that fill a node each, the next one takes the next best node.
//!
//! Follows `pkg/scheduler/framework/runtime/batch.go` of Kubernetes 1.36. It needs a profile without default spreading;
//! with the default profile no pod is ever signed.

use super::cache::NodeSlot;
use super::framework::{Context, CycleState};
use super::profile::Profile;
use crate::api::{Pod, Text};
use crate::engine::{SimDuration, SimTime};

/// What is left of a cycle is good for so long.
const LONGEST: SimDuration = SimDuration::from_millis(500);

/// What plugins look at of a pod.
type Signature = Vec<Text>;

/// What one cycle knows of batching.
#[derive(Debug, Clone, Default)]
pub(super) struct Batched {
    /// Of its pod.
    pub(super) signature: Option<Signature>,
    /// The node that the cycle before left over.
    pub(super) hint: Option<NodeSlot>,
}

/// Nodes with their scores as a heap, the best on top.
#[derive(Debug, Clone, Default)]
pub(super) struct ScoredNodes(Vec<(i64, NodeSlot)>);

impl ScoredNodes {
    pub(super) fn heap(scores: &[i64], nodes: &[NodeSlot]) -> Self {
        let mut heap = Self(scores.iter().copied().zip(nodes.iter().copied()).collect());
        for place in (0..heap.0.len() / 2).rev() {
            heap.sift_down(place, heap.0.len());
        }
        heap
    }

    /// All but the one on top.
    pub(super) fn without_best(scores: &[i64], nodes: &[NodeSlot]) -> Self {
        let mut heap = Self::heap(scores, nodes);
        heap.pop();
        heap
    }

    fn sift_down(&mut self, mut place: usize, count: usize) {
        loop {
            let (left, right) = (2 * place + 1, 2 * place + 2);
            if left >= count {
                return;
            }
            let child = if right < count && self.0[right].0 > self.0[left].0 { right } else { left };
            if self.0[child].0 <= self.0[place].0 {
                return;
            }
            self.0.swap(place, child);
            place = child;
        }
    }

    pub(super) fn pop(&mut self) -> Option<NodeSlot> {
        let last = self.0.len().checked_sub(1)?;
        self.0.swap(0, last);
        self.sift_down(0, last);
        self.0.pop().map(|(_, node)| node)
    }
}

/// What the last scored cycle left over.
#[derive(Debug, Clone)]
struct Left {
    signature: Signature,
    nodes: ScoredNodes,
    since: SimTime,
}

/// The memory of batching.
#[derive(Debug, Clone, Default)]
pub(super) struct Batch {
    left: Option<Left>,
    /// The last cycle that placed a pod, and where.
    last: Option<(u64, NodeSlot)>,
}

impl Batch {
    /// The node to try first for a pod: the next best of the pod before, if that was alike and its node is full now.
    #[allow(clippy::too_many_arguments, reason = "what a filter needs, and when")]
    pub(super) fn hint(
        &mut self,
        cx: &Context<'_>,
        state: &CycleState,
        profile: &Profile,
        pod: &Pod,
        cycle: u64,
        batched: &Batched,
        now: SimTime,
    ) -> Option<NodeSlot> {
        let left = self.left.as_mut().filter(|left| !left.nodes.0.is_empty())?;
        let (last, node) = self.last?;
        let usable = cycle == last + 1
            && batched.signature.as_ref() == Some(&left.signature)
            && now <= left.since + LONGEST
            && cx.cache.node(node).totals.exists
            && profile.run_filters(cx, state, pod, cx.cache.node(node)).code.is_rejected();
        if usable { left.nodes.pop() } else { None }
    }

    /// Notes where a pod was placed and which nodes were worse.
    pub(super) fn store(
        &mut self,
        cycle: u64,
        batched: &mut Batched,
        node: NodeSlot,
        others: Option<ScoredNodes>,
        now: SimTime,
    ) {
        self.last = Some((cycle, node));
        if batched.hint == Some(node) {
            return;
        }
        let others = others.filter(|others| !others.0.is_empty());
        self.left = match (batched.signature.take(), others) {
            (Some(signature), Some(nodes)) => Some(Left { signature, nodes, since: now }),
            _ => None,
        };
    }
}
