//! The client of chat completions (OpenAI's, Azure's, Anthropic's messages): one request, streamed, with every instant that matters.
//!
//! ```text
//! Live -> Transport (the clock and the wire) -> one thread per request -> Client -> server
//!             ^---------------- arrivals, with times and cleaned texts ------------'
//! ```
//!
//! Invariant: the key is in one place, [`Secret`]; no text that a server sends leaves this folder before it was cleaned
//! of it. A try ends exactly once: with a completion, an error, or because it was abandoned.

mod address;
mod anthropic;
mod client;
mod clock;
mod ending;
mod secret;
mod stream;
mod threads;
mod transport;
mod waits;
mod watch;

pub use address::{Api, BaseUrl, is_variable_name};
pub use client::{Client, ClientOptions};
pub use clock::{WallClock, unix_ms};
pub use ending::{Completion, Tokens, TryError};
pub use secret::Secret;
pub use stream::read_reply;
pub use threads::Threads;
pub use transport::{Arrival, Job, Transport};
