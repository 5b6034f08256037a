//! Volumes of a pod, and where containers mount them.

use super::container::resource_field;
use super::names;
use super::{At, Errors};
use crate::api::Quantity;
use k8s_openapi::api::core::v1;

/// The volumes of a pod that are good enough to be mounted.
pub(super) struct Volumes<'v>(Vec<&'v v1::Volume>);

impl Volumes<'_> {
    fn get(&self, name: &str) -> Option<&v1::Volume> {
        self.0.iter().find(|volume| volume.name == name).copied()
    }
}

/// `ValidateVolumes`.
pub(super) fn volumes<'v>(list: &'v [v1::Volume], at: &At<'_>, errors: &mut Errors) -> Volumes<'v> {
    let mut good: Vec<&v1::Volume> = Vec::new();
    for (place, volume) in list.iter().enumerate() {
        let at = at.index(place);
        let before = errors.0.len();
        source(volume, &at, errors);
        if volume.name.is_empty() {
            errors.required(&at.child("name"), "");
        } else {
            errors.format(&at.child("name"), &volume.name, names::label(&volume.name));
        }
        if good.iter().any(|earlier| earlier.name == volume.name) {
            errors.duplicate(&at.child("name"), &volume.name);
        }
        if errors.0.len() == before {
            good.push(volume);
        }
    }
    Volumes(good)
}

/// `validateVolumeSource`, for the sources that matter here.
fn source(volume: &v1::Volume, at: &At<'_>, errors: &mut Errors) {
    let sources = serde_json::to_value(volume).unwrap_or_default();
    let set = || sources.as_object().into_iter().flatten().map(|(field, _)| field.as_str()).filter(|f| *f != "name");
    for further in set().skip(1) {
        errors.forbidden(&at.child(further), "may not specify more than 1 volume type");
    }
    if set().next().is_none() {
        errors.required(at, "must specify a volume type");
    }
    if let Some(limit) = volume.empty_dir.as_ref().and_then(|dir| dir.size_limit.as_ref())
        && limit.0.parse::<Quantity>().is_ok_and(|limit| limit < Quantity::ZERO)
    {
        let at = at.child("emptyDir");
        errors.forbidden(&at.child("sizeLimit"), "SizeLimit field must be a valid resource quantity");
    }
    if let Some(host) = &volume.host_path {
        let at = at.child("hostPath");
        host_path(host, &at, errors);
    }
    if let Some(map) = &volume.config_map {
        let at = at.child("configMap");
        needed(&map.name, &at.child("name"), errors);
        mode(map.default_mode, &at.child("defaultMode"), errors);
        items(map.items.as_ref(), &at.child("items"), errors);
    }
    if let Some(secret) = &volume.secret {
        let at = at.child("secret");
        needed(secret.secret_name.as_deref().unwrap_or_default(), &at.child("secretName"), errors);
        mode(secret.default_mode, &at.child("defaultMode"), errors);
        items(secret.items.as_ref(), &at.child("items"), errors);
    }
    if let Some(claim) = &volume.persistent_volume_claim {
        needed(&claim.claim_name, &at.child("persistentVolumeClaim").child("claimName"), errors);
    }
    if let Some(nfs) = &volume.nfs {
        let at = at.child("nfs");
        needed(&nfs.server, &at.child("server"), errors);
        needed(&nfs.path, &at.child("path"), errors);
        if !nfs.path.is_empty() && !nfs.path.starts_with('/') {
            errors.invalid(&at.child("path"), &nfs.path, "must be an absolute path");
        }
    }
    if let Some(csi) = &volume.csi {
        needed(&csi.driver, &at.child("csi").child("driver"), errors);
    }
    if let Some(fields) = &volume.downward_api {
        let at = at.child("downwardAPI");
        mode(fields.default_mode, &at.child("defaultMode"), errors);
        downward_items(fields.items.as_ref(), &at, errors);
    }
    if let Some(projected) = &volume.projected {
        let at = at.child("projected");
        mode(projected.default_mode, &at.child("defaultMode"), errors);
        projections(projected.sources.as_deref().unwrap_or_default(), &at.child("sources"), errors);
    }
    if let Some(ephemeral) = &volume.ephemeral {
        let at = at.child("ephemeral");
        match &ephemeral.volume_claim_template {
            None => errors.required(&at.child("volumeClaimTemplate"), ""),
            Some(template) => {
                super::storage::claim_spec(&template.spec, &at.child("volumeClaimTemplate").child("spec"), errors);
            }
        }
    }
    if let Some(image) = &volume.image {
        let at = at.child("image");
        needed(image.reference.as_deref().unwrap_or_default(), &at.child("reference"), errors);
        let policies = ["Always", "IfNotPresent", "Never"];
        errors.one_of(&at.child("pullPolicy"), image.pull_policy.as_ref(), &policies);
    }
}

