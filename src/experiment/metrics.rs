//! Metrics: what a run's summary says, by name and unit. Definitions stand with the names.

use crate::kernel::SpanSum;
use crate::model::call::Purpose;
use crate::model::note::Phase;
use crate::record::Summary;

/// Which way is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
    /// Neither.
    Neither,
}

/// A metric's name, unit and meaning.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Name, unit last where it has one.
    pub name: &'static str,
    /// Unit.
    pub unit: &'static str,
    /// Which way is good.
    pub better: Better,
    /// Meaning in a sentence.
    pub meaning: &'static str,
}

impl Metric {
    /// Whether the value rests on prices.
    pub fn is_money(&self) -> bool {
        self.unit == "USD" || self.name == "reading_share"
    }

    /// Whether a run's value is a share of trials (right or wrong), so that the mean over runs is a proportion.
    pub fn is_share(&self) -> bool {
        matches!(self.name, "avg_at_1" | "pass" | "details_arrived" | "misled")
    }
}

const fn metric(name: &'static str, unit: &'static str, better: Better, meaning: &'static str) -> Metric {
    Metric { name, unit, better, meaning }
}

use Better::{Higher, Lower, Neither};

/// All metrics, in the order of files.
pub const METRICS: &[Metric] = &[
    metric("makespan_s", "s", Lower, "from arrival to the end of the task, finalize included"),
    metric("cost_per_task_usd", "USD", Lower, "all calls and tool time of a task"),
    metric("cost_per_submission_usd", "USD", Lower, "cost per task over graded submissions"),
    metric("avg_at_1", "1", Higher, "mean over submissions"),
    metric("pass", "1", Higher, "share of tasks with at least one right submission"),
    metric("controller_utilisation", "1", Neither, "share of time in which a lead's call is served"),
    metric("waiting_share", "1", Lower, "share of agent time spent waiting, idle tail not included"),
    metric("lead_waiting_share", "1", Neither, "share of the leads' time spent waiting"),
    metric("first_success_s", "s", Lower, "first right submission, over tasks that have one"),
    metric("mean_worker_s", "s", Lower, "mean time of submission"),
    metric("last_worker_s", "s", Lower, "time of the last submission"),
    metric("agent_time_s", "s", Lower, "agents x makespan, leads included"),
    metric("share_work", "1", Neither, "share of agent time"),
    metric("share_tool", "1", Neither, "share of agent time"),
    metric("share_coordination", "1", Neither, "share of agent time"),
    metric("share_verification", "1", Neither, "share of agent time"),
    metric("share_duplicated", "1", Lower, "share of agent time on what another line had discovered"),
    metric("share_relay_wait", "1", Lower, "share of agent time"),
    metric("share_barrier_wait", "1", Lower, "share of agent time"),
    metric("share_input_wait", "1", Lower, "share of agent time"),
    metric("share_lock_wait", "1", Lower, "share of agent time"),
    metric("share_slot_wait", "1", Lower, "share of agent time"),
    metric("share_rate_limit_wait", "1", Lower, "share of agent time"),
    metric("share_start_up", "1", Lower, "share of agent time"),
    metric("share_idle_tail", "1", Lower, "share of agent time"),
    metric("overlap_s", "s", Neither, "service of background calls"),
    metric("relay_wait_mean_s", "s", Lower, "mean stay of a worker that waits for a lead"),
    metric("barrier_wait_mean_s", "s", Lower, "mean stay of a worker at a barrier"),
    metric("throughput_per_min", "1/min", Higher, "counted replies per minute of the measured window"),
    metric("calls", "1", Lower, "calls issued"),
    metric("failed_tries", "1", Lower, "tries that failed"),
    metric("failed_calls", "1", Lower, "calls that failed for good"),
    metric("step_tries", "1", Lower, "tries per worker step"),
    metric("step_failed_share", "1", Lower, "share of worker steps that failed for good"),
    metric("step_backoff_s", "s", Lower, "agent time in limits and backoff per worker step"),
    metric("step_response_s", "s", Lower, "mean time from command to reply of worker steps"),
    metric("dispatch_response_s", "s", Lower, "mean time from command to reply of briefs"),
    metric("prompt_tokens", "tokens", Lower, "prompt tokens, cached ones included"),
    metric("cached_tokens", "tokens", Neither, "prompt tokens read from a cache"),
    metric("uncached_tokens", "tokens", Lower, "prompt tokens not read from a cache"),
    metric("completion_tokens", "tokens", Lower, "completion tokens"),
    metric("cache_share", "1", Higher, "cached over prompt tokens"),
    metric("step_prompt_tokens", "tokens", Neither, "prompt tokens of worker steps"),
    metric("step_cached_tokens", "tokens", Neither, "of them read from a cache"),
    metric("dispatch_prompt_tokens", "tokens", Neither, "prompt tokens of briefs"),
    metric("merge_prompt_tokens", "tokens", Neither, "prompt tokens of merges"),
    metric("cost_work_usd", "USD", Lower, "cost by role"),
    metric("cost_tool_usd", "USD", Lower, "cost by role"),
    metric("cost_coordination_usd", "USD", Lower, "cost by role"),
    metric("cost_verification_usd", "USD", Lower, "cost by role"),
    metric("cost_reading_usd", "USD", Lower, "cost by role: tokens of board views"),
    metric("reading_share", "1", Neither, "cost of reading over cost"),
    metric("gate_proposed", "1", Neither, "entries that went to the gate"),
    metric("gate_admitted", "1", Neither, "entries that became readable"),
    metric("gate_rejected", "1", Neither, "entries refused"),
    metric("gate_precision", "1", Higher, "supported share of admitted entries"),
    metric("gate_accept_share", "1", Neither, "admitted over proposed entries"),
    metric("admitted_per_subtask", "1", Neither, "admitted entries over subtasks created"),
    metric("proposed_per_subtask", "1", Neither, "proposed entries over subtasks created"),
    metric("stale_entries", "1", Lower, "entries that became readable between an author's read and its write"),
    metric("stale_share", "1", Lower, "share of writes that missed at least one entry"),
    metric("board_tokens", "tokens", Neither, "length of the board at the end"),
    metric("board_read_tokens", "tokens", Neither, "board tokens in all prompts"),
    metric("compactions", "1", Neither, "contexts that were compacted"),
    metric("delegations_given_up", "1", Lower, "delegations that ended because their calls failed"),
    metric("subtasks_done", "1", Neither, "subtasks done"),
    metric("subtasks_abandoned", "1", Lower, "subtasks given up"),
    metric("distinct_hypotheses", "1", Neither, "wrong hypotheses tried by somebody"),
    metric("tried_hypotheses", "1", Neither, "wrong hypotheses tried, each line counted"),
    metric("duplicate_share", "1", Lower, "share of tries that repeat another line's"),
    metric("details_arrived", "1", Higher, "share of answers that rest on every detail"),
    metric("misled", "1", Lower, "share of answers misled by an unsupported claim"),
    metric("replayed_calls_share", "1", Neither, "share of calls whose tokens and time are recorded ones"),
    metric("replayed_tokens_share", "1", Neither, "share of completion tokens that are recorded ones"),
    metric("events", "1", Neither, "trace records"),
];

