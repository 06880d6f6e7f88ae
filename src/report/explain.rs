//! Why two policies differ in one replication, in words and tables.
//!
//! Seconds and dollars are rounded for people; CSV and JSON have whole nanoseconds and pico-dollars, whose parts sum
//! exactly.

use super::Format;
use super::file::{File, csv};
use super::number::{rounded, signed, wrap};
use super::plot;
use super::table::WIDTH;
use crate::experiment::explain::{Alone, Attribution, Cause, Decision, Explanation, Label, Link, Side, Stretch};
use crate::kernel::Time;
use crate::model::call::Purpose;
use crate::model::ids::{About, AgentId};
use crate::model::note::Note;
use std::fmt::Write as _;

/// Names of both runs in tables.
const NAMES: [char; 2] = ['A', 'B'];
/// Header of the rows in `explain.csv`.
pub const HEADER: [&str; 6] = ["quantity", "part", "unit", "first", "second", "difference"];
/// Files of an output directory, by name.
pub const FILES: [&str; 5] = ["explain.csv", "explain.json", "explain.txt", "path.png", "path.svg"];
/// Stretches of a path that are told one by one.
const LONGEST: usize = 3;
/// Causes of a decision that are told one by one.
const MOST_CAUSES: usize = 3;

/// The explanation in a format, ending in a newline.
pub fn render(explanation: &Explanation, format: Format) -> String {
    match format {
        Format::Table => screen(explanation),
        Format::Json => json(explanation),
        Format::Csv => data(explanation),
        Format::Md => markdown(explanation),
    }
}

