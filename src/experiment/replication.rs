//! Replications: one draw of the task instances, run under one policy at one team size.
//!
//! Invariant: the random numbers of a run depend on seed, replication and hidden entities only, so that policies are
//! paired and no policy's numbers depend on which others run.

use super::metrics::{Metric, measure};
use super::scenario::{Protocol, Scenario};
use crate::kernel::Key;
use crate::model::ids::TaskId;
use crate::model::sharing::Sharing;
use crate::model::workload::{Sizes, Workload};
use crate::policy::{Settings, catalog};
use crate::runtime::{Fleet, RunError, Simulated, Summary, Trace, drive};
use std::io::Write;
use std::sync::Arc;

/// What one replication gave.
#[derive(Clone, Debug)]
pub struct Run {
    /// Metrics that have a value.
    pub values: Vec<(&'static Metric, f64)>,
    /// Digest of the trace.
    pub digest: [u8; 32],
    /// The summary itself.
    pub summary: Summary,
}

/// One policy at one team size, ready to run.
pub struct Point<'a> {
    scenario: &'a Scenario,
    /// Policy.
    pub policy: &'a str,
    /// Workers.
    pub agents: u32,
    pub(super) settings: Arc<Settings>,
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
        let settings = Arc::new(scenario.settings(policy).map_err(wrong)?);
        let protocol = scenario.protocol.get(policy).cloned().unwrap_or_default();
        let (cost, latency) = (protocol.cost, protocol.latency);
        let fleet = Fleet::new(&scenario.endpoints, &scenario.roles, &scenario.worker_roles, cost, latency)
            .map_err(|e| wrong(e.to_string()))?;
        catalog::build(&settings, &scenario.workload, agents).map_err(wrong)?;
        let stop_after = scenario.measure.as_ref().map(|m| m.stop_after);
        Ok(Self {
            scenario,
            policy,
            agents,
            settings,
            fleet: Arc::new(fleet),
            sizes: Arc::new(scenario.sizes.clone()),
            sharing: Arc::new(scenario.sharing.clone()),
            protocol,
            stop_after,
        })
    }

    /// Whether the policy puts more than `n` workers to use at this size; `single` never does.
    pub fn uses_more_than(&self, n: u32) -> bool {
        self.settings.team.at().is_none_or(|most| most > f64::from(n))
    }

    /// Runs one replication; with a writer, its trace goes there as JSON Lines.
    pub fn run(&self, replication: u64, lines: Option<Box<dyn Write + Send>>) -> Result<Run, RunError> {
        let scenario = self.scenario;
        let key = Key::new(scenario.seed, replication);
        let build = || catalog::build(&self.settings, &scenario.workload, self.agents).expect("built before");
        let (mut policies, mut teams): (Vec<_>, Vec<_>) = (0..scenario.tasks).map(|_| build()).unzip();
        for team in &mut teams {
            team.quality = self.protocol.quality;
        }
        let workloads = teams.iter().enumerate().map(|(task, team)| {
            Workload::new(&scenario.workload, &self.sizes, &self.sharing, key, TaskId(task as u32), team)
        });
        let count = scenario.measure.as_ref().map(|m| (m.count, m.warmup));
        let summary = Summary::new(&teams[0], scenario.tasks, count, scenario.watch_worker);
        let trace = Trace::new(summary, lines);
        let mut world = Simulated::new(self.fleet.clone(), key, workloads.collect(), trace, self.stop_after);
        drive(&mut world, &mut policies)?;
        if count.is_none()
            && let Some(what) = world.trace.summary.broken_identity()
        {
            let policy = self.policy.to_owned();
            return Err(RunError::Identity { policy, agents: self.agents, replication, what });
        }
        world.trace.close().map_err(|e| RunError::Trace(e.to_string()))?;
        let digest = world.trace.digest.finish();
        let summary = world.trace.summary;
        Ok(Run { values: measure(&summary), digest, summary })
    }
}
