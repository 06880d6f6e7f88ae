//! Makes the lines of a session: numbers of agents and calls, delegations, dependencies, keys.
//!
//! * Agents are numbered workers first, then leads, each in the order of their first call.
//! * Calls are numbered in the order of asking (ties as in the source) and written in the order of ending.
//! * A delegation is a maximal run of one worker's calls in one conversation: a lead's call or another worker's ends it
//!   (and what the source itself tells as a new item).
//!   Delegations are numbered from 0 in the order of their beginnings (`about.subtask`), steps inside from 0
//!   (`about.step`). A lead's calls have subtask 0 and count their own steps. `about.attempt` is 0; `about.line` is 0 or
//!   the thread.
//! * What released a call: [`super::causes`].

use super::causes;
use super::session::{Draft, Session};
use super::timing::Times;
use crate::model::call::Purpose;
use crate::model::ids::{About, LineId, SubtaskId};
use crate::model::price::Picodollars;
use crate::model::price::Roles;
use crate::record::transcript::{
    ArrivalLine, CallLine, CostLine, Dependency, EndLine, FinishLine, LayoutSpan, Line, RequestLine, ResponseLine,
    RunLine, Status, UsageLine,
};

/// The lines of a session whose calls have tokens, layouts and times.
pub(super) fn lines(run: u64, session: Session, times: &[Times], layouts: Vec<Vec<LayoutSpan>>) -> Vec<Line> {
    let origin = times.iter().map(|t| t.asked).min().unwrap_or(0);
    let ns = |at: i64| u64::try_from(at.saturating_sub(origin)).unwrap_or(0);
    let asked: Vec<u64> = times.iter().map(|t| ns(t.asked)).collect();
    let times: Vec<(u64, u64)> = times.iter().map(|t| (ns(t.start), ns(t.end))).collect();
    let mut order: Vec<usize> = (0..times.len()).collect();
    order.sort_by_key(|&place| (asked[place], place));
    let mut number = vec![0_u64; order.len()];
    for (call, &place) in order.iter().enumerate() {
        number[place] = call as u64;
    }
    let numbering = Numbering::new(&session, &order);
    let released = causes::of(&session, &order, &number, &asked, &times);
    let abouts = abouts(&session, &order);
    let makespan_ns = times.iter().map(|t| t.1).max().unwrap_or(0);
    let mut out = vec![
        Line::Run(RunLine {
            run,
            name: Some(session.name),
            agents: if numbering.workers > 0 { numbering.workers } else { numbering.leads },
            tasks: 1,
            workers: numbering.workers,
            leads: numbering.leads,
            lines: 1 + session.calls.iter().map(|c| c.line).max().unwrap_or(0),
            agent_names: numbering.names,
            started_unix_ms: session.is_dated.then(|| u64::try_from(origin / 1_000_000).ok()).flatten(),
            missing: session.missing,
            ..RunLine::default()
        }),
        Line::Arrival(ArrivalLine { task: 0, at_ns: 0, seq: 0 }),
    ];
    let calls = session.calls.len() as u64;
    let mut made: Vec<CallLine> = Vec::with_capacity(session.calls.len());
    let parts = session.calls.into_iter().zip(layouts).zip(released).zip(abouts);
    for (place, (((draft, layout), released_by), about)) in parts.enumerate() {
        let agent = numbering.number[draft.agent];
        made.push(call_line(draft, layout, released_by, about, agent, number[place], asked[place], times[place]));
    }
    made.sort_by_key(|c| (c.completed_ns, c.call));
    out.extend(made.into_iter().map(|c| Line::Call(Box::new(c))));
    if let Some((right, facts)) = session.outcome {
        let finish = FinishLine {
            task: 0,
            at_ns: makespan_ns,
            seq: 0,
            right,
            facts,
            unsupported: Vec::new(),
            right_findings: Vec::new(),
        };
        out.push(Line::Finish(finish));
    }
    out.push(Line::End(EndLine { calls, makespan_ns, complete: !session.is_cut, ..EndLine::default() }));
    out
}

