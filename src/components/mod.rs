//! Who acts: the scheduler, the kubelets, their runtimes, the controllers and the faults, each a pure state machine.
//!
//! A component is advanced by one message at a time and answers with messages. It hears of the cluster through its
//! watch, perhaps late, asks for change with a call to the API server, and may lose to a conflict.

pub mod attachment;
pub mod controllers;
pub mod cri;
pub mod events;
pub mod extension;
pub mod kube_proxy;
pub mod kubelet;
pub mod latency;
pub mod message;
pub mod net;
pub mod pod_names;
pub mod runtime;
pub mod scheduler;
pub mod scope;
pub mod stats;
pub mod token_bucket;
pub mod url;
pub mod volume_match;
