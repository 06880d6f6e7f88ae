//! SWE-agent trajectories (`.traj`): a step is a call. Tokens and dollars are told for the whole run alone: they are
//! shared out by the lengths of the texts, so that their sums are the told ones.

use super::chat;
use super::check::picodollars;
use super::fault::{ImportError, Place, Wrong};
use super::field::Field;
use super::openai_log::stem;
use super::session::{Draft, SHARED_OUT, Session};
use super::source::{Sample, document};
use super::{Importer, Out};
use crate::model::call::Purpose;
use crate::record::transcript::Message;
use std::path::Path;

/// Reads SWE-agent's trajectories.
pub(super) struct SweAgent;

const SHARED: &str = "usage: the source tells sums of the run; shared out by the lengths of the texts";
const NO_COST: &str = "cost: the source tells the sum of the run; shared out by the tokens";

impl Importer for SweAgent {
    fn name(&self) -> &'static str {
        "swe-agent"
    }

    fn reads(&self) -> &'static str {
        "SWE-agent trajectories (.traj: trajectory, history, info)"
    }

    fn lacks(&self) -> &'static [&'static str] {
        &[
            "times: how long tools took is told, how long calls took is not",
            "tokens and dollars of a call: sums of the run, shared out (marked estimated)",
        ]
    }

    fn detect(&self, sample: &Sample) -> Option<String> {
        sample.has(&["trajectory", "info"]).then(|| "fields trajectory, info".to_owned())
    }

    fn read(&self, path: &Path, out: &mut Out<'_>) -> Result<(), ImportError> {
        let document = document(path)?;
        let root = Field::root(&document);
        let place = Place::file(path);
        let steps = root.get("trajectory").list().map_err(|wrong| wrong.at(place.clone()))?;
        let mut session = Session::new(stem(path));
        let agent = session.agent("swe-agent", false);
        let mut asked = first(&root).map_err(|wrong| wrong.at(place.clone()))?;
        let mut tools = 0.0;
        for step in steps {
            match read(&step, agent, &mut asked, &mut tools) {
                Ok(mut draft) => {
                    draft.goes_on = !session.calls.is_empty();
                    session.call(draft);
                }
                Err(wrong) => out.damaged(place.clone(), wrong)?,
            }
        }
        let info = root.get("info");
        session.is_cut = !info.get("exit_status").is_some();
        if tools > 0.0 {
            session.miss(format!("tools: {tools:.1} s in all, without moments; not in the times"));
        }
        share(&mut session, &info.get("model_stats")).map_err(|wrong| wrong.at(place))?;
        out.session(session)
    }
}

/// What stands before the first answer.
fn first(root: &Field<'_>) -> Result<Vec<Message>, Wrong> {
    let mut messages = Vec::new();
    for one in root.get("history").list()? {
        if one.get("role").value == "assistant" {
            break;
        }
        messages.push(chat::message(&one)?);
    }
    Ok(messages)
}

fn read(step: &Field<'_>, agent: usize, asked: &mut Vec<Message>, tools: &mut f64) -> Result<Draft, Wrong> {
    let mut draft = Draft::new(agent, 0, Purpose::Step);
    draft.messages = std::mem::take(asked);
    let said = step.need_object()?.any(&["response", "thought"]);
    let said = if said.is_some() { said } else { step.get("action") };
    draft.text = Some(chat::content(&said)?);
    if step.get("action").value.as_str().is_some_and(|action| !action.is_empty()) {
        draft.reply_tools.push("action".to_owned());
    }
    *tools += step.get("execution_time").positive()?.unwrap_or(0.0);
    let seen = step.get("observation");
    if seen.is_some() {
        asked.push(Message { role: "tool".to_owned(), content: chat::content(&seen)? });
    }
    Ok(draft)
}

/// Shares the sums of a run out.
fn share(session: &mut Session, stats: &Field<'_>) -> Result<(), Wrong> {
    let told = stats.get("api_calls").count()?;
    if let Some(told) = told.filter(|told| *told != session.calls.len() as u64) {
        let here = session.calls.len();
        session
            .miss(format!("calls without a step: {told} were made, {here} are here; their tokens are in the others'"));
    }
    // How long each prompt is: all that was said and seen before.
    let mut before = 0;
    let mut lengths = Vec::with_capacity(session.calls.len());
    for call in &session.calls {
        before += call.messages.iter().map(|message| message.content.len() as u64).sum::<u64>();
        let said = call.text.as_deref().unwrap_or("").len() as u64;
        lengths.push((before, said));
        before += said;
    }
    let sent = stats.get("tokens_sent").count()?.filter(|n| *n > 0);
    let received = stats.get("tokens_received").count()?.filter(|n| *n > 0);
    let prompts = sent.map(|sum| parts(sum, lengths.iter().map(|length| length.0)));
    let answers = received.map(|sum| parts(sum, lengths.iter().map(|length| length.1)));
    let dollars = stats.get("instance_cost").positive()?.filter(|cost| *cost > 0.0);
    session.totals.calls = told;
    session.totals.prompt_tokens = sent;
    session.totals.completion_tokens = received;
    session.totals.picodollars = dollars.map(picodollars);
    let all: u64 = lengths.iter().map(|length| length.0.max(1)).sum();
    for (place, call) in session.calls.iter_mut().enumerate() {
        call.tokens.prompt = prompts.as_ref().map(|parts| parts[place]);
        call.tokens.completion = answers.as_ref().map(|parts| parts[place]);
        if call.tokens.prompt.or(call.tokens.completion).is_some() {
            call.tokens.estimated = true;
            call.miss(SHARED);
        }
        if let Some(dollars) = dollars {
            call.dollars = Some(dollars * lengths[place].0.max(1) as f64 / all as f64);
            call.priced_by = SHARED_OUT;
            call.miss(NO_COST);
        }
    }
    Ok(())
}

/// A sum in whole parts that are in proportion to the weights and add up to it.
fn parts(sum: u64, weights: impl Iterator<Item = u64>) -> Vec<u64> {
    let weights: Vec<u128> = weights.map(|weight| u128::from(weight.max(1))).collect();
    let all: u128 = weights.iter().sum();
    let (mut done, mut given) = (0, 0);
    let part = |weight: u128| {
        done += weight;
        let upto = (u128::from(sum) * done / all.max(1)) as u64;
        let own = upto - given;
        given = upto;
        own
    };
    weights.into_iter().map(part).collect()
}
