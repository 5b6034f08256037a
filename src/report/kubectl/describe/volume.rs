//! Volumes of every kind, of pods and persistent ones.
//!
//! Follows kubectl 1.36 `pkg/describe/describe.go` (`describeVolumes` and its printers).

use super::parts::shortened;
use super::storage::claim;
use super::writer::{Writer, put};
use crate::api::Quantity;
use crate::report::kubectl::fields::{Fields, quantity};
use crate::report::kubectl::go;
use serde_json::{Value, json};

/// The volumes of a pod, or of a template (`indent` is then two blanks).
pub fn volumes(w: &mut Writer, indent: &str, volumes: &[Value]) {
    if volumes.is_empty() {
        put!(w, 0, "{indent}Volumes:\t<none>\n");
        return;
    }
    put!(w, 0, "{indent}Volumes:\n");
    for volume in volumes {
        put!(w, 1, "{}{}:\n", if indent.is_empty() { "" } else { " " }, volume.text("name"));
        if !simple(w, volume, Scope::Pod) && !special(w, volume) {
            put!(w, 1, "<unknown>\n");
        }
    }
}

/// What stands behind a persistent volume.
pub fn persistent_source(w: &mut Writer, spec: &Value) {
    if spec.has("csi") {
        csi(w, spec.at("csi"), Scope::Persistent);
    } else if !simple(w, spec, Scope::Persistent) {
        put!(w, 1, "<unknown>\n");
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Pod,
    Persistent,
}

/// A source that is a title and a fixed list of lines: field, what it is, and each line's name and path.
struct Source {
    field: &'static str,
    title: &'static str,
    lines: &'static [(&'static str, &'static str, Form)],
}

/// How a field is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Number,
    Flag,
    List,
    Map,
    /// A text that may be absent.
    OrNone,
    /// A number that may be absent.
    NumberOrNone,
    /// A list with commas.
    Commas,
    /// A reference to a secret, as Go prints a pointer to one.
    Reference,
    /// Only for persistent volumes: a text.
    Persistent,
    /// Only for persistent volumes: a text, or `<unset>`.
    PersistentOrUnset,
}

use Form::{Commas, Flag, List, Map, Number, NumberOrNone, OrNone, Persistent, PersistentOrUnset, Reference, Text};

const ISCSI_TITLE: &str =
    "ISCSI (an ISCSI Disk resource that is attached to a kubelet's host machine and then exposed to the pod)";

