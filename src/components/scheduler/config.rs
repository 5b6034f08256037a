//! How a scheduler is configured: `kubescheduler.config.k8s.io/v1`.
//!
//! Follows `pkg/scheduler/apis/config/v1` (defaults, `mergePluginSet`) of Kubernetes 1.36. Fields that have no effect
//! in the simulation (leader election, profiling, parallelism, extenders …) are accepted and listed.

use super::neighbours::Neighbours;
use super::profile::{Profile, Registry};
use crate::api::Name;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The plugins of a profile by default, with their weights, in the order in which they are asked
/// (`default_plugins.go`).
const DEFAULT_PLUGINS: &[(&str, i64)] = &[
    ("SchedulingGates", 0),
    ("PrioritySort", 0),
    ("NodeUnschedulable", 0),
    ("NodeName", 0),
    ("TaintToleration", 3),
    ("NodeAffinity", 2),
    ("NodePorts", 0),
    ("NodeResourcesFit", 1),
    ("VolumeRestrictions", 0),
    ("NodeVolumeLimits", 0),
    ("VolumeBinding", 0),
    ("VolumeZone", 0),
    ("PodTopologySpread", 2),
    ("InterPodAffinity", 2),
    ("DynamicResources", 2),
    ("DefaultPreemption", 0),
    ("NodeResourcesBalancedAllocation", 1),
    ("ImageLocality", 1),
    ("DefaultBinder", 0),
    ("NodeDeclaredFeatures", 0),
];

/// The extension points as configurations name them.
const POINTS: &[&str] = &[
    "preEnqueue",
    "queueSort",
    "preFilter",
    "filter",
    "postFilter",
    "preScore",
    "score",
    "reserve",
    "permit",
    "preBind",
    "bind",
    "postBind",
    "multiPoint",
];

/// Feature gates that the scheduler looks at, beyond those that are fixed at their defaults of 1.36.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gates {
    /// `TaintTolerationComparisonOperators`: tolerations with `Gt` and `Lt` match (off by default).
    pub taint_comparison: bool,
}

/// A plugin as a configuration enables it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnabledPlugin {
    /// The plugin.
    pub name: Name,
    /// Its weight; zero for its default.
    pub weight: i64,
}

/// What a configuration says of one extension point.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PluginSet {
    /// In order.
    pub enabled: Vec<EnabledPlugin>,
    /// By name; `*` stands for all.
    pub disabled: Vec<Name>,
}

/// One profile of a configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct ProfileConfiguration {
    /// The pods that it schedules name it.
    pub scheduler_name: Name,
    /// How many of the nodes are scored, if it has its own number.
    pub percentage_of_nodes_to_score: Option<i64>,
    /// What it says of the extension points, `multiPoint` among them merged with the defaults.
    pub points: BTreeMap<&'static str, PluginSet>,
    /// Arguments of plugins as written.
    pub args: BTreeMap<Name, Value>,
}

/// A configuration of the scheduler.
#[derive(Debug, Clone, PartialEq)]
pub struct SchedulerConfiguration {
    /// How many of the nodes are scored; zero adapts to the size of the cluster.
    pub percentage_of_nodes_to_score: i64,
    /// The first back-off of a pod that could not be placed, in seconds.
    pub pod_initial_backoff_seconds: u64,
    /// The longest, in seconds.
    pub pod_max_backoff_seconds: u64,
    /// Calls per second.
    pub qps: u32,
    /// Calls at once.
    pub burst: u32,
    /// The profiles.
    pub profiles: Vec<ProfileConfiguration>,
    /// Feature gates; not part of the file.
    pub gates: Gates,
    /// Fields that are set and without effect here.
    pub no_effect: Vec<String>,
}

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigurationError {
    /// The field, such as `profiles[0].plugins.score.enabled[1].name`.
    pub field: String,
    /// What was found.
    pub found: String,
    /// What would do.
    pub remedy: String,
}

impl fmt::Display for ConfigurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.field, self.found, self.remedy)
    }
}

impl std::error::Error for ConfigurationError {}

impl Default for SchedulerConfiguration {
    fn default() -> Self {
        Self {
            percentage_of_nodes_to_score: 0,
            pod_initial_backoff_seconds: 1,
            pod_max_backoff_seconds: 10,
            qps: 50,
            burst: 100,
            profiles: vec![ProfileConfiguration::default()],
            gates: Gates::default(),
            no_effect: Vec::new(),
        }
    }
}

impl Default for ProfileConfiguration {
    fn default() -> Self {
        let enabled = default_set();
        let multi_point = PluginSet { enabled, disabled: Vec::new() };
        Self {
            scheduler_name: Name::new("default-scheduler"),
            percentage_of_nodes_to_score: None,
            points: BTreeMap::from([("multiPoint", multi_point)]),
            args: BTreeMap::new(),
        }
    }
}

