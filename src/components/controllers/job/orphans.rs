//! Pods that wait to be counted by a Job that will not count them: they lose their finalizer (`syncOrphanPod`).

use super::{is_finished, is_tracked, manage, resolve};
use crate::api::{Job, Kind, Pod};
use crate::components::controllers::flow::{Desk, Flow, Step};
use crate::components::controllers::host::{Controller, Seen, Settings};
use crate::components::controllers::informers::Informers;
use crate::components::controllers::interest::Interest;
use crate::components::controllers::work_queue::Key;
use std::sync::Arc;

/// The worker that frees orphaned pods of Jobs.
#[derive(Debug, Clone)]
pub struct JobOrphanController;

impl Controller for JobOrphanController {
    type Key = Key;
    type View = Arc<Pod>;
    const INTEREST: Interest = Interest::in_kinds(&[Kind::Pod, Kind::Job]);

    fn settings(&self) -> Settings {
        Settings { workers: 1, ..Settings::new("job-controller") }
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<Key>) {
        if let Some((_, pod)) = seen.of::<Pod>() {
            if !seen.is_deletion() && is_orphaned(pod, seen.informers) {
                desk.queue.add(Key::of(&pod.meta));
            }
        } else if let Some((_, job)) = seen.of::<Job>()
            && (seen.is_deletion() || is_finished(job))
        {
            for pod in seen.informers.list_pods_of(job.meta.uid).iter().filter(|pod| is_tracked(pod)) {
                desk.queue.add(Key::of(&pod.meta));
            }
        }
    }

    fn view(&mut self, key: Key, informers: &Informers, _desk: &mut Desk<Key>) -> Option<Arc<Pod>> {
        let pod = informers.store().pods.find(key.namespace, key.name)?;
        (is_tracked(pod) && !is_awaited(pod, informers)).then(|| pod.clone())
    }

    fn sync(&mut self, pod: &Arc<Pod>, flow: &mut Flow<'_, Key>) -> Step {
        let answers = flow.all(|| vec![manage::release(pod)])?;
        let gone = |error: &crate::api::ApiError| matches!(error.code, 404 | 409);
        answers.into_iter().find_map(Result::err).filter(|error| !gone(error)).map_or(Ok(()), |error| Err(error.into()))
    }
}

/// Whether a Job that has not finished will count the pod.
fn is_awaited(pod: &Pod, informers: &Informers) -> bool {
    let owner = pod.meta.controller();
    owner.and_then(|owner| resolve(owner, pod.meta.namespace, informers)).is_some_and(|job| !is_finished(job))
}

/// Whether nobody will count a pod that is on its way out, or has no controller.
fn is_orphaned(pod: &Pod, informers: &Informers) -> bool {
    let leaving = pod.meta.is_terminating() || pod.meta.controller().is_none();
    leaving && is_tracked(pod) && !is_awaited(pod, informers)
}
