//! The desk for questions: every policy of `divide` runs over it to the end, whatever a model replies; prompts read as
//! promised, and a careful reader's answer comes out right.

use delm_sim::kernel::{Span, Time};
use delm_sim::live::desk::{Chat, Desk, DeskSpec, PlanBy, Reading, Rendered};
use delm_sim::live::questions::{Document, GeneratedSpec, Grading, Question, generated, grade};
use delm_sim::model::Limit;
use delm_sim::model::call::{
    Answer, Content, Finding, FindingKind, Outcome, PromptSpan, Purpose, Reply, Request, SpanRole, SubtaskList, Usage,
};
use delm_sim::model::ids::{About, AgentId, CallId, FindingId, StoreId, SubtaskId};
use delm_sim::model::note::Note;
use delm_sim::model::workload::Truth as _;

use delm_sim::policy::settings::{Draft, Work};
use delm_sim::policy::{Catalog, Command, Event, Outbox};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::sync::Arc;

const POLICIES: [&str; 8] = [
    "single",
    "independent",
    "map-reduce",
    "orchestrator-sequential",
    "orchestrator-serial",
    "orchestrator-parallel",
    "orchestrator-async",
    "delm-queue",
];

/// A call that has not been answered.
struct Open {
    call: CallId,
    request: Request,
    rendered: Rendered,
}

/// What a run leaves behind.
struct Run {
    desk: Reading,
    outcome: Outcome,
    asked: Vec<(Request, Chat)>,
}

/// Drives one policy over a desk; replies come in the order of the calls.
fn run(
    policy: &str,
    change: impl Fn(&mut Draft),
    n: u32,
    mut desk: Reading,
    mut reply: impl FnMut(&Request, &Chat) -> String,
) -> Run {
    let catalog = Catalog::default();
    let entry = catalog.entry(policy).unwrap();
    let mut settings = entry.draft();
    change(&mut settings);
    let settings = settings.settle(Work::Divide).unwrap();
    let (mut policy, _) = entry.build(&Arc::new(settings), Work::Divide, n);
    let mut out = Outbox::default();
    let mut open: VecDeque<Open> = VecDeque::new();
    let mut timers = VecDeque::new();
    let mut asked = Vec::new();
    let mut event = Event::Started;
    for _ in 0..10_000 {
        policy.handle(Time::ZERO, &event, &mut out);
        for command in out.drain() {
            match command {
                Command::Call(call, request) => {
                    let rendered = desk.render(&request);
                    assert_eq!(rendered, desk.render(&request), "a second look changes nothing");
                    if let Rendered::Ask(chat) = &rendered {
                        assert_eq!(chat.span_keys.len(), request.prompt.len());
                        asked.push(((*request).clone(), chat.clone()));
                    }
                    open.push_back(Open { call, request: *request, rendered });
                }
                Command::Cancel(call) => open.retain(|o| o.call != call),
                Command::SetTimer(timer, _) => timers.push_back(timer),
                Command::CancelTimer(timer) => timers.retain(|t| *t != timer),
                Command::Note(note) => desk.observe(&note),
                Command::Finish(outcome) => return Run { desk, outcome, asked },
            }
        }
        let Some(Open { call, request, rendered }) = open.pop_front() else {
            event = Event::TimerFired(timers.pop_front().expect("a policy waits for something"));
            continue;
        };
        let mut usage = Usage::default();
        let answer = match rendered {
            Rendered::Known(answer) => answer,
            Rendered::Ask(chat) => {
                let text = reply(&request, &chat);
                usage.completion_tokens = text.len().div_ceil(4) as u64;
                let read = desk.read(&request, &text).ok();
                read.or_else(|| desk.salvage(&request, &text)).expect("something can be made of it")
            }
        };
        event = Event::Replied(call, Reply { answer, usage, sojourn: Span::ZERO });
    }
    panic!("no end");
}

