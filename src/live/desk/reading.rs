//! The desk for one question over several documents: what each request says, and what a reply comes to.
//!
//! Invariant: a reply is understood before anything of it is kept; handles are given in the order of replies.

use super::answers::{self, Fields};
use super::histories::{Delegation, Histories};
use super::prompts::Prompts;
use super::spec::{DeskSpec, PlanBy};
use super::subtasks::{self, Unit};
use super::texts::{Texts, estimated_tokens, shortened};
use crate::live::questions::{Grading, Question, grade};
use crate::model::call::{Answer, Content, FindingKind, Judge, Purpose, Request};
use crate::model::ids::{AgentId, FindingId, LineId, SubtaskId};
use crate::model::workload::Truth as _;
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Entries that one unfolding reads in full (DeLM's bound).
const MOST_LABELS: usize = 5;

/// The state of one question's texts.
#[derive(Clone, Debug)]
pub struct Reading {
    pub(super) question: Arc<Question>,
    pub(super) spec: Arc<DeskSpec>,
    pub(super) prompts: Arc<Prompts>,
    /// Codes that the documents and the question state, where answers are codes.
    pub(super) codes: BTreeSet<String>,
    pub(super) texts: Texts,
    pub(super) histories: Histories,
    /// Subtasks of each line; all lines but those of independent agents share line 0.
    units: BTreeMap<LineId, Vec<Unit>>,
    pub(super) created: u32,
    /// Claims in order; the newest are those that a brief is for.
    pub(super) claims: Vec<SubtaskId>,
    pub(super) unfolded: BTreeMap<SubtaskId, String>,
    /// Why the newest gist of a result was refused.
    pub(super) refusals: BTreeMap<FindingId, String>,
    /// First line of every prompt.
    pub(super) heading: String,
}

/// What a reply says, not yet kept.
pub(super) enum Said {
    Subtasks(Vec<Unit>),
    /// A brief, gist, report or digest.
    Product(String),
    Step {
        found: String,
        evidence: String,
        done: bool,
    },
    Verdict {
        accepted: bool,
        reason: String,
    },
    Labels(Vec<u32>),
    Merged,
    Answer(String),
}

impl Reading {
    /// A desk for a question.
    pub fn new(question: Arc<Question>, spec: Arc<DeskSpec>) -> Self {
        let mut codes = BTreeSet::new();
        if question.grading == Grading::Code {
            codes.extend(grade::codes(&question.text));
            for document in &question.documents {
                codes.extend(grade::codes(&document.title));
                codes.extend(grade::codes(&document.text));
            }
        }
        Self {
            question,
            spec,
            prompts: Arc::default(),
            codes,
            texts: Texts::default(),
            histories: Histories::default(),
            units: BTreeMap::new(),
            created: 0,
            claims: Vec::new(),
            unfolded: BTreeMap::new(),
            refusals: BTreeMap::new(),
            heading: String::new(),
        }
    }

    /// Begins every prompt with this line.
    #[must_use]
    pub fn headed(mut self, heading: String) -> Self {
        self.heading = heading;
        self
    }

    /// Uses these instructions instead of this program's.
    #[must_use]
    pub fn prompted(mut self, prompts: Arc<Prompts>) -> Self {
        self.prompts = prompts;
        self
    }

    /// The question.
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// What a finding says.
    pub fn text(&self, finding: FindingId) -> Option<&str> {
        self.texts.text(finding)
    }

    /// A subtask in words, as its line knows it.
    pub(super) fn unit(&self, line: LineId, subtask: SubtaskId) -> Option<&Unit> {
        self.units.get(&line)?.get(subtask.index())
    }

    /// The history that a request shows: whose, and since when.
    pub(super) fn history_of(request: &Request) -> Option<(AgentId, u32)> {
        request.prompt.iter().find_map(|span| match span.content {
            Content::History { agent, epoch } => Some((agent, epoch)),
            _ => None,
        })
    }

    pub(super) fn delegation_of(request: &Request) -> Delegation {
        Delegation { subtask: request.about.subtask, attempt: request.about.attempt }
    }

    /// Notices the first prompt after a compaction.
    pub(super) fn look_at_history(&mut self, request: &Request) {
        if let Some((agent, epoch)) = Self::history_of(request) {
            let tokens = |span: &crate::model::call::PromptSpan| match span.content {
                Content::History { .. } => span.tokens,
                _ => 0,
            };
            self.histories.seen(agent, epoch, request.prompt.iter().map(tokens).sum(), self.spec.keep_steps);
        }
    }

    /// What a step's history opens its subtask with. Where no span shows the source, it belongs to the history.
    pub(super) fn opening(&self, request: &Request) -> String {
        let Some(unit) = self.unit(request.about.line, request.about.subtask) else {
            return String::new();
        };
        let ask = format!("Your subtask: {}\n", unit.ask);
        let shown = request.prompt.iter().any(|span| matches!(span.content, Content::Source(_)));
        let delegation = Self::delegation_of(request);
        let digested = Self::history_of(request).is_some_and(|(a, e)| self.histories.was_digested(a, e, delegation));
        if shown || digested { ask } else { format!("{}\n{ask}", subtasks::source(unit, &self.question.documents)) }
    }

    /// Whether a step is its subtask's last by the desk's own limit.
    pub(super) fn is_last_step(&self, request: &Request) -> bool {
        self.spec.most_steps > 0 && request.about.step + 1 >= self.spec.most_steps
    }

    /// Length that a product may have.
    pub(super) fn product_tokens(&self, request: &Request) -> u32 {
        match request.product_tokens {
            0 => self.spec.product_tokens,
            // Policies make a brief no longer than the notes; a model that has little to tell still needs words for it.
            tokens if request.purpose == Purpose::Dispatch => tokens.max(self.spec.product_tokens),
            tokens => tokens,
        }
    }

    pub(super) fn max_tokens(&self, request: &Request) -> u32 {
        let spec = &self.spec;
        let own = match request.purpose {
            Purpose::Plan => spec.plan_tokens,
            Purpose::Step | Purpose::Tool if request.product_tokens == 0 => spec.step_tokens,
            Purpose::Step | Purpose::Tool => spec.step_tokens.max(request.product_tokens + spec.form_tokens),
            Purpose::Gist | Purpose::Report | Purpose::Dispatch | Purpose::Compact => {
                self.product_tokens(request) + spec.form_tokens
            }
            Purpose::Verify => spec.verify_tokens,
            Purpose::Unfold => spec.unfold_tokens,
            Purpose::Merge => spec.merge_tokens,
            Purpose::MoreSubtasks => spec.more_tokens,
            Purpose::Finalize => spec.answer_tokens,
        };
        own.max(spec.least_completion_tokens)
    }

    /// What plain code knows.
    pub(super) fn known(&mut self, request: &Request) -> Option<Answer> {
        match request.purpose {
            Purpose::Plan if self.spec.plan_by == PlanBy::Documents => Some(self.plan_by_documents(request)),
            Purpose::MoreSubtasks if self.spec.more_by == PlanBy::Documents => {
                Some(self.keep_subtasks(request, Vec::new()))
            }
            Purpose::Verify if request.judge == Judge::Oracle => {
                Some(Answer::Verdict { accepted: !request.subject.is_some_and(|f| self.is_unsupported(f)) })
            }
            Purpose::Tool => Some(Answer::Observation { tokens: 0 }),
            _ => None,
        }
    }

    fn plan_by_documents(&mut self, request: &Request) -> Answer {
        let units = subtasks::by_documents(self.question.documents.len(), self.spec.documents_per_subtask);
        self.keep_subtasks(request, units)
    }

    /// Id of the first subtask that a list would add.
    pub(super) fn first(&self, request: &Request) -> u32 {
        if request.purpose == Purpose::Plan { 0 } else { self.created }
    }

    fn keep_subtasks(&mut self, request: &Request, units: Vec<Unit>) -> Answer {
        let first = self.first(request);
        let list = subtasks::list(&units, first, &self.question.documents);
        let all = self.units.entry(request.about.line).or_default();
        all.truncate(first as usize);
        all.extend(units);
        Answer::Subtasks(Arc::new(list))
    }

    /// Understands a reply.
    pub(super) fn understood(&self, request: &Request, fields: &Fields) -> Result<Said, String> {
        let documents = self.question.documents.len();
        Ok(match request.purpose {
            Purpose::Plan => {
                let listed = fields.subtasks("subtasks")?;
                if listed.is_empty() && documents > 0 {
                    return Err("list at least one subtask".to_owned());
                }
                Said::Subtasks(subtasks::from_list(&listed, documents, 0, false)?)
            }
            Purpose::MoreSubtasks => {
                let done = fields.flag("done")?;
                let listed = if done { Vec::new() } else { fields.subtasks("subtasks")? };
                Said::Subtasks(subtasks::from_list(&listed, documents, self.created, true)?)
            }
            Purpose::Dispatch | Purpose::Gist | Purpose::Report | Purpose::Compact => {
                Said::Product(fields.words(main_field(request.purpose))?)
            }
            Purpose::Step | Purpose::Tool => Said::Step {
                found: fields.words("found")?,
                evidence: fields.text("evidence")?,
                done: fields.flag("done")?,
            },
            Purpose::Verify => {
                Said::Verdict { accepted: fields.flag("supported")?, reason: fields.text("reason").unwrap_or_default() }
            }
            Purpose::Unfold => {
                let labels = fields.numbers("labels")?;
                Said::Labels(labels.into_iter().filter_map(|n| u32::try_from(n.checked_sub(1)?).ok()).collect())
            }
            Purpose::Merge => {
                fields.text("known")?;
                Said::Merged
            }
            Purpose::Finalize => Said::Answer(fields.words("answer")?),
        })
    }

    /// Makes the best of a reply that nobody understands.
    pub(super) fn guessed(&self, request: &Request, text: &str) -> Option<Said> {
        let (name, text) = (main_field(request.purpose), answers::spoken(text));
        let words = || {
            let whole = answers::fields(text, &[name]).ok().and_then(|fields| fields.words(name).ok());
            let words = whole.or_else(|| answers::partial(text, name)).unwrap_or_else(|| answers::free(text));
            (!words.is_empty()).then_some(words)
        };
        Some(match request.purpose {
            Purpose::Plan => {
                Said::Subtasks(subtasks::by_documents(self.question.documents.len(), self.spec.documents_per_subtask))
            }
            Purpose::MoreSubtasks => Said::Subtasks(Vec::new()),
            Purpose::Dispatch | Purpose::Gist | Purpose::Report | Purpose::Compact => Said::Product(words()?),
            Purpose::Step | Purpose::Tool => Said::Step { found: words()?, evidence: String::new(), done: true },
            Purpose::Verify => {
                let reason = "The check of it could not be read.".to_owned();
                Said::Verdict { accepted: answers::says(text).unwrap_or(false), reason }
            }
            Purpose::Unfold => Said::Labels(Vec::new()),
            Purpose::Merge => Said::Merged,
            Purpose::Finalize => Said::Answer(words()?),
        })
    }

    /// Keeps what a reply says.
    pub(super) fn keep(&mut self, request: &Request, said: Said) -> Answer {
        match said {
            Said::Subtasks(units) => self.keep_subtasks(request, units),
            Said::Product(words) => self.keep_product(request, &words),
            Said::Step { found, evidence, done } => self.keep_step(request, &found, &evidence, done),
            Said::Verdict { accepted, reason } => {
                let raw = request.subject.and_then(|gist| self.texts.made_from(gist));
                if let Some(raw) = raw.filter(|_| !accepted) {
                    self.refusals.insert(raw, reason);
                }
                Answer::Verdict { accepted }
            }
            Said::Labels(labels) => self.keep_labels(request, &labels),
            Said::Merged => Answer::Merged,
            Said::Answer(answer) => Answer::Final(self.texts.write(FindingKind::Answer, answer, None)),
        }
    }

    fn keep_product(&mut self, request: &Request, words: &str) -> Answer {
        let text = shortened(words, self.product_tokens(request));
        match request.purpose {
            Purpose::Gist => Answer::Gist(self.texts.write(FindingKind::Gist, text, request.subject)),
            Purpose::Report => Answer::Report(self.texts.write(FindingKind::Report, text, request.subject)),
            Purpose::Dispatch => Answer::Brief(self.texts.write(FindingKind::Brief, text, None)),
            _ => {
                let digest = self.texts.write(FindingKind::Digest, text.clone(), None);
                if let Some((agent, epoch)) = Self::history_of(request) {
                    self.histories.compact(agent, epoch, text, digest.tokens);
                }
                Answer::Digest(digest)
            }
        }
    }

    /// A step goes into its agent's history; the last one makes the result: all notes of the subtask where the policy
    /// wants the raw result, else the last note in the length of a report.
    fn keep_step(&mut self, request: &Request, found: &str, evidence: &str, done: bool) -> Answer {
        let note = if evidence.is_empty() { found.to_owned() } else { format!("{found} Evidence: \"{evidence}\"") };
        let mut notes = vec![note.clone()];
        if let Some((agent, epoch)) = Self::history_of(request) {
            let opening = self.opening(request);
            let delegation = Self::delegation_of(request);
            self.histories.step(agent, epoch, delegation, opening, format!("You noted: {note}\n"));
            let steps = self.histories.steps(agent, epoch);
            notes = steps.iter().map(|step| step.trim_start_matches("You noted: ").trim_end().to_owned()).collect();
        }
        let result = (done || self.is_last_step(request)).then(|| {
            let titles = self
                .unit(request.about.line, request.about.subtask)
                .map(|unit| subtasks::titles(unit, &self.question.documents))
                .filter(|titles| !titles.is_empty());
            let told = if request.product_tokens > 0 { note } else { notes.join("\n") };
            let told = titles.map_or_else(|| told.clone(), |titles| format!("From {titles}: {told}"));
            self.texts.write(FindingKind::Result, shortened(&told, request.product_tokens), None)
        });
        Answer::Step { notes: SmallVec::new(), tool: false, result }
    }

    fn keep_labels(&mut self, request: &Request, labels: &[u32]) -> Answer {
        let readable = request.prompt.iter().find_map(|span| match span.content {
            Content::View { store, first, version } => Some(self.texts.entries(store, first, version)),
            _ => None,
        });
        let mut chosen: Vec<(u32, FindingId)> = Vec::new();
        for label in labels {
            let entry = readable.iter().flatten().find(|(entry, _)| entry == label);
            if let Some(entry) = entry.filter(|entry| !chosen.contains(entry) && chosen.len() < MOST_LABELS) {
                chosen.push(*entry);
            }
        }
        let subtask = request.about.subtask;
        if chosen.is_empty() {
            self.unfolded.remove(&subtask);
            return Answer::Unfolded { tokens: 0 };
        }
        let text = self.texts.unfolded(&chosen);
        let tokens = estimated_tokens(&text);
        self.unfolded.insert(subtask, text);
        Answer::Unfolded { tokens }
    }
}

/// The field that holds what a purpose is after.
fn main_field(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Dispatch => "brief",
        Purpose::Gist => "gist",
        Purpose::Report => "report",
        Purpose::Compact => "digest",
        Purpose::Step | Purpose::Tool => "found",
        Purpose::Finalize => "answer",
        Purpose::Verify => "supported",
        Purpose::Unfold => "labels",
        Purpose::Merge => "known",
        Purpose::Plan | Purpose::MoreSubtasks => "subtasks",
    }
}
