//! `init`: a scenario to start from.

use super::args::InitArgs;
use super::{DONE, UsageError, output};
use crate::experiment::embedded;
use anyhow::{Context, Result};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};

/// What stands above the copy.
const HEADER: &str = "\
# A scenario of delm-sim. Change what you like; unknown keys and impossible values are told with their line.
#   delm-sim compare FILE                      run it
#   delm-sim params FILE                       list every input with its source
#   delm-sim list                              policies and embedded scenarios
#   delm-sim schema                            all keys (JSON Schema); schema settings: keys of [policy.NAME]
# A law is { constant = 1 }, { exponential = { mean = 1 } }, { lognormal = { mean = 1, sigma = 0.5 } },
# { erlang = { shape = 2, mean = 1 } }, { table = { quantiles = [0, 1, 5] } } and others; a limit is a number or
# \"unlimited\". Settings of one policy: [policy.delm-solvers]; a policy of your own: [policy.mine] based_on = \"..\".
#
";

/// Writes an embedded scenario with a header to a new file.
pub fn execute(args: &InitArgs) -> Result<u8> {
    let text = embedded::scenario(&args.from).ok_or_else(|| {
        let names: Vec<&str> = embedded::SCENARIOS.iter().map(|(name, _)| *name).collect();
        UsageError(format!("--from {}: no such embedded scenario; known: {}", args.from, names.join(", ")))
    })?;
    let path = args.path.display();
    let opened = OpenOptions::new().write(true).create_new(true).open(&args.path);
    let mut file = opened.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => UsageError(format!("{path}: exists already; name a file that does not")),
        _ => UsageError(format!("{path}: cannot be written ({error}); name another file")),
    })?;
    // A copy under the name of the original would be taken for it.
    let own = args.path.file_stem().and_then(|stem| stem.to_str()).filter(|stem| is_name(stem)).unwrap_or("mine");
    let text = text.replacen(&format!("\nname = \"{}\"", args.from), &format!("\nname = \"{own}\""), 1);
    file.write_all(format!("{HEADER}{text}").as_bytes()).with_context(|| format!("{path}: cannot be written"))?;
    output::say(&format!("wrote {path}; `delm-sim compare {path}` runs it"));
    Ok(DONE)
}

/// Whether a scenario may be called so.
fn is_name(stem: &str) -> bool {
    stem.len() <= 64 && stem.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}
