//! Thresholds: the signals that are watched, how little of each is too little, and how it is written.
//!
//! Follows `pkg/kubelet/eviction/api/types.go` and `helpers.go` (`ParseThresholdConfig`) of Kubernetes 1.36. The
//! thresholds of `containerfs` are copies of others and never met alone, so they are left out.

use crate::api::{Quantity, QuantityFormat};
use crate::components::stats::{NodeStats, Supply};
use crate::engine::SimDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Something that a kubelet watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Signal {
    /// Memory.
    #[serde(rename = "memory.available")]
    MemoryAvailable,
    /// Bytes of the node's file system.
    #[serde(rename = "nodefs.available")]
    NodeFsAvailable,
    /// Inodes of the node's file system.
    #[serde(rename = "nodefs.inodesFree")]
    NodeFsInodesFree,
    /// Bytes of the images' file system.
    #[serde(rename = "imagefs.available")]
    ImageFsAvailable,
    /// Inodes of the images' file system.
    #[serde(rename = "imagefs.inodesFree")]
    ImageFsInodesFree,
    /// Process identities.
    #[serde(rename = "pid.available")]
    PidAvailable,
    /// Memory that pods may use together.
    #[serde(rename = "allocatableMemory.available")]
    AllocatableMemoryAvailable,
}

/// What a node condition says is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Pressure {
    Memory,
    Disk,
    Pid,
}

/// What is taken back from pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reclaimed {
    Memory,
    EphemeralStorage,
    Inodes,
    Pids,
}

impl Reclaimed {
    /// Its name in messages.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::EphemeralStorage => "ephemeral-storage",
            Self::Inodes => "inodes",
            Self::Pids => "pids",
        }
    }
}

impl Signal {
    /// All signals.
    pub const ALL: [Self; 7] = [
        Self::MemoryAvailable,
        Self::NodeFsAvailable,
        Self::NodeFsInodesFree,
        Self::ImageFsAvailable,
        Self::ImageFsInodesFree,
        Self::PidAvailable,
        Self::AllocatableMemoryAvailable,
    ];

    /// As KubeletConfiguration writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MemoryAvailable => "memory.available",
            Self::NodeFsAvailable => "nodefs.available",
            Self::NodeFsInodesFree => "nodefs.inodesFree",
            Self::ImageFsAvailable => "imagefs.available",
            Self::ImageFsInodesFree => "imagefs.inodesFree",
            Self::PidAvailable => "pid.available",
            Self::AllocatableMemoryAvailable => "allocatableMemory.available",
        }
    }

    pub(super) const fn pressure(self) -> Pressure {
        match self {
            Self::MemoryAvailable | Self::AllocatableMemoryAvailable => Pressure::Memory,
            Self::NodeFsAvailable | Self::NodeFsInodesFree | Self::ImageFsAvailable | Self::ImageFsInodesFree => {
                Pressure::Disk
            }
            Self::PidAvailable => Pressure::Pid,
        }
    }

    pub(super) const fn reclaims(self) -> Reclaimed {
        match self {
            Self::MemoryAvailable | Self::AllocatableMemoryAvailable => Reclaimed::Memory,
            Self::NodeFsAvailable | Self::ImageFsAvailable => Reclaimed::EphemeralStorage,
            Self::NodeFsInodesFree | Self::ImageFsInodesFree => Reclaimed::Inodes,
            Self::PidAvailable => Reclaimed::Pids,
        }
    }

    /// How much is left of it, if that is measured.
    pub(super) fn observe(self, stats: &NodeStats) -> Option<Supply> {
        let imagefs = stats.imagefs.as_ref().unwrap_or(&stats.nodefs);
        Some(match self {
            Self::AllocatableMemoryAvailable => return stats.allocatable_memory,
            Self::MemoryAvailable => stats.memory,
            Self::NodeFsAvailable => stats.nodefs.bytes,
            Self::NodeFsInodesFree => stats.nodefs.inodes,
            Self::ImageFsAvailable => imagefs.bytes,
            Self::ImageFsInodesFree => imagefs.inodes,
            Self::PidAvailable => stats.pids,
        })
    }

    /// An observed amount, as the kubelet writes it.
    pub(super) fn show(self, amount: i64) -> Quantity {
        let format = match self {
            Self::MemoryAvailable
            | Self::AllocatableMemoryAvailable
            | Self::NodeFsAvailable
            | Self::ImageFsAvailable => QuantityFormat::BinarySI,
            Self::NodeFsInodesFree | Self::ImageFsInodesFree | Self::PidAvailable => QuantityFormat::DecimalSI,
        };
        Quantity::new(amount, format)
    }
}

