//! The table of metrics, in the order of files.

use super::Better::{Higher, Lower, Neither};
use super::Kind::{Money, Proportion, Quantity};
use super::{Better, Kind, Metric};
use crate::kernel::SpanSum;
use crate::model::call::Purpose;
use crate::model::note::Phase;
use crate::record::Summary;
use crate::record::trace::{Counts, PhaseTimes};

type Value = fn(&Summary) -> Option<f64>;

const fn metric(
    name: &'static str,
    unit: &'static str,
    better: Better,
    kind: Kind,
    meaning: &'static str,
    value: Value,
) -> Metric {
    Metric { name, unit, better, kind, meaning, value }
}

const fn quantity(
    name: &'static str,
    unit: &'static str,
    better: Better,
    meaning: &'static str,
    value: Value,
) -> Metric {
    metric(name, unit, better, Quantity, meaning, value)
}

const fn time_share(name: &'static str, better: Better, value: Value) -> Metric {
    quantity(name, "1", better, "share of agent time", value)
}

/// All metrics, in the order of files.
#[rustfmt::skip]
pub const METRICS: &[Metric] = &[
    quantity("makespan_s", "s", Lower, "from arrival to the end of the task, finalize included",
        |s| mean(s.makespans.iter().map(|t| t.as_secs_f64()))),
    metric("cost_per_task_usd", "USD", Lower, Money, "all calls and tool time of a task",
        |s| (!s.makespans.is_empty()).then(|| per_task(s, s.cost.total().as_usd()))),
    metric("cost_per_submission_usd", "USD", Lower, Money, "cost per task over graded submissions",
        |s| ratio(s.cost.total().as_usd(), s.submissions.iter().sum::<u64>() as f64)),
    metric("avg_at_1", "1", Higher, Proportion, "mean over submissions",
        |s| graded(s, |right, of| right as f64 / of as f64)),
    metric("pass", "1", Higher, Proportion, "share of tasks with at least one right submission, as if an oracle picked",
        |s| graded(s, |right, _| f64::from(u8::from(right > 0)))),
    metric("pass_by_judge", "1", Higher, Proportion, "the same, where a judge with the scenario's rates picks one of them",
        |s| s.fact("pass_by_judge")),
    metric("pass_by_vote", "1", Higher, Proportion, "the same, where the answer that most agree on is taken",
        |s| s.fact("pass_by_vote")),
    quantity("controller_utilisation", "1", Neither, "share of time in which a lead's call is served", |s| {
        let busy = [Phase::Work, Phase::Coordination].map(|p| s.leads.of(p).as_secs_f64());
        ratio(busy.iter().sum(), all(&s.leads).as_secs_f64())
    }),
    quantity("waiting_share", "1", Lower, "share of agent time spent waiting, idle tail (share_idle_tail) not included",
        |s| ratio((waiting(&s.workers) + waiting(&s.leads)).as_secs_f64(), agent_time(s).as_secs_f64())),
    quantity("lead_waiting_share", "1", Neither, "share of the leads' time spent waiting",
        |s| ratio(waiting(&s.leads).as_secs_f64(), all(&s.leads).as_secs_f64())),
    quantity("first_success_s", "s", Lower, "first right submission, over tasks that have one",
        |s| mean(s.latencies.first_success.iter().map(|t| t.as_secs_f64()))),
    quantity("first_success_or_last_s", "s", Lower, "first right submission, or the last one of a task that has none",
        |s| mean(s.latencies.first_success_or_last.iter().map(|t| t.as_secs_f64()))),
    quantity("mean_worker_s", "s", Lower, "mean time of submission",
        |s| mean(s.latencies.mean_worker.iter().copied())),
    quantity("last_worker_s", "s", Lower, "time of the last submission",
        |s| mean(s.latencies.last_worker.iter().map(|t| t.as_secs_f64()))),
    quantity("agent_time_s", "s", Lower, "agents x makespan, leads included",
        |s| Some(per_task(s, agent_time(s).as_secs_f64()))),
    time_share("share_work", Neither, |s| spent(s, Phase::Work)),
    time_share("share_tool", Neither, |s| spent(s, Phase::Tool)),
    time_share("share_coordination", Neither, |s| spent(s, Phase::Coordination)),
    time_share("share_verification", Neither, |s| spent(s, Phase::Verification)),
    quantity("share_duplicated", "1", Lower, "share of agent time on what another line had discovered",
        |s| spent(s, Phase::Duplicated)),
    time_share("share_relay_wait", Lower, |s| spent(s, Phase::RelayWait)),
    time_share("share_barrier_wait", Lower, |s| spent(s, Phase::BarrierWait)),
    time_share("share_input_wait", Lower, |s| spent(s, Phase::InputWait)),
    time_share("share_lock_wait", Lower, |s| spent(s, Phase::LockWait)),
    time_share("share_slot_wait", Lower, |s| spent(s, Phase::SlotWait)),
    time_share("share_rate_limit_wait", Lower, |s| spent(s, Phase::RateLimitWait)),
    time_share("share_start_up", Lower, |s| spent(s, Phase::StartUp)),
    time_share("share_idle_tail", Lower, |s| spent(s, Phase::IdleTail)),
    quantity("overlap_s", "s", Neither, "service of background calls", |s| Some(per_task(s, s.overlap.as_secs_f64()))),
    quantity("relay_wait_mean_s", "s", Lower, "mean stay of a worker that waits for a lead",
        |s| s.workers.mean_stay_s(Phase::RelayWait)),
    quantity("barrier_wait_mean_s", "s", Lower, "mean stay of a worker at a barrier",
        |s| s.workers.mean_stay_s(Phase::BarrierWait)),
    quantity("throughput_per_min", "1/min", Higher, "counted replies per minute of the measured window",
        |s| s.counted_in_window().and_then(|n| ratio(n as f64 * 60.0, (s.end - s.start).as_secs_f64()))),
    quantity("calls", "1", Lower, "model calls and tool runs issued", |s| Some(sum(s, |c| c.issued))),
    quantity("model_calls", "1", Lower, "calls issued to models: all calls but tool runs",
        |s| Some(per_task(s, (all_calls(s, |c| c.issued) - s.of(Purpose::Tool).issued) as f64))),
    quantity("tool_runs", "1", Lower, "tool runs issued", |s| Some(of(s, Purpose::Tool, |c| c.issued))),
    quantity("failed_tries", "1", Lower, "tries that failed", |s| Some(sum(s, |c| c.failed_tries))),
    quantity("failed_calls", "1", Lower, "calls that failed for good", |s| Some(sum(s, |c| c.failed))),
    quantity("step_tries", "1", Lower, "tries per worker step", |s| {
        let c = s.of(Purpose::Step);
        ratio((c.answered + c.failed_tries) as f64, (c.answered + c.failed) as f64)
    }),
    quantity("step_failed_share", "1", Lower, "share of worker steps that failed for good", |s| {
        let c = s.of(Purpose::Step);
        ratio(c.failed as f64, c.issued as f64)
    }),
    quantity("step_backoff_s", "s", Lower, "agent time in limits and backoff per worker step", |s| {
        let waited = s.workers.of(Phase::RateLimitWait) + s.leads.of(Phase::RateLimitWait);
        ratio(waited.as_secs_f64(), s.of(Purpose::Step).issued as f64)
    }),
    quantity("step_response_s", "s", Lower, "mean time from command to reply of worker steps",
        |s| response(s.of(Purpose::Step))),
    quantity("dispatch_response_s", "s", Lower, "mean time from command to reply of briefs",
        |s| response(s.of(Purpose::Dispatch))),
    quantity("prompt_tokens", "tokens", Lower, "prompt tokens, cached ones included",
        |s| Some(sum(s, |c| c.usage.prompt_tokens))),
    quantity("cached_tokens", "tokens", Neither, "prompt tokens read from a cache", |s| Some(sum(s, |c| c.usage.cached_tokens))),
    quantity("uncached_tokens", "tokens", Lower, "prompt tokens not read from a cache",
        |s| Some(sum(s, |c| c.usage.prompt_tokens - c.usage.cached_tokens))),
    quantity("completion_tokens", "tokens", Lower, "completion tokens", |s| Some(sum(s, |c| c.usage.completion_tokens))),
    quantity("cache_share", "1", Higher, "cached over prompt tokens", |s| {
        ratio(all_calls(s, |c| c.usage.cached_tokens) as f64, all_calls(s, |c| c.usage.prompt_tokens) as f64)
    }),
    quantity("step_prompt_tokens", "tokens", Neither, "prompt tokens of worker steps",
        |s| Some(of(s, Purpose::Step, |c| c.usage.prompt_tokens))),
    quantity("step_cached_tokens", "tokens", Neither, "of them read from a cache",
        |s| Some(of(s, Purpose::Step, |c| c.usage.cached_tokens))),
    quantity("dispatch_prompt_tokens", "tokens", Neither, "prompt tokens of briefs",
        |s| Some(of(s, Purpose::Dispatch, |c| c.usage.prompt_tokens))),
    quantity("merge_prompt_tokens", "tokens", Neither, "prompt tokens of merges",
        |s| Some(of(s, Purpose::Merge, |c| c.usage.prompt_tokens))),
    metric("cost_work_usd", "USD", Lower, Money, "cost by role", |s| Some(per_task(s, s.cost.work.as_usd()))),
    metric("cost_tool_usd", "USD", Lower, Money, "cost by role", |s| Some(per_task(s, s.cost.tool.as_usd()))),
    metric("cost_coordination_usd", "USD", Lower, Money, "cost by role",
        |s| Some(per_task(s, s.cost.coordination.as_usd()))),
    metric("cost_verification_usd", "USD", Lower, Money, "cost by role",
        |s| Some(per_task(s, s.cost.verification.as_usd()))),
    metric("cost_reading_usd", "USD", Lower, Money, "cost by role: tokens of board views",
        |s| Some(per_task(s, s.cost.reading.as_usd()))),
    metric("cost_report_usd", "USD", Lower, Money, "calls that write a delegation's report; part of coordination",
        |s| Some(per_task(s, s.of(Purpose::Report).cost.as_usd()))),
    metric("reading_share", "1", Neither, Money, "cost of reading over cost",
        |s| ratio(s.cost.reading.as_usd(), s.cost.total().as_usd())),
    quantity("gate_proposed", "1", Neither, "entries that went to the gate", |s| gated(s, s.gate.proposed)),
    quantity("gate_admitted", "1", Neither, "entries that became readable", |s| gated(s, s.gate.admitted)),
    quantity("gate_rejected", "1", Neither, "entries refused", |s| gated(s, s.gate.rejected)),
    quantity("gate_precision", "1", Higher, "supported share of admitted entries",
        |s| ratio((s.gate.admitted - s.gate.admitted_unsupported) as f64, s.gate.admitted as f64)),
    quantity("gate_accept_share", "1", Neither, "admitted over proposed entries",
        |s| ratio(s.gate.admitted as f64, s.gate.proposed as f64)),
    quantity("admitted_per_subtask", "1", Neither, "admitted entries over subtasks created",
        |s| gated(s, s.gate.admitted).and_then(|_| ratio(s.gate.admitted as f64, s.subtasks.created as f64))),
    quantity("proposed_per_subtask", "1", Neither, "proposed entries over subtasks created",
        |s| gated(s, s.gate.proposed).and_then(|_| ratio(s.gate.proposed as f64, s.subtasks.created as f64))),
    quantity("stale_entries", "1", Lower, "entries that became readable between an author's read and its write",
        |s| ratio(s.staleness.missed as f64, s.staleness.writes as f64)),
    quantity("stale_share", "1", Lower, "share of writes that missed at least one entry",
        |s| ratio(s.staleness.stale_writes as f64, s.staleness.writes as f64)),
    quantity("board_tokens", "tokens", Neither, "length of the board at the end", |s| gated(s, s.board_tokens)),
    quantity("board_read_tokens", "tokens", Neither, "board tokens in all prompts, those of the gate's calls among them",
        |s| read(s, all_calls(s, |c| c.board_tokens))),
    quantity("step_board_tokens", "tokens", Neither, "board tokens in the prompts of worker steps",
        |s| read(s, s.of(Purpose::Step).board_tokens)),
    quantity("compactions", "1", Neither, "contexts that were compacted", |s| Some(per_task(s, s.compactions as f64))),
    quantity("delegations_given_up", "1", Lower, "delegations that ended because their calls failed",
        |s| Some(per_task(s, s.given_up as f64))),
    quantity("subtasks_done", "1", Neither, "subtasks done", |s| subtasks(s, s.subtasks.done)),
    quantity("subtasks_abandoned", "1", Lower, "subtasks given up", |s| subtasks(s, s.subtasks.abandoned)),
    quantity("distinct_hypotheses", "1", Neither, "wrong hypotheses tried by somebody", |s| s.fact("distinct_hypotheses")),
    quantity("tried_hypotheses", "1", Neither, "wrong hypotheses tried, each line counted", |s| s.fact("tried_hypotheses")),
    quantity("duplicate_share", "1", Lower, "share of tries that repeat another line's", |s| s.fact("duplicate_share")),
    metric("details_arrived", "1", Higher, Proportion, "share of answers that rest on every detail",
        |s| s.fact("details_arrived")),
    metric("misled", "1", Lower, Proportion, "share of answers misled by an unsupported claim", |s| s.fact("misled")),
    quantity("replayed_calls_share", "1", Neither, "share of calls whose tokens and time are recorded ones",
        |s| s.fact("replayed_calls_share")),
    quantity("replayed_tokens_share", "1", Neither, "share of completion tokens that are recorded ones",
        |s| s.fact("replayed_tokens_share")),
    quantity("events", "1", Neither, "trace records", |s| Some(s.records as f64)),
];