#[allow(clippy::too_many_arguments, reason = "all of them become fields of one line")]
fn call_line(
    draft: Draft,
    layout: Vec<LayoutSpan>,
    released_by: Vec<Dependency>,
    about: About,
    agent: u32,
    call: u64,
    asked: u64,
    (start, end): (u64, u64),
) -> CallLine {
    let origin_of_first = draft.first_token.zip(draft.start);
    let first_token_ns = origin_of_first
        .and_then(|(first, began)| u64::try_from(first.saturating_sub(began)).ok())
        .map(|wait| start.saturating_add(wait).min(end));
    let endpoint = draft.endpoint.clone().unwrap_or_else(|| match draft.any_model() {
        "" => "unknown".to_owned(),
        model => model.to_owned(),
    });
    let key = key(agent, draft.purpose, about, &layout, &draft);
    let response = ResponseLine {
        text: draft.text,
        finish_reason: draft.finish_reason,
        model: draft.reply_model,
        id: draft.reply_id,
        tools: draft.reply_tools,
        ..ResponseLine::default()
    };
    CallLine {
        task: 0,
        call,
        key,
        agent,
        purpose: draft.purpose,
        about,
        background: false,
        endpoint,
        released_by,
        intended_ns: asked,
        dispatched_ns: Some(start),
        first_token_ns,
        chunks_ns: Vec::new(),
        completed_ns: Some(end),
        request: RequestLine {
            model: draft.model,
            messages: draft.messages,
            parameters: draft.parameters,
            layout,
            ..RequestLine::default()
        },
        response: (draft.status == Status::Ok || response != ResponseLine::default()).then_some(response),
        usage: draft.tokens.line(),
        billed: draft.is_from_cache.then(UsageLine::default),
        possibly_billed: crate::record::transcript::Billed::default(),
        status: draft.status,
        retries: 0,
        cost: cost(draft.dollars, draft.priced_by, draft.purpose),
        duplicate: false,
        moments: Vec::new(),
        missing: draft.missing,
    }
}

fn cost(dollars: Option<f64>, priced_by: &str, purpose: Purpose) -> CostLine {
    let Some(dollars) = dollars else {
        return CostLine::unknown();
    };
    let mut roles = Roles::default();
    let amount = Picodollars((dollars * 1e12).round() as u64);
    *roles.of_mut(purpose.role()) = amount;
    CostLine { picodollars: roles, source: priced_by.to_owned() }
}

/// The content key of an imported call: who asks what for, and of which texts.
fn key(agent: u32, purpose: Purpose, about: About, layout: &[LayoutSpan], draft: &Draft) -> String {
    let mut hasher = blake3::Hasher::new();
    let head = [agent, u32::from(purpose.code()), about.line.0, about.subtask.0, u32::from(about.attempt), about.step];
    for word in head {
        hasher.update(&u64::from(word).to_le_bytes());
    }
    for span in layout {
        match &span.key {
            Some(key) => hasher.update(key.as_bytes()),
            None => hasher.update(&u64::from(span.tokens).to_le_bytes()),
        };
    }
    if layout.is_empty() {
        hasher.update(&draft.tokens.prompt.unwrap_or(0).to_le_bytes());
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

struct Numbering {
    /// By the session's own number.
    number: Vec<u32>,
    names: Vec<String>,
    workers: u32,
    leads: u32,
}

impl Numbering {
    fn new(session: &Session, order: &[usize]) -> Self {
        let mut seen: Vec<usize> = Vec::new();
        let mut is_seen = vec![false; session.agents.len()];
        for &place in order {
            let agent = session.calls[place].agent;
            if !std::mem::replace(&mut is_seen[agent], true) {
                seen.push(agent);
            }
        }
        seen.sort_by_key(|&agent| session.agents[agent].is_lead);
        let mut number = vec![0; session.agents.len()];
        for (place, &agent) in seen.iter().enumerate() {
            number[agent] = place as u32;
        }
        let leads = seen.iter().filter(|&&agent| session.agents[agent].is_lead).count() as u32;
        let names = seen.iter().map(|&agent| session.agents[agent].name.clone()).collect();
        Self { number, names, workers: seen.len() as u32 - leads, leads }
    }
}

/// What each call is about, by place in the session.
fn abouts(session: &Session, order: &[usize]) -> Vec<About> {
    let mut abouts = vec![About::default(); order.len()];
    // Per conversation: who spoke last, in which delegation, at which step.
    let mut running: Vec<Option<(usize, u32, u32)>> = vec![None; session.conversations.len()];
    let mut lead_steps = vec![0; session.agents.len()];
    let mut delegations = 0;
    for &place in order {
        let draft = &session.calls[place];
        let (subtask, step) = if session.agents[draft.agent].is_lead {
            lead_steps[draft.agent] += 1;
            running[draft.conversation] = None;
            (0, lead_steps[draft.agent] - 1)
        } else {
            let (subtask, step) = match running[draft.conversation] {
                Some((agent, subtask, step)) if agent == draft.agent && !draft.begins_delegation => (subtask, step + 1),
                _ => {
                    delegations += 1;
                    (delegations - 1, 0)
                }
            };
            running[draft.conversation] = Some((draft.agent, subtask, step));
            (subtask, step)
        };
        abouts[place] = About { line: LineId(draft.line), subtask: SubtaskId(subtask), attempt: 0, step };
    }
    abouts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an imported call cost has the role that a simulated one's has; a gist is the gate's.
    #[test]
    fn an_imported_bill_has_the_roles_of_a_simulated_one() {
        for purpose in Purpose::ALL {
            let mut roles = Roles::default();
            *roles.of_mut(purpose.role()) = Picodollars(2_000_000_000_000);
            assert_eq!(cost(Some(2.0), "log", purpose).picodollars, roles, "{}", purpose.name());
        }
        assert_eq!(cost(Some(2.0), "log", Purpose::Gist).picodollars.verification, Picodollars(2_000_000_000_000));
    }
}
