//! What was recorded of one task, found by what is asked: the call itself, or the nearest run of steps there is.
//!
//! Invariant: the same question finds the same recorded call, whatever was asked before.

use super::spec::{RecordedCall, RecordedForm, RecordedInstance};
use crate::model::call::Purpose;
use crate::model::ids::{About, LineId, SubtaskId};
use std::collections::{BTreeMap, HashMap};

/// A run of steps: line, subtask, attempt.
pub(super) type Name = (u32, u32, u16);

/// The calls of one instance by what they are known by.
#[derive(Debug)]
pub(super) struct Memory {
    calls: HashMap<(Purpose, About), usize>,
    /// Answered steps of each run, from the first on.
    lengths: BTreeMap<Name, u32>,
    /// Lines that have steps, and subtasks.
    lines: Vec<u32>,
    subtasks: Vec<u32>,
}

/// The step that stands for one that is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stands<'a> {
    pub(super) call: &'a RecordedCall,
    /// It is the last of its run.
    pub(super) last: bool,
}

impl Memory {
    pub(super) fn of(instance: &RecordedInstance) -> Self {
        let mut calls = HashMap::with_capacity(instance.calls.len());
        let mut lengths: BTreeMap<Name, u32> = BTreeMap::new();
        for (i, call) in instance.calls.iter().enumerate() {
            calls.entry((call.purpose, call.about)).or_insert(i);
        }
        for call in instance.calls.iter().filter(|c| c.purpose == Purpose::Step && c.answer.is_some()) {
            let length = lengths.entry(name(&call.about)).or_default();
            *length = (*length).max(call.about.step + 1);
        }
        let (mut lines, mut subtasks): (Vec<u32>, Vec<u32>) = lengths.keys().map(|n| (n.0, n.1)).unzip();
        for all in [&mut lines, &mut subtasks] {
            all.sort_unstable();
            all.dedup();
        }
        Self { calls, lengths, lines, subtasks }
    }

    /// The recorded call of the same purpose about the same thing.
    pub(super) fn same<'a>(
        &self,
        instance: &'a RecordedInstance,
        purpose: Purpose,
        about: About,
    ) -> Option<&'a RecordedCall> {
        self.calls.get(&(purpose, about)).map(|&i| &instance.calls[i])
    }

    /// The answered step that stands for one that is asked for, and the run that it is taken from.
    pub(super) fn step<'a>(
        &self,
        instance: &'a RecordedInstance,
        form: RecordedForm,
        about: &About,
    ) -> Option<(Stands<'a>, Name)> {
        let own = name(about);
        let run = self.has(own, about.step).or_else(|| self.donor(form, own, about.step))?;
        let place = About { line: LineId(run.0), subtask: SubtaskId(run.1), attempt: run.2, step: about.step };
        let call = self.same(instance, Purpose::Step, place)?;
        Some((Stands { call, last: about.step + 1 >= self.lengths[&run] }, run))
    }

    /// The run, if it goes as far as this step.
    fn has(&self, run: Name, step: u32) -> Option<Name> {
        self.lengths.get(&run).filter(|length| step < **length).map(|_| run)
    }

    /// The nearest other run that goes as far: the same subtask, attempt for attempt, by another line; else an earlier
    /// attempt at it; else, for what was never begun, the run of another subtask.
    fn donor(&self, form: RecordedForm, (line, subtask, attempt): Name, step: u32) -> Option<Name> {
        // Lines take turns at standing in for those that were not recorded.
        let lines = || {
            let first = self.lines.iter().position(|l| *l == line).unwrap_or(line as usize % self.lines.len().max(1));
            self.lines[first..].iter().chain(&self.lines[..first]).copied()
        };
        let of = |subtask: u32| {
            (0..=attempt).rev().find_map(|attempt| lines().find_map(|line| self.has((line, subtask, attempt), step)))
        };
        match form {
            RecordedForm::Search => of(subtask),
            RecordedForm::Divide => of(subtask).or_else(|| {
                let first = subtask as usize % self.subtasks.len().max(1);
                self.subtasks[first..].iter().chain(&self.subtasks[..first]).find_map(|s| of(*s))
            }),
        }
    }
}

/// The run of steps that a call belongs to.
pub(super) fn name(about: &About) -> Name {
    (about.line.0, about.subtask.0, about.attempt)
}
