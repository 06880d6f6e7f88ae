//! A scenario beside the published rows of its workload, for people and for files. The screen has at most 110 columns.
//!
//! Order: what disagrees, what agrees, what proves nothing, what is left to say; the count closes it.

use super::number::{digits, rounded, short, wrap};
use super::table::{WIDTH, plain, right, sources_of, text};
use super::{Format, markdown};
use crate::experiment::Scenario;
use crate::experiment::metrics;
use crate::experiment::published::judged::MISS;
use crate::experiment::published::{Held, Line, Open, Reason, Row, Simulated, Spread, Standing, Tally, Team, Value};
use crate::experiment::study::Origin;
use crate::stats::Interval;
use serde::Serialize;
use std::fmt::Write as _;

/// Columns of the screen.
const HEADINGS: [&str; 9] = ["", "system", "N", "metric", "published", "simulated", "error", "src", "policy"];

/// A row in files: one word or number per column; what is not there is empty.
#[derive(Serialize)]
struct Record<'a> {
    standing: &'static str,
    reason: String,
    data_set: &'a str,
    part: &'a str,
    system: &'a str,
    model: &'a str,
    change: &'a str,
    agents: u32,
    agents_are: &'static str,
    metric: String,
    unit: &'static str,
    published: Option<f64>,
    published_is: &'static str,
    sd: Option<f64>,
    sd_is: String,
    policy: Option<&'a str>,
    simulated: Option<f64>,
    ci_low: Option<f64>,
    ci_high: Option<f64>,
    simulated_whole_account: Option<f64>,
    error_sds: Option<f64>,
    input: Option<&'a str>,
    source: &'a str,
}

#[derive(Serialize)]
struct Document<'a> {
    scenario: &'a str,
    seed: u64,
    replications: u32,
    rows: Vec<Record<'a>>,
    tally: Tally,
}

/// The rows in a format, ending in a newline.
pub fn render(scenario: &Scenario, held: &Held, format: Format) -> String {
    let records = || held.lines.iter().map(record);
    match format {
        Format::Table => screen(scenario, held),
        Format::Md => page(scenario, held),
        Format::Json => {
            let Scenario { name, seed, replications, .. } = scenario;
            let (seed, replications) = (*seed, *replications);
            let document =
                Document { scenario: name, seed, replications, rows: records().collect(), tally: held.tally() };
            serde_json::to_string_pretty(&document).expect("words and numbers") + "\n"
        }
        Format::Csv => {
            let mut writer = csv::Writer::from_writer(Vec::new());
            records().for_each(|record| writer.serialize(record).expect("memory takes everything"));
            String::from_utf8(writer.into_inner().expect("memory takes everything")).expect("text stays text")
        }
    }
}

fn record(line: &Line) -> Record<'_> {
    let row = &line.row;
    let simulated = line.simulated.as_ref();
    let interval = simulated.and_then(|s| s.interval);
    Record {
        standing: standing(&line.standing),
        reason: why(&line.standing),
        data_set: row.data_set,
        part: row.part,
        system: row.system,
        model: row.model,
        change: row.change,
        agents: row.team.size(),
        agents_are: match row.team {
            Team::Told(_) => "told",
            Team::Taken(_) => "taken",
        },
        metric: if row.less.is_empty() { row.metric.to_owned() } else { format!("{} less {}", row.metric, row.less) },
        unit: metrics::find(row.metric).map_or("", |m| m.unit),
        published: row.published.known(),
        published_is: match row.published {
            Value::Stated(_) => "stated",
            Value::Read(_) => "read off a figure",
            Value::HeldOut => "held out",
            Value::Unpublished => "unpublished",
        },
        sd: line.sd,
        sd_is: match row.spread {
            Spread::Stated(_) => "stated".to_owned(),
            Spread::Binomial(tasks) => format!("binomial, {tasks} tasks"),
            Spread::Unknown => "unknown".to_owned(),
        },
        policy: simulated.map(|s| s.policy.as_str()),
        simulated: simulated.map(|s| s.mean),
        ci_low: interval.map(|i| i.low),
        ci_high: interval.map(|i| i.high),
        simulated_whole_account: simulated.and_then(|s| s.whole_account),
        error_sds: line.error_sds,
        input: line.input,
        source: row.source,
    }
}

