//! What is lost in writing and in reading, each by one law. Gists, notes, reports, briefs, digests and merges lose by the
//! first: at equal tokens per item they lose equally (form: reference workload model A3, `1 - exp(-g / g0)`). Whoever
//! reads a prompt loses by the second: at equal tokens all lose equally, whatever the tokens are and whoever reads.

/// Probability that one detail survives being written down in `tokens` tokens that hold `items` items.
/// `tokens_per_detail` is the scale g0; 0 means nothing is ever lost.
pub fn keep_probability(tokens: f64, items: usize, tokens_per_detail: f64) -> f64 {
    if tokens_per_detail <= 0.0 {
        return 1.0;
    }
    1.0 - libm::exp(-tokens / items.max(1) as f64 / tokens_per_detail)
}

/// Share of what stands in a prompt that its reader makes use of, at a loss per thousand tokens of all of it.
pub fn used_share(prompt_tokens: u64, loss_per_ktoken: f64) -> f64 {
    libm::exp(-(prompt_tokens as f64) * 1e-3 * loss_per_ktoken)
}
