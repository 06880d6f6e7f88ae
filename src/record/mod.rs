//! What happened: the trace with the sinks that listen to it, and the transcript that a run can be replayed from.
//!
//! Invariant: metrics, digests and transcripts come from the records alone; this room knows no world and no policy.

pub mod trace;
pub mod transcript;

pub use trace::{Summary, Trace};
