//! `live`: a scenario's policies with real calls.
//!
//! ```text
//! scenario, caps, directory, key are checked -> is anybody there? -> journal -> runs -> files -> report
//! ```
//!
//! Invariant: nothing is sent before everything that can be checked without paying was checked; the key is read here,
//! handed to the client and shown nowhere.

pub mod args;
mod servers;

use super::format::Format;
use super::progress::Progress;
use super::{DONE, FAILED, INTERRUPTED, USAGE, UsageError, output, whole};
use crate::experiment::Scenario;
use crate::experiment::live::{self, Caps, LiveError, LiveStudy, Order, Stop};
use crate::kernel::Span;
use crate::live::chat::{Client, Threads, TryError};
use crate::live::desk::Prompts;
use crate::live::questions::{FileSpec, Format as Questions, Source};
use crate::live::world::{JOURNAL_FILE, Journal};
use crate::policy::Catalog;
use crate::report::{self, DirectoryError};
use anyhow::{Context, Result};
use args::{DataFormat, LiveArgs};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

fn usage(text: impl Into<String>) -> anyhow::Error {
    UsageError(text.into()).into()
}

/// Conducts the scenario live, stores what was measured and prints the report.
pub fn execute(args: &LiveArgs, catalog: &Catalog) -> Result<u8> {
    let mut scenario = load(args, catalog)?;
    if scenario.live.as_ref().is_some_and(|live| live.programs.is_some()) {
        if !args.allow_programs {
            let told = "live.programs: programs that a model writes would be run, with limits but in no sandbox; start it in \
                        a container or on a machine that may be lost, and say so with --allow-programs";
            return Err(usage(told));
        }
        if let Some(flag) = [args.prompts.as_ref().map(|_| "--prompts"), args.data.as_ref().map(|_| "--data")]
            .into_iter()
            .flatten()
            .next()
        {
            return Err(usage(format!("{flag}: is for questions over documents; problems are in live.programs.path")));
        }
    }
    let twins = twins(args, &mut scenario)?;
    let caps = caps(args, &scenario)?;
    let prompts = args.prompts.as_deref().map(Prompts::read).transpose();
    let prompts = prompts.map_err(|e| usage(format!("--prompts: {e}")))?.map(Arc::new);
    let servers = servers::all(args, &scenario)?;
    live::check(&scenario).map_err(|e| usage(e.to_string()))?;
    let dir = directory(args, &scenario)?;
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The second signal ends the process at once; the order of these two lines is what makes it the second.
        flag::register_conditional_shutdown(signal, i32::from(INTERRUPTED), interrupted.clone())?;
        flag::register(signal, interrupted.clone())?;
    }
    for client in distinct(&servers.clients) {
        greet(client, args)?;
    }
    if args.resume.is_none() {
        make(&dir, args.overwrite)?;
    }
    // Where every endpoint has its own server, the first one stands for the run.
    let main = servers.default.clone().or_else(|| servers.own.values().next().cloned());
    let main = main.expect("roles name an endpoint");
    let order = Order {
        model: main.model,
        url: main.url,
        twins,
        prompts,
        server: servers.default,
        servers: servers.own,
        caps,
        concurrency: args.concurrency,
        dir: dir.clone(),
        resume: args.resume.is_some(),
        max_delay: args.max_delay_ms.map(|ms| Span::from_secs_f64(ms * 1e-3)),
        timeout: args.timeout_s.map(Span::from_secs_f64),
        give_up_after: (args.give_up_after > 0).then_some(args.give_up_after),
        tell: Some(output::say),
    };
    let progress = Progress::new(args.quiet);
    let mut transport = Threads::of(servers.clients, interrupted);
    let done = live::conduct_live(&scenario, &order, &mut transport, &|done, total| progress.tick(done, total));
    progress.clear();
    let done = done.map_err(|error| match error {
        LiveError::Unfit(_) | LiveError::Questions(_) | LiveError::Resume(_) => {
            usage(format!("{:#}", anyhow::Error::from(error)))
        }
        error => error.into(),
    })?;
    if let Some(Stop::Diverged(why)) = &done.stop {
        // Nothing was sent, and what is in the directory stays as it is.
        let mend = "resume with the scenario, questions and version that it was recorded with, or begin anew with \
                    another --output-dir";
        return Err(usage(format!("{}: {why}; {mend}", dir.join(JOURNAL_FILE).display())));
    }
    if let Err(error) = store(&dir, &done) {
        // Why it stopped comes first: a full disk meets the journal before the report.
        let code = tell(&done, &dir);
        output::say(&format!("error: {error:#}"));
        return Ok(code.max(FAILED));
    }
    output::print(&match args.format {
        Format::Table => report::live::screen(&done),
        Format::Md => report::live::markdown(&done),
        Format::Json => report::live::json(&done),
        Format::Csv => report::files::metrics_csv(&done.study),
    })?;
    if !args.quiet {
        let there: Vec<&str> = FILES.into_iter().filter(|name| dir.join(name).exists()).collect();
        output::say(&format!("{}: {}", dir.display(), there.join(" ")));
    }
    Ok(tell(&done, &dir))
}

