//! Whoever uses the cluster: kubectl commands, each a sequence of calls.
//!
//! Commands are done one after another; a drain goes on beside the ones that follow. Follows
//! `staging/src/k8s.io/kubectl/pkg/drain` and `pkg/cmd/{apply,taint}` of Kubernetes 1.36.

use super::Cluster;
use crate::api::{
    ApiError, DeleteOptions, ErrorReason, Kind, Name, Object, Part, PatchKind, Pod, Request, Response, Taint,
    TaintEffect, Target, Text, Uid, VolumeSource, apply_manifest, merge_patch, names, render,
};
use crate::components::message::{Client, Message};
use crate::engine::{Outbox, SimDuration, SimTime};
use crate::scenario::plan::{Applied, Drain};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

names! {
    MIRROR = "kubernetes.io/config.mirror";
    DAEMON_SET = "DaemonSet";
}

/// A refused eviction is tried again after this (`EvictErrorRetryDelay`).
const RETRY: SimDuration = SimDuration::from_secs(5);
/// A pod that is evicted is looked for so often until it is gone.
const POLL: SimDuration = SimDuration::from_secs(1);

/// Whoever uses the cluster.
#[derive(Debug, Clone, Default)]
pub(super) struct User {
    /// What is to be done.
    waiting: VecDeque<Command>,
    /// What is being done, until its last call is answered.
    current: Option<Command>,
    /// What is done again after a while, because the server would not.
    again: BTreeMap<u32, Command>,
    /// Whether what is begun now is done again until the server does it.
    pub(super) insists: bool,
    /// Whether all that the scenario says is.
    pub(super) steadfast: bool,
    /// When what is begun now was first to be done, if that is to be known.
    pub(super) said: Option<SimTime>,
    /// What could not be done at once: when it was first to be done, and when it was last to be tried again.
    delayed: BTreeMap<SimTime, SimTime>,
    drains: Vec<DrainRun>,
    /// Calls that are not answered, and what they are for.
    open: BTreeMap<u32, Step>,
    calls: u32,
    /// What commands ended with that no server said.
    complaints: Vec<Complaint>,
    /// The pods of commands in containers, in the order of their numbers.
    pub(super) execs: Vec<Target>,
}

/// Why a command came to nothing, although no call was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// When.
    pub at: SimTime,
    /// The object that it is about: `Kind/namespace/name`.
    pub object: String,
    /// kubectl's words.
    pub message: Text,
}

/// A command, and whether it is given again until the server does it.
#[derive(Debug, Clone)]
struct Command {
    errand: Errand,
    insistent: bool,
    /// When it was first to be done, if that is to be known.
    said: Option<SimTime>,
}

/// What a command does.
#[derive(Debug, Clone)]
pub(super) enum Errand {
    /// One call.
    Call(Request),
    /// `kubectl apply`.
    Apply(Arc<Applied>),
    /// `kubectl taint`.
    Taint {
        /// The node.
        node: Name,
        /// Added.
        add: Vec<Taint>,
        /// Removed.
        remove: Vec<(Name, Option<TaintEffect>)>,
    },
    /// `kubectl drain`.
    Drain(Drain),
}

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The last call of the current command.
    Last,
    /// The object that the current command is about is read.
    Read,
    /// A node is cordoned before it is drained.
    Cordon(u32),
    /// The pods of a node are listed.
    List(u32),
    /// A pod is evicted or deleted.
    Evict(u32, u32),
    /// A pod is read again after a refused eviction.
    Reread(u32, u32),
    /// It is looked whether a pod is gone.
    Look(u32, u32),
}

/// A drain under way.
#[derive(Debug, Clone)]
struct DrainRun {
    drain: Drain,
    /// When it began to evict.
    since: SimTime,
    pods: Vec<(Name, Name, Uid)>,
}

