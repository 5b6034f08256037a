//! What nodes cost: a table of prices by instance type, and who causes how much of it.

use super::Least;
use crate::api::{Name, Object};
use crate::simulation::capacity::{Ground, NodeRoom, Shape};
use serde::Serialize;
use std::collections::BTreeMap;

/// The hours of a month, on average over a year.
pub const HOURS_PER_MONTH: f64 = 730.0;

/// Prices of nodes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PriceTable {
    /// What a price is in, such as `USD`; may be empty.
    pub currency: String,
    /// Per hour, by instance type or by the name of a node.
    pub per_hour: BTreeMap<String, f64>,
}

/// What a cluster costs. A node's price is divided by what its pods request: the mean of their shares of its CPU and of
/// its memory. What nobody requests is idle.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cost {
    /// What the numbers are in.
    pub currency: String,
    /// The whole cluster, per hour.
    pub per_hour: f64,
    /// And per month of 730 hours.
    pub per_month: f64,
    /// What nobody requests, per hour.
    pub idle_per_hour: f64,
    /// What each namespace requests, per hour.
    pub namespaces: BTreeMap<Name, f64>,
    /// One more pod of each workload, per hour, where there is room; as a share of the cheapest node that it fits on.
    pub replica: BTreeMap<String, f64>,
    /// The cheapest of the fewest nodes: for what, type, number, per hour.
    pub cheapest: Vec<(String, String, usize, f64)>,
    /// Nodes whose price is not known.
    pub unpriced: Vec<Name>,
}

impl PriceTable {
    /// Reads a table: CSV with a header (`instance_type,price_per_hour`; a currency may stand in the header, as in
    /// `usd_per_hour`), or a JSON object of numbers.
    ///
    /// # Errors
    /// The line, what was found there, and what would do.
    pub fn parse(text: &str) -> Result<Self, (u64, String, String)> {
        const REMEDY: &str = "write instance_type,usd_per_hour and a line such as m5.large,0.096";
        if text.trim_start().starts_with('{') {
            let read = serde_json::from_str::<BTreeMap<String, f64>>(text);
            let wrong = |error: serde_json::Error| {
                (error.line() as u64, error.to_string(), "write {\"m5.large\": 0.096}".to_owned())
            };
            return read.map(|per_hour| Self { currency: String::new(), per_hour }).map_err(wrong);
        }
        let mut table = csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).from_reader(text.as_bytes());
        let wrong = |line, found: String| (line, found, REMEDY.to_owned());
        let head = table.headers().map_err(|error| wrong(1, error.to_string()))?.clone();
        let Some(column) = head.iter().position(|name| name.ends_with("per_hour")) else {
            return Err(wrong(
                1,
                format!("no column that ends in per_hour among {:?}", head.iter().collect::<Vec<_>>()),
            ));
        };
        let currency = head[column].trim_end_matches("per_hour").trim_end_matches('_');
        let currency = if currency == "price" { String::new() } else { currency.to_uppercase() };
        let mut per_hour = BTreeMap::new();
        for record in table.records() {
            let record = record.map_err(|error| {
                let line = error.position().map_or(1, csv::Position::line);
                wrong(line, error.to_string())
            })?;
            let line = record.position().map_or(1, csv::Position::line);
            let price = record.get(column).and_then(|text| text.parse::<f64>().ok());
            let Some(price) = price.filter(|price| price.is_finite() && *price >= 0.0) else {
                return Err(wrong(line, format!("the price {:?}", record.get(column).unwrap_or_default())));
            };
            per_hour.insert(record.get(0).unwrap_or_default().to_owned(), price);
        }
        Ok(Self { currency, per_hour })
    }

    fn of_node(&self, ground: &Ground, name: Name) -> Option<f64> {
        let node = ground.objects.iter().find_map(|object| match object {
            Object::Node(node) if node.meta.name == name => Some(node),
            _ => None,
        })?;
        let kind = crate::simulation::capacity::instance_type(&node.meta.labels);
        kind.and_then(|kind| self.per_hour.get(kind)).or_else(|| self.per_hour.get(name.as_str())).copied()
    }
}

