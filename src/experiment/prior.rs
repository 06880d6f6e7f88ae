//! Priors: the ranges in which an input may lie that nobody published, as the registry of inputs states them, and the
//! numbers of a scenario that can be moved inside them.
//!
//! Invariant: a range comes from the text that `params` shows, and from nowhere else.

use crate::experiment::parameters::{Parameter, parameters, written_out};
use crate::experiment::scenario::{Scenario, SourceKind};
use serde::Serialize;
use serde_json::Value;

/// Where an input may lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// Every value is as likely as every other.
    Linear,
    /// Every ratio is.
    Log,
}

/// A value that a prior holds for possible by itself, beside its range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Atom {
    /// Value.
    pub at: f64,
    /// Its probability.
    pub probability: f64,
}

/// A range with its scale.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Range {
    /// Least value.
    pub low: f64,
    /// Greatest value.
    pub high: f64,
    /// Scale between them.
    pub scale: Scale,
    /// A value that is drawn by itself.
    pub atom: Option<Atom>,
}

impl Range {
    /// Whether the prior holds a value for possible.
    pub fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value) || self.atom.is_some_and(|atom| atom.at == value)
    }

    /// The value at a share of the range, 0 its low end and 1 its high end.
    pub fn at(&self, share: f64) -> f64 {
        match self.scale {
            Scale::Linear => self.low + (self.high - self.low) * share,
            Scale::Log => self.low * libm::pow(self.high / self.low, share),
        }
    }

    /// The value of the prior for a uniform number.
    pub fn draw(&self, uniform: f64) -> f64 {
        match self.atom {
            None => self.at(uniform),
            Some(Atom { at, probability }) if uniform < probability => at,
            Some(Atom { probability, .. }) => self.at((uniform - probability) / (1.0 - probability)),
        }
    }

    /// The share of the range at which a value lies; outside of [0, 1] if it lies outside.
    pub fn share(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log if value > 0.0 => libm::log(value / self.low) / libm::log(self.high / self.low),
            Scale::Log => f64::NEG_INFINITY,
        }
    }
}

/// An input that can be moved: a number of the scenario, with its prior.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Movable {
    /// Where `params` lists it, down to the number.
    pub path: String,
    /// The keys of the scenario that move it: one, but for a setting that several policies have alike.
    #[serde(skip)]
    keys: Vec<String>,
    /// Its unit; empty for pure numbers.
    pub unit: &'static str,
    /// How its value came to be.
    pub source: SourceKind,
    /// Its value.
    pub value: f64,
    /// Whether only whole numbers make sense.
    pub whole: bool,
    /// Its prior.
    pub range: Range,
}

/// An input that has a prior or is assumed, and cannot be moved.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fixed {
    /// Its key.
    pub path: String,
    /// Why not.
    pub why: &'static str,
}

impl Movable {
    /// The value at a share of its prior, whole where it must be.
    pub fn at(&self, share: f64) -> f64 {
        self.rounded(self.range.at(share))
    }

    /// The value of its prior for a uniform number, whole where it must be.
    pub fn draw(&self, uniform: f64) -> f64 {
        self.rounded(self.range.draw(uniform))
    }

    /// A value as the scenario takes it.
    pub fn rounded(&self, value: f64) -> f64 {
        if self.whole { libm::round(value) } else { value }
    }

    /// The edits that move it.
    pub fn edits(&self, value: f64) -> Vec<String> {
        let text = if self.whole { format!("{value:.0}") } else { format!("{value:?}") };
        self.keys.iter().map(|key| format!("{key}={text}")).collect()
    }
}

/// All inputs of a scenario that can be wrong about the world: those that can be moved, and those that cannot.
///
/// Inputs of policies other than `concerned` are left out: nothing that is compared reads them.
pub fn movables(scenario: &Scenario, concerned: &[&str]) -> (Vec<Movable>, Vec<Fixed>) {
    let tree = written_out(scenario);
    let (mut movable, mut fixed) = (Vec::new(), Vec::new());
    for input in parameters(scenario) {
        let foreign = input
            .path
            .strip_prefix("policy.")
            .is_some_and(|rest| !concerned.iter().any(|p| rest.strip_prefix(p).is_some_and(|r| r.starts_with('.'))));
        let uncertain = input.source == SourceKind::Assumed || !input.prior.is_empty();
        if foreign || !uncertain {
            continue;
        }
        match moves(&input, &tree) {
            Ok(found) => movable.extend(found.into_iter().filter_map(|m| of_policies(m, scenario, concerned))),
            // A choice of the experiment with a prior in words is still a choice.
            Err(_) if input.source == SourceKind::Design => {}
            Err(why) => fixed.push(Fixed { path: input.path, why }),
        }
    }
    (movable, fixed)
}