impl FromStr for Signal {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|signal| signal.as_str() == text);
        found.ok_or_else(|| format!("the eviction signal {text:?} is not known"))
    }
}

/// A limit: an amount, or a part of the capacity.
#[derive(Debug, Clone, PartialEq)]
pub enum Limit {
    /// So much.
    Amount(Quantity),
    /// So many per cent of the capacity.
    Percent(f32),
}

impl Limit {
    /// The limit for a capacity. A percentage is taken in the precision that the kubelet takes it in.
    pub(super) fn of(&self, capacity: i64) -> Quantity {
        match self {
            Self::Amount(amount) => amount.clone(),
            Self::Percent(percent) => {
                let part = f64::from(*percent / 100.0);
                Quantity::new((capacity as f64 * part) as i64, QuantityFormat::BinarySI)
            }
        }
    }
}

impl FromStr for Limit {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(percent) = text.strip_suffix('%') {
            let percent: f32 = percent.parse().map_err(|_| format!("{text:?} is no percentage"))?;
            let sane = (0.0..100.0).contains(&percent);
            return if sane { Ok(Self::Percent(percent)) } else { Err(format!("{text:?} is not between 0% and 100%")) };
        }
        text.parse().map(Self::Amount).map_err(|error| format!("{text:?}: {error}"))
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Amount(amount) => write!(f, "{amount}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Serialize for Limit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Limit {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Limit".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "description": "An amount such as 100Mi, or a percentage such as 10%."})
    }
}

/// The eviction settings of a kubelet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EvictionConfig {
    /// Too little of these, and pods go at once.
    pub hard: BTreeMap<Signal, Limit>,
    /// Too little of these for a while, and pods go.
    pub soft: BTreeMap<Signal, Limit>,
    /// For how long there must be too little.
    pub soft_grace_period: BTreeMap<Signal, SimDuration>,
    /// How much more than the limit must be there before all is well.
    pub minimum_reclaim: BTreeMap<Signal, Limit>,
    /// A node condition stands for so long after it was last observed.
    pub pressure_transition_period: SimDuration,
    /// The most seconds that a pod gets at a soft limit.
    pub max_pod_grace_period: i64,
    /// Whether pods together may use no more memory than is allocatable to them (`enforceNodeAllocatable`).
    pub enforce_allocatable: bool,
}

impl Default for EvictionConfig {
    /// `DefaultEvictionHard` of `pkg/kubelet/apis/config/v1beta1/defaults_linux.go`.
    fn default() -> Self {
        let hard = [
            (Signal::MemoryAvailable, "100Mi"),
            (Signal::NodeFsAvailable, "10%"),
            (Signal::NodeFsInodesFree, "5%"),
            (Signal::ImageFsAvailable, "15%"),
            (Signal::ImageFsInodesFree, "5%"),
        ];
        Self {
            hard: hard.into_iter().map(|(signal, limit)| (signal, limit.parse().expect("a limit"))).collect(),
            soft: BTreeMap::new(),
            soft_grace_period: BTreeMap::new(),
            minimum_reclaim: BTreeMap::new(),
            pressure_transition_period: SimDuration::from_secs(300),
            max_pod_grace_period: 0,
            enforce_allocatable: true,
        }
    }
}

