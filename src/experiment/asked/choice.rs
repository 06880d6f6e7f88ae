//! Choosing on pilots and reporting on other runs, with an interval that contains the choice.
//!
//! Every candidate is run on the same pilot replications. Within the spend each group (a policy) takes the best mixture
//! of its candidates on the pilots' means; its worth is then read from runs that took no part in the choice. The interval
//! is a bootstrap of the whole procedure: pilot replications are drawn again with replacement, the choice is made again
//! on them, of the rival as well, and the worth is read from report replications drawn again.
//!
//! Invariant: no run is both chosen on and reported.

use super::mixture::{Mixture, best};
use crate::stats::{Interval, quantile};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Redraws of the whole procedure.
pub(super) const REDRAWS: usize = 400;

/// Values of a candidate, one per replication; greater worth is better.
#[derive(Clone, Debug, Default)]
pub(super) struct Tried {
    pub(super) spend: Vec<f64>,
    pub(super) worth: Vec<f64>,
}

/// Candidates of a group: a range of the list of all.
pub(super) type Group = std::ops::Range<usize>;

/// The pilots' means of all candidates, on all pilots and on each redraw.
pub(super) struct Pilots {
    /// (spend, worth) per candidate; the first row is of the pilots as they are.
    means: Vec<Vec<(f64, f64)>>,
}

fn mean(values: &[f64], of: &[u32]) -> f64 {
    of.iter().map(|i| values[*i as usize]).sum::<f64>() / of.len() as f64
}

/// Replications drawn with replacement; the first draw is every replication once.
fn redraws(n: usize, seed: u64) -> Vec<Vec<u32>> {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let mut draw = || ((u128::from(generator.next_u64()) * n as u128) >> 64) as u32;
    let mut all = vec![(0..n as u32).collect::<Vec<u32>>()];
    all.extend((0..REDRAWS).map(|_| (0..n).map(|_| draw()).collect()));
    all
}

impl Pilots {
    pub(super) fn new(candidates: &[Tried], seed: u64) -> Self {
        let n = candidates.first().map_or(0, |c| c.worth.len());
        let means = redraws(n, seed)
            .iter()
            .map(|of| candidates.iter().map(|c| (mean(&c.spend, of), mean(&c.worth, of))).collect())
            .collect();
        Self { means }
    }

    /// The pilots' mean spend of a candidate.
    pub(super) fn spend(&self, candidate: usize) -> f64 {
        self.means[0][candidate].0
    }

    /// What each group takes within a spend, on the pilots and on each redraw.
    pub(super) fn choices(&self, groups: &[Group], most: f64) -> Vec<Vec<Option<Mixture>>> {
        let taken = |row: &Vec<(f64, f64)>, group: &Group| {
            let mixture = best(&row[group.clone()], most)?;
            Some(mixture.shifted(group.start))
        };
        self.means.iter().map(|row| groups.iter().map(|group| taken(row, group)).collect()).collect()
    }

    /// The pilots' worth of a mixture in a redraw (0: the pilots as they are).
    pub(super) fn worth(&self, redraw: usize, mixture: &Mixture) -> f64 {
        mixture.mean(|i| self.means[redraw][i].1)
    }

    /// The group whose choice has the greatest worth on the pilots of a redraw.
    pub(super) fn greatest(&self, redraw: usize, choices: &[Option<Mixture>], of: &[usize]) -> Option<usize> {
        of.iter()
            .filter_map(|group| Some((*group, self.worth(redraw, choices[*group].as_ref()?))))
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(group, _)| group)
    }
}

impl Mixture {
    fn shifted(self, by: usize) -> Self {
        self.renamed(|i| i + by)
    }
}

/// Runs that took no part in the choice, of the candidates that some redraw takes.
pub(super) struct Reports {
    tried: Vec<Option<Tried>>,
    redraws: Vec<Vec<u32>>,
}

/// A choice as the reported runs meet it: its shares settled so that they spend the limit, as far as they can.
fn met(reports: &Reports, redraw: usize, mixture: &Mixture, most: f64) -> Mixture {
    mixture.settled(|i| mean(&reports.of(i).spend, &reports.redraws[redraw]), most)
}

