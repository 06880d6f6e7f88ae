//! `recorded`: the work of recorded runs under another topology. What was asked before, about the same thing, is
//! answered as it was: the same tokens, the same findings, the same verdict, and the recorded time as far as the prompt
//! is the same. What nobody asked before is modelled: steps by the nearest recorded run of steps, all else by the
//! scenario's lengths and its endpoint's law.
//!
//! Invariant: a topology that asks what was recorded, and nothing else, meets the recording.

mod memory;
mod spec;

use super::{Outlook, Score, Sizes, Team, Timed, verdict, whole};
use crate::kernel::{Address, Draws, Key, Span};
use crate::model::call::{
    Answer, Content, Decision, Finding, FindingKind, Outcome, Purpose, Request, SpanRole, SubtaskList, prompt_tokens,
};
use crate::model::ids::{About, FindingId, LineId, SubtaskId, TaskId, entity};
use crate::model::note::Note;
use crate::model::sharing::Sharing;
use memory::{Memory, Name, Stands};
use smallvec::SmallVec;
pub use spec::{Grades, PromptLaw, RecordedCall, RecordedForm, RecordedInstance, RecordedSpec, RecordedSubtask};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Tokens of a candidate that ends a line whose own end was not recorded.
const PATCH_TOKENS: u32 = 75;

/// State of one task.
#[derive(Debug)]
pub struct Recorded {
    spec: Arc<RecordedSpec>,
    sizes: Arc<Sizes>,
    sharing: Arc<Sharing>,
    key: Key,
    task: TaskId,
    instance: usize,
    memory: Memory,
    subtasks: Arc<SubtaskList>,
    created: u32,
    /// What each finding was when it was recorded; `None` where it is new.
    findings: Vec<Option<u32>>,
    /// Whose step stood for the last one of a run, for the tool run that follows it.
    taken: HashMap<Name, Name>,
    /// Lines that have a candidate.
    done: BTreeSet<u32>,
    /// Calls and completion tokens that were recorded, and that were modelled.
    replayed: [u64; 2],
    modelled: [u64; 2],
}

/// What is known of a call before it is priced and timed.
struct Known<'a> {
    answer: Answer,
    completion_tokens: u64,
    /// The recorded call whose time it takes, changed as far as its prompt is another.
    taken_from: Option<&'a RecordedCall>,
    /// It goes on at least that long: it was cut off after it.
    at_least: f64,
}

impl Recorded {
    /// Takes up the instance of a replication.
    pub fn new(
        spec: Arc<RecordedSpec>,
        sizes: Arc<Sizes>,
        sharing: Arc<Sharing>,
        key: Key,
        task: TaskId,
        _team: &Team,
    ) -> Self {
        let number = (key.replication() as usize).wrapping_mul(spec.tasks.max(1) as usize).wrapping_add(task.index());
        let instance = number % spec.instances.len();
        let recorded = &spec.instances[instance];
        let mut dependencies: Vec<(SubtaskId, SubtaskId)> =
            recorded.dependencies.iter().map(|d| (SubtaskId(d[0]), SubtaskId(d[1]))).collect();
        dependencies.sort_unstable();
        dependencies.dedup();
        let subtasks = Arc::new(SubtaskList {
            first: 0,
            count: recorded.subtasks.len() as u32,
            dependencies,
            source_tokens: recorded.subtasks.iter().map(|s| s.source_tokens).collect(),
        });
        Self {
            memory: Memory::of(recorded),
            spec,
            sizes,
            sharing,
            key,
            task,
            instance,
            subtasks,
            created: 0,
            findings: Vec::new(),
            taken: HashMap::new(),
            done: BTreeSet::new(),
            replayed: [0; 2],
            modelled: [0; 2],
        }
    }

