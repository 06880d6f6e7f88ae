//! What a user is told of a scenario that cannot be run: every fault at once, with file, line, key, value and mend.

use delm_sim::experiment::{Overrides, Scenario, ScenarioError, embedded, validate};
use delm_sim::kernel::Law;
use proptest::prelude::*;
use std::fmt::Write as _;
use std::path::Path;

const SMALL: &str = r#"version = 1
name = "small"
question = "Is it small?"
replications = 4
agents = [1, 2]
policies = ["single", "independent"]

[workload.search]
hypotheses_per_budget = 4

[endpoints.worker]
base_s = 1.0

[roles]
default = "worker"
"#;

const DIVIDE: &str = r#"version = 1
name = "small"
question = "Is it small?"
replications = 4
agents = [1, 2]
policies = ["delm-queue"]

[workload.divide]
subtasks = { constant = 3 }

[endpoints.worker]
base_s = 1.0

[roles]
default = "worker"
"#;

fn set(changes: &[&str]) -> Overrides {
    Overrides { set: changes.iter().map(ToString::to_string).collect(), ..Overrides::default() }
}

fn parse(text: &str) -> Result<Scenario, ScenarioError> {
    Scenario::parse("my.toml", text, None, &Overrides::default())
}

fn told(text: &str) -> String {
    parse(text).map_or_else(|e| e.to_string(), |_| "no fault".to_owned())
}

