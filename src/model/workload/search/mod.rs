//! `search`: attempts at one issue. Lines pick hypotheses until they hit the solution, adopt a peer's candidate or
//! have used up their budget. What others tell them removes dead ends, raises odds, misleads or brings candidates.
//!
//! Invariant: without anything read from others a line succeeds with exactly the instance's p, whatever its
//! delegations; reading a right dead end never lowers the odds of the next pick.

mod line;
mod read;
mod spec;
mod told;
mod truth;

use super::picked::{self, Said, wrong_kind};
use super::{COMPLETION, Hidden, OBSERVATION, Outlook, Score, Sizes, TOOL, Team, whole};
use crate::kernel::{Address, Draws, Key, Law, Time, nearest};
use crate::model::call::{Answer, Decision, Finding, FindingKind, Outcome, Purpose, Request, prompt_tokens};
use crate::model::detail::{keep_probability, used_share};
use crate::model::ids::{FindingId, LineId, SubtaskId, TaskId, entity};
use crate::model::note::Note;
use crate::model::sharing::Sharing;
use line::{Doing, Item, Line, Order, Target};
use smallvec::SmallVec;
pub use spec::{SearchSpec, Success};
use std::collections::HashMap;
use std::sync::Arc;
use told::Store;
use truth::Truth;

/// Indices of a line's stages in random addresses; hypotheses use the numbers below.
const SOLUTION: u32 = 0xff_ffff;
const ORIENTATION: u32 = 0xff_fffe;
const FINISHING: u32 = 0xff_fffd;
const ADOPTION: u32 = 0xff_fffc;
const PICKS: u32 = 0xff_fffb;

/// Hidden state of one task.
#[derive(Debug)]
pub struct Search {
    spec: Arc<SearchSpec>,
    sizes: Arc<Sizes>,
    sharing: Arc<Sharing>,
    key: Key,
    task: TaskId,
    truth: Truth,
    budget: u32,
    lines: Vec<Line>,
    findings: Vec<SmallVec<[Item; 2]>>,
    stores: Vec<Store>,
    /// When and by which line each hypothesis (or the solution) was first found out.
    discovered: HashMap<u32, (Time, u32)>,
    tried: u64,
    /// Where the last step of each line drew from, and at what it worked; its tool run follows it.
    last: Vec<(Address, Option<u32>)>,
}

impl Search {
    /// Draws an instance.
    pub fn new(
        spec: Arc<SearchSpec>,
        sizes: Arc<Sizes>,
        sharing: Arc<Sharing>,
        key: Key,
        task: TaskId,
        team: &Team,
    ) -> Self {
        let truth = Truth::draw(&spec, &key, task, team.quality);
        let lines: Vec<Line> = (0..team.lines).map(|l| Line::new(&key, task, l, spec.line_sigma, truth.size)).collect();
        let nowhere = Address { purpose: 0, entity: 0, attempt: 0, step: 0 };
        Self {
            budget: spec.hypotheses_per_budget.saturating_mul(team.budgets_per_line),
            last: vec![(nowhere, None); lines.len()],
            lines,
            findings: Vec::new(),
            stores: Vec::new(),
            discovered: HashMap::new(),
            tried: 0,
            truth,
            spec,
            sizes,
            sharing,
            key,
            task,
        }
    }

