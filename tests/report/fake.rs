//! A study as an experiment would hand it over, made of plain arithmetic.

#![allow(clippy::disallowed_methods, reason = "invented numbers, compared with nothing that another machine computed")]

use delm_sim::experiment::Scenario;
use delm_sim::experiment::judgement::{
    EqualSpend, Judgement, Phrase, Reversal, Rival, Search, Spend, TwinGap, Verdict, Warning,
};
use delm_sim::experiment::study::{Cell, Check, Comparison, Origin, Series, Study};
use delm_sim::policy::settings::Form;
use delm_sim::stats::Interval;

const SCENARIO: &str = r#"
version = 1
name = "fake-search"
question = "Does a shared verified context beat the best central orchestration on hard issues, at what cost, and from which team size on?"
replications = 12
agents = [1, 2, 4, 8, 16, 32, 64]
policies = ["single", "independent", "orchestrator-sequential", "orchestrator-serial", "orchestrator-parallel", "orchestrator-async", "delm-solvers"]

[mix]
accuracy = "published rows of the paper, fitted"
latencies = "public logs of agent runs, fitted"
tokens = "public logs of agent runs"
prices = "list prices of November 2026"

[workload.search]

[endpoints.model]
base_s = 0.30000000000000004

[roles]
default = "model"
"#;

/// Smooth noise without chance: between -1 and 1.
fn wobble(a: usize, b: usize, c: usize) -> f64 {
    let mixed = (a * 7919 + b * 104_729 + c * 1_299_709 + 12_345) * 2_654_435_761 % 1_000_003;
    mixed as f64 / 500_001.5 - 1.0
}

fn series(metric: &'static str, unit: &'static str, mean: f64, spread: f64, place: usize) -> Series {
    let values = (0..12).map(|r| mean * (1.0 + spread * wobble(place, metric.len(), r))).collect();
    Series { metric, unit, share: matches!(metric, "avg_at_1" | "pass"), values, lacking: Vec::new() }
}

