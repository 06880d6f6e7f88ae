//! What importers feed: sessions of calls, in plain words of their source. The rest - who is numbered how, what released
//! a call, which delegation it belongs to, what was counted - is done once for all formats when the session is written.

use super::check::Totals;
use super::moment::Nanos;
use crate::model::call::Purpose;
use crate::record::transcript::Message;
use crate::record::transcript::{Status, UsageLine};
use serde_json::Value;
use std::collections::BTreeMap;

/// Tokens as far as the source tells them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Prompt, cached tokens included.
    pub prompt: Option<u64>,
    /// Of it, read from a cache.
    pub cached: u64,
    /// Of it, written to a cache.
    pub cache_write: u64,
    /// Completion, reasoning included.
    pub completion: Option<u64>,
    /// Of it, reasoning.
    pub reasoning: Option<u64>,
    /// The importer estimated a part of it.
    pub estimated: bool,
}

impl Tokens {
    /// As a transcript has them; what is missing counts as zero.
    pub(super) fn line(self) -> UsageLine {
        UsageLine {
            prompt_tokens: self.prompt.unwrap_or(0),
            cached_tokens: self.cached,
            cache_write_tokens: self.cache_write,
            completion_tokens: self.completion.unwrap_or(0),
            reasoning_tokens: self.reasoning,
            estimated: self.estimated,
        }
    }
}

/// The provider's answer has the dollars.
pub(super) const BY_PROVIDER: &str = "provider";
/// A gateway, a store of traces or whoever wrote the log reckoned them.
pub(super) const BY_LOG: &str = "log";
/// The program that asked reckoned them.
pub(super) const BY_CLIENT: &str = "client";
/// A part of the sum of a run.
pub(super) const SHARED_OUT: &str = "shared-out";

/// A call as its source tells it.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Who asks: a number that [`Session::agent`] gave.
    pub agent: usize,
    /// Which conversation it continues: a number that [`Session::conversation`] gave.
    pub conversation: usize,
    /// Conversations whose last calls it waited for.
    pub joins: Vec<usize>,
    /// Places of the calls that it followed, where the source names them; they stand for all that its conversation
    /// would tell.
    pub after: Vec<usize>,
    /// Why.
    pub purpose: Purpose,
    /// A new delegation begins here though the same worker goes on.
    pub begins_delegation: bool,
    /// Line of solution.
    pub line: u32,
    /// Endpoint, if the source names one; else the model stands for it.
    pub endpoint: Option<String>,
    /// Model asked for.
    pub model: Option<String>,
    /// Messages; of a call that goes on ([`Self::goes_on`]) those that it adds.
    pub messages: Vec<Message>,
    /// The prompt begins with that of the call before it in its conversation and that call's reply, which are not
    /// repeated in [`Self::messages`]: histories grow with the square of a session's length.
    pub goes_on: bool,
    /// A human asked for it: what stands between it and the call before is no tool.
    pub is_prompted: bool,
    /// Instructions that stand before the messages and are no message: descriptions of tools.
    pub tools_text: String,
    /// Sampling and form.
    pub parameters: BTreeMap<String, Value>,
    /// Text that came back.
    pub text: Option<String>,
    /// Calls of tools in the reply, as text that counts as completion.
    pub reply_tools_text: String,
    /// Names of the tools that the reply asks for.
    pub reply_tools: Vec<String>,
    /// `stop`, `length`, ...
    pub finish_reason: Option<String>,
    /// Model that answered.
    pub reply_model: Option<String>,
    /// The provider's name of the reply.
    pub reply_id: Option<String>,
    /// Tokens.
    pub tokens: Tokens,
    /// A cache of whole replies answered: no model was asked, and nothing was billed.
    pub is_from_cache: bool,
    /// Dollars, if the source tells them.
    pub dollars: Option<f64>,
    /// Who reckoned them: `provider`, `log`, `client`, `shared-out`.
    pub priced_by: &'static str,
    /// It was recorded at another time than the call before it: what lies between is no part of the session.
    pub is_apart: bool,
    /// When it was asked for, if it waited before it left: for a slot or a limit, and for no tool.
    pub asked: Option<Nanos>,
    /// When it left.
    pub start: Option<Nanos>,
    /// When its first token came.
    pub first_token: Option<Nanos>,
    /// When it was answered.
    pub end: Option<Nanos>,
    /// How long it took, where that is told by itself.
    pub length: Option<Nanos>,
    /// It left at `start` or later: the source does not tell when.
    pub start_is_bound: bool,
    /// How it ended.
    pub status: Status,
    /// What the source does not tell of it.
    pub missing: Vec<String>,
}

