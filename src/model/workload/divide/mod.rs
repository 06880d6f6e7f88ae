//! `divide`: long-source question answering. The needed details sit in source units; every writing keeps each with
//! its own keyed draw; an unsupported claim that is admitted misleads later subtasks and the finalizer. The answer is
//! right when all details arrive and nothing misleads, else a guess.
//!
//! Invariant: a detail is never found where it does not lie, and never read where it was not kept.

mod reading;
mod spec;

use super::picked::{self, Said, wrong_kind};
use super::{COMPLETION, Hidden, OBSERVATION, Outlook, Score, Sizes, TOOL, Team, whole};
use crate::kernel::{Address, Draws, Key, Law, nearest};
use crate::model::call::{
    Answer, Content, Finding, FindingKind, Outcome, Purpose, Request, SubtaskList, prompt_tokens,
};
use crate::model::detail::{keep_probability, used_share};
use crate::model::ids::{About, FindingId, StoreId, SubtaskId, TaskId, entity};
use crate::model::note::Note;
use crate::model::sharing::Sharing;
use reading::Part;
use smallvec::SmallVec;
pub use spec::DivideSpec;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Index of whole-task calls in random addresses.
const WHOLE_TASK: u32 = SubtaskId::WHOLE_TASK.0;
/// Subtasks of a wave; ids must fit the 24 bits of a random address, and the second wave adds half at most.
const MOST_SUBTASKS: u64 = 10_000_000;
/// Subtasks whose steps are remembered; beyond a million workers some are drawn again.
const MOST_REMEMBERED: usize = 1 << 20;

/// What a finding carries: details (as bits) and the subtasks whose unsupported claims it repeats.
#[derive(Clone, Debug, Default)]
struct Carried {
    /// Results that it tells of: one, but for briefs, digests and answers.
    items: u32,
    facts: u64,
    /// Details of the raw result behind it, which unfolding can reach.
    raw: u64,
    unsupported: SmallVec<[u32; 2]>,
    /// Besides, it repeats the claims of this part of a store: a brief costs no walk through all that its lead has read.
    retold: Option<Part>,
}

impl Carried {
    fn is_unsupported(&self) -> bool {
        !self.unsupported.is_empty() || self.retold.is_some()
    }
}

/// A store with running totals, so that reading all of it costs nothing.
#[derive(Debug, Default)]
struct Shelf {
    entries: Vec<FindingId>,
    items: Vec<u32>,
    facts: Vec<u64>,
    raw: Vec<u64>,
    /// (entry, subtask) of unsupported claims.
    unsupported: Vec<(u32, u32)>,
}

/// Hidden state of one task.
#[derive(Debug)]
pub struct Divide {
    spec: Arc<DivideSpec>,
    sizes: Arc<Sizes>,
    sharing: Arc<Sharing>,
    key: Key,
    task: TaskId,
    subtasks: Arc<SubtaskList>,
    /// Details per first-wave subtask, sparse.
    located: BTreeMap<u32, u64>,
    needed: u64,
    /// Subtasks asked for later: id -> the subtask whose source they read again.
    extra: HashMap<u32, u32>,
    created: u32,
    /// Steps of some subtasks, by entity: as many places as workers and more, since each works on one.
    remembered: Vec<Option<(u64, u32)>>,
    findings: Vec<Carried>,
    shelves: Vec<Shelf>,
    /// Answer -> (right, all details arrived, misled).
    answers: HashMap<FindingId, (bool, bool, bool)>,
}

