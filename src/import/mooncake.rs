//! Mooncake's request traces: when a request came, how long its prompt and its answer were, and ids of blocks of 512
//! tokens. Requests stand for themselves: each has a conversation of its own and comes when the trace says.

use super::fault::{ImportError, Wrong};
use super::field::Field;
use super::moment;
use super::openai_log::stem;
use super::session::{Draft, Session};
use super::source::{Records, Sample};
use super::{Importer, Out};
use crate::model::call::Purpose;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// Reads Mooncake's traces.
pub(super) struct Mooncake;

/// Tokens of a block.
const BLOCK: u64 = 512;

impl Importer for Mooncake {
    fn name(&self) -> &'static str {
        "mooncake"
    }

    fn reads(&self) -> &'static str {
        "Mooncake request traces (timestamp in ms, input_length, output_length, hash_ids)"
    }

    fn lacks(&self) -> &'static [&'static str] {
        &[
            "durations, texts, models, sessions: requests of one trace are one run, each on its own",
            "cached tokens: blocks at the beginning that any earlier request had, an infinite cache (marked estimated)",
        ]
    }

    fn detect(&self, sample: &Sample) -> Option<String> {
        sample
            .has(&["timestamp", "input_length", "output_length"])
            .then(|| "fields input_length, output_length".to_owned())
    }

    fn read(&self, path: &Path, out: &mut Out<'_>) -> Result<(), ImportError> {
        let mut records = Records::open(path)?;
        let mut session = Session::new(stem(path));
        let agent = session.agent("client", false);
        let mut blocks: BTreeSet<u64> = BTreeSet::new();
        while let Some((place, value)) = records.next(out)? {
            match call(&Field::root(&value), agent, &mut blocks) {
                Ok(mut draft) => {
                    draft.conversation = if session.calls.is_empty() { 0 } else { session.conversation(None) };
                    session.call(draft);
                }
                Err(wrong) => out.damaged(place, wrong)?,
            }
        }
        session.is_cut = records.is_cut();
        session.miss("texts, dates, durations");
        out.session(session)
    }
}

fn call(record: &Field<'_>, agent: usize, blocks: &mut BTreeSet<u64>) -> Result<Draft, Wrong> {
    let mut draft = Draft::new(agent, 0, Purpose::Step);
    let prompt = record.need_object()?.get("input_length").need_count()?;
    draft.tokens.prompt = Some(prompt);
    draft.tokens.completion = Some(record.get("output_length").need_count()?);
    let at = record.get("timestamp");
    let at = at.positive()?.and_then(|ms| moment::seconds(ms / 1e3)).ok_or_else(|| at.wrong("milliseconds"))?;
    draft.start = Some(at);
    let ids = record.get("hash_ids");
    if let Value::Array(list) = ids.value {
        let ids: Vec<u64> = list.iter().filter_map(Value::as_u64).collect();
        let hit = ids.iter().take_while(|id| blocks.contains(id)).count() as u64;
        draft.tokens.cached = (hit * BLOCK).min(prompt);
        draft.tokens.estimated = true;
        draft.miss("usage.cached_tokens: from the common prefix of blocks, an infinite cache");
        blocks.extend(ids);
    }
    Ok(draft)
}
