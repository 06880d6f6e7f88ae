//! How a lead takes results in: at the end of a round, or one by one in order of arrival.
//!
//! Invariant: every worker that was sent out comes back exactly once, with a report, empty-handed or called off.

use super::super::agenda::Agenda;
use super::{Job, Lead};
use crate::model::call::Finding;
use crate::model::ids::{About, AgentId, LineId};
use crate::model::note::{Note, Phase};
use crate::policy::protocol::Outbox;
use crate::policy::settings::{Barrier, LeadWork};

impl Lead {
    /// A worker is back with a report (`told`) of its result.
    pub(super) fn collected(&mut self, i: u32, result: Option<Finding>, told: Option<Finding>, out: &mut Outbox) {
        let member = &mut self.members[i as usize];
        let about = member.about.take().expect("a returning worker had something in hand");
        member.back = true;
        member.reporting = None;
        self.out -= 1;
        self.parked[i as usize] = true;
        if let Some(result) = &result {
            let closed = self.agenda.settle(&about, Some(result));
            match self.agenda {
                Agenda::Lines(_) if closed => self.line_closed(i, out),
                Agenda::Lines(_) => {}
                Agenda::Subtasks { .. } => out.note(Note::Done(about.subtask)),
            }
        } else {
            self.cut(i, &about, out);
        }
        if self.is_async() {
            self.collected_async(i, told, out);
        } else {
            self.reports.extend(told);
            out.note(Note::Phase(AgentId(i), Phase::BarrierWait));
            self.maybe_end_round(out);
        }
    }

    fn line_closed(&self, i: u32, out: &mut Outbox) {
        let Agenda::Lines(lines) = &self.agenda else {
            return;
        };
        out.note(Note::Submitted(AgentId(i), LineId(i), lines[i as usize].patch.map(|p| p.id)));
    }

    /// How often a subtask goes back; a line is never given up by this.
    fn requeues(&self) -> u16 {
        match self.own.work {
            LeadWork::Lines { .. } => 0,
            LeadWork::Subtasks { requeues, .. } => requeues,
        }
    }

    fn cut(&mut self, i: u32, about: &About, out: &mut Outbox) {
        if matches!(&self.agenda, Agenda::Lines(lines) if lines[i as usize].patch.is_some()) {
            // The candidate is there; only the report of it is lost.
            self.line_closed(i, out);
        }
        let again = self.agenda.put_back(about, self.requeues());
        if matches!(self.agenda, Agenda::Subtasks { .. }) {
            out.note(if again { Note::Released(AgentId(i), about.subtask) } else { Note::Abandoned(about.subtask) });
        }
    }

    /// Async: the report goes into the notebook and the worker queues for its next brief.
    fn collected_async(&mut self, i: u32, told: Option<Finding>, out: &mut Outbox) {
        if let Some(report) = told {
            self.notebook.keep(&report, out);
        }
        out.note(Note::Phase(AgentId(i), Phase::InputWait));
        self.next_round(out);
        if !self.over && matches!(&self.agenda, Agenda::Lines(lines) if lines[i as usize].closed) {
            out.note(Note::Phase(AgentId(i), Phase::IdleTail));
        }
    }

    fn maybe_end_round(&mut self, out: &mut Outbox) {
        let back = self.members.iter().filter(|m| m.back).count() as u32;
        let enough = match self.own.round().map(|round| round.barrier) {
            None | Some(Barrier::All | Barrier::Timeout { .. }) => false,
            Some(Barrier::Any) => back >= 1,
            Some(Barrier::KOfN { k }) => back >= k,
        };
        if self.out > 0 && !enough {
            return;
        }
        self.end_round(out);
    }

    /// The round is over: what came back is kept, who is still out is called off.
    pub(super) fn end_round(&mut self, out: &mut Outbox) {
        if let Some(timer) = self.cutoff.take() {
            out.cancel_timer(timer);
        }
        self.recall(out);
        // Those not yet briefed will not be.
        self.ended += 1;
        self.jobs.retain(|job| !matches!(job, Job::Brief(..)));
        for member in &mut self.members {
            member.back = false;
        }
        let reports = std::mem::take(&mut self.reports);
        for report in &reports {
            self.notebook.keep(report, out);
        }
        for i in 0..self.members.len() as u32 {
            let closed = matches!(&self.agenda, Agenda::Lines(lines) if lines[i as usize].closed);
            let phase = if closed { Phase::IdleTail } else { Phase::RelayWait };
            out.note(Note::Phase(AgentId(i), phase));
        }
        if self.own.round().is_some_and(|round| round.merge) && !reports.is_empty() {
            self.enqueue(Job::Merge(reports.len() as u32), out);
        } else {
            self.next_round(out);
        }
    }

    /// Cancels every worker that is still out.
    pub(super) fn recall(&mut self, out: &mut Outbox) {
        for i in 0..self.members.len() as u32 {
            let member = &mut self.members[i as usize];
            let Some(about) = member.about.take() else {
                continue;
            };
            if let Some(call) = member.worker.stop().or(member.reporting.take()) {
                self.calls.take(call);
                out.cancel(call);
            }
            self.out -= 1;
            self.parked[i as usize] = true;
            self.cut(i, &about, out);
        }
    }
}
