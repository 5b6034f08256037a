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