impl Divide {
    /// Draws a task.
    pub fn new(
        spec: Arc<DivideSpec>,
        sizes: Arc<Sizes>,
        sharing: Arc<Sharing>,
        key: Key,
        task: TaskId,
        team: &Team,
    ) -> Self {
        let address = |purpose: Hidden, step| Address {
            purpose: purpose as u16,
            entity: entity(task, 0, WHOLE_TASK),
            attempt: 0,
            step,
        };
        let draws = key.draws(address(Hidden::Truth, 0));
        let first = whole(&spec.subtasks, &draws, 0).clamp(1, MOST_SUBTASKS) as u32;
        let second = whole(&spec.second_wave, &draws, 1).min(MOST_SUBTASKS / 2) as u32;
        let mut dependencies: Vec<(SubtaskId, SubtaskId)> =
            spec.dependencies.iter().map(|d| (SubtaskId(d[0]), SubtaskId(d[1]))).collect();
        if spec.dependencies.is_empty() {
            for s in 0..second {
                for i in 0..spec.fan_in.min(first) {
                    dependencies.push((SubtaskId(first + s), SubtaskId((s * spec.fan_in + i) % first)));
                }
            }
        }
        dependencies.sort_unstable();
        dependencies.dedup();
        let mut located: BTreeMap<u32, u64> = BTreeMap::new();
        for fact in 0..spec.facts_needed.min(64) {
            let u = key.draws(address(Hidden::Locate, fact / 8)).uniform(fact as usize % 8);
            *located.entry(((u * f64::from(first)) as u32).min(first - 1)).or_default() |= 1 << fact;
        }
        let needed = located.values().fold(0, |a, b| a | b);
        Self {
            subtasks: Arc::new(SubtaskList {
                first: 0,
                count: first + second,
                dependencies,
                source_tokens: (0..first + second).map(|s| source_tokens(&spec, &key, task, s)).collect(),
            }),
            spec,
            sizes,
            sharing,
            key,
            task,
            located,
            needed,
            extra: HashMap::new(),
            created: 0,
            remembered: vec![
                None;
                (2 * team.workers as usize)
                    .next_power_of_two()
                    .clamp(MOST_REMEMBERED / 1024, MOST_REMEMBERED)
            ],
            findings: Vec::new(),
            shelves: Vec::new(),
            answers: HashMap::new(),
        }
    }

    /// See [`super::Workload::prepare`].
    pub fn prepare(&mut self, request: &Request) -> Outlook {
        let about = &request.about;
        let whole_task = matches!(request.purpose, Purpose::Plan | Purpose::MoreSubtasks | Purpose::Finalize);
        let index = if whole_task { WHOLE_TASK } else { about.subtask.0 };
        let address = Address {
            purpose: request.purpose.code(),
            entity: entity(self.task, about.line.0, index),
            attempt: about.attempt,
            step: about.step,
        };
        let draws = self.key.draws(address);
        let mut completion_tokens = self.sizes.completion(request, &draws);
        let answer = match request.purpose {
            Purpose::Plan => Answer::Subtasks(self.subtasks.clone()),
            Purpose::Step => {
                completion_tokens = whole(&self.spec.completion_tokens, &draws, COMPLETION);
                self.step(request, &draws)
            }
            Purpose::Tool => {
                Answer::Observation { tokens: whole(&self.spec.observation_tokens, &draws, OBSERVATION) as u32 }
            }
            Purpose::Gist => Answer::Gist(self.gist(request)),
            Purpose::Verify => {
                // Of an entry it is asked whether it is supported; of what is to be handed in, whether it is right.
                let handed_in = about.subtask == SubtaskId::WHOLE_TASK;
                let is_wrong = |f| if handed_in { !self.is_right(f) } else { self.is_unsupported(f) };
                let wrong = request.subject.is_some_and(is_wrong);
                // All writings of a result are of one attempt at its subtask.
                let result = Address { step: 0, ..address };
                let accepted = super::verdict(&self.sharing, request.judge, wrong, &draws, &self.key, result);
                Answer::Verdict { accepted }
            }
            Purpose::Unfold => {
                Answer::Unfolded { tokens: whole(&self.spec.unfolded_tokens, &draws, OBSERVATION) as u32 }
            }
            Purpose::Report => {
                let raw = request.subject.map(|f| self.findings[f.index()].clone()).unwrap_or_default();
                Answer::Report(self.written(request, raw, FindingKind::Report))
            }
            Purpose::Dispatch | Purpose::Compact => {
                let seen = self.reading(request);
                let (unsupported, retold) = self.retelling(request);
                let all = Carried { items: seen.items, facts: seen.facts, raw: seen.raw, unsupported, retold };
                let kind = if request.purpose == Purpose::Dispatch { FindingKind::Brief } else { FindingKind::Digest };
                let told = self.written(request, all, kind);
                if kind == FindingKind::Brief { Answer::Brief(told) } else { Answer::Digest(told) }
            }
            Purpose::Merge => Answer::Merged,
            Purpose::MoreSubtasks => Answer::Subtasks(self.more(request)),
            Purpose::Finalize => Answer::Final(self.finalize(request)),
        };
        Outlook { answer, completion_tokens, draws, recorded: None, tokens_per_estimate: 1.0 }
    }

