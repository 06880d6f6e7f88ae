//! The catalogue: named policies, each a point of control x store x gate x finish, and whatever a user adds to them.
//!
//! Invariant: a name stands for one policy; what a policy is follows from its entry, never from its name.

use super::control::{lead::Lead, pick::Picker, queue::Queue, runs, solo::Solo, threads::Threads};
use super::protocol::Policy;
use super::settings::{
    Barrier, BoardPlace, Control, Coordination, Dispatch, Draft, DryPolicy, Finish, Form, Gate, LeadWork, NoSuchPoint,
    ServedBy, Settings, Store, Work,
};
use crate::model::Limit;
use crate::model::workload::Team;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Makes policies of a user's own. `docs/own-policy.md` tells what such a policy owes.
pub trait Factory: Send + Sync {
    /// One sentence, for lists.
    fn summary(&self) -> &str;

    /// Whether it knows this kind of work.
    fn runs_on(&self, work: Work) -> bool;

    /// What kind of coordination it is; verdicts compare kinds.
    fn form(&self) -> Form;

    /// A policy for one task and `n` workers, and the team that it uses. Agents are numbered: workers, then leads.
    fn build(&self, settings: &Arc<Settings>, work: Work, n: u32) -> (Box<dyn Policy>, Team);
}

/// What the catalogue says of a policy.
#[derive(Clone)]
pub struct Entry {
    /// Name in scenarios.
    pub name: Cow<'static, str>,
    make: Make,
}

#[derive(Clone)]
enum Make {
    Named(Named),
    Own(Arc<dyn Factory>),
}

/// A named point.
#[derive(Clone, Copy)]
struct Named {
    name: &'static str,
    summary: &'static str,
    search: bool,
    divide: bool,
    /// Changes to the common defaults.
    change: fn(&mut Draft),
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", self.name)
    }
}

impl Entry {
    /// One sentence.
    pub fn summary(&self) -> &str {
        match &self.make {
            Make::Named(named) => named.summary,
            Make::Own(factory) => factory.summary(),
        }
    }

    /// Whether it runs on this kind of work.
    pub fn runs_on(&self, work: Work) -> bool {
        match (&self.make, work) {
            (Make::Named(named), Work::Search) => named.search,
            (Make::Named(named), Work::Divide) => named.divide,
            (Make::Own(factory), work) => factory.runs_on(work),
        }
    }

    /// All settings before a scenario changes any.
    pub fn draft(&self) -> Draft {
        let mut draft = common();
        if let Make::Named(named) = &self.make {
            (named.change)(&mut draft);
        }
        draft
    }

    /// The point that a draft of this policy comes to. A user's own policy reads what all forms share.
    ///
    /// # Errors
    /// There is no such point.
    pub fn settle(&self, draft: &Draft, work: Work) -> Result<Settings, NoSuchPoint> {
        match &self.make {
            Make::Named(_) => draft.settle(work),
            Make::Own(factory) => Ok(draft.settle_own(factory.form())),
        }
    }

    /// The policy of a settled point, for one task and a team of `n`, and the team that it uses.
    pub fn build(&self, settings: &Arc<Settings>, work: Work, n: u32) -> (Box<dyn Policy>, Team) {
        let n = settings.team.and_then(Limit::whole).map_or(n, |most| n.min(most as u32)).max(1);
        match &self.make {
            Make::Named(_) => point(settings, n),
            Make::Own(factory) => factory.build(settings, work, n),
        }
    }
}

/// Policies by name. The default holds the named ones; `with` adds to them.
///
/// ```
/// use delm_sim::policy::Catalog;
/// let catalog = Catalog::default();
/// assert!(catalog.entry("delm-queue").is_some());
/// ```
#[derive(Clone, Debug)]
pub struct Catalog {
    entries: Arc<Vec<Entry>>,
}

impl Default for Catalog {
    fn default() -> Self {
        let entry = |named: &Named| Entry { name: Cow::Borrowed(named.name), make: Make::Named(*named) };
        Self { entries: Arc::new(NAMED.iter().map(entry).collect()) }
    }
}

impl PartialEq for Catalog {
    fn eq(&self, other: &Self) -> bool {
        self.entries.iter().map(|e| &e.name).eq(other.entries.iter().map(|e| &e.name))
    }
}

