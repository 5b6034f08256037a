//! What a pod's failure means to its Job, and when some successes are enough (`job/pod_failure_policy.go`,
//! `job/success_policy.go`).

use super::indexes::Indexes;
use crate::api::{
    ContainerStatus, Job, JobSpec, List, Name, Pod, PodFailureAction, PodFailureMatch, PodFailureRule, PodPhase,
    SuccessRule,
};

/// What a rule made of a failed pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What is done.
    pub action: PodFailureAction,
    /// Why the Job fails, if it does.
    pub message: String,
}

impl Verdict {
    /// Whether the failure counts.
    pub fn counts(verdict: Option<&Self>) -> bool {
        verdict.is_none_or(|verdict| verdict.action != PodFailureAction::Ignore)
    }
}

/// What the first rule that matches makes of a failed pod.
pub fn verdict(rules: &List<PodFailureRule>, pod: &Pod) -> Option<Verdict> {
    rules.iter().enumerate().find_map(|(place, rule)| {
        let message = match &rule.on {
            PodFailureMatch::ExitCodes { container, when_in, values } => {
                let found = matching_container(pod, *container, *when_in, values)?;
                let code = found.state.terminated().map_or(0, |end| end.exit_code);
                format!(
                    "Container {} for pod {}/{} failed with exit code {code} matching {:?} rule at index {place}",
                    found.name, pod.meta.namespace, pod.meta.name, rule.action
                )
            }
            PodFailureMatch::Conditions(patterns) => {
                let found = pod.status.conditions.iter().find(|condition| {
                    patterns.iter().any(|(kind, status)| {
                        condition.kind == *kind && *status == condition.status.to_string().as_str()
                    })
                })?;
                format!(
                    "Pod {}/{} has condition {} matching {:?} rule at index {place}",
                    pod.meta.namespace, pod.meta.name, found.kind, rule.action
                )
            }
        };
        Some(Verdict { action: rule.action, message })
    })
}

fn matching_container<'a>(
    pod: &'a Pod,
    container: Name,
    when_in: bool,
    values: &List<i32>,
) -> Option<&'a ContainerStatus> {
    pod.status.containers.iter().chain(&pod.status.init_containers).find(|status| {
        let code = status.state.terminated().map_or(0, |end| end.exit_code);
        (container.is_empty() || status.name == container) && code != 0 && values.contains(&code) == when_in
    })
}

impl JobSpec {
    /// Whether a replacement waits until the old pod has ended (`onlyReplaceFailedPods`).
    pub(super) const fn waits_for_end(&self) -> bool {
        self.replace_only_failed || self.pod_failure_policy.is_some()
    }
}

/// Whether a pod counts as failed (`isPodFailed`).
pub fn is_failed(job: &Job, pod: &Pod) -> bool {
    match pod.status.phase {
        PodPhase::Failed => true,
        PodPhase::Succeeded => false,
        PodPhase::Pending | PodPhase::Running | PodPhase::Unknown => {
            !job.spec.waits_for_end() && pod.meta.is_terminating()
        }
    }
}

/// What the Job's policy, if it has one, makes of a failed pod.
pub fn job_verdict(job: &Job, pod: &Pod) -> Option<Verdict> {
    job.spec.pod_failure_policy.as_ref().and_then(|rules| verdict(rules, pod))
}

/// Why the successes so far are enough, if they are.
pub fn enough(rules: &List<SuccessRule>, completions: i32, succeeded: &Indexes) -> Option<String> {
    rules.iter().enumerate().find_map(|(place, rule)| {
        let met = if rule.succeeded_indexes.is_empty() {
            rule.succeeded_count.is_some_and(|count| succeeded.total() >= count)
        } else {
            let listed = Indexes::parse(&rule.succeeded_indexes, completions);
            let have = listed.first_present(succeeded);
            match rule.succeeded_count {
                Some(count) => have >= count,
                None => have == listed.total(),
            }
        };
        met.then(|| format!("Matched rules at index {place}"))
    })
}

impl Indexes {
    /// How many of these are also in another set.
    fn first_present(&self, other: &Self) -> i32 {
        self.total() + other.total() - self.union(other).total()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_successes_are_enough() {
        // `TestMatchSuccessPolicy`.
        let rule = |indexes: &str, count| SuccessRule { succeeded_indexes: Name::new(indexes), succeeded_count: count };
        let check = |rules: Vec<SuccessRule>, succeeded: &str, expected: Option<&str>| {
            let succeeded = Indexes::parse(succeeded, 10);
            assert_eq!(enough(&rules.into(), 10, &succeeded).as_deref(), expected);
        };
        check(vec![rule("", Some(2))], "0", None);
        check(vec![rule("", Some(2))], "0,7", Some("Matched rules at index 0"));
        check(vec![rule("0-2", None)], "0,1,5", None);
        check(vec![rule("0-2", None)], "0-2", Some("Matched rules at index 0"));
        check(vec![rule("0-2", None), rule("3-5", Some(1))], "0,4", Some("Matched rules at index 1"));
    }
}
