//! From a file or an embedded name, and the command line, to a scenario that makes sense; or to all its faults.
//!
//! The walk: read, parse, apply flags, expand presets, check the shape, check the meaning.

use super::comparison::BEST_CENTRAL;
use super::document::{Edit, Item, Node};
use super::embedded;
use super::faults::{Fault, KeyPath, Place, ScenarioError, nearest};
use super::parameters::{covers, input_at};
use super::presets::Expander;
use super::reading;
use super::scenario::Scenario;
use super::shape::Shape;
use super::text::read_text;
use super::validate::{read_by_none, unread_world, validate};
use crate::policy::Catalog;
use crate::policy::settings::Draft;
use std::path::{Path, PathBuf};
use toml::Value;

/// What the command line says instead of the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// The policies that names stand for.
    pub catalog: Catalog,
    /// `PATH=VALUE`: a dotted key and a TOML value; bare words are strings.
    pub set: Vec<String>,
    /// Team sizes.
    pub agents: Option<Vec<u32>>,
    /// Policies to run.
    pub policies: Option<Vec<String>>,
    /// Policy to compare with.
    pub baseline: Option<String>,
    /// Seed.
    pub seed: Option<u64>,
    /// Replications per cell.
    pub replications: Option<u32>,
}

/// Values that let the rest of a scenario be judged when these keys are missing or wrong.
const STAND_INS: &str = "version = 1\nname = \"x\"\nquestion = \"x\"\nreplications = 1\nagents = [1]\n\
                         policies = [\"single\"]\n";

/// What is said of a source whose values the command line changed.
const CHANGED: &str = " (in part set on the command line)";

impl Scenario {
    /// Loads a scenario from a file or, by its name, from those the binary carries, and applies `overrides`.
    ///
    /// # Errors
    /// All faults that can be found, each with its place, key, value and mend.
    pub fn load(source: &str, overrides: &Overrides) -> Result<Self, ScenarioError> {
        if let Some(text) = embedded::scenario(source) {
            return Self::parse(source, text, None, overrides);
        }
        let path = Path::new(source);
        let text = read_text(path).map_err(|why| {
            let names: Vec<&str> = embedded::SCENARIOS.iter().map(|(name, _)| *name).collect();
            let mend = match nearest(source, names.iter().copied()) {
                Some(near) => {
                    format!("did you mean `{near}`? `delm-sim list` shows the embedded scenarios")
                }
                None => format!("name a TOML file or an embedded scenario ({})", names.join(", ")),
            };
            ScenarioError::Unreadable { name: source.to_owned(), why, mend }
        })?;
        Self::parse(source, &text, path.parent(), overrides)
    }

    /// Reads a scenario from text; `name` stands in faults, `folder` is where relative preset paths start.
    ///
    /// # Errors
    /// As for [`Scenario::load`].
    pub fn parse(name: &str, text: &str, folder: Option<&Path>, overrides: &Overrides) -> Result<Self, ScenarioError> {
        let mut tree = Node::parse(name, text).map_err(ScenarioError::Faulty)?;
        let mut faults = Vec::new();
        if tree.entries().is_some_and(std::collections::BTreeMap::is_empty) {
            let mend = "`delm-sim init FILE` writes a scenario to start from";
            faults.push(Fault::new(KeyPath::default(), "the file is empty", mend).placed(&tree.place));
            return Err(ScenarioError::Faulty(faults));
        }
        let shape = Shape::of::<Self>();
        let mut expander = Expander { folder: folder.map(PathBuf::from), scenario: &shape, faults: Vec::new() };
        let edits = overrides.edits(&mut faults);
        let listed = listed(&tree);
        let (early, late): (Vec<&Edit>, Vec<&Edit>) = edits.iter().partition(|e| e.names_a_preset());
        let (sources, late): (Vec<&Edit>, Vec<&Edit>) = late.into_iter().partition(|e| e.path[0] == "sources");
        for edit in early {
            edit.apply(&mut tree, &shape);
        }
        expander.endpoints(&mut tree);
        for edit in late {
            edit.apply(&mut tree, &shape);
            edit.disown(&mut tree);
        }
        for edit in sources {
            edit.apply(&mut tree, &shape);
        }
        for edit in &edits {
            edit.disown_mix(&mut tree);
        }
        expander.laws(&mut tree);
        faults.append(&mut expander.faults);
        overrides.narrow(&mut tree, listed.as_deref());
        judge(&tree, &shape, faults, listed.as_deref(), &overrides.catalog)
    }

