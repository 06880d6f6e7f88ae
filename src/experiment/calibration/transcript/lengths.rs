//! Lengths of prompts and completions, and numbers of subtasks and steps, as they were measured.
//!
//! A policy counts text it has not seen by an estimate; the server counts tokens. `prompt = instructions + ratio x
//! (estimated rest)` by least squares turns the policies' estimates into the server's tokens.

use super::super::residuals::table;
use crate::experiment::scenario::Scenario;
use crate::kernel::Law;
use crate::model::call::{Answer, Content, Purpose, SpanRole, SubtaskList};
use crate::model::workload::WorkloadSpec;
use crate::record::transcript::{CallLine, Recording, Status};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Points of a table of lengths.
const POINTS: usize = 21;

/// What was measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lengths {
    /// Tokens of the server per estimated token.
    pub ratio: f64,
    /// Tokens of instructions and chat form.
    pub instructions: f64,
    /// Completion tokens by purpose.
    completions: BTreeMap<Purpose, Vec<f64>>,
    /// Estimated tokens of what coordination calls wrote, by purpose.
    products: BTreeMap<Purpose, Vec<f64>>,
    /// Estimated tokens of results that were asked for without a length.
    results: Vec<f64>,
    /// Estimated tokens of results and reports that were asked for in a length, by policy.
    reports: BTreeMap<String, Vec<f64>>,
    /// Estimated tokens of sources.
    sources: Vec<f64>,
    /// Tokens put before an agent by unfolding.
    unfolded: Vec<f64>,
    /// Steps of a subtask.
    steps: Vec<f64>,
    /// Subtasks of a plan that wait for none, those that wait for others, and for how many each of these waits.
    first_wave: Vec<f64>,
    second_wave: Vec<f64>,
    fan_in: Vec<f64>,
    /// Subtasks asked for later, per task.
    more: Vec<f64>,
}

impl Lengths {
    /// Measures the runs.
    pub fn of(runs: &[Recording]) -> Self {
        let mut lengths = Self::default();
        let calls = || runs.iter().flat_map(|r| &r.calls).map(|(_, c)| c).filter(|c| c.status == Status::Ok);
        (lengths.instructions, lengths.ratio) =
            line(calls().filter(|c| c.usage.prompt_tokens > 0 && !c.usage.estimated).map(|c| (rest(c), prompt(c))));
        for run in runs {
            lengths.written(run);
        }
        for call in calls() {
            if call.usage.prompt_tokens > 0 {
                lengths.completions.entry(call.purpose).or_default().push(call.usage.completion_tokens as f64);
            }
            let Some(answer) = call.response.as_ref().and_then(|r| r.answer.as_ref()) else { continue };
            match answer {
                Answer::Unfolded { tokens } => lengths.unfolded.push(f64::from(*tokens)),
                Answer::Step { result: Some(_), .. } => lengths.steps.push(f64::from(call.about.step) + 1.0),
                Answer::Subtasks(list) if call.purpose == Purpose::Plan => {
                    lengths.waves(list);
                    lengths.sources.extend(list.source_tokens.iter().map(|t| f64::from(*t)));
                }
                Answer::Subtasks(list) => lengths.more.push(f64::from(list.count)),
                _ => {}
            }
        }
        lengths
    }

    /// The two waves of a plan.
    fn waves(&mut self, list: &SubtaskList) {
        let waiting: BTreeSet<u32> = list.dependencies.iter().map(|(of, _)| of.0).collect();
        self.first_wave.push(f64::from(list.count) - waiting.len() as f64);
        self.second_wave.push(waiting.len() as f64);
        if !waiting.is_empty() {
            self.fan_in.push(list.dependencies.len() as f64 / waiting.len() as f64);
        }
    }

    /// Products of a run's calls. A delegate's report is its last word; without one, that is its last step's result.
    fn written(&mut self, run: &Recording) {
        let policy = run.run.policy.clone().unwrap_or_default();
        let ok = run.calls.iter().map(|(_, c)| c).filter(|c| c.status == Status::Ok);
        for call in ok {
            let answer = call.response.as_ref().and_then(|r| r.answer.as_ref());
            for finding in answer.into_iter().flat_map(Answer::findings) {
                let tokens = f64::from(finding.tokens);
                match call.purpose {
                    Purpose::Step if call.request.product_tokens == 0 => self.results.push(tokens),
                    Purpose::Step | Purpose::Report => self.reports.entry(policy.clone()).or_default().push(tokens),
                    purpose => self.products.entry(purpose).or_default().push(tokens),
                }
            }
        }
    }

