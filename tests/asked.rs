//! Questions to a scenario: answers agree with runs made by hand, faults name their mend, directories are reproduced.

mod common;

use common::{Done, delm_sim};
use delm_sim::experiment::asked::{
    Answer, Asked, Axis, Drawn, Effect, EqualAsked, Equals, Factorial, FactorialAsked, FlipAsked, Flips, Manner, Pair,
    Part, Shares, TuneAsked, Tuned, VaryAsked, ask,
};
use delm_sim::experiment::judgement::Search;
use delm_sim::experiment::replication::{Point, Sinks};
use delm_sim::experiment::{Options, Overrides, Scenario, conduct};
use std::fs;
use std::path::Path;

/// Search with prices, few runs.
const SMALL: &str = r#"# Question: which?
version = 1
name = "small"
question = "Which?"
replications = 16
seed = 5
agents = [1, 3]
baseline = "independent"
policies = ["independent", "orchestrator-parallel", "delm-solvers"]
[workload.search]
[endpoints.model]
base_s = 2.0
completion_s_per_token = 0.01
[endpoints.model.price.rates]
input_usd_per_mtok = 3.0
cache_read_usd_per_mtok = 0.3
cache_write_usd_per_mtok = 3.75
output_usd_per_mtok = 15.0
[endpoints.tool]
base_s = 3.0
[endpoints.tool.price]
busy_usd_per_hour = 1.0
[roles]
default = "model"
tool = "tool"
"#;

fn scenario(set: &[&str]) -> Scenario {
    let overrides = Overrides { set: set.iter().map(ToString::to_string).collect(), ..Overrides::default() };
    Scenario::parse("small.toml", SMALL, None, &overrides).unwrap_or_else(|e| panic!("{e}"))
}

fn answer(scenario: &Scenario, asked: &Asked) -> Answer {
    ask(scenario, asked, &Manner { jobs: 2, progress: None }).unwrap_or_else(|e| panic!("{e}"))
}

fn flips(scenario: &Scenario, metric: &str, uncertain: u32) -> Flips {
    let pair = Pair {
        policy: Some("delm-solvers".to_owned()),
        against: Some("independent".to_owned()),
        metric: Some(metric.to_owned()),
        agents: Some(3),
    };
    match answer(scenario, &Asked::Flip(FlipAsked { pair, uncertain })) {
        Answer::Flip(flips) => flips,
        other => panic!("{other:?}"),
    }
}

/// A folder with `small.toml` in it.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("small.toml"), SMALL).unwrap();
    folder
}

fn on(folder: &Path, command: &str, more: &[&str]) -> Done {
    delm_sim(folder, &[&[command, "small.toml", "-q"][..], more].concat())
}

/// Whether a folder holds nothing but the scenario.
fn untouched(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().count() == 1
}

/// The mean of a metric over the scenario's replications from a number on.
fn mean(scenario: &Scenario, policy: &str, agents: u32, metric: &str, from: u64) -> f64 {
    let point = Point::new(scenario, policy, agents).unwrap();
    let n = u64::from(scenario.replications);
    let runs = (from..from + n).map(|i| point.run(i, Sinks::default()).unwrap());
    runs.map(|run| run.measures.get(metric).unwrap()).sum::<f64>() / n as f64
}

// ---- flip ----

/// Replications that `flip` runs on: those of the scenario's own table.
const FLIPS_FROM: u64 = 0;

#[test]
fn a_break_even_value_parts_the_signs() {
    // Sharing helps little here, so that there is something to flip.
    let scenario = scenario(&["sharing.adoption=0.0", "sharing.respect=0.3"]);
    let found = flips(&scenario, "makespan_s", 0);
    let difference = |scenario: &Scenario| {
        let of = |policy| mean(scenario, policy, 3, "makespan_s", FLIPS_FROM);
        of("delm-solvers") - of("independent")
    };
    let today = difference(&scenario);
    assert!((today - found.today.mean).abs() < 1e-9 && today < 0.0, "{today} {}", found.today.mean);
    let mut checked = 0;
    for swing in &found.swings {
        let Effect::Moves { flip: Search::Found(at), .. } = &swing.effect else { continue };
        let range = swing.input.range;
        assert!((range.low..=range.high).contains(at), "{} flips at {at}, outside of its prior", swing.input.path);
        let moved = |value: f64| difference(&scenario.with(&swing.input.edits(value)).unwrap());
        let step = (swing.input.range.high - swing.input.range.low) / 500.0;
        let step = if swing.input.whole { 1.0 } else { step };
        let back = if swing.input.value > *at { *at + step } else { *at - step };
        assert!(moved(*at) >= 0.0 && moved(back) < 0.0, "{} at {at}, {back}", swing.input.path);
        checked += 1;
    }
    assert!(checked > 0, "the small scenario has an input that flips");
}