    fn draws(&self, purpose: Hidden, about: &About, index: u32, attempt: u16, step: u32) -> Draws {
        self.key.draws(Address {
            purpose: purpose as u16,
            entity: entity(self.task, about.line.0, index),
            attempt,
            step,
        })
    }

    /// Steps of a subtask. Every step of it asks, so what was drawn is remembered where there is room.
    fn steps(&mut self, about: &About) -> u32 {
        let name = entity(self.task, about.line.0, about.subtask.0);
        let place = (name ^ name >> 24) as usize & (self.remembered.len() - 1);
        if let Some((remembered, steps)) = self.remembered[place]
            && remembered == name
        {
            return steps;
        }
        let draws = self.draws(Hidden::Steps, about, about.subtask.0, 0, 0);
        let size = Law::Lognormal { mean: 1.0, sigma: self.spec.subtask_sigma };
        let n = self.spec.steps_per_subtask.sample(&draws, 0) * size.sample(&draws, 1);
        let steps = u32::try_from(nearest(n)).unwrap_or(u32::MAX).max(1);
        self.remembered[place] = Some((name, steps));
        steps
    }

    fn step(&mut self, request: &Request, draws: &Draws) -> Answer {
        let about = &request.about;
        let last = about.step + 1 >= self.steps(about);
        let tool = draws.uniform(TOOL) < self.spec.tool_share;
        let result = last.then(|| {
            let unit = self.extra.get(&about.subtask.0).copied().unwrap_or(about.subtask.0);
            let mut carried = Carried { items: 1, ..Carried::default() };
            carried.facts = self.located.get(&unit).copied().unwrap_or(0) | self.unfolded(request, about.subtask.0);
            carried.raw = carried.facts;
            if self.draw_unsupported(request, 0) {
                carried.unsupported.push(about.subtask.0);
            }
            if request.product_tokens > 0 {
                self.written(request, carried, FindingKind::Result)
            } else {
                let tokens = whole(&self.spec.result_tokens, draws, super::RESULT) as u32;
                self.found(carried, FindingKind::Result, tokens)
            }
        });
        Answer::Step { notes: SmallVec::new(), tool, result }
    }

    /// Lost details that unfolding brings back to this reader: each with probability q of workload model A3. `index` is
    /// the reader's: a subtask, or the whole task for whoever writes the answer.
    fn unfolded(&self, request: &Request, index: u32) -> u64 {
        if !request.prompt.iter().any(|s| matches!(s.content, Content::Unfolded(_))) {
            return 0;
        }
        let seen = self.reading(request);
        kept_bits(seen.raw & !seen.facts, |fact| {
            let draws = self.draws(Hidden::Recover, &request.about, index, 0, fact / 8);
            draws.uniform(fact as usize % 8) < self.sharing.unfold_recovery
        })
    }

    /// Whether a writing of a result is unsupported; `tries` writings before it lower the odds by the gain of feedback.
    fn draw_unsupported(&self, request: &Request, tries: u32) -> bool {
        let about = &request.about;
        let misled = self.reading(request).misled;
        let h = self.spec.unsupported * libm::pow(1.0 - self.sharing.feedback_gain, f64::from(tries))
            + if misled { self.sharing.contagion } else { 0.0 };
        let used = used_share(prompt_tokens(&request.prompt), self.sharing.length_loss_per_ktoken);
        // What would be supported stays so as far as the prompt is made use of.
        let h = h + (1.0 - h).max(0.0) * (1.0 - used);
        // A uniform number is above 0: what cannot be needs no draw.
        h > 0.0 && self.draws(Hidden::Support, about, about.subtask.0, about.attempt, tries).uniform(0) < h
    }