/// A setting that `params` lists once for all policies is moved for those that are compared and have it so: what a policy
/// has of its own stays. None if none of them reads it.
fn of_policies(mut movable: Movable, scenario: &Scenario, concerned: &[&str]) -> Option<Movable> {
    let Some(key) = movable.path.strip_prefix("all_policies.") else { return Some(movable) };
    let alike = |policy: &&&str| {
        let now = scenario.settings(policy).ok().and_then(|s| s.keys().get(key).and_then(Value::as_f64));
        now == Some(movable.value)
    };
    movable.keys = concerned.iter().filter(alike).map(|policy| format!("policy.\"{policy}\".{key}")).collect();
    (!movable.keys.is_empty()).then_some(movable)
}

/// Units of what comes in whole numbers.
const COUNTED: &[&str] = &["subtasks", "steps", "hypotheses", "tokens", "calls", "agents", "runs", "kinds", "reports"];

/// The numbers of one input.
fn moves(input: &Parameter, tree: &Value) -> Result<Vec<Movable>, &'static str> {
    if input.path.contains('*') {
        return Err("the scenario does not say it of any policy");
    }
    let here = input.path.split('.').try_fold(tree, |node, key| node.get(key));
    let mut found = Vec::new();
    for (key, range) in ranges(&input.prior)? {
        let (path, value, whole) = match (here, key) {
            (Some(node), Some(key)) => number_below(&input.path, node, key).ok_or("it has no such number")?,
            (Some(node @ Value::Object(_)), None) => number_below(&input.path, node, "mean")
                .or_else(|| number_below(&input.path, node, "constant"))
                .ok_or("a law that has no mean to move")?,
            (Some(Value::Number(n)), None) => (input.path.clone(), n.as_f64().unwrap_or_default(), !n.is_f64()),
            // A setting that a policy has from the catalogue: the scenario does not write it.
            (None, None) => {
                let value: f64 = input.value.parse().map_err(|_| "not a number here")?;
                (input.path.clone(), value, !input.value.contains('.') && libm::floor(value) == value)
            }
            _ => return Err("not a number here"),
        };
        // A law that is a constant count takes no fraction, however its number is written.
        let whole =
            whole || (path.ends_with(".constant") && COUNTED.contains(&input.unit) && libm::floor(value) == value);
        let range = match range {
            Told::Range(range) => range,
            Told::Factor(_, _) if value == 0.0 => return Err("half and double of 0 are 0"),
            Told::Factor(low, high) => Range { low: value * low, high: value * high, scale: Scale::Log, atom: None },
        };
        if !range.share(value).is_finite() && range.scale == Scale::Log && value != 0.0 {
            return Err("its value is not on the scale of its prior");
        }
        let (unit, source) = (input.unit, input.source);
        found.push(Movable { keys: vec![path.clone()], path, unit, source, value, whole, range });
    }
    Ok(found)
}

/// A number under a key, at any depth.
fn number_below(path: &str, node: &Value, key: &str) -> Option<(String, f64, bool)> {
    let entries = node.as_object()?;
    if let Some(Value::Number(n)) = entries.get(key) {
        return Some((format!("{path}.{key}"), n.as_f64()?, !n.is_f64()));
    }
    entries.iter().find_map(|(name, below)| number_below(&format!("{path}.{name}"), below, key))
}

/// A range as it is told.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Told {
    Range(Range),
    /// Multiples of the value.
    Factor(f64, f64),
}

/// Reads a prior: `0-1`, `U(0, .3)`, `logU(10, 150)`, `0, .05, .1`, `half to double`, `sigma .3-.7`, `a .2-.5, b .1-.4`;
/// what follows in words is for people.
fn ranges(text: &str) -> Result<Vec<(Option<&str>, Told)>, &'static str> {
    if text.is_empty() {
        return Err("its prior is not stated");
    }
    if text.starts_with("half to double") {
        return Ok(vec![(None, Told::Factor(0.5, 2.0))]);
    }
    let atom = atom(text);
    for (mark, scale) in [("logU(", Scale::Log), ("U(", Scale::Linear)] {
        if let Some((_, rest)) = text.split_once(mark) {
            let inner = rest.split(')').next().unwrap_or_default();
            let ends: Vec<f64> = inner.split(',').filter_map(|n| number(n.trim())).collect();
            let [low, high] = ends[..] else { return Err("its prior is told in words") };
            return Ok(vec![(None, Told::Range(Range { low, high, scale, atom }))]);
        }
    }
    let plain = text.split('(').next().unwrap_or_default();
    let parts: Vec<&str> = plain.split(',').map(str::trim).collect();
    if let Some(levels) = parts.iter().map(|p| number(p)).collect::<Option<Vec<f64>>>()
        && levels.len() > 1
    {
        let (low, high) = levels.iter().fold((f64::MAX, f64::MIN), |(a, b), x| (a.min(*x), b.max(*x)));
        return Ok(vec![(None, Told::Range(Range { low, high, scale: Scale::Linear, atom: None }))]);
    }
    let mut found = Vec::new();
    for part in parts {
        let (key, ends) = match part.split_once(' ') {
            Some((key, ends)) if key.chars().all(char::is_alphabetic) => (Some(key), ends),
            _ => (None, part),
        };
        let Some((low, high)) = ends.split_once('-').and_then(|(a, b)| Some((number(a)?, number(b)?))) else {
            continue;
        };
        found.push((key, Told::Range(Range { low, high, scale: Scale::Linear, atom: None })));
    }
    if found.is_empty() { Err("its prior is told in words") } else { Ok(found) }
}

