//! Starting one container: back-off, image, create, start, postStart hook; nothing else happens in the pod meanwhile.
//!
//! Follows `pkg/kubelet/kuberuntime/kuberuntime_container.go` (`startContainer`) and `kuberuntime_manager.go`
//! (`doBackOff`) of Kubernetes 1.36.

use super::Kubelet;
use super::back_off::BackOff;
use super::env_files::file_keys;
use super::environment::expand_by;
use super::handler::{HandlerOutcome, HandlerRun};
use super::images::ImageOutcome;
use super::oom_score::oom_score_adj;
use super::status::StartError;
use super::sync_pod::Stage;
use super::termination::{ContainerKill, PodKill};
use crate::api::{Container, ContainerId, EventType, ImagePullPolicy, Name, Pod, Text, names};
use crate::components::cri::{ContainerConfig, CriCall, CriReply, CriResult, InstanceState, PodKey, RuntimePod};
use crate::components::message::Message;
use crate::engine::{Outbox, SimDuration, SimTime, StreamKey};
use std::sync::Arc;

names! {
    CRASH_LOOP_BACK_OFF = "CrashLoopBackOff";
    CREATE_CONTAINER_ERROR = "CreateContainerError";
    CREATE_CONTAINER_CONFIG_ERROR = "CreateContainerConfigError";
    RUN_CONTAINER_ERROR = "RunContainerError";
    POST_START_HOOK_ERROR = "PostStartHookError";
}

/// One container to be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartItem {
    /// Which list of the spec it is in.
    pub kind: StartKind,
    /// Its place in that list.
    pub place: usize,
}

/// The lists of containers in a spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartKind {
    /// Ephemeral containers.
    Ephemeral,
    /// Init containers and sidecars.
    Init,
    /// Regular containers.
    Regular,
}

impl StartItem {
    pub(super) fn container(self, pod: &Pod) -> &Container {
        let list = match self.kind {
            StartKind::Ephemeral => &pod.spec.ephemeral_containers,
            StartKind::Init => &pod.spec.init_containers,
            StartKind::Regular => &pod.spec.containers,
        };
        &list[self.place]
    }
}

/// A start under way.
#[derive(Debug, Clone)]
pub struct ContainerStart {
    item: StartItem,
    name: Name,
    attempt: u32,
    stage: StartStage,
    id: ContainerId,
}

#[derive(Debug, Clone)]
enum StartStage {
    /// Its image is looked for, perhaps pulled.
    Image,
    /// It is created.
    Create,
    /// Its process is started.
    Start,
    /// Its hook runs.
    PostStart,
    /// Its hook failed: it is killed, and then told why.
    Kill(Box<PodKill>, Text),
}

/// How a start ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartEnd {
    /// It runs.
    Started,
    /// It does not; perhaps it may be tried again at a given time.
    Failed {
        /// When.
        until: Option<SimTime>,
    },
}

impl Kubelet {
    /// Begins to start a container.
    pub(super) fn begin_start(&mut self, now: SimTime, key: PodKey, item: StartItem, out: &mut Outbox<Message>) {
        let Some(sync) = self.sync(key) else { return };
        let (pod, runtime) = (sync.pod.clone(), sync.runtime.clone());
        let container = item.container(&pod);
        // Between the answer that the sync waited for and this look at the clock there is the kubelet's own step, that
        // before the image is looked for: what is killed every ten seconds is not found to have ended less than ten
        // seconds after the one before.
        let looks_at = now + self.step_takes(now, key, "image");
        if let Some((until, delay)) = self.crash_back_off(looks_at, key, container, &runtime) {
            let meta = &pod.meta;
            let who = format!("{}_{}({})", meta.name, meta.namespace, meta.uid);
            let text = format!("Back-off restarting failed container {} in pod {who}", container.name);
            self.tell_container(now, key, container.name, EventType::Warning, "BackOff", text, out);
            let delay = go_duration(delay);
            let message = format!("back-off {delay} restarting failed container={} pod={who}", container.name);
            self.fail_start(now, key, item, *CRASH_LOOP_BACK_OFF, message.into(), Some(until), out);
            return;
        }
        if let Some((reason, message)) = self.missing_image_volume(key, container) {
            let text = format!("Error: {reason}");
            self.tell_container(now, key, container.name, EventType::Warning, "Failed", text, out);
            return self.fail_start(now, key, item, reason, message, None, out);
        }
        let attempt = runtime
            .newest(container.name)
            .map_or_else(|| self.attempts_before(key, container.name), |instance| instance.attempt + 1);
        let start =
            ContainerStart { item, name: container.name, attempt, stage: StartStage::Image, id: ContainerId::NONE };
        self.set_start(key, start);
        self.ensure_image(now, key, container.name, container.image, container.image_pull_policy, out);
    }

