//! Who reads a setting: found by trying all forms, so that no list can fall behind.

use super::draft::Draft;
use super::words::{Control, Dispatch, Finish, Gate, Store, Work};
use crate::model::Limit;
use serde_json::{Map, Value, json};

/// A word of a choice, and how a draft takes it.
type Word = (&'static str, fn(&mut Draft));

/// Choices on which it depends what a point reads, in the order in which a condition is told.
const CHOICES: &[(&str, &[Word])] = &[
    (
        "control",
        &[
            ("none", |d| d.control = Control::None),
            ("queue", |d| d.control = Control::Queue),
            ("lead", |d| d.control = Control::Lead),
        ],
    ),
    (
        "dispatch",
        &[
            ("sequential", |d| d.dispatch = Dispatch::Sequential),
            ("serial", |d| d.dispatch = Dispatch::Serial),
            ("pipelined", |d| d.dispatch = Dispatch::Pipelined),
            ("parallel", |d| d.dispatch = Dispatch::Parallel),
            ("async", |d| d.dispatch = Dispatch::Async),
        ],
    ),
    (
        "store",
        &[
            ("none", |d| d.store = Store::None),
            ("relay", |d| d.store = Store::Relay),
            ("artifacts", |d| d.store = Store::Artifacts),
            ("shared", |d| d.store = Store::Shared),
        ],
    ),
    (
        "gate",
        &[
            ("none", |d| d.gate = Gate::None),
            ("rule", |d| d.gate = Gate::Rule),
            ("llm", |d| d.gate = Gate::Llm),
            ("oracle", |d| d.gate = Gate::Oracle),
        ],
    ),
    (
        "finish",
        &[
            ("each", |d| d.finish = Finish::Each),
            ("last", |d| d.finish = Finish::Last),
            ("lead", |d| d.finish = Finish::Lead),
            ("first", |d| d.finish = Finish::First),
            ("vote", |d| d.finish = Finish::Vote),
            ("judge", |d| d.finish = Finish::Judge),
        ],
    ),
    ("plan", &[("true", |d| d.plan = true), ("false", |d| d.plan = false)]),
    ("ask_more", &[("true", |d| d.ask_more = true), ("false", |d| d.ask_more = false)]),
    ("pool_budgets", &[("false", |d| d.pool_budgets = false), ("true", |d| d.pool_budgets = true)]),
    (
        "memory_steps",
        &[(UNLIMITED, |d| d.memory_steps = Limit::Unlimited), (NUMBER, |d| d.memory_steps = Limit::At(1e6))],
    ),
    (
        "window_tokens",
        &[(UNLIMITED, |d| d.window_tokens = Limit::Unlimited), (NUMBER, |d| d.window_tokens = Limit::At(1e6))],
    ),
];

const UNLIMITED: &str = "\"unlimited\"";
const NUMBER: &str = "a number";

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
    let mut draft = json!(like);
    draft[key] = value.clone();
    let draft = serde_json::from_value::<Draft>(draft).ok()?;
    let on = |work| {
        let mut points = Vec::new();
        let mut at = vec![0; CHOICES.len()];
        loop {
            // The key in question is no condition of its own, and no setting hangs on two switches.
            let moot = CHOICES.iter().zip(&at).any(|((choice, _), at)| *choice == key && *at > 0);
            let switches = at[MECHANISMS..].iter().filter(|at| **at > 0).count();
            if !moot
                && switches <= 1
                && let Some(held) = tried(&draft, work, &at, key, value)
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
        (Some(search), Some(divide)) => {
            Some(format!("{}; or where {}", join(&search, ON_SEARCH), join(&divide, ELSEWHERE)))
        }
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
fn tried(draft: &Draft, work: Work, at: &[usize], key: &str, value: &Value) -> Option<bool> {
    let mut draft = draft.clone();
    for ((choice, words), &at) in CHOICES.iter().zip(at) {
        if *choice != key {
            words[at].1(&mut draft);
        }
    }
    let keys = draft.settle(work).ok()?.keys();
    let is_so = |((choice, words), at): (&(&str, &[Word]), &usize)| {
        let word = words[*at].0;
        *choice == key
            || keys.get(*choice).is_none_or(|held| match held {
                Value::String(held) => held == word.trim_matches('"'),
                Value::Bool(held) => word == if *held { "true" } else { "false" },
                _ => word == NUMBER,
            })
    };
    CHOICES.iter().zip(at).all(is_so).then(|| holds(&keys, key, value))
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
            let words: Vec<String> = good.iter().map(|&w| written(CHOICES[i].1[w].0)).collect();
            let is = if words == [NUMBER] { "is" } else { "=" };
            conditions.push(format!("{} {is} {}", CHOICES[i].0, words.join(" or ")));
        }
    }
    Some(conditions.join(" and "))
}

fn written(word: &str) -> String {
    match word {
        "true" | "false" | NUMBER | UNLIMITED => word.to_owned(),
        word => format!("\"{word}\""),
    }
}
