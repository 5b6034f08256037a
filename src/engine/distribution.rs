//! Distributions of durations, as data: a scenario names them, a draw samples them.
//!
//! Every function used here is from `libm`, in Rust: the C library's differ from machine to machine in the last bit,
//! and a delay that differs by a nanosecond is another run.

use super::draw::Draw;
use super::time::SimDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A distribution of durations. Samples are never negative and are rounded to nanoseconds.
///
/// ```
/// use podsim::engine::{Distribution, SimDuration};
/// let pull: Distribution = ron::from_str(r#"LogNormal(median: "2s", sigma: 0.5)"#).unwrap();
/// assert_eq!(pull.median(), Some(SimDuration::from_secs(2)));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Distribution {
    /// Always the same.
    Constant(SimDuration),
    /// Each duration in [min, max) equally likely.
    Uniform {
        /// The shortest.
        min: SimDuration,
        /// The longest, excluded.
        max: SimDuration,
    },
    /// Memoryless: the time to the next of independent events.
    Exponential {
        /// The mean.
        mean: SimDuration,
    },
    /// The exponential of a normal variate: latencies of many multiplied causes.
    LogNormal {
        /// Half of the samples are shorter.
        median: SimDuration,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
    /// Lifetimes: `shape` below 1 fails early, above 1 wears out.
    Weibull {
        /// The 63.2 % quantile.
        scale: SimDuration,
        /// The exponent.
        shape: f64,
    },
    /// The sum of `shape` exponential stages of mean `scale`.
    Gamma {
        /// Mean of one stage.
        scale: SimDuration,
        /// Number of stages, not necessarily whole.
        shape: f64,
    },
    /// A power-law tail above a minimum.
    Pareto {
        /// The shortest.
        min: SimDuration,
        /// The exponent of the tail; the mean is infinite at 1 and below.
        shape: f64,
    },
    /// What was measured: quantiles at equal steps from the smallest to the largest, interpolated linearly.
    Empirical(Vec<SimDuration>),
    /// One of several, by weight.
    Mixture(Vec<(f64, Distribution)>),
    /// Another distribution, moved by a constant.
    Shifted {
        /// The constant.
        by: SimDuration,
        /// What is moved.
        of: Box<Distribution>,
    },
    /// Another distribution, its samples held within bounds.
    Clamped {
        /// What is held.
        of: Box<Distribution>,
        /// No sample is shorter.
        min: SimDuration,
        /// No sample is longer.
        max: SimDuration,
    },
}

impl Distribution {
    /// A distribution that takes no time.
    pub const ZERO: Self = Self::Constant(SimDuration::ZERO);

    /// Takes one sample.
    pub fn sample(&self, draw: &mut Draw) -> SimDuration {
        let scaled = |span: &SimDuration, factor: f64| SimDuration::from_nanos_f64(span.as_nanos() as f64 * factor);
        match self {
            Self::Constant(span) => *span,
            Self::Uniform { min, max } => draw.between(*min, *max),
            Self::Exponential { mean } => scaled(mean, exponential(draw)),
            Self::LogNormal { median, sigma } => scaled(median, libm::exp(sigma * draw.normal())),
            Self::Weibull { scale, shape } => scaled(scale, libm::pow(exponential(draw), 1.0 / shape)),
            Self::Gamma { scale, shape } => scaled(scale, gamma(*shape, draw)),
            Self::Pareto { min, shape } => scaled(min, libm::exp(exponential(draw) / shape)),
            Self::Empirical(quantiles) => interpolate(quantiles, draw.unit()),
            Self::Mixture(parts) => pick(parts, draw).sample(draw),
            Self::Shifted { by, of } => *by + of.sample(draw),
            Self::Clamped { of, min, max } => of.sample(draw).max(*min).min(*max),
        }
    }

