//! How fast the number of pods follows what metrics ask for (`podautoscaler/horizontal.go`, from
//! `normalizeDesiredReplicas` on): earlier recommendations count for a while, policies limit each period.

use crate::api::{HorizontalPodAutoscalerSpec, ScalingBehavior, ScalingRules, SelectPolicy, WallTime};
use crate::engine::SimDuration;

/// Over how long recommendations count on the way down, where nothing else is said.
const DOWNSCALE_STABILIZATION: SimDuration = SimDuration::from_secs(300);

/// A number of pods, or a change of it, at some time.
type Dated = (i32, WallTime);

/// What is remembered of an autoscaler. A controller that starts anew has forgotten it.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    recommendations: Vec<Dated>,
    added: Vec<Dated>,
    removed: Vec<Dated>,
}

/// What became of a wish, and what is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paced {
    /// So many pods.
    pub replicas: i32,
    /// What `AbleToScale` says: reason and message.
    pub able: Words,
    /// Whether a limit was met.
    pub limited: bool,
    /// What `ScalingLimited` says.
    pub limit: Words,
}

/// Reason and message of a condition.
pub type Words = (&'static str, &'static str);

const READY_FOR_NEW_SCALE: Words = ("ReadyForNewScale", "recommended size matches current size");
const UP_STABILIZED: Words = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
);
const DOWN_STABILIZED: Words = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
);
const WITHIN: Words = ("DesiredWithinRange", "the desired count is within the acceptable range");
const TOO_FEW: Words = ("TooFewReplicas", "the desired replica count is less than the minimum replica count");
const TOO_MANY: Words = ("TooManyReplicas", "the desired replica count is more than the maximum replica count");
const UP_LIMIT: Words = ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate");
const DOWN_LIMIT: Words =
    ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate");

/// Whether something at `at` lies within the last `span`.
fn within(at: WallTime, now: WallTime, span: SimDuration) -> bool {
    at.unix_nanos() > now.unix_nanos() - span.as_nanos() as i64
}

fn seconds(count: i32) -> SimDuration {
    SimDuration::from_secs(u64::try_from(count).unwrap_or(0))
}

impl Memory {
    /// The size that an autoscaler was found with is its first recommendation.
    pub fn begin(&mut self, current: i32, now: WallTime) {
        if self.recommendations.is_empty() {
            self.recommendations.push((current, now));
        }
    }

    /// What becomes of a wish. Remembering it is up to [`remember`](Self::remember).
    pub fn pace(&self, spec: &HorizontalPodAutoscalerSpec, current: i32, wish: i32, now: WallTime) -> Paced {
        match &spec.behavior {
            None => self.plainly(spec, current, wish, now),
            Some(behavior) => self.by_rules(spec, behavior, current, wish, now),
        }
    }

    /// Takes a wish into account from now on, and forgets those that no window holds any more.
    pub fn remember(&mut self, spec: &HorizontalPodAutoscalerSpec, wish: i32, now: WallTime) {
        let longest = spec.behavior.as_ref().map_or(DOWNSCALE_STABILIZATION, |rules| {
            window(&rules.up, SimDuration::ZERO).max(window(&rules.down, DOWNSCALE_STABILIZATION))
        });
        self.recommendations.retain(|(_, at)| !before(*at, now, longest));
        self.recommendations.push((wish, now));
    }

    /// Notes a change of the number of pods, for the policies.
    pub fn scaled(&mut self, behavior: Option<&ScalingBehavior>, from: i32, to: i32, now: WallTime) {
        let Some(behavior) = behavior else { return };
        let (events, rules, change) = if to > from {
            (&mut self.added, &behavior.up, to - from)
        } else {
            (&mut self.removed, &behavior.down, from - to)
        };
        let longest = rules.policies.iter().map(|policy| policy.period).max().unwrap_or(0);
        events.retain(|(_, at)| within(*at, now, seconds(longest)));
        events.push((change, now));
    }

    fn plainly(&self, spec: &HorizontalPodAutoscalerSpec, current: i32, wish: i32, now: WallTime) -> Paced {
        let recent = self.recommendations.iter().filter(|(_, at)| !before(*at, now, DOWNSCALE_STABILIZATION));
        let stable = recent.map(|(replicas, _)| *replicas).fold(wish, i32::max);
        let able = if stable == wish { READY_FOR_NEW_SCALE } else { DOWN_STABILIZED };
        let rate = (2 * current).max(4);
        let (most, too_many) = if spec.max_replicas > rate { (rate, UP_LIMIT) } else { (spec.max_replicas, TOO_MANY) };
        let (replicas, limit) = if stable < spec.min_replicas {
            (spec.min_replicas, TOO_FEW)
        } else if stable > most {
            (most, too_many)
        } else {
            (stable, WITHIN)
        };
        Paced { replicas, able, limited: replicas != stable, limit }
    }

