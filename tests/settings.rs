//! A setting that is accepted acts, and a setting that does not act is refused: for every policy of the catalogue, on
//! every kind of workload it runs on, every key that its point reads is perturbed and something must change.

use delm_sim::experiment::replication::{Point, Sinks};
use delm_sim::experiment::{Overrides, Scenario, ScenarioError, parameters};
use delm_sim::policy::Catalog;
use delm_sim::policy::settings::{Draft, Work};
use serde_json::{Value, json};

const SEARCH: &str = r#"version = 1
name = "perturbed"
question = "Does every setting act?"
replications = 1
agents = [3]
policies = ["single"]

[workload.search]
hypotheses_per_budget = 4

[roles]
default = "model"
tool = "tool"
"#;

const DIVIDE: &str = r#"version = 1
name = "perturbed"
question = "Does every setting act?"
replications = 1
agents = [3]
policies = ["single"]

[workload.divide]
subtasks = { constant = 5 }
second_wave = { constant = 2 }
fan_in = 1
steps_per_subtask = { constant = 8 }
tool_share = 0.5

[roles]
default = "model"
tool = "tool"
"#;

const ENDPOINTS: &str = r"
[endpoints.model]
base_s = 1.0
completion_s_per_token = 0.01
uncached_s_per_ktoken = 0.1
noise = { exponential = { mean = 1.0 } }
retries = 0

[endpoints.tool]
base_s = 1.0
";

/// A model that no role names.
const OTHER: &str = r"
[endpoints.other]
base_s = 2.0
noise = { exponential = { mean = 1.0 } }
";

/// Circumstances in which settings act: what else is set, and what the world does.
const CONTEXTS: &[(&[&str], &str)] = &[
    (&[], ""),
    // Calls fail for good, so that work is given up.
    (&[], "endpoints.model.failure_probability=0.4"),
    // Histories outgrow the window.
    (&["window_tokens=3900", "digest_tokens=50"], ""),
    // Delegations end before their work does.
    (&["max_steps=2"], ""),
    // Memories are short.
    (&["memory_steps=3", "keep_steps=1"], ""),
];

const SEEDS: u64 = 3;

/// Settings that are read, accepted, and act only beside other settings of the same policy.
const ALLOWED: &[(&str, &str, &str)] = &[
    ("single", "stagger_s", "a team of one has nobody to stagger; with another `team` it acts"),
    ("single", "pool_budgets", "a team of one has the budgets of one; with another `team` it acts"),
    (
        "delm-solvers",
        "gate=\"none\"",
        "the rule passes one candidate of a delegation, and simulated delegations end with their first; it rejects where \
         a reply brings two",
    ),
];

fn scenario(work: Work, policy: &str, own: &[String], set: &str, seed: u64) -> Result<Scenario, ScenarioError> {
    let base = if work == Work::Search { SEARCH } else { DIVIDE };
    let mut changes: Vec<String> = own.iter().map(|change| format!("policy.{policy}.{change}")).collect();
    changes.extend((!set.is_empty()).then(|| set.to_owned()));
    let overrides = Overrides {
        set: changes,
        policies: Some(vec![policy.to_owned()]),
        baseline: Some(policy.to_owned()),
        seed: Some(seed),
        ..Overrides::default()
    };
    Scenario::parse("perturbed.toml", &format!("{base}{ENDPOINTS}{OTHER}"), None, &overrides)
}

/// Digests of the traces of some seeds, or none if the scenario is refused.
fn digests<'a>(
    work: Work,
    policy: &'a str,
    own: &'a [String],
    set: &'a str,
) -> Option<impl Iterator<Item = [u8; 32]> + 'a> {
    scenario(work, policy, own, set, 1).ok()?;
    Some((1..=SEEDS).map(move |seed| {
        let scenario = scenario(work, policy, own, set, seed).expect("it loaded with another seed");
        Point::new(&scenario, policy, 3).unwrap().run(0, Sinks::default()).unwrap().digest
    }))
}

