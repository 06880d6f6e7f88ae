//! The models of other programs' runs as endpoints: that of the steps, and those that were asked for other purposes, each
//! with a law of time and a price of its own.
//!
//! Invariant: a purpose that was recorded goes to the model that it went to; one that was not, to that of the steps.

use super::price::{NAMELESS, Priced, price_of, stranger};
use super::runs::{Call, RecordedRuns, is_answered};
use super::work::Reading;
use crate::experiment::calibration::fit::LEAST_ROWS;
use crate::experiment::calibration::{LoggedRequest, fit};
use crate::kernel::Span;
use crate::model::call::Purpose;
use crate::model::endpoint::EndpointSpec;
use crate::model::price::PriceList;
use std::collections::BTreeMap;

/// The endpoint of steps, and of all that was not recorded.
pub(super) const MODEL: &str = "model";
/// Resamples that give the fitted law's intervals; none are reported here.
const RESAMPLES: usize = 0;

/// A model's number, or that of calls whose source names none.
type Model = Option<u16>;

/// The models that were asked.
pub(super) struct Models {
    /// By name.
    pub(super) endpoints: BTreeMap<String, EndpointSpec>,
    /// Endpoints of purposes that go elsewhere than steps.
    pub(super) roles: BTreeMap<String, String>,
    /// Where the price of steps is from.
    pub(super) prices: String,
    /// What it rests on, in sentences.
    pub(super) told: Vec<String>,
    /// By model; none where nobody tells a price.
    lists: BTreeMap<Model, Option<PriceList>>,
    steps: Model,
}

impl Models {
    /// Endpoints for the recorded models.
    ///
    /// # Errors
    /// A price that is given for a model which the recording does not have.
    pub(super) fn of(recorded: &RecordedRuns, reading: &Reading) -> Result<Self, String> {
        let names = &recorded.models;
        stranger(names, reading)?;
        let answered = || recorded.runs.iter().flat_map(|r| &r.calls).filter(|c| is_answered(c.status, c.purpose));
        let mut asked: BTreeMap<Purpose, BTreeMap<Model, u64>> = BTreeMap::new();
        for call in answered() {
            *asked.entry(call.purpose).or_default().entry(call.model).or_default() += 1;
        }
        let steps = asked.get(&Purpose::Step).and_then(commonest).flatten();
        let mut models = Self {
            endpoints: BTreeMap::new(),
            roles: BTreeMap::new(),
            prices: String::new(),
            told: Vec::new(),
            lists: BTreeMap::new(),
            steps,
        };
        for model in answered().map(|c| c.model).chain([steps]) {
            models.lists.entry(model).or_insert_with(|| {
                let calls = answered().filter(|c| c.model == model);
                let price = price_of(model.map(|m| names[m as usize].as_str()), reading, calls).0;
                price.is_known().then(|| PriceList::new(&price, 1.0))
            });
        }
        models.add(MODEL, steps, recorded, reading);
        let others = asked.get(&Purpose::Step).map_or(0, |by| by.values().sum::<u64>() - by[&steps]);
        if others > 0 {
            let by = asked[&Purpose::Step].iter().filter(|(model, _)| **model != steps);
            let name = |model: Model| model.map_or(NAMELESS, |m| names[m as usize].as_str());
            let named: Vec<String> = by.map(|(model, calls)| format!("{} ({calls})", name(*model))).collect();
            models.told.insert(
                0,
                format!(
                    "STEPS OF SEVERAL MODELS: {others} recorded steps were made by {}; here every step is priced as one by {}, \
                     so that dollars are those of another mix of models. Split the log by model, or give all of them one \
                     --price.",
                    named.join(", "),
                    name(steps)
                ),
            );
        }
        for (purpose, by) in asked {
            let Some(model) = commonest(&by).filter(|model| *model != steps && purpose != Purpose::Step) else {
                continue;
            };
            let name = format!("{MODEL}-{}", model.map_or(0, |m| m + 1));
            if !models.endpoints.contains_key(&name) {
                models.add(&name, model, recorded, reading);
            }
            models.roles.insert(purpose.name().to_owned(), name);
        }
        Ok(models)
    }

