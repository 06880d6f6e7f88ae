//! From recorded calls to a workload: delegations with their steps, what they waited for, and what coordination cost.
//!
//! Invariant: a delegation waits for earlier delegations only, so that any recording gives a graph without circles.

use super::price::GivenPrice;
use super::price_file::PriceFile;
use super::runs::{Call, Run, seconds};
use crate::experiment::reading;
use crate::experiment::scenario::Scenario;
use crate::model::call::{Answer, Finding, FindingKind, Purpose};
use crate::model::ids::{About, FindingId, SubtaskId};
use crate::model::workload::WorkloadSpec;
use crate::model::workload::recorded::{RecordedCall, RecordedInstance, RecordedSpec, RecordedSubtask};
use crate::record::transcript::{Release, Status};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// Stands for the policy of a recording that names none.
pub const AS_RECORDED: &str = "as-recorded";

/// Which delegations wait for which; a sequential recording cannot tell what could have run at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dependencies {
    /// As the calls released each other, coordination calls left out: an upper bound of what had to wait. Of what a lead
    /// hands out after it has taken in a report, as its plan was released.
    #[default]
    Recorded,
    /// A delegation waits for the same agent's one before; other agents' are free.
    SameAgent,
    /// None waits for any: the lower bound.
    None,
}

/// How recorded calls are read as work.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Which delegations wait for which.
    pub dependencies: Dependencies,
    /// Share of what a delegation's first prompt held beyond the smallest worker prompt that it must read again.
    pub own_context: f64,
    /// Longer gaps between two steps are cut to this: they hold people.
    pub longest_gap_s: f64,
    /// Prices that the user names.
    pub prices: Vec<GivenPrice>,
    /// Prices from a file, for models that none of these names.
    pub price_file: Option<PriceFile>,
    /// How long messages are that nobody recorded.
    pub lengths: Lengths,
}

/// Lengths of messages whose kind is not in a recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lengths {
    /// As the policies' authors published or we assume.
    #[default]
    Assumed,
    /// Half of it; and a recorded brief for several delegations is as many briefs.
    Half,
    /// Twice as much.
    Double,
}

impl Lengths {
    /// Times what is assumed.
    pub(super) fn factor(self) -> f64 {
        match self {
            Self::Assumed => 1.0,
            Self::Half => 0.5,
            Self::Double => 2.0,
        }
    }
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            dependencies: Dependencies::default(),
            own_context: 1.0,
            longest_gap_s: 60.0,
            prices: Vec::new(),
            price_file: None,
            lengths: Lengths::default(),
        }
    }
}

/// What was found in the recordings besides the work.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Smallest prompt of a step: instructions of any worker.
    pub instructions_tokens: u32,
    /// Gaps that were cut, and the seconds that fell away.
    pub gaps_cut: (u64, f64),
    /// Delegations that began some time after the work that they waited for, and the seconds in between.
    pub gaps_between: (u64, f64),
    /// Completion tokens of answered coordination calls, by purpose: their number and sum.
    pub coordination: BTreeMap<Purpose, (u64, u64)>,
    /// Smallest prompt of such a call.
    pub coordination_prompt: Option<u64>,
    /// Delegations that recorded briefs handed out.
    pub handed_out: u64,
    /// Tokens by which the prompts of leads grew, and delegations that had come to their ends before.
    pub results: (u64, u64),
    /// Recorded coordination calls.
    pub coordination_calls: u64,
    /// Recorded tool runs; their time is the gap between two steps.
    pub tool_runs: u64,
    /// Recorded steps that were answered.
    pub steps: u64,
    /// Tries of these steps after their first.
    pub retries: u64,
    /// Steps without an answer.
    pub lost: Lost,
}

/// Steps that brought nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lost {
    /// Failed for good.
    pub failed: u64,
    /// Cancelled.
    pub cancelled: u64,
    /// Under way when the run was stopped.
    pub open: u64,
    /// Tokens that all of them were billed.
    pub tokens: u64,
    /// Seconds from dispatch to the end of all of them.
    pub seconds: f64,
}

impl Lost {
    fn count(&mut self, call: &Call) {
        match call.status {
            Status::Ok => return,
            Status::Failed => self.failed += 1,
            Status::Cancelled => self.cancelled += 1,
            Status::Open => self.open += 1,
        }
        let billed = call.billed;
        self.tokens = self.tokens.saturating_add(billed.prompt_tokens).saturating_add(billed.completion_tokens);
        self.seconds += call.service_s();
    }

