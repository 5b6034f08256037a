//! What is asked: manifests as people write them, recorded cases, and the checked plan that a run is made from.

mod error;
pub mod file;
pub mod manifest;
mod outline;
pub mod plan;
pub mod recorded;
mod schema;
pub mod step;
mod yaml;

pub use error::{Place, Problem, Problems};
pub use outline::Placed;
pub use schema::schema;