fn standing(standing: &Standing) -> &'static str {
    match standing {
        Standing::Miss => "miss",
        Standing::Agrees => "agrees",
        Standing::Input(_) => "input",
        Standing::Open(_) => "open",
        Standing::NotSimulated(_) => "not simulated",
    }
}

/// Why a row is not judged; empty if it is.
fn why(standing: &Standing) -> String {
    match standing {
        Standing::Miss | Standing::Agrees | Standing::Input(None) => String::new(),
        Standing::Open(open) => match open {
            Open::HeldOut => "held out here: a prediction",
            Open::Unpublished => "nobody published it",
            Open::NoSpread => "its spread is unknown",
            Open::OneReplication => "one replication has no spread",
        }
        .to_owned(),
        Standing::Input(Some(reason)) | Standing::NotSimulated(reason) => match reason {
            Reason::NoSuchWay(why) => format!("no policy: {why}"),
            Reason::OtherDataSet(_) => "other workload: accuracy here is of another".to_owned(),
            Reason::OtherModel(what, said) => format!("other model: {what} here from {}", or_nobody(said)),
            Reason::Part => "one domain: the workload has no domains".to_owned(),
            Reason::NoPolicy => "no policy of the scenario coordinates like this".to_owned(),
            Reason::NoSize(agents) => format!("the scenario does not run N = {agents}: add it to --agents"),
            Reason::NoChange(fault) => format!("the change does not fit: {fault}"),
            Reason::NoMetric => "runs of the scenario do not have the metric".to_owned(),
        },
    }
}

fn or_nobody(said: &str) -> &str {
    if said.is_empty() { "nobody ([mix] is silent)" } else { said }
}

fn screen(scenario: &Scenario, held: &Held) -> String {
    let mut out = head(scenario) + "\n";
    let is_shown = |line: &&Line| !matches!(line.standing, Standing::NotSimulated(_));
    let shown: Vec<&Line> = held.lines.iter().filter(is_shown).collect();
    if !shown.is_empty() {
        let mut table = plain(&HEADINGS);
        let sources = sources(&shown);
        table.add_rows(shown.iter().map(|line| cells(line, &sources)));
        for index in [2, 4, 6] {
            right(&mut table, index);
        }
        let _ = writeln!(out, "{}\n{}", text(&table), legend());
        for (i, source) in sources.iter().enumerate() {
            let _ = writeln!(out, "[{}] {source}", i + 1);
        }
        out.push('\n');
    }
    let mut notes: Vec<String> = accounts(&shown);
    notes.extend(inputs(&shown));
    for note in &notes {
        let _ = writeln!(out, "{}", wrap(note, WIDTH, "  "));
    }
    if !notes.is_empty() {
        out.push('\n');
    }
    out.push_str(&left_out(held));
    for sentence in closing(scenario, held) {
        let _ = writeln!(out, "{}", wrap(&sentence, WIDTH, "  "));
    }
    out
}

fn head(scenario: &Scenario) -> String {
    let Scenario { name, replications, seed, .. } = scenario;
    let first = format!("{name} beside what is published of its workload; {replications} replications, seed {seed}.");
    let sources = sources_of(Origin::Simulated, &scenario.mix);
    format!("{}\n{}\n", wrap(&first, WIDTH, "  "), wrap(&sources, WIDTH, "  "))
}

fn legend() -> String {
    let words = format!(
        "Shares in %. \u{b1}: sd, as stated over runs; b: none is stated, binomial standard error over the tasks. [ ]: 95 % \
         interval of simulation noise, of a share rounded outwards. error: simulated minus published, over their \
         combined sd; beyond {MISS} it is a miss. N?: not told, taken. ~: read \
         off a figure. input: a parameter was set with the row, so that agreement proves nothing."
    );
    wrap(&words, WIDTH, "  ")
}

/// The sources of rows, each once.
fn sources(lines: &[&Line]) -> Vec<&'static str> {
    let mut found = Vec::new();
    for line in lines {
        if !found.contains(&line.row.source) {
            found.push(line.row.source);
        }
    }
    found
}

