//! Taking up a run again: what its journal tells happens once more, in the order and at the times of its records, and
//! nothing is sent; then the present begins.
//!
//! Invariant: a journalled reply is used and never asked for again; what the run asks and answers is compared with the
//! journal, and a difference ends it before anything is sent.

use super::call::Pending;
use super::ending::Ending;
use super::past::Happened;
use super::{Live, Ready, Stop};
use crate::kernel::Time;
use crate::live::chat::Transport;
use crate::live::desk::Rendered;
use crate::model::call::{Answer, CallError, Reply, Usage};
use crate::model::ids::{CallId, TaskId, TimerId};
use crate::policy::Event;
use crate::record::trace::{Answered, Bill, Said};
use crate::record::transcript::{CallLine, Stage, Status};
use crate::runtime::driver::Delivery;

impl<T: Transport> Live<'_, T> {
    fn diverged(&mut self, what: &str) {
        let now = self.now;
        self.stop(Stop::Diverged(format!("the journal tells of another run: {what}")), now);
    }

    /// The call that is asked for stands in the journal with the same content and the same texts.
    pub(super) fn check_same(&mut self, pending: &Pending, rendered: &Rendered) {
        let name = (pending.task.0, pending.id.0);
        let line = self.past.calls.get(&name);
        let recorded = line.map(|c| c.key.as_str());
        let recorded = recorded.or_else(|| self.past.tries(pending.task, pending.id).map(|t| t.key.as_str()));
        let of = format!("call {} of task {} ({})", name.1, name.0, pending.request.purpose.name());
        if let Some(recorded) = recorded.filter(|key| *key != pending.key) {
            self.diverged(&format!("{of} has the key {recorded} there and {} now", pending.key));
            return;
        }
        if let (Some(line), Rendered::Ask(chat)) = (line, rendered) {
            let mut pairs = line.request.layout.iter().zip(&chat.span_keys);
            if let Some((span, _)) = pairs.find(|(span, now)| span.key.as_ref().is_some_and(|key| key != *now)) {
                let part = serde_json::to_value(span.role).unwrap_or_default();
                let part = part.as_str().unwrap_or("prompt");
                self.diverged(&format!("{of} has other words in its {part}; are the questions the same?"));
            }
        }
    }

    /// The next event of the past. `None`: it only was a stage of a call, or the present begins.
    pub(super) fn re_drive(&mut self) -> Option<Delivery> {
        let Some((seq, at, what)) = self.past.events.pop_front() else {
            self.begin_present();
            return None;
        };
        self.trace.skip_to(seq);
        self.advance(at);
        match what {
            Happened::Arrived(task) => {
                let task = TaskId(task);
                self.ready.retain(|r| *r != Ready::Arrive(task));
                self.trace.cause = self.trace.arrived(self.now, task);
                Some(Delivery { task, at: self.now, event: Event::Started })
            }
            Happened::Timer(task, timer) => {
                let (task, timer) = (TaskId(task), TimerId(timer));
                self.timers.retain(|_, set| *set != (task, timer));
                self.trace.cause = self.trace.timer_fired(self.now, task, timer);
                Some(Delivery { task, at: self.now, event: Event::TimerFired(timer) })
            }
            Happened::Waits(task, call, phase) => {
                let told = self.pending(task, call)?.told();
                self.trace.waits(at, &told, phase);
                None
            }
            Happened::Served(task, call) => {
                let pending = self.pending(task, call)?;
                pending.served_at = Some(at);
                let told = pending.told();
                self.trace.served(at, &told);
                None
            }
            Happened::TryFailed(task, call, error) => {
                let told = self.pending(task, call)?.told();
                self.trace.try_failed(at, &told, error);
                None
            }
            Happened::Replied(task, call) => self.replied_before(task, call),
            Happened::Failed(task, call, error) => self.failed_before(task, call, error),
        }
    }

    fn pending(&mut self, task: u32, call: u64) -> Option<&mut Pending> {
        let name = (TaskId(task), CallId(call));
        if !self.calls.contains_key(&name) {
            self.diverged(&format!("call {call} of task {task} is not asked for now"));
            return None;
        }
        self.calls.get_mut(&name).map(|p| &mut **p)
    }

    /// Takes a call out that the journal ends, with its line.
    fn ended_before(&mut self, task: u32, call: u64) -> Option<(Box<Pending>, CallLine)> {
        self.pending(task, call)?;
        let name = (TaskId(task), CallId(call));
        let mut pending = self.calls.remove(&name)?;
        self.withdraw(&mut pending);
        let line = self.past.calls.get(&(task, call)).cloned().expect("its line made the event");
        self.measured.journalled += u64::from(pending.known.is_none());
        self.measured.known += u64::from(pending.known.is_some());
        self.measured.retries += u64::from(line.retries);
        self.measured.estimated += u64::from(line.usage.estimated);
        let unreadable = line.response.as_ref().is_some_and(|r| r.unreadable_text.is_some());
        self.measured.repairs += u64::from(unreadable);
        Some((pending, line))
    }

    fn replied_before(&mut self, task: u32, call: u64) -> Option<Delivery> {
        let (pending, line) = self.ended_before(task, call)?;
        let (task, id) = (pending.task, pending.id);
        let told = pending.told();
        let recorded = line.response.as_ref().and_then(|r| r.answer.clone());
        let (now, readable) = self.answer_again(&pending, &line);
        let (Some(answer), true) = (now.clone(), now == recorded) else {
            let show = |answer: &Option<Answer>| match answer {
                Some(answer) => serde_json::to_string(answer).unwrap_or_default(),
                None => "nothing".to_owned(),
            };
            let (there, here) = (show(&recorded), show(&now));
            self.diverged(&format!(
                "call {call} of task {} was answered {there} there and is read as {here} now",
                task.0
            ));
            return None;
        };
        let usage = Usage::from(line.usage);
        let first_token = line.first_token_ns.map(Time::from_nanos);
        if pending.known.is_none() {
            self.session.lost[pending.endpoint.index()] = 0;
        }
        let sojourn = self.now - pending.called_at;
        let service = pending.service(self.now);
        if pending.known.is_none() {
            self.measured.from_intended.push(sojourn);
            self.measured.from_dispatch.push(service);
            let older = || if readable { Ending::Answered } else { Ending::of_older_reply(&line) };
            self.end_again(&pending, Ending::of_line(&line).unwrap_or_else(older));
            let first = first_token.zip(pending.served_at).map(|(first, served)| first.max(served) - served);
            self.measured.first_token.extend(first);
        }
        let said = Some(Said { answer: &answer, usage: &usage, first_token });
        let answered = Answered { said, duplicate: line.duplicate, sojourn, service };
        self.trace.cause = self.trace.replied(self.now, &told, &answered, line.bill());
        Some(Delivery { task, at: self.now, event: Event::Replied(id, Reply { answer, usage, sojourn }) })
    }

    /// Counts the end of a journalled call; whoever recorded it was told already if calls ended alike.
    fn end_again(&mut self, pending: &Pending, ending: Ending) {
        self.session.hopeless[pending.endpoint.index()].note(pending.request.purpose, &ending);
        self.measured.endings.note(ending);
    }

    /// What a journalled text says to the desk, as when it came, and whether that can be read.
    fn answer_again(&mut self, pending: &Pending, line: &CallLine) -> (Option<Answer>, bool) {
        if let Some(known) = &pending.known {
            return (Some(known.clone()), true);
        }
        let Some(response) = &line.response else { return (None, false) };
        let desk = &mut self.tasks[pending.task.index()].desk;
        let Some(text) = response.text.as_deref() else { return (None, false) };
        if let Ok(answer) = desk.read(&pending.request, text) {
            return (Some(answer), true);
        }
        self.measured.salvaged += 1;
        let best = desk.salvage(&pending.request, text);
        (best.or_else(|| desk.salvage(&pending.request, response.unreadable_text.as_deref()?)), false)
    }

    fn failed_before(&mut self, task: u32, call: u64, error: CallError) -> Option<Delivery> {
        let (pending, line) = self.ended_before(task, call)?;
        let ending = Ending::of_line(&line).unwrap_or_else(|| Ending::of_older_failure(&line, error));
        let response = line.response.as_ref();
        let reason = match response.and_then(|r| r.text.as_ref()) {
            Some(_) => Some(ending.of_one()),
            None => response.and_then(|r| r.finish_reason.clone()),
        };
        self.measured.failed(reason);
        self.end_again(&pending, ending);
        let tries = line.moments.iter().filter(|m| matches!(m.stage, Stage::TryFailed(_))).count();
        let retries = self.fleet.endpoints[pending.endpoint.index()].retries;
        self.session.lost[pending.endpoint.index()] += u32::from(tries > usize::from(retries));
        let (task, id) = (pending.task, pending.id);
        self.trace.cause = self.trace.failed(self.now, &pending.told(), error, line.bill());
        Some(Delivery { task, at: self.now, event: Event::Failed(id, error) })
    }

    /// The bill of a call that the policy cancels once more.
    pub(super) fn cancelled_before(&self, pending: &Pending) -> Bill {
        match self.past.calls.get(&(pending.task.0, pending.id.0)) {
            Some(line) if line.status == Status::Cancelled => line.bill(),
            _ => pending.bill(),
        }
    }

    /// The journal is used up: real time goes on from its last line.
    fn begin_present(&mut self) {
        let owed = self.journal.as_ref().map_or(0, super::journal::Journal::skipping);
        // A complete run still owes its end line.
        let rest = u64::from(self.past.complete);
        if self.stop.is_none() && owed != rest {
            self.diverged(&format!("{owed} of its lines do not come again"));
            return;
        }
        if self.past.complete && self.open > 0 {
            self.diverged("it came to its end there and does not now");
            return;
        }
        if let Some(Err(error)) = self.journal.as_ref().map(super::journal::Journal::begin) {
            let now = self.now;
            self.stop(Stop::Journal(error.to_string()), now);
            return;
        }
        self.is_present = true;
        let last = self.past.last;
        if self.past.run.is_some() {
            self.transport.set(last);
        }
        // What waits could leave from now on, not from when it was first asked for.
        let now = self.transport.now();
        for name in &self.waiting {
            if let Some(pending) = self.calls.get_mut(name) {
                pending.due = pending.due.max(now);
            }
        }
    }
}
