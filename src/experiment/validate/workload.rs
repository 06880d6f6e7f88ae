//! The hidden truth of a workload, what sharing does, lengths of calls.

use super::{Judge, MOST_SUBTASKS, key};
use crate::experiment::faults::{Fault, KeyPath};
use crate::experiment::scenario::Scenario;
use crate::kernel::Law;
use crate::model::call::Purpose;
use crate::model::sharing::Sharing;
use crate::model::workload::recorded::RecordedForm;
use crate::model::workload::search::Success;
use crate::model::workload::{DivideSpec, RecordedSpec, SearchSpec, WorkloadSpec};

/// Parts of the world that this scenario does not read: endpoints that serve nobody, and how sharing acts on another
/// workload. Whoever loaded the scenario knows whether they are written, and by whom.
pub(in crate::experiment) fn unread_world(s: &Scenario) -> Vec<Fault> {
    let endpoint = |name: &str| {
        let mend = "name it in [roles] or [worker_roles] or as a policy's lead_endpoint or verifier_endpoint, or leave it \
                    out; `tune` and `compare --equal` try it as both";
        Fault::new(key("endpoints").with(name), "serves nobody: no role and no policy names it", mend)
    };
    let idle = s.idle_endpoints().into_iter().map(endpoint);
    let (others, reader) = match &s.workload {
        WorkloadSpec::Search(_) => (Sharing::ON_DIVIDE.to_vec(), "divide"),
        WorkloadSpec::Divide(_) => (Sharing::ON_SEARCH.to_vec(), "search"),
        WorkloadSpec::Recorded(_) => {
            let all = [Sharing::ON_SEARCH, Sharing::ON_DIVIDE, Sharing::ON_DRAWN_WORK].concat();
            (all, "drawn and not recorded")
        }
    };
    let sharing = others.into_iter().map(|name| {
        let mend = format!("it acts where the workload is `{reader}`; leave it out here");
        Fault::new(key("sharing").with(name), "is not read by this workload", mend)
    });
    idle.chain(sharing).collect()
}

impl Judge {
    pub(super) fn workload(&mut self, workload: &WorkloadSpec) {
        match workload {
            WorkloadSpec::Search(spec) => self.search(spec),
            WorkloadSpec::Divide(spec) => self.divide(spec),
            WorkloadSpec::Recorded(spec) => self.recorded(spec),
        }
    }

    /// Work of recorded runs: something to do, dependencies on earlier subtasks, times that are times.
    fn recorded(&mut self, w: &RecordedSpec) {
        let at = key("workload.recorded.instances");
        if w.instances.is_empty() {
            self.fault(at, "holds no run", "make it with `delm-sim replay --mode counterfactual FILE`");
            return;
        }
        for (i, instance) in w.instances.iter().enumerate() {
            let at = at.at(i);
            let steps = || instance.calls.iter().filter(|c| c.purpose == Purpose::Step && c.answer.is_some());
            if steps().next().is_none() || (w.form == RecordedForm::Divide && instance.subtasks.is_empty()) {
                self.fault(at, "has nothing to do", "leave the run out");
                continue;
            }
            let count = instance.subtasks.len() as u32;
            if instance.dependencies.iter().any(|[subtask, on]| *subtask >= count || on >= subtask) {
                let mend = "write [subtask, waits for] with the second smaller";
                self.fault(at.with("dependencies"), "names a subtask that is not there or comes later", mend);
                continue;
            }
            if instance.calls.iter().any(|c| !(0.0..=1e9).contains(&c.service_s)) {
                self.fault(at.with("calls"), "holds a time outside [0, 1e9] s", "write seconds");
            }
            if instance.calls.iter().any(|c| c.answer.as_ref().is_some_and(|a| !a.fits(c.purpose))) {
                self.fault(at.with("calls"), "holds an answer that is none to its purpose", "leave the answer out");
            }
        }
        self.count(key("workload.recorded.tasks"), w.tasks, 1_000_000);
    }

