//! Shell patterns: `*`, `?` and `[...]`, for file names, `case` and the removal of prefixes and suffixes.

/// Text whose characters are marked as quoted or not: only unquoted ones are active in a pattern.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Marked(Vec<(char, bool)>);

impl Marked {
    pub fn push(&mut self, text: &str, quoted: bool) {
        self.0.extend(text.chars().map(|c| (c, quoted)));
    }

    /// The text without its marks.
    pub fn text(&self) -> String {
        self.0.iter().map(|(c, _)| c).collect()
    }

    /// Whether it is a pattern and not just a text.
    pub fn is_pattern(&self) -> bool {
        self.0.iter().any(|(c, quoted)| !quoted && matches!(c, '*' | '?' | '['))
    }

    /// The parts between slashes.
    pub fn split_path(&self) -> Vec<Self> {
        self.0.split(|(c, _)| *c == '/').map(|part| Self(part.to_vec())).collect()
    }

    /// With a backslash before quoted characters that a regular expression would take for its own.
    pub fn regex(&self) -> String {
        let mut out = String::new();
        for (c, quoted) in &self.0 {
            if *quoted && !c.is_alphanumeric() && c.is_ascii() {
                out.push('\\');
            }
            out.push(*c);
        }
        out
    }
}

/// In longer texts a pattern with a star replaces nothing.
const MAX_REPLACED: usize = 16 * 1024;

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Token>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Any,
    One,
    Char(char),
    Set { negated: bool, items: Vec<(char, char)> },
}

impl Pattern {
    pub fn new(marked: &Marked) -> Self {
        let mut tokens = Vec::new();
        let mut rest = marked.0.as_slice();
        while let Some(((c, quoted), tail)) = rest.split_first() {
            rest = tail;
            match c {
                '*' if !quoted => {
                    if tokens.last() != Some(&Token::Any) {
                        tokens.push(Token::Any);
                    }
                }
                '?' if !quoted => tokens.push(Token::One),
                '[' if !quoted => match set(tail) {
                    Some((token, after)) => {
                        tokens.push(token);
                        rest = after;
                    }
                    None => tokens.push(Token::Char('[')),
                },
                // An expansion may bring a backslash; it escapes, as in POSIX XCU 2.13.1.
                '\\' if !quoted && !tail.is_empty() => {
                    tokens.push(Token::Char(tail[0].0));
                    rest = &tail[1..];
                }
                _ => tokens.push(Token::Char(*c)),
            }
        }
        Self(tokens)
    }

    /// A pattern written without quotes.
    pub fn unquoted(text: &str) -> Self {
        let mut marked = Marked::default();
        marked.push(text, false);
        Self::new(&marked)
    }

    /// Whether the pattern matches all of a text.
    pub fn matches(&self, text: &str) -> bool {
        self.matches_chars(&text.chars().collect::<Vec<char>>())
    }

    /// Whether a name that starts with a dot may match: only if the pattern says so.
    pub fn matches_name(&self, name: &str) -> bool {
        (!name.starts_with('.') || self.0.first() == Some(&Token::Char('.'))) && self.matches(name)
    }

    fn matches_chars(&self, text: &[char]) -> bool {
        let (mut at, mut token) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        while at < text.len() {
            match self.0.get(token) {
                Some(Token::Any) => {
                    retry = Some((token + 1, at));
                    token += 1;
                }
                Some(other) if other.takes(text[at]) => {
                    token += 1;
                    at += 1;
                }
                Some(_) | None => match retry {
                    Some((after, from)) => {
                        retry = Some((after, from + 1));
                        token = after;
                        at = from + 1;
                    }
                    None => return false,
                },
            }
        }
        self.0[token..].iter().all(|token| *token == Token::Any)
    }

    /// The text without its shortest or longest prefix that matches.
    pub fn without_prefix(&self, text: &str, longest: bool) -> String {
        let chars: Vec<char> = text.chars().collect();
        let end = matched(&self.0, chars.iter().copied(), longest).unwrap_or(0);
        chars[end..].iter().collect()
    }

    /// The text without its shortest or longest suffix that matches.
    pub fn without_suffix(&self, text: &str, longest: bool) -> String {
        let chars: Vec<char> = text.chars().collect();
        let backwards: Vec<Token> = self.0.iter().rev().cloned().collect();
        let length = matched(&backwards, chars.iter().rev().copied(), longest).unwrap_or(0);
        chars[..chars.len() - length].iter().collect()
    }

    /// The text with matches replaced; only the first one unless `all`. A match is as long as it can be.
    pub fn replace(&self, text: &str, replacement: &str, all: bool) -> String {
        let chars: Vec<char> = text.chars().collect();
        let mut out = String::new();
        let mut at = 0;
        // A star looks at all of the rest from every place: long texts stay as they are.
        if chars.len() > MAX_REPLACED && self.0.contains(&Token::Any) {
            return text.to_owned();
        }
        while at < chars.len() {
            match matched(&self.0, chars[at..].iter().copied(), true).filter(|length| *length > 0) {
                Some(length) => {
                    out.push_str(replacement);
                    at += length;
                    if !all {
                        break;
                    }
                }
                None => {
                    out.push(chars[at]);
                    at += 1;
                }
            }
        }
        out.extend(&chars[at..]);
        out
    }
}

