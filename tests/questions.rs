//! Sets of questions: the generator makes what it promises, every format is read, damage is named.

use delm_sim::live::questions::{
    FileSpec, Format, GeneratedForm, GeneratedSpec, Grading, Question, QuestionsSpec, Source, SplitSpec, generated,
    grade,
};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/qa").join(name)
}

fn file(spec: FileSpec) -> QuestionsSpec {
    QuestionsSpec { source: Source::File(spec), ..QuestionsSpec::default() }
}

fn loaded(name: &str) -> Vec<Question> {
    file(FileSpec::new(fixture(name))).load(1).unwrap()
}

// ---- the generator ----

/// Reads documents as a careful person would: knows every sentence form, guesses nothing.
#[derive(Default)]
struct Reader {
    codes: BTreeMap<String, String>,
    roles: BTreeMap<(String, String), String>,
}

impl Reader {
    fn read(&mut self, text: &str) {
        for sentence in text.split(". ").map(|s| s.trim_end_matches('.')) {
            if let Some((who, code)) =
                sentence.strip_prefix("The locker of ").and_then(|rest| rest.split_once(" opens with the code "))
            {
                self.codes.insert(who.to_owned(), code.to_owned());
            } else if let Some((who, code)) = sentence.split_once(" has a locker that opens with the code ") {
                self.codes.insert(who.to_owned(), code.to_owned());
            } else if let Some((code, who)) =
                sentence.strip_prefix("With the code ").and_then(|rest| rest.split_once(" one opens the locker of "))
            {
                self.codes.insert(who.to_owned(), code.to_owned());
            } else if let Some((other, (role, who))) =
                sentence.split_once(" works as the ").and_then(|(other, rest)| Some((other, rest.split_once(" of ")?)))
            {
                self.roles.insert((who.to_owned(), role.to_owned()), other.to_owned());
            } else if let Some((who, (other, role))) =
                sentence.split_once(" has ").and_then(|(who, rest)| Some((who, rest.split_once(" as ")?)))
            {
                self.roles.insert((who.to_owned(), role.to_owned()), other.to_owned());
            } else if let Some((role, (who, other))) = sentence
                .strip_prefix("The ")
                .and_then(|rest| rest.split_once(" of "))
                .and_then(|(role, rest)| Some((role, rest.split_once(" is ")?)))
            {
                self.roles.insert((who.to_owned(), role.to_owned()), other.to_owned());
            }
        }
    }

    /// The person that "the deputy of the landlord of A" names.
    fn person(&self, phrase: &str) -> Option<String> {
        match phrase.strip_prefix("the ").and_then(|rest| rest.split_once(" of ")) {
            Some((role, rest)) => self.roles.get(&(self.person(rest)?, role.to_owned())).cloned(),
            None => Some(phrase.to_owned()),
        }
    }

    fn answer(&self, question: &str) -> Option<String> {
        if let Some(rest) = question.strip_prefix("Which code opens the locker of ") {
            return self.codes.get(&self.person(rest.trim_end_matches('?'))?).cloned();
        }
        let names =
            question.strip_prefix("Which codes open the lockers of ")?.split('?').next()?.replace(" and ", ", ");
        let codes: Option<Vec<String>> = names.split(", ").map(|name| self.codes.get(name).cloned()).collect();
        codes.map(|codes| codes.join(", "))
    }
}

fn solve<'a>(question: &Question, documents: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut reader = Reader::default();
    documents.into_iter().for_each(|text| reader.read(text));
    reader.answer(&question.text)
}

fn specs() -> Vec<GeneratedSpec> {
    let mut specs = Vec::new();
    for form in [GeneratedForm::Codes, GeneratedForm::Chain] {
        for facts_needed in [1, 2, 5] {
            specs.push(GeneratedSpec { form, facts_needed, documents: 6, ..GeneratedSpec::default() });
        }
    }
    specs
}