    /// See [`super::Workload::prepare`].
    pub fn prepare(&mut self, request: &Request) -> Outlook {
        if request.purpose == Purpose::Step {
            return self.prepare_step(request);
        }
        let about = &request.about;
        let l = about.line.index();
        let (entity, attempt, step) = match request.purpose {
            Purpose::Tool => (self.last[l].0.entity, self.last[l].0.attempt, self.last[l].0.step),
            Purpose::Verify => (entity(self.task, about.line.0, about.subtask.0), about.attempt, about.step),
            _ => (entity(self.task, about.line.0, 0), about.attempt, about.step),
        };
        let address = Address { purpose: request.purpose.code(), entity, attempt, step };
        let draws = self.key.draws(address);
        let answer = match request.purpose {
            Purpose::Plan => {
                let done = matches!(self.lines[l].doing, Doing::Done { .. });
                Answer::Decided(if done { Decision::Submit } else { Decision::Delegate })
            }
            Purpose::Tool => {
                Answer::Observation { tokens: whole(&self.spec.observation_tokens, &draws, OBSERVATION) as u32 }
            }
            Purpose::Verify => {
                // Of an entry it is asked whether it is supported; of what is to be handed in, whether it is right.
                let handed_in = about.subtask == SubtaskId::WHOLE_TASK;
                let is_wrong = |f| if handed_in { !self.is_right(f) } else { self.is_unsupported(f) };
                let wrong = request.subject.is_some_and(is_wrong);
                // A note or report has one writing: it is its author's result.
                let accepted = super::verdict(&self.sharing, request.judge, wrong, &draws, &self.key, address);
                Answer::Verdict { accepted }
            }
            Purpose::Dispatch => Answer::Brief(self.retell(request, FindingKind::Brief)),
            Purpose::Compact => Answer::Digest(self.retell(request, FindingKind::Digest)),
            Purpose::Report => Answer::Report(self.retell(request, FindingKind::Report)),
            Purpose::Merge => Answer::Merged,
            Purpose::Finalize => Answer::Final(self.retell(request, FindingKind::Answer)),
            Purpose::Step | Purpose::Gist | Purpose::Unfold | Purpose::MoreSubtasks => {
                unreachable!("`search` has no {} calls", request.purpose.name())
            }
        };
        let completion_tokens = self.sizes.completion(request, &draws);
        Outlook { answer, completion_tokens, draws, recorded: None, tokens_per_estimate: 1.0 }
    }

    fn prepare_step(&mut self, request: &Request) -> Outlook {
        let l = request.about.line.0;
        self.read(request);
        self.advance(l, request);
        let line = &self.lines[l as usize];
        let (index, step, last) = match line.doing {
            Doing::Orient { left, done } => (ORIENTATION, done, left == 1),
            Doing::Explore { target: Target::Solution, left, done } => (SOLUTION, done, left == 1),
            Doing::Explore { target: Target::Wrong(h), left, done } => (h, done, left == 1),
            Doing::Finish { left, done, .. } => (FINISHING, done, left == 1),
            Doing::Choose | Doing::Done { .. } => {
                unreachable!("a step is asked of a line with something to do")
            }
        };
        let attempt = match index {
            ORIENTATION => request.about.attempt,
            SOLUTION | FINISHING => 0,
            h => u16::from(line.tried.contains(h)),
        };
        let address = Address { purpose: Purpose::Step.code(), entity: entity(self.task, l, index), attempt, step };
        let draws = self.key.draws(address);
        let mut notes = SmallVec::new();
        let mut result = None;
        if last {
            match line.doing {
                Doing::Explore { target: Target::Wrong(h), .. } => {
                    let out_of_picks = line.picks >= self.budget;
                    let hand_over = line.dead_ends_here + 1 >= self.spec.hypotheses_per_delegation && !out_of_picks;
                    self.dead_end(l, h, &mut notes);
                    if hand_over {
                        result = Some(self.result(request, FindingKind::Result));
                    }
                }
                Doing::Finish { right, .. } => {
                    let patch = Item::Patch { author: l, right };
                    self.lines[l as usize].found.push(patch);
                    notes.push(self.found(&[patch], FindingKind::Patch, self.spec.patch_note_tokens));
                    result = Some(self.result(request, FindingKind::Patch));
                }
                _ => {}
            }
        }
        let tool = draws.uniform(TOOL) < self.spec.tool_share;
        let target = (index != ORIENTATION && index != FINISHING).then_some(index);
        self.last[l as usize] = (address, target);
        Outlook {
            completion_tokens: whole(&self.spec.completion_tokens, &draws, COMPLETION),
            answer: Answer::Step { notes, tool, result },
            draws,
            recorded: None,
            tokens_per_estimate: 1.0,
        }
    }

