//! Parameters of the desk: who plans, how much a subtask reads, how long answers may be.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who lists subtasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PlanBy {
    /// Plain code: so many documents each, in order, none waits for another, never more.
    Documents,
    /// A model.
    Model,
}

/// Parameters of the desk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeskSpec {
    /// Who lists the first subtasks.
    pub plan_by: PlanBy,
    /// Who answers whether more subtasks are needed; plain code says no.
    pub more_by: PlanBy,
    /// Documents that a subtask reads when plain code plans (count).
    pub documents_per_subtask: u32,
    /// Steps after which a subtask is done whatever its agent says (count; 0: the policy's limit alone, which gives
    /// unfinished work up).
    pub most_steps: u32,
    /// Newest steps that stay when a memory limit compacts older ones (count; the policy's `keep_steps`).
    pub keep_steps: u32,
    /// Completion of a step (tokens at most; longer if the policy asks for a longer result).
    pub step_tokens: u32,
    /// Completion of a verdict (tokens at most).
    pub verify_tokens: u32,
    /// Completion of a choice of labels (tokens at most).
    pub unfold_tokens: u32,
    /// Completion of an answer to whether more is needed (tokens at most).
    pub more_tokens: u32,
    /// Completion of a plan (tokens at most).
    pub plan_tokens: u32,
    /// Completion of a merge (tokens at most).
    pub merge_tokens: u32,
    /// Completion of a final answer (tokens at most).
    pub answer_tokens: u32,
    /// Completion of every call, where the lengths above are shorter (tokens; 0: they hold as they are).
    #[serde(skip_serializing_if = "crate::model::is_default")]
    pub least_completion_tokens: u32,
    /// Added to the length of gists, reports, briefs and digests for the form around them (tokens).
    pub form_tokens: u32,
    /// Length of a gist, report, brief or digest where the policy states none, and the least of a brief (tokens).
    pub product_tokens: u32,
}

impl Default for DeskSpec {
    fn default() -> Self {
        Self {
            plan_by: PlanBy::Documents,
            more_by: PlanBy::Model,
            documents_per_subtask: 1,
            most_steps: 3,
            keep_steps: 3,
            step_tokens: 256,
            verify_tokens: 96,
            unfold_tokens: 48,
            more_tokens: 256,
            plan_tokens: 512,
            merge_tokens: 200,
            answer_tokens: 160,
            least_completion_tokens: 0,
            form_tokens: 40,
            product_tokens: 100,
        }
    }
}
