//! What is known: the objects of the cluster, their versions and watches. Every write enters here.
//!
//! Objects are typed records whose names are interned ([`Name`]). A manifest is parsed by the types of `k8s-openapi`
//! and lowered to such a record; what has no effect in the simulation stays with it as text and is printed with it.
//! Versions are immutable: a write puts a new one into the [`Store`], and those who watch are handed that version,
//! perhaps late.

pub mod amount;
mod clock;
mod decimal;
mod device;
mod event;
mod human_duration;
mod labels;
mod loose_order;
mod lower;
mod meta;
mod name;
mod node;
mod object;
mod patch;
mod pod;
mod pod_metrics;
mod policy;
mod quantity;
mod render;
mod request;
mod resources;
mod server;
mod service;
mod storage;
mod store;
mod validation;
mod workload;

pub use amount::Amount;
pub use clock::*;
pub use device::*;
pub use event::*;
pub use human_duration::{human_duration, short_human_duration};
pub use labels::*;
pub use loose_order::sort_loosely;
pub(crate) use lower::number;
pub use lower::{
    CustomKind, CustomKinds, FieldValidation, INERT_KINDS, InertKind, Lowered, Lowering, ServedKind, Validation,
    is_for_pod_security, lower, served_kind,
};
pub use meta::*;
pub(crate) use name::names;
pub use name::{EMPTY, FastMap, List, Name, Text};
pub use node::*;
pub(crate) use object::with_object;
pub use object::{ApiObject, Kind, Object};
pub use patch::{apply_manifest, apply_patch, merge_patch, patch_value};
pub use pod::*;
pub use pod_metrics::*;
pub use policy::*;
pub use quantity::{ParseQuantityError, Quantity, QuantityFormat};
pub use render::{render, render_both, render_status};
pub use request::*;
pub use resources::*;
pub use server::{
    Eviction, FOREGROUND_DELETION, ORPHAN_DEPENDENTS, POD_SECURITY_ENFORCE, Server, overrun_at, pod_usage,
};
pub use service::*;
pub use storage::*;
pub use store::*;
pub use validation::validate_update;
pub use workload::*;
