//! What is measured of a run: one number each, by a name that says how.
//!
//! | measure | is |
//! |---|---|
//! | `ready.p99` | from creation to a stage, in seconds, over the pods that reached it: `scheduled`, `sandbox`, `pulled`, `initialized`, `started`, `ready`; `mean`, `p50`, `p90`, `p95`, `p99`, `max` |
//! | `pods`, `pods.ready`, `pods.pending`, `pods.failed` | how many at the end |
//! | `pods.ready.mean` | how many were ready, on average over time |
//! | `restarts`, `warnings` | how many in all |
//! | `events(REASON)` | how often an event was said |
//! | `held` | 1 if every expectation held, else 0 |
//! | `time(F)`, `first(F)`, `mean(X)`, `min(X)`, `max(X)`, `last(X)` | a formula or a number over time, in the words of [`expect`](crate::scenario::expect) |
//!
//! `… of web-*` counts only pods whose names match.

use super::statistics::quantile;
use super::story::{Milestones, PodLife, Story};
use crate::components::runtime::Glob;
use crate::scenario::expect::Observation;

/// What is measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// As it was written.
    pub name: String,
    what: What,
    of: Glob,
}

#[derive(Debug, Clone, PartialEq)]
enum What {
    /// From creation to the n-th stage.
    Stage(usize, Sum),
    Pods,
    Ready,
    ReadyOverTime,
    Phase(&'static str),
    Restarts,
    Warnings,
    Events(String),
    Held,
    Observed {
        is_share: bool,
        is_time: bool,
    },
}

/// What a run says that is measured.
#[derive(Debug, Clone, Copy)]
pub struct Said<'r> {
    /// What became of its pods.
    pub story: &'r Story,
    /// Whether every expectation held.
    pub held: bool,
    /// What was observed, by the text of the observation.
    pub observed: &'r [(String, Option<f64>)],
}

/// How many numbers become one.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Sum {
    Mean,
    Quantile(f64),
}

impl Measure {
    /// Reads a measure.
    ///
    /// # Errors
    /// What would do.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (what, of) = text.split_once(" of ").unwrap_or((text, "*"));
        let what = what.trim();
        let of = of.trim().parse::<Glob>()?;
        let events = what.strip_prefix("events(").and_then(|rest| rest.strip_suffix(')'));
        let kind = match (what, events) {
            (_, Some(reason)) => What::Events(reason.to_owned()),
            ("pods", _) => What::Pods,
            ("pods.ready", _) => What::Ready,
            ("pods.ready.mean", _) => What::ReadyOverTime,
            ("pods.pending", _) => What::Phase("Pending"),
            ("pods.failed", _) => What::Phase("Failed"),
            ("restarts", _) => What::Restarts,
            ("warnings", _) => What::Warnings,
            ("held", _) => What::Held,
            _ => stage(what).ok_or_else(|| {
                "write ready.p99, restarts, pods.ready, pods.ready.mean, warnings, events(REASON), held or, in the words of \
                 expectations, time(…), first(…), mean(…), min(…), max(…) or last(…)"
                    .to_owned()
            })?,
        };
        Ok(Self { name: text.to_owned(), what: kind, of })
    }

    /// What is observed during the run.
    pub fn observed(observation: &Observation) -> Self {
        let what = What::Observed { is_share: observation.is_share(), is_time: observation.is_time() };
        Self { name: observation.text.clone(), what, of: Glob::any() }
    }

    /// Whether it is 0 or 1: its mean is a share.
    pub const fn is_share(&self) -> bool {
        matches!(self.what, What::Held | What::Observed { is_share: true, .. })
    }

    /// What its numbers are in; empty for plain numbers.
    pub const fn unit(&self) -> &'static str {
        match self.what {
            What::Stage(..) | What::Observed { is_time: true, .. } => "s",
            What::Pods | What::Ready | What::ReadyOverTime | What::Phase(_) => "pods",
            What::Restarts | What::Warnings | What::Events(_) | What::Held | What::Observed { .. } => "",
        }
    }

    /// The number for a run; nothing if no pod says anything about it.
    pub fn of(&self, said: Said<'_>) -> Option<f64> {
        let story = said.story;
        let pods = || story.pods.iter().filter(|pod| self.of.matches(pod.name.as_str()));
        let at_end = |pod: &&PodLife| pod.gone.is_none();
        let count = |number: usize| Some(number as f64);
        match &self.what {
            What::Stage(stage, sum) => {
                let mut waits: Vec<f64> = pods().filter_map(|pod| wait(pod, *stage)).collect();
                waits.sort_by(f64::total_cmp);
                match sum {
                    Sum::Mean => (!waits.is_empty()).then(|| waits.iter().sum::<f64>() / waits.len() as f64),
                    Sum::Quantile(share) => quantile(&waits, *share),
                }
            }
            What::Pods => count(pods().filter(at_end).count()),
            What::Ready => {
                count(pods().filter(|pod| pod.ready.last().is_some_and(|span| span.to == story.end)).count())
            }
            What::ReadyOverTime => {
                let ready: u128 =
                    pods().flat_map(|pod| &pod.ready).map(|span| u128::from(span.lasts().as_nanos())).sum();
                (story.end.as_nanos() > 0).then(|| ready as f64 / story.end.as_nanos() as f64)
            }
            What::Phase(phase) => count(pods().filter(at_end).filter(|pod| pod.phase() == **phase).count()),
            What::Restarts => Some(f64::from(pods().map(|pod| pod.restarts).sum::<u32>())),
            What::Warnings => count(pods().flat_map(|pod| &pod.events).filter(|said| said.warning).count()),
            What::Events(reason) => {
                count(pods().flat_map(|pod| &pod.events).filter(|said| said.reason == **reason).count())
            }
            What::Held => Some(f64::from(u8::from(said.held))),
            What::Observed { .. } => said.observed.iter().find(|(text, _)| *text == self.name)?.1,
        }
    }
}

fn stage(text: &str) -> Option<What> {
    let (stage, sum) = text.split_once('.')?;
    let place = Milestones::NAMES[1..7].iter().position(|name| *name == stage)? + 1;
    let sum = match sum {
        "mean" => Sum::Mean,
        "p50" => Sum::Quantile(0.5),
        "p90" => Sum::Quantile(0.9),
        "p95" => Sum::Quantile(0.95),
        "p99" => Sum::Quantile(0.99),
        "max" => Sum::Quantile(1.0),
        _ => return None,
    };
    Some(What::Stage(place, sum))
}

fn wait(pod: &PodLife, stage: usize) -> Option<f64> {
    let all = pod.milestones.all();
    Some(all[stage].1?.since(all[0].1?).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::test_run::crash_loop;

    #[test]
    fn measures_of_a_known_run() {
        let story = Story::of(&crash_loop());
        let said = Said { story: &story, held: true, observed: &[] };
        for (measure, low, high) in [
            ("pods", 2.0, 2.0),
            ("pods of web", 1.0, 1.0),
            ("pods.ready", 1.0, 1.0),
            ("restarts", 3.0, 3.0),
            ("restarts of web", 0.0, 0.0),
            ("ready.max of web", 1.0, 4.0),
            ("pods.ready.mean of web", 0.9, 1.0),
            ("events(BackOff)", 2.0, 12.0),
            ("held", 1.0, 1.0),
        ] {
            let value = Measure::parse(measure).expect(measure).of(said).expect(measure);
            assert!((low..=high).contains(&value), "{measure}: {value}");
        }
        assert_eq!(Measure::parse("ready.max of nobody").expect("a measure").of(said), None);
        assert!(Measure::parse("ready.p42").is_err());
    }
}
