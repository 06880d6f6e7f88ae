//! Questions made by a seeded generator, exactly gradable by code. Each is about made-up people whose lockers open with
//! codes. Its facts lie one per document among distractors of the same form and plain prose.
//!
//! * `codes`: which codes open the lockers of A, B and C? k facts, one answer each; all must be reported in order.
//! * `chain`: which code opens the locker of the deputy of the landlord of A? k facts, each found by the one before.
//!
//! Invariant: equal (specification, seed, index) give equal bytes; every fact that a question needs stands in exactly
//! one document, no two of them in the same, and no other sentence contradicts or implies it.

mod prose;

use super::error::QuestionsError;
use super::{Document, Grading, Question};
use crate::kernel::{Address, Key};
use prose::{Names, ROLES};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Kind of draw of the generator.
const GENERATED: u16 = 0x6765;

/// What a generated question asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GeneratedForm {
    /// The codes of k people, in order: every document can be read alone.
    #[default]
    Codes,
    /// The code at the end of a chain of k facts: each tells about whom the next one is.
    Chain,
}

/// Parameters of the generator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GeneratedSpec {
    /// What a question asks.
    pub form: GeneratedForm,
    /// Documents of a question (count).
    pub documents: u32,
    /// Facts that a question needs, each in a document of its own (count, at most `documents` and 12).
    pub facts_needed: u32,
    /// Facts of the same form about other people, in every document (count).
    pub distractors_per_document: u32,
    /// Sentences of plain prose in every document (count; about 14 tokens each).
    pub sentences_per_document: u32,
}

impl Default for GeneratedSpec {
    fn default() -> Self {
        Self {
            form: GeneratedForm::Codes,
            documents: 8,
            facts_needed: 3,
            distractors_per_document: 3,
            sentences_per_document: 12,
        }
    }
}

/// Most facts of a question: there are so many roles.
const MOST_FACTS: u32 = ROLES.len() as u32 + 1;
/// Names that a question can use.
const MOST_PEOPLE: u64 = prose::NAMES;

impl GeneratedSpec {
    /// Whether such questions exist.
    ///
    /// # Errors
    /// The first number out of its range, with the mend.
    pub fn check(&self) -> Result<(), QuestionsError> {
        let fault = |key, found: u32, mend: String| Err(QuestionsError::spec(key, format!("found {found}"), mend));
        if self.documents == 0 {
            return fault("source.generated.documents", 0, "give at least 1".to_owned());
        }
        let most = self.documents.min(MOST_FACTS);
        if self.facts_needed == 0 || self.facts_needed > most {
            let mend = format!(
                "give 1 to {most}: each fact lies in a document of its own, and there are {MOST_FACTS} at most"
            );
            return fault("source.generated.facts_needed", self.facts_needed, mend);
        }
        let each = MOST_PEOPLE.saturating_sub(u64::from(MOST_FACTS)) / (2 * u64::from(self.documents));
        if u64::from(self.distractors_per_document) > each {
            let mend = format!("give at most {each} for {} documents: names run out", self.documents);
            return fault("source.generated.distractors_per_document", self.distractors_per_document, mend);
        }
        Ok(())
    }
}

/// Question `index` under a seed.
///
/// # Errors
/// See [`GeneratedSpec::check`].
pub fn question(spec: &GeneratedSpec, seed: u64, index: u64) -> Result<Question, QuestionsError> {
    spec.check()?;
    let key = Key::new(seed, index);
    let names = Names::new(&key, GENERATED);
    let needed = spec.facts_needed as usize;
    let homes = super::haystack::order(&key, u32::MAX - 1, spec.documents as usize);
    let mut told = vec![Vec::new(); spec.documents as usize];
    let roles = super::haystack::order(&key, u32::MAX - 2, ROLES.len());
    // People 0.. are those of the question; distractors follow.
    let (text, answer) = match spec.form {
        GeneratedForm::Codes => {
            let people: Vec<u64> = (0..needed as u64).collect();
            for (&home, &person) in homes.iter().zip(&people) {
                told[home].push(names.has_code(person, home as u64));
            }
            let whom = listed(&people.iter().map(|&p| names.person(p)).collect::<Vec<_>>());
            let text = match needed {
                1 => format!("Which code opens the locker of {whom}?"),
                _ => format!(
                    "Which codes open the lockers of {whom}? Give them in this order, with commas between them."
                ),
            };
            (text, people.iter().map(|&p| names.code(p)).collect::<Vec<_>>().join(", "))
        }
        GeneratedForm::Chain => {
            let last = needed as u64 - 1;
            let mut whose = names.person(0);
            for link in 0..last {
                let role = roles[link as usize];
                told[homes[link as usize]].push(names.has_role(link, role, link + 1));
                whose = format!("the {} of {whose}", ROLES[role]);
            }
            told[homes[last as usize]].push(names.has_code(last, last));
            (format!("Which code opens the locker of {whose}?"), names.code(last))
        }
    };
    let mut people = needed as u64;
    let documents = told.into_iter().enumerate().map(|(d, facts)| {
        let gold = !facts.is_empty();
        let mut sentences = facts;
        for i in 0..spec.distractors_per_document {
            let draws = key.draws(Address { purpose: GENERATED, entity: 1 + d as u64, attempt: 1, step: i });
            let about_role = spec.form == GeneratedForm::Chain && draws.bits(0).is_multiple_of(2);
            sentences.push(if about_role {
                names.has_role(people, (draws.bits(1) % ROLES.len() as u64) as usize, people + 1)
            } else {
                names.has_code(people, draws.bits(1))
            });
            people += 2;
        }
        let plain = (0..spec.sentences_per_document).map(|i| {
            prose::sentence(&key.draws(Address { purpose: GENERATED, entity: 1 + d as u64, attempt: 2, step: i }))
        });
        sentences.extend(plain);
        let order = super::haystack::order(&key, d as u32, sentences.len());
        let text = order.into_iter().map(|i| sentences[i].as_str()).collect::<Vec<_>>().join(" ");
        let draws = key.draws(Address { purpose: GENERATED, entity: 1 + d as u64, attempt: 3, step: 0 });
        Document { title: prose::title(&draws, d + 1), text, gold: Some(gold) }
    });
    Ok(Question {
        id: format!("generated-{index}"),
        text,
        documents: documents.collect(),
        answers: vec![answer],
        grading: Grading::Code,
        choices: Vec::new(),
    })
}

/// A list in prose.
fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [only] => only.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}
