//! Calibration: from a request log to endpoint presets that were checked on traces the fit has not seen.
//!
//! The walk: [`read_log`] checks every cell, [`calibrate`] fits each model ([`fit()`]) on some traces and checks it
//! on the others ([`validate`]), [`presets`] writes down both. The law is that of the simulation,
//! [`crate::model::endpoint::EndpointSpec::latency`]; tool times come from gaps that tool results ended.
//!
//! Invariant: nothing is read from a clock or printed; the same log, options and seed give the same bytes.

pub mod columns;
pub mod fault;
pub mod fit;
pub mod holdout;
mod least_squares;
pub mod log;
pub mod preset;
pub mod prices;
pub mod resample;
pub mod residuals;
mod row;
pub mod run;
mod sample;
mod text;
pub mod tools;
pub mod transcript;

pub use columns::{Aliases, COLUMNS};
pub use fault::CalibrationError;
pub use fit::{Fit, fit};
pub use holdout::{QuantileCheck, Validation, Verdict, validate};
pub use log::{LoggedRequest, ReadOptions, RequestLog, read_log};
pub use preset::{Preset, Provenance, presets, rule};
pub(crate) use prices::undated;
pub use prices::{ListPrice, PRICE_SOURCE, list_price};
pub use resample::Banded;
pub use row::Split;
pub use run::{CalibrateOptions, Calibration, ModelResult, calibrate, check};
pub use tools::{ToolTimes, tool_times};
