//! What a trace tells, summed up: scripts of records whose sums are known by hand.

use delm_sim::kernel::{Span, Time};
use delm_sim::model::call::{CallError, Purpose, Usage};
use delm_sim::model::ids::{About, AgentId, CallId, EndpointId, FindingId, LineId, StoreId, SubtaskId, TaskId};
use delm_sim::model::note::{Note, Phase};
use delm_sim::model::price::{Picodollars, Roles};
use delm_sim::model::workload::{Team, Truth};
use delm_sim::record::trace::{Answered, Bill, Facts, Staleness, SubtaskCounts, Told};
use delm_sim::record::{Summary, Trace};

const TEAM: Team = Team { workers: 2, leads: 1, lines: 2, budgets_per_line: 1, quality: 1.0 };

/// Findings of odd numbers are wrong.
struct Odd;

impl Truth for Odd {
    fn is_unsupported(&self, finding: FindingId) -> bool {
        finding.0 % 2 == 1
    }
    fn is_right(&self, finding: Option<FindingId>) -> bool {
        finding.is_some_and(|f| f.0 % 2 == 0)
    }
}

fn at(s: u64) -> Time {
    Time::from_nanos(s * 1_000_000_000)
}

fn seconds(s: u64) -> Span {
    at(s) - Time::ZERO
}

/// A trace, and the number of the next call.
struct Script(Trace, u64);

impl Script {
    fn new(tasks: u32, count: Option<(Purpose, u64)>, watch: Option<u32>) -> Self {
        Self(Trace::new(Summary::new(&TEAM, tasks, count, watch), None), 0)
    }

    fn sum(&self) -> &Summary {
        &self.0.summary
    }

    fn note(&mut self, s: u64, note: Note) {
        self.0.noted(at(s), TaskId(0), note, &Odd);
    }

    fn phase(&mut self, s: u64, agent: u32, phase: Phase) {
        self.note(s, Note::Phase(AgentId(agent), phase));
    }

    /// An agent asks at once, after 10 tokens of which 4 show a board.
    fn call(&mut self, s: u64, agent: u32, purpose: Purpose, background: bool) -> Told {
        let call = CallId(self.1);
        self.1 += 1;
        let told = Told { task: TaskId(0), call, agent: AgentId(agent), purpose, background, about: About::default() };
        self.0.called(at(s), &told, EndpointId(0), 10, 4);
        told
    }

    /// Called, served and answered: from, until; it worked on what another had found.
    fn served(&mut self, agent: u32, purpose: Purpose, (from, until): (u64, u64), duplicate: bool) {
        let told = self.call(from, agent, purpose, false);
        self.0.served(at(from), &told);
        self.reply(until, &told, duplicate, seconds(until - from), seconds(until - from));
    }

    fn reply(&mut self, s: u64, told: &Told, duplicate: bool, sojourn: Span, service: Span) {
        let answered = Answered { said: None, duplicate, sojourn, service };
        self.0.replied(at(s), told, &answered, bill());
    }
}

fn bill() -> Bill {
    let p = Picodollars;
    let cost = Roles { work: p(1), tool: p(10), coordination: p(100), verification: p(1000), reading: p(10_000) };
    let usage = Usage { prompt_tokens: 10, cached_tokens: 5, cache_write_tokens: 3, completion_tokens: 7 };
    Bill { cost, usage }
}

/// Two workers and a lead for ten seconds. Worker 0: start-up to 1, in line to 3, work to 6, relay to 8, repeated work
/// to 9, tail. Worker 1: relay to 4, barrier. Lead: start-up to 2, input, coordination from 4 to 5, input.
fn ten_seconds(count: Option<(Purpose, u64)>) -> Script {
    let mut t = Script::new(1, count, None);
    t.0.arrived(at(0), TaskId(0));
    t.phase(0, 1, Phase::RelayWait);
    let first = t.call(1, 0, Purpose::Step, false);
    t.0.waits(at(1), &first, Phase::SlotWait);
    t.phase(2, 2, Phase::InputWait);
    t.0.served(at(3), &first);
    t.served(2, Purpose::Dispatch, (4, 5), false);
    t.phase(4, 1, Phase::BarrierWait);
    t.reply(6, &first, false, seconds(5), seconds(3));
    t.phase(6, 0, Phase::RelayWait);
    t.served(0, Purpose::Step, (8, 9), true);
    t.phase(9, 0, Phase::IdleTail);
    t.0.finished(at(10), TaskId(0), Vec::new(), Facts::new());
    t
}

