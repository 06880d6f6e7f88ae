//! `delm-sim`: a deterministic discrete-event simulator and benchmark harness for the coordination of
//! multi-agent LLM systems.
//!
//! The rooms, from the rim inwards; an arrow points from the caller to the called and never back:
//!
//! ```text
//! main -> cli -> report -> experiment -> runtime -> policy -> model -> kernel      (stats stands beside kernel)
//! ```

pub mod cli;
pub mod experiment;
pub mod kernel;
pub mod model;
pub mod policy;
pub mod report;
pub mod runtime;
pub mod stats;
