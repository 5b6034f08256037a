//! What a report says after its verdict, block by block.

use super::document::{Block, Table};
use super::verdict::{bytes, cores, duration, money, percent, seconds};
use super::{PlanReport, pictures};
use crate::report::statistics::Estimate;
use crate::simulation::capacity::Situation;

/// All blocks of a report.
pub fn blocks(report: &PlanReport) -> Vec<Block> {
    let mut out = vec![Block::Heading("Verdict".to_owned())];
    out.push(Block::List(
        report.answers.iter().map(|answer| (answer.good, format!("{} {}", answer.question, answer.answer))).collect(),
    ));
    if !report.gates.is_empty() {
        out.push(Block::Heading("Required".to_owned()));
        let line = |gate: &super::Gate| (Some(gate.held), format!("{}: {}", gate.what, gate.seen));
        out.push(Block::List(report.gates.iter().map(line).collect()));
    }
    room(report, &mut out);
    headroom(report, &mut out);
    disruptions(report, &mut out);
    fewest(report, &mut out);
    start_up(report, &mut out);
    nodes(report, &mut out);
    cost(report, &mut out);
    small_print(report, &mut out);
    out
}

fn room(report: &PlanReport, out: &mut Vec<Block>) {
    if report.workloads.is_empty() {
        return;
    }
    out.push(Block::Heading("Room for more".to_owned()));
    out.push(Block::Text(
        "Each workload alone, its pods placed one by one by the scheduler until one fits nowhere.".to_owned(),
    ));
    let rows = report.workloads.iter().map(|room| {
        let nodes: Vec<String> = room.more.nodes.iter().map(|(node, count)| format!("{node} {count}")).collect();
        let stop = room.more.stop.as_ref();
        vec![
            room.workload.to_string(),
            room.pods.to_string(),
            cores(room.milli_cpu),
            bytes(room.memory),
            room.more.count.to_string(),
            stop.map_or_else(String::new, |stop| stop.constraint.clone()),
            nodes.join(", "),
        ]
    });
    let head = vec!["workload", " pods", " cpu", " memory", " more", "then", "where"];
    out.push(Block::Table(Table { head, rows: rows.collect() }));
    let relief = report.workloads.iter().min_by_key(|room| (room.more.count, room.workload)).and_then(|room| {
        let stop = room.more.stop.as_ref().filter(|stop| !stop.relief.is_empty())?;
        let first: Vec<&str> = stop.relief.iter().take(3).map(String::as_str).collect();
        Some(format!("For one more of {}, any of these is enough: {}.", room.workload, first.join("; ")))
    });
    out.extend(relief.map(Block::Text));
}

fn headroom(report: &PlanReport, out: &mut Vec<Block>) {
    if report.headroom.is_empty() || report.workloads.is_empty() {
        return;
    }
    out.push(Block::Heading("Headroom".to_owned()));
    out.push(Block::Text(
        "How many more fit after pods that lost their node, or surge, have found a place. The least of all nodes, or \
         zones, stands in each column."
            .to_owned(),
    ));
    let least = |place: usize, which: &dyn Fn(&Situation) -> bool| {
        let of = report.headroom.iter().filter(|one| which(&one.situation)).map(|one| one.more[place]).min();
        of.map_or_else(|| "–".to_owned(), |count| count.to_string())
    };
    let rows = report.workloads.iter().enumerate().map(|(place, room)| {
        vec![
            room.workload.to_string(),
            least(place, &|s| *s == Situation::Now),
            least(place, &|s| *s == Situation::RolloutSurge),
            least(place, &|s| matches!(s, Situation::WithoutNode(_))),
            least(place, &|s| matches!(s, Situation::WithoutZone(_))),
        ]
    });
    let head = vec!["workload", " now", " rollout surge", " N-1 node", " N-1 zone"];
    out.push(Block::Table(Table { head, rows: rows.collect() }));
    let rows = report.headroom.iter().filter(|one| one.situation != Situation::Now).map(|one| {
        let why = one.unplaced.first().map_or_else(String::new, |first| format!("{}: {}", first.pod, first.message));
        vec![one.situation.to_string(), one.placed_first.to_string(), one.unplaced.len().to_string(), why]
    });
    let head = vec!["situation", " pods to place", " without a place", "why"];
    out.push(Block::Table(Table { head, rows: rows.collect() }));
    out.push(Block::Picture(pictures::headroom(report), "How many more fit, by situation".to_owned()));
}

