//! Writing an output directory: all of it or nothing.
//!
//! A new directory is built beside its place and renamed. In one that exists, all files are first written to a
//! subdirectory and then renamed over the old ones, the manifest last: this also works on mount points, and files that
//! are not ours stay where they are.
//!
//! Invariant: a directory with a manifest is complete; an error before the renames leaves everything as it was.

use super::directory::{DirectoryError, Found, PARTIAL, Plan, inspect, io, read};
use super::file::File;
use super::files;
use super::manifest::{self, Manifest};
use super::plot;
use crate::experiment::{Scenario, Study};
use std::fmt;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// What became of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is new.
    Written,
    /// It held the same results already.
    AlreadyThere,
    /// It held the same results, but so many files were missing or altered and are as they should be again.
    Mended(usize),
    /// Its other content was overwritten.
    Overwritten,
}

/// A directory that holds a study.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The directory.
    pub dir: PathBuf,
    /// What became of it.
    pub status: Status,
    /// Names of the data files, the manifest among them.
    pub data: Vec<String>,
    /// Names of the pictures.
    pub pictures: Vec<String>,
    /// Why pictures are missing, if some are.
    pub missing: Option<&'static str>,
}

/// What a command computed, as files.
#[derive(Clone, Debug)]
pub struct Results<'a> {
    /// Of which scenario.
    pub scenario: &'a Scenario,
    /// Digest over the traces of all runs.
    pub digest: &'a str,
    /// Every file but the manifest.
    pub files: Vec<File>,
    /// Why figures are missing, if some are.
    pub missing: Option<&'static str>,
}

impl<'a> Results<'a> {
    /// The files of a study.
    pub fn of_study(study: &'a Study, figures: bool) -> Self {
        let files = files::all(study, figures);
        Self { scenario: &study.scenario, digest: &study.digest, files, missing: plot::missing(study) }
    }
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = match self.status {
            Status::Written => "written".to_owned(),
            Status::AlreadyThere => "already there".to_owned(),
            Status::Mended(count) => format!("already there; files restored: {count}"),
            Status::Overwritten => "overwritten".to_owned(),
        };
        writeln!(f, "Results in {} ({status})", self.dir.display())?;
        writeln!(f, "  data:    {}", self.data.join(" "))?;
        let mut stems: Vec<&str> = Vec::new();
        for name in &self.pictures {
            let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
            if !stems.contains(&stem) {
                stems.push(stem);
            }
        }
        if stems.is_empty() {
            write!(f, "  figures: none")
        } else {
            write!(f, "  figures: {} (.svg and .png)", stems.join(" "))?;
            match self.missing {
                Some(why) => write!(f, "; {why}"),
                None => Ok(()),
            }
        }
    }
}

/// Writes the study where the plan allows it.
pub fn store(plan: &Plan, study: &Study) -> Result<Stored, DirectoryError> {
    store_results(plan, Results::of_study(study, plan.manifest.figures))
}

/// Stores what was computed; what is announced and what is stored belong together.
///
/// # Errors
/// As [`store`].
///
/// # Panics
/// If the results are of another scenario than was announced.
pub fn store_results(plan: &Plan, results: Results) -> Result<Stored, DirectoryError> {
    assert_eq!(&plan.manifest.scenario, results.scenario, "the results answer the scenario that was announced");
    let manifest = plan.manifest.clone().complete(&results);
    let Results { files, missing, .. } = results;
    let status = match inspect(plan)? {
        Found::Nothing => create(&plan.dir, &files, &manifest).map(|()| Status::Written)?,
        Found::Empty => install(&plan.dir, &files, &manifest, None).map(|()| Status::Written)?,
        Found::Same(there) if there.same_result(&manifest) => match mend(&plan.dir, &files, &manifest, &there)? {
            0 => Status::AlreadyThere,
            count => Status::Mended(count),
        },
        Found::Same(there) if plan.overwrite => {
            install(&plan.dir, &files, &manifest, Some(&there)).map(|()| Status::Overwritten)?
        }
        Found::Same(_) => {
            return Err(DirectoryError::Occupied {
                dir: plan.dir.clone(),
                holds: "the same scenario and version gave other results there (another build?)".to_owned(),
            });
        }
        Found::Other { .. } if plan.overwrite => {
            let there = read(&plan.dir).ok();
            install(&plan.dir, &files, &manifest, there.as_ref()).map(|()| Status::Overwritten)?
        }
        Found::Other { holds } => {
            return Err(DirectoryError::Occupied { dir: plan.dir.clone(), holds });
        }
    };
    let (pictures, mut data): (Vec<String>, Vec<String>) =
        files.into_iter().map(|f| f.name).partition(|name| is_picture(name));
    data.push(manifest::FILE.to_owned());
    Ok(Stored { dir: plan.dir.clone(), status, data, pictures, missing })
}