#[test]
fn inputs_without_effect_are_told_and_not_in_the_table() {
    let folder = folder();
    let found = flips(&scenario(&[]), "makespan_s", 0);
    let idle = found.swings.iter().find(|s| s.input.path == "sizes.unfold_tokens.constant").unwrap();
    assert_eq!(idle.effect, Effect::None);
    let args = ["--metric", "makespan_s", "--team", "3", "--no-figures", "--output-dir", "d"];
    let done = on(folder.path(), "flip", &args);
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(!done.out.contains("sizes.unfold_tokens") && !done.out.contains("sharing.feedback_gain"), "{}", done.out);
    let csv = fs::read_to_string(folder.path().join("d/flip.csv")).unwrap();
    assert!(csv.lines().any(|l| l.starts_with("sizes.unfold_tokens.constant,") && l.contains(",none,")), "{csv}");
    assert!(!csv.contains("sharing.feedback_gain"), "no input of this workload: {csv}");
}

#[test]
fn joint_draws_sum_up() {
    let Drawn::Told(joint) = flips(&scenario(&["replications=8"]), "makespan_s", 8).joint else { panic!("asked for") };
    assert_eq!((joint.draws, joint.refused), (8, 0), "every draw of the priors makes a scenario");
    assert!(joint.better <= joint.draws && joint.replications == 8);
    assert!(0.0 <= joint.share.low && joint.share.low <= joint.share.high && joint.share.high <= 1.0);
    assert!(joint.quantiles.is_sorted());
}

#[test]
fn faults_of_questions_name_the_mend_and_write_nothing() {
    let folder = folder();
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("flip", &["--subject", "delm-solvers", "--against", "delm-solvers"], &["delm-solvers", "--against"]),
        ("flip", &["--metric", "makespan"], &["--metric makespan", "`makespan_s`"]),
        ("flip", &["--subject", "delm"], &["`delm`", "independent"]),
        ("compare", &["--equal", "pass"], &["--equal pass", "cost_per_task_usd"]),
        ("compare", &["--equal", "cost_per_task_usd=0"], &["above 0"]),
        ("compare", &["--vary", "sharing.respect=0.5,7"], &["sharing.respect", "7"]),
        ("tune", &["--within", "pass"], &["--within pass", "cost_per_task_usd"]),
        ("tune", &["--grid", "brief=1"], &["--grid brief", "schema settings"]),
        ("compare", &["--gate", "pas < 1"], &["did you mean `pass`"]),
    ];
    for (command, args, fragments) in cases {
        let done = on(folder.path(), command, args);
        assert_eq!(done.code, 2, "{args:?}: {}{}", done.out, done.err);
        assert!(fragments.iter().all(|f| done.err.contains(f)), "{args:?}: {}", done.err);
        assert!(done.out.is_empty() && untouched(folder.path()), "{args:?}");
    }
}

// ---- factorial ----

fn factorial(scenario: &Scenario) -> Factorial {
    let asked = FactorialAsked { metric: Some("makespan_s".to_owned()), agents: Some(4), tokens: Some(150) };
    match answer(scenario, &Asked::Factorial(asked)) {
        Answer::Factorial(found) => found,
        other => panic!("{other:?}"),
    }
}

/// The gate's part over the orders that can be walked: all but the two in which the gate comes on where code hands out the
/// work and nothing is shared, so that nothing passes it.
fn gate_by_hand(found: &Factorial, shares: &Shares) {
    let value = |control: &str, store: &str, gate: &str| {
        found.cells.iter().find(|c| c.levels == [control, store, gate]).map(|c| c.mean)
    };
    assert_eq!(value("queue", "none", "llm"), None, "nothing passes a gate there");
    assert_eq!(shares.orders, 4);
    let gain = |control, store| value(control, store, "llm").unwrap() - value(control, store, "none").unwrap();
    let by_hand = (gain("lead", "relay") + gain("lead", "shared") + 2.0 * gain("queue", "shared")) / 4.0;
    let part = shares.parts.iter().find(|part| part.name == "gate").unwrap();
    assert!((part.mean - by_hand).abs() < 1e-9 * by_hand.abs().max(1.0), "{} {by_hand}", part.mean);
}

