//! Attachments are made and undone on demand: the part of `external-attacher` beside each CSI driver.
//!
//! Follows `pkg/controller/csi_handler.go` of `kubernetes-csi/external-attacher`. One attacher stands for all of them;
//! it fails only if a fault says so. Left out: its finalizer on volumes, whose effect the provisioner minds.

use super::super::flow::{Desk, Flow, Step};
use super::super::host::{Controller, Seen, Settings};
use super::super::informers::Informers;
use super::super::interest::Interest;
use super::super::work_queue::{Key, QueueKey};
use crate::api::{Amendment, ApiError, ErrorReason, Kind, Name, Object, Part, Request, Target, Text, VolumeAttachment};
use crate::engine::{Distribution, Purpose, SimDuration, SimTime};
use std::collections::BTreeMap;
use std::sync::Arc;

const ATTACH: Purpose = Purpose::new("attach");
const DETACH: Purpose = Purpose::new("detach");

/// The controller that has drivers attach and detach.
#[derive(Debug, Clone)]
pub struct AttacherController {
    attach: Distribution,
    detach: Distribution,
    /// What is under way, and when it is done.
    due: BTreeMap<(Key, Wish), SimTime>,
    /// What drivers say instead of attaching and detaching.
    failures: (Option<Text>, Option<Text>),
    /// How much longer they need to attach.
    later: SimDuration,
}

/// What is to become of an attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    Attach,
    Detach,
}

/// What one sync sees: an attachment, what is wished of it, and when that is done if it has begun.
#[derive(Debug, Clone)]
pub struct View {
    attachment: Arc<VolumeAttachment>,
    wish: Wish,
    due: Option<SimTime>,
    failure: Option<Text>,
}

impl AttacherController {
    /// An attacher that needs so long for each.
    pub const fn new(attach: Distribution, detach: Distribution) -> Self {
        Self { attach, detach, due: BTreeMap::new(), failures: (None, None), later: SimDuration::ZERO }
    }

    /// Drivers fail to attach and to detach from now on, or work; they attach so much later than usual.
    pub fn fail(&mut self, failures: (Option<Text>, Option<Text>), later: SimDuration) {
        self.failures = failures;
        self.later = later;
    }
}

impl Default for AttacherController {
    fn default() -> Self {
        Self::new(Distribution::ZERO, Distribution::ZERO)
    }
}

/// The finalizer that keeps an attachment until its volume is detached (`GetFinalizerName`).
fn finalizer(driver: Name) -> Name {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' };
    Name::new(&format!("external-attacher/{}", driver.chars().map(plain).collect::<String>()))
}

impl Controller for AttacherController {
    type Key = Key;
    type View = View;
    const INTEREST: Interest = Interest::in_kinds(&[Kind::VolumeAttachment]);

    fn settings(&self) -> Settings {
        Settings { workers: 10, ..Settings::new("external-attacher") }
    }

    fn observe(&mut self, seen: &Seen<'_>, desk: &mut Desk<Key>) {
        let Object::VolumeAttachment(attachment) = seen.new else { return };
        let key = Key::of(&attachment.meta);
        if seen.is_deletion() {
            self.due.retain(|(have, _), _| *have != key);
        } else {
            desk.queue.add(key);
        }
    }

    fn view(&mut self, key: Key, informers: &Informers, desk: &mut Desk<Key>) -> Option<View> {
        let attachment = informers.store().volume_attachments.find(Name::default(), key.name)?.clone();
        let wish = if attachment.meta.is_terminating() { Wish::Detach } else { Wish::Attach };
        let done = match wish {
            Wish::Attach => attachment.attached,
            Wish::Detach => !attachment.meta.finalizers.contains(&finalizer(attachment.attacher)),
        };
        if done {
            self.due.retain(|(have, _), _| *have != key);
            return None;
        }
        let due = self.due.get(&(key, wish)).copied();
        if let Some(due) = due {
            // It is looked at again then, also if a retry has taken its place in the queue.
            if due > desk.now {
                desk.queue.add_at(due, key);
            }
        } else {
            let (takes, purpose) = match wish {
                Wish::Attach => (&self.attach, ATTACH),
                Wish::Detach => (&self.detach, DETACH),
            };
            let later = if wish == Wish::Attach { self.later } else { SimDuration::ZERO };
            let due = desk.now + later + desk.draws.sample(takes, purpose, key.stream(), desk.now.as_nanos());
            self.due.insert((key, wish), due);
            desk.queue.add_at(due, key);
        }
        let failure = match wish {
            Wish::Attach => self.failures.0.clone(),
            Wish::Detach => self.failures.1.clone(),
        };
        Some(View { attachment, wish, due, failure })
    }

    fn sync(&mut self, view: &View, flow: &mut Flow<'_, Key>) -> Step {
        let name = view.attachment.meta.name;
        let target = Target { kind: Kind::VolumeAttachment, namespace: Name::default(), name };
        let finalizer = finalizer(view.attachment.attacher);
        let request = match (view.wish, view.due) {
            (Wish::Attach, None) => {
                let mut held = VolumeAttachment::clone(&view.attachment);
                held.meta.finalizers = held.meta.finalizers.with(finalizer);
                Request::Update { object: Object::VolumeAttachment(Arc::new(held)), part: Part::Main }
            }
            (_, Some(due)) if due > flow.now() => return Ok(()), // It is under way.
            // `AttachError` of the attachment, which nothing here reads; it is tried again.
            (_, Some(_)) if view.failure.is_some() => {
                let why = view.failure.clone().unwrap_or_default();
                return Err(ApiError::new(ErrorReason::InternalError, why).into());
            }
            (Wish::Attach, Some(_)) => {
                // A patch, of whatever version is stored (`MarkAsAttached`).
                let mut attached = VolumeAttachment::clone(&view.attachment);
                attached.attached = true;
                attached.meta.resource_version = 0;
                Request::Update { object: Object::VolumeAttachment(Arc::new(attached)), part: Part::Status }
            }
            (Wish::Detach, None) => return Ok(()),
            (Wish::Detach, Some(_)) => {
                let amendment = Amendment::RemoveFinalizers([finalizer].into_iter().collect());
                Request::Amend { target, uid: None, amendment }
            }
        };
        match flow.call(|| request)? {
            Err(error) if error.reason != ErrorReason::NotFound => Err(error.into()),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}
