//! The grid that every policy is optimised over: team sizes, and the free settings of its form.
//!
//! It grows by deadlines, budgets, other models for leads and verifiers, stores and gates around the best point of every
//! size, and by all that and the switches of a form around the points that pilots would take, again and again while they
//! take new ones: in a product with all lengths they would multiply the work.
//!
//! Invariant: DeLM's forms and their rivals are tuned over grids made by the same rule; a setting that a policy does not
//! read is not in its grid.

use super::AskError;
use super::choice::Group;
use super::subject::Side;
use crate::experiment::scenario::Scenario;
use crate::model::call::Seat;
use crate::policy::settings::{ServedBy, Settings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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
pub(super) const LENGTHS: [&str; 3] = ["report_tokens", "brief_tokens", "gist_tokens"];
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

/// Budgets that a policy may read, of which half and double are tried.
const BUDGETS: [&str; 2] = ["max_delegations", "more_rounds"];
/// Deadlines, in units of the time that half the runs of a point take.
pub(super) const DEADLINES: [f64; 3] = [0.5, 1.0, 2.0];

/// Seats that can be given to another model, by the setting that does it.
pub(super) const SEATS: [(&str, Seat); 2] = [("lead_endpoint", Seat::Lead), ("verifier_endpoint", Seat::Verifier)];

/// Who else could have a seat that `now` has: every endpoint that answers as a model, and whom the roles name.
pub(super) fn other_models<'a>(scenario: &'a Scenario, seat: Seat, now: &str) -> Vec<&'a str> {
    // Whom the roles name for all of its calls is the same as leaving it to them.
    let is_roles = |name: &str| seat.purposes().all(|purpose| scenario.by_role(purpose).is_some_and(|by| by == name));
    let models = scenario.models().into_iter().filter(|name| !is_roles(name));
    models.chain([ServedBy::ROLE]).filter(|name| *name != now).collect()
}

/// Two leading digits of a length of time.
pub(super) fn rounded_s(seconds: f64) -> f64 {
    let unit = libm::pow(10.0, libm::floor(libm::log10(seconds)) - 1.0);
    // Below ten seconds a unit is a fraction, which decimal text does not hold exactly: tenths are the least.
    if unit < 1.0 { (libm::round(seconds * 10.0) / 10.0).max(0.1) } else { libm::round(seconds / unit) * unit }
}

/// What is grown around a candidate.
#[derive(Clone, Debug)]
pub(super) struct Around {
    /// Candidate.
    pub(super) candidate: usize,
    /// Seconds that half its runs take.
    pub(super) typical_s: f64,
    /// Whether other stores and gates are tried, too.
    pub(super) mechanisms: bool,
    /// Whether switches and other ways to hand out work are tried, too.
    pub(super) ways: bool,
}

/// Stores, and gates that can be had; the oracle, which knows the truth, cannot.
pub(super) const STORES: [&str; 4] = ["none", "relay", "artifacts", "shared"];
pub(super) const GATES: [&str; 3] = ["none", "rule", "llm"];
/// Switches of a form.
pub(super) const SWITCHES: [&str; 5] = ["plan", "merge", "unfold", "report_call", "ask_more"];
/// How a lead hands out work.
pub(super) const DISPATCHES: [&str; 5] = ["sequential", "serial", "pipelined", "parallel", "async"];

/// Every other store and gate of a point that has a choice of both, together, because neither is worth its price alone;
/// with a board, readers who unfold too.
fn mechanisms(keys: &Map<String, Value>, axes: &[Axis]) -> Vec<Vec<String>> {
    let said = |key: &str| axes.iter().any(|axis| axis.key == key);
    let word = |key: &str| keys.get(key).and_then(Value::as_str).filter(|_| !said(key));
    let (Some(store), Some(gate)) = (word("store"), word("gate")) else { return Vec::new() };
    let mut tried = Vec::new();
    for (to, by) in STORES.iter().flat_map(|to| GATES.iter().map(move |by| (*to, *by))) {
        let mut changes = Vec::new();
        changes.extend((to != store).then(|| format!("store=\"{to}\"")));
        changes.extend((by != gate).then(|| format!("gate=\"{by}\"")));
        let unfolds = to == "shared" && !said("unfold") && keys.get("unfold") != Some(&Value::Bool(true));
        if unfolds {
            tried.push(changes.iter().cloned().chain(["unfold=true".to_owned()]).collect());
        }
        tried.push(changes);
    }
    tried.retain(|changes| !changes.is_empty());
    tried
}

/// Switches and the way to hand out work, one at a time.
fn ways(keys: &Map<String, Value>, axes: &[Axis]) -> Vec<String> {
    let said = |key: &str| axes.iter().any(|axis| axis.key == key);
    let switches = SWITCHES.iter().filter(|key| !said(key)).filter_map(|key| Some((key, keys.get(*key)?.as_bool()?)));
    let switched = switches.map(|(key, on)| format!("{key}={}", !on));
    let dispatch = keys.get("dispatch").and_then(Value::as_str).filter(|_| !said("dispatch"));
    let others = DISPATCHES.iter().filter(|way| dispatch.is_some_and(|now| now != **way));
    switched.chain(others.map(|way| format!("dispatch=\"{way}\""))).collect()
}

