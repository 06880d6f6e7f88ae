//! What was typed becomes paths: patterns (`logs/*.jsonl`, `**`) that no shell expanded, standard input (`-`), and
//! archives (zip, tar, tar.gz, tar.zst), which are unpacked into a folder that goes away with the import. Whatever is told
//! names what was typed, and no temporary folder.

use super::fault::{ImportError, Place, Wrong};
use super::source::{self, Sample, names};
use super::unzip;
use crate::record::input::{self, Refused};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Component, Path, PathBuf};
use tempfile::TempDir;

/// Most bytes that one archive unpacks to.
pub(super) const MOST_ARCHIVE_BYTES: u64 = 8 << 30;
/// Most members of an archive, and most files that a pattern names.
const MOST_FILES: usize = 200_000;
/// Folders that `**` goes down.
const DEEPEST: u32 = 16;

/// Paths to read, and the folders that some of them lie in.
#[derive(Default)]
pub(super) struct Inputs {
    pub(super) paths: Vec<PathBuf>,
    /// A temporary folder, and what stands for it where paths are told.
    folders: Vec<(TempDir, PathBuf)>,
}

impl Inputs {
    /// Looks at what was typed.
    pub(super) fn new(typed: &[PathBuf]) -> Result<Self, ImportError> {
        let mut inputs = Self::default();
        for path in typed {
            if path == Path::new("-") {
                let path = inputs.standard()?;
                inputs.add(path)?;
            } else if !path.exists() && path.to_string_lossy().contains(['*', '?']) {
                let found = matching(path)?;
                if found.is_empty() {
                    return Err(ImportError::Usage(format!("{}: no file matches the pattern", path.display())));
                }
                found.into_iter().try_for_each(|path| inputs.add(path))?;
            } else {
                inputs.add(path.clone())?;
            }
        }
        Ok(inputs)
    }

    /// A path, or what an archive has in it.
    fn add(&mut self, path: PathBuf) -> Result<(), ImportError> {
        let kind = if path.is_file() { archive(&path)? } else { None };
        let Some(kind) = kind else {
            self.paths.push(path);
            return Ok(());
        };
        let folder = self.folder(path.parent().unwrap_or(Path::new("")))?;
        let inner = folder.join(path.file_name().unwrap_or_default());
        std::fs::create_dir(&inner).map_err(ImportError::Write)?;
        match kind {
            Archive::Zip => unzip::zip(&path, &inner)?,
            Archive::Tar => unzip::tar(&path, &inner)?,
        }
        self.paths.push(inner);
        Ok(())
    }

    /// A new temporary folder.
    fn folder(&mut self, stands_for: &Path) -> Result<PathBuf, ImportError> {
        let folder = tempfile::tempdir().map_err(ImportError::Write)?;
        let path = folder.path().to_owned();
        // Standard input may be an archive: its folder lies where standard input does.
        let known = self.folders.iter().find(|(folder, _)| folder.path() == stands_for);
        let stands_for = known.map_or_else(|| stands_for.to_owned(), |(_, told)| told.clone());
        self.folders.push((folder, stands_for));
        Ok(path)
    }

    /// Standard input as a file.
    fn standard(&mut self) -> Result<PathBuf, ImportError> {
        let folder = self.folder(Path::new(""))?;
        let path = folder.join("standard-input");
        let mut file = File::create(&path).map_err(ImportError::Write)?;
        let mut from = std::io::stdin().lock().take(input::MOST_TEXT_BYTES + 1);
        let fault = |source| ImportError::Read { path: PathBuf::from("-"), source };
        let mut buffer = vec![0; 1 << 16];
        let mut all = 0;
        loop {
            let count = from.read(&mut buffer).map_err(fault)?;
            if count == 0 {
                break;
            }
            all += count as u64;
            if all > input::MOST_TEXT_BYTES {
                return Err(fault(Refused::Text.into()));
            }
            file.write_all(&buffer[..count]).map_err(ImportError::Write)?;
        }
        file.flush().map_err(ImportError::Write)?;
        Ok(path)
    }

    /// A text with what was typed in place of temporary folders.
    pub(super) fn told(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (folder, stands_for) in &self.folders {
            let with = |path: &Path| format!("{}{}", path.display(), std::path::MAIN_SEPARATOR);
            let stands_for = if stands_for.as_os_str().is_empty() { String::new() } else { with(stands_for) };
            text = text.replace(&with(folder.path()), &stands_for);
        }
        text
    }

    /// The same for a path.
    pub(super) fn path(&self, path: &Path) -> PathBuf {
        if self.folders.is_empty() { path.to_owned() } else { PathBuf::from(self.told(&path.to_string_lossy())) }
    }

