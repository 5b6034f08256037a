//! In-place resize: from the resources that are wanted over those that are allocated to those that are in force.
//!
//! The kubelet goes by the allocation for everything that it does on the node, so [`PodState::pod`] is the newest pod
//! with the allocated resources in place of the wanted ones. A wanted change is allocated when the node can hold it,
//! else it waits for other pods to end. Follows `pkg/kubelet/allocation/allocation_manager.go` and
//! `pkg/kubelet/kuberuntime/kuberuntime_manager.go` (`computePodResizeAction`, `doPodResizeAction`) of Kubernetes 1.36.
//!
//! Not here: swap, and the static CPU and memory managers.

use super::sync_pod::{ResizeStep, Stage};
use super::{Kubelet, KubeletMessage, PodState};
use crate::api::{
    CPU, Condition, ConditionStatus, Container, ContainerId, EventType, MEMORY, Name, POD_RESIZE_IN_PROGRESS,
    POD_RESIZE_PENDING, Pod, PodPhase, PodSpec, PodStatus, ResizeRestartPolicy, ResourceList, format_amount, requests,
};
use crate::components::cri::{CriCall, CriReply, CriResult, InstanceState, PodKey, RuntimePod};
use crate::components::message::Message;
use crate::engine::{Outbox, SimDuration, SimTime};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Resizes that wait are looked at again after this at the latest (`retryDelay`).
const RETRY: SimDuration = SimDuration::from_secs(180);
/// Thousandths of a CPU that every cgroup is given, whatever is asked for (`MinShares`).
const MIN_CPU_REQUEST: i64 = 2;
/// Thousandths of a CPU below which no cgroup is limited (`MinMilliCPULimit`).
const MIN_CPU_LIMIT: i64 = 10;

/// Requests and limits of a container.
pub(super) type Amounts = (ResourceList, ResourceList);

/// What a pod's resources have come to.
#[derive(Debug, Clone, Default)]
pub(super) struct Resizing {
    /// The newest pod as it is wanted, while that is not what is allocated.
    pub(super) wanted: Option<Arc<Pod>>,
    /// What the runtime last accepted, by container.
    actuated: Vec<(Name, Amounts)>,
    /// The resources of the pod as a whole that are in force, while other ones are allocated.
    own_before: Option<Box<Option<Amounts>>>,
    /// Why the wanted resources are not allocated.
    pub(super) pending: Option<Box<Condition>>,
    /// That the allocated resources are not in force.
    pub(super) in_progress: Option<Box<Condition>>,
    /// Whether the next look at the pod leads to a sync whatever it finds (`SetPodWatchCondition`).
    pub(super) watched: bool,
}

impl Resizing {
    /// The resources of a container are in force.
    pub(super) fn actuate(&mut self, container: Name, amounts: Amounts) {
        self.actuated.retain(|(name, _)| *name != container);
        self.actuated.reserve_exact(1);
        self.actuated.push((container, amounts));
    }

    fn in_force(&self, container: &Container) -> bool {
        self.actuated
            .iter()
            .find(|(name, _)| *name == container.name)
            .is_none_or(|(_, actuated)| parts(actuated) == parts(&amounts(container)))
    }

