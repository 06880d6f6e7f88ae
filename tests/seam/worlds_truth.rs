//! What the other side of the seam says of work: whether somebody else had found the same before, what a reader takes
//! from what it is shown, and what an answer is worth.

use delm_sim::kernel::{Key, Law, Span, Time};
use delm_sim::model::call::{Answer, Content, Finding, FindingKind, Prompt, PromptSpan, Purpose, Request, SpanRole};
use delm_sim::model::ids::{About, AgentId, LineId, StoreId, SubtaskId, TaskId};
use delm_sim::model::note::Note;
use delm_sim::model::sharing::Sharing;
use delm_sim::model::workload::search::Success;
use delm_sim::model::workload::{DivideSpec, SearchSpec, Sizes, Team, Truth, Workload, WorkloadSpec};
use smallvec::smallvec;
use std::sync::Arc;

const TWO_LINES: Team = Team { workers: 2, leads: 0, lines: 2, budgets_per_line: 1, quality: 1.0 };

/// One wrong hypothesis, no solution, one step each.
fn one_dead_end() -> SearchSpec {
    SearchSpec {
        success: Success::Weights { wrong: 1, solution: 0.0 },
        hypotheses_per_budget: 1,
        orientation_steps: Law::Constant(0.0),
        steps_per_hypothesis: Law::Constant(1.0),
        finishing_steps: Law::Constant(1.0),
        size_sigma: 0.0,
        line_sigma: 0.0,
        tokens_per_detail: 0.0,
        ..SearchSpec::default()
    }
}

fn world(spec: &WorkloadSpec, sharing: Sharing) -> Workload {
    Workload::new(spec, &Arc::new(Sizes::default()), &Arc::new(sharing), Key::new(1, 0), TaskId(0), &TWO_LINES)
}

fn at(s: f64) -> Time {
    Time::ZERO + Span::from_secs_f64(s)
}

fn ask(line: u32, purpose: Purpose, prompt: Prompt) -> Request {
    let about = About { line: LineId(line), subtask: SubtaskId(0), attempt: 0, step: 0 };
    Request::new(AgentId(line), purpose, about, prompt)
}

const BOARD: StoreId = StoreId(0);

/// A finding becomes the first entry of the board.
fn admit(world: &mut Workload, finding: Finding) {
    let (agent, tokens) = (AgentId(0), finding.tokens);
    world.observe(&Note::Admitted { agent, store: BOARD, finding: finding.id, tokens, version: 1, stale_by: 0 });
}

fn span(content: Content, role: SpanRole) -> Prompt {
    smallvec![PromptSpan { content, role, tokens: 25 }]
}

/// The board with its first entry.
fn board() -> Prompt {
    span(Content::View { store: BOARD, first: 0, version: 1 }, SpanRole::Board)
}

#[test]
fn a_dead_end_that_is_read_is_left_out_as_often_as_it_is_respected() {
    for (respect, explores) in [(1.0, false), (0.0, true)] {
        for by in ["nobody", "a board", "a finding"] {
            let sharing = Sharing { respect, wrong_note: 0.0, herding: 0.0, ..Sharing::default() };
            let mut world = world(&WorkloadSpec::Search(Arc::new(one_dead_end())), sharing);
            let first = ask(0, Purpose::Step, Prompt::new());
            let told = world.prepare(&first).answer;
            world.completed(at(1.0), first.purpose, first.about.line, &told);
            let Answer::Step { notes, .. } = told else { panic!("a step") };
            assert_eq!(notes[0].kind, FindingKind::Fail);
            admit(&mut world, notes[0]);
            let prompt = match by {
                "a board" => board(),
                "a finding" => span(Content::Finding(notes[0].id), SpanRole::Reports),
                _ => Prompt::new(),
            };
            let second = ask(1, Purpose::Step, prompt);
            let told = world.prepare(&second).answer;
            // Nothing else is left to try: who respects the note finishes at once.
            let again = world.completed(at(2.0), second.purpose, second.about.line, &told);
            assert_eq!(again, explores || by == "nobody", "respect {respect}, told by {by}");
        }
    }
}

#[test]
fn an_answer_is_right_where_all_details_arrive_and_nothing_misleads() {
    let answer = |unsupported: f64, misleads: f64, shown: bool| {
        let mut world = world(&five_details(unsupported, 0.0), Sharing { misleads, ..Sharing::default() });
        let result = result_of(&mut world, 0);
        assert_eq!(world.is_unsupported(result.id), unsupported > 0.0);
        admit(&mut world, result);
        is_right(&mut world, if shown { board() } else { Prompt::new() })
    };
    assert!(answer(0.0, 1.0, true), "all details, and nothing misleads");
    assert!(!answer(0.0, 1.0, false), "what is not shown has not arrived");
    assert!(!answer(1.0, 1.0, true), "a claim that nothing supports misleads");
    assert!(answer(1.0, 0.0, true), "a claim that misleads nobody does no harm");
}

