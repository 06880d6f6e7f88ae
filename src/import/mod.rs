//! Other programs' records become transcripts: one file per format behind one trait. An importer says in plain calls
//! who asked when and what; numbering, delegations, dependencies, counting and redaction are done once for all formats.
//!
//! What a source does not tell is never invented silently: the call, the run or the header says what is missing, and
//! estimates are marked.
//!
//! Invariant: a transcript is written from undamaged records only; in it every dependency's time plus gap is at most
//! the call's own time, and equal to it for the immediate cause.

mod atif;
mod autogen;
mod cassette;
mod causes;
mod chat;
mod chatdev;
mod check;
mod claude_code;
mod claude_thread;
mod codex;
mod copies;
mod delm_v1;
mod delm_v2;
mod fault;
mod field;
mod folder;
mod frames;
mod groups;
mod helicone;
mod inputs;
mod inspect;
mod json;
mod kv_cache;
mod langfuse;
mod langsmith;
mod layout;
mod lines;
mod litellm;
mod magentic_one;
mod mapping;
mod mini_swe;
mod moment;
mod mooncake;
mod openai_agents;
mod openai_log;
mod openhands;
mod otel;
mod otel_names;
mod otel_span;
mod otel_text;
mod other;
mod out;
mod packed;
mod plain;
mod portkey;
mod redact;
mod roles;
mod session;
mod source;
mod stream;
mod swe_agent;
mod team;
mod timing;
mod tokens;
mod unzip;
mod warehouse;

pub use check::{Against, Check, Row, Shares, Totals};
pub use fault::{ImportError, Place, Wrong};
pub use field::Field;
pub use mapping::{Mapping, TARGETS};
pub use out::{Options, Out, Report};
pub use session::{Draft, Outcome, Session, Tokens};
pub use source::Sample;

use crate::record::transcript::{Header, Origin};
use folder::{Content, Found};
use inputs::Inputs;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Reads one format.
pub trait Importer: Sync {
    /// Name, for `--format`.
    fn name(&self) -> &'static str;
    /// What it reads.
    fn reads(&self) -> &'static str;
    /// What the format does not tell, whatever the file.
    fn lacks(&self) -> &'static [&'static str];
    /// Whether a path looks like this format: by what, in words.
    fn detect(&self, sample: &Sample) -> Option<String>;
    /// Reads a path.
    ///
    /// # Errors
    /// The first fault, or a failing sink.
    fn read(&self, path: &Path, out: &mut Out<'_>) -> Result<(), ImportError>;
    /// Reads all paths of this format in one command; formats whose sessions may go on in another file put them
    /// together.
    ///
    /// # Errors
    /// As [`Self::read`].
    fn read_all(&self, paths: &[&Path], out: &mut Out<'_>) -> Result<(), ImportError> {
        paths.iter().try_for_each(|path| out.guard(|out| self.read(path, out)))
    }
}

/// All formats, in the order in which they are tried: special ones first.
pub const FORMATS: &[&dyn Importer] = &[
    &delm_v1::DelmV1,
    &delm_v2::DelmV2,
    &claude_code::ClaudeCode,
    &kv_cache::KvCacheTrace,
    &codex::Codex,
    &openhands::OpenHands,
    &swe_agent::SweAgent,
    &atif::Atif,
    &autogen::AutoGen,
    &mooncake::Mooncake,
    &inspect::Inspect,
    &mini_swe::MiniSwe,
    &magentic_one::MagenticOne,
    &chatdev::ChatDev,
    &warehouse::WareHouse,
    &otel::Otel,
    &langfuse::Langfuse,
    &langsmith::LangSmith,
    &openai_agents::OpenAiAgents,
    &litellm::LiteLlm,
    &helicone::Helicone,
    &portkey::Portkey,
    &cassette::Cassette,
    &openai_log::OpenAiLog,
];

/// An input and what it was taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detected {
    /// Path.
    pub path: PathBuf,
    /// Format.
    pub format: &'static str,
    /// By what it was told.
    pub reason: String,
}

