//! What a policy owes, held against what it says. The worlds, the trace and live texts rebuild a policy's data from its
//! notes, so a policy whose notes do not add up gives figures that mean nothing. Debug builds keep this ledger.
//!
//! Invariant: a ledger refuses nothing that a policy of the catalogue does.

use crate::model::call::Outcome;
use crate::model::ids::{AgentId, CallId, FindingId, LineId, SubtaskId};
use crate::model::note::Note;
use crate::policy::{Command, Event};
use std::collections::{BTreeMap, BTreeSet};

/// The debts of one task's policy.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Calls that have not been answered, with their agent if they are its own work.
    open: BTreeMap<CallId, Option<AgentId>>,
    /// Agents with a call of their own in flight.
    busy: BTreeSet<AgentId>,
    /// Findings before the gate.
    proposed: BTreeSet<FindingId>,
    /// Subtasks that exist.
    created: u32,
    /// Those in somebody's hands.
    claimed: BTreeSet<SubtaskId>,
    submitted: Vec<(AgentId, LineId, Option<FindingId>)>,
    finished: bool,
}

/// A word that was broken, or none.
type Kept = Result<(), String>;

fn ensure(kept: bool, broken: impl FnOnce() -> String) -> Kept {
    if kept { Ok(()) } else { Err(broken()) }
}

impl Ledger {
    /// The world answers.
    pub(super) fn hears(&mut self, event: &Event) {
        if let Event::Replied(call, _) | Event::Failed(call, _) = event {
            self.ends(*call);
        }
    }

    /// The policy speaks.
    pub(super) fn says(&mut self, command: &Command) -> Kept {
        ensure(!self.finished, || format!("it speaks after its end: {command:?}"))?;
        match command {
            Command::Call(call, request) => {
                let own = (!request.background).then_some(request.agent);
                let free = own.is_none_or(|agent| self.busy.insert(agent));
                self.open.insert(*call, own);
                ensure(free, || {
                    format!(
                        "agent {} asks ({:?}) while a call of its own is in flight",
                        request.agent.0, request.purpose
                    )
                })
            }
            Command::Cancel(call) => {
                let open = self.ends(*call);
                ensure(open, || format!("call {} is cancelled and is not in flight", call.0))
            }
            Command::SetTimer(..) | Command::CancelTimer(_) => Ok(()),
            Command::Note(note) => self.note(note),
            Command::Finish(outcome) => self.finish(outcome),
        }
    }

    /// Whether the call was in flight.
    fn ends(&mut self, call: CallId) -> bool {
        let Some(own) = self.open.remove(&call) else { return false };
        if let Some(agent) = own {
            self.busy.remove(&agent);
        }
        true
    }

    fn note(&mut self, note: &Note) -> Kept {
        match *note {
            Note::Created { first, count } => {
                let next = self.created;
                self.created += count;
                ensure(first == next, || format!("subtasks from {first} are created where {next} is next"))
            }
            Note::Claimed(agent, subtask) if subtask.0 < self.created => {
                let free = self.claimed.insert(subtask);
                ensure(free, || format!("agent {} claims subtask {}, which is in hand", agent.0, subtask.0))
            }
            Note::Released(_, subtask) | Note::Done(subtask) | Note::Abandoned(subtask) => {
                let held = self.claimed.remove(&subtask);
                ensure(held, || format!("{note:?}: the subtask is in nobody's hands"))
            }
            Note::Proposed(_, finding) => {
                let new = self.proposed.insert(finding);
                ensure(new, || format!("finding {} is proposed twice without a verdict", finding.0))
            }
            Note::Admitted { finding, .. } | Note::Rejected(_, finding) | Note::Withdrawn(_, finding) => {
                let waited = self.proposed.remove(&finding);
                ensure(waited, || format!("{note:?}: it was not proposed, or had its verdict"))
            }
            Note::Submitted(agent, line, finding) => {
                self.submitted.push((agent, line, finding));
                Ok(())
            }
            // The lines of `search` are claimed by their own workers over and over.
            Note::Claimed(..) | Note::Phase(..) | Note::Kept { .. } | Note::Compacted(_) | Note::GaveUp(..) => Ok(()),
        }
    }

