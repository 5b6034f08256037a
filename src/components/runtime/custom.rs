//! Process models of those who use the library: what a container does, decided when it starts.

use super::Process;
use crate::api::{Name, Pod};
use crate::engine::SimTime;
use std::fmt::Debug;

/// Decides what containers do. Asked before the rules of the scenario; a pure function, so that a fork stays one.
pub trait ProcessModel: Debug + Send + Sync {
    /// What a container does in this run of it; nothing if somebody else is to say.
    fn process(&self, run: &ProcessRun<'_>) -> Option<Process>;
}

/// A container that starts.
#[derive(Debug, Clone, Copy)]
pub struct ProcessRun<'a> {
    /// The pod as it was when its sandbox was made.
    pub pod: &'a Pod,
    /// The container.
    pub container: Name,
    /// How often it has run before.
    pub runs: u32,
    /// The present.
    pub now: SimTime,
}
