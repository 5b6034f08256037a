//! How much of each node is requested, over time: a heat map each for CPU and memory.

use super::{RIGHT, TOP, WIDTH, finish, time_axis, titled};
use crate::api::{Name, Quantity};
use crate::engine::SimTime;
use crate::report::axis::{TimeAxis, label};
use crate::report::svg::{Svg, fitted};
use crate::trace::TraceRecord;
use serde_json::Value;
use std::collections::BTreeMap;

const NAMES: f64 = 150.0;
const COLUMNS: usize = 160;
/// So many nodes are drawn, the first by name.
const MOST_NODES: usize = 60;
/// The classes of shares, each a tenth; more than all of it is the last.
const STEPS: usize = 10;

/// CPU in thousandths and memory in bytes.
type Amounts = [i64; 2];

/// A node: what pods may be promised, and what they are promised in each column of time.
#[derive(Debug, Clone)]
struct Row {
    allocatable: Amounts,
    requested: Vec<[f64; 2]>,
}

pub fn svg(record: &TraceRecord) -> Option<String> {
    let title = "Requested, of what pods may be promised";
    let rows = rows(record);
    let shown: Vec<(&Name, &Row)> = rows.iter().take(MOST_NODES).collect();
    if shown.is_empty() {
        return None;
    }
    let row = (360.0 / shown.len() as f64).clamp(7.0, 20.0);
    let mut svg = titled(title);
    scale(&mut svg);
    let mut top = TOP + 18.0;
    for (resource, name) in ["CPU", "memory"].into_iter().enumerate() {
        let bottom = top + row * shown.len() as f64;
        svg.text("h2", [20.0, top - 6.0], name);
        let axis = TimeAxis::new(NAMES, WIDTH - RIGHT, record.end().max(SimTime::from_millis(1)));
        time_axis(&mut svg, &axis, [NAMES, WIDTH - RIGHT], [bottom, bottom + 4.0]);
        for (place, (node, of_node)) in shown.iter().enumerate() {
            let y = top + place as f64 * row;
            if row >= 9.0 {
                svg.text("small end", [NAMES - 8.0, y + row / 2.0 + 3.5], &fitted(node, 10.0, NAMES - 40.0));
            }
            cells(&mut svg, of_node, resource, &axis, [y, row - 1.0], node);
        }
        top = bottom + 50.0;
    }
    if rows.len() > MOST_NODES {
        svg.text("small sub", [20.0, top - 14.0], &format!("the first {MOST_NODES} of {} nodes", rows.len()));
    }
    let svg = finish(svg, top, title);
    Some(svg.replacen("</style>", &format!("{}</style>", shades()), 1))
}

/// From the tone of the paper to blue, and a warm tone for more than all.
fn shades() -> String {
    const LIGHT: [&str; STEPS + 1] = [
        "#eef4f9", "#dbe9f4", "#c4dcee", "#a8cce6", "#88b9dc", "#66a4d0", "#468dc2", "#2e75b0", "#1d5d98", "#12477c",
        "#d55e00",
    ];
    const DARK: [&str; STEPS + 1] = [
        "#1b232b", "#1c2e3d", "#1d3a50", "#1f4765", "#22567c", "#276694", "#3079ae", "#428dc6", "#66a8da", "#9ccaee",
        "#f08a3c",
    ];
    let rules = |shades: [&str; STEPS + 1]| {
        shades.iter().enumerate().fold(String::new(), |css, (n, shade)| css + &format!(".t{n}{{fill:{shade}}}"))
    };
    format!("{}\n@media(prefers-color-scheme:dark){{{}}}\n", rules(LIGHT), rules(DARK))
}

fn scale(svg: &mut Svg) {
    for n in 0..=STEPS {
        svg.rect(&format!("t{n}"), [20.0 + n as f64 * 26.0, 46.0, 26.0, 9.0], "");
    }
    for (place, text) in [(0, "0"), (5, "50 %"), (10, "100 %"), (12, "more")] {
        svg.text("small sub", [20.0 + f64::from(place) * 26.0 - 4.0, 66.0], text);
    }
}

