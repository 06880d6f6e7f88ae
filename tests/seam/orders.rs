//! Any legal order of events: answers, failures, timers and late replies, in any order that a world may bring them.

use super::table::{DELEGATE, Table, list};
use delm_sim::kernel::Span;
use delm_sim::model::Limit;
use delm_sim::model::call::{Answer, CallError, Decision, FindingKind, Purpose, Reply, Request, Usage};
use delm_sim::model::ids::CallId;
use delm_sim::model::note::Note;
use delm_sim::policy::Event;
use delm_sim::policy::settings::{Barrier, Dispatch, Draft, DryPolicy, Gate, Store, Work};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// Events after which a run that has not ended is taken for endless.
const MOST_EVENTS: usize = 5_000;

const FORMS: &[(&str, Work)] = &[
    ("single", Work::Divide),
    ("independent", Work::Divide),
    ("independent", Work::Search),
    ("delm-solvers", Work::Search),
    ("map-reduce", Work::Divide),
    ("delm-queue", Work::Divide),
    ("orchestrator-sequential", Work::Search),
    ("orchestrator-sequential", Work::Divide),
    ("orchestrator-serial", Work::Search),
    ("orchestrator-serial", Work::Divide),
    ("orchestrator-parallel", Work::Search),
    ("orchestrator-parallel", Work::Divide),
    ("orchestrator-async", Work::Search),
    ("orchestrator-async", Work::Divide),
];

/// A source of choices; where it is used up, the first of all.
struct Dice(std::vec::IntoIter<u16>, u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        let drawn = self.0.next().unwrap_or_else(|| {
            self.1 = self.1.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.1 >> 40) as u16
        });
        usize::from(drawn) % n
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

fn vary(d: &mut Draft, dice: &mut Dice, work: Work) {
    d.max_steps = dice.of(&[3, 1, 6]);
    d.max_delegations = dice.of(&[2, 1, 3]);
    let store = dice.of(&[d.store, Store::None, Store::Relay, Store::Shared]);
    if (Draft { store, ..d.clone() }).settle(work).is_ok() {
        d.store = store;
    }
    d.gate = if dice.below(2) == 0 { d.gate } else { dice.of(&[Gate::None, Gate::Rule, Gate::Llm, Gate::Oracle]) };
    d.barrier = dice.of(&[Barrier::All, Barrier::Any, Barrier::KOfN { k: 2 }, Barrier::Timeout { seconds: 3.0 }]);
    d.dispatch =
        if d.dispatch == Dispatch::Serial { dice.of(&[Dispatch::Serial, Dispatch::Pipelined]) } else { d.dispatch };
    d.leads = dice.of(&[1, 2]);
    d.deadline_s = dice.of(&[Limit::Unlimited, Limit::At(5.0)]);
    d.stagger_s = dice.of(&[0.0, 1.0]);
    d.append_s = dice.of(&[0.0, 1.0]);
    d.report_call = dice.of(&[d.report_call, true, false]);
    d.plan = dice.of(&[true, false]);
    d.finalize = dice.of(&[true, true, false]);
    d.admission_blocks_agent = dice.of(&[false, true]);
    d.dry_policy = dice.of(&[DryPolicy::AllIdle, DryPolicy::Immediate]);
    d.window_tokens = dice.of(&[Limit::Unlimited, Limit::At(3800.0)]);
    d.digest_tokens = 20;
    d.memory_steps = dice.of(&[Limit::Unlimited, Limit::At(2.0)]);
    d.keep_steps = 1;
    d.requeues = dice.of(&[0, 1, 2]);
    d.gate_retries = dice.of(&[0, 1]);
}

