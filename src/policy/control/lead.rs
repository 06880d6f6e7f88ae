//! Lead control: a model plans, briefs workers, collects and merges their reports. Rounds (serial, pipelined or parallel
//! dispatch; barriers of several kinds), one delegate at a time, or asynchronous service in order of arrival.
//!
//! ```text
//! lead:    Plan -> [ Dispatch.. -> (round) -> Merge ]* -> MoreSubtasks? -> Finalize          (rounds)
//!          Plan -> Dispatch per arrival, first come first served -> ...                       (served)
//! worker:  Free -> Due -> Working -> [Reporting -> Judging | Admitting ->] Free -> ...
//! ```
//!
//! What workers read of others is the store's: their brief retells it (relay) or refers to it (artifacts), a board shows
//! it (shared), or nothing does. What passes no gate reaches neither the lead's notebook nor the board.
//!
//! Invariant: a lead has one call in flight; a worker starts only on a brief; everything that happens touches those whom
//! it concerns, never the whole team.

mod collecting;
mod ending;
mod jobs;
mod reporting;
mod rounds;
mod served;

use super::Form;
use super::agenda::{Agenda, Lines};
use crate::model::Limit;
use crate::model::call::{Answer, CallError, Finding, PromptSpan, Reply, SpanRole, SubtaskList};
use crate::model::ids::{About, AgentId, CallId, StoreId, TimerId};
use crate::model::note::{Note, Phase};
use crate::model::queue::TaskQueue;
use crate::policy::board::{Board, Notebook, private};
use crate::policy::calls::InFlight;
use crate::policy::gate::{Admission, NoteGate};
use crate::policy::prompt;
use crate::policy::protocol::Outbox;
use crate::policy::settings::{self, LeadWork, Settings};
use crate::policy::worker::{Next, Notes, Worker};
use jobs::{Desk, Job};
use rounds::Rounds;
use served::Served;
use std::sync::Arc;

/// What a call is for.
#[derive(Debug)]
pub(crate) enum For {
    Job(AgentId, Job),
    Compact(AgentId, Job),
    Work(u32),
    Report(u32),
    /// Judges the report of a worker.
    Judge(u32),
    /// Judges a note of a worker, who works on.
    Note(u32, Finding),
    Admission(u32, Box<Admission>),
}

/// Where a worker stands.
#[derive(Debug)]
enum Stage {
    /// Nothing in hand.
    Free,
    /// The lead has decided on this; the brief, or the round's start, is still to come.
    Due { about: About, brief: Option<Finding> },
    /// Steps and tools.
    Working { about: About },
    /// This call writes a report.
    Reporting { about: About, call: CallId },
    /// This call judges the report.
    Judging { about: About, report: Finding, call: CallId },
    /// This call writes or judges what is to become readable.
    Admitting { about: About, call: CallId },
}

impl Stage {
    /// What is in hand.
    fn about(&self) -> Option<About> {
        match *self {
            Self::Free => None,
            Self::Due { about, .. }
            | Self::Working { about }
            | Self::Reporting { about, .. }
            | Self::Judging { about, .. }
            | Self::Admitting { about, .. } => Some(about),
        }
    }
}

#[derive(Debug)]
struct Member {
    worker: Worker,
    stage: Stage,
    gate: NoteGate,
    /// The board as the worker saw it last, where there is one.
    snapshot: Option<PromptSpan>,
    /// The result itself, where that is stored besides being told of.
    artifact: Option<Finding>,
}

/// A report on its way into the notebook.
#[derive(Clone, Copy, Debug)]
struct Told {
    author: AgentId,
    report: Finding,
    /// It has passed a gate, and the notebook is the first to hold it.
    gated: bool,
}

/// When workers are handed something.
#[derive(Debug)]
enum Flow {
    Rounds(Rounds),
    Served(Served),
}

/// A lead with its workers.
#[derive(Debug)]
pub(crate) struct Lead {
    s: Arc<Settings>,
    own: settings::Lead,
    members: Vec<Member>,
    agenda: Agenda,
    flow: Flow,
    /// What was admitted (or stored, as an artifact) for all workers, and the window they see of it.
    board: Option<(Board, Limit)>,
    notebook: Notebook,
    /// Notebooks that were compacted.
    compacted: u32,
    /// Compactions asked for, ended or not: each meets luck of its own.
    compactions: u32,
    desk: Desk,
    calls: InFlight<For>,
    /// Workers with something in hand.
    out: u32,
    /// How often the lead looked for something to hand out.
    handed_out: u32,
    more_asked: u32,
    deadline: Option<TimerId>,
    /// The deadline has passed.
    late: bool,
    /// Nothing is handed out any more.
    ending: bool,
    over: bool,
}

