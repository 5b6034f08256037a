//! What the API server does not accept, in its words.
//!
//! Follows `pkg/apis/*/validation/validation.go` of 1.36, its order and its texts, as far as a manifest of ours can
//! run into it. Left out on purpose: the details of volume sources, security contexts and Windows, of which nothing
//! here depends; what they hold is kept as written.

mod batch;
mod container;
mod cron;
mod device;
mod meta;
mod names;
mod pod;
mod policy;
mod scheduling;
mod service;
mod storage;
mod update;
mod volume;
mod workload;

pub(super) use batch::{cron_job, job};
pub(super) use device::{resource_claim, resource_slice};
pub(super) use meta::{complete_name, kube_finalizers, metadata};
pub(super) use names::NameRule;
pub(super) use pod::pod;
pub(super) use policy::{
    config_map, horizontal_pod_autoscaler, limit_range, namespace, node, priority_class, resource_quota, secret,
};
pub(super) use service::{disruption_budget, service};
pub(super) use storage::{claim, storage_class, volume};
pub use update::validate_update;
pub(super) use workload::{daemon_set, deployment, replica_set, replication_controller, stateful_set};

use super::FieldError;
use std::fmt;

/// The way to a field, put together only when there is something to say about it.
#[derive(Clone, Copy)]
pub(super) struct At<'p> {
    up: Option<&'p At<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Child(&'p str),
    Index(usize),
    Key(&'p str),
}

impl<'p> At<'p> {
    pub(super) const fn root(name: &'p str) -> Self {
        At { up: None, step: Step::Child(name) }
    }

    pub(super) fn child(&'p self, name: &'p str) -> Self {
        At { up: Some(self), step: Step::Child(name) }
    }

    pub(super) fn index(&'p self, index: usize) -> Self {
        At { up: Some(self), step: Step::Index(index) }
    }

    pub(super) fn key(&'p self, key: &'p str) -> Self {
        At { up: Some(self), step: Step::Key(key) }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(up) = self.up {
            up.fmt(f)?;
        }
        match self.step {
            Step::Child(name) if self.up.is_none() => f.write_str(name),
            Step::Child(name) => write!(f, ".{name}"),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Key(key) => write!(f, "[{key}]"),
        }
    }
}

/// The errors found so far, whether the object is being created, and whether it names a selector.
#[derive(Debug, Default)]
pub(super) struct Errors(pub(super) Vec<FieldError>, bool, bool);

impl Errors {
    /// No errors yet.
    pub(super) const fn for_create(creating: bool) -> Self {
        Self(Vec::new(), creating, false)
    }

    /// The same, where an empty selector is to be told from none.
    pub(super) fn of_manifest(self, manifest: &serde_json::Value) -> Self {
        Self(self.0, self.1, !manifest["spec"]["selector"].is_null())
    }

    const fn has_selector(&self) -> bool {
        self.2
    }

    const fn is_create(&self) -> bool {
        self.1
    }

    fn required(&mut self, at: &At<'_>, detail: &str) {
        self.0.push(FieldError::required(at.to_string(), detail));
    }

    fn invalid(&mut self, at: &At<'_>, value: impl fmt::Debug, detail: impl fmt::Display) {
        self.0.push(FieldError::invalid(at.to_string(), value, detail));
    }

    fn duplicate(&mut self, at: &At<'_>, value: impl fmt::Debug) {
        self.0.push(FieldError::duplicate(at.to_string(), value));
    }

    fn forbidden(&mut self, at: &At<'_>, detail: impl fmt::Display) {
        self.0.push(FieldError::forbidden(at.to_string(), detail));
    }

    fn not_found(&mut self, at: &At<'_>, value: impl fmt::Debug) {
        self.0.push(FieldError::not_found(at.to_string(), value));
    }

    fn unsupported(&mut self, at: &At<'_>, value: impl fmt::Debug, supported: &[&str]) {
        self.0.push(FieldError::unsupported(at.to_string(), value, supported));
    }

    fn too_long(&mut self, at: &At<'_>, most: usize) {
        let problem = format!("Too long: may not be more than {most} bytes");
        self.0.push(FieldError { field: at.to_string(), problem });
    }

    /// A text that must be one of some; empty ones are required.
    fn one_of(&mut self, at: &At<'_>, value: Option<&String>, supported: &[&str]) {
        match value.map(String::as_str) {
            None | Some("") => self.required(at, ""),
            Some(value) if supported.contains(&value) => {}
            Some(value) => self.unsupported(at, value, supported),
        }
    }

