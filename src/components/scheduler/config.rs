//! How a scheduler is configured: `kubescheduler.config.k8s.io/v1`.
//!
//! Follows `pkg/scheduler/apis/config/v1` (defaults, `mergePluginSet`) of Kubernetes 1.36. Fields that have no effect
//! in the simulation (leader election, profiling, parallelism, extenders …) are accepted and listed.

use super::neighbours::Neighbours;
use super::profile::{Profile, Registry};
use crate::api::Name;
use serde_json::{Map, Value, json};
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

    fn whole(&mut self, field: &str, value: &Value) -> Option<i64> {
        let number = value.as_i64().filter(|number| i32::try_from(*number).is_ok());
        if number.is_none() {
            self.wrong(field, brief(value), "write a whole number");
        }
        number
    }

    fn percentage(&mut self, field: &str, value: &Value) -> Option<i64> {
        let number = self.whole(field, value)?;
        if (0..=100).contains(&number) {
            return Some(number);
        }
        let found = format!("Invalid value: {number}: not in valid range [0-100]");
        self.wrong(field, found, "write a whole number from 0 to 100");
        None
    }

    fn at_least_one(&mut self, field: &str, value: &Value, detail: &str) -> Option<u64> {
        let number = self.whole(field, value)?;
        if number > 0 {
            return Some(number.unsigned_abs());
        }
        self.wrong(field, format!("Invalid value: {number}: {detail}"), "write a whole number from 1");
        None
    }

    /// All profiles share one queue, and so its order (`validateCommonQueueSort`).
    fn common_queue_sort(&mut self, profiles: &[ProfileConfiguration]) {
        let none = PluginSet::default();
        let of = |profile: &ProfileConfiguration| profile.points.get("queueSort").unwrap_or(&none).clone();
        let first = of(&profiles[0]);
        if first.enabled.len() > 1 {
            let found = format!("Invalid value: {}: only one queue sort plugin can be enabled", first.enabled.len());
            self.wrong("profiles[0].plugins.queueSort.enabled", found, "enable one");
        }
        for (n, other) in profiles.iter().map(of).enumerate().filter(|(_, other)| *other != first) {
            let list = |names: &mut dyn Iterator<Item = Name>| Value::from_iter(names.map(|name| name.to_string()));
            let enabled = list(&mut other.enabled.iter().map(|plugin| plugin.name));
            let disabled = list(&mut other.disabled.iter().copied());
            let value = json!({"enabled": enabled, "disabled": disabled});
            let found = format!("Invalid value: {value}: must be the same for all profiles");
            self.wrong(format!("profiles[{n}].plugins.queueSort"), found, "write what profiles[0] has");
        }
    }

    fn configuration(&mut self, value: &Value) -> SchedulerConfiguration {
        let mut read = SchedulerConfiguration::default();
        let Some(fields) = self.object("", value) else { return read };
        let mut given_max = None;
        for (field, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            match field.as_str() {
                "apiVersion" if value != "kubescheduler.config.k8s.io/v1" => {
                    self.wrong(field, brief(value), "use kubescheduler.config.k8s.io/v1");
                }
                "kind" if value != "KubeSchedulerConfiguration" => {
                    self.wrong(field, brief(value), "use KubeSchedulerConfiguration");
                }
                "apiVersion" | "kind" => {}
                "percentageOfNodesToScore" => {
                    read.percentage_of_nodes_to_score = self.percentage(field, value).unwrap_or(0);
                }
                "podInitialBackoffSeconds" => {
                    let seconds = self.at_least_one(field, value, "must be greater than 0");
                    read.pod_initial_backoff_seconds = seconds.unwrap_or(read.pod_initial_backoff_seconds);
                }
                "podMaxBackoffSeconds" => {
                    given_max = self.whole(field, value);
                }
                "parallelism" => {
                    self.at_least_one(field, value, "should be an integer value greater than zero");
                    self.no_effect.push(field.clone());
                }
                "clientConnection" => self.client(value, &mut read),
                "profiles" => {
                    let profiles = self.list(field, value);
                    if !profiles.is_empty() {
                        read.profiles = Vec::new();
                    }
                    for (n, profile) in profiles.iter().enumerate() {
                        // Only one by itself gets the usual name (`SetDefaults_KubeSchedulerConfiguration`).
                        if profiles.len() > 1 && profile.get("schedulerName").is_none_or(Value::is_null) {
                            let field = format!("profiles[{n}].schedulerName");
                            self.wrong(field, "Required value", "give each profile its own name");
                        }
                        let profile = self.profile(&format!("profiles[{n}]"), profile);
                        let earlier = |have: &ProfileConfiguration| have.scheduler_name == profile.scheduler_name;
                        if let Some(first) = read.profiles.iter().position(earlier) {
                            let field = format!("profiles[{n}].schedulerName");
                            let found = format!("Duplicate value: \"profiles[{first}].schedulerName\"");
                            self.wrong(field, found, "give each profile its own name");
                        }
                        read.profiles.push(profile);
                    }
                }
                "leaderElection"
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
        self.common_queue_sort(&read.profiles);
        let longest = given_max.unwrap_or(read.pod_max_backoff_seconds as i64);
        read.pod_max_backoff_seconds = longest.max(0).unsigned_abs();
        if longest < read.pod_initial_backoff_seconds as i64 {
            let found = format!("Invalid value: {longest}: must be greater than or equal to PodInitialBackoffSeconds");
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
                ("schedulerName", Value::Null) => {}
                ("schedulerName", Value::String(_)) => self.wrong(here, "Required value", "write a name"),
                ("schedulerName", _) => self.wrong(here, brief(value), "write a name"),
                ("percentageOfNodesToScore", Value::Null) => {}
                ("percentageOfNodesToScore", _) => {
                    read.percentage_of_nodes_to_score = self.percentage(&here, value);
                }
                ("plugins", _) => self.plugins(&here, value, &mut read),
                ("pluginConfig", _) => {
                    for (n, one) in self.list(&here, value).iter().enumerate() {
                        let name = one.get("name").and_then(Value::as_str).unwrap_or_default();
                        let args = one.get("args").cloned().unwrap_or(Value::Null);
                        if name.is_empty() {
                            self.wrong(format!("{here}[{n}].name"), "no name", "name the plugin");
                        } else if read.args.insert(Name::new(name), args).is_some() {
                            let found = format!("Duplicate value: {name:?}");
                            self.wrong(format!("{here}[{n}]"), found, "give its arguments once");
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
        // What was found is told as `ValidateKubeSchedulerConfiguration` and `NewFramework` tell it.
        let only_profile = |fields: Value| json!({"profiles": [fields]});
        let plugins = |point: &str, set: Value| only_profile(json!({"plugins": {point: set}}));
        for (configuration, told) in [
            (json!({"parallelism": 0}), "parallelism: Invalid value: 0: should be an integer value greater than zero"),
            (
                json!({"percentageOfNodesToScore": 101}),
                "percentageOfNodesToScore: Invalid value: 101: not in valid range [0-100]",
            ),
            (
                only_profile(json!({"percentageOfNodesToScore": -1})),
                "profiles[0].percentageOfNodesToScore: Invalid value: -1: not in valid range [0-100]",
            ),
            (
                json!({"podInitialBackoffSeconds": 0}),
                "podInitialBackoffSeconds: Invalid value: 0: must be greater than 0",
            ),
            (
                json!({"podInitialBackoffSeconds": 5, "podMaxBackoffSeconds": 1}),
                "podMaxBackoffSeconds: Invalid value: 1: must be greater than or equal to PodInitialBackoffSeconds",
            ),
            (
                json!({"podInitialBackoffSeconds": 11}),
                "podMaxBackoffSeconds: Invalid value: 10: must be greater than or equal to PodInitialBackoffSeconds",
            ),
            (json!({"profiles": [{"schedulerName": "a"}, {}]}), "profiles[1].schedulerName: Required value"),
            (
                json!({"profiles": [{"schedulerName": "a"}, {"schedulerName": "a"}]}),
                "profiles[1].schedulerName: Duplicate value: \"profiles[0].schedulerName\"",
            ),
            (
                json!({"profiles": [{"schedulerName": "a"},
                    {"schedulerName": "b", "plugins": {"queueSort": {"enabled": [{"name": "PrioritySort"}]}}}]}),
                "profiles[1].plugins.queueSort: Invalid value: {\"disabled\":[],\"enabled\":[\"PrioritySort\"]}: must be \
                 the same for all profiles",
            ),
            (
                plugins("queueSort", json!({"disabled": [{"name": "PrioritySort"}]})),
                "profiles[0]: only one queue sort plugin required for profile with scheduler name \"default-scheduler\", but \
                 got 0",
            ),
            (
                plugins("multiPoint", json!({"disabled": [{"name": "DefaultBinder"}]})),
                "profiles[0]: at least one bind plugin is needed for profile with scheduler name \"default-scheduler\"",
            ),
            (
                plugins("multiPoint", json!({"enabled": [{"name": "ImageLocality"}, {"name": "ImageLocality"}]})),
                "profiles[0].plugins.multiPoint.enabled: plugin \"ImageLocality\" already registered as \"ScorePlugin\"",
            ),
            (
                plugins("filter", json!({"enabled": [{"name": "NodeName"}, {"name": "NodeName"}]})),
                "profiles[0].plugins.filter.enabled[1].name: plugin \"NodeName\" already registered as \"FilterPlugin\"",
            ),
            (
                plugins("score", json!({"enabled": [{"name": "NodeName"}]})),
                "profiles[0].plugins.score.enabled[0].name: plugin \"NodeName\" does not extend ScorePlugin plugin",
            ),
            (
                plugins("score", json!({"enabled": [{"name": "Other"}]})),
                "profiles[0].plugins.score.enabled[0].name: ScorePlugin \"Other\" does not exist",
            ),
            (
                only_profile(json!({"pluginConfig": [{"name": "NodeAffinity"}, {"name": "NodeAffinity"}]})),
                "profiles[0].pluginConfig[1]: Duplicate value: \"NodeAffinity\"",
            ),
            (plugins("filtre", json!({})), "profiles[0].plugins.filtre: an extension point that there is not"),
        ] {
            let setup = SchedulerConfiguration::from_value(&configuration)
                .and_then(|read| SchedulerSetup::new(read, &Registry::default()));
            let texts: Vec<String> =
                setup.expect_err("a wrong configuration").iter().map(ToString::to_string).collect();
            let [text] = &texts[..] else { panic!("{told}: {texts:#?}") };
            assert!(text.starts_with(&format!("{told}; ")), "{told}: {text}");
        }
        let errors = SchedulerConfiguration::from_value(&json!({"percentageOfNodesToScore": 101, "parallelism": 0}));
        assert_eq!(errors.expect_err("all are told").len(), 2);
    }

    #[test]
    fn points_may_name_anew_what_all_have() {
        for plugins in [
            json!({"score": {"enabled": [{"name": "ImageLocality", "weight": 5}]}}),
            json!({"queueSort": {"enabled": [{"name": "PrioritySort"}], "disabled": [{"name": "*"}]}}),
            json!({"reserve": {"enabled": [{"name": "DynamicResources"}]}}),
        ] {
            let read = SchedulerConfiguration::from_value(&json!({"profiles": [{"plugins": plugins}]}));
            let setup = read.and_then(|read| SchedulerSetup::new(read, &Registry::default()));
            assert_eq!(setup.err(), None, "{plugins}");
        }
    }
}
