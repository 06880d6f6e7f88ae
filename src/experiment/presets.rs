//! Presets: measured values of an endpoint, kept in a file of their own, that expand to plain values.
//!
//! `[endpoints.worker] preset = "NAME"` takes over the preset's `[endpoint]`; keys beside `preset` win.
//! `{ preset = "NAME", table = "completion" }` stands for the law of the preset's `[tokens]`.
//! What was taken over is entered in the scenario's `[sources]`, so that it keeps its origin.

use super::document::{Item, Node};
use super::embedded;
use super::faults::{Fault, KeyPath, Place, nearest};
use super::scenario::{SourceKind, SourceNote};
use super::shape::Shape;
use crate::model::endpoint::EndpointSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::Value;

/// Origin of a preset's values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PresetSource {
    /// Where the values are from.
    pub cite: String,
    /// When they were taken.
    #[serde(default)]
    pub date: String,
    /// How they came to be.
    pub kind: SourceKind,
}

/// Token counts as quantiles at equidistant probabilities from 0 to 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PresetTokens {
    /// Prompt tokens.
    pub prompt: Vec<f64>,
    /// Prompt tokens that no cache held.
    pub uncached: Vec<f64>,
    /// Completion tokens.
    pub completion: Vec<f64>,
}

/// A preset file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// Where its values are from.
    pub source: PresetSource,
    /// The endpoint.
    #[serde(default)]
    pub endpoint: EndpointSpec,
    /// Token counts.
    #[serde(default)]
    pub tokens: PresetTokens,
    /// Sources of single values, by path from `endpoint`, where they differ (prices, limits).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, SourceNote>,
    /// How the values were fitted and how they did on unseen data: for people and reports; simulations ignore it.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    #[schemars(with = "serde_json::Value")]
    pub fit: toml::Table,
}

/// Expands the presets of a scenario.
pub(crate) struct Expander<'a> {
    /// Folder that relative preset paths start from.
    pub(crate) folder: Option<PathBuf>,
    /// Schema of a scenario.
    pub(crate) scenario: &'a Shape,
    /// What went wrong.
    pub(crate) faults: Vec<Fault>,
}

