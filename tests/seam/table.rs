//! A policy on the table: a test sees its open calls and timers and answers as it likes.

use delm_sim::kernel::{Span, Time};
use delm_sim::model::call::{
    Answer, CallError, Decision, Finding, FindingKind, Outcome, Purpose, Reply, Request, SubtaskList, Usage,
};
use delm_sim::model::ids::{About, AgentId, CallId, FindingId, StoreId, SubtaskId, TimerId};
use delm_sim::model::note::Note;
use delm_sim::policy::settings::{Draft, Work};
use delm_sim::policy::{Catalog, Command, Event, Outbox, Policy};
use smallvec::smallvec;
use std::collections::HashMap;
use std::sync::Arc;

pub(crate) struct Table {
    policy: Box<dyn Policy>,
    out: Outbox,
    /// Calls in flight, oldest first.
    pub(crate) open: Vec<(CallId, Request)>,
    /// Timers that run, oldest first.
    pub(crate) timers: Vec<TimerId>,
    pub(crate) cancelled: Vec<CallId>,
    pub(crate) notes: Vec<Note>,
    pub(crate) outcome: Option<Outcome>,
    /// Purposes of all calls ever made, with their agents.
    pub(crate) asked: Vec<(Purpose, u32)>,
    /// What each call was about: equal ones would meet equal chances.
    names: Vec<(Purpose, About)>,
    /// Entries of each store.
    versions: HashMap<StoreId, u32>,
    /// All commands, for the reader of a failing case.
    story: Vec<String>,
    findings: u32,
    pub(crate) created: u32,
}

impl Table {
    /// A named policy with changes, started.
    pub(crate) fn new(name: &str, work: Work, n: u32, change: impl FnOnce(&mut Draft)) -> Self {
        let catalog = Catalog::default();
        let entry = catalog.entry(name).expect("it is in the catalogue");
        let mut draft = entry.draft();
        change(&mut draft);
        let settings = Arc::new(draft.settle(work).expect("the point exists"));
        let (policy, _) = entry.build(&settings, work, n);
        let mut table = Self {
            policy,
            out: Outbox::default(),
            open: Vec::new(),
            timers: Vec::new(),
            cancelled: Vec::new(),
            notes: Vec::new(),
            outcome: None,
            asked: Vec::new(),
            names: Vec::new(),
            versions: HashMap::new(),
            story: Vec::new(),
            findings: 0,
            created: 0,
        };
        table.tell(&Event::Started);
        table
    }

    pub(crate) fn tell(&mut self, event: &Event) {
        self.policy.handle(Time::ZERO, event, &mut self.out);
        for command in self.out.drain() {
            assert!(self.outcome.is_none(), "after the end: {command:?}; told {event:?} after {:?}", self.story);
            if !matches!(command, Command::Note(Note::Phase(..))) {
                self.story.push(told(&command));
            }
            match command {
                Command::Call(id, request) => {
                    self.asked.push((request.purpose, request.agent.0));
                    let name = (request.purpose, request.about);
                    assert!(!self.names.contains(&name), "a second call of {name:?}; {:?}", self.story);
                    self.names.push(name);
                    let busy = self.open.iter().find(|(_, r)| r.agent == request.agent && !r.background);
                    assert!(request.background || busy.is_none(), "{request:?} beside {busy:?}");
                    self.open.push((id, *request));
                }
                Command::Cancel(id) => {
                    let k = self.open.iter().position(|(call, _)| *call == id).expect("only an open call is cancelled");
                    self.open.remove(k);
                    self.cancelled.push(id);
                }
                Command::SetTimer(id, _) => self.timers.push(id),
                Command::CancelTimer(id) => {
                    let k = self.timers.iter().position(|t| *t == id).expect("only a running timer is cleared");
                    self.timers.remove(k);
                }
                Command::Note(note) => {
                    if let Note::Created { count, .. } = note {
                        self.created += count;
                    }
                    if let Note::Kept { store, version, .. } | Note::Admitted { store, version, .. } = note {
                        let entries = self.versions.entry(store).or_default();
                        *entries += 1;
                        assert_eq!(version, *entries, "{store:?} of {:?}", self.story);
                    }
                    self.notes.push(note);
                }
                Command::Finish(outcome) => self.outcome = Some(outcome),
            }
        }
        if self.outcome.is_some() {
            assert!(self.open.is_empty(), "calls in flight behind the end: {:?}", self.open);
            assert!(self.timers.is_empty(), "timers behind the end");
        }
    }

