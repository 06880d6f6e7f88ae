//! How long the messages of a what-if are: those that were recorded as they were on average, the others as the policies
//! have them.
//!
//! Invariant: one kind of message says nothing of another one's length.

use super::work::{Found, Lengths, Reading};
use crate::experiment::scenario::Scenario;
use crate::kernel::Law;
use crate::model::call::Purpose;
use crate::policy::Catalog;

/// Products that a policy asks for in a length: whose key it is, and a policy that has it.
const PRODUCTS: [(Purpose, &str, &str); 3] = [
    (Purpose::Dispatch, "brief_tokens", "orchestrator-sequential"),
    (Purpose::Report, "report_tokens", "orchestrator-sequential"),
    (Purpose::Gist, "gist_tokens", "delm-queue"),
];

/// Tokens of what a lead asks of a worker, as the catalogue has it.
const DELEGATION_TOKENS: u32 = 200;

/// Sets the lengths of what is modelled; says which were recorded.
pub(super) fn lengths(scenario: &mut Scenario, found: &Found, reading: &Reading) -> String {
    // What a comparison of totals rests on is the mean.
    let mean =
        |purpose: &Purpose| found.coordination.get(purpose).map(|(calls, tokens)| *tokens as f64 / *calls as f64);
    let factor = reading.lengths.factor();
    let sizes = &mut scenario.sizes;
    for slot in [
        &mut sizes.plan_tokens,
        &mut sizes.merge_tokens,
        &mut sizes.verify_tokens,
        &mut sizes.more_tokens,
        &mut sizes.finalize_tokens,
    ] {
        *slot = Law::Constant(slot.mean() * factor);
    }
    sizes.by_purpose = found.coordination.keys().filter_map(|p| Some((*p, Law::Constant(mean(p)?)))).collect();
    let mut assumed = Vec::new();
    for (purpose, key, policy) in PRODUCTS {
        let tokens = mean(&purpose).or_else(|| {
            assumed.push(key);
            if factor == 1.0 {
                return None;
            }
            let draft = toml::Table::try_from(Catalog::default().entry(policy)?.draft()).ok()?;
            Some(draft.get(key)?.as_integer()? as f64 * factor)
        });
        if let Some(tokens) = tokens {
            // What a recorded brief told is in the first prompt of its delegation, whatever the topology.
            let is_in_prompts = purpose == Purpose::Dispatch && found.coordination.contains_key(&purpose);
            let tokens = if is_in_prompts { 1 } else { (libm::round(tokens) as i64).max(1) };
            scenario.all_policies.insert(key.to_owned(), toml::Value::Integer(tokens));
        }
    }
    if !found.coordination.contains_key(&Purpose::Dispatch) {
        // A worker's own prompt has what it was asked for; a lead that nobody recorded has to write it.
        let tokens = libm::round(f64::from(DELEGATION_TOKENS) * factor) as i64;
        for policy in scenario.policies.iter().filter(|policy| policy.starts_with("orchestrator-")) {
            let own = scenario.policy.entry(policy.clone()).or_default();
            own.insert("delegation_tokens".to_owned(), toml::Value::Integer(tokens));
        }
    }
    let briefs = found.coordination.get(&Purpose::Dispatch).filter(|(calls, _)| found.handed_out > *calls);
    if let (Some((_, tokens)), Lengths::Half) = (briefs, reading.lengths) {
        // Whether a brief for several is one message or as many, no recording tells.
        scenario.sizes.by_purpose.remove(&Purpose::Dispatch);
        let each = (tokens / found.handed_out).max(1).cast_signed();
        scenario.all_policies.insert("delegation_tokens".to_owned(), toml::Value::Integer(each));
    }
    let recorded: Vec<String> =
        found.coordination.keys().filter_map(|p| Some(format!("{} {:.0}", p.name(), mean(p)?))).collect();
    let told = if recorded.is_empty() {
        "No recorded call coordinates".to_owned()
    } else {
        format!(
            "Calls that coordinate are as long as the recorded ones of their purpose (mean tokens: {})",
            recorded.join(", ")
        )
    };
    if assumed.is_empty() {
        return format!(
            "{told}; others as the policies' authors published or we assume (bounds: half and twice that)."
        );
    }
    format!(
        "{told}; others, {} among them, are as the policies' authors published or we assume, and a topology that makes more \
         of them is dearer or cheaper with them (bounds: half and twice that; vary all_policies.{}).",
        assumed.join(", "),
        assumed[0]
    )
}
