//! The desk for attempts at one problem: steps write programs, plain code runs them on the examples, hidden tests grade.
//!
//! ```text
//! Step (model: a program) -> passes the examples: a candidate, the delegation ends
//!                         -> fails: a note for others, then Tool (code: what came of the run) -> next step
//! Plan, Finalize (code): hand in the line's candidate; of a team's, the earliest one
//! ```
//!
//! Invariant: hidden tests are run by grading alone; no prompt shows what they are or what came of them.

use super::histories::{Delegation, Histories};
use super::texts::{Texts, estimated_tokens, shortened};
use super::{Chat, Desk, DeskSpec, Rendered, answers};
use crate::live::programs::ProgramsSpec;
use crate::live::questions::Problem;
use crate::model::call::{
    Answer, Choice, Content, Decision, FindingKind, Judge, Outcome, PromptSpan, Purpose, Request, Submission,
};
use crate::model::ids::{AgentId, FindingId};
use crate::model::note::Note;
use crate::model::workload::{Score, Truth};
use crate::record::transcript::Message;
use smallvec::SmallVec;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// A program that was written.
#[derive(Clone, Debug)]
struct Try {
    program: String,
    /// What came of the examples, in words.
    told: String,
}

/// The state of one problem's attempts.
#[derive(Debug)]
pub struct Solving {
    problem: Arc<Problem>,
    spec: Arc<DeskSpec>,
    programs: Arc<ProgramsSpec>,
    texts: Texts,
    histories: Histories,
    /// Programs behind findings.
    written: BTreeMap<FindingId, String>,
    /// Candidates by line, and the earliest of all first.
    candidates: Vec<(u32, FindingId)>,
    /// The newest try of each agent, with the history that it stands in.
    newest: BTreeMap<AgentId, (u32, Delegation, Try)>,
    /// Whether programs pass the hidden tests, as far as somebody asked.
    graded: RefCell<BTreeMap<String, bool>>,
    heading: String,
}

impl Solving {
    /// A desk for a problem.
    pub fn new(problem: Arc<Problem>, spec: Arc<DeskSpec>, programs: Arc<ProgramsSpec>) -> Self {
        Self {
            problem,
            spec,
            programs,
            texts: Texts::default(),
            histories: Histories::default(),
            written: BTreeMap::new(),
            candidates: Vec::new(),
            newest: BTreeMap::new(),
            graded: RefCell::default(),
            heading: String::new(),
        }
    }

    /// Begins every prompt with this line.
    #[must_use]
    pub fn headed(mut self, heading: String) -> Self {
        self.heading = heading;
        self
    }

    /// How many examples a program passes, and what came of the first one that it does not.
    fn on_examples(&self, program: &str) -> (bool, String) {
        for (i, case) in self.problem.examples.iter().enumerate() {
            let (ran, right) = self.programs.try_on(program, case);
            if !right {
                let told = format!("on example {} {}\nIt should give:\n{}\n", i + 1, ran, case.output);
                return (false, shortened(&told, MOST_TOLD_TOKENS));
            }
        }
        (true, "it passes all examples".to_owned())
    }

    /// Whether a program passes the hidden tests.
    fn passes(&self, program: &str) -> bool {
        if let Some(known) = self.graded.borrow().get(program) {
            return *known;
        }
        let right = self.problem.tests.iter().all(|case| self.programs.try_on(program, case).1);
        self.graded.borrow_mut().insert(program.to_owned(), right);
        right
    }

    fn history_of(request: &Request) -> Option<(AgentId, u32)> {
        request.prompt.iter().find_map(|span| match span.content {
            Content::History { agent, epoch } => Some((agent, epoch)),
            _ => None,
        })
    }

    fn delegation_of(request: &Request) -> Delegation {
        Delegation { subtask: request.about.subtask, attempt: request.about.attempt }
    }

