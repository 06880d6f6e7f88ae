//! From a draft to a point: what the form reads is kept, what it does not read is left behind.
//!
//! Control and store must go together. A gate or finish that cannot act beside them takes the word that is true there:
//! nothing stands before a store that nobody reads, so its gate is `none`. Whoever wrote another word is told so,
//! because the point does not hold it.

use super::draft::Draft;
use super::forms::{
    Asking, Budgets, Coordination, GateOf, Memory, Own, Pick, Queue, QueueStore, Settings, SharedGists, SharedNotes,
    Solo, ThreadPlan, ThreadStore, Threads, Window,
};
use super::lead::{Lead, LeadBoard, LeadStore, LeadWork, Report, Round, Rounds, Telling};
use super::words::{Barrier, Control, Dispatch, Finish, Form, Gate, Store, Work};
use crate::model::Limit;

/// Mechanisms that do not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct NoSuchPoint {
    /// The setting to change.
    pub key: &'static str,
    /// What is wrong with it.
    pub why: &'static str,
    /// What to write instead.
    pub mend: &'static str,
}

const QUEUE_ON_LINES: NoSuchPoint = NoSuchPoint {
    key: "control",
    why: "a queue of subtasks works on `divide` only",
    mend: "write control = \"none\" or \"lead\", or choose another workload",
};
const SHARED_ALONE: NoSuchPoint = NoSuchPoint {
    key: "store",
    why: "threads with a shared store work on `search` only",
    mend: "write store = \"none\", or control = \"queue\"",
};
const RELAY_ALONE: NoSuchPoint =
    NoSuchPoint { key: "store", why: "a relay needs a lead", mend: "write control = \"lead\", or another store" };
const ARTIFACTS_ALONE: NoSuchPoint = NoSuchPoint {
    key: "store",
    why: "references to artifacts need a lead that hands them out",
    mend: "write control = \"lead\", or another store",
};
const RUNS_OF_ONE_QUESTION: NoSuchPoint = NoSuchPoint {
    key: "run_workers",
    why: "runs side by side work on `search` only: a question has one queue of subtasks",
    mend: "leave it out, or choose another workload",
};

impl Draft {
    /// The point that the draft describes on this kind of work.
    ///
    /// # Errors
    /// There is no such point.
    pub fn settle(&self, work: Work) -> Result<Settings, NoSuchPoint> {
        match (self.control, self.store, work) {
            (Control::Queue, _, Work::Search) => return Err(QUEUE_ON_LINES),
            (Control::None | Control::Queue, Store::Relay, _) => return Err(RELAY_ALONE),
            (Control::None | Control::Queue, Store::Artifacts, _) => return Err(ARTIFACTS_ALONE),
            (_, _, Work::Divide) if self.run_workers != Limit::Unlimited => return Err(RUNS_OF_ONE_QUESTION),
            (Control::None, Store::Shared, Work::Divide) => return Err(SHARED_ALONE),
            _ => {}
        }
        let coordination = match (self.control, work) {
            (Control::None, Work::Divide) => Coordination::Solo(Solo { finalize: self.finalize }),
            (Control::None, Work::Search) => Coordination::Threads(self.threads()),
            (Control::Queue, _) => Coordination::Queue(self.queue()),
            (Control::Lead, work) => Coordination::Lead(self.lead(work)),
        };
        // One delegate at a time does every subtask: no other worker of the team has a part.
        let one = (self.control, self.dispatch, work) == (Control::Lead, Dispatch::Sequential, Work::Divide);
        let pick = self.pick(work, &coordination);
        Ok(Settings {
            team: (!one).then_some(self.team),
            run_workers: hear_of_each_other(work, &coordination).then_some(self.run_workers),
            pick,
            lead_endpoint: has_lead_calls(&coordination).then(|| self.lead_endpoint.clone()),
            verifier_endpoint: has_judge(&coordination, pick).then(|| self.verifier_endpoint.clone()),
            ..self.shared(coordination)
        })
    }