    /// The median, where it is a plain formula.
    pub fn median(&self) -> Option<SimDuration> {
        match self {
            Self::Constant(span) | Self::LogNormal { median: span, .. } => Some(*span),
            Self::Uniform { min, max } => Some((*min + *max) / 2),
            Self::Exponential { mean } => {
                Some(SimDuration::from_nanos_f64(mean.as_nanos() as f64 * std::f64::consts::LN_2))
            }
            Self::Empirical(quantiles) => Some(interpolate(quantiles, 0.5)),
            Self::Shifted { by, of } => of.median().map(|median| median + *by),
            Self::Clamped { of, min, max } => of.median().map(|median| median.max(*min).min(*max)),
            Self::Weibull { .. } | Self::Gamma { .. } | Self::Pareto { .. } | Self::Mixture(_) => None,
        }
    }

    /// Checks the parameters; sampling assumes that this holds.
    ///
    /// # Errors
    /// What is wrong, and what would do.
    pub fn validate(&self) -> Result<(), DistributionError> {
        let positive = |name: &'static str, value: f64| {
            if value.is_finite() && value > 0.0 {
                Ok(())
            } else {
                Err(DistributionError(format!("{name} is {value}; it must be a positive number")))
            }
        };
        match self {
            Self::Constant(_) | Self::Exponential { .. } => Ok(()),
            Self::Uniform { min, max } | Self::Clamped { min, max, .. } if min > max => {
                Err(DistributionError(format!("min {min} is longer than max {max}; swap them")))
            }
            Self::Uniform { .. } => Ok(()),
            Self::LogNormal { sigma, .. } if *sigma == 0.0 => Ok(()),
            Self::LogNormal { sigma, .. } => positive("sigma", *sigma),
            Self::Weibull { shape, .. } | Self::Gamma { shape, .. } | Self::Pareto { shape, .. } => {
                positive("shape", *shape)
            }
            Self::Empirical(quantiles) if quantiles.is_empty() => {
                Err(DistributionError("Empirical has no values; give at least one".to_owned()))
            }
            Self::Empirical(quantiles) if !quantiles.is_sorted() => {
                Err(DistributionError("the values of Empirical must ascend".to_owned()))
            }
            Self::Empirical(_) => Ok(()),
            Self::Mixture(parts) if parts.is_empty() => {
                Err(DistributionError("Mixture has no parts; give at least one".to_owned()))
            }
            Self::Mixture(parts) => {
                parts.iter().try_for_each(|(weight, part)| positive("weight", *weight).and_then(|()| part.validate()))
            }
            Self::Shifted { of, .. } | Self::Clamped { of, .. } => of.validate(),
        }
    }
}

impl Default for Distribution {
    fn default() -> Self {
        Self::ZERO
    }
}

impl From<SimDuration> for Distribution {
    fn from(span: SimDuration) -> Self {
        Self::Constant(span)
    }
}

/// What is wrong with a distribution's parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistributionError(String);

impl fmt::Display for DistributionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DistributionError {}

/// A standard exponential variate, by inversion.
fn exponential(draw: &mut Draw) -> f64 {
    -libm::log(1.0 - draw.unit())
}

/// A standard gamma variate (Marsaglia and Tsang, ACM TOMS 26, 2000).
fn gamma(shape: f64, draw: &mut Draw) -> f64 {
    if shape < 1.0 {
        let boost = libm::pow(1.0 - draw.unit(), 1.0 / shape);
        return gamma(shape + 1.0, draw) * boost;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / libm::sqrt(9.0 * d);
    loop {
        let x = draw.normal();
        let v = (1.0 + c * x) * (1.0 + c * x) * (1.0 + c * x);
        if v > 0.0 && libm::log(1.0 - draw.unit()) < 0.5 * x * x + d - d * v + d * libm::log(v) {
            return d * v;
        }
    }
}

fn interpolate(quantiles: &[SimDuration], at: f64) -> SimDuration {
    let Some(last) = quantiles.len().checked_sub(1) else { return SimDuration::ZERO };
    let place = at * last as f64;
    let below = (place as usize).min(last);
    let above = (below + 1).min(last);
    let (a, b) = (quantiles[below].as_nanos() as f64, quantiles[above].as_nanos() as f64);
    SimDuration::from_nanos_f64(a + (b - a) * (place - below as f64))
}

fn pick<'a>(parts: &'a [(f64, Distribution)], draw: &mut Draw) -> &'a Distribution {
    let total: f64 = parts.iter().map(|(weight, _)| weight).sum();
    let mut mark = draw.unit() * total;
    for (weight, part) in parts {
        mark -= weight;
        if mark < 0.0 {
            return part;
        }
    }
    &parts.last().expect("a mixture was validated to have parts").1
}

