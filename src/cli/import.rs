//! `import`: other programs' records become a transcript. Nothing is half-written: the transcript is made beside the
//! file and moved over it at the end.

use super::args::ImportArgs;
use super::format::Format;
use super::whole::{self, Whole};
use super::{DONE, UsageError, import_check, output};
use crate::import::{FORMATS, ImportError, Imported, Options, TARGETS, import};
use crate::record::transcript::Line;
use anyhow::{Context, Result};
use std::io::{self, BufWriter, ErrorKind, Seek, Write};
use std::path::{Path, PathBuf};

/// Imports, or lists the formats.
pub fn execute(args: &ImportArgs) -> Result<u8> {
    if args.list {
        let row =
            |i: &&dyn crate::import::Importer| vec![i.name().to_owned(), i.reads().to_owned(), i.lacks().join("; ")];
        let rows: Vec<Vec<String>> = FORMATS.iter().map(row).collect();
        output::print(&output::table(Format::Table, &["format", "reads", "does not tell"], &rows)?)?;
        let rows: Vec<Vec<String>> = TARGETS
            .iter()
            .map(|(name, meaning, known)| vec![(*name).to_owned(), (*meaning).to_owned(), known.join(", ")])
            .collect();
        output::print(&output::table(Format::Table, &["--map target", "means", "known without a map"], &rows)?)?;
        return Ok(DONE);
    }
    let options = Options {
        limit: args.limit,
        session: args.session.clone(),
        skip_damaged: args.skip_damaged,
        no_text: args.no_text,
        mapping: args.map.clone().unwrap_or_default(),
    };
    let path = args
        .output
        .as_deref()
        .ok_or_else(|| UsageError("--output FILE is missing; `-` is standard output".to_owned()))?;
    let is_standard = path == Path::new("-");
    let target = if is_standard { path.to_owned() } else { may_write(args, path)? };
    let path = target.as_path();
    // The header stands first and is known last. The body has no name: nothing is left of it even if this program is
    // killed.
    let folder = if is_standard { std::env::temp_dir() } else { whole::folder(path).to_owned() };
    let mut body = tempfile::tempfile_in(&folder).map_err(|error| unwritable(&folder, error))?;
    let mut sink = BufWriter::new(&body);
    let format = (args.format != "auto").then_some(args.format.as_str());
    let imported = import(&args.inputs, format, &options, &mut sink).map_err(|error| match error {
        ImportError::Write(error) => {
            anyhow::Error::from(error).context(format!("a file in {}: cannot be written", folder.display()))
        }
        error => UsageError(error.to_string()).into(),
    })?;
    sink.flush()?;
    drop(sink);
    body.rewind()?;
    let mut header = serde_json::to_vec(&Line::Header(imported.header.clone()))?;
    header.push(b'\n');
    if is_standard {
        let mut out = io::stdout().lock();
        out.write_all(&header)?;
        io::copy(&mut body, &mut out)?;
        out.flush()?;
    } else {
        let mut file = Whole::begin(path).map_err(|error| unwritable(path, error))?;
        let written = file.write_all(&header).and_then(|()| io::copy(&mut body, &mut file)).and_then(|_| file.finish());
        written.with_context(|| format!("{}: cannot be written", path.display()))?;
    }
    report(&imported, if is_standard { None } else { Some(path) });
    Ok(DONE)
}

/// The file to write, behind links; what stands there must be a file, or nothing.
fn may_write(args: &ImportArgs, path: &Path) -> Result<PathBuf, UsageError> {
    let told = path.display();
    let target = behind_links(path);
    if args.inputs.iter().any(|input| same(input, &target)) {
        return Err(UsageError(format!("--output {told}: is an input; name another file")));
    }
    match std::fs::symlink_metadata(&target) {
        Ok(found) if found.is_dir() => {
            return Err(UsageError(format!("--output {told}: is a folder; name a file")));
        }
        Ok(found) if found.is_symlink() => {
            return Err(UsageError(format!("--output {told}: a link that leads nowhere; name a file")));
        }
        Ok(found) if !found.is_file() => {
            return Err(UsageError(format!("--output {told}: is a device or a pipe; name a file, or `-`")));
        }
        Ok(_) if !args.overwrite => {
            return Err(UsageError(format!("--output {told}: exists already; name another file, or add --overwrite")));
        }
        _ => {}
    }
    match target.parent().filter(|p| !p.as_os_str().is_empty()) {
        Some(folder) if !folder.is_dir() => {
            Err(UsageError(format!("--output {told}: the folder {} does not exist", folder.display())))
        }
        _ => Ok(target),
    }
}

/// Where a chain of links leads, whether there is a file or not.
fn behind_links(path: &Path) -> PathBuf {
    const MOST: usize = 40;
    let mut at = path.to_owned();
    for _ in 0..MOST {
        let Ok(next) = std::fs::read_link(&at) else { break };
        at = at.parent().unwrap_or(Path::new("")).join(next);
    }
    at
}

fn same(a: &Path, b: &Path) -> bool {
    a == b || a.canonicalize().ok().zip(b.canonicalize().ok()).is_some_and(|(a, b)| a == b)
}

fn unwritable(path: &Path, error: io::Error) -> anyhow::Error {
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::NotFound => {
            UsageError(format!("{}: cannot be written ({error}); name another file", path.display())).into()
        }
        _ => anyhow::Error::from(error).context(format!("{}: cannot be written", path.display())),
    }
}

/// Says what was imported, on standard error.
fn report(imported: &Imported, path: Option<&Path>) {
    /// Entries of a list that are told.
    const TOLD: usize = 10;
    let report = &imported.report;
    for input in &imported.inputs {
        output::say(&format!("{}: read as {} ({})", input.path.display(), input.format, input.reason));
    }
    let estimated = match report.estimated_calls {
        0 => String::new(),
        n => format!(" (estimated, wholly or in part, in {n} calls)"),
    };
    output::say(&format!("sessions {}, calls {}", report.sessions, report.calls));
    output::say(&format!(
        "tokens: prompt {}, of it cached {}, completion {}{estimated}",
        report.prompt_tokens, report.cached_tokens, report.completion_tokens
    ));
    output::say(&format!(
        "time: {:.1} s in all sessions; {} of {} calls lack a dispatch or completion time",
        report.length_ns as f64 / 1e9,
        report.untimed_calls,
        report.calls
    ));
    if report.redacted > 0 {
        output::say(&format!("secrets removed from texts: {}", report.redacted));
    }
    for (kind, n) in &report.left_out {
        output::say(&format!("left out, no model calls: {n} {kind}"));
    }
    let list = |title: &str, all: &[String]| {
        if !all.is_empty() {
            output::say(&format!("{title}: {}", all.len()));
        }
        for one in all.iter().take(TOLD) {
            output::say(&format!("  {one}"));
        }
        if all.len() > TOLD {
            output::say(&format!("  .. and {} more", all.len() - TOLD));
        }
    };
    list("damaged records left out", &report.damaged);
    list("sources that end too early", &report.cut);
    let told: Vec<String> = report.missing.iter().map(|(what, n)| format!("{n} x {what}")).collect();
    list("not in the source, or estimated", &told);
    list("remarks", &report.notes);
    output::say("check:");
    match import_check::lines(&report.check) {
        Ok(lines) => lines.iter().for_each(|line| output::say(&format!("  {line}"))),
        Err(error) => output::say(&format!("  {error}")),
    }
    if let Some(path) = path {
        output::say(&format!("wrote {}", path.display()));
    }
}
