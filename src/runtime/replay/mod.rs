//! Replay: recorded runs instead of models and endpoints.
//!
//! * strict: the policy is asked again and must ask for exactly what was recorded; answers, times and costs are the
//!   recorded ones, so that trace and metrics come out the same;
//! * retimed: the recorded calls and what released them, at another speed or under other limits.
//!
//! Invariant: strict replay matches calls by content key, never by position, and stops at the first difference.

mod again;
mod bill;
mod checks;
mod divergence;
mod retimed;
mod sound;
mod strict;
mod terms;

pub use again::Again;
pub use divergence::Divergence;
pub use retimed::{WhatIf, retime};
pub use sound::{contradiction, miscount};
pub use strict::Strict;
pub use terms::Terms;
