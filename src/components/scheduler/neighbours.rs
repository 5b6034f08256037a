//! Pods of others on the same machines, which are not simulated: only the scheduler's scores feel them.

use super::Scheduler;
use super::cache::NodeSlot;
use crate::engine::{Draws, Purpose, SimDuration, SimTime, StreamKey};

const NEIGHBOURS: Purpose = Purpose::new("neighbours");

/// How many pods others have on each node, as time goes by: so many as leave the choice of a node to chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbours {
    /// No node has more than this beyond what all have.
    pub most: u64,
    /// How long they stay.
    pub stay: SimDuration,
}

impl Neighbours {
    fn on(&self, draws: Draws, node: StreamKey, now: SimTime) -> i64 {
        let turn = now.as_nanos() / self.stay.as_nanos().max(1);
        draws.draw(NEIGHBOURS, node, turn).below(self.most + 1) as i64
    }
}

impl Scheduler {
    /// Counts the pods of others as they are now.
    pub(super) fn count_neighbours(&mut self, now: SimTime) {
        let Some(neighbours) = self.parts.setup.neighbours else { return };
        for slot in (0..self.cache.slots()).map(NodeSlot) {
            let node = StreamKey::new(&self.cache.node(slot).name());
            self.cache.set_neighbours(slot, neighbours.on(self.parts.draws, node, now));
        }
    }
}
