//! The science: scenarios, replications, metrics, comparisons, calibration.
//!
//! Invariant: this room prints nothing; equal scenarios and seeds give equal studies, whatever the number of jobs.

pub mod scenario;
pub mod study;

pub use scenario::Scenario;
pub use study::Study;
