//! ATIF, the trajectory format of Harbor and Terminal-Bench: a step of the agent is a call, with its own metrics.

use super::chat;
use super::check::picodollars;
use super::fault::{ImportError, Place, Wrong};
use super::field::Field;
use super::moment::{self, Nanos};
use super::openai_log::stem;
use super::session::{BY_CLIENT, Draft, Session};
use super::source::{Records, Sample};
use super::{Importer, Out};
use crate::model::call::Purpose;
use crate::record::transcript::Message;
use serde_json::Value;
use std::path::Path;

/// Reads ATIF.
pub(super) struct Atif;

impl Importer for Atif {
    fn name(&self) -> &'static str {
        "atif"
    }

    fn reads(&self) -> &'static str {
        "ATIF trajectories of Harbor and Terminal-Bench (schema_version ATIF-.., steps)"
    }

    fn lacks(&self) -> &'static [&'static str] {
        &["when a call left: a step is stamped once, so the step before it bounds its dispatch"]
    }

    fn detect(&self, sample: &Sample) -> Option<String> {
        let version = sample.record()?.get("schema_version").and_then(Value::as_str).unwrap_or("");
        let is = version.starts_with("ATIF") || sample.has(&["steps", "agent", "final_metrics"]);
        is.then(|| format!("fields steps, agent ({version})"))
    }

    fn read(&self, path: &Path, out: &mut Out<'_>) -> Result<(), ImportError> {
        let mut records = Records::open(path)?;
        let mut number = 0;
        while let Some((place, value)) = records.next(out)? {
            let root = Field::root(&value);
            let own = if number == 0 { stem(path) } else { format!("{} {number}", stem(path)) };
            number += 1;
            let name = root.get("session_id").value.as_str().map_or(own, str::to_owned);
            read(name, &root, &place, out)?;
        }
        Ok(())
    }
}

fn read(name: String, root: &Field<'_>, place: &Place, out: &mut Out<'_>) -> Result<(), ImportError> {
    let at = |wrong: Wrong| wrong.at(place.clone());
    let steps = root.get("steps").list().map_err(at)?;
    let mut session = Session::new(name);
    let own = root.get("agent");
    let agent = session.agent(own.get("name").value.as_str().unwrap_or("agent"), false);
    let model = own.get("model_name").value.as_str();
    let mut asked: Vec<Message> = Vec::new();
    let mut before: Option<Nanos> = None;
    for step in steps {
        match take(&step, agent, model, &mut asked, &mut before) {
            Ok(Some(mut draft)) => {
                draft.goes_on = !session.calls.is_empty();
                session.call(draft);
            }
            Ok(None) => {}
            Err(wrong) => out.damaged(place.clone(), wrong)?,
        }
    }
    session.is_dated = session.calls.iter().any(|call| call.end.is_some());
    let sums = root.get("final_metrics");
    let total = sums.get("total_cost_usd").positive().map_err(at)?;
    session.totals.prompt_tokens = sums.get("total_prompt_tokens").count().map_err(at)?;
    session.totals.completion_tokens = sums.get("total_completion_tokens").count().map_err(at)?;
    session.totals.picodollars = total.map(picodollars);
    if let Some(total) = total.filter(|_| session.calls.iter().all(|call| call.dollars.is_none())) {
        session.miss(format!("cost: the source tells ${total} for the run, and none for a call"));
    }
    out.session(session)
}

fn take(
    step: &Field<'_>,
    agent: usize,
    model: Option<&str>,
    asked: &mut Vec<Message>,
    before: &mut Option<Nanos>,
) -> Result<Option<Draft>, Wrong> {
    let at = moment::any(&step.need_object()?.get("timestamp"))?.filter(|at| moment::is_date(*at));
    let last = std::mem::replace(before, at.max(*before));
    let content = chat::content(&step.get("message"))?;
    let source = step.get("source").value.as_str().unwrap_or("");
    if source != "agent" {
        let role = if source == "system" { "system" } else { "user" };
        asked.push(Message { role: role.to_owned(), content });
        return Ok(None);
    }
    let mut draft = Draft::new(agent, 0, Purpose::Step);
    draft.text = Some(content);
    for call in step.get("tool_calls").list()? {
        let told =
            serde_json::json!({"name": call.get("function_name").value, "arguments": call.get("arguments").value});
        chat::tool(&Field::root(&told), &mut draft);
    }
    let metrics = step.get("metrics");
    draft.tokens.prompt = metrics.get("prompt_tokens").count()?;
    draft.tokens.completion = metrics.get("completion_tokens").count()?;
    draft.tokens.cached = metrics.get("cached_tokens").count()?.unwrap_or(0);
    draft.priced_by = BY_CLIENT;
    draft.dollars = metrics.get("cost_usd").positive()?;
    draft.model = step.get("model_name").text()?.or(model).map(str::to_owned);
    draft.messages = std::mem::take(asked);
    draft.end = at;
    (draft.start, draft.start_is_bound) = (last, last.is_some());
    for result in step.get("observation").get("results").list()? {
        asked.push(Message { role: "tool".to_owned(), content: chat::content(&result.get("content"))? });
    }
    Ok(Some(draft))
}
