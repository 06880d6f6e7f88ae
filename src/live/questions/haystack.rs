//! Longer sources: documents of other items join a question as distractors, chosen and placed by keyed draws.
//!
//! Invariant: a question keeps its own documents; what joins neither repeats one nor holds the answer where that can be
//! told from the text; question i depends on the seed and the pool alone.

use super::grade::{contains, normalised};
use super::{Document, Grading, Question};
use crate::kernel::{Address, Key};

/// Kind of draw: which items lend documents, and where everything stands.
const HAYSTACK: u16 = 0x6861;

/// How a question grows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Haystack {
    /// Documents to reach; own ones are never dropped.
    pub(super) documents: usize,
    /// Place of the only needed document, from 0; drawn if `None`.
    pub(super) gold_at: Option<usize>,
}

/// Question `index` of a pool with documents of others around its own; `None` if the pool has too few.
pub(super) fn grown(pool: &[Question], index: usize, haystack: Haystack, seed: u64) -> Option<Question> {
    let mut question = pool[index].clone();
    let key = Key::new(seed, index as u64);
    let own = question.documents.len();
    'lenders: for lender in order(&key, 0, pool.len()) {
        if lender == index {
            continue;
        }
        for d in order(&key, 1 + lender as u32, pool[lender].documents.len()) {
            if question.documents.len() >= haystack.documents {
                break 'lenders;
            }
            let document = &pool[lender].documents[d];
            if may_join(&question, document) {
                let clashes = question.documents.iter().any(|d| d.title == document.title);
                let of =
                    if clashes { format!("{} of {}", document.title, pool[lender].id) } else { document.title.clone() };
                question.documents.push(Document { title: of, text: document.text.clone(), gold: Some(false) });
            }
        }
    }
    if question.documents.len() < haystack.documents {
        return None;
    }
    let mut places = order(&key, u32::MAX, question.documents.len());
    let golds: Vec<usize> = (0..own).filter(|&d| question.documents[d].gold == Some(true)).collect();
    if let (Some(at), &[gold]) = (haystack.gold_at, golds.as_slice()) {
        places.retain(|&d| d != gold);
        places.insert(at.min(places.len()), gold);
    }
    question.documents = places.into_iter().map(|d| question.documents[d].clone()).collect();
    Some(question)
}

/// Whether a document can join without changing what the answer is or where it stands.
fn may_join(question: &Question, document: &Document) -> bool {
    // Numbered parts share titles; articles of one title are one article.
    let numbered = matches!(question.grading, Grading::Code | Grading::Letter);
    let is_same = |d: &Document| d.text == document.text || (!numbered && d.title == document.title);
    let repeats = question.documents.iter().any(is_same);
    let telling = question.grading == Grading::Contains;
    let text = if telling { normalised(&document.text) } else { String::new() };
    let answers = question.answers.iter().any(|answer| contains(&text, answer));
    !repeats && !answers
}

/// A keyed order of `0..n`.
pub(super) fn order(key: &Key, step: u32, n: usize) -> Vec<usize> {
    let mut numbers = key.draws(Address { purpose: HAYSTACK, entity: 0, attempt: 0, step }).substream(0);
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        order.swap(i, ((numbers.uniform() * (i + 1) as f64) as usize).min(i));
    }
    order
}
