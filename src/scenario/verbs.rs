//! The verbs of a scenario to actions: the calls that kubectl 1.36 makes for each.
//!
//! Follows `staging/src/k8s.io/kubectl/pkg`: `cmd/scale`, `cmd/set/set_image.go`, `cmd/rollout`, `polymorphichelpers`,
//! `cmd/label`, `cmd/annotate`, `cmd/taint`, `cmd/delete`, `drain`.

mod made;

use super::error::{Place, Problems};
use super::load::Loader;
use super::machines::taint;
use super::manifest;
use super::names;
use super::objects::{MOST_REPLICAS, Written};
use super::outline::Placed;
use super::plan::{self, Action, ActionTarget, Applied, Pick};
use super::step::{
    Cascade, Delete, Drain, Evict, Mark, Patch, PatchType, Scale, SetImage, Subresource, TaintNode, Verb, Which,
};
use crate::api::{DeleteOptions, Kind, Name, Object, Part, PatchKind, Propagation, Request, Text, WallTime};
use crate::components::runtime::Glob;
use crate::engine::SimDuration;
use serde_json::{Value, json};
use std::sync::Arc;

/// What a verb needs to know of the rest of the scenario.
pub(super) struct VerbContext<'l, 'f> {
    /// Reads manifests.
    pub loader: &'l mut Loader<'f>,
    /// What the clocks show when the verb is done.
    pub wall: WallTime,
}

impl VerbContext<'_, '_> {
    /// The actions of a verb. What is wrong is noted.
    pub(super) fn actions(&mut self, verb: &Verb) -> Vec<Action> {
        match verb {
            Verb::Apply(manifest) => {
                let written = self.loader.manifest(manifest);
                written.into_iter().map(|written| self.loader.apply(written)).collect()
            }
            Verb::Create(manifest) => {
                let written = self.loader.manifest(manifest);
                written.into_iter().map(|written| self.loader.create(written)).collect()
            }
            Verb::Delete(delete) => self.delete(delete).into_iter().collect(),
            Verb::Run(run) => self.run(run),
            Verb::Expose(expose) => self.expose(expose).into_iter().collect(),
            Verb::RemoveFinalizers(remove) => self.remove_finalizers(remove).into_iter().collect(),
            Verb::RolloutUndo(undo) => self.undo(undo).into_iter().collect(),
            Verb::Exec(exec) => self.exec(exec).into_iter().collect(),
            Verb::Copy(copy) => self.copy(copy).into_iter().collect(),
            Verb::Patch(patch) => self.patch(patch).into_iter().collect(),
            Verb::Scale(scale) => self.scale(scale).into_iter().collect(),
            Verb::SetImage(set) => self.set_image(set).into_iter().collect(),
            Verb::RolloutRestart(of) => {
                let at = restarted_at(self.wall);
                let annotations = json!({"kubectl.kubernetes.io/restartedAt": at});
                let patch = json!({"spec": {"template": {"metadata": {"annotations": annotations}}}});
                self.strategic(&of.object, of.namespace.as_deref(), patch).into_iter().collect()
            }
            Verb::RolloutPause(of) => self
                .strategic(&of.object, of.namespace.as_deref(), json!({"spec": {"paused": true}}))
                .into_iter()
                .collect(),
            Verb::RolloutResume(of) => self
                .strategic(&of.object, of.namespace.as_deref(), json!({"spec": {"paused": null}}))
                .into_iter()
                .collect(),
            Verb::Label(mark) => self.mark(mark, "labels").into_iter().collect(),
            Verb::Annotate(mark) => self.mark(mark, "annotations").into_iter().collect(),
            Verb::Cordon(on) => self.cordon(&on.node, json!(true)),
            Verb::Uncordon(on) => self.cordon(&on.node, Value::Null),
            Verb::Drain(drain) => self.drain(drain).into_iter().collect(),
            Verb::Taint(change) => self.taint(change).into_iter().collect(),
            Verb::Untaint(change) => self.untaint(change).into_iter().collect(),
            Verb::Evict(evict) => self.evict(evict).into_iter().collect(),
            Verb::KillKubelet(on) => self.on_node(&on.node, Action::KillKubelet),
            Verb::StartKubelet(on) => self.on_node(&on.node, Action::StartKubelet),
            Verb::RestartKubelet(restart) => {
                self.on_node(&restart.node, |node| Action::RestartKubelet { node, down: restart.down })
            }
            Verb::PowerOff(on) => self.on_node(&on.node, Action::PowerOff),
            Verb::PowerOn(on) => self.on_node(&on.node, Action::PowerOn),
            Verb::StartNode(on) => self.on_node(&on.node, Action::StartNode),
            Verb::WriteStaticPod(write) => {
                let pods = self.loader.manifest(&write.manifest);
                self.nodes(&write.node).into_iter().flat_map(|node| self.static_pods(node, &pods)).collect()
            }
            Verb::RemoveStaticPod(remove) => {
                let name = Name::new(&remove.pod);
                self.on_node(&remove.node, |node| Action::RemoveStaticPod { node, name })
            }
            Verb::ShutdownNode(on) => self.on_node(&on.node, Action::ShutdownNode),
            Verb::CancelShutdown(on) => self.on_node(&on.node, Action::CancelShutdown),
        }
    }

