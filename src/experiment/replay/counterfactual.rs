//! Counterfactual replay: recorded runs become a scenario that compares topologies on the recorded work.
//!
//! Replayed: each step's completion tokens, seconds, tool time and growth of context. Modelled: every call that
//! coordinates (plans, briefs, reports, gists, verdicts, merges, answers), with lengths of the recorded ones where there
//! are some and a latency law fitted to all recorded calls.
//!
//! Invariant: every assumption is a sentence of the result and a key of the scenario.

use super::work::{Call, Dependencies, Found, Lost, Reading, Run, instance, instructions_tokens, of_recordings};
use super::{ReplayError, next_counted_run, told_of_unfinished, unfinished};
use crate::experiment::calibration::fit::LEAST_ROWS;
use crate::experiment::calibration::{LoggedRequest, PRICE_SOURCE, fit, list_price};
use crate::experiment::faults::ScenarioError;
use crate::experiment::load::Overrides;
use crate::experiment::reading;
use crate::experiment::scenario::{Scenario, SourceKind, SourceNote};
use crate::experiment::validate::validate;
use crate::kernel::{Law, Span};
use crate::model::call::Purpose;
use crate::model::endpoint::EndpointSpec;
use crate::model::price::PriceSpec;
use crate::model::workload::{RecordedSpec, WorkloadSpec};
use crate::record::transcript::{Header, Reader, Recordings, Status};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
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
}

/// The recorded tasks themselves, means over those that have work.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recorded {
    /// Tasks.
    pub tasks: u32,
    /// From the first call that was asked for to the last completion.
    pub makespan_s: f64,
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
            prompt_tokens: self.prompt_tokens / n,
            completion_tokens: self.completion_tokens / n,
            calls: self.calls / n,
            lost_calls: self.lost_calls / n,
            lost_tokens: self.lost_tokens / n,
        }
    }
}

/// Policies that a recording is compared under.
const POLICIES: [&str; 6] =
    ["single", "map-reduce", "orchestrator-sequential", "orchestrator-parallel", "orchestrator-async", "delm-queue"];
/// Resamples that give the fitted law's intervals; none are reported here.
const RESAMPLES: usize = 0;

/// Recorded runs, ready to be read as work in several ways. Memory is what is kept of each call, not its text.
pub struct RecordedRuns {
    path: PathBuf,
    header: Header,
    runs: Vec<Run>,
    /// Answered calls by the model that was asked.
    models: BTreeMap<String, u64>,
    truncated: Option<String>,
}

impl RecordedRuns {
    /// Reads a transcript, once, one run at a time.
    ///
    /// # Errors
    /// As the reader says.
    pub fn read(path: &Path) -> Result<Self, ReplayError> {
        let mut recordings = Recordings::new(Reader::open(path)?);
        let mut runs = Vec::new();
        let mut models: BTreeMap<String, u64> = BTreeMap::new();
        while let Some(recording) = next_counted_run(&mut recordings, path)? {
            let unfinished = unfinished(&recording);
            runs.push(Run::of(recording, unfinished, |call| {
                if let Some(model) = call.request.model.as_ref().filter(|_| is_answered(call.status, call.purpose)) {
                    match models.get_mut(model) {
                        Some(n) => *n += 1,
                        None => drop(models.insert(model.clone(), 1)),
                    }
                }
            }));
        }
        let reader = recordings.reader();
        let (header, truncated) = (reader.header().clone(), reader.truncated().map(str::to_owned));
        Ok(Self { path: path.to_owned(), header, runs, models, truncated })
    }
}

/// Whether a call of a model brought an answer.
fn is_answered(status: Status, purpose: Purpose) -> bool {
    status == Status::Ok && purpose != Purpose::Tool
}

