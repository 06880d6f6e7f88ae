//! `manifest.json`: what reproduces a directory, and the hash of every file in it.
//!
//! Invariant: nothing here tells when, where or by whom it was computed. `commit` informs and is never compared.

use super::store::Results;
use crate::experiment::Scenario;
use crate::experiment::asked::Asked;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of the file.
pub const FILE: &str = "manifest.json";
/// Version of its form.
pub const SCHEMA_VERSION: u32 = 1;
/// Version of this program.
pub const PROGRAM_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The command that computed a study.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// One scenario as it stands.
    Run,
    /// Policies against a baseline.
    Compare,
    /// A transcript at another speed or under other limits.
    Replay,
    /// What flips a difference.
    Flip,
    /// Every policy in its best form.
    Tune,
}

/// A file that a study rests on besides its scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Input {
    /// blake3 of the file.
    pub hash: String,
    /// What was asked of it.
    pub options: String,
}

impl Input {
    /// A file and what is asked of it.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn of(path: &std::path::Path, options: &str) -> std::io::Result<Self> {
        let mut hasher = blake3::Hasher::new();
        std::io::copy(&mut std::fs::File::open(path)?, &mut hasher)?;
        Ok(Self { hash: hasher.finalize().to_hex().to_string(), options: options.to_owned() })
    }
}

impl Command {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Compare => "compare",
            Self::Replay => "replay",
            Self::Flip => "flip",
            Self::Tune => "tune",
        }
    }
}

/// The whole document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Manifest {
    /// Version of this form.
    pub schema_version: u32,
    /// Version of the program.
    pub program_version: String,
    /// Commit of the program, if its build knew one. Not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The command.
    pub command: Command,
    /// The command in full, without jobs, paths and format. For people; `scenario` is what counts.
    pub command_line: String,
    /// blake3 of command and scenario; names the default directory.
    pub config_hash: String,
    /// blake3 of the expanded scenario.
    pub scenario_hash: String,
    /// Seed of all random streams.
    pub seed: u64,
    /// Whether figures were drawn.
    pub figures: bool,
    /// A file that the study rests on besides its scenario.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Input>,
    /// The question that was asked of the scenario, if it was not its table of cells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// Digest over the traces of all runs; empty before they ran.
    pub trace_digest: String,
    /// blake3 of every other file, by name; empty before they were written.
    pub files: BTreeMap<String, String>,
    /// The scenario as it was run, presets and flags applied.
    #[serde(deserialize_with = "crate::experiment::reading::scenario")]
    pub scenario: Scenario,
}

impl Manifest {
    /// The manifest of a study that is still to be computed: what it will answer, not yet what it found.
    pub fn announce(command: Command, scenario: &Scenario, figures: bool) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            program_version: PROGRAM_VERSION.to_owned(),
            commit: option_env!("DELM_SIM_COMMIT").map(str::to_owned),
            command,
            command_line: command_line(command, scenario),
            config_hash: config_hash(command, scenario),
            scenario_hash: scenario_hash(scenario),
            seed: scenario.seed,
            figures,
            input: None,
            asked: None,
            trace_digest: String::new(),
            files: BTreeMap::new(),
            scenario: scenario.clone(),
        }
    }

    /// The same with further flags in its command line: those that changed a number and are not told by the scenario's
    /// own keys, in the order typed.
    #[must_use]
    pub fn typed(mut self, flags: &[(&str, String)]) -> Self {
        for (flag, value) in flags {
            self.command_line += " --";
            self.command_line += flag;
            if !value.is_empty() {
                self.command_line.push(' ');
                self.command_line.push_str(&quoted(value));
            }
        }
        self
    }

    /// The same for a study that rests on a file besides its scenario.
    #[must_use]
    pub fn resting_on(mut self, input: Input) -> Self {
        let text = format!("{}\n{}\n{}", self.config_hash, input.hash, input.options);
        self.config_hash = blake3::hash(text.as_bytes()).to_hex().to_string();
        self.input = Some(input);
        self
    }

    /// The same for a question that is asked of the scenario.
    #[must_use]
    pub fn asking(mut self, asked: Asked) -> Self {
        let text = format!("{}\n{}", self.config_hash, serde_json::to_string(&asked).expect("plain values"));
        self.config_hash = blake3::hash(text.as_bytes()).to_hex().to_string();
        self.asked = Some(asked);
        self
    }

    /// The manifest with what the study found.
    pub(super) fn complete(mut self, results: &Results) -> Self {
        results.digest.clone_into(&mut self.trace_digest);
        self.files = results.files.iter().map(|f| (f.name.clone(), f.hash())).collect();
        self
    }

    /// Whether both promise the same numbers: same form, program, command and scenario.
    pub fn same_question(&self, other: &Self) -> bool {
        self.schema_version == other.schema_version
            && self.program_version == other.program_version
            && self.config_hash == other.config_hash
    }

    /// Whether both found the same: equal traces, and equal hashes of the files that both have.
    pub fn same_result(&self, other: &Self) -> bool {
        let shared = |(name, hash)| other.files.get(name).is_none_or(|theirs| theirs == hash);
        self.trace_digest == other.trace_digest && self.files.iter().all(shared)
    }

    /// As JSON with a newline at its end.
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("plain values become JSON");
        text + "\n"
    }
}

/// blake3 of the expanded scenario, in hexadecimal.
pub fn scenario_hash(scenario: &Scenario) -> String {
    blake3::hash(canonical(scenario).as_bytes()).to_hex().to_string()
}

/// blake3 of command and expanded scenario, in hexadecimal.
pub fn config_hash(command: Command, scenario: &Scenario) -> String {
    let text = format!("{}\n{}", command.name(), canonical(scenario));
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// One text per scenario: keys in the order of the types, maps sorted, floats in their shortest form.
fn canonical(scenario: &Scenario) -> String {
    serde_json::to_string(scenario).expect("plain values become JSON")
}

/// A word as a shell takes it.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

fn command_line(command: Command, scenario: &Scenario) -> String {
    let agents: Vec<String> = scenario.agents.iter().map(u32::to_string).collect();
    format!(
        "delm-sim {} {} --seed {} --replications {} --agents {} --policy {} --baseline {}",
        command.name(),
        quoted(&scenario.name),
        scenario.seed,
        scenario.replications,
        agents.join(","),
        quoted(&scenario.policies.join(",")),
        quoted(&scenario.baseline),
    )
}
