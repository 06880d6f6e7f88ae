//! Transcripts: all calls of a run with their answers, as JSON Lines. Simulated and live runs write them, importers make
//! them from other programs' records, replay and calibration read them.
//!
//! Invariant: lines stand in the order in which things ended; a reader needs memory for one line, a replay for one run.

mod class;
mod key;
mod line;
mod message;
mod reader;
mod recorder;
mod tries;
mod usage;

pub use class::CallClass;
pub use key::content_key;
pub use line::*;
pub use message::Message;
pub(crate) use reader::line_of;
pub use reader::{Reader, Recording, Recordings, TranscriptError};
pub use recorder::{Details, Recorder};
pub use tries::{Billed, DispatchLine, UnreadableLine};
pub use usage::UsageLine;
