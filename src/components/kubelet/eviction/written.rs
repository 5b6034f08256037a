//! The amounts of a pod in the format of its manifest, as messages print them: `500M` stays in decimal units.
//!
//! Follows `pkg/api/resource/quantity.go` (`String`) and `component-helpers/resource/helpers.go` (`PodLimits`).

use crate::api::{EPHEMERAL_STORAGE, Name, Object, Pod, Quantity, render};
use serde_json::Value;
use std::sync::Arc;

/// A pod as JSON.
pub(super) struct Written(Value);

impl Written {
    pub(super) fn of(pod: &Pod) -> Self {
        Self(render(&Object::Pod(Arc::new(pod.clone()))))
    }

    fn of_list(&self, field: &str) -> &[Value] {
        self.0["spec"][field].as_array().map_or(&[], Vec::as_slice)
    }

    fn found(&self, field: &str, name: Name) -> Option<&Value> {
        self.of_list(field).iter().find(|entry| entry["name"] == *name)
    }

    /// What a container asks for; nothing where nothing is said.
    pub(super) fn request(&self, container: Name, resource: Name) -> Quantity {
        let found = ["containers", "initContainers"].iter().find_map(|field| self.found(field, container));
        found.and_then(|container| amount(container, "requests", resource)).unwrap_or_default()
    }

    /// The limit of a container on local storage.
    pub(super) fn storage_limit(&self, container: Name) -> Quantity {
        let found = self.found("containers", container);
        found.and_then(|container| amount(container, "limits", *EPHEMERAL_STORAGE)).unwrap_or_default()
    }

    /// How large a volume may become.
    pub(super) fn size_limit(&self, volume: Name) -> Quantity {
        let found = self.found("volumes", volume).and_then(|volume| volume.pointer("/emptyDir/sizeLimit"));
        found.and_then(|limit| Quantity::from_json(limit).ok()).unwrap_or_default()
    }

    /// The limit of a pod on local storage, as it comes out of its sums: a sum has the format of its first part.
    pub(super) fn storage_limit_of_pod(&self) -> Quantity {
        let limit = |container: &Value| amount(container, "limits", *EPHEMERAL_STORAGE);
        let mut sum = None;
        self.of_list("containers").iter().filter_map(limit).for_each(|limit| add(&mut sum, &limit));
        let (mut sidecars, mut most) = (None, None);
        for container in self.of_list("initContainers") {
            let mut own = limit(container);
            if container["restartPolicy"] == "Always" {
                if let Some(limit) = &own {
                    add(&mut sum, limit);
                    add(&mut sidecars, limit);
                }
                own.clone_from(&sidecars);
            } else if let Some(sidecars) = &sidecars {
                add(&mut own, sidecars);
            }
            most = larger(most, own);
        }
        let mut limit = larger(sum, most).unwrap_or_default();
        let overhead = &self.0["spec"]["overhead"][&**EPHEMERAL_STORAGE];
        if let Ok(overhead) = Quantity::from_json(overhead) {
            limit.add(&overhead);
        }
        limit
    }
}

fn amount(container: &Value, part: &str, resource: Name) -> Option<Quantity> {
    Quantity::from_json(&container["resources"][part][&*resource]).ok()
}

fn add(sum: &mut Option<Quantity>, more: &Quantity) {
    match sum {
        Some(sum) => sum.add(more),
        None => *sum = Some(more.clone()),
    }
}

fn larger(one: Option<Quantity>, other: Option<Quantity>) -> Option<Quantity> {
    match (&one, &other) {
        (Some(have), Some(new)) if have.value() >= new.value() => one,
        (Some(_), None) => one,
        (_, Some(_)) | (None, None) => other,
    }
}