#[test]
fn a_reader_of_all_documents_finds_the_answer_and_one_of_fewer_does_not() {
    for spec in specs() {
        for index in 0..20 {
            let question = generated::question(&spec, 7, index).unwrap();
            let all = question.documents.iter().map(|d| d.text.as_str());
            let answer = solve(&question, all).unwrap_or_else(|| panic!("{spec:?}: {question:?}"));
            assert!(grade::is_right(&question, &answer), "{answer} for {:?}", question.answers);
            let golds = question.documents.iter().filter(|d| d.gold == Some(true)).count();
            assert_eq!(golds, spec.facts_needed as usize);
            for without in (0..question.documents.len()).filter(|&d| question.documents[d].gold == Some(true)) {
                let rest = question.documents.iter().enumerate().filter(|(d, _)| *d != without);
                assert_eq!(solve(&question, rest.map(|(_, d)| d.text.as_str())), None, "{spec:?}");
            }
        }
    }
}

#[test]
fn equal_seeds_give_equal_bytes_and_a_question_depends_on_no_other() {
    let bytes = |questions: &[Question]| serde_json::to_vec(questions).unwrap();
    let some = QuestionsSpec { limit: 4, ..QuestionsSpec::default() };
    let later = QuestionsSpec { skip: 2, limit: 1, ..QuestionsSpec::default() };
    let four = some.load(3).unwrap();
    assert_eq!(bytes(&four), bytes(&some.load(3).unwrap()));
    assert_ne!(bytes(&four), bytes(&some.load(4).unwrap()));
    assert_eq!(bytes(&four[2..3]), bytes(&later.load(3).unwrap()));
    let texts: std::collections::BTreeSet<&str> = four.iter().map(|q| q.text.as_str()).collect();
    assert_eq!(texts.len(), 4);
}

#[test]
fn impossible_specifications_say_what_to_do() {
    let fault = |spec: QuestionsSpec| spec.load(0).unwrap_err().to_string();
    let generated = |change: fn(&mut GeneratedSpec)| {
        let mut spec = GeneratedSpec::default();
        change(&mut spec);
        fault(QuestionsSpec { source: Source::Generated(spec), ..QuestionsSpec::default() })
    };
    assert!(generated(|s| s.facts_needed = 9).contains("facts_needed: found 9\n  mend: give 1 to 8"));
    assert!(generated(|s| s.distractors_per_document = 99_999).contains("names run out"));
    assert!(fault(QuestionsSpec { limit: 0, ..QuestionsSpec::default() }).contains("at least one"));
    assert!(
        fault(QuestionsSpec { documents_per_question: 9, ..QuestionsSpec::default() }).contains("documents instead")
    );
    let nq = || file(FileSpec::new(fixture("natural_questions.jsonl")));
    assert!(fault(QuestionsSpec { skip: 5, ..nq() }).contains("holds 5 questions"));
    assert!(fault(QuestionsSpec { documents_per_question: 40, ..nq() }).contains("give fewer"));
    assert!(fault(QuestionsSpec { documents_per_question: 3, gold_position: Some(3), ..nq() }).contains("give 0 to 2"));
}

#[test]
fn a_specification_is_plain_toml() {
    let text = "limit = 3\n[source.file]\npath = \"a.jsonl\"\nformat = \"longbench-v2\"\nsplit = {document_chars = 9}";
    let spec: QuestionsSpec = toml::from_str(text).unwrap();
    let split = SplitSpec { document_chars: 9, ..SplitSpec::default() };
    let expected = FileSpec { format: Format::LongbenchV2, split, ..FileSpec::new("a.jsonl") };
    assert_eq!(spec, QuestionsSpec { limit: 3, ..file(expected) });
    assert!(toml::from_str::<QuestionsSpec>("limits = 3").is_err());
    let generated: QuestionsSpec = toml::from_str("[source.generated]\nform = \"chain\"").unwrap();
    let expected = GeneratedSpec { form: GeneratedForm::Chain, ..GeneratedSpec::default() };
    assert_eq!(generated.source, Source::Generated(expected));
}

// ---- files ----

#[test]
fn hotpotqa_in_both_forms() {
    let flat = loaded("hotpotqa.jsonl");
    assert_eq!(flat.iter().map(|q| q.id.as_str()).collect::<Vec<_>>(), ["h1", "h2", "h3"]);
    assert_eq!(flat[0].documents.len(), 3);
    assert_eq!((flat[0].documents[2].gold, flat[0].grading), (Some(false), Grading::ExactMatch));
    let published = loaded("hotpotqa_published.json");
    let golds: Vec<Option<bool>> = published[0].documents.iter().map(|d| d.gold).collect();
    assert_eq!(golds, [Some(false), Some(true), Some(true)]);
    assert_eq!(published[0].documents[2].text, "Sibba Lorn was born in Ostmere. She sewed sails.");
    assert!(grade::is_right(&published[0], "ostmere."));
}

