//! Admission: what the server adds to a pod, and what it refuses, in the order of its plug-ins.
//!
//! LimitRanger, ServiceAccount, PodSecurity, Priority, DefaultTolerationSeconds, RuntimeClass,
//! PersistentVolumeClaimResize, and ResourceQuota last (`pkg/kubeapiserver/options/plugins.go`). What a plug-in does to
//! a pod depends on the pod's spec and namespace only, so pods that share a template's spec share the admitted one too.
//!
//! Off as by default: AlwaysPullImages, PodNodeSelector, PodTolerationRestriction, NodeRestriction, EventRateLimit.

mod claim_resize;
mod limit_ranger;
mod pod_security;
mod quota;

pub use pod_security::POD_SECURITY_ENFORCE;
pub use quota::{overrun_at, pod_usage};

use super::{AdmittedSpec, Server};
use crate::api::names;
use crate::api::{
    ApiError, Job, Kind, Labels, Name, Pod, PodSpec, PriorityClass, Selector, TAINT_NOT_READY, TAINT_UNREACHABLE,
    TaintEffect, Toleration, TolerationOperator,
};
use std::sync::Arc;

names! {
    /// Marks the API's picture of a static pod.
    MIRROR_ANNOTATION = "kubernetes.io/config.mirror";
    /// Where LimitRanger tells what it set.
    LIMIT_RANGER_ANNOTATION = "kubernetes.io/limit-ranger";
    DEFAULT_ACCOUNT = "default";
    CONTROLLER_UID = "controller-uid";
    BATCH_CONTROLLER_UID = "batch.kubernetes.io/controller-uid";
    JOB_NAME = "job-name";
    BATCH_JOB_NAME = "batch.kubernetes.io/job-name";
}

/// The two priorities that the system keeps for itself (`pkg/apis/scheduling/types.go`).
const SYSTEM_PRIORITIES: [(&str, i32); 2] =
    [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];
/// How long a pod bears a node that is not ready or not reachable, unless it says otherwise.
const DEFAULT_TOLERATION_SECONDS: i64 = 300;
/// So many admitted templates are remembered.
const MOST_REMEMBERED: usize = 4_096;

impl Server {
    /// The pod's spec after all plug-ins that change it, and what LimitRanger notes of it.
    pub(super) fn admit_spec(&mut self, pod: &Pod) -> Result<(Arc<PodSpec>, Name), Box<ApiError>> {
        let key = Arc::as_ptr(&pod.spec) as usize;
        if let Some(known) = self.admitted.get(&key) {
            let same = Arc::ptr_eq(&known.template, &pod.spec) && known.namespace == pod.meta.namespace;
            if same && known.policy_version == self.policy_version {
                return Ok((known.admitted.clone(), known.limit_ranger));
            }
        }
        let (admitted, limit_ranger) = self.admit_new_spec(pod)?;
        // A spec that nobody else holds is that of a single pod: there is nothing to share.
        if Arc::strong_count(&pod.spec) > 1 {
            if self.admitted.len() >= MOST_REMEMBERED {
                self.admitted.clear();
            }
            let known = AdmittedSpec {
                template: pod.spec.clone(),
                namespace: pod.meta.namespace,
                policy_version: self.policy_version,
                admitted: admitted.clone(),
                limit_ranger,
            };
            self.admitted.insert(key, known);
        }
        Ok((admitted, limit_ranger))
    }

