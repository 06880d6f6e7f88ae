//! Things of several sessions that stand mixed in one or more files, sorted by session.

use super::Out;
use super::fault::{ImportError, Place, Wrong};
use super::source::Records;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Things by session, in the order in which sessions begin.
#[derive(Debug)]
pub(super) struct Groups<T> {
    place: BTreeMap<String, usize>,
    groups: Vec<Group<T>>,
    /// The session that the last thing belongs to.
    last: Option<usize>,
}

/// The things of a session.
#[derive(Debug)]
pub(super) struct Group<T> {
    pub(super) name: String,
    /// Its file was cut off.
    pub(super) is_cut: bool,
    pub(super) things: Vec<T>,
}

/// Records that were seen, for logs in which equal ones are one: files that were rotated, joined or written twice.
#[derive(Debug, Default)]
pub(super) struct Seen {
    hashes: BTreeSet<[u8; 32]>,
    repeated: u64,
}

impl Seen {
    /// Whether no equal record came before.
    pub(super) fn is_new(&mut self, record: &Value) -> bool {
        let is_new = self.hashes.insert(*blake3::hash(record.to_string().as_bytes()).as_bytes());
        self.repeated += u64::from(!is_new);
        is_new
    }

    /// Says how many came again.
    pub(super) fn tell(&self, path: &Path, out: &mut Out<'_>) {
        if self.repeated > 0 {
            out.note(format!("{}: {} records stand there twice, read once", path.display(), self.repeated));
        }
    }
}

impl<T> Groups<T> {
    pub(super) fn new() -> Self {
        Self { place: BTreeMap::new(), groups: Vec::new(), last: None }
    }

    pub(super) fn push(&mut self, name: &str, thing: T) {
        let next = self.groups.len();
        let place = *self.place.entry(name.to_owned()).or_insert(next);
        if place == next {
            self.groups.push(Group { name: name.to_owned(), is_cut: false, things: Vec::new() });
        }
        self.groups[place].things.push(thing);
        self.last = Some(place);
    }

    /// A name that no session has yet, for things of a file that name none.
    pub(super) fn unused(&self, name: &str) -> String {
        let numbered = (2_u64..).map(|n| format!("{name} ({n})"));
        std::iter::once(name.to_owned())
            .chain(numbered)
            .find(|name| !self.place.contains_key(name))
            .expect("numbers do not end")
    }

    /// The file ends too early: so does the session that it was about.
    pub(super) fn cut(&mut self) {
        if let Some(place) = self.last {
            self.groups[place].is_cut = true;
        }
    }

    /// Reads the records of a file; what is wrong with one is told with its place.
    pub(super) fn each_record(
        &mut self,
        path: &Path,
        out: &mut Out<'_>,
        mut take: impl FnMut(&mut Self, &Place, Value, &mut Out<'_>) -> Result<(), Wrong>,
    ) -> Result<(), ImportError> {
        out.guard(|out| {
            let mut records = Records::open(path)?;
            self.last = None;
            while let Some((place, value)) = records.next(out)? {
                if let Err(wrong) = take(self, &place, value, out) {
                    out.damaged(place, wrong)?;
                }
            }
            if records.is_cut() {
                self.cut();
            }
            Ok(())
        })
    }

    pub(super) fn into_groups(self) -> Vec<Group<T>> {
        self.groups
    }
}
