//! The endpoints of a scenario, ready to serve: laws, integer prices, and who is served where.

use crate::model::call::{Purpose, Request, Seat};
use crate::model::endpoint::EndpointSpec;
use crate::model::ids::EndpointId;
use crate::model::price::PriceList;
use std::collections::BTreeMap;

/// Endpoints by role.
#[derive(Debug)]
pub struct Fleet {
    /// Endpoints in the order of their names; one more, without cost or time, for oracle judges.
    pub(crate) endpoints: Vec<EndpointSpec>,
    pub(crate) prices: Vec<PriceList>,
    /// What draws that belong to an endpoint know it by. It follows from the name alone: one more endpoint changes no
    /// number of the others.
    pub(crate) codes: Vec<u32>,
    pub(crate) latency_factor: f64,
    by_purpose: [EndpointId; 12],
    by_worker: BTreeMap<u32, EndpointId>,
    pub(crate) free: EndpointId,
}

/// A role that leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no endpoint for {role}: {why}")]
pub struct FleetError {
    role: String,
    why: String,
}

impl Fleet {
    /// Builds the fleet of one policy; `cost` and `latency` are its protocol factors.
    pub fn new(
        endpoints: &BTreeMap<String, EndpointSpec>,
        roles: &BTreeMap<String, String>,
        worker_roles: &BTreeMap<String, String>,
        cost: f64,
        latency: f64,
    ) -> Result<Self, FleetError> {
        let mut by_purpose = [EndpointId(0); 12];
        for purpose in Purpose::ALL {
            let role = purpose.name();
            let name = roles.get(role).or_else(|| roles.get("default")).ok_or_else(|| FleetError {
                role: role.to_owned(),
                why: "roles names neither it nor `default`".to_owned(),
            })?;
            by_purpose[purpose.code() as usize] = find(endpoints, role, name)?;
        }
        let mut by_worker = BTreeMap::new();
        for (worker, name) in worker_roles {
            let index = worker.parse::<u32>().map_err(|_| FleetError {
                role: format!("worker {worker}"),
                why: "keys of worker_roles are worker numbers from 0".to_owned(),
            })?;
            by_worker.insert(index, find(endpoints, worker, name)?);
        }
        let mut specs: Vec<EndpointSpec> = endpoints.values().cloned().collect();
        let mut prices: Vec<PriceList> = specs.iter().map(|e| PriceList::new(&e.price, cost)).collect();
        let codes = endpoints.keys().map(|name| code(name)).chain([code("")]).collect();
        specs.push(EndpointSpec::default());
        prices.push(PriceList::default());
        let free = EndpointId(specs.len() as u16 - 1);
        Ok(Self { endpoints: specs, prices, codes, latency_factor: latency, by_purpose, by_worker, free })
    }

    /// Gives a seat to one endpoint, whatever the roles say.
    ///
    /// # Errors
    /// There is no such endpoint.
    pub fn seated(
        mut self,
        seat: Seat,
        name: &str,
        endpoints: &BTreeMap<String, EndpointSpec>,
    ) -> Result<Self, FleetError> {
        let endpoint = find(endpoints, seat.name(), name)?;
        for purpose in seat.purposes() {
            self.by_purpose[purpose.code() as usize] = endpoint;
        }
        Ok(self)
    }

    /// Whether what all endpoints charge is known.
    pub fn prices_are_known(&self) -> bool {
        self.endpoints.iter().all(|e| e.price.is_known())
    }

    /// Who serves a request that a model must answer, judges included.
    pub(crate) fn model_of(&self, request: &Request) -> EndpointId {
        match self.by_worker.get(&request.agent.0) {
            Some(endpoint) if request.purpose == Purpose::Step => *endpoint,
            _ => self.by_purpose[request.purpose.code() as usize],
        }
    }

    pub(crate) fn endpoint_of(&self, request: &Request) -> EndpointId {
        if request.judge == crate::model::call::Judge::Oracle {
            return self.free;
        }
        self.model_of(request)
    }
}

fn find(endpoints: &BTreeMap<String, EndpointSpec>, role: &str, name: &str) -> Result<EndpointId, FleetError> {
    let index = endpoints.keys().position(|k| k == name);
    index
        .map(|i| EndpointId(i as u16))
        .ok_or_else(|| FleetError { role: role.to_owned(), why: format!("\"{name}\" is not among the endpoints") })
}

/// FNV-1a (G. Fowler, L. C. Noll, K.-P. Vo) of a name.
fn code(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
