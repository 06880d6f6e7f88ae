//! The lead's own work, first come first served: plans, briefs, merges, the question for more, the answer.
//!
//! Invariant: an idle lead never leaves a job waiting; a notebook that outgrows the window is compacted before it is sent.

use super::{For, Job, Lead};
use crate::model::call::{Answer, Purpose, Request};
use crate::model::ids::{About, AgentId};
use crate::model::note::{Note, Phase};
use crate::policy::prompt;
use crate::policy::protocol::Outbox;
use crate::policy::worker::COMPACT_STEP;

impl Lead {
    pub(super) fn enqueue(&mut self, job: Job, out: &mut Outbox) {
        self.jobs.push_back(job);
        self.serve(out);
    }

    fn serve(&mut self, out: &mut Outbox) {
        while !self.jobs.is_empty() {
            let Some(lead) = self.idle_leads.pop_front() else {
                return;
            };
            let job = self.jobs.pop_front().expect("just seen");
            self.do_job(lead, job, out);
        }
    }

    fn do_job(&mut self, lead: AgentId, job: Job, out: &mut Outbox) {
        let prompt = prompt::opening(Purpose::Compact, &self.s, &[self.notebook.text()]);
        let tokens = crate::model::call::prompt_tokens(&prompt);
        let full = self.s.window.at().filter(|(w, digest)| tokens as f64 > *w && self.notebook.tokens() > 2 * digest);
        let Some((_, digest_tokens)) = full else {
            self.call_for(lead, job, out);
            return;
        };
        let about = About { attempt: self.stores as u16, step: COMPACT_STEP, ..About::default() };
        let mut request = Request::new(lead, Purpose::Compact, about, prompt);
        request.product_tokens = digest_tokens;
        request.completion_tokens = digest_tokens;
        let call = out.call(request);
        self.calls.insert(call, For::Compact(lead, job));
    }

    /// The call that does the job, with the notebook as it is.
    pub(super) fn call_for(&mut self, lead: AgentId, job: Job, out: &mut Outbox) {
        let (purpose, about, items) = match &job {
            Job::Plan => (Purpose::Plan, About::default(), 0),
            Job::Brief(_, workers) => {
                let first = self.members[workers[0] as usize].about.unwrap_or_default();
                (Purpose::Dispatch, About { step: self.round, ..first }, workers.len() as u32)
            }
            Job::Merge(n) => (Purpose::Merge, About { attempt: self.round as u16, ..About::default() }, *n),
            Job::More => (Purpose::MoreSubtasks, About { attempt: self.more_asked as u16, ..About::default() }, 0),
            Job::Finalize => (Purpose::Finalize, About::default(), 0),
        };
        let prompt = prompt::opening(purpose, &self.s, &[self.notebook.text()]);
        let mut request = Request::new(lead, purpose, about, prompt);
        request.items = items;
        if purpose == Purpose::Dispatch {
            // A brief is no longer than what there is to tell.
            request.product_tokens = self.own.brief_tokens.min(self.notebook.tokens());
            request.completion_tokens = request.product_tokens + items * self.s.delegation_tokens;
        }
        let call = out.call(request);
        self.calls.insert(call, For::Job(lead, job));
    }

    fn lead_is_free(&mut self, lead: AgentId, out: &mut Outbox) {
        out.note(Note::Phase(lead, Phase::InputWait));
        self.idle_leads.push_back(lead);
    }

    pub(super) fn job_done(&mut self, lead: AgentId, job: Job, answer: Option<&Answer>, out: &mut Outbox) {
        self.lead_is_free(lead, out);
        match (job, answer) {
            (Job::Plan | Job::More, Some(Answer::Subtasks(list))) => self.extend(list, out),
            (Job::Plan, Some(Answer::Decided(_)) | None) | (Job::Merge(_), Some(Answer::Merged) | None) => {
                self.next_round(out);
            }
            // A brief whose round ended meanwhile is lost labour.
            (Job::Brief(ended, _), Some(Answer::Brief(_)) | None) if ended != self.ended => {}
            (Job::Brief(_, workers), Some(Answer::Brief(brief))) => self.briefed(&workers, Some(*brief), out),
            (Job::Brief(_, workers), None) => self.briefed(&workers, None, out),
            (Job::More, None) => self.wrap_up(out),
            (Job::Finalize, Some(Answer::Final(answer))) => self.finish(Some((lead, answer.id)), out),
            (Job::Finalize, None) => self.finish(None, out),
            (job, answer) => unreachable!("{job:?} was answered with {answer:?}"),
        }
        self.serve(out);
    }
}