/// One threshold.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Threshold {
    pub(super) signal: Signal,
    pub(super) limit: Limit,
    /// How long it must be met; none for a hard one.
    pub(super) grace: Option<SimDuration>,
    minimum_reclaim: Option<Limit>,
}

impl EvictionConfig {
    /// Every threshold: hard ones first, and at last what holds for the memory of pods as for that of the node
    /// (`addAllocatableThresholds`).
    pub(super) fn thresholds(&self) -> Vec<Threshold> {
        let threshold = |signal: &Signal, limit: &Limit, grace| Threshold {
            signal: *signal,
            limit: limit.clone(),
            grace,
            minimum_reclaim: self.minimum_reclaim.get(signal).cloned(),
        };
        let hard = self.hard.iter().map(|(signal, limit)| threshold(signal, limit, None));
        let soft = self.soft.iter().map(|(signal, limit)| {
            let grace = self.soft_grace_period.get(signal).copied().unwrap_or(SimDuration::ZERO);
            threshold(signal, limit, Some(grace))
        });
        let of_memory = self.hard.get(&Signal::MemoryAvailable).filter(|_| self.enforce_allocatable);
        let of_pods = of_memory.map(|limit| Threshold {
            signal: Signal::AllocatableMemoryAvailable,
            ..threshold(&Signal::MemoryAvailable, limit, None)
        });
        hard.chain(soft).chain(of_pods).collect()
    }
}

impl Threshold {
    /// Whether there is too little; once there was, the minimum reclaim counts too.
    pub(super) fn is_met(&self, stats: &NodeStats, was_met: bool) -> bool {
        let Some(supply) = self.signal.observe(stats) else { return false };
        let mut limit = self.limit.of(supply.capacity);
        if was_met && let Some(reclaim) = &self.minimum_reclaim {
            limit.add(&reclaim.of(supply.capacity));
        }
        supply.available < limit.value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_taken_in_single_precision() {
        // 15 % and 10 % of 100Gi, as messages of recorded evictions show them (pressure-disk-separate-imagefs).
        for (limit, shown) in [("15%", "16106128000"), ("10%", "10737418400"), ("100Mi", "100Mi"), ("1000", "1k")] {
            assert_eq!(limit.parse::<Limit>().unwrap().of(100 << 30).to_string(), shown, "{limit}");
        }
        assert_eq!("5%".parse::<Limit>().unwrap().of(6_000_000).to_string(), "300000");
        for wrong in ["x", "%", "120%", "-1%", ""] {
            assert!(wrong.parse::<Limit>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_hard_limit_of_memory_holds_for_the_memory_of_pods_too() {
        // `TestParseThresholdConfig` ("default", and with an allocatable threshold): the copy comes last.
        let mut config = EvictionConfig::default();
        let last =
            |config: &EvictionConfig| config.thresholds().pop().map(|last| (last.signal, last.limit.to_string()));
        assert_eq!(last(&config), Some((Signal::AllocatableMemoryAvailable, "100Mi".to_owned())));
        config.enforce_allocatable = false;
        assert_eq!(last(&config), Some((Signal::ImageFsInodesFree, "5%".to_owned())));
    }

    #[test]
    fn amounts_are_written_as_recorded() {
        // pressure-disk-inodes, pressure-memory-ranking, pressure-pid.
        for (signal, amount, shown) in [
            (Signal::NodeFsInodesFree, 240_000, "240k"),
            (Signal::MemoryAvailable, 48 << 20, "48Mi"),
            (Signal::MemoryAvailable, 0, "0"),
            (Signal::ImageFsAvailable, 12_477_436 << 10, "12477436Ki"),
            (Signal::PidAvailable, 563, "563"),
        ] {
            assert_eq!(signal.show(amount).to_string(), shown);
        }
    }
}
