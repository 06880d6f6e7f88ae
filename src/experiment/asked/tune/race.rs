//! The search for a policy's best settings: from the point as it is given, moves race against each other and against the
//! point, on the same random numbers.
//!
//! A race is successive halving: all moves get a few runs, the better half of them more, until one is left. It is taken
//! if it is better than the point by more than a standard error of the paired difference. Where no move is, the next race
//! is for what is no worse by more than that and cheaper: ties go to the cheaper; and so in turn, with more runs of what
//! ran already, until the runs are used up. Moves that are clearly worse do not run again.
//!
//! Invariant: what decides are runs that are not reported, and no policy gets more of them than another.

use super::super::AskError;
use super::super::gauge::typical_s;
use super::super::grid::Axis;
use super::super::subject::PILOT;
use super::Wanted;
use super::moves::{Here, moves};
use super::point::{Move, Point, told};
use crate::experiment::runner::Runner;
use crate::experiment::scenario::Scenario;
use crate::policy::settings::Work;
use std::collections::BTreeSet;

/// Races, at most.
const RACES: u64 = 8;
/// A race has this part of the runs that are left: the first, which has the most moves to tell apart, has the most.
const PARTS: u64 = 3;
/// Standard errors from which a worse move is not run again.
const CLEARLY: f64 = 3.0;
/// Fewest runs after which that can be said.
const FEW: usize = 30;

/// A point with its runs so far.
#[derive(Clone)]
pub(super) struct Arm {
    pub(super) point: Point,
    /// The move that leads to it from the point of the race.
    by: Move,
    pub(super) worth: Vec<f64>,
    pub(super) spend: Vec<f64>,
    time: Vec<f64>,
}

/// What a search found.
pub(super) struct Found {
    pub(super) arm: Arm,
    /// Moves that were taken.
    pub(super) steps: Vec<Vec<String>>,
    /// Points that ran.
    pub(super) tried: u32,
    /// Runs.
    pub(super) runs: u64,
}

/// A mean difference and its standard error.
#[derive(Clone, Copy)]
pub(super) struct Apart {
    pub(super) mean: f64,
    pub(super) error: f64,
}

/// Paired, on the runs that both have.
pub(super) fn apart(a: &[f64], b: &[f64]) -> Apart {
    let n = a.len().min(b.len());
    let summary = crate::stats::Summary::of(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<f64>>());
    Apart { mean: summary.mean, error: summary.sd.unwrap_or(f64::INFINITY) / (n as f64).sqrt() }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// What a race is for.
#[derive(Clone, Copy, PartialEq)]
enum For {
    Worth,
    Thrift,
}

/// One policy's search.
pub(super) struct Search<'s, 'r, 'p> {
    pub(super) given: &'s Scenario,
    pub(super) policy: &'s str,
    pub(super) agents: u32,
    pub(super) wanted: &'s Wanted<'s>,
    pub(super) axes: &'s [Axis],
    pub(super) runner: &'r mut Runner<'p>,
}

