//! What a shell needs of the container around it.

use super::utilities;
use crate::components::runtime::filesystem::Files;
use crate::engine::SimTime;
use jiff::Timestamp;

/// The container around a shell, as far as programs notice it.
pub trait World {
    /// The container's files.
    fn files(&mut self) -> Files<'_>;

    /// Takes what is written to the container's log. `at` may lie a few milliseconds ahead of the resumed time.
    fn write(&mut self, at: SimTime, stream: Stream, bytes: &[u8]);

    /// The date at an instant.
    fn date(&self, at: SimTime) -> Timestamp;

    /// The host name: the pod's name.
    fn hostname(&self) -> String;

    /// The host name with its domain, as `hostname -f` prints it.
    fn full_hostname(&self) -> String {
        self.hostname()
    }

    /// The pod's addresses, as `hostname -i` prints them.
    fn addresses(&self) -> Vec<String> {
        Vec::new()
    }

    /// The number of the user: `runAsUser`.
    fn user(&self) -> u32 {
        0
    }

    /// The numbers of the user's groups, its own first.
    fn groups(&self) -> Vec<u32> {
        vec![0]
    }

    /// Whether it is known which files the image has, and which it has not.
    fn knows_image(&self) -> bool {
        true
    }

    /// Who runs a command of this name. An image without `curl` answers [`Program::Missing`] for it.
    fn find_program(&self, name: &str) -> Program {
        if is_utility(name) { Program::Utility } else { Program::Missing }
    }

    /// The processes of the container that are not this shell's own: number and command line.
    fn processes(&self) -> Vec<(u32, String)> {
        Vec::new()
    }
}

/// Whether this crate can play a command of this name by itself.
pub fn is_utility(name: &str) -> bool {
    utilities::find(name).is_some() || matches!(name, "sh" | "bash" | "ash" | "dash")
}

/// Whether a program of this name is number 1 in the place of another. No image has one that does not bring it.
pub fn is_init(name: &str) -> bool {
    matches!(name, "tini" | "tini-static" | "dumb-init" | "catatonit" | "docker-init")
}

/// Who runs a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Program {
    /// This module, as the utility of that name.
    Utility,
    /// The host: it gets a [`Request::Run`](super::Request::Run).
    Host,
    /// Nobody: the image does not have it.
    Missing,
}

/// A stream of the container's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}