#[test]
fn work_is_duplicated_when_another_line_had_found_the_same_before() {
    // Both lines explore the same.
    let mut world = world(&WorkloadSpec::Search(Arc::new(one_dead_end())), Sharing::default());
    let (first, second) = (ask(0, Purpose::Step, Prompt::new()), ask(1, Purpose::Step, Prompt::new()));
    let (a, b) = (world.prepare(&first).answer, world.prepare(&second).answer);
    assert!(!world.completed(at(1.0), first.purpose, first.about.line, &a), "the first discovers it");
    assert!(world.completed(at(2.0), second.purpose, second.about.line, &b), "the second does it again");
}

/// One subtask with five details, of which nothing is lost where `spec` says nothing else.
fn five_details(unsupported: f64, retention_ktokens: f64) -> WorkloadSpec {
    WorkloadSpec::Divide(Arc::new(DivideSpec {
        subtasks: Law::Constant(1.0),
        second_wave: Law::Constant(0.0),
        facts_needed: 5,
        answerable: 1.0,
        guess: 0.0,
        steps_per_subtask: Law::Constant(1.0),
        source_tokens: Law::Constant(70.0),
        tokens_per_detail: 0.0,
        retention_ktokens,
        unsupported,
        ..DivideSpec::default()
    }))
}

/// The result of a subtask's only step.
fn result_of(world: &mut Workload, subtask: u32) -> Finding {
    let mut step = ask(0, Purpose::Step, Prompt::new());
    step.about.subtask = SubtaskId(subtask);
    match world.prepare(&step).answer {
        Answer::Step { result: Some(result), .. } => result,
        other => panic!("the only step is the last: {other:?}"),
    }
}

