//! Which mechanism makes a difference: every combination of control, store and gate, run on the same random numbers.
//!
//! Main effects and interactions are means over matched cells, that is, over cells that differ in nothing else. The whole
//! way from the plainest central form to the fullest decentral one is shared out among the three mechanisms by Shapley's
//! value: the mean over all orders in which they can be switched on cell by cell, so that the parts sum to the difference. Gists and
//! reports are of equal length in all cells: equal tokens lose equally.
//!
//! Invariant: a combination that is no point of the space is no cell; a gate where nothing is shared is the same as none.

use super::AskError;
use super::subject::{metric, size};
use crate::experiment::comparison::difference_interval;
use crate::experiment::judgement::Search;
use crate::experiment::runner::Runner;
use crate::experiment::scenario::Scenario;
use crate::experiment::study::Cell;
use crate::model::workload::WorkloadSpec;
use crate::stats::{Interval, paired};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The mechanisms, in the order of a cell's levels.
pub const FACTORS: [&str; 3] = ["control", "store", "gate"];
/// What a length is set to that the scenario's policies do not tell.
const LENGTH: u64 = 200;

/// Levels of the three mechanisms.
type Levels = [&'static str; 3];
/// Combinations that are no points, with the reason.
type Absent = Vec<(Levels, String)>;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FactorialAsked {
    /// Metric; Pass if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// Team size; the scenario's size nearest to 4 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<u32>,
    /// Tokens of every gist and report; what the scenario's policies have if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u32>,
}

/// A combination.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Combination {
    /// Levels of control, store and gate.
    pub levels: [&'static str; 3],
    /// Mean of the metric.
    pub mean: f64,
    /// Its interval; none from one replication.
    pub interval: Option<Interval>,
    /// Mean makespan in seconds.
    pub makespan_s: Option<f64>,
    /// Mean cost per task; none where a price is unknown.
    pub cost_per_task_usd: Option<f64>,
}

/// A difference between levels, over matched cells.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contrast {
    /// What differs: `gate: llm - none`, `control x store: ...`.
    pub name: String,
    /// Matched pairs, or fours for an interaction.
    pub matches: usize,
    /// Mean difference.
    pub mean: f64,
    /// Its interval; none from one replication.
    pub interval: Option<Interval>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Factorial {
    /// Metric.
    pub metric: &'static str,
    /// Unit.
    pub unit: &'static str,
    /// Workers.
    pub agents: u32,
    /// Replications per cell.
    pub replications: u32,
    /// Tokens of every gist and report.
    pub tokens: u32,
    /// All cells.
    pub cells: Vec<Combination>,
    /// Combinations that are no points of the space, with the reason.
    pub absent: Vec<([&'static str; 3], String)>,
    /// Main effects.
    pub main: Vec<Contrast>,
    /// Interactions of two mechanisms.
    pub interactions: Vec<Contrast>,
    /// From which cell to which the difference is shared out, the whole difference, and each mechanism's part.
    pub shares: Search<Shares>,
    /// Digest of all runs.
    pub digest: String,
    /// Number of runs.
    pub runs: u64,
}

/// A difference shared out among the mechanisms.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shares {
    /// The cell it starts from.
    pub from: [&'static str; 3],
    /// The cell it ends at.
    pub to: [&'static str; 3],
    /// The whole difference.
    pub whole: Contrast,
    /// Orders in which the mechanisms can be switched on one by one: every cell on the way exists.
    pub orders: usize,
    /// The part of each mechanism; they sum to the whole.
    pub parts: Vec<Contrast>,
}

/// Levels of each mechanism on a kind of workload, plainest first.
fn levels(scenario: &Scenario) -> [&'static [&'static str]; 3] {
    match scenario.workload {
        WorkloadSpec::Search(_) => {
            [&["lead", "none"], &["none", "relay", "artifacts", "shared"], &["none", "rule", "llm", "oracle"]]
        }
        _ => [&["lead", "queue"], &["none", "relay", "artifacts", "shared"], &["none", "llm", "oracle"]],
    }
}

/// The named policy whose point differs from a combination in these levels only.
fn base(scenario: &Scenario, control: &str) -> &'static str {
    match (control, matches!(scenario.workload, WorkloadSpec::Search(_))) {
        ("lead", _) => "orchestrator-parallel",
        (_, true) => "delm-solvers",
        (_, false) => "delm-queue",
    }
}

fn cell_name(levels: [&str; 3]) -> String {
    levels.join("-")
}

/// The scenario with all combinations that exist as its policies.
fn combined(scenario: &Scenario, tokens: u32) -> Result<(Scenario, Vec<Levels>, Absent), AskError> {
    let [controls, stores, gates] = levels(scenario);
    let (mut present, mut absent, mut edits) = (Vec::new(), Vec::new(), Vec::new());
    for &control in controls {
        for &store in stores {
            for &gate in gates {
                let combination = [control, store, gate];
                let name = cell_name(combination);
                let key = |key: &str, value: &str| format!("policy.{name}.{key}={value}");
                let mut own = vec![key("based_on", &format!("\"{}\"", base(scenario, control)))];
                own.push(key("store", &format!("\"{store}\"")));
                own.push(key("gate", &format!("\"{gate}\"")));
                let policies = [format!("policies=[\"{name}\"]"), format!("baseline=\"{name}\"")];
                let alone = |own: &[String]| {
                    let edits: Vec<String> = policies.iter().chain(own).cloned().collect();
                    bare(scenario).with(&edits)
                };
                let made = match alone(&own) {
                    Ok(made) => made,
                    Err(fault) => {
                        let why = fault.to_string();
                        absent.push((combination, why.lines().next().unwrap_or_default().to_owned()));
                        continue;
                    }
                };
                let keys = made.settings(&name).map_err(AskError::Usage)?.keys();
                let mechanism = |key: &str| keys.get(key).and_then(|v| v.as_str()).unwrap_or("none").to_owned();
                if (mechanism("store"), mechanism("gate")) != (store.to_owned(), gate.to_owned()) {
                    absent.push((combination, "nothing there passes a gate: the same as none".to_owned()));
                    continue;
                }
                let lengths =
                    ["gist_tokens", "report_tokens"].into_iter().filter(|k| keys.get(*k).is_some_and(|v| v != 0));
                own.extend(lengths.map(|k| key(k, &tokens.to_string())));
                match alone(&own) {
                    Ok(_) => {
                        present.push(combination);
                        edits.extend(own);
                    }
                    Err(fault) => absent.push((combination, fault.to_string())),
                }
            }
        }
    }
    let names: Vec<String> = present.iter().map(|c| format!("\"{}\"", cell_name(*c))).collect();
    if names.is_empty() {
        let why = absent.first().map_or(String::new(), |(_, why)| format!(": {why}"));
        return Err(AskError::Usage(format!("no combination of the mechanisms is a point of the space here{why}")));
    }
    edits.insert(0, format!("policies=[{}]", names.join(",")));
    edits.insert(1, format!("baseline={}", names[0]));
    Ok((bare(scenario).with(&edits)?, present, absent))
}

/// The scenario without its own policies: their settings are no part of the combinations.
fn bare(scenario: &Scenario) -> Scenario {
    let mut bare = scenario.clone();
    bare.policy.clear();
    bare.protocol.clear();
    bare
}

/// A value of the metric per replication.
type Series = Vec<f64>;

fn contrast(name: String, matches: usize, share: bool, plus: &Series, minus: &Series) -> Contrast {
    let whole = paired(plus, minus, 0, 0);
    let interval = if share && matches == 1 { difference_interval(true, plus, minus) } else { whole.interval };
    Contrast { name, matches, mean: whole.difference, interval }
}

fn mean_of(series: &[&Series]) -> Series {
    let n = series.len() as f64;
    (0..series[0].len()).map(|i| series.iter().map(|s| s[i]).sum::<f64>() / n).collect()
}

/// Runs all combinations and shares the difference out.
pub(super) fn factorial(
    scenario: &Scenario,
    asked: &FactorialAsked,
    runner: &mut Runner,
) -> Result<Factorial, AskError> {
    let gained = metric(asked.metric.as_deref())?;
    let agents = asked.agents.unwrap_or_else(|| size(scenario));
    let tokens = asked.tokens.unwrap_or_else(|| length(scenario));
    let (made, present, absent) = combined(scenario, tokens)?;
    let points: Vec<(&str, u32)> = made.policies.iter().map(|p| (p.as_str(), agents)).collect();
    let cells = runner.cells(&made, &points, 0, scenario.replications)?;
    let series: Vec<Series> = cells
        .iter()
        .map(|cell| {
            let values = cell.get(gained.name).map(|s| s.values.clone()).unwrap_or_default();
            if values.len() == scenario.replications as usize {
                return Ok(values);
            }
            Err(AskError::Usage(format!("{}: not every run has {}; name another --metric", cell.policy, gained.name)))
        })
        .collect::<Result<_, _>>()?;
    let share = gained.is_share();
    let at = |levels: [&str; 3]| present.iter().position(|p| *p == levels).map(|i| &series[i]);
    let factors = levels(scenario);
    let mut main = Vec::new();
    for (f, all) in factors.iter().enumerate() {
        for &level in &all[1..] {
            // `relay` is what a lead has for a store: it is compared with none where both are.
            main.extend(matched(&present, &series, share, f, all[0], level));
        }
        if f == 1 {
            main.extend(matched(&present, &series, share, f, "relay", "artifacts"));
            main.extend(matched(&present, &series, share, f, "relay", "shared"));
        }
    }
    let mut interactions = Vec::new();
    for (f, g) in [(0, 1), (0, 2), (1, 2)] {
        for &a in &factors[f][1..] {
            for &b in &factors[g][1..] {
                interactions.extend(crossed(&present, &series, (f, factors[f][0], a), (g, factors[g][0], b)));
            }
        }
    }
    let combination = |(levels, cell): (&Levels, &Cell)| {
        let whole = cell.get(gained.name).expect("a cell without the metric was refused").summary();
        Combination {
            levels: *levels,
            mean: whole.mean,
            interval: whole.interval,
            makespan_s: cell.mean("makespan_s"),
            cost_per_task_usd: cell.mean("cost_per_task_usd"),
        }
    };
    Ok(Factorial {
        metric: gained.name,
        unit: gained.unit,
        agents,
        replications: scenario.replications,
        tokens,
        cells: present.iter().zip(&cells).map(combination).collect(),
        shares: shapley(scenario, &at, share),
        absent,
        main,
        interactions,
        digest: runner.digest(),
        runs: runner.runs(),
    })
}

/// The length of gists or reports that the scenario's policies have.
fn length(scenario: &Scenario) -> u32 {
    let told = |key: &str| {
        scenario.policies.iter().find_map(|p| scenario.settings(p).ok()?.keys().get(key)?.as_u64()).filter(|n| *n > 0)
    };
    told("gist_tokens").or_else(|| told("report_tokens")).unwrap_or(LENGTH) as u32
}

/// The effect of one mechanism over all cells that differ in nothing else.
fn matched(
    present: &[[&'static str; 3]],
    series: &[Series],
    share: bool,
    factor: usize,
    from: &'static str,
    to: &'static str,
) -> Option<Contrast> {
    let (mut plus, mut minus) = (Vec::new(), Vec::new());
    for (i, levels) in present.iter().enumerate().filter(|(_, levels)| levels[factor] == to) {
        let mut other = *levels;
        other[factor] = from;
        if let Some(j) = present.iter().position(|p| *p == other) {
            plus.push(&series[i]);
            minus.push(&series[j]);
        }
    }
    if plus.is_empty() {
        return None;
    }
    let name = format!("{}: {to} - {from}", FACTORS[factor]);
    Some(contrast(name, plus.len(), share, &mean_of(&plus), &mean_of(&minus)))
}

/// Whether one mechanism's effect depends on another: the difference of its effects.
fn crossed(
    present: &[[&'static str; 3]],
    series: &[Series],
    (f, a0, a1): (usize, &'static str, &'static str),
    (g, b0, b1): (usize, &'static str, &'static str),
) -> Option<Contrast> {
    let (mut plus, mut minus) = (Vec::new(), Vec::new());
    for levels in present.iter().filter(|levels| levels[f] == a1 && levels[g] == b1) {
        let at = |a, b| {
            let mut levels = *levels;
            (levels[f], levels[g]) = (a, b);
            present.iter().position(|p| *p == levels).map(|i| &series[i])
        };
        if let (Some(x), Some(y), Some(z), Some(w)) = (at(a1, b1), at(a0, b0), at(a0, b1), at(a1, b0)) {
            plus.push(x.iter().zip(y).map(|(x, y)| x + y).collect::<Series>());
            minus.push(z.iter().zip(w).map(|(z, w)| z + w).collect::<Series>());
        }
    }
    if plus.is_empty() {
        return None;
    }
    let mean = |all: &[Series]| mean_of(&all.iter().collect::<Vec<_>>());
    let name = format!("{} x {}: ({a1} - {a0}) x ({b1} - {b0})", FACTORS[f], FACTORS[g]);
    Some(contrast(name, plus.len(), false, &mean(&plus), &mean(&minus)))
}

/// Orders in which three mechanisms can be switched on.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// Shares the way from a lead that retells to code with a judged shared store out among the mechanisms: by Shapley's
/// value, over the orders that can be walked. An order on which the gate is switched on where nothing passes it is none:
/// whoever came next would be credited with what the gate does.
fn shapley<'a>(
    scenario: &Scenario,
    at: &impl Fn([&'static str; 3]) -> Option<&'a Series>,
    share: bool,
) -> Search<Shares> {
    let search = matches!(scenario.workload, WorkloadSpec::Search(_));
    let (free, gate) = if search { ("none", "rule") } else { ("queue", "llm") };
    // What stands for "not shared" is what the control has: a lead retells.
    let cell = |on: [bool; 3]| {
        let control = if on[0] { free } else { "lead" };
        let store = if on[1] {
            "shared"
        } else if on[0] {
            "none"
        } else {
            "relay"
        };
        at([control, store, if on[2] { gate } else { "none" }])
    };
    let value: Vec<Option<&Series>> =
        (0..8_usize).map(|bits| cell([bits & 1 > 0, bits & 2 > 0, bits & 4 > 0])).collect();
    // What is on before each mechanism of an order, and what is on with it.
    let walk = |order: [usize; 3]| {
        let before = |i: usize| order[..i].iter().map(|f| 1_usize << f).sum::<usize>();
        let step = |i: usize| Some((order[i], value[before(i + 1)]?, value[before(i)]?));
        (0..3).map(step).collect::<Option<Vec<_>>>()
    };
    let walks: Vec<Vec<(usize, &Series, &Series)>> = ORDERS.into_iter().filter_map(walk).collect();
    let (Some(&first), Some(last)) = (walks.first().and_then(|w| w.first()), walks.first().and_then(|w| w.last()))
    else {
        return Search::NotFound;
    };
    let parts = (0..3)
        .map(|factor| {
            let steps = || walks.iter().flatten().filter(|(f, ..)| *f == factor);
            let (plus, minus): (Vec<&Series>, Vec<&Series>) = steps().map(|(_, plus, minus)| (*plus, *minus)).unzip();
            contrast(FACTORS[factor].to_owned(), walks.len(), false, &mean_of(&plus), &mean_of(&minus))
        })
        .collect();
    let whole = contrast("whole".to_owned(), 1, share, last.1, first.2);
    let orders = walks.len();
    Search::Found(Shares { from: ["lead", "relay", "none"], to: [free, "shared", gate], whole, orders, parts })
}