fn ratio(a: f64, b: f64) -> Option<f64> {
    (b > 0.0).then(|| a / b)
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> Option<f64> {
    let n = values.len();
    (n > 0).then(|| values.sum::<f64>() / n as f64)
}

fn per_task(s: &Summary, total: f64) -> f64 {
    total / s.tasks() as f64
}

/// Mean over the tasks that have submissions.
fn graded(s: &Summary, worth: fn(right: u64, of: u64) -> f64) -> Option<f64> {
    let graded: Vec<f64> =
        s.right.iter().zip(&s.submissions).filter(|(_, of)| **of > 0).map(|(right, of)| worth(*right, *of)).collect();
    mean(graded.into_iter())
}

fn all(times: &PhaseTimes) -> SpanSum {
    Phase::ALL.iter().map(|p| times.of(*p)).sum()
}

fn waiting(times: &PhaseTimes) -> SpanSum {
    Phase::ALL.iter().filter(|p| p.is_waiting()).map(|p| times.of(*p)).sum()
}

fn agent_time(s: &Summary) -> SpanSum {
    all(&s.workers) + all(&s.leads)
}

fn spent(s: &Summary, phase: Phase) -> Option<f64> {
    ratio((s.workers.of(phase) + s.leads.of(phase)).as_secs_f64(), agent_time(s).as_secs_f64())
}

fn all_calls(s: &Summary, count: fn(&Counts) -> u64) -> u64 {
    s.calls.iter().map(count).sum()
}

fn sum(s: &Summary, count: fn(&Counts) -> u64) -> f64 {
    per_task(s, all_calls(s, count) as f64)
}

fn of(s: &Summary, purpose: Purpose, count: fn(&Counts) -> u64) -> f64 {
    per_task(s, count(s.of(purpose)) as f64)
}

fn response(c: &Counts) -> Option<f64> {
    ratio(c.sojourn.as_secs_f64(), c.answered as f64)
}

/// What has a value only where something went to a gate.
fn gated(s: &Summary, total: u64) -> Option<f64> {
    (s.gate.proposed > 0).then(|| per_task(s, total as f64))
}

/// What has a value only where there is a board: something went to its gate, or somebody read what was stored without one.
fn read(s: &Summary, total: u64) -> Option<f64> {
    (s.gate.proposed > 0 || total > 0).then(|| per_task(s, total as f64))
}

/// What has a value only where there are subtasks.
fn subtasks(s: &Summary, total: u64) -> Option<f64> {
    (s.subtasks.created > 0).then(|| per_task(s, total as f64))
}
