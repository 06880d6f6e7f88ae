//! A running summary of the trace. Its memory grows with agents and submissions, not with events.

use super::record::{Body, Record};
use crate::kernel::{SpanSum, Time};
use crate::model::call::{Purpose, Usage};
use crate::model::ids::{AgentId, TaskId};
use crate::model::note::{Note, Phase};
use crate::model::price::{CostRole, PicodollarSum, RoleSums, Roles};
use crate::model::workload::Team;

/// Phase of an agent whose call for this purpose is being served.
pub fn phase_of(purpose: Purpose) -> Phase {
    match purpose.role() {
        CostRole::Work => Phase::Work,
        CostRole::Tool => Phase::Tool,
        CostRole::Coordination => Phase::Coordination,
        CostRole::Verification => Phase::Verification,
    }
}

/// Calls of one purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    /// Asked for.
    pub issued: u64,
    /// Answered.
    pub answered: u64,
    /// Failed for good.
    pub failed: u64,
    /// Cancelled.
    pub cancelled: u64,
    /// Tries that failed.
    pub failed_tries: u64,
    /// Tokens.
    pub usage: Usage,
    /// What they cost.
    pub cost: PicodollarSum,
    /// Board tokens in their prompts.
    pub board_tokens: u64,
    /// Time from command to reply, of answered calls.
    pub sojourn: SpanSum,
    /// Time of the last try, of answered calls.
    pub service: SpanSum,
}

/// Time of a group of agents by phase.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PhaseTimes {
    /// Time per phase.
    time: [SpanSum; Phase::ALL.len()],
    /// Stays per phase that ended, begun before the window or not.
    stays: [u64; Phase::ALL.len()],
    /// Their whole lengths.
    stayed: [SpanSum; Phase::ALL.len()],
}

impl PhaseTimes {
    /// Time in a phase.
    pub fn of(&self, phase: Phase) -> SpanSum {
        self.time[phase as usize]
    }

    /// Mean length in seconds of the stays in a phase that have ended; none if none has.
    pub fn mean_stay_s(&self, phase: Phase) -> Option<f64> {
        let stays = self.stays[phase as usize];
        (stays > 0).then(|| self.stayed[phase as usize].as_secs_f64() / stays as f64)
    }
}

/// Subtasks by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubtaskCounts {
    /// Created.
    pub created: u64,
    /// Done.
    pub done: u64,
    /// Given up.
    pub abandoned: u64,
    /// Claims.
    pub claimed: u64,
    /// Claims that were given back.
    pub released: u64,
}

/// What became readable between the reads of authors and their writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Staleness {
    /// Writes that are watched.
    pub writes: u64,
    /// Of them, those that missed at least one entry.
    pub stale_writes: u64,
    /// Entries that they missed together.
    pub missed: u64,
}

/// A number of the hidden truth over tasks.
#[derive(Clone, Debug, PartialEq)]
struct Fact {
    name: String,
    sum: f64,
    tasks: u64,
}

/// What the gate did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GateCounts {
    /// Went to the gate.
    pub proposed: u64,
    /// Became readable.
    pub admitted: u64,
    /// Of them unsupported or wrong.
    pub admitted_unsupported: u64,
    /// Were refused.
    pub rejected: u64,
    /// Of them supported.
    pub rejected_supported: u64,
    /// Were taken back.
    pub withdrawn: u64,
}

/// When submissions came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Latencies {
    /// First right submission, per task that has one.
    pub first_success: Vec<Time>,
    /// The same, and the last submission of a task that has only wrong ones.
    pub first_success_or_last: Vec<Time>,
    /// Mean over submissions, per task.
    pub mean_worker: Vec<f64>,
    /// Last submission, per task.
    pub last_worker: Vec<Time>,
}

#[derive(Clone, Copy, Debug)]
struct Now {
    phase: Phase,
    /// Counted up to here.
    since: Time,
    /// In this phase since.
    entered: Time,
}

/// The summary.
#[derive(Clone, Debug)]
pub struct Summary {
    team: Team,
    agents: Vec<Vec<Now>>,
    submitted: Vec<Vec<Time>>,
    first_right: Vec<Option<Time>>,
    count: Option<(Purpose, u64)>,
    /// Counted replies so far.
    pub counted: u64,
    /// Start of the measured window.
    pub start: Time,
    /// End of the last record.
    pub end: Time,
    /// End per finished task.
    pub makespans: Vec<Time>,
    /// Calls by purpose.
    pub calls: [Counts; Purpose::ALL.len()],
    /// Calls in flight.
    pub in_flight: i64,
    /// Cost by role.
    pub cost: RoleSums,
    /// Workers' time.
    pub workers: PhaseTimes,
    /// Leads' time.
    pub leads: PhaseTimes,
    /// Background time that overlaps agents' own work.
    pub overlap: SpanSum,
    /// The gate.
    pub gate: GateCounts,
    /// Subtasks.
    pub subtasks: SubtaskCounts,
    /// Staleness of what was written.
    pub staleness: Staleness,
    watch: Option<u32>,
    /// Length of the board.
    pub board_tokens: u64,
    /// Compactions.
    pub compactions: u64,
    /// Delegations given up because their calls fail.
    pub given_up: u64,
    /// Right submissions, per task.
    pub right: Vec<u64>,
    /// Submissions, per task.
    pub submissions: Vec<u64>,
    /// Numbers of the hidden truth.
    facts: Vec<Fact>,
    /// When submissions came.
    pub latencies: Latencies,
    /// Records seen.
    pub records: u64,
}

