//! `nslookup`, `getent`, `nc`, `ping`: is somebody there?

use super::super::super::process::Context;
use super::super::super::request::{NetworkError, Query, Reply};
use super::super::Outcome;
use super::super::flags::{Flags, Spec};
use super::{CONNECT_PATIENCE, Purpose, RESOLVER_PATIENCE, ask, reason, seconds};
use crate::engine::SimDuration;

pub(in super::super) fn lookup(context: &mut Context<'_, '_>) -> Outcome {
    let words = context.arguments();
    let Some(name) = words.iter().find(|word| !word.starts_with(['-', '+', '@'])).cloned() else {
        context.complain("missing operand");
        return Outcome::Ended(1);
    };
    ask(context, Query::Resolve { host: name.clone(), files: false }, RESOLVER_PATIENCE, Purpose::Lookup { name })
}

pub(super) fn lookup_answer(context: &mut Context<'_, '_>, name: &str, result: Result<Reply, NetworkError>) -> i32 {
    match (context.command.base_name().to_owned().as_str(), result) {
        ("nslookup", Ok(reply)) => {
            let full = if reply.name.is_empty() { name } else { &reply.name };
            let found: String =
                reply.addresses.iter().map(|address| format!("Name:\t{full}\nAddress: {address}\n")).collect();
            context.print(format!("Server:\t\t{0}\nAddress:\t{0}:53\n\n{found}\n", reply.server));
            0
        }
        ("nslookup", Err(NetworkError::NameNotFound)) => {
            context.print(format!("** server can't find {name}: NXDOMAIN\n\n"));
            1
        }
        ("nslookup", Err(_)) => {
            context.print(";; connection timed out; no servers could be reached\n\n");
            1
        }
        (_, Ok(reply)) => {
            for address in &reply.addresses {
                context.print(format!("{address}\n"));
            }
            0
        }
        (_, Err(_)) => i32::from(context.command.base_name() == "host"),
    }
}

pub(in super::super) fn getent(context: &mut Context<'_, '_>) -> Outcome {
    match context.arguments().as_slice() {
        [database, name, ..] if matches!(database.as_str(), "hosts" | "ahosts" | "ahostsv4") => {
            let query = Query::Resolve { host: name.clone(), files: true };
            ask(context, query, RESOLVER_PATIENCE, Purpose::Hosts { name: name.clone() })
        }
        [database, ..] => Outcome::Unsupported(format!("getent {database}")),
        [] => Outcome::Ended(1),
    }
}

pub(in super::super) fn nc(context: &mut Context<'_, '_>) -> Outcome {
    let spec = Spec { letters: "zvw:ulp:nkNq:e:c:i:s:46", long: &[], permutes: true };
    let flags = match Flags::parse(context.arguments(), &spec) {
        Ok(flags) => flags,
        Err(flag) => return Outcome::Unsupported(format!("nc {flag}")),
    };
    if flags.has('l') {
        return super::super::listen::nc(context, &flags);
    }
    let [host, port] = flags.operands.as_slice() else {
        context.complain("usage: nc HOST PORT");
        return Outcome::Ended(1);
    };
    let Ok(port) = port.parse::<u16>() else {
        context.complain(format_args!("bad port '{port}'"));
        return Outcome::Ended(1);
    };
    let patience = flags.value('w').and_then(seconds).unwrap_or(CONNECT_PATIENCE);
    let query = Query::Connect { host: host.clone(), port };
    ask(context, query, patience, Purpose::Connect { host: host.clone(), port, says: flags.values('v').count() })
}

/// What `nc` says of a connection: that of BusyBox (`networking/nc_bloaty.c`), else that of OpenBSD.
pub(super) fn connect_answer(
    context: &mut Context<'_, '_>,
    host: &str,
    port: u16,
    says: usize,
    result: Result<Reply, NetworkError>,
) -> i32 {
    let busybox = context.is_busybox();
    match result {
        Ok(reply) => {
            let address = reply.addresses.first().map_or(host, |address| address);
            if says > 0 && busybox {
                context.complain_plainly(format_args!("{host} ({address}:{port}) open"));
            } else if says > 0 {
                context.complain_plainly(format_args!("Connection to {host} {port} port [tcp/*] succeeded!"));
            }
            0
        }
        Err(NetworkError::NameNotFound | NetworkError::NoNameServer) => {
            if busybox {
                context.complain(format_args!("bad address '{host}'"));
            } else {
                context
                    .complain(format_args!("getaddrinfo for host \"{host}\" port {port}: Name or service not known"));
            }
            1
        }
        Err(error) => {
            let reason = reason(error);
            if busybox && error == NetworkError::TimedOut {
                context.complain("timed out");
            } else if busybox && (says > 1 || says > 0 && error != NetworkError::Refused) {
                // A refusal is told to those only who want to see everything.
                context.complain(format_args!("{host} ({host}:{port}): {reason}"));
            } else if !busybox && says > 0 {
                context.complain(format_args!("connect to {host} port {port} (tcp) failed: {reason}"));
            }
            1
        }
    }
}

pub(in super::super) fn ping(context: &mut Context<'_, '_>) -> Outcome {
    let spec = Spec { letters: "c:W:w:qi:s:46", long: &[], permutes: true };
    let flags = match Flags::parse(context.arguments(), &spec) {
        Ok(flags) => flags,
        Err(flag) => return Outcome::Unsupported(format!("ping {flag}")),
    };
    let Some(host) = flags.operands.first().cloned() else {
        context.complain("usage: ping HOST");
        return Outcome::Ended(1);
    };
    let left = flags.value('c').and_then(|value| value.parse().ok()).unwrap_or(u64::MAX).max(1);
    let patience = flags.value('W').or(flags.value('w')).and_then(seconds).unwrap_or(SimDuration::from_secs(10));
    let query = Query::Ping { host: host.clone() };
    ask(context, query, patience, Purpose::Ping { host, left, sent: 0, received: 0 })
}
