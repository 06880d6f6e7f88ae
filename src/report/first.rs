//! The first page of a comparison: at most 40 lines of 110 columns. The question; the answer, losses first; what nothing
//! beats; what drives it; what would flip it; what is assumed; where everything is.

use super::columns;
use super::manifest::quoted;
use super::number::{self, wrap};
use super::table::{WIDTH, plain, right, text};
use super::words;
use crate::experiment::Study;
use crate::experiment::comparison::BEST_CENTRAL;
use crate::experiment::judgement::{Judgement, Verdict};
use crate::experiment::study::{Cell, Comparison};
use crate::model::workload::WorkloadSpec;
use crate::policy::settings::{Form, Gate};
use std::fmt::Write as _;

/// Rows of the frontier, at most.
const ROWS: usize = 8;

/// What whoever reads the page typed: what to type next names the scenario so, too, and asks about the same changes.
#[derive(Clone, Copy, Debug)]
pub struct Typed<'a> {
    /// The scenario.
    pub scenario: &'a str,
    /// Changes to it but for its team sizes, as words of a command line.
    pub changes: &'a [(&'static str, String)],
}

impl Typed<'_> {
    /// The scenario with its changes; of these, those that a command takes.
    fn subject(&self, takes: impl Fn(&str) -> bool) -> String {
        let mut words = quoted(self.scenario);
        for (flag, value) in self.changes.iter().filter(|(flag, _)| takes(flag)) {
            let _ = write!(words, " --{flag} {}", quoted(value));
        }
        words
    }
}

/// The page, ending in a newline.
pub fn page(study: &Study, typed: Typed) -> String {
    let Some(own) = subject(study) else { return super::table::screen(study) };
    let mut parts = vec![line(&format!("{}: {}", study.scenario.name, study.scenario.question))];
    parts.push(answer(study, own));
    parts.push(frontier(study, own));
    parts.push(reasons(study, own, typed));
    parts.join("\n")
}

fn line(sentence: &str) -> String {
    wrap(sentence, WIDTH, "  ") + "\n"
}

/// The policy and size that the answer is about: the first form without a lead and with a shared context, at the largest
/// size that somebody published, or at the one nearest to 4.
fn subject(study: &Study) -> Option<&Cell> {
    let policy = columns::featured(study).first().copied()?;
    let compared = |c: &&Cell| study.comparisons.iter().any(|x| x.policy == policy && x.agents == c.agents);
    let own = || study.cells.iter().filter(|c| c.policy == policy).filter(compared);
    let usual = || own().min_by_key(|c| c.agents.abs_diff(4));
    own().filter(|c| !c.extrapolated).max_by_key(|c| c.agents).or_else(usual)
}

/// How bad a judgement is: losses come first, then what is open, then gains.
fn rank(judgement: Judgement) -> u8 {
    match judgement {
        Judgement::Worse => 0,
        Judgement::NotShown | Judgement::NotJudged | Judgement::Different => 1,
        Judgement::TooSmall | Judgement::Equal => 2,
        Judgement::Better => 3,
    }
}

fn heading(judgement: Judgement) -> &'static str {
    match judgement {
        Judgement::Worse => "WORSE",
        Judgement::Better => "better",
        other => words::judgement(other),
    }
}

fn answer(study: &Study, own: &Cell) -> String {
    let star = if own.extrapolated { " (nobody has published such a run: extrapolation)" } else { "" };
    let whom = match study.scenario.baseline.as_str() {
        BEST_CENTRAL => "the best central form of each metric",
        baseline => baseline,
    };
    let mut out = line(&format!("{}, N = {}{star}, against {whom}:", own.policy, own.agents));
    out += &beaten(study, own).map_or_else(String::new, |said| line(&format!("- {said}")));
    let mut rows: Vec<&Comparison> = ["pass", "cost_per_task_usd", "makespan_s"]
        .iter()
        .filter_map(|metric| {
            study.comparisons.iter().find(|c| c.metric == *metric && c.policy == own.policy && c.agents == own.agents)
        })
        .collect();
    rows.sort_by_key(|c| rank(c.judgement));
    for c in &rows {
        out += &line(&format!("- {}: {}", heading(c.judgement), statement(study, own, c)));
        if c.metric == "pass" {
            out += &picked(study, own, c).map_or_else(String::new, |said| line(&format!("  {said}")));
            out += &gated(study, own, c).map_or_else(String::new, |said| line(&format!("  {said}")));
        }
    }
    for verdict in &study.verdicts {
        if let Verdict::Equal { policy, agents, spend, best } = verdict
            && (policy, *agents) == (&own.policy, own.agents)
            && let Some(said) = words::equal_spend(*spend, best)
        {
            out += &line(&format!("- {said}"));
        }
    }
    for verdict in study.verdicts.iter().filter(|v| matches!(v, Verdict::Twins { .. })) {
        out += &words::verdict(verdict).map_or_else(String::new, |said| line(&said));
    }
    out
}