    /// The containers that run with other resources than they are allocated.
    fn outdated<'a>(&'a self, spec: &'a PodSpec, runtime: &'a RuntimePod) -> impl Iterator<Item = &'a Container> {
        resizable(spec).filter(|container| {
            let newest = runtime.newest(container.name);
            newest.is_some_and(|instance| instance.state == InstanceState::Running) && !self.in_force(container)
        })
    }

    /// The containers that are restarted to get the resources that they are allocated.
    pub(super) fn restarts(&self, spec: &PodSpec, runtime: &RuntimePod) -> Vec<Name> {
        self.outdated(spec, runtime)
            .filter(|container| {
                changed(self.actuated_of(container.name), &amounts(container))
                    .any(|resource| container.resize_policy_of(resource) == ResizeRestartPolicy::RestartContainer)
            })
            .map(|container| container.name)
            .collect()
    }

    fn actuated_of(&self, container: Name) -> Option<&Amounts> {
        self.actuated.iter().find(|(name, _)| *name == container).map(|(_, amounts)| amounts)
    }

    /// The resources of the pod as a whole that are in force, if it has any.
    fn own<'a>(&'a self, spec: &'a PodSpec) -> Option<&'a Amounts> {
        self.own_before.as_deref().unwrap_or(&spec.resources).as_ref()
    }

    /// Whether the pod as a whole has other resources than it is allocated.
    fn own_outdated(&self, spec: &PodSpec) -> bool {
        own_parts(self.own(spec)) != own_parts(spec.resources.as_ref())
    }

    /// Requests and limits of a pod as its status shows them (`convertToAPIPodLevelResourcesStatus`): what is allocated
    /// until it runs, then what its cgroup says. That knows nothing of memory requests, which stay as they were told,
    /// and has limits only where every container has one.
    pub(super) fn of_pod(&self, pod: &Pod, old: &PodStatus) -> Amounts {
        let spec = &*pod.spec;
        if pod.status.phase != PodPhase::Running {
            return (requests::requests(spec), requests::limits(spec));
        }
        let of =
            |container: &Container| self.actuated_of(container.name).cloned().unwrap_or_else(|| amounts(container));
        let own = self.own(spec);
        let (asked, limited) = requests::in_force(spec, own, of);
        let is_limited = |resource| {
            let positive = |list: &ResourceList| list.get(resource).is_some_and(|limit| limit > 0);
            own.is_some_and(|(_, limits)| positive(limits)) || resizable(spec).all(|one| positive(&of(one).1))
        };
        let (mut asks, mut limits) = spec.resources.clone().unwrap_or_default();
        let cpu = asked.milli_cpu().max(MIN_CPU_REQUEST);
        if cpu.max(asks.milli_cpu()) > MIN_CPU_REQUEST {
            asks = asks.with(*CPU, cpu);
        }
        let told = old.resources.as_ref().and_then(|(asks, _)| asks.get(*MEMORY));
        if let Some(memory) = told.filter(|_| old.phase == PodPhase::Running) {
            asks = asks.with(*MEMORY, memory);
        }
        if is_limited(*CPU) && limited.milli_cpu().max(limits.milli_cpu()) > MIN_CPU_LIMIT {
            limits = limits.with(*CPU, limited.milli_cpu().max(MIN_CPU_LIMIT));
        }
        if is_limited(*MEMORY) {
            limits = limits.with(*MEMORY, limited.memory());
        }
        (asks, limits)
    }
}

fn own_parts(own: Option<&Amounts>) -> [Option<i64>; 4] {
    own.map_or([None; 4], parts)
}

fn amounts(container: &Container) -> Amounts {
    (container.requests.clone(), container.limits.clone())
}

/// CPU and memory, requests and limits: what a resize is about.
fn parts((requests, limits): &Amounts) -> [Option<i64>; 4] {
    [requests.get(*CPU), limits.get(*CPU), requests.get(*MEMORY), limits.get(*MEMORY)]
}

fn changed(before: Option<&Amounts>, after: &Amounts) -> impl Iterator<Item = Name> {
    let before = before.map_or([None; 4], parts);
    let after = parts(after);
    let cpu = before[..2] != after[..2];
    let memory = before[2..] != after[2..];
    [(memory, *MEMORY), (cpu, *CPU)].into_iter().filter_map(|(differs, resource)| differs.then_some(resource))
}

fn resizable(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    spec.created_containers()
}

/// What the cgroup of a pod is given: limits only where every container has one, or the pod as a whole.
fn pod_cgroup(
    spec: &PodSpec,
    own: Option<&Amounts>,
    resource: Name,
    of: impl Fn(&Container) -> (Option<i64>, i64),
) -> (Option<i64>, i64) {
    let kept = || spec.containers.iter().chain(spec.sidecars());
    let limited = kept().all(|container| of(container).0.is_some());
    let declared = own.and_then(|(_, limits)| limits.get(resource));
    let limit = limited.then(|| kept().filter_map(|container| of(container).0).sum());
    let asked = own.and_then(|(requests, _)| requests.get(resource));
    (declared.or(limit), asked.unwrap_or_else(|| kept().map(|container| of(container).1).sum()))
}

