//! Policies of a user's own: those of `examples/`, through everything that the named ones go through.

#[path = "../examples/own_policy.rs"]
mod own_policy;
#[path = "../examples/two_leads.rs"]
mod two_leads;

use delm_sim::experiment::replay::{header, strict};
use delm_sim::experiment::replication::{Point, Sinks};
use delm_sim::experiment::{Options, Overrides, Scenario, conduct};
use delm_sim::kernel::Time;
use delm_sim::model::call::Outcome;
use delm_sim::model::workload::Team;
use delm_sim::policy::settings::{Form, Work};
use delm_sim::policy::{Catalog, Event, Factory, Outbox, Policy, Settings};
use delm_sim::record::transcript::{Line, Origin};
use delm_sim::runtime::RunError;
use std::io::Write as _;
use std::sync::{Arc, Mutex};

const RING: &str = include_str!("../examples/own-policy.toml");
const TWO_LEADS: &str = include_str!("../examples/two-leads.toml");

fn catalog() -> Catalog {
    Catalog::default().with("ring", own_policy::Ring).with("two-leads", two_leads::TwoLeads)
}

fn load(text: &str, set: &[&str]) -> Scenario {
    let set = set.iter().map(ToString::to_string).collect();
    let overrides = Overrides { catalog: catalog(), set, replications: Some(12), ..Overrides::default() };
    Scenario::parse("own.toml", text, None, &overrides).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn own_policies_are_compared_with_the_named_ones() {
    for (text, policy, form) in [(RING, "ring", Form::Decentral), (TWO_LEADS, "two-leads", Form::Central)] {
        let study = conduct(&load(text, &[]), &Options { compare: true, ..Options::default() }).unwrap();
        for agents in [2, 4] {
            let cell = study.cell(policy, agents).unwrap();
            assert_eq!(cell.form, Some(form));
            assert!(cell.mean("makespan_s").unwrap() > 0.0 && cell.mean("pass").unwrap() > 0.0);
        }
        assert!(study.comparisons.iter().any(|c| c.policy == policy), "{policy} is compared");
    }
}

#[test]
fn own_policies_obey_what_all_forms_share() {
    let makespan = |policy: &str, set: &[&str]| {
        let text = if policy == "ring" { RING } else { TWO_LEADS };
        let scenario = load(text, set);
        let (run, summary) = Point::new(&scenario, policy, 4).unwrap().run_summed(0, Sinks::default()).unwrap();
        (summary.makespans[0].as_secs_f64(), run.digest)
    };
    for policy in ["ring", "two-leads"] {
        let (free, digest) = makespan(policy, &[]);
        let (bound, _) = makespan(policy, &["all_policies.deadline_s=40"]);
        assert!(free > 60.0 && (40.0..60.0).contains(&bound), "{policy}: {free} and {bound} s");
        for change in [
            "team=1",
            "instructions_tokens=100",
            "task_tokens=10",
            "delegation_tokens=7",
            "max_steps=1",
            "window_tokens=4000",
            "memory_steps=1",
        ] {
            let own = format!("policy.{policy}.{change}");
            let mut set = vec![own.as_str(), "all_policies.digest_tokens=20"];
            let keep = format!("policy.{policy}.keep_steps=0");
            if change.starts_with("memory") {
                set.push(&keep);
            }
            assert_ne!(makespan(policy, &set).1, digest, "{policy} {change}");
        }
    }
}

#[test]
fn settings_of_forms_are_not_read_by_own_policies() {
    let set = vec!["policy.ring.requeues=2".to_owned()];
    let overrides = Overrides { catalog: catalog(), set, ..Overrides::default() };
    let told = Scenario::parse("own.toml", RING, None, &overrides).unwrap_err().to_string();
    assert!(told.contains("policy.ring.requeues = 2: is not read by this policy"), "{told}");
    let told = Scenario::parse("own.toml", RING, None, &Overrides::default()).unwrap_err().to_string();
    assert!(told.contains("unknown policy \"ring\""), "without its catalogue: {told}");
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn own_policies_are_recorded_and_replayed() {
    for (text, policy) in [(RING, "ring"), (TWO_LEADS, "two-leads")] {
        // Failures too: a policy must do the same again when calls fail.
        let only = format!("policies=[\"{policy}\"]");
        let set = [&only, "baseline=\"best-central\"", "agents=[3]", "endpoints.model.failure_probability=0.2"];
        let mut scenario = load(text, &set);
        scenario.replications = 3;
        let file = tempfile::NamedTempFile::new().unwrap();
        let head = Line::Header(header(&scenario, Origin::Simulated));
        writeln!(file.as_file(), "{}", serde_json::to_string(&head).unwrap()).unwrap();
        let point = Point::new(&scenario, policy, 3).unwrap();
        for replication in 0..3 {
            let lines = Shared::default();
            let transcript = Some((Box::new(lines.clone()) as Box<dyn std::io::Write + Send>, replication));
            point.run(replication, Sinks { transcript, ..Sinks::default() }).unwrap();
            file.as_file().write_all(&lines.0.lock().unwrap()).unwrap();
        }
        let again = strict(file.path(), &catalog(), &|_| {}).unwrap();
        assert_eq!(again.cells.len(), 1);
        assert_eq!(again.cell(policy, 3).unwrap().get("makespan_s").unwrap().summary().n, 3);
        let unknown = strict(file.path(), &Catalog::default(), &|_| {}).unwrap_err().to_string();
        assert!(unknown.contains("unknown policy"), "{unknown}");
    }
}

/// A policy that ends without a word of what it hands in.
struct Silent;

impl Policy for Silent {
    fn handle(&mut self, _: Time, _: &Event, out: &mut Outbox) {
        out.finish(Outcome::default());
        out.set_timer(delm_sim::kernel::Span::from_secs_f64(1.0));
    }
}

impl Factory for Silent {
    fn summary(&self) -> &'static str {
        "goes on after its end"
    }
    fn runs_on(&self, _: Work) -> bool {
        true
    }
    fn form(&self) -> Form {
        Form::Independent
    }
    fn build(&self, _: &Arc<Settings>, _: Work, n: u32) -> (Box<dyn Policy>, Team) {
        (Box::new(Self), Team { workers: n, leads: 0, lines: 1, budgets_per_line: 1, quality: 1.0 })
    }
}

#[test]
#[cfg(debug_assertions)]
fn a_policy_that_breaks_its_word_is_told_in_debug_builds() {
    let overrides = Overrides { catalog: catalog().with("silent", Silent), ..Overrides::default() };
    let text = RING.replace("\"ring\"]", "\"ring\", \"silent\"]");
    let scenario = Scenario::parse("own.toml", &text, None, &overrides).unwrap();
    let broken = Point::new(&scenario, "silent", 2).unwrap().run(0, Sinks::default()).unwrap_err();
    assert!(matches!(broken, RunError::Owed { .. }), "{broken}");
    assert!(broken.to_string().contains("after its end"), "{broken}");
}