/// Who is better in dollars and in Pass, of whatever form and size, in a sentence: the one with the most Pass at its size,
/// or else the cheapest.
fn beaten(study: &Study, own: &Cell) -> Option<String> {
    let mine = worth(own)?;
    let (cell, (pass, cost)) = beater(study, own)?;
    let how = match (pass > mine.0, cost < mine.1) {
        (true, true) => "beaten, by the means, in both dollars and Pass by",
        (true, false) => "beaten, by the means, in Pass at the same dollars by",
        _ => "beaten, by the means, in dollars at the same Pass by",
    };
    Some(format!(
        "{how} {} with N = {}: ${}, {} %",
        cell.policy,
        cell.agents,
        number::short(cost),
        number::rounded(pass * 100.0, 1)
    ))
}

/// Who beats it: of those of its size the one with the most Pass, else the cheapest.
fn beater<'a>(study: &'a Study, own: &Cell) -> Option<(&'a Cell, (f64, f64))> {
    let mine = worth(own)?;
    let most = better(study, mine)
        .filter(|(c, _)| c.agents == own.agents)
        .max_by(|a, b| a.1.0.total_cmp(&b.1.0).then(b.1.1.total_cmp(&a.1.1)));
    most.or_else(|| better(study, mine).min_by(|a, b| a.1.1.total_cmp(&b.1.1)))
}

/// Pass and dollars per task.
fn worth(cell: &Cell) -> Option<(f64, f64)> {
    Some((cell.mean("pass")?, cell.mean("cost_per_task_usd")?))
}

/// A compared metric in a sentence: both sides, the difference with its interval, and how large it could still be.
fn statement(study: &Study, own: &Cell, c: &Comparison) -> String {
    let column = columns::heading(c.metric);
    let (name, unit, scale) = column.map_or((c.metric, "", 1.0), |x| (x.heading, x.unit, x.scale));
    let rival = study.cell(&c.baseline, c.agents).and_then(|cell| cell.mean(c.metric));
    let mean = own.mean(c.metric).unwrap_or(f64::NAN);
    let amount = |x: f64| match unit {
        "$" => format!("${}", number::short(x)),
        "%" => format!("{} %", number::rounded(x * scale, 1)),
        unit => format!("{} {unit}", number::short(x)),
    };
    let interval = c.interval.map(|i| i.scaled(scale));
    let points = if unit == "%" { "points" } else { unit };
    let difference = number::with_interval(c.difference * scale, interval);
    let percent = match (unit, rival) {
        ("%", _) => String::new(),
        (_, Some(rival)) if rival > 0.0 => format!(", {:+.0} %", c.difference / rival * 100.0),
        _ => String::new(),
    };
    let open = match (c.judgement, interval) {
        (Judgement::NotShown, Some(i)) => {
            format!("; it could still be {} {points}", number::short(i.low.abs().max(i.high.abs())))
        }
        _ => String::new(),
    };
    let theirs = rival.map_or_else(String::new, |rival| format!(" ({})", amount(rival)));
    format!("{name} {} against {}{theirs}: {difference} {points}{percent}{open}", amount(mean), c.baseline)
}

