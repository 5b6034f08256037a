//! Plug-in LimitRanger: defaults for containers that state nothing, and bounds for those that do, and for claims.
//!
//! Follows `plugin/pkg/admission/limitranger/admission.go`.

use super::Server;
use crate::api::render::{render, render_spec};
use crate::api::{
    CPU, Container, LimitRange, LimitRangeItem, Name, Object, PersistentVolumeClaim, PodSpec, Quantity, ResourceList,
    format_amount, requests,
};
use serde_json::Value;
use std::cell::OnceCell;
use std::sync::Arc;

const RATIO: &str = "maxLimitRequestRatio";

impl Server {
    fn limit_ranges(&self, namespace: Name) -> Vec<&Arc<LimitRange>> {
        let mut ranges: Vec<_> =
            self.store.limit_ranges.iter().filter(|range| range.meta.namespace == namespace).collect();
        ranges.sort_by_key(|range| range.meta.name);
        ranges
    }

    /// Fills in the defaults of the namespace's LimitRanges. What was filled in is returned, as the pod's annotation
    /// tells it: of several ranges the last one's.
    pub(super) fn apply_limit_ranges(&self, namespace: Name, spec: &mut PodSpec) -> Name {
        let mut told = Name::default();
        for range in self.limit_ranges(namespace) {
            let mut set = Vec::new();
            for item in range.limits.iter().filter(|item| item.kind == "Container") {
                spec.containers.iter_mut().for_each(|container| merge(item, container, "container", &mut set));
                spec.init_containers
                    .iter_mut()
                    .for_each(|container| merge(item, container, "init container", &mut set));
            }
            if !set.is_empty() {
                told = Name::new(&format!("LimitRanger plugin set: {}", set.join("; ")));
            }
        }
        told
    }

    /// Checks a pod against the bounds of the namespace's LimitRanges: the first one that it does not keep to is told.
    pub(in crate::api::server) fn check_limit_ranges(&self, namespace: Name, spec: &PodSpec) -> Result<(), String> {
        self.limit_ranges(namespace).into_iter().try_for_each(|range| {
            let mut check = Check::new(range, || render_spec(spec));
            for (place, item) in range.limits.iter().enumerate() {
                match item.kind.as_str() {
                    "Container" => {
                        let lists = [("containers", &spec.containers), ("initContainers", &spec.init_containers)];
                        for (list, containers) in lists {
                            for (n, container) in containers.iter().enumerate() {
                                let at = format!("/{list}/{n}/resources");
                                check.bounds(place, item, &container.requests, &container.limits, &at);
                            }
                        }
                    }
                    "Pod" => {
                        let (requests, limits) = (requests::requests(spec), requests::limits(spec));
                        let at = if spec.resources.is_some() { "/resources" } else { "/containers/0/resources" };
                        check.bounds(place, item, &requests, &limits, at);
                    }
                    _ => {}
                }
            }
            check.outcome()
        })
    }

    /// Checks what a claim asks for against the bounds of the namespace's LimitRanges.
    pub(in crate::api::server) fn check_claim_limits(&self, claim: &Arc<PersistentVolumeClaim>) -> Result<(), String> {
        self.limit_ranges(claim.meta.namespace).into_iter().try_for_each(|range| {
            let object = || render(&Object::PersistentVolumeClaim(claim.clone()))["spec"].take();
            let mut check = Check::new(range, object);
            for (place, item) in
                range.limits.iter().enumerate().filter(|(_, item)| item.kind == "PersistentVolumeClaim")
            {
                check.claim(place, item, &claim.requests);
            }
            check.outcome()
        })
    }
}

/// What a container does not state is set, and told (`mergeContainerResources`).
fn merge(item: &LimitRangeItem, container: &mut Container, what: &str, told: &mut Vec<String>) {
    let Container { name, requests, limits, .. } = container;
    for (list, defaults, which) in [(requests, &item.default_request, "request"), (limits, &item.default, "limit")] {
        let set: Vec<&str> =
            defaults.iter().filter(|(name, _)| list.get(*name).is_none()).map(|(name, _)| name.as_str()).collect();
        if !set.is_empty() {
            told.push(format!("{} {which} for {what} {name}", set.join(", ")));
            *list = list.or(defaults);
        }
    }
}

/// What speaks against an object. Its amounts and those of the range are printed as they were written; both are
/// rendered once there is something to print.
struct Check<'c, F> {
    range: &'c Arc<LimitRange>,
    range_text: OnceCell<Value>,
    object: F,
    object_text: OnceCell<Value>,
    problems: Vec<String>,
}

impl<'c, F: Fn() -> Value> Check<'c, F> {
    const fn new(range: &'c Arc<LimitRange>, object: F) -> Self {
        Self { range, range_text: OnceCell::new(), object, object_text: OnceCell::new(), problems: Vec::new() }
    }