#[test]
fn natural_questions_and_their_haystacks() {
    let plain = loaded("natural_questions.jsonl");
    assert_eq!(plain[0].text, "who built the first tide organ in varn?");
    assert_eq!(plain[0].answers, ["Edda Quill", "E. Quill"]);
    let spec = FileSpec::new(fixture("natural_questions.jsonl"));
    let hay = |at, seed| {
        let spec = QuestionsSpec { documents_per_question: 4, gold_position: at, ..file(spec.clone()) };
        spec.load(seed)
    };
    // One passage names the first question's answer and may not join it: three others are left.
    for at in 0..4 {
        let question = &hay(Some(at), 5).unwrap()[0];
        assert_eq!(question.documents.len(), 4);
        let golds: Vec<usize> = (0..4).filter(|&d| question.documents[d].gold == Some(true)).collect();
        assert_eq!(golds, [at as usize]);
        assert!(question.documents.iter().all(|d| d.title != "Tuning"));
    }
    assert_eq!(hay(None, 5).unwrap(), hay(None, 5).unwrap());
    assert!((0..9).any(|seed| hay(None, seed).unwrap() != hay(None, 5).unwrap()));
    let too_many = QuestionsSpec { documents_per_question: 5, limit: 1, ..file(spec.clone()) };
    assert!(too_many.load(5).is_err(), "the passage with the answer may not fill up");
}

#[test]
fn filling_up_repeats_no_document() {
    let spec = FileSpec::new(fixture("hotpotqa.jsonl"));
    let filled = QuestionsSpec { documents_per_question: 7, limit: 1, ..file(spec) }.load(2).unwrap();
    let mut titles: Vec<&str> = filled[0].documents.iter().map(|d| d.title.as_str()).collect();
    titles.sort_unstable();
    titles.dedup();
    assert_eq!(titles.len(), 7);
    assert_eq!(filled[0].documents.iter().filter(|d| d.gold == Some(true)).count(), 2);
}

#[test]
fn key_value_records_are_cut_into_documents() {
    let spec = FileSpec { pairs_per_document: 2, ..FileSpec::new(fixture("key_value.jsonl")) };
    let questions = file(spec.clone()).load(0).unwrap();
    let question = &questions[0];
    assert_eq!(question.documents.len(), 2);
    assert_eq!(question.documents[0].text, "\"aa-11-k\": \"bb-22-v\"\n\"cc-33-k\": \"dd-44-v\"");
    assert_eq!(question.documents.iter().map(|d| d.gold).collect::<Vec<_>>(), [Some(true), Some(false)]);
    assert!(grade::is_right(question, "It is dd-44-v."));
    assert!(!grade::is_right(question, "bb-22-v"));
    let filled = QuestionsSpec { documents_per_question: 4, ..file(spec) }.load(0).unwrap();
    assert!(filled[0].documents.iter().any(|d| d.title == "Records 1 to 2 of 2"));
}

#[test]
fn longbench_as_array_and_lines() {
    let split = SplitSpec { document_chars: 40, merge_below_chars: 0, paragraph_chars: 40 };
    let of = |name| file(FileSpec { split, ..FileSpec::new(fixture(name)) }).load(0).unwrap();
    let array = of("longbench_v2.json");
    assert_eq!(array, of("longbench_v2.jsonl"));
    let texts: Vec<&str> = array[0].documents.iter().map(|d| d.text.as_str()).collect();
    assert_eq!(texts, ["The keeper rose early.", "She counted gulls until noon.", "Then she slept."]);
    assert_eq!(array[0].choices[1], "gulls");
    assert!(grade::is_right(&array[0], "The answer is (B)."));
}

