//! The verdict: each question with its answer in a sentence, and what had to hold.

use super::{PlanReport, Room, StartUp};
use crate::engine::SimDuration;
use crate::simulation::capacity::{Disruption, Disturbance, Headroom, Situation};
use serde::Serialize;

/// A question and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// What was asked.
    pub question: &'static str,
    /// In a sentence; the constraint that binds is named.
    pub answer: String,
    /// Whether that is good, where it is a question of yes or no.
    pub good: Option<bool>,
}

/// Something that had to hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gate {
    /// The option that asked for it.
    pub what: String,
    /// Whether it did.
    pub held: bool,
    /// What was seen.
    pub seen: String,
}

impl PlanReport {
    /// Answers every question from what was found out.
    pub fn judge(&mut self) {
        let answers = [
            self.manifests_fit(),
            self.more(),
            self.copies(),
            self.few_nodes(),
            self.losing("Does it stand the loss of any node?", |s| matches!(s, Situation::WithoutNode(_))),
            self.losing("Does it stand the loss of any zone?", |s| matches!(s, Situation::WithoutZone(_))),
            self.losing("Is there room for every rollout at once?", |s| *s == Situation::RolloutSurge),
            self.disturbed("How long after a node is lost is everything ready again?", |d| {
                matches!(d, Disturbance::NodeLost(_))
            }),
            self.disturbed("Can every node be drained?", |d| matches!(d, Disturbance::Drain(_))),
            self.disturbed("Does a rollout of everything finish?", |d| *d == Disturbance::Rollout),
            self.starts(),
            self.stranded(),
            self.price(),
        ];
        self.answers = answers.into_iter().flatten().collect();
    }

    fn manifests_fit(&self) -> Option<Answer> {
        let added = self.added.as_ref()?;
        let good = added.unplaced.is_empty() && added.not_ready.is_empty();
        let answer = if let Some(first) = added.unplaced.first() {
            format!(
                "no: {} of {} pods find no node; {}: {}",
                added.unplaced.len(),
                added.pods,
                first.pod,
                first.message
            )
        } else if let Some(first) = added.not_ready.first() {
            let (few, all) = (added.not_ready.len(), added.pods);
            format!("all {all} pods find a node, but {few} are not ready; {}: {}", first.pod, first.message)
        } else {
            let after = added.ready_after_ms.map(|ms| format!(", ready after {}", duration(ms))).unwrap_or_default();
            format!("all {} pods find a node{after}", added.pods)
        };
        Some(Answer { question: "Do the manifests fit?", answer, good: Some(good) })
    }

    fn more(&self) -> Option<Answer> {
        let least = self.workloads.iter().min_by_key(|room| (room.more.count, room.workload))?;
        let most = self.workloads.iter().max_by_key(|room| (room.more.count, std::cmp::Reverse(room.workload)))?;
        let tightest = format!("{} more of {}, then {}", least.more.count, least.workload, stopped(least));
        let answer = if self.workloads.len() == 1 {
            tightest
        } else {
            format!("{tightest}; at the other end {} of {}, then {}", most.more.count, most.workload, stopped(most))
        };
        Some(Answer { question: "How many more pods fit?", answer, good: None })
    }

    fn copies(&self) -> Option<Answer> {
        let (workload, constraint) = self.fill.stopped_by.as_ref().filter(|_| self.workloads.len() > 1)?;
        let answer = format!("{}; the next stops at {workload}: {constraint}", self.fill.whole_copies);
        Some(Answer { question: "How many whole copies of all workloads fit beside them?", answer, good: None })
    }

    fn few_nodes(&self) -> Option<Answer> {
        let sentences: Vec<String> = self
            .fewest
            .iter()
            .map(|least| match (least.fewest.nodes, &least.fewest.stopped_by) {
                (Some(nodes), why) => {
                    let (sum, by) = least.fewest.least_by_sums;
                    let why = why.as_ref().map_or_else(String::new, |_| match nodes == sum {
                        true => format!(" (the sum of {by} asks for {sum})"),
                        false => format!(" (the sum of {by} asks for {sum}, the rest is fragmentation or constraints)"),
                    });
                    format!("{nodes} × {} for {}{why}", least.fewest.node_type, least.of)
                }
                (None, why) => {
                    let why = why.as_deref().unwrap_or("unknown");
                    format!("no number of {} does for {}: {why}", least.fewest.node_type, least.of)
                }
            })
            .collect();
        (!sentences.is_empty()).then(|| Answer {
            question: "How few nodes would do?",
            answer: sentences.join("; "),
            good: None,
        })
    }

    fn losing(&self, question: &'static str, which: impl Fn(&Situation) -> bool) -> Option<Answer> {
        let held: Vec<&Headroom> = self.headroom.iter().filter(|one| which(&one.situation)).collect();
        let worst = held.iter().max_by_key(|one| (one.unplaced.len(), one.placed_first))?;
        let Headroom { situation, placed_first, unplaced, .. } = worst;
        let answer = match unplaced.first() {
            None => format!("{situation}, {placed_first} pods need another place, and all find one"),
            Some(first) => {
                let (few, why) = (unplaced.len(), &first.message);
                format!("{situation}, {few} of {placed_first} pods find no place; {}: {why}", first.pod)
            }
        };
        Some(Answer { question, answer, good: Some(unplaced.is_empty()) })
    }

