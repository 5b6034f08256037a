//! What users and fate do, at their times.

use super::Cluster;
use super::user::Errand;
use crate::api::{Kind, Name, Object, Request, Target};
use crate::components::message::Message;
use crate::engine::{Outbox, SimDuration, SimTime};
use crate::scenario::plan::{Action, ActionTarget, Pick, TimedAction};
use std::sync::Arc;

impl Cluster {
    /// Adds an action to the plan of this fork, and returns its place.
    pub(super) fn foresee(&mut self, at: SimDuration, action: Action) -> u32 {
        let actions = Arc::make_mut(&mut Arc::make_mut(&mut self.plan).actions);
        actions.push(TimedAction { at, action });
        u32::try_from(actions.len() - 1).expect("fewer than 2^32 actions")
    }

    /// Does what is due.
    pub(super) fn act(&mut self, now: SimTime, place: usize, out: &mut Outbox<Message>) {
        let plan = self.plan.clone();
        let TimedAction { at, action } = &plan.actions[place];
        self.user.insists = self.user.steadfast;
        self.user.said = Some(SimTime::ZERO + *at);
        self.do_action(now, action, out);
        self.user.insists = false;
        self.user.said = None;
    }

    /// A backup knows nothing of what was asked for since it was taken, or before and done since: whoever insists asks
    /// for it again.
    pub(super) fn act_again(&mut self, now: SimTime, since: SimTime, out: &mut Outbox<Message>) {
        if !self.user.steadfast {
            return;
        }
        let plan = self.plan.clone();
        for (place, TimedAction { at, action }) in plan.actions.iter().enumerate() {
            let said = SimTime::ZERO + *at;
            let is_lost = self.user.tried(said) >= since && said < now;
            let asks = matches!(
                action,
                Action::Create(_)
                    | Action::Apply(_)
                    | Action::Patch { .. }
                    | Action::SetImage { .. }
                    | Action::Taint { .. }
            );
            if is_lost && asks {
                self.act(now, place, out);
            }
        }
    }

    /// Does something.
    pub(super) fn do_action(&mut self, now: SimTime, action: &Action, out: &mut Outbox<Message>) {
        match action {
            Action::Create(object) => self.user_calls([Request::Create(object.clone())], out),
            Action::Delete { target, options } => {
                let options = *options;
                let found = self.find(target);
                self.user_calls(found.into_iter().map(|target| Request::Delete { target, options }), out);
            }
            Action::Patch { target, part, kind, patch } => {
                let found = self.find(target);
                let request = |target| Request::Patch { target, part: *part, kind: *kind, patch: patch.clone() };
                self.user_calls(found.into_iter().map(request), out);
            }
            Action::SetImage { target, container, image } => {
                for target in self.find(target) {
                    match self.set_image(target, *container, *image) {
                        Ok(request) => self.user_calls([request], out),
                        Err(why) => self.user.complain(now, target, why),
                    }
                }
            }
            Action::Rollout { target, verb } => {
                for target in self.find(target) {
                    match self.rollout(now, target, *verb) {
                        Ok(request) => self.user_calls([request], out),
                        Err(why) => self.user.complain(now, target, why),
                    }
                }
            }
            Action::Expose { target, exposure } => {
                for target in self.find(target) {
                    match self.expose(target, exposure) {
                        Ok(request) => self.user_calls([request], out),
                        Err(why) => self.user.complain(now, target, why),
                    }
                }
            }
            Action::Exec { target, container, command } => {
                for target in self.find(target) {
                    self.exec(now, target, *container, command.clone(), out);
                }
            }
            Action::Copy { target, container, path, content } => {
                for target in self.find(target) {
                    self.copy_into(now, target, *container, path, content);
                }
            }
            Action::Evict { target, options } => {
                let options = *options;
                let found = self.find(target);
                let request =
                    |target: Target| Request::Evict { namespace: target.namespace, name: target.name, options };
                self.user_calls(found.into_iter().map(request), out);
            }
            Action::Apply(applied) => self.user_does([Errand::Apply(applied.clone())], out),
            Action::Taint { node, add, remove } => {
                self.user_does([Errand::Taint { node: *node, add: add.clone(), remove: remove.clone() }], out);
            }
            Action::Drain(drain) => self.user_does([Errand::Drain(drain.clone())], out),
            Action::KillKubelet(node) => self.kill_kubelet(now, *node, out),
            Action::StartKubelet(node) | Action::StartNode(node) => self.start_kubelet(*node, SimDuration::ZERO, out),
            Action::RestartKubelet { node, down } => {
                self.kill_kubelet(now, *node, out);
                self.start_kubelet(*node, *down, out);
            }
            Action::PowerOff(node) => self.power_off(now, *node, out),
            Action::PowerOn(node) => self.power_on(*node, out),
            Action::WriteStaticPod { node, pod } => {
                if let (Some(index), Object::Pod(pod)) = (self.machine_named(*node), pod) {
                    self.kubelets[index.index()].manifest_written(now, pod.clone(), out);
                }
            }
            Action::RemoveStaticPod { node, name } => {
                if let Some(index) = self.machine_named(*node) {
                    self.kubelets[index.index()].manifest_removed(now, *name, out);
                }
            }
            Action::ShutdownNode(node) => {
                if let Some(index) = self.machine_named(*node) {
                    self.kubelets[index.index()].shutdown_announced(now, out);
                }
            }
            Action::CancelShutdown(node) => {
                if let Some(index) = self.machine_named(*node) {
                    self.kubelets[index.index()].shutdown_cancelled(now, out);
                }
            }
        }
    }

    /// The objects that an action is about, as they are now; of those that a pattern matches, the live ones: not
    /// deleted yet and, of pods, not ended. A creation is known to the second, as the server stores it; of one second
    /// the first by name.
    pub(super) fn find(&self, target: &ActionTarget) -> Vec<Target> {
        let all = self.server.store().list(target.kind);
        let found = all.into_iter().filter(|object| {
            let meta = object.meta();
            let ended = object.pod().is_some_and(|pod| pod.is_terminal());
            let live = !target.name.as_str().contains('*') || !meta.is_terminating() && !ended;
            let named = meta.namespace == target.namespace && target.name.matches(&meta.name);
            named && live && on_node(object, target.node)
        });
        let age = |object: &Object| (object.meta().creation_timestamp, object.meta().name);
        let picked: Vec<Object> = match target.pick {
            Pick::Oldest => found.min_by_key(age).into_iter().collect(),
            Pick::Newest => found.max_by_key(age).into_iter().collect(),
            Pick::All => {
                // A client that lists them does so in the order of their keys.
                let mut found: Vec<Object> = found.collect();
                found.sort_by_key(|object| (object.meta().namespace, object.meta().name));
                found
            }
        };
        if picked.is_empty() && target.kind != Kind::Pod {
            return Vec::new();
        }
        picked.iter().map(Target::of).collect()
    }
}

fn on_node(object: &Object, node: Name) -> bool {
    node.is_empty() || object.pod().is_some_and(|pod| pod.node_name == node)
}
