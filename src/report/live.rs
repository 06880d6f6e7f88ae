//! The report of a live run: what was answered, how long it took from intended start and from dispatch, what it cost,
//! and whether the times can be trusted.

use super::files;
use super::number::digits;
use super::summary::{self, SummaryFile};
use super::twins;
use crate::experiment::live::{Charge, Endings, LiveCell, LiveStudy, Quantiles, Stop};
use crate::experiment::study::Cell;
use crate::model::price::Picodollars;
use crate::record::transcript::CallClass;
use crate::stats::{Interval, clopper_pearson, share_interval};
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Name of the file with everything a live run has beyond metrics.
pub const FILE: &str = "live.json";
/// Name of the file that stands beside the others if they hold no measurement.
pub const NOT_VALID_FILE: &str = "NOT-VALID.md";
/// Version of its form.
pub const SCHEMA_VERSION: u32 = 1;

/// Every file of a live run but its journal, by name.
pub fn files(done: &LiveStudy) -> Vec<(&'static str, String)> {
    let mut summary = SummaryFile::of(&done.study);
    let faults = done.faults();
    summary.warnings.splice(0..0, faults.iter().map(|why| format!("NOT VALID, no measurement: {why}")));
    let mut files =
        vec![("metrics.csv", files::metrics_csv(&done.study)), (summary::FILE, summary.to_json()), (FILE, json(done))];
    if !faults.is_empty() {
        let head =
            "The numbers in this directory are no measurement: too few calls gave an answer that could be used.\n";
        files.push((NOT_VALID_FILE, faults.iter().fold(head.to_owned(), |text, why| text + "* " + why + "\n")));
    }
    files
}

/// The screen, ending in a newline.
pub fn screen(done: &LiveStudy) -> String {
    text(done, false)
}

/// The same as Markdown.
pub fn markdown(done: &LiveStudy) -> String {
    text(done, true)
}

