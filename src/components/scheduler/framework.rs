//! The scheduling framework: what a plugin is, what it may answer, and what it keeps during one scheduling cycle.
//!
//! Names and meaning are those of `staging/src/k8s.io/kube-scheduler/framework` of Kubernetes 1.36. A plugin is a value
//! without state of its own: whatever it must remember within a cycle lives in the [`CycleState`], whatever it must
//! know of the cluster is in the [`Context`]. That keeps a fork of the simulation a plain copy.

use super::cache::{Cache, NodeInfo, NodeSlot};
use super::events::ClusterEvent;
use super::nominator::Nominator;
use crate::api::{Name, Pod, Request, Text};
use crate::engine::SimDuration;
use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// The best score that a plugin may give after normalization.
pub const MAX_NODE_SCORE: i64 = 100;

/// What an answer means (`framework.Code`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Code {
    /// All is well.
    #[default]
    Success,
    /// Something is wrong with the plugin or the cluster: the attempt ends, and is repeated after a back-off.
    Error,
    /// The pod cannot go there now; evicting other pods may help.
    Unschedulable,
    /// The pod cannot go there, and evicting pods does not help.
    UnschedulableAndUnresolvable,
    /// The pod is to wait at Permit.
    Wait,
    /// The plugin has nothing to say of this pod.
    Skip,
    /// The pod waits for something outside.
    Pending,
}

impl Code {
    /// The code as Kubernetes prints it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::Error => "Error",
            Self::Unschedulable => "Unschedulable",
            Self::UnschedulableAndUnresolvable => "UnschedulableAndUnresolvable",
            Self::Wait => "Wait",
            Self::Skip => "Skip",
            Self::Pending => "Pending",
        }
    }

    /// Whether the pod was rejected, rather than that something went wrong.
    pub const fn is_rejected(self) -> bool {
        matches!(self, Self::Unschedulable | Self::UnschedulableAndUnresolvable | Self::Pending)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a plugin says of a pod (`framework.Status`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// What it means.
    pub code: Code,
    /// Why, for people.
    pub reasons: Vec<Text>,
    /// Who says so; filled in by the framework.
    pub plugin: Name,
}

impl Status {
    /// All is well.
    pub fn success() -> Self {
        Self::default()
    }

    /// The plugin has nothing to do for this pod.
    pub fn skip() -> Self {
        Self { code: Code::Skip, ..Self::default() }
    }

    /// An answer with one reason.
    pub fn new(code: Code, reason: impl Into<Text>) -> Self {
        Self { code, reasons: vec![reason.into()], plugin: Name::default() }
    }

    /// Something went wrong.
    pub fn error(message: impl Into<Text>) -> Self {
        Self::new(Code::Error, message)
    }

    /// Whether all is well.
    pub fn is_success(&self) -> bool {
        self.code == Code::Success
    }

    /// The reasons in one line.
    pub fn message(&self) -> String {
        self.reasons.iter().map(|reason| &**reason).collect::<Vec<_>>().join(", ")
    }

    /// The same, said by a plugin.
    #[must_use]
    pub fn by(mut self, plugin: Name) -> Self {
        self.plugin = plugin;
        self
    }
}

/// The plugin of no verdict.
pub const NO_PLUGIN: u8 = u8::MAX;

/// What a Filter says of one node: small, because a large cluster has many.
///
/// The reasons are bits whose meaning the plugin knows ([`Plugin::reasons`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Verdict {
    /// What it means.
    pub code: Code,
    /// The plugin, by its place in the profile; filled in by the framework.
    pub plugin: u8,
    /// Why.
    pub reasons: u32,
}

impl Verdict {
    /// The pod fits.
    pub const FITS: Self = Self { code: Code::Success, plugin: NO_PLUGIN, reasons: 0 };

    /// Not now; evicting pods may help.
    pub const fn unschedulable(reasons: u32) -> Self {
        Self { code: Code::Unschedulable, plugin: NO_PLUGIN, reasons }
    }

