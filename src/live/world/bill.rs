//! What a call costs at most before it leaves, and by role once the server told its tokens.

use super::budget::Charge;
use crate::live::desk::Chat;
use crate::model::call::{Request, SpanRole, Usage, prompt_tokens};
use crate::model::price::Roles;
use crate::model::price::{Picodollars, PriceList};
use crate::record::transcript::Message;

/// Tokens that a chat template may add to a message.
const MESSAGE_TOKENS: u64 = 32;
/// Tokens that a server may add for the form's wording, besides the form itself.
const FORM_TOKENS: u64 = 160;

/// Bytes of all texts.
pub(super) fn bytes(messages: &[Message]) -> u64 {
    messages.iter().map(|m| (m.role.len() + m.content.len()) as u64).sum()
}

/// The most that a try can be billed: a token is at least a byte of text.
pub(super) fn reservation(chat: &Chat, messages: &[Message], prices: &PriceList, margin_tokens: u64) -> Charge {
    let form = chat.form.as_ref().map_or(0, |f| (f.schema.to_string().len() + f.name.len()) as u64 + FORM_TOKENS);
    let prompt = bytes(messages) + MESSAGE_TOKENS * messages.len() as u64 + form + margin_tokens;
    let completion = u64::from(chat.max_tokens);
    let charge = [0, prompt].map(|length| prices.charge(length));
    // A tier may be cheaper than the one below; the dearest rate of both ends counts.
    let input = charge.iter().map(|c| c.input.max(c.cache_write).max(c.cache_read)).max().unwrap_or(0);
    let output = charge.iter().map(|c| c.output).max().unwrap_or(0);
    Charge {
        calls: 1,
        tokens: prompt + completion,
        picodollars: (prompt.saturating_mul(input)).saturating_add(completion.saturating_mul(output)),
    }
}

/// What a server that tells no usage may have counted: four bytes a token, as most tokenizers do with prose.
pub(super) fn estimate(messages: &[Message], text: &str) -> Usage {
    Usage {
        prompt_tokens: bytes(messages).div_ceil(4),
        completion_tokens: (text.len() as u64).div_ceil(4),
        ..Usage::default()
    }
}

/// The charge of known tokens.
pub(super) fn charge(usage: &Usage, prices: &PriceList) -> Charge {
    let tokens = usage.prompt_tokens.saturating_add(usage.completion_tokens);
    Charge { calls: 0, tokens, picodollars: prices.cost(usage).0 }
}

/// More tokens than any single request has.
const ABSURD_TOKENS: u64 = 10_000_000;

/// Whether a server can mean what it tells. What is above the reservation may be true and is charged; counters that
/// wrapped around are not.
pub(super) fn is_plausible(usage: &Usage, reserved: Charge) -> bool {
    let most = ABSURD_TOKENS.max(reserved.tokens.saturating_mul(100));
    usage.prompt_tokens.saturating_add(usage.completion_tokens) <= most
}

/// Cost by role. The lengths of spans are estimates; they are stretched to the tokens that the server counted, and
/// cached tokens are the front of the prompt.
pub(super) fn roles(request: &Request, usage: &Usage, prices: &PriceList) -> Roles {
    let charge = prices.charge(usage.prompt_tokens);
    let (all, counted) = (prompt_tokens(&request.prompt), usage.prompt_tokens);
    let (mut before, mut own, mut reading) = (0, 0, 0);
    let mut stretched = 0;
    for span in &request.prompt {
        before += u64::from(span.tokens);
        let end = (u128::from(counted) * u128::from(before)).checked_div(u128::from(all)).unwrap_or(0) as u64;
        let cost: u64 = (cost(usage, &charge, end)).saturating_sub(cost(usage, &charge, stretched));
        stretched = end;
        if span.role == SpanRole::Board {
            reading += cost;
        } else {
            own += cost;
        }
    }
    own += cost(usage, &charge, counted).saturating_sub(cost(usage, &charge, stretched));
    own += usage.completion_tokens * charge.output;
    let mut roles = Roles { reading: Picodollars(reading), ..Roles::default() };
    *roles.of_mut(request.purpose.role()) = Picodollars(own);
    roles
}

/// Cost of the first `end` tokens of the prompt.
fn cost(usage: &Usage, charge: &crate::model::price::Charge, end: u64) -> u64 {
    let cached = usage.cached_tokens.min(end);
    let written = usage.cache_write_tokens.min(end - cached);
    cached * charge.cache_read + written * charge.cache_write + (end - cached - written) * charge.input
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::call::{Content, PromptSpan, Purpose};
    use crate::model::ids::{About, AgentId};
    use crate::model::price::{PriceSpec, Rates};

    fn prices() -> PriceList {
        let rates = Rates {
            input_usd_per_mtok: 4.0,
            cache_read_usd_per_mtok: 1.0,
            output_usd_per_mtok: 10.0,
            ..Rates::default()
        };
        PriceList::new(&PriceSpec { rates, ..PriceSpec::default() }, 1.0)
    }

    #[test]
    fn roles_add_up_to_the_bill() {
        let span = |role, tokens| PromptSpan { content: Content::Fresh, role, tokens };
        let prompt = [span(SpanRole::Instructions, 30), span(SpanRole::Board, 50), span(SpanRole::New, 20)];
        let request = Request::new(AgentId(0), Purpose::Step, About::default(), prompt.into_iter().collect());
        let usage = Usage { prompt_tokens: 200, cached_tokens: 100, completion_tokens: 7, ..Usage::default() };
        let roles = roles(&request, &usage, &prices());
        assert_eq!(roles.total(), prices().cost(&usage));
        assert_eq!(roles.reading, Picodollars(40 * 1_000_000 + 60 * 4_000_000), "tokens 60..160 of 200");
    }

    #[test]
    fn counters_that_wrapped_are_not_believed() {
        let usage = |prompt_tokens, completion_tokens| Usage { prompt_tokens, completion_tokens, ..Usage::default() };
        let reserved = Charge { calls: 1, tokens: 500, picodollars: 0 };
        assert!(is_plausible(&usage(9_000, 40_000), reserved), "a server may ignore max_tokens");
        assert!(!is_plausible(&usage(u64::MAX, 7), reserved));
        assert!(!is_plausible(&usage(7, 1 << 40), reserved));
    }

    #[test]
    fn a_reservation_covers_a_token_per_byte() {
        let messages = vec![Message { role: "user".into(), content: "x".repeat(96) }];
        let chat = Chat { messages: messages.clone(), form: None, max_tokens: 50, span_keys: Vec::new() };
        let charge = reservation(&chat, &messages, &prices(), 0);
        assert_eq!((charge.calls, charge.tokens), (1, 100 + 32 + 50));
        assert_eq!(charge.picodollars, 132 * 4_000_000 + 50 * 10_000_000);
    }
}
