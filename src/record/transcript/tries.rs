//! Tries of live runs: what is told before one leaves, so that money is counted even if no reply is ever recorded, and
//! replies that could not be read, so that what was paid for is kept until it is repaired.

use super::usage::UsageLine;
use crate::model::price::Roles;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A try is about to leave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DispatchLine {
    /// Task.
    pub task: u32,
    /// Call.
    pub call: u64,
    /// Content key of the call.
    pub key: String,
    /// Which try, from 1.
    pub attempt: u32,
    /// When, from the start of the run.
    pub at_ns: u64,
    /// Most prompt and completion tokens it can be billed for.
    pub reserved_tokens: u64,
    /// Most it can cost.
    pub reserved_picodollars: u64,
    /// What earlier tries of the call were billed, or possibly billed.
    #[serde(default, skip_serializing_if = "crate::model::is_default")]
    pub spent: Billed,
}

/// A reply came that could not be read; the next try asks to have it repaired.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UnreadableLine {
    /// Task.
    pub task: u32,
    /// Call.
    pub call: u64,
    /// Content key of the call.
    pub key: String,
    /// Tries up to it.
    pub attempt: u32,
    /// When, from the start of the run.
    pub at_ns: u64,
    /// The reply.
    pub text: String,
    /// What is wrong with it.
    pub wrong: String,
    /// Tokens of the call up to it.
    pub usage: UsageLine,
    /// Their cost.
    pub picodollars: Roles,
    /// What all tries of the call were billed, or possibly billed.
    pub spent: Billed,
}

/// Tokens and money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Billed {
    /// Prompt and completion tokens.
    pub tokens: u64,
    /// In 10^-12 dollars.
    pub picodollars: u64,
}
