//! `delm-sim`: a deterministic discrete-event simulator and benchmark harness for the coordination of
//! multi-agent LLM systems.
//!
//! The rooms, from the rim inwards; an arrow points from the caller to the called and never back:
//!
//! ```text
//! main -> cli -> report -> experiment -> live -> import | runtime -> policy | record -> model -> kernel | stats
//! ```
//!
//! # A tour
//!
//! A [`Scenario`](experiment::Scenario) says what there is to do, with which models, under which policies. It is loaded
//! from a file, from text or by the name of one that the crate carries, with changes as on the command line, and all its
//! faults are told at once. [`conduct`](experiment::conduct) runs it into a [`Study`](experiment::Study): cells with
//! metrics, paired comparisons, verdicts. [`report`] makes screens, tables and figures of it.
//!
//! ```
//! use delm_sim::experiment::{Options, Overrides, Scenario, conduct};
//!
//! let overrides = Overrides {
//!     set: vec!["all_policies.max_steps=20".into()],
//!     agents: Some(vec![2]),
//!     policies: Some(vec!["independent".into(), "delm-solvers".into()]),
//!     baseline: Some("independent".into()),
//!     replications: Some(20),
//!     ..Overrides::default()
//! };
//! let scenario = Scenario::load("swe-verified", &overrides)?;
//! let study = conduct(&scenario, &Options::default())?;
//! let alone = study.cell("independent", 2).unwrap();
//! assert!(alone.mean("makespan_s").unwrap() > 0.0);
//! print!("{}", delm_sim::report::render(&study, delm_sim::report::Format::Table));
//!
//! // A setting that a policy does not read is a fault, with its place and mend.
//! let idle = Overrides { set: vec!["policy.independent.gate=llm".into()], ..overrides };
//! assert!(Scenario::load("swe-verified", &idle).unwrap_err().to_string().contains("does not act here"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A run is one line: [`drive`](runtime::drive) asks a world what happens next, tells the [`policy`], and has the world
//! do what it answers. Simulated time, recordings and real endpoints are worlds; a policy cannot tell them apart. One of
//! your own joins the [`Catalog`](policy::Catalog): see `docs/own-policy.md` and `examples/`.

pub mod cli;
pub mod experiment;
pub mod import;
pub mod kernel;
pub mod live;
pub mod model;
pub mod policy;
pub mod record;
pub mod report;
pub mod runtime;
pub mod stats;
