//! How addresses are put into subsets: those that offer the same ports together, in the canonical order, and no more
//! than an object may hold (`pkg/api/v1/endpoints/util.go`, `truncateEndpoints`).

use crate::api::{EndpointAddress, EndpointSubset, List, Name, Uid};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// An object lists at most so many addresses.
pub(super) const MOST_ADDRESSES: usize = 1000;

/// A port: name, protocol, number.
pub(super) type Port = (Name, Name, u16);

/// What a pod offers: its address, and the ports there; for a headless Service perhaps none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Offer {
    pub(super) address: EndpointAddress,
    pub(super) ready: bool,
    pub(super) ports: Vec<Port>,
}

/// The addresses behind a port, each with its place in the order, and whether they are ready.
type Behind = Vec<((u128, Uid), (EndpointAddress, bool))>;

/// Where an address stands in the canonical order (`LessEndpointAddress`).
pub(super) fn place(address: &EndpointAddress) -> (u128, Uid) {
    (text_order(address.ip), address.pod_uid)
}

/// Puts addresses that offer the same ports together (`RepackSubsets`).
pub(super) fn pack<'a>(offers: impl IntoIterator<Item = &'a Offer>) -> Vec<EndpointSubset> {
    let mut by_port: BTreeMap<Option<Port>, Behind> = BTreeMap::new();
    for Offer { address, ready, ports } in offers {
        let mut put = |port| by_port.entry(port).or_default().push((place(address), (*address, *ready)));
        if ports.is_empty() {
            put(None);
        }
        ports.iter().copied().map(Some).for_each(put);
    }
    for behind in by_port.values_mut() {
        behind.sort_by_key(|(place, _)| *place);
        behind.dedup_by(|(place, (_, ready)), (kept, (_, known))| {
            let same = place == kept;
            *known &= *ready || !same; // Not ready trumps ready.
            same
        });
    }
    let mut groups: Vec<(Behind, Vec<Port>)> = Vec::new();
    for (port, behind) in by_port {
        match groups.iter_mut().find(|(known, _)| *known == behind) {
            Some((_, ports)) => ports.extend(port),
            None => groups.push((behind, port.into_iter().collect())),
        }
    }
    let subset = |(behind, ports): (Behind, Vec<Port>)| {
        let (ready, not_ready): (Vec<_>, Vec<_>) =
            behind.into_iter().map(|(_, one)| one).partition(|(_, ready)| *ready);
        let addresses = |part: Vec<(EndpointAddress, bool)>| part.into_iter().map(|(address, _)| address).collect();
        EndpointSubset { addresses: addresses(ready), not_ready: addresses(not_ready), ports: in_order(ports) }
    };
    let mut subsets: Vec<EndpointSubset> = groups.into_iter().map(subset).collect();
    // The real order is that of a sum over addresses and identities too, which are as random there as here.
    subsets.sort_by_cached_key(|subset| md5::compute(subset.ports.iter().map(spewed).collect::<String>()).0);
    subsets
}

/// Ports in the canonical order.
pub(super) fn in_order(mut ports: Vec<Port>) -> List<Port> {
    ports.sort_by_cached_key(|port| md5::compute(spewed(port)).0);
    ports.into()
}

/// How many addresses there are.
pub(super) fn count(subsets: &[EndpointSubset]) -> usize {
    subsets.iter().map(|subset| subset.addresses.len() + subset.not_ready.len()).sum()
}

/// Leaves out what is too much, the unready first, from each subset by its share; and whether that was needed.
pub(super) fn truncate(mut subsets: Vec<EndpointSubset>) -> (Vec<EndpointSubset>, bool) {
    if count(&subsets) <= MOST_ADDRESSES {
        return (subsets, false);
    }
    let ready: usize = subsets.iter().map(|subset| subset.addresses.len()).sum();
    let total = if ready > MOST_ADDRESSES { ready } else { count(&subsets) - ready };
    let room = if ready > MOST_ADDRESSES { MOST_ADDRESSES } else { MOST_ADDRESSES - ready };
    let mut left = room;
    for subset in &mut subsets {
        let cut = if ready > MOST_ADDRESSES { &mut subset.addresses } else { &mut subset.not_ready };
        let share = (cut.len() * room).div_ceil(total);
        cut.truncate(share.min(left));
        left -= cut.len();
        if ready > MOST_ADDRESSES {
            subset.not_ready.clear();
        }
    }
    (subsets, true)
}

/// A number that orders addresses as their texts are: the bytes of the text.
fn text_order(ip: Ipv4Addr) -> u128 {
    let (mut order, mut room) = (0, 128);
    let mut put = |byte: u8| {
        room -= 8;
        order |= u128::from(byte) << room;
    };
    for (place, octet) in ip.octets().into_iter().enumerate() {
        if place > 0 {
            put(b'.');
        }
        for unit in [100, 10, 1] {
            if octet >= unit || unit == 1 {
                put(b'0' + octet / unit % 10);
            }
        }
    }
    order
}

