//! Parity of the worlds: the same scenario through `Live`, with scripted endpoints that take as long as the model says,
//! and through `Simulated` issues the same commands at the same times in the same order.

use delm_sim::experiment::{Overrides, Scenario};
use delm_sim::kernel::{Key, Span, Time};
use delm_sim::live::chat::{Arrival, Completion, Job, Tokens, Transport};
use delm_sim::live::desk::{Chat, Desk, Rendered};
use delm_sim::live::world::{Caps, Live, LiveOptions, Past, Sampling, Session, Setup};
use delm_sim::model::call::{Answer, Outcome, Request, Usage, prompt_tokens};
use delm_sim::model::ids::{CallId, FindingId, TaskId};
use delm_sim::model::note::{Note, Phase};
use delm_sim::model::workload::{NOISE, Score, Team, Truth, Workload};
use delm_sim::policy::Command;
use delm_sim::policy::settings::Work;
use delm_sim::record::transcript::Message;
use delm_sim::record::{Summary, Trace};
use delm_sim::runtime::{Delivery, Fleet, Simulated, World, drive};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

const SCENARIO: &str = r#"version = 1
name = "parity"
question = "Do both worlds ask for the same?"
replications = 3
agents = [1, 3, 8]
policies = ["single", "independent", "map-reduce", "orchestrator-sequential", "orchestrator-serial",
            "orchestrator-parallel", "orchestrator-async", "delm-queue"]
tasks = 2
[workload.divide]
subtasks = { constant = 8 }
second_wave = { constant = 2 }
fan_in = 4
steps_per_subtask = { constant = 2 }
unsupported = 0.2
[endpoints.model]
base_s = 1.0
completion_s_per_token = 0.02
noise = { lognormal = { mean = 1.0, sigma = 0.6 } }
slots = 3
[endpoints.judge]
base_s = 0.5
noise = { exponential = { mean = 1.0 } }
slots = 2
[roles]
default = "model"
gist = "judge"
verify = "judge"
"#;

/// What a scripted endpoint answers to a call, and when.
type Script = Arc<Mutex<HashMap<(TaskId, CallId), (Span, String, Usage)>>>;

/// A desk whose answers are those that the model of the workload would give.
struct Modelled {
    task: TaskId,
    rendered: u64,
    workload: Workload,
    scenario: Arc<Scenario>,
    script: Script,
}

impl Truth for Modelled {
    fn is_unsupported(&self, finding: FindingId) -> bool {
        self.workload.is_unsupported(finding)
    }

    fn is_right(&self, finding: Option<FindingId>) -> bool {
        self.workload.is_right(finding)
    }
}

impl Desk for Modelled {
    fn render(&mut self, request: &Request) -> Rendered {
        let outlook = self.workload.prepare(request);
        let endpoint = &self.scenario.endpoints[self.scenario.roles.get(request.purpose.name()).map_or("model", |r| r)];
        let factor = endpoint.noise.sample(&outlook.draws, NOISE);
        let length = prompt_tokens(&request.prompt);
        let latency = endpoint.latency(outlook.completion_tokens, length, 0, request.items, factor).total;
        let usage = Usage { prompt_tokens: length, completion_tokens: outlook.completion_tokens, ..Usage::default() };
        let text = serde_json::to_string(&outlook.answer).unwrap();
        self.script.lock().unwrap().insert((self.task, CallId(self.rendered)), (latency, text, usage));
        self.rendered += 1;
        let message = Message { role: "user".to_owned(), content: "scripted".to_owned() };
        Rendered::Ask(Chat { messages: vec![message], form: None, max_tokens: 1, span_keys: Vec::new() })
    }

    fn read(&mut self, _: &Request, text: &str) -> Result<Answer, String> {
        serde_json::from_str(text).map_err(|e| e.to_string())
    }

    fn salvage(&mut self, _: &Request, _: &str) -> Option<Answer> {
        None
    }

    fn observe(&mut self, note: &Note) {
        self.workload.observe(note);
    }

    fn score(&self, outcome: &Outcome) -> Score {
        self.workload.score(outcome)
    }
}

/// Virtual time: tries come back when their script says.
struct Scripted {
    now: Time,
    sent: u64,
    script: Script,
    flights: BTreeMap<(Time, u64), (Job, Time)>,
}

impl Transport for Scripted {
    fn now(&self) -> Time {
        self.now
    }

    fn set(&mut self, now: Time) {
        self.now = now;
    }

    fn send(&mut self, job: Job) {
        let (latency, ..) = self.script.lock().unwrap()[&(job.task, job.call)];
        self.sent += 1;
        self.flights.insert((self.now + latency, self.sent), (job, self.now));
    }

