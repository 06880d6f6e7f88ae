//! What released each call of a session.
//!
//! * Where the source names predecessors, it is all of them.
//! * Else it is all calls of the conversation that had ended and that nothing else had followed (a review waits for all
//!   coders), or the dispatch of the call before it if that was still under way; and the last completions of the
//!   conversations that it waited for. The first call of a conversation is released by the call that started it.
//! * Else by the arrival.
//!
//! The latest is the immediate cause, stands first and has the gap. A call that a human asked for while nothing was under
//! way has the arrival for its immediate cause: what the human took is the gap, and no tool's time.

use super::session::Session;
use crate::record::transcript::{Dependency, Release};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Calls that ended and that none has followed; of more, the latest count: a queue of a thousand workers is no fan-in.
const MOST_OPEN: usize = 64;

/// When something happened, what, and in which call.
type Cause = (u64, Release, Option<u64>);

/// What a conversation looks like so far.
#[derive(Clone, Default)]
struct Past {
    /// End, number, place.
    under_way: BinaryHeap<Reverse<(u64, u64, usize)>>,
    /// Calls that ended and that no call that has ended followed: end, number.
    open: Vec<(u64, u64)>,
    previous: Option<usize>,
}

/// What released each call, immediate cause first, by place in the session.
pub(super) fn of(
    session: &Session,
    order: &[usize],
    number: &[u64],
    asked: &[u64],
    times: &[(u64, u64)],
) -> Vec<Vec<Dependency>> {
    let mut last_end: Vec<Option<(u64, u64)>> = vec![None; session.conversations.len()];
    for (place, draft) in session.calls.iter().enumerate() {
        let end = (times[place].1, number[place]);
        let last = &mut last_end[draft.conversation];
        *last = (*last).max(Some(end));
    }
    let mut past = vec![Past::default(); session.conversations.len()];
    // Calls of the same conversation that each call followed.
    let mut followed: Vec<Vec<(u64, u64)>> = vec![Vec::new(); order.len()];
    let mut released = vec![Vec::new(); order.len()];
    // What a call makes of another one that stands before it: its end, or its dispatch if it was still under way.
    let after = |other: usize, place: usize| -> Option<Cause> {
        let start = asked[place];
        let is_known = times[other].0 <= start || times[other].1 <= start;
        (number[other] < number[place] && is_known).then(|| {
            if times[other].1 <= start {
                (times[other].1, Release::Completion, Some(number[other]))
            } else {
                (times[other].0, Release::Dispatch, Some(number[other]))
            }
        })
    };
    for &place in order {
        let draft = &session.calls[place];
        let start = asked[place];
        let mut causes: Vec<Cause> = Vec::new();
        let own = &mut past[draft.conversation];
        while let Some(Reverse((at, call, ended))) =
            own.under_way.peek().copied().filter(|Reverse((at, ..))| *at <= start)
        {
            own.under_way.pop();
            own.open.retain(|one| !followed[ended].contains(one));
            own.open.push((at, call));
            if own.open.len() > MOST_OPEN {
                own.open.remove(0);
            }
        }
        if !draft.after.is_empty() {
            causes.extend(draft.after.iter().filter_map(|other| after(*other, place)));
        } else if let Some(previous) = own.previous {
            followed[place].clone_from(&own.open);
            causes.extend(own.open.iter().map(|&(at, call)| (at, Release::Completion, Some(call))));
            if times[previous].1 > start && times[previous].0 <= start {
                causes.push((times[previous].0, Release::Dispatch, Some(number[previous])));
            }
        } else if let Some(starter) = session.conversations[draft.conversation] {
            causes.extend(after(starter, place));
        }
        for &joined in &draft.joins {
            if let Some((at, call)) = last_end[joined].filter(|(at, call)| *at <= start && *call < number[place]) {
                causes.push((at, Release::Completion, Some(call)));
            }
        }
        own.under_way.push(Reverse((times[place].1, number[place], place)));
        own.previous = Some(place);
        if causes.is_empty() {
            causes.push((0, Release::Arrival, None));
        }
        // Latest first; of equals, the later call.
        causes.sort_by_key(|&(at, _, call)| Reverse((at, call)));
        causes.dedup();
        if draft.is_prompted && causes.first().is_some_and(|cause| cause.1 == Release::Completion) {
            causes.insert(0, (0, Release::Arrival, None));
        }
        let of = |(index, (at, on, call)): (usize, Cause)| Dependency {
            on,
            call,
            gap_ns: if index == 0 { start - at } else { 0 },
        };
        released[place] = causes.into_iter().enumerate().map(of).collect();
    }
    released
}
