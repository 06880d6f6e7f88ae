//! One law of detail and one of length: equal tokens per item lose equally in every writing, equal prompts lose equally
//! for every reader, on both workloads. And a judge's blind spot belongs to a result, not to a verdict.

use delm_sim::kernel::{Key, Law, Span, Time};
use delm_sim::model::call::{
    Answer, Content, Finding, Judge, Prompt, PromptSpan, Purpose, Request, SpanRole, prompt_tokens,
};
use delm_sim::model::ids::{About, AgentId, LineId, StoreId, SubtaskId, TaskId};
use delm_sim::model::sharing::Sharing;
use delm_sim::model::workload::search::Success;
use delm_sim::model::workload::{DivideSpec, SearchSpec, Sizes, Team, Truth, Workload, WorkloadSpec};
use smallvec::smallvec;
use std::sync::Arc;

/// Worlds that are asked the same.
const WORLDS: u64 = 2000;
/// Scale of the law of detail.
const SCALE: f64 = 20.0;

fn world(spec: &WorkloadSpec, sharing: &Sharing, replication: u64) -> Workload {
    let team = Team { workers: 2, leads: 0, lines: 2, budgets_per_line: 1, quality: 1.0 };
    let key = Key::new(11, replication);
    Workload::new(spec, &Arc::new(Sizes::default()), &Arc::new(sharing.clone()), key, TaskId(0), &team)
}

fn ask(line: u32, purpose: Purpose, prompt: Prompt) -> Request {
    let about = About { line: LineId(line), subtask: SubtaskId(0), attempt: 0, step: 0 };
    Request::new(AgentId(line), purpose, about, prompt)
}

/// Findings as a prompt.
fn shown(findings: &[Finding]) -> Prompt {
    let span = |f: &Finding| PromptSpan { content: Content::Finding(f.id), role: SpanRole::Reports, tokens: f.tokens };
    findings.iter().map(span).collect()
}

/// What was written in answer to a request.
fn written(world: &mut Workload, request: &Request) -> Finding {
    match world.prepare(request).answer {
        Answer::Gist(f)
        | Answer::Report(f)
        | Answer::Brief(f)
        | Answer::Digest(f)
        | Answer::Step { result: Some(f), .. } => f,
        other => panic!("{other:?} is no writing"),
    }
}

/// A share of all worlds lies where a closed form says, within four standard errors.
fn near(what: &str, hits: u64, expected: f64) {
    let (share, n) = (hits as f64 / WORLDS as f64, WORLDS as f64);
    let slack = 4.0 * libm::sqrt(expected * (1.0 - expected) / n) + 1e-12;
    assert!((share - expected).abs() <= slack, "{what}: {share}, expected {expected} +- {slack}");
}

/// Subtasks of one step, and one detail somewhere in the first.
fn one_detail(unsupported: f64) -> DivideSpec {
    DivideSpec {
        subtasks: Law::Constant(1.0),
        second_wave: Law::Constant(0.0),
        facts_needed: 1,
        answerable: 1.0,
        guess: 0.0,
        unsupported,
        steps_per_subtask: Law::Constant(1.0),
        retention_ktokens: 0.0,
        tokens_per_detail: SCALE,
        ..DivideSpec::default()
    }
}

/// Raw results of the first subtask and of others that hold nothing that is needed.
fn results(world: &mut Workload, count: u32) -> Vec<Finding> {
    let one = |subtask| {
        let mut step = ask(0, Purpose::Step, Prompt::new());
        step.about.subtask = SubtaskId(subtask);
        written(world, &step)
    };
    (0..count).map(one).collect()
}

/// Whether an answer that is shown these findings has the detail.
fn arrives(world: &mut Workload, findings: &[Finding]) -> bool {
    match world.prepare(&ask(0, Purpose::Finalize, shown(findings))).answer {
        Answer::Final(answer) => world.is_right(Some(answer.id)),
        other => panic!("{other:?}"),
    }
}

/// Whether a detail of `divide` survives a writing of so many results in so many tokens each.
fn survives_on_divide(replication: u64, purpose: Purpose, items: u32, tokens_per_item: u32) -> bool {
    let spec = WorkloadSpec::Divide(Arc::new(one_detail(0.0)));
    let mut world = world(&spec, &Sharing { unfold_recovery: 0.0, ..Sharing::default() }, replication);
    let told = if purpose == Purpose::Step {
        let mut step = ask(0, Purpose::Step, Prompt::new());
        step.product_tokens = tokens_per_item;
        written(&mut world, &step)
    } else {
        let raw = results(&mut world, items);
        let mut request = ask(0, purpose, shown(&raw));
        request.subject = Some(raw[0].id);
        request.product_tokens = tokens_per_item * items;
        written(&mut world, &request)
    };
    arrives(&mut world, &[told])
}

