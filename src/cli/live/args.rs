//! What can be typed after `live`.

use crate::cli::flags::ChangeArgs;
use crate::cli::format::Format;
use crate::experiment::live::GIVE_UP_AFTER;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Format of a file of questions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DataFormat {
    /// Told by the first record's fields
    #[default]
    Auto,
    /// HotpotQA
    Hotpotqa,
    /// Natural Questions with passages
    NaturalQuestions,
    /// Key-value retrieval
    KeyValue,
    /// LongBench-v2
    LongbenchV2,
    /// One's own: id, question, documents, answers, rule (exact, contains, number, choice)
    Own,
}

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ApiFlag {
    /// OpenAI's chat completions
    Openai,
    /// Anthropic's messages
    Anthropic,
    /// OpenAI's chat completions under Azure's paths and header
    Azure,
}

fn above_zero(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|x| x.is_finite() && *x > 0.0);
    number.ok_or_else(|| "must be a number above 0".to_owned())
}

/// `live`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "The key comes from OPENAI_API_KEY or --api-key-file, never from a flag: command lines are \
                        visible to all users of a machine.\nWithout a cap nothing is sent. Ctrl-C ends cleanly: calls \
                        in flight are awaited for two seconds, the rest is kept for --resume; a second Ctrl-C ends at \
                        once. A server may ask to wait for up to a day (Retry-After); beyond that the run stops, to be \
                        resumed.")]
pub struct LiveArgs {
    /// Scenario file or name of an embedded scenario, as `live-multi-doc-qa`
    #[arg(value_name = "SCENARIO")]
    pub scenario: String,
    /// Address of the server, as `http://localhost:8000/v1` [default: the variable OPENAI_BASE_URL]
    #[arg(long, value_name = "URL", help_heading = "Server")]
    pub base_url: Option<String>,
    /// Model that answers all calls, but for those of endpoints with their own
    #[arg(long, value_name = "NAME", help_heading = "Server")]
    pub model: Option<String>,
    /// What the server speaks [default: told by its address; openai]
    #[arg(long, value_enum, value_name = "API", help_heading = "Server")]
    pub api: Option<ApiFlag>,
    /// A server of its own for an endpoint of the scenario, a purpose (as `verify`) or a group of them (`lead`, `worker`,
    /// `verifier`); KEYENV is the NAME of the environment variable that holds the key, never the key. May be repeated
    #[arg(long, value_name = "NAME=URL,MODEL,KEYENV", help_heading = "Server")]
    pub endpoint: Vec<String>,
    /// File that holds the key [default: the variable OPENAI_API_KEY]
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    pub api_key_file: Option<PathBuf>,
    /// Most tries in flight per endpoint; the scenario's slots hold as well
    #[arg(long, value_name = "N", default_value_t = 64, help_heading = "Server")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub concurrency: u32,
    /// Seconds for a whole try, where the endpoint names none [default: the scenario's]
    #[arg(long, value_name = "SECONDS", value_parser = above_zero, help_heading = "Server")]
    pub timeout_s: Option<f64>,
    /// At least so many completion tokens (`max_tokens`) for every call; the scenario's longer ones stay
    #[arg(long, value_name = "N", help_heading = "Server")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub completion_tokens: Option<u32>,
    /// Stop after so many calls in a row that were cut, filtered, unreadable or refused alike; 0: never
    #[arg(long, value_name = "N", default_value_t = GIVE_UP_AFTER, help_heading = "Server")]
    pub give_up_after: u32,
    /// Milliseconds: above this 99 % quantile of the client's own delay the times are not valid [default: the
    /// scenario's]
    #[arg(long, value_name = "MS", value_parser = above_zero, help_heading = "Server")]
    pub max_delay_ms: Option<f64>,
    /// Most dollars, at the scenario's prices
    #[arg(long, value_name = "USD", value_parser = above_zero, help_heading = "Caps (at least one)")]
    pub max_usd: Option<f64>,
    /// Most prompt and completion tokens
    #[arg(long, value_name = "N", help_heading = "Caps (at least one)")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub max_tokens: Option<u64>,
    /// Most HTTP requests, retries and repairs included
    #[arg(long, value_name = "N", help_heading = "Caps (at least one)")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub max_calls: Option<u64>,
    /// Most seconds, all sessions of a resumed run together
    #[arg(long, value_name = "SECONDS", value_parser = above_zero, help_heading = "Caps (at least one)")]
    pub max_seconds: Option<f64>,
    /// File of questions, instead of the scenario's
    #[arg(long, value_name = "FILE", help_heading = "Scenario")]
    pub data: Option<PathBuf>,
    /// Its format
    #[arg(long, value_enum, default_value_t, requires = "data", help_heading = "Scenario")]
    pub data_format: DataFormat,
    /// Run programs that the model writes (`[live.programs]`): with limits on time, memory and output, but in no sandbox
    #[arg(long, help_heading = "Scenario")]
    pub allow_programs: bool,
    /// Ask all questions of a policy once more under another name: what differs between the two (A/A) means nothing
    #[arg(long, value_name = "POLICY", help_heading = "Scenario")]
    pub twin: Option<String>,
    /// Folder whose files replace the instructions of the same names (plan.md, step.md, verify.md, ..)
    #[arg(long, value_name = "FOLDER", help_heading = "Scenario")]
    pub prompts: Option<PathBuf>,
    /// Changes to the scenario.
    #[command(flatten)]
    pub change: ChangeArgs,
    /// Where journal and results go [default: delm-sim-out/live-<scenario>-<hash>]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub output_dir: Option<PathBuf>,
    /// Go on with the run that a directory holds; no call in its journal is made again
    #[arg(long, value_name = "DIR", conflicts_with_all = ["output_dir", "overwrite"], help_heading = "Output")]
    pub resume: Option<PathBuf>,
    /// Replace the run that is in the output directory, with all its paid replies
    #[arg(long, help_heading = "Output")]
    pub overwrite: bool,
    /// Form of the report on standard output
    #[arg(long, value_enum, default_value_t, help_heading = "Output")]
    pub format: Format,
    /// No progress and no advice on standard error
    #[arg(long, short, help_heading = "Output")]
    pub quiet: bool,
}
