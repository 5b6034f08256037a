//! `kubectl get`: a printer for each kind, and the forms of output that need none.
//!
//! Follows kubectl 1.36 `pkg/cmd/get/get.go`. Left out: `-f`, templates from files.

mod autoscaler;
mod cluster;
mod custom_columns;
mod event;
pub mod network;
pub mod node;
pub mod pod;
pub mod pod_facts;
pub mod storage;
mod workload;

pub use autoscaler::metrics;
pub use custom_columns::CustomColumns;

use super::error::Error;
use super::fields::Fields;
use super::flags::{Arguments, Flag};
use super::jsonpath::{JsonPath, relaxed};
use super::resources::Resource;
use super::selection::{Selection, select};
use super::table::{Column, Layout, Row};
use super::tabwriter::TabWriter;
use super::template::Template;
use super::{Objects, Printed, go, go_sort, yaml};
use crate::api::{Pod, human_duration};
use jiff::Timestamp;
use serde_json::{Value, json};

/// The columns of a table.
pub type Columns = &'static [Column];

/// Makes the cells of one object at an instant.
type Cells = fn(&Value, Timestamp) -> Vec<String>;

/// How objects of a kind become lines of a table.
struct Printer {
    columns: Columns,
    cells: Cells,
}

fn printer(resource: &Resource) -> Printer {
    let (columns, cells): (Columns, Cells) = match (resource.group, resource.kind) {
        ("", "Pod") => (pod::COLUMNS, pod::cells),
        ("", "Node") => (node::COLUMNS, node::cells),
        ("" | "events.k8s.io", "Event") => (event::COLUMNS, event::cells),
        ("", "Service") => (network::SERVICE, network::service),
        ("", "Endpoints") => (network::ENDPOINTS, network::endpoints),
        ("", "PersistentVolume") => (storage::VOLUME, storage::volume),
        ("", "PersistentVolumeClaim") => (storage::CLAIM, storage::claim),
        ("", "ReplicationController") => (workload::REPLICA_SET, workload::replication_controller),
        ("", "PodTemplate") => (workload::POD_TEMPLATE, workload::pod_template),
        ("", "Namespace") => (cluster::NAMESPACE, cluster::namespace),
        ("", "Secret") => (cluster::SECRET, cluster::secret),
        ("", "ConfigMap") => (cluster::CONFIG_MAP, cluster::config_map),
        ("", "ServiceAccount") => (cluster::NAME_AND_AGE, cluster::name_and_age),
        ("", "ResourceQuota") => (cluster::RESOURCE_QUOTA, cluster::resource_quota),
        ("", "ComponentStatus") => (cluster::COMPONENT_STATUS, cluster::component_status),
        ("apps", "Deployment") => (workload::DEPLOYMENT, workload::deployment),
        ("apps", "ReplicaSet") => (workload::REPLICA_SET, workload::replica_set),
        ("apps", "StatefulSet") => (workload::STATEFUL_SET, workload::stateful_set),
        ("apps", "DaemonSet") => (workload::DAEMON_SET, workload::daemon_set),
        ("apps", "ControllerRevision") => (workload::CONTROLLER_REVISION, workload::controller_revision),
        ("batch", "Job") => (workload::JOB, workload::job),
        ("batch", "CronJob") => (workload::CRON_JOB, workload::cron_job),
        ("autoscaling", "HorizontalPodAutoscaler") => (autoscaler::COLUMNS, autoscaler::cells),
        ("policy", "PodDisruptionBudget") => (cluster::DISRUPTION_BUDGET, cluster::disruption_budget),
        ("networking.k8s.io", "Ingress") => (network::INGRESS, network::ingress),
        ("networking.k8s.io", "IngressClass") => (network::INGRESS_CLASS, network::ingress_class),
        ("networking.k8s.io", "NetworkPolicy") => (network::NETWORK_POLICY, network::network_policy),
        ("networking.k8s.io", "ServiceCIDR") => (network::SERVICE_CIDR, network::service_cidr),
        ("networking.k8s.io", "IPAddress") => (network::IP_ADDRESS, network::ip_address),
        ("discovery.k8s.io", "EndpointSlice") => (network::ENDPOINT_SLICE, network::endpoint_slice),
        ("storage.k8s.io", "StorageClass") => (storage::STORAGE_CLASS, storage::class),
        ("storage.k8s.io", "VolumeAttributesClass") => (storage::ATTRIBUTES_CLASS, storage::attributes_class),
        ("storage.k8s.io", "VolumeAttachment") => (storage::ATTACHMENT, storage::attachment),
        ("storage.k8s.io", "CSIDriver") => (storage::CSI_DRIVER, storage::csi_driver),
        ("storage.k8s.io", "CSINode") => (storage::CSI_NODE, storage::csi_node),
        ("storage.k8s.io", "CSIStorageCapacity") => (storage::CSI_STORAGE_CAPACITY, storage::csi_storage_capacity),
        ("scheduling.k8s.io", "PriorityClass") => (cluster::PRIORITY_CLASS, cluster::priority_class),
        ("coordination.k8s.io", "Lease") => (cluster::LEASE, cluster::lease),
        ("node.k8s.io", "RuntimeClass") => (cluster::RUNTIME_CLASS, cluster::runtime_class),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
            (cluster::ROLE_BINDING, cluster::role_binding)
        }
        ("certificates.k8s.io", "CertificateSigningRequest") => (cluster::SIGNING_REQUEST, cluster::signing_request),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration") => {
            (cluster::WEBHOOKS, cluster::webhooks)
        }
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy") => {
            (cluster::ADMISSION_POLICY, cluster::admission_policy)
        }
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding") => {
            (cluster::ADMISSION_POLICY_BINDING, cluster::admission_policy_binding)
        }
        ("flowcontrol.apiserver.k8s.io", "FlowSchema") => (cluster::FLOW_SCHEMA, cluster::flow_schema),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration") => {
            (cluster::PRIORITY_LEVEL, cluster::priority_level)
        }
        ("resource.k8s.io", "ResourceClaim") => (cluster::RESOURCE_CLAIM, cluster::resource_claim),
        ("resource.k8s.io", "ResourceSlice") => (cluster::RESOURCE_SLICE, cluster::resource_slice),
        ("resource.k8s.io", "DeviceClass" | "ResourceClaimTemplate") => (cluster::NAME_AND_AGE, cluster::name_and_age),
        _ => (cluster::UNKNOWN, cluster::unknown),
    };
    Printer { columns, cells }
}