    /// A bound as the range has it.
    fn bound(&self, place: usize, field: &str, resource: Name, amount: i64) -> String {
        let text = self.range_text.get_or_init(|| render(&Object::LimitRange(self.range.clone())));
        let is_milli = resource == *CPU || field == RATIO;
        as_written(&text["spec"]["limits"][place][field], resource, amount, is_milli)
    }

    /// An amount as the object has it, at a place in it.
    fn stated(&self, at: &str, list: &str, resource: Name, amount: i64) -> String {
        let text = self.object_text.get_or_init(&self.object);
        let none = Value::Null;
        as_written(text.pointer(at).map_or(&none, |resources| &resources[list]), resource, amount, resource == *CPU)
    }

    fn say(&mut self, problem: String) {
        // An aggregate tells what is the same but once (`utilerrors.Aggregate`).
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// One problem as it is, several in brackets.
    fn outcome(self) -> Result<(), String> {
        match self.problems.as_slice() {
            [] => Ok(()),
            [one] => Err(one.clone()),
            several => Err(format!("[{}]", several.join(", "))),
        }
    }

    /// The bounds of a container or a pod (`PodValidateLimitFunc`).
    fn bounds(
        &mut self,
        place: usize,
        item: &LimitRangeItem,
        requests: &ResourceList,
        limits: &ResourceList,
        at: &str,
    ) {
        self.at_least(place, item, requests, limits, at);
        for (resource, bound) in item.max.iter() {
            let most = |check: &Self| check.most(place, item, resource, bound);
            match (requests.get(resource), limits.get(resource)) {
                (_, None) => self.say(format!("{}.  No limit is specified", most(self))),
                (_, Some(limit)) if limit > bound => {
                    let limit = self.stated(at, "limits", resource, limit);
                    self.say(format!("{}, but limit is {limit}", most(self)));
                }
                (Some(request), _) if request > bound => {
                    let request = self.stated(at, "requests", resource, request);
                    self.say(format!("{}, but request is {request}", most(self)));
                }
                _ => {}
            }
        }
        for (resource, ratio) in item.max_limit_request_ratio.iter() {
            let most = |check: &Self| {
                let allowed = check.bound(place, RATIO, resource, ratio);
                format!("{resource} max limit to request ratio per {} is {allowed}", item.kind)
            };
            match (requests.get(resource).unwrap_or(0), limits.get(resource).unwrap_or(0)) {
                (0, _) => self.say(format!("{}, but no request is specified or request is 0", most(self))),
                (_, 0) => self.say(format!("{}, but no limit is specified or limit is 0", most(self))),
                (request, limit) if i128::from(limit) * 1000 > i128::from(request) * i128::from(ratio) => {
                    let provided = limit as f64 / request as f64;
                    self.say(format!("{}, but provided ratio is {provided:.6}", most(self)));
                }
                _ => {}
            }
        }
    }

    /// The bounds of a claim, whose limits nobody looks at (`PersistentVolumeClaimValidateLimitFunc`).
    fn claim(&mut self, place: usize, item: &LimitRangeItem, requests: &ResourceList) {
        const AT: &str = "/resources";
        self.at_least(place, item, requests, &ResourceList::EMPTY, AT);
        for (resource, bound) in item.max.iter() {
            match requests.get(resource) {
                None => self.say(format!("{}.  No request is specified", self.most(place, item, resource, bound))),
                Some(request) if request > bound => {
                    let request = self.stated(AT, "requests", resource, request);
                    self.say(format!("{}, but request is {request}", self.most(place, item, resource, bound)));
                }
                Some(_) => {}
            }
        }
    }

    fn at_least(
        &mut self,
        place: usize,
        item: &LimitRangeItem,
        requests: &ResourceList,
        limits: &ResourceList,
        at: &str,
    ) {
        for (resource, bound) in item.min.iter() {
            let least = |check: &Self| {
                let bound = check.bound(place, "min", resource, bound);
                format!("minimum {resource} usage per {} is {bound}", item.kind)
            };
            match (requests.get(resource), limits.get(resource)) {
                (None, _) => self.say(format!("{}.  No request is specified", least(self))),
                (Some(request), _) if request < bound => {
                    let request = self.stated(at, "requests", resource, request);
                    self.say(format!("{}, but request is {request}", least(self)));
                }
                (_, Some(limit)) if limit < bound => {
                    let limit = self.stated(at, "limits", resource, limit);
                    self.say(format!("{}, but limit is {limit}", least(self)));
                }
                _ => {}
            }
        }
    }

    fn most(&self, place: usize, item: &LimitRangeItem, resource: Name, bound: i64) -> String {
        format!("maximum {resource} usage per {} is {}", item.kind, self.bound(place, "max", resource, bound))
    }
}

/// An amount as a list writes it; a sum has the format of its first part.
fn as_written(list: &Value, resource: Name, amount: i64, is_milli: bool) -> String {
    let Some(written) = list[resource.as_str()].as_str().and_then(|text| text.parse::<Quantity>().ok()) else {
        return format_amount(resource, amount);
    };
    let unit = if is_milli { Quantity::from_milli } else { Quantity::new };
    let exact = unit(amount, written.format());
    if exact == written { written.to_string() } else { exact.to_string() }
}

#[cfg(test)]
mod tests {
    use crate::api::{Name, Request, Server, WallClock, WallTime, lower};
    use crate::engine::{Draws, SimTime};
    use serde_json::{Value, json};

