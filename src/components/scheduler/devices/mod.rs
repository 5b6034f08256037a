//! Which devices a pod's claims would get on a node.
//!
//! Follows `staging/src/k8s.io/dynamic-resource-allocation/structured` of Kubernetes 1.36: requests are served in
//! order, alternatives of a request in order, devices by driver, pool, slice and place in it; what does not lead to a
//! whole is taken back. Left out on purpose: device taints, shared counters, consumable capacity, binding conditions.

mod selector;

use super::index::any_term_matches;
use super::objects::Objects;
use crate::api::{
    AllocatedDevice, Allocation, AttributeValue, Device, DeviceAlternative, DeviceId, DeviceNodes, DeviceRequest, List,
    Name, Node, NodeSelectorTerm, Operator, Requirement, ResourceClaim, ResourceSlice, Text,
};
use selector::Selector;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A search that took so many steps is given up: it stands for the time that the real one has
/// (`DRASchedulerFilterTimeout`).
const MOST_STEPS: u32 = 100_000;
/// A claim has at most so many devices (`AllocationResultsMaxSize`).
const MOST_DEVICES: usize = 32;

/// Why there is no allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There are not the devices.
    Unavailable,
    /// It took too long to find out.
    TimedOut,
    /// Something is wrong with a claim, a class or a pool.
    Error(Text),
}

/// A device within reach of the node.
struct Candidate<'a> {
    id: DeviceId,
    device: &'a Device,
    nodes: &'a DeviceNodes,
}

/// A request with what it could get: the candidates of each alternative, by place.
struct Wanted<'a> {
    claim: usize,
    request: &'a DeviceRequest,
    options: Vec<(&'a DeviceAlternative, Vec<usize>)>,
}

/// A search under way.
struct Search<'a> {
    claims: &'a [Arc<ResourceClaim>],
    candidates: &'a [Candidate<'a>],
    wanted: &'a [Wanted<'a>],
    /// Whether each candidate is free.
    free: Vec<bool>,
    /// For which wanted request, which of its alternatives, and which candidate.
    taken: Vec<(usize, usize, usize)>,
    steps: u32,
}

/// What a pod asks for that has no devices yet, and what is to be known for that.
#[derive(Debug, Default)]
pub(super) struct Demand {
    /// The claims.
    pub claims: Vec<Arc<ResourceClaim>>,
    /// The devices that others have.
    taken: BTreeSet<DeviceId>,
    /// The expressions of classes and claims, read.
    selectors: BTreeMap<Text, Result<Selector, String>>,
}

impl Demand {
    /// That of claims.
    pub(super) fn new(objects: &Objects, claims: Vec<Arc<ResourceClaim>>) -> Self {
        if claims.is_empty() {
            return Self::default();
        }
        let alternatives = claims.iter().flat_map(|claim| &claim.devices.requests).flat_map(|one| &one.alternatives);
        let texts = alternatives.flat_map(|one| {
            let class = objects.device_classes.get(&one.class);
            class.into_iter().flat_map(|class| &class.selectors).chain(&one.selectors)
        });
        let selectors = texts.map(|text| (text.clone(), Selector::parse(text))).collect();
        Self { taken: allocated(objects), selectors, claims }
    }
}

/// The devices that are not to be had: allocated, or about to be (`ListAllAllocatedDevices`).
fn allocated(objects: &Objects) -> BTreeSet<DeviceId> {
    let stored = objects.resource_claims.values().filter_map(|claim| claim.status.allocation.as_ref());
    let all = stored.chain(objects.allocations_in_flight.values()).flat_map(|one| &one.results);
    all.filter(|one| !one.admin_access).map(|one| one.device).collect()
}