/// Why the run stopped, on standard error, and the exit code.
fn tell(done: &LiveStudy, dir: &Path) -> u8 {
    let again = format!("go on with the same command and `--resume {}`", dir.display());
    match &done.stop {
        None => match done.faults().first() {
            Some(why) if done.endings().fault().is_some() => {
                let mend =
                    "mend that and begin anew with another --output-dir: answers in the journal stay as they are";
                output::say(&format!("error: not valid, no measurement: {why}; {mend}"));
                FAILED
            }
            Some(why) => {
                output::say(&format!("warning: not valid in part: {why}"));
                DONE
            }
            None => DONE,
        },
        Some(Stop::Hopeless(why)) => {
            output::say(&format!(
                "error: {why}, then begin anew with another --output-dir; to go on all the same, {again} and \
                 `--give-up-after 0`"
            ));
            FAILED
        }
        Some(Stop::Interrupted) => {
            output::say(&format!("interrupted: what was done is kept; {again}"));
            INTERRUPTED
        }
        Some(Stop::Budget(reached)) => {
            output::say(&format!("error: budget reached: {}; {again} and a higher cap", reached.told));
            FAILED
        }
        Some(Stop::Refused(why)) => {
            output::say(&format!("error: {why}; then {again}"));
            FAILED
        }
        Some(Stop::Journal(why)) => {
            output::say(&format!("error: cannot write {}: {why}; {again}", dir.join(JOURNAL_FILE).display()));
            FAILED
        }
        // Told before anything was stored.
        Some(Stop::Diverged(_)) => USAGE,
    }
}

fn load(args: &LiveArgs, catalog: &Catalog) -> Result<Scenario> {
    let mut scenario = crate::cli::load(&args.scenario, &args.change.overrides(catalog))?;
    if let Some(path) = &args.data {
        let format = match args.data_format {
            DataFormat::Auto => Questions::Auto,
            DataFormat::Hotpotqa => Questions::Hotpotqa,
            DataFormat::NaturalQuestions => Questions::NaturalQuestions,
            DataFormat::KeyValue => Questions::KeyValue,
            DataFormat::LongbenchV2 => Questions::LongbenchV2,
            DataFormat::Own => Questions::Own,
        };
        let live = scenario.live.get_or_insert_default();
        live.questions.source = Source::File(FileSpec { format, ..FileSpec::new(path) });
    }
    if let Some(least) = args.completion_tokens {
        scenario.live.get_or_insert_default().desk.least_completion_tokens = least;
    }
    servers::take_up(args, &mut scenario)?;
    // Replications are questions: whoever asks for more of them means it.
    if let (Some(n), Some(live)) = (args.change.replications, &mut scenario.live) {
        if let Some(programs) = &mut live.programs {
            programs.limit = programs.limit.max(n.saturating_mul(scenario.tasks));
        }
        live.questions.limit = live.questions.limit.max(n.saturating_mul(scenario.tasks));
    }
    Ok(scenario)
}

/// Adds the twin of a policy, run last; both names.
fn twins(args: &LiveArgs, scenario: &mut Scenario) -> Result<Option<(String, String)>> {
    let Some(policy) = &args.twin else { return Ok(None) };
    let is_plain = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if !scenario.policies.contains(policy) || !is_plain(policy) {
        let known: Vec<&str> = scenario.policies.iter().map(String::as_str).filter(|name| is_plain(name)).collect();
        let told =
            format!("--twin: \"{}\" is not among the policies that run: {}", policy.escape_debug(), known.join(", "));
        return Err(usage(told));
    }
    let twin = format!("{policy}-twin");
    if scenario.policies.contains(&twin) || scenario.policy.contains_key(&twin) {
        return Err(usage(format!("--twin: the scenario has a policy {twin} already; rename it")));
    }
    let mut own = scenario.policy.get(policy).cloned().unwrap_or_default();
    own.entry("based_on").or_insert_with(|| policy.as_str().into());
    scenario.policy.insert(twin.clone(), own);
    if let Some(protocol) = scenario.protocol.get(policy).cloned() {
        scenario.protocol.insert(twin.clone(), protocol);
    }
    scenario.policies.push(twin.clone());
    Ok(Some((policy.clone(), twin)))
}

