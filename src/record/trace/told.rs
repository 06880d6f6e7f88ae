//! The one teller of a call: what a world says of a call from its request to its end becomes a record here and nowhere
//! else, in the order that a transcript needs: what was asked or answered first, then the record that it happened.

use super::{Body, TimerSet, Trace};
use crate::kernel::{Span, Time};
use crate::model::call::{Answer, CallError, Purpose, Request, SpanRole, Usage};
use crate::model::ids::{About, AgentId, CallId, EndpointId, TaskId, TimerId};
use crate::model::note::{Note, Phase};
use crate::model::price::Roles;
use crate::model::workload::Truth;
use std::borrow::Cow;

/// A call as all its records name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Of which task.
    pub task: TaskId,
    /// Which call.
    pub call: CallId,
    /// Who asks.
    pub agent: AgentId,
    /// Why.
    pub purpose: Purpose,
    /// On a lane of its own.
    pub background: bool,
    /// About what.
    pub about: About,
}

/// What a call costs up to its end, all tries together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bill {
    /// Dollars.
    pub cost: Roles,
    /// Tokens.
    pub usage: Usage,
}

/// What was said, and how.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// The answer.
    pub answer: &'a Answer,
    /// Tokens of the last try.
    pub usage: &'a Usage,
    /// When its first token came, where that is known.
    pub first_token: Option<Time>,
}

/// Numbers of the hidden truth, by name.
pub type Facts = Vec<(Cow<'static, str>, f64)>;

/// How a call was answered.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// What was said; `None` where only times are replayed.
    pub said: Option<Said<'a>>,
    /// What it worked on had been discovered by another line.
    pub duplicate: bool,
    /// From command to reply.
    pub sojourn: Span,
    /// From the start of the last try to the reply.
    pub service: Span,
}

impl Told {
    /// The call that a request makes.
    pub fn of(task: TaskId, call: CallId, request: &Request) -> Self {
        let Request { agent, purpose, background, about, .. } = *request;
        Self { task, call, agent, purpose, background, about }
    }
}

impl Trace {
    /// A policy asks for a call.
    pub fn asked(&mut self, at: Time, told: &Told, request: &Request, endpoint: EndpointId) -> u64 {
        if let Some(recorder) = &mut self.recorder {
            recorder.asked(told.task, told.call, request);
        }
        if let Some(story) = &mut self.story {
            story.try_of(told.task, told.call).items = request.items;
        }
        let (mut tokens, mut board_tokens) = (0, 0);
        for span in &request.prompt {
            tokens += u64::from(span.tokens);
            board_tokens += if span.role == SpanRole::Board { u64::from(span.tokens) } else { 0 };
        }
        self.called(at, told, endpoint, tokens, board_tokens)
    }

    /// A call is made, with a prompt of so many tokens, of which so many show a board. A world whose policies ask tells
    /// of [`Trace::asked`] instead.
    pub fn called(
        &mut self,
        at: Time,
        told: &Told,
        endpoint: EndpointId,
        prompt_tokens: u64,
        board_tokens: u64,
    ) -> u64 {
        let body = Body::Called {
            call: told.call,
            agent: told.agent,
            purpose: told.purpose,
            background: told.background,
            about: told.about,
            endpoint,
            prompt_tokens,
            board_tokens,
        };
        self.record(at, told.task, body)
    }

    /// It waits for a slot or a limit.
    pub fn waits(&mut self, at: Time, told: &Told, phase: Phase) -> u64 {
        let Told { call, agent, background, .. } = *told;
        self.record(at, told.task, Body::Waits { call, agent, background, phase })
    }

    /// Service of a try begins.
    pub fn served(&mut self, at: Time, told: &Told) -> u64 {
        let Told { call, agent, background, purpose, .. } = *told;
        self.record(at, told.task, Body::Served { call, agent, background, purpose })
    }

    /// A try ends badly.
    pub fn try_failed(&mut self, at: Time, told: &Told, error: CallError) -> u64 {
        self.record(at, told.task, Body::TryFailed { call: told.call, purpose: told.purpose, error })
    }

    /// It is answered.
    pub fn replied(&mut self, at: Time, told: &Told, answered: &Answered, bill: Bill) -> u64 {
        if let Some(recorder) = &mut self.recorder
            && let Some(Said { answer, usage, first_token }) = answered.said
        {
            recorder.answered(told.task, told.call, answer, usage, first_token);
        }
        if let (Some(story), Some(said)) = (&mut self.story, answered.said) {
            story.try_of(told.task, told.call).usage = Some(*said.usage);
        }
        let Told { call, agent, purpose, background, about, .. } = *told;
        let Answered { duplicate, sojourn, service, .. } = *answered;
        let Bill { cost, usage } = bill;
        let body = Body::Replied { call, agent, purpose, background, about, usage, cost, duplicate, sojourn, service };
        self.record(at, told.task, body)
    }

    /// It fails for good.
    pub fn failed(&mut self, at: Time, told: &Told, error: CallError, bill: Bill) -> u64 {
        let Told { call, agent, purpose, background, .. } = *told;
        let Bill { cost, usage } = bill;
        self.record(at, told.task, Body::Failed { call, agent, purpose, background, error, cost, usage })
    }

    /// It is cancelled.
    pub fn cancelled(&mut self, at: Time, told: &Told, bill: Bill) -> u64 {
        let Told { call, agent, purpose, background, .. } = *told;
        let Bill { cost, usage } = bill;
        self.record(at, told.task, Body::Cancelled { call, agent, purpose, background, cost, usage })
    }

    /// A task arrives.
    pub fn arrived(&mut self, at: Time, task: TaskId) -> u64 {
        self.record(at, task, Body::Arrived)
    }

    /// A policy sets a timer, as an effect of what happens now.
    pub fn timer_set(&mut self, at: Time, task: TaskId, timer: TimerId) {
        let cause = self.cause;
        if let Some(recorder) = &mut self.recorder {
            recorder.timer_set(task, timer.0, cause);
        }
        if let Some(story) = &mut self.story {
            story.timer_set(task, timer, TimerSet { at, cause });
        }
    }

    /// A timer runs out.
    pub fn timer_fired(&mut self, at: Time, task: TaskId, timer: TimerId) -> u64 {
        self.record(at, task, Body::TimerFired { timer })
    }

    /// A policy changes its data; the world knows what its findings are worth.
    pub fn noted(&mut self, at: Time, task: TaskId, note: Note, truth: &(impl Truth + ?Sized)) -> u64 {
        let unsupported = match note {
            Note::Proposed(_, f) | Note::Rejected(_, f) | Note::Admitted { finding: f, .. } => truth.is_unsupported(f),
            Note::Submitted(_, _, f) => !truth.is_right(f),
            _ => false,
        };
        self.record(at, task, Body::Noted { note, unsupported })
    }

    /// A task is over: what its submissions are worth, and numbers of the hidden truth.
    pub fn finished(&mut self, at: Time, task: TaskId, right: Vec<bool>, facts: Facts) -> u64 {
        self.record(at, task, Body::Finished { right, facts })
    }
}
