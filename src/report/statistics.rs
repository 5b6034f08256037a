//! Numbers that sum up many: means, quantiles, shares, and the intervals that hold them 95 times in 100.
//!
//! Student's t for means, order statistics for quantiles, Wilson's score for shares. All of it is computed with `libm`,
//! so that the digits are the same on every machine.

/// The chance that an interval holds the true value.
const CONFIDENCE: f64 = 0.95;
/// The quantile of the standard normal distribution that leaves 2.5 % above it.
const Z: f64 = 1.959_963_984_540_054;

/// A value and the interval around it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// How many numbers it was made from.
    pub count: usize,
    /// The value.
    pub value: f64,
    /// The lower end of its interval; nothing if there are too few numbers.
    pub interval: Option<(f64, f64)>,
}

impl Estimate {
    /// Half the width of the interval, as a share of the value.
    pub fn relative(&self) -> Option<f64> {
        let (low, high) = self.interval?;
        (self.value != 0.0).then(|| (high - low) / 2.0 / self.value.abs())
    }
}

/// The mean of independent numbers.
///
/// ```
/// use podsim::report::statistics::mean;
/// let estimate = mean(&[9.0, 10.0, 11.0]).expect("there are numbers");
/// let (low, high) = estimate.interval.expect("there are several");
/// assert_eq!(estimate.value, 10.0);
/// assert!((low - 7.516).abs() < 0.001 && (high - 12.484).abs() < 0.001);
/// ```
pub fn mean(numbers: &[f64]) -> Option<Estimate> {
    let count = numbers.len();
    if count == 0 {
        return None;
    }
    let value = numbers.iter().sum::<f64>() / count as f64;
    let interval = (count > 1).then(|| {
        let square = numbers.iter().map(|number| (number - value) * (number - value)).sum::<f64>();
        let error = libm::sqrt(square / (count - 1) as f64 / count as f64);
        let half = student_t((count - 1) as f64) * error;
        (value - half, value + half)
    });
    Some(Estimate { count, value, interval })
}

/// A quantile of sorted independent numbers, with the interval between two of them that holds the true one.
pub fn quantile_estimate(sorted: &[f64], share: f64) -> Option<Estimate> {
    let value = quantile(sorted, share)?;
    Some(Estimate { count: sorted.len(), value, interval: order_interval(sorted, share) })
}

/// A share: how many of so many.
pub fn share(hits: usize, count: usize) -> Option<Estimate> {
    if count == 0 {
        return None;
    }
    let (n, p) = (count as f64, hits as f64 / count as f64);
    let (square, scale) = (Z * Z, 1.0 + Z * Z / n);
    let centre = (p + square / (2.0 * n)) / scale;
    let half = Z / scale * libm::sqrt(p * (1.0 - p) / n + square / (4.0 * n * n));
    Some(Estimate { count, value: p, interval: Some(((centre - half).max(0.0), (centre + half).min(1.0))) })
}

/// The quantile of sorted values: the smallest value that at least this share of them does not exceed.
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = libm::ceil(share * sorted.len() as f64) as usize;
    sorted.get(place.saturating_sub(1).min(sorted.len().checked_sub(1)?)).copied()
}

/// The two order statistics nearest to a quantile between which it lies with the wanted chance.
fn order_interval(sorted: &[f64], share: f64) -> Option<(f64, f64)> {
    let count = sorted.len();
    let tail = (1.0 - CONFIDENCE) / 2.0;
    // The k-th number (from one) lies above the quantile with the chance that fewer than k lie below it.
    let mut below = 0.0;
    let (mut low, mut high) = (None, None);
    for k in 0..=count {
        let before = below;
        below += binomial(count, k, share);
        if before <= tail {
            low = Some(k);
        }
        if below >= 1.0 - tail {
            high = Some(k + 1);
            break;
        }
    }
    let (low, high) = (low.filter(|low| *low > 0)?, high.filter(|high| *high <= count)?);
    Some((sorted[low - 1], sorted[high - 1]))
}

