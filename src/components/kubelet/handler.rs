//! Running a probe or a hook: a command, a request over the network, or a pause.
//!
//! Follows `pkg/probe` and `pkg/kubelet/lifecycle/handlers.go` of Kubernetes 1.36.

use super::net_client::{Asker, NetHandler, Next};
use super::{Kubelet, KubeletMessage, PendingCri};
use crate::api::{ContainerId, Handler, Name, Pod, Text};
use crate::components::cri::{CriCall, CriReply, CriResult, PodKey};
use crate::components::message::Message;
use crate::components::net::{NetClient, NetReply};
use crate::engine::{Outbox, SimDuration, SimTime, StreamKey};

/// Who waits for a handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HandlerRun {
    /// A probe worker.
    Probe { key: PodKey, worker: usize },
    /// The start of a container.
    PostStart { key: PodKey, turn: u32 },
    /// The stopping of a container.
    PreStop { key: PodKey, turn: u32, container: ContainerId },
}

/// A handler that is not over.
#[derive(Debug, Clone)]
pub(super) struct PendingHandler {
    run: HandlerRun,
    /// The request that it is at.
    net: Option<Box<NetHandler>>,
}

/// What a handler came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HandlerOutcome {
    /// It did what it should, and would again until then.
    Success { stands_until: SimTime },
    /// It did, but people should know something.
    Warning(Text),
    /// It did not.
    Failure(Text),
    /// A command did not: its exit code and what it printed.
    Exited { code: i32, output: Text },
    /// It could not be run: it says nothing about the container.
    Error(Text),
}

impl HandlerOutcome {
    /// What is said of a hook that failed (`handlers.go`, `Run`); nothing of one that did not. All that its command
    /// printed counts as standard output, which the error leaves out.
    pub(super) fn hook_failure(&self, handler: &Handler, container: Name, pod: &Pod) -> Option<String> {
        let (error, output) = match self {
            Self::Success { .. } | Self::Warning(_) => return None,
            Self::Failure(error) | Self::Error(error) => (error.to_string(), ""),
            Self::Exited { code, output } => (format!("exited with {code}: "), &**output),
        };
        let meta = &pod.meta;
        let of = format!("for Container \"{container}\" in Pod \"{}_{}({})\"", meta.name, meta.namespace, meta.uid);
        Some(match handler {
            Handler::Exec { command } => {
                let command = command.iter().map(|word| &**word).collect::<Vec<_>>().join(" ");
                let ended = matches!(self, Self::Exited { .. });
                let error = if ended { format!("command '{command}' {error}") } else { error };
                format!("Exec lifecycle hook ([{command}]) {of} failed - error: {error}, message: {output:?}")
            }
            Handler::HttpGet { path, .. } => format!("HTTP lifecycle hook ({path}) {of} failed - error: {error}"),
            Handler::Sleep { seconds } => format!("Sleep lifecycle hook ({seconds}) {of} failed - error: {error}"),
            Handler::TcpSocket { .. } | Handler::Grpc { .. } => format!("Cannot run handler: {error}"),
        })
    }
}

impl Kubelet {
    /// Runs a handler against an instance of a container.
    #[allow(clippy::too_many_arguments, reason = "what is run, where, for whom, and how long it may take")]
    pub(super) fn run_handler(
        &mut self,
        now: SimTime,
        key: PodKey,
        container: Name,
        id: ContainerId,
        handler: &Handler,
        timeout: SimDuration,
        run: HandlerRun,
        out: &mut Outbox<Message>,
    ) {
        self.calls += 1;
        let number = self.calls;
        let probe = matches!(run, HandlerRun::Probe { .. });
        let stream = self.stream_of(&run, id);
        self.handlers.insert(number, PendingHandler { run, net: None });
        match handler {
            Handler::Exec { command } => {
                let delay = self.latency(|profile| &profile.runtime_call, now, stream);
                let call = CriCall::ExecSync { key, container: id, command: command.clone(), timeout, probe, stream };
                self.call_runtime(delay, call, PendingCri::Handler(number), out);
            }
            Handler::Sleep { seconds } => {
                let pause = SimDuration::from_secs(*seconds);
                out.after(pause, self.message(KubeletMessage::HandlerTimer { run: number }));
            }
            Handler::HttpGet { .. } | Handler::TcpSocket { .. } | Handler::Grpc { .. } => {
                let asker = if probe { Asker::Probe { timeout } } else { Asker::Hook };
                self.begin_net(now, (key, container), number, handler, (asker, stream), out);
            }
        }
    }

    /// What a handler's luck is drawn from: its worker, or the container whose hook it is.
    fn stream_of(&self, run: &HandlerRun, id: ContainerId) -> StreamKey {
        match run {
            HandlerRun::Probe { key, worker } => self.pods[key].probes.stream(*worker),
            HandlerRun::PostStart { .. } | HandlerRun::PreStop { .. } => StreamKey::from_bits(id.bits()),
        }
    }

