//! Figures.

use super::files::File;
use crate::experiment::Study;

/// Files of all figures that the study has data for.
pub fn files(_study: &Study) -> Vec<File> {
    Vec::new()
}
