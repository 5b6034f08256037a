//! What is asked: manifests as people write them, recorded cases, and the checked plan that a run is made from.

mod error;
pub mod expect;
mod faults;
pub mod file;
mod files;
mod kubelet_configuration;
mod load;
mod machines;
pub mod manifest;
mod names;
mod notes;
mod objects;
mod outline;
mod parts;
pub mod plan;
pub mod recorded;
mod scheduler;
mod schema;
mod setting;
pub mod step;
mod study;
mod verbs;
mod yaml;

pub use error::{Place, Problem, Problems};
pub use files::{FileError, Files};
pub use kubelet_configuration::kubelet_configuration;
pub use load::{ManifestOptions, Scenario};
pub(crate) use machines::taint as taint_of;
pub(crate) use names::object as object_named;
pub use notes::{Notes, Refusal};
pub use outline::Placed;
pub use parts::Parts;
pub use scheduler::scheduler_setup;
pub use schema::schema;
pub use setting::Setting;
pub use study::{Precision, Study, Variant};
