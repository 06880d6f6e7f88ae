//! What each form does with what it is told, event by event.

use super::table::{DELEGATE, Table, list, step};
use delm_sim::model::Limit;
use delm_sim::model::call::{Answer, CallError, Content, FindingKind, PromptSpan, Purpose, Request, SpanRole};
use delm_sim::model::ids::{FindingId, StoreId};
use delm_sim::model::note::Note;
use delm_sim::policy::settings::{Barrier, Dispatch, Draft, DryPolicy, Gate, Store, Work};
use smallvec::smallvec;

/// Tokens of a prompt's private history.
fn history(request: &Request) -> u32 {
    let own = |role| matches!(role, SpanRole::History | SpanRole::New);
    request.prompt.iter().filter(|span| own(span.role)).map(|span| span.tokens).sum()
}

/// Whether a prompt shows a finding.
fn shows(request: &Request, finding: FindingId) -> bool {
    request.prompt.iter().any(|span| span.content == Content::Finding(finding))
}

/// The version of a store that a prompt shows.
fn version(request: &Request, of: StoreId) -> Option<u32> {
    request.prompt.iter().find_map(|span| match span.content {
        Content::View { store, version, .. } if store == of => Some(version),
        _ => None,
    })
}

const BOARD: StoreId = StoreId(0);

fn answer(t: &mut Table) {
    let written = t.found(FindingKind::Answer, 20);
    t.answer(Purpose::Finalize, Answer::Final(written));
}

#[test]
fn a_soloist_does_all_subtasks_and_writes_its_answer() {
    let mut t = Table::new("single", Work::Divide, 1, |_| {});
    t.answer(Purpose::Plan, list(0, 2, &[]));
    t.answer(Purpose::Step, step(true));
    t.answer(Purpose::Tool, Answer::Observation { tokens: 5 });
    t.done(FindingKind::Result);
    let (_, second) = t.find(Purpose::Step);
    assert_eq!(second.about.subtask.0, 1);
    t.done(FindingKind::Result);
    answer(&mut t);
    assert_eq!(t.handed_in().len(), 1);
    assert_eq!(t.asked.len(), 6);
}

#[test]
fn a_soloist_at_its_deadline_writes_what_it_has() {
    let mut t = Table::new("single", Work::Divide, 1, |d| d.deadline_s = Limit::At(5.0));
    t.answer(Purpose::Plan, list(0, 9, &[]));
    t.done(FindingKind::Result);
    t.fire();
    assert_eq!(t.cancelled.len(), 1);
    answer(&mut t);
    assert!(t.handed_in()[0].1.is_some());
}

#[test]
fn a_thread_plans_delegates_to_itself_and_submits_its_candidate() {
    let mut t = Table::new("independent", Work::Search, 2, |_| {});
    assert_eq!(t.agents(Purpose::Plan), [0, 1]);
    t.answer(Purpose::Plan, DELEGATE);
    let patch = t.done(FindingKind::Patch);
    // The next plan of thread 0 is younger than the first of thread 1.
    t.answer(Purpose::Plan, DELEGATE);
    t.answer(Purpose::Plan, Answer::Decided(delm_sim::model::call::Decision::Submit));
    assert!(t.outcome.is_none(), "the other still works");
    t.fail(Purpose::Step, CallError::Timeout);
    assert_eq!(t.noted(|n| matches!(n, Note::GaveUp(a, CallError::Timeout) if a.0 == 1)), 1);
    t.fail(Purpose::Plan, CallError::Server);
    assert_eq!(t.handed_in().iter().map(|s| s.1).collect::<Vec<_>>(), [Some(patch.id), None]);
}

