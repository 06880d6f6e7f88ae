//! The things: ids, calls, prices, endpoints, shared context, task queue, workloads. Nothing waits here.
//!
//! Invariant: no calendar, no policy; every random draw is keyed by what it is for.

pub mod cache;
pub mod call;
pub mod context;
pub mod detail;
pub mod endpoint;
pub mod ids;
pub mod limit;
pub mod note;
pub mod price;
pub mod queue;
pub mod sharing;
pub mod workload;

pub use limit::Limit;

/// Whether a value is its type's default, for fields that are written out only where they are not.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
