//! Policies: names, workloads they run on, settings, baseline, protocol differences.

use super::{Judge, MOST, MOST_AGENTS, key};
use crate::experiment::faults::{Fault, nearest};
use crate::experiment::scenario::{Scenario, attempts_at};
use crate::policy::Entry;
use crate::policy::settings::{Barrier, Draft, Settings, Work, holds, readers};
use serde_json::json;

impl Judge {
    pub(super) fn policies(&mut self, s: &Scenario) {
        if s.policies.is_empty() {
            self.fault(key("policies"), "lists no policy", "`delm-sim list` shows all");
        }
        self.distinct(&key("policies"), &s.policies);
        let work = Work::of(&s.workload);
        for (i, name) in s.policies.iter().enumerate() {
            let key = key("policies").at(i);
            match s.entry(name) {
                Err(unknown) => self.fault(key, unknown, "`delm-sim list` shows all"),
                Ok(entry) if !entry.runs_on(work) => {
                    let kind = if work == Work::Search { "search" } else { "divide" };
                    let fit = s.catalog.entries().iter().filter(|e| e.runs_on(work));
                    let fit: Vec<&str> = fit.map(|e| &*e.name).collect();
                    let wrong = format!("does not run on a `{kind}` workload");
                    self.fault(key, wrong, format!("these do: {}", fit.join(", ")));
                }
                Ok(entry) => self.settings(s, name, entry),
            }
        }
        for name in s.policy.keys().filter(|name| !s.policies.contains(name)) {
            if let Some(entry) = s.entry(name).ok().filter(|entry| entry.runs_on(work)) {
                self.settings(s, name, entry);
            }
        }
        if s.baseline != "best-central" && !s.policies.contains(&s.baseline) {
            let near = nearest(&s.baseline, s.policies.iter().map(String::as_str));
            let mend = format!(
                "name one of {}, or best-central{}",
                s.policies.join(", "),
                near.map_or(String::new(), |n| format!(" (did you mean {n}?)"))
            );
            self.fault(key("baseline"), "is not among the policies", mend);
        }
        for (name, own) in &s.policy {
            let path = key("policy").with(name);
            if attempts_at(name).is_none() {
                self.name(path.clone(), name, "a policy's name");
            }
            if let Err(unknown) = s.entry(name) {
                let based = own.contains_key("based_on");
                let path = if based { path.with("based_on") } else { path };
                if based && let Some(inner) = attempts_at(s.base_of(name)) {
                    let wrong = format!("names attempts at \"{inner}\"; it takes a policy of the catalogue");
                    self.fault(path, wrong, format!("write based_on = \"{inner}\" and run_workers = 1"));
                } else if based && s.policy.contains_key(s.base_of(name)) {
                    let wrong = format!(
                        "names \"{}\", a policy of this scenario; it takes one of the catalogue",
                        s.base_of(name)
                    );
                    self.fault(path, wrong, "name what that one is based on, and repeat its settings");
                } else {
                    let mend = "name a policy of the catalogue, or say which one it is based on: based_on = \"..\"";
                    self.fault(path, unknown, mend);
                }
            }
        }
        for (name, protocol) in &s.protocol {
            let path = key("protocol").with(name);
            if let Err(unknown) = s.entry(name) {
                self.fault(path.clone(), unknown, "name a policy of this scenario");
            }
            for (factor, x) in [("quality", protocol.quality), ("cost", protocol.cost), ("latency", protocol.latency)] {
                if x <= 0.0 || x > 1e6 {
                    self.bad(path.with(factor), x, "must be above 0", "1 means no difference");
                }
            }
        }
    }

    /// Keys that are written for one policy and that its point does not read.
    fn unread(&mut self, s: &Scenario, policy: &str, draft: &Draft, settings: &Settings) {
        let keys = settings.keys();
        for (name, value) in s.own(policy).map(|(name, value)| (name, json!(value))) {
            if holds(&keys, name, &value) {
                continue;
            }
            let wrong = match keys.get(name) {
                Some(held) => format!("does not act here: this policy comes to {name} = {held}"),
                None => "is not read by this policy".to_owned(),
            };
            let mend = advice(readers(draft, name, &value));
            self.fault(key("policy").with(policy).with(name), wrong, mend);
        }
    }

