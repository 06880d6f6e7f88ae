//! Who is who in logs of plain requests, which name no agent: callers with different instructions are different agents;
//! one that can hand work over is a lead.

use super::session::{Draft, Session, Tokens};
use super::team::Slots;
use crate::model::call::Purpose;
use std::collections::BTreeMap;

/// Parts of tool names that hand work over.
const HANDS_OVER: &[&str] =
    &["delegate", "transfer_to", "handoff", "hand_off", "dispatch_agent", "spawn_agent", "send_task"];

/// Note of a session whose agents were told apart by their instructions.
const BY_PROMPT: &str = "agents: not named; told apart by their instructions";

/// A call, and what its record tells of who asked and why.
pub(super) struct Caller {
    pub(super) agent: Option<String>,
    pub(super) purpose: Option<Purpose>,
    pub(super) draft: Draft,
}

impl Caller {
    /// A call that tells no purpose.
    pub(super) fn of(agent: Option<String>, draft: Draft) -> Self {
        Self { agent, purpose: None, draft }
    }
}

/// Builds a session from calls that may name their agents; calls are in order.
pub(super) fn session(name: String, calls: Vec<Caller>) -> Session {
    let mut session = Session::new(name);
    let mut prompts: BTreeMap<String, String> = BTreeMap::new();
    let mut named: Vec<(String, Option<Purpose>, Draft)> = Vec::with_capacity(calls.len());
    let mut leads: Vec<String> = Vec::new();
    for Caller { agent, purpose, draft } in calls {
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
        named.push((agent, purpose, draft));
    }
    leads.extend(told_leads(&named));
    let is_team = named.iter().any(|(agent, ..)| *agent != named[0].0);
    if is_team && prompts.is_empty() {
        // One agent does one thing at a time.
        let mut slots = Slots::default();
        for (agent, purpose, draft) in &mut named {
            let end = draft.end.or(draft.start.zip(draft.length).and_then(|(start, length)| start.checked_add(length)));
            if let (Some(start), Some(end)) = (draft.start.filter(|_| !draft.start_is_bound), end)
                && !leads.contains(agent)
                // What is told to be no step may run beside the agent's own work.
                && purpose.is_none_or(|purpose| purpose == Purpose::Step)
            {
                *agent = slots.take(agent, start, end);
            }
        }
    }
    if prompts.len() > 1 {
        session.miss(BY_PROMPT);
    }
    let mut has_planned = false;
    let mut pasts: BTreeMap<String, Past> = BTreeMap::new();
    for (agent, told, mut draft) in named {
        let is_lead = is_team && leads.contains(&agent);
        draft.agent = session.agent(&agent, is_lead);
        draft.purpose = told.unwrap_or(match (is_lead, draft.reply_tools.is_empty()) {
            (false, _) => Purpose::Step,
            (true, true) => Purpose::Finalize,
            (true, false) if has_planned => Purpose::Dispatch,
            (true, false) => Purpose::Plan,
        });
        has_planned |= is_lead;
        draft.begins_delegation = is_team && !is_lead && pasts.entry(agent).or_default().is_over(&draft);
        session.call(draft);
    }
    session
}

/// Agents that are told to coordinate and never to take a step.
fn told_leads(named: &[(String, Option<Purpose>, Draft)]) -> Vec<String> {
    let mut leads: BTreeMap<&String, bool> = BTreeMap::new();
    for (agent, purpose, _) in named {
        match purpose {
            Some(Purpose::Plan | Purpose::Dispatch | Purpose::MoreSubtasks | Purpose::Merge) => {
                leads.entry(agent).or_insert(true);
            }
            Some(Purpose::Step) | None => {
                leads.insert(agent, false);
            }
            Some(_) => {}
        }
    }
    leads.into_iter().filter(|(_, leads)| *leads).map(|(agent, _)| agent.clone()).collect()
}

/// What a worker has been at.
#[derive(Default)]
struct Past {
    /// Tokens of the prompt of its last step.
    prompt: u64,
    /// The same, with what it answered in words.
    history: u64,
    /// It has told what came of it since.
    has_told: bool,
}

impl Past {
    /// Whether a call of the worker begins something new: a step after what came of the last ones was told, or without
    /// any history. Where no text tells the history, a prompt does that is too short to hold it, or a cache that held the
    /// instructions and not the last prompt.
    fn is_over(&mut self, call: &Draft) -> bool {
        if call.purpose != Purpose::Step {
            self.has_told |= matches!(call.purpose, Purpose::Gist | Purpose::Report);
            return false;
        }
        let Tokens { prompt, cached, completion, reasoning, .. } = call.tokens;
        let prompt = prompt.filter(|_| call.messages.is_empty());
        let is_over = match prompt {
            Some(prompt) => prompt < self.history || (1..self.prompt / 2).contains(&cached),
            None => call.messages.iter().all(|m| !matches!(m.role.as_str(), "assistant" | "tool")),
        };
        let said = completion.unwrap_or(0).saturating_sub(reasoning.unwrap_or(0));
        self.prompt = prompt.unwrap_or(0);
        self.history = prompt.map_or(0, |prompt| prompt + said);
        std::mem::take(&mut self.has_told) || is_over
    }
}

fn hands_over(draft: &Draft) -> bool {
    let says = |text: &str| HANDS_OVER.iter().any(|word| text.contains(word));
    draft.reply_tools.iter().any(|tool| says(tool)) || (!draft.tools_text.is_empty() && says(&draft.tools_text))
}
