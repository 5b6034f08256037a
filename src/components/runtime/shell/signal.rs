//! Signals: their names and numbers, and what a shell does with them.

use std::fmt;

/// A signal, by its number on Linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(pub u8);

/// Names by number; number 0 is the shell's own `EXIT`.
const NAMES: [&str; 32] = [
    "EXIT", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
    "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH",
    "POLL", "PWR", "SYS",
];

impl Signal {
    /// What `trap ... EXIT` waits for.
    pub(super) const EXIT: Self = Self(0);
    /// SIGHUP.
    pub const HUP: Self = Self(1);
    /// SIGINT.
    pub const INT: Self = Self(2);
    /// SIGQUIT.
    pub const QUIT: Self = Self(3);
    /// SIGKILL.
    pub const KILL: Self = Self(9);
    /// SIGPIPE.
    pub const PIPE: Self = Self(13);
    /// SIGTERM.
    pub const TERM: Self = Self(15);
    /// SIGWINCH.
    pub const WINCH: Self = Self(28);

    /// A signal by its number or its name, with or without `SIG`.
    ///
    /// ```
    /// use podsim::components::runtime::shell::Signal;
    /// assert_eq!(Signal::parse("SIGTERM"), Some(Signal::TERM));
    /// assert_eq!(Signal::parse("term"), Some(Signal::TERM));
    /// assert_eq!(Signal::parse("15"), Some(Signal::TERM));
    /// assert_eq!(Signal::parse("99"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(number) = text.parse::<u8>() {
            return (usize::from(number) < NAMES.len()).then_some(Self(number));
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        NAMES.iter().position(|known| *known == name).and_then(|number| u8::try_from(number).ok()).map(Self)
    }

    /// The exit code of a process that the signal ended.
    pub const fn exit_code(self) -> i32 {
        128 + self.0 as i32
    }

    /// Whether a process without a handler survives it: CHLD, CONT, URG, WINCH, and the stopping ones, which nobody
    /// sends here.
    pub const fn is_harmless(self) -> bool {
        matches!(self.0, 0 | 17..=23 | 28)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAMES.get(usize::from(self.0)).copied().unwrap_or("UNKNOWN"))
    }
}

/// What a signal does to the main process of a shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Disposition {
    /// A trap will run: at once if the shell is in `wait`, else when the command in the foreground has ended.
    Trapped,
    /// `trap '' SIGNAL`: nothing happens.
    Ignored,
    /// No handler: the kernel ends the process, unless it is PID 1, for which nothing happens.
    Default,
}