    /// Moves a line out of states in which there is nothing to do.
    fn advance(&mut self, l: u32, request: &Request) {
        let fresh = self.lines[l as usize].delegation != Some(request.about.attempt);
        if fresh {
            let first = self.lines[l as usize].delegation.is_none();
            let share = if first { 1.0 } else { self.spec.reorientation_share };
            let steps = libm::round(self.steps(&self.spec.orientation_steps, l, ORIENTATION) * share) as u32;
            let line = &mut self.lines[l as usize];
            line.delegation = Some(request.about.attempt);
            line.dead_ends_here = 0;
            line.found.clear();
            line.order = None;
            if steps > 0 {
                let before = std::mem::replace(&mut line.doing, Doing::Orient { left: steps, done: 0 });
                line.resume = match before {
                    Doing::Orient { .. } => line.resume,
                    Doing::Choose => None,
                    other => Some(other),
                };
            }
        }
        // A peer's note may have killed what the line is exploring.
        if let Doing::Explore { target: Target::Wrong(h), done, .. } = self.lines[l as usize].doing
            && done > 0
            && self.knows(l as usize, h)
        {
            self.lines[l as usize].doing = Doing::Choose;
        }
        if self.lines[l as usize].doing == Doing::Choose {
            self.choose(l, request);
        }
    }

    fn steps(&self, law: &Law, l: u32, index: u32) -> f64 {
        let address =
            Address { purpose: Hidden::Steps as u16, entity: entity(self.task, l, index), attempt: 0, step: 0 };
        law.sample(&self.key.draws(address), 0) * self.lines[l as usize].size
    }

    fn whole_steps(&self, law: &Law, l: u32, index: u32) -> u32 {
        u32::try_from(nearest(self.steps(law, l, index))).unwrap_or(u32::MAX).max(1)
    }

    /// Picks the next hypothesis, or gives up.
    fn choose(&mut self, l: u32, request: &Request) {
        let line = &self.lines[l as usize];
        if line.picks >= self.budget {
            self.give_up(l);
            return;
        }
        let guide = line.follows.unwrap_or(l);
        let address = Address {
            purpose: Hidden::Pick as u16,
            entity: entity(self.task, guide, PICKS),
            attempt: 0,
            step: line.picks,
        };
        let (alive, facts, misdirected) = (self.alive(l), self.facts(l as usize), self.is_misdirected(l as usize));
        let gain = 1.0 + self.sharing.fact_gain * f64::from(facts);
        let used = used_share(prompt_tokens(&request.prompt), self.sharing.length_loss_per_ktoken);
        let weight = self.truth.solution * gain * used;
        let hazard = if misdirected || weight <= 0.0 { 0.0 } else { weight / (alive + weight) };
        let hit = self.key.draws(address).uniform(0) < hazard;
        let target = if hit {
            Some(Target::Solution)
        } else {
            let mut order = self.lines[l as usize].order.take().unwrap_or_else(|| {
                let attempt = request.about.attempt;
                let weights = self.truth.weights.as_deref();
                Order::new(&self.key, self.task, guide, attempt, self.truth.wrong, weights)
            });
            let line = &self.lines[l as usize];
            let next = order.next(&self.key, |h| line.known.contains(h) || line.board.known.contains(h));
            self.lines[l as usize].order = Some(order);
            next.map(Target::Wrong)
        };
        let Some(target) = target else {
            self.give_up(l);
            return;
        };
        let index = if let Target::Wrong(h) = target { h } else { SOLUTION };
        let left = self.whole_steps(&self.spec.steps_per_hypothesis, l, index);
        let line = &mut self.lines[l as usize];
        line.picks += 1;
        line.doing = Doing::Explore { target, left, done: 0 };
    }