/// `validateHostPathVolumeSource`.
pub(super) fn host_path(host: &v1::HostPathVolumeSource, at: &At<'_>, errors: &mut Errors) {
    needed(&host.path, &at.child("path"), errors);
    if host.path.split('/').any(|part| part == "..") {
        errors.invalid(&at.child("path"), &host.path, "must not contain '..'");
    }
    let types = ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
    errors.maybe_one_of(&at.child("type"), host.type_.as_ref(), &types);
}

fn needed(text: &str, at: &At<'_>, errors: &mut Errors) {
    if text.is_empty() {
        errors.required(at, "");
    }
}

fn mode(mode: Option<i32>, at: &At<'_>, errors: &mut Errors) {
    if let Some(mode) = mode.filter(|mode| !(0..=0o777).contains(mode)) {
        errors.invalid(at, mode, "must be a number between 0 and 0777 (octal), both inclusive");
    }
}

fn items(items: Option<&Vec<v1::KeyToPath>>, at: &At<'_>, errors: &mut Errors) {
    for (place, item) in items.into_iter().flatten().enumerate() {
        let at = at.index(place);
        needed(&item.key, &at.child("key"), errors);
        needed(&item.path, &at.child("path"), errors);
        local_path(&item.path, &at.child("path"), errors);
        mode(item.mode, &at.child("mode"), errors);
    }
}

/// A path below the volume: relative, without steps back.
pub(super) fn local_path(path: &str, at: &At<'_>, errors: &mut Errors) {
    if path.starts_with('/') {
        errors.invalid(at, path, "must be a relative path");
    }
    if path.split('/').any(|part| part == "..") {
        errors.invalid(at, path, "must not contain '..'");
    }
}

fn downward_items(items: Option<&Vec<v1::DownwardAPIVolumeFile>>, at: &At<'_>, errors: &mut Errors) {
    for item in items.into_iter().flatten() {
        needed(&item.path, &at.child("path"), errors);
        local_path(&item.path, &at.child("path"), errors);
        match (&item.field_ref, &item.resource_field_ref) {
            (Some(_), Some(_)) => {
                let detail = "fieldRef and resourceFieldRef can not be specified simultaneously";
                errors.invalid(at, "resource", detail);
            }
            (None, None) => errors.required(at, "one of fieldRef and resourceFieldRef is required"),
            (None, Some(resource)) => {
                needed(
                    resource.container_name.as_deref().unwrap_or_default(),
                    &at.child("resourceFieldRef").child("containerName"),
                    errors,
                );
                resource_field(&resource.resource, &at.child("resourceFieldRef"), errors);
            }
            (Some(_), None) => {}
        }
        mode(item.mode, &at.child("mode"), errors);
    }
}

fn projections(sources: &[v1::VolumeProjection], at: &At<'_>, errors: &mut Errors) {
    for (place, source) in sources.iter().enumerate() {
        let at = at.index(place);
        let mut kinds = 0;
        if let Some(secret) = &source.secret {
            kinds += 1;
            let at = at.child("secret");
            needed(&secret.name, &at.child("name"), errors);
            items(secret.items.as_ref(), &at.child("items"), errors);
        }
        if let Some(map) = &source.config_map {
            kinds += 1;
            let at = at.child("configMap");
            needed(&map.name, &at.child("name"), errors);
            items(map.items.as_ref(), &at.child("items"), errors);
        }
        if let Some(fields) = &source.downward_api {
            kinds += 1;
            downward_items(fields.items.as_ref(), &at.child("downwardAPI"), errors);
        }
        if let Some(token) = &source.service_account_token {
            kinds += 1;
            let at = at.child("serviceAccountToken");
            if let Some(seconds) = token.expiration_seconds.filter(|seconds| *seconds < 600) {
                errors.invalid(
                    &at.child("expirationSeconds"),
                    seconds,
                    "may not specify a duration less than 10 minutes",
                );
            }
            needed(&token.path, &at.child("path"), errors);
        }
        if kinds > 1 {
            errors.forbidden(&at, "may not specify more than 1 volume type");
        }
    }
}