fn text(done: &LiveStudy, is_markdown: bool) -> String {
    let scenario = &done.study.scenario;
    let (head, gap) = if is_markdown { ("# ", "\n") } else { ("", "") };
    let point = if is_markdown { "\n* " } else { "  " };
    let mut text = String::new();
    let faults = done.faults();
    if !faults.is_empty() {
        text += "NOT VALID: no measurement, too few calls gave an answer that could be used\n";
        for why in &faults {
            let _ = writeln!(text, "{point}{why}");
        }
        text += "\n";
    }
    if !done.invalid.is_empty() {
        text += "NOT VALID: the times of these runs are not to be trusted\n";
        for why in &done.invalid {
            let _ = writeln!(text, "{point}{why}");
        }
        text += "\n";
    }
    let _ = write!(text, "{head}{}\n{gap}", scenario.question);
    let _ = writeln!(
        text,
        "live: model {} at {}; {} of {} runs came to their end in {} s\n",
        done.order.model,
        done.order.url,
        done.runs_done,
        done.runs_asked,
        digits(done.elapsed.as_secs_f64(), 4)
    );
    for (name, server) in &done.order.servers {
        text.truncate(text.trim_end_matches('\n').len());
        let _ = writeln!(
            text,
            "{gap}\nendpoint {name}: model {} at {} ({})\n",
            server.model,
            server.url,
            server.api.name()
        );
    }
    let twins = Some(twins::table(done)).filter(|(.., rows)| !rows.is_empty());
    let tables = [answers(done)].into_iter().chain(twins).chain([ends(done), latencies(done), budget(done)]);
    for (title, header, rows) in tables {
        let head = if is_markdown { "## " } else { "" };
        let _ = writeln!(text, "{head}{title}{gap}\n{}", table(&header, rows, is_markdown));
    }
    for note in notes(done) {
        let _ = writeln!(text, "note: {note}\n");
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

/// What else to know.
fn notes(done: &LiveStudy) -> Vec<String> {
    let mut notes = done.warnings.clone();
    let cells = &done.cells;
    let journalled: u64 = cells.iter().map(|c| c.measured.journalled).sum();
    if journalled > 0 {
        notes.push(format!(
            "{journalled} calls are from the journal; the client's own delays are those of this session only, and \
             earlier sessions tell in the journal whether they were late"
        ));
    }
    let estimated: u64 = cells.iter().map(|c| c.measured.estimated).sum();
    if estimated > 0 {
        notes.push(format!(
            "the server told no usage for {estimated} replies; tokens are estimated there, and the budget stays \
             charged as reserved"
        ));
    }
    if done.budget.exceeded > 0 {
        notes.push(format!(
            "the server billed more than a try can need ({} times, {} tokens at most); it ignores max_tokens or \
             adds text of its own",
            done.budget.exceeded, done.budget.margin_tokens
        ));
    }
    let waits: u64 = cells.iter().map(|c| c.measured.budget_waits).sum();
    if waits > 0 {
        notes.push(format!(
            "{waits} calls waited until the budget reserved for others was free; a higher cap shows the \
             undisturbed times"
        ));
    }
    notes
}

/// A table with its title and header.
type Titled = (&'static str, Vec<&'static str>, Vec<Vec<String>>);

fn table(header: &[&str], rows: Vec<Vec<String>>, is_markdown: bool) -> String {
    let mut table = Table::new();
    table.load_style(if is_markdown { presets::ASCII_MARKDOWN } else { presets::NOTHING });
    table.set_header(header.iter().copied());
    table.add_rows(rows);
    for index in 1..header.len() {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt() + "\n"
}

/// 95 % interval of the share of right answers: exact for one outcome per question, however few they are.
fn accuracy(cell: Option<&Cell>) -> Option<Interval> {
    let series = cell?.get("avg_at_1")?;
    match series.values[..] {
        [one] if one == 0.0 || one == 1.0 => Some(clopper_pearson(one, 1.0)),
        _ => share_interval(&series.values),
    }
}

fn answers(done: &LiveStudy) -> Titled {
    let header = vec![
        "policy",
        "N",
        "runs",
        "right",
        "95 % from",
        "to",
        "makespan s",
        "calls",
        "tokens in",
        "cached",
        "out",
        "USD",
        "retries",
        "repairs",
        "failed",
    ];
    let rows = done.cells.iter().map(|cell| {
        let found = done.study.cell(&cell.policy, cell.agents);
        let mean = |metric: &str, n: i32| match found.and_then(|c| c.mean(metric)) {
            Some(x) => digits(x, n),
            None => "-".to_owned(),
        };
        let right = accuracy(found);
        let end = |pick: fn(Interval) -> f64| right.map_or("-".to_owned(), |i| digits(pick(i), 3));
        vec![
            cell.policy.clone(),
            cell.agents.to_string(),
            cell.runs.to_string(),
            mean("avg_at_1", 3),
            end(|i| i.low),
            end(|i| i.high),
            mean("makespan_s", 4),
            mean("calls", 4),
            mean("prompt_tokens", 5),
            mean("cached_tokens", 5),
            mean("completion_tokens", 5),
            mean("cost_per_task_usd", 4),
            cell.measured.retries.to_string(),
            cell.measured.repairs.to_string(),
            cell.measured.failures.to_string(),
        ]
    });
    ("Answers (means per question)", header, rows.collect())
}

/// How the calls of each point ended.
fn ends(done: &LiveStudy) -> Titled {
    let header = ["policy", "N", "usable %"].into_iter().chain(CallClass::ALL.map(CallClass::name)).collect();
    let rows = done.cells.iter().map(|cell| {
        let ends = &cell.measured.endings;
        let usable = ends.usable().map_or("-".to_owned(), |share| digits(share * 100.0, 3));
        let counts = CallClass::ALL.map(|class| ends.of(class).to_string());
        [cell.policy.clone(), cell.agents.to_string(), usable].into_iter().chain(counts).collect()
    });
    ("Calls by how they ended (below 95 % usable there is no measurement)", header, rows.collect())
}

fn latencies(done: &LiveStudy) -> Titled {
    let header = vec![
        "policy",
        "N",
        "intended p50",
        "p90",
        "p99",
        "dispatch p50",
        "p90",
        "p99",
        "1st token p50",
        "p90",
        "delay p50 ms",
        "p99 ms",
    ];
    let rows = done.cells.iter().map(|cell| {
        let m = &cell.measured;
        let mut row = vec![cell.policy.clone(), cell.agents.to_string()];
        let mut put = |spans: &[crate::kernel::Span], scale: f64, which: &[fn(&Quantiles) -> f64]| {
            let q = Quantiles::of(spans);
            row.extend(which.iter().map(|f| q.map_or("-".to_owned(), |q| digits(f(&q) * scale, 3))));
        };
        let all: [fn(&Quantiles) -> f64; 3] = [|q| q.p50_s, |q| q.p90_s, |q| q.p99_s];
        put(&m.from_intended, 1.0, &all);
        put(&m.from_dispatch, 1.0, &all);
        put(&m.first_token, 1.0, &all[..2]);
        put(&m.delays, 1e3, &[all[0], all[2]]);
        row
    });
    let title = "Latency of calls in seconds, from the intended start and from the last try's dispatch; the client's \
                 own delay";
    (title, header, rows.collect())
}

fn budget(done: &LiveStudy) -> Titled {
    let b = &done.budget;
    let usd = |pico: u64| digits(Picodollars(pico).as_usd(), 6);
    let cap = |cap: Option<String>| cap.unwrap_or_else(|| "none".to_owned());
    let number = |n: u64| n.to_string();
    let row = |name: &str, part: fn(Charge) -> u64, show: &dyn Fn(u64) -> String, most: Option<String>| {
        vec![name.to_owned(), show(part(b.spent)), show(part(b.possibly)), cap(most)]
    };
    let seconds = digits(done.elapsed.as_secs_f64(), 4);
    let rows = vec![
        row("HTTP requests", |c| c.calls, &number, b.caps.calls.map(number)),
        row("tokens", |c| c.tokens, &number, b.caps.tokens.map(number)),
        row("USD", |c| c.picodollars, &usd, b.caps.usd.map(|x| digits(x, 6))),
        vec!["seconds".to_owned(), seconds, "0".to_owned(), cap(b.caps.seconds.map(|s| digits(s, 4)))],
    ];
    ("Budget", vec!["", "spent", "possibly billed", "cap"], rows)
}

/// The document of `live.json`, ending in a newline. It holds no secret: neither key nor query of the address.
pub fn json(done: &LiveStudy) -> String {
    let scenario = &done.study.scenario;
    let endpoints: Vec<Value> = scenario
        .endpoints
        .iter()
        .map(|(name, e)| {
            let server = done.order.servers.get(name);
            json!({
                "name": name,
                "slots": e.slots,
                "retries": e.retries,
                "price": e.price,
                "model": server.map_or(&done.order.model, |s| &s.model),
                "url": server.map_or(&done.order.url, |s| &s.url),
                "api": server.map(|s| s.api.name()),
            })
        })
        .collect();
    let stop = done.stop.as_ref().map(|stop| match stop {
        Stop::Budget(reached) => json!({ "why": "budget", "told": reached.told }),
        Stop::Interrupted => json!({ "why": "interrupted" }),
        Stop::Hopeless(told) => json!({ "why": "hopeless", "told": told }),
        Stop::Refused(told) => json!({ "why": "refused", "told": told }),
        Stop::Journal(told) => json!({ "why": "journal", "told": told }),
        Stop::Diverged(told) => json!({ "why": "diverged", "told": told }),
    });
    let document = json!({
        "schema_version": SCHEMA_VERSION,
        "program_version": super::manifest::PROGRAM_VERSION,
        "scenario": scenario.name,
        "scenario_hash": super::manifest::scenario_hash(scenario),
        "origin": "measured",
        "model": done.order.model,
        "url": done.order.url,
        "twins": twins::json(done),
        "prompts_hash": done.order.prompts.as_ref().map(|p| p.hash()),
        "prompts_replaced": done.order.prompts.as_ref().map(|p| p.replaced()),
        "endpoints": endpoints,
        "concurrency": done.order.concurrency,
        "runs_asked": done.runs_asked,
        "runs_done": done.runs_done,
        "elapsed_s": done.elapsed.as_secs_f64(),
        "stopped": stop,
        // Where no call ended there is nothing that could be valid.
        "valid": done.endings().usable().map(|_| done.invalid.is_empty() && done.faults().is_empty()),
        "not_valid_because": done.faults().iter().chain(&done.invalid).collect::<Vec<_>>(),
        "is_measurement": done.endings().usable().map(|_| done.faults().is_empty()),
        "usable_share": done.endings().usable(),
        "calls_by_class": classes(&done.endings()),
        "warnings": done.warnings,
        "budget": {
            "caps": done.budget.caps,
            "spent": charge(done.budget.spent),
            "possibly_billed": charge(done.budget.possibly),
            "exceeded_reservations": done.budget.exceeded,
        },
        "cells": done.cells.iter().map(|c| cell(c, done.study.cell(&c.policy, c.agents))).collect::<Vec<_>>(),
    });
    serde_json::to_string_pretty(&document).expect("plain values become JSON") + "\n"
}

fn charge(charge: Charge) -> Value {
    json!({ "calls": charge.calls, "tokens": charge.tokens, "usd": Picodollars(charge.picodollars).as_usd() })
}

fn classes(endings: &Endings) -> Value {
    CallClass::ALL.into_iter().map(|class| (class.name().to_owned(), Value::from(endings.of(class)))).collect()
}

fn cell(cell: &LiveCell, found: Option<&Cell>) -> Value {
    let m = &cell.measured;
    let right = accuracy(found);
    json!({
        "policy": cell.policy,
        "agents": cell.agents,
        "runs": cell.runs,
        "right": found.and_then(|c| c.mean("avg_at_1")),
        "right_ci_low": right.map(|i| i.low),
        "right_ci_high": right.map(|i| i.high),
        "latency_from_intended": Quantiles::of(&m.from_intended),
        "latency_from_dispatch": Quantiles::of(&m.from_dispatch),
        "first_token": Quantiles::of(&m.first_token),
        "scheduling_delay": Quantiles::of(&m.delays),
        "retries": m.retries,
        "repairs": m.repairs,
        "salvaged": m.salvaged,
        "failed_calls": m.failures,
        "usable_share": m.endings.usable(),
        "calls_by_class": classes(&m.endings),
        "not_valid_because": m.endings.fault(),
        "answered_by_code": m.known,
        "usage_estimated": m.estimated,
        "budget_waits": m.budget_waits,
        "from_journal": m.journalled,
    })
}
