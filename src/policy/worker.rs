//! The step loop of one agent on one subtask or delegation; every policy shares it.
//!
//! ```text
//! Idle --begin, step--> Stepping --tool asked--> RunningTool --> Stepping ... --result, or steps used up--> Idle
//!                          ^------ Compacting <--- memory or window full ------^
//! ```
//!
//! Invariant: at most one call of the agent is in flight; a history only grows, but for compaction, which starts a new epoch.

use super::prompt;
use super::protocol::Outbox;
use super::settings::{BoardPlace, Memory, Settings};
use crate::model::call::{Answer, CallError, Content, Finding, Prompt, PromptSpan, Purpose, Reply, Request, SpanRole};
use crate::model::ids::{About, AgentId, CallId};
use crate::model::note::Note;
use smallvec::SmallVec;

/// What the agent's owner does next.
#[derive(Clone, Copy, Debug)]
pub enum Next {
    /// Call `step`.
    Step,
    /// Call `tool`.
    Tool,
    /// The delegation is over, with a result if it came to one.
    Done(Option<Finding>),
    /// The history became this digest (`whole` if nothing else is left of it); call `step`.
    Compacted {
        /// What is left.
        digest: Finding,
        /// Whether nothing else is.
        whole: bool,
    },
}

/// Steps in a row that may be lost to one kind of failure; with the next the delegation is given up.
const MOST_LOST_ALIKE: u32 = 1;

/// Distance between the steps of an agent's work and those under which it compacts: the two never meet in an address.
pub(crate) const COMPACT_STEP: u32 = 1 << 20;

/// Notes of one step; they become readable before the step's tool runs.
pub type Notes = SmallVec<[Finding; 2]>;

/// One agent's loop.
#[derive(Debug)]
pub struct Worker {
    agent: AgentId,
    about: About,
    /// Fixed spans between task and history: brief, source, unfolded text, what the agent knows.
    fixed: SmallVec<[PromptSpan; 2]>,
    /// Tokens the prompt of the last call already held.
    history_tokens: u32,
    /// Tokens that came since.
    new_tokens: u32,
    epoch: u32,
    /// Tokens of steps not yet compacted, oldest first; empty unless memory is limited.
    steps: SmallVec<[u32; 4]>,
    in_flight: Option<CallId>,
    compacting: Option<bool>,
    /// The history was compacted and nothing was done since: doing it again would not make it shorter.
    compacted: bool,
    /// Why the last steps were lost, and how many in a row.
    lost: Option<(CallError, u32)>,
    /// Asks for a report of this length as the result; 0 for the raw result.
    result_tokens: u32,
    limit: u32,
}

impl Worker {
    /// An idle worker.
    pub fn new(agent: AgentId) -> Self {
        Self {
            agent,
            about: About::default(),
            fixed: SmallVec::new(),
            history_tokens: 0,
            new_tokens: 0,
            epoch: 0,
            steps: SmallVec::new(),
            in_flight: None,
            compacting: None,
            compacted: false,
            lost: None,
            result_tokens: 0,
            limit: u32::MAX,
        }
    }

    /// Starts on something new. A fresh start forgets the history.
    pub fn begin(&mut self, about: About, fixed: &[PromptSpan], fresh: bool, opening_tokens: u32, s: &Settings) {
        self.about = About { step: 0, ..about };
        self.lost = None;
        self.compacted = false;
        self.fixed = SmallVec::from_slice(fixed);
        if fresh {
            self.epoch += 1;
            self.history_tokens = 0;
            self.new_tokens = 0;
            self.steps.clear();
        }
        self.new_tokens += opening_tokens;
        self.result_tokens = 0;
        self.limit = s.max_steps;
    }

    /// Who it is.
    pub fn agent(&self) -> AgentId {
        self.agent
    }

    /// What it works on, with the step that comes next.
    pub fn about(&self) -> About {
        self.about
    }

    /// The call to cancel if the agent must stop.
    pub fn stop(&mut self) -> Option<CallId> {
        self.in_flight.take()
    }

    /// Asks for a report of so many tokens instead of the raw result.
    pub fn ask_report(&mut self, tokens: u32) {
        self.result_tokens = tokens;
    }

    fn history(&self) -> [PromptSpan; 2] {
        let content = Content::History { agent: self.agent, epoch: self.epoch };
        [
            PromptSpan { content, role: SpanRole::History, tokens: self.history_tokens },
            PromptSpan { content, role: SpanRole::New, tokens: self.new_tokens },
        ]
    }

    /// The agent's whole prompt for a purpose, with the board where the settings put it.
    pub fn prompt(&self, purpose: Purpose, board: Option<PromptSpan>, s: &Settings) -> Prompt {
        let front = s.board_place() == BoardPlace::Front;
        let mut prompt = prompt::board_first(purpose, s, board.filter(|_| front), &self.fixed);
        for span in self.history() {
            prompt.push(span);
        }
        if let Some(board) = board.filter(|_| !front) {
            prompt.push(board);
        }
        prompt
    }

