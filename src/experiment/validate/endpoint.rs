//! Endpoints, their prices, and who is served by which.

use super::{Judge, MOST, MOST_AGENTS, key};
use crate::experiment::faults::{KeyPath, nearest};
use crate::experiment::scenario::Scenario;
use crate::model::call::Purpose;
use crate::model::endpoint::EndpointSpec;
use crate::model::price::Rates;
use crate::policy::settings::ServedBy;

/// Somewhat above even sharing: streams may also cost each other caches and attention.
const MOST_SLOWDOWN: f64 = 2.0;

impl Judge {
    pub(super) fn endpoint(&mut self, name: &str, e: &EndpointSpec) {
        let path = key("endpoints").with(name);
        self.name(path.clone(), name, "an endpoint's name");
        if name == ServedBy::ROLE {
            let wrong = "is what a policy's lead_endpoint and verifier_endpoint say for the scenario's roles";
            self.fault(path.clone(), wrong, "rename it");
        }
        let at = |name: &str| path.with(name);
        for (name, x) in [
            ("base_s", e.base_s),
            ("completion_s_per_token", e.completion_s_per_token),
            ("long_completion_s_per_token", e.long_completion_s_per_token),
            ("uncached_s_per_ktoken", e.uncached_s_per_ktoken),
            ("cached_s_per_ktoken", e.cached_s_per_ktoken),
            ("item_s", e.item_s),
            ("failure_s", e.failure_s),
            ("backoff_s", e.backoff_s),
        ] {
            self.amount(at(name), x);
        }
        self.law(at("noise"), &e.noise);
        self.sigma(at("agent_sigma"), e.agent_sigma);
        let mend = "write 0 where streams do not disturb each other, 1 where they share one server";
        self.within(at("stream_slowdown"), e.stream_slowdown, 0.0, MOST_SLOWDOWN, mend);
        for (name, limit) in [("slots", e.slots), ("long_completion_tokens", e.long_completion_tokens)] {
            self.whole_limit(at(name), limit);
        }
        for (name, limit) in [
            ("requests_per_minute", e.requests_per_minute),
            ("input_tokens_per_minute", e.input_tokens_per_minute),
            ("output_tokens_per_minute", e.output_tokens_per_minute),
        ] {
            self.rate_limit(at(name), limit);
        }
        if e.burst_s <= 0.0 || e.burst_s > MOST {
            let side = if e.burst_s > 0.0 { "must not be above 1e9" } else { "must be above 0" };
            self.bad(at("burst_s"), e.burst_s, side, "60 holds a minute's rate");
        }
        self.count(at("max_output_tokens"), e.max_output_tokens, 100_000_000);
        self.probability(at("failure_probability"), e.failure_probability);
        self.within(at("retries"), e.retries.into(), 0.0, 1000.0, "write fewer");
        self.span_limit(at("timeout_s"), e.timeout_s);
        if let Some(live) = &e.live {
            self.live_server(&at("live"), live);
        }
        self.amount(at("cache").with("lifetime_s"), e.cache.lifetime_s);
        let price = at("price");
        self.rates(&price.with("rates"), &e.price.rates);
        let mut above = 0;
        for (i, tier) in e.price.tiers.iter().enumerate() {
            let tier_at = price.with("tiers").at(i);
            if tier.above_prompt_tokens <= above {
                let wrong = "tiers must stand in rising order, above 0";
                self.bad(tier_at.with("above_prompt_tokens"), tier.above_prompt_tokens, wrong, "sort them");
            }
            above = tier.above_prompt_tokens;
            self.rates(&tier_at.with("rates"), &tier.rates);
        }
        self.within(price.with("busy_usd_per_hour"), e.price.busy_usd_per_hour, 0.0, 1e6, "write dollars per hour");
    }

    pub(super) fn rates(&mut self, at: &KeyPath, rates: &Rates) {
        for (name, x) in [
            ("input_usd_per_mtok", rates.input_usd_per_mtok),
            ("cache_read_usd_per_mtok", rates.cache_read_usd_per_mtok),
            ("cache_write_usd_per_mtok", rates.cache_write_usd_per_mtok),
            ("output_usd_per_mtok", rates.output_usd_per_mtok),
        ] {
            self.within(at.with(name), x, 0.0, 1e5, "write dollars per million tokens");
        }
    }

    pub(super) fn roles(&mut self, s: &Scenario) {
        let names: Vec<&str> = s.endpoints.keys().map(String::as_str).collect();
        if names.is_empty() {
            self.fault(key("endpoints"), "there is no endpoint", "add a table [endpoints.worker]");
        }
        if !s.roles.contains_key("default") {
            let mend = format!("write default = \"{}\"", names.first().unwrap_or(&"worker"));
            self.fault(key("roles.default"), "is missing", mend);
        }
        let purposes: Vec<&str> = Purpose::ALL.iter().map(|p| p.name()).collect();
        for role in s.roles.keys() {
            if role != "default" && !purposes.contains(&role.as_str()) {
                let mend = match nearest(role, purposes.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known: default, {}", purposes.join(", ")),
                };
                self.fault(key("roles").with(role), "is no purpose of a call", mend);
            }
        }
        for worker in s.worker_roles.keys() {
            if !worker.parse::<u32>().is_ok_and(|n| n < MOST_AGENTS && n.to_string() == *worker) {
                let mend = "write a worker's number, from 0";
                self.fault(key("worker_roles").with(worker), "is no number of a worker", mend);
            }
        }
        for (table, roles) in [("roles", &s.roles), ("worker_roles", &s.worker_roles)] {
            for (role, endpoint) in roles {
                self.is_endpoint(s, key(table).with(role), endpoint);
            }
        }
    }

    /// A name of an endpoint, where one is to serve.
    pub(super) fn is_endpoint(&mut self, s: &Scenario, at: KeyPath, name: &str) {
        if s.endpoints.contains_key(name) {
            return;
        }
        let names = || s.endpoints.keys().map(String::as_str);
        let mend = match nearest(name, names()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("known: {}", names().collect::<Vec<_>>().join(", ")),
        };
        self.bad(at, format!("\"{name}\""), "there is no such endpoint", &mend);
    }
}
