//! A scenario held against the published rows of its workload: what is published, what is simulated, and how far apart.
//!
//! The walk: find the point of the scenario that each row is of, or why there is none; simulate all points; judge.

use super::matching::kind;
use super::place::{Place, Reason, place};
use super::rows::{ROWS, Row, Value};
use crate::experiment::conduct::Options;
use crate::experiment::runner::{Runner, in_pool};
use crate::experiment::scenario::Scenario;
use crate::experiment::study::{Cell, Series};
use crate::runtime::RunError;
use crate::stats::Interval;
use serde::Serialize;

/// An error of more combined standard deviations than this is a miss.
pub const MISS: f64 = 2.0;
/// Half a 95 % interval over its standard error.
const Z: f64 = 1.959_963_984_540_054;

/// Why a row that is simulated is not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// The number is published, but held out here.
    HeldOut,
    /// Nobody published a number.
    Unpublished,
    /// Nobody told the published number's spread.
    NoSpread,
    /// One replication has no spread.
    OneReplication,
}

/// What came of a row. The order is that of the report.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// Simulated and published differ by more than [`MISS`].
    Miss,
    /// They do not.
    Agrees,
    /// They do not differ, or nothing is simulated, and the row was used to set a parameter: it proves nothing.
    Input(Option<Reason>),
    /// Simulated, and there is nothing to judge by.
    Open(Open),
    /// Nothing here states the row.
    NotSimulated(Reason),
}

/// What is simulated for a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulated {
    /// Policy.
    pub policy: String,
    /// Mean over replications.
    pub mean: f64,
    /// Its 95 % interval; none for one replication.
    pub interval: Option<Interval>,
    /// The mean with what the published account leaves out.
    pub whole_account: Option<f64>,
}

/// A published row beside the scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What came of it.
    pub standing: Standing,
    /// The row.
    pub row: Row,
    /// Standard deviation of the published number, stated or binomial.
    pub sd: Option<f64>,
    /// What is simulated. Where the row is not judged because it is another model's, for information.
    pub simulated: Option<Simulated>,
    /// Simulated minus published over their combined standard deviation.
    pub error_sds: Option<f64>,
    /// The parameter of the scenario that was set with the row.
    pub input: Option<&'static str>,
}

/// All rows of a scenario's workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Misses, greatest error first; then agreements, inputs, open rows, and rows that are not simulated.
    pub lines: Vec<Line>,
}

/// How many rows ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Misses.
    pub misses: usize,
    /// Of them, rows that were used to set a parameter.
    pub missed_inputs: usize,
    /// Agreements.
    pub agreements: usize,
    /// Inputs that are no miss.
    pub inputs: usize,
    /// Simulated, nothing to judge by.
    pub open: usize,
    /// Not simulated.
    pub not_simulated: usize,
}

/// Holds a scenario against the published rows of its workload; none for a workload that nobody published.
///
/// # Errors
/// When a run fails.
pub fn held(scenario: &Scenario, options: &Options) -> Result<Option<Held>, RunError> {
    let Some(kind) = kind(&scenario.workload) else { return Ok(None) };
    let rows: Vec<Row> = ROWS.iter().filter(|row| row.workload == kind).cloned().collect();
    against(scenario, rows, options).map(Some)
}

/// Holds a scenario against rows.
pub(super) fn against(scenario: &Scenario, rows: Vec<Row>, options: &Options) -> Result<Held, RunError> {
    let mut wide = scenario.clone();
    let places: Vec<(u32, Place)> = rows.iter().map(|row| (row.team.size(), place(&mut wide, row))).collect();
    let cells = simulate(&wide, &places, options)?;
    let json = serde_json::to_value(scenario).expect("a scenario is plain values");
    let mut lines: Vec<Line> = rows
        .into_iter()
        .zip(places)
        .map(|(row, (_, place))| {
            let input = row.sets.as_ref().filter(|sets| sets.holds_in(&json)).map(|sets| sets.path);
            judge(row, place, &cells, input)
        })
        .collect();
    lines.sort_by(|a, b| order(a).partial_cmp(&order(b)).expect("errors are numbers"));
    Ok(Held { lines })
}

