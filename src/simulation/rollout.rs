//! What `kubectl rollout` and `kubectl set image` send: patches, made from what they read first
//! (`kubectl/pkg/polymorphichelpers`, `kubectl/pkg/cmd/set/set_image.go`).

use super::Cluster;
use crate::api::{Kind, Name, Object, Part, PatchKind, Request, Target, render};
use crate::engine::SimTime;
use crate::scenario::plan::RolloutVerb;
use serde_json::{Value, json};

const REVISION: &str = "deployment.kubernetes.io/revision";
const TEMPLATE_HASH: &str = "pod-template-hash";

impl Cluster {
    /// The patch that gives a container of a workload's template, or of a pod, another image.
    ///
    /// # Errors
    /// kubectl's words, if there is no such container.
    pub(super) fn set_image(&self, target: Target, container: Name, image: Name) -> Result<Request, String> {
        let path = match target.kind {
            Kind::Pod => "/spec",
            Kind::CronJob => "/spec/jobTemplate/spec/template/spec",
            _ => "/spec/template/spec",
        };
        let found = self.server.store().find(target.kind, target.namespace, target.name);
        let object = found.map(|object| render(&object)).unwrap_or_default();
        let spec = object.pointer(path).unwrap_or(&Value::Null);
        let mut patch = json!({});
        for list in ["initContainers", "containers"] {
            let names: Vec<&str> = spec[list]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|container| container["name"].as_str())
                .collect();
            let set = names.iter().filter(|name| container == "*" || container == **name);
            let set: Vec<Value> = set.map(|name| json!({"name": name, "image": image.as_str()})).collect();
            if !set.is_empty() {
                let order: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
                patch[format!("$setElementOrder/{list}")] = order.into();
                patch[list] = set.into();
            }
        }
        if patch == json!({}) {
            return Err(format!("unable to find container named {:?}", container.as_str()));
        }
        let patch =
            path.split('/').skip(1).collect::<Vec<_>>().into_iter().rev().fold(patch, |inner, key| json!({key: inner}));
        Ok(Request::Patch { target, part: Part::Main, kind: PatchKind::Strategic, patch })
    }

    /// The patch that a verb comes to.
    ///
    /// # Errors
    /// kubectl's words, if there is nothing to go back to.
    pub(super) fn rollout(&self, now: SimTime, target: Target, verb: RolloutVerb) -> Result<Request, String> {
        let patch = match verb {
            RolloutVerb::Pause => json!({"spec": {"paused": true}}),
            RolloutVerb::Resume => json!({"spec": {"paused": null}}),
            RolloutVerb::Restart => {
                let time = self.server.clock().at(now).truncated().to_string();
                let annotations = json!({"kubectl.kubernetes.io/restartedAt": time});
                json!({"spec": {"template": {"metadata": {"annotations": annotations}}}})
            }
            RolloutVerb::Undo(revision) => {
                let found = self.server.store().find(target.kind, target.namespace, target.name);
                let (kind, name) = (target.kind.as_str().to_lowercase(), target.name);
                if matches!(&found, Some(Object::Deployment(found)) if found.spec.paused) {
                    return Err(format!(
                        "cannot rollback a paused deployment; resume it first with 'kubectl rollout resume \
                         {kind}/{name}' and try again"
                    ));
                }
                let template = self.template_of(target, revision).ok_or_else(|| match revision {
                    0 => format!("no rollout history found for {kind} {:?}", name.as_str()),
                    wanted => format!("unable to find specified revision {wanted} in history"),
                })?;
                let patch = json!([{"op": "replace", "path": "/spec/template", "value": template}]);
                return Ok(Request::Patch { target, part: Part::Main, kind: PatchKind::Json, patch });
            }
        };
        Ok(Request::Patch { target, part: Part::Main, kind: PatchKind::Strategic, patch })
    }

    /// The patch that undoes the newest rollout, if there was one before.
    pub(super) fn undo(&self, target: Target) -> Option<Request> {
        self.rollout(SimTime::ZERO, target, RolloutVerb::Undo(0)).ok()
    }

    /// The template of a revision; of the one before the newest if the revision is zero.
    fn template_of(&self, target: Target, revision: i64) -> Option<Value> {
        let store = self.server.store();
        let owner = store.find(target.kind, target.namespace, target.name)?.meta().uid;
        let history = if target.kind == Kind::Deployment { Kind::ReplicaSet } else { Kind::ControllerRevision };
        let mut revisions: Vec<(i64, Object)> = store
            .list(history)
            .into_iter()
            .filter(|object| object.meta().controller().is_some_and(|by| by.uid == owner))
            .filter_map(|object| Some((revision_of(&object)?, object)))
            .collect();
        revisions.sort_by_key(|(revision, _)| *revision);
        let (_, found) = match revision {
            0 => revisions.into_iter().rev().nth(1)?,
            wanted => revisions.into_iter().find(|(revision, _)| *revision == wanted)?,
        };
        let mut printed = render(&found);
        let template = match target.kind {
            Kind::Deployment => &mut printed["spec"]["template"],
            _ => &mut printed["data"]["spec"]["template"],
        };
        if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
            labels.remove(TEMPLATE_HASH);
        }
        Some(template.take())
    }
}

fn revision_of(object: &Object) -> Option<i64> {
    match object {
        Object::ControllerRevision(revision) => Some(revision.revision),
        _ => object.meta().annotations.get(Name::new(REVISION))?.parse().ok(),
    }
}
