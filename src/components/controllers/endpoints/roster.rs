//! The addresses behind a Service in their order, kept from one look to the next: a look costs the pods that changed,
//! and the addresses that an object may hold.

use super::super::tally;
use super::subsets::{self, MOST_ADDRESSES, Offer, Port};
use crate::api::{EndpointAddress, EndpointSubset, Uid};
use std::collections::BTreeMap;

/// What the pods of one Service offer.
#[derive(Debug, Clone, Default)]
pub(super) struct Roster {
    /// By the pod's place.
    offers: BTreeMap<u32, Offer>,
    ready: BTreeMap<(u128, Uid), EndpointAddress>,
    not_ready: BTreeMap<(u128, Uid), EndpointAddress>,
    /// How many pods offer these ports.
    ports: Vec<(Vec<Port>, i32)>,
}

impl Roster {
    /// What a pod offers by now.
    pub(super) fn put(&mut self, place: u32, offer: Option<Offer>) {
        if self.offers.get(&place) == offer.as_ref() {
            return;
        }
        if let Some(old) = self.offers.remove(&place) {
            self.addresses(old.ready).remove(&subsets::place(&old.address));
            tally::count(&mut self.ports, &old.ports, -1, usize::MAX);
        }
        if let Some(new) = offer {
            self.addresses(new.ready).insert(subsets::place(&new.address), new.address);
            tally::count(&mut self.ports, &new.ports, 1, usize::MAX);
            self.offers.insert(place, new);
        }
    }

    const fn addresses(&mut self, ready: bool) -> &mut BTreeMap<(u128, Uid), EndpointAddress> {
        if ready { &mut self.ready } else { &mut self.not_ready }
    }

    /// All addresses in subsets, as many as an object may hold; and whether some had to be left out.
    pub(super) fn subsets(&self) -> (Vec<EndpointSubset>, bool) {
        let [(ports, _)] = &self.ports[..] else {
            return subsets::truncate(subsets::pack(self.offers.values()));
        };
        let room = MOST_ADDRESSES.saturating_sub(self.ready.len());
        let subset = EndpointSubset {
            addresses: self.ready.values().take(MOST_ADDRESSES).copied().collect(),
            not_ready: self.not_ready.values().take(room).copied().collect(),
            ports: subsets::in_order(ports.clone()),
        };
        (vec![subset], self.offers.len() > MOST_ADDRESSES)
    }
}
