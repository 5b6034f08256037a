//! Signals and traps, with the shell as PID 1.

use super::super::Dialect::{self, Bash, BusyBox, Dash};
use super::super::{Disposition, Setup, Shell, Signal, State};
use super::harness::Container;
use crate::engine::SimTime;

/// Runs a script, sends a signal at 2.5 s, and returns what the signal did, the output, the exit code and the end.
fn signalled(script: &str, dialect: Dialect, signal: Signal) -> (Disposition, String, Option<i32>, SimTime) {
    let mut container = Container::new(&["bash", "-c", script], dialect);
    container.run_until(SimTime::from_millis(2_500));
    container.now = SimTime::from_millis(2_500);
    assert_eq!(container.shell.has_trap(signal), container.shell.clone().signal(signal) == Disposition::Trapped);
    let disposition = container.shell.signal(signal);
    container.state = State::Waiting { until: Some(container.now) };
    container.run();
    (disposition, container.output.clone(), container.exit_code(), container.now)
}

#[test]
fn a_trap_runs_when_the_command_in_the_foreground_has_ended() {
    for dialect in [BusyBox, Dash, Bash] {
        for (script, output, code, end) in [
            ("trap 'exit 0' TERM; while :; do sleep 1; done", "", 0, 3),
            ("trap 'echo bye; exit 3' TERM; sleep 10; echo no", "bye\n", 3, 10),
            ("trap 'echo got' TERM; sleep 4; echo after", "got\nafter\n", 0, 4),
            ("trap 'echo $?' TERM; x=$(sleep 4; exit 6); echo [$?]", "6\n[6]\n", 0, 4),
            ("f() { echo in f; exit 5; }; trap f TERM INT; while true; do sleep 1; done", "in f\n", 5, 3),
            ("trap 'exit 7' TERM; sleep 6 | cat; echo no", "", 7, 6),
            ("trap 'echo out; exit 1' TERM; sleep 3 > /dev/null; echo no", "out\n", 1, 3),
            ("trap 'echo in' TERM; { sleep 3; echo body; } > /f; cat /f", "in\nbody\n", 0, 3),
        ] {
            let (disposition, found, status, ended) = signalled(script, dialect, Signal::TERM);
            assert_eq!(disposition, Disposition::Trapped, "{script}");
            assert_eq!((found.as_str(), status), (output, Some(code)), "{script} {dialect:?}");
            assert_eq!(ended.as_nanos() / 1_000_000_000, end, "{script}: {ended}");
        }
    }
}

#[test]
fn wait_is_interrupted_at_once() {
    for (script, output, code) in [
        ("trap 'echo term; exit 0' TERM; sleep 100 & wait; echo no", "term\n", 0),
        ("trap 'echo term' TERM; sleep 100 & wait $!; echo $?", "term\n143\n", 0),
        ("trap 'kill $pid; wait $pid; echo $?; exit 9' TERM; sleep 100 & pid=$!; wait $pid", "143\n", 9),
        ("trap 'exit 4' TERM; while :; do sleep 50 & wait $!; done", "", 4),
    ] {
        for dialect in [BusyBox, Dash, Bash] {
            let (_, found, status, ended) = signalled(script, dialect, Signal::TERM);
            assert_eq!((found.as_str(), status), (output, Some(code)), "{script}");
            assert!(ended < SimTime::from_millis(2_520), "{script}: {ended}");
        }
    }
}

#[test]
fn without_a_trap_the_caller_decides() {
    for (script, signal, disposition) in [
        ("sleep 60", Signal::TERM, Disposition::Default),
        ("while :; do sleep 1; done", Signal::TERM, Disposition::Default),
        ("trap 'exit 0' TERM; sleep 60; :", Signal::INT, Disposition::Default),
        ("trap 'exit 0' TERM; sleep 60; :", Signal::KILL, Disposition::Default),
        ("trap '' TERM; sleep 60; :", Signal::TERM, Disposition::Ignored),
        ("trap 'exit 0' TERM; trap - TERM; sleep 60; :", Signal::TERM, Disposition::Default),
        ("(trap 'exit 0' TERM; sleep 60); :", Signal::TERM, Disposition::Default),
    ] {
        assert_eq!(signalled(script, Bash, signal).0, disposition, "{script}");
    }
}