/// In the order in which the describer looks for them.
const SOURCES: &[Source] = &[
    Source {
        field: "hostPath",
        title: "HostPath (bare host directory volume)",
        lines: &[("Path:", "path", Text), ("HostPathType:", "type", OrNone)],
    },
    Source {
        field: "gcePersistentDisk",
        title: "GCEPersistentDisk (a Persistent Disk resource in Google Compute Engine)",
        lines: &[
            ("PDName:", "pdName", Text),
            ("FSType:", "fsType", Text),
            ("Partition:", "partition", Number),
            ("ReadOnly:", "readOnly", Flag),
        ],
    },
    Source {
        field: "awsElasticBlockStore",
        title: "AWSElasticBlockStore (a Persistent Disk resource in AWS)",
        lines: &[
            ("VolumeID:", "volumeID", Text),
            ("FSType:", "fsType", Text),
            ("Partition:", "partition", Number),
            ("ReadOnly:", "readOnly", Flag),
        ],
    },
    Source {
        field: "gitRepo",
        title: "GitRepo (a volume that is pulled from git when the pod is created)",
        lines: &[("Repository:", "repository", Text), ("Revision:", "revision", Text)],
    },
    Source {
        field: "secret",
        title: "Secret (a volume populated by a Secret)",
        lines: &[("SecretName:", "secretName", Text), ("Optional:", "optional", Flag)],
    },
    Source {
        field: "configMap",
        title: "ConfigMap (a volume populated by a ConfigMap)",
        lines: &[("Name:", "name", Text), ("Optional:", "optional", Flag)],
    },
    Source {
        field: "nfs",
        title: "NFS (an NFS mount that lasts the lifetime of a pod)",
        lines: &[("Server:", "server", Text), ("Path:", "path", Text), ("ReadOnly:", "readOnly", Flag)],
    },
    Source {
        field: "iscsi",
        title: ISCSI_TITLE,
        lines: &[
            ("TargetPortal:", "targetPortal", Text),
            ("IQN:", "iqn", Text),
            ("Lun:", "lun", Number),
            ("ISCSIInterface", "iscsiInterface", Text),
            ("FSType:", "fsType", Text),
            ("ReadOnly:", "readOnly", Flag),
            ("Portals:", "portals", List),
            ("DiscoveryCHAPAuth:", "chapAuthDiscovery", Flag),
            ("SessionCHAPAuth:", "chapAuthSession", Flag),
            ("SecretRef:", "secretRef", Reference),
            ("InitiatorName:", "initiatorName", OrNone),
        ],
    },
    Source {
        field: "glusterfs",
        title: "Glusterfs (a Glusterfs mount on the host that shares a pod's lifetime)",
        lines: &[
            ("EndpointsName:", "endpoints", Text),
            ("EndpointsNamespace:", "endpointsNamespace", PersistentOrUnset),
            ("Path:", "path", Text),
            ("ReadOnly:", "readOnly", Flag),
        ],
    },
    Source {
        field: "persistentVolumeClaim",
        title: "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
        lines: &[("ClaimName:", "claimName", Text), ("ReadOnly:", "readOnly", Flag)],
    },
    Source {
        field: "rbd",
        title: "RBD (a Rados Block Device mount on the host that shares a pod's lifetime)",
        lines: &[
            ("CephMonitors:", "monitors", List),
            ("RBDImage:", "image", Text),
            ("FSType:", "fsType", Text),
            ("RBDPool:", "pool", Text),
            ("RadosUser:", "user", Text),
            ("Keyring:", "keyring", Text),
            ("SecretRef:", "secretRef", Reference),
            ("ReadOnly:", "readOnly", Flag),
        ],
    },
    Source {
        field: "quobyte",
        title: "Quobyte (a Quobyte mount on the host that shares a pod's lifetime)",
        lines: &[("Registry:", "registry", Text), ("Volume:", "volume", Text), ("ReadOnly:", "readOnly", Flag)],
    },
    Source {
        field: "azureDisk",
        title: "AzureDisk (an Azure Data Disk mount on the host and bind mount to the pod)",
        lines: &[
            ("DiskName:", "diskName", Text),
            ("DiskURI:", "diskURI", Text),
            ("Kind: ", "kind", Text),
            ("FSType:", "fsType", Text),
            ("CachingMode:", "cachingMode", Text),
            ("ReadOnly:", "readOnly", Flag),
        ],
    },
    Source {
        field: "vsphereVolume",
        title: "vSphereVolume (a Persistent Disk resource in vSphere)",
        lines: &[
            ("VolumePath:", "volumePath", Text),
            ("FSType:", "fsType", Text),
            ("StoragePolicyName:", "storagePolicyName", Text),
        ],
    },
    Source {
        field: "cinder",
        title: "Cinder (a Persistent Disk resource in OpenStack)",
        lines: &[
            ("VolumeID:", "volumeID", Text),
            ("FSType:", "fsType", Text),
            ("ReadOnly:", "readOnly", Flag),
            ("SecretRef:", "secretRef", Reference),
        ],
    },
    Source {
        field: "photonPersistentDisk",
        title: "PhotonPersistentDisk (a Persistent Disk resource in photon platform)",
        lines: &[("PdID:", "pdID", Text), ("FSType:", "fsType", Text)],
    },
    Source {
        field: "portworxVolume",
        title: "PortworxVolume (a Portworx Volume resource)",
        lines: &[("VolumeID:", "volumeID", Text)],
    },
    Source {
        field: "scaleIO",
        title: "ScaleIO (a persistent volume backed by a block device in ScaleIO)",
        lines: &[
            ("Gateway:", "gateway", Text),
            ("System:", "system", Text),
            ("Protection Domain:", "protectionDomain", Text),
            ("Storage Pool:", "storagePool", Text),
            ("Storage Mode:", "storageMode", Text),
            ("VolumeName:", "volumeName", Text),
            ("SecretName:", "secretRef.name", Persistent),
            ("SecretNamespace:", "secretRef.namespace", Persistent),
            ("FSType:", "fsType", Text),
            ("ReadOnly:", "readOnly", Flag),
        ],
    },
    Source {
        field: "local",
        title: "LocalVolume (a persistent volume backed by local storage on a node)",
        lines: &[("Path:", "path", Text)],
    },
    Source {
        field: "cephfs",
        title: "CephFS (a CephFS mount on the host that shares a pod's lifetime)",
        lines: &[
            ("Monitors:", "monitors", List),
            ("Path:", "path", Text),
            ("User:", "user", Text),
            ("SecretFile:", "secretFile", Text),
            ("SecretRef:", "secretRef", Reference),
            ("ReadOnly:", "readOnly", Flag),
        ],
    },
    Source {
        field: "storageos",
        title: "StorageOS (a StorageOS Persistent Disk resource)",
        lines: &[
            ("VolumeName:", "volumeName", Text),
            ("VolumeNamespace:", "volumeNamespace", Text),
            ("FSType:", "fsType", Text),
            ("ReadOnly:", "readOnly", Flag),
        ],
    },
    Source {
        field: "fc",
        title: "FC (a Fibre Channel disk)",
        lines: &[
            ("TargetWWNs:", "targetWWNs", Commas),
            ("LUN:", "lun", NumberOrNone),
            ("FSType:", "fsType", Text),
            ("ReadOnly:", "readOnly", Flag),
        ],
    },
    Source {
        field: "azureFile",
        title: "AzureFile (an Azure File Service mount on the host and bind mount to the pod)",
        lines: &[
            ("SecretName:", "secretName", Text),
            ("SecretNamespace:", "secretNamespace", Persistent),
            ("ShareName:", "shareName", Text),
            ("ReadOnly:", "readOnly", Flag),
        ],
    },
    Source {
        field: "flexVolume",
        title: "FlexVolume (a generic volume resource that is provisioned/attached using an exec based plugin)",
        lines: &[
            ("Driver:", "driver", Text),
            ("FSType:", "fsType", Text),
            ("SecretRef:", "secretRef", Reference),
            ("ReadOnly:", "readOnly", Flag),
            ("Options:", "options", Map),
        ],
    },
    Source {
        field: "flocker",
        title: "Flocker (a Flocker volume mounted by the Flocker agent)",
        lines: &[("DatasetName:", "datasetName", Text), ("DatasetUUID:", "datasetUUID", Text)],
    },
    Source {
        field: "image",
        title: "Image (a container image or OCI artifact)",
        lines: &[("Reference:", "reference", Text), ("PullPolicy:", "pullPolicy", Text)],
    },
];

