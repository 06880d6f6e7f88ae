//! Named policies: points of control x store x gate x finish.

use super::control::{lead::Lead, queue::Queue, solo::Solo, threads::Threads};
use super::protocol::Policy;
use super::settings::{
    Barrier, BoardPlace, Control, Coordination, Dispatch, Draft, DryPolicy, Finish, Gate, LeadWork, Settings, Store,
};
use crate::model::Limit;
use crate::model::workload::Team;
use std::sync::Arc;

/// What the catalogue says of a policy.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Name in scenarios.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Runs on `search`.
    pub search: bool,
    /// Runs on `divide`.
    pub divide: bool,
    /// Changes to the common defaults.
    change: fn(&mut Draft),
}

/// Defaults that all policies share. Published values: 50 steps per delegation, 6 delegations, memory of 8 records of
/// which 3 stay (released v1 configuration); gists of 100 tokens; windows of 1,000 and 2,000 tokens; gate retries 2.
fn common() -> Draft {
    Draft {
        control: Control::None,
        dispatch: Dispatch::Parallel,
        barrier: Barrier::All,
        store: Store::None,
        gate: Gate::None,
        finish: Finish::Each,
        team: Limit::Unlimited,
        leads: 1,
        plan: true,
        merge: true,
        report_call: false,
        ask_more: false,
        more_rounds: 2,
        finalize: true,
        max_delegations: 6,
        max_steps: 50,
        deadline_s: Limit::Unlimited,
        stagger_s: 0.0,
        instructions_tokens: 2400,
        task_tokens: 1200,
        delegation_tokens: 200,
        report_tokens: 400,
        brief_tokens: 1000,
        gist_tokens: 100,
        board_place: BoardPlace::Front,
        board_window_tokens: Limit::Unlimited,
        planner_window_tokens: Limit::Unlimited,
        window_tokens: Limit::At(200_000.0),
        digest_tokens: 2000,
        memory_digest_tokens: 150,
        memory_steps: Limit::Unlimited,
        keep_steps: 3,
        gate_retries: 2,
        requeues: 1,
        admission_blocks_agent: false,
        unfold: false,
        dry_policy: DryPolicy::AllIdle,
        append_s: 0.0,
    }
}

fn lead(s: &mut Draft, dispatch: Dispatch) {
    s.control = Control::Lead;
    s.dispatch = dispatch;
    s.store = Store::Relay;
    s.finish = Finish::Lead;
    s.max_delegations = 10;
    s.report_tokens = 400;
    s.ask_more = true;
}

/// All named policies.
pub const ENTRIES: &[Entry] = &[
    Entry {
        name: "single",
        summary: "one agent, one budget, its own memory",
        search: true,
        divide: true,
        change: |s| s.team = Limit::At(1.0),
    },
    Entry {
        name: "independent",
        summary: "N agents that never hear of each other; each submits",
        search: true,
        divide: true,
        change: |_| {},
    },
    Entry {
        name: "map-reduce",
        summary: "a queue of subtasks, no store; one call reads all results",
        search: false,
        divide: true,
        change: |s| {
            s.control = Control::Queue;
            s.finish = Finish::Lead;
            s.report_tokens = 1500;
        },
    },
    Entry {
        name: "orchestrator-sequential",
        summary: "a lead delegates to one worker at a time and reads its report before the next (AOrchestra)",
        search: true,
        divide: true,
        change: |s| {
            lead(s, Dispatch::Sequential);
            s.report_call = true;
        },
    },
    Entry {
        name: "orchestrator-serial",
        summary: "rounds; the lead briefs every worker by a call of its own before any starts",
        search: true,
        divide: true,
        change: |s| lead(s, Dispatch::Serial),
    },
    Entry {
        name: "orchestrator-parallel",
        summary: "rounds; one call briefs all workers, a barrier collects them (scatter-gather)",
        search: true,
        divide: true,
        change: |s| lead(s, Dispatch::Parallel),
    },
    Entry {
        name: "orchestrator-async",
        summary: "no rounds; every finished worker is served by the lead in order of arrival",
        search: true,
        divide: true,
        change: |s| lead(s, Dispatch::Async),
    },
    Entry {
        name: "delm-queue",
        summary: "DeLM's paper algorithm: dependency queue, verified shared gists, unfolding, no lead",
        search: false,
        divide: true,
        change: |s| {
            s.control = Control::Queue;
            s.store = Store::Shared;
            s.gate = Gate::Llm;
            s.finish = Finish::Last;
            s.report_tokens = 0;
            s.ask_more = true;
            s.unfold = true;
        },
    },
    Entry {
        name: "delm-solvers",
        summary: "DeLM's SWE-bench form: N solver threads that share typed notes on a board",
        search: true,
        divide: false,
        change: |s| {
            s.store = Store::Shared;
            s.gate = Gate::Rule;
            s.board_window_tokens = Limit::At(1000.0);
            s.planner_window_tokens = Limit::At(2000.0);
        },
    },
];

/// The catalogue's entry for a name.
pub fn entry(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|e| e.name == name)
}

/// The draft of a named policy.
pub fn draft(name: &str) -> Option<Draft> {
    entry(name).map(|e| {
        let mut draft = common();
        (e.change)(&mut draft);
        draft
    })
}

/// What to say of an unknown name.
pub fn unknown(name: &str) -> String {
    let names: Vec<&str> = ENTRIES.iter().map(|e| e.name).collect();
    let near = names.iter().copied().max_by(|a, b| strsim::jaro(a, name).total_cmp(&strsim::jaro(b, name)));
    format!("unknown policy \"{name}\"; did you mean \"{}\"? known: {}", near.unwrap_or("single"), names.join(", "))
}

/// Builds the policy of a point for a team of `n`.
pub fn build(settings: &Arc<Settings>, n: u32) -> (Box<dyn Policy>, Team) {
    let n = settings.team.and_then(Limit::whole).map_or(n, |most| n.min(most as u32)).max(1);
    let s = settings.clone();
    let team = |workers, leads, lines| Team { workers, leads, lines, budgets_per_line: 1, quality: 1.0 };
    match &settings.coordination {
        Coordination::Solo(own) => (Box::new(Solo::new(s, own, n)), team(n, 0, n)),
        Coordination::Threads(own) => (Box::new(Threads::new(s, own, n)), team(n, 0, n)),
        Coordination::Queue(own) => {
            let leads = u32::from(own.finish == Finish::Lead);
            (Box::new(Queue::new(s, own, n)), team(n, leads, 1))
        }
        Coordination::Lead(own) => {
            let leads = own.leads();
            match (own.work, own.dispatch()) {
                (LeadWork::Lines { .. }, Dispatch::Sequential) => {
                    (Box::new(Lead::on_lines(s, own, 1, n)), Team { budgets_per_line: n, ..team(1, leads, 1) })
                }
                (LeadWork::Lines { .. }, _) => (Box::new(Lead::on_lines(s, own, n, 1)), team(n, leads, n)),
                (LeadWork::Subtasks { .. }, dispatch) => {
                    let workers = if dispatch == Dispatch::Sequential { 1 } else { n };
                    (Box::new(Lead::on_subtasks(s, own, workers)), team(workers, leads, 1))
                }
            }
        }
    }
}
