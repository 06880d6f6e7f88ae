//! What happened: the trace with the sinks that listen to it, the transcript that a run can be replayed from, and the
//! opening of files that others recorded.
//!
//! Invariant: metrics, digests and transcripts come from the records alone; this room knows no world and no policy.

pub mod input;
pub mod trace;
pub mod transcript;

pub use trace::{Summary, Trace};