    /// The restart count of a container of which the runtime has nothing: what its logs tell, or its last status.
    fn attempts_before(&self, key: PodKey, container: Name) -> u32 {
        let Some(state) = self.pods.get(&key) else { return 0 };
        let Some(tracked) = &state.status else { return 0 };
        let status = tracked.status.all_containers().find(|status| status.name == container);
        status.map_or(0, |status| {
            if status.restart_count == 0 && status.last_state.is_none() && status.container_id.is_none() {
                0
            } else {
                status.restart_count
            }
        })
    }

    fn set_start(&mut self, key: PodKey, start: ContainerStart) {
        if let Some(sync) = self.sync(key)
            && let Stage::Start { current, .. } = &mut sync.stage
        {
            *current = Some(Box::new(start));
        }
    }

    pub(super) fn starting_container(&mut self, key: PodKey) -> Option<&mut ContainerStart> {
        match &mut self.sync(key)?.stage {
            Stage::Start { current, .. } => current.as_deref_mut(),
            _ => None,
        }
    }

    /// Whether the container crashed too recently, else that it is about to be started (`doBackOff`).
    fn crash_back_off(
        &mut self,
        now: SimTime,
        key: PodKey,
        container: &Container,
        runtime: &RuntimePod,
    ) -> Option<(SimTime, SimDuration)> {
        let (base, cap) = (self.config.crash_loop_base, self.config.crash_loop_cap);
        let exited = runtime.instances(container.name).find(|instance| instance.state == InstanceState::Exited)?;
        let finished = exited.finished_at;
        let state = self.pods.get_mut(&key)?;
        // Housekeeping drops entries that have been quiet for long.
        state.crash_back_off.retain(|(_, back_off)| !back_off.has_expired(now));
        let entry = back_off_key(container);
        let place = state.crash_back_off.iter().position(|(key, _)| *key == entry);
        let have = place.map(|place| state.crash_back_off[place].1);
        if let Some(back_off) = have
            && let Some(until) = back_off.blocks(finished, now)
        {
            return Some((until, back_off.delay));
        }
        let next = BackOff::next(have, base, cap, finished, now);
        match place {
            Some(place) => state.crash_back_off[place].1 = next,
            None => state.crash_back_off.push((entry, next)),
        }
        None
    }

    /// The image is there, or cannot be had.
    pub(super) fn image_ensured(
        &mut self,
        now: SimTime,
        key: PodKey,
        outcome: ImageOutcome,
        out: &mut Outbox<Message>,
    ) {
        if self.image_volume(key).is_some() {
            return self.image_volume_ensured(now, key, outcome, out);
        }
        let Some(start) = self.starting_container(key) else { return };
        let (item, name) = (start.item, start.name);
        match outcome {
            ImageOutcome::There => self.create(now, key, out),
            ImageOutcome::Failed { reason, message } => {
                let text = format!("Error: {reason}");
                self.tell_container(now, key, name, EventType::Warning, "Failed", text, out);
                self.fail_start(now, key, item, reason, message, None, out);
            }
        }
    }

    fn create(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(start) = self.starting_container(key) else { return };
        start.stage = StartStage::Create;
        let item = start.item;
        let Some(sync) = self.sync(key) else { return };
        if file_keys(item.container(&sync.pod)).next().is_some() {
            return self.ask_for_env_files(key, out);
        }
        self.create_with(now, key, &[], out);
    }

    /// The pod and the container that its worker is about to create.
    pub(super) fn creating(&mut self, key: PodKey, turn: u32) -> Option<(Arc<Pod>, StartItem)> {
        if !self.up || self.turn(key) != turn {
            return None;
        }
        let start = self.starting_container(key)?;
        let item = matches!(start.stage, StartStage::Create).then_some(start.item)?;
        Some((self.sync(key)?.pod.clone(), item))
    }

    /// Creates a container; the files say this that its variables come from.
    pub(super) fn create_with(&mut self, now: SimTime, key: PodKey, files: &[Option<Text>], out: &mut Outbox<Message>) {
        let Some(start) = self.starting_container(key) else { return };
        let (item, attempt, name) = (start.item, start.attempt, start.name);
        let Some(sync) = self.sync(key) else { return };
        let pod = sync.pod.clone();
        let sandbox = sync.sandbox.expect("containers are started in a sandbox");
        match self.container_config(key, &pod, item.container(&pod), (attempt, files)) {
            Ok(config) => {
                let config = Arc::new(config);
                let delay = self.on_disk(|profile| &profile.prepare_container, now, key, &name);
                self.call_after(delay, key, CriCall::CreateContainer { key, sandbox, config }, out);
            }
            Err(message) => {
                let text = format!("Error: {message}");
                self.tell_container(now, key, name, EventType::Warning, "Failed", text, out);
                self.fail_start(now, key, item, *CREATE_CONTAINER_CONFIG_ERROR, message, None, out);
            }
        }
    }