    /// Makes the next step's call, or first compacts a history that has outgrown memory or window.
    pub fn step(&mut self, board: Option<PromptSpan>, s: &Settings, out: &mut Outbox) -> CallId {
        let prompt = self.prompt(Purpose::Step, board, s);
        let history = self.history_tokens + self.new_tokens;
        let tokens: u64 = crate::model::call::prompt_tokens(&prompt);
        let over =
            s.window.at().filter(|(w, digest)| tokens as f64 > *w && history > 2 * digest).map(|(_, digest)| digest);
        let full = match s.memory {
            Memory::At { memory_steps, memory_digest_tokens, .. } if self.steps.len() as f64 >= memory_steps => {
                Some(memory_digest_tokens)
            }
            _ => None,
        };
        let request = if let Some(digest) = over.or(full)
            && !self.compacted
        {
            self.compacting = Some(over.is_some());
            let about = About { step: self.about.step | COMPACT_STEP, ..self.about };
            let mut compact = Request::new(self.agent, Purpose::Compact, about, self.prompt(Purpose::Compact, None, s));
            compact.product_tokens = digest;
            compact.completion_tokens = compact.product_tokens;
            compact
        } else {
            let mut step = Request::new(self.agent, Purpose::Step, self.about, prompt);
            step.product_tokens = self.result_tokens;
            self.history_tokens = history;
            self.new_tokens = 0;
            step
        };
        let call = out.call(request);
        self.in_flight = Some(call);
        call
    }

    /// Runs the tool that the last step asked for.
    pub fn tool(&mut self, out: &mut Outbox) -> CallId {
        let about = About { step: self.about.step - 1, ..self.about };
        let call = out.call(Request::new(self.agent, Purpose::Tool, about, Prompt::new()));
        self.in_flight = Some(call);
        call
    }

    /// Takes a reply to this agent's own call.
    pub fn on_reply(&mut self, reply: &Reply, s: &Settings, out: &mut Outbox) -> (Notes, Next) {
        self.in_flight = None;
        self.lost = None;
        self.compacted = false;
        match &reply.answer {
            Answer::Step { notes, tool, result } => {
                self.grew(u32::try_from(reply.usage.completion_tokens).unwrap_or(u32::MAX), s, true);
                self.about.step += 1;
                let next = if result.is_some() || self.about.step >= self.limit {
                    Next::Done(*result)
                } else if *tool {
                    Next::Tool
                } else {
                    Next::Step
                };
                (notes.clone(), next)
            }
            Answer::Observation { tokens } => {
                self.grew(*tokens, s, false);
                (Notes::new(), Next::Step)
            }
            Answer::Digest(digest) => {
                let whole = self.compacting.take().unwrap_or(false);
                out.note(Note::Compacted(self.agent));
                self.epoch += 1;
                let keep = match s.memory {
                    Memory::At { keep_steps, .. } if !whole => (keep_steps as usize).min(self.steps.len()),
                    _ => 0,
                };
                let old: u32 = self.steps.drain(..self.steps.len() - keep).sum();
                let kept = if whole { 0 } else { (self.history_tokens + self.new_tokens).saturating_sub(old) };
                self.history_tokens = 0;
                self.new_tokens = kept + digest.tokens;
                self.compacted = true;
                (Notes::new(), Next::Compacted { digest: *digest, whole })
            }
            other => unreachable!("a worker's call was answered with {other:?}"),
        }
    }

    /// A call failed for good: the step is lost. The delegation is given up, with the reason in a note, when the same
    /// would happen again: a request that runs into its time limit is as long the next time, and a server that failed
    /// through the tries of one step and of the next is down.
    pub fn on_failure(&mut self, error: CallError, out: &mut Outbox) -> Next {
        self.in_flight = None;
        self.compacting = None;
        self.about.step += 1;
        let alike = match self.lost {
            Some((before, n)) if before == error => n + 1,
            _ => 1,
        };
        self.lost = Some((error, alike));
        if error == CallError::Timeout || alike > MOST_LOST_ALIKE {
            out.note(Note::GaveUp(self.agent, error));
            return Next::Done(None);
        }
        if self.about.step >= self.limit { Next::Done(None) } else { Next::Step }
    }

    /// Adds text to the history, as part of the newest step or a new one.
    fn grew(&mut self, tokens: u32, s: &Settings, new_step: bool) {
        self.new_tokens += tokens;
        if matches!(s.memory, Memory::At { .. }) {
            match self.steps.last_mut() {
                Some(last) if !new_step => *last += tokens,
                _ => self.steps.push(tokens),
            }
        }
    }
}
