//! Counterfactual replay: closed forms, and what it says of itself.

use super::{after, delm_sim, hand_written, write};
use delm_sim::experiment::replay::{Dependencies, Reading, RecordedRuns, counterfactual, given_price, predict};
use delm_sim::experiment::{Options, Overrides, Scenario, conduct};
use delm_sim::model::call::Purpose;
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
        let made =
            counterfactual(&RecordedRuns::read(&file).unwrap(), &Reading { dependencies, ..Reading::default() }, 0)
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
    let said = done.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for told in [
        "1 failed, 1 cancelled and 1 unfinished steps count as lost work",
        "The recording paid 450 tokens and 17 s of calls for them",
        "of which 3.0 without an answer (450 tokens)",
        "The same model of the form that comes nearest to what you ran",
        "5 readings of which delegation waited for which and of how long messages are",
    ] {
        assert!(said.contains(told), "{told}: {}", done.out);
    }
    // The time of the failed step is the gap between its neighbours; nothing else is left of the three.
    let made = counterfactual(&RecordedRuns::read(&path.join("work.jsonl")).unwrap(), &Reading::default(), 0).unwrap();
    let WorkloadSpec::Recorded(spec) = &made.scenario.workload else { panic!("recorded work") };
    let seconds = |purpose, subtask, step| {
        let mut calls = spec.instances[0].calls.iter();
        calls
            .find(|c| c.purpose == purpose && (c.about.subtask.0, c.about.step) == (subtask, step))
            .map(|c| c.service_s)
    };
    let of = |subtask, step| (seconds(Purpose::Step, subtask, step), seconds(Purpose::Tool, subtask, step));
    assert_eq!(spec.instances[0].subtasks.len(), 2);
    assert_eq!([of(0, 0), of(0, 1), of(0, 2)], [(Some(10.0), Some(4.0)), (Some(10.0), None), (None, None)]);
    assert_eq!([of(1, 0), of(1, 1)], [(Some(10.0), None), (None, None)]);
}

#[test]
fn a_recordings_own_prices_are_carried_over_and_an_unknown_price_is_not_zero() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let args = ["run", "multi-doc-qa", "--policy", "independent", "--agents", "2", "--replications", "2"];
    let done = delm_sim(path, &[&args[..], &["--record", "own.jsonl", "-q", "--output-dir", "own"]].concat());
    assert_eq!(done.code, 0, "{}", done.err);
    let made = counterfactual(&RecordedRuns::read(&path.join("own.jsonl")).unwrap(), &Reading::default(), 0).unwrap();
    let own = Scenario::load("multi-doc-qa", &Overrides::default()).unwrap();
    for (name, endpoint) in &own.endpoints {
        assert_eq!(made.scenario.endpoints[name].price, endpoint.price, "{name}");
    }
    assert_eq!(made.scenario.mix.prices, "the recording's own scenario");

    // The work is not written as text to be changed, and the scenario is the same as if it were.
    let change = |set: &[&str]| {
        let set = set.iter().map(ToString::to_string).collect();
        let overrides = Overrides { set, agents: Some(vec![3]), ..Overrides::default() };
        (made.changed("x", &overrides), Scenario::parse("x", &made.to_toml(), None, &overrides))
    };
    for set in [vec![], vec!["workload.recorded.unfolded_tokens=7", "all_policies.gist_tokens=9"]] {
        let (changed, parsed) = change(&set);
        assert_eq!(changed.unwrap(), parsed.unwrap(), "{set:?}");
    }
    let (changed, parsed) = change(&["all_policies.gist_tokens=-1"]);
    assert_eq!(changed.unwrap_err().to_string().lines().count(), parsed.unwrap_err().to_string().lines().count());

    // A log that names no model has no price: no cost, no comparison of costs.
    write(path.join("log.jsonl"), &hand_written(&[(0, 0.0, 10.0, vec![]), (1, 10.0, 20.0, after(0, 0.0))]));
    let made = counterfactual(&RecordedRuns::read(&path.join("log.jsonl")).unwrap(), &Reading::default(), 0).unwrap();
    assert_eq!(made.scenario.mix.prices, "nobody: unknown");
    let study = conduct(&made.scenario, &Options { jobs: 1, compare: true, ..Options::default() }).unwrap();
    assert!(study.cells.iter().all(|c| c.get("makespan_s").is_some() && c.get("cost_per_task_usd").is_none()));
    assert!(study.comparisons.iter().all(|c| !c.metric.contains("usd")));
    let mut priced = made.scenario.clone();
    priced.endpoints.get_mut("model").unwrap().price.rates.input_usd_per_mtok = 1.0;
    let study = conduct(&priced, &Options { jobs: 1, ..Options::default() }).unwrap();
    assert!(study.cells.iter().all(|c| c.mean("cost_per_task_usd").is_some_and(|usd| usd > 0.0)));
}

