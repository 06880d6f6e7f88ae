//! `delm-sim`: a deterministic discrete-event simulator and benchmark harness for the coordination of
//! multi-agent LLM systems.
//!
//! The rooms, from the rim inwards; an arrow points from the caller to the called and never back:
//!
//! ```text
//! main -> cli -> report -> experiment -> live -> import | runtime -> policy | record -> model -> kernel | stats
//! ```

pub mod cli;
pub mod experiment;
pub mod import;
pub mod kernel;
pub mod live;
pub mod model;
pub mod policy;
pub mod record;
pub mod report;
pub mod runtime;
pub mod stats;
