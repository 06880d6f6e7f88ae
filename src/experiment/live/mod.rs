//! Conducting a scenario with real calls: policies, team sizes and questions one after the other, one run at a time.
//!
//! ```text
//! per run: a past in the journal?  complete -> driven again from it, nothing is sent
//!                                  cut off  -> driven again as far as it goes, then real
//!                                  none     -> real
//! ```
//!
//! Invariant: every run goes through the same code, whether it is real or journalled, so that a resumed study gives the
//! same metrics as one that was never stopped; runs that did not come to their end are in no metric.

mod journal;

use super::cells::cell;
use super::metrics::Measures;
use super::replication::{Point, Run};
use super::scenario::{LiveSpec, Scenario};
use super::study::Study;
use crate::kernel::{Key, Span};
use crate::live::chat::{Transport, unix_ms};
use crate::live::desk::{Desk, Prompts, Reading, Solving};
use crate::live::programs::ProgramsSpec;
use crate::live::questions::{Problem, Question, QuestionsError};
pub use crate::live::world::Server;
pub use crate::live::world::{Budget, Caps, Charge, Endings, GIVE_UP_AFTER, Measured, Quantiles, Stop};
use crate::live::world::{
    JOURNAL_FILE, Journal, Live, LiveOptions, Past, Pasts, ResumeError, Sampling, Session, Setup,
};
use crate::model::workload::WorkloadSpec;
use crate::policy::Policy;
use crate::record::Trace;
use crate::record::transcript::RunLine;
use crate::runtime::{RunError, drive};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What to do, besides the scenario.
#[derive(Clone, Debug)]
pub struct Order {
    /// Model that answers.
    pub model: String,
    /// Where requests go, without secrets.
    pub url: String,
    /// A policy and its twin, for the A/A rows.
    pub twins: Option<(String, String)>,
    /// Instructions instead of this program's.
    pub prompts: Option<Arc<Prompts>>,
    /// The server of all other endpoints; what `model` and `url` say, if there is none.
    pub server: Option<Server>,
    /// Servers of endpoints that have their own, by name.
    pub servers: BTreeMap<String, Server>,
    /// Caps.
    pub caps: Caps,
    /// Most tries in flight per endpoint.
    pub concurrency: u32,
    /// Where the journal is.
    pub dir: PathBuf,
    /// Go on with the journal that is there.
    pub resume: bool,
    /// Instead of the scenario's limit of the client's own delay.
    pub max_delay: Option<Span>,
    /// Instead of the scenario's time limit of a try.
    pub timeout: Option<Span>,
    /// Equal ends of calls in a row after which the run stops; `None`: never.
    pub give_up_after: Option<u32>,
    /// Tells whoever waits why nothing happens for long.
    pub tell: Option<fn(&str)>,
}

