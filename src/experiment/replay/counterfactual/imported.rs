//! Other programs' runs as a scenario: what no source tells of is told apart by rule, and said.
//!
//! Replayed: each step's completion tokens, seconds, tool time and growth of context. Modelled: every call that
//! coordinates (plans, briefs, reports, gists, verdicts, merges, answers), with lengths of the recorded ones where there
//! are some and a latency law fitted to all recorded calls.
//!
//! Invariant: every assumption is a sentence of the result and a key of the scenario.

use super::lengths::lengths;
use super::models::Models;
use super::runs::{RecordedRuns, Run};
use super::work::{Dependencies, Found, Lost, Reading, instance, instructions_tokens};
use super::{Counterfactual, Recorded, Topology, told_of_parts, what_if};
use crate::experiment::replay::{NO_TIMES, ReplayError};
use crate::experiment::scenario::{Scenario, SourceKind, SourceNote};
use crate::model::call::{Answer, Purpose};
use crate::model::endpoint::EndpointSpec;
use crate::model::workload::RecordedSpec;
use crate::model::workload::recorded::{PromptLaw, RecordedInstance};

/// Policies that a recording is compared under.
const POLICIES: [&str; 6] =
    ["single", "map-reduce", "orchestrator-sequential", "orchestrator-parallel", "orchestrator-async", "delm-queue"];
/// Endpoint of calls that code answers.
const CODE: &str = "code";

/// Reads other programs' runs as work under other topologies.
///
/// # Errors
/// A recording without a step has no work.
pub(super) fn imported(recorded: &RecordedRuns, reading: &Reading) -> Result<Counterfactual, ReplayError> {
    let RecordedRuns { path, header, runs, .. } = recorded;
    let unusable = |problem: &str| ReplayError::Unusable { path: path.clone(), problem: problem.to_owned() };
    let models = Models::of(recorded, reading).map_err(|why| unusable(&why))?;
    let mut found = Found { instructions_tokens: instructions_tokens(runs), ..Found::default() };
    let mut instances = Vec::new();
    let mut without = 0;
    let mut as_recorded = Recorded::default();
    // The recording at the same prices, of the same tasks as its other means.
    let mut priced_usd = Some(0.0);
    for run in runs {
        for task in 0..run.tasks {
            let made = instance(run, task, reading, found.instructions_tokens, &mut found);
            if made.subtasks.is_empty() {
                without += 1;
                continue;
            }
            instances.push(made);
            let calls = run.calls.iter().filter(|c| c.task == task);
            as_recorded.add(calls.clone());
            let of_models = calls.filter(|c| c.purpose != Purpose::Tool);
            let usd = of_models.map(|c| models.usd(c)).sum::<Option<f64>>();
            priced_usd = priced_usd.zip(usd).map(|(sum, usd)| sum + usd);
        }
    }
    if let Some(tokens) = found.result_tokens() {
        read_as(&mut instances, tokens);
    }
    if instances.is_empty() {
        return Err(unusable("no call is a worker's step, so there is no work to hand out otherwise"));
    }
    if as_recorded.makespan_s == 0.0 {
        return Err(unusable(NO_TIMES));
    }
    let subtasks: Vec<usize> = instances.iter().map(|i| i.subtasks.len()).collect();
    let replications = instances.len() as u32;
    // A lead's instructions are not a worker's.
    let prompts = found
        .coordination_prompt
        .map(|tokens| PromptLaw { instructions_tokens: tokens as f64, tokens_per_estimate: 1.0 });
    let spec = RecordedSpec { instances, prompts, ..RecordedSpec::default() };
    let mut scenario = what_if(path, spec, replications);
    scenario.policies = POLICIES.iter().map(ToString::to_string).collect();
    scenario.agents = vec![1, 2, 4, 8];
    settings(&mut scenario, &found);
    let lengths = lengths(&mut scenario, &found, reading);
    let mut assumptions = models.told;
    if let Some(usd) = priced_usd.filter(|_| as_recorded.unpriced_calls > 0.0) {
        (as_recorded.known_usd, as_recorded.unpriced_calls) = (usd, 0.0);
        assumptions.push(
            "What was recorded is priced by the same rule: its source tells no dollars of some calls.".to_owned(),
        );
    }
    scenario.endpoints.extend(models.endpoints);
    scenario.roles.extend(models.roles);
    "not graded: the recording does not say what is right".clone_into(&mut scenario.mix.accuracy);
    "steps: as recorded; other calls: a law fitted to all recorded calls".clone_into(&mut scenario.mix.latencies);
    "steps: as recorded; other calls: recorded means or defaults".clone_into(&mut scenario.mix.tokens);
    scenario.mix.prices = models.prices;
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
    Ok(Counterfactual {
        scenario,
        assumptions,
        recorded: as_recorded.mean(),
        topology,
        recorded_agents,
        is_own: false,
        drawn: None,
    })
}

/// Results are as long as their readers read them.
fn read_as(instances: &mut [RecordedInstance], tokens: u32) {
    for call in instances.iter_mut().flat_map(|instance| &mut instance.calls) {
        if let Some(Answer::Step { result: Some(result), .. }) = &mut call.answer {
            result.tokens = tokens;
        }
    }
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

fn sources(scenario: &mut Scenario) {
    let note = |kind, cite: &str| SourceNote { kind, cite: cite.to_owned(), prior: String::new() };
    let fitted =
        [("endpoints.model", "fitted to the recorded calls"), ("sizes", "means of recorded calls, or defaults")];
    for (path, cite) in fitted {
        scenario.sources.insert(path.to_owned(), note(SourceKind::Fitted, cite));
    }
}

fn told(reading: &Reading, found: &Found, subtasks: &[usize], without: u32) -> Vec<String> {
    let mean = subtasks.iter().sum::<usize>() as f64 / subtasks.len() as f64;
    let waits = match reading.dependencies {
        Dependencies::Recorded => {
            "as the recorded calls released each other (coordination left out; what a lead hands out after a report, as \
             its plan)"
        }
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
            "Every worker's instructions are as long as the smallest recorded prompt of a step, or what one had in the cache if that is \
             less ({} tokens); of what a \
             delegation's first prompt held beyond them and beyond what earlier gists told it (a lead's brief included), a share of \
             {} must be read again (--own-context).",
            found.instructions_tokens, reading.own_context
        ),
        format!(
            "The {} recorded calls that coordinate are left out ({} tool runs too: their time is the gap between two \
             steps); each topology makes its own. A judge accepts a supported entry with \
             probability sharing.true_positive_rate, and recorded results count as supported.",
            found.coordination_calls, found.tool_runs
        ),
        "Nothing is graded: whether another topology would have found the same is not known. The work is taken for subtasks \
         that all have to be done; where agents make attempts at one solution, another topology makes more or fewer of them, \
         which no log tells: there only the row of what was run means something (results/counterfactual-null)."
            .to_owned(),
    ];
    told.push(told_of_lost(&found.lost));
    if let Some(tokens) = found.result_tokens() {
        told.push(format!(
            "A result has {tokens} tokens: by so many the prompts of those who read them grew for each."
        ));
    }
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
    if found.gaps_between.0 > 0 {
        told.push(format!(
            "Between delegations the recording has {} gaps of {:.0} s in all (tools, people, a client's own time), beside its \
             calls: no topology here has them, so that the model is short of the recorded makespan by up to as much.",
            found.gaps_between.0, found.gaps_between.1
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