    /// The scenario as TOML, presets expanded.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("a scenario is plain values")
    }

    /// First eight hex digits of the BLAKE3 hash of the scenario's canonical JSON.
    pub fn hash8(&self) -> String {
        let json = serde_json::to_string(self).expect("a scenario is plain values");
        blake3::hash(json.as_bytes()).to_hex()[..8].to_owned()
    }
}

impl Overrides {
    fn edits(&self, faults: &mut Vec<Fault>) -> Vec<Edit> {
        let mut edits = Vec::new();
        for text in &self.set {
            match Edit::parse(text) {
                Ok(edit) => edits.push(edit),
                Err(fault) => faults.push(*fault),
            }
        }
        let mut flag = |flag: &'static str, key: &str, value: Value| {
            edits.push(Edit { path: vec![key.to_owned()], value: Node::of(value, &Place::Flag(flag)) });
        };
        if let Some(agents) = &self.agents {
            let list = agents.iter().map(|&n| Value::Integer(n.into())).collect();
            flag("--agents", "agents", Value::Array(list));
        }
        if let Some(policies) = &self.policies {
            let list = policies.iter().cloned().map(Value::String).collect();
            flag("--policy", "policies", Value::Array(list));
        }
        if let Some(baseline) = &self.baseline {
            flag("--baseline", "baseline", Value::String(baseline.clone()));
        }
        if let Some(replications) = self.replications {
            flag("--replications", "replications", Value::Integer(replications.into()));
        }
        if let Some(seed) = self.seed {
            match i64::try_from(seed) {
                Ok(seed) => flag("--seed", "seed", Value::Integer(seed)),
                Err(_) => faults.push(
                    Fault::new(
                        KeyPath::from_iter(["seed"]),
                        format!("must not be above {}", i64::MAX),
                        "write a smaller seed",
                    )
                    .found(seed)
                    .placed(&Place::Flag("--seed")),
                ),
            }
        }
        edits
    }

    /// Leaves out the closed forms of cells that the flags leave out, and the baseline with its policy.
    fn narrow(&self, tree: &mut Node, listed: Option<&[String]>) {
        if let (Some(policies), None, Some(listed)) = (&self.policies, &self.baseline, listed)
            && let Some(baseline) = tree.child("baseline").and_then(Node::as_str)
            && listed.iter().any(|p| p == baseline)
            && !policies.iter().any(|p| p == baseline)
        {
            let best = Node::of(Value::String(BEST_CENTRAL.to_owned()), &Place::Flag("--policy"));
            tree.set(&["baseline".to_owned()], best);
        }
        let stays = |form: &Node| {
            let agents = form.child("agents").map(Node::value).and_then(|n| n.as_integer());
            let policy = form.child("policy").and_then(Node::as_str);
            let size = agents.zip(self.agents.as_ref()).is_none_or(|(n, list)| list.iter().any(|&m| i64::from(m) == n));
            size && policy.zip(self.policies.as_ref()).is_none_or(|(p, list)| list.iter().any(|q| q == p))
        };
        if let Some(Item::List(forms)) = tree.entries_mut().and_then(|e| e.get_mut("expect")).map(|e| &mut e.item) {
            forms.retain(stays);
        }
    }
}

impl Edit {
    /// Whether it must be applied before presets are expanded.
    fn names_a_preset(&self) -> bool {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        matches!(path[..], ["endpoints"] | ["endpoints", _] | ["endpoints", _, "preset"])
    }

    /// A note of `[sources]` vouches for the value that was there, not for this one.
    fn disown(&self, tree: &mut Node) {
        let Some(input) = input_at(&self.path) else {
            return;
        };
        let noted = tree
            .child("sources")
            .and_then(Node::entries)
            .is_some_and(|notes| notes.keys().any(|note| covers(note, &input)));
        if self.value.child("preset").is_some() {
            // The preset enters its own note.
            tree.remove(&["sources".to_owned(), input]);
        } else if noted {
            let mut note = toml::Table::new();
            note.insert("kind".into(), "assumed".into());
            note.insert("cite".into(), "set on the command line".into());
            let note = Node::of(Value::Table(note), &self.value.place);
            tree.set(&["sources".to_owned(), input], note);
        }
    }