fn disruptions(report: &PlanReport, out: &mut Vec<Block>) {
    if report.disruptions.is_empty() {
        return;
    }
    out.push(Block::Heading("Disturbed".to_owned()));
    out.push(Block::Text("Done to a fork of the running cluster, which was then watched for 15 minutes.".to_owned()));
    let rows = report.disruptions.iter().map(|one| {
        let worst = one
            .lows
            .first()
            .map(|low| format!("{} {} of {} for {}", low.workload, low.ready, low.of, duration(low.short_ms)));
        vec![
            one.disturbance.to_string(),
            one.recovered_ms.map_or_else(|| "not".to_owned(), duration),
            one.lows.iter().filter(|low| low.ready == 0).count().to_string(),
            worst.unwrap_or_default(),
            one.pending.len().to_string(),
            one.blocked.first().cloned().unwrap_or_default(),
        ]
    });
    let head = vec!["what", " all ready again after", " workloads at zero", "worst, ready pods", " pending", "blocked"];
    out.push(Block::Table(Table { head, rows: rows.collect() }));
}

fn fewest(report: &PlanReport, out: &mut Vec<Block>) {
    if report.fewest.is_empty() {
        return;
    }
    out.push(Block::Heading("Fewest nodes".to_owned()));
    let rows = report.fewest.iter().map(|least| {
        let one = &least.fewest;
        vec![
            least.of.clone(),
            one.node_type.clone(),
            one.nodes.map_or_else(|| "none".to_owned(), |nodes| nodes.to_string()),
            format!("{} by {}", one.least_by_sums.0, one.least_by_sums.1),
            one.stopped_by.clone().unwrap_or_default(),
        ]
    });
    let head = vec!["for", "node", " nodes", " least by sums", "why not one fewer"];
    out.push(Block::Table(Table { head, rows: rows.collect() }));
}

fn start_up(report: &PlanReport, out: &mut Vec<Block>) {
    let Some(start) = &report.start_up else { return };
    out.push(Block::Heading("From creation to readiness".to_owned()));
    out.push(Block::Text(format!(
        "{} runs with {} pods in all, {} of them never ready. A quantile over the pods of each run, then the mean over \
         the runs and, in brackets, the interval that holds it 95 times in 100 (Student's t).",
        start.runs, start.pods, start.never_ready
    )));
    let rows = start.stages.iter().map(|stage| {
        vec![stage.name.to_owned(), with_interval(&stage.p50), with_interval(&stage.p95), with_interval(&stage.p99)]
    });
    out.push(Block::Table(Table { head: vec!["stage", " p50", " p95", " p99"], rows: rows.collect() }));
    let (low, high) = start.within.interval.unwrap_or((start.within.value, start.within.value));
    out.push(Block::Text(format!(
        "{:.1} % of the pods ({:.1} to {:.1} %, Wilson) are within {} without pulls and init containers.",
        start.within.value * 100.0,
        low * 100.0,
        high * 100.0,
        seconds(start.objective)
    )));
    out.push(Block::Picture(pictures::start_up(start), "Shares of pods that are there, over time".to_owned()));
}

fn with_interval(estimate: &Estimate) -> String {
    let interval = estimate.interval.filter(|(low, high)| high - low >= 0.005);
    let interval = interval.map(|(low, high)| format!(" [{low:.2}, {high:.2}]")).unwrap_or_default();
    format!("{}{interval}", seconds(estimate.value))
}

