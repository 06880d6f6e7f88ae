//! `define`, or `?`: what a word on the pages means.

use super::args::DefineArgs;
use super::{DONE, UsageError, output};
use crate::report::terms;
use anyhow::Result;

/// Prints the terms that were asked for, or all.
///
/// # Errors
/// When no term has such a word.
pub fn execute(args: &DefineArgs) -> Result<u8> {
    let found = if args.words.is_empty() {
        terms::terms()
    } else {
        let (mut found, mut unknown) = (Vec::new(), Vec::new());
        for word in &args.words {
            let of = terms::find(word);
            unknown.extend(of.is_empty().then(|| format!("\"{word}\"")));
            found.extend(of);
        }
        if !unknown.is_empty() {
            let mend = "`delm-sim define` lists all that are";
            if !found.is_empty() {
                show(found, args)?;
            }
            return Err(UsageError(format!("not defined: {}; {mend}", unknown.join(", "))).into());
        }
        found
    };
    show(found, args)?;
    Ok(DONE)
}

fn show(found: Vec<terms::Term>, args: &DefineArgs) -> Result<()> {
    let rows: Vec<Vec<String>> = found.into_iter().map(|t| vec![t.word, t.unit.to_owned(), t.meaning]).collect();
    output::print(&output::table(args.format, &["word", "unit", "meaning"], &rows)?)?;
    Ok(())
}
