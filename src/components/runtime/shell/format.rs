//! Escapes and formats of `echo` and `printf`.

/// Replaces backslash escapes as `echo -e` and `$'...'` do. Whether `\c` ended the text comes second.
pub(super) fn unescape(text: &str) -> (String, bool) {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let after = rest.as_str();
        match rest.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('a') => out.push('\x07'),
            Some('b') => out.push('\x08'),
            Some('f') => out.push('\x0c'),
            Some('v') => out.push('\x0b'),
            Some('e' | 'E') => out.push('\x1b'),
            Some('\\') => out.push('\\'),
            Some(quote @ ('\'' | '"')) => out.push(quote),
            Some('c') => return (out, true),
            Some('0') => {
                let digits = leading(&after[1..], 3, 8);
                out.push(code(digits, 8));
                rest = after[1 + digits.len()..].chars();
            }
            Some('1'..='7') => {
                let digits = leading(after, 3, 8);
                out.push(code(digits, 8));
                rest = after[digits.len()..].chars();
            }
            Some(kind @ ('x' | 'u' | 'U')) => {
                let most = if kind == 'x' {
                    2
                } else if kind == 'u' {
                    4
                } else {
                    8
                };
                let digits = leading(&after[1..], most, 16);
                if digits.is_empty() {
                    out.extend(['\\', kind]);
                } else {
                    out.push(code(digits, 16));
                }
                rest = after[1 + digits.len()..].chars();
            }
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    (out, false)
}

fn leading(text: &str, most: usize, radix: u32) -> &str {
    let end = text.char_indices().take(most).take_while(|(_, c)| c.is_digit(radix)).map(|(at, _)| at + 1).last();
    &text[..end.unwrap_or(0)]
}

fn code(digits: &str, radix: u32) -> char {
    u32::from_str_radix(digits, radix).ok().and_then(char::from_u32).unwrap_or('\0')
}

/// The text that `echo` writes: leading words of known flags are taken away, `e` and `E` switch escapes.
pub(super) fn echo(words: &[String], flags: &str, escapes: bool) -> String {
    let (mut escapes, mut newline) = (escapes, true);
    let is_flag = |word: &&String| {
        word.len() > 1 && word.strip_prefix('-').is_some_and(|letters| letters.chars().all(|c| flags.contains(c)))
    };
    let given = words.iter().take_while(is_flag).count();
    for letter in words[..given].iter().flat_map(|word| word[1..].chars()) {
        match letter {
            'n' => newline = false,
            letter => escapes = letter == 'e',
        }
    }
    let mut text = words[given..].join(" ");
    if escapes {
        let (unescaped, ends) = unescape(&text);
        text = unescaped;
        newline &= !ends;
    }
    if newline {
        text.push('\n');
    }
    text
}

/// A conversion of a format: `%-08.3d`.
#[derive(Debug, Default)]
struct Conversion {
    left: bool,
    zero: bool,
    plus: bool,
    space: bool,
    alternative: bool,
    width: usize,
    precision: Option<usize>,
}

/// No field of output is wider.
const MAX_WIDTH: usize = 4096;

/// Formats as `printf` does, using the template again until the arguments are used up. Errors come second.
pub(super) fn printf(template: &str, arguments: &[String]) -> (String, Vec<String>) {
    let mut out = String::new();
    let mut errors = Vec::new();
    let mut arguments = arguments.iter();
    loop {
        let before = arguments.len();
        if format_once(template, &mut arguments, &mut out, &mut errors) || arguments.len() == 0 {
            return (out, errors);
        }
        if arguments.len() == before {
            return (out, errors); // Nothing in the template takes arguments.
        }
    }
}

