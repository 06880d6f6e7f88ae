//! Gates: statements about a study that must hold, such as `cost_per_task_usd.p90 < 0.30` or, against the baseline,
//! `delm-solvers@4:cost_per_task_usd <= 1.05 x baseline`.
//!
//! Invariant: a gate that cannot be judged, because a value is unknown or a cell is not there, does not hold.

use super::comparison::BEST_CENTRAL;
use super::faults::nearest;
use super::metrics;
use super::scenario::Scenario;
use super::study::{Cell, Study};
use crate::policy::settings::Form;
use serde::Serialize;

/// A quantity of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Mean,
    P50,
    P90,
    P99,
    CiLow,
    CiHigh,
}

const WORDS: [(&str, Of); 6] = [
    ("mean", Of::Mean),
    ("p50", Of::P50),
    ("p90", Of::P90),
    ("p99", Of::P99),
    ("ci_low", Of::CiLow),
    ("ci_high", Of::CiHigh),
];

/// What a value is held against.
#[derive(Clone, Debug, PartialEq)]
enum Bound {
    Number(f64),
    /// So many times the same quantity of a policy; of the baseline, if none is named.
    Times(f64, Option<String>),
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

const SIGNS: [(&str, Sign); 4] =
    [("<=", Sign::LessOrEqual), (">=", Sign::GreaterOrEqual), ("<", Sign::Less), (">", Sign::Greater)];

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    text: String,
    policy: Option<String>,
    agents: Option<u32>,
    metric: &'static str,
    of: Of,
    sign: Sign,
    bound: Bound,
}

/// A statement about one cell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// The gate as it was written.
    pub gate: String,
    /// Policy.
    pub policy: String,
    /// Workers.
    pub agents: u32,
    /// The value; none where it is unknown.
    pub value: Option<f64>,
    /// What it is held against; none where that is unknown.
    pub bound: Option<f64>,
    /// Whether it holds.
    pub holds: bool,
}

impl Gate {
    /// What it speaks of and the scenario does not run, in words with the mend.
    pub fn misplaced(&self, scenario: &Scenario) -> Option<String> {
        let whom = match &self.bound {
            Bound::Times(_, Some(whom)) => Some(whom),
            _ => None,
        };
        let unknown = self.policy.iter().chain(whom).find(|name| !scenario.policies.contains(name));
        if let Some(name) = unknown {
            let near = nearest(name, scenario.policies.iter().map(String::as_str));
            let mend = near
                .map_or_else(|| format!("it runs {}", scenario.policies.join(", ")), |n| format!("did you mean {n}?"));
            return Some(format!("--gate `{}`: the scenario runs no policy {name}; {mend}", self.text));
        }
        let size = self.agents.filter(|n| !scenario.agents.contains(n))?;
        let sizes: Vec<String> = scenario.agents.iter().map(ToString::to_string).collect();
        Some(format!("--gate `{}`: the scenario does not run N = {size}; it runs {}", self.text, sizes.join(", ")))
    }

