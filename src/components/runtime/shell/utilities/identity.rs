//! Utilities that tell where and who one is.

use super::super::process::Context;
use super::Outcome;
use super::flags::{Flags, Spec};

pub(super) fn printenv(context: &mut Context<'_, '_>) -> Outcome {
    let names = context.arguments();
    if names.is_empty() {
        let lines: String =
            context.command.environment.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        context.print(lines);
        return Outcome::Ended(0);
    }
    let mut status = 0;
    for name in names {
        match context.variable(&name).map(|value| format!("{value}\n")) {
            Some(line) => context.print(line),
            None => status = 1,
        }
    }
    Outcome::Ended(status)
}

pub(super) fn hostname(context: &mut Context<'_, '_>) -> Outcome {
    let full = context.system.world.full_hostname();
    let text = match context.arguments().first().map(String::as_str) {
        None => context.system.world.hostname(),
        Some("-s" | "--short") => {
            let name = context.system.world.hostname();
            name.split('.').next().unwrap_or_default().to_owned()
        }
        Some("-f" | "--fqdn" | "--long") => full,
        Some("-d" | "--domain") => full.split_once('.').map_or("", |(_, domain)| domain).to_owned(),
        Some("-i" | "-I" | "--ip-address" | "--all-ip-addresses") => context.system.world.addresses().join(" "),
        Some(other) if other.starts_with('-') => return Outcome::Unsupported(format!("hostname {other}")),
        Some(_) => return Outcome::Ended(0),
    };
    context.print(format!("{text}\n"));
    Outcome::Ended(0)
}

pub(super) fn user_name(user: u32) -> Option<&'static str> {
    (user == 0).then_some("root")
}

pub(super) fn id(context: &mut Context<'_, '_>) -> Outcome {
    let user = context.system.world.user();
    let spec = Spec { letters: "ugGnr", long: &[("user", 'u'), ("group", 'g'), ("name", 'n')], permutes: true };
    let flags = match Flags::parse(context.arguments(), &spec) {
        Ok(flags) => flags,
        Err(flag) => return Outcome::Unsupported(format!("id {flag}")),
    };
    let groups = context.system.world.groups();
    let named = |id: u32| user_name(id).map_or_else(|| id.to_string(), str::to_owned);
    let shown = |id: u32| if flags.has('n') { named(id) } else { id.to_string() };
    let full = |id: u32| user_name(id).map_or_else(|| id.to_string(), |name| format!("{id}({name})"));
    let all = |tell: &dyn Fn(u32) -> String, separator: &str| {
        let mut sorted = groups.clone();
        sorted.sort_unstable();
        sorted.into_iter().map(tell).collect::<Vec<_>>().join(separator)
    };
    let own = groups.first().copied().unwrap_or_default();
    let text = match ['u', 'g', 'G'].into_iter().find(|letter| flags.has(*letter)) {
        Some('u') => shown(user),
        Some('g') => shown(own),
        Some(_) => all(&shown, " "),
        None => format!("uid={} gid={} groups={}", full(user), full(own), all(&full, ",")),
    };
    context.print(format!("{text}\n"));
    Outcome::Ended(0)
}

pub(super) fn whoami(context: &mut Context<'_, '_>) -> Outcome {
    match user_name(context.system.world.user()) {
        Some(name) => {
            context.print(format!("{name}\n"));
            Outcome::Ended(0)
        }
        None => {
            let user = context.system.world.user();
            context.complain(format_args!("unknown uid {user}"));
            Outcome::Ended(1)
        }
    }
}

pub(super) fn uname(context: &mut Context<'_, '_>) -> Outcome {
    let hostname = context.system.world.hostname();
    let flags: String = context.arguments().iter().map(|word| word.trim_start_matches('-')).collect();
    let all = flags.contains('a');
    let parts = [
        ('s', "Linux"),
        ('n', hostname.as_str()),
        ('r', "6.1.0"),
        ('v', "#1 SMP"),
        ('m', "x86_64"),
        ('o', "GNU/Linux"),
    ];
    let text = match context.command.base_name() {
        "arch" => "x86_64".to_owned(),
        _ if flags.is_empty() => "Linux".to_owned(),
        _ => {
            let shown = parts.iter().filter(|(letter, _)| all || flags.contains(*letter));
            shown.map(|(_, text)| *text).collect::<Vec<&str>>().join(" ")
        }
    };
    context.print(format!("{text}\n"));
    Outcome::Ended(0)
}

pub(super) fn nproc(context: &mut Context<'_, '_>) -> Outcome {
    context.print("4\n");
    Outcome::Ended(0)
}

pub(super) fn free(context: &mut Context<'_, '_>) -> Outcome {
    context.print(
        "              total        used        free      shared  buff/cache   available\n\
         Mem:        8388608     2097152     4194304       10240     2097152     6291456\n\
         Swap:             0           0           0\n",
    );
    Outcome::Ended(0)
}
