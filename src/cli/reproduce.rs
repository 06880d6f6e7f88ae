//! `reproduce`: run an output directory's command again and compare all bytes.

use super::UsageError;
use super::args::ReproduceArgs;
use anyhow::Result;

/// Reads the manifest, runs the command, compares.
pub fn execute(args: &ReproduceArgs) -> Result<u8> {
    let manifest = args.directory.join("manifest.json");
    let path = manifest.display();
    let _manifest = std::fs::read_to_string(&manifest).map_err(|error| {
        UsageError(format!(
            "{path}: cannot be read ({error}); name a directory that `run` or `compare` wrote"
        ))
    })?;
    anyhow::bail!("reproduce is not wired yet")
}
