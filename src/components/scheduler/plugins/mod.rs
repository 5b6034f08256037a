//! The plugins of kube-scheduler, one file each.
//!
//! Each follows its package under `pkg/scheduler/framework/plugins` of Kubernetes 1.36. Every Filter and Score is
//! written twice where speed asks for it: for one node, as the rule is read, and for many, over columns, classes and
//! counters; property tests hold the two together.

pub mod default_binder;
pub mod default_preemption;
pub mod dynamic_resources;
pub mod image_locality;
pub mod inter_pod_affinity;
pub mod node_affinity;
pub mod node_declared_features;
pub mod node_name;
pub mod node_ports;
pub mod node_resources_balanced_allocation;
pub mod node_resources_fit;
pub mod node_unschedulable;
pub mod node_volume_limits;
pub mod pod_topology_spread;
pub mod resource_allocation;
pub mod scheduling_gates;
pub mod taint_toleration;
pub mod volume_binding;
pub mod volume_restrictions;
pub mod volume_zone;

use super::framework::SharedPlugin;
use super::profile::{ArgumentError, PluginFactory};
use crate::api::{
    FastMap, Lowering, Name, Object, PersistentVolumeClaim, Pod, PodSpec, Text, Uid, Volume, VolumeSource,
};
use serde_json::{Value, json};
use std::sync::Arc;

/// The plugins by name.
pub(super) const FACTORIES: &[(&str, PluginFactory)] = &[
    ("SchedulingGates", |_, _| Ok(Arc::new(scheduling_gates::SchedulingGates))),
    ("PrioritySort", |_, _| Ok(Arc::new(default_binder::PrioritySort))),
    ("NodeUnschedulable", |_, gates| Ok(Arc::new(node_unschedulable::NodeUnschedulable::new(gates)))),
    ("NodeName", |_, _| Ok(Arc::new(node_name::NodeName))),
    ("TaintToleration", |_, gates| Ok(Arc::new(taint_toleration::TaintToleration::new(gates)))),
    ("NodeAffinity", |args, _| shared(node_affinity::NodeAffinity::new(args))),
    ("NodePorts", |_, _| Ok(Arc::new(node_ports::NodePorts))),
    ("NodeResourcesFit", |args, _| shared(node_resources_fit::NodeResourcesFit::new(args))),
    ("VolumeRestrictions", |_, _| Ok(Arc::new(volume_restrictions::VolumeRestrictions))),
    ("NodeVolumeLimits", |_, _| Ok(Arc::new(node_volume_limits::NodeVolumeLimits))),
    ("VolumeBinding", |args, _| shared(volume_binding::VolumeBinding::new(args))),
    ("VolumeZone", |_, _| Ok(Arc::new(volume_zone::VolumeZone))),
    ("PodTopologySpread", |args, gates| shared(pod_topology_spread::PodTopologySpread::new(args, gates))),
    ("InterPodAffinity", |args, _| shared(inter_pod_affinity::InterPodAffinity::new(args))),
    ("DynamicResources", |_, _| Ok(Arc::new(dynamic_resources::DynamicResources))),
    ("DefaultPreemption", |args, _| shared(default_preemption::DefaultPreemption::new(args))),
    ("NodeResourcesBalancedAllocation", |args, _| {
        shared(node_resources_balanced_allocation::NodeResourcesBalancedAllocation::new(args))
    }),
    ("ImageLocality", |_, _| Ok(Arc::new(image_locality::ImageLocality))),
    ("DefaultBinder", |_, _| Ok(Arc::new(default_binder::DefaultBinder))),
    ("NodeDeclaredFeatures", |_, _| Ok(Arc::new(node_declared_features::NodeDeclaredFeatures))),
];

fn shared<P: super::framework::Plugin + 'static>(
    plugin: Result<P, ArgumentError>,
) -> Result<SharedPlugin, ArgumentError> {
    Ok(Arc::new(plugin?))
}

/// The fields of a plugin's arguments, without those that say what they are.
fn fields(args: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let all = args.as_object().into_iter().flatten().map(|(field, value)| (field.as_str(), value));
    all.filter(|(field, value)| !matches!(*field, "apiVersion" | "kind") && !value.is_null())
}

fn unknown_field(field: &str) -> ArgumentError {
    ArgumentError::new(field, "a field that these arguments do not have", "remove it")
}

fn whole_number(field: &str, value: &Value, least: i64, most: i64) -> Result<i64, ArgumentError> {
    let number = value.as_i64().filter(|number| (least..=most).contains(number));
    let remedy = || format!("write a whole number from {least} to {most}");
    number.ok_or_else(|| ArgumentError::new(field, value.to_string(), remedy()))
}

/// A pod spec with some fields as arguments write them: affinity and spread constraints are read as those of a pod.
fn read_as_pod_spec(field: &str, fields: Value) -> Result<Arc<PodSpec>, ArgumentError> {
    let mut spec = json!({"containers": [{"name": "none", "image": "none"}]});
    for (field, value) in fields.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "arguments"}, "spec": spec});
    let lowered = Lowering::default().lower(&pod);
    match lowered.map(|lowered| lowered.object) {
        Ok(Object::Pod(pod)) => Ok(pod.spec.clone()),
        Ok(_) => unreachable!("a pod is a pod"),
        Err(error) => Err(ArgumentError::new(field, error.to_string(), "write it as in a pod")),
    }
}

/// The claim that a volume of a pod stands for, and whether it is made for the pod alone.
fn claim_of(pod: &Pod, volume: &Volume) -> Option<(Name, bool)> {
    match &volume.source {
        VolumeSource::Claim { name, .. } => Some((*name, false)),
        VolumeSource::Ephemeral { .. } => Some((Name::new(&format!("{}-{}", pod.meta.name, volume.name)), true)),
        _ => None,
    }
}

/// Whether a claim was made for a pod's ephemeral volume (`ephemeral.VolumeIsForPod`).
fn claim_is_for_pod(claim: &PersistentVolumeClaim, pod: &Pod) -> Result<(), Text> {
    if claim.meta.controller().is_some_and(|owner| owner.uid == pod.meta.uid) {
        return Ok(());
    }
    Err(format!("PVC {} was not created for pod {} (pod is not owner)", claim.meta.key(), pod.meta.key()).into())
}

/// Whether an event is about the very pod that is asked about.
fn is_same_pod(pod: &Pod, uid: Uid) -> bool {
    pod.meta.uid == uid
}

/// A count by pair of label and value, changed by pods that a dry run adds and removes; few.
type PairDeltas = FastMap<(u32, u32), i64>;