/// A row of the screen, its source as a number of the list.
fn cells(line: &Line, sources: &[&str]) -> Vec<String> {
    let row = &line.row;
    let mut first = standing(&line.standing).to_owned();
    if line.input.is_some() && !matches!(line.standing, Standing::Input(_)) {
        first.push_str(", input");
    }
    let told = matches!(row.team, Team::Told(_));
    let policy = match (&line.standing, &line.simulated) {
        (Standing::Input(Some(_)), _) | (_, None) => why(&line.standing),
        (_, Some(simulated)) => simulated.policy.clone(),
    };
    vec![
        first,
        if row.change.is_empty() { row.system.to_owned() } else { format!("{}, {}", row.system, row.change) },
        format!("{}{}", row.team.size(), if told { "" } else { "?" }),
        metric(row),
        format!("{}{}", published(row), spread(line)),
        line.simulated.as_ref().map_or("-".to_owned(), |s| simulated(row, s)),
        line.error_sds.map_or("-".to_owned(), |e| format!("{e:+.2}")),
        sources.iter().position(|source| *source == row.source).map_or(String::new(), |i| format!("[{}]", i + 1)),
        policy,
    ]
}

fn metric(row: &Row) -> String {
    match row.metric {
        "avg_at_1" => "Avg@1".to_owned(),
        "pass" => format!("Pass@{}", row.team.size()),
        "cost_per_task_usd" => "$/task".to_owned(),
        "cost_per_submission_usd" => "$/subm.".to_owned(),
        "makespan_s" => "seconds".to_owned(),
        other => other.to_owned(),
    }
}

/// What the published account of a row leaves out.
fn excluded(row: &Row) -> &'static str {
    match row.less {
        "cost_report_usd" => "report calls",
        other => other,
    }
}

fn is_share(row: &Row) -> bool {
    metrics::find(row.metric).is_some_and(metrics::Metric::is_share)
}

/// A number of a row's metric: shares in percent.
fn number(row: &Row, value: f64) -> String {
    if is_share(row) { rounded(value * 100.0, 1) } else { short(value) }
}

fn published(row: &Row) -> String {
    match row.published {
        Value::Stated(value) => number(row, value),
        Value::Read(value) => format!("~{}", number(row, value)),
        Value::HeldOut => "held out".to_owned(),
        Value::Unpublished => "unpublished".to_owned(),
    }
}

/// The published standard deviation; nothing where there is none.
fn spread(line: &Line) -> String {
    let mark = if matches!(line.row.spread, Spread::Binomial(_)) { "b" } else { "" };
    let show = |sd| if is_share(&line.row) { number(&line.row, sd) } else { digits(sd, 2) };
    line.sd.map_or(String::new(), |sd| format!(" \u{b1}{}{mark}", show(sd)))
}

/// The simulated mean with its interval; for shares as on the first screen, ends rounded outwards.
fn simulated(row: &Row, simulated: &Simulated) -> String {
    let mean = number(row, simulated.mean);
    let Some(Interval { low, high }) = simulated.interval else { return mean };
    if is_share(row) {
        let (low, high) = (libm::floor(low * 100.0), libm::ceil(high * 100.0));
        return format!("{mean} [{},{}]", rounded(low, 0), rounded(high, 0));
    }
    format!("{mean} [{},{}]", short(low), short(high))
}

/// Both accounts of the rows whose published one leaves something out.
fn accounts(lines: &[&Line]) -> Vec<String> {
    let both = |line: &&Line| {
        let simulated = line.simulated.as_ref()?;
        let (part, whole) = (number(&line.row, simulated.mean), number(&line.row, simulated.whole_account?));
        let system = line.row.system;
        Some(format!(
            "{system}, {}: {part} in the published account, {whole} with the {}.",
            metric(&line.row),
            excluded(&line.row)
        ))
    };
    lines.iter().filter_map(both).collect()
}

/// Which rows set which parameter, a sentence for each.
fn inputs(lines: &[&Line]) -> Vec<String> {
    let mut found: Vec<(&str, Vec<String>)> = Vec::new();
    for line in lines {
        let Some(path) = line.input else { continue };
        let row = format!("{} {} {}", line.row.system, metric(&line.row), published(&line.row));
        match found.iter_mut().find(|(other, _)| *other == path) {
            Some((_, rows)) => rows.push(row),
            None => found.push((path, vec![row])),
        }
    }
    found
        .into_iter()
        .map(|(path, rows)| {
            format!("Input: {path}, set with these rows or with others of the same runs: {}.", rows.join(", "))
        })
        .collect()
}