    /// Whether a retry says what the raw result says.
    fn keeps_to_raw(&self, about: &About) -> bool {
        self.draws(Hidden::Support, about, about.subtask.0, about.attempt, about.step).uniform(1)
            < self.sharing.retry_keeps
    }

    fn gist(&mut self, request: &Request) -> Finding {
        let raw = request.subject.map(|f| self.findings[f.index()].clone()).unwrap_or_default();
        let about = &request.about;
        let mut again = Carried { items: 1, facts: raw.facts, raw: raw.raw, ..Carried::default() };
        // The first writing says what the raw result says; a retry may, and else is written afresh.
        let unsupported = if about.step == 0 || self.keeps_to_raw(about) {
            raw.is_unsupported()
        } else {
            self.draw_unsupported(request, about.step)
        };
        if unsupported {
            again.unsupported.push(about.subtask.0);
        }
        self.written(request, again, FindingKind::Gist)
    }

    /// Writes `carried` down in the asked length, which all that it tells of shares.
    fn written(&mut self, request: &Request, carried: Carried, kind: FindingKind) -> Finding {
        if request.purpose == Purpose::Dispatch && request.product_tokens == 0 && self.spec.tokens_per_detail > 0.0 {
            // What is told in no words tells nothing, right or wrong.
            return self.found(Carried::default(), kind, 0);
        }
        let (tokens, items) = (f64::from(request.product_tokens), carried.items as usize);
        let keep = || keep_probability(tokens, items, self.spec.tokens_per_detail);
        let about = &request.about;
        let facts = kept_bits(carried.facts, |fact| {
            let step = about.step << 8 | u32::from(request.purpose.code()) << 4 | (fact / 8);
            let draws = self.draws(Hidden::Keep, about, about.subtask.0, about.attempt, step);
            draws.uniform(fact as usize % 8) < keep()
        });
        self.found(Carried { facts, ..carried }, kind, request.product_tokens)
    }

    fn found(&mut self, carried: Carried, kind: FindingKind, tokens: u32) -> Finding {
        let id = FindingId(self.findings.len() as u32);
        self.findings.push(carried);
        Finding { id, kind, tokens }
    }

    /// Subtasks for details that are missing and noticed; empty means done.
    fn more(&mut self, request: &Request) -> Arc<SubtaskList> {
        let seen = self.reading(request);
        let missing = self.needed & !seen.facts;
        let noticed = kept_bits(missing, |fact| {
            let draws = self.draws(Hidden::Notice, &request.about, WHOLE_TASK, request.about.attempt, fact / 8);
            draws.uniform(fact as usize % 8) < self.sharing.notice
        });
        let units: Vec<u32> =
            self.located.iter().filter(|(_, facts)| **facts & noticed != 0).map(|(unit, _)| *unit).collect();
        for (i, unit) in units.iter().enumerate() {
            self.extra.insert(self.created + i as u32, *unit);
        }
        let source_tokens = units.iter().map(|&u| source_tokens(&self.spec, &self.key, self.task, u)).collect();
        Arc::new(SubtaskList {
            first: self.created,
            count: units.len() as u32,
            dependencies: Vec::new(),
            source_tokens,
        })
    }

    fn finalize(&mut self, request: &Request) -> Finding {
        let seen = self.reading(request);
        let loss = if self.spec.retention_ktokens > 0.0 { self.spec.retention_ktokens.recip() } else { 0.0 };
        let retention = used_share(prompt_tokens(&request.prompt), loss);
        let found = seen.facts | self.unfolded(request, WHOLE_TASK);
        let used = kept_bits(found, |fact| {
            let step = (u32::from(request.purpose.code()) << 4) | (fact / 8);
            let draws = self.draws(Hidden::Keep, &request.about, WHOLE_TASK, 0, step);
            draws.uniform(fact as usize % 8) < retention
        });
        let unsupported = self.unsupported_claims(request);
        let misled = unsupported
            .iter()
            .any(|&s| self.draws(Hidden::Mislead, &request.about, s, 0, 0).uniform(0) < self.sharing.misleads);
        let arrived = used & self.needed == self.needed;
        let good = if arrived && !misled { self.spec.answerable } else { self.spec.guess };
        let right = self.draws(Hidden::AnswerKey, &request.about, WHOLE_TASK, 0, 0).uniform(0) < good;
        let tokens = self.sizes.completion(request, &self.draws(Hidden::AnswerKey, &request.about, WHOLE_TASK, 1, 0));
        let carried = Carried { items: seen.items, facts: found, raw: seen.raw, unsupported, retold: None };
        let answer = self.found(carried, FindingKind::Answer, tokens as u32);
        self.answers.insert(answer.id, (right, arrived, misled));
        answer
    }

