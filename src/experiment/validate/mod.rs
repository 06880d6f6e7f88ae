//! Whether a scenario makes sense: ranges, names, references, cycles, size of the work. All faults at once.
//!
//! Invariant: a scenario without a fault here runs without a panic on its account.

mod endpoint;
mod live;
mod policies;
mod workload;

pub(super) use policies::read_by_none;
pub(super) use workload::unread_world;

use super::faults::{Fault, KeyPath};
use super::parameters::is_source_key;
use super::scenario::{FORMAT, Scenario};
use crate::kernel::Law;
use crate::model::Limit;
use std::collections::BTreeSet;
use std::fmt::Display;

/// Largest team.
pub const MOST_AGENTS: u32 = 1_000_000;
/// Most replications per cell.
pub const MOST_REPLICATIONS: u32 = 10_000_000;
/// Most agents over all runs of a scenario.
pub const MOST_AGENT_RUNS: f64 = 2e10;
/// Most subtasks of a task, on average.
const MOST_SUBTASKS: f64 = 1e7;
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
    judge.live(scenario);
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
        if !self.faults.iter().any(|f| f.key.overlaps(&fault.key) && f.value == "nan") {
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
            Err(e) => {
                self.fault(KeyPath::default(), format!("cannot be written as TOML ({e})"), "use numbers below 2^63");
            }
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
            self.bad(key, x, &format!("must not be above {high}"), &format!("{mend}, at most {high}"));
        }
    }

    fn probability(&mut self, key: KeyPath, x: f64) {
        if !(0.0..=1.0).contains(&x) {
            self.bad(key, x, "must be between 0 and 1", "write a probability or share");
        }
    }

    fn amount(&mut self, key: KeyPath, x: f64) {
        self.within(key, x, 0.0, MOST, "write an amount that is not negative");
    }

    fn count(&mut self, key: KeyPath, n: u32, high: u32) {
        self.within(key, n.into(), 1.0, high.into(), "write a whole number in that range");
    }

    /// A count that may be absent: a fraction of a slot, an agent or a token is a slip.
    fn whole_limit(&mut self, key: KeyPath, limit: Limit) {
        if let Some(x) = limit.at() {
            if (1.0..=MOST * 1e6).contains(&x) {
                self.no_fraction(key, x);
            } else {
                let side = if x < 1.0 { "must be at least 1" } else { "must not be above 1e15" };
                self.bad(key, x, &format!("{side}, or \"unlimited\""), "write \"unlimited\" for no limit");
            }
        }
    }

    /// A count: a fraction of it is a slip.
    fn no_fraction(&mut self, key: KeyPath, x: f64) {
        if libm::floor(x) != x {
            self.bad(key, x, "must be a whole number: it is a count", "write a number without fraction");
        }
    }

    /// A rate that may be absent; fractions count, down to a millionth.
    fn rate_limit(&mut self, key: KeyPath, limit: Limit) {
        if let Some(x) = limit.at()
            && !(1e-6..=MOST * 1e3).contains(&x)
        {
            let side = if x < 1e-6 { "must be at least a millionth" } else { "must not be above 1e12" };
            self.bad(key, x, &format!("{side}, or \"unlimited\""), "write \"unlimited\" for no limit");
        }
    }

    fn span_limit(&mut self, key: KeyPath, limit: Limit) {
        if let Some(x) = limit.at()
            && !(x > 0.0 && x <= MOST)
        {
            let side = if x > 0.0 { "must not be above 1e9" } else { "must be above 0" };
            self.bad(key, x, &format!("{side}, or \"unlimited\""), "write seconds");
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
            self.fault(key("question"), "is empty", "state the question in a sentence");
        }
        self.count(key("replications"), s.replications, MOST_REPLICATIONS);
        if let Some(n) = s.full_replications {
            self.count(key("full_replications"), n, MOST_REPLICATIONS);
        }
        if !s.worlds.is_empty() && s.worlds.len() < s.replications as usize {
            let wrong = format!("names {} draws, and replications is {}", s.worlds.len(), s.replications);
            self.fault(key("worlds"), wrong, "lower replications, or name a draw for each");
        }
        self.count(key("tasks"), s.tasks, 1_000_000);
        if s.agents.is_empty() {
            self.fault(key("agents"), "lists no team size", "write agents = [1, 2, 4]");
        }
        for (i, &n) in s.agents.iter().enumerate() {
            self.count(key("agents").at(i), n, MOST_AGENTS);
        }
        self.distinct(&key("agents"), &s.agents);
    }

    fn sigma(&mut self, key: KeyPath, x: f64) {
        self.within(key, x, 0.0, 10.0, "write the deviation of a logarithm; 0 for none");
    }

    fn measurement(&mut self, s: &Scenario) {
        if let Some(m) = &s.measure {
            if m.warmup >= m.stop_after {
                let wrong = "must be below stop_after";
                self.bad(key("measure.warmup"), m.warmup, wrong, "measure longer or warm up less");
            }
            if let Some(full) = m.full_stop_after
                && full <= m.warmup
            {
                self.bad(key("measure.full_stop_after"), full, "must be above warmup", "measure longer");
            }
        }
        if let Some(worker) = s.watch_worker
            && s.agents.iter().all(|&n| worker >= n)
        {
            self.bad(key("watch_worker"), worker, "no team is that large", "workers are numbered from 0");
        }
        for (i, e) in s.expect.iter().enumerate() {
            let at = |name: &str| key("expect").at(i).with(name);
            if !s.policies.contains(&e.policy) {
                let mend = format!("known: {}", s.policies.join(", "));
                self.bad(at("policy"), format!("\"{}\"", e.policy), "is not among the policies", &mend);
            }
            if !s.agents.contains(&e.agents) {
                self.bad(at("agents"), e.agents, "is not among the team sizes", "add it to agents");
            }
            if e.metric.is_empty() {
                self.fault(at("metric"), "is empty", "`delm-sim list` shows the metrics");
            }
            self.amount(at("relative"), e.relative);
            self.amount(at("absolute"), e.absolute);
        }
    }

    fn sources(&mut self, s: &Scenario) {
        for (path, note) in &s.sources {
            let at = key("sources").with(path);
            let endpoint = path.strip_prefix("endpoints.").map(|p| p.split('.').next().unwrap_or_default());
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
