//! What kubectl says when it cannot do as asked.

use super::go::quoted;

/// A failed command, or one failed part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Refused by the API server, with its reason.
    Server {
        /// `NotFound`, `BadRequest`, …; empty for what it did not foresee.
        reason: &'static str,
        /// The server's message.
        message: String,
    },
    /// Found by kubectl itself.
    Client(String),
    /// Several at once, in the order in which they happened.
    Many(Vec<Error>),
}

impl Error {
    /// An error of kubectl itself.
    pub fn client(message: impl Into<String>) -> Self {
        Self::Client(message.into())
    }

    /// The server knows no such object; `resource` is `pods` or `deployments.apps`.
    pub fn not_found(resource: &str, name: &str) -> Self {
        Self::Server { reason: "NotFound", message: format!("{resource} {} not found", quoted(name)) }
    }

    /// All of them as one; `None` if there are none.
    pub fn all(mut errors: Vec<Self>) -> Option<Self> {
        match errors.len() {
            0 => None,
            1 => errors.pop(),
            _ => Some(Self::Many(errors)),
        }
    }

    /// The text on standard error, newline included.
    pub fn report(&self) -> String {
        let text = match self {
            Self::Client(message) if message.starts_with("error: ") => message.clone(),
            Self::Client(message) => format!("error: {message}"),
            Self::Server { .. } => self.message(),
            Self::Many(errors) => errors.iter().map(|e| e.message() + "\n").collect(),
        };
        if text.ends_with('\n') { text } else { text + "\n" }
    }

    fn message(&self) -> String {
        match self {
            Self::Server { reason: "", message } => format!("Error from server: {message}"),
            Self::Server { reason, message } => format!("Error from server ({reason}): {message}"),
            Self::Client(message) => message.clone(),
            Self::Many(errors) => format!("[{}]", errors.iter().map(Self::message).collect::<Vec<_>>().join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_who_refused() {
        let missing = Error::not_found("pods", "x");
        for (error, text) in [
            (missing.clone(), "Error from server (NotFound): pods \"x\" not found\n"),
            (Error::client("no"), "error: no\n"),
            (Error::client("error: no\n"), "error: no\n"),
            (
                Error::Many(vec![missing, Error::client("no")]),
                "Error from server (NotFound): pods \"x\" not found\nno\n",
            ),
        ] {
            assert_eq!(error.report(), text);
        }
    }
}
