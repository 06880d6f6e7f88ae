//! How a try ends: with a completion, or with an error that says whether another try makes sense and whether it may have
//! been billed.

use crate::kernel::{Span, Time};
use crate::model::call::{CallError, Usage};
use std::fmt;

/// Tokens as the server tells them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Billed tokens.
    pub usage: Usage,
    /// Of the completion, reasoning, where told.
    pub reasoning: Option<u64>,
}

/// A whole reply.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Completion {
    /// Text.
    pub text: String,
    /// `stop`, `length`, ...
    pub finish_reason: Option<String>,
    /// Model that answered.
    pub model: Option<String>,
    /// The provider's name of the reply.
    pub id: Option<String>,
    /// Tokens, if the server told them.
    pub tokens: Option<Tokens>,
    /// When the first token came, if it was streamed.
    pub first_token: Option<Time>,
    /// When each chunk came, if it was streamed.
    pub chunks: Vec<Time>,
}

/// Why a try failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TryError {
    /// The server refused.
    Status {
        /// HTTP status.
        status: u16,
        /// What it said, cleaned.
        message: String,
        /// How long it asked to wait.
        retry_after: Option<Span>,
    },
    /// It took too long.
    Timeout {
        /// What did.
        what: String,
    },
    /// There was no connection, or it was lost before an answer began.
    Connection {
        /// What the system said.
        what: String,
        /// Whether the request may have left.
        sent: bool,
    },
    /// The answer began and was no whole completion.
    Broken {
        /// What was wrong with it.
        what: String,
    },
}

impl TryError {
    /// Whether another try can end otherwise.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Status { status, .. } => {
                (matches!(status, 408 | 409 | 425 | 429) || *status >= 500) && !self.is_out_of_credit()
            }
            _ => true,
        }
    }

    /// Whether the account has nothing left, which waiting does not change.
    pub fn is_out_of_credit(&self) -> bool {
        let told = ["insufficient_quota", "billing_hard_limit_reached", "billing_not_active"];
        matches!(self, Self::Status { message, .. } if told.iter().any(|word| message.contains(word)))
    }

    /// Whether this prompt is longer than the model or the server takes; others may not be.
    pub fn is_too_long(&self) -> bool {
        let told = [
            "context_length_exceeded",
            "context length",
            "context window",
            "context size",
            "exceed_context",
            "too long",
            "reduce the length",
        ];
        match self {
            Self::Status { status: 413, .. } => true,
            Self::Status { status: 400 | 422, message, .. } => {
                let message = message.to_ascii_lowercase();
                told.iter().any(|words| message.contains(words))
            }
            _ => false,
        }
    }

    /// Whether the server's content filter withheld this request or its answer; others may pass.
    pub fn is_filtered(&self) -> bool {
        let told = ["content_filter", "content management policy", "content_policy", "responsibleaipolicyviolation"];
        match self {
            Self::Status { status: 400 | 403 | 422, message, .. } => {
                let message = message.to_ascii_lowercase();
                told.iter().any(|words| message.contains(words))
            }
            _ => false,
        }
    }

    /// Whether the try may have been billed although nothing usable came back.
    pub fn may_be_billed(&self) -> bool {
        match self {
            // Gateways give up on servers that go on.
            Self::Status { status, .. } => matches!(status, 408 | 502 | 504 | 524),
            Self::Connection { sent, .. } => *sent,
            Self::Timeout { .. } | Self::Broken { .. } => true,
        }
    }

    /// As the policy and the trace know it.
    pub fn kind(&self) -> CallError {
        match self {
            Self::Status { status: 429, .. } => CallError::RateLimited,
            Self::Status { status: 408 | 504, .. } | Self::Timeout { .. } => CallError::Timeout,
            _ => CallError::Server,
        }
    }

    /// How long the server asked to wait.
    pub fn retry_after(&self) -> Option<Span> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl fmt::Display for TryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { status, message, .. } if message.is_empty() => write!(f, "status {status}"),
            Self::Status { status, message, .. } => write!(f, "status {status}: {message}"),
            Self::Timeout { what } => write!(f, "timeout: {what}"),
            Self::Connection { what, .. } => write!(f, "no connection: {what}"),
            Self::Broken { what } => write!(f, "broken answer: {what}"),
        }
    }
}
