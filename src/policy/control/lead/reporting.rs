//! How a worker's result is told: as it comes, by a report, or through a gate; and how its notes reach the board.
//!
//! ```text
//! result -> [Report ->] [Verify ->] back            reports, judged once (search) or by nobody
//!        -> Gist -> [Verify -> admitted | again]    results that pass a gate with retries (divide)
//! ```
//!
//! Invariant: nothing that a gate rejects is told to anybody; a candidate is its line's own, whatever becomes of the
//! report that tells of it.

use super::{For, Lead, Stage, Told};
use crate::model::call::{Finding, FindingKind, Purpose, Request};
use crate::model::ids::{About, AgentId};
use crate::model::note::Note;
use crate::policy::gate::{Admission, Passage, Standing, Writing};
use crate::policy::protocol::Outbox;
use crate::policy::settings::{Gate, LeadStore, LeadWork, Report, Telling};
use crate::policy::worker::Notes;

impl Lead {
    /// The report rules of work whose results are not written for a gate.
    fn report_rules(&self) -> Option<Report> {
        match self.own.work {
            LeadWork::Lines { report, .. } | LeadWork::Subtasks { telling: Telling::Report(report), .. } => {
                Some(report)
            }
            LeadWork::Subtasks { telling: Telling::Judged { .. } | Telling::Gist { .. }, .. } => None,
        }
    }

    /// Tokens of the report that a worker's last step gives by the way; 0 for the raw result.
    pub(super) fn report_by_the_way(&self) -> u32 {
        self.report_rules().filter(|report| !report.report_call).map_or(0, |report| report.report_tokens)
    }

    /// Work is done, with this result.
    pub(super) fn worked(&mut self, i: u32, result: &Finding, out: &mut Outbox) {
        self.store(i, result);
        if let Some(Report { report_call: true, report_tokens }) = self.report_rules() {
            return self.report(i, report_tokens, result, out);
        }
        match self.own.work {
            LeadWork::Lines { .. } | LeadWork::Subtasks { telling: Telling::Report(_), .. } => {
                self.reported(i, result, out);
            }
            LeadWork::Subtasks { telling: Telling::Judged { report_tokens, gate }, .. } => {
                self.write(i, Writing { tokens: report_tokens, gate }, result, out);
            }
            LeadWork::Subtasks { telling: Telling::Gist { gist_tokens, gate }, .. } => {
                self.write(i, Writing { tokens: gist_tokens, gate }, result, out);
            }
        }
    }

    /// Work ended with this; it is stored if what is told of it may be heard.
    fn store(&mut self, i: u32, result: &Finding) {
        if matches!(self.own.store, LeadStore::Artifacts { .. }) {
            self.members[i as usize].artifact = Some(*result);
        }
    }

    fn in_hand(&self, i: u32) -> About {
        self.members[i as usize].stage.about().expect("a worker that tells of something has it in hand")
    }

    /// The delegate (or a summariser for it) turns its trace into a report.
    fn report(&mut self, i: u32, tokens: u32, raw: &Finding, out: &mut Outbox) {
        let about = self.in_hand(i);
        let prompt = self.members[i as usize].worker.prompt(Purpose::Report, None, &self.s);
        let mut request = Request::new(AgentId(i), Purpose::Report, about, prompt);
        request.subject = Some(raw.id);
        request.product_tokens = tokens;
        request.completion_tokens = tokens;
        let call = out.call(request);
        self.members[i as usize].stage = Stage::Reporting { about, call };
        self.calls.insert(call, For::Report(i));
        self.keep_candidate(&about, raw);
    }

    /// The line's candidate is the raw result; a report only tells of it.
    fn keep_candidate(&mut self, about: &About, result: &Finding) {
        if result.kind == FindingKind::Patch {
            self.agenda.settle(about, result);
        }
    }

