//! From a request's spans to messages. Instructions are the system message; all other spans follow one another in the
//! order of the request as one user message, so that prompts that share leading spans share leading text. A few lines
//! at the end say what this call is about.

mod set;

pub use set::{Prompts, PromptsError};

use super::Message;
use super::reading::Reading;
use super::subtasks;
use crate::live::questions::letter;
use crate::model::call::{Content, PromptSpan, Purpose, Request};
use std::fmt::Write;

/// The messages of a request, and the key of each span's text.
pub(super) fn messages(desk: &Reading, request: &Request) -> (Vec<Message>, Vec<String>) {
    let mut user = String::new();
    let mut keys: Vec<String> = Vec::with_capacity(request.prompt.len());
    let mut before = None;
    for span in &request.prompt {
        if before == Some(span.content) {
            // Adjacent spans of equal content are one text.
            keys.push(keys.last().expect("there is one before").clone());
            continue;
        }
        before = Some(span.content);
        let text = span_text(desk, request, span);
        keys.push(blake3::hash(text.as_bytes()).to_hex()[..32].to_owned());
        if !matches!(span.content, Content::Instructions(_)) {
            join(&mut user, &text);
        }
    }
    join(&mut user, &closing(desk, request));
    let message = |role: &str, content: &str| Message { role: role.to_owned(), content: content.trim_end().to_owned() };
    let system = match desk.heading.as_str() {
        "" => desk.prompts.of(request.purpose).to_owned(),
        heading => format!("{heading}\n{}", desk.prompts.of(request.purpose)),
    };
    (vec![message("system", &system), message("user", &user)], keys)
}

fn join(all: &mut String, text: &str) {
    if !all.is_empty() && !text.is_empty() {
        all.push('\n');
    }
    all.push_str(text);
}

/// What a span says; empty if its text stands elsewhere.
fn span_text(desk: &Reading, request: &Request, span: &PromptSpan) -> String {
    match span.content {
        Content::Instructions(purpose) => desk.prompts.of(purpose).to_owned(),
        Content::Task => task(desk),
        Content::Source(subtask) => desk
            .unit(request.about.line, subtask)
            .map_or_else(String::new, |unit| subtasks::source(unit, &desk.question.documents)),
        // Knowledge whose text is part of the history.
        Content::View { .. } if span.tokens == 0 => String::new(),
        Content::View { store, first, version } => desk.texts.view(store, first, version),
        Content::History { agent, epoch } => {
            let opens = request.purpose == Purpose::Step
                && !desk.histories.is_open(agent, epoch, Reading::delegation_of(request));
            let opening = opens.then(|| desk.opening(request));
            desk.histories.text(agent, epoch, opening.as_deref())
        }
        Content::Finding(finding) => desk.texts.named(finding),
        Content::Unfolded(subtask) => desk.unfolded.get(&subtask).cloned().unwrap_or_default(),
        Content::Fresh => String::new(),
    }
}

fn task(desk: &Reading) -> String {
    let mut text = format!("Question: {}\n", desk.question.text);
    for (i, choice) in desk.question.choices.iter().enumerate() {
        writeln!(text, "{}. {choice}", letter(i)).expect("a String takes all");
    }
    text
}

/// The documents by number and title, for those who plan.
fn contents(desk: &Reading) -> String {
    let mut text = "Documents:\n".to_owned();
    for (i, document) in desk.question.documents.iter().enumerate() {
        writeln!(text, "{}. {}", i + 1, document.title).expect("a String takes all");
    }
    text
}

/// What this call is about.
fn closing(desk: &Reading, request: &Request) -> String {
    let words = |tokens: u32| (tokens * 3 / 4).max(1);
    let product = words(desk.product_tokens(request));
    let about = desk.unit(request.about.line, request.about.subtask);
    let ask = about.map_or("", |unit| unit.ask.as_str());
    let titles = about.map(|unit| subtasks::titles(unit, &desk.question.documents)).unwrap_or_default();
    let told = match request.purpose {
        Purpose::Plan => format!("{}\nList the subtasks.", contents(desk)),
        Purpose::MoreSubtasks => format!(
            "{}\nSubtasks 1 to {} are over; new ones are numbered from {}. Is more needed?",
            contents(desk),
            desk.created,
            desk.created + 1
        ),
        Purpose::Dispatch => format!("{}\nWrite the brief in at most {product} words.", going_out(desk, request)),
        Purpose::Step | Purpose::Tool => {
            let last = if desk.is_last_step(request) { " This is your last step: done is true." } else { "" };
            let long = match request.product_tokens {
                0 => String::new(),
                tokens => format!(" Nobody sees more of your work than this, at most {} words.", words(tokens)),
            };
            format!("Do your subtask now, step {}.{long}{last}", request.about.step + 1)
        }
        Purpose::Gist => {
            let refused = request.subject.filter(|_| request.about.step > 0);
            let why = refused.and_then(|raw| desk.refusals.get(&raw)).filter(|why| !why.is_empty());
            let again = why.map_or_else(String::new, |why| format!("An earlier note was refused: {why}\n"));
            format!("{again}Write the note in at most {product} words.")
        }
        Purpose::Verify => "Does the result say all that the note says?".to_owned(),
        Purpose::Unfold if about.is_none() => {
            "You are about to write the answer to the question. Which labels do you need?".to_owned()
        }
        Purpose::Unfold => format!("Your subtask: {ask}\nYou will read: {titles}\nWhich labels do you need?"),
        Purpose::Report => format!("Write the report in at most {product} words."),
        Purpose::Compact => format!("Write what to keep in at most {product} words."),
        Purpose::Merge => format!("The last {} notes are new. Take them in.", request.items),
        Purpose::Finalize => "Write the answer.".to_owned(),
    };
    format!("{told} Answer with the JSON object.")
}

/// The workers that a brief is for: the one in hand, or those claimed last.
fn going_out(desk: &Reading, request: &Request) -> String {
    let subtasks = match request.items {
        0 | 1 => vec![request.about.subtask],
        n => desk.claims[desk.claims.len().saturating_sub(n as usize)..].to_vec(),
    };
    let mut text = "Workers that go out now:\n".to_owned();
    for unit in subtasks.iter().filter_map(|&subtask| desk.unit(request.about.line, subtask)) {
        let titles = subtasks::titles(unit, &desk.question.documents);
        writeln!(text, "- reads {titles}: {}", unit.ask).expect("a String takes all");
    }
    text
}
