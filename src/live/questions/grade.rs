//! Grading: plain code that says whether an answer is right. No model judges.
//!
//! Normalisation follows the SQuAD evaluation (Rajpurkar et al., 2016): lower case, punctuation away, articles away,
//! single spaces. Where an answer need only occur, it must occur as whole words.

use super::{Grading, Question, letter};
use std::collections::BTreeMap;

/// Whether an answer to a question is right.
pub fn is_right(question: &Question, answer: &str) -> bool {
    question.answers.iter().any(|truth| match question.grading {
        Grading::ExactMatch => normalised(answer) == normalised(truth),
        Grading::Contains => contains(&normalised(answer), truth),
        Grading::Letter => choice(answer, &question.choices).is_some_and(|c| truth.trim() == c.to_string()),
        Grading::Number => number(answer).is_some_and(|n| number(truth).is_some_and(|t| equal(n, t))),
        Grading::Code => codes(answer) == codes(truth),
    })
}

/// Whether an answer equals a right one after normalisation.
pub fn exact_match(question: &Question, answer: &str) -> bool {
    question.answers.iter().any(|truth| normalised(answer) == normalised(truth))
}

/// What an answer comes to: those that say the same agree, when votes are counted.
pub fn gist(question: &Question, answer: &str) -> String {
    match question.grading {
        Grading::ExactMatch | Grading::Contains => normalised(answer),
        Grading::Letter => choice(answer, &question.choices).map_or_else(|| normalised(answer), String::from),
        Grading::Number => number(answer).map_or_else(|| normalised(answer), |n| n.to_string()),
        Grading::Code => codes(answer).join(" "),
    }
}

/// The last number that a text tells: digits with a point, a sign in front, commas between groups of three, an exponent.
pub fn number(text: &str) -> Option<f64> {
    let chars: Vec<char> = text.chars().collect();
    let digit = |i: usize| chars.get(i).is_some_and(char::is_ascii_digit);
    let (mut found, mut at) = (None, 0);
    while at < chars.len() {
        let starts = digit(at) || chars[at] == '.' && digit(at + 1);
        let in_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
        if !starts || in_word {
            at += 1;
            continue;
        }
        let sign = at.checked_sub(1).map(|i| chars[i]).filter(|c| matches!(c, '-' | '\u{2212}'));
        // A hyphen behind a word or a number joins, it is no sign.
        let joins = at >= 2 && chars[at - 2].is_alphanumeric();
        let mut told = String::from(if sign.is_some() && !joins { "-" } else { "" });
        let grouped = |i: usize| chars[i] == ',' && (1..=3).all(|k| digit(i + k)) && !digit(i + 4);
        let mut is_whole = true;
        while at < chars.len() {
            match chars[at] {
                c if c.is_ascii_digit() => told.push(c),
                ',' if is_whole && grouped(at) => {}
                '.' if is_whole && digit(at + 1) => {
                    is_whole = false;
                    told.push('.');
                }
                'e' | 'E' if digit(at + 1) || matches!(chars.get(at + 1), Some('-' | '+')) && digit(at + 2) => {
                    told.push('e');
                    told.push(chars[at + 1]);
                    at += 1;
                    is_whole = false;
                }
                _ => break,
            }
            at += 1;
        }
        found = told.parse().ok().filter(|n: &f64| n.is_finite()).or(found);
    }
    found
}

/// Equal but for what writing a number in decimals costs.
fn equal(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

/// Overlap of words with the nearest right answer: harmonic mean of precision and recall.
pub fn f1(question: &Question, answer: &str) -> f64 {
    question.answers.iter().map(|truth| overlap(&normalised(answer), &normalised(truth))).fold(0.0, f64::max)
}

fn overlap(answer: &str, truth: &str) -> f64 {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for word in truth.split(' ') {
        *counts.entry(word).or_default() += 1;
    }
    let mut shared = 0;
    for word in answer.split(' ') {
        if let Some(left) = counts.get_mut(word).filter(|left| **left > 0) {
            *left -= 1;
            shared += 1;
        }
    }
    let all = answer.split(' ').count() + truth.split(' ').count();
    f64::from(2 * shared) / all as f64
}

/// A text in lower case, without punctuation and articles, with single spaces.
pub fn normalised(text: &str) -> String {
    let bare: String = text.to_lowercase().chars().filter(|c| !is_punctuation(*c)).collect();
    bare.split_whitespace().filter(|word| !["a", "an", "the"].contains(word)).collect::<Vec<_>>().join(" ")
}

fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation() || ('\u{2010}'..='\u{2027}').contains(&c) || "«»¿¡".contains(c)
}

/// Whether a normalised text holds an answer as whole words.
pub fn contains(normalised_text: &str, answer: &str) -> bool {
    let answer = normalised(answer);
    !answer.is_empty() && format!(" {normalised_text} ").contains(&format!(" {answer} "))
}

/// The codes in a text, in order and in lower case: words of at least six letters, digits and hyphens with at least one
/// digit and one hyphen inside.
pub fn codes(text: &str) -> Vec<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .map(|word| word.trim_matches('-'))
        .filter(|word| word.len() >= 6 && word.contains('-') && word.bytes().any(|b| b.is_ascii_digit()))
        .map(str::to_ascii_lowercase)
        .collect()
}