#[test]
fn threads_read_what_was_admitted_and_wait_for_no_verdict_at_the_end() {
    let mut t = Table::new("delm-solvers", Work::Search, 2, |d| {
        d.gate = Gate::Llm;
        d.plan = false;
    });
    let fail = t.found(FindingKind::Fail, 25);
    t.answer(Purpose::Step, Answer::Step { notes: smallvec![fail], tool: true, result: None });
    assert_eq!(t.count_open(Purpose::Verify), 1);
    t.answer(Purpose::Tool, Answer::Observation { tokens: 5 });
    assert_eq!(t.agents(Purpose::Step), [1, 0]);
    assert_eq!(version(&t.find(Purpose::Step).1, BOARD), Some(0), "no verdict yet");
    t.answer(Purpose::Verify, Answer::Verdict { accepted: true });
    assert_eq!(t.noted(|n| matches!(n, Note::Admitted { store: BOARD, .. })), 1);
    t.answer(Purpose::Step, step(false));
    let (_, reader) = t.open.iter().find(|(_, r)| r.agent.0 == 1).cloned().expect("thread 1 goes on");
    assert_eq!(version(&reader, BOARD), Some(1));
    // Both end with a candidate; the verdicts on their last notes are called off.
    for _ in 0..2 {
        let (result, note) = (t.found(FindingKind::Patch, 75), t.found(FindingKind::Patch, 75));
        t.answer(Purpose::Step, Answer::Step { notes: smallvec![note], tool: false, result: Some(result) });
    }
    assert_eq!(t.handed_in().len(), 2);
    assert_eq!(t.cancelled.len(), 2);
    assert_eq!(t.noted(|n| matches!(n, Note::Withdrawn(..))), 2);
}

#[test]
fn a_queue_hands_out_what_is_ready_and_asks_for_more_so_often_and_not_oftener() {
    for rounds in [0, 1, 2, 3] {
        let mut t = Table::new("map-reduce", Work::Divide, 2, |d| {
            d.ask_more = true;
            d.more_rounds = rounds;
        });
        t.answer(Purpose::Plan, list(0, 3, &[(2, 0), (2, 1)]));
        assert_eq!(t.agents(Purpose::Step), [0, 1], "the third waits for both");
        t.done(FindingKind::Result);
        assert_eq!(t.count_open(Purpose::Step), 1);
        t.done(FindingKind::Result);
        t.done(FindingKind::Result);
        for _ in 0..rounds {
            let more = t.subtasks(1);
            t.answer(Purpose::MoreSubtasks, more);
            t.done(FindingKind::Result);
        }
        answer(&mut t);
        assert_eq!(t.count_asked(Purpose::MoreSubtasks), rounds as usize);
        assert_eq!(t.handed_in().len(), 1);
    }
}

#[test]
fn a_lead_asks_for_more_so_often_and_not_oftener() {
    for policy in ["orchestrator-parallel", "orchestrator-async"] {
        for rounds in [0, 1, 3] {
            let mut t = Table::new(policy, Work::Divide, 1, |d| {
                d.ask_more = true;
                d.more_rounds = rounds;
            });
            t.answer(Purpose::Plan, list(0, 1, &[]));
            for round in 0..=rounds {
                t.brief();
                t.done(FindingKind::Result);
                if policy == "orchestrator-parallel" {
                    t.answer(Purpose::Merge, Answer::Merged);
                }
                if round < rounds {
                    let more = t.subtasks(1);
                    t.answer(Purpose::MoreSubtasks, more);
                }
            }
            answer(&mut t);
            assert_eq!(t.count_asked(Purpose::MoreSubtasks), rounds as usize, "{policy}");
        }
    }
}

#[test]
fn a_subtask_goes_back_so_often_and_not_oftener() {
    for policy in ["map-reduce", "orchestrator-parallel", "orchestrator-async"] {
        for requeues in [0, 1, 3] {
            let mut t = Table::new(policy, Work::Divide, 1, |d| {
                d.requeues = requeues;
                d.ask_more = false;
            });
            t.answer(Purpose::Plan, list(0, 1, &[]));
            for _ in 0..=requeues {
                if policy != "map-reduce" {
                    t.brief();
                }
                t.fail(Purpose::Step, CallError::Timeout);
            }
            assert_eq!(t.noted(|n| matches!(n, Note::Released(..))), usize::from(requeues), "{policy}");
            assert_eq!(t.noted(|n| matches!(n, Note::Abandoned(_))), 1, "{policy}");
            answer(&mut t);
            assert!(t.outcome.is_some());
        }
    }
}

