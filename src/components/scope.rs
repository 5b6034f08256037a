//! Which machines, pods and containers something is about.

use super::runtime::Glob;
use crate::api::{Labels, Name, Pod};
use crate::engine::{Draws, Purpose, StreamKey};

const MEMBER: Purpose = Purpose::new("member of a scope");

/// Nodes and pods by what a scenario says of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scope {
    /// The machines; any if absent.
    pub nodes: Option<Vec<Name>>,
    /// Pods by name.
    pub pods: Option<Glob>,
    /// Pods by namespace.
    pub namespace: Option<Glob>,
    /// Containers by name.
    pub containers: Option<Glob>,
    /// Labels.
    pub labels: Labels,
    /// Per cent that are meant, by chance.
    pub share: Option<u8>,
}

impl Scope {
    /// Whether a machine is meant.
    pub fn has_node(&self, node: Name) -> bool {
        self.nodes.as_ref().is_none_or(|nodes| nodes.contains(&node))
    }

    /// Whether a pod is meant that is on a machine.
    pub fn has_pod(&self, node: Name, pod: &Pod) -> bool {
        self.has_node(node)
            && self.pods.as_ref().is_none_or(|pods| pods.matches(&pod.meta.name))
            && self.namespace.as_ref().is_none_or(|namespace| namespace.matches(&pod.meta.namespace))
            && self.labels.all_in(&pod.meta.labels)
    }

    /// Whether a container is meant, of a pod that is.
    pub fn has_container(&self, name: Name) -> bool {
        self.containers.as_ref().is_none_or(|containers| containers.matches(&name))
    }

    /// Whether something of a name is among the share that is meant.
    pub fn draws(&self, draws: Draws, stream: StreamKey, member: StreamKey, occasion: u64) -> bool {
        let key = StreamKey::from_bits(stream.bits().rotate_left(17) ^ member.bits());
        self.share.is_none_or(|share| draws.draw(MEMBER, key, occasion).below(100) < u64::from(share))
    }
}
