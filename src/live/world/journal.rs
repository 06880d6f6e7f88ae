//! The journal: the transcript of a live command, on disk before anything follows from it.
//!
//! Invariant: what was written before `flush` returned survives a crash of the machine; a line is one write. While a
//! run is re-driven from its own journal, its lines are counted instead of written. Until the past was checked, nothing
//! of the file changes.

use crate::record::transcript::{Header, Line};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Name of the journal in a directory.
pub const FILE: &str = "transcript.jsonl";

#[derive(Debug)]
struct Inner {
    file: File,
    dirty: bool,
    /// Lines of the re-driven run that stand in the file already.
    skip: u64,
    /// Length of the part that stays, while what follows it is not cut off yet.
    keep: Option<u64>,
    /// Lines that wait until the past was checked.
    held: Option<Vec<u8>>,
}

impl Inner {
    fn put(&mut self, text: &[u8]) -> io::Result<()> {
        if let Some(keep) = self.keep.take() {
            self.file.set_len(keep)?;
            self.file.sync_all()?;
            io::Seek::seek(&mut self.file, io::SeekFrom::End(0))?;
        }
        self.file.write_all(text)?;
        self.dirty = true;
        Ok(())
    }
}

/// A journal that several recorders write to, one after the other.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Mutex<Inner>>);

impl Journal {
    /// A new journal with its header. The file must not exist yet.
    pub fn create(path: &Path, header: &Header) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        lock(&file)?;
        let mut journal = Self::of(file);
        let mut text = serde_json::to_vec(&Line::Header(header.clone())).map_err(io::Error::from)?;
        text.push(b'\n');
        journal.write_all(&text)?;
        journal.flush()?;
        if let Some(folder) = path.parent().filter(|p| *p != Path::new(""))
            && let Ok(folder) = File::open(folder)
        {
            // The name itself must survive, too; systems that cannot sync folders keep it anyway.
            let _ = folder.sync_all();
        }
        Ok(journal)
    }

    /// Goes on with a journal. Nothing of it changes before `begin`.
    pub fn append(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).open(path)?;
        lock(&file)?;
        Ok(Self::of(file))
    }

    /// Removes the journal of a run that is given up, unless somebody is writing it.
    pub fn remove(path: &Path) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        lock(&file)?;
        std::fs::remove_file(path)
    }

    fn of(file: File) -> Self {
        Self(Arc::new(Mutex::new(Inner { file, dirty: false, skip: 0, keep: None, held: None })))
    }

    /// Of the file, so many bytes stay; what follows them is cut off by the first line that is written.
    pub fn keep(&self, bytes: u64) {
        self.inner().keep = Some(bytes);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run begins whose first `lines` lines stand in the file already; further ones wait for `begin`.
    pub fn skip(&self, lines: u64) {
        let mut inner = self.inner();
        (inner.skip, inner.held) = (lines, Some(Vec::new()));
    }

    /// The past was checked: what waits is written, and so is everything from now on.
    pub fn begin(&self) -> io::Result<()> {
        let mut inner = self.inner();
        match inner.held.take() {
            Some(held) if !held.is_empty() => inner.put(&held),
            _ => Ok(()),
        }
    }

    /// Lines that were announced to stand in the file and did not come yet.
    pub fn skipping(&self) -> u64 {
        self.inner().skip
    }
}

/// One process at a time; the lock goes with the process, however it ends. Systems without locks do without.
fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(io::Error::other("another process is writing this run")),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

impl Write for Journal {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut inner = self.inner();
        if inner.skip > 0 {
            inner.skip -= 1;
        } else if let Some(held) = &mut inner.held {
            held.extend_from_slice(line);
        } else {
            inner.put(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut inner = self.inner();
        if std::mem::take(&mut inner.dirty) {
            inner.file.sync_data()?;
        }
        Ok(())
    }
}
