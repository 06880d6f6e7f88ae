//! How a result becomes readable: compressed, judged, appended; or kept as it is where nothing is shared.
//!
//! Invariant: every finished subtask is settled once, or goes back to the queue; appends are serial.

use super::{For, Queue};
use crate::kernel::Span;
use crate::model::call::Finding;
use crate::model::ids::{About, AgentId, LineId, TimerId};
use crate::model::note::{Note, Phase};
use crate::policy::gate::{Admission, Standing, Writing};
use crate::policy::protocol::Outbox;

impl Queue {
    /// A subtask's work is done; its result goes to the gate or straight to the reducer.
    pub(super) fn finished(&mut self, i: u32, result: Finding, out: &mut Outbox) {
        let member = &self.members[i as usize];
        let Some(rules) = self.shared() else {
            let subtask = member.subtask;
            self.results.keep(&result, out);
            self.settle(subtask, true, out);
            self.free(i, out);
            return;
        };
        let blocks = rules.admission_blocks_agent;
        let about = About { line: LineId(0), subtask: member.subtask, attempt: member.attempt, step: 0 };
        let admission = Admission {
            writing: Writing { tokens: rules.gist_tokens, gate: rules.gate },
            author: AgentId(i),
            about,
            raw: result,
            board: member.snapshot,
            gist: None,
            tries: 0,
            background: !blocks,
        };
        self.pending += 1;
        let call = admission.compress(&self.s, out);
        self.calls.insert(call, For::Admission(Box::new(admission)));
        if !blocks {
            self.free(i, out);
        }
    }

    /// Goes on with a result at the gate.
    pub(super) fn goes_on(&mut self, admission: Box<Admission>, standing: Standing, out: &mut Outbox) {
        match standing {
            Standing::Waits(call) => self.calls.insert(call, For::Admission(admission)),
            Standing::Admitted(gist) => self.append(*admission, gist, out),
            Standing::GivenUp => {
                let Admission { author, about, background, .. } = *admission;
                self.give_up(author, about.subtask, out);
                self.admission_over(author, background, out);
            }
        }
    }

    /// Appends are serial: each takes `append_s`, in order of arrival.
    fn append(&mut self, admission: Admission, gist: Finding, out: &mut Outbox) {
        let Some(takes) = self.append_time() else {
            self.publish(&admission, &gist, out);
            return;
        };
        let timer = self.appends.is_empty().then(|| out.set_timer(takes));
        if !admission.background {
            out.note(Note::Phase(admission.author, Phase::LockWait));
        }
        self.appends.push_back((timer, admission, gist));
    }

    fn append_time(&self) -> Option<Span> {
        self.shared().map(|rules| rules.append_s).filter(|s| *s > 0.0).map(Span::from_secs_f64)
    }

    pub(super) fn appended(&mut self, timer: TimerId, out: &mut Outbox) {
        if self.appends.front().is_none_or(|(t, ..)| *t != Some(timer)) {
            return;
        }
        let (_, admission, gist) = self.appends.pop_front().expect("just seen");
        if let (Some(takes), Some((next, ..))) = (self.append_time(), self.appends.front_mut()) {
            *next = Some(out.set_timer(takes));
        }
        self.publish(&admission, &gist, out);
    }

    fn publish(&mut self, admission: &Admission, gist: &Finding, out: &mut Outbox) {
        self.board.admit(admission.author, gist, admission.read_version(), out);
        self.settle(admission.about.subtask, true, out);
        self.admission_over(admission.author, admission.background, out);
    }

    pub(super) fn admission_over(&mut self, author: AgentId, background: bool, out: &mut Outbox) {
        self.pending -= 1;
        if background { self.check_dry(author, out) } else { self.free(author.0, out) }
    }
}