    /// The same for an error.
    pub(super) fn error(&self, error: ImportError) -> ImportError {
        match error {
            ImportError::Read { path, source } => ImportError::Read { path: self.path(&path), source },
            ImportError::Fault { place, wrong } => {
                ImportError::Fault { place: Place { path: self.path(&place.path), ..place }, wrong }
            }
            ImportError::Usage(text) => ImportError::Usage(self.told(&text)),
            error @ ImportError::Write(_) => error,
        }
    }
}

enum Archive {
    Zip,
    Tar,
}

/// Whether a file is an archive that no format reads as a whole.
fn archive(path: &Path) -> Result<Option<Archive>, ImportError> {
    let mut head = Vec::new();
    let opened = source::open(path);
    // What cannot be opened is told by whoever reads it.
    let Ok(opened) = opened else { return Ok(None) };
    let _ = opened.take(512).read_to_end(&mut head);
    if head.get(257..262) == Some(b"ustar") {
        return Ok(Some(Archive::Tar));
    }
    if !head.starts_with(b"PK\x03\x04") {
        return Ok(None);
    }
    let sample = Sample::of(path)?;
    let is_known = super::FORMATS.iter().any(|format| format.detect(&sample).is_some());
    Ok((!is_known).then_some(Archive::Zip))
}

/// Where a member of an archive goes: inside of the folder, whatever its name says.
pub(super) fn inside(folder: &Path, name: &str) -> Option<PathBuf> {
    let path = Path::new(name);
    let parts: Vec<_> = path.components().filter(|part| !matches!(part, Component::CurDir)).collect();
    let is_plain = !parts.is_empty() && parts.iter().all(|part| matches!(part, Component::Normal(_)));
    is_plain.then(|| folder.join(parts.iter().collect::<PathBuf>()))
}

/// A limit of archives, told as one.
pub(super) fn too_much(path: &Path, what: &str) -> ImportError {
    Wrong::record(what, "unpack it, and give the files that are meant").at(Place::file(path))
}

/// Whether there are too many members.
pub(super) fn check_members(path: &Path, count: usize) -> Result<(), ImportError> {
    if count > MOST_FILES {
        return Err(too_much(path, &format!("the archive has more members than the limit of {MOST_FILES}")));
    }
    Ok(())
}

/// Files whose paths match a pattern, in the order of their names.
fn matching(pattern: &Path) -> Result<Vec<PathBuf>, ImportError> {
    let parts: Vec<String> = pattern.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let mut found = Vec::new();
    walk(Path::new(""), &parts, 0, &mut found)?;
    found.sort();
    found.dedup();
    Ok(found)
}

fn walk(at: &Path, parts: &[String], depth: u32, found: &mut Vec<PathBuf>) -> Result<(), ImportError> {
    let Some((part, rest)) = parts.split_first() else {
        if found.len() >= MOST_FILES {
            return Err(ImportError::Usage(format!("the pattern names more than the limit of {MOST_FILES} files")));
        }
        found.push(at.to_owned());
        return Ok(());
    };
    let here = if at.as_os_str().is_empty() { Path::new(".") } else { at };
    if part == "**" {
        walk(at, rest, depth, found)?;
        if depth < DEEPEST {
            for name in names(here).unwrap_or_default() {
                let next = at.join(name);
                if next.is_dir() && !next.is_symlink() {
                    walk(&next, parts, depth + 1, found)?;
                }
            }
        }
        return Ok(());
    }
    if !part.contains(['*', '?']) {
        let next = at.join(part);
        return if next.exists() { walk(&next, rest, depth, found) } else { Ok(()) };
    }
    for name in names(here).unwrap_or_default() {
        let is_hidden = name.starts_with('.') && !part.starts_with('.');
        let next = at.join(&name);
        if !is_hidden && fits(part.as_bytes(), name.as_bytes()) && (rest.is_empty() || next.is_dir()) {
            walk(&next, rest, depth, found)?;
        }
    }
    Ok(())
}

/// Whether a name fits a pattern of `*` and `?`.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if p < pattern.len() && (pattern[p] == b'?' || pattern[p] == name[n]) && pattern[p] != b'*' {
            (p, n) = (p + 1, n + 1);
        } else if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, n));
            p += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            (p, n) = (at + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_names() {
        for (pattern, name, is) in [
            ("*.jsonl", "a.jsonl", true),
            ("*.jsonl", "a.json", false),
            ("rollout-*-?.jsonl", "rollout-2026-01-1.jsonl", true),
            ("*", "", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("?", "ab", false),
        ] {
            assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), is, "{pattern} {name}");
        }
    }

    #[test]
    fn members_stay_in_their_folder() {
        let folder = Path::new("/f");
        assert_eq!(inside(folder, "./a/b.jsonl"), Some(PathBuf::from("/f/a/b.jsonl")));
        for name in ["../a", "/etc/x", "a/../../b", "", "."] {
            assert_eq!(inside(folder, name), None, "{name}");
        }
    }
}
