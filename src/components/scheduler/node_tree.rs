//! The order in which nodes are looked at: one of each zone in turn.
//!
//! Follows `pkg/scheduler/backend/cache/node_tree.go` of Kubernetes 1.36.

use super::cache::NodeSlot;
use crate::api::Name;

/// A zone of nodes: region and zone, both empty for nodes without.
pub type Zone = (Name, Name);

/// Nodes by zone, zones in order of their first node.
#[derive(Debug, Clone, Default)]
pub struct NodeTree {
    zones: Vec<(Zone, Vec<NodeSlot>)>,
}

impl NodeTree {
    /// Adds a node to its zone.
    pub fn add(&mut self, zone: Zone, node: NodeSlot) {
        match self.zones.iter_mut().find(|(have, _)| *have == zone) {
            Some((_, nodes)) => nodes.push(node),
            None => self.zones.push((zone, vec![node])),
        }
    }

    /// Removes a node; a zone without nodes loses its place.
    pub fn remove(&mut self, zone: Zone, node: NodeSlot) {
        if let Some((_, nodes)) = self.zones.iter_mut().find(|(have, _)| *have == zone) {
            nodes.retain(|have| *have != node);
        }
        self.zones.retain(|(_, nodes)| !nodes.is_empty());
    }

    /// The first node of each zone, then the second of each, and so on.
    pub fn list(&self) -> Vec<NodeSlot> {
        let longest = self.zones.iter().map(|(_, nodes)| nodes.len()).max().unwrap_or(0);
        let row = |place: usize| self.zones.iter().filter_map(move |(_, nodes)| nodes.get(place).copied());
        (0..longest).flat_map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_take_turns_until_they_are_exhausted() {
        // control-plane.md 2.7, `TestNodeTree_List`.
        let zone = |text: &str| (Name::new("r"), Name::new(text));
        let mut tree = NodeTree::default();
        for (node, name) in [(0, "b"), (1, "a"), (2, "a"), (3, "b"), (4, "a"), (5, "c")] {
            tree.add(zone(name), NodeSlot(node));
        }
        let list = |tree: &NodeTree| tree.list().into_iter().map(|slot| slot.0).collect::<Vec<_>>();
        assert_eq!(list(&tree), [0, 1, 5, 3, 2, 4]);
        tree.remove(zone("b"), NodeSlot(0));
        assert_eq!(list(&tree), [3, 1, 5, 2, 4]);
        tree.remove(zone("b"), NodeSlot(3));
        tree.add(zone("b"), NodeSlot(3));
        assert_eq!(list(&tree), [1, 5, 3, 2, 4], "an emptied zone loses its place");
    }
}
