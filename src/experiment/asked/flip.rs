//! What flips a difference: every input that can be wrong about the world is moved inside its prior, one at a time, until
//! the difference between a policy and its rival changes sign.
//!
//! All runs share their random numbers, so that the mean difference is a function of the input without noise of its
//! own. A range is looked at in [`STATIONS`] places; between two neighbours of different sign the break-even value is
//! found by halving. An input that changes no run at either end has no effect here, and says so.
//!
//! Invariant: a break-even value has a side of its own on which the difference has the sign that it has today.

use super::AskError;
use super::subject::{Pair, Side};
use crate::experiment::judgement::Search;
use crate::experiment::prior::{Fixed, Movable, movables};
use crate::experiment::runner::Runner;
use crate::experiment::scenario::Scenario;
use crate::stats::{Interval, SEEN};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Places of a range that are looked at, its ends among them.
const STATIONS: usize = 5;
/// Halvings between two stations: a break-even value is known to 2^-8 of a quarter of its prior.
const HALVINGS: u32 = 8;
/// First replication: the runs of the scenario's own table, so that both say the same of today.
const FIRST: u64 = 0;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FlipAsked {
    /// Whose difference.
    pub pair: Pair,
    /// Draws of all priors at once; 0 for none.
    pub uncertain: u32,
}

/// A difference of means, policy minus rival.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Mean.
    pub mean: f64,
    /// Monte Carlo interval; none from one replication.
    pub interval: Option<Interval>,
    /// Standard error; none from one replication.
    pub standard_error: Option<f64>,
}

/// What moving an input does.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// No run changes at either end of the prior.
    None,
    /// The difference at both ends, and where it changes sign.
    Moves {
        /// At the low end.
        low: Difference,
        /// At the high end.
        high: Difference,
        /// The break-even value nearest to today's.
        flip: Search<f64>,
    },
    /// A value of the prior makes no scenario.
    Refused(String),
}

/// An input with what moving it does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Swing {
    /// The input.
    pub input: Movable,
    /// What it does.
    pub effect: Effect,
}

/// Draws of all priors at once.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Joint {
    /// Draws that make a scenario.
    pub draws: u32,
    /// Draws that make none, which are left out.
    pub refused: u32,
    /// Replications per draw.
    pub replications: u32,
    /// Draws in which the policy is better.
    pub better: u32,
    /// Interval of their share.
    pub share: Interval,
    /// 2.5 %, 50 % and 97.5 % quantiles of the mean difference over draws.
    pub quantiles: [f64; 3],
}

/// What came of drawing all priors at once.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Drawn {
    /// Nobody asked.
    NotAsked,
    /// No input acts, so that there is nothing to draw.
    NothingActs,
    /// No draw makes a scenario; the fault of the first.
    Refused {
        /// Draws.
        draws: u32,
        /// What is wrong with the first.
        why: String,
    },
    /// Some do.
    Told(Joint),
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Flips {
    /// Policy and team size.
    pub policy: Side,
    /// Rival.
    pub rival: Side,
    /// How the rival was chosen.
    pub chosen: String,
    /// Metric.
    pub metric: &'static str,
    /// Unit.
    pub unit: &'static str,
    /// Whether a greater value is better.
    pub higher_is_better: bool,
    /// Replications per value.
    pub replications: u32,
    /// The difference today.
    pub today: Difference,
    /// Every input, nearest flip first, then by how far it moves the difference.
    pub swings: Vec<Swing>,
    /// Inputs that cannot be moved.
    pub fixed: Vec<Fixed>,
    /// A reversal at an end of a prior larger than this would have been seen with 95 % chance; none from one replication.
    pub seen_from: Option<f64>,
    /// All priors at once, if that was asked.
    pub joint: Drawn,
    /// Digest of all runs.
    pub digest: String,
    /// Number of runs.
    pub runs: u64,
}

impl Swing {
    /// How far along its prior the flip lies from today's value; none without one.
    pub fn distance(&self) -> Option<f64> {
        match &self.effect {
            Effect::Moves { flip: Search::Found(at), .. } => {
                let share = |value| self.input.range.share(value).clamp(-1.0, 2.0);
                Some((share(*at) - share(self.input.value)).abs())
            }
            _ => None,
        }
    }

    /// How far the ends lie apart.
    pub fn width(&self) -> f64 {
        match &self.effect {
            Effect::Moves { low, high, .. } => (low.mean - high.mean).abs(),
            _ => 0.0,
        }
    }
}

/// The two sides of a pair at one value of an input, run by run.
#[derive(Clone, PartialEq)]
struct Sample {
    own: Vec<f64>,
    rival: Vec<f64>,
    share: bool,
}

