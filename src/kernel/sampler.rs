//! Laws of non-negative quantities, and how to draw from them.
//!
//! Wherever the inverse distribution function has a closed form or a table, a variate takes one uniform, so that
//! under common random numbers a slow answer stays slow when a parameter moves. Gamma, Erlang and beta reject and
//! therefore use a substream of their lane. All transcendental functions are libm's: the same bits everywhere.
//!
//! Invariant: equal draws give equal variates; a valid law gives finite, non-negative ones.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::random::{Draws, Substream};

/// The distribution of a non-negative quantity; its unit is that of the key it stands under.
///
/// A mean of zero is allowed throughout and gives zero always.
///
/// ```
/// use delm_sim::kernel::{Address, Key, Law};
/// let law = Law::Lognormal { mean: 2.0, sigma: 0.5 };
/// law.validate().unwrap();
/// let draws = Key::new(1, 0).draws(Address::default());
/// assert_eq!(law.mean(), 2.0);
/// assert!(law.sample(&draws, 0) > 0.0);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Law {
    /// Always this value.
    Constant(f64),
    /// Exponential: `-mean ln(1 - u)`.
    Exponential {
        /// Arithmetic mean.
        mean: f64,
    },
    /// Sum of `shape` exponential stages: gamma with an integer shape.
    Erlang {
        /// Number of stages, at least 1.
        shape: u32,
        /// Arithmetic mean of the sum.
        mean: f64,
    },
    /// Gamma with scale `mean / shape`: Marsaglia and Tsang, "A simple method for generating gamma variables",
    /// ACM TOMS 26 (2000).
    Gamma {
        /// Shape; the squared coefficient of variation is `1 / shape`.
        shape: f64,
        /// Arithmetic mean.
        mean: f64,
    },
    /// Lognormal: `exp(mu + sigma z)` with `mu = ln mean - sigma^2 / 2`.
    Lognormal {
        /// Arithmetic mean, not the median.
        mean: f64,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
    /// Beta between 0 and 1, as `X / (X + Y)` of two gammas; tiny shapes may round to either end.
    Beta {
        /// First shape.
        a: f64,
        /// Second shape.
        b: f64,
    },
    /// Classic Pareto: `scale (1 - u)^(-1 / alpha)` with `scale = mean (alpha - 1) / alpha`.
    Pareto {
        /// Tail index, above 1.
        alpha: f64,
        /// Arithmetic mean.
        mean: f64,
    },
    /// Uniform between two values.
    Uniform {
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// Empirical quantile function: values at equidistant probabilities from 0 to 1, linear in between.
    Table {
        /// At least two values, never falling.
        quantiles: Vec<f64>,
    },
    /// One of several laws, chosen by weight.
    Mixture {
        /// At least one part.
        parts: Vec<Part>,
    },
}

/// One part of a [`Law::Mixture`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Part {
    /// Relative weight; the weights need not add up to 1.
    pub weight: f64,
    /// The law of this part.
    pub law: Law,
}

impl Law {
    /// One variate from `lane` of `draws`. The law must be valid.
    ///
    /// # Panics
    /// If `lane` is not below [`super::random::LANES`].
    pub fn sample(&self, draws: &Draws, lane: usize) -> f64 {
        self.at(draws.uniform(lane), draws, lane)
    }

    /// The variate that belongs to the uniform number `u`; laws that reject take the substream instead.
    fn at(&self, u: f64, draws: &Draws, lane: usize) -> f64 {
        match *self {
            Self::Constant(value) => value,
            Self::Exponential { mean } => -mean * libm::log1p(-u),
            Self::Erlang { shape, mean } => gamma(f64::from(shape), mean, &mut draws.substream(lane)),
            Self::Gamma { shape, mean } => gamma(shape, mean, &mut draws.substream(lane)),
            Self::Lognormal { mean, sigma } => mean * libm::exp(sigma * normal_quantile(u) - sigma * sigma / 2.0),
            Self::Beta { a, b } => {
                let mut source = draws.substream(lane);
                let (x, y) = (ln_standard_gamma(a, &mut source), ln_standard_gamma(b, &mut source));
                1.0 / (1.0 + libm::exp(y - x))
            }
            Self::Pareto { alpha, mean } => mean * (alpha - 1.0) / alpha * libm::exp(-libm::log1p(-u) / alpha),
            Self::Uniform { low, high } => low + (high - low) * u,
            Self::Table { ref quantiles } => interpolate(quantiles, u),
            Self::Mixture { ref parts } => {
                let (part, rest) = choose(parts, u);
                part.law.at(rest, draws, lane)
            }
        }
    }

