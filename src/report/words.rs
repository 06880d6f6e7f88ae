//! The words of judgements, verdicts and warnings: every sentence that a study says is made here.

use super::number;
use crate::experiment::Study;
use crate::experiment::judgement::{
    EqualSpend, Judgement, Phrase, Reversal, Rival, Search, Spend, TwinGap, Verdict, Warning,
};
use crate::experiment::study::Origin;
use crate::stats::Interval;

/// A judgement, as in tables and files.
pub(super) fn judgement(judgement: Judgement) -> &'static str {
    match judgement {
        Judgement::NotJudged => "not judged",
        Judgement::Equal => "equal",
        Judgement::NotShown => "no difference shown",
        Judgement::TooSmall => "too small to matter",
        Judgement::Better => "better",
        Judgement::Worse => "worse",
        Judgement::Different => "different",
    }
}

/// An origin as the first word of a sentence.
pub(super) fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Simulated => "Simulated",
        Origin::Replayed => "Replayed",
        Origin::Measured => "Measured",
    }
}

fn rival(rival: &Rival) -> String {
    match rival {
        Rival::BestCentral => "the best central form of each metric".to_owned(),
        Rival::Baseline(name) => name.clone(),
        Rival::ScatterGather(name) => format!("{name}, the authors' own parallel rival"),
        Rival::Independent(name) if name == "independent" => "independent attempts".to_owned(),
        Rival::Independent(name) => format!("independent attempts ({name})"),
    }
}

fn between(interval: Option<Interval>, digits: usize) -> String {
    interval.map_or_else(String::new, |i| format!(" [{:+.digits$}, {:+.digits$}]", i.low, i.high))
}

/// What a difference does not show.
fn open(judgement: Judgement) -> &'static str {
    match judgement {
        Judgement::NotShown => ", no difference shown,",
        Judgement::TooSmall => ", too small to matter,",
        Judgement::NotJudged => ", not judged,",
        _ => "",
    }
}

fn phrase(p: &Phrase) -> Option<String> {
    let (points, name, digits) = match p.metric {
        "makespan_s" => (false, "makespan", 0),
        "cost_per_task_usd" => (false, "cost per task", 0),
        "avg_at_1" => (true, "Avg@1", 1),
        "pass" => (true, "Pass", 1),
        _ => return None,
    };
    if p.judgement == Judgement::Equal {
        let to = p.rival.as_ref().map_or_else(String::new, |name| format!(" to {name}"));
        return Some(format!("{name} equal{to}, run by run"));
    }
    let open = open(p.judgement);
    let spends = match p.rival_spends {
        Some((time, cost)) if points => format!(" at {time:.1}x the time, {cost:.1}x the cost"),
        _ => String::new(),
    };
    let named = p.rival.as_ref().map_or_else(String::new, |name| format!(" ({name}{spends})"));
    // Against a rival that costs nothing there is a difference and no percentage.
    let told = if points {
        format!("{:+.digits$} points{}", p.difference * 100.0, between(p.interval.map(|i| i.scaled(100.0)), digits))
    } else if p.rival_mean > 0.0 {
        let scale = 100.0 / p.rival_mean;
        format!("{:+.digits$} %{}", p.difference * scale, between(p.interval.map(|i| i.scaled(scale)), digits))
    } else {
        let unit = if p.metric == "makespan_s" { "s" } else { "USD" };
        format!("{:+.3} {unit}{}", p.difference, between(p.interval, 3))
    };
    Some(format!("{name} {told}{}{named}", open.trim_end_matches(',')))
}

/// Pass at equal spend, as the end of a sentence; none where nobody looked.
pub(super) fn equal_spend(spend: Spend, best: &Search<EqualSpend>) -> Option<String> {
    let words = match spend {
        Spend::Dollars => "dollars",
        Spend::Time => "time",
    };
    Some(match best {
        Search::NotLooked => return None,
        Search::NotFound => format!("within its {words}: no central form of this table does with as little."),
        Search::Found(best) => {
            let amount = |x: f64| match spend {
                Spend::Dollars => format!("${}", super::number::short(x)),
                Spend::Time => format!("{} s", super::number::short(x)),
            };
            let (point, spends) = (format!("{} with N = {}", best.policy, best.agents), amount(best.spends));
            if !best.is_fair() {
                return Some(format!(
                    "within its {words} the best central point of this table is {point}, which takes {spends} of {}: too \
                     little to compare; `--equal {}` meets it.",
                    amount(best.most),
                    spend.metric()
                ));
            }
            format!(
                "within its {words}: Pass {:+.1} points{}{} against the best central point of this table, {point} \
                 ({spends}); `--equal` has the choice inside the interval.",
                best.difference * 100.0,
                between(best.interval.map(|i| i.scaled(100.0)), 1),
                open(best.judgement),
            )
        }
    })
}

