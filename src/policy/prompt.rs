//! Building prompts out of spans.

use crate::model::call::{Content, Finding, Prompt, PromptSpan, Purpose, SpanRole};
use crate::model::context::View;
use crate::model::ids::StoreId;

use super::settings::Settings;

/// Fixed instructions of a purpose.
pub fn instructions(purpose: Purpose, s: &Settings) -> PromptSpan {
    PromptSpan { content: Content::Instructions(purpose), role: SpanRole::Instructions, tokens: s.instructions_tokens }
}

/// The task statement.
pub fn task(s: &Settings) -> PromptSpan {
    PromptSpan { content: Content::Task, role: SpanRole::Task, tokens: s.task_tokens }
}

/// A view of a store.
pub fn view(store: StoreId, view: View, role: SpanRole) -> PromptSpan {
    let content = Content::View { store, first: view.first, version: view.version };
    PromptSpan { content, role, tokens: view.tokens }
}

/// A view whose text stands elsewhere in the prompt already: it tells what the reader knows and adds no tokens.
pub fn known(store: StoreId, version: u32) -> PromptSpan {
    let content = Content::View { store, first: 0, version };
    PromptSpan { content, role: SpanRole::History, tokens: 0 }
}

/// One finding.
pub fn finding(f: &Finding, role: SpanRole) -> PromptSpan {
    PromptSpan { content: Content::Finding(f.id), role, tokens: f.tokens }
}

/// Instructions and task, then the rest.
pub fn opening(purpose: Purpose, s: &Settings, rest: &[PromptSpan]) -> Prompt {
    let mut prompt = Prompt::new();
    prompt.push(instructions(purpose, s));
    prompt.push(task(s));
    for span in rest {
        prompt.push(*span);
    }
    prompt
}

/// Instructions, the board, the task, then the rest: the board comes first wherever it only grows.
pub fn board_first(purpose: Purpose, s: &Settings, board: Option<PromptSpan>, rest: &[PromptSpan]) -> Prompt {
    let mut prompt = Prompt::new();
    prompt.push(instructions(purpose, s));
    if let Some(board) = board {
        prompt.push(board);
    }
    prompt.push(task(s));
    for span in rest {
        prompt.push(*span);
    }
    prompt
}
