//! What the coefficients leave over: a persistent factor per agent and a table for the rest.
//!
//! The ratio observed / predicted is `factor of the agent x noise`. The spread between agents is the between-group
//! component of a one-way analysis of variance on its logarithm; the noise table holds what remains, so that both
//! together have the spread that was observed.

use crate::stats::quantile;

/// Grid of the noise table: steps of half a percent, so that the 99 % quantile lies on it.
const POINTS: usize = 201;
/// Logarithms beyond these probabilities are pulled in before variances are taken: a few stalled calls would
/// otherwise pass for slow agents.
const WINSOR: f64 = 0.01;
/// Fewer agents say nothing about a spread between agents.
const LEAST_AGENTS: usize = 10;

/// The parts of the residual.
#[derive(Clone, Debug, PartialEq)]
pub struct Residuals {
    /// Sigma of the agents' lognormal factor.
    pub agent_sigma: f64,
    /// Standard deviation of the logarithm of the rest.
    pub within_sigma: f64,
    /// Quantiles of the rest at equidistant probabilities.
    pub noise: Vec<f64>,
}

/// Divides the ratios into a factor per agent and noise. `agents[i]` is the agent of `ratios[i]`.
///
/// # Panics
/// If there are no ratios, or one is not positive.
pub fn residuals(ratios: &[f64], agents: &[u32]) -> Residuals {
    let logs: Vec<f64> = ratios.iter().map(|ratio| libm::log(*ratio)).collect();
    let mut sorted = logs.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let (low, high) = (quantile(&sorted, WINSOR), quantile(&sorted, 1.0 - WINSOR));
    let calm: Vec<f64> = logs.iter().map(|log| log.clamp(low, high)).collect();
    let groups = Groups::of(&calm, agents);
    let Some((between, within)) = groups.components() else {
        let mut ratios = ratios.to_vec();
        return Residuals { agent_sigma: 0.0, within_sigma: groups.total_sd(), noise: table(&mut ratios, POINTS) };
    };
    // The best linear predictor of an agent's own level shrinks short records towards the common one. The runtime's
    // factor has mean 1, hence a mean logarithm of -between / 2, which the noise makes up for.
    let mut rest: Vec<f64> = logs
        .iter()
        .zip(agents)
        .map(|(log, agent)| {
            let (n, mean) = groups.group(*agent);
            let level = (mean - groups.mean) * n * between / (n * between + within);
            libm::exp(log - level + between / 2.0)
        })
        .collect();
    Residuals { agent_sigma: between.sqrt(), within_sigma: within.sqrt(), noise: table(&mut rest, POINTS) }
}

/// Means and squares by group.
struct Groups {
    /// (rows, mean) by group number; zero rows for numbers that do not occur.
    means: Vec<(f64, f64)>,
    mean: f64,
    rows: f64,
    inner_squares: f64,
    outer_squares: f64,
}

impl Groups {
    fn of(values: &[f64], groups: &[u32]) -> Self {
        let size = groups.iter().max().map_or(0, |most| *most as usize + 1);
        let mut means = vec![(0.0, 0.0); size];
        for (value, group) in values.iter().zip(groups) {
            let (n, sum) = &mut means[*group as usize];
            *n += 1.0;
            *sum += value;
        }
        for (n, sum) in &mut means {
            *sum /= f64::max(*n, 1.0);
        }
        let rows = values.len() as f64;
        let mean = values.iter().sum::<f64>() / rows;
        let square = |x: f64| x * x;
        let inner_squares =
            values.iter().zip(groups).map(|(value, group)| square(value - means[*group as usize].1)).sum();
        let outer_squares = means.iter().map(|(n, m)| n * square(m - mean)).sum();
        Self { means, mean, rows, inner_squares, outer_squares }
    }

    fn group(&self, group: u32) -> (f64, f64) {
        self.means[group as usize]
    }

    fn total_sd(&self) -> f64 {
        ((self.inner_squares + self.outer_squares) / self.rows).sqrt()
    }

    /// Variances between and within groups (method of moments); `None` if there is nothing between.
    fn components(&self) -> Option<(f64, f64)> {
        let used = self.means.iter().filter(|(n, _)| *n > 0.0);
        let count = used.clone().count();
        let free = self.rows - count as f64;
        if count < LEAST_AGENTS || free < 1.0 {
            return None;
        }
        let within = self.inner_squares / free;
        let squares: f64 = used.map(|(n, _)| n * n).sum();
        let size = (self.rows - squares / self.rows) / (count - 1) as f64;
        let between = (self.outer_squares / (count - 1) as f64 - within) / size;
        (between > 0.0).then_some((between, within))
    }
}

/// Quantiles at `points` equidistant probabilities. The two end points are set so that the outermost cells keep their
/// mean: the greatest value itself, joined by a straight line, would fatten the tail many times over.
pub(super) fn table(values: &mut [f64], points: usize) -> Vec<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let last = points - 1;
    let mut grid: Vec<f64> = (0..points).map(|i| quantile(values, i as f64 / last as f64)).collect();
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let top = values.partition_point(|value| *value < grid[last - 1]);
    if top < values.len() {
        let end = 2.0 * mean(&values[top..]) - grid[last - 1];
        grid[last] = end.clamp(grid[last - 1], grid[last]);
    }
    let bottom = values.partition_point(|value| *value <= grid[1]);
    if bottom > 0 {
        let end = 2.0 * mean(&values[..bottom]) - grid[1];
        grid[0] = end.clamp(grid[0], grid[1]);
    }
    grid
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Address, Key, Law};

    fn lognormal(sigma: f64, entity: u64, step: u32) -> f64 {
        let address = Address { entity, step, ..Address::default() };
        let draws = Key::new(5, 0).draws(address);
        Law::Lognormal { mean: 1.0, sigma }.sample(&draws, 0)
    }

    #[test]
    fn components_of_variance_come_back() {
        let agents: Vec<u32> = (0..300).flat_map(|agent| [agent; 40]).collect();
        let ratios: Vec<f64> = agents
            .iter()
            .zip(0..)
            .map(|(agent, step)| lognormal(0.15, 1000 + u64::from(*agent), 0) * lognormal(0.2, 0, step))
            .collect();
        let found = residuals(&ratios, &agents);
        assert!((found.agent_sigma - 0.15).abs() < 0.02, "{}", found.agent_sigma);
        assert!((found.within_sigma - 0.2).abs() < 0.01, "{}", found.within_sigma);
        let noise = Law::Table { quantiles: found.noise };
        assert!((noise.mean() - 1.0).abs() < 0.02, "{}", noise.mean());
    }

    #[test]
    fn few_agents_or_equal_ones_have_no_factor() {
        let ratios: Vec<f64> = (0..400).map(|step| lognormal(0.2, 0, step)).collect();
        let few: Vec<u32> = (0..400).map(|i| i % 3).collect();
        assert_eq!(residuals(&ratios, &few).agent_sigma, 0.0);
    }

    #[test]
    fn one_stalled_call_does_not_fatten_the_table() {
        let mut values: Vec<f64> = (0..1000).map(|i| 1.0 + f64::from(i) * 1e-3).collect();
        values[999] = 1000.0;
        let grid = table(&mut values, 201);
        assert!(grid.windows(2).all(|pair| pair[0] <= pair[1]));
        let mean = Law::Table { quantiles: grid }.mean();
        let truth = values.iter().sum::<f64>() / 1000.0;
        assert!((mean / truth - 1.0).abs() < 0.05, "{mean} {truth}");
    }
}
