//! `pods.csv`: one row per pod, its milestones in milliseconds since the start of the run.

use super::story::{Milestones, PodLife, Story};
use crate::engine::SimTime;
use csv::Writer;

/// The table of all pods, in the order in which they were created.
pub fn csv(story: &Story) -> Vec<u8> {
    let mut table = Writer::from_writer(Vec::new());
    let stages = Milestones::NAMES.map(|name| format!("{name}_ms"));
    let head = ["namespace", "name", "uid", "node"].into_iter().chain(stages.iter().map(String::as_str));
    table.write_record(head.chain(["restarts", "phase", "outcome"])).expect("memory takes everything");
    for pod in &story.pods {
        table.write_record(row(pod)).expect("memory takes everything");
    }
    table.into_inner().expect("memory takes everything")
}

fn row(pod: &PodLife) -> Vec<String> {
    let names = [pod.namespace.to_string(), pod.name.to_string(), pod.uid.to_string(), pod.node.to_string()];
    let stages = pod.milestones.all().map(|(_, at)| at.map_or_else(String::new, millis));
    let end = [pod.restarts.to_string(), pod.phase().to_string(), pod.outcome().to_owned()];
    names.into_iter().chain(stages).chain(end).collect()
}

/// Milliseconds with three digits behind the point.
fn millis(at: SimTime) -> String {
    let micros = at.as_nanos() / 1_000;
    format!("{}.{:03}", micros / 1_000, micros % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::test_run::crash_loop;

    #[test]
    fn every_pod_has_a_row_and_every_row_all_columns() {
        let text = String::from_utf8(csv(&Story::of(&crash_loop()))).expect("text");
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        assert_eq!(rows.len(), 4);
        assert!(rows.iter().all(|row| row.len() == 15), "{rows:?}");
        assert_eq!(rows.iter().map(|row| row[1]).collect::<Vec<_>>(), ["name", "web", "crash", "gone"]);
        assert_eq!(rows.iter().map(|row| row[14]).collect::<Vec<_>>(), ["outcome", "Running", "Running", "Deleted"]);
        assert_eq!(millis(SimTime::from_nanos(1_234_567_890)), "1234.567");
    }
}
