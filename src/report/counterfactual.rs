//! What recorded work would have taken under other topologies: what was run first, with the error of the model on it; then
//! every topology relative to that model, with bounds.

use super::number;
use super::table::{WIDTH, plain, right, text};
use crate::experiment::replay::{Basis, Estimate, Known, MEASURES, Null, Prediction, Recorded, Row, Spread};

/// Names of the measures, in their order.
const NAMES: [&str; 4] = ["makespan", "prompt tokens", "completion tokens", "cost"];

/// The page, ending in a newline.
pub fn page(prediction: &Prediction, assumptions: &[String]) -> String {
    let mut out = line(&recorded(&prediction.recorded));
    out += &line(&model(&prediction.null));
    if prediction.recorded.tasks == 1 {
        out += &line(
            "One recorded task: what follows holds for it, and says nothing of how tasks differ; several recorded tasks of \
             the same kind would give intervals.",
        );
    }
    out += &table(prediction);
    out += &line(&bounds(prediction));
    out += "\nAssumptions, those that matter most first\n";
    for told in assumptions {
        out += &line(&format!("- {told}"));
    }
    out
}

fn line(sentence: &str) -> String {
    number::wrap(sentence, WIDTH, "  ") + "\n"
}

fn recorded(r: &Recorded) -> String {
    let cost = r.usd().map_or_else(
        || ", cost unknown (nobody tells the price of some calls)".to_owned(),
        |usd| format!(", ${}", number::short(usd)),
    );
    let lost = if r.lost_calls > 0.0 {
        format!(", of which {:.1} without an answer ({:.0} tokens)", r.lost_calls, r.lost_tokens)
    } else {
        String::new()
    };
    let cut = if r.cut_s > 0.0 {
        format!(" (with {} s of gaps that hold people, which are cut below)", number::short(r.cut_s))
    } else {
        String::new()
    };
    format!(
        "As recorded (means over {} tasks): makespan {} s{cut}, {:.0} prompt and {:.0} completion tokens{cost}; {:.1} calls{lost}.",
        r.tasks,
        number::short(r.makespan_s),
        r.prompt_tokens,
        r.completion_tokens,
        r.calls
    )
}

fn model(null: &Null) -> String {
    let errors: Vec<String> = NAMES
        .iter()
        .zip(null.errors())
        .filter_map(|(name, error)| Some(format!("{name} {}", percent(error?))))
        .collect();
    let run = format!("{} with N = {}", null.topology.policy, null.topology.agents);
    let whose = match null.known {
        Known::Named => format!("what you ran ({run})"),
        Known::Nearest => format!("the form that comes nearest to what you ran ({run}; the source names none)"),
    };
    format!(
        "The same model of {whose} is off your recording by: {}; \"to model\" below is against it.",
        errors.join(", ")
    )
}

fn percent(share: f64) -> String {
    format!("{:+.1} %", share * 100.0)
}

fn table(prediction: &Prediction) -> String {
    let mut table =
        plain(&["topology", "N", "makespan, s", "to model, %", "tokens, k", "to model, %", "cost, $", "to model, %"]);
    let base = prediction.null.pairs.map(|pair| pair.map(|(_, now)| now));
    let tokens_then = base[1].zip(base[2]).map(|(a, b)| a + b);
    for row in prediction.rows.iter().filter(|row| row.left_out.is_none()) {
        let tokens = tokens(row);
        let show = |estimate: Option<Estimate>, scale: f64| {
            estimate.map_or_else(|| "unknown".to_owned(), |e| number::short(e.mean * scale))
        };
        table.add_row(vec![
            row.policy.clone(),
            row.agents.to_string(),
            show(row.estimates[0], 1.0),
            against(row.estimates[0], base[0]),
            show(tokens, 1e-3),
            against(tokens, tokens_then),
            show(row.estimates[3], 1.0),
            against(row.estimates[3], base[3]),
        ]);
    }
    for index in 1..8 {
        right(&mut table, index);
    }
    let mut out = text(&table);
    let told = prediction.rows.iter().filter_map(|row| Some((&row.policy, row.agents, row.left_out.as_ref()?)));
    for (policy, agents, why) in told {
        out += &line(&format!("{policy}, N = {agents}, is left out: {why}."));
    }
    out
}

/// Prompt and completion tokens together; their bounds add up.
fn tokens(row: &Row) -> Option<Estimate> {
    let (a, b) = row.estimates[1].zip(row.estimates[2])?;
    Some(Estimate { mean: a.mean + b.mean, low: a.low + b.low, high: a.high + b.high })
}

/// Change against the model of what was run, with bounds.
fn against(estimate: Option<Estimate>, base: Option<f64>) -> String {
    match estimate.zip(base.filter(|base| *base > 0.0)) {
        None => "-".to_owned(),
        Some((e, base)) => {
            let of = |x: f64| format!("{:+.0}", (x / base - 1.0) * 100.0);
            format!("{} [{}, {}]", of(e.mean), of(e.low), of(e.high))
        }
    }
}

/// The rows for programs: every measure of every topology, with its bounds and what the model says of what was run.
pub fn data(prediction: &Prediction) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let header = vec!["policy", "agents", "metric", "mean", "low", "high", "model_of_recorded", "recorded"];
    let number = |x: Option<f64>| x.map(number::exact).unwrap_or_default();
    let rows = prediction.rows.iter().flat_map(|row| {
        MEASURES.iter().enumerate().map(move |(i, metric)| {
            let (estimate, pair) = (row.estimates[i], prediction.null.pairs[i]);
            vec![
                row.policy.clone(),
                row.agents.to_string(),
                (*metric).to_owned(),
                number(estimate.map(|e| e.mean)),
                number(estimate.map(|e| e.low)),
                number(estimate.map(|e| e.high)),
                number(pair.map(|(_, now)| now)),
                number(pair.map(|(then, _)| then)),
            ]
        })
    });
    (header, rows.collect())
}

fn bounds(prediction: &Prediction) -> String {
    let cross_error = match prediction.basis {
        Basis::Calls { cross_error } => cross_error,
        Basis::Worlds { pool } => {
            return format!(
                "[ ]: where the mean of these tasks would lie with 95 %, over {} worlds for each recorded run, those of {pool} \
                 draws of the recording's own law that agree with it best (results/counterfactual-null: how often that \
                 held where the truth is known).",
                prediction.draws
            );
        }
    };
    let readings = if prediction.readings > 1 {
        format!(
            "{} readings of which delegation waited for which and of how long messages are that nobody recorded, and ",
            prediction.readings
        )
    } else {
        String::new()
    };
    let shares: Vec<f64> = prediction.rows.iter().filter_map(|row| row.replayed_calls).collect();
    let least = shares.iter().copied().fold(f64::INFINITY, f64::min);
    let most = shares.iter().copied().fold(0.0, f64::max);
    let replayed = if shares.is_empty() {
        String::new()
    } else {
        format!(
            " Of a topology's calls {:.0} to {:.0} % were recorded; the rest is modelled.",
            least * 100.0,
            most * 100.0
        )
    };
    format!(
        "[ ]: where one more run of these tasks would lie with 95 %, over {readings}{} draws of what was not recorded, widened \
         by the error of the model on what you ran and, for other topologies, by {:.0} %: {} such \
         predictions where the truth is known (results/counterfactual-null).{replayed}",
        prediction.draws,
        cross_error.share() * 100.0,
        match cross_error {
            Spread::Largest(_) => "the largest error of",
            Spread::NineOfTen(_) => "the error that nine of ten stay below in",
        }
    )
}
