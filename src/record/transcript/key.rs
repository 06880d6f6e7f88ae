//! Content keys: what a call asks, as 32 hex digits. Task, agent, purpose, line, subtask, attempt, step, what is asked
//! for and the layout of the prompt go in; time, position and order do not.

use crate::model::call::{Content, Judge, Request};
use crate::model::ids::TaskId;

/// The content key of a request.
pub fn content_key(task: TaskId, request: &Request) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut words = |words: &[u64]| {
        for word in words {
            hasher.update(&word.to_le_bytes());
        }
    };
    let about = &request.about;
    words(&[
        u64::from(task.0),
        u64::from(request.agent.0),
        u64::from(request.purpose.code()),
        u64::from(about.line.0),
        u64::from(about.subtask.0),
        u64::from(about.attempt),
        u64::from(about.step),
        u64::from(request.background),
        request.subject.map_or(0, |f| u64::from(f.0) + 1),
        u64::from(request.product_tokens),
        u64::from(request.completion_tokens),
        u64::from(request.items),
        u64::from(request.judge == Judge::Oracle),
    ]);
    for span in &request.prompt {
        let [kind, a, b, c] = content_words(&span.content);
        words(&[kind, a, b, c, span.role as u64, u64::from(span.tokens)]);
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

fn content_words(content: &Content) -> [u64; 4] {
    match *content {
        Content::Instructions(purpose) => [0, u64::from(purpose.code()), 0, 0],
        Content::Task => [1, 0, 0, 0],
        Content::Source(subtask) => [2, u64::from(subtask.0), 0, 0],
        Content::View { store, first, version } => [3, u64::from(store.0), u64::from(first), u64::from(version)],
        Content::History { agent, epoch } => [4, u64::from(agent.0), u64::from(epoch), 0],
        Content::Finding(finding) => [5, u64::from(finding.0), 0, 0],
        Content::Unfolded(subtask) => [6, u64::from(subtask.0), 0, 0],
        Content::Fresh => [7, 0, 0, 0],
    }
}
