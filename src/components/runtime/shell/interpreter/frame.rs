//! What is on the interpreter's stack.

use super::super::builtins::Progress;
use super::super::expansion::Known;
use super::super::open_files::{FileId, Table};
use super::super::request::CallId;
use super::super::syntax::{Chain, Command, List};
use super::super::variables::Variable;
use crate::engine::SimTime;
use std::sync::Arc;

/// Something that was begun.
#[derive(Debug, Clone)]
pub(in super::super) enum Frame {
    /// A list; the item to run next.
    List { list: Arc<List>, next: usize },
    /// An and-or chain; the pipeline to look at next, and the one that ran last.
    Chain { chain: Arc<Chain>, next: usize, ran: Option<usize> },
    /// `!`: turns the status around.
    Negate,
    /// A command to expand and start, with what earlier attempts had to wait for.
    Command { command: Arc<Command>, known: Vec<Known> },
    /// An `if` whose condition number `arm` runs.
    If { command: Arc<Command>, arm: usize },
    /// A `while` whose condition runs (deciding) or whose body runs.
    Loop { command: Arc<Command>, deciding: bool, status: i32 },
    /// A `for` whose body runs.
    For { command: Arc<Command>, words: Arc<[String]>, next: usize, status: i32 },
    /// A C-style `for`.
    ForArithmetic { command: Arc<Command>, known: Vec<Known>, phase: ForPhase },
    /// Children in the foreground: a pipeline, a subshell, a utility that takes time.
    Children { pids: Vec<u32>, statuses: Vec<Option<i32>> },
    /// A command substitution whose output is read.
    Substitution { pid: u32, file: FileId, text: Vec<u8> },
    /// An attempt to connect for `/dev/tcp`.
    Connect { call: CallId, deadline: SimTime },
    /// A built-in command that waits.
    Builtin { words: Vec<String>, state: Progress },
    /// Redirections to take back.
    Redirected { saved: Table },
    /// Assignments before a command, to take back.
    Restore { variables: Vec<(String, Option<Variable>)> },
    /// A function that runs; the parameters to give back.
    Function { positional: Arc<[String]> },
    /// A sourced script that runs; `return` ends it.
    Source { positional: Option<Arc<[String]>> },
    /// A trap that runs; the status to give back.
    Trap { status: i32 },
}

/// Which part of `for ((start; condition; update))` comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum ForPhase {
    Start,
    Condition,
    Update,
}

impl Frame {
    /// The descriptors that the frame keeps from being closed.
    pub fn table(&self) -> Option<&Table> {
        match self {
            Self::Redirected { saved } => Some(saved),
            _ => None,
        }
    }

    /// The file that the frame reads.
    pub fn file(&self) -> Option<FileId> {
        match self {
            Self::Substitution { file, .. } => Some(*file),
            _ => None,
        }
    }

    /// Whether what runs above is asked for its status, so that `set -e` does not apply to it.
    pub fn asks_for_status(&self) -> bool {
        match self {
            Self::If { .. } | Self::Negate | Self::Loop { deciding: true, .. } => true,
            Self::Chain { chain, next, .. } => *next < chain.0.len(),
            _ => false,
        }
    }

    /// Whether nothing follows in this frame, so that the last command may replace the shell.
    pub fn is_spent(&self) -> bool {
        match self {
            Self::Chain { chain, next, .. } => *next == chain.0.len(),
            Self::Redirected { .. } | Self::Restore { .. } => true,
            _ => false,
        }
    }

    /// Whether a command is under way, so that no trap may run: it waits, its words are being expanded, or its
    /// redirections are still in place.
    pub fn is_under_way(&self) -> bool {
        match self {
            Self::Children { .. } | Self::Substitution { .. } | Self::Connect { .. } | Self::Builtin { .. } => true,
            Self::Redirected { .. } | Self::Restore { .. } => true,
            Self::Command { known, .. } | Self::ForArithmetic { known, .. } => !known.is_empty(),
            _ => false,
        }
    }

    pub fn is_loop(&self) -> bool {
        matches!(self, Self::Loop { .. } | Self::For { .. } | Self::ForArithmetic { .. })
    }
}