impl Cost {
    /// What a cluster costs by a table.
    pub fn of(table: &PriceTable, ground: &Ground, rooms: &[NodeRoom], shapes: &[Shape], fewest: &[Least]) -> Self {
        let mut cost = Self {
            currency: table.currency.clone(),
            per_hour: 0.0,
            per_month: 0.0,
            idle_per_hour: 0.0,
            namespaces: BTreeMap::new(),
            replica: BTreeMap::new(),
            cheapest: Vec::new(),
            unpriced: Vec::new(),
        };
        let mut priced: BTreeMap<Name, (f64, &NodeRoom)> = BTreeMap::new();
        for room in rooms {
            match table.of_node(ground, room.name) {
                Some(price) => {
                    cost.per_hour += price;
                    priced.insert(room.name, (price, room));
                }
                None => cost.unpriced.push(room.name),
            }
        }
        cost.per_month = cost.per_hour * HOURS_PER_MONTH;
        for pod in ground.pods() {
            if let Some((price, room)) = priced.get(&pod.node_name) {
                let part = price * share(pod.spec.requests.milli_cpu, pod.spec.requests.memory, room);
                *cost.namespaces.entry(pod.meta.namespace).or_default() += part;
            }
        }
        cost.idle_per_hour = (cost.per_hour - cost.namespaces.values().sum::<f64>()).max(0.0);
        for shape in shapes {
            let requests = &shape.pod.spec.requests;
            let of_node = |(price, room): &(f64, &NodeRoom)| price * share(requests.milli_cpu, requests.memory, room);
            if let Some(least) = priced.values().map(of_node).min_by(f64::total_cmp) {
                cost.replica.insert(shape.workload.to_string(), least);
            }
        }
        let mut best: BTreeMap<&str, (String, usize, f64)> = BTreeMap::new();
        for Least { of, fewest } in fewest {
            let (Some(nodes), Some(price)) = (fewest.nodes, table.per_hour.get(&fewest.node_type)) else { continue };
            let total = nodes as f64 * price;
            if best.get(of.as_str()).is_none_or(|(_, _, known)| total < *known) {
                best.insert(of, (fewest.node_type.clone(), nodes, total));
            }
        }
        cost.cheapest = best.into_iter().map(|(of, (kind, n, total))| (of.to_owned(), kind, n, total)).collect();
        cost
    }
}

/// The mean of a pod's shares of a node's CPU and memory.
fn share(milli_cpu: i64, memory: i64, room: &NodeRoom) -> f64 {
    let part = |amount: i64, all: i64| if all > 0 { amount as f64 / all as f64 } else { 0.0 };
    (part(milli_cpu, room.allocatable.milli_cpu) + part(memory, room.allocatable.memory)) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_csv_or_json() {
        for (text, currency, price) in [
            ("instance_type,usd_per_hour\nm5.large,0.096\n", "USD", 0.096),
            ("type,zone,price_per_hour\n m5.large , a, 1\n", "", 1.0),
            ("{\"m5.large\": 2.5}", "", 2.5),
        ] {
            let table = PriceTable::parse(text).expect(text);
            assert_eq!((table.currency.as_str(), table.per_hour["m5.large"]), (currency, price));
        }
        for (text, line, says) in [
            ("a,b\n", 1, "per_hour"),
            ("a,usd_per_hour\nx,cheap\n", 2, "cheap"),
            ("a,usd_per_hour\nx,1\ny,-1\n", 3, "-1"),
            ("{\"x\": true}", 1, "true"),
        ] {
            let (at, found, _) = PriceTable::parse(text).expect_err(text);
            assert!(at == line && found.contains(says), "{text}: {at} {found}");
        }
    }
}
