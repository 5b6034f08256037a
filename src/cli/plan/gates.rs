//! What is required of a plan, and whether it holds.

use super::{Loss, Plan};
use podsim::report::plan::{Gate, PlanReport};
use podsim::simulation::capacity::{Disruption, Disturbance, Headroom, Situation};

/// Every requirement that was made. Manifests that are added must find a place in any case.
pub fn gates(plan: &Plan, report: &PlanReport) -> Vec<Gate> {
    let mut gates = Vec::new();
    if let Some(added) = &report.added {
        let seen = format!("{} of {} pods find no node", added.unplaced.len(), added.pods);
        gates.push(Gate { what: "the manifests fit".to_owned(), held: added.unplaced.is_empty(), seen });
    }
    if let Some(need) = plan.need {
        let least = report.workloads.iter().min_by_key(|room| (room.more.count, room.workload));
        let (held, seen) = match least {
            Some(room) => (room.more.count >= need, format!("{} more of {} fit", room.more.count, room.workload)),
            None => (false, "there is no workload to ask about".to_owned()),
        };
        gates.push(Gate { what: format!("--need {need}"), held, seen });
    }
    gates.extend(plan.survive.iter().map(|loss| survive(*loss, report)));
    if let (Some(slo), Some(start)) = (plan.slo, &report.start_up) {
        let (value, interval) = (start.objective_p99.value, start.objective_p99.interval);
        let interval = interval.map(|(low, high)| format!(" ({low:.2} to {high:.2})")).unwrap_or_default();
        let held = start.meets() == Some(true);
        gates.push(Gate { what: format!("--slo {slo}"), held, seen: format!("p99 {value:.2} s{interval}") });
    }
    gates
}

fn survive(loss: Loss, report: &PlanReport) -> Gate {
    let placed = |which: &dyn Fn(&Situation) -> bool| -> Vec<&Headroom> {
        report.headroom.iter().filter(|one| which(&one.situation)).collect()
    };
    let done = |which: &dyn Fn(&Disturbance) -> bool| -> Vec<&Disruption> {
        report.disruptions.iter().filter(|one| which(&one.disturbance)).collect()
    };
    let (name, situations, disruptions) = match loss {
        Loss::Node => (
            "node",
            placed(&|s| matches!(s, Situation::WithoutNode(_))),
            done(&|d| matches!(d, Disturbance::NodeLost(_))),
        ),
        Loss::Zone => ("zone", placed(&|s| matches!(s, Situation::WithoutZone(_))), Vec::new()),
        Loss::Rollout => ("rollout", Vec::new(), done(&|d| *d == Disturbance::Rollout)),
        Loss::Drain => ("drain", Vec::new(), done(&|d| matches!(d, Disturbance::Drain(_)))),
    };
    let what = format!("--survive {name}");
    if situations.is_empty() && disruptions.is_empty() {
        return Gate { what, held: false, seen: format!("there is no {name} to lose: it could not be looked at") };
    }
    let lost = situations.iter().find(|one| !one.unplaced.is_empty());
    let stuck = disruptions.iter().find(|one| !one.pending.is_empty() || !one.blocked.is_empty());
    let seen = match (lost, stuck) {
        (Some(one), _) => format!("{}: {} pods find no place", one.situation, one.unplaced.len()),
        (None, Some(one)) => {
            let first = one.blocked.first().cloned().or_else(|| one.pending.first().map(|pod| pod.pod.clone()));
            format!("{}: {}", one.disturbance, first.unwrap_or_default())
        }
        (None, None) => "every pod finds a place".to_owned(),
    };
    Gate { what, held: lost.is_none() && stuck.is_none(), seen }
}
