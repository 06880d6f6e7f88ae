//! Times of a session's calls. Where the source tells one moment per call or none, the other is bounded by what stands
//! before or after it in the same conversation, and the call says so. A pause is no service: a bound above
//! [`LONGEST_BOUND`] tells nothing, and the duration is modelled from the completion tokens.

use super::moment::{self, Nanos};
use super::session::{Draft, Session};

/// Above it, the time between two calls is taken for a pause and not for the duration of one: 10 minutes.
const LONGEST_BOUND: Nanos = 600_000_000_000;
/// Nanoseconds per completion token where a session tells no duration: 50 tokens per second.
const PLAIN_RATE: f64 = 2e7;

/// Note of a call whose dispatch is not told.
pub(super) const NO_START: &str = "dispatched_ns: not recorded; the completion of the call before it, so the duration is an upper bound (tools included)";
/// Note of a call whose dispatch is bounded by something else than a call.
pub(super) const BOUND_START: &str =
    "dispatched_ns: not recorded; the stamp of the message before, so the duration is an upper bound";
/// Note of a call whose completion is not told.
pub(super) const NO_END: &str =
    "completed_ns: not recorded; the dispatch of the call after it, so the duration is an upper bound (tools included)";
/// Note of a call without any time.
pub(super) const NO_TIMES: &str =
    "dispatched_ns, completed_ns: not recorded; after the call before it, with no duration";
/// Note of a call of which only the duration is told.
pub(super) const ONLY_LENGTH: &str =
    "dispatched_ns, completed_ns: not recorded; after the call before it, with the duration that is told";
/// Note of a call whose times contradict each other.
pub(super) const BACKWARDS: &str = "completed_ns: the source has it before the dispatch; taken as equal";
/// Note of a call whose times are no dates.
const UNSET: &str = "times: 0, or a date before 2001 or after 2100, in the source; taken as not recorded";

/// Note of a session that stood still.
const PAUSES: &str = "pauses: more than 10 minutes lie between calls of a conversation; they count in the makespan";

/// When a call left and ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    /// At the start, or before it, where the call waited in a queue.
    pub(super) asked: Nanos,
    pub(super) start: Nanos,
    pub(super) end: Nanos,
}

struct Span {
    start: Nanos,
    end: Nanos,
}

/// Forgets moments that are no dates, in a session whose moments are dates: writers put 0 for what is not set.
pub(super) fn forget_unset(call: &mut Draft) {
    let is_unset = |at: &mut Option<Nanos>| at.take_if(|at| !moment::is_date(*at)).is_some();
    let (start, first, end) = (is_unset(&mut call.start), is_unset(&mut call.first_token), is_unset(&mut call.end));
    if start || first || end {
        call.miss(UNSET);
    }
}