impl Expander<'_> {
    /// Replaces the presets of endpoints.
    pub(crate) fn endpoints(&mut self, tree: &mut Node) {
        let Some(endpoints) = tree.child("endpoints").and_then(Node::entries) else {
            return;
        };
        let asked: Vec<(String, String, Place)> = endpoints
            .iter()
            .filter_map(|(name, node)| {
                let preset = node.child("preset")?;
                Some((name.clone(), preset.as_str()?.to_owned(), preset.place.clone()))
            })
            .collect();
        for (name, preset, place) in asked {
            let key: KeyPath = ["endpoints", &name, "preset"].into_iter().collect();
            let Some(preset) = self.find(&preset, &key, &place) else {
                continue;
            };
            let path = vec!["endpoints".to_owned(), name.clone()];
            let own = tree.find(&path.iter().collect::<KeyPath>()).0.clone();
            let base = preset.child("endpoint").cloned().unwrap_or_else(|| Node::table(place.clone()));
            let mut taken = Vec::new();
            self.leaves(&base, &path, &mut taken);
            taken.retain(|leaf| !own.find(&leaf[2..].iter().collect::<KeyPath>()).1);
            let mut merged = base;
            self.merge(&mut merged, own, &path);
            tree.set(&path, merged);
            for leaf in taken {
                note(tree, &preset, &leaf, &leaf[2..].join("."), &place);
            }
        }
    }

    /// Replaces `{ preset = .., table = .. }` where a law is expected.
    pub(crate) fn laws(&mut self, tree: &mut Node) {
        let mut asked = Vec::new();
        for root in ["workload", "sizes", "endpoints"] {
            if let Some(node) = tree.child(root) {
                collect_laws(node, &mut vec![root.to_owned()], &mut asked);
            }
        }
        for (path, preset, table, place) in asked {
            if !self.scenario.is_choice(&path) {
                continue;
            }
            let key: KeyPath = path.iter().collect();
            let Some(preset) = self.find(&preset, &key.with("preset"), &place) else {
                continue;
            };
            let quantiles = preset.child("tokens").and_then(|t| t.child(&table));
            let Some(quantiles) = quantiles else {
                self.faults.push(
                    Fault::new(
                        key.with("table"),
                        "the preset has no such table",
                        "its [tokens] may hold prompt, uncached, completion",
                    )
                    .found(format!("\"{table}\""))
                    .placed(&place),
                );
                continue;
            };
            let mut law = Node::table(place.clone());
            law.set(&["table".to_owned(), "quantiles".to_owned()], quantiles.clone());
            tree.set(&path, law);
            note(tree, &preset, &path, &format!("tokens.{table}"), &place);
        }
    }

    /// The checked document of a preset.
    fn find(&mut self, name: &str, key: &KeyPath, place: &Place) -> Option<Node> {
        let mut fault = |wrong: String, mend: String| {
            self.faults.push(Fault::new(key.clone(), wrong, mend).found(format!("\"{name}\"")).placed(place));
        };
        let is_path = name.contains('/') || Path::new(name).extension().is_some_and(|e| e == "toml");
        let (label, text) = if is_path {
            let path = self.folder.clone().unwrap_or_default().join(name);
            match super::text::read_text(&path) {
                Ok(text) => (path.display().to_string(), text),
                Err(why) => {
                    fault(
                        format!("the preset cannot be read: {why}"),
                        "mend the path; it starts at the scenario's folder".into(),
                    );
                    return None;
                }
            }
        } else if let Some(text) = embedded::preset(name) {
            (format!("preset {name}"), text.to_owned())
        } else {
            let names: Vec<&str> = embedded::PRESETS.iter().map(|(name, _)| *name).collect();
            let mend = match nearest(name, names.iter().copied()) {
                Some(near) => format!("did you mean \"{near}\"? `delm-sim list` shows all; a path ends in .toml"),
                None => "`delm-sim list` shows all; a path ends in .toml".to_owned(),
            };
            fault("unknown preset".into(), mend);
            return None;
        };
        let checked = Node::parse(&label, &text).and_then(|node| {
            let faults = Shape::of::<Preset>().check(&node);
            if faults.is_empty() { Ok(node) } else { Err(faults) }
        });
        match checked {
            Ok(node) => Some(node),
            Err(faults) => {
                self.faults.extend(faults);
                None
            }
        }
    }

    /// Lays `over` on top of `base`: tables with fixed keys key by key, everything else as a whole.
    fn merge(&self, base: &mut Node, over: Node, path: &[String]) {
        let fixed = self.scenario.is_struct(path);
        match (&mut base.item, over.item) {
            (Item::Table(below), Item::Table(above)) if fixed => {
                for (key, node) in above {
                    let path = [path, std::slice::from_ref(&key)].concat();
                    match below.get_mut(&key) {
                        Some(old) => self.merge(old, node, &path),
                        None => {
                            below.insert(key, node);
                        }
                    }
                }
                base.place = over.place;
            }
            (_, item) => {
                base.item = item;
                base.place = over.place;
            }
        }
    }

    fn leaves(&self, node: &Node, path: &[String], found: &mut Vec<Vec<String>>) {
        match node.entries() {
            Some(entries) if self.scenario.is_struct(path) => {
                for (key, node) in entries {
                    self.leaves(node, &[path, std::slice::from_ref(key)].concat(), found);
                }
            }
            _ => found.push(path.to_vec()),
        }
    }
}

type LawAsked = (Vec<String>, String, String, Place);

fn collect_laws(node: &Node, path: &mut Vec<String>, found: &mut Vec<LawAsked>) {
    let Some(entries) = node.entries() else {
        return;
    };
    let word = |key: &str| entries.get(key).and_then(Node::as_str).map(str::to_owned);
    if let (2, Some(preset), Some(table)) = (entries.len(), word("preset"), word("table")) {
        found.push((path.clone(), preset, table, node.place.clone()));
        return;
    }
    for (key, node) in entries {
        path.push(key.clone());
        collect_laws(node, path, found);
        path.pop();
    }
}

/// Enters the origin of a value in the scenario's `[sources]`, unless the scenario says otherwise by name: a note with
/// a `*` was not written for this value.
fn note(tree: &mut Node, preset: &Node, path: &[String], within: &str, place: &Place) {
    let key = path.iter().collect::<KeyPath>().to_string();
    let known = tree
        .child("sources")
        .and_then(Node::entries)
        .is_some_and(|s| s.keys().any(|k| !k.contains('*') && super::parameters::covers(k, &key)));
    if known {
        return;
    }
    let text = |node: Option<&Node>, key: &str| {
        node.and_then(|n| n.child(key)).and_then(Node::as_str).unwrap_or_default().to_owned()
    };
    let single = preset
        .child("sources")
        .and_then(Node::entries)
        .and_then(|s| s.iter().find(|(k, _)| super::parameters::covers(k, within)))
        .map(|(_, node)| node);
    let source = single.or_else(|| preset.child("source"));
    let mut entry = toml::Table::new();
    entry.insert("kind".into(), Value::String(text(source, "kind")));
    let (cite, date) = (text(source, "cite"), text(source, "date"));
    let cite = if date.is_empty() { cite } else { format!("{cite} ({date})") };
    entry.insert("cite".into(), Value::String(cite));
    let prior = text(source, "prior");
    if !prior.is_empty() {
        entry.insert("prior".into(), Value::String(prior));
    }
    tree.set(&["sources".to_owned(), key], Node::of(Value::Table(entry), place));
}