/// A value of the form that a schema asks for; `turn` picks among truth values.
fn fitting(schema: &Value, turn: usize) -> Value {
    if let Some(choices) = schema["enum"].as_array() {
        return choices[turn % choices.len()].clone();
    }
    match schema["type"].as_str() {
        Some("object") => {
            let properties = schema["properties"].as_object().unwrap();
            let mut map = serde_json::Map::new();
            for (name, part) in properties {
                map.insert(name.clone(), fitting(part, turn));
            }
            Value::Object(map)
        }
        Some("array") => Value::Array((0..2).map(|i| fitting(&schema["items"], turn + i)).collect()),
        Some("integer") => json!(1 + turn % 3),
        Some("boolean") => json!(turn % 3 != 1),
        _ => json!(format!("words of turn {turn}")),
    }
}

/// Replies of the right form, of a wrong form, cut off and without any form.
fn scripted() -> impl FnMut(&Request, &Chat) -> String {
    let mut turn = 0;
    move |_, chat| {
        turn += 1;
        let good = fitting(&chat.form.as_ref().unwrap().schema, turn).to_string();
        match turn % 7 {
            1 => format!("Here it is:\n```json\n{good}\n```"),
            3 => "I would rather say it in prose, yes.".to_owned(),
            5 => good[..good.len() / 2].to_owned(),
            6 => json!({"something": "else"}).to_string(),
            _ => good,
        }
    }
}

fn generated_desk(spec: DeskSpec) -> Reading {
    let question = generated::question(&GeneratedSpec::default(), 11, 0).unwrap();
    Reading::new(Arc::new(question), Arc::new(spec))
}

#[test]
fn every_policy_comes_to_its_end_whatever_is_replied() {
    let small = |s: &mut Draft| {
        s.window_tokens = Limit::At(5000.0);
        s.digest_tokens = 200;
        s.max_steps = 4;
    };
    let short_memory = |s: &mut Draft| {
        s.memory_steps = Limit::At(2.0);
        s.keep_steps = 1;
    };
    for policy in POLICIES {
        for plan_by in [PlanBy::Documents, PlanBy::Model] {
            for more_by in [PlanBy::Documents, PlanBy::Model] {
                for n in [1, 3] {
                    let desk = || {
                        generated_desk(DeskSpec {
                            plan_by,
                            more_by,
                            documents_per_subtask: 2,
                            keep_steps: 1,
                            ..DeskSpec::default()
                        })
                    };
                    let runs = [
                        run(policy, |_| {}, n, desk(), scripted()),
                        run(policy, small, n, desk(), scripted()),
                        run(policy, short_memory, n, desk(), scripted()),
                    ];
                    for run in runs {
                        assert!(!run.outcome.submissions.is_empty(), "{policy}");
                        let score = run.desk.score(&run.outcome);
                        assert_eq!(score.right.len(), run.outcome.submissions.len());
                        assert!(run.outcome.submissions.iter().all(|s| s.finding.is_some()), "{policy}");
                    }
                }
            }
        }
    }
}

#[test]
fn equal_replies_give_equal_texts() {
    for policy in POLICIES {
        let desk = || generated_desk(DeskSpec { plan_by: PlanBy::Model, ..DeskSpec::default() });
        let (first, second) = (run(policy, |_| {}, 3, desk(), scripted()), run(policy, |_| {}, 3, desk(), scripted()));
        assert_eq!(first.asked, second.asked);
        assert_eq!(first.outcome, second.outcome);
    }
}

// ---- a careful reader ----

/// Sentences that give the code of somebody whom the question names, as they stand in a text.
fn telling<'a>(question: &str, text: &'a str) -> Vec<&'a str> {
    let names = names(question);
    let mut told = Vec::new();
    for sentence in text.split_inclusive('.').map(str::trim) {
        let tells = !grade::codes(sentence).is_empty() && names.iter().any(|n| sentence.contains(n.as_str()));
        if tells && !told.contains(&sentence) {
            told.push(sentence);
        }
    }
    told
}

fn names(question: &str) -> Vec<String> {
    let names = question.split("lockers of ").nth(1).unwrap().split('?').next().unwrap();
    names.replace(" and ", ", ").split(", ").map(str::to_owned).collect()
}