/// Other models for a lead and for a verifier, one at a time.
fn other_seats(scenario: &Scenario, keys: &Map<String, Value>, axes: &[Axis]) -> Vec<String> {
    let free = SEATS.iter().filter(|(key, _)| !axes.iter().any(|axis| axis.key == *key));
    free.filter_map(|(key, seat)| Some((key, seat, keys.get(*key)?.as_str()?)))
        .flat_map(|(key, seat, now)| {
            other_models(scenario, *seat, now).into_iter().map(move |name| format!("{key}=\"{name}\""))
        })
        .collect()
}

/// Changes of deadline and budgets, one at a time, for a point whose runs typically take so long.
fn growth(keys: &Map<String, Value>, axes: &[Axis], typical_s: f64, deadlines: &[f64]) -> Vec<String> {
    let said = |key: &str| axes.iter().any(|axis| axis.key == key);
    let mut changes = Vec::new();
    if let Some(now) = keys.get("deadline_s").filter(|_| !said("deadline_s")) {
        if now.is_number() {
            changes.push("deadline_s=\"unlimited\"".to_owned());
        }
        if typical_s.is_finite() && typical_s > 0.0 {
            let mut tried: Vec<f64> = DEADLINES.iter().map(|times| rounded_s(times * typical_s)).collect();
            // One that is far beyond every run changes nothing.
            tried.extend(deadlines.iter().filter(|s| **s < 4.0 * typical_s));
            changes.extend(tried.iter().map(|s| format!("deadline_s={s:?}")));
        }
    }
    for key in BUDGETS.iter().filter(|key| !said(key)) {
        if let Some(now) = keys.get(*key).and_then(Value::as_u64).filter(|now| *now > 0) {
            changes.extend([now / 2, now * 2].iter().filter(|n| **n > 0).map(|n| format!("{key}={n}")));
        }
    }
    changes
}

/// Points of all policies and sizes: the scenario that each needs, and where the points of each policy stand.
pub(super) struct Grid {
    /// Candidates in the order of policies, variants, sizes; then those that were grown.
    pub(super) candidates: Vec<Candidate>,
    scenarios: Vec<Scenario>,
    /// The point that the policy of each scenario is there.
    settings: Vec<Settings>,
    /// Which scenario each candidate runs in.
    runs_in: Vec<usize>,
    /// Candidates of each policy.
    pub(super) groups: Vec<Group>,
}

impl Grid {
    pub(super) fn new(scenario: &Scenario, axes: &[Axis]) -> Result<Self, AskError> {
        let every: Vec<Vec<String>> = scenario
            .policies
            .iter()
            .map(|policy| Ok(scenario.settings(policy).map_err(AskError::Usage)?.keys().keys().cloned().collect()))
            .collect::<Result<_, AskError>>()?;
        all_read(&every, axes)?;
        let mut grid = Self {
            candidates: Vec::new(),
            scenarios: Vec::new(),
            settings: Vec::new(),
            runs_in: Vec::new(),
            groups: Vec::new(),
        };
        for (group, policy) in scenario.policies.iter().enumerate() {
            grid.groups.push(Vec::new());
            for changes in variants(scenario, policy, axes)? {
                // A combination that is no point of the space is not in the grid.
                let Some(made) = changed(scenario, policy, &changes) else { continue };
                let settings = made.settings(policy).map_err(AskError::Usage)?;
                grid.add(group, (made, settings), policy, &scenario.agents, &changes);
            }
        }
        Ok(grid)
    }

    fn add(&mut self, group: usize, made: (Scenario, Settings), policy: &str, sizes: &[u32], changes: &[String]) {
        for agents in sizes {
            self.groups[group].push(self.candidates.len());
            self.runs_in.push(self.scenarios.len());
            let side = Side { policy: policy.to_owned(), agents: *agents };
            self.candidates.push(Candidate { side, changes: changes.to_vec() });
        }
        self.scenarios.push(made.0);
        self.settings.push(made.1);
    }

    /// Deadlines (those of `deadlines` among them), budgets and mechanisms around candidates; what would be more than
    /// twice the most points of a policy is left out.
    pub(super) fn grow(&mut self, around: &[Around], deadlines: &[f64], axes: &[Axis]) -> Result<(), AskError> {
        for Around { candidate, typical_s, mechanisms: other, ways: all } in around {
            let (Candidate { side, changes }, base) =
                (self.candidates[*candidate].clone(), self.scenario(*candidate).clone());
            let group =
                self.groups.iter().position(|group| group.contains(candidate)).expect("a candidate has a policy");
            let keys = base.settings(&side.policy).map_err(AskError::Usage)?.keys();
            let mut grown: Vec<Vec<String>> =
                growth(&keys, axes, *typical_s, deadlines).into_iter().map(|change| vec![change]).collect();
            grown.extend(other_seats(&base, &keys, axes).into_iter().map(|change| vec![change]));
            if *other {
                grown.extend(mechanisms(&keys, axes));
            }
            if *all {
                grown.extend(ways(&keys, axes).into_iter().map(|change| vec![change]));
            }
            for change in grown {
                let Some(made) = changed(&base, &side.policy, &change) else { continue };
                let settings = made.settings(&side.policy).map_err(AskError::Usage)?;
                let is_there = self.groups[group].iter().any(|c| {
                    self.candidates[*c].side.agents == side.agents && self.settings[self.runs_in[*c]] == settings
                });
                if !is_there && self.groups[group].len() < 2 * MOST {
                    let changes = latest(changes.iter().cloned().chain(change));
                    self.add(group, (made, settings), &side.policy, &[side.agents], &changes);
                }
            }
        }
        Ok(())
    }

