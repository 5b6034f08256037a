//! A POSIX shell on virtual time: the command lines of real containers do here what they do in reality.
//!
//! A [`Shell`] is the tree of processes that a container's command starts: the shell itself, its subshells, pipelines
//! and background jobs, and the utilities they call. It owns no clock and no thread. The host resumes it at an instant;
//! it runs until everything waits, and tells when to be resumed and what it needs to know:
//!
//! * files, the log, the date and the host name it takes from the [`World`] that it is handed;
//! * programs that are no shell utilities, such as `nginx`, and the network it asks for in [`Call`]s, answered later;
//! * signals to the container reach it through [`Shell::signal`], which says whether a trap takes them.
//!
//! ```text
//!   text ─ parser ─▶ syntax ─ interpreter ─▶ process ─▶ Turn { calls, state }
//!                     (script)  │ expansion    │ utilities, builtins
//!                               ▼              ▼
//!                            variables      open files, pipes ─▶ World (files, log)
//! ```
//!
//! Nothing takes no time: a step of the interpreter costs 5 µs, a subshell 0.2 ms, a command 1 ms of virtual time, so
//! that a loop without a `sleep` moves on like any other. Work of up to 10 ms is done in one turn: a process may be
//! that far ahead of the present, but it neither ends nor asks the host before its time has come.
//!
//! Left out on purpose: terminals and job control, file permissions and users, hard limits, and what a command would
//! do with more than a few files. What is met and not played ends in [`State::Unsupported`], which names it.

mod arithmetic;
mod builtins;
mod condition;
mod environment;
mod expansion;
mod format;
mod interpreter;
mod invocation;
mod launch;
mod open_files;
mod parser;
mod pattern;
mod process;
mod regex;
mod request;
mod script;
mod signal;
mod syntax;
mod tree;
mod utilities;
mod variables;
mod world;

pub use environment::Dialect;
pub use invocation::{Invocation, Source};
pub use launch::{Found, find};
pub use request::{Answer, Call, CallId, Command, Exported, NetworkError, Query, Reply, Request, State, Turn};
pub use script::{Script, Unsupported};
pub use signal::{Disposition, Signal};
pub use tree::{Setup, Shell};
pub use world::{Program, Stream, World, is_init, is_utility};

#[cfg(test)]
mod tests;
