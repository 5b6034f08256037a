//! A decision with everything that led to it: each node's verdict or scores, the text of a failure, the victims.

use super::cache::NodeSlot;
use super::diagnosis::Diagnosis;
use super::framework::{Code, Context, CycleState, PostFilterContext, Status, Verdict};
use super::preemption::{self, Candidate, Enough};
use super::profile::{PluginScores, Profile};
use super::schedule_one::{Outcome, Search, filter_error};
use super::snapshot::ClusterSnapshot;
use crate::api::{Name, Pod, Text};
use crate::engine::SimTime;

/// Why a node does not take a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRejection {
    /// The first plugin that rejects it; empty where PreFilter has left the node out.
    pub plugin: Name,
    /// What that means.
    pub code: Code,
    /// Why.
    pub reasons: Vec<Text>,
    /// Every plugin that would reject it.
    pub all_failing: Vec<Name>,
    /// Whether a PreFilter has left the node out.
    pub excluded: bool,
}

/// A plugin's part in a node's score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeScore {
    /// The plugin.
    pub plugin: Name,
    /// As the plugin gave it.
    pub raw: i64,
    /// From 0 to 100.
    pub normalized: i64,
    /// Times the plugin's weight.
    pub weighted: i64,
}

/// What is said of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeExplanation {
    /// The node.
    pub name: Name,
    /// Why the pod does not fit; `None` if it does.
    pub rejection: Option<NodeRejection>,
    /// Its scores, where nodes were scored.
    pub scores: Vec<NodeScore>,
    /// Their sum.
    pub total: i64,
}

/// What the search for victims came to.
#[derive(Debug, Clone, PartialEq)]
pub struct PreemptionExplanation {
    /// Why the pod may not preempt, if it may not.
    pub not_eligible: Option<&'static str>,
    /// Nodes on which evicting pods might help.
    pub potential: Vec<Name>,
    /// Nodes on which it does.
    pub candidates: Vec<Candidate>,
    /// Those of them that are equally best.
    pub best: Vec<Name>,
}

/// What the PostFilters came to.
#[derive(Debug, Clone, PartialEq)]
pub struct PostFilterExplanation {
    /// Success if room can be made.
    pub status: Status,
    /// The node that is nominated, if there is one.
    pub nominated_node: Option<Name>,
    /// The pods that would have to go.
    pub victims: Vec<Name>,
    /// The search for victims, unless a plugin before it has failed.
    pub preemption: Option<PreemptionExplanation>,
}

/// One decision and everything that led to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The nodes in the order in which they are looked at.
    pub order: Vec<Name>,
    /// What holds the pod back before it enters the queue; the rest says what would follow.
    pub gated: Option<Status>,
    /// What the PreFilters said.
    pub pre_filter: Status,
    /// The only nodes that they left.
    pub pre_filter_nodes: Option<Vec<Name>>,
    /// Plugins whose Filter had nothing to do.
    pub skipped_filters: Vec<Name>,
    /// Plugins whose Score had nothing to do.
    pub skipped_scorers: Vec<Name>,
    /// What is said of each node, in order.
    pub nodes: Vec<NodeExplanation>,
    /// The node that is taken.
    pub chosen: Option<Name>,
    /// What went wrong, if the attempt ends in an error.
    pub error: Option<String>,
    /// The text of the failure before PostFilter.
    pub fit_error: Option<String>,
    /// The plugins that an event must satisfy before the pod is tried again.
    pub unschedulable_plugins: Vec<Name>,
    /// What PostFilter came to, if no node fits.
    pub post_filter: Option<PostFilterExplanation>,
    /// The text of the `FailedScheduling` event.
    pub message: Option<String>,
}

impl Explanation {
    /// The best total and the nodes that have it.
    pub fn best(&self) -> Option<(i64, Vec<Name>)> {
        let fitting = || self.nodes.iter().filter(|node| node.rejection.is_none());
        let most = fitting().map(|node| node.total).max()?;
        Some((most, fitting().filter(|node| node.total == most).map(|node| node.name).collect()))
    }
}

