//! Utilities about processes: `ps`, `pgrep`, `pkill`, `killall`, `kill`.

use super::super::builtins::send;
use super::super::process::Context;
use super::super::signal::Signal;
use super::Outcome;
use super::identity::user_name;
use std::sync::Arc;

/// The shell within whose step the utility runs, if that goes on afterwards.
fn shell(context: &Context<'_, '_>) -> Option<Arc<str>> {
    context.own.shell.clone().filter(|line| **line != *context.command.argv.join(" "))
}

/// The number of the utility itself: one of its own also where the shell runs it within its own step.
fn own_number(context: &Context<'_, '_>) -> u32 {
    if shell(context).is_some() { context.system.kernel.last_pid + 1 } else { context.own.pid }
}

/// All processes of the container: number and command line.
fn all(context: &mut Context<'_, '_>) -> Vec<(u32, String)> {
    let mut found = context.system.world.processes();
    found.extend(context.system.others.values().map(|process| (process.own.pid, process.program.shown())));
    found.extend(shell(context).map(|line| (context.own.pid, line.to_string())));
    found.push((own_number(context), context.command.argv.join(" ")));
    found.sort();
    found.dedup_by_key(|(pid, _)| *pid);
    found
}

pub(super) fn ps(context: &mut Context<'_, '_>) -> Outcome {
    let mut text = "PID   USER     TIME  COMMAND\n".to_owned();
    let user = context.system.world.user();
    let user = user_name(user).map_or_else(|| user.to_string(), str::to_owned);
    for (pid, command) in all(context) {
        text.push_str(&format!("{pid:>5} {user:<8}  0:00 {command}\n"));
    }
    context.print(text);
    Outcome::Ended(0)
}

/// The other processes whose name, or command line if `full`, matches.
fn matching(context: &mut Context<'_, '_>, pattern: &str, full: bool, exact: bool) -> Vec<u32> {
    let own = own_number(context);
    let matches = |command: &String| {
        let name = command.split_whitespace().next().unwrap_or("");
        let name = name.rsplit('/').next().unwrap_or(name).trim_end_matches(':');
        if full {
            command.contains(pattern)
        } else if exact {
            name == pattern
        } else {
            name.contains(pattern)
        }
    };
    all(context).into_iter().filter(|(pid, command)| *pid != own && matches(command)).map(|(pid, _)| pid).collect()
}

pub(super) fn pgrep(context: &mut Context<'_, '_>) -> Outcome {
    let exact_name = context.command.base_name() == "pidof";
    let words = context.arguments();
    let flags: String = words.iter().filter_map(|word| word.strip_prefix('-')).collect();
    let mut found = Vec::new();
    for pattern in words.iter().filter(|word| !word.starts_with('-')) {
        found.extend(matching(context, pattern, flags.contains('f'), exact_name || flags.contains('x')));
    }
    if !found.is_empty() && !flags.contains('q') {
        let separator = if exact_name { " " } else { "\n" };
        let shown: Vec<String> = found.iter().map(u32::to_string).collect();
        context.print(shown.join(separator) + "\n");
    }
    Outcome::Ended(i32::from(found.is_empty()))
}

/// The signal of a command line such as `-TERM x`, `-s TERM x`, and what else it says.
fn signal_and_words(context: &Context<'_, '_>) -> (Signal, Vec<String>, bool) {
    let mut signal = Signal::TERM;
    let (mut words, mut full) = (Vec::new(), false);
    let mut arguments = context.arguments().into_iter();
    while let Some(word) = arguments.next() {
        match word.strip_prefix('-') {
            Some("s") => signal = arguments.next().and_then(|name| Signal::parse(&name)).unwrap_or(signal),
            Some("f") => full = true,
            Some(name) if Signal::parse(name).is_some() => signal = Signal::parse(name).unwrap_or(signal),
            Some(_) => {}
            None => words.push(word),
        }
    }
    (signal, words, full)
}

pub(super) fn pkill(context: &mut Context<'_, '_>) -> Outcome {
    let exact = context.command.base_name() == "killall";
    let (signal, names, full) = signal_and_words(context);
    let mut status = 1;
    for name in names {
        let found = matching(context, &name, full, exact);
        if found.is_empty() && exact {
            context.complain(format_args!("{name}: no process killed"));
        }
        for pid in found {
            if send(pid, signal, context.own, context.system) {
                status = 0;
            }
        }
    }
    Outcome::Ended(status)
}

pub(super) fn kill(context: &mut Context<'_, '_>) -> Outcome {
    let (signal, words, _) = signal_and_words(context);
    let mut status = 0;
    for word in words {
        let sent = word.parse().is_ok_and(|pid| send(pid, signal, context.own, context.system));
        if !sent {
            context.complain(format_args!("can't kill pid {word}: No such process"));
            status = 1;
        }
    }
    Outcome::Ended(status)
}