    /// Dollars of a call by the prices of the endpoints; none where its model's is unknown.
    pub(super) fn usd(&self, call: &Call) -> Option<f64> {
        let list = self.lists.get(&call.model).or_else(|| self.lists.get(&self.steps))?.as_ref()?;
        Some(list.cost(&call.billed.into()).as_usd())
    }

    fn add(&mut self, name: &str, model: Model, recorded: &RecordedRuns, reading: &Reading) {
        let all = || recorded.runs.iter().enumerate().flat_map(|(i, run)| run.calls.iter().map(move |call| (i, call)));
        let own = || all().filter(|(_, call)| call.model == model && is_answered(call.status, call.purpose));
        let title = model.map(|m| recorded.models[m as usize].as_str());
        let (price, priced) = price_of(title, reading, own().map(|(_, call)| call));
        if name == MODEL {
            self.prices = priced.source();
        }
        let (endpoint, law) =
            law(requests(own()), || requests(all().filter(|(_, c)| is_answered(c.status, c.purpose))), title);
        self.told.extend(law);
        self.told.push(priced.told());
        if matches!(priced, Priced::Told(..)) {
            // What is written to a cache is in the price of what is not read from one.
            self.told.push(
                "Recorded dollars tell no price of writing to a cache: it is in that of uncached tokens.".to_owned(),
            );
        }
        self.told.dedup();
        self.endpoints.insert(name.to_owned(), EndpointSpec { price, ..endpoint });
    }
}

/// The model that was asked most often; of equals, the first.
fn commonest(by: &BTreeMap<Model, u64>) -> Option<Model> {
    by.iter().max_by_key(|(model, calls)| (**calls, std::cmp::Reverse(**model))).map(|(model, _)| *model)
}

/// Answered calls that took time, as rows of a fit.
fn requests<'a>(calls: impl Iterator<Item = (usize, &'a Call)>) -> Vec<LoggedRequest> {
    calls
        .filter_map(|(trace, call)| {
            let (from, until) = call.dispatched_ns.zip(call.completed_ns).filter(|(from, until)| from < until)?;
            Some(LoggedRequest {
                trace: trace as u32,
                agent: trace as u32,
                model: 0,
                step: 0,
                uncached: call.usage.prompt_tokens.saturating_sub(call.usage.cached_tokens),
                cached: call.usage.cached_tokens,
                completion: call.usage.completion_tokens,
                latency_s: Span::from_nanos(until - from).as_secs_f64(),
                first_token_s: None,
                held_out: false,
            })
        })
        .collect()
}

/// The law of a model's calls, fitted to them; where they are few, to all.
fn law(
    own: Vec<LoggedRequest>,
    all: impl Fn() -> Vec<LoggedRequest>,
    title: Option<&str>,
) -> (EndpointSpec, Vec<String>) {
    let requests = if own.len() < LEAST_ROWS { all() } else { own };
    if requests.is_empty() {
        return (
            EndpointSpec::default(),
            vec!["No recorded call has a duration: modelled calls take no time.".to_owned()],
        );
    }
    let few = if requests.len() < LEAST_ROWS { ", which is few" } else { "" };
    let whose = title.map_or_else(String::new, |title| format!(" of {title}"));
    let mut told = vec![format!(
        "Calls{whose} that coordinate take as long as a law says that was fitted to {} recorded calls{few} (seconds per \
         call, per completion token, per uncached and cached prompt token).",
        requests.len()
    )];
    let mut endpoint = fit(&requests, RESAMPLES, 0).endpoint;
    endpoint.cache.enabled = requests.iter().any(|request| request.cached > 0);
    if !endpoint.cache.enabled {
        told.push("No recorded call tells of tokens from a cache: no topology has one.".to_owned());
    }
    (endpoint, told)
}
