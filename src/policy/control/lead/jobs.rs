//! The lead's own work, first come first served: plans, briefs, merges, the question for more, the answer.
//!
//! Invariant: an idle lead never leaves a job waiting; a notebook that outgrows the window is compacted before it is
//! sent, or, when there is no time for that, shown as far as its newest entries fit.

use super::{Flow, For, Lead};
use crate::model::call::{Answer, PromptSpan, Purpose, Request, prompt_tokens};
use crate::model::ids::{About, AgentId, SubtaskId};
use crate::model::note::{Note, Phase};
use crate::policy::prompt;
use crate::policy::protocol::Outbox;
use crate::policy::settings::LeadStore;
use crate::policy::worker::COMPACT_STEP;
use std::collections::VecDeque;

/// What a lead has to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Job {
    Plan,
    /// Brief these workers of the round after so many that ended.
    Brief(u32, Vec<u32>),
    Merge(u32),
    More,
    Finalize,
}

/// Jobs that wait, and leads that wait for jobs.
#[derive(Debug)]
pub(super) struct Desk {
    idle: VecDeque<AgentId>,
    jobs: VecDeque<Job>,
}

impl Desk {
    /// `leads` leads whose ids follow those of `workers` workers.
    pub(super) fn new(workers: u32, leads: u32) -> Self {
        Self { idle: (workers..workers + leads).map(AgentId).collect(), jobs: VecDeque::new() }
    }

    /// Leads that wait for jobs.
    pub(super) fn idle(&self) -> impl Iterator<Item = AgentId> {
        self.idle.iter().copied()
    }

    /// Nobody needs these briefs any more.
    pub(super) fn drop_briefs(&mut self) {
        self.jobs.retain(|job| !matches!(job, Job::Brief(..)));
    }

    /// Nothing that waits will be done.
    pub(super) fn clear(&mut self) {
        self.jobs.clear();
    }

    pub(super) fn is_free(&mut self, lead: AgentId) {
        self.idle.push_back(lead);
    }
}

impl Lead {
    pub(super) fn enqueue(&mut self, job: Job, out: &mut Outbox) {
        self.desk.jobs.push_back(job);
        self.serve(out);
    }

    fn serve(&mut self, out: &mut Outbox) {
        while !self.desk.jobs.is_empty() {
            let Some(lead) = self.desk.idle.pop_front() else {
                return;
            };
            let job = self.desk.jobs.pop_front().expect("just seen");
            self.do_job(lead, job, out);
        }
    }

    fn do_job(&mut self, lead: AgentId, job: Job, out: &mut Outbox) {
        let prompt = prompt::opening(Purpose::Compact, &self.s, &[self.notebook.text()]);
        let tokens = prompt_tokens(&prompt);
        let full = self.s.window.at().filter(|(w, digest)| tokens as f64 > *w && self.notebook.tokens() > 2 * digest);
        let Some((_, digest_tokens)) = full.filter(|_| !self.late) else {
            self.call_for(lead, job, out);
            return;
        };
        // Its notebook is of the whole task: a worker's history of some subtask must not meet the same luck.
        let subtask = SubtaskId::WHOLE_TASK;
        let about = About { subtask, attempt: self.compactions as u16, step: COMPACT_STEP, ..About::default() };
        self.compactions += 1;
        let mut request = Request::new(lead, Purpose::Compact, about, prompt);
        request.product_tokens = digest_tokens;
        request.completion_tokens = digest_tokens;
        let call = out.call(request);
        self.calls.insert(call, For::Compact(lead, job));
    }

    /// What a lead's prompt shows of its notebook.
    fn notes_of_the_lead(&self) -> PromptSpan {
        match self.s.window.at() {
            Some((window, _)) if self.late => {
                let fixed = self.s.instructions_tokens + self.s.task_tokens;
                self.notebook.newest((window as u64).saturating_sub(fixed.into()))
            }
            _ => self.notebook.text(),
        }
    }

    /// The call that does the job, with the notebook as it is.
    pub(super) fn call_for(&mut self, lead: AgentId, job: Job, out: &mut Outbox) {
        let (purpose, about, items) = match &job {
            Job::Plan => (Purpose::Plan, About::default(), 0),
            Job::Brief(_, workers) => {
                let first = self.members[workers[0] as usize].stage.about().unwrap_or_default();
                (Purpose::Dispatch, About { step: self.handed_out, ..first }, workers.len() as u32)
            }
            Job::Merge(n) => (Purpose::Merge, About { attempt: self.handed_out as u16, ..About::default() }, *n),
            Job::More => (Purpose::MoreSubtasks, About { attempt: self.more_asked as u16, ..About::default() }, 0),
            Job::Finalize => (Purpose::Finalize, About::default(), 0),
        };
        let prompt = prompt::opening(purpose, &self.s, &[self.notes_of_the_lead()]);
        let mut request = Request::new(lead, purpose, about, prompt);
        request.items = items;
        if purpose == Purpose::Dispatch {
            let (retold, pointed) = match (self.own.store, &self.board) {
                // A brief is no longer than what there is to tell.
                (LeadStore::Relay { brief_tokens }, _) => (brief_tokens.min(self.notebook.tokens()), 0),
                (LeadStore::Artifacts { reference_tokens, .. }, Some((board, window))) => {
                    (0, reference_tokens * board.shown(*window))
                }
                _ => (0, 0),
            };
            request.product_tokens = retold;
            request.completion_tokens = retold + pointed + items * self.s.delegation_tokens;
        }
        let call = out.call(request);
        self.calls.insert(call, For::Job(lead, job));
    }

    pub(super) fn job_done(&mut self, lead: AgentId, job: Job, answer: Option<&Answer>, out: &mut Outbox) {
        out.note(Note::Phase(lead, Phase::InputWait));
        self.desk.is_free(lead);
        match (job, answer) {
            (Job::Plan | Job::More, Some(Answer::Subtasks(list))) => self.extend(list, out),
            (Job::Plan, Some(Answer::Decided(_)) | None) | (Job::Merge(_), Some(Answer::Merged) | None) => {
                self.hand_out(out);
            }
            // A brief whose round ended meanwhile is lost labour.
            (Job::Brief(round, _), Some(Answer::Brief(_)) | None) if self.has_ended(round) => {}
            (Job::Brief(_, workers), Some(Answer::Brief(brief))) => {
                // Without a relay a brief is an instruction, and tells of nobody.
                let told = matches!(self.own.store, LeadStore::Relay { .. }).then_some(*brief);
                self.briefed(&workers, told, out);
            }
            (Job::Brief(_, workers), None) => self.briefed(&workers, None, out),
            (Job::More, None) => self.wrap_up(out),
            (Job::Finalize, Some(Answer::Final(answer))) => self.finish(Some((lead, answer.id)), out),
            (Job::Finalize, None) => self.finish(None, out),
            (job, answer) => unreachable!("{job:?} was answered with {answer:?}"),
        }
        self.serve(out);
    }

    fn has_ended(&self, round: u32) -> bool {
        matches!(&self.flow, Flow::Rounds(rounds) if !rounds.is_running(round))
    }
}
