//! What one submission out of several is worth: graded each for itself, by vote, or as a judge would pick.
//!
//! Pass counts a task as solved if any submission is right, as if an oracle picked. Beside it stand what a judge with the
//! scenario's rates would pick (uniformly among those that pass, or among all if none does), and what a vote would.

use super::Score;
use crate::kernel::Draws;
use crate::model::call::Choice;
use crate::model::sharing::Sharing;
use std::collections::BTreeMap;

/// What is handed in on a line. Answers of equal `kind` agree; the right one is kind 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Nothing.
    Nothing,
    /// The right answer.
    Right,
    /// A wrong one.
    Wrong {
        /// Wrong answers of one kind say the same.
        kind: u64,
    },
}

/// The kind of a line's wrong answer: drawn among `kinds`, or, if that is 0, one of its own.
pub(super) fn wrong_kind(kinds: u32, own: u32, draws: impl FnOnce() -> Draws) -> Said {
    let kind = match kinds {
        0 => u64::from(own),
        kinds => (draws().uniform(0) * f64::from(kinds)) as u64,
    };
    Said::Wrong { kind }
}

/// The score of a team's submissions. `lots` decides between equals of a vote.
pub(super) fn score(
    said: &[Said],
    choice: Choice,
    mut facts: Vec<(&'static str, f64)>,
    sharing: &Sharing,
    lots: impl FnOnce() -> Draws,
) -> Score {
    if said.is_empty() {
        return Score { right: Vec::new(), facts };
    }
    let vote = by_vote(said);
    if choice == Choice::Vote {
        let won = lots().uniform(0) < vote;
        facts.extend([("pass_by_vote", f64::from(u8::from(won))), ("pass_by_judge", f64::from(u8::from(won)))]);
        return Score { right: vec![won], facts };
    }
    facts.extend([("pass_by_vote", vote), ("pass_by_judge", by_judge(said, sharing))]);
    Score { right: said.iter().map(|s| *s == Said::Right).collect(), facts }
}

/// Probability that the answer that most agree on is right; lots decide between equals.
fn by_vote(said: &[Said]) -> f64 {
    let right = said.iter().filter(|s| **s == Said::Right).count();
    let mut wrong: BTreeMap<u64, usize> = BTreeMap::new();
    for s in said {
        if let Said::Wrong { kind } = s {
            *wrong.entry(*kind).or_default() += 1;
        }
    }
    let most = wrong.values().copied().max().unwrap_or(0);
    if right == 0 || right < most {
        return 0.0;
    }
    let equals = wrong.values().filter(|votes| **votes == right).count();
    1.0 / (1 + equals) as f64
}

/// Probability that a judge's pick is right.
fn by_judge(said: &[Said], sharing: &Sharing) -> f64 {
    let right = said.iter().filter(|s| **s == Said::Right).count() as f64;
    let wrong = said.iter().filter(|s| matches!(s, Said::Wrong { .. })).count() as f64;
    if right == 0.0 || wrong == 0.0 {
        return f64::from(u8::from(right > 0.0));
    }
    let (t, f) = (sharing.pass_rate(false), sharing.pass_rate(true));
    let none_passes = libm::pow(1.0 - t, right) * libm::pow(1.0 - f, wrong);
    let share = right / (right + wrong);
    // Each of the right ones passes and is drawn among the passed: R t E[1 / (1 + B(R - 1, t) + B(W, f))], and the
    // expectation of 1 / (1 + X) is the integral of X's generating function over [0, 1].
    let generating = |x: f64| libm::pow(1.0 - t * x, right - 1.0) * libm::pow(1.0 - f * x, wrong);
    (right * t * integral(generating) + none_passes * share).min(1.0)
}

/// Nodes and weights of Gauss and Legendre for eight points on [-1, 1], the positive half.
const NODES: [(f64, f64); 4] = [
    (0.183_434_642_495_649_8, 0.362_683_783_378_362),
    (0.525_532_409_916_329, 0.313_706_645_877_887_3),
    (0.796_666_477_413_626_7, 0.222_381_034_453_374_5),
    (0.960_289_856_497_536_2, 0.101_228_536_290_376_3),
];

/// Integral over [0, 1] of a function that is steep near 0 at most: halves of halves down to 2^-24.
fn integral(f: impl Fn(f64) -> f64) -> f64 {
    let panel = |low: f64, high: f64| {
        let (middle, half) = (f64::midpoint(low, high), (high - low) / 2.0);
        half * NODES.iter().map(|(x, w)| w * (f(middle - half * x) + f(middle + half * x))).sum::<f64>()
    };
    let mut sum = 0.0;
    let mut high = 1.0;
    for _ in 0..24 {
        sum += panel(high / 2.0, high);
        high /= 2.0;
    }
    sum + panel(0.0, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(right: usize, wrong: &[u64]) -> Vec<Said> {
        let wrong = wrong.iter().map(|kind| Said::Wrong { kind: *kind });
        std::iter::repeat_n(Said::Right, right).chain(wrong).chain([Said::Nothing]).collect()
    }

    #[test]
    fn a_vote_goes_to_the_most_and_lots_decide_between_equals() {
        assert_eq!(by_vote(&said(0, &[1, 2])), 0.0);
        assert_eq!(by_vote(&said(2, &[1, 2])), 1.0);
        assert_eq!(by_vote(&said(1, &[1, 2])), 1.0 / 3.0);
        assert_eq!(by_vote(&said(2, &[1, 1, 2, 2, 3])), 1.0 / 3.0);
        assert_eq!(by_vote(&said(1, &[1, 1])), 0.0);
        assert_eq!(by_vote(&said(0, &[])), 0.0);
    }

    /// Against the sum over everything that a judge may say.
    #[test]
    fn a_judges_pick_is_the_sum_over_all_verdicts() {
        for (t, f) in [(0.93, 0.25), (1.0, 0.0), (0.5, 0.5), (0.0, 1.0), (0.0, 0.0), (1.0, 1.0)] {
            let sharing = Sharing { true_positive_rate: t, false_positive_rate: f, ..Sharing::default() };
            for (right, wrong) in [(1_usize, 1_usize), (2, 3), (4, 1), (1, 6)] {
                let mut sum = 0.0;
                for verdicts in 0_u32..1 << (right + wrong) {
                    let passes = |k: usize| verdicts >> k & 1 == 1;
                    let chance = |k: usize| {
                        let rate = if k < right { t } else { f };
                        if passes(k) { rate } else { 1.0 - rate }
                    };
                    let weight: f64 = (0..right + wrong).map(chance).product();
                    let good = (0..right).filter(|k| passes(*k)).count() as f64;
                    let all = verdicts.count_ones();
                    let picked = if all == 0 { right as f64 / (right + wrong) as f64 } else { good / f64::from(all) };
                    sum += weight * picked;
                }
                let ours = by_judge(&said(right, &vec![7; wrong]), &sharing);
                assert!((ours - sum).abs() < 1e-9, "{right} {wrong} {t} {f}: {ours} {sum}");
            }
        }
    }

    #[test]
    fn a_judge_of_very_many_picks_by_the_share_of_the_passed() {
        let sharing = Sharing { true_positive_rate: 0.9, false_positive_rate: 0.3, ..Sharing::default() };
        let ours = by_judge(&said(40_000, &vec![3; 60_000]), &sharing);
        assert!((ours - 36.0 / 54.0).abs() < 1e-4, "{ours}");
    }
}
