//! A profile: the plugins that schedule the pods of one scheduler name, and how they are run.
//!
//! Follows `pkg/scheduler/framework/runtime/framework.go` of Kubernetes 1.36.

use super::cache::{Cache, NodeInfo, NodeSlot, PodOnNode};
use super::config::{
    ConfigurationError, EnabledPlugin, Gates, PluginSet, ProfileConfiguration, SchedulerConfiguration,
};
use super::diagnosis::Diagnosis;
use super::events::{Actions, ClusterEvent, Resource};
use super::framework::{
    Code, Context, CycleState, EventToRegister, Hint, MAX_NODE_SCORE, NO_PLUGIN, Points, PostFilterContext,
    PostFilterResult, SharedPlugin, Status, Verdict,
};
use super::plugins;
use crate::api::{Name, Pod, Text};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Makes a plugin from its arguments, which are null if there are none.
pub type PluginFactory = fn(&Value, Gates) -> Result<SharedPlugin, ArgumentError>;

/// What is wrong with the arguments of a plugin: the field, what was found, what would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgumentError {
    /// The field below the arguments.
    pub field: String,
    /// What was found.
    pub found: String,
    /// What would do.
    pub remedy: String,
}

impl ArgumentError {
    /// An error.
    pub fn new(field: impl Into<String>, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { field: field.into(), found: found.into(), remedy: remedy.into() }
    }
}

/// The plugins that configurations may name.
#[derive(Debug, Clone)]
pub struct Registry {
    factories: BTreeMap<Name, PluginFactory>,
}

impl Default for Registry {
    /// Those of kube-scheduler.
    fn default() -> Self {
        Self { factories: plugins::FACTORIES.iter().map(|(name, make)| (Name::new(name), *make)).collect() }
    }
}

impl Registry {
    /// These and one more.
    #[must_use]
    pub fn with(mut self, name: &str, make: PluginFactory) -> Self {
        self.factories.insert(Name::new(name), make);
        self
    }
}

/// The plugins of one scheduler name.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The pods that it schedules name it.
    pub scheduler_name: Name,
    /// How many of the nodes are scored; zero adapts.
    pub percentage_of_nodes_to_score: i64,
    plugins: Vec<SharedPlugin>,
    pre_enqueue: Vec<u8>,
    pre_filter: Vec<u8>,
    filter: Vec<u8>,
    post_filter: Vec<u8>,
    pre_score: Vec<u8>,
    score: Vec<(u8, i64)>,
    reserve: Vec<u8>,
    permit: Vec<u8>,
    pre_bind: Vec<u8>,
    /// The plugins whose signatures make that of a pod; `None` if one of them never signs.
    signing: Option<Vec<u8>>,
    /// The events that plugins registered, by place.
    interests: Vec<(u8, EventToRegister)>,
}

/// What the PreFilters came to.
#[derive(Debug, Clone, Default)]
pub struct PreFiltered {
    /// Success or the rejection.
    pub status: Status,
    /// The only nodes that can fit, by name in order; `None` for all.
    pub node_names: Option<Vec<Name>>,
    /// The plugins that narrowed the nodes down.
    pub narrowed_by: BTreeSet<Name>,
}

/// The scores of one plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginScores {
    /// The plugin.
    pub plugin: Name,
    /// Its weight.
    pub weight: i64,
    /// As the plugin gave them, in order of the nodes.
    pub raw: Vec<i64>,
    /// From 0 to 100.
    pub normalized: Vec<i64>,
}

