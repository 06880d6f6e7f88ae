//! Files with the same bytes are read once: a backup beside its origin is no second run.

use super::out::Out;
use crate::record::input;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Leaves copies of files out, and says which.
pub(super) fn leave_out(paths: &mut Vec<PathBuf>, out: &mut Out<'_>) {
    let size =
        |path: &PathBuf| std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|found| found.len());
    let mut by_size: BTreeMap<u64, u32> = BTreeMap::new();
    paths.iter().filter_map(size).for_each(|size| *by_size.entry(size).or_default() += 1);
    let mut known: BTreeMap<[u8; 32], PathBuf> = BTreeMap::new();
    paths.retain(|path| {
        // Only files of one length can be equal.
        let Some(hash) = size(path).filter(|size| *size > 0 && by_size[size] > 1).and_then(|_| hash(path)) else {
            return true;
        };
        if let Some(first) = known.get(&hash) {
            out.note(format!("{}: the same bytes as {}, read once", path.display(), first.display()));
            return false;
        }
        known.insert(hash, path.clone());
        true
    });
}

fn hash(path: &Path) -> Option<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(input::file(path).ok()?).ok()?;
    Some(*hasher.finalize().as_bytes())
}
