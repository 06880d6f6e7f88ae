//! What a request's thread and its transport tell each other while it runs.

use std::sync::atomic::{AtomicBool, AtomicU64};

/// What a thread and the transport tell each other of a try.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Nobody wants the answer any more.
    pub(super) stop: AtomicBool,
    /// When the last bytes of the answer came, in nanoseconds; 0 before any did.
    pub(super) heard_at: AtomicU64,
}