#[test]
fn parts_sum_to_the_whole_and_cells_are_runs() {
    for (name, based_on, cell) in [
        ("swe-verified", "orchestrator-parallel", ["lead", "shared", "llm"]),
        ("multi-doc-qa", "delm-queue", ["queue", "shared", "llm"]),
    ] {
        let few = Overrides { replications: Some(3), ..Overrides::default() };
        let scenario = Scenario::load(name, &few).unwrap();
        let found = factorial(&scenario);
        let Search::Found(shares) = &found.shares else { panic!("{name}: {:?}", found.absent) };
        let sum: f64 = shares.parts.iter().map(|part| part.mean).sum();
        assert!((sum - shares.whole.mean).abs() <= 1e-12 * shares.whole.mean.abs().max(1.0), "{name}");
        if name == "multi-doc-qa" {
            gate_by_hand(&found, shares);
        }
        assert!(found.cells.iter().all(|c| c.levels[1] != "none" || c.levels[0] == "lead" || c.levels[2] == "none"));
        let absent = |c: &[&str; 3]| c[1] == "none" && c[2] == "llm" && c[0] != "lead";
        assert!(found.absent.iter().any(|(levels, _)| absent(levels)), "{name}: {:?}", found.absent);
        let [_, store, gate] = cell;
        let mut edits = vec!["policies=[\"by-hand\"]".to_owned(), "baseline=\"by-hand\"".to_owned()];
        let mut own = vec![("based_on", format!("\"{based_on}\"")), ("store", format!("\"{store}\""))];
        own.push(("gate", format!("\"{gate}\"")));
        own.push(("gist_tokens", "150".to_owned()));
        if name == "swe-verified" {
            own.retain(|(key, _)| *key != "gist_tokens");
        }
        edits.extend(own.into_iter().map(|(key, value)| format!("policy.by-hand.{key}={value}")));
        let mut plain = scenario.clone();
        plain.policy.clear();
        plain.protocol.clear();
        let mut made = plain.with(&edits).unwrap();
        // As the question does: every length that the point has is the same.
        let keys = made.settings("by-hand").unwrap().keys();
        if keys.get("report_tokens").is_some_and(|tokens| *tokens != 0) {
            edits.push("policy.by-hand.report_tokens=150".to_owned());
            made = plain.with(&edits).unwrap();
        }
        let there = found.cells.iter().find(|c| c.levels == cell).unwrap();
        let by_hand = mean(&made, "by-hand", 4, "makespan_s", 0);
        assert!((there.mean - by_hand).abs() < 1e-9 * by_hand, "{name}: {} {by_hand}", there.mean);
    }
}

// ---- equal ----

/// Settings with few values, so that a grid is small.
fn few(axes: &[(&str, &str)]) -> Vec<Axis> {
    let axis = |(key, values): &(&str, &str)| Axis {
        key: (*key).to_owned(),
        values: values.split(',').map(str::to_owned).collect(),
    };
    axes.iter().map(axis).collect()
}

fn equal(scenario: &Scenario, most: Option<f64>, grid: &[(&str, &str)]) -> Equals {
    let spend = "cost_per_task_usd".to_owned();
    let policy = Some("delm-solvers".to_owned());
    match answer(scenario, &Asked::Equal(EqualAsked { spend, most, metric: None, policy, grid: few(grid) })) {
        Answer::Equal(found) => found,
        other => panic!("{other:?}"),
    }
}

#[test]
fn below_everything_nothing_is_feasible() {
    let found = equal(&scenario(&["replications=2"]), Some(1e-6), &[]);
    assert!(found.rows.iter().all(|row| row.best == Search::NotFound) && found.best_central == Search::NotFound);
    let folder = folder();
    let args = ["--equal", "cost_per_task_usd=0.000001", "--replications", "2", "--no-figures"];
    let done = on(folder.path(), "compare", &args);
    assert_eq!(done.out.matches("its cheapest point is dearer").count(), 3, "{}{}", done.out, done.err);
}