/// Runs every point once, however many rows are of it.
fn simulate(wide: &Scenario, places: &[(u32, Place)], options: &Options) -> Result<Vec<Cell>, RunError> {
    let mut wanted: Vec<(&str, u32)> = Vec::new();
    for (agents, place) in places {
        let point = place.policy.as_deref().map(|policy| (policy, *agents));
        wanted.extend(point.filter(|point| !wanted.contains(point)));
    }
    let mut runner = Runner::new(options.progress, wanted.len() as u64 * u64::from(wide.replications));
    in_pool(options.jobs, || runner.cells(wide, &wanted, 0, wide.replications))
}

/// What the cell of a row's point says of its metric, in the row's account.
fn simulated(row: &Row, cell: &Cell) -> Option<Simulated> {
    let whole = cell.get(row.metric)?;
    let mut values = whole.values.clone();
    if !row.less.is_empty() {
        let less = cell.get(row.less).filter(|less| less.values.len() == values.len())?;
        values.iter_mut().zip(&less.values).for_each(|(value, less)| *value -= less);
    }
    let summary = Series { values, ..whole.clone() }.summary();
    Some(Simulated {
        policy: cell.policy.clone(),
        mean: summary.mean,
        interval: summary.interval,
        whole_account: (!row.less.is_empty()).then(|| whole.summary().mean),
    })
}

fn judge(row: Row, place: Place, cells: &[Cell], input: Option<&'static str>) -> Line {
    let is = |cell: &&Cell| Some(&cell.policy) == place.policy.as_ref() && cell.agents == row.team.size();
    let simulated = cells.iter().find(is).and_then(|cell| simulated(&row, cell));
    let sd = row.sd();
    let (standing, error_sds) = match (place.against, &simulated) {
        (Some(reason), _) => (unheld(reason, input), None),
        (None, None) => (unheld(Reason::NoMetric, input), None),
        (None, Some(simulated)) => match error(row.published, sd, simulated) {
            Err(open) => (Standing::Open(open), None),
            Ok(error) if error.abs() > MISS => (Standing::Miss, Some(error)),
            Ok(error) if input.is_some() => (Standing::Input(None), Some(error)),
            Ok(error) => (Standing::Agrees, Some(error)),
        },
    };
    Line { standing, row, sd, simulated, error_sds, input }
}

fn unheld(reason: Reason, input: Option<&str>) -> Standing {
    if input.is_some() { Standing::Input(Some(reason)) } else { Standing::NotSimulated(reason) }
}

/// Simulated minus published over the combined standard deviation.
fn error(published: Value, sd: Option<f64>, simulated: &Simulated) -> Result<f64, Open> {
    let published = match published {
        Value::Stated(value) | Value::Read(value) => value,
        Value::HeldOut => return Err(Open::HeldOut),
        Value::Unpublished => return Err(Open::Unpublished),
    };
    let sd = sd.ok_or(Open::NoSpread)?;
    let combined = libm::hypot(sd, simulated.standard_error().ok_or(Open::OneReplication)?);
    let difference = simulated.mean - published;
    match (difference == 0.0, combined > 0.0) {
        (true, _) => Ok(0.0),
        (false, true) => Ok(difference / combined),
        (false, false) => Err(Open::NoSpread),
    }
}

/// Order of the report: standing, then greatest error first. Rows that tie stay in the order of the table.
fn order(line: &Line) -> (u8, f64) {
    let rank = match line.standing {
        Standing::Miss => 0,
        Standing::Agrees => 1,
        Standing::Input(_) => 2,
        Standing::Open(_) => 3,
        Standing::NotSimulated(_) => 4,
    };
    (rank, -line.error_sds.unwrap_or(0.0).abs())
}

