//! Parts of a quantity of two runs, in integers. Each part is measured in each run by itself, and the parts of a run sum
//! to the whole of that run: the differences of the parts therefore sum to the difference of the wholes.
//!
//! # Work
//!
//! A call of work that is served for `S` ns on the path, with `p` prompt tokens, `c` of them cached, and `o` completion
//! tokens, splits by the law of its endpoint. `L(o, u, c)` is the law's latency with mean noise for `o` completion, `u`
//! uncached and `c` cached tokens, in whole nanoseconds. `U` is the mean of `L(o, p, 0)` over the calls of the same
//! purpose on both paths, rounded down.
//!
//! | part | of each call |
//! |---|---|
//! | steps | `U`: what a call of its purpose usually takes, so that the difference is that of the numbers of calls |
//! | tokens | `L(o, p, 0) - U` |
//! | cache | `L(o, p - c, c) - L(o, p, 0)`: not above 0 where cached tokens are faster |
//! | protocol | `L` with the policy's latency factor, minus `L` without |
//! | luck | `S` minus all of these: the noise drawn, the member's own factor, streams that share, rounding |
//!
//! Luck is the one remainder. It is told apart by whether the other path has the call of the same purpose, subject,
//! attempt and step: those have the same draws in both runs, so their luck differs only as their length does and as the
//! members do who ask. Tries that fail have no tokens and are a part of their own. A call that is on the path only for a
//! part of its service (a barrier took the rest) counts in proportion, each part rounded towards 0 and luck taking the
//! rounding.
//!
//! Invariant: the parts of a run sum exactly to the run's whole.

use super::Side;
use super::path::{Label, Stretch};
use super::story::Told;
use crate::model::call::{Purpose, Usage};
use crate::model::endpoint::EndpointSpec;
use crate::model::ids::{About, CallId, TaskId};
use crate::record::trace::Body;
use crate::runtime::Fleet;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};

/// A part of a quantity in two runs; the unit is that of the quantity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Its name.
    pub name: &'static str,
    /// In the first run and in the second.
    pub of: [i128; 2],
}

impl Part {
    /// First minus second.
    pub fn difference(&self) -> i128 {
        self.of[0] - self.of[1]
    }
}

/// A quantity of two runs and its parts, which sum to it in each run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attribution {
    /// The whole, in the first run and in the second.
    pub whole: [i128; 2],
    /// The parts, in the order of tables.
    pub parts: Vec<Part>,
}

impl Attribution {
    /// Joins the parts of two runs that are named alike, in the same order.
    pub(super) fn of<const N: usize>(names: [&'static str; N], whole: [i128; 2], parts: [[i128; N]; 2]) -> Self {
        let part = |(i, name)| Part { name, of: [parts[0][i], parts[1][i]] };
        Self { whole, parts: names.into_iter().enumerate().map(part).collect() }
    }

    /// First minus second.
    pub fn difference(&self) -> i128 {
        self.whole[0] - self.whole[1]
    }

    /// A part by its name; none if there is none of that name.
    pub fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }
}

/// Names of the parts of a makespan: those of work, then the other labels.
const PARTS: [&str; WORK + Label::ALL.len() - 1] = [
    "work: steps",
    "work: tokens",
    "work: cache",
    "work: protocol",
    "work: luck, same calls",
    "work: luck, other calls",
    "work: failed tries",
    Label::Tool.name(),
    Label::Coordination.name(),
    Label::Verification.name(),
    Label::RateLimitWait.name(),
    Label::SlotWait.name(),
    Label::RelayWait.name(),
    Label::BarrierWait.name(),
    Label::InputWait.name(),
    Label::LockWait.name(),
    Label::StartUp.name(),
    Label::Deadline.name(),
];

/// Parts of work.
const WORK: usize = 7;
const STEPS: usize = 0;
const TOKENS: usize = 1;
const CACHE: usize = 2;
const PROTOCOL: usize = 3;
const SAME: usize = 4;
const OTHER: usize = 5;
const FAILED: usize = 6;

/// A run with what its parts rest on.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) told: &'a Told<'a>,
    pub(super) fleet: &'a Fleet,
    pub(super) side: &'a Side,
}

/// What a call is, whoever's run it is in.
type Address = (Purpose, About);

/// A call of work on a path.
#[derive(Clone, Copy, Debug)]
struct Worked {
    address: Address,
    endpoint: usize,
    usage: Usage,
    items: u32,
    /// Nanoseconds of its last try that are work on the path.
    on_path: u64,
    /// Nanoseconds of its last try.
    service: u64,
}