    /// A report is written; it may have to pass a judge.
    pub(super) fn reported(&mut self, i: u32, report: &Finding, out: &mut Outbox) {
        let LeadWork::Lines { gate: Gate::Llm | Gate::Oracle, .. } = self.own.work else {
            return self.back(i, Some(report), Some(*report), out);
        };
        let about = self.in_hand(i);
        let member = &mut self.members[i as usize];
        let at = member.worker.about();
        match member.gate.propose(at, report, false, &self.s, out) {
            Passage::Judged(call) => {
                member.stage = Stage::Judging { about, report: *report, call };
                self.calls.insert(call, For::Judge(i));
                self.keep_candidate(&about, report);
            }
            Passage::Open | Passage::Shut => unreachable!("these gates judge"),
        }
    }

    /// A report was judged.
    pub(super) fn judged(&mut self, i: u32, accepted: bool, out: &mut Outbox) {
        let report = match self.members[i as usize].stage {
            Stage::Judging { report, .. } => report,
            ref stage => unreachable!("a judged worker waits for its verdict, it is not {stage:?}"),
        };
        if !accepted {
            out.note(Note::Rejected(AgentId(i), report.id));
        }
        let told = Told { author: AgentId(i), report, gated: true };
        self.returned(i, Some(&report), accepted.then_some(told), out);
    }

    /// A worker is back with a report (`told`) of its result that no gate saw.
    pub(super) fn back(&mut self, i: u32, result: Option<&Finding>, told: Option<Finding>, out: &mut Outbox) {
        let told = told.map(|report| Told { author: AgentId(i), report, gated: false });
        self.returned(i, result, told, out);
    }

    /// A raw result is written down for the gate.
    fn write(&mut self, i: u32, writing: Writing, raw: &Finding, out: &mut Outbox) {
        let about = self.in_hand(i);
        let admission = Admission {
            writing,
            author: AgentId(i),
            about,
            raw: *raw,
            board: self.members[i as usize].snapshot,
            gist: None,
            tries: 0,
            background: false,
        };
        let call = admission.compress(&self.s, out);
        self.admission(i, Box::new(admission), Standing::Waits(call), out);
    }

    pub(super) fn admission(&mut self, i: u32, admission: Box<Admission>, standing: Standing, out: &mut Outbox) {
        match standing {
            Standing::Waits(call) => {
                self.members[i as usize].stage = Stage::Admitting { about: admission.about, call };
                self.calls.insert(call, For::Admission(i, admission));
            }
            Standing::Admitted(gist) => {
                let author = AgentId(i);
                let shared = self.own.store.is_shared();
                if let Some((board, _)) = self.board.as_mut().filter(|_| shared) {
                    board.admit(author, &gist, admission.read_version(), out);
                }
                let told = Told { author, report: gist, gated: !shared };
                self.returned(i, Some(&gist), Some(told), out);
            }
            Standing::GivenUp => self.returned(i, None, None, out),
        }
    }

    /// Notes of a step come to the board's gate; without a board nobody could read them.
    pub(super) fn publish(&mut self, i: u32, notes: &Notes, out: &mut Outbox) {
        if !self.own.store.is_shared() {
            return;
        }
        for note in notes {
            let member = &mut self.members[i as usize];
            let about = member.worker.about();
            match member.gate.propose(about, note, true, &self.s, out) {
                Passage::Open => self.post(i, note, out),
                Passage::Shut => {}
                Passage::Judged(call) => self.calls.insert(call, For::Note(i, *note)),
            }
        }
    }

    pub(super) fn note_judged(&mut self, i: u32, note: &Finding, accepted: bool, out: &mut Outbox) {
        if accepted {
            self.post(i, note, out);
        } else {
            out.note(Note::Rejected(AgentId(i), note.id));
        }
    }

    fn post(&mut self, i: u32, note: &Finding, out: &mut Outbox) {
        if let Some((board, _)) = &mut self.board {
            let read = board.seen(AgentId(i));
            board.admit(AgentId(i), note, read, out);
        }
    }
}