/// The mounts and devices of a container.
pub(super) struct Mounts<'c> {
    mounts: &'c [v1::VolumeMount],
    devices: &'c [v1::VolumeDevice],
    is_privileged: bool,
}

impl<'c> Mounts<'c> {
    pub(super) fn of(container: &'c v1::Container) -> Self {
        Self {
            mounts: container.volume_mounts.as_deref().unwrap_or_default(),
            devices: container.volume_devices.as_deref().unwrap_or_default(),
            is_privileged: container.security_context.as_ref().and_then(|security| security.privileged) == Some(true),
        }
    }

    /// `validateMountRecursiveReadOnly`.
    fn recursive(&self, mount: &v1::VolumeMount, at: &At<'_>, errors: &mut Errors) {
        match mount.recursive_read_only.as_deref() {
            None | Some("Disabled") => {}
            Some("Enabled" | "IfPossible") => {
                if mount.read_only != Some(true) {
                    errors.forbidden(at, "may only be specified when readOnly is true");
                }
                if mount.mount_propagation.as_deref().is_some_and(|mode| mode != "None") {
                    let detail = "may only be specified when mountPropagation is None or not specified";
                    errors.forbidden(at, detail);
                }
            }
            Some(other) => errors.unsupported(at, other, &["Disabled", "Enabled", "IfPossible"]),
        }
    }

    /// `ValidateVolumeMounts` and `ValidateVolumeDevices`.
    pub(super) fn check(&self, volumes: &Volumes<'_>, at: &At<'_>, errors: &mut Errors) {
        let at_mounts = at.child("volumeMounts");
        for (place, mount) in self.mounts.iter().enumerate() {
            let at = at_mounts.index(place);
            needed(&mount.name, &at.child("name"), errors);
            if volumes.get(&mount.name).is_none() {
                errors.not_found(&at.child("name"), &mount.name);
            }
            needed(&mount.mount_path, &at.child("mountPath"), errors);
            if self.mounts[..place].iter().any(|earlier| earlier.mount_path == mount.mount_path) {
                errors.invalid(&at.child("mountPath"), &mount.mount_path, "must be unique");
            }
            if self.devices.iter().any(|device| device.name == mount.name) {
                errors.invalid(&at.child("name"), &mount.name, "must not already exist in volumeDevices");
            }
            if self.devices.iter().any(|device| device.device_path == mount.mount_path) {
                let detail = "must not already exist as a path in volumeDevices";
                errors.invalid(&at.child("mountPath"), &mount.mount_path, detail);
            }
            if let Some(path) = mount.sub_path.as_deref().filter(|path| !path.is_empty()) {
                local_path(path, &at_mounts.child("subPath"), errors);
            }
            if let Some(path) = mount.sub_path_expr.as_deref().filter(|path| !path.is_empty()) {
                if mount.sub_path.is_some() {
                    errors.invalid(&at.child("subPathExpr"), path, "subPathExpr and subPath are mutually exclusive");
                }
                local_path(path, &at_mounts.child("subPathExpr"), errors);
            }
            let propagations = ["Bidirectional", "HostToContainer", "None"];
            let at_propagation = at_mounts.child("mountPropagation");
            errors.maybe_one_of(&at_propagation, mount.mount_propagation.as_ref(), &propagations);
            if mount.mount_propagation.as_deref() == Some("Bidirectional") && !self.is_privileged {
                let detail = "Bidirectional mount propagation is available only to privileged containers";
                errors.forbidden(&at_propagation, detail);
            }
            self.recursive(mount, &at_mounts.child("recursiveReadOnly"), errors);
        }
        let at_devices = at.child("volumeDevices");
        for (place, device) in self.devices.iter().enumerate() {
            let at = at_devices.index(place);
            needed(&device.name, &at.child("name"), errors);
            if self.devices[..place].iter().any(|earlier| earlier.name == device.name) {
                errors.invalid(&at.child("name"), &device.name, "must be unique");
            }
            match volumes.get(&device.name) {
                None => errors.not_found(&at.child("name"), &device.name),
                Some(volume) if volume.persistent_volume_claim.is_none() && volume.ephemeral.is_none() => {
                    let detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                    errors.invalid(&at.child("name"), &device.name, detail);
                }
                Some(_) => {}
            }
            needed(&device.device_path, &at.child("devicePath"), errors);
            if self.devices[..place].iter().any(|earlier| earlier.device_path == device.device_path) {
                errors.invalid(&at.child("devicePath"), &device.device_path, "must be unique");
            }
        }
    }
}