fn cells(svg: &mut Svg, row: &Row, resource: usize, axis: &TimeAxis, [y, height]: [f64; 2], node: &str) {
    let column = |n: usize| SimTime::from_nanos((axis.end().as_nanos() as u128 * n as u128 / COLUMNS as u128) as u64);
    let share = |n: usize| row.requested[n][resource] / (row.allocatable[resource].max(1)) as f64;
    let step = |n: usize| ((share(n) * STEPS as f64 + 1e-9) as usize).min(STEPS - usize::from(share(n) <= 1.0));
    let mut from = 0;
    while from < COLUMNS {
        let to = (from..COLUMNS).find(|n| step(*n) != step(from)).unwrap_or(COLUMNS);
        let (x0, x1) = (axis.x(column(from)), axis.x(column(to)));
        let title = format!("{node}: {:.0} % from {}", share(from) * 100.0, label(column(from)));
        svg.rect(&format!("t{}", step(from)), [x0, y, x1 - x0 + 0.3, height], &title);
        from = to;
    }
}

/// The nodes by name, with what pods that are bound and not finished request, on average over each column.
fn rows(record: &TraceRecord) -> BTreeMap<Name, Row> {
    let end = record.end().max(SimTime::from_millis(1)).as_nanos();
    let mut rows: BTreeMap<Name, Row> = BTreeMap::new();
    let mut open: BTreeMap<usize, (Name, Amounts, u64)> = BTreeMap::new();
    let mut requests: BTreeMap<usize, Amounts> = BTreeMap::new();
    for (_, fact) in record.changes() {
        let Some(subject) = fact.subject() else { continue };
        let (now, index) = (fact.time.as_nanos(), subject.index());
        if let Some(pod) = fact.pod() {
            let over = fact.is_deleted() || matches!(&*pod.phase, "Succeeded" | "Failed");
            if over {
                if let Some((node, amounts, since)) = open.remove(&index) {
                    charge(&mut rows, node, amounts, [since, now], end);
                }
            } else if !pod.node.is_empty() && !open.contains_key(&index) {
                let asked = *requests.entry(index).or_insert_with(|| {
                    fact.object().map_or([0, 0], |object| of_containers(&object["spec"]["containers"]))
                });
                open.insert(index, (pod.node, asked, now));
            }
        } else if fact.node().is_some() && !fact.is_deleted() {
            let name = record.subject(subject).name;
            rows.entry(name).or_insert_with(|| {
                let allocatable = fact.object().map_or([0, 0], |object| amounts(&object["status"]["allocatable"]));
                Row { allocatable, requested: vec![[0.0; 2]; COLUMNS] }
            });
        }
    }
    for (node, amounts, since) in open.into_values() {
        charge(&mut rows, node, amounts, [since, end], end);
    }
    rows
}

fn charge(rows: &mut BTreeMap<Name, Row>, node: Name, amounts: Amounts, [from, to]: [u64; 2], end: u64) {
    let Some(row) = rows.get_mut(&node) else { return };
    let place = |at: u64| at as f64 / end as f64 * COLUMNS as f64;
    let (from, to) = (place(from), place(to));
    for column in from as usize..(libm::ceil(to) as usize).min(COLUMNS) {
        let covered = to.min((column + 1) as f64) - from.max(column as f64);
        for (sum, amount) in row.requested[column].iter_mut().zip(amounts) {
            *sum += amount as f64 * covered.max(0.0);
        }
    }
}

fn of_containers(containers: &Value) -> Amounts {
    let each =
        containers.as_array().into_iter().flatten().map(|container| amounts(&container["resources"]["requests"]));
    each.fold([0, 0], |sum, one| [sum[0] + one[0], sum[1] + one[1]])
}

fn amounts(list: &Value) -> Amounts {
    let quantity = |name: &str| list[name].as_str().and_then(|text| text.parse::<Quantity>().ok());
    [quantity("cpu").map_or(0, |cpu| cpu.milli_value()), quantity("memory").map_or(0, |memory| memory.value())]
}