    fn by_rules(
        &self,
        spec: &HorizontalPodAutoscalerSpec,
        behavior: &ScalingBehavior,
        current: i32,
        wish: i32,
        now: WallTime,
    ) -> Paced {
        let (up, down) = (window(&behavior.up, SimDuration::ZERO), window(&behavior.down, DOWNSCALE_STABILIZATION));
        let recent = |span| self.recommendations.iter().filter(move |(_, at)| within(*at, now, span)).map(|(n, _)| *n);
        let (least, most) = (recent(up).fold(wish, i32::min), recent(down).fold(wish, i32::max));
        let stable = current.max(least).min(most);
        let able = match (stable == wish, wish >= current) {
            (true, _) => READY_FOR_NEW_SCALE,
            (false, true) => UP_STABILIZED,
            (false, false) => DOWN_STABILIZED,
        };
        let (replicas, limit) = if stable > current {
            let rate = self.limit(&behavior.up, Direction::Up, current, now).max(current);
            let (most, why) = if spec.max_replicas > rate { (rate, UP_LIMIT) } else { (spec.max_replicas, TOO_MANY) };
            if stable > most { (most, why) } else { (stable, WITHIN) }
        } else if stable < current {
            let rate = self.limit(&behavior.down, Direction::Down, current, now).min(current);
            let (least, why) = if spec.min_replicas < rate { (rate, DOWN_LIMIT) } else { (spec.min_replicas, TOO_FEW) };
            if stable < least { (least, why) } else { (stable, WITHIN) }
        } else {
            (stable, WITHIN)
        };
        Paced { replicas, able, limited: replicas != stable, limit }
    }

    /// How far the policies let the number of pods go in one direction.
    fn limit(&self, rules: &ScalingRules, direction: Direction, current: i32, now: WallTime) -> i32 {
        let changed = |events: &[Dated], period: i32| -> i32 {
            events.iter().filter(|(_, at)| within(*at, now, seconds(period))).map(|(change, _)| change).sum()
        };
        let limits = rules.policies.iter().map(|policy| {
            let start = current - changed(&self.added, policy.period) + changed(&self.removed, policy.period);
            let share = f64::from(policy.value) / 100.0;
            match (direction, policy.percent) {
                (Direction::Up, false) => start + policy.value,
                (Direction::Up, true) => (f64::from(start) * (1.0 + share)).ceil() as i32,
                (Direction::Down, false) => start - policy.value,
                (Direction::Down, true) => (f64::from(start) * (1.0 - share)) as i32,
            }
        });
        let limit = match (rules.select, direction) {
            (SelectPolicy::Disabled, _) => None,
            (SelectPolicy::Max, Direction::Up) | (SelectPolicy::Min, Direction::Down) => limits.max(),
            (SelectPolicy::Min, Direction::Up) | (SelectPolicy::Max, Direction::Down) => limits.min(),
        };
        limit.unwrap_or(current)
    }
}

/// Whether something lies further back than `span`.
fn before(at: WallTime, now: WallTime, span: SimDuration) -> bool {
    at.unix_nanos() < now.unix_nanos() - span.as_nanos() as i64
}

#[derive(Debug, Clone, Copy)]
enum Direction {
    Up,
    Down,
}