impl Lead {
    /// On `search`: one line per worker, `budgets_per_line` budgets each.
    pub(crate) fn on_lines(s: Arc<Settings>, own: &settings::Lead, workers: u32, budgets_per_line: u32) -> Self {
        let most = match own.work {
            LeadWork::Lines { max_delegations, .. } => max_delegations.saturating_mul(budgets_per_line),
            LeadWork::Subtasks { .. } => u32::MAX,
        };
        Self::new(s, own, workers, Agenda::Lines(Lines::new(workers, most)))
    }

    /// On `divide`.
    pub(crate) fn on_subtasks(s: Arc<Settings>, own: &settings::Lead, workers: u32) -> Self {
        Self::new(s, own, workers, Agenda::Subtasks { queue: TaskQueue::default(), source_tokens: Vec::new() })
    }

    fn new(s: Arc<Settings>, own: &settings::Lead, n: u32, agenda: Agenda) -> Self {
        let gate = own.gate();
        let member = |i| Member {
            worker: Worker::new(AgentId(i)),
            stage: Stage::Free,
            gate: NoteGate::new(gate, AgentId(i)),
            snapshot: None,
            artifact: None,
        };
        Self {
            members: (0..n).map(member).collect(),
            agenda,
            flow: match own.round() {
                Some(rules) => Flow::Rounds(Rounds::new(own.dispatch(), rules, n)),
                None => Flow::Served(Served::new(n)),
            },
            board: own.store.board().map(|board| (Board::new(n), board.board_window_tokens)),
            notebook: Notebook::new(private(AgentId(n))),
            compacted: 0,
            compactions: 0,
            desk: Desk::new(n, own.leads()),
            calls: InFlight::default(),
            out: 0,
            handed_out: 0,
            more_asked: 0,
            deadline: None,
            late: false,
            ending: false,
            over: false,
            own: own.clone(),
            s,
        }
    }

    fn extend(&mut self, list: &SubtaskList, out: &mut Outbox) {
        if list.count == 0 && self.agenda.created() > 0 {
            self.wrap_up(out);
            return;
        }
        out.note(Note::Created { first: list.first, count: list.count });
        self.agenda.extend(list);
        self.hand_out(out);
    }

    /// Finds something for workers that are free, and has them briefed; ends the task if there is nothing and nobody is
    /// out.
    fn hand_out(&mut self, out: &mut Outbox) {
        if self.ending {
            return;
        }
        self.handed_out += 1;
        let chosen = match &mut self.flow {
            Flow::Rounds(rounds) => self.agenda.round(rounds.most()),
            Flow::Served(served) => served.choose(&mut self.agenda),
        };
        for &(i, about) in &chosen {
            self.members[i as usize].stage = Stage::Due { about, brief: None };
            out.note(Note::Claimed(AgentId(i), about.subtask));
            out.note(Note::Phase(AgentId(i), Phase::RelayWait));
        }
        if chosen.is_empty() {
            if self.out == 0 {
                self.nothing_left(out);
            }
            return;
        }
        self.out += chosen.len() as u32;
        let workers: Vec<u32> = chosen.into_iter().map(|(i, _)| i).collect();
        match &mut self.flow {
            Flow::Rounds(rounds) => {
                let round = rounds.open(&workers);
                if rounds.briefs_all_at_once() {
                    self.enqueue(Job::Brief(round, workers), out);
                } else {
                    for i in workers {
                        self.enqueue(Job::Brief(round, vec![i]), out);
                    }
                }
            }
            Flow::Served(_) => {
                for i in workers {
                    self.enqueue(Job::Brief(0, vec![i]), out);
                }
            }
        }
    }

    /// A worker starts on what is due.
    fn begin(&mut self, i: u32, out: &mut Outbox) {
        let (about, brief) = match self.members[i as usize].stage {
            Stage::Due { about, brief } => (about, brief),
            ref stage => unreachable!("a briefed worker has something due, not {stage:?}"),
        };
        let mut fixed: Vec<PromptSpan> = self.agenda.source(&about).into_iter().collect();
        fixed.extend(brief.map(|b| prompt::finding(&b, SpanRole::Reports)));
        let report = self.report_by_the_way();
        let member = &mut self.members[i as usize];
        member.worker.begin(about, &fixed, true, self.s.delegation_tokens, &self.s);
        member.worker.ask_report(report);
        member.gate.begin();
        member.stage = Stage::Working { about };
        self.look(i);
        self.step(i, out);
    }

    /// The worker reads the board, where there is one.
    fn look(&mut self, i: u32) {
        if let Some((board, window)) = &mut self.board {
            self.members[i as usize].snapshot = Some(board.read(AgentId(i), *window));
        }
    }

    fn step(&mut self, i: u32, out: &mut Outbox) {
        // A line reads on while it works; a subtask, and whoever follows references, rests on what stood there when it
        // began.
        if matches!(self.agenda, Agenda::Lines(_)) && self.own.store.is_shared() {
            self.look(i);
        }
        let member = &mut self.members[i as usize];
        let call = member.worker.step(member.snapshot, &self.s, out);
        self.calls.insert(call, For::Work(i));
    }