fn caps(args: &LiveArgs, scenario: &Scenario) -> Result<Caps> {
    let caps = Caps { usd: args.max_usd, tokens: args.max_tokens, calls: args.max_calls, seconds: args.max_seconds };
    if caps.are_absent() {
        let told = "live calls cost money: give at least one of --max-usd, --max-tokens, --max-calls, --max-seconds";
        return Err(usage(told));
    }
    if caps.usd.is_some() {
        let used = servers::used(scenario);
        for (name, endpoint) in scenario.endpoints.iter().filter(|(name, _)| used.contains(name.as_str())) {
            let rates = &endpoint.price.rates;
            let both =
                [("input_usd_per_mtok", rates.input_usd_per_mtok), ("output_usd_per_mtok", rates.output_usd_per_mtok)];
            let free: Vec<&str> = both.iter().filter(|(_, usd)| *usd <= 0.0).map(|(rate, _)| *rate).collect();
            if !free.is_empty() {
                return Err(usage(format!(
                    "--max-usd needs prices: endpoints.{name}.price.rates: {} is 0; set it (--set PATH=VALUE works; \
                     1e-9 for what is free), or cap --max-tokens or --max-calls instead",
                    free.join(" and ")
                )));
            }
        }
    }
    Ok(caps)
}

/// Each server and model once.
fn distinct(clients: &[Arc<Client>]) -> Vec<&Client> {
    let mut seen: Vec<(String, &str)> = Vec::new();
    let mut found = Vec::new();
    for client in clients {
        let name = (client.url(), client.model());
        if !seen.contains(&name) {
            seen.push(name);
            found.push(&**client);
        }
    }
    found
}

/// Whether anybody is there; costs nothing.
fn greet(client: &Client, args: &LiveArgs) -> Result<()> {
    let warn = |text: &str| {
        if !args.quiet {
            output::say(&format!("warning: {text}"));
        }
    };
    match client.models() {
        Ok(names) if !names.is_empty() && !names.iter().any(|name| name == client.model()) => {
            let some: Vec<&str> = names.iter().take(8).map(String::as_str).collect();
            let (url, model) = (client.url(), client.model());
            warn(&format!("{url}: the server does not list the model {model}; it lists {}", some.join(", ")));
        }
        Ok(_) | Err(TryError::Status { status: 404 | 405, .. }) => {}
        Err(error @ TryError::Connection { sent: false, .. }) if args.resume.is_none() => {
            let mend = "is the server running, and are scheme, host and port of --base-url (or --endpoint) right?";
            anyhow::bail!("{}: {error}; nothing was sent; {mend}", client.url());
        }
        Err(error) => warn(&format!("{}: GET models: {error}", client.url())),
    }
    Ok(())
}

fn directory(args: &LiveArgs, scenario: &Scenario) -> Result<PathBuf> {
    if let Some(dir) = &args.resume {
        if !dir.join(JOURNAL_FILE).is_file() {
            return Err(usage(format!("--resume: {} holds no {JOURNAL_FILE}", dir.display())));
        }
        return Ok(dir.clone());
    }
    let dir = args.output_dir.clone().unwrap_or_else(|| {
        let prompts = args.prompts.as_ref().map(|folder| folder.display().to_string()).unwrap_or_default();
        let text = format!("live {} {}{prompts}", scenario.hash8(), args.model.as_deref().unwrap_or_default());
        let hash = blake3::hash(text.as_bytes()).to_hex();
        Path::new(report::directory::ROOT).join(format!("live-{}-{}", scenario.name, &hash[..8]))
    });
    if dir.exists() && !dir.is_dir() {
        return Err(DirectoryError::NotADirectory { path: dir }.into());
    }
    if dir.join(JOURNAL_FILE).exists() && !args.overwrite {
        return Err(usage(format!(
            "{} holds a live run; go on with `--resume {}`, choose another --output-dir, or give it up with --overwrite",
            dir.display(),
            dir.display()
        )));
    }
    let other = fs::read_dir(&dir).ok().and_then(|mut d| d.next()).is_some();
    if other && !dir.join(JOURNAL_FILE).exists() && !args.overwrite {
        let holds = "it holds files that are not a live run".to_owned();
        return Err(DirectoryError::Occupied { dir, holds }.into());
    }
    Ok(dir)
}

/// Files of a live run's directory.
const FILES: [&str; 5] =
    [JOURNAL_FILE, "metrics.csv", "summary.json", report::live::FILE, report::live::NOT_VALID_FILE];

fn make(dir: &Path, overwrite: bool) -> Result<()> {
    fs::create_dir_all(dir)
        .map_err(|e| usage(format!("cannot create {}: {e}; choose another --output-dir", dir.display())))?;
    if overwrite {
        let journal = dir.join(JOURNAL_FILE);
        if journal.exists() {
            Journal::remove(&journal).with_context(|| format!("cannot replace {}", journal.display()))?;
        }
        for name in FILES.iter().rev() {
            let path = dir.join(name);
            if path.exists() {
                fs::remove_file(&path).with_context(|| format!("cannot replace {}", path.display()))?;
            }
        }
    }
    Ok(())
}

fn store(dir: &Path, done: &LiveStudy) -> Result<()> {
    let files = report::live::files(done);
    let stale = dir.join(report::live::NOT_VALID_FILE);
    if stale.exists() && files.iter().all(|(name, _)| *name != report::live::NOT_VALID_FILE) {
        fs::remove_file(&stale).with_context(|| format!("cannot remove {}", stale.display()))?;
    }
    for (name, text) in files {
        whole::write(&dir.join(name), text)?;
    }
    Ok(())
}
