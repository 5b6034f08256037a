//! shell
mod format;
mod parser;
mod script;
mod syntax;
pub use script::{Script, Unsupported};
