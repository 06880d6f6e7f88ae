//! The published rows, as data: one line of `rows.txt` is one number that somebody published, kept back or left out.
//!
//! Invariant: a number that is unknown, one that is held out, one that nobody published and 0 are four different things.

use crate::experiment::metrics;
use serde_json::Value as Json;
use std::sync::LazyLock;

/// All rows, one to a line.
const TABLE: &str = include_str!("rows.txt");

/// All rows, in the order of the file.
pub static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let lines = TABLE.lines().enumerate().filter(|(_, line)| !line.starts_with('#') && !line.is_empty());
    let read = |(i, line)| Row::read(line).unwrap_or_else(|why| panic!("rows.txt, line {}: {why}", i + 1));
    lines.map(read).collect()
});

/// A workload of this tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Attempts at one issue.
    Search,
    /// Questions over many sources.
    Divide,
}

/// A way to coordinate, as a row's source describes it. Which settings it is, `matching` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Attempts that hear of nobody.
    Independent,
    /// Solver threads with a board of typed notes that a rule admits.
    BoardThreads,
    /// A lead that delegates to one worker after the other, and has a call write each report.
    LeadInTurn,
    /// Runs of such a lead with one worker each, side by side: repeated attempts at a benchmark.
    AttemptsInTurn,
    /// A lead that briefs all its workers at once, waits for all and merges.
    ScatterGather,
    /// A queue with verified gists that are unfolded.
    GistQueue,
    /// None that a policy of this tool is, and why.
    None(&'static str),
}

/// A team size, or the number of independent attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Team {
    /// The source tells it.
    Told(u32),
    /// The source does not; this one is taken.
    Taken(u32),
}

/// What is known of a published number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// Stated by the source.
    Stated(f64),
    /// Read off a figure.
    Read(f64),
    /// Published, but kept from whoever sets parameters here: what is simulated is a prediction.
    HeldOut,
    /// Nobody has published it.
    Unpublished,
}

/// What is known of a published number's spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spread {
    /// Standard deviation, as stated. It is that of a run and is not divided by the root of the runs: runs share their
    /// tasks, and what another draw of tasks would have changed is in no stated spread.
    Stated(f64),
    /// None is stated: the binomial standard error of a share of so many tasks.
    Binomial(u32),
    /// Nobody told it, and it follows from nothing.
    Unknown,
}

/// The parameter that was set with a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Sets {
    /// Its path in the scenario.
    pub path: &'static str,
    /// The value it was given. A scenario that has another value was not set with the row.
    pub value: Json,
}

/// One published number.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The workload that can be its.
    pub workload: Kind,
    /// Data set.
    pub data_set: &'static str,
    /// System, as its source calls it.
    pub system: &'static str,
    /// Model.
    pub model: &'static str,
    /// Part of the data set; empty for the whole.
    pub part: &'static str,
    /// How it coordinates.
    pub way: Way,
    /// Team size.
    pub team: Team,
    /// The one setting that differs, `KEY = VALUE` in TOML; empty for none.
    pub change: &'static str,
    /// Metric.
    pub metric: &'static str,
    /// The metric that the published account leaves out of it; empty for none.
    pub less: &'static str,
    /// The number; a share as a fraction.
    pub published: Value,
    /// Its spread.
    pub spread: Spread,
    /// What was set with it.
    pub sets: Option<Sets>,
    /// Paper and table.
    pub source: &'static str,
}

impl Team {
    /// How many.
    pub fn size(self) -> u32 {
        match self {
            Self::Told(n) | Self::Taken(n) => n,
        }
    }
}

impl Value {
    /// The number, where it is known here.
    pub fn known(self) -> Option<f64> {
        match self {
            Self::Stated(value) | Self::Read(value) => Some(value),
            Self::HeldOut | Self::Unpublished => None,
        }
    }
}

impl Row {
    /// Standard deviation of the published number: stated, or the binomial standard error that stands in.
    pub fn sd(&self) -> Option<f64> {
        match (self.spread, self.published.known()) {
            (Spread::Stated(sd), _) => Some(sd),
            (Spread::Binomial(tasks), Some(share)) => Some((share * (1.0 - share) / f64::from(tasks)).sqrt()),
            (Spread::Binomial(_), None) | (Spread::Unknown, _) => None,
        }
    }

