//! Other programs' runs as a scenario: what no source tells of is told apart by rule, and said.
//!
//! Replayed: each step's completion tokens, seconds, tool time and growth of context. Modelled: every call that
//! coordinates (plans, briefs, reports, gists, verdicts, merges, answers), with lengths of the recorded ones where there
//! are some and a latency law fitted to all recorded calls.
//!
//! Invariant: every assumption is a sentence of the result and a key of the scenario.

use super::price::price;
use super::runs::{RecordedRuns, Run, is_answered};
use super::work::{Dependencies, Found, Lost, Reading, instance, instructions_tokens};
use super::{Counterfactual, Recorded, Topology, told_of_parts, what_if};
use crate::experiment::calibration::fit::LEAST_ROWS;
use crate::experiment::calibration::{LoggedRequest, fit};
use crate::experiment::replay::{NO_TIMES, ReplayError};
use crate::experiment::scenario::{Scenario, SourceKind, SourceNote};
use crate::kernel::{Law, Span};
use crate::model::call::Purpose;
use crate::model::endpoint::EndpointSpec;
use crate::model::price::PriceList;
use crate::model::workload::RecordedSpec;

/// Policies that a recording is compared under.
const POLICIES: [&str; 6] =
    ["single", "map-reduce", "orchestrator-sequential", "orchestrator-parallel", "orchestrator-async", "delm-queue"];
/// Endpoint of calls that code answers.
const CODE: &str = "code";
/// Resamples that give the fitted law's intervals; none are reported here.
const RESAMPLES: usize = 0;

/// Reads other programs' runs as work under other topologies.
///
/// # Errors
/// A recording without a step has no work.
pub(super) fn imported(recorded: &RecordedRuns, reading: &Reading) -> Result<Counterfactual, ReplayError> {
    let RecordedRuns { path, header, runs, .. } = recorded;
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
    if as_recorded.makespan_s == 0.0 {
        return Err(unusable(NO_TIMES));
    }
    let subtasks: Vec<usize> = instances.iter().map(|i| i.subtasks.len()).collect();
    let replications = instances.len() as u32;
    let spec = RecordedSpec { instances, ..RecordedSpec::default() };
    let mut scenario = what_if(path, spec, replications);
    scenario.policies = POLICIES.iter().map(ToString::to_string).collect();
    scenario.agents = vec![1, 2, 4, 8];
    settings(&mut scenario, &found);
    let lengths = sizes(&mut scenario, &found);
    let (endpoint, mut assumptions) = endpoint(recorded);
    let (prices, priced) = price(recorded, &reading.prices).map_err(|why| unusable(&why))?;
    // The recording at the same prices, where it does not tell its own.
    if as_recorded.unpriced_calls > 0.0 && prices.is_known() {
        let list = PriceList::new(&prices, 1.0);
        let calls = runs.iter().flat_map(|run| &run.calls).filter(|c| c.purpose != Purpose::Tool);
        as_recorded.known_usd = calls.map(|c| list.cost(&c.billed.into()).as_usd()).sum();
        as_recorded.unpriced_calls = 0.0;
        assumptions.push(
            "What was recorded is priced by the same rule: its source tells no dollars of some calls.".to_owned(),
        );
    }
    scenario.endpoints.insert("model".to_owned(), EndpointSpec { price: prices, ..endpoint });
    "not graded: the recording does not say what is right".clone_into(&mut scenario.mix.accuracy);
    "steps: as recorded; other calls: a law fitted to all recorded calls".clone_into(&mut scenario.mix.latencies);
    "steps: as recorded; other calls: recorded medians or defaults".clone_into(&mut scenario.mix.tokens);
    scenario.mix.prices = priced.source();
    assumptions.push(priced.told());
    sources(&mut scenario);
    assumptions.splice(0..0, std::iter::once(lengths).chain(told(reading, &found, &subtasks, without)));
    assumptions.extend(told_of_parts(recorded, runs.iter()));
    assumptions.extend(header.missing.iter().map(|m| format!("The source does not tell: {m}.")));
    free_of_charge(&mut scenario, &found, &mut assumptions);
    // A lead is an agent too.
    let one = |run: &Run| run.calls.windows(2).all(|pair| pair[0].agent == pair[1].agent);
    let alone = runs.iter().all(one);
    let topology = alone.then(|| Topology { policy: "single".to_owned(), agents: 1 });
    let recorded_agents = runs.iter().map(|run| run.agents).max().unwrap_or(1).max(1);
    as_recorded.cut_s = found.gaps_cut.1;
    Ok(Counterfactual { scenario, assumptions, recorded: as_recorded.mean(), topology, recorded_agents, is_own: false })
}

