//! Folders: a folder that is one record of its own (DeLM, ChatDev), or the files in it, each told by its beginning.

use super::fault::ImportError;
use super::source::{Sample, names};
use super::{FORMATS, Importer};
use std::path::{Path, PathBuf};

/// Folders inside folders that are looked into: agents keep sessions by project, or by year, month and day.
const DEEPEST: u32 = 8;

/// A path and what reads it.
pub(super) type Found = (PathBuf, &'static dyn Importer, String);

/// What there is in a folder.
#[derive(Default)]
pub(super) struct Content {
    /// What is read.
    pub(super) found: Vec<Found>,
    /// Files that no format is told by.
    pub(super) ignored: Vec<PathBuf>,
    /// Pipes, devices and sockets.
    pub(super) no_files: Vec<PathBuf>,
    /// Links to what lies outside of the folder, or nowhere.
    pub(super) leaving: Vec<PathBuf>,
}

/// Looks for inputs in a folder; `format` leaves others out.
pub(super) fn content(folder: &Path, format: Option<&str>) -> Result<Content, ImportError> {
    let mut content = Content::default();
    look(folder, folder, format, 0, &mut content)?;
    Ok(content)
}

fn look(root: &Path, path: &Path, format: Option<&str>, depth: u32, content: &mut Content) -> Result<(), ImportError> {
    if !is_inside(root, path) {
        content.leaving.push(path.to_owned());
        return Ok(());
    }
    let is_folder = path.is_dir();
    if !is_folder && !path.is_file() {
        content.no_files.push(path.to_owned());
        return Ok(());
    }
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
                look(root, &path.join(name), format, depth + 1, content)?;
            }
        }
        None => content.ignored.push(path.to_owned()),
    }
    Ok(())
}

/// Whether what a path in a folder leads to lies in the folder: whoever gives a folder gives nothing else.
pub(super) fn is_inside(root: &Path, path: &Path) -> bool {
    root.canonicalize().ok().zip(path.canonicalize().ok()).is_some_and(|(root, path)| path.starts_with(root))
}
