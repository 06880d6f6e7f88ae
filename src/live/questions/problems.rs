//! Problems that a small program solves: text in, text out, graded by tests that nobody who writes it sees.

use super::error::QuestionsError;
use super::records::{self, Next, Record, shown};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// What goes in and what must come out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// Standard input.
    pub input: String,
    /// Standard output; white space at the ends of lines and of the text does not count.
    pub output: String,
}

/// A problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Name within its set.
    pub id: String,
    /// What the program must do.
    pub text: String,
    /// Cases that everybody sees.
    pub examples: Vec<Case>,
    /// Cases that decide; nobody sees them.
    pub tests: Vec<Case>,
}

/// Problems of this program's own, for a first try.
const OWN: &str = include_str!("problems.jsonl");
const FIELDS: [&str; 4] = ["id", "question", "examples", "tests"];

/// Problems `skip..skip + limit` of a file of JSON Lines, or of this program's own.
///
/// # Errors
/// The first fault of the file, or too few problems.
pub fn load(path: Option<&Path>, skip: u32, limit: u32) -> Result<Vec<Problem>, QuestionsError> {
    let Some(path) = path else {
        let all: Result<Vec<Problem>, _> = OWN.lines().map(of_own).collect();
        let all = all.expect("this program's own problems are whole");
        return Ok(all.into_iter().skip(skip as usize).take(limit as usize).collect());
    };
    let (mut problems, mut ids) = (Vec::new(), BTreeSet::new());
    records::read(path, |record| {
        let problem = problem(record)?;
        if !ids.insert(problem.id.clone()) {
            let wrong = format!("\"{}\" stands there twice", problem.id.escape_debug());
            return Err(record.fault("id", wrong, "give every problem an id of its own"));
        }
        problems.push(problem);
        let enough = problems.len() as u64 >= u64::from(skip) + u64::from(limit);
        Ok(if enough { Next::Enough } else { Next::More })
    })?;
    Ok(problems.into_iter().skip(skip as usize).collect())
}

fn of_own(line: &str) -> Result<Problem, serde_json::Error> {
    #[derive(Deserialize)]
    struct Own {
        id: String,
        question: String,
        examples: Vec<Case>,
        tests: Vec<Case>,
    }
    let Own { id, question, examples, tests } = serde_json::from_str(line)?;
    Ok(Problem { id, text: question, examples, tests })
}

fn problem(record: &Record) -> Result<Problem, QuestionsError> {
    if let Some(field) = record.other_than(&FIELDS) {
        return Err(record.fault(&field, "is not known", format!("leave it out; known are {}", FIELDS.join(", "))));
    }
    Ok(Problem {
        id: record.id(&["id"]),
        text: record.text("question")?,
        examples: cases(record, "examples")?,
        tests: cases(record, "tests")?,
    })
}

fn cases(record: &Record, field: &str) -> Result<Vec<Case>, QuestionsError> {
    let list = record.list(field)?.iter().enumerate();
    let part = |i: usize, case: &Value, name: &str| match case.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        other => {
            let wrong = other.map_or("missing".to_owned(), |other| format!("found {}", shown(other)));
            Err(record.fault(&format!("{field}[{i}].{name}"), wrong, "give a text"))
        }
    };
    list.map(|(i, case)| Ok(Case { input: part(i, case, "input")?, output: part(i, case, "output")? })).collect()
}
