//! What is asked: manifests as people write them, recorded cases, and the checked plan that a run is made from.

pub mod manifest;
pub mod plan;
pub mod recorded;
mod yaml;