/// Other values of a key, as TOML.
fn others(key: &str, value: &Value) -> Vec<String> {
    let words: &[&str] = match key {
        "control" => &["none", "queue", "lead"],
        "dispatch" => &["sequential", "serial", "pipelined", "parallel", "async"],
        "store" => &["none", "relay", "shared"],
        "gate" => &["none", "rule", "llm", "oracle"],
        "finish" => &["each", "last", "lead"],
        "dry_policy" => &["immediate", "all-idle"],
        "lead_endpoint" | "verifier_endpoint" => &["other"],
        "board_place" => &["front", "tail"],
        "barrier" => {
            return ["{timeout={seconds=4.0}}", "{k-of-n={k=2}}", "\"any\""].map(str::to_owned).into();
        }
        _ => &[],
    };
    if !words.is_empty() {
        return words.iter().filter(|word| json!(word) != *value).map(|word| format!("\"{word}\"")).collect();
    }
    match value {
        Value::Bool(now) => vec![(!now).to_string()],
        // Numbers and limits: one of these is far enough away.
        _ => ["1", "2", "0", "7.5", "5", "150", "4200", "100000"]
            .iter()
            .filter(|other| other.parse::<f64>().ok() != value.as_f64())
            .map(|other| (*other).to_owned())
            .collect(),
    }
}

/// Choices must each act; of numbers one is enough.
fn is_choice(key: &str, value: &Value) -> bool {
    value.is_boolean() || (value.is_string() && value != "unlimited") || key == "barrier"
}

/// Whether a change makes a difference under some circumstances; none where it is refused under all.
fn acts(work: Work, policy: &str, change: &str) -> Option<bool> {
    let mut accepted = false;
    for (own, set) in CONTEXTS {
        let plain: Vec<String> = own.iter().map(|o| (*o).to_owned()).collect();
        let changed = [&plain[..], &[change.to_owned()]].concat();
        let (Some(one), Some(other)) = (digests(work, policy, &plain, set), digests(work, policy, &changed, set))
        else {
            continue;
        };
        accepted = true;
        if one.zip(other).any(|(one, other)| one != other) {
            return Some(true);
        }
    }
    accepted.then_some(false)
}

#[test]
fn every_setting_that_is_accepted_acts() {
    let mut idle = Vec::new();
    let mut spare: Vec<_> = ALLOWED.to_vec();
    for entry in Catalog::default().entries() {
        for work in [Work::Search, Work::Divide] {
            if !entry.runs_on(work) {
                continue;
            }
            let mut keys = serde_json::Map::new();
            for (own, set) in CONTEXTS {
                let own: Vec<String> = own.iter().map(|o| (*o).to_owned()).collect();
                keys.extend(scenario(work, &entry.name, &own, set, 1).unwrap().settings(&entry.name).unwrap().keys());
            }
            for (key, value) in &keys {
                let mut allowed = |what: &str| {
                    spare.retain(|(policy, name, _)| (*policy, *name) != (&*entry.name, what));
                    ALLOWED.iter().any(|(policy, name, _)| (*policy, *name) == (&*entry.name, what))
                };
                if allowed(key) {
                    continue;
                }
                let mut changes: Vec<String> =
                    others(key, value).into_iter().map(|other| format!("{key}={other}")).collect();
                changes.retain(|change| !allowed(change));
                let changes = changes.into_iter();
                if is_choice(key, value) {
                    idle.extend(
                        changes
                            .filter(|change| acts(work, &entry.name, change) == Some(false))
                            .map(|change| format!("{work:?} {} {change}", &entry.name)),
                    );
                } else if !changes.clone().any(|change| acts(work, &entry.name, &change) == Some(true)) {
                    idle.push(format!("{work:?} {} {key}", &entry.name));
                }
            }
        }
    }
    assert!(idle.is_empty(), "accepted, and nothing changes:\n{}", idle.join("\n"));
    assert!(spare.is_empty(), "allowed for nothing: {spare:?}");
}

/// Every key of a draft that the point does not read is refused, whatever its value.
#[test]
fn every_setting_that_is_not_read_is_refused() {
    for entry in Catalog::default().entries() {
        for work in [Work::Search, Work::Divide] {
            if !entry.runs_on(work) {
                continue;
            }
            let draft: Draft = entry.draft();
            let read = draft.settle(work).unwrap().keys();
            for (key, value) in json!(draft).as_object().unwrap() {
                if read.contains_key(key) {
                    continue;
                }
                for other in others(key, value).into_iter().take(2) {
                    let fault = scenario(work, &entry.name, &[format!("{key}={other}")], "", 1).expect_err(key);
                    assert!(fault.to_string().contains(&format!("policy.{}.{key}", &entry.name)), "{fault}");
                }
            }
        }
    }
}

fn told(work: Work, policy: &str, own: &[&str]) -> String {
    let own: Vec<String> = own.iter().map(ToString::to_string).collect();
    scenario(work, policy, &own, "", 1).map_or_else(|e| e.to_string(), |_| "no fault".to_owned())
}

