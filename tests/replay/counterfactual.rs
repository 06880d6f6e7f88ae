//! Counterfactual replay: closed forms, and what it says of itself.

use super::{after, delm_sim, hand_written, write};
use delm_sim::experiment::replay::{Dependencies, Reading, RecordedRuns, counterfactual};
use delm_sim::experiment::{Options, conduct};
use delm_sim::model::endpoint::EndpointSpec;
use delm_sim::model::workload::WorkloadSpec;

#[test]
fn counterfactual_replay_agrees_with_closed_forms() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    // Four delegations of two steps of 10 s each, recorded one after the other.
    let calls: Vec<_> = (0..8u64)
        .map(|i| {
            let from = i as f64 * 10.0;
            (i as u32 / 2, from, from + 10.0, if i == 0 { vec![] } else { after(i - 1, 0.0) })
        })
        .collect();
    let file = path.join("work.jsonl");
    write(file.clone(), &hand_written(&calls));
    for (dependencies, expected) in [(Dependencies::None, [80.0, 40.0, 20.0]), (Dependencies::Recorded, [80.0; 3])] {
        let made = counterfactual(
            &RecordedRuns::read(&file).unwrap(),
            &Reading { dependencies, own_context: 1.0, longest_gap_s: 60.0 },
        )
        .unwrap();
        let mut scenario = made.scenario.clone();
        // Coordination takes no time, hence the work part is all there is.
        scenario.endpoints.insert("model".to_owned(), EndpointSpec::default());
        scenario.policies = vec!["map-reduce".to_owned(), "delm-queue".to_owned()];
        scenario.agents = vec![1, 2, 4];
        let study = conduct(&scenario, &Options { jobs: 1, ..Options::default() }).unwrap();
        for cell in &study.cells {
            let expected = expected[[1, 2, 4].iter().position(|n| *n == cell.agents).unwrap()];
            let mean = cell.mean("makespan_s").unwrap();
            assert!((mean - expected).abs() < 1e-6, "{} with {}: {mean}, not {expected}", cell.policy, cell.agents);
        }
    }
    let args =
        ["replay", "work.jsonl", "--mode", "counterfactual", "--agents", "1,4", "--policy", "map-reduce,delm-queue"];
    let more = ["--baseline", "map-reduce", "--scenario-output", "made.toml", "--output-dir", "out", "-q"];
    let done = delm_sim(path, &[&args[..], &more[..]].concat());
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.out.contains("Assumptions") && done.out.contains("Nothing is graded"), "{}", done.out);
    let done = delm_sim(path, &["reproduce", "out", "-q"]);
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    let done = delm_sim(path, &["compare", "made.toml", "--agents", "2", "--output-dir", "made", "--no-figures", "-q"]);
    assert_eq!(done.code, 0, "{}", done.err);
}

#[test]
fn calls_without_an_answer_are_no_work_and_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let chain = [
        (0, 0.0, 10.0, vec![]),
        (0, 10.0, 14.0, after(0, 0.0)),
        (0, 14.0, 24.0, after(1, 0.0)),
        (1, 24.0, 34.0, after(2, 0.0)),
        (1, 34.0, 40.0, after(3, 0.0)),
        (1, 34.0, 41.0, after(3, 0.0)),
    ];
    let mut run = hand_written(&chain);
    for (call, status) in [(1, "failed"), (4, "cancelled"), (5, "open")] {
        run[2 + call]["status"] = status.into();
    }
    write(path.join("work.jsonl"), &run);
    let done =
        delm_sim(path, &["replay", "work.jsonl", "--mode", "counterfactual", "--scenario-output", "made.toml", "-q"]);
    assert_eq!(done.code, 0, "{}", done.err);
    for told in [
        "1 failed, 1 cancelled and 1 unfinished steps count as lost work",
        "The recording paid 450 tokens and 17 s of calls for them",
        "of which 3.0 without an answer (450 tokens)",
        "Yardstick: orchestrator-sequential",
        "against the yardstick",
    ] {
        assert!(done.out.contains(told), "{told}: {}", done.out);
    }
    // The time of the failed step is the gap between its neighbours; nothing else is left of the three.
    let made = counterfactual(&RecordedRuns::read(&path.join("work.jsonl")).unwrap(), &Reading::default()).unwrap();
    let WorkloadSpec::Recorded(spec) = &made.scenario.workload else { panic!("recorded work") };
    let steps: Vec<Vec<(f64, f64)>> = spec.instances[0]
        .subtasks
        .iter()
        .map(|subtask| subtask.steps.iter().map(|step| (step.service_s, step.tool_s)).collect())
        .collect();
    assert_eq!(steps, [vec![(10.0, 4.0), (10.0, 0.0)], vec![(10.0, 0.0)]]);
}
