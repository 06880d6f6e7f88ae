//! What has been published of the workloads: the numbers with their sources, which settings they were run with, and how
//! far a scenario is from them.
//!
//! Invariant: there is one list of what was published; which points count as published, and what a scenario is held
//! against, are read from it.

pub mod judged;
mod matching;
pub mod place;
pub mod rows;

pub use judged::{Held, Line, Open, Simulated, Standing, Tally, held};
pub(super) use matching::{is_independent, is_published, is_scatter_gather};
pub use place::Reason;
pub use rows::{Row, Spread, Team, Value};
