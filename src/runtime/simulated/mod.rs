//! Simulated time: a calendar, endpoints with limits, and the hidden truth of the workload behind one world.
//!
//! Invariant: a call is in exactly one place: waiting for a limit, waiting for a slot, in service, or backing off; it
//! ends exactly once, as a reply, a failure or a cancellation.

mod call;
mod limits;
mod station;
mod streams;

use super::driver::{Delivery, RunError, World};
use super::fleet::Fleet;
use crate::kernel::{Address, Calendar, Draws, Key, Span, Time};
use crate::model::call::{Answer, CallError, Outcome, Reply, Request};
use crate::model::ids::{CallId, TaskId, TimerId};
use crate::model::note::Note;
use crate::model::workload::Workload;
use crate::policy::{Command, Event};
use crate::record::trace::{Answered, Said, Told, Trace};
use call::{Calls, Pending};
use station::Station;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// What is due in the calendar.
#[derive(Clone, Copy, Debug)]
enum Due {
    Arrive(TaskId),
    /// A try ends well.
    Done(u32),
    /// A try ends badly.
    Broken(u32, CallError),
    /// A stream of an endpoint comes to its first token or its end, where streams disturb each other.
    Stream(u16),
    /// A backed-off call comes again.
    Again(u32),
    /// An endpoint's limit may admit the next call.
    Admit(u16),
    /// A call that was cancelled in service has left its slot.
    Vacant(u16),
    Timer(TaskId, TimerId),
}

#[derive(Debug)]
struct Task {
    workload: Workload,
    timers: HashMap<TimerId, crate::kernel::EventId>,
    over: bool,
}

/// The simulated world of one replication.
pub struct Simulated {
    fleet: Arc<Fleet>,
    key: Key,
    calendar: Calendar<Due>,
    stations: Vec<Station>,
    tasks: Vec<Task>,
    calls: Calls,
    /// The draws of the call that came last: mostly it is served at once.
    drawn: Draws,
    open: usize,
    stop_after: Option<u64>,
    clock_ended: bool,
    /// The trace of everything that happened.
    pub trace: Trace,
}

impl Simulated {
    /// A world with one workload per task; all tasks arrive at time zero.
    pub fn new(fleet: Arc<Fleet>, key: Key, workloads: Vec<Workload>, trace: Trace, stop_after: Option<u64>) -> Self {
        let mut calendar = Calendar::new();
        for task in 0..workloads.len() as u32 {
            calendar.schedule(Time::ZERO, Due::Arrive(TaskId(task)));
        }
        let tasks: Vec<Task> =
            workloads.into_iter().map(|workload| Task { workload, timers: HashMap::new(), over: false }).collect();
        Self {
            stations: fleet.endpoints.iter().map(Station::new).collect(),
            open: tasks.len(),
            calls: Calls::default(),
            drawn: key.draws(Address::default()),
            fleet,
            key,
            calendar,
            tasks,
            stop_after,
            clock_ended: false,
            trace,
        }
    }

    /// Takes in a policy's request.
    fn call(&mut self, task: TaskId, id: CallId, request: Box<Request>) {
        let now = self.calendar.now();
        let outlook = self.tasks[task.index()].workload.prepare(&request);
        let endpoint = self.fleet.endpoint_of(&request);
        let told = Told::of(task, id, &request);
        self.trace.asked(now, &told, &request, endpoint);
        self.drawn = outlook.draws;
        let pending = Pending::new(told, endpoint, request, outlook, now);
        let slot = self.calls.insert(pending);
        self.arrive(slot);
    }

    fn note(&mut self, task: TaskId, note: Note) {
        let now = self.calendar.now();
        let workload = &mut self.tasks[task.index()].workload;
        workload.observe(&note);
        self.trace.noted(now, task, note, &*workload);
    }

    fn finish(&mut self, task: TaskId, outcome: &Outcome) {
        let now = self.calendar.now();
        for slot in self.calls.of_task(task) {
            self.cancel(slot);
        }
        let score = self.tasks[task.index()].workload.score(outcome);
        let facts = score.facts.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect();
        self.trace.finished(now, task, score.right, facts);
        let state = &mut self.tasks[task.index()];
        assert!(!state.over, "a task finishes once");
        state.over = true;
        self.open -= 1;
    }