/// What claims would get on a node, in their order (`Allocator.Allocate`), and a measure of how well they are served:
/// early alternatives count more.
pub(super) fn allocate(
    objects: &Objects,
    demand: &Demand,
    node: &Node,
) -> Result<(Vec<Arc<Allocation>>, i64), Refusal> {
    let claims = &demand.claims;
    let pools = pools(objects);
    let mut candidates = Vec::new();
    let mut incomplete = None;
    for ((driver, pool), slices) in &pools {
        let before = candidates.len();
        for slice in slices {
            for device in &slice.devices {
                let Some(nodes) = slice.nodes.as_ref().or(device.nodes.as_ref()) else { continue };
                if reaches(nodes, node) {
                    let id = DeviceId { driver: *driver, pool: *pool, device: device.name };
                    candidates.push(Candidate { id, device, nodes });
                }
            }
        }
        if slices.first().is_some_and(|slice| (slices.len() as i64) < slice.slices) {
            if candidates.len() > before {
                incomplete.get_or_insert(*pool);
            }
            candidates.truncate(before);
        }
    }
    let mut wanted = Vec::new();
    for (place, claim) in claims.iter().enumerate() {
        for request in &claim.devices.requests {
            let mut options = Vec::new();
            for alternative in &request.alternatives {
                if let (None, Some(pool)) = (alternative.count, incomplete) {
                    let (claim, name) = (claim.meta.key(), alternative.name);
                    let why = format!("asks for all devices, but resource pool {pool} is currently being updated");
                    return Err(Refusal::Error(format!("claim {claim}, request {name}: {why}").into()));
                }
                options.push((alternative, matching(objects, demand, claim, alternative, &candidates)?));
            }
            wanted.push(Wanted { claim: place, request, options });
        }
    }
    let free = candidates.iter().map(|one| !demand.taken.contains(&one.id)).collect();
    let mut search = Search { claims, candidates: &candidates, wanted: &wanted, free, taken: Vec::new(), steps: 0 };
    if !search.can_succeed() {
        return Err(Refusal::Unavailable);
    }
    match search.serve(0) {
        true => Ok((search.results(node), search.score())),
        false if search.steps > MOST_STEPS => Err(Refusal::TimedOut),
        false => Err(Refusal::Unavailable),
    }
}

/// The slices of each pool's newest state, by driver and pool, then name (`GatherPools`).
fn pools(objects: &Objects) -> BTreeMap<(Name, Name), Vec<&ResourceSlice>> {
    let mut pools: BTreeMap<(Name, Name), Vec<&ResourceSlice>> = BTreeMap::new();
    for slice in objects.resource_slices.values() {
        let pool = pools.entry((slice.driver, slice.pool)).or_default();
        let newest = pool.first().map_or(i64::MIN, |one| one.generation);
        if slice.generation > newest {
            pool.clear();
        }
        if slice.generation >= newest {
            pool.push(slice);
        }
    }
    pools
}

fn reaches(nodes: &DeviceNodes, node: &Node) -> bool {
    match nodes {
        DeviceNodes::All => true,
        DeviceNodes::Node(name) => *name == node.meta.name,
        DeviceNodes::Matching(terms) => any_term_matches(terms, node.meta.name, &node.meta.labels),
    }
}

/// The devices that an alternative's class and selectors let pass.
fn matching(
    objects: &Objects,
    demand: &Demand,
    claim: &ResourceClaim,
    alternative: &DeviceAlternative,
    candidates: &[Candidate<'_>],
) -> Result<Vec<usize>, Refusal> {
    let class = alternative.class;
    let Some(known) = objects.device_classes.get(&class) else {
        let text = format!("could not retrieve device class {class}: deviceclass.resource.k8s.io {class:?} not found");
        return Err(Refusal::Error(text.into()));
    };
    let of_class = selectors(demand, &known.selectors, &format!("class {class}"))?;
    let of_claim = selectors(demand, &alternative.selectors, &format!("claim {}", claim.meta.key()))?;
    let mut places = Vec::new();
    'devices: for (place, one) in candidates.iter().enumerate() {
        for (selector, whose) in of_class.iter().chain(&of_claim) {
            match selector.matches(one.id.driver, one.device) {
                Ok(true) => {}
                Ok(false) => continue 'devices,
                Err(error) => return Err(Refusal::Error(format!("{whose}: CEL runtime error: {error}").into())),
            }
        }
        places.push(place);
    }
    Ok(places)
}