    /// Patches and submits the best guess there is.
    fn give_up(&mut self, l: u32) {
        self.lines[l as usize].doing = Doing::Finish { right: false, left: self.finishing(l), done: 0 };
    }

    fn finishing(&self, l: u32) -> u32 {
        self.whole_steps(&self.spec.finishing_steps, l, FINISHING)
    }

    /// Weight of the wrong hypotheses that a line does not know to be dead.
    fn alive(&mut self, l: u32) -> f64 {
        self.look_up_dead_ends(l as usize);
        let line = &self.lines[l as usize];
        if self.truth.weights.is_none() {
            return f64::from(self.truth.wrong.saturating_sub(line.known.len_with(&line.board.known)));
        }
        let is_known = |h: u32| line.known.contains(h) || line.board.known.contains(h);
        (0..self.truth.wrong).filter(|&h| !is_known(h)).map(|h| self.truth.weight(h)).sum()
    }

    /// Notes of a dead end: the FAIL itself and, sometimes, a fact. A note may lose its content to brevity.
    fn dead_end(&mut self, l: u32, h: u32, notes: &mut SmallVec<[Finding; 2]>) {
        let entity = entity(self.task, l, h);
        let at = |purpose: Hidden| Address { purpose: purpose as u16, entity, attempt: 0, step: 0 };
        let wrong = self.key.draws(at(Hidden::Wrong)).uniform(0) < self.sharing.wrong_note;
        let kept = self.key.draws(at(Hidden::Keep));
        let keep = keep_probability(f64::from(self.spec.note_tokens), 1, self.spec.tokens_per_detail);
        let dead = Item::Dead { hypothesis: h, author: l, wrong };
        self.lines[l as usize].found.push(dead);
        let items: &[Item] = if kept.uniform(0) < keep { &[dead] } else { &[] };
        notes.push(self.found(items, FindingKind::Fail, self.spec.note_tokens));
        if self.key.draws(at(Hidden::Fact)).uniform(0) < self.spec.facts_per_dead_end {
            let fact = Item::Fact { author: l, number: h };
            self.lines[l as usize].found.push(fact);
            let items: &[Item] = if kept.uniform(1) < keep { &[fact] } else { &[] };
            notes.push(self.found(items, FindingKind::Fact, self.spec.note_tokens));
        }
    }

    fn found(&mut self, items: &[Item], kind: FindingKind, tokens: u32) -> Finding {
        let id = FindingId(self.findings.len() as u32);
        self.findings.push(SmallVec::from_slice(items));
        Finding { id, kind, tokens }
    }

    /// What a delegation hands back: all it found, or as much as fits the report the policy asks for.
    fn result(&mut self, request: &Request, kind: FindingKind) -> Finding {
        let items = std::mem::take(&mut self.lines[request.about.line.index()].found);
        let (kept, tokens) = if request.product_tokens == 0 {
            let length = |item: &Item| match item {
                Item::Patch { .. } => self.spec.patch_note_tokens,
                Item::Dead { .. } | Item::Fact { .. } => self.spec.note_tokens,
            };
            let tokens = items.iter().map(length).sum::<u32>().max(self.spec.note_tokens);
            (SmallVec::from_vec(items), tokens)
        } else {
            let mut kept = self.keep(&items, request);
            // The candidate itself is the line's; a report may only lose what it tells besides.
            let patch = items.iter().find(|i| matches!(i, Item::Patch { .. })).copied();
            kept.extend(patch.filter(|p| !kept.contains(p)));
            (kept, request.product_tokens)
        };
        self.found(&kept, kind, tokens)
    }

    /// See [`super::Workload::completed`].
    pub fn completed(&mut self, now: Time, purpose: Purpose, line: LineId, answer: &Answer) -> bool {
        if !matches!(purpose, Purpose::Step | Purpose::Tool) {
            return false;
        }
        let l = line.0;
        let target = self.last[l as usize].1;
        let duplicate = target.is_some_and(|t| self.discovered.get(&t).is_some_and(|&(at, by)| by != l && at <= now));
        if let (Purpose::Step, Answer::Step { .. }) = (purpose, answer) {
            self.step_done(now, l);
        }
        duplicate
    }