/// Reads recorded runs as work under other topologies.
///
/// # Errors
/// A recording without a step has no work.
pub fn counterfactual(recorded: &RecordedRuns, reading: &Reading) -> Result<Counterfactual, ReplayError> {
    let RecordedRuns { path, header, runs, truncated, .. } = recorded;
    let unusable = |problem: &str| ReplayError::Unusable { path: path.clone(), problem: problem.to_owned() };
    let mut found = Found { instructions_tokens: instructions_tokens(runs), ..Found::default() };
    let mut instances = Vec::new();
    let mut without = 0;
    let mut as_recorded = Recorded::default();
    for run in runs {
        for task in 0..run.tasks {
            let made = instance(run, task, reading, found.instructions_tokens, &mut found);
            if made.subtasks.is_empty() {
                without += 1;
                continue;
            }
            instances.push(made);
            as_recorded.add(run.calls.iter().filter(|c| c.task == task));
        }
    }
    if instances.is_empty() {
        return Err(unusable("no call is a worker's step, so there is no work to hand out otherwise"));
    }
    let subtasks: Vec<usize> = instances.iter().map(|i| i.subtasks.len()).collect();
    let replications = instances.len() as u32;
    let spec = RecordedSpec { instances, unfolded_tokens: 400 };
    let mut scenario = of_recordings(path, spec, replications);
    scenario.name.push_str("-counterfactual");
    "What would the recorded work have taken under other topologies?".clone_into(&mut scenario.question);
    scenario.policies = POLICIES.iter().map(ToString::to_string).collect();
    scenario.agents = vec![1, 2, 4, 8];
    "best-central".clone_into(&mut scenario.baseline);
    settings(&mut scenario, &found);
    sizes(&mut scenario, &found);
    let (endpoint, mut assumptions) = endpoint(recorded);
    let (prices, priced) = prices(recorded);
    scenario.endpoints.insert("model".to_owned(), EndpointSpec { price: prices, ..endpoint });
    "not graded: the recording does not say what is right".clone_into(&mut scenario.mix.accuracy);
    "steps: as recorded; other calls: a law fitted to all recorded calls".clone_into(&mut scenario.mix.latencies);
    "steps: as recorded; other calls: recorded medians or defaults".clone_into(&mut scenario.mix.tokens);
    scenario.mix.prices = priced.source();
    assumptions.push(priced.told());
    sources(&mut scenario);
    assumptions.splice(0..0, told(reading, &found, &subtasks, without));
    assumptions.extend(truncated.iter().map(|how| format!("{how}; what was whole is replayed.")));
    let parts: Vec<_> = runs.iter().map(|run| run.unfinished).collect();
    assumptions.extend(told_of_unfinished(&parts).into_iter().map(|told| format!("Not whole: {told}.")));
    assumptions.extend(header.missing.iter().map(|m| format!("The source does not tell: {m}.")));
    Ok(Counterfactual { scenario, assumptions, recorded: as_recorded.mean() })
}

fn settings(scenario: &mut Scenario, found: &Found) {
    let numbers = [
        ("instructions_tokens", found.instructions_tokens),
        ("task_tokens", 0),
        ("delegation_tokens", 0),
        // Recorded delegations end where they ended.
        ("max_steps", 1_000_000),
        // Nobody recorded that more was asked for.
        ("more_rounds", 1),
    ];
    for (key, value) in numbers {
        scenario.all_policies.insert(key.to_owned(), toml::Value::Integer(i64::from(value)));
    }
}

/// Lengths of coordination calls: recorded medians where there are some.
fn sizes(scenario: &mut Scenario, found: &Found) {
    let median = |purpose: Purpose| {
        let mut values = found.coordination.get(&purpose)?.clone();
        values.sort_unstable();
        values.get(values.len() / 2).map(|v| Law::Constant(*v as f64))
    };
    let sizes = &mut scenario.sizes;
    let slots = [
        (Purpose::Plan, &mut sizes.plan_tokens),
        (Purpose::Merge, &mut sizes.merge_tokens),
        (Purpose::Verify, &mut sizes.verify_tokens),
        (Purpose::MoreSubtasks, &mut sizes.more_tokens),
        (Purpose::Finalize, &mut sizes.finalize_tokens),
    ];
    for (purpose, slot) in slots {
        if let Some(law) = median(purpose) {
            *slot = law;
        }
    }
}

/// Where the prices of a counterfactual are from.
enum Priced {
    /// What the recording's own scenario charges for a worker's step.
    Recorded,
    /// The list price of the commonest model.
    Listed(String),
    /// Nobody tells the price of this model, if the source names one.
    Unknown(Option<String>),
}

