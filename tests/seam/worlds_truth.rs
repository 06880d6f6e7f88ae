//! What the other side of the seam says of work: whether somebody else had found the same before.

use delm_sim::kernel::{Key, Law, Span, Time};
use delm_sim::model::call::{Prompt, Purpose, Request};
use delm_sim::model::ids::{About, AgentId, LineId, SubtaskId, TaskId};
use delm_sim::model::workload::search::Success;
use delm_sim::model::workload::{SearchSpec, Sizes, Team, Workload, WorkloadSpec};
use std::sync::Arc;

#[test]
fn work_is_duplicated_when_another_line_had_found_the_same_before() {
    // One wrong hypothesis, no solution, one step each: both lines explore the same.
    let spec = SearchSpec {
        success: Success::Weights { wrong: 1, solution: 0.0 },
        hypotheses_per_budget: 1,
        orientation_steps: Law::Constant(0.0),
        steps_per_hypothesis: Law::Constant(1.0),
        size_sigma: 0.0,
        line_sigma: 0.0,
        ..SearchSpec::default()
    };
    let team = Team { workers: 2, leads: 0, lines: 2, budgets_per_line: 1, quality: 1.0 };
    let (sizes, sharing) = (Arc::new(Sizes::default()), Arc::default());
    let mut world =
        Workload::new(&WorkloadSpec::Search(Arc::new(spec)), &sizes, &sharing, Key::new(1, 0), TaskId(0), &team);
    let step = |line: u32| {
        let about = About { line: LineId(line), subtask: SubtaskId(0), attempt: 0, step: 0 };
        Request::new(AgentId(line), Purpose::Step, about, Prompt::new())
    };
    let at = |s: f64| Time::ZERO + Span::from_secs_f64(s);
    let (first, second) = (step(0), step(1));
    let (a, b) = (world.prepare(&first).answer, world.prepare(&second).answer);
    assert!(!world.completed(at(1.0), &first, &a), "the first discovers it");
    assert!(world.completed(at(2.0), &second, &b), "the second does it again");
}