#[test]
fn two_steps_lost_alike_end_a_delegation_and_two_lost_otherwise_do_not() {
    use CallError::{RateLimited, Server, Timeout};
    let lost = |errors: &[CallError]| {
        let mut t = Table::new("map-reduce", Work::Divide, 1, |_| {});
        t.answer(Purpose::Plan, list(0, 1, &[]));
        for error in errors {
            t.fail(Purpose::Step, *error);
        }
        t.noted(|n| matches!(n, Note::GaveUp(..)))
    };
    assert_eq!(lost(&[Server]), 0);
    assert_eq!(lost(&[Server, Server]), 1);
    assert_eq!(lost(&[Server, RateLimited, Server]), 0);
    assert_eq!(lost(&[Timeout]), 1, "the request is as long the next time");
}

#[test]
fn a_memory_keeps_its_newest_steps_and_a_digest_of_the_others() {
    for keep in [0, 1, 2] {
        let mut t = Table::new("map-reduce", Work::Divide, 1, |d| {
            d.memory_steps = Limit::At(3.0);
            d.keep_steps = keep;
            d.memory_digest_tokens = 7;
            d.delegation_tokens = 1000;
        });
        t.answer(Purpose::Plan, list(0, 1, &[]));
        for tokens in [10, 20, 40] {
            let (call, _) = t.find(Purpose::Step);
            t.reply(call, step(false), tokens);
        }
        let digest = t.found(FindingKind::Digest, 7);
        t.answer(Purpose::Compact, Answer::Digest(digest));
        let kept = [0, 40, 60][keep as usize];
        assert_eq!(history(&t.find(Purpose::Step).1), 1000 + 7 + kept, "keep {keep}");
    }
}

#[test]
fn a_history_is_compacted_above_its_window_where_that_makes_it_shorter() {
    // The second step's prompt is a source of 100 tokens and a history of 50.
    for (window, digest, compacted) in [(149.0, 24, 1), (150.0, 24, 0), (149.0, 25, 0)] {
        let mut t = Table::new("map-reduce", Work::Divide, 1, |d| {
            (d.window_tokens, d.digest_tokens) = (Limit::At(window), digest);
            (d.instructions_tokens, d.task_tokens, d.delegation_tokens) = (0, 0, 0);
        });
        t.answer(Purpose::Plan, list(0, 1, &[]));
        let (call, _) = t.find(Purpose::Step);
        t.reply(call, step(false), 50);
        assert_eq!(t.count_open(Purpose::Compact), compacted, "window {window}, digest {digest}");
    }
}

#[test]
fn who_unfolds_shows_what_it_unfolded_and_nothing_else() {
    for tokens in [0, 40] {
        let shown = |request: &Request| {
            let unfolded = |span: &&PromptSpan| matches!(span.content, Content::Unfolded(_));
            request.prompt.iter().filter(unfolded).map(|span| span.tokens).collect::<Vec<_>>()
        };
        let mut t = Table::new("delm-queue", Work::Divide, 1, |d| {
            (d.gate, d.unfold, d.ask_more) = (Gate::None, true, false);
        });
        t.answer(Purpose::Plan, list(0, 2, &[(1, 0)]));
        assert!(shown(&t.find(Purpose::Step).1).is_empty(), "the board is empty");
        t.done(FindingKind::Result);
        let gist = t.found(FindingKind::Gist, 100);
        t.answer(Purpose::Gist, Answer::Gist(gist));
        t.answer(Purpose::Unfold, Answer::Unfolded { tokens });
        let due = if tokens > 0 { vec![tokens] } else { Vec::new() };
        assert_eq!(shown(&t.find(Purpose::Step).1), due);
        t.done(FindingKind::Result);
        let gist = t.found(FindingKind::Gist, 100);
        t.answer(Purpose::Gist, Answer::Gist(gist));
        // Whoever answers looks up too.
        t.answer(Purpose::Unfold, Answer::Unfolded { tokens });
        assert_eq!(shown(&t.find(Purpose::Finalize).1), due);
        answer(&mut t);
    }
}

