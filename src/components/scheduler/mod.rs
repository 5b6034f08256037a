//! The scheduler: which pod is placed next, where, and why not.

use super::message::{Client, Message};
use crate::api::{Change, ChangeKind, Name, Object, Request};
use crate::engine::{Outbox, SimTime};

/// Something that happens inside the scheduler.
#[derive(Debug, Clone, strum::IntoStaticStr)]
pub enum SchedulerMessage {
    /// A scheduling cycle is over.
    CycleDone,
}

/// The scheduler and everything that it knows.
#[derive(Debug, Clone, Default)]
pub struct Scheduler {
    nodes: Vec<Name>,
    calls: u32,
    next: usize,
}

impl Scheduler {
    /// The scheduler's watch tells of a change.
    pub fn watched(&mut self, _now: SimTime, change: Change, out: &mut Outbox<Message>) {
        match change.object {
            Object::Node(node) if change.kind == ChangeKind::Added => self.nodes.push(node.meta.name),
            Object::Pod(pod) if change.kind == ChangeKind::Added && pod.node_name.is_empty() => {
                let node = self.nodes[self.next % self.nodes.len()];
                self.next += 1;
                self.calls += 1;
                let request =
                    Request::Bind { namespace: pod.meta.namespace, name: pod.meta.name, uid: pod.meta.uid, node };
                out.now(Message::Call { client: Client::Scheduler, id: self.calls, request: Box::new(request) });
            }
            _ => {}
        }
    }

    /// Advances the scheduler by one message.
    pub fn handle(&mut self, _now: SimTime, message: SchedulerMessage, _out: &mut Outbox<Message>) {
        match message {
            SchedulerMessage::CycleDone => {}
        }
    }
}
