//! Which objects a command speaks of: types, names and selectors become requests, requests become objects.
//!
//! Follows cli-runtime 1.36 `pkg/resource/builder.go`, `selector.go` and `visitor.go`.

use super::error::Error;
use super::flags::Arguments;
use super::go::quoted;
use super::objects::Objects;
use super::resources::{self, Resource};
use super::selector::{FieldSelector, LabelSelector};
use serde_json::Value;

/// The answer to one request: a whole listing, or one object by name.
#[derive(Debug)]
pub struct Answer<'a> {
    /// What was asked for.
    pub resource: &'static Resource,
    /// What was found.
    pub objects: Vec<&'a Value>,
}

/// All answers to what a command asked for.
#[derive(Debug, Default)]
pub struct Selection<'a> {
    /// In the order of the requests.
    pub answers: Vec<Answer<'a>>,
    /// The requests that failed, likewise.
    pub errors: Vec<Error>,
    /// What the server remarked on the side, for standard error.
    pub warnings: String,
    /// Was exactly one object asked for by name?
    pub single: bool,
}

impl<'a> Selection<'a> {
    /// Every object found, with its kind.
    pub fn objects(&self) -> impl Iterator<Item = (&'static Resource, &'a Value)> + '_ {
        self.answers.iter().flat_map(|answer| answer.objects.iter().map(|object| (answer.resource, *object)))
    }
}

/// Asks `objects` for what the positional arguments, `-n`, `-A`, `-l` and `--field-selector` name.
pub fn select<'a>(objects: &'a Objects, arguments: &Arguments) -> Result<Selection<'a>, Error> {
    let labels = arguments.value("selector").unwrap_or("").trim();
    let fields = arguments.value("field-selector").unwrap_or("").trim();
    match targets(&arguments.positional)? {
        Targets::Types(types) => list(objects, arguments, &types, labels, fields),
        Targets::Names(_) if !labels.is_empty() || !fields.is_empty() => {
            Err(Error::client("name cannot be provided when a selector is specified"))
        }
        Targets::Names(names) => get(objects, arguments, &names),
    }
}

enum Targets {
    Types(Vec<&'static Resource>),
    Names(Vec<(&'static Resource, String)>),
}

/// Reads `TYPE[,TYPE]`, `TYPE[,TYPE] NAME…` or `TYPE/NAME…`.
fn targets(positional: &[String]) -> Result<Targets, Error> {
    let Some((types, names)) = positional.split_first() else {
        return Err(Error::client("You must specify the type of resource to get."));
    };
    let with_slash = positional.iter().filter(|arg| arg.contains('/')).count();
    if with_slash == positional.len() {
        return positional.iter().map(|arg| type_and_name(arg)).collect::<Result<_, _>>().map(Targets::Names);
    }
    if with_slash > 0 {
        return Err(Error::client(
            "there is no need to specify a resource type as a separate argument when passing arguments in \
             resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get \
             resource resource/<resource_name>'",
        ));
    }
    let types = types_of(types)?;
    if names.is_empty() {
        return Ok(Targets::Types(types));
    }
    let pairs = types.iter().flat_map(|resource| names.iter().map(|name| (*resource, name.clone())));
    Ok(Targets::Names(pairs.collect()))
}

/// Reads `a,b,all`, each type once.
fn types_of(list: &str) -> Result<Vec<&'static Resource>, Error> {
    let mut types: Vec<&'static Resource> = Vec::new();
    for name in list.split(',').filter(|name| !name.is_empty()) {
        let found = resources::in_category(name).map_or_else(|| resources::find(name).map(|r| vec![r]), Ok)?;
        for resource in found {
            if !types.contains(&resource) {
                types.push(resource);
            }
        }
    }
    Ok(types)
}

fn type_and_name(arg: &str) -> Result<(&'static Resource, String), Error> {
    match *arg.split('/').collect::<Vec<_>>() {
        [kind, name] if !kind.is_empty() && !name.is_empty() && !kind.contains(',') => {
            Ok((resources::find(kind)?, name.to_owned()))
        }
        [_, _] => Err(Error::client("arguments in resource/name form must have a single resource and name")),
        _ => Err(Error::client("arguments in resource/name form may not have more than one slash")),
    }
}

fn list<'a>(
    objects: &'a Objects,
    arguments: &Arguments,
    types: &[&'static Resource],
    labels: &str,
    fields: &str,
) -> Result<Selection<'a>, Error> {
    let (label_selector, field_selector) = (LabelSelector::parse(labels)?, FieldSelector::parse(fields)?);
    let mut selection = Selection::default();
    for resource in types {
        selection.warn_about(resource);
        if let Some(field) = field_selector.fields().find(|field| !can_select(resource, field)) {
            selection.errors.push(field_not_supported(resource, labels, fields, field));
            continue;
        }
        let namespace = (resource.namespaced && !arguments.is_on("all-namespaces")).then(|| arguments.namespace());
        let found = objects.list(resource, None).filter(|object| {
            namespace.is_none_or(|n| super::fields::namespace(object) == n)
                && (labels.is_empty() || label_selector.matches(object))
                && field_selector.matches(object)
        });
        selection.answers.push(Answer { resource, objects: found.collect() });
    }
    Ok(selection)
}

fn get<'a>(
    objects: &'a Objects,
    arguments: &Arguments,
    names: &[(&'static Resource, String)],
) -> Result<Selection<'a>, Error> {
    if arguments.is_on("all-namespaces") && names.iter().any(|(resource, _)| resource.namespaced) {
        return Err(Error::client("a resource cannot be retrieved by name across all namespaces"));
    }
    let mut selection = Selection { single: names.len() == 1, ..Selection::default() };
    for (resource, name) in names {
        selection.warn_about(resource);
        let namespace = if resource.namespaced { arguments.namespace() } else { "" };
        match objects.find(resource, namespace, name) {
            Some(object) => selection.answers.push(Answer { resource, objects: vec![object] }),
            None => selection.errors.push(Error::not_found(&resource.qualified(), name)),
        }
    }
    Ok(selection)
}

impl Selection<'_> {
    /// The server warns of kinds on their way out; kubectl passes each warning on once.
    fn warn_about(&mut self, resource: &Resource) {
        let warning = match (resource.group, resource.kind) {
            ("", "Endpoints") => "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
            ("", "ComponentStatus") => "v1 ComponentStatus is deprecated in v1.19+",
            _ => return,
        };
        if !self.warnings.contains(warning) {
            self.warnings += &format!("Warning: {warning}\n");
        }
    }
}