    /// The changed setting.
    pub fn changed(&self) -> Option<(String, toml::Value)> {
        let table: toml::Table = self.change.parse().expect("it was read once");
        table.into_iter().next()
    }

    /// Reads a line of the table.
    fn read(line: &'static str) -> Result<Self, String> {
        let cells: Vec<&'static str> = line.split('|').map(str::trim).collect();
        let [workload, data_set, system, model, part, way, team, change, metric, value, sd, sets, source] = cells[..]
        else {
            return Err(format!("{} columns; write 13, `|` between them", cells.len()));
        };
        let wrong = |column: &str, cell: &str, mend: &str| format!("{column}: `{cell}` is none; write {mend}");
        let number = |column: &str, cell: &str, mend: &str| {
            cell.parse().ok().filter(|x: &f64| x.is_finite()).ok_or_else(|| wrong(column, cell, mend))
        };
        let (metric, less) = metric.split_once(" less ").unwrap_or((metric, ""));
        for name in [metric, less].into_iter().filter(|name| !name.is_empty()) {
            metrics::find(name).ok_or_else(|| wrong("metric", name, "a name that `delm-sim list` shows"))?;
        }
        change.parse::<toml::Table>().map_err(|_| wrong("change", change, "KEY = VALUE"))?;
        if source.is_empty() {
            return Err(wrong("source", source, "paper and table"));
        }
        let size = |text: &str| text.parse().ok().filter(|n| *n > 0);
        Ok(Self {
            workload: match workload {
                "search" => Kind::Search,
                "divide" => Kind::Divide,
                _ => return Err(wrong("workload", workload, "search or divide")),
            },
            data_set,
            system,
            model,
            part,
            way: Way::read(way).ok_or_else(|| wrong("coordination", way, "a word of `Way`, or `none: WHY`"))?,
            team: match team.strip_suffix('?') {
                Some(taken) => size(taken).map(Team::Taken),
                None => size(team).map(Team::Told),
            }
            .ok_or_else(|| wrong("N", team, "a whole number from 1, `?` after one that is taken"))?,
            change,
            metric,
            less,
            published: match value {
                "held out" => Value::HeldOut,
                "unpublished" => Value::Unpublished,
                value => match value.strip_prefix('~') {
                    Some(read) => Value::Read(number("value", read, "a number after `~`")?),
                    None => Value::Stated(number("value", value, "a number, `held out` or `unpublished`")?),
                },
            },
            spread: match (sd, sd.strip_prefix("of ")) {
                ("-", _) => Spread::Unknown,
                (_, Some(tasks)) => Spread::Binomial(size(tasks).ok_or_else(|| wrong("sd", sd, "`of TASKS`"))?),
                _ => Spread::Stated(number("sd", sd, "a number, `of TASKS` or `-`")?),
            },
            sets: if sets.is_empty() { None } else { Some(Sets::read(sets)?) },
            source,
        })
    }
}

impl Way {
    fn read(text: &'static str) -> Option<Self> {
        Some(match text {
            "independent" => Self::Independent,
            "board-threads" => Self::BoardThreads,
            "lead-in-turn" => Self::LeadInTurn,
            "attempts-in-turn" => Self::AttemptsInTurn,
            "scatter-gather" => Self::ScatterGather,
            "gist-queue" => Self::GistQueue,
            _ => Self::None(text.strip_prefix("none: ")?),
        })
    }
}

impl Sets {
    fn read(text: &'static str) -> Result<Self, String> {
        let wrong = || format!("sets: `{text}` is none; write PATH = VALUE");
        let (path, value) = text.split_once(" = ").ok_or_else(wrong)?;
        let table: toml::Table = format!("value = {value}").parse().map_err(|_| wrong())?;
        Ok(Self { path, value: serde_json::to_value(&table["value"]).map_err(|_| wrong())? })
    }

