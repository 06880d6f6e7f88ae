//! This program's own runs as a scenario: the header says which settings, roles, prices and limits they had; each call
//! says what was asked about what, and what it brought. What nobody asked then is drawn afresh, from other random
//! streams: a simulated recording is read with no more than a real one tells.
//!
//! Invariant: the recorded topology meets the recording again, call for call.

use super::runs::{Call, RecordedRuns, Run};
use super::worlds::Drawn;
use super::{Counterfactual, Recorded, Topology, told_of_parts, what_if};
use crate::experiment::calibration::transcript::{Learned, alone_s, learn};
use crate::experiment::reading;
use crate::experiment::replay::ReplayError;
use crate::experiment::scenario::{Scenario, SourceKind, SourceNote};
use crate::model::call::{Answer, Purpose};
use crate::model::sharing::Sharing;
use crate::model::workload::WorkloadSpec;
use crate::model::workload::recorded::{
    Grades, PromptLaw, RecordedCall, RecordedForm, RecordedInstance, RecordedSpec, RecordedSubtask,
};
use crate::record::transcript::{Origin, Status};
use std::collections::{BTreeMap, BTreeSet};

/// Policies that a recording of subtasks is compared under.
const DIVIDE: [&str; 7] = [
    "single",
    "map-reduce",
    "orchestrator-sequential",
    "orchestrator-parallel",
    "orchestrator-async",
    "independent",
    "delm-queue",
];
/// Policies that a recording of attempts is compared under.
const SEARCH: [&str; 6] =
    ["single", "independent", "orchestrator-sequential", "orchestrator-parallel", "orchestrator-async", "delm-solvers"];
/// Sets the streams of what was not recorded apart from those of the recording.
const OTHER_STREAMS: u64 = 0x005e_ed0f_f5e7;