fn default_set() -> Vec<EnabledPlugin> {
    DEFAULT_PLUGINS.iter().map(|&(name, weight)| EnabledPlugin { name: Name::new(name), weight }).collect()
}

impl SchedulerConfiguration {
    /// Reads a configuration: an object of kind `KubeSchedulerConfiguration`, or just its fields.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn from_value(value: &Value) -> Result<Self, Vec<ConfigurationError>> {
        let mut reader = Reader::default();
        let configuration = reader.configuration(value);
        if reader.errors.is_empty() { Ok(configuration) } else { Err(reader.errors) }
    }

    /// The profiles with their plugins.
    ///
    /// # Errors
    /// Plugins that nobody knows, arguments that they do not take.
    pub fn profiles(&self, registry: &Registry) -> Result<Vec<Arc<Profile>>, Vec<ConfigurationError>> {
        let mut errors = Vec::new();
        let mut profiles = Vec::new();
        for (n, profile) in self.profiles.iter().enumerate() {
            match Profile::new(profile, self, registry, &format!("profiles[{n}]")) {
                Ok(profile) => profiles.push(Arc::new(profile)),
                Err(wrong) => errors.extend(wrong),
            }
        }
        if errors.is_empty() { Ok(profiles) } else { Err(errors) }
    }
}

/// A configuration and the profiles that it makes: what a scheduler is started with.
#[derive(Debug, Clone)]
pub struct SchedulerSetup {
    /// As it was written.
    pub configuration: SchedulerConfiguration,
    /// Its profiles with their plugins.
    pub profiles: Vec<Arc<Profile>>,
    /// Pods of others on the same machines; nobody's if nothing is said.
    pub neighbours: Option<Neighbours>,
}

impl SchedulerSetup {
    /// The setup of a configuration, whose plugins are those of a registry.
    ///
    /// # Errors
    /// Plugins that nobody knows, arguments that they do not take.
    pub fn new(configuration: SchedulerConfiguration, registry: &Registry) -> Result<Self, Vec<ConfigurationError>> {
        let profiles = configuration.profiles(registry)?;
        Ok(Self { configuration, profiles, neighbours: None })
    }
}

impl Default for SchedulerSetup {
    fn default() -> Self {
        Self::new(SchedulerConfiguration::default(), &Registry::default()).expect("the defaults are in order")
    }
}

/// Reads fields and notes what is wrong.
#[derive(Default)]
struct Reader {
    errors: Vec<ConfigurationError>,
    no_effect: Vec<String>,
}

impl Reader {
    fn wrong(&mut self, field: impl Into<String>, found: impl Into<String>, remedy: impl Into<String>) {
        self.errors.push(ConfigurationError { field: field.into(), found: found.into(), remedy: remedy.into() });
    }

