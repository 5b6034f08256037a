//! What happened: messages delivered, objects changed; facts first, meaning later.

mod recording;

pub use recording::Recording;