    /// See [`super::Workload::observe`].
    pub fn observe(&mut self, note: &Note) {
        match *note {
            Note::Admitted { store, finding, .. } | Note::Kept { store, finding, .. } => self.shelve(store, finding),
            Note::Created { count, .. } => self.created += count,
            _ => {}
        }
    }

    fn shelve(&mut self, store: StoreId, finding: FindingId) {
        if self.shelves.len() <= store.index() {
            self.shelves.resize_with(store.index() + 1, Shelf::default);
        }
        let carried = &self.findings[finding.index()];
        let mut claims = SmallVec::new();
        self.claims_of(carried, &mut claims);
        let shelf = &mut self.shelves[store.index()];
        let entry = shelf.entries.len() as u32;
        shelf.entries.push(finding);
        shelf.items.push(shelf.items.last().copied().unwrap_or(0).saturating_add(carried.items));
        shelf.facts.push(shelf.facts.last().copied().unwrap_or(0) | carried.facts);
        shelf.raw.push(shelf.raw.last().copied().unwrap_or(0) | carried.raw);
        shelf.unsupported.extend(claims.iter().map(|&s| (entry, s)));
    }

    /// Whether a finding repeats an unsupported claim.
    pub fn is_unsupported(&self, finding: FindingId) -> bool {
        self.findings.get(finding.index()).is_some_and(Carried::is_unsupported)
    }

    /// Whether an answer is right.
    pub fn is_right(&self, answer: FindingId) -> bool {
        self.answers.get(&answer).is_some_and(|a| a.0)
    }

    /// See [`super::Workload::score`].
    pub fn score(&self, outcome: &Outcome) -> Score {
        let answers: Vec<_> = outcome
            .submissions
            .iter()
            .map(|s| s.finding.and_then(|f| self.answers.get(&f).copied()).unwrap_or_default())
            .collect();
        let share = |f: fn(&(bool, bool, bool)) -> bool| {
            answers.iter().filter(|a| f(a)).count() as f64 / answers.len().max(1) as f64
        };
        let facts = vec![("details_arrived", share(|a| a.1)), ("misled", share(|a| a.2))];
        let lots = |line| self.draws(Hidden::Vote, &About { line, ..About::default() }, WHOLE_TASK, 0, 0);
        let said = outcome.submissions.iter().zip(&answers).map(|(s, (right, ..))| match (s.finding, right) {
            (None, _) => Said::Nothing,
            (Some(_), true) => Said::Right,
            (Some(_), false) => wrong_kind(self.spec.wrong_answers, s.line.0, || lots(s.line)),
        });
        let said: Vec<Said> = said.collect();
        let tie = || self.draws(Hidden::Vote, &About::default(), WHOLE_TASK, 1, 0);
        picked::score(&said, outcome.choice, facts, &self.sharing, tie)
    }
}

/// Length of a source unit; the same for every reader.
fn source_tokens(spec: &DivideSpec, key: &Key, task: TaskId, unit: u32) -> u32 {
    let address = Address { purpose: Hidden::Size as u16, entity: entity(task, 0, unit), attempt: 0, step: 0 };
    whole(&spec.source_tokens, &key.draws(address), 0) as u32
}

/// Those of the details that are kept. Most findings carry none.
fn kept_bits(bits: u64, keep: impl Fn(u32) -> bool) -> u64 {
    let (mut left, mut kept) = (bits, 0);
    while left != 0 {
        let fact = left.trailing_zeros();
        left &= left - 1;
        kept |= u64::from(keep(fact)) << fact;
    }
    kept
}
