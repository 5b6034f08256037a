//! How addresses are packed into slices: those that are there keep their place, a slice that changes anyway is filled
//! up, and no more slices change than must (`staging/src/k8s.io/endpointslice/reconciler.go`).

use super::super::flow::{Flow, Step};
use super::super::work_queue::Key;
use super::{Ports, TRIGGER_TIME};
use crate::api::{
    DeleteOptions, Endpoint, EndpointSlice, ErrorReason, FastMap, Kind, Metadata, Name, Object, Part, Request, Target,
    Uid,
};
use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// A slice holds at most so many addresses.
const MOST_ENDPOINTS: usize = 100;

/// The endpoints that there should be, by ports.
pub(in super::super) type Wanted = BTreeMap<Vec<(Name, Name, u16)>, Vec<Endpoint>>;

/// What is to be written.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in super::super) struct Packed {
    pub(super) create: Vec<EndpointSlice>,
    pub(super) update: Vec<EndpointSlice>,
    pub(super) delete: Vec<Arc<EndpointSlice>>,
}

impl Packed {
    /// A slice that would go takes the place of one that would come.
    fn reuse(&mut self) {
        while !self.create.is_empty() && !self.delete.is_empty() {
            let (made, gone) = (self.create.remove(0), self.delete.remove(0));
            self.update.push(EndpointSlice { meta: EndpointSlice::clone(&gone).meta, ..made });
        }
    }

    /// Writes it: what is new is owned by `owner`.
    pub(in super::super) fn write(&self, owner: &Object, flow: &mut Flow<'_, Key>) -> Step {
        for slice in &self.create {
            let owned = || {
                let owner_references = vec![owner.controller_reference()].into();
                let meta = Metadata { owner_references, ..slice.meta.clone() };
                Object::EndpointSlice(Arc::new(EndpointSlice { meta, ..slice.clone() }))
            };
            flow.call(|| Request::Create(owned()))??;
        }
        for slice in &self.update {
            // As recorded: no trigger but the Service's own making is ever told.
            let annotations = slice.meta.annotations.without(*TRIGGER_TIME);
            let meta = Metadata { annotations, ..slice.meta.clone() };
            let object = Object::EndpointSlice(Arc::new(EndpointSlice { meta, ..slice.clone() }));
            flow.call(|| Request::Update { object, part: Part::Main })??;
        }
        for slice in &self.delete {
            let target = Target { kind: Kind::EndpointSlice, namespace: slice.meta.namespace, name: slice.meta.name };
            match flow.call(|| Request::Delete { target, options: DeleteOptions::default() })? {
                Err(error) if error.reason != ErrorReason::NotFound => return Err(error.into()),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }
}

/// Brings slices to what is wanted, by ports (`Reconciler.Reconcile`). New ones begin as the model; those of a Service
/// with a selector never go all.
pub(in super::super) fn pack(
    model: &EndpointSlice,
    slices: &[Arc<EndpointSlice>],
    wanted: Wanted,
    never_none: bool,
) -> Packed {
    let mut packed = Packed::default();
    let mut by_ports: BTreeMap<Vec<(Name, Name, u16)>, Vec<Arc<EndpointSlice>>> = BTreeMap::new();
    for slice in slices {
        by_ports.entry(slice.ports.to_vec()).or_default().push(slice.clone());
    }
    for (ports, endpoints) in wanted {
        let have = by_ports.remove(&ports).unwrap_or_default();
        fill(model, &ports.into(), compare(&have, &endpoints), &mut packed);
    }
    packed.delete.extend(by_ports.into_values().flatten());
    if never_none {
        keep_one(model, slices, &mut packed);
    }
    packed.reuse();
    packed
}

/// Brings slices, all of the same ports, to what is wanted, of which there is something.
pub(super) fn pack_alike(model: &EndpointSlice, ports: &Ports, compared: Compared) -> Packed {
    let mut packed = Packed::default();
    fill(model, ports, compared, &mut packed);
    packed.reuse();
    packed
}

/// Without any address one empty slice stays.
fn keep_one(model: &EndpointSlice, slices: &[Arc<EndpointSlice>], packed: &mut Packed) {
    if packed.delete.len() != slices.len() || !packed.create.is_empty() {
        return;
    }
    let is_placeholder = |slice: &EndpointSlice| slice.endpoints.is_empty() && slice.ports.is_empty();
    if let [only] = &packed.delete[..]
        && is_placeholder(only)
    {
        packed.delete.clear();
    } else {
        packed.create.push(model.clone());
    }
}

/// The slices of a group of ports beside what they should be.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// Those that say something wrong, put right.
    changed: Vec<EndpointSlice>,
    unchanged: Vec<Arc<EndpointSlice>>,
    /// Those of which nothing stays.
    emptied: Vec<Arc<EndpointSlice>>,
    /// What is in none of them.
    new: VecDeque<Endpoint>,
}

impl Compared {
    /// A slice that is as it should be.
    pub(super) fn is_right(&mut self, slice: &Arc<EndpointSlice>) {
        self.unchanged.push(slice.clone());
    }