    /// What the container is made from (`generateContainerConfig`).
    fn container_config(
        &self,
        key: PodKey,
        pod: &Pod,
        container: &Container,
        (attempt, files): (u32, &[Option<Text>]),
    ) -> Result<ContainerConfig, Text> {
        let target = container.target_container;
        if !target.is_empty() && self.pods.get(&key).is_none_or(|state| state.runtime.newest(target).is_none()) {
            return Err(format!("unable to find target container {target}").into());
        }
        let env = self.environment(key, pod, container, files)?;
        let mounts = self.mounts(key, pod, container, &env)?;
        let of_image = || self.images.users.get(&container.image).copied().unwrap_or(0);
        if container.run_as_non_root && container.run_as_user.unwrap_or_else(of_image) == 0 {
            let meta = &pod.meta;
            let who = format!("{}_{}({})", meta.name, meta.namespace, meta.uid);
            let why = if container.run_as_user == Some(0) {
                "container's runAsUser breaks non-root policy"
            } else {
                "container has runAsNonRoot and image will run as root"
            };
            return Err(format!("{why} (pod: \"{who}\", container: {})", container.name).into());
        }
        let value = |name: &str| env.get(name).cloned();
        let one = |word: &Text| if word.contains('$') { expand_by(word, value) } else { word.clone() };
        let expanded = |words: &[Text]| words.iter().map(one).collect();
        Ok(ContainerConfig {
            name: container.name,
            attempt,
            image: container.image,
            command: expanded(&container.command),
            args: expanded(&container.args),
            working_dir: container.working_dir,
            env,
            namespace: pod.meta.namespace,
            mounts,
            memory_volumes: pod.spec.memory_volumes().collect(),
            requests: container.requests.clone(),
            limits: container.limits.clone(),
            shares_processes: pod.spec.share_process_namespace,
            oom_score_adj: oom_score_adj(pod, container, self.node_memory()),
            read_only_root: container.read_only_root,
            termination_message_path: container.termination_message_path,
            stdin: container.stdin,
            fallback_to_logs: container.fallback_to_logs,
        })
    }

    /// The runtime answers a step of the start.
    pub(super) fn start_answered(&mut self, now: SimTime, key: PodKey, result: CriResult, out: &mut Outbox<Message>) {
        let Some(start) = self.starting_container(key) else { return };
        let (item, name) = (start.item, start.name);
        match (&mut start.stage, result) {
            (StartStage::Create, Ok(CriReply::Container(id))) => {
                start.id = id;
                start.stage = StartStage::Start;
                self.note_resources_in_force(key, item);
                self.tell_container(now, key, name, EventType::Normal, "Created", "Container created", out);
                self.call_for_step(now, key, CriCall::StartContainer { key, container: id }, out);
            }
            (StartStage::Create, Err(error)) => {
                let text = format!("Error: {}", error.message);
                self.tell_container(now, key, name, EventType::Warning, "Failed", text, out);
                self.fail_start(now, key, item, *CREATE_CONTAINER_ERROR, error.message.clone(), None, out);
            }
            (StartStage::Start, Ok(_)) => {
                self.tell_container(now, key, name, EventType::Normal, "Started", "Container started", out);
                self.post_start(now, key, out);
            }
            (StartStage::Start, Err(error)) => {
                let text = format!("Error: {}", error.message);
                self.tell_container(now, key, name, EventType::Warning, "Failed", text, out);
                self.fail_start(now, key, item, *RUN_CONTAINER_ERROR, error.message.clone(), None, out);
            }
            (StartStage::Image, result) => self.image_step_answered(now, key, result, out),
            (StartStage::Kill(..), result) => self.kill_step_answered(now, key, result, out),
            (StartStage::PostStart | StartStage::Create, _) => {}
        }
    }

