//! A directory beside a study that was computed again from its manifest.
//!
//! Invariant: `Same` means that every byte agrees, but for the commit that the manifest names.

use super::directory::{DirectoryError, read};
use super::file::File;
use super::manifest::{self, Manifest};
use super::store::Results;
use crate::experiment::Study;
use std::fmt;
use std::fs;
use std::path::Path;

/// How a recorded directory and a new study relate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reproduction {
    /// All files agree byte by byte.
    Same {
        /// How many files were compared, the manifest among them.
        files: usize,
    },
    /// Another version of the program wrote the directory; its numbers may differ for that reason alone.
    OtherVersion {
        /// Version that wrote it.
        theirs: String,
        /// This version.
        ours: String,
        /// Data files and pictures that differ; empty if the numbers agree all the same.
        differing: Vec<Difference>,
    },
    /// The same version gives something else, or files were altered.
    Changed {
        /// What differs, in order of name.
        differing: Vec<Difference>,
    },
}

/// A file that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its name.
    pub file: String,
    /// Why.
    pub kind: Kind,
    /// The first place that differs, both sides quoted.
    pub first: String,
}

/// Why a file differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is not in the directory.
    Missing,
    /// It is not what the manifest says was written: somebody altered it since.
    Altered,
    /// It is as it was written, and this run gives something else.
    Recomputed,
}

impl Reproduction {
    /// Whether all numbers agree.
    pub fn agrees(&self) -> bool {
        match self {
            Self::Same { .. } => true,
            Self::OtherVersion { differing, .. } => differing.is_empty(),
            Self::Changed { .. } => false,
        }
    }
}

impl fmt::Display for Reproduction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let differing = match self {
            Self::Same { files } => {
                return write!(f, "reproduced: all {files} files agree byte by byte");
            }
            Self::OtherVersion { theirs, ours, differing } if differing.is_empty() => {
                return write!(
                    f,
                    "reproduced: version {theirs} wrote the directory, version {ours} gives the same files"
                );
            }
            Self::OtherVersion { theirs, ours, differing } => {
                writeln!(
                    f,
                    "another version: {theirs} wrote the directory, this is {ours}; files that differ: {}",
                    differing.len()
                )?;
                differing
            }
            Self::Changed { differing } => {
                writeln!(f, "not reproduced; files that differ: {}", differing.len())?;
                differing
            }
        };
        let lines: Vec<String> = differing.iter().map(|d| format!("  {d}")).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, kind, first } = self;
        match kind {
            Kind::Missing => write!(f, "{file}: missing"),
            Kind::Altered => write!(f, "{file}: altered since it was written; {first}"),
            Kind::Recomputed => write!(f, "{file}: this run gives another result; {first}"),
        }
    }
}

/// Compares a directory with the study that its manifest's scenario gave again.
pub fn compare(dir: &Path, study: &Study) -> Result<Reproduction, DirectoryError> {
    let figures = read(dir)?.figures;
    compare_results(dir, &Results::of_study(study, figures))
}

/// Compares a directory with what was computed again.
///
/// # Errors
/// If the directory has no manifest that can be read.
pub fn compare_results(dir: &Path, results: &Results) -> Result<Reproduction, DirectoryError> {
    let theirs = read(dir)?;
    let announced = Manifest::announce(theirs.command, results.scenario, theirs.figures);
    let announced = match &theirs.asked {
        Some(asked) => announced.asking(asked.clone()),
        None => announced,
    };
    let ours = announced.complete(results);
    let files = &results.files;
    let mut differing: Vec<Difference> = files.iter().filter_map(|file| difference(dir, file, &theirs)).collect();
    if theirs.program_version != ours.program_version {
        return Ok(Reproduction::OtherVersion {
            theirs: theirs.program_version,
            ours: ours.program_version,
            differing,
        });
    }
    differing.extend(manifest_difference(dir, &theirs, &ours));
    differing.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(if differing.is_empty() {
        Reproduction::Same { files: files.len() + 1 }
    } else {
        Reproduction::Changed { differing }
    })
}

fn difference(dir: &Path, file: &File, theirs: &Manifest) -> Option<Difference> {
    let (kind, first) = match fs::read(dir.join(&file.name)) {
        Err(_) => (Kind::Missing, String::new()),
        Ok(bytes) if bytes == file.bytes => return None,
        Ok(bytes) => {
            let written = blake3::hash(&bytes).to_hex().to_string();
            let kind = if theirs.files.get(&file.name) == Some(&written) { Kind::Recomputed } else { Kind::Altered };
            (kind, first_difference(&bytes, &file.bytes))
        }
    };
    Some(Difference { file: file.name.clone(), kind, first })
}

/// The manifests but for the commit; also notices one that is not in the form it was written in.
fn manifest_difference(dir: &Path, theirs: &Manifest, ours: &Manifest) -> Option<Difference> {
    let bytes = fs::read(dir.join(manifest::FILE)).ok()?;
    // Flags that the scenario does not tell (`--set`, `--vary`) stand behind the canonical command and inform, as the
    // commit does: what they change is in the scenario and the question, which are compared.
    let typed = theirs.command_line.strip_prefix(&ours.command_line).is_some_and(|rest| rest.starts_with(" --"));
    let command_line = if typed { &theirs.command_line } else { &ours.command_line }.clone();
    let expected = Manifest { commit: theirs.commit.clone(), command_line, ..ours.clone() }.to_json();
    (bytes != expected.as_bytes()).then(|| Difference {
        file: manifest::FILE.to_owned(),
        kind: if bytes == theirs.to_json().as_bytes() { Kind::Recomputed } else { Kind::Altered },
        first: first_difference(&bytes, expected.as_bytes()),
    })
}

/// Line and both sides for text, place for anything else.
fn first_difference(there: &[u8], now: &[u8]) -> String {
    let (Ok(a), Ok(b)) = (std::str::from_utf8(there), std::str::from_utf8(now)) else {
        let at = there.iter().zip(now).take_while(|(x, y)| x == y).count();
        return format!("from byte {}", at + 1);
    };
    let (mut left, mut right) = (a.lines(), b.lines());
    for number in 1.. {
        match (left.next(), right.next()) {
            (None, None) => break,
            (x, y) if x == y => {}
            (x, y) => {
                let same = x.unwrap_or("").chars().zip(y.unwrap_or("").chars());
                let skip = same.take_while(|(a, b)| a == b).count().saturating_sub(LEAD);
                let (x, y) = (quote(x, skip), quote(y, skip));
                return format!("line {number}: {x} there, {y} now");
            }
        }
    }
    "line ends".to_owned()
}

/// Characters of a quotation before the first that differs, and in all.
const LEAD: usize = 50;
const QUOTED: usize = 90;

fn quote(line: Option<&str>, skip: usize) -> String {
    let Some(line) = line else {
        return "nothing".to_owned();
    };
    let before = if skip > 0 { "..." } else { "" };
    let mut rest = line.chars().skip(skip);
    let shown: String = rest.by_ref().take(QUOTED).collect();
    let after = if rest.next().is_some() { "..." } else { "" };
    format!("`{before}{shown}{after}`")
}