impl Token {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Any | Self::One => true,
            Self::Char(own) => *own == c,
            Self::Set { negated, items } => items.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *negated,
        }
    }
}

/// How long the shortest or longest match at the start of a text is; every state that can be reached is followed, so
/// that the time is the length of the text times that of the pattern.
fn matched(tokens: &[Token], mut text: impl Iterator<Item = char>, longest: bool) -> Option<usize> {
    let mut states = vec![false; tokens.len() + 1];
    let mut next = states.clone();
    states[0] = true;
    let mut found = None;
    for length in 0.. {
        for (at, token) in tokens.iter().enumerate() {
            states[at + 1] |= states[at] && *token == Token::Any;
        }
        if states[tokens.len()] {
            found = Some(length);
        }
        let Some(c) = text.next().filter(|_| longest || found.is_none()) else { return found };
        next.fill(false);
        for (at, token) in tokens.iter().enumerate().filter(|(at, _)| states[*at]) {
            match token {
                Token::Any => next[at] = true,
                other => next[at + 1] |= other.takes(c),
            }
        }
        std::mem::swap(&mut states, &mut next);
        if !states.contains(&true) {
            break;
        }
    }
    found
}

/// The set after `[`, and what follows its `]`.
fn set(rest: &[(char, bool)]) -> Option<(Token, &[(char, bool)])> {
    let negated = matches!(rest.first(), Some(('!' | '^', false)));
    let mut at = usize::from(negated);
    let mut items = Vec::new();
    loop {
        let (c, quoted) = *rest.get(at)?;
        if c == ']' && !quoted && at > usize::from(negated) {
            return Some((Token::Set { negated, items }, &rest[at + 1..]));
        }
        if c == '[' && rest.get(at + 1).is_some_and(|next| next.0 == ':') {
            let end = (at + 2..rest.len().saturating_sub(1)).find(|i| rest[*i].0 == ':' && rest[*i + 1].0 == ']')?;
            let name: String = rest[at + 2..end].iter().map(|(c, _)| c).collect();
            items.extend_from_slice(class(&name)?);
            at = end + 2;
        } else if rest.get(at + 1).is_some_and(|next| next.0 == '-') && rest.get(at + 2).is_some_and(|to| to.0 != ']') {
            items.push((c, rest[at + 2].0));
            at += 3;
        } else {
            items.push((c, c));
            at += 1;
        }
    }
}

/// The characters of a class such as `[:alpha:]`.
pub(super) fn class(name: &str) -> Option<&'static [(char, char)]> {
    Some(match name {
        "alpha" => &[('a', 'z'), ('A', 'Z')],
        "digit" => &[('0', '9')],
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "upper" => &[('A', 'Z')],
        "lower" => &[('a', 'z')],
        "space" => &[('\t', '\r'), (' ', ' ')],
        "blank" => &[('\t', '\t'), (' ', ' ')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        "cntrl" => &[('\0', '\x1f'), ('\x7f', '\x7f')],
        "print" => &[(' ', '~')],
        "graph" => &[('!', '~')],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_texts() {
        for (pattern, text, expect) in [
            ("", "", true),
            ("*", "", true),
            ("*", "anything", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("*.log", "x.log", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[abc]x", "bx", true),
            ("[!abc]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("[]x]", "]", true),
            ("[a", "[a", true),
            ("[[:digit:]]*", "7up", true),
            ("[[:upper:]]", "a", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("*a*b*c*", "xxaxxbxxcxx", true),
            ("*a*b*c*", "xxaxxcxxbxx", false),
        ] {
            assert_eq!(Pattern::unquoted(pattern).matches(text), expect, "{pattern} on {text}");
        }
    }

    #[test]
    fn parts_are_removed_and_replaced() {
        for (text, pattern, shortest, longest, without_suffix) in [
            ("a/b/c", "*/", "b/c", "c", "a/b/c"),
            ("a/b/c", "/*", "a/b/c", "a/b/c", "a"),
            ("abc", "*", "abc", "", ""),
            ("abc", "?", "bc", "bc", "ab"),
            ("aXbX", "*X", "bX", "", ""),
            ("abc", "", "abc", "abc", "abc"),
            ("äöü", "ä", "öü", "öü", "äöü"),
        ] {
            let compiled = Pattern::unquoted(pattern);
            assert_eq!(compiled.without_prefix(text, false), shortest, "{text} # {pattern}");
            assert_eq!(compiled.without_prefix(text, true), longest, "{text} ## {pattern}");
            assert_eq!(compiled.without_suffix(text, true), without_suffix, "{text} %% {pattern}");
        }
        for (text, pattern, first, all) in
            [("hello", "l", "heLlo", "heLLo"), ("aab", "a*", "L", "L"), ("x", "y", "x", "x")]
        {
            let compiled = Pattern::unquoted(pattern);
            assert_eq!(compiled.replace(text, "L", false), first, "{text} / {pattern}");
            assert_eq!(compiled.replace(text, "L", true), all, "{text} // {pattern}");
        }
        let long = "a".repeat(1 << 18);
        assert_eq!(Pattern::unquoted("*b").without_prefix(&long, true), long);
        assert_eq!(Pattern::unquoted("*a").replace(&long, "", true), long);
    }

    #[test]
    fn many_stars_do_not_explode() {
        assert!(!Pattern::unquoted(&"*a".repeat(50)).matches(&"a".repeat(49)));
    }
}