#[test]
fn a_setting_that_is_not_read_names_its_readers() {
    let rows: &[(Work, &str, &str, &str)] = &[
        (
            Work::Divide,
            "delm-queue",
            "keep_steps=2",
            "is not read by this policy; it acts where memory_steps is a number",
        ),
        (Work::Divide, "delm-queue", "gate=\"rule\"", "comes to gate = \"none\""),
        (Work::Search, "delm-solvers", "gate_retries=1", "it acts where control = \"queue\" or \"lead\""),
        (Work::Search, "independent", "dispatch=\"serial\"", "it acts where control = \"lead\""),
        (
            Work::Search,
            "orchestrator-async",
            "merge=false",
            "dispatch = \"sequential\" or \"serial\" or \"pipelined\" or \"parallel\"",
        ),
        (Work::Search, "orchestrator-sequential", "barrier=\"any\"", "comes to barrier = \"all\""),
        (Work::Divide, "orchestrator-sequential", "team=2", "is not read by this policy"),
        (Work::Search, "delm-solvers", "finalize=false", "it acts where the workload is not `search`"),
        (Work::Divide, "map-reduce", "dry_policy=\"immediate\"", "control = \"queue\" and ask_more = true"),
        (Work::Divide, "map-reduce", "gist_tokens=50", "store = \"shared\""),
        (Work::Search, "single", "finish=\"last\"", "comes to finish = \"each\""),
    ];
    for (work, policy, change, wanted) in rows {
        let told = told(*work, policy, &[change]);
        assert!(told.contains(wanted) && told.contains(&format!("policy.{policy}.")), "{policy} {change}: {told}");
    }
}

#[test]
fn counts_refuse_fractions_with_value_and_mend() {
    for (policy, key, value) in [
        ("independent", "team", "2.5"),
        ("orchestrator-async", "leads", "1.5"),
        ("delm-queue", "board_window_tokens", "100.5"),
        ("delm-queue", "window_tokens", "9000.25"),
        ("delm-queue", "gist_tokens", "60.5"),
        ("delm-queue", "gate_retries", "0.5"),
        ("single", "memory_steps", "7.5"),
        ("single", "max_steps", "2.5"),
    ] {
        let told = told(Work::Divide, policy, &[&format!("{key}={value}")]);
        let wanted = format!("policy.{policy}.{key} = {value}");
        assert!(told.contains(&wanted) && told.contains("whole number"), "{told}");
        assert!(told.contains("; write "), "{told}");
    }
    let whole = Scenario::load(
        "multi-doc-qa",
        &Overrides { set: vec!["all_policies.team=2.5".into()], ..Overrides::default() },
    );
    assert!(whole.unwrap_err().to_string().contains("all_policies.team = 2.5: must be a whole number"));
}

fn load(set: &[&str], policies: Option<&[&str]>) -> Result<Scenario, ScenarioError> {
    let overrides = Overrides {
        set: set.iter().map(ToString::to_string).collect(),
        policies: policies.map(|list| list.iter().map(ToString::to_string).collect()),
        baseline: policies.map(|list| list[0].to_owned()),
        ..Overrides::default()
    };
    let text = format!(
        "{}{ENDPOINTS}[all_policies]\ngist_tokens = 60\nbrief_tokens = 500\nmax_steps = 9\n",
        DIVIDE.replace("[\"single\"]", "[\"single\", \"delm-queue\", \"orchestrator-async\"]")
    );
    Scenario::parse("all.toml", &text, None, &overrides)
}

#[test]
fn a_setting_of_all_policies_is_a_default_for_those_that_read_it() {
    assert!(load(&[], None).is_ok_and(|s| s.left_out.is_empty()), "each takes what it reads");
    // Policies that the flags leave out took their settings with them; what is kept reads again as it is.
    let single = load(&[], Some(&["single"])).unwrap();
    assert_eq!(single.all_policies.keys().collect::<Vec<_>>(), ["max_steps"]);
    assert!(single.left_out.is_empty(), "the flags left it out");
    assert_eq!(Scenario::parse("again", &single.to_toml(), None, &Overrides::default()).unwrap(), single);
    // What the flags themselves set is read, or a fault.
    let told = load(&["all_policies.gist_tokens=50"], Some(&["single"])).unwrap_err().to_string();
    assert!(told.contains("--set: all_policies.gist_tokens = 50: is read by no policy"), "{told}");
    let told = load(&["all_policies.dispatch=\"serial\"", "all_policies.stagger_s=1"], None).unwrap_err().to_string();
    assert!(told.contains("all_policies.stagger_s = 1: is read by no policy"), "{told}");
    assert!(!told.contains("dispatch"), "the orchestrator reads it: {told}");
    // A file is told what it says in vain, and runs.
    let alone = format!("{DIVIDE}{ENDPOINTS}[all_policies]\ngist_tokens = 60\nmax_steps = 9\n");
    let alone = Scenario::parse("alone.toml", &alone, None, &Overrides::default()).unwrap();
    let told: Vec<String> = alone.left_out.iter().map(ToString::to_string).collect();
    assert!(
        matches!(&told[..], [one] if one.contains("all_policies.gist_tokens = 60: is read by no policy")
        && one.contains("it acts where")),
        "{told:?}"
    );
    assert!(!alone.to_toml().contains("gist_tokens"));
}

