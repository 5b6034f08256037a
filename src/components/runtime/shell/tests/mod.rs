//! The shell as a whole: scripts in, log and exit code out.

mod any;
mod containers;
mod harness;
mod language;
mod network;
mod signals;
mod time;
mod utilities;