/// A port as `DeepHashObject` writes it: ports come in the order of the MD5 sums of these texts.
fn spewed((name, protocol, number): &Port) -> String {
    format!(
        "(v1.EndpointPort){{Name:(string){name} Port:(int32){number} Protocol:(v1.Protocol){protocol} \
         AppProtocol:(*string)<nil>}}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(ip: [u8; 4], ready: bool, port: Option<(&str, u16)>) -> Offer {
        let address = EndpointAddress {
            ip: ip.into(),
            hostname: Name::default(),
            node_name: Name::default(),
            pod: Name::default(),
            pod_uid: Uid::from_bits(u128::from(u32::from_be_bytes(ip))),
        };
        let port = port.map(|(name, number)| (Name::new(name), Name::new("TCP"), number));
        Offer { address, ready, ports: port.into_iter().collect() }
    }

    fn print(subsets: &[EndpointSubset]) -> Vec<String> {
        let ips = |addresses: &[EndpointAddress]| {
            addresses.iter().map(|address| address.ip.octets()[3].to_string()).collect::<Vec<_>>().join(",")
        };
        let ports = |subset: &EndpointSubset| {
            subset.ports.iter().map(|(_, _, number)| number.to_string()).collect::<Vec<_>>().join(",")
        };
        subsets
            .iter()
            .map(|subset| format!("{}|{}:{}", ips(&subset.addresses), ips(&subset.not_ready), ports(subset)))
            .collect()
    }

    #[test]
    fn addresses_with_the_same_ports_share_a_subset() {
        // `TestPackSubsets`.
        let a = |last: u8, ready: bool, port: Option<u16>| offer([10, 0, 0, last], ready, port.map(|port| ("", port)));
        for (offers, expected) in [
            (vec![], vec![]),
            (vec![a(1, true, Some(80)), a(2, true, Some(80))], vec!["1,2|:80"]),
            (vec![a(1, true, Some(80)), a(2, false, Some(80))], vec!["1|2:80"]),
            (vec![a(1, true, None), a(2, false, None)], vec!["1|2:"]),
            (vec![a(1, true, Some(80)), a(1, false, Some(80))], vec!["|1:80"]),
            (vec![a(9, true, Some(80)), a(10, true, Some(80))], vec!["10,9|:80"]),
        ] {
            assert_eq!(print(&pack(&offers)), expected);
        }
        let mixed = pack(&[a(1, true, Some(80)), a(1, true, Some(90)), a(2, true, Some(80))]);
        let mut mixed = print(&mixed);
        mixed.sort();
        assert_eq!(mixed, ["1,2|:80", "1|:90"]);
    }

    #[test]
    fn addresses_are_ordered_as_their_texts_are() {
        use proptest::prelude::*;
        proptest!(|(a: u32, b: u32)| {
            let (a, b) = (Ipv4Addr::from(a), Ipv4Addr::from(b));
            prop_assert_eq!(text_order(a).cmp(&text_order(b)), a.to_string().cmp(&b.to_string()));
        });
    }

    #[test]
    fn ports_come_in_the_order_of_their_sums() {
        // As every cluster lists the addresses of kube-dns.
        let udp = |mut offer: Offer| {
            offer.ports.iter_mut().for_each(|(_, protocol, _)| *protocol = Name::new("UDP"));
            offer
        };
        let dns = [10, 0, 0, 2];
        let subsets = pack(&[
            udp(offer(dns, true, Some(("dns", 53)))),
            offer(dns, true, Some(("metrics", 9153))),
            offer(dns, true, Some(("dns-tcp", 53))),
        ]);
        let names: Vec<&str> = subsets[0].ports.iter().map(|(name, _, _)| name.as_str()).collect();
        assert_eq!(names, ["dns-tcp", "dns", "metrics"]);
    }

    #[test]
    fn what_is_too_much_is_left_out_unready_first() {
        // `TestTruncateEndpoints`: ready and unready by subset, and what stays.
        type Sizes = &'static [(usize, usize)];
        let cases: [(Sizes, Sizes, bool); 5] = [
            (&[(500, 500)], &[(500, 500)], false),
            (&[(1001, 0)], &[(1000, 0)], true),
            (&[(600, 0), (600, 200)], &[(500, 0), (500, 0)], true),
            (&[(400, 400), (400, 400)], &[(400, 100), (400, 100)], true),
            (&[(100, 300), (200, 700)], &[(100, 210), (200, 490)], true),
        ];
        for (sizes, expected, cut) in cases {
            let address = offer([10, 0, 0, 1], true, None).address;
            let subset = |(ready, not): &(usize, usize)| EndpointSubset {
                addresses: vec![address; *ready],
                not_ready: vec![address; *not],
                ..EndpointSubset::default()
            };
            let (kept, was_cut) = truncate(sizes.iter().map(subset).collect());
            let kept: Vec<_> = kept.iter().map(|subset| (subset.addresses.len(), subset.not_ready.len())).collect();
            assert_eq!((kept.as_slice(), was_cut), (expected, cut), "{sizes:?}");
        }
    }
}
