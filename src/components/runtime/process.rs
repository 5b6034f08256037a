//! The programs inside containers: what they answer, and for how long an answer stands.

use super::{ExecBehavior, ExecDefault, ExecStep, Exit, Process};
use crate::api::{List, Name, Text};
use crate::engine::SimDuration;
use std::sync::{Arc, LazyLock};

/// A process that nothing is said about: it runs until it is stopped, and every command succeeds.
static DEFAULT: LazyLock<Arc<Process>> =
    LazyLock::new(|| Arc::new(Process { exec_default: ExecDefault::Succeed, ..Process::default() }));

/// The process of a container that no rule matches.
pub(super) fn default_process() -> Arc<Process> {
    DEFAULT.clone()
}

impl Process {
    /// What a command comes to at an age of the process, and for how long it would come to the same; none if it is
    /// to be run.
    pub fn answer(&self, age: SimDuration, command: &List<Text>) -> Option<(ExecStep, SimDuration)> {
        let line = join(command);
        match (self.exec.iter().find(|entry| *entry.command == *line), self.exec_default) {
            (Some(entry), _) => Some(entry.at(age)),
            (None, ExecDefault::Succeed) => Some((ExecStep::default(), SimDuration::MAX)),
            (None, ExecDefault::Run) => None,
        }
    }
}

impl ExecBehavior {
    fn at(&self, age: SimDuration) -> (ExecStep, SimDuration) {
        let current = self.timeline.iter().rfind(|step| step.from <= age).cloned().unwrap_or_default();
        let next = self.timeline.iter().map(|step| step.from).filter(|from| *from > age).min();
        (current, next.map_or(SimDuration::MAX, |from| from.saturating_sub(age)))
    }
}

impl Exit {
    /// The runtime's word for it: what is given, else `Completed` for 0 and `Error` for anything else.
    pub fn reason(&self) -> Name {
        match self.code {
            _ if !self.reason.is_empty() => self.reason,
            0 => *super::COMPLETED,
            _ => *super::ERROR,
        }
    }

    /// The end by a kill.
    pub fn killed() -> Self {
        Self { code: 137, ..Self::default() }
    }
}

/// A command line as people write it.
pub(super) fn join(command: &[Text]) -> String {
    let mut line = String::new();
    for (place, word) in command.iter().enumerate() {
        if place > 0 {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::super::ExecResult;
    use super::*;

    #[test]
    fn the_last_answer_whose_time_has_come_counts() {
        let step = |secs, result| ExecStep { from: SimDuration::from_secs(secs), result, duration: None };
        let entry = ExecBehavior {
            command: "/probe ready".into(),
            timeline: vec![step(0, ExecResult::Failure), step(3, ExecResult::Success), step(9, ExecResult::Hang)],
        };
        let process = Process { exec: vec![entry], ..Process::default() };
        let command: List<Text> = [Text::from("/probe"), Text::from("ready")].into_iter().collect();
        for (age, result, stands) in [
            (0, ExecResult::Failure, SimDuration::from_secs(3)),
            (3, ExecResult::Success, SimDuration::from_secs(6)),
            (8, ExecResult::Success, SimDuration::from_secs(1)),
            (9, ExecResult::Hang, SimDuration::MAX),
        ] {
            let (step, stands_for) = process.answer(SimDuration::from_secs(age), &command).unwrap();
            assert_eq!((step.result, stands_for), (result, stands), "at {age} s");
        }
        let other: List<Text> = [Text::from("true")].into_iter().collect();
        assert!(process.answer(SimDuration::ZERO, &other).is_none(), "it is run");
        let idle = Process { exec_default: ExecDefault::Succeed, ..process };
        assert_eq!(idle.answer(SimDuration::ZERO, &other).unwrap().0.result, ExecResult::Success);
    }
}
