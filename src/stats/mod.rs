//! Summaries, quantiles and intervals over plain numbers.
