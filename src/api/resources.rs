//! Amounts of resources, in the integers that Kubernetes computes with: CPU in thousandths, the rest in whole units.

use super::names;
use super::{List, Name, Quantity, QuantityFormat};
use serde::Serialize;

names! {
    CPU = "cpu";
    MEMORY = "memory";
    EPHEMERAL_STORAGE = "ephemeral-storage";
    STORAGE = "storage";
    PODS = "pods";
}

/// Requests or limits as written: each named resource with its amount, ordered by name.
///
/// Absent and zero are different: defaulting, quality of service and quotas ask which it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize)]
pub struct ResourceList(List<(Name, i64)>);

impl ResourceList {
    /// Nothing stated.
    pub const EMPTY: Self = Self(List::EMPTY);

    /// The amount of a resource, if stated.
    pub fn get(&self, resource: Name) -> Option<i64> {
        self.0.iter().find(|(name, _)| *name == resource).map(|(_, amount)| *amount)
    }

    /// Millicores, zero if not stated.
    pub fn milli_cpu(&self) -> i64 {
        self.get(*CPU).unwrap_or(0)
    }

    /// Bytes, zero if not stated.
    pub fn memory(&self) -> i64 {
        self.get(*MEMORY).unwrap_or(0)
    }

    /// Bytes of a volume, zero if not stated.
    pub fn storage(&self) -> i64 {
        self.get(*STORAGE).unwrap_or(0)
    }

    /// Names and amounts in order of the names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Name, i64)> + '_ {
        self.0.iter().copied()
    }

    /// Whether nothing is stated.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// This list with a resource set.
    #[must_use]
    pub fn with(&self, resource: Name, amount: i64) -> Self {
        self.iter().filter(|(name, _)| *name != resource).chain([(resource, amount)]).collect()
    }

    /// Adds another list, resource by resource.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        other.iter().fold(self.clone(), |sum, (name, amount)| sum.with(name, sum.get(name).unwrap_or(0) + amount))
    }

    /// The larger amount of each resource of either list.
    #[must_use]
    pub fn max(&self, other: &Self) -> Self {
        let larger = |list: &Self, name, amount| list.get(name).is_none_or(|have| have < amount);
        other.iter().fold(
            self.clone(),
            |most, (name, amount)| {
                if larger(&most, name, amount) { most.with(name, amount) } else { most }
            },
        )
    }

    /// These amounts, and those of `defaults` that are not stated here.
    #[must_use]
    pub fn or(&self, defaults: &Self) -> Self {
        defaults.iter().filter(|(name, _)| self.get(*name).is_none()).chain(self.iter()).collect()
    }
}

impl FromIterator<(Name, i64)> for ResourceList {
    fn from_iter<I: IntoIterator<Item = (Name, i64)>>(amounts: I) -> Self {
        let mut amounts: Vec<_> = amounts.into_iter().collect();
        amounts.sort();
        Self(amounts.into())
    }
}

/// An amount as Kubernetes prints it: `500m` of CPU, `1Gi` of memory, `3` of anything else. The prefixes that quotas
/// use (`requests.`, `limits.`) make no difference.
pub fn format_amount(resource: Name, amount: i64) -> String {
    let base = resource.strip_prefix("requests.").or_else(|| resource.strip_prefix("limits.")).unwrap_or(&resource);
    match base {
        "cpu" => Quantity::from_milli(amount, QuantityFormat::DecimalSI).to_string(),
        "memory" | "ephemeral-storage" | "storage" => Quantity::new(amount, QuantityFormat::BinarySI).to_string(),
        _ if base.starts_with("hugepages-") || base.ends_with("/requests.storage") => {
            Quantity::new(amount, QuantityFormat::BinarySI).to_string()
        }
        _ => Quantity::new(amount, QuantityFormat::DecimalSI).to_string(),
    }
}

/// A resource vector for arithmetic: the resources that every node has by field, the others by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize)]
pub struct Resources {
    /// Thousandths of a CPU.
    pub milli_cpu: i64,
    /// Bytes of memory.
    pub memory: i64,
    /// Bytes of local ephemeral storage.
    pub ephemeral_storage: i64,
    /// Huge pages, extended and attachable resources, ordered by name.
    pub scalars: Vec<(Name, i64)>,
}

impl Resources {
    /// The amount of a resource; zero where there is none.
    pub fn get(&self, resource: Name) -> i64 {
        if resource == *CPU {
            self.milli_cpu
        } else if resource == *MEMORY {
            self.memory
        } else if resource == *EPHEMERAL_STORAGE {
            self.ephemeral_storage
        } else {
            self.scalars.iter().find(|(name, _)| *name == resource).map_or(0, |(_, amount)| *amount)
        }
    }

    /// Adds to one resource.
    pub fn add_one(&mut self, resource: Name, amount: i64) {
        if resource == *CPU {
            self.milli_cpu += amount;
        } else if resource == *MEMORY {
            self.memory += amount;
        } else if resource == *EPHEMERAL_STORAGE {
            self.ephemeral_storage += amount;
        } else {
            match self.scalars.binary_search_by(|(name, _)| name.cmp(&resource)) {
                Ok(place) => self.scalars[place].1 += amount,
                Err(place) => self.scalars.insert(place, (resource, amount)),
            }
        }
    }

    /// Adds a vector.
    pub fn add(&mut self, other: &Self) {
        self.milli_cpu += other.milli_cpu;
        self.memory += other.memory;
        self.ephemeral_storage += other.ephemeral_storage;
        for &(name, amount) in &other.scalars {
            self.add_one(name, amount);
        }
    }

    /// Takes a vector away.
    pub fn subtract(&mut self, other: &Self) {
        self.milli_cpu -= other.milli_cpu;
        self.memory -= other.memory;
        self.ephemeral_storage -= other.ephemeral_storage;
        for &(name, amount) in &other.scalars {
            self.add_one(name, -amount);
        }
    }

    /// Whether nothing is asked for.
    pub fn is_zero(&self) -> bool {
        self.milli_cpu == 0
            && self.memory == 0
            && self.ephemeral_storage == 0
            && self.scalars.iter().all(|(_, amount)| *amount == 0)
    }
}

impl From<&ResourceList> for Resources {
    fn from(list: &ResourceList) -> Self {
        let mut sum = Self::default();
        for (name, amount) in list.iter().filter(|(name, _)| *name != *PODS) {
            sum.add_one(name, amount);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_keep_absent_and_zero_apart() {
        let list: ResourceList = [(*MEMORY, 0), (*CPU, 500)].into_iter().collect();
        assert_eq!((list.get(*MEMORY), list.get(*PODS)), (Some(0), None));
        let more = list.plus(&[(*CPU, 250), (*PODS, 1)].into_iter().collect());
        assert_eq!((more.milli_cpu(), more.get(*PODS)), (750, Some(1)));
        assert_eq!(list.max(&more).milli_cpu(), 750);
        assert_eq!(list.or(&more).get(*PODS), Some(1));
        assert_eq!(list.or(&more).milli_cpu(), 500);
    }

    #[test]
    fn vectors_add_and_subtract_by_name() {
        let dongle = Name::new("example.com/dongle");
        let mut sum = Resources::from(&[(*CPU, 100), (dongle, 3)].into_iter().collect::<ResourceList>());
        sum.add(&sum.clone());
        assert_eq!((sum.get(*CPU), sum.get(dongle)), (200, 6));
        sum.subtract(&sum.clone());
        assert!(sum.is_zero());
    }
}
