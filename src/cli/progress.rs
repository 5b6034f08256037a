//! How far a long run is, on a terminal.

use podsim::engine::SimTime;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Nothing is shown of what is done sooner.
const PATIENCE: Duration = Duration::from_millis(700);
/// The bar is drawn again after this.
const REDRAW: Duration = Duration::from_millis(100);
/// The characters of the bar.
const WIDTH: usize = 32;

/// A bar on standard error; silent where nobody looks.
pub struct Progress {
    end: SimTime,
    visible: bool,
    since: Instant,
    drawn: Option<Instant>,
}

impl Progress {
    /// A bar for a run up to an instant.
    pub fn new(end: SimTime, quiet: bool) -> Self {
        Self { end, visible: !quiet && io::stderr().is_terminal(), since: Instant::now(), drawn: None }
    }

    /// The run has come this far.
    pub fn at(&mut self, now: SimTime) {
        let due = self.drawn.map_or(self.since.elapsed() > PATIENCE, |drawn| drawn.elapsed() > REDRAW);
        if !self.visible || !due {
            return;
        }
        self.drawn = Some(Instant::now());
        let done = (now.as_nanos() as u128 * WIDTH as u128 / u128::from(self.end.as_nanos().max(1))) as usize;
        let bar = format!("{}{}", "█".repeat(done.min(WIDTH)), "░".repeat(WIDTH - done.min(WIDTH)));
        let (now, end) = (now.since(SimTime::ZERO), self.end.since(SimTime::ZERO));
        let seconds = podsim::engine::SimDuration::from_secs(now.as_secs());
        // A bar that cannot be drawn is no reason to stop.
        let _ = write!(io::stderr(), "\r{bar} {seconds} of {end}\x1b[K");
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
