//! One law of detail kept per token. Gists, notes, reports, briefs, digests and merges all lose by it: at equal
//! tokens per item they lose equally. Form: reference workload model A3, `1 - exp(-g / g0)`.

/// Probability that one detail survives being written down in `tokens` tokens that hold `items` items.
/// `tokens_per_detail` is the scale g0; 0 means nothing is ever lost.
pub fn keep_probability(tokens: f64, items: usize, tokens_per_detail: f64) -> f64 {
    if tokens_per_detail <= 0.0 {
        return 1.0;
    }
    1.0 - libm::exp(-tokens / items.max(1) as f64 / tokens_per_detail)
}