/// The result of an import.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// First line of the transcript; the sink has the others.
    pub header: Header,
    /// What was taken for what.
    pub inputs: Vec<Detected>,
    /// Counts.
    pub report: Report,
}

/// Reads inputs and writes all lines but the header to `sink`.
///
/// # Errors
/// The first fault, an unknown format, or nothing to write. What the sink got is then worth nothing.
pub fn import(
    typed: &[PathBuf],
    format: Option<&str>,
    options: &Options,
    sink: &mut dyn Write,
) -> Result<Imported, ImportError> {
    let inputs = Inputs::new(typed)?;
    let mut imported = read(&inputs.paths, format, options, sink).map_err(|error| inputs.error(error))?;
    let report = &mut imported.report;
    let told = [&mut report.damaged, &mut report.cut, &mut report.notes, &mut imported.header.missing];
    told.into_iter().flatten().for_each(|text| *text = inputs.told(text));
    imported.inputs.iter_mut().for_each(|input| input.path = inputs.path(&input.path));
    Ok(imported)
}

fn read(
    inputs: &[PathBuf],
    format: Option<&str>,
    options: &Options,
    sink: &mut dyn Write,
) -> Result<Imported, ImportError> {
    let mut out = Out::new(options, sink);
    let mut detected: Vec<Detected> = Vec::new();
    // Importers in the order of their first input.
    let mut work: Vec<(&dyn Importer, Vec<PathBuf>)> = Vec::new();
    let mut known = BTreeSet::new();
    for path in inputs {
        for (path, importer, reason) in choose(path, format, &mut detected, &mut out)? {
            if !known.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
                out.note(format!("{}: given twice, read once", path.display()));
                continue;
            }
            if !reason.is_empty() {
                detected.push(Detected { path: path.clone(), format: importer.name(), reason });
            }
            match work.iter_mut().find(|(known, _)| known.name() == importer.name()) {
                Some((_, paths)) => paths.push(path),
                None => work.push((importer, vec![path])),
            }
        }
    }
    for (_, paths) in &mut work {
        copies::leave_out(paths, &mut out);
    }
    out.has_several = work.iter().map(|(_, paths)| paths.len()).sum::<usize>() > 1;
    for (importer, paths) in work {
        let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        out.guard(|out| importer.read_all(&paths, out))?;
    }
    let Out { report, endpoints, others, .. } = out;
    if report.sessions == 0 {
        return Err(nothing(options, &detected, &report, &others));
    }
    let mut names: Vec<&str> = detected.iter().map(|d| d.format).collect();
    names.sort_unstable();
    names.dedup();
    let mut header = Header::new(Origin::Imported);
    header.imported_from = Some(names.join(", "));
    header.endpoints = endpoints;
    for importer in FORMATS.iter().filter(|i| names.contains(&i.name())) {
        header.missing.extend(importer.lacks().iter().map(|lack| format!("{}: {lack}", importer.name())));
    }
    if !report.damaged.is_empty() {
        header.missing.push(format!("damaged records left out: {}", report.damaged.len()));
    }
    header.missing.extend(report.cut.iter().cloned());
    header.missing.extend(report.left_out.iter().map(|(kind, n)| format!("left out, no model calls: {n} {kind}")));
    header.missing.extend(report.notes.iter().cloned());
    Ok(Imported { header, inputs: detected, report })
}

