//! Of what a prompt is made: one span per message; of a call that goes on, the instructions, the task, one span for all
//! that stood before, and what is new.

use super::session::Draft;
use super::tokens::Counter;
use crate::model::call::{Content, SpanRole};
use crate::record::transcript::{LayoutSpan, Message};

/// Note of a session whose calls have only the messages that they add.
pub(super) const ADDED: &str =
    "request.messages: a call that goes on has those that it adds; its history is one span, with its tokens and hash";

/// A conversation so far.
#[derive(Clone, Default)]
pub(super) struct Past {
    /// Instructions and task.
    head: Vec<LayoutSpan>,
    /// Tokens of all else.
    tokens: u64,
    /// Hash of all else; none if there is none.
    chain: Option<String>,
    /// Calls of the session go on.
    is_kept: bool,
}

impl Past {
    /// The beginning of a conversation.
    pub(super) fn new(is_kept: bool) -> Self {
        Self { is_kept, ..Self::default() }
    }

    /// The layout of a call's prompt.
    pub(super) fn layout(&mut self, call: &Draft, counter: &mut Counter, model: &str) -> Vec<LayoutSpan> {
        let mut layout = Vec::with_capacity(call.messages.len() + 1);
        if call.goes_on {
            layout.extend(self.head.iter().cloned());
            if let Some(chain) = &self.chain {
                layout.push(span(SpanRole::History, short(self.tokens), Some(chain.clone())));
            }
        } else {
            *self = Self::new(self.is_kept);
        }
        if !call.tools_text.is_empty() {
            let tokens = counter.count(&call.tools_text, model);
            layout.push(span(SpanRole::Instructions, tokens, Some(hash("tools", &call.tools_text))));
        }
        let before = layout.len();
        for (message, role) in call.messages.iter().zip(roles(&call.messages, call.goes_on)) {
            let tokens = counter.count(&message.content, model);
            layout.push(span(role, tokens, Some(hash(&message.role, &message.content))));
        }
        if !self.is_kept {
            return layout;
        }
        for own in &layout[before..] {
            if !call.goes_on && matches!(own.role, SpanRole::Instructions | SpanRole::Task) {
                self.head.push(own.clone());
            } else {
                self.add(u64::from(own.tokens), own.key.as_deref().unwrap_or(""));
            }
        }
        layout
    }

    /// Takes the reply, whose tokens were counted.
    pub(super) fn answered(&mut self, call: &Draft, counter: &mut Counter, model: &str) {
        if !self.is_kept {
            return;
        }
        let text = call.text.as_deref().unwrap_or("");
        // Thoughts are not in the next prompt: what is said is counted, and not what was billed.
        let tokens = counter.count(text, model) + counter.count(&call.reply_tools_text, model);
        if tokens > 0 {
            self.add(u64::from(tokens), &hash("assistant", &format!("{text}\n{}", call.reply_tools_text)));
        }
    }

    fn add(&mut self, tokens: u64, key: &str) {
        self.tokens = self.tokens.saturating_add(tokens);
        self.chain = Some(hash(self.chain.as_deref().unwrap_or(""), key));
    }
}

fn short(tokens: u64) -> u32 {
    u32::try_from(tokens).unwrap_or(u32::MAX)
}

/// Parts of messages: instructions, the first user message as the task, the last as what is new, history between.
fn roles(messages: &[Message], goes_on: bool) -> Vec<SpanRole> {
    let mut has_task = goes_on;
    let count = messages.len();
    let part = |(place, message): (usize, &Message)| match message.role.as_str() {
        "system" | "developer" => SpanRole::Instructions,
        "user" if !has_task => {
            has_task = true;
            SpanRole::Task
        }
        _ if place + 1 == count => SpanRole::New,
        _ => SpanRole::History,
    };
    messages.iter().enumerate().map(part).collect()
}

/// The part of a message in its prompt.
pub(super) fn span(role: SpanRole, tokens: u32, key: Option<String>) -> LayoutSpan {
    LayoutSpan { content: Content::Fresh, role, tokens, key }
}

/// Hash of a text in its role: 32 hex digits.
fn hash(role: &str, text: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(role.as_bytes()).update(b"\0").update(text.as_bytes());
    hasher.finalize().to_hex()[..32].to_owned()
}
