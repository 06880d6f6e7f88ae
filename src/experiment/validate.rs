//! Whether a scenario makes sense: ranges, names, references, cycles, size of the work. All faults at once.
//!
//! Invariant: a scenario without a fault here runs without a panic on its account.

use super::faults::{Fault, KeyPath, nearest};
use super::parameters::is_source_key;
use super::scenario::{FORMAT, Scenario};
use crate::kernel::Law;
use crate::model::Limit;
use crate::model::call::Purpose;
use crate::model::endpoint::EndpointSpec;
use crate::model::price::Rates;
use crate::model::workload::search::Success;
use crate::model::workload::{DivideSpec, SearchSpec, WorkloadSpec};
use crate::policy::catalog;
use crate::policy::settings::{Barrier, Control, Settings, Store};
use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::Arc;

/// Largest team.
pub const MOST_AGENTS: u32 = 1_000_000;
/// Most replications per cell.
pub const MOST_REPLICATIONS: u32 = 10_000_000;
/// Most agents over all runs of a scenario.
pub const MOST_AGENT_RUNS: f64 = 2e10;
/// Most subtasks of a task, on average.
const MOST_SUBTASKS: f64 = 1e8;
/// Nothing in a scenario is larger; beyond it integer time and money would saturate.
const MOST: f64 = 1e9;

/// All that is wrong with a scenario of the right shape. Faults carry no place: whoever loaded the scenario knows it.
pub fn validate(scenario: &Scenario) -> Vec<Fault> {
    let mut judge = Judge::default();
    judge.finite(scenario);
    judge.head(scenario);
    judge.policies(scenario);
    judge.workload(&scenario.workload);
    judge.coordination(scenario);
    for (name, endpoint) in &scenario.endpoints {
        judge.endpoint(name, endpoint);
    }
    judge.roles(scenario);
    judge.measurement(scenario);
    judge.sources(scenario);
    judge.work(scenario);
    judge.faults
}

fn key(path: &str) -> KeyPath {
    path.split('.').collect()
}

/// Collects faults.
#[derive(Default)]
struct Judge {
    faults: Vec<Fault>,
}

impl Judge {
    fn fault(&mut self, key: KeyPath, wrong: impl Into<String>, mend: impl Into<String>) {
        let fault = Fault::new(key, wrong, mend);
        // What is no number is told once.
        if !self
            .faults
            .iter()
            .any(|f| f.key.overlaps(&fault.key) && f.value == "nan")
        {
            self.faults.push(fault);
        }
    }

    fn bad(&mut self, key: KeyPath, value: impl Display, wrong: &str, mend: &str) {
        if !self.faults.iter().any(|f| f.key == key) {
            self.faults.push(Fault::new(key, wrong, mend).found(value));
        }
    }

    /// Infinities and what is no number, anywhere.
    fn finite(&mut self, scenario: &Scenario) {
        match toml::Value::try_from(scenario) {
            Ok(tree) => self.finite_in(&tree, &KeyPath::default()),
            Err(e) => self.fault(
                KeyPath::default(),
                format!("cannot be written as TOML ({e})"),
                "use numbers below 2^63",
            ),
        }
    }

    fn finite_in(&mut self, value: &toml::Value, path: &KeyPath) {
        match value {
            toml::Value::Float(x) if !x.is_finite() => {
                self.bad(path.clone(), x, "must be a finite number", "write a number");
            }
            toml::Value::Table(entries) => {
                for (key, value) in entries {
                    self.finite_in(value, &path.with(key));
                }
            }
            toml::Value::Array(values) => {
                for (i, value) in values.iter().enumerate() {
                    self.finite_in(value, &path.at(i));
                }
            }
            _ => {}
        }
    }

    fn within(&mut self, key: KeyPath, x: f64, low: f64, high: f64, mend: &str) {
        if x < low {
            self.bad(key, x, &format!("must not be below {low}"), mend);
        } else if x > high {
            self.bad(key, x, &format!("must not be above {high}"), mend);
        }
    }

    fn probability(&mut self, key: KeyPath, x: f64) {
        if !(0.0..=1.0).contains(&x) {
            self.bad(
                key,
                x,
                "must be between 0 and 1",
                "write a probability or share",
            );
        }
    }

    fn amount(&mut self, key: KeyPath, x: f64) {
        self.within(key, x, 0.0, MOST, "write an amount that is not negative");
    }