    /// Who picks, where several lines submit.
    fn pick(&self, work: Work, coordination: &Coordination) -> Option<Pick> {
        let is_one_line = match coordination {
            Coordination::Threads(threads) => threads.is_pooled(),
            Coordination::Lead(lead) => work == Work::Divide || lead.dispatch() == Dispatch::Sequential,
            Coordination::Queue(_) => true,
            Coordination::Solo(_) | Coordination::Own(_) => false,
        };
        if is_one_line && self.run_workers == Limit::Unlimited {
            return None;
        }
        match self.finish {
            Finish::Each | Finish::Last | Finish::Lead => None,
            Finish::First => Some(Pick::First {}),
            Finish::Vote => Some(Pick::Vote {}),
            Finish::Judge => Some(Pick::Judge { candidate_tokens: self.candidate_tokens }),
        }
    }

    /// The settings of a user's own policy: what all forms share.
    pub(crate) fn settle_own(&self, form: Form) -> Settings {
        self.shared(Coordination::Own(Own { form }))
    }

    fn shared(&self, coordination: Coordination) -> Settings {
        Settings {
            team: Some(self.team),
            run_workers: None,
            pick: None,
            // A user's own policy makes what calls it likes.
            lead_endpoint: Some(self.lead_endpoint.clone()),
            verifier_endpoint: Some(self.verifier_endpoint.clone()),
            deadline_s: self.deadline_s,
            instructions_tokens: self.instructions_tokens,
            task_tokens: self.task_tokens,
            delegation_tokens: self.delegation_tokens,
            max_steps: self.max_steps,
            window: match self.window_tokens {
                Limit::Unlimited => Window::Unlimited { window_tokens: Limit::Unlimited },
                Limit::At(window_tokens) => Window::At { window_tokens, digest_tokens: self.digest_tokens },
            },
            memory: match self.memory_steps {
                Limit::Unlimited => Memory::Unlimited { memory_steps: Limit::Unlimited },
                Limit::At(memory_steps) => Memory::At {
                    memory_steps,
                    keep_steps: self.keep_steps,
                    memory_digest_tokens: self.memory_digest_tokens,
                },
            },
            coordination,
        }
    }

    fn threads(&self) -> Threads {
        let plan = if self.plan {
            ThreadPlan::Yes { plan: true, report_tokens: self.report_tokens }
        } else {
            ThreadPlan::No { plan: false }
        };
        let store = if self.store == Store::Shared {
            ThreadStore::Shared(SharedNotes {
                gate: self.gate,
                board_window_tokens: self.board_window_tokens,
                planner_window_tokens: self.plan.then_some(self.planner_window_tokens),
                board_place: self.board_place,
            })
        } else {
            ThreadStore::None {}
        };
        let budgets = if self.pool_budgets {
            Budgets::Pooled { pool_budgets: true }
        } else {
            Budgets::Each { pool_budgets: false, stagger_s: self.stagger_s }
        };
        Threads { plan, max_delegations: self.max_delegations, budgets, store }
    }

    fn asking(&self) -> Asking {
        if self.ask_more {
            Asking::Yes { ask_more: true, more_rounds: self.more_rounds }
        } else {
            Asking::No { ask_more: false }
        }
    }

    fn queue(&self) -> Queue {
        let store = if self.store == Store::Shared {
            QueueStore::Shared(SharedGists {
                board_window_tokens: self.board_window_tokens,
                board_place: self.board_place,
                gist_tokens: self.gist_tokens,
                admission_blocks_agent: self.admission_blocks_agent,
                append_s: self.append_s,
                gate: self.judges(),
            })
        } else {
            QueueStore::None {}
        };
        Queue {
            // One answer for the whole team: where no lead writes it, the last finisher does.
            finish: if self.finish == Finish::Lead { Finish::Lead } else { Finish::Last },
            finalize: self.finalize,
            requeues: self.requeues,
            report_tokens: self.report_tokens,
            asking: self.asking(),
            unfold: self.unfold,
            dry_policy: self.ask_more.then_some(self.dry_policy),
            store,
        }
    }