impl Sample {
    /// The mean difference; its interval is wanted of few samples only.
    fn mean(&self) -> f64 {
        crate::stats::paired(&self.own, &self.rival, 0, 0).difference
    }

    fn difference(&self) -> Difference {
        let paired = crate::stats::paired(&self.own, &self.rival, 0, 0);
        Difference {
            mean: paired.difference,
            interval: crate::experiment::comparison::difference_interval(self.share, &self.own, &self.rival),
            standard_error: paired.standard_error(),
        }
    }
}

/// Looks at values of a scenario.
struct Bench<'a, 'r> {
    scenario: &'a Scenario,
    policy: &'a Side,
    rival: &'a Side,
    metric: &'static str,
    replications: u32,
    runner: &'a mut Runner<'r>,
}

impl Bench<'_, '_> {
    /// The sample with some edits; the words of the fault if they make no scenario.
    fn sample(&mut self, edits: &[String], replications: u32) -> Result<Result<Sample, String>, AskError> {
        let moved;
        let scenario = if edits.is_empty() {
            self.scenario
        } else {
            match self.scenario.with(edits) {
                Ok(scenario) => {
                    moved = scenario;
                    &moved
                }
                Err(fault) => return Ok(Err(fault.to_string())),
            }
        };
        let points =
            [(self.policy.policy.as_str(), self.policy.agents), (self.rival.policy.as_str(), self.rival.agents)];
        let cells = self.runner.cells(scenario, &points, FIRST, replications)?;
        let [own, rival] = [0, 1].map(|i: usize| cells[i].get(self.metric));
        Ok(match (own, rival) {
            (Some(own), Some(rival)) if own.values.len() == rival.values.len() => {
                Ok(Sample { own: own.values.clone(), rival: rival.values.clone(), share: own.share })
            }
            _ => Err(format!("some runs have no {} there", self.metric)),
        })
    }

    fn swing(&mut self, input: &Movable, today: &Sample) -> Result<Effect, AskError> {
        let n = self.replications;
        let (low, high) = match self.ends(input)? {
            Ok(ends) => ends,
            Err(why) => return Ok(Effect::Refused(why)),
        };
        if low == *today && high == *today {
            return Ok(Effect::None);
        }
        let now = today.mean();
        let mut stations = vec![(input.at(0.0), low.mean())];
        for i in 1..STATIONS - 1 {
            let value = input.at(i as f64 / (STATIONS - 1) as f64);
            if let Ok(sample) = self.sample(&input.edits(value), n)? {
                stations.push((value, sample.mean()));
            }
        }
        stations.push((input.at(1.0), high.mean()));
        let inside = (0.0..=1.0).contains(&input.range.share(input.value));
        stations.extend(inside.then_some((input.value, now)));
        stations.sort_by(|a, b| a.0.total_cmp(&b.0));
        stations.dedup_by(|a, b| a.0 == b.0);
        // Neither side is better where the difference is 0, and what rounding leaves of it is 0.
        let turns = |mean: f64| mean * now.signum() < -1e-9 * now.abs();
        // Brackets, nearest to today's value first.
        let away = |value: f64| (input.range.share(value) - input.range.share(input.value)).abs();
        let bracket = stations
            .windows(2)
            .filter(|pair| turns(pair[0].1) != turns(pair[1].1))
            .min_by(|a, b| {
                let near = |pair: &[(f64, f64)]| away(pair[0].0).min(away(pair[1].0));
                near(a).total_cmp(&near(b))
            })
            .map(|pair| (pair[0], pair[1]));
        // Where today's value lies outside of the prior, the way to it is no part of what is asked.
        let nearest = || stations.iter().min_by(|a, b| away(a.0).total_cmp(&away(b.0)));
        let flip = match bracket {
            _ if now == 0.0 => Search::NotLooked,
            _ if !inside && nearest().is_some_and(|(_, mean)| turns(*mean)) => {
                Search::Found(nearest().expect("a range has ends").0)
            }
            None => Search::NotFound,
            Some((a, b)) => {
                let (mut kept, mut turned) = if turns(b.1) { (a.0, b.0) } else { (b.0, a.0) };
                for _ in 0..HALVINGS {
                    let shares = input.range.share(kept).midpoint(input.range.share(turned));
                    let middle = input.at(shares);
                    if middle == kept || middle == turned {
                        break;
                    }
                    let Ok(sample) = self.sample(&input.edits(middle), n)? else { break };
                    if turns(sample.mean()) { turned = middle } else { kept = middle }
                }
                Search::Found(turned)
            }
        };
        Ok(Effect::Moves { low: low.difference(), high: high.difference(), flip })
    }

