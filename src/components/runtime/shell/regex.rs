//! POSIX regular expressions, basic and extended, played by the `regex-lite` crate.

use super::pattern::class;
use regex_lite::{Regex, RegexBuilder};

/// A regular expression as `grep` and `sed` take it: `\(`, `\|` and `\{` are special, `(`, `|` and `{` are not.
pub(super) fn basic(pattern: &str, ignores_case: bool) -> Result<Regex, String> {
    compile(pattern, &translate(pattern, true)?, ignores_case)
}

/// A regular expression as `grep -E`, `sed -E`, `awk` and `[[ =~ ]]` take it.
pub(super) fn extended(pattern: &str, ignores_case: bool) -> Result<Regex, String> {
    compile(pattern, &translate(pattern, false)?, ignores_case)
}

/// A text to be found as it is: `grep -F`.
pub(super) fn fixed(text: &str, ignores_case: bool) -> Result<Regex, String> {
    compile(text, &regex_lite::escape(text), ignores_case)
}

/// A pattern that matches only whole lines or whole words: `grep -x`, `grep -w`.
pub(super) fn bounded(regex: &Regex, ignores_case: bool, line: bool) -> Result<Regex, String> {
    let bounded = if line { format!("^(?:{regex})$") } else { format!(r"\b(?:{regex})\b") };
    compile(regex.as_str(), &bounded, ignores_case)
}

fn compile(original: &str, translated: &str, ignores_case: bool) -> Result<Regex, String> {
    RegexBuilder::new(translated)
        .case_insensitive(ignores_case)
        .size_limit(1 << 20)
        .build()
        .map_err(|_| format!("the regular expression `{original}`"))
}

/// Rewrites a POSIX expression for the crate.
fn translate(pattern: &str, basic: bool) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        let at_start = out.is_empty() || out.ends_with('(') || out.ends_with('|') || out == "^";
        match c {
            '\\' => match rest.next() {
                Some(special @ ('(' | ')' | '{' | '}' | '|' | '+' | '?')) if basic => out.push(special),
                Some('<' | '>') => out.push_str(r"\b"),
                Some('\'') => out.push_str(r"\z"),
                Some('`') => out.push_str(r"\A"),
                Some('1'..='9') => return Err(format!("a back-reference in the regular expression `{pattern}`")),
                Some(known @ ('w' | 'W' | 's' | 'S' | 'b' | 'B' | 'd' | 'n' | 't')) => out.extend(['\\', known]),
                Some(other) if other.is_ascii_punctuation() => out.extend(['\\', other]),
                Some(other) => out.push(other),
                None => out.push_str(r"\\"),
            },
            '[' => bracket(&mut rest, &mut out).ok_or_else(|| format!("the regular expression `{pattern}`"))?,
            '*' if at_start => out.push_str(r"\*"),
            '(' | ')' | '{' | '}' | '|' | '+' | '?' if basic => out.extend(['\\', c]),
            '{' if !rest.peek().is_some_and(char::is_ascii_digit) => out.push_str(r"\{"),
            '^' if basic && !at_start => out.push_str(r"\^"),
            '$' if basic && rest.peek().is_some_and(|next| *next != '\\') => out.push_str(r"\$"),
            other => out.push(other),
        }
    }
    Ok(out)
}

/// `[...]`: in POSIX a backslash is itself, `]` may come first, and there are classes.
fn bracket(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) -> Option<()> {
    out.push('[');
    if rest.peek() == Some(&'^') {
        rest.next();
        out.push('^');
    }
    let mut first = true;
    loop {
        let c = rest.next()?;
        match c {
            ']' if !first => {
                out.push(']');
                return Some(());
            }
            '[' if rest.peek() == Some(&':') => {
                rest.next();
                let mut name = String::new();
                loop {
                    match rest.next()? {
                        ':' if rest.peek() == Some(&']') => break,
                        letter => name.push(letter),
                    }
                }
                rest.next();
                for (from, to) in class(&name)? {
                    out.push_str(&format!("\\x{{{:x}}}-\\x{{{:x}}}", u32::from(*from), u32::from(*to)));
                }
            }
            '\\' | '[' | ']' | '&' | '~' => out.extend(['\\', c]),
            '-' => out.push_str(if first || rest.peek() == Some(&']') { r"\-" } else { "-" }),
            other => out.push(other),
        }
        first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posix_expressions_match() {
        for (pattern, text, in_basic, in_extended) in [
            ("abc", "xabcx", true, true),
            ("^a.c$", "abc", true, true),
            ("a+", "aa", false, true),
            ("a\\+", "aa", true, false),
            ("(a|b)c", "bc", false, true),
            ("\\(a\\|b\\)c", "bc", true, false),
            ("a{2}", "aa", false, true),
            ("a\\{2\\}", "aa", true, false),
            ("[[:digit:]]+", "x7", false, true),
            ("[]a]", "]", true, true),
            ("[^]a]", "]", false, false),
            ("[\\d]", "d", true, true),
            ("[a-]", "-", true, true),
            ("*a", "*a", true, true),
            ("a*", "", true, true),
            ("\\.", "x", false, false),
            ("\\<to\\>", "go to it", true, true),
            ("{", "{", true, true),
            ("a^b", "a^b", true, false),
            ("a$b", "a$b", true, false),
        ] {
            assert_eq!(basic(pattern, false).is_ok_and(|regex| regex.is_match(text)), in_basic, "basic {pattern}");
            let found = extended(pattern, false).is_ok_and(|regex| regex.is_match(text));
            assert_eq!(found, in_extended, "extended {pattern}");
        }
        assert!(basic("A", true).unwrap().is_match("a"));
        assert!(fixed("a.b", false).unwrap().is_match("a.b") && !fixed("a.b", false).unwrap().is_match("axb"));
        assert!(basic("\\(a\\)\\1", false).is_err());
    }
}
