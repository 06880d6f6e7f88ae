//! Writing to standard output: tables in four forms, and readers that go away early.

use super::format::Format;
use anyhow::Result;
use comfy_table::{ContentArrangement, Table, presets};
use std::io::{self, IsTerminal, Write};

/// A text with its control characters as escapes, line ends and tabs left alone: names from scenarios, logs and
/// manifests must not steer the terminal. Everything that is printed goes through here.
fn harmless(text: &str) -> std::borrow::Cow<'_, str> {
    let steers = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(steers) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if steers(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out.into()
}

/// Writes data to standard output.
///
/// # Errors
/// As the system says; a closed pipe is told apart by [`is_broken_pipe`].
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(harmless(text).as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

/// Says a line on standard error; nobody listening is no failure.
pub fn say(line: &str) {
    // Unlike `eprintln!` this does not panic when standard error is closed.
    let _ = writeln!(io::stderr(), "{}", harmless(line));
}

/// Whether the reader of standard output went away, which is no failure.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// A table as text in one of the forms. A terminal gets wrapped cells; elsewhere lines are as long as they need to
/// be, so that they can be searched. JSON rows are objects with the header's words as keys.
pub fn table(format: Format, header: &[&str], rows: &[Vec<String>]) -> Result<String> {
    Ok(match format {
        Format::Json => {
            let rows: Vec<serde_json::Map<String, serde_json::Value>> = rows
                .iter()
                .map(|row| {
                    let cells = row.iter().map(|cell| cell.clone().into());
                    header.iter().map(ToString::to_string).zip(cells).collect()
                })
                .collect();
            serde_json::to_string_pretty(&rows)?
        }
        Format::Csv => {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(header)?;
            for row in rows {
                writer.write_record(row)?;
            }
            String::from_utf8(writer.into_inner()?)?
        }
        Format::Table | Format::Md => {
            let mut table = Table::new();
            table.set_header(header.iter().copied());
            if format == Format::Md {
                let escape = |cell: &String| cell.replace('|', "\\|");
                table.add_rows(rows.iter().map(|row| row.iter().map(escape)));
                table.load_style(presets::ASCII_MARKDOWN);
            } else {
                table.add_rows(rows);
                table.load_style(presets::NOTHING);
                if io::stdout().is_terminal() {
                    table.set_content_arrangement(ContentArrangement::Dynamic);
                    table.set_width(columns());
                }
            }
            table.trim_fmt()
        }
    })
}

/// Width of the terminal as far as the environment tells.
fn columns() -> u16 {
    let told = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    told.unwrap_or(120).max(60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_and_do_not_act() {
        assert_eq!(harmless("a\u{1b}[31mred\r\n\tb\u{9b}"), "a\\u{1b}[31mred\\r\n\tb\\u{9b}");
        assert_eq!(harmless("Überschrift \u{b1}"), "Überschrift \u{b1}");
    }

    #[test]
    fn one_table_in_four_forms() {
        let rows = vec![vec!["a|b".to_owned(), "1,5".to_owned()]];
        let form = |format| table(format, &["x", "y"], &rows).unwrap();
        assert_eq!(form(Format::Csv), "x,y\na|b,\"1,5\"\n");
        assert_eq!(form(Format::Md), "| x    | y   |\n|------|-----|\n| a\\|b | 1,5 |");
        assert_eq!(form(Format::Table), " x    y\n a|b  1,5");
        let json: serde_json::Value = serde_json::from_str(&form(Format::Json)).unwrap();
        assert_eq!(json[0]["y"], "1,5");
    }
}
