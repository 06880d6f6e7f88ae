//! Choosing on pilots and reporting on other runs, with an interval that contains the choice.
//!
//! Every candidate is run on the same pilot replications. Within the spend each group (a policy) takes the best mixture
//! of its candidates on the pilots' means; its worth is then read from runs that took no part in the choice. The interval
//! is a bootstrap of the whole procedure: pilot replications are drawn again with replacement, the choice is made again
//! on them, of the rival as well, and the worth is read from report replications drawn again.
//!
//! Invariant: no run is both chosen on and reported.

use super::gauge::Ran;
use super::mixture::{Mixture, Shares, best};
use crate::stats::{Interval, quantile};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;

/// Redraws of the whole procedure.
pub(super) const REDRAWS: usize = 400;

/// Candidates of a group: places in the list of all.
pub(super) type Group = Vec<usize>;
/// What each group takes, on the pilots and on each redraw.
pub(super) type Choices = Vec<Vec<Option<Mixture>>>;

/// The pilots' means of all candidates, on all pilots and on each redraw.
pub(super) struct Pilots {
    /// (spend, worth) per candidate; the first row is of the pilots as they are.
    means: Vec<Vec<(f64, f64)>>,
}

fn mean(values: &[f64], of: &[u32]) -> f64 {
    of.iter().map(|i| values[*i as usize]).sum::<f64>() / of.len() as f64
}

/// The best mixture of a group's candidates.
fn take(row: &[(f64, f64)], group: &Group, most: f64) -> Option<Mixture> {
    let points: Vec<(f64, f64)> = group.iter().map(|c| row[*c]).collect();
    Some(best(&points, most)?.renamed(|i| group[i]))
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
    pub(super) fn new(candidates: &[Ran], seed: u64) -> Self {
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

    /// The pilots' mean worth of a candidate; greater is better.
    pub(super) fn gain(&self, candidate: usize) -> f64 {
        self.means[0][candidate].1
    }

    /// What each group takes within a spend, on the pilots and on each redraw.
    pub(super) fn choices(&self, groups: &[Group], most: f64) -> Choices {
        self.means.iter().map(|row| groups.iter().map(|group| take(row, group, most)).collect()).collect()
    }

    /// What each group takes within a spend on the pilots as they are.
    pub(super) fn taken(&self, groups: &[Group], most: f64) -> Vec<Mixture> {
        groups.iter().filter_map(|group| take(&self.means[0], group, most)).collect()
    }

    /// The pilots' worth of a mixture in a redraw (0: the pilots as they are).
    pub(super) fn worth(&self, redraw: usize, mixture: &Mixture) -> f64 {
        mixture.shares().mean(|i| self.means[redraw][i].1)
    }

    /// The group whose choice has the greatest worth on the pilots of a redraw.
    pub(super) fn greatest(&self, redraw: usize, choices: &[Option<Mixture>], of: &[usize]) -> Option<usize> {
        of.iter()
            .filter_map(|group| Some((*group, self.worth(redraw, choices[*group].as_ref()?))))
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(group, _)| group)
    }
}

/// Runs that took no part in the choice, of the candidates that some redraw needs.
pub(super) struct Reports {
    /// (spend, worth) of a candidate on the reported runs and on each redraw of them, where it was run.
    means: Vec<Option<Vec<(f64, f64)>>>,
    redraws: Vec<Vec<u32>>,
}

impl Reports {
    /// None yet, of so many candidates and `n` runs each.
    pub(super) fn new(candidates: usize, n: usize, seed: u64) -> Self {
        Self { means: vec![None; candidates], redraws: redraws(n, seed ^ 1) }
    }

    /// Takes in the runs of a candidate.
    pub(super) fn add(&mut self, candidate: usize, ran: &Ran) {
        let means = self.redraws.iter().map(|of| (mean(&ran.spend, of), mean(&ran.worth, of))).collect();
        self.means[candidate] = Some(means);
    }

    fn shares(&self, redraw: usize, mixture: &Mixture, most: f64) -> Result<Shares, usize> {
        mixture.settled(|i| self.means[i].as_ref().map(|means| means[redraw].0), most)
    }

    /// Candidates that these choices need next and that were not run: all that are taken first, and a cheaper one where
    /// those spend more than the limit on some redraw.
    pub(super) fn missing(&self, choices: &Choices, most: f64) -> BTreeSet<usize> {
        let rows = choices.iter().enumerate();
        let needed = |(redraw, row): (usize, &Vec<Option<Mixture>>)| -> Vec<usize> {
            row.iter().flatten().filter_map(|mixture| self.shares(redraw, mixture, most).err()).collect()
        };
        rows.flat_map(needed).collect()
    }

    /// A choice as a redraw of the reported runs meets it (0: the runs as they are), within the limit as far as it can be.
    pub(super) fn met(&self, redraw: usize, mixture: &Mixture, most: f64) -> Shares {
        self.shares(redraw, mixture, most).expect("what a redraw needs was run")
    }

    fn of(&self, redraw: usize, candidate: usize) -> (f64, f64) {
        self.means[candidate].as_ref().expect("what a redraw needs was run")[redraw]
    }

    /// What a choice is worth on a redraw.
    pub(super) fn worth(&self, redraw: usize, mixture: &Mixture, most: f64) -> f64 {
        self.met(redraw, mixture, most).mean(|i| self.of(redraw, i).1)
    }

    /// What shares spend on the reported runs.
    pub(super) fn spend(&self, shares: &Shares) -> f64 {
        shares.mean(|i| self.of(0, i).0)
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
        let groups = [vec![0, 1, 2], vec![3, 4, 5, 6]];
        let most = 2.75;
        // The mixture of two uniforms is triangular: the true chance of `u + v < 2p` follows from its distribution.
        let triangular = |p: f64| if p < 0.5 { 2.0 * p * p } else { 1.0 - 2.0 * (1.0 - p) * (1.0 - p) };
        let points: Vec<(f64, f64)> = chances.iter().map(|(s, p)| (*s, triangular(*p))).collect();
        let at = |group: &Group| {
            let own: Vec<(f64, f64)> = group.iter().map(|c| points[*c]).collect();
            best(&own, most).unwrap().shares().mean(|i| own[i].1)
        };
        let truth = at(&groups[0]) - at(&groups[1]);
        let (studies, runs) = (200, 150);
        let mut held = 0;
        for study in 0..studies {
            let mut generator = ChaCha8Rng::seed_from_u64(1000 + study);
            let mut batch = || -> Vec<Ran> {
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
                chances
                    .iter()
                    .zip(own)
                    .map(|((s, _), worth)| Ran { spend: vec![*s; runs], worth, time: Vec::new() })
                    .collect()
            };
            let pilots = Pilots::new(&batch(), study);
            let mut reports = Reports::new(chances.len(), runs, study);
            batch().iter().enumerate().for_each(|(candidate, tried)| reports.add(candidate, tried));
            let choices = pilots.choices(&groups, most);
            let difference = |redraw: usize| {
                let [a, b] = [0, 1].map(|g: usize| choices[redraw][g].as_ref().map(|m| reports.worth(redraw, m, most)));
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
