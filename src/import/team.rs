//! Sessions of calls that stand inside agents: spans, runs, observations. An agent with other agents below it is a lead;
//! one that only wraps others and asks nothing itself is none.

use super::Out;
use super::fault::ImportError;
use super::groups::{Group, Groups};
use super::moment::Nanos;
use super::session::{Draft, Session};
use crate::model::call::Purpose;
use std::collections::{BTreeMap, BTreeSet};

/// Things around one that are looked at.
pub(super) const MOST_AROUND: u32 = 1000;
/// Name of an agent that nobody names.
pub(super) const NAMELESS: &str = "agent";

/// A call and the agents around it.
pub(super) struct Made {
    /// Name of the agent that asks.
    pub(super) agent: String,
    /// The agents around it, nearest first, by numbers of the importer's own.
    pub(super) around: Vec<usize>,
    /// Order among calls of the same moment.
    pub(super) order: usize,
    pub(super) draft: Draft,
}

/// Agents of one name that are at work at the same time are several: `coder`, `coder 2`, ..
#[derive(Default)]
pub(super) struct Slots {
    ends: BTreeMap<String, Vec<Nanos>>,
}

impl Slots {
    /// The name of the first of them who is free.
    pub(super) fn take(&mut self, name: &str, start: Nanos, end: Nanos) -> String {
        let ends = self.ends.entry(name.to_owned()).or_default();
        let place = ends.iter().position(|end| *end <= start).unwrap_or(ends.len());
        if place == ends.len() {
            ends.push(end);
        } else {
            ends[place] = end;
        }
        if place == 0 { name.to_owned() } else { format!("{name} {}", place + 1) }
    }
}

/// A session: an agent inside another is a worker of it; each agent at work is a conversation.
pub(super) fn session(name: String, mut made: Vec<Made>) -> Session {
    made.sort_by_key(|m| (m.draft.start.or(m.draft.end), m.order));
    let asking: BTreeSet<usize> = made.iter().filter_map(|m| m.around.first().copied()).collect();
    for m in &mut made {
        m.around.retain(|agent| asking.contains(agent));
    }
    let names: BTreeMap<usize, String> =
        made.iter().filter_map(|m| Some((*m.around.first()?, m.agent.clone()))).collect();
    let mut leads: BTreeSet<&String> = BTreeSet::new();
    // When each agent's last call ends, those of the agents below it included.
    let mut ends: BTreeMap<usize, Nanos> = BTreeMap::new();
    for Made { agent, around, draft, .. } in &made {
        leads.extend(around.iter().skip(1).filter_map(|above| names.get(above)).filter(|above| *above != agent));
        for agent in around {
            let end = ends.entry(*agent).or_insert(Nanos::MIN);
            *end = (*end).max(draft.end.or(draft.start).unwrap_or(Nanos::MIN));
        }
    }
    let leads: BTreeSet<String> = leads.into_iter().cloned().collect();
    let mut session = Session::new(name);
    session.is_dated = true;
    let mut conversations: BTreeMap<usize, usize> = BTreeMap::new();
    let mut last: BTreeMap<usize, usize> = BTreeMap::new();
    // Conversations that a conversation opened, with their ends, until it waited for them.
    let mut open: BTreeMap<usize, Vec<(Nanos, usize)>> = BTreeMap::new();
    // The last moment of the agents that stand in none.
    let mut busy: Option<Nanos> = None;
    let mut slots = Slots::default();
    let mut slot: BTreeMap<usize, String> = BTreeMap::new();
    for Made { agent, around, mut draft, .. } in made {
        let begin = draft.start.or(draft.end).unwrap_or(Nanos::MIN);
        let own = match around.first() {
            Some(inner) if names[inner] == agent => {
                slot.entry(*inner).or_insert_with(|| slots.take(&agent, begin, ends[inner])).clone()
            }
            _ => agent.clone(),
        };
        draft.agent = session.agent(&own, leads.contains(&agent));
        if leads.contains(&agent) && draft.purpose == Purpose::Step {
            draft.purpose = Purpose::Dispatch;
        }
        let start = begin;
        match around[..] {
            [inner, outer, ..] => {
                let above = conversations.get(&outer).copied().unwrap_or(0);
                draft.conversation = *conversations.entry(inner).or_insert_with(|| {
                    let new = session.conversation(last.get(&above).copied());
                    open.entry(above).or_default().push((ends[&inner], new));
                    new
                });
            }
            [only] => {
                draft.conversation = *conversations.entry(only).or_insert_with(|| {
                    // One that begins while another is at work goes beside it.
                    let new = if busy.is_none_or(|busy| busy <= start) {
                        0
                    } else {
                        let before = last.get(&0).copied().filter(|call| session.calls[*call].end <= Some(start));
                        let new = session.conversation(before);
                        open.entry(0).or_default().push((ends[&only], new));
                        new
                    };
                    busy = busy.max(Some(ends[&only]));
                    new
                });
            }
            [] => {}
        }
        let waiting = open.entry(draft.conversation).or_default();
        draft.joins.extend(waiting.iter().filter(|(end, _)| *end <= start).map(|(_, conversation)| *conversation));
        waiting.retain(|(end, _)| *end > start);
        let conversation = draft.conversation;
        let place = session.call(draft);
        last.insert(conversation, place);
    }
    session
}