    /// What the screen says of where numbers are from was said of other values.
    fn disown_mix(&self, tree: &mut Node) {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let parts: &[&str] = match path[..] {
            ["endpoints"] | ["endpoints", _] => &["latencies", "prices"],
            ["endpoints", _, "price", ..] => &["prices"],
            ["endpoints", ..] => &["latencies"],
            ["sizes", ..] => &["tokens"],
            ["workload", _, key, ..] if key.ends_with("_tokens") => &["tokens"],
            ["workload", ..] => &["accuracy"],
            _ => &[],
        };
        for part in parts {
            let at = ["mix".to_owned(), (*part).to_owned()];
            let Some(before) = tree.child("mix").and_then(|mix| mix.child(part)).and_then(Node::as_str) else {
                continue;
            };
            if !before.is_empty() && !before.ends_with(CHANGED) {
                let now = format!("{before}{CHANGED}");
                tree.set(&at, Node::of(Value::String(now), &self.value.place));
            }
        }
    }

    /// Writes the value. Where one of several named forms stands, another form replaces it.
    fn apply(&self, tree: &mut Node, shape: &Shape) {
        for depth in 1..self.path.len() {
            let (choice, form) = (&self.path[..depth], &self.path[depth]);
            if shape.is_choice(choice) {
                let key: KeyPath = choice.iter().collect();
                let (node, exact) = tree.find(&key);
                if exact && node.child(form).is_none() {
                    tree.set(choice, Node::table(self.value.place.clone()));
                }
            }
        }
        tree.set(&self.path, self.value.clone());
    }
}

/// The policies that a document lists.
fn listed(tree: &Node) -> Option<Vec<String>> {
    let Item::List(names) = &tree.child("policies")?.item else {
        return None;
    };
    names.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}

/// What is written for all policies is a default for those that read it. Where none does, a file is told that it was
/// left out, and a flag is at fault; where only policies that the flags left out would read it, nobody need hear of it.
fn leave_unread(scenario: &mut Scenario, tree: &Node, listed: &[String], faults: &mut Vec<Fault>) {
    let whole = Scenario { policies: listed.to_vec(), ..scenario.clone() }.unread_by_all();
    for unread in unread_world(scenario) {
        let (node, is_written) = tree.find(&unread.key);
        let by_flag = matches!(node.place, Place::Flag(_));
        // A scenario may carry values for another day; what a flag says is said for this run.
        if is_written && by_flag {
            faults.push(placed(unread, tree));
        } else if is_written && unread.key.keys()[0] == "endpoints" {
            scenario.left_out.push(placed(unread, tree));
        }
    }
    for unread in read_by_none(scenario) {
        let unread = placed(unread, tree);
        if matches!(unread.place, Place::Flag(_)) {
            faults.push(unread);
            continue;
        }
        let [.., name] = unread.key.keys() else { continue };
        scenario.all_policies.remove(name);
        if whole.contains(name) {
            scenario.left_out.push(unread);
        }
    }
}

/// Tells of rates that stay a preset's beside an input rate that is written elsewhere: nobody charges by two lists.
fn tell_mixed_prices(scenario: &mut Scenario, tree: &Node) {
    for name in scenario.endpoints.keys() {
        let rates = KeyPath::from_iter(["endpoints", name, "price", "rates"]);
        let (input, is_written) = tree.find(&rates.with("input_usd_per_mtok"));
        for rate in ["cache_read_usd_per_mtok", "cache_write_usd_per_mtok", "output_usd_per_mtok"] {
            let (other, is_there) = tree.find(&rates.with(rate));
            if is_written && is_there && !other.place.is_beside(&input.place) {
                let wrong = format!("stays, beside an input rate that is written elsewhere ({})", input.text());
                let mend = "write it, too, if your prices are not the preset's";
                scenario.left_out.push(placed(Fault::new(rates.with(rate), wrong, mend), tree));
            }
        }
    }
}

