//! One loop, several worlds. A world delivers events to policies and executes their commands: simulated time, or a
//! recording. What happens is told to the trace.
//!
//! Invariant: a policy hears of nothing that the trace does not know, and the trace knows it first.

pub mod driver;
mod fleet;
mod owed;
pub mod replay;
pub mod simulated;

pub use driver::{Delivery, Endless, RunError, World, drive};
pub use fleet::{Fleet, FleetError};
pub use simulated::Simulated;
