//! What has been published: which coordination, on which workload, at which team sizes, and where. A point that matches no
//! row is marked as an extrapolation wherever it is shown.

use crate::model::Limit;
use crate::model::workload::WorkloadSpec;
use crate::model::workload::search::Success;
use crate::policy::Settings;
use crate::policy::settings::{
    Barrier, Control, Coordination, Dispatch, Finish, Gate, LeadWork, Mechanisms, Store, Telling,
};

/// A published result's coordination.
struct Published {
    /// Whether settings are the published coordination.
    is: fn(&Mechanisms, &Settings) -> bool,
    /// On `search` (issues) or else on `divide` (questions).
    search: bool,
    /// Team sizes; empty where the source does not tell any.
    agents: &'static [u32],
    /// Source.
    #[allow(dead_code, reason = "a fact keeps its source beside it; tests print it")]
    source: &'static str,
}

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
pub(super) fn is_scatter_gather(s: &Settings) -> bool {
    s.mechanisms().is_some_and(|m| relays(m, s, Dispatch::Parallel))
}

/// Attempts without any coordination, as many as the team has members.
pub(super) fn is_independent(s: &Settings) -> bool {
    s.team == Some(Limit::Unlimited)
        && s.mechanisms().is_some_and(|m| m.control == Control::None && m.store == Store::None)
}

const PUBLISHED: &[Published] = &[
    Published {
        is: |m, _| m.control == Control::None && m.store == Store::None,
        search: true,
        agents: &[1, 2, 4],
        source: "Avg@1, Pass@2, Pass@4 of mini-SWE-agent and AOrchestra (DeLM v1 paper, Table 1)",
    },
    Published {
        is: |m, _| m.control == Control::None && m.store == Store::Shared && m.gate == Gate::Rule,
        search: true,
        agents: &[2, 4],
        source: "DeLM on SWE-bench Verified, n = 2 and 4 (DeLM v1 paper, Table 1; project page)",
    },
    Published {
        is: |m, s| relays(*m, s, Dispatch::Sequential),
        search: true,
        agents: &[1],
        source: "AOrchestra (DeLM v1 paper, Table 1); its Pass@k rows are k independent runs, not a team of k",
    },
    Published {
        is: |m, s| relays(*m, s, Dispatch::Parallel),
        search: true,
        agents: &[2, 4],
        source: "AOrchestra-Parallel (DeLM v1 paper, Table 1)",
    },
    Published {
        is: |m, _| m.control == Control::None && m.store == Store::None,
        search: false,
        agents: &[1],
        source: "base model on LongBench-v2 Multi-Doc QA (DeLM v1 paper, Table 2)",
    },
    Published {
        is: |m, s| {
            (m.store, m.gate, m.finish) == (Store::Shared, Gate::Llm, Finish::Last)
                && matches!(&s.coordination, Coordination::Queue(queue) if queue.unfold)
        },
        search: false,
        agents: &[],
        source: "DeLM on LongBench-v2 Multi-Doc QA (DeLM v1 paper, Table 2); its number of agents is not told",
    },
];

/// Whether somebody has published a run of this coordination at this size.
pub(super) fn is_published(workload: &WorkloadSpec, settings: &Settings, agents: u32) -> bool {
    let search = match workload {
        // A set of issues is of mixed difficulty; nobody published runs of a made-up issue.
        WorkloadSpec::Search(spec) if matches!(spec.success, Success::Fixed { .. } | Success::Weights { .. }) => {
            return false;
        }
        workload => matches!(workload, WorkloadSpec::Search(_)),
    };
    let agents = settings.team.and_then(Limit::whole).map_or(agents, |most| agents.min(most as u32));
    let recorded = matches!(workload, WorkloadSpec::Recorded(_));
    let Some(mechanisms) = settings.mechanisms().filter(|_| !recorded) else { return false };
    PUBLISHED.iter().any(|p| p.search == search && p.agents.contains(&agents) && (p.is)(&mechanisms, settings))
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
        assert!(PUBLISHED.iter().all(|p| !p.source.is_empty()));
    }
}