/// The letter that an answer picks, if it picks one: a lone letter, a letter after "answer", a letter in brackets or in
/// front, the words of exactly one choice, or the last letter that stands alone.
pub fn choice(answer: &str, choices: &[String]) -> Option<char> {
    let letters: Vec<char> = (0..choices.len()).map(letter).collect();
    let known = |c: char| letters.contains(&c.to_ascii_uppercase()).then(|| c.to_ascii_uppercase());
    let chars: Vec<char> = answer.trim().chars().collect();
    let bare: Vec<char> = chars.iter().copied().filter(|c| c.is_alphanumeric()).collect();
    if let [only] = bare[..] {
        return known(only);
    }
    let standing: Vec<usize> = (0..chars.len())
        .filter(|&i| {
            let before = i.checked_sub(1).map(|j| chars[j]);
            let after = chars.get(i + 1).copied();
            let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '\'');
            known(chars[i]).is_some() && !joins(before) && !joins(after)
        })
        .collect();
    let lower: String = chars.iter().map(char::to_ascii_lowercase).collect();
    if let Some(told) = lower.rfind("answer").map(|byte| lower[..byte].chars().count() + "answer".len()) {
        let next = standing.iter().copied().find(|&i| i >= told);
        let between = next.map(|i| chars[told..i].iter().collect::<String>().to_ascii_lowercase());
        let link = between.is_some_and(|b| {
            b.split(|c: char| !c.is_alphanumeric()).all(|w| ["", "is", "option", "choice", "letter", "s"].contains(&w))
        });
        let is_article = |i: usize| chars[i] == 'a';
        if let Some(i) = next.filter(|&i| link && !is_article(i)) {
            return known(chars[i]);
        }
    }
    let follows = |i: usize, marks: &str| chars.get(i + 1).is_some_and(|c| marks.contains(*c));
    let bracketed = |i: usize| i > 0 && "([".contains(chars[i - 1]) && follows(i, ")]");
    if let Some(&i) = standing.iter().find(|&&i| bracketed(i) || (i == 0 && follows(i, ".):,"))) {
        return known(chars[i]);
    }
    let text = normalised(answer);
    let named: Vec<usize> = (0..choices.len()).filter(|&c| contains(&text, &choices[c])).collect();
    if let [only] = named[..] {
        return Some(letter(only));
    }
    // A capital A in front of a word in lower case is an article.
    let word = |i: usize| chars.get(i + 1) == Some(&' ') && chars.get(i + 2).is_some_and(|c| c.is_lowercase());
    let last = standing.iter().rev().find(|&&i| chars[i].is_uppercase() && !(chars[i] == 'A' && word(i)));
    last.and_then(|&i| known(chars[i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(grading: Grading, answers: &[&str]) -> Question {
        let owned = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect();
        let choices = owned(&["a red kite", "the old mill", "no one", "both of them"]);
        let (id, text) = ("q".to_owned(), "?".to_owned());
        Question { id, text, documents: Vec::new(), answers: owned(answers), grading, choices }
    }

    #[test]
    fn exact_match_forgives_case_articles_punctuation_and_spaces() {
        let q = question(Grading::ExactMatch, &["The Old-Mill", "Grist House"]);
        for right in ["old-mill", " the  “OLD-mill”. ", "A grist house"] {
            assert!(is_right(&q, right), "{right}");
        }
        for wrong in ["", "mill", "the old-mill house", "old mill"] {
            assert!(!is_right(&q, wrong), "{wrong}");
        }
    }

    #[test]
    fn an_answer_is_contained_as_whole_words() {
        let q = question(Grading::Contains, &["6 May", "Ada Tolk"]);
        assert!(is_right(&q, "It was Ada Tolk, they say."));
        assert!(!is_right(&q, "It was Ada Tolkien."));
        assert!(!is_right(&q, "on 16 May"));
        assert!(!contains("anything", "the"));
    }

    #[test]
    fn letters_are_found_in_many_dresses() {
        let q = question(Grading::Letter, &["B"]);
        for right in [
            "B",
            "b",
            "(B)",
            "B.",
            "The answer is B.",
            "Answer: (b)",
            "B) the old mill",
            "It is the old mill",
            "A guess: B",
        ] {
            assert!(is_right(&q, right), "{right}");
        }
        for wrong in ["", "A", "The answer is C, not B", "none", "E", "A big one", "I answer a question"] {
            assert!(!is_right(&q, wrong), "{wrong}");
        }
    }

    #[test]
    fn codes_count_in_order_and_no_other_may_stand_between() {
        let q = question(Grading::Code, &["KRT-1204, BLM-9911"]);
        assert!(is_right(&q, "krt-1204 and then BLM-9911."));
        for wrong in ["BLM-9911, KRT-1204", "KRT-1204", "KRT-1204, XXX-1000, BLM-9911", "KRT1204 BLM9911", ""] {
            assert!(!is_right(&q, wrong), "{wrong}");
        }
    }

    #[test]
    fn numbers_count_by_their_value_and_the_last_one_holds() {
        let q = question(Grading::Number, &["1234.5"]);
        for right in ["1234.5", "1,234.50 dollars", "of 12 it is 1234.5.", "1.2345e3", "**1,234.5**", "x = 1234.5"] {
            assert!(is_right(&q, right), "{right}");
        }
        for wrong in ["", "none", "-1234.5", "1234.5 of 2000", "1234", "KX-1234.6"] {
            assert!(!is_right(&q, wrong), "{wrong}");
        }
        assert_eq!(number("between 3-5"), Some(5.0));
        assert_eq!(number("it is -3 degrees"), Some(-3.0));
        assert_eq!(number("1,2,3"), Some(3.0));
        assert_eq!(gist(&q, "1,234.50"), gist(&q, "= 1234.5"));
    }

    #[test]
    fn f1_is_the_overlap_of_words() {
        let q = question(Grading::ExactMatch, &["the old mill"]);
        assert_eq!(f1(&q, "old mill"), 1.0);
        assert_eq!(f1(&q, "old house"), 0.5);
        assert_eq!(f1(&q, "nothing"), 0.0);
    }
}
