//! What the policy does in a strict replay: it must be what was recorded, at the same place of the trace.

use super::{Asked, Due, Strict};
use crate::kernel::Time;
use crate::model::call::{Outcome, Request};
use crate::model::ids::{CallId, EndpointId, FindingId, TaskId};
use crate::model::note::Note;
use crate::model::workload::Truth;
use crate::record::trace::Told;
use crate::record::transcript::{CallLine, Stage, Status, content_key};
use crate::runtime::replay::bill::unpaid;
use crate::runtime::replay::checks::{asks_the_same, misgraded, unusable};
use crate::runtime::replay::divergence::Divergence;
use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};

/// What a recording tells of the worth of a task's findings.
struct Recorded<'a> {
    unsupported: Option<&'a BTreeSet<u32>>,
    right: Option<&'a BTreeSet<u32>>,
}

impl Truth for Recorded<'_> {
    fn is_unsupported(&self, finding: FindingId) -> bool {
        self.unsupported.is_some_and(|set| set.contains(&finding.0))
    }

    fn is_right(&self, finding: Option<FindingId>) -> bool {
        finding.zip(self.right).is_some_and(|(finding, set)| set.contains(&finding.0))
    }
}

impl Strict {
    /// Who serves a request by the scenario; a live run's plain code may serve it too.
    fn endpoint(&self, i: usize, request: &Request) -> EndpointId {
        let due = if self.measured { self.fleet.model_of(request) } else { self.fleet.endpoint_of(request) };
        let is_code = self.measured && self.endpoints[i] == Some(self.fleet.free);
        if is_code { self.fleet.free } else { due }
    }

    pub(super) fn call(&mut self, task: TaskId, id: CallId, request: Request) {
        let key = (task.0, content_key(task, &request));
        let Some(i) = self.by_key.get_mut(&key).and_then(VecDeque::pop_front) else {
            let divergence = Divergence::unknown_call(task, id, &request, self.nearest(task, id, &request));
            self.diverge(divergence);
            return;
        };
        let (line, call) = &self.calls[i];
        if !asks_the_same(call, task, &request) {
            let divergence = Divergence::changed_call(task, &request, *line, call);
            self.diverge(divergence);
            return;
        }
        let endpoint = self.endpoint(i, &request);
        let simulated = !self.measured;
        let problem = unusable(call, self.trace.len(), self.now)
            .or_else(|| if simulated { unpaid(call, &request, &self.fleet, endpoint) } else { None });
        if let Some(problem) = problem {
            let divergence = Divergence::about_call(*line, call, problem);
            self.diverge(divergence);
            return;
        }
        for (stage, moment) in call.moments.iter().enumerate().skip(1) {
            if self.due.insert(moment.seq, Due::Stage(i, stage)).is_some() {
                let what = format!("field `moments[{stage}].seq`: something else is recorded as {} too", moment.seq);
                let divergence = Divergence::about_call(*line, call, what);
                self.divergence.get_or_insert(divergence);
                return;
            }
        }
        self.trace.asked(self.now, &Told::of(task, id, &request), &request, endpoint);
        self.asked[i] = Some(Asked { id, request });
        self.by_id.insert((task, id), i);
        self.settle();
    }

    /// What the recording has where the policy asks for something else: the same question with another prompt, else
    /// the call of the same number.
    fn nearest(&self, task: TaskId, id: CallId, r: &Request) -> Option<(u64, &CallLine)> {
        let free = |(i, _): &(usize, &(u64, CallLine))| self.asked[*i].is_none();
        let same = |c: &CallLine| {
            (c.task, c.agent, c.purpose, c.about) == (task.0, r.agent.0, r.purpose, r.about)
                && c.background == r.background
        };
        let found = self.calls.iter().enumerate().filter(free).find(|(_, (_, c))| same(c)).or_else(|| {
            self.calls.iter().enumerate().filter(free).find(|(_, (_, c))| (c.task, c.call) == (task.0, id.0))
        });
        found.map(|(_, (line, call))| (*line, call))
    }

    /// The policy cancels a call; its recorded cancellation must be due.
    pub(super) fn cancel(&mut self, task: TaskId, id: CallId) {
        let Some(&i) = self.by_id.get(&(task, id)) else { return };
        let (line, call) = &self.calls[i];
        let over = call.moments.last().is_some_and(|m| m.seq < self.trace.len());
        if over && call.status != Status::Open {
            return;
        }
        let due = call.moments.iter().position(|m| m.stage == Stage::Cancelled && m.seq == self.trace.len());
        let Some(stage) = due else {
            let what = format!("the policy cancels this call at {} ns, the recording does not", self.now.as_nanos());
            let divergence = Divergence::about_call(*line, call, what);
            self.diverge(divergence);
            return;
        };
        let seq = call.moments[stage].seq;
        self.due.remove(&seq);
        self.stage(i, stage);
        self.settle();
    }

    pub(super) fn note(&mut self, task: TaskId, note: Note) {
        if let Note::Created { count, .. } = note {
            *self.created.entry(task.0).or_default() += count;
        }
        let truth = Recorded { unsupported: self.unsupported.get(&task.0), right: self.right.get(&task.0) };
        self.trace.noted(self.now, task, note, &truth);
        self.settle();
    }

    pub(super) fn finish(&mut self, task: TaskId, outcome: &Outcome) {
        // Calls under way end with the task, in the recorded order.
        while let Some((&seq, &Due::Stage(i, stage))) = self.due.first_key_value() {
            let (_, call) = &self.calls[i];
            if seq != self.trace.len() || call.task != task.0 || call.moments[stage].stage != Stage::Cancelled {
                break;
            }
            self.due.remove(&seq);
            self.stage(i, stage);
            self.settle();
        }
        let seq = self.trace.len();
        let Some((place, line)) = self.finishes.iter().find(|(_, f)| f.task == task.0 && f.seq == seq) else {
            let what = format!("task {} ends at {} ns, the recording goes on", task.0, self.now.as_nanos());
            self.diverge(Divergence::told(what));
            return;
        };
        if line.right.len() > outcome.submissions.len() {
            let (recorded, now) = (line.right.len(), outcome.submissions.len());
            let what = format!("task {} ends with {now} submissions, recorded are {recorded}", task.0);
            self.diverge(Divergence::told(what));
            return;
        }
        let now = (!self.measured).then_some(self.now);
        if let Some(problem) = misgraded(line, outcome, self.right.get(&task.0), now) {
            let divergence = Divergence { line: Some(*place), ..Divergence::told(problem) };
            self.diverge(divergence);
            return;
        }
        let facts = line.facts.iter().map(|(name, value)| (Cow::Owned(name.clone()), *value)).collect();
        self.trace.finished(Time::from_nanos(line.at_ns), task, line.right.clone(), facts);
        self.open -= 1;
    }
}