impl Summary {
    /// A summary for `tasks` teams. With `count`, measuring starts anew after that many replies of the purpose.
    pub fn new(team: &Team, tasks: u32, count: Option<(Purpose, u64)>, watch: Option<u32>) -> Self {
        let agents = (team.workers + team.leads) as usize;
        let idle = Now { phase: Phase::StartUp, since: Time::ZERO, entered: Time::ZERO };
        Self {
            team: *team,
            agents: vec![vec![idle; agents]; tasks as usize],
            submitted: vec![Vec::new(); tasks as usize],
            first_right: vec![None; tasks as usize],
            count,
            counted: 0,
            start: Time::ZERO,
            end: Time::ZERO,
            makespans: Vec::new(),
            calls: [Counts::default(); Purpose::ALL.len()],
            in_flight: 0,
            cost: RoleSums::default(),
            workers: PhaseTimes::default(),
            leads: PhaseTimes::default(),
            overlap: SpanSum::ZERO,
            gate: GateCounts::default(),
            subtasks: SubtaskCounts::default(),
            staleness: Staleness::default(),
            watch,
            board_tokens: 0,
            compactions: 0,
            given_up: 0,
            right: Vec::new(),
            submissions: Vec::new(),
            facts: Vec::new(),
            latencies: Latencies::default(),
            records: 0,
        }
    }

    /// The team that is measured.
    pub fn team(&self) -> &Team {
        &self.team
    }

    /// Calls of a purpose.
    pub fn of(&self, purpose: Purpose) -> &Counts {
        &self.calls[purpose.code() as usize]
    }

    /// A number of the hidden truth, mean over the tasks that have it.
    pub fn fact(&self, name: &str) -> Option<f64> {
        self.facts.iter().find(|fact| fact.name == name).map(|fact| fact.sum / fact.tasks as f64)
    }

    /// Counted replies of the measured window, if anything is counted.
    pub fn counted_in_window(&self) -> Option<u64> {
        self.count.map(|(_, warmup)| self.counted - if self.counted >= warmup { warmup } else { 0 })
    }

    /// Tasks of the run.
    pub fn tasks(&self) -> usize {
        self.agents.len()
    }

