//! Billed tokens, in lines.

use crate::model::call::Usage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Billed tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UsageLine {
    /// Prompt, cached tokens included.
    pub prompt_tokens: u64,
    /// Of it, read from a cache.
    #[serde(default)]
    pub cached_tokens: u64,
    /// Of it, written to a cache.
    #[serde(default)]
    pub cache_write_tokens: u64,
    /// Completion, reasoning included.
    pub completion_tokens: u64,
    /// Of it, reasoning, where the provider tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    /// The source does not tell them: counted by a tokenizer or estimated from text lengths.
    #[serde(default, skip_serializing_if = "crate::model::is_default")]
    pub estimated: bool,
}

impl From<Usage> for UsageLine {
    fn from(u: Usage) -> Self {
        Self {
            prompt_tokens: u.prompt_tokens,
            cached_tokens: u.cached_tokens,
            cache_write_tokens: u.cache_write_tokens,
            completion_tokens: u.completion_tokens,
            ..Self::default()
        }
    }
}

impl From<UsageLine> for Usage {
    fn from(u: UsageLine) -> Self {
        Self {
            prompt_tokens: u.prompt_tokens,
            cached_tokens: u.cached_tokens,
            cache_write_tokens: u.cache_write_tokens,
            completion_tokens: u.completion_tokens,
        }
    }
}