    /// Reads `[POLICY[@N]:]METRIC[.QUANTITY] SIGN NUMBER [x baseline|x POLICY]`.
    ///
    /// # Errors
    /// In words, with the mend.
    pub fn parse(text: &str) -> Result<Self, String> {
        let form = "write [POLICY[@N]:]METRIC[.mean|p50|p90|p99|ci_low|ci_high] < NUMBER [x baseline], as in \
                    'cost_per_task_usd.p90 < 0.30'";
        let wrong = |what: &str| format!("`{text}`: {what}; {form}");
        let (at, (word, sign)) = SIGNS
            .iter()
            .filter_map(|(word, sign)| Some((text.find(word)?, (word, sign))))
            .min_by_key(|(at, (word, _))| (*at, std::cmp::Reverse(word.len())))
            .ok_or_else(|| wrong("it compares nothing"))?;
        let (left, right) = (text[..at].trim(), text[at + word.len()..].trim());
        let (who, what) = left.rsplit_once(':').map_or((None, left), |(who, what)| (Some(who.trim()), what.trim()));
        let (policy, agents) = match who.map(|who| who.split_once('@').map_or((who, None), |(p, n)| (p, Some(n)))) {
            None => (None, None),
            Some((policy, None)) => (Some(policy.to_owned()), None),
            Some((policy, Some(n))) => {
                let n = n.trim().parse().map_err(|_| wrong("N is not a whole number"))?;
                (Some(policy.to_owned()), Some(n))
            }
        };
        let (name, of) = match what.rsplit_once('.') {
            Some((name, word)) => {
                let found =
                    WORDS.iter().find(|(w, _)| *w == word).ok_or_else(|| wrong(&format!("no quantity `{word}`")))?;
                (name, found.1)
            }
            None => (what, Of::Mean),
        };
        let metric =
            metrics::find(name).ok_or_else(|| {
                let near = nearest(name, metrics::METRICS.iter().map(|m| m.name));
                wrong(&near.map_or(format!("`{name}` is no metric"), |n| {
                    format!("`{name}` is no metric; did you mean `{n}`?")
                }))
            })?;
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|x| x.is_finite());
        let bound = match right.split_once(" x ") {
            None => Bound::Number(number(right).ok_or_else(|| wrong("the right side is no number"))?),
            Some((factor, whom)) => {
                let factor = number(factor).ok_or_else(|| wrong("the factor is no number"))?;
                let whom = whom.trim();
                Bound::Times(factor, (whom != "baseline").then(|| whom.to_owned()))
            }
        };
        Ok(Self { text: text.to_owned(), policy, agents, metric: metric.name, of, sign: *sign, bound })
    }

    /// Judges the cells that the gate speaks of: of the policy it names, else of all forms without a lead and with a
    /// shared context (all policies, if there is none).
    pub fn judge(&self, study: &Study) -> Vec<Judged> {
        let decentral = study.cells.iter().any(|c| c.form == Some(Form::Decentral));
        let spoken = |cell: &&Cell| {
            let policy = match &self.policy {
                Some(name) => cell.policy == *name,
                None => !decentral || cell.form == Some(Form::Decentral),
            };
            policy && self.agents.is_none_or(|n| n == cell.agents)
        };
        let mut judged: Vec<Judged> =
            study.cells.iter().filter(spoken).map(|cell| self.judge_cell(study, cell)).collect();
        if judged.is_empty() {
            let policy = self.policy.clone().unwrap_or_default();
            let agents = self.agents.unwrap_or_default();
            judged.push(Judged { gate: self.text.clone(), policy, agents, value: None, bound: None, holds: false });
        }
        judged
    }

    fn judge_cell(&self, study: &Study, cell: &Cell) -> Judged {
        let value = self.quantity(cell);
        let bound = match &self.bound {
            Bound::Number(number) => Some(*number),
            Bound::Times(factor, whom) => {
                let whom = whom.clone().or_else(|| self.baseline(study, cell));
                let rival = whom.and_then(|whom| study.cell(&whom, cell.agents));
                rival.and_then(|rival| self.quantity(rival)).map(|value| factor * value)
            }
        };
        let holds = value.zip(bound).is_some_and(|(value, bound)| match self.sign {
            Sign::Less => value < bound,
            Sign::LessOrEqual => value <= bound,
            Sign::Greater => value > bound,
            Sign::GreaterOrEqual => value >= bound,
        });
        let (policy, agents) = (cell.policy.clone(), cell.agents);
        Judged { gate: self.text.clone(), policy, agents, value, bound, holds }
    }

    /// The rival that the study compares this cell with in this metric.
    fn baseline(&self, study: &Study, cell: &Cell) -> Option<String> {
        if study.scenario.baseline != BEST_CENTRAL {
            return Some(study.scenario.baseline.clone());
        }
        let best = study.best_central.iter().find(|(metric, n, _)| *metric == self.metric && *n == cell.agents);
        best.map(|(_, _, policy)| policy.clone())
    }

    fn quantity(&self, cell: &Cell) -> Option<f64> {
        let series = cell.get(self.metric)?;
        let s = series.summary();
        match self.of {
            Of::Mean => Some(s.mean),
            Of::P50 => Some(s.p50),
            Of::P90 => Some(s.p90),
            Of::P99 => Some(s.p99),
            Of::CiLow => s.interval.map(|i| i.low),
            Of::CiHigh => s.interval.map(|i| i.high),
        }
        .filter(|value| value.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_are_read_as_people_write_them() {
        let gate = Gate::parse("cost_per_task_usd.p90 < 0.30").unwrap();
        assert_eq!((gate.metric, gate.of, gate.sign), ("cost_per_task_usd", Of::P90, Sign::Less));
        assert_eq!(gate.bound, Bound::Number(0.3));
        let gate = Gate::parse("delm-solvers@4:cost_per_task_usd <= 1.05 x baseline").unwrap();
        assert_eq!((gate.policy.as_deref(), gate.agents), (Some("delm-solvers"), Some(4)));
        assert_eq!((gate.sign, gate.bound), (Sign::LessOrEqual, Bound::Times(1.05, None)));
        let other = Gate::parse("a:pass.ci_low>=1 x independent").unwrap();
        assert_eq!(other.bound, Bound::Times(1.0, Some("independent".to_owned())));
        for wrong in ["pass", "pas < 1", "pass.p95 < 1", "pass < x", "a@b:pass < 1", "pass < inf"] {
            assert!(Gate::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Gate::parse("pas < 1").unwrap_err().contains("did you mean `pass`"));
    }
}
