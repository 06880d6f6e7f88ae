//! Recorded attempts of a simulation: their header states the law of what was hidden, so that worlds are drawn from this
//! law until some agree with what was recorded, and the other topologies are simulated in those. Which world it really
//! was is not used: the draws are of another seed, and what a recording does not tell stays as uncertain as it leaves it.
//!
//! Invariant: equal recordings give equal worlds, whatever the number of jobs.

use super::prediction::{Estimate, MEASURES, Row, next};
use super::runs::Run;
use super::{Recorded, Topology};
use crate::experiment::cells;
use crate::experiment::faults::{Fault, KeyPath};
use crate::experiment::scenario::Scenario;
use crate::experiment::study::Cell;
use crate::experiment::{Options, conduct};
use crate::runtime::RunError;

/// Draws of the law among which worlds are looked for that agree with a recorded run.
const POOL: u32 = 2000;
/// Worlds that are kept of each recorded run: at most, and at least.
const DRAWS: (usize, usize) = (8, 4);
/// Worlds of all recorded runs together, while each has its least.
const WORLDS: usize = 4000;
/// Share of right submissions, by which worlds agree first.
const RIGHT: &str = "avg_at_1";
/// Takes the logarithm of what may be zero, in units in which a simulation has no less.
const LEAST: f64 = 1e-9;

/// Worlds that agree with recorded runs, each as a number of the law's seed.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// The recorded work itself under the recorded topology, call for call: what the model is checked with.
    pub replayed: Scenario,
    /// Draws that were looked through.
    pub pool: u32,
    /// Recorded runs, in the order of which each draw names a world for them.
    pub runs: usize,
    /// Worlds of each.
    pub draws: usize,
    /// What was run, in the same worlds: means over the runs by draw, by [`MEASURES`].
    then: [Vec<f64>; 4],
}

/// What a run shows of its world.
struct Signs {
    right: Option<f64>,
    logs: [f64; 3],
}

impl Signs {
    fn of(right: Option<f64>, makespan_s: f64, prompt_tokens: f64, completion_tokens: f64) -> Self {
        let logs = [makespan_s, prompt_tokens, completion_tokens].map(|x| libm::log(x.max(LEAST)));
        Self { right, logs }
    }

    fn recorded(run: &Run) -> Self {
        let mut recorded = Recorded::default();
        for task in 0..run.tasks {
            recorded.add(run.calls.iter().filter(|c| c.task == task));
        }
        let Recorded { makespan_s, prompt_tokens, completion_tokens, .. } = recorded.mean();
        Self::of(run.right_share, makespan_s, prompt_tokens, completion_tokens)
    }

    /// How far two runs are apart: first in what was right, then in time and tokens, in deviations.
    fn away(&self, other: &Self, deviations: &[f64; 3]) -> (f64, f64) {
        let right = self.right.zip(other.right).map_or(0.0, |(a, b)| (a - b).abs());
        let apart = |i: usize| {
            let by = self.logs[i] - other.logs[i];
            // What is the same in all worlds tells nothing.
            if deviations[i] > 0.0 { by / deviations[i] } else { 0.0 }
        };
        (right, (0..3).map(|i| apart(i) * apart(i)).sum())
    }
}

impl Drawn {
    /// Looks for worlds of a law that agree with what was recorded; they are put into the law, draw by draw.
    pub(super) fn of(
        law: &mut Scenario,
        replayed: Scenario,
        topology: &Topology,
        runs: &[&Run],
        jobs: usize,
    ) -> Result<Self, RunError> {
        let (policies, agents) = (vec![topology.policy.clone()], vec![topology.agents]);
        let baseline = topology.policy.clone();
        let pool = Scenario { policies, agents, baseline, replications: POOL, worlds: Vec::new(), ..law.clone() };
        let found = conduct(&pool, &Options { jobs, ..Options::default() })?.cells;
        let by_world = |metric: &str| cells::by_replication(&found[0], metric, POOL);
        let of = MEASURES.map(by_world);
        let (known, right) = (|m: usize, w: usize| of[m][w].unwrap_or(0.0), by_world(RIGHT));
        let pool: Vec<Signs> =
            (0..POOL as usize).map(|w| Signs::of(right[w], known(0, w), known(1, w), known(2, w))).collect();
        let deviations = [0, 1, 2]
            .map(|i| crate::stats::Summary::of(&pool.iter().map(|s| s.logs[i]).collect::<Vec<_>>()).sd.unwrap_or(0.0));
        let draws = (WORLDS / runs.len()).clamp(DRAWS.1, DRAWS.0);
        let nearest: Vec<Vec<usize>> = runs
            .iter()
            .map(|run| {
                let seen = Signs::recorded(run);
                let mut order: Vec<(f64, f64, usize)> = pool
                    .iter()
                    .enumerate()
                    .map(|(world, signs)| {
                        let (right, apart) = seen.away(signs, &deviations);
                        (right, apart, world)
                    })
                    .collect();
                order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
                order.into_iter().take(draws).map(|(.., world)| world).collect()
            })
            .collect();
        law.worlds = (0..draws).flat_map(|d| nearest.iter().map(move |worlds| worlds[d] as u32)).collect();
        law.replications = law.worlds.len() as u32;
        let mean = |m: usize, d: usize| nearest.iter().map(|w| known(m, w[d])).sum::<f64>() / runs.len() as f64;
        let then = [0, 1, 2, 3].map(|m| (0..draws).map(|d| mean(m, d)).collect());
        Ok(Self { replayed, pool: POOL, runs: runs.len(), draws, then })
    }

