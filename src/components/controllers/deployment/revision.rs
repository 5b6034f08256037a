//! Revisions: which ReplicaSet is that of the present template, what it is called, and which old ones are kept.
//!
//! Follows `deployment/sync.go` and `deployment/util/deployment_util.go`.

use super::{Sets, Work, by_age};
use crate::api::{
    Condition, ConditionStatus, DeleteOptions, Deployment, ErrorReason, EventType, Kind, Labels, Metadata, Name,
    Object, Part, PodTemplate, ReplicaSet, ReplicaSetSpec, ReplicaSetStatus, Request, Requirement, Selector, Target,
    Text, names,
};
use crate::components::controllers::flow::{Step, object};
use std::sync::Arc;

names! {
    REVISION = "deployment.kubernetes.io/revision";
    REVISION_HISTORY = "deployment.kubernetes.io/revision-history";
    DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas";
    MAX_REPLICAS = "deployment.kubernetes.io/max-replicas";
    LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";
    ROLLBACK_TO = "deprecated.deployment.rollback.to";
    TEMPLATE_HASH = "pod-template-hash";
}

/// The history of revisions in an annotation is cut to this length.
const LONGEST_HISTORY: usize = 2_000;
/// The letters of names made from hashes (`apimachinery/pkg/util/rand`, `SafeEncodeString`).
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

impl Work<'_, '_> {
    /// Finds the set of the present template, or makes it, and gives it the newest revision
    /// (`getAllReplicaSetsAndSyncRevision`).
    pub(super) fn revise(&mut self, sets: &[Arc<ReplicaSet>], create: bool) -> Step<Sets> {
        let place = sets.iter().position(|set| same_template(&set.spec.template, &self.deployment.spec.template));
        let mut old = sets.to_vec();
        let found = place.map(|place| old.remove(place));
        let next = old.iter().map(|set| revision_of(&set.meta.annotations)).max().unwrap_or(0) + 1;
        let new = match found {
            Some(set) => Some(self.revise_found(&set, next)?),
            None if create => Some(self.create(&old, next)?),
            None => None,
        };
        Ok(Sets { new, old })
    }

    fn revise_found(&mut self, set: &Arc<ReplicaSet>, next: i64) -> Step<Arc<ReplicaSet>> {
        let mut revised = ReplicaSet::clone(set);
        revised.meta.annotations = self.inherited(&set.meta.annotations, next);
        revised.spec.min_ready_seconds = self.deployment.spec.min_ready_seconds;
        if revised != **set {
            let request = || Request::Update { object: Object::ReplicaSet(Arc::new(revised)), part: Part::Main };
            return Ok(object(&self.flow.call(request)??));
        }
        let mut changed = self.set_revision(set.meta.annotations.get(*REVISION).unwrap_or_default());
        if self.deployment.has_deadline() && self.condition("Progressing").is_none() {
            let message = format!("Found new replica set {:?}", &*set.meta.name);
            self.set_condition("Progressing", ConditionStatus::True, "FoundNewReplicaSet", message);
            changed = true;
        }
        if changed {
            self.put_status()?;
        }
        Ok(set.clone())
    }

    fn create(&mut self, old: &[Arc<ReplicaSet>], next: i64) -> Step<Arc<ReplicaSet>> {
        let deployment = &self.deployment;
        let hash = template_hash(&deployment.spec.template, deployment.status.collision_count);
        let template = PodTemplate {
            labels: deployment.spec.template.labels.with(*TEMPLATE_HASH, hash),
            ..PodTemplate::clone(&deployment.spec.template)
        };
        let selector = deployment.spec.selector.0.with(Requirement::equals(*TEMPLATE_HASH, hash));
        let replicas = deployment.new_replicas(super::wanted(old), 0);
        let annotations = self.inherited(&Labels::EMPTY, next);
        let deployment = &self.deployment;
        let set = ReplicaSet {
            meta: Metadata {
                name: Name::new(&format!("{}-{hash}", deployment.meta.name)),
                namespace: deployment.meta.namespace,
                labels: template.labels.clone(),
                annotations: deployment.with_sizes(&annotations),
                owner_references: vec![self.owner_reference()].into(),
                ..Metadata::default()
            },
            spec: ReplicaSetSpec {
                replicas,
                min_ready_seconds: deployment.spec.min_ready_seconds,
                selector: Selector(selector),
                template: Arc::new(template),
                source: Text::default(),
            },
            status: ReplicaSetStatus::default(),
        };
        let name = set.meta.name;
        let answer = self.flow.call(|| Request::Create(Object::ReplicaSet(Arc::new(set))))?;
        let (created, existed) = match answer {
            Ok(created) => (object::<ReplicaSet>(&created), false),
            Err(error) if error.reason == ErrorReason::AlreadyExists => (self.collide(name, error)?, true),
            Err(error) if error.reason == ErrorReason::NamespaceTerminating => return Err(error.into()),
            Err(error) => {
                let message = format!("Failed to create new replica set {:?}: {error}", &*name);
                self.set_condition("Progressing", ConditionStatus::False, "ReplicaSetCreateError", message.clone());
                let _ = self.put_status_quietly()?;
                let about = self.reference();
                self.flow.tell(about, EventType::Warning, "ReplicaSetCreateError", message);
                return Err(error.into());
            }
        };
        if !existed && replicas > 0 {
            let message = format!("Scaled up replica set {name} from 0 to {replicas}");
            let about = self.reference();
            self.flow.tell(about, EventType::Normal, "ScalingReplicaSet", message);
        }
        let mut changed = self.set_revision(Name::new(&next.to_string()));
        if !existed && self.deployment.has_deadline() {
            let message = format!("Created new replica set {:?}", &*name);
            self.set_condition("Progressing", ConditionStatus::True, "NewReplicaSetCreated", message);
            changed = true;
        }
        if changed {
            self.put_status()?;
        }
        Ok(created)
    }

