//! The gate before an entry becomes readable, for results: compress and verify, retry with feedback, then give up.
//!
//! ```text
//! raw -> Gist -> Verify -> admitted
//!          ^        |
//!          +-- no --+--> given up after the retries
//! ```
//!
//! Invariant: each proposed gist gets exactly one verdict; what backs an entry exists before the entry does.

use super::prompt;
use super::protocol::Outbox;
use super::settings::{Gate, GateOf, Settings, SharedGists};
use crate::model::call::{Content, Finding, Judge, PromptSpan, Purpose, Request, SpanRole};
use crate::model::ids::{About, AgentId, CallId};
use crate::model::note::Note;

/// Who judges at this gate.
pub(crate) fn judge(gate: Gate) -> Judge {
    if gate == Gate::Oracle { Judge::Oracle } else { Judge::Model }
}

/// A result on its way to the board.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The gate's own settings.
    pub rules: SharedGists,
    /// Whose result it is.
    pub author: AgentId,
    /// On what.
    pub about: About,
    /// The result.
    pub raw: Finding,
    /// The snapshot the author worked from.
    pub board: Option<PromptSpan>,
    /// The gist that is before the judge.
    pub gist: Option<Finding>,
    /// Tries that failed.
    pub tries: u16,
    /// Whether the author goes on meanwhile.
    pub background: bool,
}

/// What came of a verdict.
#[derive(Clone, Copy, Debug)]
pub enum Verdict {
    /// The gist may be read.
    Admitted(Finding),
    /// Try again: this call writes the next gist.
    Again(CallId),
    /// No try is left.
    GivenUp,
}

impl Admission {
    /// The version of the board that the result rests on.
    pub fn read_version(&self) -> u32 {
        match self.board.map(|span| span.content) {
            Some(Content::View { version, .. }) => version,
            _ => 0,
        }
    }

    fn request(&self, purpose: Purpose, subject: &Finding, s: &Settings) -> Request {
        let spans = [prompt::finding(subject, SpanRole::New)];
        let prompt = prompt::board_first(purpose, s, self.board, &spans);
        let about = About { step: u32::from(self.tries), ..self.about };
        let mut request = Request::new(self.author, purpose, about, prompt);
        request.subject = Some(subject.id);
        request.background = self.background;
        request
    }

    /// Asks for a gist of the raw result.
    pub fn compress(&self, s: &Settings, out: &mut Outbox) -> CallId {
        let mut request = self.request(Purpose::Gist, &self.raw, s);
        request.product_tokens = self.rules.gist_tokens;
        request.completion_tokens = self.rules.gist_tokens;
        out.call(request)
    }

    /// Takes the gist and asks for a verdict; without a judge there is none to ask.
    pub fn compressed(&mut self, gist: Finding, s: &Settings, out: &mut Outbox) -> Option<CallId> {
        self.gist = Some(gist);
        out.note(Note::Proposed(self.author, gist.id));
        if self.rules.gate == (GateOf::None {}) {
            return None;
        }
        let mut request = self.request(Purpose::Verify, &gist, s);
        request.prompt.push(prompt::finding(&self.raw, SpanRole::New));
        request.judge = judge(self.rules.gate.word());
        Some(out.call(request))
    }

    /// Acts on a verdict.
    pub fn judged(&mut self, accepted: bool, s: &Settings, out: &mut Outbox) -> Verdict {
        let gist = self.gist.take().expect("a verdict follows a gist");
        if accepted {
            return Verdict::Admitted(gist);
        }
        out.note(Note::Rejected(self.author, gist.id));
        if self.tries >= self.rules.gate.retries() {
            return Verdict::GivenUp;
        }
        self.tries += 1;
        Verdict::Again(self.compress(s, out))
    }
}