fn selectors<'d>(demand: &'d Demand, texts: &[Text], whose: &str) -> Result<Vec<(&'d Selector, String)>, Refusal> {
    let read = |(place, text): (usize, &Text)| {
        let whose = format!("{whose}: selector #{place}");
        match demand.selectors.get(text) {
            Some(Ok(selector)) => Some(Ok((selector, whose))),
            Some(Err(error)) => Some(Err(Refusal::Error(format!("{whose}: CEL compile error: {error}").into()))),
            None => None,
        }
    };
    texts.iter().enumerate().filter_map(read).collect()
}

impl Search<'_> {
    /// Whether each request alone has enough: most searches in vain end here.
    fn can_succeed(&self) -> bool {
        self.wanted.iter().all(|wanted| {
            wanted.options.iter().any(|(alternative, places)| {
                let usable = places.iter().filter(|place| alternative.admin_access || self.free[**place]).count();
                match alternative.count {
                    Some(count) => usable as i64 >= count,
                    None => !places.is_empty() && usable == places.len(),
                }
            })
        })
    }

    /// Serves the requests from one on.
    fn serve(&mut self, request: usize) -> bool {
        let wanted = self.wanted;
        let Some(one) = wanted.get(request) else { return true };
        (0..one.options.len()).any(|option| {
            let (alternative, places) = &one.options[option];
            let count = alternative.count.map_or(places.len(), |count| count as usize);
            !(alternative.count.is_none() && places.is_empty()) && self.take(request, option, count, 0)
        })
    }

    /// Takes so many devices more for an alternative, none of them before a place in its list, and goes on.
    fn take(&mut self, request: usize, option: usize, left: usize, from: usize) -> bool {
        if left == 0 {
            return self.serve(request + 1);
        }
        let wanted = self.wanted;
        let (alternative, places) = &wanted[request].options[option];
        for (at, &place) in places.iter().enumerate().skip(from) {
            if places.len() - at < left {
                return false;
            }
            self.steps += 1;
            if self.steps > MOST_STEPS {
                return false;
            }
            let shares = alternative.admin_access;
            if !(shares || self.free[place]) || !self.agrees(request, option, place) || self.is_full(request) {
                continue;
            }
            let was_free = self.free[place];
            self.free[place] = was_free && shares;
            self.taken.push((request, option, place));
            if self.take(request, option, left - 1, at + 1) {
                return true;
            }
            self.taken.pop();
            self.free[place] = was_free;
        }
        false
    }

    fn is_full(&self, request: usize) -> bool {
        let claim = self.wanted[request].claim;
        self.taken.iter().filter(|(other, ..)| self.wanted[*other].claim == claim).count() >= MOST_DEVICES
    }

    /// Whether a device has in common with those of its claim what the constraints say.
    fn agrees(&self, request: usize, option: usize, place: usize) -> bool {
        let wanted = &self.wanted[request];
        let alternative = wanted.options[option].0;
        let value = |place: usize, name: Name| -> Option<&AttributeValue> {
            let one = &self.candidates[place];
            one.device.attribute(one.id.driver, name)
        };
        self.claims[wanted.claim].devices.constraints.iter().all(|constraint| {
            if !constraint.concerns(wanted.request, alternative) {
                return true;
            }
            let Some(own) = value(place, constraint.attribute) else { return false };
            self.taken.iter().all(|&(other, option, place)| {
                let other = &self.wanted[other];
                other.claim != wanted.claim
                    || !constraint.concerns(other.request, other.options[option].0)
                    || value(place, constraint.attribute) == Some(own)
            })
        })
    }

    /// The allocations, by claim.
    fn results(&self, node: &Node) -> Vec<Arc<Allocation>> {
        let of_claim = |claim: usize| {
            let own = self.taken.iter().filter(|(request, ..)| self.wanted[*request].claim == claim);
            let results = own.clone().map(|&(request, option, place)| {
                let alternative = self.wanted[request].options[option].0;
                let device = self.candidates[place].id;
                AllocatedDevice { request: alternative.name, device, admin_access: alternative.admin_access }
            });
            let nodes: Vec<&DeviceNodes> = own.map(|&(_, _, place)| self.candidates[place].nodes).collect();
            Arc::new(allocation(results.collect(), &nodes, node))
        };
        (0..self.claims.len()).map(of_claim).collect()
    }

    /// The earlier the alternatives, the better (`computeScore`).
    fn score(&self) -> i64 {
        let mut seen = BTreeSet::new();
        let chosen = self.taken.iter().filter(|(request, option, _)| {
            self.wanted[*request].request.first_available && seen.insert((*request, *option))
        });
        chosen.map(|(_, option, _)| 8 - *option as i64).sum()
    }
}