#[test]
fn a_renamed_twin_ties_and_nobody_overspends() {
    let twin = [
        "policies=[\"independent\",\"delm-solvers\",\"twin\"]",
        "policy.twin.based_on=\"delm-solvers\"",
        "replications=32",
    ];
    let found = equal(&scenario(&twin), None, &[("report_tokens", "400"), ("board_place", "\"front\",\"tail\"")]);
    let bests: Vec<_> = found
        .rows
        .iter()
        .map(|row| match &row.best {
            Search::Found(best) => best,
            other => panic!("{}: {other:?}", row.policy),
        })
        .collect();
    let (own, twin) = (bests[1], bests[2]);
    assert_eq!((own.worth, own.spends, own.interval), (twin.worth, twin.spends, twin.interval));
    let (lead, interval) = twin.lead.unwrap();
    assert_eq!((lead, interval.low, interval.high), (0.0, 0.0, 0.0));
    let within = |spends: f64| spends <= found.most * (1.0 + 1e-9);
    assert!(bests.iter().all(|best| within(best.spends) != best.over), "{} {bests:?}", found.most);
    assert!(within(own.spends) && !own.over, "it has cheaper points");
    // Two sizes, and deadlines and budgets around what the pilots take.
    assert!(found.rows[0].grid > 2, "{:?}", found.rows[0]);
}

#[test]
fn seconds_can_be_held_equal_by_a_deadline() {
    let spend = "makespan_s".to_owned();
    let grid = few(&[("report_tokens", "400")]);
    let asked = EqualAsked { spend, most: Some(120.0), metric: None, policy: None, grid };
    let set = ["replications=16", "agents=[3]", "policies=[\"independent\",\"delm-solvers\"]"];
    let Answer::Equal(found) = answer(&scenario(&set), &Asked::Equal(asked)) else { panic!("equal") };
    for row in &found.rows {
        let Search::Found(best) = &row.best else { panic!("{row:?}") };
        let has_deadline = |part: &Part| part.point.changes.iter().any(|change| change.starts_with("deadline_s="));
        assert!(best.parts.iter().any(has_deadline), "{row:?}");
        assert!(best.spends <= found.most * (1.0 + 1e-9) || best.over, "{row:?}");
    }
}

#[test]
fn seeds_agree_about_the_lead() {
    let leads: Vec<(f64, f64)> = (1..=5)
        .map(|seed| {
            let set = [format!("seed={seed}"), "replications=24".to_owned(), "agents=[3]".to_owned()];
            let grid = [("report_tokens", "400"), ("brief_tokens", "1000"), ("board_place", "\"front\",\"tail\"")];
            let found = equal(&scenario(&set.each_ref().map(String::as_str)), None, &grid);
            let Search::Found((_, _, interval)) = found.best_central else { panic!("a central form is there") };
            (interval.low, interval.high)
        })
        .collect();
    let low = leads.iter().map(|l| l.0).fold(f64::MIN, f64::max);
    let high = leads.iter().map(|l| l.1).fold(f64::MAX, f64::min);
    assert!(low <= high, "{leads:?}");
}

// ---- tune ----

/// Replications that `tune` reports: no pilot uses them.
const TUNED_FROM: u64 = 1 << 43;