    /// Every plug-in changes the pod before the first one checks it.
    fn admit_new_spec(&self, pod: &Pod) -> Result<(Arc<PodSpec>, Name), Box<ApiError>> {
        let mut spec = PodSpec::clone(&pod.spec);
        let forbidden = |why: String| ApiError::forbidden(Kind::Pod, pod_name(pod), why);
        let mirror = pod.meta.annotations.get(*MIRROR_ANNOTATION).is_some();
        let limit_ranger = self.apply_limit_ranges(pod.meta.namespace, &mut spec);
        // LimitRanger's sums are without overhead, which comes below.
        let within_limits = self.check_limit_ranges(pod.meta.namespace, &spec);
        if !mirror {
            self.set_service_account(pod.meta.namespace, &mut spec).map_err(forbidden)?;
        }
        self.set_priority(&mut spec).map_err(forbidden)?;
        add_default_tolerations(&mut spec);
        self.apply_runtime_class(&mut spec).map_err(forbidden)?;
        within_limits.map_err(forbidden)?;
        self.check_pod_security(pod.meta.namespace, &spec).map_err(forbidden)?;
        merge_match_label_keys(&mut spec, &pod.meta.labels);
        spec.compute_requests();
        Ok((Arc::new(spec), limit_ranger))
    }

    /// Plug-in ServiceAccount. The default account is waited for, so it counts as there.
    fn set_service_account(&self, namespace: Name, spec: &mut PodSpec) -> Result<(), String> {
        if spec.service_account.is_empty() {
            spec.service_account = *DEFAULT_ACCOUNT;
        }
        let account = self.store.service_accounts.find(namespace, spec.service_account);
        if account.is_none() && spec.service_account != *DEFAULT_ACCOUNT {
            let name = spec.service_account;
            return Err(format!(
                "error looking up service account {namespace}/{name}: serviceaccount {:?} not found",
                &*name
            ));
        }
        let automount = account.and_then(|account| account.automount_token).unwrap_or(true);
        spec.token_volume = spec.automount_token.unwrap_or(automount);
        if spec.image_pull_secrets.is_empty() {
            spec.image_pull_secrets = account.map(|account| account.image_pull_secrets.to_vec()).unwrap_or_default();
        }
        Ok(())
    }

    /// Plug-in Priority (`plugin/pkg/admission/priority/admission.go`).
    fn set_priority(&self, spec: &mut PodSpec) -> Result<(), String> {
        let (class, priority, never_preempts) = self.priority_of(spec.priority_class)?;
        if let Some(given) = spec.given_priority.filter(|given| *given != priority) {
            return Err(format!(
                "the integer value of priority ({given}) must not be provided in pod spec; priority admission \
                 controller computed {priority} from the given PriorityClass name"
            ));
        }
        if let Some(given) = spec.given_never_preempts.filter(|given| *given != never_preempts) {
            let policy = |never| if never { "Never" } else { "PreemptLowerPriority" };
            return Err(format!(
                "the string value of PreemptionPolicy ({}) must not be provided in pod spec; priority admission \
                 controller computed {} from the given PriorityClass name",
                policy(given),
                policy(never_preempts)
            ));
        }
        spec.priority = priority;
        spec.priority_class = class;
        spec.never_preempts = never_preempts;
        Ok(())
    }