    #[allow(clippy::inline_always, reason = "see `Trace::record`")]
    #[inline(always)]
    pub(super) fn take(&mut self, record: &Record) {
        let Record { at, task, ref body, .. } = *record;
        self.end = at;
        self.records += 1;
        match body {
            Body::Arrived | Body::TimerFired { .. } => {}
            Body::Called { purpose, board_tokens, .. } => {
                let counts = &mut self.calls[purpose.code() as usize];
                counts.issued += 1;
                counts.board_tokens += board_tokens;
                self.in_flight += 1;
            }
            Body::Waits { agent, background, phase, .. } => {
                if !background {
                    self.enter(at, task, *agent, *phase, None);
                }
            }
            Body::Served { agent, background, purpose, .. } => {
                if !background {
                    self.enter(at, task, *agent, phase_of(*purpose), None);
                }
            }
            Body::TryFailed { purpose, .. } => self.calls[purpose.code() as usize].failed_tries += 1,
            Body::Replied { agent, purpose, background, usage, cost, duplicate, sojourn, service, .. } => {
                let counts = &mut self.calls[purpose.code() as usize];
                counts.answered += 1;
                counts.usage.add(usage);
                counts.cost += cost.total();
                counts.sojourn += *sojourn;
                counts.service += *service;
                self.in_flight -= 1;
                self.cost.add(cost);
                if *background {
                    self.overlap += *service;
                } else {
                    let moved = duplicate.then_some(Phase::Duplicated);
                    self.enter(at, task, *agent, Phase::InputWait, moved);
                }
                if let Some((counted, warmup)) = self.count
                    && counted == *purpose
                {
                    self.counted += 1;
                    if self.counted == warmup {
                        self.restart(at);
                    }
                }
            }
            Body::Failed { agent, purpose, background, cost, usage, .. } => {
                let counts = &mut self.calls[purpose.code() as usize];
                counts.failed += 1;
                self.ended(at, task, *agent, *purpose, *background, usage, cost);
            }
            Body::Cancelled { agent, purpose, background, cost, usage, .. } => {
                let counts = &mut self.calls[purpose.code() as usize];
                counts.cancelled += 1;
                self.ended(at, task, *agent, *purpose, *background, usage, cost);
            }
            Body::Noted { note, unsupported } => self.note(at, task, note, *unsupported),
            Body::Finished { right, facts } => self.finished(at, task, right, facts),
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of one record")]
    fn ended(
        &mut self,
        at: Time,
        task: TaskId,
        agent: AgentId,
        purpose: Purpose,
        background: bool,
        usage: &Usage,
        cost: &Roles,
    ) {
        let counts = &mut self.calls[purpose.code() as usize];
        counts.usage.add(usage);
        counts.cost += cost.total();
        self.in_flight -= 1;
        self.cost.add(cost);
        if !background {
            self.enter(at, task, agent, Phase::InputWait, None);
        }
    }

    /// An agent goes over to a phase; the stay that ends may be moved to another phase whole.
    fn enter(&mut self, at: Time, task: TaskId, agent: AgentId, phase: Phase, moved: Option<Phase>) {
        let lead = agent.0 >= self.team.workers;
        let now = &mut self.agents[task.index()][agent.index()];
        if now.phase == phase && moved.is_none() {
            return;
        }
        let station = if lead { &mut self.leads } else { &mut self.workers };
        let ended = moved.unwrap_or(now.phase) as usize;
        station.time[ended] += at - now.since;
        if now.phase == phase {
            now.since = at;
            return;
        }
        station.stays[ended] += u64::from(at > now.entered);
        station.stayed[ended] += at - now.entered;
        *now = Now { phase, since: at, entered: at };
    }

    fn note(&mut self, at: Time, task: TaskId, note: &Note, unsupported: bool) {
        match *note {
            Note::Phase(agent, phase) => self.enter(at, task, agent, phase, None),
            Note::Created { count, .. } => self.subtasks.created += u64::from(count),
            Note::Done(_) => self.subtasks.done += 1,
            Note::Abandoned(_) => self.subtasks.abandoned += 1,
            Note::Claimed(..) => self.subtasks.claimed += 1,
            Note::Released(..) => self.subtasks.released += 1,
            Note::Proposed(..) => self.gate.proposed += 1,
            Note::Admitted { agent, tokens, stale_by, .. } => {
                self.gate.admitted += 1;
                self.gate.admitted_unsupported += u64::from(unsupported);
                if self.watch.is_none_or(|w| w == agent.0) {
                    self.staleness.missed += u64::from(stale_by);
                    self.staleness.writes += 1;
                    self.staleness.stale_writes += u64::from(stale_by > 0);
                }
                self.board_tokens += u64::from(tokens);
            }
            Note::Rejected(..) => {
                self.gate.rejected += 1;
                self.gate.rejected_supported += u64::from(!unsupported);
            }
            Note::Withdrawn(..) => self.gate.withdrawn += 1,
            Note::Compacted(_) => self.compactions += 1,
            Note::GaveUp(..) => self.given_up += 1,
            Note::Submitted(..) => {
                self.submitted[task.index()].push(at);
                if !unsupported && self.first_right[task.index()].is_none() {
                    self.first_right[task.index()] = Some(at);
                }
            }
            Note::Kept { .. } => {}
        }
    }

    fn finished(&mut self, at: Time, task: TaskId, right: &[bool], facts: &[(std::borrow::Cow<'static, str>, f64)]) {
        self.close(at, task);
        self.makespans.push(at);
        self.right.push(right.iter().filter(|r| **r).count() as u64);
        self.submissions.push(right.len() as u64);
        for (name, value) in facts {
            match self.facts.iter_mut().find(|fact| fact.name == *name) {
                Some(fact) => {
                    fact.sum += value;
                    fact.tasks += 1;
                }
                None => self.facts.push(Fact { name: name.to_string(), sum: *value, tasks: 1 }),
            }
        }
        self.latencies.first_success.extend(self.first_right[task.index()]);
        let times = &self.submitted[task.index()];
        if let Some(last) = times.iter().max() {
            let total: f64 = times.iter().map(|t| t.as_secs_f64()).sum();
            self.latencies.last_worker.push(*last);
            self.latencies.first_success_or_last.push(self.first_right[task.index()].unwrap_or(*last));
            self.latencies.mean_worker.push(total / times.len() as f64);
        }
    }

    /// Starts measuring anew; agents stay where they are.
    fn restart(&mut self, at: Time) {
        let fresh = Self::new(&self.team, self.tasks() as u32, self.count, self.watch);
        let old = std::mem::replace(self, fresh);
        self.agents = old.agents;
        for now in self.agents.iter_mut().flatten() {
            now.since = at;
        }
        self.submitted = old.submitted;
        self.first_right = old.first_right;
        self.in_flight = old.in_flight;
        self.counted = old.counted;
        self.start = at;
        self.end = at;
    }

    /// Ends the stays of a task's agents where they are.
    fn close(&mut self, at: Time, task: TaskId) {
        for agent in 0..self.team.workers + self.team.leads {
            let phase = self.agents[task.index()][agent as usize].phase;
            self.enter(at, task, AgentId(agent), phase, Some(phase));
        }
    }

    /// The run was stopped here.
    pub fn stop(&mut self, at: Time) {
        for task in 0..self.agents.len() as u32 {
            self.close(at, TaskId(task));
        }
        self.end = at;
    }
}
