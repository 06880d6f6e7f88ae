//! How calls ended, and whether a run with such ends is a measurement.
//!
//! Invariant: whoever counts ends counts each call once, by its last try; calls that plain code answered, that the policy
//! cancelled or that never left have no end.

use crate::live::chat::TryError;
use crate::model::call::CallError;
use crate::record::transcript::{CallClass, CallLine, Status};
use std::collections::BTreeMap;

/// The least share of usable answers of a measurement.
pub const LEAST_USABLE: f64 = 0.95;

/// How a call ended, with what a mend needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// A whole answer in the form that was asked for.
    Answered,
    /// Cut by the most completion tokens, if they are known.
    Cut(Option<u32>),
    /// Withheld; what the server said of it.
    Filtered(String),
    /// Not to be read.
    Unreadable,
    /// Refused; what the server said.
    Refused(String),
    /// Too late; what was.
    TimedOut(String),
    /// Broken off; what was.
    Lost(String),
}

impl Ending {
    /// Of a reply that cannot be read.
    pub(super) fn of_reply(finish_reason: Option<&str>, max_tokens: Option<u32>) -> Self {
        match finish_reason {
            Some("length" | "max_tokens" | "MAX_TOKENS" | "model_context_window_exceeded") => Self::Cut(max_tokens),
            Some(reason) if is_filter(reason) => Self::Filtered(format!("finish reason {reason}")),
            _ => Self::Unreadable,
        }
    }

    /// Of a try that failed.
    pub(super) fn of_error(error: &TryError) -> Self {
        let told = error.to_string();
        match error {
            TryError::Status { .. } if error.is_filtered() => Self::Filtered(told),
            TryError::Status { status: 408 | 504 | 524, .. } | TryError::Timeout { .. } => Self::TimedOut(told),
            TryError::Status { .. } => Self::Refused(told),
            TryError::Connection { .. } | TryError::Broken { .. } => Self::Lost(told),
        }
    }

    /// Of a call in a transcript; `None` if it has no end, or nobody classed it.
    pub fn of_line(line: &CallLine) -> Option<Self> {
        let response = line.response.as_ref()?;
        if line.status == Status::Cancelled {
            return None;
        }
        let told = || response.finish_reason.clone().unwrap_or_default();
        Some(match response.class? {
            CallClass::Answered => Self::Answered,
            CallClass::Cut => Self::Cut(max_tokens(line)),
            CallClass::Filtered => Self::Filtered(told()),
            CallClass::Unreadable => Self::Unreadable,
            CallClass::Refused => Self::Refused(told()),
            CallClass::TimedOut => Self::TimedOut(told()),
            CallClass::Lost => Self::Lost(told()),
        })
    }

    /// Of an answer that cannot be read, in the journal of a version that did not class it.
    pub(super) fn of_older_reply(line: &CallLine) -> Self {
        Self::of_reply(line.response.as_ref().and_then(|r| r.finish_reason.as_deref()), max_tokens(line))
    }

    /// Of a failed call in such a journal.
    pub(super) fn of_older_failure(line: &CallLine, error: CallError) -> Self {
        let response = line.response.as_ref();
        if response.is_some_and(|r| r.text.is_some()) {
            return Self::of_older_reply(line);
        }
        let told = response.and_then(|r| r.finish_reason.clone()).unwrap_or_default();
        if error == CallError::Timeout { Self::TimedOut(told) } else { Self::Refused(told) }
    }

    /// In words, of one answer.
    pub(super) fn of_one(&self) -> String {
        format!("the answer {}", self.words().0.replacen("were ", "was ", 1))
    }

    /// Its class.
    pub fn class(&self) -> CallClass {
        match self {
            Self::Answered => CallClass::Answered,
            Self::Cut(_) => CallClass::Cut,
            Self::Filtered(_) => CallClass::Filtered,
            Self::Unreadable => CallClass::Unreadable,
            Self::Refused(_) => CallClass::Refused,
            Self::TimedOut(_) => CallClass::TimedOut,
            Self::Lost(_) => CallClass::Lost,
        }
    }

    /// The words behind "n calls ...", and what may help.
    pub(super) fn words(&self) -> (String, &'static str) {
        let why = |told: &str| if told.is_empty() { String::new() } else { format!(" ({told})") };
        match self {
            Self::Answered => ("were answered".to_owned(), "nothing is to be mended"),
            Self::Cut(Some(n)) => (format!("were cut by max_tokens = {n}"), "raise --completion-tokens"),
            Self::Cut(None) => ("were cut by the most completion tokens".to_owned(), "raise --completion-tokens"),
            Self::Filtered(told) => (
                format!("were filtered by the server{}", why(told)),
                "look after its content filter, or ask another model or other questions",
            ),
            Self::Unreadable => (
                "could not be read, even after a repair".to_owned(),
                "use a model or server that keeps to a JSON Schema",
            ),
            Self::Refused(told) => (format!("were refused{}", why(told)), "mend what the server names"),
            Self::TimedOut(told) => {
                (format!("took too long{}", why(told)), "give more time with --timeout-s, or lower --concurrency")
            }
            Self::Lost(told) => (format!("were lost{}", why(told)), "look after the server and the way to it"),
        }
    }
}