impl Catalog {
    /// The catalogue with one more policy.
    ///
    /// # Panics
    /// The name is taken.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, factory: impl Factory + 'static) -> Self {
        let name = name.into();
        assert!(self.entry(&name).is_none(), "the catalogue has a policy \"{name}\" already; choose another name");
        Arc::make_mut(&mut self.entries).push(Entry { name: Cow::Owned(name), make: Make::Own(Arc::new(factory)) });
        self
    }

    /// All entries, those that were added last.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry for a name.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|e| e.name == name)
    }

    /// What to say of an unknown name.
    /// A scenario may have names of its own.
    pub fn unknown<'a>(&'a self, name: &str, own: impl Iterator<Item = &'a str>) -> String {
        let own = own.filter(|own| *own != name);
        let names: Vec<&str> = self.entries.iter().map(|e| &*e.name).chain(own).collect();
        let near = names.iter().copied().max_by(|a, b| strsim::jaro(a, name).total_cmp(&strsim::jaro(b, name)));
        format!("unknown policy \"{name}\"; did you mean \"{}\"? known: {}", near.unwrap_or("single"), names.join(", "))
    }
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
        run_workers: Limit::Unlimited,
        pool_budgets: false,
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
        reference_tokens: 20,
        candidate_tokens: 1000,
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
        lead_endpoint: ServedBy::Role,
        verifier_endpoint: ServedBy::Role,
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
const NAMED: &[Named] = &[
    Named {
        name: "single",
        summary: "one agent, one budget, its own memory",
        search: true,
        divide: true,
        change: |s| s.team = Limit::At(1.0),
    },
    Named {
        name: "independent",
        summary: "N agents that never hear of each other; each submits",
        search: true,
        divide: true,
        change: |_| {},
    },
    Named {
        name: "single-long",
        summary: "one agent with the budgets of all N, one after the other, and its own memory",
        search: true,
        divide: false,
        change: |s| s.pool_budgets = true,
    },
    Named {
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
    Named {
        name: "orchestrator-sequential",
        summary: "a lead delegates to one worker at a time and reads its report before the next (AOrchestra)",
        search: true,
        divide: true,
        change: |s| {
            lead(s, Dispatch::Sequential);
            s.report_call = true;
        },
    },
    Named {
        name: "orchestrator-serial",
        summary: "rounds; the lead briefs every worker by a call of its own before any starts",
        search: true,
        divide: true,
        change: |s| lead(s, Dispatch::Serial),
    },
    Named {
        name: "orchestrator-parallel",
        summary: "rounds; one call briefs all workers, a barrier collects them (scatter-gather)",
        search: true,
        divide: true,
        change: |s| lead(s, Dispatch::Parallel),
    },
    Named {
        name: "orchestrator-async",
        summary: "no rounds; every finished worker is served by the lead in order of arrival",
        search: true,
        divide: true,
        change: |s| lead(s, Dispatch::Async),
    },
    Named {
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
    Named {
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

/// The policy of a settled point: one run of the form or several side by side, and whoever picks from what they bring.
fn point(settings: &Arc<Settings>, n: u32) -> (Box<dyn Policy>, Team) {
    let most = settings.run_workers.and_then(Limit::whole).map_or(n, |most| (most as u32).clamp(1, n));
    let (policy, team) = if most < n {
        let sizes = (0..n.div_ceil(most)).map(|run| most.min(n - run * most));
        runs::side_by_side(sizes.map(|size| form(settings, size)).collect())
    } else {
        form(settings, n)
    };
    match settings.pick {
        Some(pick) => (Box::new(Picker::new(settings.clone(), pick, policy)), team),
        None => (policy, team),
    }
}

/// One run of a form with so many workers.
fn form(settings: &Arc<Settings>, n: u32) -> (Box<dyn Policy>, Team) {
    let s = settings.clone();
    let team = |workers, leads, lines| Team { workers, leads, lines, budgets_per_line: 1, quality: 1.0 };
    match &settings.coordination {
        Coordination::Own(_) => unreachable!("a named policy settles to a point of the space"),
        Coordination::Solo(own) => (Box::new(Solo::new(s, own, n)), team(n, 0, n)),
        Coordination::Threads(own) if own.is_pooled() => {
            (Box::new(Threads::new(s, own, 1, n)), Team { budgets_per_line: n, ..team(1, 0, 1) })
        }
        Coordination::Threads(own) => (Box::new(Threads::new(s, own, n, 1)), team(n, 0, n)),
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