/// Something that a user waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
pub enum UserMessage {
    /// To evict a pod again.
    Retry {
        /// The drain.
        drain: u32,
        /// The pod.
        pod: u32,
    },
    /// To look whether a pod is gone.
    Look {
        /// The drain.
        drain: u32,
        /// The pod.
        pod: u32,
    },
    /// To give a command again.
    Again {
        /// The last call of the command that came to nothing.
        call: u32,
    },
}

impl Cluster {
    /// What users' commands ended with that no server said.
    pub fn complaints(&self) -> &[Complaint] {
        &self.user.complaints
    }

    /// The user gives the commands of the scenario again when the server could not do them, or has lost them.
    pub(super) const fn insist(&mut self) {
        self.user.steadfast = true;
    }

    /// The user calls, one call after another.
    pub(super) fn user_calls(&mut self, requests: impl IntoIterator<Item = Request>, out: &mut Outbox<Message>) {
        self.user_does(requests.into_iter().map(Errand::Call), out);
    }

    /// The user gives commands, one after another.
    pub(super) fn user_does(&mut self, errands: impl IntoIterator<Item = Errand>, out: &mut Outbox<Message>) {
        let (insistent, said) = (self.user.insists, self.user.said);
        self.user.waiting.extend(errands.into_iter().map(|errand| Command { errand, insistent, said }));
        if self.user.current.is_none() {
            self.user.next(out);
        }
    }

    /// A call of the user is answered.
    pub(super) fn user_replied(&mut self, now: SimTime, id: u32, response: Response, out: &mut Outbox<Message>) {
        let step = self.user.open.remove(&id);
        if let Some(step @ (Step::Last | Step::Read)) = step
            && self.user.tries_again(now, (id, step), &response, out)
        {
            return self.user.next(out);
        }
        match step {
            None | Some(Step::Last) => self.user.next(out),
            Some(Step::Read) => self.user.has_read(now, response, out),
            Some(Step::Cordon(drain)) => match response {
                Ok(_) => self.user.list(drain, out),
                Err(error) => self.user.complain_of_node(now, drain, &error.message),
            },
            Some(Step::List(drain)) => self.drain_pods(now, drain, out),
            Some(Step::Evict(drain, pod)) => self.user.evicted(now, drain, pod, response, out),
            Some(Step::Reread(drain, pod)) => self.user.evict(now, drain, pod, out),
            Some(Step::Look(drain, pod)) => self.user.looked(drain, pod, &response, out),
        }
    }

    /// Something that the user waited for.
    pub(super) fn user_waited(&mut self, message: UserMessage, out: &mut Outbox<Message>) {
        match message {
            UserMessage::Retry { drain, pod } => self.user.get_pod(drain, pod, Step::Reread(drain, pod), out),
            UserMessage::Look { drain, pod } => self.user.get_pod(drain, pod, Step::Look(drain, pod), out),
            UserMessage::Again { call } => {
                self.user.waiting.extend(self.user.again.remove(&call));
                if self.user.current.is_none() {
                    self.user.next(out);
                }
            }
        }
    }

    /// The pods of a node are known: each is evicted, unless one of them speaks against the drain.
    fn drain_pods(&mut self, now: SimTime, drain: u32, out: &mut Outbox<Message>) {
        let node = self.user.drains[drain as usize].drain.node;
        let run = &mut self.user.drains[drain as usize];
        let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for pod in self.server.store().pods.sorted() {
            if pod.node_name == node {
                match judge(pod, &run.drain) {
                    Filter::Goes => run.pods.push((pod.meta.namespace, pod.meta.name, pod.meta.uid)),
                    Filter::Stays => {}
                    Filter::Forbids(why) => {
                        reasons.entry(why).or_default().push(format!("{}/{}", pod.meta.namespace, pod.meta.name));
                    }
                }
            }
        }
        if !reasons.is_empty() {
            let texts: Vec<String> = reasons.iter().map(|(why, pods)| format!("{why}: {}", pods.join(", "))).collect();
            self.user.complain_of_node(now, drain, &texts.join(", "));
            return;
        }
        run.since = now;
        for pod in 0..run.pods.len() as u32 {
            self.user.evict(now, drain, pod, out);
        }
    }
}