/// Reads runs of this program under another topology; `None` if they are another program's.
///
/// # Errors
/// A header whose scenario cannot be read; a recording without an answered step.
pub(super) fn own(recorded: &RecordedRuns, jobs: usize) -> Result<Option<Counterfactual>, ReplayError> {
    let Some(json) = &recorded.header.scenario else { return Ok(None) };
    let unusable = |problem: String| ReplayError::Unusable { path: recorded.path.clone(), problem };
    let Some((topology, mut runs, others)) = chosen(recorded) else { return Ok(None) };
    let (then, unknown): (Scenario, Vec<String>) = reading::read_json_of_any_version(json)
        .map_err(|e| unusable(format!("field `scenario.{}` of the header: {}", e.key, e.wrong)))?;
    let mut told = Vec::new();
    let measured = recorded.header.origin == Origin::Measured;
    let (base, prompts) = if measured {
        let learned = learn(&recorded.path, Some(&[topology.agents])).map_err(|e| {
            // The path is said once.
            let told = e.to_string();
            let path = format!("{}: ", recorded.path.display());
            unusable(told.strip_prefix(&path).unwrap_or(&told).to_owned())
        })?;
        told.extend(told_of_laws(&learned));
        let law = PromptLaw {
            instructions_tokens: learned.instructions_tokens,
            tokens_per_estimate: learned.tokens_per_estimate,
        };
        // Lengths are asked for as they were; what was written then is known call by call.
        let all_policies = then.all_policies.clone();
        (Scenario { all_policies, policy: then.policy.clone(), ..learned.scenario }, Some(law))
    } else {
        told.push(
            "The calls were simulated: laws of time, lengths that no call tells, prices and limits are those of the \
             recording's own scenario; what was not recorded is drawn afresh."
                .to_owned(),
        );
        (then.clone(), None)
    };
    let form = match then.workload {
        WorkloadSpec::Search(_) => RecordedForm::Search,
        WorkloadSpec::Divide(_) => RecordedForm::Divide,
        WorkloadSpec::Recorded(_) => {
            return Err(unusable("the runs are themselves a replay of recorded work".to_owned()));
        }
    };
    // Attempts of a simulation: the header states the law of all that was hidden. Steady states have no end to compare.
    let is_lawful = !measured && form == RecordedForm::Search && then.measure.is_none();
    let whole = runs.iter().filter(|run| run.unfinished.is_none()).count();
    let is_lawful = is_lawful && whole > 0;
    let parts = runs.len() - whole;
    if is_lawful {
        // A run that was stopped agrees with no whole one.
        runs.retain(|run| run.unfinished.is_none());
    }
    let slowdown = |endpoint: &str| base.endpoints.get(endpoint).map_or(0.0, |e| e.stream_slowdown);
    let mut instances = Vec::new();
    let mut as_recorded = Recorded::default();
    let mut without = 0;
    for run in &runs {
        let alone = alone(run, &slowdown);
        for task in 0..run.tasks {
            let made = instance(run, task, form, &alone);
            let steps = made.calls.iter().any(|c| c.purpose == Purpose::Step && c.answer.is_some());
            if !steps {
                without += 1;
                continue;
            }
            instances.push(made);
            as_recorded.add(run.calls.iter().filter(|c| c.task == task));
        }
    }
    if instances.is_empty() {
        return Err(unusable(
            "no call is a worker's answered step, so there is no work to hand out otherwise".to_owned(),
        ));
    }
    if without > 0 && base.tasks > 1 {
        return Err(unusable("a task has no answered step, and tasks of one run share their servers".to_owned()));
    }
    let mut besides = told_of_others(others, &unknown);
    told.extend(told_of_work(&topology, instances.len(), without));
    told.extend(told_of_form(form));
    let (accepted, verdicts) = acceptance(&runs, &then, &mut told);
    let (unfolded_tokens, raw_tokens) = lengths(&base);
    let result_tokens = raw_tokens.filter(|_| !measured);
    let spec = RecordedSpec {
        form,
        grades: if form == RecordedForm::Search { Grades::AsRecorded } else { Grades::Unknown },
        tasks: base.tasks,
        prompts,
        written_share: if measured { written_share(&runs) } else { BTreeMap::new() },
        unfolded_tokens,
        result_tokens,
        instances,
    };
    let replications = (spec.instances.len() as u32 / spec.tasks.max(1)).max(1);
    let mut scenario = what_if(&recorded.path, spec, replications);
    scenario.seed = then.seed ^ OTHER_STREAMS;
    scenario.tasks = base.tasks;
    scenario.endpoints = base.endpoints;
    scenario.roles = base.roles;
    scenario.worker_roles = base.worker_roles;
    scenario.protocol = base.protocol;
    scenario.sizes = base.sizes;
    scenario.policy = base.policy;
    scenario.all_policies = base.all_policies;
    scenario.sharing = Sharing { true_positive_rate: accepted, ..Sharing::default() };
    let usual: &[&str] = if form == RecordedForm::Search { &SEARCH } else { &DIVIDE };
    let usual = usual.iter().map(ToString::to_string).filter(|p| *p != topology.policy);
    let all = std::iter::once(topology.policy.clone()).chain(usual);
    scenario.policies = all.filter(|p| scenario.settings(p).is_ok()).collect();
    let sizes: BTreeSet<u32> = [1, 2, 4, 8].into_iter().chain([topology.agents]).collect();
    scenario.agents = sizes.into_iter().collect();
    // The runs tell whether anything was unfolded; a recording of another version may have known no such call.
    let unfolds = scenario.draft(&topology.policy).is_ok_and(|draft| draft.unfold);
    let unfolded = runs.iter().flat_map(|r| &r.calls).any(|c| c.purpose == Purpose::Unfold);
    if unfolds && !unfolded {
        let own = scenario.policy.entry(topology.policy.clone()).or_default();
        own.insert("unfold".to_owned(), toml::Value::Boolean(false));
        told.push(format!("No run of {} unfolded anything: policy.{0}.unfold is false here.", topology.policy));
    }
    scenario.drop_unread();
    let cite = if measured { "fitted to the recorded calls" } else { "the recording's own scenario" };
    sources(&mut scenario, cite, verdicts);
    "steps and calls that were recorded: as recorded; others: ".clone_into(&mut scenario.mix.latencies);
    scenario.mix.latencies.push_str(cite);
    scenario.mix.tokens.clone_from(&scenario.mix.latencies);
    scenario.mix.accuracy = match form {
        RecordedForm::Search => "of each line as recorded".to_owned(),
        RecordedForm::Divide => "not graded: another topology's answer was not recorded".to_owned(),
    };
    "the recording's own scenario".clone_into(&mut scenario.mix.prices);
    besides.extend(told_of_parts(recorded, runs.iter().copied()));
    let mut drawn = None;
    if is_lawful {
        let mut law = law(then, &scenario, &topology);
        let worlds = Drawn::of(&mut law, scenario, &topology, &runs, jobs)?;
        told = worlds.told(&topology);
        if parts > 0 {
            told.push(format!("{parts} runs that are not whole are left out."));
        }
        (scenario, drawn) = (law, Some(worlds));
    }
    told.extend(besides);
    Ok(Some(Counterfactual {
        scenario,
        assumptions: told,
        recorded: as_recorded.mean(),
        is_own: true,
        drawn,
        recorded_agents: topology.agents,
        topology: Some(topology),
    }))
}

