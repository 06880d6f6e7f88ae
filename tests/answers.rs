//! Scenarios in which DeLM loses, or might, open with their question and close with the answer that the tool gave. The
//! answer is computed again here, to the digits that are printed; the README's table repeats it.

use delm_sim::experiment::replication::{Point, Sinks};
use delm_sim::experiment::{Overrides, Scenario, embedded};
use delm_sim::stats::{Interval, paired, paired_share_interval};
use std::collections::HashMap;

/// Every scenario of this kind; the README has a row for each.
const LOSSES: &[&str] = &[
    "hurts-correlated-verifier",
    "hurts-false-notes",
    "hurts-wrong-patches",
    "hurts-herding",
    "hurts-long-prompts",
    "no-advantage",
    "no-advantage-alone",
    "no-advantage-chain",
    "controller-bottleneck",
];

/// `- WORSE: Pass 75.0 % against independent (77.6 %): -2.60 [-3.72, -1.48] points`
#[derive(Debug)]
struct Line<'a> {
    word: &'a str,
    metric: &'static str,
    policy: &'a str,
    agents: u32,
    rival: &'a str,
    /// Difference and the ends of its interval, as printed.
    printed: [&'a str; 3],
    /// What is printed for a unit of the metric.
    scale: f64,
    /// From the difference on.
    told: &'a str,
}

/// An answer: replications, seed, lines.
struct Answer<'a> {
    replications: u32,
    seed: u64,
    lines: Vec<Line<'a>>,
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("no `{from}` in `{text}`"));
    rest.split_once(to).unwrap_or_else(|| panic!("no `{to}` after `{from}` in `{text}`")).0
}

fn answer<'a>(name: &str, text: &'a str) -> Answer<'a> {
    assert!(text.starts_with("# Question: "), "{name} opens with its question");
    let last = text.rfind("\n# Answer (").unwrap_or_else(|| panic!("{name} has no answer"));
    let answer = &text[last + 1..];
    assert!(answer.lines().all(|line| line.starts_with('#')), "{name} closes with its answer");
    let command = between(answer, "# Answer (", ")");
    assert!(command.starts_with(&format!("delm-sim compare {name}")), "{name}: {command}");
    let seed = between(command, ", seed ", ",").parse().unwrap();
    let replications = command.rsplit(", ").next().and_then(|last| last.strip_suffix(" replications")).unwrap();
    let (mut lines, mut about) = (Vec::new(), None);
    for line in answer.lines() {
        let line = line.trim_start_matches("# ");
        if let Some((policy, size)) = line.strip_suffix(':').and_then(|line| line.split_once(", N = ")) {
            about = Some((policy, size.parse().unwrap()));
        }
        if let Some((word, rest)) = line.strip_prefix("- ").and_then(|line| line.split_once(": ")) {
            let (policy, agents) = about.expect("whom it is about stands above");
            let (metric, scale) = match rest.split(' ').next().unwrap() {
                "Pass" => ("pass", 100.0),
                "Avg@1" => ("avg_at_1", 100.0),
                "cost/task" => ("cost_per_task_usd", 1.0),
                "makespan" => ("makespan_s", 1.0),
                other => panic!("{name}: what is {other}?"),
            };
            let rival = between(rest, " against ", " (");
            let (_, told) = rest.split_once("): ").unwrap();
            let printed = [told.split(' ').next().unwrap(), between(told, "[", ", "), between(told, ", ", "]")];
            lines.push(Line { word, metric, policy, agents, rival, printed, scale, told });
        }
    }
    assert!(!lines.is_empty(), "{name}: the answer has no figures");
    Answer { replications: replications.replace(',', "").parse().unwrap(), seed, lines }
}

/// Every run's value of some metrics.
fn values(scenario: &Scenario, policy: &str, agents: u32, metrics: &[&str]) -> Vec<Vec<f64>> {
    let point = Point::new(scenario, policy, agents).unwrap();
    let mut values = vec![Vec::new(); metrics.len()];
    for replication in 0..u64::from(scenario.replications) {
        let run = point.run(replication, Sinks::default()).unwrap();
        for (metric, values) in metrics.iter().zip(&mut values) {
            values.push(run.measures.get(metric).expect("it is measured"));
        }
    }
    values
}

