//! Commands that a kubelet runs in containers: decided when they begin, ended by their time, their timeout, or the end
//! of the container.
//!
//! As containerd does it (`internal/cri/server/container_execsync.go`): a command in a container that does not run is
//! refused at once; when the container's process ends, the kernel kills what else runs there, and the command's exit
//! code is 137; a command that takes too long is killed, and the call fails with `DeadlineExceeded`.

use super::process::join;
use super::program::{Place, command_of, why_not};
use super::script::{Script, Session};
use super::shell::{Setup, Shell, World, find};
use super::{ExecResult, ExecStep, NOTICEABLE, RuntimeMessage, Runtimes};
use crate::api::{ContainerId, List, Text, names};
use crate::components::cri::{CriError, CriReply, CriResult, InstanceState, PodKey};
use crate::components::message::{Message, NodeIndex};
use crate::engine::{Outbox, Purpose, SimDuration, SimTime, StreamKey};

names! {
    DEADLINE_EXCEEDED = "DeadlineExceeded";
}

/// The process number of a command that is sent into a container: far from those of its own processes.
const EXEC_PID: u32 = 1_000;
const EXEC: Purpose = Purpose::new("exec duration");
/// What the scripted world calls a moment: a command that nothing is said about.
const MOMENT: SimDuration = SimDuration::from_millis(2);
/// The longest that it takes to find out that a container does not run.
const REFUSAL: SimDuration = SimDuration::from_millis(1);

/// A command that runs in a container.
#[derive(Debug, Clone)]
pub(super) struct ExecSession {
    pub(super) key: PodKey,
    pub(super) container: ContainerId,
    /// What it comes to, unless the container ends before.
    outcome: CriResult,
    /// What plays it, if it is no answer of a model.
    pub(super) script: Option<Box<Script>>,
}

/// A command, and where it is to be run.
pub(super) struct ExecCall<'a> {
    pub(super) key: PodKey,
    pub(super) container: ContainerId,
    pub(super) command: &'a List<Text>,
    /// How long it may take; zero for ever.
    pub(super) timeout: SimDuration,
    /// What its luck is drawn from, with the moment.
    pub(super) stream: StreamKey,
}

impl Runtimes {
    /// Begins a command; its answer follows by itself.
    pub(super) fn begin_exec(
        &mut self,
        now: SimTime,
        node: NodeIndex,
        id: u32,
        exec: &ExecCall<'_>,
        out: &mut Outbox<Message>,
    ) {
        let place = Place { node, key: exec.key, container: exec.container };
        let (step, stands_for) = match self.disturbed_exec(now, place, exec, self.plan_exec(now, node, exec)) {
            Ok(Some(plan)) => plan,
            Ok(None) => return self.begin_exec_script(now, node, id, exec, out),
            Err(error) => {
                let overhead =
                    self.draws.sample(&self.profile.runtime_call, EXEC, exec.stream, now.as_nanos()).min(REFUSAL);
                return out.after(overhead, Message::CriDone { node, id, result: Err(error) });
            }
        };
        let duration = match (&step.result, &step.duration) {
            (ExecResult::Hang, _) => SimDuration::MAX,
            (_, Some(duration)) => self.draws.sample(duration, EXEC, exec.stream, now.as_nanos()),
            (_, None) => MOMENT,
        };
        let duration = self.machines[node.index()].cpu_time(duration);
        let (duration, stands_for) = match self.busy_container(place) {
            Some(stretch) => (duration.mul_ratio(stretch, 1_000), SimDuration::ZERO),
            None => (duration, stands_for),
        };
        let stands_for = if duration > NOTICEABLE { SimDuration::ZERO } else { stands_for };
        let late = !exec.timeout.is_zero() && duration >= exec.timeout;
        let (after, outcome) =
            if late { (exec.timeout, Err(timed_out(exec.timeout))) } else { (duration, reply(step, now + stands_for)) };
        let session = ExecSession { key: exec.key, container: exec.container, outcome, script: None };
        self.machines[node.index()].execs.insert(id, session);
        if after < SimDuration::MAX {
            out.after(after, Message::Runtime(node, RuntimeMessage::ExecDone { id }));
        }
    }

    /// What the command would come to if nothing happened to its container, and for how long that stands.
    fn plan_exec(
        &self,
        now: SimTime,
        node: NodeIndex,
        exec: &ExecCall<'_>,
    ) -> Result<Option<(ExecStep, SimDuration)>, Box<CriError>> {
        let ExecCall { key, container, command, .. } = exec;
        let found = self.machines[node.index()].pods.get(key).and_then(|record| record.instance(*container));
        let Some(instance) = found else {
            return Err(CriError::not_found(format!("an error occurred when try to find container {container:?}")));
        };
        match instance.status.state {
            InstanceState::Running => {
                Ok(instance.main_model().and_then(|program| program.model.answer(now.since(program.since), command)))
            }
            state => {
                let state = match state {
                    InstanceState::Created => "CREATED",
                    InstanceState::Running => "RUNNING",
                    InstanceState::Exited => "EXITED",
                    InstanceState::Unknown => "UNKNOWN",
                };
                let text = format!("failed to exec in container: container is in CONTAINER_{state} state");
                Err(CriError::unknown(text))
            }
        }
    }