/// Why memory limits cannot be brought down to what is allocated: more than that is used.
fn too_small(spec: &PodSpec, resizing: &Resizing, used: &[(Name, i64)]) -> Option<String> {
    let before = |container: &Container| {
        let actuated = resizing.actuated_of(container.name).map_or(&container.limits, |before| &before.1);
        (actuated.get(*MEMORY), 0)
    };
    let after = |container: &Container| (container.limits.get(*MEMORY), 0);
    let mut errors = Vec::new();
    let mut check = |whose: String, before: Option<i64>, after: Option<i64>, used: i64| {
        if let Some((_, after)) = before.zip(after).filter(|(before, after)| after < before && used >= *after) {
            errors.push(format!("attempting to set {whose} memory limit ({after}) below current usage ({used})"));
        }
    };
    let of_pod = pod_cgroup(spec, resizing.own(spec), *MEMORY, before).0;
    let new_of_pod = pod_cgroup(spec, spec.resources.as_ref(), *MEMORY, after).0;
    check("pod".to_owned(), of_pod, new_of_pod, used.iter().map(|(_, used)| used).sum());
    for container in resizable(spec) {
        let Some((_, used)) = used.iter().find(|(name, _)| *name == container.name) else { continue };
        check(format!("container {:?}", container.name.as_str()), before(container).0, after(container).0, *used);
    }
    match errors.len() {
        0 => None,
        1 => errors.pop().map(|error| format!("cannot decrease memory limits: {error}")),
        _ => Some(format!("cannot decrease memory limits: [{}]", errors.join(", "))),
    }
}

/// A pod with the resources of another version of it.
fn with_resources_of(pod: &Pod, allocated: &PodSpec) -> Option<Arc<Pod>> {
    let differs = resizable(&pod.spec)
        .zip(resizable(allocated))
        .any(|(wanted, allocated)| parts(&amounts(wanted)) != parts(&amounts(allocated)));
    if !differs && own_parts(pod.spec.resources.as_ref()) == own_parts(allocated.resources.as_ref()) {
        return None;
    }
    let mut spec = PodSpec::clone(&pod.spec);
    spec.resources.clone_from(&allocated.resources);
    let groups =
        [(&mut spec.init_containers, &allocated.init_containers), (&mut spec.containers, &allocated.containers)];
    for (containers, allocated) in groups {
        for (container, allocated) in containers.iter_mut().zip(allocated) {
            container.requests = allocated.requests.clone();
            container.limits = allocated.limits.clone();
        }
    }
    spec.compute_requests();
    Some(Arc::new(Pod { spec: Arc::new(spec), ..Pod::clone(pod) }))
}

/// What events say of a resize: the resources of every container, and the generation that asked for it.
fn summary(pod: &Pod, generation: i64, error: Option<&str>) -> String {
    let list = |list: &ResourceList| -> Map<String, Value> {
        list.iter().map(|(name, amount)| (name.to_string(), format_amount(name, amount).into())).collect()
    };
    let containers = |containers: &[Container]| -> Vec<Value> {
        containers
            .iter()
            .map(|container| {
                let mut resources = Map::new();
                for (what, amounts) in [("limits", &container.limits), ("requests", &container.requests)] {
                    if !amounts.is_empty() {
                        resources.insert(what.into(), list(amounts).into());
                    }
                }
                json!({"name": container.name.as_str(), "resources": resources})
            })
            .collect()
    };
    let mut fields = Vec::new();
    for (what, group) in [("initContainers", &pod.spec.init_containers), ("containers", &pod.spec.containers)] {
        if !group.is_empty() {
            fields.push(format!("{}:{}", json!(what), Value::from(containers(group))));
        }
    }
    fields.push(format!("\"generation\":{generation}"));
    if let Some(error) = error {
        fields.push(format!("\"error\":{}", json!(error)));
    }
    format!("{{{}}}", fields.join(","))
}

/// What a kubelet's disk keeps of the resources of a pod (`pkg/kubelet/allocation/state`).
#[derive(Debug, Clone)]
pub(super) struct Checkpoint {
    /// The pod with the resources that it is allocated.
    allocated: Arc<Pod>,
    actuated: Vec<(Name, Amounts)>,
}

