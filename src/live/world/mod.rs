//! Real endpoints: a policy's requests become text, leave as HTTP requests under hard budgets, and come back as answers.
//!
//! ```text
//! execute: commands are noted, nothing leaves
//! next:    past (a journal that is taken up again) -> ready -> dispatch (reserve, journal, fsync, send)
//!          -> wait -> arrival -> read -> journal, fsync -> delivery
//! ```
//!
//! Invariant: everything happens in one thread and follows from the arrivals alone; a reply is on disk before the policy
//! sees it; a try is on disk before it leaves; no cap is exceeded, whatever is in flight.

mod bill;
mod budget;
mod call;
mod dialect;
mod ending;
mod hopeless;
mod journal;
mod measured;
mod past;
mod redrive;
mod setup;
mod station;
mod tries;

pub use budget::{Budget, Caps, Charge, Reached};
pub use dialect::{Dialect, Sampling};
pub use ending::{Ending, Endings, LEAST_USABLE};
pub use hopeless::GIVE_UP_AFTER;
pub use journal::{FILE as JOURNAL_FILE, Journal};
pub use measured::{Measured, Quantiles};
pub use past::{Past, Pasts, ResumeError};
pub use setup::{Ended, LiveOptions, Server, Session, Setup, Stop};

use super::chat::Transport;
use super::desk::{Desk, Rendered};
use crate::kernel::{Key, Span, Time};
use crate::model::call::{Outcome, Request};
use crate::model::ids::{CallId, TaskId, TimerId};
use crate::model::note::Note;
use crate::policy::{Command, Event};
use crate::record::trace::{Told, Trace};
use crate::record::transcript::{Line, Recorder};
use crate::runtime::{Delivery, Fleet, World};
use call::{Pending, Place};
use hopeless::Hopeless;
use station::Station;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

struct Task {
    desk: Box<dyn Desk>,
    over: bool,
}

/// What is delivered without waiting for anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ready {
    Arrive(TaskId),
    Known(TaskId, CallId),
}

type Name = (TaskId, CallId);

/// The live world of one run.
pub struct Live<'s, T> {
    transport: T,
    session: &'s mut Session,
    options: Arc<LiveOptions>,
    fleet: Arc<Fleet>,
    /// By endpoint.
    servers: Vec<Server>,
    key: Key,
    tasks: Vec<Task>,
    open: usize,
    stations: Vec<Station>,
    calls: BTreeMap<Name, Box<Pending>>,
    /// Calls that may leave, oldest first.
    waiting: Vec<Name>,
    flying: BTreeMap<u64, Name>,
    backoff: BTreeSet<(Time, Name)>,
    timers: BTreeMap<(Time, u64), (TaskId, TimerId)>,
    timers_set: u64,
    ready: VecDeque<Ready>,
    past: Past,
    /// The past is over, what happens now is real.
    is_present: bool,
    /// Time of the last record; what happens next is not before it.
    now: Time,
    stop: Option<Stop>,
    stop_by: Time,
    journal: Option<Journal>,
    /// What was measured.
    pub measured: Measured,
    /// The trace of everything that happened.
    pub trace: Trace,
}

impl<'s, T: Transport> Live<'s, T> {
    /// A world whose tasks all arrive at once. The transport's clock is set to the start of the run.
    pub fn new(mut transport: T, session: &'s mut Session, setup: Setup) -> Self {
        let Setup { fleet, key, desks, trace, journal, past, options } = setup;
        let servers: Vec<Server> = (0..fleet.endpoints.len())
            .map(|endpoint| session.servers.get(endpoint).cloned().flatten().unwrap_or_else(|| options.server()))
            .collect();
        let known = session.dialects.len();
        session.dialects.extend(servers.iter().skip(known).map(|server| Dialect::of(server.api)));
        session.lost.resize(fleet.endpoints.len(), 0);
        session.hopeless.resize(fleet.endpoints.len(), Hopeless::default());
        session.budget.spent.add(past.spent);
        session.budget.possibly.add(past.possibly);
        transport.set(Time::ZERO);
        Self {
            stations: fleet.endpoints.iter().zip(&servers).map(|(e, s)| Station::new(e, s.concurrency)).collect(),
            servers,
            open: desks.len(),
            ready: (0..desks.len() as u32).map(|t| Ready::Arrive(TaskId(t))).collect(),
            tasks: desks.into_iter().map(|desk| Task { desk, over: false }).collect(),
            transport,
            session,
            options,
            fleet,
            key,
            calls: BTreeMap::new(),
            waiting: Vec::new(),
            flying: BTreeMap::new(),
            backoff: BTreeSet::new(),
            timers: BTreeMap::new(),
            timers_set: 0,
            past,
            is_present: false,
            now: Time::ZERO,
            stop: None,
            stop_by: Time::MAX,
            journal,
            measured: Measured::default(),
            trace,
        }
    }

    /// Time goes on to `at`, never back.
    fn advance(&mut self, at: Time) -> Time {
        self.now = self.now.max(at);
        self.now
    }