/// One pass over the template. True if `\c` ended the output.
fn format_once(
    template: &str,
    arguments: &mut std::slice::Iter<'_, String>,
    out: &mut String,
    errors: &mut Vec<String>,
) -> bool {
    let mut rest = template;
    while let Some(at) = rest.find('%') {
        let (text, ends) = unescape(&rest[..at]);
        out.push_str(&text);
        if ends {
            return true;
        }
        let mut chars = rest[at + 1..].chars();
        let mut conversion = Conversion::default();
        let mut next = chars.next();
        while let Some(flag) = next {
            match flag {
                '-' => conversion.left = true,
                '0' => conversion.zero = true,
                '+' => conversion.plus = true,
                ' ' => conversion.space = true,
                '#' => conversion.alternative = true,
                _ => break,
            }
            next = chars.next();
        }
        conversion.width = number(&mut next, &mut chars, arguments).unwrap_or(0).min(MAX_WIDTH);
        if next == Some('.') {
            next = chars.next();
            conversion.precision = Some(number(&mut next, &mut chars, arguments).unwrap_or(0).min(MAX_WIDTH));
        }
        match next {
            Some('%') => out.push('%'),
            Some(kind) => {
                let argument = arguments.next().map_or("", String::as_str);
                match conversion.apply(kind, argument, errors) {
                    Some((text, ends)) => {
                        out.push_str(&text);
                        if ends {
                            return true;
                        }
                    }
                    None => {
                        errors.push(format!("%{kind}: invalid directive"));
                        return true;
                    }
                }
            }
            None => out.push('%'),
        }
        rest = chars.as_str();
    }
    let (text, ends) = unescape(rest);
    out.push_str(&text);
    ends
}

/// A number, or `*` for one from the arguments, starting at `next`.
fn number(
    next: &mut Option<char>,
    chars: &mut std::str::Chars<'_>,
    arguments: &mut std::slice::Iter<'_, String>,
) -> Option<usize> {
    if *next == Some('*') {
        *next = chars.next();
        return arguments.next()?.parse().ok();
    }
    let mut value = None;
    while let Some(digit) = next.and_then(|c| c.to_digit(10)) {
        value = Some(value.unwrap_or(0usize).saturating_mul(10).saturating_add(digit as usize));
        *next = chars.next();
    }
    value
}

impl Conversion {
    /// The text of one argument; whether `\c` in it ends the output.
    fn apply(&self, kind: char, argument: &str, errors: &mut Vec<String>) -> Option<(String, bool)> {
        let cut = |text: &str| text.chars().take(self.precision.unwrap_or(usize::MAX)).collect::<String>();
        let text = match kind {
            's' => cut(argument),
            'b' => {
                let (text, ends) = unescape(argument);
                return Some((self.pad(&cut(&text), false), ends));
            }
            'q' => super::builtins::quoted(argument),
            'c' => argument.chars().take(1).collect(),
            'd' | 'i' => return Some((self.integer(integer(argument, errors)), false)),
            'u' => return Some((self.pad(&(integer(argument, errors) as u64).to_string(), true), false)),
            'x' if self.alternative => format!("{:#x}", integer(argument, errors)),
            'x' => format!("{:x}", integer(argument, errors)),
            'X' => format!("{:X}", integer(argument, errors)),
            'o' => format!("{:o}", integer(argument, errors)),
            'f' | 'F' => self.signed(&format!("{:.*}", self.precision.unwrap_or(6), float(argument, errors))),
            'e' => exponent(float(argument, errors), self.precision.unwrap_or(6)),
            'g' => general(float(argument, errors), self.precision.unwrap_or(6)),
            _ => return None,
        };
        Some((self.pad(&text, !matches!(kind, 's' | 'c' | 'q')), false))
    }

    fn integer(&self, value: i64) -> String {
        let digits = format!("{:0>1$}", value.unsigned_abs(), self.precision.unwrap_or(1));
        let text = if value < 0 { format!("-{digits}") } else { self.signed(&digits) };
        self.pad(&text, self.precision.is_none())
    }

    fn signed(&self, text: &str) -> String {
        match text.starts_with('-') {
            false if self.plus => format!("+{text}"),
            false if self.space => format!(" {text}"),
            _ => text.to_owned(),
        }
    }

    fn pad(&self, text: &str, numeric: bool) -> String {
        let missing = self.width.saturating_sub(text.chars().count());
        if self.left {
            return format!("{text}{}", " ".repeat(missing));
        }
        if self.zero && numeric {
            let digits = text.find(|c: char| c != '-' && c != '+' && c != ' ').unwrap_or(0);
            return format!("{}{}{}", &text[..digits], "0".repeat(missing), &text[digits..]);
        }
        format!("{}{text}", " ".repeat(missing))
    }
}

