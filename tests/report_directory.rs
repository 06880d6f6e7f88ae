//! The output directory: who may be overwritten, that it is whole or not there, and what a reproduction tells.

#[path = "report/fake.rs"]
#[expect(dead_code, reason = "shared with the tests of tables and figures")]
mod fake;

use delm_sim::experiment::Study;
use delm_sim::report::directory::{self, DirectoryError};
use delm_sim::report::reproduce::Kind;
use delm_sim::report::{self, Command, Manifest, Reproduction, Status, Stored};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

fn save(dir: &Path, study: &Study, overwrite: bool) -> Result<Stored, DirectoryError> {
    let manifest = Manifest::announce(Command::Compare, &study.scenario, false);
    report::store(&report::plan(dir, overwrite, manifest)?, study)
}

fn content(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|e| {
            let name = e.file_name().into_string().unwrap();
            (name, fs::read(e.path()).unwrap())
        })
        .collect()
}

/// The same scenario under another seed.
fn other() -> Study {
    let mut study = fake::study();
    study.scenario.seed += 1;
    study
}

#[test]
fn absent_and_empty_directories_are_filled() {
    let root = tempfile::tempdir().unwrap();
    let absent = root.path().join("deep/new");
    let stored = save(&absent, &fake::study(), false).unwrap();
    assert_eq!(stored.status, Status::Written);
    assert_eq!(
        content(&absent).keys().collect::<Vec<_>>(),
        ["comparison.csv", "manifest.json", "metrics.csv", "replications.csv", "report.md", "summary.json"]
    );
    let empty = root.path().join("empty");
    fs::create_dir(&empty).unwrap();
    save(&empty, &fake::study(), false).unwrap();
    assert_eq!(content(&absent), content(&empty));
    assert_eq!(fs::read_dir(root.path().join("deep")).unwrap().count(), 1);
}

#[test]
fn a_manifest_tells_no_path_and_every_hash() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("out");
    save(&dir, &fake::study(), false).unwrap();
    let files = content(&dir);
    let manifest = directory::read(&dir).unwrap();
    assert_eq!(manifest.scenario, fake::scenario());
    assert_eq!(manifest.files.len(), 5);
    for (name, hash) in &manifest.files {
        assert_eq!(blake3::hash(&files[name]).to_hex().as_str(), hash);
    }
    let text = String::from_utf8(files["manifest.json"].clone()).unwrap();
    assert!(!text.contains(&*root.path().to_string_lossy()));
    assert!(text.contains("0.30000000000000004"), "floats stay exact");
    assert_eq!(
        report::default_dir(Command::Compare, &manifest.scenario),
        Path::new("delm-sim-out").join(format!("fake-search-{}", &manifest.config_hash[..8]))
    );
}

#[test]
fn the_same_results_again_are_a_success_and_heal() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("out");
    save(&dir, &fake::study(), false).unwrap();
    let before = content(&dir);
    fs::write(dir.join("mine.txt"), "keep").unwrap();
    let again = save(&dir, &fake::study(), false).unwrap();
    assert_eq!(again.status, Status::AlreadyThere);
    fs::write(dir.join("metrics.csv"), "tampered").unwrap();
    fs::remove_file(dir.join("summary.json")).unwrap();
    let healed = save(&dir, &fake::study(), false).unwrap();
    assert_eq!(healed.status, Status::Mended(2));
    assert_eq!(fs::read(dir.join("mine.txt")).unwrap(), b"keep");
    fs::remove_file(dir.join("mine.txt")).unwrap();
    assert_eq!(content(&dir), before);
}

#[test]
fn figures_are_added_to_the_same_results_and_stay() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("out");
    let study = fake::study();
    save(&dir, &study, false).unwrap();
    let manifest = Manifest::announce(Command::Compare, &study.scenario, true);
    let plan = report::plan(&dir, false, manifest).unwrap();
    assert_eq!(report::store(&plan, &study).unwrap().status, Status::Mended(12));
    assert_eq!(directory::read(&dir).unwrap().files.len(), 17);
    let without = save(&dir, &study, false).unwrap();
    assert_eq!(without.status, Status::AlreadyThere);
    assert_eq!(without.pictures.len(), 12);
    assert_eq!(report::compare(&dir, &study).unwrap(), Reproduction::Same { files: 18 });
}

#[test]
fn foreign_directories_are_refused_untouched() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("out");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("mine.txt"), "keep").unwrap();
    let before = content(&dir);
    let error = save(&dir, &fake::study(), false).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("--overwrite"), "{error}");
    assert_eq!(content(&dir), before);

    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    for place in [file.clone(), file.join("below")] {
        let error = save(&place, &fake::study(), true).unwrap_err();
        assert!(matches!(error, DirectoryError::NotADirectory { .. }));
    }
}

#[test]
fn results_of_another_question_need_overwrite() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("out");
    save(&dir, &fake::study(), false).unwrap();
    let before = content(&dir);
    let error = save(&dir, &other(), false).unwrap_err();
    assert!(error.to_string().contains("other settings"), "{error}");
    assert_eq!(content(&dir), before);

    fs::write(dir.join("mine.txt"), "keep").unwrap();
    let stored = save(&dir, &other(), true).unwrap();
    assert_eq!(stored.status, Status::Overwritten);
    assert_eq!(directory::read(&dir).unwrap().seed, other().scenario.seed);
    assert!(dir.join("mine.txt").exists(), "foreign files stay");
}

