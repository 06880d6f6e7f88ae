//! How a lead takes results in, and calls off who is still out.
//!
//! Invariant: every worker that was sent out comes back exactly once, with a report, empty-handed or called off.

use super::super::agenda::Agenda;
use super::{Flow, Lead, Stage, Told};
use crate::model::call::Finding;
use crate::model::ids::{About, AgentId, LineId};
use crate::model::note::Note;
use crate::policy::protocol::Outbox;
use crate::policy::settings::LeadWork;

impl Lead {
    /// A worker is back, with a result or empty-handed; `told` is what the lead hears of it.
    pub(super) fn returned(&mut self, i: u32, result: Option<&Finding>, told: Option<Told>, out: &mut Outbox) {
        let about = self.let_go(i).expect("a returning worker had something in hand");
        let artifact = self.members[i as usize].artifact.take();
        if let (Some(artifact), Some(_), Some((board, _))) = (artifact, told, &mut self.board) {
            board.keep(&artifact, out);
        }
        match result {
            Some(result) => {
                self.agenda.settle(&about, result);
                match self.agenda {
                    Agenda::Lines(_) => self.close_line(i, out),
                    Agenda::Subtasks { .. } => out.note(Note::Done(about.subtask)),
                }
            }
            None => self.cut(i, &about, out),
        }
        match self.flow {
            Flow::Rounds(_) => self.at_the_barrier(i, told, out),
            Flow::Served(_) => self.next_please(i, told.as_ref(), out),
        }
    }

    /// A worker has nothing in hand any more; returns what it had.
    fn let_go(&mut self, i: u32) -> Option<About> {
        let about = self.members[i as usize].stage.about()?;
        self.members[i as usize].stage = Stage::Free;
        self.out -= 1;
        if let Flow::Served(served) = &mut self.flow {
            served.wait(i);
        }
        Some(about)
    }

    /// A line that has its candidate submits it.
    fn close_line(&self, i: u32, out: &mut Outbox) {
        if let Some(patch) = self.agenda.patch(i) {
            out.note(Note::Submitted(AgentId(i), LineId(i), Some(patch.id)));
        }
    }

    /// How often a subtask goes back.
    fn requeues(&self) -> u16 {
        match self.own.work {
            LeadWork::Lines { .. } => 0,
            LeadWork::Subtasks { requeues, .. } => requeues,
        }
    }

    /// Work ended without a result. A candidate that is there is still there; only the report of it is lost.
    fn cut(&mut self, i: u32, about: &About, out: &mut Outbox) {
        self.close_line(i, out);
        match self.agenda.put_back(about, self.requeues()) {
            None => {}
            Some(true) => out.note(Note::Released(AgentId(i), about.subtask)),
            Some(false) => out.note(Note::Abandoned(about.subtask)),
        }
    }

    /// What a report tells is with the lead.
    pub(super) fn keep(&mut self, told: &Told, out: &mut Outbox) {
        if told.gated {
            self.notebook.admit(told.author, &told.report, out);
        } else {
            self.notebook.keep(&told.report, out);
        }
    }

    /// Calls off those of the workers that are still out.
    pub(super) fn recall(&mut self, workers: impl Iterator<Item = u32>, out: &mut Outbox) {
        for i in workers {
            let call = match self.members[i as usize].stage {
                Stage::Free => continue,
                Stage::Due { .. } => None,
                Stage::Working { .. } => self.members[i as usize].worker.stop(),
                Stage::Reporting { call, .. } | Stage::Judging { call, .. } | Stage::Admitting { call, .. } => {
                    Some(call)
                }
            };
            if let Some(call) = call {
                self.call_off(call, out);
            }
            let about = self.let_go(i).expect("it was out");
            self.cut(i, &about, out);
        }
    }
}
