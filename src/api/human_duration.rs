//! Ages as kubectl prints them: `5m30s`, `3h20m`, `45d`.
//!
//! Follows apimachinery 1.36 `pkg/util/duration/duration.go`.

use jiff::SignedDuration;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

/// Two or three significant figures of a duration; what the AGE column shows.
///
/// Less than two seconds into the future counts as now (clocks differ), more is `<invalid>`.
///
/// ```
/// use jiff::SignedDuration;
/// assert_eq!(podsim::api::human_duration(SignedDuration::from_secs(200)), "3m20s");
/// ```
pub fn human_duration(duration: SignedDuration) -> String {
    match duration.as_secs() {
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        s if s < 2 * MINUTE => format!("{s}s"),
        s if s < 10 * MINUTE => with_rest(s / MINUTE, "m", s % MINUTE, "s"),
        s if s < 3 * HOUR => format!("{}m", s / MINUTE),
        s if s < 8 * HOUR => with_rest(s / HOUR, "h", s % HOUR / MINUTE, "m"),
        s if s < 2 * DAY => format!("{}h", s / HOUR),
        s if s < 8 * DAY => with_rest(s / DAY, "d", s % DAY / HOUR, "h"),
        s if s < 2 * YEAR => format!("{}d", s / DAY),
        s if s < 8 * YEAR => with_rest(s / YEAR, "y", s % YEAR / DAY, "d"),
        s => format!("{}y", s / YEAR),
    }
}

/// One significant unit of a duration.
pub fn short_human_duration(duration: SignedDuration) -> String {
    match duration.as_secs() {
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        s if s < MINUTE => format!("{s}s"),
        s if s < HOUR => format!("{}m", s / MINUTE),
        s if s < DAY => format!("{}h", s / HOUR),
        s if s < YEAR => format!("{}d", s / DAY),
        s => format!("{}y", s / YEAR),
    }
}

fn with_rest(count: i64, unit: &str, rest: i64, rest_unit: &str) -> String {
    if rest == 0 { format!("{count}{unit}") } else { format!("{count}{unit}{rest}{rest_unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_grow_with_the_duration() {
        for (millis, human, short) in [
            (-2_001, "<invalid>", "<invalid>"),
            (-1_999, "0s", "0s"),
            (999, "0s", "0s"),
            (119_999, "119s", "1m"),
            (120_000, "2m", "2m"),
            (330_000, "5m30s", "5m"),
            (10_799_000, "179m", "2h"),
            (12_000_000, "3h20m", "3h"),
            (28_800_000, "8h", "8h"),
            (180_000_000, "2d2h", "2d"),
            (691_200_000, "8d", "8d"),
            (63_072_000_000, "2y", "2y"),
            (64_000_000_000, "2y10d", "2y"),
            (252_288_000_000, "8y", "8y"),
        ] {
            let duration = SignedDuration::from_millis(millis);
            assert_eq!((human_duration(duration).as_str(), short_human_duration(duration).as_str()), (human, short));
        }
    }
}
