//! Whether tokens and costs of a simulated call are those that its prompt, its tries and the scenario's prices give.

use crate::kernel::Span;
use crate::model::call::{Purpose, Request, Usage, prompt_tokens};
use crate::model::ids::EndpointId;
use crate::model::price::Picodollars;
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
    let (tokens_cost, tool_cost) = due(call, request, fleet, endpoint);
    let paid = call.cost.picodollars;
    let tokens_paid = u128::from(paid.total().0 - paid.tool.0);
    if tokens_paid != tokens_cost {
        return Some(format!(
            "field `cost.picodollars`: recorded {tokens_paid} for tokens, but `usage` and the scenario's prices make \
             {tokens_cost}; usage or cost was changed"
        ));
    }
    tool_cost.filter(|due| paid.tool != *due).map(|due| {
        let (paid, due) = (paid.tool.0, due.0);
        format!("field `cost.picodollars.tool`: recorded {paid}, its time costs {due}; the file was changed")
    })
}

/// Pico-dollars for the tokens of all tries, and for tool time where one try tells it.
fn due(call: &CallLine, request: &Request, fleet: &Fleet, endpoint: EndpointId) -> (u128, Option<Picodollars>) {
    let prices = &fleet.prices[endpoint.index()];
    if request.purpose == Purpose::Tool {
        let last = |stage: Stage| call.moments.iter().rev().find(|m| m.stage == stage).map(|m| m.at_ns);
        let busy = last(Stage::Served).zip(last(Stage::Replied)).filter(|_| call.retries == 0);
        return (0, busy.map(|(from, until)| prices.busy_cost(Span::from_nanos(until.saturating_sub(from)))));
    }
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
    (parts.iter().map(|(n, price)| u128::from(*n) * u128::from(*price)).sum(), Some(Picodollars(0)))
}
