//! `sweep.svg`: each measure of a study over its first parameter, a line and a band for every combination of the
//! others.

use super::chart::{self, hue, line_class, scale, trimmed};
use super::palette::style;
use super::svg::{Svg, fitted, text_width};
use super::sweep::Sweep;

const PANEL: [f64; 2] = [560.0, 300.0];
const MARGIN: [f64; 4] = [66.0, 44.0, 20.0, 46.0]; // left, top, right, bottom
const HEAD: f64 = 74.0;
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
    svg.finish(size, title, &(style() + &chart::style()), "")
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
    let of = &sweep.measures[measure];
    let unit = if of.unit().is_empty() { String::new() } else { format!(" ({})", of.unit()) };
    svg.text("h2", [x0, top + 28.0], &format!("{}{unit}", of.name));
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
        let hue = hue(n);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_have_short_names() {
        assert_eq!(short("deployment/web:spec.replicas"), "replicas");
    }
}