#[test]
fn every_second_of_every_agent_is_in_one_phase() {
    let t = ten_seconds(None);
    let s = t.sum();
    let workers = [
        (Phase::StartUp, 1.0),
        (Phase::SlotWait, 2.0),
        (Phase::Work, 3.0),
        (Phase::RelayWait, 6.0),
        (Phase::Duplicated, 1.0),
        (Phase::BarrierWait, 6.0),
        (Phase::IdleTail, 1.0),
    ];
    let leads = [(Phase::StartUp, 2.0), (Phase::InputWait, 7.0), (Phase::Coordination, 1.0)];
    for phase in Phase::ALL {
        let due = |of: &[(Phase, f64)]| of.iter().find(|(p, _)| *p == phase).map_or(0.0, |(_, seconds)| *seconds);
        assert_eq!(s.workers.of(phase).as_secs_f64(), due(&workers), "workers: {}", phase.name());
        assert_eq!(s.leads.of(phase).as_secs_f64(), due(&leads), "leads: {}", phase.name());
    }
    // A stay is counted when it has ended and was one: worker 1 left start-up at once, and nobody left the barrier.
    assert_eq!(s.workers.mean_stay_s(Phase::StartUp), Some(1.0));
    assert_eq!(s.workers.mean_stay_s(Phase::RelayWait), Some(3.0));
    assert_eq!(s.workers.mean_stay_s(Phase::BarrierWait), None);
    assert_eq!(s.workers.mean_stay_s(Phase::InputWait), None);
    assert_eq!(s.leads.mean_stay_s(Phase::InputWait), Some(2.0));
    assert_eq!((s.makespans.as_slice(), s.end, s.start), (&[at(10)][..], at(10), Time::ZERO));
    assert_eq!(s.records, t.0.len());
    assert_eq!(s.broken_identity(), None);
}

#[test]
fn a_measured_window_begins_with_the_reply_that_ends_the_warm_up() {
    let t = ten_seconds(Some((Purpose::Step, 1)));
    let s = t.sum();
    assert_eq!((s.start, s.end), (at(6), at(10)));
    assert_eq!((s.counted, s.counted_in_window()), (2, Some(1)));
    assert_eq!((s.of(Purpose::Step).issued, s.of(Purpose::Step).answered, s.of(Purpose::Dispatch).issued), (1, 1, 0));
    assert_eq!(s.in_flight, 0);
    let all: f64 = Phase::ALL.iter().map(|p| (s.workers.of(*p) + s.leads.of(*p)).as_secs_f64()).sum();
    assert_eq!(all, 3.0 * 4.0, "three agents for four seconds");
    assert_eq!(s.workers.of(Phase::BarrierWait).as_secs_f64(), 4.0, "an agent stays where it is");
    assert_eq!(s.leads.of(Phase::InputWait).as_secs_f64(), 4.0);
    // Before the warm-up is over the window is the whole run.
    assert_eq!(ten_seconds(Some((Purpose::Step, 3))).sum().counted_in_window(), Some(2));
    assert_eq!(ten_seconds(None).sum().counted_in_window(), None);
    // A stay that ends in the window counts whole, whenever it began.
    let mut t = Script::new(1, Some((Purpose::Step, 1)), None);
    t.phase(0, 1, Phase::RelayWait);
    t.served(0, Purpose::Step, (0, 6), false);
    t.phase(8, 1, Phase::IdleTail);
    t.0.summary.stop(at(9));
    assert_eq!(t.sum().workers.mean_stay_s(Phase::RelayWait), Some(8.0));
    assert_eq!(t.sum().workers.of(Phase::RelayWait).as_secs_f64(), 2.0);
    assert_eq!(t.sum().workers.of(Phase::IdleTail).as_secs_f64(), 1.0);
    assert_eq!(t.sum().end, at(9));
}

