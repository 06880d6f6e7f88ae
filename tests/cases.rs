//! Small inputs whose right answer is known by hand: limits, fractions, timeouts, deadlines, failures, loops.

use delm_sim::experiment::metrics::METRICS;
use delm_sim::experiment::replication::{Point, Sinks};
use delm_sim::experiment::{Overrides, Scenario, ScenarioError};

/// A `divide` scenario without tokens, times or losses; a case says what it is about.
const BARE: &str = r#"
version = 1
name = "case"
question = "a small input whose right answer is known"
replications = 1
agents = [1]
policies = ["p"]
[workload.divide]
second_wave = { constant = 0 }
facts_needed = 0
unsupported = 0.0
steps_per_subtask = { constant = 1 }
result_tokens = { constant = 0 }
tokens_per_detail = 0.0
retention_ktokens = 0.0
completion_tokens = { constant = 0 }
source_tokens = { constant = SOURCE }
subtasks = { constant = SUBTASKS }
[sizes]
plan_tokens = { constant = 0 }
merge_tokens = { constant = 0 }
finalize_tokens = { constant = 0 }
more_tokens = { constant = 0 }
[policy.p]
finalize = false
ask_more = false
requeues = 0
task_tokens = 0
delegation_tokens = 0
report_tokens = 0
POLICY
[endpoints.free]
[endpoints.m]
ENDPOINT
[roles]
default = "free"
step = "m"
ROLES
"#;

struct Case {
    subtasks: u32,
    source_tokens: u32,
    policy: &'static str,
    endpoint: &'static str,
    roles: &'static str,
}

const MAP_REDUCE: &str = "based_on = \"map-reduce\"\ninstructions_tokens = 0";

impl Case {
    fn parse(&self) -> Result<Scenario, ScenarioError> {
        let text = BARE
            .replace("SUBTASKS", &self.subtasks.to_string())
            .replace("SOURCE", &self.source_tokens.to_string())
            .replace("POLICY", self.policy)
            .replace("ENDPOINT", self.endpoint)
            .replace("ROLES", self.roles);
        Scenario::parse("case", &text, None, &Overrides::default())
    }

    fn run(&self, agents: u32) -> Measured {
        let scenario = self.parse().unwrap_or_else(|faults| panic!("{faults}"));
        measure(&scenario, "p", agents)
    }
}