/// Schedules a pod on a snapshot and tells everything. All nodes are looked at and scored, whatever the size of the
/// cluster; the choice is the one that the scheduler makes first.
pub fn explain(snapshot: &mut ClusterSnapshot, profile: &Profile, pod: &Pod, now: i64) -> Explanation {
    let ClusterSnapshot { cache, nominator, .. } = snapshot;
    cache.refresh();
    let decision = Search::default().schedule(cache, nominator, profile, pod, SimTime::ZERO, now);
    let mut state = CycleState::default();
    profile.prepare(cache, &mut state, pod);
    let cx = Context { cache, nominator, now };
    let mut told = Explanation {
        order: cache.order().iter().map(|slot| cache.node(*slot).name()).collect(),
        gated: profile.run_pre_enqueue(&cx, pod),
        pre_filter: Status::success(),
        pre_filter_nodes: None,
        skipped_filters: Vec::new(),
        skipped_scorers: Vec::new(),
        nodes: Vec::new(),
        chosen: None,
        error: None,
        fit_error: None,
        unschedulable_plugins: Vec::new(),
        post_filter: None,
        message: None,
    };
    let pre = profile.run_pre_filter(&cx, &mut state, pod);
    let narrowed_by: Vec<Name> = pre.narrowed_by.iter().copied().collect();
    told.skipped_filters = profile.skipped_filters(&state).collect();
    told.pre_filter = pre.status;
    told.pre_filter_nodes = pre.node_names;
    match decision.outcome {
        Outcome::Chosen(slot) => told.chosen = Some(cache.node(slot).name()),
        Outcome::Error(error) => told.error = Some(error),
        Outcome::NoNodes => told.message = Some("no nodes available to schedule pods".to_owned()),
        Outcome::Unfit(_) => {}
    }
    let verdicts = tell_nodes(&cx, &state, profile, pod, &mut told, &narrowed_by);
    let fitting: Vec<NodeSlot> = verdicts.iter().filter(|(_, verdict)| verdict.fits()).map(|(slot, _)| *slot).collect();
    if told.error.is_some() && fitting.is_empty() || told.order.is_empty() {
        return told;
    }
    if fitting.is_empty() {
        tell_failure(&cx, state, profile, pod, &mut told, verdicts, &narrowed_by);
    } else if let Err(error) = tell_scores(&cx, &mut state, profile, pod, &mut told, &fitting) {
        told.error.get_or_insert(error);
    }
    told
}

fn tell_nodes(
    cx: &Context<'_>,
    state: &CycleState,
    profile: &Profile,
    pod: &Pod,
    told: &mut Explanation,
    narrowed_by: &[Name],
) -> Vec<(NodeSlot, Verdict)> {
    let mut verdicts = Vec::new();
    let plugins: Vec<&str> = narrowed_by.iter().map(|name| name.as_str()).collect();
    let excluded = Text::from(format!("node(s) didn't satisfy plugin(s) [{}]", plugins.join(" ")));
    for &slot in cx.cache.order() {
        let info = cx.cache.node(slot);
        let is_left = told.pre_filter_nodes.as_ref().is_none_or(|names| names.contains(&info.name()));
        let mut rejection = None;
        if !told.pre_filter.is_success() {
            let Status { code, reasons, plugin } = told.pre_filter.clone();
            rejection = Some(NodeRejection { plugin, code, reasons, all_failing: vec![plugin], excluded: false });
        } else if !is_left {
            rejection = Some(NodeRejection {
                plugin: Name::default(),
                code: Code::UnschedulableAndUnresolvable,
                reasons: vec![excluded.clone()],
                all_failing: Vec::new(),
                excluded: true,
            });
        } else {
            let verdict = profile.run_filters_with_nominated(cx, state, pod, info);
            verdicts.push((slot, verdict));
            if verdict.code == Code::Error {
                told.error.get_or_insert_with(|| filter_error(cx, state, profile, pod, slot, verdict));
            }
            if !verdict.fits() {
                let failing = profile.all_failing(cx, state, pod, info);
                rejection = Some(NodeRejection {
                    plugin: profile.plugin_name(verdict.plugin),
                    code: verdict.code,
                    reasons: profile.reasons(cx, state, pod, slot, verdict),
                    all_failing: failing.iter().map(|verdict| profile.plugin_name(verdict.plugin)).collect(),
                    excluded: false,
                });
            }
        }
        told.nodes.push(NodeExplanation { name: info.name(), rejection, scores: Vec::new(), total: 0 });
    }
    verdicts
}

