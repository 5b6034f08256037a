//! What goes to standard output. A reader that has seen enough closes the pipe, and that is no failure of ours; what
//! cannot be written for another reason is told, and the command fails.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

static LOST: AtomicBool = AtomicBool::new(false);

/// Prints a text as it is, without its colours where they are not wanted.
pub(super) fn print(text: impl AsRef<[u8]>) {
    let mut out = anstream::stdout().lock();
    let written = out.write_all(text.as_ref()).and_then(|()| out.flush());
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
        && !LOST.swap(true, Ordering::Relaxed)
    {
        let _ = writeln!(io::stderr(), "standard output: {error}; send it where there is room");
    }
}

/// Whether something could not be printed.
pub(super) fn was_lost() -> bool {
    LOST.load(Ordering::Relaxed)
}

/// Prints a line.
macro_rules! say {
    ($($told:tt)*) => { $crate::cli::print::print(format!($($told)*) + "\n") };
}
pub(super) use say;
