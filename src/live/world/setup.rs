//! What a live run is made of, what outlives it, and how it ends.

use super::budget::{Budget, Caps, Reached};
use super::dialect::{Dialect, Sampling};
use super::hopeless::{GIVE_UP_AFTER, Hopeless};
use super::journal::Journal;
use super::measured::Measured;
use super::past::Past;
use crate::kernel::{Key, Span};
use crate::live::chat::Api;
use crate::live::desk::Desk;
use crate::record::trace::{Summary, Trace};
use crate::runtime::Fleet;
use std::sync::Arc;

/// How a live run talks to its endpoints.
#[derive(Clone, Debug)]
pub struct LiveOptions {
    /// Model, temperature, seed.
    pub sampling: Sampling,
    /// Where requests go, for errors; without secrets.
    pub url: String,
    /// Most tries in flight per endpoint.
    pub concurrency: u32,
    /// Most time of a try, where the endpoint names none.
    pub timeout: Span,
    /// Most time without a byte once an answer began.
    pub silence: Span,
    /// How long tries in flight are awaited after an interruption.
    pub grace: Span,
}

impl LiveOptions {
    /// The server of endpoints that have none of their own.
    pub fn server(&self) -> Server {
        Server {
            model: self.sampling.model.clone(),
            url: self.url.clone(),
            api: Api::default(),
            concurrency: self.concurrency,
            key_from: "OPENAI_API_KEY (or --api-key-file)".to_owned(),
        }
    }
}

/// The server behind an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Model that answers.
    pub model: String,
    /// Where requests go, for errors; without secrets.
    pub url: String,
    /// What it speaks.
    pub api: Api,
    /// Most tries in flight.
    pub concurrency: u32,
    /// Where its key comes from, in words; never the key.
    pub key_from: String,
}

/// What outlives a run: money, and what was learnt of the endpoints.
#[derive(Clone, Debug)]
pub struct Session {
    /// The budget.
    pub budget: Budget,
    /// Time of the runs before this one.
    pub elapsed: Span,
    /// Servers by endpoint; endpoints without one are served as the options say.
    pub servers: Vec<Option<Server>>,
    /// Dialects by endpoint.
    pub dialects: Vec<Dialect>,
    /// Calls in a row that each endpoint lost for good, tries and all.
    pub(super) lost: Vec<u32>,
    /// Rows of equal ends of each endpoint.
    pub(super) hopeless: Vec<Hopeless>,
    /// Equal ends in a row (cut, filtered, unreadable, refused) after which a run stops; `None`: never.
    pub give_up_after: Option<u32>,
    /// Tells whoever waits why nothing happens for long.
    pub tell: Option<fn(&str)>,
    pub(super) next_job: u64,
}

impl Session {
    /// A fresh session under caps.
    pub fn new(caps: Caps) -> Self {
        Self {
            budget: Budget::new(caps),
            elapsed: Span::ZERO,
            servers: Vec::new(),
            dialects: Vec::new(),
            lost: Vec::new(),
            hopeless: Vec::new(),
            give_up_after: Some(GIVE_UP_AFTER),
            tell: None,
            next_job: 0,
        }
    }
}

/// Why a run stopped before its end.
#[derive(Clone, Debug, PartialEq)]
pub enum Stop {
    /// A cap was reached.
    Budget(Reached),
    /// Somebody interrupted.
    Interrupted,
    /// The server refused for good, or is out of order.
    Refused(String),
    /// Calls end alike again and again; more requests would be paid in vain.
    Hopeless(String),
    /// The journal could not be written.
    Journal(String),
    /// The journal tells of another run than this one.
    Diverged(String),
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// Why it stopped early, if it did.
    pub stop: Option<Stop>,
    /// Whether all tasks finished.
    pub complete: bool,
    /// Summary of its trace.
    pub summary: Summary,
    /// Digest of its trace.
    pub digest: [u8; 32],
    /// What was measured.
    pub measured: Measured,
    /// Why its times are not to be trusted.
    pub invalid: Option<String>,
}

/// What a run is made of.
pub struct Setup {
    /// Endpoints.
    pub fleet: Arc<Fleet>,
    /// Key of the replication; jitter comes from it.
    pub key: Key,
    /// One desk per task.
    pub desks: Vec<Box<dyn Desk>>,
    /// Where records go; its recorder, if any, writes to `journal`.
    pub trace: Trace,
    /// The journal behind the recorder.
    pub journal: Option<Journal>,
    /// What an earlier session did of this run.
    pub past: Past,
    /// How to talk.
    pub options: Arc<LiveOptions>,
}