impl Kubelet {
    /// What the disk keeps of the pods that were admitted.
    pub(super) fn checkpoints(&mut self) -> BTreeMap<PodKey, Checkpoint> {
        let mut checkpoints = std::mem::take(&mut self.checkpoints);
        let admitted = |state: &PodState| state.worker.is_some() && state.configured && !state.pod.is_terminal();
        for (key, state) in self.pods.iter_mut().filter(|(key, state)| !key.is_static() && admitted(state)) {
            let actuated = std::mem::take(&mut state.resizing.actuated);
            checkpoints.insert(*key, Checkpoint { allocated: state.pod.clone(), actuated });
        }
        checkpoints
    }

    /// A pod that an earlier process admitted keeps what it was allocated (`UpdatePodFromAllocation`), and what the
    /// server knows of its resize (`BackfillPodResizeConditions`).
    pub(super) fn restore_allocation(&mut self, key: PodKey, state: &mut PodState) {
        let Some(checkpoint) = self.checkpoints.remove(&key) else { return };
        let pod = state.pod.clone();
        if checkpoint.allocated.meta.uid != pod.meta.uid {
            return;
        }
        let told = |kind: Name| pod.status.condition(kind).cloned().map(Box::new);
        state.resizing.pending = told(*POD_RESIZE_PENDING);
        state.resizing.in_progress = told(*POD_RESIZE_IN_PROGRESS);
        state.resizing.actuated = checkpoint.actuated;
        if let Some(allocated) = with_resources_of(&pod, &checkpoint.allocated.spec) {
            state.pod = allocated;
            state.resizing.wanted = Some(pod);
        }
    }

    /// All pods were added that an earlier process admitted: what they want is looked at.
    pub(super) fn push_restored(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        self.checkpoints.clear();
        let wants = |state: &PodState| state.resizing.wanted.is_some() && state.worker.is_some();
        self.pending_resizes = self.pods.iter().filter(|(_, state)| wants(state)).map(|(key, _)| *key).collect();
        self.rank_resizes();
        self.retry_resizes(now, out);
    }

    fn rank_resizes(&mut self) {
        self.pending_resizes.sort_by_cached_key(|key| self.pods.get(key).map(|state| resize_rank(state)));
    }

    /// Whether a version of a pod is no news.
    pub(super) fn knows_version(&self, key: PodKey, pod: &Pod) -> bool {
        self.pods.get(&key).is_some_and(|state| state.pod.meta.resource_version >= pod.meta.resource_version)
    }

    /// A newer version of a pod: it takes effect but for its resources, which are allocated first.
    pub(super) fn take_version(&mut self, key: PodKey, pod: Arc<Pod>) -> Option<Arc<Pod>> {
        let state = self.pods.get_mut(&key)?;
        let allocated = with_resources_of(&pod, &state.pod.spec);
        match allocated {
            Some(allocated) => {
                state.resizing.wanted = Some(pod);
                Some(std::mem::replace(&mut state.pod, allocated))
            }
            None => {
                state.resizing.wanted = None;
                state.resizing.pending = None;
                Some(std::mem::replace(&mut state.pod, pod))
            }
        }
    }

    /// A pod wants other resources than it is allocated.
    pub(super) fn push_resize(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(state) = self.pods.get(&key) else { return };
        if state.resizing.wanted.is_none() {
            return;
        }
        if !self.pending_resizes.contains(&key) {
            self.pending_resizes.push(key);
            self.rank_resizes();
        }
        self.retry_resizes(now, out);
    }

    /// Looks again at the resizes that wait (`retryPendingResizes`).
    pub(super) fn retry_resizes(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        if self.pending_resizes.is_empty() {
            return;
        }
        for key in std::mem::take(&mut self.pending_resizes) {
            let before = self.pods.get(&key).map(|state| state.resizing.pending.clone());
            let allocated = self.try_resize(now, key, out);
            let Some(state) = self.pods.get(&key) else { continue };
            if state.resizing.pending.is_some() {
                self.pending_resizes.push(key);
            }
            if allocated || before != Some(state.resizing.pending.clone()) {
                self.sync_soon(now, key, out);
            }
        }
        if !self.pending_resizes.is_empty() {
            self.resize_retry += 1;
            let retry = self.resize_retry;
            out.after(RETRY, self.message(KubeletMessage::RetryResizes { retry }));
        }
    }