    fn post_start(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(start) = self.starting_container(key) else { return };
        let (item, id, name) = (start.item, start.id, start.name);
        let Some(sync) = self.sync(key) else { return };
        let hook = item.container(&sync.pod).post_start.clone();
        let Some(hook) = hook else { return self.started(now, key, out) };
        if let Some(start) = self.starting_container(key) {
            start.stage = StartStage::PostStart;
        }
        let run = HandlerRun::PostStart { key, turn: self.turn(key) };
        self.run_handler(now, key, name, id, &hook, SimDuration::ZERO, run, out);
    }

    /// The postStart hook is over: the container runs, or is killed.
    pub(super) fn post_start_done(
        &mut self,
        now: SimTime,
        key: PodKey,
        outcome: HandlerOutcome,
        out: &mut Outbox<Message>,
    ) {
        let Some(start) = self.starting_container(key) else { return };
        let (id, name, item) = (start.id, start.name, start.item);
        let Some(sync) = self.sync(key) else { return };
        let pod = sync.pod.clone();
        let hook = item.container(&pod).post_start.as_ref();
        let Some(why) = hook.and_then(|hook| outcome.hook_failure(hook, name, &pod)) else {
            return self.started(now, key, out);
        };
        let text = "PostStartHook failed";
        self.tell_container(now, key, name, EventType::Warning, "FailedPostStartHook", text, out);
        let kill = ContainerKill::with_message(&pod, item.container(&pod).name, id, "FailedPostStartHook");
        if let Some(start) = self.starting_container(key) {
            start.stage = StartStage::Kill(Box::new(PodKill::one(kill)), why.into());
        }
        self.advance_kill(now, key, out);
    }

    /// The container whose hook failed is dead.
    pub(super) fn failed_start_killed(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(start) = self.starting_container(key) else { return };
        let StartStage::Kill(_, why) = &start.stage else { return };
        let (item, why) = (start.item, why.clone());
        self.fail_start(now, key, item, *POST_START_HOOK_ERROR, why, None, out);
    }

    /// The kill within a start, if one is under way.
    pub(super) fn start_kill(&mut self, key: PodKey) -> Option<&mut PodKill> {
        match &mut self.starting_container(key)?.stage {
            StartStage::Kill(kill, _) => Some(kill),
            _ => None,
        }
    }

    fn started(&mut self, now: SimTime, key: PodKey, out: &mut Outbox<Message>) {
        let Some(start) = self.starting_container(key) else { return };
        let (item, name) = (start.item, start.name);
        if let Some(state) = self.pods.get_mut(&key) {
            state.start_errors.retain(|error| error.container != name);
        }
        self.start_ended(now, key, item, StartEnd::Started, out);
    }

    #[allow(clippy::too_many_arguments, reason = "what failed, why, and when another try may help")]
    fn fail_start(
        &mut self,
        now: SimTime,
        key: PodKey,
        item: StartItem,
        reason: Name,
        message: Text,
        until: Option<SimTime>,
        out: &mut Outbox<Message>,
    ) {
        let Some(sync) = self.sync(key) else { return };
        let container = item.container(&sync.pod).name;
        if let Some(state) = self.pods.get_mut(&key) {
            state.start_errors.retain(|error| error.container != container);
            state.start_errors.push(StartError { container, reason, message });
        }
        self.start_ended(now, key, item, StartEnd::Failed { until }, out);
    }

    /// Calls the runtime for a step of the image of a start.
    pub(super) fn call_for_image(&mut self, now: SimTime, key: PodKey, call: CriCall, out: &mut Outbox<Message>) {
        let delay = self.step_takes(now, key, "image");
        self.call_after(delay, key, call, out);
    }

    /// The container that is being started, its image and when that is pulled; no container while the images of
    /// volumes are looked for.
    pub(super) fn starting(&mut self, key: PodKey) -> Option<(Name, Name, ImagePullPolicy)> {
        if let Some(volume) = self.image_volume(key) {
            return Some((Name::default(), volume.image, volume.policy));
        }
        let start = self.starting_container(key)?;
        let item = start.item;
        let sync = self.sync(key)?;
        let container = item.container(&sync.pod);
        Some((container.name, container.image, container.image_pull_policy))
    }
}

/// What a container's crash back-off is remembered by: its name, image and resources; the pod is implied.
pub(super) fn back_off_key(container: &Container) -> StreamKey {
    let mut key = StreamKey::new(&container.name).part(&container.image);
    for (resource, amount) in container.requests.iter().chain(container.limits.iter()) {
        key = key.part(&resource).part(&amount.to_string());
    }
    key
}

/// A duration as Go prints it: `10s`, `1m20s`, `5m0s`.
pub(super) fn go_duration(span: SimDuration) -> String {
    let seconds = span.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s}s"),
        (h, m, s) => format!("{h}h{m}m{s}s"),
    }
}
