//! How good a prediction is over all points of a run, and how good it could be: the error of a prediction that is right is
//! what questions and servers change from run to run.
//!
//! Invariant: intervals and floors come from the measured runs alone; nothing of the simulation enters them.

use crate::experiment::study::Cell;
use crate::stats::{Interval, quantile, resampled};
use serde::Serialize;

/// Metrics that are scored; of all of them less is better.
const SCORED: [&str; 4] = ["makespan_s", "prompt_tokens", "completion_tokens", "cost_per_task_usd"];
const RESAMPLES: usize = 1000;

/// How good the prediction of one metric is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// Metric.
    pub metric: &'static str,
    /// Points that were measured and predicted: policies at team sizes.
    pub points: usize,
    /// Mean over points of the absolute error, as a share of what was measured (MAPE).
    pub error: f64,
    /// Its interval: questions drawn again, the same ones at all points (bootstrap); none with one question.
    pub interval: Option<Interval>,
    /// What a prediction that is right would show, because so few questions were asked; none with one question.
    pub by_chance: Option<f64>,
    /// What the same run shows against itself, made once more; none where nobody made it.
    pub again: Option<Again>,
    /// Sizes at which the best of all policies is named right, and sizes with two policies or more.
    pub best: (usize, usize),
}

/// The same run once more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Again {
    /// Points that both runs have.
    pub points: usize,
    /// Mean over points of the absolute difference, as a share of the first run's.
    pub error: f64,
}

/// One point of one metric.
struct Point<'a> {
    policy: &'a str,
    agents: u32,
    predicted: f64,
    measured: &'a [f64],
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Scores of every metric that was measured and predicted at some point. `again` holds the cells of the same run made once
/// more, if somebody made it.
pub(super) fn scores(predicted: &[Cell], measured: &[Cell], again: Option<&[Cell]>, seed: u64) -> Vec<Score> {
    SCORED.iter().filter_map(|metric| score(metric, predicted, measured, again, seed)).collect()
}

fn score(
    metric: &'static str,
    predicted: &[Cell],
    measured: &[Cell],
    again: Option<&[Cell]>,
    seed: u64,
) -> Option<Score> {
    let same = |cells: &[Cell], of: &Cell| {
        let found = cells.iter().find(|cell| (&cell.policy, cell.agents) == (&of.policy, of.agents));
        found.and_then(|cell| cell.mean(metric))
    };
    let points: Vec<Point> = measured
        .iter()
        .filter_map(|cell| {
            let measured = &cell.get(metric)?.values;
            // An error is a share of what was measured.
            let is_there = mean(measured) > 0.0;
            let predicted = is_there.then(|| same(predicted, cell))??;
            Some(Point { policy: &cell.policy, agents: cell.agents, predicted, measured })
        })
        .collect();
    if points.is_empty() {
        return None;
    }
    let over = |error: &dyn Fn(&Point) -> f64| points.iter().map(error).sum::<f64>() / points.len() as f64;
    let error = over(&|p| (p.predicted / mean(p.measured) - 1.0).abs());
    // Questions that all points were asked.
    let questions = points.iter().map(|p| p.measured.len()).min().expect("there are points");
    let drawn = |p: &Point, draws: &[usize]| draws.iter().map(|i| p.measured[*i]).sum::<f64>() / draws.len() as f64;
    let ends = |statistic: &dyn Fn(&[usize]) -> f64| resampled(questions, RESAMPLES, seed, statistic);
    let (interval, by_chance) = if questions > 1 {
        let errors = ends(&|draws| over(&|p| (p.predicted / drawn(p, draws) - 1.0).abs()));
        let chance = ends(&|draws| over(&|p| (drawn(p, draws) / mean(p.measured) - 1.0).abs()));
        let interval = Interval { low: quantile(&errors, 0.025), high: quantile(&errors, 0.975) };
        (Some(interval), Some(mean(&chance)))
    } else {
        (None, None)
    };
    let again = again.map(|cells| {
        let differences: Vec<f64> = measured
            .iter()
            .filter_map(|cell| {
                let first = cell.mean(metric).filter(|x| *x > 0.0)?;
                Some((same(cells, cell)? / first - 1.0).abs())
            })
            .collect();
        Again { points: differences.len(), error: mean(&differences) }
    });
    let best = best(&points);
    let again = again.filter(|again| again.points > 0);
    Some(Score { metric, points: points.len(), error, interval, by_chance, again, best })
}

