//! Settings: the four mechanisms of coordination and what each owns. A named policy is a point of this space; a
//! scenario may move it (`[policy.NAME]`) or name a point of its own (`based_on`).
//!
//! The walk: a [`Draft`] holds every key; [`Draft::settle`] keeps what the point reads, as a sum of forms
//! ([`Settings`]); [`readers`] says who would have read the rest.
//!
//! Invariant: code that coordinates cannot reach a setting that its form does not own, and a setting that is written
//! and not kept is a fault.

mod draft;
mod forms;
mod lead;
mod readers;
mod settle;
mod words;

pub use draft::Draft;
pub use forms::{
    Asking, Budgets, Coordination, GateOf, Mechanisms, Memory, Own, Pick, Queue, QueueStore, Settings, SharedGists,
    SharedNotes, Solo, ThreadPlan, ThreadStore, Threads, Window,
};
pub use lead::{Lead, LeadBoard, LeadStore, LeadWork, Report, Round, Rounds, Telling};
pub use readers::{holds, readers, same};
pub use settle::NoSuchPoint;
pub use words::{Barrier, BoardPlace, Control, Dispatch, DryPolicy, Finish, Form, Gate, ServedBy, Store, Work};