    /// The arithmetic mean of the law.
    pub fn mean(&self) -> f64 {
        match *self {
            Self::Constant(value) => value,
            Self::Exponential { mean }
            | Self::Erlang { mean, .. }
            | Self::Gamma { mean, .. }
            | Self::Lognormal { mean, .. }
            | Self::Pareto { mean, .. } => mean,
            Self::Beta { a, b } => a / (a + b),
            Self::Uniform { low, high } => low + (high - low) / 2.0,
            Self::Table { ref quantiles } => {
                // The area under a polygon: the two end points count half.
                let ends = f64::midpoint(quantiles[0], quantiles[quantiles.len() - 1]);
                let inner: f64 = quantiles[1..quantiles.len() - 1].iter().sum();
                (ends + inner) / (quantiles.len() - 1) as f64
            }
            Self::Mixture { ref parts } => {
                let total: f64 = parts.iter().map(|part| part.weight).sum();
                parts.iter().map(|part| part.weight / total * part.law.mean()).sum()
            }
        }
    }

    /// Whether the law can be drawn from.
    ///
    /// # Errors
    /// The first fault found, in words: which parameter, what it is, what it must be.
    pub fn validate(&self) -> Result<(), String> {
        match *self {
            Self::Constant(value) => non_negative("constant", value),
            Self::Exponential { mean } => non_negative("mean", mean),
            Self::Erlang { shape, mean } => {
                if shape == 0 {
                    return Err("shape is 0, but an Erlang law has at least one stage".into());
                }
                non_negative("mean", mean)
            }
            Self::Gamma { shape, mean } => positive("shape", shape).and_then(|()| non_negative("mean", mean)),
            Self::Lognormal { mean, sigma } => non_negative("mean", mean).and_then(|()| non_negative("sigma", sigma)),
            Self::Beta { a, b } => positive("a", a).and_then(|()| positive("b", b)),
            Self::Pareto { alpha, mean } => {
                finite("alpha", alpha)?;
                if alpha <= 1.0 {
                    return Err(format!("alpha is {alpha}, but must be above 1: the mean would be infinite"));
                }
                non_negative("mean", mean)
            }
            Self::Uniform { low, high } => {
                non_negative("low", low)?;
                non_negative("high", high)?;
                if low > high {
                    return Err(format!("low is {low}, but must not be above high, which is {high}"));
                }
                Ok(())
            }
            Self::Table { ref quantiles } => validate_table(quantiles),
            Self::Mixture { ref parts } => validate_mixture(parts),
        }
    }
}

fn validate_table(quantiles: &[f64]) -> Result<(), String> {
    if quantiles.len() < 2 {
        return Err(format!("quantiles has {} values, but needs at least two", quantiles.len()));
    }
    for (i, &value) in quantiles.iter().enumerate() {
        non_negative(&format!("quantiles[{i}]"), value)?;
    }
    match quantiles.windows(2).position(|pair| pair[0] > pair[1]) {
        Some(i) => Err(format!(
            "quantiles[{}] is {}, but must not be below quantiles[{i}], which is {}",
            i + 1,
            quantiles[i + 1],
            quantiles[i]
        )),
        None => Ok(()),
    }
}

fn validate_mixture(parts: &[Part]) -> Result<(), String> {
    for (i, part) in parts.iter().enumerate() {
        non_negative(&format!("parts[{i}].weight"), part.weight)?;
        part.law.validate().map_err(|fault| format!("parts[{i}].law: {fault}"))?;
    }
    let total: f64 = parts.iter().map(|part| part.weight).sum();
    if total > 0.0 && total.is_finite() {
        Ok(())
    } else {
        Err(format!("the weights of the parts add up to {total}, but must give a positive, finite number"))
    }
}

fn finite(name: &str, value: f64) -> Result<(), String> {
    if value.is_finite() { Ok(()) } else { Err(format!("{name} is {value}, but must be a finite number")) }
}

fn non_negative(name: &str, value: f64) -> Result<(), String> {
    finite(name, value)?;
    if value >= 0.0 { Ok(()) } else { Err(format!("{name} is {value}, but must not be negative")) }
}