    fn count(&mut self, key: KeyPath, n: u32, high: u32) {
        self.within(
            key,
            n.into(),
            1.0,
            high.into(),
            "write a whole number in that range",
        );
    }

    fn whole_limit(&mut self, key: KeyPath, limit: Limit) {
        if let Some(x) = limit.at()
            && !(1.0..=MOST * 1e6).contains(&x)
        {
            let wrong = "must be at least 1, or \"unlimited\"";
            self.bad(key, x, wrong, "write \"unlimited\" for no limit");
        }
    }

    fn span_limit(&mut self, key: KeyPath, limit: Limit) {
        if let Some(x) = limit.at()
            && !(x > 0.0 && x <= MOST)
        {
            let wrong = "must be above 0, or \"unlimited\"";
            self.bad(key, x, wrong, "write seconds");
        }
    }

    fn law(&mut self, key: KeyPath, law: &Law) {
        if let Err(wrong) = law.validate() {
            self.fault(key, wrong, "mend the law");
        } else if law.mean() > MOST {
            let wrong = format!("has a mean of {}, above {MOST}", law.mean());
            self.fault(key, wrong, "check the unit in the key's name");
        }
    }

    /// Names go into file names and dotted paths.
    fn name(&mut self, key: KeyPath, name: &str, what: &str) {
        let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(good) {
            self.bad(
                key,
                format!("\"{name}\""),
                &format!("{what} must have 1 to 64 letters, digits, `-` or `_`"),
                "rename it",
            );
        }
    }

    fn distinct<T: Ord + Display>(&mut self, key: &KeyPath, values: &[T]) {
        let mut seen = BTreeSet::new();
        for (i, value) in values.iter().enumerate() {
            if !seen.insert(value) {
                self.bad(key.at(i), value, "is listed twice", "leave one out");
            }
        }
    }

    fn head(&mut self, s: &Scenario) {
        if s.version != FORMAT {
            let wrong = format!("this build reads version {FORMAT}");
            self.bad(key("version"), s.version, &wrong, "write version = 1");
        }
        self.name(key("name"), &s.name, "a name");
        if s.question.trim().is_empty() {
            self.fault(
                key("question"),
                "is empty",
                "state the question in a sentence",
            );
        }
        self.count(key("replications"), s.replications, MOST_REPLICATIONS);
        if let Some(n) = s.full_replications {
            self.count(key("full_replications"), n, MOST_REPLICATIONS);
        }
        self.count(key("tasks"), s.tasks, 1_000_000);
        if s.agents.is_empty() {
            self.fault(
                key("agents"),
                "lists no team size",
                "write agents = [1, 2, 4]",
            );
        }
        for (i, &n) in s.agents.iter().enumerate() {
            self.count(key("agents").at(i), n, MOST_AGENTS);
        }
        self.distinct(&key("agents"), &s.agents);
    }

