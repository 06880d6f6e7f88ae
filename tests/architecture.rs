//! The rooms of the house and what may be said in each, read from the source text. Code that a room keeps for its own
//! tests (below `#[cfg(test)]`), comments and text in quotes do not count.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms from the inside out, with the rooms each may use.
const ROOMS: &[(&str, &[&str])] = &[
    ("kernel", &[]),
    ("stats", &[]),
    ("model", &["kernel"]),
    ("policy", &["kernel", "model"]),
    ("record", &["kernel", "model"]),
    ("runtime", &["kernel", "model", "policy", "record"]),
    ("import", &["kernel", "model", "record"]),
    ("live", &["kernel", "model", "policy", "record", "runtime"]),
    ("experiment", &["kernel", "stats", "model", "policy", "record", "runtime", "import", "live"]),
    ("report", &["kernel", "stats", "model", "policy", "record", "experiment"]),
    ("cli", &["kernel", "stats", "model", "policy", "record", "runtime", "import", "live", "experiment", "report"]),
];

/// Words that a room does not say, why, and what to do instead.
const BARRED: &[(&[&str], &[&str], &str)] = &[
    (
        &["kernel", "stats"],
        &["agent", "agents", "worker", "prompt", "policy", "llm", "usd", "dollar", "makespan"],
        "it knows no word of the domain; move the domain's part to `model` or outwards",
    ),
    (&["model"], &["Calendar", "calendar"], "nothing waits in `model`; give the law here and let `runtime` schedule"),
    (
        &["policy"],
        &["Calendar", "calendar", "random", "sampler", "Key", "Draws", "Substream", "Law", "rand", "rand_chacha"],
        "a policy draws nothing and schedules nothing; ask for a call or a timer through the outbox",
    ),
    (
        &["policy"],
        &["std::time", "std::fs", "std::io", "std::env", "std::net", "std::thread", "std::process"],
        "a policy reads no clock and does no I/O; it is told `now` and speaks through the outbox",
    ),
    (
        &["kernel", "stats", "model", "policy", "record", "runtime", "import", "live", "experiment", "report"],
        &["println", "eprintln", "print", "eprint", "dbg", "stdout", "stderr"],
        "only `cli` talks to the terminal; return the text or a value",
    ),
    (
        &["kernel", "stats", "model", "policy", "record", "runtime", "import", "live", "experiment", "report", "cli"],
        &["SystemTime", "Instant", "thread_rng", "from_os_rng", "RandomState"],
        "results depend on no clock and no chance of the operating system; use `Time` and keyed draws",
    ),
    (
        &["model", "policy", "record", "runtime", "import", "live", "experiment"],
        &["comfy_table", "plotters", "clap"],
        "tables, figures and flags belong to `report` and `cli`; hand over plain data",
    ),
];

/// Files that may say barred words, each with its reason.
const EXCEPTIONS: &[(&str, &[&str], &str)] = &[(
    "src/live/chat/clock.rs",
    &["SystemTime", "Instant"],
    "live runs measure real time; this file is the one clock, and everything else is told the time by it",
)];

/// A file longer than this has two subjects.
const MOST_LINES: usize = 500;

struct Source {
    path: PathBuf,
    room: Option<String>,
    /// How many `super` lead from this file's module to the crate.
    depth: usize,
    text: String,
    /// Code without comments, quotes and tests, line by line.
    code: Vec<String>,
}

impl Source {
    fn at(&self, line: usize) -> String {
        format!("{}:{}", self.path.display(), line + 1)
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut open = vec![root.join("src")];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).expect("src can be read") {
            let path = entry.expect("src can be read").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(source(root, &path));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 50, "the scan found the code");
    found
}

fn source(root: &Path, path: &Path) -> Source {
    let text = fs::read_to_string(path).expect("sources are text");
    let path = path.strip_prefix(root).expect("below the root").to_owned();
    let parts: Vec<String> = path.iter().skip(1).map(|p| p.to_string_lossy().into_owned()).collect();
    let is_facade = parts.last().is_some_and(|name| name == "mod.rs");
    let room = (parts.len() > 1).then(|| parts[0].clone());
    let depth = parts.len() - usize::from(is_facade);
    let code = code(&text);
    Source { path, room, depth, text, code }
}

/// The lines up to the tests, without comments and without what stands in quotes.
fn code(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut quoted = false;
    for line in text.lines() {
        if !quoted && line.trim_start().starts_with("#[cfg(test)]") {
            break;
        }
        let mut kept = String::new();
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' if quoted => drop(chars.next()),
                '\'' if !quoted && chars.peek() == Some(&'"') => drop(chars.next()),
                '\'' if !quoted && chars.peek() == Some(&'\\') => drop((chars.next(), chars.next())),
                '"' => quoted = !quoted,
                '/' if !quoted && chars.peek() == Some(&'/') => break,
                c if !quoted => kept.push(c),
                _ => {}
            }
        }
        lines.push(kept);
    }
    assert!(
        !quoted,
        "the scan lost its way in quotes; teach `code` the form that begins with {:?}",
        text.lines().next()
    );
    lines
}

/// Words of a line: identifiers, with `::` between the parts of a path.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).filter(|w| !w.is_empty())
}

