//! Discrete events: time, the calendar of future events, resources, keyed random streams.
//!
//! Invariant: nothing in this room knows an agent, a token or a dollar; time is an integer.

pub mod calendar;
mod chacha;
mod crowd;
mod heap;
mod ladder;
pub mod random;
pub mod resource;
pub mod sampler;
pub mod time;
mod tournament;

pub use calendar::{Calendar, EventId};
pub use random::{Address, Draws, Key, Substream};
pub use resource::{Integrals, Rate, Servers, TokenBucket};
pub use sampler::{Law, Part};
pub use time::{Span, SpanSum, Time, nearest};
