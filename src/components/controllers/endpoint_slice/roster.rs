//! What a Service's slices should hold, beside what they hold, kept from one look to the next: a look costs the pods
//! and the slices that changed.

use super::super::tally;
use super::Ports;
use super::packing::{self, Compared, Packed, Wanted, identity};
use crate::api::{Endpoint, EndpointSlice, FastMap, Uid};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// What the pods of one Service are to it, and where that is said.
#[derive(Debug, Clone, Default)]
pub(super) struct Roster {
    /// What each pod is, by its place.
    rows: BTreeMap<u32, Row>,
    /// Which pod an endpoint is of.
    pods: FastMap<(Uid, Ipv4Addr), u32>,
    /// How many pods offer these ports.
    ports: Vec<(Ports, i32)>,
    /// The slices as they were looked at.
    slices: BTreeMap<Uid, Arc<EndpointSlice>>,
    /// The slice that an endpoint is in.
    homes: FastMap<(Uid, Ipv4Addr), Uid>,
    /// Slices that may say something wrong.
    suspects: BTreeSet<Uid>,
    /// Pods whose endpoints are in no slice.
    homeless: BTreeSet<u32>,
    /// Whether an endpoint is in two slices: then all has to be looked at anew.
    pub(super) is_ambiguous: bool,
}

/// What a pod is to a Service.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) endpoint: Endpoint,
    pub(super) ports: Ports,
}

/// What there should be, by ports.
pub(super) fn by_ports(rows: impl IntoIterator<Item = Row>) -> Wanted {
    let mut wanted = Wanted::new();
    for Row { endpoint, ports } in rows {
        wanted.entry(ports.to_vec()).or_default().push(endpoint);
    }
    wanted
}

impl Roster {
    /// What a pod is by now; `None` if it is nothing to the Service.
    pub(super) fn put(&mut self, place: u32, row: Option<Row>) {
        if self.rows.get(&place) == row.as_ref() {
            return;
        }
        if let Some(old) = self.rows.remove(&place) {
            self.leaves(place, &old);
        }
        if let Some(new) = row {
            self.comes(place, &new);
            self.rows.insert(place, new);
        }
    }

    fn leaves(&mut self, place: u32, row: &Row) {
        let key = identity(&row.endpoint);
        self.pods.remove(&key);
        self.homeless.remove(&place);
        self.suspects.extend(self.homes.get(&key));
        tally::count(&mut self.ports, &row.ports, -1, usize::MAX);
    }

    fn comes(&mut self, place: u32, row: &Row) {
        let key = identity(&row.endpoint);
        self.pods.insert(key, place);
        match self.homes.get(&key) {
            Some(slice) => drop(self.suspects.insert(*slice)),
            None => drop(self.homeless.insert(place)),
        }
        tally::count(&mut self.ports, &row.ports, 1, usize::MAX);
    }

    /// What is to be written to bring the slices to what they should hold.
    pub(super) fn pack(&mut self, model: &EndpointSlice, slices: &[Arc<EndpointSlice>]) -> Packed {
        self.follow(slices);
        if let [(ports, _)] = &self.ports[..]
            && !self.is_ambiguous
            && slices.iter().all(|slice| slice.ports == *ports)
        {
            let ports = ports.clone();
            if self.suspects.is_empty() && self.homeless.is_empty() {
                return Packed::default();
            }
            return packing::pack_alike(model, &ports, self.compare(slices));
        }
        packing::pack(model, slices, by_ports(self.rows.values().cloned()), true)
    }

    fn compare(&mut self, slices: &[Arc<EndpointSlice>]) -> Compared {
        let mut compared = Compared::default();
        for slice in slices {
            if !self.suspects.contains(&slice.meta.uid) {
                compared.is_right(slice);
                continue;
            }
            let by_now = |old: &Endpoint| Some(&self.rows[self.pods.get(&identity(old))?].endpoint);
            if compared.keeps(slice, slice.endpoints.iter().filter_map(by_now).collect()) {
                self.suspects.remove(&slice.meta.uid);
            }
        }
        self.homeless.iter().for_each(|place| compared.lacks(&self.rows[place].endpoint));
        compared
    }

    /// Takes in which slices there are, and what is in them.
    fn follow(&mut self, slices: &[Arc<EndpointSlice>]) {
        let is_known = |slice: &&Arc<EndpointSlice>| {
            self.slices.get(&slice.meta.uid).is_some_and(|known| Arc::ptr_eq(known, slice))
        };
        let news: Vec<&Arc<EndpointSlice>> = slices.iter().filter(|slice| !is_known(slice)).collect();
        for slice in &news {
            self.forget(slice.meta.uid);
        }
        if self.slices.len() + news.len() > slices.len() {
            let there: BTreeSet<Uid> = slices.iter().map(|slice| slice.meta.uid).collect();
            let gone: Vec<Uid> = self.slices.keys().filter(|uid| !there.contains(uid)).copied().collect();
            gone.into_iter().for_each(|uid| self.forget(uid));
        }
        for slice in news {
            self.learn(slice);
        }
    }