    /// Allocates what a pod wants, if the node can hold it (`handlePodResourcesResize`).
    fn try_resize(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) -> bool {
        let Some(wanted) = self.pods.get(&key).and_then(|state| state.resizing.wanted.clone()) else { return false };
        let refusal = self.refusal(key, &wanted);
        let stamp = self.clock.at(now).truncated();
        let Some(state) = self.pods.get_mut(&key) else { return false };
        let generation = wanted.meta.generation;
        let condition = |kind: Name| {
            let mut condition = Condition::new(kind, ConditionStatus::True, stamp);
            condition.observed_generation = generation;
            condition
        };
        let Some(refusal) = refusal else {
            let resizing = &mut state.resizing;
            resizing.wanted = None;
            resizing.pending = None;
            resizing.in_progress = Some(Box::new(condition(*POD_RESIZE_IN_PROGRESS)));
            resizing.own_before.get_or_insert_with(|| Box::new(state.pod.spec.resources.clone()));
            state.pod = wanted.clone();
            let text = format!("Pod resize started: {}", summary(&wanted, generation, None));
            self.tell_pod(now, key, EventType::Normal, "ResizeStarted", text, out);
            return true;
        };
        let new = condition(*POD_RESIZE_PENDING).because("Deferred", &*refusal.message);
        let known = state.resizing.pending.take();
        let same = known.as_ref().is_some_and(|known| known.observed_generation == generation);
        let since = known.map_or(stamp, |known| known.last_transition_time);
        state.resizing.pending = Some(Box::new(Condition { last_transition_time: since, ..new }));
        if !same {
            let text =
                format!("Pod resize {}: {}", refusal.reason, summary(&wanted, generation, Some(&refusal.message)));
            self.tell_pod(now, key, EventType::Warning, "ResizeDeferred", text, out);
        }
        false
    }

    /// At the begin of a sync: whether what is allocated is in force by now.
    pub(super) fn check_resize(&mut self, now: SimTime, key: PodKey, runtime: &RuntimePod, out: &mut Outbox<Message>) {
        let stamp = self.clock.at(now).truncated();
        let Some(state) = self.pods.get_mut(&key) else { return };
        let spec = &state.pod.spec;
        if runtime.ready_sandbox().is_none() || !state.resizing.own_outdated(spec) {
            state.resizing.own_before = None; // A new sandbox has what is allocated from the start.
        }
        let outdated = state.resizing.outdated(spec, runtime).next().is_some() || state.resizing.own_before.is_some();
        if outdated {
            let generation = state.pod.meta.generation;
            state.resizing.in_progress.get_or_insert_with(|| {
                let mut condition = Condition::new(*POD_RESIZE_IN_PROGRESS, ConditionStatus::True, stamp);
                condition.observed_generation = generation;
                Box::new(condition)
            });
        } else if let Some(condition) = state.resizing.in_progress.take() {
            let text = format!("Pod resize completed: {}", summary(&state.pod, condition.observed_generation, None));
            self.tell_pod(now, key, EventType::Normal, "ResizeCompleted", text, out);
        }
    }

