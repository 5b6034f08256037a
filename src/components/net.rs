//! The pod network as its users see it: a request goes out to an address and a port, and something comes back, or
//! nothing in time.
//!
//! A request is one connection: whoever asks follows redirects, tries again, and words the outcome for people.

use super::message::NodeIndex;
use crate::api::{Name, Text};
use crate::engine::{SimTime, StreamKey};
use std::net::Ipv4Addr;

/// Who sends requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum NetClient {
    /// A kubelet: probes and hooks.
    Kubelet(NodeIndex),
    /// The programs in the containers of a machine.
    Containers(NodeIndex),
}

impl NetClient {
    /// The machine that requests come from.
    pub const fn node(self) -> NodeIndex {
        match self {
            Self::Kubelet(node) | Self::Containers(node) => node,
        }
    }
}

/// A request over the pod network.
#[derive(Debug, Clone, PartialEq)]
pub struct NetRequest {
    /// The address.
    pub address: Ipv4Addr,
    /// The port.
    pub port: u16,
    /// What is asked there.
    pub ask: Ask,
    /// When the asker stops waiting.
    pub deadline: SimTime,
    /// What its luck is drawn from, with the moment: whoever asks, by a stable name.
    pub stream: StreamKey,
}

/// What is asked of a listener.
#[derive(Debug, Clone, PartialEq, strum::IntoStaticStr)]
pub enum Ask {
    /// A connection.
    Connect,
    /// A page.
    Http(HttpRequest),
    /// The health of a service, by the gRPC health protocol.
    Health {
        /// The service; empty for the server as a whole.
        service: Name,
    },
}

/// A request of HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// Path and query.
    pub path: String,
    /// The Host header.
    pub host: String,
    /// Whether over TLS.
    pub tls: bool,
    /// Further headers.
    pub headers: Vec<(Name, Name)>,
}

/// What came back, and for how long the same request is sure to bring the same.
#[derive(Debug, Clone, PartialEq)]
pub struct NetReply {
    /// What came back.
    pub answer: NetAnswer,
    /// Until when it stands, unless a container of the pod that answered changes.
    pub stands_until: SimTime,
}

/// What a request came to.
#[derive(Debug, Clone, PartialEq, strum::IntoStaticStr)]
pub enum NetAnswer {
    /// Nobody listens.
    Refused,
    /// There is no way to the address.
    Unreachable,
    /// Nobody answered before the deadline.
    TimedOut,
    /// The connection is open.
    Connected,
    /// The connection was closed without an answer.
    Closed,
    /// The connection was reset; it had come from this port.
    Reset {
        /// The asker's port.
        from_port: u16,
    },
    /// The answer is not of the protocol; this is its first line.
    Malformed(Text),
    /// The server speaks plain HTTP where TLS was wanted.
    NoTls,
    /// An answer of HTTP.
    Http {
        /// The status.
        status: u16,
        /// Where a redirect leads; empty for none.
        location: Text,
        /// The body.
        body: Text,
    },
    /// The health of the service: SERVING, NOT_SERVING or UNKNOWN.
    Health(Name),
    /// A status of gRPC that is not OK.
    GrpcError {
        /// Such as `NotFound`.
        code: Name,
        /// What the server says.
        message: Text,
    },
}
