//! `schema`: JSON Schemas, for editors and for those who write scenarios by program.

use super::args::{SchemaArgs, SchemaOf};
use super::{DONE, output};
use crate::experiment::Scenario;
use crate::experiment::presets::Preset;
use crate::policy::settings::Draft;
use crate::record::transcript::Line;
use crate::report::Manifest;
use crate::report::summary::SummaryFile;
use anyhow::Result;
use schemars::schema_for;

/// Prints the schema.
pub fn execute(args: &SchemaArgs) -> Result<u8> {
    let schema = match args.of {
        SchemaOf::Scenario => schema_for!(Scenario),
        SchemaOf::Preset => schema_for!(Preset),
        SchemaOf::Settings => schema_for!(Draft),
        SchemaOf::Manifest => schema_for!(Manifest),
        SchemaOf::Summary => schema_for!(SummaryFile),
        SchemaOf::Transcript => schema_for!(Line),
    };
    output::print(&serde_json::to_string_pretty(&schema)?)?;
    Ok(DONE)
}