/// What a drain does with a pod.
enum Filter {
    Goes,
    Stays,
    Forbids(&'static str),
}

/// The filters of a drain, in their order (`filters.go`).
fn judge(pod: &Pod, drain: &Drain) -> Filter {
    let done = pod.is_terminal();
    let controller = pod.meta.controller();
    if controller.is_some_and(|owner| owner.kind == *DAEMON_SET) && !done {
        return if drain.ignore_daemon_sets {
            Filter::Stays
        } else {
            Filter::Forbids("cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore)")
        };
    }
    if pod.meta.annotations.get(*MIRROR).is_some() {
        return Filter::Stays;
    }
    let local = pod.spec.volumes.iter().any(|volume| matches!(volume.source, VolumeSource::EmptyDir { .. }));
    if local && !done && !drain.delete_empty_dir_data {
        return Filter::Forbids("cannot delete Pods with local storage (use --delete-emptydir-data to override)");
    }
    if controller.is_none() && !done && !drain.force {
        return Filter::Forbids("cannot delete Pods that declare no controller (use --force to override)");
    }
    Filter::Goes
}

impl User {
    fn call(&mut self, request: Request, step: Step, out: &mut Outbox<Message>) {
        self.calls += 1;
        self.open.insert(self.calls, step);
        out.now(Message::Call { client: Client::User, id: self.calls, request: Box::new(request) });
    }

    fn errand(&self) -> Option<Errand> {
        self.current.as_ref().map(|command| command.errand.clone())
    }

    /// Whether the command that is being done is given again later: its last call was not done, and may yet be.
    fn tries_again(
        &mut self,
        now: SimTime,
        (call, step): (u32, Step),
        response: &Response,
        out: &mut Outbox<Message>,
    ) -> bool {
        let Err(error) = response else { return false };
        // A namespace that is being deleted is there for a while, and then is not.
        let final_word = match (&error.reason, &self.current) {
            (ErrorReason::Invalid, _) => true,
            (ErrorReason::NotFound, Some(Command { errand: Errand::Call(Request::Create(_)), .. })) => false,
            // It came or went in between.
            (ErrorReason::NotFound | ErrorReason::AlreadyExists, Some(Command { errand: Errand::Apply(_), .. })) => {
                step == Step::Read
            }
            (ErrorReason::AlreadyExists, Some(Command { errand: Errand::Call(Request::Create(object)), .. })) => {
                object.kind() != Kind::Namespace
            }
            (ErrorReason::NotFound | ErrorReason::AlreadyExists, _) => true,
            _ => false,
        };
        if final_word {
            return false;
        }
        let Some(command) = self.current.take_if(|command| command.insistent) else { return false };
        self.delayed.extend(command.said.map(|said| (said, now + RETRY)));
        self.again.insert(call, command);
        out.after(RETRY, Message::User(UserMessage::Again { call }));
        true
    }

    /// When what was to be done at a time was last tried.
    pub(super) fn tried(&self, said: SimTime) -> SimTime {
        self.delayed.get(&said).copied().unwrap_or(said)
    }

    /// Begins the next command.
    fn next(&mut self, out: &mut Outbox<Message>) {
        self.current = self.waiting.pop_front();
        match self.errand() {
            None => {}
            Some(Errand::Call(request)) => self.call(request, Step::Last, out),
            Some(Errand::Apply(applied)) => self.call(Request::Get(Target::of(&applied.object)), Step::Read, out),
            Some(Errand::Taint { node, .. }) => self.call(Request::Get(node_target(node)), Step::Read, out),
            Some(Errand::Drain(drain)) => {
                let id = self.drains.len() as u32;
                let patch = json!({"spec": {"unschedulable": true}});
                let target = node_target(drain.node);
                self.drains.push(DrainRun { drain, since: SimTime::ZERO, pods: Vec::new() });
                let request = Request::Patch { target, part: Part::Main, kind: PatchKind::Strategic, patch };
                self.call(request, Step::Cordon(id), out);
                self.next(out);
            }
        }
    }

