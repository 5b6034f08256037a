//! A study's runs, summed up: a table for people, a CSV for programs.

use super::measure::Measure;
use super::statistics::{Estimate, mean, quantile_estimate, share};
use std::fmt::Write;

/// The schema of the files; it changes when a column changes its meaning or goes.
pub const SCHEMA: &str = "podsim-sweep-1";

/// Tables are no wider.
const WIDEST: usize = 120;

/// One run of a study.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    /// The variant, counted from zero.
    pub variant: usize,
    /// The seed.
    pub seed: u64,
    /// A hash of the variant's files and the program's version: a row counts only for the same.
    pub inputs: String,
    /// The digest.
    pub digest: String,
    /// What was measured; nothing where the run says nothing.
    pub values: Vec<Option<f64>>,
}

/// What a study's runs are about.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    /// The paths of what is varied.
    pub parameters: Vec<String>,
    /// The values of each variant.
    pub variants: Vec<Vec<String>>,
    /// What is measured.
    pub measures: Vec<Measure>,
    /// The runs, by variant and seed.
    pub rows: Vec<RunRow>,
}

/// A measure of a variant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// The mean over the runs; of what is 0 or 1, the share.
    pub mean: Estimate,
    /// The median over the runs.
    pub median: Estimate,
}

impl Sweep {
    /// A measure of a variant, if any run says something about it.
    pub fn cell(&self, variant: usize, measure: usize) -> Option<Cell> {
        let rows = self.rows.iter().filter(|row| row.variant == variant);
        let mut numbers: Vec<f64> = rows.filter_map(|row| row.values[measure]).collect();
        let average = if self.measures[measure].is_share() {
            share(numbers.iter().filter(|number| **number > 0.5).count(), numbers.len())
        } else {
            mean(&numbers)
        };
        numbers.sort_by(f64::total_cmp);
        Some(Cell { mean: average?, median: quantile_estimate(&numbers, 0.5)? })
    }

    /// The runs as CSV, in order of variant and seed.
    pub fn runs_csv(&self) -> Vec<u8> {
        let mut table = csv::Writer::from_writer(Vec::new());
        let fixed = ["schema", "variant"].map(str::to_owned).into_iter();
        let own = ["seed", "inputs", "digest"].map(str::to_owned);
        let measures = self.measures.iter().map(|measure| measure.name.clone());
        let head = fixed.chain(self.parameters.iter().cloned()).chain(own).chain(measures);
        table.write_record(head).expect("memory takes everything");
        for row in &self.rows {
            let fixed = [SCHEMA.to_owned(), row.variant.to_string()].into_iter();
            let own = [row.seed.to_string(), row.inputs.clone(), row.digest.clone()];
            let values = row.values.iter().map(|value| value.map_or_else(String::new, |value| value.to_string()));
            let cells = fixed.chain(self.variants[row.variant].iter().cloned()).chain(own).chain(values);
            table.write_record(cells).expect("memory takes everything");
        }
        table.into_inner().expect("memory takes everything")
    }

    /// Rows of a file that was written before; those of another study or scenario are left out.
    pub fn read_rows(&self, text: &[u8], inputs: &[String]) -> Vec<RunRow> {
        let mut table = csv::Reader::from_reader(text);
        let own = self.parameters.len() + 2;
        let expect = self.measures.len() + own + 3;
        let same = table.headers().is_ok_and(|head| {
            head.len() == expect && head.iter().skip(own + 3).zip(&self.measures).all(|(name, m)| name == m.name)
        });
        if !same {
            return Vec::new();
        }
        let row = |record: csv::StringRecord| {
            let variant: usize = record.get(1)?.parse().ok()?;
            let row = RunRow {
                variant,
                seed: record.get(own)?.parse().ok()?,
                inputs: record.get(own + 1)?.to_owned(),
                digest: record.get(own + 2)?.to_owned(),
                values: record.iter().skip(own + 3).map(|value| value.parse().ok()).collect(),
            };
            let known = record.get(0)? == SCHEMA
                && self.variants.get(variant)?.iter().zip(record.iter().skip(2)).all(|(a, b)| a == b)
                && *inputs.get(variant)? == row.inputs;
            known.then_some(row)
        };
        table.records().filter_map(|record| row(record.ok()?)).collect()
    }

    /// The measures of each variant as CSV.
    pub fn summary_csv(&self) -> Vec<u8> {
        let mut table = csv::Writer::from_writer(Vec::new());
        let own = ["measure", "runs", "mean", "mean_low", "mean_high", "median", "median_low", "median_high"];
        let head = ["schema".to_owned(), "variant".to_owned()].into_iter().chain(self.parameters.iter().cloned());
        table.write_record(head.chain(own.map(str::to_owned))).expect("memory takes everything");
        for (variant, values) in self.variants.iter().enumerate() {
            for (place, measure) in self.measures.iter().enumerate() {
                let Some(cell) = self.cell(variant, place) else { continue };
                let numbers = [cell.mean, cell.median].into_iter().flat_map(|estimate| {
                    let (low, high) = estimate.interval.unzip();
                    [Some(estimate.value), low, high].map(|number| number.map_or_else(String::new, six))
                });
                let fixed = [SCHEMA.to_owned(), variant.to_string()].into_iter().chain(values.iter().cloned());
                let own = [measure.name.clone(), cell.mean.count.to_string()];
                table.write_record(fixed.chain(own).chain(numbers)).expect("memory takes everything");
            }
        }
        table.into_inner().expect("memory takes everything")
    }