    /// Whether a scenario, as JSON, has the value that was set with the row.
    pub fn holds_in(&self, scenario: &Json) -> bool {
        let found = self.path.split('.').try_fold(scenario, |at, key| at.get(key));
        found.is_some_and(|found| crate::policy::settings::same(found, &self.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::parameters::{Parameter, parameters};
    use crate::experiment::{Overrides, Scenario};

    #[test]
    fn rows_have_sources_and_shares_are_shares() {
        assert!(ROWS.len() > 100);
        for row in ROWS.iter() {
            assert!(["DeLM v1 paper", "DeLM v2 project page"].iter().any(|s| row.source.starts_with(s)), "{row:?}");
            let share = metrics::find(row.metric).unwrap().is_share();
            assert!(row.published.known().is_none_or(|v| v > 0.0 && (!share || v < 1.0)), "{row:?}");
            assert!(row.sd().is_none_or(|sd| (0.0..0.1).contains(&sd) || !share), "{row:?}");
            assert!(share || !matches!(row.spread, Spread::Binomial(_)), "dollars and seconds are no shares: {row:?}");
        }
        let facts: Vec<String> =
            ROWS.iter().map(|r| format!("{:?}", Row { published: Value::HeldOut, ..r.clone() })).collect();
        for (i, fact) in facts.iter().enumerate() {
            assert!(!facts[..i].contains(fact), "said twice: {fact}");
        }
    }

    #[test]
    fn what_a_row_sets_is_an_input_of_an_embedded_scenario() {
        let load = |name| Scenario::load(name, &Overrides::default()).unwrap();
        let scenarios = [load("swe-verified"), load("multi-doc-qa")];
        for row in ROWS.iter() {
            let Some(sets) = &row.sets else { continue };
            let scenario = &scenarios[usize::from(row.workload == Kind::Divide)];
            let json = serde_json::to_value(scenario).unwrap();
            assert!(sets.holds_in(&json), "{} is not {} in {}", sets.path, sets.value, scenario.name);
            let is_listed = |p: &Parameter| p.path == sets.path || p.path.starts_with(&format!("{}.", sets.path));
            assert!(parameters(scenario).iter().any(is_listed), "{} is no input", sets.path);
        }
    }

    #[test]
    fn faults_name_column_cell_and_mend() {
        let line = |from: &str, to: &str| -> &'static str {
            let good = "search | S | X | M | | independent | 1 | | avg_at_1 | 0.5 | of 500 | a.b = 1 | T";
            assert!(Row::read(good).is_ok() && good.contains(from));
            good.replacen(from, to, 1).leak()
        };
        for (from, to, words) in [
            ("| T", "", "12 columns; write 13"),
            ("| T", "| ", "source: "),
            ("search", "find", "workload: `find` is none; write search or divide"),
            ("independent", "alone", "coordination: `alone`"),
            ("| 1 |", "| 0 |", "N: `0`"),
            ("avg_at_1", "avg", "metric: `avg`"),
            ("avg_at_1", "avg_at_1 less x", "metric: `x`"),
            ("0.5", "half", "value: `half`"),
            ("0.5", "~half", "value: `half`"),
            ("of 500", "of all", "sd: `of all`"),
            ("of 500", "NaN", "sd: `NaN`"),
            ("a.b = 1", "a.b", "sets: `a.b`"),
        ] {
            let why = Row::read(line(from, to)).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
    }

    #[test]
    fn unknown_held_out_unpublished_and_none_are_different() {
        let row = |value: &str, sd: &str| {
            let line = format!("search | S | X | M | | none: why | 2? | | avg_at_1 | {value} | {sd} | | T");
            Row::read(line.leak()).unwrap()
        };
        assert_eq!(row("0", "0").published, Value::Stated(0.0));
        assert_eq!(row("held out", "-").published, Value::HeldOut);
        assert_eq!(row("unpublished", "-").published.known(), None);
        assert_eq!(row("~0.5", "-").published, Value::Read(0.5));
        assert_eq!(
            (row("0.5", "0").sd(), row("0.5", "-").sd(), row("0.5", "of 100").sd()),
            (Some(0.0), None, Some(0.05))
        );
        assert_eq!((row("0.5", "0").way, row("0.5", "0").team), (Way::None("why"), Team::Taken(2)));
    }
}