impl Search<'_, '_, '_> {
    fn arm(point: Point, by: Move) -> Arm {
        Arm { point, by, worth: Vec::new(), spend: Vec::new(), time: Vec::new() }
    }

    /// Runs an arm on, from its last pilot.
    fn extend(&mut self, arm: &mut Arm, by: usize) -> Result<u64, AskError> {
        let from = PILOT + arm.worth.len() as u64;
        let point = (self.policy, self.agents);
        let ran = self.wanted.gauge.run(&arm.point.scenario, point, (from, by as u32), self.runner)?;
        arm.worth.extend(ran.worth);
        arm.spend.extend(ran.spend);
        arm.time.extend(ran.time);
        Ok(by as u64)
    }

    /// Whether an arm keeps the limit, on its own runs.
    fn within(&self, arm: &Arm) -> bool {
        self.wanted.limit.as_ref().is_none_or(|limit| mean(&arm.spend) <= limit.at(arm.spend.len()))
    }

    /// From the point as it is given, with at most so many runs.
    pub(super) fn search(&mut self, budget: u64) -> Result<Found, AskError> {
        let mut here = Self::arm(Point::given(self.given, self.policy)?, Move::new());
        let (mut steps, mut tried, mut runs) = (Vec::new(), 1, 0);
        let mut dismissed: BTreeSet<Vec<String>> = BTreeSet::new();
        let mut arms: Vec<Arm> = Vec::new();
        let mut aim = For::Worth;
        for race in 0..RACES {
            let share = (budget - runs) / (RACES - race).min(PARTS);
            if arms.is_empty() {
                // The first runs of the point say how long it takes.
                let first = FEW.saturating_sub(here.worth.len()).min(share as usize / 2);
                runs += self.extend(&mut here, first)?;
                arms = self.neighbours(&here, &dismissed)?;
                tried += arms.len() as u32;
            }
            let (winner, ran) = self.race(&mut here, &mut arms, share.min(budget - runs), aim)?;
            runs += ran;
            for arm in &arms {
                let worse = apart(&arm.worth, &here.worth);
                if arm.worth.len() >= FEW && worse.mean + CLEARLY * worse.error < 0.0 && self.within(&here) {
                    dismissed.insert(told(&arm.by));
                }
            }
            if let Some(winner) = winner {
                here = arms.swap_remove(winner);
                steps.push(told(&here.by));
                arms.clear();
            } else {
                aim = if aim == For::Worth { For::Thrift } else { For::Worth };
                arms.retain(|arm| !dismissed.contains(&told(&arm.by)));
                if arms.is_empty() {
                    break;
                }
            }
        }
        Ok(Found { arm: here, steps, tried, runs })
    }

    fn neighbours(&self, here: &Arm, dismissed: &BTreeSet<Vec<String>>) -> Result<Vec<Arm>, AskError> {
        let keys = here.point.keys();
        let typical_s = typical_s(&here.time);
        let raw = Work::of(&self.given.workload) == Work::Divide;
        let mut found: Vec<Arm> = Vec::new();
        for by in moves(&Here { scenario: self.given, keys: &keys, typical_s, raw }, self.axes)? {
            if dismissed.contains(&told(&by)) {
                continue;
            }
            if let Some(point) = here.point.moved(self.given, self.policy, &by)
                && !found.iter().any(|arm| arm.point.settings == point.settings)
            {
                found.push(Self::arm(point, by));
            }
        }
        Ok(found)
    }

    /// Halves the arms until one is left, with at most so many runs; the place of the winner, if it is to be taken.
    fn race(
        &mut self,
        here: &mut Arm,
        arms: &mut [Arm],
        share: u64,
        aim: For,
    ) -> Result<(Option<usize>, u64), AskError> {
        let mut alive: Vec<usize> = (0..arms.len()).collect();
        let stages = u64::from(usize::BITS - alive.len().leading_zeros()).max(1);
        let mut runs = 0;
        for stage in 0..stages {
            // The point itself needs as many runs as the longest arm.
            let each = (share - runs) / (stages - stage) / (alive.len() as u64 + 1);
            if each == 0 || alive.is_empty() {
                break;
            }
            for &place in &alive {
                runs += self.extend(&mut arms[place], each as usize)?;
            }
            let longest = alive.iter().map(|place| arms[*place].worth.len()).max().unwrap_or(0);
            let lacking = longest.saturating_sub(here.worth.len()).min((share - runs) as usize);
            runs += self.extend(here, lacking)?;
            let mut ranked: Vec<(Rank, usize)> =
                alive.iter().map(|place| (self.rank(&arms[*place], here, aim), *place)).collect();
            ranked.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
            let stay = if stage + 1 == stages { 1 } else { ranked.len().div_ceil(2) };
            alive = ranked.into_iter().take(stay).map(|(_, place)| place).collect();
        }
        let winner = alive.first().copied().filter(|place| self.is_taken(&arms[*place], here, aim));
        Ok((winner, runs))
    }

    /// How good an arm looks beside the point it came from.
    fn rank(&self, arm: &Arm, here: &Arm, aim: For) -> Rank {
        let (worth, spend) = (apart(&arm.worth, &here.worth), apart(&arm.spend, &here.spend));
        if !self.within(arm) {
            return Rank(0, -mean(&arm.spend), 0.0);
        }
        match aim {
            For::Worth => Rank(2, worth.mean, -spend.mean),
            For::Thrift if worth.mean >= -worth.error => Rank(2, -spend.mean, worth.mean),
            For::Thrift => Rank(1, worth.mean, -spend.mean),
        }
    }

    fn is_taken(&self, arm: &Arm, here: &Arm, aim: For) -> bool {
        if arm.worth.is_empty() || here.worth.is_empty() {
            return false;
        }
        let (worth, spend) = (apart(&arm.worth, &here.worth), apart(&arm.spend, &here.spend));
        let cheaper = spend.mean < -spend.error;
        match (self.within(arm), self.within(here), aim) {
            (false, true, _) => false,
            (false, false, _) => cheaper,
            (true, false, _) => true,
            (true, true, For::Worth) => worth.mean > worth.error,
            (true, true, For::Thrift) => worth.mean >= -worth.error && cheaper && spend.mean < -2.0 * spend.error,
        }
    }
}

/// Class, then two quantities, greater first.
#[derive(Clone, Copy, PartialEq)]
struct Rank(u8, f64, f64);

impl Rank {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0).then(self.1.total_cmp(&other.1)).then(self.2.total_cmp(&other.2))
    }
}

/// A spend that is not to be exceeded.
pub(super) enum Limit {
    /// So much.
    At(f64),
    /// What the subject spends as it is given, on the same runs.
    As(Vec<f64>),
}

impl Limit {
    /// The limit of a mean over the first `n` runs; of all there are, if there are fewer.
    pub(super) fn at(&self, n: usize) -> f64 {
        match self {
            Self::At(most) => *most,
            Self::As(values) => mean(&values[..n.clamp(1, values.len())]),
        }
    }
}
