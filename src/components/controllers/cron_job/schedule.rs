//! When a schedule is due: cron's five fields and its descriptors, walked in local time.
//!
//! Follows robfig/cron v3 (`ParseStandard`, `SpecSchedule.Next`), which the controller uses: an hour that the clocks
//! skip has no occurrence, one that they repeat has two.

use crate::api::{CronJob, Name, Timestamp};
use crate::engine::SimDuration;
use jiff::tz::TimeZone;
use jiff::{ToSpan, Zoned};

/// A schedule that repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Schedule {
    Fields {
        fields: [Field; 5],
        zone: TimeZone,
    },
    /// So often, whatever the calendar.
    Every(SimDuration),
}

/// The values of a field, one bit each, and whether it leaves them open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    bits: u64,
    open: bool,
}

impl Field {
    const fn has(self, value: i8) -> bool {
        self.bits >> value & 1 == 1
    }
}

const BOUNDS: [(u32, u32, &[&str]); 5] = [(0, 59, &[]), (0, 23, &[]), (1, 31, &[]), (1, 12, &MONTHS), (0, 6, &DAYS)];
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
/// No occurrence within so many years: there is none.
const HORIZON: i16 = 5;

impl Schedule {
    /// The schedule of a CronJob.
    pub(super) fn of(cron: &CronJob) -> Option<Self> {
        Self::parse(&cron.spec.schedule, &cron.spec.time_zone)
    }

    /// Reads a schedule that is to be followed in a time zone; empty for UTC.
    pub(crate) fn parse(text: &str, zone: &str) -> Option<Self> {
        if let Some(every) = text.strip_prefix("@every ") {
            let every: SimDuration = every.parse().ok()?;
            let second = SimDuration::from_secs(1);
            return Some(Self::Every(SimDuration::from_secs(every.max(second).as_secs())));
        }
        let text = match text {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            plain => plain,
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let words: [&str; 5] = words.try_into().ok()?;
        let mut fields = [Field { bits: 0, open: false }; 5];
        for ((field, word), (low, high, names)) in fields.iter_mut().zip(words).zip(BOUNDS) {
            for part in word.split(',').filter(|part| !part.is_empty()) {
                let (bits, open) = range(part, low, high, names)?;
                field.bits |= bits;
                field.open |= open;
            }
        }
        let zone = if zone.is_empty() { TimeZone::UTC } else { TimeZone::get(zone).ok()? };
        Some(Self::Fields { fields, zone })
    }

    /// The first occurrence after an instant.
    pub(crate) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every(period) => Some(after.plus_secs(period.as_secs() as i64)),
            Self::Fields { fields, zone } => {
                let start = jiff::Timestamp::from_second(after.unix_secs()).ok()?.to_zoned(zone.clone());
                let found = next(fields, start)?;
                Some(Timestamp::from_unix_secs(found.timestamp().as_second()))
            }
        }
    }
}

/// An instant as the clocks of a time zone show it (RFC 3339); in UTC if none is given.
pub(super) fn local(stamp: Timestamp, zone: &str) -> Name {
    let known = jiff::Timestamp::from_second(stamp.unix_secs()).ok().zip(TimeZone::get(zone).ok());
    let offset = known.map(|(instant, zone)| (instant, zone.to_offset(instant)));
    match offset.filter(|(_, offset)| !offset.is_zero()) {
        Some((instant, offset)) => Name::new(&instant.display_with_offset(offset).to_string()),
        None => Name::new(&stamp.to_string()),
    }
}

fn next([minutes, hours, days, months, weekdays]: &[Field; 5], start: Zoned) -> Option<Zoned> {
    let last_year = start.year() + HORIZON;
    let second = i64::from(start.second());
    let mut at = start.checked_add((60 - second).seconds()).ok()?;
    while at.year() <= last_year {
        let day = |field: &Field, value: i8| field.has(value);
        let weekday = at.weekday().to_sunday_zero_offset();
        let (in_month, in_week) = (day(days, at.day()), day(weekdays, weekday));
        let fits = if days.open || weekdays.open { in_month && in_week } else { in_month || in_week };
        if !months.has(at.month()) {
            at = at.first_of_month().ok()?.start_of_day().ok()?.checked_add(1.month()).ok()?;
        } else if !fits {
            at = at.start_of_day().ok()?.checked_add(1.day()).ok()?.start_of_day().ok()?;
        } else if !hours.has(at.hour()) {
            at = at.checked_add((60 - i64::from(at.minute())).minutes()).ok()?;
        } else if !minutes.has(at.minute()) {
            at = at.checked_add(1.minute()).ok()?;
        } else {
            return Some(at);
        }
    }
    None
}