/// Rooms that a file names: `crate::room`, `crate::{room, ..}`, or `super` up to the crate.
fn named(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in source.code.iter().enumerate() {
        for (start, _) in line.match_indices("crate::") {
            let rest = &line[start + "crate::".len()..];
            if let Some(group) = rest.strip_prefix('{') {
                // A group may go on over several lines.
                let tail: String = source.code[number + 1..].join(" ");
                let whole = format!("{group} {tail}");
                let mut depth = 1;
                let end = whole.find(|c| {
                    depth += i32::from(c == '{') - i32::from(c == '}');
                    depth == 0
                });
                found.extend(top_level(&whole[..end.unwrap_or(whole.len())]).map(|room| (number, room)));
            } else {
                found.extend(first_word(rest).map(|room| (number, room)));
            }
        }
        for word in words(line) {
            let ups = word.split("::").take_while(|part| *part == "super").count();
            if ups >= source.depth && source.depth > 0 {
                found.extend(word.split("::").nth(ups).map(|room| (number, room.to_owned())));
            }
        }
    }
    found.retain(|(_, room)| ROOMS.iter().any(|(name, _)| name == room));
    found
}

fn first_word(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

/// First words of the parts of a `use` group.
fn top_level(group: &str) -> impl Iterator<Item = String> {
    let mut depth = 0;
    let mut parts = vec![String::new()];
    for c in group.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if c == ',' && depth == 0 {
            parts.push(String::new());
        } else {
            parts.last_mut().expect("never empty").push(c);
        }
    }
    parts.into_iter().filter_map(|part| first_word(part.trim()))
}

fn report(what: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{what}:\n{}", faults.join("\n"));
}

#[test]
fn rooms_use_only_rooms_further_in() {
    let mut faults = Vec::new();
    for source in sources() {
        let Some(room) = source.room.as_deref() else {
            continue;
        };
        let (_, may_use) = ROOMS.iter().find(|(name, _)| *name == room).unwrap_or_else(|| {
            panic!("{}: `{room}` is a new room; say in tests/architecture.rs which rooms it may use", source.at(0))
        });
        let uses: BTreeSet<(usize, String)> = named(&source).into_iter().collect();
        for (line, used) in uses.into_iter().filter(|(_, used)| used != room && !may_use.contains(&used.as_str())) {
            let may = if may_use.is_empty() { "no other room".to_owned() } else { may_use.join(", ") };
            faults.push(format!(
                "{}: `{room}` uses `{used}`; it may use {may}. Move what is shared inwards, or hand it in as a value",
                source.at(line)
            ));
        }
    }
    report("imports against the direction of the house", &faults);
}

#[test]
fn rooms_do_not_say_what_is_not_theirs() {
    let mut faults = Vec::new();
    for source in sources() {
        for (rooms, barred, mend) in BARRED {
            if !source.room.as_deref().is_some_and(|room| rooms.contains(&room)) {
                continue;
            }
            for (line, text) in source.code.iter().enumerate() {
                for bad in *barred {
                    if EXCEPTIONS.iter().any(|(path, words, _)| source.path == Path::new(path) && words.contains(bad)) {
                        continue;
                    }
                    let said = words(text).any(|word| {
                        if bad.contains("::") {
                            word.starts_with(bad)
                        } else {
                            word.split("::").any(|part| part == *bad)
                        }
                    });
                    if said {
                        faults.push(format!("{}: `{bad}`: {mend}", source.at(line)));
                    }
                }
            }
        }
    }
    report("words in the wrong room", &faults);
}

#[test]
fn files_open_with_their_promise_and_facades_end_in_an_invariant() {
    let mut faults = Vec::new();
    for source in sources() {
        if !source.text.starts_with("//!") {
            faults.push(format!("{}: say on the first line, after `//!`, what this file promises", source.at(0)));
        }
        let is_facade = source.path.ends_with("mod.rs") && source.depth == 1;
        if is_facade && !source.text.lines().any(|l| l.starts_with("//! Invariant: ")) {
            faults.push(format!("{}: end the room's doc with a line `//! Invariant: ..`", source.at(0)));
        }
    }
    report("files without a promise", &faults);
}

#[test]
fn files_stay_short() {
    let mut faults = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        if lines > MOST_LINES {
            let place = source.path.display();
            faults.push(format!("{place}: {lines} lines, at most {MOST_LINES}; split it by subject into a folder"));
        }
    }
    report("files that are too long", &faults);
}

#[test]
fn the_scan_sees_through_groups_and_supers() {
    let text = "use crate::{kernel::{Span, Time}, report};\nuse super::super::runtime::drive; // crate::cli\n";
    let source = Source {
        path: PathBuf::from("src/model/x.rs"),
        room: Some("model".to_owned()),
        depth: 2,
        text: text.to_owned(),
        code: code(text),
    };
    let rooms: Vec<String> = named(&source).into_iter().map(|(_, room)| room).collect();
    assert_eq!(rooms, ["kernel", "report", "runtime"]);
    assert!(code("let a = \"crate::cli\"; // println!\n#[cfg(test)]\nmod tests {}").join("").ends_with("let a = ; "));
}