#[test]
fn a_lead_that_is_told_of_nothing_more_asks_no_more() {
    for policy in ["orchestrator-parallel", "orchestrator-async"] {
        let mut t = Table::new(policy, Work::Divide, 1, |d| (d.ask_more, d.more_rounds) = (true, 3));
        t.answer(Purpose::Plan, list(0, 1, &[]));
        t.brief();
        t.done(FindingKind::Result);
        if policy == "orchestrator-parallel" {
            t.answer(Purpose::Merge, Answer::Merged);
        }
        let none = t.subtasks(0);
        t.answer(Purpose::MoreSubtasks, none);
        answer(&mut t);
        assert_eq!(t.count_asked(Purpose::MoreSubtasks), 1, "{policy}");
    }
}

#[test]
fn a_report_is_written_by_the_way_or_by_a_call_of_its_own() {
    for by_call in [false, true] {
        let mut t = round(Dispatch::Serial, |d| (d.report_tokens, d.report_call) = (77, by_call));
        t.brief();
        t.brief();
        assert_eq!(t.find(Purpose::Step).1.product_tokens, if by_call { 0 } else { 77 });
        t.done(FindingKind::Result);
        assert_eq!(t.count_open(Purpose::Report), usize::from(by_call));
        if by_call {
            assert_eq!(t.find(Purpose::Report).1.product_tokens, 77);
        }
    }
}

#[test]
fn a_dry_queue_asks_at_once_or_when_all_are_idle() {
    for (dry_policy, asks) in [(DryPolicy::Immediate, 1), (DryPolicy::AllIdle, 0)] {
        let mut t = Table::new("map-reduce", Work::Divide, 2, |d| (d.ask_more, d.dry_policy) = (true, dry_policy));
        t.answer(Purpose::Plan, list(0, 2, &[]));
        t.done(FindingKind::Result);
        assert_eq!(t.count_open(Purpose::MoreSubtasks), asks, "{dry_policy:?}");
    }
}

#[test]
fn a_gist_is_written_again_until_its_tries_are_used_up() {
    for (policy, store) in [("delm-queue", Store::Shared), ("orchestrator-parallel", Store::Relay)] {
        for retries in [0, 2] {
            let mut t = Table::new(policy, Work::Divide, 1, |d| {
                (d.store, d.gate, d.gate_retries) = (store, Gate::Llm, retries);
                (d.requeues, d.ask_more, d.unfold) = (0, false, false);
            });
            t.answer(Purpose::Plan, list(0, 1, &[]));
            if policy == "orchestrator-parallel" {
                t.brief();
            }
            t.done(FindingKind::Result);
            for _ in 0..=retries {
                let gist = t.found(FindingKind::Gist, 100);
                t.answer(Purpose::Gist, Answer::Gist(gist));
                t.answer(Purpose::Verify, Answer::Verdict { accepted: false });
            }
            assert_eq!(t.count_asked(Purpose::Gist), 1 + usize::from(retries), "{policy}");
            assert_eq!(t.noted(|n| matches!(n, Note::Abandoned(_))), 1, "{policy}");
            let (_, last) = t.find(Purpose::Finalize);
            assert!(!last.prompt.iter().any(|s| matches!(s.content, Content::View { version: 1.., .. })), "{policy}");
        }
    }
}

/// A round of two on `search`, without plans.
fn round(dispatch: Dispatch, change: impl FnOnce(&mut Draft)) -> Table {
    Table::new("orchestrator-parallel", Work::Search, 2, |d| {
        (d.dispatch, d.plan) = (dispatch, false);
        change(d);
    })
}

