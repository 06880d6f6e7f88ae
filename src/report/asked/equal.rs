//! Equal spend, in words, rows and the frontier.

use super::{Page, models_moved, scale};
use crate::experiment::Scenario;
use crate::experiment::asked::{Best, EqualRow, Equals};
use crate::experiment::judgement::Search;
use crate::report::file::csv;
use crate::report::number::{self, exact, with_interval};
use crate::report::plot::{At, Canvas, Curve, Words, curves};
use crate::stats::Interval;

fn told((mean, interval): (f64, Interval), scale: f64) -> String {
    with_interval(mean * scale, Some(interval.scaled(scale)))
}

/// An amount of what is held equal.
fn amount(e: &Equals, value: f64) -> String {
    match e.spend_unit {
        "USD" => format!("${}", number::short(value)),
        unit => format!("{} {unit}", number::short(value)),
    }
}

fn found(row: &EqualRow) -> Option<&Best> {
    if let Search::Found(best) = &row.best { Some(best) } else { None }
}

pub(super) fn page(scenario: &Scenario, e: &Equals) -> Page {
    let (scale, unit) = scale(e.unit);
    let how = if e.given { "as given" } else { "what the subject spends as the scenario has it" };
    let mut sentences = vec![format!(
        "{}: who has the most {} within {} ({}; {how})?",
        scenario.name,
        e.metric,
        amount(e, e.most),
        e.spend
    )];
    let own = e.rows.iter().find(|row| row.policy == e.subject).and_then(found);
    sentences.push(match (own, &e.best_central) {
        (None, _) => format!("{} has no point that spends as little.", e.subject),
        (Some(_), Search::NotFound | Search::NotLooked) => {
            "No central form of this grid does with as little.".to_owned()
        }
        (Some(_), Search::Found((rival, lead, interval))) => {
            let shown = if interval.sign() == 0 { ": no difference shown" } else { "" };
            format!(
                "{} against the best central form ({rival} on these pilots), each at its best within the spend: {} {unit}{shown}.",
                e.subject,
                told((*lead, *interval), scale)
            )
        }
    });
    let better = own.map(|_| {
        let ahead: Vec<String> = e
            .rows
            .iter()
            .filter_map(|row| Some((row, found(row)?.lead?)))
            .filter(|(_, (_, interval))| interval.high < 0.0)
            .map(|(row, lead)| format!("{} ({})", row.policy, told(lead, scale)))
            .collect();
        if ahead.is_empty() {
            format!("No policy is shown to do better than {} within the spend.", e.subject)
        } else {
            format!("{} LOSES within the spend to {}.", e.subject, ahead.join(", "))
        }
    });
    // A loss is said before anything else.
    if let Some(better) = better {
        let place = if better.contains("LOSES") { 1 } else { sentences.len() };
        sentences.insert(place, better);
    }
    sentences.extend(capped(scenario, e));
    let header = vec!["policy", "best within the spend", "points", "spends", "gains [95 %]", "subject's lead [95 %]"];
    let rows = e.rows.iter().map(|row| line(e, row, scale)).collect();
    let known = if e.rows.iter().any(|row| found(row).is_some()) {
        format!(" (a mean there is known to {} {unit}, one standard error)", number::short(e.choice_error * scale))
    } else {
        String::new()
    };
    let mut notes = vec![
        format!(
            "Chosen on {} pilot runs per point{known}, read from {} other \
             runs per point on the same random numbers; intervals are of the whole procedure, choice of points and of the \
             rival inside (bootstrap, {} runs in all).",
            e.pilots,
            e.replications,
            e.runs
        ),
        "Two points of a policy may be mixed over tasks (shares in percent), so that the spend is met exactly. The grid: team \
         sizes of the scenario, every length and choice of the policy's form; around the best and the cheapest point of every \
         size, one at a time, deadlines (half, once and twice the time of half its runs; where time is held equal the limit \
         itself and times around it), budgets (half, double) and other models, around the best also every store with every \
         gate that can be had; around what the pilots take also the switches of the form and dispatch, again while they take \
         new points; --grid replaces values. Points are chosen on the pilots; where one spends more on the reported runs, \
         tasks go over to the next cheaper point that the pilots found, so that nobody spends more than the limit unless the \
         row says so. What is outside of the grid was not tried: `tune` walks further, at one size."
            .to_owned(),
    ];
    let parts = e.rows.iter().filter_map(found).flat_map(|best| &best.parts);
    notes.extend(models_moved(parts.flat_map(|part| &part.point.changes)));
    Page { name: "equal", sentences, header, rows, notes }
}

