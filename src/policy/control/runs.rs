//! Several runs of a form side by side: teams that never hear of each other, each with a lead or a board of its own; all
//! of them submit. With runs of one worker this is what repeated attempts at a benchmark are (Pass@k).
//!
//! Invariant: a run's agents, lines and stores are no other run's; a run does what it would do alone.

use super::nested::Switchboard;
use crate::kernel::Time;
use crate::model::call::{Content, Outcome, PromptSpan, Request, Submission};
use crate::model::ids::{AgentId, LineId, StoreId};
use crate::model::note::Note;
use crate::model::workload::Team;
use crate::policy::protocol::{Command, Event, Outbox, Policy};

/// Where a run's members stand among those of all.
#[derive(Clone, Copy, Debug)]
struct Place {
    run: u32,
    runs: u32,
    workers: u32,
    first_worker: u32,
    first_lead: u32,
    first_line: u32,
}

impl Place {
    fn agent(self, agent: AgentId) -> AgentId {
        match agent.0.checked_sub(self.workers) {
            None => AgentId(self.first_worker + agent.0),
            Some(lead) => AgentId(self.first_lead + lead),
        }
    }

    fn line(self, line: LineId) -> LineId {
        LineId(self.first_line + line.0)
    }

    /// Stores are made as they are needed, in every run; they take turns.
    fn store(self, store: StoreId) -> StoreId {
        StoreId(store.0 * self.runs + self.run)
    }

    fn span(self, span: PromptSpan) -> PromptSpan {
        let content = match span.content {
            Content::View { store, first, version } => Content::View { store: self.store(store), first, version },
            Content::History { agent, epoch } => Content::History { agent: self.agent(agent), epoch },
            same @ (Content::Instructions(_)
            | Content::Task
            | Content::Source(_)
            | Content::Finding(_)
            | Content::Unfolded(_)
            | Content::Fresh) => same,
        };
        PromptSpan { content, ..span }
    }

    fn request(self, request: &mut Request) {
        request.agent = self.agent(request.agent);
        request.about.line = self.line(request.about.line);
        for span in &mut request.prompt {
            *span = self.span(*span);
        }
    }

    fn note(self, note: Note) -> Note {
        match note {
            Note::Phase(agent, phase) => Note::Phase(self.agent(agent), phase),
            Note::Claimed(agent, subtask) => Note::Claimed(self.agent(agent), subtask),
            Note::Released(agent, subtask) => Note::Released(self.agent(agent), subtask),
            Note::Proposed(agent, finding) => Note::Proposed(self.agent(agent), finding),
            Note::Rejected(agent, finding) => Note::Rejected(self.agent(agent), finding),
            Note::Withdrawn(agent, finding) => Note::Withdrawn(self.agent(agent), finding),
            Note::Admitted { agent, store, finding, tokens, version, stale_by } => {
                let (agent, store) = (self.agent(agent), self.store(store));
                Note::Admitted { agent, store, finding, tokens, version, stale_by }
            }
            Note::Kept { store, finding, version } => Note::Kept { store: self.store(store), finding, version },
            Note::Compacted(agent) => Note::Compacted(self.agent(agent)),
            Note::GaveUp(agent, error) => Note::GaveUp(self.agent(agent), error),
            Note::Submitted(agent, line, finding) => Note::Submitted(self.agent(agent), self.line(line), finding),
            same @ (Note::Created { .. } | Note::Done(_) | Note::Abandoned(_)) => same,
        }
    }

    fn command(self, mut command: Command) -> Command {
        match &mut command {
            Command::Call(_, request) => self.request(request),
            Command::Note(note) => *note = self.note(*note),
            Command::Finish(outcome) => {
                for Submission { agent, line, .. } in &mut outcome.submissions {
                    (*agent, *line) = (self.agent(*agent), self.line(*line));
                }
            }
            Command::Cancel(_) | Command::SetTimer(..) | Command::CancelTimer(_) => {}
        }
        command
    }
}

struct Run {
    policy: Box<dyn Policy>,
    place: Place,
    out: Outbox,
    outcome: Option<Outcome>,
}

/// Runs side by side.
struct Runs {
    runs: Vec<Run>,
    switchboard: Switchboard,
    open: usize,
}

/// The policy that has all these runs, and its team.
pub(crate) fn side_by_side(runs: Vec<(Box<dyn Policy>, Team)>) -> (Box<dyn Policy>, Team) {
    let sum = |of: fn(&Team) -> u32| runs.iter().map(|(_, team)| of(team)).sum::<u32>();
    let (workers, count) = (sum(|team| team.workers), runs.len() as u32);
    // Runs differ in size by the last one at most; a line has the budgets of the largest.
    let budgets_per_line = runs.iter().map(|(_, team)| team.budgets_per_line).max().unwrap_or(1);
    let team =
        Team { workers, leads: sum(|team| team.leads), lines: sum(|team| team.lines), budgets_per_line, ..runs[0].1 };
    let (mut first_worker, mut first_lead, mut first_line) = (0, workers, 0);
    let mut placed = Vec::with_capacity(runs.len());
    for (run, (policy, team)) in (0..).zip(runs) {
        let place = Place { run, runs: count, workers: team.workers, first_worker, first_lead, first_line };
        first_worker += team.workers;
        first_lead += team.leads;
        first_line += team.lines;
        placed.push(Run { policy, place, out: Outbox::default(), outcome: None });
    }
    (Box::new(Runs { open: placed.len(), runs: placed, switchboard: Switchboard::default() }), team)
}

impl Runs {
    fn tell(&mut self, run: u32, now: Time, event: &Event, out: &mut Outbox) {
        let Run { policy, place, out: own, outcome } = &mut self.runs[run as usize];
        policy.handle(now, event, own);
        for command in own.drain() {
            if let Some(end) = self.switchboard.outwards(run, place.command(command), out) {
                *outcome = Some(end);
                self.open -= 1;
            }
        }
        if self.open == 0 {
            let ends = self.runs.iter_mut().filter_map(|run| run.outcome.take());
            out.finish(Outcome::of(ends.flat_map(|end| end.submissions).collect()));
        }
    }
}

impl Policy for Runs {
    fn handle(&mut self, now: Time, event: &Event, out: &mut Outbox) {
        if matches!(event, Event::Started) {
            (0..self.runs.len() as u32).for_each(|run| self.tell(run, now, event, out));
        } else if let Some((run, event)) = self.switchboard.inwards(event) {
            self.tell(run, now, &event, out);
        }
    }
}