/// The small scenario with one piece of text in place of another.
fn changed(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

#[test]
fn the_small_scenarios_are_sound() {
    assert_eq!(told(SMALL), "no fault");
    assert_eq!(told(DIVIDE), "no fault");
}

/// Each row: what is replaced in the small scenario, by what, and what must be told, all of it in one line.
#[test]
fn faults_of_files() {
    let cases: &[(&str, &str, &str, &[&str])] = &[
        // Shape.
        (SMALL, "agents = [1, 2]", "agnets = [1, 2]", &["my.toml:5:1: agnets: unknown key; did you mean `agents`?"]),
        (SMALL, "agents = [1, 2]", "", &["my.toml: agents: is missing; add it (Team sizes)"]),
        (SMALL, "base_s = 1.0", "base = 1.0", &["my.toml:12:1: endpoints.worker.base: unknown key", "`base_s`"]),
        (
            SMALL,
            "replications = 4",
            "replications = \"many\"",
            &["my.toml:4:1: replications = \"many\": expected a whole number, found a string"],
        ),
        (
            SMALL,
            "replications = 4",
            "replications = nan",
            &["my.toml:4:1: replications = nan: expected a whole number"],
        ),
        (
            SMALL,
            "replications = 4",
            "replications = 2.5",
            &["expected a whole number, found a number with a fraction", "write 3"],
        ),
        (SMALL, "replications = 4", "replications = -3", &["my.toml:4:1: replications = -3: must not be below 0"]),
        (SMALL, "replications = 4", "replications = 4294967296", &["must not be above 4294967295"]),
        (SMALL, "replications = 4", "replications = 99999999999999999999", &["too large to hold"]),
        (SMALL, "base_s = 1.0", "base_s = inf", &["endpoints.worker.base_s = inf: expected a finite number"]),
        (SMALL, "base_s = 1.0", "base_s = nan", &["endpoints.worker.base_s = nan: expected a finite number"]),
        (SMALL, "base_s = 1.0", "base_s = 1e999", &["too large to hold"]),
        (
            SMALL,
            "base_s = 1.0",
            "noise = 2",
            &["endpoints.worker.noise = 2: expected a named form", "write { constant = 2 }"],
        ),
        (
            SMALL,
            "base_s = 1.0",
            "noise = { lognormals = { mean = 1, sigma = 1 } }",
            &["endpoints.worker.noise.lognormals: unknown key", "`lognormal`"],
        ),
        (
            SMALL,
            "base_s = 1.0",
            "noise = { constant = 1, beta = { a = 1, b = 1 } }",
            &["expected exactly one key, found 2"],
        ),
        (
            SMALL,
            "base_s = 1.0",
            "noise = { lognormal = { mean = 1 } }",
            &["endpoints.worker.noise.lognormal.sigma: is missing"],
        ),
        (
            SMALL,
            "base_s = 1.0",
            "slots = 0",
            &["endpoints.worker.slots = 0: expected a number above 0, or \"unlimited\""],
        ),
        (SMALL, "base_s = 1.0", "slots = inf", &["\"unlimited\""]),
        (
            SMALL,
            "base_s = 1.0",
            "at_limit = \"que\"",
            &["endpoints.worker.at_limit = \"que\": unknown word; did you mean `queue`?"],
        ),
        (
            SMALL,
            "base_s = 1.0",
            "cache = true",
            &["endpoints.worker.cache = true: expected a table, found true or false"],
        ),
        (SMALL, "agents = [1, 2]", "agents = 3", &["agents = 3: expected a list, found a whole number; write [3]"]),
        (
            SMALL,
            "agents = [1, 2]",
            "agents = [1, \"two\"]",
            &["my.toml:5:14: agents[1] = \"two\": expected a whole number"],
        ),
        (SMALL, "name = \"small\"", "name = 7", &["name = 7: expected a string, found a whole number; write \"7\""]),
        (SMALL, "[workload.search]", "[workload.serach]", &["workload.serach: unknown key; did you mean `search`?"]),
        (
            DIVIDE,
            "subtasks = { constant = 3 }",
            "dependencies = [[1, 0, 2]]",
            &["dependencies[0]", "expected 2 values, found 3"],
        ),
        // Meaning.
        (SMALL, "version = 1", "version = 2", &["my.toml:1:1: version = 2: this build reads version 1"]),
        (SMALL, "\"small\"", "\"../up\"", &["name = \"../up\"", "letters, digits"]),
        (SMALL, "\"small\"", "\"\"", &["a name must have 1 to 64"]),
        (SMALL, "\"Is it small?\"", "\" \"", &["my.toml:3:1: question", "is empty"]),
        (SMALL, "replications = 4", "replications = 0", &["replications = 0: must not be below 1"]),
        (SMALL, "replications = 4", "replications = 10000001", &["must not be above 10000000"]),
        (SMALL, "replications = 4", "replications = 4\ntasks = 0", &["my.toml:5:1: tasks = 0: must not be below 1"]),
        (SMALL, "agents = [1, 2]", "agents = []", &["agents", "lists no team size"]),
        (SMALL, "agents = [1, 2]", "agents = [0]", &["my.toml:5:11: agents[0] = 0: must not be below 1"]),
        (SMALL, "agents = [1, 2]", "agents = [1000001]", &["must not be above 1000000"]),
        (SMALL, "agents = [1, 2]", "agents = [2, 2]", &["my.toml:5:14: agents[1] = 2: is listed twice"]),
        (
            SMALL,
            "agents = [1, 2]",
            "agents = [1000000]\nbaseline = \"single\"\ntasks = 100000",
            &["replications = 4: policies x agents x replications x tasks is 8.0e11", "--policy"],
        ),
        (
            SMALL,
            "\"independent\"",
            "\"independant\"",
            &["policies[1] = \"independant\": unknown policy", "did you mean \"independent\"?"],
        ),
        (SMALL, "\"independent\"", "\"single\"", &["policies[1]", "is listed twice"]),
        (
            SMALL,
            "\"independent\"",
            "\"delm-queue\"",
            &["policies[1] = \"delm-queue\": does not run on a `search` workload; these do: single"],
        ),
        (
            SMALL,
            "\"independent\"]",
            "\"independent\"]\nbaseline = \"delm-solvers\"",
            &["my.toml:7:1: baseline = \"delm-solvers\": is not among the policies", "best-central"],
        ),
        (
            SMALL,
            "default = \"worker\"",
            "default = \"workers\"",
            &["roles.default = \"workers\": there is no such endpoint; did you mean \"worker\"?"],
        ),
        (
            SMALL,
            "default = \"worker\"",
            "plan = \"worker\"",
            &["roles.default: is missing; write default = \"worker\""],
        ),
        (
            SMALL,
            "default = \"worker\"",
            "default = \"worker\"\nplann = \"worker\"",
            &["roles.plann", "is no purpose of a call; did you mean `plan`?"],
        ),
        (
            SMALL,
            "default = \"worker\"",
            "default = \"worker\"\n[worker_roles]\nfirst = \"worker\"",
            &["worker_roles.first", "no number of a worker"],
        ),
        (SMALL, "base_s = 1.0", "base_s = -1.0", &["my.toml:12:1: endpoints.worker.base_s = -1: must not be below 0"]),
        (SMALL, "base_s = 1.0", "failure_probability = 1.5", &["failure_probability = 1.5: must be between 0 and 1"]),
        (SMALL, "base_s = 1.0", "stream_slowdown = -0.5", &["stream_slowdown = -0.5: must not be below 0"]),
        (SMALL, "base_s = 1.0", "stream_slowdown = 8.5", &["stream_slowdown = 8.5: must not be above 2"]),
        (
            SMALL,
            "base_s = 1.0",
            "noise = { lognormal = { mean = -1, sigma = 1 } }",
            &["endpoints.worker.noise: mean is -1, but must not be negative"],
        ),
        (SMALL, "base_s = 1.0", "noise = { table = { quantiles = [2, 1] } }", &["must not be below quantiles[0]"]),
        (SMALL, "base_s = 1.0", "noise = { pareto = { alpha = 1, mean = 1 } }", &["alpha is 1, but must be above 1"]),
        (
            SMALL,
            "base_s = 1.0",
            "requests_per_minute = 0.0000001",
            &["requests_per_minute = 0.0000001: must be at least a millionth"],
        ),
        (
            SMALL,
            "base_s = 1.0",
            "price.rates.output_usd_per_mtok = -2",
            &["price.rates.output_usd_per_mtok = -2: must not be below 0"],
        ),
        (
            SMALL,
            "base_s = 1.0",
            "price.tiers = [{ above_prompt_tokens = 9, rates = {} }, { above_prompt_tokens = 9, rates = {} }]",
            &["tiers[1].above_prompt_tokens = 9: tiers must stand in rising order"],
        ),
        (
            SMALL,
            "[endpoints.worker]",
            "[endpoints.\"a b\"]\n[endpoints.worker]",
            &["endpoints.\"a b\"", "an endpoint's name"],
        ),
        (
            SMALL,
            "hypotheses_per_budget = 4",
            "success = { beta = { a = 0, b = 1 } }",
            &["workload.search.success.beta.a = 0: must be above 0"],
        ),
        (
            SMALL,
            "hypotheses_per_budget = 4",
            "success = { fixed = { p = 1.2 } }",
            &["success.fixed.p = 1.2: must be between 0 and 1"],
        ),
        (
            SMALL,
            "hypotheses_per_budget = 4",
            "attraction_exponent = 1.0",
            &["attraction_exponent = 1.0", "acts only with stated weights"],
        ),
        (SMALL, "hypotheses_per_budget = 4", "hypotheses_per_budget = 0", &["must not be below 1"]),
        (SMALL, "hypotheses_per_budget = 4", "tool_share = -0.1", &["tool_share = -0.1: must be between 0 and 1"]),
        (
            SMALL,
            "[roles]",
            "[sharing]\nherding = 2\n[roles]",
            &["my.toml:15:1: sharing.herding = 2: must be between 0 and 1"],
        ),
        (
            SMALL,
            "[roles]",
            "[all_policies]\nmax_step = 2\n[roles]",
            &["all_policies.max_step: unknown key; did you mean `max_steps`?"],
        ),
        (
            SMALL,
            "[roles]",
            "[all_policies]\nmax_steps = 0\n[roles]",
            &["my.toml:15:1: all_policies.max_steps = 0: must not be below 1"],
        ),
        (
            SMALL,
            "[roles]",
            "[policy.single]\ngate = \"strict\"\n[roles]",
            &["policy.single.gate = \"strict\": unknown word"],
        ),
        (
            DIVIDE,
            "[roles]",
            "[policy.delm-queue]\ncontrol = \"none\"\n[roles]",
            &["policy.delm-queue.store: threads with a shared store work on `search` only"],
        ),
        (
            SMALL,
            "[roles]",
            "[policy.single]\nbarrier = { k-of-n = { k = 0 } }\n[roles]",
            &["policy.single.barrier.k-of-n.k = 0: must not be below 1"],
        ),
        (
            SMALL,
            "[roles]",
            "[policy.single]\nbarrier = { timeout = { seconds = -1 } }\n[roles]",
            &["seconds = -1: must be above 0"],
        ),
        (
            SMALL,
            "[roles]",
            "[policy.mine]\nmax_steps = 3\n[roles]",
            &["policy.mine", "unknown policy \"mine\"", "based_on"],
        ),
        (
            SMALL,
            "[roles]",
            "[policy.mine]\nbased_on = 3\n[roles]",
            &["policy.mine.based_on = 3: expected the name of a policy"],
        ),
        (SMALL, "[roles]", "[protocol.single]\ncost = 0\n[roles]", &["protocol.single.cost = 0: must be above 0"]),
        (
            SMALL,
            "[roles]",
            "[measure]\ncount = \"step\"\nwarmup = 9\nstop_after = 9\n[roles]",
            &["measure.warmup = 9: must be below stop_after"],
        ),
        (
            SMALL,
            "[roles]",
            "[[expect]]\npolicy = \"singel\"\nagents = 3\nmetric = \"m\"\nvalue = 1\n[roles]",
            &["expect[0].policy = \"singel\": is not among the policies"],
        ),
        (
            SMALL,
            "[roles]",
            "[sources.\"sharing.respct\"]\nkind = \"assumed\"\ncite = \"me\"\n[roles]",
            &["sources.\"sharing.respct\": is no parameter"],
        ),
        (
            SMALL,
            "base_s = 1.0",
            "preset = \"opus\"",
            &["endpoints.worker.preset = \"opus\": unknown preset", "`delm-sim list`"],
        ),
        (
            DIVIDE,
            "subtasks = { constant = 3 }",
            "subtasks = { constant = 3 }\nsecond_wave = { constant = 0 }\ndependencies = [[0, 1], [1, 2], [2, 0]]",
            &["workload.divide.dependencies", "form a cycle: 0 waits for 1 waits for 2 waits for 0"],
        ),
        (
            DIVIDE,
            "subtasks = { constant = 3 }",
            "subtasks = { constant = 3 }\nsecond_wave = { constant = 0 }\ndependencies = [[1, 3]]",
            &["dependencies[0][1] = 3: there are 3 subtasks, numbered 0 to 2"],
        ),
        (DIVIDE, "subtasks = { constant = 3 }", "facts_needed = 65", &["facts_needed = 65: must not be above 64"]),
        (DIVIDE, "\"delm-queue\"", "\"delm-solvers\"", &["does not run on a `divide` workload"]),
    ];
    let mut misses = String::new();
    for (base, from, to, fragments) in cases {
        let told = told(&changed(base, from, to));
        let hit = told.lines().any(|l| fragments.iter().all(|f| l.contains(f)));
        if !hit || told.lines().any(|l| !l.starts_with("my.toml")) {
            writeln!(misses, "{to}\n  wanted {fragments:?}\n  told   {told}").unwrap();
        }
    }
    assert!(misses.is_empty(), "\n{misses}");
}

#[test]
fn most_single_slips_give_a_single_line() {
    for (from, to) in [
        ("agents = [1, 2]", "agents = [0, 2]"),
        ("replications = 4", "replications = \"many\""),
        ("base_s = 1.0", "base_s = nan"),
        ("base_s = 1.0", "noise = 3"),
        ("agents = [1, 2]", ""),
    ] {
        let told = told(&changed(SMALL, from, to));
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

#[test]
fn all_faults_are_told_at_once_in_the_order_of_the_file() {
    let text = SMALL
        .replace("replications = 4", "replications = \"many\"\ntaks = 3")
        .replace("agents = [1, 2]", "agents = [1, 0]")
        .replace("base_s = 1.0", "base_s = -1\nnoise = 3")
        .replace("default = \"worker\"", "default = \"nobody\"");
    let told = told(&text);
    let keys: Vec<&str> = told.lines().filter_map(|l| l.split(' ').nth(1)).collect();
    let wanted =
        ["replications", "taks:", "agents[1]", "endpoints.worker.base_s", "endpoints.worker.noise", "roles.default"];
    assert_eq!(keys, wanted, "{told}");
}

#[test]
fn text_that_is_no_toml_is_told_with_its_line() {
    let half = &SMALL[..SMALL.len() / 2];
    let told_half = told(&format!("{half}\n= = ["));
    assert!(told_half.starts_with("my.toml:"), "{told_half}");
    assert!(told_half.contains("not TOML"), "{told_half}");
    assert!(told("\n  \n# nothing\n").contains("the file is empty; `delm-sim init FILE`"));
    assert!(told("a = 1\na = 2\n").contains("my.toml:2:1"));
}

#[test]
fn what_cannot_be_read_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.toml");
    let load = |path: &Path| {
        let name = path.to_str().unwrap();
        Scenario::load(name, &Overrides::default()).unwrap_err().to_string()
    };
    assert!(load(&path).contains("bad.toml: no such file"));
    assert!(load(folder.path()).contains("is a directory"));
    std::fs::write(&path, "").unwrap();
    assert!(load(&path).contains("bad.toml: the file is empty"));
    std::fs::write(&path, [0, 1, 2]).unwrap();
    assert!(load(&path).contains("bad.toml: is not text"));
    std::fs::write(&path, [b'a', 0xff]).unwrap();
    assert!(load(&path).contains("byte 1 is not UTF-8"));
}

#[test]
fn flags_change_the_scenario_and_are_named_in_faults() {
    let overrides = Overrides {
        catalog: delm_sim::policy::Catalog::default(),
        set: vec!["sharing.respect=0.8".into(), "workload.search.success.fixed.p=0.5".into()],
        agents: Some(vec![4]),
        policies: Some(vec!["independent".into()]),
        baseline: Some("independent".into()),
        seed: Some(9),
        replications: Some(7),
    };
    let scenario = Scenario::parse("s", SMALL, None, &overrides).unwrap();
    assert_eq!(scenario.sharing.respect, 0.8);
    assert_eq!((scenario.seed, scenario.replications), (9, 7));
    assert_eq!((scenario.agents, scenario.policies), (vec![4], vec!["independent".to_owned()]));

    let cases = [
        (set(&["no.such.key=1"]), "--set: no: unknown key"),
        (set(&["sharing.respct=1"]), "--set: sharing.respct: unknown key; did you mean `respect`?"),
        (set(&["sharing.respect=lots"]), "--set: sharing.respect = \"lots\": expected a finite number"),
        (set(&["sharing.respect=nan"]), "--set: sharing.respect = nan"),
        (set(&["sharing.respect=-1"]), "--set: sharing.respect = -1"),
        (set(&["sharing.respect"]), "--set: `sharing.respect`: has no `=`"),
        (set(&["=3"]), "--set: `=3`: has no path"),
        (set(&["agents=0"]), "--set: agents = 0: expected a list"),
        (Overrides { agents: Some(vec![0]), ..Overrides::default() }, "--agents: agents[0] = 0"),
        (Overrides { agents: Some(vec![2_000_000]), ..Overrides::default() }, "--agents: agents[0] = 2000000"),
        (
            Overrides { policies: Some(vec!["x".into()]), ..Overrides::default() },
            "--policy: policies[0] = \"x\": unknown policy",
        ),
        (Overrides { baseline: Some("x".into()), ..Overrides::default() }, "--baseline: baseline = \"x\""),
        (Overrides { seed: Some(u64::MAX), ..Overrides::default() }, "--seed: seed = 18446744073709551615"),
        (Overrides { replications: Some(0), ..Overrides::default() }, "--replications: replications = 0"),
    ];
    for (overrides, fragment) in cases {
        let told = Scenario::parse("s", SMALL, None, &overrides).unwrap_err().to_string();
        assert!(told.contains(fragment), "wanted {fragment}\ntold {told}");
    }
}

/// Closed forms of cells that a flag leaves out are left out as well; others are still checked.
#[test]
fn flags_narrow_the_closed_forms() {
    let form = |policy: &str, agents| {
        format!("[[expect]]\npolicy = \"{policy}\"\nagents = {agents}\nmetric = \"m\"\nvalue = 1\n")
    };
    let text = format!("{SMALL}{}{}", form("single", 1), form("independent", 2));
    let overrides = Overrides { agents: Some(vec![2, 4]), ..Overrides::default() };
    let scenario = Scenario::parse("s", &text, None, &overrides).unwrap();
    assert_eq!(scenario.expect.iter().map(|e| e.agents).collect::<Vec<_>>(), [2]);
    let wrong = format!("{SMALL}{}", form("singel", 2));
    assert!(Scenario::parse("s", &wrong, None, &overrides).unwrap_err().to_string().contains("expect[0].policy"));
}

#[test]
fn another_form_of_a_law_replaces_the_first() {
    let overrides =
        set(&["endpoints.worker.noise.lognormal={mean=1, sigma=0.5}", "workload.search.completion_tokens.constant=7"]);
    let text = format!("{SMALL}\n").replace("base_s = 1.0", "base_s = 1.0\nnoise = { exponential = { mean = 2 } }");
    let scenario = Scenario::parse("s", &text, None, &overrides).unwrap();
    assert_eq!(scenario.endpoints["worker"].noise, Law::Lognormal { mean: 1.0, sigma: 0.5 });
}

const PRESET: &str = r#"
[source]
cite = "recorded calls"
date = "2026-03"
kind = "fitted"

[endpoint]
base_s = 2.0
noise = { lognormal = { mean = 1.1, sigma = 0.2 } }
slots = 4

[endpoint.price.rates]
input_usd_per_mtok = 5.0
output_usd_per_mtok = 25.0

[sources."price"]
kind = "published"
cite = "price list"

[tokens]
completion = [1, 10, 100]
"#;

#[test]
fn presets_expand_and_keep_their_origin() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("p.toml"), PRESET).unwrap();
    let text = SMALL
        .replace(
            "base_s = 1.0",
            "preset = \"p.toml\"\nbase_s = 9.0\nnoise = { constant = 1 }\nprice.rates.output_usd_per_mtok = 1",
        )
        .replace("hypotheses_per_budget = 4", "completion_tokens = { preset = \"p.toml\", table = \"completion\" }");
    let path = folder.path().join("s.toml");
    std::fs::write(&path, text).unwrap();
    let scenario = Scenario::load(path.to_str().unwrap(), &set(&["endpoints.worker.slots=8"])).unwrap();
    let worker = &scenario.endpoints["worker"];
    assert_eq!((worker.base_s, worker.slots.at()), (9.0, Some(8.0)));
    assert_eq!(worker.noise, Law::Constant(1.0));
    let rates = &worker.price.rates;
    assert_eq!((rates.input_usd_per_mtok, rates.output_usd_per_mtok), (5.0, 1.0));

    let inputs = delm_sim::experiment::parameters(&scenario);
    let source = |path: &str| {
        let input = inputs.iter().find(|p| p.path == path).unwrap();
        (input.source.name(), input.cite.clone())
    };
    assert_eq!(source("workload.search.completion_tokens"), ("fitted", "recorded calls (2026-03)".to_owned()));
    let prices = "endpoints.worker.price.rates";
    assert_eq!(source(&format!("{prices}.input_usd_per_mtok")), ("published", "price list".to_owned()));
    assert_eq!(source(&format!("{prices}.output_usd_per_mtok")).0, "assumed");
    assert_eq!(source("endpoints.worker.base_s").0, "assumed");
    assert_eq!(source("endpoints.worker.slots").0, "assumed", "set on the command line");
}

