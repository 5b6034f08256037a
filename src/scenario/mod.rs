//! What is asked: manifests as people write them, each node with its place in the file.

pub mod manifest;
mod yaml;