/// One part of a field: the values that it names, and whether it is a plain star.
fn range(part: &str, low: u32, high: u32, names: &[&str]) -> Option<(u64, bool)> {
    let (values, step) = match part.split_once('/') {
        Some((values, step)) => (values, Some(step.parse::<u32>().ok()?)),
        None => (part, None),
    };
    let number = |text: &str| {
        let lower = text.to_ascii_lowercase();
        let named = names.iter().position(|name| *name == lower).map(|place| low + place as u32);
        named.or_else(|| text.parse().ok())
    };
    let (start, end, open) = match values {
        "*" | "?" => (low, high, step.is_none_or(|step| step <= 1)),
        values => match values.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?, false),
            None => (number(values)?, if step.is_some() { high } else { number(values)? }, false),
        },
    };
    if start < low || end > high || step == Some(0) {
        return None;
    }
    let bits = (start..=end).step_by(step.unwrap_or(1) as usize).fold(0, |bits, value| bits | 1 << value);
    Some((bits, open))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        Timestamp::from_unix_secs(text.parse::<jiff::Timestamp>().unwrap().as_second())
    }

    #[test]
    fn instants_read_as_the_clocks_show_them() {
        for (zone, summer, winter) in [
            ("", "2026-07-01T12:00:00Z", "2026-12-01T12:00:00Z"),
            ("Europe/London", "2026-07-01T13:00:00+01:00", "2026-12-01T12:00:00Z"),
            ("Asia/Kolkata", "2026-07-01T17:30:00+05:30", "2026-12-01T17:30:00+05:30"),
            ("America/New_York", "2026-07-01T08:00:00-04:00", "2026-12-01T07:00:00-05:00"),
        ] {
            assert_eq!(local(time("2026-07-01T12:00:00Z"), zone), summer, "{zone:?}");
            assert_eq!(local(time("2026-12-01T12:00:00Z"), zone), winter, "{zone:?}");
        }
    }

    #[test]
    fn occurrences_are_those_of_cron() {
        // From `spec_test.go` of robfig/cron: (schedule, zone, after, next).
        let cases = [
            ("* * * * *", "", "2026-11-21T12:00:30Z", "2026-11-21T12:01:00Z"),
            ("*/15 * * * *", "", "2026-11-21T12:45:00Z", "2026-11-21T13:00:00Z"),
            ("20-35/15 * * * *", "", "2026-11-21T12:20:00Z", "2026-11-21T12:35:00Z"),
            ("0 9 * * mon-fri", "", "2026-11-20T09:00:00Z", "2026-11-23T09:00:00Z"),
            ("0 0 29 2 *", "", "2026-11-21T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("0 0 13 * fri", "", "2026-11-07T00:00:00Z", "2026-11-13T00:00:00Z"),
            ("0 0 1 * fri", "", "2026-11-07T00:00:00Z", "2026-11-13T00:00:00Z"),
            ("@monthly", "", "2026-12-21T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("@every 90s", "", "2026-12-21T00:00:00Z", "2026-12-21T00:01:30Z"),
            ("30 8 * * *", "Europe/Berlin", "2026-11-21T00:00:00Z", "2026-11-21T07:30:00Z"),
            // The clocks go forward at 02:00 on 2026-03-29, and back at 03:00 on 2026-10-25.
            ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z"),
            ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
            ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
        ];
        for (schedule, zone, after, next) in cases {
            let parsed = Schedule::parse(schedule, zone).expect("a schedule");
            assert_eq!(parsed.next(time(after)), Some(time(next)), "{schedule} in {zone:?}");
        }
        assert_eq!(Schedule::parse("0 0 31 2 *", "").unwrap().next(time("2026-01-01T00:00:00Z")), None);
        assert_eq!(Schedule::parse("* * * * *", "Atlantis/Poseidonis"), None);
    }
}
