//! The task queue: subtasks with dependencies, a ready frontier in order of readiness, one owner at a time.
//!
//! Invariant: created = done + abandoned + open; a subtask is ready only when everything it waits for is done or abandoned.

use super::call::SubtaskList;
use super::ids::SubtaskId;
use std::collections::VecDeque;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Blocked(u32),
    Ready,
    Claimed,
    Done,
    Abandoned,
}

/// The queue of one task.
#[derive(Debug, Default)]
pub struct TaskQueue {
    states: Vec<State>,
    tries: Vec<u16>,
    /// (prerequisite, dependant), sorted by prerequisite.
    edges: Vec<(u32, u32)>,
    ready: VecDeque<SubtaskId>,
    open: usize,
    claimed: usize,
}

impl TaskQueue {
    /// Adds subtasks. Ids must follow those already there; dependencies may name any subtask.
    pub fn extend(&mut self, list: &SubtaskList) {
        assert_eq!(list.first as usize, self.states.len(), "subtask ids are consecutive");
        let mut waits = vec![0u32; list.count as usize];
        for &(subtask, on) in &list.dependencies {
            let settled = matches!(self.states.get(on.index()), Some(State::Done | State::Abandoned));
            if !settled {
                waits[(subtask.0 - list.first) as usize] += 1;
                self.edges.push((on.0, subtask.0));
            }
        }
        self.edges.sort_unstable();
        for (i, &n) in waits.iter().enumerate() {
            let id = SubtaskId(list.first + i as u32);
            self.states.push(if n == 0 { State::Ready } else { State::Blocked(n) });
            if n == 0 {
                self.ready.push_back(id);
            }
        }
        self.tries.resize(self.states.len(), 0);
        self.open += waits.len();
    }

    /// Takes the subtask that has been ready for longest; says which try this is, from 0.
    pub fn claim(&mut self) -> Option<(SubtaskId, u16)> {
        let id = self.ready.pop_front()?;
        self.states[id.index()] = State::Claimed;
        self.claimed += 1;
        let attempt = self.tries[id.index()];
        self.tries[id.index()] += 1;
        Some((id, attempt))
    }

    /// Puts a claimed subtask back at the end.
    pub fn requeue(&mut self, id: SubtaskId) {
        self.unclaim(id, State::Ready);
        self.ready.push_back(id);
    }

    /// Settles a claimed subtask and frees those that waited for it.
    pub fn settle(&mut self, id: SubtaskId, done: bool) {
        self.unclaim(id, if done { State::Done } else { State::Abandoned });
        self.open -= 1;
        let from = self.edges.partition_point(|&(on, _)| on < id.0);
        for i in from..self.edges.len() {
            let (on, dependant) = self.edges[i];
            if on != id.0 {
                break;
            }
            if let State::Blocked(n) = &mut self.states[dependant as usize] {
                *n -= 1;
                if *n == 0 {
                    self.states[dependant as usize] = State::Ready;
                    self.ready.push_back(SubtaskId(dependant));
                }
            }
        }
    }

    fn unclaim(&mut self, id: SubtaskId, to: State) {
        let state = &mut self.states[id.index()];
        assert_eq!(*state, State::Claimed, "only a claimed subtask can be settled or requeued");
        *state = to;
        self.claimed -= 1;
    }

    /// How often a subtask was claimed.
    pub fn tries(&self, id: SubtaskId) -> u16 {
        self.tries[id.index()]
    }

    /// Subtasks that can be claimed now.
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Subtasks that are neither done nor abandoned.
    pub fn open(&self) -> usize {
        self.open
    }

    /// Subtasks in somebody's hands.
    pub fn claimed(&self) -> usize {
        self.claimed
    }

    /// Subtasks ever created.
    pub fn created(&self) -> usize {
        self.states.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependants_become_ready_when_the_last_prerequisite_settles() {
        let mut q = TaskQueue::default();
        let deps = vec![(SubtaskId(2), SubtaskId(0)), (SubtaskId(2), SubtaskId(1))];
        q.extend(&SubtaskList { first: 0, count: 3, dependencies: deps, source_tokens: vec![0; 3] });
        assert_eq!(q.claim(), Some((SubtaskId(0), 0)));
        assert_eq!(q.claim(), Some((SubtaskId(1), 0)));
        assert_eq!(q.claim(), None);
        q.settle(SubtaskId(0), true);
        assert_eq!(q.claim(), None);
        q.requeue(SubtaskId(1));
        assert_eq!(q.claim(), Some((SubtaskId(1), 1)));
        q.settle(SubtaskId(1), false);
        assert_eq!(q.claim(), Some((SubtaskId(2), 0)));
        q.settle(SubtaskId(2), true);
        assert_eq!((q.open(), q.ready(), q.claimed(), q.created()), (0, 0, 0, 3));
    }
}
