//! The fidelity report: how close recorded cases come to the real cluster, beside how close it comes to itself.
//!
//! Three files: the text, a picture of the marks by family, and one of how far moments are from the seeds' middle.

use super::statistics::quantile;
use super::svg::{Svg, text_width};
use crate::conformance::lifecycle::{MARKS, Moment, Score, Summary};
use std::fmt::Write;

/// So many of the worst cases are named.
const WORST: usize = 25;
/// The lowest mark that has a place of its own in the picture.
const LOWEST: f64 = 0.8;
const STYLE: &str = "\
.paper{fill:#fff}
text{font:12px system-ui,sans-serif;fill:#1f2933}
.head{font-size:15px;font-weight:600}
.small{font-size:11px;fill:#616e7c}
.grid{stroke:#e4e7eb;stroke-width:1}
.edge{stroke:#9aa5b1;stroke-width:1}
.row{fill:#f5f7fa}
.join{stroke:#9aa5b1;stroke-width:2}
.ours{fill:#0b69a3}
.real{fill:#fff;stroke:#de911d;stroke-width:2}
.curve{fill:none;stroke:#0b69a3;stroke-width:2}
.other{fill:none;stroke:#de911d;stroke-width:2;stroke-dasharray:5 3}
";

/// The files of the report, by name.
pub fn files(simulated: &Score, real: &Score, seeds: u64) -> [(&'static str, String); 3] {
    [
        ("README.md", text(simulated, real, seeds)),
        ("marks.svg", marks(simulated, real)),
        ("timing.svg", timing(simulated, real)),
    ]
}

fn text(simulated: &Score, real: &Score, seeds: u64) -> String {
    let mut text = format!(
        "# Fidelity\n\nRecorded cases of real Kubernetes clusters, run again {seeds} times each and compared: could each \
         real run have\ncome from the simulator? Beside it the real cluster compared with the other repeats of itself, by \
         the same rules.\nWritten by `podsim conformance lifecycle CORPUS --seeds {seeds} --report DIR`.\n\n"
    );
    let columns = format!("| | cases | pass | {} |\n|---|--:|--:|{}\n", MARKS.join(" | "), "--:|".repeat(MARKS.len()));
    text += &columns;
    text += &row("simulator", &simulated.summary);
    text += &row("real cluster with itself", &real.summary);
    text +=
        "\n![Marks by family](marks.svg)\n\n## Families\n\nEach mark beside that of the real cluster with itself.\n\n";
    text += &columns;
    let itself = real.families();
    for (family, summary) in simulated.families() {
        let real = itself.get(family).map(|real| real.marks.array());
        let pairs = summary.marks.array().into_iter().enumerate();
        let cells = pairs.map(|(n, mark)| match real {
            Some(real) => format!("{mark:.3} <sub>{:.3}</sub>", real[n]),
            None => format!("{mark:.3}"),
        });
        let cells: Vec<String> = cells.collect();
        let _ = writeln!(text, "| {family} | {} | {} | {} |", summary.cases, summary.passed, cells.join(" | "));
    }
    text += "\n## When things happen\n\n![How far moments are off](timing.svg)\n\n";
    let _ =
        writeln!(text, "| distance to the middle of the seeds | moments | half | 90 % | 99 % |\n|---|--:|--:|--:|--:|");
    for (name, score) in [("simulator", simulated), ("real cluster with itself", real)] {
        let errors = errors(score);
        let at = |share| quantile(&errors, share).map_or_else(|| "–".to_owned(), |error| format!("{error:.0} ms"));
        let _ = writeln!(text, "| {name} | {} | {} | {} | {} |", errors.len(), at(0.5), at(0.9), at(0.99));
    }
    text += "\n## Worst cases\n\nBy the mean of the six marks.\n\n";
    text += &format!("| case | {} |\n|---|{}\n", MARKS.join(" | "), "--:|".repeat(MARKS.len()));
    let mut worst: Vec<_> = simulated.cases.iter().filter(|(_, case)| !case.pass).collect();
    let mean = |marks: [f64; 6]| marks.iter().sum::<f64>();
    worst.sort_by(|(_, a), (_, b)| mean(a.marks.array()).total_cmp(&mean(b.marks.array())));
    for (name, case) in worst.iter().take(WORST) {
        let cells = case.marks.array().map(|mark| format!("{mark:.3}"));
        let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
    }
    if worst.len() > WORST {
        let _ = writeln!(text, "\n{} more do not pass.", worst.len() - WORST);
    }
    text
}

fn row(name: &str, summary: &Summary) -> String {
    let cells = summary.marks.array().map(|mark| format!("{mark:.3}"));
    format!("| **{name}** | {} | {} | {} |\n", summary.cases, summary.passed, cells.join(" | "))
}

const LEFT: f64 = 150.0;
const COLUMN: f64 = 140.0;
/// The width of a column's scale.
const SCALE: f64 = 110.0;
const ROW: f64 = 20.0;
const TOP: f64 = 96.0;

/// A row a family, a column a mark: a dot for the simulator, a ring for the real cluster with itself.
fn marks(simulated: &Score, real: &Score) -> String {
    let mut svg = Svg::default();
    let (families, itself) = (simulated.families(), real.families());
    let rows: Vec<(&str, &Summary, Option<&Summary>)> = [("all cases", &simulated.summary, Some(&real.summary))]
        .into_iter()
        .chain(families.iter().map(|(name, summary)| (*name, summary, itself.get(name))))
        .collect();
    let bottom = TOP + ROW * rows.len() as f64;
    let width = LEFT + COLUMN * MARKS.len() as f64 + 10.0;
    svg.text("head", [16.0, 26.0], "Six marks by family of cases");
    dot(&mut svg, "ours", [22.0, 46.0], "");
    svg.text("small", [34.0, 50.0], "simulator");
    dot(&mut svg, "real", [112.0, 46.0], "");
    svg.text("small", [124.0, 50.0], "real cluster compared with itself");
    svg.text("small", [340.0, 50.0], &format!("scale from {LOWEST} (and below) to 1; cases in brackets"));
    for (n, (name, summary, _)) in rows.iter().enumerate() {
        let y = TOP + ROW * n as f64;
        if n % 2 == 0 {
            svg.rect("row", [10.0, y, width - 20.0, ROW], "");
        }
        let label = format!("{name} ({})", summary.cases);
        svg.text("", [LEFT - 14.0 - text_width(&label, 12.0), y + 14.0], &label);
    }
    for (column, mark) in MARKS.iter().enumerate() {
        let left = LEFT + COLUMN * column as f64;
        let x = |mark: f64| left + SCALE * ((mark - LOWEST) / (1.0 - LOWEST)).clamp(0.0, 1.0);
        svg.text("", [left, TOP - 22.0], mark);
        for tick in [LOWEST, 0.9, 1.0] {
            svg.line("grid", [x(tick), TOP - 4.0, x(tick), bottom]);
            let label = format!("{tick}");
            svg.text("small", [x(tick) - text_width(&label, 11.0) / 2.0, TOP - 8.0], &label);
        }
        for (n, (name, ours, itself)) in rows.iter().enumerate() {
            let y = TOP + ROW * n as f64 + ROW / 2.0;
            let ours = ours.marks.array()[column];
            let itself = itself.map(|itself| itself.marks.array()[column]);
            let title = format!("{name}: {mark} {ours:.3}, the real cluster {:.3}", itself.unwrap_or(f64::NAN));
            if let Some(itself) = itself {
                svg.line("join", [x(itself), y, x(ours), y]);
                dot(&mut svg, "real", [x(itself), y], &title);
            }
            dot(&mut svg, "ours", [x(ours), y], &title);
        }
    }
    svg.finish([width, bottom + 16.0], "Six marks by family of cases", STYLE, "")
}

/// A round mark; a polygon of enough corners.
fn dot(svg: &mut Svg, class: &str, [x, y]: [f64; 2], title: &str) {
    let radius = if class == "real" { 5.0 } else { 3.5 };
    let corner = |n: u32| {
        let angle = f64::from(n) * std::f64::consts::TAU / 16.0;
        [x + radius * libm::cos(angle), y + radius * libm::sin(angle)]
    };
    svg.polygon(class, (0..16).map(corner), title);
}

/// The share of moments that are at most so far off, on a scale of powers of ten.
fn timing(simulated: &Score, real: &Score) -> String {
    const WIDTH: f64 = 820.0;
    const FRAME: [f64; 4] = [60.0, 70.0, 740.0, 300.0];
    let [left, top, width, height] = FRAME;
    let mut svg = Svg::default();
    svg.text("head", [16.0, 26.0], "How far real moments are from the middle of the seeds");
    svg.line("curve", [22.0, 46.0, 46.0, 46.0]);
    svg.text("small", [52.0, 50.0], "simulator");
    svg.line("other", [130.0, 46.0, 154.0, 46.0]);
    svg.text("small", [160.0, 50.0], "real cluster compared with itself (few repeats: its middle is less sure)");
    let x = |millis: f64| left + width * (libm::log10(millis.max(1.0)) / 5.0).clamp(0.0, 1.0);
    let y = |share: f64| top + height * (1.0 - share);
    for (millis, label) in
        [(1.0, "1 ms"), (10.0, "10 ms"), (100.0, "0.1 s"), (1e3, "1 s"), (1e4, "10 s"), (1e5, "100 s")]
    {
        svg.line("grid", [x(millis), top, x(millis), top + height]);
        svg.text("small", [x(millis) - text_width(label, 11.0) / 2.0, top + height + 18.0], label);
    }
    for quarter in 0..=4 {
        let share = f64::from(quarter) / 4.0;
        svg.line("grid", [left, y(share), left + width, y(share)]);
        let label = format!("{:.0} %", share * 100.0);
        svg.text("small", [left - 8.0 - text_width(&label, 11.0), y(share) + 4.0], &label);
    }
    svg.line("edge", [left, top + height, left + width, top + height]);
    for (class, score) in [("other", real), ("curve", simulated)] {
        let errors = errors(score);
        let points = (0..=200).filter_map(|step| {
            let share = f64::from(step) / 200.0;
            Some([x(quantile(&errors, share)?), y(share)])
        });
        svg.polyline(class, points);
    }
    svg.text(
        "small",
        [left, top + height + 40.0],
        "share of moments (states of pods, calls to the runtime) that are at most so far off",
    );
    svg.finish([WIDTH, top + height + 56.0], "Timing errors", STYLE, "")
}

/// How far each moment is from the middle of the seeds, in milliseconds, in order.
fn errors(score: &Score) -> Vec<f64> {
    let distance = |moment: &Moment| (moment.real - moment.median).abs();
    let mut errors: Vec<f64> = score.cases.values().flat_map(|case| case.moments.iter().map(distance)).collect();
    errors.sort_by(f64::total_cmp);
    errors
}