    /// What of a slice stays, as it is by now; and whether that is the slice as it was.
    pub(super) fn keeps(&mut self, slice: &Arc<EndpointSlice>, kept: Vec<&Endpoint>) -> bool {
        if kept.is_empty() {
            self.emptied.push(slice.clone());
        } else if kept.iter().copied().ne(&slice.endpoints) {
            let endpoints = kept.into_iter().cloned().collect();
            self.changed.push(EndpointSlice { endpoints, ..EndpointSlice::clone(slice) });
        } else {
            self.unchanged.push(slice.clone());
            return true;
        }
        false
    }

    /// An endpoint that is in no slice.
    pub(super) fn lacks(&mut self, endpoint: &Endpoint) {
        self.new.push_back(endpoint.clone());
    }
}

/// What tells endpoints apart.
pub(super) const fn identity(endpoint: &Endpoint) -> (Uid, Ipv4Addr) {
    (endpoint.pod_uid, endpoint.address)
}

fn compare(have: &[Arc<EndpointSlice>], wanted: &[Endpoint]) -> Compared {
    let mut new: FastMap<_, &Endpoint> = wanted.iter().map(|endpoint| (identity(endpoint), endpoint)).collect();
    let mut compared = Compared::default();
    for slice in have {
        let kept = slice.endpoints.iter().filter_map(|old| new.remove(&identity(old))).collect();
        compared.keeps(slice, kept);
    }
    wanted.iter().filter(|endpoint| new.contains_key(&identity(endpoint))).for_each(|new| compared.lacks(new));
    compared
}

/// One group of ports (`reconcileByPortMapping`).
fn fill(model: &EndpointSlice, ports: &Ports, compared: Compared, packed: &mut Packed) {
    let Compared { mut changed, mut unchanged, emptied, mut new } = compared;
    packed.delete.extend(emptied);
    // The fullest are filled first.
    changed.sort_by_key(|slice| Reverse(slice.endpoints.len()));
    for slice in &mut changed {
        top_up(slice, &mut new);
    }
    while !new.is_empty() {
        let room = |slice: &&Arc<EndpointSlice>| slice.endpoints.len() + new.len() <= MOST_ENDPOINTS;
        let fullest = unchanged.iter().filter(room).max_by_key(|slice| slice.endpoints.len()).cloned();
        if let Some(slice) = fullest.filter(|_| new.len() < MOST_ENDPOINTS) {
            unchanged.retain(|other| other.meta.uid != slice.meta.uid);
            let mut slice = EndpointSlice::clone(&slice);
            top_up(&mut slice, &mut new);
            changed.push(slice);
        } else {
            let mut slice = EndpointSlice { ports: ports.clone(), ..model.clone() };
            top_up(&mut slice, &mut new);
            packed.create.push(slice);
        }
    }
    packed.update.append(&mut changed);
}

fn top_up(slice: &mut EndpointSlice, new: &mut VecDeque<Endpoint>) {
    let room = MOST_ENDPOINTS.saturating_sub(slice.endpoints.len()).min(new.len());
    slice.endpoints.extend(new.drain(..room));
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::api::{List, Service, lower};

    pub(in crate::components::controllers) fn service(published: bool) -> Service {
        let manifest = serde_json::json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}], "publishNotReadyAddresses": published},
        });
        let Ok(Object::Service(service)) = lower(&manifest).map(|lowered| lowered.object) else { panic!() };
        Service::clone(&service)
    }

    pub(in super::super) fn model() -> EndpointSlice {
        EndpointSlice { meta: Metadata::default(), endpoints: Vec::new(), ports: List::EMPTY }
    }

    pub(in super::super) fn endpoint(number: u32) -> Endpoint {
        Endpoint {
            address: Ipv4Addr::from(number),
            ready: true,
            serving: true,
            terminating: false,
            pod: Name::default(),
            pod_uid: Uid::from_bits(u128::from(number)),
            node_name: Name::default(),
            zone: Name::default(),
            hostname: Name::default(),
        }
    }

    fn ports() -> Vec<(Name, Name, u16)> {
        vec![(Name::default(), Name::new("TCP"), 80)]
    }

    pub(in super::super) fn slice(id: u128, numbers: std::ops::Range<u32>) -> Arc<EndpointSlice> {
        let meta = Metadata { uid: Uid::from_bits(id), name: Name::new(&format!("web-{id}")), ..Metadata::default() };
        Arc::new(EndpointSlice { meta, endpoints: numbers.map(endpoint).collect(), ports: ports().into() })
    }

    #[test]
    #[allow(clippy::single_range_in_vec_init, reason = "one slice that holds these numbers")]
    fn few_slices_change() {
        // `TestReconcileManyPods` and its neighbours: what the slices hold, what is wanted, then the sizes of the
        // slices created and updated, and how many are deleted.
        type Sizes = Vec<usize>;
        let cases: [(Vec<std::ops::Range<u32>>, std::ops::Range<u32>, Sizes, Sizes, usize); 6] = [
            (vec![], 0..250, vec![100, 100, 50], vec![], 0),
            (vec![0..100, 100..150], 0..160, vec![], vec![60], 0),
            (vec![0..100, 100..150], 5..160, vec![], vec![100, 55], 0),
            (vec![0..60, 60..120], 0..170, vec![50], vec![], 0),
            (vec![0..60, 60..120], 0..60, vec![], vec![], 1),
            (vec![0..3], 3..6, vec![], vec![3], 0),
        ];
        for (have, wanted, created, updated, deleted) in cases {
            let name = format!("{have:?} to {wanted:?}");
            let slices: Vec<_> =
                have.iter().enumerate().map(|(id, numbers)| slice(id as u128 + 1, numbers.clone())).collect();
            let groups = BTreeMap::from([(ports(), wanted.map(endpoint).collect())]);
            let packed = pack(&model(), &slices, groups, true);
            let sizes = |slices: &[EndpointSlice]| slices.iter().map(|slice| slice.endpoints.len()).collect::<Vec<_>>();
            assert_eq!((sizes(&packed.create), packed.delete.len()), (created, deleted), "{name}");
            assert_eq!(sizes(&packed.update), updated, "{name}");
        }
    }

    #[test]
    fn an_empty_slice_stays() {
        let none = BTreeMap::new();
        let fresh = pack(&model(), &[], none.clone(), true);
        assert_eq!((fresh.create.len(), fresh.create[0].ports.len()), (1, 0));
        let placeholder = Arc::new(EndpointSlice { ports: List::EMPTY, ..EndpointSlice::clone(&slice(1, 0..0)) });
        let same = pack(&model(), &[placeholder], none.clone(), true);
        assert_eq!((same.create.len(), same.update.len(), same.delete.len()), (0, 0, 0));
        let emptied = pack(&model(), &[slice(1, 0..3)], none, true);
        assert_eq!((emptied.update.len(), emptied.update[0].meta.name.as_str()), (1, "web-1"));
    }
}
