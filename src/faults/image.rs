//! Faults of images and registries.

use crate::components::runtime::{Glob, PullResult};
use crate::engine::Distribution;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Pulls that fail: a registry that is down, slow to answer, rate-limited, or lacks the manifest; a corrupt layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PullFailure {
    /// The images; all if nothing is said.
    pub images: Glob,
    /// What pulls come to.
    pub result: PullResult,
    /// Per cent of the pulls; all if nothing is said.
    pub percent: Option<u8>,
}

impl Default for PullFailure {
    fn default() -> Self {
        Self { images: Glob::any(), result: PullResult::RegistryUnavailable, percent: None }
    }
}

/// Pulls that take longer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PullDelay {
    /// The images; all if nothing is said.
    pub images: Glob,
    /// How much longer.
    pub by: Distribution,
}

/// Images that go from nodes, as a wrong clean-up removes them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ImageLoss {
    /// The images; all that nodes have if nothing is said.
    pub images: Glob,
}

/// A tag that means another image from now on, for whoever pulls it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TagMoved {
    /// The image that is asked for.
    pub image: String,
    /// The image that comes.
    pub to: String,
}