    fn go_on(&mut self, i: u32, notes: &Notes, next: Next, out: &mut Outbox) {
        self.publish(i, notes, out);
        match next {
            Next::Step | Next::Compacted { .. } => self.step(i, out),
            Next::Tool => {
                let call = self.members[i as usize].worker.tool(out);
                self.calls.insert(call, For::Work(i));
            }
            Next::Done(Some(result)) => self.worked(i, &result, out),
            Next::Done(None) => self.back(i, None, None, out),
        }
    }

    /// Stops a call; what stood before the gate is taken back.
    fn call_off(&mut self, call: CallId, out: &mut Outbox) {
        out.cancel(call);
        if let Some(what) = self.calls.take(call) {
            self.withdraw(&what, out);
        }
    }

    /// A call was stopped: what it would have judged is taken back.
    fn withdraw(&self, what: &For, out: &mut Outbox) {
        let (i, finding) = match what {
            For::Judge(i) => match &self.members[*i as usize].stage {
                Stage::Judging { report, .. } => (*i, Some(report.id)),
                _ => (*i, None),
            },
            For::Note(i, note) => (*i, Some(note.id)),
            For::Admission(i, admission) => (*i, admission.gist.map(|gist| gist.id)),
            For::Job(..) | For::Compact(..) | For::Work(_) | For::Report(_) => return,
        };
        if let Some(finding) = finding {
            out.note(Note::Withdrawn(AgentId(i), finding));
        }
    }
}

impl Form for Lead {
    type For = For;

    fn calls(&mut self) -> &mut InFlight<For> {
        &mut self.calls
    }

    fn start(&mut self, out: &mut Outbox) {
        for i in 0..self.members.len() as u32 {
            out.note(Note::Phase(AgentId(i), Phase::StartUp));
        }
        for lead in self.desk.idle() {
            out.note(Note::Phase(lead, Phase::InputWait));
        }
        self.deadline = out.set_deadline(self.s.deadline_s);
        if matches!(self.own.work, LeadWork::Lines { plan: false, .. }) {
            self.hand_out(out);
        } else {
            self.enqueue(Job::Plan, out);
        }
    }

    fn replied(&mut self, what: For, reply: &Reply, out: &mut Outbox) {
        match (what, &reply.answer) {
            (For::Job(lead, job), answer) => self.job_done(lead, job, Some(answer), out),
            (For::Compact(lead, job), Answer::Digest(digest)) => {
                self.compacted += 1;
                let store = StoreId(self.members.len() as u32 + self.own.leads() + self.compacted);
                self.notebook.replace(store, digest, out);
                out.note(Note::Compacted(lead));
                // Once: a digest that is still too long would not get shorter by another.
                self.call_for(lead, job, out);
            }
            (For::Work(i), _) => {
                let (notes, next) = self.members[i as usize].worker.on_reply(reply, &self.s, out);
                self.go_on(i, &notes, next, out);
            }
            (For::Report(i), Answer::Report(report)) => self.reported(i, report, out),
            (For::Judge(i), Answer::Verdict { accepted }) => self.judged(i, *accepted, out),
            (For::Note(i, note), Answer::Verdict { accepted }) => self.note_judged(i, &note, *accepted, out),
            (For::Admission(i, mut admission), answer) => {
                let standing = admission.on_reply(answer, &self.s, out);
                self.admission(i, admission, standing, out);
            }
            (what, answer) => unreachable!("{what:?} was answered with {answer:?}"),
        }
    }

    /// A job without an answer is done without one, a failed step is a lost step, a report that cannot be written is
    /// lost. What a judge cannot judge passes if it has no second writing, and is written again if it has.
    fn failed(&mut self, what: For, error: CallError, out: &mut Outbox) {
        match what {
            For::Job(lead, job) | For::Compact(lead, job) => self.job_done(lead, job, None, out),
            For::Work(i) => {
                let next = self.members[i as usize].worker.on_failure(error, out);
                self.go_on(i, &Notes::new(), next, out);
            }
            For::Report(i) => self.back(i, None, None, out),
            For::Judge(i) => self.judged(i, true, out),
            For::Note(i, note) => self.note_judged(i, &note, true, out),
            For::Admission(i, mut admission) => {
                let standing = admission.on_failure(&self.s, out);
                self.admission(i, admission, standing, out);
            }
        }
    }

    fn timer(&mut self, timer: TimerId, out: &mut Outbox) {
        if self.deadline == Some(timer) {
            self.deadline = None;
            self.time_is_up(out);
        } else if let Flow::Rounds(rounds) = &mut self.flow
            && rounds.is_cut_off(timer)
        {
            self.end_round(out);
        }
    }
}