#[test]
fn the_exit_trap_runs_at_every_end() {
    for (script, output, code) in [
        ("trap 'echo bye $?' EXIT; exit 3", "bye 3\n", 3),
        ("trap 'echo bye; exit 7' EXIT; exit 3", "bye\n", 7),
        ("trap 'echo bye' 0; echo end", "end\nbye\n", 0),
        ("trap 'exit 5' TERM; trap 'echo last' EXIT; kill -TERM $$; sleep 1", "last\n", 5),
        ("(trap 'echo sub' EXIT; :); trap 'echo main' EXIT; (:)", "sub\nmain\n", 0),
    ] {
        let (output_found, _, status) = super::harness::play(script, Dash);
        assert_eq!((output_found.as_str(), status), (output, Some(code)), "{script}");
    }
}

#[test]
fn kill_reaches_jobs_and_programs() {
    for (script, output) in [
        ("sleep 100 & kill $!; wait $!; echo $?", "143\n"),
        ("sleep 100 & kill -9 $!; wait $!; echo $?; kill $! 2>/dev/null; echo $?", "137\n1\n"),
        ("(trap 'echo child; exit 9' TERM; sleep 2; :) & sleep 1; kill -TERM $!; wait $!; echo $?", "child\n9\n"),
        ("(trap '' TERM; sleep 2; echo survived) & sleep 1; kill $!; wait", "survived\n"),
        ("sleep 3 & (sleep 1; kill $!) & wait", ""),
        ("trap 'echo usr; exit 0' USR1; (sleep 1; kill -USR1 $$) & wait; echo no", "usr\n"),
        ("kill -TERM $$; echo still here: PID 1 ignores its own", "still here: PID 1 ignores its own\n"),
    ] {
        assert_eq!(super::harness::play(script, Bash).0, output, "{script}");
    }
    let script = "server & pid=$!; trap 'kill -TERM $pid' TERM; wait $pid; wait $pid; echo $?";
    let mut container = Container::new(&["sh", "-c", script], Dash);
    container.run();
    container.shell.signal(Signal::TERM);
    container.state = State::Waiting { until: Some(container.now) };
    container.run();
    assert_eq!(container.programs(), ["run server", "signal TERM"]);
    container.calls.truncate(1);
    container.end_program(0).run();
    assert_eq!((container.output.as_str(), container.exit_code()), ("0\n", Some(0)));
}

#[test]
fn a_shell_that_is_not_pid_1_dies_of_its_own_signals() {
    let mut container = Container::new(&["sh", "-c", "kill -TERM $$; echo no"], Dash);
    let command = super::super::Command {
        argv: ["sh", "-c", "kill -TERM $$; sleep 1; echo no"].map(str::to_owned).to_vec(),
        ..Default::default()
    };
    container.shell = Shell::new(command, Setup { pid: 40, ..Setup::default() });
    container.run();
    assert_eq!((container.output.as_str(), container.exit_code()), ("", Some(143)));
}

#[test]
fn an_init_passes_signals_on_and_ends_as_the_program_below_it() {
    for (line, code, end) in [
        ("tini -- sleep 100", 143, 2),
        ("tini sleep 1", 0, 1),
        ("dumb-init -- sh -c 'exit 3'", 3, 0),
        ("/usr/bin/tini -g -- bash -c 'trap \"exit 4\" TERM; sleep 100'", 4, 2),
        ("tini -- bash -c 'trap \"exit 4\" TERM; sleep 5'", 4, 5),
        ("dumb-init bash -c 'trap \"exit 4\" TERM; sleep 100'", 4, 2),
        ("dumb-init --single-child bash -c 'trap \"exit 4\" TERM; sleep 5'", 4, 5),
        ("dumb-init --rewrite 15:3 -- sleep 100", 131, 2),
        ("dumb-init -r 15:0 -- sleep 5", 0, 5),
        ("tini -e 143 -- sleep 100", 0, 2),
        ("tini -- no-such-program", 127, 0),
        ("dumb-init no-such-program", 2, 0),
    ] {
        let (_, _, status, ended) = signalled(&format!("exec {line}"), Bash, Signal::TERM);
        assert_eq!((status, ended.as_nanos() / 1_000_000_000), (Some(code), end.max(2)), "{line}");
    }
    let mut container = Container::new(&["dumb-init", "server", "--port=80"], Dash);
    container.run();
    assert_eq!(container.shell.signal(Signal::TERM), Disposition::Trapped);
    container.state = State::Waiting { until: Some(container.now) };
    container.run();
    assert_eq!(container.programs(), ["run server --port=80", "signal TERM"]);
}