    fn look_at_history(&mut self, request: &Request) {
        if let Some((agent, epoch)) = Self::history_of(request) {
            let tokens = |span: &PromptSpan| match span.content {
                Content::History { .. } => span.tokens,
                _ => 0,
            };
            self.histories.seen(agent, epoch, request.prompt.iter().map(tokens).sum(), self.spec.keep_steps);
        }
    }

    /// What plain code knows.
    fn known(&mut self, request: &Request) -> Option<Answer> {
        match request.purpose {
            Purpose::Plan => {
                let has = self.candidates.iter().any(|(line, _)| *line == request.about.line.0);
                Some(Answer::Decided(if has { Decision::Submit } else { Decision::Delegate }))
            }
            Purpose::Tool => {
                let (epoch, delegation, last) = self.newest.get(&request.agent).cloned()?;
                let text = format!("The program was run: {}\n", last.told);
                let tokens = estimated_tokens(&text);
                self.histories.step(request.agent, epoch, delegation, String::new(), text);
                Some(Answer::Observation { tokens })
            }
            Purpose::Verify if request.judge == Judge::Oracle => {
                Some(Answer::Verdict { accepted: request.subject.is_some_and(|f| !self.is_unsupported(f)) })
            }
            Purpose::Finalize => {
                let program = self.candidates.first().and_then(|(_, f)| self.written.get(f)).cloned();
                let program = program.or_else(|| self.newest.values().next().map(|(_, _, last)| last.program.clone()));
                let answer = self.texts.write(FindingKind::Answer, program.clone().unwrap_or_default(), None);
                self.written.extend(program.map(|program| (answer.id, program)));
                Some(Answer::Final(answer))
            }
            _ => None,
        }
    }

    fn max_tokens(&self, request: &Request) -> u32 {
        let spec = &self.spec;
        let product = if request.product_tokens == 0 { spec.product_tokens } else { request.product_tokens };
        let own = match request.purpose {
            Purpose::Step | Purpose::Tool => self.programs.step_tokens,
            Purpose::Verify => spec.verify_tokens,
            Purpose::Merge => spec.merge_tokens,
            _ => product + spec.form_tokens,
        };
        own.max(spec.least_completion_tokens)
    }

    fn span_text(&self, request: &Request, span: &PromptSpan) -> String {
        match span.content {
            Content::Instructions(purpose) => instructions(purpose).to_owned(),
            Content::Task => self.task(),
            Content::View { .. } if span.tokens == 0 => String::new(),
            Content::View { store, first, version } => self.texts.view(store, first, version),
            Content::History { agent, epoch } => self.histories.text(agent, epoch, None),
            Content::Finding(finding) => self.texts.named(finding),
            Content::Source(_) | Content::Unfolded(_) | Content::Fresh => {
                debug_assert!(request.purpose != Purpose::Unfold, "`search` unfolds nothing");
                String::new()
            }
        }
    }

    fn task(&self) -> String {
        let mut text = format!("Problem: {}\nRun by: {}\n", self.problem.text, self.programs.command.join(" "));
        for (i, case) in self.problem.examples.iter().enumerate() {
            writeln!(text, "Example {}, input:\n{}\noutput:\n{}", i + 1, case.input.trim_end(), case.output)
                .expect("a String takes all");
        }
        text
    }

    fn closing(&self, request: &Request) -> String {
        let product = if request.product_tokens == 0 { self.spec.product_tokens } else { request.product_tokens };
        let words = (product * 3 / 4).max(1);
        let told = match request.purpose {
            Purpose::Step | Purpose::Tool => "Write the next program.".to_owned(),
            Purpose::Verify => {
                let subject = request.subject.and_then(|f| self.texts.text(f)).unwrap_or_default();
                let program = request.subject.and_then(|f| self.written.get(&f)).map(String::as_str);
                let program = program.map_or(String::new(), |p| format!("\nIts program:\n{p}"));
                format!("To be checked:\n{subject}{program}\nIs it supported?")
            }
            Purpose::Dispatch => format!("Write the brief in at most {words} words."),
            Purpose::Report => format!("Write the report in at most {words} words."),
            Purpose::Compact => format!("Write what to keep in at most {words} words."),
            _ => format!("The last {} reports are new. Take them in.", request.items),
        };
        format!("{told} Answer with the JSON object.")
    }