    /// A text that must be one of some if it is set.
    fn maybe_one_of(&mut self, at: &At<'_>, value: Option<&String>, supported: &[&str]) {
        if let Some(value) = value.filter(|value| !supported.contains(&value.as_str())) {
            self.unsupported(at, value, supported);
        }
    }

    fn non_negative(&mut self, at: &At<'_>, value: Option<impl Into<i64>>) {
        if let Some(value) = value.map(Into::into).filter(|value| *value < 0) {
            self.invalid(at, value, "must be greater than or equal to 0");
        }
    }

    /// What a format's check has to say about a text.
    fn format(&mut self, at: &At<'_>, value: &str, messages: Vec<String>) {
        for message in messages {
            self.invalid(at, value, message);
        }
    }
}

/// A value that is shown as JSON.
struct Json(String);

impl Json {
    fn of(value: &impl serde::Serialize) -> Self {
        Self(serde_json::to_string(value).unwrap_or_default())
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use crate::api::lower;
    use serde_json::{Value, json};

    /// Sets a field of a manifest by its JSON pointer and tells what the server says.
    fn refusal(manifest: &Value, pointer: &str, value: Value) -> String {
        let mut manifest = manifest.clone();
        let mut place = &mut manifest;
        for step in pointer.split('/') {
            place = match step.parse::<usize>() {
                Ok(index) => &mut place[index],
                Err(_) => &mut place[step],
            };
        }
        *place = value;
        lower(&manifest).err().map(|error| error.to_string()).unwrap_or_default()
    }

    fn check(manifest: &Value, about: &str, cases: Vec<(&str, Value, &str)>) {
        assert_eq!(lower(manifest).err(), None);
        for (pointer, value, words) in cases {
            let said = refusal(manifest, pointer, value.clone());
            let expected = if words.is_empty() { String::new() } else { format!("{about} is invalid: {words}") };
            assert_eq!(said, expected, "{pointer} = {value}");
        }
    }

    #[test]
    fn pods_are_refused_in_the_words_of_the_server() {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
            "spec": {"containers": [{"name": "app", "image": "nginx", "ports": [{"containerPort": 80}],
                "env": [{"name": "A", "value": "b"}], "resources": {"limits": {"cpu": "1"}},
                "livenessProbe": {"httpGet": {"port": 80}}, "readinessProbe": {"exec": {"command": ["x"]}},
                "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
                "volumes": [{"name": "v", "emptyDir": {}}]},
        });
        let c = "spec/containers/0";
        let at = |field: &str| format!("{c}/{field}");
        let pointers: Vec<String> = [
            "name",
            "image",
            "imagePullPolicy",
            "ports/0/containerPort",
            "ports/0/protocol",
            "ports/0/name",
            "env/0/name",
            "env/0/valueFrom",
            "resources/requests",
            "livenessProbe/successThreshold",
            "livenessProbe/periodSeconds",
            "livenessProbe/httpGet/scheme",
            "livenessProbe/httpGet",
            "readinessProbe/terminationGracePeriodSeconds",
            "volumeMounts/0/name",
            "lifecycle",
            "resources/limits",
            "restartPolicy",
            "livenessProbe/tcpSocket",
        ]
        .map(at)
        .to_vec();
        let p = |place: usize| pointers[place].as_str();
        check(
            &pod,
            "Pod \"web\"",
            vec![
                (
                    "metadata/labels",
                    json!({"a b": "c"}),
                    "metadata.labels: Invalid value: \"a b\": name part must consist of \
                alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. \
                'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
                '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
                ),
                (p(0), json!(""), "spec.containers[0].name: Required value"),
                (p(1), json!(""), "spec.containers[0].image: Required value"),
                (
                    p(1),
                    json!(" nginx"),
                    "spec.containers[0].image: Invalid value: \" nginx\": must not have leading or trailing \
                whitespace",
                ),
                (
                    p(2),
                    json!("Sometimes"),
                    "spec.containers[0].imagePullPolicy: Unsupported value: \"Sometimes\": supported \
                values: \"Always\", \"IfNotPresent\", \"Never\"",
                ),
                (p(3), json!(0), "spec.containers[0].ports[0].containerPort: Required value"),
                (
                    p(3),
                    json!(70000),
                    "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and \
                65535, inclusive",
                ),
                (
                    p(4),
                    json!("HTTP"),
                    "spec.containers[0].ports[0].protocol: Unsupported value: \"HTTP\": supported values: \
                \"SCTP\", \"TCP\", \"UDP\"",
                ),
                (
                    p(5),
                    json!("a_b"),
                    "spec.containers[0].ports[0].name: Invalid value: \"a_b\": must contain only alpha-numeric \
                characters (a-z, 0-9), and hyphens (-)",
                ),
                (
                    p(6),
                    json!("A=B"),
                    "spec.containers[0].env[0].name: Invalid value: \"A=B\": a valid environment variable name \
                must consist only of printable ASCII characters other than '='",
                ),
                (
                    p(7),
                    json!({"fieldRef": {"fieldPath": "metadata.name"}}),
                    "spec.containers[0].env[0].valueFrom: Invalid value: \
                \"\": may not be specified when `value` is not empty",
                ),
                (
                    p(8),
                    json!({"cpu": "2"}),
                    "spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or \
                equal to cpu limit of 1",
                ),
                (
                    p(8),
                    json!({"example.com/gpu": "1"}),
                    "spec.containers[0].resources.limits: Required value: Limit must be set \
                for non overcommitable resources",
                ),
                (p(9), json!(2), "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"),
                (
                    p(10),
                    json!(-1),
                    "spec.containers[0].livenessProbe.periodSeconds: Invalid value: -1: must be greater than or \
                equal to 0",
                ),
                (
                    p(11),
                    json!("FTP"),
                    "spec.containers[0].livenessProbe.httpGet.scheme: Unsupported value: \"FTP\": supported \
                values: \"HTTP\", \"HTTPS\"",
                ),
                (p(12), json!(null), "spec.containers[0].livenessProbe: Required value: must specify a handler type"),
                (
                    p(13),
                    json!(5),
                    "spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 5: must not \
                be set for readinessProbes",
                ),
                (p(14), json!("w"), "spec.containers[0].volumeMounts[0].name: Not found: \"w\""),
                (
                    p(15),
                    json!({"preStop": {"sleep": {"seconds": 31}}}),
                    "spec.containers[0].lifecycle.preStop.sleep: Invalid \
                value: 31: must be non-negative and less than terminationGracePeriodSeconds (30)",
                ),
                (
                    p(16),
                    json!({"gpus": "1"}),
                    "[spec.containers[0].resources.limits[gpus]: Invalid value: \"gpus\": must be a \
                standard resource type or fully qualified, spec.containers[0].resources.limits[gpus]: Invalid value: \
                \"gpus\": must be a standard resource for containers, spec.containers[0].resources.requests[gpus]: Invalid \
                value: \"gpus\": must be a standard resource type or fully qualified, \
                spec.containers[0].resources.requests[gpus]: Invalid value: \"gpus\": must be a standard resource for \
                containers]",
                ),
                (
                    p(17),
                    json!("Sometimes"),
                    "spec.containers[0].restartPolicy: Unsupported value: \"Sometimes\": supported \
                values: \"Always\", \"Never\", \"OnFailure\"",
                ),
                (
                    p(18),
                    json!({"port": 1}),
                    "spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 \
                handler type",
                ),
                ("spec/containers", json!([]), "spec.containers: Required value"),
                (
                    "spec/restartPolicy",
                    json!("Allways"),
                    "spec.restartPolicy: Unsupported value: \"Allways\": supported values: \
                \"Always\", \"OnFailure\", \"Never\"",
                ),
                (
                    "spec/dnsPolicy",
                    json!("First"),
                    "spec.dnsPolicy: Unsupported value: \"First\": supported values: \
                \"ClusterFirstWithHostNet\", \"ClusterFirst\", \"Default\", \"None\"",
                ),
                (
                    "spec/activeDeadlineSeconds",
                    json!(0),
                    "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and \
                2147483647, inclusive",
                ),
                ("spec/terminationGracePeriodSeconds", json!(-5), ""),
                (
                    "spec/hostAliases",
                    json!([{"ip": "10.0.0.1", "hostnames": ["a.example"]}, {"ip": "x"}]),
                    "spec.hostAliases[1].ip: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or \
                     2001:db8::ffff)",
                ),
                (
                    "spec/dnsConfig",
                    json!({"nameservers": ["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4"]}),
                    "spec.dnsConfig.nameservers: Invalid value: [\"1.1.1.1\",\"1.1.1.2\",\"1.1.1.3\",\"1.1.1.4\"]: must \
                     not have more than 3 nameservers",
                ),
                (
                    "spec/dnsConfig",
                    json!({"searches": [".", "_tcp.example.", "a..b"]}),
                    "spec.dnsConfig.searches[2]: Invalid value: \"a..b\": a lowercase RFC 1123 subdomain must consist of \
                     lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric \
                     character (e.g. 'example.com', regex used for validation is \
                     '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')",
                ),
                (
                    "spec/dnsConfig",
                    json!({"options": [{"value": "1"}]}),
                    "spec.dnsConfig.options[0]: Required value: must not be empty",
                ),
                ("spec/hostnameOverride", json!("db.example.com"), ""),
                (
                    "spec/hostnameOverride",
                    json!("a".repeat(65)),
                    "spec.hostnameOverride: Too long: may not be more than 64 bytes",
                ),
                (
                    "spec/containers/0/volumeMounts",
                    json!([{"name": "v", "mountPath": "/v", "mountPropagation": "Bidirectional"}]),
                    "spec.containers[0].volumeMounts.mountPropagation: Forbidden: Bidirectional mount propagation is \
                     available only to privileged containers",
                ),
                (
                    "spec/containers/0/volumeMounts",
                    json!([{"name": "v", "mountPath": "/v", "recursiveReadOnly": "Enabled"}]),
                    "spec.containers[0].volumeMounts.recursiveReadOnly: Forbidden: may only be specified when readOnly \
                     is true",
                ),
                (
                    "spec/tolerations",
                    json!([{"key": "a", "operator": "Exists", "value": "b"}]),
                    "spec.tolerations[0].operator: \
                Invalid value: \"b\": value must be empty when `operator` is 'Exists'",
                ),
                (
                    "spec/tolerations",
                    json!([{"operator": "Equal"}]),
                    "spec.tolerations[0].operator: Invalid value: \"Equal\": \
                operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
                ),
            ],
        );
        check(
            &pod,
            "Pod \"web\"",
            vec![
                (
                    "spec/topologySpreadConstraints",
                    json!([{"maxSkew": 0, "topologyKey": "zone", "whenUnsatisfiable": "Never"}]),
                    "[spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero, \
                spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: \"Never\": supported values: \
                \"DoNotSchedule\", \"ScheduleAnyway\"]",
                ),
                (
                    "spec/affinity",
                    json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
                {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Is", "values": ["b"]}]}]}}}),
                    "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].\
                matchExpressions[0].operator: Invalid value: \"Is\": not a valid selector operator",
                ),
                ("spec/nodeName", json!("node-1"), ""),
                (
                    "spec/schedulingGates",
                    json!([{"name": "a"}, {"name": "a"}]),
                    "spec.schedulingGates[1]: Duplicate value: \
                \"a\"",
                ),
                (
                    "spec/ephemeralContainers",
                    json!([{"name": "e", "image": "i"}]),
                    "spec.ephemeralContainers: Forbidden: cannot \
                be set on create",
                ),
                (
                    "spec/initContainers",
                    json!([{"name": "app", "image": "i"}]),
                    "spec.initContainers[0].name: Duplicate value: \
                \"app\"",
                ),
                (
                    "spec/initContainers",
                    json!([{"name": "i", "image": "i", "startupProbe": {"tcpSocket": {"port": "x"}}}]),
                    "spec.initContainers[0].startupProbe: Forbidden: may not be set for init containers without \
                restartPolicy=Always",
                ),
                (
                    "spec/resources",
                    json!({"requests": {"cpu": "500m"}}),
                    "spec.resources.requests[cpu]: Invalid value: \
                \"500m\": must be greater than or equal to aggregate container requests of 1",
                ),
                (
                    "spec/volumes",
                    json!([{"name": "v", "emptyDir": {}, "hostPath": {"path": "/x"}}]),
                    "[spec.volumes[0].hostPath: \
                Forbidden: may not specify more than 1 volume type, spec.containers[0].volumeMounts[0].name: Not found: \
                \"v\"]",
                ),
            ],
        );
    }

    #[test]
    fn workloads_are_refused_in_the_words_of_the_server() {
        let template =
            json!({"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
        let selector = json!({"matchLabels": {"app": "a"}});
        let of = |version: &str, kind: &str, spec: Value| json!({"apiVersion": version, "kind": kind, "metadata": {"name": "w"}, "spec": spec});
        let deployment = of("apps/v1", "Deployment", json!({"selector": selector, "template": template}));
        check(
            &deployment,
            "Deployment.apps \"w\"",
            vec![
                (
                    "spec/selector/matchLabels/app",
                    json!("b"),
                    "spec.template.metadata.labels: Invalid value: {\"app\":\"a\"}: \
                `selector` does not match template `labels`",
                ),
                ("spec/replicas", json!(-1), "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
                (
                    "spec/template/spec/restartPolicy",
                    json!("Never"),
                    "spec.template.spec.restartPolicy: Unsupported value: \
                \"Never\": supported values: \"Always\"",
                ),
                (
                    "spec/template/spec/activeDeadlineSeconds",
                    json!(5),
                    "spec.template.spec.activeDeadlineSeconds: Forbidden: \
                activeDeadlineSeconds in ReplicaSet is not Supported",
                ),
                (
                    "spec/strategy",
                    json!({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}),
                    "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
                ),
                (
                    "spec/strategy",
                    json!({"rollingUpdate": {"maxSurge": "1x"}}),
                    "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"1x\": a valid percent string must be a \
                     numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is \
                     '[0-9]+%')",
                ),
                (
                    "spec/strategy",
                    json!({"type": "Slow"}),
                    "spec.strategy: Unsupported value: {\"Type\":\"Slow\",\"RollingUpdate\":null}: supported values: \
                     \"Recreate\", \"RollingUpdate\"",
                ),
                (
                    "spec/selector",
                    json!({}),
                    "spec.selector: Invalid value: {}: empty selector is invalid for deployment",
                ),
                (
                    "spec/selector",
                    json!(null),
                    "[spec.selector: Required value, spec.template.metadata.labels: Invalid value: {\"app\":\"a\"}: \
                     `selector` does not match template `labels`]",
                ),
                (
                    "spec/progressDeadlineSeconds",
                    json!(0),
                    "spec.progressDeadlineSeconds: Invalid value: 0: must be greater than \
                minReadySeconds",
                ),
            ],
        );
        let daemon_set = of("apps/v1", "DaemonSet", json!({"selector": selector, "template": template}));
        check(
            &daemon_set,
            "DaemonSet.apps \"w\"",
            vec![(
                "spec/updateStrategy",
                json!({"rollingUpdate": {"maxSurge": 1}}),
                "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is \
                non-zero",
            )],
        );
        let stateful_set = of("apps/v1", "StatefulSet", json!({"selector": selector, "template": template}));
        check(
            &stateful_set,
            "StatefulSet.apps \"w\"",
            vec![(
                "spec/podManagementPolicy",
                json!("Random"),
                "spec.podManagementPolicy: Invalid value: \"Random\": must be \
                'OrderedReady' or 'Parallel'",
            )],
        );
        let mut pods = template.clone();
        pods["spec"]["restartPolicy"] = json!("Never");
        let job = of("batch/v1", "Job", json!({"template": pods}));
        check(
            &job,
            "Job.batch \"w\"",
            vec![
                (
                    "spec/template/spec/restartPolicy",
                    json!("Always"),
                    "spec.template.spec.restartPolicy: Required value: valid \
                values: \"OnFailure\", \"Never\"",
                ),
                ("spec/completionMode", json!("Indexed"), ""),
                (
                    "spec/backoffLimitPerIndex",
                    json!(1),
                    "spec.backoffLimitPerIndex: Invalid value: 1: requires indexed \
                completion mode",
                ),
                (
                    "spec/selector",
                    json!({"matchLabels": {"a": "b"}}),
                    "spec.selector: Invalid value: \
                {\"matchLabels\":{\"a\":\"b\"}}: `selector` not auto-generated",
                ),
            ],
        );
        let indexed = json!({"template": pods, "completionMode": "Indexed", "completions": 3, "parallelism": 3});
        let indexed = of("batch/v1", "Job", indexed);
        let rules = |rule: Value| json!({ "rules": [rule] });
        let long = "w".repeat(62);
        check(
            &indexed,
            "Job.batch \"w\"",
            vec![
                ("spec/successPolicy", rules(json!({"succeededIndexes": "0,2", "succeededCount": 2})), ""),
                (
                    "spec/successPolicy",
                    rules(json!({"succeededIndexes": "0-5"})),
                    "spec.successPolicy.rules[0].succeededIndexes: Invalid value: \"0-5\": error parsing \
                     succeededIndexes: too large index: \"5\"",
                ),
                (
                    "spec/successPolicy",
                    rules(json!({"succeededIndexes": "2,1"})),
                    "spec.successPolicy.rules[0].succeededIndexes: Invalid value: \"2,1\": error parsing \
                     succeededIndexes: non-increasing order, previous: 2, current: 1",
                ),
                (
                    "spec/successPolicy",
                    rules(json!({"succeededCount": 7})),
                    "spec.successPolicy.rules[0].succeededCount: Invalid value: 7: must be less than or equal to 3 (the \
                     number of specified completions)",
                ),
            ],
        );
        assert_eq!(
            refusal(&indexed, "metadata/name", json!(long)),
            format!(
                "Job.batch {long:?} is invalid: metadata.name: Invalid value: {long:?}: will not able to create pod with \
                 invalid DNS label: {long}-2"
            )
        );
        let mut generated = indexed;
        generated["metadata"] = json!({"generateName": "w-"});
        assert_eq!(lower(&generated).err(), None);
        let cron_job = of(
            "batch/v1",
            "CronJob",
            json!({"schedule": "* * * * *", "jobTemplate": {"spec":
            {"template": pods}}}),
        );
        check(
            &cron_job,
            "CronJob.batch \"w\"",
            vec![
                (
                    "spec/schedule",
                    json!("* * *"),
                    "spec.schedule: Invalid value: \"* * *\": expected exactly 5 fields, found 3: \
                [* * *]",
                ),
                ("spec/timeZone", json!("Europe/Berlin"), ""),
                ("spec/timeZone", json!("US/Eastern"), ""),
                ("spec/timeZone", json!("UTC"), ""),
                (
                    "spec/timeZone",
                    json!("europe/berlin"),
                    "spec.timeZone: Invalid value: \"europe/berlin\": unknown time zone \
                europe/berlin",
                ),
                (
                    "spec/timeZone",
                    json!("Mars/Base"),
                    "spec.timeZone: Invalid value: \"Mars/Base\": unknown time zone \
                Mars/Base",
                ),
                (
                    "spec/concurrencyPolicy",
                    json!("Maybe"),
                    "spec.concurrencyPolicy: Unsupported value: \"Maybe\": supported \
                values: \"Allow\", \"Forbid\", \"Replace\"",
                ),
            ],
        );
    }

    #[test]
    fn other_kinds_are_refused_in_the_words_of_the_server() {
        let of = |version: &str, kind: &str, rest: Value| {
            let mut manifest = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "o"}});
            manifest.as_object_mut().expect("an object").extend(rest.as_object().expect("an object").clone());
            manifest
        };
        let service = of("v1", "Service", json!({"spec": {"ports": [{"port": 80}]}}));
        check(
            &service,
            "Service \"o\"",
            vec![
                ("spec/ports", json!([]), "spec.ports: Required value"),
                (
                    "spec/ports",
                    json!([{"port": 1}, {"port": 2}]),
                    "[spec.ports[0].name: Required value, spec.ports[1].name: \
                Required value]",
                ),
                (
                    "spec/type",
                    json!("Cluster"),
                    "spec.type: Unsupported value: \"Cluster\": supported values: \"ClusterIP\", \
                \"ExternalName\", \"LoadBalancer\", \"NodePort\"",
                ),
            ],
        );
        let budget = of("policy/v1", "PodDisruptionBudget", json!({"spec": {"minAvailable": 1}}));
        check(
            &budget,
            "PodDisruptionBudget.policy \"o\"",
            vec![
                (
                    "spec/maxUnavailable",
                    json!(1),
                    "spec: Invalid value: {\"maxUnavailable\":1,\"minAvailable\":1}: minAvailable \
                and maxUnavailable cannot be both set",
                ),
                (
                    "spec/minAvailable",
                    json!("150%"),
                    "spec.minAvailable: Invalid value: \"150%\": must not be greater than \
                100%",
                ),
            ],
        );
        let claim = of(
            "v1",
            "PersistentVolumeClaim",
            json!({"spec": {"accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}}}}),
        );
        check(
            &claim,
            "PersistentVolumeClaim \"o\"",
            vec![
                ("spec/accessModes", json!([]), "spec.accessModes: Required value: at least 1 access mode is required"),
                ("spec/resources", json!({}), "spec.resources[storage]: Required value"),
            ],
        );
        let secret = of("v1", "Secret", json!({"data": {".dockerconfigjson": "eHg="}}));
        check(
            &secret,
            "Secret \"o\"",
            vec![
                ("type", json!("kubernetes.io/tls"), "[data[tls.crt]: Required value, data[tls.key]: Required value]"),
                (
                    "type",
                    json!("kubernetes.io/service-account-token"),
                    "metadata.annotations[kubernetes.io/service-account.name]: Required value",
                ),
                (
                    "type",
                    json!("kubernetes.io/dockerconfigjson"),
                    "data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": invalid character 'x' \
                     looking for beginning of value",
                ),
            ],
        );
        let class = of("scheduling.k8s.io/v1", "PriorityClass", json!({"value": 1000}));
        check(
            &class,
            "PriorityClass.scheduling.k8s.io \"o\"",
            vec![(
                "value",
                json!(1_000_000_001),
                "value: Forbidden: maximum allowed value of a user defined priority is \
                1000000000",
            )],
        );
        let scaler = of(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            json!({"spec": {"maxReplicas": 2,
            "scaleTargetRef": {"kind": "Deployment", "name": "d"}}}),
        );
        check(
            &scaler,
            "HorizontalPodAutoscaler.autoscaling \"o\"",
            vec![(
                "spec/maxReplicas",
                json!(0),
                "[spec.maxReplicas: Invalid value: 0: must be greater than 0, \
                spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`]",
            )],
        );
    }

    #[test]
    fn what_autoscalers_ask_for_is_checked() {
        let scaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "o"},
            "spec": {"maxReplicas": 2, "scaleTargetRef": {"kind": "Deployment", "name": "d"}, "behavior": {}}});
        let resource = |target: Value| json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]);
        let external =
            |target: Value| json!([{"type": "External", "external": {"metric": {"name": "q"}, "target": target}}]);
        let pods = |target: Value| json!({"metric": {"name": "x"}, "target": target});
        let (metrics, down) = ("spec/metrics", "spec/behavior/scaleDown");
        let policy = |kind: &str, value: i32, period: i32| json!({"policies": [{"type": kind, "value": value, "periodSeconds": period}]});
        let at_policy = "spec.behavior.scaleDown.policies[0]";
        let most = |field: &str, value: i32, most: i32| {
            format!("spec.behavior.scaleDown.{field}: Invalid value: {value}: must be less than or equal to {most}")
        };
        let (long_window, long_period) =
            (most("stabilizationWindowSeconds", 3_601, 3_600), most("policies[0].periodSeconds", 1_801, 1_800));
        let unknown_policy =
            format!("{at_policy}.type: Unsupported value: \"Some\": supported values: \"Percent\", \"Pods\"");
        let nothing = format!(
            "[{at_policy}.value: Invalid value: 0: must be greater than zero, {at_policy}.periodSeconds: Invalid value: 0: \
             must be greater than zero]"
        );
        check(
            &scaler,
            "HorizontalPodAutoscaler.autoscaling \"o\"",
            vec![
                (
                    "spec/minReplicas",
                    json!(0),
                    "[spec.minReplicas: Invalid value: 0: must be greater than or equal to 1, spec.metrics: Forbidden: must \
                     specify at least one Object or External metric to support scaling to zero replicas]",
                ),
                (
                    down,
                    json!({"policies": []}),
                    "spec.behavior.scaleDown.policies: Required value: must specify at least one Policy",
                ),
                (
                    metrics,
                    resource(json!({"type": "Utilization", "averageUtilization": 0})),
                    "spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0",
                ),
                (
                    metrics,
                    resource(json!({"type": "Utilization", "averageUtilization": 50, "averageValue": "10m"})),
                    "spec.metrics[0].resource.target.averageValue: Forbidden: may not set both a target raw value and a \
                     target utilization",
                ),
                (
                    metrics,
                    resource(json!({"type": "Mean", "value": "0"})),
                    "[spec.metrics[0].resource.target.type: Invalid value: \"Mean\": must be either Utilization, Value, or \
                     AverageValue, spec.metrics[0].resource.target.value: Invalid value: \"0\": must be positive, \
                     spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw \
                     value or a target utilization]",
                ),
                (
                    metrics,
                    json!([{"type": "Pods", "pods": pods(json!({"type": "Value", "value": "10"}))}]),
                    "spec.metrics[0].pods.target.averageValue: Required value: must specify a positive target averageValue",
                ),
                (
                    metrics,
                    external(json!({"type": "Value"})),
                    "spec.metrics[0].external.target.averageValue: Required value: must set either a target value for \
                     metric or a per-pod target",
                ),
                (
                    metrics,
                    json!([{"type": "Object", "pods": pods(json!({"type": "AverageValue", "averageValue": "1"}))}]),
                    "spec.metrics[0].object: Required value: must populate information for the given metric source",
                ),
                (
                    metrics,
                    json!([{"type": "Pods", "pods": pods(json!({"type": "AverageValue", "averageValue": "1"})),
                        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 1}}}]),
                    "spec.metrics[0].resource: Forbidden: must populate the given metric source only",
                ),
                (down, json!({"stabilizationWindowSeconds": 3_600}), ""),
                (down, json!({"stabilizationWindowSeconds": 3_601}), &long_window),
                (
                    down,
                    json!({"selectPolicy": "Foo"}),
                    "spec.behavior.scaleDown.selectPolicy: Unsupported value: \"Foo\": supported values: \"Disabled\", \
                     \"Max\", \"Min\"",
                ),
                (down, policy("Some", 1, 1), &unknown_policy),
                (down, policy("Pods", 0, 0), &nothing),
                (down, policy("Pods", 1, 1_801), &long_period),
            ],
        );
    }

    #[test]
    fn quotas_have_scopes_that_fit() {
        let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "o"},
            "spec": {"hard": {"pods": "1"}}});
        let of =
            |scope: &str, operator: &str| json!({"matchExpressions": [{"scopeName": scope, "operator": operator}]});
        let spec = |resource: &str, scopes: Value| json!({"hard": {resource: "1"}, "scopes": scopes});
        check(
            &quota,
            "ResourceQuota \"o\"",
            vec![
                ("spec/scopes", json!(["BestEffort"]), ""),
                ("spec/scopes", json!(["Some"]), "spec.scopes: Invalid value: [\"Some\"]: unsupported scope"),
                (
                    "spec/scopes",
                    json!(["Terminating", "NotTerminating"]),
                    "spec.scopes: Invalid value: [\"Terminating\",\"NotTerminating\"]: conflicting scopes",
                ),
                (
                    "spec",
                    spec("cpu", json!(["BestEffort"])),
                    "spec.scopes: Invalid value: [\"BestEffort\"]: unsupported scope applied to resource",
                ),
                ("spec", spec("cpu", json!(["NotBestEffort"])), ""),
                ("spec", spec("count/jobs.batch", json!(["NotBestEffort"])), ""),
                (
                    "spec",
                    spec("requests.storage", json!(["PriorityClass"])),
                    "spec.scopes: Invalid value: [\"PriorityClass\"]: unsupported scope applied to resource",
                ),
                ("spec/scopeSelector", of("PriorityClass", "Exists"), ""),
                (
                    "spec/scopeSelector",
                    of("PriorityClass", "In"),
                    "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when \
                     `operator` is 'In' or 'NotIn' for scope selector",
                ),
            ],
        );
    }

    #[test]
    fn what_cannot_be_decoded_is_told_as_the_server_tells_it() {
        for (manifest, words) in [
            (json!({"kind": "Pod"}), "error validating data: apiVersion not set"),
            (json!({}), "error validating data: [apiVersion not set, kind not set]"),
            (json!({"apiVersion": "v1", "kind": "Pods"}), "no matches for kind \"Pods\" in version \"v1\""),
            (
                json!({"apiVersion": "v1", "kind": "Pod", "spec": {"container": []}}),
                "Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: unknown field \"spec.container\"",
            ),
            (
                json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": "3"}}),
                "Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal string into Go \
                 struct field DeploymentSpec.spec.replicas of type int32",
            ),
            (
                json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}}),
                "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required",
            ),
        ] {
            assert_eq!(lower(&manifest).expect_err("a bad manifest").to_string(), words);
        }
    }
}
