//! The desk: where requests become text and text becomes answers. A live world asks it what to send, gives it what came
//! back, and tells it every note, so that a handle has a meaning in words.
//!
//! Invariant: the same requests, replies and notes in the same order give the same texts, answers and handles; a desk
//! draws nothing and reads no clock, so a run can be taken up again from its recorded replies.

mod answers;
mod histories;
mod prompts;
mod reading;
mod service;
mod solving;
mod spec;
mod subtasks;
mod texts;

pub use prompts::{Prompts, PromptsError};
pub use reading::Reading;
pub use solving::Solving;
pub use spec::{DeskSpec, PlanBy};

use crate::model::call::{Answer, Outcome, Request};
use crate::model::note::Note;
use crate::model::workload::{Score, Truth};
use crate::record::transcript::Message;

/// The form an answer must have.
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    /// Name of the form, for servers that want one (letters, digits, `_`).
    pub name: &'static str,
    /// JSON Schema of the answer: an object, all properties required, none additional.
    pub schema: serde_json::Value,
}

/// What to send for a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Chat {
    /// Messages, oldest first. Requests whose prompts share leading spans share leading text.
    pub messages: Vec<Message>,
    /// The form of the answer; `None` for free text.
    pub form: Option<Form>,
    /// Most completion tokens.
    pub max_tokens: u32,
    /// A hash of each prompt span's text (32 hex digits), in the order of the request's spans.
    pub span_keys: Vec<String>,
}

/// What a request needs.
#[derive(Clone, Debug, PartialEq)]
pub enum Rendered {
    /// A model must be asked.
    Ask(Chat),
    /// Plain code knows the answer: no call, no cost, no time.
    Known(Answer),
}

/// Turns one task's requests into text and replies into answers.
pub trait Desk: Truth + Send {
    /// What to send for a request.
    fn render(&mut self, request: &Request) -> Rendered;

    /// Reads a reply. Findings get their handles here, so replies must be read in the order in which the policy
    /// sees them, each once.
    ///
    /// # Errors
    /// What is wrong with the text, in words that a repair prompt can pass on. Nothing has been kept then.
    fn read(&mut self, request: &Request, text: &str) -> Result<Answer, String>;

    /// Makes the best of a reply that could not be read, repaired or not; `None` if nothing can be made of it.
    fn salvage(&mut self, request: &Request, text: &str) -> Option<Answer>;

    /// The policy changed its data.
    fn observe(&mut self, note: &Note);

    /// Whether reading and grading take time that others must not be charged for.
    fn takes_time(&self) -> bool {
        false
    }

    /// Grades an outcome.
    fn score(&self, outcome: &Outcome) -> Score;
}