/// What belongs to a name, name by name.
type Named = Vec<(String, Vec<String>)>;

/// What is not simulated, by reason, system and model.
fn left_out(held: &Held) -> String {
    let mut groups: Vec<(String, Named)> = Vec::new();
    for line in &held.lines {
        let Standing::NotSimulated(_) = line.standing else { continue };
        let (reason, row) = (why(&line.standing), &line.row);
        let change = if row.change.is_empty() { String::new() } else { format!(", {}", row.change) };
        let who = format!("{}{change} ({}, {})", row.system, row.model, row.data_set);
        let name = match row.team.size() {
            _ if !row.part.is_empty() => row.part.to_owned(),
            size if size > 1 && row.metric != "pass" => format!("{} at N = {size}", metric(row)),
            _ => metric(row),
        };
        let here = line.simulated.as_ref().map_or(String::new(), |s| {
            let whole = s.whole_account.map(|whole| format!(", {} with the {}", number(row, whole), excluded(row)));
            format!(" (here {}{})", number(row, s.mean), whole.unwrap_or_default())
        });
        let what = format!("{name} {}{}{here}", published(row), spread(line));
        let at = groups.iter().position(|(other, _)| *other == reason).unwrap_or_else(|| {
            groups.push((reason, Vec::new()));
            groups.len() - 1
        });
        let rows = &mut groups[at].1;
        match rows.iter_mut().find(|(other, _)| *other == who) {
            Some((_, whats)) => whats.push(what),
            None => rows.push((who, vec![what])),
        }
    }
    let mut out = String::new();
    if held.lines.iter().any(|line| matches!(line.standing, Standing::NotSimulated(_)) && line.simulated.is_some()) {
        let words = "Here: what this scenario gives, in the dollars and seconds of its own model; not comparable.";
        let _ = writeln!(out, "{words}\n");
    }
    for (reason, rows) in groups {
        let _ = writeln!(out, "{}", wrap(&format!("Not simulated, {reason}"), WIDTH, "  "));
        for (who, whats) in rows {
            let _ = writeln!(out, "- {}", wrap(&format!("{who}: {}", whats.join(", ")), WIDTH - 2, "    "));
        }
        out.push('\n');
    }
    out
}

/// The count of all rows, and what would sharpen it.
fn closing(scenario: &Scenario, held: &Held) -> Vec<String> {
    let Tally { misses, missed_inputs, agreements, inputs, open, not_simulated } = held.tally();
    let mut said = vec![format!(
        "Of {} rows {misses} are misses ({missed_inputs} of them inputs), {agreements} agree, {inputs} are inputs and \
         prove nothing, {open} are open (held out, unpublished or without a spread), {not_simulated} are not simulated.",
        held.lines.len()
    )];
    let blunt = held.blunt();
    if blunt > 0 {
        said.push(format!(
            "{blunt} of the judged rows are blunt: at {} replications simulation noise is above the published sd. Raise \
             --replications.",
            scenario.replications
        ));
    }
    said
}

/// All rows as Markdown.
fn page(scenario: &Scenario, held: &Held) -> String {
    let mut out = format!("# {}\n\n{}\n", scenario.name, head(scenario));
    let headings = [
        "standing",
        "system",
        "model",
        "part",
        "N",
        "metric",
        "published \u{b1}sd",
        "simulated [95 %]",
        "error",
        "policy",
        "input",
        "reason",
        "source",
    ];
    markdown::header(&mut out, &headings.map(str::to_owned), 4..=4);
    for line in &held.lines {
        let mut row = cells(line, &[]);
        standing(&line.standing).clone_into(&mut row[0]);
        row.truncate(7);
        row.insert(2, line.row.model.to_owned());
        row.insert(3, line.row.part.to_owned());
        row.push(line.simulated.as_ref().map_or(String::new(), |s| s.policy.clone()));
        row.push(line.input.unwrap_or_default().to_owned());
        row.push(why(&line.standing));
        row.push(line.row.source.to_owned());
        markdown::line(&mut out, &row);
    }
    let _ = writeln!(out, "\n{}\n", legend().replace('\n', " "));
    for sentence in closing(scenario, held) {
        let _ = writeln!(out, "{sentence}");
    }
    out
}