fn tell_failure(
    cx: &Context<'_>,
    mut state: CycleState,
    profile: &Profile,
    pod: &Pod,
    told: &mut Explanation,
    verdicts: Vec<(NodeSlot, Verdict)>,
    narrowed_by: &[Name],
) {
    let mut diagnosis = Diagnosis::new(told.order.len());
    if told.pre_filter.is_success() {
        if let Some(left_out) = told.nodes.iter().filter_map(|node| node.rejection.as_ref()).find(|one| one.excluded) {
            diagnosis.absent =
                Status { code: left_out.code, reasons: left_out.reasons.clone(), plugin: Name::default() };
        }
    } else {
        diagnosis.pre_filter_message = told.pre_filter.message();
        diagnosis.absent = told.pre_filter.clone();
        if !told.pre_filter.plugin.is_empty() {
            diagnosis.unschedulable_plugins.insert(told.pre_filter.plugin);
        }
    }
    diagnosis.unschedulable_plugins.extend(narrowed_by);
    diagnosis.verdicts = verdicts;
    diagnosis.note_plugins(profile);
    told.unschedulable_plugins = diagnosis.unschedulable_plugins.iter().copied().collect();
    told.fit_error = Some(diagnosis.message(profile, cx, &state, pod));
    if profile.has_post_filter() {
        let result = profile.run_post_filter(*cx, &mut state, pod, &diagnosis, 0);
        let failed = result.status.code == Code::Error;
        let context = PostFilterContext { cx: *cx, profile, diagnosis: &diagnosis, offset: 0 };
        let search = (!failed).then(|| preemption::search(&context, &state, pod, EVERY));
        let name = |slot: &NodeSlot| cx.cache.node(*slot).name();
        told.post_filter = Some(PostFilterExplanation {
            victims: result.preemption.iter().flat_map(|best| &best.victims).map(|victim| victim.meta.name).collect(),
            nominated_node: result.nominated_node.filter(|name| !name.is_empty()),
            preemption: search.map(|search| PreemptionExplanation {
                not_eligible: search.not_eligible,
                potential: search.potential.iter().map(name).collect(),
                best: search.best.iter().map(|place| search.candidates[*place].node).collect(),
                candidates: search.candidates,
            }),
            status: result.status,
        });
        diagnosis.post_filter_message = told.post_filter.as_ref().map_or_else(String::new, |p| p.status.message());
    }
    told.message = Some(diagnosis.message(profile, cx, &state, pod));
}

/// Every candidate is looked for.
const EVERY: Enough = Enough { percentage: 100, absolute: i64::MAX };

fn tell_scores(
    cx: &Context<'_>,
    state: &mut CycleState,
    profile: &Profile,
    pod: &Pod,
    told: &mut Explanation,
    fitting: &[NodeSlot],
) -> Result<(), String> {
    profile.run_pre_score(cx, state, pod, fitting)?;
    told.skipped_scorers = profile.skipped_scorers(state).collect();
    let scores = profile.explain_scores(cx, state, pod, fitting)?;
    let nodes = told.nodes.iter_mut().filter(|node| node.rejection.is_none());
    for (place, node) in nodes.enumerate() {
        let score = |scores: &PluginScores| NodeScore {
            plugin: scores.plugin,
            raw: scores.raw[place],
            normalized: scores.normalized[place],
            weighted: scores.normalized[place] * scores.weight,
        };
        node.scores = scores.iter().map(score).collect();
        node.total = node.scores.iter().map(|score| score.weighted).sum();
    }
    Ok(())
}