    /// Not at all.
    pub const fn unresolvable(reasons: u32) -> Self {
        Self { code: Code::UnschedulableAndUnresolvable, plugin: NO_PLUGIN, reasons }
    }

    /// Something is wrong.
    pub const fn error(reasons: u32) -> Self {
        Self { code: Code::Error, plugin: NO_PLUGIN, reasons }
    }

    /// Whether the pod fits.
    pub const fn fits(self) -> bool {
        matches!(self.code, Code::Success)
    }
}

/// What a PreFilter says: its status, and the only nodes that can fit if it knows them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PreFilterResult {
    /// Success, Skip or a rejection.
    pub status: Status,
    /// `None` for all nodes; in order of the names.
    pub node_names: Option<Vec<Name>>,
}

impl From<Status> for PreFilterResult {
    fn from(status: Status) -> Self {
        Self { status, node_names: None }
    }
}

/// What a PostFilter came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PostFilterResult {
    /// Success if the pod may fit soon.
    pub status: Status,
    /// The node to nominate: `None` leaves the nomination alone, an empty name clears it.
    pub nominated_node: Option<Name>,
    /// What is to be done in the background to make room.
    pub preemption: Option<super::preemption::Candidate>,
}

/// What a PreBind came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum PreBind {
    /// The pod may be bound.
    #[default]
    Done,
    /// These calls are to be made first, one after another.
    Calls(Vec<Request>),
    /// It is asked again after a while.
    Wait(SimDuration),
    /// The pod cannot be bound there.
    Failed(Status),
}

/// What an event means for a waiting pod (`framework.QueueingHint`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hint {
    /// Nothing.
    Skip,
    /// The pod may fit now.
    Queue,
}

/// An event that may free pods which a plugin rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventToRegister {
    /// What changes.
    pub resource: super::events::Resource,
    /// How it changes.
    pub actions: super::events::Actions,
    /// Whether the plugin's [`Plugin::hint`] is asked; otherwise the event always frees them.
    pub hinted: bool,
}

/// The extension points that a plugin implements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Points(u16);

impl Points {
    /// Before a pod enters the queue.
    pub const PRE_ENQUEUE: Self = Self(1);
    /// Once a cycle, before nodes are looked at.
    pub const PRE_FILTER: Self = Self(1 << 1);
    /// Once a node.
    pub const FILTER: Self = Self(1 << 2);
    /// When no node fits.
    pub const POST_FILTER: Self = Self(1 << 3);
    /// Once a cycle, before nodes that fit are scored.
    pub const PRE_SCORE: Self = Self(1 << 4);
    /// Once a node that fits.
    pub const SCORE: Self = Self(1 << 5);
    /// When a node is chosen.
    pub const RESERVE: Self = Self(1 << 6);
    /// At the end of the cycle.
    pub const PERMIT: Self = Self(1 << 7);
    /// Before the pod is bound.
    pub const PRE_BIND: Self = Self(1 << 8);
    /// Binding.
    pub const BIND: Self = Self(1 << 9);
    /// After the pod is bound.
    pub const POST_BIND: Self = Self(1 << 10);
    /// The order of the queue.
    pub const QUEUE_SORT: Self = Self(1 << 11);

    /// All of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are among these.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What plugins may look at: the cluster as of the cycle's beginning.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Nodes, the pods on them and what belongs to them.
    pub cache: &'a Cache,
    /// Pods that room is being made for.
    pub nominator: &'a Nominator,
    /// Seconds since 1970, for pods that have not started.
    pub now: i64,
}

