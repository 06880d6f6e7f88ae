//! The gate before an entry becomes readable. Results are compressed and verified, retried with feedback, then given up;
//! notes and reports that have no second writing are judged once.
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
use super::settings::{Gate, GateOf, Settings};
use crate::model::call::{Answer, Content, Finding, FindingKind, Judge, PromptSpan, Purpose, Request, SpanRole};
use crate::model::ids::{About, AgentId, CallId, SubtaskId};
use crate::model::note::Note;

/// Who judges at this gate.
fn judge(gate: Gate) -> Judge {
    if gate == Gate::Oracle { Judge::Oracle } else { Judge::Model }
}

/// How a result is written down, and who judges the writing.
#[derive(Clone, Copy, Debug)]
pub struct Writing {
    /// Length of a writing.
    pub tokens: u32,
    /// Who judges it.
    pub gate: GateOf,
}

/// A result on its way to its readers.
#[derive(Clone, Debug)]
pub struct Admission {
    /// How it is written down, and who judges that.
    pub writing: Writing,
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

/// Where a result stands at the gate.
#[derive(Clone, Copy, Debug)]
pub enum Standing {
    /// This call writes or judges it.
    Waits(CallId),
    /// What was written may be read.
    Admitted(Finding),
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
        request.product_tokens = self.writing.tokens;
        request.completion_tokens = self.writing.tokens;
        out.call(request)
    }

    /// Takes a gist or a verdict.
    ///
    /// # Panics
    ///
    /// If the answer is neither.
    pub fn on_reply(&mut self, answer: &Answer, s: &Settings, out: &mut Outbox) -> Standing {
        match answer {
            Answer::Gist(gist) => self.compressed(*gist, s, out),
            Answer::Verdict { accepted } => self.judged(*accepted, s, out),
            other => unreachable!("the gate was answered with {other:?}"),
        }
    }

    /// A call failed for good: what cannot be judged is not admitted, what cannot be written is given up.
    pub fn on_failure(&mut self, s: &Settings, out: &mut Outbox) -> Standing {
        if self.gist.is_some() { self.judged(false, s, out) } else { Standing::GivenUp }
    }

    /// Takes the gist and asks for a verdict, where there is a judge to ask.
    fn compressed(&mut self, gist: Finding, s: &Settings, out: &mut Outbox) -> Standing {
        self.gist = Some(gist);
        out.note(Note::Proposed(self.author, gist.id));
        if self.writing.gate == (GateOf::None {}) {
            return self.judged(true, s, out);
        }
        let mut request = self.request(Purpose::Verify, &gist, s);
        request.prompt.push(prompt::finding(&self.raw, SpanRole::New));
        request.judge = judge(self.writing.gate.word());
        Standing::Waits(out.call(request))
    }

    fn judged(&mut self, accepted: bool, s: &Settings, out: &mut Outbox) -> Standing {
        let gist = self.gist.take().expect("a verdict follows a gist");
        if accepted {
            return Standing::Admitted(gist);
        }
        out.note(Note::Rejected(self.author, gist.id));
        if self.tries >= self.writing.gate.retries() {
            return Standing::GivenUp;
        }
        self.tries += 1;
        Standing::Waits(self.compress(s, out))
    }
}

/// One author's notes and reports before a gate that judges each of them once.
#[derive(Debug)]
pub(crate) struct NoteGate {
    gate: Gate,
    author: AgentId,
    /// A candidate went out in this delegation (the rule gate passes one).
    candidate_noted: bool,
    /// What went to a judge so far; numbers the verdicts.
    judged: u32,
}

/// What a gate says at once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    Open,
    Shut,
    /// This call judges.
    Judged(CallId),
}

impl NoteGate {
    pub(crate) fn new(gate: Gate, author: AgentId) -> Self {
        Self { gate, author, candidate_noted: false, judged: 0 }
    }

    /// A new delegation starts.
    pub(crate) fn begin(&mut self) {
        self.candidate_noted = false;
    }

    /// Something that its author found comes to the gate; `about` tells where. A judge of what others do not wait for
    /// works in the background.
    pub(crate) fn propose(
        &mut self,
        about: About,
        found: &Finding,
        background: bool,
        s: &Settings,
        out: &mut Outbox,
    ) -> Passage {
        out.note(Note::Proposed(self.author, found.id));
        match self.gate {
            Gate::None => Passage::Open,
            Gate::Rule => {
                let candidate = found.kind == FindingKind::Patch;
                if candidate && self.candidate_noted {
                    out.note(Note::Rejected(self.author, found.id));
                    return Passage::Shut;
                }
                self.candidate_noted |= candidate;
                Passage::Open
            }
            Gate::Llm | Gate::Oracle => {
                let about = About { subtask: SubtaskId(self.judged), ..about };
                self.judged += 1;
                let spans = [prompt::finding(found, SpanRole::New)];
                let mut request =
                    Request::new(self.author, Purpose::Verify, about, prompt::opening(Purpose::Verify, s, &spans));
                request.subject = Some(found.id);
                request.background = background;
                request.judge = judge(self.gate);
                Passage::Judged(out.call(request))
            }
        }
    }
}