/// Policies that could not spend the limit at their largest size, which more agents might.
fn capped(scenario: &Scenario, e: &Equals) -> Option<String> {
    let largest = scenario.agents.iter().max()?;
    let is_capped =
        |best: &Best| best.spends < 0.8 * e.most && best.parts.iter().all(|part| part.point.side.agents == *largest);
    let capped = e.rows.iter().filter(|row| found(row).is_some_and(is_capped));
    let named: Vec<&str> = capped.map(|row| row.policy.as_str()).collect();
    (!named.is_empty()).then(|| {
        format!(
            "Left part of the limit unspent at the largest size, N = {largest}: {}; larger teams might do better (--agents).",
            named.join(", ")
        )
    })
}

fn line(e: &Equals, row: &EqualRow, scale: f64) -> Vec<String> {
    let Some(best) = found(row) else {
        let nothing = "nothing: its cheapest point is dearer".to_owned();
        return vec![row.policy.clone(), nothing, row.grid.to_string(), "-".to_owned(), "-".to_owned(), "-".to_owned()];
    };
    let parts: Vec<String> = best
        .parts
        .iter()
        .map(|part| match part.share {
            1.0 => part.point.to_string(),
            share => format!("{} % {}", number::rounded(share * 100.0, 0), part.point),
        })
        .collect();
    let gains = format!(
        "{} [{}, {}]",
        number::digits(best.worth * scale, 3),
        number::digits(best.interval.low * scale, 3),
        number::digits(best.interval.high * scale, 3)
    );
    let lead = best.lead.map_or_else(|| "subject".to_owned(), |lead| told(lead, scale));
    let above = if best.over { ", ABOVE the limit" } else { "" };
    let spends = format!("{}{above}", amount(e, best.spends));
    vec![row.policy.clone(), parts.join(" + "), row.grid.to_string(), spends, gains, lead]
}

pub(super) fn data(e: &Equals) -> String {
    let header = [
        "kind",
        "policy",
        "spend",
        "most",
        "point",
        "share",
        "grid",
        "spends",
        "metric",
        "gains",
        "ci_low",
        "ci_high",
        "lead",
        "lead_ci_low",
        "lead_ci_high",
    ];
    let mut rows = Vec::new();
    for row in &e.rows {
        let start = |kind: &str| vec![kind.to_owned(), row.policy.clone(), e.spend.clone(), exact(e.most)];
        let Some(best) = found(row) else {
            let mut line = start("nothing");
            line.extend([String::new(), String::new(), row.grid.to_string()]);
            line.extend((0..8).map(|_| String::new()));
            rows.push(line);
            continue;
        };
        for part in &best.parts {
            let mut line = start("best");
            line.extend([part.point.to_string(), exact(part.share), row.grid.to_string(), exact(best.spends)]);
            line.extend([e.metric.to_owned(), exact(best.worth), exact(best.interval.low), exact(best.interval.high)]);
            let lead = best.lead.map(|(mean, i)| [mean, i.low, i.high].map(exact)).unwrap_or_default();
            line.extend(lead);
            rows.push(line);
        }
    }
    for frontier in &e.frontiers {
        for step in &frontier.steps {
            let mut line = vec!["frontier".to_owned(), frontier.policy.clone(), e.spend.clone(), exact(step.most)];
            line.extend((0..4).map(|_| String::new()));
            line.extend([e.metric.to_owned(), exact(step.worth), exact(step.interval.low), exact(step.interval.high)]);
            line.extend((0..3).map(|_| String::new()));
            rows.push(line);
        }
    }
    csv(&header, rows.into_iter())
}

pub(super) fn figure(scenario: &Scenario, e: &Equals) -> Option<Canvas> {
    let percent = e.unit == "1";
    let scale = if percent { 100.0 } else { 1.0 };
    let drawn: Vec<Curve> = e
        .frontiers
        .iter()
        .map(|frontier| Curve {
            name: frontier.policy.clone(),
            form: e.rows.iter().find(|row| row.policy == frontier.policy).map(|row| row.form),
            points: frontier
                .steps
                .iter()
                .map(|s| At {
                    x: s.most,
                    mean: s.worth * scale,
                    low: s.interval.low * scale,
                    high: s.interval.high * scale,
                })
                .collect(),
        })
        .collect();
    let note = format!(
        "{}: simulated; every policy at its best within the spend, chosen on {} pilot runs per point and read from {} others; \
         bands: 95 %, the choice inside; spends are those of the subject's points, and a curve begins where its policy has a point within them.",
        scenario.name, e.pilots, e.replications
    );
    curves(
        &drawn,
        percent,
        Words {
            title: &format!("Frontier: {} within a spend", e.metric),
            unit: if percent { "percent" } else { e.unit },
            below: &format!("{} at most, {}", e.spend, e.spend_unit),
            note: &note,
        },
    )
}
