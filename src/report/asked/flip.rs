//! What flips a difference, in words, rows and a tornado.

use super::{Page, scale};
use crate::experiment::Scenario;
use crate::experiment::asked::{Difference, Drawn, Effect, Flips, Swing};
use crate::experiment::judgement::Search;
use crate::report::file::csv;
use crate::report::number::{self, exact, with_interval};
use crate::report::plot::{Bar, Canvas, tornado};
use crate::stats::Interval;

/// Flips that a sentence names.
const NAMED: usize = 3;

fn told(d: &Difference, scale: f64) -> String {
    with_interval(d.mean * scale, d.interval.map(|i| Interval { low: i.low * scale, high: i.high * scale }))
}

fn counts(flips: &Flips) -> (usize, usize, usize) {
    let of = |is: fn(&Swing) -> bool| flips.swings.iter().filter(|s| is(s)).count();
    let acting = of(|s| matches!(s.effect, Effect::Moves { .. }));
    let idle = of(|s| s.effect == Effect::None);
    (acting, idle, flips.swings.iter().filter(|s| s.distance().is_some()).count())
}

pub(super) fn page(scenario: &Scenario, flips: &Flips) -> Page {
    let (scale, unit) = scale(flips.unit);
    let (acting, idle, turning) = counts(flips);
    let unmoved = flips.fixed.len() + flips.swings.iter().filter(|s| matches!(s.effect, Effect::Refused(_))).count();
    let mut sentences = vec![
        format!("{}: what would flip the difference of {}?", scenario.name, flips.metric),
        format!(
            "{} minus {} ({}): {} {unit} at {} replications, Monte Carlo interval.",
            flips.policy,
            flips.rival,
            flips.chosen,
            told(&flips.today, scale),
            flips.replications
        ),
    ];
    let near: Vec<String> = flips
        .swings
        .iter()
        .filter_map(|swing| match &swing.effect {
            Effect::Moves { flip: Search::Found(at), .. } => {
                let range = swing.input.range;
                Some(format!(
                    "{} at {} (now {}, prior {}-{})",
                    swing.input.path,
                    number::short(*at),
                    number::short(swing.input.value),
                    number::short(range.low),
                    number::short(range.high)
                ))
            }
            _ => None,
        })
        .take(NAMED)
        .collect();
    let resolved = flips.today.interval.is_none_or(|i| i.sign() != 0);
    sentences.push(if !resolved {
        let shown = |d: &Difference| d.interval.is_some_and(|i| i.sign() != 0);
        let is_shown = |s: &&Swing| matches!(&s.effect, Effect::Moves { low, high, .. } if shown(low) || shown(high));
        let ends = flips.swings.iter().filter(is_shown).count();
        format!(
            "Today's interval holds 0: no difference is shown that could flip. Of {acting} inputs that act, the mean changes \
             its sign along {turning}, and {ends} show a difference at an end of their prior."
        )
    } else if turning == 0 {
        let seen = flips.seen_from.map_or_else(String::new, |x| {
            format!(" A reversal larger than {} {unit} would have been seen with 95 %.", number::short(x * scale))
        });
        format!("No single input flips it inside its prior.{seen}")
    } else {
        let more = if turning > near.len() { format!(", and {} more", turning - near.len()) } else { String::new() };
        format!("{turning} of {acting} inputs that act flip it, each alone; nearest: {}{more}.", near.join("; "))
    });
    sentences.extend(outside(flips));
    sentences.extend(drawn(flips, acting, scale, unit));
    let notes = vec![format!(
        "{idle} inputs have no effect here (no run changes at either end of the prior), {unmoved} could not be moved \
         ({}.csv says why). Break-even values are exact to 1/1024 of the prior on these random numbers, those of `compare`; how far other numbers would move them the interval tells.",
        "flip"
    )];
    let rows = flips.swings.iter().filter_map(|s| row(s, scale)).collect();
    let header = vec!["input", "source", "now", "prior", "flips at", "at low end", "at high end"];
    Page { name: "flip", sentences, header, rows, notes }
}

/// Inputs whose value the prior does not hold for possible: flips and draws are about the prior.
fn outside(flips: &Flips) -> Option<String> {
    let outside = flips.swings.iter().filter(|swing| !swing.input.range.holds(swing.input.value));
    let named: Vec<String> = outside
        .map(|swing| {
            let Swing { input, .. } = swing;
            let [now, low, high] = [input.value, input.range.low, input.range.high].map(number::short);
            format!("{} (now {now}, prior {low}-{high})", input.path)
        })
        .collect();
    (!named.is_empty()).then(|| {
        format!(
            "OUTSIDE of their priors today: {}: what flips, and what is drawn, is about the priors and not about these \
             values; [sources.\"PATH\"] prior = \"..\" states your own.",
            named.join(", ")
        )
    })
}