/// Whether a finish reason says that something was withheld.
fn is_filter(reason: &str) -> bool {
    reason.starts_with("content_filter")
        || matches!(reason, "refusal" | "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII")
}

fn max_tokens(line: &CallLine) -> Option<u32> {
    let told = ["max_tokens", "max_completion_tokens"].iter().find_map(|key| line.request.parameters.get(*key));
    told.and_then(serde_json::Value::as_u64).and_then(|n| u32::try_from(n).ok())
}

/// Ends of calls, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endings(BTreeMap<Ending, u64>);

impl Endings {
    /// One more.
    pub fn note(&mut self, ending: Ending) {
        *self.0.entry(ending).or_default() += 1;
    }

    /// Takes in others.
    pub fn add(&mut self, other: &Self) {
        for (ending, n) in &other.0 {
            *self.0.entry(ending.clone()).or_default() += n;
        }
    }

    /// How many of a class.
    pub fn of(&self, class: CallClass) -> u64 {
        self.0.iter().filter(|(ending, _)| ending.class() == class).map(|(_, n)| n).sum()
    }

    /// All.
    pub fn all(&self) -> u64 {
        self.0.values().sum()
    }

    /// Share of usable answers; `None` of nothing.
    pub fn usable(&self) -> Option<f64> {
        let all = self.all();
        (all > 0).then(|| self.of(CallClass::Answered) as f64 / all as f64)
    }

    /// Why this is no measurement, with the mend; `None` if enough answers are usable, or nothing ended.
    pub fn fault(&self) -> Option<String> {
        self.usable().filter(|usable| *usable < LEAST_USABLE)?;
        let (all, answered) = (self.all(), self.of(CallClass::Answered));
        let mut reasons: Vec<String> = Vec::new();
        for class in CallClass::ALL.into_iter().filter(|class| *class != CallClass::Answered) {
            let mut own: Vec<(&Ending, u64)> =
                self.0.iter().filter(|(e, _)| e.class() == class).map(|(e, n)| (e, *n)).collect();
            own.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
            let rest: u64 = own.iter().skip(MOST_CAUSES).map(|(_, n)| n).sum();
            let Some(mend) = own.first().map(|(ending, _)| ending.words().1) else { continue };
            let told = own.iter().take(MOST_CAUSES);
            let told = told.map(|(ending, n)| format!("{n} of {all} calls {}", ending.words().0));
            let mut told: Vec<String> = told.collect();
            if rest > 0 {
                told.push(format!("{rest} more of them for other reasons"));
            }
            reasons.push(format!("{}: {mend}", told.join(", ")));
        }
        Some(format!(
            "{answered} of {all} calls gave a usable answer, fewer than {:.0} %; {}",
            LEAST_USABLE * 100.0,
            reasons.join("; ")
        ))
    }
}

/// Causes of a class that are told one by one.
const MOST_CAUSES: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn many(ending: &Ending, n: u64) -> Endings {
        Endings(BTreeMap::from([(ending.clone(), n)]))
    }

    #[test]
    fn a_measurement_has_95_of_100_usable_answers() {
        let mut endings = many(&Ending::Answered, 95);
        endings.add(&many(&Ending::Unreadable, 5));
        assert_eq!(endings.fault(), None);
        endings.note(Ending::Unreadable);
        assert!(endings.fault().unwrap().contains("95 of 101 calls gave a usable answer"));
        assert_eq!((Endings::default().fault(), Endings::default().usable()), (None, None));
    }

    #[test]
    fn the_reason_and_the_mend_are_told() {
        let mut endings = many(&Ending::Answered, 4);
        endings.add(&many(&Ending::Cut(Some(64)), 46));
        let told = endings.fault().unwrap();
        assert!(told.contains("46 of 50 calls were cut by max_tokens = 64: raise --completion-tokens"), "{told}");
    }

    #[test]
    fn replies_that_cannot_be_read_are_told_apart() {
        let of = |reason: &str| Ending::of_reply(Some(reason), Some(9)).class();
        assert_eq!(
            ["length", "content_filter", "stop"].map(of),
            [CallClass::Cut, CallClass::Filtered, CallClass::Unreadable]
        );
        let status = |status, message: &str| {
            Ending::of_error(&TryError::Status { status, message: message.to_owned(), retry_after: None }).class()
        };
        assert_eq!(status(400, "the response was filtered (content_filter)"), CallClass::Filtered);
        assert_eq!(status(504, "gateway"), CallClass::TimedOut);
        assert_eq!(status(503, "busy"), CallClass::Refused);
        assert_eq!(Ending::of_error(&TryError::Broken { what: String::new() }).class(), CallClass::Lost);
    }
}
