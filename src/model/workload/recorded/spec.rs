//! Recorded work as data: what was asked in runs of the past, what came back and how long it took, without who decided
//! what came next.

use crate::kernel::Law;
use crate::model::call::{Answer, Purpose};
use crate::model::ids::About;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What kind of work was recorded: which calls its policies make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RecordedForm {
    /// Subtasks of one question.
    #[default]
    Divide,
    /// Attempts at one issue.
    Search,
}

/// What is known of right and wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Grades {
    /// Nothing: no answer is graded.
    #[default]
    Unknown,
    /// A recorded answer is worth what it was worth when it was recorded; an outcome with any other is not graded.
    AsRecorded,
}

/// How a policy's estimate of a prompt becomes tokens of the server.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PromptLaw {
    /// Tokens of every prompt's instructions.
    pub instructions_tokens: f64,
    /// Tokens per estimated token of the rest.
    pub tokens_per_estimate: f64,
}

/// Work of recorded runs. Replication r meets the instances from `r * tasks` on, modulo their number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RecordedSpec {
    /// What kind of work it is.
    pub form: RecordedForm,
    /// What is known of right and wrong.
    pub grades: Grades,
    /// Tasks that one recorded run had at once.
    pub tasks: u32,
    /// One per recorded task.
    pub instances: Vec<RecordedInstance>,
    /// Tokens of a prompt that was not recorded; absent: as the policy estimates them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompts: Option<PromptLaw>,
    /// Share of the asked length that recorded products have, by purpose; 1 where none was recorded.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub written_share: BTreeMap<Purpose, f64>,
    /// Tokens that unfolding puts before an agent where no recorded unfolding is asked for again.
    pub unfolded_tokens: u32,
    /// Tokens of a raw result where it was recorded in an asked length only, and a result that is asked for in a length has
    /// that length; absent: as its last step, and no longer than asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_tokens: Option<Law>,
}

impl Default for RecordedSpec {
    fn default() -> Self {
        Self {
            form: RecordedForm::default(),
            grades: Grades::default(),
            tasks: 1,
            instances: Vec::new(),
            prompts: None,
            written_share: BTreeMap::new(),
            unfolded_tokens: 400,
            result_tokens: None,
        }
    }
}

impl RecordedSpec {
    /// All of it but the runs.
    #[must_use]
    pub fn settings(&self) -> Self {
        let Self { form, grades, tasks, instances: _, prompts, ref written_share, unfolded_tokens, ref result_tokens } =
            *self;
        let (written_share, result_tokens) = (written_share.clone(), result_tokens.clone());
        Self { form, grades, tasks, instances: Vec::new(), prompts, written_share, unfolded_tokens, result_tokens }
    }
}

/// Work of one recorded task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RecordedInstance {
    /// Name of the recorded run.
    pub name: String,
    /// What a plan names, in the order of its numbers; empty on `search`.
    pub subtasks: Vec<RecordedSubtask>,
    /// Pairs `[subtask, waits for]`, numbered from 0.
    pub dependencies: Vec<[u32; 2]>,
    /// What was asked, and what came back; equal purposes and subjects once.
    pub calls: Vec<RecordedCall>,
    /// Findings of these calls that were handed in and right.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub right: Vec<u32>,
}

/// One subtask of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RecordedSubtask {
    /// Tokens that its first step read besides instructions and task.
    pub source_tokens: u32,
}

/// A recorded call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordedCall {
    /// Why it was made.
    pub purpose: Purpose,
    /// About what: with the purpose, what the same call of another topology is known by.
    pub about: About,
    /// Tokens that its product was asked to have; 0 where nobody asked for a length.
    #[serde(default, skip_serializing_if = "crate::model::is_default")]
    pub product_tokens: u32,
    /// Completion tokens that were asked for; 0 where nobody asked for a length.
    #[serde(default, skip_serializing_if = "crate::model::is_default")]
    pub asked_tokens: u32,
    /// Prompt tokens as the policy estimated them; 0 where nobody did.
    #[serde(default, skip_serializing_if = "crate::model::is_default")]
    pub estimated_tokens: u64,
    /// Prompt tokens that the server counted, cached ones included.
    #[serde(default, skip_serializing_if = "crate::model::is_default")]
    pub prompt_tokens: u64,
    /// Of these, read from a cache.
    #[serde(default, skip_serializing_if = "crate::model::is_default")]
    pub cached_tokens: u64,
    /// Completion tokens.
    #[serde(default, skip_serializing_if = "crate::model::is_default")]
    pub completion_tokens: u64,
    /// Seconds from dispatch to completion, of a call that had its server alone.
    pub service_s: f64,
    /// What came back; absent if it was cancelled or cut off after `service_s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}