/// What drawing all priors at once says, if that was asked.
fn drawn(flips: &Flips, acting: usize, scale: f64, unit: &str) -> Option<String> {
    let joint = match &flips.joint {
        Drawn::NotAsked => return None,
        Drawn::NothingActs => return Some("No input acts: there is nothing to draw at once.".to_owned()),
        Drawn::Refused { draws, why } => {
            return Some(format!("None of {draws} draws of all priors at once makes a scenario; the first: {why}."));
        }
        Drawn::Told(joint) => joint,
    };
    let [low, middle, high] = joint.quantiles.map(|q| number::short(q * scale));
    let percent = |x: f64| number::rounded(x * 100.0, 0);
    let refused =
        if joint.refused == 0 { String::new() } else { format!(" ({} more make no scenario)", joint.refused) };
    Some(format!(
        "All {acting} drawn at once: {} is better in {} % [{}, {}] of {} draws{refused}; difference {middle} [{low}, {high}] \
         {unit} over what is not known, beside the interval above over runs.",
        flips.policy.policy,
        percent(f64::from(joint.better) / f64::from(joint.draws)),
        percent(joint.share.low),
        percent(joint.share.high),
        joint.draws
    ))
}

/// The row of an input that acts; those that do not are counted in the notes.
fn row(swing: &Swing, scale: f64) -> Option<Vec<String>> {
    let Effect::Moves { low, high, flip } = &swing.effect else { return None };
    let input = &swing.input;
    let prior = format!("{} to {}", number::short(input.range.low), number::short(input.range.high));
    let flip = match flip {
        Search::Found(at) => number::short(*at),
        Search::NotFound => "-".to_owned(),
        Search::NotLooked => "no sign to flip".to_owned(),
    };
    let (low, high) = (told(low, scale), told(high, scale));
    Some(vec![input.path.clone(), input.source.name().to_owned(), number::short(input.value), prior, flip, low, high])
}

pub(super) fn data(flips: &Flips) -> String {
    let header = [
        "input",
        "unit",
        "source",
        "value",
        "prior_low",
        "prior_high",
        "effect",
        "flips_at",
        "difference_low",
        "low_ci_low",
        "low_ci_high",
        "difference_high",
        "high_ci_low",
        "high_ci_high",
    ];
    let ends = |d: &Difference| {
        let end = |pick: fn(Interval) -> f64| d.interval.map(|i| exact(pick(i))).unwrap_or_default();
        vec![exact(d.mean), end(|i| i.low), end(|i| i.high)]
    };
    let moved = flips.swings.iter().map(|swing| {
        let input = &swing.input;
        let mut row = vec![
            input.path.clone(),
            input.unit.to_owned(),
            input.source.name().to_owned(),
            exact(input.value),
            exact(input.range.low),
            exact(input.range.high),
        ];
        match &swing.effect {
            Effect::None => row.extend(std::iter::once("none".to_owned()).chain((0..7).map(|_| String::new()))),
            Effect::Refused(why) => row.extend(
                std::iter::once(format!("refused: {}", why.replace('\n', "; "))).chain((0..7).map(|_| String::new())),
            ),
            Effect::Moves { low, high, flip } => {
                row.push("moves".to_owned());
                row.push(if let Search::Found(at) = flip { exact(*at) } else { String::new() });
                row.extend(ends(low).into_iter().chain(ends(high)));
            }
        }
        row
    });
    let fixed = flips.fixed.iter().map(|fixed| {
        let mut row = vec![fixed.path.clone()];
        row.extend((0..5).map(|_| String::new()));
        row.push(format!("not moved: {}", fixed.why));
        row.extend((0..7).map(|_| String::new()));
        row
    });
    csv(&header, moved.chain(fixed))
}

/// Bars of a tornado.
const SHOWN: usize = 16;

pub(super) fn figure(scenario: &Scenario, flips: &Flips) -> Option<Canvas> {
    let (scale, unit) = scale(flips.unit);
    let mut widest: Vec<&Swing> = flips.swings.iter().filter(|s| s.width() > 0.0).collect();
    widest.sort_by(|a, b| b.width().total_cmp(&a.width()));
    let bars: Vec<Bar> = widest
        .iter()
        .take(SHOWN)
        .filter_map(|swing| {
            let Effect::Moves { low, high, flip } = &swing.effect else { return None };
            Some(Bar {
                label: swing.input.path.clone(),
                low: low.mean * scale,
                high: high.mean * scale,
                low_label: number::short(swing.input.at(0.0)),
                high_label: number::short(swing.input.at(1.0)),
                flips: matches!(flip, Search::Found(_)),
            })
        })
        .collect();
    if bars.is_empty() {
        return None;
    }
    let title = format!("What moves {}: {} minus {}", flips.metric, flips.policy, flips.rival);
    let note = format!(
        "{}: simulated; {} replications per value; each input alone from the low end of its prior (light) to the high end \
         (dark); the line is today's difference; names in red change its sign.",
        scenario.name, flips.replications
    );
    Some(tornado(&title, &format!("difference, {unit}"), flips.today.mean * scale, &bars, &note))
}