    fn forget(&mut self, slice: Uid) {
        let Some(slice) = self.slices.remove(&slice) else { return };
        self.suspects.remove(&slice.meta.uid);
        for key in slice.endpoints.iter().map(identity) {
            self.homes.remove(&key);
            self.homeless.extend(self.pods.get(&key));
        }
    }

    fn learn(&mut self, slice: &Arc<EndpointSlice>) {
        let uid = slice.meta.uid;
        self.slices.insert(uid, slice.clone());
        self.suspects.insert(uid);
        for key in slice.endpoints.iter().map(identity) {
            self.is_ambiguous |= self.homes.insert(key, uid).is_some();
            if let Some(place) = self.pods.get(&key) {
                self.homeless.remove(place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::packing::tests::{endpoint, model, slice};
    use super::*;
    use crate::api::Name;
    use proptest::prelude::*;

    /// What happens between two looks.
    #[derive(Debug, Clone)]
    enum Event {
        /// A pod has another address, becomes ready or unready, has other ports, or goes.
        Pod(u32, Option<(u32, bool, u16)>),
        /// What was to be written was written.
        Written,
        /// Somebody takes a slice away.
        Deleted(usize),
        /// Somebody puts addresses into a slice, perhaps of another one.
        Spoiled(usize, u32),
    }

    fn event() -> impl Strategy<Value = Event> {
        let pod =
            proptest::option::weighted(0.8, (0..3_u32, any::<bool>(), prop_oneof![9 => Just(80_u16), 1 => Just(90)]));
        prop_oneof![
            6 => (0..12_u32, pod).prop_map(|(place, row)| Event::Pod(place, row)),
            4 => Just(Event::Written),
            1 => (0..4_usize).prop_map(Event::Deleted),
            1 => (0..4_usize, 0..12_u32).prop_map(|(place, first)| Event::Spoiled(place, first)),
        ]
    }

    fn row(place: u32, (address, ready, port): (u32, bool, u16)) -> Row {
        let endpoint = Endpoint { address: Ipv4Addr::from(100 * address + place), ready, ..endpoint(place) };
        Row { endpoint, ports: vec![(Name::default(), Name::new("TCP"), port)].into() }
    }

    proptest! {
        #[test]
        fn what_is_kept_says_what_a_look_at_everything_says(events in proptest::collection::vec(event(), 1..60)) {
            let mut slices = vec![slice(1, 0..4), slice(2, 4..8)];
            let (mut roster, mut made) = (Roster::default(), 2);
            let mut rows: BTreeMap<u32, Row> = BTreeMap::new();
            let mut packed = Packed::default();
            for event in events {
                match event {
                    Event::Pod(place, what) => {
                        let row = what.map(|what| row(place, what));
                        roster.put(place, row.clone());
                        match row {
                            Some(row) => drop(rows.insert(place, row)),
                            None => drop(rows.remove(&place)),
                        }
                    }
                    Event::Written => {
                        slices.retain(|slice| !packed.delete.contains(slice));
                        for update in packed.update.drain(..) {
                            let old = slices.iter_mut().find(|slice| slice.meta.uid == update.meta.uid).unwrap();
                            *old = Arc::new(update);
                        }
                        for mut new in packed.create.drain(..) {
                            made += 1;
                            new.meta.uid = Uid::from_bits(made);
                            slices.push(Arc::new(new));
                        }
                    }
                    Event::Deleted(place) if place < slices.len() => drop(slices.remove(place)),
                    Event::Spoiled(place, first) if place < slices.len() => {
                        let endpoints = (first..first + 3).map(endpoint).collect();
                        slices[place] = Arc::new(EndpointSlice { endpoints, ..EndpointSlice::clone(&slices[place]) });
                    }
                    Event::Deleted(_) | Event::Spoiled(..) => {}
                }
                if roster.is_ambiguous {
                    roster = Roster::default();
                    rows.iter().for_each(|(place, row)| roster.put(*place, Some(row.clone())));
                }
                packed = roster.pack(&model(), &slices);
                let wanted = by_ports(rows.values().cloned());
                prop_assert_eq!(&packed, &packing::pack(&model(), &slices, wanted, true));
            }
        }
    }
}