fn simple(w: &mut Writer, volume: &Value, scope: Scope) -> bool {
    let Some(source) = SOURCES.iter().find(|source| volume.has(source.field)) else {
        return false;
    };
    put!(w, 2, "Type:\t{}\n", source.title);
    let object = volume.at(source.field);
    for (title, path, form) in source.lines {
        if scope == Scope::Persistent || !matches!(form, Persistent | PersistentOrUnset) {
            put!(w, 0, "    {title}\t{}\n", text(object, path, *form, scope));
        }
    }
    true
}

fn text(object: &Value, path: &str, form: Form, scope: Scope) -> String {
    match form {
        Text | Persistent => object.text(path).to_owned(),
        Number => object.int(path).to_string(),
        Flag => object.flag(path).to_string(),
        List => go::list(&object.texts(path)),
        Commas => object.texts(path).join(", "),
        OrNone => object.opt_text(path).unwrap_or("<none>").to_owned(),
        PersistentOrUnset => object.opt_text(path).unwrap_or("<unset>").to_owned(),
        NumberOrNone => object.opt_int(path).map_or("<none>".to_owned(), |n| n.to_string()),
        Map => match object.at(path) {
            Value::Null => "map[]".to_owned(),
            map => go::value(map),
        },
        Reference => reference(object.at(path), scope),
    }
}

/// How Go prints a pointer to a reference to a secret.
fn reference(reference: &Value, scope: Scope) -> String {
    let (name, namespace) = (reference.text("name"), reference.text("namespace"));
    match (reference.is_null(), scope) {
        (true, _) => "nil".to_owned(),
        (false, Scope::Pod) => format!("&LocalObjectReference{{Name:{name},}}"),
        (false, Scope::Persistent) => format!("&SecretReference{{Name:{name},Namespace:{namespace},}}"),
    }
}

type Printer = fn(&mut Writer, &Value);

/// Sources of pods that need more than a list of lines.
fn special(w: &mut Writer, volume: &Value) -> bool {
    let known: [(&str, Printer); 5] = [
        ("emptyDir", empty_dir),
        ("ephemeral", ephemeral),
        ("downwardAPI", downward_api),
        ("projected", projected),
        ("csi", |w, source| csi(w, source, Scope::Pod)),
    ];
    let found = known.into_iter().find(|(field, _)| volume.has(field));
    if let Some((field, describe)) = found {
        describe(w, volume.at(field));
    }
    found.is_some()
}

fn empty_dir(w: &mut Writer, source: &Value) {
    let limit = quantity(source.at("sizeLimit"));
    let limit = if limit > Quantity::ZERO { limit.to_string() } else { "<unset>".to_owned() };
    put!(w, 2, "Type:\tEmptyDir (a temporary directory that shares a pod's lifetime)\n");
    put!(w, 0, "    Medium:\t{}\n", source.text("medium"));
    put!(w, 0, "    SizeLimit:\t{limit}\n");
}