    /// Puts the measurements into a scenario.
    pub(super) fn apply(&self, scenario: &mut Scenario, told: &mut Vec<String>) {
        let ratio = self.ratio;
        let scaled = |values: &[f64]| law(&values.iter().map(|v| v * ratio).collect::<Vec<_>>());
        for (purpose, values) in &self.completions {
            if *purpose != Purpose::Step {
                scenario.sizes.by_purpose.insert(*purpose, law(values));
            }
        }
        let base = scenario.catalog.entry("single").expect("a named policy").draft();
        let estimated = |scenario: &Scenario, key: &str, default: u32| {
            scenario.all_policies.get(key).and_then(toml::Value::as_integer).map_or(f64::from(default), |n| n as f64)
        };
        let mean = |purpose: Purpose| self.products.get(&purpose).map(|v| average(v) * ratio);
        let task = estimated(scenario, "task_tokens", base.task_tokens) * ratio;
        let delegation = estimated(scenario, "delegation_tokens", base.delegation_tokens) * ratio;
        let settings = [
            ("instructions_tokens", Some(self.instructions)),
            ("task_tokens", Some(task)),
            ("delegation_tokens", Some(delegation)),
            ("gist_tokens", mean(Purpose::Gist)),
            ("brief_tokens", mean(Purpose::Dispatch)),
        ];
        let whole = |value: f64| toml::Value::Integer(libm::round(value).max(0.0) as i64);
        for (key, value) in settings {
            if let Some(value) = value {
                scenario.all_policies.insert(key.to_owned(), whole(value));
            }
        }
        scenario.drop_unread();
        for (policy, tokens) in self.reports.iter().filter(|(policy, _)| scenario.policies.contains(policy)) {
            let own = scenario.policy.entry(policy.clone()).or_default();
            own.insert("report_tokens".to_owned(), whole(average(tokens) * ratio));
        }
        if let WorkloadSpec::Divide(spec) = &mut scenario.workload {
            let spec = Arc::make_mut(spec);
            spec.subtasks = Law::Constant(libm::round(average(&self.first_wave)).max(1.0));
            spec.second_wave = Law::Constant(libm::round(average(&self.second_wave)));
            spec.fan_in = libm::round(average(&self.fan_in)) as u32;
            spec.dependencies.clear();
            spec.subtask_sigma = 0.0;
            spec.tool_share = 0.0;
            spec.source_tokens = scaled(&self.sources);
            if let Some(values) = self.completions.get(&Purpose::Step) {
                spec.completion_tokens = law(values);
            }
            if !self.results.is_empty() {
                spec.result_tokens = scaled(&self.results);
            }
            if !self.unfolded.is_empty() {
                spec.unfolded_tokens = scaled(&self.unfolded);
            }
            if !self.steps.is_empty() {
                spec.steps_per_subtask = Law::Constant(average(&self.steps));
                if self.steps.iter().any(|s| *s != self.steps[0]) {
                    spec.steps_per_subtask = law(&self.steps);
                }
            }
        }
        let more = average(&self.more);
        if more == 0.0 && !self.more.is_empty() {
            scenario.sharing.notice = 0.0;
            told.push(format!("Nobody who was asked for more subtasks ({} times) named one.", self.more.len()));
        } else if more > 0.0 {
            told.push(format!(
                "Runs asked for {more:.2} more subtasks per question whether more is needed; the simulation asks for those \
                 that it knows to be missing."
            ));
        }
        told.push(format!(
            "A prompt has {:.0} tokens of instructions and {ratio:.3} tokens per token that a policy estimates.",
            self.instructions
        ));
    }
}

fn prompt(call: &CallLine) -> f64 {
    call.usage.prompt_tokens as f64
}

/// Estimated tokens of a prompt besides its instructions.
fn rest(call: &CallLine) -> f64 {
    let spans = call.request.layout.iter();
    let rest = spans.filter(|s| s.role != SpanRole::Instructions && !matches!(s.content, Content::Instructions(_)));
    rest.map(|s| f64::from(s.tokens)).sum()
}

/// Intercept and slope by least squares; an intercept below zero is taken as zero.
fn line(points: impl Iterator<Item = (f64, f64)>) -> (f64, f64) {
    let points: Vec<(f64, f64)> = points.collect();
    let n = points.len() as f64;
    if points.is_empty() {
        return (0.0, 1.0);
    }
    let (mx, my) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let sxx: f64 = points.iter().map(|p| (p.0 - mx) * (p.0 - mx)).sum();
    let sxy: f64 = points.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum();
    let slope = if sxx > 0.0 { (sxy / sxx).max(0.0) } else { 1.0 };
    let intercept = my - slope * mx;
    if intercept >= 0.0 { (intercept, slope) } else { (0.0, if mx > 0.0 { my / mx } else { 1.0 }) }
}

fn average(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// A constant where all agree, else a table of quantiles.
fn law(values: &[f64]) -> Law {
    let Some(first) = values.first() else { return Law::Constant(0.0) };
    if values.iter().all(|v| v == first) {
        return Law::Constant(*first);
    }
    Law::Table { quantiles: table(&mut values.to_vec(), POINTS) }
}