/// The metrics of one run.
struct Measured(Vec<(&'static str, f64)>);

impl Measured {
    fn get(&self, metric: &str) -> f64 {
        self.0.iter().find(|(name, _)| *name == metric).unwrap_or_else(|| panic!("no {metric}")).1
    }

    #[track_caller]
    fn is(&self, metric: &str, value: f64) {
        assert!(
            (self.get(metric) - value).abs() <= 1e-9 * value.abs(),
            "{metric}: {} is not {value}",
            self.get(metric)
        );
    }
}

fn measure(scenario: &Scenario, policy: &str, agents: u32) -> Measured {
    let point = Point::new(scenario, policy, agents).expect("the point exists");
    let run = point.run(0, Sinks::default()).unwrap_or_else(|error| panic!("{error}"));
    Measured(run.measures.iter().map(|(i, value)| (METRICS[i].name, value)).collect())
}

#[test]
fn a_cancelled_head_of_a_limited_line_makes_room_for_the_next() {
    // 100 tokens a second, 8,000 at once. Two workers of 5,000: the first goes at 0, the second waits for 20 s. At 2 s
    // (brief and step of a second each) the barrier calls it off; a merge of 2,000 comes next and fits at once, and
    // nothing waits for the time at which the cancelled call would have fitted.
    let case = Case {
        subtasks: 2,
        source_tokens: 3000,
        policy: "based_on = \"orchestrator-parallel\"\nbarrier = \"any\"\ninstructions_tokens = 2000\nbrief_tokens = 0",
        endpoint: "base_s = 1.0\ncache = { enabled = false }\ninput_tokens_per_minute = 6000\nburst_s = 80.0",
        roles: "dispatch = \"m\"\nmerge = \"m\"",
    };
    case.run(2).is("makespan_s", 11.0);
}

#[test]
fn a_waiting_prompt_that_becomes_cached_needs_less_of_the_limit() {
    // Two equal prompts of 5,000 at 6,000 a minute: the second has 1,000 left at 0 and would wait for 40 s, but from the
    // first token of the first (1 s) on it is cached and needs none.
    let case = Case {
        subtasks: 2,
        source_tokens: 0,
        policy: "based_on = \"map-reduce\"\ninstructions_tokens = 5000",
        endpoint: "base_s = 1.0\ninput_tokens_per_minute = 6000\nburst_s = 60.0",
        roles: "",
    };
    case.run(2).is("makespan_s", 2.0);
}

#[test]
fn fractions_of_a_rate_count_and_fractions_of_a_count_are_refused() {
    let case = |endpoint| Case { subtasks: 30, source_tokens: 0, policy: MAP_REDUCE, endpoint, roles: "" };
    // 30 calls at 7.5 a minute with a minute's burst: the last at (30 - 7.5) / 7.5 minutes.
    case("requests_per_minute = 7.5").run(30).is("makespan_s", 180.0);
    // 30 calls at one every three minutes, of which two are there at once.
    case("requests_per_minute = 0.3333333333\nburst_s = 360.0").run(30).get("makespan_s");
    for (endpoint, key) in [("slots = 2.5", "endpoints.m.slots"), ("long_completion_tokens = 10.5", "long_completion")]
    {
        let told = case(endpoint).parse().expect_err("a fraction of a count").to_string();
        assert!(told.contains(key) && told.contains("whole number"), "{told}");
    }
    for setting in ["team = 2.5", "window_tokens = 4000.5", "memory_steps = 8.5"] {
        let policy: &'static str = Box::leak(format!("{MAP_REDUCE}\n{setting}").into_boxed_str());
        let faults = Case { subtasks: 1, source_tokens: 0, policy, endpoint: "", roles: "" }.parse();
        let told = faults.expect_err("a fraction of a count").to_string();
        assert!(told.contains(&format!("policy.p.{}", setting.split(' ').next().unwrap())), "{told}");
    }
}

#[test]
fn a_timeout_counts_while_a_try_waits_for_a_slot() {
    // One slot of 4 s, 5 s from sending: the second is served from 4 s and given up at 5 s, the third with it; both
    // try again at once, and so on. No try waits longer than 5 s.
    let endpoint = "base_s = 4.0\nslots = 1\ntimeout_s = 5.0\nretries = 0";
    let three = |endpoint| Case { subtasks: 3, source_tokens: 0, policy: MAP_REDUCE, endpoint, roles: "" };
    let cut = three(endpoint).run(3);
    cut.is("makespan_s", 5.0);
    cut.is("failed_calls", 2.0);
    let patient = "base_s = 4.0\nslots = 1\ntimeout_s = 5.0\nretries = 0\ntimeout_from = \"service\"";
    let served = three(patient).run(3);
    served.is("makespan_s", 12.0);
    served.is("failed_calls", 0.0);
    // The pacing of the client comes before it sends: 60 a minute, one at once.
    three("requests_per_minute = 6\nburst_s = 10.0\ntimeout_s = 5.0\nretries = 0").run(3).is("makespan_s", 20.0);
}

#[test]
fn a_certain_timeout_ends_the_delegation_after_the_tries_of_one_step() {
    let case = |endpoint| Case { subtasks: 1, source_tokens: 0, policy: MAP_REDUCE, endpoint, roles: "" };
    let run = case("base_s = 6.0\ntimeout_s = 3.5\nretries = 1\nbackoff_s = 0.0\njitter = \"none\"").run(1);
    run.is("makespan_s", 7.0);
    run.is("delegations_given_up", 1.0);
    // A server that fails through the tries of one step and of the next is down.
    let run = case("failure_probability = 1.0\nfailure_s = 1.0\nretries = 1\nbackoff_s = 0.0").run(1);
    run.is("makespan_s", 4.0);
    run.is("delegations_given_up", 1.0);
}

#[test]
fn a_digest_that_cannot_shrink_a_history_is_not_asked_for_again() {
    let policy = "based_on = \"map-reduce\"\ninstructions_tokens = 2400\nwindow_tokens = 2400\ndigest_tokens = 0";
    let case = Case { subtasks: 3, source_tokens: 500, policy, endpoint: "base_s = 1.0", roles: "compact = \"m\"" };
    let run = case.run(1);
    assert!(run.get("calls") < 12.0, "{}", run.get("calls"));
}

/// Every form of both workloads, with few agents.
const FORMS: &[(&str, &[&str])] = &[
    (
        "multi-doc-qa",
        &[
            "single",
            "independent",
            "map-reduce",
            "orchestrator-sequential",
            "orchestrator-serial",
            "orchestrator-parallel",
            "orchestrator-async",
            "delm-queue",
        ],
    ),
    (
        "swe-verified",
        &[
            "independent",
            "orchestrator-sequential",
            "orchestrator-serial",
            "orchestrator-parallel",
            "orchestrator-async",
            "delm-solvers",
        ],
    ),
];

/// Leads whose workers read a board, or nobody, behind a judge.
const LEADS: &[&str] = &[
    "policy.orchestrator-parallel.store=\"shared\"",
    "policy.orchestrator-parallel.gate=\"llm\"",
    "policy.orchestrator-async.store=\"none\"",
    "policy.orchestrator-async.gate=\"llm\"",
    "policy.orchestrator-serial.gate=\"oracle\"",
    "policy.orchestrator-serial.dispatch=\"pipelined\"",
];

#[test]
fn a_deadline_binds_every_form() {
    for (name, policies) in FORMS {
        for (deadline, more) in [(0.5, &[][..]), (5.0, &[]), (40.0, &[]), (40.0, LEADS), (90.0, LEADS)] {
            let mut set = vec![format!("all_policies.deadline_s={deadline:?}")];
            set.extend(more.iter().map(|s| (*s).to_owned()));
            let scenario = Scenario::load(name, &Overrides { set, ..Overrides::default() }).expect("it loads");
            for policy in *policies {
                for replication in 0..8 {
                    let point = Point::new(&scenario, policy, 4).expect("the point exists");
                    let (_, s) = point.run_summed(replication, Sinks::default()).unwrap_or_else(|e| panic!("{e}"));
                    let end = s.makespans[0].as_secs_f64();
                    // After the deadline there is the finishing call of each that answers, and nothing else.
                    let finishing = s.calls[delm_sim::model::call::Purpose::Finalize.code() as usize];
                    let longest = finishing.sojourn.as_secs_f64();
                    assert!(end <= deadline + longest + 1e-9, "{name} {policy} {deadline}: ends at {end}");
                    if *name == "multi-doc-qa" {
                        assert_eq!(finishing.answered, s.submissions[0], "{policy}: what is there is submitted");
                    }
                }
            }
        }
    }
}

/// What a lead's store and gate do to a run: admitted, rejected, read from the board, misled.
fn store_and_gate(workload: &str, store: &str, gate: &str) -> [f64; 5] {
    let set = vec![
        "policies=[\"orchestrator-parallel\"]".to_owned(),
        format!("policy.orchestrator-parallel.store=\"{store}\""),
        format!("policy.orchestrator-parallel.gate=\"{gate}\""),
        "baseline=\"orchestrator-parallel\"".to_owned(),
    ];
    let scenario =
        Scenario::load(workload, &Overrides { set, ..Overrides::default() }).unwrap_or_else(|e| panic!("{e}"));
    let point = Point::new(&scenario, "orchestrator-parallel", 4).expect("the point exists");
    let mut sums = [0.0; 5];
    for replication in 0..12 {
        let (run, summary) = point.run_summed(replication, Sinks::default()).unwrap_or_else(|e| panic!("{e}"));
        let values = Measured(run.measures.iter().map(|(i, value)| (METRICS[i].name, value)).collect());
        let gate = &summary.gate;
        let board = run.measures.get("board_read_tokens").unwrap_or(0.0);
        sums[0] += gate.admitted as f64;
        sums[1] += gate.rejected as f64;
        sums[2] += board;
        sums[3] += gate.admitted_unsupported as f64;
        sums[4] += values.get("makespan_s");
    }
    sums
}

#[test]
fn a_leads_store_and_gate_act_on_both_workloads() {
    for workload in ["swe-verified", "multi-doc-qa"] {
        let mut rows: Vec<(String, [f64; 5])> = Vec::new();
        for store in ["none", "relay", "shared"] {
            for gate in ["none", "llm", "oracle"] {
                rows.push((format!("{workload} {store} {gate}"), store_and_gate(workload, store, gate)));
            }
        }
        for (i, (name, row)) in rows.iter().enumerate() {
            let [admitted, rejected, read, unsupported, _] = *row;
            let (store, gate) = (i / 3, i % 3);
            assert_eq!(read > 0.0, store == 2, "{name}: who reads a board");
            assert_eq!(admitted > 0.0, store == 2 || gate > 0, "{name}: what passes a gate");
            assert_eq!(rejected > 0.0, gate > 0, "{name}: what it stops");
            assert!(gate < 2 || unsupported == 0.0, "{name}: the truth admits nothing false");
            let twin = rows[..i].iter().find(|(_, other)| other == row);
            assert!(twin.is_none(), "{name} is {twin:?}");
        }
    }
}

#[test]
fn nobody_waits_for_verdicts_that_nobody_can_read() {
    let set = ["policy.delm-solvers.gate=\"llm\"", "endpoints.judge.base_s=1000.0"].map(str::to_owned).to_vec();
    let scenario = Scenario::load("swe-verified", &Overrides { set, ..Overrides::default() }).expect("it loads");
    let run = measure(&scenario, "delm-solvers", 4);
    run.is("makespan_s", run.get("last_worker_s"));
}

#[test]
fn times_of_many_agents_add_up_and_a_clock_at_its_end_is_an_error() {
    let case = Case { subtasks: 60, source_tokens: 0, policy: MAP_REDUCE, endpoint: "base_s = 1e9", roles: "" };
    let scenario = case.parse().expect("it is a scenario");
    let error = Point::new(&scenario, "p", 1).expect("it exists").run(0, Sinks::default()).expect_err("60e9 s");
    assert!(error.to_string().contains("times too long for this clock"), "{error}");
    // 60 agents of 10^9 s are 6e10 s of agent time, more than one clock tells.
    let wide = case.run(60);
    wide.is("makespan_s", 1e9);
    wide.is("agent_time_s", 61e9);
}

#[test]
fn agents_without_work_and_other_endpoints_change_nobodys_luck() {
    // One subtask, briefed, worked on and merged: however many workers stand by, the lead is the same lead.
    let policy = "based_on = \"orchestrator-parallel\"\ninstructions_tokens = 0\nbrief_tokens = 0";
    let roles = "dispatch = \"m\"\nmerge = \"m\"";
    let case = Case { subtasks: 1, source_tokens: 0, policy, endpoint: "base_s = 1.0\nagent_sigma = 0.5", roles };
    let makespan = case.run(1).get("makespan_s");
    assert_ne!(makespan, 3.0, "the factors act");
    for agents in [2, 4, 64] {
        case.run(agents).is("makespan_s", makespan);
    }
    // One more endpoint, before the others by name, that nobody calls.
    let apart = Case { roles: "dispatch = \"m\"\nmerge = \"m\"\n[endpoints.a]\nbase_s = 9.0", ..case };
    apart.run(1).is("makespan_s", makespan);
    // The lead calls a second endpoint of the same kind: its luck there is another.
    let second = "dispatch = \"o\"\nmerge = \"m\"\n[endpoints.o]\nbase_s = 1.0\nagent_sigma = 0.5";
    let elsewhere = Case { roles: second, ..apart }.run(1).get("makespan_s");
    assert!((elsewhere - makespan).abs() > 1e-6, "{elsewhere}");
}

#[test]
fn waiting_is_the_share_of_workers_and_leads_together() {
    // Brief, step and merge of a second each. Who works waits for its brief and through the merge, the lead waits for
    // the step, and a worker without a subtask waits for all three.
    let case = Case {
        subtasks: 1,
        source_tokens: 0,
        policy: "based_on = \"orchestrator-parallel\"\ninstructions_tokens = 0\nbrief_tokens = 0",
        endpoint: "base_s = 1.0",
        roles: "dispatch = \"m\"\nmerge = \"m\"",
    };
    for (agents, waited) in [(1, 3.0), (2, 6.0), (4, 12.0)] {
        let run = case.run(agents);
        let all = 3.0 * f64::from(agents + 1);
        run.is("agent_time_s", all);
        run.is("waiting_share", waited / all);
        run.is("lead_waiting_share", 1.0 / 3.0);
        run.is("controller_utilisation", 2.0 / 3.0);
        run.is("share_work", 1.0 / all);
        run.is("share_coordination", 2.0 / all);
    }
}

/// Two lines with one wrong hypothesis and nothing else to find, behind one server.
const REPEATED: &str = r#"
version = 1
name = "repeated"
question = "what is done a second time"
replications = 1
agents = [2]
policies = ["independent"]
baseline = "independent"
[workload.search]
success = { weights = { wrong = 1, solution = 0.0 } }
hypotheses_per_budget = 1
orientation_steps = { constant = 0 }
steps_per_hypothesis = { constant = 1 }
finishing_steps = { constant = 1 }
size_sigma = 0.0
line_sigma = 0.0
tool_share = 1.0
[policy.independent]
plan = false
[endpoints.m]
slots = 1
base_s = 1.0
[endpoints.t]
base_s = 0.25
[roles]
default = "m"
tool = "t"
"#;

#[test]
fn what_another_line_had_found_before_is_duplicated_work() {
    // The server explores for the first until 1 s and for the second until 2 s, and finishes both by 3 s and 4 s; each
    // exploration is followed by a tool of a quarter of a second. The second line's two are of what the first had found.
    let scenario = Scenario::parse("repeated", REPEATED, None, &Overrides::default()).unwrap_or_else(|e| panic!("{e}"));
    let run = measure(&scenario, "independent", 2);
    run.is("makespan_s", 4.0);
    run.is("share_duplicated", 1.25 / 8.0);
    run.is("share_work", 3.0 / 8.0);
    run.is("share_tool", 0.25 / 8.0);
    run.is("share_slot_wait", 2.5 / 8.0);
    run.is("share_idle_tail", 1.0 / 8.0);
    run.is("tried_hypotheses", 2.0);
    run.is("distinct_hypotheses", 1.0);
    run.is("duplicate_share", 0.5);
}

#[test]
fn a_prompt_costs_what_is_read_and_what_is_written() {
    // Two calls of 2,000 tokens of instructions and a source of 300: all is written, then the instructions are read.
    let case = Case {
        subtasks: 2,
        source_tokens: 300,
        policy: "based_on = \"map-reduce\"\ninstructions_tokens = 2000",
        endpoint: "base_s = 1.0\nprice = { rates = { input_usd_per_mtok = 8.0, cache_read_usd_per_mtok = 0.5, \
                   cache_write_usd_per_mtok = 2.0 } }",
        roles: "",
    };
    let run = case.run(1);
    run.is("step_cached_tokens", 2000.0);
    run.is("cost_work_usd", (2300.0 * 2.0 + 2000.0 * 0.5 + 300.0 * 2.0) * 1e-6);
    run.is("cost_per_task_usd", run.get("cost_work_usd"));
}

#[test]
fn a_call_that_is_called_off_costs_what_it_had_written() {
    // One second to the first token and ten for a hundred: half of them at six seconds.
    let priced = "[endpoints.m.price.rates]\noutput_usd_per_mtok = 4.0\n[endpoints.t]";
    let text = REPEATED
        .replace("base_s = 1.0\n[endpoints.t]", &format!("base_s = 1.0\ncompletion_s_per_token = 0.1\n{priced}"))
        .replace("slots = 1\n", "")
        .replace("tool_share = 1.0", "completion_tokens = { constant = 100 }")
        .replace("plan = false", "plan = false\ndeadline_s = 6.0");
    let scenario = Scenario::parse("cut", &text, None, &Overrides::default()).unwrap_or_else(|e| panic!("{e}"));
    let run = measure(&scenario, "independent", 2);
    run.is("makespan_s", 6.0);
    run.is("completion_tokens", 2.0 * 50.0);
    run.is("cost_per_task_usd", 2.0 * 50.0 * 4.0 * 1e-6);
}

#[test]
fn a_brief_of_no_words_tells_no_claim() {
    let set = |contagion: f64| {
        let set = [
            "policies=[\"p\"]".to_owned(),
            "baseline=\"p\"".to_owned(),
            "policy.p={based_on=\"delm-queue\", control=\"lead\", store=\"relay\", gate=\"none\", report_tokens=0, brief_tokens=0}"
                .to_owned(),
            format!("sharing.contagion={contagion}"),
        ];
        let overrides = Overrides { set: set.to_vec(), ..Overrides::default() };
        let scenario = Scenario::load("multi-doc-qa", &overrides).unwrap_or_else(|e| panic!("{e}"));
        (0..40)
            .map(|r| Point::new(&scenario, "p", 4).unwrap().run(r, Sinks::default()).unwrap().digest)
            .collect::<Vec<_>>()
    };
    assert_eq!(set(0.0), set(0.9), "what nobody reads misleads nobody");
}
