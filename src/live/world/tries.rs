//! Tries: sending under reservations, and what their ends lead to.

use super::bill;
use super::budget::{Charge, Reached};
use super::call::{Pending, Place};
use super::ending::Ending;
use super::hopeless;
use super::station::Wait;
use super::{Live, Name, Sampling, Server, Stop, write};
use crate::kernel::{Address, Span, Time};
use crate::live::chat::{Arrival, Completion, Job, Transport, TryError};
use crate::model::call::{Answer, CallError, Reply, prompt_tokens};
use crate::model::ids::entity;
use crate::model::note::Phase;
use crate::model::workload::{JITTER, later_try};
use crate::policy::Event;
use crate::record::trace::{Answered, Said};
use crate::record::transcript::Line;
use crate::runtime::driver::Delivery;

impl<T: Transport> Live<'_, T> {
    /// Time limit and interruption.
    pub(super) fn look_at_limits(&mut self) {
        let now = self.transport.now();
        if self.transport.is_interrupted() {
            self.stop(Stop::Interrupted, now + self.options.grace);
        }
        if let Some(cap) = self.session.budget.caps.span()
            && self.stop.is_none()
            && now - Time::ZERO >= self.left(cap)
        {
            let told = format!("--max-seconds {}: the time of all sessions is used up", cap.as_secs_f64());
            self.stop(Stop::Budget(Reached { flag: "--max-seconds", told }), now);
        }
        if self.stop.is_some() && now >= self.stop_by {
            // Who is still out is dropped; close() charges it as reserved and leaves it open.
            for (job, name) in std::mem::take(&mut self.flying) {
                self.transport.abandon(job);
                let mut pending = self.calls.remove(&name).expect("a call flies until it ends");
                self.stations[pending.endpoint.index()].free();
                self.lose(&mut pending);
                pending.place = Place::Waiting;
                self.calls.insert(name, pending);
            }
        }
    }

    /// Nobody will learn how the try in flight ended.
    pub(super) fn lose(&mut self, pending: &mut Pending) {
        self.session.budget.lose(pending.reserved, Charge::default());
        pending.possibly.add(Charge { calls: 0, ..pending.reserved });
        pending.reserved = Charge::default();
    }

    /// Sends what may leave: reserved, journalled, on disk, then out. Returns when a rate admits more.
    pub(super) fn dispatch(&mut self) -> Option<Time> {
        let mut rates: Option<Time> = None;
        if self.stop.is_some() || self.waiting.is_empty() {
            return rates;
        }
        let freed_at = self.now;
        self.advance(self.transport.now());
        // Why nothing more leaves for an endpoint in this round: who came first goes first.
        let mut shut: Vec<Option<Phase>> = vec![None; self.stations.len()];
        let mut leaving: Vec<Name> = Vec::new();
        let mut staying: Vec<Name> = Vec::new();
        let mut waiting = std::mem::take(&mut self.waiting).into_iter();
        while let Some(name) = waiting.next() {
            let mut pending = self.calls.remove(&name).expect("a call waits until it ends");
            let endpoint = pending.endpoint.index();
            let chat = pending.chat.as_ref().expect("only asked calls wait");
            let demand = (prompt_tokens(&pending.request.prompt), u64::from(chat.max_tokens));
            if shut[endpoint].is_none() {
                shut[endpoint] = match self.take(endpoint, demand) {
                    Ok(()) => None,
                    Err(Wait::Slot) => Some(Phase::SlotWait),
                    Err(Wait::Until(at)) => {
                        rates = Some(rates.map_or(at, |r| r.min(at)));
                        Some(Phase::RateLimitWait)
                    }
                };
            }
            if let Some(phase) = shut[endpoint] {
                self.waits(&mut pending, phase);
                self.calls.insert(name, pending);
                staying.push(name);
                continue;
            }
            let messages = pending.messages();
            let prices = &self.fleet.prices[endpoint];
            let reserved = bill::reservation(chat, &messages, prices, self.session.budget.margin_tokens);
            if let Err(reached) = self.session.budget.reserve(reserved) {
                self.stations[endpoint].undo(self.now, demand.0, demand.1);
                let alone = self.flying.is_empty() && leaving.is_empty();
                if alone {
                    self.stop(Stop::Budget(reached), Time::MAX);
                } else {
                    self.measured.budget_waits += u64::from(pending.waits_for.is_none());
                    self.waits(&mut pending, Phase::RateLimitWait);
                }
                self.calls.insert(name, pending);
                staying.push(name);
                staying.extend(waiting.by_ref());
                break;
            }
            // While it waited it was not the client that kept it.
            match pending.waits_for.take() {
                Some(Phase::SlotWait) => pending.due = pending.due.max(freed_at),
                Some(_) => pending.due = self.now,
                None => {}
            }
            pending.reserved = reserved;
            pending.attempt += 1;
            pending.dialect = self.session.dialects[endpoint].clone();
            let line = Line::Dispatch(pending.dispatch_line(self.now));
            write(&mut self.trace, &line);
            self.calls.insert(name, pending);
            leaving.push(name);
        }
        self.waiting = staying;
        self.send(&leaving);
        rates
    }

    fn take(&mut self, endpoint: usize, (input, output): (u64, u64)) -> Result<(), Wait> {
        self.stations[endpoint].take(self.now, input, output)
    }

    fn waits(&mut self, pending: &mut Pending, phase: Phase) {
        if pending.waits_for.replace(phase).is_some() {
            return;
        }
        self.trace.waits(self.now, &pending.told(), phase);
    }

    fn send(&mut self, leaving: &[Name]) {
        if leaving.is_empty() || !self.is_on_disk() {
            return;
        }
        for name in leaving {
            self.advance(self.transport.now());
            let mut pending = self.calls.remove(name).expect("a call that leaves has not ended");
            let spec = &self.fleet.endpoints[pending.endpoint.index()];
            let timeout = spec.timeout_s.at().map_or(self.options.timeout, Span::from_secs_f64);
            let chat = pending.chat.as_ref().expect("only asked calls leave");
            let model = self.servers[pending.endpoint.index()].model.clone();
            let sampling = Sampling { model, ..self.options.sampling.clone() };
            let body = pending.dialect.body(chat, &pending.messages(), &sampling);
            let number = self.session.next_job;
            self.session.next_job += 1;
            pending.parameters = body
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(key, _)| !matches!(key.as_str(), "model" | "messages" | "system"))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            (pending.place, pending.served_at) = (Place::Flying { job: number }, Some(self.now));
            pending.ending = None;
            self.serve(&pending);
            let job = Job {
                number,
                task: pending.task,
                call: pending.id,
                endpoint: pending.endpoint,
                body,
                timeout,
                silence: self.options.silence,
            };
            self.flying.insert(number, *name);
            self.calls.insert(*name, pending);
            self.transport.send(job);
        }
    }

    /// A try came back.
    pub(super) fn arrived(&mut self, arrival: Arrival) -> Option<Delivery> {
        let name = self.flying.remove(&arrival.job)?;
        let mut pending = self.calls.remove(&name).expect("a call flies until it ends");
        self.stations[pending.endpoint.index()].free();
        self.advance(arrival.at);
        let sent_at = arrival.sent_at.max(pending.due);
        self.measured.delays.push(sent_at - pending.due);
        pending.place = Place::Waiting;
        pending.due = self.now;
        let delivery = match arrival.end {
            Ok(completion) => self.completed(name, pending, completion, arrival.sent_at),
            Err(error) => self.broken(name, pending, &error),
        }?;
        self.keep(delivery)
    }

    fn completed(
        &mut self,
        name: Name,
        mut pending: Box<Pending>,
        mut completion: Completion,
        sent_at: Time,
    ) -> Option<Delivery> {
        let prices = &self.fleet.prices[pending.endpoint.index()];
        completion.tokens = completion.tokens.filter(|t| bill::is_plausible(&t.usage, pending.reserved));
        let told = completion.tokens.map(|t| t.usage);
        let usage = told.unwrap_or_else(|| bill::estimate(&pending.messages(), &completion.text));
        let charge = bill::charge(&usage, prices);
        if told.is_some() {
            self.session.budget.settle(pending.reserved, charge);
        } else {
            self.session.budget.lose(pending.reserved, charge);
            pending.possibly.add(Charge { calls: 0, ..pending.reserved }.less(charge));
            pending.estimated = true;
            self.measured.estimated += 1;
        }
        pending.reserved = Charge::default();
        pending.reason = None;
        self.session.lost[pending.endpoint.index()] = 0;
        pending.cost.add(&bill::roles(&pending.request, &usage, prices));
        pending.billed.add(&usage);
        let desk = &mut self.tasks[pending.task.index()].desk;
        let answer = match desk.read(&pending.request, &completion.text) {
            Ok(answer) => {
                pending.ending = Some(Ending::Answered);
                Some(answer)
            }
            Err(wrong) => {
                let most = pending.chat.as_ref().map(|chat| chat.max_tokens);
                let ending = Ending::of_reply(completion.finish_reason.as_deref(), most);
                // Who asks again for what was cut or withheld pays for the same once more.
                let first = pending.repair.is_none() && ending == Ending::Unreadable;
                pending.ending = Some(ending);
                let best = if first { None } else { desk.salvage(&pending.request, &completion.text) };
                if first {
                    self.await_repair(name, pending, completion.text, wrong);
                    return None;
                }
                let earlier = pending.repair.as_ref().map(|(text, _)| text.clone());
                let best = best.or_else(|| desk.salvage(&pending.request, &earlier?));
                self.measured.salvaged += u64::from(best.is_some());
                best
            }
        };
        let takes_time = desk.takes_time();
        pending.last = Some(completion);
        if takes_time {
            self.advance(self.transport.now());
        }
        let Some(answer) = answer else {
            pending.reason = pending.ending.as_ref().map(Ending::of_one);
            return Some(self.failed(&pending, CallError::Server));
        };
        self.measured.from_dispatch.push(self.now - sent_at.min(self.now));
        let first = pending.last.as_ref().and_then(|l| l.first_token);
        self.measured.first_token.extend(first.map(|at| at.max(sent_at) - sent_at));
        Some(self.replied(&pending, answer))
    }

    /// Records an answer; the delivery is the policy's once the journal is on disk.
    pub(super) fn replied(&mut self, pending: &Pending, answer: Answer) -> Delivery {
        let (task, id) = (pending.task, pending.id);
        let usage = match &pending.last {
            Some(last) => match last.tokens {
                Some(tokens) => tokens.usage,
                None => bill::estimate(&pending.messages(), &last.text),
            },
            None => pending.billed,
        };
        self.tell_details(pending);
        let sojourn = self.now - pending.called_at;
        if pending.known.is_none() {
            self.measured.from_intended.push(sojourn);
            self.ended(pending);
        }
        let first_token = pending.last.as_ref().and_then(|l| l.first_token);
        let said = Some(Said { answer: &answer, usage: &usage, first_token });
        let answered = Answered { said, duplicate: false, sojourn, service: pending.service(self.now) };
        self.trace.cause = self.trace.replied(self.now, &pending.told(), &answered, pending.bill());
        Delivery { task, at: self.now, event: Event::Replied(id, Reply { answer, usage, sojourn }) }
    }

    fn failed(&mut self, pending: &Pending, error: CallError) -> Delivery {
        let (task, id) = (pending.task, pending.id);
        self.measured.failed(pending.reason.clone());
        self.ended(pending);
        self.tell_details(pending);
        self.trace.cause = self.trace.failed(self.now, &pending.told(), error, pending.bill());
        Delivery { task, at: self.now, event: Event::Failed(id, error) }
    }

    /// Counts the end of a call, and ends the run if calls end alike again and again.
    fn ended(&mut self, pending: &Pending) {
        let Some(ending) = pending.ending.clone() else { return };
        let alike = self.session.hopeless[pending.endpoint.index()].note(pending.request.purpose, &ending);
        if self.session.give_up_after.is_some_and(|most| alike.length >= most) {
            self.stop(Stop::Hopeless(hopeless::told(alike, &ending)), Time::MAX);
        }
        self.measured.endings.note(ending);
    }

    /// A call that will not be tried again: an event for the policy.
    fn given_up(&mut self, pending: Box<Pending>, error: CallError) -> Delivery {
        if pending.repair.is_some() { self.make_do(pending, error) } else { self.failed(&pending, error) }
    }

    /// Makes the best of an unreadable reply that will not be repaired.
    fn make_do(&mut self, mut pending: Box<Pending>, error: CallError) -> Delivery {
        let text = pending.repair.as_ref().map(|(text, _)| text.clone()).unwrap_or_default();
        let desk = &mut self.tasks[pending.task.index()].desk;
        match desk.salvage(&pending.request, &text) {
            Some(answer) => {
                self.measured.salvaged += 1;
                (pending.last, pending.ending) = (None, Some(Ending::Unreadable));
                self.replied(&pending, answer)
            }
            None => self.failed(&pending, error),
        }
    }

    /// A reply cannot be read: it is on disk before its repair is asked for, in this session or a later one.
    fn await_repair(&mut self, name: Name, mut pending: Box<Pending>, text: String, wrong: String) {
        self.measured.repairs += 1;
        let line = Line::Unreadable(Box::new(pending.unreadable_line(&text, &wrong, self.now)));
        write(&mut self.trace, &line);
        self.is_on_disk();
        pending.repair = Some((text, wrong));
        self.calls.insert(name, pending);
        self.waiting.insert(0, name);
    }

    /// A try ended badly: send it in other words, back off and try again, give up, or end the run.
    fn broken(&mut self, name: Name, mut pending: Box<Pending>, error: &TryError) -> Option<Delivery> {
        if error.may_be_billed() {
            self.lose(&mut pending);
        } else {
            self.session.budget.release(std::mem::take(&mut pending.reserved));
            // On disk with the next flush, so that a later session charges nothing for it.
            let line = Line::Dispatch(pending.dispatch_line(self.now));
            write(&mut self.trace, &line);
        }
        pending.reason = Some(error.to_string());
        pending.ending = Some(Ending::of_error(error));
        if let TryError::Status { status, message, .. } = error
            && !error.is_retryable()
            && !error.is_too_long()
            && !error.is_filtered()
        {
            let dialect = &mut self.session.dialects[pending.endpoint.index()];
            let outdated = *dialect != pending.dialect;
            if let Some(next) = pending.dialect.after(*status, message) {
                if !outdated {
                    *dialect = next;
                }
                self.waiting.insert(0, name);
            } else {
                let why = refusal(&self.servers[pending.endpoint.index()], *status, &error.to_string());
                self.stop(Stop::Refused(why), Time::MAX);
            }
            self.calls.insert(name, pending);
            return None;
        }
        let kind = error.kind();
        self.trace.try_failed(self.now, &pending.told(), kind);
        pending.failed_tries += 1;
        let spec = &self.fleet.endpoints[pending.endpoint.index()];
        let tries = pending.failed_tries;
        if error.is_too_long() || error.is_filtered() {
            return Some(self.given_up(pending, kind));
        }
        if tries > spec.retries {
            self.session.lost[pending.endpoint.index()] += 1;
            let lost = self.session.lost[pending.endpoint.index()];
            if lost < MOST_LOST {
                return Some(self.given_up(pending, kind));
            }
            // The call stays open: a later session asks for it again.
            let mend = match error {
                TryError::Timeout { .. } => "look after the server, or give it more time with --timeout-s",
                _ => "look after the server",
            };
            let told = format!(
                "POST {}: {lost} calls in a row failed on every try, the last one after {tries} tries with: {error}; \
                 {mend}",
                self.servers[pending.endpoint.index()].url
            );
            self.stop(Stop::Refused(told), Time::MAX);
            self.calls.insert(name, pending);
            return None;
        }
        let asked = error.retry_after().unwrap_or(Span::ZERO);
        if asked > LONGEST_WAIT {
            // The call stays open here too.
            let told = format!(
                "POST {}: the server asks to wait {:.0} s, more than the {:.0} s that a run waits: {error}; wait, or \
                 look after the quota",
                self.servers[pending.endpoint.index()].url,
                asked.as_secs_f64(),
                LONGEST_WAIT.as_secs_f64()
            );
            self.stop(Stop::Refused(told), Time::MAX);
            self.calls.insert(name, pending);
            return None;
        }
        let about = pending.request.about;
        let first = Address {
            purpose: pending.request.purpose.code(),
            entity: entity(pending.task, about.line.0, about.subtask.0),
            attempt: about.attempt,
            step: about.step,
        };
        let draws = self.key.draws(later_try(first, pending.request.purpose, tries));
        let own = spec.backoff(tries, || draws.uniform(JITTER));
        let wait = own.max(asked);
        if let Some(tell) = self.session.tell.filter(|_| wait >= LONG_WAIT) {
            tell(&format!("the server asks to wait {:.0} s before the next try: {error}", wait.as_secs_f64()));
        }
        self.measured.retries += 1;
        pending.place = Place::Backoff;
        self.backoff.insert((self.now + wait, name));
        self.waits(&mut pending, Phase::RateLimitWait);
        self.calls.insert(name, pending);
        None
    }
}

/// Calls in a row, lost with all their tries, that show an endpoint to be out of order.
const MOST_LOST: u32 = 2;
/// Waits from which on whoever waits is told.
const LONG_WAIT: Span = Span::from_nanos(600_000_000_000);
/// The longest wait that a server may ask for, a day: quotas of minutes, hours and days pass in it.
const LONGEST_WAIT: Span = Span::from_nanos(86_400_000_000_000);

/// Why the server refuses for good, and what may help.
fn refusal(server: &Server, status: u16, error: &str) -> String {
    let Server { url, key_from, .. } = server;
    let key = format!("check the key in {key_from}");
    let mend = match status {
        401 | 403 => key.as_str(),
        404 => "check --base-url (most servers want it to end in /v1) and --model",
        402 | 429 => "the account has no credit or quota left",
        // Anthropic's word for it.
        400 if error.contains("credit balance") => "the account has no credit or quota left",
        300..=399 => "give the address that it redirects to as --base-url",
        _ => "check --model and whether prompts fit its context; the server names what it does not take",
    };
    format!("POST {url}: {error}; {mend}")
}
