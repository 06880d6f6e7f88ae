//! Folders: a folder that is one record of its own (DeLM, ChatDev), or the files in it, each told by its beginning.

use super::fault::ImportError;
use super::source::{Sample, names};
use super::{FORMATS, Importer};
use std::path::{Path, PathBuf};

/// Folders inside folders that are looked into.
const DEEPEST: u32 = 3;

/// A path and what reads it.
pub(super) type Found = (PathBuf, &'static dyn Importer, String);

/// What there is in a folder.
#[derive(Default)]
pub(super) struct Content {
    /// What is read.
    pub(super) found: Vec<Found>,
    /// Files that no format is told by.
    pub(super) ignored: Vec<PathBuf>,
}

/// Looks for inputs in a folder; `format` leaves others out.
pub(super) fn content(folder: &Path, format: Option<&str>) -> Result<Content, ImportError> {
    let mut content = Content::default();
    look(folder, format, 0, &mut content)?;
    Ok(content)
}

fn look(path: &Path, format: Option<&str>, depth: u32, content: &mut Content) -> Result<(), ImportError> {
    let is_folder = path.is_dir();
    let detected = Sample::of(path).ok().and_then(|sample| {
        FORMATS
            .iter()
            .filter(|i| format.is_none_or(|name| name == i.name()))
            .find_map(|i| Some((*i, i.detect(&sample)?)))
    });
    match detected {
        Some((importer, reason)) => content.found.push((path.to_owned(), importer, reason)),
        None if is_folder && depth <= DEEPEST => {
            for name in names(path)?.iter().filter(|name| !name.starts_with('.')) {
                look(&path.join(name), format, depth + 1, content)?;
            }
        }
        None => content.ignored.push(path.to_owned()),
    }
    Ok(())
}