#[test]
fn a_serial_lead_briefs_all_before_any_starts_and_a_pipelined_one_does_not() {
    let mut t = round(Dispatch::Serial, |_| {});
    t.brief();
    assert_eq!(t.count_open(Purpose::Step), 0);
    t.brief();
    assert_eq!(t.agents(Purpose::Step), [0, 1]);
    let mut t = round(Dispatch::Pipelined, |_| {});
    t.brief();
    assert_eq!(t.agents(Purpose::Step), [0]);
    t.brief();
    assert_eq!(t.agents(Purpose::Step), [0, 1]);
    let mut t = round(Dispatch::Parallel, |_| {});
    assert_eq!(t.find(Purpose::Dispatch).1.items, 2);
    t.brief();
    assert_eq!(t.agents(Purpose::Step), [0, 1]);
}

#[test]
fn a_barrier_waits_for_so_many_and_calls_the_others_off() {
    for (barrier, recalled) in [(Barrier::All, 0), (Barrier::Any, 2), (Barrier::KOfN { k: 2 }, 1)] {
        let mut t = Table::new("orchestrator-parallel", Work::Search, 3, |d| (d.barrier, d.plan) = (barrier, false));
        t.brief();
        let mut back = 0;
        while t.count_open(Purpose::Merge) == 0 {
            t.done(FindingKind::Result);
            back += 1;
        }
        assert_eq!((back, t.cancelled.len()), (3 - recalled, recalled), "{barrier:?}");
        assert_eq!(t.find(Purpose::Merge).1.items as usize, back);
        t.answer(Purpose::Merge, Answer::Merged);
        assert_eq!(t.find(Purpose::Dispatch).1.items, 3, "the next round is of all again");
    }
}

#[test]
fn an_asynchronous_lead_serves_each_who_comes_back() {
    let mut t = Table::new("orchestrator-async", Work::Search, 2, |d| d.plan = false);
    assert_eq!(t.count_open(Purpose::Dispatch), 1, "one lead has one call in flight");
    t.brief();
    t.brief();
    t.done(FindingKind::Result);
    let (_, next) = t.find(Purpose::Dispatch);
    assert_eq!((next.about.line.0, next.about.attempt), (0, 1));
    assert_eq!(t.agents(Purpose::Step), [1], "the other works on");
    t.done(FindingKind::Patch);
    t.brief();
    t.done(FindingKind::Patch);
    assert_eq!(t.handed_in().len(), 2);
    assert_eq!(t.noted(|n| matches!(n, Note::Submitted(_, _, Some(_)))), 2);
}

#[test]
fn what_workers_of_a_lead_can_read_is_the_stores() {
    for store in [Store::None, Store::Relay, Store::Shared] {
        let mut t = Table::new("orchestrator-async", Work::Search, 2, |d| (d.plan, d.store) = (false, store));
        let brief = t.brief();
        t.brief();
        let (_, first) = t.find(Purpose::Step);
        assert_eq!(shows(&first, brief.id), store == Store::Relay, "{store:?}");
        let fail = t.found(FindingKind::Fail, 25);
        t.answer(Purpose::Step, Answer::Step { notes: smallvec![fail], tool: false, result: None });
        t.answer(Purpose::Step, step(false));
        let (_, reader) = t.open.iter().rev().find(|(_, r)| r.agent.0 == 1).cloned().expect("it goes on");
        assert_eq!(version(&reader, BOARD), (store == Store::Shared).then_some(1), "{store:?}");
        // What comes back is the lead's to read under every store, and in its next brief under one.
        t.done(FindingKind::Result);
        let (_, dispatch) = t.find(Purpose::Dispatch);
        assert_eq!(dispatch.product_tokens > 0, store == Store::Relay, "{store:?}");
        assert!(dispatch.prompt.iter().any(|s| matches!(s.content, Content::View { version: 1, .. })), "{store:?}");
    }
}