/// A result, with the nodes that reach all of its devices (`createNodeSelector`).
fn allocation(results: Vec<AllocatedDevice>, nodes: &[&DeviceNodes], node: &Node) -> Allocation {
    let printed: Vec<Value> = results
        .iter()
        .map(|one| {
            let id = one.device;
            let mut result = json!({
                "request": one.request, "driver": id.driver, "pool": id.pool, "device": id.device,
            });
            if one.admin_access {
                result["adminAccess"] = true.into();
            }
            result
        })
        .collect();
    let mut source = json!({"devices": {"results": printed}});
    let term = node_selector(nodes, node);
    if let Some(term) = &term {
        let mut printed = json!({});
        for (field, list) in [("matchExpressions", &term.expressions), ("matchFields", &term.fields)] {
            if !list.is_empty() {
                printed[field] = list.iter().map(requirement).collect();
            }
        }
        source["nodeSelector"] = json!({"nodeSelectorTerms": [printed]});
    }
    Allocation { results, node_selector: term.map(|term| vec![term]), source: source.to_string().into() }
}

fn requirement(one: &Requirement) -> Value {
    let mut printed = json!({"key": one.key, "operator": format!("{:?}", one.operator)});
    if !one.values.is_empty() {
        printed["values"] = one.values.iter().map(|value| Value::from(value.as_str())).collect();
    }
    printed
}

/// The nodes that reach all devices; `None` for all nodes.
fn node_selector(nodes: &[&DeviceNodes], node: &Node) -> Option<NodeSelectorTerm> {
    if nodes.iter().any(|nodes| matches!(nodes, DeviceNodes::Node(_))) {
        let key = Name::new("metadata.name");
        let field = Requirement { key, operator: Operator::In, values: vec![node.meta.name].into() };
        return Some(NodeSelectorTerm { expressions: List::EMPTY, fields: vec![field].into() });
    }
    let (mut expressions, mut fields): (Vec<Requirement>, Vec<Requirement>) = Default::default();
    let terms = nodes.iter().filter_map(|nodes| match nodes {
        DeviceNodes::Matching(terms) => terms.first(),
        DeviceNodes::All | DeviceNodes::Node(_) => None,
    });
    for term in terms {
        for (all, own) in [(&mut expressions, &term.expressions), (&mut fields, &term.fields)] {
            for one in own.iter() {
                if !all.contains(one) {
                    all.push(one.clone());
                }
            }
        }
    }
    let selects = !(expressions.is_empty() && fields.is_empty());
    selects.then(|| NodeSelectorTerm {
        expressions: expressions.into_iter().collect(),
        fields: fields.into_iter().collect(),
    })
}
