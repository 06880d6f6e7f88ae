//! Questions that are asked of a scenario beyond its table of cells: what flips a difference, which mechanism makes it,
//! what it is at equal spend or with every policy in its best form, how it varies.
//!
//! A question is a value that a manifest can hold; asking it of the same scenario gives the same answer.

mod choice;
mod equal;
mod factorial;
mod flip;
mod gauge;
mod grid;
mod mixture;
mod subject;
mod tune;
mod vary;

use super::faults::ScenarioError;
use super::load::Overrides;
use super::runner::{Progress, Runner, in_pool};
use super::scenario::Scenario;
use crate::runtime::RunError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use equal::{Best, EqualAsked, EqualRow, Equals, Frontier, Part, SPENDS, Step};
pub use factorial::{Combination, Contrast, FACTORS, Factorial, FactorialAsked, Shares};
pub use flip::{Difference, Drawn, Effect, FlipAsked, Flips, Joint, Swing};
pub use grid::{Axis, Candidate, axis};
pub use subject::{Pair, Side};
pub use tune::{Gap, Means, TuneAsked, Tuned, TunedRow};
pub use vary::{Level, Varied, VaryAsked};

/// A question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// What flips a difference.
    Flip(FlipAsked),
    /// What every policy can do at its best within the same spend.
    Equal(EqualAsked),
    /// Which mechanism makes a difference.
    Factorial(FactorialAsked),
    /// Which settings make each policy best.
    Tune(TuneAsked),
    /// How cells change with keys of the scenario.
    Vary(VaryAsked),
}

/// Its answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// What flips a difference.
    Flip(Flips),
    /// What every policy can do at its best within the same spend.
    Equal(Equals),
    /// Which mechanism makes a difference.
    Factorial(Factorial),
    /// Which settings make each policy best.
    Tune(Box<Tuned>),
    /// How cells change with keys of the scenario.
    Vary(Varied),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The question does not fit the scenario.
    #[error("{0}")]
    Usage(String),
    /// A variant makes no scenario.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// A run failed.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// How to ask; nothing here changes a number.
#[derive(Clone, Copy, Default)]
pub struct Manner<'a> {
    /// Threads; 0 for all cores.
    pub jobs: usize,
    /// Called with runs done and runs expected.
    pub progress: Progress<'a>,
}

/// Asks a scenario a question.
///
/// # Errors
/// When the question does not fit the scenario, or a run fails.
pub fn ask(scenario: &Scenario, asked: &Asked, manner: &Manner) -> Result<Answer, AskError> {
    in_pool(manner.jobs, || {
        let mut runner = Runner::new(manner.progress, 0);
        Ok(match asked {
            Asked::Flip(asked) => Answer::Flip(flip::flips(scenario, asked, &mut runner)?),
            Asked::Equal(asked) => Answer::Equal(equal::equals(scenario, asked, &mut runner)?),
            Asked::Factorial(asked) => Answer::Factorial(factorial::factorial(scenario, asked, &mut runner)?),
            Asked::Tune(asked) => Answer::Tune(Box::new(tune::tuned(scenario, asked, &mut runner)?)),
            Asked::Vary(asked) => Answer::Vary(vary::varied(scenario, asked, &mut runner)?),
        })
    })
}

impl Scenario {
    /// The same scenario with some `PATH=VALUE` edits, as from `--set`.
    ///
    /// # Errors
    /// All faults of the scenario that comes of it.
    pub fn with(&self, edits: &[String]) -> Result<Self, ScenarioError> {
        let plain = Self { expect: Vec::new(), ..self.clone() };
        let overrides = Overrides { catalog: self.catalog.clone(), set: edits.to_vec(), ..Overrides::default() };
        Self::parse(&self.name, &plain.to_toml(), None, &overrides)
    }
}