    /// The calls that bring a pod's resources into force: its cgroup grows before its containers, and shrinks after.
    pub(super) fn resize_steps(&self, key: PodKey, sandbox: ContainerId, runtime: &RuntimePod) -> VecDeque<ResizeStep> {
        let mut steps = VecDeque::new();
        let Some(PodState { pod, resizing, .. }) = self.pods.get(&key).map(Box::as_ref) else { return steps };
        let spec = &*pod.spec;
        let restarted = |container: &Container| {
            resizing.actuated_of(container.name).is_some_and(|before| parts(before) != parts(&amounts(container)))
        };
        if !resizable(spec).any(restarted) && !resizing.own_outdated(spec) {
            return steps;
        }
        let shrinks = |container: &Container| {
            let before = resizing.actuated_of(container.name).and_then(|before| before.1.get(*MEMORY));
            before.zip(container.limits.get(*MEMORY)).is_some_and(|(before, after)| after < before)
        };
        let restarting = resizing.restarts(spec, runtime);
        let own_limit = |own: Option<&Amounts>| own.and_then(|(_, limits)| limits.get(*MEMORY));
        let own_shrinks = own_limit(resizing.own(spec))
            .zip(own_limit(spec.resources.as_ref()))
            .is_some_and(|(before, after)| after < before);
        let shrink = resizing.outdated(spec, runtime).any(|one| shrinks(one) && !restarting.contains(&one.name));
        if shrink || own_shrinks {
            steps.push_back(ResizeStep::Measure);
        }
        for resource in [*MEMORY, *CPU] {
            let have = |container: &Container| {
                let current = resizing.actuated_of(container.name).cloned().unwrap_or_else(|| amounts(container));
                (current.1.get(resource), current.0.get(resource).unwrap_or(0))
            };
            let want =
                |container: &Container| (container.limits.get(resource), container.requests.get(resource).unwrap_or(0));
            let (limit, request) = pod_cgroup(spec, resizing.own(spec), resource, have);
            let (new_limit, new_request) = pod_cgroup(spec, spec.resources.as_ref(), resource, want);
            // Memory requests are not written to cgroups; without a limit the pod's is left as it is.
            let (request, new_request) = if resource == *MEMORY { (0, 0) } else { (request, new_request) };
            let (limit, new_limit) = (limit.or(new_limit), new_limit.or(limit));
            let grow = usize::from(new_limit > limit) + usize::from(new_request > request);
            let shrink = usize::from(new_limit < limit) + usize::from(new_request < request);
            steps.extend(std::iter::repeat_n(ResizeStep::Sandbox(sandbox), grow));
            for container in resizing.outdated(spec, runtime) {
                let differs = changed(resizing.actuated_of(container.name), &amounts(container))
                    .any(|changed| changed == resource);
                let restarts = resizing.restarts(spec, runtime).contains(&container.name);
                if let Some(instance) = runtime.newest(container.name).filter(|_| differs && !restarts) {
                    steps.push_back(ResizeStep::Container(instance.id, container.name));
                }
            }
            steps.extend(std::iter::repeat_n(ResizeStep::Sandbox(sandbox), shrink));
        }
        steps
    }

    /// A container was made with the resources that it is allocated.
    pub(super) fn note_resources_in_force(&mut self, key: PodKey, item: super::container_start::StartItem) {
        let Some(pod) = self.sync(key).map(|sync| sync.pod.clone()) else { return };
        let container = item.container(&pod);
        if let Some(state) = self.pods.get_mut(&key) {
            state.resizing.actuate(container.name, amounts(container));
        }
    }

    /// The runtime answers a call of a resize: a limit below what is used stops it (`validatePodResizeAction`).
    pub(super) fn resize_answered(&mut self, now: SimTime, key: PodKey, result: CriResult, out: &mut Outbox<Message>) {
        if let Ok(CriReply::Memory(used)) = result
            && let Some(state) = self.pods.get(&key)
            && let Some(error) = too_small(&state.pod.spec, &state.resizing, &used)
        {
            self.resize_failed(now, key, &error, out);
            return self.begin_regular_starts(now, key, out);
        }
        self.resize_next(now, key, out);
    }

    /// A resize cannot be brought into force; it is tried again.
    fn resize_failed(&mut self, now: SimTime, key: PodKey, error: &str, out: &mut Outbox<Message>) {
        if let Some(sync) = self.sync(key) {
            sync.failed = true;
        }
        let stamp = self.clock.at(now).truncated();
        let Some(state) = self.pods.get_mut(&key) else { return };
        let generation = state.pod.meta.generation;
        let mut failed = Condition::new(*POD_RESIZE_IN_PROGRESS, ConditionStatus::True, stamp).because("Error", error);
        let known = state.resizing.in_progress.take();
        failed.observed_generation = known.as_ref().map_or(generation, |known| known.observed_generation);
        if let Some(known) = known.filter(|known| known.reason == failed.reason && *known.message == *error) {
            state.resizing.in_progress = Some(known);
            return;
        }
        let text = format!("Pod resize error: {}", summary(&state.pod, failed.observed_generation, Some(error)));
        state.resizing.in_progress = Some(Box::new(failed));
        self.tell_pod(now, key, EventType::Warning, "ResizeError", text, out);
    }

