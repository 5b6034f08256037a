//! The controllers: each brings one kind of object nearer to what its spec says.

/// Something that happens inside a controller.
#[derive(Debug, Clone, strum::IntoStaticStr)]
pub enum ControllerMessage {
    /// A controller starts.
    Start,
}