    /// Plug-in Priority: one class at most is the default (`validatePriorityClass`).
    pub(super) fn check_default_class(&self, class: &PriorityClass) -> Result<(), Box<ApiError>> {
        let is_other = |other: &&Arc<PriorityClass>| other.global_default && other.meta.name != class.meta.name;
        let marked = self.store.priority_classes.iter().filter(is_other).min_by_key(|other| other.meta.name);
        match marked {
            Some(other) if class.global_default => {
                let name = other.meta.name;
                let why = format!("PriorityClass {name} is already marked as default. Only one default can exist");
                Err(ApiError::forbidden(Kind::PriorityClass, &class.meta.name, why))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn priority_of(&self, class: Name) -> Result<(Name, i32, bool), String> {
        if let Some((_, value)) = SYSTEM_PRIORITIES.iter().find(|(name, _)| class == *name) {
            return Ok((class, *value, false));
        }
        if class.is_empty() {
            // Of several global defaults the lowest wins.
            let default = self.store.priority_classes.iter().filter(|class| class.global_default);
            return Ok(default
                .min_by_key(|class| (class.value, class.meta.name))
                .map_or((class, 0, false), |class| (class.meta.name, class.value, class.never_preempts)));
        }
        match self.store.priority_classes.find(Name::default(), class) {
            Some(found) => Ok((class, found.value, found.never_preempts)),
            None => Err(format!("no PriorityClass with name {class} was found")),
        }
    }

    /// Plug-in RuntimeClass: overhead, node selector and tolerations of the class.
    fn apply_runtime_class(&self, spec: &mut PodSpec) -> Result<(), String> {
        if spec.runtime_class.is_empty() {
            return Ok(());
        }
        let Some(class) = self.store.runtime_classes.find(Name::default(), spec.runtime_class) else {
            return Err(format!("pod rejected: RuntimeClass {:?} not found", &*spec.runtime_class));
        };
        spec.overhead = class.overhead.clone();
        for (key, value) in class.node_selector.iter() {
            if let Some(have) = spec.node_selector.get(key).filter(|have| *have != value) {
                return Err(format!(
                    "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; \
                     pod.spec.nodeSelector[{key}] = {have}"
                ));
            }
            spec.node_selector = spec.node_selector.with(key, value);
        }
        for toleration in &class.tolerations {
            if !spec.tolerations.contains(toleration) {
                spec.tolerations.push(toleration.clone());
            }
        }
        Ok(())
    }
}

/// The name that messages give a pod: its own, or what it will be made from.
fn pod_name(pod: &Pod) -> &str {
    if pod.meta.name.is_empty() { &pod.meta.generate_name } else { &pod.meta.name }
}

/// Plug-in DefaultTolerationSeconds: five minutes for a node that is not ready, and for one that cannot be reached.
fn add_default_tolerations(spec: &mut PodSpec) {
    for key in [*TAINT_NOT_READY, *TAINT_UNREACHABLE] {
        let covers = |toleration: &Toleration| {
            (toleration.key == key || toleration.key.is_empty())
                && toleration.effect.is_none_or(|effect| effect == TaintEffect::NoExecute)
        };
        if !spec.tolerations.iter().any(covers) {
            spec.tolerations.push(Toleration {
                key,
                operator: TolerationOperator::Exists,
                value: Name::default(),
                effect: Some(TaintEffect::NoExecute),
                seconds: Some(DEFAULT_TOLERATION_SECONDS),
            });
        }
    }
}

/// The pod's own values of `matchLabelKeys` become part of its selectors (`pkg/registry/core/pod/strategy.go`).
fn merge_match_label_keys(spec: &mut PodSpec, labels: &Labels) {
    for constraint in &mut spec.topology_spread {
        if let Some(selector) = &mut constraint.selector {
            *selector = selector.with_labels_of(labels, &constraint.match_label_keys, true);
        }
    }
    let Some(affinity) = &mut spec.affinity else { return };
    let preferred = affinity.preferred_pods.iter_mut().chain(&mut affinity.preferred_anti_pods).map(|(_, term)| term);
    let required = affinity.required_pods.iter_mut().chain(&mut affinity.required_anti_pods);
    for term in required.chain(preferred) {
        if let Some(selector) = &mut term.selector {
            *selector = selector.with_labels_of(labels, &term.match_label_keys, true);
            *selector = selector.with_labels_of(labels, &term.mismatch_label_keys, false);
        }
    }
}

/// A Job's pods are found by labels that its identity makes unique (`pkg/registry/batch/job/strategy.go`).
pub(super) fn label_job(mut job: Job) -> Job {
    let uid = Name::new(&job.meta.uid.to_string());
    let mut template = (*job.spec.template).clone();
    template.labels = template
        .labels
        .with(*CONTROLLER_UID, uid)
        .with(*BATCH_CONTROLLER_UID, uid)
        .with(*JOB_NAME, job.meta.name)
        .with(*BATCH_JOB_NAME, job.meta.name);
    if job.spec.selector.is_empty() {
        let own: Labels = [(*BATCH_CONTROLLER_UID, uid)].into_iter().collect();
        job.spec.selector = Selector::from_labels(&own);
    }
    job.spec.template = Arc::new(template);
    job
}
