//! `sweep.svg`: each measure of a study over its first parameter, a line and a band for every combination of the
//! others.

use super::palette::style;
use super::svg::{Svg, fitted, text_width};
use super::sweep::Sweep;

const PANEL: [f64; 2] = [560.0, 300.0];
const MARGIN: [f64; 4] = [66.0, 44.0, 20.0, 46.0]; // left, top, right, bottom
const HEAD: f64 = 74.0;
/// The hues of Okabe and Ito's palette that lines are drawn in; further lines begin again, dashed.
const HUES: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9"];

/// Draws the curves of a study.
pub fn svg(sweep: &Sweep, title: &str) -> String {
    let mut svg = Svg::default();
    let columns = if sweep.measures.len() > 1 { 2 } else { 1 };
    let rows = sweep.measures.len().div_ceil(columns);
    let size = [PANEL[0] * columns as f64 + 20.0, HEAD + PANEL[1] * rows as f64 + 10.0];
    svg.text("h1", [20.0, 32.0], title);
    let series = series(sweep);
    legend(&mut svg, &series, sweep, size[0]);
    for measure in 0..sweep.measures.len() {
        let origin = [(measure % columns) as f64 * PANEL[0] + 10.0, HEAD + (measure / columns) as f64 * PANEL[1]];
        panel(&mut svg, sweep, measure, &series, origin);
    }
    let lines = HUES.iter().enumerate().fold(String::new(), |css, (n, hue)| {
        css + &format!(
            ".l{n}{{fill:none;stroke:{hue};stroke-width:2}}.b{n}{{fill:{hue};fill-opacity:.16}}.p{n}{{fill:{hue}}}\n"
        )
    });
    svg.finish(size, title, &(style() + &lines + ".dash{stroke-dasharray:5 4}\n"), "")
}

/// Combinations of the parameters behind the first, each with its variants in order of the first one's values.
fn series(sweep: &Sweep) -> Vec<(String, Vec<usize>)> {
    let mut series: Vec<(String, Vec<usize>)> = Vec::new();
    for (variant, values) in sweep.variants.iter().enumerate() {
        let others = sweep.parameters.iter().zip(values).skip(1);
        let name = others.map(|(path, value)| format!("{} {value}", short(path))).collect::<Vec<_>>().join(", ");
        match series.iter_mut().find(|(known, _)| *known == name) {
            Some((_, variants)) => variants.push(variant),
            None => series.push((name, vec![variant])),
        }
    }
    series
}

/// The last part of a path.
fn short(path: &str) -> &str {
    path.rsplit(['.', ':']).next().unwrap_or(path)
}

fn legend(svg: &mut Svg, series: &[(String, Vec<usize>)], sweep: &Sweep, width: f64) {
    let runs = sweep.rows.len();
    let mut x = 20.0;
    let note = format!("{runs} runs; bands hold the mean 95 times in 100");
    svg.text("sub", [x, 56.0], &note);
    x += text_width(&note, 11.0) + 24.0;
    for (n, (name, _)) in series.iter().enumerate().filter(|(_, (name, _))| !name.is_empty()) {
        if x > width - 120.0 {
            break; // The lines are in the order of the summary.
        }
        svg.line(&line_class(n), [x, 52.0, x + 18.0, 52.0]);
        svg.text("small", [x + 23.0, 56.0], name);
        x += 23.0 + text_width(name, 10.0) + 18.0;
    }
}

fn line_class(n: usize) -> String {
    format!("l{}{}", n % HUES.len(), if n / HUES.len() % 2 == 1 { " dash" } else { "" })
}

