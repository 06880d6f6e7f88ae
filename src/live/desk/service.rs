//! The desk at work: requests go out as messages, replies come in as answers, notes give handles their meaning.

use super::reading::Reading;
use super::{Chat, Desk, Rendered, answers, prompts};
use crate::live::questions::{Grading, grade};
use crate::model::call::{Answer, Choice, Outcome, Request, Submission};
use crate::model::ids::FindingId;
use crate::model::note::Note;
use crate::model::workload::{Score, Truth};

impl Truth for Reading {
    /// Known where answers are codes: a finding that states a code which no document states. A right code in a wrong
    /// place is not noticed, and of other sets nothing is known.
    fn is_unsupported(&self, finding: FindingId) -> bool {
        let is_made_up = |text| grade::codes(text).iter().any(|code| !self.codes.contains(code));
        self.question.grading == Grading::Code && self.texts.text(finding).is_some_and(is_made_up)
    }

    fn is_right(&self, finding: Option<FindingId>) -> bool {
        finding.and_then(|f| self.texts.text(f)).is_some_and(|answer| grade::is_right(&self.question, answer))
    }
}

impl Reading {
    /// The first of those who say what most say.
    fn elected(&self, submissions: &[Submission]) -> Vec<Submission> {
        let said = |s: &Submission| Some(grade::gist(&self.question, self.texts.text(s.finding?)?));
        let said: Vec<Option<String>> = submissions.iter().map(said).collect();
        let votes = |k: usize| said.iter().filter(|other| said[k].is_some() && **other == said[k]).count();
        let first_of_most = (0..submissions.len()).rev().max_by_key(|k| votes(*k));
        first_of_most.map(|k| submissions[k]).into_iter().collect()
    }
}

impl Desk for Reading {
    fn render(&mut self, request: &Request) -> Rendered {
        self.look_at_history(request);
        if let Some(answer) = self.known(request) {
            return Rendered::Known(answer);
        }
        let (messages, span_keys) = prompts::messages(self, request);
        let choices = self.question.choices.len();
        let letters: Vec<String> = (0..choices).map(|c| crate::live::questions::letter(c).to_string()).collect();
        let form = Some(answers::form(request.purpose, &letters));
        Rendered::Ask(Chat { messages, form, max_tokens: self.max_tokens(request), span_keys })
    }

    fn read(&mut self, request: &Request, text: &str) -> Result<Answer, String> {
        self.look_at_history(request);
        let said =
            self.understood(request, &answers::fields(answers::spoken(text), answers::wanted(request.purpose))?)?;
        Ok(self.keep(request, said))
    }

    fn salvage(&mut self, request: &Request, text: &str) -> Option<Answer> {
        self.look_at_history(request);
        let said = self.guessed(request, text)?;
        Some(self.keep(request, said))
    }

    fn observe(&mut self, note: &Note) {
        match *note {
            Note::Admitted { store, finding, .. } | Note::Kept { store, finding, .. } => {
                self.texts.shelve(store, finding);
            }
            Note::Created { count, .. } => self.created += count,
            Note::Claimed(_, subtask) => self.claims.push(subtask),
            _ => {}
        }
    }

    fn score(&self, outcome: &Outcome) -> Score {
        let elected;
        let submitted = match outcome.choice {
            Choice::Each => &outcome.submissions,
            Choice::Vote => {
                elected = self.elected(&outcome.submissions);
                &elected
            }
        };
        let texts: Vec<Option<&str>> = submitted.iter().map(|s| s.finding.and_then(|f| self.texts.text(f))).collect();
        let mean = |worth: &dyn Fn(&str) -> f64| {
            texts.iter().map(|text| text.map_or(0.0, worth)).sum::<f64>() / texts.len().max(1) as f64
        };
        let facts = vec![
            ("exact_match", mean(&|text| f64::from(u8::from(grade::exact_match(&self.question, text))))),
            ("f1", mean(&|text| grade::f1(&self.question, text))),
            ("answered", mean(&|_| 1.0)),
        ];
        Score { right: submitted.iter().map(|s| self.is_right(s.finding)).collect(), facts }
    }
}
