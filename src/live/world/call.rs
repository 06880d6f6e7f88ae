//! A call of a live run, from the policy's command to its end.
//!
//! ```text
//!           .--------------- refused for its form, or to be repaired ---------------.
//!           v                                                                        |
//! called -> waiting --reserve, journal--> flying --> read --> replied                |
//!           ^                               |         '--> unreadable ---------------'
//!           '---- backoff <-- try failed <--'               (once; then the best is made of it, or it fails)
//! ```

use super::budget::Charge;
use super::dialect::Dialect;
use super::ending::Ending;
use super::past::Tries;
use crate::kernel::{Span, Time};
use crate::live::chat::Completion;
use crate::live::desk::Chat;
use crate::model::call::{Answer, Request, Usage};
use crate::model::ids::{CallId, EndpointId, TaskId};
use crate::model::note::Phase;
use crate::model::price::Roles;
use crate::record::trace::{Bill, Told};
use crate::record::transcript::Message;
use crate::record::transcript::{
    Details, DispatchLine, RequestLine, ResponseLine, UnreadableLine, UsageLine, content_key,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// Where a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// For a slot, a rate, the budget, or the next round of sending.
    Waiting,
    /// A try is out.
    Flying { job: u64 },
    /// Until its next try.
    Backoff,
    /// Plain code knew the answer; it is about to be delivered.
    Known,
}

/// A call that has not ended.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) task: TaskId,
    pub(super) id: CallId,
    pub(super) endpoint: EndpointId,
    pub(super) request: Request,
    pub(super) key: String,
    /// What to send; nothing if plain code knew the answer.
    pub(super) chat: Option<Chat>,
    pub(super) known: Option<Answer>,
    pub(super) place: Place,
    pub(super) called_at: Time,
    /// Since when it could leave, but for slots, rates and budget.
    pub(super) due: Time,
    /// What it waits for, if that was recorded.
    pub(super) waits_for: Option<Phase>,
    /// When the running or last try left, as the trace tells.
    pub(super) served_at: Option<Time>,
    /// Failed tries that were followed, or would have been, by a retry.
    pub(super) failed_tries: u16,
    /// Tries that left, in all sessions.
    pub(super) attempt: u32,
    pub(super) reserved: Charge,
    /// What the server told of all tries.
    pub(super) billed: Usage,
    pub(super) cost: Roles,
    /// What tries may have been billed beyond that.
    pub(super) possibly: Charge,
    pub(super) estimated: bool,
    /// The reply that is to be repaired, and what is wrong with it.
    pub(super) repair: Option<(String, String)>,
    /// Why the last try failed.
    pub(super) reason: Option<String>,
    /// How the last try ended, once it did.
    pub(super) ending: Option<Ending>,
    /// What the running or last try was sent with.
    pub(super) dialect: Dialect,
    pub(super) parameters: BTreeMap<String, Value>,
    pub(super) last: Option<Completion>,
}

impl Pending {
    pub(super) fn new(task: TaskId, id: CallId, endpoint: EndpointId, request: Request, now: Time) -> Self {
        Self {
            key: content_key(task, &request),
            task,
            id,
            endpoint,
            request,
            chat: None,
            known: None,
            place: Place::Waiting,
            called_at: now,
            due: now,
            waits_for: None,
            served_at: None,
            failed_tries: 0,
            attempt: 0,
            reserved: Charge::default(),
            billed: Usage::default(),
            cost: Roles::default(),
            possibly: Charge::default(),
            estimated: false,
            repair: None,
            reason: None,
            ending: None,
            dialect: Dialect::default(),
            parameters: BTreeMap::new(),
            last: None,
        }
    }

    /// Takes up what an earlier session did for this call before it ended without an answer.
    pub(super) fn restore(&mut self, tries: &Tries) {
        self.attempt = tries.attempt;
        if let Some(unreadable) = &tries.unreadable {
            self.billed = unreadable.usage.into();
            self.cost = unreadable.picodollars;
            self.estimated = unreadable.usage.estimated;
            self.repair = Some((unreadable.text.clone(), unreadable.wrong.clone()));
        }
        self.possibly = tries.charged.less(self.charged_for_certain());
    }

    /// Time of the last try up to `now`; none if the trace tells of no try.
    pub(super) fn service(&self, now: Time) -> Span {
        self.served_at.map_or(Span::ZERO, |at| now - at.min(now))
    }

