//! What a component wants to happen next: messages with delays, in the order in which it asked.

use super::time::SimDuration;

/// The messages that one `handle` call leaves behind. The loop empties it into the queue after each call.
#[derive(Debug, Clone)]
pub struct Outbox<M> {
    messages: Vec<(SimDuration, M)>,
}

impl<M> Outbox<M> {
    /// An empty outbox.
    pub const fn new() -> Self {
        Self { messages: Vec::new() }
    }

    /// Asks for a message at this very instant, after everything that is already due at it.
    pub fn now(&mut self, message: impl Into<M>) {
        self.after(SimDuration::ZERO, message);
    }

    /// Asks for a message after a delay.
    pub fn after(&mut self, delay: SimDuration, message: impl Into<M>) {
        self.messages.push((delay, message.into()));
    }

    /// Takes the messages out, first asked first.
    pub fn drain(&mut self) -> impl Iterator<Item = (SimDuration, M)> + '_ {
        self.messages.drain(..)
    }

    /// How many messages wait to be taken.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether nothing was asked for.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}

impl<M> Default for Outbox<M> {
    fn default() -> Self {
        Self::new()
    }
}