/// What reads an input; of a folder, what reads its files. A file of a folder has no reason of its own.
fn choose(
    path: &Path,
    format: Option<&str>,
    detected: &mut Vec<Detected>,
    out: &mut Out<'_>,
) -> Result<Vec<Found>, ImportError> {
    let is_mapped = out.mapping().is_any_told();
    let known = || FORMATS.iter().map(|i| i.name()).collect::<Vec<_>>().join(", ");
    if !path.exists() {
        return Err(ImportError::Usage(format!("{}: no such file or folder", path.display())));
    }
    let named = format.map(|name| {
        let told = || ImportError::Usage(format!("--format {name}: no such format; known: {}", known()));
        FORMATS.iter().find(|i| i.name() == name).copied().ok_or_else(told)
    });
    let named = named.transpose()?;
    let named = named.or(is_mapped.then_some(&openai_log::OpenAiLog as &dyn Importer));
    if path.is_dir() {
        let content = folder::content(path, format)?;
        if content.found.is_empty() {
            let which = format.map_or(String::new(), |name| format!(" of format {name}"));
            let what = format!("no file{which} in the folder is told by its beginning; give the files themselves");
            return Err(ImportError::Usage(format!("{}: {what} (known: {})", path.display(), known())));
        }
        return Ok(files(path, content, detected, out));
    }
    if let Some(importer) = named {
        return Ok(vec![(
            path.to_owned(),
            importer,
            if format.is_some() { "as told by --format" } else { "as told by --map" }.to_owned(),
        )]);
    }
    let sample = Sample::of(path)?;
    let found = FORMATS.iter().find_map(|i| Some((*i, i.detect(&sample)?)));
    let (importer, reason) = found.ok_or_else(|| {
        let what = if sample.is_cut {
            "the compressed file is cut off at its beginning, and no format is told; get the whole file again"
        } else if sample.head.trim().is_empty() {
            "the file is empty"
        } else if sample.head.contains("delm-sim-transcript") {
            "this is a transcript of delm-sim already; replay it as it is"
        } else {
            "no known format is told by its beginning; name one with --format, or say which field means what, as in \
             --map session=workflow,parent=depends_on,start=start_ts,seconds=e2e_s"
        };
        ImportError::Usage(format!("{}: {what} (known: {})", path.display(), known()))
    })?;
    Ok(vec![(path.to_owned(), importer, reason)])
}

/// Says what was found in a folder, by format, and what was not read.
fn files(folder: &Path, content: Content, detected: &mut Vec<Detected>, out: &mut Out<'_>) -> Vec<Found> {
    const TOLD: usize = 5;
    if let [(found, importer, reason)] = &content.found[..]
        && found == folder
    {
        detected.push(Detected { path: folder.to_owned(), format: importer.name(), reason: reason.clone() });
    } else {
        for format in FORMATS.iter().map(|i| i.name()) {
            let mut same = content.found.iter().filter(|(_, importer, _)| importer.name() == format);
            if let Some((_, _, reason)) = same.next() {
                let reason = format!("{} files or folders in it, the first by {reason}", 1 + same.count());
                detected.push(Detected { path: folder.to_owned(), format, reason });
            }
        }
    }
    let inner = |path: &PathBuf| path.strip_prefix(folder).unwrap_or(path).display().to_string();
    for (paths, what) in [
        (&content.ignored, "files of no known format"),
        (&content.no_files, "pipes or devices"),
        (&content.leaving, "links out of the folder or to nowhere"),
    ] {
        if !paths.is_empty() {
            let some: Vec<String> = paths.iter().take(TOLD).map(inner).collect();
            let (count, more) = (paths.len(), if paths.len() > TOLD { ", .." } else { "" });
            out.note(format!("{}: {count} {what} were not read: {}{more}", folder.display(), some.join(", ")));
        }
    }
    content.found.into_iter().map(|(path, importer, _)| (path, importer, String::new())).collect()
}

fn nothing(options: &Options, inputs: &[Detected], report: &Report, others: &[String]) -> ImportError {
    if let Some(name) = options.session.as_ref().filter(|_| !others.is_empty()) {
        let some: Vec<&str> = others.iter().take(5).map(String::as_str).collect();
        let more = if others.len() > some.len() { ", .." } else { "" };
        let some = some.join(", ");
        return ImportError::Usage(format!("--session {name}: no session of that name; there are {some}{more}"));
    }
    let paths: Vec<String> = inputs.iter().map(|d| format!("{} (as {})", d.path.display(), d.format)).collect();
    let why = match (report.damaged.first(), report.cut.first()) {
        (Some(first), _) => format!("{} damaged records, the first: {first}", report.damaged.len()),
        (None, Some(cut)) => format!("no whole record in it ({cut})"),
        (None, None) => "no call of a language model in it".to_owned(),
    };
    ImportError::Usage(format!("{}: nothing to import: {why}", paths.join(", ")))
}