fn careful(question: Question) -> impl FnMut(&Request, &Chat) -> String {
    move |request, chat| {
        let text = &chat.messages[1].content;
        let told = telling(&question.text, text).join(" ");
        let told = if told.is_empty() { "Nothing on it here.".to_owned() } else { told };
        match request.purpose {
            Purpose::Step => json!({"found": told, "evidence": "", "done": true}),
            Purpose::Gist => json!({"gist": told}),
            Purpose::Report => json!({"report": told}),
            Purpose::Dispatch => json!({"brief": told}),
            Purpose::Compact => json!({"digest": told}),
            Purpose::Verify => json!({"reason": "", "supported": true}),
            Purpose::Unfold => json!({"labels": []}),
            Purpose::Merge => json!({"known": told, "open": ""}),
            Purpose::MoreSubtasks => json!({"done": true, "subtasks": []}),
            Purpose::Finalize => {
                let code = |name: &String| {
                    let sentences = telling(&question.text, text);
                    let with = sentences.iter().find(|s| s.contains(name.as_str()));
                    with.map_or("none", |s| s.split_whitespace().find(|w| !grade::codes(w).is_empty()).unwrap())
                };
                let codes: Vec<&str> = names(&question.text).iter().map(code).collect();
                json!({"reason": "", "answer": codes.join(", ")})
            }
            other => panic!("{other:?} is not asked"),
        }
        .to_string()
    }
}

#[test]
fn a_careful_reader_is_right_under_every_policy() {
    for policy in POLICIES {
        for index in 0..5 {
            let question = generated::question(&GeneratedSpec::default(), 4, index).unwrap();
            let desk = Reading::new(Arc::new(question.clone()), Arc::new(DeskSpec::default()));
            let done = run(policy, |s| s.gist_tokens = 200, 2, desk, careful(question));
            let answers: Vec<_> = done.outcome.submissions.iter().map(|s| done.desk.text(s.finding.unwrap())).collect();
            assert!(done.desk.score(&done.outcome).right.iter().all(|r| *r), "{policy}: {answers:?}");
        }
    }
}

// ---- prompts ----

fn small_question() -> Question {
    let document = |title: &str, text: &str| Document { title: title.to_owned(), text: text.to_owned(), gold: None };
    Question {
        id: "kite".to_owned(),
        text: "In which town was the founder of the Veltrin kite works born?".to_owned(),
        documents: vec![
            document("Veltrin kite works", "The works was founded by Sibba Lorn."),
            document("Sibba Lorn", "Sibba Lorn was born in Ostmere."),
            document("Ostmere regatta", "The regatta is held in June."),
        ],
        answers: vec!["Ostmere".to_owned()],
        grading: Grading::ExactMatch,
        choices: Vec::new(),
    }
}

fn kite(request: &Request, chat: &Chat) -> String {
    let step = request.about.step;
    match request.purpose {
        Purpose::Plan => json!({"subtasks": [
            {"documents": [1], "ask": "Who founded the works?", "after": []},
            {"documents": [2, 3], "ask": "Where was the founder born?", "after": [1]}]}),
        Purpose::Step => json!({"found": format!("Finding {step} on subtask {}.", request.about.subtask.0 + 1),
            "evidence": "as it says", "done": step > 0}),
        Purpose::Verify => json!({"reason": "The note says more than the result.", "supported": step > 0}),
        Purpose::Unfold => json!({"labels": [1]}),
        Purpose::MoreSubtasks => json!({"done": false, "subtasks": [
            {"documents": [3], "ask": "Look again for a birthplace.", "after": []}]}),
        _ => fitting(&chat.form.as_ref().unwrap().schema, 0),
    }
    .to_string()
}