    fn problems(&mut self) -> &mut Problems {
        &mut self.loader.problems
    }

    fn static_pods(&mut self, node: Name, pods: &[Written]) -> Vec<Action> {
        let mut actions = Vec::new();
        for written in pods {
            if written.object.kind() == Kind::Pod {
                self.loader.makeable.add_static(&written.object, &node);
                actions.push(Action::WriteStaticPod { node, pod: written.object.clone() });
            } else {
                let found = format!("a {} as static pod", written.object.kind_name());
                self.problems().add(written.place, found, "a kubelet reads manifests of pods");
            }
        }
        actions
    }

    /// The objects that a verb is about: noted if they are wrong, checked against what can be made at the end.
    fn target(&mut self, object: &Placed<String>, namespace: Option<&str>, pick: Which) -> Option<ActionTarget> {
        let (kind, name) = match names::object(object) {
            Ok(named) => named,
            Err((found, remedy)) => {
                self.problems().add(object.place, found, remedy);
                return None;
            }
        };
        self.target_of(kind, &Placed::new(object.place, name.to_owned()), namespace, pick)
    }

    fn target_of(
        &mut self,
        kind: Kind,
        name: &Placed<String>,
        namespace: Option<&str>,
        pick: Which,
    ) -> Option<ActionTarget> {
        let glob: Glob = match name.parse() {
            Ok(glob) => glob,
            Err(error) => {
                self.problems().add(name.place, error, "patterns are made of *, ? and [ab]");
                return None;
            }
        };
        self.loader.named.push((name.place, kind, namespace.map(str::to_owned), name.value.clone()));
        let namespace = if kind.is_namespaced() { Name::new(namespace.unwrap_or("default")) } else { Name::default() };
        let pick = match pick {
            Which::All => Pick::All,
            Which::Oldest => Pick::Oldest,
            Which::Newest => Pick::Newest,
        };
        Some(ActionTarget { kind, namespace, name: glob, pick, node: Name::default() })
    }

    fn workload(&mut self, object: &Placed<String>, namespace: Option<&str>, can: &[Kind]) -> Option<ActionTarget> {
        let target = self.target(object, namespace, Which::All)?;
        if can.contains(&target.kind) {
            return Some(target);
        }
        let able: Vec<String> = can.iter().map(|kind| kind.as_str().to_lowercase()).collect();
        let found = format!("the {} {:?}", target.kind, object.value);
        self.problems().add(object.place, found, format!("this works on {}", able.join(", ")));
        None
    }