    /// The table for people: a row per variant and a column per measure, or, where that would be too wide, a paragraph
    /// per variant and a row per measure; and how its numbers came about.
    pub fn text(&self) -> String {
        let mut rows = vec![self.parameters.iter().cloned().chain(["runs".to_owned()]).collect::<Vec<_>>()];
        rows[0].extend(self.measures.iter().map(|measure| measure.name.clone()));
        for (variant, values) in self.variants.iter().enumerate() {
            let mut row: Vec<String> = values.iter().cloned().chain([self.runs(variant).to_string()]).collect();
            row.extend((0..self.measures.len()).map(|measure| self.told(variant, measure)));
            rows.push(row);
        }
        let wide = table(&rows);
        let fits = wide.lines().all(|line| line.chars().count() <= WIDEST);
        format!("{}\n{}\n", if fits { wide } else { self.paragraphs() }, self.method())
    }

    fn paragraphs(&self) -> String {
        let paragraph = |(variant, values): (usize, &Vec<String>)| {
            let settings = self.parameters.iter().zip(values).map(|(name, value)| format!("{name} = {value}, "));
            let head = format!("{}{} runs\n", settings.collect::<String>(), self.runs(variant));
            let rows = self.measures.iter().enumerate();
            let rows = rows.map(|(place, measure)| vec![format!("  {}", measure.name), self.told(variant, place)]);
            head + &table(&rows.collect::<Vec<_>>())
        };
        self.variants.iter().enumerate().map(paragraph).collect::<Vec<_>>().join("\n")
    }

    fn runs(&self, variant: usize) -> usize {
        self.rows.iter().filter(|row| row.variant == variant).count()
    }

    /// A measure of a variant, with its unit.
    fn told(&self, variant: usize, measure: usize) -> String {
        let unit = if self.measures[measure].unit() == "s" { " s" } else { "" };
        self.cell(variant, measure).map_or_else(|| "–".to_owned(), |cell| shown(&cell.mean) + unit)
    }

    /// What the numbers are.
    fn method(&self) -> &'static str {
        let shares = self.measures.iter().filter(|measure| measure.is_share()).count();
        if shares == 0 {
            "mean ± half of its 95 % interval (Student's t)"
        } else if shares == self.measures.len() {
            "share of the runs [95 % interval (Wilson)]"
        } else {
            "mean ± half of its 95 % interval (Student's t); of what is so or not, share of the runs [95 % interval \
             (Wilson)]"
        }
    }
}

/// Rows of cells with the columns aligned.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let mut text = String::new();
    for row in rows {
        let line = row.iter().zip(&widths).fold(String::new(), |mut line, (cell, width)| {
            write!(line, "{cell:<width$}   ").expect("memory takes everything");
            line
        });
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// A value with half the width of its interval, or with the interval itself where it is not in its middle.
pub fn shown(estimate: &Estimate) -> String {
    let Some((low, high)) = estimate.interval else { return six(estimate.value) };
    let half = (high - low) / 2.0;
    // As many digits as half the width has two of.
    let digits = if half > 0.0 { (1.0 - libm::floor(libm::log10(half))).clamp(0.0, 6.0) as usize } else { 3 };
    let exact = half == 0.0 && estimate.value == libm::trunc(estimate.value);
    let digits = if exact { 0 } else { digits };
    if ((high + low) / 2.0 - estimate.value).abs() > half * 1e-6 {
        return format!("{:.digits$} [{low:.digits$}, {high:.digits$}]", estimate.value);
    }
    format!("{:.digits$} ± {half:.digits$}", estimate.value)
}

/// A number with six digits that count.
fn six(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    let digits = (5.0 - libm::floor(libm::log10(number.abs()))).clamp(0.0, 12.0) as usize;
    let text = format!("{number:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep() -> Sweep {
        let row = |variant, seed, value| RunRow {
            variant,
            seed,
            inputs: format!("i{variant}"),
            digest: "d".to_owned(),
            values: vec![Some(value), None],
        };
        Sweep {
            parameters: vec!["nodes[0].count".to_owned()],
            variants: vec![vec!["1".to_owned()], vec!["2".to_owned()]],
            measures: ["restarts", "ready.p99"].iter().map(|m| Measure::parse(m).expect("a measure")).collect(),
            rows: vec![row(0, 1, 9.0), row(0, 2, 10.0), row(0, 3, 11.0), row(1, 1, 4.0)],
        }
    }

    #[test]
    fn rows_read_back_as_they_were_written() {
        let sweep = sweep();
        let inputs = ["i0".to_owned(), "i1".to_owned()];
        assert_eq!(sweep.read_rows(&sweep.runs_csv(), &inputs), sweep.rows);
        let changed = ["i0".to_owned(), "other".to_owned()];
        assert_eq!(sweep.read_rows(&sweep.runs_csv(), &changed), sweep.rows[..3]);
        assert!(sweep.read_rows(b"a,b\n1,2\n", &inputs).is_empty());
    }

    #[test]
    fn the_table_says_what_is_known() {
        assert_eq!(
            sweep().text(),
            "nodes[0].count   runs   restarts     ready.p99\n1                3      10.0 ± 2.5   –\n2                1      4            –\n\n\
             mean ± half of its 95 % interval (Student's t)\n"
        );
        let mut wide = sweep();
        wide.measures[1] = Measure::parse(&format!("ready.p99 of {}", "x".repeat(80))).expect("a measure");
        wide.rows[0].values[1] = Some(2.5);
        let text = wide.text();
        assert!(text.starts_with("nodes[0].count = 1, 3 runs\n  restarts"), "{text}");
        assert!(text.contains("   2.5 s\n\nnodes[0].count = 2, 1 runs\n"), "{text}");
        let summary = String::from_utf8(sweep().summary_csv()).expect("text");
        assert!(summary.contains("podsim-sweep-1,0,1,restarts,3,10,7.51586,12.4841,10,,"), "{summary}");
    }
}