    fn policies(&mut self, s: &Scenario) {
        if s.policies.is_empty() {
            self.fault(
                key("policies"),
                "lists no policy",
                "`delm-sim list` shows all",
            );
        }
        self.distinct(&key("policies"), &s.policies);
        let search = matches!(s.workload, WorkloadSpec::Search(_));
        for (i, name) in s.policies.iter().enumerate() {
            let key = key("policies").at(i);
            match catalog::entry(s.base_of(name)) {
                None => self.fault(
                    key,
                    catalog::unknown(s.base_of(name)),
                    "`delm-sim list` shows all",
                ),
                Some(entry) if !(if search { entry.search } else { entry.divide }) => {
                    let kind = if search { "search" } else { "divide" };
                    let fit: Vec<&str> = catalog::ENTRIES
                        .iter()
                        .filter(|e| if search { e.search } else { e.divide })
                        .map(|e| e.name)
                        .collect();
                    let wrong = format!("does not run on a `{kind}` workload");
                    self.fault(key, wrong, format!("these do: {}", fit.join(", ")));
                }
                Some(_) => {
                    let before = self.faults.len();
                    self.settings(s, name);
                    if self.faults.len() == before {
                        self.buildable(s, name, key);
                    }
                }
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
            self.name(path.clone(), name, "a policy's name");
            if catalog::entry(s.base_of(name)).is_none() {
                let based = own.contains_key("based_on");
                let path = if based { path.with("based_on") } else { path };
                let mend = "name a policy of the catalogue, or say which one it is based on: based_on = \"..\"";
                self.fault(path, catalog::unknown(s.base_of(name)), mend);
            }
        }
        for (name, protocol) in &s.protocol {
            let path = key("protocol").with(name);
            if catalog::entry(s.base_of(name)).is_none() {
                self.fault(
                    path.clone(),
                    catalog::unknown(name),
                    "name a policy of this scenario",
                );
            }
            for (factor, x) in [
                ("quality", protocol.quality),
                ("cost", protocol.cost),
                ("latency", protocol.latency),
            ] {
                if x <= 0.0 || x > 1e6 {
                    self.bad(
                        path.with(factor),
                        x,
                        "must be above 0",
                        "1 means no difference",
                    );
                }
            }
        }
    }

    /// Whether a policy can be built at all from its settings on this workload.
    fn buildable(&mut self, s: &Scenario, policy: &str, key: KeyPath) {
        if let Ok(settings) = s.settings(policy)
            && let Err(wrong) = catalog::build(&Arc::new(settings), &s.workload, 1)
        {
            self.fault(key, wrong, "choose another control, store or workload");
        }
    }

    /// The resolved settings of a policy; a fault stands under the key that set the value.
    fn settings(&mut self, s: &Scenario, policy: &str) {
        let at = |setting: &str| {
            let own = s
                .policy
                .get(policy)
                .is_some_and(|t| t.contains_key(setting));
            if !own && s.all_policies.contains_key(setting) {
                key("all_policies").with(setting)
            } else {
                key("policy").with(policy).with(setting)
            }
        };
        let set: Settings = match s.settings(policy) {
            Ok(settings) => settings,
            Err(wrong) => {
                let key = key("policy").with(policy);
                return self.fault(key, wrong, "see `delm-sim schema`");
            }
        };
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
        self.whole_limit(at("team"), set.team);
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
        let fixed = f64::from(set.instructions_tokens) + f64::from(set.task_tokens);
        let least = fixed + f64::from(set.digest_tokens);
        if let Some(window) = set.window_tokens.at()
            && window < least
        {
            let wrong = format!("is below instructions, task and digest together ({least} tokens)");
            self.bad(
                at("window_tokens"),
                window,
                &wrong,
                "widen the window or shorten them",
            );
        }
        if set.store == Store::Relay && set.control != Control::Lead {
            let wrong = "a relay needs a lead";
            self.fault(
                at("store"),
                wrong,
                "write control = \"lead\", or another store",
            );
        }
    }

    fn workload(&mut self, workload: &WorkloadSpec) {
        match workload {
            WorkloadSpec::Search(spec) => self.search(spec),
            WorkloadSpec::Divide(spec) => self.divide(spec),
        }
    }

    fn search(&mut self, w: &SearchSpec) {
        let at = |name: &str| key("workload.search").with(name);
        let success = |form: &str, name: &str| at("success").with(form).with(name);
        match w.success {
            Success::Beta { a, b } => {
                for (name, x) in [("a", a), ("b", b)] {
                    if x <= 0.0 || x > 1e6 {
                        self.bad(
                            success("beta", name),
                            x,
                            "must be above 0",
                            "write a shape of a Beta law",
                        );
                    }
                }
            }
            Success::HypothesisCount { mu, sigma } => {
                let place = |name| success("hypothesis-count", name);
                self.within(place("mu"), mu, -50.0, 50.0, "write the mean of ln(H/K)");
                self.within(
                    place("sigma"),
                    sigma,
                    0.0,
                    50.0,
                    "write the deviation of ln(H/K)",
                );
            }
            Success::Fixed { p } => self.probability(success("fixed", "p"), p),
            Success::Weights { wrong, solution } => {
                let place = |name| success("weights", name);
                self.within(
                    place("wrong"),
                    wrong.into(),
                    0.0,
                    1e6,
                    "write fewer hypotheses",
                );
                self.amount(place("solution"), solution);
                if wrong == 0 && solution == 0.0 {
                    self.fault(
                        at("success"),
                        "leaves nothing to try",
                        "give the solution a weight",
                    );
                }
            }
        }
        if w.attraction_exponent != 0.0 && !matches!(w.success, Success::Weights { .. }) {
            let mend = "write success = { weights = .. }, or leave it out";
            self.fault(
                at("attraction_exponent"),
                "acts only with stated weights",
                mend,
            );
        }
        self.within(
            at("attraction_exponent"),
            w.attraction_exponent,
            0.0,
            20.0,
            "write an exponent",
        );
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
        self.within(
            at("note_tokens"),
            w.note_tokens.into(),
            0.0,
            1e8,
            "write tokens",
        );
        self.within(
            at("patch_note_tokens"),
            w.patch_note_tokens.into(),
            0.0,
            1e8,
            "write tokens",
        );
    }

    fn sigma(&mut self, key: KeyPath, x: f64) {
        self.within(
            key,
            x,
            0.0,
            10.0,
            "write the deviation of a logarithm; 0 for none",
        );
    }

    fn divide(&mut self, w: &DivideSpec) {
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
                self.bad(
                    at(name),
                    law.mean(),
                    "must not be above 1e8 on average",
                    "write fewer",
                );
            }
        }
        for (name, x) in [
            ("answerable", w.answerable),
            ("guess", w.guess),
            ("unsupported", w.unsupported),
            ("tool_share", w.tool_share),
        ] {
            self.probability(at(name), x);
        }
        self.within(
            at("facts_needed"),
            w.facts_needed.into(),
            0.0,
            64.0,
            "at most 64 details are told apart",
        );
        self.within(at("fan_in"), w.fan_in.into(), 0.0, 1e6, "write fewer");
        self.sigma(at("subtask_sigma"), w.subtask_sigma);
        self.amount(at("retention_ktokens"), w.retention_ktokens);
        self.amount(at("tokens_per_detail"), w.tokens_per_detail);
        if !w.dependencies.is_empty() {
            self.dependencies(w);
        }
    }

    fn dependencies(&mut self, w: &DivideSpec) {
        let at = key("workload.divide.dependencies");
        let (Law::Constant(first), Law::Constant(second)) = (&w.subtasks, &w.second_wave) else {
            let wrong = "explicit dependencies need a fixed number of subtasks";
            return self.fault(
                at,
                wrong,
                "write subtasks and second_wave as { constant = .. }",
            );
        };
        let count = (libm::round(*first).max(1.0) + libm::round(second.max(0.0))) as u32;
        let mut sound = true;
        for (i, pair) in w.dependencies.iter().enumerate() {
            for (j, &subtask) in pair.iter().enumerate() {
                if subtask >= count {
                    sound = false;
                    let wrong = format!(
                        "there are {count} subtasks, numbered 0 to {}",
                        count.saturating_sub(1)
                    );
                    self.bad(
                        at.at(i).at(j),
                        subtask,
                        &wrong,
                        "name one of them, or raise subtasks",
                    );
                }
            }
        }
        if sound && let Some(cycle) = cycle(&w.dependencies, count) {
            let names: Vec<String> = cycle.iter().map(ToString::to_string).collect();
            let wrong = format!("form a cycle: {}", names.join(" waits for "));
            self.fault(at, wrong, "remove one of these pairs");
        }
    }

    fn coordination(&mut self, s: &Scenario) {
        let c = &s.sharing;
        for (name, x) in [
            ("respect", c.respect),
            ("adoption", c.adoption),
            ("false_adoption_ratio", c.false_adoption_ratio),
            ("wrong_note", c.wrong_note),
            ("herding", c.herding),
            ("true_positive_rate", c.true_positive_rate),
            ("false_positive_rate", c.false_positive_rate),
            ("feedback_gain", c.feedback_gain),
            ("contagion", c.contagion),
            ("misleads", c.misleads),
            ("unfold_recovery", c.unfold_recovery),
            ("notice", c.notice),
        ] {
            self.probability(key("sharing").with(name), x);
        }
        self.within(
            key("sharing.fact_gain"),
            c.fact_gain,
            0.0,
            1e3,
            "write a share",
        );
        self.within(
            key("sharing.distraction_per_ktoken"),
            c.distraction_per_ktoken,
            0.0,
            1e3,
            "write a share",
        );
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

    fn endpoint(&mut self, name: &str, e: &EndpointSpec) {
        let path = key("endpoints").with(name);
        self.name(path.clone(), name, "an endpoint's name");
        let at = |name: &str| path.with(name);
        for (name, x) in [
            ("base_s", e.base_s),
            ("completion_s_per_token", e.completion_s_per_token),
            ("long_completion_s_per_token", e.long_completion_s_per_token),
            ("uncached_s_per_ktoken", e.uncached_s_per_ktoken),
            ("cached_s_per_ktoken", e.cached_s_per_ktoken),
            ("item_s", e.item_s),
            ("failure_s", e.failure_s),
            ("backoff_s", e.backoff_s),
        ] {
            self.amount(at(name), x);
        }
        self.law(at("noise"), &e.noise);
        self.sigma(at("agent_sigma"), e.agent_sigma);
        for (name, limit) in [
            ("slots", e.slots),
            ("long_completion_tokens", e.long_completion_tokens),
            ("requests_per_minute", e.requests_per_minute),
            ("input_tokens_per_minute", e.input_tokens_per_minute),
            ("output_tokens_per_minute", e.output_tokens_per_minute),
        ] {
            self.whole_limit(at(name), limit);
        }
        if e.burst_s <= 0.0 || e.burst_s > MOST {
            self.bad(
                at("burst_s"),
                e.burst_s,
                "must be above 0",
                "60 holds a minute's rate",
            );
        }
        self.count(at("max_output_tokens"), e.max_output_tokens, 100_000_000);
        self.probability(at("failure_probability"), e.failure_probability);
        self.within(at("retries"), e.retries.into(), 0.0, 1000.0, "write fewer");
        self.span_limit(at("timeout_s"), e.timeout_s);
        self.amount(at("cache").with("lifetime_s"), e.cache.lifetime_s);
        let price = at("price");
        self.rates(&price.with("rates"), &e.price.rates);
        let mut above = 0;
        for (i, tier) in e.price.tiers.iter().enumerate() {
            let tier_at = price.with("tiers").at(i);
            if tier.above_prompt_tokens <= above {
                let wrong = "tiers must stand in rising order, above 0";
                self.bad(
                    tier_at.with("above_prompt_tokens"),
                    tier.above_prompt_tokens,
                    wrong,
                    "sort them",
                );
            }
            above = tier.above_prompt_tokens;
            self.rates(&tier_at.with("rates"), &tier.rates);
        }
        self.within(
            price.with("busy_usd_per_hour"),
            e.price.busy_usd_per_hour,
            0.0,
            1e6,
            "write dollars per hour",
        );
    }

    fn rates(&mut self, at: &KeyPath, rates: &Rates) {
        for (name, x) in [
            ("input_usd_per_mtok", rates.input_usd_per_mtok),
            ("cache_read_usd_per_mtok", rates.cache_read_usd_per_mtok),
            ("cache_write_usd_per_mtok", rates.cache_write_usd_per_mtok),
            ("output_usd_per_mtok", rates.output_usd_per_mtok),
        ] {
            self.within(
                at.with(name),
                x,
                0.0,
                1e5,
                "write dollars per million tokens",
            );
        }
    }

    fn roles(&mut self, s: &Scenario) {
        let names: Vec<&str> = s.endpoints.keys().map(String::as_str).collect();
        if names.is_empty() {
            self.fault(
                key("endpoints"),
                "there is no endpoint",
                "add a table [endpoints.worker]",
            );
        }
        if !s.roles.contains_key("default") {
            let mend = format!("write default = \"{}\"", names.first().unwrap_or(&"worker"));
            self.fault(key("roles.default"), "is missing", mend);
        }
        let purposes: Vec<&str> = Purpose::ALL.iter().map(|p| p.name()).collect();
        for role in s.roles.keys() {
            if role != "default" && !purposes.contains(&role.as_str()) {
                let mend = match nearest(role, purposes.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known: default, {}", purposes.join(", ")),
                };
                self.fault(key("roles").with(role), "is no purpose of a call", mend);
            }
        }
        for worker in s.worker_roles.keys() {
            if !worker
                .parse::<u32>()
                .is_ok_and(|n| n < MOST_AGENTS && n.to_string() == *worker)
            {
                let mend = "write a worker's number, from 0";
                self.fault(
                    key("worker_roles").with(worker),
                    "is no number of a worker",
                    mend,
                );
            }
        }
        for (table, roles) in [("roles", &s.roles), ("worker_roles", &s.worker_roles)] {
            for (role, endpoint) in roles {
                if !s.endpoints.contains_key(endpoint) {
                    let mend = match nearest(endpoint, names.iter().copied()) {
                        Some(near) => format!("did you mean \"{near}\"?"),
                        None => format!("known: {}", names.join(", ")),
                    };
                    self.bad(
                        key(table).with(role),
                        format!("\"{endpoint}\""),
                        "there is no such endpoint",
                        &mend,
                    );
                }
            }
        }
    }

    fn measurement(&mut self, s: &Scenario) {
        if let Some(m) = &s.measure {
            if m.warmup >= m.stop_after {
                let wrong = "must be below stop_after";
                self.bad(
                    key("measure.warmup"),
                    m.warmup,
                    wrong,
                    "measure longer or warm up less",
                );
            }
            if let Some(full) = m.full_stop_after
                && full <= m.warmup
            {
                self.bad(
                    key("measure.full_stop_after"),
                    full,
                    "must be above warmup",
                    "measure longer",
                );
            }
        }
        if let Some(worker) = s.watch_worker
            && s.agents.iter().all(|&n| worker >= n)
        {
            self.bad(
                key("watch_worker"),
                worker,
                "no team is that large",
                "workers are numbered from 0",
            );
        }
        for (i, e) in s.expect.iter().enumerate() {
            let at = |name: &str| key("expect").at(i).with(name);
            if !s.policies.contains(&e.policy) {
                let mend = format!("known: {}", s.policies.join(", "));
                self.bad(
                    at("policy"),
                    format!("\"{}\"", e.policy),
                    "is not among the policies",
                    &mend,
                );
            }
            if !s.agents.contains(&e.agents) {
                self.bad(
                    at("agents"),
                    e.agents,
                    "is not among the team sizes",
                    "add it to agents",
                );
            }
            if e.metric.is_empty() {
                self.fault(
                    at("metric"),
                    "is empty",
                    "`delm-sim list` shows the metrics",
                );
            }
            self.amount(at("relative"), e.relative);
            self.amount(at("absolute"), e.absolute);
        }
    }

    fn sources(&mut self, s: &Scenario) {
        for (path, note) in &s.sources {
            let at = key("sources").with(path);
            let endpoint = path
                .strip_prefix("endpoints.")
                .map(|p| p.split('.').next().unwrap_or_default());
            let absent = endpoint.is_some_and(|e| e != "*" && !s.endpoints.contains_key(e));
            if absent || !is_source_key(path) {
                let mend = "`delm-sim params` lists the paths; a table's path covers its keys";
                self.fault(at.clone(), "is no parameter of the scenario", mend);
            }
            if note.cite.trim().is_empty() {
                self.fault(at.with("cite"), "is empty", "say where the value is from");
            }
        }
    }

    fn work(&mut self, s: &Scenario) {
        let agents: f64 = s.agents.iter().map(|&n| f64::from(n)).sum();
        let replications = f64::from(s.replications.max(s.full_replications.unwrap_or(0)));
        let runs = agents * s.policies.len() as f64 * replications * f64::from(s.tasks);
        if runs > MOST_AGENT_RUNS {
            let wrong = format!(
                "policies x agents x replications x tasks is {runs:.1e} agents to simulate, above {MOST_AGENT_RUNS:.0e}"
            );
            let mend = "lower replications, or split the scenario by --policy and --agents";
            self.fault(key("replications"), wrong, mend);
        }
    }
}

