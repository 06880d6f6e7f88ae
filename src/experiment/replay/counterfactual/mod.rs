//! Counterfactual replay: recorded runs become a scenario that compares topologies on the recorded work.
//!
//! Runs of this program say what was asked, about what, and by which topology: the same question is answered as it was.
//! Other programs' runs say less, and are read by rule.

mod imported;
mod lengths;
mod models;
mod own;
mod prediction;
mod price;
mod price_file;
mod runs;
mod work;
mod worlds;

pub use prediction::{Basis, Estimate, Known, MEASURES, Null, Prediction, PredictionError, Row, Spread, predict};
pub use price::{GivenPrice, given_price};
pub use price_file::PriceFile;
pub use runs::RecordedRuns;
pub(in crate::experiment::replay) use work::of_recordings;
pub use work::{AS_RECORDED, Dependencies, Found, Lengths, Lost, Reading};
pub use worlds::Drawn;

use super::{ReplayError, told_of_unfinished};
use crate::experiment::comparison::BEST_CENTRAL;
use crate::experiment::faults::ScenarioError;
use crate::experiment::load::Overrides;
use crate::experiment::scenario::Scenario;
use crate::experiment::validate::validate;
use crate::kernel::Span;
use crate::model::workload::{RecordedSpec, WorkloadSpec};
use crate::record::transcript::Status;
use runs::{Call, Run};
use std::path::Path;
use std::sync::Arc;

/// A scenario made of recorded runs, and what it rests on.
#[derive(Clone, Debug)]
pub struct Counterfactual {
    /// Ready to be compared.
    pub scenario: Scenario,
    /// Assumptions in sentences.
    pub assumptions: Vec<String>,
    /// Mean makespan and tokens of the tasks as recorded.
    pub recorded: Recorded,
    /// The topology that was run, where it is known.
    pub topology: Option<Topology>,
    /// Whether the runs are this program's, which say what was asked about what.
    pub is_own: bool,
    /// The worlds that agree with the recording, where its header states their law.
    pub drawn: Option<Drawn>,
    /// Agents at work in the recording, at most.
    pub recorded_agents: u32,
}

/// A topology that was run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// Policy.
    pub policy: String,
    /// Team size.
    pub agents: u32,
}

/// The recorded tasks themselves, means over those that have work.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recorded {
    /// Tasks.
    pub tasks: u32,
    /// From the first call that was asked for to the last completion.
    pub makespan_s: f64,
    /// Of it, seconds of gaps that were cut because they hold people.
    pub cut_s: f64,
    /// Prompt tokens.
    pub prompt_tokens: f64,
    /// Completion tokens.
    pub completion_tokens: f64,
    /// Calls.
    pub calls: f64,
    /// Of these, calls without an answer.
    pub lost_calls: f64,
    /// Their tokens.
    pub lost_tokens: f64,
    /// Dollars of the calls whose cost is known.
    pub known_usd: f64,
    /// Calls of which nobody tells the cost.
    pub unpriced_calls: f64,
}

impl Recorded {
    /// Adds a task's calls; sums, until [`Self::mean`].
    fn add<'a>(&mut self, calls: impl Iterator<Item = &'a Call>) {
        let (mut from, mut until) = (u64::MAX, 0);
        self.tasks += 1;
        for call in calls {
            let (prompt, completion) = (call.billed.prompt_tokens as f64, call.billed.completion_tokens as f64);
            self.calls += 1.0;
            self.prompt_tokens += prompt;
            self.completion_tokens += completion;
            if call.status != Status::Ok {
                self.lost_calls += 1.0;
                self.lost_tokens += prompt + completion;
            }
            match call.picodollars {
                Some(picodollars) => self.known_usd += picodollars as f64 * 1e-12,
                None => self.unpriced_calls += 1.0,
            }
            from = from.min(call.intended_ns);
            until = until.max(call.completed_ns.unwrap_or(0));
        }
        self.makespan_s += Span::from_nanos(until.saturating_sub(from)).as_secs_f64();
    }

    fn mean(self) -> Self {
        let n = f64::from(self.tasks.max(1));
        Self {
            tasks: self.tasks,
            makespan_s: self.makespan_s / n,
            cut_s: self.cut_s / n,
            prompt_tokens: self.prompt_tokens / n,
            completion_tokens: self.completion_tokens / n,
            calls: self.calls / n,
            lost_calls: self.lost_calls / n,
            lost_tokens: self.lost_tokens / n,
            known_usd: self.known_usd / n,
            unpriced_calls: self.unpriced_calls / n,
        }
    }

    /// Dollars of a task, if each call's are known.
    pub fn usd(&self) -> Option<f64> {
        (self.unpriced_calls == 0.0).then_some(self.known_usd)
    }
}