#[test]
fn every_call_is_counted_by_its_purpose_and_its_end() {
    let mut t = Script::new(1, None, None);
    t.served(0, Purpose::Step, (0, 2), false);
    let failed = t.call(2, 0, Purpose::Step, false);
    t.0.served(at(2), &failed);
    t.0.try_failed(at(3), &failed, CallError::Server);
    t.0.try_failed(at(4), &failed, CallError::Server);
    t.0.failed(at(4), &failed, CallError::Server, bill());
    let behind = t.call(4, 0, Purpose::Verify, true);
    t.0.waits(at(4), &behind, Phase::SlotWait);
    t.0.served(at(5), &behind);
    let cancelled = t.call(4, 1, Purpose::Step, false);
    t.0.served(at(4), &cancelled);
    assert_eq!(t.sum().in_flight, 2);
    t.reply(8, &behind, true, seconds(4), seconds(3));
    t.0.cancelled(at(9), &cancelled, bill());
    t.0.finished(at(10), TaskId(0), Vec::new(), Facts::new());
    let s = t.sum();
    let c = s.of(Purpose::Step);
    assert_eq!((c.issued, c.answered, c.failed, c.cancelled, c.failed_tries), (3, 1, 1, 1, 2));
    assert_eq!(c.usage, Usage { prompt_tokens: 30, cached_tokens: 15, cache_write_tokens: 9, completion_tokens: 21 });
    assert_eq!(c.board_tokens, 12);
    assert_eq!((c.sojourn.as_secs_f64(), c.service.as_secs_f64()), (2.0, 2.0));
    let c = s.of(Purpose::Verify);
    assert_eq!((c.issued, c.answered, c.sojourn.as_secs_f64(), c.service.as_secs_f64()), (1, 1, 4.0, 3.0));
    // What runs beside an agent's own work is no phase of it, repeated or not.
    assert_eq!(s.overlap.as_secs_f64(), 3.0);
    assert_eq!(s.workers.of(Phase::SlotWait).as_secs_f64() + s.workers.of(Phase::Duplicated).as_secs_f64(), 0.0);
    assert_eq!(s.workers.of(Phase::Work).as_secs_f64(), 2.0 + 2.0 + 5.0);
    assert_eq!(s.workers.of(Phase::InputWait).as_secs_f64(), 6.0 + 1.0);
    // Four calls of 11,111 pico-dollars.
    let pico = |usd: f64| libm::round(usd * 1e12) as u64;
    assert_eq!(pico(s.cost.total().as_usd()), 44_444);
    let roles = [s.cost.work, s.cost.tool, s.cost.coordination, s.cost.verification, s.cost.reading];
    assert_eq!(roles.map(|sum| pico(sum.as_usd())), [4, 40, 400, 4000, 40_000]);
    assert_eq!(s.broken_identity(), None);
}

#[test]
fn what_policies_note_is_counted() {
    let told = |watch| {
        let mut t = Script::new(1, None, watch);
        let (a, f) = (AgentId, FindingId);
        let admitted = |agent, finding, stale_by| Note::Admitted {
            agent: a(agent),
            store: StoreId(0),
            finding: f(finding),
            tokens: 25,
            version: 1,
            stale_by,
        };
        t.note(0, Note::Created { first: 0, count: 5 });
        for subtask in 0..4 {
            t.note(0, Note::Claimed(a(0), SubtaskId(subtask)));
        }
        t.note(0, Note::Done(SubtaskId(0)));
        t.note(0, Note::Done(SubtaskId(1)));
        t.note(0, Note::Abandoned(SubtaskId(2)));
        t.note(0, Note::Released(a(0), SubtaskId(3)));
        for finding in 0..7 {
            t.note(0, Note::Proposed(a(0), f(finding)));
        }
        t.note(0, admitted(0, 0, 0));
        t.note(0, admitted(1, 1, 3));
        t.note(0, admitted(0, 3, 2));
        t.note(0, Note::Rejected(a(0), f(2)));
        t.note(0, Note::Rejected(a(0), f(4)));
        t.note(0, Note::Rejected(a(0), f(5)));
        t.note(0, Note::Withdrawn(a(0), f(6)));
        t.note(0, Note::Compacted(a(0)));
        t.note(0, Note::GaveUp(a(0), CallError::Timeout));
        t.note(0, Note::GaveUp(a(1), CallError::Timeout));
        t
    };
    let t = told(None);
    let s = t.sum();
    assert_eq!(s.subtasks, SubtaskCounts { created: 5, done: 2, abandoned: 1, claimed: 4, released: 1 });
    let g = &s.gate;
    assert_eq!((g.proposed, g.admitted, g.rejected, g.withdrawn), (7, 3, 3, 1));
    assert_eq!((g.admitted_unsupported, g.rejected_supported), (2, 2));
    assert_eq!((s.board_tokens, s.compactions, s.given_up), (75, 1, 2));
    assert_eq!(s.staleness, Staleness { writes: 3, stale_writes: 2, missed: 5 });
    let watched = |agent| told(Some(agent)).sum().staleness;
    assert_eq!(watched(0), Staleness { writes: 2, stale_writes: 1, missed: 2 });
    assert_eq!(watched(1), Staleness { writes: 1, stale_writes: 1, missed: 3 });
}