fn tune(scenario: &Scenario, asked: TuneAsked) -> Tuned {
    let policy = Some("delm-solvers".to_owned());
    match answer(scenario, &Asked::Tune(TuneAsked { policy, agents: Some(3), pilots: Some(400), ..asked })) {
        Answer::Tune(found) => *found,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_found_is_read_from_other_runs_and_all_have_the_same_pilots() {
    let scenario = scenario(&[
        "policies=[\"independent\",\"orchestrator-parallel\",\"delm-solvers\",\"twin\"]",
        "policy.twin.based_on=\"delm-solvers\"",
    ]);
    let found = tune(&scenario, TuneAsked { metric: Some("makespan_s".to_owned()), ..TuneAsked::default() });
    for row in &found.rows {
        assert!(row.pilots <= 400 && !row.changes.is_empty(), "{row:?}");
        let [given, tuned] =
            [&scenario, &found.scenario].map(|scenario| mean(scenario, &row.policy, 3, "makespan_s", TUNED_FROM));
        assert!((given - row.given.worth).abs() < 1e-9 && (tuned - row.tuned.worth).abs() < 1e-9, "{row:?}");
        let gain = row.gain.unwrap();
        assert!((gain.mean - (tuned - given)).abs() < 1e-9, "{row:?}");
        assert!(gain.interval.unwrap().high < 0.0, "a deadline makes everything sooner: {row:?}");
        let kind = |scenario: &Scenario| scenario.settings(&row.policy).unwrap().form();
        assert_eq!(kind(&scenario), kind(&found.scenario), "{row:?}");
    }
    let (own, twin) = (&found.rows[2], &found.rows[3]);
    assert_eq!((&own.changes, own.tuned, own.pilots), (&twin.changes, twin.tuned, twin.pilots));
    assert_eq!(twin.lead.unwrap().mean, 0.0);
    assert_eq!(found.best_central, Search::Found("orchestrator-parallel".to_owned()));
    let nobody = TuneAsked { within: Some("cost_per_task_usd".to_owned()), most: Some(1e-6), ..TuneAsked::default() };
    assert_eq!(tune(&scenario, nobody).best_central, Search::NotFound);
}

#[test]
fn a_tuned_scenario_is_written_and_a_default_may_stand() {
    let folder = folder();
    let args = ["--metric", "makespan_s", "--pilots", "200", "--replications", "8", "--team", "3", "-o", "tuned.toml"];
    let done = on(folder.path(), "tune", &[&args[..], &["--output-dir", "d"]].concat());
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.out.lines().count() <= 40 && done.out.contains("tuned alike"), "{}", done.out);
    let text = fs::read_to_string(folder.path().join("tuned.toml")).unwrap();
    assert_eq!(text, fs::read_to_string(folder.path().join("d/tuned.toml")).unwrap());
    assert!(text.contains("#   delm-sim tune small ") && text.contains("--pilots 200"), "{text}");
    let tuned = Scenario::parse("tuned.toml", &text, None, &Overrides::default()).unwrap_or_else(|e| panic!("{e}"));
    assert!(tuned.policy.contains_key("delm-solvers"), "{text}");
    let again = on(folder.path(), "tune", &args);
    assert!(again.code == 2 && again.err.contains("tuned.toml exists"), "{}", again.err);

    let fixed = ["report_tokens=400", "plan=true", "max_delegations=6", "deadline_s=\"unlimited\""];
    let mut args = vec!["--set", "policies=[\"single\",\"independent\"]", "--pilots", "100", "--replications", "4"];
    args.extend(fixed.iter().flat_map(|grid| ["--grid", *grid]));
    let done = on(folder.path(), "tune", &args);
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.out.contains("The default stands, nothing better was found: single, independent."), "{}", done.out);
}

// ---- vary ----

#[test]
fn varied_cells_are_those_of_separate_runs() {
    let axes = vec![Axis { key: "sharing.respect".to_owned(), values: vec!["0.0".to_owned(), "1.0".to_owned()] }];
    let plain = scenario(&["replications=4"]);
    let Answer::Vary(found) = answer(&plain, &Asked::Vary(VaryAsked { axes, metric: None })) else { panic!("vary") };
    for level in &found.levels {
        let alone = scenario(&["replications=4", &format!("sharing.respect={}", level.values[0])]);
        let study = conduct(&alone, &Options { jobs: 1, ..Options::default() }).unwrap();
        assert_eq!(level.cells, study.cells, "{:?}", level.values);
    }
    assert_ne!(found.levels[0].cells, found.levels[1].cells);
}

// ---- gates ----