    fn replied(&mut self, now: Time, slot: u32) -> Delivery {
        self.leave(now, slot);
        let Self { fleet, tasks, calls, trace, .. } = self;
        let p = calls.ended(slot);
        let told = p.told;
        let duplicate = tasks[told.task.index()].workload.completed(now, told.purpose, told.about.line, &p.answer);
        let service = p.service().expect("a call is answered in service");
        let answered = Answered {
            said: Some(Said {
                answer: &p.answer,
                usage: &p.usage,
                first_token: Some(service.since + service.first_token),
            }),
            duplicate,
            sojourn: now - p.called_at,
            service: now - service.since,
        };
        let bill = p.bill(&fleet.prices[p.endpoint.index()], now);
        trace.cause = trace.replied(now, &told, &answered, bill);
        let sojourn = answered.sojourn;
        let answer = std::mem::replace(&mut p.answer, Answer::Merged);
        Delivery {
            task: told.task,
            at: now,
            event: Event::Replied(told.call, Reply { answer, usage: p.usage, sojourn }),
        }
    }

    fn failed(&mut self, now: Time, slot: u32, error: CallError) -> Delivery {
        let p = self.calls.end(slot);
        self.trace.cause = self.trace.failed(now, &p.told, error, p.spent());
        Delivery { task: p.told.task, at: now, event: Event::Failed(p.told.call, error) }
    }

    fn is_stopped(&self) -> bool {
        self.stop_after.is_some_and(|most| self.trace.summary.counted >= most)
    }
}

impl World for Simulated {
    fn next(&mut self) -> Option<Delivery> {
        loop {
            if self.is_stopped() {
                self.open = 0;
                self.trace.summary.stop(self.calendar.now());
                return None;
            }
            let (now, due) = self.calendar.pop()?;
            if now == Time::MAX {
                self.clock_ended = true;
                return None;
            }
            match due {
                Due::Arrive(task) => {
                    self.trace.cause = self.trace.arrived(now, task);
                    return Some(Delivery { task, at: now, event: Event::Started });
                }
                Due::Done(slot) => return Some(self.replied(now, slot)),
                Due::Broken(slot, error) => {
                    if let Some(delivery) = self.broken(now, slot, error) {
                        return Some(delivery);
                    }
                }
                Due::Stream(endpoint) => {
                    self.stations[endpoint as usize].streams.appointment = None;
                    if let Some(slot) = self.milestone(endpoint) {
                        return Some(self.replied(now, slot));
                    }
                }
                Due::Again(slot) => self.arrive(slot),
                Due::Admit(endpoint) => {
                    if let Some(limits) = &mut self.stations[endpoint as usize].limits {
                        limits.appointment = None;
                    }
                    self.admit(endpoint);
                }
                Due::Vacant(endpoint) => self.release(now, endpoint),
                Due::Timer(task, timer) => {
                    self.tasks[task.index()].timers.remove(&timer);
                    self.trace.cause = self.trace.timer_fired(now, task, timer);
                    return Some(Delivery { task, at: now, event: Event::TimerFired(timer) });
                }
            }
        }
    }

    fn execute(&mut self, task: TaskId, command: Command) {
        match command {
            Command::Call(id, request) => self.call(task, id, request),
            Command::Cancel(id) => {
                if let Some(slot) = self.calls.find(task, id) {
                    self.cancel(slot);
                }
            }
            Command::SetTimer(timer, after) => {
                let now = self.calendar.now();
                let event = self.calendar.schedule(now + after, Due::Timer(task, timer));
                self.trace.timer_set(now, task, timer);
                self.tasks[task.index()].timers.insert(timer, event);
            }
            Command::CancelTimer(timer) => {
                if let Some(event) = self.tasks[task.index()].timers.remove(&timer) {
                    self.calendar.cancel(event);
                }
            }
            Command::Note(note) => self.note(task, note),
            Command::Finish(outcome) => self.finish(task, &outcome),
        }
    }

    fn unfinished(&self) -> usize {
        self.open
    }

    fn failure(&self) -> Option<RunError> {
        self.clock_ended.then_some(RunError::ClockEnds)
    }
}

/// A span as a share of another, in [0, 1].
fn share(part: Span, whole: Span) -> f64 {
    if whole == Span::ZERO { 1.0 } else { (part.as_secs_f64() / whole.as_secs_f64()).min(1.0) }
}