/// Broad notes do not speak for what a preset brings; a law's preset on the command line brings its own note.
#[test]
fn a_preset_keeps_its_origin_under_broad_notes_and_on_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("p.toml"), PRESET).unwrap();
    let notes = ["endpoints.*.base_s", "workload.search.completion_tokens"]
        .map(|path| format!("[sources.\"{path}\"]\nkind = \"assumed\"\ncite = \"me\"\n"))
        .concat();
    let overrides = set(&[
        "endpoints.other.preset=./p.toml",
        "roles.merge=other",
        "workload.search.completion_tokens={ preset = \"p.toml\", table = \"completion\" }",
    ]);
    let scenario = Scenario::parse("s", &format!("{SMALL}{notes}"), Some(folder.path()), &overrides).unwrap();
    let inputs = delm_sim::experiment::parameters(&scenario);
    let cite = |path: &str| inputs.iter().find(|p| p.path == path).unwrap().cite.as_str();
    assert_eq!(cite("endpoints.worker.base_s"), "me");
    assert_eq!(cite("endpoints.other.base_s"), "recorded calls (2026-03)");
    assert_eq!(cite("workload.search.completion_tokens"), "recorded calls (2026-03)");
}

#[test]
fn faults_of_a_preset_name_its_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("p.toml"), PRESET.replace("slots", "slotz")).unwrap();
    let text = SMALL.replace("base_s = 1.0", "preset = \"p.toml\"");
    let told = Scenario::parse("s", &text, Some(folder.path()), &Overrides::default()).unwrap_err().to_string();
    assert!(told.contains("p.toml:10:1: endpoint.slotz: unknown key"), "{told}");
    let text = SMALL.replace("base_s = 1.0", "preset = \"q.toml\"");
    let told = Scenario::parse("s", &text, Some(folder.path()), &Overrides::default()).unwrap_err().to_string();
    assert!(told.contains("cannot be read: no such file"), "{told}");
}

