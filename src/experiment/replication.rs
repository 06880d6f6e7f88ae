//! Replications: one draw of the task instances, run under one policy at one team size.
//!
//! Invariant: the random numbers of a run depend on seed, replication and hidden entities only, so that policies are
//! paired and no policy's numbers depend on which others run.

use super::metrics::Measures;
use super::scenario::{Protocol, Scenario};
use crate::kernel::Key;
use crate::model::ids::TaskId;
use crate::model::sharing::Sharing;
use crate::model::workload::{Sizes, Team, Workload};
use crate::policy::Policy;
use crate::policy::settings::{Form, Work};
use crate::policy::{Entry, Settings};
use crate::record::trace::Story;
use crate::record::transcript::{Recorder, RunLine};
use crate::record::{Summary, Trace};
use crate::runtime::{Fleet, RunError, Simulated, drive};
use std::io::Write;
use std::sync::Arc;

/// What one replication gave.
#[derive(Clone, Debug)]
pub struct Run {
    /// Metrics that have a value.
    pub measures: Measures,
    /// Digest of the trace.
    pub digest: [u8; 32],
}

/// One policy at one team size, ready to run.
pub struct Point<'a> {
    scenario: &'a Scenario,
    /// Policy.
    pub policy: &'a str,
    /// Workers.
    pub agents: u32,
    /// What kind of coordination it is: judged here, once, from the resolved settings.
    pub form: Form,
    pub(super) settings: Arc<Settings>,
    entry: &'a Entry,
    pub(super) fleet: Arc<Fleet>,
    sizes: Arc<Sizes>,
    sharing: Arc<Sharing>,
    protocol: Protocol,
    stop_after: Option<u64>,
}

impl<'a> Point<'a> {
    /// Resolves settings, endpoints and protocol of a policy.
    pub fn new(scenario: &'a Scenario, policy: &'a str, agents: u32) -> Result<Self, RunError> {
        let wrong = |why: String| RunError::NoSuchPoint { policy: policy.to_owned(), why };
        let entry = scenario.entry(policy).map_err(wrong)?;
        let settings = Arc::new(scenario.settings(policy).map_err(wrong)?);
        let protocol = scenario.protocol.get(policy).cloned().unwrap_or_default();
        let (cost, latency) = (protocol.cost, protocol.latency);
        let endpoints = &scenario.endpoints;
        let by_roles = Fleet::new(endpoints, &scenario.roles, &scenario.worker_roles, cost, latency);
        let fleet = settings
            .seats()
            .try_fold(by_roles.map_err(|e| wrong(e.to_string()))?, |fleet, (seat, name)| {
                fleet.seated(seat, name, endpoints)
            })
            .map_err(|e| wrong(e.to_string()))?;
        let stop_after = scenario.measure.as_ref().map(|m| m.stop_after);
        Ok(Self {
            scenario,
            policy,
            agents,
            form: settings.form(),
            entry,
            settings,
            fleet: Arc::new(fleet),
            sizes: Arc::new(scenario.sizes.clone()),
            sharing: Arc::new(scenario.sharing.clone()),
            protocol,
            stop_after,
        })
    }

    /// Runs one replication. Its trace may go to a writer as JSON Lines, its transcript to another (run `index` there).
    pub fn run(&self, replication: u64, sinks: Sinks) -> Result<Run, RunError> {
        self.run_summed(replication, sinks).map(|(run, _)| run)
    }

    /// Runs one replication, and gives the summary of its trace as well. A summary grows with the team: a study keeps
    /// measures only.
    pub fn run_summed(&self, replication: u64, sinks: Sinks) -> Result<(Run, Summary), RunError> {
        let trace = self.simulate(replication, sinks, None)?;
        self.close(replication, trace)
    }

