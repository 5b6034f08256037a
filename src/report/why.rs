//! Why something is as it is: the chain of causes behind a fact, each a sentence.
//!
//! Steps that only carry a message from one place to another are left out; the time they took shows in the next one.

use super::axis::label;
use crate::api::Name;
use crate::engine::{SimDuration, SimTime};
use crate::trace::{Causes, ContainerView, Fact, FactId, FactKind, PodView, StateView, SubjectId, TraceRecord};
use serde_json::Value;
use std::collections::BTreeMap;

/// One step of an explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The fact.
    pub fact: FactId,
    /// When.
    pub at: SimTime,
    /// How long after the step before.
    pub after: SimDuration,
    /// Who did it.
    pub who: String,
    /// What happened.
    pub what: String,
}

/// Explains facts of one record.
#[derive(Debug, Clone)]
pub struct Why<'a> {
    record: &'a TraceRecord,
    causes: Causes<'a>,
    /// The version before each change of an object.
    before: BTreeMap<FactId, FactId>,
}

impl<'a> Why<'a> {
    /// Reads a record.
    pub fn of(record: &'a TraceRecord) -> Self {
        let mut newest: BTreeMap<SubjectId, FactId> = BTreeMap::new();
        let mut before = BTreeMap::new();
        for (id, fact) in record.changes() {
            let Some(subject) = fact.subject() else { continue };
            if let Some(earlier) = newest.insert(subject, id) {
                before.insert(id, earlier);
            }
        }
        Self { record, causes: Causes::of(record), before }
    }