#[test]
fn one_agent_on_a_recording_of_one_agent_is_the_recording() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("one.jsonl");
    // Steps of one agent with gaps between them; their prompts are not what a growing context would hold.
    let calls: Vec<_> = (0..5u64)
        .map(|i| {
            let from = i as f64 * 12.0;
            (0, from, from + 10.0, if i == 0 { vec![] } else { after(i - 1, 2.0) })
        })
        .collect();
    write(file.clone(), &hand_written(&calls));
    let runs = RecordedRuns::read(&file).unwrap();
    let made = counterfactual(&runs, &Reading::default(), 0).unwrap();
    let overrides = Overrides {
        policies: Some(vec!["single".to_owned()]),
        agents: Some(vec![1]),
        baseline: Some("single".to_owned()),
        ..Overrides::default()
    };
    let study = conduct(&made.changed("one", &overrides).unwrap(), &Options::default()).unwrap();
    let said = predict((&runs, &Reading::default()), &made, &study, &overrides, 1).unwrap();
    assert_eq!((said.null.topology.policy.as_str(), said.null.topology.agents), ("single", 1));
    let [makespan, prompt, completion, cost] = said.null.pairs;
    assert_eq!(makespan, Some((58.0, 58.0)));
    assert_eq!((prompt, completion, cost), (Some((500.0, 500.0)), Some((250.0, 250.0)), None));
}

#[test]
fn a_task_without_work_counts_neither_in_sums_nor_in_means() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("two.jsonl");
    // A task of two steps, and one whose only step failed.
    let mut lines = hand_written(&[(0, 0.0, 10.0, vec![]), (0, 10.0, 20.0, after(0, 0.0))]);
    let mut lost = hand_written(&[(0, 0.0, 300.0, vec![])]).split_off(1);
    lost[0]["run"] = 1.into();
    lost[1]["status"] = "failed".into();
    lost[1]["usage"] = serde_json::json!({ "prompt_tokens": 1_000_000, "completion_tokens": 9 });
    lines.extend(lost);
    for line in lines.iter_mut().filter(|line| line["record"] == "call") {
        line["request"]["model"] = "m".into();
    }
    write(file.clone(), &lines);
    let prices = vec![given_price("m=10,100").unwrap()];
    let reading = Reading { prices, ..Reading::default() };
    let recorded = counterfactual(&RecordedRuns::read(&file).unwrap(), &reading, 0).unwrap().recorded;
    assert_eq!((recorded.tasks, recorded.makespan_s, recorded.calls), (1, 20.0, 2.0));
    assert_eq!((recorded.prompt_tokens, recorded.completion_tokens, recorded.lost_tokens), (200.0, 100.0, 0.0));
    let usd = recorded.usd().expect("all calls are priced");
    assert!((usd - (200.0 * 10.0 + 100.0 * 100.0) * 1e-6).abs() < 1e-12, "{usd}");
}