fn nodes(report: &PlanReport, out: &mut Vec<Block>) {
    out.push(Block::Heading("Nodes".to_owned()));
    out.push(Block::Text(
        "Requested of what pods may be promised. Stranded is what is left when no pod of any workload fits any more."
            .to_owned(),
    ));
    let rows = report.nodes.iter().map(|node| {
        let (all, used) = (node.allocatable, node.requested);
        vec![
            if node.cordoned { format!("{} (cordoned)", node.name) } else { node.name.to_string() },
            node.zone.to_string(),
            format!("{}/{}", used.pods, all.pods),
            format!("{}/{} {}", cores(used.milli_cpu), cores(all.milli_cpu), percent(used.milli_cpu, all.milli_cpu)),
            format!("{}/{} {}", bytes(used.memory), bytes(all.memory), percent(used.memory, all.memory)),
            percent(node.limits.milli_cpu, all.milli_cpu),
            percent(node.limits.memory, all.memory),
            format!("{}, {}", cores(node.free.milli_cpu), bytes(node.free.memory)),
            format!("{}, {}", cores(node.stranded.milli_cpu), bytes(node.stranded.memory)),
        ]
    });
    let head = vec![
        "node",
        "zone",
        " pods",
        " cpu requested",
        " memory requested",
        " cpu limits",
        " memory limits",
        " free cpu, memory",
        " stranded cpu, memory",
    ];
    out.push(Block::Table(Table { head, rows: rows.collect() }));
    out.push(Block::Picture(pictures::nodes(&report.nodes), "Requested, free and stranded, by node".to_owned()));
}

fn cost(report: &PlanReport, out: &mut Vec<Block>) {
    let Some(cost) = &report.cost else { return };
    out.push(Block::Heading("Cost".to_owned()));
    out.push(Block::Text(
        "A node's price is divided by requests: the mean of a pod's shares of its CPU and of its memory.".to_owned(),
    ));
    let mut rows: Vec<Vec<String>> = cost
        .namespaces
        .iter()
        .map(|(namespace, price)| vec![format!("namespace {namespace}"), money(*price, cost), month(*price, cost)])
        .collect();
    rows.push(vec!["idle".to_owned(), money(cost.idle_per_hour, cost), month(cost.idle_per_hour, cost)]);
    rows.push(vec!["all".to_owned(), money(cost.per_hour, cost), month(cost.per_hour, cost)]);
    for (workload, price) in &cost.replica {
        rows.push(vec![format!("one more of {workload}"), money(*price, cost), month(*price, cost)]);
    }
    out.push(Block::Table(Table { head: vec!["what", " per hour", " per month"], rows }));
    if !cost.unpriced.is_empty() {
        let names: Vec<&str> = cost.unpriced.iter().map(|name| name.as_str()).collect();
        out.push(Block::Text(format!("Without a price, and left out: {}.", names.join(", "))));
    }
}

fn month(price: f64, cost: &super::Cost) -> String {
    money(price * super::price::HOURS_PER_MONTH, cost)
}

fn small_print(report: &PlanReport, out: &mut Vec<Block>) {
    if !report.notes.is_empty() {
        out.push(Block::Heading("Left out, made up, assumed".to_owned()));
        out.push(Block::List(report.notes.iter().map(|note| (None, note.clone())).collect()));
    }
    out.push(Block::Heading("Not modelled".to_owned()));
    out.push(Block::List(report.not_modelled.iter().map(|note| (None, note.clone())).collect()));
    out.push(Block::Heading("How it was made".to_owned()));
    let mut lines = vec![(None, format!("podsim {}, Kubernetes v1.36, seed {}", report.version, report.seed))];
    lines.extend(report.inputs.iter().map(|input| (None, format!("{} BLAKE3 {}", input.path, input.hash))));
    lines.push((None, report.command.clone()));
    out.push(Block::List(lines));
}
