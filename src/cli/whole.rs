//! Files that are there whole or not at all: written beside their place, moved over it at the end.
//!
//! What a killed run left beside a file is removed by the next one that writes the file, and named. Who still writes
//! holds a lock, so that two runs at once do not take each other for leftovers.

use super::output;
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile};

/// End of the name of a file that is being written.
const PART: &str = ".part";

/// A file that is being written beside its place.
#[derive(Debug)]
pub(super) struct Whole {
    file: BufWriter<NamedTempFile>,
    path: PathBuf,
}

impl Whole {
    /// Begins a file. Its place may be taken by another file, which is then replaced at the end.
    pub(super) fn begin(path: &Path) -> io::Result<Self> {
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a folder, a pipe or a device is there"));
        }
        let prefix = prefix(path);
        for left in leftovers(path, &prefix) {
            output::say(&format!("removed {}, which a run that was stopped had left", left.display()));
        }
        let mut builder = Builder::new();
        builder.prefix(&prefix).suffix(PART);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(folder(path))?;
        file.as_file().lock()?;
        Ok(Self { file: BufWriter::new(file), path: path.to_owned() })
    }

    /// Where it is being written.
    pub(super) fn part(&self) -> &Path {
        self.file.get_ref().path()
    }

    /// Puts the file in its place.
    pub(super) fn finish(self) -> io::Result<()> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        file.persist(&self.path).map(drop).map_err(|fault| fault.error)
    }
}

impl Write for Whole {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes a file, whole or not at all. A pipe or a device takes what comes.
pub(super) fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<()> {
    let done = match fs::metadata(path) {
        Ok(found) if !found.is_file() && !found.is_dir() => fs::write(path, bytes),
        _ => Whole::begin(path).and_then(|mut file| {
            file.write_all(bytes.as_ref())?;
            file.finish()
        }),
    };
    done.with_context(|| format!("cannot write {}", path.display()))
}

/// The folder of a file.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."))
}

fn prefix(path: &Path) -> String {
    format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy())
}

/// Removes what nobody writes any more.
fn leftovers(path: &Path, prefix: &str) -> Vec<PathBuf> {
    let is_part = |name: &str| name.starts_with(prefix) && name.ends_with(PART);
    let entries = fs::read_dir(folder(path)).into_iter().flatten().flatten();
    let parts = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_part)).map(|entry| entry.path());
    let is_left = |part: &PathBuf| {
        part.is_file()
            && File::open(part).is_ok_and(|file| file.try_lock().is_ok())
            // Another run may have been quicker.
            && fs::remove_file(part).is_ok()
    };
    let mut left: Vec<PathBuf> = parts.filter(is_left).collect();
    left.sort();
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let names = || {
            let mut names: Vec<String> = fs::read_dir(folder.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        let mut file = Whole::begin(&path).unwrap();
        file.write_all(b"half").unwrap();
        // Another run leaves it alone while it is being written.
        write(&path, "other").unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap(), names().len()), ("other".to_owned(), 2));
        file.finish().unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap(), names().len()), ("half".to_owned(), 1));
        drop(Whole::begin(&path).unwrap());
        assert_eq!(names(), ["a.csv"]);
        fs::write(folder.path().join(".a.csv.x1y2.part"), "left").unwrap();
        write(&path, "new").unwrap();
        assert_eq!(names(), ["a.csv"]);
        assert!(Whole::begin(folder.path()).is_err());
    }
}
