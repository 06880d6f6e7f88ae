//! LangSmith: runs of an export (JSON Lines or a list), nested in `child_runs` or linked by `parent_run_id`.

use super::chat;
use super::fault::{ImportError, Place, Wrong};
use super::field::Field;
use super::moment;
use super::session::{BY_LOG, Draft};
use super::source::{Sample, each_record};
use super::team::{self, Kind, Node};
use super::{Importer, Out};
use crate::model::call::Purpose;
use crate::record::transcript::{Message, Status};
use serde_json::Value;
use std::path::Path;

/// Reads LangSmith's runs.
pub(super) struct LangSmith;

impl Importer for LangSmith {
    fn name(&self) -> &'static str {
        "langsmith"
    }

    fn reads(&self) -> &'static str {
        "LangSmith runs (run_type, inputs, outputs), in lines, in a list, or nested in child_runs"
    }

    fn lacks(&self) -> &'static [&'static str] {
        &["who released a call, but for the run around it", "agents, but for graph nodes and runs that are called so"]
    }

    fn detect(&self, sample: &Sample) -> Option<String> {
        sample.has(&["run_type", "inputs", "start_time"]).then(|| "fields run_type, inputs, start_time".to_owned())
    }

    fn read(&self, path: &Path, out: &mut Out<'_>) -> Result<(), ImportError> {
        self.read_all(&[path], out)
    }

    fn read_all(&self, paths: &[&Path], out: &mut Out<'_>) -> Result<(), ImportError> {
        let mut nodes = Vec::new();
        let is_cut = each_record(paths, out, |run, place, out| take(run, None, &place, &mut nodes, out))?;
        team::forest(nodes, is_cut, out)
    }
}

fn take(
    run: &Field<'_>,
    around: Option<(&str, &str)>,
    place: &Place,
    nodes: &mut Vec<Node>,
    out: &mut Out<'_>,
) -> Result<(), ImportError> {
    let node = match node(run, around) {
        Ok(node) => node,
        Err(wrong) => return out.damaged(place.clone(), wrong),
    };
    let (trace, id) = (node.trace.clone(), node.id.clone());
    nodes.push(node);
    for child in run.get("child_runs").list().unwrap_or_default() {
        take(&child, Some((&trace, &id)), place, nodes, out)?;
    }
    Ok(())
}

fn node(run: &Field<'_>, around: Option<(&str, &str)>) -> Result<Node, Wrong> {
    let word = |field: Field<'_>| -> Result<Option<String>, Wrong> { Ok(field.text()?.map(str::to_owned)) };
    let metadata = run.need_object()?.get("extra").get("metadata");
    let name = run.get("name").value.as_str().unwrap_or("");
    let of = word(metadata.any(&["lc_agent_name", "langgraph_node"])).unwrap_or(None);
    let kind = match run.get("run_type").value.as_str() {
        Some("llm") => Kind::Call(Box::new(draft(run)?), of),
        Some("chain") if of.as_deref() == Some(name) || name.ends_with("Agent") || name.ends_with("agent") => {
            Kind::Agent(name.to_owned())
        }
        _ => Kind::Other,
    };
    let id = word(run.get("id"))?.unwrap_or_default();
    let trace = word(run.get("trace_id"))?.or(around.map(|(trace, _)| trace.to_owned()));
    Ok(Node {
        trace: trace.unwrap_or_else(|| id.clone()),
        id,
        parent: word(run.get("parent_run_id"))?.or(around.map(|(_, id)| id.to_owned())),
        session: word(metadata.any(&["thread_id", "conversation_id", "session_id"])).unwrap_or(None),
        kind,
    })
}