    fn next(&mut self, until: Option<Time>) -> Option<Arrival> {
        let first = self.flights.first_key_value().map(|((at, _), _)| *at);
        if let Some(until) = until.filter(|until| first.is_none_or(|at| *until < at)) {
            self.now = until;
            return None;
        }
        let ((at, _), (job, sent_at)) = self.flights.pop_first()?;
        self.now = at;
        let (_, text, usage) = self.script.lock().unwrap()[&(job.task, job.call)].clone();
        let tokens = Some(Tokens { usage, reasoning: None });
        let done = Completion { text, tokens, finish_reason: Some("stop".to_owned()), ..Completion::default() };
        Some(Arrival { job: job.number, sent_at, at, end: Ok(done) })
    }

    fn abandon(&mut self, job: u64) {
        self.flights.retain(|_, (flight, _)| flight.number != job);
    }
}

/// A world that writes down what it is asked to do.
struct Spied<'a, W> {
    world: &'a mut W,
    now: Time,
    commands: Vec<(Time, TaskId, Command)>,
}

impl<W: World> World for Spied<'_, W> {
    fn next(&mut self) -> Option<Delivery> {
        let delivery = self.world.next()?;
        self.now = delivery.at;
        Some(delivery)
    }

    fn execute(&mut self, task: TaskId, command: Command) {
        self.commands.push((self.now, task, command.clone()));
        self.world.execute(task, command);
    }

    fn unfinished(&self) -> usize {
        self.world.unfinished()
    }
}

fn commands(
    world: &mut impl World,
    policies: &mut [Box<dyn delm_sim::policy::Policy>],
) -> Vec<(Time, TaskId, Command)> {
    let mut spied = Spied { world, now: Time::ZERO, commands: Vec::new() };
    drive(&mut spied, policies).unwrap();
    spied.commands
}

#[test]
fn both_worlds_issue_the_same_commands() {
    let scenario = Scenario::parse("parity", SCENARIO, None, &Overrides::default()).unwrap_or_else(|e| panic!("{e}"));
    let scenario = Arc::new(scenario);
    let fleet = Arc::new(Fleet::new(&scenario.endpoints, &scenario.roles, &scenario.worker_roles, 1.0, 1.0).unwrap());
    let (sizes, sharing) = (Arc::new(scenario.sizes.clone()), Arc::new(scenario.sharing.clone()));
    let mut compared = 0;
    for policy in &scenario.policies {
        let settings = Arc::new(scenario.settings(policy).unwrap());
        let (entry, work) = (scenario.entry(policy).unwrap(), Work::of(&scenario.workload));
        for &agents in &scenario.agents {
            for replication in 0..u64::from(scenario.replications) {
                let key = Key::new(scenario.seed, replication);
                let build = || {
                    let both = (0..scenario.tasks).map(|_| entry.build(&settings, work, agents));
                    both.unzip::<_, _, Vec<_>, Vec<Team>>()
                };
                let (mut policies, teams) = build();
                let workload =
                    |task: u32| Workload::new(&scenario.workload, &sizes, &sharing, key, TaskId(task), &teams[0]);
                let trace = || Trace::new(Summary::new(&teams[0], scenario.tasks, None, None), None);
                let workloads = (0..scenario.tasks).map(workload).collect();
                let mut simulated = Simulated::new(fleet.clone(), key, workloads, trace(), None);
                let expected = commands(&mut simulated, &mut policies);

                let script = Script::default();
                let desks = (0..scenario.tasks).map(|task| {
                    let (scenario, script) = (scenario.clone(), script.clone());
                    let desk = Modelled { task: TaskId(task), rendered: 0, workload: workload(task), scenario, script };
                    Box::new(desk) as Box<dyn Desk>
                });
                let options = LiveOptions {
                    sampling: Sampling::default(),
                    url: String::new(),
                    concurrency: 1000,
                    timeout: Span::MAX,
                    silence: Span::MAX,
                    grace: Span::ZERO,
                };
                let setup = Setup {
                    fleet: fleet.clone(),
                    key,
                    desks: desks.collect(),
                    trace: trace(),
                    journal: None,
                    past: Past::default(),
                    options: Arc::new(options),
                };
                let transport = Scripted { now: Time::ZERO, sent: 0, script: script.clone(), flights: BTreeMap::new() };
                let mut session = Session::new(Caps::default());
                let mut live = Live::new(transport, &mut session, setup);
                let found = commands(&mut live, &mut build().0);
                let ended = live.close(Span::ZERO);
                assert!(ended.complete && ended.stop.is_none() && ended.invalid.is_none());
                for (i, (a, b)) in expected.iter().zip(&found).enumerate() {
                    assert_eq!(a, b, "command {i} of {policy} with {agents} agents, replication {replication}");
                }
                assert_eq!(expected.len(), found.len());
                assert_eq!(ended.summary.makespans, simulated.trace.summary.makespans);
                let times = |s: &delm_sim::record::Summary| Phase::ALL.map(|phase| s.workers.of(phase));
                assert_eq!(times(&ended.summary), times(&simulated.trace.summary), "{policy} {agents}");
                compared += found.len();
            }
        }
    }
    assert!(compared > 10_000, "{compared} commands");
}