/// A metric by name.
pub fn find(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|m| m.name == name)
}

/// The value of every metric that a run has one for, in the order of [`METRICS`].
pub fn measure(s: &Summary) -> Vec<(&'static Metric, f64)> {
    let value = values(s);
    METRICS.iter().filter_map(|m| value(m.name).filter(|v| v.is_finite()).map(|v| (m, v))).collect()
}

fn ratio(a: f64, b: f64) -> Option<f64> {
    (b > 0.0).then(|| a / b)
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> Option<f64> {
    let n = values.len();
    (n > 0).then(|| values.sum::<f64>() / n as f64)
}

/// The definition of every metric; what several share is summed up once.
fn values(s: &Summary) -> impl Fn(&str) -> Option<f64> + '_ {
    let tasks = s.tasks() as f64;
    let window = (s.end - s.start).as_secs_f64();
    let steady = s.makespans.is_empty();
    let all_time = move |phase: Phase| s.workers.time[phase as usize] + s.leads.time[phase as usize];
    let agent_time: SpanSum = Phase::ALL.iter().map(|p| all_time(*p)).sum();
    let lead_time: SpanSum = s.leads.time.iter().copied().sum();
    let waiting = |time: &[SpanSum; 13]| -> SpanSum {
        Phase::ALL.iter().filter(|p| p.is_waiting()).map(|p| time[*p as usize]).sum()
    };
    let stay =
        |phase: Phase| ratio(s.workers.stayed[phase as usize].as_secs_f64(), s.workers.stays[phase as usize] as f64);
    let count = |f: fn(&crate::record::trace::Counts) -> u64| s.calls.iter().map(f).sum::<u64>() as f64;
    let of = |p: Purpose| &s.calls[p.code() as usize];
    let cost = s.cost.total().as_usd();
    let submissions = s.submissions.iter().sum::<u64>() as f64;
    let graded: Vec<(u64, u64)> =
        s.right.iter().copied().zip(s.submissions.iter().copied()).filter(|(_, of)| *of > 0).collect();
    let fact = |name: &str| s.facts.iter().find(|(n, ..)| n == name).map(|(_, sum, n)| sum / *n as f64);
    let gated = move |x: u64| (s.gate.proposed > 0).then_some(x as f64 / tasks);
    move |name: &str| {
        if let Some(phase) = name.strip_prefix("share_").and_then(|p| Phase::ALL.iter().find(|x| x.name() == p)) {
            return ratio(all_time(*phase).as_secs_f64(), agent_time.as_secs_f64());
        }
        match name {
            "makespan_s" => mean(s.makespans.iter().map(|t| t.as_secs_f64())),
            "cost_per_task_usd" => (!steady).then_some(cost / tasks),
            "cost_per_submission_usd" => ratio(cost, submissions),
            "avg_at_1" => mean(graded.iter().map(|(right, of)| *right as f64 / *of as f64)),
            "pass" => mean(graded.iter().map(|(right, _)| f64::from(u8::from(*right > 0)))),
            "controller_utilisation" => {
                let busy = [Phase::Work, Phase::Coordination].map(|p| s.leads.time[p as usize].as_secs_f64());
                ratio(busy.iter().sum(), lead_time.as_secs_f64())
            }
            "waiting_share" => {
                ratio((waiting(&s.workers.time) + waiting(&s.leads.time)).as_secs_f64(), agent_time.as_secs_f64())
            }
            "lead_waiting_share" => ratio(waiting(&s.leads.time).as_secs_f64(), lead_time.as_secs_f64()),
            "first_success_s" => mean(s.latencies.first_success.iter().map(|t| t.as_secs_f64())),
            "mean_worker_s" => mean(s.latencies.mean_worker.iter().copied()),
            "last_worker_s" => mean(s.latencies.last_worker.iter().map(|t| t.as_secs_f64())),
            "agent_time_s" => Some(agent_time.as_secs_f64() / tasks),
            "overlap_s" => Some(s.overlap.as_secs_f64() / tasks),
            "relay_wait_mean_s" => stay(Phase::RelayWait),
            "barrier_wait_mean_s" => stay(Phase::BarrierWait),
            "throughput_per_min" => s.counted_in_window().and_then(|n| ratio(n as f64 * 60.0, window)),
            "calls" => Some(count(|c| c.issued) / tasks),
            "failed_tries" => Some(count(|c| c.failed_tries) / tasks),
            "step_tries" => {
                let c = of(Purpose::Step);
                ratio((c.answered + c.failed_tries) as f64, (c.answered + c.failed) as f64)
            }
            "step_failed_share" => ratio(of(Purpose::Step).failed as f64, of(Purpose::Step).issued as f64),
            "failed_calls" => Some(count(|c| c.failed) / tasks),
            "step_backoff_s" => ratio(all_time(Phase::RateLimitWait).as_secs_f64(), of(Purpose::Step).issued as f64),
            "step_response_s" => ratio(of(Purpose::Step).sojourn.as_secs_f64(), of(Purpose::Step).answered as f64),
            "dispatch_response_s" => {
                ratio(of(Purpose::Dispatch).sojourn.as_secs_f64(), of(Purpose::Dispatch).answered as f64)
            }
            "prompt_tokens" => Some(count(|c| c.usage.prompt_tokens) / tasks),
            "cached_tokens" => Some(count(|c| c.usage.cached_tokens) / tasks),
            "uncached_tokens" => Some(count(|c| c.usage.prompt_tokens - c.usage.cached_tokens) / tasks),
            "completion_tokens" => Some(count(|c| c.usage.completion_tokens) / tasks),
            "cache_share" => ratio(count(|c| c.usage.cached_tokens), count(|c| c.usage.prompt_tokens)),
            "step_prompt_tokens" => Some(of(Purpose::Step).usage.prompt_tokens as f64 / tasks),
            "step_cached_tokens" => Some(of(Purpose::Step).usage.cached_tokens as f64 / tasks),
            "dispatch_prompt_tokens" => Some(of(Purpose::Dispatch).usage.prompt_tokens as f64 / tasks),
            "merge_prompt_tokens" => Some(of(Purpose::Merge).usage.prompt_tokens as f64 / tasks),
            "cost_work_usd" => Some(s.cost.work.as_usd() / tasks),
            "cost_tool_usd" => Some(s.cost.tool.as_usd() / tasks),
            "cost_coordination_usd" => Some(s.cost.coordination.as_usd() / tasks),
            "cost_verification_usd" => Some(s.cost.verification.as_usd() / tasks),
            "cost_reading_usd" => Some(s.cost.reading.as_usd() / tasks),
            "reading_share" => ratio(s.cost.reading.as_usd(), cost),
            "gate_proposed" => gated(s.gate.proposed),
            "gate_admitted" => gated(s.gate.admitted),
            "gate_rejected" => gated(s.gate.rejected),
            "gate_precision" => ratio((s.gate.admitted - s.gate.admitted_unsupported) as f64, s.gate.admitted as f64),
            "gate_accept_share" => ratio(s.gate.admitted as f64, s.gate.proposed as f64),
            "admitted_per_subtask" => {
                gated(s.gate.admitted).and_then(|_| ratio(s.gate.admitted as f64, s.subtasks[0] as f64))
            }
            "proposed_per_subtask" => {
                gated(s.gate.proposed).and_then(|_| ratio(s.gate.proposed as f64, s.subtasks[0] as f64))
            }
            "stale_entries" => ratio(s.staleness.0 as f64, s.staleness.1 as f64),
            "stale_share" => ratio(s.stale_commits as f64, s.staleness.1 as f64),
            "board_tokens" => gated(s.board.0),
            "board_read_tokens" => gated(s.board_read_tokens),
            "delegations_given_up" => Some(s.given_up as f64 / tasks),
            "compactions" => Some(s.compactions as f64 / tasks),
            "subtasks_done" => (s.subtasks[0] > 0).then_some(s.subtasks[1] as f64 / tasks),
            "subtasks_abandoned" => (s.subtasks[0] > 0).then_some(s.subtasks[2] as f64 / tasks),
            "events" => Some(s.records as f64),
            other => fact(other),
        }
    }
}
