//! Probes and lifecycle handlers.

use crate::api::{List, Name, Text};
use crate::engine::SimDuration;
use serde::Serialize;
use std::fmt;

/// `v1.Probe`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Probe {
    /// How the container is asked.
    pub handler: Handler,
    /// No probe earlier than this after the start, in whole seconds.
    pub initial_delay: SimDuration,
    /// An answer later than this is a failure.
    pub timeout: SimDuration,
    /// Between two probes.
    pub period: SimDuration,
    /// Successes in a row that make a success.
    pub success_threshold: u32,
    /// Failures in a row that make a failure.
    pub failure_threshold: u32,
    /// The grace of a kill by this probe, in seconds; the pod's if absent.
    pub termination_grace_period: Option<i64>,
}

/// `v1.ProbeHandler` and `v1.LifecycleHandler`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub enum Handler {
    /// A command in the container; success is exit code 0.
    Exec {
        /// The command, not run in a shell.
        command: List<Text>,
    },
    /// An HTTP request; success is a status from 200 to 399.
    HttpGet {
        /// Path and query.
        path: Name,
        /// The port.
        port: Port,
        /// The host to connect to; empty for the pod's address.
        host: Name,
        /// Whether over TLS.
        https: bool,
        /// Further headers, in order.
        headers: List<(Name, Name)>,
    },
    /// A connection; success is that it opens.
    TcpSocket {
        /// The port.
        port: Port,
        /// The host to connect to; empty for the pod's address.
        host: Name,
    },
    /// The gRPC health protocol; success is SERVING.
    Grpc {
        /// The port.
        port: u16,
        /// The service asked for.
        service: Name,
    },
    /// A pause of so many seconds (hooks only).
    Sleep {
        /// Seconds.
        seconds: u64,
    },
}

/// A port by number or by the name that the container declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Port {
    /// By number.
    Number(u16),
    /// By name.
    Named(Name),
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(port) => write!(f, "{port}"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

/// The three kinds of probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ProbeKind {
    /// Is it up yet?
    Startup,
    /// May it get requests?
    Readiness,
    /// Must it be restarted?
    Liveness,
}

impl fmt::Display for ProbeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Startup => "Startup",
            Self::Readiness => "Readiness",
            Self::Liveness => "Liveness",
        })
    }
}
