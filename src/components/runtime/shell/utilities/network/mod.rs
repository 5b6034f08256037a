//! Utilities that ask the network. They say what BusyBox says; `curl` and `getent`, which it lacks, what those say.

mod http;
mod lookup;

use super::super::process::{Context, Step, Task, Wait};
use super::super::request::{Answer, CallId, NetworkError, Query, Reply, Request};
use super::Outcome;
use crate::components::url::Url;
use crate::engine::{SimDuration, SimTime};
use http::{CurlFlags, Output, curl_answer, wget_answer};
use lookup::{connect_answer, lookup_answer};

pub(super) use http::{curl, wget};
pub(super) use lookup::{getent, lookup, nc, ping};

/// How long a resolver tries: two servers' worth of five seconds.
const RESOLVER_PATIENCE: SimDuration = SimDuration::from_secs(10);

/// How long TCP tries to connect, with the default number of SYN retries.
const CONNECT_PATIENCE: SimDuration = SimDuration::from_secs(127);

/// What is done with the answer.
#[derive(Debug, Clone)]
enum Purpose {
    Lookup { name: String },
    Hosts { name: String },
    Connect { host: String, port: u16, says: usize },
    Wget { url: Url, output: Output, quiet: bool, headers: bool },
    Curl { url: Url, output: Output, flags: CurlFlags },
    Ping { host: String, left: u64, sent: u64, received: u64 },
}

/// A question that is asked, and asked again.
#[derive(Debug, Clone)]
struct Asking {
    query: Query,
    patience: SimDuration,
    purpose: Purpose,
    call: Option<(CallId, SimTime)>,
    /// Before this nothing is asked: between two tries.
    not_before: SimTime,
}

impl Purpose {
    /// Whether what a server says goes to standard output.
    const fn prints_what_it_gets(&self) -> bool {
        match self {
            Self::Connect { says, .. } => *says == 0,
            Self::Wget { output: Output::Stdout, .. } => true,
            Self::Curl { output: Output::Stdout, flags, .. } => !flags.only_headers,
            Self::Wget { .. } | Self::Curl { .. } | Self::Lookup { .. } | Self::Hosts { .. } | Self::Ping { .. } => {
                false
            }
        }
    }
}

fn ask(context: &Context<'_, '_>, query: Query, patience: SimDuration, purpose: Purpose) -> Outcome {
    Outcome::Task(Box::new(Asking { query, patience, purpose, call: None, not_before: context.own.at }))
}

impl Task for Asking {
    fn step(&mut self, context: &mut Context<'_, '_>) -> Step {
        let Some((call, deadline)) = self.call else {
            if context.own.at < self.not_before {
                return Step::Block(Wait::Until(self.not_before));
            }
            let call = context.system.call(Request::Network(self.query.clone()));
            let deadline = context.own.at + self.patience;
            self.call = Some((call, deadline));
            return Step::Block(Wait::Answer(call, Some(deadline)));
        };
        let result = match context.system.kernel.answers.remove(&call) {
            Some(Answer::Network(result)) => result,
            Some(Answer::Exited { .. } | Answer::Unknown) => Err(NetworkError::Refused),
            None if context.own.at >= deadline => Err(NetworkError::TimedOut),
            None => return Step::Block(Wait::Answer(call, Some(deadline))),
        };
        self.call = None;
        let unknown = result.as_ref().is_ok_and(|reply| reply.unknown);
        if unknown && self.purpose.prints_what_it_gets() && context.writes_to_pipe() {
            return Step::Unsupported(format!("what {} is answered", context.command.base_name()));
        }
        self.answered(context, result)
    }

    fn boxed_clone(&self) -> Box<dyn Task> {
        Box::new(self.clone())
    }
}

impl Asking {
    fn answered(&mut self, context: &mut Context<'_, '_>, result: Result<Reply, NetworkError>) -> Step {
        let status = match &mut self.purpose {
            Purpose::Lookup { name } => lookup_answer(context, name, result),
            Purpose::Hosts { name } => match result {
                Ok(reply) => {
                    let full = if reply.name.is_empty() { name.as_str() } else { &reply.name };
                    for address in &reply.addresses {
                        context.print(format!("{address:<15} {full}\n"));
                    }
                    0
                }
                Err(_) => 2,
            },
            Purpose::Connect { host, port, says } => connect_answer(context, host, *port, *says, result),
            Purpose::Wget { url, output, quiet, headers } => {
                wget_answer(context, url, output, *quiet, *headers, result)
            }
            Purpose::Curl { url, output, flags } => {
                let refused = matches!(result, Err(NetworkError::Refused));
                let temporary = matches!(result, Err(NetworkError::TimedOut))
                    || matches!(&result, Ok(reply) if matches!(reply.status, 408 | 429 | 500 | 502 | 503 | 504))
                    || (refused && flags.retries_refused);
                if temporary && flags.retries > 0 {
                    flags.retries -= 1;
                    self.not_before = context.own.at + flags.retry_delay;
                    flags.retry_delay = flags.retry_delay * 2;
                    return Step::Block(Wait::Until(self.not_before));
                }
                curl_answer(context, url, output, flags, result)
            }
            Purpose::Ping { host, left, sent, received } => {
                if matches!(result, Err(NetworkError::NameNotFound | NetworkError::NoNameServer)) {
                    context.complain(format_args!("bad address '{host}'"));
                    return Step::Exit(1);
                }
                if let Ok(reply) = &result {
                    let address = reply.addresses.first().unwrap_or(host);
                    let mut text = String::new();
                    if *sent == 0 {
                        text = format!("PING {host} ({address}): 56 data bytes\n");
                    }
                    text += &format!("64 bytes from {address}: seq={sent} ttl=64 time=0.100 ms\n");
                    context.print(text);
                    *received += 1;
                }
                *sent += 1;
                *left = left.saturating_sub(1);
                if *left > 0 {
                    self.not_before = context.own.at + SimDuration::from_secs(1);
                    return Step::Block(Wait::Until(self.not_before));
                }
                let loss = 100 * (*sent - *received) / *sent;
                context.print(format!(
                    "\n--- {host} ping statistics ---\n\
                     {sent} packets transmitted, {received} packets received, {loss}% packet loss\n"
                ));
                i32::from(*received == 0)
            }
        };
        Step::Exit(status)
    }
}

fn reason(error: NetworkError) -> &'static str {
    match error {
        NetworkError::NameNotFound | NetworkError::NoNameServer => "bad address",
        NetworkError::Refused => "Connection refused",
        NetworkError::Unreachable => "No route to host",
        NetworkError::TimedOut => "Connection timed out",
    }
}

/// A span as `-w`, `-T` and `--max-time` take it.
fn seconds(text: &str) -> Option<SimDuration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let millis = format!("{fraction:0<3}").get(..3)?.parse::<u64>().ok()?;
    Some(SimDuration::from_millis(whole.parse::<u64>().ok()? * 1000 + millis))
}