    pub(super) fn search(&mut self, w: &SearchSpec) {
        let at = |name: &str| key("workload.search").with(name);
        let success = |form: &str, name: &str| at("success").with(form).with(name);
        match w.success {
            Success::Beta { a, b } => {
                for (name, x) in [("a", a), ("b", b)] {
                    if x <= 0.0 || x > 1e6 {
                        self.bad(success("beta", name), x, "must be above 0", "write a shape of a Beta law");
                    }
                }
            }
            Success::HypothesisCount { mu, sigma } => {
                let place = |name| success("hypothesis-count", name);
                self.within(place("mu"), mu, -50.0, 50.0, "write the mean of ln(H/K)");
                self.within(place("sigma"), sigma, 0.0, 50.0, "write the deviation of ln(H/K)");
            }
            Success::Fixed { p } => self.probability(success("fixed", "p"), p),
            Success::Weights { wrong, solution } => {
                let place = |name| success("weights", name);
                self.within(place("wrong"), wrong.into(), 0.0, 1e6, "write fewer hypotheses");
                self.amount(place("solution"), solution);
                if wrong == 0 && solution == 0.0 {
                    self.fault(at("success"), "leaves nothing to try", "give the solution a weight");
                }
            }
        }
        if w.attraction_exponent != 0.0 && !matches!(w.success, Success::Weights { .. }) {
            let mend = "write success = { weights = .. }, or leave it out";
            self.fault(at("attraction_exponent"), "acts only with stated weights", mend);
        }
        self.within(at("attraction_exponent"), w.attraction_exponent, 0.0, 20.0, "write an exponent");
        for (name, n) in [
            ("hypotheses_per_budget", w.hypotheses_per_budget),
            ("hypotheses_per_delegation", w.hypotheses_per_delegation),
            ("max_hypotheses", w.max_hypotheses),
        ] {
            self.count(at(name), n, 1_000_000);
        }
        if w.max_hypotheses < w.hypotheses_per_budget {
            let wrong = "is below hypotheses_per_budget";
            self.fault(at("max_hypotheses"), wrong, "raise it, 4096 is usual");
        }
        for (name, x) in [
            ("unsolvable_share", w.unsolvable_share),
            ("reorientation_share", w.reorientation_share),
            ("facts_per_dead_end", w.facts_per_dead_end),
            ("tool_share", w.tool_share),
        ] {
            self.probability(at(name), x);
        }
        for (name, law) in [
            ("orientation_steps", &w.orientation_steps),
            ("steps_per_hypothesis", &w.steps_per_hypothesis),
            ("finishing_steps", &w.finishing_steps),
            ("adoption_steps", &w.adoption_steps),
            ("completion_tokens", &w.completion_tokens),
            ("observation_tokens", &w.observation_tokens),
        ] {
            self.law(at(name), law);
        }
        self.sigma(at("size_sigma"), w.size_sigma);
        self.sigma(at("line_sigma"), w.line_sigma);
        self.amount(at("tokens_per_detail"), w.tokens_per_detail);
        self.within(at("wrong_answers"), w.wrong_answers.into(), 0.0, 1e6, "0 lets each line be wrong in its own way");
        self.within(at("note_tokens"), w.note_tokens.into(), 0.0, 1e8, "write tokens");
        self.within(at("patch_note_tokens"), w.patch_note_tokens.into(), 0.0, 1e8, "write tokens");
    }

    pub(super) fn divide(&mut self, w: &DivideSpec) {
        let at = |name: &str| key("workload.divide").with(name);
        for (name, law) in [
            ("subtasks", &w.subtasks),
            ("second_wave", &w.second_wave),
            ("steps_per_subtask", &w.steps_per_subtask),
            ("source_tokens", &w.source_tokens),
            ("completion_tokens", &w.completion_tokens),
            ("observation_tokens", &w.observation_tokens),
            ("result_tokens", &w.result_tokens),
            ("unfolded_tokens", &w.unfolded_tokens),
        ] {
            self.law(at(name), law);
        }
        for (name, law) in [("subtasks", &w.subtasks), ("second_wave", &w.second_wave)] {
            if law.mean() > MOST_SUBTASKS {
                self.bad(at(name), law.mean(), "must not be above 1e7 on average", "write fewer");
            }
        }
        self.whole(&at("subtasks"), &w.subtasks, 1.0);
        self.whole(&at("second_wave"), &w.second_wave, 0.0);
        self.whole(&at("source_tokens"), &w.source_tokens, 0.0);
        if w.subtask_sigma == 0.0 {
            self.whole(&at("steps_per_subtask"), &w.steps_per_subtask, 1.0);
        }
        for (name, x) in [
            ("answerable", w.answerable),
            ("guess", w.guess),
            ("unsupported", w.unsupported),
            ("tool_share", w.tool_share),
        ] {
            self.probability(at(name), x);
        }
        self.within(at("facts_needed"), w.facts_needed.into(), 0.0, 64.0, "at most 64 details are told apart");
        self.within(at("wrong_answers"), w.wrong_answers.into(), 0.0, 1e6, "0 lets each be wrong in its own way");
        self.within(at("fan_in"), w.fan_in.into(), 0.0, 1e6, "write fewer");
        self.sigma(at("subtask_sigma"), w.subtask_sigma);
        self.amount(at("retention_ktokens"), w.retention_ktokens);
        self.amount(at("tokens_per_detail"), w.tokens_per_detail);
        if !w.dependencies.is_empty() {
            self.dependencies(w);
        }
    }

    /// A count that is the same each time: a fraction of it is a slip. Laws that vary are rounded draw by draw.
    fn whole(&mut self, key: &KeyPath, law: &Law, least: f64) {
        let Law::Constant(x) = *law else { return };
        let key = key.with("constant");
        self.no_fraction(key.clone(), x);
        if x < least {
            self.bad(key, x, &format!("must be at least {least}"), "write a whole number in that range");
        }
    }