impl Priced {
    fn source(&self) -> String {
        match self {
            Self::Recorded => "the recording's own scenario".to_owned(),
            Self::Listed(_) => PRICE_SOURCE.to_owned(),
            Self::Unknown(_) => "nobody: unknown".to_owned(),
        }
    }

    fn told(&self) -> String {
        match self {
            Self::Recorded => {
                "All calls are priced as the recording's own scenario prices the steps of workers.".to_owned()
            }
            Self::Listed(model) => format!("All calls are priced as {model} ({PRICE_SOURCE})."),
            Self::Unknown(model) => format!(
                "No list price is known for {}: costs are unknown and left out; set endpoints.model.price.rates.*.",
                model.as_deref().unwrap_or("the recorded model, which the source does not name")
            ),
        }
    }
}

fn prices(recorded: &RecordedRuns) -> (PriceSpec, Priced) {
    if let Some(price) = recorded_price(&recorded.header) {
        return (price, Priced::Recorded);
    }
    let commonest = recorded.models.iter().max_by_key(|(name, n)| (**n, std::cmp::Reverse(*name)));
    let commonest = commonest.map(|(name, _)| name.clone());
    match commonest.as_deref().and_then(list_price) {
        Some(listed) => (listed.price, Priced::Listed(commonest.unwrap_or_default())),
        None => (PriceSpec { unknown: true, ..PriceSpec::default() }, Priced::Unknown(commonest)),
    }
}

/// The law of modelled calls, fitted to all recorded calls.
fn endpoint(recorded: &RecordedRuns) -> (EndpointSpec, Vec<String>) {
    let mut told = Vec::new();
    let mut requests = Vec::new();
    for (trace, run) in recorded.runs.iter().enumerate() {
        for call in run.calls.iter().filter(|c| is_answered(c.status, c.purpose)) {
            let (Some(from), Some(until)) = (call.dispatched_ns, call.completed_ns) else { continue };
            if until <= from {
                continue;
            }
            requests.push(LoggedRequest {
                trace: trace as u32,
                agent: trace as u32,
                model: 0,
                step: 0,
                uncached: call.usage.prompt_tokens.saturating_sub(call.usage.cached_tokens),
                cached: call.usage.cached_tokens,
                completion: call.usage.completion_tokens,
                latency_s: Span::from_nanos(until - from).as_secs_f64(),
                first_token_s: None,
                held_out: false,
            });
        }
    }
    let endpoint = if requests.is_empty() {
        told.push("No recorded call has a duration: modelled calls take no time.".to_owned());
        EndpointSpec::default()
    } else {
        let few = if requests.len() < LEAST_ROWS { ", which is few" } else { "" };
        told.push(format!(
            "Calls that coordinate take as long as a law says that was fitted to {} recorded calls{few} (seconds per \
             call, per completion token, per uncached and cached prompt token).",
            requests.len()
        ));
        fit(&requests, RESAMPLES, 0).endpoint
    };
    (endpoint, told)
}

/// What the recording's own scenario charges for a worker's step, where the recording has a scenario.
fn recorded_price(header: &Header) -> Option<PriceSpec> {
    let scenario = header.scenario.as_ref()?;
    let roles = scenario.get("roles")?;
    let name = roles.get(Purpose::Step.name()).or_else(|| roles.get("default"))?.as_str()?;
    let price = scenario.get("endpoints")?.get(name)?.get("price")?;
    reading::read_json(price).ok()
}

fn sources(scenario: &mut Scenario) {
    let note = |kind, cite: &str| SourceNote { kind, cite: cite.to_owned(), prior: String::new() };
    let fitted =
        [("endpoints.model", "fitted to the recorded calls"), ("sizes", "medians of recorded calls, or defaults")];
    for (path, cite) in fitted {
        scenario.sources.insert(path.to_owned(), note(SourceKind::Fitted, cite));
    }
}