    /// What a change must leave as it is, for the worlds to be those that were looked for.
    pub(super) fn faults(&self, law: &Scenario, changed: &Scenario) -> Vec<Fault> {
        let key = |key: &str| [key].into_iter().collect::<KeyPath>();
        let mut faults = Vec::new();
        let same = [
            ("seed", law.seed == changed.seed),
            ("tasks", law.tasks == changed.tasks),
            ("worlds", law.worlds == changed.worlds),
        ];
        for (name, _) in same.into_iter().filter(|(_, same)| !same) {
            let wrong = "is part of the worlds that agree with the recording";
            faults.push(Fault::new(key(name), wrong, "leave it as it is"));
        }
        let least = self.runs * DRAWS.1;
        if (changed.replications as usize) < least || !(changed.replications as usize).is_multiple_of(self.runs) {
            let wrong = format!("each of the {} recorded runs has several worlds", self.runs);
            let mend =
                format!("leave it out, or write a multiple of {} from {least} to {}", self.runs, law.replications);
            faults.push(Fault::new(key("replications"), wrong, mend).found(changed.replications));
        }
        faults
    }

    /// A row of the answer: means over all worlds, and where one more draw of them would lie. Of what was run it is known
    /// how it went: it takes what the replay of its calls takes (`model`), times what a change makes of it.
    pub(super) fn row(&self, cell: &Cell, topology: &Topology, model: [Option<f64>; 4]) -> Row {
        let is_same = (cell.policy.as_str(), cell.agents) == (topology.policy.as_str(), topology.agents);
        let estimate = |m: usize| {
            let series = cell.get(MEASURES[m]).filter(|s| s.lacking.is_empty())?;
            let means = series.values.chunks_exact(self.runs).map(|of| of.iter().sum::<f64>() / self.runs as f64);
            let draws: Vec<f64> = if is_same {
                let then = model[m]?;
                let ratio = |(now, before): (f64, &f64)| if now == *before { then } else { then * (now / before) };
                means.zip(&self.then[m]).map(ratio).collect()
            } else {
                means.collect()
            };
            let (low, high) = next(&draws)?;
            // What is the same in all of them is not rounded.
            let is_sure = draws.iter().all(|draw| *draw == draws[0]);
            let mean = if is_sure { draws[0] } else { draws.iter().sum::<f64>() / draws.len() as f64 };
            let (low, high) = if is_sure { (mean, mean) } else { (low, high) };
            Some(Estimate { mean, low: low.max(0.0).min(mean), high: high.max(mean) })
        };
        Row {
            policy: cell.policy.clone(),
            agents: cell.agents,
            estimates: [0, 1, 2, 3].map(estimate),
            left_out: None,
            replayed_calls: None,
        }
    }

    /// What it rests on, in sentences.
    pub(super) fn told(&self, topology: &Topology) -> Vec<String> {
        vec![
            format!(
                "{} runs, recorded under {} with N = {}. What was hidden in them (how hard an issue is, which hypothesis \
                 solves it, who would try what) is drawn from the law of the recording's own scenario: of {} draws of \
                 another seed the {} that agree best with each run, first in the share of right submissions, then in \
                 makespan and tokens.",
                self.runs, topology.policy, topology.agents, self.pool, self.draws
            ),
            "Every other topology is simulated in these worlds, with the laws of time, lengths, prices and limits of the \
             recording's own scenario: it is believed as far as that scenario is, `sharing` above all (`params`)."
                .to_owned(),
            "What was run is replayed call for call. In the results' own files it stands as simulated in the drawn worlds, \
             like all others."
                .to_owned(),
        ]
    }
}