fn window(rules: &ScalingRules, otherwise: SimDuration) -> SimDuration {
    rules.stabilization_window.map_or(otherwise, seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Name, ScalingPolicy, Text, Timestamp};

    fn at(secs: i64) -> WallTime {
        Timestamp::from_unix_secs(10_000 + secs).wall()
    }

    fn spec(min_replicas: i32, max_replicas: i32, behavior: Option<ScalingBehavior>) -> HorizontalPodAutoscalerSpec {
        HorizontalPodAutoscalerSpec {
            target_api_version: Name::default(),
            target_kind: Name::default(),
            target_name: Name::default(),
            min_replicas,
            max_replicas,
            metrics: Vec::new(),
            behavior,
            source: Text::default(),
        }
    }

    fn rules(window: Option<i32>, select: SelectPolicy, policies: &[(bool, i32, i32)]) -> ScalingRules {
        let policy = |(percent, value, period): &(bool, i32, i32)| ScalingPolicy {
            percent: *percent,
            value: *value,
            period: *period,
        };
        let policies = policies.iter().map(policy).collect();
        ScalingRules { stabilization_window: window, select, policies, tolerance: None }
    }

    /// What the server makes of an empty `behavior`.
    fn default_behavior() -> ScalingBehavior {
        ScalingBehavior {
            up: rules(Some(0), SelectPolicy::Max, &[(false, 4, 15), (true, 100, 15)]),
            down: rules(None, SelectPolicy::Max, &[(true, 100, 15)]),
        }
    }

    #[test]
    fn without_rules_sizes_double_and_shrink_late() {
        // `TestConvertDesiredReplicasWithRules` and spec/control-plane.md A.13: current, wish, result, and why.
        let (none, many) = (spec(1, 100, None), spec(2, 9, None));
        for (spec, current, wish, replicas, why) in [
            (&none, 4, 8, 8, "DesiredWithinRange"),
            (&none, 1, 10, 4, "ScaleUpLimit"),
            (&none, 10, 50, 20, "ScaleUpLimit"),
            (&many, 8, 50, 9, "TooManyReplicas"),
            (&many, 3, 1, 2, "TooFewReplicas"),
        ] {
            let paced = Memory::default().pace(spec, current, wish, at(0));
            assert_eq!((paced.replicas, paced.limit.0), (replicas, why), "{current} -> {wish}");
        }
        let mut memory = Memory::default();
        memory.begin(10, at(0));
        for (secs, replicas, why) in
            [(15, 10, "ScaleDownStabilized"), (300, 10, "ScaleDownStabilized"), (301, 3, "ReadyForNewScale")]
        {
            let paced = memory.pace(&none, 10, 3, at(secs));
            memory.remember(&none, 3, at(secs));
            assert_eq!((paced.replicas, paced.able.0), (replicas, why), "after {secs} s");
        }
    }

    #[test]
    fn policies_limit_each_period() {
        // `TestScalingWithRules`: rules, changes before (seconds ago), current, wish, result.
        let up =
            |select, policies: &[_]| ScalingBehavior { up: rules(Some(0), select, policies), ..default_behavior() };
        let down =
            |select, policies: &[_]| ScalingBehavior { down: rules(Some(0), select, policies), ..default_behavior() };
        let both = [(true, 100, 60), (false, 4, 60)];
        for (behavior, added, removed, current, wish, replicas) in [
            (default_behavior(), 0, 0, 1, 10, 5),
            (default_behavior(), 0, 0, 10, 50, 20),
            (up(SelectPolicy::Max, &both), 0, 0, 100, 500, 200),
            (up(SelectPolicy::Min, &both), 0, 0, 100, 500, 104),
            (up(SelectPolicy::Disabled, &both), 0, 0, 100, 500, 100),
            (up(SelectPolicy::Max, &[(false, 150, 60)]), 50, 0, 100, 500, 200),
            (up(SelectPolicy::Max, &[(true, 200, 60)]), 60, 0, 100, 1000, 120),
            (down(SelectPolicy::Max, &[(true, 20, 60)]), 0, 0, 100, 1, 80),
            (down(SelectPolicy::Max, &[(true, 60, 60), (false, 20, 60)]), 0, 0, 100, 1, 40),
            (down(SelectPolicy::Min, &[(true, 60, 60), (false, 20, 60)]), 0, 0, 100, 1, 80),
            (down(SelectPolicy::Max, &[(false, 5, 60)]), 0, 5, 100, 1, 100),
            (down(SelectPolicy::Disabled, &[(false, 5, 60)]), 0, 0, 100, 1, 100),
        ] {
            let mut memory = Memory::default();
            if added > 0 {
                memory.scaled(Some(&behavior), 0, added, at(-30));
            }
            if removed > 0 {
                memory.scaled(Some(&behavior), removed, 0, at(-30));
            }
            let text = format!("{behavior:?} {current} -> {wish}");
            let paced = memory.pace(&spec(1, 1000, Some(behavior)), current, wish, at(0));
            assert_eq!(paced.replicas, replicas, "{text}");
        }
    }

    #[test]
    fn windows_hold_changes_back_both_ways() {
        let behavior = ScalingBehavior {
            up: rules(Some(60), SelectPolicy::Max, &[(false, 100, 15)]),
            down: rules(Some(120), SelectPolicy::Max, &[(true, 100, 15)]),
        };
        let spec = spec(1, 100, Some(behavior));
        let mut memory = Memory::default();
        for (secs, wish, replicas, why) in [
            (0, 5, 5, "ReadyForNewScale"),
            (30, 9, 5, "ScaleUpStabilized"),
            (61, 9, 9, "ReadyForNewScale"),
            (90, 2, 5, "ScaleDownStabilized"),
            (180, 2, 5, "ScaleDownStabilized"),
            (181, 2, 2, "ReadyForNewScale"),
        ] {
            let paced = memory.pace(&spec, 5, wish, at(secs));
            memory.remember(&spec, wish, at(secs));
            assert_eq!((paced.replicas, paced.able.0), (replicas, why), "at {secs} s");
        }
    }
}
