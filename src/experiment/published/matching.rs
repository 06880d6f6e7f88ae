//! Which settings a published coordination is, and which points of a scenario somebody has published a run of. A point
//! that matches no row is marked as an extrapolation wherever it is shown.
//!
//! Invariant: a policy is matched by its resolved settings, never by its name.

use super::rows::{Kind, ROWS, Row, Team, Value, Way};
use crate::model::Limit;
use crate::model::workload::WorkloadSpec;
use crate::model::workload::search::Success;
use crate::policy::Settings;
use crate::policy::settings::{
    Barrier, Control, Coordination, Dispatch, Finish, Gate, LeadWork, Mechanisms, Store, Telling,
};

/// Whether a lead hands work out like this, waits for all whom it sent, and retells to its workers what no gate has seen.
fn relays(m: Mechanisms, s: &Settings, dispatch: Dispatch) -> bool {
    let Coordination::Lead(lead) = &s.coordination else { return false };
    let reports = match lead.work {
        LeadWork::Lines { report, .. } | LeadWork::Subtasks { telling: Telling::Report(report), .. } => Some(report),
        LeadWork::Subtasks { .. } => None,
    };
    (m.store, m.gate) == (Store::Relay, Gate::None)
        && lead.dispatch() == dispatch
        && lead
            .round()
            .is_some_and(|round| round.barrier == Barrier::All && (round.merge || dispatch == Dispatch::Sequential))
        // The sequential lead has each delegate's report written by a call.
        && reports.is_some_and(|report| report.report_call == (dispatch == Dispatch::Sequential))
}

/// The parallel rival that DeLM's authors built: a lead that briefs all its workers at once, waits for all and merges.
pub(in crate::experiment) fn is_scatter_gather(s: &Settings) -> bool {
    Way::ScatterGather.is(s)
}

/// Attempts without any coordination, as many as the team has members.
pub(in crate::experiment) fn is_independent(s: &Settings) -> bool {
    s.team == Some(Limit::Unlimited) && Way::Independent.is(s)
}

impl Way {
    /// Whether settings are this coordination.
    pub(super) fn is(self, s: &Settings) -> bool {
        let Some(m) = s.mechanisms() else { return false };
        let alone = s.run_workers == Some(Limit::At(1.0));
        // Whoever picks one of several submissions, or splits a team otherwise, is another system.
        if s.pick.is_some() || s.run_workers.is_some_and(|most| most != Limit::Unlimited) && !alone {
            return false;
        }
        if alone {
            return self == Self::AttemptsInTurn && relays(m, s, Dispatch::Sequential);
        }
        let is_pooled = matches!(&s.coordination, Coordination::Threads(threads) if threads.is_pooled());
        match self {
            Self::Independent => m.control == Control::None && m.store == Store::None && !is_pooled,
            Self::BoardThreads => m.control == Control::None && m.store == Store::Shared && m.gate == Gate::Rule,
            Self::LeadInTurn => relays(m, s, Dispatch::Sequential),
            Self::ScatterGather => relays(m, s, Dispatch::Parallel),
            Self::GistQueue => {
                (m.store, m.gate, m.finish) == (Store::Shared, Gate::Llm, Finish::Last)
                    && matches!(&s.coordination, Coordination::Queue(queue) if queue.unfold)
            }
            Self::AttemptsInTurn | Self::None(_) => false,
        }
    }

    /// The coordination that a policy must be for attempts at it to be this one.
    pub(super) fn of_attempts(self) -> Option<Self> {
        (self == Self::AttemptsInTurn).then_some(Self::LeadInTurn)
    }
}

/// The workload whose rows a scenario's can be; a recorded one is nobody's published set.
pub(super) fn kind(workload: &WorkloadSpec) -> Option<Kind> {
    match workload {
        WorkloadSpec::Search(_) => Some(Kind::Search),
        WorkloadSpec::Divide(_) => Some(Kind::Divide),
        WorkloadSpec::Recorded(_) => None,
    }
}

/// Whether issues are of mixed difficulty, as those of a set are; nobody published runs of a made-up issue.
pub(super) fn is_a_set(workload: &WorkloadSpec) -> bool {
    !matches!(workload, WorkloadSpec::Search(spec) if matches!(spec.success, Success::Fixed { .. } | Success::Weights { .. }))
}

/// Workers that a policy has when it may have so many.
pub(super) fn workers(settings: &Settings, agents: u32) -> u32 {
    settings.team.and_then(Limit::whole).map_or(agents, |most| agents.min(most as u32))
}

/// Whether a row shows that its coordination was run at its size: the size is told, the number exists.
fn shows_a_run(row: &Row) -> bool {
    let exists = matches!(row.published, Value::Stated(_) | Value::HeldOut);
    exists && matches!(row.team, Team::Told(_)) && row.change.is_empty()
}

/// Whether somebody has published a run of this coordination at this size.
pub(in crate::experiment) fn is_published(workload: &WorkloadSpec, settings: &Settings, agents: u32) -> bool {
    let agents = workers(settings, agents);
    let Some(kind) = kind(workload).filter(|_| is_a_set(workload)) else { return false };
    let shown = ROWS.iter().filter(|row| row.workload == kind && shows_a_run(row) && row.team.size() == agents);
    shown.map(|row| row.way).any(|way| way.is(settings))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{Overrides, Scenario};

    #[test]
    fn a_point_is_published_by_what_it_is_and_not_by_its_name() {
        let load = |set: &[&str]| {
            let set = set.iter().map(|s| (*s).to_owned()).collect();
            Scenario::load("swe-verified", &Overrides { set, ..Overrides::default() }).expect("it loads")
        };
        let is =
            |s: &Scenario, policy: &str, n| is_published(&s.workload, &s.settings(policy).expect("it is there"), n);
        let plain = load(&[]);
        for (policy, agents) in
            [("delm-solvers", 2), ("delm-solvers", 4), ("independent", 4), ("orchestrator-sequential", 1)]
        {
            assert!(is(&plain, policy, agents), "{policy} {agents}");
        }
        for (policy, agents) in
            [("delm-solvers", 8), ("delm-solvers", 1), ("orchestrator-sequential", 4), ("orchestrator-async", 2)]
        {
            assert!(!is(&plain, policy, agents), "{policy} {agents}");
        }
        for (policy, n) in [("single-long", 2), ("single-long", 4)] {
            assert!(!is(&plain, policy, n), "{policy}: all budgets in one hand are no repeated attempts");
        }
        let attempts = plain.settings("independent-of(orchestrator-sequential)").unwrap();
        assert!(Way::AttemptsInTurn.is(&attempts) && !Way::LeadInTurn.is(&attempts));
        let other = load(&["policy.delm-solvers.gate=\"llm\""]);
        assert!(!is(&other, "delm-solvers", 2), "another gate is another system");
        for change in ["barrier=\"any\"", "merge=false", "report_call=true", "dispatch=\"async\"", "store=\"shared\""] {
            let other = load(&[&format!("policy.orchestrator-parallel.{change}")]);
            assert!(!is(&other, "orchestrator-parallel", 4), "{change}");
            assert!(!is_scatter_gather(&other.settings("orchestrator-parallel").unwrap()), "{change}");
        }
        assert!(
            is(&plain, "orchestrator-parallel", 4)
                && is_scatter_gather(&plain.settings("orchestrator-parallel").unwrap())
        );
        assert!(is_independent(&plain.settings("independent").unwrap()));
        assert!(!is_independent(&plain.settings("single").unwrap()), "one attempt is no team");
        assert!(!is(&load(&["workload.search.success={fixed={p=0.5}}"]), "independent", 4));
    }
}