    /// The scenario that a candidate runs in.
    pub(super) fn scenario(&self, candidate: usize) -> &Scenario {
        &self.scenarios[self.runs_in[candidate]]
    }
}

/// Of changes of the same setting the last, in the order of their first.
fn latest(changes: impl Iterator<Item = String>) -> Vec<String> {
    fn key(change: &str) -> &str {
        change.split('=').next().unwrap_or(change)
    }
    let mut kept: Vec<String> = Vec::new();
    for change in changes {
        match kept.iter_mut().find(|held| key(held) == key(&change)) {
            Some(held) => *held = change,
            None => kept.push(change),
        }
    }
    kept
}

/// The scenario with changed settings of a policy; none if that is no point of the space.
pub(super) fn changed(scenario: &Scenario, policy: &str, changes: &[String]) -> Option<Scenario> {
    if changes.is_empty() {
        return Some(scenario.clone());
    }
    let edits: Vec<String> = changes.iter().map(|change| format!("policy.\"{policy}\".{change}")).collect();
    scenario.with(&edits).ok()
}

/// A fault if an axis is no setting.
pub(super) fn unknown(scenario: &Scenario, axes: &[Axis]) -> Result<(), AskError> {
    let Some(policy) = scenario.policies.first() else { return Ok(()) };
    let draft = serde_json::json!(scenario.draft(policy).map_err(AskError::Usage)?);
    match axes.iter().find(|axis| draft.get(&axis.key).is_none()) {
        None => Ok(()),
        Some(axis) => {
            Err(AskError::Usage(format!("--grid {}: no setting of a policy; see `delm-sim schema settings`", axis.key)))
        }
    }
}

/// A fault if an axis is a setting that nobody reads.
pub(super) fn all_read(every: &[Vec<String>], axes: &[Axis]) -> Result<(), AskError> {
    let unread = |axis: &&Axis| !every.iter().any(|keys| keys.contains(&axis.key));
    axes.iter().find(unread).map_or(Ok(()), |idle| {
        Err(AskError::Usage(format!(
            "--grid {}: no policy of the scenario reads this setting; `delm-sim params` lists those that are read",
            idle.key
        )))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_told_in_two_digits() {
        let cases = [(1234.5, 1200.0), (98.6, 99.0), (99.7, 100.0), (7.26, 7.3), (0.04, 0.1), (10.0, 10.0)];
        assert!(cases.iter().all(|(seconds, rounded)| rounded_s(*seconds) == *rounded));
    }

    /// The best centre is tried: a judge without a store, and references to artifacts, judged or not.
    #[test]
    fn every_store_meets_every_gate() {
        let keys = serde_json::json!({ "store": "relay", "gate": "none", "plan": true, "dispatch": "async" });
        let tried = mechanisms(keys.as_object().unwrap(), &[]);
        for wanted in
            [&["store=\"none\"", "gate=\"llm\""][..], &["store=\"artifacts\"", "gate=\"llm\""], &["gate=\"llm\""]]
        {
            assert!(tried.iter().any(|changes| changes == wanted), "{wanted:?}: {tried:?}");
        }
        assert!(!tried.iter().any(|changes| changes.is_empty() || changes.iter().any(|c| c.contains("oracle"))));
        let said = [Axis { key: "gate".to_owned(), values: vec!["\"none\"".to_owned()] }];
        assert_eq!(mechanisms(keys.as_object().unwrap(), &said), Vec::<Vec<String>>::new());
        let tried = ways(keys.as_object().unwrap(), &[]);
        assert_eq!(tried.len(), 5, "one switch, four other ways: {tried:?}");
    }

    #[test]
    fn a_setting_is_changed_once() {
        let changes = ["store=\"none\"", "max_delegations=12", "store=\"relay\"", "max_delegations=24"];
        let kept = latest(changes.iter().map(ToString::to_string));
        assert_eq!(kept, ["store=\"relay\"", "max_delegations=24"]);
    }

    #[test]
    fn values_may_hold_commas_of_their_own() {
        let axis = axis("barrier=\"all\",{ k-of-n = { k = 2, x = 1 } }").unwrap();
        assert_eq!(axis.values, ["\"all\"", "{ k-of-n = { k = 2, x = 1 } }"]);
        assert!(super::axis("x=").is_err() && super::axis("=1").is_err() && super::axis("x").is_err());
    }
}