impl Reports {
    pub(super) fn new(tried: Vec<Option<Tried>>, seed: u64) -> Self {
        let n = tried.iter().flatten().next().map_or(0, |t| t.worth.len());
        Self { tried, redraws: redraws(n, seed ^ 1) }
    }

    fn of(&self, candidate: usize) -> &Tried {
        self.tried[candidate].as_ref().expect("what a redraw takes was run")
    }

    /// What a choice is worth on a redraw of the reported runs (0: the runs as they are), spending the limit.
    pub(super) fn worth(&self, redraw: usize, mixture: &Mixture, most: f64) -> f64 {
        met(self, redraw, mixture, most).mean(|i| mean(&self.of(i).worth, &self.redraws[redraw]))
    }

    /// The choice as the reported runs meet it.
    pub(super) fn met(&self, mixture: &Mixture, most: f64) -> Mixture {
        met(self, 0, mixture, most)
    }

    /// What it spends there.
    pub(super) fn spend(&self, mixture: &Mixture) -> f64 {
        mixture.mean(|i| mean(&self.of(i).spend, &self.redraws[0]))
    }
}

/// A quantity of the procedure with its interval: as it came out, and the middle 95 % of its redraws.
pub(super) fn estimate(value: impl Fn(usize) -> Option<f64>) -> Option<(f64, Interval)> {
    let here = value(0)?;
    let mut redrawn: Vec<f64> = (1..=REDRAWS).filter_map(&value).collect();
    if redrawn.is_empty() {
        return None;
    }
    redrawn.sort_by(f64::total_cmp);
    let (low, high) = (quantile(&redrawn, 0.025), quantile(&redrawn, 0.975));
    Some((here, Interval { low: low.min(here), high: high.max(here) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Right-or-wrong candidates at known spends: the interval of the difference between two groups, each at its best
    /// within the spend, holds the difference of what is truly attainable in about 95 of 100 studies.
    #[test]
    fn the_interval_contains_the_choice() {
        let chances = [(1.0, 0.35), (2.0, 0.52), (3.0, 0.55), (1.0, 0.42), (1.5, 0.44), (2.5, 0.48), (3.5, 0.61)];
        let groups = [0..3, 3..7];
        let most = 2.75;
        // The mixture of two uniforms is triangular: the true chance of `u + v < 2p` follows from its distribution.
        let triangular = |p: f64| if p < 0.5 { 2.0 * p * p } else { 1.0 - 2.0 * (1.0 - p) * (1.0 - p) };
        let points: Vec<(f64, f64)> = chances.iter().map(|(s, p)| (*s, triangular(*p))).collect();
        let at = |group: &Group| best(&points[group.clone()], most).unwrap().mean(|i| points[group.start + i].1);
        let truth = at(&groups[0]) - at(&groups[1]);
        let (studies, runs) = (200, 150);
        let mut held = 0;
        for study in 0..studies {
            let mut generator = ChaCha8Rng::seed_from_u64(1000 + study);
            let mut batch = || -> Vec<Tried> {
                let uniform: Vec<f64> =
                    (0..runs).map(|_| (generator.next_u64() >> 11) as f64 / (1_u64 << 53) as f64).collect();
                let own: Vec<Vec<f64>> = chances
                    .iter()
                    .map(|(_, p)| {
                        let own = |u: &f64| {
                            let v = (generator.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
                            f64::from(u8::from(0.5 * u + 0.5 * v < *p))
                        };
                        uniform.iter().map(own).collect()
                    })
                    .collect();
                chances.iter().zip(own).map(|((s, _), worth)| Tried { spend: vec![*s; runs], worth }).collect()
            };
            let pilots = Pilots::new(&batch(), study);
            let reports = Reports::new(batch().into_iter().map(Some).collect(), study);
            let choices = pilots.choices(&groups, most);
            let difference = |redraw: usize| {
                let [a, b] = [0, 1].map(|g: usize| choices[redraw][g].map(|m| reports.worth(redraw, &m, most)));
                Some(a? - b?)
            };
            let (_, interval) = estimate(difference).unwrap();
            held += usize::from(interval.low <= truth && truth <= interval.high);
        }
        assert!(truth.is_finite());
        // 200 studies: 95 % is 190, with a standard deviation of 3.1.
        assert!((181..=200).contains(&held), "{held} of {studies}");
    }
}