    /// The resolved settings of a policy; a fault stands under the key that set the value.
    pub(super) fn settings(&mut self, s: &Scenario, policy: &str, entry: &Entry) {
        let at = |setting: &str| {
            let own = s.policy.get(policy).is_some_and(|t| t.contains_key(setting));
            if !own && s.all_policies.contains_key(setting) {
                key("all_policies").with(setting)
            } else {
                key("policy").with(policy).with(setting)
            }
        };
        let set = match s.draft(policy) {
            Ok(draft) => draft,
            Err(wrong) => {
                let key = key("policy").with(policy);
                return self.fault(key, wrong, "see `delm-sim schema`");
            }
        };
        match entry.settle(&set, Work::of(&s.workload)) {
            Ok(settings) => self.unread(s, policy, &set, &settings),
            Err(wrong) => self.fault(at(wrong.key), wrong.why, wrong.mend),
        }
        match set.barrier {
            Barrier::KOfN { k } => {
                self.count(at("barrier").with("k-of-n").with("k"), k, MOST_AGENTS);
            }
            Barrier::Timeout { seconds } if seconds <= 0.0 || seconds > MOST => {
                let key = at("barrier").with("timeout").with("seconds");
                self.bad(key, seconds, "must be above 0", "write seconds");
            }
            _ => {}
        }
        for (setting, served) in [("lead_endpoint", &set.lead_endpoint), ("verifier_endpoint", &set.verifier_endpoint)]
        {
            if let Some(endpoint) = served.endpoint() {
                self.is_endpoint(s, at(setting), endpoint);
            }
        }
        self.whole_limit(at("team"), set.team);
        self.whole_limit(at("run_workers"), set.run_workers);
        self.count(at("leads"), set.leads, MOST_AGENTS);
        self.count(at("max_delegations"), set.max_delegations, 1_000_000);
        self.count(at("max_steps"), set.max_steps, 1_000_000);
        self.span_limit(at("deadline_s"), set.deadline_s);
        self.amount(at("stagger_s"), set.stagger_s);
        self.amount(at("append_s"), set.append_s);
        for (name, tokens) in [
            ("instructions_tokens", set.instructions_tokens),
            ("task_tokens", set.task_tokens),
            ("delegation_tokens", set.delegation_tokens),
            ("report_tokens", set.report_tokens),
            ("brief_tokens", set.brief_tokens),
            ("reference_tokens", set.reference_tokens),
            ("candidate_tokens", set.candidate_tokens),
            ("gist_tokens", set.gist_tokens),
            ("digest_tokens", set.digest_tokens),
            ("memory_digest_tokens", set.memory_digest_tokens),
        ] {
            self.within(at(name), tokens.into(), 0.0, 1e8, "write tokens");
        }
        for (name, limit) in [
            ("board_window_tokens", set.board_window_tokens),
            ("planner_window_tokens", set.planner_window_tokens),
            ("window_tokens", set.window_tokens),
            ("memory_steps", set.memory_steps),
        ] {
            self.whole_limit(at(name), limit);
        }
        if let Some(most) = set.memory_steps.at()
            && f64::from(set.keep_steps) >= most
        {
            let wrong = format!("is not below memory_steps ({most}): compacting would never make room");
            self.bad(at("keep_steps"), set.keep_steps, &wrong, "keep fewer steps, or remember more");
        }
        let fixed = f64::from(set.instructions_tokens) + f64::from(set.task_tokens);
        let least = fixed + f64::from(set.digest_tokens);
        if let Some(window) = set.window_tokens.at()
            && window < least
        {
            let wrong = format!("is below instructions, task and digest together ({least} tokens)");
            self.bad(at("window_tokens"), window, &wrong, "widen the window or shorten them");
        }
    }
}

/// What is written for all policies and read by none of them. Whoever loaded the scenario knows whether that is a fault.
pub(in crate::experiment) fn read_by_none(s: &Scenario) -> Vec<Fault> {
    let Some(draft) = s.policies.iter().find_map(|policy| s.draft(policy).ok()) else { return Vec::new() };
    let fault = |name: String| {
        let mend = advice(readers(&draft, &name, &json!(s.all_policies[&name])));
        Fault::new(key("all_policies").with(&name), "is read by no policy of this scenario", mend)
    };
    s.unread_by_all().into_iter().map(fault).collect()
}

/// What to do about a setting that is not read.
fn advice(readers: Option<String>) -> String {
    match readers {
        Some(readers) if !readers.is_empty() => format!("it acts where {readers}; leave it out here"),
        _ => "leave it out".to_owned(),
    }
}