    /// Ends the sending of calls; those in flight are awaited until `by`.
    fn stop(&mut self, why: Stop, by: Time) {
        if self.stop.is_none() {
            self.stop = Some(why);
            self.stop_by = by;
        }
    }

    /// Makes what was recorded durable; without that, the run ends.
    fn is_on_disk(&mut self) -> bool {
        let flushed = self.trace.recorder.as_mut().map_or(Ok(()), Recorder::flush);
        if let Err(error) = &flushed {
            self.stop(Stop::Journal(error.to_string()), self.now);
        }
        flushed.is_ok()
    }

    /// Makes what was recorded durable. Without that, nothing is delivered.
    fn keep(&mut self, delivery: Delivery) -> Option<Delivery> {
        self.is_on_disk().then_some(delivery)
    }

    /// Takes in a policy's request.
    fn call(&mut self, task: TaskId, id: CallId, request: Request) {
        let rendered = self.tasks[task.index()].desk.render(&request);
        let endpoint = match rendered {
            Rendered::Ask(_) => self.fleet.model_of(&request),
            Rendered::Known(_) => self.fleet.free,
        };
        self.trace.asked(self.now, &Told::of(task, id, &request), &request, endpoint);
        let mut pending = Box::new(Pending::new(task, id, endpoint, request, self.now));
        if !self.is_present {
            self.check_same(&pending, &rendered);
            if let Some(tries) = self.past.tries(task, id) {
                pending.restore(tries);
            }
        }
        match rendered {
            Rendered::Ask(chat) => {
                pending.chat = Some(chat);
                self.waiting.push((task, id));
            }
            Rendered::Known(answer) => {
                (pending.known, pending.place) = (Some(answer), Place::Known);
                self.ready.push_back(Ready::Known(task, id));
            }
        }
        self.calls.insert((task, id), pending);
    }

    fn note(&mut self, task: TaskId, note: Note) {
        let desk = &mut self.tasks[task.index()].desk;
        desk.observe(&note);
        self.trace.noted(self.now, task, note, &**desk);
    }

    fn finish(&mut self, task: TaskId, outcome: &Outcome) {
        let open: Vec<CallId> = self.calls.keys().filter(|(t, _)| *t == task).map(|(_, id)| *id).collect();
        for id in open {
            self.cancel(task, id);
        }
        let score = self.tasks[task.index()].desk.score(outcome);
        let facts = score.facts.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect();
        self.trace.finished(self.now, task, score.right, facts);
        let state = &mut self.tasks[task.index()];
        assert!(!state.over, "a task finishes once");
        state.over = true;
        self.open -= 1;
    }

    /// Stops a call where it is. What a try in flight will be billed nobody learns; it stays charged as reserved.
    fn cancel(&mut self, task: TaskId, id: CallId) {
        let Some(mut pending) = self.calls.remove(&(task, id)) else { return };
        self.withdraw(&mut pending);
        let bill = if self.is_present { pending.bill() } else { self.cancelled_before(&pending) };
        self.tell_details(&pending);
        self.trace.cancelled(self.now, &pending.told(), bill);
    }

    /// Takes a call out of wherever it is.
    fn withdraw(&mut self, pending: &mut Pending) {
        let name = (pending.task, pending.id);
        match pending.place {
            Place::Waiting => self.waiting.retain(|n| *n != name),
            Place::Backoff => self.backoff.retain(|(_, n)| *n != name),
            Place::Known => self.ready.retain(|r| *r != Ready::Known(name.0, name.1)),
            Place::Flying { job } => {
                self.transport.abandon(job);
                self.flying.remove(&job);
                self.stations[pending.endpoint.index()].free();
                self.lose(pending);
            }
        }
    }

    /// What is due now without anybody's answer: a timer, or a call whose backoff is over.
    fn due(&mut self) -> Option<Delivery> {
        let now = self.transport.now();
        while let Some(&(at, name)) = self.backoff.first()
            && at <= now
        {
            self.backoff.remove(&(at, name));
            let pending = self.calls.get_mut(&name).expect("a call backs off until it ends");
            (pending.place, pending.due, pending.waits_for) = (Place::Waiting, at, None);
            self.waiting.push(name);
        }
        let (&(at, number), &(task, timer)) = self.timers.first_key_value()?;
        if at > now {
            return None;
        }
        self.timers.remove(&(at, number));
        self.advance(now);
        self.trace.cause = self.trace.timer_fired(self.now, task, timer);
        self.keep(Delivery { task, at: self.now, event: Event::TimerFired(timer) })
    }

    /// The next instant at which something is due without anybody's answer.
    fn wake(&self, rates: Option<Time>) -> Option<Time> {
        let timer = self.timers.first_key_value().map(|((at, _), _)| *at);
        let again = self.backoff.first().map(|(at, _)| *at);
        let sending = if self.stop.is_none() { [again, rates] } else { [None, None] };
        let next = [timer].into_iter().chain(sending).flatten().min();
        if next.is_none() && self.flying.is_empty() {
            return None;
        }
        let end = self.session.budget.caps.span().filter(|_| self.stop.is_none());
        let by = (self.stop_by < Time::MAX).then_some(self.stop_by);
        [next, end.map(|cap| Time::ZERO + self.left(cap)), by].into_iter().flatten().min()
    }