    /// What comes of an object in a namespace with LimitRanges of these items.
    fn created(ranges: &[Value], manifest: &Value) -> Result<String, String> {
        let mut server = Server::new(WallClock::starting_at(WallTime::default()), Draws::new(1));
        server.ensure_namespace(SimTime::ZERO, Name::new("default"));
        for (n, limits) in ranges.iter().enumerate() {
            let manifest = json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": format!("r{n}")},
                "spec": {"limits": limits}});
            let range = lower(&manifest).expect("a range").object;
            server.serve(SimTime::ZERO, Request::Create(range)).expect("a free name");
        }
        let object = lower(manifest).expect("an object").object;
        let created = server.serve(SimTime::ZERO, Request::Create(object)).map_err(|error| error.to_string())?;
        let told = created.meta().annotations.get(Name::new("kubernetes.io/limit-ranger"));
        Ok(told.unwrap_or_default().to_string())
    }

    #[test]
    fn pods_are_filled_in_and_bounded() {
        let sizes = json!([{"type": "Container", "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "100m"},
            "min": {"memory": "64M"}, "max": {"memory": "1G"}}]);
        let sums = json!([{"type": "Pod", "max": {"memory": "1500M"}, "maxLimitRequestRatio": {"cpu": "5"}}]);
        let ranges = [sizes, sums];
        let pod = |containers: Value, init: Value| {
            created(
                &ranges,
                &json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
                "spec": {"containers": containers, "initContainers": init}}),
            )
        };
        let named = |name: &str, resources: Value| json!({"name": name, "image": "i", "resources": resources});
        let sized = |name: &str, memory: &str| named(name, json!({"limits": {"memory": memory}}));
        let forbidden = |why: &str| Err(format!("pods \"p\" is forbidden: {why}"));
        let said = "LimitRanger plugin set: cpu request for container a; cpu limit for container a";
        assert_eq!(pod(json!([sized("a", "500M")]), json!([])), Ok(said.to_owned()));
        let with_init = format!("{said}; cpu limit for init container i");
        let init = named("i", json!({"requests": {"cpu": "200m", "memory": "64M"}, "limits": {"memory": "1G"}}));
        assert_eq!(pod(json!([sized("a", "500M")]), json!([init])), Ok(with_init));
        for (containers, why) in [
            (
                // What is the same of two containers is said once.
                json!([sized("a", "2G"), sized("b", "2G"), sized("c", "1100M")]),
                "[maximum memory usage per Container is 1G, but limit is 2G, maximum memory usage per Container is \
                 1G, but limit is 1100M]",
            ),
            (json!([sized("a", "2G"), sized("b", "2G")]), "maximum memory usage per Container is 1G, but limit is 2G"),
            // The second range; the sum is written as its first part is.
            (
                json!([sized("a", "800M"), sized("b", "1G")]),
                "maximum memory usage per Pod is 1500M, but limit is 1800M",
            ),
            (
                json!([named("a", json!({"limits": {"memory": "1G", "cpu": "1"}, "requests": {"cpu": "150m"}}))]),
                "cpu max limit to request ratio per Pod is 5, but provided ratio is 6.666667",
            ),
        ] {
            assert_eq!(pod(containers.clone(), json!([])), forbidden(why), "{containers}");
        }
        let bare = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
            "spec": {"containers": [{"name": "a", "image": "i"}, {"name": "b", "image": "i"}]}});
        let said = "[minimum cpu usage per Pod is 100m.  No request is specified, maximum cpu usage per Pod is 2.  No \
                    limit is specified]";
        let range = json!([{"type": "Pod", "min": {"cpu": "100m"}, "max": {"cpu": "2"}}]);
        assert_eq!(created(&[range], &bare), forbidden(said));
    }

    #[test]
    fn claims_are_bounded() {
        let range = [json!([{"type": "PersistentVolumeClaim", "min": {"storage": "2Gi"}, "max": {"storage": "5Gi"}}])];
        for (size, why) in [
            ("3Gi", None),
            ("10Gi", Some("maximum storage usage per PersistentVolumeClaim is 5Gi, but request is 10Gi")),
            ("1G", Some("minimum storage usage per PersistentVolumeClaim is 2Gi, but request is 1G")),
        ] {
            let said = created(
                &range,
                &json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}}),
            );
            let refusal = why.map(|why| format!("persistentvolumeclaims \"c\" is forbidden: {why}"));
            assert_eq!(said.err(), refusal, "{size}");
        }
    }
}