    /// See [`super::Workload::prepare`].
    pub fn prepare(&mut self, request: &Request) -> Outlook {
        let about = &request.about;
        let address = Address {
            purpose: request.purpose.code(),
            entity: entity(self.task, about.line.0, about.subtask.0),
            attempt: about.attempt,
            step: about.step,
        };
        let draws = self.key.draws(address);
        let spec = self.spec.clone();
        let instance = &spec.instances[self.instance];
        let known = match request.purpose {
            Purpose::Step => self.step(instance, request),
            Purpose::Tool => self.tool(instance, about),
            _ => self.other(instance, request, address, &draws),
        };
        let timed = known.taken_from.map(|call| Timed {
            span: Span::from_secs_f64(call.service_s.max(known.at_least)),
            completion_tokens: call.completion_tokens,
            uncached_tokens: call.prompt_tokens.saturating_sub(call.cached_tokens),
            cached_tokens: call.cached_tokens,
        });
        if request.purpose != Purpose::Tool {
            let counted = if timed.is_some() { &mut self.replayed } else { &mut self.modelled };
            counted[0] += 1;
            counted[1] += known.completion_tokens;
        }
        Outlook {
            tokens_per_estimate: self.tokens_per_estimate(request, known.taken_from),
            answer: known.answer,
            completion_tokens: known.completion_tokens,
            draws,
            recorded: timed,
        }
    }

    /// Tokens that the server counts per estimated token: as for the recorded call, or by the law of those that were.
    fn tokens_per_estimate(&self, request: &Request, recorded: Option<&RecordedCall>) -> f64 {
        if let Some(call) = recorded {
            let known = call.estimated_tokens > 0 && call.prompt_tokens > 0;
            return if known { call.prompt_tokens as f64 / call.estimated_tokens as f64 } else { 1.0 };
        }
        let Some(law) = self.spec.prompts else { return 1.0 };
        let all = prompt_tokens(&request.prompt);
        let fixed = |content: Content, role: SpanRole| {
            role == SpanRole::Instructions || matches!(content, Content::Instructions(_))
        };
        let instructions: u64 =
            request.prompt.iter().filter(|s| fixed(s.content, s.role)).map(|s| u64::from(s.tokens)).sum();
        let counted = law.instructions_tokens + law.tokens_per_estimate * (all - instructions) as f64;
        if all == 0 { 1.0 } else { counted / all as f64 }
    }