    /// The name is taken: by this Deployment's own set, or by another one, and then the next try uses another name.
    fn collide(&mut self, name: Name, error: Box<crate::api::ApiError>) -> Step<Arc<ReplicaSet>> {
        let target = Target { kind: Kind::ReplicaSet, namespace: self.deployment.meta.namespace, name };
        let found = object::<ReplicaSet>(&self.flow.get(target)??);
        let own = found.meta.controller().is_some_and(|owner| owner.uid == self.deployment.meta.uid);
        if own && same_template(&found.spec.template, &self.deployment.spec.template) {
            return Ok(found);
        }
        let count = self.deployment.status.collision_count.unwrap_or(0) + 1;
        self.deployment.status.collision_count = Some(count);
        let _ = self.put_status_quietly()?;
        Err(error.into())
    }

    fn put_status_quietly(&mut self) -> Step<crate::api::Response> {
        let deployment = &self.deployment;
        self.flow
            .call(|| Request::Update { object: Object::Deployment(Arc::new(deployment.clone())), part: Part::Status })
    }

    /// The annotations of the new set: the Deployment's, and the revision if it has grown
    /// (`SetNewReplicaSetAnnotations`).
    fn inherited(&self, own: &Labels, next: i64) -> Labels {
        let kept = [*LAST_APPLIED, *REVISION, *REVISION_HISTORY, *DESIRED_REPLICAS, *MAX_REPLICAS, *ROLLBACK_TO];
        let copied = self.deployment.meta.annotations.iter().filter(|(key, _)| !kept.contains(key));
        let mut annotations = copied.fold(own.clone(), |all, (key, value)| all.with(key, value));
        let before = own.get(*REVISION);
        if revision_of(own) < next {
            annotations = annotations.with(*REVISION, Name::new(&next.to_string()));
            if let Some(before) = before {
                annotations = with_history(&annotations, before);
            }
        }
        annotations
    }

    /// Notes the newest revision on the Deployment; whether that is news.
    fn set_revision(&mut self, revision: Name) -> bool {
        let annotations = &mut self.deployment.meta.annotations;
        if annotations.get(*REVISION) == Some(revision) {
            return false;
        }
        *annotations = annotations.with(*REVISION, revision);
        true
    }