    fn delete(&mut self, delete: &Delete) -> Option<Action> {
        let target = self.target(&delete.object, delete.namespace.as_deref(), delete.pick)?;
        let propagation = match delete.cascade {
            Cascade::Background => Propagation::Background,
            Cascade::Foreground => Propagation::Foreground,
            Cascade::Orphan => Propagation::Orphan,
        };
        let grace_period = if delete.force { Some(0) } else { delete.grace.map(whole_seconds) };
        // kubectl sends a grace of 1 for 0 unless it is forced (`cmd/delete/delete.go`).
        let grace_period = if grace_period == Some(0) && !delete.force { Some(1) } else { grace_period };
        let options = DeleteOptions { grace_period, propagation: Some(propagation), ..DeleteOptions::default() };
        Some(Action::Delete { target, options })
    }

    fn patch(&mut self, patch: &Patch) -> Option<Action> {
        let target = self.target(&patch.object, patch.namespace.as_deref(), Which::All)?;
        let place = patch.patch.place;
        let value = match manifest::load_value(patch.patch.as_bytes()) {
            Ok(value) => value,
            Err(errors) => {
                let remedy = "write a patch as JSON or YAML";
                errors.iter().for_each(|error| self.problems().add(place, error.found.to_string(), remedy));
                return None;
            }
        };
        self.loader.makeable.add_patch(&value);
        let fits = if patch.kind == PatchType::Json { value.is_array() } else { value.is_object() };
        if !fits {
            let remedy = "a patch of type Json is a list of operations, any other an object";
            self.problems().add(place, "a patch of another form", remedy);
            return None;
        }
        let kind = match patch.kind {
            PatchType::Strategic => PatchKind::Strategic,
            PatchType::Merge => PatchKind::Merge,
            PatchType::Json => PatchKind::Json,
        };
        let part = match patch.subresource {
            None => Part::Main,
            Some(Subresource::Status) => Part::Status,
            Some(Subresource::Scale) => Part::Scale,
            Some(Subresource::Resize) => Part::Resize,
            Some(Subresource::EphemeralContainers) => Part::EphemeralContainers,
        };
        Some(Action::Patch { target, part, kind, patch: value })
    }

    fn strategic(&mut self, object: &Placed<String>, namespace: Option<&str>, patch: Value) -> Option<Action> {
        const ROLLED_OUT: [Kind; 3] = [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet];
        let target = self.workload(object, namespace, &ROLLED_OUT)?;
        Some(Action::Patch { target, part: Part::Main, kind: PatchKind::Strategic, patch })
    }

    fn scale(&mut self, scale: &Scale) -> Option<Action> {
        const SCALED: [Kind; 4] = [Kind::Deployment, Kind::ReplicaSet, Kind::ReplicationController, Kind::StatefulSet];
        let target = self.workload(&scale.object, scale.namespace.as_deref(), &SCALED)?;
        if i64::from(scale.replicas.value) > MOST_REPLICAS {
            let remedy = format!("at most {MOST_REPLICAS} pods of a workload are simulated");
            self.problems().add(scale.replicas.place, format!("{} replicas", scale.replicas.value), remedy);
            return None;
        }
        let patch = json!({"spec": {"replicas": scale.replicas.value}});
        Some(Action::Patch { target, part: Part::Scale, kind: PatchKind::Merge, patch })
    }

    fn set_image(&mut self, set: &SetImage) -> Option<Action> {
        let target = self.target(&set.object, set.namespace.as_deref(), Which::All)?;
        self.loader.has_container(&set.object, set.namespace.as_deref(), &set.container);
        Some(Action::SetImage { target, container: Name::new(&set.container), image: Name::new(&set.image) })
    }

    fn mark(&mut self, mark: &Mark, what: &str) -> Option<Action> {
        let target = self.target(&mark.object, mark.namespace.as_deref(), Which::All)?;
        let patch = json!({"metadata": {what: mark.set}});
        Some(Action::Patch { target, part: Part::Main, kind: PatchKind::Merge, patch })
    }

    /// The nodes that a name means; they are noted to be checked.
    fn nodes(&mut self, node: &Placed<String>) -> Vec<Name> {
        let found = self.loader.nodes_named(node);
        if found.is_empty() {
            self.loader.named.push((node.place, Kind::Node, None, node.value.clone()));
        }
        found
    }

    fn on_node(&mut self, node: &Placed<String>, action: impl Fn(Name) -> Action) -> Vec<Action> {
        self.nodes(node).into_iter().map(action).collect()
    }