fn positive(name: &str, value: f64) -> Result<(), String> {
    finite(name, value)?;
    if value > 0.0 { Ok(()) } else { Err(format!("{name} is {value}, but must be above 0")) }
}

fn interpolate(quantiles: &[f64], u: f64) -> f64 {
    let position = u * (quantiles.len() - 1) as f64;
    let i = (position as usize).min(quantiles.len() - 2);
    quantiles[i] + (quantiles[i + 1] - quantiles[i]) * (position - i as f64)
}

/// The part that `u` falls into, and where within it, stretched to (0, 1).
fn choose(parts: &[Part], u: f64) -> (&Part, f64) {
    const LEAST: f64 = 1.0 / (1_u64 << 54) as f64;
    const MOST: f64 = 1.0 - f64::EPSILON / 2.0;
    let total: f64 = parts.iter().map(|part| part.weight).sum();
    let mut rest = u * total;
    for part in parts {
        if rest < part.weight {
            return (part, (rest / part.weight).clamp(LEAST, MOST));
        }
        rest -= part.weight;
    }
    // Rounding may leave a hair beyond the last weight.
    let last = parts.iter().rev().find(|part| part.weight > 0.0).expect("a valid mixture has a positive weight");
    (last, MOST)
}

fn gamma(shape: f64, mean: f64, source: &mut Substream) -> f64 {
    mean / shape * libm::exp(ln_standard_gamma(shape, source))
}

/// The logarithm of a gamma variate with scale 1; logarithms keep tiny shapes from underflow.
fn ln_standard_gamma(shape: f64, source: &mut Substream) -> f64 {
    if shape < 1.0 {
        // G(shape) = G(shape + 1) U^(1 / shape)
        let boost = libm::log(source.uniform()) / shape;
        return ln_standard_gamma(shape + 1.0, source) + boost;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let z = normal_quantile(source.uniform());
        let ln_u = libm::log(source.uniform());
        let root = 1.0 + c * z;
        if root <= 0.0 {
            continue;
        }
        let ln_v = 3.0 * libm::log(root);
        if ln_u < 0.5 * z * z + d - d * root * root * root + d * ln_v {
            return libm::log(d) + ln_v;
        }
    }
}

/// The standard normal quantile: algorithm AS 241, PPND16 (M. J. Wichura, Applied Statistics 37, 1988), with a
/// relative error of about 1e-16. Infinite at 0 and 1, NaN outside.
pub fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 8] = [
        3.387_132_872_796_366_5,
        1.331_416_678_917_843_8e2,
        1.971_590_950_306_551_3e3,
        1.373_169_376_550_946e4,
        4.592_195_393_154_987e4,
        6.726_577_092_700_87e4,
        3.343_057_558_358_813e4,
        2.509_080_928_730_122_7e3,
    ];
    const B: [f64; 8] = [
        1.0,
        4.231_333_070_160_091e1,
        6.871_870_074_920_579e2,
        5.394_196_021_424_751e3,
        2.121_379_430_158_659_7e4,
        3.930_789_580_009_271e4,
        2.872_908_573_572_194_3e4,
        5.226_495_278_852_855e3,
    ];
    const C: [f64; 8] = [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        2.417_807_251_774_506e-1,
        2.272_384_498_926_918_4e-2,
        7.745_450_142_783_414e-4,
    ];
    const D: [f64; 8] = [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        6.897_673_349_851e-1,
        1.481_039_764_274_800_8e-1,
        1.519_866_656_361_645_7e-2,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ];
    const E: [f64; 8] = [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        2.965_605_718_285_048_7e-1,
        2.653_218_952_657_612_4e-2,
        1.242_660_947_388_078_4e-3,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ];
    const F: [f64; 8] = [
        1.0,
        5.998_322_065_558_88e-1,
        1.369_298_809_227_358e-1,
        1.487_536_129_085_061_5e-2,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ];
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * polynomial(&A, r) / polynomial(&B, r);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    if tail <= 0.0 {
        return if tail < 0.0 { f64::NAN } else { f64::INFINITY.copysign(q) };
    }
    let r = (-libm::log(tail)).sqrt();
    let magnitude = if r <= 5.0 {
        polynomial(&C, r - 1.6) / polynomial(&D, r - 1.6)
    } else {
        polynomial(&E, r - 5.0) / polynomial(&F, r - 5.0)
    };
    magnitude.copysign(q)
}

fn polynomial(coefficients: &[f64; 8], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, coefficient| sum * x + coefficient)
}
