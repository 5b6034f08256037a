//! Why no node fits: the verdicts of the filters, and the text that people read.
//!
//! Follows `pkg/scheduler/framework/types.go` (`Diagnosis`, `FitError`) of Kubernetes 1.36.

use super::cache::NodeSlot;
use super::framework::{Code, Context, CycleState, NO_PLUGIN, Status, Verdict};
use super::profile::Profile;
use crate::api::{Name, Pod, Text};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// What was found while nodes were searched.
#[derive(Debug, Clone, Default)]
pub struct Diagnosis {
    /// How many nodes there are.
    pub all_nodes: usize,
    /// Nodes that were looked at and rejected, in the order in which they were looked at.
    pub verdicts: Vec<(NodeSlot, Verdict)>,
    /// What is said of all other nodes.
    pub absent: Status,
    /// What the PreFilter that rejected the pod said.
    pub pre_filter_message: String,
    /// What PostFilters said.
    pub post_filter_message: String,
    /// The plugins whose rejection an event may lift.
    pub unschedulable_plugins: BTreeSet<Name>,
    /// The plugins that wait for something outside.
    pub pending_plugins: BTreeSet<Name>,
}

impl Diagnosis {
    /// Nothing found yet.
    pub fn new(all_nodes: usize) -> Self {
        let absent = Status { code: Code::UnschedulableAndUnresolvable, ..Status::default() };
        Self { all_nodes, absent, ..Self::default() }
    }

    /// The verdict on a node, if it has one of its own.
    pub fn verdict(&self, slot: NodeSlot) -> Option<Verdict> {
        self.verdicts.iter().find(|(have, _)| *have == slot).map(|(_, verdict)| *verdict)
    }

    /// What is said of a node: its own verdict, or that on all others.
    pub fn code(&self, slot: NodeSlot) -> Code {
        self.verdict(slot).map_or(self.absent.code, |verdict| verdict.code)
    }

    /// Notes which plugins rejected nodes.
    pub(super) fn note_plugins(&mut self, profile: &Profile) {
        let mut seen = 0u64;
        for (_, verdict) in &self.verdicts {
            if verdict.plugin == NO_PLUGIN || seen >> verdict.plugin & 1 == 1 || !verdict.code.is_rejected() {
                continue;
            }
            seen |= 1 << verdict.plugin;
            self.unschedulable_plugins.insert(profile.plugin_name(verdict.plugin));
        }
    }

    /// The text of the failure (`FitError.Error`).
    pub fn message(&self, profile: &Profile, cx: &Context<'_>, state: &CycleState, pod: &Pod) -> String {
        let mut text = format!("0/{} nodes are available:", self.all_nodes);
        if self.pre_filter_message.is_empty() {
            let histogram = self.histogram(profile, cx, state, pod);
            if !histogram.is_empty() {
                let _ = write!(text, " {}.", histogram.join(", "));
            }
        } else {
            let _ = write!(text, " {}.", self.pre_filter_message);
        }
        if !self.post_filter_message.is_empty() {
            let _ = write!(text, " {}", self.post_filter_message);
        }
        text
    }

    /// `<nodes> <reason>` for each reason, ordered as text.
    fn histogram(&self, profile: &Profile, cx: &Context<'_>, state: &CycleState, pod: &Pod) -> Vec<String> {
        let mut kinds: Vec<(Verdict, NodeSlot, usize)> = Vec::new();
        for &(slot, verdict) in &self.verdicts {
            // There are few kinds, and neighbours are alike.
            match kinds.iter_mut().rev().find(|(have, _, _)| *have == verdict) {
                Some((_, _, count)) => *count += 1,
                None => kinds.push((verdict, slot, 1)),
            }
        }
        let mut reasons: BTreeMap<Text, usize> = BTreeMap::new();
        for (verdict, slot, count) in kinds {
            for reason in profile.reasons(cx, state, pod, slot, verdict) {
                *reasons.entry(reason).or_default() += count;
            }
        }
        let others = self.all_nodes.saturating_sub(self.verdicts.len());
        if others > 0 {
            for reason in &self.absent.reasons {
                *reasons.entry(reason.clone()).or_default() += others;
            }
        }
        let mut lines: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        lines.sort();
        lines
    }
}
