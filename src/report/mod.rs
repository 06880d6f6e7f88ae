//! Results for people and for files: tables, CSV, JSON, figures, the output directory.
//!
//! Invariant: this room reads a [`Study`], or what else was computed, and simulates nothing; equal studies give equal
//! bytes, and no time, host or path of a machine is among them.

pub mod asked;
pub mod directory;
pub mod explain;
pub mod file;
pub mod files;
pub mod first;
pub mod live;
pub mod manifest;
pub mod plot;
pub mod published;
pub mod reproduce;
pub mod store;
pub mod summary;
pub mod table;
pub mod terms;
mod twins;
mod words;

mod columns;
pub mod counterfactual;
mod markdown;
mod number;

use crate::experiment::Study;
use std::collections::BTreeMap;

pub use directory::{DirectoryError, Plan, asked_dir, default_dir, plan};
pub use manifest::{Command, Manifest};
pub use reproduce::{Reproduction, compare, compare_results};
pub use store::{Results, Status, Stored, store, store_results};
pub use table::checks_table;

/// How a study is printed on stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The first screen: question, sources, selected rows, verdicts, warnings.
    #[default]
    Table,
    /// The document of `summary.json`: every policy and size, headline metrics.
    Json,
    /// The text of `metrics.csv`: every policy, size and metric.
    Csv,
    /// Markdown with every policy and size.
    Md,
}

/// The study in a format, ending in a newline. Nothing but data: safe to print on stdout and pipe on.
pub fn render(study: &Study, format: Format) -> String {
    match format {
        Format::Table => table::screen(study),
        Format::Json => summary::SummaryFile::of(study).to_json(),
        Format::Csv => files::metrics_csv(study),
        Format::Md => markdown::page(study),
    }
}

/// JSON Schemas of the files that carry a version, by file name.
pub fn schemas() -> BTreeMap<&'static str, serde_json::Value> {
    BTreeMap::from([
        (manifest::FILE, schemars::schema_for!(manifest::Manifest).to_value()),
        (summary::FILE, schemars::schema_for!(summary::SummaryFile).to_value()),
    ])
}
