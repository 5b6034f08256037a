//! What kubectl asks nodes and the metrics server for, which objects do not say.

use jiff::Timestamp;

/// A line of a container's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it ended.
    pub at: Timestamp,
    /// What it says.
    pub text: String,
    /// Whether it ends with a line break.
    pub complete: bool,
}

/// What something uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Thousandths of a CPU.
    pub milli_cpu: i64,
    /// Bytes of memory.
    pub memory: i64,
}

/// Why a node does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreachable {
    /// There is nothing behind the objects.
    NotSimulated,
    /// Nobody listens at its address.
    Down {
        /// The address.
        address: String,
        /// The word of the network.
        why: &'static str,
    },
}

/// The nodes of a cluster, alive.
pub trait Live {
    /// The log of an instance of a container, by the identity that the pod's status shows.
    ///
    /// # Errors
    /// Why the node does not answer.
    fn log(&self, node: &str, namespace: &str, pod: &str, instance: &str) -> Result<Vec<LogLine>, Unreachable>;

    /// What the containers of a pod use, by name, if that was measured.
    fn pod_usage(&self, namespace: &str, pod: &str) -> Option<Vec<(String, Usage)>>;

    /// What a node uses, if that was measured.
    fn node_usage(&self, node: &str) -> Option<Usage>;
}

/// Objects without a cluster behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nobody;

impl Live for Nobody {
    fn log(&self, _node: &str, _namespace: &str, _pod: &str, _instance: &str) -> Result<Vec<LogLine>, Unreachable> {
        Err(Unreachable::NotSimulated)
    }

    fn pod_usage(&self, _namespace: &str, _pod: &str) -> Option<Vec<(String, Usage)>> {
        None
    }

    fn node_usage(&self, _node: &str) -> Option<Usage> {
        None
    }
}