/// The recording's own scenario, about to be asked what it says of other topologies.
fn law(then: Scenario, replayed: &Scenario, topology: &Topology) -> Scenario {
    let Scenario { name, question, seed, agents, baseline, .. } = replayed.clone();
    let mut law = Scenario {
        name,
        question,
        seed,
        agents,
        baseline,
        full_replications: None,
        expect: Vec::new(),
        watch_worker: None,
        live: None,
        ..then
    };
    // Its budgets are those of the law, so that lines may go on longer than those that were recorded.
    let usual = SEARCH.iter().chain(&["single-long"]).map(ToString::to_string).filter(|p| *p != topology.policy);
    let all: Vec<String> = std::iter::once(topology.policy.clone()).chain(usual).collect();
    law.policies = all.into_iter().filter(|p| law.settings(p).is_ok()).collect();
    law.drop_unread();
    law
}

/// The topology that is taken for what was run (that of the first run), its runs, and how many are of others.
fn chosen(recorded: &RecordedRuns) -> Option<(Topology, Vec<&Run>, usize)> {
    let of = |run: &Run| Some(Topology { policy: run.policy.clone()?, agents: run.agents });
    let topology = of(recorded.runs.first()?)?;
    let runs: Vec<&Run> = recorded.runs.iter().filter(|r| of(r).as_ref() == Some(&topology)).collect();
    let others = recorded.runs.len() - runs.len();
    Some((topology, runs, others))
}

/// Seconds that each answered call would have taken alone on its server, by its place in the run.
fn alone(run: &Run, slowdown: &impl Fn(&str) -> f64) -> Vec<f64> {
    let mut alone: Vec<f64> = run.calls.iter().map(Call::service_s).collect();
    let mut shared: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, call) in run.calls.iter().enumerate() {
        if let Some(own) = &call.own
            && call.dispatched_ns.is_some()
            && slowdown(&own.endpoint) > 0.0
        {
            shared.entry(&own.endpoint).or_default().push(i);
        }
    }
    for (endpoint, calls) in shared {
        let spans: Vec<(f64, f64)> = calls
            .iter()
            .map(|&i| {
                let from = super::runs::seconds(run.calls[i].dispatched_ns.unwrap_or(0));
                (from, from + alone[i])
            })
            .collect();
        for (i, work) in calls.into_iter().zip(alone_s(&spans, slowdown(endpoint))) {
            alone[i] = work;
        }
    }
    alone
}

/// What was asked and answered in one task of a run.
fn instance(run: &Run, task: u32, form: RecordedForm, alone: &[f64]) -> RecordedInstance {
    let mut made = RecordedInstance {
        name: run.name.clone(),
        right: run.right.get(&task).cloned().unwrap_or_default(),
        ..RecordedInstance::default()
    };
    let mut calls: Vec<(usize, &Call)> = run.calls.iter().enumerate().filter(|(_, c)| c.task == task).collect();
    calls.sort_by_key(|(_, c)| c.call);
    for (i, call) in calls {
        let Some(asked) = &call.own else { continue };
        let answer = asked.answer.clone();
        if answer.is_none() && call.status != Status::Cancelled {
            continue;
        }
        if call.purpose == Purpose::Plan
            && form == RecordedForm::Divide
            && made.subtasks.is_empty()
            && let Some(Answer::Subtasks(list)) = &answer
        {
            made.subtasks = list.source_tokens.iter().map(|t| RecordedSubtask { source_tokens: *t }).collect();
            made.dependencies = list.dependencies.iter().map(|(of, on)| [of.0, on.0]).collect();
        }
        let prompt_tokens = call.usage.prompt_tokens;
        made.calls.push(RecordedCall {
            purpose: call.purpose,
            about: call.about,
            product_tokens: asked.product_tokens,
            asked_tokens: asked.completion_tokens,
            estimated_tokens: asked.estimated_tokens,
            prompt_tokens,
            cached_tokens: call.usage.cached_tokens.min(prompt_tokens),
            completion_tokens: call.usage.completion_tokens,
            service_s: alone[i],
            answer,
        });
    }
    made
}