impl Profile {
    /// A profile of a configuration.
    ///
    /// # Errors
    /// Plugins that nobody knows, arguments that they do not take.
    pub fn new(
        profile: &ProfileConfiguration,
        configuration: &SchedulerConfiguration,
        registry: &Registry,
        place: &str,
    ) -> Result<Self, Vec<ConfigurationError>> {
        let mut errors = Vec::new();
        let none = PluginSet::default();
        let set = |point: &str| profile.points.get(point).unwrap_or(&none);
        let multi_point = &set("multiPoint").enabled;
        let wrong =
            |field: String, found: String, remedy: &str| ConfigurationError { field, found, remedy: remedy.to_owned() };
        // Every plugin once, in the order of multiPoint.
        let mut names: Vec<(Name, &str, String)> = Vec::new();
        for (point, set) in std::iter::once(("multiPoint", set("multiPoint")))
            .chain(profile.points.iter().filter(|(point, _)| **point != "multiPoint").map(|(point, set)| (*point, set)))
        {
            for (n, plugin) in set.enabled.iter().enumerate() {
                if !names.iter().any(|(name, ..)| *name == plugin.name) {
                    names.push((plugin.name, point, format!("{place}.plugins.{point}.enabled[{n}].name")));
                }
            }
        }
        let mut plugins: Vec<SharedPlugin> = Vec::new();
        for (name, point, field) in names {
            let Some(make) = registry.factories.get(&name) else {
                let known: Vec<&str> = registry.factories.keys().map(|name| name.as_str()).collect();
                let remedy = format!("use one of {}", known.join(", "));
                let what = EXTENSION_POINTS.iter().find(|(of, ..)| *of == point).map_or("plugin", |(_, what, _)| *what);
                errors.push(ConfigurationError { field, found: format!("{what} {:?} does not exist", &*name), remedy });
                continue;
            };
            match make(profile.args.get(&name).unwrap_or(&Value::Null), configuration.gates) {
                Ok(plugin) => plugins.push(plugin),
                Err(ArgumentError { field, found, remedy }) => errors.push(ConfigurationError {
                    field: format!("{place}.pluginConfig[{}].args.{field}", &*name),
                    found,
                    remedy,
                }),
            }
        }
        for name in profile.args.keys().filter(|name| !registry.factories.contains_key(*name)) {
            errors.push(ConfigurationError {
                field: format!("{place}.pluginConfig[{}]", &**name),
                found: format!("no plugin {:?}", &**name),
                remedy: "remove it or correct the name".to_owned(),
            });
        }
        let extends = |name: Name, points: Points| {
            plugins.iter().find(|plugin| plugin.name() == name).is_none_or(|plugin| plugin.extends().has(points))
        };
        for &(point, what, points) in EXTENSION_POINTS {
            let mut seen = BTreeSet::new();
            for (n, EnabledPlugin { name, .. }) in set(point).enabled.iter().enumerate() {
                let field = format!("{place}.plugins.{point}.enabled[{n}].name");
                if !extends(*name, points) {
                    let found = format!("plugin {:?} does not extend {what} plugin", &**name);
                    errors.push(wrong(field, found, "remove it"));
                } else if !seen.insert(*name) {
                    let found = format!("plugin {:?} already registered as {what:?}", &**name);
                    errors.push(wrong(field, found, "name it once"));
                }
            }
        }
        if let Some((name, what)) = registered_twice(multi_point, set, extends) {
            let found = format!("plugin {:?} already registered as {what:?}", &*name);
            errors.push(wrong(format!("{place}.plugins.multiPoint.enabled"), found, "name it once"));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let expand = |point: &str, points: Points| expand(set(point), multi_point, &plugins, points);
        // The last checks of `NewFramework`.
        let scheduler = &*profile.scheduler_name;
        let sorting = expand("queueSort", Points::QUEUE_SORT).len();
        if sorting != 1 {
            let found = format!(
                "only one queue sort plugin required for profile with scheduler name {scheduler:?}, but got {sorting}"
            );
            errors.push(wrong(place.to_owned(), found, "enable one at queueSort, such as PrioritySort"));
        }
        if expand("bind", Points::BIND).is_empty() {
            let found = format!("at least one bind plugin is needed for profile with scheduler name {scheduler:?}");
            errors.push(wrong(place.to_owned(), found, "enable one at bind, such as DefaultBinder"));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let score = expand("score", Points::SCORE);
        let weights = set("score").enabled.iter().chain(multi_point);
        let weight = |place: u8| {
            let name = plugins[usize::from(place)].name();
            weights.clone().find(|plugin| plugin.name == name).map_or(1, |plugin| plugin.weight.max(1))
        };
        let mut made = Self {
            scheduler_name: profile.scheduler_name,
            percentage_of_nodes_to_score: profile
                .percentage_of_nodes_to_score
                .unwrap_or(configuration.percentage_of_nodes_to_score),
            pre_enqueue: expand("preEnqueue", Points::PRE_ENQUEUE),
            pre_filter: expand("preFilter", Points::PRE_FILTER),
            filter: expand("filter", Points::FILTER),
            post_filter: expand("postFilter", Points::POST_FILTER),
            pre_score: expand("preScore", Points::PRE_SCORE),
            score: score.into_iter().map(|place| (place, weight(place))).collect(),
            reserve: expand("reserve", Points::RESERVE),
            permit: expand("permit", Points::PERMIT),
            pre_bind: expand("preBind", Points::PRE_BIND),
            signing: None,
            interests: interests(&plugins),
            plugins: Vec::new(),
        };
        made.plugins = plugins;
        let scoring = made.score.iter().map(|(place, _)| *place);
        let mut signing: Vec<u8> =
            made.pre_filter.iter().chain(&made.filter).chain(&made.pre_score).copied().chain(scoring).collect();
        signing.sort_unstable();
        signing.dedup();
        made.signing = signing.iter().all(|place| made.plugin(*place).signs()).then_some(signing);
        Ok(made)
    }

    fn plugin(&self, place: u8) -> &SharedPlugin {
        &self.plugins[usize::from(place)]
    }

    /// A plugin's name by its place.
    pub fn plugin_name(&self, place: u8) -> Name {
        if place == NO_PLUGIN { Name::default() } else { self.plugin(place).name() }
    }

    fn names<'s>(&'s self, places: &'s [u8]) -> impl Iterator<Item = Name> + 's {
        places.iter().map(|place| self.plugin_name(*place))
    }

    /// The plugins that filter, in order.
    pub fn filters(&self) -> impl Iterator<Item = Name> + '_ {
        self.names(&self.filter)
    }

    /// The plugins that score, in order, with their weights.
    pub fn scorers(&self) -> impl Iterator<Item = (Name, i64)> + '_ {
        self.score.iter().map(|(place, weight)| (self.plugin_name(*place), *weight))
    }

