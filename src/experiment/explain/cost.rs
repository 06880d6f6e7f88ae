//! Parts of the cost of two runs, in pico-dollars: by role, as the bills have them, and by cause.
//!
//! Every call is in exactly one of the first three, or is split over the others by the price list of its endpoint
//! (`i`, `r`, `w`, `x`: pico-dollars per input, cache-read, cache-write and completion token).
//!
//! | part | what |
//! |---|---|
//! | called off | the whole cost of calls that were cancelled |
//! | failed | the whole cost of calls that failed for good, and of tries that failed before an answer |
//! | duplicates | the last try of answered calls that worked on what another line had discovered |
//! | cache | `cached (r - i) + written (w - i)` of all other answers: what the cache saved (below 0) or cost |
//! | prompt | `prompt i`: the prompt as if there were no cache |
//! | completion | `completion x` |
//! | machine | time of tools and of machines that are paid by the hour |
//! | protocol | what the policy's cost factor adds to the four above |
//!
//! Invariant: the parts of a run sum exactly to the run's cost.

use super::parts::{Attribution, Of};
use super::story::Told;
use crate::kernel::Span;
use crate::model::call::{Purpose, Usage};
use crate::model::price::{PriceList, Roles};
use crate::record::trace::{Body, Record};
use crate::runtime::Fleet;

/// Parts by cause.
const CAUSES: [&str; 8] =
    ["called off", "failed", "duplicates", "cache", "prompt", "completion", "machine", "protocol"];
/// Parts by role.
const ROLES: [&str; 5] = ["work", "tool", "coordination", "verification", "board reading"];

/// The cost of a whole run.
pub(super) fn whole(told: &Told) -> i128 {
    told.story.records.iter().filter_map(|r| bill(&r.body)).map(|roles| of_roles(roles).iter().sum::<i128>()).sum()
}

/// Both costs by role.
pub(super) fn by_role(runs: [Of; 2]) -> Attribution {
    let parts = runs.map(|run| {
        let bills = run.told.story.records.iter().filter_map(|r| bill(&r.body));
        bills.fold([0; ROLES.len()], |sums, roles| add(sums, of_roles(roles)))
    });
    Attribution::of(ROLES, runs.map(|run| whole(run.told)), parts)
}

/// Both costs by cause.
pub(super) fn by_cause(runs: [Of; 2]) -> Attribution {
    let parts = runs.map(|run| {
        let lives = run.told.lives();
        lives.fold([0; CAUSES.len()], |sums, life| add(sums, of_call(&run, &life)))
    });
    Attribution::of(CAUSES, runs.map(|run| whole(run.told)), parts)
}

fn add<const N: usize>(mut sums: [i128; N], more: [i128; N]) -> [i128; N] {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum += more;
    }
    sums
}

fn bill(body: &Body) -> Option<&Roles> {
    match body {
        Body::Replied { cost, .. } | Body::Failed { cost, .. } | Body::Cancelled { cost, .. } => Some(cost),
        _ => None,
    }
}

fn of_roles(roles: &Roles) -> [i128; 5] {
    let Roles { work, tool, coordination, verification, reading } = *roles;
    [work, tool, coordination, verification, reading].map(|money| i128::from(money.0))
}

/// The parts of one call.
fn of_call(run: &Of, life: &[&Record]) -> [i128; CAUSES.len()] {
    let end = life.last().expect("a call has records");
    let whole: i128 = bill(&end.body).map_or(0, |roles| of_roles(roles).iter().sum());
    let (Body::Called { endpoint, prompt_tokens, .. }, Body::Replied { call, purpose, duplicate, service, .. }) =
        (&life[0].body, &end.body)
    else {
        let is_called_off = matches!(end.body, Body::Cancelled { .. });
        return if is_called_off { [whole, 0, 0, 0, 0, 0, 0, 0] } else { [0, whole, 0, 0, 0, 0, 0, 0] };
    };
    let usage = run.told.story.last_try(end.task, *call).usage.unwrap_or_default();
    let last = LastTry { purpose: *purpose, prompt_tokens: *prompt_tokens, usage, service: *service };
    let parts = last.at(&run.fleet.prices[endpoint.index()]);
    let billed: i128 = parts.iter().sum();
    let failed = whole - billed;
    if *duplicate {
        return [0, failed, billed, 0, 0, 0, 0, 0];
    }
    let [cache, prompt, completion, machine] = last.at(&plain_prices(run.fleet, endpoint.index()));
    let protocol = billed - cache - prompt - completion - machine;
    [0, failed, 0, cache, prompt, completion, machine, protocol]
}

/// Prices without the policy's cost factor.
fn plain_prices(fleet: &Fleet, endpoint: usize) -> PriceList {
    PriceList::new(&fleet.endpoints[endpoint].price, 1.0)
}

/// What a bill rests on.
struct LastTry {
    purpose: Purpose,
    prompt_tokens: u64,
    usage: Usage,
    service: Span,
}

impl LastTry {
    /// Cache, prompt, completion and machine at these prices.
    fn at(&self, prices: &PriceList) -> [i128; 4] {
        let machine = i128::from(prices.busy_cost(self.service).0);
        if self.purpose == Purpose::Tool {
            return [0, 0, 0, machine];
        }
        let charge = prices.charge(self.usage.prompt_tokens);
        let [input, read, write, output] =
            [charge.input, charge.cache_read, charge.cache_write, charge.output].map(i128::from);
        let (cached, written) = (i128::from(self.usage.cached_tokens), i128::from(self.usage.cache_write_tokens));
        let cache = cached * (read - input) + written * (write - input);
        let prompt = i128::from(self.prompt_tokens) * input;
        [cache, prompt, i128::from(self.usage.completion_tokens) * output, machine]
    }
}