/// Dead ends alone, one step each.
fn dead_ends(wrong: u32, note_tokens: u32) -> SearchSpec {
    SearchSpec {
        success: Success::Weights { wrong, solution: 0.0 },
        hypotheses_per_budget: wrong,
        hypotheses_per_delegation: wrong,
        max_hypotheses: wrong,
        orientation_steps: Law::Constant(0.0),
        steps_per_hypothesis: Law::Constant(1.0),
        finishing_steps: Law::Constant(1.0),
        size_sigma: 0.0,
        line_sigma: 0.0,
        facts_per_dead_end: 0.0,
        note_tokens,
        tokens_per_detail: SCALE,
        ..SearchSpec::default()
    }
}

/// How many of the dead ends of `search` survive a writing in so many tokens each; none to explore again are left of them.
fn survive_on_search(replication: u64, purpose: Option<Purpose>, items: u32, tokens_per_item: u32) -> bool {
    // What is retold stands in notes that lost nothing.
    let note_tokens = if purpose.is_some() { 100_000 } else { tokens_per_item };
    let spec = WorkloadSpec::Search(Arc::new(dead_ends(items, note_tokens)));
    let sharing = Sharing { respect: 1.0, wrong_note: 0.0, herding: 0.0, ..Sharing::default() };
    let mut world = world(&spec, &sharing, replication);
    let mut notes = Vec::new();
    for step in 0..items {
        let mut request = ask(0, Purpose::Step, Prompt::new());
        request.about.step = step;
        let told = world.prepare(&request).answer;
        world.completed(
            Time::ZERO + Span::from_secs_f64(f64::from(step) + 1.0),
            request.purpose,
            request.about.line,
            &told,
        );
        let Answer::Step { notes: fresh, .. } = told else { panic!("a step") };
        notes.extend(fresh);
    }
    let told = match purpose {
        None => notes,
        Some(purpose) => {
            let mut request = ask(1, purpose, shown(&notes));
            request.product_tokens = tokens_per_item * items;
            vec![written(&mut world, &request)]
        }
    };
    let step = ask(1, Purpose::Step, shown(&told));
    let answer = world.prepare(&step).answer;
    // Who has something left to try repeats what the other line had found.
    !world.completed(Time::ZERO + Span::from_secs_f64(99.0), step.purpose, step.about.line, &answer)
}

#[test]
fn equal_tokens_per_item_lose_equally_in_every_writing_on_both_workloads() {
    for tokens in [8, 30] {
        let keep = 1.0 - libm::exp(-f64::from(tokens) / SCALE);
        for (purpose, items) in [
            (Purpose::Step, 1),
            (Purpose::Gist, 1),
            (Purpose::Report, 1),
            (Purpose::Dispatch, 1),
            (Purpose::Dispatch, 3),
            (Purpose::Compact, 1),
            (Purpose::Compact, 3),
        ] {
            let hits = (0..WORLDS).filter(|r| survives_on_divide(*r, purpose, items, tokens)).count() as u64;
            near(&format!("divide, {} of {items} in {tokens} each", purpose.name()), hits, keep);
        }
        for (purpose, items) in [
            (None, 1),
            (Some(Purpose::Report), 1),
            (Some(Purpose::Dispatch), 1),
            (Some(Purpose::Dispatch), 3),
            (Some(Purpose::Compact), 3),
        ] {
            let hits = (0..WORLDS).filter(|r| survive_on_search(*r, purpose, items, tokens)).count() as u64;
            let name = purpose.map_or("note", Purpose::name);
            near(&format!("search, {name} of {items} in {tokens} each"), hits, libm::pow(keep, f64::from(items)));
        }
    }
}

#[test]
fn a_digest_that_is_told_again_stands_for_all_that_went_into_it() {
    let spec = WorkloadSpec::Divide(Arc::new(one_detail(0.0)));
    let sharing = Sharing { unfold_recovery: 0.0, ..Sharing::default() };
    let mut kept = [0; 2];
    for replication in 0..WORLDS {
        for (through_a_digest, kept) in [false, true].into_iter().zip(&mut kept) {
            let mut world = world(&spec, &sharing, replication);
            let mut told = results(&mut world, 3);
            if through_a_digest {
                // So long that it loses nothing.
                let mut first = ask(0, Purpose::Compact, shown(&told[..2]));
                (first.product_tokens, first.about.attempt) = (1_000_000, 7);
                let digest = written(&mut world, &first);
                told = vec![digest, told[2]];
            }
            let mut again = ask(0, Purpose::Compact, shown(&told));
            again.product_tokens = 60;
            let digest = written(&mut world, &again);
            *kept += u64::from(arrives(&mut world, &[digest]));
        }
    }
    assert_eq!(kept[0], kept[1], "three results either way");
    near("three results in 60 tokens", kept[0], 1.0 - libm::exp(-20.0 / SCALE));
}