/// A plugin of the scheduler.
///
/// All methods but [`name`](Self::name) and [`points`](Self::points) have defaults that do nothing. A plugin must be a
/// pure function of its arguments; what it keeps within a cycle goes to the [`CycleState`].
///
/// A plugin of one's own, and a cluster scheduled with it:
///
/// ```
/// use podsim::api::{Name, Pod};
/// use podsim::components::scheduler::{
///     Context, CycleState, NodeInfo, Plugin, Points, Registry, SchedulerConfiguration, Verdict,
/// };
/// use std::sync::Arc;
///
/// /// Keeps pods off nodes whose name begins with `spare-`.
/// #[derive(Debug)]
/// struct NoSpares;
///
/// impl Plugin for NoSpares {
///     fn name(&self) -> Name {
///         Name::new("NoSpares")
///     }
///     fn points(&self) -> Points {
///         Points::FILTER
///     }
///     fn filter(&self, _cx: &Context<'_>, _state: &CycleState, _pod: &Pod, node: &NodeInfo) -> Verdict {
///         if node.name().starts_with("spare-") { Verdict::unresolvable(1) } else { Verdict::FITS }
///     }
///     fn reason_texts(&self) -> &'static [&'static str] {
///         &["node(s) were spares"] // Bit 0.
///     }
/// }
///
/// let registry = Registry::default().with("NoSpares", |_args, _gates| Ok(Arc::new(NoSpares)));
/// let config = serde_json::json!({
///     "apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration",
///     "profiles": [{"plugins": {"multiPoint": {"enabled": [{"name": "NoSpares"}]}}}],
/// });
/// let config = SchedulerConfiguration::from_value(&config).expect("a configuration");
/// let profiles = config.profiles(&registry).expect("profiles of known plugins");
/// assert!(profiles[0].filters().any(|name| name == "NoSpares"));
/// ```
pub trait Plugin: fmt::Debug + Send + Sync {
    /// Its name, by which configurations enable it.
    fn name(&self) -> Name;

    /// The extension points that it implements.
    fn points(&self) -> Points;

    /// The extension points at which configurations may enable it: also those at which it has nothing to do here.
    fn extends(&self) -> Points {
        self.points()
    }

    /// The events that may free a pod which this plugin rejected.
    fn events(&self) -> Vec<EventToRegister> {
        Vec::new()
    }

    /// What an event means for a pod that this plugin rejected.
    fn hint(&self, _cx: &Context<'_>, _pod: &Pod, _event: &ClusterEvent) -> Hint {
        Hint::Queue
    }

    /// Whether a pod may enter the queue.
    fn pre_enqueue(&self, _cx: &Context<'_>, _pod: &Pod) -> Status {
        Status::success()
    }

    /// Asks the cache for columns and counters that it will need in this cycle.
    fn prepare(&self, _cache: &mut Cache, _state: &mut CycleState, _pod: &Pod) {}

    /// Looks at the pod and the whole cluster.
    fn pre_filter(&self, _cx: &Context<'_>, _state: &mut CycleState, _pod: &Pod) -> PreFilterResult {
        PreFilterResult::default()
    }