    fn finish(&mut self, outcome: &Outcome) -> Kept {
        self.finished = true;
        ensure(self.proposed.is_empty(), || {
            format!(
                "it ends while finding {} waits for a verdict; withdraw it",
                self.proposed.iter().next().expect("one").0
            )
        })?;
        let unsaid = outcome.submissions.iter().find(|s| !self.submitted.contains(&(s.agent, s.line, s.finding)));
        ensure(unsaid.is_none(), || format!("{unsaid:?} is handed in and no note `Submitted` tells of it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::call::{CallError, Prompt, Purpose, Request, Submission};
    use crate::model::ids::About;

    fn call(id: u64, agent: u32, background: bool) -> Command {
        let request = Request::new(AgentId(agent), Purpose::Step, About::default(), Prompt::new());
        Command::Call(CallId(id), Box::new(Request { background, ..request }))
    }

    /// What is said of the last command; the others must keep their word.
    fn last(commands: &[Command]) -> Kept {
        let mut ledger = Ledger::default();
        let (last, rest) = commands.split_last().unwrap();
        for command in rest {
            assert_eq!(ledger.says(command), Ok(()), "{command:?}");
        }
        ledger.says(last)
    }

    #[test]
    fn broken_words_are_told() {
        let note = Command::Note;
        let created = note(Note::Created { first: 0, count: 2 });
        let claimed = note(Note::Claimed(AgentId(0), SubtaskId(1)));
        let proposed = note(Note::Proposed(AgentId(0), FindingId(3)));
        let rejected = note(Note::Rejected(AgentId(0), FindingId(3)));
        let handed = Submission { agent: AgentId(0), line: LineId(0), finding: None };
        let finish = |submissions: &[Submission]| Command::Finish(Outcome::of(submissions.to_vec()));
        let rows: &[(&[Command], &str)] = &[
            (&[call(0, 1, false), call(1, 1, false)], "while a call of its own is in flight"),
            (&[Command::Cancel(CallId(0))], "not in flight"),
            (&[created.clone(), claimed.clone(), claimed.clone()], "in hand"),
            (&[created.clone(), note(Note::Done(SubtaskId(1)))], "in nobody's hands"),
            (&[created.clone(), created.clone()], "where 2 is next"),
            (&[proposed.clone(), proposed.clone()], "proposed twice"),
            (std::slice::from_ref(&rejected), "was not proposed"),
            (&[proposed.clone(), finish(&[])], "withdraw it"),
            (&[finish(&[handed])], "no note `Submitted`"),
            (&[finish(&[]), call(0, 0, false)], "after its end"),
        ];
        for (commands, wanted) in rows {
            let told = last(commands).unwrap_err();
            assert!(told.contains(wanted), "{told}");
        }
    }

    #[test]
    fn kept_words_pass() {
        let note = Command::Note;
        let submitted = note(Note::Submitted(AgentId(0), LineId(0), None));
        let handed = Submission { agent: AgentId(0), line: LineId(0), finding: None };
        let finish = Command::Finish(Outcome::of(vec![handed]));
        assert_eq!(last(&[submitted, finish]), Ok(()));
        assert_eq!(last(&[call(0, 1, false), call(1, 1, true), call(2, 2, false)]), Ok(()), "background, or another");
        assert_eq!(last(&[call(0, 1, false), Command::Cancel(CallId(0)), call(1, 1, false)]), Ok(()));
        let mut ledger = Ledger::default();
        ledger.says(&call(0, 1, false)).unwrap();
        ledger.hears(&Event::Failed(CallId(0), CallError::Server));
        assert_eq!(ledger.says(&call(1, 1, false)), Ok(()));
    }
}