    /// The next call of a resize, or the end of it: the pod is looked at again whatever it came to.
    pub(super) fn resize_next(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(sync) = self.sync(key) else { return };
        let Stage::Resize { left } = &mut sync.stage else { return };
        let Some(step) = left.pop_front() else {
            sync.watched = true;
            if let Some(state) = self.pods.get_mut(&key) {
                state.resizing.own_before = None;
            }
            return self.begin_regular_starts(now, key, out);
        };
        let pod = sync.pod.clone();
        let call = match step {
            ResizeStep::Measure => CriCall::PodSandboxStats { key },
            ResizeStep::Sandbox(sandbox) => CriCall::UpdatePodSandboxResources { key, sandbox },
            ResizeStep::Container(container, name) => {
                let Some(spec) = resizable(&pod.spec).find(|container| container.name == name) else { return };
                let (requests, limits) = amounts(spec);
                if let Some(state) = self.pods.get_mut(&key) {
                    state.resizing.actuate(name, (requests.clone(), limits.clone()));
                }
                CriCall::UpdateContainerResources { key, container, requests, limits }
            }
        };
        self.call_for_step(now, key, call, out);
    }
}

/// Which resize is looked at first: those that ask for nothing more, then by priority, class, and age.
fn resize_rank(state: &PodState) -> (bool, std::cmp::Reverse<i32>, bool, bool, Option<crate::api::Timestamp>) {
    let wanted = state.resizing.wanted.as_ref().unwrap_or(&state.pod);
    let (have, want) = (requests::requests(&state.pod.spec), requests::requests(&wanted.spec));
    let grows = want.milli_cpu() > have.milli_cpu() || want.memory() > have.memory();
    let since = state.resizing.pending.as_ref().map(|pending| pending.last_transition_time);
    let guaranteed = state.pod.status.qos_class == crate::api::QosClass::Guaranteed;
    (grows, std::cmp::Reverse(wanted.spec.priority), !guaranteed, since.is_none(), since)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Metadata;

    fn list(cpu: i64, memory: i64) -> ResourceList {
        [(*CPU, cpu), (*MEMORY, memory)].into_iter().filter(|(_, amount)| *amount > 0).collect()
    }

    fn container(name: &str, requests: ResourceList, limits: ResourceList) -> Container {
        Container { name: Name::new(name), requests, limits, ..Container::default() }
    }

    fn pod(containers: Vec<Container>) -> Pod {
        Pod {
            meta: Metadata { generation: 2, ..Metadata::default() },
            spec: Arc::new(PodSpec { containers, ..PodSpec::default() }),
            node_name: Name::default(),
            status: Arc::new(PodStatus::default()),
        }
    }

    #[test]
    fn events_tell_resources_as_recorded() {
        // From a recorded resize of one CPU and 128Mi, and one that was deferred.
        let mib = 1 << 20;
        let one = pod(vec![container("app", list(1000, 128 * mib), list(1000, 128 * mib))]);
        let resources = r#"{"limits":{"cpu":"1","memory":"128Mi"},"requests":{"cpu":"1","memory":"128Mi"}}"#;
        let expected = format!(r#"{{"containers":[{{"name":"app","resources":{resources}}}],"generation":2}}"#);
        assert_eq!(summary(&one, 2, None), expected);
        let expected = expected.replace("2}", r#"2,"error":"no room"}"#);
        assert_eq!(summary(&one, 2, Some("no room")), expected);
        let none = pod(vec![container("app", ResourceList::EMPTY, ResourceList::EMPTY)]);
        assert_eq!(summary(&none, 2, None), r#"{"containers":[{"name":"app","resources":{}}],"generation":2}"#);
    }

    #[test]
    fn a_pod_has_a_limit_if_all_its_containers_have_one() {
        let of = |container: &Container| (container.limits.get(*CPU), container.requests.get(*CPU).unwrap_or(0));
        let both = pod(vec![container("a", list(100, 0), list(200, 0)), container("b", list(50, 0), list(50, 0))]);
        assert_eq!(pod_cgroup(&both.spec, None, *CPU, of), (Some(250), 150));
        let one = pod(vec![container("a", list(100, 0), list(200, 0)), container("b", list(50, 0), list(0, 0))]);
        assert_eq!(pod_cgroup(&one.spec, None, *CPU, of), (None, 150));
    }

    #[test]
    fn a_pod_shows_what_it_is_allocated_and_once_it_runs_what_its_cgroup_has() {
        let mib = 1 << 20;
        let status = |phase, resources| PodStatus { phase, resources, ..PodStatus::default() };
        let shown = |one: &Pod, resizing: &Resizing, phase, told: Option<Amounts>| {
            let one = Pod { status: Arc::new(status(phase, None)), ..one.clone() };
            resizing.of_pod(&one, &status(phase, told))
        };
        let (pending, running) = (PodPhase::Pending, PodPhase::Running);
        // Recorded of an init container without limits beside a container with some.
        let mut limited = pod(vec![container("app", list(250, 64 * mib), list(1000, 64 * mib))]);
        let none = Resizing::default();
        let all = (list(250, 64 * mib), list(1000, 64 * mib));
        assert_eq!(shown(&limited, &none, pending, None), all);
        assert_eq!(shown(&limited, &none, running, Some(all.clone())), all);
        let setup = container("setup", ResourceList::EMPTY, ResourceList::EMPTY);
        Arc::make_mut(&mut limited.spec).init_containers.push(setup);
        assert_eq!(shown(&limited, &none, pending, None), all);
        assert_eq!(shown(&limited, &none, running, Some(all.clone())), (all.0.clone(), ResourceList::EMPTY));
        // Recorded of a resize of memory: what was asked for stays as it was told first.
        let resized = pod(vec![container("app", list(500, 256 * mib), list(500, 256 * mib))]);
        let before = (list(500, 128 * mib), list(500, 128 * mib));
        let mut under_way = Resizing::default();
        under_way.actuate(Name::new("app"), before.clone());
        assert_eq!(shown(&resized, &under_way, running, Some(before.clone())), before);
        let after = (list(500, 128 * mib), list(500, 256 * mib));
        assert_eq!(shown(&resized, &none, running, Some(before)), after);
        // Nothing is asked for, and next to nothing: what every cgroup has is not told.
        for cpu in [0, 2] {
            let small = pod(vec![container("app", list(cpu, 0), list(0, 0))]);
            assert_eq!(shown(&small, &none, pending, None), (list(cpu, 0), list(0, 0)));
            assert_eq!(shown(&small, &none, running, None), (list(0, 0), list(0, 0)));
        }
        // The pod as a whole comes first, and what is in force of it.
        let mut whole = pod(vec![container("app", list(100, 0), list(0, 0))]);
        let own = (list(700, 64 * mib), list(900, 128 * mib));
        Arc::make_mut(&mut whole.spec).resources = Some(own.clone());
        assert_eq!(shown(&whole, &none, running, Some(own.clone())), own);
        let before = (list(300, 64 * mib), list(600, 128 * mib));
        let growing = Resizing { own_before: Some(Box::new(Some(before.clone()))), ..Resizing::default() };
        assert_eq!(shown(&whole, &growing, running, Some(before.clone())), before);
    }

    #[test]
    fn memory_limits_do_not_go_below_what_is_used() {
        // `TestValidatePodResizeAction`; the texts as clusters show them.
        let spec = |a, b| pod(vec![container("a", list(0, 0), list(0, a)), container("b", list(0, 0), list(0, b))]);
        let before = spec(500, 500);
        let mut resizing = Resizing::default();
        for container in &before.spec.containers {
            resizing.actuate(container.name, amounts(container));
        }
        let used = [(Name::new("a"), 300), (Name::new("b"), 100)];
        for (a, b, error) in [
            (600, 600, None),
            (301, 500, None),
            (300, 500, Some("attempting to set container \"a\" memory limit (300) below current usage (300)")),
            (
                200,
                150,
                Some(
                    "[attempting to set pod memory limit (350) below current usage (400), attempting to set container \
                     \"a\" memory limit (200) below current usage (300)]",
                ),
            ),
        ] {
            let error = error.map(|error| format!("cannot decrease memory limits: {error}"));
            assert_eq!(too_small(&spec(a, b).spec, &resizing, &used), error, "{a} {b}");
        }
    }

    #[test]
    fn an_update_keeps_the_allocated_resources() {
        let old = pod(vec![container("a", list(100, 0), list(200, 0))]);
        let mut wanted = pod(vec![container("a", list(300, 0), list(400, 0))]);
        wanted.meta.generation = 3;
        let allocated = with_resources_of(&wanted, &old.spec).expect("resources differ");
        assert_eq!((allocated.meta.generation, allocated.spec.requests.milli_cpu), (3, 100));
        assert!(with_resources_of(&old, &old.spec).is_none());
    }
}