#[test]
fn parameters_are_what_some_policy_reads() {
    let scenario = load(&["policy.delm-queue.ask_more=false"], None).unwrap();
    let listed: Vec<String> = parameters(&scenario).into_iter().map(|p| p.path).collect();
    let has = |path: &str| listed.iter().any(|p| p == path);
    assert!(has("all_policies.gist_tokens") && has("all_policies.brief_tokens"));
    for absent in ["stagger_s", "merge", "barrier", "planner_window_tokens", "keep_steps", "plan", "dry_policy"] {
        assert!(!listed.iter().any(|p| p.ends_with(&format!(".{absent}"))), "{absent} is read by nobody");
    }
}

#[test]
fn what_the_command_line_says_of_the_world_acts_or_is_a_fault() {
    let told = |set: &[&str]| load(set, None).unwrap_err().to_string();
    assert!(told(&["endpoints.woker.base_s=5"]).contains("--set: endpoints.woker: serves nobody"));
    let sharing = told(&["sharing.respect=0.1"]);
    assert!(sharing.contains("sharing.respect = 0.1: is not read by this workload") && sharing.contains("`search`"));
    assert!(load(&["sharing.contagion=0.1", "endpoints.own.base_s=5", "roles.merge=own"], None).is_ok());
    // A fraction of a subtask is a slip; a law that varies is rounded draw by draw.
    for count in ["subtasks={constant=2.5}", "subtasks={constant=0}", "second_wave={constant=0.5}"] {
        let told = told(&[&format!("workload.divide.{count}")]);
        assert!(told.contains("constant = ") && told.contains("must be"), "{told}");
    }
    assert!(load(&["workload.divide.subtasks={exponential={mean=2.5}}"], None).is_ok());
}

#[test]
fn what_nobody_priced_is_not_free_and_time_on_a_machine_of_ones_own_costs() {
    let cost = |set: &[&str]| {
        let scenario = load(set, Some(&["delm-queue"])).unwrap();
        Point::new(&scenario, "delm-queue", 3)
            .unwrap()
            .run(0, Sinks::default())
            .unwrap()
            .measures
            .get("cost_per_task_usd")
    };
    assert_eq!(cost(&[]), None, "no endpoint states a price");
    assert_eq!(
        cost(&["endpoints.model.price.rates.input_usd_per_mtok=0.0"]),
        Some(0.0),
        "somebody says that it is free"
    );
    assert!(cost(&["endpoints.model.price.busy_usd_per_hour=3.6"]).is_some_and(|usd| usd > 0.01));
}

#[test]
fn what_the_screen_says_of_origins_is_not_said_of_what_the_command_line_set() {
    let mix = |set: &[&str]| {
        let set = set.iter().map(ToString::to_string).collect();
        Scenario::load("swe-verified", &Overrides { set, ..Overrides::default() }).unwrap().mix
    };
    let changed = |set: &[&str]| {
        let (plain, mix) = (mix(&[]), mix(set));
        [
            plain.accuracy != mix.accuracy,
            plain.latencies != mix.latencies,
            plain.tokens != mix.tokens,
            plain.prices != mix.prices,
        ]
    };
    assert_eq!(changed(&["endpoints.worker.base_s=5"]), [false, true, false, false]);
    assert_eq!(changed(&["endpoints.worker.price.rates.input_usd_per_mtok=5"]), [false, false, false, true]);
    assert_eq!(changed(&["workload.search.unsolvable_share=0.5"]), [true, false, false, false]);
    assert_eq!(changed(&["sizes.plan_tokens={constant=5}"]), [false, false, true, false]);
    assert!(mix(&["endpoints.worker.base_s=5"]).latencies.ends_with("(in part set on the command line)"));
}

