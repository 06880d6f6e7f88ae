//! Answers to questions about a scenario, for people and for files.
//!
//! A question has one page: what was asked and what came out in sentences, one table, what to doubt. Files hold the
//! table as CSV, the whole answer as JSON, and a figure.

mod equal;
mod factorial;
mod flip;
mod tune;
mod vary;

use super::file::File;
use super::markdown;
use super::number::wrap;
use super::store::Results;
use super::table::WIDTH;
use crate::experiment::Scenario;
use crate::experiment::asked::Answer;

/// One page.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// Name of its files.
    pub name: &'static str,
    /// Sentences above the table, most important first.
    pub sentences: Vec<String>,
    /// Headings of the table.
    pub header: Vec<&'static str>,
    /// Its rows.
    pub rows: Vec<Vec<String>>,
    /// Sentences below the table.
    pub notes: Vec<String>,
}

impl Page {
    /// The page of an answer.
    pub fn of(scenario: &Scenario, answer: &Answer) -> Self {
        match answer {
            Answer::Flip(flips) => flip::page(scenario, flips),
            Answer::Equal(equals) => equal::page(scenario, equals),
            Answer::Factorial(found) => factorial::page(scenario, found),
            Answer::Tune(tuned) => tune::page(scenario, tuned),
            Answer::Vary(varied) => vary::page(scenario, varied),
        }
    }

    /// The sentences above the table, in lines.
    pub fn head(&self) -> String {
        lines(&self.sentences)
    }

    /// The sentences below the table, in lines.
    pub fn foot(&self) -> String {
        lines(&self.notes)
    }
}

fn lines(sentences: &[String]) -> String {
    sentences.iter().map(|s| wrap(s, WIDTH, "  ") + "\n").collect()
}

/// The answer as files; `command` is the command line that asked.
pub fn results<'a>(scenario: &'a Scenario, answer: &'a Answer, command: &str, figures: bool) -> Results<'a> {
    let page = Page::of(scenario, answer);
    let (digest, data, drawn) = match answer {
        Answer::Flip(flips) => (&flips.digest, flip::data(flips), flip::figure(scenario, flips)),
        Answer::Equal(equals) => (&equals.digest, equal::data(equals), equal::figure(scenario, equals)),
        Answer::Factorial(found) => (&found.digest, factorial::data(found), None),
        Answer::Tune(tuned) => (&tuned.digest, tune::data(tuned), None),
        Answer::Vary(varied) => (&varied.digest, vary::data(varied), vary::figure(scenario, varied)),
    };
    let json = serde_json::to_string_pretty(answer).expect("plain values become JSON") + "\n";
    let mut text = page.head() + "\n" + &table(&page) + "\n" + &page.foot();
    text = text.trim_end().to_owned() + "\n";
    let mut files = vec![
        File::text(&format!("{}.csv", page.name), data),
        File::text(&format!("{}.json", page.name), json),
        File::text(&format!("{}.md", page.name), text),
    ];
    if let Answer::Tune(tuned) = answer {
        files.push(File::text("tuned.toml", tune::scenario(tuned, command)));
    }
    if figures && let Some(canvas) = drawn {
        files.extend(super::plot::both(page.name, &canvas));
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Results { scenario, digest, files, missing: None }
}

/// The table as Markdown.
fn table(page: &Page) -> String {
    let mut out = String::new();
    let header: Vec<String> = page.header.iter().map(ToString::to_string).collect();
    // No column stands right.
    markdown::header(&mut out, &header, 0..0);
    for row in &page.rows {
        markdown::line(&mut out, row);
    }
    out
}

/// What to doubt where leads or verifiers were given other models.
fn models_moved<'a>(changes: impl IntoIterator<Item = &'a String>) -> Option<String> {
    let is_model = |change: &&String| change.starts_with("lead_endpoint=") || change.starts_with("verifier_endpoint=");
    changes.into_iter().find(is_model).map(|_| {
        "Where lead_endpoint or verifier_endpoint moved, price and speed moved; accuracy does not follow the model here, so \
         that a cheap one is never worse: --grid 'lead_endpoint=\"by-role\"' keeps the scenario's."
            .to_owned()
    })
}

/// By what a value is multiplied for people, and its unit: percent points for shares, the metric's own unit else.
fn scale(unit: &'static str) -> (f64, &'static str) {
    if unit == "1" { (100.0, "points") } else { (1.0, unit) }
}