/// Something that a world may answer.
fn any_answer(t: &mut Table, request: &Request, dice: &mut Dice, work: Work) -> Answer {
    match (request.purpose, work) {
        (Purpose::Plan, Work::Search) => {
            if dice.below(3) == 0 {
                Answer::Decided(Decision::Submit)
            } else {
                DELEGATE
            }
        }
        (Purpose::Plan, Work::Divide) => dice.of(&[0, 1, 2]).pipe(|k| match k {
            0 => list(0, 4, &[(2, 0), (3, 1)]),
            1 => list(0, 1, &[]),
            _ => list(0, 6, &[]),
        }),
        (Purpose::MoreSubtasks, _) => {
            let n = dice.of(&[0, 1, 2]);
            t.subtasks(n)
        }
        (Purpose::Step, _) => {
            let (note, more) = (t.found(FindingKind::Fail, 25), dice.below(2));
            let notes: Vec<_> = if work == Work::Search && more == 0 { vec![note] } else { Vec::new() };
            let kind = if work == Work::Search {
                dice.of(&[FindingKind::Result, FindingKind::Patch])
            } else {
                FindingKind::Result
            };
            let result = (dice.below(3) == 0).then(|| t.found(kind, 50));
            Answer::Step { notes: notes.into(), tool: result.is_none() && dice.below(2) == 0, result }
        }
        (Purpose::Tool, _) => Answer::Observation { tokens: dice.of(&[0, 30, 400]) },
        (Purpose::Gist, _) => Answer::Gist(t.found(FindingKind::Gist, request.product_tokens)),
        (Purpose::Verify, _) => Answer::Verdict { accepted: dice.below(2) == 0 },
        (Purpose::Unfold, _) => Answer::Unfolded { tokens: dice.of(&[0, 40]) },
        (Purpose::Report, _) => Answer::Report(t.found(FindingKind::Report, request.product_tokens)),
        (Purpose::Dispatch, _) => Answer::Brief(t.found(FindingKind::Brief, request.product_tokens)),
        (Purpose::Compact, _) => Answer::Digest(t.found(FindingKind::Digest, request.product_tokens)),
        (Purpose::Merge, _) => Answer::Merged,
        (Purpose::Finalize, _) => Answer::Final(t.found(FindingKind::Answer, 20)),
    }
}

trait Pipe: Sized {
    fn pipe<T>(self, f: impl FnOnce(Self) -> T) -> T {
        f(self)
    }
}
impl<T> Pipe for T {}

/// Plays one order to its end.
fn play(form: usize, dice: &mut Dice) -> Result<(), TestCaseError> {
    let (name, work) = FORMS[form % FORMS.len()];
    let n = 1 + dice.below(4) as u32;
    let deadlined = std::cell::Cell::new(false);
    let mut t = Table::new(name, work, n, |d| {
        vary(d, dice, work);
        deadlined.set(d.deadline_s != Limit::Unlimited);
    });
    let mut late = false;
    let mut dead: Option<(CallId, Answer)> = None;
    for _ in 0..MOST_EVENTS {
        if t.outcome.is_some() {
            break;
        }
        let asked = t.asked.len();
        let timer = !t.timers.is_empty() && (t.open.is_empty() || dice.below(12) == 0);
        if timer {
            // The deadline is the first timer that any form sets.
            late |= deadlined.get() && t.timers[0].0 == 0;
            t.fire();
        } else {
            prop_assert!(!t.open.is_empty(), "{name}: stalled with nothing open");
            let k = dice.below(t.open.len());
            let (call, request) = t.open[k].clone();
            if dice.below(8) == 0 {
                let error = dice.of(&[CallError::Server, CallError::Timeout, CallError::RateLimited]);
                t.fail_call(call, error);
            } else {
                let answer = any_answer(&mut t, &request, dice, work);
                let tokens = dice.of(&[10, 300]);
                dead = Some((call, answer.clone()));
                t.reply(call, answer, tokens);
            }
        }
        if late {
            let after: Vec<&str> = t.asked[asked..].iter().map(|(p, _)| p.name()).collect();
            prop_assert!(after.iter().all(|p| *p == "finalize"), "{name}: {after:?} behind the deadline");
        }
        // A reply that comes a second time, or to a call that was cancelled, says nothing.
        if let (Some((call, answer)), None, 0) = (&dead, &t.outcome, dice.below(6)) {
            let reply = Reply { answer: answer.clone(), usage: Usage::default(), sojourn: Span::ZERO };
            let before = (t.asked.len(), t.notes.len());
            t.tell(&Event::Replied(*call, reply));
            prop_assert_eq!(before, (t.asked.len(), t.notes.len()), "{} hears twice", name);
        }
    }
    prop_assert!(t.outcome.is_some(), "{name}: no end after {MOST_EVENTS} events");
    let count = |of: fn(&Note) -> bool| t.noted(of);
    prop_assert_eq!(
        count(|n| matches!(n, Note::Proposed(..))),
        count(|n| matches!(n, Note::Admitted { .. } | Note::Rejected(..) | Note::Withdrawn(..))),
        "{}: each proposal has one end",
        name
    );
    Ok(())
}

/// The same orders every day; other and more ones on demand.
fn config() -> ProptestConfig {
    let asked = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => asked,
        None => ProptestConfig { cases: 2_000, rng_seed: RngSeed::Fixed(2606), ..asked },
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_form_finds_its_end(form in 0..FORMS.len(), seed in any::<u64>(), row in proptest::collection::vec(any::<u16>(), 0..200)) {
        play(form, &mut Dice(row.into_iter(), seed))?;
    }
}