/// Reads recorded runs as work under other topologies.
///
/// # Errors
/// A recording without a step has no work; a run in a drawn world may fail.
pub fn counterfactual(recorded: &RecordedRuns, reading: &Reading, jobs: usize) -> Result<Counterfactual, ReplayError> {
    match own::own(recorded, jobs)? {
        Some(made) => Ok(made),
        None => imported::imported(recorded, reading),
    }
}

/// The scenario of a what-if around recorded work, before its endpoints, settings and sizes are known.
fn what_if(path: &Path, spec: RecordedSpec, replications: u32) -> Scenario {
    let mut scenario = of_recordings(path, spec, replications);
    scenario.name.push_str("-counterfactual");
    "What would the recorded work have taken under other topologies?".clone_into(&mut scenario.question);
    BEST_CENTRAL.clone_into(&mut scenario.baseline);
    scenario
}

/// What is said of a file that was cut off, and of runs that are not whole.
fn told_of_parts<'a>(recorded: &RecordedRuns, runs: impl Iterator<Item = &'a Run>) -> Vec<String> {
    let cut = recorded.truncated.iter().map(|how| format!("{how}; what was whole is replayed."));
    let parts: Vec<_> = runs.map(|run| run.unfinished).collect();
    cut.chain(told_of_unfinished(&parts).into_iter().map(|told| format!("Not whole: {told}."))).collect()
}

impl Counterfactual {
    /// The scenario with changes from the command line. The work itself is neither written as text nor copied for it.
    ///
    /// # Errors
    /// As for [`Scenario::load`].
    pub fn changed(&self, name: &str, overrides: &Overrides) -> Result<Scenario, ScenarioError> {
        let WorkloadSpec::Recorded(whole) = &self.scenario.workload else {
            let scenario = Scenario::parse(name, &self.text(), None, overrides)?;
            let faults = self.drawn.as_ref().map(|drawn| drawn.faults(&self.scenario, &scenario)).unwrap_or_default();
            return if faults.is_empty() { Ok(scenario) } else { Err(ScenarioError::Faulty(faults)) };
        };
        let sample = RecordedSpec { instances: whole.instances[..1].to_vec(), ..whole.as_ref().settings() };
        let few = Scenario { workload: WorkloadSpec::Recorded(Arc::new(sample.clone())), ..self.scenario.clone() };
        let text = toml::to_string(&few).expect("a scenario is plain values");
        let mut scenario = Scenario::parse(name, &text, None, overrides)?;
        if let WorkloadSpec::Recorded(spec) = &mut scenario.workload
            && spec.instances == sample.instances
        {
            let settings = spec.settings();
            spec.clone_from(whole);
            if settings != whole.settings() {
                *Arc::make_mut(spec) = RecordedSpec { instances: whole.instances.clone(), ..settings };
            }
        }
        let faults = validate(&scenario);
        if faults.is_empty() { Ok(scenario) } else { Err(ScenarioError::Faulty(faults)) }
    }

    /// The scenario as TOML, to be changed and compared again.
    pub fn to_toml(&self) -> String {
        let head = format!("# {}\n", self.assumptions.join("\n# "));
        head + &self.text()
    }

    fn text(&self) -> String {
        toml::to_string(&self.scenario).expect("a scenario is plain values")
    }
}