/// Does the server index this field? Every kind by name and namespace, a few kinds by more.
fn can_select(resource: &Resource, field: &str) -> bool {
    let indexed: &[&str] = match (resource.group, resource.kind) {
        ("", "Pod") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        ("" | "events.k8s.io", "Event") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("", "Node") => &["spec.unschedulable"],
        ("", "Namespace") => &["status.phase"],
        ("", "Secret") => &["type"],
        ("", "Service") => &["spec.clusterIP", "spec.type"],
        ("", "ReplicationController") | ("apps", "ReplicaSet") => &["status.replicas"],
        ("batch", "Job") => &["status.successful"],
        ("certificates.k8s.io", "CertificateSigningRequest") => &["spec.signerName"],
        _ => &[],
    };
    field == "metadata.name" || (resource.namespaced && field == "metadata.namespace") || indexed.contains(&field)
}

fn field_not_supported(resource: &Resource, labels: &str, fields: &str, field: &str) -> Error {
    let (version, group) = (resource.version, resource.group);
    let what = quoted(&format!("{group}/{version}, Resource={}", resource.plural));
    let (labels, fields) = (quoted(labels), quoted(fields));
    Error::Server {
        reason: "BadRequest",
        message: format!(
            "Unable to find {what} that match label selector {labels}, field selector {fields}: \
             field label not supported: {field}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names(line: &str) -> Result<String, String> {
        let object = |version: &str, kind: &str, namespace: &str, name: &str| {
            json!({
                "apiVersion": version,
                "kind": kind,
                "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
            })
        };
        let objects = Objects::new([
            object("v1", "Pod", "default", "a"),
            object("v1", "Pod", "other", "b"),
            object("apps/v1", "Deployment", "default", "a"),
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}),
        ]);
        let positional = line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        const FLAGS: &[super::super::flags::Flag] = &[
            super::super::flags::Flag::switch("all-namespaces", Some('A')),
            super::super::flags::Flag::value("selector", Some('l')),
            super::super::flags::Flag::value("field-selector", None),
        ];
        let arguments = Arguments::parse(&positional, FLAGS, "get").map_err(|e| e.report())?;
        let selection = select(&objects, &arguments).map_err(|e| e.report())?;
        let errors: String = selection.errors.iter().map(Error::report).collect();
        let found: Vec<String> =
            selection.objects().map(|(r, o)| format!("{}/{}", r.lower_kind(), super::super::fields::name(o))).collect();
        Ok(found.join(" ") + &errors)
    }

    #[test]
    fn arguments_name_objects_in_three_ways() {
        for (line, found) in [
            ("pods", "pod/a"),
            ("pods -A", "pod/a pod/b"),
            ("po,deploy,pods", "pod/a deployment.apps/a"),
            ("po,deploy a", "pod/a deployment.apps/a"),
            ("pod/a no/n", "pod/a node/n"),
            ("pods a x", "pod/aError from server (NotFound): pods \"x\" not found\n"),
            ("pods -n other -l app!=a", "pod/b"),
            ("pods --field-selector metadata.name=b -A", "pod/b"),
            ("no n -A", "node/n"),
        ] {
            assert_eq!(names(line).as_deref(), Ok(found), "{line}");
        }
        for line in ["", "pods pod/a", "a/b/c", "pods a -l app=a", "pods a -A", "foo"] {
            assert!(names(line).is_err(), "{line}");
        }
    }
}
