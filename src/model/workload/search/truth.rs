//! The hidden truth of one instance: how many wrong hypotheses there are and how heavy the solution is, solved from
//! the success probability p of one independent budget of K picks, so that independent attempts succeed with exactly p.
//!
//! Picks go without replacement among hypotheses not known to be dead, by weight. With m wrong ones of weight 1 and a
//! solution of weight s, a budget misses with probability `prod_{j<K} (m - j) / (m - j + s)`.

use super::super::Hidden;
use super::spec::{SearchSpec, Success};
use crate::kernel::sampler::normal_quantile;
use crate::kernel::{Address, Key, Law};
use crate::model::ids::{TaskId, entity};

/// Hidden numbers of one instance.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Truth {
    /// Success probability of one independent budget.
    pub(super) p: f64,
    /// Wrong hypotheses.
    pub(super) wrong: u32,
    /// Weight of the solution; 0 if there is none.
    pub(super) solution: f64,
    /// Weights of the wrong ones, if they differ.
    pub(super) weights: Option<Vec<f64>>,
    /// Size factor.
    pub(super) size: f64,
}

impl Truth {
    pub(super) fn draw(spec: &SearchSpec, key: &Key, task: TaskId, quality: f64) -> Self {
        let address =
            |purpose: Hidden| Address { purpose: purpose as u16, entity: entity(task, 0, 0), attempt: 0, step: 0 };
        let draws = key.draws(address(Hidden::Truth));
        let size = Law::Lognormal { mean: 1.0, sigma: spec.size_sigma }.sample(&key.draws(address(Hidden::Size)), 0);
        let solvable = draws.uniform(1) >= spec.unsolvable_share;
        let k = spec.hypotheses_per_budget;
        let p = match spec.success {
            Success::Beta { a, b } => Law::Beta { a, b }.sample(&draws, 0),
            Success::HypothesisCount { mu, sigma } => {
                libm::exp(-(mu + sigma * normal_quantile(draws.uniform(0)))).min(1.0)
            }
            Success::Fixed { p } => p,
            Success::Weights { wrong, solution } => {
                let weights: Vec<f64> =
                    (1..=wrong).map(|rank| libm::pow(f64::from(rank), -spec.attraction_exponent)).collect();
                let solution = if solvable { solution * quality } else { 0.0 };
                return Self { p: f64::NAN, wrong, solution, weights: Some(weights), size };
            }
        };
        let p = if solvable { p } else { 0.0 };
        let (wrong, solution) = solve(p, k, spec.max_hypotheses);
        Self { p, wrong, solution: solution * quality, weights: None, size }
    }

    /// Weight of a wrong hypothesis.
    pub(super) fn weight(&self, hypothesis: u32) -> f64 {
        self.weights.as_ref().map_or(1.0, |w| w[hypothesis as usize])
    }
}

/// Number of wrong hypotheses and weight of the solution for success probability `p` in `k` picks.
fn solve(p: f64, k: u32, most: u32) -> (u32, f64) {
    if p <= 0.0 {
        return (most, 0.0);
    }
    let wrong = (libm::ceil(f64::from(k) / p) - 1.0).clamp(f64::from(k) - 1.0, f64::from(most.max(k))) as u32;
    if p >= 1.0 {
        return (wrong, 1.0);
    }
    let success =
        |s: f64| 1.0 - (0..k).map(|j| f64::from(wrong.saturating_sub(j))).map(|n| n / (n + s)).product::<f64>();
    let (mut low, mut high) = (0.0, 1.0);
    while success(high) < p && high < 1e15 {
        high *= 2.0;
    }
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        if success(middle) < p { low = middle } else { high = middle }
    }
    (wrong, f64::midpoint(low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uniform_solution_among_h_hypotheses_has_weight_one() {
        let (wrong, s) = solve(8.0 / 20.0, 8, 4096);
        assert_eq!(wrong, 19);
        assert!((s - 1.0).abs() < 1e-9);
    }

    #[test]
    fn the_solved_weight_gives_back_p() {
        for p in [0.001, 0.01, 0.2, 0.5, 0.77, 0.95, 0.999] {
            let (wrong, s) = solve(p, 8, 512);
            let miss: f64 = (0..8).map(|j| f64::from(wrong - j)).map(|n| n / (n + s)).product();
            assert!((1.0 - miss - p).abs() < 1e-9, "p = {p}");
        }
    }
}
