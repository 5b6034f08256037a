//! What is cut from a recording that would be over-long, as the recorder of real clusters cuts it.
//!
//! Runtime calls that are repeated without end are counted rather than told; if that is not enough, probes by command
//! are left out and what controllers say of an object is told four times a second at most.

use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A recording of fewer bytes is not over-long.
const LONG: usize = 600_000;
/// So many equal calls in a row are told; the last of them says how many there were.
const TOLD_CALLS: usize = 20;
/// Calls further apart than this are not in a row.
const ROW: u64 = 1_000;
/// What a controller says of an object is told this far apart.
const STATUS_EVERY: u64 = 250;
/// Lines that are no controller's.
const OTHERS: [&str; 7] = ["meta", "node", "pod", "event", "cri", "net", "action"];

/// The lines of a recording, the first of which tells what was cut from the others.
pub(super) fn condensed(lines: Vec<String>) -> Vec<String> {
    let length = |lines: &[String]| lines.iter().map(|line| line.len() + 1).sum::<usize>();
    if length(&lines) <= LONG {
        return lines;
    }
    let parsed = lines.iter().map(|line| serde_json::from_str(line).expect("a line of ours is JSON"));
    let mut values: Vec<Value> = parsed.collect();
    let text = |values: &[Value]| values.iter().map(Value::to_string).collect::<Vec<_>>();
    let mut cuts = Vec::new();
    let cut = cut_rows(&mut values);
    if cut > 0 {
        cuts.push(format!(
            "{cut} repeated runtime calls cut (the last kept one has `repeated` and `repeated_until_ms`)"
        ));
    }
    if length(&text(&values)) > LONG {
        values.retain(|line| line["call"] != "ExecSync");
        thin(&mut values);
        cuts.push("ExecSync left out".to_owned());
        cuts.push(format!("controller status lines thinned to one per {STATUS_EVERY} ms"));
    }
    if let Some(meta) = values.iter_mut().find(|line| line["kind"] == "meta") {
        meta["condensed"] = json!(cuts);
    }
    text(&values)
}

fn time(line: &Value) -> u64 {
    line["t_ms"].as_u64().unwrap_or_default()
}

/// Cuts what is beyond the first calls of each row, and returns how many calls that are.
fn cut_rows(values: &mut Vec<Value>) -> usize {
    /// A row under way: the place of the last call that is told, how many there are, and when the last one was.
    struct Row {
        told: usize,
        count: usize,
        last: u64,
    }
    let mut rows: BTreeMap<String, (String, Row)> = BTreeMap::new();
    let mut kept: Vec<Value> = Vec::with_capacity(values.len());
    let mut cut = 0;
    for line in std::mem::take(values) {
        if line["kind"] != "cri" {
            kept.push(line);
            continue;
        }
        let (now, mut call) = (time(&line), line.clone());
        call.as_object_mut().into_iter().for_each(|fields| {
            fields.remove("t_ms");
            fields.remove("dur_ms");
        });
        let (pod, call) = (format!("{}/{}", call["node"], call["pod"]), call.to_string());
        match rows.get_mut(&pod) {
            Some((known, row)) if *known == call && now.saturating_sub(row.last) < ROW => {
                (row.count, row.last) = (row.count + 1, now);
                if row.count <= TOLD_CALLS {
                    row.told = kept.len();
                    kept.push(line);
                } else {
                    cut += 1;
                    let told = &mut kept[row.told];
                    told["repeated"] = (row.count - TOLD_CALLS + 1).into();
                    told["repeated_until_ms"] = now.into();
                }
            }
            _ => {
                rows.insert(pod, (call, Row { told: kept.len(), count: 1, last: now }));
                kept.push(line);
            }
        }
    }
    *values = kept;
    cut
}

/// Thins what controllers say; a new generation of an object is always told.
fn thin(values: &mut Vec<Value>) {
    let mut said: BTreeMap<(String, String), (Value, Option<u64>)> = BTreeMap::new();
    values.retain(|line| {
        if OTHERS.iter().any(|other| line["kind"] == *other) || line["type"] == "DELETED" {
            return true;
        }
        let (generation, now) = (line["generation"].clone(), time(line));
        let key = (line["kind"].to_string(), line["name"].to_string());
        let Some((known, last)) = said.get_mut(&key) else {
            said.insert(key, (generation, None));
            return true;
        };
        if std::mem::replace(known, generation.clone()) != generation {
            return true;
        }
        let told = last.is_none_or(|last| now - last >= STATUS_EVERY);
        if told {
            *last = Some(now);
        }
        told
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(lines: impl Iterator<Item = Value>) -> Vec<Value> {
        let meta = json!({"kind": "meta", "t_ms": 0, "filler": "x".repeat(LONG)});
        let lines = [meta].into_iter().chain(lines).map(|line| line.to_string()).collect();
        condensed(lines).iter().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    #[test]
    fn short_recordings_stay_as_they_are() {
        let lines = vec![json!({"kind": "cri", "call": "ExecSync", "t_ms": 1}).to_string(); 100];
        assert_eq!(condensed(lines.clone()), lines);
    }

    #[test]
    fn calls_in_a_row_are_counted() {
        // `random-052` of the recordings: twenty of a row are told.
        let stop = |t: u64| json!({"kind": "cri", "call": "StopPodSandbox", "node": "a", "pod": "p", "t_ms": t});
        let lines = long((0..50).map(stop).chain([stop(3_000)]));
        assert_eq!(lines.len(), 1 + 20 + 1);
        assert_eq!((&lines[20]["repeated"], &lines[20]["repeated_until_ms"]), (&json!(31), &json!(49)));
    }

    #[test]
    fn controllers_speak_four_times_a_second_and_when_they_are_told_to() {
        // `burst-rollout-40` of the recordings: (ms, generation, told).
        let said = [(0, 1, true), (10, 1, true), (20, 1, false), (30, 2, true), (40, 2, false), (260, 2, true)];
        let line = |(t, generation, _): (u64, i64, bool)| json!({"kind": "replicaset", "name": "web", "type": "MODIFIED", "t_ms": t, "generation": generation});
        let probe = json!({"kind": "cri", "call": "ExecSync", "t_ms": 5});
        let lines = long([probe].into_iter().chain(said.map(line)));
        let told: Vec<u64> = lines[1..].iter().map(time).collect();
        assert_eq!(told, said.iter().filter(|(.., told)| *told).map(|(t, ..)| *t).collect::<Vec<_>>());
    }
}