#[test]
fn a_gate_stands_before_everything_that_a_lead_and_its_workers_read() {
    for (store, work) in [
        (Store::None, Work::Search),
        (Store::Relay, Work::Search),
        (Store::Shared, Work::Search),
        (Store::None, Work::Divide),
        (Store::Relay, Work::Divide),
        (Store::Shared, Work::Divide),
    ] {
        for accepted in [true, false] {
            let mut t = Table::new("orchestrator-async", work, 1, |d| {
                (d.store, d.gate, d.gate_retries, d.plan) = (store, Gate::Llm, 0, false);
            });
            if work == Work::Divide {
                t.answer(Purpose::Plan, list(0, 2, &[(1, 0)]));
            }
            t.brief();
            t.done(FindingKind::Result);
            assert_eq!(t.count_open(Purpose::Dispatch), 0, "nobody goes on before the verdict");
            if work == Work::Divide {
                let gist = t.found(FindingKind::Gist, 100);
                t.answer(Purpose::Gist, Answer::Gist(gist));
            }
            t.answer(Purpose::Verify, Answer::Verdict { accepted });
            let (_, dispatch) = t.find(Purpose::Dispatch);
            let read = dispatch.prompt.iter().any(|s| matches!(s.content, Content::View { version: 1.., .. }));
            assert_eq!(read, accepted, "{store:?} {work:?}");
            assert_eq!(t.noted(|n| matches!(n, Note::Admitted { .. })), usize::from(accepted), "{store:?} {work:?}");
            t.brief();
            let board = version(&t.find(Purpose::Step).1, BOARD);
            // On `search` the board holds notes; a report is the lead's.
            let there = u32::from(accepted && work == Work::Divide);
            assert_eq!(board, (store == Store::Shared).then_some(there), "{store:?} {work:?}");
        }
    }
}

#[test]
fn a_lead_at_its_deadline_calls_all_off_and_writes_what_came_back() {
    for gate in [Gate::None, Gate::Llm] {
        let mut t = Table::new("orchestrator-parallel", Work::Divide, 3, |d| {
            d.deadline_s = Limit::At(5.0);
            (d.gate, d.window_tokens, d.digest_tokens, d.delegation_tokens) = (gate, Limit::At(3650.0), 1, 0);
        });
        t.answer(Purpose::Plan, list(0, 3, &[]));
        t.brief();
        t.done(FindingKind::Result);
        t.done(FindingKind::Result);
        if gate == Gate::Llm {
            let gist = t.found(FindingKind::Gist, 100);
            t.answer(Purpose::Gist, Answer::Gist(gist));
        }
        t.fire();
        let (judged, told) = if gate == Gate::Llm { (1, 0) } else { (0, 2) };
        assert_eq!(t.noted(|n| matches!(n, Note::Withdrawn(..))), judged);
        assert_eq!(t.noted(|n| matches!(n, Note::Kept { .. })), told);
        // There is no time to compact two reports of 50: the newest that fits is shown.
        assert_eq!(t.count_asked(Purpose::Compact), 0);
        let tokens: u32 = t.find(Purpose::Finalize).1.prompt.iter().map(|s| s.tokens).sum();
        assert_eq!(tokens, 3600 + 25 * told as u32);
        answer(&mut t);
        assert!(t.handed_in()[0].1.is_some());
    }
}

#[test]
fn a_candidate_outlives_the_report_that_tells_of_it() {
    let mut t = Table::new("orchestrator-async", Work::Search, 1, |d| (d.plan, d.gate) = (false, Gate::Llm));
    t.brief();
    let patch = t.done(FindingKind::Patch);
    t.answer(Purpose::Verify, Answer::Verdict { accepted: false });
    assert_eq!(t.handed_in()[0].1, Some(patch.id), "a line's candidate is its own");
    assert_eq!(t.noted(|n| matches!(n, Note::Kept { .. } | Note::Admitted { .. })), 0);
}