/// How long ago; `<unknown>` if never.
pub fn since(time: Option<Timestamp>, now: Timestamp) -> String {
    time.map_or("<unknown>".to_owned(), |time| human_duration(now.duration_since(time)))
}

fn name(object: &Value) -> String {
    object.text("metadata.name").to_owned()
}

fn age(object: &Value, now: Timestamp) -> String {
    since(object.time("metadata.creationTimestamp"), now)
}

fn or_none(text: &str) -> String {
    if text.is_empty() { "<none>" } else { text }.to_owned()
}

fn or_unknown(text: &str) -> String {
    if text.is_empty() { "<unknown>" } else { text }.to_owned()
}

fn or_unset(text: Option<&str>) -> String {
    text.unwrap_or("<unset>").to_owned()
}

/// `True` or `False`, or `<unset>`.
pub fn yes_no(flag: Option<bool>) -> &'static str {
    match flag {
        Some(true) => "True",
        Some(false) => "False",
        None => "<unset>",
    }
}

fn counts<const N: usize>(object: &Value, paths: [&str; N]) -> [String; N] {
    paths.map(|path| object.int(path).to_string())
}

const FLAGS: &[Flag] = &[
    Flag::value("output", Some('o')),
    Flag::value("template", None),
    Flag::value("selector", Some('l')),
    Flag::value("field-selector", None),
    Flag::value("label-columns", Some('L')),
    Flag::value("sort-by", None),
    Flag::value("chunk-size", None),
    Flag::value("subresource", None),
    Flag::switch("all-namespaces", Some('A')),
    Flag::switch("no-headers", None),
    Flag::switch("show-labels", None),
    Flag::switch("show-kind", None),
    Flag::switch("show-managed-fields", None),
    Flag::switch("ignore-not-found", None),
    Flag::switch("allow-missing-template-keys", None),
    Flag::switch("server-print", None),
    Flag::switch("watch", Some('w')),
    Flag::switch("watch-only", None),
    Flag::switch("output-watch-events", None),
];

