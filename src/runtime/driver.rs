//! The one loop: the world says what happened, the task's policy says what to do, the world does it.

use super::owed::Ledger;
use crate::kernel::Time;
use crate::model::ids::TaskId;
use crate::model::note::Note;
use crate::policy::{Command, Event, Outbox, Policy};

/// Something happened to a task.
#[derive(Debug)]
pub struct Delivery {
    /// To which task.
    pub task: TaskId,
    /// When.
    pub at: Time,
    /// What.
    pub event: Event,
}

/// Where policies act: simulated time, a recording, or real endpoints.
pub trait World {
    /// The next thing that happens; `None` when nothing more will.
    fn next(&mut self) -> Option<Delivery>;
    /// Does what a policy asks for.
    fn execute(&mut self, task: TaskId, command: Command);
    /// Tasks that have not finished.
    fn unfinished(&self) -> usize;
    /// Why nothing more will happen, where it is not that all is done.
    fn failure(&self) -> Option<RunError> {
        None
    }
}

/// Why a run did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// A policy neither finished nor waits for anything.
    #[error("{unfinished} task(s) stalled: nothing is in flight and nobody finished; this is a defect of the policy")]
    Stalled {
        /// How many.
        unfinished: usize,
    },
    /// Something is due after the last instant that the clock can tell.
    #[error(
        "times too long for this clock: it counts nanoseconds and ends after 584 years (1.8e10 s); shorten the durations of \
         the scenario"
    )]
    ClockEnds,
    /// A policy acts on and on without getting anywhere.
    #[error("{policy} acts without end: {events} events {kind}; this is a defect of the policy", policy = named(policy.as_deref()))]
    Endless {
        /// Which; `None` where nobody has named it yet.
        policy: Option<String>,
        /// How many.
        events: u64,
        /// In what sense nothing comes of them.
        kind: Endless,
    },
    /// A policy broke its word; told in debug builds only.
    #[error("a policy broke its word: {what}; see docs/own-policy.md; this is a defect of the policy")]
    Owed {
        /// How.
        what: String,
    },
    /// The point does not exist.
    #[error("policy \"{policy}\": {why}")]
    NoSuchPoint {
        /// Policy.
        policy: String,
        /// Why not.
        why: String,
    },
    /// The trace could not be written.
    #[error("the trace could not be written: {0}")]
    Trace(String),
    /// An identity that holds in every run does not.
    #[error("an identity is broken in a run of \"{policy}\" with {agents} agents, replication {replication}: {what}")]
    Identity {
        /// Policy.
        policy: String,
        /// Workers.
        agents: u32,
        /// Replication.
        replication: u64,
        /// Which identity.
        what: String,
    },
}

/// In what sense a policy gets nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endless {
    /// Time stands still.
    AtOneInstant {
        /// In whole seconds.
        at_s: u64,
    },
    /// Time goes by, and nothing is claimed, kept, proposed, submitted or given up.
    WithoutProgress {
        /// Of a team of so many agents.
        agents: u32,
    },
}

impl std::fmt::Display for Endless {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Self::AtOneInstant { at_s } => write!(f, "at one instant ({at_s} s)"),
            Self::WithoutProgress { agents } => {
                write!(
                    f,
                    "in a row after which its {agents} agent(s) had claimed, kept, proposed and submitted nothing"
                )
            }
        }
    }
}

fn named(policy: Option<&str>) -> String {
    policy.map_or_else(|| "a policy".to_owned(), |name| format!("policy \"{name}\""))
}

impl RunError {
    /// The same, told of this policy.
    #[must_use]
    pub fn of(mut self, name: &str) -> Self {
        if let Self::Endless { policy, .. } = &mut self {
            policy.get_or_insert_with(|| name.to_owned());
        }
        self
    }
}

/// One ledger per task in debug builds, none in others.
fn ledgers(tasks: usize) -> Vec<Ledger> {
    let kept = if cfg!(debug_assertions) { tasks } else { 0 };
    (0..kept).map(|_| Ledger::default()).collect()
}

/// The largest teams (10^6 agents) start with some events each at one instant; this is far more than any needs.
const MOST_EVENTS_AT_ONCE: u64 = 1 << 26;

/// A delegation has at most 10^6 steps, each with a tool run and a compaction; this is more than twice that.
const MOST_EVENTS_WITHOUT_PROGRESS: u64 = 1 << 23;

/// Looks whether the policy of a task gets anywhere.
#[derive(Clone, Copy, Debug, Default)]
struct Watch {
    events: u64,
    agents: u32,
}

