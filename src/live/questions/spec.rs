//! Which questions to ask: the generator's or a file's, how many, and how long their sources are.

use super::error::QuestionsError;
use super::generated::{self, GeneratedSpec};
use super::haystack::{self, Haystack};
use super::longbench::{self, SplitSpec};
use super::records::{self, Next, Record};
use super::{Question, hotpotqa, key_value, natural_questions, own};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A set of questions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QuestionsSpec {
    /// Where the questions come from.
    pub source: Source,
    /// Questions passed over at the start of the source (count).
    pub skip: u32,
    /// Questions at most (count).
    pub limit: u32,
    /// Documents that a question is filled up to with those of other questions of the file (count; 0: as it is).
    pub documents_per_question: u32,
    /// Place of the only needed document when a question is filled up (from 0); drawn if not given.
    pub gold_position: Option<u32>,
}

impl Default for QuestionsSpec {
    fn default() -> Self {
        Self { source: Source::default(), skip: 0, limit: 10, documents_per_question: 0, gold_position: None }
    }
}

/// Where questions come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Source {
    /// Made by code.
    Generated(GeneratedSpec),
    /// Read from a file of a published set.
    File(FileSpec),
}

impl Default for Source {
    fn default() -> Self {
        Self::Generated(GeneratedSpec::default())
    }
}

/// A file of questions and how to read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSpec {
    /// The file: JSON Lines or a JSON array, plain or gzip; relative to the working directory.
    pub path: PathBuf,
    /// Its format.
    #[serde(default)]
    pub format: Format,
    /// Pairs per document of a key-value item (count).
    #[serde(default = "pairs")]
    pub pairs_per_document: u32,
    /// Where the long text of a LongBench-v2 item is cut.
    #[serde(default)]
    pub split: SplitSpec,
}

fn pairs() -> u32 {
    15
}

impl FileSpec {
    /// A file with everything else by default.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), format: Format::Auto, pairs_per_document: pairs(), split: SplitSpec::default() }
    }
}

/// Format of a file of questions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Told by the first record's fields.
    #[default]
    Auto,
    /// HotpotQA: `docs`, or `context` with `supporting_facts`.
    Hotpotqa,
    /// Natural Questions with passages: `ctxs`.
    NaturalQuestions,
    /// Key-value retrieval: `ordered_kv_records`.
    KeyValue,
    /// LongBench-v2: `choice_A` to `choice_D`, `context`.
    LongbenchV2,
    /// One's own: `id`, `question`, `documents`, `answers`, `rule`.
    Own,
}

impl Format {
    fn told_by(record: &Record) -> Result<Self, QuestionsError> {
        let known = [
            ("ordered_kv_records", Self::KeyValue),
            ("choice_A", Self::LongbenchV2),
            ("ctxs", Self::NaturalQuestions),
            ("rule", Self::Own),
            ("documents", Self::Own),
            ("docs", Self::Hotpotqa),
            ("context", Self::Hotpotqa),
        ];
        known.iter().find(|(field, _)| record.has(field)).map(|(_, format)| *format).ok_or_else(|| {
            record.fault(
                "",
                format!("no format is known with the fields {}", record.names()),
                "give HotpotQA (docs or context), Natural Questions (ctxs), key-value records (ordered_kv_records), \
                 LongBench-v2 (choice_A ..) or your own (id, question, documents, answers, rule)",
            )
        })
    }
}

impl QuestionsSpec {
    /// The questions. Question i of the result is item `skip + i` of the source, whatever the limit is.
    ///
    /// # Errors
    /// A specification that cannot be met, or the first fault of the file.
    pub fn load(&self, seed: u64) -> Result<Vec<Question>, QuestionsError> {
        if self.limit == 0 {
            return Err(QuestionsError::spec("limit", "found 0", "ask for at least one question"));
        }
        let (skip, limit) = (u64::from(self.skip), u64::from(self.limit));
        match &self.source {
            Source::Generated(spec) => {
                if self.documents_per_question > 0 || self.gold_position.is_some() {
                    let wrong = format!("found {} on a generated set", self.documents_per_question);
                    let mend = "raise source.generated.documents instead: people of other questions would clash";
                    return Err(QuestionsError::spec("documents_per_question", wrong, mend));
                }
                (skip..skip + limit).map(|index| generated::question(spec, seed, index)).collect()
            }
            Source::File(file) => {
                let fills = self.documents_per_question > 0;
                let pool = file.read(if fills { u64::MAX } else { skip + limit })?;
                if pool.len() as u64 <= skip {
                    let wrong = format!("found {skip}, but {} holds {} questions", file.path.display(), pool.len());
                    return Err(QuestionsError::spec("skip", wrong, "skip fewer"));
                }
                let to = pool.len().min((skip + limit) as usize);
                if !fills {
                    return Ok(pool.into_iter().skip(skip as usize).collect());
                }
                (skip as usize..to).map(|index| self.filled(&pool, index, seed, &file.path)).collect()
            }
        }
    }

    fn filled(&self, pool: &[Question], index: usize, seed: u64, path: &Path) -> Result<Question, QuestionsError> {
        let documents = self.documents_per_question as usize;
        let gold_at = self.gold_position.map(|at| at as usize);
        if let Some(at) = gold_at.filter(|&at| at >= documents) {
            let mend = format!("give 0 to {}", documents - 1);
            return Err(QuestionsError::spec("gold_position", format!("found {at}"), mend));
        }
        haystack::grown(pool, index, Haystack { documents, gold_at }, seed).ok_or_else(|| {
            let wrong = format!("found {documents}, more than the other questions of {} lend", path.display());
            QuestionsError::spec("documents_per_question", wrong, "give fewer, or a file with more questions")
        })
    }
}

impl FileSpec {
    /// The first `most` questions of the file.
    fn read(&self, most: u64) -> Result<Vec<Question>, QuestionsError> {
        let mut format = self.format;
        let mut questions = Vec::new();
        let mut ids = BTreeSet::new();
        records::read(&self.path, |record| {
            if format == Format::Auto {
                format = Format::told_by(record)?;
            }
            questions.push(match format {
                Format::Auto | Format::Hotpotqa => hotpotqa::question(record)?,
                Format::NaturalQuestions => natural_questions::question(record)?,
                Format::KeyValue => key_value::question(record, self.pairs_per_document as usize)?,
                Format::LongbenchV2 => longbench::question(record, &self.split)?,
                Format::Own => {
                    let question = own::question(record)?;
                    if !ids.insert(question.id.clone()) {
                        let wrong = format!("\"{}\" stands there twice", question.id.escape_debug());
                        return Err(record.fault("id", wrong, "give every question an id of its own"));
                    }
                    question
                }
            });
            Ok(if questions.len() as u64 >= most { Next::Enough } else { Next::More })
        })?;
        Ok(questions)
    }
}