    /// The same while faults have a say.
    fn disturbed_exec(
        &self,
        now: SimTime,
        place: Place,
        exec: &ExecCall<'_>,
        plan: Result<Option<(ExecStep, SimDuration)>, Box<CriError>>,
    ) -> Result<Option<(ExecStep, SimDuration)>, Box<CriError>> {
        let plan = plan?;
        let command = join(exec.command);
        Ok(match self.exec_disturbed(place, &command, (exec.stream, now)) {
            Some(result) => Some((ExecStep { result, ..ExecStep::default() }, SimDuration::ZERO)),
            None if self.exec_may_be_disturbed(place, &command) => plan.map(|(step, _)| (step, SimDuration::ZERO)),
            None => plan,
        })
    }

    /// Begins a command that the shell plays in the container.
    fn begin_exec_script(
        &mut self,
        now: SimTime,
        node: NodeIndex,
        id: u32,
        exec: &ExecCall<'_>,
        out: &mut Outbox<Message>,
    ) {
        let place = Place { node, key: exec.key, container: exec.container };
        let Some((config, image, _)) = self.image_of(place) else { return };
        let argv = exec.command.iter().map(|word| word.to_string()).collect();
        let found = self.with_world(now, place, None, |world| {
            let command = command_of(argv, &config, &image, world.hostname());
            (find(&command, world), command)
        });
        let Some((found, command)) = found else { return };
        let overhead = self.draws.sample(&self.profile.exec, EXEC, exec.stream, now.as_nanos());
        let overhead = self.machines[node.index()].cpu_time(overhead);
        let name = command.argv.first().cloned().unwrap_or_default();
        if let Some(failure) = why_not(&found, &name) {
            let error = CriError::unknown(format!(
                "failed to exec in container: failed to start exec: OCI runtime exec failed: exec failed: unable to \
                 start container process: {failure}: unknown"
            ));
            return out.after(overhead, Message::CriDone { node, id, result: Err(error) });
        }
        let dialect = image.dialect().unwrap_or_default();
        let setup = Setup { dialect, pid: EXEC_PID, seed: self.random_seed(place), waits_for_input: false };
        let script = Some(Box::new(Script::new(Shell::new(command, setup))));
        let outcome = Err(timed_out(exec.timeout));
        let session = ExecSession { key: exec.key, container: exec.container, outcome, script };
        self.machines[node.index()].execs.insert(id, session);
        self.resume_soon(place, Session::Exec(id), overhead, out);
        if !exec.timeout.is_zero() {
            out.after(exec.timeout, Message::Runtime(node, RuntimeMessage::ExecDone { id }));
        }
    }

    /// Puts a file into a container, with the directories that it needs.
    ///
    /// # Errors
    /// Why it cannot be written.
    pub fn put_file(
        &mut self,
        now: SimTime,
        node: NodeIndex,
        key: PodKey,
        container: ContainerId,
        path: &str,
        content: &[u8],
    ) -> Result<(), String> {
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        let written = self.with_world(now, Place { node, key, container }, None, |world| {
            let mut files = world.files();
            if !directory.is_empty() {
                files.create_directories(directory)?;
            }
            files.truncate(path)?;
            files.append(path, content)
        });
        match written {
            None => Err("container not found".to_owned()),
            Some(Err(error)) => Err(format!("tar: can't open '{}': {error}", path.trim_start_matches('/'))),
            Some(Ok(())) => Ok(()),
        }
    }

    /// A command that the shell played has ended.
    pub(super) fn exec_ended(&mut self, node: NodeIndex, id: u32, exit_code: i32, out: &mut Outbox<Message>) {
        let Some(session) = self.machines[node.index()].execs.remove(&id) else { return };
        let output = session.script.map(|script| String::from_utf8_lossy(&script.output).as_ref().into());
        let reply = CriReply::Exec { exit_code, output: output.unwrap_or_default(), stands_until: SimTime::ZERO };
        out.now(Message::CriDone { node, id, result: Ok(reply) });
    }

    /// The time of a command is over.
    pub(super) fn exec_done(&mut self, node: NodeIndex, id: u32, out: &mut Outbox<Message>) {
        if let Some(session) = self.machines[node.index()].execs.remove(&id) {
            out.now(Message::CriDone { node, id, result: session.outcome });
        }
    }
}

fn timed_out(timeout: SimDuration) -> Box<CriError> {
    let message = format!("failed to exec in container: timeout {timeout} exceeded: context deadline exceeded");
    Box::new(CriError { code: *DEADLINE_EXCEEDED, message: message.into() })
}

/// The end of a command whose container was killed under it.
pub(super) fn killed() -> CriReply {
    CriReply::Exec { exit_code: 137, output: Text::default(), stands_until: SimTime::ZERO }
}

fn reply(step: ExecStep, stands_until: SimTime) -> CriResult {
    let (exit_code, output) = match step.result {
        ExecResult::Success => (0, Text::default()),
        ExecResult::Failure => (1, Text::default()),
        ExecResult::Exit { code, output } => (code, output),
        ExecResult::Error => return Err(CriError::unknown("failed to exec in container: scripted error")),
        ExecResult::Hang => (0, Text::default()),
    };
    Ok(CriReply::Exec { exit_code, output, stands_until })
}