impl Watch {
    fn event(&mut self) -> Result<(), RunError> {
        self.events += 1;
        let agents = self.agents.max(1);
        if self.events <= MOST_EVENTS_WITHOUT_PROGRESS * u64::from(agents) {
            return Ok(());
        }
        Err(RunError::Endless { policy: None, events: self.events, kind: Endless::WithoutProgress { agents } })
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::Call(_, request) => self.agents = self.agents.max(request.agent.0 + 1),
            // An agent that goes over to another phase or shortens its history has not come further.
            Command::Note(Note::Phase(..) | Note::Compacted(_))
            | Command::Cancel(_)
            | Command::SetTimer(..)
            | Command::CancelTimer(_) => {}
            Command::Note(_) | Command::Finish(_) => self.events = 0,
        }
    }
}

/// Runs one policy per task until the world is still.
pub fn drive(world: &mut impl World, policies: &mut [Box<dyn Policy>]) -> Result<(), RunError> {
    let mut boxes: Vec<Outbox> = policies.iter().map(|_| Outbox::default()).collect();
    let mut watches = vec![Watch::default(); policies.len()];
    let mut ledgers = ledgers(policies.len());
    let (mut instant, mut events) = (Time::ZERO, 0_u64);
    while let Some(Delivery { task, at, event }) = world.next() {
        events = if at == instant { events + 1 } else { 0 };
        instant = at;
        if events > MOST_EVENTS_AT_ONCE {
            let kind = Endless::AtOneInstant { at_s: at.as_nanos() / 1_000_000_000 };
            return Err(RunError::Endless { policy: None, events, kind });
        }
        let watch = &mut watches[task.index()];
        watch.event()?;
        let out = &mut boxes[task.index()];
        policies[task.index()].handle(at, &event, out);
        if let Some(ledger) = ledgers.get_mut(task.index()) {
            ledger.hears(&event);
        }
        for command in out.drain() {
            watch.command(&command);
            if let Some(Err(what)) = ledgers.get_mut(task.index()).map(|ledger| ledger.says(&command)) {
                // What the world has to say comes first: a recording that departs from itself misleads any policy.
                return Err(world.failure().unwrap_or(RunError::Owed { what }));
            }
            world.execute(task, command);
        }
        out.shrink();
    }
    if let Some(failure) = world.failure() {
        return Err(failure);
    }
    match world.unfinished() {
        0 => Ok(()),
        unfinished => Err(RunError::Stalled { unfinished }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Span;
    use crate::model::call::{Answer, Finding, FindingKind, Prompt, Purpose, Reply, Request, Usage};
    use crate::model::ids::{About, AgentId, CallId, FindingId};

    /// Answers every call a second later.
    #[derive(Default)]
    struct Echo {
        now: u64,
        due: Option<CallId>,
        started: bool,
    }

    impl World for Echo {
        fn next(&mut self) -> Option<Delivery> {
            let event = if std::mem::replace(&mut self.started, true) {
                let digest = Finding { id: FindingId(0), kind: FindingKind::Digest, tokens: 0 };
                let reply = Reply { answer: Answer::Digest(digest), usage: Usage::default(), sojourn: Span::ZERO };
                Event::Replied(self.due.take()?, reply)
            } else {
                Event::Started
            };
            self.now += 1_000_000_000;
            Some(Delivery { task: TaskId(0), at: Time::from_nanos(self.now), event })
        }

        fn execute(&mut self, _: TaskId, command: Command) {
            if let Command::Call(id, _) = command {
                self.due = Some(id);
            }
        }

        fn unfinished(&self) -> usize {
            1
        }
    }

    /// Shortens a history that does not get shorter.
    struct Shortens;

    impl Policy for Shortens {
        fn handle(&mut self, _: Time, _: &Event, out: &mut Outbox) {
            out.note(Note::Compacted(AgentId(0)));
            out.call(Request::new(AgentId(0), Purpose::Compact, About::default(), Prompt::new()));
        }
    }

    #[test]
    fn a_policy_that_calls_without_end_is_named_and_ended() {
        let error = drive(&mut Echo::default(), &mut [Box::new(Shortens) as Box<dyn Policy>]).unwrap_err().of("mine");
        let kind = Endless::WithoutProgress { agents: 1 };
        let events = MOST_EVENTS_WITHOUT_PROGRESS + 1;
        assert_eq!(error, RunError::Endless { policy: Some("mine".to_owned()), events, kind });
        assert!(error.to_string().starts_with("policy \"mine\" acts without end: 8388609 events in a row"), "{error}");
    }
}
