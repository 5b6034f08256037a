//! Which volumes are attached to a node before they are mounted there, and what that is called: what the controller
//! of attachments and the kubelets agree on.
//!
//! Follows `pkg/volume/csi/csi_plugin.go` (`CanAttach`), `pkg/volume/util/util.go` and
//! `staging/src/k8s.io/csi-translation-lib` of Kubernetes 1.36. A driver takes part once its CSIDriver object says so;
//! one that nobody has registered mounts without an attachment, where a real one would wait for ever. Disks of in-tree
//! kinds are their drivers' and always take part. Left out: disks that a pod names itself, iSCSI and Fibre Channel.

use crate::api::{AccessMode, CsiDriver, Name, PersistentVolume};

/// In-tree volumes that drivers have taken over: field, plug-in, driver.
pub const MIGRATED: &[(&str, &str, &str)] = &[
    ("gcePersistentDisk", "kubernetes.io/gce-pd", "pd.csi.storage.gke.io"),
    ("awsElasticBlockStore", "kubernetes.io/aws-ebs", "ebs.csi.aws.com"),
    ("azureDisk", "kubernetes.io/azure-disk", "disk.csi.azure.com"),
    ("azureFile", "kubernetes.io/azure-file", "file.csi.azure.com"),
    ("cinder", "kubernetes.io/cinder", "cinder.csi.openstack.org"),
    ("vsphereVolume", "kubernetes.io/vsphere-volume", "csi.vsphere.vmware.com"),
    ("portworxVolume", "kubernetes.io/portworx-volume", "pxd.portworx.com"),
];

/// A medium that is attached to nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attachable {
    /// The driver that does it.
    pub driver: Name,
    /// What it calls the medium.
    pub handle: Name,
}

impl Attachable {
    /// What is attached for a volume; `driver` is the CSIDriver of a CSI volume, if there is one.
    pub fn of(volume: &PersistentVolume, driver: Option<&CsiDriver>) -> Option<Self> {
        let handle = volume.volume_handle;
        if !volume.csi_driver.is_empty() {
            return driver
                .is_some_and(|driver| driver.attach_required)
                .then_some(Self { driver: volume.csi_driver, handle });
        }
        let is_it = |field: &str| volume.source.contains(&format!("\"{field}\":"));
        let (_, _, driver) = MIGRATED.iter().find(|(field, _, _)| volume.attachable && is_it(field))?;
        Some(Self { driver: Name::new(driver), handle })
    }

    /// How a node's status calls it (`GetUniqueVolumeName`).
    pub fn unique_name(&self) -> Name {
        Name::new(&format!("kubernetes.io/csi/{}^{}", self.driver, self.handle))
    }

    /// The name of its VolumeAttachment on a node (`getAttachmentName`; the digest is BLAKE3, not SHA-256).
    pub fn object_name(&self, node: Name) -> Name {
        let digest = blake3::hash(format!("{}{}{node}", self.handle, self.driver).as_bytes());
        Name::new(&format!("csi-{digest}"))
    }
}

/// Whether a volume is attached to one node at a time (`IsMultiAttachAllowed`).
pub fn is_exclusive(volume: &PersistentVolume) -> bool {
    let many = |mode: &AccessMode| matches!(mode, AccessMode::ReadWriteMany | AccessMode::ReadOnlyMany);
    !volume.access_modes.is_empty() && !volume.access_modes.iter().any(many)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Object, lower};
    use serde_json::{Value, json};

    fn object(manifest: &Value) -> Object {
        lower(manifest).unwrap_or_else(|error| panic!("{error}")).object
    }

    fn volume(source: &Value, modes: &Value) -> PersistentVolume {
        let mut manifest = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"},
            "spec": {"capacity": {"storage": "1Gi"}, "accessModes": modes}});
        let spec = manifest["spec"].as_object_mut().expect("a spec");
        spec.extend(source.as_object().expect("a source").clone());
        let Object::PersistentVolume(volume) = object(&manifest) else { panic!("a volume") };
        PersistentVolume::clone(&volume)
    }

    fn driver(attach_required: Option<bool>) -> CsiDriver {
        let spec = attach_required.map_or(json!({}), |required| json!({"attachRequired": required}));
        let manifest = json!({"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver",
            "metadata": {"name": "disks.example.com"}, "spec": spec});
        let Object::CsiDriver(driver) = object(&manifest) else { panic!("a driver") };
        CsiDriver::clone(&driver)
    }

    #[test]
    fn drivers_say_whether_their_volumes_are_attached() {
        // csi_plugin_test.go, TestPluginCanAttach; without a CSIDriver object ours mounts at once.
        let csi = json!({"csi": {"driver": "disks.example.com", "volumeHandle": "h"}});
        let gce = json!({"gcePersistentDisk": {"pdName": "pd"}});
        let nfs = json!({"nfs": {"server": "s", "path": "/p"}});
        let name = |volume: &Value, driver: Option<CsiDriver>| {
            let found = Attachable::of(&self::volume(volume, &json!(["ReadWriteOnce"])), driver.as_ref());
            found.map(|found| found.unique_name().to_string())
        };
        for (source, driver, expected) in [
            (&csi, Some(driver(None)), Some("kubernetes.io/csi/disks.example.com^h")),
            (&csi, Some(driver(Some(true))), Some("kubernetes.io/csi/disks.example.com^h")),
            (&csi, Some(driver(Some(false))), None),
            (&csi, None, None),
            (&gce, None, Some("kubernetes.io/csi/pd.csi.storage.gke.io^pd")),
            (&nfs, None, None),
        ] {
            assert_eq!(name(source, driver).as_deref(), expected, "{source}");
        }
    }

    #[test]
    fn modes_say_whether_many_nodes_may_have_it() {
        // util_test.go, IsMultiAttachAllowed: without modes nobody knows better.
        let csi = json!({"csi": {"driver": "d", "volumeHandle": "h"}});
        for (modes, exclusive) in [
            (json!(["ReadWriteOnce"]), true),
            (json!(["ReadWriteOncePod"]), true),
            (json!(["ReadWriteOnce", "ReadOnlyMany"]), false),
            (json!(["ReadWriteMany"]), false),
        ] {
            assert_eq!(is_exclusive(&volume(&csi, &modes)), exclusive, "{modes}");
        }
    }
}