    /// Plugins as bits by their places.
    pub(super) fn places<'n>(&self, names: impl IntoIterator<Item = &'n Name>) -> u64 {
        let place = |name: &Name| self.plugins.iter().position(|plugin| plugin.name() == *name);
        names.into_iter().filter_map(place).fold(0, |all, place| all | 1 << place)
    }

    /// The plugins that an event may satisfy, as bits.
    pub(super) fn interested_in(&self, event: &ClusterEvent) -> u64 {
        let interested = self.interests.iter().filter(|(_, one)| event.is_registered(one.resource, one.actions));
        interested.fold(0, |all, (place, _)| all | 1 << place)
    }

    /// What an event means for a pod that a plugin rejected.
    pub(super) fn hint(&self, place: u8, cx: &Context<'_>, pod: &Pod, event: &ClusterEvent) -> Hint {
        let mut registered =
            self.interests.iter().filter(|(of, one)| *of == place && event.is_registered(one.resource, one.actions));
        let frees = |one: &EventToRegister| !one.hinted || self.plugin(place).hint(cx, pod, event) == Hint::Queue;
        if registered.any(|(_, one)| frees(one)) { Hint::Queue } else { Hint::Skip }
    }

    /// The first PreEnqueue that holds a pod back, by place.
    pub(super) fn held_back_by(&self, cx: &Context<'_>, pod: &Pod) -> Option<u8> {
        self.pre_enqueue.iter().copied().find(|place| !self.plugin(*place).pre_enqueue(cx, pod).is_success())
    }

    /// The first PreEnqueue that holds a pod back.
    pub fn run_pre_enqueue(&self, cx: &Context<'_>, pod: &Pod) -> Option<Status> {
        self.pre_enqueue.iter().find_map(|place| {
            let status = self.plugin(*place).pre_enqueue(cx, pod);
            (!status.is_success()).then(|| status.by(self.plugin_name(*place)))
        })
    }

    /// Lets plugins ask for what they will look at.
    pub fn prepare(&self, cache: &mut Cache, state: &mut CycleState, pod: &Pod) {
        for plugin in &self.plugins {
            plugin.prepare(cache, state, pod);
        }
    }

    /// Runs the PreFilters.
    pub fn run_pre_filter(&self, cx: &Context<'_>, state: &mut CycleState, pod: &Pod) -> PreFiltered {
        let mut all = PreFiltered::default();
        for &place in &self.pre_filter {
            let result = self.plugin(place).pre_filter(cx, state, pod);
            let name = self.plugin_name(place);
            match result.status.code {
                Code::Skip => {
                    state.skip_filter |= 1 << place;
                    continue;
                }
                Code::Success => {}
                Code::UnschedulableAndUnresolvable => {
                    return PreFiltered { status: result.status.by(name), ..PreFiltered::default() };
                }
                Code::Unschedulable => {
                    // The other plugins still look at the pod.
                    all.status = result.status.by(name);
                    continue;
                }
                Code::Error | Code::Wait | Code::Pending => {
                    let message = format!("running PreFilter plugin {:?}: {}", &*name, result.status.message());
                    return PreFiltered { status: Status::error(message).by(name), ..PreFiltered::default() };
                }
            }
            let Some(names) = result.node_names else { continue };
            all.narrowed_by.insert(name);
            let both = match all.node_names.take() {
                None => names,
                Some(before) => before.into_iter().filter(|name| names.contains(name)).collect(),
            };
            if both.is_empty() {
                let plugins: Vec<&str> = all.narrowed_by.iter().map(|name| name.as_str()).collect();
                let text = match plugins[..] {
                    [plugin] => format!("node(s) didn't satisfy plugin {plugin}"),
                    _ => format!("node(s) didn't satisfy plugin(s) [{}] simultaneously", plugins.join(" ")),
                };
                all.status = Status::new(Code::UnschedulableAndUnresolvable, text);
                all.node_names = Some(both);
                return all;
            }
            all.node_names = Some(both);
        }
        all
    }

    /// Runs the Filters on one node until one rejects it.
    pub fn run_filters(&self, cx: &Context<'_>, state: &CycleState, pod: &Pod, node: &NodeInfo) -> Verdict {
        for &place in self.filter.iter().filter(|place| state.skip_filter >> **place & 1 == 0) {
            let verdict = self.plugin(place).filter(cx, state, pod, node);
            if !verdict.fits() {
                return Verdict { plugin: place, ..verdict };
            }
        }
        Verdict::FITS
    }

    /// The plugins that reject one node, each asked alone.
    pub fn all_failing(&self, cx: &Context<'_>, state: &CycleState, pod: &Pod, node: &NodeInfo) -> Vec<Verdict> {
        let asked = self.filter.iter().filter(|place| state.skip_filter >> **place & 1 == 0);
        let verdict = |place: &u8| Verdict { plugin: *place, ..self.plugin(*place).filter(cx, state, pod, node) };
        asked.map(verdict).filter(|verdict| !verdict.fits()).collect()
    }

    /// Runs the Filters on one node: if pods are nominated for it that come first, once with them and once without.
    pub fn run_filters_with_nominated(
        &self,
        cx: &Context<'_>,
        state: &CycleState,
        pod: &Pod,
        node: &NodeInfo,
    ) -> Verdict {
        let nominated = cx.nominator.on_node(node.name());
        let before = |other: &&Arc<Pod>| other.spec.priority >= pod.spec.priority && other.meta.uid != pod.meta.uid;
        if nominated.iter().any(|other| before(&other)) {
            let mut state = state.clone();
            let mut node = node.clone();
            for other in nominated.iter().filter(before) {
                node.add_pod(PodOnNode::new(other.clone()));
                self.add_pod(cx, &mut state, pod, other, &node);
            }
            let verdict = self.run_filters(cx, &state, pod, &node);
            if !verdict.fits() {
                return verdict;
            }
        }
        self.run_filters(cx, state, pod, node)
    }

    /// Runs the Filters on many nodes; what each comes to is put beside it.
    pub fn run_filters_many(
        &self,
        cx: &Context<'_>,
        state: &CycleState,
        pod: &Pod,
        nodes: &[NodeSlot],
        verdicts: &mut Vec<Verdict>,
    ) {
        verdicts.clear();
        verdicts.resize(nodes.len(), Verdict::FITS);
        for &place in self.filter.iter().filter(|place| state.skip_filter >> **place & 1 == 0) {
            self.plugin(place).filter_many(cx, state, pod, nodes, verdicts);
            for verdict in verdicts.iter_mut().filter(|verdict| !verdict.fits() && verdict.plugin == NO_PLUGIN) {
                verdict.plugin = place;
            }
        }
        if cx.nominator.is_empty() {
            return;
        }
        for (&slot, verdict) in nodes.iter().zip(verdicts) {
            let node = cx.cache.node(slot);
            if !cx.nominator.on_node(node.name()).is_empty() {
                *verdict = self.run_filters_with_nominated(cx, state, pod, node);
            }
        }
    }

    /// What the plugins have kept, if a further pod were on a node.
    pub fn add_pod(&self, cx: &Context<'_>, state: &mut CycleState, pod: &Pod, added: &Pod, node: &NodeInfo) {
        for &place in &self.pre_filter {
            if state.skip_filter >> place & 1 == 0 {
                self.plugin(place).add_pod(cx, state, pod, added, node);
            }
        }
    }

    /// What the plugins have kept, if a pod were not on its node.
    pub fn remove_pod(&self, cx: &Context<'_>, state: &mut CycleState, pod: &Pod, removed: &Pod, node: &NodeInfo) {
        for &place in &self.pre_filter {
            if state.skip_filter >> place & 1 == 0 {
                self.plugin(place).remove_pod(cx, state, pod, removed, node);
            }
        }
    }

    /// The reasons of a verdict.
    pub fn reasons(
        &self,
        cx: &Context<'_>,
        state: &CycleState,
        pod: &Pod,
        slot: NodeSlot,
        verdict: Verdict,
    ) -> Vec<Text> {
        if verdict.plugin == NO_PLUGIN {
            return Vec::new();
        }
        self.plugin(verdict.plugin).reasons(cx, state, pod, cx.cache.node(slot), verdict)
    }

    /// Runs the PostFilters until one makes room.
    pub fn run_post_filter(
        &self,
        cx: Context<'_>,
        state: &mut CycleState,
        pod: &Pod,
        diagnosis: &Diagnosis,
        offset: u64,
    ) -> PostFilterResult {
        let context = PostFilterContext { cx, profile: self, diagnosis, offset };
        let mut nominated_node = None;
        let mut reasons = Vec::new();
        let mut rejector = Name::default();
        for &place in &self.post_filter {
            let mut result = self.plugin(place).post_filter(&context, state, pod);
            let name = self.plugin_name(place);
            match result.status.code {
                Code::Success => return result,
                Code::UnschedulableAndUnresolvable => {
                    result.status.plugin = name;
                    return result;
                }
                Code::Unschedulable | Code::Pending => {}
                Code::Error | Code::Wait | Code::Skip => {
                    let status = Status::error(result.status.message()).by(name);
                    return PostFilterResult { status, ..PostFilterResult::default() };
                }
            }
            nominated_node = result.nominated_node.or(nominated_node);
            reasons.extend(result.status.reasons);
            if rejector.is_empty() {
                rejector = name;
            }
        }
        let status = Status { code: Code::Unschedulable, reasons, plugin: rejector };
        PostFilterResult { status, nominated_node, preemption: None }
    }

    /// Whether there is anything to run when no node fits.
    pub fn has_post_filter(&self) -> bool {
        !self.post_filter.is_empty()
    }

    /// Runs the PreScores.
    ///
    /// # Errors
    /// What a plugin says is wrong.
    pub fn run_pre_score(
        &self,
        cx: &Context<'_>,
        state: &mut CycleState,
        pod: &Pod,
        nodes: &[NodeSlot],
    ) -> Result<(), String> {
        state.skip_score = 0;
        for &place in &self.pre_score {
            let status = self.plugin(place).pre_score(cx, state, pod, nodes);
            match status.code {
                Code::Success => {}
                Code::Skip => state.skip_score |= 1 << place,
                _ => {
                    let name = self.plugin_name(place);
                    return Err(format!("running PreScore plugin {:?}: {}", &*name, status.message()));
                }
            }
        }
        Ok(())
    }

    /// The weighted sum of all scores of each node.
    ///
    /// # Errors
    /// A normalized score outside 0 to 100.
    pub fn run_scores(
        &self,
        cx: &Context<'_>,
        state: &CycleState,
        pod: &Pod,
        nodes: &[NodeSlot],
        scratch: &mut Vec<i64>,
        totals: &mut Vec<i64>,
    ) -> Result<(), String> {
        totals.clear();
        totals.resize(nodes.len(), 0);
        for &(place, weight) in self.score.iter().filter(|(place, _)| state.skip_score >> *place & 1 == 0) {
            scratch.clear();
            scratch.resize(nodes.len(), 0);
            self.plugin(place).score_many(cx, state, pod, nodes, scratch);
            self.plugin(place).normalize_score(cx, state, pod, nodes, scratch);
            let mut wrong = false;
            for (total, &score) in totals.iter_mut().zip(&*scratch) {
                wrong |= !(0..=MAX_NODE_SCORE).contains(&score);
                *total += weight * score;
            }
            if wrong {
                return Err(self.wrong_score(place, scratch));
            }
        }
        Ok(())
    }

    /// All scores of each node, plugin by plugin.
    ///
    /// # Errors
    /// A normalized score outside 0 to 100.
    pub fn explain_scores(
        &self,
        cx: &Context<'_>,
        state: &CycleState,
        pod: &Pod,
        nodes: &[NodeSlot],
    ) -> Result<Vec<PluginScores>, String> {
        let mut all = Vec::new();
        for &(place, weight) in self.score.iter().filter(|(place, _)| state.skip_score >> *place & 1 == 0) {
            let plugin = self.plugin(place);
            let mut raw = vec![0; nodes.len()];
            plugin.score_many(cx, state, pod, nodes, &mut raw);
            let mut normalized = raw.clone();
            plugin.normalize_score(cx, state, pod, nodes, &mut normalized);
            if normalized.iter().any(|score| !(0..=MAX_NODE_SCORE).contains(score)) {
                return Err(self.wrong_score(place, &normalized));
            }
            all.push(PluginScores { plugin: plugin.name(), weight, raw, normalized });
        }
        Ok(all)
    }

    fn wrong_score(&self, place: u8, scores: &[i64]) -> String {
        let wrong = scores.iter().find(|score| !(0..=MAX_NODE_SCORE).contains(*score)).copied().unwrap_or(0);
        let name = self.plugin_name(place);
        format!(
            "plugin {:?} returns an invalid score {wrong}, it should in the range of [0, 100] after normalizing",
            &*name
        )
    }

    /// The plugins whose Score is passed over.
    pub fn skipped_scorers<'s>(&'s self, state: &'s CycleState) -> impl Iterator<Item = Name> + 's {
        let skipped = self.pre_score.iter().filter(|place| state.skip_score >> **place & 1 == 1);
        skipped.map(|place| self.plugin_name(*place))
    }

    /// The plugins whose Filter is passed over.
    pub fn skipped_filters<'s>(&'s self, state: &'s CycleState) -> impl Iterator<Item = Name> + 's {
        let skipped = self.pre_filter.iter().filter(|place| state.skip_filter >> **place & 1 == 1);
        skipped.map(|place| self.plugin_name(*place))
    }

    /// The plugins that reserve, in order.
    pub(super) fn reservers(&self) -> impl DoubleEndedIterator<Item = &SharedPlugin> {
        self.reserve.iter().map(|place| self.plugin(*place))
    }

    /// The plugins that are asked at Permit, in order.
    pub(super) fn permitters(&self) -> impl Iterator<Item = &SharedPlugin> {
        self.permit.iter().map(|place| self.plugin(*place))
    }

    /// The plugins that do something before the pod is bound, in order.
    pub(super) fn pre_binders(&self) -> impl Iterator<Item = &SharedPlugin> {
        self.pre_bind.iter().map(|place| self.plugin(*place))
    }

    /// Whether pods of this profile can share the work of scoring at all.
    pub const fn signs(&self) -> bool {
        self.signing.is_some()
    }

    /// What plugins look at of a pod, if it is the pod alone: pods with the same can share the work of scoring.
    pub fn sign(&self, cx: &Context<'_>, pod: &Pod) -> Option<Vec<Text>> {
        let mut signature = Vec::new();
        for &place in self.signing.as_ref()? {
            signature.extend(self.plugin(place).sign(cx, pod)?);
        }
        Some(signature)
    }
}