/// Share of entries that a judge accepts, as far as verdicts were recorded, and how many were.
fn acceptance(runs: &[&Run], then: &Scenario, told: &mut Vec<String>) -> (f64, usize) {
    let answers = runs.iter().flat_map(|r| &r.calls).filter_map(|c| c.own.as_ref()?.answer.as_ref());
    let verdicts: Vec<bool> = answers
        .filter_map(|a| match a {
            Answer::Verdict { accepted } => Some(*accepted),
            _ => None,
        })
        .collect();
    if !verdicts.is_empty() {
        let accepted = verdicts.iter().filter(|a| **a).count();
        told.push(format!(
            "A verdict that was not recorded accepts with the share of those that were: {accepted} of {}.",
            verdicts.len()
        ));
        return (accepted as f64 / verdicts.len() as f64, verdicts.len());
    }
    let sharing = &then.sharing;
    let wrong = match &then.workload {
        WorkloadSpec::Divide(spec) => spec.unsupported,
        _ => sharing.wrong_note,
    };
    let accepted = (1.0 - wrong) * sharing.pass_rate(false) + wrong * sharing.pass_rate(true);
    told.push(format!(
        "No verdict was recorded: a gate accepts with probability {accepted:.3}, as the recording's scenario assumes."
    ));
    (accepted, 0)
}

/// Share of the asked length that products have, by purpose.
fn written_share(runs: &[&Run]) -> BTreeMap<Purpose, f64> {
    let mut sums: BTreeMap<Purpose, (f64, f64)> = BTreeMap::new();
    for call in runs.iter().flat_map(|r| &r.calls) {
        let Some(asked) = call.own.as_ref().filter(|asked| asked.product_tokens > 0) else { continue };
        for found in asked.answer.iter().flat_map(Answer::findings) {
            let (written, wanted) = sums.entry(call.purpose).or_default();
            *written += f64::from(found.tokens);
            *wanted += f64::from(asked.product_tokens);
        }
    }
    sums.into_iter().map(|(purpose, (written, wanted))| (purpose, written / wanted)).collect()
}

/// Lengths that the recording's scenario gives to what was not recorded.
fn lengths(base: &Scenario) -> (u32, Option<crate::kernel::Law>) {
    match &base.workload {
        WorkloadSpec::Divide(spec) => {
            (libm::round(spec.unfolded_tokens.mean()) as u32, Some(spec.result_tokens.clone()))
        }
        _ => (RecordedSpec::default().unfolded_tokens, None),
    }
}

fn told_of_laws(learned: &Learned) -> Vec<String> {
    vec![
        format!(
            "Calls that were not recorded take as long as laws say that were fitted to {} recorded calls of {} runs, and \
             have their lengths.",
            learned.calls, learned.runs
        ),
        format!(
            "A prompt has {:.0} tokens of instructions and {:.3} tokens per token that a policy estimates.",
            learned.instructions_tokens, learned.tokens_per_estimate
        ),
    ]
}

/// What of the recording is left out, whatever the rest is taken for.
fn told_of_others(others: usize, unknown: &[String]) -> Vec<String> {
    let mut told = Vec::new();
    if others > 0 {
        told.push(format!("{others} more runs are of other topologies and are left out: record them apart."));
    }
    if !unknown.is_empty() {
        told.push(format!(
            "The recording is of another version: its scenario says {}, which this version does not know and leaves out.",
            unknown.join(", ")
        ));
    }
    told
}

fn told_of_work(topology: &Topology, tasks: usize, without: u32) -> Vec<String> {
    let mut told = vec![format!(
        "{tasks} tasks, recorded under {} with N = {}. The same question about the same thing is answered as it was, with \
         the recorded tokens; its time changes with its prompt as the law of time says. A step that nobody took is taken \
         as the nearest recorded one: of another line, else of an earlier attempt.",
        topology.policy, topology.agents
    )];
    if without > 0 {
        told.push(format!("{without} recorded tasks have no answered step and were left out."));
    }
    told
}

fn told_of_form(form: RecordedForm) -> Vec<String> {
    match form {
        RecordedForm::Search => vec![
            "Lines of solution go as they went: what they would have learned from each other under another topology is \
             not in the recording. A line that was not recorded goes as another one, so that Pass does not grow with it."
                .to_owned(),
        ],
        RecordedForm::Divide => vec![
            "Nothing is graded but what was recorded. Subtasks that nobody asked for are asked for under no topology."
                .to_owned(),
        ],
    }
}

fn sources(scenario: &mut Scenario, cite: &str, verdicts: usize) {
    let note = |kind, cite: &str| SourceNote { kind, cite: cite.to_owned(), prior: String::new() };
    for path in ["endpoints", "sizes", "all_policies"] {
        scenario.sources.insert(path.to_owned(), note(SourceKind::Fitted, cite));
    }
    if verdicts > 0 {
        let cite = format!("{verdicts} recorded verdicts");
        scenario.sources.insert("sharing.true_positive_rate".to_owned(), note(SourceKind::Fitted, &cite));
    }
}