    /// The oldest open call for a purpose.
    #[track_caller]
    pub(crate) fn find(&self, purpose: Purpose) -> (CallId, Request) {
        let of = |r: &Request| (r.purpose.name(), r.agent.0);
        self.open.iter().find(|(_, r)| r.purpose == purpose).cloned().unwrap_or_else(|| {
            panic!(
                "no open call {}; open: {:?}",
                purpose.name(),
                self.open.iter().map(|(_, r)| of(r)).collect::<Vec<_>>()
            )
        })
    }

    pub(crate) fn count_open(&self, purpose: Purpose) -> usize {
        self.open.iter().filter(|(_, r)| r.purpose == purpose).count()
    }

    pub(crate) fn count_asked(&self, purpose: Purpose) -> usize {
        self.asked.iter().filter(|(p, _)| *p == purpose).count()
    }

    /// Who has an open call for a purpose.
    pub(crate) fn agents(&self, purpose: Purpose) -> Vec<u32> {
        self.open.iter().filter(|(_, r)| r.purpose == purpose).map(|(_, r)| r.agent.0).collect()
    }

    pub(crate) fn reply(&mut self, call: CallId, answer: Answer, completion_tokens: u64) {
        let k = self.open.iter().position(|(id, _)| *id == call).expect("an open call");
        let (_, request) = self.open.remove(k);
        assert!(answer.fits(request.purpose), "{answer:?} to {request:?}");
        let usage = Usage { completion_tokens, ..Usage::default() };
        self.tell(&Event::Replied(call, Reply { answer, usage, sojourn: Span::ZERO }));
    }

    /// Answers the oldest call for a purpose.
    #[track_caller]
    pub(crate) fn answer(&mut self, purpose: Purpose, answer: Answer) -> Request {
        let (call, request) = self.find(purpose);
        self.reply(call, answer, 10);
        request
    }

    /// The oldest call for a purpose fails for good.
    #[track_caller]
    pub(crate) fn fail(&mut self, purpose: Purpose, error: CallError) {
        let (call, _) = self.find(purpose);
        self.fail_call(call, error);
    }

    pub(crate) fn fail_call(&mut self, call: CallId, error: CallError) {
        self.open.retain(|(id, _)| *id != call);
        self.tell(&Event::Failed(call, error));
    }

    /// The oldest timer runs out.
    pub(crate) fn fire(&mut self) {
        let timer = self.timers.remove(0);
        self.tell(&Event::TimerFired(timer));
    }

    pub(crate) fn found(&mut self, kind: FindingKind, tokens: u32) -> Finding {
        self.findings += 1;
        Finding { id: FindingId(self.findings - 1), kind, tokens }
    }

    /// The oldest step ends its delegation with a result.
    #[track_caller]
    pub(crate) fn done(&mut self, kind: FindingKind) -> Finding {
        let result = self.found(kind, 50);
        self.answer(Purpose::Step, Answer::Step { notes: smallvec![], tool: false, result: Some(result) });
        result
    }

    /// Subtasks without dependencies, behind those that exist.
    pub(crate) fn subtasks(&self, count: u32) -> Answer {
        list(self.created, count, &[])
    }

    #[track_caller]
    pub(crate) fn brief(&mut self) -> Finding {
        let brief = self.found(FindingKind::Brief, 30);
        self.answer(Purpose::Dispatch, Answer::Brief(brief));
        brief
    }

    pub(crate) fn noted(&self, of: impl Fn(&Note) -> bool) -> usize {
        self.notes.iter().filter(|note| of(note)).count()
    }

    /// The agent whose answer was handed in, and what.
    pub(crate) fn handed_in(&self) -> Vec<(AgentId, Option<FindingId>)> {
        let outcome = self.outcome.as_ref().expect("the task is over");
        outcome.submissions.iter().map(|s| (s.agent, s.finding)).collect()
    }
}

/// A list of subtasks; a pair is (subtask, what it waits for).
pub(crate) fn list(first: u32, count: u32, dependencies: &[(u32, u32)]) -> Answer {
    let dependencies = dependencies.iter().map(|(s, on)| (SubtaskId(*s), SubtaskId(*on))).collect();
    Answer::Subtasks(Arc::new(SubtaskList { first, count, dependencies, source_tokens: vec![100; count as usize] }))
}

pub(crate) const DELEGATE: Answer = Answer::Decided(Decision::Delegate);

/// A step that goes on.
pub(crate) fn step(tool: bool) -> Answer {
    Answer::Step { notes: smallvec![], tool, result: None }
}

fn told(command: &Command) -> String {
    match command {
        Command::Call(id, request) => format!("{} {} by {}", id.0, request.purpose.name(), request.agent.0),
        other => format!("{other:?}"),
    }
}