/// What turns verdicts around, as the end of a sentence.
pub(super) fn flips(reversals: &[Reversal], moved: usize, replications: u32, seen_from: Option<f64>) -> String {
    if reversals.is_empty() {
        let unseen = seen_from.map_or_else(String::new, |share| {
            let points = number::rounded(share * 100.0, 1);
            format!("; a reversal of Pass by less than {points} points may have gone unseen")
        });
        return format!(
            "none of {} moves, one at a time, of {moved} sharing parameters to the ends of their priors is seen to reverse a \
             verdict above, in {replications} runs each{unseen}; the other assumed inputs were not moved.",
            2 * moved
        );
    }
    let told = |r: &Reversal| format!("{} at {} = {}", r.metric, r.parameter, r.value);
    let list: Vec<String> = reversals.iter().map(told).collect();
    format!("reversed by assumption: {}.", list.join("; "))
}

/// What differs between a policy and its twin, as the end of a sentence.
pub(super) fn twins(gaps: &[TwinGap], replications: u32) -> String {
    let told = |gap: &TwinGap| {
        let column = super::columns::heading(gap.metric);
        let (name, unit, scale) = column.map_or((gap.metric, "", 1.0), |x| (x.heading, x.unit, x.scale));
        let unit = if unit == "%" { "points" } else { unit };
        let interval = gap.interval.map(|i| i.scaled(scale));
        format!("{name} {} {unit}", number::with_interval(gap.difference * scale, interval))
    };
    let gaps: Vec<String> = gaps.iter().map(told).collect();
    format!("{} (means nothing, between {replications} runs and {replications} others)", gaps.join(", "))
}

/// A verdict in a sentence; none where there is nothing to say.
pub(super) fn verdict(verdict: &Verdict) -> Option<String> {
    Some(match verdict {
        Verdict::Knee { policy, agents, busy } => {
            let busy = busy * 100.0;
            format!("{policy}: its lead is the bottleneck from N = {agents} on (busy {busy:.0} % of the time).")
        }
        Verdict::Compared { policy, agents, rival: whom, extrapolated, phrases } => {
            let parts: Vec<String> = phrases.iter().filter_map(phrase).collect();
            if parts.is_empty() {
                return None;
            }
            let mark = if *extrapolated { " (nobody has published such a run: extrapolation)" } else { "" };
            format!("{policy}, N = {agents}, against {}{mark}: {}.", rival(whom), parts.join("; "))
        }
        Verdict::Equal { policy, agents, spend, best } => {
            format!("{policy}, N = {agents}, {}", equal_spend(*spend, best)?)
        }
        Verdict::Retimed { runs, recorded_s, retimed_s, exact } => {
            let change = if *recorded_s > 0.0 {
                format!(" ({:+.1} %)", (retimed_s / recorded_s - 1.0) * 100.0)
            } else {
                String::new()
            };
            format!(
                "{runs} runs, one after the other: recorded {recorded_s:.3} s, retimed {retimed_s:.3} s{change}; {exact} of \
                 them take exactly as long as recorded."
            )
        }
        Verdict::Twins { gaps, .. } if gaps.is_empty() => return None,
        Verdict::Twins { policy, agents, replications, gaps } => {
            format!(
                "A/A: {policy}, N = {agents}, against itself on other random numbers: {}.",
                twins(gaps, *replications)
            )
        }
        Verdict::Flips { policy, agents, rival: whom, reversals, moved, replications, seen_from } => {
            let whom = match whom {
                Rival::BestCentral => "the best central forms".to_owned(),
                other => rival(other),
            };
            format!("{policy}, N = {agents}, against {whom}: {}", flips(reversals, *moved, *replications, *seen_from))
        }
    })
}

/// A warning in a sentence that says what to do.
pub(super) fn warning(warning: &Warning) -> String {
    match warning {
        Warning::Unpublished(first) => {
            format!(
                "From N = {first} on there are runs that nobody has published: marked * here, dashed in the figures."
            )
        }
        Warning::NotShown { comparisons, replications } => format!(
            "{comparisons} comparison(s) show no difference at {replications} replications: raise --replications before \
             you conclude there is none."
        ),
        Warning::OneReplication => {
            "One replication has no interval: nothing is judged. Raise --replications.".to_owned()
        }
        Warning::FewReplications(n) => {
            format!("{n} replications are few: intervals rest on t quantiles with {} degrees of freedom.", n - 1)
        }
        Warning::NoCentral => {
            "No central form runs here: there is nothing to compare with. Add one, or name --baseline.".to_owned()
        }
        Warning::Protocol { policy, quality, cost, latency } => format!(
            "Protocol factors of {policy}: quality {quality}, cost {cost}, latency {latency}: differences of harness, not \
             of sharing."
        ),
        Warning::Abandoned { policy, agents, subtasks } => format!(
            "{policy}, N = {agents}: {subtasks:.1} subtasks per task are given up; look at gate retries and requeues."
        ),
        Warning::Told(text) => text.clone(),
    }
}

/// What the intervals of a study are intervals of.
pub(super) fn noise(origin: Origin) -> &'static str {
    match origin {
        Origin::Simulated => "simulation noise",
        Origin::Replayed | Origin::Measured => "the spread between recorded runs",
    }
}

/// All verdicts of a study in sentences.
pub(super) fn verdicts(study: &Study) -> Vec<String> {
    study.verdicts.iter().filter_map(verdict).collect()
}

/// All warnings of a study in sentences.
pub(super) fn warnings(study: &Study) -> Vec<String> {
    study.warnings.iter().map(warning).collect()
}