/// At how many sizes the policy with the least is named right, of those at which there are several.
fn best(points: &[Point]) -> (usize, usize) {
    let mut sizes: Vec<u32> = points.iter().map(|p| p.agents).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let (mut right, mut of) = (0, 0);
    for size in sizes {
        let here = || points.iter().filter(|p| p.agents == size);
        if here().count() < 2 {
            continue;
        }
        of += 1;
        let least = |of: &dyn Fn(&Point) -> f64| {
            here().min_by(|a, b| of(a).total_cmp(&of(b))).map(|point| point.policy).expect("there are two")
        };
        right += usize::from(least(&|p| p.predicted) == least(&|p| mean(p.measured)));
    }
    (right, of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::study::{Origin, Series};

    fn cell(policy: &str, agents: u32, seconds: &[f64]) -> Cell {
        let series =
            Series { metric: "makespan_s", unit: "s", share: false, values: seconds.to_vec(), lacking: Vec::new() };
        let origin = Origin::Measured;
        Cell { policy: policy.to_owned(), agents, origin, form: None, extrapolated: false, series: vec![series] }
    }

    /// By hand: errors of 10 % and 30 %, whose mean is 20 %; the best policy is named wrong at one size of two.
    #[test]
    fn errors_are_means_over_points_and_ties_go_by_the_means() {
        let measured = [cell("a", 2, &[10.0]), cell("b", 2, &[20.0]), cell("a", 4, &[10.0]), cell("b", 4, &[12.0])];
        let predicted = [cell("a", 2, &[11.0]), cell("b", 2, &[14.0]), cell("a", 4, &[11.0]), cell("b", 4, &[8.4])];
        let [score] = &scores(&predicted, &measured, None, 1)[..] else { panic!("one metric") };
        assert!((score.error - 0.2).abs() < 1e-12, "{score:?}");
        assert_eq!((score.points, score.best), (4, (1, 2)));
        assert_eq!((score.interval, score.by_chance, score.again), (None, None, None));
    }

    /// A prediction that is right shows what chance shows: the mean of a normal's absolute value, sqrt(2 / pi) standard
    /// errors. Of 400 values of 10 +- 2 that is .8 * .1 / 10 = .8 %.
    #[test]
    fn chance_is_the_error_of_the_truth() {
        let values: Vec<f64> = (0..400).map(|i| if i % 2 == 0 { 8.0 } else { 12.0 }).collect();
        let measured = [cell("a", 1, &values)];
        let [score] = &scores(&[cell("a", 1, &[10.0])], &measured, Some(&[cell("a", 1, &[10.5])]), 3)[..] else {
            panic!("one metric")
        };
        assert!(score.error < 1e-12);
        assert!((score.by_chance.unwrap() - 0.008).abs() < 0.0008, "{score:?}");
        assert_eq!(score.again.map(|again| again.points), Some(1));
        assert!((score.again.unwrap().error - 0.05).abs() < 1e-12);
        assert!(score.interval.unwrap().high < 0.03);
    }

    #[test]
    fn what_was_not_measured_has_no_score() {
        assert_eq!(scores(&[cell("a", 1, &[1.0])], &[cell("b", 1, &[1.0])], None, 1), Vec::new());
        assert_eq!(scores(&[cell("a", 1, &[1.0])], &[cell("a", 1, &[0.0])], None, 1), Vec::new());
    }
}
