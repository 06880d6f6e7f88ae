//! Rounds: workers are gathered, briefed, awaited at a barrier; then their reports are merged and the next round begins.
//!
//! ```text
//! open -> briefs -> [clock] -> working -> barrier: all | any | k of N | time -> recall the late -> merge -> open ...
//! ```
//!
//! Invariant: counts say how many are still to be briefed and how many are back; nobody scans the team to find out.

use super::{Flow, Job, Lead, Stage, Told};
use crate::kernel::Span;
use crate::model::call::Finding;
use crate::model::ids::{AgentId, TimerId};
use crate::model::note::{Note, Phase};
use crate::policy::protocol::Outbox;
use crate::policy::settings::{Barrier, Dispatch, Round};

/// The running round.
#[derive(Debug)]
pub(super) struct Rounds {
    dispatch: Dispatch,
    rules: Round,
    team: u32,
    /// Who takes part, in order.
    roster: Vec<u32>,
    /// Of those, how many have not been briefed yet.
    unbriefed: u32,
    /// Of those, how many are back.
    back: u32,
    /// Their reports, in order of arrival.
    reports: Vec<Told>,
    /// Ends the round, from its first worker's start on.
    cutoff: Option<TimerId>,
    /// Rounds that ended.
    ended: u32,
}

impl Rounds {
    pub(super) fn new(dispatch: Dispatch, rules: Round, team: u32) -> Self {
        let (roster, reports) = (Vec::new(), Vec::new());
        Self { dispatch, rules, team, roster, unbriefed: 0, back: 0, reports, cutoff: None, ended: 0 }
    }

    /// Workers that can take part.
    pub(super) fn most(&self) -> u32 {
        if self.dispatch == Dispatch::Sequential { 1 } else { self.team }
    }

    /// Whether one call briefs all.
    pub(super) fn briefs_all_at_once(&self) -> bool {
        self.dispatch == Dispatch::Parallel
    }

    /// Opens a round of these workers; returns its number.
    pub(super) fn open(&mut self, workers: &[u32]) -> u32 {
        self.roster.clear();
        self.roster.extend_from_slice(workers);
        self.unbriefed = workers.len() as u32;
        self.back = 0;
        self.ended
    }

    /// Whether this is the round that runs.
    pub(super) fn is_running(&self, round: u32) -> bool {
        round == self.ended
    }

    /// Some of the round are briefed; returns those who start now.
    fn brief(&mut self, workers: &[u32]) -> Vec<u32> {
        self.unbriefed -= workers.len() as u32;
        match self.dispatch {
            Dispatch::Pipelined => workers.to_vec(),
            _ if self.unbriefed == 0 => self.roster.clone(),
            _ => Vec::new(),
        }
    }

    /// The first worker of a round starts: its time runs.
    fn start_clock(&mut self, out: &mut Outbox) {
        if let (Barrier::Timeout { seconds }, None) = (self.rules.barrier, self.cutoff) {
            self.cutoff = Some(out.set_timer(Span::from_secs_f64(seconds)));
        }
    }

    /// Whether this timer ends the round.
    pub(super) fn is_cut_off(&mut self, timer: TimerId) -> bool {
        let is = self.cutoff == Some(timer);
        if is {
            self.cutoff = None;
        }
        is
    }

    pub(super) fn stop_clock(&mut self, out: &mut Outbox) {
        if let Some(timer) = self.cutoff.take() {
            out.cancel_timer(timer);
        }
    }

    /// Whether enough are back before all are.
    fn is_enough(&self) -> bool {
        match self.rules.barrier {
            Barrier::All | Barrier::Timeout { .. } => false,
            Barrier::Any => self.back >= 1,
            Barrier::KOfN { k } => self.back >= k,
        }
    }

    /// What came back so far.
    pub(super) fn take_reports(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.reports)
    }
}

impl Lead {
    /// A brief is written, or could not be.
    pub(super) fn briefed(&mut self, workers: &[u32], brief: Option<Finding>, out: &mut Outbox) {
        for &i in workers {
            if let Stage::Due { brief: due, .. } = &mut self.members[i as usize].stage {
                *due = brief;
            }
        }
        let starting = match &mut self.flow {
            Flow::Served(_) => workers.to_vec(),
            Flow::Rounds(rounds) => rounds.brief(workers),
        };
        if let (Flow::Rounds(rounds), false) = (&mut self.flow, starting.is_empty()) {
            rounds.start_clock(out);
        }
        for i in starting {
            self.begin(i, out);
        }
    }

    /// A worker of the round is back.
    pub(super) fn at_the_barrier(&mut self, i: u32, told: Option<Told>, out: &mut Outbox) {
        let Flow::Rounds(rounds) = &mut self.flow else { return };
        rounds.reports.extend(told);
        rounds.back += 1;
        let over = self.out == 0 || rounds.is_enough();
        out.note(Note::Phase(AgentId(i), Phase::BarrierWait));
        if over {
            self.end_round(out);
        }
    }

    /// The round is over: what came back is kept, who is still out is called off.
    pub(super) fn end_round(&mut self, out: &mut Outbox) {
        let Flow::Rounds(rounds) = &mut self.flow else { return };
        rounds.stop_clock(out);
        let roster = std::mem::take(&mut rounds.roster);
        let first = rounds.ended == 0;
        // Those not yet briefed will not be.
        rounds.ended += 1;
        let reports = rounds.take_reports();
        let merge = rounds.rules.merge && !reports.is_empty();
        self.recall(roster.iter().copied(), out);
        self.desk.drop_briefs();
        for told in &reports {
            self.keep(told, out);
        }
        // After the first round, those who had no part in it wait like the others; they still do after the next.
        let waiting: Vec<u32> = if first { (0..self.members.len() as u32).collect() } else { roster };
        for i in waiting {
            let phase = if self.agenda.is_closed(i) { Phase::IdleTail } else { Phase::RelayWait };
            out.note(Note::Phase(AgentId(i), phase));
        }
        if merge {
            self.enqueue(Job::Merge(reports.len() as u32), out);
        } else {
            self.hand_out(out);
        }
    }
}
