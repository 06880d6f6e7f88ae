//! What must hold of a recorded call before it may be replayed: a file may have been changed by hand.
//!
//! Invariant: what passes here cannot make a policy or the trace panic.

use crate::kernel::Time;
use crate::model::call::{Answer, Choice, Outcome, Purpose, Request};
use crate::model::ids::{FindingId, TaskId};
use crate::record::transcript::{CallLine, FinishLine, Stage, Status};
use std::collections::BTreeSet;

/// Whether the recorded call asks what the policy asks, field by field; its key alone may be stale.
pub(super) fn asks_the_same(c: &CallLine, task: TaskId, r: &Request) -> bool {
    (c.task, c.agent, c.purpose, c.about, c.background) == (task.0, r.agent.0, r.purpose, r.about, r.background)
        && (c.request.subject, c.request.product_tokens) == (r.subject.map(|f| f.0), r.product_tokens)
        && (c.request.completion_tokens, c.request.items) == (r.completion_tokens, r.items)
        && c.request.judge == r.judge
        && c.request.layout.len() == r.prompt.len()
        && c.request
            .layout
            .iter()
            .zip(&r.prompt)
            .all(|(s, p)| (s.content, s.role, s.tokens) == (p.content, p.role, p.tokens))
}

/// Why a recorded call cannot be replayed at record `seq`, if it cannot.
pub(super) fn unusable(call: &CallLine, seq: u64, now: Time) -> Option<String> {
    let Some(first) = call.moments.first() else {
        return Some("field `moments` is empty: it is a recording of another program; use --mode retimed".into());
    };
    if first.seq != seq {
        return Some(format!("the policy asks for this call as record {seq} of the trace, recorded is {}", first.seq));
    }
    if first.at_ns != now.as_nanos() {
        let now = now.as_nanos();
        return Some(format!("field `moments[0].at_ns`: recorded {} ns, asked at {now} ns", first.at_ns));
    }
    moments(call).or_else(|| times(call)).or_else(|| answer(call))
}

fn moments(call: &CallLine) -> Option<String> {
    let last = call.moments.len() - 1;
    for (i, m) in call.moments.iter().enumerate() {
        let over = match m.stage {
            Stage::Replied | Stage::Failed(_) | Stage::Cancelled => true,
            Stage::Called | Stage::Waits(_) | Stage::Served | Stage::TryFailed(_) => false,
        };
        if (m.stage == Stage::Called) != (i == 0) || over != (i == last && call.status != Status::Open) {
            return Some(format!("field `moments[{i}].stage`: {:?} cannot stand there; the file was changed", m.stage));
        }
        let before = i.checked_sub(1).map(|b| call.moments[b]);
        if before.is_some_and(|b| b.seq >= m.seq || b.at_ns > m.at_ns) {
            return Some(format!("field `moments[{i}]`: it is not after the moment before it; the file was changed"));
        }
    }
    let fits = match call.moments[last].stage {
        Stage::Replied => call.status == Status::Ok,
        Stage::Failed(_) => call.status == Status::Failed,
        Stage::Cancelled => call.status == Status::Cancelled,
        _ => call.status == Status::Open,
    };
    (!fits).then(|| "field `status` does not fit the last of `moments`; the file was changed".to_owned())
}

/// Times that stand in the line twice must agree.
fn times(call: &CallLine) -> Option<String> {
    let first = call.moments.first().map(|m| m.at_ns);
    let served = call.moments.iter().find(|m| m.stage == Stage::Served).map(|m| m.at_ns);
    let over = call.moments.last().filter(|_| call.status != Status::Open).map(|m| m.at_ns);
    let told = [
        ("intended_ns", Some(call.intended_ns), first),
        ("dispatched_ns", call.dispatched_ns, served),
        ("completed_ns", call.completed_ns, over),
    ];
    let ns = |t: Option<u64>| t.map_or("none".to_owned(), |t| format!("{t} ns"));
    told.into_iter().find(|(_, told, moment)| told != moment).map(|(field, told, moment)| {
        format!("field `{field}` is {}, but `moments` say {}; the file was changed", ns(told), ns(moment))
    })
}

fn answer(call: &CallLine) -> Option<String> {
    if call.status != Status::Ok {
        return None;
    }
    match call.response.as_ref().and_then(|r| r.answer.as_ref()) {
        None => Some("field `response.answer` is missing".to_owned()),
        Some(answer) if !answer.fits(call.purpose) => Some(format!(
            "field `response.answer` is not an answer to a call for {}; the file was changed",
            call.purpose.name()
        )),
        Some(_) => None,
    }
}

/// Why an answer cannot be given to the policy of a task in which `created` subtasks exist, if it cannot.
pub(super) fn unanswerable(purpose: Purpose, answer: &Answer, subtasks: bool, created: u32) -> Option<String> {
    match answer {
        Answer::Decided(_) if subtasks => Some(
            "field `response.answer`: a plan of this workload is a list of subtasks; the file was changed".to_owned(),
        ),
        Answer::Subtasks(_) if purpose == Purpose::Plan && !subtasks => {
            Some("field `response.answer`: a plan of this workload is a decision; the file was changed".to_owned())
        }
        Answer::Subtasks(list) if list.first != created => {
            let first = list.first;
            Some(format!(
                "field `response.answer.subtasks.first`: {first}, but {created} subtasks exist; the file was changed"
            ))
        }
        Answer::Subtasks(list) => {
            let (from, until) = (u64::from(list.first), u64::from(list.first) + u64::from(list.count));
            let wrong = list
                .dependencies
                .iter()
                .position(|(of, on)| !(from..until).contains(&u64::from(of.0)) || u64::from(on.0) >= until || of == on);
            wrong.map(|i| {
                format!("field `response.answer.subtasks.dependencies[{i}]` names no subtask; the file was changed")
            })
        }
        _ => None,
    }
}

/// Why the end of a task does not fit what the policy submits at `now` (not told for real clocks), if so.
pub(super) fn misgraded(
    line: &FinishLine,
    outcome: &Outcome,
    right: Option<&BTreeSet<u32>>,
    now: Option<Time>,
) -> Option<String> {
    if let Some(now) = now.map(Time::as_nanos).filter(|now| *now != line.at_ns) {
        return Some(format!("field `at_ns`: recorded {} ns, task {} ends at {now} ns", line.at_ns, line.task));
    }
    let is_right = |f: Option<FindingId>| f.is_some_and(|f| right.is_some_and(|of| of.contains(&f.0)));
    if outcome.choice == Choice::Vote {
        // Which one was elected the recording does not say: one that is worth as much must stand for election.
        let told = line.right.first()?;
        let stands = outcome.submissions.iter().any(|s| is_right(s.finding) == *told);
        let worth = if *told { "right" } else { "wrong" };
        return (!stands)
            .then(|| format!("field `right[0]`: recorded {told}, but nothing that is submitted is {worth}"));
    }
    let mut graded = line.right.iter().zip(&outcome.submissions).enumerate();
    let (i, (told, submitted)) = graded.find(|(_, (told, s))| **told != is_right(s.finding))?;
    let what = submitted.finding.map_or("nothing".to_owned(), |f| format!("finding {}", f.0));
    let list = &line.right_findings;
    Some(format!("field `right[{i}]`: recorded {told}, but {what} is submitted and `right_findings` has {list:?}"))
}
