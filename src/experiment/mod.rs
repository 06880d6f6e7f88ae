//! The science: scenarios, replications, metrics, comparisons, calibration.
//!
//! Invariant: this room prints nothing; equal scenarios and seeds give equal studies, whatever the number of jobs.

pub mod comparison;
pub mod conduct;
pub mod metrics;
pub mod parameters;
pub mod replication;
pub mod scenario;
mod sensitivity;
pub mod study;
mod verdict;

pub use conduct::{Options, conduct};
pub use scenario::Scenario;
pub use study::Study;
