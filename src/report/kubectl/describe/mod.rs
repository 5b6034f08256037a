//! `kubectl describe`: a describer for each kind, and one for all others.
//!
//! Follows kubectl 1.36 `pkg/cmd/describe/describe.go`. Left out: the inside of certificate signing requests.

mod access;
mod autoscaler;
mod container;
mod generic;
mod network;
mod node;
pub mod parts;
pub mod pod;
mod policy;
mod storage;
mod volume;
mod workload;
pub mod writer;

use super::error::Error;
use super::fields::name;
use super::flags::{Arguments, Flag};
use super::resources::Resource;
use super::selection::{Selection, select};
use super::{Objects, Printed};
use jiff::Timestamp;
use serde_json::Value;
use writer::Writer;

/// What a describer may look at besides the object.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// All objects of the cluster.
    pub objects: &'a Objects,
    /// The instant of the description.
    pub now: Timestamp,
    /// Does it end with the events about the object?
    pub show_events: bool,
}

type Describer = fn(&mut Writer, &Value, &Context<'_>);

fn describer(resource: &Resource) -> Describer {
    match (resource.group, resource.kind) {
        ("", "Pod") => pod::pod,
        ("", "Node") => node::node,
        ("", "Service") => network::service,
        ("", "Endpoints") => network::endpoints,
        ("", "ReplicationController") => workload::replication_controller,
        ("", "PersistentVolume") => storage::persistent_volume,
        ("", "PersistentVolumeClaim") => storage::persistent_volume_claim,
        ("", "Namespace") => policy::namespace_object,
        ("", "ResourceQuota") => policy::resource_quota,
        ("", "LimitRange") => policy::limit_range,
        ("", "Secret") => policy::secret,
        ("", "ConfigMap") => policy::config_map,
        ("", "ServiceAccount") => access::service_account,
        ("apps", "Deployment") => workload::deployment,
        ("apps", "ReplicaSet") => workload::replica_set,
        ("apps", "StatefulSet") => workload::stateful_set,
        ("apps", "DaemonSet") => workload::daemon_set,
        ("batch", "Job") => workload::job,
        ("batch", "CronJob") => workload::cron_job,
        ("autoscaling", "HorizontalPodAutoscaler") => autoscaler::autoscaler,
        ("policy", "PodDisruptionBudget") => policy::disruption_budget,
        ("scheduling.k8s.io", "PriorityClass") => policy::priority_class,
        ("networking.k8s.io", "Ingress") => network::ingress,
        ("networking.k8s.io", "IngressClass") => network::ingress_class,
        ("networking.k8s.io", "NetworkPolicy") => network::network_policy,
        ("networking.k8s.io", "ServiceCIDR") => network::service_cidr,
        ("networking.k8s.io", "IPAddress") => network::ip_address,
        ("discovery.k8s.io", "EndpointSlice") => network::endpoint_slice,
        ("storage.k8s.io", "StorageClass") => storage::class,
        ("storage.k8s.io", "VolumeAttributesClass") => storage::attributes_class,
        ("storage.k8s.io", "CSINode") => storage::csi_node,
        ("rbac.authorization.k8s.io", "Role" | "ClusterRole") => access::role,
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => access::role_binding,
        _ => generic::generic,
    }
}

const FLAGS: &[Flag] = &[
    Flag::value("selector", Some('l')),
    Flag::value("chunk-size", None),
    Flag::switch("all-namespaces", Some('A')),
    Flag::switch("show-events", None),
];

/// Runs `kubectl describe` with the arguments behind the verb.
pub fn run(args: &[String], objects: &Objects, now: Timestamp) -> Printed {
    let arguments = Arguments::parse(args, FLAGS, "describe");
    arguments.and_then(|arguments| describe(&arguments, objects, now)).unwrap_or_else(Printed::error)
}

fn describe(arguments: &Arguments, objects: &Objects, now: Timestamp) -> Result<Printed, Error> {
    let selection = select(objects, arguments)?;
    let mut printed = Printed { stderr: selection.warnings.clone(), ..Printed::default() };
    let several = selection.objects().count() > 1 || !selection.errors.is_empty();
    let show_events = arguments.switch("show-events").unwrap_or(!several);
    let context = Context { objects, now, show_events };
    if let ([type_name, prefix], [error @ Error::Server { reason: "NotFound", .. }]) =
        (arguments.positional.as_slice(), selection.errors.as_slice())
    {
        return describe_by_prefix(arguments, type_name, prefix, &context, error, printed);
    }
    let described: Vec<String> =
        selection.objects().map(|(resource, object)| text(resource, object, &context)).collect();
    printed.stdout = described.join("\n\n");
    if described.is_empty() && selection.errors.is_empty() {
        printed.stderr += &nothing_found(arguments);
    }
    if let Some(error) = Error::all(selection.errors) {
        printed.fail(&error);
    }
    Ok(printed)
}

fn text(resource: &Resource, object: &Value, context: &Context<'_>) -> String {
    let mut w = Writer::default();
    describer(resource)(&mut w, object, context);
    w.aligned()
}

fn nothing_found(arguments: &Arguments) -> String {
    if arguments.is_on("all-namespaces") {
        "No resources found\n".to_owned()
    } else {
        format!("No resources found in {} namespace.\n", arguments.namespace())
    }
}

/// A name that does not exist may be the beginning of some that do.
fn describe_by_prefix(
    arguments: &Arguments,
    type_name: &str,
    prefix: &str,
    context: &Context<'_>,
    original: &Error,
    mut printed: Printed,
) -> Result<Printed, Error> {
    let listing = arguments.with_positional(type_name);
    let all: Selection<'_> = select(context.objects, &listing)?;
    for (resource, object) in all.objects().filter(|(_, object)| name(object).starts_with(prefix)) {
        printed.stdout += &(text(resource, object, context) + "\n");
    }
    if printed.stdout.is_empty() {
        printed.fail(original);
    }
    Ok(printed)
}