    /// The causes behind the sentences.
    pub const fn causes(&self) -> &Causes<'a> {
        &self.causes
    }

    /// The last thing that became of an object up to an instant.
    pub fn last_change(&self, subject: SubjectId, until: SimTime) -> Option<FactId> {
        let changes = self.causes.about(subject).iter().rev().copied();
        changes
            .map(|id| (id, self.record.fact(id)))
            .find_map(|(id, fact)| (fact.kind == FactKind::Change && fact.time <= until).then_some(id))
    }

    /// The steps that led to a fact, oldest first; the last one is the fact itself.
    pub fn steps(&self, id: FactId) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for link in self.causes.chain(id) {
            let Some(what) = self.sentence(link).or_else(|| (link == id).then(|| self.plain(link))) else { continue };
            let fact = self.record.fact(link);
            let woken = steps.last().is_some_and(|step| self.record.fact(step.fact).kind == FactKind::Kubelet);
            if fact.what == "WorkerWakes" && woken && link != id {
                continue; // What woke it says so.
            }
            let after = steps.last().map_or(SimDuration::ZERO, |step| fact.time.since(step.at));
            let what = match self.causes.behind(link).after {
                Some(other) => format!("{what} It had to wait: {}", self.aside(other)),
                None => what,
            };
            steps.push(Step { fact: link, at: fact.time, after, who: self.record.actor(fact.actor), what });
        }
        steps
    }

    /// The nearest cause that is worth a sentence.
    pub fn nearest(&self, id: FactId) -> Option<FactId> {
        let mut at = id;
        while let Some((cause, _)) = self.causes.behind(at).because {
            if self.sentence(cause).is_some() {
                return Some(cause);
            }
            at = cause;
        }
        None
    }

    /// What a fact says, if it is more than a message under way.
    pub fn sentence(&self, id: FactId) -> Option<String> {
        let fact = self.record.fact(id);
        match fact.kind {
            FactKind::Boot => Some("The cluster is there.".to_owned()),
            FactKind::Action => Some(format!("The scenario says: {}.", self.action(fact))),
            FactKind::Change => self.change(id),
            FactKind::Watch if self.is_pod(fact) => Some(format!("It hears of {}.", self.object(fact))),
            FactKind::Kubelet => self.kubelet(fact),
            FactKind::Cri => self.asked(fact),
            FactKind::CriDone => self.answered(fact),
            FactKind::Runtime => self.runtime(fact),
            FactKind::Net => {
                Some(format!("A request ({}) goes to port {}.", fact.what, fact.number().unwrap_or_default()))
            }
            FactKind::NetDone => Some(format!("The request comes to this: {}.", words(fact.what))),
            FactKind::Reply => fact
                .failure()
                .map(|failure| format!("The API server refuses: {}.", failure.message.trim_end_matches('.'))),
            FactKind::Scheduler | FactKind::Controller if fact.subject().is_some() => {
                Some(format!("It looks at {} ({}).", self.object(fact), fact.what))
            }
            FactKind::End
            | FactKind::Call
            | FactKind::Watch
            | FactKind::RuntimeChanged
            | FactKind::RuntimeForgot
            | FactKind::Scheduler
            | FactKind::Controller => None,
        }
    }

    /// How an object was after a change, in a line.
    pub fn headline(&self, id: FactId) -> String {
        let fact = self.record.fact(id);
        let Some(pod) = fact.pod() else { return self.told(id) };
        let ready = if pod.is_true("Ready") { "ready" } else { "not ready" };
        let mut told = vec![pod.phase.to_string(), ready.to_owned()];
        told.extend(pod.containers.iter().filter_map(|container| match container.state {
            StateView::Waiting(reason) if !reason.is_empty() => Some(format!("container {} {reason}", container.name)),
            StateView::Waiting(_) | StateView::Running | StateView::Terminated(_) => None,
        }));
        if pod.restarts() > 0 {
            told.push(format!("{} restarts", pod.restarts()));
        }
        format!("{} at {}", told.join(", "), short(fact.time.since(SimTime::ZERO)))
    }

    /// What a fact says, in any case.
    pub fn told(&self, id: FactId) -> String {
        self.sentence(id).unwrap_or_else(|| self.plain(id))
    }

    fn plain(&self, id: FactId) -> String {
        let fact = self.record.fact(id);
        let object = fact.subject().map_or_else(String::new, |_| format!(" {}", self.object(fact)));
        format!("{} {}{object}.", fact.kind.as_str(), fact.what)
    }

    fn aside(&self, id: FactId) -> String {
        let text = self.told(id);
        let fact = self.record.fact(id);
        if fact.subject().is_some() { format!("{} ({})", text, self.object(fact)) } else { text }
    }

    fn is_pod(&self, fact: &Fact) -> bool {
        fact.subject().is_some_and(|subject| self.record.subject(subject).is_pod())
    }

    fn object(&self, fact: &Fact) -> String {
        fact.subject().map_or_else(|| "nothing".to_owned(), |subject| self.record.subject(subject).to_string())
    }

    fn action(&self, fact: &Fact) -> String {
        let object = if fact.subject().is_some() { format!(" {}", self.object(fact)) } else { String::new() };
        format!("{}{object}", words(fact.what))
    }

    fn kubelet(&self, fact: &Fact) -> Option<String> {
        let part = fact.part;
        Some(match fact.what {
            "WorkerWakes" => "The pod's worker syncs it.".to_owned(),
            "WorkQueueTick" => "The pod's wait is over; its worker syncs it.".to_owned(),
            "DeadlineTick" => "The pod has been active for too long.".to_owned(),
            "StopTimer" => format!("A wait within the stopping of container {part} is over."),
            "PodLifecycleEvent" => "The relist of the runtime sees the change; the pod is synced.".to_owned(),
            "RelistPod" => "The runtime's state of the pod is read.".to_owned(),
            "PodKilled" => "Everything of the pod has stopped.".to_owned(),
            "ReadEnvFiles" => "Files are read that variables come from.".to_owned(),
            "VolumePoll" => "The pod's volumes are looked at.".to_owned(),
            "ProbeDue" => "A probe is due.".to_owned(),
            "ProbeNews" if part.is_empty() => "A probe has a new verdict.".to_owned(),
            "ProbeNews" => format!("A probe of container {part} has a new verdict."),
            "Start" => "The kubelet starts.".to_owned(),
            "Housekeeping" => "The kubelet cleans up.".to_owned(),
            _ => return None,
        })
    }

    fn asked(&self, fact: &Fact) -> Option<String> {
        let (part, number) = (fact.part, fact.number().unwrap_or_default());
        Some(match fact.what {
            "RunPodSandbox" => "The runtime is to make the pod's sandbox.".to_owned(),
            "PullImage" => format!("The runtime is to pull {part}."),
            "CreateContainer" if number > 0 => format!("The runtime is to create container {part} again ({number})."),
            "CreateContainer" => format!("The runtime is to create container {part}."),
            "StartContainer" => format!("The runtime is to start container {part}."),
            "StopContainer" => format!("The runtime is to stop container {part}."),
            "StopPodSandbox" => "The runtime is to stop the pod's sandbox.".to_owned(),
            "ExecSync" => format!("A command runs in container {part}."),
            _ => return None,
        })
    }

    fn answered(&self, fact: &Fact) -> Option<String> {
        let part = fact.part;
        if let Some(failure) = fact.failure() {
            return Some(format!("{} of {part} fails: {} {}.", fact.what, failure.reason, failure.message));
        }
        Some(match fact.what {
            "RunPodSandbox" => "The sandbox is ready.".to_owned(),
            "PullImage" => format!("The image {part} is there."),
            "StartContainer" => format!("Container {part} runs."),
            "StopContainer" => format!("Container {part} has stopped."),
            "ExecSync" => format!("The command in container {part} ended with {}.", fact.number().unwrap_or_default()),
            _ => return None,
        })
    }

    fn runtime(&self, fact: &Fact) -> Option<String> {
        let part = fact.part;
        Some(match fact.what {
            "ProgramEnd" => {
                format!("A process of container {part} ends with exit code {}.", fact.number().unwrap_or_default())
            }
            "OverLimit" => "The kernel kills what uses more memory than its limit.".to_owned(),
            "Kill" => format!("The process of container {part} is killed."),
            _ => return None,
        })
    }

    fn change(&self, id: FactId) -> Option<String> {
        let fact = self.record.fact(id);
        let object = self.object(fact);
        if let Some(event) = fact.event() {
            let times = if event.count > 1 { format!(" (said {} times)", event.count) } else { String::new() };
            let about = format!("{}/{}/{}", event.about_kind, event.about_namespace, event.about_name);
            let said = event.message.trim();
            return Some(format!("{} event {} about {about}: {said}{times}", event.kind, event.reason));
        }
        match fact.what {
            "ADDED" => return Some(format!("{object} is stored.")),
            "DELETED" => return Some(format!("{object} is removed.")),
            _ => {}
        }
        let before = self.before.get(&id).map(|id| self.record.fact(*id));
        let told = match (fact.pod(), before.and_then(Fact::pod)) {
            (Some(now), Some(before)) => pod_changes(&before, &now),
            _ => {
                let before = before.and_then(Fact::object);
                before.zip(fact.object()).map_or_else(Vec::new, |(before, now)| field_changes(&before, &now))
            }
        };
        Some(if told.is_empty() { format!("{object} changes.") } else { format!("{object}: {}.", told.join(", ")) })
    }
}