    fn begin_net(
        &mut self,
        now: SimTime,
        (key, container): (PodKey, Name),
        run: u32,
        handler: &Handler,
        (asker, stream): (Asker, StreamKey),
        out: &mut Outbox<Message>,
    ) {
        let Some(state) = self.pods.get(&key) else { return };
        let spec = state.pod.spec.clone();
        let Some(container) = spec.container(container) else { return };
        // To a hook the runtime names the address, and it has none for a pod on the node's network.
        let of_sandbox = state.runtime.sandboxes.first().and_then(|sandbox| sandbox.ip);
        let of_node = (spec.host_network && asker != Asker::Hook).then_some(self.address);
        let (net, next) = NetHandler::begin(now, (asker, stream), handler, container, of_sandbox.or(of_node));
        if let Some(pending) = self.handlers.get_mut(&run) {
            pending.net = net.map(Box::new);
        }
        self.net_goes_on(now, run, next, out);
    }

    fn net_goes_on(&mut self, now: SimTime, run: u32, next: Next, out: &mut Outbox<Message>) {
        match next {
            Next::Ask(request) => {
                let delay = self.latency(|profile| &profile.pod_network, now, request.stream);
                let client = NetClient::Kubelet(self.node);
                out.after(delay, Message::Net { client, id: run, request });
            }
            Next::Wait(until) => {
                out.after(until.since(now), self.message(KubeletMessage::HandlerTimer { run }));
            }
            Next::Done(outcome) => self.handler_outcome(now, run, outcome, out),
        }
    }

    /// A request over the network is answered.
    pub(super) fn net_answered(&mut self, now: SimTime, run: u32, reply: NetReply, out: &mut Outbox<Message>) {
        let Some(net) = self.handlers.get_mut(&run).and_then(|pending| pending.net.as_mut()) else { return };
        let next = net.answered(now, reply);
        self.net_goes_on(now, run, next, out);
    }

    /// A pause is over.
    pub(super) fn handler_timer(&mut self, now: SimTime, run: u32, out: &mut Outbox<Message>) {
        match self.handlers.get_mut(&run) {
            Some(PendingHandler { net: Some(net), .. }) => {
                let next = net.resume(now);
                self.net_goes_on(now, run, next, out);
            }
            Some(PendingHandler { net: None, .. }) => {
                self.handler_outcome(now, run, HandlerOutcome::Success { stands_until: SimTime::MAX }, out);
            }
            None => {}
        }
    }

    /// A command has ended.
    pub(super) fn handler_answered(&mut self, now: SimTime, run: u32, result: CriResult, out: &mut Outbox<Message>) {
        let outcome = match result {
            Ok(CriReply::Exec { exit_code: 0, stands_until, .. }) => HandlerOutcome::Success { stands_until },
            Ok(CriReply::Exec { exit_code: code, output, .. }) => HandlerOutcome::Exited { code, output },
            Ok(_) => unreachable!("ExecSync answers with an exit code"),
            Err(error) if error.code == "DeadlineExceeded" => HandlerOutcome::Failure(self.timeout_text(run)),
            Err(error) => HandlerOutcome::Error(error.rpc_text().into()),
        };
        self.handler_outcome(now, run, outcome, out);
    }

    /// What is said of a command that took too long (`pkg/probe/exec`).
    fn timeout_text(&self, run: u32) -> Text {
        let Some(HandlerRun::Probe { key, worker }) = self.handlers.get(&run).map(|pending| &pending.run) else {
            return Text::default();
        };
        let Some(state) = self.pods.get(key) else { return Text::default() };
        let Some((command, timeout)) = state.probes.command_of(*worker) else { return Text::default() };
        format!("command timed out: \"{command}\" timed out after {timeout}").into()
    }

    fn handler_outcome(&mut self, now: SimTime, run: u32, outcome: HandlerOutcome, out: &mut Outbox<Message>) {
        match self.handlers.remove(&run).map(|pending| pending.run) {
            Some(HandlerRun::Probe { key, worker }) => self.probe_answered(now, key, worker, outcome, out),
            Some(HandlerRun::PostStart { key, turn }) if self.turn(key) == turn => {
                self.post_start_done(now, key, outcome, out);
            }
            Some(HandlerRun::PreStop { key, turn, container }) => {
                self.pre_stop_done(now, key, turn, container, outcome, out);
            }
            Some(HandlerRun::PostStart { .. }) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Metadata, Uid};

    #[test]
    fn a_hook_that_failed_is_told_of_as_recorded() {
        // Cases poststart-fails, random-018 and net-hook-poststart-refused.
        let meta = Metadata { name: Name::new("ps"), namespace: Name::new("default"), ..Metadata::default() };
        let (spec, node_name, status) = Default::default();
        let pod = Pod { meta, spec, node_name, status };
        let who = format!("for Container \"app\" in Pod \"ps_default({})\" failed - error:", Uid::default());
        let exec = Handler::Exec { command: [Text::from("/hook"), "poststart".into()].into_iter().collect() };
        let exited = |code, output: &str| HandlerOutcome::Exited { code, output: output.into() };
        for (outcome, expected) in [
            (
                exited(1, "scripted \"failure\""),
                "command '/hook poststart' exited with 1: , message: \"scripted \\\"failure\\\"\"",
            ),
            (exited(137, ""), "command '/hook poststart' exited with 137: , message: \"\""),
            (HandlerOutcome::Error("no runtime".into()), "no runtime, message: \"\""),
        ] {
            let text = outcome.hook_failure(&exec, Name::new("app"), &pod);
            assert_eq!(text, Some(format!("Exec lifecycle hook ([/hook poststart]) {who} {expected}")));
        }
        let fine = HandlerOutcome::Success { stands_until: SimTime::MAX };
        assert_eq!(fine.hook_failure(&exec, Name::new("app"), &pod), None);
    }
}
