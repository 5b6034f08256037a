//! `kubectl get events`.
//!
//! Follows Kubernetes 1.36 `pkg/printers/internalversion/printers.go` (`printEvent`).

use super::{Columns, since};
use crate::report::kubectl::fields::Fields;
use crate::report::kubectl::table::{Column, NAME, column, wide};
use jiff::Timestamp;
use serde_json::Value;

/// When, what, of whom.
pub const COLUMNS: Columns = &[
    column("Last Seen"),
    column("Type"),
    column("Reason"),
    column("Object"),
    wide("Subobject"),
    wide("Source"),
    column("Message"),
    wide("First Seen"),
    wide("Count"),
    Column { wide: true, ..NAME },
];

/// The line of one event.
pub fn cells(event: &Value, now: Timestamp) -> Vec<String> {
    let first = event.time("firstTimestamp").or(event.time("eventTime"));
    let series = event.at("series");
    let (last, count) = if series.is_null() {
        (event.time("lastTimestamp").or(first), event.int("count").max(i64::from(event.int("count") == 0)))
    } else {
        (series.time("lastObservedTime"), series.int("count"))
    };
    vec![
        since(last, now),
        event.text("type").to_owned(),
        event.text("reason").to_owned(),
        target(event),
        event.text("involvedObject.fieldPath").to_owned(),
        source(event),
        event.text("message").trim().to_owned(),
        since(first, now),
        count.to_string(),
        event.text("metadata.name").to_owned(),
    ]
}

fn target(event: &Value) -> String {
    let kind = event.text("involvedObject.kind").to_lowercase();
    match event.text("involvedObject.name") {
        "" => kind,
        name => format!("{kind}/{name}"),
    }
}

/// Who says so: component and host, or the newer names for them.
fn source(event: &Value) -> String {
    let component = event.text_or("source.component", event.text("reportingComponent"));
    match event.text_or("source.host", event.text("reportingInstance")) {
        "" => component.to_owned(),
        host => format!("{component}, {host}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_come_from_wherever_the_event_has_them() {
        let now = "2026-01-01T00:10:00Z".parse().expect("a time");
        for (event, last, first, count) in [
            (json!({}), "<unknown>", "<unknown>", "1"),
            (json!({"eventTime": "2026-01-01T00:09:00.000001Z"}), "59s", "59s", "1"),
            (
                json!({"firstTimestamp": "2026-01-01T00:05:00Z", "lastTimestamp": "2026-01-01T00:09:30Z", "count": 4}),
                "30s",
                "5m",
                "4",
            ),
            (
                json!({
                    "eventTime": "2026-01-01T00:05:00Z",
                    "series": {"lastObservedTime": "2026-01-01T00:09:50Z", "count": 7},
                }),
                "10s",
                "5m",
                "7",
            ),
        ] {
            let cells = cells(&event, now);
            assert_eq!((cells[0].as_str(), cells[7].as_str(), cells[8].as_str()), (last, first, count), "{event}");
        }
    }
}