/// A cycle of dependencies `[subtask, waits for]`, its first member repeated at the end.
fn cycle(dependencies: &[[u32; 2]], count: u32) -> Option<Vec<u32>> {
    let mut waits: Vec<Vec<u32>> = vec![Vec::new(); count as usize];
    for [subtask, on] in dependencies {
        waits[*subtask as usize].push(*on);
    }
    // 0: not met; 1: on the path; 2: done.
    let mut state = vec![0_u8; count as usize];
    for start in 0..count {
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
                    let from = path
                        .iter()
                        .position(|(s, _)| *s == on)
                        .expect("on the path");
                    let mut cycle: Vec<u32> = path[from..].iter().map(|(s, _)| *s).collect();
                    cycle.push(on);
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
        assert_eq!(cycle(&[[1, 0], [2, 1], [2, 0]], 3), None);
        assert_eq!(cycle(&[[0, 1], [1, 2], [2, 1]], 3), Some(vec![1, 2, 1]));
        assert_eq!(cycle(&[[0, 0]], 1), Some(vec![0, 0]));
    }

    #[test]
    fn a_long_chain_needs_no_stack() {
        let chain: Vec<[u32; 2]> = (1..200_000).map(|i| [i - 1, i]).collect();
        assert_eq!(cycle(&chain, 200_000), None);
    }
}