/// The same length as history, as a board with nothing on it, as reports, and as all of them.
fn prompts(tokens: u32) -> Vec<Prompt> {
    let history = Content::History { agent: AgentId(0), epoch: 0 };
    let board = Content::View { store: StoreId(0), first: 0, version: 0 };
    let span = |content, role, tokens| PromptSpan { content, role, tokens };
    vec![
        smallvec![span(history, SpanRole::History, tokens)],
        smallvec![span(board, SpanRole::Board, tokens)],
        smallvec![span(board, SpanRole::Reports, tokens)],
        smallvec![span(board, SpanRole::Board, tokens / 2), span(history, SpanRole::History, tokens - tokens / 2)],
    ]
}

/// Whether the first pick is the solution, with nine others beside it.
fn hits(replication: u64, sharing: &Sharing, prompt: Prompt) -> bool {
    let spec = SearchSpec { success: Success::Weights { wrong: 9, solution: 1.0 }, ..dead_ends(9, 25) };
    let mut world = world(&WorkloadSpec::Search(Arc::new(spec)), sharing, replication);
    let step = ask(0, Purpose::Step, prompt);
    let told = world.prepare(&step).answer;
    world.completed(Time::ZERO + Span::from_secs_f64(1.0), step.purpose, step.about.line, &told);
    let Answer::Step { notes, .. } = told else { panic!("a step") };
    notes.is_empty()
}

/// Whether the result of a subtask is supported.
fn supported(replication: u64, sharing: &Sharing, prompt: Prompt) -> bool {
    let mut world = world(&WorkloadSpec::Divide(Arc::new(one_detail(0.2))), sharing, replication);
    let result = written(&mut world, &ask(0, Purpose::Step, prompt));
    !world.is_unsupported(result.id)
}

#[test]
fn equal_prompts_lose_equally_whoever_reads_what_and_longer_ones_lose_more() {
    let sharing = Sharing { length_loss_per_ktoken: 0.05, ..Sharing::default() };
    let of = |read: fn(u64, &Sharing, Prompt) -> bool, tokens: u32| {
        let all: Vec<Vec<bool>> = prompts(tokens)
            .into_iter()
            .map(|prompt| {
                assert_eq!(prompt_tokens(&prompt), u64::from(tokens));
                (0..WORLDS).map(|r| read(r, &sharing, prompt.clone())).collect()
            })
            .collect();
        assert!(all.iter().all(|one| *one == all[0]), "{tokens} tokens lose as much, whatever they are");
        all[0].clone()
    };
    for read in [hits as fn(u64, &Sharing, Prompt) -> bool, supported] {
        let lengths = [0, 4_000, 16_000, 64_000].map(|tokens| of(read, tokens));
        for pair in lengths.windows(2) {
            let worse = pair[0].iter().zip(&pair[1]).filter(|(short, long)| **short && !**long).count();
            let better = pair[0].iter().zip(&pair[1]).filter(|(short, long)| !**short && **long).count();
            assert!(worse > 0 && better == 0, "{worse} lose by a longer prompt, {better} gain");
        }
    }
    let count = |of: &[bool]| of.iter().filter(|hit| **hit).count() as u64;
    let used = |ktokens: f64| libm::exp(-0.05 * ktokens);
    near("a pick at 16 k tokens", count(&of(hits, 16_000)), used(16.0) / (9.0 + used(16.0)));
    near("a claim at 16 k tokens", count(&of(supported, 16_000)), 0.8 * used(16.0));
}

#[test]
fn a_judge_passes_what_its_rates_say_and_what_it_is_blind_to() {
    let (correlation, rates) = (0.4, [0.9, 0.3]);
    let sharing = Sharing {
        verifier_worker_error_correlation: correlation,
        true_positive_rate: rates[0],
        false_positive_rate: rates[1],
        retry_keeps: 1.0,
        ..Sharing::default()
    };
    for (unsupported, rate) in [(0.0, rates[0]), (1.0, rates[1])] {
        let (mut passed, mut twice, mut by_the_truth) = (0, 0, 0);
        for replication in 0..WORLDS {
            let mut world = world(&WorkloadSpec::Divide(Arc::new(one_detail(unsupported))), &sharing, replication);
            let raw = results(&mut world, 1)[0];
            let mut pass = |step: u32, judge: Judge| {
                let mut verify = ask(0, Purpose::Verify, Prompt::new());
                (verify.subject, verify.about.step, verify.judge) = (Some(raw.id), step, judge);
                match world.prepare(&verify).answer {
                    Answer::Verdict { accepted } => accepted,
                    other => panic!("{other:?}"),
                }
            };
            let (first, second) = (pass(0, Judge::Model), pass(1, Judge::Model));
            passed += u64::from(first);
            twice += u64::from(first && second);
            by_the_truth += u64::from(pass(0, Judge::Oracle));
        }
        near("one verdict", passed, correlation + (1.0 - correlation) * rate);
        near("two verdicts on one result", twice, correlation + (1.0 - correlation) * rate * rate);
        assert_eq!(by_the_truth, if unsupported > 0.0 { 0 } else { WORLDS }, "the truth has no blind spot");
    }
}