/// What is new in a version of a pod.
fn pod_changes(before: &PodView, now: &PodView) -> Vec<String> {
    let mut told = Vec::new();
    if before.node != now.node {
        told.push(format!("bound to {}", now.node));
    }
    if now.terminating && !before.terminating {
        told.push("its deletion begins".to_owned());
    }
    if before.phase != now.phase {
        let reason = if now.reason.is_empty() { String::new() } else { format!(" ({})", now.reason) };
        told.push(format!("phase {}{reason}", now.phase));
    }
    for container in &now.containers {
        container_changes(before.container(container.name), container, &mut told);
    }
    for condition in &now.conditions {
        let known = before.conditions.iter().find(|known| known.kind == condition.kind);
        if known.is_none_or(|known| known.status != condition.status) {
            let news = known.is_some() || condition.status == "True";
            told.extend(news.then(|| format!("{} {}", condition.kind, condition.status)));
        }
    }
    told
}

fn container_changes(before: Option<&ContainerView>, now: &ContainerView, told: &mut Vec<String>) {
    let name = now.name;
    if before.is_none_or(|before| before.state != now.state) {
        match now.state {
            StateView::Waiting(reason) if reason.is_empty() => {}
            StateView::Waiting(reason) => told.push(format!("container {name} waits ({reason})")),
            StateView::Running => told.push(format!("container {name} runs")),
            StateView::Terminated(end) => {
                told.push(format!("container {name} has ended with {} ({})", end.exit_code, end.reason));
            }
        }
    }
    if before.is_some_and(|before| before.restarts != now.restarts) {
        told.push(format!("restart {} of container {name}", now.restarts));
    }
}