    fn ends(&mut self, input: &Movable) -> Result<Result<(Sample, Sample), String>, AskError> {
        let n = self.replications;
        let low = match self.sample(&input.edits(input.at(0.0)), n)? {
            Ok(sample) => sample,
            Err(why) => return Ok(Err(why)),
        };
        Ok(self.sample(&input.edits(input.at(1.0)), n)?.map(|high| (low, high)))
    }

    /// Draws all inputs at once from their priors.
    fn joint(&mut self, inputs: &[Movable], draws: u32, better: impl Fn(f64) -> bool) -> Result<Drawn, AskError> {
        if draws == 0 {
            return Ok(Drawn::NotAsked);
        }
        if inputs.is_empty() {
            return Ok(Drawn::NothingActs);
        }
        let replications = self.replications.min(JOINT_REPLICATIONS);
        let (mut means, mut refused, mut first) = (Vec::new(), 0, None);
        for draw in 0..draws {
            let key = crate::kernel::Key::new(self.scenario.seed, JOINT | u64::from(draw));
            let edits: Vec<String> = inputs
                .iter()
                .enumerate()
                .flat_map(|(i, input)| {
                    let address = crate::kernel::Address { entity: i as u64, ..crate::kernel::Address::default() };
                    input.edits(input.draw(key.draws(address).uniform(0)))
                })
                .collect();
            match self.sample(&edits, replications)? {
                Ok(sample) => means.push(sample.mean()),
                Err(why) => {
                    refused += 1;
                    first.get_or_insert(why);
                }
            }
        }
        if means.is_empty() {
            return Ok(Drawn::Refused { draws, why: first.unwrap_or_default() });
        }
        let won = means.iter().filter(|mean| better(**mean)).count() as u32;
        let n = means.len() as u32;
        means.sort_by(f64::total_cmp);
        let share = crate::stats::clopper_pearson(f64::from(won), f64::from(n));
        let quantiles = [0.025, 0.5, 0.975].map(|p| crate::stats::quantile(&means, p));
        Ok(Drawn::Told(Joint { draws: n, refused, replications, better: won, share, quantiles }))
    }
}

/// Replications per draw of all priors: the spread over draws is what is asked, not that over runs.
const JOINT_REPLICATIONS: u32 = 64;
/// Replication numbers whose keys draw inputs instead of runs.
const JOINT: u64 = 1 << 44;

/// Moves every input.
pub(super) fn flips(scenario: &Scenario, asked: &FlipAsked, runner: &mut Runner) -> Result<Flips, AskError> {
    let resolved = asked.pair.resolve(scenario, runner)?;
    let (policy, rival) = (&resolved.policy, &resolved.rival);
    let (movable, fixed) = movables(scenario, &[&policy.policy, &rival.policy]);
    let replications = scenario.replications;
    let metric = resolved.metric.name;
    let mut bench = Bench { scenario, policy, rival, metric, replications, runner };
    let today = bench.sample(&[], replications)?.map_err(AskError::Usage)?;
    let mut swings = Vec::with_capacity(movable.len());
    for input in movable {
        let effect = bench.swing(&input, &today)?;
        swings.push(Swing { input, effect });
    }
    let order = |swing: &Swing| (swing.distance().unwrap_or(f64::INFINITY), -swing.width());
    swings.sort_by(|a, b| {
        let (a, b) = (order(a), order(b));
        a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
    });
    let errors = swings.iter().flat_map(|swing| match &swing.effect {
        Effect::Moves { low, high, .. } => vec![low.standard_error, high.standard_error],
        _ => Vec::new(),
    });
    let seen_from = errors.flatten().reduce(f64::max).map(|error| SEEN * error);
    let acting: Vec<Movable> =
        swings.iter().filter(|s| matches!(s.effect, Effect::Moves { .. })).map(|s| s.input.clone()).collect();
    let higher_is_better = resolved.higher_is_better();
    let joint = bench.joint(&acting, asked.uncertain, |mean| if higher_is_better { mean > 0.0 } else { mean < 0.0 })?;
    Ok(Flips {
        policy: policy.clone(),
        rival: rival.clone(),
        chosen: resolved.chosen.clone(),
        metric,
        unit: resolved.metric.unit,
        higher_is_better,
        replications,
        today: today.difference(),
        swings,
        fixed,
        seen_from,
        joint,
        digest: runner.digest(),
        runs: runner.runs(),
    })
}