    /// All of them.
    pub fn calls(&self) -> u64 {
        self.failed + self.cancelled + self.open
    }
}

impl Found {
    /// Tokens of a result as whoever coordinates reads it; none where results are told in calls of their own, or nobody
    /// reads them.
    pub(super) fn result_tokens(&self) -> Option<u32> {
        let retold = [Purpose::Gist, Purpose::Report].iter().any(|p| self.coordination.contains_key(p));
        let (tokens, results) = self.results;
        (!retold && results > 0).then(|| whole((tokens + results / 2) / results).max(1))
    }

    /// What the last call that puts results together has in its prompt more than the shortest one of a lead.
    fn add_results(&mut self, calls: &[&Call], groups: &[Group]) {
        let leads = |c: &&&Call| {
            let reads = [Purpose::Plan, Purpose::Dispatch, Purpose::Merge, Purpose::MoreSubtasks, Purpose::Finalize];
            c.status == Status::Ok && c.usage.prompt_tokens > 0 && reads.contains(&c.purpose)
        };
        let shortest = calls.iter().filter(leads).map(|c| c.usage.prompt_tokens).min();
        let last = calls.iter().rfind(leads);
        let Some((last, shortest)) = last.zip(shortest) else { return };
        let before = |group: &&Group| group.calls.last().is_some_and(|c| c.completed_ns <= last.dispatched_ns);
        let results = groups.iter().filter(before).count() as u64;
        // The only call of a lead shows no growth.
        if results > 0 && last.usage.prompt_tokens > shortest {
            self.results.0 += last.usage.prompt_tokens - shortest;
            self.results.1 += results;
        }
    }

    /// The time between the last step that the first call of a delegation waited for and that call itself; none where it
    /// waited for a call that coordinates, too: then that is whom the time belongs to.
    fn add_gap_before(&mut self, call: &Call, ended: &BTreeMap<u64, u64>) {
        let released: Option<Vec<u64>> =
            call.released_by.iter().filter_map(|d| d.call).map(|c| ended.get(&c).copied()).collect();
        let Some(last) = released.and_then(|ends| ends.into_iter().max()) else { return };
        let gap_ns = call.dispatched_ns.unwrap_or(call.intended_ns).saturating_sub(last);
        if gap_ns > 0 {
            self.gaps_between.0 += 1;
            self.gaps_between.1 += seconds(gap_ns);
        }
    }

    /// A call that is no work: it coordinates, runs a tool or brought nothing.
    fn other(&mut self, call: &Call) {
        match call.purpose {
            Purpose::Step => self.lost.count(call),
            Purpose::Tool => self.tool_runs += 1,
            purpose => {
                self.coordination_calls += 1;
                if call.status == Status::Ok {
                    let (calls, tokens) = self.coordination.entry(purpose).or_default();
                    (*calls, *tokens) = (*calls + 1, *tokens + call.usage.completion_tokens);
                    // Some sources leave prompts out: nothing is no prompt.
                    let prompt = Some(call.usage.prompt_tokens).filter(|tokens| *tokens > 0);
                    self.coordination_prompt = self.coordination_prompt.into_iter().chain(prompt).min();
                }
            }
        }
    }
}

/// A step that was answered is work; one that failed, was cancelled or never ended brought nothing.
fn is_work(call: &Call) -> bool {
    call.purpose == Purpose::Step && call.status == Status::Ok
}

