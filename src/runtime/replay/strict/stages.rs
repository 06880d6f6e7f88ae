//! What the recording makes happen in a strict replay: stages of calls and timers, each at its record number.

use super::{Due, Strict};
use crate::kernel::{Span, Time};
use crate::model::call::Reply;
use crate::model::ids::{TaskId, TimerId};
use crate::policy::Event;
use crate::record::trace::{Answered, Said, Told};
use crate::record::transcript::Stage;
use crate::runtime::driver::Delivery;
use crate::runtime::replay::checks::unanswerable;
use crate::runtime::replay::divergence::Divergence;

impl Strict {
    /// Records the stages that are due now and that no policy hears of.
    pub(super) fn settle(&mut self) {
        while let Some((&seq, &due)) = self.due.first_key_value() {
            let Due::Stage(i, stage) = due else { return };
            let moment = self.calls[i].1.moments[stage];
            if seq != self.trace.len() || !matches!(moment.stage, Stage::Waits(_) | Stage::Served | Stage::TryFailed(_))
            {
                return;
            }
            self.due.remove(&seq);
            self.now = Time::from_nanos(moment.at_ns);
            self.stage(i, stage);
        }
    }

    /// Records one stage of a call.
    pub(super) fn stage(&mut self, i: usize, stage: usize) -> Option<Delivery> {
        let (_, line) = &self.calls[i];
        let moment = line.moments[stage];
        let at = Time::from_nanos(moment.at_ns);
        let asked = self.asked[i].as_ref().expect("only stages of calls that were asked for are due");
        let (call, told, bill) = (asked.id, Told::of(TaskId(line.task), asked.id, &asked.request), line.bill());
        match moment.stage {
            Stage::Called => unreachable!("the first stage is recorded when the policy asks"),
            Stage::Waits(phase) => self.trace.waits(at, &told, phase),
            Stage::Served => self.trace.served(at, &told),
            Stage::TryFailed(error) => self.trace.try_failed(at, &told, error),
            Stage::Cancelled => self.trace.cancelled(at, &told, bill),
            Stage::Failed(error) => {
                let seq = self.trace.failed(at, &told, error, bill);
                return Some(self.deliver(seq, at, told.task, Event::Failed(call, error)));
            }
            Stage::Replied => {
                let served = line.moments.iter().rev().find(|m| m.stage == Stage::Served);
                let (sojourn, service) =
                    (since(at, line.moments[0].at_ns), since(at, served.map_or(moment.at_ns, |m| m.at_ns)));
                let answer = line.response.as_ref().and_then(|r| r.answer.clone());
                let answer = answer.expect("checked when the call was asked for");
                let usage = line.usage.into();
                let first_token = line.first_token_ns.map(Time::from_nanos);
                let said = Some(Said { answer: &answer, usage: &usage, first_token });
                let answered = Answered { said, duplicate: line.duplicate, sojourn, service };
                let seq = self.trace.replied(at, &told, &answered, bill);
                return Some(self.deliver(seq, at, told.task, Event::Replied(call, Reply { answer, usage, sojourn })));
            }
        };
        None
    }

    /// Diverges if the recorded answer would make no sense to the policy now.
    pub(super) fn refuses_answer(&mut self, i: usize, stage: usize) -> bool {
        let (line, call) = &self.calls[i];
        if call.moments[stage].stage != Stage::Replied {
            return false;
        }
        let created = self.created.get(&call.task).copied().unwrap_or_default();
        let answer = call.response.as_ref().and_then(|r| r.answer.as_ref());
        let Some(problem) = answer.and_then(|a| unanswerable(call.purpose, a, self.subtasks, created)) else {
            return false;
        };
        let divergence = Divergence::about_call(*line, call, problem);
        self.diverge(divergence);
        true
    }

    /// Hands the policy an event, which is record `seq`.
    pub(super) fn deliver(&mut self, seq: u64, at: Time, task: TaskId, event: Event) -> Delivery {
        (self.trace.cause, self.event_at) = (seq, at);
        Delivery { task, at, event }
    }

    /// A timer runs out: the policy must have set it for this instant.
    pub(super) fn timer_fires(&mut self, task: TaskId, timer: TimerId, at: Time) -> Option<Delivery> {
        let what = match self.timers.remove(&(task, timer)) {
            Some(due) if due == at || self.measured && due < at => {
                let seq = self.trace.timer_fired(at, task, timer);
                return Some(self.deliver(seq, at, task, Event::TimerFired(timer)));
            }
            Some(due) => format!("is set for {} ns by the policy", due.as_nanos()),
            None => "is not set by the policy".to_owned(),
        };
        let what = format!("timer {} of task {} ran out at {} ns, but {what}", timer.0, task.0, at.as_nanos());
        self.diverge(Divergence::told(what));
        None
    }
}

fn since(at: Time, earlier_ns: u64) -> Span {
    Span::from_nanos(at.as_nanos().saturating_sub(earlier_ns))
}
