//! Whether tokens and costs of a simulated call are those that its prompt, its tries and the scenario's prices give.

use crate::kernel::Span;
use crate::model::call::{CallError, Purpose, Request, Usage, prompt_tokens};
use crate::model::ids::EndpointId;
use crate::model::price::PriceList;
use crate::record::transcript::{CallLine, Stage, Status};
use crate::runtime::Fleet;

/// What is wrong with the recorded bill of a simulated call, if something is.
pub(super) fn unpaid(call: &CallLine, request: &Request, fleet: &Fleet, endpoint: EndpointId) -> Option<String> {
    let is_code = fleet.endpoints[endpoint.index()].by_code;
    let asked = if is_code { 0 } else { prompt_tokens(&request.prompt) };
    if call.status == Status::Ok && call.usage.prompt_tokens != asked {
        let told = call.usage.prompt_tokens;
        return Some(format!(
            "field `usage.prompt_tokens`: recorded {told}, the prompt has {asked}; the file was changed"
        ));
    }
    let paid = call.cost.picodollars;
    let busy = busy(call, &fleet.prices[endpoint.index()]);
    if request.purpose == Purpose::Tool {
        let (paid, due) = (u128::from(paid.tool.0), busy);
        return (paid != due).then(|| {
            format!("field `cost.picodollars.tool`: recorded {paid}, its time costs {due}; the file was changed")
        });
    }
    let paid = u128::from(paid.total().0);
    let due = tokens(call, request, &fleet.prices[endpoint.index()]) + busy;
    (paid != due).then(|| {
        format!(
            "field `cost.picodollars`: recorded {paid}, but `usage`, its time and the scenario's prices make {due}; usage \
             or cost was changed"
        )
    })
}

/// Pico-dollars for the time in which its tries were served. A try that the server fails costs nothing.
fn busy(call: &CallLine, prices: &PriceList) -> u128 {
    let mut served = None;
    let mut cost = 0;
    for moment in &call.moments {
        match moment.stage {
            Stage::Served => served = Some(moment.at_ns),
            Stage::Replied | Stage::Cancelled | Stage::TryFailed(CallError::Timeout) => {
                let span = served.take().map_or(0, |from| moment.at_ns.saturating_sub(from));
                cost += u128::from(prices.busy_cost(Span::from_nanos(span)).0);
            }
            Stage::TryFailed(_) | Stage::Failed(_) => served = None,
            Stage::Called | Stage::Waits(_) => {}
        }
    }
    cost
}

/// Pico-dollars for the tokens of all tries.
fn tokens(call: &CallLine, request: &Request, prices: &PriceList) -> u128 {
    // All tries have the same prompt, hence the same rates.
    let charge = prices.charge(prompt_tokens(&request.prompt));
    let usage: Usage = call.billed.unwrap_or(call.usage).into();
    let plain = usage.prompt_tokens.saturating_sub(usage.cached_tokens + usage.cache_write_tokens);
    let parts = [
        (plain, charge.input),
        (usage.cached_tokens, charge.cache_read),
        (usage.cache_write_tokens, charge.cache_write),
        (usage.completion_tokens, charge.output),
    ];
    parts.iter().map(|(n, price)| u128::from(*n) * u128::from(*price)).sum()
}