/// The fields that differ, as long as they are few; bookkeeping is left out.
fn field_changes(before: &Value, now: &Value) -> Vec<String> {
    let mut told = Vec::new();
    let names =
        |value: &Value| value.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    for part in ["spec", "status"] {
        let mut fields = [names(&before[part]), names(&now[part])].concat();
        fields.sort();
        fields.dedup();
        for field in fields.iter().filter(|field| before[part][field] != now[part][field]) {
            let (old, new) = (&before[part][field], &now[part][field]);
            let scalar = |value: &Value| !value.is_object() && !value.is_array();
            told.push(match (scalar(old), scalar(new)) {
                (true, true) if old.is_null() => format!("{field} {new}"),
                (true, true) => format!("{field} {old} → {new}"),
                _ => format!("{field} changes"),
            });
        }
    }
    told.truncate(4);
    told
}

/// `RestartKubelet` as `restart kubelet`.
pub(super) fn words(name: &str) -> String {
    name.chars().fold(String::new(), |mut words, letter| {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
        words
    })
}

/// So many steps of a long story are told at its beginning, and so many at its end.
const TOLD: (usize, usize) = (16, 24);

/// The steps as lines of text: when, how long after the one before, who, what. Long stories are cut in the middle
/// unless all is asked for.
pub fn text(steps: &[Step], all: bool) -> String {
    let who = steps.iter().map(|step| step.who.len()).max().unwrap_or_default();
    let line = |(place, step): (usize, &Step)| {
        let after = if place == 0 { String::new() } else { format!("+{}", short(step.after)) };
        format!(
            "{:>4}. {:>10}  {after:>8}  {:<who$}  {}\n",
            place + 1,
            short(step.at.since(SimTime::ZERO)),
            step.who,
            step.what
        )
    };
    let lines = steps.iter().enumerate().map(line);
    let hidden = steps.len().saturating_sub(TOLD.0 + TOLD.1);
    if all || hidden == 0 {
        return lines.collect();
    }
    let note = format!("      … {hidden} steps between (--all tells them) …\n");
    lines.clone().take(TOLD.0).chain([note]).chain(lines.skip(TOLD.0 + hidden)).collect()
}

/// A span with three or four digits.
fn short(span: SimDuration) -> String {
    let micros = span.as_nanos() / 1_000;
    match micros {
        0..1_000 => format!("{:.2}ms", micros as f64 / 1e3),
        1_000..1_000_000 => format!("{:.1}ms", micros as f64 / 1e3),
        1_000_000..60_000_000 => format!("{:.2}s", micros as f64 / 1e6),
        _ => label(SimTime::ZERO + span),
    }
}

/// A fact in a line, as in the file.
pub fn line(record: &TraceRecord, id: FactId) -> String {
    let fact = record.fact(id);
    let about = fact.subject().map(|subject| format!(" {}", record.subject(subject))).unwrap_or_default();
    let part = if fact.part.is_empty() { String::new() } else { format!(" {}", fact.part) };
    let number = fact.number().map(|number| format!(" {number}")).unwrap_or_default();
    let failure = fact.failure().map(|failure| format!(": {} {}", failure.reason, failure.message)).unwrap_or_default();
    let time = short(fact.time.since(SimTime::ZERO));
    format!(
        "{time} #{} {} {} {}{about}{part}{number}{failure}",
        id.index(),
        record.actor(fact.actor),
        fact.kind.as_str(),
        fact.what
    )
}

