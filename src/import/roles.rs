//! Who is who in logs of plain requests, which name no agent: callers with different instructions are different agents;
//! one that can hand work over is a lead.

use super::session::{Draft, Session};
use super::team::Slots;
use crate::model::call::Purpose;
use std::collections::BTreeMap;

/// Parts of tool names that hand work over.
const HANDS_OVER: &[&str] =
    &["delegate", "transfer_to", "handoff", "hand_off", "dispatch_agent", "spawn_agent", "send_task"];

/// Note of a session whose agents were told apart by their instructions.
const BY_PROMPT: &str = "agents: not named; told apart by their instructions";

/// Builds a session from calls that may name their agents; calls are in order.
pub(super) fn session(name: String, calls: Vec<(Option<String>, Draft)>) -> Session {
    let mut session = Session::new(name);
    let mut prompts: BTreeMap<String, String> = BTreeMap::new();
    let mut named: Vec<(String, Draft)> = Vec::with_capacity(calls.len());
    let mut leads: Vec<String> = Vec::new();
    for (agent, draft) in calls {
        let agent = agent.unwrap_or_else(|| {
            let is_instruction = |role: &str| matches!(role, "system" | "developer");
            let own: String =
                draft.messages.iter().filter(|m| is_instruction(&m.role)).map(|m| m.content.as_str()).collect();
            let next = format!("agent {}", prompts.len() + 1);
            prompts.entry(own).or_insert(next).clone()
        });
        if hands_over(&draft) && !leads.contains(&agent) {
            leads.push(agent.clone());
        }
        named.push((agent, draft));
    }
    let is_team = named.iter().any(|(agent, _)| *agent != named[0].0);
    if is_team && prompts.is_empty() {
        // One agent does one thing at a time.
        let mut slots = Slots::default();
        for (agent, draft) in &mut named {
            let end = draft.end.or(draft.start.zip(draft.length).and_then(|(start, length)| start.checked_add(length)));
            if let (Some(start), Some(end)) = (draft.start.filter(|_| !draft.start_is_bound), end)
                && !leads.contains(agent)
            {
                *agent = slots.take(agent, start, end);
            }
        }
    }
    if prompts.len() > 1 {
        session.miss(BY_PROMPT);
    }
    let mut has_planned = false;
    for (agent, mut draft) in named {
        let is_lead = is_team && leads.contains(&agent);
        draft.agent = session.agent(&agent, is_lead);
        draft.purpose = match (is_lead, draft.reply_tools.is_empty()) {
            (false, _) => Purpose::Step,
            (true, true) => Purpose::Finalize,
            (true, false) if has_planned => Purpose::Dispatch,
            (true, false) => Purpose::Plan,
        };
        has_planned |= is_lead;
        // A worker that is asked without any history is asked anew.
        draft.begins_delegation =
            is_team && !is_lead && draft.messages.iter().all(|m| !matches!(m.role.as_str(), "assistant" | "tool"));
        session.call(draft);
    }
    session
}

fn hands_over(draft: &Draft) -> bool {
    let says = |text: &str| HANDS_OVER.iter().any(|word| text.contains(word));
    draft.reply_tools.iter().any(|tool| says(tool)) || (!draft.tools_text.is_empty() && says(&draft.tools_text))
}