/// Runs `kubectl get` with the arguments behind the verb.
pub fn run(args: &[String], objects: &Objects, now: Timestamp) -> Printed {
    Arguments::parse(args, FLAGS, "get")
        .and_then(|arguments| get(&arguments, objects, now))
        .unwrap_or_else(Printed::error)
}

/// Runs `kubectl get --watch`: a line for each version of an object, as wide as the lines before it.
pub fn watch(args: &[String], changes: &[(Timestamp, Value)]) -> Printed {
    let arguments = match Arguments::parse(args, FLAGS, "get") {
        Ok(arguments) => arguments,
        Err(error) => return Printed::error(error),
    };
    match watched(&arguments, changes) {
        Ok(printed) => printed,
        Err(error) => Printed::error(error),
    }
}

fn watched(arguments: &Arguments, changes: &[(Timestamp, Value)]) -> Result<Printed, Error> {
    let output = arguments.value("output").unwrap_or("");
    let Format::Table { wide } = Format::parse(output, arguments)? else {
        return Err(Error::client(format!("podsim watches tables only: leave out -o {output}, or write -o wide")));
    };
    let mut lines = String::new();
    for (now, object) in changes {
        let objects = Objects::new([object.clone()]);
        // What is no longer, or not yet, of those that are asked for is not told.
        let selection = select(&objects, arguments)?;
        if selection.answers.len() + selection.errors.len() > 1 && !selection.single {
            return Err(Error::client("you may only specify a single resource type"));
        }
        for (resource, object) in selection.objects() {
            let printer = printer(resource);
            let layout = Layout {
                no_headers: arguments.is_on("no-headers"),
                wide,
                with_namespace: arguments.is_on("all-namespaces") && resource.namespaced,
                with_kind: arguments.is_on("show-kind"),
                label_columns: arguments.values("label-columns"),
                show_labels: arguments.is_on("show-labels"),
            };
            if lines.is_empty() && !layout.no_headers {
                lines += &layout.header(printer.columns);
            }
            let row = Row { cells: (printer.cells)(object, *now), object };
            // Each line is laid out by itself, once it comes.
            lines += layout.line(resource, printer.columns, &row).trim_end_matches('\n');
            lines.push('\u{c}');
        }
    }
    let stdout = TabWriter::TABLE.align(&lines);
    Ok(Printed { stdout, ..Printed::default() })
}

fn get(arguments: &Arguments, objects: &Objects, now: Timestamp) -> Result<Printed, Error> {
    let output = arguments.value("output").unwrap_or("");
    if arguments.is_on("show-labels") && !matches!(output, "" | "wide") {
        return Err(Error::client(format!("--show-labels option cannot be used with {output} printer")));
    }
    let format = Format::parse(output, arguments)?;
    let mut selection = select(objects, arguments)?;
    if arguments.is_on("ignore-not-found") {
        selection.errors.retain(|error| !matches!(error, Error::Server { reason: "NotFound", .. }));
    }
    let mut printed = Printed { stderr: selection.warnings.clone(), ..Printed::default() };
    match format {
        Format::Table { wide } => {
            if let Some(field) = arguments.value("sort-by") {
                for answer in &mut selection.answers {
                    sort_by(&mut answer.objects, field)?;
                }
            }
            let default_class = storage::default_class(objects);
            let row = |printer: &Printer, object| {
                let mut cells = (printer.cells)(object, now);
                if default_class.is_some_and(|class| std::ptr::eq(class, object)) {
                    cells[0] += " (default)";
                }
                Row { cells, object }
            };
            print_tables(arguments, &selection, wide, row, &mut printed);
        }
        format => {
            if let Err(error) = print_generic(arguments, &selection, &format, &mut printed) {
                // What was printed until then stays.
                selection.errors.push(error);
            }
        }
    }
    if let Some(error) = Error::all(selection.errors) {
        printed.fail(&error);
    }
    Ok(printed)
}