#[test]
fn overwriting_removes_files_that_belong_to_the_old_results_alone() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("out");
    let study = fake::study();
    let with_figures = Manifest::announce(Command::Compare, &study.scenario, true);
    report::store(&report::plan(&dir, false, with_figures).unwrap(), &study).unwrap();
    // A damaged manifest may name anything; nothing outside the directory is touched.
    let outside = root.path().join("outside.txt");
    fs::write(&outside, "keep").unwrap();
    let text = fs::read_to_string(dir.join("manifest.json")).unwrap();
    let text = text.replace("\"accuracy.png\"", "\"../outside.txt\"");
    fs::write(dir.join("manifest.json"), text).unwrap();
    save(&dir, &other(), true).unwrap();
    assert!(outside.exists());
    assert!(!dir.join("cost.svg").exists());
}

#[test]
fn the_same_question_with_another_answer_is_not_overwritten_silently() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("out");
    save(&dir, &fake::study(), false).unwrap();
    let before = content(&dir);
    let mut changed = fake::study();
    changed.digest = "e2".repeat(32);
    let error = save(&dir, &changed, false).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert_eq!(content(&dir), before);
    assert_eq!(save(&dir, &changed, true).unwrap().status, Status::Overwritten);
}

#[test]
fn an_error_leaves_nothing_half_written() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("out");
    save(&dir, &fake::study(), false).unwrap();
    // A directory where a file belongs: found only when writing.
    fs::remove_file(dir.join("comparison.csv")).unwrap();
    fs::create_dir(dir.join("comparison.csv")).unwrap();
    let manifest = fs::read(dir.join("manifest.json")).unwrap();
    let error = save(&dir, &other(), true).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert_eq!(fs::read(dir.join("manifest.json")).unwrap(), manifest);
    let names: Vec<_> = fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 6, "{names:?}");

    // A new directory whose name the file system does not take.
    let long = root.path().join("x".repeat(300));
    let plan = save(&long, &fake::study(), false);
    assert!(plan.is_err());
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
}

#[test]
fn leftovers_of_a_killed_process_do_no_harm() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("out");
    fs::create_dir_all(dir.join(".delm-sim-partial-1")).unwrap();
    assert_eq!(save(&dir, &fake::study(), false).unwrap().status, Status::Written);
}

#[test]
fn reproduction_tells_what_differs() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("out");
    let study = fake::study();
    save(&dir, &study, false).unwrap();
    let same = report::compare(&dir, &study).unwrap();
    assert_eq!(same, Reproduction::Same { files: 6 });

    let mut changed = fake::study();
    changed.cells[3].series[0].values[2] += 1e-9;
    let Reproduction::Changed { differing } = report::compare(&dir, &changed).unwrap() else {
        panic!("a changed number goes unnoticed");
    };
    let names: Vec<&str> = differing.iter().map(|d| d.file.as_str()).collect();
    assert_eq!(names, ["manifest.json", "metrics.csv", "replications.csv", "summary.json"]);
    assert!(differing.iter().all(|d| d.kind == Kind::Recomputed));
    assert!(differing[1].first.starts_with("line 59: `fake-search,single,8,makespan_s"));

    let path = dir.join("metrics.csv");
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 2;
    bytes[last] = b'8';
    fs::write(&path, bytes).unwrap();
    fs::remove_file(dir.join("summary.json")).unwrap();
    let altered = report::compare(&dir, &study).unwrap();
    assert!(!altered.agrees());
    insta::assert_snapshot!(altered.to_string(), @r"
    not reproduced; files that differ: 2
      metrics.csv: altered since it was written; line 960: `...2500000000004,0.31562500000000004,12,simulated,tru8` there, `...2500000000004,0.31562500000000004,12,simulated,true` now
      summary.json: missing
    ");
}

#[test]
fn another_version_is_told_apart() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("out");
    let study = fake::study();
    save(&dir, &study, false).unwrap();
    let path = dir.join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    let ours = env!("CARGO_PKG_VERSION");
    let old = text.replacen(&format!("\"program_version\": \"{ours}\""), "\"program_version\": \"0.0.1\"", 1);
    fs::write(&path, &old).unwrap();
    let told = report::compare(&dir, &study).unwrap();
    assert!(told.agrees());
    let Reproduction::OtherVersion { theirs, .. } = told else {
        panic!("another version goes unnoticed");
    };
    assert_eq!(theirs, "0.0.1");
    let error = save(&dir, &study, false).unwrap_err();
    assert!(error.to_string().contains("version 0.0.1"), "{error}");

    fs::write(&path, old.replacen("\"seed\"", "\"seeds\"", 1)).unwrap();
    let error = report::compare(&dir, &study).unwrap_err();
    assert!(error.to_string().contains("written by version 0.0.1"), "{error}");
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn a_directory_without_manifest_cannot_be_reproduced() {
    let root = tempfile::tempdir().unwrap();
    let error = report::compare(root.path(), &fake::study()).unwrap_err();
    assert!(matches!(error, DirectoryError::Manifest { .. }));
}
