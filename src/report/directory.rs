//! The output directory: where it is, and whether it may be written.
//!
//! | what is there | what happens |
//! |---|---|
//! | nothing, or an empty directory | written |
//! | results of the same program, command and scenario | success; only files that differ are written again |
//! | anything else | refused, unless the caller asked to overwrite |
//!
//! Invariant: nothing here writes; what may not be written is refused before minutes of work.

use super::manifest::{self, Command, Manifest};
use crate::experiment::Scenario;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Directory of the default output directories.
pub const ROOT: &str = "delm-sim-out";
/// Start of the names of unfinished work; leftovers of a killed process are harmless and do not count as files.
pub(super) const PARTIAL: &str = ".delm-sim-partial";

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It holds something else.
    #[error("{} is not empty: {holds}; choose another --output-dir or allow --overwrite", dir.display())]
    Occupied {
        /// The directory.
        dir: PathBuf,
        /// What it holds.
        holds: String,
    },
    /// Something that is no directory is in the way.
    #[error("{} is not a directory; choose another --output-dir", path.display())]
    NotADirectory {
        /// What is in the way.
        path: PathBuf,
    },
    /// It has no readable manifest.
    #[error("{}: {problem}; only a directory that delm-sim wrote can be reproduced", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The file system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl DirectoryError {
    /// Exit code of the program: 2 for what the user can choose otherwise, 1 for a failing file system.
    pub fn exit_code(&self) -> u8 {
        match self {
            // Where nobody may write, another place is the user's choice.
            Self::Io { source, .. }
                if matches!(
                    source.kind(),
                    ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::NotFound
                ) =>
            {
                2
            }
            Self::Io { .. } => 1,
            _ => 2,
        }
    }
}

/// Attaches what was tried to an I/O error.
pub(super) fn io<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> DirectoryError + 'a {
    move |source| DirectoryError::Io { doing, path: path.to_owned(), source }
}

/// `delm-sim-out/<name>-<hash8>`; the hash covers command and scenario.
pub fn default_dir(command: Command, scenario: &Scenario) -> PathBuf {
    named_dir(scenario, &manifest::config_hash(command, scenario))
}

/// Where the results of an announced question go if nobody says: it has a directory of its own.
pub fn asked_dir(manifest: &Manifest) -> PathBuf {
    named_dir(&manifest.scenario, &manifest.config_hash)
}

fn named_dir(scenario: &Scenario, hash: &str) -> PathBuf {
    let name: String = scenario
        .name
        .chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => c,
            _ => '-',
        })
        .collect();
    Path::new(ROOT).join(format!("{name}-{}", &hash[..8]))
}

/// Leave to write a directory, to be had before the simulation runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub(super) dir: PathBuf,
    pub(super) overwrite: bool,
    pub(super) manifest: Manifest,
}

impl Plan {
    /// Whether figures are part of the directory.
    pub fn figures(&self) -> bool {
        self.manifest.figures
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

/// What is in the place of a directory.
#[derive(Debug)]
pub(super) enum Found {
    Nothing,
    Empty,
    Same(Box<Manifest>),
    Other { holds: String },
}

/// Checks that `dir` may hold what the manifest announces. Touches nothing.
pub fn plan(dir: &Path, overwrite: bool, manifest: Manifest) -> Result<Plan, DirectoryError> {
    let mut plan = Plan { dir: dir.to_owned(), overwrite, manifest };
    match inspect(&plan)? {
        Found::Other { holds } if !overwrite => Err(DirectoryError::Occupied { dir: dir.to_owned(), holds }),
        Found::Same(there) => {
            // Figures that are there stay part of the directory.
            plan.manifest.figures |= there.figures;
            Ok(plan)
        }
        _ => Ok(plan),
    }
}

/// What is in the place of the plan's directory now.
pub(super) fn inspect(plan: &Plan) -> Result<Found, DirectoryError> {
    let dir = plan.dir.as_path();
    match fs::metadata(dir) {
        Ok(meta) if meta.is_dir() => {}
        Ok(_) => {
            return Err(DirectoryError::NotADirectory { path: dir.to_owned() });
        }
        // A link that leads nowhere is in the way as a file is.
        Err(_) if dir.is_symlink() => return Err(DirectoryError::NotADirectory { path: dir.to_owned() }),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return match dir.ancestors().skip(1).find(|a| a.exists()) {
                Some(parent) if !parent.is_dir() => Err(DirectoryError::NotADirectory { path: parent.to_owned() }),
                _ => Ok(Found::Nothing),
            };
        }
        Err(e) => return Err(io("look at", dir)(e)),
    }
    let mut empty = true;
    for entry in fs::read_dir(dir).map_err(io("list", dir))? {
        let name = entry.map_err(io("list", dir))?.file_name();
        empty &= name.to_string_lossy().starts_with(PARTIAL);
    }
    if empty {
        return Ok(Found::Empty);
    }
    Ok(match read(dir) {
        Ok(there) if there.same_question(&plan.manifest) => Found::Same(Box::new(there)),
        Ok(there) => Found::Other { holds: otherwise(&there, &plan.manifest) },
        Err(_) => Found::Other { holds: "it holds files that are not results of this program".to_owned() },
    })
}

/// How the results that are there differ from those to come.
fn otherwise(there: &Manifest, new: &Manifest) -> String {
    if there.program_version != new.program_version {
        format!("it holds results of version {}, this is {}", there.program_version, new.program_version)
    } else if there.command != new.command {
        format!("it holds results of `{}`", there.command.name())
    } else if there.scenario.name == new.scenario.name {
        format!("it holds results of scenario {} with other settings", there.scenario.name)
    } else {
        format!("it holds results of scenario {}", there.scenario.name)
    }
}

/// The manifest of a directory.
pub fn read(dir: &Path) -> Result<Manifest, DirectoryError> {
    let path = dir.join(manifest::FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::InvalidData) => {
            let problem = e.to_string();
            return Err(DirectoryError::Manifest { path, problem });
        }
        Err(e) => return Err(io("read", &path)(e)),
    };
    serde_json::from_str(&text).map_err(|e| {
        let problem = match version_of(&text) {
            Some(theirs) if theirs != manifest::PROGRAM_VERSION => {
                format!("written by version {theirs}, which version {} cannot read", manifest::PROGRAM_VERSION)
            }
            _ => e.to_string(),
        };
        DirectoryError::Manifest { path, problem }
    })
}

fn version_of(text: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    Some(value.get("program_version")?.as_str()?.to_owned())
}
