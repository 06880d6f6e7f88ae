//! The `delm-sim` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    delm_sim::cli::run(&delm_sim::policy::Catalog::default())
}