/// The last event with a reason about an object up to an instant.
pub fn last_event(record: &TraceRecord, about: SubjectId, reason: &str, until: SimTime) -> Option<FactId> {
    let about = record.subject(about);
    let fits = |fact: &Fact| {
        fact.time <= until
            && fact.event().is_some_and(|event| {
                event.reason == *reason
                    && (event.about_kind, event.about_namespace, event.about_name)
                        == (about.kind, about.namespace, about.name)
            })
    };
    record.iter().rev().find(|(_, fact)| fact.kind == FactKind::Change && fits(fact)).map(|(id, _)| id)
}

/// Finds an object by what people call it: `Pod/default/web`, `pod/web`, `default/web` or `web`.
///
/// # Errors
/// What there is instead.
pub fn find(record: &TraceRecord, wanted: &str) -> Result<SubjectId, String> {
    let parts: Vec<&str> = wanted.split('/').collect();
    let fits = |kind: Name, namespace: Name, name: Name| match parts.as_slice() {
        [k, ns, n] => kind.eq_ignore_ascii_case(k) && namespace == **ns && name == **n,
        [first, n] => name == **n && (kind.eq_ignore_ascii_case(first) || (kind == "Pod" && namespace == **first)),
        [n] => kind == "Pod" && name == **n,
        _ => false,
    };
    let known = |(_, subject): &(SubjectId, &crate::trace::Subject)| !subject.uid.is_empty();
    let found = record.subjects().filter(known).filter(|(_, s)| fits(s.kind, s.namespace, s.name)).last();
    found.map(|(id, _)| id).ok_or_else(|| {
        let mut pods: Vec<String> =
            record.subjects().filter(known).filter(|(_, s)| s.is_pod()).map(|(_, s)| s.to_string()).collect();
        let more = pods.len().saturating_sub(5);
        pods.truncate(5);
        let more = if more > 0 { format!(" or one of {more} more") } else { String::new() };
        format!("{wanted}: no such object in this trace; name one as {}{more}", pods.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::test_run::crash_loop;

    #[test]
    fn a_ready_pod_is_explained_from_the_user_to_the_condition() {
        let record = crash_loop();
        let why = Why::of(&record);
        let web = find(&record, "pod/web").expect("the pod is there");
        let last = why.last_change(web, SimTime::MAX).expect("it changed");
        let steps = why.steps(last);
        let said: Vec<&str> = steps.iter().map(|step| step.what.as_str()).collect();
        let mut rest = said.iter();
        for part in [
            "The scenario says: create Pod/default/web.",
            "Pod/default/web is stored.",
            "bound to node-1",
            "The runtime is to make the pod's sandbox.",
            "The image registry.example/app:1 is there.",
            "The runtime is to start container app.",
            "Ready True",
        ] {
            assert!(rest.any(|sentence| sentence.contains(part)), "{part} is missing in {said:#?}");
        }
    }

    #[test]
    fn a_program_that_ends_stands_in_the_story_of_a_restart() {
        let record = crash_loop();
        let why = Why::of(&record);
        let crash = find(&record, "pod/crash").expect("the pod is there");
        let steps = why.steps(why.last_change(crash, SimTime::MAX).expect("it changed"));
        let said = |step: &Step| step.what.starts_with("A process of container") && step.what.contains("exit code");
        assert!(steps.iter().any(said), "{:#?}", steps.iter().map(|step| &step.what).collect::<Vec<_>>());
    }

    #[test]
    fn objects_go_by_what_people_call_them() {
        let record = crash_loop();
        let all: Vec<_> =
            ["web", "default/web", "pod/web", "Pod/default/web"].iter().map(|name| find(&record, name)).collect();
        assert!(all.iter().all(|found| found == &all[0] && found.is_ok()), "{all:?}");
        let error = find(&record, "nobody").expect_err("there is no such pod");
        assert_eq!(
            error,
            "nobody: no such object in this trace; name one as Pod/default/web, Pod/default/crash, Pod/default/gone"
        );
    }
}