    fn chat(&self, request: &Request) -> Chat {
        let (mut user, mut span_keys, mut before) = (String::new(), Vec::<String>::new(), None);
        for span in &request.prompt {
            if before == Some(span.content) {
                span_keys.push(span_keys.last().expect("there is one before").clone());
                continue;
            }
            before = Some(span.content);
            let text = self.span_text(request, span);
            span_keys.push(blake3::hash(text.as_bytes()).to_hex()[..32].to_owned());
            if !matches!(span.content, Content::Instructions(_)) && !text.is_empty() {
                user.push_str(&text);
                user.push('\n');
            }
        }
        user.push_str(&self.closing(request));
        let heading = if self.heading.is_empty() { String::new() } else { format!("{}\n", self.heading) };
        let message = |role: &str, content: String| Message { role: role.to_owned(), content };
        let system = format!("{heading}{}", instructions(request.purpose).trim_end());
        let form = match request.purpose {
            Purpose::Step | Purpose::Tool => answers::form_of("program", &["note", "program"]),
            purpose => answers::form(purpose, &[]),
        };
        Chat {
            messages: vec![message("system", system), message("user", user)],
            form: Some(form),
            max_tokens: self.max_tokens(request),
            span_keys,
        }
    }

    /// A program was written: it is run on the examples.
    fn keep_step(&mut self, request: &Request, note: &str, program: &str) -> Answer {
        let (passes, told) = self.on_examples(program);
        if let Some((agent, epoch)) = Self::history_of(request) {
            let delegation = Self::delegation_of(request);
            let text = format!("You wrote ({note}):\n{program}\n");
            self.histories.step(agent, epoch, delegation, String::new(), text);
            let last = Try { program: program.to_owned(), told: told.clone() };
            self.newest.insert(request.agent, (epoch, delegation, last));
        }
        if passes {
            // Graded now, where time may pass; whoever asks later gets the same verdict at once.
            self.passes(program);
        }
        let mut finding = |kind, text: String| {
            let finding = self.texts.write(kind, text, None);
            self.written.insert(finding.id, program.to_owned());
            finding
        };
        if passes {
            let patch = finding(FindingKind::Patch, format!("{note} It passes all examples.\n{program}"));
            self.candidates.push((request.about.line.0, patch.id));
            return Answer::Step { notes: SmallVec::new(), tool: false, result: Some(patch) };
        }
        let first = told.lines().take(4).collect::<Vec<_>>().join(" ");
        let fail = finding(FindingKind::Fail, format!("Tried: {note} It fails: {first}"));
        Answer::Step { notes: SmallVec::from_slice(&[fail]), tool: true, result: None }
    }

    fn keep_product(&mut self, request: &Request, words: &str) -> Answer {
        let product = if request.product_tokens == 0 { self.spec.product_tokens } else { request.product_tokens };
        let text = shortened(words, product);
        match request.purpose {
            Purpose::Report => {
                let report = self.texts.write(FindingKind::Report, text, request.subject);
                let program = request.subject.and_then(|f| self.written.get(&f)).cloned();
                self.written.extend(program.map(|program| (report.id, program)));
                Answer::Report(report)
            }
            Purpose::Dispatch => Answer::Brief(self.texts.write(FindingKind::Brief, text, None)),
            _ => {
                let digest = self.texts.write(FindingKind::Digest, text.clone(), None);
                if let Some((agent, epoch)) = Self::history_of(request) {
                    self.histories.compact(agent, epoch, text, digest.tokens);
                }
                Answer::Digest(digest)
            }
        }
    }