fn draft(run: &Field<'_>) -> Result<Draft, Wrong> {
    let mut draft = Draft::new(0, 0, Purpose::Step);
    let (inputs, outputs) = (run.get("inputs"), run.get("outputs"));
    let messages = inputs.get("messages");
    let inner = messages.at(0);
    for one in if inner.value.is_array() { inner } else { messages }.list()? {
        draft.messages.push(message(&one)?);
    }
    if draft.messages.is_empty() {
        let prompts = inputs.any(&["prompts", "prompt", "input"]);
        let prompt = if prompts.value.is_array() { prompts.at(0) } else { prompts };
        chat::exchange(&prompt, &Field::root(&Value::Null), &mut draft)?;
    }
    let generation = outputs.get("generations").at(0);
    let generation = if generation.value.is_array() { generation.at(0) } else { generation };
    let said = generation.get("message");
    let said = if said.get("kwargs").is_some() { said.get("kwargs") } else { said };
    if said.is_some() {
        chat::reply(&said, &mut draft)?;
    } else if generation.is_some() {
        draft.text = generation.get("text").text()?.map(str::to_owned);
    } else {
        chat::exchange(&Field::root(&Value::Null), &outputs, &mut draft)?;
    }
    let extra = run.get("extra");
    let asked = extra.get("invocation_params").any(&["model", "model_name"]);
    let model = asked.value.as_str().or(extra.get("metadata").get("ls_model_name").value.as_str());
    draft.model = model.map(str::to_owned).or(draft.model);
    tokens(run, &said, &mut draft)?;
    draft.dollars = run.get("total_cost").positive()?.filter(|dollars| *dollars > 0.0);
    draft.priced_by = BY_LOG;
    draft.start = moment::any(&run.get("start_time"))?;
    draft.end = moment::any(&run.get("end_time"))?;
    draft.first_token = moment::any(&run.get("first_token_time"))?.filter(|first| draft.start <= Some(*first));
    if run.get("error").value.as_str().is_some_and(|error| !error.is_empty()) || run.get("status").value == "error" {
        draft.status = Status::Failed;
    } else if draft.end.is_none() {
        draft.status = Status::Open;
    }
    Ok(draft)
}

/// A message of LangChain: `type` instead of a role, or a serialised object.
fn message(field: &Field<'_>) -> Result<Message, Wrong> {
    let inner = field.get("kwargs");
    let inner = if inner.value.is_object() { inner } else { field.clone() };
    let mut message = chat::message(&inner)?;
    let class = field.get("id").value.as_array().and_then(|id| id.last()).and_then(Value::as_str).unwrap_or("");
    let kind = inner.get("type").value.as_str().unwrap_or(class);
    let role = match kind {
        "human" | "HumanMessage" => "user",
        "ai" | "AIMessage" | "AIMessageChunk" => "assistant",
        "system" | "SystemMessage" => "system",
        "tool" | "ToolMessage" => "tool",
        _ => return Ok(message),
    };
    role.clone_into(&mut message.role);
    Ok(message)
}

fn tokens(run: &Field<'_>, said: &Field<'_>, draft: &mut Draft) -> Result<(), Wrong> {
    let outputs = run.get("outputs");
    let usage = [said.get("usage_metadata"), outputs.get("usage_metadata")].into_iter().find(Field::is_some);
    if let Some(usage) = usage {
        let (read, write) = (usage.get("input_token_details"), usage.get("output_token_details"));
        draft.tokens.prompt = usage.get("input_tokens").count()?;
        draft.tokens.completion = usage.get("output_tokens").count()?;
        draft.tokens.cached = read.get("cache_read").count()?.unwrap_or(0);
        draft.tokens.cache_write = read.get("cache_creation").count()?.unwrap_or(0);
        draft.tokens.reasoning = write.get("reasoning").count()?;
    } else {
        let told = outputs.get("llm_output").any(&["token_usage", "usage"]);
        if told.value.is_object() {
            draft.tokens = chat::usage(&told)?;
        }
    }
    draft.tokens.prompt = draft.tokens.prompt.or(run.get("prompt_tokens").count()?);
    draft.tokens.completion = draft.tokens.completion.or(run.get("completion_tokens").count()?);
    Ok(())
}
