//! The syntax of schedules, as the parser that the server uses reads it (robfig/cron v3, `ParseStandard`).

/// What is wrong with a schedule, in that parser's words.
pub(super) fn check(schedule: &str) -> Result<(), String> {
    if let Some(descriptor) = schedule.strip_prefix('@') {
        return check_descriptor(descriptor);
    }
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    let wanted: [(i64, i64, &[&str]); 5] = [(0, 59, &[]), (0, 23, &[]), (1, 31, &[]), (1, 12, &MONTHS), (0, 6, &DAYS)];
    if fields.len() != wanted.len() {
        return Err(format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" ")));
    }
    for (field, (low, high, names)) in fields.iter().zip(wanted) {
        for part in field.split(',').filter(|part| !part.is_empty()) {
            check_range(part, low, high, names)?;
        }
    }
    Ok(())
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

fn check_descriptor(descriptor: &str) -> Result<(), String> {
    if let Some(duration) = descriptor.strip_prefix("every ") {
        let is_duration = duration.trim_start_matches(|c: char| c.is_ascii_digit() || ".hmsnuµ".contains(c)).is_empty()
            && duration.ends_with(|c: char| c.is_ascii_alphabetic())
            && duration.starts_with(|c: char| c.is_ascii_digit());
        return if is_duration {
            Ok(())
        } else {
            Err(format!("failed to parse duration @{descriptor}: time: invalid duration {duration:?}"))
        };
    }
    match descriptor {
        "yearly" | "annually" | "monthly" | "weekly" | "daily" | "midnight" | "hourly" => Ok(()),
        _ => Err(format!("unrecognized descriptor: @{descriptor}")),
    }
}

fn check_range(part: &str, low: i64, high: i64, names: &[&str]) -> Result<(), String> {
    let pieces: Vec<&str> = part.split('/').collect();
    let bounds: Vec<&str> = pieces[0].split('-').collect();
    let (start, mut end);
    if matches!(bounds[0], "*" | "?") {
        (start, end) = (low, high);
    } else {
        start = number(bounds[0], low, names)?;
        end = match bounds[..] {
            [_] => start,
            [_, last] => number(last, low, names)?,
            _ => return Err(format!("too many hyphens: {part}")),
        };
    }
    match pieces[..] {
        [_] => {}
        [_, step] => {
            let step = number(step, 0, &[])?;
            if bounds.len() == 1 {
                end = high;
            }
            if step == 0 {
                return Err(format!("step of range should be a positive number: {part}"));
            }
        }
        _ => return Err(format!("too many slashes: {part}")),
    }
    if start < low {
        return Err(format!("beginning of range ({start}) below minimum ({low}): {part}"));
    }
    if end > high {
        return Err(format!("end of range ({end}) above maximum ({high}): {part}"));
    }
    if start > end {
        return Err(format!("beginning of range ({start}) beyond end of range ({end}): {part}"));
    }
    Ok(())
}

fn number(text: &str, first: i64, names: &[&str]) -> Result<i64, String> {
    let lower = text.to_ascii_lowercase();
    if let Some(place) = names.iter().position(|name| *name == lower) {
        return Ok(first + place as i64);
    }
    let parsed = text.parse::<i64>();
    match parsed {
        Ok(number) if number < 0 => Err(format!("negative number ({number}) not allowed: {text}")),
        Ok(number) => Ok(number),
        Err(_) => Err(format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: invalid syntax")),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn schedules_are_read_as_cron_reads_them() {
        for (schedule, wrong) in [
            ("* * * * *", ""),
            ("*/5 0-6 1,15 jan-mar MON", ""),
            ("@hourly", ""),
            ("@every 1h30m", ""),
            ("0 0 ? * *", ""),
            ("5/15 * * * *", ""),
            ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
            ("61 * * * *", "end of range (61) above maximum (59): 61"),
            ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
            ("9-5 * * * *", "beginning of range (9) beyond end of range (5): 9-5"),
            ("a * * * *", "failed to parse int from a: strconv.Atoi: parsing \"a\": invalid syntax"),
            ("*/0 * * * *", "step of range should be a positive number: */0"),
            ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
            ("* * * * 7", "end of range (7) above maximum (6): 7"),
            ("@never", "unrecognized descriptor: @never"),
        ] {
            assert_eq!(check(schedule).err().unwrap_or_default(), wrong, "{schedule}");
        }
    }
}