    /// Of a time limit, what this run may take.
    fn left(&self, cap: Span) -> Span {
        Span::from_nanos(cap.as_nanos().saturating_sub(self.session.elapsed.as_nanos()))
    }

    fn deliver_ready(&mut self, ready: Ready) -> Option<Delivery> {
        self.advance(self.transport.now());
        match ready {
            Ready::Arrive(task) => {
                self.trace.cause = self.trace.arrived(self.now, task);
                self.keep(Delivery { task, at: self.now, event: Event::Started })
            }
            Ready::Known(task, id) => {
                let mut pending = self.calls.remove(&(task, id)).expect("it is ready until it ends");
                pending.served_at = Some(self.now);
                self.serve(&pending);
                self.measured.known += 1;
                let answer = pending.known.clone().expect("plain code knew it");
                let delivery = self.replied(&pending, answer);
                self.keep(delivery)
            }
        }
    }

    fn serve(&mut self, pending: &Pending) {
        self.trace.served(self.now, &pending.told());
    }

    /// Tells the recorder what only a real call has.
    fn tell_details(&mut self, pending: &Pending) {
        if let Some(recorder) = &mut self.trace.recorder {
            let model = &self.servers[pending.endpoint.index()].model;
            recorder.details(pending.task, pending.id, pending.details(model));
        }
    }

    /// Ends the run: its open calls and its end go to the journal.
    pub fn close(mut self, most_delay: Span) -> Ended {
        let names: Vec<Name> = self.calls.keys().copied().collect();
        for name in names {
            let Some(mut pending) = self.calls.remove(&name) else { continue };
            self.withdraw(&mut pending);
            // Whose last try failed has an end, though the call is open.
            if let Some(ending) = pending.ending.clone() {
                self.measured.endings.note(ending);
            }
            self.tell_details(&pending);
        }
        let complete = self.stop.is_none() && self.open == 0;
        let digest = self.trace.digest.finish();
        let recorded = self.past.invalid.take();
        let invalid = recorded.or_else(|| self.measured.invalid(most_delay));
        // Before the past was checked nothing may change in the journal.
        if self.is_present
            && let Some(mut recorder) = self.trace.recorder.take()
            && !matches!(self.stop, Some(Stop::Journal(_) | Stop::Diverged(_)))
        {
            recorder.close(complete, Some(digest), invalid.clone());
            if let Err(error) = recorder.flush() {
                self.stop = Some(Stop::Journal(error.to_string()));
            }
        }
        if !complete {
            self.trace.summary.stop(self.now);
        }
        self.session.elapsed += self.now - Time::ZERO;
        let summary = self.trace.summary;
        Ended { stop: self.stop, complete, summary, digest, measured: self.measured, invalid }
    }
}

impl<T: Transport> World for Live<'_, T> {
    fn next(&mut self) -> Option<Delivery> {
        loop {
            if matches!(self.stop, Some(Stop::Journal(_) | Stop::Diverged(_))) || self.open == 0 && self.is_present {
                return None;
            }
            if !self.is_present {
                match self.re_drive() {
                    Some(delivery) => return Some(delivery),
                    None => continue,
                }
            }
            self.look_at_limits();
            if let Some(ready) = self.ready.pop_front() {
                return self.deliver_ready(ready);
            }
            if let Some(delivery) = self.due() {
                return Some(delivery);
            }
            let rates = self.dispatch();
            if self.stop.is_some() && self.flying.is_empty() {
                return None;
            }
            let wake = self.wake(rates);
            if self.flying.is_empty() && wake.is_none() {
                return None;
            }
            if let Some(arrival) = self.transport.next(wake)
                && let Some(delivery) = self.arrived(arrival)
            {
                return Some(delivery);
            }
        }
    }

    fn execute(&mut self, task: TaskId, command: Command) {
        match command {
            Command::Call(id, request) => self.call(task, id, *request),
            Command::Cancel(id) => self.cancel(task, id),
            Command::SetTimer(timer, after) => {
                self.trace.timer_set(self.now, task, timer);
                self.timers_set += 1;
                self.timers.insert((self.now + after, self.timers_set), (task, timer));
            }
            Command::CancelTimer(timer) => self.timers.retain(|_, set| *set != (task, timer)),
            Command::Note(note) => self.note(task, note),
            Command::Finish(outcome) => self.finish(task, &outcome),
        }
    }

    fn unfinished(&self) -> usize {
        self.open
    }
}

/// Writes a line to the journal of a trace.
fn write(trace: &mut Trace, line: &Line) {
    if let Some(recorder) = &mut trace.recorder {
        recorder.write(line);
    }
}
