//! Coordination rules as pure state machines on one seam (`protocol`), built from control x store x gate x finish.
//!
//! Invariant: a policy reads no clock, draws nothing, sees no text, does no I/O; equal events give equal commands.

pub mod catalog;
pub mod protocol;
pub mod settings;

pub use protocol::{Command, Event, Outbox, Policy};
pub use settings::Settings;