#[cfg(test)]
mod tests {
    use super::super::draw::{Draws, Purpose, StreamKey};
    use super::*;

    const TEST: Purpose = Purpose::new("distribution test");

    /// Mean and variance of many samples, in seconds.
    fn moments(distribution: &Distribution) -> (f64, f64) {
        const N: u64 = 100_000;
        let key = StreamKey::new("test");
        let samples: Vec<f64> =
            (0..N).map(|n| Draws::new(1).sample(distribution, TEST, key, n).as_secs_f64()).collect();
        let mean = samples.iter().sum::<f64>() / N as f64;
        let variance = samples.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / N as f64;
        (mean, variance)
    }

    #[test]
    fn moments_are_those_of_the_textbook() {
        let second = SimDuration::from_secs(1);
        let cases = [
            (Distribution::Constant(second), 1.0, 0.0),
            (Distribution::Uniform { min: second, max: second * 3 }, 2.0, 1.0 / 3.0),
            (Distribution::Exponential { mean: second }, 1.0, 1.0),
            // exp(sigma²/2); (exp(sigma²) − 1)·exp(sigma²).
            (Distribution::LogNormal { median: second, sigma: 0.5 }, 1.1331, 0.3647),
            // Γ(1.5); Γ(2) − Γ(1.5)².
            (Distribution::Weibull { scale: second, shape: 2.0 }, 0.8862, 0.2146),
            (Distribution::Gamma { scale: second, shape: 3.0 }, 3.0, 3.0),
            (Distribution::Gamma { scale: second, shape: 0.5 }, 0.5, 0.5),
            // a/(a−1); a/((a−1)²(a−2)).
            (Distribution::Pareto { min: second, shape: 6.0 }, 1.2, 0.06),
            (Distribution::Empirical(vec![second, second * 2, second * 5]), 2.5, 1.4167),
            (
                Distribution::Mixture(vec![
                    (3.0, Distribution::Constant(second)),
                    (1.0, Distribution::Constant(second * 5)),
                ]),
                2.0,
                3.0,
            ),
            (Distribution::Shifted { by: second, of: Box::new(Distribution::Exponential { mean: second }) }, 2.0, 1.0),
        ];
        for (distribution, mean, variance) in cases {
            distribution.validate().unwrap();
            let (m, v) = moments(&distribution);
            assert!((m - mean).abs() < 0.02 * mean.max(0.5), "{distribution:?}: mean {m}, not {mean}");
            assert!((v - variance).abs() < 0.06 * variance.max(0.1), "{distribution:?}: variance {v}, not {variance}");
        }
    }

    #[test]
    fn wrong_parameters_are_named() {
        let second = SimDuration::from_secs(1);
        for (distribution, says) in [
            (Distribution::Uniform { min: second * 2, max: second }, "swap"),
            (Distribution::Weibull { scale: second, shape: 0.0 }, "positive"),
            (Distribution::LogNormal { median: second, sigma: f64::NAN }, "positive"),
            (Distribution::Empirical(vec![]), "at least one"),
            (Distribution::Empirical(vec![second, SimDuration::ZERO]), "ascend"),
            (Distribution::Mixture(vec![]), "at least one"),
        ] {
            let error = distribution.validate().unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