/// The value that a prior holds for possible by itself: `half at 0`, `15 % at 1`.
fn atom(text: &str) -> Option<Atom> {
    let (before, after) = text.split_once(" at ")?;
    let at = number(after.split([',', ' ']).next()?)?;
    let probability = match before.rsplit(", ").next()?.trim() {
        "half" => 0.5,
        share => number(share.strip_suffix(" %")?)? / 100.0,
    };
    Some(Atom { at, probability })
}

/// A number as people write it, such as `.8`.
fn number(text: &str) -> Option<f64> {
    let plain = text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '-' | '+'));
    if plain { text.trim().parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Overrides;

    #[test]
    fn priors_are_read_as_they_are_written() {
        let linear = |low, high| Told::Range(Range { low, high, scale: Scale::Linear, atom: None });
        assert_eq!(ranges("0-1"), Ok(vec![(None, linear(0.0, 1.0))]));
        assert_eq!(ranges("U(3, 9) hypotheses of fixed work"), Ok(vec![(None, linear(3.0, 9.0))]));
        let half = Range { low: 0.0, high: 0.3, scale: Scale::Linear, atom: Some(Atom { at: 0.0, probability: 0.5 }) };
        assert_eq!(ranges("half at 0, else U(0, .3)"), Ok(vec![(None, Told::Range(half))]));
        assert_eq!([0.0, 0.49, 0.5, 0.75, 1.0].map(|u| half.draw(u)), [0.0, 0.0, 0.0, 0.15, 0.3]);
        let some = Range { low: 0.8, high: 4.0, scale: Scale::Log, atom: Some(Atom { at: 1.0, probability: 0.15 }) };
        assert_eq!(ranges("logU(.8, 4), 15 % at 1"), Ok(vec![(None, Told::Range(some))]));
        assert_eq!(
            ranges("logU(1e-4, .03)"),
            Ok(vec![(None, Told::Range(Range { low: 1e-4, high: 0.03, scale: Scale::Log, atom: None }))])
        );
        assert_eq!(ranges("0, .05, .10"), Ok(vec![(None, linear(0.0, 0.1))]));
        assert_eq!(ranges("sigma .3-.7"), Ok(vec![(Some("sigma"), linear(0.3, 0.7))]));
        let shapes = vec![(Some("a"), linear(0.22, 0.48)), (Some("b"), linear(0.17, 0.41))];
        assert_eq!(ranges("a .22-.48, b .17-.41 (other rows)"), Ok(shapes));
        assert_eq!(ranges("half to double"), Ok(vec![(None, Told::Factor(0.5, 2.0))]));
        assert!(ranges("both").is_err() && ranges("").is_err() && ranges("360").is_err());
    }

    #[test]
    fn a_share_of_a_range_is_its_inverse() {
        for scale in [Scale::Linear, Scale::Log] {
            let range = Range { low: 2.0, high: 32.0, scale, atom: None };
            for share in [0.0, 0.25, 1.0] {
                assert!((range.share(range.at(share)) - share).abs() < 1e-12);
            }
        }
    }

    /// Wherever in its prior a number is moved, there is a scenario: nothing is refused in silence.
    #[test]
    fn every_value_of_a_prior_makes_a_scenario() {
        for name in ["swe-verified", "multi-doc-qa"] {
            let scenario = Scenario::load(name, &Overrides::default()).unwrap();
            let all: Vec<&str> = scenario.policies.iter().map(String::as_str).collect();
            for m in movables(&scenario, &all).0 {
                for share in [0.0, 0.13, 0.37, 0.61, 0.89, 1.0] {
                    let edits = m.edits(m.at(share));
                    assert!(scenario.with(&edits).is_ok(), "{edits:?}: {:?}", scenario.with(&edits).err());
                }
            }
        }
    }

    /// What is found can be set, and setting it to its own value changes nothing.
    #[test]
    fn every_movable_number_is_a_key_of_its_scenario() {
        for name in ["swe-verified", "multi-doc-qa"] {
            let scenario = Scenario::load(name, &Overrides::default()).unwrap();
            let all: Vec<&str> = scenario.policies.iter().map(String::as_str).collect();
            let (movable, fixed) = movables(&scenario, &all);
            assert!(movable.len() > 15, "{name}: {} movable, {fixed:?}", movable.len());
            for m in &movable {
                let same = scenario.with(&m.edits(m.value)).unwrap_or_else(|e| panic!("{}: {e}", m.path));
                for policy in &all {
                    assert_eq!(same.settings(policy), scenario.settings(policy), "{}", m.path);
                }
                assert_eq!((&same.workload, &same.sharing), (&scenario.workload, &scenario.sharing), "{}", m.path);
            }
        }
    }
}