#[test]
fn damage_is_named_with_its_place_and_mend() {
    let dir = tempfile::tempdir().unwrap();
    let fault = |text: &[u8]| {
        let path = dir.path().join("set.jsonl");
        std::fs::write(&path, text).unwrap();
        let told = file(FileSpec::new(&path)).load(0).unwrap_err().to_string();
        told.replace(&path.display().to_string(), "set")
    };
    let good = std::fs::read_to_string(fixture("hotpotqa.jsonl")).unwrap();
    let cut = format!("{}\n{{\"id\": \"x\", \"question\"", good.lines().next().unwrap());
    assert!(fault(cut.as_bytes()).starts_with("set:2: not JSON (column"), "{}", fault(cut.as_bytes()));
    let blank = good.replace("\"yes\"", "\" \"");
    assert_eq!(fault(blank.as_bytes()), "set:3: field \"answer\": found \" \"\n  mend: give a text that is not blank");
    let typed = good.replacen("\"gold\": true", "\"gold\": \"yes\"", 1);
    assert!(fault(typed.as_bytes()).starts_with("set:1: field \"docs[0].gold\": found \"yes\""));
    let missing = good.replacen("\"answer\"", "\"reply\"", 1);
    assert!(fault(missing.as_bytes()).starts_with("set:1: field \"answer\": missing"));
    assert!(fault(b"").contains("the file is empty"));
    assert!(fault(b"\n\n ").contains("blank lines only"));
    assert!(fault(b"[1, 2]").starts_with("set: item 1: found 1, not an object"));
    assert!(fault(b"[]").contains("the array is empty"));
    assert!(fault(b"[{\"docs\": [").starts_with("set:1: not JSON"));
    assert!(fault(b"{\"a\": 1}").contains("no format is known with the fields a"));
    assert!(fault(b"\xff\xfe{}").starts_with("set:1: not JSON"));
    let keys = std::fs::read_to_string(fixture("key_value.jsonl")).unwrap();
    let moved = keys.replace("\"value\": \"ll-66-v\"", "\"value\": \"zz\"");
    assert!(fault(moved.as_bytes()).starts_with("set:2: field \"value\": \"zz\", but the records hold [\"ll-66-v\"]"));
    let letter = std::fs::read_to_string(fixture("longbench_v2.jsonl")).unwrap();
    assert!(fault(letter.replace("\"B\"", "\"E\"").as_bytes()).contains("field \"answer\": found \"E\""));
    let absent = file(FileSpec::new(dir.path().join("none"))).load(0).unwrap_err().to_string();
    assert!(absent.contains("cannot be read"));
}

#[test]
fn gzip_is_read_like_plain_text_and_a_cut_stream_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("set.jsonl.gz");
    let plain = std::fs::read(fixture("natural_questions.jsonl")).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&plain).unwrap();
    let bytes = gzip.finish().unwrap();
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(file(FileSpec::new(&path)).load(0).unwrap(), loaded("natural_questions.jsonl"));
    std::fs::write(&path, &bytes[..bytes.len() - 20]).unwrap();
    let told = file(FileSpec::new(&path)).load(0).unwrap_err().to_string();
    assert!(told.contains("the gzip stream is cut off"), "{told}");
}

// ---- real sets ----

#[test]
fn real_sets_are_read_whole() {
    // Beside the repository, or beside a folder that holds clones of it.
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut places = root.ancestors().skip(1).map(|above| above.join("shared/data/qa"));
    let shared = places.find(|place| place.exists()).unwrap_or_else(|| root.join("../shared/data/qa"));
    let sets = [
        ("hotpotqa_dev_sample100.jsonl.gz", 100, Grading::ExactMatch),
        ("nq_open_oracle.jsonl.gz", 2655, Grading::Contains),
        ("kv_retrieval_75keys_first250.jsonl.gz", 250, Grading::Code),
    ];
    for (name, count, grading) in sets {
        let path = shared.join(name);
        if !path.exists() {
            println!("skipped: {} is missing", path.display());
            continue;
        }
        let all = QuestionsSpec { limit: 10_000, ..file(FileSpec::new(&path)) }.load(0).unwrap();
        assert_eq!(all.len(), count);
        assert!(all.iter().all(|q| q.grading == grading && !q.documents.is_empty()));
        // The set's own answers are right by its grading.
        assert!(all.iter().all(|q| q.answers.iter().any(|answer| grade::is_right(q, answer))));
        let wide = QuestionsSpec { documents_per_question: 20, limit: 3, ..file(FileSpec::new(&path)) };
        assert!(wide.load(9).unwrap().iter().all(|q| q.documents.len() == 20));
    }
}
