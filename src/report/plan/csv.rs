//! The report as CSV, one number a line: what it is about, its name, the number, its unit.

use super::{PlanReport, SCHEMA};
use crate::report::statistics::Estimate;

/// The lines.
pub fn lines(report: &PlanReport) -> Vec<u8> {
    let mut table = Lines(csv::Writer::from_writer(Vec::new()));
    table.line(["schema", "section", "subject", "measure", "value", "unit"]);
    if let Some(added) = &report.added {
        table.number("manifests", "", "pods", added.pods, "pods");
        table.number("manifests", "", "unplaced", added.unplaced.len(), "pods");
        table.number("manifests", "", "not_ready", added.not_ready.len(), "pods");
        if let Some(ms) = added.ready_after_ms {
            table.number("manifests", "", "ready_after", ms, "ms");
        }
    }
    for (place, room) in report.workloads.iter().enumerate() {
        let name = room.workload.to_string();
        table.number("room", &name, "pods", room.pods, "pods");
        table.number("room", &name, "more", room.more.count, "pods");
        let constraint = room.more.stop.as_ref().map_or("", |stop| stop.constraint.as_str());
        table.number("room", &name, "constraint", constraint, "");
        for one in &report.headroom {
            table.number("headroom", &name, &one.situation.to_string(), one.more[place], "pods");
        }
    }
    for one in &report.headroom {
        table.number("headroom", "", &format!("unplaced {}", one.situation), one.unplaced.len(), "pods");
    }
    table.number("room", "", "whole_copies", report.fill.whole_copies, "copies");
    for least in &report.fewest {
        let nodes = least.fewest.nodes.map(|nodes| nodes.to_string()).unwrap_or_default();
        table.number("fewest", &least.of, &least.fewest.node_type, nodes, "nodes");
    }
    for one in &report.disruptions {
        let what = one.disturbance.to_string();
        let recovered = one.recovered_ms.map(|ms| ms.to_string()).unwrap_or_default();
        table.number("disturbed", &what, "recovered_after", recovered, "ms");
        table.number("disturbed", &what, "pending", one.pending.len(), "pods");
        for low in &one.lows {
            table.number("disturbed", &what, &format!("least ready {}", low.workload), low.ready, "pods");
        }
    }
    if let Some(start) = &report.start_up {
        for stage in &start.stages {
            table.estimate("start_up", stage.name, "p50", stage.p50);
            table.estimate("start_up", stage.name, "p95", stage.p95);
            table.estimate("start_up", stage.name, "p99", stage.p99);
        }
        table.estimate("start_up", "objective", "p99", start.objective_p99);
    }
    for node in &report.nodes {
        for (what, amounts) in [
            ("allocatable", node.allocatable),
            ("requested", node.requested),
            ("limits", node.limits),
            ("free", node.free),
            ("stranded", node.stranded),
        ] {
            table.number("node", &node.name, &format!("{what}_cpu"), amounts.milli_cpu, "millicores");
            table.number("node", &node.name, &format!("{what}_memory"), amounts.memory, "bytes");
        }
    }
    if let Some(cost) = &report.cost {
        let unit = format!("{} per hour", cost.currency).trim_start().to_owned();
        table.number("cost", "", "all", cost.per_hour, &unit);
        table.number("cost", "", "idle", cost.idle_per_hour, &unit);
        for (namespace, price) in &cost.namespaces {
            table.number("cost", namespace, "namespace", price, &unit);
        }
        for (workload, price) in &cost.replica {
            table.number("cost", workload, "replica", price, &unit);
        }
    }
    table.0.into_inner().expect("memory takes everything")
}

struct Lines(csv::Writer<Vec<u8>>);

impl Lines {
    fn line(&mut self, cells: [&str; 6]) {
        self.0.write_record(cells).expect("memory takes everything");
    }

    fn number(&mut self, section: &str, subject: &str, measure: &str, value: impl ToString, unit: &str) {
        self.line([SCHEMA, section, subject, measure, &value.to_string(), unit]);
    }

    fn estimate(&mut self, section: &str, subject: &str, measure: &str, estimate: Estimate) {
        self.number(section, subject, measure, estimate.value, "s");
        if let Some((low, high)) = estimate.interval {
            self.number(section, subject, &format!("{measure}_low"), low, "s");
            self.number(section, subject, &format!("{measure}_high"), high, "s");
        }
    }
}
