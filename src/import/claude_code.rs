//! Claude Code's own sessions (`~/.claude/projects/PROJECT/SESSION.jsonl`), with their sub-agents in the same file
//! (`isSidechain`) or in files of their own (`SESSION/subagents/agent-*.jsonl`, or `agent-*.jsonl` beside it). A session
//! is read as a whole and given away before the next one is.
//!
//! An answer stands there once per block of its content, each time with its `message.id` and the usage so far: the last
//! counts. What `claude -p --output-format stream-json` prints is read too: it has no stamps, and its sums at its end.
//! A resumed session repeats the records of the one before: an answer counts in the session that has it first.

use super::claude_thread::{Item, Threads};
use super::fault::{ImportError, Wrong};
use super::field::Field;
use super::openai_log::stem;
use super::source::{Records, Sample};
use super::{Importer, Out};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Reads Claude Code's sessions.
pub(super) struct ClaudeCode;

impl Importer for ClaudeCode {
    fn name(&self) -> &'static str {
        "claude-code"
    }

    fn reads(&self) -> &'static str {
        "Claude Code's sessions with their sub-agents (~/.claude/projects, a project, or a session's JSON Lines)"
    }

    fn lacks(&self) -> &'static [&'static str] {
        &[
            "the system prompt and descriptions of tools (their tokens are in the prompts)",
            "when a call left: the stamp of the prompt or tool result before it",
            "calls that compacted a context or named the session, and what quotas the client was told",
        ]
    }

    fn detect(&self, sample: &Sample) -> Option<String> {
        let has = |words: &[&str]| words.iter().all(|word| sample.head.contains(&format!("\"{word}\"")));
        let is_one = has(&["sessionId", "parentUuid", "isSidechain"]) || has(&["leafUuid", "summary"]);
        if sample.names.is_none() && has(&["session_id", "parent_tool_use_id"]) && sample.has(&["type", "session_id"]) {
            return Some("fields session_id, parent_tool_use_id (stream-json)".to_owned());
        }
        let is_record = sample.record().is_some_and(|record| record.get("type").is_some());
        (sample.names.is_none() && is_one && is_record).then(|| "fields sessionId, parentUuid, isSidechain".to_owned())
    }

    fn read(&self, path: &Path, out: &mut Out<'_>) -> Result<(), ImportError> {
        self.read_all(&[path], out)
    }

    fn read_all(&self, paths: &[&Path], out: &mut Out<'_>) -> Result<(), ImportError> {
        let mut sessions: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        let mut order: Vec<String> = Vec::new();
        let given: BTreeSet<PathBuf> = paths.iter().map(|path| path.to_path_buf()).collect();
        for path in paths {
            let name = session_of(path);
            let files = sessions.entry(name.clone()).or_insert_with(|| {
                order.push(name);
                Vec::new()
            });
            files.push(path.to_path_buf());
            let beside = sub_agents(path);
            let beside: Vec<PathBuf> = beside.into_iter().filter(|path| !given.contains(path)).collect();
            if !beside.is_empty() {
                out.note(format!("{}: {} files of its sub-agents were read too", path.display(), beside.len()));
                files.extend(beside);
            }
        }
        let mut told: BTreeSet<String> = BTreeSet::new();
        let mut repeated = 0;
        for name in order {
            if !out.wants_more() {
                break;
            }
            let mut threads = Threads::default();
            for path in &sessions[&name] {
                out.guard(|out| read(path, &mut threads, out))?;
            }
            repeated += threads.forget(&mut told);
            for kind in std::mem::take(&mut threads.left_out) {
                out.left_out(kind);
            }
            out.session(threads.session(name))?;
        }
        if repeated > 0 {
            out.note(format!("{repeated} answers stand in a resumed session too; counted where they stand first"));
        }
        Ok(())
    }
}

/// The session that a file belongs to: what its first records say, or its folder, or its name.
fn session_of(path: &Path) -> String {
    let parent = path.parent().filter(|parent| parent.file_name().is_some_and(|name| name == "subagents"));
    if let Some(session) = parent.and_then(Path::parent).and_then(Path::file_name) {
        return session.to_string_lossy().into_owned();
    }
    let head = Sample::of(path).map(|sample| sample.head).unwrap_or_default();
    let told = head.lines().find_map(|line| {
        let record: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(record.get("sessionId").or(record.get("session_id"))?.as_str()?.to_owned())
    });
    told.unwrap_or_else(|| stem(path))
}

/// Files of the sub-agents of a session's file.
fn sub_agents(path: &Path) -> Vec<PathBuf> {
    let folder = path.with_extension("").join("subagents");
    let names = super::source::names(&folder).unwrap_or_default();
    names
        .iter()
        .map(|name| folder.join(name))
        .filter(|path| path.extension().is_some_and(|end| end == "jsonl"))
        .collect()
}

fn read(path: &Path, threads: &mut Threads, out: &mut Out<'_>) -> Result<(), ImportError> {
    let mut records = Records::open(path)?;
    threads.begin_file(&stem(path));
    while let Some((place, value)) = records.next(out)? {
        if let Err(wrong) = take(&Field::root(&value), threads) {
            threads.damaged += 1;
            out.damaged(place, wrong)?;
        }
    }
    threads.is_cut |= records.is_cut();
    Ok(())
}

fn take(record: &Field<'_>, threads: &mut Threads) -> Result<(), Wrong> {
    let kind = record.need_object()?.get("type").value.as_str().unwrap_or("");
    match kind {
        "user" | "assistant" => {
            let item = Item::read(record)?;
            threads.push(record, item);
        }
        // What `claude -p --output-format stream-json` ends with.
        "result" => threads.result(record)?,
        "system" if record.get("subtype").value == "compact_boundary" => {
            let before = record.get("compactMetadata").get("preTokens").count()?;
            threads.push(record, Some(Item::Compaction(before)));
        }
        _ => {}
    }
    Ok(())
}
