//! Background jobs, signals and traps.

use super::super::environment::Trap;
use super::super::interpreter::{Interpreter, interrupting};
use super::super::process::{Own, Running, Step, System, Wait};
use super::super::request::Request;
use super::super::script::Script;
use super::super::signal::Signal;
use super::variable::trap_line;
use super::{Outcome, Progress};

pub(super) fn trap(
    shell: &mut Interpreter,
    words: &[String],
    _: &mut Progress,
    own: &mut Own,
    system: &mut System<'_>,
) -> Outcome {
    let mut words = &words[1..];
    if words.first().is_some_and(|word| word == "--") {
        words = &words[1..];
    }
    if words.is_empty() || words[0] == "-p" {
        let lines: String = shell.environment.traps.iter().map(|(signal, trap)| trap_line(trap, signal)).collect();
        let _ = own.write(1, lines.as_bytes(), system);
        return Outcome::Status(0);
    }
    // `trap TERM`, and `trap 15 2`, take traps away.
    let (action, signals) = match words {
        [_] => ("-", words),
        [first, ..] if first.parse::<u8>().is_ok() => ("-", words),
        [first, rest @ ..] => (first.as_str(), rest),
        [] => ("-", words),
    };
    let trap = match action {
        "-" => None,
        "" => Some(Trap::Ignore),
        text => match Script::parse(text) {
            Ok(script) => Some(Trap::Run(text.into(), script.list)),
            Err(unsupported) => return Outcome::Step(Step::Unsupported(format!("trap: {unsupported}"))),
        },
    };
    let mut status = 0;
    for name in signals {
        match Signal::parse(name) {
            Some(signal) => {
                match &trap {
                    Some(trap) => shell.environment.traps.insert(signal, trap.clone()),
                    None => shell.environment.traps.remove(&signal),
                };
            }
            // Bash's pseudo signals: accepted, and never sent.
            None if matches!(name.as_str(), "ERR" | "DEBUG" | "RETURN") => {}
            None => {
                shell.complain(&format!("trap: {name}: invalid signal specification"), own, system);
                status = 1;
            }
        }
    }
    Outcome::Status(status)
}

/// The process that `%1`, `%%` or a number stands for.
fn process(shell: &Interpreter, word: &str) -> Option<u32> {
    match word.strip_prefix('%') {
        Some("" | "%" | "+") => shell.jobs.last().copied(),
        Some(number) => shell.jobs.get(number.parse::<usize>().ok()?.checked_sub(1)?).copied(),
        None => word.parse().ok(),
    }
}

pub(super) fn wait(
    shell: &mut Interpreter,
    words: &[String],
    _: &mut Progress,
    own: &mut Own,
    system: &mut System<'_>,
) -> Outcome {
    for pid in shell.jobs.clone() {
        if let Some(status) = system.reap(own, pid) {
            shell.job_status.insert(pid, status);
        }
    }
    let any = words.iter().any(|word| word == "-n");
    let named: Vec<&String> = words[1..].iter().filter(|word| !word.starts_with('-')).collect();
    let mut targets: Vec<u32> = named.iter().filter_map(|word| process(shell, word)).collect();
    if named.is_empty() {
        targets = match words[0].as_str() {
            "fg" => shell.jobs.last().copied().into_iter().collect(),
            _ => shell.jobs.clone(),
        };
    }
    let ended = |pid: &u32| shell.job_status.get(pid).copied();
    let status = if any {
        let first = targets.iter().find(|pid| ended(pid).is_some()).copied();
        if let Some(pid) = first {
            shell.jobs.retain(|job| *job != pid);
            return Outcome::Status(shell.job_status.get(&pid).copied().unwrap_or(0));
        }
        None
    } else if targets.iter().all(|pid| ended(pid).is_some() || !shell.jobs.contains(pid)) {
        match (named.is_empty() && words[0] == "wait", targets.last()) {
            (true, _) => Some(0),
            (false, Some(last)) => Some(ended(last).unwrap_or(127)),
            (false, None) => Some(127),
        }
    } else {
        None
    };
    if let Some(status) = status {
        // A job that was waited for is no longer a job, but `wait $pid` still knows how it ended.
        shell.jobs.retain(|pid| !shell.job_status.contains_key(pid));
        return Outcome::Status(status);
    }
    if any && targets.is_empty() {
        return Outcome::Status(127);
    }
    match interrupting(shell, own) {
        Some(signal) => Outcome::Status(signal.exit_code()),
        None => Outcome::Waits(Wait::ChildOrSignal),
    }
}

