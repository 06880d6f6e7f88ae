//! The rooms of the house and what may be said in each, read from the syntax of the sources. Code that a room keeps for
//! its own tests (`#[cfg(test)]`), comments and text in quotes do not count.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use syn::visit_mut::VisitMut;

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
    /// What the code says, in its order: paths, single words among them, with their lines.
    said: Vec<Said>,
}

/// A path of the code, groups taken apart: `use crate::{a, b::c}` says `crate::a` and `crate::b::c`.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    /// From 1.
    line: usize,
    parts: Vec<String>,
}

impl Source {
    fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.path.display())
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
    let said = said(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    Source { path, room, depth, text, said }
}

/// What a file says outside of its tests. Comments and text in quotes say nothing. Bodies of macros are read too, as the
/// words that they are; what a macro of another crate expands to is not seen.
fn said(text: &str) -> syn::Result<Vec<Said>> {
    let mut file = syn::parse_file(text)?;
    WithoutTests.visit_file_mut(&mut file);
    let mut found = Vec::new();
    for item in &file.items {
        paths(item.to_token_stream(), &[], &mut found);
    }
    Ok(found)
}

/// Takes out what is compiled for tests alone.
struct WithoutTests;

impl VisitMut for WithoutTests {
    fn visit_file_mut(&mut self, file: &mut syn::File) {
        file.items.retain(|item| !is_test(item));
        syn::visit_mut::visit_file_mut(self, file);
    }

    fn visit_item_mod_mut(&mut self, module: &mut syn::ItemMod) {
        if let Some((_, items)) = &mut module.content {
            items.retain(|item| !is_test(item));
        }
        syn::visit_mut::visit_item_mod_mut(self, module);
    }

    fn visit_item_impl_mut(&mut self, block: &mut syn::ItemImpl) {
        block.items.retain(|item| !is_test(item));
        syn::visit_mut::visit_item_impl_mut(self, block);
    }
}

/// Whether an item stands behind `#[cfg(test)]`.
fn is_test(item: &impl ToTokens) -> bool {
    let mut tokens = item.to_token_stream().into_iter();
    while let Some(TokenTree::Punct(mark)) = tokens.next() {
        let Some(TokenTree::Group(attribute)) = tokens.next().filter(|_| mark.as_char() == '#') else { break };
        if attribute.stream().to_string().replace(' ', "") == "cfg(test)" {
            return true;
        }
    }
    false
}

/// Collects the paths of tokens; those of a group go on from `before`.
fn paths(tokens: TokenStream, before: &[String], found: &mut Vec<Said>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is = |at: usize, mark: char| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == mark);
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            // A path that is renamed is said already.
            TokenTree::Ident(word) if word == "as" && !before.is_empty() => at += 1,
            TokenTree::Ident(word) => {
                let line = word.span().start().line;
                let mut parts = [before, &[word.to_string()]].concat();
                let mut ends_in_group = false;
                while is(at + 1, ':') && is(at + 2, ':') {
                    match tokens.get(at + 3) {
                        Some(TokenTree::Ident(next)) => parts.push(next.to_string()),
                        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                            paths(group.stream(), &parts, found);
                            ends_in_group = true;
                        }
                        _ => break,
                    }
                    at += 3;
                }
                if !ends_in_group {
                    found.push(Said { line, parts });
                }
            }
            TokenTree::Group(group) => paths(group.stream(), &[], found),
            _ => {}
        }
        at += 1;
    }
}

/// Rooms that a file names: after `crate`, or after `super` up to the crate.
fn named(source: &Source) -> Vec<(usize, String)> {
    let room = |said: &Said| {
        let ups = match said.parts[0].as_str() {
            "crate" => 1,
            _ => said.parts.iter().take_while(|part| *part == "super").count(),
        };
        let is_root = said.parts[0] == "crate" || (ups > 0 && ups >= source.depth);
        let word = said.parts.get(ups).filter(|_| is_root)?;
        ROOMS.iter().any(|(name, _)| name == word).then(|| (said.line, word.clone()))
    };
    source.said.iter().filter_map(room).collect()
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
            panic!("{}: `{room}` is a new room; say in tests/architecture.rs which rooms it may use", source.at(1))
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
            for said in &source.said {
                for bad in *barred {
                    if EXCEPTIONS.iter().any(|(path, words, _)| source.path == Path::new(path) && words.contains(bad)) {
                        continue;
                    }
                    let parts: Vec<&str> = bad.split("::").collect();
                    let is_said = match parts[..] {
                        [word] => said.parts.iter().any(|part| part == word),
                        _ => said.parts.len() >= parts.len() && said.parts.iter().zip(&parts).all(|(a, b)| a == b),
                    };
                    if is_said {
                        faults.push(format!("{}: `{bad}`: {mend}", source.at(said.line)));
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
            faults.push(format!("{}: say on the first line, after `//!`, what this file promises", source.at(1)));
        }
        let is_facade = source.path.ends_with("mod.rs") && source.depth == 1;
        if is_facade && !source.text.lines().any(|l| l.starts_with("//! Invariant: ")) {
            faults.push(format!("{}: end the room's doc with a line `//! Invariant: ..`", source.at(1)));
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
fn the_scan_sees_through_groups_supers_and_macros() {
    let text = "use crate::{kernel::{Span, Time as Report}, report as r};\nuse super::super::runtime::drive; // crate::cli\n\
                fn f() { assert!(crate::live::is(), \"crate::cli {}\", x); }\n\
                #[cfg(test)]\nmod tests { use crate::cli; }\n\
                impl X { #[cfg(test)] fn g() { crate::cli::h() } fn k() -> crate::model::Y { r#\"\"crate::cli\"\"#; } }\n";
    let said = said(text).unwrap();
    let source = Source {
        path: PathBuf::from("src/model/x.rs"),
        room: Some("model".to_owned()),
        depth: 2,
        text: text.to_owned(),
        said,
    };
    let rooms = named(&source);
    let rooms: Vec<(usize, &str)> = rooms.iter().map(|(line, room)| (*line, room.as_str())).collect();
    assert_eq!(rooms, [(1, "kernel"), (1, "kernel"), (1, "report"), (2, "runtime"), (3, "live"), (6, "model")]);
}