/// Gives every call both times; tokens must have been counted.
pub(super) fn fill(session: &mut Session) -> Vec<Times> {
    if session.is_dated {
        session.calls.iter_mut().for_each(forget_unset);
    }
    for call in &mut session.calls {
        if let Some(length) = call.length {
            let start = call.start.filter(|_| !call.start_is_bound);
            match (start, call.end) {
                (Some(start), None) => call.end = start.checked_add(length),
                (None, Some(end)) => (call.start, call.start_is_bound) = (end.checked_sub(length), false),
                _ => {}
            }
        }
    }
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
    let rate = Rate::of(session, &before);
    let known = session.calls.iter().filter_map(|c| c.start.or(c.end)).min();
    let mut times: Vec<Times> = Vec::with_capacity(count);
    let mut has_pause = false;
    // What was recorded at another time follows at once.
    let mut shift: Nanos = 0;
    for index in 0..count {
        let previous_end = match before[index] {
            Some(previous) => Some(times[previous].end),
            None => session.conversations[session.calls[index].conversation]
                .filter(|starter| *starter < index)
                .map(|starter| times[starter].end),
        };
        let call = &mut session.calls[index];
        if let (true, Some(end), Some(at)) = (call.is_apart, previous_end, call.start.or(call.end)) {
            shift = end.saturating_sub(at);
        }
        for moment in [&mut call.asked, &mut call.start, &mut call.first_token, &mut call.end].into_iter().flatten() {
            *moment = moment.saturating_add(shift);
        }
        let next = after[index].map(|next| &session.calls[next]).filter(|next| !next.is_apart);
        let next_start = next.and_then(|next| next.start.or(next.end)).map(|at| at.saturating_add(shift));
        let call = &mut session.calls[index];
        let found = match (call.start.filter(|_| !call.start_is_bound), call.end) {
            (Some(start), Some(end)) if end >= start => Span { start, end },
            (Some(start), Some(_)) => {
                call.miss(BACKWARDS);
                Span { start, end: start }
            }
            (None, Some(end)) => {
                let told = call.start.filter(|start| *start <= end);
                let bound = told.or(previous_end.filter(|start| *start <= end));
                let is_pause = bound.is_some_and(|start| end.saturating_sub(start) > LONGEST_BOUND);
                if let Some(start) = bound.filter(|_| !is_pause) {
                    call.miss(if told.is_some() { BOUND_START } else { NO_START });
                    Span { start, end }
                } else {
                    call.miss(&rate.note("dispatched_ns", is_pause));
                    Span { start: end.saturating_sub(rate.guess(call)), end }
                }
            }
            (Some(start), None) => {
                let bound = next_start.filter(|end| *end >= start);
                let is_pause = bound.is_some_and(|end| end.saturating_sub(start) > LONGEST_BOUND);
                let first = call.first_token.filter(|first| *first >= start);
                let end = if let Some(end) = bound.filter(|_| !is_pause) {
                    call.miss(NO_END);
                    end
                } else {
                    call.miss(&rate.note("completed_ns", is_pause));
                    first.unwrap_or(start).saturating_add(rate.guess(call))
                };
                Span { start, end }
            }
            (None, None) => {
                call.miss(if call.length.is_some() { ONLY_LENGTH } else { NO_TIMES });
                let length = call.length.unwrap_or(0);
                let upto = next_start.or(known).map(|next| next.saturating_sub(length));
                let at = call.start.max(previous_end).or(upto).unwrap_or(0);
                Span { start: at, end: at.saturating_add(length) }
            }
        };
        let asked = call.asked.filter(|asked| *asked <= found.start).unwrap_or(found.start);
        let pause = previous_end.map_or(0, |end| asked.saturating_sub(end));
        has_pause |= pause > LONGEST_BOUND;
        times.push(Times { asked, start: found.start, end: found.end });
    }
    if has_pause {
        session.miss(PAUSES);
    }
    times
}

/// How long a completion token takes in a session.
struct Rate {
    nanos: f64,
    source: &'static str,
}

impl Rate {
    /// The median over calls whose duration is told; else over bounds by the completion before that are no pauses.
    fn of(session: &Session, before: &[Option<usize>]) -> Self {
        let mut told: Vec<f64> = Vec::new();
        let mut bounds: Vec<f64> = Vec::new();
        for (index, call) in session.calls.iter().enumerate() {
            let is_told = call.start.is_some() && !call.start_is_bound;
            let start = call.start.or_else(|| before[index].and_then(|place| session.calls[place].end));
            let length = match (start, call.end) {
                (Some(start), Some(end)) => end.saturating_sub(start),
                _ => call.length.unwrap_or(0),
            };
            let tokens = call.tokens.completion.unwrap_or(0);
            if length <= 0 || tokens == 0 {
                continue;
            }
            if is_told || call.length.is_some() {
                told.push(length as f64 / tokens as f64);
            } else if length <= LONGEST_BOUND {
                bounds.push(length as f64 / tokens as f64);
            }
        }
        let median = |mut rates: Vec<f64>| {
            rates.sort_by(f64::total_cmp);
            rates.get(rates.len() / 2).copied()
        };
        if let Some(nanos) = median(told) {
            return Self { nanos, source: "the session's median seconds per completion token" };
        }
        match median(bounds) {
            Some(nanos) => {
                Self { nanos, source: "the session's median bound of seconds per completion token (tools included)" }
            }
            None => Self { nanos: PLAIN_RATE, source: "0.02 s per completion token, as the session tells no duration" },
        }
    }

    fn guess(&self, call: &Draft) -> Nanos {
        ((self.nanos * call.tokens.completion.unwrap_or(0) as f64) as Nanos).min(LONGEST_BOUND)
    }

    fn note(&self, field: &str, is_pause: bool) -> String {
        let why = if is_pause { "; more than 10 minutes to its neighbour are a pause" } else { "" };
        format!("{field}: not recorded{why}; from {}", self.source)
    }
}