fn is_right(world: &mut Workload, prompt: Prompt) -> bool {
    match world.prepare(&ask(0, Purpose::Finalize, prompt)).answer {
        Answer::Final(answer) => world.is_right(Some(answer.id)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_long_prompt_loses_details_by_its_length_over_the_scale() {
    // 25 tokens over a million keep all but one in 40,000; over a thousandth of a token, none.
    for (retention_ktokens, right) in [(1000.0, true), (1e-6, false)] {
        let mut world = world(&five_details(0.0, retention_ktokens), Sharing::default());
        let result = result_of(&mut world, 0);
        admit(&mut world, result);
        assert_eq!(is_right(&mut world, board()), right, "{retention_ktokens}");
    }
}

#[test]
fn what_is_missing_and_noticed_is_looked_for_again() {
    for (notice, shown, again) in [(1.0, false, 1), (0.0, false, 0), (1.0, true, 0)] {
        let mut world = world(&five_details(0.0, 0.0), Sharing { notice, ..Sharing::default() });
        world.observe(&Note::Created { first: 0, count: 1 });
        let result = result_of(&mut world, 0);
        admit(&mut world, result);
        let prompt = if shown { board() } else { Prompt::new() };
        let Answer::Subtasks(list) = world.prepare(&ask(0, Purpose::MoreSubtasks, prompt)).answer else {
            panic!("a list")
        };
        assert_eq!((list.first, list.count, list.source_tokens.as_slice()), (1, again, &[70][..again as usize]));
        if again > 0 {
            // The new subtask reads the same source, and finds the same.
            let second = result_of(&mut world, 1);
            assert!(is_right(&mut world, span(Content::Finding(second.id), SpanRole::Reports)));
        }
    }
}

#[test]
fn a_brief_repeats_the_details_and_the_claims_that_it_was_written_from() {
    for unsupported in [0.0, 1.0] {
        for on_board in [true, false] {
            let sharing = Sharing { misleads: 1.0, ..Sharing::default() };
            let mut world = world(&five_details(unsupported, 0.0), sharing);
            let result = result_of(&mut world, 0);
            // Besides the finding a store of an empty report is shown.
            let prompt = if on_board {
                admit(&mut world, result);
                board()
            } else {
                let Answer::Report(empty) = world.prepare(&ask(0, Purpose::Report, Prompt::new())).answer else {
                    panic!("a report")
                };
                admit(&mut world, empty);
                let mut both = board();
                both.extend(span(Content::Finding(result.id), SpanRole::Reports));
                both
            };
            let mut dispatch = ask(0, Purpose::Dispatch, prompt);
            dispatch.product_tokens = 10;
            let Answer::Brief(brief) = world.prepare(&dispatch).answer else { panic!("a brief") };
            assert_eq!(world.is_unsupported(brief.id), unsupported > 0.0, "on the board: {on_board}");
            let told = span(Content::Finding(brief.id), SpanRole::Reports);
            assert_eq!(is_right(&mut world, told), unsupported == 0.0, "on the board: {on_board}");
        }
    }
}

#[test]
fn a_solution_without_rivals_is_found_and_handed_in() {
    let spec = SearchSpec { success: Success::Weights { wrong: 0, solution: 1.0 }, ..one_dead_end() };
    let mut world = world(&WorkloadSpec::Search(Arc::new(spec)), Sharing::default());
    let mut result = None;
    for step in 0..2 {
        assert!(result.is_none(), "one step finds it, one writes it down");
        let mut request = ask(0, Purpose::Step, Prompt::new());
        request.about.step = step;
        let told = world.prepare(&request).answer;
        world.completed(at(f64::from(step)), request.purpose, request.about.line, &told);
        let Answer::Step { result: found, .. } = told else { panic!("a step") };
        result = found;
    }
    let patch = result.expect("a candidate");
    assert!(patch.kind == FindingKind::Patch && world.is_right(Some(patch.id)) && !world.is_unsupported(patch.id));
}

#[test]
fn a_brief_tells_as_much_as_its_length_keeps() {
    // A note of a hundred times the scale keeps what it says; a brief of a thousandth of it does not.
    for (tokens, explores) in [(100_000, false), (1, true)] {
        let spec = SearchSpec { note_tokens: 100_000, tokens_per_detail: 1000.0, ..one_dead_end() };
        let sharing = Sharing { respect: 1.0, wrong_note: 0.0, herding: 0.0, ..Sharing::default() };
        let mut world = world(&WorkloadSpec::Search(Arc::new(spec)), sharing);
        let first = ask(0, Purpose::Step, Prompt::new());
        let told = world.prepare(&first).answer;
        world.completed(at(1.0), first.purpose, first.about.line, &told);
        let Answer::Step { notes, .. } = told else { panic!("a step") };
        let mut dispatch = ask(1, Purpose::Dispatch, span(Content::Finding(notes[0].id), SpanRole::Reports));
        dispatch.product_tokens = tokens;
        let Answer::Brief(brief) = world.prepare(&dispatch).answer else { panic!("a brief") };
        let second = ask(1, Purpose::Step, span(Content::Finding(brief.id), SpanRole::Reports));
        let told = world.prepare(&second).answer;
        assert_eq!(world.completed(at(2.0), second.purpose, second.about.line, &told), explores, "{tokens} tokens");
    }
}

#[test]
fn a_candidate_is_taken_over_as_its_odds_say() {
    let rightly = SearchSpec { success: Success::Weights { wrong: 0, solution: 1.0 }, ..one_dead_end() };
    for (right, adoption, false_adoption_ratio, taken) in
        [(true, 1.0, 0.0, true), (true, 0.0, 1.0, false), (false, 1.0, 1.0, true), (false, 1.0, 0.0, false)]
    {
        let spec = if right { rightly.clone() } else { one_dead_end() };
        let spec = SearchSpec { adoption_steps: Law::Constant(1.0), ..spec };
        let sharing = Sharing { adoption, false_adoption_ratio, respect: 0.0, herding: 0.0, ..Sharing::default() };
        let mut world = world(&WorkloadSpec::Search(Arc::new(spec)), sharing);
        let mut patch = None;
        for step in 0..2 {
            let mut request = ask(0, Purpose::Step, Prompt::new());
            request.about.step = step;
            let told = world.prepare(&request).answer;
            world.completed(at(f64::from(step)), request.purpose, request.about.line, &told);
            let Answer::Step { result, .. } = told else { panic!("a step") };
            patch = result;
        }
        let patch = patch.expect("found or given up in one step, written down in another");
        assert_eq!(world.is_right(Some(patch.id)), right);
        let told = world.prepare(&ask(1, Purpose::Step, span(Content::Finding(patch.id), SpanRole::Reports))).answer;
        let Answer::Step { result, .. } = told else { panic!("a step") };
        // Who takes it over hands it in after a step of checking; who does not has its own way to go.
        assert_eq!(result.map(|f| world.is_right(Some(f.id))), taken.then_some(right), "{right} {adoption}");
    }
}