/// The events of all plugins. Whoever waits for new nodes also hears of taints that go, always: a node may have been
/// kept from it by them when it came (`buildQueueingHintMap`).
fn interests(plugins: &[SharedPlugin]) -> Vec<(u8, EventToRegister)> {
    let mut all = Vec::new();
    for (place, plugin) in (0u8..).zip(plugins) {
        let events = plugin.events();
        let registers =
            |actions: Actions| events.iter().any(|one| one.resource == Resource::Node && actions.meets(one.actions));
        let implicit = EventToRegister { resource: Resource::Node, actions: Actions::UPDATE_NODE_TAINT, hinted: false };
        let needs = registers(Actions::ADD) && !registers(Actions::UPDATE_NODE_TAINT);
        all.extend(events.iter().copied().chain(needs.then_some(implicit)).map(|one| (place, one)));
    }
    all
}

/// The extension points with the types of their plugins, in the order in which they are filled
/// (`getExtensionPoints`).
const EXTENSION_POINTS: &[(&str, &str, Points)] = &[
    ("preFilter", "PreFilterPlugin", Points::PRE_FILTER),
    ("filter", "FilterPlugin", Points::FILTER),
    ("postFilter", "PostFilterPlugin", Points::POST_FILTER),
    ("reserve", "ReservePlugin", Points::RESERVE),
    ("preScore", "PreScorePlugin", Points::PRE_SCORE),
    ("score", "ScorePlugin", Points::SCORE),
    ("preBind", "PreBindPlugin", Points::PRE_BIND),
    ("bind", "BindPlugin", Points::BIND),
    ("postBind", "PostBindPlugin", Points::POST_BIND),
    ("permit", "PermitPlugin", Points::PERMIT),
    ("preEnqueue", "PreEnqueuePlugin", Points::PRE_ENQUEUE),
    ("queueSort", "QueueSortPlugin", Points::QUEUE_SORT),
];