#[test]
fn submissions_are_timed_task_by_task() {
    let mut t = Script::new(3, None, None);
    let mut submit = |s, task, finding: Option<u32>| {
        let note = Note::Submitted(AgentId(0), LineId(0), finding.map(FindingId));
        t.0.noted(at(s), TaskId(task), note, &Odd);
    };
    submit(3, 0, Some(1));
    submit(4, 1, None);
    submit(5, 0, Some(0));
    submit(6, 1, Some(3));
    submit(10, 0, Some(2));
    let facts = |of: &[(&'static str, f64)]| of.iter().map(|(name, x)| ((*name).into(), *x)).collect::<Facts>();
    t.0.finished(at(11), TaskId(1), vec![false, false], facts(&[("a", 1.0)]));
    t.0.finished(at(12), TaskId(0), vec![false, true, true], facts(&[("b", 7.0), ("a", 4.0)]));
    t.0.finished(at(13), TaskId(2), Vec::new(), Facts::new());
    let s = t.sum();
    assert_eq!(s.latencies.first_success, [at(5)]);
    assert_eq!(s.latencies.first_success_or_last, [at(6), at(5)]);
    assert_eq!(s.latencies.last_worker, [at(6), at(10)]);
    assert_eq!(s.latencies.mean_worker, [5.0, 6.0]);
    assert_eq!((s.right.as_slice(), s.submissions.as_slice()), (&[0, 2, 0][..], &[2, 3, 0][..]));
    assert_eq!(s.makespans, [at(11), at(12), at(13)]);
    assert_eq!((s.fact("a"), s.fact("b"), s.fact("c")), (Some(2.5), Some(7.0), None));
    assert_eq!(s.broken_identity(), None, "three teams of three for 36 s");
}

#[test]
fn a_broken_identity_is_named() {
    let broken = |change: &dyn Fn(&mut Summary), named: &str| {
        let mut t = ten_seconds(None);
        change(&mut t.0.summary);
        let told = t.sum().broken_identity().unwrap_or_default();
        assert!(told.contains(named), "{named}: {told:?}");
    };
    broken(&|s| s.makespans[0] = at(11), "agent time");
    broken(&|s| s.calls[Purpose::Step.code() as usize].issued += 1, "step calls: 3 issued, 2 answered");
    broken(&|s| s.calls[Purpose::Step.code() as usize].usage.cached_tokens = 15, "more cached than prompt");
    broken(&|s| s.in_flight = -1, "in flight");
    broken(&|s| s.gate.proposed = 1, "gate");
    broken(&|s| s.gate.withdrawn = 1, "gate");
    broken(&|s| s.subtasks.done = 1, "queue");
    let whole = |change: &dyn Fn(&mut Summary)| {
        let mut t = ten_seconds(None);
        change(&mut t.0.summary);
        assert_eq!(t.sum().broken_identity(), None);
    };
    whole(&|s| (s.gate.proposed, s.gate.admitted, s.gate.rejected, s.gate.withdrawn) = (7, 1, 2, 4));
    whole(&|s| (s.subtasks.created, s.subtasks.done, s.subtasks.abandoned) = (5, 3, 2));
    // Two prompts of 10 with 6 tokens written may have 14 read.
    whole(&|s| s.calls[Purpose::Step.code() as usize].usage.cached_tokens = 14);
    // Failed and cancelled calls have ended too.
    whole(&|s| {
        let step = &mut s.calls[Purpose::Step.code() as usize];
        (step.issued, step.failed, step.cancelled) = (7, 2, 3);
    });
}
