//! Writing SVG: shapes and texts, escaped, with numbers of at most two digits behind the point.

use std::fmt::{self, Display, Write};

/// A picture, or a part of one, while it is drawn.
#[derive(Debug, Clone, Default)]
pub struct Svg {
    body: String,
}

/// A coordinate: rounded to hundredths, without needless zeros.
#[derive(Debug, Clone, Copy)]
pub struct N(pub f64);

impl Display for N {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hundredths = (self.0 * 100.0).round() as i64;
        let (sign, size) = (if hundredths < 0 { "-" } else { "" }, hundredths.unsigned_abs());
        let (whole, rest) = (size / 100, size % 100);
        match (rest, rest % 10) {
            (0, _) => write!(f, "{sign}{whole}"),
            (_, 0) => write!(f, "{sign}{whole}.{}", rest / 10),
            _ => write!(f, "{sign}{whole}.{rest:02}"),
        }
    }
}

/// Text as it stands in XML.
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a>(pub &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                // What XML 1.0 does not allow at all.
                letter if letter.is_control() && !matches!(letter, '\n' | '\t') => f.write_char('\u{fffd}')?,
                letter => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}

impl Svg {
    /// A rectangle; a title shows when it is pointed at.
    pub fn rect(&mut self, class: &str, [x, y, width, height]: [f64; 4], title: &str) {
        self.put(format_args!(
            "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"",
            N(x),
            N(y),
            N(width),
            N(height)
        ));
        self.close("rect", title);
    }

    /// A line.
    pub fn line(&mut self, class: &str, [x1, y1, x2, y2]: [f64; 4]) {
        self.put(format_args!(
            "<line class=\"{class}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>\n",
            N(x1),
            N(y1),
            N(x2),
            N(y2)
        ));
    }

    /// A text from a point on; its class says how it is aligned.
    pub fn text(&mut self, class: &str, [x, y]: [f64; 2], text: &str) {
        self.put(format_args!("<text class=\"{class}\" x=\"{}\" y=\"{}\">{}</text>\n", N(x), N(y), Escaped(text)));
    }

    /// A shape through points; a title shows when it is pointed at.
    pub fn polygon(&mut self, class: &str, points: impl IntoIterator<Item = [f64; 2]>, title: &str) {
        self.put(format_args!("<polygon class=\"{class}\" points=\"{}\"", Points(points.into_iter().collect())));
        self.close("polygon", title);
    }

    /// A line through points.
    pub fn polyline(&mut self, class: &str, points: impl IntoIterator<Item = [f64; 2]>) {
        self.put(format_args!("<polyline class=\"{class}\" points=\"{}\"/>\n", Points(points.into_iter().collect())));
    }

    /// Draws another part on top.
    pub fn append(&mut self, other: Self) {
        self.body.push_str(&other.body);
    }

    /// The picture, with a style and definitions, as a file.
    pub fn finish(self, [width, height]: [f64; 2], title: &str, style: &str, definitions: &str) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" \
             role=\"img\">\n<title>{title}</title>\n<style>\n{style}</style>\n<defs>\n{definitions}</defs>\n\
             <rect class=\"paper\" width=\"{w}\" height=\"{h}\"/>\n{body}</svg>\n",
            w = N(width),
            h = N(height),
            title = Escaped(title),
            body = self.body
        )
    }

    fn put(&mut self, markup: fmt::Arguments<'_>) {
        self.body.write_fmt(markup).expect("memory takes everything");
    }

    fn close(&mut self, element: &str, title: &str) {
        if title.is_empty() {
            self.body.push_str("/>\n");
        } else {
            self.put(format_args!("><title>{}</title></{element}>\n", Escaped(title)));
        }
    }
}

struct Points(Vec<[f64; 2]>);

impl Display for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, [x, y]) in self.0.iter().enumerate() {
            let gap = if place == 0 { "" } else { " " };
            write!(f, "{gap}{},{}", N(*x), N(*y))?;
        }
        Ok(())
    }
}

/// About how wide a text is in a sans-serif font of a size: narrow letters count for less.
pub fn text_width(text: &str, size: f64) -> f64 {
    let units: u32 = text
        .chars()
        .map(|letter| match letter {
            'i' | 'j' | 'l' | '.' | ',' | ':' | '\'' | '|' | '!' => 28,
            'f' | 't' | 'r' | ' ' | '-' | '/' | '(' | ')' | 'I' | '·' => 36,
            'm' | 'w' | 'M' | 'W' | '%' | '@' => 88,
            letter if letter.is_uppercase() => 68,
            _ => 57,
        })
        .sum();
    f64::from(units) / 100.0 * size
}

/// A text cut to a width, with an ellipsis in the middle where names say least.
pub fn fitted(text: &str, size: f64, width: f64) -> String {
    if text_width(text, size) <= width {
        return text.to_owned();
    }
    let letters: Vec<char> = text.chars().collect();
    for keep in (2..letters.len()).rev() {
        let (head, tail) = (keep.div_ceil(2), keep / 2);
        let cut: String = letters[..head].iter().chain(&['…']).chain(&letters[letters.len() - tail..]).collect();
        if text_width(&cut, size) <= width {
            return cut;
        }
    }
    "…".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (number, text) in [(0.0, "0"), (1.5, "1.5"), (-0.004, "0"), (2.346, "2.35"), (-3.05, "-3.05"), (10.0, "10")]
        {
            assert_eq!(N(number).to_string(), text);
        }
    }

    #[test]
    fn texts_cannot_break_out() {
        let mut svg = Svg::default();
        svg.text("a", [0.0, 1.0], "a<b>&\"\u{1b}");
        assert_eq!(svg.body, "<text class=\"a\" x=\"0\" y=\"1\">a&lt;b&gt;&amp;&quot;\u{fffd}</text>\n");
    }

    #[test]
    fn long_names_keep_both_ends() {
        let name = "frontend-7c6d9f8b5d-x2x9k-with-a-long-tail";
        let cut = fitted(name, 12.0, 120.0);
        assert!(cut.starts_with("front") && cut.ends_with("tail") && text_width(&cut, 12.0) <= 120.0, "{cut}");
        assert_eq!(fitted("web", 12.0, 120.0), "web");
    }
}