/// Where no endpoint states a price, costs are unknown: what nobody priced is not free.
fn leave_unpriced(scenario: &mut Scenario, tree: &Node) {
    let endpoints = tree.child("endpoints").and_then(Node::entries);
    let is_priced = endpoints.into_iter().flatten().any(|(_, endpoint)| endpoint.child("price").is_some());
    if !is_priced {
        for endpoint in scenario.endpoints.values_mut() {
            endpoint.price.unknown = true;
        }
    }
}

/// The scenario, or all faults of shape and meaning.
fn judge(
    tree: &Node,
    shape: &Shape,
    mut faults: Vec<Fault>,
    listed: Option<&[String]>,
    catalog: &Catalog,
) -> Result<Scenario, ScenarioError> {
    faults.extend(shape_faults(tree, shape));
    let mut rest = tree.clone();
    if !faults.is_empty() {
        strip_faults(&mut rest, shape);
    }
    match reading::read::<Scenario>(rest.value()) {
        Ok(mut scenario) => {
            scenario.catalog = catalog.clone();
            leave_unpriced(&mut scenario, tree);
            tell_mixed_prices(&mut scenario, tree);
            let meaning: Vec<Fault> = validate(&scenario)
                .into_iter()
                .filter(|new| !faults.iter().any(|old| overlap(old, new)))
                .map(|fault| placed(fault, tree))
                .collect();
            faults.extend(meaning);
            if faults.is_empty()
                && let Some(listed) = listed
            {
                leave_unread(&mut scenario, tree, listed, &mut faults);
            }
            if faults.is_empty() {
                return Ok(scenario);
            }
        }
        Err(error) if faults.is_empty() => {
            faults.push(Fault::new(KeyPath::default(), error.wrong, "see `delm-sim schema`").placed(&tree.place));
        }
        Err(_) => {}
    }
    faults.sort_by(|a, b| (&a.place, &a.key).cmp(&(&b.place, &b.key)));
    faults.dedup();
    Err(ScenarioError::Faulty(faults))
}

fn overlap(old: &Fault, new: &Fault) -> bool {
    !old.key.keys().is_empty() && old.key.overlaps(&new.key)
}

/// Faults of shape; the settings of policies are tables of their own kind.
fn shape_faults(tree: &Node, shape: &Shape) -> Vec<Fault> {
    let mut faults = shape.check(tree);
    let settings = Shape::of::<Draft>();
    if let Some(all) = tree.child("all_policies") {
        faults.extend(settings.check_part(all, &KeyPath::from_iter(["all_policies"])));
    }
    for (name, node) in tree.child("policy").and_then(Node::entries).into_iter().flatten() {
        let path = KeyPath::from_iter(["policy", name]);
        let mut own = node.clone();
        if let Some(base) = own.entries_mut().and_then(|e| e.remove("based_on"))
            && base.as_str().is_none()
        {
            let wrong = format!("expected the name of a policy, found {}", base.kind());
            faults.push(
                Fault::new(path.with("based_on"), wrong, "write it in quotes").found(base.text()).placed(&base.place),
            );
        }
        faults.extend(settings.check_part(&own, &path));
    }
    faults
}

/// Takes out what has the wrong shape, so that the meaning of the rest can be judged as well.
fn strip_faults(tree: &mut Node, shape: &Shape) {
    let stand_ins = Node::parse("", STAND_INS).expect("a constant");
    for _ in 0..8 {
        let faults = shape_faults(tree, shape);
        if faults.is_empty() {
            return;
        }
        for fault in faults.iter().rev() {
            let path = fault.key.keys();
            if tree.find(&fault.key).1 {
                tree.remove(path);
            } else if let [key] = path {
                if let Some(node) = stand_ins.child(key) {
                    tree.set(path, node.clone());
                }
            } else if let [parent @ .., _] = path {
                tree.remove(parent);
            }
        }
    }
}

/// A fault of meaning with the place and value that the document has for its key.
fn placed(fault: Fault, tree: &Node) -> Fault {
    let (node, exact) = tree.find(&fault.key);
    let value =
        if fault.value.is_empty() && exact && node.entries().is_none() { node.text() } else { fault.value.clone() };
    Fault { value, ..fault }.placed(&node.place)
}
