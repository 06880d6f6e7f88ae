//! Coordination rules as pure state machines on one seam (`protocol`), built from control x store x gate x finish.
//!
//! Invariant: a policy reads no clock, draws nothing, sees no text, does no I/O; equal events give equal commands.

mod board;
mod calls;
mod catalog;
mod control;
mod gate;
pub mod prompt;
pub mod protocol;
pub mod settings;
mod worker;

pub use board::{BOARD, Board, Notebook, private};
pub use calls::InFlight;
pub use catalog::{Catalog, Entry, Factory};
pub use gate::{Admission, Standing, Writing};
pub use protocol::{Command, Event, Outbox, Policy};
pub use settings::Settings;
pub use worker::{Next, Notes, Worker};