    fn object<'v>(&mut self, field: &str, value: &'v Value) -> Option<&'v Map<String, Value>> {
        if value.is_null() {
            return None;
        }
        let object = value.as_object();
        if object.is_none() {
            self.wrong(field, brief(value), "write an object");
        }
        object
    }

    fn list<'v>(&mut self, field: &str, value: &'v Value) -> &'v [Value] {
        match value {
            Value::Array(elements) => elements,
            Value::Null => &[],
            _ => {
                self.wrong(field, brief(value), "write a list");
                &[]
            }
        }
    }

    fn integer(&mut self, field: &str, value: &Value, least: i64, most: i64) -> Option<i64> {
        match value.as_i64() {
            Some(number) if (least..=most).contains(&number) => Some(number),
            _ => {
                self.wrong(field, brief(value), format!("write a whole number from {least} to {most}"));
                None
            }
        }
    }

    fn configuration(&mut self, value: &Value) -> SchedulerConfiguration {
        let mut read = SchedulerConfiguration::default();
        let Some(fields) = self.object("", value) else { return read };
        for (field, value) in fields {
            match field.as_str() {
                "apiVersion" if value != "kubescheduler.config.k8s.io/v1" => {
                    self.wrong(field, brief(value), "use kubescheduler.config.k8s.io/v1");
                }
                "kind" if value != "KubeSchedulerConfiguration" => {
                    self.wrong(field, brief(value), "use KubeSchedulerConfiguration");
                }
                "apiVersion" | "kind" => {}
                "percentageOfNodesToScore" => {
                    read.percentage_of_nodes_to_score = self.integer(field, value, 0, 100).unwrap_or(0);
                }
                "podInitialBackoffSeconds" => {
                    let seconds = self.integer(field, value, 0, i64::from(u32::MAX)).unwrap_or(1).unsigned_abs();
                    read.pod_initial_backoff_seconds = if seconds == 0 { 1 } else { seconds };
                }
                "podMaxBackoffSeconds" => {
                    let seconds = self.integer(field, value, 0, i64::from(u32::MAX)).unwrap_or(10).unsigned_abs();
                    read.pod_max_backoff_seconds = if seconds == 0 { 10 } else { seconds };
                }
                "clientConnection" => self.client(value, &mut read),
                "profiles" => {
                    let profiles = self.list(field, value);
                    if !profiles.is_empty() {
                        read.profiles = Vec::new();
                    }
                    for (n, profile) in profiles.iter().enumerate() {
                        // Only one by itself gets the usual name (`SetDefaults_KubeSchedulerConfiguration`).
                        if profiles.len() > 1 && profile.get("schedulerName").is_none() {
                            let field = format!("profiles[{n}].schedulerName");
                            self.wrong(field, "no name among several profiles", "give each profile its own name");
                        }
                        let profile = self.profile(&format!("profiles[{n}]"), profile);
                        if read.profiles.iter().any(|have| have.scheduler_name == profile.scheduler_name) {
                            let field = format!("profiles[{n}].schedulerName");
                            let found = format!("a second profile {:?}", &*profile.scheduler_name);
                            self.wrong(field, found, "give each profile its own name");
                        }
                        read.profiles.push(profile);
                    }
                }
                "parallelism"
                | "leaderElection"
                | "healthzBindAddress"
                | "metricsBindAddress"
                | "enableProfiling"
                | "enableContentionProfiling"
                | "extenders"
                | "delayCacheUntilActive" => {
                    self.no_effect.push(field.clone());
                }
                _ => self.wrong(field, "a field that KubeSchedulerConfiguration does not have", "remove it"),
            }
        }
        if read.pod_max_backoff_seconds < read.pod_initial_backoff_seconds {
            let found = format!("{} seconds", read.pod_max_backoff_seconds);
            self.wrong("podMaxBackoffSeconds", found, "use at least podInitialBackoffSeconds");
        }
        read.no_effect = std::mem::take(&mut self.no_effect);
        read
    }

    fn client(&mut self, value: &Value, read: &mut SchedulerConfiguration) {
        for (field, value) in self.object("clientConnection", value).into_iter().flatten() {
            let place = format!("clientConnection.{field}");
            match field.as_str() {
                "qps" => read.qps = value.as_f64().filter(|qps| *qps > 0.0).map_or(50, |qps| qps as u32),
                "burst" => {
                    let burst = self.integer(&place, value, 0, i64::from(i32::MAX)).unwrap_or(0) as u32;
                    read.burst = if burst == 0 { 100 } else { burst };
                }
                _ => self.no_effect.push(place),
            }
        }
    }

    fn profile(&mut self, place: &str, value: &Value) -> ProfileConfiguration {
        let mut read = ProfileConfiguration::default();
        for (field, value) in self.object(place, value).into_iter().flatten() {
            let here = format!("{place}.{field}");
            match (field.as_str(), value) {
                ("schedulerName", Value::String(name)) if !name.is_empty() => read.scheduler_name = Name::new(name),
                ("schedulerName", _) => self.wrong(here, brief(value), "write a name"),
                ("percentageOfNodesToScore", Value::Null) => {}
                ("percentageOfNodesToScore", _) => {
                    read.percentage_of_nodes_to_score = self.integer(&here, value, 0, 100);
                }
                ("plugins", _) => self.plugins(&here, value, &mut read),
                ("pluginConfig", _) => {
                    for (n, one) in self.list(&here, value).iter().enumerate() {
                        let name = one.get("name").and_then(Value::as_str).unwrap_or_default();
                        let args = one.get("args").cloned().unwrap_or(Value::Null);
                        if name.is_empty() {
                            self.wrong(format!("{here}[{n}].name"), "no name", "name the plugin");
                        } else if read.args.insert(Name::new(name), args).is_some() {
                            let found = format!("arguments of {name} a second time");
                            self.wrong(format!("{here}[{n}].name"), found, "give them once");
                        }
                    }
                }
                _ => self.wrong(here, "a field that profiles do not have", "remove it"),
            }
        }
        read
    }

    fn plugins(&mut self, place: &str, value: &Value, read: &mut ProfileConfiguration) {
        for (field, value) in self.object(place, value).into_iter().flatten() {
            let here = format!("{place}.{field}");
            let Some(point) = POINTS.iter().copied().find(|point| point == field) else {
                self.wrong(here, "an extension point that there is not", format!("use one of {}", POINTS.join(", ")));
                continue;
            };
            let set = self.plugin_set(&here, value);
            if point == "multiPoint" {
                read.points.insert(point, merged(set));
            } else {
                read.points.insert(point, set);
            }
        }
    }

    fn plugin_set(&mut self, place: &str, value: &Value) -> PluginSet {
        let mut set = PluginSet::default();
        let none = Value::Null;
        let field = |name: &str| value.get(name).unwrap_or(&none);
        for (n, one) in self.list(&format!("{place}.enabled"), field("enabled")).iter().enumerate() {
            let name = one.get("name").and_then(Value::as_str).unwrap_or_default();
            if name.is_empty() {
                self.wrong(format!("{place}.enabled[{n}].name"), "no name", "name the plugin");
            }
            let here = format!("{place}.enabled[{n}].weight");
            let weight =
                one.get("weight").map_or(Some(0), |weight| self.integer(&here, weight, 0, i64::from(i32::MAX)));
            set.enabled.push(EnabledPlugin { name: Name::new(name), weight: weight.unwrap_or(0) });
        }
        for one in self.list(&format!("{place}.disabled"), field("disabled")) {
            set.disabled.push(Name::new(one.get("name").and_then(Value::as_str).unwrap_or_default()));
        }
        set
    }
}

