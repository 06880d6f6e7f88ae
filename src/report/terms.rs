//! What the words on the pages mean: metrics by their names and headings, and terms of statistics and of coordination.

use super::columns::HEADLINE;
use crate::experiment::metrics::METRICS;
use crate::model::note::Phase;

/// A word and its meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The word.
    pub word: String,
    /// Its unit, where it is a metric.
    pub unit: &'static str,
    /// What it means.
    pub meaning: String,
}

/// Words that are no metrics.
const WORDS: &[(&str, &str)] = &[
    (
        "single-long",
        "one agent with the budgets of all N, one after the other; it stops when it knows that it has the solution",
    ),
    ("budget", "what one independent attempt may try (hypotheses_per_budget); each worker of a team has one"),
    (
        "rival",
        "the policy that another is compared with: the scenario's baseline, or the best central form of each metric",
    ),
    ("total_tokens", "prompt and completion tokens of all calls of a task; what `--equal` can hold equal"),
    ("N", "workers of a team; leads come on top"),
    (
        "equal",
        "`compare --equal SPEND`: every policy at its best within the same spend; the grid it is searched in is told below the \
         table, and what is outside of it was not tried (`tune` walks further, at one size)",
    ),
    (
        "within its dollars",
        "the best central point of this table that spends no more than the subject; its settings are not moved: `--equal` \
         moves them",
    ),
    (
        "too little to compare",
        "the best point within the spend takes less than 95 % of it and has less Pass: with the rest it might have done better",
    ),
    (
        "too small to matter",
        "a whole interval within 1 point of a share, or within 5 % of the rival's mean of anything else",
    ),
    (
        "A/A",
        "a policy against itself on other random numbers, not paired: what differs there means nothing, and between runs of \
         two seeds no smaller difference means anything; on the same random numbers a twin is equal run by run",
    ),
    ("makespan", "from the arrival of a task to its end, the final answer included"),
    (
        "Pass",
        "share of tasks with at least one right submission, as if an oracle picked; beside it: pass_by_judge, pass_by_vote",
    ),
    (
        "judged",
        "pass_by_judge: share of tasks in which a judge with the scenario's error rates picks a right submission",
    ),
    ("oracle", "one who knows the truth and costs nothing: as a picker (Pass), or as a gate (gate = \"oracle\")"),
    ("baseline", "the policy that all others are compared with; `best-central`: the best central form of each metric"),
    ("prior", "the range in which an input may lie that nobody published; docs/priors.md derives each"),
    ("beaten", "another point is at least as good in dollars and in Pass and better in one, by the means"),
    (
        "simulation noise",
        "what other random numbers would change; it shrinks with replications, errors of inputs do not",
    ),
    ("Shapley", "the mean of what a mechanism adds, over all orders in which they can be switched on cell by cell"),
    ("gist", "a result told in few tokens, which others read from the shared context"),
    ("unfold", "to read in full what an entry of the shared context is the gist of"),
    ("gate", "who decides what becomes readable to others: none, a rule, a model (llm), an oracle"),
    ("store", "where findings go: none, a lead that retells (relay), the originals (artifacts), a shared context"),
    ("bottleneck", "a lead that is busy nearly all the time, so that workers wait for it"),
    ("Avg@1", "mean share of right submissions: what one of them, drawn blindly, is worth"),
    (
        "wait",
        "share of agent time in relay_wait, barrier_wait, input_wait, lock_wait, slot_wait, rate_limit_wait, start_up",
    ),
    ("idle tail", "agent time after an agent's last work; no part of waiting, shown beside it"),
    ("lead busy", "share of time in which a lead's call is served (controller_utilisation)"),
    ("agent time", "agents x makespan, leads included; the phases of all agents sum to it"),
    ("central", "somebody decides or merges for all: a lead, or a single reducer of a queue"),
    ("decentral", "no lead, and a shared context that all read: DeLM's kind"),
    (
        "best central",
        "the best central form of each metric, at the same N; at equal spend, of all N and settings, chosen on pilots",
    ),
    ("[ ]", "95 % interval of simulation noise alone; uncertainty of inputs is what `flip --uncertain` shows"),
    ("no difference shown", "the interval holds 0; it says besides how large the difference could still be"),
    (
        "too small to matter",
        "the whole interval lies below the smallest effect of interest: 1 point, or 5 % of the rival",
    ),
    ("survives Holm", "still shown when all comparisons of the table are taken together (5 % for a single false one)"),
    ("extrapolated", "a team size at which nobody has published a run of the kind"),
    ("break-even", "the value of an input at which a difference changes its sign, within its prior"),
    ("power", "how large a difference would have been seen with a chance of 95 %"),
    ("frontier", "what a policy attains within each spend: the upper hull of its points, two of them mixed over tasks"),
    ("pilot", "runs on which a choice is made; what is reported comes from other runs"),
    ("published", "a value that a source states"),
    ("fitted", "a value fitted to data, with the source"),
    ("assumed", "a value that nobody published; it has a prior and can be moved"),
    (
        "store",
        "what a worker can read of others: none, relay (retold by a lead), artifacts (by reference), shared (a board)",
    ),
    (
        "gate",
        "what happens before an entry becomes readable: none, rule, llm (a model judges), oracle (the truth judges)",
    ),
    ("finish", "who delivers: each, last, lead, first, vote, judge"),
];

/// All of them: words, headings, metrics, phases.
pub fn terms() -> Vec<Term> {
    let word =
        |(word, meaning): &(&str, &str)| Term { word: (*word).to_owned(), unit: "", meaning: (*meaning).to_owned() };
    let metric = |m: &crate::experiment::metrics::Metric| {
        let heading = HEADLINE.iter().find(|c| c.metric == m.name);
        let shown = heading.map_or(String::new(), |c| format!(" (\"{}\" on the pages)", c.heading));
        Term { word: m.name.to_owned(), unit: m.unit, meaning: format!("{}{shown}", m.meaning) }
    };
    let phase = |p: &Phase| Term { word: p.name().to_owned(), unit: "", meaning: format!("phase: {}", p.meaning()) };
    let mut all: Vec<Term> = WORDS.iter().map(word).chain(METRICS.iter().map(metric)).collect();
    all.extend(Phase::ALL.iter().map(phase));
    all
}

/// Terms that a word stands for: equal to it, or, if none is, containing it.
pub fn find(word: &str) -> Vec<Term> {
    let bare = |text: &str| text.to_lowercase().replace(['_', '-'], " ");
    let asked = bare(word);
    let (exact, near): (Vec<Term>, Vec<Term>) =
        terms().into_iter().filter(|t| bare(&t.word).contains(&asked)).partition(|t| bare(&t.word) == asked);
    if exact.is_empty() { near } else { exact }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_however_it_is_written() {
        let words = |asked: &str| find(asked).into_iter().map(|t| t.word).collect::<Vec<_>>();
        assert_eq!(words("PASS"), ["Pass", "pass"]);
        assert_eq!(words("idle-tail"), ["idle tail", "idle_tail"]);
        assert!(words("cost").len() > 3);
        assert!(words("no such word").is_empty());
    }
}