    /// The object that the current command is about.
    fn has_read(&mut self, now: SimTime, response: Response, out: &mut Outbox<Message>) {
        let next = match (self.errand(), response) {
            (Some(Errand::Apply(applied)), Err(error)) if error.reason == ErrorReason::NotFound => {
                Ok(Some(Request::Create(applied.object.clone())))
            }
            (Some(Errand::Apply(applied)), Ok(stored)) => applied_to(&stored, &applied),
            (Some(Errand::Taint { node, add, remove }), Ok(stored)) => {
                let patch = json!({"spec": {"taints": tainted(&render(&stored), &add, &remove)}});
                let target = node_target(node);
                Ok(Some(Request::Patch { target, part: Part::Main, kind: PatchKind::Strategic, patch }))
            }
            (_, Err(_)) | (None | Some(Errand::Call(_) | Errand::Drain(_)), Ok(_)) => Ok(None),
        };
        match next {
            Ok(Some(request)) => self.call(request, Step::Last, out),
            Ok(None) => self.next(out),
            Err(error) => {
                if let Some(Errand::Apply(applied)) = self.errand() {
                    let object = applied.object.path();
                    self.complaints.push(Complaint { at: now, object, message: error.message.clone() });
                }
                self.next(out);
            }
        }
    }

    /// A command comes to nothing, for a reason of kubectl's.
    pub(super) fn complain(&mut self, now: SimTime, about: Target, why: impl Into<Text>) {
        let object = Request::Get(about).path();
        self.complaints.push(Complaint { at: now, object, message: why.into() });
    }

    fn list(&mut self, drain: u32, out: &mut Outbox<Message>) {
        let node = node_target(self.drains[drain as usize].drain.node);
        self.call(Request::Get(node), Step::List(drain), out);
    }

    fn complain_of_node(&mut self, now: SimTime, drain: u32, message: &str) {
        let node = self.drains[drain as usize].drain.node;
        self.complaints.push(Complaint { at: now, object: format!("Node/{node}"), message: message.into() });
    }

    fn evict(&mut self, now: SimTime, drain: u32, pod: u32, out: &mut Outbox<Message>) {
        let run = &self.drains[drain as usize];
        let (namespace, name, _) = run.pods[pod as usize];
        if let Some(timeout) = run.drain.timeout.filter(|timeout| now.since(run.since) >= *timeout) {
            let message =
                format!("error when evicting pods/{name:?} -n {namespace:?}: global timeout reached: {timeout}");
            self.complaints.push(Complaint {
                at: now,
                object: format!("Pod/{namespace}/{name}"),
                message: message.into(),
            });
            return;
        }
        let options = DeleteOptions { grace_period: run.drain.grace_period, ..DeleteOptions::default() };
        let request = if run.drain.disable_eviction {
            Request::Delete { target: Target { kind: Kind::Pod, namespace, name }, options }
        } else {
            Request::Evict { namespace, name, options }
        };
        self.call(request, Step::Evict(drain, pod), out);
    }

    fn evicted(&mut self, now: SimTime, drain: u32, pod: u32, response: Response, out: &mut Outbox<Message>) {
        let error = match response {
            Ok(_) => return self.get_pod(drain, pod, Step::Look(drain, pod), out),
            Err(error) => error,
        };
        match error.reason {
            ErrorReason::NotFound => {}
            ErrorReason::TooManyRequests | ErrorReason::DisruptionBudget | ErrorReason::NamespaceTerminating => {
                out.after(RETRY, Message::User(UserMessage::Retry { drain, pod }));
            }
            _ => self.complain_of_pod(now, drain, pod, &error),
        }
    }

