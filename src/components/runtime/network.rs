//! The pod network: who listens where, and what a request over it comes to.

use crate::api::Name;
use crate::engine::SimDuration;
use std::net::Ipv4Addr;

/// A request over the pod network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetRequest {
    /// The address.
    pub address: Ipv4Addr,
    /// The port.
    pub port: u16,
    /// What is asked.
    pub target: NetTarget,
    /// How long the asker waits.
    pub timeout: SimDuration,
}

/// What is asked of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetTarget {
    /// A connection.
    Tcp,
    /// A path over HTTP.
    Http {
        /// Path and query.
        path: Name,
        /// The Host header.
        host: Name,
        /// Further headers.
        headers: Vec<(Name, Name)>,
        /// Whether over TLS.
        https: bool,
    },
    /// A health check.
    Grpc {
        /// The service.
        service: Name,
    },
}

/// What a request came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetAnswer {
    /// Nobody listens.
    Refused,
    /// A connection.
    Accepted,
    /// No answer in time.
    TimedOut,
}

/// The status of a gRPC call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrpcStatus {
    /// It worked.
    Ok,
    /// There is no such service.
    NotFound,
    /// There is no such method.
    Unimplemented,
    /// It failed.
    Internal,
}