#[test]
fn prompts_read_as_they_should() {
    let spec = DeskSpec { plan_by: PlanBy::Model, ..DeskSpec::default() };
    let desk = || Reading::new(Arc::new(small_question()), Arc::new(spec.clone()));
    let queue = run("delm-queue", |s| s.more_rounds = 1, 2, desk(), kite);
    let lead = run("orchestrator-sequential", |s| s.more_rounds = 1, 1, desk(), kite);
    let small = |s: &mut Draft| {
        s.window_tokens = Limit::At(3900.0);
        s.digest_tokens = 20;
    };
    let alone = run("single", small, 1, desk(), kite);
    let mut shown: BTreeMap<&str, String> = BTreeMap::new();
    for (request, chat) in [&alone.asked[..], &lead.asked[..], &queue.asked[..]].concat() {
        let mut text = format!("at most {} tokens, form {}\n", chat.max_tokens, chat.form.as_ref().unwrap().name);
        for message in &chat.messages {
            writeln!(text, "---- {}\n{}", message.role, message.content).unwrap();
        }
        shown.insert(request.purpose.name(), text);
    }
    let asked = Purpose::ALL.iter().filter(|p| **p != Purpose::Tool).map(|p| p.name());
    for purpose in asked {
        insta::assert_snapshot!(format!("prompt_{purpose}"), shown.get(purpose).unwrap_or_else(|| panic!("{purpose}")));
    }
}

#[test]
fn equal_handles_are_equal_texts_in_every_prompt() {
    let desk = Reading::new(Arc::new(small_question()), Arc::new(DeskSpec::default()));
    for policy in POLICIES {
        let done = run(policy, |_| {}, 2, desk.clone(), kite);
        let mut keys: BTreeMap<String, &String> = BTreeMap::new();
        for (request, chat) in &done.asked {
            let spans = request.prompt.iter().zip(&chat.span_keys).filter(|(span, _)| {
                // Histories and unfolded texts change; a view of no tokens stands in a history.
                !matches!(span.content, Content::History { .. } | Content::Unfolded(_)) && span.tokens > 0
            });
            for (span, key) in spans {
                let first = *keys.entry(format!("{:?}", span.content)).or_insert(key);
                assert_eq!(first, key, "{policy}: {:?}", span.content);
            }
        }
        assert!(keys.len() >= 3);
    }
}

#[test]
fn a_growing_board_is_a_growing_prefix() {
    let desk = Reading::new(Arc::new(small_question()), Arc::new(DeskSpec::default()));
    let done = run("delm-queue", |_| {}, 1, desk, kite);
    let board = |request: &Request| match request.prompt.get(1).map(|span| span.content) {
        Some(Content::View { store: StoreId(0), first: 0, version }) if version > 0 => Some(version),
        _ => None,
    };
    let last = done.asked.iter().rfind(|(request, _)| board(request).is_some()).unwrap();
    let whole = last.1.messages[1].content.split("\n\n").next().unwrap();
    for (request, chat) in done.asked.iter().filter(|(request, _)| board(request).is_some()) {
        let notes = chat.messages[1].content.split("\n\n").next().unwrap();
        assert!(whole.starts_with(notes), "{request:?}: {notes}");
    }
}

// ---- single calls ----

fn ask(purpose: Purpose, prompt: &[(Content, u32)]) -> Request {
    let span = |&(content, tokens): &(Content, u32)| PromptSpan { content, role: SpanRole::New, tokens };
    Request::new(AgentId(0), purpose, About::default(), prompt.iter().map(span).collect())
}

#[test]
fn nothing_is_kept_of_what_cannot_be_read() {
    let mut desk = generated_desk(DeskSpec::default());
    let history = Content::History { agent: AgentId(0), epoch: 1 };
    let _ = desk.render(&ask(Purpose::Plan, &[]));
    let step = ask(Purpose::Step, &[(Content::Task, 9), (history, 9)]);
    let before = desk.render(&step);
    let why = desk.read(&step, "{\"found\": \"x\", \"evidence\": \"y\"}").unwrap_err();
    assert_eq!(why, "the field \"done\" is missing");
    assert_eq!(desk.render(&step), before);
    let Answer::Step { result: Some(result), .. } = desk.salvage(&step, "{\"found\": \"x\", \"evid").unwrap() else {
        panic!("a step was salvaged");
    };
    assert_eq!((result.id, result.kind), (FindingId(0), FindingKind::Result));
    assert!(desk.text(result.id).unwrap().ends_with(": x"));
    assert_eq!(desk.salvage(&step, "  "), None);
}

