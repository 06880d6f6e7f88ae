//! Tokens of text whose provider did not tell them. With the feature `tokenizer` a vocabulary counts (`cl100k_base` for
//! GPT-3.5 and GPT-4, `o200k_base` for everything else); without it, four characters count as one. Both are estimates:
//! other providers cut otherwise, and the frame around messages is not in the text.

use std::collections::HashMap;

/// Counts tokens and remembers texts by hash, because prompts repeat their beginnings.
#[derive(Debug, Default)]
pub(super) struct Counter {
    known: HashMap<(bool, [u8; 32]), u32>,
}

impl Counter {
    /// Tokens of a text.
    pub(super) fn count(&mut self, text: &str, model: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let old = is_old(model);
        let key = (old, *blake3::hash(text.as_bytes()).as_bytes());
        *self.known.entry(key).or_insert_with(|| measure(text, old))
    }
}

/// Whether a model counts by the older vocabulary.
fn is_old(model: &str) -> bool {
    let model = model.to_ascii_lowercase();
    let name = model.rsplit('/').next().unwrap_or("");
    (name.starts_with("gpt-3.5") || name.starts_with("gpt-35") || name.starts_with("gpt_3_5"))
        || ((name.starts_with("gpt-4") || name.starts_with("gpt_4"))
            && !name.starts_with("gpt-4o")
            && !name.starts_with("gpt-4.")
            && !name.starts_with("gpt_4o"))
}

/// Name of the way of counting, for reports.
pub(super) fn method() -> &'static str {
    if cfg!(feature = "tokenizer") { "counted with the vocabulary o200k_base or cl100k_base" } else { "characters / 4" }
}

#[cfg(feature = "tokenizer")]
fn measure(text: &str, old: bool) -> u32 {
    /// A run of letters without a space takes time that grows with the square of its length; pieces bound it.
    const PIECE: usize = 8192;
    let vocabulary = if old { tiktoken_rs::cl100k_base_singleton() } else { tiktoken_rs::o200k_base_singleton() };
    let mut rest = text;
    let mut tokens = 0;
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(rest.floor_char_boundary(PIECE));
        tokens += vocabulary.encode_ordinary(piece).len();
        rest = tail;
    }
    tokens as u32
}

#[cfg(not(feature = "tokenizer"))]
fn measure(text: &str, _old: bool) -> u32 {
    text.chars().count().div_ceil(4) as u32
}
