//! What a container has printed, line by line, as the runtime's log file has it.
//!
//! Follows `pkg/kubelet/kuberuntime/logs/logs.go` of Kubernetes 1.36 in what a line is: it gets its time when it ends,
//! and what was begun when the process ended is a line without an end. Only the last 64 KiB are kept, where a real
//! file is rotated at 10 MiB.

use super::behavior::{Print, Process};
use crate::engine::{SimDuration, SimTime};
use std::collections::VecDeque;

/// So many bytes of the end are kept.
const KEPT: usize = 64 << 10;
/// A log file of so many bytes is followed by the next (`containerLogMaxSize`).
const ROTATED_AT: u64 = 10 << 20;
/// So many repetitions of one print are kept.
const MOST_REPEATED: u64 = 2_000;

/// A line of a container's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it ended.
    pub at: SimTime,
    /// What it says.
    pub text: String,
    /// Whether it ends with a line break.
    pub complete: bool,
}

/// The log of a container.
#[derive(Debug, Clone, Default)]
pub(super) struct ContainerLog {
    lines: VecDeque<(SimTime, Box<[u8]>)>,
    /// What was printed since the last line break.
    begun: Vec<u8>,
    kept: usize,
    /// All bytes that were ever printed.
    printed: u64,
}

impl ContainerLog {
    /// Something is printed.
    pub(super) fn append(&mut self, at: SimTime, bytes: &[u8]) {
        self.printed = self.printed.saturating_add(bytes.len() as u64);
        let mut parts = bytes.split(|byte| *byte == b'\n');
        let last = parts.next_back().unwrap_or_default();
        for part in parts {
            self.begun.extend_from_slice(part);
            let line = std::mem::take(&mut self.begun).into_boxed_slice();
            self.kept += line.len() + 1;
            self.lines.push_back((at, line));
        }
        self.begun.extend_from_slice(last);
        while self.kept > KEPT
            && let Some((_, line)) = self.lines.pop_front()
        {
            self.kept -= line.len() + 1;
        }
        if self.begun.len() > 2 * KEPT {
            self.begun.drain(..self.begun.len() - KEPT);
        }
    }

    /// Bytes that it takes on the disk: the file that is written, and the one before. Earlier ones are compressed
    /// (`pkg/kubelet/logs/container_log_manager.go`), which leaves nothing worth counting.
    pub(super) fn on_disk(&self) -> i64 {
        let printed = self.printed;
        let bytes = if printed < ROTATED_AT { printed } else { ROTATED_AT + printed % ROTATED_AT };
        i64::try_from(bytes).unwrap_or(i64::MAX)
    }

    /// The lines so far; what was begun is one only if the process ended, at that time.
    pub(super) fn lines(&self, ended_at: Option<SimTime>) -> Vec<LogLine> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let whole = self.lines.iter().map(|(at, line)| LogLine { at: *at, text: text(line), complete: true });
        let begun = ended_at.filter(|_| !self.begun.is_empty());
        whole.chain(begun.map(|at| LogLine { at, text: text(&self.begun), complete: false })).collect()
    }
}

impl Process {
    /// What it has printed between its start and an instant.
    pub(super) fn printed(&self, since: SimTime, until: SimTime) -> Vec<LogLine> {
        let age = until.since(since);
        let mut lines: Vec<LogLine> = self.prints.iter().flat_map(|print| print.lines(since, age)).collect();
        lines.sort_by_key(|line| line.at);
        lines
    }
}

impl Print {
    fn lines(&self, since: SimTime, age: SimDuration) -> impl Iterator<Item = LogLine> + '_ {
        let rest = (age >= self.from).then(|| age.saturating_sub(self.from));
        let times = match (rest, self.every) {
            (None, _) => 0..0,
            (Some(_), None) => 0..1,
            (Some(_), Some(every)) if every.is_zero() => 0..1,
            (Some(rest), Some(every)) => {
                let count = rest.as_nanos() / every.as_nanos() + 1;
                count.saturating_sub(MOST_REPEATED)..count
            }
        };
        times.map(move |n| LogLine {
            at: since + self.from + self.every.unwrap_or_default() * n,
            text: self.line.to_string(),
            complete: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_time_of_its_end() {
        let mut log = ContainerLog::default();
        for (at, bytes) in [(1, "one\ntw"), (2, "o\n\nth"), (3, "ree")] {
            log.append(SimTime::from_secs(at), bytes.as_bytes());
        }
        let told = |ended: Option<u64>| -> Vec<(u64, String, bool)> {
            let lines = log.lines(ended.map(SimTime::from_secs));
            lines.into_iter().map(|line| (line.at.as_nanos() / 1_000_000_000, line.text, line.complete)).collect()
        };
        let line = |at, text: &str, complete| (at, text.to_owned(), complete);
        assert_eq!(told(None), [line(1, "one", true), line(2, "two", true), line(2, "", true)]);
        assert_eq!(told(Some(9)).last(), Some(&line(9, "three", false)));
    }

    #[test]
    fn an_endless_logger_leaves_its_last_lines() {
        let mut log = ContainerLog::default();
        for n in 0..20_000 {
            log.append(SimTime::from_secs(n), format!("line {n:06}\n").as_bytes());
        }
        let lines = log.lines(None);
        assert_eq!(lines.last().map(|line| line.text.as_str()), Some("line 019999"));
        assert!((5_000..6_000).contains(&lines.len()), "{}", lines.len());
    }

    #[test]
    fn models_print_at_their_times() {
        let print = |from, every: Option<u64>, line: &str| Print {
            from: SimDuration::from_secs(from),
            every: every.map(SimDuration::from_secs),
            line: line.into(),
        };
        let process = Process { prints: vec![print(4, Some(5), "tick"), print(1, None, "up")], ..Process::default() };
        let told = |age: u64| -> Vec<(u64, String)> {
            let lines = process.printed(SimTime::from_secs(100), SimTime::from_secs(100 + age));
            lines.into_iter().map(|line| (line.at.as_nanos() / 1_000_000_000, line.text)).collect()
        };
        let line = |at, text: &str| (at, text.to_owned());
        assert_eq!(told(0), []);
        assert_eq!(told(3), [line(101, "up")]);
        assert_eq!(told(14), [line(101, "up"), line(104, "tick"), line(109, "tick"), line(114, "tick")]);
    }
}