    fn step_done(&mut self, now: Time, l: u32) {
        let doing = self.lines[l as usize].doing;
        let found = matches!(doing, Doing::Explore { target: Target::Solution, left: 1, .. });
        let finishing = if found { self.finishing(l) } else { 0 };
        let line = &mut self.lines[l as usize];
        line.doing = match doing {
            Doing::Orient { left: 1, .. } => line.resume.take().unwrap_or(Doing::Choose),
            Doing::Orient { left, done } => Doing::Orient { left: left - 1, done: done + 1 },
            Doing::Explore { target, left: 1, .. } => {
                let index = if let Target::Wrong(h) = target { h } else { SOLUTION };
                self.discovered.entry(index).or_insert((now, l));
                match target {
                    Target::Solution => Doing::Finish { right: true, left: finishing, done: 0 },
                    Target::Wrong(h) => {
                        line.known.insert(h);
                        line.tried.insert(h);
                        line.dead_ends_here += 1;
                        self.tried += 1;
                        Doing::Choose
                    }
                }
            }
            Doing::Explore { target, left, done } => Doing::Explore { target, left: left - 1, done: done + 1 },
            Doing::Finish { right, left: 1, .. } => Doing::Done { right },
            Doing::Finish { right, left, done } => Doing::Finish { right, left: left - 1, done: done + 1 },
            other => other,
        };
    }

    /// See [`super::Workload::observe`].
    pub fn observe(&mut self, note: &Note) {
        if let Note::Admitted { store, finding, .. } | Note::Kept { store, finding, .. } = *note {
            if self.stores.len() <= store.index() {
                self.stores.resize_with(store.index() + 1, Store::default);
            }
            let of = &mut self.stores[store.index()];
            match note {
                Note::Admitted { .. } => of.admit(finding, &self.findings),
                _ => of.keep(finding, &self.findings),
            }
        }
    }

    /// Whether a finding holds a wrong note or a false candidate.
    pub fn is_unsupported(&self, finding: FindingId) -> bool {
        self.findings[finding.index()]
            .iter()
            .any(|i| matches!(i, Item::Dead { wrong: true, .. } | Item::Patch { right: false, .. }))
    }

    /// Whether a finding holds a true solution.
    pub fn is_right(&self, finding: FindingId) -> bool {
        self.findings[finding.index()].iter().any(|i| matches!(i, Item::Patch { right: true, .. }))
    }

    /// See [`super::Workload::score`].
    pub fn score(&self, outcome: &Outcome) -> Score {
        let solved = self.discovered.contains_key(&SOLUTION);
        let distinct = (self.discovered.len() - usize::from(solved)) as f64;
        let mut facts = vec![("distinct_hypotheses", distinct), ("tried_hypotheses", self.tried as f64)];
        if self.tried > 0 {
            facts.push(("duplicate_share", 1.0 - distinct / self.tried as f64));
        }
        let said = outcome.submissions.iter().map(|s| match s.finding {
            None => Said::Nothing,
            Some(finding) if self.is_right(finding) => Said::Right,
            Some(_) => {
                let author = self.lines[s.line.index()].taken_over.unwrap_or(s.line.0);
                wrong_kind(self.spec.wrong_answers, author, || self.draws(Hidden::Vote, author, 0, 0, 0))
            }
        });
        let said: Vec<Said> = said.collect();
        picked::score(&said, outcome.choice, facts, &self.sharing, || self.draws(Hidden::Vote, 0, 0, 1, 0))
    }

    fn draws(&self, purpose: Hidden, line: u32, index: u32, attempt: u16, step: u32) -> Draws {
        self.key.draws(Address { purpose: purpose as u16, entity: entity(self.task, line, index), attempt, step })
    }
}