    /// Runs one replication, and gives all that happened in it. A story grows with the run.
    pub(super) fn run_told(&self, replication: u64) -> Result<(Summary, Story), RunError> {
        let mut trace = self.simulate(replication, Sinks::default(), Some(Story::default()))?;
        let story = trace.story.take().unwrap_or_default();
        self.close(replication, trace).map(|(_, summary)| (summary, story))
    }

    /// Runs one replication to its end.
    fn simulate(&self, replication: u64, sinks: Sinks, story: Option<Story>) -> Result<Trace, RunError> {
        let scenario = self.scenario;
        let key = Key::new(scenario.seed, scenario.world(replication));
        let (mut policies, team) = self.policies();
        let workloads = (0..scenario.tasks)
            .map(|task| Workload::new(&scenario.workload, &self.sizes, &self.sharing, key, TaskId(task), &team));
        let mut trace = Trace::new(self.summary(&team), sinks.trace);
        trace.story = story;
        if let Some((sink, index)) = sinks.transcript {
            let run = self.run_line(index, replication, &team);
            trace.recorder = Some(Recorder::new(sink, endpoint_names(scenario), &run));
        }
        let mut world = Simulated::new(self.fleet.clone(), key, workloads.collect(), trace, self.stop_after);
        drive(&mut world, &mut policies).map_err(|error| error.of(self.policy))?;
        Ok(world.trace)
    }

    /// One policy per task, and their team.
    pub(super) fn policies(&self) -> (Vec<Box<dyn Policy>>, Team) {
        let work = Work::of(&self.scenario.workload);
        let build = || self.entry.build(&self.settings, work, self.agents);
        let (policies, teams): (Vec<_>, Vec<_>) = (0..self.scenario.tasks).map(|_| build()).unzip();
        (policies, Team { quality: self.protocol.quality, ..teams[0] })
    }

    /// An empty summary for a team of this point.
    pub(super) fn summary(&self, team: &Team) -> Summary {
        let count = self.scenario.measure.as_ref().map(|m| (m.count, m.warmup));
        Summary::new(team, self.scenario.tasks, count, self.scenario.watch_worker)
    }

    /// How a transcript of a run of this point begins.
    pub(super) fn run_line(&self, index: u64, replication: u64, team: &Team) -> RunLine {
        RunLine {
            run: index,
            policy: Some(self.policy.to_owned()),
            agents: self.agents,
            replication,
            tasks: self.scenario.tasks,
            workers: team.workers,
            leads: team.leads,
            lines: team.lines,
            ..RunLine::default()
        }
    }

    /// Counted replies after which a run is stopped.
    pub(super) fn stop_after(&self) -> Option<u64> {
        self.stop_after
    }

    /// Checks the identities of a run that came to its end, ends its files, and measures it.
    pub(super) fn close(&self, replication: u64, mut trace: Trace) -> Result<(Run, Summary), RunError> {
        let whole = self.scenario.measure.is_none();
        if whole && let Some(what) = trace.summary.broken_identity() {
            let policy = self.policy.to_owned();
            return Err(RunError::Identity { policy, agents: self.agents, replication, what });
        }
        let digest = trace.digest.finish();
        if let Some(mut recorder) = trace.recorder.take() {
            recorder.close(whole, Some(digest), None);
            recorder.flush().map_err(|e| RunError::Trace(e.to_string()))?;
        }
        trace.close().map_err(|e| RunError::Trace(e.to_string()))?;
        let measures = Measures::of(&trace.summary, self.fleet.prices_are_known());
        Ok((Run { measures, digest }, trace.summary))
    }
}

/// Where the files of one run go.
#[derive(Default)]
pub struct Sinks {
    /// Trace records as JSON Lines.
    pub trace: Option<Box<dyn Write + Send>>,
    /// Lines of a transcript, and the number of the run in it.
    pub transcript: Option<(Box<dyn Write + Send>, u64)>,
}

/// Names of a scenario's endpoints, in the order of their numbers.
pub fn endpoint_names(scenario: &Scenario) -> Vec<String> {
    scenario.endpoints.keys().cloned().collect()
}