/// Why a live study cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The scenario has no live form.
    #[error("{0}")]
    Unfit(String),
    /// The questions.
    #[error(transparent)]
    Questions(#[from] QuestionsError),
    /// A run failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The journal that is there.
    #[error(transparent)]
    Resume(#[from] ResumeError),
    /// The journal to come.
    #[error("cannot write {}: {source}", path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// What one policy did at one team size.
#[derive(Clone, Debug)]
pub struct LiveCell {
    /// Policy.
    pub policy: String,
    /// Workers.
    pub agents: u32,
    /// Runs that came to their end.
    pub runs: u32,
    /// Measurements of all runs, unfinished ones included.
    pub measured: Measured,
}

/// What a live command did.
#[derive(Clone, Debug)]
pub struct LiveStudy {
    /// Metrics, as of any study.
    pub study: Study,
    /// Measurements.
    pub cells: Vec<LiveCell>,
    /// Runs that the scenario asks for.
    pub runs_asked: u32,
    /// Runs that came to their end.
    pub runs_done: u32,
    /// Money.
    pub budget: Budget,
    /// Time of all sessions.
    pub elapsed: Span,
    /// Why it stopped early, if it did.
    pub stop: Option<Stop>,
    /// Why times are not to be trusted: run and reason.
    pub invalid: Vec<String>,
    /// What else to know.
    pub warnings: Vec<String>,
    /// What it was asked to do.
    pub order: Order,
}

impl LiveStudy {
    /// How all calls ended.
    pub fn endings(&self) -> Endings {
        let mut all = Endings::default();
        for cell in &self.cells {
            all.add(&cell.measured.endings);
        }
        all
    }

    /// Why it is no measurement, as a whole or at some points, with the mends; empty if it is one.
    pub fn faults(&self) -> Vec<String> {
        let whole = self.endings().fault();
        let alone = self.cells.len() == 1 && whole.is_some();
        let cells = self.cells.iter().filter(|_| !alone).filter_map(|cell| {
            Some(format!("{} with {} agents: {}", cell.policy, cell.agents, cell.measured.endings.fault()?))
        });
        whole.into_iter().chain(cells).collect()
    }
}

/// What is asked: questions over documents, or problems for programs.
#[derive(Clone)]
enum Asked {
    Question(Arc<Question>),
    Problem(Arc<Problem>, Arc<ProgramsSpec>),
}

impl Asked {
    /// As the hash of all that is asked takes it in.
    fn bytes(&self) -> Vec<u8> {
        let bytes = match self {
            Self::Question(question) => serde_json::to_vec(&**question),
            Self::Problem(problem, _) => serde_json::to_vec(&**problem),
        };
        bytes.expect("what is asked is plain values")
    }
}

/// Runs of a point at a replication.
struct Task<'a> {
    point: &'a Point<'a>,
    replication: u32,
    number: u64,
}

/// Runs the scenario over a transport; `progress` is called with runs done and asked for.
///
/// # Errors
/// What keeps it from beginning, or a defect. Caps, refusals and interruptions are no errors: they stand in the study.
pub fn conduct_live(
    scenario: &Scenario,
    order: &Order,
    transport: &mut dyn Transport,
    progress: &dyn Fn(u64, u64),
) -> Result<LiveStudy, LiveError> {
    let (spec, questions) = prepare(scenario)?;
    let replications = (questions.len() as u32 / scenario.tasks).min(scenario.replications);
    let points = scenario
        .policies
        .iter()
        .flat_map(|p| scenario.agents.iter().map(move |n| (p, *n)))
        .map(|(p, n)| Point::new(scenario, p, n))
        .collect::<Result<Vec<_>, _>>()?;
    let (journal, mut pasts) = journal::journal(scenario, order, &questions)?;
    let options = Arc::new(LiveOptions {
        sampling: Sampling {
            model: order.model.clone(),
            temperature: Some(spec.temperature),
            seed: spec.sampling_seed.map(u64::from),
        },
        url: order.url.clone(),
        concurrency: order.concurrency,
        timeout: order.timeout.unwrap_or(Span::from_secs_f64(spec.timeout_s)),
        silence: Span::from_secs_f64(spec.silence_s),
        grace: Span::from_secs_f64(2.0),
    });
    let prompts = order.prompts.clone().unwrap_or_default();
    let mut session = Session::new(order.caps);
    let server = |name| order.servers.get(name).or(order.server.as_ref()).cloned();
    session.servers = scenario.endpoints.keys().map(server).collect();
    (session.tell, session.give_up_after) = (order.tell, order.give_up_after);
    let most_delay = order.max_delay.unwrap_or(Span::from_secs_f64(spec.max_scheduling_delay_ms * 1e-3));
    let asked = points.len() as u32 * replications;
    let (mut cells, mut runs) = (Vec::new(), Vec::new());
    let (mut invalid, mut warnings) = (Vec::new(), Vec::new());
    let (mut stop, mut done) = (None, 0);
    let mut hasher = blake3::Hasher::new();
    for point in &points {
        let mut own: Vec<Run> = Vec::new();
        let mut measured = Measured::default();
        for replication in 0..replications {
            let past = pasts.as_mut().map(Pasts::next_run).transpose()?.flatten().unwrap_or_default();
            let was_killed = past.was_killed;
            let number = (cells.len() as u64) * u64::from(replications) + u64::from(replication);
            let task = Task { point, replication, number };
            let (mut policies, setup) =
                set_up(scenario, &task, &questions, &spec, (&options, &prompts), (&journal, &order.dir), past)?;
            let mut world = Live::new(&mut *transport, &mut session, setup);
            let driven = drive(&mut world, &mut policies).map_err(|error| error.of(point.policy));
            let ended = world.close(most_delay);
            measured.add(&ended.measured);
            let name = format!("{} with {} agents, question {replication}", point.policy, point.agents);
            invalid.extend(ended.invalid.map(|why| format!("{name}: {why}")));
            if was_killed {
                warnings.push(format!(
                    "{name}: an earlier session of it was killed; whether its client was late is not known"
                ));
            }
            if ended.stop.is_some() {
                stop = ended.stop;
                break;
            }
            driven?;
            warnings.extend(ended.summary.broken_identity().map(|what| format!("{name}: {what}")));
            hasher.update(&ended.digest);
            own.push(Run {
                measures: Measures::of(&ended.summary, point.fleet.prices_are_known()),
                digest: ended.digest,
            });
            done += 1;
            progress(u64::from(done), u64::from(asked));
        }
        let policy = point.policy.to_owned();
        cells.push(LiveCell { policy, agents: point.agents, runs: own.len() as u32, measured });
        runs.push(own);
        if stop.is_some() {
            break;
        }
    }
    let measured_points = points.iter().zip(&runs).filter(|(_, runs)| !runs.is_empty());
    let study = Study {
        cells: measured_points.map(|(p, runs)| cell(scenario, p, runs, super::study::Origin::Measured)).collect(),
        comparisons: Vec::new(),
        best_central: Vec::new(),
        checks: Vec::new(),
        verdicts: Vec::new(),
        warnings: Vec::new(),
        inputs: super::parameters::counts(&super::parameters::parameters(scenario)),
        digest: hasher.finalize().to_hex()[..16].to_owned(),
        scenario: scenario.clone(),
    };
    warnings.extend(failures(&cells));
    if replications < scenario.replications {
        warnings.push(format!(
            "{} replications were asked for, but the questions are enough for {replications} only",
            scenario.replications
        ));
    }
    Ok(LiveStudy {
        study,
        cells,
        runs_asked: asked,
        runs_done: done,
        budget: session.budget,
        elapsed: session.elapsed,
        stop,
        invalid,
        warnings,
        order: order.clone(),
    })
}

/// Calls that failed for good, by reason, the most frequent first.
fn failures(cells: &[LiveCell]) -> Vec<String> {
    let mut all = Measured::default();
    for cell in cells {
        all.add(&cell.measured);
    }
    let mut reasons: Vec<(String, u64)> = all.reasons.into_iter().collect();
    reasons.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let rest: u64 = reasons.iter().skip(MOST_REASONS).map(|(_, n)| n).sum();
    let told = reasons.iter().take(MOST_REASONS);
    let mut told: Vec<String> = told.map(|(why, n)| format!("{n} call(s) failed for good: {why}")).collect();
    if rest > 0 {
        told.push(format!("{rest} more call(s) failed for good, for other reasons"));
    }
    told
}

/// Reasons of failed calls that are told one by one.
const MOST_REASONS: usize = 8;

/// The questions, and how they are asked.
fn prepare(scenario: &Scenario) -> Result<(LiveSpec, Vec<Asked>), LiveError> {
    let programs = scenario.live.as_ref().and_then(|live| live.programs.clone());
    if matches!(scenario.workload, WorkloadSpec::Search(_)) && programs.is_none() {
        let why = "live runs need a scenario with [workload.divide] (questions have documents to read; try \
                   live-multi-doc-qa), or [live.programs] for [workload.search]";
        return Err(LiveError::Unfit(why.to_owned()));
    }
    if scenario.measure.is_some() {
        let why = "live runs go to their end; leave [measure] out of the scenario";
        return Err(LiveError::Unfit(why.to_owned()));
    }
    let spec = scenario.live.clone().unwrap_or_default();
    let mut wanted = spec.questions.clone();
    wanted.limit = wanted.limit.min(scenario.replications.saturating_mul(scenario.tasks));
    let questions: Vec<Asked> = match programs.filter(|_| matches!(scenario.workload, WorkloadSpec::Search(_))) {
        Some(mut programs) => {
            programs.limit = programs.limit.min(scenario.replications.saturating_mul(scenario.tasks));
            let problems = programs.load()?;
            let programs = Arc::new(programs);
            problems.into_iter().map(|p| Asked::Problem(Arc::new(p), programs.clone())).collect()
        }
        None => wanted.load(scenario.seed)?.into_iter().map(|q| Asked::Question(Arc::new(q))).collect(),
    };
    if questions.len() < scenario.tasks as usize {
        let why = format!("{} questions are too few for {} tasks per replication", questions.len(), scenario.tasks);
        return Err(LiveError::Unfit(why));
    }
    Ok((spec, questions))
}

/// The number of questions that a live run of the scenario would ask per cell.
///
/// # Errors
/// As for conducting it; reads the questions and sends nothing.
pub fn check(scenario: &Scenario) -> Result<u32, LiveError> {
    let (_, questions) = prepare(scenario)?;
    for policy in &scenario.policies {
        for agents in &scenario.agents {
            Point::new(scenario, policy, *agents)?;
        }
    }
    Ok(questions.len() as u32 / scenario.tasks)
}

/// Names of endpoints by number; the last one is plain code.
fn endpoints(scenario: &Scenario) -> Vec<String> {
    scenario.endpoints.keys().cloned().chain(["code".to_owned()]).collect()
}

fn set_up(
    scenario: &Scenario,
    task: &Task,
    questions: &[Asked],
    spec: &LiveSpec,
    (options, prompts): (&Arc<LiveOptions>, &Arc<Prompts>),
    (journal, dir): (&Journal, &Path),
    past: Past,
) -> Result<(Vec<Box<dyn Policy>>, Setup), LiveError> {
    let Task { point, replication, number } = *task;
    let (policies, team) = point.policies();
    let run = RunLine { started_unix_ms: Some(unix_ms()), ..point.run_line(number, u64::from(replication), &team) };
    if let Some(there) = &past.run {
        let same = (there.run, &there.policy, there.agents, there.replication)
            == (run.run, &run.policy, run.agents, run.replication);
        if !same {
            let what = format!(
                "run {} there is {} with {} agents, question {}; now it is {} with {} agents, question {replication}",
                there.run,
                there.policy.as_deref().unwrap_or("nobody"),
                there.agents,
                there.replication,
                point.policy,
                point.agents
            );
            return Err(ResumeError::Other { path: dir.join(JOURNAL_FILE), what }.into());
        }
    }
    let desk_spec = Arc::new(spec.desk.clone());
    let first = (replication * scenario.tasks) as usize;
    let desks = questions[first..first + scenario.tasks as usize]
        .iter()
        .map(|q| {
            let heading = if spec.separate_runs { format!("Run {number}.") } else { String::new() };
            match q {
                Asked::Question(q) => {
                    let desk = Reading::new(q.clone(), desk_spec.clone()).prompted(prompts.clone());
                    Box::new(desk.headed(heading)) as Box<dyn Desk>
                }
                Asked::Problem(p, programs) => {
                    Box::new(Solving::new(p.clone(), desk_spec.clone(), programs.clone()).headed(heading))
                }
            }
        })
        .collect();
    let mut trace = Trace::new(point.summary(&team), None);
    trace.recorder = Some(past.recorder(journal, endpoints(scenario), run));
    let setup = Setup {
        fleet: point.fleet.clone(),
        key: Key::new(scenario.seed, u64::from(replication)),
        desks,
        trace,
        journal: Some(journal.clone()),
        past,
        options: options.clone(),
    };
    Ok((policies, setup))
}