    pub(super) fn dependencies(&mut self, w: &DivideSpec) {
        let at = key("workload.divide.dependencies");
        let (Law::Constant(first), Law::Constant(second)) = (&w.subtasks, &w.second_wave) else {
            let wrong = "explicit dependencies need a fixed number of subtasks";
            return self.fault(at, wrong, "write subtasks and second_wave as { constant = .. }");
        };
        let count = (libm::round(*first).max(1.0) + libm::round(second.max(0.0))) as u32;
        let mut sound = true;
        for (i, pair) in w.dependencies.iter().enumerate() {
            for (j, &subtask) in pair.iter().enumerate() {
                if subtask >= count {
                    sound = false;
                    let wrong = format!("there are {count} subtasks, numbered 0 to {}", count.saturating_sub(1));
                    self.bad(at.at(i).at(j), subtask, &wrong, "name one of them, or raise subtasks");
                }
            }
        }
        if sound && let Some(cycle) = cycle(&w.dependencies) {
            let names: Vec<String> = cycle.iter().map(ToString::to_string).collect();
            let wrong = format!("form a cycle: {}", names.join(" waits for "));
            self.fault(at, wrong, "remove one of these pairs");
        }
    }

    pub(super) fn coordination(&mut self, s: &Scenario) {
        let c = &s.sharing;
        for (name, x) in [
            ("respect", c.respect),
            ("own_line_trust", c.own_line_trust),
            ("adoption", c.adoption),
            ("false_adoption_ratio", c.false_adoption_ratio),
            ("wrong_note", c.wrong_note),
            ("herding", c.herding),
            ("true_positive_rate", c.true_positive_rate),
            ("false_positive_rate", c.false_positive_rate),
            ("feedback_gain", c.feedback_gain),
            ("verifier_worker_error_correlation", c.verifier_worker_error_correlation),
            ("retry_keeps", c.retry_keeps),
            ("contagion", c.contagion),
            ("misleads", c.misleads),
            ("unfold_recovery", c.unfold_recovery),
            ("notice", c.notice),
        ] {
            self.probability(key("sharing").with(name), x);
        }
        self.within(key("sharing.fact_gain"), c.fact_gain, 0.0, 1e3, "write a share");
        self.within(key("sharing.length_loss_per_ktoken"), c.length_loss_per_ktoken, 0.0, 1e3, "write a share");
        let z = &s.sizes;
        for (name, law) in [
            ("plan_tokens", &z.plan_tokens),
            ("merge_tokens", &z.merge_tokens),
            ("verify_tokens", &z.verify_tokens),
            ("unfold_tokens", &z.unfold_tokens),
            ("more_tokens", &z.more_tokens),
            ("finalize_tokens", &z.finalize_tokens),
        ] {
            self.law(key("sizes").with(name), law);
        }
    }
}

/// A cycle of dependencies `[subtask, waits for]`, its first member repeated at the end.
fn cycle(dependencies: &[[u32; 2]]) -> Option<Vec<u32>> {
    // Only what is named takes memory, whatever the number of subtasks is said to be.
    let mut named: Vec<u32> = dependencies.iter().flatten().copied().collect();
    named.sort_unstable();
    named.dedup();
    let place = |subtask: &u32| named.binary_search(subtask).expect("every subtask was collected") as u32;
    let mut waits: Vec<Vec<u32>> = vec![Vec::new(); named.len()];
    for [subtask, on] in dependencies {
        waits[place(subtask) as usize].push(place(on));
    }
    // 0: not met; 1: on the path; 2: done.
    let mut state = vec![0_u8; named.len()];
    for start in 0..named.len() as u32 {
        let mut path: Vec<(u32, usize)> = vec![(start, 0)];
        if state[start as usize] != 0 {
            continue;
        }
        state[start as usize] = 1;
        while let Some((subtask, next)) = path.last_mut() {
            let Some(&on) = waits[*subtask as usize].get(*next) else {
                state[*subtask as usize] = 2;
                path.pop();
                continue;
            };
            *next += 1;
            match state[on as usize] {
                0 => {
                    state[on as usize] = 1;
                    path.push((on, 0));
                }
                1 => {
                    let from = path.iter().position(|(s, _)| *s == on).expect("on the path");
                    let mut cycle: Vec<u32> = path[from..].iter().map(|(s, _)| named[*s as usize]).collect();
                    cycle.push(named[on as usize]);
                    return Some(cycle);
                }
                _ => {}
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_are_found_and_named() {
        assert_eq!(cycle(&[[1, 0], [2, 1], [2, 0]]), None);
        assert_eq!(cycle(&[[0, 1], [1, 2], [2, 1]]), Some(vec![1, 2, 1]));
        assert_eq!(cycle(&[[0, 0]]), Some(vec![0, 0]));
    }

    #[test]
    fn far_away_subtasks_take_no_memory() {
        assert_eq!(cycle(&[[u32::MAX, 7], [7, u32::MAX]]), Some(vec![7, u32::MAX, 7]));
    }

    #[test]
    fn a_long_chain_needs_no_stack() {
        let chain: Vec<[u32; 2]> = (1..200_000).map(|i| [i - 1, i]).collect();
        assert_eq!(cycle(&chain), None);
    }
}
