//! The grid that every policy is optimised over: team sizes, and the free settings of its form.
//!
//! Invariant: DeLM's forms and their rivals are tuned over grids made by the same rule; a setting that a policy does not
//! read is not in its grid.

use super::AskError;
use super::subject::Side;
use crate::experiment::scenario::Scenario;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Points per policy, at most: the work of a question grows with them.
const MOST: usize = 400;

/// Values of a setting, as TOML.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Axis {
    /// Setting, or any dotted key of the scenario.
    pub key: String,
    /// Values.
    pub values: Vec<String>,
}

/// What is tried if nobody says: half, as it is and double, for every length that a policy chooses, and each word of a
/// choice.
const LENGTHS: [&str; 3] = ["report_tokens", "brief_tokens", "gist_tokens"];
const WORDS: [(&str, &[&str]); 2] = [("barrier", &["\"all\"", "\"any\""]), ("board_place", &["\"front\"", "\"tail\""])];

/// A point of a policy's grid.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// Policy and team size.
    pub side: Side,
    /// Settings that differ from the scenario's, as `KEY=VALUE`.
    pub changes: Vec<String>,
}

impl std::fmt::Display for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "N = {}", self.side.agents)?;
        self.changes.iter().try_for_each(|change| write!(f, ", {change}"))
    }
}

/// The grid of a policy: variants of its settings, each with the edits that make it.
pub(super) fn variants(scenario: &Scenario, policy: &str, axes: &[Axis]) -> Result<Vec<Vec<String>>, AskError> {
    let settings = scenario.settings(policy).map_err(AskError::Usage)?;
    let keys = settings.keys();
    let mut product: Vec<Vec<String>> = vec![Vec::new()];
    for (key, values) in own_axes(&keys, axes) {
        let grown: Vec<Vec<String>> = product
            .iter()
            .flat_map(|made| {
                values.iter().map(|value| {
                    let mut made = made.clone();
                    made.extend(value.iter().map(|value| format!("{key}={value}")));
                    made
                })
            })
            .collect();
        product = grown;
    }
    if product.len() * scenario.agents.len() > MOST {
        let n = product.len() * scenario.agents.len();
        return Err(AskError::Usage(format!(
            "the grid of {policy} has {n} points, more than {MOST}: name fewer values with --grid or fewer sizes with --agents"
        )));
    }
    Ok(product)
}

/// The axes of one policy: `None` among the values leaves the setting as it is.
fn own_axes(keys: &serde_json::Map<String, Value>, axes: &[Axis]) -> Vec<(String, Vec<Option<String>>)> {
    let mut found: Vec<(String, Vec<Option<String>>)> = Vec::new();
    let said = |key: &str| axes.iter().any(|axis| axis.key == key);
    for key in LENGTHS.iter().filter(|key| !said(key)) {
        if let Some(length) = keys.get(*key).and_then(Value::as_u64).filter(|length| *length > 1) {
            let values = [Some(length / 2), None, Some(length * 2)];
            found.push(((*key).to_owned(), values.map(|v| v.map(|v| v.to_string())).to_vec()));
        }
    }
    for (key, words) in WORDS.iter().filter(|(key, _)| !said(key)) {
        if let Some(now) = keys.get(*key) {
            let now = now.to_string();
            let values = words.iter().map(|word| (*word != now).then(|| (*word).to_owned())).collect();
            found.push(((*key).to_owned(), values));
        }
    }
    for axis in axes.iter().filter(|axis| keys.contains_key(&axis.key)) {
        found.push((axis.key.clone(), axis.values.iter().cloned().map(Some).collect()));
    }
    found
}

/// Reads `KEY=a,b,c`.
///
/// # Errors
/// In words, with the mend.
pub fn axis(text: &str) -> Result<Axis, String> {
    let wrong = || format!("`{text}`: write KEY=a,b,c, as in report_tokens=200,400,1500");
    let (key, values) = text.split_once('=').ok_or_else(wrong)?;
    let values: Vec<String> = split(values).into_iter().map(str::trim).map(str::to_owned).collect();
    if key.trim().is_empty() || values.is_empty() || values.iter().any(String::is_empty) {
        return Err(wrong());
    }
    let key = key.trim().to_owned();
    Ok(Axis { key, values })
}

/// Splits at commas that stand in no bracket and no quotes.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut quoted, mut start) = (Vec::new(), 0_i32, false, 0);
    for (i, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '{' | '[' if !quoted => depth += 1,
            '}' | ']' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                parts.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// Points of all policies and sizes: the scenario that each needs, and where the points of each policy stand.
pub(super) struct Grid {
    /// Candidates in the order of policies, variants, sizes.
    pub(super) candidates: Vec<Candidate>,
    /// Scenario of each candidate.
    scenarios: Vec<(Scenario, usize)>,
    /// Candidates of each policy.
    pub(super) groups: Vec<std::ops::Range<usize>>,
}

impl Grid {
    pub(super) fn new(scenario: &Scenario, axes: &[Axis]) -> Result<Self, AskError> {
        let (mut candidates, mut scenarios, mut groups) = (Vec::new(), Vec::new(), Vec::new());
        let every: Vec<Vec<String>> = scenario
            .policies
            .iter()
            .map(|policy| Ok(scenario.settings(policy).map_err(AskError::Usage)?.keys().keys().cloned().collect()))
            .collect::<Result<_, AskError>>()?;
        if let Some(idle) = axes.iter().find(|axis| !every.iter().any(|keys| keys.contains(&axis.key))) {
            return Err(AskError::Usage(format!(
                "--grid {}: no policy of the scenario reads this setting; `delm-sim params` lists those that are read",
                idle.key
            )));
        }
        for policy in &scenario.policies {
            let first = candidates.len();
            for changes in variants(scenario, policy, axes)? {
                let edits: Vec<String> = changes.iter().map(|change| format!("policy.{policy}.{change}")).collect();
                // A combination that is no point of the space is not in the grid.
                let Ok(made) = (if edits.is_empty() { Ok(scenario.clone()) } else { scenario.with(&edits) }) else {
                    continue;
                };
                scenarios.push((made, scenario.agents.len()));
                for agents in &scenario.agents {
                    let side = Side { policy: policy.clone(), agents: *agents };
                    candidates.push(Candidate { side, changes: changes.clone() });
                }
            }
            groups.push(first..candidates.len());
        }
        Ok(Self { candidates, scenarios, groups })
    }

    /// Every candidate with the scenario that it runs in.
    pub(super) fn points(&self) -> impl Iterator<Item = (&Scenario, &Candidate)> {
        let scenarios = self.scenarios.iter().flat_map(|(scenario, count)| std::iter::repeat_n(scenario, *count));
        scenarios.zip(&self.candidates)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_hold_commas_of_their_own() {
        let axis = axis("barrier=\"all\",{ k-of-n = { k = 2, x = 1 } }").unwrap();
        assert_eq!(axis.values, ["\"all\"", "{ k-of-n = { k = 2, x = 1 } }"]);
        assert!(super::axis("x=").is_err() && super::axis("=1").is_err() && super::axis("x").is_err());
    }
}