/// Pass counts a task as solved if any submission is right. Where there are several: what a judge or a vote would pick.
fn picked(study: &Study, own: &Cell, c: &Comparison) -> Option<String> {
    let rival = study.cell(&c.baseline, c.agents)?;
    let pick = |cell: &Cell, metric| cell.mean(metric).map(|x| number::rounded(x * 100.0, 1));
    let differs = |cell: &Cell| cell.mean("pass") != cell.mean("pass_by_judge");
    if !differs(own) && !differs(rival) {
        return None;
    }
    let both = |metric| Some(format!("{} % against {} %", pick(own, metric)?, pick(rival, metric)?));
    Some(format!(
        "(Pass lets an oracle pick among submissions; a judge would pick a right one in {}, a vote in {})",
        both("pass_by_judge")?,
        both("pass_by_vote")?
    ))
}

/// Where only one side has a judge before what others read, a difference of Pass may be the judge's.
fn gated(study: &Study, own: &Cell, c: &Comparison) -> Option<String> {
    let judges = |policy: &str| {
        let mechanisms = study.scenario.settings(policy).ok()?.mechanisms()?;
        Some(matches!(mechanisms.gate, Gate::Llm | Gate::Oracle))
    };
    let (ours, theirs) = (judges(&own.policy)?, judges(&c.baseline)?);
    (ours != theirs).then(|| {
        let (with, without) = if ours { (&own.policy, &c.baseline) } else { (&c.baseline, &own.policy) };
        format!("({with} has a judge and {without} has none: `--factorial` tells which part is the judge's)")
    })
}

/// Cells that are better in both than this.
fn better(study: &Study, mine: (f64, f64)) -> impl Iterator<Item = (&Cell, (f64, f64))> {
    study.cells.iter().filter_map(|c| Some((c, worth(c)?))).filter(move |(_, theirs)| beats(*theirs, mine))
}

/// Whether `a` is at least as good in both and better in one: greater worth, less cost.
fn beats(a: (f64, f64), b: (f64, f64)) -> bool {
    a.0 >= b.0 && a.1 <= b.1 && a != b
}

fn frontier(study: &Study, own: &Cell) -> String {
    let all: Vec<(&Cell, (f64, f64))> = study.cells.iter().filter_map(|c| Some((c, worth(c)?))).collect();
    if worth(own).is_none() {
        return line("Frontier: some costs or grades are unknown here.");
    }
    let mut best: Vec<&(&Cell, (f64, f64))> =
        all.iter().filter(|(_, x)| !all.iter().any(|(_, y)| beats(*y, *x))).collect();
    best.sort_by(|a, b| a.1.1.total_cmp(&b.1.1));
    // Equal points of inert twins are one point.
    best.dedup_by(|a, b| a.1 == b.1);
    let hidden = best.len().saturating_sub(ROWS);
    let mut table =
        plain(&["Points that no other beats in both", "N", "cost/task, $", "Pass, %", "judged, %", "makespan, s"]);
    let mut add = |cell: &Cell, name: String| {
        let show = |metric: &str| columns::heading(metric).map_or("-".to_owned(), |column| column.show(cell));
        let mark = if cell.extrapolated { "* " } else { "" };
        table.add_row(vec![
            name,
            format!("{mark}{}", cell.agents),
            show("cost_per_task_usd"),
            show("pass"),
            cell.mean("pass_by_judge").map_or("-".to_owned(), |share| number::rounded(share * 100.0, 0)),
            show("makespan_s"),
        ]);
    };
    for (cell, _) in best.iter().take(ROWS) {
        add(cell, cell.policy.clone());
    }
    if let Some((beater, _)) = beater(study, own) {
        add(own, format!("{} (beaten by {}, N = {})", own.policy, beater.policy, beater.agents));
    }
    for index in [1, 2, 3, 4, 5] {
        right(&mut table, index);
    }
    let mut out = text(&table);
    if best.iter().take(ROWS).any(|(cell, _)| is_flattered(study, cell)) {
        out += &line(
            "Runs of `independent` on one question succeed independently of each other here, those that were published do \
             not: its Pass is too high (`delm-sim published`).",
        );
    }
    if hidden > 0 {
        let points = if hidden == 1 { "point" } else { "points" };
        out += &line(&format!("and {hidden} dearer {points} in the full report"));
    }
    out
}

/// Whether Pass counts the best of several runs of one question, which the model takes for independent.
fn is_flattered(study: &Study, cell: &Cell) -> bool {
    cell.agents > 1
        && matches!(study.scenario.workload, WorkloadSpec::Divide(_))
        && (study.scenario.base_of(&cell.policy) == "independent" || cell.policy.starts_with("independent-of("))
}

