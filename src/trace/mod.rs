//! What happened: messages delivered, objects changed; facts first, meaning later.

mod recording;
mod workload;

pub use recording::Recording;