    fn cordon(&mut self, node: &Placed<String>, unschedulable: Value) -> Vec<Action> {
        let patch = json!({"spec": {"unschedulable": unschedulable}});
        let target = self.target_of(Kind::Node, node, None, Which::All);
        let action = |target| Action::Patch { target, part: Part::Main, kind: PatchKind::Strategic, patch };
        target.map(action).into_iter().collect()
    }

    fn drain(&mut self, drain: &Drain) -> Vec<Action> {
        self.on_node(&drain.node, |node| {
            Action::Drain(plan::Drain {
                node,
                grace_period: drain.grace.map(whole_seconds),
                timeout: drain.timeout,
                force: drain.force,
                ignore_daemon_sets: drain.ignore_daemonsets,
                delete_empty_dir_data: drain.delete_emptydir_data,
                disable_eviction: drain.disable_eviction,
            })
        })
    }

    fn taint(&mut self, change: &TaintNode) -> Vec<Action> {
        match taint(&change.taint) {
            Ok(taint) => {
                self.on_node(&change.node, |node| Action::Taint { node, add: vec![taint.clone()], remove: Vec::new() })
            }
            Err(found) => {
                let remedy = "write key=value:NoSchedule, PreferNoSchedule or NoExecute";
                self.problems().add(change.taint.place, found, remedy);
                Vec::new()
            }
        }
    }

    fn untaint(&mut self, change: &TaintNode) -> Vec<Action> {
        let (key, effect) = match change.taint.split_once(':') {
            None => (change.taint.as_str(), None),
            Some((key, _)) => match taint(&change.taint) {
                Ok(taint) => (key.split('=').next().unwrap_or_default(), Some(taint.effect)),
                Err(found) => {
                    let remedy = "write key or key:NoSchedule";
                    self.problems().add(change.taint.place, found, remedy);
                    return Vec::new();
                }
            },
        };
        let remove = vec![(Name::new(key), effect)];
        self.on_node(&change.node, |node| Action::Taint { node, add: Vec::new(), remove: remove.clone() })
    }

    fn evict(&mut self, evict: &Evict) -> Option<Action> {
        let target = self.target_of(Kind::Pod, &evict.pod, evict.namespace.as_deref(), evict.pick)?;
        let options = DeleteOptions { grace_period: evict.grace.map(whole_seconds), ..DeleteOptions::default() };
        Some(Action::Evict { target, options })
    }
}

/// Seconds, rounded up, as grace periods are counted.
fn whole_seconds(span: SimDuration) -> i64 {
    i64::try_from(span.as_nanos().div_ceil(1_000_000_000)).unwrap_or(i64::MAX)
}

/// The time as `kubectl rollout restart` writes it.
fn restarted_at(wall: WallTime) -> String {
    wall.truncated().to_string()
}

impl Loader<'_> {
    /// The creation of an object.
    pub(super) fn create(&mut self, written: Written) -> Action {
        self.remember(&written.object, written.place, &written.value);
        Action::Create(written.object)
    }

    /// The apply of an object.
    pub(super) fn apply(&mut self, written: Written) -> Action {
        let last = self.remember(&written.object, written.place, &written.value);
        let last = last.map(|text| serde_json::from_str(&text).expect("what was written as JSON is read as JSON"));
        Action::Apply(Arc::new(Applied { object: written.object, manifest: written.value, last }))
    }

    /// Notes that an object is written, and returns its manifest before.
    fn remember(&mut self, object: &Object, place: Place, manifest: &Value) -> Option<Text> {
        self.makeable.add(object);
        let path = Request::Create(object.clone()).path();
        self.places.entry(path).or_insert(place);
        let meta = object.meta();
        if meta.name.is_empty() {
            return None;
        }
        let key = (object.kind_name(), meta.namespace, meta.name);
        self.written.insert(key, manifest.to_string().into())
    }

    /// Whether an object of this name was written before.
    pub(super) fn is_known(&self, object: &Object) -> bool {
        let meta = object.meta();
        self.written.contains_key(&(object.kind_name(), meta.namespace, meta.name))
    }
}