/// Pods of a running cluster as `kubectl get pods -A` lists them, in the order in which they come.
pub fn pods_of<'p>(pods: impl IntoIterator<Item = &'p Pod>, now: Timestamp) -> String {
    let layout = Layout { with_namespace: true, ..Layout::default() };
    let mut lines = layout.header(pod::COLUMNS);
    let header = lines.len();
    for pod in pods {
        lines += &format!("{}\t{}\n", pod.meta.namespace, pod::cells_of(pod, now).join("\t"));
    }
    if lines.len() == header { "No resources found\n".to_owned() } else { TabWriter::TABLE.align(&lines) }
}

/// The forms of output.
enum Format {
    Table { wide: bool },
    Json,
    Yaml,
    Name,
    JsonPath { path: JsonPath, as_json: bool },
    CustomColumns(CustomColumns),
    GoTemplate(Template),
}

impl Format {
    fn parse(output: &str, arguments: &Arguments) -> Result<Self, Error> {
        let (kind, template) = match output.split_once('=') {
            Some((kind, template)) => (kind, Some(template)),
            None => (output, arguments.value("template")),
        };
        let template = || template.ok_or_else(|| Error::client("template format specified but no template given"));
        Ok(match kind {
            "" if arguments.value("template").is_none() => Self::Table { wide: false },
            "" | "go-template" | "template" => {
                let text = template()?;
                let wrong = |error| Error::client(format!("error parsing template {text}, {error}\n"));
                Self::GoTemplate(Template::parse(text).map_err(wrong)?)
            }
            "wide" => Self::Table { wide: true },
            "json" => Self::Json,
            "yaml" => Self::Yaml,
            "name" => Self::Name,
            "jsonpath" | "jsonpath-as-json" => {
                let path = JsonPath::parse(template()?)
                    .map_err(|e| Error::client(format!("error parsing jsonpath {}, {e}", template().unwrap_or(""))))?;
                let lenient = arguments.switch("allow-missing-template-keys").unwrap_or(true);
                let path = if lenient { path.allow_missing_keys() } else { path };
                Self::JsonPath { path, as_json: kind != "jsonpath" }
            }
            "custom-columns" => Self::CustomColumns(CustomColumns::parse(template()?, arguments.is_on("no-headers"))?),
            _ => {
                return Err(Error::client(format!(
                    "unable to match a printer suitable for the output format {}, allowed formats are: \
                     custom-columns,go-template,json,jsonpath,jsonpath-as-json,name,template,wide,yaml",
                    go::quoted(output)
                )));
            }
        })
    }
}

fn print_tables<'a>(
    arguments: &Arguments,
    selection: &Selection<'a>,
    wide: bool,
    row: impl Fn(&Printer, &'a Value) -> Row<'a>,
    printed: &mut Printed,
) {
    let answers = &selection.answers;
    let with_kind = arguments.is_on("show-kind") || answers.windows(2).any(|pair| pair[0].resource != pair[1].resource);
    // Tables of a kind that follow each other are one table.
    for group in answers.chunk_by(|a, b| a.resource == b.resource) {
        let resource = group[0].resource;
        let printer = printer(resource);
        let layout = Layout {
            no_headers: arguments.is_on("no-headers"),
            wide,
            with_namespace: arguments.is_on("all-namespaces") && resource.namespaced,
            with_kind,
            label_columns: arguments.values("label-columns"),
            show_labels: arguments.is_on("show-labels"),
        };
        let rows = group.iter().flat_map(|answer| &answer.objects);
        let lines: String = rows.map(|object| layout.line(resource, printer.columns, &row(&printer, object))).collect();
        if lines.is_empty() {
            continue;
        }
        let header = if layout.no_headers { String::new() } else { layout.header(printer.columns) };
        if !printed.stdout.is_empty() && !layout.no_headers {
            printed.stdout.push('\n');
        }
        printed.stdout += &TabWriter::TABLE.align(&(header + &lines));
    }
    if printed.stdout.is_empty() && selection.errors.is_empty() && !arguments.is_on("ignore-not-found") {
        printed.stderr += &nothing_found(arguments, selection);
    }
}

