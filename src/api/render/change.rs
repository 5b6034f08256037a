//! A change of a pod: what its two versions have in common is not printed.

use super::fields::{Fields, metadata};
use super::pod;
use crate::api::{ContainerStatus, Metadata, Pod, PodStatus};
use serde_json::Value;

/// Metadata and status of two versions of a pod with the same spec, as they are printed, but without most of what they
/// share: the difference of the two is that of the whole objects.
pub(super) fn both(before: &Pod, after: &Pod) -> (Value, Value) {
    let (mut first, mut second) = (before.meta.clone(), after.meta.clone());
    thin_metadata(&mut first, &mut second);
    let (mut known, mut now) = (PodStatus::clone(&before.status), PodStatus::clone(&after.status));
    // The spec says how amounts are written and what is mounted.
    let spec = if thin_status(&mut known, &mut now) { pod::written(before) } else { Value::Null };
    let printed = |meta: &Metadata, status: &PodStatus| {
        let mut fields = Fields::default();
        fields.put("metadata", metadata(meta));
        fields.put("status", pod::status(status, &spec));
        fields.into()
    };
    (printed(&first, &known), printed(&second, &now))
}

/// Forgets what two versions say alike.
macro_rules! thin {
    ($one:expr, $other:expr; $($field:ident)*) => {
        $(if $one.$field == $other.$field {
            $one.$field = Default::default();
            $other.$field = Default::default();
        })*
    };
}

fn thin_metadata(one: &mut Metadata, other: &mut Metadata) {
    thin! { one, other;
        name namespace generate_name uid generation creation_timestamp labels annotations owner_references finalizers
    }
}

/// Tells whether it takes the spec to print what is left.
fn thin_status(one: &mut PodStatus, other: &mut PodStatus) -> bool {
    thin! { one, other;
        reason message conditions init_containers containers ephemeral_containers pod_ip host_ip start_time
        nominated_node_name observed_generation allocated_resources resources resource_claims
    }
    if one.conditions.len() == other.conditions.len() {
        for (one, other) in one.conditions.iter_mut().zip(&mut other.conditions) {
            thin! { one, other; kind reason message last_transition_time last_update_time observed_generation }
        }
    }
    let amounts = [&*one, &*other].map(|one| one.resources.is_some() || one.allocated_resources.is_some());
    let init = thin_containers(&mut one.init_containers, &mut other.init_containers);
    let regular = thin_containers(&mut one.containers, &mut other.containers);
    let ephemeral = thin_containers(&mut one.ephemeral_containers, &mut other.ephemeral_containers);
    amounts[0] || amounts[1] || init || regular || ephemeral
}

/// Tells whether it takes the spec to print what is left.
fn thin_containers(one: &mut [ContainerStatus], other: &mut [ContainerStatus]) -> bool {
    if one.len() != other.len() || one.iter().zip(&*other).any(|(one, other)| one.name != other.name) {
        return true;
    }
    let mut takes_spec = false;
    for (one, other) in one.iter_mut().zip(other) {
        thin! { one, other;
            state last_state image image_id container_id restart_count allocated_resources resources
        }
        let amounts = [&*one, &*other].map(|one| one.resources.is_some() || one.allocated_resources.is_some());
        takes_spec |= amounts[0] || amounts[1];
    }
    takes_spec
}