/// The content of [`FILES`].
pub fn files(explanation: &Explanation) -> Vec<File> {
    let mut files = vec![
        File::text("explain.csv", data(explanation)),
        File::text("explain.json", json(explanation)),
        File::text("explain.txt", screen(explanation)),
    ];
    files.extend(plot::paths(explanation));
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

fn json(explanation: &Explanation) -> String {
    serde_json::to_string_pretty(explanation).expect("plain values become JSON") + "\n"
}

fn data(explanation: &Explanation) -> String {
    csv(&HEADER, rows(explanation).into_iter())
}

/// Every part of every quantity, in whole nanoseconds and pico-dollars. An unknown cost has no rows.
fn rows(explanation: &Explanation) -> Vec<[String; 6]> {
    let Explanation { makespan_ns, cost_by_role_picodollars, cost_by_cause_picodollars, .. } = explanation;
    let mut rows = Vec::new();
    let mut table = |quantity: &str, unit: &str, whole: &Attribution| {
        let row = |part: &str, [a, b]: [i128; 2]| {
            let numbers = [a, b, a - b].map(|n| n.to_string());
            let [a, b, difference] = numbers;
            [quantity.to_owned(), part.to_owned(), unit.to_owned(), a, b, difference]
        };
        rows.push(row("whole", whole.whole));
        rows.extend(whole.parts.iter().map(|part| row(part.name, part.of)));
    };
    table("makespan", "ns", makespan_ns);
    for (quantity, cost) in [("cost by role", cost_by_role_picodollars), ("cost by cause", cost_by_cause_picodollars)] {
        if let Some(cost) = cost {
            table(quantity, "pUSD", cost);
        }
    }
    rows
}

fn markdown(explanation: &Explanation) -> String {
    let mut out = format!("# {}\n\n", title(explanation));
    for (side, name) in explanation.sides.iter().zip(NAMES) {
        let _ = writeln!(out, "- {name}: {}", outcome(side));
    }
    let _ = writeln!(out, "\n## First decision that differs\n");
    for line in decisions(explanation) {
        let _ = writeln!(out, "- {}", line.replacen("  ", " ", 1));
    }
    let _ = writeln!(out, "\n## Critical paths\n");
    for (side, name) in explanation.sides.iter().zip(NAMES) {
        let _ = writeln!(out, "- {name}: {}", spent(side));
    }
    let _ = writeln!(out, "\n## Parts\n\n| {} |", HEADER.join(" | "));
    let _ = writeln!(out, "| --- | --- | --- | ---: | ---: | ---: |");
    for row in rows(explanation) {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
    out
}

/// The text for a terminal.
fn screen(explanation: &Explanation) -> String {
    let mut out = title(explanation) + "\n\n";
    outcomes(&mut out, explanation);
    out.push_str("\nFirst decision that differs\n");
    for line in decisions(explanation) {
        let _ = writeln!(out, "  {}", wrap(&line, WIDTH - 2, "     "));
    }
    out.push_str("\nCritical paths, from the arrival to the end\n");
    for (side, name) in explanation.sides.iter().zip(NAMES) {
        let told = format!("{name}  {}; longest: {}", spent(side), longest(explanation, side));
        let _ = writeln!(out, "  {}", wrap(&told, WIDTH - 2, "     "));
    }
    out.push_str("\nMakespan by part, in seconds\n");
    let whole = &explanation.makespan_ns;
    let _ = writeln!(out, "  {}", heading());
    for line in table(whole, 1e-9, 3) {
        let _ = writeln!(out, "  {line}");
    }
    costs(&mut out, explanation);
    out
}

fn title(explanation: &Explanation) -> String {
    let Explanation { scenario, agents, replication, seed, sides, .. } = explanation;
    let [a, b] = [&sides[0].policy, &sides[1].policy];
    format!("Why A = {a} and B = {b} differ: {scenario}, N = {agents}, replication {replication}, seed {seed}")
}

fn outcome(side: &Side) -> String {
    let Side { policy, makespan, cost_picodollars, right, submissions, .. } = side;
    let cost = cost_picodollars.map_or("cost unknown".to_owned(), |cost| format!("${}", rounded(usd(cost), 4)));
    format!("{policy}: {} s, {cost}, {right} of {submissions} right", rounded(makespan.as_secs_f64(), 3))
}

fn usd(picodollars: i128) -> f64 {
    picodollars as f64 * 1e-12
}

fn outcomes(out: &mut String, explanation: &Explanation) {
    let _ = writeln!(out, "     {:<24} {:>14} {:>12} {:>10}", "", "makespan, s", "cost, $", "right");
    for (side, name) in explanation.sides.iter().zip(NAMES) {
        let cost = side.cost_picodollars.map_or("unknown".to_owned(), |cost| rounded(usd(cost), 4));
        let right = format!("{} of {}", side.right, side.submissions);
        let makespan = rounded(side.makespan.as_secs_f64(), 3);
        let _ = writeln!(out, "  {name}  {:<24} {makespan:>14} {cost:>12} {right:>10}", side.policy);
    }
    let [a, b] = &explanation.sides;
    let cost = a.cost_picodollars.zip(b.cost_picodollars).map(|(a, b)| signed(usd(a - b), 4));
    let makespan = signed(explanation.makespan_ns.difference() as f64 * 1e-9, 3);
    let right = signed(a.right as f64 - b.right as f64, 0);
    let cost = cost.unwrap_or_else(|| "unknown".to_owned());
    let _ = writeln!(out, "  A - B {:<22} {makespan:>14} {cost:>12} {right:>10}", "");
}

fn heading() -> String {
    format!("{:<24} {:>13} {:>13} {:>13}", "", "A", "B", "A - B")
}

/// Rows of the parts that some run has, the whole last.
fn table(whole: &Attribution, scale: f64, places: usize) -> Vec<String> {
    let row = |name: &str, [a, b]: [i128; 2]| {
        let [a, b, difference] = [a, b, a - b].map(|n| n as f64 * scale);
        let [a, b] = [a, b].map(|n| rounded(n, places));
        format!("{name:<24} {a:>13} {b:>13} {:>13}", signed(difference, places))
    };
    let some = whole.parts.iter().filter(|part| part.of != [0, 0]);
    some.map(|part| row(part.name, part.of)).chain([row("sum", whole.whole)]).collect()
}

/// Both tables of cost beside each other, since each is short.
fn costs(out: &mut String, explanation: &Explanation) {
    let Explanation { cost_by_role_picodollars: Some(roles), cost_by_cause_picodollars: Some(causes), .. } =
        explanation
    else {
        out.push_str("\nThe cost is unknown: no endpoint states a price\n");
        return;
    };
    out.push_str("\nCost by role and by cause, in dollars\n");
    let cells = |whole: &Attribution| {
        let row = |name: &str, [a, b]: [i128; 2]| {
            let [a, b, difference] = [a, b, a - b].map(usd);
            let [a, b] = [a, b].map(|n| rounded(n, 4));
            format!("{name:<13} {a:>11} {b:>11} {:>11}", signed(difference, 4))
        };
        let some = whole.parts.iter().filter(|part| part.of != [0, 0]).map(|part| row(part.name, part.of));
        some.chain([row("sum", whole.whole)]).collect::<Vec<String>>()
    };
    let head = format!("{:<13} {:>11} {:>11} {:>11}", "", "A", "B", "A - B");
    let (left, right) = (cells(roles), cells(causes));
    let blank = String::new();
    let _ = writeln!(out, "  {head:<52}{head}");
    for i in 0..left.len().max(right.len()) {
        let [left, right] = [&left, &right].map(|side| side.get(i).unwrap_or(&blank));
        let _ = writeln!(out, "{}", format!("  {left:<52}{right}").trim_end());
    }
}

/// What a path is spent on, most first.
fn spent(side: &Side) -> String {
    let whole = (side.makespan.as_nanos() as f64).max(1.0);
    let told = |(label, ns): (Label, u64)| {
        let share = rounded(ns as f64 / whole * 100.0, 0);
        let slowest = by_label(side, |s| if label == Label::BarrierWait { s.meanwhile } else { None });
        let slowest: Vec<String> =
            slowest.into_iter().map(|(label, ns)| format!("{} {}", label.name(), tenths(ns))).collect();
        let slowest = if slowest.is_empty() { String::new() } else { format!("; the slowest: {}", slowest.join(", ")) };
        format!("{} {} s ({share} %{slowest})", label.name(), tenths(ns))
    };
    let all: Vec<String> = by_label(side, |s| Some(s.label)).into_iter().map(told).collect();
    if all.is_empty() { "no time passes".to_owned() } else { all.join(", ") }
}

/// Nanoseconds of a path by label, most first.
fn by_label(side: &Side, label: impl Fn(&Stretch) -> Option<Label>) -> Vec<(Label, u64)> {
    let of = |l: Label| side.path.iter().filter(|s| label(s) == Some(l)).map(Stretch::ns).sum::<u64>();
    let mut all: Vec<(Label, u64)> = Label::ALL.into_iter().map(|l| (l, of(l))).filter(|(_, ns)| *ns > 0).collect();
    all.sort_by_key(|(label, ns)| (std::cmp::Reverse(*ns), *label));
    all
}

/// Nanoseconds as seconds.
fn tenths(ns: u64) -> String {
    rounded(ns as f64 * 1e-9, 1)
}

/// The longest stretches of a path.
fn longest(explanation: &Explanation, side: &Side) -> String {
    let mut all: Vec<&Stretch> = side.path.iter().collect();
    all.sort_by_key(|s| (std::cmp::Reverse(s.ns()), s.from));
    let told = |s: &&Stretch| {
        let asked =
            s.asked.map(|asked| format!(" ({})", decision(explanation, side, &asked, false))).unwrap_or_default();
        let (length, from) = (tenths(s.ns()), seconds(s.from));
        format!("{length} s {} from {from}{asked}", s.label.name())
    };
    all.iter().take(LONGEST).map(told).collect::<Vec<_>>().join("; ")
}

fn seconds(at: Time) -> String {
    format!("{} s", rounded(at.as_secs_f64(), 1))
}

/// The first decisions that each run has alone, one paragraph each.
fn decisions(explanation: &Explanation) -> Vec<String> {
    let found: Vec<&Alone> = explanation.first.iter().chain(&explanation.then).collect();
    if found.is_empty() {
        return vec!["no decision differs: both runs have the same calls and notes".to_owned()];
    }
    let mut told: Vec<String> = found.into_iter().map(|alone| sentence(explanation, alone)).collect();
    if let (1, Some(first)) = (told.len(), &explanation.first) {
        told.push(format!("{} has nothing that {} has not", NAMES[1 - first.side], NAMES[first.side]));
    }
    told
}

fn sentence(explanation: &Explanation, alone: &Alone) -> String {
    let side = &explanation.sides[alone.side];
    let (name, other) = (NAMES[alone.side], NAMES[1 - alone.side]);
    let what = decision(explanation, side, &alone.decision, true);
    let mut text = format!("{name}  alone has at {}: {what}; an effect of ", seconds(alone.at));
    let cause = |link: &Link| match &link.cause {
        Cause::Arrival => "the arrival".to_owned(),
        Cause::Timer => format!("a timer that ran out at {}", seconds(link.at)),
        Cause::Reply(asked) => {
            format!("the reply to {} at {}", decision(explanation, side, asked, false), seconds(link.at))
        }
    };
    let last = alone.causes.len().saturating_sub(1);
    for (i, link) in alone.causes.iter().enumerate() {
        if i >= MOST_CAUSES - 1 && i < last {
            if i == MOST_CAUSES - 1 {
                let _ = write!(text, ", after {} more that {name} alone has", last - i);
            }
            continue;
        }
        let joint = match i {
            0 => "",
            _ if i == last => ", at last of ",
            _ => ", that of ",
        };
        let _ = write!(text, "{joint}{}", cause(link));
    }
    match alone.causes.last().and_then(|link| Some((link, link.other_at?))) {
        Some((Link { cause: Cause::Arrival, .. }, _)) | None => {}
        Some((link, at)) if link.at == at => {
            let _ = write!(text, ", as in {other}");
        }
        Some((_, at)) => {
            let _ = write!(text, ", which {other} has at {}", seconds(at));
        }
    }
    text
}

fn who(side: &Side, agent: AgentId) -> String {
    match agent.0.checked_sub(side.workers) {
        None => format!("agent {}", agent.0),
        Some(0) => "the lead".to_owned(),
        Some(lead) => format!("lead {lead}"),
    }
}

/// A decision in words: as a sentence, or as what a reply answers.
fn decision(explanation: &Explanation, side: &Side, what: &Decision, whole: bool) -> String {
    match what {
        Decision::Called { agent, purpose, about } => {
            let who = who(side, *agent);
            let on = subject(explanation, side, *agent, *purpose, about);
            if whole {
                format!("{who} asks for `{}`{on}", purpose.name())
            } else {
                format!("`{}` of {who}{on}", purpose.name())
            }
        }
        Decision::Noted(note) => noted(explanation, side, note),
    }
}

/// What a call is about, unless it is about the whole task.
fn subject(explanation: &Explanation, side: &Side, agent: AgentId, purpose: Purpose, about: &About) -> String {
    let About { line, subtask, attempt, step } = *about;
    let of_a_lead = agent.0 >= side.workers;
    let of_the_task = matches!(purpose, Purpose::Plan | Purpose::Merge | Purpose::MoreSubtasks | Purpose::Finalize);
    if of_the_task && (of_a_lead || !explanation.on_lines) {
        return String::new();
    }
    let subject = if explanation.on_lines { format!("line {}", line.0) } else { format!("subtask {}", subtask.0) };
    format!(" on {subject}, attempt {attempt}, step {step}")
}

fn noted(explanation: &Explanation, side: &Side, note: &Note) -> String {
    let who = |agent: AgentId| who(side, agent);
    match *note {
        Note::Phase(agent, phase) => format!("{} goes over to {}", who(agent), phase.name()),
        Note::Created { first, count } => {
            format!("subtasks {first} to {} are created", (first + count).saturating_sub(1))
        }
        Note::Claimed(agent, _) if explanation.on_lines => format!("{} is given a delegation", who(agent)),
        Note::Claimed(agent, subtask) => format!("{} takes subtask {}", who(agent), subtask.0),
        Note::Released(agent, subtask) => format!("{} gives subtask {} back", who(agent), subtask.0),
        Note::Done(subtask) => format!("subtask {} is done", subtask.0),
        Note::Abandoned(subtask) => format!("subtask {} is given up", subtask.0),
        Note::Proposed(agent, _) => format!("a finding of {} goes to the gate", who(agent)),
        Note::Admitted { agent, tokens, .. } => {
            format!("a finding of {} ({tokens} tokens) becomes readable to others", who(agent))
        }
        Note::Rejected(agent, _) => format!("the gate rejects a finding of {}", who(agent)),
        Note::Withdrawn(agent, _) => format!("a finding of {} is taken back from the gate", who(agent)),
        Note::Kept { .. } => "a result passes into a private store without a gate".to_owned(),
        Note::Compacted(agent) => format!("the context of {} is shortened", who(agent)),
        Note::GaveUp(agent, _) => format!("{} gives a delegation up since its calls fail", who(agent)),
        Note::Submitted(agent, line, _) => format!("{} submits line {}", who(agent), line.0),
    }
}