/// Nobody recorded a call that splits the work, asks for more of it or writes the answer: the split is known, and the last
/// step wrote the answer.
fn free_of_charge(scenario: &mut Scenario, found: &Found, assumptions: &mut Vec<String>) {
    let mut free = Vec::new();
    for purpose in [Purpose::Plan, Purpose::MoreSubtasks, Purpose::Finalize] {
        if !found.coordination.contains_key(&purpose) {
            scenario.roles.insert(purpose.name().to_owned(), CODE.to_owned());
            free.push(purpose.name());
        }
    }
    if !free.is_empty() {
        scenario.endpoints.insert(CODE.to_owned(), EndpointSpec { by_code: true, ..EndpointSpec::default() });
        assumptions.push(format!(
            "No recorded call is a {}: no topology pays for one (`--set roles.{}=model` has a model make it).",
            free.join(" or "),
            free[0]
        ));
    }
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

/// Lengths of coordination calls: recorded medians, of the purpose or else of all coordination; where the recording has
/// none, defaults. Says which.
fn sizes(scenario: &mut Scenario, found: &Found) -> String {
    let median = |mut values: Vec<u64>| {
        values.sort_unstable();
        values.get(values.len() / 2).copied()
    };
    let of = |purpose: Purpose| median(found.coordination.get(&purpose)?.clone());
    let any = median(found.coordination.values().flatten().copied().collect());
    let sizes = &mut scenario.sizes;
    let slots = [
        (Purpose::Plan, &mut sizes.plan_tokens),
        (Purpose::Merge, &mut sizes.merge_tokens),
        (Purpose::Verify, &mut sizes.verify_tokens),
        (Purpose::MoreSubtasks, &mut sizes.more_tokens),
        (Purpose::Finalize, &mut sizes.finalize_tokens),
    ];
    for (purpose, slot) in slots {
        // A verdict is no message of a lead, an answer no coordination.
        let near = any.filter(|_| !matches!(purpose, Purpose::Verify | Purpose::Finalize));
        if let Some(tokens) = of(purpose).or(near) {
            *slot = Law::Constant(tokens as f64);
        }
    }
    let products = [
        ("brief_tokens", of(Purpose::Dispatch).or(any)),
        ("report_tokens", of(Purpose::Report)),
        ("gist_tokens", of(Purpose::Gist)),
    ];
    let mut assumed = Vec::new();
    for (key, tokens) in products {
        match tokens {
            Some(tokens) => {
                scenario.all_policies.insert(key.to_owned(), toml::Value::Integer(tokens.max(1).cast_signed()));
            }
            None => assumed.push(key),
        }
    }
    match (any, assumed.is_empty()) {
        (None, _) => "No recorded call coordinates: briefs, reports, gists and merges have the lengths that the policies' \
                      authors published or we assume (`params`), and a topology that makes more of them is dearer or cheaper \
                      with them: vary all_policies.brief_tokens and report_tokens."
            .to_owned(),
        (Some(tokens), false) => format!(
            "Messages of a lead are as long as the recorded calls that coordinate (median {tokens} tokens); {} as the \
             policies' authors published or we assume: vary them.",
            assumed.join(", ")
        ),
        (Some(tokens), true) => {
            format!("Messages are as long as the recorded calls that coordinate (median {tokens} tokens).")
        }
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
        let mut endpoint = fit(&requests, RESAMPLES, 0).endpoint;
        endpoint.cache.enabled = requests.iter().any(|request| request.cached > 0);
        if !endpoint.cache.enabled {
            told.push("No recorded call tells of tokens from a cache: no topology has one.".to_owned());
        }
        endpoint
    };
    (endpoint, told)
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