impl Simulated {
    /// From the 95 % interval, so that few replications, and shares without spread, count as what they are.
    pub fn standard_error(&self) -> Option<f64> {
        self.interval.map(|interval| interval.half_width() / Z)
    }
}

impl Held {
    /// Counts rows by standing.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for line in &self.lines {
            let count = match line.standing {
                Standing::Miss => &mut tally.misses,
                Standing::Agrees => &mut tally.agreements,
                Standing::Input(_) => &mut tally.inputs,
                Standing::Open(_) => &mut tally.open,
                Standing::NotSimulated(_) => &mut tally.not_simulated,
            };
            *count += 1;
            tally.missed_inputs += usize::from(line.standing == Standing::Miss && line.input.is_some());
        }
        tally
    }

    /// Judged rows whose simulated mean is known less well than the published number: more replications sharpen them.
    pub fn blunt(&self) -> usize {
        let is = |line: &&Line| {
            let simulated = line.simulated.as_ref().and_then(Simulated::standard_error);
            line.error_sds.is_some() && simulated > line.sd
        };
        self.lines.iter().filter(is).count()
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::{Spread, Way};
    use super::*;
    use crate::experiment::Overrides;
    use crate::experiment::replication::Point;
    use crate::experiment::replication::Sinks;

    fn scenario(set: &[&str], replications: u32) -> Scenario {
        let set = set.iter().map(|s| (*s).to_owned()).collect();
        let replications = Some(replications);
        Scenario::load("swe-verified", &Overrides { set, replications, ..Overrides::default() }).expect("it loads")
    }

    fn rows(of: impl Fn(&Row) -> bool) -> Vec<Row> {
        ROWS.iter().filter(|row| row.workload == super::super::rows::Kind::Search && of(row)).cloned().collect()
    }

    fn hold(scenario: &Scenario, rows: Vec<Row>) -> Held {
        against(scenario, rows, &Options::default()).expect("the runs end")
    }

    #[test]
    fn a_row_that_says_what_is_simulated_has_no_error_and_is_no_miss() {
        let scenario = scenario(&[], 24);
        let plain = rows(|row| row.model == "Gemini 3 Flash" && row.sets.is_none());
        let first = hold(&scenario, plain);
        let echo: Vec<Row> = first
            .lines
            .iter()
            .filter(|line| line.error_sds.is_some())
            .map(|line| Row {
                published: Value::Stated(line.simulated.as_ref().expect("it has an error").mean),
                spread: Spread::Stated(0.0),
                ..line.row.clone()
            })
            .collect();
        assert!(echo.len() > 5);
        let second = hold(&scenario, echo.clone());
        for line in &second.lines {
            assert_eq!((&line.standing, line.error_sds), (&Standing::Agrees, Some(0.0)), "{line:?}");
        }
        // The same rows far off are misses, every one.
        let far = |row: Row| Row { published: Value::Stated(row.published.known().unwrap() + 10.0), ..row };
        let third = hold(&scenario, echo.into_iter().map(far).collect());
        assert!(third.lines.iter().all(|line| line.standing == Standing::Miss), "{third:?}");
    }

    #[test]
    fn misses_come_first_and_every_row_is_counted() {
        let held = held(&scenario(&[], 12), &Options::default()).unwrap().expect("the set is published");
        let keys: Vec<_> = held.lines.iter().map(order).collect();
        assert!(keys.is_sorted(), "{keys:?}");
        let Tally { misses, agreements, inputs, open, not_simulated, .. } = held.tally();
        assert_eq!(misses + agreements + inputs + open + not_simulated, held.lines.len());
        assert!(
            held.lines.iter().all(|l| (l.standing == Standing::Miss) == (l.error_sds.is_some_and(|e| e.abs() > MISS)))
        );
    }

    #[test]
    fn an_input_is_one_only_while_the_scenario_has_its_value() {
        let lead = |row: &Row| row.system == "AOrchestra" && row.metric == "avg_at_1" && row.model == "Gemini 3 Flash";
        let inputs = |set: &[&str]| {
            let held = hold(&scenario(set, 12), rows(lead));
            held.lines.iter().filter(|line| line.input.is_some()).count()
        };
        assert_eq!(inputs(&[]), 2);
        assert_eq!(inputs(&["workload.search.success={beta={a=0.43,b=0.356}}"]), 0);
    }

    #[test]
    fn both_accounts_of_a_lead_that_has_reports_written() {
        let cost = |row: &Row| !row.less.is_empty() && row.model == "Gemini 3 Flash";
        let held = hold(&scenario(&["mix.prices=Gemini 3 Flash"], 6), rows(cost));
        let [line] = &held.lines[..] else { panic!("{held:?}") };
        let simulated = line.simulated.as_ref().expect("it is simulated");
        assert!(simulated.whole_account.is_some_and(|whole| whole > simulated.mean && simulated.mean > 0.0));
        assert!(line.error_sds.is_some(), "dollars of the row's model are judged");
    }

    #[test]
    fn costs_by_purpose_are_the_whole_cost() {
        let scenario = scenario(&[], 1);
        for policy in &scenario.policies {
            let point = Point::new(&scenario, policy, 4).expect("it is there");
            let (run, summary) = point.run_summed(0, Sinks::default()).expect("it ends");
            let parts: f64 = summary.calls.iter().map(|calls| calls.cost.as_usd()).sum();
            assert!((parts - summary.cost.total().as_usd()).abs() < 1e-9, "{policy}");
            let report = run.measures.get("cost_report_usd").expect("prices are known");
            assert_eq!(report > 0.0, Way::LeadInTurn.is(&point.settings), "{policy}: {report}");
        }
    }

    #[test]
    fn what_is_not_simulated_says_why() {
        let all = |scenario: &Scenario| hold(scenario, rows(|_| true)).lines;
        let says = |lines: &[Line], wanted: &Reason| {
            let is = |line: &&Line| matches!(&line.standing, Standing::NotSimulated(reason) if reason == wanted);
            lines.iter().any(|line| is(&line))
        };
        let mut narrow = scenario(&["policies=[\"delm-solvers\"]", "baseline=delm-solvers"], 2);
        narrow.agents = vec![1, 2];
        let lines = all(&narrow);
        for reason in [
            Reason::NoPolicy,
            Reason::NoSize(4),
            Reason::OtherModel("accuracy", narrow.mix.accuracy.clone()),
            Reason::OtherModel("dollars", narrow.mix.prices.clone()),
            Reason::OtherModel("seconds", narrow.mix.latencies.clone()),
        ] {
            assert!(says(&lines, &reason), "{reason:?}");
        }
        let made_up = scenario(&["workload.search.success={fixed={p=0.5}}"], 2);
        let lines = all(&made_up);
        assert!(says(&lines, &Reason::OtherDataSet(made_up.mix.accuracy.clone())));
        assert!(lines.iter().all(|line| line.simulated.is_none()), "nothing is run for nothing");
    }

    #[test]
    fn without_a_spread_nothing_is_judged() {
        let number = Simulated { policy: String::new(), mean: 0.5, interval: None, whole_account: None };
        assert_eq!(error(Value::Stated(0.4), Some(0.1), &number), Err(Open::OneReplication));
        let exact = Simulated { interval: Some(Interval { low: 0.5, high: 0.5 }), ..number };
        assert_eq!(error(Value::Stated(0.4), None, &exact), Err(Open::NoSpread));
        assert_eq!(error(Value::Stated(0.4), Some(0.0), &exact), Err(Open::NoSpread));
        assert_eq!(error(Value::Stated(0.5), Some(0.0), &exact), Ok(0.0));
        assert_eq!(error(Value::HeldOut, None, &exact), Err(Open::HeldOut));
        assert_eq!(error(Value::Unpublished, None, &exact), Err(Open::Unpublished));
        assert!((error(Value::Stated(0.4), Some(0.05), &exact).unwrap() - 2.0).abs() < 1e-9);
    }
}