/// The work of one task of a run.
pub(super) fn instance(
    run: &Run,
    task: u32,
    reading: &Reading,
    instructions_tokens: u32,
    found: &mut Found,
) -> RecordedInstance {
    let mut calls: Vec<&Call> = run.calls.iter().filter(|c| c.task == task).collect();
    calls.sort_by_key(|c| (c.intended_ns, c.call));
    let told = Told::of(&calls);
    let mut groups: Vec<Group> = Vec::new();
    // Delegations on which a call's completion, or its dispatch, rests.
    let mut after: BTreeMap<u64, BTreeSet<u32>> = BTreeMap::new();
    let mut before: BTreeMap<u64, BTreeSet<u32>> = BTreeMap::new();
    // Delegations on which the last plan of each agent rests, and calls that took in reports.
    let mut planned: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    let mut merges: BTreeSet<u64> = BTreeSet::new();
    // When the steps so far had their answers.
    let mut ended: BTreeMap<u64, u64> = BTreeMap::new();
    for &call in &calls {
        let mut waits: BTreeSet<u32> = BTreeSet::new();
        for d in &call.released_by {
            let frontier = if d.on == Release::Dispatch { &before } else { &after };
            waits.extend(d.call.and_then(|c| frontier.get(&c)).into_iter().flatten());
        }
        match call.purpose {
            Purpose::Plan | Purpose::MoreSubtasks => drop(planned.insert(call.agent, waits.clone())),
            Purpose::Merge => drop(merges.insert(call.call)),
            // A lead that has taken in a report hands out the next of what it planned before: that waited for the lead.
            Purpose::Dispatch if call.released_by.iter().any(|d| d.call.is_some_and(|c| merges.contains(&c))) => {
                if let Some(plan) = planned.get(&call.agent) {
                    waits.clone_from(plan);
                }
            }
            _ => {}
        }
        before.insert(call.call, waits.clone());
        if !is_work(call) {
            found.other(call);
            after.insert(call.call, waits);
            continue;
        }
        found.steps += 1;
        found.retries += u64::from(call.retries);
        let key = (call.agent, call.about.line.0, call.about.subtask.0, call.about.attempt);
        let open = groups.iter().rposition(|g| g.key == key);
        if open.is_none() {
            found.add_gap_before(call, &ended);
        }
        ended.extend(call.completed_ns.map(|at| (call.call, at)));
        let g = open.filter(|&g| waits.iter().all(|&w| w as usize <= g)).unwrap_or_else(|| {
            groups.push(Group { key, told_tokens: told.to(call), ..Group::default() });
            groups.len() - 1
        });
        groups[g].waits.extend(waits.iter().filter(|&&w| (w as usize) < g));
        groups[g].calls.push(call);
        after.insert(call.call, BTreeSet::from([g as u32]));
    }
    let briefs: BTreeSet<u64> = calls.iter().filter(|c| c.purpose == Purpose::Dispatch).map(|c| c.call).collect();
    let is_briefed = |call: &&Call| call.released_by.iter().any(|d| d.call.is_some_and(|c| briefs.contains(&c)));
    found.handed_out += groups.iter().filter_map(|g| g.calls.first()).filter(|c| is_briefed(c)).count() as u64;
    found.add_results(&calls, &groups);
    let dependencies = dependencies(&groups, reading.dependencies);
    let mut made = RecordedInstance { name: run.name.clone(), dependencies, ..RecordedInstance::default() };
    for group in &groups {
        group.put(&mut made, reading, instructions_tokens, found);
    }
    made
}

#[derive(Default)]
struct Group<'a> {
    key: (u32, u32, u32, u16),
    calls: Vec<&'a Call>,
    waits: BTreeSet<u32>,
    /// Tokens that other workers may have put into its first prompt.
    told_tokens: u64,
}

/// What workers tell each other: a gist, all that begin after it. When it was written, and its tokens.
struct Told(Vec<(u64, u64)>);

impl Told {
    fn of(calls: &[&Call]) -> Self {
        let gists = calls.iter().filter(|c| c.purpose == Purpose::Gist && c.status == Status::Ok);
        Self(gists.filter_map(|c| Some((c.completed_ns?, c.usage.completion_tokens))).collect())
    }

    /// Tokens that the first call of a delegation may have been told.
    fn to(&self, call: &Call) -> u64 {
        let left = call.dispatched_ns.unwrap_or(call.intended_ns);
        self.0.iter().filter(|(at, _)| *at <= left).map(|(_, tokens)| tokens).sum()
    }
}