/// The chance of k hits in n tries.
fn binomial(n: usize, k: usize, share: f64) -> f64 {
    let (n, k) = (n as f64, k as f64);
    if share <= 0.0 || share >= 1.0 {
        let sure = if share <= 0.0 { 0.0 } else { n };
        return if k == sure { 1.0 } else { 0.0 };
    }
    let ways = libm::lgamma(n + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(n - k + 1.0);
    libm::exp(ways + k * libm::log(share) + (n - k) * libm::log1p(-share))
}

/// The quantile of Student's t distribution that leaves 2.5 % above it.
pub fn student_t(freedom: f64) -> f64 {
    let above = |t: f64| 0.5 * incomplete_beta(freedom / (freedom + t * t), freedom / 2.0, 0.5);
    let (mut low, mut high) = (0.0, 1e3);
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        if above(middle) > (1.0 - CONFIDENCE) / 2.0 { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

/// The regularised incomplete beta function, by Lentz's continued fraction.
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(1.0 - x, b, a);
    }
    let scale = libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b);
    let front = libm::exp(scale + a * libm::log(x) + b * libm::log1p(-x)) / a;
    let tiny = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let (mut c, mut d) = (1.0, 1.0 / tiny(1.0 - (a + b) * x / (a + 1.0)));
    let mut fraction = d;
    for step in 1..300 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        for term in [even, odd] {
            d = 1.0 / tiny(1.0 + term * d);
            c = tiny(1.0 + term / c);
            fraction *= c * d;
        }
        if (c * d - 1.0).abs() < 1e-15 {
            break;
        }
    }
    front * fraction
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Draws, Purpose, StreamKey};

    #[test]
    fn quantiles_are_values_that_were_seen() {
        let values = [1.0, 2.0, 3.0, 4.0];
        for (share, value) in [(0.0, 1.0), (0.25, 1.0), (0.5, 2.0), (0.51, 3.0), (1.0, 4.0)] {
            assert_eq!(quantile(&values, share), Some(value), "{share}");
        }
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn student_t_is_as_in_the_tables() {
        // Two-sided 95 %, NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2.
        for (freedom, t) in [(1.0, 12.706), (2.0, 4.303), (5.0, 2.571), (10.0, 2.228), (30.0, 2.042), (100.0, 1.984)] {
            assert!((student_t(freedom) - t).abs() < 0.0006, "{freedom}: {}", student_t(freedom));
        }
    }

    #[test]
    fn order_statistics_hold_the_median_as_in_the_tables() {
        // Ranks of the sign test's 95 % interval (Conover, Practical Nonparametric Statistics, 3.2).
        for (count, low, high) in [(10_usize, 2.0, 9.0), (20, 6.0, 15.0), (30, 10.0, 21.0)] {
            let ranks: Vec<f64> = (1..=count).map(|rank| rank as f64).collect();
            assert_eq!(order_interval(&ranks, 0.5), Some((low, high)), "{count}");
        }
        assert_eq!(order_interval(&[1.0, 2.0, 3.0], 0.5), None, "three numbers say too little");
    }

    #[test]
    fn shares_are_as_wilson_has_them() {
        // Newcombe (1998), table I: 81 of 263, and 0 of 20.
        for (hits, count, low, high) in [(81, 263, 0.2553, 0.3662), (0, 20, 0.0, 0.1611)] {
            let (l, h) = share(hits, count).and_then(|share| share.interval).expect("an interval");
            assert!((l - low).abs() < 1e-4 && (h - high).abs() < 1e-4, "{l} {h}");
        }
    }

    #[test]
    fn intervals_hold_the_truth_about_95_times_in_100() {
        let draws = Draws::new(1);
        let uniform = |run: u64, n: u64| {
            let mut draw = draws.draw(Purpose::new("coverage"), StreamKey::from_bits(run), n);
            draw.below(1 << 40) as f64 / (1u64 << 40) as f64
        };
        let runs = 2_000;
        let (mut means, mut medians) = (0, 0);
        for run in 0..runs {
            let mut numbers: Vec<f64> = (0..20).map(|n| uniform(run, n)).collect();
            let holds = |estimate: Option<Estimate>| {
                estimate.and_then(|e| e.interval).is_some_and(|(low, high)| (low..=high).contains(&0.5))
            };
            means += u32::from(holds(mean(&numbers)));
            numbers.sort_by(f64::total_cmp);
            medians += u32::from(holds(quantile_estimate(&numbers, 0.5)));
        }
        for held in [means, medians] {
            let share = f64::from(held) / runs as f64;
            assert!((0.93..=0.97).contains(&share), "{share}");
        }
    }
}