fn ephemeral(w: &mut Writer, source: &Value) {
    put!(
        w,
        2,
        "Type:\tEphemeralVolume (an inline specification for a volume that gets created and deleted with the pod)\n"
    );
    let template = source.at("volumeClaimTemplate");
    if !template.is_null() {
        let template = json!({"metadata": template["metadata"], "spec": template["spec"]});
        w.nested(2, |w| claim(w, &template, None));
    }
}

fn downward_api(w: &mut Writer, source: &Value) {
    put!(w, 2, "Type:\tDownwardAPI (a volume populated by information about the pod)\n    Items:\n");
    for item in source.list("items") {
        for path in ["fieldRef.fieldPath", "resourceFieldRef.resource"] {
            if item.has(path) {
                put!(w, 3, "{} -> {}\n", item.text(path), item.text("path"));
            }
        }
    }
}

fn projected(w: &mut Writer, source: &Value) {
    put!(w, 2, "Type:\tProjected (a volume that contains injected data from multiple sources)\n");
    for source in source.list("sources") {
        if source.has("secret") {
            put!(w, 2, "SecretName:\t{}\n", source.text("secret.name"));
            put!(w, 0, "    Optional:\t{}\n", source.flag("secret.optional"));
        } else if source.has("downwardAPI") {
            put!(w, 2, "DownwardAPI:\ttrue\n");
        } else if source.has("configMap") {
            put!(w, 2, "ConfigMapName:\t{}\n", source.text("configMap.name"));
            put!(w, 0, "    Optional:\t{}\n", source.flag("configMap.optional"));
        } else if source.has("serviceAccountToken") {
            put!(w, 2, "TokenExpirationSeconds:\t{}\n", source.int("serviceAccountToken.expirationSeconds"));
        }
    }
}

fn csi(w: &mut Writer, source: &Value, scope: Scope) {
    put!(w, 2, "Type:\tCSI (a Container Storage Interface (CSI) volume source)\n");
    put!(w, 0, "    Driver:\t{}\n", source.text("driver"));
    put!(w, 0, "    FSType:\t{}\n", source.text("fsType"));
    if scope == Scope::Persistent {
        put!(w, 0, "    VolumeHandle:\t{}\n", source.text("volumeHandle"));
    }
    put!(w, 0, "    ReadOnly:\t{}\n", source.flag("readOnly"));
    put!(w, 2, "VolumeAttributes:\t");
    let attributes = source.entries("volumeAttributes");
    if attributes.is_empty() {
        w.end("<none>");
    }
    for (i, (key, value)) in attributes.iter().enumerate() {
        if i > 0 {
            put!(w, 2, "");
            put!(w, 2, "\t");
        }
        put!(w, 2, "{}\n", shortened(&format!("{key}={value}"), 140));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(volume: Value) -> String {
        let mut w = Writer::default();
        volumes(&mut w, "", &[volume]);
        w.with_tabs().lines().skip(2).map(|line| line.trim_start().to_owned() + "\n").collect()
    }

    #[test]
    fn volumes_show_their_source() {
        for (volume, lines) in [
            (
                json!({"name": "v", "hostPath": {"path": "/x"}}),
                "Type:\tHostPath (bare host directory volume)\nPath:\t/x\nHostPathType:\t<none>\n",
            ),
            (
                json!({"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}),
                "Type:\tEmptyDir (a temporary directory that shares a pod's lifetime)\nMedium:\t\nSizeLimit:\t1Gi\n",
            ),
            (
                json!({"name": "v", "fc": {"targetWWNs": ["a", "b"]}}),
                "Type:\tFC (a Fibre Channel disk)\nTargetWWNs:\ta, b\nLUN:\t<none>\nFSType:\t\nReadOnly:\tfalse\n",
            ),
            (
                json!({"name": "v", "downwardAPI": {"items": [
                    {"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}
                ]}}),
                "Type:\tDownwardAPI (a volume populated by information about the pod)\nItems:\nmetadata.labels -> l\n",
            ),
            (json!({"name": "v"}), "<unknown>\n"),
        ] {
            assert_eq!(written(volume), lines);
        }
    }

    #[test]
    fn references_print_like_pointers() {
        let object = json!({"name": "s", "namespace": "n"});
        assert_eq!(reference(&object, Scope::Pod), "&LocalObjectReference{Name:s,}");
        assert_eq!(reference(&object, Scope::Persistent), "&SecretReference{Name:s,Namespace:n,}");
        assert_eq!(reference(&Value::Null, Scope::Pod), "nil");
    }
}
