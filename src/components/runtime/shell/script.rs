//! A script: parsed once, shared by every shell that runs it.

use super::parser;
use super::syntax::List;
use std::fmt;
use std::sync::Arc;

/// A parsed script. Cloning shares it.
///
/// ```
/// use podsim::components::runtime::shell::Script;
/// assert!(Script::parse("until nslookup db; do sleep 2; done").is_ok());
/// assert_eq!(Script::parse("if true; fi").unwrap_err().to_string(), "line 1: syntax error: unexpected `fi`");
/// ```
#[derive(Debug, Clone)]
pub struct Script {
    pub(super) list: Arc<List>,
}

impl Script {
    /// Parses a script: POSIX shell with the common parts of bash.
    pub fn parse(text: &str) -> Result<Self, Unsupported> {
        parser::parse(text).map(|list| Self { list: Arc::new(list) })
    }
}

/// What cannot be played: syntax, an option of a utility, or a utility. Says so in words for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    /// What it is, such as "line 3: syntax error: unexpected `fi`" or "find -newer".
    pub what: String,
}

impl Unsupported {
    /// Says what cannot be played.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Unsupported {}
