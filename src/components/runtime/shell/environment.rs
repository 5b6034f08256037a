//! The execution environment of a shell, as POSIX XCU 2.12 lists it: what a subshell gets a copy of.

use super::signal::Signal;
use super::syntax::{Command, List};
use super::variables::Variables;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Which shell is played: they differ in what `echo` escapes, in the texts of errors, and in whether the last command
/// of `sh -c` replaces the shell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// BusyBox ash: busybox and alpine images.
    #[default]
    BusyBox,
    /// dash: `/bin/sh` of debian and ubuntu images.
    Dash,
    /// bash: `bash` everywhere, and `/bin/sh` of fedora images.
    Bash,
}

/// `set -e` and its like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub exit_on_error: bool,
    pub unset_is_error: bool,
    pub trace: bool,
    pub no_glob: bool,
    pub pipefail: bool,
    pub no_exec: bool,
    pub export_all: bool,
}

impl Options {
    /// Sets an option by its letter; false if it is not known. Letters without an effect here are accepted.
    pub fn set_letter(&mut self, letter: char, on: bool) -> bool {
        match letter {
            'e' => self.exit_on_error = on,
            'u' => self.unset_is_error = on,
            'x' => self.trace = on,
            'f' => self.no_glob = on,
            'n' => self.no_exec = on,
            'a' => self.export_all = on,
            'b' | 'h' | 'i' | 'l' | 'm' | 'p' | 'v' | 'B' | 'C' | 'E' | 'H' | 'P' | 'T' => {}
            _ => return false,
        }
        true
    }

    /// Sets an option by its name.
    pub fn set_name(&mut self, name: &str, on: bool) -> bool {
        match name {
            "pipefail" => self.pipefail = on,
            "errexit" => self.exit_on_error = on,
            "nounset" => self.unset_is_error = on,
            "xtrace" => self.trace = on,
            "noglob" => self.no_glob = on,
            "noexec" => self.no_exec = on,
            "allexport" => self.export_all = on,
            "posix" | "monitor" | "errtrace" | "functrace" | "verbose" | "notify" | "noclobber" | "ignoreeof"
            | "vi" | "emacs" | "nolog" | "physical" | "braceexpand" | "hashall" | "histexpand" => {}
            _ => return false,
        }
        true
    }

    /// What `$-` shows.
    pub fn letters(&self) -> String {
        let letters = [
            ('a', self.export_all),
            ('e', self.exit_on_error),
            ('f', self.no_glob),
            ('u', self.unset_is_error),
            ('x', self.trace),
        ];
        letters.into_iter().filter(|(_, on)| *on).map(|(letter, _)| letter).collect()
    }
}

/// What a trap does.
#[derive(Debug, Clone)]
pub(super) enum Trap {
    /// `trap '' SIGNAL`
    Ignore,
    /// `trap 'commands' SIGNAL`: as text, for `trap` to print, and parsed.
    Run(Arc<str>, Arc<List>),
}

/// All that a subshell inherits.
#[derive(Debug, Clone)]
pub(super) struct Environment {
    pub variables: Variables,
    pub functions: Arc<BTreeMap<String, Arc<Command>>>,
    pub positional: Arc<[String]>,
    /// `$0`
    pub name: Arc<str>,
    /// As `ps` shows it.
    pub command_line: Arc<str>,
    /// `$?`
    pub status: i32,
    /// `$$`: the number of the main process, also in subshells.
    pub shell_pid: u32,
    /// `$!`
    pub last_background: Option<u32>,
    pub options: Options,
    pub directory: String,
    pub traps: BTreeMap<Signal, Trap>,
    pub dialect: Dialect,
}

impl Environment {
    /// How this shell starts its error messages.
    pub fn prefix(&self) -> String {
        match self.dialect {
            Dialect::BusyBox => format!("{}: ", self.name),
            Dialect::Dash => format!("{}: 1: ", self.name),
            Dialect::Bash => format!("{}: line 1: ", self.name),
        }
    }

    /// Where pathnames are taken from and `~` leads.
    pub fn home(&self) -> &str {
        self.variables.get("HOME").unwrap_or("/root")
    }

    /// Assigns to a variable, exporting it under `set -a`.
    pub fn assign(&mut self, name: &str, value: String) -> Result<(), String> {
        self.variables.set(name, value)?;
        if self.options.export_all {
            self.variables.export(name, true);
        }
        Ok(())
    }

    /// Whether a signal has a trap that runs something.
    pub fn has_handler(&self) -> bool {
        self.traps.values().any(|trap| matches!(trap, Trap::Run(..)))
    }

    /// A subshell keeps ignored signals ignored, and forgets the other traps.
    pub fn reset_traps(&mut self) {
        self.traps.retain(|_, trap| matches!(trap, Trap::Ignore));
    }
}
