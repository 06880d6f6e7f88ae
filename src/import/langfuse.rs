//! Langfuse: observations (JSON Lines, a list, or in `data`), and traces with their observations.
//!
//! Its usage is kept in buckets that do not overlap (`input`, `input_cached_tokens`, ..) where its sum is the total.

use super::chat;
use super::fault::{ImportError, Place, Wrong};
use super::field::Field;
use super::moment;
use super::session::{BY_LOG, Draft};
use super::source::{Sample, each_record};
use super::team::{self, Kind, Node};
use super::{Importer, Out};
use crate::model::call::Purpose;
use crate::record::transcript::Status;
use serde_json::Value;
use std::path::Path;

/// Reads Langfuse's exports.
pub(super) struct Langfuse;

const TRACE: &[&str] = &["traceId", "trace_id"];
const PARENT: &[&str] = &["parentObservationId", "parent_observation_id"];

impl Importer for Langfuse {
    fn name(&self) -> &'static str {
        "langfuse"
    }

    fn reads(&self) -> &'static str {
        "Langfuse observations, or traces with their observations (JSON Lines, a list, or an answer of its API)"
    }

    fn lacks(&self) -> &'static [&'static str] {
        &["who released a call, but for the observation around it"]
    }

    fn detect(&self, sample: &Sample) -> Option<String> {
        let record = sample.record()?;
        let first = record.get("data").and_then(|data| data.get(0)).unwrap_or(record);
        let first = first.get("observations").and_then(|list| list.get(0)).unwrap_or(first);
        let has = |keys: &[&str]| keys.iter().any(|key| first.get(key).is_some());
        let kind = first.get("type").and_then(Value::as_str).unwrap_or("");
        let is_kind = !kind.is_empty() && kind.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        let is = is_kind && has(TRACE) && has(&["startTime", "start_time"]);
        (is && first.get("span_data").is_none()).then(|| format!("observations of type {kind}"))
    }

    fn read(&self, path: &Path, out: &mut Out<'_>) -> Result<(), ImportError> {
        self.read_all(&[path], out)
    }

    fn read_all(&self, paths: &[&Path], out: &mut Out<'_>) -> Result<(), ImportError> {
        let mut nodes = Vec::new();
        let is_cut = each_record(paths, out, |root, place, out| {
            let list = if root.get("data").value.is_array() { root.get("data") } else { root.clone() };
            for one in if list.value.is_array() { list.list().unwrap_or_default() } else { vec![list] } {
                take(&one, &place, &mut nodes, out)?;
            }
            Ok(())
        })?;
        team::forest(nodes, is_cut, out)
    }
}

fn take(record: &Field<'_>, place: &Place, nodes: &mut Vec<Node>, out: &mut Out<'_>) -> Result<(), ImportError> {
    let session = record.any(&["sessionId", "session_id"]).value.as_str();
    let inner = record.get("observations");
    if inner.value.is_array() {
        for one in inner.list().unwrap_or_default().into_iter().filter(|one| one.value.is_object()) {
            match node(&one, session) {
                Ok(node) => nodes.push(node),
                Err(wrong) => out.damaged(place.clone(), wrong)?,
            }
        }
        return Ok(());
    }
    match node(record, session) {
        Ok(node) => nodes.push(node),
        Err(wrong) => out.damaged(place.clone(), wrong)?,
    }
    Ok(())
}

fn node(record: &Field<'_>, session: Option<&str>) -> Result<Node, Wrong> {
    let word = |keys: &[&str]| -> Result<Option<String>, Wrong> {
        Ok(record.any(keys).text()?.filter(|text| !text.is_empty()).map(str::to_owned))
    };
    let name = word(&["name"])?.unwrap_or_default();
    let kind = match record.need_object()?.get("type").value.as_str() {
        Some("GENERATION") => Kind::Call(Box::new(draft(record)?), None),
        Some("AGENT") => Kind::Agent(name),
        _ => Kind::Other,
    };
    Ok(Node {
        trace: word(TRACE)?.unwrap_or_default(),
        id: word(&["id"])?.unwrap_or_default(),
        parent: word(PARENT)?,
        session: session.map(str::to_owned),
        kind,
    })
}

fn draft(record: &Field<'_>) -> Result<Draft, Wrong> {
    let mut draft = Draft::new(0, 0, Purpose::Step);
    chat::exchange(&record.get("input"), &record.get("output"), &mut draft)?;
    draft.model = record.any(&["model", "providedModelName", "provided_model_name"]).text()?.map(str::to_owned);
    let at = |keys: &[&str]| -> Result<_, Wrong> { moment::any(&record.any(keys)) };
    draft.priced_by = BY_LOG;
    draft.start = at(&["startTime", "start_time"])?;
    draft.end = at(&["endTime", "end_time"])?;
    draft.first_token =
        at(&["completionStartTime", "completion_start_time"])?.filter(|first| draft.start <= Some(*first));
    if draft.end.is_none() {
        draft.length = record.get("latency").positive()?.and_then(moment::seconds);
    }
    usage(record, &mut draft)?;
    let costs = record.any(&["costDetails", "cost_details"]);
    let cost = record.any(&["calculatedTotalCost", "calculated_total_cost", "totalCost", "total_cost"]).positive()?;
    let told = costs.get("total").positive()?.or(cost);
    // A model without a price costs 0 in its tables.
    draft.dollars = told.filter(|dollars| *dollars > 0.0 || costs.value.as_object().is_some_and(|c| !c.is_empty()));
    if record.get("level").value == "ERROR" {
        draft.status = Status::Failed;
        let why = record.any(&["statusMessage", "status_message"]).value.as_str();
        draft.finish_reason = why.map(|why| why.chars().take(80).collect());
    }
    Ok(draft)
}

fn usage(record: &Field<'_>, draft: &mut Draft) -> Result<(), Wrong> {
    let details = record.any(&["usageDetails", "usage_details"]);
    let buckets = details.value.as_object().filter(|buckets| !buckets.is_empty());
    let Some(buckets) = buckets else {
        let usage = record.get("usage");
        draft.tokens.prompt = usage.any(&["input", "promptTokens", "prompt_tokens"]).count()?;
        draft.tokens.completion = usage.any(&["output", "completionTokens", "completion_tokens"]).count()?;
        return Ok(());
    };
    let mut sums = [0_u64; 4];
    let mut has = [false; 4];
    for key in buckets.keys().filter(|key| *key != "total") {
        let Some(count) = details.get(key).count()? else { continue };
        let is_input = key.contains("input") || key.contains("prompt") || key.contains("cache");
        let mut add = |place: usize| {
            sums[place] += count;
            has[place] = true;
        };
        add(usize::from(!is_input));
        if is_input && key.contains("cach") && !key.contains("creation") && !key.contains("write") {
            add(2);
        } else if key.contains("reasoning") {
            add(3);
        } else if key.contains("creation") || key.contains("write") {
            draft.tokens.cache_write += count;
        }
    }
    let plain = (details.get("input").count()?, details.get("output").count()?);
    let total = details.get("total").count()?;
    let is_inclusive = total.is_some()
        && total == Some(plain.0.unwrap_or(0) + plain.1.unwrap_or(0))
        && total != Some(sums[0] + sums[1]);
    draft.tokens.prompt = if is_inclusive { plain.0 } else { has[0].then_some(sums[0]) };
    draft.tokens.completion = if is_inclusive { plain.1 } else { has[1].then_some(sums[1]) };
    draft.tokens.cached = sums[2];
    draft.tokens.reasoning = has[3].then_some(sums[3]);
    Ok(())
}