/// The defaults with what a profile changes: reconfigured plugins keep their place, others follow.
fn merged(custom: PluginSet) -> PluginSet {
    let mut enabled = Vec::new();
    let mut replaced = vec![false; custom.enabled.len()];
    let all_disabled = custom.disabled.iter().any(|name| name == "*");
    for default in default_set().into_iter().filter(|_| !all_disabled) {
        if custom.disabled.contains(&default.name) {
            continue;
        }
        // Of a plugin named twice the later one counts; the earlier one stays and is an error later.
        match custom.enabled.iter().rposition(|plugin| plugin.name == default.name) {
            Some(place) => {
                replaced[place] = true;
                enabled.push(custom.enabled[place]);
            }
            None => enabled.push(default),
        }
    }
    let further = custom.enabled.iter().zip(&replaced).filter(|(_, replaced)| !**replaced).map(|(plugin, _)| *plugin);
    enabled.extend(further);
    PluginSet { enabled, disabled: custom.disabled }
}

fn brief(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 { text } else { format!("{}…", text.chars().take(60).collect::<String>()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names(set: &PluginSet) -> Vec<(&str, i64)> {
        set.enabled.iter().map(|plugin| (plugin.name.as_str(), plugin.weight)).collect()
    }

    #[test]
    fn defaults_are_those_of_1_36() {
        // control-plane.md 2.1.
        let read = SchedulerConfiguration::from_value(&json!({})).expect("a configuration");
        assert_eq!(read, SchedulerConfiguration::default());
        assert_eq!((read.pod_initial_backoff_seconds, read.pod_max_backoff_seconds), (1, 10));
        let weights: Vec<_> =
            names(&read.profiles[0].points["multiPoint"]).into_iter().filter(|(_, w)| *w > 0).collect();
        let expected = [
            ("TaintToleration", 3),
            ("NodeAffinity", 2),
            ("NodeResourcesFit", 1),
            ("PodTopologySpread", 2),
            ("InterPodAffinity", 2),
            ("DynamicResources", 2),
            ("NodeResourcesBalancedAllocation", 1),
            ("ImageLocality", 1),
        ];
        assert_eq!(weights, expected);
    }

    #[test]
    fn reconfigured_plugins_keep_their_place_and_further_ones_follow() {
        let read = SchedulerConfiguration::from_value(&json!({"profiles": [{"plugins": {"multiPoint": {
            "disabled": [{"name": "ImageLocality"}],
            "enabled": [{"name": "Own", "weight": 4}, {"name": "NodeResourcesFit", "weight": 5}],
        }}}]}))
        .expect("a configuration");
        let set = &read.profiles[0].points["multiPoint"];
        let names = names(set);
        assert_eq!(names.last(), Some(&("Own", 4)));
        assert_eq!(names[7], ("NodeResourcesFit", 5));
        assert_eq!(names.len(), DEFAULT_PLUGINS.len());
    }

    #[test]
    fn errors_name_field_finding_and_remedy() {
        let errors = SchedulerConfiguration::from_value(&json!({
            "percentageOfNodesToScore": 101,
            "profiles": [
                {"schedulerName": "default-scheduler", "plugins": {"filtre": {}}},
                {"schedulerName": "default-scheduler"}, {},
            ],
            "podMaxBackoffSeconds": 1, "podInitialBackoffSeconds": 5,
        }))
        .expect_err("six errors");
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 6, "{texts:#?}");
        let nameless = "profiles[2].schedulerName: no name among several profiles; give each profile its own name";
        assert!(texts.iter().any(|text| text == nameless), "{texts:#?}");
        assert_eq!(texts[0], "percentageOfNodesToScore: 101; write a whole number from 0 to 100");
    }
}
