//! Plug-in LimitRanger: defaults for containers that state nothing, and bounds for those that do.
//!
//! Follows `plugin/pkg/admission/limitranger/admission.go`.

use super::Server;
use crate::api::{LimitRangeItem, Name, PodSpec, Quantity, QuantityFormat, ResourceList, format_amount, requests};

impl Server {
    /// Fills in the defaults of the namespace's LimitRanges and checks their bounds.
    pub(super) fn apply_limit_ranges(&self, namespace: Name, spec: &mut PodSpec) -> Result<(), String> {
        let mut ranges: Vec<_> =
            self.store.limit_ranges.iter().filter(|range| range.meta.namespace == namespace).collect();
        if ranges.is_empty() {
            return Ok(());
        }
        ranges.sort_by_key(|range| range.meta.name);
        let items: Vec<&LimitRangeItem> = ranges.iter().flat_map(|range| &range.limits).collect();
        for item in items.iter().filter(|item| item.kind == "Container") {
            for container in spec.containers.iter_mut().chain(&mut spec.init_containers) {
                container.limits = container.limits.or(&item.default);
                container.requests = container.requests.or(&item.default_request);
            }
        }
        let mut problems = Vec::new();
        for item in items {
            match item.kind.as_str() {
                "Container" => {
                    for container in spec.containers.iter().chain(&spec.init_containers) {
                        check(item, "Container", &container.requests, &container.limits, &mut problems);
                    }
                }
                "Pod" => {
                    let (requests, limits) = (requests::requests(spec), requests::limits(spec));
                    check(item, "Pod", &requests, &limits, &mut problems);
                }
                _ => {}
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(one_or_many(&problems)) }
    }
}

/// One problem as it is, several in brackets (`utilerrors.Aggregate`).
fn one_or_many(problems: &[String]) -> String {
    if let [one] = problems { one.clone() } else { format!("[{}]", problems.join(", ")) }
}

fn check(
    item: &LimitRangeItem,
    what: &str,
    requests: &ResourceList,
    limits: &ResourceList,
    problems: &mut Vec<String>,
) {
    let mut say = |problem: String| problems.push(problem);
    for (resource, bound) in item.min.iter() {
        let least = format!("minimum {resource} usage per {what} is {}", format_amount(resource, bound));
        match (requests.get(resource), limits.get(resource)) {
            (None, _) => say(format!("{least}. No request is specified")),
            (Some(request), _) if request < bound => {
                say(format!("{least}, but request is {}", format_amount(resource, request)));
            }
            (_, Some(limit)) if limit < bound => {
                say(format!("{least}, but limit is {}", format_amount(resource, limit)));
            }
            _ => {}
        }
    }
    for (resource, bound) in item.max.iter() {
        let most = format!("maximum {resource} usage per {what} is {}", format_amount(resource, bound));
        match (requests.get(resource), limits.get(resource)) {
            (_, None) => say(format!("{most}. No limit is specified")),
            (_, Some(limit)) if limit > bound => {
                say(format!("{most}, but limit is {}", format_amount(resource, limit)));
            }
            (Some(request), _) if request > bound => {
                say(format!("{most}, but request is {}", format_amount(resource, request)));
            }
            _ => {}
        }
    }
    for (resource, ratio) in item.max_limit_request_ratio.iter() {
        let allowed = Quantity::from_milli(ratio, QuantityFormat::DecimalSI);
        let most = format!("{resource} max limit to request ratio per {what} is {allowed}");
        match (requests.get(resource).unwrap_or(0), limits.get(resource).unwrap_or(0)) {
            (0, _) => say(format!("{most}, but no request is specified or request is 0")),
            (_, 0) => say(format!("{most}, but no limit is specified or limit is 0")),
            (request, limit) if i128::from(limit) * 1000 > i128::from(request) * i128::from(ratio) => {
                say(format!("{most}, but provided ratio is {:.6}", limit as f64 / request as f64));
            }
            _ => {}
        }
    }
}