fn nothing_found(arguments: &Arguments, selection: &Selection<'_>) -> String {
    let namespaced = selection.answers.iter().all(|answer| answer.resource.namespaced);
    if namespaced && !arguments.is_on("all-namespaces") {
        format!("No resources found in {} namespace.\n", arguments.namespace())
    } else {
        "No resources found\n".to_owned()
    }
}

fn print_generic(
    arguments: &Arguments,
    selection: &Selection<'_>,
    format: &Format,
    printed: &mut Printed,
) -> Result<(), Error> {
    let mut found: Vec<&Value> = selection.objects().map(|(_, object)| object).collect();
    if selection.single && found.is_empty() {
        return Ok(());
    }
    let is_list = !selection.single;
    if is_list && let Some(field) = arguments.value("sort-by") {
        sort_by(&mut found, field)?;
    }
    let mut items: Vec<Value> = found.into_iter().cloned().collect();
    if !arguments.is_on("show-managed-fields") {
        items.iter_mut().filter_map(|item| item["metadata"].as_object_mut()).for_each(|metadata| {
            metadata.remove("managedFields");
        });
    }
    let whole = || match (is_list, items.first()) {
        (false, Some(item)) => item.clone(),
        _ => json!({"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}}),
    };
    printed.stdout += &match format {
        Format::Json => go::json(&whole(), "    ") + "\n",
        Format::Yaml => yaml::document(&whole()),
        Format::Name => {
            let named = selection
                .objects()
                .map(|(resource, object)| format!("{}/{}\n", resource.lower_kind(), object.text("metadata.name")));
            named.collect()
        }
        Format::JsonPath { path, as_json } => path.print(&whole(), *as_json).map_err(Error::client)?,
        Format::CustomColumns(columns) => columns.print(&items)?,
        Format::GoTemplate(template) => match template.print(&whole()) {
            Ok(text) => text,
            Err((begun, error)) => {
                let (source, data) = (template.source(), go::json(&whole(), ""));
                printed.stdout += &format!(
                    "{begun}Error executing template: {error}. Printing more information for debugging the template:\n\
                     \ttemplate was:\n\t\t{source}\n\traw data was:\n\t\t{data}\n\
                     \tobject given to template engine was:\n\t\t{}\n\n",
                    go::value(&whole())
                );
                return Err(Error::client(format!("error executing template {}: {error}", go::quoted(source))));
            }
        },
        Format::Table { .. } => String::new(),
    };
    Ok(())
}

/// Sorts by a field that at least one object must have; objects without it come first.
fn sort_by(objects: &mut Vec<&Value>, field: &str) -> Result<(), Error> {
    let field = relaxed(field).unwrap_or_else(|_| field.to_owned());
    let path = JsonPath::parse(&field).map_err(|e| Error::client(format!("sorting error: {e}")))?.allow_missing_keys();
    let mut keyed: Vec<(Option<Value>, &Value)> = Vec::new();
    for object in objects.iter() {
        let found = path.find(object).map_err(Error::client)?;
        keyed.push((found.into_iter().next().and_then(|values| values.into_iter().next()), object));
    }
    if !keyed.is_empty() && keyed.iter().all(|(key, _)| key.is_none()) {
        let field = go::quoted(&field);
        return Err(Error::client(format!("couldn't find any field with path {field} in the list of objects")));
    }
    // kubectl sorts what it got, and again what it prints; the second time may exchange equals once more.
    for _ in 0..2 {
        go_sort::sort(&mut keyed, |a, b| less(a.0.as_ref(), b.0.as_ref()));
    }
    *objects = keyed.into_iter().map(|(_, object)| object).collect();
    Ok(())
}

/// Numbers by size, texts by size if both are amounts, else by letter; null and missing first. What is missing even
/// comes before what is missing: the comparison is kubectl's.
fn less(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(Value::Null), Some(b)) => !b.is_null(),
        (Some(Value::String(a)), Some(Value::String(b))) => {
            match (a.parse::<crate::api::Quantity>(), b.parse::<crate::api::Quantity>()) {
                (Ok(a), Ok(b)) => a < b,
                _ => a < b,
            }
        }
        (Some(Value::Number(a)), Some(Value::Number(b))) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a < b,
            _ => a.as_f64() < b.as_f64(),
        },
        _ => false,
    }
}