impl Draft {
    /// A call of which nothing is known yet.
    pub fn new(agent: usize, conversation: usize, purpose: Purpose) -> Self {
        Self {
            agent,
            conversation,
            joins: Vec::new(),
            after: Vec::new(),
            purpose,
            begins_delegation: false,
            line: 0,
            endpoint: None,
            model: None,
            messages: Vec::new(),
            goes_on: false,
            is_prompted: false,
            tools_text: String::new(),
            parameters: BTreeMap::new(),
            text: None,
            reply_tools_text: String::new(),
            reply_tools: Vec::new(),
            finish_reason: None,
            reply_model: None,
            reply_id: None,
            tokens: Tokens::default(),
            is_from_cache: false,
            dollars: None,
            priced_by: BY_PROVIDER,
            is_apart: false,
            asked: None,
            start: None,
            first_token: None,
            end: None,
            length: None,
            start_is_bound: false,
            status: Status::Ok,
            missing: Vec::new(),
        }
    }

    /// The model that answered, or was asked.
    pub(super) fn any_model(&self) -> &str {
        self.reply_model.as_deref().or(self.model.as_deref()).unwrap_or("")
    }

    /// Says that a field is missing, once.
    pub(super) fn miss(&mut self, what: &str) {
        if !self.missing.iter().any(|m| m == what) {
            self.missing.push(what.to_owned());
        }
    }
}

/// Whether what was submitted was right, and named numbers beside it.
pub type Outcome = (Vec<bool>, Vec<(String, f64)>);

/// An agent as its source names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Agent {
    pub(super) name: String,
    pub(super) is_lead: bool,
}

/// A recorded session: one run of the transcript, one task.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// Name.
    pub name: String,
    /// Calls in the order of the source.
    pub calls: Vec<Draft>,
    /// Whether times count from 1970.
    pub is_dated: bool,
    /// The source was cut off before the session's end.
    pub is_cut: bool,
    /// What the source does not tell, in words.
    pub missing: Vec<String>,
    /// Whether what was submitted was right, and named numbers beside it.
    pub outcome: Option<Outcome>,
    /// What the source itself sums up.
    pub totals: Totals,
    pub(super) agents: Vec<Agent>,
    /// Per conversation, the call that started it.
    pub(super) conversations: Vec<Option<usize>>,
}

impl Session {
    /// A session with one conversation, number 0.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), conversations: vec![None], ..Self::default() }
    }

    /// The number of an agent, by name; a new one is a lead or a worker.
    pub fn agent(&mut self, name: &str, is_lead: bool) -> usize {
        if let Some(known) = self.agents.iter().position(|a| a.name == name) {
            return known;
        }
        self.agents.push(Agent { name: name.to_owned(), is_lead });
        self.agents.len() - 1
    }

    /// The number of a new conversation, started by a call of this session or by nothing in it.
    pub fn conversation(&mut self, started_by: Option<usize>) -> usize {
        self.conversations.push(started_by);
        self.conversations.len() - 1
    }

    /// Takes a call; gives its place in [`Self::calls`].
    pub fn call(&mut self, draft: Draft) -> usize {
        self.calls.push(draft);
        self.calls.len() - 1
    }

    /// Says that something is missing, once.
    pub fn miss(&mut self, what: impl Into<String>) {
        let what = what.into();
        if !self.missing.contains(&what) {
            self.missing.push(what);
        }
    }
}