fn integer(argument: &str, errors: &mut Vec<String>) -> i64 {
    let text = argument.trim_start();
    if let Some(quoted) = text.strip_prefix(['\'', '"']) {
        return quoted.chars().next().map_or(0, |c| i64::from(u32::from(c)));
    }
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let digits = digits.strip_prefix('+').unwrap_or(digits);
    let (radix, digits) = match digits {
        _ if digits.starts_with("0x") || digits.starts_with("0X") => (16, &digits[2..]),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
    if !text.is_empty() && (end == 0 || end < digits.len()) {
        errors.push(format!("{argument}: invalid number"));
    }
    let value = i64::from_str_radix(&digits[..end], radix).unwrap_or(if end == 0 { 0 } else { i64::MAX });
    if negative { -value } else { value }
}

fn float(argument: &str, errors: &mut Vec<String>) -> f64 {
    match argument.trim().parse() {
        Ok(value) => value,
        Err(_) if argument.is_empty() => 0.0,
        Err(_) => {
            errors.push(format!("{argument}: invalid number"));
            0.0
        }
    }
}

/// `%e`: Rust's exponents lack the sign and the second digit.
fn exponent(value: f64, precision: usize) -> String {
    let text = format!("{value:.precision$e}");
    match text.split_once('e') {
        Some((digits, power)) => {
            let (sign, power) = power.strip_prefix('-').map_or(('+', power), |power| ('-', power));
            format!("{digits}e{sign}{power:0>2}")
        }
        None => text,
    }
}

/// `%g`: the shorter of `%e` and `%f`, without trailing zeros.
pub(super) fn general(value: f64, precision: usize) -> String {
    let precision = precision.max(1);
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".to_owned() } else { value.to_string() };
    }
    let scientific = exponent(value, precision - 1);
    let power = scientific.split_once('e').and_then(|(_, power)| power.parse::<i32>().ok()).unwrap_or(0);
    let trim = |digits: &str| match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => digits.to_owned(),
    };
    if power < -4 || power >= precision as i32 {
        return match scientific.split_once('e') {
            Some((digits, power)) => format!("{}e{power}", trim(digits)),
            None => scientific,
        };
    }
    trim(&format!("{value:.*}", (precision as i32 - 1 - power).max(0) as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn echo_writes_what_shells_write() {
        for (words, flags, escapes, text) in [
            ("a b", "neE", false, "a b\n"),
            ("-n a", "neE", false, "a"),
            ("-e a\\tb", "neE", false, "a\tb\n"),
            ("-en a\\n", "neE", false, "a\n"),
            ("-ne a\\cb x", "neE", false, "a"),
            ("-x a", "neE", false, "-x a\n"),
            ("- a", "neE", false, "- a\n"),
            ("a -n", "neE", false, "a -n\n"),
            ("-e a\\tb", "n", true, "-e a\tb\n"),
            ("a\\0101\\x41\\101", "n", true, "aAAA\n"),
            ("", "n", true, "\n"),
        ] {
            let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
            assert_eq!(echo(&words, flags, escapes), text, "{words:?}");
        }
    }

    #[test]
    fn printf_formats() {
        for (template, arguments, text) in [
            ("hello\\n", "", "hello\n"),
            ("%s-%s\\n", "a b c", "a-b\nc-\n"),
            ("%d|%5d|%-5d|%05d|%+d", "1 22 33 44 5", "1|   22|33   |00044|+5"),
            ("%05d %x %X %o %c", "-42 255 255 8 hello", "-0042 ff FF 10 h"),
            ("%5s|%-5s|%.2s", "ab cd efg", "   ab|cd   |ef"),
            ("%*s", "5 ab", "   ab"),
            ("%.2f %f %e %g", "3.14159 1 12345.678 0.0001", "3.14 1.000000 1.234568e+04 0.0001"),
            ("%b", "a\\tb", "a\tb"),
            ("100%%", "", "100%"),
            ("%d", "0x1f", "31"),
            ("%s", "", ""),
        ] {
            let arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
            assert_eq!(printf(template, &arguments), (text.to_owned(), vec![]), "{template}");
        }
        assert_eq!(printf("%d", &["x".to_owned()]), ("0".to_owned(), vec!["x: invalid number".to_owned()]));
    }
}