/// The parts of both makespans, in nanoseconds.
pub(super) fn of_makespan(runs: [Of; 2]) -> Attribution {
    let worked = runs.map(|run| worked(&run));
    let usual = usual(&worked, runs);
    let addresses = [&worked[0], &worked[1]].map(|calls| calls.iter().map(|w| w.address).collect::<HashSet<_>>());
    let parts = [0, 1].map(|i| {
        let mut parts = [0; PARTS.len()];
        for stretch in &runs[i].side.path {
            if stretch.label != Label::Work {
                parts[WORK + stretch.label as usize - 1] += i128::from(stretch.ns());
            } else if stretch.failed {
                parts[FAILED] += i128::from(stretch.ns());
            }
        }
        for call in &worked[i] {
            let luck = if addresses[1 - i].contains(&call.address) { SAME } else { OTHER };
            let usual = usual.get(&call.address.0).copied().unwrap_or_default();
            split(call, usual, runs[i].fleet, luck, &mut parts);
        }
        parts
    });
    Attribution::of(PARTS, [0, 1].map(|i| i128::from(runs[i].side.makespan.as_nanos())), parts)
}

/// What a call of each purpose usually takes without a cache, in nanoseconds: the mean over both paths, where a call that
/// is on its path in part has that part as its weight.
fn usual(worked: &[Vec<Worked>; 2], runs: [Of; 2]) -> BTreeMap<Purpose, i128> {
    let mut sums: BTreeMap<Purpose, (i128, i128)> = BTreeMap::new();
    for (calls, run) in worked.iter().zip(runs) {
        for call in calls.iter().filter(|call| call.service > 0) {
            let spec = &run.fleet.endpoints[call.endpoint];
            let Usage { prompt_tokens, completion_tokens, .. } = call.usage;
            let weight = (i128::from(call.on_path) << WEIGHT_BITS) / i128::from(call.service);
            let (sum, of) = sums.entry(call.address.0).or_default();
            *sum += weight * nanos(spec, completion_tokens, prompt_tokens, 0, call.items, mean_noise(spec));
            *of += weight;
        }
    }
    sums.into_iter().map(|(purpose, (sum, of))| (purpose, sum / of.max(1))).collect()
}

/// Binary digits of a weight: enough that no whole nanosecond of a day is lost.
const WEIGHT_BITS: u32 = 48;

/// The mean factor of the noise, or 1 where the law has none.
fn mean_noise(spec: &EndpointSpec) -> f64 {
    Some(spec.noise.mean()).filter(|mean| mean.is_finite()).unwrap_or(1.0)
}

/// Adds the parts of one call of work.
fn split(call: &Worked, usual: i128, fleet: &Fleet, luck: usize, parts: &mut [i128; PARTS.len()]) {
    let spec = &fleet.endpoints[call.endpoint];
    let mean = mean_noise(spec);
    let Usage { prompt_tokens: prompt, cached_tokens: cached, completion_tokens: completion, .. } = call.usage;
    let uncached = nanos(spec, completion, prompt, 0, call.items, mean);
    let alone = nanos(spec, completion, prompt - cached, cached, call.items, mean);
    let scaled = nanos(spec, completion, prompt - cached, cached, call.items, mean * fleet.latency_factor);
    let mut left = i128::from(call.on_path);
    let known = [(STEPS, usual), (TOKENS, uncached - usual), (CACHE, alone - uncached), (PROTOCOL, scaled - alone)];
    for (place, whole) in known {
        let share = if call.on_path == call.service {
            whole
        } else {
            whole * i128::from(call.on_path) / i128::from(call.service)
        };
        parts[place] += share;
        left -= share;
    }
    parts[luck] += left;
}

fn nanos(spec: &EndpointSpec, completion: u64, uncached: u64, cached: u64, items: u32, factor: f64) -> i128 {
    i128::from(spec.latency(completion, uncached, cached, items, factor).total.as_nanos())
}

/// The calls of work on a path whose last try is on it, in the order of their numbers.
fn worked(run: &Of) -> Vec<Worked> {
    let mut on_path: BTreeMap<CallId, u64> = BTreeMap::new();
    for stretch in run.side.path.iter().filter(|s| s.label == Label::Work && !s.failed) {
        if let Some(call) = stretch.call {
            *on_path.entry(call).or_default() += Stretch::ns(stretch);
        }
    }
    on_path.into_iter().filter_map(|(call, ns)| worked_one(run, run.side.task, call, ns)).collect()
}

fn worked_one(run: &Of, task: TaskId, call: CallId, on_path: u64) -> Option<Worked> {
    let life = run.told.life(task, call);
    let Body::Called { purpose, about, endpoint, .. } = life.first()?.body else { return None };
    let Body::Replied { service, .. } = life.last()?.body else { return None };
    let last = run.told.story.last_try(task, call);
    Some(Worked {
        address: (purpose, about),
        endpoint: endpoint.index(),
        usage: last.usage.unwrap_or_default(),
        items: last.items,
        on_path,
        service: service.as_nanos(),
    })
}