/// Shares of a policy's dollars by role, greatest first.
fn dollars(own: &Cell) -> Option<String> {
    let whole = own.mean("cost_per_task_usd").filter(|x| *x > 0.0)?;
    let mut roles: Vec<(&str, f64)> = [
        ("work", "cost_work_usd"),
        ("tools", "cost_tool_usd"),
        ("coordination", "cost_coordination_usd"),
        ("verification", "cost_verification_usd"),
        ("reading the board", "cost_reading_usd"),
    ]
    .iter()
    .filter_map(|(name, metric)| Some((*name, own.mean(metric)? / whole)))
    .filter(|(_, share)| *share >= 0.005)
    .collect();
    roles.sort_by(|a, b| b.1.total_cmp(&a.1));
    if roles.is_empty() {
        return None;
    }
    Some(roles.iter().map(|(name, share)| format!("{name} {:.0} %", share * 100.0)).collect::<Vec<_>>().join(", "))
}

fn reasons(study: &Study, own: &Cell, typed: Typed) -> String {
    let mut out = String::new();
    let asked = typed.subject(|_| true);
    let metric = match own.mean("pass") {
        Some(_) => "",
        None => " --metric makespan_s",
    };
    let n = own.agents;
    let rival = study.comparisons.iter().find(|c| c.policy == own.policy && c.agents == n).map_or("", |c| &c.baseline);
    // `explain` runs two policies and takes no others.
    let replication = typed.subject(|flag| matches!(flag, "set" | "seed"));
    let mut drives: Vec<String> = study
        .verdicts
        .iter()
        .filter(|v| matches!(v, Verdict::Knee { .. }))
        .filter_map(words::verdict)
        .take(1)
        .collect();
    drives.extend(dollars(own).map(|roles| format!("The dollars of {}: {roles}.", own.policy)));
    out += &line(&format!(
        "What drives it: {} Which mechanism: `delm-sim compare {asked} --factorial --team {n}{metric}`; one replication: \
         `delm-sim explain {replication} --policies {},{rival} --agents {n} --replication 0`.",
        drives.join(" "),
        own.policy
    ));
    let told = study.verdicts.iter().find_map(|verdict| match verdict {
        Verdict::Flips { policy, agents, reversals, moved, replications, seen_from, .. } if *policy == own.policy => {
            let said = words::flips(reversals, *moved, *replications, *seen_from);
            Some(if *agents == own.agents { said } else { format!("at N = {agents}, {said}") })
        }
        _ => None,
    });
    let told = told.unwrap_or_else(|| "nothing here is settled enough to be flipped.".to_owned());
    out += &line(&format!("What would flip it: {told} Every input: `delm-sim flip {asked} --team {n}{metric}`."));
    let [published, fitted, assumed, _] = study.inputs;
    let total = published + fitted + assumed;
    let judged = study.comparisons.iter().filter(|c| c.p_value.is_some()).count();
    let survive = study.comparisons.iter().filter(|c| c.survives).count();
    out += &line(&format!(
        "What is assumed: {assumed} of {total} inputs ({fitted} fitted, {published} published; `delm-sim params {asked}`); \
         accuracy does not follow the endpoints' model. \
         {}, {} replications, seed {}; [ ] is a 95 % interval of {} alone. {survive} of {judged} comparisons survive Holm's \
         correction.",
        words::origin(study.origin()),
        study.scenario.replications,
        study.scenario.seed,
        words::noise(study.origin()),
    ));
    out += &line(
        "Pass: share of tasks with a right submission among all (an oracle picks); judged: where a judge picks one; N: workers; makespan: arrival to end. Any \
         other word: `delm-sim define WORD`.",
    );
    let central = study.cells.iter().any(|c| c.form == Some(Form::Central));
    if !central {
        out += "No central form runs here: the rival is the baseline that the scenario names.\n";
    }
    let star = if study.cells.iter().any(|c| c.extrapolated) { " *: nobody published such a run." } else { "" };
    out += &line(&format!("Everything: report.md, or --full; at equal spend: --equal cost_per_task_usd.{star}"));
    out
}