    /// What the plugin has kept, if a further pod were on a node.
    fn add_pod(&self, _cx: &Context<'_>, _state: &mut CycleState, _pod: &Pod, _added: &Pod, _node: &NodeInfo) {}

    /// What the plugin has kept, if a pod were not on its node.
    fn remove_pod(&self, _cx: &Context<'_>, _state: &mut CycleState, _pod: &Pod, _removed: &Pod, _node: &NodeInfo) {}

    /// Whether the pod fits a node.
    fn filter(&self, _cx: &Context<'_>, _state: &CycleState, _pod: &Pod, _node: &NodeInfo) -> Verdict {
        Verdict::FITS
    }

    /// Whether the pod fits each of some nodes. Those that another plugin has rejected keep their verdict.
    ///
    /// Worth writing only where it is faster than [`filter`](Self::filter) node by node, whose answers it must give.
    fn filter_many(
        &self,
        cx: &Context<'_>,
        state: &CycleState,
        pod: &Pod,
        nodes: &[NodeSlot],
        verdicts: &mut [Verdict],
    ) {
        for (&node, verdict) in nodes.iter().zip(verdicts).filter(|(_, verdict)| verdict.fits()) {
            *verdict = self.filter(cx, state, pod, cx.cache.node(node));
        }
    }

    /// What the bits of its verdicts say.
    fn reason_texts(&self) -> &'static [&'static str] {
        &[]
    }

    /// The reasons of one of its verdicts.
    fn reasons(
        &self,
        _cx: &Context<'_>,
        _state: &CycleState,
        _pod: &Pod,
        _node: &NodeInfo,
        verdict: Verdict,
    ) -> Vec<Text> {
        let texts = self.reason_texts().iter().enumerate();
        texts.filter(|(bit, _)| verdict.reasons >> bit & 1 == 1).map(|(_, text)| Text::from(text)).collect()
    }

    /// Tries to make room when no node fits.
    fn post_filter(&self, _cx: &PostFilterContext<'_>, _state: &mut CycleState, _pod: &Pod) -> PostFilterResult {
        PostFilterResult { status: Status { code: Code::Unschedulable, ..Status::default() }, ..Default::default() }
    }

    /// Prepares the scoring of the nodes that fit.
    fn pre_score(&self, _cx: &Context<'_>, _state: &mut CycleState, _pod: &Pod, _nodes: &[NodeSlot]) -> Status {
        Status::success()
    }

    /// How good a node is.
    fn score(&self, _cx: &Context<'_>, _state: &CycleState, _pod: &Pod, _node: &NodeInfo) -> i64 {
        0
    }

    /// How good each of some nodes is: as [`score`](Self::score) node by node, but faster.
    fn score_many(&self, cx: &Context<'_>, state: &CycleState, pod: &Pod, nodes: &[NodeSlot], scores: &mut [i64]) {
        for (&node, score) in nodes.iter().zip(scores) {
            *score = self.score(cx, state, pod, cx.cache.node(node));
        }
    }

    /// Brings the scores of all nodes into 0 to 100; the nodes are those of [`pre_score`](Self::pre_score).
    fn normalize_score(
        &self,
        _cx: &Context<'_>,
        _state: &CycleState,
        _pod: &Pod,
        _nodes: &[NodeSlot],
        _scores: &mut [i64],
    ) {
    }

    /// Takes what the pod needs on the chosen node, in memory.
    fn reserve(&self, _cache: &mut Cache, _state: &mut CycleState, _pod: &Pod, _node: Name) -> Status {
        Status::success()
    }

    /// Gives it back. Called for all plugins, also those that did not reserve.
    fn unreserve(&self, _cache: &mut Cache, _state: &mut CycleState, _pod: &Pod, _node: Name) {}

    /// Lets the pod go, rejects it, or makes it wait (code `Wait`) for at most the returned time.
    fn permit(&self, _cx: &Context<'_>, _state: &mut CycleState, _pod: &Pod, _node: Name) -> (Status, SimDuration) {
        (Status::success(), SimDuration::ZERO)
    }

    /// Whether [`pre_bind`](Self::pre_bind) has anything to do for the pod; if not, the plugin is passed over.
    fn pre_bind_pre_flight(&self, _cx: &Context<'_>, _state: &CycleState, _pod: &Pod, _node: Name) -> bool {
        false
    }

    /// Does outside what must be done before the pod is bound: asked again until it is done, `elapsed` after the
    /// first time.
    fn pre_bind(
        &self,
        _cx: &Context<'_>,
        _state: &mut CycleState,
        _pod: &Pod,
        _node: Name,
        _elapsed: SimDuration,
    ) -> PreBind {
        PreBind::Done
    }

    /// Whether [`sign`](Self::sign) can ever say anything.
    fn signs(&self) -> bool {
        true
    }

    /// What of the pod this plugin looks at, for opportunistic batching: `None` if that is not the pod alone.
    fn sign(&self, _cx: &Context<'_>, _pod: &Pod) -> Option<Vec<Text>> {
        None
    }
}

/// What a PostFilter may look at: the framework, to filter again, and what the filters said.
pub struct PostFilterContext<'a> {
    /// The cluster.
    pub cx: Context<'a>,
    /// The profile whose filters are run.
    pub profile: &'a super::profile::Profile,
    /// What the filters said.
    pub diagnosis: &'a super::diagnosis::Diagnosis,
    /// Where a search among equals begins: a random number.
    pub offset: u64,
}

