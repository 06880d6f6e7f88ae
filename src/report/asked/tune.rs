//! Policies in their best forms, in words, rows and a scenario.

use super::{Page, models_moved, scale};
use crate::experiment::Scenario;
use crate::experiment::asked::{Gap, Tuned, TunedRow};
use crate::experiment::judgement::Search;
use crate::policy::settings::{Form, Work};
use crate::report::file::csv;
use crate::report::number::{self, exact, with_interval};

fn told(gap: &Gap, scale: f64) -> String {
    with_interval(gap.mean * scale, gap.interval.map(|i| i.scaled(scale)))
}

/// An amount of what is spent.
fn amount(t: &Tuned, value: f64) -> String {
    match t.spend_unit {
        "USD" => format!("${}", number::short(value)),
        unit => format!("{} {unit}", number::short(value)),
    }
}

/// A value of what was to be made best.
fn value(t: &Tuned, value: f64) -> String {
    let (scale, unit) = scale(t.unit);
    let unit = if unit == "points" { "%" } else { unit };
    format!("{} {unit}", number::digits(value * scale, 3))
}

/// A policy with its settings.
fn named(row: &TunedRow) -> String {
    if row.changes.is_empty() {
        format!("{}, as it is", row.policy)
    } else {
        format!("{}, {}", row.policy, row.changes.join(", "))
    }
}

/// Whether a difference is shown, and in the bad sense.
fn is_worse(t: &Tuned, gap: &Gap) -> bool {
    let sign = gap.interval.map_or(0, crate::stats::Interval::sign);
    sign == if t.higher_is_better { -1 } else { 1 }
}

/// What was found.
fn found(row: &TunedRow) -> String {
    if row.changes.is_empty() { "the default stands".to_owned() } else { row.changes.join(", ") }
}

fn is_shown(gap: &Gap) -> bool {
    gap.interval.is_some_and(|i| i.sign() != 0)
}

/// How much more a row spends than the subject.
fn dearer(t: &Tuned, row: &TunedRow, subject: &TunedRow) -> String {
    let (own, its) = (subject.tuned.spend, row.tuned.spend);
    let shown = row.dearer.as_ref().is_some_and(is_shown);
    let apart = (its - own) / own * 100.0;
    let what = format!("{} ({} against {})", t.spend, amount(t, its), amount(t, own));
    match apart {
        _ if !shown => format!("no difference of {what} is shown"),
        less if less < 0.0 => format!("{} spends {} % less {what}", row.policy, number::rounded(-less, 0)),
        more => format!("{} spends {} % more {what}", row.policy, number::rounded(more, 0)),
    }
}

pub(super) fn page(scenario: &Scenario, t: &Tuned) -> Page {
    let (scale, unit) = scale(t.unit);
    let subject = t.rows.iter().find(|row| row.policy == t.subject).expect("the subject has a row");
    let mut sentences = Vec::new();
    let limit = t.most.map_or_else(String::new, |most| {
        let how = if t.given { "as given" } else { "what the subject spends as the scenario has it" };
        format!(" within {} ({}, {how})", amount(t, most), t.spend)
    });
    let rival = match &t.best_central {
        Search::Found(rival) => t.rows.iter().find(|row| row.policy == *rival),
        Search::NotFound | Search::NotLooked => None,
    };
    sentences.push(match rival.and_then(|row| Some((row, row.lead.as_ref()?))) {
        None => format!("{}: no central form{limit} to hold {} against.", scenario.name, t.subject),
        Some((row, lead)) => {
            let shown = match (is_shown(lead), is_worse(t, lead)) {
                (false, _) => "no difference shown",
                (true, true) => "worse",
                (true, false) => "better",
            };
            format!(
                "{}: tuned alike{limit}, N = {}, the best central form ({}) has {} {}, {} {}: {} minus {} {} {unit} \
                 ({shown}); {}.",
                scenario.name,
                t.agents,
                named(row),
                t.metric,
                value(t, row.tuned.worth),
                t.subject,
                value(t, subject.tuned.worth),
                t.subject,
                row.policy,
                told(lead, scale),
                dearer(t, row, subject),
            )
        }
    });
    let ahead = |is: &dyn Fn(&TunedRow) -> bool| -> String {
        let ahead = t.rows.iter().filter(|row| is(row));
        let named = ahead.filter_map(|row| Some((row, row.lead.as_ref().filter(|lead| is_worse(t, lead))?)));
        named.map(|(row, lead)| format!("{} ({})", row.policy, told(lead, scale))).collect::<Vec<_>>().join(", ")
    };
    // One answer of a team is not held against the best of several that nobody could pick.
    let divide = Work::of(&scenario.workload) == Work::Divide;
    let is_picked = |row: &TunedRow| divide && t.metric == "pass" && row.form == Form::Independent;
    let (fair, picked) = (ahead(&|row| !is_picked(row)), ahead(&is_picked));
    if !fair.is_empty() {
        sentences.push(format!("{} LOSES, all tuned, to {fair}.", t.subject));
    }
    if !picked.is_empty() {
        sentences.push(format!("Ahead with an oracle that picks among several answers: {picked}."));
    }
    let stands: Vec<&str> = t.rows.iter().filter(|r| r.changes.is_empty()).map(|r| r.policy.as_str()).collect();
    if !stands.is_empty() {
        sentences.push(format!("The default stands, nothing better was found: {}.", stands.join(", ")));
    }
    let header = vec!["policy", "found", "given -> found", "gain [95 %]", "spends", "subject's lead [95 %]"];
    let rows = t.rows.iter().map(|row| line(t, row, scale)).collect();
    let used: u64 = t.rows.iter().map(|row| row.pilots).sum();
    let tried: u32 = t.rows.iter().map(|row| row.tried).sum();
    let mut notes = vec![
        format!(
            "Every policy had at most {} pilot runs ({used} were used, {tried} points tried); differences are paired, read \
             from {} other runs per point, intervals are simulation noise ({} runs in all).",
            t.pilots, t.replications, t.runs
        ),
        "From the settings as given, moves of one setting (store and gate together) race on the same random numbers; one is \
         taken if it is better by more than a standard error, in turn also if it is no worse by more than that and \
         cheaper. What is found is checked on pilots of its own. tuned.toml is the scenario with what was found."
            .to_owned(),
    ];
    notes.extend(models_moved(t.rows.iter().flat_map(|row| &row.changes)));
    if t.metric == "pass" {
        let oracle =
            "Pass counts a task if any submission is right: whoever hands in several has an oracle that picks.";
        notes.push(oracle.to_owned());
    }
    Page { name: "tune", sentences, header, rows, notes }
}