    /// Deletes the oldest revisions that have nothing left, above the number that is kept (`cleanupDeployment`).
    pub(super) fn clean_up(&mut self, old: &[Arc<ReplicaSet>]) -> Step {
        let limit = self.deployment.spec.revision_history_limit;
        if limit == i32::MAX {
            return Ok(());
        }
        let mut kept: Vec<_> = old.iter().filter(|set| !set.meta.is_terminating()).cloned().collect();
        let surplus = kept.len().saturating_sub(limit.max(0) as usize);
        kept.sort_by_key(|set| (revision_of(&set.meta.annotations), by_age(set)));
        for set in &kept[..surplus] {
            let busy = set.status.replicas != 0 || set.spec.replicas != 0;
            if busy || set.meta.generation > set.status.observed_generation {
                continue;
            }
            let target = Target { kind: Kind::ReplicaSet, namespace: set.meta.namespace, name: set.meta.name };
            match self.flow.call(|| Request::Delete { target, options: DeleteOptions::default() })? {
                Err(error) if error.reason != ErrorReason::NotFound => return Err(error.into()),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }

    pub(super) fn condition(&self, kind: &str) -> Option<&Condition> {
        self.deployment.status.conditions.iter().find(|condition| condition.kind == kind)
    }

    pub(super) fn set_condition(&mut self, kind: &str, status: ConditionStatus, reason: &str, message: String) {
        let condition = super::status::condition(kind, status, reason, message, self.flow.stamp());
        super::status::put_condition(&mut self.deployment.status.conditions, condition);
    }
}

impl Deployment {
    /// The annotations of one of its sets with the sizes that it was scaled for.
    pub(super) fn with_sizes(&self, annotations: &Labels) -> Labels {
        let replicas = self.spec.replicas;
        let number = |number: i32| Name::new(&number.to_string());
        annotations.with(*DESIRED_REPLICAS, number(replicas)).with(*MAX_REPLICAS, number(replicas + self.max_surge()))
    }
}

fn with_history(annotations: &Labels, before: Name) -> Labels {
    let history = annotations.get(*REVISION_HISTORY).unwrap_or_default();
    let mut text = if history.is_empty() { before.to_string() } else { format!("{history},{before}") };
    while text.len() > LONGEST_HISTORY {
        let Some((_, rest)) = text.split_once(',') else { break };
        text = rest.to_owned();
    }
    annotations.with(*REVISION_HISTORY, Name::new(&text))
}

/// The revision in a set's annotations; zero if there is none.
pub(crate) fn revision_of(annotations: &Labels) -> i64 {
    annotations.get(*REVISION).and_then(|revision| revision.parse().ok()).unwrap_or(0)
}

/// The size that the Deployment had when a set was last scaled.
pub(super) fn desired_replicas(set: &ReplicaSet) -> Option<i32> {
    set.meta.annotations.get(*DESIRED_REPLICAS)?.parse().ok()
}

/// The size that the Deployment might have grown to then.
pub(super) fn max_replicas(set: &ReplicaSet) -> Option<i32> {
    set.meta.annotations.get(*MAX_REPLICAS)?.parse().ok()
}

/// Whether two templates are the same but for the hash (`EqualIgnoreHash`).
fn same_template(a: &PodTemplate, b: &PodTemplate) -> bool {
    a.labels.without(*TEMPLATE_HASH) == b.labels.without(*TEMPLATE_HASH)
        && a.annotations == b.annotations
        && a.finalizers == b.finalizers
        && (Arc::ptr_eq(&a.spec, &b.spec) || a.spec == b.spec)
}

/// A name for a template, and for another try at it (`ComputeHash`): FNV-1a of all that it says, in safe letters. It is
/// of what the API says, not of how we keep it: names must not change with the program.
pub(in crate::components::controllers) fn template_hash(template: &PodTemplate, collisions: Option<i32>) -> Name {
    let PodTemplate { labels, annotations, finalizers, node_name, spec } = template;
    let mut sum = FNV_OFFSET;
    let mut add = |text: &str| sum = fnv1a(fnv1a(sum, text.as_bytes()), &[0]);
    for pairs in [labels, annotations] {
        for (key, value) in pairs.iter() {
            add(&key);
            add(&value);
        }
        add("");
    }
    finalizers.iter().for_each(|finalizer| add(finalizer));
    add("");
    add(node_name);
    add(&spec.source);
    if let Some(collisions) = collisions {
        sum = fnv1a(sum, &u64::from(collisions.unsigned_abs()).to_le_bytes());
    }
    let letters: String =
        sum.to_string().bytes().map(|digit| char::from(ALPHABET[usize::from(digit) % ALPHABET.len()])).collect();
    Name::new(&letters)
}

const FNV_OFFSET: u32 = 0x811c_9dc5;

fn fnv1a(sum: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(sum, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_templates_are_stable_and_change_with_each_collision() {
        let template = PodTemplate::default();
        let name = template_hash(&template, None);
        assert_eq!(name, template_hash(&template.clone(), None));
        assert_ne!(name, template_hash(&template, Some(1)));
        assert!(name.bytes().all(|letter| ALPHABET.contains(&letter)));
        assert_eq!(fnv1a(FNV_OFFSET, b"foobar"), 0xbf9c_f968);
    }

    #[test]
    fn the_history_of_revisions_is_cut_at_its_old_end() {
        let mut annotations = Labels::EMPTY;
        for revision in 1..1_000 {
            annotations = with_history(&annotations, Name::new(&revision.to_string()));
        }
        let history = annotations.get(*REVISION_HISTORY).unwrap();
        assert!(history.len() <= LONGEST_HISTORY && history.ends_with(",998,999"));
    }
}
