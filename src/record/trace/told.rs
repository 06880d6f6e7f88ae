//! The one teller of a call: what a world says of a call from its request to its end becomes a record here and nowhere
//! else, in the order that a transcript needs: what was asked or answered first, then the record that it happened.

use super::{Body, Trace};
use crate::kernel::{Span, Time};
use crate::model::call::{Answer, CallError, Purpose, Request, SpanRole, Usage, prompt_tokens};
use crate::model::ids::{About, AgentId, CallId, EndpointId, TaskId};
use crate::model::note::Phase;
use crate::model::price::Roles;

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

/// How a call was answered.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// What was said.
    pub answer: &'a Answer,
    /// Tokens of the last try.
    pub usage: &'a Usage,
    /// When its first token came.
    pub first_token: Option<Time>,
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
        let board = request.prompt.iter().filter(|s| s.role == SpanRole::Board);
        let body = Body::Called {
            call: told.call,
            agent: told.agent,
            purpose: told.purpose,
            background: told.background,
            about: told.about,
            endpoint,
            prompt_tokens: prompt_tokens(&request.prompt),
            board_tokens: board.map(|s| u64::from(s.tokens)).sum(),
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
        if let Some(recorder) = &mut self.recorder {
            let Answered { answer, usage, first_token, .. } = *answered;
            recorder.answered(told.task, told.call, answer, usage, first_token);
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
}