/// Whether a number is what is printed, to the digits that are printed.
fn is_printed(value: f64, printed: &str) -> bool {
    let digits = printed.split_once('.').map_or(0, |(_, after)| after.len());
    let shown: f64 = printed.parse().unwrap();
    (value - shown).abs() <= 0.500_000_1 * libm::pow(0.1, digits as f64)
}

fn check(name: &str) {
    let text = embedded::scenario(name).unwrap_or_else(|| panic!("{name} is embedded"));
    let answer = answer(name, text);
    let overrides = Overrides { replications: Some(answer.replications), ..Overrides::default() };
    let scenario = Scenario::load(name, &overrides).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(scenario.seed, answer.seed, "{name}");
    let metrics: Vec<&str> = answer.lines.iter().map(|line| line.metric).collect();
    let mut runs: HashMap<(&str, u32), Vec<Vec<f64>>> = HashMap::new();
    for (i, line) in answer.lines.iter().enumerate() {
        let [own, theirs] = [line.policy, line.rival].map(|policy| {
            let of = runs.entry((policy, line.agents));
            of.or_insert_with(|| values(&scenario, policy, line.agents, &metrics))[i].clone()
        });
        let is_share = line.scale > 1.0;
        let p = paired(&own, &theirs, 0, 0);
        let Interval { low, high } =
            if is_share { paired_share_interval(&own, &theirs) } else { p.interval }.expect("many runs");
        for (value, printed) in [p.difference, low, high].into_iter().zip(line.printed) {
            let value = value * line.scale;
            assert!(is_printed(value, printed), "{name}: {line:?} computes {value} for {printed}");
        }
        // Shares are better when higher, costs and times when lower.
        let gain = if is_share { [low, high] } else { [-high, -low] };
        let agrees = match line.word {
            "WORSE" => gain[1] < 0.0,
            "better" => gain[0] > 0.0,
            "no difference shown" => gain[0] <= 0.0 && gain[1] >= 0.0,
            "too small to matter" => true,
            "equal" => own == theirs,
            other => panic!("{name}: what does {other} say?"),
        };
        assert!(agrees, "{name}: {line:?}");
    }
}

#[test]
fn harms_of_sharing_cost_what_their_scenarios_say() {
    LOSSES.iter().filter(|name| name.starts_with("hurts-")).for_each(|name| check(name));
}

#[test]
fn where_there_is_nothing_to_gain_delm_pays_what_the_scenarios_say() {
    LOSSES.iter().filter(|name| !name.starts_with("hurts-")).for_each(|name| check(name));
}

#[test]
fn every_scenario_with_an_answer_is_in_the_table_of_the_readme() {
    let readme = include_str!("../README.md");
    let (_, section) = readme.split_once("## Where DeLM loses").expect("the section is there");
    let section = section.split("\n## ").next().unwrap();
    for (name, text) in embedded::SCENARIOS {
        assert_eq!(text.contains("\n# Answer ("), LOSSES.contains(name), "{name} is listed here if it has an answer");
    }
    for name in LOSSES {
        let row = section.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        let cells: Vec<&str> = row.unwrap_or_else(|| panic!("no row of {name}")).split('|').map(str::trim).collect();
        let [_, _, question, said, command, _] = cells[..] else { panic!("{name}: four cells") };
        let text = embedded::scenario(name).unwrap();
        let scenario = Scenario::load(name, &Overrides::default()).unwrap();
        assert_eq!(question, scenario.question, "{name}");
        let answer = answer(name, text);
        let first = &answer.lines[0];
        let told = first.told.split(',').take(2).collect::<Vec<_>>().join(",");
        assert!(said.contains(&told), "{name}: `{said}` does not repeat `{told}`");
        let typed = between(text, "\n# Answer (", ", seed");
        assert_eq!(command, format!("`{typed}`"), "{name}");
    }
}