/// The first plugin that `multiPoint` brings to an extension point twice, and as what.
fn registered_twice<'s>(
    multi_point: &[EnabledPlugin],
    set: impl Fn(&str) -> &'s PluginSet,
    extends: impl Fn(Name, Points) -> bool,
) -> Option<(Name, &'static str)> {
    EXTENSION_POINTS.iter().find_map(|&(point, what, points)| {
        let own = set(point);
        let is_out = |name: &Name| own.disabled.iter().any(|out| out == name || out == "*");
        let is_own = |name: &Name| own.enabled.iter().any(|plugin| plugin.name == *name);
        let mut seen = BTreeSet::new();
        let mut names = multi_point.iter().map(|plugin| plugin.name);
        names
            .find(|name| extends(*name, points) && !is_out(name) && !is_own(name) && !seen.insert(*name))
            .map(|name| (name, what))
    })
}

/// The plugins of one extension point (`expandMultiPointPlugins`): first those that `multiPoint` has and the point sets
/// anew, then the others of `multiPoint`, then the others of the point.
fn expand(set: &PluginSet, multi_point: &[EnabledPlugin], plugins: &[SharedPlugin], points: Points) -> Vec<u8> {
    let place = |name: Name| plugins.iter().position(|plugin| plugin.name() == name && plugin.points().has(points));
    let of_point: Vec<Name> = set.enabled.iter().map(|plugin| plugin.name).collect();
    let in_multi_point = |name: &Name| multi_point.iter().any(|plugin| plugin.name == *name);
    let names: Vec<Name> = if set.disabled.iter().any(|name| name == "*") {
        of_point
    } else {
        let wanted = |name: &Name| !set.disabled.contains(name) && !of_point.contains(name);
        let overrides = |name: &Name| in_multi_point(name) && !set.disabled.contains(name);
        let others = multi_point.iter().map(|plugin| plugin.name).filter(wanted);
        of_point
            .iter()
            .copied()
            .filter(overrides)
            .chain(others)
            .chain(of_point.iter().copied().filter(|name| !overrides(name)))
            .collect()
    };
    names.into_iter().filter_map(place).map(|place| place as u8).collect()
}
