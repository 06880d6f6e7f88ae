//! Who reads a setting: found by trying all forms, so that no list can fall behind.

use super::draft::Draft;
use super::words::Work;
use serde_json::{Map, Value, json};

/// Choices on which it depends what a point reads, in the order in which a condition is told.
const CHOICES: &[(&str, &[&str])] = &[
    ("control", &["none", "queue", "lead"]),
    ("dispatch", &["sequential", "serial", "pipelined", "parallel", "async"]),
    ("store", &["none", "relay", "artifacts", "shared"]),
    ("gate", &["none", "rule", "llm", "oracle"]),
    ("finish", &["each", "last", "lead", "first", "vote", "judge"]),
    ("plan", &["true", "false"]),
    ("ask_more", &["true", "false"]),
    ("pool_budgets", &["false", "true"]),
    ("memory_steps", &["\"unlimited\"", "a number"]),
    ("window_tokens", &["\"unlimited\"", "a number"]),
];

/// How many of the choices are words of mechanisms; the others are switches of a form.
const MECHANISMS: usize = 5;

/// Whether a point that reads `keys` holds this value under this key.
pub fn holds(keys: &Map<String, Value>, key: &str, value: &Value) -> bool {
    keys.get(key).is_some_and(|held| same(held, value))
}

/// Equality of values, whole numbers and floats alike.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => a == b,
            _ => a == b,
        },
    }
}

/// Where a value under a key would be read: `control = "queue" and store = "shared"`; none if nowhere.
pub fn readers(like: &Draft, key: &str, value: &Value) -> Option<String> {
    let on = |work| {
        let mut points = Vec::new();
        let mut at = vec![0; CHOICES.len()];
        loop {
            // The key in question is no condition of its own, and no setting hangs on two switches.
            let moot = CHOICES.iter().zip(&at).any(|((choice, _), at)| *choice == key && *at > 0);
            let switches = at[MECHANISMS..].iter().filter(|at| **at > 0).count();
            if !moot
                && switches <= 1
                && let Some(held) = tried(like, work, &at, key, value)
            {
                points.push((at.clone(), held));
            }
            if !step(&mut at) {
                return told(&points, key);
            }
        }
    };
    match (on(Work::Search), on(Work::Divide)) {
        (None, None) => None,
        (Some(search), None) => Some(join(&search, ON_SEARCH)),
        (None, Some(divide)) => Some(join(&divide, ELSEWHERE)),
        (Some(search), Some(divide)) if search == divide => Some(search),
        (Some(search), Some(divide)) => Some(format!("{}, {}", join(&search, ON_SEARCH), join(&divide, ELSEWHERE))),
    }
}

const ON_SEARCH: &str = "the workload is `search`";
const ELSEWHERE: &str = "the workload is not `search`";

fn join(conditions: &str, last: &str) -> String {
    if conditions.is_empty() { last.to_owned() } else { format!("{conditions} and {last}") }
}

/// The next combination of choices.
fn step(at: &mut [usize]) -> bool {
    for (digit, (_, words)) in at.iter_mut().zip(CHOICES) {
        *digit += 1;
        if *digit < words.len() {
            return true;
        }
        *digit = 0;
    }
    false
}

/// Whether the point of these choices holds the value; none if it is not the point of its choices.
fn tried(like: &Draft, work: Work, at: &[usize], key: &str, value: &Value) -> Option<bool> {
    let mut draft = json!(like);
    for ((choice, words), &at) in CHOICES.iter().zip(at) {
        draft[choice] = match words[at] {
            "true" => json!(true),
            "false" => json!(false),
            "\"unlimited\"" => json!("unlimited"),
            "a number" => json!(1_000_000),
            word => json!(word),
        };
    }
    draft[key] = value.clone();
    let settings = serde_json::from_value::<Draft>(draft.clone()).ok()?.settle(work).ok()?;
    let keys = settings.keys();
    let itself =
        CHOICES.iter().all(|(choice, _)| *choice == key || keys.get(*choice).is_none_or(|v| same(v, &draft[choice])));
    itself.then(|| holds(&keys, key, value))
}

/// The conditions that tell the points that hold a value from those that do not.
fn told(points: &[(Vec<usize>, bool)], key: &str) -> Option<String> {
    let (yes, mut no): (Vec<_>, Vec<_>) = points.iter().partition(|(_, held)| *held);
    if yes.is_empty() {
        return None;
    }
    let mut conditions = Vec::new();
    let good = |i: usize| -> Vec<usize> {
        (0..CHOICES[i].1.len()).filter(|w| yes.iter().any(|(at, _)| at[i] == *w)).collect()
    };
    let mut open: Vec<usize> = (0..CHOICES.len()).filter(|&i| CHOICES[i].0 != key).collect();
    while !open.is_empty() {
        // Mechanisms come in their order; of the switches, the one that tells most.
        let told = |i: usize| no.iter().filter(|(at, _)| !good(i).contains(&at[i])).count();
        let best = match open[0] {
            first if first < MECHANISMS => 0,
            _ => (0..open.len()).rev().max_by_key(|&k| told(open[k])).expect("not empty"),
        };
        let i = open.remove(best);
        if told(i) > 0 {
            let good = good(i);
            no.retain(|(at, _)| good.contains(&at[i]));
            let words: Vec<String> = good.iter().map(|&w| written(CHOICES[i].1[w])).collect();
            let is = if words == ["a number"] { "is" } else { "=" };
            conditions.push(format!("{} {is} {}", CHOICES[i].0, words.join(" or ")));
        }
    }
    Some(conditions.join(" and "))
}

fn written(word: &str) -> String {
    match word {
        "true" | "false" | "a number" | "\"unlimited\"" => word.to_owned(),
        word => format!("\"{word}\""),
    }
}
