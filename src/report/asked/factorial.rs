//! The factorial, in words and rows.

use super::{Page, scale};
use crate::experiment::Scenario;
use crate::experiment::asked::{Contrast, Factorial};
use crate::experiment::judgement::Search;
use crate::report::file::csv;
use crate::report::number::{self, exact, with_interval};

fn told(c: &Contrast, scale: f64) -> String {
    with_interval(c.mean * scale, c.interval.map(|i| i.scaled(scale)))
}

pub(super) fn page(scenario: &Scenario, f: &Factorial) -> Page {
    let (scale, unit) = scale(f.unit);
    let mut sentences =
        vec![format!("{}: which mechanism makes the difference of {} at N = {}?", scenario.name, f.metric, f.agents)];
    match &f.shares {
        Search::Found(shares) => {
            let mut parts: Vec<&Contrast> = shares.parts.iter().collect();
            parts.sort_by(|a, b| b.mean.abs().total_cmp(&a.mean.abs()));
            let parts: Vec<String> =
                parts.iter().map(|part| format!("the {} gives {}", part.name, told(part, scale))).collect();
            sentences.push(format!(
                "From {} to {}: of {} {unit}, {}.",
                shares.from.join("/"),
                shares.to.join("/"),
                told(&shares.whole, scale),
                parts.join(", ")
            ));
        }
        Search::NotFound | Search::NotLooked => {
            sentences
                .push("The way from the plainest to the fullest form has cells that do not exist here.".to_owned());
        }
    }
    let effects = |all: &[Contrast]| {
        let lines: Vec<String> =
            all.iter().map(|c| format!("{} {} ({} matched)", c.name, told(c, scale), c.matches)).collect();
        lines.join("; ")
    };
    let mut notes = vec![format!("Main effects, {unit}: {}.", effects(&f.main))];
    let shown: Vec<Contrast> =
        f.interactions.iter().filter(|c| c.interval.is_some_and(|i| i.sign() != 0)).cloned().collect();
    notes.push(if shown.is_empty() {
        format!("None of {} interactions is shown.", f.interactions.len())
    } else {
        format!("Interactions shown ({} of {}): {}.", shown.len(), f.interactions.len(), effects(&shown))
    });
    let orders = match &f.shares {
        Search::Found(shares) => format!(
            "parts are means over the {} of 6 orders in which the mechanisms can be switched on cell by cell (Shapley), \
             and sum to the difference; ",
            shares.orders
        ),
        Search::NotFound | Search::NotLooked => String::new(),
    };
    notes.push(format!(
        "{} replications per cell on the same random numbers; gists and reports have {} tokens in all cells; {orders}{} \
         combinations are no points of the space (factorial.csv says why).",
        f.replications,
        f.tokens,
        f.absent.len()
    ));
    let header = vec!["control", "store", "gate", f.metric, "makespan, s", "cost/task, $"];
    let amount = |x: Option<f64>| x.map_or("-".to_owned(), number::short);
    let rows = f
        .cells
        .iter()
        .map(|cell| {
            let mut row: Vec<String> = cell.levels.iter().map(ToString::to_string).collect();
            let mean = number::digits(cell.mean * scale, 3);
            row.push(match cell.interval {
                Some(i) => {
                    format!("{mean} [{}, {}]", number::digits(i.low * scale, 3), number::digits(i.high * scale, 3))
                }
                None => mean,
            });
            row.extend([amount(cell.makespan_s), amount(cell.cost_per_task_usd)]);
            row
        })
        .collect();
    Page { name: "factorial", sentences, header, rows, notes }
}

pub(super) fn data(f: &Factorial) -> String {
    let header = [
        "kind",
        "control",
        "store",
        "gate",
        "what",
        "matches",
        "mean",
        "ci_low",
        "ci_high",
        "makespan_s",
        "cost_per_task_usd",
    ];
    let number = |x: Option<f64>| x.map(exact).unwrap_or_default();
    let mut rows = Vec::new();
    for cell in &f.cells {
        let mut row = vec!["cell".to_owned()];
        row.extend(cell.levels.iter().map(ToString::to_string));
        row.extend([f.metric.to_owned(), String::new(), exact(cell.mean)]);
        row.extend([cell.interval.map(|i| i.low), cell.interval.map(|i| i.high)].map(number));
        row.extend([cell.makespan_s, cell.cost_per_task_usd].map(number));
        rows.push(row);
    }
    for (levels, why) in &f.absent {
        let mut row = vec!["absent".to_owned()];
        row.extend(levels.iter().map(ToString::to_string));
        row.push(why.clone());
        row.extend((0..6).map(|_| String::new()));
        rows.push(row);
    }
    let mut contrasts = |kind: &str, all: &[Contrast]| {
        for c in all {
            let mut row = vec![kind.to_owned(), String::new(), String::new(), String::new(), c.name.clone()];
            row.extend([c.matches.to_string(), exact(c.mean)]);
            row.extend([c.interval.map(|i| i.low), c.interval.map(|i| i.high), None, None].map(number));
            rows.push(row);
        }
    };
    contrasts("main", &f.main);
    contrasts("interaction", &f.interactions);
    if let Search::Found(shares) = &f.shares {
        contrasts("share", &shares.parts);
        contrasts("whole", std::slice::from_ref(&shares.whole));
    }
    csv(&header, rows.into_iter())
}
