//! OpenAI's Agents SDK: traces and spans as its exporter writes them (`trace`, `trace.span`).

use super::chat;
use super::fault::{ImportError, Wrong};
use super::field::Field;
use super::moment;
use super::session::Draft;
use super::source::{Sample, each_record};
use super::team::{self, Kind, Node};
use super::{Importer, Out};
use crate::model::call::Purpose;
use crate::record::transcript::Status;
use std::collections::BTreeMap;
use std::path::Path;

/// Reads traces of the Agents SDK.
pub(super) struct OpenAiAgents;

impl Importer for OpenAiAgents {
    fn name(&self) -> &'static str {
        "openai-agents"
    }

    fn reads(&self) -> &'static str {
        "traces of OpenAI's Agents SDK (objects trace and trace.span)"
    }

    fn lacks(&self) -> &'static [&'static str] {
        &["texts, model and tokens of spans of type response, where the exporter keeps their ids alone"]
    }

    fn detect(&self, sample: &Sample) -> Option<String> {
        let record = sample.record()?;
        let first = record.get("data").and_then(|data| data.get(0)).unwrap_or(record);
        let kind = first.get("object").and_then(serde_json::Value::as_str);
        let is = first.get("span_data").is_some() || kind == Some("trace.span");
        (is || kind == Some("trace") && sample.head.contains("trace.span")).then(|| "objects trace.span".to_owned())
    }

    fn read(&self, path: &Path, out: &mut Out<'_>) -> Result<(), ImportError> {
        self.read_all(&[path], out)
    }

    fn read_all(&self, paths: &[&Path], out: &mut Out<'_>) -> Result<(), ImportError> {
        let mut nodes = Vec::new();
        let mut groups: BTreeMap<String, String> = BTreeMap::new();
        let is_cut = each_record(paths, out, |root, place, out| {
            let list = root.get("data");
            for one in if list.value.is_array() { list.list().unwrap_or_default() } else { vec![root.clone()] } {
                if one.get("object").value == "trace" {
                    let word = |key: &str| one.get(key).value.as_str();
                    if let (Some(id), Some(group)) = (word("id"), word("group_id")) {
                        groups.insert(id.to_owned(), group.to_owned());
                    }
                    continue;
                }
                match node(&one) {
                    Ok(node) => nodes.push(node),
                    Err(wrong) => out.damaged(place.clone(), wrong)?,
                }
            }
            Ok(())
        })?;
        for node in &mut nodes {
            node.session = groups.get(&node.trace).cloned();
        }
        team::forest(nodes, is_cut, out)
    }
}

fn node(span: &Field<'_>) -> Result<Node, Wrong> {
    let word = |key: &str| -> Result<Option<String>, Wrong> { Ok(span.get(key).text()?.map(str::to_owned)) };
    let data = span.need_object()?.get("span_data");
    let kind = match data.get("type").value.as_str() {
        Some("generation" | "response") => Kind::Call(Box::new(draft(span, &data)?), None),
        Some("agent") => Kind::Agent(data.get("name").text()?.unwrap_or(team::NAMELESS).to_owned()),
        _ => Kind::Other,
    };
    Ok(Node {
        trace: word("trace_id")?.unwrap_or_default(),
        id: word("id")?.unwrap_or_default(),
        parent: word("parent_id")?,
        session: None,
        kind,
    })
}

fn draft(span: &Field<'_>, data: &Field<'_>) -> Result<Draft, Wrong> {
    let mut draft = Draft::new(0, 0, Purpose::Step);
    let response = data.get("response");
    let output = if response.value.is_object() { response } else { data.get("output") };
    chat::exchange(&data.get("input"), &output, &mut draft)?;
    draft.model = data.get("model").text()?.map(str::to_owned).or(draft.reply_model.clone());
    draft.reply_id = data.get("response_id").text()?.map(str::to_owned).or(draft.reply_id);
    let usage = data.get("usage");
    if usage.value.is_object() {
        draft.tokens = chat::usage(&usage)?;
    }
    draft.start = moment::any(&span.get("started_at"))?;
    draft.end = moment::any(&span.get("ended_at"))?;
    if span.get("error").is_some() {
        draft.status = Status::Failed;
    }
    Ok(draft)
}
