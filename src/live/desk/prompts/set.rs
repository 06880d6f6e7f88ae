//! The fixed instructions of all purposes: this program's, or a folder's in their place.
//!
//! Invariant: a folder replaces whole files by their names; a name that stands for nothing is an error.

use crate::model::call::Purpose;
use std::borrow::Cow;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// A longer text is no instruction (bytes).
const MOST_BYTES: u64 = 1 << 20;

/// Files by name, with this program's text.
const FILES: [(&str, &str); 11] = [
    ("plan.md", include_str!("plan.md")),
    ("dispatch.md", include_str!("dispatch.md")),
    ("step.md", include_str!("step.md")),
    ("gist.md", include_str!("gist.md")),
    ("verify.md", include_str!("verify.md")),
    ("unfold.md", include_str!("unfold.md")),
    ("report.md", include_str!("report.md")),
    ("compact.md", include_str!("compact.md")),
    ("merge.md", include_str!("merge.md")),
    ("more-subtasks.md", include_str!("more-subtasks.md")),
    ("finalize.md", include_str!("finalize.md")),
];

/// Why a folder of prompts was refused.
#[derive(Debug, thiserror::Error)]
#[error("{}: {wrong}\n  mend: {mend}", path.display())]
pub struct PromptsError {
    /// Folder or file.
    path: PathBuf,
    /// What is wrong.
    wrong: String,
    /// What to do.
    mend: String,
}

/// Instructions of all purposes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompts {
    /// In the order of `FILES`.
    texts: Vec<Cow<'static, str>>,
    /// Names of the files that a folder replaced.
    replaced: Vec<&'static str>,
}

impl Default for Prompts {
    fn default() -> Self {
        Self { texts: FILES.iter().map(|(_, text)| Cow::Borrowed(*text)).collect(), replaced: Vec::new() }
    }
}

impl Prompts {
    /// This program's instructions with the files of a folder in their place.
    ///
    /// # Errors
    /// A folder that cannot be read or is empty, a file of an unknown name, a text that is none.
    pub fn read(folder: &Path) -> Result<Self, PromptsError> {
        let names = || FILES.map(|(name, _)| name).join(", ");
        let error = |path: &Path, wrong: String, mend: String| PromptsError { path: path.to_owned(), wrong, mend };
        let unreadable = |path: &Path, why: &std::io::Error| {
            error(path, format!("cannot be read: {why}"), "name a folder of text files that can be read".to_owned())
        };
        let mut prompts = Self::default();
        let entries = std::fs::read_dir(folder).map_err(|why| unreadable(folder, &why))?;
        let mut paths: Vec<PathBuf> = Vec::new();
        for entry in entries {
            paths.push(entry.map_err(|why| unreadable(folder, &why))?.path());
        }
        paths.sort();
        // What systems and editors leave behind is no prompt.
        paths.retain(|path| !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')));
        for path in paths {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let Some(place) = FILES.iter().position(|(known, _)| *known == name) else {
                let mend = format!("known are {}; rename or remove it", names());
                return Err(error(&path, "stands for no prompt".to_owned(), mend));
            };
            let mut bytes = Vec::new();
            let file = File::open(&path).map_err(|why| unreadable(&path, &why))?;
            file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|why| unreadable(&path, &why))?;
            if bytes.len() as u64 > MOST_BYTES {
                let wrong = format!("is longer than {MOST_BYTES} bytes");
                return Err(error(&path, wrong, "give a short instruction".to_owned()));
            }
            let text = String::from_utf8(bytes).ok().filter(|text| !text.trim().is_empty()).ok_or_else(|| {
                error(
                    &path,
                    "is no text in UTF-8, or blank".to_owned(),
                    "write the instruction, or remove it".to_owned(),
                )
            })?;
            prompts.texts[place] = Cow::Owned(text);
            prompts.replaced.push(FILES[place].0);
        }
        if prompts.replaced.is_empty() {
            let mend = format!("put one or more of {} into it", names());
            return Err(error(folder, "holds no prompt".to_owned(), mend));
        }
        Ok(prompts)
    }

    /// Instructions of a purpose.
    pub(super) fn of(&self, purpose: Purpose) -> &str {
        let name = match purpose {
            Purpose::Step | Purpose::Tool => Purpose::Step.name(),
            other => other.name(),
        };
        let place = FILES.iter().position(|(known, _)| known.strip_suffix(".md") == Some(name));
        &self.texts[place.expect("every purpose has a file")]
    }

    /// Names of the files that a folder replaced.
    pub fn replaced(&self) -> &[&'static str] {
        &self.replaced
    }

    /// A hash of all texts as they hold (32 hex digits).
    pub fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for ((name, _), text) in FILES.iter().zip(&self.texts) {
            hasher.update(name.as_bytes()).update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        }
        hasher.finalize().to_hex()[..32].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_purpose_has_instructions_and_a_folder_replaces_them() {
        let own = Prompts::default();
        assert!(Purpose::ALL.iter().all(|purpose| !own.of(*purpose).trim().is_empty()));
        let folder = tempfile::tempdir().unwrap();
        assert!(Prompts::read(folder.path()).unwrap_err().to_string().contains("more-subtasks.md"));
        std::fs::write(folder.path().join("verify.md"), "Judge.").unwrap();
        std::fs::write(folder.path().join(".hidden"), "x").unwrap();
        let prompts = Prompts::read(folder.path()).unwrap();
        assert_eq!((prompts.of(Purpose::Verify), prompts.replaced()), ("Judge.", &["verify.md"][..]));
        assert_eq!(prompts.of(Purpose::Step), own.of(Purpose::Step));
        assert_ne!(prompts.hash(), own.hash());
        std::fs::write(folder.path().join("verfy.md"), "x").unwrap();
        let why = Prompts::read(folder.path()).unwrap_err().to_string();
        assert!(why.contains("verfy.md") && why.contains("verify.md"), "{why}");
        std::fs::remove_file(folder.path().join("verfy.md")).unwrap();
        std::fs::write(folder.path().join("step.md"), " \n").unwrap();
        assert!(Prompts::read(folder.path()).unwrap_err().to_string().contains("step.md"));
    }
}