fn panel(svg: &mut Svg, sweep: &Sweep, measure: usize, series: &[(String, Vec<usize>)], [left, top]: [f64; 2]) {
    let (x0, x1) = (left + MARGIN[0], left + PANEL[0] - MARGIN[2]);
    let (y0, y1) = (top + PANEL[1] - MARGIN[3], top + MARGIN[1]);
    let firsts: Vec<String> =
        series.first().map_or_else(Vec::new, |(_, v)| v.iter().map(|v| first_value(sweep, *v)).collect());
    let numbers: Option<Vec<f64>> = firsts.iter().map(|value| value.parse().ok()).collect();
    let numbers = numbers.filter(|numbers| numbers.len() > 1 && numbers.windows(2).all(|pair| pair[0] < pair[1]));
    // Numbers keep their distances; names stand side by side.
    let x = |place: usize| match &numbers {
        Some(numbers) => {
            let span = numbers[numbers.len() - 1] - numbers[0];
            x0 + 14.0 + (x1 - x0 - 28.0) * (numbers[place] - numbers[0]) / span
        }
        None => x0 + (x1 - x0) * (place as f64 + 0.5) / firsts.len().max(1) as f64,
    };
    let most = (0..sweep.variants.len())
        .filter_map(|variant| sweep.cell(variant, measure))
        .map(|cell| cell.mean.interval.map_or(cell.mean.value, |(_, high)| high))
        .fold(0.0, f64::max);
    let (step, highest) = scale(most);
    let y = |value: f64| y0 - (y0 - y1) * (value.max(0.0) / highest);
    svg.text("h2", [x0, top + 28.0], &sweep.measures[measure].name);
    let mut tick = 0.0;
    while tick <= highest * 1.0001 {
        svg.line("grid", [x0, y(tick), x1, y(tick)]);
        svg.text("small sub end", [x0 - 8.0, y(tick) + 3.5], &trimmed(tick));
        tick += step;
    }
    svg.line("axis", [x0, y0, x1, y0]);
    for (place, value) in firsts.iter().enumerate() {
        svg.text("small sub mid", [x(place), y0 + 16.0], &fitted(value, 10.0, (x1 - x0) / firsts.len() as f64 - 8.0));
    }
    if let Some(path) = sweep.parameters.first() {
        svg.text("small sub mid", [(x0 + x1) / 2.0, y0 + 34.0], &fitted(path, 10.0, x1 - x0));
    }
    for (n, (name, variants)) in series.iter().enumerate() {
        let known: Vec<(f64, f64, f64, f64)> = variants
            .iter()
            .enumerate()
            .filter_map(|(place, variant)| {
                let mean = sweep.cell(*variant, measure)?.mean;
                let (low, high) = mean.interval.unwrap_or((mean.value, mean.value));
                Some((x(place), mean.value, low, high))
            })
            .collect();
        let hue = n % HUES.len();
        let band = known.iter().map(|(x, _, low, _)| [*x, y(*low)]);
        let band = band.chain(known.iter().rev().map(|(x, _, _, high)| [*x, y(*high)]));
        svg.polygon(&format!("b{hue}"), band, name);
        svg.polyline(&line_class(n), known.iter().map(|(x, value, ..)| [*x, y(*value)]));
        for (x, value, low, high) in &known {
            let title = format!("{} ({} to {})", trimmed(*value), trimmed(*low), trimmed(*high));
            let (side, y) = (3.0, y(*value));
            svg.rect(&format!("p{hue}"), [x - side, y - side, 2.0 * side, 2.0 * side], &title);
        }
    }
}

fn first_value(sweep: &Sweep, variant: usize) -> String {
    sweep.variants[variant].first().cloned().unwrap_or_else(|| "as it is".to_owned())
}

/// A round step, and the end of an axis that holds a value.
fn scale(most: f64) -> (f64, f64) {
    if most <= 0.0 {
        return (0.5, 1.0);
    }
    let rough = most / 4.0;
    let power = libm::exp10(libm::floor(libm::log10(rough)));
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| *step >= rough).unwrap_or(power);
    (step, step * libm::ceil(most / step - 1e-9))
}

/// A number without needless digits.
fn trimmed(number: f64) -> String {
    let text = format!("{number:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
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
        assert_eq!(short("deployment/web:spec.replicas"), "replicas");
    }
}
