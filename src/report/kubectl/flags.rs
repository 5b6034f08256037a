//! Flags as kubectl takes them: anywhere among the arguments, `--name value` or `--name=value`, `-o wide` or `-owide`.
//!
//! Follows `github.com/spf13/pflag`.

use super::error::Error;

/// A flag a command knows.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    name: &'static str,
    short: Option<char>,
    takes_value: bool,
}

impl Flag {
    /// A flag with a value.
    pub const fn value(name: &'static str, short: Option<char>) -> Self {
        Self { name, short, takes_value: true }
    }

    /// A flag that is on or off.
    pub const fn switch(name: &'static str, short: Option<char>) -> Self {
        Self { name, short, takes_value: false }
    }
}

/// Flags of every command that talks to a server. What has no meaning without one is taken and not looked at.
const GLOBAL: &[Flag] = &[
    Flag::value("namespace", Some('n')),
    Flag::value("kubeconfig", None),
    Flag::value("context", None),
    Flag::value("cluster", None),
    Flag::value("user", None),
    Flag::value("server", Some('s')),
    Flag::value("request-timeout", None),
    Flag::value("v", Some('v')),
];

/// The arguments of a command, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arguments {
    /// What is no flag, in order.
    pub positional: Vec<String>,
    given: Vec<(&'static str, String)>,
}

impl Arguments {
    /// Takes `args` apart, knowing `flags` and the global ones. `command` is named in errors: `kubectl get`.
    pub fn parse(args: &[String], flags: &[Flag], command: &str) -> Result<Self, Error> {
        let known = || flags.iter().chain(GLOBAL);
        let fail = |problem: String| Error::client(format!("{problem}\nSee 'kubectl {command} --help' for usage."));
        let mut parsed = Self::default();
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            let mut value_of = |flag: &Flag, inline: Option<String>| match (inline, flag.takes_value) {
                (Some(value), _) => Ok(value),
                (None, false) => Ok("true".to_owned()),
                (None, true) => rest.next().cloned().ok_or_else(|| fail(format!("flag needs an argument: {arg}"))),
            };
            if arg == "--" {
                parsed.positional.extend(rest.cloned());
                break;
            } else if let Some(long) = arg.strip_prefix("--") {
                let (name, inline) = long.split_once('=').map_or((long, None), |(n, v)| (n, Some(v.to_owned())));
                let flag = known().find(|f| f.name == name).ok_or_else(|| fail(format!("unknown flag: --{name}")))?;
                parsed.given.push((flag.name, value_of(flag, inline)?));
            } else if arg.len() > 1 && arg.starts_with('-') {
                let mut shorts = arg[1..].chars();
                while let Some(short) = shorts.next() {
                    let flag = known()
                        .find(|f| f.short == Some(short))
                        .ok_or_else(|| fail(format!("unknown shorthand flag: '{short}' in {arg}")))?;
                    let after = shorts.as_str();
                    let inline = match after.strip_prefix('=') {
                        Some(value) => Some(value.to_owned()),
                        None => (flag.takes_value && !after.is_empty()).then(|| after.to_owned()),
                    };
                    let ends = inline.is_some();
                    parsed.given.push((flag.name, value_of(flag, inline)?));
                    if ends {
                        break;
                    }
                }
            } else {
                parsed.positional.push(arg.clone());
            }
        }
        Ok(parsed)
    }

    /// The same flags with another, single argument.
    pub fn with_positional(&self, argument: &str) -> Self {
        Self { positional: vec![argument.to_owned()], ..self.clone() }
    }

    /// The value of a flag, the last one if it was given more than once.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.given.iter().rev().find(|(flag, _)| *flag == name).map(|(_, value)| value.as_str())
    }

    /// Every value of a flag that may be repeated or hold a comma-separated list.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let given = self.given.iter().filter(|(flag, _)| *flag == name);
        given.flat_map(|(_, value)| value.split(',')).filter(|value| !value.is_empty()).collect()
    }

    /// Is a switch on?
    pub fn is_on(&self, name: &str) -> bool {
        self.switch(name).unwrap_or(false)
    }

    /// A switch that may not have been given.
    pub fn switch(&self, name: &str) -> Option<bool> {
        self.value(name).map(|value| matches!(value, "true" | "1" | "t" | "T" | "TRUE" | "True"))
    }

    /// The namespace to look into.
    pub fn namespace(&self) -> &str {
        self.value("namespace").filter(|n| !n.is_empty()).unwrap_or("default")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: &[Flag] = &[
        Flag::value("output", Some('o')),
        Flag::switch("all-namespaces", Some('A')),
        Flag::value("label-columns", Some('L')),
        Flag::switch("watch", Some('w')),
    ];

    fn parse(line: &str) -> Result<Arguments, String> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Arguments::parse(&args, FLAGS, "get").map_err(|e| e.report())
    }

    #[test]
    fn flags_are_found_anywhere() {
        for line in [
            "pods -o wide -A",
            "-Ao wide pods",
            "--output=wide pods --all-namespaces",
            "-A=true -owide pods",
            "-o=wide -A -- pods",
        ] {
            let parsed = parse(line).expect("well-formed");
            assert_eq!((parsed.value("output"), parsed.is_on("all-namespaces")), (Some("wide"), true), "{line}");
            assert_eq!(parsed.positional, ["pods"], "{line}");
        }
        let parsed = parse("pods -L a,b -L c --watch=false -n x").expect("well-formed");
        assert_eq!(parsed.values("label-columns"), ["a", "b", "c"]);
        assert_eq!((parsed.switch("watch"), parsed.switch("all-namespaces")), (Some(false), None));
        assert_eq!(parsed.namespace(), "x");
    }

    #[test]
    fn unknown_flags_are_refused() {
        for (line, error) in [
            ("--foo", "error: unknown flag: --foo\nSee 'kubectl get --help' for usage.\n"),
            ("-q", "error: unknown shorthand flag: 'q' in -q\nSee 'kubectl get --help' for usage.\n"),
            ("pods -o", "error: flag needs an argument: -o\nSee 'kubectl get --help' for usage.\n"),
        ] {
            assert_eq!(parse(line), Err(error.to_owned()));
        }
    }
}