/// Something that a plugin keeps during one cycle.
trait StateData: Any + Send + Sync {
    fn copy(&self) -> Box<dyn StateData>;
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

impl<T: Any + Clone + Send + Sync> StateData for T {
    fn copy(&self) -> Box<dyn StateData> {
        Box::new(self.clone())
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// What plugins keep during one cycle, by type.
#[derive(Default)]
pub struct CycleState {
    entries: Vec<Box<dyn StateData>>,
    /// Plugins whose Filter is passed over, by place.
    pub(super) skip_filter: u64,
    /// Plugins whose Score is passed over, by place.
    pub(super) skip_score: u64,
}

impl CycleState {
    /// Keeps a value, in place of another one of its type.
    pub fn write<T: Any + Clone + Send + Sync>(&mut self, value: T) {
        match self.read_mut::<T>() {
            Some(kept) => *kept = value,
            None => self.entries.push(Box::new(value)),
        }
    }

    /// The kept value of a type.
    pub fn read<T: Any>(&self) -> Option<&T> {
        self.entries.iter().find_map(|entry| (**entry).as_any().downcast_ref())
    }

    /// The kept value of a type, to change.
    pub fn read_mut<T: Any>(&mut self) -> Option<&mut T> {
        self.entries.iter_mut().find_map(|entry| (**entry).as_any_mut().downcast_mut())
    }
}

impl Clone for CycleState {
    fn clone(&self) -> Self {
        Self {
            entries: self.entries.iter().map(|entry| (**entry).copy()).collect(),
            skip_filter: self.skip_filter,
            skip_score: self.skip_score,
        }
    }
}

impl fmt::Debug for CycleState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CycleState({} entries, skip {:b}/{:b})", self.entries.len(), self.skip_filter, self.skip_score)
    }
}

/// A plugin that a profile and its forks share.
pub type SharedPlugin = Arc<dyn Plugin>;

/// Scores by share of the greatest: what most plugins normalize with (`plugins/helper/normalize_score.go`).
pub fn default_normalize_score(scores: &mut [i64], reverse: bool) {
    let most = scores.iter().copied().max().unwrap_or(0).max(0);
    for score in scores {
        *score = match most {
            0 if reverse => MAX_NODE_SCORE,
            0 => continue,
            _ if reverse => MAX_NODE_SCORE - MAX_NODE_SCORE * *score / most,
            _ => MAX_NODE_SCORE * *score / most,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_shares_of_the_greatest() {
        // control-plane.md 2.10: the default normaliser.
        let check = |scores: &[i64], reverse, expected: &[i64]| {
            let mut scores = scores.to_vec();
            default_normalize_score(&mut scores, reverse);
            assert_eq!(scores, expected);
        };
        check(&[1, 2, 3], false, &[33, 66, 100]);
        check(&[1, 2, 3], true, &[67, 34, 0]);
        check(&[0, 0], false, &[0, 0]);
        check(&[0, 0], true, &[100, 100]);
        check(&[], true, &[]);
    }

    #[test]
    fn a_state_keeps_one_value_of_a_type_and_is_copied_whole() {
        let mut state = CycleState::default();
        state.write(1u32);
        state.write(2u32);
        state.write("text");
        let copy = state.clone();
        *state.read_mut::<u32>().expect("kept") = 3;
        assert_eq!((state.read(), copy.read(), copy.read::<&str>()), (Some(&3u32), Some(&2u32), Some(&"text")));
        assert_eq!(copy.read::<u8>(), None);
    }
}
