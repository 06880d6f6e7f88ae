//! Coordination rules as pure state machines on one seam (`protocol`), built from control x store x gate x finish.
//!
//! Invariant: a policy reads no clock, draws nothing, sees no text, does no I/O; equal events give equal commands.

mod board;
mod calls;
pub mod catalog;
mod control;
mod gate;
mod prompt;
pub mod protocol;
pub mod settings;
mod worker;

pub use protocol::{Command, Event, Outbox, Policy};
pub use settings::Settings;