#[test]
fn at_most_five_known_labels_are_unfolded() {
    let mut desk = generated_desk(DeskSpec::default());
    for i in 0..8 {
        let step = ask(Purpose::Step, &[]);
        let text = json!({"found": format!("fact {i}"), "evidence": "", "done": true}).to_string();
        let Answer::Step { result: Some(raw), .. } = desk.read(&step, &text).unwrap() else { panic!() };
        let gist = Request { subject: Some(raw.id), ..ask(Purpose::Gist, &[]) };
        let Answer::Gist(Finding { id, tokens, .. }) = desk.read(&gist, "{\"gist\": \"short\"}").unwrap() else {
            panic!()
        };
        let (agent, store, version) = (AgentId(0), StoreId(0), i + 1);
        desk.observe(&Note::Admitted { agent, store, finding: id, tokens, version, stale_by: 0 });
    }
    let view = Content::View { store: StoreId(0), first: 1, version: 8 };
    let mut unfold = ask(Purpose::Unfold, &[(view, 99)]);
    unfold.about.subtask = SubtaskId(3);
    let labels = "{\"labels\": [1, \"E2\", 2, 9, 3, 4, 5, 6, 7]}";
    let Answer::Unfolded { tokens } = desk.read(&unfold, labels).unwrap() else { panic!() };
    let full = ask(Purpose::Step, &[(Content::Unfolded(SubtaskId(3)), tokens)]);
    let Rendered::Ask(chat) = desk.render(&full) else { panic!() };
    let shown = &chat.messages[1].content;
    assert!(shown.starts_with("Full results of the notes you chose:\n[E2] fact 1\n[E3] fact 2\n"), "{shown}");
    assert!(shown.contains("[E6] fact 5\n") && !shown.contains("[E7]") && !shown.contains("[E1]"));
    let none = desk.read(&unfold, "{\"labels\": \"none\"}").unwrap();
    assert_eq!(none, Answer::Unfolded { tokens: 0 });
}

#[test]
fn more_subtasks_follow_those_that_exist() {
    let mut desk = generated_desk(DeskSpec::default());
    let Rendered::Known(Answer::Subtasks(plan)) = desk.render(&ask(Purpose::Plan, &[])) else { panic!() };
    assert_eq!((plan.first, plan.count, plan.dependencies.len()), (0, 8, 0));
    desk.observe(&Note::Created { first: 0, count: 8 });
    let more = ask(Purpose::MoreSubtasks, &[]);
    let text = "{\"done\": \"no\", \"subtasks\": [{\"documents\": [2], \"ask\": \"x\", \"after\": [3, 12]}]}";
    let Answer::Subtasks(list) = desk.read(&more, text).unwrap() else { panic!() };
    let dependencies = vec![(SubtaskId(8), SubtaskId(2))];
    let source_tokens = vec![plan.source_tokens[1]];
    assert_eq!(*list, SubtaskList { first: 8, count: 1, dependencies, source_tokens });
    let Answer::Subtasks(done) = desk.read(&more, "{\"done\": true, \"subtasks\": []}").unwrap() else { panic!() };
    assert_eq!((done.first, done.count), (8, 0));
}

#[test]
fn a_made_up_code_is_known_to_be_unsupported() {
    let mut desk = generated_desk(DeskSpec::default());
    let code = grade::codes(&desk.question().documents[0].text)[0].clone();
    let mut answer = |text: &str| {
        let text = json!({"reason": "", "answer": text}).to_string();
        let Answer::Final(found) = desk.read(&ask(Purpose::Finalize, &[]), &text).unwrap() else { panic!() };
        found.id
    };
    let (stated, made_up, plain) = (answer(&code), answer("AAA-0000"), answer("no code"));
    let truth = answer(&generated_desk(DeskSpec::default()).question().answers[0].clone());
    assert!(!desk.is_unsupported(stated) && desk.is_unsupported(made_up) && !desk.is_unsupported(plain));
    assert!(desk.is_right(Some(truth)) && !desk.is_right(Some(stated)) && !desk.is_right(None));
    assert!(!desk.is_unsupported(FindingId(99)));
}