fn told(reading: &Reading, found: &Found, subtasks: &[usize], without: u32) -> Vec<String> {
    let mean = subtasks.iter().sum::<usize>() as f64 / subtasks.len() as f64;
    let waits = match reading.dependencies {
        Dependencies::Recorded => "as the recorded calls released each other (coordination left out)",
        Dependencies::SameAgent => "for the same agent's one before only",
        Dependencies::None => "for no other",
    };
    let mut told = vec![
        format!(
            "A delegation is a run of steps by one agent on one subtask: {} tasks with {mean:.1} delegations on average, \
             {} steps in all. Each delegation waits {waits}. The recording cannot tell what could have run at once: \
             compare --dependencies recorded, same-agent and none.",
            subtasks.len(),
            found.steps
        ),
        "A step has its recorded completion tokens, seconds, tool time and growth of context under every topology, \
         whatever its prompt holds there."
            .to_owned(),
        format!(
            "Every worker's instructions are as long as the smallest recorded prompt of a step ({} tokens); of what a \
             delegation's first prompt held beyond them, a share of {} must be read again (--own-context).",
            found.instructions_tokens, reading.own_context
        ),
        format!(
            "The {} recorded calls that coordinate are left out ({} tool runs too: their time is the gap between two \
             steps); each topology makes its own. Gists have 100 tokens, a judge accepts a supported entry with \
             probability sharing.true_positive_rate, and recorded results count as supported.",
            found.coordination_calls, found.tool_runs
        ),
        "Nothing is graded: whether another topology would have found the same is not known.".to_owned(),
    ];
    told.push(told_of_lost(&found.lost));
    if found.retries > 0 {
        told.push(format!(
            "{} tries of answered steps were repeated: their time is in the step's seconds, their tokens are left out.",
            found.retries
        ));
    }
    if found.gaps_cut.0 > 0 {
        told.push(format!(
            "{} gaps between steps were cut to {} s ({:.0} s fell away): longer ones hold people. The recorded makespan \
             still has them, no topology here does.",
            found.gaps_cut.0, reading.longest_gap_s, found.gaps_cut.1
        ));
    }
    if without > 0 {
        told.push(format!(
            "{without} recorded tasks have no answered step and were left out, also of the means as recorded."
        ));
    }
    told
}

fn told_of_lost(lost: &Lost) -> String {
    if lost.calls() == 0 {
        return "Every recorded step was answered: no lost work had to be left out.".to_owned();
    }
    format!(
        "{} failed, {} cancelled and {} unfinished steps count as lost work, not as steps: no topology repeats them. The \
         recording paid {} tokens and {:.0} s of calls for them, which no topology here does; inside a delegation the \
         time up to the next answered step stays, as a gap.",
        lost.failed, lost.cancelled, lost.open, lost.tokens, lost.seconds
    )
}

impl Counterfactual {
    /// The scenario with changes from the command line. The work itself is neither written as text nor copied for it.
    ///
    /// # Errors
    /// As for [`Scenario::load`].
    pub fn changed(&self, name: &str, overrides: &Overrides) -> Result<Scenario, ScenarioError> {
        let WorkloadSpec::Recorded(whole) = &self.scenario.workload else { unreachable!("made of recorded work") };
        let sample = RecordedSpec { instances: whole.instances[..1].to_vec(), unfolded_tokens: whole.unfolded_tokens };
        let few = Scenario { workload: WorkloadSpec::Recorded(Arc::new(sample.clone())), ..self.scenario.clone() };
        let text = toml::to_string(&few).expect("a scenario is plain values");
        let mut scenario = Scenario::parse(name, &text, None, overrides)?;
        if let WorkloadSpec::Recorded(spec) = &mut scenario.workload
            && spec.instances == sample.instances
        {
            let unfolded_tokens = spec.unfolded_tokens;
            spec.clone_from(whole);
            if unfolded_tokens != whole.unfolded_tokens {
                Arc::make_mut(spec).unfolded_tokens = unfolded_tokens;
            }
        }
        let faults = validate(&scenario);
        if faults.is_empty() { Ok(scenario) } else { Err(ScenarioError::Faulty(faults)) }
    }

    /// The scenario as TOML, to be changed and compared again.
    pub fn to_toml(&self) -> String {
        let head = format!("# {}\n", self.assumptions.join("\n# "));
        head + &toml::to_string(&self.scenario).expect("a scenario is plain values")
    }
}