    /// The call as records tell of it.
    pub(super) fn told(&self) -> Told {
        Told::of(self.task, self.id, &self.request)
    }

    /// What it was billed so far.
    pub(super) fn bill(&self) -> Bill {
        Bill { cost: self.cost, usage: self.billed }
    }

    fn charged_for_certain(&self) -> Charge {
        let tokens = self.billed.prompt_tokens.saturating_add(self.billed.completion_tokens);
        Charge { calls: 0, tokens, picodollars: self.cost.total().0 }
    }

    /// What all tries so far were billed or possibly billed.
    pub(super) fn charged(&self) -> Charge {
        let mut charged = self.charged_for_certain();
        charged.add(Charge { calls: 0, ..self.possibly });
        charged
    }

    /// The messages of the next try: those of the desk, and what a repair adds.
    pub(super) fn messages(&self) -> Vec<Message> {
        let mut messages = self.chat.as_ref().map(|c| c.messages.clone()).unwrap_or_default();
        if let Some((text, wrong)) = &self.repair {
            let ask = format!(
                "This answer cannot be used: {wrong}. Give the same answer again in the form that was asked for, \
                 and nothing else."
            );
            // Servers refuse messages that say nothing, and some refuse two of the same role in a row.
            let last = messages.last_mut().filter(|last| text.trim().is_empty() && last.role == "user");
            if let Some(last) = last {
                last.content = format!("{}\n\n{ask}", last.content);
                return messages;
            }
            if !text.trim().is_empty() {
                messages.push(Message { role: "assistant".to_owned(), content: text.clone() });
            }
            messages.push(Message { role: "user".to_owned(), content: ask });
        }
        messages
    }

    /// The journal's line for the try that is about to leave; with nothing reserved, for one that was refused and is
    /// not billed.
    pub(super) fn dispatch_line(&self, now: Time) -> DispatchLine {
        DispatchLine {
            task: self.task.0,
            call: self.id.0,
            key: self.key.clone(),
            attempt: self.attempt,
            at_ns: now.as_nanos(),
            reserved_tokens: self.reserved.tokens,
            reserved_picodollars: self.reserved.picodollars,
            spent: self.charged().billed(),
        }
    }

    /// The journal's line for a reply that is to be repaired.
    pub(super) fn unreadable_line(&self, text: &str, wrong: &str, now: Time) -> UnreadableLine {
        UnreadableLine {
            task: self.task.0,
            call: self.id.0,
            key: self.key.clone(),
            attempt: self.attempt,
            at_ns: now.as_nanos(),
            text: text.to_owned(),
            wrong: wrong.to_owned(),
            usage: UsageLine { estimated: self.estimated, ..self.billed.into() },
            picodollars: self.cost,
            spent: self.charged().billed(),
        }
    }

    /// What only a real call has, for its line.
    pub(super) fn details(&self, model: &str) -> Details {
        let Some(chat) = &self.chat else {
            return Details { price_source: "none: answered by plain code".to_owned(), ..Details::default() };
        };
        let last = self.last.clone().unwrap_or_default();
        let text = self.last.as_ref().map(|l| l.text.clone());
        let unreadable = self.repair.as_ref().map(|(text, _)| text.clone());
        // A repair that never came leaves the unreadable reply as the only text.
        let (text, unreadable_text) = if text.is_some() { (text, unreadable) } else { (unreadable, None) };
        let mut missing = Vec::new();
        if self.estimated {
            missing.push("usage".to_owned());
        }
        Details {
            request: RequestLine {
                model: Some(model.to_owned()),
                messages: chat.messages.clone(),
                parameters: self.parameters.clone(),
                ..RequestLine::default()
            },
            span_keys: chat.span_keys.clone(),
            response: ResponseLine {
                text,
                unreadable_text,
                // Why a call failed is nowhere else in its line.
                finish_reason: last.finish_reason.or_else(|| self.reason.clone()),
                class: self.ending.as_ref().map(Ending::class),
                model: last.model,
                id: last.id,
                ..ResponseLine::default()
            },
            chunks: last.chunks,
            reasoning_tokens: last.tokens.and_then(|t| t.reasoning),
            estimated: self.estimated,
            possibly_billed: self.possibly.billed(),
            price_source: "scenario".to_owned(),
            missing,
        }
    }
}
