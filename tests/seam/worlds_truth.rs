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
            world.completed(at(1.0), &first, &told);
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
            let again = world.completed(at(2.0), &second, &told);
            assert_eq!(again, explores || by == "nobody", "respect {respect}, told by {by}");
        }
    }
}

#[test]
fn an_answer_is_right_where_all_details_arrive_and_nothing_misleads() {
    let answer = |unsupported: f64, misleads: f64, shown: bool| {
        let spec = DivideSpec {
            subtasks: Law::Constant(1.0),
            second_wave: Law::Constant(0.0),
            facts_needed: 5,
            answerable: 1.0,
            guess: 0.0,
            steps_per_subtask: Law::Constant(1.0),
            // Nothing is lost on the way.
            tokens_per_detail: 0.0,
            retention_ktokens: 0.0,
            unsupported,
            ..DivideSpec::default()
        };
        let mut world = world(&WorkloadSpec::Divide(Arc::new(spec)), Sharing { misleads, ..Sharing::default() });
        let Answer::Step { result, .. } = world.prepare(&ask(0, Purpose::Step, Prompt::new())).answer else {
            panic!("a step")
        };
        let result = result.expect("the only step is the last");
        assert_eq!(world.is_unsupported(result.id), unsupported > 0.0);
        admit(&mut world, result);
        let prompt = if shown { board() } else { Prompt::new() };
        match world.prepare(&ask(0, Purpose::Finalize, prompt)).answer {
            Answer::Final(answer) => world.is_right(Some(answer.id)),
            other => panic!("{other:?}"),
        }
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
    assert!(!world.completed(at(1.0), &first, &a), "the first discovers it");
    assert!(world.completed(at(2.0), &second, &b), "the second does it again");
}
