//! How a shell is called: `sh -ec 'script' name argument`, `bash /script.sh`, `busybox sh -c ...`.

use super::environment::{Dialect, Options};

/// A call of a shell, taken apart.
///
/// ```
/// use podsim::components::runtime::shell::{Dialect, Invocation, Source};
/// let argv = ["/bin/bash", "-exc", "echo $1", "me", "hello"].map(str::to_owned);
/// let invocation = Invocation::from_argv(&argv).unwrap();
/// assert_eq!(invocation.source, Source::Text("echo $1".to_owned()));
/// assert_eq!((invocation.name.as_str(), invocation.arguments.as_slice()), ("me", &argv[4..]));
/// assert_eq!(invocation.dialect, Some(Dialect::Bash));
/// assert!(Invocation::from_argv(&["nginx".to_owned()]).is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Which shell it is, as far as its name tells: `sh` may be any.
    pub dialect: Option<Dialect>,
    /// Where the script comes from.
    pub source: Source,
    /// `$0`
    pub name: String,
    /// `$1` and so on.
    pub arguments: Vec<String>,
    pub(super) options: Options,
}

/// Where a script comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `-c text`
    Text(String),
    /// A file in the container.
    File(String),
    /// Standard input, which is empty for most containers: the shell ends at once with success.
    Input,
}

impl Invocation {
    /// Recognises a shell by its name and takes its flags apart; `None` if it is something else.
    pub fn from_argv(argv: &[String]) -> Option<Self> {
        let (first, mut rest) = argv.split_first()?;
        let mut called = first.as_str();
        if base_name(called) == "busybox" {
            (called, rest) = rest.split_first().map(|(applet, rest)| (applet.as_str(), rest))?;
        }
        let dialect = match base_name(called) {
            "bash" | "rbash" => Some(Dialect::Bash),
            "dash" => Some(Dialect::Dash),
            "ash" => Some(Dialect::BusyBox),
            "sh" => None,
            _ => return None,
        };
        let mut options = Options::default();
        let (mut from_text, mut from_input) = (false, false);
        while let Some((flag, after)) = rest.split_first() {
            let on = flag.starts_with('-');
            if !(on || flag.starts_with('+')) || flag.len() < 2 {
                break;
            }
            rest = after;
            match flag.as_str() {
                "--" => break,
                "--login" | "--norc" | "--noprofile" | "--posix" | "--verbose" => {}
                "--rcfile" | "--init-file" => rest = rest.get(1..).unwrap_or_default(),
                _ if flag.starts_with("--") => return None,
                _ => {
                    for letter in flag[1..].chars() {
                        match letter {
                            'c' => from_text = true,
                            's' => from_input = true,
                            'o' | 'O' => {
                                let (name, after) = rest.split_first()?;
                                options.set_name(name, on);
                                rest = after;
                            }
                            letter if options.set_letter(letter, on) => {}
                            _ => return None,
                        }
                    }
                }
            }
        }
        let mut rest = rest.iter().cloned();
        let source = match (from_text, from_input) {
            (true, _) => Source::Text(rest.next()?),
            (false, true) => Source::Input,
            (false, false) => rest.next().map_or(Source::Input, Source::File),
        };
        let name = match &source {
            Source::Text(_) => rest.next().unwrap_or_else(|| called.to_owned()),
            Source::File(path) => path.clone(),
            Source::Input => called.to_owned(),
        };
        Some(Self { dialect, source, name, arguments: rest.collect(), options })
    }
}

pub(super) fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_are_recognised_with_their_flags() {
        let text = |text: &str| Some(Source::Text(text.to_owned()));
        let file = |path: &str| Some(Source::File(path.to_owned()));
        for (argv, source, letters) in [
            ("sh -c a", text("a"), ""),
            ("/bin/sh -ec a", text("a"), "e"),
            ("/bin/bash -exc a", text("a"), "ex"),
            ("bash -e -x -c a", text("a"), "ex"),
            ("bash -ecx a", text("a"), "ex"),
            ("bash -lc a", text("a"), ""),
            ("bash -c -e a", text("a"), "e"),
            ("bash -eu -o pipefail -c a", text("a"), "eu"),
            ("bash -euo pipefail -c a", text("a"), "eu"),
            ("sh -c -- a", text("a"), ""),
            ("busybox sh -c a", text("a"), ""),
            ("sh", Some(Source::Input), ""),
            ("bash --login", Some(Source::Input), ""),
            ("sh -x /run.sh b", file("/run.sh"), "x"),
            ("ash /run.sh", file("/run.sh"), ""),
            ("sh -c", None, ""),
            ("nginx -c a", None, ""),
            ("busybox httpd", None, ""),
            ("", None, ""),
        ] {
            let argv: Vec<String> = argv.split_whitespace().map(str::to_owned).collect();
            let invocation = Invocation::from_argv(&argv);
            let found = invocation.map(|it| (it.source, it.options.letters()));
            assert_eq!(found, source.map(|source| (source, letters.to_owned())), "{argv:?}");
        }
    }
}