#[test]
fn a_policy_of_ones_own_is_a_moved_point() {
    let text = SMALL
        .replace("\"independent\"]", "\"mine\"]")
        .replace("[roles]", "[policy.mine]\nbased_on = \"delm-solvers\"\ngate = \"none\"\n[roles]");
    let scenario = parse(&text).unwrap();
    assert_eq!(scenario.base_of("mine"), "delm-solvers");
    assert_eq!(scenario.settings("mine").unwrap().mechanisms().unwrap().gate, delm_sim::policy::settings::Gate::None);
}

#[test]
fn the_hash_covers_everything() {
    let load = |set_to: &[&str]| Scenario::load("swe-verified", &set(set_to)).unwrap().hash8();
    assert_eq!(load(&[]), load(&[]));
    assert_eq!(load(&[]).len(), 8);
    for change in ["seed=1", "name=other", "sharing.respect=0.51", "question=why"] {
        assert_ne!(load(&[]), load(&[change]), "{change}");
    }
}

#[test]
fn every_embedded_scenario_loads_and_states_its_question_first() {
    for (name, text) in embedded::SCENARIOS {
        let scenario = Scenario::load(name, &Overrides::default()).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(&scenario.name, name);
        assert!(text.starts_with("# Question: "), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What was loaded, written and loaded again is the same; so a results directory can carry its scenario.
    #[test]
    fn a_scenario_written_and_loaded_again_is_equal(
        embedded_scenario in 0..embedded::SCENARIOS.len(),
        seed in 0..i64::MAX as u64,
        agents in proptest::collection::btree_set(1_u32..1000, 1..5),
        probability in 0.0..=1.0_f64,
        mean in 0.0..1e6_f64,
        sigma in 0.0..3.0_f64,
        limit in proptest::option::of(1_u32..1_000_000),
    ) {
        let (name, _) = embedded::SCENARIOS[embedded_scenario];
        let limit = limit.map_or("\"unlimited\"".to_owned(), |x| x.to_string());
        let mut overrides = set(&[
            &format!("sharing.true_positive_rate={probability:?}"),
            &format!("sizes.plan_tokens.lognormal={{mean={mean:?}, sigma={sigma:?}}}"),
            &format!("endpoints.worker.slots={limit}"),
            "roles.compact=worker",
            "policy.mine={based_on=\"orchestrator-parallel\", barrier={k-of-n={k=2}}}",
            "all_policies.window_tokens=150000",
        ]);
        overrides.agents = Some(agents.into_iter().collect());
        overrides.seed = Some(seed);
        let scenario = Scenario::load(name, &overrides).unwrap();
        prop_assert!(validate(&scenario).is_empty());
        let again = Scenario::parse("again", &scenario.to_toml(), None, &Overrides::default());
        prop_assert_eq!(&again, &Ok(scenario.clone()));
        prop_assert_eq!(again.unwrap().hash8(), scenario.hash8());
    }

    /// No text makes the loader panic.
    #[test]
    fn damaged_text_is_a_fault_and_no_panic(at in 0_usize..4000, junk in "[ -~\\n]{0,6}", cut in 0_usize..6) {
        let (_, text) = embedded::SCENARIOS[0];
        let at = at.min(text.len());
        let mut bytes = text.as_bytes().to_vec();
        bytes.splice(at..(at + cut).min(text.len()), junk.bytes());
        if let Ok(text) = String::from_utf8(bytes) {
            let _ = parse(&text);
        }
    }

    /// No value of any key makes the loader panic, and faults tell the flag.
    #[test]
    fn odd_values_are_faults_and_no_panic(
        key in proptest::sample::select(vec![
            "agents", "workload", "workload.search.success", "endpoints.worker", "roles.default", "policy",
            "policy.single.barrier", "sharing.respect", "expect", "sources", "endpoints.worker.preset",
            "workload.search.completion_tokens", "endpoints.worker.price.tiers.0.rates", "all_policies", "version",
        ]),
        value in proptest::sample::select(vec![
            "nan", "-1", "1e300", "0", "[]", "{}", "[[]]", "\"\"", "true", "1979-05-27", "{constant=1}", "word",
            "[1, \"a\"]", "{a={b={c=1}}}", "{ preset = \"x\", table = \"y\" }", "9223372036854775807",
        ]),
    ) {
        if let Err(error) = Scenario::parse("s", SMALL, None, &set(&[&format!("{key}={value}")])) {
            prop_assert!(!error.faults().is_empty());
        }
    }
}