/// A file of prices is the same as the flags, goes behind them, and must price something.
#[test]
fn prices_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut lines = hand_written(&[(0, 0.0, 10.0, vec![]), (0, 10.0, 20.0, after(0, 0.0))]);
    for line in lines.iter_mut().filter(|line| line["record"] == "call") {
        line["request"]["model"] = "m-20260101".into();
    }
    write(folder.path().join("t.jsonl"), &lines);
    std::fs::write(folder.path().join("ours.csv"), "model,input,output\nother,1,2\nm,10,100\n").unwrap();
    std::fs::write(folder.path().join("others.csv"), "model,input,output\nother,1,2\n").unwrap();
    std::fs::write(folder.path().join("bad.csv"), "model,input,output\nm,ten,100\n").unwrap();
    let run = |flags: &[&str]| {
        let args = ["replay", "t.jsonl", "--mode", "counterfactual", "--agents", "1", "--policy", "single", "-q"];
        let more = ["--baseline", "single", "--format", "csv", "--output-dir", "out", "--overwrite"];
        delm_sim(folder.path(), &[&args[..], &more[..], flags].concat())
    };
    let (file, flag) = (run(&["--prices", "ours.csv"]), run(&["--price", "m-20260101=10,100"]));
    assert_eq!((file.code, flag.code), (0, 0), "{}{}", file.err, flag.err);
    assert_eq!(file.out, flag.out);
    assert!(file.out.contains("0.012"), "200 prompt and 100 completion tokens: {}", file.out);
    // What the flag says of a model goes before the file.
    assert_ne!(run(&["--prices", "ours.csv", "--price", "m-20260101=1,1"]).out, file.out);
    for (name, wanted) in [
        ("others.csv", "has no price for a model of the recording (m-20260101)"),
        ("bad.csv", "bad.csv: line 2, column `input`: \"ten\" is no price"),
        ("missing.csv", "cannot read missing.csv"),
    ] {
        let done = run(&["--prices", name]);
        assert!(done.code == 2 && done.err.contains(wanted), "{name}: {} {}", done.code, done.err);
    }
}

/// Steps of two models become steps of one: that is the first thing the page says. Rates are fitted to dollars though one
/// call lacks them, and a pause between delegations is told.
#[test]
fn what_the_model_leaves_out_of_prices_and_times_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let chain: Vec<_> = (0..30u64)
        .map(|i| {
            let from = i as f64 * 12.0;
            (i as u32 % 3, from, from + 10.0, if i == 0 { vec![] } else { after(i - 1, 2.0) })
        })
        .collect();
    let mut lines = hand_written(&chain);
    for (i, line) in lines.iter_mut().filter(|line| line["record"] == "call").enumerate() {
        let (prompt, completion) = (100 + 7 * (i as u64 % 5), 50 + 11 * (i as u64 % 4));
        line["usage"] = serde_json::json!({ "prompt_tokens": prompt, "completion_tokens": completion });
        line["request"]["model"] = if i < 25 { "m" } else { "n" }.into();
        if i != 3 && i < 25 {
            line["cost"]["picodollars"]["work"] = ((3 * prompt + 15 * completion) * 1_000_000).into();
            line["cost"]["source"] = "log".into();
        }
    }
    write(folder.path().join("t.jsonl"), &lines);
    let args = ["replay", "t.jsonl", "--mode", "counterfactual", "--agents", "1", "--policy", "single", "-q"];
    let done = delm_sim(folder.path(), &[&args[..], &["--baseline", "single", "--output-dir", "out"]].concat());
    assert_eq!(done.code, 0, "{}", done.err);
    let page = done.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for wanted in [
        "STEPS OF SEVERAL MODELS: 5 recorded steps were made by n (5); here every step is priced as one by m",
        "$3.0000 per million uncached prompt tokens, $3.0000 cached, $15.0000 completion tokens",
        // Each of the 30 steps is a delegation of its own but for the three agents' later ones, which go on.
        "Between delegations the recording has",
    ] {
        assert!(page.contains(wanted), "{wanted}: {page}");
    }
    let unnamed = delm_sim(
        folder.path(),
        &[&args[..], &["--baseline", "single", "--output-dir", "two", "--price", "unknown=1,2"]].concat(),
    );
    assert_eq!(unnamed.code, 0, "{}", unnamed.err);
}