fn cell(place: usize, policy: &str, agents: u32) -> Cell {
    let n = f64::from(agents);
    let at = place * 100 + agents as usize;
    let (makespan, cost, accuracy, lead) = match policy {
        "single" => (1900.0, 0.52, 0.55, None),
        "independent" => (1900.0 * (1.0 + 0.25 * libm::log2(n)), 0.52 * n, 0.55, None),
        "orchestrator-sequential" => (2300.0 + 20.0 * n, 0.81, 0.58, Some(0.12)),
        "orchestrator-serial" => (1800.0 / n.sqrt() + 70.0 * n, 0.6 + 0.21 * n, 0.6, Some(0.05 * n)),
        "orchestrator-parallel" => (1800.0 / n.sqrt() + 30.0 * n, 0.6 + 0.2 * n, 0.61, Some(0.03 * n)),
        "orchestrator-async" => (1700.0 / n.sqrt() + 25.0 * n, 0.6 + 0.19 * n, 0.62, Some(0.035 * n)),
        _ => (1700.0 / libm::pow(n, 0.6) + 60.0, 0.5 + 0.16 * n, 0.66, None),
    };
    let mut all = vec![
        series("makespan_s", "s", makespan, 0.15, at),
        series("cost_per_task_usd", "usd", cost, 0.2, at),
        series("cost_per_submission_usd", "usd", cost / n, 0.2, at),
        series("avg_at_1", "share", accuracy + 0.01 * libm::log2(n), 0.1, at),
        series("pass", "share", (accuracy + 0.05 * libm::log2(n)).min(0.93), 0.06, at),
    ];
    if let Some(busy) = lead {
        all.push(series("controller_utilisation", "share", f64::min(busy, 0.97), 0.03, at));
    }
    let waiting = 0.4 - 0.35 / n;
    all.push(series("waiting_share", "share", waiting, 0.1, at));
    let busy = 1.0 - waiting;
    let phases: [(&'static str, f64); 13] = [
        ("share_work", busy * 0.5),
        ("share_tool", busy * 0.25),
        ("share_coordination", busy * if lead.is_some() { 0.15 } else { 0.02 }),
        ("share_verification", busy * if lead.is_some() { 0.0 } else { 0.13 }),
        ("share_duplicated", busy * 0.1),
        ("share_relay_wait", if lead.is_some() { waiting * 0.4 } else { 0.0 }),
        ("share_barrier_wait", if lead.is_some() { waiting * 0.4 } else { 0.0 }),
        ("share_input_wait", 0.0),
        ("share_lock_wait", 0.0),
        ("share_slot_wait", waiting * 0.1),
        ("share_rate_limit_wait", waiting * 0.1),
        ("share_start_up", 0.0),
        ("share_idle_tail", if lead.is_some() { 0.0 } else { waiting * 0.8 }),
    ];
    let total: f64 = phases.iter().map(|p| p.1).sum();
    all.extend(phases.map(|(name, share)| series(name, "share", share / total, 0.0, at)));
    let published = if policy == "single" { 1 } else { 4 };
    let form = Some(match (policy.starts_with("delm"), lead) {
        (true, _) => Form::Decentral,
        (_, Some(_)) => Form::Central,
        _ => Form::Independent,
    });
    let origin = Origin::Simulated;
    Cell { policy: policy.to_owned(), agents, origin, form, extrapolated: agents > published, series: all }
}

/// A verdict of every variant.
fn every_verdict() -> Vec<Verdict> {
    let (policy, agents) = ("delm-solvers".to_owned(), 4);
    let phrase = |metric, judgement, rival_mean, interval| Phrase {
        metric,
        difference: -0.5,
        interval,
        rival_mean,
        judgement,
        rival: Some("orchestrator-async".to_owned()),
        rival_spends: Some((2.0, 0.5)),
    };
    let around = Some(Interval { low: -0.75, high: -0.25 });
    let phrases = vec![
        phrase("makespan_s", Judgement::Better, 2.0, around),
        phrase("cost_per_task_usd", Judgement::NotShown, 0.0, Some(Interval { low: -0.75, high: 0.25 })),
        phrase("avg_at_1", Judgement::NotJudged, 0.6, None),
        phrase("pass", Judgement::Equal, 0.7, around),
    ];
    let compared = |rival, extrapolated, phrases| Verdict::Compared {
        policy: policy.clone(),
        agents,
        rival,
        extrapolated,
        phrases,
    };
    let equal = |spend, best| Verdict::Equal { policy: policy.clone(), agents, spend, best };
    let found = EqualSpend {
        policy: "orchestrator-serial".to_owned(),
        agents: 8,
        spends: 1.1,
        most: 1.12,
        difference: 0.05,
        interval: Some(Interval { low: 0.01, high: 0.09 }),
        judgement: Judgement::Better,
    };
    let open = EqualSpend {
        difference: 0.01,
        interval: Some(Interval { low: -0.03, high: 0.05 }),
        judgement: Judgement::NotShown,
        ..found.clone()
    };
    let flips = |rival, reversals| Verdict::Flips {
        policy: policy.clone(),
        agents,
        rival,
        reversals,
        moved: 7,
        replications: 64,
        seen_from: Some(0.09),
    };
    let gap = |metric, difference, half: Option<f64>| TwinGap {
        metric,
        difference,
        interval: half.map(|half| Interval { low: difference - half, high: difference + half }),
    };
    let twins = Verdict::Twins {
        policy: policy.clone(),
        agents,
        replications: 40,
        gaps: vec![gap("pass", 0.012, Some(0.1)), gap("makespan_s", -3.5, None)],
    };
    vec![
        twins,
        Verdict::Knee { policy: "orchestrator-async".to_owned(), agents: 16, busy: 0.93 },
        compared(Rival::BestCentral, true, phrases.clone()),
        compared(Rival::Baseline("map-reduce".to_owned()), false, phrases[..1].to_vec()),
        compared(Rival::ScatterGather("orchestrator-parallel".to_owned()), false, phrases[..1].to_vec()),
        compared(Rival::Independent("independent".to_owned()), false, phrases[..1].to_vec()),
        equal(Spend::Dollars, Search::Found(found)),
        equal(Spend::Dollars, Search::Found(open)),
        equal(Spend::Time, Search::NotFound),
        equal(Spend::Time, Search::NotLooked),
        Verdict::Retimed { runs: 3, recorded_s: 10.0, retimed_s: 9.0, exact: 1 },
        flips(Rival::BestCentral, Vec::new()),
        flips(
            Rival::Baseline("map-reduce".to_owned()),
            vec![Reversal { metric: "pass", parameter: "sharing.respect".to_owned(), value: 0.0 }],
        ),
    ]
}

/// A warning of every variant.
fn every_warning() -> Vec<Warning> {
    let policy = "delm-solvers".to_owned();
    vec![
        Warning::Unpublished(8),
        Warning::NotShown { comparisons: 3, replications: 12 },
        Warning::OneReplication,
        Warning::FewReplications(12),
        Warning::NoCentral,
        Warning::Protocol { policy: policy.clone(), quality: 1.5, cost: 1.0, latency: 1.0 },
        Warning::Abandoned { policy, agents: 4, subtasks: 2.5 },
        Warning::Told("what the recording lacks".to_owned()),
    ]
}

fn comparisons(cells: &[Cell]) -> Vec<Comparison> {
    let mut all = Vec::new();
    for metric in ["makespan_s", "cost_per_task_usd", "avg_at_1", "pass"] {
        for c in cells {
            let base =
                cells.iter().find(|b| b.agents == c.agents && b.policy == "orchestrator-async").expect("it is there");
            if c.policy == base.policy {
                continue;
            }
            let (a, b) = (c.mean(metric).unwrap(), base.mean(metric).unwrap());
            let half = 0.06 * b;
            let better = if metric.starts_with("avg") || metric == "pass" { a > b } else { a < b };
            all.push(Comparison {
                metric,
                agents: c.agents,
                policy: c.policy.clone(),
                baseline: base.policy.clone(),
                difference: a - b,
                ratio: Some(a / b),
                interval: Some(Interval { low: a - b - half, high: a - b + half }),
                p_value: Some(if (a - b).abs() > half { 0.0001 } else { 0.4 }),
                survives: (a - b).abs() > half,
                judgement: match (better, (a - b).abs() > half) {
                    (_, false) => Judgement::NotShown,
                    (true, _) => Judgement::Better,
                    (false, _) => Judgement::Worse,
                },
            });
        }
    }
    all
}

/// The scenario of the fake study.
pub(crate) fn scenario() -> Scenario {
    toml::from_str(SCENARIO).expect("the scenario is in order")
}

/// Seven policies at seven sizes.
pub(crate) fn study() -> Study {
    let scenario = scenario();
    let mut cells = Vec::new();
    for (place, policy) in scenario.policies.iter().enumerate() {
        for &agents in &scenario.agents {
            cells.push(cell(place, policy, agents));
        }
    }
    Study {
        comparisons: comparisons(&cells),
        cells,
        best_central: Vec::new(),
        checks: Vec::new(),
        verdicts: every_verdict(),
        warnings: every_warning(),
        inputs: [9, 8, 17, 5],
        digest: "d1".repeat(32),
        scenario,
    }
}

/// One policy at one size with closed forms, and numbers that are none.
pub(crate) fn closed_form() -> Study {
    let mut study = study();
    "fake/closed form".clone_into(&mut study.scenario.name);
    study.scenario.agents = vec![4];
    study.scenario.policies = vec!["orchestrator-parallel".to_owned()];
    study.cells.retain(|c| c.agents == 4 && c.policy == "orchestrator-parallel");
    study.cells[0].series.push(Series {
        metric: "empty_s",
        unit: "s",
        share: false,
        values: Vec::new(),
        lacking: Vec::new(),
    });
    study.cells[0].series.push(Series {
        metric: "gap_s",
        unit: "s",
        share: false,
        values: vec![1.0, f64::NAN, f64::INFINITY],
        lacking: Vec::new(),
    });
    let headline = |s: &&mut Series| s.metric == "cost_per_submission_usd";
    let broken = study.cells[0].series.iter_mut().find(headline);
    broken.expect("it is there").values = vec![1.5, f64::NAN];
    study.comparisons = vec![Comparison {
        metric: "makespan_s",
        agents: 4,
        policy: "delm-solvers".to_owned(),
        baseline: "single".to_owned(),
        difference: f64::NAN,
        ratio: None,
        interval: Some(Interval { low: f64::NAN, high: f64::NEG_INFINITY }),
        p_value: None,
        survives: false,
        judgement: Judgement::Equal,
    }];
    study.checks = vec![
        check("makespan_s", 2.083_333_333, 2.0871, "mean of the maximum of 4 exponentials: H(4)"),
        check("queue_wait_s", 0.5, 0.61, "M/M/1: rho / (mu - lambda)"),
    ];
    study.verdicts.clear();
    study
}

fn check(metric: &str, expected: f64, observed: f64, formula: &str) -> Check {
    let tolerance = 0.02 * expected;
    Check {
        policy: "orchestrator-parallel".to_owned(),
        agents: 4,
        metric: metric.to_owned(),
        expected,
        observed,
        tolerance,
        holds: (expected - observed).abs() <= tolerance,
        formula: formula.to_owned(),
    }
}