    fn disturbed(&self, question: &'static str, which: impl Fn(&Disturbance) -> bool) -> Option<Answer> {
        let all: Vec<&Disruption> = self.disruptions.iter().filter(|one| which(&one.disturbance)).collect();
        let worst = all.iter().max_by_key(|one| {
            (!one.pending.is_empty() || !one.blocked.is_empty(), one.recovered_ms.unwrap_or(u64::MAX))
        })?;
        let what = worst.disturbance;
        let down = worst.lows.iter().filter(|low| low.ready == 0).count();
        let lows = match down {
            0 => "no workload is ever without a ready pod".to_owned(),
            _ => {
                let longest = worst.lows.iter().filter(|low| low.ready == 0).map(|low| low.short_ms).max();
                format!("{down} workloads are without a ready pod, for at most {}", duration(longest.unwrap_or(0)))
            }
        };
        let (good, answer) = match (worst.blocked.first(), worst.pending.first(), worst.recovered_ms) {
            (Some(why), ..) => (false, format!("{what}; {why}; {lows}")),
            (None, Some(first), _) => (false, format!("{what}; {} waits: {}; {lows}", first.pod, first.message)),
            (None, None, None) => (false, format!("{what}: not within 15m; {}{lows}", stays(worst))),
            (None, None, Some(0)) => (true, format!("{what}: no workload ever has fewer ready pods")),
            (None, None, Some(ms)) => (true, format!("{what}: all ready again after {}; {lows}", duration(ms))),
        };
        Some(Answer { question, answer, good: Some(good) })
    }

    fn starts(&self) -> Option<Answer> {
        let start: &StartUp = self.start_up.as_ref()?;
        let (value, interval) = (start.objective_p99.value, start.objective_p99.interval);
        let between = interval.map(|(l, h)| format!(" ({} to {})", seconds(l), seconds(h))).unwrap_or_default();
        let ready = start.stages.last().map(|stage| seconds(stage.p99.value)).unwrap_or_default();
        let doubt = if start.meets().is_none() { "not certain: " } else { "" };
        let answer = format!(
            "{doubt}p99 {}{between} without pulls and init containers, objective {}; create to ready p99 {ready}",
            seconds(value),
            seconds(start.objective),
        );
        Some(Answer { question: "Do pods start within the objective?", answer, good: start.meets() })
    }

    fn stranded(&self) -> Option<Answer> {
        let sum = |amount: &dyn Fn(&crate::simulation::capacity::NodeRoom) -> i64| -> i64 {
            self.nodes.iter().map(amount).sum()
        };
        let (cpu, all_cpu) = (sum(&|n| n.stranded.milli_cpu.max(0)), sum(&|n| n.allocatable.milli_cpu));
        let (memory, all_memory) = (sum(&|n| n.stranded.memory.max(0)), sum(&|n| n.allocatable.memory));
        (!self.workloads.is_empty() && all_cpu > 0).then(|| Answer {
            question: "How much is stranded when nothing more fits?",
            answer: format!(
                "{} CPU ({}) and {} memory ({})",
                cores(cpu),
                percent(cpu, all_cpu),
                bytes(memory),
                percent(memory, all_memory)
            ),
            good: None,
        })
    }

    fn price(&self) -> Option<Answer> {
        let cost = self.cost.as_ref()?;
        let idle = if cost.per_hour > 0.0 { cost.idle_per_hour / cost.per_hour * 100.0 } else { 0.0 };
        let cheapest: Vec<String> = cost
            .cheapest
            .iter()
            .map(|(of, kind, nodes, price)| format!("; cheapest for {of}: {nodes} × {kind}, {}", money(*price, cost)))
            .collect();
        let answer = format!(
            "{} per hour, {} per month, {idle:.0} % of it idle{}",
            money(cost.per_hour, cost),
            money(cost.per_month, cost),
            cheapest.concat()
        );
        Some(Answer { question: "What does it cost?", answer, good: None })
    }
}

/// What is never whole again.
fn stays(one: &Disruption) -> String {
    let low = one.lows.iter().filter(|low| low.open).max_by_key(|low| (low.short_ms, low.workload));
    low.map_or_else(String::new, |low| {
        let why = match low.workload.kind.as_str() {
            "StatefulSet" => " (the pod of a lost node is not replaced before somebody deletes the node)",
            _ => "",
        };
        format!("{} stays at {} of {} ready pods{why}; ", low.workload, low.ready, low.of)
    })
}

fn stopped(room: &Room) -> String {
    room.more.stop.as_ref().map_or_else(|| "no end".to_owned(), |stop| stop.constraint.clone())
}

/// A sum of money.
pub fn money(amount: f64, cost: &super::Cost) -> String {
    let digits = if amount >= 100.0 {
        0
    } else if amount >= 1.0 {
        2
    } else {
        4
    };
    format!("{amount:.digits$} {}", cost.currency).trim_end().to_owned()
}

/// Milliseconds as people read them.
pub fn duration(millis: u64) -> String {
    let rounded = if millis >= 10_000 { (millis + 500) / 1_000 * 1_000 } else { millis };
    SimDuration::from_millis(rounded).to_string()
}

/// Seconds with as many digits as say something.
pub fn seconds(seconds: f64) -> String {
    if seconds >= 100.0 { format!("{seconds:.0} s") } else { format!("{seconds:.2} s") }
}

/// Thousandths of a CPU as CPUs.
pub fn cores(milli: i64) -> String {
    let text = format!("{:.3}", milli as f64 / 1e3);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Bytes in the unit that says most.
pub fn bytes(bytes: i64) -> String {
    let (mib, gib) = (bytes as f64 / f64::from(1 << 20), bytes as f64 / f64::from(1 << 30));
    if gib.abs() >= 1.0 { format!("{gib:.1} GiB") } else { format!("{mib:.0} MiB") }
}

/// A part of a whole.
pub fn percent(part: i64, whole: i64) -> String {
    if whole == 0 { "–".to_owned() } else { format!("{:.0} %", part as f64 / whole as f64 * 100.0) }
}