fn is_picture(name: &str) -> bool {
    matches!(name.rsplit_once('.'), Some((_, "svg" | "png")))
}

/// Builds a directory beside its place and renames it.
fn create(dir: &Path, files: &[File], manifest: &Manifest) -> Result<(), DirectoryError> {
    let parent = match dir.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(io("create", parent))?;
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let partial = parent.join(format!("{PARTIAL}-{name}-{}", std::process::id()));
    let done = write_all(&partial, files, manifest).and_then(|()| fs::rename(&partial, dir).map_err(io("create", dir)));
    if done.is_err() {
        let _ = fs::remove_dir_all(&partial);
    }
    done
}

/// Writes again what differs; how many files that was.
fn mend(dir: &Path, files: &[File], manifest: &Manifest, there: &Manifest) -> Result<usize, DirectoryError> {
    let differs = |f: &&File| fs::read(dir.join(&f.name)).ok().as_deref() != Some(&f.bytes);
    let wanting: Vec<File> = files.iter().filter(differs).cloned().collect();
    if wanting.is_empty() && there.files == manifest.files {
        return Ok(0);
    }
    install(dir, &wanting, manifest, None)?;
    Ok(wanting.len())
}

/// Renames files into a directory that exists. Files of an old manifest that the new one does not have are removed.
fn install(dir: &Path, files: &[File], manifest: &Manifest, old: Option<&Manifest>) -> Result<(), DirectoryError> {
    let names = || files.iter().map(|f| f.name.as_str());
    if let Some(path) = names().chain([manifest::FILE]).map(|name| dir.join(name)).find(|path| path.is_dir()) {
        return Err(DirectoryError::Occupied {
            dir: dir.to_owned(),
            holds: format!("{} is a directory", path.display()),
        });
    }
    let partial = dir.join(format!("{PARTIAL}-{}", std::process::id()));
    let done = write_all(&partial, files, manifest).and_then(|()| {
        let goal = dir.join(manifest::FILE);
        if goal.exists() {
            fs::remove_file(&goal).map_err(io("replace", &goal))?;
        }
        for name in old.iter().flat_map(|m| m.files.keys()) {
            if is_plain(name) && !manifest.files.contains_key(name) {
                let _ = fs::remove_file(dir.join(name));
            }
        }
        for name in names().chain([manifest::FILE]) {
            let goal = dir.join(name);
            fs::rename(partial.join(name), &goal).map_err(io("replace", &goal))?;
        }
        Ok(())
    });
    let _ = fs::remove_dir_all(&partial);
    done
}

/// A name that stays within its directory, whatever a damaged manifest says.
fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!(parts.next(), Some(Component::Normal(_))) && parts.next().is_none()
}

fn write_all(dir: &Path, files: &[File], manifest: &Manifest) -> Result<(), DirectoryError> {
    let _ = fs::remove_dir_all(dir); // leftover of a killed process that had our number
    fs::create_dir(dir).map_err(io("create", dir))?;
    for file in files {
        let path = dir.join(&file.name);
        fs::write(&path, &file.bytes).map_err(io("write", &path))?;
    }
    let path = dir.join(manifest::FILE);
    fs::write(&path, manifest.to_json()).map_err(io("write", &path))
}
