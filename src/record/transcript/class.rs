//! How a real call ended, for whoever asks whether a run is a measurement.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a real call ended. One of them only is an answer that a policy can use as the model meant it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CallClass {
    /// A whole answer in the form that was asked for, repaired or not.
    Answered,
    /// The answer ran into the most completion tokens and could not be read.
    Cut,
    /// The server withheld the answer, or a part of it.
    Filtered,
    /// A whole answer that could not be read, after its repair as well.
    Unreadable,
    /// The server said no.
    Refused,
    /// It took too long.
    TimedOut,
    /// The connection or the answer broke off.
    Lost,
}

impl CallClass {
    /// All, in the order in which they are told.
    pub const ALL: [Self; 7] =
        [Self::Answered, Self::Cut, Self::Filtered, Self::Unreadable, Self::Refused, Self::TimedOut, Self::Lost];

    /// As files and screens name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Cut => "cut",
            Self::Filtered => "filtered",
            Self::Unreadable => "unreadable",
            Self::Refused => "refused",
            Self::TimedOut => "timed-out",
            Self::Lost => "lost",
        }
    }
}
