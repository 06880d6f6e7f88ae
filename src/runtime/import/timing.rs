//! Times of a session's calls. Where the source tells one moment per call or none, the other is bounded by what stands
//! before or after it in the same conversation, and the call says so.

use super::moment::Nanos;
use super::session::Session;

/// Note of a call whose dispatch is not told.
pub(super) const NO_START: &str = "dispatched_ns: not recorded; the completion of the call before it, so the duration is an upper bound (tools included)";
/// Note of a first call whose dispatch is not told.
pub(super) const GUESSED_START: &str =
    "dispatched_ns: not recorded; from the session's median seconds per completion token";
/// Note of a call whose completion is not told.
pub(super) const NO_END: &str =
    "completed_ns: not recorded; the dispatch of the call after it, so the duration is an upper bound (tools included)";
/// Note of a last call whose completion is not told.
pub(super) const GUESSED_END: &str =
    "completed_ns: not recorded; from the session's median seconds per completion token";
/// Note of a call without any time.
pub(super) const NO_TIMES: &str =
    "dispatched_ns, completed_ns: not recorded; after the call before it, with no duration";
/// Note of a call whose times contradict each other.
pub(super) const BACKWARDS: &str = "completed_ns: the source has it before the dispatch; taken as equal";

/// When a call left and ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) start: Nanos,
    pub(super) end: Nanos,
}

/// Gives every call both times; tokens must have been counted.
pub(super) fn fill(session: &mut Session) -> Vec<Times> {
    let count = session.calls.len();
    // Neighbours in the same conversation, in the order of the source.
    let mut before = vec![None; count];
    let mut after = vec![None; count];
    let mut last = vec![None; session.conversations.len()];
    for (index, call) in session.calls.iter().enumerate() {
        before[index] = last[call.conversation];
        if let Some(previous) = last[call.conversation] {
            after[previous] = Some(index);
        }
        last[call.conversation] = Some(index);
    }
    let rate = rate(session, &before, &after);
    let known = session.calls.iter().filter_map(|c| c.start.or(c.end)).min();
    let mut times: Vec<Times> = Vec::with_capacity(count);
    for index in 0..count {
        let previous_end = match before[index] {
            Some(previous) => Some(times[previous].end),
            None => session.conversations[session.calls[index].conversation]
                .filter(|starter| *starter < index)
                .map(|starter| times[starter].end),
        };
        let next_start = after[index].and_then(|next| session.calls[next].start.or(session.calls[next].end));
        let call = &mut session.calls[index];
        let guess = (rate * call.tokens.completion.unwrap_or(0) as f64) as Nanos;
        let found = match (call.start, call.end) {
            (Some(start), Some(end)) if end >= start => Times { start, end },
            (Some(start), Some(_)) => {
                call.miss(BACKWARDS);
                Times { start, end: start }
            }
            (None, Some(end)) => {
                let start = previous_end.filter(|start| *start <= end);
                call.miss(if start.is_some() { NO_START } else { GUESSED_START });
                Times { start: start.unwrap_or(end.saturating_sub(guess)), end }
            }
            (Some(start), None) => {
                let end = next_start.filter(|end| *end >= start);
                call.miss(if end.is_some() { NO_END } else { GUESSED_END });
                Times { start, end: end.unwrap_or(start.saturating_add(guess)) }
            }
            (None, None) => {
                call.miss(NO_TIMES);
                let at = previous_end.or(next_start).or(known).unwrap_or(0);
                Times { start: at, end: at }
            }
        };
        times.push(found);
    }
    times
}

/// Median nanoseconds per completion token over calls with a known or bounded duration; 0 if there are none.
fn rate(session: &Session, before: &[Option<usize>], after: &[Option<usize>]) -> f64 {
    let mut rates: Vec<f64> = Vec::new();
    for (index, call) in session.calls.iter().enumerate() {
        let neighbour = |place: Option<usize>| place.map(|p| &session.calls[p]);
        let start = call.start.or_else(|| neighbour(before[index]).and_then(|c| c.end));
        let end = call.end.or_else(|| neighbour(after[index]).and_then(|c| c.start));
        let tokens = call.tokens.completion.unwrap_or(0);
        if let (Some(start), Some(end)) = (start, end)
            && end > start
            && tokens > 0
        {
            rates.push(end.saturating_sub(start) as f64 / tokens as f64);
        }
    }
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or(0.0)
}