#[test]
fn a_baseline_that_the_flags_leave_out_is_no_fault() {
    let overrides = Overrides { policies: Some(vec!["delm-queue".to_owned()]), ..Overrides::default() };
    let text =
        format!("{}{ENDPOINTS}", DIVIDE.replace("[\"single\"]", "[\"single\", \"delm-queue\"]\nbaseline = \"single\""));
    assert_eq!(Scenario::parse("x", &text, None, &overrides).unwrap().baseline, "best-central");
    let wrong = text.replace("baseline = \"single\"", "baseline = \"sinle\"");
    assert!(Scenario::parse("x", &wrong, None, &overrides).unwrap_err().to_string().contains("baseline"));
}

/// A policy's own lead or verifier is what the roles would give it if they named that endpoint for the calls of its seat.
#[test]
fn a_seat_of_a_policy_is_a_role_for_this_policy_alone() {
    let leads = ["plan", "dispatch", "more-subtasks", "merge", "finalize"];
    for (work, policies) in [
        (Work::Search, ["orchestrator-parallel", "delm-solvers", "orchestrator-async"]),
        (Work::Divide, ["orchestrator-parallel", "delm-queue", "orchestrator-sequential"]),
    ] {
        let base = if work == Work::Search { SEARCH } else { DIVIDE };
        for policy in policies {
            let load = |set: Vec<String>| {
                let overrides = Overrides {
                    set,
                    policies: Some(vec![policy.to_owned()]),
                    baseline: Some(policy.to_owned()),
                    ..Overrides::default()
                };
                Scenario::parse("seats.toml", &format!("{base}{ENDPOINTS}{OTHER}"), None, &overrides).unwrap()
            };
            let run = |set: Vec<String>| {
                let scenario = load(set);
                let run = Point::new(&scenario, policy, 3).unwrap().run(0, Sinks::default()).unwrap();
                (run.digest, run.measures)
            };
            let gate = format!("policy.{policy}.gate=\"llm\"");
            let own = |setting: &str| run(vec![gate.clone(), format!("policy.{policy}.{setting}=\"other\"")]);
            let by_roles = |purposes: &[&str]| {
                let named = purposes.iter().map(|purpose| format!("roles.{purpose}=\"other\""));
                run(named.chain([gate.clone()]).collect())
            };
            let given = run(vec![gate.clone()]);
            assert!(own("lead_endpoint") == by_roles(&leads), "{policy}: lead");
            assert!(own("verifier_endpoint") == by_roles(&["verify"]), "{policy}: verifier");
            assert!(own("lead_endpoint") != given && own("verifier_endpoint") != given, "{policy}: neither acts");
        }
    }
}

/// Who is named must be there; an endpoint that only a policy names serves somebody.
#[test]
fn a_seat_names_an_endpoint_of_the_scenario() {
    let load = |name: &str| {
        let set = vec![format!("policy.single.lead_endpoint=\"{name}\"")];
        let text = format!("{DIVIDE}{ENDPOINTS}{OTHER}");
        Scenario::parse("seats.toml", &text, None, &Overrides { set, ..Overrides::default() })
    };
    let wrong = load("othr").unwrap_err().to_string();
    assert!(wrong.contains("there is no such endpoint") && wrong.contains("did you mean \"other\"?"), "{wrong}");
    let told = |scenario: &Scenario| scenario.left_out.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(told(&load("by-role").unwrap()).contains("serves nobody"));
    assert_eq!(told(&load("other").unwrap()), "");
}

/// A price of one's own over a preset's leaves the preset's other rates standing: that is told, and not when all are written.
#[test]
fn prices_of_two_lists_are_told() {
    let told = |set: &[&str]| {
        let set = set.iter().map(ToString::to_string).collect();
        let scenario = Scenario::load("swe-verified", &Overrides { set, ..Overrides::default() }).unwrap();
        scenario.left_out.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(told(&[]), Vec::<String>::new());
    let input = "endpoints.worker.price.rates.input_usd_per_mtok=2.5";
    let some = told(&[input, "endpoints.worker.price.rates.output_usd_per_mtok=10"]);
    let stays = |notes: &[String], rate: &str| notes.iter().any(|note| note.contains(rate) && note.contains("stays"));
    assert!(stays(&some, "cache_read_usd_per_mtok") && !stays(&some, "output_usd_per_mtok"), "{some:?}");
    let rates =
        ["output", "cache_read", "cache_write"].map(|r| format!("endpoints.worker.price.rates.{r}_usd_per_mtok=1"));
    let all: Vec<&str> = rates.iter().map(String::as_str).chain([input]).collect();
    assert_eq!(told(&all), Vec::<String>::new());
}