    /// The first of those that most lines handed in.
    fn elected(&self, submissions: &[Submission]) -> Option<Submission> {
        let program = |s: &Submission| s.finding.and_then(|f| self.written.get(&f));
        let votes = |one: &Submission| {
            submissions.iter().filter(|other| program(one).is_some() && program(one) == program(other)).count()
        };
        submissions.iter().rev().max_by_key(|one| votes(one)).copied()
    }
}

/// Most of what came of a run that is told (tokens).
const MOST_TOLD_TOKENS: u32 = 300;

/// Fixed instructions of a purpose.
fn instructions(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Verify => include_str!("verify.md"),
        Purpose::Dispatch => include_str!("dispatch.md"),
        Purpose::Report => include_str!("report.md"),
        Purpose::Compact => include_str!("compact.md"),
        Purpose::Merge => include_str!("merge.md"),
        _ => include_str!("step.md"),
    }
}

impl Truth for Solving {
    /// A note of a failed try is what happened; a report of a program that fails the hidden tests may mislead, but
    /// nobody can know.
    fn is_unsupported(&self, _: FindingId) -> bool {
        false
    }

    fn is_right(&self, finding: Option<FindingId>) -> bool {
        finding.and_then(|f| self.written.get(&f)).is_some_and(|program| self.passes(program))
    }
}

impl Desk for Solving {
    fn render(&mut self, request: &Request) -> Rendered {
        self.look_at_history(request);
        match self.known(request) {
            Some(answer) => Rendered::Known(answer),
            None => Rendered::Ask(self.chat(request)),
        }
    }

    fn read(&mut self, request: &Request, text: &str) -> Result<Answer, String> {
        self.look_at_history(request);
        let wanted: &[&str] = match request.purpose {
            Purpose::Step | Purpose::Tool => &["note", "program"],
            purpose => answers::wanted(purpose),
        };
        let fields = answers::fields(answers::spoken(text), wanted)?;
        Ok(match request.purpose {
            Purpose::Step | Purpose::Tool => {
                let (note, program) = (fields.text("note")?, fields.words("program")?);
                self.keep_step(request, note.trim(), &program)
            }
            Purpose::Verify => Answer::Verdict { accepted: fields.flag("supported")? },
            Purpose::Merge => {
                fields.text("known")?;
                Answer::Merged
            }
            purpose => {
                let words = fields.words(wanted.first().copied().unwrap_or(purpose.name()))?;
                self.keep_product(request, &words)
            }
        })
    }

    fn salvage(&mut self, request: &Request, text: &str) -> Option<Answer> {
        self.look_at_history(request);
        match request.purpose {
            // Half a program is none.
            Purpose::Step | Purpose::Tool => None,
            Purpose::Verify => Some(Answer::Verdict { accepted: answers::says(text).unwrap_or(false) }),
            Purpose::Merge => Some(Answer::Merged),
            _ => {
                let words = answers::free(answers::spoken(text));
                (!words.is_empty()).then(|| self.keep_product(request, &words))
            }
        }
    }

    fn takes_time(&self) -> bool {
        true
    }

    fn observe(&mut self, note: &Note) {
        if let Note::Admitted { store, finding, .. } | Note::Kept { store, finding, .. } = *note {
            self.texts.shelve(store, finding);
        }
    }

    fn score(&self, outcome: &Outcome) -> Score {
        let submitted: Vec<Submission> = match outcome.choice {
            Choice::Each => outcome.submissions.clone(),
            Choice::Vote => self.elected(&outcome.submissions).into_iter().collect(),
        };
        let answered = submitted.iter().filter(|s| s.finding.is_some()).count() as f64;
        Score {
            right: submitted.iter().map(|s| self.is_right(s.finding)).collect(),
            facts: vec![("answered", answered / submitted.len().max(1) as f64)],
        }
    }
}