fn line(t: &Tuned, row: &TunedRow, scale: f64) -> Vec<String> {
    let digits = |value: f64| number::digits(value * scale, 3);
    let gap = |gap: &Option<Gap>, none: &str| gap.as_ref().map_or(none.to_owned(), |gap| told(gap, scale));
    let found = found(row);
    let above = if row.over { ", ABOVE the limit" } else { "" };
    let (worths, spends) = if row.changes.is_empty() {
        (digits(row.given.worth), amount(t, row.given.spend))
    } else {
        let worths = format!("{} -> {}", digits(row.given.worth), digits(row.tuned.worth));
        (worths, format!("{} -> {}", amount(t, row.given.spend), amount(t, row.tuned.spend)))
    };
    vec![row.policy.clone(), found, worths, gap(&row.gain, "-"), format!("{spends}{above}"), gap(&row.lead, "subject")]
}

pub(super) fn data(t: &Tuned) -> String {
    let header = [
        "policy",
        "form",
        "agents",
        "found",
        "moves",
        "tried",
        "pilots",
        "metric",
        "given",
        "tuned",
        "gain",
        "gain_ci_low",
        "gain_ci_high",
        "spend",
        "given_spend",
        "tuned_spend",
        "more",
        "more_ci_low",
        "more_ci_high",
        "lead",
        "lead_ci_low",
        "lead_ci_high",
        "dearer",
        "dearer_ci_low",
        "dearer_ci_high",
        "over",
    ];
    let gap = |gap: &Option<Gap>| -> [String; 3] {
        let known = |x: Option<f64>| x.map(exact).unwrap_or_default();
        let interval = gap.and_then(|gap| gap.interval);
        [gap.map(|gap| gap.mean), interval.map(|i| i.low), interval.map(|i| i.high)].map(known)
    };
    let rows = t.rows.iter().map(|row| {
        let form = serde_json::to_value(row.form).expect("a word");
        let steps: Vec<String> = row.steps.iter().map(|step| step.join(" & ")).collect();
        let mut line = vec![row.policy.clone(), form.as_str().unwrap_or_default().to_owned(), t.agents.to_string()];
        line.extend([row.changes.join("; "), steps.join("; "), row.tried.to_string(), row.pilots.to_string()]);
        line.extend([t.metric.to_owned(), exact(row.given.worth), exact(row.tuned.worth)]);
        line.extend(gap(&row.gain));
        line.extend([t.spend.clone(), exact(row.given.spend), exact(row.tuned.spend)]);
        line.extend([gap(&row.more), gap(&row.lead), gap(&row.dearer)].concat());
        line.push(row.over.to_string());
        line
    });
    csv(&header, rows)
}

/// The scenario with what was found, and the command that found it.
pub(super) fn scenario(t: &Tuned, command: &str) -> String {
    let mut out = format!("# Settings of policies as found by\n#   {command}\n");
    for row in &t.rows {
        out.extend(["# ", &row.policy, ": ", &found(row), "\n"]);
    }
    out + "\n" + &t.scenario.to_toml()
}