/// What a node of a tree is.
pub(super) enum Kind {
    /// A call, and its agent where it is named.
    Call(Box<Draft>, Option<String>),
    /// An agent at work.
    Agent(String),
    /// Anything else.
    Other,
}

/// A node of a tree of what happened.
pub(super) struct Node {
    pub(super) trace: String,
    pub(super) id: String,
    pub(super) parent: Option<String>,
    /// The conversation that it names.
    pub(super) session: Option<String>,
    pub(super) kind: Kind,
}

/// Writes the sessions of a forest: one per conversation that the root names, or per trace.
pub(super) fn forest(nodes: Vec<Node>, is_cut: bool, out: &mut Out<'_>) -> Result<(), ImportError> {
    let mut place: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut is_new = vec![true; nodes.len()];
    let mut repeated = 0_u64;
    for (index, node) in nodes.iter().enumerate() {
        if node.id.is_empty() {
            continue;
        }
        let first = *place.entry((node.trace.clone(), node.id.clone())).or_insert(index);
        is_new[index] = first == index;
        repeated += u64::from(first != index);
    }
    if repeated > 0 {
        out.note(format!("{repeated} records stand there twice, read once"));
    }
    let parents: Vec<Option<usize>> =
        nodes.iter().map(|node| place.get(&(node.trace.clone(), node.parent.clone()?)).copied()).collect();
    let names: Vec<Option<String>> =
        nodes.iter().map(|node| if let Kind::Agent(name) = &node.kind { Some(name.clone()) } else { None }).collect();
    let sessions: Vec<Option<String>> = nodes.iter().map(|node| node.session.clone()).collect();
    let mut groups = Groups::new();
    for (index, node) in nodes.into_iter().enumerate() {
        let Kind::Call(draft, own) = node.kind else {
            out.left_out("records around calls, or of other operations");
            continue;
        };
        if !is_new[index] {
            continue;
        }
        let mut around = Vec::new();
        let mut session = node.session;
        let (mut at, mut seen) = (parents[index], 0);
        while let Some(up) = at.filter(|_| seen < MOST_AROUND) {
            if names[up].is_some() {
                around.push(up);
            }
            session = sessions[up].clone().or(session);
            at = parents[up];
            seen += 1;
        }
        let agent = own.or_else(|| names[*around.first()?].clone()).unwrap_or_else(|| NAMELESS.to_owned());
        let session = session.unwrap_or(node.trace);
        let session = if session.is_empty() { "trace".to_owned() } else { session };
        groups.push(&session, Made { agent, around, order: index, draft: *draft });
    }
    for Group { name, things, .. } in groups.into_groups() {
        let mut session = session(name, things);
        session.is_cut = is_cut;
        out.session(session)?;
    }
    Ok(())
}
