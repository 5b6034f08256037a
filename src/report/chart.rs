//! What charts have in common: axes of numbers with round ticks, lines and marks that colour, dash and shape tell
//! apart.

use super::svg::Svg;
use std::fmt::Write;

/// The hues of Okabe and Ito's palette that lines and marks are drawn in, on light paper and on dark; further ones
/// begin again, dashed.
const HUES: [[&str; 2]; 6] = [
    ["#0072b2", "#4aa8e0"],
    ["#d55e00", "#f08a3c"],
    ["#009e73", "#35c79b"],
    ["#cc79a7", "#dd9dc0"],
    ["#b8860b", "#e0b040"],
    ["#56b4e9", "#8fd0f5"],
];

/// The style of lines (`l0` …), bands (`b0` …), marks (`p0` …).
pub fn style() -> String {
    let rules = |paper: usize| {
        HUES.iter().enumerate().fold(String::new(), |mut css, (n, hue)| {
            let hue = hue[paper];
            write!(
                css,
                ".l{n}{{fill:none;stroke:{hue};stroke-width:2}}.b{n}{{fill:{hue};fill-opacity:.16}}.p{n}{{fill:{hue}}}"
            )
            .expect("memory takes everything");
            css
        })
    };
    let marks = ".dash{stroke-dasharray:5 4}.limit{stroke:#a3250b;stroke-dasharray:6 3}.limit-text{fill:#a3250b}\
                 .span{stroke:#aeb5bd;stroke-width:1.5}.used{fill:#0072b2}.free{fill:#cfe3f1}.stranded{fill:#f6cdb4}";
    let dark = ".limit{stroke:#ff8a5c}.limit-text{fill:#ff8a5c}.span{stroke:#59626c}.used{fill:#4aa8e0}\
                .free{fill:#22425a}.stranded{fill:#6e3f24}";
    format!("{}{marks}\n@media(prefers-color-scheme:dark){{{}{dark}}}\n", rules(0), rules(1))
}

/// The class of the n-th line.
pub fn line_class(n: usize) -> String {
    format!("l{}{}", n % HUES.len(), if n / HUES.len() % 2 == 1 { " dash" } else { "" })
}

/// The hue of the n-th series, as it stands in class names.
pub const fn hue(n: usize) -> usize {
    n % HUES.len()
}

/// Numbers from zero on, between two places.
#[derive(Debug, Clone, Copy)]
pub struct Axis {
    from: f64,
    to: f64,
    step: f64,
    /// The number at its end.
    pub end: f64,
}

impl Axis {
    /// An axis that holds numbers up to one, with a round end.
    pub fn new(from: f64, to: f64, most: f64) -> Self {
        let (step, end) = scale(most);
        Self { from, to, step, end }
    }

    /// Where a number is.
    pub fn at(&self, number: f64) -> f64 {
        self.from + (self.to - self.from) * (number.max(0.0) / self.end)
    }

    /// The round numbers on it.
    pub fn ticks(&self) -> impl Iterator<Item = f64> + use<> {
        let (step, count) = (self.step, (self.end / self.step + 1e-9) as usize);
        (0..=count).map(move |n| n as f64 * step)
    }
}

/// A round step, and the end of an axis that holds a number.
pub fn scale(most: f64) -> (f64, f64) {
    if most <= 0.0 {
        return (0.5, 1.0);
    }
    let rough = most / 4.0;
    let power = libm::exp10(libm::floor(libm::log10(rough)));
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| *step >= rough).unwrap_or(power);
    (step, step * libm::ceil(most / step - 1e-9))
}

/// A number without needless digits.
pub fn trimmed(number: f64) -> String {
    let text = format!("{number:.4}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A mark of the n-th series: its shape tells it apart where colours do not.
pub fn mark(svg: &mut Svg, n: usize, [x, y]: [f64; 2], title: &str) {
    const R: f64 = 4.6;
    let class = format!("p{}", hue(n));
    let points: Vec<[f64; 2]> = match n % 4 {
        0 => (0..16)
            .map(|k| {
                let angle = f64::from(k) * std::f64::consts::TAU / 16.0;
                [x + R * libm::cos(angle), y + R * libm::sin(angle)]
            })
            .collect(),
        1 => vec![[x - R, y - R], [x + R, y - R], [x + R, y + R], [x - R, y + R]],
        2 => vec![[x, y - R - 1.0], [x + R + 1.0, y + R], [x - R - 1.0, y + R]],
        _ => vec![[x, y - R - 1.5], [x + R + 1.5, y], [x, y + R + 1.5], [x - R - 1.5, y]],
    };
    svg.polygon(&class, points, title);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        for (most, step, end) in [(0.93, 0.25, 1.0), (7.0, 2.0, 8.0), (100.0, 25.0, 100.0), (0.0, 0.5, 1.0)] {
            let (s, e) = scale(most);
            assert!((s - step).abs() < 1e-9 && (e - end).abs() < 1e-9, "{most}: {s} {e}");
        }
        assert_eq!(trimmed(2.50), "2.5");
        assert_eq!(Axis::new(0.0, 100.0, 7.0).ticks().collect::<Vec<_>>(), [0.0, 2.0, 4.0, 6.0, 8.0]);
    }
}