pub(super) fn list(
    shell: &mut Interpreter,
    words: &[String],
    _: &mut Progress,
    own: &mut Own,
    system: &mut System<'_>,
) -> Outcome {
    let pids_only = words.iter().any(|word| word == "-p");
    for (at, pid) in shell.jobs.clone().into_iter().enumerate() {
        if system.is_alive(pid) {
            let line = if pids_only { format!("{pid}\n") } else { format!("[{}]  Running\n", at + 1) };
            let _ = own.write(1, line.as_bytes(), system);
        }
    }
    Outcome::Status(0)
}

pub(super) fn kill(
    shell: &mut Interpreter,
    words: &[String],
    _: &mut Progress,
    own: &mut Own,
    system: &mut System<'_>,
) -> Outcome {
    let mut signal = Signal::TERM;
    let mut targets = words[1..].iter();
    let mut rest = Vec::new();
    while let Some(word) = targets.next() {
        let given = match word.as_str() {
            "-l" | "-L" => {
                let names: Vec<String> = (1..32).map(|number| Signal(number).to_string()).collect();
                let _ = own.write(1, format!("{}\n", names.join(" ")).as_bytes(), system);
                return Outcome::Status(0);
            }
            "--" => {
                rest.extend(targets.by_ref());
                break;
            }
            "-s" | "-n" => targets.next().map(String::as_str),
            word if rest.is_empty() && word.starts_with('-') => Some(&word[1..]),
            _ => {
                rest.push(word);
                continue;
            }
        };
        match given.and_then(Signal::parse) {
            Some(given) => signal = given,
            None => {
                shell.complain(&format!("kill: bad signal name '{}'", given.unwrap_or_default()), own, system);
                return Outcome::Status(1);
            }
        }
    }
    let mut status = 0;
    for target in rest {
        let sent = match target.parse::<i64>() {
            Ok(group) if group <= 0 => {
                let mut pids: Vec<u32> = system.others.keys().copied().collect();
                pids.push(own.pid);
                pids.into_iter().all(|pid| send(pid, signal, own, system))
            }
            Ok(_) | Err(_) => process(shell, target).is_some_and(|pid| send(pid, signal, own, system)),
        };
        if !sent {
            shell.complain(&format!("kill: ({target}) - No such process"), own, system);
            status = 1;
        }
    }
    Outcome::Status(status)
}

/// Sends a signal to a process of the shell or of the container; false if there is none of this number.
pub(in super::super) fn send(pid: u32, signal: Signal, own: &Own, system: &mut System<'_>) -> bool {
    if pid == own.pid || system.is_alive(pid) {
        let host = match system.others.get(&pid).map(|process| &process.program) {
            Some(Running::Host { call, .. }) => *call,
            Some(_) | None => None,
        };
        match host {
            _ if signal == Signal::EXIT => {} // `kill -0` only asks.
            Some(call) => {
                system.call(Request::SignalCall { call, signal });
            }
            None => system.signals.push((pid, signal)),
        }
        return true;
    }
    let exists = system.world.processes().iter().any(|(other, _)| *other == pid);
    if exists && signal != Signal::EXIT {
        system.call(Request::SignalProcess { pid, signal });
    }
    exists
}
