//! Real calls and real text: the client, the desk that turns requests into words, questions with answers, programs that
//! are run, and the world
//! that spends money.
//!
//! Invariant: every try is on disk before it leaves and every reply before it is used; no key reaches a file or a message.

pub mod chat;
pub mod desk;
pub mod programs;
pub mod questions;
pub mod world;
