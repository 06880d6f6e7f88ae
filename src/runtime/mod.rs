//! One loop, several worlds. A world delivers events to policies and executes their commands; everything that happens is
//! a record of the trace.
//!
//! Invariant: metrics and digests read the trace and nothing else.

pub mod chat;
pub mod desk;
pub mod driver;
pub mod import;
pub mod live;
pub mod questions;
pub mod replay;
pub mod simulated;
pub mod trace;
pub mod transcript;

pub use driver::{Delivery, RunError, World, drive};
pub use simulated::{Fleet, Simulated};
pub use trace::{Summary, Trace};