    fn complain_of_pod(&mut self, now: SimTime, drain: u32, pod: u32, error: &ApiError) {
        let (namespace, name, _) = self.drains[drain as usize].pods[pod as usize];
        let message = format!("error when evicting pods/{name:?} -n {namespace:?}: {}", error.message);
        self.complaints.push(Complaint { at: now, object: format!("Pod/{namespace}/{name}"), message: message.into() });
    }

    fn get_pod(&mut self, drain: u32, pod: u32, step: Step, out: &mut Outbox<Message>) {
        let (namespace, name, _) = self.drains[drain as usize].pods[pod as usize];
        self.call(Request::Get(Target { kind: Kind::Pod, namespace, name }), step, out);
    }

    fn looked(&mut self, drain: u32, pod: u32, response: &Response, out: &mut Outbox<Message>) {
        let (_, _, uid) = self.drains[drain as usize].pods[pod as usize];
        if response.as_ref().is_ok_and(|object| object.meta().uid == uid) {
            out.after(POLL, Message::User(UserMessage::Look { drain, pod }));
        }
    }
}

fn node_target(node: Name) -> Target {
    Target { kind: Kind::Node, namespace: Name::default(), name: node }
}

/// The call that an apply makes of an object that is there; none if it is as the manifest says. Only what changes is
/// sent, so that it does not matter what others change meanwhile.
fn applied_to(stored: &Object, applied: &Applied) -> Result<Option<Request>, Box<ApiError>> {
    let new = apply_manifest(stored, applied.last.as_ref(), &applied.manifest)?;
    let target = Target::of(stored);
    let patch = merge_patch(&render(stored), &render(&new));
    Ok(patch.map(|patch| Request::Patch { target, part: Part::Main, kind: PatchKind::Merge, patch }))
}

/// The taints of a node after a change, as kubectl sends them: the whole list.
fn tainted(node: &Value, add: &[Taint], remove: &[(Name, Option<TaintEffect>)]) -> Value {
    let text = |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
    let effect = |effect: TaintEffect| format!("{effect:?}");
    let goes = |taint: &&Value| {
        let (key, has) = (text(taint, "key"), text(taint, "effect"));
        remove.iter().any(|(gone, of)| *gone == *key && of.is_none_or(|of| effect(of) == has))
            || add.iter().any(|new| new.key == *key && effect(new.effect) == has)
    };
    let have = node["spec"]["taints"].as_array().into_iter().flatten().filter(|taint| !goes(taint)).cloned();
    let new = add.iter().map(|taint| {
        let mut value = json!({"key": taint.key.as_str(), "effect": effect(taint.effect)});
        if !taint.value.is_empty() {
            value["value"] = taint.value.as_str().into();
        }
        value
    });
    let all: Vec<Value> = have.chain(new).collect();
    if all.is_empty() { Value::Null } else { all.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taints_are_sent_as_the_whole_list() {
        let node = json!({"spec": {"taints": [
            {"key": "a", "effect": "NoSchedule"}, {"key": "a", "effect": "NoExecute"}, {"key": "b", "effect": "NoSchedule"}]}});
        let taint = |key: &str, value: &str| Taint {
            key: Name::new(key),
            value: Name::new(value),
            effect: TaintEffect::NoSchedule,
            time_added: None,
        };
        let no_schedule = Some(TaintEffect::NoSchedule);
        for (add, remove, expected) in [
            (vec![taint("c", "d")], vec![], json!(["a", "a", "b", "c"])),
            (vec![taint("b", "x")], vec![], json!(["a", "a", "b"])),
            (vec![], vec![(Name::new("a"), None)], json!(["b"])),
            (vec![], vec![(Name::new("a"), no_schedule)], json!(["a", "b"])),
            (vec![], vec![(Name::new("a"), None), (Name::new("b"), no_schedule)], json!(null)),
        ] {
            let all = tainted(&node, &add, &remove);
            let keys = all.as_array().map(|all| all.iter().map(|taint| taint["key"].clone()).collect::<Value>());
            assert_eq!(keys.unwrap_or_default(), expected);
        }
    }
}
