//! The science: scenarios, replications, metrics, comparisons, calibration.
//!
//! Invariant: this room prints nothing; equal scenarios and seeds give equal studies, whatever the number of jobs.

pub mod asked;
pub mod calibration;
mod cells;
pub mod comparison;
pub mod conduct;
mod document;
pub mod embedded;
pub mod explain;
pub mod faults;
pub mod fit;
pub mod gate;
pub mod judgement;
pub mod live;
pub mod load;
pub mod metrics;
pub mod parameters;
pub mod prediction;
pub mod presets;
pub mod prior;
pub mod published;
pub(crate) mod reading;
pub mod replay;
pub mod replication;
mod runner;
pub mod scenario;
mod sensitivity;
mod shape;
pub mod study;
mod text;
mod twins;
pub mod usable;
pub mod validate;
mod verdict;

pub use conduct::{Options, conduct};
pub use faults::{Fault, ScenarioError};
pub use load::Overrides;
pub use parameters::{Parameter, counts, parameters};
pub use replication::Run;
pub use runner::Progress;
pub use scenario::Scenario;
pub use study::Study;
pub use validate::validate;
