//! The journal of a live command: begun with a header that says what it was asked to do, or taken up again if that is the
//! same.
//!
//! Invariant: nothing of a journal changes before its header was compared.

use super::{Asked, LiveError, Order, endpoints};
use crate::experiment::scenario::Scenario;
use crate::live::world::{JOURNAL_FILE, Journal, Pasts, ResumeError, Server};
use crate::record::transcript::{Header, Origin};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) fn journal(
    scenario: &Scenario,
    order: &Order,
    questions: &[Asked],
) -> Result<(Journal, Option<Pasts>), LiveError> {
    let path = order.dir.join(JOURNAL_FILE);
    let io = |source| LiveError::Journal { path: path.clone(), source };
    let mut header = Header::new(Origin::Measured);
    header.scenario = Some(serde_json::to_value(scenario).expect("a scenario is plain values"));
    let mut hasher = blake3::Hasher::new();
    for question in questions {
        hasher.update(&question.bytes());
    }
    let hash = hasher.finalize().to_hex()[..32].to_owned();
    let mut live = json!({ "model": order.model, "url": order.url, "questions_hash": hash });
    if !order.servers.is_empty() {
        let of = |s: &Server| json!({ "model": s.model, "url": s.url, "api": s.api.name() });
        live["endpoints"] = order.servers.iter().map(|(name, s)| (name.clone(), of(s))).collect();
    }
    if let Some(prompts) = &order.prompts {
        live["prompts_hash"] = prompts.hash().into();
        live["prompts"] = prompts.replaced().into();
    }
    header.live = Some(live);
    header.endpoints = endpoints(scenario);
    if !order.resume {
        return Ok((Journal::create(&path, &header).map_err(io)?, None));
    }
    // Nobody else writes it from here on; nothing of it changes before the past was checked.
    let journal = Journal::append(&path).map_err(io)?;
    let pasts = Pasts::open(&order.dir)?;
    same_question(&pasts, &header)?;
    journal.keep(pasts.whole_bytes);
    Ok((journal, Some(pasts)))
}

/// The journal is of the same scenario and model.
fn same_question(pasts: &Pasts, now: &Header) -> Result<(), ResumeError> {
    let there = pasts.header();
    let nothing = Value::Null;
    let (a, b) = (there.scenario.as_ref().unwrap_or(&nothing), now.scenario.as_ref().unwrap_or(&nothing));
    if let Some((key, a, b)) = difference(a, b, "") {
        let what =
            format!("it was recorded with {key} = {a}, and this command says {b}; resume with the same scenario");
        return Err(pasts.other(what));
    }
    let told = |h: &Header, key: &str| h.live.as_ref().and_then(|l| l.get(key)).cloned().unwrap_or_default();
    let (a, b) = (told(there, "model"), told(now, "model"));
    if a != b {
        let what = format!("it was recorded with --model {a}, and this command says {b}; resume with the same model");
        return Err(pasts.other(what));
    }
    let models = |h: &Header| {
        let servers = told(h, "endpoints");
        let servers = servers.as_object().into_iter().flatten();
        servers.map(|(name, s)| (name.clone(), s.get("model").cloned().unwrap_or_default())).collect::<BTreeMap<_, _>>()
    };
    let (a, b) = (models(there), models(now));
    if a != b {
        let show = |models: &BTreeMap<String, Value>| serde_json::to_string(models).unwrap_or_default();
        let what = format!(
            "it was recorded with the models {} at its endpoints, and this command says {}; resume with the same ones",
            show(&a),
            show(&b)
        );
        return Err(pasts.other(what));
    }
    let (a, b) = (told(there, "prompts_hash"), told(now, "prompts_hash"));
    if a != b {
        let show =
            |hash: &Value| hash.as_str().map_or("this program's prompts".to_owned(), |h| format!("the prompts {h}"));
        let what = format!(
            "field `live.prompts_hash`: it was recorded with {}, and this command has {}; resume with the folder of \
             --prompts as it was, or begin anew with another --output-dir",
            show(&a),
            show(&b)
        );
        return Err(pasts.other(what));
    }
    let (a, b) = (told(there, "questions_hash"), told(now, "questions_hash"));
    // Older journals do not tell.
    if !a.is_null() && a != b {
        let what = format!(
            "field `live.questions_hash`: it was recorded with the questions {a}, and they are {b} now; resume with the \
             file of questions as it was, or begin anew with another --output-dir"
        );
        return Err(pasts.other(what));
    }
    Ok(())
}

/// The first key at which two documents differ.
fn difference(a: &Value, b: &Value, path: &str) -> Option<(String, String, String)> {
    if a == b {
        return None;
    }
    if let (Value::Object(a), Value::Object(b)) = (a, b) {
        let keys = a.keys().chain(b.keys().filter(|k| !a.contains_key(*k)));
        let (one, other) = (a, b);
        let nothing = Value::Null;
        return keys.into_iter().find_map(|key| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            difference(one.get(key).unwrap_or(&nothing), other.get(key).unwrap_or(&nothing), &path)
        });
    }
    Some((path.to_owned(), a.to_string(), b.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_named_by_its_key() {
        let (a, b) = (json!({"x": {"y": 1, "z": 2}}), json!({"x": {"y": 1, "z": 3}}));
        assert_eq!(difference(&a, &b, ""), Some(("x.z".into(), "2".into(), "3".into())));
        assert_eq!(difference(&a, &a, ""), None);
        assert_eq!(difference(&a, &json!({}), "").unwrap().0, "x");
    }
}
