//! Flags of utilities, as `getopt` reads them.

/// Flags and operands of a command line.
#[derive(Debug, Default)]
pub(super) struct Flags {
    given: Vec<(char, String)>,
    pub operands: Vec<String>,
}

/// How a utility takes its flags.
pub(super) struct Spec<'a> {
    /// The letters; a colon after those that take a value.
    pub letters: &'a str,
    /// Long names for letters.
    pub long: &'a [(&'a str, char)],
    /// Whether flags may follow operands.
    pub permutes: bool,
}

impl Flags {
    /// Takes a command line apart; the error is the first flag that is not known.
    pub fn parse(arguments: Vec<String>, spec: &Spec<'_>) -> Result<Self, String> {
        let mut flags = Self::default();
        let mut words = arguments.into_iter();
        while let Some(word) = words.next() {
            if word == "--" {
                flags.operands.extend(words.by_ref());
            } else if let Some(long) = word.strip_prefix("--") {
                let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
                let known = spec.long.iter().find(|(known, _)| *known == name);
                let letter = known.ok_or_else(|| format!("--{name}"))?.1;
                let value = match value {
                    Some(value) => value.to_owned(),
                    None if takes_value(spec, letter) => words.next().unwrap_or_default(),
                    None => String::new(),
                };
                flags.given.push((letter, value));
            } else if word.len() > 1 && word.starts_with('-') {
                for (at, letter) in word[1..].char_indices() {
                    if !spec.letters.contains(letter) || letter == ':' {
                        return Err(format!("-{letter}"));
                    }
                    if takes_value(spec, letter) {
                        let glued = &word[1 + at + letter.len_utf8()..];
                        let value = if glued.is_empty() { words.next().unwrap_or_default() } else { glued.to_owned() };
                        flags.given.push((letter, value));
                        break;
                    }
                    flags.given.push((letter, String::new()));
                }
            } else {
                flags.operands.push(word);
                if !spec.permutes {
                    flags.operands.extend(words.by_ref());
                }
            }
        }
        Ok(flags)
    }

    pub fn has(&self, letter: char) -> bool {
        self.given.iter().any(|(given, _)| *given == letter)
    }

    pub fn value(&self, letter: char) -> Option<&str> {
        self.given.iter().rfind(|(given, _)| *given == letter).map(|(_, value)| value.as_str())
    }

    pub fn values(&self, letter: char) -> impl Iterator<Item = &str> {
        self.given.iter().filter(move |(given, _)| *given == letter).map(|(_, value)| value.as_str())
    }
}

fn takes_value(spec: &Spec<'_>, letter: char) -> bool {
    spec.letters.find(letter).is_some_and(|at| spec.letters[at + letter.len_utf8()..].starts_with(':'))
}

/// A size with a suffix: `100M`, `1GiB`, `512`.
pub(super) fn size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let factor = match &text[digits..] {
        "" | "c" | "B" => 1,
        "b" => 512,
        "w" => 2,
        "k" | "K" | "kB" | "KB" | "KiB" => 1 << 10,
        "M" | "MB" | "m" | "MiB" => 1 << 20,
        "G" | "GB" | "g" | "GiB" => 1 << 30,
        "T" | "TB" | "t" | "TiB" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_come_apart() {
        let spec = Spec { letters: "abn:", long: &[("all", 'a'), ("lines", 'n')], permutes: true };
        for (words, given, operands) in [
            ("-a x -b y", "a= b=", "x y"),
            ("-abn5 x", "a= b= n=5", "x"),
            ("-n 5 -- -a", "n=5", "-a"),
            ("--all --lines=3 --lines 4 -", "a= n=3 n=4", "-"),
        ] {
            let flags = Flags::parse(words.split(' ').map(str::to_owned).collect(), &spec).unwrap();
            let shown: Vec<String> = flags.given.iter().map(|(letter, value)| format!("{letter}={value}")).collect();
            assert_eq!((shown.join(" ").as_str(), flags.operands.join(" ").as_str()), (given, operands), "{words}");
        }
        assert_eq!(Flags::parse(vec!["-x".to_owned()], &spec).unwrap_err(), "-x");
        assert_eq!(Flags::parse(vec!["--nope=1".to_owned()], &spec).unwrap_err(), "--nope");
    }
}