    fn lead(&self, work: Work) -> Lead {
        let round = Round { barrier: self.barrier, merge: self.merge };
        let leads = self.leads;
        let rounds = match self.dispatch {
            // Of one delegate nobody else is left to wait for; only a time limit can end its round early.
            Dispatch::Sequential if matches!(self.barrier, Barrier::Any | Barrier::KOfN { .. }) => {
                Rounds::Sequential(Round { barrier: Barrier::All, ..round })
            }
            Dispatch::Sequential => Rounds::Sequential(round),
            Dispatch::Serial => Rounds::Serial { leads, round },
            Dispatch::Pipelined => Rounds::Pipelined { leads, round },
            Dispatch::Parallel => Rounds::Parallel(round),
            Dispatch::Async => Rounds::Async { leads },
        };
        let store = match self.store {
            Store::None => LeadStore::None {},
            Store::Relay => LeadStore::Relay { brief_tokens: self.brief_tokens },
            Store::Artifacts => {
                LeadStore::Artifacts { reference_tokens: self.reference_tokens, board: self.lead_board() }
            }
            Store::Shared => LeadStore::Shared(self.lead_board()),
        };
        // What is stored is the result itself; a report of it takes a call of its own.
        let report_call = self.report_call || self.store == Store::Artifacts;
        let report = Report { report_call, report_tokens: self.report_tokens };
        let work = match work {
            Work::Search => LeadWork::Lines {
                plan: self.plan,
                max_delegations: self.max_delegations,
                report,
                // Rules cap notes by author and type; a report is no note.
                gate: if self.gate == Gate::Rule && self.store != Store::Shared { Gate::None } else { self.gate },
            },
            Work::Divide => LeadWork::Subtasks {
                finalize: self.finalize,
                requeues: self.requeues,
                asking: self.asking(),
                telling: match (self.store, self.judges()) {
                    (Store::Shared, gate) => Telling::Gist { gist_tokens: self.gist_tokens, gate },
                    (_, GateOf::None {}) => Telling::Report(report),
                    (_, gate) => Telling::Judged { report_tokens: self.report_tokens, gate },
                },
            },
        };
        Lead { rounds, store, work }
    }

    fn lead_board(&self) -> LeadBoard {
        LeadBoard { board_window_tokens: self.board_window_tokens, board_place: self.board_place }
    }

    /// The gate of results. Rules cap notes by author and type; a result is neither.
    fn judges(&self) -> GateOf {
        match self.gate {
            Gate::None | Gate::Rule => GateOf::None {},
            Gate::Llm => GateOf::Llm { gate_retries: self.gate_retries },
            Gate::Oracle => GateOf::Oracle { gate_retries: self.gate_retries },
        }
    }
}

/// Whether workers on lines have anything in common, so that it matters who is in a run with whom.
fn hear_of_each_other(work: Work, coordination: &Coordination) -> bool {
    let together = match coordination {
        Coordination::Threads(threads) => threads.is_pooled() || threads.store != ThreadStore::None {},
        Coordination::Lead(_) => true,
        Coordination::Solo(_) | Coordination::Queue(_) | Coordination::Own(_) => false,
    };
    together && work == Work::Search
}

/// Whether somebody plans, hands out, asks for more, merges or answers by a call.
fn has_lead_calls(coordination: &Coordination) -> bool {
    match coordination {
        Coordination::Threads(threads) => matches!(threads.plan, ThreadPlan::Yes { .. }),
        Coordination::Solo(_) | Coordination::Queue(_) | Coordination::Lead(_) | Coordination::Own(_) => true,
    }
}

/// Whether a model judges: before something becomes readable, or at the finish.
fn has_judge(coordination: &Coordination, pick: Option<Pick>) -> bool {
    let gate = match coordination {
        Coordination::Threads(threads) => threads.store.gate(),
        Coordination::Queue(Queue { store: QueueStore::Shared(gists), .. }) => gists.gate.word(),
        Coordination::Lead(lead) => lead.gate(),
        Coordination::Queue(_) | Coordination::Solo(_) | Coordination::Own(_) => Gate::None,
    };
    gate == Gate::Llm || matches!(pick, Some(Pick::Judge { .. }))
}