#[test]
fn gates_hold_or_exit_with_3() {
    let folder = folder();
    let path = folder.path();
    let judged = |gates: &[&str], report: &str| {
        let mut args = vec!["--no-figures", "--output-dir", "d", "--gate-report", report];
        for gate in gates {
            args.extend(["--gate", gate]);
        }
        let done = on(path, "compare", &args);
        (done.code, done.err, fs::read_to_string(path.join(report)).unwrap())
    };
    let (code, err, xml) = judged(&["pass >= 0", "delm-solvers@3:makespan_s < 1.5 x baseline"], "held.xml");
    assert_eq!(code, 0, "{err}");
    assert!(xml.starts_with("<?xml") && xml.contains("tests=\"3\" failures=\"0\""), "{xml}");
    let (code, err, lines) = judged(&["delm-solvers@3:makespan_s < 0.1 x baseline", "pass >= 0"], "missed.jsonl");
    assert!(code == 3 && err.contains("gate missed") && err.contains("0.1 x baseline"), "{err}");
    let rows: Vec<serde_json::Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(rows.iter().map(|row| row["holds"].as_bool().unwrap()).collect::<Vec<_>>(), [false, true, true]);
    let bound = mean(&scenario(&[]), "independent", 3, "makespan_s", 0) * 0.1;
    assert!((rows[0]["bound"].as_f64().unwrap() - bound).abs() < 1e-9);
    let any = "delm-solvers@3:agent_time_s < 99 x baseline";
    let args = ["--no-figures", "--baseline", "best-central", "--gate", any];
    let done = on(path, "compare", &args);
    assert_eq!(done.code, 0, "a metric that no table compares has a best central form: {}", done.err);
    for (gate, said) in [
        ("nobody:pass >= 0", "runs no policy nobody"),
        ("delm-solver@3:pass >= 0", "did you mean delm-solvers?"),
        ("pass >= 1 x nobody", "runs no policy nobody"),
        ("delm-solvers@7:pass >= 0", "does not run N = 7"),
    ] {
        let done = on(path, "compare", &["--no-figures", "--output-dir", "typo", "--gate", gate]);
        assert!(done.code == 2 && done.err.contains(said), "{}", done.err);
        assert!(!path.join("typo").exists(), "nothing is written");
    }
}

// ---- reproduce ----

#[test]
fn questions_are_reproduced_whatever_the_number_of_jobs() {
    let folder = folder();
    let path = folder.path();
    let few = ["--replications", "4", "--no-figures"];
    let cases: &[(&str, &str, &[&str])] = &[
        ("flip", "flip", &["--metric", "makespan_s", "--team", "3", "--uncertain", "2"]),
        ("equal", "compare", &["--equal", "cost_per_task_usd", "--grid", "report_tokens=400"]),
        ("factorial", "compare", &["--factorial", "--team", "3"]),
        ("tune", "tune", &["--metric", "makespan_s", "--pilots", "100", "--within", "cost_per_task_usd"]),
        ("vary", "compare", &["--vary", "sharing.respect=0,1"]),
        ("set", "compare", &["--set", "sharing.respect=0.9"]),
    ];
    for (name, command, args) in cases {
        let dirs = ["1", "2"].map(|jobs| {
            let dir = format!("{name}{jobs}");
            let done = on(path, command, &[&few[..], args, &["--jobs", jobs, "--output-dir", &dir]].concat());
            assert_eq!(done.code, 0, "{name}: {}", done.err);
            path.join(dir)
        });
        for entry in fs::read_dir(&dirs[0]).unwrap() {
            let file = entry.unwrap().file_name();
            let [a, b] = dirs.each_ref().map(|dir| fs::read(dir.join(&file)).unwrap());
            assert!(a == b, "{name}: {}", file.display());
        }
        let again = delm_sim(path, &["reproduce", &format!("{name}1"), "-q"]);
        assert_eq!(again.code, 0, "{name}: {}{}", again.out, again.err);
    }
}

// ---- raw rows ----

#[test]
fn raw_rows_name_the_replication_also_of_metrics_that_some_runs_lack() {
    let folder = folder();
    let args = ["--raw", "raw.csv", "--no-figures", "--output-dir", "d"];
    let done = on(folder.path(), "compare", &args);
    assert_eq!(done.code, 0, "{}", done.err);
    let text = fs::read_to_string(folder.path().join("raw.csv")).unwrap();
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<csv::StringRecord> = rows.records().map(Result::unwrap).collect();
    // Scenario, policy, agents, replication, metric, value.
    let runs = |wanted: &dyn Fn(&csv::StringRecord) -> bool| -> Vec<[String; 3]> {
        rows.iter().filter(|r| wanted(r)).map(|r| [1, 2, 3].map(|i| r[i].to_owned())).collect()
    };
    let solved = runs(&|r| &r[4] == "pass" && &r[5] == "1");
    let unsolved = runs(&|r| &r[4] == "pass" && &r[5] != "1");
    assert!(!unsolved.is_empty() && !solved.is_empty(), "some runs succeed and some do not");
    assert_eq!(runs(&|r| &r[4] == "first_success_s"), solved);
}