impl Group<'_> {
    /// Adds the delegation to what was recorded of its task, as the next subtask.
    fn put(&self, made: &mut RecordedInstance, reading: &Reading, instructions: u32, found: &mut Found) {
        let subtask = SubtaskId(made.subtasks.len() as u32);
        let first = self.calls.first().map_or(0, |c| c.usage.prompt_tokens);
        let held = first.saturating_sub(u64::from(instructions));
        // What it was told then is none of its own: each topology tells its workers something else.
        let beyond = held.saturating_sub(self.told_tokens) as f64 * reading.own_context;
        made.subtasks.push(RecordedSubtask { source_tokens: libm::round(beyond) as u32 });
        // Of the first prompt not all must be read again: the later ones are as much shorter.
        let left_out = held - libm::round(beyond) as u64;
        // What a worker of any topology would estimate: its context grows by what it says and what it sees.
        let mut estimated_tokens = u64::from(instructions) + libm::round(beyond) as u64;
        for (i, call) in self.calls.iter().enumerate() {
            let about = About { subtask, step: i as u32, ..About::default() };
            let until = call.completed_ns.or(call.dispatched_ns).unwrap_or(call.intended_ns);
            let (mut tokens, mut tool_s) = (0, 0.0);
            let next = self.calls.get(i + 1);
            if let Some(next) = next {
                let held = call.usage.prompt_tokens + call.usage.completion_tokens;
                tokens = whole(next.usage.prompt_tokens.saturating_sub(held));
                // From the answer until the next call leaves: imports tell no queue of their own.
                let left = next.dispatched_ns.unwrap_or(next.intended_ns);
                tool_s = seconds(left.saturating_sub(until));
                if tool_s > reading.longest_gap_s {
                    found.gaps_cut.0 += 1;
                    found.gaps_cut.1 += tool_s - reading.longest_gap_s;
                    tool_s = reading.longest_gap_s;
                }
            }
            let tool = tokens > 0 || tool_s > 0.0;
            let completion_tokens = call.usage.completion_tokens;
            let handed_back = next.is_none().then(|| Finding {
                id: FindingId(0),
                kind: FindingKind::Result,
                tokens: whole(completion_tokens).max(1),
            });
            let prompt_tokens = call.usage.prompt_tokens.saturating_sub(left_out);
            made.calls.push(RecordedCall {
                purpose: Purpose::Step,
                about,
                product_tokens: 0,
                asked_tokens: 0,
                estimated_tokens,
                prompt_tokens,
                cached_tokens: call.usage.cached_tokens.min(prompt_tokens),
                completion_tokens,
                service_s: call.service_s(),
                answer: Some(Answer::Step { notes: smallvec::SmallVec::new(), tool, result: handed_back }),
            });
            estimated_tokens += completion_tokens + u64::from(tokens);
            if tool {
                made.calls.push(RecordedCall {
                    purpose: Purpose::Tool,
                    about,
                    product_tokens: 0,
                    asked_tokens: 0,
                    estimated_tokens: 0,
                    prompt_tokens: 0,
                    cached_tokens: 0,
                    completion_tokens: 0,
                    service_s: tool_s,
                    answer: Some(Answer::Observation { tokens }),
                });
            }
        }
    }
}

fn whole(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn dependencies(groups: &[Group], which: Dependencies) -> Vec<[u32; 2]> {
    let mut pairs: Vec<[u32; 2]> = Vec::new();
    for (g, group) in groups.iter().enumerate() {
        match which {
            Dependencies::Recorded => pairs.extend(group.waits.iter().map(|&on| [g as u32, on])),
            Dependencies::SameAgent => {
                let before = groups[..g].iter().rposition(|o| (o.key.0, o.key.1) == (group.key.0, group.key.1));
                pairs.extend(before.map(|on| [g as u32, on as u32]));
            }
            Dependencies::None => {}
        }
    }
    pairs
}

/// What the prompts of all steps have in common: the smallest of them, or what one read from the cache that was less.
pub(super) fn instructions_tokens(runs: &[Run]) -> u32 {
    let steps = runs.iter().flat_map(|r| &r.calls).filter(|c| is_work(c));
    // Some sources leave prompts out: nothing is no prompt.
    let tokens = steps.flat_map(|c| [c.usage.prompt_tokens, c.usage.cached_tokens]);
    tokens.filter(|n| *n > 0).min().map_or(0, whole)
}

/// A scenario around recorded work, before endpoints and sizes are known.
pub(in crate::experiment::replay) fn of_recordings(path: &Path, spec: RecordedSpec, replications: u32) -> Scenario {
    let stem = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let stem = stem.split('.').next().unwrap_or("recorded").to_owned();
    let text = "version = 1\nname = \"x\"\nquestion = \"x\"\nreplications = 1\nagents = [1]\npolicies = [\"single\"]\n\
                baseline = \"single\"\n[workload.divide]\n[endpoints.model]\n[endpoints.tool]\n\
                [roles]\ndefault = \"model\"\ntool = \"tool\"\n";
    let table = text.parse::<toml::Table>().expect("TOML");
    let mut scenario: Scenario = reading::read(toml::Value::Table(table)).expect("a scenario of defaults");
    scenario.name = stem;
    scenario.replications = replications.max(1);
    scenario.workload = WorkloadSpec::Recorded(Arc::new(spec));
    scenario
}