    /// A step as it was recorded, or as the nearest run of steps has it.
    fn step<'a>(&mut self, instance: &'a RecordedInstance, request: &Request) -> Known<'a> {
        let about = &request.about;
        let cut = self.memory.same(instance, Purpose::Step, *about).filter(|c| c.answer.is_none());
        let at_least = cut.map_or(0.0, |c| c.service_s);
        let Some((Stands { call, last }, run)) = self.memory.step(instance, self.spec.form, about) else {
            return self.end(request, at_least);
        };
        self.taken.insert(memory::name(about), run);
        let Some(Answer::Step { notes, tool, result }) = &call.answer else { unreachable!("an answered step") };
        let notes: SmallVec<[Finding; 2]> = notes.iter().map(|note| self.again(note, note.tokens)).collect();
        // A run that was cut off ends where its last answer was.
        let ends = result.is_some() || (last && self.spec.form == RecordedForm::Divide);
        let result = ends.then(|| {
            let recorded = result.as_ref();
            let tokens = self.result_tokens(request, call, recorded);
            match recorded {
                Some(found) => self.again(found, tokens),
                None => self.found(FindingKind::Result, tokens),
            }
        });
        if let Some(found) = &result
            && found.kind == FindingKind::Patch
        {
            self.done.insert(about.line.0);
        }
        let answer = Answer::Step { notes, tool: *tool, result };
        Known { answer, completion_tokens: call.completion_tokens, taken_from: Some(call), at_least }
    }

    /// Nothing recorded goes so far: the line or subtask ends here.
    fn end<'a>(&mut self, request: &Request, at_least: f64) -> Known<'a> {
        let (kind, tokens) = match self.spec.form {
            RecordedForm::Divide => (FindingKind::Result, request.product_tokens),
            RecordedForm::Search => (FindingKind::Patch, PATCH_TOKENS),
        };
        if kind == FindingKind::Patch {
            self.done.insert(request.about.line.0);
        }
        let result = Some(self.found(kind, tokens));
        let answer = Answer::Step { notes: SmallVec::new(), tool: false, result };
        Known { answer, completion_tokens: u64::from(tokens), taken_from: None, at_least }
    }

    /// Length of what a subtask hands back: as recorded if the same length was asked for.
    fn result_tokens(&self, request: &Request, call: &RecordedCall, recorded: Option<&Finding>) -> u32 {
        let (asked, then) = (request.product_tokens, call.product_tokens);
        let written = recorded.map_or(call.completion_tokens.min(u64::from(u32::MAX)) as u32, |found| found.tokens);
        match (asked, then) {
            (0, 0) => written,
            (0, _) => match &self.spec.result_tokens {
                Some(law) => {
                    whole(law, &self.key.draws(Address { step: 1, ..raw(self.task, &request.about) }), 0) as u32
                }
                None => call.completion_tokens.min(u64::from(u32::MAX)) as u32,
            },
            // Drawn writers fill the length that they are asked for, real ones write what they have to say.
            (asked, 0) if self.spec.result_tokens.is_some() => asked,
            (asked, 0) => asked.min(written),
            (asked, then) => rescaled(u64::from(written), asked, then) as u32,
        }
    }

    /// The tool run after a step: that of the run which the step was taken from.
    fn tool<'a>(&mut self, instance: &'a RecordedInstance, about: &About) -> Known<'a> {
        let run = self.taken.get(&memory::name(about)).copied().unwrap_or(memory::name(about));
        let place = About { line: LineId(run.0), subtask: SubtaskId(run.1), attempt: run.2, step: about.step };
        let call = self.memory.same(instance, Purpose::Tool, place);
        let tokens = match call.and_then(|c| c.answer.as_ref()) {
            Some(Answer::Observation { tokens }) => *tokens,
            _ => 0,
        };
        Known { answer: Answer::Observation { tokens }, completion_tokens: 0, taken_from: call, at_least: 0.0 }
    }

    /// A call that coordinates, verifies or answers.
    fn other<'a>(
        &mut self,
        instance: &'a RecordedInstance,
        request: &Request,
        address: Address,
        draws: &Draws,
    ) -> Known<'a> {
        let call = self.memory.same(instance, request.purpose, request.about);
        let answered = call.and_then(|c| Some((c, c.answer.as_ref()?)));
        let at_least = call.filter(|c| c.answer.is_none()).map_or(0.0, |c| c.service_s);
        let completion_tokens = match answered {
            // A length that is asked for acts: what was written is longer or shorter in proportion.
            Some((c, _)) if c.product_tokens > 0 && request.product_tokens > 0 => {
                rescaled(c.completion_tokens, request.product_tokens, c.product_tokens)
            }
            Some((c, _)) if c.asked_tokens > 0 && request.completion_tokens > 0 => {
                rescaled(c.completion_tokens, request.completion_tokens, c.asked_tokens)
            }
            Some((c, _)) => c.completion_tokens,
            None => self.sizes.completion(request, draws),
        };
        let written = answered.and_then(|(c, a)| {
            let found = a.findings().next()?;
            let tokens = match (request.product_tokens, c.product_tokens) {
                (asked, then) if asked > 0 && then > 0 => rescaled(u64::from(found.tokens), asked, then) as u32,
                _ => found.tokens,
            };
            Some(Finding { tokens, ..*found })
        });
        let share = self.spec.written_share.get(&request.purpose).copied().unwrap_or(1.0);
        let asked = libm::round(f64::from(request.product_tokens) * share) as u32;
        let mut tell = |kind: FindingKind, otherwise: u32| match written {
            Some(found) => self.again(&found, found.tokens),
            None => self.found(kind, otherwise),
        };
        let answer = match request.purpose {
            Purpose::Gist => Answer::Gist(tell(FindingKind::Gist, asked)),
            Purpose::Report => Answer::Report(tell(FindingKind::Report, asked)),
            Purpose::Dispatch => Answer::Brief(tell(FindingKind::Brief, asked)),
            Purpose::Compact => Answer::Digest(tell(FindingKind::Digest, asked)),
            Purpose::Finalize => Answer::Final(tell(FindingKind::Answer, completion_tokens as u32)),
            Purpose::Merge => Answer::Merged,
            Purpose::Plan => self.plan(&request.about),
            Purpose::MoreSubtasks => self.more(answered.map(|(_, a)| a)),
            Purpose::Unfold => match answered {
                Some((_, Answer::Unfolded { tokens })) => Answer::Unfolded { tokens: *tokens },
                _ => Answer::Unfolded { tokens: self.spec.unfolded_tokens },
            },
            Purpose::Verify => Answer::Verdict {
                accepted: if let Some((_, Answer::Verdict { accepted })) = answered {
                    *accepted
                } else {
                    // What was recorded counts as supported.
                    let result = Address { step: 0, ..address };
                    verdict(&self.sharing, request.judge, false, draws, &self.key, result)
                },
            },
            Purpose::Step | Purpose::Tool => unreachable!("told of elsewhere"),
        };
        Known { answer, completion_tokens, taken_from: answered.map(|(c, _)| c), at_least }
    }

    fn plan(&self, about: &About) -> Answer {
        match self.spec.form {
            RecordedForm::Divide => Answer::Subtasks(self.subtasks.clone()),
            RecordedForm::Search if self.done.contains(&about.line.0) => Answer::Decided(Decision::Submit),
            RecordedForm::Search => Answer::Decided(Decision::Delegate),
        }
    }

    /// The subtasks that were asked for when it was recorded; none where nobody asked.
    fn more(&self, recorded: Option<&Answer>) -> Answer {
        let first = self.created;
        Answer::Subtasks(match recorded {
            Some(Answer::Subtasks(list)) => Arc::new(SubtaskList { first, ..(**list).clone() }),
            _ => Arc::new(SubtaskList { first, ..SubtaskList::default() }),
        })
    }

    fn found(&mut self, kind: FindingKind, tokens: u32) -> Finding {
        let id = FindingId(self.findings.len() as u32);
        self.findings.push(None);
        Finding { id, kind, tokens: tokens.max(1) }
    }

    /// A recorded finding, found again.
    fn again(&mut self, recorded: &Finding, tokens: u32) -> Finding {
        let id = FindingId(self.findings.len() as u32);
        self.findings.push(Some(recorded.id.0));
        Finding { id, kind: recorded.kind, tokens }
    }

    /// See [`super::Workload::observe`].
    pub fn observe(&mut self, note: &Note) {
        if let Note::Created { count, .. } = *note {
            self.created += count;
        }
    }

    /// Whether a finding was right when it was recorded; `None` if that is not known.
    fn was_right(&self, finding: FindingId) -> Option<bool> {
        let recorded = (*self.findings.get(finding.index())?)?;
        (self.spec.grades == Grades::AsRecorded).then(|| self.spec.instances[self.instance].right.contains(&recorded))
    }

    /// Whether a finding was right when it was recorded.
    pub fn is_right(&self, finding: FindingId) -> bool {
        self.was_right(finding) == Some(true)
    }

    /// See [`super::Workload::score`]: an outcome is graded if each of its submissions is; what was replayed and what was
    /// modelled is told.
    pub fn score(&self, outcome: &Outcome) -> Score {
        let share = |i: usize| {
            let all = self.replayed[i] + self.modelled[i];
            if all == 0 { 0.0 } else { self.replayed[i] as f64 / all as f64 }
        };
        let right = |finding: Option<FindingId>| match finding {
            None => (self.spec.grades == Grades::AsRecorded).then_some(false),
            Some(finding) => self.was_right(finding),
        };
        let right: Option<Vec<bool>> = outcome.submissions.iter().map(|s| right(s.finding)).collect();
        Score {
            right: right.unwrap_or_default(),
            facts: vec![("replayed_calls_share", share(0)), ("replayed_tokens_share", share(1))],
        }
    }
}

/// Tokens that were written when `then` were asked for, now that `now` are.
fn rescaled(tokens: u64, now: u32, then: u32) -> u64 {
    if now == then { tokens } else { libm::round(tokens as f64 * f64::from(now) / f64::from(then)) as u64 }
}

/// Where the length of a raw result has its draws.
fn raw(task: TaskId, about: &About) -> Address {
    Address {
        purpose: super::Hidden::Size as u16,
        entity: entity(task, about.line.0, about.subtask.0),
        attempt: about.attempt,
        step: 0,
    }
}
